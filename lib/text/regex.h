/* regex: regular expressions of tokenizer.json, over UTF-8, as Oniguruma runs them in Hugging Face
 * tokenizers. Leftmost match, first alternative first. A text is searched in time linear in its
 * length whatever the pattern, in memory known beforehand. What is not implemented is refused by
 * name and place. */
#ifndef EMB_REGEX_H
#define EMB_REGEX_H

#include "../base/base.h"

typedef struct emb_regex emb_regex;

/* Limits of a pattern; beyond them EMBED_EUNSUPPORTED. */
#define EMB_REGEX_MAX_PATTERN 65536 /* bytes */
#define EMB_REGEX_MAX_PROGRAM 10000 /* instructions: what x{m,n} repeats counts each time */
#define EMB_REGEX_MAX_NESTING 64    /* groups in groups */

/* where: what messages call the pattern, "tokenizer.json: pre_tokenizer". The regex owns copies of
 * everything and never changes. */
int32_t emb_regex_compile(emb_regex **regex, const char *pattern, size_t size, const char *where,
                          const emb_allocator *a, embed_error *error);
void emb_regex_free(emb_regex *regex);

/* Bytes of scratch (64-byte aligned) for texts of up to max_text bytes; about a quarter of them and
 * 50 kB. One scratch serves one scan at a time. */
size_t emb_regex_scratch_size(const emb_regex *regex, size_t max_text);

/* All matches of one text in order, without overlaps, empty ones too, as onig's find_iter. */
typedef struct emb_regex_scan {
    const emb_regex *regex;
    const char *text;
    size_t size;
    size_t at;         /* where the next search begins */
    size_t last_end;   /* of the last match; SIZE_MAX: none yet */
    size_t steps;      /* of backtracking */
    void *scratch;
    size_t checkpoint; /* distance of checkpoints once backtracking took too long; 0: it did not */
    size_t window;     /* of the table of ends that is in scratch */
} emb_regex_scan;

/* text: valid UTF-8, at most max_text bytes of scratch's size. Both must live as long as the scan.
 * */
void emb_regex_start(emb_regex_scan *scan, const emb_regex *regex, void *scratch, const char *text,
                     size_t size);
bool emb_regex_next(emb_regex_scan *scan, size_t *begin, size_t *end);

#endif
