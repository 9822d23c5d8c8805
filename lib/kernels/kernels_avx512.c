/* Kernels for AVX-512 (F, BW, DQ, VL): the operations of kernels_c.c and math.h, sixteen at a
 * time. One vector is the sixteen lanes of a row. Row ends use masks: nothing outside a row is
 * touched. */
#include "elementwise.h"
#include "kernels.h"
#include "math.h"
#include "pixels.h"
#include "transpose_x86.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) || \
    !defined(__AVX512VL__)
#error "compile this file with the flags of ISA_avx512 in the Makefile"
#endif
#include <immintrin.h>

typedef __m512 vec;
typedef uint32_t uvec __attribute__((vector_size(sizeof(vec))));
enum { WIDTH = 16 };

INLINE vec set(float x) { return _mm512_set1_ps(x); }
INLINE vec mul_add(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vec least(vec a, vec b) { return _mm512_min_ps(a, b); }
INLINE vec most(vec a, vec b) { return _mm512_max_ps(a, b); }
INLINE vec where_less(vec a, vec b, vec x, vec y)
{
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), x);
}
#define times_power(p, t) _mm512_scalef_ps(p, (t) - set(EMB_ROUND))

INLINE __mmask16 first(int64_t left)
{
    return (__mmask16)(left >= 16 ? 0xffff : (1 << EMB_MAX(left, 0)) - 1);
}
INLINE vec load(const float *p, int64_t left)
{
    return left >= 16 ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(first(left), p);
}
INLINE void store(float *p, int64_t left, vec x)
{
    if (left >= 16)
        _mm512_storeu_ps(p, x);
    else
        _mm512_mask_storeu_ps(p, first(left), x);
}

INLINE vec keep(vec x, int64_t left, vec other)
{
    return left >= 16 ? x : _mm512_mask_mov_ps(other, first(left), x);
}
INLINE __m256 upper(vec x) { return _mm512_extractf32x8_ps(x, 1); }
INLINE __m256 lower(vec x) { return _mm512_castps512_ps256(x); }
INLINE float sum_of(vec x)
{
    const __m256 eight = _mm256_add_ps(lower(x), upper(x));
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    y = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}
INLINE float largest_of(vec x)
{
    const __m256 eight = _mm256_max_ps(upper(x), lower(x));
    __m128 y = _mm_max_ps(_mm256_extractf128_ps(eight, 1), _mm256_castps256_ps128(eight));
    y = _mm_max_ps(_mm_movehl_ps(y, y), y);
    return _mm_cvtss_f32(_mm_max_ss(_mm_movehdup_ps(y), y));
}

typedef __m512d dvec;

INLINE dvec set_double(double x) { return _mm512_set1_pd(x); }
INLINE dvec mul_add_double(dvec a, dvec b, dvec c) { return _mm512_fmadd_pd(a, b, c); }
INLINE dvec load_double(const float *p, int64_t left)
{
    return _mm512_cvtps_pd(left >= 8 ? _mm256_loadu_ps(p) : _mm256_maskz_loadu_ps((__mmask8)first(left), p));
}
INLINE void store_double(float *p, int64_t left, dvec x)
{
    const __m256 y = _mm512_cvtpd_ps(x);
    if (left >= 8)
        _mm256_storeu_ps(p, y);
    else
        _mm256_mask_storeu_ps(p, (__mmask8)first(left), y);
}
INLINE double sum_of_doubles(dvec x)
{
    const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd(x, 1));
    const __m128d y = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(y, _mm_unpackhi_pd(y, y)));
}

#include "rows.h"
#include "vector.h"

/* ---- stored numbers --------------------------------------------------------------------- */

typedef vec widen_fn(__m256i x);

INLINE vec from_f16(__m256i x) { return _mm512_cvtph_ps(x); }
INLINE vec from_bf16(__m256i x)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

