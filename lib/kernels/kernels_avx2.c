/* Kernels for AVX2 with FMA and F16C: the operations of kernels_c.c and math.h, eight at a time.
 * Two vectors make the sixteen lanes of a row. Row ends use masks: nothing outside a row is
 * touched. */
#include "avx2.h"
#include "elementwise.h"
#include "kernels.h"
#include "math.h"
#include "pixels.h"
#include "transpose_x86.h"

INLINE vec keep(vec x, int64_t left, vec other)
{
    return left >= 8 ? x : _mm256_blendv_ps(other, x, _mm256_castsi256_ps(first(left)));
}

INLINE float sum_of(vec x)
{
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    y = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}
INLINE float largest_of(vec x)
{
    __m128 y = _mm_max_ps(_mm256_extractf128_ps(x, 1), _mm256_castps256_ps128(x));
    y = _mm_max_ps(_mm_movehl_ps(y, y), y);
    return _mm_cvtss_f32(_mm_max_ss(_mm_movehdup_ps(y), y));
}

typedef __m256d dvec;

INLINE dvec set_double(double x) { return _mm256_set1_pd(x); }
INLINE dvec mul_add_double(dvec a, dvec b, dvec c) { return _mm256_fmadd_pd(a, b, c); }
INLINE dvec load_double(const float *p, int64_t left)
{
    return _mm256_cvtps_pd(left >= 4 ? _mm_loadu_ps(p)
                                     : _mm_maskload_ps(p, _mm256_castsi256_si128(first(left))));
}
INLINE void store_double(float *p, int64_t left, dvec x)
{
    const __m128 y = _mm256_cvtpd_ps(x);
    if (left >= 4)
        _mm_storeu_ps(p, y);
    else
        _mm_maskstore_ps(p, _mm256_castsi256_si128(first(left)), y);
}
INLINE double sum_of_doubles(dvec x)
{
    const __m128d y = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_cvtsd_f64(_mm_add_sd(y, _mm_unpackhi_pd(y, y)));
}

enum { ROWS = 6 };

INLINE vec from_f32(const void *x) { return _mm256_loadu_ps(x); }
INLINE vec from_f16(const void *x) { return _mm256_cvtph_ps(_mm_loadu_si128(x)); }
INLINE vec from_bf16(const void *x)
{
    return (vec)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(x)), 16);
}

#include "panel.h"
#include "rows.h"
#include "vector.h"

/* ---- stored numbers --------------------------------------------------------------------- */

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

INLINE void tile(const int rows, widen_fn *const from, const block *b, const float *a, int64_t lda,
                 float *c, int64_t ldc)
{
    const char *w = b->w, *next = b->next;
    vec low[ROWS], high[ROWS];

#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
        low[i] = high[i] = set(0.0f);
    for (int64_t k = b->k; k > 0; k--, a++, w += row_of(from), next += b->step) {
        const vec w0 = from(w), w1 = from(w + row_of(from) / 2);
        _mm_prefetch(next, _MM_HINT_T0);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            const vec x = _mm256_broadcast_ss(a + i * lda);
            low[i] = mul_add(x, w0, low[i]);
            high[i] = mul_add(x, w1, high[i]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++, c += ldc) {
        if (b->add) {
            low[i] = _mm256_loadu_ps(c) + low[i];
            high[i] = _mm256_loadu_ps(c + 8) + high[i];
        }
        _mm256_storeu_ps(c, low[i]);
        _mm256_storeu_ps(c + 8, high[i]);
    }
}

/* Row i of b; zeros from rows on */
INLINE __m256 row_of_eight(int64_t i, int64_t rows, const float *b, int64_t ldb)
{
    return i < rows ? _mm256_loadu_ps(b + i * ldb) : _mm256_setzero_ps();
}

/* w[8][16] = the transpose of eight of b's rows, from first on */
INLINE void transpose(int64_t first, int64_t rows, const float *b, int64_t ldb, float *w)
{
    __m256 r[8], t[8];

    for (int i = 0; i < 4; i++) { /* rows i and i + 4 side by side, by halves */
        const __m256 x = row_of_eight(first + i, rows, b, ldb);
        const __m256 y = row_of_eight(first + i + 4, rows, b, ldb);
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
            transpose(0, EMB_PANEL, b + i, ldb, w + i * EMB_PANEL);
            transpose(8, EMB_PANEL, b + i, ldb, w + i * EMB_PANEL + 8);
        }
        for (; i + 8 <= k; i += 8) {
            transpose(0, rows, b + i, ldb, w + i * EMB_PANEL);
            transpose(8, rows, b + i, ldb, w + i * EMB_PANEL + 8);
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

/* Int8 is all that VNNI is for. */
#define TABLE(int8) {             \
    .name = "avx2",               \
    EMB_INT8_ENTRIES(avx2, int8), \
    EMB_KERNELS_BY_NAME,          \
}

const emb_kernels emb_kernels_avx2 = TABLE(avx2);
const emb_kernels emb_kernels_avx2vnni = TABLE(avx2vnni);
