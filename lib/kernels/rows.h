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

INLINE vec normalize(vec x, dvec mean, dvec scale, vec gamma, vec beta)
{
    return join(mul_add_double((low_half(x) - mean) * scale, low_half(gamma), low_half(beta)),
                mul_add_double((high_half(x) - mean) * scale, high_half(gamma), high_half(beta)));
}

/* centre: around the mean, or around 0 */
INLINE void norm_row(int64_t n, const float *x, const float *bias, const float *residual,
                     const float *gamma, const float *beta, float eps, const bool centre, float *y)
{
    dvec lanes[2 * VECTORS], mean, scale;

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
    mean = set_double(centre ? fold_sum_double(lanes) / (double)n : 0.0);
#pragma GCC unroll 8
    for (int v = 0; v < 2 * VECTORS; v++) lanes[v] = set_double(0.0);
    for (int64_t at = 0; at < n; at += EMB_LANES) {
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            const int64_t i = at + v * WIDTH, left = n - i;
            const vec s = load(y + i, left);
            const dvec low = keep_double(low_half(s) - mean, left);
            const dvec high = keep_double(high_half(s) - mean, left - HALF);
            lanes[2 * v] = mul_add_double(low, low, lanes[2 * v]);
            lanes[2 * v + 1] = mul_add_double(high, high, lanes[2 * v + 1]);
        }
    }
    scale = set_double(1.0 / sqrt(fold_sum_double(lanes) / (double)n + (double)eps));
    for (int64_t i = 0; i < n; i += WIDTH) {
        const vec b = beta ? load(beta + i, n - i) : set(0.0f);
        store(y + i, n - i, normalize(load(y + i, n - i), mean, scale, load(gamma + i, n - i), b));
    }
}

static void layernorm_f32(int64_t m, int64_t n, const float *x, int64_t ldx, const float *bias,
                          const float *residual, int64_t ldr, const float *gamma,
                          const float *beta, float eps, float *y, int64_t ldy)
{
    for (int64_t row = 0; row < m; row++)
        norm_row(n, x + row * ldx, bias, residual ? residual + row * ldr : NULL, gamma, beta, eps,
                 true, y + row * ldy);
}

static void rmsnorm_f32(int64_t m, int64_t n, const float *x, int64_t ldx, const float *bias,
                        const float *residual, int64_t ldr, const float *gamma, float eps,
                        float *y, int64_t ldy)
{
    for (int64_t row = 0; row < m; row++)
        norm_row(n, x + row * ldx, bias, residual ? residual + row * ldr : NULL, gamma, NULL, eps,
                 false, y + row * ldy);
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
