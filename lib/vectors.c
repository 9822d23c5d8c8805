/* The public helpers on vectors, which need no model: pooling, normalisation, similarity,
 * quantisation. */
#include <math.h>

#include "modules.h"

/* ---- pooling ---------------------------------------------------------------------- */

int32_t embed_pool(const float *hidden, int64_t tokens, int64_t hidden_size,
                   const int32_t *attention_mask, int32_t pooling, float *out)
{
    if (!hidden || !out || tokens < 1 || hidden_size < 1) return EMBED_EINVAL;
    int64_t padding = 0;
    while (attention_mask && padding < tokens && !attention_mask[padding]) padding++;
    if (padding == tokens) padding = 0;
    emb_float_env env = emb_float_enter();
    bool known = emb_pool_one(pooling, tokens, hidden_size, hidden, hidden_size, attention_mask,
                              padding, out);
    emb_float_leave(env);
    return known ? EMBED_OK : EMBED_EINVAL;
}

int32_t embed_pool_span(const float *hidden, int64_t tokens, int64_t hidden_size, int64_t begin,
                        int64_t end, float *out)
{
    if (!hidden || !out || hidden_size < 1 || begin < 0 || end <= begin || end > tokens)
        return EMBED_EINVAL;
    return embed_pool(hidden + begin * hidden_size, end - begin, hidden_size, NULL,
                      EMBED_POOL_MEAN_ALL, out);
}

int32_t embed_pool_word(const float *hidden, int64_t tokens, int64_t hidden_size,
                        const int32_t *word_ids, int32_t word, float *out)
{
    int64_t rows = 0;
    if (!hidden || !word_ids || !out || tokens < 1 || hidden_size < 1) return EMBED_EINVAL;
    for (int64_t t = 0; t < tokens; t++) rows += word_ids[t] == word;
    if (rows == 0) return EMBED_EMISSING;
    emb_float_env env = emb_float_enter();
    for (int64_t i = 0; i < hidden_size; i++) {
        double sum = 0;
        for (int64_t t = 0; t < tokens; t++)
            if (word_ids[t] == word) sum += (double)hidden[t * hidden_size + i];
        out[i] = (float)(sum / (double)rows);
    }
    emb_float_leave(env);
    return EMBED_OK;
}

/* ---- similarity -------------------------------------------------------------------- */

int32_t embed_normalize(float *vectors, int64_t count, int64_t dim, int64_t stride)
{
    if (count < 0 || dim < 1 || stride < dim || (count && !vectors)) return EMBED_EINVAL;
    emb_float_env env = emb_float_enter();
    emb_normalize_rows(emb_kernels_for(NULL), vectors, count, dim, stride);
    emb_float_leave(env);
    return EMBED_OK;
}

enum {
    ROWS = 256, /* of a block of dot products, against the columns of a panel */
    STEP = 64,  /* dimensions that are added up as floats */
    LANES = 4   /* sums of other kinds, each of every fourth dimension */
};

typedef struct side {
    const float *data; /* [count][dim] */
    int64_t count;
    int64_t step; /* from a score to that of the next vector */
} side;

typedef enum measure { PRODUCTS, SQUARES, DISTANCES } measure;

static inline double term(measure what, double a, double b)
{
    const double d = a - b;
    return what == PRODUCTS ? a * b : what == SQUARES ? d * d : fabs(d);
}

