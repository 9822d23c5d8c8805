/* The forward pass. Shapes: tokens are all tokens of the batch, packed; h = hidden_size. */
#include "encoder.h"

/* Columns of the MLP's first product: gate and what it lets through stand side by side. */
static int64_t mlp_width(const emb_encoder *e)
{
    return e->gate_part ? 2 * e->gate_part : e->arch.intermediate_size;
}

void emb_encoder_plan(const emb_encoder *e, int64_t max_tokens, int32_t threads, emb_arena *arena,
                      emb_encoder_scratch *out)
{
    const emb_architecture *a = &e->arch;
    size_t tokens = (size_t)max_tokens, number = sizeof(float);
    bool images = emb_takes_images(a);
    int64_t widest = EMB_MAX(mlp_width(e), images ? emb_patch_size(a) : 0);
    int64_t longest = images ? max_tokens : EMB_MIN(max_tokens, emb_max_tokens(a));
    out->x = emb_arena_take(arena, tokens, (size_t)a->hidden_size * number);
    out->context =
        emb_arena_take(arena, tokens, (size_t)EMB_MAX(a->hidden_size, a->embedding_size) * number);
    out->qkv = emb_arena_take(arena, tokens, 3 * (size_t)e->part * number);
    out->mlp = emb_arena_take(arena, tokens, (size_t)widest * number);
    out->attention_per_thread = emb_attention_scratch(&e->attention, longest);
    out->attention = emb_arena_take(arena, (size_t)threads, out->attention_per_thread);
    emb_tokens_plan(e, max_tokens, arena, out);
}

typedef struct rotation {
    const emb_encoder *encoder;
    const emb_kernels *kernels;
    const emb_batch *batch;
    const emb_encoder_scratch *scratch;
} rotation;

/* Rotary positions of the patches of one image; prefix tokens have none. */
static void rotate(void *arg, int64_t sequence)
{
    const rotation *r = arg;
    const emb_architecture *a = &r->encoder->arch;
    int64_t start = r->batch->starts[sequence] + a->image.prefix, ld = 3 * r->encoder->part;
    int64_t n = r->batch->starts[sequence + 1] - start;
    float *q = r->scratch->qkv + start * ld;
    if (n <= 0) return;
    for (int k = 0; k < 2; k++)
        r->kernels->rope_f32(n, a->num_attention_heads, a->head_dim, r->scratch->angles,
                             q + k * r->encoder->part, ld);
}

/* context = attention(y); the product with attention_output follows */
static void attend(const emb_encoder *e, const emb_layer *w, const emb_device *d,
                   const emb_batch *b, const float *y, const emb_encoder_scratch *s)
{
    int64_t h = e->arch.hidden_size, ld = 3 * e->part;
    const float *table = e->relative ? e->relative : w->relative;
    emb_relative_positions relative = {b->grid_height, b->grid_width, NULL};
    if (table) relative.table = emb_relative_table(e, table, b, s);

    emb_linear_run(d, &w->qkv, b->tokens, y, h, s->qkv, ld);
    if (e->arch.rope_theta > 0) {
        rotation r = {e, d->kernels, b, s};
        emb_parallel(d, rotate, &r, b->sequences);
    }
    emb_attention_run(d, &e->attention, table ? &relative : NULL, b->sequences, b->starts, s->qkv,
                      s->qkv + e->part, s->qkv + 2 * e->part, ld, s->context, h, s->attention,
                      s->attention_per_thread);
}

/* mlp = act(y W + b), or act(gate) * the other half */
static void run_intermediate(const emb_encoder *e, const emb_layer *w, const emb_device *d,
                             int64_t tokens, const float *y, const emb_encoder_scratch *s)
{
    int64_t ld = mlp_width(e);
    emb_linear_run(d, &w->intermediate, tokens, y, e->arch.hidden_size, s->mlp, ld);
    if (e->gate_part)
        emb_gate_run(d, e->arch.hidden_act, tokens, e->arch.intermediate_size, s->mlp + e->gate_part,
                     s->mlp, ld);
}

/* x = norm(x + attention(x)); x = norm(x + mlp(x)) */
static void run_post_norm(const emb_encoder *e, const emb_layer *w, const emb_device *d,
                          const emb_batch *b, const emb_encoder_scratch *s)
{
    int64_t h = e->arch.hidden_size, n = b->tokens;
    float *product = s->qkv; /* [tokens][h], once attention is done with qkv */

    attend(e, w, d, b, s->x, s);
    emb_linear_product(d, &w->attention_output, n, s->context, h, product, h);
    emb_norm_run(d, &w->attention_norm, n, h, product, w->attention_output.bias, s->x, s->x);
    run_intermediate(e, w, d, n, s->x, s);
    emb_linear_product(d, &w->output, n, s->mlp, mlp_width(e), product, h);
    emb_norm_run(d, &w->output_norm, n, h, product, w->output.bias, s->x, s->x);
}

/* x += scale * attention(norm(x)); x += scale * mlp(norm(x)) */
static void run_pre_norm(const emb_encoder *e, const emb_layer *w, const emb_device *d,
                         const emb_batch *b, const emb_encoder_scratch *s)
{
    int64_t h = e->arch.hidden_size, n = b->tokens;
    float *product = s->qkv, *y = s->context;

    emb_norm_run(d, &w->attention_norm, n, h, s->x, NULL, NULL, y);
    attend(e, w, d, b, y, s);
    emb_linear_product(d, &w->attention_output, n, s->context, h, product, h);
    emb_add_run(d, n, h, product, w->attention_output.bias, w->attention_scale, s->x);
    emb_norm_run(d, &w->output_norm, n, h, s->x, NULL, NULL, y);
    run_intermediate(e, w, d, n, y, s);
    emb_linear_product(d, &w->output, n, s->mlp, mlp_width(e), product, h);
    emb_add_run(d, n, h, product, w->output.bias, w->output_scale, s->x);
}

const float *emb_encoder_run(const emb_encoder *e, const emb_device *d, const emb_batch *b,
                             int64_t layer, emb_encoder_scratch *s)
{
    int64_t layers = layer == EMB_LAST ? e->arch.num_hidden_layers : layer;
    emb_tokens_run(e, d, b, s);
    for (int64_t i = 0; i < layers; i++)
        (e->arch.pre_norm ? run_pre_norm : run_post_norm)(e, emb_layer_at(e, i), d, b, s);
    if (layer == EMB_LAST && e->final_norm.gamma)
        emb_norm_run(d, &e->final_norm, b->tokens, e->arch.hidden_size, s->x, NULL, NULL, s->x);
    return s->x;
}
