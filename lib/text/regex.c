/* Running a program over a text, in two ways that give the same matches. Backtracking is fast on
 * the patterns and texts people have; it counts its steps, and where they are too many for the
 * text read so far, the rest of the text is done by a table: for every instruction, from the end
 * of the text to its beginning, where a match from there on would end. That takes as many steps as
 * the text has characters times the instructions, whatever the pattern. The table is kept for one
 * window of the text at a time, and made again from checkpoints. */
#include "regex_program.h"

#define STACK      1024 /* alternatives that backtracking remembers */
#define FREE_STEPS 4096
#define STEPS      32   /* for each byte read */
#define WINDOW     4096 /* bytes at least */

typedef struct frame { /* to go on at pc with the text from `at` on, down or up to `bound` */
    int32_t pc;
    uint32_t at, bound;
} frame;

typedef struct scratch {
    frame *stack;
    int32_t *values, *before; /* of instructions: at a place, and at the next to its right */
    int32_t *checkpoints;     /* values at every beginning of a window */
    int32_t *ends;            /* of matches from each byte of the window; negative: none */
} scratch;

static size_t window_size(const emb_regex *r)
{
    return EMB_MAX(WINDOW, 16 * (size_t)r->count);
}

static void plan(const emb_regex *r, emb_arena *arena, size_t max_text, scratch *s)
{
    size_t count = (size_t)r->count, windows = max_text / window_size(r) + 2;
    s->stack = emb_arena_take(arena, STACK, sizeof *s->stack);
    s->values = emb_arena_take(arena, count, sizeof *s->values);
    s->before = emb_arena_take(arena, count, sizeof *s->before);
    s->ends = emb_arena_take(arena, window_size(r), sizeof *s->ends);
    s->checkpoints = emb_arena_take(arena, windows * count, sizeof *s->checkpoints);
}

size_t emb_regex_scratch_size(const emb_regex *r, size_t max_text)
{
    emb_arena arena;
    scratch s;
    emb_arena_init(&arena, NULL, 0);
    if (max_text > INT32_MAX) return SIZE_MAX;
    plan(r, &arena, max_text, &s);
    return arena.failed ? SIZE_MAX : arena.used;
}

static scratch pieces(const emb_regex_scan *scan)
{
    emb_arena arena;
    scratch s;
    emb_arena_init(&arena, scan->scratch, emb_regex_scratch_size(scan->regex, scan->size));
    plan(scan->regex, &arena, scan->size, &s);
    return s;
}

/* ---- text --------------------------------------------------------------------------- */

/* The text is valid UTF-8. */
static inline uint32_t char_at(const char *text, uint32_t at, uint32_t *size)
{
    const uint8_t *b = (const uint8_t *)text + at;
    if (b[0] < 0x80) {
        *size = 1;
        return b[0];
    }
    if (b[0] < 0xE0) {
        *size = 2;
        return (uint32_t)(b[0] & 0x1F) << 6 | (b[1] & 0x3F);
    }
    if (b[0] < 0xF0) {
        *size = 3;
        return (uint32_t)(b[0] & 0x0F) << 12 | (uint32_t)(b[1] & 0x3F) << 6 | (b[2] & 0x3F);
    }
    *size = 4;
    return (uint32_t)(b[0] & 0x07) << 18 | (uint32_t)(b[1] & 0x3F) << 12 |
           (uint32_t)(b[2] & 0x3F) << 6 | (b[3] & 0x3F);
}

static inline uint32_t step_back(const char *text, uint32_t at)
{
    do at--;
    while (((uint8_t)text[at] & 0xC0) == 0x80);
    return at;
}

/* Bytes of the character at `at` if it is in the set, else 0. */
static inline uint32_t in_set(const emb_regex *r, const char *text, uint32_t size, uint32_t at,
                              uint32_t set)
{
    uint32_t n;
    if (at >= size) return 0;
    uint8_t byte = (uint8_t)text[at];
    if (byte < 0x80) return r->sets[set].ascii[byte];
    uint32_t c = char_at(text, at, &n);
    return r->members[set * (uint32_t)r->classes + emb_regex_class(r, c)] ? n : 0;
}