/* Sums in double over all dimensions: of a * b, (a - b)^2 or |a - b|. */
static inline double sum_of(measure what, const float *a, const float *b, int64_t dim)
{
    double lanes[LANES] = {0};
    int64_t i = 0;
    for (; i <= dim - LANES; i += LANES)
#pragma GCC unroll 4
        for (int64_t l = 0; l < LANES; l++) lanes[l] += term(what, a[i + l], b[i + l]);
    for (int64_t l = 0; i < dim; i++, l++) lanes[l] += term(what, a[i], b[i]);
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

static double length(const float *x, int64_t dim)
{
    return fmax(sqrt(sum_of(PRODUCTS, x, x, dim)), 1e-12);
}

/* Dot products of rows of a and columns of b (a panel at most): floats over STEP dimensions, whose
 * sums are doubles, so that each depends on its two vectors alone. */
static void dot_products(const emb_kernels *kernels, const float *a, int64_t rows, const float *b,
                         int64_t columns, int64_t dim, double sums[ROWS][EMB_PANEL])
{
    _Alignas(64) float panel[STEP * EMB_PANEL], part[ROWS][EMB_PANEL];
    memset(sums, 0, (size_t)rows * sizeof *sums);
    memset(part, 0, sizeof part);
    for (int64_t at = 0; at < dim; at += STEP) {
        const int64_t n = EMB_MIN(dim - at, STEP);
        kernels->pack_rows_f32(columns, n, b + at, dim, panel);
        kernels->gemm_f32(rows, columns, n, a + at, dim, panel, part[0], EMB_PANEL);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < EMB_PANEL; c++) sums[r][c] += (double)part[r][c];
    }
}

static void score_block(const side *a, int64_t row, const side *b, int64_t column, int64_t dim,
                        bool cosine, const double lengths[ROWS], float *scores)
{
    const int64_t rows = EMB_MIN(a->count - row, ROWS);
    const int64_t columns = EMB_MIN(b->count - column, EMB_PANEL);
    double sums[ROWS][EMB_PANEL];
    dot_products(emb_kernels_for(NULL), a->data + row * dim, rows, b->data + column * dim, columns,
                 dim, sums);
    for (int64_t c = 0; c < columns; c++) {
        const double own = cosine ? length(b->data + (column + c) * dim, dim) : 1;
        float *y = scores + row * a->step + (column + c) * b->step;
        for (int64_t r = 0; r < rows; r++, y += a->step)
            *y = (float)(sums[r][c] / (cosine ? lengths[r] * own : 1));
    }
}

/* a: the side of more vectors. */
static void score_products(const side *a, const side *b, int64_t dim, bool cosine,
                           float *scores)
{
    double lengths[ROWS];
    for (int64_t row = 0; row < a->count; row += ROWS) {
        for (int64_t r = 0; cosine && r < EMB_MIN(a->count - row, ROWS); r++)
            lengths[r] = length(a->data + (row + r) * dim, dim);
        for (int64_t column = 0; column < b->count; column += EMB_PANEL)
            score_block(a, row, b, column, dim, cosine, lengths, scores);
    }
}

static void score_distances(const side *a, const side *b, int64_t dim, bool squares,
                            float *scores)
{
    for (int64_t i = 0; i < a->count; i++)
        for (int64_t j = 0; j < b->count; j++)
            scores[i * a->step + j] = (float)-(
                squares ? sqrt(sum_of(SQUARES, a->data + i * dim, b->data + j * dim, dim))
                        : sum_of(DISTANCES, a->data + i * dim, b->data + j * dim, dim));
}

int32_t embed_similarity(int32_t similarity, const float *a, int64_t count_a, const float *b,
                         int64_t count_b, int64_t dim, float *scores)
{
    if (similarity < EMBED_SIMILARITY_COSINE || similarity > EMBED_SIMILARITY_MANHATTAN ||
        count_a < 0 || count_b < 0 || dim < 1 || (count_a && count_b && (!a || !b || !scores)))
        return EMBED_EINVAL;
    const side x = {a, count_a, count_b}, y = {b, count_b, 1};
    const bool swap = count_b > count_a;
    emb_float_env env = emb_float_enter();
    if (similarity == EMBED_SIMILARITY_EUCLIDEAN || similarity == EMBED_SIMILARITY_MANHATTAN)
        score_distances(&x, &y, dim, similarity == EMBED_SIMILARITY_EUCLIDEAN, scores);
    else
        score_products(swap ? &y : &x, swap ? &x : &y, dim, similarity == EMBED_SIMILARITY_COSINE,
                       scores);
    emb_float_leave(env);
    return EMBED_OK;
}

