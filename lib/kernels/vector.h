/* Kernels whose one body serves every vector width: the functions of math.h operation by operation,
 * and what is built on them element by element. A file of kernels includes this once, after it has
 * said what a vector is:
 *   vec, uvec                 WIDTH floats; + - * / are the IEEE operations. Their bits
 *   set(x), mul_add(a, b, c)  x in every lane; fused a b + c
 *   least(a, b), most(a, b)   a < b ? a : b and a > b ? a : b: b where one is NaN
 *   where_less(a, b, x, y)    a < b ? x : y
 *   load(p, left), store(p, left, x)
 *                             for left < WIDTH a row's last elements; nothing behind them is read
 *                             (those lanes are +0) or written */
#ifndef EMB_VECTOR_H
#define EMB_VECTOR_H

#include "kernels.h"
#include "math.h"

INLINE vec absolute(vec x) { return (vec)((uvec)x & 0x7fffffffu); }
INLINE vec negate(vec x) { return (vec)((uvec)x ^ 0x80000000u); }
INLINE vec sign_of(vec x) { return (vec)((uvec)x & 0x80000000u); }
INLINE vec positive(vec x) { return most(x, set(0.0f)); } /* 0 for NaN */

/* ---- functions of math.h --------------------------------------------------------------- */

/* p 2^n rounded once, t = n + EMB_ROUND, -152 < n < 129; a macro where the CPU has an instruction
 * for it. In two exact halves, so that only the last product overflows or rounds a denormal. */
#ifndef times_power
INLINE vec times_power(vec p, vec t)
{
    const uvec k = (uvec)t - (EMB_ROUND_BITS - 256), half = k >> 1;
    return p * (vec)((half - 1) << 23) * (vec)((k - half - 1) << 23);
}
#endif

/* e^(x + low), x at most EMB_EXP_MAX; low NULL: 0 */
INLINE vec exp_low(vec x, const vec *low)
{
    x = most(set(EMB_EXP_MIN), x);
    const vec t = mul_add(x, set(EMB_LOG2_E), set(EMB_ROUND)), n = t - set(EMB_ROUND);
    vec r = mul_add(n, set(-EMB_LN2_HIGH), x), p = set(EMB_EXP_E4);
    r = mul_add(n, set(-EMB_LN2_LOW), r);
    if (low) r = r + *low;
    p = mul_add(p, r, set(EMB_EXP_E3));
    p = mul_add(p, r, set(EMB_EXP_E2));
    p = mul_add(p, r, set(EMB_EXP_E1));
    p = mul_add(p, r, set(EMB_EXP_E0));
    p = mul_add(r * r, p, r) + set(1.0f);
    return times_power(p, t);
}

INLINE vec exponential(vec x) { return exp_low(least(set(EMB_EXP_MAX), x), NULL); }

INLINE vec gelu(vec x)
{
    const vec a = least(set(EMB_GELU_MAX), absolute(x)), u = a * a;
    vec near = set(EMB_GELU_C5), p = set(EMB_GELU_N4), q = set(EMB_GELU_D4), low, e;
    near = mul_add(near, u, set(EMB_GELU_C4));
    near = mul_add(near, u, set(EMB_GELU_C3));
    near = mul_add(near, u, set(EMB_GELU_C2));
    near = mul_add(near, u, set(EMB_GELU_C1));
    near = mul_add(near, u, set(EMB_GELU_C0));
    near = mul_add(u, near, set(0.5f) * x);
    p = mul_add(p, a, set(EMB_GELU_N3));
    p = mul_add(p, a, set(EMB_GELU_N2));
    p = mul_add(p, a, set(EMB_GELU_N1));
    p = mul_add(p, a, set(EMB_GELU_N0));
    q = mul_add(q, a, set(EMB_GELU_D3));
    q = mul_add(q, a, set(EMB_GELU_D2));
    q = mul_add(q, a, set(EMB_GELU_D1));
    q = mul_add(q, a, set(1.0f));
    low = set(-0.5f) * mul_add(a, a, negate(u));
    e = exp_low(set(-0.5f) * u, &low);
    return where_less(a, set(1.0f), near, positive(x) - e * (p / q));
}

