/* pattern: steps and the patterns they look for, between the files of normalizers and
 * pre-tokenizers. Private to text/. */
#ifndef EMB_PATTERN_H
#define EMB_PATTERN_H

#include "regex.h"
#include "text.h"

typedef struct emb_step_kind {
    const char *type; /* in tokenizer.json */
    int32_t (*load)(emb_step *s, const emb_json *v, const emb_loading *l); /* NULL: no options */
    void (*free)(emb_step *s, const emb_allocator *a); /* NULL: nothing but the pattern */
    /* A normalizer: returns how many characters come out, more than capacity if they did not
     * fit. */
    size_t (*normalize)(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                        emb_char *out, size_t capacity);
    /* A pre-tokenizer: hands the parts of a piece, count > 0, to emb_split, step + 1. */
    int32_t (*split)(emb_splitter *p, int step, const emb_char *chars, size_t count);
} emb_step_kind;

static inline bool emb_is_space(uint32_t code)
{
    return emb_unicode_flags(code) & EMB_UNICODE_SPACE;
}

/* Normalizers of classes (sentencepiece_text.c). */
size_t emb_siglip_text(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                       emb_char *out, size_t capacity);
size_t emb_sentencepiece_text(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                              emb_char *out, size_t capacity);

/* {"String": ...} or {"Regex": ...}; what: the component, for messages. */
int32_t emb_pattern_load(emb_pattern *p, const emb_json *v, const char *what, const emb_loading *l);
int32_t emb_pattern_regex(emb_pattern *p, const char *text, const char *what, const emb_loading *l);

/* Matches of a pattern in a piece, in order; indices are of characters. */
typedef struct emb_scan {
    const emb_pattern *pattern;
    const emb_char *chars;
    size_t count, at, byte; /* chars[at] begins at this byte */
    emb_regex_scan regex;
} emb_scan;
void emb_scan_start(emb_scan *s, const emb_pattern *p, emb_room *room, const emb_char *chars,
                    size_t count);
bool emb_scan_next(emb_scan *s, size_t *begin, size_t *end);

/* Type of a component: "" when it has none. */
int32_t emb_component_type(const emb_json *v, const char *what, const char **type,
                           const emb_loading *l);
/* Read the step of a type that is in the table, and add it. */
int32_t emb_step_load(emb_steps *steps, const emb_step_kind *kinds, int64_t count, const char *type,
                      const char *what, const emb_json *v, const emb_loading *l);

/* Each byte of the UTF-8 of a character as a character of its own, as in GPT-2. Returns how many
 * come out, more than capacity if they did not fit. */
size_t emb_byte_level(const emb_char *in, size_t count, emb_char *out, size_t capacity);

#endif