static bool is_word(const char *text, uint32_t at)
{
    uint32_t n;
    return emb_regex_flags(char_at(text, at, &n)) & EMB_REGEX_WORD;
}

static bool holds(const char *text, uint32_t size, uint32_t at, int what)
{
    bool edge;
    switch (what) {
    case EMB_TEXT_START: return at == 0;
    case EMB_TEXT_END: return at == size;
    case EMB_TEXT_END_LINE: return at == size || (at + 1 == size && text[at] == '\n');
    case EMB_LINE_START: return at == 0 || (text[at - 1] == '\n' && at < size);
    case EMB_LINE_END: return at == size || text[at] == '\n';
    default:
        edge = (at > 0 && is_word(text, step_back(text, at))) != (at < size && is_word(text, at));
        return edge == (what == EMB_WORD_EDGE);
    }
}

/* ---- backtracking ------------------------------------------------------------------- */

enum { NO_MATCH = -1, TOO_LONG = -2 };

typedef struct runner {
    const emb_regex *r;
    const char *text;
    uint32_t size, reach; /* reach: how far the text has been read */
    size_t steps;
    frame *stack;
} runner;

static inline bool too_long(const runner *x)
{
    return x->steps > FREE_STEPS + (size_t)STEPS * x->reach;
}

static inline uint32_t byte_at(const runner *x, uint32_t at)
{
    return at < x->size ? (uint8_t)x->text[at] : 256;
}

/* How far characters of the set go. */
static uint32_t run_of(runner *x, uint32_t at, uint32_t set)
{
    const uint8_t *ascii = x->r->sets[set].ascii;
    uint32_t begin = at;
    for (;;) {
        while (at < x->size && (uint8_t)x->text[at] < 0x80 && ascii[(uint8_t)x->text[at]]) at++;
        if (at == x->size || (uint8_t)x->text[at] < 0x80) break;
        uint32_t n = in_set(x->r, x->text, x->size, at, set);
        if (n == 0) break;
        at += n;
    }
    x->steps += at - begin;
    return at;
}

/* Take the last alternative: true with *pc and *at. height: of the stack, base: not below. */
static bool back(runner *x, int base, int *height, int32_t *pc, uint32_t *at)
{
    const emb_regex *r = x->r;
    while (*height > base) {
        frame *f = &x->stack[*height - 1];
        const emb_regex_instruction *i = &r->program[f->pc];
        x->steps++;
        if (i->op != EMB_OP_LOOP) { /* a SPLIT's other */
            (*height)--;
            *pc = i->other;
            *at = f->at;
            return true;
        }
        if (i->how == EMB_LAZY) { /* one character more */
            uint32_t n = in_set(r, x->text, x->size, f->at, i->set);
            if (n == 0) {
                (*height)--;
                continue;
            }
            f->at += n;
        } else { /* one less */
            if (f->at == f->bound) {
                (*height)--;
                continue;
            }
            f->at = step_back(x->text, f->at);
        }
        if (!emb_regex_may(&r->first[i->next], byte_at(x, f->at))) continue;
        *pc = i->next;
        *at = f->at;
        return true;
    }
    return false;
}