INLINE void widen(widen_fn *const from, int64_t n, const void *x, float *y)
{
    for (int64_t i = 0; i < n; i += 16)
        store(y + i, n - i,
              from(_mm256_maskz_loadu_epi16(first(n - i), (const char *)x + 2 * i)));
}

static void widen_f16(int64_t n, const void *x, float *y) { widen(from_f16, n, x, y); }
static void widen_bf16(int64_t n, const void *x, float *y) { widen(from_bf16, n, x, y); }

static void narrow_f64(int64_t n, const void *x, float *y)
{
    for (int64_t i = 0; i < n; i += 8) {
        const __mmask8 mask = (__mmask8)first(n - i);
        const __m512d v = _mm512_maskz_loadu_pd(mask, (const char *)x + 8 * i);
        _mm256_mask_storeu_ps(y + i, mask, _mm512_cvtpd_ps(v));
    }
}

/* ---- products ------------------------------------------------------------------------------- */

/* Sums of a tile stay in registers: 6 rows x 4 panels or 8 x 3 at most. A step of k loads one number of
 * each row and one vector of each panel, and loads are what is scarce: 6 x 4 takes ten for 24
 * multiply-adds, 8 x 3 eleven, 8 x 2 ten for 16. Fewer rows than MANY_ROWS would leave tiles of 6 half empty. */
enum { PANELS = 4, ROWS = 8, TALL = 6, SUMS = 24, MANY_ROWS = 20 };

static int64_t tiles_of(int64_t rows, int64_t panels)
{
    const int64_t most = panels == PANELS ? TALL : ROWS;
    return (rows + most - 1) / most;
}

/* Panels of the next tiles, of those left; none stays alone behind others. */
static int64_t panels_of(int64_t rows, int64_t left)
{
    const int64_t most = rows < MANY_ROWS ? PANELS - 1 : PANELS;
    return left == most + 1 ? most - 1 : EMB_MIN(left, most);
}

/* One block of k of neighbouring panels, and the block after it, to be fetched meanwhile. The tiles
 * of a block share that out: next moves on by step with each row of the panels; its next panel is
 * ldnext behind. Fewer than three panels are a head's values or the last of a product: they fetch nothing. */
typedef struct {
    const float *w;
    int64_t ldw; /* floats from a panel to the next one */
    int64_t k;
    __mmask16 last; /* columns of the last panel */
    bool add;       /* to what earlier blocks left in c */
    const char *next;
    int64_t ldnext, share, step; /* bytes */
    int64_t seldom; /* of four panels: those rows are fetched whose number has none of these bits */
} block;

/* c[rows][panels * 16] (+)= a[rows][k] x w[panels][k][16], sums in registers */
INLINE void tile(const int rows, const int panels, const block *b, const float *a, int64_t lda,
                 float *c, int64_t ldc)
{
    const float *w = b->w;
    const char *next = b->next;
    const int64_t seldom = b->seldom;
    __m512 sums[SUMS];

#pragma GCC unroll 24
    for (int i = 0; i < rows * panels; i++)
        sums[i] = _mm512_setzero_ps();
    for (int64_t k = b->k; k > 0; k--, a++, w += EMB_PANEL, next += b->step) {
        if (panels == 3 || (panels == PANELS && !(k & seldom))) {
#pragma GCC unroll 4
            for (int j = 0; j < panels; j++)
                _mm_prefetch(next + j * b->ldnext, _MM_HINT_T1);
        }
#pragma GCC unroll 24
        for (int i = 0; i < rows * panels; i++)
            sums[i] = mul_add(set(a[i / panels * lda]),
                              _mm512_load_ps(w + i % panels * b->ldw), sums[i]);
    }
    const __mmask16 last = b->last;
    if (b->add) {
        const float *y = c;
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++, y += ldc)
#pragma GCC unroll 4
            for (int j = 0; j < panels; j++)
                sums[r * panels + j] = _mm512_add_ps(
                    _mm512_maskz_loadu_ps(j == panels - 1 ? last : 0xffff, y + j * EMB_PANEL), sums[r * panels + j]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++, c += ldc)
#pragma GCC unroll 4
        for (int j = 0; j < panels; j++)
            _mm512_mask_storeu_ps(c + j * EMB_PANEL, j == panels - 1 ? last : 0xffff, sums[r * panels + j]);
}

