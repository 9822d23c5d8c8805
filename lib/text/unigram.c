/* The Unigram model: opening it, and the best path through a word. The path needs one piece for
 * each byte of the word; scores only as far back as the longest piece reaches. */
#include "unigram.h"

#include <math.h>

#include "unigram_trie.h"

#define UNK_PENALTY 10.0 /* below the lowest score */

struct emb_unigram {
    emb_allocator allocator;
    emb_unigram_unit *units; /* the trie */
    uint32_t *starts;        /* of the texts in bytes; count + 1 */
    char *bytes;             /* each text ends in a NUL */
    size_t units_count;
    int64_t count;
    uint32_t longest, ring; /* ring: a power of two beyond the longest */
    int32_t unk_id;
    double lowest, unk_score;
    int32_t fallback[256]; /* ids of <0x00> ... <0xFF>; -1: none */
    bool byte_fallback, single, borrowed; /* borrowed: the arrays are the caller's */
};

/* What a byte leads to, or NULL. */
static inline const emb_unigram_unit *step(const emb_unigram *u, uint32_t base, char byte)
{
    size_t place = (size_t)base + (uint8_t)byte;
    if (place >= u->units_count) return NULL;
    const emb_unigram_unit *unit = &u->units[place];
    return emb_trie_follows(unit->link, (uint8_t)byte) ? unit : NULL;
}

static int32_t find(const emb_unigram *u, const char *text, size_t size)
{
    const emb_unigram_unit *unit = &u->units[0];
    for (size_t i = 0; i < size; i++) {
        unit = step(u, emb_trie_base(unit->link), text[i]);
        if (!unit) return -1;
    }
    return size && unit->piece <= u->count ? (int32_t)unit->piece - 1 : -1;
}

/* ---- opening ------------------------------------------------------------------------ */

static int32_t check(const emb_unigram_piece *pieces, int64_t count, int64_t unk_id, size_t *total,
                     const char *where, embed_error *error)
{
    if (count <= 0 || count > 1 << 23) {
        return emb_fail(error, EMBED_EFORMAT, "%s: vocab: expected pieces, found %lld", where,
                        (long long)count);
    }
    if (unk_id < -1 || unk_id >= count) {
        return emb_fail(error, EMBED_EFORMAT, "%s: unk_id: expected the number of a piece below "
                        "%lld, found %lld", where, (long long)count, (long long)unk_id);
    }
    *total = 0;
    for (int64_t i = 0; i < count; i++) {
        const emb_unigram_piece *p = &pieces[i];
        bool fits = emb_add(*total, (size_t)p->size + 1, total) && *total < INT32_MAX / 256;
        if (!fits) {
            return emb_fail(error, EMBED_EUNSUPPORTED, "%s: vocab: more than %d bytes of pieces",
                            where, INT32_MAX / 256);
        }
        if (p->size > EMB_UNIGRAM_MAX_PIECE) {
            return emb_fail(error, EMBED_EUNSUPPORTED,
                            "%s: vocab: piece %lld has %u bytes, more than %d", where,
                            (long long)i, p->size, EMB_UNIGRAM_MAX_PIECE);
        }
        if (!isfinite(p->score)) {
            return emb_fail(error, EMBED_EFORMAT,
                            "%s: vocab: piece %lld: its score is not a number", where,
                            (long long)i);
        }
        if (p->size && emb_utf8_invalid(p->text, p->size) >= 0) {
            return emb_fail(error, EMBED_EFORMAT, "%s: vocab: piece %lld is not UTF-8", where,
                            (long long)i);
        }
    }
    return EMBED_OK;
}

static bool allocate(emb_unigram *u, size_t bytes, int64_t count)
{
    const emb_allocator *a = &u->allocator;
    u->starts = emb_alloc(a, (size_t)count + 1, sizeof *u->starts);
    u->bytes = emb_alloc(a, bytes + 8, 1);
    return u->starts && u->bytes;
}

