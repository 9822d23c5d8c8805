/* LayerNorm and RMSNorm of rows, with the bias and the residual that come before them; of parts of rows. */
#include "nn.h"

enum { ROWS = 16 /* of one task, at least */, TASKS = 4 /* a thread */ };

typedef struct {
    const emb_device *device;
    const emb_norm *norm;
    int64_t rows, parts, size, ld, tasks; /* parts of size numbers in each row */
    const float *x, *bias, *residual;
    float *y;
} job;

static void run_part(void *arg, int64_t index)
{
    const job *j = arg;
    const emb_kernels *k = j->device->kernels;
    const emb_norm *n = j->norm;
    const int64_t first = j->rows * index / j->tasks, end = j->rows * (index + 1) / j->tasks;
    const bool whole = j->parts == 1; /* rows are taken at once, or the parts of one at once */
    const int64_t m = whole ? end - first : j->parts, ld = whole ? j->ld : j->size;

    for (int64_t row = first; row < end; row += whole ? m : 1) {
        const float *x = j->x + row * j->ld, *residual = j->residual;
        float *y = j->y + row * j->ld;
        if (residual)
            residual += row * j->ld;
        if (emb_norm_is_rms(n))
            k->rmsnorm_f32(m, j->size, x, ld, j->bias, residual, ld, n->gamma, n->eps, y, ld);
        else
            k->layernorm_f32(m, j->size, x, ld, j->bias, residual, ld, n->gamma, n->beta, n->eps, y, ld);
    }
}

static void run(job *j)
{
    j->tasks = EMB_MIN((int64_t)TASKS * j->device->threads, (j->rows + ROWS - 1) / ROWS);
    emb_parallel(j->device, run_part, j, j->tasks);
}

void emb_norm_run(const emb_device *d, const emb_norm *n, int64_t rows, int64_t size,
                  const float *x, const float *bias, const float *residual, float *y)
{
    job j = {d, n, rows, 1, size, size, 0, x, bias, residual, y};

    run(&j);
}

void emb_norm_parts_run(const emb_device *d, const emb_norm *n, int64_t rows, int64_t parts,
                        int64_t size, float *x, int64_t ld)
{
    job j = {d, n, rows, parts, size, ld, 0, x, NULL, NULL, x};

    run(&j);
}
