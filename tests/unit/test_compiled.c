/* Vocabularies stored as tables: every frozen pipeline and class gives the same tokens from them;
 * blocks that lie, in every byte of the header and all over the arrays; failing allocations. */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../../lib/format/json.h"
#include "../../lib/text/tokenizer.h"
#include "failing_allocator.h"
#include "pipeline_cases.h"

#define CASES "tests/data/tokenizer/pipelines.jsonl"
enum { CAPACITY = 4096, MOST = 4096, MOST_TEXTS = 256 };

typedef struct result {
    int64_t count;
    int32_t ids[CAPACITY], words[CAPACITY];
    int64_t offsets[CAPACITY][2];
} result;
static result of_files, of_tables;

static void run(const emb_tokenizer *t, const char *text, result *r)
{
    void *scratch = aligned_alloc(64, (emb_tokenizer_scratch_size(t, MOST, 64) + 63) / 64 * 64);
    emb_token_arrays out = {.capacity = CAPACITY, .ids = r->ids, .word_ids = r->words,
                            .offsets = r->offsets};
    emb_tokenize_options o = {.add_special_tokens = true};
    emb_text a = {.data = text, .size = strlen(text)};
    assert_non_null(scratch);
    r->count = emb_tokenize(t, scratch, MOST, 64, &a, NULL, &o, &out, NULL);
    free(scratch);
}

static emb_tokenizer *open_files(const emb_tokenizer_files *f)
{
    emb_tokenizer *t;
    embed_error error = EMBED_ERROR_INIT;
    if (emb_tokenizer_open(&t, f, &emb_libc_allocator, &error) < 0) fail_msg("%s", error.message);
    return t;
}

static emb_tokenizer_store store_of(const emb_tokenizer *t, const emb_tokenizer_files *f)
{
    emb_tokenizer_store store;
    embed_error error = EMBED_ERROR_INIT;
    if (emb_tokenizer_stores(t, f, &store, &emb_libc_allocator, &error) < 0) {
        fail_msg("%s", error.message);
    }
    return store;
}

static void free_store(emb_tokenizer_store *store)
{
    emb_buffer_free(&store->tokenizer_json);
    emb_buffer_free(&store->tables);
}

/* The files that go with tables. */
static emb_tokenizer_files stored(const emb_tokenizer_files *f, const emb_tokenizer_store *s)
{
    bool json = s->tokenizer_json.size;
    return (emb_tokenizer_files){
        .tokenizer_json = json ? s->tokenizer_json.data : NULL,
        .tokenizer_json_size = s->tokenizer_json.size,
        .tokenizer_config_json = f->tokenizer_config_json,
        .tokenizer_config_json_size = f->tokenizer_config_json_size,
        .model_type = f->model_type, .tables = s->tables.data, .tables_size = s->tables.size};
}

static void expect_same_description(const emb_tokenizer *x, const emb_tokenizer *y)
{
    emb_buffer a, b;
    emb_buffer_init(&a, &emb_libc_allocator);
    emb_buffer_init(&b, &emb_libc_allocator);
    emb_tokenizer_describe(x, &a);
    emb_tokenizer_describe(y, &b);
    assert_string_equal(a.data, b.data);
    emb_buffer_free(&a);
    emb_buffer_free(&b);
}

/* Both forms say the same of each text, and of each id. */
static void expect_same(const emb_tokenizer *x, const emb_tokenizer *y, const char *const *texts,
                        int count)
{
    expect_same_description(x, y);
    for (int i = 0; i < count; i++) {
        run(x, texts[i], &of_files);
        run(y, texts[i], &of_tables);
        assert_int_equal(of_files.count, of_tables.count);
        if (of_files.count < 0) continue;
        size_t n = (size_t)of_files.count;
        assert_memory_equal(of_files.ids, of_tables.ids, n * sizeof *of_files.ids);
        assert_memory_equal(of_files.words, of_tables.words, n * sizeof *of_files.words);
        assert_memory_equal(of_files.offsets, of_tables.offsets, n * sizeof *of_files.offsets);
    }
    for (int32_t id = -1; id <= emb_tokenizer_vocab_size(x); id++) {
        const char *a = emb_tokenizer_text(x, id), *b = emb_tokenizer_text(y, id);
        assert_int_equal(a == NULL, b == NULL);
        if (!a) continue;
        assert_string_equal(a, b);
        assert_int_equal(emb_tokenizer_id(x, a, strlen(a)), emb_tokenizer_id(y, b, strlen(b)));
    }
}

