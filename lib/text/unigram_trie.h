/* unigram_trie: the pieces of a Unigram as a trie in one array. Private to unigram*.c. */
#ifndef EMB_UNIGRAM_TRIE_H
#define EMB_UNIGRAM_TRIE_H

#include "unigram.h"

/* A step from a unit for a byte leads to the unit at base + byte, if that one has this label. Bases
 * are of one unit each, so the label says enough. A free place is all zero: byte 0 may lead there,
 * and nothing leads on. */
#define EMB_TRIE_MOST (UINT32_C(1) << 23) /* units: bases have 23 bits */
#define EMB_TRIE_ENDS 0x100u /* of a link: a piece ends there that texts may become */
static inline uint32_t emb_trie_base(uint32_t link)
{
    return link >> 9;
}
static inline bool emb_trie_follows(uint32_t link, uint8_t byte)
{
    return (uint8_t)link == byte;
}

typedef struct emb_trie_pieces {
    const char *bytes;      /* each text ends in a NUL; 8 bytes follow the last */
    const uint32_t *starts; /* count + 1 */
    const emb_unigram_piece *pieces; /* for their scores */
    int64_t count;
} emb_trie_pieces;

/* The units, of which the first is the root; every base + 255 is below *count. Of equal texts the
 * last counts. EMBED_ENOMEM; EMBED_EFORMAT: pieces that leave too many places free. */
int32_t emb_trie_build(emb_unigram_unit **units, size_t *count, const emb_trie_pieces *p,
                       const emb_allocator *a);

#endif
