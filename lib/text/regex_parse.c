/* A pattern, in Oniguruma's own syntax as Hugging Face tokenizers uses it, to a tree. What would
 * need more than linear time, or is in no published tokenizer, is refused with its place. */
#include "regex_program.h"

typedef struct parser {
    const char *pattern, *where;
    size_t size, at;
    emb_regex_tree *tree;
    embed_error *error;
    bool ignore_case, dot_all; /* (?i), (?m) */
    int nesting;
} parser;

typedef struct element { /* of the sequence being read */
    int32_t node;
    bool letter;         /* one character, under (?i) */
    uint32_t code;
} element;

static int32_t refuse(const parser *p, size_t at, int32_t status, const char *what)
{
    emb_excerpt rest = emb_excerpt_of(p->pattern + at, p->size - at);
    return emb_fail(p->error, status, "%s: regular expression, byte %zu, \"%s\": %s", p->where, at,
                    rest.text, what);
}

static int32_t unsupported(const parser *p, size_t at, const char *what)
{
    return refuse(p, at, EMBED_EUNSUPPORTED, what);
}

static int32_t wrong(const parser *p, size_t at, const char *what)
{
    return refuse(p, at, EMBED_EFORMAT, what);
}

static int32_t no_memory(const parser *p)
{
    return emb_fail(p->error, EMBED_ENOMEM, "%s: no memory", p->where);
}

/* ---- the tree ----------------------------------------------------------------------- */

static void *larger(const emb_allocator *a, void *old, int32_t count, int32_t *capacity,
                    size_t size)
{
    int32_t more = *capacity * 2 + 32;
    char *grown = emb_calloc(a, (size_t)more, size);
    if (!grown) return NULL;
    if (count) memcpy(grown, old, (size_t)count * size);
    emb_free(a, old);
    *capacity = more;
    return grown;
}

static int32_t add_node(parser *p, emb_regex_node node)
{
    emb_regex_tree *t = p->tree;
    if (t->count == t->capacity) {
        void *grown = larger(t->allocator, t->nodes, t->count, &t->capacity, sizeof *t->nodes);
        if (!grown) return no_memory(p);
        t->nodes = grown;
    }
    t->nodes[t->count] = node;
    return t->count++;
}

/* Takes the ranges, whatever the result. */
static int32_t add_set(parser *p, emb_ranges *ranges)
{
    emb_regex_tree *t = p->tree;
    if (t->sets_count == t->sets_capacity && !ranges->failed) {
        void *grown = larger(t->allocator, t->sets, t->sets_count, &t->sets_capacity,
                             sizeof *t->sets);
        if (grown) t->sets = grown;
        else ranges->failed = true;
    }
    if (ranges->failed) {
        emb_ranges_free(ranges);
        return no_memory(p);
    }
    t->sets[t->sets_count] = *ranges;
    return add_node(p, (emb_regex_node){.kind = EMB_NODE_SET, .child = -1, .sibling = -1,
                                        .set = t->sets_count++});
}

static int32_t add_parent(parser *p, uint8_t kind, uint8_t how, int32_t child)
{
    return add_node(p, (emb_regex_node){.kind = kind, .how = how, .child = child, .sibling = -1});
}

void emb_regex_tree_free(emb_regex_tree *t)
{
    if (!t->allocator) return;
    for (int32_t i = 0; i < t->sets_count; i++) emb_ranges_free(&t->sets[i]);
    emb_free(t->allocator, t->sets);
    emb_free(t->allocator, t->nodes);
    *t = (emb_regex_tree){.allocator = t->allocator};
}

/* ---- characters and classes --------------------------------------------------------- */

static bool looking_at(const parser *p, const char *text)
{
    size_t size = strlen(text);
    return p->size - p->at >= size && !memcmp(p->pattern + p->at, text, size);
}

static bool skip(parser *p, const char *text)
{
    if (!looking_at(p, text)) return false;
    p->at += strlen(text);
    return true;
}

