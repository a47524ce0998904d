// Starts each of its arguments as a program, and says how that ended.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (fork() == 0) {
            execl(argv[i], argv[i], (char *)0);
            printf("errno %s\n", strerrorname_np(errno));
            fflush(stdout);
            _exit(1);
        }
        int status;
        wait(&status);
        printf("%d: %s %d\n", i, WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        fflush(stdout);
    }
    return 0;
}
