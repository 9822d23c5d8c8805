/* The trie of a Unigram: pieces are sorted, then every node takes the first base at which its
 * children find free places, among the last that were given out. */
#include "unigram_trie.h"

static inline uint32_t size_of(const emb_trie_pieces *p, uint32_t piece)
{
    return p->starts[piece + 1] - p->starts[piece] - 1;
}

/* ---- pieces in order ------------------------------------------------------------------------- */

enum { NO_BYTE = 256 };

typedef struct place_in_order {
    uint64_t head;  /* 8 bytes of the piece */
    uint32_t piece;
    uint16_t same;  /* bytes that the piece before begins with too */
    uint16_t next;  /* the byte behind them, or NO_BYTE */
} place_in_order;

/* 8 bytes, the first highest, plus 1 each: no byte of UTF-8 is 255, and 0 is the end. */
static inline uint64_t head_of(const emb_trie_pieces *p, uint32_t piece, uint32_t at)
{
    const char *text = p->bytes + p->starts[piece] + at; /* 8 bytes follow the last */
    uint32_t size = size_of(p, piece);
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
static void sort(const emb_trie_pieces *p, place_in_order *list, place_in_order *spare,
                 int64_t count, uint32_t at)
{
    for (int64_t i = 0; i < count; i++) list[i].head = head_of(p, list[i].piece, at);
    if (count < 64) sort_few(list, count);
    else sort_many(list, spare, count);
    for (int64_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && list[end].head == list[i].head; end++) {}
        if (end - i > 1 && list[i].head & 255) sort(p, list + i, spare, end - i, at + 8);
    }
}

static uint32_t same_bytes(const emb_trie_pieces *p, uint32_t piece, uint32_t other)
{
    for (uint32_t at = 0; ; at += 8) {
        uint64_t head = head_of(p, piece, at), differ = head ^ head_of(p, other, at);
        if (differ) return at + (uint32_t)__builtin_clzll(differ) / 8;
        if (!(head & 255)) return size_of(p, piece);
    }
}

/* same and next, and the number of nodes. */
static size_t compare_neighbours(const emb_trie_pieces *p, place_in_order *order)
{
    size_t nodes = 1;
    for (int64_t i = 0; i < p->count; i++) {
        uint32_t piece = order[i].piece, size = size_of(p, piece);
        uint32_t same = i ? same_bytes(p, piece, order[i - 1].piece) : 0;
        const char *text = p->bytes + p->starts[piece];
        order[i].same = (uint16_t)same;
        order[i].next = same < size ? (uint8_t)text[same] : NO_BYTE;
        nodes += size - same;
    }
    return nodes;
}

/* ---- units: the children of a node at once, where all of them are free --------------------- */

enum {
    WINDOW = 1,        /* words of bases that are looked at, the last in use */
    MARGIN = 64 + 256, /* units beyond the word of a base that its children may reach */
    NO_BASE = 0
};

typedef struct builder {
    const emb_trie_pieces *p;
    const place_in_order *order;
    emb_unigram_unit *units;
    uint64_t *used, *taken; /* bit sets: of units, of bases */
    size_t capacity, count;
    uint32_t last; /* word of bases in use */
} builder;

static inline uint64_t bits_from(const uint64_t *set, uint32_t at)
{
    uint32_t word = at / 64, shift = at % 64;
    return set[word] >> shift | set[word + 1] << 1 << (63 - shift);
}

static inline void add_bit(uint64_t *set, uint32_t at)
{
    set[at / 64] |= UINT64_C(1) << at % 64;
}

/* A base whose places for the labels are free; 64 at a time. */
static uint32_t find_base(const builder *b, const uint8_t *labels, int count)
{
    uint32_t word = b->last > WINDOW ? b->last - WINDOW : 0;
    for (; (size_t)word * 64 + MARGIN + 64 <= b->capacity; word++) {
        uint64_t not = b->taken[word];
        for (int i = 0; i < count && not != UINT64_MAX; i++) {
            not |= bits_from(b->used, word * 64 + labels[i]);
        }
        if (not != UINT64_MAX) return word * 64 + (uint32_t)__builtin_ctzll(~not);
    }
    return NO_BASE;
}

/* The bytes that go on from the node `depth` bytes into a piece; the pieces that have them follow
 * it. */
