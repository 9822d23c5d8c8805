/* Steps of a pipeline: their patterns, their memory, the table look-up; and the byte-level
 * alphabet. */
#include <stdio.h>

#include "pattern.h"

/* ---- patterns ------------------------------------------------------------------------------ */

int32_t emb_pattern_regex(emb_pattern *p, const char *text, const char *what, const emb_loading *l)
{
    char where[128];
    emb_excerpt file = emb_excerpt_of(l->file, strlen(l->file));
    snprintf(where, sizeof where, "%s: %s", file.text, what);
    return emb_regex_compile(&p->regex, text, strlen(text), where, l->a, l->error);
}

/* A text that is to be found as it is: as a regular expression, unless it is one character. */
static int32_t load_string(emb_pattern *p, const char *text, const char *what, const emb_loading *l)
{
    size_t size = strlen(text);
    if (size && emb_utf8_decode(text, size, &p->code) == (int)size) return EMBED_OK;
    if (!size) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        "%s: %s: pattern: expected a text, found \"\"", l->file, what);
    }
    emb_buffer escaped;
    emb_buffer_init(&escaped, l->a);
    for (size_t i = 0; i < size; i++) {
        if (strchr("\\.+*?()|[]{}^$", text[i])) emb_buffer_add(&escaped, "\\", 1);
        emb_buffer_add(&escaped, text + i, 1);
    }
    int32_t status = escaped.failed
        ? emb_fail(l->error, EMBED_ENOMEM, "%s: %s: out of memory", l->file, what)
        : emb_pattern_regex(p, escaped.data, what, l);
    emb_buffer_free(&escaped);
    return status;
}

int32_t emb_pattern_load(emb_pattern *p, const emb_json *v, const char *what, const emb_loading *l)
{
    const char *string = emb_json_text(emb_json_get(v, "String"));
    const char *regex = emb_json_text(emb_json_get(v, "Regex"));
    if (!string == !regex) {
        return emb_fail(l->error, EMBED_EFORMAT,
                        "%s: %s: pattern: expected {\"String\": ...} or {\"Regex\": ...}", l->file,
                        what);
    }
    return string ? load_string(p, string, what, l) : emb_pattern_regex(p, regex, what, l);
}

/* ---- matches -------------------------------------------------------------------------------- */

void emb_scan_start(emb_scan *s, const emb_pattern *p, emb_room *room, const emb_char *chars,
                    size_t count)
{
    *s = (emb_scan){.pattern = p, .chars = chars, .count = count};
    if (!p->regex) return;
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (chars[i].code < 0x80) room->bytes[size++] = (char)chars[i].code;
        else size += (size_t)emb_utf8_encode(chars[i].code, room->bytes + size);
    }
    emb_regex_start(&s->regex, p->regex, room->regex, room->bytes, size);
}

/* The character that begins at a byte which is not before s->byte. */
static size_t char_at(emb_scan *s, size_t byte)
{
    while (s->byte < byte) s->byte += emb_utf8_size(s->chars[s->at++].code);
    return s->at;
}

bool emb_scan_next(emb_scan *s, size_t *begin, size_t *end)
{
    if (s->pattern->regex) {
        size_t first, last;
        if (!emb_regex_next(&s->regex, &first, &last)) return false;
        *begin = char_at(s, first);
        *end = char_at(s, last);
        return true;
    }
    while (s->at < s->count && s->chars[s->at].code != s->pattern->code) s->at++;
    *begin = s->at;
    *end = ++s->at;
    return *begin < s->count;
}

/* ---- steps -------------------------------------------------------------------------------- */

int32_t emb_component_type(const emb_json *v, const char *what, const char **type,
                           const emb_loading *l)
{
    if (v && !emb_json_is(v, EMB_JSON_OBJECT)) {
        return emb_fail(l->error, EMBED_EFORMAT, "%s: %s: expected an object, found %s", l->file,
                        what, emb_json_kind_name(v));
    }
    int32_t status = emb_json_read_string(l->file, v, "type", "", type, l->error);
    return status < 0 ? emb_fail_in(l->error, "%s", what) : status;
}

int32_t emb_step_load(emb_steps *steps, const emb_step_kind *kinds, int64_t count, const char *type,
                      const char *what, const emb_json *v, const emb_loading *l)
{
    if (steps->count == EMB_MAX_STEPS) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        "%s: %s: expected at most %d steps, found more", l->file, what,
                        EMB_MAX_STEPS);
    }
    for (int64_t i = 0; i < count; i++) {
        if (strcmp(kinds[i].type, type)) continue;
        emb_step *s = &steps->items[steps->count++]; /* whatever follows, emb_steps_free frees it */
        *s = (emb_step){.kind = &kinds[i]};
        int32_t status = s->kind->load ? s->kind->load(s, v, l) : EMBED_OK;
        return status < 0 ? emb_fail_in(l->error, "%s", type) : status;
    }
    return emb_fail(l->error, EMBED_EUNSUPPORTED, "%s: %s: type: \"%s\" is not supported", l->file,
                    what, emb_excerpt_of(type, strlen(type)).text);
}

void emb_steps_free(emb_steps *steps, const emb_allocator *a)
{
    for (int i = 0; i < steps->count; i++) {
        emb_step *s = &steps->items[i];
        if (s->pattern.regex) emb_regex_free(s->pattern.regex);
        if (s->kind->free) s->kind->free(s, a);
    }
    steps->count = 0;
}

void emb_room_plan(emb_room *room, const emb_step *s, emb_arena *arena, size_t capacity)
{
    *room = (emb_room){.capacity = capacity};
    for (int i = 0; i < s->buffers; i++) {
        room->chars[i] = emb_arena_take(arena, capacity, sizeof *room->chars[i]);
    }
    if (!s->pattern.regex) return;
    size_t bytes = 0;
    if (!emb_mul(capacity, 4, &bytes)) arena->failed = true;
    room->bytes = emb_arena_take(arena, bytes, 1);
    room->regex = emb_arena_take(arena, emb_regex_scratch_size(s->pattern.regex, bytes), 1);
}

/* ---- the byte-level alphabet ---------------------------------------------------------------- */

/* Printable bytes stand for themselves, the others for U+0100 and on. */
static uint32_t byte_letter(uint8_t byte)
{
    if (byte <= 0x20) return 0x100u + byte;
    if (byte >= 0x7F && byte <= 0xA0) return 0x121u + (byte - 0x7Fu);
    return byte == 0xAD ? 0x143u : byte;
}

size_t emb_byte_level(const emb_char *in, size_t count, emb_char *out, size_t capacity)
{
    size_t written = 0;
    for (size_t i = 0; i < count; i++) {
        char bytes[4];
        int n = 1;
        if (in[i].code < 0x80) bytes[0] = (char)in[i].code;
        else n = emb_utf8_encode(in[i].code, bytes);
        for (int k = 0; k < n; k++, written++) {
            if (written >= capacity) continue;
            out[written] = in[i];
            out[written].code = byte_letter((uint8_t)bytes[k]);
        }
    }
    return written;
}
