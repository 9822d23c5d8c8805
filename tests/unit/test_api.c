/* Every function of embed.h: NULL and other bad arguments, options structs of other versions,
 * questions about a model, and the helpers on vectors against values worked out by hand. */
#include <math.h>

#include "three_models.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- statuses and versions --------------------------------------------------------------- */

static void test_statuses(void **state)
{
    (void)state;
    static const struct {
        int32_t status, value;
        const char *text;
    } all[] = {
        {EMBED_OK, 0, "success"},
        {EMBED_EINVAL, -1, "invalid argument"},
        {EMBED_ENOMEM, -2, "out of memory"},
        {EMBED_EIO, -3, "cannot open or read a file"},
        {EMBED_EFORMAT, -4, "malformed file"},
        {EMBED_EUNSUPPORTED, -5, "valid, but not supported by this library"},
        {EMBED_ETENSOR, -6, "tensor missing, or of the wrong shape or type"},
        {EMBED_ERANGE, -7, "input larger than the model or the session allows"},
        {EMBED_EWORKSPACE, -8, "workspace too small or misaligned"},
        {EMBED_EUTF8, -9, "text is not valid UTF-8"},
        {EMBED_EKIND, -10, "the model does not take this kind of input"},
        {EMBED_ECANCELED, -11, "canceled by the progress callback"},
        {EMBED_ETOKEN, -12, "token id outside the vocabulary"},
        {EMBED_EMISSING, -13, "the model does not have what was asked for"},
    };
    for (size_t i = 0; i < COUNT(all); i++) {
        assert_int_equal(all[i].status, all[i].value);
        assert_string_equal(embed_status_string(all[i].value), all[i].text);
    }
    assert_string_equal(embed_status_string(-14), "unknown status");
    assert_string_equal(embed_status_string(1), "unknown status");
    assert_string_equal(embed_status_string(INT32_MIN), "unknown status");
}

static void test_versions(void **state)
{
    (void)state;
    char text[32];
    uint32_t v = embed_version();
    assert_int_equal(v, EMBED_VERSION_MAJOR << 16 | EMBED_VERSION_MINOR << 8 | EMBED_VERSION_PATCH);
    snprintf(text, sizeof text, "%u.%u.%u", v >> 16, v >> 8 & 255, v & 255);
    assert_string_equal(embed_version_string(), text);
    assert_non_null(strstr(embed_build_info(), "built=c"));
    assert_non_null(strstr(embed_build_info(), "blas="));
    assert_non_null(strstr(embed_build_info(), "compiler="));
    assert_true(strlen(embed_isa()) > 0);
    embed_open_options options = EMBED_OPEN_OPTIONS_INIT;
    options.isa = embed_isa(); /* the default can be asked for by name */
    embed_model_free(open_named("bert", &options));
}

/* ---- NULL -------------------------------------------------------------------------------- */

static void test_null_models(void **state)
{
    (void)state;
    embed_error error = EMBED_ERROR_INIT;
    embed_model *model;
    embed_session *session = (embed_session *)1;
    size_t size;
    assert_int_equal(embed_model_open(NULL, NULL, &model, &error), EMBED_EINVAL);
    assert_string_equal(error.message, "expected a path or data, found NULL");
    assert_null(model);
    assert_int_equal(embed_model_open("x", NULL, NULL, &error), EMBED_EINVAL);
    assert_string_equal(error.message, "model: expected where to put it, found NULL");
    assert_int_equal(embed_model_open(NULL, NULL, NULL, NULL), EMBED_EINVAL);
    assert_int_equal(embed_model_open_memory(NULL, 8, NULL, &model, &error), EMBED_EINVAL);
    assert_int_equal(embed_model_open_memory("", 0, NULL, NULL, NULL), EMBED_EINVAL);
    assert_int_equal(embed_model_open("/nowhere", NULL, &model, NULL), EMBED_EIO);
    embed_model_free(NULL);
    assert_int_equal(embed_model_info(NULL, EMBED_INFO_DIM), EMBED_EINVAL);
    assert_null(embed_model_describe(NULL));
    assert_null(embed_model_warning(NULL, 0));
    assert_null(embed_model_prompt(NULL, "query"));
    assert_null(embed_model_prompt(dense->model, NULL));
    assert_null(embed_model_prompt_name(NULL, 0));
    assert_null(embed_model_product(NULL, 0));
    assert_null(embed_token_text(NULL, 0));
    assert_int_equal(embed_token_id(NULL, "a"), EMBED_EINVAL);
    assert_int_equal(embed_token_id(plain->model, NULL), EMBED_EINVAL);
    assert_int_equal(embed_output_dim(NULL, NULL), EMBED_EINVAL);
    assert_int_equal(embed_workspace_size(NULL, NULL, &size, &error), EMBED_EINVAL);
    assert_string_equal(error.message, "model and size: expected both, found NULL");
    assert_int_equal(embed_workspace_size(plain->model, NULL, NULL, NULL), EMBED_EINVAL);
    assert_int_equal(embed_session_create(NULL, NULL, &session, &error), EMBED_EINVAL);
    assert_string_equal(error.message, "model and session: expected both, found NULL");
    assert_null(session);
    assert_int_equal(embed_session_create(plain->model, NULL, NULL, NULL), EMBED_EINVAL);
    assert_int_equal(embed_session_init(plain->model, NULL, NULL, 0, &session, &error),
                     EMBED_EINVAL);
    assert_string_equal(error.message, "model, workspace and session: expected all, found NULL");
    assert_int_equal(embed_session_init(NULL, NULL, &size, 8, NULL, NULL), EMBED_EINVAL);
    embed_session_free(NULL);
    assert_string_equal(embed_session_error(NULL), "");
}

