/* The int8 kernels in plain C: the reference that int8.h describes and the vector files are
 * compared with. */
#include "int8.h"
#include "kernels.h"
#include "math.h"

static void turn(int64_t k, float *row)
{
    const int64_t far = emb_int8_far_parts(k), near = emb_int8_parts(k) / far;

    for (int64_t h = 1; h < far; h *= 2) emb_int8_turn_level(k, k / far * h, row);
    for (int64_t h = 1; h < near; h *= 2) emb_int8_turn_level(k, h, row);
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

/* row[k] as whole numbers, and zeros up to depth */
static int32_t whole(const float *row, int64_t i, int64_t k, emb_int8_steps s)
{
    if (i >= k || !(s.inverse > 0)) return 0;
    return (int32_t)(emb_bits_of(fmaf(row[i], s.inverse, s.offset)) - emb_bits_of(EMB_INT8_ROUND));
}

void emb_quantize_rows_c(int64_t m, int64_t k, const float *x, int64_t ldx, const float *factors,
                         float *rows, const emb_rows_i8 *out, const emb_rows_i16 *fine)
{
    for (int64_t r = 0; r < m; r++, x += ldx) {
        float *row = rows, low, high;

        prepare(k, x, factors, row, &low, &high);
        const emb_int8_steps s = emb_int8_of_activations(low, high);
        const emb_int8_steps t = emb_int16_of_activations(low, high, k);
        out->scales[r] = s.scale;
        out->zeros[r] = s.zero - EMB_INT8_MIDDLE;
        for (int64_t i = 0; i < emb_int8_depth(k); i++)
            out->data[r * out->ld + i] = (uint8_t)whole(row, i, k, s);
        if (!fine)
            continue;
        fine->scales[r] = t.scale;
        for (int64_t i = 0; i < emb_int16_depth(k); i++)
            fine->data[r * fine->ld + i] = (int16_t)whole(row, i, k, t);
    }
}

void emb_pack_rows_i8_c(int64_t n, int64_t k, const float *b, int64_t ldb, const float *factors,
                        float *row, const emb_panels_i8 *w)
{
    const int64_t depth = emb_int8_depth(k), outputs = (n + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL;

    for (int64_t j = 0; j < outputs; j++) {
        int8_t *panel = w->data + j / EMB_PANEL * depth * EMB_PANEL + j % EMB_PANEL * 4;
        float low = 0.0f, high = 0.0f;

        if (j < n) prepare(k, b + j * ldb, factors, row, &low, &high);
        const emb_int8_steps s = emb_int8_of_weights(low, high, k);
        w->scales[j] = s.scale;
        w->sums[j] = 0;
        for (int64_t i = 0; i < depth; i++) {
            const int32_t q = whole(row, i, k, s);
            panel[i / 4 * 4 * EMB_PANEL + i % 4] = (int8_t)q;
            w->sums[j] += q;
        }
    }
}

void emb_pack_rows_i16_c(int64_t n, int64_t k, const float *b, int64_t ldb, const float *factors,
                         float *row, const emb_panels_i16 *w)
{
    const int64_t depth = emb_int16_depth(k), outputs = (n + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL;

    for (int64_t j = 0; j < outputs; j++) {
        int16_t *panel = w->data + j / EMB_PANEL * depth * EMB_PANEL + j % EMB_PANEL * 2;
        float low = 0.0f, high = 0.0f;

        if (j < n) prepare(k, b + j * ldb, factors, row, &low, &high);
        const emb_int8_steps s = emb_int16_of_weights(low, high, k);
        w->scales[j] = s.scale;
        for (int64_t i = 0; i < depth; i++)
            panel[i / 2 * 2 * EMB_PANEL + i % 2] = (int16_t)whole(row, i, k, s);
    }
}

/* Sums of up to 1032 products, of 128 * 127 each at most, are exact as floats, which every CPU is quick with;
 * some rows share what is made of the weights. */
enum { BLOCK = EMB_K_BLOCK_MAX, ROWS = 8, FOURS = EMB_PANEL / 4 };
typedef float four __attribute__((vector_size(16)));

/* sums[16] += a row x a panel, of count numbers */
static void add_products(int64_t count, const uint8_t *u, const float *panel, int32_t *sums)
{
    four partial[FOURS] = {{0}}, w;

    for (int64_t i = 0; i < count; i++) {
        const float x = (float)(u[i] - EMB_INT8_MIDDLE);
#pragma GCC unroll 4
        for (int j = 0; j < FOURS; j++) {
            memcpy(&w, panel + i * EMB_PANEL + 4 * j, sizeof w);
            partial[j] += x * w;
        }
    }
    for (int j = 0; j < EMB_PANEL; j++) sums[j] += (int32_t)partial[j / 4][j % 4];
}

/* sums[rows][16] of a few rows and a panel */
static void panel_sums(int64_t rows, int64_t depth, const emb_rows_i8 *a, int64_t row, const int8_t *panel,
                       int32_t sums[ROWS][EMB_PANEL])
{
    float wide[BLOCK * EMB_PANEL];

    memset(sums, 0, ROWS * sizeof *sums);
    for (int64_t at = 0; at < depth; at += BLOCK) {
        const int64_t count = EMB_MIN(depth - at, BLOCK);
        for (int64_t i = 0; i < count; i += 4)
            for (int j = 0; j < EMB_PANEL; j++)
                for (int p = 0; p < 4; p++)
                    wide[(i + p) * EMB_PANEL + j] = panel[(at + i) * EMB_PANEL + 4 * j + p];
        for (int64_t r = 0; r < rows; r++)
            add_products(count, a->data + (row + r) * a->ld + at, wide, sums[r]);
    }
}

void emb_gemm_i8_c(int64_t m, int64_t n, int64_t k, const emb_rows_i8 *a, const emb_panels_i8 *w,
                   const float *bias, float *c, int64_t ldc)
{
    const int64_t depth = emb_int8_depth(k);
    int32_t sums[ROWS][EMB_PANEL];

    for (int64_t row = 0; row < m; row += ROWS)
        for (int64_t first = 0; first < n; first += EMB_PANEL) {
            const int64_t rows = EMB_MIN(m - row, ROWS), columns = EMB_MIN(n - first, EMB_PANEL);
            panel_sums(rows, depth, a, row, w->data + first * depth, sums);
            for (int64_t r = row; r < row + rows; r++)
                for (int64_t j = first; j < first + columns; j++) {
                    const float sum = fmaf(-a->zeros[r], (float)w->sums[j], (float)sums[r - row][j - first]);
                    c[r * ldc + j] = fmaf(sum * a->scales[r], w->scales[j], bias ? bias[j] : 0.0f);
                }
        }
}

void emb_gemm_i16_c(int64_t m, int64_t n, int64_t k, const emb_rows_i16 *a, const emb_panels_i16 *w,
                    const float *bias, float *c, int64_t ldc)
{
    const int64_t depth = emb_int16_depth(k);

    for (int64_t row = 0; row < m; row++)
        for (int64_t first = 0; first < n; first += EMB_PANEL) {
            const int16_t *x = a->data + row * a->ld, *panel = w->data + first * depth;
            uint32_t sums[EMB_PANEL] = {0}; /* what a file has may wrap */

            for (int64_t i = 0; i < depth; i += 2, panel += 2 * EMB_PANEL)
                for (int j = 0; j < EMB_PANEL; j++)
                    sums[j] += (uint32_t)(x[i] * panel[2 * j]) + (uint32_t)(x[i + 1] * panel[2 * j + 1]);
            for (int64_t j = first; j < EMB_MIN(n, first + EMB_PANEL); j++) {
                const float sum = (float)(int32_t)sums[j - first];
                c[row * ldc + j] = fmaf(sum * a->scales[row], w->scales[j], bias ? bias[j] : 0.0f);
            }
        }
}
