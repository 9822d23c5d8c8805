/* Added tokens: the automaton that finds them, and the rules (single_word, lstrip, rstrip) that a
 * match obeys. */
#include "text.h"

#define CODE_BITS 21
#define MAX_PROBE 4096
#define MAX_CODES (1 << 23) /* of all patterns together: each takes some 70 bytes */

/* ---- automaton: build ------------------------------------------------------------ */

static size_t edge_slot(uint64_t key)
{
    key *= UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(key ^ key >> 29);
}

static int32_t edge_find(const emb_matcher *m, int32_t node, uint32_t code)
{
    uint64_t key = ((uint64_t)node << CODE_BITS | code) + 1;
    size_t slot = edge_slot(key);
    for (size_t probe = 0; probe <= m->edges_probe; probe++) {
        size_t i = (slot + probe) & m->edges_mask;
        if (m->edges[i] == key) return m->edge_to[i];
        if (!m->edges[i]) return -1;
    }
    return -1;
}

static bool edge_add(emb_matcher *m, int32_t node, uint32_t code, int32_t to)
{
    uint64_t key = ((uint64_t)node << CODE_BITS | code) + 1;
    size_t slot = edge_slot(key);
    for (size_t probe = 0; probe < MAX_PROBE; probe++) {
        size_t i = (slot + probe) & m->edges_mask;
        if (m->edges[i]) continue;
        m->edges[i] = key;
        m->edge_to[i] = to;
        m->edges_probe = EMB_MAX(m->edges_probe, probe);
        return true;
    }
    return false;
}

/* Add a pattern, last character first. The first of two equal patterns stays. */
static bool insert(emb_matcher *m, const uint32_t *codes, size_t size, int32_t token)
{
    int32_t node = 0;
    for (size_t i = size; i-- > 0;) {
        int32_t next = edge_find(m, node, codes[i]);
        if (next < 0) {
            next = m->count++;
            m->nodes[next] = (struct emb_matcher_node){.out = -1,
                                                       .depth = m->nodes[node].depth + 1};
            if (!edge_add(m, node, codes[i], next)) return false;
        }
        node = next;
    }
    if (m->nodes[node].out < 0) {
        m->nodes[node].out = token;
        m->nodes[node].size = (int32_t)size;
    }
    m->longest = EMB_MAX(m->longest, (uint32_t)size);
    return true;
}

/* Failure links, by ascending depth; a node without a pattern of its own takes the longest that
 * ends in it. */
static bool link_nodes(emb_matcher *m, const emb_allocator *a)
{
    size_t nodes = (size_t)m->count, levels = m->longest + 2;
    struct { int32_t parent, node; uint32_t code; } *order = emb_calloc(a, nodes, sizeof *order);
    size_t *level = emb_calloc(a, levels, sizeof *level);
    bool ok = order && level;

    for (size_t i = 1; ok && i < nodes; i++) level[m->nodes[i].depth + 1]++;
    for (size_t i = 1; ok && i < levels; i++) level[i] += level[i - 1];
    for (size_t i = 0; ok && i <= m->edges_mask; i++) {
        if (!m->edges[i]) continue;
        uint64_t key = m->edges[i] - 1;
        size_t at = level[m->nodes[m->edge_to[i]].depth]++;
        order[at].parent = (int32_t)(key >> CODE_BITS);
        order[at].code = key & ((1 << CODE_BITS) - 1);
        order[at].node = m->edge_to[i];
    }
    for (size_t i = 0; ok && i + 1 < nodes; i++) {
        struct emb_matcher_node *n = &m->nodes[order[i].node];
        int32_t f = order[i].parent, to = -1;
        while (f > 0 && to < 0) {
            f = m->nodes[f].fail;
            to = edge_find(m, f, order[i].code);
        }
        n->fail = to < 0 ? 0 : to;
        if (n->out < 0) {
            n->out = m->nodes[n->fail].out;
            n->size = m->nodes[n->fail].size;
        }
    }
    emb_free(a, order);
    emb_free(a, level);
    return ok;
}

/* Bytes that text may hold where a pattern begins. U+FFFD also stands for bytes that are not
 * UTF-8. */
static void note_first(emb_matcher *m, uint32_t code)
{
    char bytes[4];
    emb_utf8_encode(code, bytes);
    m->first[(uint8_t)bytes[0]] = 1;
    if (code == 0xFFFD) memset(m->first + 0x80, 1, 0x80);
}

