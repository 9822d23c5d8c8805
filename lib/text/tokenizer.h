/* text: from UTF-8 to token ids, as Hugging Face tokenizers does it. Knows no models; takes only
 * the JSON reader from format/. A tokenizer never changes once open. */
#ifndef EMB_TOKENIZER_H
#define EMB_TOKENIZER_H

#include "../base/base.h"

typedef struct emb_tokenizer emb_tokenizer;

/* The files, NULL where there is none. One of tokenizer_json, vocab_txt, vocab_json with
 * merges_txt, or sentencepiece (whatever its name) is needed. */
typedef struct emb_tokenizer_files {
    const char *tokenizer_json, *tokenizer_config_json, *special_tokens_map_json,
        *added_tokens_json, *vocab_txt;
    size_t tokenizer_json_size, tokenizer_config_json_size, special_tokens_map_json_size,
        added_tokens_json_size, vocab_txt_size;
    const char *vocab_json, *merges_txt, *sentencepiece;
    size_t vocab_json_size, merges_txt_size, sentencepiece_size;
    bool tokenizer_model;   /* sentencepiece has this name: it needs no class */
    const char *model_type; /* of config.json; decides the class when nothing names it */
    /* of config.json; tokenizer_config.json's comes first. NULL: none */
    const char *tokenizer_class;
    /* sentence_bert_config.json's do_lower_case: a Lowercase normalizer in front */
    bool lowercase_first;
    /* Of emb_tokenizer_stores, in place of the vocabulary. Used where they lie (copied when they
     * are not 8-byte aligned): they stay with the caller, unchanged until free. */
    const void *tables;
    size_t tables_size;
} emb_tokenizer_files;

int32_t emb_tokenizer_open(emb_tokenizer **tokenizer, const emb_tokenizer_files *files,
                           const emb_allocator *a, embed_error *error);
void emb_tokenizer_free(emb_tokenizer *tokenizer);

/* What opens the same tokenizer without reading a vocabulary: with tokenizer_config_json,
 * special_tokens_map_json and added_tokens_json as they were, and no other file. */
typedef struct emb_tokenizer_store {
    emb_buffer tokenizer_json; /* vocabulary and merges are empty; size 0: there was none */
    emb_buffer tables;         /* in the byte order of this machine */
} emb_tokenizer_store;

/* files: those that t was opened from. out is to be freed whatever the result. */
int32_t emb_tokenizer_stores(const emb_tokenizer *t, const emb_tokenizer_files *files,
                             emb_tokenizer_store *out, const emb_allocator *a, embed_error *error);

/* largest id + 1, added tokens included */
int64_t emb_tokenizer_vocab_size(const emb_tokenizer *t);
const char *emb_tokenizer_text(const emb_tokenizer *t, int32_t id);          /* or NULL */
int32_t emb_tokenizer_id(const emb_tokenizer *t, const char *text, size_t size); /* or -1 */
/* model_max_length of tokenizer_config.json; 0: none (absent, or 1e20 and above). */
int64_t emb_tokenizer_model_max_length(const emb_tokenizer *t);
bool emb_tokenizer_truncates_left(const emb_tokenizer *t); /* truncation_side */
int64_t emb_tokenizer_truncation(const emb_tokenizer *t);  /* tokenizer.json's own; 0: none */
int32_t emb_tokenizer_pad_id(const emb_tokenizer *t);      /* pad_token, or -1 */
bool emb_tokenizer_pads_left(const emb_tokenizer *t);      /* padding_side */
/* The median length of all tokens in characters, rounded down. */
int64_t emb_tokenizer_median_length(const emb_tokenizer *t);
/* The pipeline as a JSON object, for embed_model_describe. */
void emb_tokenizer_describe(const emb_tokenizer *t, emb_buffer *out);

typedef struct emb_tokenize_options {
    int64_t max_length;       /* special tokens included; 0: no truncation. Below the number of
                               * special tokens the text is left whole, as in the reference */
    bool left;                /* cut at the left */
    int32_t strategy;         /* EMBED_STRATEGY_* */
    bool add_special_tokens;
    bool leave_unknown_out; /* what truncation keeps of them */
    /* invalid UTF-8 becomes U+FFFD (offsets are those of the invalid bytes) */
    bool replace_invalid;
} emb_tokenize_options;

/* A text that is put together without copying: prefix (a prompt, may be NULL) then text. Offsets
 * are into text; what comes from the prefix has offsets clamped to [0, 0]. */
typedef struct emb_text {
    const char *prefix;
    size_t prefix_size;
    const char *data;
    size_t size;
} emb_text;

/* Where tokens go: arrays of capacity, each may be NULL. */
typedef struct emb_token_arrays {
    int64_t capacity;
    int32_t *ids, *type_ids, *word_ids, *sequence_ids;
    int64_t (*offsets)[2];
} emb_token_arrays;

/* Workspace of one call: bytes, for texts of up to max_text_bytes (only where the pipeline cannot
 * work piece by piece, otherwise any length) and truncation to at most max_length tokens. */
size_t emb_tokenizer_scratch_size(const emb_tokenizer *t, int64_t max_text_bytes,
                                  int64_t max_length);

/* Tokenize a text, or a pair (pair may be NULL), with truncation and special tokens. Returns the
 * number of tokens, also when it is more than capacity; or a negative status with error filled.
 * Takes no memory. scratch: emb_tokenizer_scratch_size bytes, 64-byte aligned, with the same two
 * limits. */
int64_t emb_tokenize(const emb_tokenizer *t, void *scratch, int64_t max_text_bytes,
                     int64_t max_length,
                     const emb_text *text, const emb_text *pair,
                         const emb_tokenize_options *options,
                     emb_token_arrays *out, embed_error *error);

/* A part of a text that has max_length tokens, special tokens and the prefix's included. */
typedef struct emb_window {
    int64_t tokens;      /* in the arrays */
    int64_t text_tokens; /* of the text itself: neither special nor of its prefix */
    int64_t fresh;       /* index of the first that the window before has not */
    bool last;
} emb_window;
/* Called for each window when it is in the arrays, which may be changed for the next one. A
 * negative status ends it all. */
typedef int32_t (*emb_window_fn)(void *user, const emb_window *window);

/* Tokenize a text of any length as windows of options->max_length tokens, of which two neighbours
 * have `stride` text tokens in common; every window has the special tokens and the prefix. Of a
 * pair, the member that options->strategy names comes in windows, beside all of the other. Goes
 * once through the text, and holds one window. */
int32_t emb_tokenize_windows(const emb_tokenizer *t, void *scratch, int64_t max_text_bytes,
                             int64_t max_length, const emb_text *text, const emb_text *pair,
                             const emb_tokenize_options *options, int64_t stride,
                             emb_token_arrays *out, emb_window_fn take, void *user,
                             embed_error *error);

#endif
