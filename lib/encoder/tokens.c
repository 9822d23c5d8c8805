/* What enters the first layer: rows of embedding tables for texts; patches, prefix tokens and
 * positions for images. */
#include "encoder.h"

/* ---- texts --------------------------------------------------------------------------------- */

typedef struct lookup {
    const emb_encoder *encoder;
    const emb_kernels *kernels;
    const emb_batch *batch;
    float *out; /* [tokens][embedding_size] */
} lookup;

/* (word + token type) + position, for the tokens of one sequence */
static void look_up(void *arg, int64_t sequence)
{
    const lookup *u = arg;
    const emb_encoder *e = u->encoder;
    const emb_batch *b = u->batch;
    int64_t size = e->arch.embedding_size, start = b->starts[sequence];
    int64_t next = e->arch.position_offset, padding = next - 1;
    float scale = (float)e->arch.embedding_scale;
    for (int64_t t = start; t < b->starts[sequence + 1]; t++) {
        int64_t position = b->ids[t] == padding ? padding : next++;
        float *row = u->out + t * size;
        const float *type = e->token_type_embeddings, *own = e->positions;
        if (type) type += b->type_ids[t] * size;
        if (own) own += position * size;
        emb_widen_rows(u->kernels, e->word_embeddings, size, b->ids[t], 1, row);
        emb_round(u->kernels, e->words_stored, size, row);
        for (int64_t i = 0; scale > 0 && i < size; i++) row[i] *= scale;
        u->kernels->add_rows_f32(size, row, type, own, row);
    }
}

typedef struct turns {
    const emb_encoder *encoder;
    const emb_batch *batch;
    const emb_encoder_scratch *scratch;
    int64_t first, count; /* rows of the shared tables that are to be made */
} turns;

enum { ANGLE_ROWS = 64 /* of one task */ };

static void make_angles(void *arg, int64_t task)
{
    const turns *t = arg;
    const emb_architecture *a = &t->encoder->arch;
    int64_t at = task * ANGLE_ROWS;
    for (int kind = 0; kind < EMB_LAYER_KINDS; kind++)
        if (t->scratch->angles[kind])
            emb_text_angles(&a->positions[kind].rope, a->head_dim, 0, t->first + at,
                            EMB_MIN(t->count - at, ANGLE_ROWS), t->scratch->angles[kind]);
}

static void make_own_angles(void *arg, int64_t sequence)
{
    const turns *t = arg;
    const emb_architecture *a = &t->encoder->arch;
    int64_t start = t->batch->starts[sequence], n = t->batch->starts[sequence + 1] - start;
    for (int kind = 0; kind < EMB_LAYER_KINDS; kind++)
        if (emb_has_own_angles(&a->positions[kind].rope, n))
            emb_text_angles(&a->positions[kind].rope, a->head_dim, n, 0, n,
                            t->scratch->own_angles[kind] + start * a->head_dim);
}

/* Angles for all positions of the batch: a table of those that texts share grows to the longest. */
static void turn_text(const emb_encoder *e, const emb_device *d, const emb_batch *b,
                      emb_encoder_scratch *s)
{
    turns t = {e, b, s, s->positions_known, 0};
    if (!s->angles[EMB_FULL_ATTENTION]) return;
    for (int64_t i = 0; i < b->sequences; i++)
        t.count = EMB_MAX(t.count, b->starts[i + 1] - b->starts[i] - t.first);
    emb_parallel(d, make_angles, &t, (t.count + ANGLE_ROWS - 1) / ANGLE_ROWS);
    s->positions_known += t.count;
    emb_parallel(d, make_own_angles, &t, b->sequences);
}

static void run_text(const emb_encoder *e, const emb_device *d, const emb_batch *b,
                     emb_encoder_scratch *s)
{
    bool project = e->embeddings_project.weight.data != NULL;
    float *rows = project ? s->context : s->x;
    lookup u = {e, d->kernels, b, rows};
    const emb_norm *norm = &e->embeddings_norm;
    int64_t size = e->arch.embedding_size, h = e->arch.hidden_size, n = b->tokens;
    bool early = norm->gamma && !e->arch.project_first, late = norm->gamma && !early;
    turn_text(e, d, b, s);
    emb_parallel(d, look_up, &u, b->sequences);
    if (early) emb_norm_run(d, norm, n, size, rows, NULL, NULL, rows);
    if (project) emb_linear_run(d, &e->embeddings_project, n, rows, size, s->x, h);
    if (late) emb_norm_run(d, norm, n, h, s->x, NULL, NULL, s->x);
}

/* ---- images -------------------------------------------------------------------------------- */

/* Tables for the batch's grid, unless the last batch had the same. */
static void fit_grid(const emb_encoder *e, const emb_batch *b, emb_encoder_scratch *s)
{
    const emb_image_tokens *image = &e->arch.image;
    if (s->grid_height == b->grid_height && s->grid_width == b->grid_width) return;
    if (e->positions && !emb_is_own_grid(e, b))
        emb_resize_positions(image->resize, image->grid_height, image->grid_width,
                             e->arch.hidden_size, e->positions, b->grid_height, b->grid_width,
                             s->positions);
    double theta = e->arch.positions[EMB_FULL_ATTENTION].rope.theta;
    if (theta > 0)
        emb_patch_angles(theta, e->arch.head_dim, b->grid_height, b->grid_width,
                         s->angles[EMB_FULL_ATTENTION]);
    s->grid_height = b->grid_height;
    s->grid_width = b->grid_width;
}

