/* The Unigram model. The vocabulary is a trie whose edges lie in one hash table, and a step is one
 * look-up. The path needs one id for each byte of the word; scores only as far back as the longest
 * piece reaches. */
#include "unigram.h"

#include <math.h>

#define MAX_PROBE   256  /* beyond: pieces made to collide */
#define UNK_PENALTY 10.0 /* below the lowest score */
#define ENDS        0x80000000u /* of a node number: a piece ends there */

typedef emb_unigram_edge edge;

struct emb_unigram {
    emb_allocator allocator;
    edge *edges;
    uint32_t shift, mask, probe; /* probe: no edge is further from its place */
    uint32_t root[256];          /* the first step, without a look-up */
    int32_t *ids;                /* of the nodes where a piece ends */
    double *scores;              /* by id */
    uint32_t *starts;            /* of the texts in bytes; count + 1 */
    char *bytes;                 /* each text ends in a NUL */
    int64_t count;
    uint32_t nodes, longest;
    int32_t unk_id;
    double unk_score;
    int32_t fallback[256]; /* ids of <0x00> ... <0xFF>; -1: none */
    bool byte_fallback, single, borrowed; /* borrowed: the arrays are the caller's */
};

static inline uint32_t size_of(const emb_unigram *u, uint32_t piece)
{
    return u->starts[piece + 1] - u->starts[piece] - 1;
}

/* ---- the trie ----------------------------------------------------------------------- */

static uint32_t place_of(const emb_unigram *u, uint32_t key)
{
    return (uint32_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) >> u->shift;
}

static uint32_t step(const emb_unigram *u, uint32_t node, uint8_t byte) /* 0: none */
{
    uint32_t key = ((node & ~ENDS) << 8 | byte) + 1;
    uint32_t place = place_of(u, key);
    for (uint32_t i = 0; i <= u->probe; i++) {
        const edge *e = &u->edges[(place + i) & u->mask];
        if (e->key == key) return e->to;
        if (e->key == 0) return 0;
    }
    return 0;
}

/* The piece that ends at a node, or -1. */
static int32_t id_of(const emb_unigram *u, uint32_t node)
{
    uint32_t place = node & ~ENDS;
    if (!(node & ENDS) || place >= u->nodes) return -1;
    int32_t id = u->ids[place];
    return id < u->count ? id : -1;
}

static int32_t find(const emb_unigram *u, const char *text, size_t size)
{
    uint32_t node = 0;
    for (size_t i = 0; i < size; i++) {
        node = step(u, node, (uint8_t)text[i]);
        if (node == 0) return -1;
    }
    return id_of(u, node);
}

/* ---- building: nodes in the order of the pieces as they are sorted ------------------- */

typedef struct place_in_order {
    uint64_t head;  /* 8 bytes of the piece */
    uint32_t piece;
    uint32_t same;  /* bytes that the piece before begins with too */
} place_in_order;

/* 8 bytes, the first highest, plus 1 each: no byte of UTF-8 is 255, and 0 is the end. */
static inline uint64_t head_of(const emb_unigram *u, uint32_t piece, uint32_t at)
{
    const char *text = u->bytes + u->starts[piece] + at; /* 8 bytes follow the last */
    uint32_t size = size_of(u, piece);
    uint64_t head = 0, there = at < size ? UINT64_MAX : 0;
    const uint64_t ones = UINT64_C(0x0101010101010101);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) head = head << 8 | (uint8_t)text[i];
    if (at + 8 > size) there <<= 8 * (at + 8 - size) & 63;
    return (head & there) + (ones & there);
}

static void sort_few(place_in_order *list, int64_t count)
{
    for (int64_t i = 1; i < count; i++) {
        place_in_order moving = list[i];
        int64_t at = i;
        for (; at > 0 && list[at - 1].head > moving.head; at--) list[at] = list[at - 1];
        list[at] = moving;
    }
}

/* By 11 bits, the lowest first, an even number of times. */
static void sort_many(place_in_order *list, place_in_order *spare, int64_t count)
{
    for (int shift = 0; shift < 64; shift += 11) {
        uint32_t begins[2048] = {0}, begin = 0;
        for (int64_t i = 0; i < count; i++) begins[list[i].head >> shift & 2047]++;
        for (int i = 0; i < 2048; i++) {
            uint32_t size = begins[i];
            begins[i] = begin;
            begin += size;
        }
        for (int64_t i = 0; i < count; i++) spare[begins[list[i].head >> shift & 2047]++] = list[i];
        place_in_order *sorted = spare;
        spare = list;
        list = sorted;
    }
}

