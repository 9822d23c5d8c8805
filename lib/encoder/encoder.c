/* The forward pass. Shapes: tokens are all tokens of the batch, packed; h = hidden_size. */
#include "encoder.h"

enum { GROUP_TOKENS = 256 /* of the sequences that one thread takes through all layers */ };

/* Columns of the MLP's first product: gate and what it lets through stand side by side. */
static int64_t mlp_width(const emb_encoder *e)
{
    return e->gate_part ? 2 * e->gate_part : e->arch.intermediate_size;
}

/* From one row of it to the next: never a power of two, which would put a tile's rows into one set
 * of a cache. */
static int64_t mlp_stride(const emb_encoder *e)
{
    return emb_whole_panels(mlp_width(e)) + EMB_PANEL;
}

/* What layers of whole numbers need. */
static size_t linear_scratch(const emb_encoder *e)
{
    size_t most = 0;
    for (int64_t i = 0; i < e->layer_count; i++) {
        const emb_layer *w = &e->layers[i];
        const emb_linear *linears[] = {&w->qkv, &w->attention_output, &w->intermediate, &w->output};
        for (size_t j = 0; j < EMB_COUNT(linears); j++) most = EMB_MAX(most, emb_linear_scratch(linears[j]));
    }
    return most;
}

void emb_encoder_plan(const emb_encoder *e, int64_t max_tokens, int32_t threads, emb_arena *arena,
                      emb_encoder_scratch *out)
{
    const emb_architecture *a = &e->arch;
    size_t tokens = (size_t)max_tokens, number = sizeof(float);
    bool images = emb_takes_images(a);
    int64_t widest = EMB_MAX(e->qkv_stride, a->pooler_size);
    int64_t longest = images ? max_tokens : EMB_MIN(max_tokens, emb_max_tokens(a));
    if (images) widest = EMB_MAX(widest, emb_patch_size(a));
    out->x = emb_arena_take(arena, tokens, (size_t)a->hidden_size * number);
    if (!a->num_hidden_layers) return;
    out->context =
        emb_arena_take(arena, tokens, (size_t)EMB_MAX(e->context_stride, a->embedding_size) * number);
    out->qkv = emb_arena_take(arena, tokens, (size_t)widest * number);
    out->mlp = emb_arena_take(arena, (size_t)threads * EMB_MLP_ROWS, (size_t)mlp_stride(e) * number);
    out->attention_per_thread = emb_attention_scratch(&e->attention, longest);
    out->attention = emb_arena_take(arena, (size_t)threads, out->attention_per_thread);
    out->linear_per_thread = linear_scratch(e);
    out->linear = emb_arena_take(arena, (size_t)threads, out->linear_per_thread);
    emb_convolution_plan(e, max_tokens, arena, out);
    emb_tokens_plan(e, max_tokens, arena, out);
}

/* Who runs over which rows: all threads together over a whole batch, or one of them alone over a
 * group of its sequences. Nothing that a crew writes is another's. */
typedef struct crew {
    const emb_encoder *encoder;
    const emb_device *device;
    emb_batch batch; /* the rows from starts[0] on */
    const emb_encoder_scratch *scratch;
    int64_t thread; /* the first of those whose slices of mlp and attention it has */
} crew;

static float *mlp_of(const crew *c, int64_t thread)
{
    return c->scratch->mlp + (c->thread + thread) * EMB_MLP_ROWS * mlp_stride(c->encoder);
}

/* ---- attention ---------------------------------------------------------------------------- */

typedef struct turning {
    const crew *crew;
    emb_layer_kind kind;
} turning;

