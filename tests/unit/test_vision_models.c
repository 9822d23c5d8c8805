/* The frozen vision models against the reference's numbers, computed in float64: hidden states of
 * every layer, poolings, pooler_output, projections. Then: the same bytes alone and among images of
 * other sizes, on any threads and kernels. */
#include "frozen_models.h"

static const char *const vision_models[] = {
    "vit",           "vit-wide",         "deit",           "beit",         "beit-shared", "dinov2",
    "dinov2-swiglu", "dinov2-registers", "dinov3",         "dinov3-gated", "clip-vision", "clip",
    "siglip-vision", "siglip",           "siglip2-vision",
};
enum { NUM_VISION_MODELS = (int)(sizeof vision_models / sizeof vision_models[0]), MAX_IMAGES = 16 };

/* A frozen model with the images of its expected.safetensors as inputs. */
typedef struct pictures {
    frozen *f;
    float *pixels;
    embed_image images[MAX_IMAGES];
    int64_t native; /* images, from the first, that need no interpolated positions */
} pictures;

static void load_images(pictures *p)
{
    frozen *f = p->f;
    p->pixels = numbers(f, "pixels");
    const emb_tensor *sizes = expected(f, "sizes"), *offsets = expected(f, "offsets");
    f->count = sizes->shape[0];
    assert_true(f->count <= MAX_IMAGES);
    memcpy(f->offsets, offsets->data, offsets->bytes);
    memcpy(&p->native, expected(f, "native")->data, sizeof p->native);
    const float *at = p->pixels;
    for (int64_t i = 0; i < f->count; i++) {
        int64_t size[2];
        memcpy(size, (const char *)sizes->data + i * (int64_t)sizeof size, sizeof size);
        p->images[i] = (embed_image){.data = at,
                                     .height = (int32_t)size[0],
                                     .width = (int32_t)size[1],
                                     .format = EMBED_IMAGE_PIXEL_VALUES};
        at += 3 * size[0] * size[1];
        f->longest = EMB_MAX(f->longest, f->offsets[i + 1] - f->offsets[i]);
    }
    f->tokens = f->offsets[f->count];
}

static pictures open_pictures(const char *name)
{
    pictures p = {.f = load_expected(name)};
    load_images(&p);
    p.f->hidden = embed_model_info(p.f->model, EMBED_INFO_IMAGE_HIDDEN_SIZE);
    p.f->layers = embed_model_info(p.f->model, EMBED_INFO_IMAGE_NUM_LAYERS);
    assert_int_equal(expected(p.f, "hidden.0")->shape[1], p.f->hidden);
    return p;
}

static void close_pictures(pictures *p)
{
    free(p->pixels);
    unload(p->f);
}

static embed_input input_of(const pictures *p, int64_t first, int64_t count)
{
    embed_input input = EMBED_INPUT_INIT;
    input.count = count;
    input.images = p->images + first;
    return input;
}

static embed_encode_options any_size(void)
{
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    options.flags = EMBED_INTERPOLATE_POS_ENCODING | EMBED_FOR_IMAGES;
    options.normalize = EMBED_NORMALIZE_OFF;
    return options;
}

/* Token vectors of count images from the first, in new memory. */
static float *states_of(const pictures *p, embed_session *session, int64_t first, int64_t count,
                        const embed_encode_options *options)
{
    const frozen *f = p->f;
    int64_t offsets[MAX_IMAGES + 1], tokens = f->offsets[first + count] - f->offsets[first];
    float *found = malloc((size_t)(tokens * f->hidden) * sizeof(float));
    assert_non_null(found);
    embed_input input = input_of(p, first, count);
    ok(session, embed_last_hidden_state_ragged(session, &input, options, found, tokens, offsets));
    for (int64_t i = 0; i <= count; i++)
        assert_int_equal(offsets[i], f->offsets[first + i] - f->offsets[first]);
    return found;
}

/* ---- the reference's numbers --------------------------------------------------------- */

static void test_info(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_VISION_MODELS; m++) {
        pictures p = open_pictures(vision_models[m]);
        const embed_model *model = p.f->model;
        assert_int_equal(embed_model_info(model, EMBED_INFO_TAKES_IMAGES), 1);
        bool pair = strcmp(p.f->name, "clip") == 0 || strcmp(p.f->name, "siglip") == 0;
        assert_int_equal(embed_model_info(model, EMBED_INFO_TAKES_TEXTS), pair);
        if (!pair)
            assert_int_equal(embed_model_info(model, EMBED_INFO_HAS_POOLER),
                             expected(p.f, "pooler") != NULL);
        int64_t height = embed_model_info(model, EMBED_INFO_PATCH_SIZE);
        int64_t width = strcmp(p.f->name, "vit-wide") == 0 ? 5 : height;
        int64_t patches = p.images[0].height / height * (p.images[0].width / width);
        assert_int_equal(embed_model_info(model, EMBED_INFO_PREFIX_TOKENS),
                         p.f->offsets[1] - patches);
        char past_the_last[32];
        snprintf(past_the_last, sizeof past_the_last, "hidden.%d", (int)p.f->layers + 1);
        assert_null(expected(p.f, past_the_last));
        close_pictures(&p);
    }
}

