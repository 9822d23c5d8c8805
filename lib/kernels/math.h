/* Elementary functions in one fixed sequence of operations: the scalar form, which every
 * instruction set repeats operation by operation. Accuracy and the source of the constants:
 * docs/numerics.md. `v > hi ? hi : v` and `v < lo ? lo : v` let a NaN through, as the vector
 * minimum and maximum do with the constant as their first operand. */
#ifndef EMB_KERNELS_MATH_H
#define EMB_KERNELS_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define EMB_EXP_MIN -105.0f /* below: 0. Above EMB_EXP_MAX: infinity */
#define EMB_EXP_MAX 89.0f
#define EMB_LOG2_E 1.44269502f
#define EMB_ROUND 12582912.0f /* 1.5 * 2^23: adding it rounds to an integer, kept in the low bits */
#define EMB_ROUND_BITS 0x4b400000u
#define EMB_LN2_HIGH 0.693359375f /* ln 2 = high + low; n * high is exact */
#define EMB_LN2_LOW -2.12194440e-4f

/* exp(r) = 1 + r + r^2 (E0 + E1 r + ...) on |r| <= ln 2 / 2 */
#define EMB_EXP_E0 0.49999994f
#define EMB_EXP_E1 0.166665211f
#define EMB_EXP_E2 0.0416682884f
#define EMB_EXP_E3 0.00836870354f
#define EMB_EXP_E4 0.00138189388f

/* Phi(x) = 1/2 + x (C0 + C1 x^2 + ...) on |x| < 1, Phi the normal distribution function */
#define EMB_GELU_C0 0.398942292f
#define EMB_GELU_C1 -0.0664909109f
#define EMB_GELU_C2 0.0099775726f
#define EMB_GELU_C3 -0.00119792996f
#define EMB_GELU_C4 0.000126494007f
#define EMB_GELU_C5 -1.27800458e-05f
/* a Phi(-a) exp(a^2 / 2) = (N0 + N1 a + ...) / (1 + D1 a + ...) on 1 <= a <= 15 */
#define EMB_GELU_N0 0.000381175807f
#define EMB_GELU_N1 0.497891843f
#define EMB_GELU_N2 0.417786151f
#define EMB_GELU_N3 0.154587105f
#define EMB_GELU_N4 0.0291241501f
#define EMB_GELU_D1 1.6226238f
#define EMB_GELU_D2 1.12129176f
#define EMB_GELU_D3 0.387444347f
#define EMB_GELU_D4 0.0730043426f
#define EMB_GELU_MAX 15.0f /* from there on x Phi(x) is x or 0 */

/* Phi(x) = 1/2 + x (c[0] + c[1] x^2 + ...) on |x| <= 4, whose ends are 0 and 1; x Phi(x) to 1.4e-4, to 4.6e-5
 * where |x| < 3. And likewise (1 + tanh(z)) / 2, z as below */
#define EMB_GELU_NEAR_MAX 4.0f
enum { EMB_GELU_NEAR_TERMS = 8 };
static const float emb_gelu_near_terms[EMB_GELU_NEAR_TERMS] = {
    0.398659229f, -0.0658835173f, 0.00950387307f, -0.00100548437f,
    7.45760117e-05f, -3.62296987e-06f, 1.02294706e-07f, -1.26184907e-09f};
static const float emb_gelu_tanh_near_terms[EMB_GELU_NEAR_TERMS] = {
    0.398677945f, -0.0662090555f, 0.00972074643f, -0.00106176059f,
    8.21016147e-05f, -4.17522187e-06f, 1.23420776e-07f, -1.59108526e-09f};

/* sqrt(2 / pi) (1 + 0.044715 x^2) = Z0 + Z1 x^2 */
#define EMB_GELU_Z0 0.797884583f
#define EMB_GELU_Z1 0.0356774069f

/* tanh(x) = x + x^3 (T0 + T1 x^2 + ...) on |x| < 1 */
#define EMB_TANH_T0 -0.333332956f
#define EMB_TANH_T1 0.133323476f
#define EMB_TANH_T2 -0.0538799912f
#define EMB_TANH_T3 0.0214871988f
#define EMB_TANH_T4 -0.00794689357f
#define EMB_TANH_T5 0.00230192975f
#define EMB_TANH_T6 -0.000358611229f

