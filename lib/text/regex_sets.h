/* regex_sets: sets of characters while a regular expression is compiled, and what \p{..}, \w, \s
 * and (?i) mean: tables swept from Hugging Face tokenizers and frozen. Private to regex. */
#ifndef EMB_REGEX_SETS_H
#define EMB_REGEX_SETS_H

#include "../base/base.h"

/* A byte of the category table: one of emb_regex_categories, and two bits. */
enum {
    EMB_REGEX_CATEGORY = 31,
    EMB_REGEX_WORD = 32,
    EMB_REGEX_SPACE = 64,
    EMB_REGEX_CATEGORIES = 30
};

extern const uint16_t emb_regex_category_index[], emb_regex_script_index[];
extern const uint8_t emb_regex_category_blocks[], emb_regex_script_blocks[];
extern const char *const emb_regex_categories[EMB_REGEX_CATEGORIES];
extern const char *const emb_regex_scripts[]; /* n is n + 1 in the table; lower case, no "_" */
extern const int32_t emb_regex_scripts_count;
extern const uint32_t emb_regex_fold_from[], emb_regex_fold_next[], emb_regex_fold_several[],
    emb_regex_fold_heads[]; /* pairs */
extern const size_t emb_regex_fold_count, emb_regex_fold_several_count, emb_regex_fold_heads_count;

static inline uint32_t emb_regex_flags(uint32_t c)
{
    return emb_regex_category_blocks[(size_t)emb_regex_category_index[c >> 7] << 7 | (c & 127)];
}

typedef struct emb_range {
    uint32_t first, last;
} emb_range;

typedef struct emb_ranges { /* in order and apart, after emb_ranges_sort */
    const emb_allocator *allocator;
    emb_range *items;
    size_t count, capacity;
    bool failed; /* no memory; sticks */
} emb_ranges;

void emb_ranges_init(emb_ranges *r, const emb_allocator *a);
void emb_ranges_free(emb_ranges *r);
void emb_ranges_add(emb_ranges *r, uint32_t first, uint32_t last);
void emb_ranges_add_all(emb_ranges *r, const emb_ranges *other);
void emb_ranges_sort(emb_ranges *r);
/* These three take and leave sorted ranges. */
void emb_ranges_negate(emb_ranges *r);
void emb_ranges_intersect(emb_ranges *r, const emb_ranges *other);
void emb_ranges_fold(emb_ranges *r); /* add what (?i) takes for the same */
bool emb_ranges_has(const emb_ranges *r, uint32_t c);
/* Whether one of the characters may also stand for several, under (?i). */
bool emb_ranges_has_several(const emb_ranges *r);

/* d, s, w, h as in \d */
void emb_ranges_add_class(emb_ranges *r, char name);
/* \p{name}: a category or script. false: not known. */
bool emb_ranges_add_property(emb_ranges *r, const char *name, size_t size);
/* Whether (?i) takes a and b, one after the other, for one character, or for the start of one. */
bool emb_regex_folds_together(uint32_t a, uint32_t b);

#endif
