/* The BLAS backend, and the only file that knows cblas.h. EMB_BLAS_DLOPEN loads OpenBLAS at
 * first use (to link it would start its threads in every program), EMB_BLAS_LINK calls it
 * directly; neither: none. */
#include "backend.h"

#if defined(EMB_BLAS_DLOPEN) || defined(EMB_BLAS_LINK)

#include <cblas.h>
#include <limits.h>

typedef void sgemm_fn(enum CBLAS_ORDER, enum CBLAS_TRANSPOSE, enum CBLAS_TRANSPOSE, blasint,
                      blasint, blasint, float, const float *, blasint, const float *, blasint,
                      float, float *, blasint);

#if defined(EMB_BLAS_LINK)

static sgemm_fn *const sgemm = cblas_sgemm;

static int32_t load_sgemm(embed_error *error)
{
    (void)error;
    return EMBED_OK;
}

#else

#include <dlfcn.h>

static const char *const names[] = {
#if defined(__APPLE__)
    "libopenblas.0.dylib", "/opt/homebrew/opt/openblas/lib/libopenblas.0.dylib",
    "/usr/local/opt/openblas/lib/libopenblas.0.dylib",
#else
    "libopenblas.so.0", "libopenblas.so",
#endif
};

/* set once, under the global lock, before a model can use it; never unloaded */
static sgemm_fn *sgemm;

static int32_t load_sgemm(embed_error *error)
{
    emb_global_lock();
    for (int64_t i = 0; !sgemm && i < EMB_COUNT(names); i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        void *symbol = library ? dlsym(library, "cblas_sgemm") : NULL;
        if (symbol)
            memcpy(&sgemm, &symbol, sizeof sgemm);
        else if (library)
            dlclose(library);
    }
    const bool loaded = sgemm != NULL;
    emb_global_unlock();
    if (!loaded)
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "gemm: blas: cannot load %s with cblas_sgemm; is OpenBLAS installed?",
                        names[0]);
    return EMBED_OK;
}

#endif

static void fill(const emb_kernels *kernels, emb_matrix *matrix, int64_t first, int64_t count,
                 const float *rows)
{
    (void)kernels;
    memcpy(matrix->data + first * matrix->k, rows, (size_t)(count * matrix->k) * sizeof *rows);
}

/* BLAS counts in int: more rows than that go in pieces. */
static void run(const emb_kernels *kernels, const emb_matrix *w, int64_t first, int64_t count,
                int64_t m, const float *a, int64_t lda, float *c, int64_t ldc)
{
    (void)kernels;
    for (int64_t row = 0, rows; row < m; row += rows) {
        rows = EMB_MIN(m - row, INT_MAX);
        sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)rows, (blasint)count, (blasint)w->k,
              1.0f, a + row * lda, (blasint)lda, w->data + first * w->k, (blasint)w->k, 0.0f,
              c + row * ldc, (blasint)ldc);
    }
}

static const emb_gemm blas = {"blas", true, 1, fill, run};

int32_t emb_gemm_blas(const emb_gemm **gemm, embed_error *error)
{
    const int32_t status = load_sgemm(error);
    if (status == EMBED_OK)
        *gemm = &blas;
    return status;
}

#else

int32_t emb_gemm_blas(const emb_gemm **gemm, embed_error *error)
{
    (void)gemm;
    return emb_fail(error, EMBED_EUNSUPPORTED, "gemm: blas is not part of this build");
}

#endif
