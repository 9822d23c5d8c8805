/* The calls of a session: tokens, token vectors and embeddings with every option, the sentence of
 * each way to fail, and the same bytes however the work is cut up. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "three_models.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static embed_encode_options defaults(void)
{
    return (embed_encode_options)EMBED_ENCODE_OPTIONS_INIT;
}

/* ---- tokens ------------------------------------------------------------------------------ */

typedef struct token_arrays {
    int32_t ids[16], type_ids[16], word_ids[16], sequence_ids[16];
    int64_t offsets[16][2];
} token_arrays;

static embed_tokens arrays_of(token_arrays *a, int64_t capacity)
{
    embed_tokens t = EMBED_TOKENS_INIT;
    memset(a, 0x55, sizeof *a);
    t.capacity = capacity;
    t.ids = a->ids;
    t.type_ids = a->type_ids;
    t.offsets = a->offsets[0];
    t.word_ids = a->word_ids;
    t.sequence_ids = a->sequence_ids;
    return t;
}

static void test_tokenize(void **state)
{
    (void)state;
    static const int32_t ids[12] = {2, 70, 65, 87, 6, 31, 50, 7, 3, 12, 68, 3};
    static const int32_t types[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1};
    static const int32_t words[12] = {-1, 0, 1, 1, 2, 3, 3, 4, -1, 0, 1, -1};
    static const int32_t sequences[12] = {-1, 0, 0, 0, 0, 0, 0, 0, -1, 1, 1, -1};
    static const int64_t offsets[12][2] = {{0, 0},   {0, 4},   {5, 7},   {7, 11},
                                           {11, 12}, {13, 14}, {14, 15}, {15, 16},
                                           {0, 0},   {0, 2},   {3, 5},   {0, 0}};
    const char *text = "kodo fabeza, xq!", *pair = "\xC3\xA9 ni";
    embed_session *s = session_of(plain->model, 1, 0);
    token_arrays a;
    embed_tokens t = arrays_of(&a, 16);
    assert_int_equal(embed_tokenize(s, text, -1, pair, -1, NULL, &t), 12);
    assert_memory_equal(a.ids, ids, sizeof ids);
    assert_memory_equal(a.type_ids, types, sizeof types);
    assert_memory_equal(a.word_ids, words, sizeof words);
    assert_memory_equal(a.sequence_ids, sequences, sizeof sequences);
    assert_memory_equal(a.offsets, offsets, sizeof offsets);

    t = arrays_of(&a, 5); /* more tokens than room: the first are stored, all are counted */
    assert_int_equal(embed_tokenize(s, text, 16, pair, 5, NULL, &t), 12);
    assert_memory_equal(a.ids, ids, 5 * sizeof *ids);
    assert_int_equal(a.ids[5], 0x55555555);
    assert_int_equal(a.word_ids[5], 0x55555555);
    t = arrays_of(&a, 16); /* any array may be missing */
    t.ids = t.type_ids = t.word_ids = NULL;
    t.offsets = NULL;
    assert_int_equal(embed_tokenize(s, text, -1, pair, -1, NULL, &t), 12);
    assert_memory_equal(a.sequence_ids, sequences, sizeof sequences);
    assert_int_equal(embed_tokenize(s, text, -1, pair, -1, NULL, NULL), 12);
    t = arrays_of(&a, -3);
    assert_int_equal(embed_tokenize(s, text, 4, NULL, 0, NULL, &t), 3);
    assert_int_equal(a.ids[0], 0x55555555);
    assert_int_equal(embed_tokenize(s, "", 0, NULL, 0, NULL, &t), 2);
    embed_session_free(s);
}

