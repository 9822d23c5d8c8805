/* A tree to a program. Each node is compiled to what follows it, so most instructions stand after
 * those they lead to. Characters fall into classes that no set of the pattern tells apart. */
#include "regex_program.h"

typedef struct compiler {
    emb_regex *r;
    const emb_regex_tree *tree;
    const char *where;
    embed_error *error;
    int32_t capacity;
    int16_t depth;
} compiler;

static int32_t no_memory(const compiler *c)
{
    return emb_fail(c->error, EMBED_ENOMEM, "%s: no memory", c->where);
}

/* ---- instructions ------------------------------------------------------------------- */

static int32_t emit(compiler *c, emb_regex_instruction i)
{
    emb_regex *r = c->r;
    if (r->count == EMB_REGEX_MAX_PROGRAM) {
        return emb_fail(c->error, EMBED_EUNSUPPORTED,
                        "%s: regular expression: more than %d instructions", c->where,
                        EMB_REGEX_MAX_PROGRAM);
    }
    if (r->count == c->capacity) {
        int32_t more = c->capacity * 2 + 64;
        emb_regex_instruction *grown = emb_calloc(&r->allocator, (size_t)more, sizeof *grown);
        if (!grown) return no_memory(c);
        if (r->count) memcpy(grown, r->program, (size_t)r->count * sizeof *grown);
        emb_free(&r->allocator, r->program);
        r->program = grown;
        c->capacity = more;
    }
    i.depth = c->depth;
    r->program[r->count] = i;
    return r->count++;
}

static int32_t compile(compiler *c, int32_t node, int32_t next);

static int32_t split(compiler *c, bool lazy, int32_t into, int32_t past)
{
    return emit(c, (emb_regex_instruction){.op = EMB_OP_SPLIT, .next = lazy ? past : into,
                                           .other = lazy ? into : past});
}

/* The body of a LOOK or ATOMIC; next: of its end. */
static int32_t compile_body(compiler *c, int32_t node, int32_t next)
{
    c->depth++;
    int32_t end = emit(c, (emb_regex_instruction){.op = EMB_OP_END, .next = next, .other = -1});
    int32_t body = end < 0 ? end : compile(c, node, end);
    c->depth--;
    return body;
}

/* x* */
static int32_t compile_loop(compiler *c, const emb_regex_node *n, int32_t next)
{
    const emb_regex_node *child = &c->tree->nodes[n->child];
    if (child->kind == EMB_NODE_SET) {
        return emit(c, (emb_regex_instruction){.op = EMB_OP_LOOP, .how = n->how,
                                               .set = (uint16_t)child->set, .next = next,
                                               .other = -1});
    }
    int32_t again = split(c, n->how == EMB_LAZY, next, next);
    if (again < 0) return again;
    int32_t body = compile(c, n->child, again);
    if (body < 0) return body;
    if (n->how == EMB_LAZY) c->r->program[again].other = body;
    else c->r->program[again].next = body;
    return again;
}

static int32_t compile_repeat(compiler *c, const emb_regex_node *n, int32_t next)
{
    bool set = c->tree->nodes[n->child].kind == EMB_NODE_SET;
    bool once = n->how == EMB_POSSESSIVE && !(set && n->high < 0);
    int32_t after = next;
    if (once) {
        c->depth++;
        next = emit(c, (emb_regex_instruction){.op = EMB_OP_END, .next = after, .other = -1});
    }
    if (n->high < 0 && next >= 0) next = compile_loop(c, n, next);
    int32_t past = next;
    for (int32_t i = n->high; i > n->low && next >= 0; i--) {
        next = compile(c, n->child, next);
        if (next >= 0) next = split(c, n->how == EMB_LAZY, next, past);
    }
    for (int32_t i = 0; i < n->low && next >= 0; i++) next = compile(c, n->child, next);
    if (once) c->depth--;
    if (!once || next < 0) return next;
    return emit(c, (emb_regex_instruction){.op = EMB_OP_ATOMIC, .next = after, .other = next});
}