/* Equal ones stay as they come: of these the last counts. */
static void sort(const emb_unigram *u, place_in_order *list, place_in_order *spare, int64_t count,
                 uint32_t at)
{
    for (int64_t i = 0; i < count; i++) list[i].head = head_of(u, list[i].piece, at);
    if (count < 64) sort_few(list, count);
    else sort_many(list, spare, count);
    for (int64_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && list[end].head == list[i].head; end++) {}
        if (end - i > 1 && list[i].head & 255) sort(u, list + i, spare, end - i, at + 8);
    }
}

static bool put(emb_unigram *u, edge e)
{
    uint32_t place = place_of(u, e.key);
    for (uint32_t i = 0; i < MAX_PROBE; i++) {
        edge *free = &u->edges[(place + i) & u->mask];
        if (free->key) continue;
        *free = e;
        u->probe = EMB_MAX(u->probe, i);
        return true;
    }
    return false;
}

/* Edges go in some steps after their place is known: the caches nearly all miss them. */
static bool grow(emb_unigram *u, const place_in_order *order)
{
    uint32_t path[EMB_UNIGRAM_MAX_PIECE + 1] = {0};
    edge waiting[16] = {{0}};
    u->nodes = 1;
    for (int64_t i = 0; i < u->count; i++) {
        uint32_t piece = order[i].piece, size = size_of(u, piece);
        const char *text = u->bytes + u->starts[piece];
        edge *last = NULL;
        for (uint32_t k = order[i].same; k < size; k++) {
            last = &waiting[u->nodes % EMB_COUNT(waiting)];
            if (last->key && !put(u, *last)) return false;
            *last = (edge){(path[k] << 8 | (uint8_t)text[k]) + 1, u->nodes};
            path[k + 1] = u->nodes++;
            __builtin_prefetch(&u->edges[place_of(u, last->key)], 1);
        }
        if (last) last->to |= ENDS;
        u->ids[path[size]] = (int32_t)piece;
    }
    for (int i = 0; i < EMB_COUNT(waiting); i++) {
        if (waiting[i].key && !put(u, waiting[i])) return false;
    }
    return true;
}

static uint32_t same_bytes(const emb_unigram *u, uint32_t piece, uint32_t other)
{
    for (uint32_t at = 0; ; at += 8) {
        uint64_t head = head_of(u, piece, at), differ = head ^ head_of(u, other, at);
        if (differ) return at + (uint32_t)__builtin_clzll(differ) / 8;
        if (!(head & 255)) return size_of(u, piece);
    }
}

/* same, and the number of nodes. */
static uint32_t compare_neighbours(const emb_unigram *u, place_in_order *order)
{
    uint32_t nodes = 1;
    for (int64_t i = 0; i < u->count; i++) {
        uint32_t piece = order[i].piece;
        order[i].same = i ? same_bytes(u, piece, order[i - 1].piece) : 0;
        nodes += size_of(u, piece) - order[i].same;
    }
    return nodes;
}

/* Half of the edges stay free. */
static int32_t build(emb_unigram *u)
{
    const emb_allocator *a = &u->allocator;
    place_in_order *order = emb_alloc(a, (size_t)u->count, 2 * sizeof *order);
    if (!order) return EMBED_ENOMEM;
    for (int64_t i = 0; i < u->count; i++) order[i].piece = (uint32_t)i;
    sort(u, order, order + u->count, u->count, 0);
    uint32_t nodes = compare_neighbours(u, order), bits = 10;
    while (UINT32_C(1) << bits < 2 * nodes) bits++;
    u->edges = emb_calloc(a, (size_t)1 << bits, sizeof *u->edges);
    u->ids = emb_calloc(a, nodes, sizeof *u->ids);
    u->mask = (UINT32_C(1) << bits) - 1;
    u->shift = 32 - bits;
    int32_t status = !u->edges || !u->ids ? EMBED_ENOMEM
        : grow(u, order) ? EMBED_OK : EMBED_EFORMAT;
    emb_free(a, order);
    return status;
}

/* ---- opening ------------------------------------------------------------------------ */

