/* The tokenizer: frozen cases of the reference (tests/data/tokenizer, written by
 * tests/parity/freeze_tokens.py), each refusal of a file with its text, invalid UTF-8, prompts,
 * hostile texts in near-linear time, scratch memory that ends at an unreadable page, failing
 * allocations. */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../lib/format/json.h"
#include "../../lib/text/tokenizer.h"
#include "failing_allocator.h"

#define DATA "tests/data/tokenizer/"
#define MAX_TEXT 4096
#define MAX_LENGTH 64
#define CAPACITY 4096

/* ---- helpers ------------------------------------------------------------------------- */

static char *slurp(const char *folder, const char *name, size_t *size)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s%s%s", DATA, folder, *folder ? "/" : "", name);
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*size ? *size : 1); /* tight: a read past the end is seen */
    assert_int_equal(fread(text, 1, *size, f), *size);
    fclose(f);
    return text;
}

static emb_tokenizer_files read_files(const char *folder)
{
    emb_tokenizer_files f = {.model_type = "bert"};
    f.tokenizer_json = slurp(folder, "tokenizer.json", &f.tokenizer_json_size);
    f.tokenizer_config_json = slurp(folder, "tokenizer_config.json", &f.tokenizer_config_json_size);
    f.special_tokens_map_json = slurp(folder, "special_tokens_map.json",
                                      &f.special_tokens_map_json_size);
    f.added_tokens_json = slurp(folder, "added_tokens.json", &f.added_tokens_json_size);
    f.vocab_txt = slurp(folder, "vocab.txt", &f.vocab_txt_size);
    f.sentencepiece = slurp(folder, "tokenizer.model", &f.sentencepiece_size);
    f.tokenizer_model = f.sentencepiece;
    return f;
}

static void free_files(emb_tokenizer_files *f)
{
    free((void *)(uintptr_t)f->tokenizer_json);
    free((void *)(uintptr_t)f->tokenizer_config_json);
    free((void *)(uintptr_t)f->special_tokens_map_json);
    free((void *)(uintptr_t)f->added_tokens_json);
    free((void *)(uintptr_t)f->vocab_txt);
    free((void *)(uintptr_t)f->sentencepiece);
}

static emb_tokenizer *open_folder(const char *folder)
{
    emb_tokenizer *t;
    embed_error error = EMBED_ERROR_INIT;
    emb_tokenizer_files f = read_files(folder);
    if (emb_tokenizer_open(&t, &f, &emb_libc_allocator, &error) < 0) fail_msg("%s: %s", folder,
                                                                              error.message);
    free_files(&f); /* the tokenizer must not point into them */
    return t;
}

/* Memory of `size` bytes that ends at a page which cannot be read. */
typedef struct guarded { char *map; size_t mapped; void *data; } guarded;

static guarded guarded_take(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (size + page - 1) / page * page;
    guarded g = {.mapped = body + page};
    g.map = mmap(NULL, g.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.map != MAP_FAILED);
    memset(g.map, 0xAA, body);
    assert_int_equal(mprotect(g.map + body, page, PROT_NONE), 0);
    g.data = g.map + body - size; /* sizes are multiples of 64 */
    return g;
}

static void guarded_free(guarded *g)
{
    munmap(g->map, g->mapped);
}

typedef struct result {
    int32_t ids[CAPACITY], types[CAPACITY], words[CAPACITY], sequences[CAPACITY];
    int64_t offsets[CAPACITY][2];
    int64_t count;
    embed_error error;
} result;
static result got; /* of the last call */

static int64_t tokenize(const emb_tokenizer *t, const emb_text *text, const emb_text *pair,
                        emb_tokenize_options o)
{
    guarded scratch = guarded_take(emb_tokenizer_scratch_size(t, MAX_TEXT, MAX_LENGTH));
    emb_token_arrays out = {CAPACITY, got.ids, got.types, got.words, got.sequences, got.offsets};
    got.error = (embed_error)EMBED_ERROR_INIT;
    got.count = emb_tokenize(t, scratch.data, MAX_TEXT, MAX_LENGTH, text, pair, &o, &out,
                             &got.error);
    guarded_free(&scratch);
    return got.count;
}

static const emb_tokenize_options plain = {.add_special_tokens = true};

static int64_t tokenize_plain(const emb_tokenizer *t, const char *data, size_t size)
{
    return tokenize(t, &(emb_text){.data = data, .size = size}, NULL, plain);
}

/* ---- frozen cases ------------------------------------------------------------------------ */

static void check_array(const char *line, const emb_json *want, const char *name, int64_t count,
                        const int32_t *values)
{
    const emb_json *v = emb_json_get(want, name);
    if (emb_json_length(v) != count) fail_msg("%s: %lld tokens in\n%s", name, (long long)count,
                                              line);
    v = emb_json_first(v);
    for (int64_t i = 0; i < count; i++, v = emb_json_next_sibling(v)) {
        int64_t n;
        assert_true(emb_json_to_int(v, &n));
        if (n != values[i]) fail_msg("%s[%lld] is %d in\n%s", name, (long long)i, (int)values[i],
                                     line);
    }
}

