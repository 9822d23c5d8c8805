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

static double length(const float *x, int64_t dim)
{
    double sum = 0;
    for (int64_t i = 0; i < dim; i++) sum += (double)x[i] * x[i];
    return sqrt(sum);
}

/* Sums in double, in the order of the dimensions. */
static double similarity_of(int32_t similarity, const float *a, const float *b, int64_t dim,
                            double length_a)
{
    double sum = 0;
    if (similarity == EMBED_SIMILARITY_EUCLIDEAN) {
        for (int64_t i = 0; i < dim; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        return -sqrt(sum);
    }
    if (similarity == EMBED_SIMILARITY_MANHATTAN) {
        for (int64_t i = 0; i < dim; i++) sum += fabs((double)a[i] - b[i]);
        return -sum;
    }
    for (int64_t i = 0; i < dim; i++) sum += (double)a[i] * b[i];
    if (similarity == EMBED_SIMILARITY_COSINE)
        sum /= fmax(length_a, 1e-12) * fmax(length(b, dim), 1e-12);
    return sum;
}

int32_t embed_similarity(int32_t similarity, const float *a, int64_t count_a, const float *b,
                         int64_t count_b, int64_t dim, float *scores)
{
    if (similarity < EMBED_SIMILARITY_COSINE || similarity > EMBED_SIMILARITY_MANHATTAN ||
        count_a < 0 || count_b < 0 || dim < 1 || (count_a && count_b && (!a || !b || !scores)))
        return EMBED_EINVAL;
    emb_float_env env = emb_float_enter();
    for (int64_t i = 0; i < count_a; i++) {
        const float *row = a + i * dim;
        double length_a = similarity == EMBED_SIMILARITY_COSINE ? length(row, dim) : 0;
        for (int64_t j = 0; j < count_b; j++)
            scores[i * count_b + j] =
                (float)similarity_of(similarity, row, b + j * dim, dim, length_a);
    }
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

/* clip(floor((x - min) / step), 0, 255), step = (max - min) / 255 in float, or 1 where that is 0 */
static void quantize_scalar(const float *x, int64_t dim, const float *ranges, unsigned offset,
                            uint8_t *out)
{
    for (int64_t i = 0; i < dim; i++) {
        float step = (ranges[dim + i] - ranges[i]) / 255.0f;
        float q = floorf((x[i] - ranges[i]) / (step == 0 ? 1 : step));
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
