/* The source of characters, and BertNormalizer (with a Lowercase before it) as a stream: a
 * character comes out as soon as it is known, so a text of any length needs one window. Alignments
 * are those of the reference, which hands out the source characters of a run of marks in their
 * original order, after sorting the marks. */
#include "text.h"

/* ---- source ------------------------------------------------------------------ */

emb_char emb_source_next(const emb_source *s, size_t at)
{
    emb_char c = {.start = at};
    const char *p = at < s->prefix_size ? s->prefix + at : s->data + (at - s->prefix_size);
    uint32_t code = 0;
    int n = emb_utf8_decode(p, (at < s->prefix_size ? s->prefix_size : s->size) - at, &code);
    c.code = n < 0 ? 0xFFFD : code;
    c.size = (uint32_t)(n < 0 ? -n : n);
    return c;
}

emb_char emb_source_previous(const emb_source *s, size_t at)
{
    size_t begin = at > s->prefix_size ? s->prefix_size : 0;
    emb_char c = {.code = 0xFFFD, .size = 1, .start = at - 1};
    for (size_t back = 1; back <= 4 && back <= at - begin; back++) {
        emb_char whole = emb_source_next(s, at - back);
        if (whole.size == back && (whole.code != 0xFFFD || back == 3)) return whole;
    }
    return c;
}

/* ---- steps --------------------------------------------------------------------- */

void emb_normalizer_prepare(emb_normalizer *n)
{
    n->none = !n->lower_first && !n->clean && !n->cjk && !n->strip && !n->lower;
    for (uint32_t c = 0; c < 128; c++) {
        uint32_t flags = emb_unicode_flags(c), out = c;
        if (n->clean && (flags & EMB_UNICODE_CONTROL)) out = EMB_ASCII_DELETED;
        else if (n->clean && (flags & EMB_UNICODE_SPACE)) out = ' ';
        else if ((n->lower || n->lower_first) && c >= 'A' && c <= 'Z') out = c + ('a' - 'A');
        n->ascii[c] = (uint8_t)out;
    }
}

/* Read one character of the source and apply the steps before decomposition: 0 to 3 parts. */
static void cursor_read(emb_nfd_cursor *k, const emb_reader *r)
{
    const emb_normalizer *n = r->normalizer;
    emb_char c = emb_source_next(r->source, k->at);
    uint32_t lower[2] = {c.code, 0};
    int count = n->lower_first ? emb_unicode_lower(c.code, lower) : 1;

    k->at += c.size;
    k->part = k->piece = k->parts_count = k->pieces_count = 0;
    for (int i = 0; i < count; i++) {
        uint32_t flags = emb_unicode_flags(lower[i]);
        c.code = lower[i];
        if (n->clean && (flags & EMB_UNICODE_CONTROL)) continue;
        if (n->clean && (flags & EMB_UNICODE_SPACE)) c.code = ' ';
        if (n->cjk && (flags & EMB_UNICODE_CJK)) {
            emb_char space = c;
            space.code = ' ';
            k->parts[k->parts_count++] = space;
            k->parts[k->parts_count++] = c;
            k->parts[k->parts_count++] = space;
        } else {
            k->parts[k->parts_count++] = c;
        }
    }
}

/* The next code point, decomposed if the normalizer does that. *first: it is the first of its
 * part. */
static bool cursor_next(emb_nfd_cursor *k, const emb_reader *r, emb_char *out, bool *first)
{
    while (k->piece == k->pieces_count) {
        if (k->part == k->parts_count) {
            if (k->at >= r->end) return false;
            cursor_read(k, r);
            continue;
        }
        uint32_t code = k->parts[k->part++].code;
        k->pieces[0] = code;
        k->pieces_count = r->normalizer->strip ? (int8_t)emb_unicode_decompose(code, k->pieces) : 1;
        k->piece = 0;
    }
    *out = k->parts[k->part - 1];
    *first = k->piece == 0;
    out->code = k->pieces[k->piece++];
    return true;
}

static size_t emit(const emb_reader *r, emb_char c, emb_char *out)
{
    uint32_t lower[2] = {c.code, 0};
    int count = r->normalizer->lower ? emb_unicode_lower(c.code, lower) : 1;
    for (int i = 0; i < count; i++) {
        out[i] = c;
        out[i].code = lower[i];
    }
    return (size_t)count;
}

/* ---- runs of marks ------------------------------------------------------------------ */

/* The cursor stands before a character of combining class > 0. Measure the run; when every mark of
 * it will be deleted (nearly always) it is over, otherwise it becomes active. */