static void check_case(const emb_tokenizer *t, const emb_json *c, const char *line)
{
    int64_t max_length, strategy;
    int32_t flat[2 * CAPACITY];
    const char *text = emb_json_text(emb_json_get(c, "text")),
        *pair = emb_json_text(emb_json_get(c, "pair"));
    assert_true(emb_json_to_int(emb_json_get(c, "max_length"), &max_length));
    assert_true(emb_json_to_int(emb_json_get(c, "strategy"), &strategy));
    emb_tokenize_options o = {
        .max_length = max_length,
        .left = emb_json_is(emb_json_get(c, "left"), EMB_JSON_TRUE),
        .strategy = (int32_t)strategy,
        .add_special_tokens = emb_json_is(emb_json_get(c, "special"), EMB_JSON_TRUE)};
    emb_text a = {.data = text, .size = strlen(text)},
        b = {.data = pair, .size = pair ? strlen(pair) : 0};

    int64_t n = tokenize(t, &a, pair ? &b : NULL, o);
    if (emb_json_get(c, "fails")) {
        if (n >= 0) fail_msg("no error in\n%s", line);
        return;
    }
    if (n < 0) fail_msg("%s in\n%s", got.error.message, line);
    check_array(line, c, "ids", n, got.ids);
    check_array(line, c, "types", n, got.types);
    check_array(line, c, "words", n, got.words);
    check_array(line, c, "sequences", n, got.sequences);
    for (int64_t i = 0; i < 2 * n; i++) flat[i] = (int32_t)got.offsets[i / 2][i % 2];
    check_array(line, c, "offsets", 2 * n, flat);
}

static void frozen_cases(void **state)
{
    (void)state;
    size_t size;
    char *lines = slurp("", "cases.jsonl", &size), open_name[64] = "";
    assert_non_null(lines);
    emb_tokenizer *t = NULL;
    int64_t cases = 0;
    for (char *line = lines, *end; line < lines + size; line = end + 1, cases++) {
        embed_error error = EMBED_ERROR_INIT;
        end = memchr(line, '\n', (size_t)(lines + size - line));
        *end = '\0';
        if (strstr(line, "\\u0000")) continue; /* the JSON tree takes no U+0000: see nul_in_text */
        emb_json_document *d = emb_json_parse("cases.jsonl", line, (size_t)(end - line), NULL,
                                              &emb_libc_allocator, &error);
        assert_non_null(d);
        const char *name = emb_json_text(emb_json_get(emb_json_root(d), "tokenizer"));
        if (strcmp(name, open_name)) {
            emb_tokenizer_free(t);
            t = open_folder(name);
            snprintf(open_name, sizeof open_name, "%s", name);
        }
        check_case(t, emb_json_root(d), line);
        emb_json_free(d);
    }
    emb_tokenizer_free(t);
    free(lines);
    assert_true(cases > 400);
}

static void nul_in_text(void **state)
{
    (void)state;
    emb_tokenizer *t = open_folder("uncased");
    assert_int_equal(tokenize_plain(t, "a\0b", 3), 3); /* deleted: one word */
    assert_int_equal(got.ids[1], emb_tokenizer_id(t, "ab", 2));
    assert_int_equal(got.offsets[1][1], 3);
    emb_tokenizer_free(t);
    t = open_folder("verbatim"); /* does not clean: part of the word, and in no piece */
    assert_int_equal(tokenize_plain(t, "a\0b", 3), 3);
    assert_int_equal(got.ids[1], 1);
    assert_int_equal(got.offsets[1][1], 3);
    emb_tokenizer_free(t);
}

static void small_questions(void **state)
{
    (void)state;
    emb_tokenizer *t = open_folder("cased");
    assert_int_equal(emb_tokenizer_model_max_length(t), 64);
    assert_string_equal(emb_tokenizer_text(t, 3), "[SEP]");
    assert_int_equal(emb_tokenizer_id(t, "[SEP]", 5), 3);
    assert_int_equal(emb_tokenizer_id(t, "no such", 7), -1);
    assert_null(emb_tokenizer_text(t, 100000));
    assert_null(emb_tokenizer_text(t, -1));
    assert_true(emb_tokenizer_truncates_left(t)); /* tokenizer_config.json says so */
    assert_int_equal(emb_tokenizer_scratch_size(t, 1, 8),
                     emb_tokenizer_scratch_size(t, 1 << 30, 8));
    emb_tokenizer_free(t);

    t = open_folder("disagree"); /* only tokenizer.json's truncation says so */
    assert_true(emb_tokenizer_truncates_left(t));
    emb_buffer out;
    emb_buffer_init(&out, &emb_libc_allocator);
    emb_tokenizer_describe(t, &out);
    embed_error error = EMBED_ERROR_INIT;
    emb_json_document *d = emb_json_parse("describe", out.data, out.size, NULL,
                                          &emb_libc_allocator, &error);
    assert_non_null(d);
    assert_string_equal(emb_json_text(emb_json_get(emb_json_root(d), "settings_from")),
                        "tokenizer_config.json");
    emb_json_free(d);
    emb_buffer_free(&out);
    emb_tokenizer_free(t);

    t = open_folder("added");
    assert_false(emb_tokenizer_truncates_left(t));
    assert_true(emb_tokenizer_scratch_size(t, 1, 8) < emb_tokenizer_scratch_size(t, 1 << 20, 8));
    assert_string_equal(emb_tokenizer_text(t, (int32_t)emb_tokenizer_vocab_size(t) - 1), "__");
    emb_tokenizer_free(t);
}

