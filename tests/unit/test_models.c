/* The frozen models against the reference's numbers, computed in float64: hidden states of every
 * layer, poolings, pooler, projection, sentence vectors, from texts, pairs and token ids, through
 * the public API. */
#include "frozen_models.h"

/* ---- the reference's numbers --------------------------------------------------------- */

typedef struct tensor_name {
    char text[32];
} tensor_name;

static tensor_name hidden_name(int64_t layer)
{
    tensor_name name;
    snprintf(name.text, sizeof name.text, "hidden.%d", (int)layer);
    return name;
}

/* last_hidden_state: its own tensor where a norm parts it from the last of hidden_states. */
static tensor_name last_name(const frozen *f)
{
    return expected(f, "last") ? (tensor_name){"last"} : hidden_name(f->layers);
}

/* layer: EMBED_LAYER(k), or 0 for the last one */
static void check_layer(const frozen *f, embed_session *session, int32_t layer, const char *name)
{
    float *truth = numbers(f, name);
    size_t size = (size_t)(f->tokens * f->hidden) * sizeof(float);
    float *found = malloc(size);
    int64_t offsets[MAX_INPUTS + 1];
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    options.layer = layer;
    embed_input input = ids_of(f);
    ok(session,
       embed_last_hidden_state_ragged(session, &input, &options, found, f->tokens, offsets));
    assert_memory_equal(offsets, f->offsets, (size_t)(f->count + 1) * sizeof *offsets);
    assert_close(f->name, name, found, truth, f->tokens * f->hidden);
    if (layer == EMBED_LAYER(f->layers) && !expected(f, "last")) {
        float *last = malloc(size);
        ok(session,
           embed_last_hidden_state_ragged(session, &input, NULL, last, f->tokens, offsets));
        assert_memory_equal(last, found, size);
        free(last);
    }
    free(truth);
    free(found);
}

static void test_every_layer(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_MODELS; m++) {
        frozen *f = load(models[m]);
        embed_session *session = session_of(f->model, 0, 0);
        for (int64_t layer = 0; layer <= f->layers; layer++)
            check_layer(f, session, (int32_t)EMBED_LAYER(layer), hidden_name(layer).text);
        assert_null(expected(f, hidden_name(f->layers + 1).text));
        check_layer(f, session, 0, last_name(f).text);
        embed_session_free(session);
        unload(f);
    }
}

/* Texts and pairs, padded: the tokenizer and the limit on the length are in it. */
static void check_padded(const frozen *f, embed_session *session, const embed_input *input,
                         int64_t first, const float *truth)
{
    int64_t row = f->longest * f->hidden;
    float *found = malloc((size_t)(EMB_MAX(input->count, 1) * row) * sizeof(float));
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    options.prompt = "";
    ok(session, embed_last_hidden_state(session, input, &options, found, f->longest));
    for (int64_t i = 0; i < input->count; i++) {
        int64_t at = f->offsets[first + i], length = f->offsets[first + i + 1] - at;
        assert_close(f->name, "padded text", found + i * row, truth + at * f->hidden,
                     length * f->hidden);
        for (int64_t j = length * f->hidden; j < row; j++)
            assert_true(found[i * row + j] == 0);
    }
    assert_int_equal(embed_last_hidden_state(session, input, &options, found, f->longest - 1),
                     first == 0 ? EMBED_ERANGE : EMBED_OK);
    free(found);
}

static void test_padded_texts_and_pairs(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_MODELS; m++) {
        frozen *f = load(models[m]);
        embed_session *session = session_of(f->model, 0, 0);
        float *truth = numbers(f, last_name(f).text);
        embed_input texts = texts_of(f), pairs = pairs_of(f);
        check_padded(f, session, &texts, 0, truth);
        if (f->num_pairs) check_padded(f, session, &pairs, f->num_texts, truth);
        free(truth);
        embed_session_free(session);
        unload(f);
    }
}

static const struct {
    const char *name;
    int32_t pooling;
} poolings[] = {
    {"pool.cls", EMBED_POOL_CLS},           {"pool.mean", EMBED_POOL_MEAN},
    {"pool.mean", EMBED_POOL_MEAN_ALL},     {"pool.max", EMBED_POOL_MAX},
    {"pool.last", EMBED_POOL_LAST},         {"pool.weighted", EMBED_POOL_WEIGHTED},
    {"pool.sqrt_len", EMBED_POOL_SQRT_LEN},
};