/* What follows from the arrays. */
static void finish(emb_unigram *u)
{
    u->unk_score = u->single ? (double)((float)u->lowest - (float)UNK_PENALTY)
                             : u->lowest - UNK_PENALTY;
    for (u->ring = 8; u->ring <= u->longest;) u->ring *= 2;
    for (uint32_t c = 0; c < 256; c++) {
        static const char hex[] = "0123456789ABCDEF";
        const char name[] = {'<', '0', 'x', hex[c >> 4], hex[c & 15], '>'};
        u->fallback[c] = find(u, name, sizeof name);
    }
}

static int32_t fill(emb_unigram *u, const emb_unigram_piece *pieces, const char *where,
                    embed_error *error)
{
    uint32_t used = 0;
    u->lowest = INFINITY;
    for (int64_t i = 0; i < u->count; i++) {
        const emb_unigram_piece *p = &pieces[i];
        u->starts[i] = used;
        if (p->size) memcpy(u->bytes + used, p->text, p->size);
        u->bytes[used + p->size] = 0;
        used += p->size + 1;
        u->lowest = EMB_MIN(u->lowest, p->score);
        u->longest = EMB_MAX(u->longest, p->size);
    }
    u->starts[u->count] = used;
    emb_trie_pieces given = {u->bytes, u->starts, pieces, u->count};
    int32_t status = emb_trie_build(&u->units, &u->units_count, &given, &u->allocator);
    if (status < 0) {
        return emb_fail(error, status, "%s: vocab: %s", where,
                        status == EMBED_ENOMEM ? "no memory" : "pieces collide too often");
    }
    finish(u);
    return EMBED_OK;
}

int32_t emb_unigram_open(emb_unigram **unigram, const emb_unigram_piece *pieces, int64_t count,
                         int64_t unk_id, int flags, const char *where, const emb_allocator *a,
                         embed_error *error)
{
    size_t total;
    *unigram = NULL;
    int32_t status = check(pieces, count, unk_id, &total, where, error);
    if (status < 0) return status;
    emb_unigram *u = emb_calloc(a, 1, sizeof *u);
    if (!u) return emb_fail(error, EMBED_ENOMEM, "%s: no memory", where);
    u->allocator = *a;
    u->count = count;
    u->unk_id = (int32_t)unk_id;
    u->byte_fallback = flags & EMB_UNIGRAM_BYTE_FALLBACK;
    u->single = flags & EMB_UNIGRAM_SINGLE;
    status = allocate(u, total, count) ? fill(u, pieces, where, error)
                                       : emb_fail(error, EMBED_ENOMEM, "%s: no memory", where);
    if (status < 0) {
        emb_unigram_free(u);
        return status;
    }
    *unigram = u;
    return EMBED_OK;
}

void emb_unigram_free(emb_unigram *u)
{
    if (!u) return;
    emb_allocator a = u->allocator;
    if (!u->borrowed) {
        emb_free(&a, u->units);
        emb_free(&a, u->starts);
        emb_free(&a, u->bytes);
    }
    emb_free(&a, u);
}

/* ---- tables ------------------------------------------------------------------------- */

emb_unigram_tables emb_unigram_as_tables(const emb_unigram *u)
{
    return (emb_unigram_tables){u->units, u->starts, u->bytes, u->units_count, (size_t)u->count,
                                u->starts[u->count], u->longest, u->unk_id, u->lowest};
}

/* Texts one after another, each with its NUL. The trie is not walked: what it leads to is looked at
 * when a text gets there. */
static bool is_sound(const emb_unigram_tables *t)
{
    if (t->units_count == 0 || t->units_count > EMB_TRIE_MOST || t->count == 0 ||
        t->count > 1 << 23 || t->longest < 0 || t->longest > EMB_UNIGRAM_MAX_PIECE ||
        t->unk_id < -1 || t->unk_id >= (int64_t)t->count || !isfinite(t->lowest) ||
        t->starts[0] != 0) return false;
    for (size_t i = 0; i < t->count; i++) {
        uint32_t end = t->starts[i + 1];
        if (end <= t->starts[i] || end > t->bytes_count || t->bytes[end - 1]) return false;
    }
    return true;
}