static void test_null_calls(void **state)
{
    (void)state;
    const char *text = "kodo";
    float vector[MAX_WIDTH];
    int64_t numbers[4];
    embed_input input = texts_of(plain), none = EMBED_INPUT_INIT;
    assert_int_equal(embed_tokenize(NULL, text, -1, NULL, 0, NULL, NULL), EMBED_EINVAL);
    assert_int_equal(embed_count_tokens(NULL, &input, NULL, numbers), EMBED_EINVAL);
    assert_int_equal(embed_encode(NULL, &input, NULL, vector, MAX_WIDTH), EMBED_EINVAL);
    assert_int_equal(embed_encode_texts(NULL, &text, NULL, 1, NULL, vector, MAX_WIDTH),
                     EMBED_EINVAL);
    assert_int_equal(embed_last_hidden_state(NULL, &input, NULL, vector, 1), EMBED_EINVAL);
    assert_int_equal(embed_last_hidden_state_ragged(NULL, &input, NULL, vector, 1, numbers),
                     EMBED_EINVAL);
    assert_int_equal(embed_pooler(NULL, vector, vector), EMBED_EINVAL);

    embed_session *s = session_of(plain->model, 1, 0);
    assert_string_equal(embed_session_error(s), "");
    assert_failed(s, embed_tokenize(s, NULL, 0, NULL, 0, NULL, NULL), EMBED_EINVAL,
                  "text: expected one, found NULL");
    assert_failed(s, embed_count_tokens(s, NULL, NULL, numbers), EMBED_EINVAL,
                  "input: expected one, found NULL");
    assert_failed(s, embed_count_tokens(s, &input, NULL, NULL), EMBED_EINVAL,
                  "counts: expected an array, found NULL");
    assert_failed(s, embed_encode(s, NULL, NULL, vector, MAX_WIDTH), EMBED_EINVAL,
                  "input: expected one, found NULL");
    assert_failed(s, embed_encode(s, &input, NULL, NULL, MAX_WIDTH), EMBED_EINVAL,
                  "vectors: expected an array, found NULL");
    assert_failed(s, embed_encode_texts(s, NULL, NULL, 1, NULL, vector, MAX_WIDTH), EMBED_EINVAL,
                  "input: expected a count and texts, ids with offsets, or images, found count 1");
    assert_failed(s, embed_encode_texts(s, &text, NULL, -1, NULL, vector, MAX_WIDTH),
                  EMBED_EINVAL,
                  "input: expected a count and texts, ids with offsets, or images, found count -1, "
                  "texts");
    none.count = 2;
    none.ids = plain->ids;
    assert_failed(s, embed_encode(s, &none, NULL, vector, MAX_WIDTH), EMBED_EINVAL,
                  "input: expected a count and texts, ids with offsets, or images, found count 2, "
                  "ids");
    none.offsets = plain->offsets;
    none.texts = &text;
    assert_failed(s, embed_encode(s, &none, NULL, vector, MAX_WIDTH), EMBED_EINVAL,
                  "input: expected a count and texts, ids with offsets, or images, found count 2, "
                  "texts, ids, offsets");
    assert_failed(s, embed_last_hidden_state(s, &input, NULL, NULL, 24), EMBED_EINVAL,
                  "hidden: expected an array of rows, found NULL or a negative number of them");
    assert_failed(s, embed_last_hidden_state(s, &input, NULL, vector, -1), EMBED_EINVAL,
                  "hidden: expected an array of rows, found NULL or a negative number of them");
    assert_failed(s, embed_last_hidden_state_ragged(s, &input, NULL, vector, 1, NULL),
                  EMBED_EINVAL, "offsets: expected an array, found NULL");
    assert_failed(s, embed_pooler(s, NULL, vector), EMBED_EINVAL,
                  "cls and out: expected both, found NULL");
    const char *holes[] = {"kodo", NULL};
    assert_failed(s, embed_encode_texts(s, holes, NULL, 2, NULL, vector, 20), EMBED_EINVAL,
                  "input 1: expected a text and its size, found NULL or a negative size");
    const int64_t negative = -1;
    assert_failed(s, embed_encode_texts(s, &text, &negative, 1, NULL, vector, 20), EMBED_EINVAL,
                  "expected a text and its size, found NULL or a negative size");
    embed_session_free(s);
}