/* Rotary positions of one sequence; an image's prefix tokens have none. */
static void rotate(void *arg, int64_t sequence)
{
    const turning *t = arg;
    const crew *c = t->crew;
    const emb_encoder *e = c->encoder;
    const emb_architecture *a = &e->arch;
    int64_t start = c->batch.starts[sequence] + a->image.prefix, ld = e->qkv_stride;
    int64_t n = c->batch.starts[sequence + 1] - start;
    const float *angles = c->scratch->angles[t->kind];
    float *q = c->scratch->qkv + start * ld;
    if (n <= 0) return;
    if (emb_has_own_angles(&a->positions[t->kind].rope, n))
        angles = c->scratch->own_angles[t->kind] + start * a->head_dim;
    c->device->kernels->rope_f32(n, a->num_attention_heads, a->head_dim, angles, q, ld);
    c->device->kernels->rope_f32(n, a->num_key_value_heads, a->head_dim, angles, q + e->query_part,
                                 ld);
}

/* Norm of each head, or of all together. */
static void norm_heads(const crew *c, const emb_norm *norm, int64_t heads, float *x)
{
    const emb_architecture *a = &c->encoder->arch;
    if (norm->gamma)
        emb_norm_parts_run(c->device, norm, c->batch.tokens, a->norm_whole ? 1 : heads,
                           a->norm_whole ? heads * a->head_dim : a->head_dim, x,
                           c->encoder->qkv_stride);
}

/* What queries and keys go through before they meet. */
static void prepare_heads(crew *c, const emb_layer *w, emb_layer_kind kind)
{
    const emb_encoder *e = c->encoder;
    const emb_architecture *a = &e->arch;
    float *q = c->scratch->qkv + c->batch.starts[0] * e->qkv_stride;
    turning t = {c, kind};
    norm_heads(c, &w->query_norm, a->num_attention_heads, q);
    norm_heads(c, &w->key_norm, a->num_key_value_heads, q + e->query_part);
    if (a->positions[kind].rope.theta > 0) emb_parallel(c->device, rotate, &t, c->batch.sequences);
}

/* context = attention(y) in layer i, y[tokens][h]; the product with attention_output follows */
static void attend(crew *c, const emb_layer *w, int64_t i, const float *y)
{
    const emb_encoder *e = c->encoder;
    const emb_batch *b = &c->batch;
    const emb_encoder_scratch *s = c->scratch;
    int64_t ld = e->qkv_stride, first = b->starts[0];
    const float *keys = s->qkv + e->query_part;
    emb_layer_kind kind = emb_kind_of_layer(&e->arch, i);
    emb_attention attention = e->attention;
    emb_relative_positions relative;
    bool added = emb_relative_of(e, w, b, s, &relative);
    attention.window = e->arch.positions[kind].window;
    if (e->arch.scale_by_layer) attention.scale /= (float)(i + 1);

    emb_linear_run(c->device, &w->qkv, b->tokens, y, e->arch.hidden_size, s->qkv + first * ld, ld);
    prepare_heads(c, w, kind);
    emb_attention_run(c->device, &attention, added ? &relative : NULL, b->sequences, b->starts,
                      s->qkv, keys, keys + e->key_part, ld, s->context, e->context_stride,
                      (char *)s->attention + (size_t)c->thread * s->attention_per_thread,
                      s->attention_per_thread);
}

/* ---- what follows attention, row by row ----------------------------------------------------- */

typedef struct rows {
    const emb_encoder *encoder;
    const emb_layer *layer;
    const emb_device *device;
    int64_t count;
    float *x;
    float *context; /* [count][context_stride]; its room takes [count][h] afterwards */
    float *product; /* [count][h]: where q, k and v of these rows were */
    float *mlp;         /* [count][mlp_stride] */
} rows;

/* mlp = act(y W + b), or act(gate) * the other half; product = mlp W */
static void run_mlp(const rows *r, const float *y)
{
    const emb_encoder *e = r->encoder;
    int64_t h = e->arch.hidden_size, ld = mlp_stride(e);
    emb_linear_run(r->device, &r->layer->intermediate, r->count, y, h, r->mlp, ld);
    if (e->gate_part)
        emb_gate_run(r->device, emb_linear_act(&r->layer->intermediate, e->arch.hidden_act), r->count,
                     e->arch.intermediate_size, r->mlp + e->gate_part, r->mlp, ld);
    emb_linear_product(r->device, &r->layer->output, r->count, r->mlp, ld, r->product, h);
}

