/* Normalizers that take a piece whole: each is a function from characters to characters, which keep
 * the alignments of the reference, and a line in the table. */
#include "charsmap.h"
#include "normal_forms.h"
#include "pattern.h"

#define WHAT "normalizer"

/* ---- one character at a time -------------------------------------------------------------- */

static size_t put(emb_char *out, size_t capacity, size_t count, emb_char c, uint32_t code)
{
    c.code = code;
    if (count < capacity) out[count] = c;
    return count + 1;
}

static size_t lowercase(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                        emb_char *out, size_t capacity)
{
    size_t written = 0;
    (void)s, (void)room;
    for (size_t i = 0; i < count; i++) {
        uint32_t lower[2];
        int n = emb_unicode_lower(in[i].code, lower);
        for (int k = 0; k < n; k++) written = put(out, capacity, written, in[i], lower[k]);
    }
    return written;
}

static size_t strip_accents(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                            emb_char *out, size_t capacity)
{
    size_t written = 0;
    (void)s, (void)room;
    for (size_t i = 0; i < count; i++) {
        if (emb_unicode_is_combining(in[i].code)) continue;
        written = put(out, capacity, written, in[i], in[i].code);
    }
    return written;
}

static size_t nmt(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                  emb_char *out, size_t capacity)
{
    size_t written = 0;
    (void)s, (void)room;
    for (size_t i = 0; i < count; i++) {
        uint32_t c = in[i].code;
        bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                     (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                     c == 0xFEFF || c == 0xFFFD;
        bool deleted = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F ||
                       c == 0x8F || c == 0x9F;
        if (!deleted) written = put(out, capacity, written, in[i], space ? ' ' : c);
    }
    return written;
}

static size_t byte_level(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                         emb_char *out, size_t capacity)
{
    (void)s, (void)room;
    return emb_byte_level(in, count, out, capacity);
}

/* ---- a piece as a whole --------------------------------------------------------------------- */

static size_t copy(const emb_char *in, size_t count, emb_char *out, size_t capacity)
{
    if (count && count <= capacity) memcpy(out, in, count * sizeof *in);
    return count;
}

static size_t strip(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                    emb_char *out, size_t capacity)
{
    size_t begin = 0, end = count;
    (void)room;
    while (s->strip.left && begin < end && emb_is_space(in[begin].code)) begin++;
    while (s->strip.right && begin < end && emb_is_space(in[end - 1].code)) end--;
    return copy(in + begin, end - begin, out, capacity);
}

static int32_t load_strip(emb_step *s, const emb_json *v, const emb_loading *l)
{
    int32_t status = emb_json_read_bool(l->file, v, "strip_left", true, &s->strip.left, l->error);
    if (status < 0) return status;
    return emb_json_read_bool(l->file, v, "strip_right", true, &s->strip.right, l->error);
}

/* Characters of a text; they have no place in the source yet. */
static int32_t load_text(emb_step *s, const emb_json *v, const char *key, const emb_loading *l)
{
    const char *text = NULL;
    int32_t status = emb_json_read_string(l->file, v, key, NULL, &text, l->error);
    if (status < 0) return status;
    if (!text) {
        return emb_fail(l->error, EMBED_EFORMAT, "%s: " WHAT ": %s: expected a string, found none",
                        l->file, key);
    }
    emb_source source = {.data = text, .size = strlen(text)};
    s->text.codes = emb_calloc(l->a, source.size + 1, sizeof *s->text.codes);
    if (!s->text.codes) return emb_fail(l->error, EMBED_ENOMEM, "%s: out of memory", l->file);
    for (size_t at = 0; at < source.size;) {
        emb_char c = emb_source_next(&source, at);
        s->text.codes[s->text.count++] = c.code;
        at += c.size;
    }
    return EMBED_OK;
}

static size_t prepend(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                      emb_char *out, size_t capacity)
{
    size_t written = 0;
    (void)room;
    for (size_t i = 0; count && i < s->text.count; i++) {
        written = put(out, capacity, written, in[0], s->text.codes[i]);
    }
    if (written > capacity) return written;
    return written + copy(in, count, out + written, capacity - written);
}

static int32_t load_prepend(emb_step *s, const emb_json *v, const emb_loading *l)
{
    return load_text(s, v, "prepend", l);
}

/* What replaces a match is aligned with the last character of the match. */
static size_t replace(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                      emb_char *out, size_t capacity)
{
    size_t written = 0, done = 0, begin, end;
    emb_scan scan;
    emb_scan_start(&scan, &s->pattern, room, in, count);
    while (emb_scan_next(&scan, &begin, &end)) {
        emb_char last = in[end > 0 ? end - 1 : 0];
        for (; done < begin; done++) written = put(out, capacity, written, in[done], in[done].code);
        for (size_t i = 0; i < s->text.count; i++) {
            written = put(out, capacity, written, last, s->text.codes[i]);
        }
        done = end;
    }
    for (; done < count; done++) written = put(out, capacity, written, in[done], in[done].code);
    return written;
}

/* A pattern that matches the empty text would put its content where no character is. */
static int32_t refuse_empty(const emb_pattern *p, const emb_loading *l)
{
    emb_regex_scan scan;
    size_t begin, end;
    if (!p->regex) return EMBED_OK;
    void *scratch = emb_alloc(l->a, emb_regex_scratch_size(p->regex, 0), 1);
    if (!scratch) return emb_fail(l->error, EMBED_ENOMEM, "%s: out of memory", l->file);
    emb_regex_start(&scan, p->regex, scratch, "", 0);
    bool empty = emb_regex_next(&scan, &begin, &end);
    emb_free(l->a, scratch);
    if (!empty) return EMBED_OK;
    return emb_fail(l->error, EMBED_EUNSUPPORTED,
                    "%s: " WHAT ": pattern: one that matches an empty text is not supported",
                    l->file);
}

static int32_t load_replace(emb_step *s, const emb_json *v, const emb_loading *l)
{
    int32_t status = emb_pattern_load(&s->pattern, emb_json_get(v, "pattern"), WHAT, l);
    if (status == EMBED_OK) status = refuse_empty(&s->pattern, l);
    return status < 0 ? status : load_text(s, v, "content", l);
}

static size_t precompiled(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                          emb_char *out, size_t capacity)
{
    (void)room;
    return emb_charsmap_apply(s->charsmap, in, count, out, capacity);
}

static int32_t load_precompiled(emb_step *s, const emb_json *v, const emb_loading *l)
{
    const char *text = NULL;
    int32_t status = emb_json_read_string(l->file, v, "precompiled_charsmap", "", &text, l->error);
    if (status < 0) return status;
    s->charsmap = emb_calloc(l->a, 1, sizeof *s->charsmap);
    if (!s->charsmap) return emb_fail(l->error, EMBED_ENOMEM, "%s: out of memory", l->file);
    if (!*text && l->charsmap) {
        return emb_charsmap_open(s->charsmap, l->charsmap, l->charsmap_size, l->file, l->a,
                                 l->error);
    }
    return emb_charsmap_open_base64(s->charsmap, text, strlen(text), l->file, l->a, l->error);
}

static int32_t refuse_in_file(const char *type, const emb_loading *l)
{
    if (strcmp(l->file, "tokenizer.json")) return EMBED_OK;
    return emb_fail(l->error, EMBED_EUNSUPPORTED, "%s: " WHAT ": type: \"%s\" is not supported",
                    l->file, type);
}

static int32_t load_siglip(emb_step *s, const emb_json *v, const emb_loading *l)
{
    int32_t status = refuse_in_file("SiglipText", l);
    if (status < 0) return status;
    return emb_json_read_bool(l->file, v, "lowercase", true, &s->siglip.lower, l->error);
}

static int32_t load_sentencepiece(emb_step *s, const emb_json *v, const emb_loading *l)
{
    int32_t status = refuse_in_file("SentencePiece", l);
    if (status < 0) return status;
    s->spm.charsmap = emb_calloc(l->a, 1, sizeof *s->spm.charsmap);
    if (!s->spm.charsmap) return emb_fail(l->error, EMBED_ENOMEM, "%s: out of memory", l->file);
    const struct { const char *key; bool *value; } flags[] = {
        {"add_dummy_prefix", &s->spm.dummy_prefix},
        {"remove_extra_whitespaces", &s->spm.removes_spaces},
        {"escape_whitespaces", &s->spm.escapes}};
    for (int i = 0; i < EMB_COUNT(flags) && status == EMBED_OK; i++) {
        status = emb_json_read_bool(l->file, v, flags[i].key, true, flags[i].value, l->error);
    }
    if (status < 0 || !l->charsmap) return status;
    return emb_charsmap_open(s->spm.charsmap, l->charsmap, l->charsmap_size, l->file, l->a,
                             l->error);
}

static size_t nfd(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                  emb_char *out, size_t capacity)
{
    (void)s, (void)room;
    return emb_normal_form(EMB_NFD, in, count, out, capacity);
}

static size_t nfc(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                  emb_char *out, size_t capacity)
{
    (void)s, (void)room;
    if (emb_normal_form_quick(EMB_NFC, in, count)) return copy(in, count, out, capacity);
    return emb_normal_form(EMB_NFC, in, count, out, capacity);
}

static size_t nfkd(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                   emb_char *out, size_t capacity)
{
    (void)s, (void)room;
    return emb_normal_form(EMB_NFKD, in, count, out, capacity);
}

static size_t nfkc(const emb_step *s, emb_room *room, const emb_char *in, size_t count,
                   emb_char *out, size_t capacity)
{
    (void)s, (void)room;
    if (emb_normal_form_quick(EMB_NFKC, in, count)) return copy(in, count, out, capacity);
    return emb_normal_form(EMB_NFKC, in, count, out, capacity);
}

static void free_text(emb_step *s, const emb_allocator *a)
{
    emb_free(a, s->text.codes);
}

static void free_charsmap(emb_step *s, const emb_allocator *a)
{
    if (s->charsmap) emb_charsmap_close(s->charsmap);
    emb_free(a, s->charsmap);
}

static void free_sentencepiece(emb_step *s, const emb_allocator *a)
{
    if (s->spm.charsmap) emb_charsmap_close(s->spm.charsmap);
    emb_free(a, s->spm.charsmap);
}

static const emb_step_kind kinds[] = {
    {.type = "SiglipText", .load = load_siglip, .normalize = emb_siglip_text},
    {.type = "SentencePiece", .load = load_sentencepiece, .normalize = emb_sentencepiece_text,
     .free = free_sentencepiece},
    {.type = "Lowercase", .normalize = lowercase},
    {.type = "NFC", .normalize = nfc},
    {.type = "NFD", .normalize = nfd},
    {.type = "NFKC", .normalize = nfkc},
    {.type = "NFKD", .normalize = nfkd},
    {.type = "Nmt", .normalize = nmt},
    {.type = "StripAccents", .normalize = strip_accents},
    {.type = "ByteLevel", .normalize = byte_level},
    {.type = "Strip", .load = load_strip, .normalize = strip},
    {.type = "Prepend", .load = load_prepend, .normalize = prepend, .free = free_text},
    {.type = "Replace", .load = load_replace, .normalize = replace, .free = free_text},
    {.type = "Precompiled", .load = load_precompiled, .normalize = precompiled,
     .free = free_charsmap},
};

/* ---- loading ------------------------------------------------------------------------------- */

static int32_t load_bert(emb_normalizer *n, const emb_json *v, const emb_loading *l)
{
    int32_t status = emb_json_read_bool(l->file, v, "clean_text", true, &n->clean, l->error);
    if (status == EMBED_OK) {
        status = emb_json_read_bool(l->file, v, "handle_chinese_chars", true, &n->cjk, l->error);
    }
    if (status == EMBED_OK) {
        status = emb_json_read_bool(l->file, v, "lowercase", true, &n->lower, l->error);
    }
    if (status == EMBED_OK) {
        status = emb_json_read_bool(l->file, v, "strip_accents", n->lower, &n->strip, l->error);
    }
    n->bert = true;
    return status < 0 ? emb_fail_in(l->error, WHAT) : status;
}

/* Lowercase, BertNormalizer, Lowercase, in this order and before anything else, are for the reader:
 * true if it takes this one. */
static bool for_reader(emb_normalizer *n, const emb_steps *steps, const char *type)
{
    if (steps->count > 0) return false;
    if (!strcmp(type, "BertNormalizer")) return !n->bert;
    if (strcmp(type, "Lowercase")) return false;
    *(n->bert ? &n->lower : &n->lower_first) = true;
    return true;
}

int32_t emb_normalizers_load(emb_normalizer *reader, emb_steps *steps, const emb_json *v,
                             const emb_loading *l)
{
    const char *type = NULL;
    if (!v || emb_json_is(v, EMB_JSON_NULL)) return EMBED_OK;
    int32_t status = emb_component_type(v, WHAT, &type, l);
    if (status < 0) return status;
    if (!strcmp(type, "Sequence")) {
        const emb_json *e = emb_json_first(emb_json_get(v, "normalizers"));
        for (; e && status == EMBED_OK; e = emb_json_next_sibling(e)) {
            status = emb_normalizers_load(reader, steps, e, l);
        }
        return status;
    }
    if (!strcmp(type, "Lowercase")) reader->lowercases = true;
    if (for_reader(reader, steps, type)) {
        return *type == 'B' ? load_bert(reader, v, l) : EMBED_OK;
    }
    if (!strcmp(type, "BertNormalizer")) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        "%s: " WHAT ": BertNormalizer: expected it first, found it after others",
                        l->file);
    }
    return emb_step_load(steps, kinds, EMB_COUNT(kinds), type, WHAT, v, l);
}

size_t emb_normalize(const emb_steps *steps, emb_room *rooms, emb_char *buffers[2], size_t count,
                     size_t capacity)
{
    for (int i = 0; i < steps->count; i++) {
        const emb_step *s = &steps->items[i];
        count = s->kind->normalize(s, &rooms[i], buffers[0], count, buffers[1], capacity);
        if (count > capacity) return SIZE_MAX;
        emb_char *result = buffers[1];
        buffers[1] = buffers[0];
        buffers[0] = result;
    }
    return count;
}
