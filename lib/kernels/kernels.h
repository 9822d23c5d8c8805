/* kernels: one plain C reference (kernels_c.c) and one file per instruction set
 * (kernels_avx2.c, kernels_avx512.c, kernels_neon.c), behind one table of functions. Kernels know
 * pointers, counts and strides (in elements); no tensors, no memory.
 * Every version of a kernel gives the same bits as plain C. What fixes the bits
 * (docs/numerics.md):
 *   - a dot product over k is cut into blocks of emb_k_block(k); each block is one chain of fused
 *     multiply-adds in ascending k from +0; block sums are added in ascending order, from the
 *     first block's sum;
 *   - a row reduction has EMB_LANES partial sums from +0, lane i taking elements i mod EMB_LANES
 *     in ascending order, folded 8, 4, 2, 1 (lane i += lane i + 8, ...); squares enter by one
 *     fused multiply-add; a maximum starts from -Inf in the same shape, `new > old ? new : old`
 *     (a NaN is passed over);
 *   - layernorm computes in double between its float inputs and its float result;
 *   - exp, gelu, tanh are the polynomials of kernels/math.h, the same fused sequence everywhere;
 *   - division and square root are the IEEE operations.
 * Rows may have any alignment; nothing outside the rows is read or written. */
#ifndef EMB_KERNELS_H
#define EMB_KERNELS_H

#include "../base/base.h"
#include "int8.h"

/* Functions that are one body with their caller's constants, one of which may be a function:
 * without an optimizer that is more than a compiler will do. */
#if defined(__OPTIMIZE__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

#define EMB_LANES 16
#define EMB_PANEL 16 /* output columns in one panel of packed weights */
#define EMB_RESAMPLE_BITS 22 /* after the point of an image's resampling weights, as Pillow's */

/* Length of the blocks that a dot product over k is cut into. Shorter blocks are more exact: short
 * products (scores of a head, small models) can afford 32, long ones take 128 at no cost. */
#define EMB_K_BLOCK_MAX 128
static inline int64_t emb_k_block(int64_t k)
{
    return k <= 128 ? 32 : EMB_K_BLOCK_MAX;
}

typedef enum { /* transformers' ACT2FN: docs/models.md has the names */
    EMB_ACT_NONE, EMB_ACT_GELU, EMB_ACT_GELU_TANH /* gelu_new, gelu_pytorch_tanh */,
        EMB_ACT_GELU_FAST, EMB_ACT_GELU_NEAR, EMB_ACT_GELU_TANH_NEAR /* to 1.4e-4 */,
    EMB_ACT_QUICK_GELU, EMB_ACT_SILU, EMB_ACT_RELU, EMB_ACT_RELU2, EMB_ACT_TANH, EMB_ACT_SIGMOID
} emb_activation;

