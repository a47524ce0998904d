# Counts words with regular expressions and hashes, and rewrites lines. Argument: a text.
use strict;
use warnings;

my (%count, %initial, $long, $rewritten) = ();
($long, $rewritten) = (0, 0);
while (my $line = <>) {
    while ($line =~ /([a-z]+)/g) {
        $count{$1}++;
    }
    $long++ if $line =~ /\b(\w)\w{4,}\1\b/;
    (my $other = $line) =~ s/(\w+) (\w+)/$2 $1/g;
    $rewritten += length(join '', sort { $a cmp $b } split //, substr $other, 0, 20);
    $initial{substr $line, 0, 2} .= chr(97 + length($line) % 26);
}
printf "%d words, %d long, %d rewritten\n", scalar(keys %count), $long, $rewritten;
printf "%s %d\n", $_, $count{$_} for (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 19];
printf "%s %d\n", $_, length $initial{$_} for (sort keys %initial)[0 .. 9];