typedef struct patching {
    const emb_encoder *encoder;
    const emb_kernels *kernels;
    const emb_batch *batch;
    const float *positions; /* of the grid, or NULL */
    float *patches;         /* [tokens][patch size] */
    float *x;               /* [tokens][hidden] */
} patching;

/* One patch of an image [3][rows][columns], as the weights expect it. */
static void cut_patch(const emb_image_tokens *image, const float *pixels, int64_t rows,
                      int64_t columns, int64_t top, int64_t left, float *out)
{
    int64_t height = image->patch_height, width = image->patch_width;
    for (int64_t c = 0; c < 3; c++)
        for (int64_t y = 0; y < height; y++) {
            const float *from = pixels + (c * rows + top + y) * columns + left;
            if (!image->patch_channels_last)
                memcpy(out + (c * height + y) * width, from, (size_t)width * sizeof *out);
            else
                for (int64_t x = 0; x < width; x++) out[(y * width + x) * 3 + c] = from[x];
        }
}

static void cut_image(void *arg, int64_t sequence)
{
    const patching *p = arg;
    const emb_batch *b = p->batch;
    const emb_image_tokens *image = &p->encoder->arch.image;
    int64_t size = emb_patch_size(&p->encoder->arch), start = b->starts[sequence];
    int64_t rows = b->grid_height * image->patch_height, columns = b->grid_width * image->patch_width;
    if (start == b->starts[sequence + 1]) return;
    float *out = p->patches + start * size;
    memset(out, 0, (size_t)(image->prefix * size) * sizeof *out);
    out += image->prefix * size;
    for (int64_t at = 0; at < b->grid_height * b->grid_width; at++, out += size)
        cut_patch(image, b->pixels + start * size, rows, columns,
                  at / b->grid_width * image->patch_height, at % b->grid_width * image->patch_width,
                  out);
}

/* Prefix tokens take their rows, and patches get their positions. */
static void place(void *arg, int64_t sequence)
{
    const patching *p = arg;
    const emb_batch *b = p->batch;
    int64_t h = p->encoder->arch.hidden_size, prefix = p->encoder->arch.image.prefix;
    int64_t n = b->starts[sequence + 1] - b->starts[sequence];
    float *x = p->x + b->starts[sequence] * h;
    if (n == 0) return;
    if (prefix) memcpy(x, p->encoder->prefix, (size_t)(prefix * h) * sizeof *x);
    if (p->positions)
        p->kernels->add_rows_f32((n - prefix) * h, x + prefix * h, p->positions, NULL,
                                 x + prefix * h);
}

static void run_images(const emb_encoder *e, const emb_device *d, const emb_batch *b,
                       emb_encoder_scratch *s)
{
    fit_grid(e, b, s);
    const float *positions = !e->positions || emb_is_own_grid(e, b) ? e->positions : s->positions;
    patching p = {e, d->kernels, b, positions, s->qkv, s->x};
    int64_t h = e->arch.hidden_size;
    emb_parallel(d, cut_image, &p, b->sequences);
    emb_linear_run(d, &e->patches, b->tokens, s->qkv, emb_patch_size(&e->arch), s->x, h);
    emb_parallel(d, place, &p, b->sequences);
    if (e->embeddings_norm.gamma)
        emb_norm_run(d, &e->embeddings_norm, b->tokens, h, s->x, NULL, NULL, s->x);
}

/* ---- both ------------------------------------------------------------------------------------ */

void emb_tokens_plan(const emb_encoder *e, int64_t max_tokens, emb_arena *arena,
                     emb_encoder_scratch *out)
{
    const emb_architecture *a = &e->arch;
    size_t tokens = (size_t)max_tokens, angles = (size_t)a->head_dim * sizeof(float);
    size_t positions = emb_takes_images(a) ? tokens : (size_t)EMB_MIN(max_tokens, emb_max_tokens(a));
    out->grid_height = out->grid_width = out->positions_known = 0;
    for (int kind = 0; kind < EMB_LAYER_KINDS; kind++) {
        const emb_rope *rope = &a->positions[kind].rope;
        out->angles[kind] = out->own_angles[kind] = NULL;
        if (rope->theta > 0) out->angles[kind] = emb_arena_take(arena, positions, angles);
        if (emb_has_own_angles(rope, (int64_t)positions))
            out->own_angles[kind] = emb_arena_take(arena, tokens, angles);
    }
    if (!emb_takes_images(a)) return;
    if (e->positions)
        out->positions = emb_arena_take(arena, tokens, (size_t)a->hidden_size * sizeof(float));
    /* a grid of n patches has fewer than 4 n + 3 distances */
    if (e->attention.has_relative)
        out->relative = emb_arena_take(arena, 4 * tokens + 3,
                                       (size_t)a->num_attention_heads * sizeof(float));
}

void emb_tokens_run(const emb_encoder *e, const emb_device *d, const emb_batch *b,
                    emb_encoder_scratch *s)
{
    if (emb_takes_images(&e->arch)) run_images(e, d, b, s);
    else run_text(e, d, b, s);
}
