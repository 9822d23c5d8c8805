/* The input is two bytes of options and a text: every frozen tokenizer gives an error or tokens
 * whose ids, words and offsets are in range, the same again and however many are asked for. */
#include <stdlib.h>

#include "../../lib/format/json.h"
#include "../../lib/text/tokenizer.h"
#include "mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_TEXT = 4096, MAX_LENGTH = 16, CAPACITY = 1 << 15, SCRATCH = 1 << 23 };

static void expect(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static char *slurp(const char *folder, const char *name, size_t *size)
{
    char path[256];
    snprintf(path, sizeof path, "tests/data/tokenizer/%s%s%s", folder, *folder ? "/" : "", name);
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*size + 1);
    expect(text && fread(text, 1, *size, f) == *size, "a file can be read");
    fclose(f);
    return text;
}

static emb_tokenizer *open_folder(const char *folder)
{
    emb_tokenizer *t;
    embed_error error = EMBED_ERROR_INIT;
    emb_tokenizer_files f = {.model_type = "bert"};
    f.tokenizer_json = slurp(folder, "tokenizer.json", &f.tokenizer_json_size);
    f.tokenizer_config_json = slurp(folder, "tokenizer_config.json", &f.tokenizer_config_json_size);
    f.special_tokens_map_json =
        slurp(folder, "special_tokens_map.json", &f.special_tokens_map_json_size);
    f.added_tokens_json = slurp(folder, "added_tokens.json", &f.added_tokens_json_size);
    f.vocab_txt = slurp(folder, "vocab.txt", &f.vocab_txt_size);
    int32_t status = emb_tokenizer_open(&t, &f, &emb_libc_allocator, &error);
    expect(status == EMBED_OK, error.message);
    free((void *)(uintptr_t)f.tokenizer_json);
    free((void *)(uintptr_t)f.tokenizer_config_json);
    free((void *)(uintptr_t)f.special_tokens_map_json);
    free((void *)(uintptr_t)f.added_tokens_json);
    free((void *)(uintptr_t)f.vocab_txt);
    return t;
}

static const char *const folders[] = {"added",  "cased",    "disagree", "legacy",
                                      "template", "uncased", "verbatim"};
enum { FOLDERS = (int)(sizeof folders / sizeof *folders), MOST = 256 };

/* A line of pipelines.jsonl, whose tokenizer says @bytes@ for the pieces of all bytes. */
static emb_tokenizer *open_line(const char *line, size_t size)
{
    emb_tokenizer *t;
    embed_error error = EMBED_ERROR_INIT;
    emb_buffer out;
    emb_json_document *d = emb_json_parse("line", line, size, NULL, &emb_libc_allocator, &error);
    expect(d, error.message);
    const char *text = emb_json_text(emb_json_get(emb_json_root(d), "tokenizer"));
    const char *at = strstr(text, "@bytes@");
    emb_buffer_init(&out, &emb_libc_allocator);
    emb_buffer_add(&out, text, at ? (size_t)(at - text) : strlen(text));
    for (int b = 0; at && b < 256; b++) {
        emb_buffer_printf(&out, "%s\"<0x%02X>\":%d", b ? "," : "", (unsigned)b, b);
    }
    if (at) emb_buffer_add(&out, at + 7, strlen(at + 7));
    emb_tokenizer_files f = {.tokenizer_json = out.data, .tokenizer_json_size = out.size};
    expect(emb_tokenizer_open(&t, &f, &emb_libc_allocator, &error) == EMBED_OK, error.message);
    emb_buffer_free(&out);
    emb_json_free(d);
    return t;
}

/* Number `which` of the directories, then of the pipelines; *count: of all of them. */
static emb_tokenizer *open_number(int which, int *count)
{
    static char *lines[MOST];
    static int found;
    size_t size = 0;
    char *at = found ? NULL : slurp("", "pipelines.jsonl", &size);
    for (char *end; size > 0 && found < MOST - FOLDERS; at = end + 1) {
        end = memchr(at, '\n', size);
        expect(end, "lines end");
        *end = '\0';
        size -= (size_t)(end + 1 - at);
        lines[found++] = at;
    }
    *count = FOLDERS + found;
    if (which < 0) return NULL;
    if (which < FOLDERS) return open_folder(folders[which]);
    return open_line(lines[which - FOLDERS], strlen(lines[which - FOLDERS]));
}

typedef struct tokens {
    int32_t ids[CAPACITY], types[CAPACITY], words[CAPACITY], sequences[CAPACITY];
    int64_t offsets[CAPACITY][2];
} tokens;

static void check(const emb_tokenizer *t, const tokens *k, int64_t n, const emb_text *texts)
{
    for (int64_t i = 0; i < n && i < CAPACITY; i++) {
        int32_t sequence = k->sequences[i];
        expect(k->ids[i] >= 0 && k->ids[i] < emb_tokenizer_vocab_size(t), "ids are in range");
        expect(sequence >= -1 && sequence <= 1, "sequences are -1, 0 or 1");
        expect((sequence < 0) == (k->words[i] < 0), "added tokens have no word");
        const int64_t *at = k->offsets[i], size = sequence < 0 ? 0 : (int64_t)texts[sequence].size;
        expect(at[0] >= 0 && at[0] <= at[1] && at[1] <= size, "offsets are in the text");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static emb_tokenizer *tokenizers[MOST];
    static int count;
    static _Alignas(64) char scratch[SCRATCH];
    static tokens first, again;
    if (size < 2 || size > CAPACITY) return 0;
    if (!count) open_number(-1, &count);
    int which = data[0] % count;
    if (!tokenizers[which]) tokenizers[which] = open_number(which, &count);
    const emb_tokenizer *t = tokenizers[which];
    expect(emb_tokenizer_scratch_size(t, MAX_TEXT, MAX_LENGTH) <= SCRATCH, "a bounded workspace");

    uint8_t bits = data[1];
    emb_tokenize_options options = {
        .max_length = (data[0] + 7 * data[1]) % (MAX_LENGTH + 1),
        .left = bits & 1,
        .strategy = (bits >> 1) % 3,
        .add_special_tokens = bits & 8,
        .replace_invalid = bits & 16,
    };
    const char *text = (const char *)data + 2;
    size_t left = size - 2, half = bits & 32 ? left / 2 : left;
    emb_text texts[2] = {{NULL, 0, text, half}, {NULL, 0, text + half, left - half}};
    if (bits & 64) texts[0] = (emb_text){text, half / 3, text + half / 3, half - half / 3};

    embed_error error = EMBED_ERROR_INIT;
    emb_token_arrays out = {CAPACITY, first.ids, first.types, first.words, first.sequences,
                            first.offsets};
    int64_t n = emb_tokenize(t, scratch, MAX_TEXT, MAX_LENGTH, &texts[0],
                             bits & 32 ? &texts[1] : NULL, &options, &out, &error);
    expect(n >= 0 || error.message[0], "a failure says why");
    check(t, &first, n, texts);
    out = (emb_token_arrays){3, again.ids, again.types, again.words, again.sequences,
                             again.offsets};
    memset(scratch, bits, sizeof scratch / 64); /* nothing may depend on what was there */
    expect(n == emb_tokenize(t, scratch, MAX_TEXT, MAX_LENGTH, &texts[0],
                             bits & 32 ? &texts[1] : NULL, &options, &out, &error),
           "the same again, however many are asked for");
    expect(n < 0 || !memcmp(first.ids, again.ids, (size_t)EMB_MIN(n, 3) * sizeof *first.ids),
           "the same ids again");
    return 0;
}