int32_t emb_unigram_open_tables(emb_unigram **unigram, const emb_unigram_tables *t,
                                int flags, const char *where, const emb_allocator *a,
                                embed_error *error)
{
    *unigram = NULL;
    if (!is_sound(t)) {
        return emb_fail(error, EMBED_EFORMAT, "%s: vocab: sizes or places that do not agree",
                        where);
    }
    emb_unigram *u = emb_calloc(a, 1, sizeof *u);
    if (!u) return emb_fail(error, EMBED_ENOMEM, "%s: no memory", where);
    *u = (emb_unigram){
        .allocator = *a, .units = (emb_unigram_unit *)(uintptr_t)t->units,
        .starts = (uint32_t *)(uintptr_t)t->starts, .bytes = (char *)(uintptr_t)t->bytes,
        .units_count = t->units_count, .count = (int64_t)t->count,
        .longest = (uint32_t)t->longest, .unk_id = (int32_t)t->unk_id, .lowest = t->lowest,
        .byte_fallback = flags & EMB_UNIGRAM_BYTE_FALLBACK,
        .single = flags & EMB_UNIGRAM_SINGLE, .borrowed = true};
    finish(u);
    *unigram = u;
    return EMBED_OK;
}

int64_t emb_unigram_count(const emb_unigram *u)
{
    return u->count;
}

int32_t emb_unigram_id(const emb_unigram *u, const char *text, size_t size)
{
    return find(u, text, size);
}

const char *emb_unigram_text(const emb_unigram *u, int32_t id, uint32_t *size)
{
    if (id < 0 || id >= u->count) return NULL;
    *size = u->starts[id + 1] - u->starts[id] - 1;
    return u->bytes + u->starts[id];
}

/* ---- the best path ------------------------------------------------------------------ */

/* The last piece of a path in 4 bytes: id << 8 and its size, or SEE_STARTS if that is longer. Of an
 * unknown character: its size << 8. */
#define SEE_STARTS 255u
#define UNREACHED  UINT32_MAX /* ids are below 2^23 */

typedef struct node { /* the best path to a place in the word */
    double score;
    uint32_t last;
} node;

static inline uint32_t size_of(const emb_unigram *u, uint32_t last)
{
    uint32_t id = last >> 8, size = last & 255;
    if (size == 0) return id;
    return size < SEE_STARTS ? size : u->starts[id + 1] - u->starts[id] - 1;
}

size_t emb_unigram_scratch_size(const emb_unigram *u, size_t max_word)
{
    emb_arena arena;
    emb_arena_init(&arena, NULL, 0);
    if (max_word == SIZE_MAX) return SIZE_MAX;
    emb_arena_take(&arena, u->ring, sizeof(node));
    emb_arena_take(&arena, max_word + 1, sizeof(uint32_t));
    return arena.failed ? SIZE_MAX : arena.used;
}

/* Whether that is the best path to n so far. The sum of two floats in double, rounded once, is their sum in
 * float. */
static inline bool offer(node *n, double score, uint32_t last, bool single)
{
    if (single) score = (double)(float)score;
    if (n->last != UNREACHED && !(score > n->score)) return false;
    n->score = score;
    n->last = last;
    return true;
}

