/* What the largest models of DeBERTa-v2 have beside their first layer: a convolution along the
 * text of what enters it, which joins what comes out of it. */
#include "encoder.h"

void emb_convolution_load(emb_encoder *e, emb_loader *l)
{
    const emb_architecture *a = &e->arch;
    int64_t h = a->hidden_size;
    if (!a->convolution) return;
    emb_load_linear(l, a->names.convolution, h, h * a->convolution, true, a->convolution_act,
                    &e->convolution);
    emb_load_norm(l, a->names.convolution_norm, h, a->norm, a->layer_norm_eps, &e->convolution_norm);
}

void emb_convolution_plan(const emb_encoder *e, int64_t max_tokens, emb_arena *arena,
                          emb_encoder_scratch *out)
{
    size_t row = (size_t)e->arch.hidden_size * sizeof(float), tokens = (size_t)max_tokens;
    if (!e->arch.convolution) return;
    out->neighbours = emb_arena_take(arena, tokens, (size_t)e->arch.convolution * row);
    out->convolved = emb_arena_take(arena, tokens, row);
}

typedef struct gathering {
    const emb_encoder *encoder;
    const emb_batch *batch;
    const emb_encoder_scratch *scratch;
} gathering;

/* neighbours[token][hidden][size]: each number of a token between those of the tokens around it,
 * zero beyond the ends of the text. */
static void gather(void *arg, int64_t sequence)
{
    const gathering *g = arg;
    int64_t h = g->encoder->arch.hidden_size, size = g->encoder->arch.convolution;
    int64_t start = g->batch->starts[sequence], end = g->batch->starts[sequence + 1];
    for (int64_t t = start; t < end; t++)
        for (int64_t k = 0; k < size; k++) {
            int64_t from = t + k - size / 2;
            const float *row = from < start || from >= end ? NULL : g->scratch->x + from * h;
            float *to = g->scratch->neighbours + t * h * size + k;
            for (int64_t i = 0; i < h; i++) to[i * size] = row ? row[i] : 0;
        }
}

void emb_convolution_run(const emb_encoder *e, const emb_device *d, const emb_batch *b,
                         const emb_encoder_scratch *s)
{
    int64_t h = e->arch.hidden_size;
    gathering g = {e, b, s};
    if (!e->arch.convolution) return;
    emb_parallel(d, gather, &g, b->sequences);
    emb_linear_run(d, &e->convolution, b->tokens, s->neighbours, h * e->arch.convolution, s->convolved,
                   h);
}

void emb_convolution_join(const emb_encoder *e, const emb_device *d, int64_t first, int64_t tokens,
                          const emb_encoder_scratch *s)
{
    int64_t h = e->arch.hidden_size;
    float *x = s->x + first * h;
    if (!e->arch.convolution) return;
    emb_norm_run(d, &e->convolution_norm, tokens, h, s->convolved + first * h, NULL, x, x);
}