INLINE vec gelu_near(vec x, const float terms[EMB_GELU_NEAR_TERMS])
{
    const vec from = most(set(-EMB_GELU_NEAR_MAX), x), c = least(set(EMB_GELU_NEAR_MAX), from), u = c * c;
    vec p = set(terms[EMB_GELU_NEAR_TERMS - 1]);

#pragma GCC unroll 8
    for (int i = EMB_GELU_NEAR_TERMS - 2; i >= 0; i--) p = mul_add(p, u, set(terms[i]));
    return from * mul_add(c, p, set(0.5f));
}

/* |x| < 1 */
INLINE vec tanh_near(vec x)
{
    const vec u = x * x;
    vec p = set(EMB_TANH_T6);
    p = mul_add(p, u, set(EMB_TANH_T5));
    p = mul_add(p, u, set(EMB_TANH_T4));
    p = mul_add(p, u, set(EMB_TANH_T3));
    p = mul_add(p, u, set(EMB_TANH_T2));
    p = mul_add(p, u, set(EMB_TANH_T1));
    p = mul_add(p, u, set(EMB_TANH_T0));
    return mul_add(x * u, p, x);
}

INLINE vec hyperbolic_tangent(vec x)
{
    const vec a = absolute(x), far = set(1.0f) - set(2.0f) / (exponential(a + a) + set(1.0f));
    return where_less(a, set(1.0f), tanh_near(x), (vec)((uvec)far | (uvec)sign_of(x)));
}

INLINE vec gelu_tanh(vec x)
{
    const vec a = least(set(EMB_GELU_MAX), absolute(x)), h = set(0.5f) * x;
    const vec z = a * mul_add(a * a, set(EMB_GELU_Z1), set(EMB_GELU_Z0));
    const vec e = exponential(negate(z + z));
    return where_less(z, set(1.0f), mul_add(absolute(h), tanh_near(z), h),
                      positive(x) - a * (e / (set(1.0f) + e)));
}

/* x / (1 + exp(-y)) */
INLINE vec over_one_plus_exp(vec x, vec y)
{
    return x / (set(1.0f) + exponential(negate(y)));
}

/* ---- element by element --------------------------------------------------------------------- */

INLINE vec activate(vec x, const emb_activation act)
{
    const vec above = most(set(0.0f), x); /* NaN for NaN */
    switch (act) {
    case EMB_ACT_NONE: return x;
    case EMB_ACT_GELU: return gelu(x);
    case EMB_ACT_GELU_TANH:
    case EMB_ACT_GELU_FAST: return gelu_tanh(x);
    case EMB_ACT_GELU_NEAR: return gelu_near(x, emb_gelu_near_terms);
    case EMB_ACT_GELU_TANH_NEAR: return gelu_near(x, emb_gelu_tanh_near_terms);
    case EMB_ACT_QUICK_GELU: return over_one_plus_exp(x, set(1.702f) * x);
    case EMB_ACT_SILU: return over_one_plus_exp(x, x);
    case EMB_ACT_RELU: return above;
    case EMB_ACT_RELU2: return above * above;
    case EMB_ACT_TANH: return hyperbolic_tangent(x);
    case EMB_ACT_SIGMOID: return over_one_plus_exp(set(1.0f), x);
    }
    return x;
}

INLINE void bias_act(int64_t m, int64_t n, float *y, int64_t ldy, const float *bias,
                     const emb_activation act)
{
    for (int64_t row = 0; row < m; row++, y += ldy)
        for (int64_t i = 0; i < n; i += WIDTH) {
            vec x = load(y + i, n - i);
            if (bias) x = x + load(bias + i, n - i);
            store(y + i, n - i, activate(x, act));
        }
}