static uint64_t chance; /* of mutations: the same every time */
static size_t below(size_t n)
{
    chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (size_t)(chance >> 33) % n;
}

/* Whatever the block says: an error, or tokens; never a place outside it. */
static void lie(const emb_tokenizer_files *f, const char *const *texts, int count)
{
    emb_tokenizer *t;
    if (emb_tokenizer_open(&t, f, &emb_libc_allocator, NULL) < 0) return;
    for (int i = 0; i < count; i++) {
        run(t, texts[i], &of_tables);
        for (int64_t k = 0; k < of_tables.count; k++) emb_tokenizer_text(t, of_tables.ids[k]);
    }
    emb_tokenizer_free(t);
}

static void mutate(const emb_tokenizer_files *files, const emb_tokenizer_store *store, int times,
                   const char *const *texts, int count)
{
    size_t size = store->tables.size;
    char *block = aligned_alloc(64, (size + 63) / 64 * 64);
    emb_tokenizer_files f = stored(files, store);
    f.tables = block;
    for (int i = 0; i < times; i++) {
        memcpy(block, store->tables.data, size);
        size_t where = i % 2 ? size : EMB_MIN(size, 256);
        for (size_t n = 1 + below(4); n > 0; n--) {
            static const char edges[] = {0, 1, 0x7F, (char)0x80, (char)0xFF};
            block[below(where)] = below(2) ? (char)below(256) : edges[below(sizeof edges)];
        }
        f.tables_size = below(8) ? size : below(size + 1);
        lie(&f, texts, count);
    }
    free(block);
}

/* ---- every frozen pipeline --------------------------------------------------------------- */

static void pipelines(void **state)
{
    (void)state;
    size_t size;
    int64_t number = 0;
    char *lines = slurp(CASES, &size);
    emb_buffer json;
    emb_buffer_init(&json, &emb_libc_allocator);
    for (char *line = lines, *end; line < lines + size; line = end + 1, number++) {
        const char *texts[MOST_TEXTS];
        int count = 0;
        embed_error error = EMBED_ERROR_INIT;
        end = memchr(line, '\n', (size_t)(lines + size - line));
        emb_json_document *d = emb_json_parse(CASES, line, (size_t)(end - line), NULL,
                                              &emb_libc_allocator, &error);
        assert_non_null(d);
        const emb_json *c = emb_json_first(emb_json_get(emb_json_root(d), "cases"));
        for (; c && count < MOST_TEXTS; c = emb_json_next_sibling(c)) {
            texts[count++] = emb_json_text(emb_json_get(c, "text"));
        }
        put_tokenizer(&json, emb_json_text(emb_json_get(emb_json_root(d), "tokenizer")));
        emb_tokenizer_files f = {.tokenizer_json = json.data, .tokenizer_json_size = json.size};
        emb_tokenizer *t = open_files(&f);
        emb_tokenizer_store store = store_of(t, &f);
        assert_true(store.tokenizer_json.size < json.size);
        emb_tokenizer_files g = stored(&f, &store);
        emb_tokenizer *u = open_files(&g);
        expect_same(t, u, texts, count);
        mutate(&f, &store, 20, texts, EMB_MIN(count, 4));
        emb_tokenizer_free(u);
        emb_tokenizer_free(t);
        free_store(&store);
        emb_json_free(d);
    }
    emb_buffer_free(&json);
    free(lines);
    assert_true(number > 100);
}

/* ---- classes ------------------------------------------------------------------------------ */

#define VOCAB "{\"<s>\":0,\"<pad>\":1,\"</s>\":2,\"<unk>\":3,\"a\":4,\"b\":5,\"ab\":6,\"\xC4\xA0\":7," \
    "\"\xC4\xA0" "a\":8,\"b</w>\":9}"
/* <unk> (unknown), <s> and </s> (control), "\u2581a" -1, "a" -2, "b" -3 */
#define PIECES \
    "\x0A\x0E\x0A\x05<unk>\x15\0\0\0\0\x18\x02" \
    "\x0A\x0C\x0A\x03<s>\x15\0\0\0\0\x18\x03" \
    "\x0A\x0D\x0A\x04</s>\x15\0\0\0\0\x18\x03" \
    "\x0A\x0B\x0A\x04\xE2\x96\x81" "a\x15\0\0\x80\xBF" \
    "\x0A\x08\x0A\x01" "a\x15\0\0\0\xC0" \
    "\x0A\x08\x0A\x01" "b\x15\0\0\x40\xC0"
