/* A pool of threads in caller memory, the cores this process may use, and the one global lock. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#if defined(_WIN32)
#include <windows.h>
#else
#include <unistd.h>
#endif

#include "base.h"

/* A thread waits in three steps. It spins, for some tens of microseconds: the next job usually follows
 * sooner. Then it offers its core at every turn, about a millisecond more: to sleep and to be woken takes
 * a virtual machine as long as a small product. Once another process has taken the core (or the
 * millisecond is over) it sleeps, since those who sleep get a core back sooner than those who offer it. */
enum { SPINS = 1000, OFFERS = 2000, TAKEN_NS = 50000 };

/* What is to be done is one number: the tasks of the job that nobody has taken. Who lowers it by one has
 * taken a task, and the job cannot end before that is done, so what the job is stands still meanwhile.
 * Who makes the number of unfinished tasks zero tells the caller. A thread that is about to sleep says so
 * before it looks a last time; nobody takes the lock unless somebody sleeps. All atomics are sequentially
 * consistent; what many threads look at has a cache line to itself. */
struct emb_pool {
    _Alignas(64) _Atomic int64_t left; /* tasks that nobody has taken */
    _Alignas(64) _Atomic int64_t unfinished;
    embed_task_fn task;
    void *arg;
    int64_t count;
    _Alignas(64) atomic_int sleeping; /* workers */
    atomic_bool stop;
    atomic_bool waiting; /* does the caller sleep until nothing is unfinished? */
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
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

static int64_t nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* One turn of waiting, counted in *turn. false: time to sleep. */
static bool wait_turn(int *turn)
{
    if ((*turn)++ < SPINS) {
        pause_a_moment();
        return true;
    }
    int64_t before = nanoseconds();
    sched_yield();
    return *turn < SPINS + OFFERS && nanoseconds() - before < TAKEN_NS;
}

static void finish_task(emb_pool *p)
{
    if (atomic_fetch_sub(&p->unfinished, 1) != 1 || !atomic_load(&p->waiting)) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->lock);
}

static void take_tasks(emb_pool *p)
{
    int64_t left = atomic_load(&p->left);
    while (left > 0) {
        if (!atomic_compare_exchange_weak(&p->left, &left, left - 1)) continue;
        p->task(p->arg, p->count - left);
        finish_task(p);
        left = atomic_load(&p->left);
    }
}

static bool nothing_to_do(emb_pool *p)
{
    return atomic_load(&p->left) == 0 && !atomic_load(&p->stop);
}

static void wait_for_tasks(emb_pool *p)
{
    int turn = 0;
    while (nothing_to_do(p) && wait_turn(&turn)) continue;
    if (!nothing_to_do(p)) return;
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleeping, 1);
    while (nothing_to_do(p)) pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleeping, 1);
    pthread_mutex_unlock(&p->lock);
}

static void *worker(void *arg)
{
    emb_pool *p = arg;
    emb_float_env env = emb_float_enter();
    while (!atomic_load(&p->stop)) {
        take_tasks(p);
        wait_for_tasks(p);
    }
    emb_float_leave(env);
    return NULL;
}

size_t emb_pool_size(int32_t threads)
{
    return sizeof(emb_pool) + (size_t)EMB_MAX(threads - 1, 0) * sizeof(pthread_t);
}

/* Signals sent to the process are for the host's own threads, whose handlers may count on that.
 * What a fault, a debugger or a profiler raises is for the thread where it happens. */
static int start_worker(emb_pool *p, pthread_t *thread)
{
#if defined(_WIN32)
    return pthread_create(thread, NULL, worker, p);
#else
    static const int own[] = {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, SIGPROF};
    sigset_t blocked, before;
    int status;

    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&blocked, own[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    status = pthread_create(thread, NULL, worker, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
#endif
}

void emb_pool_start(emb_pool *p, int32_t threads)
{
    memset(p, 0, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    while (p->workers < threads - 1 && start_worker(p, &p->threads[p->workers]) == 0) p->workers++;
}

static void wake_workers(emb_pool *p)
{
    if (atomic_load(&p->sleeping) == 0) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

void emb_pool_stop(emb_pool *p)
{
    atomic_store(&p->stop, true);
    wake_workers(p);
    for (int32_t i = 0; i < p->workers; i++) pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
}

static void wait_for_workers(emb_pool *p)
{
    int turn = 0;
    while (atomic_load(&p->unfinished) > 0 && wait_turn(&turn)) continue;
    if (atomic_load(&p->unfinished) == 0) return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->waiting, true);
    while (atomic_load(&p->unfinished) > 0) pthread_cond_wait(&p->done, &p->lock);
    atomic_store(&p->waiting, false);
    pthread_mutex_unlock(&p->lock);
}

void emb_pool_run(void *pool, embed_task_fn task, void *arg, int64_t count)
{
    emb_pool *p = pool;
    if (p->workers == 0 || count <= 1) {
        for (int64_t i = 0; i < count; i++) task(arg, i);
        return;
    }
    p->task = task;
    p->arg = arg;
    p->count = count;
    atomic_store(&p->unfinished, count);
    atomic_store(&p->left, count);
    wake_workers(p);
    take_tasks(p);
    wait_for_workers(p);
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

#if defined(_WIN32)
/* Those of the process's affinity, which is of one group of 64 unless the process asks for more. */
static int64_t system_cores(void)
{
    DWORD_PTR process, machine;
    if (!GetProcessAffinityMask(GetCurrentProcess(), &process, &machine)) return 1;
    return process ? __builtin_popcountll(process) : GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
}
#else
static int64_t system_cores(void) { return sysconf(_SC_NPROCESSORS_ONLN); }
#endif

int32_t emb_usable_cores(void)
{
    int64_t cores = system_cores();
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
