/* What an attack on the library found: files and arguments that once gave wrong vectors, undefined
 * behaviour, quadratic time or memory out of proportion. Each must stay an error, or be right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "../../include/embed.h"
#include "../../lib/format/json.h"
#include "../../lib/text/tokenizer.h"

#define SINGLE "tests/data/models/st-dense/single.safetensors"
enum { MAX_SIZE = 1 << 16, HIDDEN = 20, COUNT = 3 };

static const char *const texts[COUNT] = {"kola", "ma la kalo", ""};

/* ---- a single-file model with a changed header ---------------- */

typedef struct file {
    char data[MAX_SIZE];
    size_t size;
} file;

static file *load_single(void)
{
    file *f = calloc(1, sizeof *f);
    FILE *in = fopen(SINGLE, "rb");
    assert_non_null(f);
    assert_non_null(in);
    f->size = fread(f->data, 1, sizeof f->data, in);
    assert_in_range(f->size, 9, sizeof f->data - 4096);
    fclose(in);
    return f;
}

static void set_header_size(file *f, uint64_t size)
{
    for (int i = 0; i < 8; i++) f->data[i] = (char)(size >> 8 * i);
}

/* Replace the one occurrence of from in the header. */
static void replace(file *f, const char *from, const char *to)
{
    size_t header = emb_le32(f->data), old = strlen(from), size = strlen(to), at = 8;
    while (at + old <= 8 + header && memcmp(f->data + at, from, old) != 0) at++;
    if (at + old > 8 + header) fail_msg("no %s in the header", from);
    memmove(f->data + at + size, f->data + at + old, f->size - at - old);
    memcpy(f->data + at, to, size);
    f->size += size - old;
    set_header_size(f, header + size - old);
}

static embed_session *open_session(const file *f, embed_model **model)
{
    embed_session *session = NULL;
    embed_error error = EMBED_ERROR_INIT;
    if (embed_model_open_memory(f->data, f->size, NULL, model, &error) < 0 ||
        embed_session_create(*model, NULL, &session, &error) < 0)
        fail_msg("%s", error.message);
    return session;
}

static void close_session(file *f, embed_model *model, embed_session *session)
{
    embed_session_free(session);
    embed_model_free(model);
    free(f);
}

/* ---- options of a call ---------------- */

/* Two modes concatenated, then Normalize: another pooling gives shorter rows to normalize. */
static void test_normalize_of_another_pooling(void **state)
{
    (void)state;
    file *f = load_single();
    embed_model *model;
    float vectors[COUNT][HIDDEN], expected[COUNT][HIDDEN];
    replace(f, "models.Normalize", "models.Dropout");
    replace(f, "models.Dense", "models.Normalize");
    replace(f, "pooling_mode_cls_token\\\": false", "pooling_mode_cls_token\\\": true");
    embed_session *session = open_session(f, &model);
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    assert_int_equal(embed_model_info(model, EMBED_INFO_DIM), 2 * HIDDEN);
    options.pooling = EMBED_POOL_MEAN;
    assert_int_equal(embed_output_dim(model, &options), HIDDEN);
    assert_int_equal(
        embed_encode_texts(session, texts, NULL, COUNT, &options, vectors[0], HIDDEN), EMBED_OK);
    options.flags = EMBED_NO_MODULES;
    options.normalize = EMBED_NORMALIZE_ON;
    assert_int_equal(
        embed_encode_texts(session, texts, NULL, COUNT, &options, expected[0], HIDDEN), EMBED_OK);
    assert_memory_equal(vectors, expected, sizeof vectors);
    close_session(f, model, session);
}

/* The same before a Dense: there the rows do not fit. */
static void test_dense_behind_normalize(void **state)
{
    (void)state;
    file *f = load_single();
    embed_model *model;
    float vectors[COUNT][HIDDEN];
    replace(f, "models.Pooling\\\"\\n }",
            "models.Pooling\\\"\\n }, {\\\"path\\\": \\\"n\\\", \\\"type\\\": "
            "\\\"sentence_transformers.models.Normalize\\\"}");
    replace(f, "pooling_mode_cls_token\\\": false", "pooling_mode_cls_token\\\": true");
    replace(f, "in_features\\\": 20", "in_features\\\": 40");
    replace(f, "out_features\\\": 18", "out_features\\\": 9");
    replace(f, "bias\\\": true", "bias\\\": false");
    replace(f, "\"shape\":[18,20]", "\"shape\":[9,40]");
    embed_session *session = open_session(f, &model);
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    assert_int_equal(embed_output_dim(model, &options), 9);
    options.pooling = EMBED_POOL_MEAN;
    assert_int_equal(embed_output_dim(model, &options), EMBED_EINVAL);
    assert_int_equal(
        embed_encode_texts(session, texts, NULL, COUNT, &options, vectors[0], HIDDEN),
        EMBED_EINVAL);
    assert_non_null(strstr(embed_session_error(session), "takes 40 numbers, not 20"));
    close_session(f, model, session);
}