/* ---- struct_size ------------------------------------------------------------------------- */

/* An options struct of another version of the library, with room for fields that we lack. */
typedef struct versioned {
    union {
        embed_open_options open;
        embed_session_options session;
        embed_input input;
        embed_encode_options encode;
        embed_tokens tokens;
        uint32_t struct_size;
    } u;
    uint64_t tail[2];
} versioned;

enum { OPEN, SESSION, INPUT, ENCODE, TOKENS, NUM_STRUCTS };

static int64_t call_with(embed_session *s, int which, versioned *v, const char **message)
{
    static embed_error error;
    embed_model *model = NULL;
    embed_session *other = NULL;
    float vectors[MAX_INPUTS * MAX_WIDTH];
    embed_input input = texts_of(dense);
    int64_t status = 0;
    memset(&error, 0, sizeof error);
    *message = which <= SESSION ? error.message : embed_session_error(s);
    switch (which) {
    case OPEN: status = embed_model_open(ROOT "bert", &v->u.open, &model, &error); break;
    case SESSION: status = embed_session_create(dense->model, &v->u.session, &other, &error); break;
    case INPUT: status = embed_encode(s, &v->u.input, NULL, vectors, MAX_WIDTH); break;
    case ENCODE: status = embed_encode(s, &input, &v->u.encode, vectors, MAX_WIDTH); break;
    default: status = embed_tokenize(s, "kodo", -1, NULL, 0, NULL, &v->u.tokens) - 3; break;
    }
    embed_session_free(other);
    embed_model_free(model);
    return status;
}

static void test_struct_sizes(void **state)
{
    (void)state;
    static const size_t sizes[NUM_STRUCTS] = {
        sizeof(embed_open_options), sizeof(embed_session_options), sizeof(embed_input),
        sizeof(embed_encode_options), sizeof(embed_tokens),
    };
    static const char *const names[NUM_STRUCTS] = {"options", "options", "input", "options",
                                                   "tokens"};
    embed_session *s = session_of(dense->model, 1, 0);
    const char *message;
    char expected_message[128];
    for (int which = 0; which < NUM_STRUCTS; which++) {
        versioned v;
        memset(&v, 0, sizeof v);
        for (uint32_t bad = 0; bad <= 3; bad += 3) {
            v.u.struct_size = bad;
            assert_int_equal(call_with(s, which, &v, &message) + 3 * (which == TOKENS),
                             EMBED_EINVAL);
            snprintf(expected_message, sizeof expected_message,
                     "%s: struct_size: expected sizeof the struct, found %u", names[which],
                     (unsigned)bad);
            assert_string_equal(message, expected_message);
        }
        const uint32_t good[] = {4, 8, (uint32_t)sizes[which], (uint32_t)sizes[which] + 8,
                                 (uint32_t)sizes[which] + 16};
        for (size_t i = 0; i < COUNT(good); i++) {
            v.u.struct_size = good[i];
            assert_int_equal(call_with(s, which, &v, &message), EMBED_OK);
        }
        ((char *)&v)[sizes[which] + 15] = 1; /* the last byte of a field to come */
        assert_int_equal(call_with(s, which, &v, &message) + 3 * (which == TOKENS),
                         EMBED_EUNSUPPORTED);
        snprintf(expected_message, sizeof expected_message,
                 "%s: a field that this version of the library has not", names[which]);
        assert_string_equal(message, expected_message);
        v.u.struct_size = (uint32_t)sizes[which]; /* what is behind the struct is not read */
        assert_int_equal(call_with(s, which, &v, &message), EMBED_OK);
    }
    versioned v; /* an older caller's struct ends before flags: whatever lies there is not his */
    memset(&v, 0xFF, sizeof v);
    v.u.struct_size = 4;
    assert_int_equal(call_with(s, ENCODE, &v, &message), EMBED_OK);
    embed_session_free(s);
}

