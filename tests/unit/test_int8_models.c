/* Whole models with weights = int8: the same bits from every instruction set, in any batch and on any
 * number of threads; near to what f32 gives; and what opening refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/model.h"

#define ROOT "tests/data/models/"
enum { INPUTS = 9, LONGEST = 40, SIDE = 64, MOST = INPUTS * 512 };

static uint32_t state = 1;

static uint32_t random_bits(void)
{
    state = state * 1664525 + 1013904223;
    return state >> 8;
}

static const char *const models[] = {"bert",   "bert-odd", "bert-f16",      "distilbert", "electra",
                                     "vit",    "beit",     "dinov2-swiglu", "dinov3",     "clip",
                                     "st-dense"};

static embed_model *open_model(const char *name, const char *isa, int32_t weights)
{
    embed_open_options o = EMBED_OPEN_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    embed_model *m;
    char path[128] = ROOT;

    strncat(path, name, sizeof path - sizeof ROOT);
    o.isa = isa;
    o.weights = weights;
    if (embed_model_open(path, &o, &m, &error) < 0) fail_msg("%s: %s", path, error.message);
    return m;
}

/* Made-up token ids, or pixels where the model takes no texts. */
typedef struct {
    embed_input input;
    int32_t ids[INPUTS * LONGEST];
    int64_t offsets[INPUTS + 1];
    embed_image images[INPUTS];
    float *pixels;
} inputs;

static void make_inputs(const embed_model *m, inputs *in)
{
    *in = (inputs){.input = EMBED_INPUT_INIT};
    in->input.count = INPUTS;
    if (embed_model_info(m, EMBED_INFO_TAKES_TEXTS)) {
        const int64_t vocab = embed_model_info(m, EMBED_INFO_VOCAB_SIZE);
        const int64_t most = EMB_MIN(LONGEST, embed_model_info(m, EMBED_INFO_MAX_POSITIONS));
        for (int i = 0; i < INPUTS; i++) {
            in->offsets[i + 1] = in->offsets[i] + 1 + random_bits() % most;
            for (int64_t t = in->offsets[i]; t < in->offsets[i + 1]; t++)
                in->ids[t] = (int32_t)(random_bits() % vocab);
        }
        in->input.ids = in->ids;
        in->input.offsets = in->offsets;
        return;
    }
    const emb_image_tokens *image = &m->image.arch.image;
    const size_t numbers = (size_t)(3 * image->height * image->width);
    in->pixels = malloc(INPUTS * numbers * sizeof(float));
    assert_non_null(in->pixels);
    for (size_t i = 0; i < INPUTS * numbers; i++)
        in->pixels[i] = (float)random_bits() * 0x1p-23f - 1.0f;
    for (int i = 0; i < INPUTS; i++)
        in->images[i] = (embed_image){.data = in->pixels + (size_t)i * numbers,
                                      .width = (int32_t)image->width,
                                      .height = (int32_t)image->height,
                                      .format = EMBED_IMAGE_PIXEL_VALUES};
    in->input.images = in->images;
}

static int64_t encode(const embed_model *m, const embed_input *input, int32_t threads,
                      int64_t batch_tokens, float *out)
{
    embed_session_options o = EMBED_SESSION_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    embed_session *s;
    const int64_t dim = embed_output_dim(m, NULL);

    o.threads = threads;
    o.batch_tokens = batch_tokens;
    assert_true(dim > 0 && dim * INPUTS <= MOST);
    assert_int_equal(embed_session_create(m, &o, &s, &error), EMBED_OK);
    if (embed_encode(s, input, NULL, out, dim) < 0) fail_msg("%s", embed_session_error(s));
    embed_session_free(s);
    return dim;
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

static double cosine(int64_t n, const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;

    for (int64_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
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
