/* Linear layers, y = act(x W^T + bias), cut over threads into blocks of rows and groups of columns:
 * each block of rows reads the weights of its columns once. */
#include "nn.h"

enum {
    ROWS = 128,    /* of one task: its results are in cache when bias and activation come */
    TASKS = 4,     /* a thread: what evens out unequal speeds of cores */
    FEW_ROWS = 64, /* below, reading the weights is most of it, and best in one go by each thread */
    COLUMNS = 64   /* at least, of one task */
};

/* A thread's scratch. */
enum {
    INT8_ROWS = ROWS,
    SHARED_NUMBERS = 1 << 15 /* fewer are rounded before other threads have woken */
};
typedef struct {
    float *turned;     /* [EMB_INT8_TOGETHER][k]: of rows while they are rounded */
    emb_rows_i8 rows;  /* [INT8_ROWS] */
    emb_rows_i16 fine; /* [INT8_ROWS], or without data */
} int8_scratch;

static size_t cut_scratch(int64_t k, bool fine, void *memory, size_t size, int8_scratch *s)
{
    emb_arena arena;
    emb_arena_init(&arena, memory, size);
    s->rows.ld = emb_int8_depth(k);
    s->fine.ld = fine ? emb_int16_depth(k) : 0;
    s->turned = emb_arena_take(&arena, (size_t)k, EMB_INT8_TOGETHER * sizeof(float));
    s->rows.scales = emb_arena_take(&arena, INT8_ROWS, sizeof(float));
    s->rows.zeros = emb_arena_take(&arena, INT8_ROWS, sizeof(float));
    s->rows.data = emb_arena_take(&arena, INT8_ROWS, (size_t)s->rows.ld);
    s->fine.scales = emb_arena_take(&arena, INT8_ROWS, sizeof(float));
    s->fine.data = emb_arena_take(&arena, INT8_ROWS, (size_t)s->fine.ld * sizeof(int16_t));
    return arena.used;
}

int64_t emb_linear_bytes(const emb_linear *l)
{
    const emb_matrix *w = &l->weight;
    return w->n * w->k * (w->whole ? 1 : w->storage == EMB_STORED_F32 ? 4 : 2);
}

static bool has_fine(const emb_matrix *w)
{
    return w->whole && w->whole < w->n;
}

size_t emb_linear_scratch(const emb_linear *l)
{
    int8_scratch s;
    return l->weight.whole ? (cut_scratch(l->weight.k, has_fine(&l->weight), NULL, 0, &s) + 63) / 64 * 64 : 0;
}

emb_activation emb_linear_act(const emb_linear *l, emb_activation act)
{
    if (!l->weight.whole) return act;
    return act == EMB_ACT_GELU ? EMB_ACT_GELU_NEAR
           : act == EMB_ACT_GELU_TANH || act == EMB_ACT_GELU_FAST ? EMB_ACT_GELU_TANH_NEAR : act;
}

typedef struct {
    const emb_device *device;
    const emb_linear *linear;
    int64_t rows, row_blocks, column_groups;
    const float *x;
    int64_t ldx;
    float *y;
    int64_t ldy;
    bool product, activation; /* what a task does */
    const int8_scratch *int8; /* x rounded, where the weights are whole numbers */
} job;

/* Where part i of parts begins, in units of unit. */
static int64_t part(int64_t size, int64_t unit, int64_t i, int64_t parts)
{
    const int64_t units = (size + unit - 1) / unit;
    return EMB_MIN(units * i / parts * unit, size);
}

static emb_rows_i8 rows_from(const emb_rows_i8 *r, int64_t row)
{
    return (emb_rows_i8){r->data + row * r->ld, r->ld, r->scales + row, r->zeros + row};
}

static emb_rows_i16 fine_from(const emb_rows_i16 *r, int64_t row)
{
    return (emb_rows_i16){r->data + row * r->ld, r->ld, r->scales + row};
}

static void multiply_int8(const job *j, int64_t row, int64_t rows, int64_t column, int64_t columns, float *y)
{
    const emb_matrix *w = &j->linear->weight;
    const float *bias = j->activation ? j->linear->bias : NULL;
    const emb_rows_i8 a = rows_from(&j->int8->rows, row);
    const emb_rows_i16 fine = fine_from(&j->int8->fine, row);

    for (int64_t at = column, end = column + columns, n; at < end; at += n) {
        n = at < w->whole ? EMB_MIN(end, w->whole) - at : end - at;
        emb_int8_run(j->device->kernels, w, at, n, rows, &a, &fine, bias ? bias + at : NULL,
                     y + at - column, j->ldy);
    }
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
    const float *bias = l->bias && !j->int8 ? l->bias + column : NULL; /* int8 has added it */
    const emb_activation act = emb_linear_act(l, l->act);
    float *y = j->y + row * j->ldy + column;

    if (j->int8)
        multiply_int8(j, row, rows, column, columns, y);
    else if (j->product)
        emb_gemm_run(j->device->gemm, j->device->kernels, &l->weight, column, columns, rows,
                     j->x + row * j->ldx, j->ldx, y, j->ldy);
    if (j->activation && (bias || act != EMB_ACT_NONE))
        j->device->kernels->bias_act_f32(rows, columns, y, j->ldy, bias, act);
}

