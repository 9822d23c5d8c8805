/* The int8 kernels in plain C: the reference that int8.h describes and the vector files are
 * compared with. */
#include "int8.h"
#include "kernels.h"
#include "math.h"

/* Parts p and p + h of a row, their sum and difference in place. */
static void turn(int64_t k, float *row)
{
    const int64_t parts = emb_int8_parts(k), length = k / parts;

    for (int64_t h = 1; h < parts; h *= 2)
        for (int64_t p = 0; p < parts; p++)
            for (int64_t i = 0; !(p & h) && i < length; i++) {
                float *a = row + p * length + i, *b = a + h * length;
                const float sum = *a + *b, difference = *a - *b;
                *a = sum;
                *b = difference;
            }
}

/* row = x * factors turned, and its smallest and largest numbers, with 0 among them; infinite where one
 * of the row is not finite */
static void prepare(int64_t k, const float *x, const float *factors, float *row, float *low,
                    float *high)
{
    for (int64_t i = 0; i < k; i++)
        row[i] = factors ? x[i] * factors[i] : x[i];
    turn(k, row);
    *low = *high = 0.0f;
    for (int64_t i = 0; i < k; i++) {
        *low = row[i] < *low ? row[i] : *low;
        *high = row[i] > *high ? row[i] : *high;
    }
    for (int64_t i = 0; i < k; i++)
        if (!isfinite(row[i])) *high = INFINITY;
}

static int32_t rounded(float x, float inverse, float offset)
{
    return (int32_t)(emb_bits_of(fmaf(x, inverse, offset)) - emb_bits_of(EMB_INT8_ROUND));
}

void emb_quantize_rows_c(int64_t m, int64_t k, const float *x, int64_t ldx, const float *factors,
                         float *row, const emb_rows_i8 *out)
{
    const int64_t depth = emb_int8_depth(k);

    for (int64_t r = 0; r < m; r++, x += ldx) {
        uint8_t *u = out->data + r * out->ld;
        float low, high;

        prepare(k, x, factors, row, &low, &high);
        const emb_int8_steps s = emb_int8_of_activations(low, high);
        out->scales[r] = s.scale;
        out->zeros[r] = s.zero;
        for (int64_t i = 0; i < depth; i++)
            u[i] = i < k && s.inverse > 0 ? (uint8_t)rounded(row[i], s.inverse, s.offset) : 0;
    }
}

void emb_pack_rows_i8_c(int64_t n, int64_t k, const float *b, int64_t ldb, const float *factors,
                        float *row, const emb_panels_i8 *w)
{
    const int64_t depth = emb_int8_depth(k), outputs = (n + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL;

    for (int64_t j = 0; j < outputs; j++) {
        int8_t *panel = w->data + j / EMB_PANEL * depth * EMB_PANEL + j % EMB_PANEL * 4;
        float low = 0.0f, high = 0.0f;
        int32_t sum = 0;

        if (j < n) prepare(k, b + j * ldb, factors, row, &low, &high);
        const emb_int8_steps s = emb_int8_of_weights(low, high, k);
        w->scales[j] = s.scale;
        for (int64_t i = 0; i < depth; i++) {
            const bool some = i < k && s.inverse > 0;
            const int32_t q = some ? rounded(row[i], s.inverse, s.offset) : 0;
            panel[i / 4 * 4 * EMB_PANEL + i % 4] = (int8_t)q;
            sum += q;
        }
        w->sums[j] = sum;
    }
}

/* The sum over a row and a column of a panel. */
static int32_t product(int64_t depth, const uint8_t *u, int32_t zero, const int8_t *panel)
{
    int32_t sum = 0;
    for (int64_t i = 0; i < depth; i++)
        sum += (u[i] - zero) * panel[i / 4 * 4 * EMB_PANEL + i % 4];
    return sum;
}

void emb_gemm_i8_c(int64_t m, int64_t n, int64_t k, const emb_rows_i8 *a, const emb_panels_i8 *w,
                   const float *bias, float *c, int64_t ldc)
{
    const int64_t depth = emb_int8_depth(k);

    for (int64_t r = 0; r < m; r++)
        for (int64_t j = 0; j < n; j++) {
            const int8_t *panel = w->data + j / EMB_PANEL * depth * EMB_PANEL + j % EMB_PANEL * 4;
            const int32_t sum = product(depth, a->data + r * a->ld, a->zeros[r], panel);
            const float y = (float)sum * (a->scales[r] * w->scales[j]);
            c[r * ldc + j] = bias ? y + bias[j] : y;
        }
}