/* ---- refused files --------------------------------------------------------------------------- */

#define HEAD "{\"version\":\"1.0\",\"added_tokens\":[],"
#define NORMALIZER "\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":true},"
#define SPLIT "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
#define PROCESSOR "\"post_processor\":{\"type\":"
#define MODEL "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"a\":1}}}"

#define BPE "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},"

static const struct { const char *json; int32_t status; const char *message; } refused[] = {
    {"[1]", EMBED_EFORMAT, "tokenizer.json: expected an object, found an array"},
    {"{\"version\":\"2.0\"," NORMALIZER SPLIT MODEL, EMBED_EUNSUPPORTED,
     "tokenizer.json: version: expected \"1.0\", found \"2.0\""},
    {HEAD NORMALIZER SPLIT "\"model\":null}", EMBED_EFORMAT,
     "tokenizer.json: model: expected an object, found null"},
    {HEAD NORMALIZER SPLIT "\"model\":{\"type\":\"Magic\",\"vocab\":{},\"merges\":[]}}",
     EMBED_EUNSUPPORTED, "tokenizer.json: model: type: \"Magic\" is not supported"},
    {HEAD BPE "\"dropout\":0.1,\"merges\":[]}}", EMBED_EUNSUPPORTED,
     "tokenizer.json: model: dropout: expected null or 0, found 0.1"},
    {HEAD BPE "\"merges\":[\"a  b\"]}}", EMBED_EFORMAT,
     "tokenizer.json: merges: expected two pieces and a space, found \"a  b\""},
    {HEAD BPE "\"merges\":[\"a c\"]}}", EMBED_EFORMAT,
     "tokenizer.json: merge 1: \"c\" is not in the vocabulary"},
    {HEAD BPE "\"merges\":[[\"a\",\"b\"],[\"b\",\"a\"]]}}", EMBED_EFORMAT,
     "tokenizer.json: merge 2: \"ba\" is not in the vocabulary"},
    {HEAD BPE "\"merges\":[[\"a\"]]}}", EMBED_EFORMAT,
     "tokenizer.json: line 1: model.merges: expected \"a b\" or [\"a\", \"b\"]"},
    {HEAD BPE "\"merges\":[[\"a\",\"b\",\"a\"]]}}", EMBED_EFORMAT,
     "tokenizer.json: line 1: model.merges: expected two pieces, found more"},
    {HEAD BPE "\"byte_fallback\":true,\"end_of_word_suffix\":\"x\",\"merges\":[]}}",
     EMBED_EUNSUPPORTED,
     "tokenizer.json: model: byte_fallback with continuing_subword_prefix or end_of_word_suffix is "
     "not supported"},
    {HEAD "\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\"]]}}", EMBED_EFORMAT,
     "tokenizer.json: line 1: model.vocab: expected [piece, score]"},
    {HEAD NORMALIZER SPLIT "\"model\":{\"type\":\"WordPiece\"}}", EMBED_EFORMAT,
     "tokenizer.json: model.vocab: expected an object, found none"},
    {HEAD NORMALIZER SPLIT "\"model\":{\"type\":\"WordPiece\",\"vocab\":[1]}}", EMBED_EFORMAT,
     "tokenizer.json: line 1: model.vocab: expected [piece, score]"},
    {HEAD NORMALIZER SPLIT "\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":\"b\"}}}",
     EMBED_EFORMAT,
     "tokenizer.json: line 1: model.vocab: \"a\": expected an id, found a string"},
    {HEAD NORMALIZER SPLIT "\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":-1}}}",
     EMBED_EFORMAT,
     "tokenizer.json: line 1: model.vocab: \"a\": expected an id, found an integer out of range"},
    {HEAD NORMALIZER SPLIT "\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":2147483000}}}",
     EMBED_EFORMAT,
     "tokenizer.json: model.vocab: id 2147483000 in a vocabulary of 1 pieces"},
    {HEAD "\"normalizer\":{\"type\":\"Magic\"}," SPLIT MODEL, EMBED_EUNSUPPORTED,
     "tokenizer.json: normalizer: type: \"Magic\" is not supported"},
    {HEAD "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{},\"content\":\"\"}," SPLIT MODEL,
     EMBED_EFORMAT,
     "Replace: tokenizer.json: normalizer: pattern: expected {\"String\": ...} or {\"Regex\": ...}"},
    {HEAD "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"\"},"
     SPLIT MODEL, EMBED_EUNSUPPORTED,
     "Replace: tokenizer.json: normalizer: pattern: expected a text, found \"\""},
    {HEAD "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a*\"},\"content\":\"\"},"
     SPLIT MODEL, EMBED_EUNSUPPORTED,
     "Replace: tokenizer.json: normalizer: pattern: one that matches an empty text is not supported"},
    {HEAD "\"normalizer\":{\"type\":\"Prepend\"}," SPLIT MODEL, EMBED_EFORMAT,
     "Prepend: tokenizer.json: normalizer: prepend: expected a string, found none"},
    {HEAD "\"normalizer\":[]," SPLIT MODEL, EMBED_EFORMAT,
     "tokenizer.json: normalizer: expected an object, found an array"},
    {HEAD "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
     "{\"type\":\"BertNormalizer\"},{\"type\":"
     "\"BertNormalizer\"}]}," SPLIT MODEL, EMBED_EUNSUPPORTED,
     "tokenizer.json: normalizer: BertNormalizer: expected it first, found it after others"},
    {HEAD NORMALIZER "\"pre_tokenizer\":{\"type\":\"Magic\"}," MODEL, EMBED_EUNSUPPORTED,
     "tokenizer.json: pre_tokenizer: type: \"Magic\" is not supported"},
    {HEAD "\"pre_tokenizer\":{\"type\":\"Punctuation\",\"behavior\":\"Eaten\"}," MODEL,
     EMBED_EUNSUPPORTED,
     "Punctuation: tokenizer.json: pre_tokenizer: behavior: \"Eaten\" is not supported"},
    {HEAD "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"__\"}," MODEL, EMBED_EFORMAT,
     "Metaspace: tokenizer.json: pre_tokenizer: replacement: expected one character, found \"__\""},
    {HEAD "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":"
     "\"first\",\"add_prefix_space\":false}," MODEL, EMBED_EFORMAT,
     "Metaspace: tokenizer.json: pre_tokenizer: prepend_scheme: expected always, first or never, "
     "found \"first\" and no add_prefix_space"},
    {HEAD "\"pre_tokenizer\":{\"type\":\"FixedLength\",\"length\":0}," MODEL, EMBED_EFORMAT,
     "FixedLength: tokenizer.json: line 1: length: expected an integer from 1 to 2147483647, "
     "found 0"},
    {HEAD NORMALIZER SPLIT PROCESSOR "\"Magic\"}," MODEL,
     EMBED_EUNSUPPORTED,
     "tokenizer.json: post_processor: type: expected BertProcessing, RobertaProcessing, "
     "TemplateProcessing, ByteLevel or Sequence, found \"Magic\""},
    {HEAD SPLIT PROCESSOR "\"Sequence\",\"processors\":[{\"type\":\"BertProcessing\",\"cls\":[\"?\",0],"
     "\"sep\":[\"?\",0]},{\"type\":\"ByteLevel\"}]}," MODEL, EMBED_EUNSUPPORTED,
     "tokenizer.json: post_processor: ByteLevel after a component that adds tokens is not "
     "supported"},
    {HEAD SPLIT PROCESSOR "\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"}},"
     "{\"Sequence\":{\"id\":\"A\"}}],\"pair\":[]}," MODEL, EMBED_EUNSUPPORTED,
     "tokenizer.json: post_processor: sequence A twice is not supported"},
    {HEAD NORMALIZER SPLIT PROCESSOR "\"BertProcessing\",\"cls\":1}," MODEL,
     EMBED_EFORMAT,
     "tokenizer.json: post_processor: cls: expected [token, id], found an integer"},
    {HEAD NORMALIZER SPLIT PROCESSOR "\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":"
     "\"B\",\"type_id\":0}}],\"pair\":[]}," MODEL, EMBED_EFORMAT,
     "tokenizer.json: post_processor: expected sequence A, found \"B\""},
    {HEAD NORMALIZER SPLIT PROCESSOR "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
     "\"x\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{}}," MODEL, EMBED_EFORMAT,
     "tokenizer.json: post_processor: special token \"x\" has no ids"},
    {HEAD NORMALIZER SPLIT "\"truncation\":{\"direction\":\"Up\"}," MODEL, EMBED_EFORMAT,
     "tokenizer.json: truncation: direction: expected \"Left\" or \"Right\", found \"Up\""},
    {HEAD NORMALIZER SPLIT "\"padding\":{\"direction\":\"Up\"}," MODEL, EMBED_EFORMAT,
     "tokenizer.json: padding: direction: expected \"Left\" or \"Right\", found \"Up\""},
    {HEAD NORMALIZER SPLIT "\"padding\":7," MODEL, EMBED_EFORMAT,
     "tokenizer.json: padding: expected an object, found an integer"},
    {"{\"added_tokens\":[{\"id\":1,\"content\":\"\xCC\x81\",\"normalized\":true}]," NORMALIZER
     SPLIT MODEL,
     EMBED_EUNSUPPORTED, "added token \"\xCC\x81\": nothing is left of it after normalization"},
    {"{\"added_tokens\":[{\"id\":1}]," NORMALIZER SPLIT MODEL, EMBED_EFORMAT,
     "tokenizer.json: line 1: a token without content"},
    {"{\"added_tokens\":{}," NORMALIZER SPLIT MODEL, EMBED_EFORMAT,
     "tokenizer.json: added_tokens: expected an array, found an object"},
};