/* ---- quantisation: sentence-transformers 6.2, util/quantization.py -------------------- */

int64_t embed_quantized_size(int64_t dim, int32_t precision)
{
    if (dim < 1 || dim > INT64_MAX / 8) return EMBED_EINVAL;
    switch (precision) {
    case EMBED_PRECISION_FLOAT32: return 4 * dim;
    case EMBED_PRECISION_INT8:
    case EMBED_PRECISION_UINT8: return dim;
    case EMBED_PRECISION_BINARY:
    case EMBED_PRECISION_UBINARY: return (dim + 7) / 8;
    default: return EMBED_EINVAL;
    }
}

int32_t embed_quantize_ranges(const float *vectors, int64_t count, int64_t dim, int64_t stride,
                              float *ranges)
{
    if (!vectors || !ranges || count < 1 || dim < 1 || stride < dim) return EMBED_EINVAL;
    float *min = ranges, *max = ranges + dim;
    memcpy(min, vectors, (size_t)dim * sizeof *min);
    memcpy(max, vectors, (size_t)dim * sizeof *max);
    for (int64_t r = 1; r < count; r++) {
        const float *x = vectors + r * stride;
        for (int64_t i = 0; i < dim; i++) {
            if (x[i] < min[i]) min[i] = x[i];
            if (x[i] > max[i]) max[i] = x[i];
        }
    }
    return EMBED_OK;
}

/* clip(floor((x - min) / step), 0, 255), step = (max - min) / 255 in float, or 1 where that is 0; from 0
 * on the floor is the whole part */
static void quantize_scalar(const float *x, int64_t dim, const float *ranges, unsigned offset,
                            uint8_t *out)
{
    for (int64_t i = 0; i < dim; i++) {
        float step = (ranges[dim + i] - ranges[i]) / 255.0f;
        float q = (x[i] - ranges[i]) / (step == 0 ? 1 : step);
        out[i] = (uint8_t)((q > 255 ? 255u : q > 0 ? (unsigned)q : 0u) - offset);
    }
}

static void quantize_binary(const float *x, int64_t dim, unsigned offset, uint8_t *out)
{
    for (int64_t at = 0; at < dim; at += 8) {
        unsigned byte = 0;
        for (int64_t i = 0; i < 8 && at + i < dim; i++)
            if (x[at + i] > 0) byte |= 0x80u >> i;
        out[at / 8] = (uint8_t)(byte - offset);
    }
}

int32_t embed_quantize(const float *vectors, int64_t count, int64_t dim, int64_t stride,
                       int32_t precision, const float *ranges, void *out)
{
    int64_t size = embed_quantized_size(dim, precision);
    bool scalar = precision == EMBED_PRECISION_INT8 || precision == EMBED_PRECISION_UINT8;
    if (size < 0 || count < 0 || stride < dim || (count && (!vectors || !out)) ||
        (scalar && !ranges))
        return EMBED_EINVAL;
    emb_float_env env = emb_float_enter();
    for (int64_t r = 0; r < count; r++) {
        const float *x = vectors + r * stride;
        uint8_t *to = (uint8_t *)out + r * size;
        switch (precision) {
        case EMBED_PRECISION_INT8: quantize_scalar(x, dim, ranges, 128, to); break;
        case EMBED_PRECISION_UINT8: quantize_scalar(x, dim, ranges, 0, to); break;
        case EMBED_PRECISION_BINARY: quantize_binary(x, dim, 128, to); break;
        case EMBED_PRECISION_UBINARY: quantize_binary(x, dim, 0, to); break;
        default: memcpy(to, x, (size_t)size); break;
        }
    }
    emb_float_leave(env);
    return EMBED_OK;
}