static int32_t check(const emb_unigram_piece *pieces, int64_t count, int64_t unk_id, size_t *total,
                     const char *where, embed_error *error)
{
    if (count <= 0 || count > 1 << 24) {
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
    u->scores = emb_alloc(a, (size_t)count, sizeof *u->scores);
    u->starts = emb_alloc(a, (size_t)count + 1, sizeof *u->starts);
    u->bytes = emb_alloc(a, bytes + 8, 1);
    return u->scores && u->starts && u->bytes;
}

/* What the arrays say of all bytes. */
static void finish(emb_unigram *u, double lowest)
{
    u->unk_score = u->single ? (double)((float)lowest - (float)UNK_PENALTY) : lowest - UNK_PENALTY;
    for (uint32_t c = 0; c < 256; c++) {
        static const char hex[] = "0123456789ABCDEF";
        const char name[] = {'<', '0', 'x', hex[c >> 4], hex[c & 15], '>'};
        u->fallback[c] = find(u, name, sizeof name);
        u->root[c] = step(u, 0, (uint8_t)c);
    }
}

static int32_t fill(emb_unigram *u, const emb_unigram_piece *pieces, const char *where,
                    embed_error *error)
{
    uint32_t used = 0;
    double lowest = INFINITY;
    for (int64_t i = 0; i < u->count; i++) {
        const emb_unigram_piece *p = &pieces[i];
        u->starts[i] = used;
        u->scores[i] = p->score;
        if (p->size) memcpy(u->bytes + used, p->text, p->size);
        u->bytes[used + p->size] = 0;
        used += p->size + 1;
        lowest = EMB_MIN(lowest, p->score);
        u->longest = EMB_MAX(u->longest, p->size);
    }
    u->starts[u->count] = used;
    int32_t status = build(u);
    if (status < 0) {
        return emb_fail(error, status, "%s: vocab: %s", where,
                        status == EMBED_ENOMEM ? "no memory" : "pieces collide too often");
    }
    finish(u, lowest);
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
        emb_free(&a, u->edges);
        emb_free(&a, u->ids);
        emb_free(&a, u->scores);
        emb_free(&a, u->starts);
        emb_free(&a, u->bytes);
    }
    emb_free(&a, u);
}

/* ---- tables ------------------------------------------------------------------------- */

emb_unigram_tables emb_unigram_as_tables(const emb_unigram *u)
{
    return (emb_unigram_tables){u->edges, u->ids, u->scores, u->starts, u->bytes,
                                (size_t)u->mask + 1, u->nodes, (size_t)u->count,
                                u->starts[u->count], u->longest, u->probe, u->unk_id};
}

/* Texts one after another, each with its NUL; scores that are numbers. The edges are not walked:
 * what they lead to is looked at when a text gets there. */
static bool is_sound(const emb_unigram_tables *t, double *lowest)
{
    if (t->edges_count < 2 || t->edges_count > UINT32_MAX / 2 ||
        (t->edges_count & (t->edges_count - 1)) || t->nodes > t->edges_count || t->count == 0 ||
        t->count > 1 << 24 || t->longest < 0 || t->longest > EMB_UNIGRAM_MAX_PIECE ||
        t->probe < 0 || t->probe > MAX_PROBE || t->unk_id < -1 ||
        t->unk_id >= (int64_t)t->count || t->starts[0] != 0) return false;
    *lowest = INFINITY;
    for (size_t i = 0; i < t->count; i++) {
        uint32_t end = t->starts[i + 1];
        if (end <= t->starts[i] || end > t->bytes_count || t->bytes[end - 1]) return false;
        if (!isfinite(t->scores[i])) return false;
        *lowest = EMB_MIN(*lowest, t->scores[i]);
    }
    return true;
}

int32_t emb_unigram_open_tables(emb_unigram **unigram, const emb_unigram_tables *t,
                                int flags, const char *where, const emb_allocator *a,
                                embed_error *error)
{
    double lowest = 0;
    *unigram = NULL;
    if (!is_sound(t, &lowest)) {
        return emb_fail(error, EMBED_EFORMAT, "%s: vocab: sizes or places that do not agree",
                        where);
    }
    emb_unigram *u = emb_calloc(a, 1, sizeof *u);
    if (!u) return emb_fail(error, EMBED_ENOMEM, "%s: no memory", where);
    uint32_t bits = 1;
    while ((size_t)1 << bits < t->edges_count) bits++;
    *u = (emb_unigram){
        .allocator = *a, .edges = (edge *)(uintptr_t)t->edges, .shift = 32 - bits,
        .mask = (uint32_t)t->edges_count - 1, .probe = (uint32_t)t->probe,
        .ids = (int32_t *)(uintptr_t)t->ids, .scores = (double *)(uintptr_t)t->scores,
        .starts = (uint32_t *)(uintptr_t)t->starts, .bytes = (char *)(uintptr_t)t->bytes,
        .count = (int64_t)t->count, .nodes = (uint32_t)t->nodes, .longest = (uint32_t)t->longest,
        .unk_id = (int32_t)t->unk_id, .byte_fallback = flags & EMB_UNIGRAM_BYTE_FALLBACK,
        .single = flags & EMB_UNIGRAM_SINGLE, .borrowed = true};
    finish(u, lowest);
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
    *size = size_of(u, (uint32_t)id);
    return u->bytes + u->starts[id];
}

/* ---- the best path ------------------------------------------------------------------ */

#define UNREACHED INT32_MIN
/* of unknown characters: ~ of their length in bytes */

