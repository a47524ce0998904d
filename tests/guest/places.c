// Prints where things are, and waits to be looked at.
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

static sem_t told;

static void *thread(void *argument)
{
    (void)argument;
    int here;
    printf("thread %p\n", (void *)&here);
    fflush(stdout);
    sem_post(&told);
    pause();
    return 0;
}

int main(void)
{
    int here;
    printf("stack %p\n", (void *)&here);
    printf("heap %p\n", sbrk(0));
    printf("large %p\n", malloc(50 << 20));
    printf("mapping %p\n", mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    printf("shared %p\n", mmap(0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    void *small = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("moved %p\n", mremap(small, 4096, 1 << 20, MREMAP_MAYMOVE));
    int segment = shmget(IPC_PRIVATE, 4096, 0600);
    printf("segment %p\n", shmat(segment, 0, 0));
    shmctl(segment, IPC_RMID, 0);
    printf("vdso %#lx\n", getauxval(AT_SYSINFO_EHDR));
    fflush(stdout);
    pthread_t id;
    sem_init(&told, 0, 0);
    for (int i = 0; i < 3; i++)
        pthread_create(&id, 0, thread, 0);
    for (int i = 0; i < 3; i++)
        sem_wait(&told);
    printf("waiting\n");
    fflush(stdout);
    getchar();
    return 0;
}