static int32_t open_texts(emb_tokenizer_files f, embed_error *error)
{
    emb_tokenizer *t;
    *error = (embed_error)EMBED_ERROR_INIT;
    if (f.tokenizer_json) f.tokenizer_json_size = strlen(f.tokenizer_json);
    if (f.tokenizer_config_json) f.tokenizer_config_json_size = strlen(f.tokenizer_config_json);
    if (f.vocab_txt) f.vocab_txt_size = strlen(f.vocab_txt);
    if (f.added_tokens_json) f.added_tokens_json_size = strlen(f.added_tokens_json);
    int32_t status = emb_tokenizer_open(&t, &f, &emb_libc_allocator, error);
    assert_true(status == EMBED_OK || t == NULL);
    emb_tokenizer_free(t);
    return status;
}

static void refused_tokenizer_json(void **state)
{
    (void)state;
    embed_error error;
    for (int64_t i = 0; i < EMB_COUNT(refused); i++) {
        int32_t status = open_texts((emb_tokenizer_files){.tokenizer_json = refused[i].json},
                                    &error);
        assert_string_equal(error.message, refused[i].message);
        assert_int_equal(status, refused[i].status);
    }
    assert_int_equal(open_texts((emb_tokenizer_files){.tokenizer_json =
                                                      HEAD NORMALIZER SPLIT MODEL}, &error),
                                                          EMBED_OK);
}