/* x = norm(x + attention); x = norm(x + mlp(x)) */
static void finish_post_norm(const rows *r)
{
    const emb_layer *w = r->layer;
    int64_t h = r->encoder->arch.hidden_size, n = r->count;
    const float *bias = w->attention_output.bias;
    if (w->attention_post_norm.gamma) {
        emb_norm_run(r->device, &w->attention_post_norm, n, h, r->product, bias, r->x, r->product);
        bias = NULL;
    }
    emb_norm_run(r->device, &w->attention_norm, n, h, r->product, bias, r->x, r->x);
    run_mlp(r, r->x);
    emb_norm_run(r->device, &w->output_norm, n, h, r->product, w->output.bias, r->x, r->x);
}

/* x += scale * norm(product + bias); there is a norm or a scale, or neither */
static void add_block(const rows *r, const emb_norm *norm, const float *bias, const float *scale)
{
    int64_t h = r->encoder->arch.hidden_size;
    if (norm->gamma) {
        emb_norm_run(r->device, norm, r->count, h, r->product, bias, NULL, r->product);
        bias = NULL;
    }
    emb_add_run(r->device, r->count, h, r->product, bias, scale, r->x);
}

/* x += attention; x += mlp(norm(x)) */
static void finish_pre_norm(const rows *r)
{
    const emb_layer *w = r->layer;
    int64_t h = r->encoder->arch.hidden_size, n = r->count;
    add_block(r, &w->attention_post_norm, w->attention_output.bias, w->attention_scale);
    emb_norm_run(r->device, &w->output_norm, n, h, r->x, NULL, NULL, r->context);
    run_mlp(r, r->context);
    add_block(r, &w->output_post_norm, w->output.bias, w->output_scale);
}

/* Rows first .. first + count - 1 of the crew's. */
static void finish_rows(const crew *c, const emb_layer *layer, const emb_device *d, float *mlp,
                        int64_t first, int64_t count)
{
    const emb_encoder *e = c->encoder;
    int64_t at = c->batch.starts[0] + first, h = e->arch.hidden_size, ld = e->context_stride;
    rows r = {e, layer, d, count, c->scratch->x + at * h, c->scratch->context + at * ld,
              c->scratch->qkv + at * e->qkv_stride, mlp};
    emb_linear_product(d, &layer->attention_output, count, r.context, ld, r.product, h);
    (e->arch.pre_norm ? finish_pre_norm : finish_post_norm)(&r);
}

typedef struct row_blocks {
    const crew *crew;
    const emb_layer *layer;
    int64_t count;
} row_blocks;

static void finish_block(void *arg, const emb_device *d, int64_t thread, int64_t i)
{
    const row_blocks *j = arg;
    const crew *c = j->crew;
    int64_t first = c->batch.tokens * i / j->count, end = c->batch.tokens * (i + 1) / j->count;
    finish_rows(c, j->layer, d, mlp_of(c, thread), first, end - first);
}

/* Blocks of rows go through all of it, so that what lies between stays in cache. Few rows, and a
 * product that has threads of its own, take each step together. */
static void finish(const crew *c, const emb_layer *layer)
{
    const emb_device *d = c->device;
    int64_t threads = d->threads, n = c->batch.tokens;
    int64_t bytes = emb_linear_bytes(&layer->attention_output) + emb_linear_bytes(&layer->intermediate) +
                    emb_linear_bytes(&layer->output);
    if (emb_gemm_whole(d->gemm) || (threads > 1 && n < threads * emb_rows_alone(bytes))) {
        for (int64_t at = 0; at < n; at += threads * EMB_MLP_ROWS)
            finish_rows(c, layer, d, mlp_of(c, 0), at, EMB_MIN(n - at, threads * EMB_MLP_ROWS));
        return;
    }
    int64_t blocks = (n + EMB_MLP_ROWS - 1) / EMB_MLP_ROWS;
    row_blocks j = {c, layer, (blocks + threads - 1) / threads * threads};
    emb_share(d, finish_block, &j, j.count);
}

