/* Every kernel in plain C: the reference that kernels.h describes and the vector files are
 * compared with. Written for clearness; kernels_c_avx2.c builds it once more where fmaf is an
 * instruction. */
#include "elementwise.h"
#include "kernels.h"
#include "math.h"
#include "pixels.h"

#ifndef EMB_KERNELS_C
#define EMB_KERNELS_C emb_kernels_c
#endif

/* ---- stored numbers ------------------------------------------------------------------------ */

static float half_to_float(uint32_t h)
{
    const uint32_t sign = (h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;

    if (exponent == 0) { /* zero and denormals: fraction * 2^-24 */
        const float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    if (exponent == 31)
        return emb_float_from(sign | 0x7f800000 | fraction << 13);
    return emb_float_from(sign | (exponent + 112) << 23 | fraction << 13);
}

static void widen_f16(int64_t n, const void *x, float *y)
{
    const unsigned char *b = x;
    for (int64_t i = 0; i < n; i++)
        y[i] = half_to_float((uint32_t)b[2 * i] | (uint32_t)b[2 * i + 1] << 8);
}

static void widen_bf16(int64_t n, const void *x, float *y)
{
    const unsigned char *b = x;
    for (int64_t i = 0; i < n; i++)
        y[i] = emb_float_from((uint32_t)b[2 * i] << 16 | (uint32_t)b[2 * i + 1] << 24);
}

static void narrow_f64(int64_t n, const void *x, float *y)
{
    const unsigned char *b = x;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t bits = emb_le64(b + 8 * i);
        double value;
        memcpy(&value, &bits, sizeof value);
        y[i] = (float)value;
    }
}

/* ---- products --------------------------------------------------------------------- */

typedef void widen_fn(int64_t n, const void *x, float *y);

/* sums[16] = one block of k: a[k] x panel[k][16] */
static void block_sums(int64_t k, const float *a, const float *panel, float *sums)
{
    for (int j = 0; j < EMB_PANEL; j++)
        sums[j] = 0.0f;
    for (int64_t i = 0; i < k; i++)
        for (int j = 0; j < EMB_PANEL; j++)
            sums[j] = fmaf(a[i], panel[i * EMB_PANEL + j], sums[j]);
}

/* One block of k: the floats at w + i, or what they are widened to. */
static const float *block_of(widen_fn *widen, const void *w, int64_t i, int64_t size, float *wide)
{
    if (!widen) return (const float *)w + i;
    widen(size, (const uint16_t *)w + i, wide);
    return wide;
}

static void gemm(widen_fn *widen, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                 const void *w, float *c, int64_t ldc)
{
    const int64_t block = emb_k_block(k);
    float wide[EMB_K_BLOCK_MAX * EMB_PANEL];

    for (int64_t column = 0; column < n; column += EMB_PANEL)
        for (int64_t start = 0; start < k; start += block) {
            const int64_t columns = EMB_MIN(n - column, EMB_PANEL);
            const int64_t size = EMB_MIN(k - start, block);
            const float *panel = block_of(widen, w, column * k + start * EMB_PANEL,
                                          size * EMB_PANEL, wide);
            for (int64_t row = 0; row < m; row++) {
                float *y = c + row * ldc + column, sums[EMB_PANEL];
                block_sums(size, a + row * lda + start, panel, sums);
                for (int64_t j = 0; j < columns; j++)
                    y[j] = start ? y[j] + sums[j] : sums[j];
            }
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

static void pack_rows_f32(int64_t n, int64_t k, const float *b, int64_t ldb, float *w)
{
    for (int64_t row = 0; row < n; row += EMB_PANEL)
        for (int64_t i = 0; i < k; i++)
            for (int64_t j = row; j < row + EMB_PANEL; j++)
                *w++ = j < n ? b[j * ldb + i] : 0.0f;
}

static void pack_columns_f32(int64_t k, int64_t n, const float *b, int64_t ldb, float *w)
{
    for (int64_t column = 0; column < n; column += EMB_PANEL)
        for (int64_t i = 0; i < k; i++)
            for (int64_t j = column; j < column + EMB_PANEL; j++)
                *w++ = j < n ? b[i * ldb + j] : 0.0f;
}

/* ---- element by element ------------------------------------------------------------- */

static float activate(float x, emb_activation act)
{
    switch (act) {
    case EMB_ACT_NONE: return x;
    case EMB_ACT_GELU: return emb_gelu(x);
    case EMB_ACT_GELU_TANH:
    case EMB_ACT_GELU_FAST: return emb_gelu_tanh(x);
    case EMB_ACT_GELU_NEAR: return emb_gelu_near(x, emb_gelu_near_terms);
    case EMB_ACT_GELU_TANH_NEAR: return emb_gelu_near(x, emb_gelu_tanh_near_terms);
    case EMB_ACT_QUICK_GELU: return x / (1.0f + emb_exp(-(1.702f * x)));
    case EMB_ACT_SILU: return x / (1.0f + emb_exp(-x));
    case EMB_ACT_RELU: return x < 0.0f ? 0.0f : x;
    case EMB_ACT_RELU2: return x < 0.0f ? 0.0f : x * x;
    case EMB_ACT_TANH: return emb_tanh(x);
    case EMB_ACT_SIGMOID: return emb_sigmoid(x);
    }
    return x;
}

static void bias_act_f32(int64_t m, int64_t n, float *y, int64_t ldy, const float *bias,
                         emb_activation act)
{
    for (int64_t row = 0; row < m; row++, y += ldy)
        for (int64_t i = 0; i < n; i++)
            y[i] = activate(bias ? y[i] + bias[i] : y[i], act);
}

static void divide_rows_f32(int64_t m, int64_t n, float *y, int64_t ldy, const float *divisors)
{
    for (int64_t row = 0; row < m; row++, y += ldy)
        for (int64_t i = 0; i < n; i++)
            y[i] /= divisors[row];
}

static void add_rows_f32(int64_t n, const float *a, const float *b, const float *c, float *y)
{
    for (int64_t i = 0; i < n; i++) {
        float sum = a[i];
        if (b)
            sum += b[i];
        if (c)
            sum += c[i];
        y[i] = sum;
    }
}

static void scale_f32(int64_t n, const float *x, float divisor, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] / divisor;
}

static void add_block_f32(int64_t m, int64_t n, const float *x, int64_t ldx, const float *bias,
                          const float *scale, float *y, int64_t ldy)
{
    for (int64_t row = 0; row < m; row++, x += ldx, y += ldy)
        for (int64_t i = 0; i < n; i++) {
            float block = bias ? x[i] + bias[i] : x[i];
            y[i] += scale ? block * scale[i] : block;
        }
}

static void multiply_f32(int64_t m, int64_t n, const float *x, int64_t ldx, float *y, int64_t ldy)
{
    for (int64_t row = 0; row < m; row++, x += ldx, y += ldy)
        for (int64_t i = 0; i < n; i++) y[i] *= x[i];
}

static void add_scores_f32(int64_t m, int64_t n, float *p, int64_t ldp, float scale,
                           const float *bias, int64_t ldb)
{
    for (int64_t row = 0; row < m; row++, p += ldp, bias += ldb)
        for (int64_t i = 0; i < n; i++) p[i] = fmaf(p[i], scale, bias[i]);
}

static void rope_f32(int64_t m, int64_t heads, int64_t dim, const float *angles, float *y,
                     int64_t ldy)
{
    const int64_t half = dim / 2;
    for (int64_t row = 0; row < m; row++, angles += dim, y += ldy)
        for (int64_t head = 0; head < heads; head++) {
            float *low = y + head * dim, *high = low + half;
            for (int64_t i = 0; i < half; i++) {
                float a = low[i], b = high[i], c = angles[i], s = angles[half + i];
                low[i] = a * c - b * s;
                high[i] = b * c + a * s;
            }
        }
}

/* ---- rows ------------------------------------------------------------------------------ */

static float fold_sum(float *lanes)
{
    for (int half = EMB_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

static double fold_sum_double(double *lanes)
{
    for (int half = EMB_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

static float fold_max(float *lanes)
{
    for (int half = EMB_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] = lanes[i + half] > lanes[i] ? lanes[i + half] : lanes[i];
    return lanes[0];
}

static void layernorm_row(int64_t n, const float *x, const float *bias, const float *residual,
                          const float *gamma, const float *beta, float eps, bool centre, float *y)
{
    double sums[EMB_LANES] = {0}, squares[EMB_LANES] = {0};
    emb_norm_steps steps;

    for (int64_t i = 0; i < n; i++) {
        float s = x[i];
        if (bias)
            s += bias[i];
        if (residual)
            s += residual[i];
        y[i] = s;
        sums[i % EMB_LANES] += (double)s;
        squares[i % EMB_LANES] = fma((double)s, (double)s, squares[i % EMB_LANES]);
    }
    steps = emb_norm_of(centre ? fold_sum_double(sums) / (double)n : 0.0,
                        fold_sum_double(squares) / (double)n, eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)fma(fma((double)y[i], steps.scale, steps.shift), (double)gamma[i],
                          beta ? (double)beta[i] : 0.0);
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
    for (int64_t row = 0; row < m; row++, p += ldp) {
        float largest[EMB_LANES], lanes[EMB_LANES] = {0}, shift;

        for (int i = 0; i < EMB_LANES; i++)
            largest[i] = -INFINITY;
        for (int64_t i = 0; i < n; i++) {
            const float v = p[i] * scale;
            largest[i % EMB_LANES] = v > largest[i % EMB_LANES] ? v : largest[i % EMB_LANES];
        }
        shift = fold_max(largest);
        for (int64_t i = 0; i < n; i++) {
            p[i] = emb_exp(fmaf(p[i], scale, -shift));
            lanes[i % EMB_LANES] += p[i];
        }
        sums[row] = fold_sum(lanes);
    }
}

static float sum_squares_f32(int64_t n, const float *x)
{
    float lanes[EMB_LANES] = {0};
    for (int64_t i = 0; i < n; i++)
        lanes[i % EMB_LANES] = fmaf(x[i], x[i], lanes[i % EMB_LANES]);
    return fold_sum(lanes);
}

/* ---- pixels ---------------------------------------------------------------------------------- */

static void transpose_u8(int64_t m, int64_t n, const uint8_t *x, int64_t ldx, uint8_t *y,
                         int64_t ldy)
{
    transpose_rest(0, 0, m, n, x, ldx, y, ldy);
}

static void resample_u8(int64_t n, int64_t taps, const uint8_t *x, int64_t ldx,
                        const int32_t *weights, uint8_t *y)
{
    int64_t i = 0;
    for (; i + EMB_LANES <= n; i += EMB_LANES) {
        uint32_t sums[EMB_LANES];
        for (int j = 0; j < EMB_LANES; j++) sums[j] = UINT32_C(1) << (EMB_RESAMPLE_BITS - 1);
        for (int64_t t = 0; t < taps; t++)
            for (int j = 0; j < EMB_LANES; j++)
                sums[j] += (uint32_t)weights[t] * x[t * ldx + i + j];
        for (int j = 0; j < EMB_LANES; j++) y[i + j] = resampled_level(sums[j]);
    }
    resample_rest(i, n, taps, x, ldx, weights, y);
}

static void resample_f32(int64_t n, int64_t taps, const float *x, int64_t ldx,
                         const float *weights, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = 0.0f;
    for (int64_t t = 0; t < taps; t++, x += ldx)
        for (int64_t i = 0; i < n; i++) y[i] = fmaf(weights[t], x[i], y[i]);
}

const emb_kernels EMB_KERNELS_C = {
    .name = "c",
    .gemm_f32 = gemm_f32,
    .gemm_f16 = gemm_f16,
    .gemm_bf16 = gemm_bf16,
    .pack_rows_f32 = pack_rows_f32,
    .pack_columns_f32 = pack_columns_f32,
    EMB_INT8_ENTRIES(c, c),
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
