/* compute = bf16: near to f32 where it is made to run, independent of batch and threads on one
 * machine; and refused, with the reason, where it does not gain or has nothing to run on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "made_up_inputs.h"

static bool has_dot_products(void)
{
    if (emb_kernels_for(NULL)->gemm_bf16_pairs) return true;
    print_message("skipped: this CPU has no bf16 dot products\n");
    return false;
}

static void near_f32(void **unused)
{
    static const char *const models[] = {"bert", "bert-odd",     "albert",
                                         "vit",  "dinov3-gated", "clip"};

    (void)unused;
    for (int64_t i = 0; i < EMB_COUNT(models) && has_dot_products(); i++) {
        embed_open_options o = EMBED_OPEN_OPTIONS_INIT;
        embed_model *exact = open_with(models[i], &o);
        o.compute = EMBED_COMPUTE_BF16_ALWAYS;
        embed_model *m = open_with(models[i], &o);
        float expected[MOST], found[MOST], other[MOST];
        static inputs in;

        make_inputs(m, &in);
        encode(exact, &in.input, 1, 0, expected);
        const int64_t dim = encode(m, &in.input, 1, 0, found);
        for (int64_t k = 0; k < INPUTS; k++)
            if (!(cosine(dim, expected + k * dim, found + k * dim) > 0.999))
                fail_msg("%s: input %d: cosine %g", models[i], (int)k,
                         cosine(dim, expected + k * dim, found + k * dim));
        assert_true(memcmp(expected, found, (size_t)dim * sizeof *found) != 0);
        encode(m, &in.input, 3, 300, other);
        assert_memory_equal(found, other, (size_t)(INPUTS * dim) * sizeof *found);
        assert_int_equal(embed_model_info(m, EMBED_INFO_WEIGHTS), EMBED_WEIGHTS_BF16);
        assert_int_equal(embed_model_info(m, EMBED_INFO_COMPUTE), EMBED_COMPUTE_BF16);
        assert_int_equal(embed_model_info(exact, EMBED_INFO_COMPUTE), EMBED_COMPUTE_F32);
        assert_non_null(strstr(embed_model_describe(m), "\"compute\":\"bf16\""));
        assert_non_null(strstr(embed_model_describe(exact), "\"compute\":\"f32\""));
        embed_model_free(exact);
        embed_model_free(m);
        free(in.pixels);
    }
}

/* Where it is not refused it gains. */
static void gains_or_is_refused(void **unused)
{
    embed_open_options o = EMBED_OPEN_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    embed_model *m;

    (void)unused;
    o.compute = EMBED_COMPUTE_BF16;
    const int32_t status = embed_model_open(ROOT "bert", &o, &m, &error);
    if (status == EMBED_OK) {
        assert_int_equal(embed_model_info(m, EMBED_INFO_COMPUTE), EMBED_COMPUTE_BF16);
        embed_model_free(m);
        return;
    }
    assert_int_equal(status, EMBED_EUNSUPPORTED);
    if (emb_kernels_for(NULL)->gemm_bf16_pairs) {
        double gain, bf16, f32;
        const char *text = strstr(error.message, "compute: ");
        assert_non_null(text);
        assert_int_equal(sscanf(text,
                                "compute: bf16 dot products are %lfx as fast as float32 here (%lf "
                                "and %lf GFLOP/s)",
                                &gain, &bf16, &f32),
                         3);
        assert_true(gain < 1.51); /* all three as they are rounded */
        assert_true((gain - 0.005) * (f32 - 0.5) <= bf16 + 0.5);
        assert_true((gain + 0.005) * (f32 + 0.5) >= bf16 - 0.5);
    }
}

/* Products that only take their time */
static void spin(int turns)
{
    for (volatile int i = 0; i < turns; i++) continue;
}
static void slow_f32(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *w,
                     float *c, int64_t ldc)
{
    (void)m, (void)n, (void)k, (void)a, (void)lda, (void)w, (void)c, (void)ldc;
    spin(4000);
}
static void slower_pairs(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                       const uint16_t *w, float *c, int64_t ldc)
{
    (void)m, (void)n, (void)k, (void)a, (void)lda, (void)w, (void)c, (void)ldc;
    spin(8000);
}
static void quick_pairs(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                        const uint16_t *w, float *c, int64_t ldc)
{
    (void)m, (void)n, (void)k, (void)a, (void)lda, (void)w, (void)c, (void)ldc;
    spin(500);
}

static void the_probe_decides(void **unused)
{
    emb_kernels kernels = emb_kernels_c;
    embed_error error = EMBED_ERROR_INIT;

    (void)unused;
    assert_int_equal(emb_bf16_check(&kernels, true, &emb_libc_allocator, &error),
                     EMBED_EUNSUPPORTED);
    kernels.gemm_f32 = slow_f32;
    kernels.gemm_bf16_pairs = quick_pairs;
    assert_int_equal(emb_bf16_check(&kernels, false, &emb_libc_allocator, &error), EMBED_OK);
    kernels.gemm_bf16_pairs = slower_pairs;
    assert_int_equal(emb_bf16_check(&kernels, false, &emb_libc_allocator, &error),
                     EMBED_EUNSUPPORTED);
    assert_int_equal(emb_bf16_check(&kernels, true, &emb_libc_allocator, &error), EMBED_OK);
}

static void refused(const embed_open_options *o, int32_t status, const char *message)
{
    embed_error error = EMBED_ERROR_INIT;
    embed_model *m;

    assert_int_equal(embed_model_open(ROOT "bert", o, &m, &error), status);
    assert_null(m);
    if (!strstr(error.message, message))
        fail_msg("expected \"%s\", found \"%s\"", message, error.message);
}

static void refusals(void **unused)
{
    embed_open_options o = EMBED_OPEN_OPTIONS_INIT;

    (void)unused;
    o.compute = EMBED_COMPUTE_BF16_ALWAYS + 1;
    refused(&o, EMBED_EINVAL, "options: compute: expected an EMBED_COMPUTE_ value, found 4");
    o.compute = EMBED_COMPUTE_BF16_ALWAYS;
    o.isa = "c";
    refused(&o, EMBED_EUNSUPPORTED, "compute: bf16: expected a CPU with AVX512_BF16");
    o.isa = NULL;
    o.weights = EMBED_WEIGHTS_INT8;
    refused(&o, EMBED_EUNSUPPORTED, "compute: bf16 needs weights bf16, found int8");
    o.weights = EMBED_WEIGHTS_DEFAULT;
    o.gemm = EMBED_GEMM_BLAS;
    refused(&o, EMBED_EUNSUPPORTED, "compute: bf16 needs gemm packed, found blas");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_f32),
        cmocka_unit_test(gains_or_is_refused),
        cmocka_unit_test(the_probe_decides),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests_name("bf16", tests, NULL, NULL);
}