int32_t emb_matcher_build(emb_matcher *m, const emb_allocator *a, const uint32_t *codes,
                          const size_t *ends,
                          const int32_t *tokens, int32_t count, embed_error *error)
{
    size_t total = count ? ends[count - 1] : 0, edges = 16, firsts = 0;

    *m = (emb_matcher){.only_first = -1};
    if (count == 0) return EMBED_OK;
    if (total > MAX_CODES) return emb_fail(error, EMBED_EFORMAT, "added tokens: too long");
    while (edges < 2 * total) edges *= 2;
    m->nodes = emb_calloc(a, total + 1, sizeof *m->nodes);
    m->edges = emb_calloc(a, edges, sizeof *m->edges);
    m->edge_to = emb_calloc(a, edges, sizeof *m->edge_to);
    m->edges_mask = edges - 1;
    if (!m->nodes || !m->edges || !m->edge_to) goto out_of_memory;
    m->nodes[0].out = -1;
    m->count = 1;
    for (int32_t i = 0; i < count; i++) {
        size_t begin = i ? ends[i - 1] : 0;
        if (!insert(m, codes + begin, ends[i] - begin, tokens[i])) {
            emb_matcher_free(m, a);
            return emb_fail(error, EMBED_EFORMAT,
                            "added tokens: too many that collide in a hash table");
        }
        note_first(m, codes[begin]);
    }
    for (int32_t i = 0; i < 256; i++) {
        if (!m->first[i]) continue;
        m->only_first = firsts++ ? -1 : i;
    }
    if (link_nodes(m, a)) return EMBED_OK;
out_of_memory:
    emb_matcher_free(m, a);
    return emb_fail(error, EMBED_ENOMEM, "added tokens: out of memory");
}

void emb_matcher_free(emb_matcher *m, const emb_allocator *a)
{
    emb_free(a, m->nodes);
    emb_free(a, m->edges);
    emb_free(a, m->edge_to);
    *m = (emb_matcher){.only_first = -1};
}

/* ---- automaton: run ------------------------------------------------------------------- */

void emb_matcher_run(const emb_matcher *m, const emb_char *chars, size_t count, emb_match *matches)
{
    int32_t node = 0;
    for (size_t i = count; i-- > 0;) {
        int32_t next;
        while ((next = edge_find(m, node, chars[i].code)) < 0 &&
               node > 0) node = m->nodes[node].fail;
        node = next < 0 ? 0 : next;
        matches[i] = (emb_match){m->nodes[node].out, (uint32_t)m->nodes[node].size};
    }
}

size_t emb_matcher_candidate(const emb_matcher *m, const emb_source *s, size_t at)
{
    while (at < s->size) {
        bool in_prefix = at < s->prefix_size;
        const char *text = in_prefix ? s->prefix + at : s->data + (at - s->prefix_size);
        size_t size = (in_prefix ? s->prefix_size : s->size) - at, i = 0;
        if (m->only_first >= 0) {
            const char *found = memchr(text, m->only_first, size);
            i = found ? (size_t)(found - text) : size;
        } else {
            while (i < size && !m->first[(uint8_t)text[i]]) i++;
        }
        at += i;
        if (i < size) break;
    }
    return at;
}

/* ---- rules of a match --------------------------------------------------------------------- */

/* Code point at or before a place of the view, and how far the next one is. */
static uint32_t view_next(const emb_view *v, size_t at, size_t *size)
{
    emb_char c = v->chars ? v->chars[at] : emb_source_next(v->source, at);
    *size = v->chars ? 1 : c.size;
    return c.code;
}

static uint32_t view_previous(const emb_view *v, size_t at, size_t *size)
{
    emb_char c = v->chars ? v->chars[at - 1] : emb_source_previous(v->source, at);
    *size = v->chars ? 1 : c.size;
    return c.code;
}

static bool is(uint32_t code, uint32_t flag)
{
    return emb_unicode_flags(code) & flag;
}

/* End of the white space from `at` on. Many tokens may end in the same run of it: it is walked
 * once. */
static size_t spaces_end(emb_view *v, size_t at)
{
    if (at >= v->spaces_begin && at <= v->spaces_end) return v->spaces_end;
    v->spaces_begin = at;
    for (size_t size; at < v->size; at += size) {
        if (!is(view_next(v, at, &size), EMB_UNICODE_SPACE)) break;
    }
    return v->spaces_end = at;
}

bool emb_added_accept(const emb_added *added, int32_t token, emb_view *v, size_t done,
                      size_t *begin,
                      size_t *end)
{
    const emb_added_token *t = &added->tokens[token];
    size_t size;

    if (t->special && added->split_special) return false;
    if (t->single_word) {
        bool before = *begin > 0 && is(view_previous(v, *begin, &size), EMB_UNICODE_WORD);
        bool after = *end < v->size && is(view_next(v, *end, &size), EMB_UNICODE_WORD);
        if (before || after) return false;
    }
    if (t->lstrip) {
        while (*begin > done) {
            if (!is(view_previous(v, *begin, &size), EMB_UNICODE_SPACE)) break;
            *begin -= size;
        }
        *begin = EMB_MAX(*begin, done);
    }
    if (t->rstrip) *end = spaces_end(v, *end);
    return true;
}

/* ---- both automata -------------------------------------------------------------------- */

typedef struct patterns {
    emb_buffer codes; /* uint32_t */
    size_t *ends;
    int32_t *tokens;
    int32_t count;
} patterns;