static void check_states(const pictures *p, embed_session *session, const char *name, int32_t layer)
{
    embed_encode_options options = any_size();
    options.layer = layer;
    float *truth = numbers(p->f, name);
    float *found = states_of(p, session, 0, p->f->count, &options);
    assert_close(p->f->name, name, found, truth, p->f->tokens * p->f->hidden);
    free(found);
    free(truth);
}

static void test_every_layer(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_VISION_MODELS; m++) {
        pictures p = open_pictures(vision_models[m]);
        embed_session *session = session_of(p.f->model, 0, 0);
        for (int layer = 0; layer <= p.f->layers; layer++) {
            char name[32];
            snprintf(name, sizeof name, "hidden.%d", layer);
            check_states(&p, session, name, EMBED_LAYER(layer));
        }
        check_states(&p, session, "last", 0);
        embed_session_free(session);
        close_pictures(&p);
    }
}

/* Rows of images with fewer tokens end in zeros. */
static void test_padded(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_VISION_MODELS; m++) {
        pictures p = open_pictures(vision_models[m]);
        const frozen *f = p.f;
        embed_session *session = session_of(f->model, 0, 0);
        embed_encode_options options = any_size();
        embed_input input = input_of(&p, 0, f->count);
        float *ragged = states_of(&p, session, 0, f->count, &options);
        int64_t row = f->longest * f->hidden;
        float *found = malloc((size_t)(f->count * row) * sizeof(float));
        assert_non_null(found);
        ok(session, embed_last_hidden_state(session, &input, &options, found, f->longest));
        for (int64_t i = 0; i < f->count; i++) {
            int64_t own = (f->offsets[i + 1] - f->offsets[i]) * f->hidden;
            assert_memory_equal(found + i * row, ragged + f->offsets[i] * f->hidden,
                                (size_t)own * sizeof(float));
            for (int64_t j = own; j < row; j++) assert_true(found[i * row + j] == 0);
        }
        assert_int_equal(embed_last_hidden_state(session, &input, &options, found, f->longest - 1),
                         EMBED_ERANGE);
        free(found);
        free(ragged);
        embed_session_free(session);
        close_pictures(&p);
    }
}

static const struct {
    const char *name;
    int32_t pooling;
} poolings[] = {
    {"pool.cls", EMBED_POOL_CLS},       {"pool.mean_all", EMBED_POOL_MEAN_ALL},
    {"pool.mean_all", EMBED_POOL_MEAN}, {"pool.patches", EMBED_POOL_PATCHES},
    {"pooler", EMBED_POOL_POOLER},      {"projection", EMBED_POOL_PROJECTION},
};

/* What the reference does not have is refused, never invented. */
static void check_pooling(const pictures *p, embed_session *session, const char *name,
                          int32_t pooling)
{
    embed_encode_options options = any_size();
    options.pooling = pooling;
    embed_input input = input_of(p, 0, p->f->count);
    const emb_tensor *truth = expected(p->f, name);
    if (!truth) {
        float vectors[MAX_IMAGES * MAX_WIDTH];
        assert_int_equal(embed_encode(session, &input, &options, vectors, MAX_WIDTH),
                         EMBED_EMISSING);
        return;
    }
    assert_int_equal(embed_output_dim(p->f->model, &options), truth->shape[1]);
    float *exact = numbers(p->f, name), *found = encode(session, p->f->model, &input, &options);
    assert_close(p->f->name, name, found, exact, p->f->count * truth->shape[1]);
    free(found);
    free(exact);
}

static void test_poolings(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_VISION_MODELS; m++) {
        pictures p = open_pictures(vision_models[m]);
        embed_session *session = session_of(p.f->model, 0, 0);
        for (size_t i = 0; i < sizeof poolings / sizeof poolings[0]; i++)
            check_pooling(&p, session, poolings[i].name, poolings[i].pooling);
        embed_session_free(session);
        close_pictures(&p);
    }
}

/* Without interpolated positions native images give the same bytes, others are
 * refused. */
