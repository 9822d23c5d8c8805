/* Our own product: weights in panels of sixteen outputs, packed once, read by a kernel. */
#include "backend.h"

/* The kernel reads each panel once for all rows of a, and the rows of a once for each panel: a
 * block of rows stays in the second-level cache. 768 KiB of a leave room in 1 MiB for panels and
 * results. */
enum { BLOCK_FLOATS = 192 * 1024, BLOCK_ROWS_MIN = 48 };

static uint16_t *halves_of(const emb_matrix *w)
{
    return (uint16_t *)(void *)w->data;
}

/* The same panels of 16-bit numbers, some rows of one at a time. */
static void fill_16(const emb_kernels *kernels, const emb_matrix *matrix, int64_t first,
                    int64_t count, const float *rows)
{
    enum { STEP = 64 };
    void (*const narrow)(int64_t, const float *, uint16_t *) =
        matrix->storage == EMB_STORED_F16 ? kernels->narrow_f16 : kernels->narrow_bf16;
    const int64_t k = matrix->k;
    _Alignas(64) float panel[STEP * EMB_PANEL];

    for (int64_t row = 0; row < count; row += EMB_PANEL)
        for (int64_t at = 0; at < k; at += STEP) {
            const int64_t n = EMB_MIN(k - at, STEP);
            kernels->pack_rows_f32(EMB_MIN(count - row, EMB_PANEL), n, rows + row * k + at, k,
                                   panel);
            narrow(n * EMB_PANEL, panel, halves_of(matrix) + (first + row) * k + at * EMB_PANEL);
        }
}

static void fill(const emb_kernels *kernels, emb_matrix *matrix, int64_t first, int64_t count,
                 const float *rows)
{
    if (matrix->storage == EMB_STORED_BF16_PAIRS)
        emb_bf16_fill(kernels, matrix, first, count, rows);
    else if (matrix->storage == EMB_STORED_F32)
        kernels->pack_rows_f32(count, matrix->k, rows, matrix->k, matrix->data + first * matrix->k);
    else
        fill_16(kernels, matrix, first, count, rows);
}

static void run_rows(const emb_kernels *kernels, const emb_matrix *w, int64_t first, int64_t count,
                     int64_t m, const float *a, int64_t lda, float *c, int64_t ldc)
{
    const int64_t k = w->k;
    switch (w->storage) {
    case EMB_STORED_F32:
        kernels->gemm_f32(m, count, k, a, lda, w->data + first * k, c, ldc);
        break;
    case EMB_STORED_F16:
        kernels->gemm_f16(m, count, k, a, lda, halves_of(w) + first * k, c, ldc);
        break;
    case EMB_STORED_BF16:
        kernels->gemm_bf16(m, count, k, a, lda, halves_of(w) + first * k, c, ldc);
        break;
    case EMB_STORED_BF16_PAIRS:
        kernels->gemm_bf16_pairs(m, count, k, a, lda, halves_of(w) + first * emb_bf16_depth(k), c,
                                 ldc);
        break;
    }
}

static void run(const emb_kernels *kernels, const emb_matrix *w, int64_t first, int64_t count,
                int64_t m, const float *a, int64_t lda, float *c, int64_t ldc)
{
    const int64_t most = EMB_MAX(BLOCK_FLOATS / w->k, BLOCK_ROWS_MIN);
    const int64_t blocks = (m + most - 1) / most;

    for (int64_t i = 0, row = 0, rows; i < blocks; i++, row += rows) {
        rows = (m - row) / (blocks - i);
        run_rows(kernels, w, first, count, rows, a + row * lda, lda, c + row * ldc, ldc);
    }
}

const emb_gemm emb_gemm_packed = {"packed", false, EMB_PANEL, fill, run};
