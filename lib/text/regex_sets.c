/* Sets of characters as sorted ranges, and what the tables say of them. */
#include "regex_sets.h"

#include <stdlib.h>

#define LAST 0x10FFFFu
#define BLOCKS ((LAST + 1) / 128)

void emb_ranges_init(emb_ranges *r, const emb_allocator *a)
{
    *r = (emb_ranges){.allocator = a};
}

void emb_ranges_free(emb_ranges *r)
{
    if (r->allocator) emb_free(r->allocator, r->items);
    *r = (emb_ranges){.allocator = r->allocator};
}

void emb_ranges_add(emb_ranges *r, uint32_t first, uint32_t last)
{
    if (r->count && r->items[r->count - 1].last + 1 == first) { /* what comes in order grows */
        r->items[r->count - 1].last = last;
        return;
    }
    if (r->count == r->capacity) {
        size_t capacity = r->capacity * 2 + 8;
        emb_range *grown = emb_alloc(r->allocator, capacity, sizeof *grown);
        if (!grown) {
            r->failed = true;
            return;
        }
        if (r->count) memcpy(grown, r->items, r->count * sizeof *grown);
        emb_free(r->allocator, r->items);
        r->items = grown;
        r->capacity = capacity;
    }
    r->items[r->count++] = (emb_range){first, last};
}

void emb_ranges_add_all(emb_ranges *r, const emb_ranges *other)
{
    r->failed = r->failed || other->failed;
    for (size_t i = 0; i < other->count; i++) {
        emb_ranges_add(r, other->items[i].first, other->items[i].last);
    }
}

static int by_first(const void *a, const void *b)
{
    const emb_range *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

void emb_ranges_sort(emb_ranges *r)
{
    size_t kept = 0;
    if (r->count == 0) return;
    qsort(r->items, r->count, sizeof *r->items, by_first);
    for (size_t i = 1; i < r->count; i++) {
        emb_range *last = &r->items[kept];
        if (r->items[i].first > last->last + 1) r->items[++kept] = r->items[i];
        else last->last = EMB_MAX(last->last, r->items[i].last);
    }
    r->count = kept + 1;
}

static void take(emb_ranges *r, emb_ranges *from) /* r becomes from, which is gone */
{
    from->failed = from->failed || r->failed;
    emb_free(r->allocator, r->items);
    *r = *from;
}

void emb_ranges_negate(emb_ranges *r)
{
    emb_ranges out;
    uint32_t next = 0;
    emb_ranges_init(&out, r->allocator);
    for (size_t i = 0; i < r->count; i++) {
        if (r->items[i].first > next) emb_ranges_add(&out, next, r->items[i].first - 1);
        next = r->items[i].last + 1;
    }
    if (next <= LAST) emb_ranges_add(&out, next, LAST);
    take(r, &out);
}

void emb_ranges_intersect(emb_ranges *r, const emb_ranges *other)
{
    emb_ranges out;
    emb_ranges_init(&out, r->allocator);
    for (size_t i = 0, j = 0; i < r->count && j < other->count;) {
        emb_range a = r->items[i], b = other->items[j];
        uint32_t first = EMB_MAX(a.first, b.first), last = EMB_MIN(a.last, b.last);
        if (first <= last) emb_ranges_add(&out, first, last);
        if (a.last < b.last) i++;
        else j++;
    }
    out.failed = out.failed || other->failed;
    take(r, &out);
}

bool emb_ranges_has(const emb_ranges *r, uint32_t c)
{
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->items[middle].last < c) low = middle + 1;
        else high = middle;
    }
    return low < r->count && r->items[low].first <= c;
}

/* ---- (?i) --------------------------------------------------------------------------- */

static uint32_t next_fold(uint32_t c) /* of its ring; itself if it has none */
{
    size_t low = 0, high = emb_regex_fold_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (emb_regex_fold_from[middle] < c) low = middle + 1;
        else high = middle;
    }
    bool found = low < emb_regex_fold_count && emb_regex_fold_from[low] == c;
    return found ? emb_regex_fold_next[low] : c;
}

void emb_ranges_fold(emb_ranges *r)
{
    emb_ranges more;
    emb_ranges_init(&more, r->allocator);
    for (size_t i = 0; i < emb_regex_fold_count; i++) {
        uint32_t c = emb_regex_fold_from[i];
        if (!emb_ranges_has(r, c)) continue;
        for (uint32_t d = next_fold(c); d != c; d = next_fold(d)) emb_ranges_add(&more, d, d);
    }
    emb_ranges_add_all(r, &more);
    emb_ranges_free(&more);
    emb_ranges_sort(r);
}

bool emb_ranges_has_several(const emb_ranges *r)
{
    for (size_t i = 0; i < emb_regex_fold_several_count; i++) {
        if (emb_ranges_has(r, emb_regex_fold_several[i])) return true;
    }
    return false;
}

