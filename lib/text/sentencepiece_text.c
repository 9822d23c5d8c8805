/* What SentencePiece itself does to a text before it looks for pieces, and what SigLIP's class does
 * to it before that: normalizers of classes, which no tokenizer.json can name. */
#include "charsmap.h"
#include "pattern.h"
#include "regex_sets.h"

#define SPACE_MARK 0x2581u

static size_t put(emb_char *out, size_t capacity, size_t count, emb_char c, uint32_t code)
{
    c.code = code;
    if (count < capacity) out[count] = c;
    return count + 1;
}

/* ---- SigLIP: canonicalize_text, with Python's idea of a character -------------------------- */

#define BIT(category) (1u << (category))
enum { LU = 1, LL, LT, LM, MN = 6, ME = 8, SK = 21, CF = 27 }; /* of emb_regex_categories */

static bool in_ranges(uint32_t c, const uint32_t (*ranges)[2], int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (c >= ranges[i][0] && c <= ranges[i][1]) return true;
    }
    return false;
}

static bool is_cased(uint32_t c)
{
    static const uint32_t others[][2] = {{0xAA, 0xAA}, {0xBA, 0xBA}, {0x2160, 0x217F},
        {0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
    uint32_t bit = BIT(emb_regex_flags(c) & EMB_REGEX_CATEGORY);
    return (bit & (BIT(LU) | BIT(LL) | BIT(LT))) || in_ranges(c, others, EMB_COUNT(others));
}

static bool is_case_ignorable(uint32_t c)
{
    static const uint32_t others[][2] = {{0x27, 0x27}, {0x2E, 0x2E}, {0x3A, 0x3A}, {0xB7, 0xB7},
        {0x387, 0x387}, {0x55F, 0x55F}, {0x5F4, 0x5F4}, {0x2018, 0x2019}, {0x2024, 0x2024},
        {0x2027, 0x2027}, {0xFE13, 0xFE13}, {0xFE52, 0xFE52}, {0xFE55, 0xFE55}, {0xFF07, 0xFF07},
        {0xFF0E, 0xFF0E}, {0xFF1A, 0xFF1A}};
    uint32_t bit = BIT(emb_regex_flags(c) & EMB_REGEX_CATEGORY);
    return (bit & (BIT(MN) | BIT(ME) | BIT(CF) | BIT(LM) | BIT(SK))) ||
           in_ranges(c, others, EMB_COUNT(others));
}

/* What a sigma stands after: of the characters that count, the last is a letter with cases. */
static bool cased_after(bool before, uint32_t c)
{
    return is_case_ignorable(c) ? before : is_cased(c);
}

/* Whether the next character that counts is none with cases. */
static bool ends_word(const emb_char *in, size_t at, size_t count)
{
    while (at < count && is_case_ignorable(in[at].code)) at++;
    return at == count || !is_cased(in[at].code);
}

static bool is_space(uint32_t c) /* of str.isspace */
{
    return emb_is_space(c) || (c >= 0x1C && c <= 0x1F);
}

static bool is_ascii_punctuation(uint32_t c)
{
    return c < 0x80 && (emb_unicode_flags(c) & EMB_UNICODE_PUNCTUATION);
}

/* White space of any length is one space, and none at either end; held back until something
 * follows. */
typedef struct canonical {
    emb_char *out;
    size_t capacity, written;
    emb_char space;
    bool waits;
} canonical;

static void add(canonical *t, emb_char c, uint32_t code)
{
    if (is_ascii_punctuation(code)) return;
    if (is_space(code)) {
        if (!t->waits) t->space = c;
        t->waits = t->written > 0;
        return;
    }
    if (t->waits) t->written = put(t->out, t->capacity, t->written, t->space, ' ');
    t->waits = false;
    t->written = put(t->out, t->capacity, t->written, c, code);
}

/* A mark stands before the text, and none within it. */
size_t emb_siglip_text(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                       emb_char *out, size_t capacity)
{
    canonical t = {.out = out, .capacity = capacity};
    bool cased = false;
    (void)room;
    if (count && in[0].start == 0) add(&t, in[0], SPACE_MARK);
    for (size_t i = 0; i < count; i++) {
        uint32_t code = in[i].code == SPACE_MARK ? ' ' : in[i].code, lower[2] = {code, 0};
        int n = s->siglip.lower ? emb_unicode_lower(code, lower) : 1;
        bool sigma = code == 0x3A3 && s->siglip.lower && cased;
        if (sigma && ends_word(in, i + 1, count)) lower[0] = 0x3C2;
        cased = cased_after(cased, code);
        for (int k = 0; k < n; k++) add(&t, in[i], lower[k]);
    }
    return t.written;
}

/* ---- SentencePiece's normalizer ------------------------------------------------------------ */

/* Spaces follow a space, or stand at the beginning: dropped, if the model says so. */
typedef struct pieces_text {
    const emb_step *s;
    emb_char *out;
    size_t capacity, written;
    bool after_space;
} pieces_text;

/* What one step of the table gave, spaces that it begins with aside: text[0..size). */
static void add_normalized(pieces_text *t, emb_char c, const uint32_t *codes, size_t count)
{
    size_t i = 0;
    while (t->after_space && i < count && codes[i] == ' ') i++;
    if (i == count) return;
    for (; i < count; i++) {
        bool mark = codes[i] == ' ' && t->s->spm.escapes;
        t->written = put(t->out, t->capacity, t->written, c, mark ? SPACE_MARK : codes[i]);
    }
    t->after_space = codes[count - 1] == ' ';
}

size_t emb_sentencepiece_text(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                              emb_char *out, size_t capacity)
{
    pieces_text t = {s, out, capacity, 0, s->spm.removes_spaces};
    bool prefix = s->spm.dummy_prefix;
    uint32_t codes[64]; /* of one entry: the longest that there are have 18 */
    (void)room;
    for (size_t i = 0, n; i < count; i += n) {
        size_t place = 0;
        int64_t made = 0;
        n = emb_charsmap_longest(s->spm.charsmap, in + i, count - i, &place);
        const char *p = n ? s->spm.charsmap->pool + place : "";
        while (*p && made < EMB_COUNT(codes)) p += emb_utf8_decode(p, strlen(p), &codes[made++]);
        if (n == 0) codes[made++] = in[i].code;
        n = EMB_MAX(n, 1);
        bool blank = s->spm.removes_spaces && made == 1 && codes[0] == ' ';
        if (prefix && !blank) { /* before the first that is not a space */
            t.written = put(out, capacity, t.written, in[i], s->spm.escapes ? SPACE_MARK : ' ');
            prefix = false;
        }
        add_normalized(&t, in[i], codes, (size_t)made);
        if (!s->spm.removes_spaces) t.after_space = false;
    }
    uint32_t space = s->spm.escapes ? SPACE_MARK : ' ';
    if (t.written > capacity) return t.written;
    while (s->spm.removes_spaces && t.written > 0 && out[t.written - 1].code == space) t.written--;
    return t.written;
}
