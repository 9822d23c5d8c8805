/* Layer normalisation of rows, with the bias and the residual that come before it. */
#include "nn.h"

enum { ROWS = 16 /* of one task, at least */, TASKS = 4 /* a thread */ };

typedef struct {
    const emb_device *device;
    const emb_norm *norm;
    int64_t rows, size, parts;
    const float *x, *bias, *residual;
    float *y;
} job;

static void run_part(void *arg, int64_t index)
{
    const job *j = arg;
    const int64_t row = j->rows * index / j->parts, end = j->rows * (index + 1) / j->parts;
    const int64_t at = row * j->size;

    j->device->kernels->layernorm_f32(end - row, j->size, j->x + at, j->size, j->bias,
                                      j->residual ? j->residual + at : NULL, j->size,
                                      j->norm->gamma, j->norm->beta, j->norm->eps, j->y + at,
                                      j->size);
}

void emb_norm_run(const emb_device *d, const emb_norm *n, int64_t rows, int64_t size,
                  const float *x, const float *bias, const float *residual, float *y)
{
    const int64_t parts = EMB_MIN((int64_t)TASKS * d->threads, (rows + ROWS - 1) / ROWS);
    job j = {d, n, rows, size, parts, x, bias, residual, y};

    emb_parallel(d, run_part, &j, parts);
}
