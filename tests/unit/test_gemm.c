/* Products of prepared matrices: the packed backend bit by bit against a plain restatement of
 * the rule, independent of how rows and columns are cut; OpenBLAS, where it can be loaded,
 * within 1e-5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "../../lib/gemm/gemm.h"

static uint64_t state = 88172645463325252u;

static float uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(state >> 32) * 0x1p-31f;
}

static float *numbers(int64_t n)
{
    float *x = emb_calloc(&emb_libc_allocator, (size_t)n, sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++)
        x[i] = uniform();
    return x;
}

static void release(void *p)
{
    emb_free(&emb_libc_allocator, p);
}

/* A matrix filled in pieces of 32 rows. */
static emb_matrix stored(const emb_gemm *g, emb_storage storage, int64_t n, int64_t k,
                         const float *rows)
{
    emb_matrix w = {.n = n, .k = k, .storage = storage};
    size_t floats;

    assert_true(emb_matrix_floats(g, storage, n, k, &floats));
    w.data = emb_calloc(&emb_libc_allocator, floats, sizeof(float));
    assert_non_null(w.data);
    for (int64_t first = 0; first < n; first += 32)
        emb_matrix_fill(g, emb_kernels_for(NULL), &w, first, EMB_MIN(n - first, 32),
                        rows + first * k);
    return w;
}

static emb_matrix prepared(const emb_gemm *g, int64_t n, int64_t k, const float *rows)
{
    return stored(g, EMB_STORED_F32, n, k, rows);
}

/* The rule of kernels.h, word for word. */
static float dot_by_the_rule(int64_t k, const float *a, const float *w)
{
    float result = 0.0f;
    for (int64_t start = 0; start < k; start += emb_k_block(k)) {
        float chain = 0.0f;
        for (int64_t i = start; i < EMB_MIN(k, start + emb_k_block(k)); i++)
            chain = fmaf(a[i], w[i], chain);
        result = start ? result + chain : chain;
    }
    return result;
}

static const struct { int64_t m, n, k; } shapes[] = {
    {1, 1, 1}, {7, 20, 20}, {13, 120, 120}, {33, 384, 384}, {200, 48, 1536}, {130, 50, 3000},
    {300, 17, 700},
};

static void packed_follows_the_rule(void **unused)
{
    const emb_gemm *g;

    (void)unused;
    assert_int_equal(emb_gemm_for(EMBED_GEMM_AUTO, &g, NULL), EMBED_OK);
    assert_string_equal(emb_gemm_name(g), "packed");
    assert_false(emb_gemm_whole(g));
    for (int64_t s = 0; s < EMB_COUNT(shapes); s++) {
        const int64_t m = shapes[s].m, n = shapes[s].n, k = shapes[s].k, ldc = n + 3;
        float *a = numbers(m * k), *rows = numbers(n * k), *c = numbers(m * ldc);
        emb_matrix w = prepared(g, n, k, rows);

        emb_gemm_run(g, emb_kernels_for(NULL), &w, 0, n, m, a, k, c, ldc);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double exact = 0, size = 0;
                const float expected = dot_by_the_rule(k, a + i * k, rows + j * k);
                assert_true(c[i * ldc + j] == expected);
                for (int64_t t = 0; t < k; t++) {
                    exact += (double)a[i * k + t] * (double)rows[j * k + t];
                    size += fabs((double)a[i * k + t] * (double)rows[j * k + t]);
                }
                assert_true(fabs((double)c[i * ldc + j] - exact) <= size * 1e-6);
            }
        release(a);
        release(rows);
        release(c);
        release(w.data);
    }
}

/* A matrix of 16 bits is as good as the rounded rows. */
static void halves_are_rounded_rows(void **unused)
{
    const emb_kernels *kernels = emb_kernels_for(NULL);
    const emb_gemm *g;

    (void)unused;
    assert_int_equal(emb_gemm_for(EMBED_GEMM_PACKED, &g, NULL), EMBED_OK);
    for (int64_t s = 0; s < 2 * EMB_COUNT(shapes); s++) {
        const int64_t m = shapes[s / 2].m, n = shapes[s / 2].n, k = shapes[s / 2].k;
        const emb_storage storage = s % 2 ? EMB_STORED_F16 : EMB_STORED_BF16;
        float *a = numbers(m * k), *rows = numbers(n * k), *c = numbers(m * n), *d = numbers(m * n);
        uint16_t *halves = (uint16_t *)(void *)numbers(n * k);
        emb_matrix w = stored(g, storage, n, k, rows), rounded;

        (s % 2 ? kernels->narrow_f16 : kernels->narrow_bf16)(n * k, rows, halves);
        (s % 2 ? kernels->widen_f16 : kernels->widen_bf16)(n * k, halves, rows);
        rounded = prepared(g, n, k, rows);
        emb_gemm_run(g, kernels, &w, 0, n, m, a, k, c, n);
        emb_gemm_run(g, kernels, &rounded, 0, n, m, a, k, d, n);
        assert_memory_equal(c, d, (size_t)(m * n) * sizeof *c);
        emb_gemm_run(g, kernels, &w, n / 32 * 16, n - n / 32 * 16, m, a, k, d, n);
        for (int64_t i = 0; i < m; i++)
            assert_memory_equal(c + i * n + n / 32 * 16, d + i * n,
                                (size_t)(n - n / 32 * 16) * sizeof *c);
        release(a);
        release(rows);
        release(c);
        release(d);
        release(halves);
        release(w.data);
        release(rounded.data);
    }
}