/* Through embed_encode, and through embed_pool on the reference's own hidden states. */
static void check_pooling(const frozen *f, embed_session *session, const char *name,
                          int32_t pooling, const float *hidden)
{
    float *truth = numbers(f, name), out[MAX_WIDTH];
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    options.pooling = pooling;
    options.flags = EMBED_NO_MODULES;
    options.normalize = EMBED_NORMALIZE_OFF;
    embed_input input = ids_of(f);
    assert_int_equal(embed_output_dim(f->model, &options), f->hidden);
    float *found = encode(session, f->model, &input, &options);
    assert_close(f->name, name, found, truth, f->count * f->hidden);
    for (int64_t i = 0; i < f->count; i++) {
        int64_t at = f->offsets[i], length = f->offsets[i + 1] - at;
        assert_int_equal(embed_pool(hidden + at * f->hidden, length, f->hidden, NULL, pooling, out),
                         EMBED_OK);
        assert_close(f->name, "embed_pool", out, truth + i * f->hidden, f->hidden);
    }
    free(found);
    free(truth);
}

static void test_poolings(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_MODELS; m++) {
        frozen *f = load(models[m]);
        embed_session *session = session_of(f->model, 0, 0);
        float *hidden = numbers(f, last_name(f).text);
        for (size_t p = 0; p < sizeof poolings / sizeof poolings[0]; p++)
            check_pooling(f, session, poolings[p].name, poolings[p].pooling, hidden);
        free(hidden);
        embed_session_free(session);
        unload(f);
    }
}

/* Vectors that the model's own weights make: what the reference does not have is never invented. */
static void check_own_pooling(const frozen *f, embed_session *session, const char *name,
                              int32_t pooling)
{
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    options.pooling = pooling;
    options.flags = EMBED_NO_MODULES;
    options.normalize = EMBED_NORMALIZE_OFF;
    embed_input input = ids_of(f);
    const emb_tensor *exact = expected(f, name);
    if (!exact) {
        float vectors[MAX_INPUTS * MAX_WIDTH];
        assert_int_equal(embed_encode(session, &input, &options, vectors, MAX_WIDTH),
                         EMBED_EMISSING);
        return;
    }
    assert_int_equal(exact->shape[0], f->count);
    assert_int_equal(embed_output_dim(f->model, &options), exact->shape[1]);
    float *truth = numbers(f, name), *found = encode(session, f->model, &input, &options);
    assert_close(f->name, name, found, truth, f->count * exact->shape[1]);
    free(found);
    free(truth);
}

/* embed_pooler, which is for poolers of [CLS] alone. */
static void check_pooler_of_cls(const frozen *f, embed_session *session)
{
    float *cls = numbers(f, "pool.cls"), out[MAX_WIDTH];
    if (!expected(f, "pooler") || expected(f, "last")) {
        assert_int_equal(embed_pooler(session, cls, out), EMBED_EMISSING);
    } else {
        float *truth = numbers(f, "pooler");
        for (int64_t i = 0; i < f->count; i++) {
            ok(session, embed_pooler(session, cls + i * f->hidden, out));
            assert_close(f->name, "embed_pooler", out, truth + i * f->hidden, f->hidden);
        }
        free(truth);
    }
    free(cls);
}

static void test_pooler_and_projection(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_MODELS; m++) {
        frozen *f = load(models[m]);
        embed_session *session = session_of(f->model, 0, 0);
        assert_int_equal(embed_model_info(f->model, EMBED_INFO_HAS_POOLER),
                         expected(f, "pooler") != NULL);
        check_own_pooling(f, session, "pooler", EMBED_POOL_POOLER);
        check_own_pooling(f, session, "projection", EMBED_POOL_PROJECTION);
        check_pooler_of_cls(f, session);
        embed_session_free(session);
        unload(f);
    }
}

