/* gemm: matrices of weights prepared once for a backend, and the product with activations. Two
 * backends behind one interface: our packed panels (packed.c) and OpenBLAS (blas.c, the only
 * includer of cblas.h). */
#ifndef EMB_GEMM_H
#define EMB_GEMM_H

#include "../kernels/kernels.h"

typedef struct emb_gemm emb_gemm; /* a backend: a constant table, see gemm.c */

/* What floats are stored as; f16 and bf16 (with the packed backend alone) are rounded when a matrix
 * is filled, and widened exactly by the product. Pairs of bf16 are for native dot products. */
typedef enum {
    EMB_STORED_F32, EMB_STORED_F16, EMB_STORED_BF16, EMB_STORED_BF16_PAIRS
} emb_storage;

/* A weight matrix [n][k] (PyTorch's Linear: out, in) in the backend's layout. */
typedef struct emb_matrix {
    int64_t n, k;
    emb_storage storage; /* of data */
    float *data; /* packed: panels [ceil(n/16)][k][16]; blas: rows [n][k]. 64-byte aligned */
    /* whole > 0: its numbers are whole, in int8 those of outputs 0 .. whole - 1, in int16 those of the others */
    int64_t whole;
    emb_panels_i8 int8;
    emb_panels_i16 int16;
    const float *factors; /* of its inputs then: [k] of activations, [k] of weights; or NULL */
} emb_matrix;

/* EMBED_GEMM_AUTO or _PACKED never fail. _BLAS loads the library; EMBED_EUNSUPPORTED with the
 * reason. */
int32_t emb_gemm_for(int32_t which, const emb_gemm **gemm, embed_error *error);
const char *emb_gemm_name(const emb_gemm *g);   /* "packed", "blas" */
/* What is built in: "built=c,avx2,avx512 blas=openblas(dlopen) compiler=12.2.0". Static. */
const char *emb_gemm_build_info(void);

/* Room that a matrix's data takes, in floats. false: overflow. */
bool emb_matrix_floats(const emb_gemm *g, emb_storage storage, int64_t n, int64_t k,
                       size_t *floats);
/* Fill rows first .. first+count-1 of a matrix from rows[count][k] (contiguous). first is a
 * multiple of 16 (packed panels are written whole: the spare columns of the last one become
 * zero). */
void emb_matrix_fill(const emb_gemm *g, const emb_kernels *kernels, emb_matrix *matrix,
                     int64_t first, int64_t count, const float *rows);
/* c[m][count] = a[m][k] x w^T for columns first .. first+count-1 of the n outputs; first is a
 * multiple of 16. */
void emb_gemm_run(const emb_gemm *g, const emb_kernels *kernels, const emb_matrix *w, int64_t first,
                  int64_t count, int64_t m, const float *a, int64_t lda, float *c, int64_t ldc);

/* Whole numbers, with the packed backend alone: room for a matrix whose n, k and whole are set, in
 * floats; its place in that, 64-byte aligned, which data is set to; filling and running, as above, of
 * outputs on one side of whole. row[k] is scratch; fine is read where there are outputs of int16; bias
 * may be NULL. */
bool emb_int8_floats(const emb_matrix *matrix, size_t *floats);
void emb_int8_place(emb_matrix *matrix, float *memory);
void emb_int8_fill(const emb_kernels *kernels, const emb_matrix *matrix, int64_t first, int64_t count,
                   const float *rows, float *row);
void emb_int8_run(const emb_kernels *kernels, const emb_matrix *w, int64_t first, int64_t count,
                  int64_t m, const emb_rows_i8 *a, const emb_rows_i16 *fine, const float *bias,
                  float *c, int64_t ldc);

/* Native bf16 dot products: EMBED_EUNSUPPORTED where kernels have none or, unless always, where
 * they are not 1.5x as fast as floats, which takes a millisecond or two to measure. */
int32_t emb_bf16_check(const emb_kernels *kernels, bool always, const emb_allocator *allocator,
                       embed_error *error);

/* true: the backend threads by itself and wants whole products (blas). */
bool emb_gemm_whole(const emb_gemm *g);

#endif
