/* Matrices of whole numbers: panels of 8 bits for the first outputs of a matrix, of 16 for the others, made
 * of float rows. */
#include "gemm.h"

static size_t whole_panels(int64_t n)
{
    return (size_t)(n + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL;
}

/* Floats that the parts of a matrix take, one behind the other; false: overflow */
typedef struct {
    size_t int8, scales, sums, int16, fine_scales, all;
} parts;
static bool parts_of(const emb_matrix *w, parts *p)
{
    const size_t eight = whole_panels(w->whole), sixteen = whole_panels(w->n - w->whole);
    size_t bytes, words;

    if (!emb_mul(eight, (size_t)emb_int8_depth(w->k), &bytes) ||
        !emb_mul(sixteen, (size_t)emb_int16_depth(w->k), &words))
        return false;
    *p = (parts){.scales = bytes / 4};
    return emb_add(p->scales, eight, &p->sums) && emb_add(p->sums, eight, &p->int16) &&
           emb_add(p->int16, words / 2, &p->fine_scales) && emb_add(p->fine_scales, sixteen, &p->all);
}

bool emb_int8_floats(const emb_matrix *matrix, size_t *floats)
{
    parts p;

    if (matrix->whole < 0 || matrix->n < matrix->whole || matrix->k < 0 || !parts_of(matrix, &p)) return false;
    *floats = p.all;
    return true;
}

void emb_int8_place(emb_matrix *matrix, float *memory)
{
    parts p;

    parts_of(matrix, &p);
    matrix->data = memory;
    matrix->int8 = (emb_panels_i8){(int8_t *)memory, memory + p.scales, (int32_t *)(void *)(memory + p.sums)};
    matrix->int16 = (emb_panels_i16){(int16_t *)(void *)(memory + p.int16), memory + p.fine_scales};
}

static emb_panels_i8 panels_from(const emb_matrix *w, int64_t first)
{
    return (emb_panels_i8){w->int8.data + first * emb_int8_depth(w->k), w->int8.scales + first,
                           w->int8.sums + first};
}

static emb_panels_i16 fine_from(const emb_matrix *w, int64_t first)
{
    const int64_t output = first - w->whole;
    return (emb_panels_i16){w->int16.data + output * emb_int16_depth(w->k), w->int16.scales + output};
}

void emb_int8_fill(const emb_kernels *kernels, const emb_matrix *matrix, int64_t first, int64_t count,
                   const float *rows, float *row)
{
    const float *factors = matrix->factors ? matrix->factors + matrix->k : NULL;

    if (first < matrix->whole) {
        const emb_panels_i8 panels = panels_from(matrix, first);
        kernels->pack_rows_i8(count, matrix->k, rows, matrix->k, factors, row, &panels);
    } else {
        const emb_panels_i16 panels = fine_from(matrix, first);
        kernels->pack_rows_i16(count, matrix->k, rows, matrix->k, factors, row, &panels);
    }
}

void emb_int8_run(const emb_kernels *kernels, const emb_matrix *w, int64_t first, int64_t count,
                  int64_t m, const emb_rows_i8 *a, const emb_rows_i16 *fine, const float *bias,
                  float *c, int64_t ldc)
{
    if (first < w->whole) {
        const emb_panels_i8 panels = panels_from(w, first);
        kernels->gemm_i8(m, count, w->k, a, &panels, bias, c, ldc);
    } else {
        const emb_panels_i16 panels = fine_from(w, first);
        kernels->gemm_i16(m, count, w->k, fine, &panels, bias, c, ldc);
    }
}
