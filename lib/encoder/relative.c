/* What layers add to their scores (nn/relative.c): tables that weights become at opening, and those of
 * one pass. */
#include <math.h>
#include <stdio.h>

#include "../kernels/math64.h"
#include "encoder.h"

/* Room for n numbers for each head. */
static float *take_table(const emb_encoder *e, emb_loader *l, int64_t n)
{
    size_t heads = (size_t)e->arch.num_attention_heads;
    float *table =
        l->status == EMBED_OK ? emb_alloc(l->allocator, heads, (size_t)n * sizeof *table) : NULL;
    if (!table && l->status == EMBED_OK)
        l->status = emb_fail(l->error, EMBED_ENOMEM, "out of memory for relative positions");
    return table;
}

/* ---- grids of patches ------------------------------------------------------------------------ */

static int64_t grid_size(int64_t height, int64_t width)
{
    return (2 * height - 1) * (2 * width - 1) + 3;
}

/* BEiT's table [distances][heads] in the order that emb_relative_positions reads. */
static float *make_grid(const emb_encoder *e, emb_loader *l, const char *tensor)
{
    const emb_image_tokens *image = &e->arch.image;
    int64_t heads = e->arch.num_attention_heads, across = 2 * image->grid_width - 1;
    int64_t pairs = across * (2 * image->grid_height - 1), n = pairs + 3;
    const float *rows = emb_load_floats(l, tensor, n, heads);
    float *table = take_table(e, l, n);
    for (int64_t i = 0; table && i < n; i++) {
        int64_t to = i < pairs ? i / across * across + across - 1 - i % across : i;
        for (int64_t head = 0; head < heads; head++) table[head * n + to] = rows[i * heads + head];
    }
    emb_floats_free(rows, l->allocator);
    return table;
}

static const float *load_grid(const emb_encoder *e, emb_loader *l, const char *tensor)
{
    const emb_image_tokens *image = &e->arch.image;
    float *table = NULL;
    if (emb_making(l)) {
        table = make_grid(e, l, tensor);
        emb_made(l);
    }
    return emb_load_made(l, tensor, e->arch.num_attention_heads,
                         grid_size(image->grid_height, image->grid_width), table);
}

static void load_grids(emb_encoder *e, emb_loader *l)
{
    const char *name = e->arch.names.relative_positions;
    if (e->arch.relative.shared) e->relative.table = load_grid(e, l, name);
    for (int64_t i = 0; !e->arch.relative.shared && i < e->layer_count && l->status == EMBED_OK; i++)
        e->layers[i].relative = load_grid(e, l, emb_layer_name(e, name, i).text);
}

/* A table made to fit the batch's grid if it is another. */
static const float *fit_grid(const emb_encoder *e, const float *table, const emb_batch *b,
                             const emb_encoder_scratch *s)
{
    const emb_image_tokens *image = &e->arch.image;
    int64_t height = 2 * image->grid_height - 1, width = 2 * image->grid_width - 1;
    int64_t out_height = 2 * b->grid_height - 1, out_width = 2 * b->grid_width - 1;
    int64_t n = grid_size(image->grid_height, image->grid_width);
    int64_t out_n = grid_size(b->grid_height, b->grid_width);
    if (emb_is_own_grid(e, b)) return table;
    for (int64_t head = 0; head < e->arch.num_attention_heads; head++) {
        const float *from = table + head * n;
        float *to = s->relative + head * out_n;
        emb_resize_positions(EMB_RESIZE_BILINEAR, height, width, 1, from, out_height, out_width, to);
        memcpy(to + out_n - 3, from + n - 3, 3 * sizeof *to);
    }
    return s->relative;
}

/* ---- distances along a text ------------------------------------------------------------------ */

/* T5's buckets of a distance from query to key: exact up to a quarter of them on either side, then by
 * its logarithm up to reach. */
static int64_t bucket_of(int64_t distance, int64_t buckets, int64_t reach)
{
    int64_t half = buckets / 2, exact = half / 2, n = distance < 0 ? -distance : distance, bucket = n;
    if (n >= exact) {
        double scale = emb_log64((double)n / (double)exact) / emb_log64((double)reach / (double)exact);
        bucket = EMB_MIN(exact + (int64_t)(scale * (double)(half - exact)), half - 1);
    }
    return distance > 0 ? half + bucket : bucket;
}

/* MPNet's table [buckets][heads], a number for each distance. */
static float *make_distances(const emb_encoder *e, emb_loader *l)
{
    int64_t heads = e->arch.num_attention_heads, buckets = e->arch.relative.buckets;
    int64_t reach = e->arch.relative.reach, n = 2 * reach + 1;
    const float *rows = emb_load_floats(l, e->arch.names.relative_positions, buckets, heads);
    float *table = take_table(e, l, n);
    for (int64_t i = 0; table && i < n * heads; i++)
        table[i] = rows[bucket_of(i % n - reach, buckets, reach) * heads + i / n];
    emb_floats_free(rows, l->allocator);
    return table;
}