static void test_unknown_flags(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, 0);
    float vector[MAX_TEXTS * MAX_WIDTH];
    embed_input input = texts_of(plain);
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    embed_tokens tokens = EMBED_TOKENS_INIT;
    options.flags = 1u << 8;
    assert_failed(s, embed_encode(s, &input, &options, vector, MAX_WIDTH), EMBED_EINVAL,
                  "options: flags: expected bits of 0xFF, found 0x100");
    assert_int_equal(embed_output_dim(plain->model, &options), EMBED_EINVAL);
    input.flags = 1;
    assert_failed(s, embed_encode(s, &input, NULL, vector, MAX_WIDTH), EMBED_EINVAL,
                  "input: flags: expected 0, found 1");
    tokens.flags = 2;
    assert_failed(s, embed_tokenize(s, "a", -1, NULL, 0, NULL, &tokens), EMBED_EINVAL,
                  "tokens: flags: expected bits of 0x0, found 0x2");
    embed_session_free(s);
}

/* ---- questions about a model ------------------------------------------------------------- */

static void test_info(void **state)
{
    (void)state;
    static const int64_t bert[] = {20, 20, 2, 2, 36, 90, 24, 24, EMBED_POOL_CLS, 0, 1,
                                   EMBED_SIMILARITY_COSINE},
                         st[] = {18, 20, 2, 2, 36, 90, 16, 24, EMBED_POOL_MEAN, 1, 1,
                                 EMBED_SIMILARITY_COSINE};
    for (int32_t i = 0; i < (int32_t)COUNT(bert); i++) {
        assert_int_equal(embed_model_info(plain->model, i + 1), bert[i]);
        assert_int_equal(embed_model_info(dense->model, i + 1), st[i]);
    }
    /* embeddings, two layers of 4 h^2 + 2 h i + 9 h + i numbers, pooler */
    int64_t numbers = (90 + 24 + 2 + 2) * 20 + 2 * (4 * 400 + 2 * 720 + 9 * 20 + 36) + 420;
    assert_int_equal(embed_model_info(plain->model, EMBED_INFO_PARAMETERS), numbers);
    assert_int_equal(embed_model_info(dense->model, EMBED_INFO_PARAMETERS), numbers + 18 * 21);
    assert_true(embed_model_info(plain->model, EMBED_INFO_WEIGHT_BYTES) > 0);
    assert_int_equal(embed_model_info(plain->model, EMBED_INFO_GEMM), EMBED_GEMM_PACKED);
    assert_int_equal(embed_model_info(plain->model, EMBED_INFO_HAS_TOKENIZER), 1);
    assert_int_equal(embed_model_info(plain->model, 0), EMBED_EINVAL);
    assert_int_equal(embed_model_info(plain->model, EMBED_INFO_COMPUTE), EMBED_COMPUTE_F32);
    assert_int_equal(embed_model_info(plain->model, EMBED_INFO_GOLDEN + 1), EMBED_EINVAL);
    assert_non_null(strstr(embed_model_describe(plain->model), "\"family\":\"bert\""));
    assert_null(embed_model_warning(plain->model, 0));
    assert_null(embed_model_warning(plain->model, -1));
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(embed_model_prompt(dense->model, "query"), "kola: ");
    assert_string_equal(embed_model_prompt(dense->model, "passage"), "");
    assert_null(embed_model_prompt(dense->model, "no such prompt"));
    assert_string_equal(embed_model_prompt_name(dense->model, 0), "query");
    assert_string_equal(embed_model_prompt_name(dense->model, 2), "document");
    assert_null(embed_model_prompt_name(dense->model, 3));
    assert_null(embed_model_prompt_name(dense->model, -1));
    assert_string_equal(embed_token_text(plain->model, 2), "[CLS]");
    assert_string_equal(embed_token_text(plain->model, 89), "##rezoda");
    assert_null(embed_token_text(plain->model, 90));
    assert_null(embed_token_text(plain->model, -1));
    assert_int_equal(embed_token_id(plain->model, "nari"), 61);
    assert_int_equal(embed_token_id(plain->model, "[SEP]"), 3);
    assert_int_equal(embed_token_id(plain->model, "no such token"), EMBED_EMISSING);
}

/* ---- pooling ----------------------------------------------------------------------------- */

static void assert_pooled(int32_t pooling, const int32_t *mask, float x, float y)
{
    static const float hidden[4][2] = {{1, -2}, {3, 8}, {-5, 4}, {7, 6}};
    float out[2] = {99, 99};
    assert_int_equal(embed_pool(hidden[0], 4, 2, mask, pooling, out), EMBED_OK);
    if (out[0] != x || out[1] != y)
        fail_msg("pooling %d: expected %g %g, found %g %g", (int)pooling, x, y, out[0], out[1]);
}

