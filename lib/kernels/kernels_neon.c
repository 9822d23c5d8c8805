/* Kernels for NEON: the operations of kernels_c.c and math.h, four at a time. Four vectors make the
 * sixteen lanes of a row. Row ends go lane by lane: nothing outside a row is touched. */
#include "elementwise.h"
#include "kernels.h"
#include "math.h"
#include "neon.h"
#include "pixels.h"

static const uint32_t places[4] = {0, 1, 2, 3};

INLINE vec keep(vec x, int64_t left, vec other)
{
    const uint32_t count = (uint32_t)EMB_MAX(0, EMB_MIN(left, 4));
    return left >= 4 ? x : vbslq_f32(vcltq_u32(vld1q_u32(places), vdupq_n_u32(count)), x, other);
}
INLINE float sum_of(vec x)
{
    const float32x2_t y = vadd_f32(vget_low_f32(x), vget_high_f32(x));
    return vget_lane_f32(y, 0) + vget_lane_f32(y, 1);
}
INLINE float largest_of(vec x)
{
    x = most(vextq_f32(x, x, 2), x);
    return vgetq_lane_f32(most(vextq_f32(x, x, 1), x), 0);
}

typedef float64x2_t dvec;

INLINE dvec set_double(double x) { return vdupq_n_f64(x); }
INLINE dvec mul_add_double(dvec a, dvec b, dvec c) { return vfmaq_f64(c, a, b); }
INLINE dvec load_double(const float *p, int64_t left)
{
    const float32x2_t zero = vdup_n_f32(0.0f);
    return vcvt_f64_f32(left >= 2 ? vld1_f32(p) : left < 1 ? zero : vld1_lane_f32(p, zero, 0));
}
INLINE void store_double(float *p, int64_t left, dvec x)
{
    const float32x2_t y = vcvt_f32_f64(x);
    if (left >= 2)
        vst1_f32(p, y);
    else if (left == 1)
        vst1_lane_f32(p, y, 0);
}
INLINE double sum_of_doubles(dvec x) { return vgetq_lane_f64(x, 0) + vgetq_lane_f64(x, 1); }

enum { ROWS = 5 }; /* with six and a row of weights no register would be left */

INLINE uint16x4_t four_16(const void *x)
{
    uint64_t bits;
    memcpy(&bits, x, sizeof bits);
    return vcreate_u16(bits);
}
INLINE vec from_f32(const void *x) { return vld1q_f32(x); }
INLINE vec from_f16(const void *x) { return vcvt_f32_f16(vreinterpret_f16_u16(four_16(x))); }
INLINE vec from_bf16(const void *x) { return vreinterpretq_f32_u32(vshll_n_u16(four_16(x), 16)); }

#include "panel.h"
#include "rows.h"
#include "vector.h"

/* ---- stored numbers --------------------------------------------------------------------- */

static void narrow_f64(int64_t n, const void *x, float *y)
{
    for (int64_t i = 0; i < n; i += 4) {
        double v[4] = {0};
        memcpy(v, (const char *)x + 8 * i, (size_t)EMB_MIN(n - i, 4) * 8);
        store(y + i, n - i, vcvt_high_f32_f64(vcvt_f32_f64(vld1q_f64(v)), vld1q_f64(v + 2)));
    }
}

/* ---- products ------------------------------------------------------------------------------- */

enum { QUARTERS = EMB_PANEL / WIDTH };

/* sums[rows][16] += x[rows], of which lane, times w[16] */
#define STEP(lane)                                                             \
    do {                                                                       \
        __builtin_prefetch(next);                                              \
        _Pragma("GCC unroll 4") for (int j = 0; j < QUARTERS; j++)             \
        {                                                                      \
            const vec wide = from(w + j * row / QUARTERS);                       \
            _Pragma("GCC unroll 6") for (int i = 0; i < rows; i++)             \
                sums[i][j] = vfmaq_laneq_f32(sums[i][j], wide, x[i], lane);    \
        }                                                                      \
        w += row;                                                              \
        next += b->step;                                                       \
    } while (0)

INLINE void tile(const int rows, widen_fn *const from, const block *b, const float *a, int64_t lda,
                 float *c, int64_t ldc)
{
    const char *w = b->w, *next = b->next;
    const int64_t row = row_of(from);
    int64_t k = b->k;
    vec sums[ROWS][QUARTERS], x[ROWS];

#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
        sums[i][0] = sums[i][1] = sums[i][2] = sums[i][3] = set(0.0f);
    for (; k >= 4; k -= 4, a += 4) {
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) x[i] = vld1q_f32(a + i * lda);
        STEP(0);
        STEP(1);
        STEP(2);
        STEP(3);
    }
    for (; k > 0; k--, a++) {
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) x[i] = set(a[i * lda]);
        STEP(0);
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++, c += ldc)
#pragma GCC unroll 4
        for (int j = 0; j < QUARTERS; j++) {
            float *y = c + j * WIDTH;
            vst1q_f32(y, b->add ? vld1q_f32(y) + sums[i][j] : sums[i][j]);
        }
}