static void load_distances(emb_encoder *e, emb_loader *l)
{
    int64_t reach = e->relative.reach = e->arch.relative.reach;
    float *table = NULL;
    if (emb_making(l)) {
        table = make_distances(e, l);
        emb_made(l);
    }
    e->relative.table = emb_load_made(l, e->arch.names.relative_positions, e->arch.num_attention_heads,
                                      2 * reach + 1, table);
}

/* ---- ALiBi ----------------------------------------------------------------------------------- */

/* Slopes of n heads, n a power of two, are 2^(-8 i / n), i = 1 .. n. Of another number of heads, those of
 * the power of two below, then every other one of the power of two above. */
static float *make_slopes(const emb_encoder *e, emb_loader *l)
{
    const double ln2 = 0.693147180559945309417;
    int64_t heads = e->arch.num_attention_heads, power = 1;
    float *slopes = take_table(e, l, 1);
    while (2 * power <= heads) power *= 2;
    for (int64_t i = 0; slopes && i < heads; i++) {
        double step = i < power ? (double)(i + 1) : (double)(i - power) + 0.5;
        slopes[i] = (float)emb_exp64(-8 * step / (double)power * ln2);
    }
    return slopes;
}

static void load_slopes(emb_encoder *e, emb_loader *l)
{
    float *slopes = NULL;
    if (emb_making(l)) {
        slopes = make_slopes(e, l);
        emb_made(l);
    }
    e->relative.table = emb_load_made(l, "slopes", 1, e->arch.num_attention_heads, slopes);
}

/* ---- disentangled attention ------------------------------------------------------------------ */

/* DeBERTa's bucket of a distance, which it computes in float: exact up to half of the buckets, then by the
 * logarithm, so that max_relative_positions - 1 is in the last but one. */
static int64_t log_bucket(int64_t distance, int64_t buckets, int64_t farthest)
{
    int64_t middle = buckets / 2;
    if (buckets == 0 || distance <= middle) return distance;
    float whole = (float)emb_log64((double)(float)((double)(farthest - 1) / (double)middle));
    float part = (float)emb_log64((double)((float)distance / (float)middle));
    return (int64_t)ceilf(part / whole * (float)(middle - 1)) + middle;
}

/* Which row of the tables every distance reads, up to where all farther ones read the same. */
static void make_rows(emb_encoder *e, emb_loader *l)
{
    const emb_relative_scores *r = &e->arch.relative;
    int64_t side = r->buckets ? r->buckets : r->reach, reach = 1, most = emb_max_tokens(&e->arch);
    while (reach < most && log_bucket(reach, r->buckets, r->reach) < side) reach++;
    size_t n = 2 * (size_t)reach + 1;
    int32_t *rows = l->status == EMBED_OK ? emb_alloc(l->allocator, n, sizeof *rows) : NULL;
    e->relative.rows = rows;
    e->relative.reach = reach;
    if (!rows && l->status == EMBED_OK)
        l->status = emb_fail(l->error, EMBED_ENOMEM, "out of memory for relative positions");
    for (int64_t i = 0; rows && i <= reach; i++) {
        int64_t bucket = EMB_MIN(log_bucket(i, r->buckets, r->reach), side);
        rows[reach + i] = (int32_t)EMB_MIN(side + bucket, 2 * side - 1);
        rows[reach - i] = (int32_t)(side - bucket);
    }
}

/* embeddings[rows][hidden] through a Linear of layer i, in float whatever the layers are computed in. */
static float *project(const emb_encoder *e, emb_loader *l, const char *pattern, int64_t i,
                      const float *embeddings, int64_t rows)
{
    const emb_names *names = &e->arch.names;
    int64_t h = e->arch.hidden_size, parameters = l->parameters;
    size_t bytes = l->bytes;
    emb_linear linear = {0};
    emb_device alone = {.kernels = l->kernels, .gemm = l->gemm, .threads = 1};
    if (!pattern || l->status < 0) return NULL;
    if (!emb_making(l)) return NULL;
    emb_load_linear(l, emb_layer_name(e, pattern, i).text, h, h, true, EMB_ACT_NONE, &linear);
    emb_made(l);
    float *out = l->status == EMBED_OK ? emb_alloc(l->allocator, (size_t)rows, (size_t)h * sizeof *out)
                                       : NULL;
    if (out) emb_linear_run(&alone, &linear, rows, embeddings, h, out, h);
    else if (l->status == EMBED_OK)
        l->status = emb_fail(l->error, EMBED_ENOMEM, "out of memory for relative positions");
    emb_linear_free(&linear, l->allocator);
    l->bytes = bytes + (out ? (size_t)(rows * h) * sizeof *out : 0);
    if (strcmp(pattern, names->key) == 0 || strcmp(pattern, names->query) == 0)
        l->parameters = parameters; /* the layer's own, counted already */
    return out;
}