static bool same_fold(uint32_t a, uint32_t b)
{
    if (a == b) return true;
    for (uint32_t d = next_fold(a); d != a; d = next_fold(d)) {
        if (d == b) return true;
    }
    return false;
}

bool emb_regex_folds_together(uint32_t a, uint32_t b)
{
    for (size_t i = 0; i < emb_regex_fold_heads_count; i++) {
        const uint32_t *head = emb_regex_fold_heads + 2 * i;
        if (same_fold(head[0], a) && same_fold(head[1], b)) return true;
    }
    return false;
}

/* ---- properties --------------------------------------------------------------------- */

/* Add every character whose byte in a two-stage table is wanted. */
static void add_where(emb_ranges *r, const uint16_t *index, const uint8_t *blocks,
                      const bool wanted[256])
{
    bool inside = false;
    uint32_t first = 0;
    for (uint32_t block = 0, before = BLOCKS; block < BLOCKS; block++) {
        const uint8_t *values = blocks + ((size_t)index[block] << 7);
        bool same = before < BLOCKS && index[block] == index[before];
        if (same && !memcmp(values, values + 1, 127)) continue; /* all of one kind, as before */
        before = block;
        for (uint32_t i = 0; i < 128; i++) {
            bool now = wanted[values[i]];
            if (now == inside) continue;
            if (now) first = block << 7 | i;
            else emb_ranges_add(r, first, (block << 7 | i) - 1);
            inside = now;
        }
    }
    if (inside) emb_ranges_add(r, first, LAST);
}

static void add_flagged(emb_ranges *r, uint32_t bit)
{
    bool wanted[256];
    for (uint32_t i = 0; i < 256; i++) wanted[i] = i & bit;
    add_where(r, emb_regex_category_index, emb_regex_category_blocks, wanted);
}

/* Categories whose name begins so: "L", "Lu". */
static bool add_categories(emb_ranges *r, const char *name, size_t size)
{
    bool wanted[256] = {0}, found = false;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t category = i & EMB_REGEX_CATEGORY;
        if (i >= 128 || category >= EMB_REGEX_CATEGORIES) continue;
        const char *known = emb_regex_categories[category];
        wanted[i] = (known[0] | 32) == name[0] && (size == 1 || known[1] == name[1]);
        found = found || wanted[i];
    }
    if (found) add_where(r, emb_regex_category_index, emb_regex_category_blocks, wanted);
    return found;
}

static bool add_script(emb_ranges *r, const char *name, size_t size)
{
    bool wanted[256] = {0};
    for (int32_t i = 0; i < emb_regex_scripts_count; i++) {
        const char *known = emb_regex_scripts[i];
        if (strlen(known) != size || memcmp(known, name, size)) continue;
        wanted[i + 1] = true;
        add_where(r, emb_regex_script_index, emb_regex_script_blocks, wanted);
        return true;
    }
    return false;
}

void emb_ranges_add_class(emb_ranges *r, char name)
{
    if (name == 'd') add_categories(r, "nd", 2);
    else if (name == 's') add_flagged(r, EMB_REGEX_SPACE);
    else if (name == 'w') add_flagged(r, EMB_REGEX_WORD);
    else {
        emb_ranges_add(r, '0', '9');
        emb_ranges_add(r, 'A', 'F');
        emb_ranges_add(r, 'a', 'f');
    }
}

bool emb_ranges_add_property(emb_ranges *r, const char *name, size_t size)
{
    static const struct { const char *name; char category[3]; } longer[] = {
        {"any", ""}, {"letter", "l"}, {"uppercaseletter", "lu"}, {"lowercaseletter", "ll"},
        {"titlecaseletter", "lt"}, {"modifierletter", "lm"}, {"otherletter", "lo"}, {"mark", "m"},
        {"nonspacingmark", "mn"}, {"spacingmark", "mc"}, {"enclosingmark", "me"}, {"number", "n"},
        {"decimalnumber", "nd"}, {"letternumber", "nl"}, {"othernumber", "no"},
        {"punctuation", "p"}, {"symbol", "s"}, {"mathsymbol", "sm"}, {"currencysymbol", "sc"},
        {"separator", "z"}, {"spaceseparator", "zs"}, {"other", "c"}, {"control", "cc"},
    };
    char plain[32];
    size_t length = 0;
    for (size_t i = 0; i < size; i++) { /* as Oniguruma compares names */
        char c = name[i];
        if (c == ' ' || c == '_' || c == '-') continue;
        if (length == sizeof plain || (uint8_t)c >= 0x80) return false;
        plain[length++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    if (length == 0) return false;
    if (length <= 2) return add_categories(r, plain, length) || add_script(r, plain, length);
    for (int64_t i = 0; i < EMB_COUNT(longer); i++) {
        if (strlen(longer[i].name) != length || memcmp(longer[i].name, plain, length)) continue;
        if (i == 0) emb_ranges_add(r, 0, LAST);
        else add_categories(r, longer[i].category, strlen(longer[i].category));
        return true;
    }
    return add_script(r, plain, length);
}
