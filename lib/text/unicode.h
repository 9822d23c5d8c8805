/* unicode: what Hugging Face tokenizers knows about a code point, from tables swept out of it and
 * frozen. Normalisation is from the same tables: no system library's version can change an id. */
#ifndef EMB_UNICODE_H
#define EMB_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EMB_UNICODE_SPACE = 1 << 0,       /* White_Space */
    EMB_UNICODE_CONTROL = 1 << 1,     /* what clean_text deletes */
    EMB_UNICODE_PUNCTUATION = 1 << 2, /* what BertPreTokenizer isolates */
    EMB_UNICODE_CJK = 1 << 3,         /* what handle_chinese_chars puts spaces around */
    EMB_UNICODE_MARK = 1 << 4,        /* what strip_accents deletes after decomposition */
    EMB_UNICODE_WORD = 1 << 5,        /* \w of single_word */
    EMB_UNICODE_LOWER = 1 << 6,       /* emb_unicode_lower changes it */
    EMB_UNICODE_DECOMPOSES = 1 << 7   /* emb_unicode_decompose changes it */
};

extern const uint8_t emb_unicode_flag_index[];
extern const uint8_t emb_unicode_flag_blocks[], emb_unicode_ccc_index[], emb_unicode_ccc_blocks[];
extern const uint32_t emb_unicode_lower_from[], emb_unicode_lower_to[];
extern const uint32_t emb_unicode_nfd_from[], emb_unicode_nfd_pool[];
extern const uint16_t emb_unicode_nfd_place[];
extern const size_t emb_unicode_lower_count, emb_unicode_nfd_count;

/* c <= 0x10FFFF in all of these. */
static inline uint32_t emb_unicode_flags(uint32_t c)
{
    return emb_unicode_flag_blocks[(size_t)emb_unicode_flag_index[c >> 7] << 7 | (c & 127)];
}

/* Canonical combining class; 0: a starter. */
static inline uint32_t emb_unicode_ccc(uint32_t c)
{
    return emb_unicode_ccc_blocks[(size_t)emb_unicode_ccc_index[c >> 7] << 7 | (c & 127)];
}

/* Tables of single steps (step_tables.c). */
bool emb_unicode_is_numeric(uint32_t c);   /* what Digits takes for a number */
bool emb_unicode_is_combining(uint32_t c); /* what StripAccents deletes */
uint32_t emb_unicode_script(uint32_t c);   /* of UnicodeScripts; 0: goes with any */

/* Lower case of c alone (no final sigma); returns the number of code points, 1 or 2. */
int emb_unicode_lower(uint32_t c, uint32_t out[2]);
/* Full canonical decomposition, in canonical order; returns 1 to 4. */
int emb_unicode_decompose(uint32_t c, uint32_t out[4]);

#endif
