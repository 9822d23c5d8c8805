/* Our own product: weights in panels of sixteen outputs, packed once, read by a kernel. */
#include "backend.h"

/* The kernel reads each panel once for all rows of a, and the rows of a once for each panel: a
 * block of rows stays in the second-level cache. 768 KiB of a leave room in 1 MiB for panels and
 * results. */
enum { BLOCK_FLOATS = 192 * 1024, BLOCK_ROWS_MIN = 48 };

static void fill(const emb_kernels *kernels, emb_matrix *matrix, int64_t first, int64_t count,
                 const float *rows)
{
    kernels->pack_rows_f32(count, matrix->k, rows, matrix->k, matrix->data + first * matrix->k);
}

static void run(const emb_kernels *kernels, const emb_matrix *w, int64_t first, int64_t count,
                int64_t m, const float *a, int64_t lda, float *c, int64_t ldc)
{
    const int64_t most = EMB_MAX(BLOCK_FLOATS / w->k, BLOCK_ROWS_MIN);
    const int64_t blocks = (m + most - 1) / most;

    for (int64_t i = 0, row = 0, rows; i < blocks; i++, row += rows) {
        rows = (m - row) / (blocks - i);
        kernels->gemm_f32(rows, count, w->k, a + row * lda, lda, w->data + first * w->k,
                          c + row * ldc, ldc);
    }
}

const emb_gemm emb_gemm_packed = {"packed", false, EMB_PANEL, fill, run};
