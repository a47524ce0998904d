# musl: programs built against it, threads, the clock from the vDSO, posix_spawn.
# system: full
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > t.c <<'END'
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
static volatile int got; static void on(int s) { got = s; } static void *work(void *p) { return (char *)p + 1; } extern char **environ;
int main(void) { struct timespec a, b; clock_gettime(CLOCK_MONOTONIC, &a); signal(SIGUSR1, on); raise(SIGUSR1); pthread_t t[10]; long s = 0; for (long i = 0; i < 10; i++) pthread_create(&t[i], 0, work, (void *)i); for (int i = 0; i < 10; i++) { void *r; pthread_join(t[i], &r); s += (long)r; }
 pid_t p; char *v[] = { "false", 0 }; int st = 0, e = posix_spawnp(&p, "false", 0, 0, v, environ); waitpid(p, &st, 0); int e2 = posix_spawn(&p, "/nonexistent", 0, 0, v, environ); clock_gettime(CLOCK_MONOTONIC, &b); printf("%d %ld %d %d %d %d\n", got, s, e, WEXITSTATUS(st), e2, b.tv_sec >= a.tv_sec); return 0; }
END
musl-gcc -O2 t.c -o dynamic; [ "$(./dynamic)" = "10 55 0 1 2 1" ]; musl-gcc -O2 -static t.c -o static; [ "$(./static)" = "10 55 0 1 2 1" ]
echo ok
