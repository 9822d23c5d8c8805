/* BPE: the characters of a word, merged pair by pair in the order of the merges. Short words
 * look for the best pair one by one, long ones in a heap, so a megabyte without a space takes n
 * log n. */
#include "text.h"

#define SHORT_WORD 32  /* symbols among which the best pair is looked for one by one */
#define NO_RANK INT32_MAX

/* ---- merges: pair -> rank and result ----------------------------------------------- */

static uint64_t pair_key(int32_t left, int32_t right)
{
    return ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1; /* 0: a free slot */
}

static size_t pair_slot(uint64_t key)
{
    key *= UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(key ^ key >> 32);
}

static const emb_merge *find_merge(const emb_bpe *m, int32_t left, int32_t right)
{
    uint64_t key = pair_key(left, right);
    size_t slot = pair_slot(key);
    for (size_t probe = 0; probe <= m->merges_probe; probe++) {
        const emb_merge *e = &m->merges[(slot + probe) & m->merges_mask];
        if (e->key == key) return e->id >= 0 && e->id < m->ids ? e : NULL;
        if (!e->key) return NULL;
    }
    return NULL;
}

bool emb_bpe_reserve(emb_bpe *m, size_t merges, const emb_allocator *a)
{
    size_t slots = 16;
    while (slots < 2 * merges) slots *= 2;
    m->merges = emb_calloc(a, slots, sizeof *m->merges);
    m->merges_mask = slots - 1;
    return m->merges != NULL;
}

/* Of equal pairs the last counts. */
bool emb_bpe_add(emb_bpe *m, int32_t left, int32_t right, int32_t rank, int32_t id)
{
    uint64_t key = pair_key(left, right);
    size_t slot = pair_slot(key);
    for (size_t probe = 0; probe < EMB_BPE_MAX_PROBE; probe++) {
        emb_merge *e = &m->merges[(slot + probe) & m->merges_mask];
        if (e->key && e->key != key) continue;
        *e = (emb_merge){key, rank, id};
        m->merges_probe = EMB_MAX(m->merges_probe, probe);
        return true;
    }
    return false;
}

/* ---- symbols of a word ------------------------------------------------------------------ */

/* Id of a character with what stands around it, or -1. */
static int32_t find_symbol(const emb_token_model *m, uint32_t code, bool first, bool last)
{
    const emb_bpe *b = &m->bpe;
    char text[4 + EMB_MAX_AFFIX];
    bool plain = first || m->prefix_size == 0;
    if (plain && code < EMB_BPE_DIRECT) return b->direct[last && b->suffix_size][code];
    size_t size = (size_t)emb_utf8_encode(code, text);
    if (last && b->suffix_size) {
        memcpy(text + size, b->suffix, b->suffix_size);
        size += b->suffix_size;
    }
    uint64_t hash = plain ? EMB_HASH_START : m->prefix_hash;
    for (size_t i = 0; i < size; i++) hash = emb_hash_step(hash, text[i]);
    int32_t entry = emb_strings_find_hashed(&m->vocab, hash, m->prefix, plain ? 0 : m->prefix_size,
                                            text, size);
    return entry < 0 ? -1 : m->vocab.entries[entry].value;
}

static int32_t find_text(const emb_token_model *m, uint32_t code, const char *suffix,
                         size_t suffix_size)
{
    char text[4 + EMB_MAX_AFFIX];
    size_t size = (size_t)emb_utf8_encode(code, text);
    if (suffix_size) memcpy(text + size, suffix, suffix_size);
    int32_t entry = emb_strings_find(&m->vocab, text, size + suffix_size);
    return entry < 0 ? -1 : m->vocab.entries[entry].value;
}

/* Tables of what most characters become; call it once vocabulary and options are in. */
bool emb_bpe_prepare(emb_token_model *m, const emb_allocator *a)
{
    static const char digits[] = "0123456789ABCDEF";
    emb_bpe *b = &m->bpe;
    b->ids = m->ids;
    for (int last = 0; last < 2; last++) {
        b->direct[last] = emb_alloc(a, EMB_BPE_DIRECT, sizeof *b->direct[last]);
        if (!b->direct[last]) return false;
        for (uint32_t c = 0; c < EMB_BPE_DIRECT; c++) {
            b->direct[last][c] = find_text(m, c, b->suffix, last ? b->suffix_size : 0);
        }
    }
    for (int byte = 0; byte < 256; byte++) {
        char text[6] = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
        int32_t entry = emb_strings_find(&m->vocab, text, sizeof text);
        b->bytes[byte] = entry < 0 ? -1 : m->vocab.entries[entry].value;
    }
    return true;
}

