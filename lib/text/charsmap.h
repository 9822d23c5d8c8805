/* charsmap: the Precompiled normalizer, SentencePiece's table of replacements, as Hugging Face
 * tokenizers applies it: to whole grapheme clusters of fewer than 6 bytes, else to characters, by
 * the shortest entry that begins them. */
#ifndef EMB_CHARSMAP_H
#define EMB_CHARSMAP_H

#include "text.h"

#define EMB_CHARSMAP_NOTED 0x10000u /* characters of which this is known ahead */

typedef struct emb_charsmap { /* all zero: replaces nothing */
    const emb_allocator *allocator;
    uint32_t *units; /* a double array */
    size_t units_count;
    char *pool;      /* replacements, each ends in a NUL; the last byte is one */
    size_t pool_size;
    size_t growth;   /* the most characters that one character or cluster may become, at least 1 */
    uint64_t special[EMB_CHARSMAP_NOTED / 64]; /* bits: characters that are replaced, or may be
                                                * part of a cluster */
} emb_charsmap;

/* blob: precompiled_charsmap of a SentencePiece model, or decoded from base64. A copy is kept. */
int32_t emb_charsmap_open(emb_charsmap *m, const char *blob, size_t size, const char *where,
                          const emb_allocator *a, embed_error *error);
/* The text of tokenizer.json. */
int32_t emb_charsmap_open_base64(emb_charsmap *m, const char *text, size_t size, const char *where,
                                 const emb_allocator *a, embed_error *error);
void emb_charsmap_close(emb_charsmap *m);

/* Replace what in[0..count) has: a whole piece, since clusters and alignments reach across
 * characters. Returns how many characters come out, also when that is more than capacity (the rest
 * is dropped); never more than growth * count. in and out do not overlap. */
size_t emb_charsmap_apply(const emb_charsmap *m, const emb_char *in, size_t count, emb_char *out,
                          size_t capacity);

/* As SentencePiece itself looks: how many characters the longest entry that begins in[0..count)
 * has, 0 for none; place: of its replacement in m->pool. */
size_t emb_charsmap_longest(const emb_charsmap *m, const emb_char *in, size_t count, size_t *place);

#endif