static void test_tokenize_options(void **state)
{
    (void)state;
    embed_session *s = session_of(dense->model, 1, 0);
    token_arrays a;
    embed_tokens t = arrays_of(&a, 16);
    embed_encode_options o = defaults();
    o.flags = EMBED_NO_SPECIAL_TOKENS;
    assert_int_equal(embed_tokenize(s, "a b c", -1, NULL, 0, &o, &t), 3);
    assert_int_equal(a.sequence_ids[0], 0);
    o = defaults();
    o.prompt = "a b "; /* offsets are the text's: the prompt's tokens are [0, 0] */
    assert_int_equal(embed_tokenize(s, "c", -1, NULL, 0, &o, &t), 5);
    assert_int_equal(a.offsets[3][0], 0);
    assert_int_equal(a.offsets[3][1], 1);
    o = defaults();
    o.prompt_name = "query";
    assert_int_equal(embed_tokenize(s, "c", -1, NULL, 0, &o, &t),
                     embed_tokenize(s, "kola: c", -1, NULL, 0, NULL, NULL));
    o = defaults(); /* cut only where asked for */
    assert_int_equal(embed_tokenize(s, "a b c d e f g h i j k l m n o p q r s t u v w x y z", -1,
                                    NULL, 0, NULL, NULL), 28);
    o.max_length = 5;
    assert_int_equal(embed_tokenize(s, "a b c d e", -1, NULL, 0, &o, &t), 5);
    assert_int_equal(a.ids[1], embed_token_id(dense->model, "a"));
    o.truncation_side = EMBED_TRUNCATE_LEFT;
    assert_int_equal(embed_tokenize(s, "a b c d e", -1, NULL, 0, &o, &t), 5);
    assert_int_equal(a.ids[1], embed_token_id(dense->model, "c"));
    o.flags = EMBED_NO_TRUNCATION;
    assert_int_equal(embed_tokenize(s, "a b c d e", -1, NULL, 0, &o, &t), 7);
    o = defaults();
    o.max_length = 6;
    o.strategy = EMBED_STRATEGY_ONLY_FIRST;
    assert_int_equal(embed_tokenize(s, "a b c", -1, "d e", -1, &o, &t), 6);
    assert_int_equal(a.ids[2], 3);
    o.strategy = EMBED_STRATEGY_ONLY_SECOND;
    assert_failed(s, embed_tokenize(s, "a b c d e f g", -1, NULL, 0, &o, &t), EMBED_EINVAL,
                  "truncation: only_second needs a pair");

    assert_failed(s, embed_tokenize(s, "a\xFF", -1, NULL, 0, NULL, &t), EMBED_EUTF8,
                  "text: byte 1 is 0xFF: not valid UTF-8");
    assert_failed(s, embed_tokenize(s, "a", -1, "\xC3", -1, NULL, &t), EMBED_EUTF8,
                  "second text: byte 0 is 0xC3: not valid UTF-8");
    o = defaults();
    o.flags = EMBED_REPLACE_INVALID_UTF8;
    assert_int_equal(embed_tokenize(s, "a\xFF z", -1, NULL, 0, &o, &t),
                     embed_tokenize(s, "a\xEF\xBF\xBD z", -1, NULL, 0, NULL, NULL));
    embed_session_free(s);
}

static void test_count_tokens(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, 0);
    embed_input input = ids_of(plain);
    int64_t counts[MAX_INPUTS], from_texts[MAX_TEXTS];
    ok(s, embed_count_tokens(s, &input, NULL, counts));
    for (int64_t i = 0; i < plain->count; i++)
        assert_int_equal(counts[i], plain->offsets[i + 1] - plain->offsets[i]);
    input = texts_of(plain);
    ok(s, embed_count_tokens(s, &input, NULL, from_texts));
    assert_memory_equal(from_texts, counts, (size_t)plain->num_texts * sizeof *counts);
    embed_encode_options o = defaults();
    o.max_length = 4;
    ok(s, embed_count_tokens(s, &input, &o, from_texts));
    for (int64_t i = 0; i < plain->num_texts; i++)
        assert_int_equal(from_texts[i], counts[i] < 4 ? counts[i] : 4);
    input.count = 0;
    assert_int_equal(embed_count_tokens(s, &input, NULL, NULL), EMBED_OK);
    embed_session_free(s);
}

/* ---- token vectors ----------------------------------------------------------------------- */