/* Row i of b; zeros from rows on */
INLINE vec row_of_four(int64_t i, int64_t rows, const float *b, int64_t ldb)
{
    return i < rows ? vld1q_f32(b + i * ldb) : set(0.0f);
}

/* w[4][16] = the transpose of four of b's rows, from first on */
INLINE void transpose(int64_t first, int64_t rows, const float *b, int64_t ldb, float *w)
{
    const float32x4x2_t x = vtrnq_f32(row_of_four(first, rows, b, ldb), row_of_four(first + 1, rows, b, ldb));
    const float32x4x2_t y = vtrnq_f32(row_of_four(first + 2, rows, b, ldb), row_of_four(first + 3, rows, b, ldb));
    for (int i = 0; i < 2; i++) {
        vst1q_f32(w + i * EMB_PANEL, vcombine_f32(vget_low_f32(x.val[i]), vget_low_f32(y.val[i])));
        vst1q_f32(w + (i + 2) * EMB_PANEL,
                  vcombine_f32(vget_high_f32(x.val[i]), vget_high_f32(y.val[i])));
    }
}

static void pack_rows_f32(int64_t n, int64_t k, const float *b, int64_t ldb, float *w)
{
    for (int64_t row = 0; row < n; row += EMB_PANEL, b += EMB_PANEL * ldb, w += k * EMB_PANEL) {
        const int64_t rows = EMB_MIN(n - row, EMB_PANEL);
        int64_t i = 0;
        for (; i + 4 <= k; i += 4)
            for (int64_t j = 0; j < EMB_PANEL; j += 4)
                transpose(j, rows, b + i, ldb, w + i * EMB_PANEL + j);
        for (; i < k; i++)
            for (int64_t j = 0; j < EMB_PANEL; j++)
                w[i * EMB_PANEL + j] = j < rows ? b[j * ldb + i] : 0.0f;
    }
}

static void pack_columns_f32(int64_t k, int64_t n, const float *b, int64_t ldb, float *w)
{
    for (int64_t column = 0; column < n; column += EMB_PANEL)
        for (int64_t i = 0; i < k; i++, w += EMB_PANEL)
            for (int64_t j = 0; j < EMB_PANEL; j += WIDTH)
                vst1q_f32(w + j, load(b + i * ldb + column + j, n - column - j));
}

/* ---- pixels ---------------------------------------------------------------------------------- */

/* y[8][8] = the transpose of x[8][8]: rows i and i + 4 interleaved, three times over */
static void transpose_tile(const uint8_t *x, int64_t ldx, uint8_t *y, int64_t ldy)
{
    uint8x8_t rows[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) rows[i] = vld1_u8(x + i * ldx);
#pragma GCC unroll 3
    for (int times = 0; times < 3; times++) {
        const uint8x8x2_t a = vzip_u8(rows[0], rows[4]), b = vzip_u8(rows[1], rows[5]);
        const uint8x8x2_t c = vzip_u8(rows[2], rows[6]), d = vzip_u8(rows[3], rows[7]);
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) {
            rows[i] = a.val[i];
            rows[2 + i] = b.val[i];
            rows[4 + i] = c.val[i];
            rows[6 + i] = d.val[i];
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) vst1_u8(y + i * ldy, rows[i]);
}

static void transpose_u8(int64_t m, int64_t n, const uint8_t *x, int64_t ldx, uint8_t *y,
                         int64_t ldy)
{
    const int64_t rows = m / 8 * 8, columns = n / 8 * 8;
    for (int64_t j = 0; j < columns; j += 8)
        for (int64_t i = 0; i < rows; i += 8)
            transpose_tile(x + i * ldx + j, ldx, y + j * ldy + i, ldy);
    transpose_rest(rows, 0, m, columns, x, ldx, y, ldy);
    transpose_rest(0, columns, m, n, x, ldx, y, ldy);
}

static void resample_u8(int64_t n, int64_t taps, const uint8_t *x, int64_t ldx,
                        const int32_t *weights, uint8_t *y)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        int32x4_t low = vdupq_n_s32(1 << (EMB_RESAMPLE_BITS - 1)), high = low;
        for (int64_t t = 0; t < taps; t++) {
            const int16x8_t levels = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(x + t * ldx + i)));
            low = vmlaq_n_s32(low, vmovl_s16(vget_low_s16(levels)), weights[t]);
            high = vmlaq_n_s32(high, vmovl_high_s16(levels), weights[t]);
        }
        low = vshrq_n_s32(low, EMB_RESAMPLE_BITS); /* ten bits are left */
        high = vshrq_n_s32(high, EMB_RESAMPLE_BITS);
        vst1_u8(y + i, vqmovun_s16(vcombine_s16(vmovn_s32(low), vmovn_s32(high))));
    }
    resample_rest(i, n, taps, x, ldx, weights, y);
}

/* Int8 is all that dot products and matrix products of bytes are for. */
#define TABLE(int8) {             \
    .name = "neon",               \
    EMB_INT8_ENTRIES(neon, int8), \
    EMB_KERNELS_BY_NAME,          \
}

const emb_kernels emb_kernels_neon = TABLE(neon);
const emb_kernels emb_kernels_neondot = TABLE(neondot);
const emb_kernels emb_kernels_neoni8mm = TABLE(neoni8mm);