typedef struct emb_kernels {
    const char *name; /* "c", "avx2", "avx512", "neon" */

    /* c[m][n] = a[m][k] x w, k >= 1: w is panels [ceil(n/16)][k][16], 64-byte aligned, the last
     * panel's spare columns zero. Only columns < n of c are written. */
    void (*gemm_f32)(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *w,
                     float *c, int64_t ldc);
    /* the same with weights stored as f16 or bf16, each widened exactly: panels of 16-bit numbers */
    void (*gemm_f16)(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                     const uint16_t *w, float *c, int64_t ldc);
    void (*gemm_bf16)(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                      const uint16_t *w, float *c, int64_t ldc);
    /* the same by native dot products of bf16, to which a is rounded; w is panels
     * [ceil(n/16)][ceil(k/2)][16][2] of bf16, 64-byte aligned. Close to the others, but not the
     * same bits everywhere; NULL where the CPU has none */
    void (*gemm_bf16_pairs)(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                            const uint16_t *w, float *c, int64_t ldc);
    /* panels from rows: w = panels of b^T where b is [n][k] (row-major, ldb); the same layout as
     * above. */
    void (*pack_rows_f32)(int64_t n, int64_t k, const float *b, int64_t ldb, float *w);
    /* panels from columns: w = panels of b where b is [k][n] (row-major, ldb). */
    void (*pack_columns_f32)(int64_t k, int64_t n, const float *b, int64_t ldb, float *w);

    /* whole numbers: int8.h */
    void (*quantize_rows)(int64_t m, int64_t k, const float *x, int64_t ldx,
                          const float *factors, float *rows, const emb_rows_i8 *out,
                          const emb_rows_i16 *fine);
    void (*pack_rows_i8)(int64_t n, int64_t k, const float *b, int64_t ldb,
                         const float *factors, float *row, const emb_panels_i8 *w);
    void (*pack_rows_i16)(int64_t n, int64_t k, const float *b, int64_t ldb,
                          const float *factors, float *row, const emb_panels_i16 *w);
    void (*gemm_i8)(int64_t m, int64_t n, int64_t k, const emb_rows_i8 *a, const emb_panels_i8 *w,
                    const float *bias, float *c, int64_t ldc);
    void (*gemm_i16)(int64_t m, int64_t n, int64_t k, const emb_rows_i16 *a,
                     const emb_panels_i16 *w, const float *bias, float *c, int64_t ldc);

    /* y[m][n] = act(y + bias); bias may be NULL. In place. */
    void (*bias_act_f32)(int64_t m, int64_t n, float *y, int64_t ldy, const float *bias,
                         emb_activation act);
    /* y = layernorm(x + bias + residual) * gamma + beta over each row: s = (x + bias) + residual
     * in float; then in double: mean, biased variance of d = s - mean, scale = 1 / sqrt(var +
     * eps), and d * scale * gamma + beta, the last two fused, rounded to float once. bias,
     * residual and beta may be NULL; y may be x or residual. */
    void (*layernorm_f32)(int64_t m, int64_t n, const float *x, int64_t ldx, const float *bias,
                          const float *residual, int64_t ldr, const float *gamma, const float *beta,
                          float eps, float *y, int64_t ldy);
    /* y = rmsnorm(x + bias + residual) * gamma: layernorm with a mean of 0 and without beta */
    void (*rmsnorm_f32)(int64_t m, int64_t n, const float *x, int64_t ldx, const float *bias,
                        const float *residual, int64_t ldr, const float *gamma, float eps,
                        float *y, int64_t ldy);
    /* p[m][n]: p = exp(p * scale - max(p * scale)), the subtraction fused with its product;
     * sums[m] = their 16-lane sum. In place. */
    void (*softmax_f32)(int64_t m, int64_t n, float *p, int64_t ldp, float scale, float *sums);
    /* y[m][n] = y / divisors[m] */
    void (*divide_rows_f32)(int64_t m, int64_t n, float *y, int64_t ldy, const float *divisors);
    /* y[n] = (a + b) + c; b and c may be NULL: sums of embedding table rows */
    void (*add_rows_f32)(int64_t n, const float *a, const float *b, const float *c, float *y);
    /* y[m][n] += (x + bias) * scale[n], each operation rounded; bias and scale may be NULL: a block's
     * product joins the residual stream */
    void (*add_block_f32)(int64_t m, int64_t n, const float *x, int64_t ldx, const float *bias,
                          const float *scale, float *y, int64_t ldy);
    /* y[m][n] *= x: gated activations */
    void (*multiply_f32)(int64_t m, int64_t n, const float *x, int64_t ldx, float *y, int64_t ldy);
    /* p[m][n] = p * scale + bias[m][ldb], fused: scores with relative positions */
    void (*add_scores_f32)(int64_t m, int64_t n, float *p, int64_t ldp, float scale,
                           const float *bias, int64_t ldb);
    /* rotary positions, in place: in each of heads parts y[dim] of m rows, with h = dim / 2,
     * angles[m][dim] = cosines[h] then sines[h]: y[i] = y[i] c[i] - y[h+i] s[i],
     * y[h+i] = y[h+i] c[i] + y[i] s[i], each operation rounded */
    void (*rope_f32)(int64_t m, int64_t heads, int64_t dim, const float *angles, float *y,
                     int64_t ldy);
    /* 16-lane sum of squares of x[n], and y = x / divisor */
    float (*sum_squares_f32)(int64_t n, const float *x);
    void (*scale_f32)(int64_t n, const float *x, float divisor, float *y);

    /* exact widening (f16, bf16) and rounding to nearest even (f64) of n stored numbers at any
     * alignment */
    void (*widen_f16)(int64_t n, const void *x, float *y);
    void (*widen_bf16)(int64_t n, const void *x, float *y);
    void (*narrow_f64)(int64_t n, const void *x, float *y);
    /* to 16 bits, rounded to nearest even; a NaN stays one */
    void (*narrow_f16)(int64_t n, const float *x, uint16_t *y);
    void (*narrow_bf16)(int64_t n, const float *x, uint16_t *y);

    /* pixels (pixels.h); y overlaps nothing */
    /* y[n][m] = x[m][n] */
    void (*transpose_u8)(int64_t m, int64_t n, const uint8_t *x, int64_t ldx, uint8_t *y,
                         int64_t ldy);
    /* y[n] = a weighted sum of taps rows x[n]: 2^21 + the sum of weights[t] * x in 32 bits (which
     * wrap), shifted right by EMB_RESAMPLE_BITS, clamped to 0..255 */
    void (*resample_u8)(int64_t n, int64_t taps, const uint8_t *x, int64_t ldx,
                        const int32_t *weights, uint8_t *y);
    /* the same in float: one chain of fused multiply-adds in ascending order from +0 */
    void (*resample_f32)(int64_t n, int64_t taps, const float *x, int64_t ldx,
                         const float *weights, float *y);
    /* y[n] = table[x[n]] */
    void (*look_up_u8)(int64_t n, const uint8_t *x, const float *table, float *y);
} emb_kernels;

