// Job control on a pseudoterminal: a session whose leader runs jobs in the foreground and background, stops and continues
// them, types ^C and ^Z, changes the window and hangs up.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "signal_check.h"

static volatile int hits[65];
static volatile int last_code;

static void hit(int number, siginfo_t *info, void *context)
{
    (void)context;
    hits[number]++;
    last_code = info->si_code;
}

static void await(int number)
{
    sigset_t open, set = set_of(number, 0);
    sigprocmask(SIG_BLOCK, &set, &open);
    while (hits[number] == 0)
        sigsuspend(&open);
    sigprocmask(SIG_SETMASK, &open, NULL);
}

static int master;

static void type(const char *text)
{
    size_t length = strlen(text);
    CHECK(write(master, text, length) == (ssize_t)length, "write");
}

// The master side reads a line that begins with "> ", dropping what the terminal echoes.
static void expect(const char *wanted)
{
    static char line[4096];
    size_t length = 0;
    for (;;) {
        struct pollfd ready = { .fd = master, .events = POLLIN };
        char byte;
        if (poll(&ready, 1, 30000) != 1 || read(master, &byte, 1) != 1) {
            line[length] = 0;
            CHECK(false, "waited for \"%s\", have \"%s\"", wanted, line);
            return;
        }
        if (byte != '\n' && length < sizeof line - 1) {
            line[length++] = byte;
            continue;
        }
        line[length] = 0;
        char *mark = strstr(line, "> ");
        length = 0;
        if (mark == NULL)
            continue;
        mark[strcspn(mark, "\r")] = 0;
        CHECK(strcmp(mark + 2, wanted) == 0, "waited for \"%s\", have \"%s\"", wanted, mark + 2);
        printf("%s\n", mark + 2);
        fflush(stdout);
        return;
    }
}

// What the session's processes say goes through the terminal.
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char text[200] = "> ";
    va_list list;
    va_start(list, format);
    int length = 2 + vsnprintf(text + 2, sizeof text - 3, format, list);
    va_end(list);
    text[length++] = '\n';
    if (write(1, text, length) != length)
        _exit(98);
}

static int reported(pid_t child, int options)
{
    int status = 0;
    pid_t got;
    do
        got = waitpid(child, &status, options);
    while (got < 0 && errno == EINTR);
    return got == child ? status : -1;
}

static void say_status(const char *what, int status)
{
    if (WIFSTOPPED(status))
        say("%s: stopped by %s", what, sigabbrev_np(WSTOPSIG(status)));
    else if (WIFCONTINUED(status))
        say("%s: continued", what);
    else if (WIFSIGNALED(status))
        say("%s: killed by %s", what, sigabbrev_np(WTERMSIG(status)));
    else
        say("%s: exit %d", what, WEXITSTATUS(status));
}

static void default_actions(void)
{
    for (int number = 1; number <= 31; number++)
        if (number != SIGKILL && number != SIGSTOP)
            signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static pid_t start_job(void (*body)(void), bool foreground)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        setpgid(0, 0);
        if (foreground) {
            block(SIGTTOU);
            tcsetpgrp(0, getpid());
        }
        default_actions();
        body();
        _exit(0);
    }
    setpgid(child, child);
    return child;
}

static void take_terminal(void)
{
    block(SIGTTOU);
    tcsetpgrp(0, getpgrp());
    unblock(SIGTTOU);
}

