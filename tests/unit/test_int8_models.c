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

static embed_model *open_kept(const char *name, const char *isa, int32_t weights,
                              const char *keep_float)
{
    embed_open_options o = EMBED_OPEN_OPTIONS_INIT;

    o.isa = isa;
    o.weights = weights;
    o.keep_float = keep_float;
    return open_with(name, &o);
}

static embed_model *open_model(const char *name, const char *isa, int32_t weights)
{
    return open_kept(name, isa, weights, NULL);
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

/* The smallest cosine to f32. */
static double nearness(const char *name, const char *keep_float, int64_t *bytes)
{
    embed_model *exact = open_model(name, NULL, EMBED_WEIGHTS_F32);
    embed_model *m = open_kept(name, "c", EMBED_WEIGHTS_INT8, keep_float);
    float expected[MOST], found[MOST];
    static inputs in;
    double least = 1;

    make_inputs(m, &in);
    const int64_t dim = encode(exact, &in.input, 1, 0, expected);
    encode(m, &in.input, 1, 0, found);
    for (int64_t k = 0; k < INPUTS; k++)
        least = EMB_MIN(least, cosine(dim, expected + k * dim, found + k * dim));
    *bytes = embed_model_info(m, EMBED_INFO_WEIGHT_BYTES);
    for (int64_t k = 0; emb_kernels_name(k); k++) {
        if (!emb_kernels_for(emb_kernels_name(k))) continue;
        embed_model *other = open_kept(name, emb_kernels_name(k), EMBED_WEIGHTS_INT8, keep_float);
        same_everywhere(name, other, &in.input, found);
        embed_model_free(other);
    }
    embed_model_free(exact);
    embed_model_free(m);
    free(in.pixels);
    return least;
}

/* Products that stay float take more room and are nearer; with all of them, word embeddings alone are
 * rounded, to f16. */
static void test_kept_float(void **unused)
{
    int64_t none, one, named, all;

    (void)unused;
    nearness("bert", "", &none);
    nearness("bert", "layer.0.output.dense", &one);
    nearness("bert", "*.0.output.dense,attention.self.key", &named);
    assert_true(none < one && one < named);
    assert_true(nearness("bert", "dense,query", &all) > 0.9999999);
    assert_true(named < all);
    nearness("vit", "intermediate.dense", &one);
}

static void has_products(const char *name, int32_t weights, const char *keep_float,
                         const char *const *expected)
{
    embed_model *m = open_kept(name, NULL, weights, keep_float);
    int64_t count = 0;

    for (; expected[count]; count++) {
        const char *product = embed_model_product(m, count);
        assert_non_null(product);
        assert_string_equal(product, expected[count]);
    }
    assert_null(embed_model_product(m, count));
    assert_null(embed_model_product(m, -1));
    embed_model_free(m);
}

/* Each has one name, which keep_float takes; what is kept is none of them. */
static void test_products(void **unused)
{
#define BERT "bert.encoder.layer."
    static const char *const all[] = {
        BERT "0.attention.self.query", BERT "0.attention.output.dense", BERT "0.intermediate.dense",
        BERT "0.output.dense", BERT "1.attention.self.query", BERT "1.attention.output.dense",
        BERT "1.intermediate.dense", BERT "1.output.dense", NULL};
    static const char *const second[] = {BERT "1.attention.self.query",
                                         BERT "1.attention.output.dense", BERT "1.output.dense", NULL};
    static const char *const clip[] = {"vision_model.encoder.layers.0.self_attn.q_proj",
                                       "vision_model.encoder.layers.0.mlp.fc1", NULL};

    (void)unused;
    has_products("bert", EMBED_WEIGHTS_INT8, NULL, all);
    has_products("bert", EMBED_WEIGHTS_INT8, BERT "0.attention.self.query,0.attention.output.dense,"
                 BERT "0.intermediate.dense,layer.0.output.dense,1.intermediate.dense", second);
    has_products("bert", EMBED_WEIGHTS_F32, NULL, all + 8);
    has_products("clip", EMBED_WEIGHTS_INT8,
                 "text_model.encoder.*.*.*.*,out_proj,vision_model.*.*.0.mlp.fc2", clip);
}

static void kept_refused(const char *keep_float, int32_t weights, const char *sentence)
{
    embed_open_options o = EMBED_OPEN_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    embed_model *m;

    o.weights = weights;
    o.keep_float = keep_float;
    assert_int_equal(embed_model_open(ROOT "bert", &o, &m, &error), EMBED_EINVAL);
    assert_null(m);
    if (!strstr(error.message, sentence)) fail_msg("\"%s\": %s", keep_float, error.message);
}

static void test_kept_refused(void **unused)
{
    char many[64 * 6 + 11] = "";

    (void)unused;
    kept_refused("query", EMBED_WEIGHTS_F32, "expected weights int8 with it, found f32");
    kept_refused("query,output", EMBED_WEIGHTS_INT8, "found \"output\"");
    kept_refused("query,,dense", EMBED_WEIGHTS_INT8, "found \"\"");
    kept_refused("ense", EMBED_WEIGHTS_INT8, "found \"ense\"");
    kept_refused("layer.*.dense", EMBED_WEIGHTS_INT8, "found \"layer.*.dense\"");
    kept_refused("*.bert.encoder.layer.0.output.dense", EMBED_WEIGHTS_INT8, "found \"*.bert");
    for (int i = 0; i < 64; i++) strcat(many, "dense,");
    strcat(many, "query,none");
    kept_refused(many, EMBED_WEIGHTS_INT8, "found \"none\"");
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
        cmocka_unit_test(test_kept_float),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_kept_refused),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("int8 models", tests, NULL, NULL);
}