/* The entries of a table whose functions, in the file of their instruction set, are called as they are
 * here; what is left is what files differ in: the name, and whole numbers. */
#define EMB_KERNELS_BY_NAME \
    .gemm_f32 = gemm_f32, .gemm_f16 = gemm_f16, .gemm_bf16 = gemm_bf16,                    \
    .pack_rows_f32 = pack_rows_f32, .pack_columns_f32 = pack_columns_f32,                  \
    .bias_act_f32 = bias_act_f32, .layernorm_f32 = layernorm_f32,                          \
    .rmsnorm_f32 = rmsnorm_f32, .softmax_f32 = softmax_f32,                                \
    .divide_rows_f32 = divide_rows_f32, .add_rows_f32 = add_rows_f32,                      \
    .add_block_f32 = add_block_f32, .multiply_f32 = multiply_f32,                          \
    .add_scores_f32 = add_scores_f32, .rope_f32 = rope_f32,                                \
    .sum_squares_f32 = sum_squares_f32, .scale_f32 = scale_f32, .widen_f16 = widen_f16,    \
    .widen_bf16 = widen_bf16, .narrow_f64 = narrow_f64, .narrow_f16 = narrow_f16,          \
    .narrow_bf16 = narrow_bf16, .transpose_u8 = transpose_u8, .resample_u8 = resample_u8,  \
    .resample_f32 = resample_f32, .look_up_u8 = look_up_u8

/* The table of an instruction set, by name ("c", "avx2", "avx512", "neon"; NULL: the best of this
 * CPU). NULL: not built in, or this CPU has it not. The tables are constants. */
const emb_kernels *emb_kernels_for(const char *isa);
/* Name of the index-th instruction set built in, worst first; NULL past the last. */
const char *emb_kernels_name(int64_t index);

extern const emb_kernels emb_kernels_c;
#if defined(__x86_64__)
/* kernels_c.c again, with the CPU's FMA; its name is "c" too */
extern const emb_kernels emb_kernels_c_avx2;
extern const emb_kernels emb_kernels_avx2;
extern const emb_kernels emb_kernels_avx2vnni; /* its name is "avx2" too */
extern const emb_kernels emb_kernels_avx512;
extern const emb_kernels emb_kernels_avx512vnni; /* the names of these are "avx512" too */
extern const emb_kernels emb_kernels_avx512bf16;
void emb_gemm_bf16_pairs_avx512bf16(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                                    const uint16_t *w, float *c, int64_t ldc);
#elif defined(__aarch64__)
extern const emb_kernels emb_kernels_neon;
extern const emb_kernels emb_kernels_neondot; /* the names of these are "neon" too */
extern const emb_kernels emb_kernels_neoni8mm;
#endif

#endif