typedef struct {
    const job *job;
    const int8_scratch *out;
    int64_t parts;
} rounding;

static int8_scratch scratch_of(const emb_device *d, const emb_matrix *w, int64_t thread)
{
    int8_scratch s;
    cut_scratch(w->k, has_fine(w), d->scratch + (size_t)thread * d->scratch_per_thread,
                d->scratch_per_thread, &s);
    return s;
}

static void round_part(void *arg, int64_t index)
{
    const rounding *r = arg;
    const job *j = r->job;
    const emb_matrix *w = &j->linear->weight;
    const int64_t row = part(j->rows, 1, index, r->parts);
    const int64_t rows = part(j->rows, 1, index + 1, r->parts) - row;
    const emb_rows_i8 out = rows_from(&r->out->rows, row);
    const emb_rows_i16 fine = fine_from(&r->out->fine, row);

    j->device->kernels->quantize_rows(rows, w->k, j->x + row * j->ldx, j->ldx, w->factors,
                                      scratch_of(j->device, w, index).turned, &out,
                                      has_fine(w) ? &fine : NULL);
}

/* Columns are cut only where rows alone do not keep the threads busy. */
static void run_parts(job *j)
{
    const emb_device *d = j->device;
    const int64_t tasks = j->rows < FEW_ROWS ? d->threads : TASKS * d->threads;

    if (d->threads > 1 && j->row_blocks < tasks) {
        const int64_t wanted = (tasks + j->row_blocks - 1) / j->row_blocks;
        j->column_groups = EMB_MAX(1, EMB_MIN(wanted, j->linear->weight.n / COLUMNS));
    }
    emb_parallel(d, run_part, j, j->row_blocks * j->column_groups);
}

/* Blocks of rows are rounded, then multiplied. */
static void run_blocks(const job *all)
{
    const int8_scratch rounded = scratch_of(all->device, &all->linear->weight, 0);

    for (int64_t at = 0; at < all->rows; at += INT8_ROWS) {
        job j = *all;
        rounding r = {&j, &rounded, 1};

        j.rows = EMB_MIN(all->rows - at, INT8_ROWS);
        if (j.rows * all->linear->weight.k >= SHARED_NUMBERS)
            r.parts = EMB_MIN(all->device->threads, j.rows);
        j.row_blocks = 1;
        j.x += at * j.ldx;
        j.y += at * j.ldy;
        j.int8 = &rounded;
        emb_parallel(j.device, round_part, &r, r.parts);
        run_parts(&j);
    }
}

typedef struct {
    const job *all;
    int64_t count;
} shares;

/* Rows that one thread rounds and multiplies on its own. */
static void run_share(void *arg, const emb_device *alone, int64_t thread, int64_t index)
{
    const shares *s = arg;
    const int64_t row = part(s->all->rows, 1, index, s->count);
    job j = *s->all;

    (void)thread;
    j.device = alone;
    j.rows = part(s->all->rows, 1, index + 1, s->count) - row;
    j.x += row * j.ldx;
    j.y += row * j.ldy;
    run_blocks(&j);
}

static void run_int8(const job *j)
{
    const int64_t threads = j->device->threads;
    const int64_t blocks = (j->rows + INT8_ROWS - 1) / INT8_ROWS;
    shares s = {j, (blocks + threads - 1) / threads * threads};

    if (threads > 1 && j->rows >= threads * emb_rows_alone(emb_linear_bytes(j->linear)))
        emb_share(j->device, run_share, &s, s.count);
    else run_blocks(j);
}

static void run(const emb_device *d, const emb_linear *l, int64_t rows, const float *x, int64_t ldx,
                float *y, int64_t ldy, bool activation)
{
    job j = {d, l, rows, (rows + ROWS - 1) / ROWS, 1, x, ldx, y, ldy, true, activation, NULL};

    if (rows < 1)
        return;
    if (emb_gemm_whole(d->gemm)) {
        emb_gemm_run(d->gemm, d->kernels, &l->weight, 0, l->weight.n, rows, x, ldx, y, ldy);
        if (!activation)
            return;
        j.product = false;
    }
    if (l->weight.whole) run_int8(&j);
    else run_parts(&j);
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