/* rows[count][hidden] as emb_relative_positions.keys has them; takes their memory's place. */
static float *pack_keys(const emb_encoder *e, emb_loader *l, float *rows, int64_t count)
{
    int64_t dim = e->arch.head_dim, panels = e->relative.table_rows * dim;
    float *keys = rows ? take_table(e, l, panels) : NULL;
    for (int64_t head = 0; keys && head < e->arch.num_attention_heads; head++)
        l->kernels->pack_rows_f32(count, dim, rows + head * dim, e->relative.ld, keys + head * panels);
    emb_free(l->allocator, rows);
    return keys;
}

static float *make_embeddings(const emb_encoder *e, emb_loader *l, int64_t rows)
{
    const emb_names *names = &e->arch.names;
    int64_t h = e->arch.hidden_size;
    emb_device alone = {.kernels = l->kernels, .gemm = l->gemm, .threads = 1};
    emb_norm norm = {0};
    size_t bytes = l->bytes;
    float *embeddings = (float *)(uintptr_t)emb_load_floats(l, names->relative_positions, rows, h);
    if (names->relative_norm)
        emb_load_norm(l, names->relative_norm, h, EMB_LAYER_NORM, e->arch.layer_norm_eps, &norm);
    if (l->status == EMBED_OK && norm.gamma)
        emb_norm_run(&alone, &norm, rows, h, embeddings, NULL, NULL, embeddings);
    emb_norm_free(&norm, l->allocator);
    l->bytes = bytes;
    return embeddings;
}

/* Both tables of a layer, from embeddings (NULL: they lie in a file). */
static void load_projections(emb_encoder *e, emb_loader *l, int64_t i, const float *embeddings,
                             int64_t rows)
{
    const emb_names *names = &e->arch.names;
    const char *const patterns[] = {names->position_key, names->position_query};
    const char *const whats[] = {"position_keys", "position_queries"};
    const float **const tables[] = {&e->layers[i].position_keys, &e->layers[i].position_queries};
    for (int k = 0; k < 2; k++) {
        char what[64];
        float *table = NULL;
        if (!patterns[k]) continue;
        if (embeddings) table = project(e, l, patterns[k], i, embeddings, rows);
        if (embeddings && k == 0) table = pack_keys(e, l, table, rows);
        snprintf(what, sizeof what, "layer.%lld.%s", (long long)i, whats[k]);
        *tables[k] = emb_load_made(l, what, k ? rows : e->relative.table_rows, e->arch.hidden_size, table);
    }
}

static void load_disentangled(emb_encoder *e, emb_loader *l)
{
    const emb_relative_scores *r = &e->arch.relative;
    int64_t rows = 2 * (r->buckets ? r->buckets : r->reach);
    float *embeddings = NULL;
    e->relative.table_rows = e->attention.relative_rows = emb_whole_panels(rows);
    e->relative.ld = e->arch.hidden_size;
    if (emb_making(l)) {
        embeddings = make_embeddings(e, l, rows);
        emb_made(l);
    }
    for (int64_t i = 0; i < e->layer_count && l->status == EMBED_OK; i++)
        load_projections(e, l, i, embeddings, rows);
    emb_floats_free(embeddings, l->allocator);
    make_rows(e, l);
}

/* ---- all of them ----------------------------------------------------------------------------- */

void emb_relative_load(emb_encoder *e, emb_loader *l)
{
    e->relative.kind = e->arch.relative.kind;
    switch (e->relative.kind) {
    case EMB_RELATIVE_GRID: load_grids(e, l); break;
    case EMB_RELATIVE_DISTANCES: load_distances(e, l); break;
    case EMB_RELATIVE_SLOPES: load_slopes(e, l); break;
    case EMB_RELATIVE_DISENTANGLED: load_disentangled(e, l); break;
    case EMB_RELATIVE_NONE: break;
    }
}

void emb_relative_free(emb_encoder *e, const emb_allocator *a)
{
    const emb_allocator *owner = e->in_place ? NULL : a;
    emb_floats_free(e->relative.table, owner);
    emb_free(a, (void *)(uintptr_t)e->relative.rows);
    for (int64_t i = 0; e->layers && i < e->layer_count; i++) {
        emb_floats_free(e->layers[i].relative, owner);
        emb_floats_free(e->layers[i].position_keys, owner);
        emb_floats_free(e->layers[i].position_queries, owner);
    }
}

bool emb_relative_of(const emb_encoder *e, const emb_layer *w, const emb_batch *b,
                     const emb_encoder_scratch *s, emb_relative_positions *out)
{
    *out = e->relative;
    out->keys = w->position_keys;
    out->queries = w->position_queries;
    if (out->kind == EMB_RELATIVE_GRID) {
        out->height = b->grid_height;
        out->width = b->grid_width;
        out->table = fit_grid(e, out->table ? out->table : w->relative, b, s);
    }
    return out->kind != EMB_RELATIVE_NONE;
}
