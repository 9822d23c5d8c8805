/* Tokenizes records from standard input for tokens.py. argv: a directory, then "lower" for
 * lowercase_first, or "compiled" for a vocabulary stored as tables and opened from them. Record:
 * flags, max_length, strategy (int32 each), size and bytes of the text, and of the pair if flag 1.
 * Answer: status or count (int64), then on success ids, type ids, word ids, sequence ids (int32)
 * and offsets. Answers may wait for the record that has flag LAST. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../lib/text/tokenizer.h"

enum { PAIR = 1, LEFT = 2, NO_SPECIAL = 4, REPLACE = 8, PREFIX = 16, COUNT_ONLY = 32, LAST = 64 };
#define MAX_TEXT (1 << 23)

static char *slurp(const char *dir, const char *name, size_t *size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*size + 1);
    if (fread(text, 1, *size, f) != *size) exit(3);
    text[*size] = 0;
    fclose(f);
    return text;
}

static bool take(void *out, size_t size)
{
    return size == 0 || fread(out, size, 1, stdin) == 1;
}

static void put(const void *data, size_t size)
{
    if (size) fwrite(data, size, 1, stdout);
}

static char *take_text(size_t *size)
{
    uint32_t n;
    if (!take(&n, sizeof n)) exit(3);
    char *text = malloc(n ? n : 1);
    if (!take(text, n)) exit(3);
    *size = n;
    return text;
}

/* The same tokenizer, from the tables of its vocabulary. */
static int32_t open_again(emb_tokenizer **t, emb_tokenizer_files f, embed_error *error)
{
    static emb_tokenizer_store store;
    int32_t status = emb_tokenizer_stores(*t, &f, &store, &emb_libc_allocator, error);
    emb_tokenizer_free(*t);
    if (status < 0) return status;
    f.vocab_txt = f.vocab_json = f.merges_txt = f.sentencepiece = NULL;
    f.tokenizer_json = store.tokenizer_json.size ? store.tokenizer_json.data : NULL;
    f.tokenizer_json_size = store.tokenizer_json.size;
    f.tables = store.tables.data;
    f.tables_size = store.tables.size;
    return emb_tokenizer_open(t, &f, &emb_libc_allocator, error);
}

int main(int argc, char **argv)
{
    embed_error error = EMBED_ERROR_INIT;
    emb_tokenizer_files f = {.lowercase_first = argc > 2 && !strcmp(argv[2], "lower")};
    emb_tokenizer *t;
    char type[64] = "";
    size_t config_size = 0;

    if (argc < 2) return 2;
    f.tokenizer_json = slurp(argv[1], "tokenizer.json", &f.tokenizer_json_size);
    f.tokenizer_config_json = slurp(argv[1], "tokenizer_config.json",
                                    &f.tokenizer_config_json_size);
    f.special_tokens_map_json = slurp(argv[1], "special_tokens_map.json",
                                      &f.special_tokens_map_json_size);
    f.added_tokens_json = slurp(argv[1], "added_tokens.json", &f.added_tokens_json_size);
    f.vocab_txt = slurp(argv[1], "vocab.txt", &f.vocab_txt_size);
    f.vocab_json = slurp(argv[1], "vocab.json", &f.vocab_json_size);
    f.merges_txt = slurp(argv[1], "merges.txt", &f.merges_txt_size);
    static const char *const models[] = {"sentencepiece.bpe.model", "spiece.model", "spm.model",
                                         "tokenizer.model"};
    for (int i = 0; i < 4 && !f.sentencepiece; i++) {
        f.sentencepiece = slurp(argv[1], models[i], &f.sentencepiece_size);
        f.tokenizer_model = f.sentencepiece && i == 3;
    }
    char *config = slurp(argv[1], "config.json", &config_size);
    char *at = config ? strstr(config, "\"model_type\"") : NULL;
    if (at && sscanf(at, "\"model_type\" : \"%63[^\"]", type) == 1) f.model_type = type;
    int32_t status = emb_tokenizer_open(&t, &f, &emb_libc_allocator, &error);
    bool compiled = argc > 2 && !strcmp(argv[2], "compiled");
    if (status == EMBED_OK && compiled) status = open_again(&t, f, &error);
    if (status < 0) {
        fprintf(stderr, "%d %s\n", (int)error.status, error.message);
        return 1;
    }
    if (argc > 2 && !strcmp(argv[2], "describe")) {
        emb_buffer out;
        emb_buffer_init(&out, &emb_libc_allocator);
        emb_tokenizer_describe(t, &out);
        puts(out.data);
        fflush(stdout);
        _exit(0);
    }
    size_t bytes = emb_tokenizer_scratch_size(t, MAX_TEXT, 4096);
    void *scratch = aligned_alloc(64, (bytes + 63) / 64 * 64);
    int64_t capacity = 1 << 20;
    emb_token_arrays out = {capacity, malloc((size_t)capacity * 4), malloc((size_t)capacity * 4),
                            malloc((size_t)capacity * 4), malloc((size_t)capacity * 4),
                            malloc((size_t)capacity * 16)};
    for (;;) {
        int32_t flags, max_length, strategy;
        if (!take(&flags, 4)) break;
        if (!take(&max_length, 4) || !take(&strategy, 4)) return 3;
        emb_text text = {0}, pair = {0};
        char *prefix = flags & PREFIX ? take_text(&text.prefix_size) : NULL;
        char *a = take_text(&text.size), *b = flags & PAIR ? take_text(&pair.size) : NULL;
        text.prefix = prefix;
        text.data = a;
        pair.data = b;
        emb_tokenize_options o = {
            .max_length = max_length, .left = flags & LEFT, .strategy = strategy,
            .add_special_tokens = !(flags & NO_SPECIAL), .replace_invalid = flags & REPLACE};
        int64_t n = emb_tokenize(t, scratch, MAX_TEXT, 4096, &text, b ? &pair : NULL, &o, &out,
                                 &error);
        put(&n, sizeof n);
        if (n > capacity) return 4;
        if (n > 0 && !(flags & COUNT_ONLY)) {
            put(out.ids, (size_t)n * 4);
            put(out.type_ids, (size_t)n * 4);
            put(out.word_ids, (size_t)n * 4);
            put(out.sequence_ids, (size_t)n * 4);
            put(out.offsets, (size_t)n * 16);
        }
        if (flags & LAST) fflush(stdout);
        free(prefix);
        free(a);
        free(b);
    }
    emb_tokenizer_free(t);
    return 0;
}