/* ---- layers ---------------------------------------------------------------------------------- */

static void run_layers(crew *c, int64_t layers, bool last)
{
    const emb_encoder *e = c->encoder;
    int64_t h = e->arch.hidden_size, n = c->batch.tokens, first = c->batch.starts[0];
    float *x = c->scratch->x + first * h, *y = c->scratch->context + first * e->context_stride;
    for (int64_t i = 0; i < layers; i++) {
        const emb_layer *w = emb_layer_at(e, i);
        bool normed = e->arch.pre_norm && w->attention_norm.gamma;
        if (normed) emb_norm_run(c->device, &w->attention_norm, n, h, x, NULL, NULL, y);
        attend(c, w, i, normed ? y : x);
        finish(c, w);
        if (i == 0) emb_convolution_join(e, c->device, first, n, c->scratch);
    }
    if (last && e->final_norm.gamma)
        emb_norm_run(c->device, &e->final_norm, n, h, x, NULL, NULL, x);
}

typedef struct groups {
    const crew *all;
    int64_t layers, count;
    bool last;
} groups;

/* The first sequence of a group: groups have as many tokens as whole sequences allow. */
static int64_t group_start(const emb_batch *b, int64_t count, int64_t group)
{
    int64_t low = 0, high = b->sequences, token = b->tokens * group / count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (b->starts[middle] < token) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void run_group(void *arg, const emb_device *d, int64_t thread, int64_t i)
{
    const groups *g = arg;
    const emb_batch *b = &g->all->batch;
    int64_t first = group_start(b, g->count, i), end = group_start(b, g->count, i + 1);
    crew c = *g->all;
    c.device = d;
    c.thread = thread;
    c.batch.sequences = end - first;
    c.batch.starts = b->starts + first;
    c.batch.tokens = b->starts[end] - b->starts[first];
    if (c.batch.tokens) run_layers(&c, g->layers, g->last);
}

/* How many groups of sequences threads can take through all layers without waiting for each other.
 * 0: whole sequences would leave some of them idle. */
static int64_t count_groups(const emb_encoder *e, const emb_device *d, const emb_batch *b)
{
    int64_t threads = d->threads, count = (b->tokens + GROUP_TOKENS - 1) / GROUP_TOKENS, most = 0;
    /* a table made to fit a grid is there once, for one layer at a time */
    bool fitted = e->attention.has_relative && emb_takes_images(&e->arch);
    if (emb_gemm_whole(d->gemm) || fitted) return 0;
    count = (count + threads - 1) / threads * threads;
    for (int64_t i = 0; i < count; i++)
        most = EMB_MAX(most, b->starts[group_start(b, count, i + 1)] -
                                 b->starts[group_start(b, count, i)]);
    return threads == 1 || most * count * 4 <= b->tokens * 5 ? count : 0;
}

const float *emb_encoder_run(const emb_encoder *e, const emb_device *d, const emb_batch *b,
                             int64_t layer, emb_encoder_scratch *s)
{
    int64_t layers = e->arch.num_hidden_layers;
    bool last = layer == EMB_LAST || (e->arch.normed_states && layer == layers);
    emb_device with_scratch = *d;
    crew all = {e, &with_scratch, *b, s, 0};
    groups g = {&all, last ? layers : layer, count_groups(e, d, b), last};
    with_scratch.scratch = s->linear;
    with_scratch.scratch_per_thread = s->linear_per_thread;
    if (!b->tokens) return s->x; /* none of its inputs could be used */
    emb_tokens_run(e, d, b, s);
    if (g.layers) emb_convolution_run(e, d, b, s);
    if (g.count) emb_share(&with_scratch, run_group, &g, g.count);
    else run_layers(&all, g.layers, last);
    return s->x;
}
