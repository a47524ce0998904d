// The machine is aarch64; checks itself, as the host says otherwise.
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

int main(void)
{
    struct utsname name;
    if (uname(&name) != 0 || strcmp(name.machine, "aarch64") != 0 || strcmp(name.sysname, "Linux") != 0)
        return 1;
    int major = 0;
    if (sscanf(name.release, "%d.", &major) != 1 || major < 3 || name.nodename[0] == 0 || name.version[0] == 0)
        return 2;
    printf("%s %s\nok\n", name.sysname, name.machine);
    return 0;
}
