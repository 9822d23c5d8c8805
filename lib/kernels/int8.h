/* int8: whole numbers in place of floats, for linear layers, of 8 bits and, where these are too coarse, of 16.
 * A row of activations and a row of weights (one output) are each turned, scaled and rounded; products of
 * the whole numbers are added in 32 bits, exactly, so that every instruction set has the same sums; one
 * multiplication then makes a float of each. What fixes the bits:
 *   - turning: numbers go through a transform of Walsh and Hadamard by emb_int8_parts(k), up to 8 neighbours
 *     apart, the others as far apart as can be. A row is cut into up to 8 parts, and for h = 1, 2, 4 what is
 *     at one place of parts p and p + h (p without the bit h) becomes a + b and a - b, each rounded to float;
 *     then the same for places i and i + h, h = 1, 2, 4, 8. Rows of both sides are turned, so
 *     that products stay what they were (but for the factor of parts, which the scale of weights
 *     takes); a channel that is large in every row, as models have some, is spread over others
 *     instead of making the steps of all of them coarse;
 *   - before that the numbers of a row may be multiplied by factors, those of activations by the
 *     inverses of those of weights;
 *   - a row of activations becomes u = fma(x, inverse, 0x1.8p23 + zero) - 0x1.8p23, in 0..255, with
 *     inverse = 254 / range, scale = range / 254, range from its smallest number to its largest, 0
 *     among them; zero = fma(-smallest, inverse, 0x1.8p23) - 0x1.8p23 is what becomes of 0;
 *   - a row of weights becomes w = fma(x, inverse, 0x1.8p23) - 0x1.8p23, in -127..127, with inverse =
 *     127 / its largest absolute value, scale = that value / 127 / parts;
 *   - where range or that value is below 2^-100, scale is 0 and so are all numbers; in a row with
 *     infinities or NaN, or a range beyond floats, scale is NaN and the numbers are 0;
 *   - the sum for a result is that of (u - 128) * w, and the zero counts less 128: fma(-zero, sum of w,
 *     (float)sum);
 *   - of 16 bits, rows of both sides become what weights do above, with emb_int16_most(k) in place of 127;
 *     scale is divided by parts for weights alone;
 *   - a result is fma((float)sum * row scale, column scale, bias), or 0 for the bias that is not there. */
#ifndef EMB_INT8_H
#define EMB_INT8_H

#include <math.h>

#include "../base/base.h"

#define EMB_INT8_MAX_K (INT64_C(1) << 16) /* longer sums could leave 32 bits */
enum {
    EMB_INT8_MIDDLE = 128, /* taken off each u, so that it has a sign */
    EMB_INT8_TOGETHER = 4  /* rows of activations that are rounded at once: none waits for another's range */
};

/* Activations. */
typedef struct emb_rows_i8 {
    uint8_t *data; /* [m][ld], ld >= emb_int8_depth(k), 0 from k on */
    int64_t ld;
    float *scales; /* [m] */
    float *zeros;  /* [m]: whole numbers, what becomes of 0 less EMB_INT8_MIDDLE */
} emb_rows_i8;

/* Weights of n outputs. The spare columns of the last panel are zero. */
typedef struct emb_panels_i8 {
    int8_t *data;   /* panels [ceil(n/16)][depth/4][16][4], 64-byte aligned */
    float *scales;  /* [n up to 16] */
    int32_t *sums;  /* [n up to 16]: of each output's weights */
} emb_panels_i8;

/* Both, of 16 bits: -emb_int16_most(k) .. emb_int16_most(k). */
typedef struct emb_rows_i16 {
    int16_t *data; /* [m][ld], ld >= emb_int16_depth(k), 0 from k on */
    int64_t ld;
    float *scales; /* [m] */
} emb_rows_i16;
typedef struct emb_panels_i16 {
    int16_t *data; /* panels [ceil(n/16)][depth/2][16][2], 64-byte aligned */
    float *scales; /* [n up to 16] */
} emb_panels_i16;

/* Numbers of a row, with the zeros at its end. */
static inline int64_t emb_int8_depth(int64_t k)
{
    return (k + 3) / 4 * 4;
}
static inline int64_t emb_int16_depth(int64_t k)
{
    return (k + 1) / 2 * 2;
}

/* The largest whole numbers of which k products, if all have it on both sides, are summed in 32 bits: 2364
 * for k = 384, 1672 for 768. */
static inline int32_t emb_int16_most(int64_t k)
{
    return (int32_t)EMB_MIN(sqrt(0x7fffffff / (double)k), 0x7fff);
}

/* Numbers that one transform takes: the largest power of two that divides k, at most 128; and the parts of a
 * row that they lie in. */
static inline int64_t emb_int8_parts(int64_t k)
{
    return EMB_MIN(k & -k, 128);
}
static inline int64_t emb_int8_far_parts(int64_t k)
{
    return EMB_MIN(k & -k, 8);
}

/* Numbers i and i + distance of a row, i / distance even: their sum and difference in place. */
static inline void emb_int8_turn_level(int64_t k, int64_t distance, float *row)
{
    for (int64_t start = 0; start < k; start += 2 * distance)
        for (int64_t i = start; i < start + distance; i++) {
            const float sum = row[i] + row[i + distance], difference = row[i] - row[i + distance];
            row[i] = sum;
            row[i + distance] = difference;
        }
}

#define EMB_INT8_ROUND 0x1.8p23f /* a float this large has no digits after the point */