static void test_hidden_states(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, 0);
    embed_input input = ids_of(plain);
    const int64_t h = plain->hidden, n = plain->longest;
    size_t padded_size = (size_t)(plain->count * n * h);
    float *padded = malloc(padded_size * sizeof *padded),
          *ragged = malloc((size_t)(plain->tokens * h) * sizeof *ragged);
    int64_t offsets[MAX_INPUTS + 1];
    for (int32_t layer = 0; layer <= plain->layers; layer++) {
        embed_encode_options o = defaults();
        o.layer = EMBED_LAYER(layer);
        memset(padded, 0x7F, padded_size * sizeof *padded);
        ok(s, embed_last_hidden_state(s, &input, &o, padded, n));
        ok(s, embed_last_hidden_state_ragged(s, &input, &o, ragged, plain->tokens, offsets));
        assert_memory_equal(offsets, plain->offsets, (size_t)(plain->count + 1) * sizeof *offsets);
        for (int64_t i = 0; i < plain->count; i++) {
            int64_t length = offsets[i + 1] - offsets[i];
            assert_memory_equal(padded + i * n * h, ragged + offsets[i] * h,
                                (size_t)(length * h) * sizeof *padded);
            for (int64_t k = length * h; k < n * h; k++) assert_true(padded[i * n * h + k] == 0);
        }
        if (layer < plain->layers) continue;
        float *last = malloc((size_t)(plain->tokens * h) * sizeof *last);
        ok(s, embed_last_hidden_state_ragged(s, &input, NULL, last, plain->tokens, offsets));
        assert_memory_equal(last, ragged, (size_t)(plain->tokens * h) * sizeof *last);
        free(last);
    }
    free(padded);
    free(ragged);
    embed_session_free(s);
}

static void test_hidden_state_limits(void **state)
{
    (void)state;
    static const int32_t ids[] = {2, 70, 3, 2, 71, 72, 3};
    static const int64_t offsets[] = {0, 3, 7};
    embed_session *s = session_of(plain->model, 1, 0);
    float hidden[8 * 20];
    int64_t found[3] = {-1, -1, -1};
    embed_input input = EMBED_INPUT_INIT;
    input.count = 2;
    input.ids = ids;
    input.offsets = offsets;
    assert_failed(s, embed_last_hidden_state(s, &input, NULL, hidden, 3), EMBED_ERANGE,
                  "input 1: expected at most tokens = 3, found 4");
    for (int64_t capacity = 0; capacity < 7; capacity += 6) { /* 0 needs no array */
        memset(found, 0xFF, sizeof found);
        char message[64];
        snprintf(message, sizeof message, "capacity: expected 7 rows, found %d", (int)capacity);
        assert_failed(s, embed_last_hidden_state_ragged(s, &input, NULL, capacity ? hidden : NULL,
                                                        capacity, found),
                      EMBED_ERANGE, message);
        assert_memory_equal(found, offsets, sizeof offsets);
    }
    ok(s, embed_last_hidden_state_ragged(s, &input, NULL, hidden, 7, found));
    embed_encode_options o = defaults();
    o.layer = EMBED_LAYER(3);
    assert_failed(s, embed_last_hidden_state(s, &input, &o, hidden, 4), EMBED_ERANGE,
                  "layer: expected 0 to 2, found 3");
    o.layer = -1;
    assert_failed(s, embed_last_hidden_state(s, &input, &o, hidden, 4), EMBED_ERANGE,
                  "layer: expected 0 to 2, found -2");
    input.count = 0;
    ok(s, embed_last_hidden_state_ragged(s, &input, NULL, NULL, 0, found));
    assert_int_equal(found[0], 0);
    ok(s, embed_last_hidden_state(s, &input, NULL, NULL, 0));
    embed_session_free(s);
}

/* ---- embeddings -------------------------------------------------------------------------- */

static void assert_near(const float *a, const float *b, int64_t n, double bound)
{
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - b[i]) <= bound))
            fail_msg("number %d: %g and %g", (int)i, a[i], b[i]);
}