static int labels_of(const builder *b, int64_t first, uint32_t depth, uint8_t labels[256])
{
    const place_in_order *o = &b->order[first];
    const char *text = b->p->bytes + b->p->starts[o->piece];
    int count = 0;
    if (size_of(b->p, o->piece) > depth) labels[count++] = (uint8_t)text[depth];
    for (int64_t i = first + 1; i < b->p->count && b->order[i].same >= depth; i++) {
        if (b->order[i].same > depth || b->order[i].next == NO_BYTE) continue;
        labels[count++] = (uint8_t)b->order[i].next;
    }
    return count;
}

static bool add_children(builder *b, uint32_t unit, int64_t first, uint32_t depth)
{
    uint8_t labels[256];
    int count = labels_of(b, first, depth, labels);
    if (count == 0) return true;
    uint32_t base = find_base(b, labels, count);
    if (base == NO_BASE) return false;
    add_bit(b->taken, base);
    b->last = EMB_MAX(b->last, base / 64);
    b->count = EMB_MAX(b->count, (size_t)base + 256);
    b->units[unit].link |= base << 9;
    for (int i = 0; i < count; i++) {
        add_bit(b->used, base + labels[i]);
        b->units[base + labels[i]] = (emb_unigram_unit){.link = labels[i]};
    }
    return true;
}

static void end_piece(builder *b, uint32_t unit, uint32_t piece)
{
    emb_unigram_unit *end = &b->units[unit];
    end->piece = piece + 1;
    end->score = b->p->pieces[piece].score;
    end->link &= ~EMB_TRIE_ENDS;
    if (end->score != EMB_UNIGRAM_NEVER) end->link |= EMB_TRIE_ENDS;
}

/* Nodes in the order of the pieces: what a word walks through lies close together. */
static bool grow(builder *b)
{
    uint32_t path[EMB_UNIGRAM_MAX_PIECE + 1] = {0};
    add_bit(b->used, 0);
    add_bit(b->taken, NO_BASE);
    b->units[0].link = 255; /* of UTF-8 no byte, and nothing leads there */
    b->count = 256;
    if (!add_children(b, 0, 0, 0)) return false;
    for (int64_t i = 0; i < b->p->count; i++) {
        uint32_t piece = b->order[i].piece, size = size_of(b->p, piece);
        const char *text = b->p->bytes + b->p->starts[piece];
        for (uint32_t k = b->order[i].same; k < size; k++) {
            path[k + 1] = emb_trie_base(b->units[path[k]].link) + (uint8_t)text[k];
            if (!add_children(b, path[k + 1], i, k + 1)) return false;
        }
        if (size) end_piece(b, path[size], piece);
    }
    return true;
}

/* Into as many units as there is room for. */
static int32_t build_within(builder *b, const emb_allocator *a)
{
    b->capacity = EMB_MIN(b->capacity, (size_t)EMB_TRIE_MOST);
    size_t words = b->capacity / 64 + 1;
    b->units = emb_calloc(a, b->capacity, sizeof *b->units);
    b->used = emb_calloc(a, 2 * words, sizeof *b->used);
    b->taken = b->used ? b->used + words : NULL;
    b->last = 0;
    int32_t status = !b->units || !b->used ? EMBED_ENOMEM
        : grow(b) ? EMBED_OK : EMBED_EFORMAT;
    emb_free(a, b->used);
    if (status < 0) emb_free(a, b->units);
    return status;
}

int32_t emb_trie_build(emb_unigram_unit **units, size_t *count, const emb_trie_pieces *p,
                       const emb_allocator *a)
{
    place_in_order *order = emb_alloc(a, (size_t)p->count, 2 * sizeof *order);
    int32_t status = EMBED_EFORMAT;
    if (!order) return EMBED_ENOMEM;
    for (int64_t i = 0; i < p->count; i++) order[i].piece = (uint32_t)i;
    sort(p, order, order + p->count, p->count, 0);
    size_t nodes = compare_neighbours(p, order);
    builder b = {.p = p, .order = order};
    for (size_t spare = 8; spare > 0 && status == EMBED_EFORMAT; spare /= 2) {
        b.capacity = nodes + nodes / spare * 2 + 2048;
        status = build_within(&b, a);
    }
    emb_free(a, order);
    *units = status < 0 ? NULL : b.units;
    *count = b.count;
    return status;
}
