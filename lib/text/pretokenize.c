/* Pre-tokenizers: each cuts a piece, hands the parts on to the next one, and has a line in the
 * table. After the last comes the model. Depth first: what is cut is done before the next is
 * looked at. */
#include "pattern.h"

#define WHAT "pre_tokenizer"

int32_t emb_split(emb_splitter *p, int step, const emb_char *chars, size_t count)
{
    if (count == 0 || emb_sink_full(p->words->sink)) return EMBED_OK;
    if (step == p->steps->count) return p->words->model->kind->word(p->words, chars, count);
    return p->steps->items[step].kind->split(p, step, chars, count);
}

/* ---- parts and what becomes of them --------------------------------------------------------- */

/* Takes the parts of a piece in order, matches and what is between them, and joins them as the
 * behaviour says. */
typedef struct parts {
    emb_splitter *p;
    int step; /* that follows */
    const emb_char *chars;
    emb_behavior behavior;
    size_t begin, end; /* held, since the next part may be joined to it */
    bool holds, held_match;
    int32_t status;
} parts;

/* Whether to go on: what follows may have failed, or have tokens enough. */
static bool goes_on(const emb_splitter *p, int32_t status)
{
    return status == EMBED_OK && !emb_sink_full(p->words->sink);
}

static void parts_flush(parts *t)
{
    if (t->holds && t->status == EMBED_OK) {
        t->status = emb_split(t->p, t->step, t->chars + t->begin, t->end - t->begin);
    }
    t->holds = false;
}

static void parts_add(parts *t, size_t begin, size_t end, bool match)
{
    bool join = false;
    if (t->behavior == EMB_REMOVED && match) return;
    if (t->behavior == EMB_CONTIGUOUS) join = match == t->held_match;
    if (t->behavior == EMB_MERGED_WITH_PREVIOUS) join = match && !t->held_match;
    if (t->behavior == EMB_MERGED_WITH_NEXT) join = !match && t->held_match;
    if (t->holds && join) {
        t->end = end;
    } else {
        parts_flush(t);
        t->begin = begin;
        t->end = end;
        t->holds = true;
    }
    t->held_match = match;
}

static parts parts_of(emb_splitter *p, int step, const emb_char *chars, emb_behavior behavior)
{
    return (parts){.p = p, .step = step + 1, .chars = chars, .behavior = behavior};
}

static int32_t parts_end(parts *t)
{
    parts_flush(t);
    return t->status;
}

/* Cut where a character has a property; each such character is a match. */
static int32_t split_chars(emb_splitter *p, int step, const emb_char *chars, size_t count,
                           emb_behavior behavior, bool (*is)(const emb_step *s, uint32_t code))
{
    const emb_step *s = &p->steps->items[step];
    parts t = parts_of(p, step, chars, behavior);
    size_t done = 0;
    for (size_t i = 0; i < count && goes_on(p, t.status); i++) {
        if (!is(s, chars[i].code)) continue;
        if (done < i) parts_add(&t, done, i, false);
        parts_add(&t, i, i + 1, true);
        done = i + 1;
    }
    if (done < count) parts_add(&t, done, count, false);
    return parts_end(&t);
}

static int32_t split_pattern(emb_splitter *p, int step, const emb_char *chars, size_t count,
                             emb_behavior behavior, bool invert)
{
    parts t = parts_of(p, step, chars, behavior);
    size_t done = 0, begin, end;
    emb_scan scan;
    emb_scan_start(&scan, &p->steps->items[step].pattern, &p->rooms[step], chars, count);
    while (goes_on(p, t.status) && emb_scan_next(&scan, &begin, &end)) {
        if (done != begin) parts_add(&t, done, begin, invert);
        parts_add(&t, begin, end, !invert);
        done = end;
    }
    if (done != count) parts_add(&t, done, count, invert);
    return parts_end(&t);
}

/* ---- by properties of characters ------------------------------------------------------------- */

static bool is_punctuation(const emb_step *s, uint32_t code)
{
    (void)s;
    return emb_unicode_flags(code) & EMB_UNICODE_PUNCTUATION;
}

static bool is_numeric(const emb_step *s, uint32_t code)
{
    (void)s;
    return emb_unicode_is_numeric(code);
}

static bool is_delimiter(const emb_step *s, uint32_t code)
{
    return code == s->pattern.code;
}