static const char spm[] = PIECES;
/* of type BPE, with "\u2581" and a piece of the user's, "ab" */
static const char spm_bpe[] = PIECES "\x0A\x0A\x0A\x03\xE2\x96\x81\x15\0\0\x80\xC0"
    "\x0A\x0B\x0A\x02" "ab\x15\0\0\0\0\x18\x04\x12\x02\x18\x02";

static void classes(void **state)
{
    (void)state;
    static const char *const texts[] = {"ab a", "AB  B", "b a<s>xb", "", "[UNK] a"};
    static const char vocab[] = "[UNK]\n[CLS]\n[SEP]\na\nb\n##b\n";
    static const char merges[] = "#version: 0.2\na b\n\xC4\xA0 a\n";
    enum { OF_BPE_FILES = 3 }; /* the first of them */
    static const struct { const char *name, *tokens; } cases[] = {
        {"GemmaTokenizer", ""}, {"LlamaTokenizerFast", ", \"add_bos_token\": true"},
        {"PreTrainedTokenizerFast", ""}, {"TokenizersBackend", ", \"add_eos_token\": true"},
        {"BertTokenizer", ""}, {"RobertaTokenizerFast", ""}, {"CLIPTokenizer", ""},
        {"LongformerTokenizer", ""}, {"DPRQuestionEncoderTokenizer", ""}, {"HerbertTokenizer", ""},
        {"XLMRobertaTokenizer", ""}, {"T5Tokenizer", ""}, {"XLNetTokenizer", ""},
        {"DebertaV2Tokenizer", ""}, {"CamembertTokenizer", ""}, {"SiglipTokenizer", ""},
        {"MPNetTokenizer", ", \"cls_token\": \"[CLS]\", \"sep_token\": \"[SEP]\""},
        {"AlbertTokenizer", ", \"cls_token\": \"<s>\", \"sep_token\": \"</s>\""}};
    for (int64_t i = 0; i < EMB_COUNT(cases); i++) {
        char config[128];
        snprintf(config, sizeof config, "{\"tokenizer_class\": \"%s\"%s}", cases[i].name,
                 cases[i].tokens);
        emb_tokenizer_files f = {
            .tokenizer_config_json = config, .tokenizer_config_json_size = strlen(config),
            .vocab_txt = vocab, .vocab_txt_size = sizeof vocab - 1,
            .vocab_json = VOCAB, .vocab_json_size = sizeof VOCAB - 1,
            .merges_txt = merges, .merges_txt_size = sizeof merges - 1,
            .sentencepiece = spm, .sentencepiece_size = sizeof spm - 1, .tokenizer_model = true};
        if (i < OF_BPE_FILES) {
            f.sentencepiece = spm_bpe;
            f.sentencepiece_size = sizeof spm_bpe - 1;
        }
        emb_tokenizer *t = open_files(&f);
        emb_tokenizer_store store = store_of(t, &f);
        assert_int_equal(store.tokenizer_json.size, 0);
        emb_tokenizer_files g = stored(&f, &store);
        emb_tokenizer *u = open_files(&g);
        expect_same(t, u, texts, (int)EMB_COUNT(texts));
        emb_tokenizer_store again = store_of(u, &g); /* of what was stored: the same block */
        assert_int_equal(again.tables.size, store.tables.size);
        assert_memory_equal(again.tables.data, store.tables.data, store.tables.size);
        mutate(&f, &store, 300, texts, (int)EMB_COUNT(texts));
        free_store(&again);
        emb_tokenizer_free(u);
        emb_tokenizer_free(t);
        free_store(&store);
    }
}

