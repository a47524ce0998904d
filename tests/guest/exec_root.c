// execve in a root that holds nothing but the program, without /proc, and after setuid. Only root can do that; for
// others there is nothing to see.
#define _GNU_SOURCE
#include "exec_report.h"

static char *const arguments[] = { "zero", "child", NULL };

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "child")) {
        printf("  execfn '%s' argv[0] '%s'\n", (char *)getauxval(AT_EXECFN), argv[0]);
        printf("  uid %d euid %d, /proc %s\n", getuid(), geteuid(), access("/proc/self", F_OK) ? "is not there" : "is there");
        fflush(stdout);
        if (argc > 2)
            return 4;
        char *again[] = { "zero", "child", "again", NULL };
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            execve(argv[0][0] == '/' ? argv[0] : (char *)getauxval(AT_EXECFN), again, environ);
            came_back();
        }
        waitpid(pid, &status, 0);
        return WEXITSTATUS(status);
    }
    if (geteuid() != 0) {
        puts("not root");
        return 0;
    }
    if (mkdir("root", 0755) || chmod(".", 0755))
        return 2;
    copy_self("root/self", 0755);
    copy_self("private", 0700);
    copy_self("unreadable", 0111);
    write_text("root/script", "#!/self child\n");
    IN_CHILD("chroot", {
        if (chroot("root") || chdir("/"))
            _exit(2);
        execve("/self", arguments, environ);
    });
    IN_CHILD("chroot, script", {
        if (chroot("root") || chdir("/"))
            _exit(2);
        execve("/script", arguments, environ);
    });
    IN_CHILD("chroot, descriptor from outside", {
        int fd = open("root/self", O_RDONLY);
        if (chroot("root") || chdir("/"))
            _exit(2);
        char *own[] = { "/self", "child", NULL };
        fexecve(fd, own, environ);
    });
    IN_CHILD("chroot, missing", {
        if (chroot("root") || chdir("/"))
            _exit(2);
        execve("/private", arguments, environ);
    });
    IN_CHILD("setuid", {
        if (setgid(12345) || setuid(12345))
            _exit(2);
        execve("root/self", arguments, environ);
    });
    IN_CHILD("chroot and setuid", {
        if (chroot("root") || chdir("/") || setgid(12345) || setuid(12345))
            _exit(2);
        execve("/self", arguments, environ);
    });
    IN_CHILD("effective user only", {
        if (setresuid(-1, 12345, -1))
            _exit(2);
        execve("root/self", arguments, environ);
    });
    IN_CHILD("somebody else's", {
        if (setgid(12345) || setuid(12345))
            _exit(2);
        execve("./private", arguments, environ);
    });
    IN_CHILD("executable only, as root", execve("./unreadable", arguments, environ));
    return 0;
}
