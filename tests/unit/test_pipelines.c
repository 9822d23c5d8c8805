/* Every component of tokenizer.json with its options: frozen results of the reference
 * (tests/data/tokenizer/pipelines.jsonl, written by tests/parity/freeze_pipelines.py); the
 * classes of transformers; vocab.json with merges.txt; hostile texts in near-linear time;
 * failing allocations. */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../../lib/format/json.h"
#include "../../lib/text/tokenizer.h"
#include "failing_allocator.h"
#include "pipeline_cases.h"

#define CASES    "tests/data/tokenizer/pipelines.jsonl"
#define CAPACITY 4096

/* ---- helpers ------------------------------------------------------------------------- */

static emb_tokenizer *open_json(const char *json, size_t size, const char *name)
{
    emb_tokenizer *t;
    embed_error error = EMBED_ERROR_INIT;
    emb_tokenizer_files f = {.tokenizer_json = json, .tokenizer_json_size = size};
    if (emb_tokenizer_open(&t, &f, &emb_libc_allocator, &error) < 0) {
        fail_msg("%s: %s", name, error.message);
    }
    return t;
}

typedef struct result {
    int32_t ids[CAPACITY], types[CAPACITY], words[CAPACITY], sequences[CAPACITY];
    int64_t offsets[CAPACITY][2];
    embed_error error;
} result;
static result got; /* of the last call */

static int64_t tokenize(const emb_tokenizer *t, const char *text, size_t size, const char *pair,
                        int64_t most)
{
    void *scratch = aligned_alloc(64, (emb_tokenizer_scratch_size(t, most, 64) + 63) / 64 * 64);
    emb_token_arrays out = {CAPACITY, got.ids, got.types, got.words, got.sequences, got.offsets};
    emb_tokenize_options o = {.add_special_tokens = true};
    emb_text a = {.data = text, .size = size}, b = {.data = pair, .size = pair ? strlen(pair) : 0};
    got.error = (embed_error)EMBED_ERROR_INIT;
    assert_non_null(scratch);
    int64_t n = emb_tokenize(t, scratch, most, 64, &a, pair ? &b : NULL, &o, &out, &got.error);
    free(scratch);
    return n;
}

/* ---- frozen cases ------------------------------------------------------------------------ */