/* Every pooling of embed_encode is embed_pool of the token vectors. */
static void test_encode_pools(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, 0);
    embed_input input = ids_of(plain);
    const int64_t h = plain->hidden;
    float *hidden = malloc((size_t)(plain->tokens * h) * sizeof *hidden), want[MAX_WIDTH];
    int64_t offsets[MAX_INPUTS + 1];
    ok(s, embed_last_hidden_state_ragged(s, &input, NULL, hidden, plain->tokens, offsets));
    for (int32_t pooling = 0; pooling <= EMBED_POOL_MEAN_ALL; pooling++) {
        embed_encode_options o = defaults();
        o.pooling = pooling;
        float *found = encode(s, plain->model, &input, &o);
        for (int64_t i = 0; i < plain->count; i++) {
            const float *rows = hidden + offsets[i] * h;
            if (pooling == EMBED_POOL_POOLER) ok(s, embed_pooler(s, rows, want));
            else
                assert_int_equal(embed_pool(rows, offsets[i + 1] - offsets[i], h, NULL,
                                            pooling ? pooling : EMBED_POOL_CLS, want), EMBED_OK);
            assert_memory_equal(found + i * h, want, (size_t)h * sizeof *want);
        }
        free(found);
    }
    free(hidden);
    embed_session_free(s);
}

static void test_encode_recipe(void **state)
{
    (void)state;
    embed_session *s = session_of(dense->model, 1, 0);
    embed_input input = texts_of(dense);
    embed_encode_options o = defaults();
    assert_int_equal(embed_output_dim(dense->model, NULL), 18);
    float *whole = encode(s, dense->model, &input, NULL);
    o.normalize = EMBED_NORMALIZE_OFF; /* drops the directory's own */
    float *raw = encode(s, dense->model, &input, &o);
    assert_true(memcmp(raw, whole, sizeof(float) * 18) != 0);
    o = defaults();
    o.dim = 7; /* cut after all modules, not normalised again */
    assert_int_equal(embed_output_dim(dense->model, &o), 7);
    float *cut = encode(s, dense->model, &input, &o);
    o.normalize = EMBED_NORMALIZE_ON;
    float *cut_normalized = encode(s, dense->model, &input, &o);
    for (int64_t i = 0; i < input.count; i++) {
        assert_memory_equal(cut + 7 * i, whole + 18 * i, 7 * sizeof *cut);
        assert_int_equal(embed_normalize(cut + 7 * i, 1, 7, 7), EMBED_OK);
        assert_int_equal(embed_normalize(raw + 18 * i, 1, 18, 18), EMBED_OK);
    }
    assert_near(cut, cut_normalized, 7 * input.count, 1e-7);
    assert_near(raw, whole, 18 * input.count, 1e-7);
    o = defaults();
    o.flags = EMBED_NO_MODULES;
    assert_int_equal(embed_output_dim(dense->model, &o), 20);
    float *pooled = encode(s, dense->model, &input, &o);
    o.pooling = EMBED_POOL_MEAN;
    float *mean = encode(s, dense->model, &input, &o);
    assert_memory_equal(mean, pooled, (size_t)(20 * input.count) * sizeof *mean);

    float wide[MAX_TEXTS][19]; /* a stride leaves what is between the rows alone */
    for (int i = 0; i < MAX_TEXTS; i++) wide[i][18] = 77;
    ok(s, embed_encode(s, &input, NULL, wide[0], 19));
    for (int64_t i = 0; i < input.count; i++) {
        assert_memory_equal(wide[i], whole + 18 * i, 18 * sizeof(float));
        assert_true(wide[i][18] == 77);
    }
    ok(s, embed_encode_texts(s, NULL, NULL, 0, NULL, NULL, 18)); /* nothing to do */
    float *const all[] = {whole, raw, cut, cut_normalized, pooled, mean};
    for (size_t i = 0; i < COUNT(all); i++) free(all[i]);
    embed_session_free(s);
}

