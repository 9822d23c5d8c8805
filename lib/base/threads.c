/* A pool of threads in caller memory, the cores this process may use, and the one global lock. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base.h"

/* Turns of the wait loop before a worker sleeps: the next layer usually follows within
 * microseconds, but spinning on beside another busy process would take its core from us. */
#define SPINS 2000

struct emb_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    atomic_uint_fast64_t round; /* counts jobs; a change wakes the workers */
    atomic_int active;          /* workers inside this round */
    bool open;                  /* may a worker still join it? One that wakes late goes back to
                                 * sleep: nobody waits for a worker that has not begun */
    bool stop;
    embed_task_fn task;
    void *arg;
    int64_t count;
    atomic_int_fast64_t next; /* index of the next task to take */
    int32_t workers;
    pthread_t threads[];
};

static void pause_a_moment(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void take_tasks(emb_pool *p)
{
    for (;;) {
        int64_t i = atomic_fetch_add(&p->next, 1);
        if (i >= p->count) return;
        p->task(p->arg, i);
    }
}

static void *worker(void *arg)
{
    emb_pool *p = arg;
    uint_fast64_t seen = 0;
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load(&p->round) == seen; i++) pause_a_moment();
        pthread_mutex_lock(&p->lock);
        while (atomic_load(&p->round) == seen) pthread_cond_wait(&p->wake, &p->lock);
        seen = atomic_load(&p->round);
        bool stop = p->stop, join = p->open;
        if (join) atomic_fetch_add(&p->active, 1);
        pthread_mutex_unlock(&p->lock);
        if (stop) return NULL;
        if (!join) continue;

        emb_float_env env = emb_float_enter();
        take_tasks(p);
        emb_float_leave(env);
        pthread_mutex_lock(&p->lock);
        if (atomic_fetch_sub(&p->active, 1) == 1) pthread_cond_signal(&p->done);
        pthread_mutex_unlock(&p->lock);
    }
}

size_t emb_pool_size(int32_t threads)
{
    return sizeof(emb_pool) + (size_t)EMB_MAX(threads - 1, 0) * sizeof(pthread_t);
}

void emb_pool_start(emb_pool *p, int32_t threads)
{
    memset(p, 0, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    while (p->workers < threads - 1 &&
           pthread_create(&p->threads[p->workers], NULL, worker, p) == 0)
        p->workers++;
}

/* Under the lock. */
static void begin_round(emb_pool *p)
{
    atomic_fetch_add(&p->round, 1);
    pthread_cond_broadcast(&p->wake);
}

void emb_pool_stop(emb_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    begin_round(p);
    pthread_mutex_unlock(&p->lock);
    for (int32_t i = 0; i < p->workers; i++) pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
}

void emb_pool_run(void *pool, embed_task_fn task, void *arg, int64_t count)
{
    emb_pool *p = pool;
    if (p->workers == 0 || count <= 1) {
        for (int64_t i = 0; i < count; i++) task(arg, i);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->task = task;
    p->arg = arg;
    p->count = count;
    atomic_store(&p->next, 0);
    p->open = true;
    begin_round(p);
    pthread_mutex_unlock(&p->lock);

    take_tasks(p);

    pthread_mutex_lock(&p->lock);
    p->open = false;
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < SPINS && atomic_load(&p->active) > 0; i++) pause_a_moment();
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->active) > 0) pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

/* ---- cores -------------------------------------------------------------------- */

#if defined(__linux__)
/* Whole cores of a cgroup v2 or v1 CPU quota, or 0 where there is none. */
static int64_t quota_cores(void)
{
    long long quota = 0, period = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (f) {
        if (fscanf(f, "%lld %lld", &quota, &period) != 2) quota = 0;
        fclose(f);
    } else if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "re"))) {
        if (fscanf(f, "%lld", &quota) != 1) quota = 0;
        fclose(f);
        f = quota > 0 ? fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "re") : NULL;
        if (f) {
            if (fscanf(f, "%lld", &period) != 1) period = 0;
            fclose(f);
        }
    }
    return quota > 0 && period > 0 ? (quota + period - 1) / period : 0;
}
#endif

int32_t emb_usable_cores(void)
{
    int64_t cores = sysconf(_SC_NPROCESSORS_ONLN);
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
    int64_t quota = quota_cores();
    if (quota) cores = EMB_MIN(cores, quota);
#endif
    return (int32_t)EMB_MAX(EMB_MIN(cores, 1024), 1);
}

/* ---- lock ---------------------------------------------------------------------- */

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;

void emb_global_lock(void) { pthread_mutex_lock(&global_lock); }
void emb_global_unlock(void) { pthread_mutex_unlock(&global_lock); }