static void test_pool(void **state)
{
    (void)state;
    static const int32_t right[] = {1, 1, 1, 0}, left[] = {0, 0, 1, 1}, zero[4] = {0};
    assert_pooled(EMBED_POOL_CLS, NULL, 1, -2);
    assert_pooled(EMBED_POOL_CLS, left, -5, 4);
    assert_pooled(EMBED_POOL_LAST, NULL, 7, 6);
    assert_pooled(EMBED_POOL_LAST, right, -5, 4);
    assert_pooled(EMBED_POOL_MEAN, NULL, 1.5f, 4);
    assert_pooled(EMBED_POOL_MEAN, right, (float)(-1 / 3.0), (float)(10 / 3.0));
    assert_pooled(EMBED_POOL_MEAN_ALL, right, 1.5f, 4);
    assert_pooled(EMBED_POOL_MAX, NULL, 7, 8);
    assert_pooled(EMBED_POOL_MAX, left, 7, 6);
    assert_pooled(EMBED_POOL_WEIGHTED, NULL, 2, 5); /* 1 6 -15 28, -2 16 12 24, over 10 */
    assert_pooled(EMBED_POOL_WEIGHTED, right, (float)(-8 / 6.0), (float)(26 / 6.0));
    assert_pooled(EMBED_POOL_WEIGHTED, left, 3, (float)(16 / 3.0)); /* counted from the text */
    assert_pooled(EMBED_POOL_SQRT_LEN, NULL, 3, 8);
    assert_pooled(EMBED_POOL_SQRT_LEN, right, (float)(-1 / sqrt(3)), (float)(10 / sqrt(3)));
    assert_pooled(EMBED_POOL_MEAN, zero, 0, 0); /* as the reference does */
    assert_pooled(EMBED_POOL_LAST, zero, 0, 0);
    assert_pooled(EMBED_POOL_CLS, zero, 1, -2);
    assert_pooled(EMBED_POOL_MAX, zero, -INFINITY, -INFINITY);

    const float x = 1;
    float out;
    assert_int_equal(embed_pool(&x, 1, 1, NULL, EMBED_POOL_DEFAULT, &out), EMBED_EINVAL);
    assert_int_equal(embed_pool(&x, 1, 1, NULL, EMBED_POOL_POOLER, &out), EMBED_EINVAL);
    assert_int_equal(embed_pool(&x, 1, 1, NULL, 9, &out), EMBED_EINVAL);
    assert_int_equal(embed_pool(&x, 0, 1, NULL, EMBED_POOL_CLS, &out), EMBED_EINVAL);
    assert_int_equal(embed_pool(&x, 1, 0, NULL, EMBED_POOL_CLS, &out), EMBED_EINVAL);
    assert_int_equal(embed_pool(NULL, 1, 1, NULL, EMBED_POOL_CLS, &out), EMBED_EINVAL);
    assert_int_equal(embed_pool(&x, 1, 1, NULL, EMBED_POOL_CLS, NULL), EMBED_EINVAL);
}

static void test_pool_parts(void **state)
{
    (void)state;
    static const float hidden[5][2] = {{1, -2}, {3, 8}, {-5, 4}, {7, 6}, {0, 1}};
    static const int32_t words[] = {-1, 0, 0, 1, 0}; /* word 0 of a pair's second member too */
    float out[2];
    assert_int_equal(embed_pool_span(hidden[0], 5, 2, 1, 3, out), EMBED_OK);
    assert_true(out[0] == -1 && out[1] == 6);
    assert_int_equal(embed_pool_span(hidden[0], 5, 2, 3, 4, out), EMBED_OK);
    assert_true(out[0] == 7 && out[1] == 6);
    assert_int_equal(embed_pool_span(hidden[0], 5, 2, 2, 2, out), EMBED_EINVAL);
    assert_int_equal(embed_pool_span(hidden[0], 5, 2, -1, 2, out), EMBED_EINVAL);
    assert_int_equal(embed_pool_span(hidden[0], 5, 2, 4, 6, out), EMBED_EINVAL);
    assert_int_equal(embed_pool_span(hidden[0], 5, 0, 0, 1, out), EMBED_EINVAL);
    assert_int_equal(embed_pool_span(NULL, 5, 2, 0, 1, out), EMBED_EINVAL);
    assert_int_equal(embed_pool_span(hidden[0], 5, 2, 0, 1, NULL), EMBED_EINVAL);
    assert_int_equal(embed_pool_word(hidden[0], 5, 2, words, 1, out), EMBED_OK);
    assert_true(out[0] == 7 && out[1] == 6);
    assert_int_equal(embed_pool_word(hidden[0], 5, 2, words, 0, out), EMBED_OK);
    assert_true(out[0] == (float)(-2 / 3.0) && out[1] == (float)(13 / 3.0));
    assert_int_equal(embed_pool_word(hidden[0], 5, 2, words, 2, out), EMBED_EMISSING);
    assert_int_equal(embed_pool_word(hidden[0], 5, 2, NULL, 0, out), EMBED_EINVAL);
    assert_int_equal(embed_pool_word(NULL, 5, 2, words, 0, out), EMBED_EINVAL);
    assert_int_equal(embed_pool_word(hidden[0], 0, 2, words, 0, out), EMBED_EINVAL);
    assert_int_equal(embed_pool_word(hidden[0], -1, 2, words, 0, out), EMBED_EINVAL);
    assert_int_equal(embed_pool_word(hidden[0], 5, 2, words, 0, NULL), EMBED_EINVAL);
}

