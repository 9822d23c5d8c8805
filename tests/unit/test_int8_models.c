/* Whole models with weights = int8: the same bits from every instruction set, in any batch and on any
 * number of threads; near to what f32 gives; and what opening refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made_up_inputs.h"

static const char *const models[] = {"bert",   "bert-odd", "bert-f16",      "distilbert", "electra",
                                     "vit",    "beit",     "dinov2-swiglu", "dinov3",     "clip",
                                     "st-dense", "modernbert", "embeddinggemma", "gte-new",
                                     "deberta-v2", "deberta-v3", "gpt2", "jina", "jina-code"};

static embed_model *open_model(const char *name, const char *isa, int32_t weights)
{
    embed_open_options o = EMBED_OPEN_OPTIONS_INIT;

    o.isa = isa;
    o.weights = weights;
    return open_with(name, &o);
}

static void same_everywhere(const char *name, const embed_model *m, const embed_input *input,
                            const float *expected)
{
    static const int32_t threads[] = {1, 2, 3, 7};
    float found[MOST];

    for (int64_t i = 0; i < EMB_COUNT(threads); i++)
        for (int small = 0; small < 2; small++) {
            const int64_t dim = encode(m, input, threads[i], small ? 300 : 4096, found);
            if (memcmp(found, expected, (size_t)(INPUTS * dim) * sizeof *found))
                fail_msg("%s, %s: other bits on %d threads, batch %d", name, m->kernels->name,
                         (int)threads[i], small);
        }
}

static void test_same_bits(void **unused)
{
    (void)unused;
    for (int64_t i = 0; i < EMB_COUNT(models); i++) {
        embed_model *m = open_model(models[i], "c", EMBED_WEIGHTS_INT8);
        static inputs in;
        float expected[MOST];

        make_inputs(m, &in);
        encode(m, &in.input, 1, 4096, expected);
        embed_model_free(m);
        for (int64_t k = 0; emb_kernels_name(k); k++) {
            if (!emb_kernels_for(emb_kernels_name(k))) continue;
            m = open_model(models[i], emb_kernels_name(k), EMBED_WEIGHTS_INT8);
            same_everywhere(models[i], m, &in.input, expected);
#if defined(__x86_64__)
            const emb_kernels *const best = m->kernels; /* then as on a CPU without VNNI */
            m->kernels = best == &emb_kernels_avx512vnni ? &emb_kernels_avx512
                         : best == &emb_kernels_avx2vnni ? &emb_kernels_avx2
                                                         : best;
            if (m->kernels != best) same_everywhere(models[i], m, &in.input, expected);
#endif
            embed_model_free(m);
        }
        free(in.pixels);
    }
}

static void test_near_f32(void **unused)
{
    (void)unused;
    for (int64_t i = 0; i < EMB_COUNT(models); i++) {
        embed_model *exact = open_model(models[i], NULL, EMBED_WEIGHTS_F32);
        embed_model *m = open_model(models[i], NULL, EMBED_WEIGHTS_INT8);
        float expected[MOST], found[MOST];
        static inputs in;

        make_inputs(m, &in);
        encode(exact, &in.input, 1, 0, expected);
        const int64_t dim = encode(m, &in.input, 1, 0, found);
        for (int64_t k = 0; k < INPUTS; k++)
            if (!(cosine(dim, expected + k * dim, found + k * dim) > 0.99))
                fail_msg("%s: input %d: cosine %g", models[i], (int)k,
                         cosine(dim, expected + k * dim, found + k * dim));
        assert_true(memcmp(expected, found, (size_t)dim * sizeof *found) != 0);
        assert_true(embed_model_info(m, EMBED_INFO_WEIGHT_BYTES) <
                    embed_model_info(exact, EMBED_INFO_WEIGHT_BYTES));
        assert_int_equal(embed_model_info(m, EMBED_INFO_WEIGHTS), EMBED_WEIGHTS_INT8);
        assert_non_null(strstr(embed_model_describe(m), "\"weights\":\"int8\""));
        embed_model_free(exact);
        embed_model_free(m);
        free(in.pixels);
    }
}

static void test_refused(void **unused)
{
    embed_open_options o = EMBED_OPEN_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    embed_model *m;

    (void)unused;
    o.weights = EMBED_WEIGHTS_INT8 + 1;
    assert_int_equal(embed_model_open(ROOT "bert", &o, &m, &error), EMBED_EINVAL);
    o.weights = EMBED_WEIGHTS_INT8;
    o.gemm = EMBED_GEMM_BLAS;
    assert_int_equal(embed_model_open(ROOT "bert", &o, &m, &error), EMBED_EUNSUPPORTED);
    assert_null(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_near_f32),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("int8 models", tests, NULL, NULL);
}
