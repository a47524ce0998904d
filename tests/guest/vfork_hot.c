// Children of vfork that run hot code and end in the middle of what is done about that: nothing of theirs is missing when
// their parent goes on, and forks. Afterwards the parent alone is at work.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile uint64_t sink;

#define F(n)                                                                                                           \
    __attribute__((noinline)) static uint64_t work##n(uint64_t x)                                                      \
    {                                                                                                                  \
        for (int i = 0; i < turns; i++)                                                                                \
            x = x * (2 * n + 3) + (x >> n);                                                                            \
        return x;                                                                                                      \
    }
static int turns = 300000;
F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12)
static uint64_t (*const works[])(uint64_t) = { work1, work2, work3, work4,  work5,  work6,
                                               work7, work8, work9, work10, work11, work12 };

int main(void)
{
    if (getenv("EMU_GUEST_SMALL"))
        turns = 3000;
    for (int i = 0; i < 12; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            sink += works[i](i);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
        pid = fork();
        if (pid == 0) {
            free(malloc(1000));
            _exit(i);
        }
        int status;
        waitpid(pid, &status, 0);
        printf("%d\n", WEXITSTATUS(status));
    }
    return 0;
}