/* Texts and pairs give what their ids give. */
static void test_encode_inputs(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, 0);
    embed_input ids = ids_of(plain), texts = texts_of(plain), pairs = pairs_of(plain);
    int64_t sizes[MAX_TEXTS];
    char *joined[MAX_TEXTS];
    const int64_t h = plain->hidden;
    float *by_ids = encode(s, plain->model, &ids, NULL),
          *by_texts = encode(s, plain->model, &texts, NULL),
          *by_pairs = encode(s, plain->model, &pairs, NULL);
    assert_memory_equal(by_texts, by_ids, (size_t)(plain->num_texts * h) * sizeof(float));
    assert_memory_equal(by_pairs, by_ids + plain->num_texts * h,
                        (size_t)(plain->num_pairs * h) * sizeof(float));
    for (int64_t i = 0; i < texts.count; i++) { /* sizes decide, not a NUL */
        sizes[i] = (int64_t)strlen(texts.texts[i]);
        joined[i] = malloc((size_t)sizes[i] + 1);
        memcpy(joined[i], texts.texts[i], (size_t)sizes[i]);
        joined[i][sizes[i]] = 'x';
    }
    texts.texts = (const char *const *)joined;
    texts.text_sizes = sizes;
    float *by_sizes = encode(s, plain->model, &texts, NULL);
    assert_memory_equal(by_sizes, by_texts, (size_t)(plain->num_texts * h) * sizeof(float));
    for (int64_t i = 0; i < texts.count; i++) free(joined[i]);
    int32_t zeros[MAX_TOKENS] = {0};
    ids.type_ids = NULL;
    float *untyped = encode(s, plain->model, &ids, NULL);
    ids.type_ids = zeros;
    float *zero_typed = encode(s, plain->model, &ids, NULL);
    assert_memory_equal(untyped, zero_typed, (size_t)(plain->count * h) * sizeof(float));
    assert_true(memcmp(untyped + plain->num_texts * h, by_pairs, sizeof(float) * 20) != 0);
    float *const all[] = {by_ids, by_texts, by_pairs, by_sizes, untyped, zero_typed};
    for (size_t i = 0; i < COUNT(all); i++) free(all[i]);
    embed_session_free(s);
}

static void test_prompts(void **state)
{
    (void)state;
    embed_session *s = session_of(dense->model, 1, 0);
    const char *with = "kola: vu", *without = "vu";
    float want[18], bare[18], found[18];
    embed_encode_options o = defaults();
    ok(s, embed_encode_texts(s, &with, NULL, 1, NULL, want, 18));
    ok(s, embed_encode_texts(s, &without, NULL, 1, NULL, bare, 18));
    assert_true(memcmp(want, bare, sizeof want) != 0);
    o.prompt_name = "query";
    ok(s, embed_encode_texts(s, &without, NULL, 1, &o, found, 18));
    assert_memory_equal(found, want, sizeof want);
    o.prompt = ""; /* wins over the name: none */
    ok(s, embed_encode_texts(s, &without, NULL, 1, &o, found, 18));
    assert_memory_equal(found, bare, sizeof bare);
    o.prompt = "kola: ";
    o.prompt_name = "nothing";
    ok(s, embed_encode_texts(s, &without, NULL, 1, &o, found, 18));
    assert_memory_equal(found, want, sizeof want);
    o.prompt = NULL;
    assert_failed(s, embed_encode_texts(s, &without, NULL, 1, &o, found, 18), EMBED_EMISSING,
                  "prompt \"nothing\": the model has no prompt of this name");
    embed_session_free(s);

    s = session_of(list->model, 1, 0); /* the default prompt, "long" */
    float by_default[12], named[12], none[12];
    ok(s, embed_encode_texts(s, &without, NULL, 1, NULL, by_default, 12));
    o = defaults();
    o.prompt_name = "long";
    ok(s, embed_encode_texts(s, &without, NULL, 1, &o, named, 12));
    assert_memory_equal(by_default, named, sizeof named);
    o.prompt_name = "document";
    ok(s, embed_encode_texts(s, &without, NULL, 1, &o, none, 12));
    assert_true(memcmp(none, named, sizeof named) != 0);
    embed_session_free(s);
}

static void test_truncation(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, 0);
    const char *text = "a b c d e f", *head = "a b c", *tail = "d e f";
    float want[20], found[20];
    embed_encode_options o = defaults();
    o.max_length = 5;
    ok(s, embed_encode_texts(s, &head, NULL, 1, NULL, want, 20));
    ok(s, embed_encode_texts(s, &text, NULL, 1, &o, found, 20));
    assert_memory_equal(found, want, sizeof want);
    o.truncation_side = EMBED_TRUNCATE_LEFT;
    ok(s, embed_encode_texts(s, &tail, NULL, 1, NULL, want, 20));
    ok(s, embed_encode_texts(s, &text, NULL, 1, &o, found, 20));
    assert_memory_equal(found, want, sizeof want);
    o.flags = EMBED_NO_TRUNCATION;
    assert_failed(s, embed_encode_texts(s, &text, NULL, 1, &o, found, 20), EMBED_ERANGE,
                  "expected at most max_length = 5 tokens, found 8");
    o.max_length = 25;
    assert_failed(s, embed_encode_texts(s, &text, NULL, 1, &o, found, 20), EMBED_ERANGE,
                  "max_length: expected 1 to the model's 24 tokens, found 25");
    o.max_length = -1;
    assert_failed(s, embed_encode_texts(s, &text, NULL, 1, &o, found, 20), EMBED_ERANGE,
                  "max_length: expected 1 to the model's 24 tokens, found -1");
    embed_session_free(s);
}