/* The end of the match of pc at `at`, NO_MATCH, or TOO_LONG. */
static int64_t run(runner *x, int32_t pc, uint32_t at, int base)
{
    const emb_regex *r = x->r;
    int height = base;
    int64_t end;
    for (;;) {
        const emb_regex_instruction *i = &r->program[pc];
        bool ok = true;
        uint32_t n;
        switch (i->op) {
        case EMB_OP_SET:
            n = in_set(r, x->text, x->size, at, i->set);
            ok = n > 0;
            at += n;
            break;
        case EMB_OP_SPLIT:
            n = byte_at(x, at);
            if (!emb_regex_may(&r->first[i->next], n)) {
                pc = i->other;
                x->steps++;
                continue;
            }
            if (!emb_regex_may(&r->first[i->other], n)) break;
            if (height == STACK) return TOO_LONG;
            x->stack[height++] = (frame){pc, at, at};
            break;
        case EMB_OP_LOOP:
            n = i->how == EMB_LAZY ? at : run_of(x, at, i->set);
            if (i->how != EMB_POSSESSIVE && (n > at || i->how == EMB_LAZY)) {
                if (height == STACK) return TOO_LONG;
                x->stack[height++] = (frame){pc, n, at};
            }
            at = n;
            break;
        case EMB_OP_LOOK:
            end = run(x, i->other, at, height);
            if (end == TOO_LONG) return end;
            ok = (end >= 0) != i->how;
            break;
        case EMB_OP_ATOMIC:
            end = run(x, i->other, at, height);
            if (end == TOO_LONG) return end;
            ok = end >= 0;
            if (ok) at = (uint32_t)end;
            break;
        case EMB_OP_ASSERT:
            ok = holds(x->text, x->size, at, i->how);
            break;
        default: /* END */
            return at;
        }
        x->steps++;
        pc = i->next;
        if (ok) continue;
        x->reach = EMB_MAX(x->reach, at);
        if (too_long(x)) return TOO_LONG;
        if (!back(x, base, &height, &pc, &at)) return NO_MATCH;
    }
}

/* ---- the table ---------------------------------------------------------------------- */

/* The value of an instruction at a place: where the match ends, or FAILED(depth): it failed within
 * so many ATOMICs. One that failed further out is not tried again further in: that is what an
 * ATOMIC means. */
#define FAILED(depth) (-1 - (depth))

static void values_at(const emb_regex_scan *scan, uint32_t at, int32_t *values,
                      const int32_t *before)
{
    const emb_regex *r = scan->regex;
    uint32_t n, class = at < scan->size ? emb_regex_class(r, char_at(scan->text, at, &n)) : 0;
    for (int32_t k = 0; k < r->count; k++) {
        int32_t pc = r->order[k], value;
        const emb_regex_instruction *i = &r->program[pc];
        int32_t failed = FAILED(i->depth);
        bool in = at < scan->size && (i->op == EMB_OP_SET || i->op == EMB_OP_LOOP) &&
                  r->members[i->set * (uint32_t)r->classes + class];
        switch (i->op) {
        case EMB_OP_SET:
            value = in ? before[i->next] : failed;
            break;
        case EMB_OP_SPLIT:
            value = values[i->next] == failed ? values[i->other] : values[i->next];
            break;
        case EMB_OP_LOOP:
            if (i->how == EMB_POSSESSIVE) value = in ? before[pc] : values[i->next];
            else if (i->how == EMB_GREEDY) {
                value = in && before[pc] != failed ? before[pc] : values[i->next];
            } else {
                value = in && values[i->next] == failed ? before[pc] : values[i->next];
            }
            break;
        case EMB_OP_LOOK:
            value = (values[i->other] >= 0) != i->how ? values[i->next] : failed;
            break;
        case EMB_OP_ATOMIC:
            value = values[i->other] == FAILED(i->depth + 1) ? failed : values[i->other];
            break;
        case EMB_OP_ASSERT:
            value = holds(scan->text, (uint32_t)scan->size, at, i->how) ? values[i->next] : failed;
            break;
        default: /* END */
            value = i->next >= 0 ? values[i->next] : (int32_t)at;
        }
        values[pc] = value;
    }
}

/* Values of the places from `from` (a beginning of a character) down to `to`, beginning with those
 * of the end of the text, or at a checkpoint. ends: of the window that begins at `to`, or NULL. */
static void sweep(const emb_regex_scan *scan, scratch *s, uint32_t from, uint32_t to, int32_t *ends)
{
    size_t window = scan->checkpoint, count = (size_t)scan->regex->count;
    uint32_t at = from;
    while (at > to) {
        uint32_t right = at;
        at = step_back(scan->text, at);
        if (at < to) break;
        int32_t *swap = s->before;
        s->before = s->values;
        s->values = swap;
        if (!ends && at / window != right / window) { /* right is the first of its window */
            memcpy(s->checkpoints + right / window * count, s->before, count * sizeof *swap);
        }
        values_at(scan, at, s->values, s->before);
        if (ends) ends[at - to] = s->values[scan->regex->entry];
    }
}

