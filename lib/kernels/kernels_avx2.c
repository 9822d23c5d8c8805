/* Kernels for AVX2 with FMA and F16C: the operations of kernels_c.c and math.h, eight at a time.
 * Two vectors make the sixteen lanes of a row. Row ends use masks: nothing outside a row is
 * touched. */
#include "elementwise.h"
#include "kernels.h"
#include "math.h"
#include "pixels.h"
#include "transpose_x86.h"

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "compile this file with -mavx2 -mfma -mf16c"
#endif
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

typedef __m256 vec;
typedef uint32_t uvec __attribute__((vector_size(sizeof(vec))));
enum { WIDTH = 8 };

INLINE vec set(float x) { return _mm256_set1_ps(x); }
INLINE vec mul_add(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vec least(vec a, vec b) { return _mm256_min_ps(a, b); }
INLINE vec most(vec a, vec b) { return _mm256_max_ps(a, b); }
INLINE vec where_less(vec a, vec b, vec x, vec y)
{
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
/* in two exact halves, so that only the last product overflows or rounds a denormal */
INLINE vec times_power(vec p, vec t)
{
    const uvec k = (uvec)t - (EMB_ROUND_BITS - 256), half = k >> 1;
    return p * (vec)((half - 1) << 23) * (vec)((k - half - 1) << 23);
}

INLINE __m256i first(int64_t left)
{
    const int count = (int)EMB_MAX(0, EMB_MIN(left, 8));
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vec load(const float *p, int64_t left)
{
    return left >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first(left));
}
INLINE void store(float *p, int64_t left, vec x)
{
    if (left >= 8)
        _mm256_storeu_ps(p, x);
    else
        _mm256_maskstore_ps(p, first(left), x);
}
/* x, with other in the lanes past the end */
INLINE vec keep(vec x, int64_t left, vec other)
{
    return left >= 8 ? x : _mm256_blendv_ps(other, x, _mm256_castsi256_ps(first(left)));
}

#include "vector.h"

/* ---- stored numbers ------------------------------ */

static void widen_f16(int64_t n, const void *x, float *y)
{
    for (int64_t i = 0; i < n; i += 8) {
        __m128i bits = _mm_setzero_si128();
        memcpy(&bits, (const char *)x + 2 * i, (size_t)EMB_MIN(n - i, 8) * 2);
        store(y + i, n - i, _mm256_cvtph_ps(bits));
    }
}

static void widen_bf16(int64_t n, const void *x, float *y)
{
    for (int64_t i = 0; i < n; i += 8) {
        __m128i bits = _mm_setzero_si128();
        memcpy(&bits, (const char *)x + 2 * i, (size_t)EMB_MIN(n - i, 8) * 2);
        store(y + i, n - i,
              _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16)));
    }
}

static void narrow_f64(int64_t n, const void *x, float *y)
{
    for (int64_t i = 0; i < n; i += 8) {
        double v[8] = {0};
        memcpy(v, (const char *)x + 8 * i, (size_t)EMB_MIN(n - i, 8) * 8);
        store(y + i, n - i, _mm256_set_m128(_mm256_cvtpd_ps(_mm256_loadu_pd(v + 4)),
                                            _mm256_cvtpd_ps(_mm256_loadu_pd(v))));
    }
}

/* ---- products ------------------------------------------------------------------------------- */

enum { AHEAD = 256 }; /* rows of a panel between what is read and what is fetched */

/* One block of k of one panel, and what to fetch meanwhile: the weights AHEAD rows further
 * on. The tiles of a block share them out: next moves on by step bytes with each row of the
 * panel. */
typedef struct {
    const float *w;
    int64_t k;
    bool add; /* to what earlier blocks left in c */
    const char *next;
    int64_t step;
} block;