static void run_start(emb_reader *r, emb_nfd_cursor before)
{
    emb_mark_run *run = &r->run;
    bool first, kept = false;
    emb_char c;

    *run = (emb_mark_run){.begin = before, .end = before, .aligned = r->last};
    for (emb_nfd_cursor k = before; cursor_next(&k, r, &c, &first); run->end = k, run->length++) {
        uint32_t class = emb_unicode_ccc(c.code);
        if (class == 0) break;
        run->classes[class / 8] |= (uint8_t)(1 << class % 8);
        if (!(emb_unicode_flags(c.code) & EMB_UNICODE_MARK)) kept = true;
    }
    r->cursor = run->end;
    run->active = kept;
    run->at = run->end;
    run->source = before;
    run->index = run->length;
}

/* The next mark in canonical order. The pass of one class goes over the whole run. */
static bool run_next(emb_reader *r, emb_char *out, bool *first)
{
    emb_mark_run *run = &r->run;
    for (;;) {
        while (run->index < run->length) {
            run->index++;
            cursor_next(&run->at, r, out, first);
            if (emb_unicode_ccc(out->code) == run->class_now) return true;
        }
        do {
            if (++run->class_now > 255) return false;
        } while (!(run->classes[run->class_now / 8] & 1 << run->class_now % 8));
        run->at = run->begin;
        run->index = 0;
    }
}

/* Output of an active run, as far as there is room. */
static size_t run_read(emb_reader *r, emb_char *out, size_t capacity)
{
    emb_mark_run *run = &r->run;
    size_t count = 0;
    emb_char c;
    bool first, starts;

    while (count + EMB_READ_MARGIN <= capacity) {
        if (!run_next(r, &c, &first)) {
            run->active = false;
            r->last = run->aligned;
            break;
        }
        if (first) { /* takes the next source character, whichever that is */
            emb_char from;
            do cursor_next(&run->source, r, &from, &starts);
            while (!starts);
            run->aligned = from;
        }
        if (emb_unicode_flags(c.code) & EMB_UNICODE_MARK) continue;
        c.start = run->aligned.start;
        c.size = run->aligned.size;
        count += emit(r, c, out + count);
    }
    return count;
}

/* ---- reader ----------------------------------------------------------------------------- */

void emb_reader_start(emb_reader *r, const emb_normalizer *n, const emb_source *s, size_t begin,
                      size_t end)
{
    *r = (emb_reader){.normalizer = n, .source = s, .end = end, .cursor = {.at = begin}};
}

/* ASCII from the cursor on: no step looks further than one character. */
static size_t read_ascii(emb_reader *r, emb_char *out, size_t capacity)
{
    const emb_source *s = r->source;
    size_t at = r->cursor.at, count = 0, i;
    if (at >= r->end) return 0;
    bool in_prefix = at < s->prefix_size;
    const char *text = in_prefix ? s->prefix + at : s->data + (at - s->prefix_size);
    size_t size = (in_prefix ? EMB_MIN(r->end, s->prefix_size) : r->end) - at;

    size = EMB_MIN(size, capacity);
    for (i = 0; i < size && (uint8_t)text[i] < 0x80; i++) {
        uint8_t c = r->normalizer->ascii[(uint8_t)text[i]];
        out[count] = (emb_char){c, 1, at + i};
        count += c != EMB_ASCII_DELETED;
    }
    r->cursor.at = at + i;
    return count;
}

/* Where there is no step at all. */
static size_t read_unchanged(emb_reader *r, emb_char *out, size_t capacity)
{
    size_t count = 0;
    while (r->cursor.at < r->end && count < capacity) {
        count += read_ascii(r, out + count, capacity - count);
        while (r->cursor.at < r->end && count < capacity) {
            emb_char c = emb_source_next(r->source, r->cursor.at);
            if (c.code < 0x80) break;
            out[count++] = c;
            r->cursor.at += c.size;
        }
    }
    return count;
}

size_t emb_reader_read(emb_reader *r, emb_char *out, size_t capacity)
{
    const emb_nfd_cursor *k = &r->cursor;
    size_t count = 0;
    emb_char c;
    bool first;

    if (r->normalizer->none) return read_unchanged(r, out, capacity - EMB_READ_MARGIN);
    while (count + EMB_READ_MARGIN <= capacity) {
        if (r->run.active) {
            count += run_read(r, out + count, capacity - count);
            continue;
        }
        if (k->piece == k->pieces_count && k->part == k->parts_count) {
            count += read_ascii(r, out + count, capacity - count);
            if (count + EMB_READ_MARGIN > capacity) break;
        }
        emb_nfd_cursor before = *k;
        if (!cursor_next(&r->cursor, r, &c, &first)) break;
        if (r->normalizer->strip) {
            if (emb_unicode_ccc(c.code)) {
                run_start(r, before);
                continue;
            }
            r->last = c;
            if (emb_unicode_flags(c.code) & EMB_UNICODE_MARK) continue;
        }
        count += emit(r, c, out + count);
    }
    return count;
}
