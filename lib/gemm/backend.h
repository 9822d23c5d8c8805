/* backend: what stands behind an emb_gemm. Private to gemm/. */
#ifndef EMB_GEMM_BACKEND_H
#define EMB_GEMM_BACKEND_H

#include "gemm.h"

struct emb_gemm {
    const char *name;
    bool whole;
    int64_t panel; /* the rows of a matrix are stored in groups of that many */
    void (*fill)(const emb_kernels *kernels, emb_matrix *matrix, int64_t first, int64_t count,
                 const float *rows);
    void (*run)(const emb_kernels *kernels, const emb_matrix *w, int64_t first, int64_t count,
                int64_t m, const float *a, int64_t lda, float *c, int64_t ldc);
};

extern const emb_gemm emb_gemm_packed;
/* of EMB_STORED_BF16_PAIRS: numbers of a row, with the zero that makes them even; rows as in
 * emb_matrix_fill */
int64_t emb_bf16_depth(int64_t k);
void emb_bf16_fill(const emb_kernels *kernels, const emb_matrix *matrix, int64_t first,
                   int64_t count, const float *rows);
int32_t emb_gemm_blas(const emb_gemm **gemm, embed_error *error); /* loads the library */

#endif
