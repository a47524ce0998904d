// Processes: fork, vfork, exec of this program again, system, popen, posix_spawn, and what wait says of each. With
// "child" as its first argument it prints its arguments and exits with 23.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void wait_for(const char *name, pid_t pid)
{
    int status = -1;
    pid_t waited = waitpid(pid, &status, 0);
    printf("%s: waited %d, status %x\n", name, waited == pid, status);
    fflush(stdout);
}

static void dies(const char *name, void (*how)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit no_core = { 0 };
        setrlimit(RLIMIT_CORE, &no_core);
        // What is said about the death is not compared.
        close(2);
        how();
        _exit(1);
    }
    wait_for(name, pid);
}

static void segv_by_kill(void)
{
    kill(getpid(), SIGSEGV);
}

static void read_null(void)
{
    *(volatile int *)NULL;
}

static void terminate(void)
{
    raise(SIGTERM);
}

static void write_script(const char *self)
{
    FILE *script = fopen("script", "w");
    fprintf(script, "#! %s child and more\nnot read\n", self);
    fclose(script);
    chmod("script", 0700);
}

static void execs(void)
{
    char self[4096] = { 0 };
    readlink("/proc/self/exe", self, sizeof self - 1);
    char *arguments[] = { "its name", "child", "two words", "", NULL };
    char *variables[] = { "ONLY=this", NULL };
    pid_t pid = fork();
    if (pid == 0) {
        execve(self, arguments, variables);
        _exit(1);
    }
    wait_for("execve", pid);

    write_script(self);
    pid = vfork();
    if (pid == 0) {
        execl("./script", "ignored", "argument", NULL);
        _exit(1);
    }
    wait_for("script", pid);

    int file = open(self, O_RDONLY | O_CLOEXEC);
    pid = fork();
    if (pid == 0) {
        fexecve(file, arguments, variables);
        _exit(1);
    }
    wait_for("fexecve", pid);
    close(file);

    printf("spawn %d\n", posix_spawn(&pid, self, NULL, NULL, arguments, variables));
    wait_for("spawn", pid);

    printf("missing %d", execv("/does/not/exist", arguments));
    printf(" %s", strerrorname_np(errno));
    chmod("script", 0600);
    printf(" not executable %d", execv("./script", arguments));
    printf(" %s", strerrorname_np(errno));
    printf(" directory %d", execv("/", arguments));
    printf(" %s\n", strerrorname_np(errno));
    fflush(stdout);
    unlink("script");
}

int main(int argc, char **argv)
{
    if (argc > 1 && strncmp(argv[1], "child", 5) == 0) {
        char self[4096] = { 0 };
        readlink("/proc/self/exe", self, sizeof self - 1);
        printf("child of %d arguments:", argc);
        // The first argument is the program's path when a script started it.
        for (int i = strchr(argv[0], '/') ? 1 : 0; i < argc; i++)
            printf(" '%s'", argv[i]);
        printf(" %s %d\n", getenv("ONLY") ? getenv("ONLY") : "all", strchr(self, '/') == self);
        return 23;
    }
    fflush(stdout);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        _exit(getppid() == parent && getpid() != parent ? 42 : 1);
    wait_for("fork", pid);
    pid = vfork();
    if (pid == 0)
        _exit(9);
    wait_for("vfork", pid);
    execs();
    dies("abort", abort);
    dies("kill", segv_by_kill);
    dies("null", read_null);
    dies("terminate", terminate);

    printf("system %x\n", system("exit 3"));
    FILE *output = popen("echo from a pipe", "r");
    char line[64] = { 0 };
    printf("popen %d", fgets(line, sizeof line, output) != NULL);
    printf(" %s", line);
    printf("pclose %x\n", pclose(output));
    siginfo_t info = { 0 };
    fflush(stdout);
    pid = fork();
    if (pid == 0)
        _exit(4);
    printf("waitid %d", waitid(P_PID, pid, &info, WEXITED));
    printf(" %d %d %d\n", info.si_pid == pid, info.si_status, info.si_code == CLD_EXITED);
    printf("no children %d", wait(NULL));
    printf(" %s\n", strerrorname_np(errno));
    return 0;
}
