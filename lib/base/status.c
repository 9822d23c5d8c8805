/* The texts of statuses, and the sentences of embed_error. */
#include <stdarg.h>
#include <stdio.h>

#include "base.h"

const char *embed_status_string(int32_t status)
{
    switch (status) {
#define STATUS_CASE(name, value, text)                                                             \
    case value: return text;
        EMBED_STATUS_MAP(STATUS_CASE)
#undef STATUS_CASE
    default: return "unknown status";
    }
}

/* Copy a message; what could disturb a terminal or a log (control bytes, invalid UTF-8) becomes
 * \xNN. A character or an escape that does not fit whole is left out with all that follows. */
static void clean_copy(char *out, size_t capacity, const char *text)
{
    size_t size = strlen(text), at = 0, used = 0;
    while (at < size) {
        uint32_t c;
        int n = emb_utf8_decode(text + at, size - at, &c);
        bool plain = n > 0 && c >= 0x20 && c != 0x7F && !(c >= 0x80 && c < 0xA0);
        size_t from = (size_t)(n < 0 ? -n : n);
        size_t need = plain ? from : 4 * from;
        if (used + need >= capacity) break;
        if (plain) {
            memcpy(out + used, text + at, from);
        } else {
            for (size_t i = 0; i < from; i++)
                snprintf(out + used + 4 * i, 5, "\\x%02X", (unsigned)(unsigned char)text[at + i]);
        }
        used += need;
        at += from;
    }
    out[used] = '\0';
}

int32_t emb_fail(embed_error *error, int32_t status, const char *format, ...)
{
    if (error) {
        char text[sizeof error->message];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        clean_copy(error->message, sizeof error->message, text);
        error->status = status;
    }
    return status;
}

int32_t emb_fail_in(embed_error *error, const char *format, ...)
{
    if (!error) return EMBED_OK;
    char what[sizeof error->message], text[2 * sizeof error->message + 4];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(text, sizeof text, "%s: %s", what, error->message);
    clean_copy(error->message, sizeof error->message, text);
    return error->status;
}

emb_excerpt emb_excerpt_of(const char *text, size_t size)
{
    emb_excerpt e;
    size_t n = 0;
    while (n < size) { /* whole characters only */
        uint32_t c;
        int step = emb_utf8_decode(text + n, size - n, &c);
        size_t length = (size_t)(step < 0 ? -step : step);
        if (n + length > 60) break;
        n += length;
    }
    memcpy(e.text, text, n);
    strcpy(e.text + n, n < size ? "..." : "");
    return e;
}
