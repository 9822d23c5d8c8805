/* normal_forms: NFD, NFC, NFKD, NFKC with the Unicode version and the alignments of Hugging Face
 * tokenizers; and what every normalizer needs to give its output the alignments of the reference.
 * */
#ifndef EMB_NORMAL_FORMS_H
#define EMB_NORMAL_FORMS_H

#include "text.h"

enum { EMB_NFD, EMB_NFC, EMB_NFKD, EMB_NFKC };

/* The most characters that one character may become. */
#define EMB_NFD_GROWTH  4
#define EMB_NFKD_GROWTH 18

/* The form of in[0..count), a whole piece: returns how many characters come out, also when that is
 * more than capacity (the rest is dropped). Linear in count. in and out do not overlap. */
size_t emb_normal_form(int form, const emb_char *in, size_t count, emb_char *out, size_t capacity);
/* Whether the text is in the form already as far as single characters tell: then emb_normal_form
 * changes nothing. false for few texts that are. */
bool emb_normal_form_quick(int form, const emb_char *in, size_t count);
/* A text may be cut before c: what stands before and after is normalized each for itself. (Offsets
 * too.) Every ASCII character is such a one. */
bool emb_normal_form_boundary(int form, uint32_t c);

/* NormalizedString::transform of the reference: an output character with change 0 replaces the
 * next input character; 1: is inserted, and aligned with the input before; -n: replaces one and
 * deletes n more. Zero it, then set in, count, out, capacity. */
typedef struct emb_transform {
    const emb_char *in;
    size_t count, at;
    emb_char *out;
    size_t capacity, written; /* written may pass capacity */
} emb_transform;

static inline void emb_transform_put(emb_transform *t, uint32_t code, int64_t change)
{
    emb_char c = {.code = code};
    size_t from = change > 0 ? t->at - 1 : t->at;
    if (from < t->count) { /* else at the very start: [0, 0) */
        c.start = t->in[from].start;
        c.size = t->in[from].size;
    }
    if (change <= 0) t->at += 1 + (size_t)-change;
    if (t->written < t->capacity) t->out[t->written] = c;
    t->written++;
}

#endif