/* ---- one sentence for each way to fail --------------------------------------------------- */

static void test_bad_ids(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, 0);
    int32_t ids[32] = {2, 3, 2, 90, 3}, types[32] = {0};
    int64_t offsets[3] = {0, 2, 5};
    float vectors[2][20];
    embed_input input = EMBED_INPUT_INIT;
    input.count = 2;
    input.ids = ids;
    input.type_ids = types;
    input.offsets = offsets;
    assert_failed(s, embed_encode(s, &input, NULL, vectors[0], 20), EMBED_ETOKEN,
                  "input 1: token 1: expected an id from 0 to 89, found 90");
    ids[3] = -1;
    assert_failed(s, embed_last_hidden_state(s, &input, NULL, vectors[0], 1), EMBED_ETOKEN,
                  "input 1: token 1: expected an id from 0 to 89, found -1");
    ids[3] = 89;
    types[4] = 2;
    assert_failed(s, embed_encode(s, &input, NULL, vectors[0], 20), EMBED_ETOKEN,
                  "input 1: token 2: expected a type id from 0 to 1, found 2");
    types[4] = 1;
    ok(s, embed_encode(s, &input, NULL, vectors[0], 20));
    assert_string_equal(embed_session_error(s), /* of the last call that failed */
                        "input 1: token 2: expected a type id from 0 to 1, found 2");
    offsets[1] = 6;
    assert_failed(s, embed_encode(s, &input, NULL, vectors[0], 20), EMBED_EINVAL,
                  "input 1: offsets: expected ascending numbers, found 6 and 5");
    offsets[1] = 0; /* an input without tokens */
    assert_failed(s, embed_encode(s, &input, NULL, vectors[0], 20), EMBED_EINVAL,
                  "input 0: expected at least one token to pool, found none");
    input.count = 1;
    offsets[1] = 25;
    assert_failed(s, embed_encode(s, &input, NULL, vectors[0], 20), EMBED_ERANGE,
                  "expected at most the model's 24 positions, found 25 tokens");
    embed_session_free(s);
    s = session_of(plain->model, 1, 8);
    offsets[1] = 9;
    assert_failed(s, embed_encode(s, &input, NULL, vectors[0], 20), EMBED_ERANGE,
                  "expected at most the session's batch_tokens = 8, found 9 tokens");
    embed_session_free(s);
}

static void assert_option_refused(embed_session *s, embed_encode_options o, int64_t stride,
                                  int32_t status, const char *message)
{
    const char *text = "kodo";
    float vector[64];
    assert_failed(s, embed_encode_texts(s, &text, NULL, 1, &o, vector, stride), status, message);
}