INLINE void tile_rows(int64_t rows, const int panels, const block *b, const float *a, int64_t lda,
                      float *c, int64_t ldc)
{
    if (panels == PANELS) { /* of MANY_ROWS and more, cut alike */
        if (rows == TALL) tile(TALL, panels, b, a, lda, c, ldc);
        else tile(TALL - 1, panels, b, a, lda, c, ldc);
        return;
    }
    switch (rows) {
    case 1: tile(1, panels, b, a, lda, c, ldc); break;
    case 2: tile(2, panels, b, a, lda, c, ldc); break;
    case 3: tile(3, panels, b, a, lda, c, ldc); break;
    case 4: tile(4, panels, b, a, lda, c, ldc); break;
    case 5: tile(5, panels, b, a, lda, c, ldc); break;
    case 6: tile(6, panels, b, a, lda, c, ldc); break;
    case 7: tile(7, panels, b, a, lda, c, ldc); break;
    default: tile(8, panels, b, a, lda, c, ldc); break;
    }
}

/* c[m][columns] (+)= a[m][k] x w by tiles of heights as equal as can be */
INLINE void panel_block(int64_t m, const int panels, block *b, const float *a, int64_t lda,
                        float *c, int64_t ldc)
{
    const int64_t tiles = tiles_of(m, panels);

    for (int64_t i = 0, row = 0, rows; i < tiles; i++, row += rows, b->next += b->share) {
        rows = (m - row) / (tiles - i);
        tile_rows(rows, panels, b, a + row * lda, lda, c + row * ldc, ldc);
    }
}

static void panels_1(int64_t m, block *b, const float *a, int64_t lda, float *c, int64_t ldc)
{
    panel_block(m, 1, b, a, lda, c, ldc);
}

static void panels_2(int64_t m, block *b, const float *a, int64_t lda, float *c, int64_t ldc)
{
    panel_block(m, 2, b, a, lda, c, ldc);
}

static void panels_3(int64_t m, block *b, const float *a, int64_t lda, float *c, int64_t ldc)
{
    panel_block(m, 3, b, a, lda, c, ldc);
}

static void panels_4(int64_t m, block *b, const float *a, int64_t lda, float *c, int64_t ldc)
{
    panel_block(m, 4, b, a, lda, c, ldc);
}

/* The block's panels of 16-bit numbers -> wide[panels][k][16], which takes their place. shares: it
 * fetches a share, too. */
INLINE void widen_block(widen_fn *const from, int64_t panels, int64_t ldw, bool shares, block *b,
                        float *wide)
{
    const uint16_t *w = (const uint16_t *)(const void *)b->w;

    for (int64_t j = 0; j < panels; j++)
        for (int64_t k = 0; k < b->k; k++) {
            const void *x = w + j * ldw + k * EMB_PANEL;
            if (shares)
                _mm_prefetch(b->next + j * b->ldnext + k * b->step, _MM_HINT_T1);
            _mm512_store_ps(wide + (j * b->k + k) * EMB_PANEL, from(_mm256_loadu_si256(x)));
        }
    b->w = wide;
    b->ldw = b->k * EMB_PANEL;
    if (shares)
        b->next += b->share;
}

/* The products of all kinds of weights. Those of 16 bits are widened block by block: all tiles of a
 * block share that. */
