/* Linear layers, y = act(x W^T + bias), cut over threads into blocks of rows and groups of columns:
 * each block of rows reads the weights of its columns once. */
#include "nn.h"

enum {
    ROWS = 128,    /* of one task: its results are in cache when bias and activation come */
    TASKS = 4,     /* a thread: what evens out unequal speeds of cores */
    COLUMNS = 64   /* at least, of one task */
};

typedef struct {
    const emb_device *device;
    const emb_linear *linear;
    int64_t rows, row_blocks, column_groups;
    const float *x;
    int64_t ldx;
    float *y;
    int64_t ldy;
    bool product, activation; /* what a task does */
} job;

/* Where part i of parts begins, in units of unit. */
static int64_t part(int64_t size, int64_t unit, int64_t i, int64_t parts)
{
    const int64_t units = (size + unit - 1) / unit;
    return EMB_MIN(units * i / parts * unit, size);
}

static void run_part(void *arg, int64_t index)
{
    const job *j = arg;
    const emb_linear *l = j->linear;
    const int64_t r = index / j->column_groups, g = index % j->column_groups, n = l->weight.n;
    const int64_t row = part(j->rows, 1, r, j->row_blocks);
    const int64_t rows = part(j->rows, 1, r + 1, j->row_blocks) - row;
    const int64_t column = part(n, EMB_PANEL, g, j->column_groups);
    const int64_t columns = part(n, EMB_PANEL, g + 1, j->column_groups) - column;
    float *y = j->y + row * j->ldy + column;

    if (j->product)
        emb_gemm_run(j->device->gemm, j->device->kernels, &l->weight, column, columns, rows,
                     j->x + row * j->ldx, j->ldx, y, j->ldy);
    if (j->activation && (l->bias || l->act != EMB_ACT_NONE))
        j->device->kernels->bias_act_f32(rows, columns, y, j->ldy,
                                         l->bias ? l->bias + column : NULL, l->act);
}

static void run(const emb_device *d, const emb_linear *l, int64_t rows, const float *x, int64_t ldx,
                float *y, int64_t ldy, bool activation)
{
    job j = {d, l, rows, (rows + ROWS - 1) / ROWS, 1, x, ldx, y, ldy, true, activation};

    if (rows < 1)
        return;
    if (emb_gemm_whole(d->gemm)) {
        emb_gemm_run(d->gemm, d->kernels, &l->weight, 0, l->weight.n, rows, x, ldx, y, ldy);
        if (!activation)
            return;
        j.product = false;
    }
    /* Columns are cut only where rows alone do not keep the threads busy. */
    if (d->threads > 1 && j.row_blocks < TASKS * d->threads) {
        const int64_t wanted = (TASKS * d->threads + j.row_blocks - 1) / j.row_blocks;
        j.column_groups = EMB_MAX(1, EMB_MIN(wanted, l->weight.n / COLUMNS));
    }
    emb_parallel(d, run_part, &j, j.row_blocks * j.column_groups);
}

void emb_linear_run(const emb_device *d, const emb_linear *l, int64_t rows, const float *x,
                    int64_t ldx, float *y, int64_t ldy)
{
    run(d, l, rows, x, ldx, y, ldy, true);
}

void emb_linear_product(const emb_device *d, const emb_linear *l, int64_t rows, const float *x,
                        int64_t ldx, float *y, int64_t ldy)
{
    run(d, l, rows, x, ldx, y, ldy, false);
}