/* c[rows][16] (+)= a[rows][k] x w[k][16] for up to six rows, sums in registers */
INLINE void tile(const int rows, const block *b, const float *a, int64_t lda, float *c, int64_t ldc)
{
    const float *w = b->w;
    const char *next = b->next;
    __m256 low[6], high[6];

#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
        low[i] = high[i] = _mm256_setzero_ps();
    for (int64_t k = b->k; k > 0; k--, a++, w += EMB_PANEL, next += b->step) {
        const __m256 w0 = _mm256_load_ps(w), w1 = _mm256_load_ps(w + 8);
        _mm_prefetch(next, _MM_HINT_T0);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            const __m256 x = _mm256_broadcast_ss(a + i * lda);
            low[i] = mul_add(x, w0, low[i]);
            high[i] = mul_add(x, w1, high[i]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++, c += ldc) {
        if (b->add) {
            low[i] = _mm256_add_ps(_mm256_loadu_ps(c), low[i]);
            high[i] = _mm256_add_ps(_mm256_loadu_ps(c + 8), high[i]);
        }
        _mm256_storeu_ps(c, low[i]);
        _mm256_storeu_ps(c + 8, high[i]);
    }
}

static void tile_rows(int64_t rows, const block *b, const float *a, int64_t lda, float *c,
                      int64_t ldc)
{
    switch (rows) {
    case 1: tile(1, b, a, lda, c, ldc); break;
    case 2: tile(2, b, a, lda, c, ldc); break;
    case 3: tile(3, b, a, lda, c, ldc); break;
    case 4: tile(4, b, a, lda, c, ldc); break;
    case 5: tile(5, b, a, lda, c, ldc); break;
    default: tile(6, b, a, lda, c, ldc); break;
    }
}

/* The same for the last panel: its spare columns stay inside a copy. */
static void tile_columns(int64_t rows, int64_t columns, const block *b, const float *a, int64_t lda,
                         float *c, int64_t ldc)
{
    float copy[6 * EMB_PANEL] = {0};
    const size_t size = (size_t)columns * sizeof *c;

    for (int64_t i = 0; b->add && i < rows; i++)
        memcpy(copy + i * EMB_PANEL, c + i * ldc, size);
    tile_rows(rows, b, a, lda, copy, EMB_PANEL);
    for (int64_t i = 0; i < rows; i++)
        memcpy(c + i * ldc, copy + i * EMB_PANEL, size);
}

/* c[m][columns] (+)= a[m][k] x w[k][16] by tiles of heights as equal as can be; size: bytes to be
 * fetched */
static void panel_block(int64_t m, int64_t columns, block *b, int64_t size, const float *a,
                        int64_t lda, float *c, int64_t ldc)
{
    const int64_t tiles = (m + 5) / 6, share = size / tiles;
    const char *ahead = b->next;

    b->step = share / b->k;
    for (int64_t i = 0, row = 0, rows; i < tiles; i++, row += rows) {
        rows = (m - row) / (tiles - i);
        b->next = ahead + i * share;
        if (columns == EMB_PANEL)
            tile_rows(rows, b, a + row * lda, lda, c + row * ldc, ldc);
        else
            tile_columns(rows, columns, b, a + row * lda, lda, c + row * ldc, ldc);
    }
}

typedef void widen_fn(int64_t n, const void *x, float *y);

/* The products of all kinds of weights. Those of 16 bits are widened block by block: all tiles of a
 * block share that. */
INLINE void gemm(widen_fn *const widen, int64_t m, int64_t n, int64_t k, const float *a,
                 int64_t lda, const void *weights, float *c, int64_t ldc)
{
    const int64_t length = emb_k_block(k), row = EMB_PANEL * (widen ? 2 : 4);
    const char *w = weights;
    _Alignas(32) float wide[EMB_K_BLOCK_MAX * EMB_PANEL];

    if (m < 1) return;
    for (int64_t column = 0; column < n; column += EMB_PANEL)
        for (int64_t start = 0; start < k; start += length) {
            block b = {.w = widen ? wide : (const float *)(const void *)w,
                       .k = EMB_MIN(k - start, length), .add = start > 0, .next = w + AHEAD * row};
            if (widen) widen(b.k * EMB_PANEL, w, wide);
            panel_block(m, EMB_MIN(n - column, EMB_PANEL), &b, b.k * row, a + start, lda,
                        c + column, ldc);
            w += b.k * row;
        }
}

static void gemm_f32(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *w,
                     float *c, int64_t ldc)
{
    gemm(NULL, m, n, k, a, lda, w, c, ldc);
}

static void gemm_f16(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                     const uint16_t *w, float *c, int64_t ldc)
{
    gemm(widen_f16, m, n, k, a, lda, w, c, ldc);
}

static void gemm_bf16(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                      const uint16_t *w, float *c, int64_t ldc)
{
    gemm(widen_bf16, m, n, k, a, lda, w, c, ldc);
}

/* w[8][16] = the transpose of b[8][8] */
INLINE void transpose(const float *b, int64_t ldb, float *w)
{
    __m256 r[8], t[8];

    for (int i = 0; i < 4; i++) { /* rows i and i + 4 side by side, by halves */
        const __m256 x = _mm256_loadu_ps(b + i * ldb), y = _mm256_loadu_ps(b + (i + 4) * ldb);
        r[i] = _mm256_permute2f128_ps(x, y, 0x20);
        r[i + 4] = _mm256_permute2f128_ps(x, y, 0x31);
    }
    for (int i = 0; i < 8; i += 4) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
        t[i + 2] = _mm256_unpacklo_ps(r[i + 2], r[i + 3]);
        t[i + 3] = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
    }
    for (int i = 0; i < 8; i += 4, w += 4 * EMB_PANEL) {
        _mm256_store_ps(w, _mm256_shuffle_ps(t[i], t[i + 2], 0x44));
        _mm256_store_ps(w + EMB_PANEL, _mm256_shuffle_ps(t[i], t[i + 2], 0xee));
        _mm256_store_ps(w + 2 * EMB_PANEL, _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44));
        _mm256_store_ps(w + 3 * EMB_PANEL, _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee));
    }
}

