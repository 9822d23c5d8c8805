/* load: what the files that open a tokenizer share. Private to text/. */
#ifndef EMB_LOAD_H
#define EMB_LOAD_H

#include "compiled.h"
#include "pattern.h"
#include "sentencepiece.h"
#include "unigram.h"

#define EMB_JSON_FILE "tokenizer.json"
#define EMB_CONFIG_FILE "tokenizer_config.json"

/* Pieces with a score: texts one after another, which the pieces point into once all are in. */
typedef struct emb_piece_texts {
    emb_buffer texts, pieces; /* pieces: emb_unigram_piece */
    emb_buffer scores; /* of those of tokenizer.json: doubles as the reference's own reader has them */
    int64_t count;
} emb_piece_texts;

static inline const emb_unigram_piece *emb_piece_list(const emb_piece_texts *p)
{
    return (const emb_unigram_piece *)(const void *)p->pieces.data;
}

typedef struct emb_loader {
    emb_tokenizer *t;
    const emb_tokenizer_files *files;
    const emb_allocator *a;
    embed_error *error;
    emb_json_document *document; /* of tokenizer.json, without vocabulary and merges; or NULL */
    const emb_json *json;        /* its root */
    emb_json_event vocab_kind, merges_kind; /* of the model in it; 0: not there */
    size_t merges_at;            /* in the text, and its line */
    int64_t merges_line;
    emb_piece_texts pieces;      /* of a Unigram */
    const struct emb_tokenizer_class *class; /* NULL: tokenizer.json as it stands */
    emb_json_document *pipeline; /* the class's components, in place of those of tokenizer.json */
    emb_tokenizer_config config;
    emb_sentencepiece spm;       /* count 0: not a SentencePiece model */
    emb_buffer names;            /* of its special tokens, each with a NUL */
    emb_tables tables;           /* kind NULL: the vocabulary is in the files */
    emb_token_list added;        /* index: the id; content: of a file */
    emb_strings contents;        /* of added; values: index in it */
    int64_t largest_id;          /* of added; -1 */
} emb_loader;

int32_t emb_load_out_of_memory(const emb_loader *l);

/* ---- classes of transformers (classes.c) -------------------------------------------------- */

/* A special token that a class has when no file names another; flags of one that a file names by
 * its text alone. */
typedef struct emb_class_token {
    const char *content; /* NULL: none */
    bool object, lstrip, special; /* object: an AddedToken; special: of it */
} emb_class_token;

/* A class that rebuilds normalizer and pre-tokenizer, and keeps the vocabulary of the file. */
typedef struct emb_tokenizer_class {
    const char *name; /* without "Fast" */
    const emb_token_model_kind *model;
    /* The components as the text of a tokenizer.json. */
    int32_t (*pipeline)(const emb_loader *l, emb_buffer *out);
    emb_class_token named[7];
    const char *const *extra; /* special tokens when the config lists none; ends in NULL */
    /* Of a SentencePiece file: its name; pieces in front and behind, a letter for a named token
     * (b, e, u, p, m) or a text, x for `extra` from its end; how many of the file's first pieces
     * they replace. */
    const char *spm_name, *spm_front, *spm_behind;
    int32_t spm_skip;
    bool spm_extra;    /* `extra` besides the control pieces of the file */
    bool spm_alone;    /* SentencePiece itself is the reference: tokenizer.json is not looked at */
    /* What stands round a text and a pair: c cls, s sep, b bos, e eos, A, B; after a colon type
     * ids. NULL: that of the file. */
    const char *single, *pair;
    bool trims;      /* trim_offsets, unless the config says otherwise */
    bool adds_again; /* special tokens, by their content alone */
    bool pads_left;  /* unless a file says otherwise */
    bool not_byte_level; /* a tokenizer.json that names ByteLevel is taken as it stands */
    /* Unigram: unk_id is that of the unknown token in the vocabulary, else the fallback */
    bool finds_unknown, unknown_scores_zero, unknown_of_spm; /* of_spm: else the file's unk_id */
    int32_t unknown_fallback;
} emb_tokenizer_class;

/* By the name in a config, or by the model_type of config.json when nothing names it; NULL for
 * tokenizer.json as it stands. */
int32_t emb_class_choose(emb_loader *l);
/* For a tokenizer.model that no class is named for. */
int32_t emb_class_of_model(emb_loader *l);
/* Special tokens that no file names, and l->pipeline. */
int32_t emb_class_apply(emb_loader *l);
/* Once all tokens are in. */
int32_t emb_class_post_processor(emb_loader *l);

/* ---- vocabulary and merges (load_vocab.c) --------------------------------------------------- */

/* An emb_json_read_fn: takes the vocabulary of tokenizer.json while the rest is parsed. */
int32_t emb_load_from_json(void *loader, const char *key, emb_json_reader *r, emb_json_event event);
int32_t emb_load_vocab(emb_loader *l);        /* of pieces with ids, into the model */
int32_t emb_load_pieces(emb_loader *l);       /* of a Unigram, into l->pieces */
int32_t emb_load_merges(const emb_loader *l); /* once the vocabulary is in */

/* ---- model (load_model.c) ------------------------------------------------------------------ */

int32_t emb_load_model(emb_loader *l);

/* ---- added tokens (load_added.c) ---------------------------------------------------------- */

int32_t emb_load_added(emb_loader *l);

#endif