static void cuts_do_not_change_a_bit(void **unused)
{
    const int64_t m = 157, n = 200, k = 2500; /* three cache blocks of unequal size */
    float *a = numbers(m * k), *rows = numbers(n * k), *whole = numbers(m * n),
        *cut = numbers(m * n);
    const emb_kernels *kernels = emb_kernels_for(NULL);
    const emb_gemm *g;
    emb_matrix w;

    (void)unused;
    assert_int_equal(emb_gemm_for(EMBED_GEMM_PACKED, &g, NULL), EMBED_OK);
    w = prepared(g, n, k, rows);
    emb_gemm_run(g, kernels, &w, 0, n, m, a, k, whole, n);
    for (int64_t i = 0; i < m; i++)
        emb_gemm_run(g, kernels, &w, 0, n, 1, a + i * k, k, cut + i * n, n);
    assert_memory_equal(whole, cut, (size_t)(m * n) * sizeof *cut);
    memset(cut, 0, (size_t)(m * n) * sizeof *cut);
    for (int64_t j = 0; j < n; j += 48)
        emb_gemm_run(g, kernels, &w, j, EMB_MIN(48, n - j), m, a, k, cut + j, n);
    assert_memory_equal(whole, cut, (size_t)(m * n) * sizeof *cut);
    release(a);
    release(rows);
    release(whole);
    release(cut);
    release(w.data);
}

static void blas_agrees(void **unused)
{
    embed_error error = EMBED_ERROR_INIT;
    const emb_gemm *g;

    (void)unused;
    if (emb_gemm_for(EMBED_GEMM_BLAS, &g, &error) != EMBED_OK) {
        assert_int_equal(error.status, EMBED_EUNSUPPORTED);
        assert_null(g);
        print_message("skipped: %s\n", error.message);
        return;
    }
    assert_string_equal(emb_gemm_name(g), "blas");
    assert_true(emb_gemm_whole(g));
    for (int64_t s = 0; s < EMB_COUNT(shapes); s++) {
        const int64_t m = shapes[s].m, n = shapes[s].n, k = shapes[s].k, ldc = n + 3;
        float *a = numbers(m * k), *rows = numbers(n * k), *c = numbers(m * ldc);
        emb_matrix w = prepared(g, n, k, rows);

        emb_gemm_run(g, emb_kernels_for(NULL), &w, 0, n, m, a, k, c, ldc);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                const float expected = dot_by_the_rule(k, a + i * k, rows + j * k);
                double size = 0;
                for (int64_t t = 0; t < k; t++)
                    size += fabs((double)a[i * k + t] * (double)rows[j * k + t]);
                assert_true(fabs((double)c[i * ldc + j] - (double)expected) <= 1e-5 * size);
            }
        release(a);
        release(rows);
        release(c);
        release(w.data);
    }
}

static void sizes_and_names(void **unused)
{
    embed_error error = EMBED_ERROR_INIT;
    const emb_gemm *g;
    size_t floats;

    (void)unused;
    assert_int_equal(emb_gemm_for(EMBED_GEMM_PACKED, &g, NULL), EMBED_OK);
    assert_true(emb_matrix_floats(g, EMB_STORED_F32, 20, 7, &floats));
    assert_int_equal(floats, 32 * 7);
    assert_false(emb_matrix_floats(g, EMB_STORED_F32, INT64_MAX, INT64_MAX, &floats));
    assert_false(emb_matrix_floats(g, EMB_STORED_F32, -1, 7, &floats));
    assert_int_equal(emb_gemm_for(7, &g, &error), EMBED_EINVAL);
    assert_string_equal(error.message, "gemm: expected an EMBED_GEMM_ value, found 7");
    assert_non_null(strstr(emb_gemm_build_info(), "blas="));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_follows_the_rule),
        cmocka_unit_test(halves_are_rounded_rows),
        cmocka_unit_test(cuts_do_not_change_a_bit),
        cmocka_unit_test(blas_agrees),
        cmocka_unit_test(sizes_and_names),
    };
    return cmocka_run_group_tests_name("gemm", tests, NULL, NULL);
}