static void refused_configs(void **state)
{
    (void)state;
    static const struct { const char *config, *message; } cases[] = {
        {"[]", "tokenizer_config.json: expected an object, found an array"},
        {"{\"tokenizer_class\":\"MagicTokenizer\"}",
         "tokenizer_config.json: tokenizer_class: \"MagicTokenizer\" is not supported"},
        {"{\"tokenizer_class\":\"XLMRobertaTokenizer\"}",
         "tokenizer: expected tokenizer.json or sentencepiece.bpe.model, found only vocab.txt"},
        {"{\"tokenizer_class\":\"LlamaTokenizerFast\"}",
         "tokenizer: expected tokenizer.json or tokenizer.model, found only vocab.txt"},
        {"{\"tokenizer_class\":\"RobertaTokenizer\"}",
         "tokenizer: expected tokenizer.json or vocab.json with merges.txt, found only vocab.txt"},
        {"{\"do_lower_case\":1}",
         "tokenizer_config.json: line 1: do_lower_case: expected true or false, found an integer"},
        {"{\"truncation_side\":\"up\"}",
         "tokenizer_config.json: truncation_side: expected \"left\" or \"right\", found \"up\""},
        {"{\"padding_side\":\"up\"}",
         "tokenizer_config.json: padding_side: expected \"left\" or \"right\", found \"up\""},
        {"{\"cls_token\":null}", "tokenizer_config.json: cls_token: expected a token, found null"},
        {"{\"cls_token\":5}", "tokenizer_config.json: line 1: expected a token, found an integer"},
        {"{\"extra_special_tokens\":5}",
         "tokenizer_config.json: line 1: extra special tokens: expected an array, found an "
             "integer"},
        {"{\"added_tokens_decoder\":{\"x\":{\"content\":\"y\"}}}",
         "tokenizer_config.json: line 1: added_tokens_decoder: expected an id, found \"x\""},
    };
    embed_error error;
    for (int64_t i = 0; i < EMB_COUNT(cases); i++) {
        emb_tokenizer_files f = {.vocab_txt = "[UNK]\na\n",
                                 .tokenizer_config_json = cases[i].config, .model_type = "bert"};
        assert_true(open_texts(f, &error) < 0);
        assert_string_equal(error.message, cases[i].message);
    }
    assert_int_equal(open_texts((emb_tokenizer_files){.model_type = "bert"}, &error), EMBED_EIO);
    assert_string_equal(error.message,
                        "tokenizer: expected tokenizer.json or vocab.txt, found neither");
    open_texts((emb_tokenizer_files){.vocab_txt = "a\n\xFF\n", .model_type = "bert"}, &error);
    assert_string_equal(error.message, "vocab.txt: line 2: not valid UTF-8");
    open_texts((emb_tokenizer_files){.vocab_txt = "a\n", .added_tokens_json = "{\"b\":true}",
                                     .model_type = "bert"}, &error);
    assert_string_equal(error.message, "added_tokens.json: line 1: expected an id, found true");
    open_texts((emb_tokenizer_files){.vocab_txt = "a\n", .tokenizer_class = "Other",
                                     .model_type = "bert"}, &error);
    assert_string_equal(error.message, "config.json: tokenizer_class: \"Other\" is not supported");
}

