# make and gcc, arm64 tools: a C project with a library, a generated header and tests that run.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
mkdir src; cd src
cat > Makefile <<'END'
CFLAGS = -O2 -g -Wall -Wextra -MMD
all: program program-static
config.h: ; echo '#define LIMIT 1000' > $@
%.o: %.c config.h ; $(CC) $(CFLAGS) -fPIC -c $< -o $@
libsieve.a: sieve.o ; ar rcs $@ $^
libsieve.so: sieve.o ; $(CC) -shared -o $@ $^
program: main.o libsieve.so ; $(CC) -o $@ main.o -L. -lsieve -Wl,-rpath,'$$ORIGIN'
program-static: main.o libsieve.a ; $(CC) -static -o $@ $^
check: all ; ./program 1000 > got && grep -qx 168 got && ./program-static 500 > got && grep -qx 95 got && echo passed
.PHONY: all check
END
cat > sieve.c <<'END'
#include <stdlib.h>
int count(int limit) {
    char *composite = calloc(limit + 1, 1); int found = 0;
    for (int i = 2; i <= limit; i++) {
        if (composite[i]) continue;
        found++;
        for (int j = 2 * i; j <= limit; j += i) composite[j] = 1;
    }
    free(composite);
    return found;
}
END
cat > main.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include "config.h"
int count(int limit);
int main(int argc, char **argv) { int n = argc > 1 ? atoi(argv[1]) : LIMIT; printf("%d\n", count(n)); return 0; }
END
[ "$(make -s -j2 check)" = passed ]; [ -e main.d ]; touch sieve.c; make -s -j2 check > again; grep -qx passed again; make -q all
echo 'int main(void) { return missing; }' > wrong.c; status=0; make wrong.o 2> errors || status=$?; [ $status = 2 ]; grep -q "undeclared" errors
objdump -d program | grep -q '<main>:'; nm program | grep -q ' T main'; strip program; ./program > /dev/null
gcc -O2 -pthread -x c -o threads - <<'END'
#include <pthread.h>
#include <stdio.h>
static long sum; static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *work(void *p) { for (int i = 0; i < 10000; i++) { pthread_mutex_lock(&lock); sum += (long)p; pthread_mutex_unlock(&lock); } return 0; }
int main(void) { pthread_t t[8]; for (long i = 0; i < 8; i++) pthread_create(&t[i], 0, work, (void *)i); for (int i = 0; i < 8; i++) pthread_join(t[i], 0); printf("%ld\n", sum); return sum != 280000; }
END
[ "$(./threads)" = 280000 ]
echo ok