static void reads_a_line(void)
{
    char text[100];
    ssize_t length = read(0, text, sizeof text - 1);
    text[length > 0 ? length : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    say("job has \"%s\"", text);
    _exit(3);
}

static void computes(void)
{
    say("job runs");
    for (volatile long i = 0;; i++)
        ;
}

static void sleeps(void)
{
    say("job sleeps");
    for (;;)
        pause();
}

static void catches_stop(void)
{
    on(SIGTSTP, hit, 0);
    on(SIGCONT, hit, 0);
    on(SIGINT, hit, 0);
    say("job waits");
    await(SIGTSTP);
    say("job has SIGTSTP, code %s", last_code == SI_KERNEL ? "SI_KERNEL" : "another");
    // As an editor does: stops itself by the default action and goes on here.
    signal(SIGTSTP, SIG_DFL);
    raise(SIGTSTP);
    say("job goes on, %d SIGCONT", hits[SIGCONT]);
    await(SIGINT);
    say("job has SIGINT");
    _exit(4);
}

static void writes_with_tostop(void)
{
    struct termios modes;
    tcgetattr(0, &modes);
    say("job writes");
    _exit(5);
}

static void ignores_terminal(void)
{
    signal(SIGTTIN, SIG_IGN);
    char byte;
    ssize_t got = read(0, &byte, 1);
    int error = errno;
    on(SIGTTIN, hit, 0);
    block(SIGTTIN);
    ssize_t blocked = read(0, &byte, 1);
    say("ignored: %zd %s, blocked: %zd %s", got, strerrorname_np(error), blocked, strerrorname_np(errno));
    _exit(6);
}

static void watches_window(void)
{
    struct winsize size;
    on(SIGWINCH, hit, SA_RESTART);
    say("job watches");
    await(SIGWINCH);
    ioctl(0, TIOCGWINSZ, &size);
    say("window %d x %d", size.ws_row, size.ws_col);
    _exit(7);
}

static int last_word[2];

static void outlives(void)
{
    on(SIGHUP, hit, 0);
    say("job sleeps");
    await(SIGHUP);
    _exit(write(last_word[1], "h", 1) != 1);
}

// The session leader: a shell that runs one job after the other.
static int session(void)
{
    int status;
    on(SIGCHLD, hit, SA_RESTART);
    on(SIGHUP, hit, 0);
    signal(SIGTTIN, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGTSTP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    say("session: leader %d, terminal's %d", getsid(0) == getpid(), tcgetsid(0) == getpid());

    // In the foreground it reads; in the background it is stopped, and reads when it is in the foreground.
    pid_t job = start_job(reads_a_line, true);
    say_status("reader", reported(job, 0));
    take_terminal();
    job = start_job(reads_a_line, false);
    status = reported(job, WUNTRACED);
    say_status("reader behind", status);
    tcsetpgrp(0, job);
    kill(-job, SIGCONT);
    say_status("reader behind", reported(job, WCONTINUED));
    say_status("reader behind", reported(job, 0));
    take_terminal();

    // ^C while it computes and while it sleeps.
    job = start_job(computes, true);
    say_status("computing", reported(job, WUNTRACED));
    take_terminal();
    job = start_job(sleeps, true);
    say_status("sleeping", reported(job, WUNTRACED));
    take_terminal();

    // ^Z, and on in the background.
    job = start_job(computes, true);
    status = reported(job, WUNTRACED);
    take_terminal();
    say_status("suspended", status);
    kill(-job, SIGCONT);
    say_status("suspended", reported(job, WCONTINUED));
    kill(-job, SIGSTOP);
    say_status("suspended", reported(job, WUNTRACED));
    kill(-job, SIGTERM);
    say("still there: %d", waitpid(job, &status, WNOHANG | WUNTRACED) == 0);
    kill(-job, SIGCONT);
    say_status("suspended", reported(job, 0));

    // A handler for ^Z.
    job = start_job(catches_stop, true);
    status = reported(job, WUNTRACED);
    take_terminal();
    say_status("catching", status);
    tcsetpgrp(0, job);
    kill(-job, SIGCONT);
    say_status("catching", reported(job, WUNTRACED));
    take_terminal();

    // Output from the background, with TOSTOP.
    struct termios modes;
    tcgetattr(0, &modes);
    modes.c_lflag |= TOSTOP;
    tcsetattr(0, TCSANOW, &modes);
    job = start_job(writes_with_tostop, false);
    status = reported(job, WUNTRACED);
    say_status("writer behind", status);
    modes.c_lflag &= ~TOSTOP;
    tcsetattr(0, TCSANOW, &modes);
    kill(-job, SIGCONT);
    say_status("writer behind", reported(job, 0));
    job = start_job(ignores_terminal, false);
    say_status("ignoring", reported(job, WUNTRACED));

    job = start_job(watches_window, true);
    say_status("watching", reported(job, WUNTRACED));
    take_terminal();

    // ^\ for a pipeline of two.
    job = start_job(sleeps, true);
    pid_t second = fork();
    if (second == 0) {
        setpgid(0, job);
        default_actions();
        sleeps();
    }
    setpgid(second, job);
    say_status("first", reported(job, 0) & 0x7f);
    say_status("second", reported(second, 0) & 0x7f);
    take_terminal();

    // Hang-up: the leader has SIGHUP, and the foreground job when the leader has ended.
    sigset_t open, set = set_of(SIGHUP, 0);
    sigprocmask(SIG_BLOCK, &set, &open);
    start_job(outlives, true);
    while (hits[SIGHUP] == 0)
        sigsuspend(&open);
    bool gone = write(1, "x", 1) == -1 && errno == EIO;
    return gone && hits[SIGCHLD] > 0 ? 9 : 10;
}

// An orphaned process group is not stopped by the terminal, and what is stopped in it gets SIGHUP and SIGCONT.
static int orphan(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        return 1;
    setpgid(0, 0);
    pid_t middle = fork();
    if (middle == 0) {
        setpgid(0, 0);
        if (fork() == 0) {
            on(SIGHUP, hit, 0);
            raise(SIGSTOP);
            char word[2] = { hits[SIGHUP] == 1 ? 'h' : 'n', 0 };
            raise(SIGTSTP); // ignored here: nobody could continue it
            _exit(write(ends[1], word, 1) != 1);
        }
        siginfo_t info;
        waitid(P_ALL, 0, &info, WSTOPPED | WNOWAIT);
        _exit(0);
    }
    waitpid(middle, NULL, 0);
    char byte = 0;
    return read(ends[0], &byte, 1) == 1 && byte == 'h' ? 0 : 2;
}

int main(void)
{
    struct winsize size = { .ws_row = 24, .ws_col = 80 };
    default_actions();
    if (pipe(last_word) != 0)
        return 99;
    fflush(stdout);
    pid_t leader = forkpty(&master, NULL, NULL, &size);
    if (leader == 0) {
        alarm(100);
        _exit(session());
    }
    expect("session: leader 1, terminal's 1");
    type("hello\n");
    expect("job has \"hello\"");
    expect("reader: exit 3");
    expect("reader behind: stopped by TTIN");
    expect("reader behind: continued");
    type("again\n");
    expect("job has \"again\"");
    expect("reader behind: exit 3");
    expect("job runs");
    type("\003");
    expect("computing: killed by INT");
    expect("job sleeps");
    type("\003");
    expect("sleeping: killed by INT");
    expect("job runs");
    type("\032");
    expect("suspended: stopped by TSTP");
    expect("suspended: continued");
    expect("suspended: stopped by STOP");
    expect("still there: 1");
    expect("suspended: killed by TERM");
    expect("job waits");
    type("\032");
    expect("job has SIGTSTP, code SI_KERNEL");
    expect("catching: stopped by TSTP");
    expect("job goes on, 1 SIGCONT");
    type("\003");
    expect("job has SIGINT");
    expect("catching: exit 4");
    expect("writer behind: stopped by TTOU");
    expect("job writes");
    expect("writer behind: exit 5");
    expect("ignored: -1 EIO, blocked: -1 EIO");
    expect("ignoring: exit 6");
    expect("job watches");
    size.ws_row = 50;
    ioctl(master, TIOCSWINSZ, &size);
    expect("window 50 x 80");
    expect("watching: exit 7");
    expect("job sleeps");
    expect("job sleeps");
    type("\034");
    expect("first: killed by QUIT");
    expect("second: killed by QUIT");
    expect("job sleeps");
    close(master);
    close(last_word[1]);
    int status = reported(leader, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9, "status %x", status);
    char word = 0;
    CHECK(read(last_word[0], &word, 1) == 1 && word == 'h', "SIGHUP for the job");
    int end = end_of(orphan);
    CHECK(end == 0, "orphan %d", end);
    return finish();
}
