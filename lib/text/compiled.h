/* compiled: a vocabulary as tables in one block of bytes, which are used where they lie. Private to
 * text/. */
#ifndef EMB_COMPILED_H
#define EMB_COMPILED_H

#include "text.h"

enum { /* arrays of a block */
    EMB_TABLE_TEXTS, EMB_TABLE_STRINGS, EMB_TABLE_SLOTS, EMB_TABLE_IDS, EMB_TABLE_MERGES,
    EMB_TABLE_STARTS, EMB_TABLE_UNITS, EMB_TABLE_SENTENCEPIECE, EMB_TABLES
};
enum { /* numbers of a block */
    EMB_NUMBER_LONGEST, EMB_NUMBER_PROBE, EMB_NUMBER_MERGES_PROBE, EMB_NUMBER_UNK,
    EMB_NUMBER_LOWEST, /* score: the bits of a double */
    EMB_NUMBERS
};

typedef struct emb_tables {
    const emb_token_model_kind *kind;
    const void *arrays[EMB_TABLES];
    size_t bytes[EMB_TABLES]; /* of each array; 0: it is not there */
    int64_t numbers[EMB_NUMBERS];
} emb_tables;

/* Find the arrays in a block, 8-byte aligned; t points into it. What they hold is checked by those
 * who take them. */
int32_t emb_tables_open(emb_tables *t, const void *data, size_t size, embed_error *error);
void emb_tables_write(const emb_tables *t, emb_buffer *out);

/* The vocabulary, merges or Unigram of a model: where they lie, all that is an index checked here
 * or where it is used. m is to be freed whatever the result. */
int32_t emb_tables_vocabulary(const emb_tables *t, emb_token_model *m, embed_error *error);
int32_t emb_tables_merges(const emb_tables *t, emb_bpe *m, embed_error *error);
int32_t emb_tables_unigram(const emb_tables *t, emb_token_model *m, int flags,
                           embed_error *error);

#endif