/* ---- normalize, similarity --------------------------------------------------------------- */

static void test_normalize(void **state)
{
    (void)state;
    float x[3][4] = {{3, 4, 55, 66}, {0, -0.0f, 55, 66}, {3e-13f, -4e-13f, 55, 66}};
    assert_int_equal(embed_normalize(x[0], 3, 2, 4), EMBED_OK);
    assert_true(x[0][0] == 0.6f && x[0][1] == 0.8f);
    assert_true(x[1][0] == 0 && x[1][1] == 0); /* never NaN */
    assert_true(fabsf(x[2][0] - 0.3f) < 1e-7f && fabsf(x[2][1] + 0.4f) < 1e-7f); /* over 1e-12 */
    for (int i = 0; i < 3; i++)
        assert_true(x[i][2] == 55 && x[i][3] == 66); /* past dim: not touched */
    assert_int_equal(embed_normalize(NULL, 0, 2, 2), EMBED_OK);
    assert_int_equal(embed_normalize(NULL, 1, 2, 2), EMBED_EINVAL);
    assert_int_equal(embed_normalize(x[0], -1, 2, 2), EMBED_EINVAL);
    assert_int_equal(embed_normalize(x[0], 1, 0, 2), EMBED_EINVAL);
    assert_int_equal(embed_normalize(x[0], 1, 2, 1), EMBED_EINVAL);
}

/* More rows than a block has, more columns than a panel, more dimensions than are summed as floats. */
static void test_similarity_of_many(void **state)
{
    (void)state;
    enum { DIM = 131, MANY = 300, FEW = 21 };
    float *a = malloc((MANY + FEW) * DIM * sizeof *a), *b = a + MANY * DIM;
    float *scores = malloc(2 * MANY * FEW * sizeof *scores), *turned = scores + MANY * FEW, one;
    uint32_t seed = 11;
    for (int i = 0; i < (MANY + FEW) * DIM; i++) {
        seed = seed * 1664525u + 1013904223u;
        a[i] = (float)((double)seed / 4294967296.0 - 0.5);
    }
    for (int32_t kind = EMBED_SIMILARITY_COSINE; kind <= EMBED_SIMILARITY_MANHATTAN; kind++) {
        assert_int_equal(embed_similarity(kind, a, MANY, b, FEW, DIM, scores), EMBED_OK);
        assert_int_equal(embed_similarity(kind, b, FEW, a, MANY, DIM, turned), EMBED_OK);
        for (int i = 0; i < MANY; i++)
            for (int j = 0; j < FEW; j++) {
                assert_int_equal(embed_similarity(kind, a + i * DIM, 1, b + j * DIM, 1, DIM, &one),
                                 EMBED_OK);
                assert_true(one == scores[i * FEW + j] && one == turned[j * MANY + i]);
                double dot = 0, aa = 0, bb = 0;
                for (int k = 0; k < DIM; k++) {
                    dot += (double)a[i * DIM + k] * b[j * DIM + k];
                    aa += (double)a[i * DIM + k] * a[i * DIM + k];
                    bb += (double)b[j * DIM + k] * b[j * DIM + k];
                }
                if (kind == EMBED_SIMILARITY_DOT) assert_true(fabs(one - dot) <= 1e-6);
                if (kind == EMBED_SIMILARITY_COSINE)
                    assert_true(fabs(one - dot / sqrt(aa * bb)) <= 1e-7);
            }
    }
    free(scores);
    free(a);
}