static uint32_t take_char(parser *p) /* the pattern is valid UTF-8; at < size */
{
    uint32_t code;
    p->at += (size_t)emb_utf8_decode(p->pattern + p->at, p->size - p->at, &code);
    return code;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* least to most hexadecimal digits; -1: they are not there. */
static int64_t take_hex(parser *p, int least, int most)
{
    int64_t value = 0;
    int count = 0;
    for (; count < most && p->at < p->size && digit_of(p->pattern[p->at]) >= 0; count++) {
        value = value * 16 + digit_of(p->pattern[p->at++]);
    }
    return count < least ? -1 : value;
}

/* The character of an escape whose backslash and letter are read. */
static int32_t take_escape(parser *p, size_t begin, uint32_t letter, bool in_class, uint32_t *code)
{
    static const char from[] = "tnrfvae", to[] = "\t\n\r\f\v\a\033";
    const char *known = letter < 0x80 && letter ? strchr(from, (int)letter) : NULL;
    int64_t value = -1;
    if (known) {
        *code = (uint32_t)to[known - from];
        return EMBED_OK;
    }
    if (in_class && letter == 'b') {
        *code = '\b';
        return EMBED_OK;
    }
    if (letter == 'x' && skip(p, "{")) {
        value = take_hex(p, 1, 6);
        if (!skip(p, "}")) value = -1;
    } else if (letter == 'x') {
        value = take_hex(p, 2, 2);
        if (value >= 0x80) value = -1;
    } else if (letter == 'u') {
        value = take_hex(p, 4, 4);
    } else if (letter >= 0x80 || !((letter | 32) >= 'a' && (letter | 32) <= 'z')) {
        if (letter >= '0' && letter <= '9') {
            return unsupported(p, begin, "an octal number or a back-reference");
        }
        *code = letter;
        return EMBED_OK;
    } else {
        return unsupported(p, begin, "this escape is not implemented");
    }
    if (value < 0 || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return wrong(p, begin, "expected the hexadecimal number of a character");
    }
    *code = (uint32_t)value;
    return EMBED_OK;
}

/* \p{..} from its letter on. */
static int32_t take_property(parser *p, size_t begin, bool negated, emb_ranges *out)
{
    if (!skip(p, "{")) return unsupported(p, begin, "expected \\p{..}");
    if (skip(p, "^")) negated = !negated;
    size_t name = p->at;
    while (p->at < p->size && p->pattern[p->at] != '}') p->at++;
    size_t size = p->at - name;
    if (!skip(p, "}")) return wrong(p, begin, "\\p{ without }");
    if (!emb_ranges_add_property(out, p->pattern + name, size)) {
        return unsupported(p, begin, "this property is not implemented");
    }
    emb_ranges_sort(out);
    if (negated) emb_ranges_negate(out);
    return EMBED_OK;
}

/* Within brackets, \w lacks these six of Latin-1. */
static void leave_out_fractions(emb_ranges *r)
{
    static const uint32_t codes[] = {0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE};
    emb_ranges others;
    emb_ranges_init(&others, r->allocator);
    for (int64_t i = 0; i < EMB_COUNT(codes); i++) emb_ranges_add(&others, codes[i], codes[i]);
    emb_ranges_negate(&others);
    emb_ranges_intersect(r, &others);
    emb_ranges_free(&others);
}

/* \d \S \p{..}: 1, with the set in out (empty before); 0: no such; a status. begin: the backslash.
 * */
static int32_t take_class_escape(parser *p, size_t begin, uint32_t letter, bool in_class,
                                 emb_ranges *out)
{
    if (letter == 'p' || letter == 'P') {
        int32_t status = take_property(p, begin, letter == 'P', out);
        return status < 0 ? status : 1;
    }
    uint32_t lower = letter | 32;
    if (letter >= 0x80 || !(lower == 'd' || lower == 's' || lower == 'w' || lower == 'h')) return 0;
    emb_ranges_add_class(out, (char)lower);
    emb_ranges_sort(out);
    if (lower == 'w' && in_class) leave_out_fractions(out);
    if (letter != lower) emb_ranges_negate(out);
    return 1;
}

static bool trivial(const emb_ranges *r)
{
    return r->count == 0 || (r->items[0].first == 0 && r->items[0].last == 0x10FFFF);
}

static int32_t take_class(parser *p, emb_ranges *out);

/* One item of a class: *single when it is one character, *code, and may begin or end a range. */
static int32_t take_class_item(parser *p, emb_ranges *out, bool *single, uint32_t *code)
{
    size_t begin = p->at;
    emb_ranges inner;
    int32_t status;
    *single = false;
    if (looking_at(p, "[:")) return unsupported(p, begin, "POSIX brackets are not implemented");
    emb_ranges_init(&inner, p->tree->allocator);
    if (skip(p, "[")) {
        status = take_class(p, &inner);
        if (status == EMBED_OK && !inner.failed && trivial(&inner)) { /* odd in the reference */
            status = unsupported(p, begin, "a class of no or of all characters in another");
        }
    } else {
        *code = take_char(p);
        *single = *code != '\\';
        status = EMBED_OK;
        if (!*single) {
            if (p->at == p->size) return wrong(p, begin, "a \\ at the end");
            uint32_t letter = take_char(p);
            status = take_class_escape(p, begin, letter, true, &inner);
            *single = status == 0;
            if (status == 0) status = take_escape(p, begin, letter, true, code);
        }
    }
    if (status >= 0) emb_ranges_add_all(out, &inner);
    emb_ranges_free(&inner);
    return status < 0 ? status : EMBED_OK;
}

static int32_t take_range_end(parser *p, emb_ranges *out, uint32_t first)
{
    size_t begin = p->at;
    bool single;
    uint32_t last;
    p->at++; /* - */
    int32_t status = take_class_item(p, out, &single, &last);
    if (status < 0) return status;
    if (!single || last < first) return wrong(p, begin, "expected the last character of a range");
    emb_ranges_add(out, first, last);
    return EMBED_OK;
}

/* Items up to "&&" or "]". */
static int32_t take_items(parser *p, size_t begin, emb_ranges *out)
{
    size_t first = p->at;
    while (p->at < p->size && !looking_at(p, "]") && !looking_at(p, "&&")) {
        bool single, dash = looking_at(p, "-");
        uint32_t code;
        size_t at = p->at;
        int32_t status = take_class_item(p, out, &single, &code);
        if (status < 0) return status;
        bool range = looking_at(p, "-") && p->at + 1 < p->size && p->pattern[p->at + 1] != ']';
        if (dash && at != first && !looking_at(p, "]")) {
            return unsupported(p, at, "a \"-\" within a class: write \\-");
        }
        if (range && (!single || dash)) {
            return unsupported(p, p->at, "a range that does not begin with a character");
        }
        if (range) status = take_range_end(p, out, code);
        else if (single) emb_ranges_add(out, code, code);
        if (status < 0) return status;
    }
    emb_ranges_sort(out);
    return p->at < p->size ? EMBED_OK : wrong(p, begin, "[ without ]");
}

/* A class whose "[" is read. */
static int32_t take_class(parser *p, emb_ranges *out)
{
    size_t begin = p->at - 1;
    if (++p->nesting > EMB_REGEX_MAX_NESTING) return unsupported(p, begin, "nested too deeply");
    bool negated = skip(p, "^");
    if (looking_at(p, "]")) return unsupported(p, begin, "a class that begins with ]: write \\]");
    int32_t status = take_items(p, begin, out);
    while (status == EMBED_OK && skip(p, "&&")) {
        emb_ranges more;
        emb_ranges_init(&more, p->tree->allocator);
        status = take_items(p, begin, &more);
        bool odd = trivial(out) || trivial(&more); /* odd too */
        emb_ranges_intersect(out, &more);
        emb_ranges_free(&more);
        if (out->failed) return no_memory(p);
        if (status == EMBED_OK && odd) {
            return unsupported(p, begin, "&& with a class of no or of all characters");
        }
    }
    if (status < 0) return status;
    p->at++; /* ] */
    p->nesting--;
    if (p->ignore_case) {
        if (emb_ranges_has_several(out)) {
            return unsupported(p, begin,
                               "under (?i), a class of characters that stand for several");
        }
        emb_ranges_fold(out);
    }
    if (negated) emb_ranges_negate(out);
    return EMBED_OK;
}

/* ---- atoms -------------------------------------------------------------------------- */

static int32_t choice(parser *p, int32_t *node);

static int32_t literal(parser *p, size_t begin, uint32_t code, element *e)
{
    emb_ranges set;
    emb_ranges_init(&set, p->tree->allocator);
    emb_ranges_add(&set, code, code);
    if (p->ignore_case) {
        if (emb_ranges_has_several(&set)) {
            emb_ranges_free(&set);
            return unsupported(p, begin, "under (?i), a character that stands for several");
        }
        emb_ranges_fold(&set);
        e->letter = true;
        e->code = code;
    }
    return e->node = add_set(p, &set);
}

static int32_t dot(parser *p, element *e)
{
    emb_ranges set;
    emb_ranges_init(&set, p->tree->allocator);
    if (!p->dot_all) emb_ranges_add(&set, '\n', '\n');
    emb_ranges_negate(&set);
    return e->node = add_set(p, &set);
}

static int32_t bracket(parser *p, element *e)
{
    emb_ranges set;
    emb_ranges_init(&set, p->tree->allocator);
    int32_t status = take_class(p, &set);
    if (status < 0) {
        emb_ranges_free(&set);
        return status;
    }
    return e->node = add_set(p, &set);
}

static int32_t backslash(parser *p, size_t begin, element *e)
{
    static const char names[] = "AzZbB";
    static const uint8_t kinds[] = {EMB_TEXT_START, EMB_TEXT_END, EMB_TEXT_END_LINE, EMB_WORD_EDGE,
                                    EMB_NOT_WORD_EDGE};
    emb_ranges set;
    uint32_t code;
    if (p->at == p->size) return wrong(p, begin, "a \\ at the end");
    uint32_t letter = take_char(p);
    const char *known = letter < 0x80 && letter ? strchr(names, (int)letter) : NULL;
    if (known) return e->node = add_parent(p, EMB_NODE_ASSERT, kinds[known - names], -1);
    emb_ranges_init(&set, p->tree->allocator);
    int32_t status = take_class_escape(p, begin, letter, false, &set);
    if (status > 0) return e->node = add_set(p, &set);
    emb_ranges_free(&set);
    if (status == 0) status = take_escape(p, begin, letter, false, &code);
    return status < 0 ? status : literal(p, begin, code, e);
}

/* The i and m of (?i), (?i:..), (?-i); *alone: no ":" follows. */
static int32_t options(parser *p, size_t begin, bool *alone)
{
    bool on = true;
    for (; p->at < p->size; p->at++) {
        char c = p->pattern[p->at];
        if (c == '-') on = false;
        else if (c == 'i') p->ignore_case = on;
        else if (c == 'm') p->dot_all = on;
        else break;
    }
    *alone = skip(p, ")");
    if (*alone || skip(p, ":")) return EMBED_OK;
    return unsupported(p, begin, "this kind of group is not implemented");
}

/* What is between ( and ), as child of a node; *kind EMPTY: of none. */
static int32_t group_kind(parser *p, size_t begin, uint8_t *kind, uint8_t *how)
{
    *kind = EMB_NODE_EMPTY;
    *how = 0;
    if (!skip(p, "?") || skip(p, ":")) return EMBED_OK;
    if (skip(p, "=") || looking_at(p, "!")) {
        *how = skip(p, "!");
        *kind = EMB_NODE_LOOK;
    } else if (skip(p, ">")) {
        *kind = EMB_NODE_ATOMIC;
    } else if (looking_at(p, "<=") || looking_at(p, "<!")) {
        return unsupported(p, begin, "look-behind is not implemented");
    } else if (skip(p, "<")) { /* a name, which nothing asks for */
        while (p->at < p->size && p->pattern[p->at] != '>') p->at++;
        if (!skip(p, ">")) return wrong(p, begin, "a name without >");
    } else {
        bool alone;
        int32_t status = options(p, begin, &alone);
        if (status == EMBED_OK && alone) {
            status = unsupported(p, begin, "options in the middle: write (?i:..)");
        }
        return status;
    }
    return EMBED_OK;
}

/* A group whose "(" is read. */
static int32_t group(parser *p, size_t begin, element *e)
{
    bool ignore_case = p->ignore_case, dot_all = p->dot_all;
    uint8_t kind, how;
    if (++p->nesting > EMB_REGEX_MAX_NESTING) return unsupported(p, begin, "nested too deeply");
    int32_t status = group_kind(p, begin, &kind, &how);
    if (status == EMBED_OK) status = choice(p, &e->node);
    if (status < 0) return status;
    if (!skip(p, ")")) return wrong(p, begin, "( without )");
    p->nesting--;
    p->ignore_case = ignore_case;
    p->dot_all = dot_all;
    if (kind != EMB_NODE_EMPTY) e->node = add_parent(p, kind, how, e->node);
    return e->node;
}

static int32_t atom(parser *p, element *e)
{
    size_t begin = p->at;
    uint32_t code = take_char(p);
    *e = (element){.node = -1};
    switch (code) {
    case '(': return group(p, begin, e);
    case '[': return bracket(p, e);
    case '.': return dot(p, e);
    case '\\': return backslash(p, begin, e);
    case '^': return e->node = add_parent(p, EMB_NODE_ASSERT, EMB_LINE_START, -1);
    case '$': return e->node = add_parent(p, EMB_NODE_ASSERT, EMB_LINE_END, -1);
    case '*': case '+': case '?': return wrong(p, begin, "nothing to repeat");
    default: return literal(p, begin, code, e);
    }
}

/* ---- quantifiers -------------------------------------------------------------------- */

/* {m}, {m,}, {,n}, {m,n}; anything else in braces is text. */
static bool take_braces(parser *p, int64_t *low, int64_t *high)
{
    size_t begin = p->at, digits[2] = {0, 0};
    int64_t value[2] = {0, 0};
    int which = 0;
    if (!skip(p, "{")) return false;
    for (; p->at < p->size && p->pattern[p->at] != '}'; p->at++) {
        char c = p->pattern[p->at];
        if (c == ',' && which == 0) which = 1;
        else if (c < '0' || c > '9') break;
        else {
            value[which] = EMB_MIN(value[which] * 10 + (c - '0'), INT32_MAX);
            digits[which]++;
        }
    }
    if (!skip(p, "}") || digits[0] + digits[1] == 0) {
        p->at = begin;
        return false;
    }
    *low = value[0];
    *high = which == 0 ? value[0] : digits[1] ? value[1] : EMB_REGEX_UNLIMITED;
    return true;
}

static bool nullable(const emb_regex_tree *t, int32_t node)
{
    const emb_regex_node *n = &t->nodes[node];
    switch (n->kind) {
    case EMB_NODE_SET: return false;
    case EMB_NODE_ATOMIC: return nullable(t, n->child);
    case EMB_NODE_REPEAT: return n->low == 0 || nullable(t, n->child);
    case EMB_NODE_SEQUENCE:
        for (int32_t c = n->child; c >= 0; c = t->nodes[c].sibling) {
            if (!nullable(t, c)) return false;
        }
        return true;
    case EMB_NODE_CHOICE:
        for (int32_t c = n->child; c >= 0; c = t->nodes[c].sibling) {
            if (nullable(t, c)) return true;
        }
        return false;
    default: return true;
    }
}

/* 1: e is repeated as the next quantifier says; 0: there is none. */
static int32_t quantifier(parser *p, element *e)
{
    size_t begin = p->at;
    int64_t low = 0, high = EMB_REGEX_UNLIMITED;
    uint8_t how = EMB_GREEDY;
    bool braces = take_braces(p, &low, &high);
    if (!braces) {
        if (skip(p, "+")) low = 1;
        else if (skip(p, "?")) high = 1;
        else if (!skip(p, "*")) return 0;
    }
    if (braces && low == high && looking_at(p, "?")) {
        return unsupported(p, begin, "{n}? is not implemented");
    }
    if (skip(p, "?")) how = EMB_LAZY;
    else if (!braces && skip(p, "+")) how = EMB_POSSESSIVE; /* x{n}+ is (?:x{n})+ */
    if (high >= 0 && low > high) return unsupported(p, begin, "from more to fewer");
    if (EMB_MAX(low, high) > EMB_REGEX_MAX_PROGRAM) return unsupported(p, begin, "too many times");
    const emb_regex_node *n = &p->tree->nodes[e->node];
    if (n->kind == EMB_NODE_LOOK || n->kind == EMB_NODE_ASSERT) {
        return unsupported(p, begin, "repeats what matches no text");
    }
    if (high != 1 && nullable(p->tree, e->node)) { /* the reference counts no turn behind an empty one */
        return unsupported(p, begin, "repeats what may match no text");
    }
    if (++p->nesting > EMB_REGEX_MAX_NESTING) return unsupported(p, begin, "nested too deeply");
    e->letter = false;
    e->node = add_node(p, (emb_regex_node){.kind = EMB_NODE_REPEAT, .how = how, .child = e->node,
                                           .sibling = -1, .low = (int32_t)low,
                                           .high = (int32_t)high});
    return e->node < 0 ? e->node : 1;
}

/* ---- sequences and choices ---------------------------------------------------------- */

static int32_t sequence(parser *p, int32_t *node)
{
    element before = {.node = -1}, e;
    int32_t status, first = -1;
    while (p->at < p->size && p->pattern[p->at] != '|' && p->pattern[p->at] != ')') {
        size_t begin = p->at;
        int nesting = p->nesting;
        if (skip(p, "(?#")) {
            while (p->at < p->size && p->pattern[p->at] != ')') p->at++;
            if (!skip(p, ")")) return wrong(p, begin, "( without )");
            continue;
        }
        if ((status = atom(p, &e)) < 0) return status;
        while ((status = quantifier(p, &e)) > 0) {}
        if (status < 0) return status;
        p->nesting = nesting;
        if (before.letter && e.letter && emb_regex_folds_together(before.code, e.code)) {
            return unsupported(p, begin, "under (?i), characters that one character stands for");
        }
        if (before.node < 0) first = e.node;
        else p->tree->nodes[before.node].sibling = e.node;
        before = e;
    }
    *node = first;
    if (first < 0) *node = add_parent(p, EMB_NODE_EMPTY, 0, -1);
    else if (before.node != first) *node = add_parent(p, EMB_NODE_SEQUENCE, 0, first);
    return *node;
}

static int32_t choice(parser *p, int32_t *node)
{
    int32_t first, last;
    size_t begin = p->at;
    /* (?i) in front holds to the end of the group */
    if (looking_at(p, "(?i)") || looking_at(p, "(?m)") || looking_at(p, "(?im)")) {
        bool alone;
        p->at += 2;
        int32_t option = options(p, begin, &alone);
        if (option < 0) return option;
    }
    int32_t status = sequence(p, &first);
    if (status < 0) return status;
    *node = last = first;
    while (skip(p, "|")) {
        int32_t next;
        if ((status = sequence(p, &next)) < 0) return status;
        p->tree->nodes[last].sibling = next;
        last = next;
    }
    if (last != first) *node = add_parent(p, EMB_NODE_CHOICE, 0, first);
    return *node;
}

int32_t emb_regex_parse(emb_regex_tree *tree, const char *pattern, size_t size, const char *where,
                        const emb_allocator *a, embed_error *error)
{
    parser p = {.pattern = pattern, .where = where, .size = size, .tree = tree, .error = error};
    *tree = (emb_regex_tree){.allocator = a};
    if (size > EMB_REGEX_MAX_PATTERN) {
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "%s: regular expression: %zu bytes, more than %d", where, size,
                        EMB_REGEX_MAX_PATTERN);
    }
    int64_t invalid = size ? emb_utf8_invalid(pattern, size) : -1;
    if (invalid >= 0) return wrong(&p, (size_t)invalid, "not valid UTF-8");
    int32_t status = choice(&p, &tree->root);
    if (status >= 0 && p.at < size) status = wrong(&p, p.at, ") without (");
    return status < 0 ? status : EMBED_OK;
}