/* Children are linked first to last, and compiled last to first. */
static int32_t compile_children(compiler *c, int32_t child, bool choice, int32_t next)
{
    int32_t count = 0, entry = choice ? -1 : next;
    for (int32_t i = child; i >= 0; i = c->tree->nodes[i].sibling) count++;
    int32_t *list = emb_alloc(&c->r->allocator, (size_t)count, sizeof *list);
    if (!list) return no_memory(c);
    for (int32_t i = child, k = 0; i >= 0; i = c->tree->nodes[i].sibling) list[k++] = i;
    while (count > 0) {
        int32_t begin = compile(c, list[--count], choice ? next : entry);
        entry = begin < 0 || entry < 0 || !choice ? begin : split(c, false, begin, entry);
        if (entry < 0) break;
    }
    emb_free(&c->r->allocator, list);
    return entry;
}

static int32_t compile(compiler *c, int32_t node, int32_t next)
{
    const emb_regex_node *n = &c->tree->nodes[node];
    int32_t body;
    switch (n->kind) {
    case EMB_NODE_SET:
        return emit(c, (emb_regex_instruction){.op = EMB_OP_SET, .set = (uint16_t)n->set,
                                               .next = next, .other = -1});
    case EMB_NODE_SEQUENCE: return compile_children(c, n->child, false, next);
    case EMB_NODE_CHOICE: return compile_children(c, n->child, true, next);
    case EMB_NODE_REPEAT: return compile_repeat(c, n, next);
    case EMB_NODE_LOOK:
    case EMB_NODE_ATOMIC:
        body = compile_body(c, n->child, n->kind == EMB_NODE_LOOK ? -1 : next);
        if (body < 0) return body;
        return emit(c, (emb_regex_instruction){
            .op = n->kind == EMB_NODE_LOOK ? EMB_OP_LOOK : EMB_OP_ATOMIC, .how = n->how,
            .next = next, .other = body});
    case EMB_NODE_ASSERT:
        return emit(c, (emb_regex_instruction){.op = EMB_OP_ASSERT, .how = n->how, .next = next,
                                               .other = -1});
    default: return next;
    }
}

/* ---- order -------------------------------------------------------------------------- */

/* What an instruction needs to know at the same place of the text: at most two others. */
static int needs(const emb_regex_instruction *i, int32_t out[2])
{
    switch (i->op) {
    case EMB_OP_SET: return 0;
    case EMB_OP_LOOP: case EMB_OP_ASSERT: out[0] = i->next; return 1;
    case EMB_OP_END: out[0] = i->next; return i->next >= 0;
    case EMB_OP_ATOMIC: out[0] = i->other; return 1;
    default: out[0] = i->next; out[1] = i->other; return 2; /* SPLIT, LOOK */
    }
}

/* Instructions after what they need; loops consume, so there is such an order. */
static int32_t sort_program(compiler *c)
{
    emb_regex *r = c->r;
    int32_t placed = 0;
    int32_t *stack = emb_alloc(&r->allocator, (size_t)r->count * 3 + 1, sizeof *stack);
    uint8_t *state = emb_calloc(&r->allocator, (size_t)r->count, 1);
    r->order = emb_alloc(&r->allocator, (size_t)r->count, sizeof *r->order);
    bool ok = stack && state && r->order;
    for (int32_t i = 0; ok && i < r->count; i++) {
        int32_t height = 0;
        stack[height++] = i;
        while (height > 0) {
            int32_t at = stack[height - 1], out[2];
            if (state[at]) {
                height--;
                if (state[at] == 1) r->order[placed++] = at;
                state[at] = 2;
                continue;
            }
            state[at] = 1;
            for (int n = needs(&r->program[at], out); n > 0; n--) {
                if (!state[out[n - 1]]) stack[height++] = out[n - 1];
            }
        }
    }
    emb_free(&r->allocator, stack);
    emb_free(&r->allocator, state);
    return ok ? EMBED_OK : no_memory(c);
}

/* ---- classes of characters ---------------------------------------------------------- */

#define LAST 0x10FFFFu

typedef struct classes { /* which sets the characters of a class are in */
    uint8_t *members;    /* [class * sets + set] */
    int32_t count;
} classes;

