/* Where work runs: the session's threads, the host's, or the caller alone. */
#include "nn.h"

#include <stdatomic.h>

typedef struct {
    embed_task_fn task;
    void *arg;
} work;

/* Each thread has a floating-point environment of its own, and a host's may be any. */
static void run_one(void *arg, int64_t index)
{
    const work *w = arg;
    const emb_float_env env = emb_float_enter();

    w->task(w->arg, index);
    emb_float_leave(env);
}

/* Measured: the larger the weights, the slower the memory they come from. */
int64_t emb_rows_alone(int64_t bytes)
{
    return bytes < 2 << 20 ? 8 : bytes < 8 << 20 ? 16 : 24;
}

void emb_parallel(const emb_device *d, embed_task_fn task, void *arg, int64_t count)
{
    work w = {task, arg};

    if (d->parallel && d->threads > 1 && count > 1) {
        d->parallel(d->parallel_user, run_one, &w, count);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        task(arg, i);
}

typedef struct {
    const emb_device *device;
    emb_share_fn *task;
    void *arg;
    int64_t count;
    _Atomic int64_t next;
} shares;

static void take_shares(void *arg, int64_t thread)
{
    shares *s = arg;
    const emb_device *d = s->device;
    const emb_device alone = {.kernels = d->kernels, .gemm = d->gemm, .threads = 1,
                              .scratch = d->scratch + (size_t)thread * d->scratch_per_thread,
                              .scratch_per_thread = d->scratch_per_thread};

    for (int64_t i; (i = atomic_fetch_add(&s->next, 1)) < s->count;) s->task(s->arg, &alone, thread, i);
}

void emb_share(const emb_device *d, emb_share_fn *task, void *arg, int64_t count)
{
    shares s = {d, task, arg, count, 0};
    emb_parallel(d, take_shares, &s, d->threads);
}
