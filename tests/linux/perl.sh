# perl: fork, signals, threads, sockets, alarms, XS modules.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > test.pl <<'END'
use strict; use warnings; use POSIX qw(:sys_wait_h :signal_h); use IO::Socket::INET; use Time::HiRes qw(sleep alarm); use Digest::SHA; use threads; use threads::shared; use Socket; use IPC::Open3; use Storable; use File::Temp; use List::Util qw(sum);
my $n = 0; sub check { $n++; die "check $n: $_[1]\n" unless $_[0]; }
my @seen; local $SIG{USR1} = sub { push @seen, shift }; kill USR1 => $$; kill USR1 => $$; check(@seen == 2 && $seen[0] eq "USR1", "signals @seen");
my $slept = eval { local $SIG{ALRM} = sub { die "alarm\n" }; alarm 0.2; select undef, undef, undef, 10; 1 }; check(!$slept && $@ eq "alarm\n", "alarm");
my @pids = map { my $pid = fork // die; exit $_ unless $pid; $pid } 1 .. 5; my $sum = 0; for (@pids) { waitpid $_, 0; $sum += $? >> 8 } check($sum == 15, "statuses $sum");
pipe my $r, my $w; my $pid = fork; if (!$pid) { close $r; print $w "from the child\n"; exit 0 } close $w; check(<$r> eq "from the child\n", "pipe"); waitpid $pid, 0;
my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1") or die "listen $!"; my $port = $server->sockport;
$pid = fork; if (!$pid) { my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die; print $c "ping\n"; exit(<$c> eq "pong\n" ? 0 : 1) }
my $c = $server->accept; check(<$c> eq "ping\n", "socket"); print $c "pong\n"; close $c; waitpid $pid, 0; check($? == 0, "client");
my $total :shared = 0; my @t = map { my $i = $_; threads->create(sub { for (1 .. 200) { lock $total; $total += $i } $i * $i }) } 1 .. 4; my @r = map { $_->join } @t; check($total == 2000 && sum(@r) == 30, "threads $total @r");
check(Digest::SHA::sha1_hex("abc") eq "a9993e364706816aba3e25717850c26c9cd0d89d", "sha1"); check(`echo inside` eq "inside\n" && $? == 0, "backticks");
system "sh", "-c", "exit 3"; check($? >> 8 == 3, "system"); system "kill -9 \$\$"; check(($? & 127) == 9, "killed");
my $set = POSIX::SigSet->new(SIGUSR1); sigprocmask(SIG_BLOCK, $set); @seen = (); kill USR1 => $$; check(!@seen, "blocked"); sigprocmask(SIG_UNBLOCK, $set); check(@seen == 1, "unblocked");
local $SIG{CHLD} = sub { 1 while waitpid(-1, WNOHANG) > 0; push @seen, "CHLD" }; @seen = (); $pid = fork; exit 0 unless $pid; for (1 .. 100) { last if @seen; sleep 0.05 } check(@seen >= 1, "SIGCHLD");
local $SIG{PIPE} = sub { push @seen, "PIPE" }; @seen = (); pipe $r, $w; close $r; syswrite $w, "x"; check("@seen" eq "PIPE" && $!{EPIPE}, "SIGPIPE");
my $text = join ",", sort { $a <=> $b } map { $_ * 7 % 101 } 1 .. 100; check($text =~ /^1,2,3,.*,100$/, "sort"); my %h; $h{length $_}++ for split /,/, $text; check($h{1} == 9 && $h{2} == 90, "hash");
my $dump = Storable::thaw(Storable::freeze({ a => [1, 2, { b => 3 }] })); check($dump->{a}[2]{b} == 3, "storable"); print "ok\n";
END
perl test.pl
