/* The backends by name, and the calls that pass through to one of them. */
#include "backend.h"

#if defined(__x86_64__)
#define KERNELS "c,avx2,avx512"
#elif defined(__aarch64__)
#define KERNELS "c,neon"
#else
#define KERNELS "c"
#endif
#if defined(EMB_BLAS_DLOPEN)
#define BLAS "openblas(dlopen)"
#elif defined(EMB_BLAS_LINK)
#define BLAS "openblas(linked)"
#else
#define BLAS "none"
#endif

const char *emb_gemm_build_info(void)
{
    return "built=" KERNELS " blas=" BLAS " compiler=" __VERSION__;
}

int32_t emb_gemm_for(int32_t which, const emb_gemm **gemm, embed_error *error)
{
    *gemm = NULL;
    switch (which) {
    case EMBED_GEMM_AUTO:
    case EMBED_GEMM_PACKED:
        *gemm = &emb_gemm_packed;
        return EMBED_OK;
    case EMBED_GEMM_BLAS:
        return emb_gemm_blas(gemm, error);
    }
    return emb_fail(error, EMBED_EINVAL, "gemm: expected an EMBED_GEMM_ value, found %ld",
                    (long)which);
}

const char *emb_gemm_name(const emb_gemm *g)
{
    return g->name;
}

bool emb_gemm_whole(const emb_gemm *g)
{
    return g->whole;
}

bool emb_matrix_floats(const emb_gemm *g, emb_storage storage, int64_t n, int64_t k,
                       size_t *floats)
{
    const int64_t depth = storage == EMB_STORED_BF16_PAIRS && k > 0 ? emb_bf16_depth(k) : k;
    size_t rows;

    if (n < 0 || k < 0 || !emb_add((size_t)n, (size_t)g->panel - 1, &rows) ||
        !emb_mul(rows - rows % (size_t)g->panel, (size_t)depth, floats))
        return false;
    if (storage != EMB_STORED_F32) /* of panels: an even number */
        *floats /= 2;
    return true;
}

void emb_matrix_fill(const emb_gemm *g, const emb_kernels *kernels, emb_matrix *matrix,
                     int64_t first, int64_t count, const float *rows)
{
    g->fill(kernels, matrix, first, count, rows);
}

void emb_gemm_run(const emb_gemm *g, const emb_kernels *kernels, const emb_matrix *w, int64_t first,
                  int64_t count, int64_t m, const float *a, int64_t lda, float *c, int64_t ldc)
{
    g->run(kernels, w, first, count, m, a, lda, c, ldc);
}