static int32_t whitespace_split(emb_splitter *p, int step, const emb_char *chars, size_t count)
{
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        if (!emb_is_space(chars[i].code)) continue;
        int32_t status = emb_split(p, step + 1, chars + done, i - done);
        if (!goes_on(p, status)) return status;
        done = i + 1;
    }
    return emb_split(p, step + 1, chars + done, count - done);
}

/* White space is dropped, punctuation stands alone. */
static int32_t bert(emb_splitter *p, int step, const emb_char *chars, size_t count)
{
    int32_t status = EMBED_OK;
    size_t done = 0;
    for (size_t i = 0; i < count && goes_on(p, status); i++) {
        bool space = emb_is_space(chars[i].code), alone = is_punctuation(NULL, chars[i].code);
        if (!space && !alone) continue;
        status = emb_split(p, step + 1, chars + done, i - done);
        if (status == EMBED_OK && alone) status = emb_split(p, step + 1, chars + i, 1);
        done = i + 1;
    }
    return status < 0 ? status : emb_split(p, step + 1, chars + done, count - done);
}

static int kind_of(uint32_t code) /* \w, \s, or neither */
{
    uint32_t flags = emb_unicode_flags(code);
    return flags & EMB_UNICODE_WORD ? 2 : flags & EMB_UNICODE_SPACE ? 0 : 1;
}

/* \w+|[^\w\s]+ */
static int32_t whitespace(emb_splitter *p, int step, const emb_char *chars, size_t count)
{
    int32_t status = EMBED_OK;
    for (size_t i = 0, end; i < count && goes_on(p, status); i = end) {
        int kind = kind_of(chars[i].code);
        for (end = i + 1; end < count && kind_of(chars[end].code) == kind;) end++;
        if (kind) status = emb_split(p, step + 1, chars + i, end - i);
    }
    return status;
}

static int32_t by_punctuation(emb_splitter *p, int step, const emb_char *chars, size_t count)
{
    const emb_step *s = &p->steps->items[step];
    return split_chars(p, step, chars, count, s->split.behavior, is_punctuation);
}

static int32_t digits(emb_splitter *p, int step, const emb_char *chars, size_t count)
{
    const emb_step *s = &p->steps->items[step];
    return split_chars(p, step, chars, count, s->split.behavior, is_numeric);
}

static int32_t delimiter(emb_splitter *p, int step, const emb_char *chars, size_t count)
{
    return split_chars(p, step, chars, count, EMB_REMOVED, is_delimiter);
}

static int32_t fixed_length(emb_splitter *p, int step, const emb_char *chars, size_t count)
{
    size_t length = p->steps->items[step].length;
    int32_t status = EMBED_OK;
    for (size_t i = 0; i < count && goes_on(p, status); i += length) {
        status = emb_split(p, step + 1, chars + i, EMB_MIN(length, count - i));
    }
    return status;
}

/* Cut where the script changes. What has none goes with what is before it, and is dropped where
 * nothing is. */
static int32_t unicode_scripts(emb_splitter *p, int step, const emb_char *chars, size_t count)
{
    int32_t status = EMBED_OK;
    uint32_t last = 0;
    size_t done = count;
    for (size_t i = 0; i < count && goes_on(p, status); i++) {
        uint32_t script = emb_unicode_script(chars[i].code);
        if (script == 0 || script == last) continue;
        if (last) status = emb_split(p, step + 1, chars + done, i - done);
        done = i;
        last = script;
    }
    return status < 0 ? status : emb_split(p, step + 1, chars + done, count - done);
}

static int32_t by_pattern(emb_splitter *p, int step, const emb_char *chars, size_t count)
{
    const emb_step *s = &p->steps->items[step];
    return split_pattern(p, step, chars, count, s->split.behavior, s->split.invert);
}

/* ---- what also changes the text ------------------------------------------------------------- */

static int32_t too_long(const emb_splitter *p, const emb_char *chars)
{
    return emb_words_too_long(p->words, chars->start);
}

enum { ALWAYS, FIRST, NEVER };