static void add_symbol(emb_words *w, int32_t id, uint32_t size)
{
    w->symbols[w->count++] = (emb_symbol){.id = id, .size = size};
}

/* A character as its bytes; false if some byte is not in the vocabulary. */
static bool add_bytes(emb_words *w, uint32_t code)
{
    char text[4];
    int size = emb_utf8_encode(code, text);
    for (int i = 0; i < size; i++) {
        if (w->model->bpe.bytes[(uint8_t)text[i]] < 0) return false;
    }
    for (int i = 0; i < size; i++) add_symbol(w, w->model->bpe.bytes[(uint8_t)text[i]], 1);
    return true;
}

static int32_t no_unknown(const emb_words *w, const emb_char *c)
{
    return emb_fail(w->error, EMBED_EMISSING,
                    "text: byte %zu: a character that is not in the vocabulary, and neither is the "
                    "unknown token \"%s\"", (size_t)c->start,
                    emb_excerpt_of(w->model->unk, strlen(w->model->unk)).text);
}

/* The symbols of a word. Unknown characters wait: a known symbol comes after them, but bytes come
 * before. Without an unknown token they are left out. */
static int32_t collect(emb_words *w, const emb_char *chars, size_t count)
{
    const emb_token_model *m = w->model;
    uint32_t unknown = 0; /* bytes */
    w->count = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t size = emb_utf8_size(chars[i].code);
        int32_t id = find_symbol(m, chars[i].code, i == 0, i + 1 == count);
        if (id >= 0) {
            if (unknown) add_symbol(w, m->unk_id, unknown);
            unknown = 0;
            add_symbol(w, id, size);
            continue;
        }
        if (w->count + 4 > w->capacity) return emb_words_too_long(w, chars[i].start);
        if (m->bpe.byte_fallback && add_bytes(w, chars[i].code)) continue;
        if (!m->unk) continue;
        if (m->unk_id < 0) return no_unknown(w, &chars[i]);
        if (unknown && !m->bpe.fuse_unk) {
            add_symbol(w, m->unk_id, unknown);
            unknown = 0;
        }
        unknown += size;
    }
    if (unknown) add_symbol(w, m->unk_id, unknown);
    return EMBED_OK;
}

/* ---- merging ---------------------------------------------------------------------------- */

/* Few symbols: they move together as they merge. */
static void merge_short(emb_words *w)
{
    const emb_bpe *b = &w->model->bpe;
    emb_symbol *s = w->symbols;
    const emb_merge *best[SHORT_WORD];
    int64_t n = w->count;

    for (int64_t i = 0; i + 1 < n; i++) best[i] = find_merge(b, s[i].id, s[i + 1].id);
    for (;;) {
        int64_t at = -1;
        int32_t rank = NO_RANK;
        for (int64_t i = 0; i + 1 < n; i++) {
            if (!best[i] || best[i]->rank >= rank) continue;
            rank = best[i]->rank;
            at = i;
        }
        if (at < 0) break;
        s[at].id = best[at]->id;
        s[at].size += s[at + 1].size;
        n--;
        for (int64_t i = at + 1; i < n; i++) {
            s[i] = s[i + 1];
            best[i - 1] = best[i];
        }
        if (at > 0) best[at - 1] = find_merge(b, s[at - 1].id, s[at].id);
        if (at + 1 < n) best[at] = find_merge(b, s[at].id, s[at + 1].id);
    }
    w->count = n;
}

