/* The Precompiled normalizer: a double array of what is replaced, a pool of what by. The blob comes
 * from a file: every step through it is checked. Clusters are those of the reference's Unicode. */
#include "charsmap.h"

#include "normal_forms.h"
#include "normal_tables.h"

#define MOST_CLUSTER 6 /* bytes that a cluster must stay below */
#define MOST_ENTRY   32 /* characters of an entry; real ones have 3 */

/* ---- opening ------------------------------------------------------------------------ */

/* Characters of the longest text between two NULs. */
static size_t longest_text(const char *pool, size_t size)
{
    size_t longest = 1, length = 0;
    for (size_t i = 0; i < size; i++) {
        length = pool[i] ? length + (((uint8_t)pool[i] & 0xC0) != 0x80) : 0;
        longest = EMB_MAX(longest, length);
    }
    return longest;
}

static int32_t take(emb_charsmap *m, const char *blob, size_t size, const char *where,
                    embed_error *error)
{
    if (size < 4 || emb_le32(blob) > size - 4) {
        return emb_fail(error, EMBED_EFORMAT,
                        "%s: precompiled_charsmap: expected a table and texts, found %zu bytes, "
                        "which end before the table does", where, size);
    }
    size_t units = emb_le32(blob) / 4;
    const char *pool = blob + 4 + units * 4;
    size_t pool_size = size - 4 - units * 4;
    if (units == 0) {
        return emb_fail(error, EMBED_EFORMAT, "%s: precompiled_charsmap: the table is empty",
                        where);
    }
    int64_t bad = emb_utf8_invalid(pool, pool_size);
    if (bad >= 0) {
        return emb_fail(error, EMBED_EFORMAT,
                        "%s: precompiled_charsmap: byte %lld of the texts is not UTF-8", where,
                        (long long)bad);
    }
    m->units = emb_alloc(m->allocator, units, sizeof *m->units);
    m->pool = emb_calloc(m->allocator, pool_size + 1, 1);
    if (!m->units || !m->pool) return emb_fail(error, EMBED_ENOMEM, "%s: no memory", where);
    for (size_t i = 0; i < units; i++) m->units[i] = emb_le32(blob + 4 + 4 * i);
    if (pool_size) memcpy(m->pool, pool, pool_size);
    m->units_count = units;
    m->pool_size = pool_size + 1;
    m->growth = longest_text(m->pool, m->pool_size);
    return EMBED_OK;
}

static void note_special(emb_charsmap *m);

int32_t emb_charsmap_open(emb_charsmap *m, const char *blob, size_t size, const char *where,
                          const emb_allocator *a, embed_error *error)
{
    *m = (emb_charsmap){.allocator = a};
    int32_t status = take(m, blob, size, where, error);
    if (status < 0) {
        emb_charsmap_close(m);
        return status;
    }
    note_special(m);
    return EMBED_OK;
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int32_t emb_charsmap_open_base64(emb_charsmap *m, const char *text, size_t size, const char *where,
                                 const emb_allocator *a, embed_error *error)
{
    size_t pad = 0, out = 0;
    *m = (emb_charsmap){.allocator = a};
    while (pad < 2 && pad < size && text[size - 1 - pad] == '=') pad++;
    char *blob = emb_alloc(a, size / 4 * 3 + 3, 1);
    if (!blob) return emb_fail(error, EMBED_ENOMEM, "%s: no memory", where);
    uint32_t bits = 0;
    int32_t status = EMBED_OK;
    size_t i;
    for (i = 0; i < size - pad; i++) {
        int value = sextet(text[i]);
        if (value < 0) break;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4) blob[out++] = (char)(bits >> (6 - i % 4 * 2));
    }
    /* the bits that the last character has too many are zero */
    bool spare = pad && (bits & ((1u << 2 * pad) - 1));
    if (size % 4 || i < size - pad || spare) {
        status = emb_fail(error, EMBED_EFORMAT, "%s: precompiled_charsmap: byte %zu: not base64",
                          where, i);
    }
    if (status == EMBED_OK) status = emb_charsmap_open(m, blob, out, where, a, error);
    emb_free(a, blob);
    return status;
}

void emb_charsmap_close(emb_charsmap *m)
{
    if (!m->allocator) return;
    emb_free(m->allocator, m->units);
    emb_free(m->allocator, m->pool);
    *m = (emb_charsmap){0};
}

/* ---- the table ---------------------------------------------------------------------- */

/* A unit: label in the low byte and bit 31; bit 8: a text ends here, whose place in the pool is the
 * unit at its offset; bits 10 to 30: the offset, by 256 with bit 9. */
