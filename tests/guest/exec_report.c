// Says how it was started. With "exec PATH ARGUMENTS..." it then becomes that; with "run" it does so in a child.
#define _GNU_SOURCE
#include "exec_report.h"

int main(int argc, char **argv)
{
    report(argc, argv);
    printf("  uid %d euid %d gid %d egid %d, variable %s\n", getuid(), geteuid(), getgid(), getegid(),
           getenv("EMU_GUEST_VARIABLE") ? getenv("EMU_GUEST_VARIABLE") : "(none)");
    fflush(stdout);
    if (argc > 3 && !strcmp(argv[1], "exec")) {
        execv(argv[2], argv + 3);
        came_back();
    }
    if (argc > 3 && !strcmp(argv[1], "run"))
        IN_CHILD("child", execv(argv[2], argv + 3));
    return 0;
}