static void pack_rows_f32(int64_t n, int64_t k, const float *b, int64_t ldb, float *w)
{
    for (int64_t row = 0; row < n; row += EMB_PANEL, b += EMB_PANEL * ldb, w += k * EMB_PANEL) {
        const int64_t rows = EMB_MIN(n - row, EMB_PANEL);
        int64_t i = 0;
        for (; rows == EMB_PANEL && i + 8 <= k; i += 8) {
            transpose(b + i, ldb, w + i * EMB_PANEL);
            transpose(b + 8 * ldb + i, ldb, w + i * EMB_PANEL + 8);
        }
        for (; i < k; i++)
            for (int64_t j = 0; j < EMB_PANEL; j++)
                w[i * EMB_PANEL + j] = j < rows ? b[j * ldb + i] : 0.0f;
    }
}

static void pack_columns_f32(int64_t k, int64_t n, const float *b, int64_t ldb, float *w)
{
    for (int64_t column = 0; column < n; column += EMB_PANEL) {
        const int64_t left = n - column;
        const float *x = b + column;
        for (int64_t i = 0; i < k; i++, x += ldb, w += EMB_PANEL) {
            _mm256_store_ps(w, load(x, left));
            _mm256_store_ps(w + 8, load(x + 8, left - 8));
        }
    }
}

/* ---- rows ------------------------------ */

/* Lanes 0-7 and 8-15 folded: 8, 4, 2, 1. */
INLINE float fold_sum(__m256 low, __m256 high)
{
    const __m256 eight = _mm256_add_ps(low, high);
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

INLINE float fold_max(__m256 low, __m256 high)
{
    const __m256 eight = _mm256_max_ps(high, low);
    __m128 x = _mm_max_ps(_mm256_extractf128_ps(eight, 1), _mm256_castps256_ps128(eight));
    x = _mm_max_ps(_mm_movehl_ps(x, x), x);
    return _mm_cvtss_f32(_mm_max_ss(_mm_movehdup_ps(x), x));
}

/* Sixteen lanes of double: lane[i] holds lanes 4i .. 4i + 3. */
INLINE double fold_sum_double(const __m256d *lane)
{
    const __m256d a = _mm256_add_pd(lane[0], lane[2]), b = _mm256_add_pd(lane[1], lane[3]);
    const __m256d four = _mm256_add_pd(a, b);
    const __m128d x = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
}

INLINE __m256d low_half(__m256 x) { return _mm256_cvtps_pd(_mm256_castps256_ps128(x)); }
INLINE __m256d high_half(__m256 x) { return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)); }

