/* Range reduction, then a Taylor series long enough for double. No fused operations: the build turns
 * contraction off. */
#include "math64.h"

#include <math.h>

#define LN2_HIGH 0x1.62e42fee00000p-1 /* ln 2 in two parts, the first exact in products below 2^20 */
#define LN2_LOW  0x1.a39ef35793c76p-33
#define PI2_HIGH 0x1.921fb54400000p+0 /* pi / 2 in three, likewise */
#define PI2_MID  0x1.0b4611a600000p-34
#define PI2_LOW  0x1.3198a2e037073p-69

double emb_exp64(double x)
{
    double n = floor(x / (LN2_HIGH + LN2_LOW) + 0.5);
    double r = (x - n * LN2_HIGH) - n * LN2_LOW; /* |r| <= ln 2 / 2 */
    double sum = 1.0;
    for (int i = 14; i > 0; i--) sum = 1.0 + sum * r / i;
    return ldexp(sum, (int)n);
}

double emb_log64(double x)
{
    int exponent;
    double m = frexp(x, &exponent); /* 0.5 <= m < 1 */
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        exponent--;
    }
    double s = (m - 1) / (m + 1), square = s * s, sum = 0.0; /* ln m = 2 artanh s, |s| < 0.172 */
    for (int i = 21; i > 1; i -= 2) sum = (sum + 1.0 / i) * square;
    return exponent * LN2_HIGH + (exponent * LN2_LOW + 2 * (s + s * sum));
}

/* sine of x plus so many quarter turns */
static double sine(double x, int quarters)
{
    double n = floor(x / PI2_HIGH + 0.5);
    double r = ((x - n * PI2_HIGH) - n * PI2_MID) - n * PI2_LOW; /* |r| <= pi / 4 */
    double square = r * r, sum = 1.0;
    int quarter = ((int)fmod(n, 4.0) + quarters + 4) % 4;
    if (quarter % 2 == 0) { /* r - r^3 / 3! + ... */
        for (int i = 18; i > 0; i -= 2) sum = 1.0 - sum * square / (i * (i + 1));
        sum *= r;
    } else { /* 1 - r^2 / 2! + ... */
        for (int i = 17; i > 0; i -= 2) sum = 1.0 - sum * square / (i * (i + 1));
    }
    return quarter < 2 ? sum : -sum;
}

double emb_sin64(double x) { return sine(x, 0); }

double emb_cos64(double x) { return sine(x, 1); }