static int32_t metaspace(emb_splitter *p, int step, const emb_char *chars, size_t count)
{
    const emb_step *s = &p->steps->items[step];
    emb_char *out = p->rooms[step].chars[0];
    uint32_t mark = s->pattern.code;
    bool starts = chars[0].code == ' ' || chars[0].code == mark;
    bool prefix = !starts && (s->metaspace.scheme == ALWAYS ||
                              (s->metaspace.scheme == FIRST && chars[0].start == 0));
    if (count + prefix > p->rooms[step].capacity) return too_long(p, chars);
    if (prefix) {
        out[0] = chars[0];
        out[0].code = mark;
    }
    size_t done = 0, at = prefix; /* out[done..at) waits for the rest of its part */
    int32_t status = EMBED_OK;
    for (size_t i = 0; i < count; i++, at++) {
        bool cut = chars[i].code == ' ' || chars[i].code == mark;
        if (cut && s->metaspace.split && done < at) {
            status = emb_split(p, step + 1, out + done, at - done);
            if (!goes_on(p, status)) return status;
            done = at;
        }
        out[at] = chars[i];
        if (cut) out[at].code = mark;
    }
    return emb_split(p, step + 1, out + done, at - done);
}

/* One part of a piece, its bytes as letters. The room holds one at a time. */
static int32_t letters(emb_splitter *p, int step, const emb_char *chars, size_t count)
{
    emb_room *room = &p->rooms[step];
    if (count == 0) return EMBED_OK;
    size_t n = emb_byte_level(chars, count, room->chars[0], room->capacity);
    if (n > room->capacity) return too_long(p, chars);
    return emb_split(p, step + 1, room->chars[0], n);
}

static int32_t byte_level(emb_splitter *p, int step, const emb_char *chars, size_t count)
{
    const emb_step *s = &p->steps->items[step];
    emb_room *room = &p->rooms[step];
    int32_t status = EMBED_OK;
    size_t done = 0, begin, end;
    emb_scan scan;

    if (s->byte_level.prefix_space && chars[0].code != ' ') {
        if (count + 1 > room->capacity) return too_long(p, chars);
        room->chars[1][0] = chars[0];
        room->chars[1][0].code = ' ';
        memcpy(room->chars[1] + 1, chars, count * sizeof *chars);
        chars = room->chars[1];
        count++;
    }
    if (!s->byte_level.use_regex) return letters(p, step, chars, count);
    emb_scan_start(&scan, &s->pattern, room, chars, count);
    while (goes_on(p, status) && emb_scan_next(&scan, &begin, &end)) {
        status = letters(p, step, chars + done, begin - done);
        if (status == EMBED_OK) status = letters(p, step, chars + begin, end - begin);
        done = end;
    }
    return status < 0 ? status : letters(p, step, chars + done, count - done);
}

/* ---- loading --------------------------------------------------------------------------------- */

static int32_t load_behavior(emb_step *s, const emb_json *v, const char *fallback,
                             const emb_loading *l)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    const char *name = NULL;
    int32_t status = emb_json_read_string(l->file, v, "behavior", fallback, &name, l->error);
    if (status < 0) return status;
    for (int i = 0; i < EMB_COUNT(names); i++) {
        if (!name || strcmp(name, names[i])) continue;
        s->split.behavior = (emb_behavior)i;
        return EMBED_OK;
    }
    return emb_fail(l->error, EMBED_EUNSUPPORTED, "%s: " WHAT ": behavior: \"%s\" is not supported",
                    l->file, name ? emb_excerpt_of(name, strlen(name)).text : "");
}

static int32_t load_punctuation(emb_step *s, const emb_json *v, const emb_loading *l)
{
    return load_behavior(s, v, "Isolated", l);
}

static int32_t load_digits(emb_step *s, const emb_json *v, const emb_loading *l)
{
    bool alone = false;
    int32_t status = emb_json_read_bool(l->file, v, "individual_digits", false, &alone, l->error);
    s->split.behavior = alone ? EMB_ISOLATED : EMB_CONTIGUOUS;
    return status;
}

/* A key whose value is one character. */
static int32_t load_char(const emb_json *v, const char *key, uint32_t *code, const emb_loading *l)
{
    const char *text = NULL;
    int32_t status = emb_json_read_string(l->file, v, key, "", &text, l->error);
    if (status < 0) return status;
    size_t size = strlen(text);
    if (size && emb_utf8_decode(text, size, code) == (int)size) return EMBED_OK;
    return emb_fail(l->error, EMBED_EFORMAT,
                    "%s: " WHAT ": %s: expected one character, found \"%s\"", l->file, key,
                    emb_excerpt_of(text, size).text);
}

static int32_t load_delimiter(emb_step *s, const emb_json *v, const emb_loading *l)
{
    return load_char(v, "delimiter", &s->pattern.code, l);
}

static int32_t load_fixed_length(emb_step *s, const emb_json *v, const emb_loading *l)
{
    int64_t length = 0;
    int32_t status = emb_json_read_int(l->file, v, "length", 5, 1, INT32_MAX, &length, l->error);
    s->length = (size_t)length;
    return status;
}