/* The model_type of config.json decides where the reference knows better than the config. */
static void class_of_model_type(void **state)
{
    (void)state;
    embed_error error;
    emb_tokenizer_files f = read_files("siglip2"), g = read_files("uncased");
    emb_tokenizer *t;
    const char gemma[] = "{\"tokenizer_class\":\"GemmaTokenizer\",\"add_eos_token\":true}";
    emb_tokenizer_files other = f;
    other.tokenizer_config_json = gemma;
    other.tokenizer_config_json_size = sizeof gemma - 1;
    other.model_type = "siglip2";
    assert_int_equal(emb_tokenizer_open(&t, &other, &emb_libc_allocator, NULL), EMBED_OK);
    emb_buffer described;
    emb_buffer_init(&described, &emb_libc_allocator);
    emb_tokenizer_describe(t, &described);
    emb_buffer_add(&described, "", 1);
    assert_non_null(strstr(described.data, "Siglip2Tokenizer"));
    emb_buffer_free(&described);
    assert_true(emb_tokenizer_pads_left(t));
    assert_int_equal(emb_tokenizer_pad_id(t), 0);
    emb_tokenizer_free(t);
    g.model_type = "qwen2"; /* whatever the config names, its class wants these */
    error = (embed_error)EMBED_ERROR_INIT;
    assert_int_equal(emb_tokenizer_open(&t, &g, &emb_libc_allocator, &error), EMBED_EIO);
    assert_string_equal(error.message, "tokenizer: expected tokenizer.json or vocab.json with "
                        "merges.txt, found only vocab.txt");
    g.model_type = "modernbert"; /* tokenizer.json as it stands: there is none */
    error = (embed_error)EMBED_ERROR_INIT;
    assert_int_equal(emb_tokenizer_open(&t, &g, &emb_libc_allocator, &error), EMBED_EIO);
    assert_string_equal(error.message, "tokenizer: expected tokenizer.json, found only vocab.txt");
    emb_tokenizer_files lone = f; /* under another name no class takes it */
    lone.tokenizer_config_json = "{\"tokenizer_class\":\"PreTrainedTokenizerFast\"}";
    lone.tokenizer_config_json_size = strlen(lone.tokenizer_config_json);
    lone.tokenizer_model = false;
    assert_int_equal(emb_tokenizer_open(&t, &lone, &emb_libc_allocator, &error), EMBED_EIO);
    assert_string_equal(error.message, "tokenizer: expected tokenizer.json, found neither");
    char *model = (char *)(uintptr_t)f.sentencepiece;
    size_t at = f.sentencepiece_size - 1; /* of trainer_spec, and in it of model_type */
    while (model[at] != 0x12 || model[at + 2] != 0x18) at--;
    model[at + 3] = 1;
    assert_int_equal(emb_tokenizer_open(&t, &f, &emb_libc_allocator, &error), EMBED_EUNSUPPORTED);
    assert_string_equal(error.message,
                        "tokenizer.model: model_type: expected 2 (BPE), found 1");
    free_files(&f);
    free_files(&g);
}

static void ids_of(emb_tokenizer_files f, const char *text, int32_t ids[2], int64_t count)
{
    emb_tokenizer *t;
    const emb_text input = {.data = text, .size = strlen(text)};
    const emb_tokenize_options options = {0};
    emb_token_arrays out = {.ids = ids, .capacity = 2};
    embed_error error = EMBED_ERROR_INIT;

    f.tokenizer_json_size = strlen(f.tokenizer_json);
    assert_int_equal(emb_tokenizer_open(&t, &f, &emb_libc_allocator, &error), EMBED_OK);
    void *scratch = malloc(emb_tokenizer_scratch_size(t, 16, 16));
    assert_int_equal(emb_tokenize(t, scratch, 16, 16, &input, NULL, &options, &out, &error), count);
    free(scratch);
    emb_tokenizer_free(t);
}

/* A score as the reference's reader rounds it ties with another path; exactly, as a class reads it,
 * it is the last digit below. */
static void scores_as_read(void **state)
{
    (void)state;
    const char config[] = "{\"tokenizer_class\":\"T5Tokenizer\"}";
    emb_tokenizer_files f = {
        .tokenizer_json =
            "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],"
            "[\"a\",-6.2601815908301655],[\"b\",0.0],[\"ab\",-6.26018159083016613],"
            "[\"\xE2\x96\x81\",0.0]]}}"};
    int32_t ids[2] = {0};

    ids_of(f, "ab", ids, 1);
    assert_int_equal(ids[0], 3);
    f.tokenizer_config_json = config;
    f.tokenizer_config_json_size = sizeof config - 1;
    ids_of(f, "ab", ids, 3); /* the prefix, a, b */
}

static void twice_in_vocabulary(void **state)
{
    (void)state;
    embed_error error;
    const char *json = HEAD NORMALIZER SPLIT
        "\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0,\n\"a\":1}}}";
    open_texts((emb_tokenizer_files){.tokenizer_json = json}, &error);
    assert_non_null(strstr(error.message, "tokenizer.json: line 2: "));
    assert_non_null(strstr(error.message, "\"a\""));
}

/* Every cut of the files of a directory, and every allocation that fails: an error or a tokenizer,
 * no leak. */