static inline float emb_float_from(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t emb_bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* exp(x + low), |low| below an ulp or so of x */
static inline float emb_exp_low(float x, float low)
{
    float t, n, r, p;
    uint32_t k, half;

    x = x > EMB_EXP_MAX ? EMB_EXP_MAX : x;
    x = x < EMB_EXP_MIN ? EMB_EXP_MIN : x;
    t = fmaf(x, EMB_LOG2_E, EMB_ROUND);
    n = t - EMB_ROUND;
    r = fmaf(n, -EMB_LN2_HIGH, x);
    r = fmaf(n, -EMB_LN2_LOW, r) + low;
    p = EMB_EXP_E4;
    p = fmaf(p, r, EMB_EXP_E3);
    p = fmaf(p, r, EMB_EXP_E2);
    p = fmaf(p, r, EMB_EXP_E1);
    p = fmaf(p, r, EMB_EXP_E0);
    p = fmaf(r * r, p, r) + 1.0f;
    /* times 2^n in two exact halves, so that only the last product overflows or rounds a
     * denormal */
    k = emb_bits_of(t) - EMB_ROUND_BITS + 256;
    half = k >> 1;
    return p * emb_float_from((half - 1) << 23) * emb_float_from((k - half - 1) << 23);
}

static inline float emb_exp(float x)
{
    return emb_exp_low(x, 0.0f);
}

/* x Phi(x): the exact (erf) GELU. Near zero x/2 + x^2 P(x^2); further out max(x, 0) - |x|
 * Phi(-|x|), whose second term keeps its relative accuracy where 1 + erf(x / sqrt 2) cancels. */
static inline float emb_gelu(float x)
{
    float a = fabsf(x), u, p, q;

    a = a > EMB_GELU_MAX ? EMB_GELU_MAX : a;
    u = a * a;
    if (a < 1.0f) {
        p = EMB_GELU_C5;
        p = fmaf(p, u, EMB_GELU_C4);
        p = fmaf(p, u, EMB_GELU_C3);
        p = fmaf(p, u, EMB_GELU_C2);
        p = fmaf(p, u, EMB_GELU_C1);
        p = fmaf(p, u, EMB_GELU_C0);
        return fmaf(u, p, 0.5f * x);
    }
    p = EMB_GELU_N4;
    p = fmaf(p, a, EMB_GELU_N3);
    p = fmaf(p, a, EMB_GELU_N2);
    p = fmaf(p, a, EMB_GELU_N1);
    p = fmaf(p, a, EMB_GELU_N0);
    q = EMB_GELU_D4;
    q = fmaf(q, a, EMB_GELU_D3);
    q = fmaf(q, a, EMB_GELU_D2);
    q = fmaf(q, a, EMB_GELU_D1);
    q = fmaf(q, a, 1.0f);
    return (x > 0.0f ? x : 0.0f) - emb_exp_low(-0.5f * u, -0.5f * fmaf(a, a, -u)) * (p / q);
}

/* emb_gelu and emb_gelu_tanh but for what is said at the terms: x or 0 where |x| >= 4 */
static inline float emb_gelu_near(float x, const float terms[EMB_GELU_NEAR_TERMS])
{
    const float from = x < -EMB_GELU_NEAR_MAX ? -EMB_GELU_NEAR_MAX : x;
    const float c = from > EMB_GELU_NEAR_MAX ? EMB_GELU_NEAR_MAX : from, u = c * c;
    float p = terms[EMB_GELU_NEAR_TERMS - 1];

    for (int i = EMB_GELU_NEAR_TERMS - 2; i >= 0; i--) p = fmaf(p, u, terms[i]);
    return from * fmaf(c, p, 0.5f);
}

/* A row of this mean and mean of squares, times scale, plus shift, has mean 0 and variance 1. */
typedef struct {
    double scale, shift;
} emb_norm_steps;

static inline emb_norm_steps emb_norm_of(double mean, double squares, float eps)
{
    const double variance = squares - mean * mean;
    const double scale = 1.0 / sqrt((variance < 0 ? 0 : variance) + (double)eps);

    return (emb_norm_steps){scale, -mean * scale};
}

static inline float emb_sigmoid(float x)
{
    return 1.0f / (1.0f + emb_exp(-x));
}

/* |x| < 1 */
static inline float emb_tanh_near(float x)
{
    const float u = x * x;
    float p = EMB_TANH_T6;
    p = fmaf(p, u, EMB_TANH_T5);
    p = fmaf(p, u, EMB_TANH_T4);
    p = fmaf(p, u, EMB_TANH_T3);
    p = fmaf(p, u, EMB_TANH_T2);
    p = fmaf(p, u, EMB_TANH_T1);
    p = fmaf(p, u, EMB_TANH_T0);
    return fmaf(x * u, p, x);
}

static inline float emb_tanh(float x)
{
    const float a = fabsf(x);
    if (a < 1.0f)
        return emb_tanh_near(x);
    return copysignf(1.0f - 2.0f / (emb_exp(a + a) + 1.0f), x);
}

/* x (1 + tanh(z)) / 2, z = sqrt(2 / pi) (x + 0.044715 x^3). Further out max(x, 0) - |x| / (1 +
 * exp(2 |z|)), which does not cancel either. */
static inline float emb_gelu_tanh(float x)
{
    float a = fabsf(x), z, e, h = 0.5f * x;

    a = a > EMB_GELU_MAX ? EMB_GELU_MAX : a;
    z = a * fmaf(a * a, EMB_GELU_Z1, EMB_GELU_Z0);
    if (z < 1.0f)
        return fmaf(fabsf(h), emb_tanh_near(z), h);
    e = emb_exp(-(z + z));
    return (x > 0.0f ? x : 0.0f) - a * (e / (1.0f + e));
}

#endif