static int32_t load_split(emb_step *s, const emb_json *v, const emb_loading *l)
{
    int32_t status = emb_pattern_load(&s->pattern, emb_json_get(v, "pattern"), WHAT, l);
    if (status == EMBED_OK) status = load_behavior(s, v, NULL, l);
    if (status < 0) return status;
    return emb_json_read_bool(l->file, v, "invert", false, &s->split.invert, l->error);
}

static int32_t load_metaspace(emb_step *s, const emb_json *v, const emb_loading *l)
{
    static const char *const schemes[] = {"always", "first", "never"};
    const char *name = NULL;
    bool prefix = true;
    int32_t status = load_char(v, "replacement", &s->pattern.code, l);
    s->buffers = 1;
    if (status == EMBED_OK) {
        status = emb_json_read_bool(l->file, v, "split", true, &s->metaspace.split, l->error);
    }
    if (status == EMBED_OK) {
        status = emb_json_read_bool(l->file, v, "add_prefix_space", true, &prefix, l->error);
    }
    if (status == EMBED_OK) {
        status = emb_json_read_string(l->file, v, "prepend_scheme", "always", &name, l->error);
    }
    if (status < 0) return status;
    for (s->metaspace.scheme = ALWAYS; s->metaspace.scheme <= NEVER; s->metaspace.scheme++) {
        if (!strcmp(name, schemes[s->metaspace.scheme])) break;
    }
    if (s->metaspace.scheme > NEVER || (!prefix && s->metaspace.scheme != NEVER)) {
        return emb_fail(l->error, EMBED_EFORMAT,
                        "%s: " WHAT ": prepend_scheme: expected always, first or never, found "
                        "\"%s\"%s", l->file, emb_excerpt_of(name, strlen(name)).text,
                        prefix ? "" : " and no add_prefix_space");
    }
    return EMBED_OK;
}

static int32_t load_byte_level(emb_step *s, const emb_json *v, const emb_loading *l)
{
    static const char gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
                               "\\s+(?!\\S)|\\s+";
    int32_t status = emb_json_read_bool(l->file, v, "add_prefix_space", true,
                                        &s->byte_level.prefix_space, l->error);
    if (status == EMBED_OK) {
        status = emb_json_read_bool(l->file, v, "use_regex", true, &s->byte_level.use_regex,
                                    l->error);
    }
    s->buffers = 1 + s->byte_level.prefix_space;
    if (status < 0 || !s->byte_level.use_regex) return status;
    return emb_pattern_regex(&s->pattern, gpt2, WHAT, l);
}

static const emb_step_kind kinds[] = {
    {.type = "BertPreTokenizer", .split = bert},
    {.type = "Whitespace", .split = whitespace},
    {.type = "WhitespaceSplit", .split = whitespace_split},
    {.type = "Punctuation", .load = load_punctuation, .split = by_punctuation},
    {.type = "Digits", .load = load_digits, .split = digits},
    {.type = "CharDelimiterSplit", .load = load_delimiter, .split = delimiter},
    {.type = "Delimiter", .load = load_delimiter, .split = delimiter},
    {.type = "FixedLength", .load = load_fixed_length, .split = fixed_length},
    {.type = "UnicodeScripts", .split = unicode_scripts},
    {.type = "Split", .load = load_split, .split = by_pattern},
    {.type = "Metaspace", .load = load_metaspace, .split = metaspace},
    {.type = "ByteLevel", .load = load_byte_level, .split = byte_level},
};

int32_t emb_pre_tokenizers_load(emb_steps *steps, const emb_json *v, const emb_loading *l)
{
    const char *type = NULL;
    if (!v || emb_json_is(v, EMB_JSON_NULL)) return EMBED_OK;
    int32_t status = emb_component_type(v, WHAT, &type, l);
    if (status < 0) return status;
    if (strcmp(type, "Sequence")) {
        return emb_step_load(steps, kinds, EMB_COUNT(kinds), type, WHAT, v, l);
    }
    const emb_json *e = emb_json_first(emb_json_get(v, "pretokenizers"));
    for (; e && status == EMBED_OK; e = emb_json_next_sibling(e)) {
        status = emb_pre_tokenizers_load(steps, e, l);
    }
    return status;
}

bool emb_steps_are_bert(const emb_steps *steps)
{
    return steps->count == 1 && steps->items[0].kind->split == bert;
}