INLINE void gemm(widen_fn *const from, int64_t m, int64_t n, int64_t k, const float *a,
                 int64_t lda, const void *weights, float *c, int64_t ldc)
{
    void (*const run[])(int64_t, block *, const float *, int64_t, float *, int64_t) = {
        panels_1, panels_2, panels_3, panels_4};
    const int64_t row = EMB_PANEL * (from ? 2 : 4), panel = k * row, length = emb_k_block(k);
    const char *w = weights;
    _Alignas(64) float wide[PANELS * EMB_K_BLOCK_MAX * EMB_PANEL];

    for (int64_t column = 0, left = (n + 15) / 16, panels; left > 0; left -= panels) {
        panels = panels_of(m, left);
        for (int64_t start = 0; start < k; start += length) {
            const int64_t rows = EMB_MIN(k - start, length), rest = k - start - rows;
            const int64_t tiles = tiles_of(m, panels);
            const bool shares = from && tiles == 1; /* widening then takes as long as the tile */
            block b = {.w = (const float *)(const void *)(w + start * row), .ldw = k * EMB_PANEL,
                       .k = rows, .last = first(n - column - (panels - 1) * EMB_PANEL),
                       .add = start > 0, .next = w + (rest > 0 ? (start + length) * row
                                                               : panels * panel),
                       .ldnext = panel};

            b.share = EMB_MIN(rest > 0 ? rest : k, length) * row / EMB_MAX(tiles + shares, 1);
            b.step = b.share / rows;
            while (2 * b.seldom + 2 <= tiles)
                b.seldom = 2 * b.seldom + 1;
            if (from)
                widen_block(from, panels, b.ldw, shares, &b, wide);
            run[panels - 1](m, &b, a + start, lda, c + column, ldc);
        }
        w += panels * panel;
        column += panels * EMB_PANEL;
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
    gemm(from_f16, m, n, k, a, lda, w, c, ldc);
}

static void gemm_bf16(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                      const uint16_t *w, float *c, int64_t ldc)
{
    gemm(from_bf16, m, n, k, a, lda, w, c, ldc);
}

static void pack_rows_f32(int64_t n, int64_t k, const float *b, int64_t ldb, float *w)
{
    emb_kernels_avx2.pack_rows_f32(n, k, b, ldb, w);
}

static void pack_columns_f32(int64_t k, int64_t n, const float *b, int64_t ldb, float *w)
{
    for (int64_t column = 0; column < n; column += EMB_PANEL)
        for (int64_t i = 0; i < k; i++, w += EMB_PANEL)
            _mm512_store_ps(w, load(b + i * ldb + column, n - column));
}

/* Int8 is all that VNNI is for. */
#define TABLE(int8, pairs) {      \
    .name = "avx512",             \
    .gemm_bf16_pairs = pairs,     \
    EMB_INT8_ENTRIES(int8, int8), \
    EMB_KERNELS_BY_NAME,          \
}

/* ---- pixels ---------------------------------------------------------------------------------- */

static void resample_u8(int64_t n, int64_t taps, const uint8_t *x, int64_t ldx,
                        const int32_t *weights, uint8_t *y)
{
    for (int64_t i = 0; i < n; i += 16) {
        __m512i sum = _mm512_set1_epi32(1 << (EMB_RESAMPLE_BITS - 1));
        const uint8_t *p = x + i;
        for (int64_t t = 0; t < taps; t++, p += ldx) {
            const __m512i levels = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(n - i), p));
            sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(_mm512_set1_epi32(weights[t]), levels));
        }
        sum = _mm512_max_epi32(_mm512_srai_epi32(sum, EMB_RESAMPLE_BITS), _mm512_setzero_si512());
        _mm_mask_storeu_epi8(y + i, first(n - i), _mm512_cvtusepi32_epi8(sum));
    }
}

const emb_kernels emb_kernels_avx512 = TABLE(avx2, NULL);
const emb_kernels emb_kernels_avx512vnni = TABLE(avx512vnni, NULL);
const emb_kernels emb_kernels_avx512bf16 = TABLE(avx512vnni, emb_gemm_bf16_pairs_avx512bf16);