/* From here on this scan goes by the table. */
static void start_table(emb_regex_scan *scan, scratch *s)
{
    size_t count = (size_t)scan->regex->count;
    uint32_t size = (uint32_t)scan->size;
    scan->checkpoint = window_size(scan->regex);
    scan->window = SIZE_MAX;
    values_at(scan, size, s->values, s->values);
    memcpy(s->checkpoints + (size / scan->checkpoint + 1) * count, s->values,
           count * sizeof *s->values);
    sweep(scan, s, size, (uint32_t)(scan->at / scan->checkpoint * scan->checkpoint), NULL);
}

/* Make s->ends those of a window. */
static void load_window(emb_regex_scan *scan, scratch *s, size_t window)
{
    size_t count = (size_t)scan->regex->count, span = scan->checkpoint;
    size_t last = scan->size / span;
    uint32_t to = (uint32_t)(window * span), from = (uint32_t)scan->size;
    scan->window = window;
    memcpy(s->values, s->checkpoints + (window + 1) * count, count * sizeof *s->values);
    for (size_t i = 0; i < span; i++) s->ends[i] = -1;
    if (window < last) { /* the first character that begins in the next one */
        from = (uint32_t)((window + 1) * span);
        while (from < scan->size && ((uint8_t)scan->text[from] & 0xC0) == 0x80) from++;
    }
    if (window == last) s->ends[scan->size - to] = s->values[scan->regex->entry];
    sweep(scan, s, from, to, s->ends);
}

static bool find_by_table(emb_regex_scan *scan, size_t *begin, size_t *end)
{
    scratch s = pieces(scan);
    if (scan->checkpoint == 0) start_table(scan, &s);
    for (size_t at = scan->at; at <= scan->size; at++) {
        size_t window = at / scan->checkpoint;
        if (window != scan->window) load_window(scan, &s, window);
        int32_t found = s.ends[at - window * scan->checkpoint];
        if (found < 0) continue;
        *begin = at;
        *end = (size_t)found;
        return true;
    }
    return false;
}

/* ---- scanning ----------------------------------------------------------------------- */

void emb_regex_start(emb_regex_scan *scan, const emb_regex *regex, void *memory, const char *text,
                     size_t size)
{
    *scan = (emb_regex_scan){.regex = regex, .text = text, .size = size, .last_end = SIZE_MAX,
                             .scratch = memory};
}

/* The leftmost match from scan->at on. */
static bool find(emb_regex_scan *scan, size_t *begin, size_t *end)
{
    const emb_regex *r = scan->regex;
    if (scan->checkpoint) return find_by_table(scan, begin, end);
    runner x = {.r = r, .text = scan->text, .size = (uint32_t)scan->size,
                .reach = (uint32_t)scan->at, .steps = scan->steps, .stack = scan->scratch};
    for (uint32_t at = (uint32_t)scan->at; at <= x.size;) {
        int32_t pc = r->start[byte_at(&x, at)];
        int64_t found = pc < 0 ? NO_MATCH : run(&x, pc, at, 0);
        if (found >= 0) {
            scan->steps = x.steps;
            x.reach = EMB_MAX(x.reach, (uint32_t)found);
            if (too_long(&x)) found = TOO_LONG;
        }
        if (found == TOO_LONG) {
            scan->at = at;
            return find_by_table(scan, begin, end);
        }
        if (found >= 0) {
            *begin = at;
            *end = (size_t)found;
            return true;
        }
        do at++;
        while (at < x.size && ((uint8_t)x.text[at] & 0xC0) == 0x80);
    }
    return false;
}

bool emb_regex_next(emb_regex_scan *scan, size_t *begin, size_t *end)
{
    while (scan->at <= scan->size) {
        if (!find(scan, begin, end)) break;
        scan->at = *end;
        if (*begin < *end || scan->last_end != *end) {
            scan->last_end = *end;
            return true;
        }
        do scan->at++; /* an empty match where the last one ended: look further */
        while (scan->at < scan->size && ((uint8_t)scan->text[scan->at] & 0xC0) == 0x80);
    }
    scan->at = scan->size + 1;
    return false;
}