static void test_odd_numbers(void **state)
{
    (void)state;
    file *f = load_single();
    embed_model *model;
    embed_session *session = open_session(f, &model);
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    float vectors[COUNT][HIDDEN];
    options.layer = INT32_MIN;
    assert_int_equal(
        embed_encode_texts(session, texts, NULL, COUNT, &options, vectors[0], HIDDEN),
        EMBED_ERANGE);
    /* inputs without a token need no rows */
    const int32_t none[1] = {0};
    const int64_t offsets[3] = {0, 0, 0};
    int64_t ragged[3];
    embed_input input = EMBED_INPUT_INIT;
    input.count = 2;
    input.ids = none;
    input.offsets = offsets;
    assert_int_equal(embed_last_hidden_state(session, &input, NULL, NULL, 0), EMBED_OK);
    assert_int_equal(embed_last_hidden_state_ragged(session, &input, NULL, NULL, 0, ragged),
                     EMBED_OK);
    assert_int_equal(embed_encode(session, &input, NULL, vectors[0], HIDDEN), EMBED_EINVAL);
    const int32_t precisions[] = {EMBED_PRECISION_FLOAT32, EMBED_PRECISION_INT8,
                                  EMBED_PRECISION_UBINARY};
    for (int i = 0; i < 3; i++)
        assert_int_equal(embed_quantized_size(INT64_MAX, precisions[i]), EMBED_EINVAL);
    close_session(f, model, session);
}

/* ---- tokenizer files ---------------- */

static int32_t open_tokenizer(emb_tokenizer_files files, embed_error *error)
{
    emb_tokenizer *t;
    *error = (embed_error)EMBED_ERROR_INIT;
    files.tokenizer_json_size = files.tokenizer_json ? strlen(files.tokenizer_json) : 0;
    files.tokenizer_config_json_size =
        files.tokenizer_config_json ? strlen(files.tokenizer_config_json) : 0;
    files.added_tokens_json_size = files.added_tokens_json ? strlen(files.added_tokens_json) : 0;
    files.vocab_txt_size = files.vocab_txt ? strlen(files.vocab_txt) : 0;
    int32_t status = emb_tokenizer_open(&t, &files, &emb_libc_allocator, error);
    emb_tokenizer_free(t);
    return status;
}

/* begin, then format with 0, 1, ... count - 1 between commas, then end. */
static char *repeated(const char *begin, const char *format, int count, const char *end)
{
    emb_buffer b;
    char item[128];
    emb_buffer_init(&b, &emb_libc_allocator);
    emb_buffer_add(&b, begin, strlen(begin));
    for (int i = 0; i < count; i++) {
        snprintf(item, sizeof item, "%06d", i);
        if (i) emb_buffer_add(&b, ",", 1);
        for (const char *p = format; *p; p++) {
            if (*p == '#') emb_buffer_add(&b, item, strlen(item));
            else emb_buffer_add(&b, p, 1);
        }
    }
    emb_buffer_add(&b, end, strlen(end));
    assert_false(b.failed);
    return b.data;
}

/* Pieces times ids of one piece: a file of some megabytes asked for terabytes. */
static void test_template_product(void **state)
{
    (void)state;
    static const char tail[] =
        "]},\"added_tokens\":[],\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0}}}";
    emb_buffer json;
    embed_error error;
    emb_buffer_init(&json, &emb_libc_allocator);
    emb_buffer_printf(&json, "{\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
                             "\"post_processor\":{\"type\":\"TemplateProcessing\",\"pair\":[],"
                             "\"special_tokens\":{\"x\":{\"ids\":[0");
    for (int i = 0; i < 20000; i++) emb_buffer_add(&json, ",0", 2);
    emb_buffer_printf(&json, "]}},\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}");
    for (int i = 0; i < 20000; i++) emb_buffer_printf(&json, ",{\"SpecialToken\":{\"id\":\"x\"}}");
    emb_buffer_add(&json, tail, sizeof tail - 1);
    assert_false(json.failed);
    assert_int_equal(open_tokenizer((emb_tokenizer_files){.tokenizer_json = json.data}, &error),
                     EMBED_EUNSUPPORTED);
    assert_non_null(strstr(error.message, "expected at most 256 pieces, found 20001"));
    emb_buffer_free(&json);
}

