/* unigram: the Unigram model, pieces with scores and the best path through them, as Hugging Face
 * tokenizers finds it (doubles, its tie-breaking, runs of unknown characters as one). */
#ifndef EMB_UNIGRAM_H
#define EMB_UNIGRAM_H

#include <float.h>

#include "../base/base.h"

typedef struct emb_unigram_piece {
    const char *text; /* need not outlive emb_unigram_open */
    uint32_t size;    /* bytes; 0 is allowed and never matches */
    double score;
} emb_unigram_piece;

#define EMB_UNIGRAM_MAX_PIECE 1024 /* bytes; beyond: EMBED_EUNSUPPORTED */

typedef struct emb_unigram emb_unigram;

/* A score: no text becomes this piece, but its text has this id. */
#define EMB_UNIGRAM_NEVER ((double)FLT_MAX)

enum { EMB_UNIGRAM_BYTE_FALLBACK = 1, EMB_UNIGRAM_SINGLE = 2 };

/* ids are indices of pieces; of equal texts the last gives the id. unk_id -1: none; a text that
 * needs it is then refused. EMB_UNIGRAM_BYTE_FALLBACK: "<0x41>" and so on for unknown bytes, when
 * all the bytes of the run are in the vocabulary; EMB_UNIGRAM_SINGLE: scores add up in single
 * precision, as SentencePiece has it. where: what messages call the file. */
int32_t emb_unigram_open(emb_unigram **unigram, const emb_unigram_piece *pieces, int64_t count,
                         int64_t unk_id, int flags, const char *where, const emb_allocator *a,
                         embed_error *error);
void emb_unigram_free(emb_unigram *u);

/* The arrays of an open model, and a model over arrays that stay with the caller. They may come
 * from anywhere: what is not an index that leads outside is taken. */
typedef struct emb_unigram_unit { /* of the trie (unigram_trie.h) */
    uint32_t link;  /* base << 9 | EMB_TRIE_ENDS | label */
    uint32_t piece; /* that ends there: its id + 1; 0: none */
    double score;
} emb_unigram_unit;
typedef struct emb_unigram_tables {
    const emb_unigram_unit *units;
    const uint32_t *starts; /* count + 1 */
    const char *bytes;
    size_t units_count, count, bytes_count;
    int64_t longest, unk_id;
    double lowest; /* score */
} emb_unigram_tables;
emb_unigram_tables emb_unigram_as_tables(const emb_unigram *u);
int32_t emb_unigram_open_tables(emb_unigram **unigram, const emb_unigram_tables *tables,
                                int flags, const char *where, const emb_allocator *a,
                                embed_error *error);
int64_t emb_unigram_count(const emb_unigram *u);
int32_t emb_unigram_id(const emb_unigram *u, const char *text, size_t size);   /* or -1 */
const char *emb_unigram_text(const emb_unigram *u, int32_t id, uint32_t *size); /* or NULL; a NUL
                                                                                   follows */

typedef struct emb_unigram_token {
    int32_t id;
    size_t begin, end; /* bytes of the word; bytes of one fallback all have the whole run's */
} emb_unigram_token;

/* Bytes of scratch (64-byte aligned) for words of up to max_word bytes: about 4 for each. */
size_t emb_unigram_scratch_size(const emb_unigram *u, size_t max_word);

typedef struct emb_unigram_walk {
    const emb_unigram *unigram;
    const char *text;
    size_t at, size;
    uint32_t *path;                   /* the piece that begins at each byte (unigram.c) */
    size_t fallback, fallback_begin;  /* next byte of a run of bytes, 0: none; its beginning */
} emb_unigram_walk;

/* Find the best path of one pre-tokenized word (valid UTF-8, of any size up to max_word), then hand
 * out its tokens one after another. Takes no memory. */
int32_t emb_unigram_start(emb_unigram_walk *walk, const emb_unigram *u, void *scratch,
                          const char *text, size_t size, embed_error *error);
bool emb_unigram_next(emb_unigram_walk *walk, emb_unigram_token *token);

#endif