static void test_bad_options(void **state)
{
    (void)state;
    embed_session *s = session_of(dense->model, 1, 0);
    embed_encode_options o = defaults();
    assert_option_refused(s, o, 17, EMBED_EINVAL, "stride: expected at least 18, found 17");
    o.pooling = EMBED_POOL_SCORES + 1;
    assert_option_refused(s, o, 20, EMBED_EINVAL,
                          "pooling: expected an EMBED_POOL_ value, found 12");
    o = defaults();
    o.normalize = 3;
    assert_option_refused(s, o, 20, EMBED_EINVAL,
                          "normalize: expected an EMBED_NORMALIZE_ value, found 3");
    o = defaults();
    o.truncation_side = -1;
    assert_option_refused(s, o, 20, EMBED_EINVAL,
                          "truncation_side: expected an EMBED_TRUNCATE_ value, found -1");
    o = defaults();
    o.strategy = 3;
    assert_option_refused(s, o, 20, EMBED_EINVAL,
                          "strategy: expected an EMBED_STRATEGY_ value, found 3");
    o = defaults();
    o.dim = 19;
    assert_option_refused(s, o, 20, EMBED_ERANGE, "dim: expected 1 to 18, found 19");
    o.dim = -1;
    assert_option_refused(s, o, 20, EMBED_ERANGE, "dim: expected 1 to 18, found -1");
    o = defaults();
    o.layer = EMBED_LAYER(9);
    assert_option_refused(s, o, 20, EMBED_ERANGE, "layer: expected 0 to 2, found 9");
    o.layer = EMBED_LAYER(1);
    o.pooling = EMBED_POOL_POOLER;
    assert_option_refused(s, o, 20, EMBED_EINVAL,
                          "layer: expected the last one, which the pooler is made for, found 1");
    embed_session_free(s);
    s = session_of(list->model, 1, 0);
    o = defaults();
    o.pooling = EMBED_POOL_CLS; /* one vector where the LayerNorm takes two */
    assert_option_refused(s, o, 20, EMBED_EINVAL,
                          "pooling: the module after it takes 40 numbers, not 20: leave modules "
                          "out");
    o.flags = EMBED_NO_MODULES;
    assert_int_equal(embed_output_dim(list->model, &o), 20);
    embed_session_free(s);
}

static int32_t cancel(void *user, int64_t done, int64_t total)
{
    assert_int_equal(total, plain->count);
    *(int64_t *)user = done;
    return done < total;
}

static void test_cancel(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, plain->longest);
    embed_input input = ids_of(plain);
    int64_t done = 0;
    float vectors[MAX_INPUTS * MAX_WIDTH];
    char message[128];
    embed_encode_options o = defaults();
    o.progress = cancel;
    o.progress_user = &done;
    int32_t status = embed_encode(s, &input, &o, vectors, MAX_WIDTH);
    assert_true(done > 0 && done < plain->count);
    snprintf(message, sizeof message,
             "canceled by the progress callback after %lld of %lld inputs", (long long)done,
             (long long)plain->count);
    assert_failed(s, status, EMBED_ECANCELED, message);
    ok(s, embed_encode(s, &input, NULL, vectors, MAX_WIDTH));
    embed_session_free(s);
}

/* ---- sessions ---------------------------------------------------------------------------- */

static void test_session_arguments(void **state)
{
    (void)state;
    embed_session_options o = EMBED_SESSION_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    embed_session *s = NULL;
    size_t size, small, large;
    o.threads = 1;
    assert_int_equal(embed_workspace_size(plain->model, &o, &size, &error), EMBED_OK);
    char *memory = malloc(size + 128);
    assert_non_null(memory);
    char *workspace = memory + (64 - (uintptr_t)memory % 64);
    assert_int_equal(embed_session_init(plain->model, &o, workspace + 8, size, &s, &error),
                     EMBED_EWORKSPACE);
    assert_non_null(strstr(error.message, "workspace: expected an address aligned to 64 bytes"));
    assert_int_equal(embed_session_init(plain->model, &o, workspace, size - 1, &s, &error),
                     EMBED_EWORKSPACE);
    assert_non_null(
        strstr(error.message, "workspace: expected what embed_workspace_size says, found"));
    assert_null(s);
    assert_int_equal(embed_session_init(plain->model, &o, workspace, size, &s, NULL), EMBED_OK);
    assert_string_equal(embed_session_error(s), "");
    embed_session_free(s);
    free(memory);

    o.batch_tokens = 32;
    assert_int_equal(embed_workspace_size(plain->model, &o, &small, &error), EMBED_OK);
    o.batch_tokens = 4096;
    assert_int_equal(embed_workspace_size(plain->model, &o, &large, &error), EMBED_OK);
    assert_true(small < size && size < large);
    o.threads = -1;
    assert_int_equal(embed_session_create(plain->model, &o, &s, &error), EMBED_EINVAL);
    assert_string_equal(error.message, "threads: expected 0 to 1024, found -1");
    o.threads = 1;
    o.batch_tokens = -1;
    assert_int_equal(embed_workspace_size(plain->model, &o, &size, &error), EMBED_EINVAL);
    assert_string_equal(error.message, "batch_tokens: expected 0 to 1073741824, found -1");
    o.batch_tokens = 0;
    o.max_text_bytes = -1;
    assert_int_equal(embed_session_create(plain->model, &o, &s, &error), EMBED_EINVAL);
    assert_string_equal(error.message, "max_text_bytes: expected 0 or more, found -1");
    assert_null(s);
}