/* A heap of rank << 32 | position, the least on top: of equal ranks the leftmost pair. */
static void heap_push(emb_words *w, int32_t left)
{
    const emb_symbol *s = w->symbols;
    if (left < 0 || s[left].next < 0) return;
    const emb_merge *m = find_merge(&w->model->bpe, s[left].id, s[s[left].next].id);
    if (!m) return;
    uint64_t key = (uint64_t)(uint32_t)m->rank << 32 | (uint32_t)left;
    size_t i = w->heap_size++;
    for (; i > 0 && w->heap[(i - 1) / 2] > key; i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = key;
}

static uint64_t heap_pop(emb_words *w)
{
    uint64_t top = w->heap[0], key = w->heap[--w->heap_size];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->heap_size; i = child) {
        if (child + 1 < w->heap_size && w->heap[child + 1] < w->heap[child]) child++;
        if (w->heap[child] >= key) break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = key;
    return top;
}

static void merge_long(emb_words *w)
{
    emb_symbol *s = w->symbols;
    int32_t n = (int32_t)w->count;
    w->heap_size = 0;
    for (int32_t i = 0; i < n; i++) {
        s[i].previous = i - 1;
        s[i].next = i + 1 < n ? i + 1 : -1;
    }
    for (int32_t i = 0; i < n; i++) heap_push(w, i);
    while (w->heap_size > 0) {
        uint64_t top = heap_pop(w);
        int32_t at = (int32_t)(uint32_t)top, next = s[at].next;
        if (s[at].size == 0 || next < 0) continue; /* merged away since */
        const emb_merge *m = find_merge(&w->model->bpe, s[at].id, s[next].id);
        if (!m || (uint64_t)m->rank != top >> 32) continue; /* another pair by now */
        s[at].id = m->id;
        s[at].size += s[next].size;
        s[next].size = 0;
        s[at].next = s[next].next;
        if (s[at].next >= 0) s[s[at].next].previous = at;
        heap_push(w, s[at].previous);
        heap_push(w, at);
    }
    int64_t kept = 0;
    for (int32_t i = 0; i < n; i++) {
        if (s[i].size) s[kept++] = s[i];
    }
    w->count = kept;
}

/* ---- a word -------------------------------------------------------------------------------- */

/* Sizes are bytes of the word, and add up: after a character that was left out, or within one that
 * became bytes, a token lies where its bytes do. */
static void push_symbols(emb_words *w, const emb_char *chars, size_t count)
{
    size_t first = 0, begin = 0, byte = 0; /* chars[first] begins at byte `begin` of the word */
    for (int64_t i = 0; i < w->count; i++) {
        size_t end = byte + w->symbols[i].size;
        for (; first + 1 < count && begin + emb_utf8_size(chars[first].code) <= byte; first++) {
            begin += emb_utf8_size(chars[first].code);
        }
        size_t last = first, last_begin = begin;
        for (; last + 1 < count && last_begin + emb_utf8_size(chars[last].code) < end; last++) {
            last_begin += emb_utf8_size(chars[last].code);
        }
        emb_words_token(w, w->symbols[i].id, &chars[first], &chars[last]);
        first = last;
        begin = last_begin;
        byte = end;
    }
}

/* The whole word is one piece, and merges are not asked. */
static bool push_whole(emb_words *w, const emb_char *chars, size_t count)
{
    int32_t entry = emb_words_find(w, chars, count);
    if (entry >= 0) emb_words_token(w, w->model->vocab.entries[entry].value, chars,
                                    &chars[count - 1]);
    return entry >= 0;
}

static int32_t word(emb_words *w, const emb_char *chars, size_t count)
{
    if (w->model->bpe.ignore_merges && push_whole(w, chars, count)) {
        w->word++;
        return EMBED_OK;
    }
    int32_t status = collect(w, chars, count);
    if (status < 0) return status;
    if (w->count <= SHORT_WORD) merge_short(w);
    else merge_long(w);
    push_symbols(w, chars, count);
    w->word++;
    return EMBED_OK;
}

static void plan(emb_words *w, emb_arena *arena, size_t chars)
{
    w->capacity = (int64_t)chars + 4;
    w->symbols = emb_arena_take(arena, chars + 4, sizeof *w->symbols);
    /* a merge takes one pair off and puts two on: never more than twice the symbols */
    w->heap = emb_arena_take(arena, chars + 4, 2 * sizeof *w->heap);
    w->bytes = emb_arena_take(arena, w->model->vocab.longest + 4, 1);
}

const emb_token_model_kind emb_token_model_bpe = {"BPE", plan, word};
