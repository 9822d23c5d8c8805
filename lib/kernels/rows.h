/* Kernels that reduce a row, in one body for every vector width: EMB_LANES partial sums are VECTORS
 * vectors, in double twice as many. A file of kernels includes this once, after vector.h, and has
 * said besides what a vector is
 *   keep(x, left, other)        x, with other in the lanes past the end
 *   sum_of(x), largest_of(x)    its lanes folded by halves
 *   dvec                        WIDTH / 2 doubles
 *   set_double(x), mul_add_double(a, b, c)
 *   load_double(p, left), store_double(p, left, x)
 *                               of floats, widened and rounded; as load and store
 *   sum_of_doubles(x)           its lanes folded by halves */
#ifndef EMB_ROWS_H
#define EMB_ROWS_H

#include "vector.h"

enum { VECTORS = EMB_LANES / WIDTH, HALF = WIDTH / 2, SOFTMAX_ROWS = VECTORS == 1 ? 4 : 2 };

INLINE float fold_sum(vec *lanes)
{
#pragma GCC unroll 2
    for (int n = VECTORS / 2; n; n /= 2)
#pragma GCC unroll 2
        for (int i = 0; i < n; i++) lanes[i] = lanes[i] + lanes[i + n];
    return sum_of(lanes[0]);
}

INLINE double fold_sum_double(dvec *lanes)
{
#pragma GCC unroll 3
    for (int n = VECTORS; n; n /= 2)
#pragma GCC unroll 4
        for (int i = 0; i < n; i++) lanes[i] = lanes[i] + lanes[i + n];
    return sum_of_doubles(lanes[0]);
}

/* y = x + bias + residual, and its share of a row's sums, of EMB_LANES numbers or those left */
INLINE void measure_lanes(int64_t left, const float *x, const float *bias, const float *residual,
                          const bool centre, float *y, dvec sums[2 * VECTORS], dvec squares[2 * VECTORS])
{
#pragma GCC unroll 4
    for (int i = 0; i < EMB_LANES; i += WIDTH) {
        vec s = load(x + i, left - i);
        if (bias) s = s + load(bias + i, left - i);
        if (residual) s = s + load(residual + i, left - i);
        store(y + i, left - i, s);
    }
#pragma GCC unroll 8
    for (int v = 0; v < 2 * VECTORS; v++) {
        const dvec s = load_double(y + v * HALF, left - v * HALF);
        if (centre) sums[v] = sums[v] + s;
        squares[v] = mul_add_double(s, s, squares[v]);
    }
}

/* mean and mean of squares of a row y = x + bias + residual, which is written; the mean only if centre */
INLINE void measure_row(int64_t n, const float *x, const float *bias, const float *residual, const bool centre,
                        float *y, double *mean, double *squared)
{
    dvec sums[2 * VECTORS], squares[2 * VECTORS];
    int64_t left = n;

#pragma GCC unroll 8
    for (int v = 0; v < 2 * VECTORS; v++) sums[v] = squares[v] = set_double(0.0);
    for (; left >= EMB_LANES; left -= EMB_LANES, x += EMB_LANES, y += EMB_LANES) {
        measure_lanes(EMB_LANES, x, bias, residual, centre, y, sums, squares);
        if (bias) bias += EMB_LANES;
        if (residual) residual += EMB_LANES;
    }
    if (left) measure_lanes(left, x, bias, residual, centre, y, sums, squares);
    *mean = centre ? fold_sum_double(sums) / (double)n : 0.0;
    *squared = fold_sum_double(squares) / (double)n;
}

/* y = (y scale + shift) gamma + beta, of as many numbers as a dvec has or those left */
INLINE void apply_half(const int rows, int64_t left, const emb_norm_steps *steps, const float *gamma,
                       const float *beta, float *y, int64_t ldy)
{
    const dvec g = load_double(gamma, left), b = beta ? load_double(beta, left) : set_double(0.0);

#pragma GCC unroll 4
    for (int r = 0; r < rows; r++, y += ldy) {
        const dvec scale = set_double(steps[r].scale), shift = set_double(steps[r].shift);
        store_double(y, left, mul_add_double(mul_add_double(load_double(y, left), scale, shift), g, b));
    }
}