static void failing_allocations(void **state)
{
    (void)state;
    static const char *const folders[] = {"uncased", "added", "template", "legacy", "llama",
                                          "lone"};
    for (int64_t i = 0; i < EMB_COUNT(folders); i++) {
        emb_tokenizer_files f = read_files(folders[i]);
        int32_t status = EMBED_ENOMEM;
        for (int64_t at = 1; status != EMBED_OK; at++) {
            failing count = {.fail_at = at};
            emb_allocator a = failing_allocator(&count);
            embed_error error = EMBED_ERROR_INIT;
            emb_tokenizer *t;
            status = emb_tokenizer_open(&t, &f, &a, &error);
            if (status != EMBED_OK) {
                assert_int_equal(status, EMBED_ENOMEM);
                assert_null(t);
                assert_true(error.message[0]);
            }
            emb_tokenizer_free(t);
            assert_int_equal(count.alive, 0);
            assert_true(at < 10000);
        }
        free_files(&f);
    }
}

static void cut_files(void **state)
{
    (void)state;
    emb_tokenizer_files f = read_files("added");
    size_t size = f.tokenizer_json_size;
    for (size_t cut = 0; cut + 1 < size; cut += cut < 1500 || cut + 300 > size ? 1 : 37) {
        embed_error error = EMBED_ERROR_INIT;
        emb_tokenizer *t;
        char *tight = malloc(cut ? cut : 1);
        memcpy(tight, f.tokenizer_json, cut);
        emb_tokenizer_files part = f;
        part.tokenizer_json = tight;
        part.tokenizer_json_size = cut;
        if (cut + 2 < size) assert_int_not_equal(emb_tokenizer_open(&t, &part, &emb_libc_allocator,
                                                                    &error), EMBED_OK);
        free(tight);
    }
    free_files(&f);
}

/* ---- texts ---------------------------------------------------------------------------- */

static void invalid_utf8(void **state)
{
    (void)state;
    emb_tokenizer *t = open_folder("uncased");
    assert_int_equal(tokenize_plain(t, "ab\xFF" "c", 4), EMBED_EUTF8);
    assert_string_equal(got.error.message, "text: byte 2 is 0xFF: not valid UTF-8");
    assert_int_equal(tokenize_plain(t, "ab\xE4\xB8", 4), EMBED_EUTF8);
    assert_string_equal(got.error.message, "text: byte 2 is 0xE4: not valid UTF-8");
    /* also past what truncation keeps */
    emb_text a = {.data = "a a a a a \xC0", .size = 11}, b = {.data = "b", .size = 1};
    assert_int_equal(tokenize(t, &a, NULL,
                              (emb_tokenize_options){.max_length = 3, .add_special_tokens = true}),
                                  EMBED_EUTF8);
    assert_int_equal(tokenize(t, &b, &a, plain), EMBED_EUTF8);
    assert_string_equal(got.error.message, "second text: byte 10 is 0xC0: not valid UTF-8");
    emb_text p = {.prefix = "\x80", .prefix_size = 1, .data = "b", .size = 1};
    assert_int_equal(tokenize(t, &p, NULL, plain), EMBED_EUTF8);
    assert_string_equal(got.error.message, "prompt: byte 0 is 0x80: not valid UTF-8");
    /* replaced: U+FFFD, which is then deleted; offsets are those of the bytes */
    emb_text c = {.data = "a\xE4\xB8" "b \xFF", .size = 6};
    assert_int_equal(tokenize(t, &c, NULL,
                              (emb_tokenize_options){.add_special_tokens = true,
                                                     .replace_invalid = true}), 3);
    assert_int_equal(got.ids[1], emb_tokenizer_id(t, "ab", 2));
    assert_int_equal(got.offsets[1][0], 0);
    assert_int_equal(got.offsets[1][1], 4);
    emb_tokenizer_free(t);
}

static void prompt(void **state)
{
    (void)state;
    emb_tokenizer *t = open_folder("uncased");
    emb_text whole = {.data = "the ca[MASK]t", .size = 13};
    tokenize(t, &whole, NULL, plain);
    result want = got;
    for (size_t cut = 0; cut <= whole.size; cut++) {
        emb_text parts = {whole.data, cut, whole.data + cut, whole.size - cut};
        assert_int_equal(tokenize(t, &parts, NULL, plain), want.count);
        for (int64_t i = 0; i < want.count; i++) {
            assert_int_equal(got.ids[i], want.ids[i]);
            for (int k = 0; k < 2; k++) {
                int64_t moved = want.offsets[i][k] - (int64_t)cut;
                assert_int_equal(got.offsets[i][k], EMB_MAX(moved, 0));
            }
        }
    }
    emb_tokenizer_free(t);
}

