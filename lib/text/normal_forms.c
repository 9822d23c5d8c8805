/* NFD, NFC, NFKD, NFKC. A run of marks is put in order class by class, by going over it again
 * instead of into a buffer, so a piece of marks alone takes no memory either. A character travels
 * with its change (emb_transform), as in the reference: alignments are handed out at the end. */
#include "normal_forms.h"

#include "normal_tables.h"

enum { MOST_PARTS = EMB_NFKD_GROWTH };

typedef struct part {
    uint32_t code;
    int32_t change; /* 0: the first part of an input character; 1: another; less: a composition */
} part;

/* Input characters, each decomposed. */
typedef struct cursor {
    const emb_char *in;
    size_t count, at; /* at: the next input character */
    bool compat;
    int8_t next, parts;
    uint32_t codes[MOST_PARTS];
} cursor;

static size_t find(uint32_t c)
{
    size_t low = 0, high = emb_normal_compat_count;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (emb_normal_compat_from[middle] <= c) low = middle;
        else high = middle;
    }
    return low;
}

static int decompose(uint32_t c, bool compat, uint32_t out[MOST_PARTS])
{
    if (!compat || !(emb_normal_flags(c) & EMB_NORMAL_COMPAT)) {
        return emb_unicode_decompose(c, out);
    }
    uint32_t place = emb_normal_compat_place[find(c)];
    int count = (int)(place & 31);
    memcpy(out, emb_normal_compat_pool + (place >> 5), (size_t)count * sizeof *out);
    return count;
}

static bool cursor_next(cursor *k, part *p)
{
    if (k->next == k->parts) {
        if (k->at == k->count) return false;
        k->parts = (int8_t)decompose(k->in[k->at++].code, k->compat, k->codes);
        k->next = 0;
    }
    *p = (part){k->codes[k->next], k->next > 0};
    k->next++;
    return true;
}

/* ---- canonical order ---------------------------------------------------------------- */

/* The parts of a cursor, runs of marks sorted by class. */
typedef struct ordered {
    cursor cursor;        /* of what comes next; within a run: of its end */
    cursor begin, at;     /* of the run */
    size_t length, index; /* parts of the run */
    size_t pass;          /* parts that are in order as they come */
    uint32_t class_now;
    uint32_t classes[8];  /* bit set */
    bool in_run;
} ordered;

/* Measure the run of marks that begins at the cursor: true if it needs sorting. */
static bool run_start(ordered *o)
{
    cursor k = o->cursor;
    uint32_t last = 0;
    bool sorted = true;
    part p;

    o->begin = k;
    o->length = 0;
    memset(o->classes, 0, sizeof o->classes);
    for (cursor end = k; cursor_next(&k, &p); end = k, o->length++) {
        uint32_t class = emb_unicode_ccc(p.code);
        o->cursor = end;
        if (class == 0) return !sorted;
        sorted = sorted && class >= last;
        last = class;
        o->classes[class / 32] |= (uint32_t)1 << class % 32;
    }
    o->cursor = k;
    return !sorted;
}

/* The next mark of a run; a class at a time. */
static bool run_next(ordered *o, part *p)
{
    for (;;) {
        while (o->index < o->length) {
            o->index++;
            cursor_next(&o->at, p);
            if (emb_unicode_ccc(p->code) == o->class_now) return true;
        }
        do {
            if (++o->class_now > 255) return o->in_run = false;
        } while (!(o->classes[o->class_now / 32] >> o->class_now % 32 & 1));
        o->at = o->begin;
        o->index = 0;
    }
}

static bool ordered_next(ordered *o, part *p)
{
    if (o->in_run && run_next(o, p)) return true;
    cursor before = o->cursor;
    if (!cursor_next(&o->cursor, p)) return false;
    if (o->pass > 0) {
        o->pass--;
        return true;
    }
    if (emb_unicode_ccc(p->code) == 0) return true;
    o->cursor = before;
    o->in_run = run_start(o);
    if (!o->in_run) { /* in order already */
        o->cursor = before;
        o->pass = o->length - 1;
        return cursor_next(&o->cursor, p);
    }
    o->at = o->begin;
    o->index = o->length;
    o->class_now = 0;
    return run_next(o, p);
}

/* ---- composition -------------------------------------------------------------------- */