/* SentencePiece's own rules: what transformers 5.23 says of this file. */
static void siglip(void **state)
{
    (void)state;
    static const struct { const char *text, *pair; int64_t count; int32_t ids[6]; } cases[] = {
        {"ab a", NULL, 4, {3, 5, 3, 2}}, {"  A.B! \xE3\x80\x80" "b", NULL, 5, {3, 5, 0, 5, 2}},
        {"b</s>", NULL, 2, {5, 2}}, {"a</s>b", NULL, 4, {3, 2, 5, 2}}, {"", NULL, 1, {2}},
        {"c\xE2\x96\x81" "a<unk>b", NULL, 4, {3, 0, 5, 2}}, {"\xE2\x96\x81 ...", NULL, 1, {2}},
        {"\xCE\xA3" "a \xCE\xB1\xCE\xA3", NULL, 3, {4, 0, 2}}, {"a", "b</s>", 4, {3, 2, 5, 2}}};
    emb_tokenizer_files f = {
        .tokenizer_class = "SiglipTokenizer", .sentencepiece = spm, .sentencepiece_size = sizeof spm - 1,
        .tokenizer_json = "{}", .tokenizer_json_size = 2};
    emb_tokenizer *t = open_files(&f);
    void *scratch = aligned_alloc(64, (emb_tokenizer_scratch_size(t, MOST, 64) + 63) / 64 * 64);
    for (int64_t i = 0; i < EMB_COUNT(cases); i++) {
        int32_t ids[8];
        emb_token_arrays out = {.capacity = 8, .ids = ids};
        emb_tokenize_options o = {.add_special_tokens = true};
        emb_text a = {.data = cases[i].text, .size = strlen(cases[i].text)}, b = {.data = cases[i].pair};
        if (b.data) b.size = strlen(b.data);
        int64_t n = emb_tokenize(t, scratch, MOST, 64, &a, b.data ? &b : NULL, &o, &out, NULL);
        if (n != cases[i].count || memcmp(ids, cases[i].ids, (size_t)n * sizeof *ids)) {
            fail_msg("\"%s\": other tokens", cases[i].text);
        }
    }
    free(scratch);
    emb_tokenizer_free(t);
}

/* ---- the block ------------------------------------------------------------------------------ */

#define JSON "{\"version\":\"1.0\",\"model\":{\"vocab\":{\"a\":0,\"aa\":1},\"merges\":[[\"a\",\"a\"]]," \
    "\"type\":\"BPE\"}}"

static void expect_refused(const emb_tokenizer_files *f, int32_t status, const char *message)
{
    emb_tokenizer *t;
    embed_error error = EMBED_ERROR_INIT;
    assert_int_equal(emb_tokenizer_open(&t, f, &emb_libc_allocator, &error), status);
    assert_null(t);
    if (!strstr(error.message, message)) fail_msg("%s", error.message);
}

static void the_block(void **state)
{
    (void)state;
    static const char *const texts[] = {"aaa"};
    emb_tokenizer_files f = {.tokenizer_json = JSON, .tokenizer_json_size = sizeof JSON - 1};
    emb_tokenizer *t = open_files(&f);
    emb_tokenizer_store store = store_of(t, &f);
    assert_string_equal(store.tokenizer_json.data,
                        "{\"version\":\"1.0\",\"model\":{\"vocab\":{},\"merges\":[],\"type\":\"BPE\"}}");
    emb_tokenizer_files g = stored(&f, &store);
    char *block = aligned_alloc(64, (store.tables.size + 127) / 64 * 64);
    memcpy(block + 3, store.tables.data, store.tables.size);
    g.tables = block + 3; /* not aligned: copied */
    emb_tokenizer *u = open_files(&g);
    expect_same(t, u, texts, 1);
    emb_tokenizer_free(u);
    block[3 + 12]++;
    expect_refused(&g, EMBED_EUNSUPPORTED, "convert the model again");
    block[3]++;
    expect_refused(&g, EMBED_EFORMAT, "not such a block");
    g.tables = store.tables.data;
    g.tokenizer_json = "{\"version\":\"1.0\",\"model\":{\"type\":\"WordLevel\",\"vocab\":{}}}";
    g.tokenizer_json_size = strlen(g.tokenizer_json);
    expect_refused(&g, EMBED_EFORMAT, "those of a BPE, expected WordLevel");
    free(block);
    emb_tokenizer_free(t);
    free_store(&store);
}

static void failing_allocations(void **state)
{
    (void)state;
    emb_tokenizer_files f = {.tokenizer_json = JSON, .tokenizer_json_size = sizeof JSON - 1};
    emb_tokenizer *t = open_files(&f);
    int32_t status = EMBED_ENOMEM;
    for (int64_t at = 1; status != EMBED_OK; at++) {
        failing count = {.fail_at = at};
        emb_allocator a = failing_allocator(&count);
        emb_tokenizer_store store;
        emb_tokenizer *u = NULL;
        status = emb_tokenizer_stores(t, &f, &store, &a, NULL);
        if (status == EMBED_OK) {
            emb_tokenizer_files g = stored(&f, &store);
            status = emb_tokenizer_open(&u, &g, &a, NULL);
        }
        assert_true(status == EMBED_OK || status == EMBED_ENOMEM);
        emb_tokenizer_free(u);
        free_store(&store);
        assert_int_equal(count.alive, 0);
        assert_true(at < 1000);
    }
    emb_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelines), cmocka_unit_test(classes), cmocka_unit_test(siglip),
        cmocka_unit_test(the_block),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
