/* Matrices of whole numbers: int8 panels for the first outputs of a matrix, made of float rows. */
#include "gemm.h"

/* What the panels of n outputs take, and their scales and sums behind them. */
static bool panel_bytes(int64_t n, int64_t k, size_t *panels, size_t *all)
{
    const size_t outputs = (size_t)(n + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL;
    return emb_mul(outputs, (size_t)emb_int8_depth(k), panels) &&
           emb_add(*panels, outputs * (sizeof(float) + sizeof(int32_t)), all);
}

bool emb_int8_floats(int64_t n, int64_t k, size_t *floats)
{
    size_t panels, all;

    if (n < 0 || k < 0 || !panel_bytes(n, k, &panels, &all)) return false;
    *floats = all / sizeof(float);
    return true;
}

void emb_int8_place(emb_matrix *matrix, int64_t whole, float *memory)
{
    size_t panels, all;

    panel_bytes(whole, matrix->k, &panels, &all);
    float *scales = memory + panels / sizeof *memory;
    matrix->whole = whole;
    matrix->int8.data = (int8_t *)memory;
    matrix->int8.scales = scales;
    matrix->int8.sums = (int32_t *)(void *)scales + (whole + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL;
    matrix->data = memory + all / sizeof *memory;
}

static emb_panels_i8 panels_from(const emb_matrix *w, int64_t first)
{
    return (emb_panels_i8){w->int8.data + first * emb_int8_depth(w->k), w->int8.scales + first,
                           w->int8.sums + first};
}

void emb_int8_fill(const emb_kernels *kernels, emb_matrix *matrix, int64_t first, int64_t count,
                   const float *rows, float *row)
{
    const emb_panels_i8 panels = panels_from(matrix, first);
    const float *factors = matrix->factors ? matrix->factors + matrix->k : NULL;
    kernels->pack_rows_i8(count, matrix->k, rows, matrix->k, factors, row, &panels);
}

void emb_int8_run(const emb_kernels *kernels, const emb_matrix *w, int64_t first, int64_t count,
                  int64_t m, const emb_rows_i8 *a, const float *bias, float *c, int64_t ldc)
{
    const emb_panels_i8 panels = panels_from(w, first);
    kernels->gemm_i8(m, count, w->k, a, &panels, bias, c, ldc);
}
