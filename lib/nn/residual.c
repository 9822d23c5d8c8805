/* Element by element over rows, cut over threads: a block joins the residual stream, a gate opens. */
#include "nn.h"

enum { ROWS = 32 /* of one task, at least */, TASKS = 4 /* a thread */ };

typedef struct {
    const emb_device *device;
    int64_t rows, size, ld, parts;
    const float *x, *bias, *scale;
    emb_activation act;
    float *y;
} job;

static void add_part(void *arg, int64_t index)
{
    const job *j = arg;
    int64_t row = j->rows * index / j->parts, end = j->rows * (index + 1) / j->parts;
    j->device->kernels->add_block_f32(end - row, j->size, j->x + row * j->ld, j->ld, j->bias,
                                      j->scale, j->y + row * j->ld, j->ld);
}

static void gate_part(void *arg, int64_t index)
{
    const job *j = arg;
    const emb_kernels *k = j->device->kernels;
    int64_t row = j->rows * index / j->parts, end = j->rows * (index + 1) / j->parts;
    float *y = j->y + row * j->ld;
    k->bias_act_f32(end - row, j->size, y, j->ld, NULL, j->act);
    k->multiply_f32(end - row, j->size, j->x + row * j->ld, j->ld, y, j->ld);
}

static void run(const emb_device *d, embed_task_fn task, job *j)
{
    j->device = d;
    j->parts = EMB_MIN((int64_t)TASKS * d->threads, (j->rows + ROWS - 1) / ROWS);
    emb_parallel(d, task, j, j->parts);
}

void emb_add_run(const emb_device *d, int64_t rows, int64_t size, const float *x, const float *bias,
                 const float *scale, float *y)
{
    job j = {.rows = rows, .size = size, .ld = size, .x = x, .bias = bias, .scale = scale, .y = y};
    run(d, add_part, &j);
}

void emb_gate_run(const emb_device *d, emb_activation act, int64_t rows, int64_t size,
                  const float *x, float *y, int64_t ld)
{
    job j = {.rows = rows, .size = size, .ld = ld, .x = x, .act = act, .y = y};
    run(d, gate_part, &j);
}