/* x, with +0 in the lanes past the end */
INLINE __m256d keep_double(__m256d x, int64_t left)
{
    const __m128i mask = _mm256_castsi256_si128(first(left));
    return left >= 4 ? x : _mm256_and_pd(x, _mm256_castsi256_pd(_mm256_cvtepi32_epi64(mask)));
}

/* (x - mean) * scale * gamma + beta, four in double */
INLINE __m128 normalize(__m256d x, __m256d mean, __m256d scale, __m256d gamma, __m256d beta)
{
    x = _mm256_mul_pd(_mm256_sub_pd(x, mean), scale);
    return _mm256_cvtpd_ps(_mm256_fmadd_pd(x, gamma, beta));
}

INLINE void layernorm_row(int64_t n, const float *x, const float *bias, const float *residual,
                          const float *gamma, const float *beta, float eps, const bool centre,
                          float *y)
{
    __m256d sums[4], squares[4], mean, scale;
    double value;

    for (int i = 0; i < 4; i++)
        sums[i] = squares[i] = _mm256_setzero_pd();
    for (int64_t at = 0; at < n; at += 16) {
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            const int64_t i = at + 8 * half, left = n - i;
            __m256 s = load(x + i, left);
            if (bias)
                s = _mm256_add_ps(s, load(bias + i, left));
            if (residual)
                s = _mm256_add_ps(s, load(residual + i, left));
            store(y + i, left, s);
            sums[2 * half] = _mm256_add_pd(sums[2 * half], low_half(s));
            sums[2 * half + 1] = _mm256_add_pd(sums[2 * half + 1], high_half(s));
        }
    }
    value = centre ? fold_sum_double(sums) / (double)n : 0.0;
    mean = _mm256_set1_pd(value);
    for (int64_t at = 0; at < n; at += 16) {
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            const int64_t i = at + 8 * half, left = n - i;
            const __m256 s = load(y + i, left);
            const __m256d a = keep_double(_mm256_sub_pd(low_half(s), mean), left);
            const __m256d b = keep_double(_mm256_sub_pd(high_half(s), mean), left - 4);
            squares[2 * half] = _mm256_fmadd_pd(a, a, squares[2 * half]);
            squares[2 * half + 1] = _mm256_fmadd_pd(b, b, squares[2 * half + 1]);
        }
    }
    value = 1.0 / sqrt(fold_sum_double(squares) / (double)n + (double)eps);
    scale = _mm256_set1_pd(value);
    for (int64_t i = 0; i < n; i += 8) {
        const __m256 s = load(y + i, n - i), g = load(gamma + i, n - i);
        const __m256 b = beta ? load(beta + i, n - i) : _mm256_setzero_ps();
        const __m128 low = normalize(low_half(s), mean, scale, low_half(g), low_half(b));
        const __m128 high = normalize(high_half(s), mean, scale, high_half(g), high_half(b));
        store(y + i, n - i, _mm256_set_m128(high, low));
    }
}

static void layernorm_f32(int64_t m, int64_t n, const float *x, int64_t ldx, const float *bias,
                          const float *residual, int64_t ldr, const float *gamma,
                          const float *beta, float eps, float *y, int64_t ldy)
{
    for (int64_t row = 0; row < m; row++)
        layernorm_row(n, x + row * ldx, bias, residual ? residual + row * ldr : NULL, gamma, beta,
                      eps, true, y + row * ldy);
}

static void rmsnorm_f32(int64_t m, int64_t n, const float *x, int64_t ldx, const float *bias,
                        const float *residual, int64_t ldr, const float *gamma, float eps,
                        float *y, int64_t ldy)
{
    for (int64_t row = 0; row < m; row++)
        layernorm_row(n, x + row * ldx, bias, residual ? residual + row * ldr : NULL, gamma, NULL,
                      eps, false, y + row * ldy);
}