static void limits(void **state)
{
    (void)state;
    emb_tokenizer *t = open_folder("added");
    char *text = malloc(MAX_TEXT + 2);
    memset(text, ' ', MAX_TEXT + 2);
    assert_int_equal(tokenize_plain(t, text, MAX_TEXT), 2);
    assert_int_equal(tokenize_plain(t, text, MAX_TEXT + 1), EMBED_ERANGE);
    assert_string_equal(got.error.message,
                        "text: 4097 bytes without a special token, and the tokenizer takes a "
                        "piece whole: no more than max_text_bytes = 4096 can be taken");
    memcpy(text + 2000, "[SEP]", 5);
    assert_int_equal(tokenize_plain(t, text, MAX_TEXT + 2), 3);
    for (int32_t c = 0x4E00, at = 0; at + 3 <= MAX_TEXT; c++, at += 3) emb_utf8_encode((uint32_t)c,
                                                                                       text + at);
    assert_int_equal(tokenize_plain(t, text, MAX_TEXT / 3 * 3), 2 + MAX_TEXT / 3);
    free(text);
    emb_text a = {.data = "a", .size = 1};
    assert_int_equal(tokenize(t, &a, NULL, (emb_tokenize_options){.max_length = MAX_LENGTH + 1}),
                     EMBED_ERANGE);
    assert_string_equal(got.error.message, "max_length: expected at most 64, found 65");
    assert_int_equal(tokenize(t, &a, NULL,
                              (emb_tokenize_options){.max_length = 8,
                                                     .strategy = EMBED_STRATEGY_ONLY_SECOND,
                                                                  .add_special_tokens = true}), 3);
    emb_tokenizer_free(t);

    embed_error error = EMBED_ERROR_INIT;
    emb_tokenizer_files f = {.vocab_txt = "a\n##b\n", .vocab_txt_size = 6, .model_type = "bert",
                             .tokenizer_config_json = "{\"unk_token\":\"none\"}",
                                 .tokenizer_config_json_size = 20};
    assert_int_equal(emb_tokenizer_open(&t, &f, &emb_libc_allocator, &error), EMBED_OK);
    assert_int_equal(tokenize_plain(t, "ab", 2), 4);
    assert_int_equal(tokenize_plain(t, "ab b", 4), EMBED_EMISSING);
    assert_string_equal(got.error.message,
                        "text: byte 3: a word that is not in the vocabulary, and neither is the "
                            "unknown "
                        "token \"none\"");
    emb_tokenizer_free(t);
}

/* Tokens of a text of `count` times `part`, counted only, in less than a generous time. */
static int64_t count_of(const emb_tokenizer *t, const char *part, size_t count, const char *tail,
                        int64_t max_length)
{
    size_t size = strlen(part), total = size * count + strlen(tail);
    char *text = malloc(total + 1);
    for (size_t i = 0; i < count; i++) memcpy(text + i * size, part, size);
    memcpy(text + size * count, tail, strlen(tail) + 1);
    emb_text a = {.data = text, .size = total};
    emb_tokenize_options o = {.max_length = max_length, .left = true, .add_special_tokens = true};
    clock_t start = clock();
    int64_t n = tokenize(t, &a, NULL, o);
    assert_true(clock() - start < 20 * CLOCKS_PER_SEC);
    free(text);
    return n;
}

static void hostile_texts(void **state)
{
    (void)state;
    emb_tokenizer *t = open_folder("uncased");
    assert_int_equal(count_of(t, "a", 1 << 20, "", 0), 3); /* one unknown word */
    assert_int_equal(got.ids[1], 1);
    assert_int_equal(got.offsets[1][1], 1 << 20);
    assert_int_equal(count_of(t, "[SEP]", 100000, "", 0), 100002);
    assert_int_equal(count_of(t, "[SEP", 100000, "", 0), 400002);
    assert_int_equal(count_of(t, "[", 1 << 20, "", 0), (1 << 20) + 2);
    assert_int_equal(count_of(t, "\xCC\x81", 1 << 20, "", 0), 2); /* a million marks, deleted */
    assert_int_equal(count_of(t, " ", 1 << 20, "[MASK]", 0), 3);
    assert_int_equal(count_of(t, "a ", 1 << 19, "", 5), 5);
    assert_int_equal(got.offsets[1][0], (1 << 20) - 6);
    /* a million marks of four classes of which one stays: they come in order, and are a word too
     * long */
    assert_int_equal(count_of(t, "\xE3\x80\xAE\xCC\x81\xCC\xA7\xCC\x96", 1 << 18, " a", 0), 4);
    /* after the marks of two classes, half of the run */
    assert_int_equal(got.offsets[1][0], 9 << 17);
    emb_tokenizer_free(t);
    t = open_folder("legacy"); /* [MASK] with lstrip */
    assert_int_equal(count_of(t, "[MASK] ", 100000, "", 0), 100002);
    emb_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen_cases), cmocka_unit_test(nul_in_text),
            cmocka_unit_test(small_questions),
        cmocka_unit_test(refused_tokenizer_json), cmocka_unit_test(refused_configs),
        cmocka_unit_test(class_of_model_type), cmocka_unit_test(twice_in_vocabulary),
        cmocka_unit_test(scores_as_read),
        cmocka_unit_test(failing_allocations), cmocka_unit_test(cut_files),
        cmocka_unit_test(invalid_utf8), cmocka_unit_test(prompt), cmocka_unit_test(limits),
        cmocka_unit_test(hostile_texts),
    };
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