typedef struct node { /* the best path to a place in the word */
    double score;
    int32_t id; /* of its last piece; ~length: an unknown character; UNREACHED */
} node;

static size_t ring_size(const emb_unigram *u)
{
    size_t size = 8;
    while (size <= u->longest) size *= 2;
    return size;
}

static void plan(const emb_unigram *u, emb_arena *arena, size_t max_word, node **ring,
                 int32_t **path)
{
    *ring = emb_arena_take(arena, ring_size(u), sizeof **ring);
    *path = emb_arena_take(arena, max_word + 1, sizeof **path);
}

size_t emb_unigram_scratch_size(const emb_unigram *u, size_t max_word)
{
    emb_arena arena;
    node *ring;
    int32_t *path;
    emb_arena_init(&arena, NULL, 0);
    if (max_word == SIZE_MAX) return SIZE_MAX;
    plan(u, &arena, max_word, &ring, &path);
    return arena.failed ? SIZE_MAX : arena.used;
}

static inline size_t length_of(const emb_unigram *u, int32_t id)
{
    return id < 0 ? (size_t)~id : size_of(u, (uint32_t)id);
}

/* The sum of two floats in double, rounded once, is their sum in float. */
static inline void offer(node *n, double score, int32_t id, bool single)
{
    if (single) score = (double)(float)score;
    if (n->id != UNREACHED && !(score > n->score)) return;
    n->score = score;
    n->id = id;
}

static inline size_t char_size(uint8_t byte)
{
    return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/* Into path[end], for every place that a character ends: the last piece of the best path there. */
static bool forward(const emb_unigram *u, node *ring, int32_t *path, const char *text, size_t size)
{
    size_t mask = ring_size(u) - 1;
    for (size_t i = 0; i <= mask; i++) ring[i].id = UNREACHED;
    ring[0] = (node){0, 0};
    for (size_t at = 0, n; at < size; at += n) {
        node *here = &ring[at & mask];
        double before = here->score;
        bool single = false;
        n = EMB_MIN(char_size((uint8_t)text[at]), size - at);
        path[at] = here->id;
        here->id = UNREACHED;
        for (size_t i = 1; i < n; i++) path[at + i] = UNREACHED;
        uint32_t to = u->root[(uint8_t)text[at]];
        size_t stop = EMB_MIN(size, at + u->longest);
        for (size_t end = at + 1; to; end++) {
            int32_t id = id_of(u, to);
            if (id >= 0 && u->scores[id] != EMB_UNIGRAM_NEVER) {
                offer(&ring[end & mask], u->scores[id] + before, id, u->single);
                single = single || end == at + n;
            }
            if (end >= stop) break;
            to = step(u, to, (uint8_t)text[end]);
        }
        if (single) continue;
        if (u->unk_id < 0) return false;
        offer(&ring[(at + n) & mask], u->unk_score + before, ~(int32_t)n, u->single);
    }
    path[size] = ring[size & mask].id;
    return true;
}

/* From ends to beginnings: path[begin] becomes the piece that begins there. false: tables that do
 * not agree with each other. */
static bool backward(const emb_unigram *u, int32_t *path, size_t size)
{
    size_t at = size;
    int32_t id = path[size];
    while (at > 0) {
        size_t length = length_of(u, id);
        if (length == 0 || length > at) return false;
        size_t begin = at - length;
        int32_t before = path[begin];
        path[begin] = id;
        at = begin;
        id = before;
    }
    return true;
}

int32_t emb_unigram_start(emb_unigram_walk *walk, const emb_unigram *u, void *scratch,
                          const char *text, size_t size, embed_error *error)
{
    emb_arena arena;
    node *ring;
    emb_arena_init(&arena, scratch, emb_unigram_scratch_size(u, size));
    *walk = (emb_unigram_walk){.unigram = u, .text = text, .size = size};
    plan(u, &arena, size, &ring, &walk->path);
    if (!forward(u, ring, walk->path, text, size)) {
        return emb_fail(error, EMBED_EFORMAT, "tokenizer: the vocabulary has no unk_id, and the "
                        "text has a character that is not in it");
    }
    if (backward(u, walk->path, size)) return EMBED_OK;
    return emb_fail(error, EMBED_EFORMAT, "tokenizer: tables that do not agree with each other");
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
    int32_t id = w->path[begin];
    w->fallback = 0;
    w->at += length_of(u, id);
    bool unknown = id < 0 || id == u->unk_id;
    while (unknown && w->at < w->size && (w->path[w->at] < 0 || w->path[w->at] == u->unk_id)) {
        w->at += length_of(u, w->path[w->at]);
    }
    *token = (emb_unigram_token){id, begin, w->at};
    if (unknown) next_unknown(w, begin, token);
    token->end = w->at;
    return true;
}