static void softmax_f32(int64_t m, int64_t n, float *p, int64_t ldp, float scale, float *sums)
{
    const __m256 s = set(scale), lowest = set(-INFINITY);

    for (int64_t row = 0; row < m; row++, p += ldp) {
        __m256 largest[2] = {lowest, lowest}, lanes[2], shift;

        for (int64_t at = 0; at < n; at += 16) {
#pragma GCC unroll 2
            for (int half = 0; half < 2; half++) {
                const int64_t i = at + 8 * half, left = n - i;
                const __m256 v = keep(_mm256_mul_ps(load(p + i, left), s), left, lowest);
                largest[half] = _mm256_max_ps(v, largest[half]);
            }
        }
        shift = set(-fold_max(largest[0], largest[1]));
        lanes[0] = lanes[1] = _mm256_setzero_ps();
        for (int64_t at = 0; at < n; at += 16) {
#pragma GCC unroll 2
            for (int half = 0; half < 2; half++) {
                const int64_t i = at + 8 * half, left = n - i;
                const __m256 e = exponential(mul_add(load(p + i, left), s, shift));
                store(p + i, left, e);
                lanes[half] = _mm256_add_ps(lanes[half], keep(e, left, _mm256_setzero_ps()));
            }
        }
        sums[row] = fold_sum(lanes[0], lanes[1]);
    }
}

static float sum_squares_f32(int64_t n, const float *x)
{
    __m256 low = _mm256_setzero_ps(), high = low;

    for (int64_t i = 0; i < n; i += 16) {
        const __m256 a = load(x + i, n - i), b = load(x + i + 8, n - i - 8);
        low = mul_add(a, a, low);
        high = mul_add(b, b, high);
    }
    return fold_sum(low, high);
}

/* ---- pixels ---------------------------------------------------------------------------------- */

static void resample_u8(int64_t n, int64_t taps, const uint8_t *x, int64_t ldx,
                        const int32_t *weights, uint8_t *y)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i low = _mm256_set1_epi32(1 << (EMB_RESAMPLE_BITS - 1)), high = low, both;
        const uint8_t *p = x + i;
        for (int64_t t = 0; t < taps; t++, p += ldx) {
            const __m256i w = _mm256_set1_epi32(weights[t]);
            const __m128i levels = _mm_loadu_si128((const __m128i *)p);
            const __m128i upper = _mm_unpackhi_epi64(levels, levels);
            low = _mm256_add_epi32(low, _mm256_mullo_epi32(w, _mm256_cvtepu8_epi32(levels)));
            high = _mm256_add_epi32(high, _mm256_mullo_epi32(w, _mm256_cvtepu8_epi32(upper)));
        }
        low = _mm256_srai_epi32(low, EMB_RESAMPLE_BITS);
        high = _mm256_srai_epi32(high, EMB_RESAMPLE_BITS);
        both = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
        _mm_storeu_si128((__m128i *)(y + i), _mm_packus_epi16(_mm256_castsi256_si128(both),
                                                              _mm256_extracti128_si256(both, 1)));
    }
    resample_rest(i, n, taps, x, ldx, weights, y);
}

const emb_kernels emb_kernels_avx2 = {
    .name = "avx2",
    .gemm_f32 = gemm_f32,
    .gemm_f16 = gemm_f16,
    .gemm_bf16 = gemm_bf16,
    .pack_rows_f32 = pack_rows_f32,
    .pack_columns_f32 = pack_columns_f32,
    .quantize_rows = emb_quantize_rows_avx2,
    .pack_rows_i8 = emb_pack_rows_i8_avx2,
    .gemm_i8 = emb_gemm_i8_avx2,
    .bias_act_f32 = bias_act_f32,
    .layernorm_f32 = layernorm_f32,
    .rmsnorm_f32 = rmsnorm_f32,
    .softmax_f32 = softmax_f32,
    .divide_rows_f32 = divide_rows_f32,
    .add_rows_f32 = add_rows_f32,
    .add_block_f32 = add_block_f32,
    .multiply_f32 = multiply_f32,
    .add_scores_f32 = add_scores_f32,
    .rope_f32 = rope_f32,
    .sum_squares_f32 = sum_squares_f32,
    .scale_f32 = scale_f32,
    .widen_f16 = widen_f16,
    .widen_bf16 = widen_bf16,
    .narrow_f64 = narrow_f64,
    .narrow_f16 = narrow_f16,
    .narrow_bf16 = narrow_bf16,
    .transpose_u8 = transpose_u8,
    .resample_u8 = resample_u8,
    .resample_f32 = resample_f32,
    .look_up_u8 = look_up_u8,
};