static uint64_t add_all(uint64_t h, const int32_t *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        h = (h ^ (uint64_t)(int64_t)values[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}

static uint64_t digest(int64_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    h = add_all(h, got.ids, n);
    h = add_all(h, got.types, n);
    h = add_all(h, got.words, n);
    h = add_all(h, got.sequences, n);
    for (int64_t i = 0; i < 2 * n; i++) {
        h = (h ^ (uint64_t)got.offsets[i / 2][i % 2]) * UINT64_C(0x100000001b3);
    }
    return h;
}

static void check_case(const emb_tokenizer *t, const char *name, const emb_json *c)
{
    const char *text = emb_json_text(emb_json_get(c, "text"));
    const char *hash = emb_json_text(emb_json_get(c, "hash"));
    int64_t want = 0;
    char mine[17];
    int64_t n = tokenize(t, text, strlen(text), emb_json_text(emb_json_get(c, "pair")), 4096);
    if (!hash) {
        if (n >= 0) fail_msg("%s: no error for \"%s\"", name, text);
        return;
    }
    if (n < 0) fail_msg("%s: \"%s\": %s", name, text, got.error.message);
    assert_true(emb_json_to_int(emb_json_get(c, "count"), &want));
    snprintf(mine, sizeof mine, "%016llx", (unsigned long long)digest(n));
    if (n != want || strcmp(mine, hash)) {
        fail_msg("%s: \"%s\": %lld tokens (%lld), or others of them", name, text, (long long)n,
                 (long long)want);
    }
}

static void frozen_cases(void **state)
{
    (void)state;
    size_t size;
    int64_t pipelines = 0;
    char *lines = slurp(CASES, &size);
    emb_buffer json;
    emb_buffer_init(&json, &emb_libc_allocator);
    for (char *line = lines, *end; line < lines + size; line = end + 1, pipelines++) {
        embed_error error = EMBED_ERROR_INIT;
        end = memchr(line, '\n', (size_t)(lines + size - line));
        emb_json_document *d = emb_json_parse(CASES, line, (size_t)(end - line), NULL,
                                              &emb_libc_allocator, &error);
        assert_non_null(d);
        const emb_json *root = emb_json_root(d), *c = emb_json_get(root, "cases");
        const char *name = emb_json_text(emb_json_get(root, "name"));
        put_tokenizer(&json, emb_json_text(emb_json_get(root, "tokenizer")));
        emb_tokenizer *t = open_json(json.data, json.size, name);
        for (c = emb_json_first(c); c; c = emb_json_next_sibling(c)) check_case(t, name, c);
        emb_tokenizer_free(t);
        emb_json_free(d);
    }
    emb_buffer_free(&json);
    free(lines);
    assert_true(pipelines > 100);
}

/* ---- classes and other files ---------------------------------------------------------------- */

#define LETTERS "\"a\":4,\"b\":5,\"ab\":6,\"\xC4\xA0\":7,\"\xC4\xA0" "a\":8,\"b</w>\":9"
#define VOCAB   "{\"<s>\":0,\"<pad>\":1,\"</s>\":2,\"<unk>\":3," LETTERS "}"

static emb_tokenizer *open_class(const char *name)
{
    char config[128];
    emb_tokenizer *t;
    embed_error error = EMBED_ERROR_INIT;
    snprintf(config, sizeof config, "{\"tokenizer_class\": \"%s\"}", name);
    emb_tokenizer_files f = {
        .tokenizer_config_json = config, .tokenizer_config_json_size = strlen(config),
        .vocab_json = VOCAB, .vocab_json_size = strlen(VOCAB),
        .merges_txt = "#version: 0.2\na b\n\xC4\xA0 a\n", .merges_txt_size = 23};
    if (emb_tokenizer_open(&t, &f, &emb_libc_allocator, &error) < 0) fail_msg("%s", error.message);
    return t;
}

static void expect_ids(const emb_tokenizer *t, const char *text, const char *pair,
                       const int32_t *ids, int64_t count)
{
    int64_t n = tokenize(t, text, strlen(text), pair, 4096);
    if (n < 0) fail_msg("%s", got.error.message);
    assert_int_equal(n, count);
    assert_memory_equal(got.ids, ids, (size_t)count * sizeof *ids);
}

static void classes(void **state)
{
    (void)state;
    emb_tokenizer *t = open_class("RobertaTokenizerFast"); /* offsets without the space */
    expect_ids(t, "ab a", "b", (const int32_t[]){0, 6, 8, 2, 2, 5, 2}, 7);
    assert_int_equal(got.offsets[2][0], 3);
    assert_int_equal(got.words[2], 1);
    assert_int_equal(got.types[5], 0);
    emb_tokenizer_free(t);
    t = open_class("GPT2Tokenizer"); /* nothing added, offsets with the space */
    expect_ids(t, "ab a", "b", (const int32_t[]){6, 8, 5}, 3);
    assert_int_equal(got.offsets[1][0], 2);
    assert_int_equal(got.types[2], 1);
    emb_buffer out;
    emb_buffer_init(&out, &emb_libc_allocator);
    emb_tokenizer_describe(t, &out);
    assert_non_null(strstr(out.data, "\"settings_from\": \"tokenizer_config.json\""));
    assert_non_null(strstr(out.data, "\"vocabulary_from\": \"vocab.json\""));
    assert_non_null(strstr(out.data, "\"pre_tokenizer\": [\"ByteLevel\"]"));
    emb_buffer_free(&out);
    emb_tokenizer_free(t);
    t = open_class("CLIPTokenizer"); /* lower case, its own special tokens after the vocabulary */
    expect_ids(t, "AB  B", NULL, (const int32_t[]){10, 4, 9, 9, 11}, 5);
    emb_tokenizer_free(t);
}

/* ---- hostile ------------------------------------------------------------------------------------ */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The best of three times of a text of `size` bytes, in seconds. */
static double time_of(const emb_tokenizer *t, char letter, size_t size)
{
    char *text = malloc(size);
    double best = 1e9;
    memset(text, letter, size);
    for (int i = 0; i < 3; i++) {
        double from = seconds();
        if (tokenize(t, text, size, NULL, (int64_t)size) < 0) fail_msg("%s", got.error.message);
        best = EMB_MIN(best, seconds() - from);
    }
    free(text);
    return best;
}

#define JSON(pre, model) "{\"version\":\"1.0\",\"pre_tokenizer\":" pre ",\"model\":" model "}"
#define BPE "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"aa\":1,\"aaaa\":2,\" \":3},\"merges\":[[\"a\",\"a\"]," \
    "[\"aa\",\"aa\"]]}"
#define UNIGRAM "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"?\",0],[\"a\",-1],[\"aa\",-1.5]," \
    "[\"aaaa\",-2],[\" \",-1]]}"
#define SPLIT "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(((a|aa)+)+)+$|\\\\s+(?!\\\\S)|\\\\s+\"}," \
    "\"behavior\":\"Isolated\"}"

/* A word without end: twice the text takes about twice the time. */
static void long_words(void **state)
{
    (void)state;
    static const char *const tokenizers[] = {JSON("null", BPE), JSON("null", UNIGRAM),
                                             JSON(SPLIT, BPE)};
    for (int64_t i = 0; i < EMB_COUNT(tokenizers); i++) {
        emb_tokenizer *t = open_json(tokenizers[i], strlen(tokenizers[i]), "long words");
        for (int k = 0; k < 2; k++) {
            double half = time_of(t, "a "[k], 1 << 18), whole = time_of(t, "a "[k], 1 << 19);
            if (whole > 4 * half + 0.2) fail_msg("pipeline %d: %g s, then %g s", (int)i, half, whole);
        }
        emb_tokenizer_free(t);
    }
}

static void too_long(void **state)
{
    (void)state;
    const char *json = JSON("null", BPE);
    emb_tokenizer *t = open_json(json, strlen(json), "too long");
    char text[65];
    memset(text, 'a', sizeof text);
    assert_int_equal(tokenize(t, text, 64, NULL, 64), 16);
    assert_int_equal(tokenize(t, text, 65, NULL, 64), EMBED_ERANGE);
    emb_tokenizer_free(t);
    json = "{\"version\":\"1.0\",\"normalizer\":{\"type\":\"NFKD\"},\"model\":" BPE "}";
    t = open_json(json, strlen(json), "grows");
    char grows[63]; /* U+FDFA becomes 18 characters */
    for (int i = 0; i < 63; i++) grows[i] = "\xEF\xB7\xBA"[i % 3];
    assert_int_equal(tokenize(t, grows, 63, NULL, 64), EMBED_ERANGE);
    assert_non_null(strstr(got.error.message, "max_text_bytes = 64 after normalization"));
    emb_tokenizer_free(t);
}

static void failing_allocations(void **state)
{
    (void)state;
    static const char *const tokenizers[] = {
        JSON(SPLIT, BPE), JSON("{\"type\":\"ByteLevel\"}", UNIGRAM),
        "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":9,\"content\":\"x y\",\"normalized\":true}],"
        "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},{\"type\":\"Replace\","
        "\"pattern\":{\"String\":\"xy\"},\"content\":\"z\"},{\"type\":\"Prepend\",\"prepend\":\"_\"}]},"
        "\"post_processor\":{\"type\":\"RobertaProcessing\",\"sep\":[\"a\",0],\"cls\":[\"a\",0],"
        "\"trim_offsets\":true,\"add_prefix_space\":true},\"model\":" BPE "}"};
    for (int64_t i = 0; i < EMB_COUNT(tokenizers); i++) {
        int32_t status = EMBED_ENOMEM;
        for (int64_t at = 1; status != EMBED_OK; at++) {
            failing count = {.fail_at = at};
            emb_allocator a = failing_allocator(&count);
            embed_error error = EMBED_ERROR_INIT;
            emb_tokenizer *t;
            emb_tokenizer_files f = {.tokenizer_json = tokenizers[i],
                                     .tokenizer_json_size = strlen(tokenizers[i])};
            status = emb_tokenizer_open(&t, &f, &a, &error);
            if (status != EMBED_OK && status != EMBED_ENOMEM) fail_msg("%s", error.message);
            assert_true((status == EMBED_OK) == (t != NULL));
            emb_tokenizer_free(t);
            assert_int_equal(count.alive, 0);
            assert_true(at < 10000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen_cases), cmocka_unit_test(classes), cmocka_unit_test(long_words),
        cmocka_unit_test(too_long), cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
