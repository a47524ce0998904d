// A child in the same memory whose handlers are all reset (as posix_spawn of newer C libraries makes it) still gets
// EFAULT for wild pointers, and has the default actions.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int error, is_default, ignored;

// Without a call, whose return address the child would overwrite for the parent.
__attribute__((always_inline)) static inline long clone3(const void *args, long bytes)
{
#ifdef __aarch64__
    register long x8 __asm__("x8") = SYS_clone3;
    register long x0 __asm__("x0") = (long)args;
    register long x1 __asm__("x1") = bytes;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x1), "r"(x8) : "memory");
    return x0;
#else
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_clone3), "D"(args), "S"(bytes) : "rcx", "r11", "memory");
    return result;
#endif
}

static void handler(int number)
{
    (void)number;
}

int main(void)
{
    signal(SIGUSR1, handler);
    signal(SIGUSR2, SIG_IGN);
    // CLONE_VM, CLONE_VFORK, CLONE_CLEAR_SIGHAND; SIGCHLD when it ends.
    uint64_t args[11] = { 0x100 | 0x4000 | 1ull << 32, 0, 0, 0, SIGCHLD };
    long pid = clone3(args, 64);
    if (pid == 0) {
        struct sigaction action;
        error = uname((struct utsname *)8) == 0 ? 0 : errno;
        sigaction(SIGUSR1, NULL, &action);
        is_default = action.sa_handler == SIG_DFL;
        sigaction(SIGUSR2, NULL, &action);
        ignored = action.sa_handler == SIG_IGN;
        _exit(7);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    struct sigaction action;
    sigaction(SIGUSR1, NULL, &action);
    printf("status %x, EFAULT %d, default %d, ignored %d, parent's %d\n", status, error == EFAULT, is_default, ignored,
           action.sa_handler == handler);
    return 0;
}