/* The class of the characters from c on, and how far they go. -1: too many classes. */
static int32_t class_of(const emb_regex_tree *t, classes *k, size_t *places, uint32_t c,
                        uint32_t *end)
{
    uint8_t *mine = k->members + (size_t)k->count * (size_t)t->sets_count;
    *end = LAST + 1;
    for (int32_t s = 0; s < t->sets_count; s++) {
        const emb_ranges *set = &t->sets[s];
        while (places[s] < set->count && set->items[places[s]].last < c) places[s]++;
        bool more = places[s] < set->count;
        bool in = more && set->items[places[s]].first <= c;
        if (more) *end = EMB_MIN(*end, in ? set->items[places[s]].last + 1
                                          : set->items[places[s]].first);
        mine[s] = in;
    }
    for (int32_t i = 0; i < k->count; i++) {
        if (!memcmp(k->members + (size_t)i * (size_t)t->sets_count, mine, (size_t)t->sets_count)) {
            return i;
        }
    }
    return k->count < 255 ? k->count++ : -1;
}

/* The number of a block that is equal to the last one in class_blocks, or its own. */
static uint16_t share_block(emb_regex *r, const uint16_t *heads, uint16_t *links, int32_t blocks,
                            uint32_t hash)
{
    const uint8_t *last = r->class_blocks + ((size_t)blocks << 7);
    for (uint16_t i = heads[hash]; i; i = links[i - 1]) {
        if (!memcmp(r->class_blocks + ((size_t)(i - 1) << 7), last, 128)) return (uint16_t)(i - 1);
    }
    return (uint16_t)blocks;
}

static uint32_t hash_block(const uint8_t *block)
{
    uint32_t h = 0;
    for (int i = 0; i < 128; i++) h = h * 31 + block[i];
    return (h ^ h >> 15) & 1023;
}

enum { BLOCKS = (LAST + 1) >> 7 };

/* Fill class_index and class_blocks. The blocks are as many as differ. */
static int32_t fill_blocks(compiler *c, classes *k, size_t *places, uint16_t *heads,
                           uint16_t *links)
{
    emb_regex *r = c->r;
    uint32_t at = 0, end = 0;
    int32_t class = 0, blocks = 0;
    for (uint32_t b = 0; b < BLOCKS; b++) {
        uint8_t *block = r->class_blocks + ((size_t)blocks << 7);
        for (uint32_t i = 0; i < 128;) {
            if (at == end) class = class_of(c->tree, k, places, at, &end);
            if (class < 0) {
                return emb_fail(c->error, EMBED_EUNSUPPORTED,
                                "%s: regular expression: its sets tell more than 255 kinds of "
                                "characters apart", c->where);
            }
            uint32_t n = EMB_MIN(end - at, 128 - i);
            memset(block + i, class, n);
            at += n;
            i += n;
        }
        uint32_t hash = hash_block(block);
        r->class_index[b] = share_block(r, heads, links, blocks, hash);
        if (r->class_index[b] != blocks) continue;
        links[blocks] = heads[hash];
        heads[hash] = (uint16_t)++blocks;
    }
    return EMBED_OK;
}

static int32_t make_classes(compiler *c)
{
    emb_regex *r = c->r;
    const emb_allocator *a = &r->allocator;
    size_t sets = (size_t)c->tree->sets_count;
    classes k = {emb_calloc(a, 256 * sets, 1), 0};
    size_t *places = emb_calloc(a, sets, sizeof *places);
    uint16_t *heads = emb_calloc(a, 1024 + BLOCKS, sizeof *heads);
    uint8_t *all = emb_alloc(a, BLOCKS, 128);
    int32_t status = EMBED_ENOMEM;

    r->class_blocks = all;
    r->sets = emb_calloc(a, sets, sizeof *r->sets);
    if (k.members && places && heads && all && r->sets) {
        status = fill_blocks(c, &k, places, heads, heads + 1024);
    } else {
        no_memory(c);
    }
    if (status == EMBED_OK) {
        int32_t used = 0;
        for (uint32_t b = 0; b < BLOCKS; b++) used = EMB_MAX(used, r->class_index[b] + 1);
        r->class_blocks = emb_alloc(a, (size_t)used, 128);
        r->members = emb_calloc(a, sets * (size_t)k.count, 1);
        if (!r->class_blocks || !r->members) status = no_memory(c);
        else memcpy(r->class_blocks, all, (size_t)used << 7);
        emb_free(a, all);
    }
    if (status == EMBED_OK) {
        r->sets_count = (int32_t)sets;
        r->classes = k.count;
        for (size_t s = 0; s < sets; s++) {
            for (size_t i = 0; i < (size_t)k.count; i++) {
                r->members[s * (size_t)k.count + i] = k.members[i * sets + s];
            }
            for (uint32_t i = 0; i < 128; i++) {
                r->sets[s].ascii[i] = k.members[emb_regex_class(r, i) * sets + s];
            }
        }
    }
    emb_free(a, k.members);
    emb_free(a, places);
    emb_free(a, heads);
    return status;
}

