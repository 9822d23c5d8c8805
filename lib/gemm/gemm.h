/* gemm: matrices of weights prepared once for a backend, and the product with activations. Two
 * backends behind one interface: our packed panels (packed.c) and OpenBLAS (blas.c, the only
 * includer of cblas.h). */
#ifndef EMB_GEMM_H
#define EMB_GEMM_H

#include "../kernels/kernels.h"

typedef struct emb_gemm emb_gemm; /* a backend: a constant table, see gemm.c */

/* A weight matrix [n][k] (PyTorch's Linear: out, in) in the backend's layout. */
typedef struct emb_matrix {
    int64_t n, k;
    float *data; /* packed: panels [ceil(n/16)][k][16]; blas: rows [n][k]. 64-byte aligned */
} emb_matrix;

/* EMBED_GEMM_AUTO or _PACKED never fail. _BLAS loads the library; EMBED_EUNSUPPORTED with the
 * reason. */
int32_t emb_gemm_for(int32_t which, const emb_gemm **gemm, embed_error *error);
const char *emb_gemm_name(const emb_gemm *g);   /* "packed", "blas" */
/* What is built in: "built=c,avx2,avx512 blas=openblas(dlopen) compiler=12.2.0". Static. */
const char *emb_gemm_build_info(void);

/* Floats that a matrix's data takes. false: overflow. */
bool emb_matrix_floats(const emb_gemm *g, int64_t n, int64_t k, size_t *floats);
/* Fill rows first .. first+count-1 of a matrix from rows[count][k] (contiguous). first is a
 * multiple of 16 (packed panels are written whole: the spare columns of the last one become
 * zero). */
void emb_matrix_fill(const emb_gemm *g, const emb_kernels *kernels, emb_matrix *matrix,
                     int64_t first, int64_t count, const float *rows);
/* c[m][count] = a[m][k] x w^T for columns first .. first+count-1 of the n outputs; first is a
 * multiple of 16. */
void emb_gemm_run(const emb_gemm *g, const emb_kernels *kernels, const emb_matrix *w, int64_t first,
                  int64_t count, int64_t m, const float *a, int64_t lda, float *c, int64_t ldc);
/* true: the backend threads by itself and wants whole products (blas). */
bool emb_gemm_whole(const emb_gemm *g);

#endif