static uint32_t compose(uint32_t a, uint32_t b) /* 0: they do not */
{
    if (!(emb_normal_flags(b) & EMB_NORMAL_SECOND)) return 0;
    if (a - 0x1100 < 19 && b - 0x1161 < 21) return 0xAC00 + (a - 0x1100) * 588 + (b - 0x1161) * 28;
    if (a - 0xAC00 < 11172 && (a - 0xAC00) % 28 == 0 && b - 0x11A8 < 27) return a + (b - 0x11A7);
    uint64_t pair = (uint64_t)a << 32 | b;
    size_t low = 0, high = emb_normal_pairs_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (emb_normal_pairs[middle] < pair) low = middle + 1;
        else high = middle;
    }
    return low < emb_normal_pairs_count && emb_normal_pairs[low] == pair ? emb_normal_composed[low]
                                                                         : 0;
}

/* Whether p joins *k, where kept marks stand between them of which the last has this class; -1:
 * none. */
static bool joins(part *k, part p, int class, int last)
{
    if (last >= class) return false;
    uint32_t whole = compose(k->code, p.code);
    if (!whole) return false;
    k->code = whole;
    k->change += p.change - 1;
    return true;
}

/* The starter *k and what follows it, up to the next starter that does not join it: into *k what it
 * becomes, and to out (NULL: nothing) the marks that stay. *k becomes that starter when true. */
static bool compose_from(ordered *o, part *k, emb_transform *out)
{
    int last = -1;
    part p;
    while (ordered_next(o, &p)) {
        int class = (int)emb_unicode_ccc(p.code);
        if (joins(k, p, class, last)) continue;
        if (class == 0) {
            *k = out ? p : *k;
            return true;
        }
        last = class;
        if (out) emb_transform_put(out, p.code, p.change);
    }
    return false;
}

static void compose_all(ordered *o, emb_transform *t)
{
    part k;
    bool more = ordered_next(o, &k);
    while (more && emb_unicode_ccc(k.code)) { /* marks with nothing before them */
        emb_transform_put(t, k.code, k.change);
        more = ordered_next(o, &k);
    }
    while (more) {
        ordered ahead = *o;
        part whole = k;
        compose_from(&ahead, &whole, NULL);
        emb_transform_put(t, whole.code, whole.change);
        more = compose_from(o, &k, t);
    }
}

/* ---- the forms ---------------------------------------------------------------------- */

static bool quick(int form, uint32_t c)
{
    if (c < 0x80) return true;
    uint32_t flags = emb_normal_flags(c);
    if (form == EMB_NFC) return flags & EMB_NORMAL_NFC;
    if (form == EMB_NFKC) return flags & EMB_NORMAL_NFKC;
    return !(emb_unicode_flags(c) & EMB_UNICODE_DECOMPOSES) && emb_unicode_ccc(c) == 0 &&
           !(form == EMB_NFKD && (flags & EMB_NORMAL_COMPAT));
}

bool emb_normal_form_quick(int form, const emb_char *in, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!quick(form, in[i].code)) return false;
    }
    return true;
}

bool emb_normal_form_boundary(int form, uint32_t c)
{
    bool compat = form == EMB_NFKC || form == EMB_NFKD;
    return c < 0x80 || (emb_normal_flags(c) & (compat ? EMB_NORMAL_CUT_COMPAT : EMB_NORMAL_CUT));
}

/* Between two boundaries. */
static void stretch(int form, const emb_char *in, size_t count, emb_transform *t)
{
    ordered o = {.cursor = {.in = in, .count = count,
                            .compat = form == EMB_NFKC || form == EMB_NFKD}};
    part p;
    if (form == EMB_NFC || form == EMB_NFKC) {
        compose_all(&o, t);
        return;
    }
    while (ordered_next(&o, &p)) emb_transform_put(t, p.code, p.change);
}

size_t emb_normal_form(int form, const emb_char *in, size_t count, emb_char *out, size_t capacity)
{
    emb_transform t = {.in = in, .count = count, .out = out, .capacity = capacity};
    size_t at = 0, end;
    while (at < count) {
        size_t next = at;
        while (next < count && quick(form, in[next].code)) next++;
        if (next < count && next > at && !emb_normal_form_boundary(form, in[next].code)) next--;
        for (; at < next; at++) emb_transform_put(&t, in[at].code, 0);
        if (at == count) break;
        end = at + 1;
        while (end < count && !(quick(form, in[end].code) &&
                                emb_normal_form_boundary(form, in[end].code))) end++;
        stretch(form, in + at, end - at, &t);
        at = end;
    }
    return t.written;
}