/* Append a pattern. */
static int32_t append(patterns *p, const emb_added_token *t, int32_t token, const emb_char *chars,
                      size_t count, embed_error *error)
{
    if (count == 0) {
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "added token \"%s\": nothing is left of it after normalization",
                        emb_excerpt_of(t->content, t->size).text);
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t code = chars[i].code;
        emb_buffer_add(&p->codes, &code, sizeof code);
    }
    p->ends[p->count] = p->codes.size / sizeof(uint32_t);
    p->tokens[p->count++] = token;
    return EMBED_OK;
}

/* Memory to normalize contents in, of which the longest has `longest` bytes. */
typedef struct bench {
    emb_room rooms[EMB_MAX_STEPS];
    emb_char *buffers[2];
    size_t capacity;
} bench;

static void plan_bench(bench *b, const emb_steps *steps, emb_arena *arena, size_t longest)
{
    b->capacity = 32 * longest + 64; /* a character becomes at most 18 in a normal form */
    for (int i = 0; i < 2; i++) {
        b->buffers[i] = emb_arena_take(arena, b->capacity, sizeof *b->buffers[i]);
    }
    for (int i = 0; i < steps->count; i++) {
        emb_room_plan(&b->rooms[i], &steps->items[i], arena, b->capacity);
    }
}

/* The content of a token as it is looked for: normalized if the token is. */
static int32_t append_token(patterns *p, const emb_added *added, int32_t i, const emb_normalizer *n,
                            const emb_steps *steps, bench *b, embed_error *error)
{
    emb_normalizer plain = {.clean = false};
    const emb_added_token *t = &added->tokens[i];
    emb_source source = {.data = t->content, .size = t->size};
    emb_reader r;

    emb_normalizer_prepare(&plain);
    emb_reader_start(&r, t->normalized ? n : &plain, &source, 0, t->size);
    size_t count = emb_reader_read(&r, b->buffers[0], b->capacity);
    if (t->normalized) count = emb_normalize(steps, b->rooms, b->buffers, count, b->capacity);
    if (count == SIZE_MAX) {
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "added token \"%s\": more than 32 times as long after normalization",
                        emb_excerpt_of(t->content, t->size).text);
    }
    return append(p, t, i, b->buffers[0], count, error);
}

static int32_t append_all(patterns *p, const emb_added *added, bool normalized,
                          const emb_normalizer *n, const emb_steps *steps, const emb_allocator *a,
                          embed_error *error)
{
    size_t longest = 0;
    int32_t status = EMBED_OK;
    emb_arena arena;
    bench b;
    for (int32_t i = 0; i < added->count; i++) longest = EMB_MAX(longest, added->tokens[i].size);
    emb_arena_init(&arena, NULL, 0);
    plan_bench(&b, steps, &arena, longest);
    void *memory = arena.failed ? NULL : emb_alloc(a, arena.used, 1);
    if (!memory) return emb_fail(error, EMBED_ENOMEM, "added tokens: out of memory");
    emb_arena_init(&arena, memory, arena.used);
    plan_bench(&b, steps, &arena, longest);
    for (int32_t i = 0; i < added->count && status == EMBED_OK; i++) {
        if (added->tokens[i].normalized != normalized) continue;
        status = append_token(p, added, i, n, steps, &b, error);
    }
    emb_free(a, memory);
    return status;
}

static int32_t build_class(emb_matcher *m, const emb_added *added, bool normalized,
                           const emb_normalizer *n, const emb_steps *steps, const emb_allocator *a,
                           embed_error *error)
{
    int32_t status = EMBED_ENOMEM;
    patterns p = {.count = 0};

    emb_buffer_init(&p.codes, a);
    p.ends = emb_calloc(a, (size_t)added->count, sizeof *p.ends);
    p.tokens = emb_calloc(a, (size_t)added->count, sizeof *p.tokens);
    if (p.ends && p.tokens) {
        status = append_all(&p, added, normalized, n, steps, a, error);
        if (p.codes.failed) status = EMBED_ENOMEM;
    }
    if (status == EMBED_ENOMEM) emb_fail(error, status, "added tokens: out of memory");
    if (status == EMBED_OK) {
        status = emb_matcher_build(m, a, (const uint32_t *)(const void *)p.codes.data, p.ends,
                                   p.tokens, p.count, error);
    }
    emb_buffer_free(&p.codes);
    emb_free(a, p.ends);
    emb_free(a, p.tokens);
    return status;
}

int32_t emb_added_build(emb_added *added, const emb_normalizer *n, const emb_steps *normalizers,
                        const emb_allocator *a, embed_error *error)
{
    int32_t status = build_class(&added->raw, added, false, n, normalizers, a, error);
    if (status < 0) return status;
    return build_class(&added->normal, added, true, n, normalizers, a, error);
}

void emb_added_free(emb_added *added, const emb_allocator *a)
{
    for (int32_t i = 0; added->tokens && i < added->count; i++) {
        emb_free(a, (void *)(uintptr_t)added->tokens[i].content);
    }
    emb_free(a, added->tokens);
    emb_strings_free(&added->ids);
    emb_matcher_free(&added->raw, a);
    emb_matcher_free(&added->normal, a);
}
