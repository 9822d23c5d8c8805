/* Kernels that reduce a row, in one body for every vector width: EMB_LANES partial sums are VECTORS
 * vectors, in double twice as many. A file of kernels includes this once, after vector.h, and has
 * said besides what a vector is
 *   keep(x, left, other)        x, with other in the lanes past the end
 *   sum_of(x), largest_of(x)    its lanes folded by halves
 *   dvec                        WIDTH / 2 doubles
 *   set_double(x), mul_add_double(a, b, c)
 *   low_half(x), high_half(x)   widened
 *   join(low, high)             rounded
 *   keep_double(x, left)        x, with +0 in the lanes past the end
 *   sum_of_doubles(x)           its lanes folded by halves */
#ifndef EMB_ROWS_H
#define EMB_ROWS_H

#include "vector.h"

enum { VECTORS = EMB_LANES / WIDTH, HALF = WIDTH / 2 };

INLINE float fold_sum(vec *lanes)
{
#pragma GCC unroll 2
    for (int n = VECTORS / 2; n; n /= 2)
#pragma GCC unroll 2
        for (int i = 0; i < n; i++) lanes[i] = lanes[i] + lanes[i + n];
    return sum_of(lanes[0]);
}

/* Of p[n] * s; NaN is passed over. The order does not matter, and four chains do not wait for each other. */
INLINE float largest_scaled(int64_t n, const float *p, vec s)
{
    const vec lowest = set(-INFINITY);
    vec most_of[4] = {lowest, lowest, lowest, lowest};

    for (int64_t at = 0; at < n; at += 4 * WIDTH) {
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            const int64_t i = at + v * WIDTH, left = n - i;
            most_of[v] = most(keep(load(p + i, left) * s, left, lowest), most_of[v]);
        }
    }
    return largest_of(most(most(most_of[0], most_of[1]), most(most_of[2], most_of[3])));
}

INLINE double fold_sum_double(dvec *lanes)
{
#pragma GCC unroll 3
    for (int n = VECTORS; n; n /= 2)
#pragma GCC unroll 4
        for (int i = 0; i < n; i++) lanes[i] = lanes[i] + lanes[i + n];
    return sum_of_doubles(lanes[0]);
}

/* mean and 1 / deviation of a row y = x + bias + residual, which is written; centre: around the mean, or
 * around 0 */
INLINE void measure_row(int64_t n, const float *x, const float *bias, const float *residual, float eps,
                        const bool centre, float *y, dvec *mean, dvec *scale)
{
    dvec lanes[2 * VECTORS];

#pragma GCC unroll 8
    for (int v = 0; v < 2 * VECTORS; v++) lanes[v] = set_double(0.0);
    for (int64_t at = 0; at < n; at += EMB_LANES) {
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            const int64_t i = at + v * WIDTH, left = n - i;
            vec s = load(x + i, left);
            if (bias) s = s + load(bias + i, left);
            if (residual) s = s + load(residual + i, left);
            store(y + i, left, s);
            lanes[2 * v] = lanes[2 * v] + low_half(s);
            lanes[2 * v + 1] = lanes[2 * v + 1] + high_half(s);
        }
    }
    *mean = set_double(centre ? fold_sum_double(lanes) / (double)n : 0.0);
#pragma GCC unroll 8
    for (int v = 0; v < 2 * VECTORS; v++) lanes[v] = set_double(0.0);
    for (int64_t at = 0; at < n; at += EMB_LANES) {
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            const int64_t i = at + v * WIDTH, left = n - i;
            const vec s = load(y + i, left);
            const dvec low = keep_double(low_half(s) - *mean, left);
            const dvec high = keep_double(high_half(s) - *mean, left - HALF);
            lanes[2 * v] = mul_add_double(low, low, lanes[2 * v]);
            lanes[2 * v + 1] = mul_add_double(high, high, lanes[2 * v + 1]);
        }
    }
    *scale = set_double(1.0 / sqrt(fold_sum_double(lanes) / (double)n + (double)eps));
}

/* Some rows share what is made of gamma and beta. */
INLINE void norm_rows(int64_t m, int64_t n, const float *x, int64_t ldx, const float *bias,
                      const float *residual, int64_t ldr, const float *gamma, const float *beta,
                      float eps, const bool centre, float *y, int64_t ldy)
{
    enum { ROWS_AT_ONCE = 4 };

    for (int64_t row = 0; row < m; row += ROWS_AT_ONCE) {
        const int64_t rows = EMB_MIN(m - row, ROWS_AT_ONCE);
        dvec mean[ROWS_AT_ONCE], scale[ROWS_AT_ONCE];

        for (int64_t r = 0; r < rows; r++)
            measure_row(n, x + (row + r) * ldx, bias, residual ? residual + (row + r) * ldr : NULL, eps,
                        centre, y + (row + r) * ldy, &mean[r], &scale[r]);
        for (int64_t i = 0; i < n; i += WIDTH) {
            const vec g = load(gamma + i, n - i), b = beta ? load(beta + i, n - i) : set(0.0f);
            const dvec low_g = low_half(g), high_g = high_half(g), low_b = low_half(b), high_b = high_half(b);
            for (int64_t r = 0; r < rows; r++) {
                float *const p = y + (row + r) * ldy + i;
                const vec s = load(p, n - i);
                store(p, n - i, join(mul_add_double((low_half(s) - mean[r]) * scale[r], low_g, low_b),
                                     mul_add_double((high_half(s) - mean[r]) * scale[r], high_g, high_b)));
            }
        }
    }
}

static void layernorm_f32(int64_t m, int64_t n, const float *x, int64_t ldx, const float *bias,
                          const float *residual, int64_t ldr, const float *gamma,
                          const float *beta, float eps, float *y, int64_t ldy)
{
    norm_rows(m, n, x, ldx, bias, residual, ldr, gamma, beta, eps, true, y, ldy);
}

static void rmsnorm_f32(int64_t m, int64_t n, const float *x, int64_t ldx, const float *bias,
                        const float *residual, int64_t ldr, const float *gamma, float eps,
                        float *y, int64_t ldy)
{
    norm_rows(m, n, x, ldx, bias, residual, ldr, gamma, NULL, eps, false, y, ldy);
}

INLINE float softmax_row(int64_t n, float *p, float scale)
{
    const vec s = set(scale), zero = set(0.0f), shift = set(-largest_scaled(n, p, s));
    vec lanes[VECTORS];

#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) lanes[v] = zero;
    for (int64_t at = 0; at < n; at += EMB_LANES) {
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            const int64_t i = at + v * WIDTH, left = n - i;
            const vec e = exponential(mul_add(load(p + i, left), s, shift));
            store(p + i, left, e);
            lanes[v] = lanes[v] + keep(e, left, zero);
        }
    }
    return fold_sum(lanes);
}

static void softmax_f32(int64_t m, int64_t n, float *p, int64_t ldp, float scale, float *sums)
{
    for (int64_t row = 0; row < m; row++, p += ldp) sums[row] = softmax_row(n, p, scale);
}

static float sum_squares_f32(int64_t n, const float *x)
{
    vec lanes[VECTORS];

#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) lanes[v] = set(0.0f);
    for (int64_t at = 0; at < n; at += EMB_LANES) {
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            const vec a = load(x + at + v * WIDTH, n - at - v * WIDTH);
            lanes[v] = mul_add(a, a, lanes[v]);
        }
    }
    return fold_sum(lanes);
}

#endif