/* Some rows share what is made of gamma and beta. */
INLINE void apply_rows(const int rows, int64_t n, const emb_norm_steps *steps, const float *gamma,
                       const float *beta, float *y, int64_t ldy)
{
    int64_t i = 0;

    for (; i + HALF <= n; i += HALF) apply_half(rows, HALF, steps, gamma + i, beta ? beta + i : NULL, y + i, ldy);
    if (i < n) apply_half(rows, n - i, steps, gamma + i, beta ? beta + i : NULL, y + i, ldy);
}

INLINE void norm_rows(int64_t m, int64_t n, const float *x, int64_t ldx, const float *bias,
                      const float *residual, int64_t ldr, const float *gamma, const float *beta,
                      float eps, const bool centre, float *y, int64_t ldy)
{
    enum { ROWS_AT_ONCE = 4 };
    double mean[ROWS_AT_ONCE], squared[ROWS_AT_ONCE];
    emb_norm_steps steps[ROWS_AT_ONCE];

    for (int64_t row = 0, rows; row < m; row += rows, y += rows * ldy) {
        rows = EMB_MIN(m - row, ROWS_AT_ONCE);
        for (int64_t r = 0; r < rows; r++)
            measure_row(n, x + (row + r) * ldx, bias, residual ? residual + (row + r) * ldr : NULL, centre,
                        y + r * ldy, mean + r, squared + r);
        for (int64_t r = 0; r < rows; r++) steps[r] = emb_norm_of(mean[r], squared[r], eps);
        switch (rows) {
        case 1: apply_rows(1, n, steps, gamma, beta, y, ldy); break;
        case 2: apply_rows(2, n, steps, gamma, beta, y, ldy); break;
        case 3: apply_rows(3, n, steps, gamma, beta, y, ldy); break;
        default: apply_rows(4, n, steps, gamma, beta, y, ldy); break;
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

/* EMB_LANES numbers of some rows, or those left: the largest of each lane of x s, NaN passed over */
INLINE void largest_lanes(const int rows, int64_t left, const float *p, int64_t ldp, vec s, vec *tops)
{
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++, p += ldp)
#pragma GCC unroll 4
        for (int i = 0; i < EMB_LANES; i += WIDTH)
            tops[r] = most(keep(load(p + i, left - i) * s, left - i, set(-INFINITY)), tops[r]);
}

/* And e^(x s + shift) of them, and its share of a row's sum */
INLINE void exp_lanes(const int rows, int64_t left, float *p, int64_t ldp, vec s, const vec *shifts,
                      vec *sums)
{
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++, p += ldp)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            const int64_t rest = left - v * WIDTH;
            const vec e = exponential(mul_add(load(p + v * WIDTH, rest), s, shifts[r]));
            store(p + v * WIDTH, rest, e);
            sums[r * VECTORS + v] = sums[r * VECTORS + v] + keep(e, rest, set(0.0f));
        }
}

/* Rows side by side: none waits for its own folding. */
INLINE void softmax_rows(const int rows, int64_t n, float *p, int64_t ldp, float scale, float *sums)
{
    const vec s = set(scale);
    const int64_t whole = n / EMB_LANES * EMB_LANES, left = n - whole;
    vec tops[SOFTMAX_ROWS], lanes[SOFTMAX_ROWS * VECTORS];

#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) tops[r] = set(-INFINITY);
    for (int64_t i = 0; i < whole; i += EMB_LANES) largest_lanes(rows, EMB_LANES, p + i, ldp, s, tops);
    if (left) largest_lanes(rows, left, p + whole, ldp, s, tops);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) tops[r] = set(-largest_of(tops[r]));
#pragma GCC unroll 16
    for (int i = 0; i < rows * VECTORS; i++) lanes[i] = set(0.0f);
    for (int64_t i = 0; i < whole; i += EMB_LANES) exp_lanes(rows, EMB_LANES, p + i, ldp, s, tops, lanes);
    if (left) exp_lanes(rows, left, p + whole, ldp, s, tops, lanes);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) sums[r] = fold_sum(lanes + r * VECTORS);
}

static void softmax_f32(int64_t m, int64_t n, float *p, int64_t ldp, float scale, float *sums)
{
    for (; m >= SOFTMAX_ROWS; m -= SOFTMAX_ROWS, p += SOFTMAX_ROWS * ldp, sums += SOFTMAX_ROWS)
        softmax_rows(SOFTMAX_ROWS, n, p, ldp, scale, sums);
    for (; m > 0; m--, p += ldp, sums++) softmax_rows(1, n, p, ldp, scale, sums);
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