static void check_sentences(const frozen *f, embed_session *session)
{
    float *truth = numbers(f, "sentence");
    int64_t dim = expected(f, "sentence")->shape[1];
    assert_int_equal(embed_model_info(f->model, EMBED_INFO_DIM), dim);
    embed_input texts = texts_of(f), pairs = pairs_of(f);
    float *found = encode(session, f->model, &texts, NULL);
    assert_close(f->name, "sentence", found, truth, f->num_texts * dim);
    free(found);
    if (f->num_pairs) {
        found = encode(session, f->model, &pairs, NULL);
        assert_close(f->name, "sentence of a pair", found, truth + f->num_texts * dim,
                     f->num_pairs * dim);
        free(found);
    }
    const char *prompt;
    for (int64_t i = 0; (prompt = embed_model_prompt_name(f->model, i)); i++) {
        char name[64];
        snprintf(name, sizeof name, "prompt.%s", prompt);
        if (!expected(f, name)) continue;
        embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
        options.prompt_name = prompt;
        float *with = encode(session, f->model, &texts, &options), *prompted = numbers(f, name);
        assert_close(f->name, name, with, prompted, f->num_texts * dim);
        free(with);
        free(prompted);
    }
    free(truth);
}

static void test_sentences(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_MODELS; m++) {
        frozen *f = load(models[m]);
        embed_session *session = session_of(f->model, 0, 0);
        check_sentences(f, session);
        if (strncmp(f->name, "st-", 3) == 0) {
            assert_non_null(embed_model_prompt(f->model, "query"));
            embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
            options.prompt_name = "no such prompt";
            embed_input texts = texts_of(f);
            float vectors[MAX_TEXTS * MAX_WIDTH];
            assert_int_equal(embed_encode(session, &texts, &options, vectors, MAX_WIDTH),
                             EMBED_EMISSING);
        }
        embed_session_free(session);
        unload(f);
    }
}

static void test_single_file(void **state)
{
    (void)state;
    frozen *f = load("st-dense");
    embed_input texts = texts_of(f);
    embed_session *session = session_of(f->model, 1, 0);
    size_t size = (size_t)(f->num_texts * embed_output_dim(f->model, NULL)) * sizeof(float);
    float *whole = encode(session, f->model, &texts, NULL);
    embed_session_free(session);

    emb_file file;
    embed_error error = EMBED_ERROR_INIT;
    const char *path = ROOT "st-dense/single.safetensors";
    assert_int_equal(emb_file_open(&file, path, path, false, &emb_libc_allocator, &error),
                     EMBED_OK);
    embed_model *both[2] = {open_model(path, NULL), NULL};
    int32_t status = embed_model_open_memory(file.data, file.size, NULL, &both[1], &error);
    if (status != EMBED_OK) fail_msg("%s", error.message);
    for (int i = 0; i < 2; i++) {
        session = session_of(both[i], 1, 0);
        float *found = encode(session, both[i], &texts, NULL);
        assert_memory_equal(whole, found, size);
        free(found);
        embed_session_free(session);
        embed_model_free(both[i]);
    }
    emb_file_close(&file);
    free(whole);
    unload(f);
}

/* Weights that a file holds in 16 bits lose nothing when they stay there. */
static void test_halves_stay(void **state)
{
    static const struct {
        const char *name;
        int32_t weights;
    } kept[] = {{"bert-f16", EMBED_WEIGHTS_F16}, {"bert-bf16", EMBED_WEIGHTS_BF16}};
    (void)state;
    for (int64_t i = 0; i < 2; i++) {
        frozen *f = load(kept[i].name);
        embed_open_options options = EMBED_OPEN_OPTIONS_INIT;
        options.weights = kept[i].weights;
        embed_model *halves = open_named(f->name, &options);
        assert_int_equal(embed_model_info(halves, EMBED_INFO_WEIGHTS), kept[i].weights);
        embed_input input = ids_of(f);
        embed_session *a = session_of(f->model, 1, 0), *b = session_of(halves, 2, 0);
        float *wide = encode(a, f->model, &input, NULL), *kept_16 = encode(b, halves, &input, NULL);
        size_t size = (size_t)(input.count * embed_output_dim(f->model, NULL)) * sizeof *wide;
        assert_memory_equal(wide, kept_16, size);
        free(wide);
        free(kept_16);
        embed_session_free(a);
        embed_session_free(b);
        embed_model_free(halves);
        unload(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layer), cmocka_unit_test(test_padded_texts_and_pairs),
        cmocka_unit_test(test_poolings),    cmocka_unit_test(test_pooler_and_projection),
        cmocka_unit_test(test_sentences),   cmocka_unit_test(test_single_file),
        cmocka_unit_test(test_halves_stay),
    };
    return cmocka_run_group_tests_name("models", tests, NULL, NULL);
}