static void test_similarity(void **state)
{
    (void)state;
    enum { DIM = 19, ROWS_A = 3, ROWS_B = 4 };
    float a[ROWS_A][DIM], b[ROWS_B][DIM], scores[ROWS_A][ROWS_B];
    uint32_t seed = 7;
    for (int i = 0; i < ROWS_A + ROWS_B; i++) {
        for (int k = 0; k < DIM; k++) {
            seed = seed * 1664525u + 1013904223u;
            (i < ROWS_A ? a[i] : b[i - ROWS_A])[k] = (float)((double)seed / 4294967296.0 - 0.5);
        }
    }
    memset(b[3], 0, sizeof b[3]); /* a zero vector: similarity 0 */
    for (int32_t kind = EMBED_SIMILARITY_COSINE; kind <= EMBED_SIMILARITY_MANHATTAN; kind++) {
        assert_int_equal(embed_similarity(kind, a[0], ROWS_A, b[0], ROWS_B, DIM, scores[0]),
                         EMBED_OK);
        for (int i = 0; i < ROWS_A; i++) {
            for (int j = 0; j < ROWS_B; j++) {
                double dot = 0, aa = 0, bb = 0, squares = 0, sum = 0;
                for (int k = 0; k < DIM; k++) {
                    double x = a[i][k], y = b[j][k];
                    dot += x * y;
                    aa += x * x;
                    bb += y * y;
                    squares += (x - y) * (x - y);
                    sum += fabs(x - y);
                }
                double want[] = {0, bb > 0 ? dot / sqrt(aa * bb) : 0, dot, -sqrt(squares), -sum};
                assert_true(fabs(scores[i][j] - want[kind]) <= 1e-7 * (1 + fabs(want[kind])));
            }
        }
    }
    assert_int_equal(embed_similarity(0, a[0], 1, b[0], 1, DIM, scores[0]), EMBED_EINVAL);
    assert_int_equal(embed_similarity(5, a[0], 1, b[0], 1, DIM, scores[0]), EMBED_EINVAL);
    assert_int_equal(embed_similarity(1, a[0], -1, b[0], 1, DIM, scores[0]), EMBED_EINVAL);
    assert_int_equal(embed_similarity(1, a[0], 1, b[0], -1, DIM, scores[0]), EMBED_EINVAL);
    assert_int_equal(embed_similarity(1, a[0], 1, b[0], 1, 0, scores[0]), EMBED_EINVAL);
    assert_int_equal(embed_similarity(1, NULL, 1, b[0], 1, DIM, scores[0]), EMBED_EINVAL);
    assert_int_equal(embed_similarity(1, a[0], 1, NULL, 1, DIM, scores[0]), EMBED_EINVAL);
    assert_int_equal(embed_similarity(1, a[0], 1, b[0], 1, DIM, NULL), EMBED_EINVAL);
    assert_int_equal(embed_similarity(1, a[0], 1, NULL, 0, DIM, NULL), EMBED_OK);
}

/* ---- quantisation: sentence_transformers.util.quantize_embeddings (6.2) of this array ---- */

static const float numbers4[4][10] = {
    {0.0f, -0.0f, 1.5f, 0.25f, -2.0f, 1e-9f, -1e-9f, 3.0f, 0.5f, -0.75f},
    {1.0f, -1.0f, -1.5f, 0.25f, 2.0f, 0.125f, 0.0f, -3.0f, -0.0f, 0.75f},
    {0.3f, 0.7f, 0.1f, 0.25f, 0.0f, -0.5f, 0.5f, 1.0f, 2.0f, 0.0f},
    {-0.2f, 0.2f, -0.9f, 0.25f, 1.0f, 0.9f, -0.8f, -1.0f, 1.0f, -1.0f},
};

