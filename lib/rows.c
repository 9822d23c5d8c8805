/* Rows of a table as texts: the sentences that the tabular recipe makes of columns and values. */
#include "base/base.h"

typedef struct writer { /* as snprintf: what does not fit is counted alone */
    char *out;
    int64_t capacity, size;
} writer;

static void put(writer *w, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++, w->size++)
        if (w->size + 1 < w->capacity) w->out[w->size] = text[i];
}

static void put_text(writer *w, const char *text) { put(w, text, strlen(text)); }

static int64_t finish(const writer *w)
{
    if (w->capacity > 0) w->out[EMB_MIN(w->size, w->capacity - 1)] = '\0';
    return w->size;
}

static size_t size_of(const char *text, const int64_t *sizes, int64_t i)
{
    return sizes ? (size_t)sizes[i] : strlen(text);
}

/* What Python's str.isspace says. */
static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

/* Without the white space at both ends. */
static void put_stripped(writer *w, const char *text, size_t size)
{
    size_t begin = size, end = size;
    for (size_t i = 0; i < size;) {
        uint32_t c = 0;
        int n = emb_utf8_decode(text + i, size - i, &c);
        bool space = n > 0 && is_space(c);
        if (!space) begin = EMB_MIN(begin, i);
        i += (size_t)(n > 0 ? n : -n);
        if (!space) end = i;
    }
    if (begin < end) put(w, text + begin, end - begin);
}

int64_t embed_row_prompt(const char *const *columns, const int64_t *column_sizes,
                         const char *const *values, const int64_t *value_sizes, int64_t count,
                         char *out, int64_t capacity)
{
    writer w = {out, out ? capacity : 0, 0};
    if (count < 0 || (count > 0 && (!columns || !values))) return EMBED_EINVAL;
    for (int64_t i = 0; i < count; i++) {
        const char *name = columns[i];
        size_t size = size_of(name, column_sizes, i);
        put_text(&w, i ? " The " : "The ");
        for (size_t k = 0; k < size; k++) put(&w, name[k] == '_' ? " " : name + k, 1);
        put_text(&w, " is ");
        put_stripped(&w, values[i], size_of(values[i], value_sizes, i));
        put_text(&w, ".");
    }
    return finish(&w);
}

int64_t embed_label_prompt(const char *label, int64_t size, char *out, int64_t capacity)
{
    writer w = {out, out ? capacity : 0, 0};
    if (!label) return EMBED_EINVAL;
    put_text(&w, " The classification label is ");
    put(&w, label, size < 0 ? strlen(label) : (size_t)size);
    put_text(&w, ". ");
    return finish(&w);
}