/* ---- first bytes -------------------------------------------------------------------- */

static void add_bytes(emb_regex_bytes *b, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++) b->bits[i >> 5] |= (uint32_t)1 << (i & 31);
}

static uint32_t lead_byte(uint32_t c)
{
    char text[4];
    emb_utf8_encode(c, text);
    return (uint8_t)text[0];
}

static void add_set(emb_regex_bytes *b, const emb_ranges *set)
{
    for (size_t i = 0; i < set->count; i++) {
        add_bytes(b, lead_byte(set->items[i].first), lead_byte(set->items[i].last));
    }
}

static void join(emb_regex_bytes *b, const emb_regex_bytes *other)
{
    for (int i = 0; i < 9; i++) b->bits[i] |= other->bits[i];
}

static void find_first(emb_regex *r, const emb_regex_tree *t)
{
    for (int32_t k = 0; k < r->count; k++) {
        const emb_regex_instruction *i = &r->program[r->order[k]];
        emb_regex_bytes *b = &r->first[r->order[k]];
        if (i->op == EMB_OP_SET || i->op == EMB_OP_LOOP) add_set(b, &t->sets[i->set]);
        /* an ATOMIC ends whatever follows it: that may only fail outside of it */
        if (i->op == EMB_OP_END) add_bytes(b, 0, 256);
        else if (i->op == EMB_OP_ATOMIC) join(b, &r->first[i->other]);
        else if (i->op != EMB_OP_SET) join(b, &r->first[i->next]);
        if (i->op == EMB_OP_SPLIT) join(b, &r->first[i->other]);
    }
    for (uint32_t byte = 0; byte <= 256; byte++) {
        int32_t at = r->entry;
        while (r->program[at].op == EMB_OP_SPLIT &&
               !emb_regex_may(&r->first[r->program[at].next], byte)) {
            at = r->program[at].other;
        }
        r->start[byte] = emb_regex_may(&r->first[at], byte) ? at : -1;
    }
}

/* ---- all of it ---------------------------------------------------------------------- */

static int32_t build(compiler *c)
{
    emb_regex *r = c->r;
    int32_t end = emit(c, (emb_regex_instruction){.op = EMB_OP_END, .next = -1, .other = -1});
    r->entry = end < 0 ? end : compile(c, c->tree->root, end);
    if (r->entry < 0) return r->entry;
    int32_t status = sort_program(c);
    if (status == EMBED_OK) status = make_classes(c);
    if (status < 0) return status;
    r->first = emb_calloc(&r->allocator, (size_t)r->count, sizeof *r->first);
    if (!r->first) return no_memory(c);
    find_first(r, c->tree);
    return EMBED_OK;
}

int32_t emb_regex_compile(emb_regex **regex, const char *pattern, size_t size, const char *where,
                          const emb_allocator *a, embed_error *error)
{
    emb_regex_tree tree;
    *regex = NULL;
    int32_t status = emb_regex_parse(&tree, pattern, size, where, a, error);
    emb_regex *r = NULL;
    if (status == EMBED_OK) {
        r = emb_calloc(a, 1, sizeof *r);
        if (!r) status = emb_fail(error, EMBED_ENOMEM, "%s: no memory", where);
    }
    if (r) {
        r->allocator = *a;
        compiler c = {.r = r, .tree = &tree, .where = where, .error = error};
        status = build(&c);
    }
    emb_regex_tree_free(&tree);
    if (status < 0) emb_regex_free(r);
    else *regex = r;
    return status;
}

void emb_regex_free(emb_regex *r)
{
    if (!r) return;
    emb_allocator a = r->allocator;
    emb_free(&a, r->program);
    emb_free(&a, r->first);
    emb_free(&a, r->order);
    emb_free(&a, r->sets);
    emb_free(&a, r->members);
    emb_free(&a, r->class_blocks);
    emb_free(&a, r);
}