static inline size_t char_size(uint8_t byte)
{
    return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/* Offers the pieces that begin at a place, which lies on `here`. Whether one of them is the first
 * character, of n bytes. */
static inline bool offer_pieces(const emb_unigram *u, node *ring, const node *here,
                                const char *text, size_t size, size_t n)
{
    size_t mask = u->ring - 1, place = (size_t)(here - ring), stop = EMB_MIN(size, u->longest);
    double before = here->score;
    bool first = false;
    uint32_t base = emb_trie_base(u->units[0].link);
    for (size_t i = 0; i < stop; i++) {
        const emb_unigram_unit *unit = step(u, base, text[i]);
        if (!unit) break;
        base = emb_trie_base(unit->link);
        if (!(unit->link & EMB_TRIE_ENDS) || unit->piece - 1 >= u->count) continue;
        uint32_t last = (unit->piece - 1) << 8 | (uint32_t)EMB_MIN(i + 1, SEE_STARTS);
        offer(&ring[(place + i + 1) & mask], unit->score + before, last, u->single);
        first = first || i + 1 == n;
    }
    return first;
}

/* Into path[end], for every place that a character ends: the last piece of the best path there. false: without
 * an unk_id, an unknown character was, at its turn, on the best path. */
static bool forward(const emb_unigram *u, node *ring, uint32_t *path, const char *text, size_t size)
{
    size_t mask = u->ring - 1;
    for (size_t i = 0; i <= EMB_MIN(mask, size); i++) ring[i].last = UNREACHED;
    ring[0] = (node){0, 0};
    for (size_t at = 0, n; at < size; at += n) {
        node *here = &ring[at & mask];
        n = EMB_MIN(char_size((uint8_t)text[at]), size - at);
        path[at] = here->last;
        for (size_t i = 1; i < n; i++) path[at + i] = UNREACHED;
        bool first = offer_pieces(u, ring, here, text + at, size - at, n);
        if (!first && offer(&ring[(at + n) & mask], u->unk_score + here->score, (uint32_t)n << 8, u->single) &&
            u->unk_id < 0)
            return false;
        here->last = UNREACHED;
    }
    path[size] = ring[size & mask].last;
    return true;
}

/* From ends to beginnings: path[begin] becomes the piece that begins there. false: tables that do
 * not agree with each other. */
static bool backward(const emb_unigram *u, uint32_t *path, size_t size)
{
    uint32_t last = path[size];
    for (size_t at = size; at > 0;) {
        size_t length = last == UNREACHED ? 0 : size_of(u, last);
        if (length == 0 || length > at) return false;
        at -= length;
        uint32_t before = path[at];
        path[at] = last;
        last = before;
    }
    return true;
}

int32_t emb_unigram_start(emb_unigram_walk *walk, const emb_unigram *u, void *scratch,
                          const char *text, size_t size, embed_error *error)
{
    node *ring = scratch; /* its size is a multiple of 64 bytes */
    *walk = (emb_unigram_walk){.unigram = u, .text = text, .size = size,
                               .path = (uint32_t *)(void *)(ring + u->ring)};
    if (!forward(u, ring, walk->path, text, size)) {
        return emb_fail(error, EMBED_EFORMAT, "tokenizer: the vocabulary has no unk_id, and the "
                        "text has a character that is not in it");
    }
    if (backward(u, walk->path, size)) return EMBED_OK;
    return emb_fail(error, EMBED_EFORMAT, "tokenizer: tables that do not agree with each other");
}

static inline bool is_unknown(const emb_unigram *u, uint32_t last)
{
    return (last & 255) == 0 || (int32_t)(last >> 8) == u->unk_id;
}

/* A run of unknown characters is one text: a piece of the vocabulary, bytes, or unk. */
static bool next_unknown(emb_unigram_walk *w, size_t begin, emb_unigram_token *token)
{
    const emb_unigram *u = w->unigram;
    token->id = find(u, w->text + begin, w->at - begin);
    if (token->id >= 0) return true;
    token->id = u->unk_id;
    if (!u->byte_fallback) return true;
    for (size_t i = begin; i < w->at; i++) {
        if (u->fallback[(uint8_t)w->text[i]] < 0) return true;
    }
    token->id = u->fallback[(uint8_t)w->text[begin]];
    w->fallback_begin = begin;
    w->fallback = begin + 1;
    return true;
}

bool emb_unigram_next(emb_unigram_walk *w, emb_unigram_token *token)
{
    const emb_unigram *u = w->unigram;
    if (w->fallback && w->fallback < w->at) {
        *token = (emb_unigram_token){u->fallback[(uint8_t)w->text[w->fallback++]],
                                     w->fallback_begin, w->at};
        return true;
    }
    if (w->at == w->size) return false;
    size_t begin = w->at;
    uint32_t last = w->path[begin];
    bool unknown = is_unknown(u, last);
    w->fallback = 0;
    w->at += size_of(u, last);
    while (unknown && w->at < w->size && is_unknown(u, w->path[w->at])) {
        w->at += size_of(u, w->path[w->at]);
    }
    *token = (emb_unigram_token){(int32_t)(last >> 8), begin, w->at};
    if (unknown) next_unknown(w, begin, token);
    return true;
}