static void backwards(void *user, embed_task_fn task, void *arg, int64_t count)
{
    ++*(int64_t *)user;
    for (int64_t i = count - 1; i >= 0; i--) task(arg, i);
}

static void assert_same_vectors(embed_session *s, const frozen *f, const float *want)
{
    embed_input input = texts_of(f);
    float *found = encode(s, f->model, &input, NULL);
    int64_t dim = embed_output_dim(f->model, NULL);
    assert_memory_equal(found, want, (size_t)(f->num_texts * dim) * sizeof *want);
    free(found);
}

/* However the work is cut up: the host's threads, passes of few tokens or of many. */
static void test_same_vectors(void **state)
{
    (void)state;
    frozen *const all[] = {plain, dense, list};
    for (size_t m = 0; m < COUNT(all); m++) {
        const frozen *f = all[m];
        embed_session *s = session_of(f->model, 1, 0);
        embed_input input = texts_of(f);
        float *want = encode(s, f->model, &input, NULL);
        embed_session_free(s);
        int64_t calls = 0;
        embed_session_options o = EMBED_SESSION_OPTIONS_INIT;
        o.parallel = backwards;
        o.parallel_user = &calls;
        o.threads = 5;
        assert_int_equal(embed_session_create(f->model, &o, &s, NULL), EMBED_OK);
        assert_same_vectors(s, f, want);
        assert_true(calls > 0);
        embed_session_free(s);
        for (int64_t budget = 32; budget <= 8192; budget *= 16) {
            s = session_of(f->model, 2, budget);
            assert_same_vectors(s, f, want);
            embed_session_free(s);
        }
        free(want);
    }
}

typedef struct worker {
    const float *want;
    bool same;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    embed_session *s = NULL;
    float found[MAX_TEXTS * 18];
    embed_input input = texts_of(dense);
    w->same = embed_session_create(dense->model, NULL, &s, NULL) == EMBED_OK;
    for (int i = 0; i < 20 && w->same; i++)
        w->same = embed_encode(s, &input, NULL, found, 18) == EMBED_OK &&
                  memcmp(found, w->want, (size_t)(input.count * 18) * sizeof *found) == 0;
    embed_session_free(s);
    return NULL;
}

static void test_two_sessions_at_once(void **state)
{
    (void)state;
    embed_session *s = session_of(dense->model, 1, 0);
    embed_input input = texts_of(dense);
    float *want = encode(s, dense->model, &input, NULL);
    worker workers[2] = {{want, false}, {want, false}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(workers[0].same && workers[1].same);
    free(want);
    embed_session_free(s);
}

/* A signal that this thread does not take stays pending: a thread of the session that took it would
 * end us. */
static void test_signals_are_for_others(void **state)
{
    (void)state;
    embed_session *s = session_of(dense->model, 3, 0);
    sigset_t user, before, pending;
    int number = 0;

    sigemptyset(&user);
    sigaddset(&user, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &user, &before);
    assert_false(sigismember(&before, SIGUSR1));
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    sigpending(&pending);
    assert_true(sigismember(&pending, SIGUSR1));
    assert_int_equal(sigwait(&user, &number), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    embed_session_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenize),
        cmocka_unit_test(test_tokenize_options),
        cmocka_unit_test(test_count_tokens),
        cmocka_unit_test(test_hidden_states),
        cmocka_unit_test(test_hidden_state_limits),
        cmocka_unit_test(test_encode_pools),
        cmocka_unit_test(test_encode_recipe),
        cmocka_unit_test(test_encode_inputs),
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_bad_ids),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_session_arguments),
        cmocka_unit_test(test_same_vectors),
        cmocka_unit_test(test_two_sessions_at_once),
        cmocka_unit_test(test_signals_are_for_others),
    };
    return cmocka_run_group_tests_name("calls", tests, load_all, unload_all);
}