static void bias_act_f32(int64_t m, int64_t n, float *y, int64_t ldy, const float *bias,
                         emb_activation act)
{
    switch (act) {
#define CASE(name) case name: bias_act(m, n, y, ldy, bias, name); break;
    CASE(EMB_ACT_NONE)
    CASE(EMB_ACT_GELU)
    case EMB_ACT_GELU_FAST:
    CASE(EMB_ACT_GELU_TANH)
    CASE(EMB_ACT_GELU_NEAR)
    CASE(EMB_ACT_GELU_TANH_NEAR)
    CASE(EMB_ACT_QUICK_GELU)
    CASE(EMB_ACT_SILU)
    CASE(EMB_ACT_RELU)
    CASE(EMB_ACT_RELU2)
    CASE(EMB_ACT_TANH)
    CASE(EMB_ACT_SIGMOID)
#undef CASE
    }
}

static void scale_f32(int64_t n, const float *x, float divisor, float *y)
{
    for (int64_t i = 0; i < n; i += WIDTH) store(y + i, n - i, load(x + i, n - i) / set(divisor));
}

static void divide_rows_f32(int64_t m, int64_t n, float *y, int64_t ldy, const float *divisors)
{
    for (int64_t row = 0; row < m; row++, y += ldy) scale_f32(n, y, divisors[row], y);
}

static void add_rows_f32(int64_t n, const float *a, const float *b, const float *c, float *y)
{
    for (int64_t i = 0; i < n; i += WIDTH) {
        vec sum = load(a + i, n - i);
        if (b) sum = sum + load(b + i, n - i);
        if (c) sum = sum + load(c + i, n - i);
        store(y + i, n - i, sum);
    }
}

static void add_block_f32(int64_t m, int64_t n, const float *x, int64_t ldx, const float *bias,
                          const float *scale, float *y, int64_t ldy)
{
    for (int64_t row = 0; row < m; row++, x += ldx, y += ldy)
        for (int64_t i = 0; i < n; i += WIDTH) {
            vec added = load(x + i, n - i);
            if (bias) added = added + load(bias + i, n - i);
            if (scale) added = added * load(scale + i, n - i);
            store(y + i, n - i, load(y + i, n - i) + added);
        }
}

static void multiply_f32(int64_t m, int64_t n, const float *x, int64_t ldx, float *y, int64_t ldy)
{
    for (int64_t row = 0; row < m; row++, x += ldx, y += ldy)
        for (int64_t i = 0; i < n; i += WIDTH) store(y + i, n - i, load(y + i, n - i) * load(x + i, n - i));
}

static void add_scores_f32(int64_t m, int64_t n, float *p, int64_t ldp, float scale,
                           const float *bias, int64_t ldb)
{
    for (int64_t row = 0; row < m; row++, p += ldp, bias += ldb)
        for (int64_t i = 0; i < n; i += WIDTH)
            store(p + i, n - i, mul_add(load(p + i, n - i), set(scale), load(bias + i, n - i)));
}

static void rope_f32(int64_t m, int64_t heads, int64_t dim, const float *angles, float *y,
                     int64_t ldy)
{
    const int64_t half = dim / 2;

    for (int64_t row = 0; row < m; row++, angles += dim, y += ldy)
        for (int64_t head = 0; head < heads; head++)
            for (int64_t i = 0; i < half; i += WIDTH) {
                float *const low = y + head * dim + i, *const high = low + half;
                const int64_t left = half - i;
                const vec a = load(low, left), b = load(high, left);
                const vec c = load(angles + i, left), s = load(angles + half + i, left);
                store(low, left, a * c - b * s);
                store(high, left, b * c + a * s);
            }
}

static void resample_f32(int64_t n, int64_t taps, const float *x, int64_t ldx,
                         const float *weights, float *y)
{
    for (int64_t i = 0; i < n; i += WIDTH) {
        vec sum = set(0.0f);
        for (int64_t t = 0; t < taps; t++) sum = mul_add(set(weights[t]), load(x + t * ldx + i, n - i), sum);
        store(y + i, n - i, sum);
    }
}

#endif