/* How the numbers of a row become whole. inverse 0: they are all 0. */
typedef struct emb_int8_steps {
    float scale, inverse, offset, zero; /* offset: EMB_INT8_ROUND + zero */
} emb_int8_steps;
static inline emb_int8_steps emb_int8_steps_of(float range, float levels, float low)
{
    emb_int8_steps s = {0.0f, 0.0f, EMB_INT8_ROUND, 0.0f};

    if (!(range <= 0x1.fffffep127f)) {
        s.scale = NAN;
    } else if (range >= 0x1p-100f) {
        s.scale = range / levels;
        s.inverse = levels / range;
        s.offset = fmaf(-low, s.inverse, EMB_INT8_ROUND);
        s.zero = s.offset - EMB_INT8_ROUND;
    }
    return s;
}
/* Of activations from low <= 0 to high >= 0; either infinite where the row is not finite. */
static inline emb_int8_steps emb_int8_of_activations(float low, float high)
{
    return emb_int8_steps_of(high - low, 254.0f, low);
}
static inline emb_int8_steps emb_int8_of_weights(float low, float high, int64_t k)
{
    emb_int8_steps s = emb_int8_steps_of(EMB_MAX(-low, high), 127.0f, 0.0f);
    s.scale /= (float)emb_int8_parts(k);
    return s;
}

static inline emb_int8_steps emb_int16_of_activations(float low, float high, int64_t k)
{
    return emb_int8_steps_of(EMB_MAX(-low, high), (float)emb_int16_most(k), 0.0f);
}
static inline emb_int8_steps emb_int16_of_weights(float low, float high, int64_t k)
{
    emb_int8_steps s = emb_int16_of_activations(low, high, k);
    s.scale /= (float)emb_int8_parts(k);
    return s;
}

/* What makes results of sums, and where they go: vector kernels of either width finish by these. */
typedef struct emb_int8_results {
    const float *row_scales, *scales; /* of rows, of outputs */
    const float *zeros;               /* of rows; NULL: none */
    const int32_t *sums;              /* of outputs, where there are zeros */
    const float *bias;                /* or NULL */
    float *c;
    int64_t n, ldc;
} emb_int8_results;
static inline emb_int8_results emb_results_of_i8(const emb_rows_i8 *a, const emb_panels_i8 *w,
                                                 const float *bias, float *c, int64_t n, int64_t ldc)
{
    return (emb_int8_results){a->scales, w->scales, a->zeros, w->sums, bias, c, n, ldc};
}
static inline emb_int8_results emb_results_of_i16(const emb_rows_i16 *a, const emb_panels_i16 *w,
                                                  const float *bias, float *c, int64_t n, int64_t ldc)
{
    return (emb_int8_results){a->scales, w->scales, NULL, NULL, bias, c, n, ldc};
}

/* Kernels, the entries of emb_kernels:
 * quantize_rows: x[m][k] -> out, and fine if that is not NULL; k <= EMB_INT8_MAX_K; factors[k] or NULL;
 *   rows[EMB_INT8_TOGETHER][k] is scratch.
 * pack_rows_i8, pack_rows_i16: weights b[n][k] -> panels, all of the last one; factors as above; row[k] is
 *   scratch.
 * gemm_i8, gemm_i16: c[m][n] = a w + bias; bias may be NULL. Only columns < n of c are written. */
#define EMB_INT8_ROWS(isa)                                                                          \
    void emb_quantize_rows_##isa(int64_t m, int64_t k, const float *x, int64_t ldx,                 \
                                 const float *factors, float *rows, const emb_rows_i8 *out,         \
                                 const emb_rows_i16 *fine);                                         \
    void emb_pack_rows_i8_##isa(int64_t n, int64_t k, const float *b, int64_t ldb,                  \
                                const float *factors, float *row, const emb_panels_i8 *w);          \
    void emb_pack_rows_i16_##isa(int64_t n, int64_t k, const float *b, int64_t ldb,                 \
                                 const float *factors, float *row, const emb_panels_i16 *w);        \
    void emb_gemm_i16_##isa(int64_t m, int64_t n, int64_t k, const emb_rows_i16 *a,                 \
                            const emb_panels_i16 *w, const float *bias, float *c, int64_t ldc);
#define EMB_INT8_PRODUCT(isa)                                                                       \
    void emb_gemm_i8_##isa(int64_t m, int64_t n, int64_t k, const emb_rows_i8 *a,                   \
                           const emb_panels_i8 *w, const float *bias, float *c, int64_t ldc);
#define EMB_INT8_KERNELS(isa) EMB_INT8_ROWS(isa) EMB_INT8_PRODUCT(isa)
EMB_INT8_KERNELS(c)
EMB_INT8_KERNELS(avx2)
EMB_INT8_PRODUCT(avx2vnni)
EMB_INT8_KERNELS(avx512vnni)
EMB_INT8_KERNELS(neon)
EMB_INT8_PRODUCT(neondot)
EMB_INT8_PRODUCT(neoni8mm)

/* The entries of a table, of kernels for an instruction set; its int8 products may be those of another. */
#define EMB_INT8_ENTRIES(isa, product)                                                              \
    .quantize_rows = emb_quantize_rows_##isa, .pack_rows_i8 = emb_pack_rows_i8_##isa,               \
    .pack_rows_i16 = emb_pack_rows_i16_##isa, .gemm_i8 = emb_gemm_i8_##product,                     \
    .gemm_i16 = emb_gemm_i16_##isa

#endif
