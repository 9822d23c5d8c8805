/* normal_tables: normal forms and grapheme clusters, swept from Hugging Face tokenizers and frozen.
 * Canonical decompositions and combining classes are those of unicode.h. */
#ifndef EMB_NORMAL_TABLES_H
#define EMB_NORMAL_TABLES_H

#include <stddef.h>
#include <stdint.h>

enum {
    EMB_NORMAL_NFC = 1 << 0,    /* a starter that NFC leaves alone and that joins nothing before */
    EMB_NORMAL_NFKC = 1 << 1,
    EMB_NORMAL_COMPAT = 1 << 2, /* has a compatibility decomposition */
    EMB_NORMAL_SECOND = 1 << 3, /* composes with what stands before */
    EMB_NORMAL_CUT = 1 << 4,    /* it decomposes to a starter first, which joins nothing before */
    EMB_NORMAL_CUT_COMPAT = 1 << 5
};

enum { /* Grapheme_Cluster_Break, low four bits; regional indicators are never seen */
    EMB_CLUSTER_OTHER, EMB_CLUSTER_CONTROL, EMB_CLUSTER_EXTEND, EMB_CLUSTER_ZWJ,
    EMB_CLUSTER_SPACING, EMB_CLUSTER_PREPEND, EMB_CLUSTER_L, EMB_CLUSTER_V, EMB_CLUSTER_T,
    EMB_CLUSTER_LV, EMB_CLUSTER_LVT,
    EMB_CLUSTER_BREAK = 15,
    EMB_CLUSTER_PICTURE = 16,   /* Extended_Pictographic */
    EMB_CLUSTER_CONSONANT = 32, /* Indic_Conjunct_Break */
    EMB_CLUSTER_LINKER = 64,
    EMB_CLUSTER_LINKS = 128     /* Extend or Linker */
};

extern const uint8_t emb_normal_flag_index[], emb_cluster_index[];
extern const uint8_t emb_normal_flag_blocks[], emb_cluster_blocks[];
extern const uint32_t emb_normal_compat_from[], emb_normal_compat_place[], emb_normal_compat_pool[];
extern const uint64_t emb_normal_pairs[];
extern const uint32_t emb_normal_composed[];
extern const size_t emb_normal_compat_count, emb_normal_pairs_count;

static inline uint32_t emb_normal_flags(uint32_t c)
{
    return emb_normal_flag_blocks[(size_t)emb_normal_flag_index[c >> 7] << 7 | (c & 127)];
}

static inline uint32_t emb_cluster_flags(uint32_t c)
{
    return emb_cluster_blocks[(size_t)emb_cluster_index[c >> 7] << 7 | (c & 127)];
}

#endif