static size_t unit_offset(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 0x200) >> 6);
}

/* One byte further from a place in the table. entry: a text ends there. false: none begins so. */
static bool walk(const emb_charsmap *m, char byte, size_t *at, bool *entry)
{
    *at ^= (uint8_t)byte;
    if (*at >= m->units_count) return false;
    uint32_t unit = m->units[*at];
    if (!byte || (unit & 0x800000FF) != (uint8_t)byte) return false;
    *at ^= unit_offset(unit);
    *entry = unit & 0x100;
    return !*entry || *at < m->units_count;
}

/* Where the replacement of the entry that ends at `at` stands. */
static bool place_of(const emb_charsmap *m, size_t at, size_t *place)
{
    *place = m->units[at] & 0x7FFFFFFF;
    return *place < m->pool_size && ((uint8_t)m->pool[*place] & 0xC0) != 0x80;
}

/* The shortest entry that begins text: where in the pool its replacement stands. */
static bool lookup(const emb_charsmap *m, const char *text, size_t size, size_t *place)
{
    if (m->units_count == 0) return false;
    size_t at = unit_offset(m->units[0]);
    bool entry = false;
    for (size_t i = 0; i < size; i++) {
        if (!walk(m, text[i], &at, &entry)) return false;
        if (entry) return place_of(m, at, place);
    }
    return false;
}

size_t emb_charsmap_longest(const emb_charsmap *m, const emb_char *in, size_t count, size_t *place)
{
    size_t longest = 0, found, at = m->units_count ? unit_offset(m->units[0]) : 0;
    bool entry = false;
    char text[4];
    for (size_t i = 0; i < EMB_MIN(count, MOST_ENTRY) && m->units_count; i++) {
        int size = emb_utf8_encode(in[i].code, text);
        for (int k = 0; k < size; k++) {
            if (!walk(m, text[k], &at, &entry)) return longest;
        }
        if (!entry || !place_of(m, at, &found)) continue;
        *place = found;
        longest = i + 1;
    }
    return longest;
}

/* ---- clusters ----------------------------------------------------------------------- */

typedef struct cluster { /* what matters of the characters so far */
    uint32_t last;       /* EMB_CLUSTER_* */
    bool picture;        /* a picture and extenders: a ZWJ and another picture go on */
    int conjunct;        /* 1: an Indic consonant and extenders; 2: a linker among them */
} cluster;

static void cluster_add(cluster *k, uint32_t flags)
{
    uint32_t kind = flags & 15;
    bool extends = kind == EMB_CLUSTER_EXTEND || kind == EMB_CLUSTER_ZWJ;
    if (flags & EMB_CLUSTER_PICTURE) k->picture = true;
    else if (!extends || k->last == EMB_CLUSTER_ZWJ) k->picture = false;
    if (flags & EMB_CLUSTER_CONSONANT) k->conjunct = 1;
    else if (k->conjunct && (flags & EMB_CLUSTER_LINKER)) k->conjunct = 2;
    else if (!(flags & EMB_CLUSTER_LINKS)) k->conjunct = 0;
    k->last = kind;
}

static bool hangul_goes_on(uint32_t before, uint32_t after)
{
    if (before == EMB_CLUSTER_L) {
        return after == EMB_CLUSTER_L || after == EMB_CLUSTER_V || after == EMB_CLUSTER_LV ||
               after == EMB_CLUSTER_LVT;
    }
    if (before == EMB_CLUSTER_V || before == EMB_CLUSTER_LV) {
        return after == EMB_CLUSTER_V || after == EMB_CLUSTER_T;
    }
    return (before == EMB_CLUSTER_T || before == EMB_CLUSTER_LVT) && after == EMB_CLUSTER_T;
}

static bool cluster_goes_on(const cluster *k, uint32_t flags)
{
    uint32_t after = flags & 15;
    if (k->last == EMB_CLUSTER_CONTROL || after == EMB_CLUSTER_CONTROL) return false;
    if (after == EMB_CLUSTER_EXTEND || after == EMB_CLUSTER_ZWJ || after == EMB_CLUSTER_SPACING) {
        return true;
    }
    if (k->last == EMB_CLUSTER_PREPEND || hangul_goes_on(k->last, after)) return true;
    if (k->conjunct == 2 && (flags & EMB_CLUSTER_CONSONANT)) return true;
    return k->last == EMB_CLUSTER_ZWJ && k->picture && (flags & EMB_CLUSTER_PICTURE);
}

/* Characters of the cluster at in[0], and its bytes. Regional indicators make no difference: two of
 * them are too long to be replaced whole. */