static void test_quantize(void **state)
{
    (void)state;
    static const uint8_t own[4][10] = {
        {42, 150, 255, 0, 0, 91, 156, 255, 63, 36},
        {255, 0, 0, 0, 254, 113, 156, 0, 0, 255},
        {106, 255, 136, 0, 127, 0, 255, 170, 254, 145},
        {0, 180, 51, 0, 191, 255, 0, 85, 127, 0},
    };
    static const int8_t own_signed[4][10] = {
        {-86, 22, 127, -128, -128, -37, 28, 127, -65, -92},
        {127, -128, -128, -128, 126, -15, 28, -128, -128, 127},
        {-22, 127, 8, -128, -1, -128, 127, 42, 126, 17},
        {-128, 52, -77, -128, 63, 127, -128, -43, -1, -128},
    };
    /* ranges of others: values outside of them, columns whose smallest is their largest */
    static const float ranges[2][10] = {
        {0.0f, -0.5f, -1.0f, 0.25f, -1.0f, 0.0f, 0.0f, -1.0f, 0.0f, 0.5f},
        {0.5f, 0.5f, 1.0f, 0.25f, 1.0f, 0.5f, 0.25f, 2.0f, 0.0f, 0.5f},
    };
    static const uint8_t given[4][10] = {
        {0, 127, 255, 0, 0, 0, 0, 255, 0, 0},
        {255, 0, 0, 0, 255, 63, 0, 0, 0, 0},
        {153, 255, 140, 0, 127, 0, 255, 170, 2, 0},
        {0, 178, 12, 0, 254, 255, 0, 0, 1, 0},
    };
    static const uint8_t bits[4][2] = {{53, 128}, {156, 64}, {243, 128}, {92, 128}};
    static const int8_t signed_bits[4][2] = {{-75, 0}, {28, -64}, {115, 0}, {-36, 0}};
    float found_ranges[2][10], wide[4][12], copy[4][10];
    uint8_t out[40];
    assert_int_equal(embed_quantize_ranges(numbers4[0], 4, 10, 10, found_ranges[0]), EMBED_OK);
    assert_true(found_ranges[0][0] == -0.2f && found_ranges[1][0] == 1.0f);
    assert_true(found_ranges[0][3] == 0.25f && found_ranges[1][3] == 0.25f);
    const float *r = found_ranges[0];
    assert_int_equal(embed_quantize(numbers4[0], 4, 10, 10, EMBED_PRECISION_UINT8, r, out), 0);
    assert_memory_equal(out, own, sizeof own);
    assert_int_equal(embed_quantize(numbers4[0], 4, 10, 10, EMBED_PRECISION_INT8, r, out), 0);
    assert_memory_equal(out, own_signed, sizeof own_signed);
    assert_int_equal(
        embed_quantize(numbers4[0], 4, 10, 10, EMBED_PRECISION_UINT8, ranges[0], out), 0);
    assert_memory_equal(out, given, sizeof given);
    for (int i = 0; i < 4; i++)
        memcpy(wide[i], numbers4[i], sizeof numbers4[i]);
    assert_int_equal(embed_quantize(wide[0], 4, 10, 12, EMBED_PRECISION_UBINARY, NULL, out), 0);
    assert_memory_equal(out, bits, sizeof bits);
    assert_int_equal(embed_quantize(wide[0], 4, 10, 12, EMBED_PRECISION_BINARY, NULL, out), 0);
    assert_memory_equal(out, signed_bits, sizeof signed_bits);
    assert_int_equal(embed_quantize(wide[0], 4, 10, 12, EMBED_PRECISION_FLOAT32, NULL, copy), 0);
    assert_memory_equal(copy, numbers4, sizeof numbers4);
}

static void test_quantize_arguments(void **state)
{
    (void)state;
    uint8_t out[40];
    float ranges[20];
    const float *x = numbers4[0];
    static const int64_t sizes[] = {40, 10, 10, 2, 2};
    for (int32_t p = 0; p < 5; p++) assert_int_equal(embed_quantized_size(10, p), sizes[p]);
    assert_int_equal(embed_quantized_size(8, EMBED_PRECISION_BINARY), 1);
    assert_int_equal(embed_quantized_size(0, EMBED_PRECISION_INT8), EMBED_EINVAL);
    assert_int_equal(embed_quantized_size(10, -1), EMBED_EINVAL);
    assert_int_equal(embed_quantized_size(10, 5), EMBED_EINVAL);
    assert_int_equal(embed_quantize_ranges(x, 0, 10, 10, ranges), EMBED_EINVAL);
    assert_int_equal(embed_quantize_ranges(x, 1, 0, 10, ranges), EMBED_EINVAL);
    assert_int_equal(embed_quantize_ranges(x, 1, 10, 9, ranges), EMBED_EINVAL);
    assert_int_equal(embed_quantize_ranges(NULL, 1, 10, 10, ranges), EMBED_EINVAL);
    assert_int_equal(embed_quantize_ranges(x, 1, 10, 10, NULL), EMBED_EINVAL);
    assert_int_equal(embed_quantize(x, 1, 10, 10, EMBED_PRECISION_INT8, NULL, out), EMBED_EINVAL);
    assert_int_equal(embed_quantize(x, 1, 10, 9, EMBED_PRECISION_BINARY, NULL, out), EMBED_EINVAL);
    assert_int_equal(embed_quantize(x, -1, 10, 10, EMBED_PRECISION_BINARY, NULL, out),
                     EMBED_EINVAL);
    assert_int_equal(embed_quantize(NULL, 1, 10, 10, EMBED_PRECISION_BINARY, NULL, out),
                     EMBED_EINVAL);
    assert_int_equal(embed_quantize(x, 1, 10, 10, EMBED_PRECISION_BINARY, NULL, NULL),
                     EMBED_EINVAL);
    assert_int_equal(embed_quantize(x, 1, 10, 10, 5, NULL, out), EMBED_EINVAL);
    assert_int_equal(embed_quantize(NULL, 0, 10, 10, EMBED_PRECISION_UBINARY, NULL, NULL),
                     EMBED_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_null_models),
        cmocka_unit_test(test_null_calls),
        cmocka_unit_test(test_struct_sizes),
        cmocka_unit_test(test_unknown_flags),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_pool_parts),
        cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_similarity),
        cmocka_unit_test(test_similarity_of_many),
        cmocka_unit_test(test_quantize),
        cmocka_unit_test(test_quantize_arguments),
    };
    return cmocka_run_group_tests_name("api", tests, load_all, unload_all);
}