static void test_other_sizes_on_demand(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_VISION_MODELS; m++) {
        pictures p = open_pictures(vision_models[m]);
        const frozen *f = p.f;
        embed_session *session = session_of(f->model, 0, 0);
        embed_encode_options options = any_size();
        float *whole = states_of(&p, session, 0, f->count, &options);
        float *native = states_of(&p, session, 0, p.native, NULL);
        assert_memory_equal(native, whole,
                            (size_t)(f->offsets[p.native] * f->hidden) * sizeof(float));
        for (int64_t i = p.native; i < f->count; i++) {
            int64_t offsets[2], tokens = f->offsets[i + 1] - f->offsets[i];
            embed_input input = input_of(&p, i, 1);
            assert_int_equal(embed_last_hidden_state_ragged(session, &input, NULL, native,
                                                            EMB_MIN(tokens, f->offsets[p.native]),
                                                            offsets),
                             EMBED_ERANGE);
        }
        free(native);
        free(whole);
        embed_session_free(session);
        close_pictures(&p);
    }
}

/* ---- the same bytes ------------------------------------------------------------------- */

static void assert_same_and_free(const pictures *p, const float *whole, float *found)
{
    assert_memory_equal(whole, found, (size_t)(p->f->tokens * p->f->hidden) * sizeof(float));
    free(found);
}

static float *states_with(const pictures *p, const embed_model *model, int32_t threads,
                          int64_t batch_tokens)
{
    embed_encode_options options = any_size();
    embed_session *session = session_of(model, threads, batch_tokens);
    float *found = states_of(p, session, 0, p->f->count, &options);
    embed_session_free(session);
    return found;
}

static void check_alone_and_reversed(const pictures *p, const float *whole)
{
    const frozen *f = p->f;
    embed_encode_options options = any_size();
    embed_session *session = session_of(f->model, 2, 0);
    for (int64_t i = 0; i < f->count; i++) {
        float *found = states_of(p, session, i, 1, &options);
        assert_memory_equal(found, whole + f->offsets[i] * f->hidden,
                            (size_t)((f->offsets[i + 1] - f->offsets[i]) * f->hidden) *
                                sizeof(float));
        free(found);
    }
    embed_image reversed[MAX_IMAGES];
    for (int64_t i = 0; i < f->count; i++) reversed[i] = p->images[f->count - 1 - i];
    embed_input input = EMBED_INPUT_INIT;
    input.count = f->count;
    input.images = reversed;
    int64_t offsets[MAX_IMAGES + 1];
    float *found = malloc((size_t)(f->tokens * f->hidden) * sizeof(float));
    assert_non_null(found);
    ok(session,
       embed_last_hidden_state_ragged(session, &input, &options, found, f->tokens, offsets));
    for (int64_t i = 0; i < f->count; i++) {
        int64_t mine = f->count - 1 - i, own = f->offsets[mine + 1] - f->offsets[mine];
        assert_int_equal(offsets[i + 1] - offsets[i], own);
        assert_memory_equal(found + offsets[i] * f->hidden, whole + f->offsets[mine] * f->hidden,
                            (size_t)(own * f->hidden) * sizeof(float));
    }
    free(found);
    embed_session_free(session);
}

static void test_same_bytes_in_any_batch(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_VISION_MODELS; m++) {
        pictures p = open_pictures(vision_models[m]);
        float *whole = states_with(&p, p.f->model, 1, 0);
        check_alone_and_reversed(&p, whole);
        for (int32_t threads = 1; threads <= 3; threads++)
            assert_same_and_free(&p, whole, states_with(&p, p.f->model, threads, 0));
        assert_same_and_free(&p, whole, states_with(&p, p.f->model, 2, p.f->longest));
        assert_same_and_free(&p, whole, states_with(&p, p.f->model, 2, 25));
        free(whole);
        close_pictures(&p);
    }
}

static void test_same_bytes_on_any_kernels(void **state)
{
    (void)state;
    static const char *const sets[] = {"c", "avx2", "avx512", "neon"};
    for (int m = 0; m < NUM_VISION_MODELS; m++) {
        pictures p = open_pictures(vision_models[m]);
        float *whole = states_with(&p, p.f->model, 1, 0);
        for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++) {
            char path[256];
            snprintf(path, sizeof path, ROOT "%s", p.f->name);
            embed_open_options options = EMBED_OPEN_OPTIONS_INIT;
            options.isa = sets[s];
            embed_model *model;
            embed_error error = EMBED_ERROR_INIT;
            if (embed_model_open(path, &options, &model, &error) != EMBED_OK) {
                assert_true(s > 0); /* this CPU or this build does not have them */
                continue;
            }
            assert_same_and_free(&p, whole, states_with(&p, model, 2, 0));
            embed_model_free(model);
        }
        free(whole);
        close_pictures(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_every_layer),
        cmocka_unit_test(test_padded),
        cmocka_unit_test(test_poolings),
        cmocka_unit_test(test_other_sizes_on_demand),
        cmocka_unit_test(test_same_bytes_in_any_batch),
        cmocka_unit_test(test_same_bytes_on_any_kernels),
    };
    return cmocka_run_group_tests_name("vision models", tests, NULL, NULL);
}