static size_t cluster_size(const emb_char *in, size_t count, size_t *bytes)
{
    cluster k = {0};
    size_t i = 0;
    *bytes = 0;
    if (in[0].code == '\r' && count > 1 && in[1].code == '\n') {
        *bytes = 2;
        return 2;
    }
    do {
        cluster_add(&k, emb_cluster_flags(in[i].code));
        *bytes += emb_utf8_size(in[i].code);
        i++;
    } while (i < count && cluster_goes_on(&k, emb_cluster_flags(in[i].code)));
    return i;
}

/* Whether a character may be the first of a cluster, or go on with one. */
static inline bool is_joiner(uint32_t code)
{
    return (emb_cluster_flags(code) & 15) > EMB_CLUSTER_CONTROL || code == '\r';
}

static void note_special(emb_charsmap *m)
{
    for (uint32_t code = 0; code < EMB_CHARSMAP_NOTED; code++) {
        char text[4];
        size_t place, size = (size_t)emb_utf8_encode(code, text);
        if (!is_joiner(code) && !lookup(m, text, size, &place)) continue;
        m->special[code / 64] |= UINT64_C(1) << code % 64;
    }
}

/* ---- replacing ---------------------------------------------------------------------- */

/* A character waits until it is known whether what follows it is deleted. */
typedef struct writer {
    emb_transform t;
    uint32_t code;
    int64_t change;
    bool waits;
} writer;

static void put(writer *w, uint32_t code, int64_t change)
{
    if (w->waits) emb_transform_put(&w->t, w->code, w->change);
    w->code = code;
    w->change = change;
    w->waits = true;
}

/* count characters become the text at place. */
static void replace(writer *w, const emb_charsmap *m, size_t count, size_t place)
{
    size_t made = 0;
    for (const char *p = m->pool + place; *p;) {
        uint32_t code;
        p += emb_utf8_decode(p, (size_t)(m->pool + m->pool_size - p), &code);
        put(w, code, made++ >= count);
    }
    /* With nothing before it, a deletion is lost, and so are alignments: as in the reference. */
    if (made < count && w->waits) w->change -= (int64_t)(count - made);
}

static void replace_chars(writer *w, const emb_charsmap *m, const emb_char *in, size_t count)
{
    char text[4];
    for (size_t i = 0; i < count; i++) {
        size_t place, size = (size_t)emb_utf8_encode(in[i].code, text);
        if (lookup(m, text, size, &place)) replace(w, m, 1, place);
        else put(w, in[i].code, 0);
    }
}

static inline bool is_special(const emb_charsmap *m, uint32_t code)
{
    return code >= EMB_CHARSMAP_NOTED || m->special[code / 64] >> code % 64 & 1;
}

/* Characters at in[i] that stay as they are; the last only if no cluster may go on behind it. */
static size_t plain_run(const emb_charsmap *m, const emb_char *in, size_t count, size_t i)
{
    size_t end = i;
    while (end < count && !is_special(m, in[end].code)) end++;
    return end - i - (end > i && end < count && is_joiner(in[end].code));
}

static void put_run(writer *w, const emb_char *in, size_t i, size_t n)
{
    emb_transform *t = &w->t;
    put(w, in[i].code, 0); /* and the one that waited */
    if (t->at == i && t->written + n <= t->capacity) {
        memcpy(t->out + t->written, in + i, (n - 1) * sizeof *in);
        t->at += n - 1;
        t->written += n - 1;
        w->code = in[i + n - 1].code;
    } else {
        for (size_t k = 1; k < n; k++) put(w, in[i + k].code, 0);
    }
}

size_t emb_charsmap_apply(const emb_charsmap *m, const emb_char *in, size_t count, emb_char *out,
                          size_t capacity)
{
    writer w = {.t = {.in = in, .count = count, .out = out, .capacity = capacity}};
    for (size_t i = 0, n; i < count; i += n) {
        size_t bytes, place, size = 0;
        char text[MOST_CLUSTER];
        n = plain_run(m, in, count, i);
        if (n > 0) {
            put_run(&w, in, i, n);
            continue;
        }
        n = cluster_size(in + i, count - i, &bytes);
        if (n > 1 && bytes < MOST_CLUSTER) {
            for (size_t j = 0; j < n; j++) {
                size += (size_t)emb_utf8_encode(in[i + j].code, text + size);
            }
            if (lookup(m, text, size, &place)) {
                replace(&w, m, n, place);
                continue;
            }
        }
        replace_chars(&w, m, in + i, n);
    }
    if (w.waits) emb_transform_put(&w.t, w.code, w.change);
    return w.t.written;
}