/* Seconds of the CPU that so many added tokens take, and as many special ones */
static double open_added_tokens(int count)
{
    char *added = repeated("{", "\"a#\":1#", count, "}");
    char *config = repeated("{\"additional_special_tokens\":[", "\"b#\"", count, "]}");
    embed_error error;
    clock_t start = clock();
    int32_t status = open_tokenizer((emb_tokenizer_files){.vocab_txt = "[UNK]\n[CLS]\n[SEP]\n",
                                                          .model_type = "bert",
                                                          .added_tokens_json = added,
                                                          .tokenizer_config_json = config},
                                    &error);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (status != EMBED_OK) fail_msg("%s", error.message);
    emb_free(&emb_libc_allocator, added);
    emb_free(&emb_libc_allocator, config);
    return seconds;
}

/* Every added token was compared with every special token: eight times as many took 64 times as long. */
static void test_many_added_tokens(void **state)
{
    (void)state;
    const double few = open_added_tokens(12500), many = open_added_tokens(100000);
    if (many > 32 * few) fail_msg("%f seconds, %f for an eighth", many, few);
}

/* No token called "": its id would be -1. */
static void test_empty_special_token(void **state)
{
    (void)state;
    embed_error error;
    assert_int_equal(
        open_tokenizer((emb_tokenizer_files){.vocab_txt = "[UNK]\n[CLS]\n[SEP]\n",
                                             .model_type = "bert",
                                             .tokenizer_config_json = "{\"sep_token\": \"\"}"},
                       &error),
        EMBED_EFORMAT);
    assert_string_equal(error.message,
                        "tokenizer_config.json: sep_token: expected a token, found \"\"");
}

/* An automaton takes some 70 bytes a character. */
static void test_long_added_token(void **state)
{
    (void)state;
    enum { LONG = 9 << 20 };
    emb_buffer b;
    embed_error error;
    emb_buffer_init(&b, &emb_libc_allocator);
    emb_buffer_printf(&b, "{\"pad_token\": \"");
    for (int i = 0; i < LONG; i++) emb_buffer_add(&b, "a", 1);
    emb_buffer_printf(&b, "\"}");
    assert_int_equal(open_tokenizer((emb_tokenizer_files){.vocab_txt = "[UNK]\n[CLS]\n[SEP]\n",
                                                          .model_type = "bert",
                                                          .tokenizer_config_json = b.data},
                                    &error),
                     EMBED_EFORMAT);
    assert_string_equal(error.message, "added tokens: too long");
    emb_buffer_free(&b);
}

/* Every character of a word would be compared with all of it. */
static void test_long_piece(void **state)
{
    (void)state;
    enum { LONG = 1025 };
    emb_buffer b;
    embed_error error;
    emb_buffer_init(&b, &emb_libc_allocator);
    emb_buffer_printf(&b, "[UNK]\n[CLS]\n[SEP]\n");
    for (int i = 0; i < LONG; i++) emb_buffer_add(&b, "a", 1);
    assert_int_equal(
        open_tokenizer((emb_tokenizer_files){.vocab_txt = b.data, .model_type = "bert"}, &error),
        EMBED_EUNSUPPORTED);
    assert_non_null(strstr(error.message, "vocab.txt: vocabulary: \"aaaaaaaa"));
    assert_non_null(strstr(error.message, "expected at most 1024 bytes, found 1025"));
    emb_buffer_free(&b);
}

/* ---- JSON ---------------- */

/* Two bytes of text took a hundred of memory. */
static void test_many_values(void **state)
{
    (void)state;
    enum { MANY = (1 << 22) + 16 };
    char *text = malloc(2 * MANY + 1);
    embed_error error = EMBED_ERROR_INIT;
    assert_non_null(text);
    for (size_t i = 0; i < MANY; i++) memcpy(text + 1 + 2 * i, "0,", 2);
    text[0] = '[';
    text[2 * MANY] = ']';
    assert_null(emb_json_parse("a.json", text, 2 * MANY + 1, NULL, &emb_libc_allocator, &error));
    assert_int_equal(error.status, EMBED_EFORMAT);
    assert_string_equal(error.message,
                        "a.json: line 1: expected at most 4194304 values, found more");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalize_of_another_pooling),
        cmocka_unit_test(test_dense_behind_normalize),
        cmocka_unit_test(test_odd_numbers),
        cmocka_unit_test(test_template_product),
        cmocka_unit_test(test_many_added_tokens),
        cmocka_unit_test(test_empty_special_token),
        cmocka_unit_test(test_long_added_token), cmocka_unit_test(test_long_piece),
        cmocka_unit_test(test_many_values),
    };
    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
