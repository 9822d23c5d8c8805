/* json: a strict reader of one JSON value (RFC 8259), for lines of input and the library's own
 * description, and the strings and numbers of output. */
#include "cli.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

void json_open(json *j, const char *text, size_t size, const char *place)
{
    j->p = j->start = text;
    j->end = text + size;
    j->place = place;
}

void json_die(const json *j, const char *format, ...)
{
    char message[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    die("%s: column %lld: %s", j->place, (long long)(j->p - j->start) + 1, message);
}

static _Noreturn void die_unexpected(const json *j, const char *expected)
{
    size_t n = utf8_size(j->p, (size_t)(j->end - j->p));

    if (j->p == j->end)
        json_die(j, "expected %s, found the end", expected);
    json_die(j, "expected %s, found \"%.*s\"", expected, (int)(n ? n : 1), j->p);
}

char json_peek(json *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r'))
        j->p++;
    return j->p < j->end ? *j->p : 0;
}

bool json_take(json *j, char c)
{
    if (json_peek(j) != c || j->p == j->end)
        return false;
    j->p++;
    return true;
}

void json_expect(json *j, char c)
{
    char expected[] = "\"?\"";

    expected[1] = c;
    if (!json_take(j, c))
        die_unexpected(j, expected);
}

void json_finish(json *j)
{
    json_peek(j);
    if (j->p < j->end)
        die_unexpected(j, "the end");
}

/* ---- strings ------------------------------------------------------------------- */

static uint32_t take_hex(json *j)
{
    uint32_t c = 0;

    for (int i = 0; i < 4; i++, j->p++) {
        static const char digits[] = "0123456789abcdef";
        char lower = j->p < j->end ? (char)(*j->p | 0x20) : 0;
        const char *digit = lower ? strchr(digits, *j->p >= 'A' ? lower : *j->p) : NULL;

        if (!digit || !*digit)
            die_unexpected(j, "four hexadecimal digits after \\u");
        c = c << 4 | (uint32_t)(digit - digits);
    }
    return c;
}

static void take_unicode(json *j, buffer *out)
{
    const char *escape = j->p - 2;
    uint32_t c = take_hex(j);
    char s[4];

    if (c >= 0xd800 && c < 0xdc00 && j->end - j->p >= 2 && j->p[0] == '\\' && j->p[1] == 'u') {
        uint32_t low;

        j->p += 2;
        low = take_hex(j);
        c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00)
                                          : 0xd800;
    }
    if (c >= 0xd800 && c < 0xe000) {
        j->p = escape;
        json_die(j, "surrogate without its other half");
    }
    if (c < 0x80) {
        s[0] = (char)c;
        buffer_add(out, s, 1);
    } else if (c < 0x800) {
        s[0] = (char)(0xc0 | c >> 6);
        s[1] = (char)(0x80 | (c & 0x3f));
        buffer_add(out, s, 2);
    } else if (c < 0x10000) {
        s[0] = (char)(0xe0 | c >> 12);
        s[1] = (char)(0x80 | (c >> 6 & 0x3f));
        s[2] = (char)(0x80 | (c & 0x3f));
        buffer_add(out, s, 3);
    } else {
        s[0] = (char)(0xf0 | c >> 18);
        s[1] = (char)(0x80 | (c >> 12 & 0x3f));
        s[2] = (char)(0x80 | (c >> 6 & 0x3f));
        s[3] = (char)(0x80 | (c & 0x3f));
        buffer_add(out, s, 4);
    }
}

static void take_escape(json *j, buffer *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found;

    if (j->p == j->end)
        die_unexpected(j, "an escape");
    if (*j->p == 'u') {
        j->p++;
        take_unicode(j, out);
        return;
    }
    found = *j->p ? strchr(from, *j->p) : NULL;
    if (!found)
        die_unexpected(j, "an escape");
    buffer_add(out, to + (found - from), 1);
    j->p++;
}

/* Bytes that are not UTF-8 are kept: whether a text is valid is the library's to say. */
void json_string(json *j, buffer *out)
{
    if (json_peek(j) != '"')
        die_unexpected(j, "a string");
    j->p++;
    for (;;) {
        const char *run = j->p;

        while (j->p < j->end && *j->p != '"' && *j->p != '\\' && (unsigned char)*j->p >= 0x20)
            j->p++;
        buffer_add(out, run, (size_t)(j->p - run));
        if (j->p == j->end)
            json_die(j, "expected '\"', found the end");
        if ((unsigned char)*j->p < 0x20)
            json_die(j, "control character 0x%02x in a string, expected an escape",
                     (unsigned char)*j->p);
        if (*j->p++ == '"')
            return;
        take_escape(j, out);
    }
}

/* ---- other values ------------------------------------------------------------------ */

static size_t skip_digits(json *j)
{
    const char *start = j->p;

    while (j->p < j->end && *j->p >= '0' && *j->p <= '9')
        j->p++;
    return (size_t)(j->p - start);
}

static void skip_number(json *j)
{
    const char *start;

    if (j->p < j->end && *j->p == '-')
        j->p++;
    start = j->p;
    if (skip_digits(j) == 0)
        die_unexpected(j, "a value");
    if (*start == '0' && j->p - start > 1) {
        j->p = start + 1;
        json_die(j, "a number starts with 0");
    }
    if (j->p < j->end && *j->p == '.') {
        j->p++;
        if (skip_digits(j) == 0)
            die_unexpected(j, "a digit");
    }
    if (j->p < j->end && (*j->p == 'e' || *j->p == 'E')) {
        j->p++;
        if (j->p < j->end && (*j->p == '+' || *j->p == '-'))
            j->p++;
        if (skip_digits(j) == 0)
            die_unexpected(j, "a digit");
    }
}

static bool skip_word(json *j, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(j->end - j->p) < n || memcmp(j->p, word, n) != 0)
        return false;
    j->p += n;
    return true;
}

static void skip(json *j, int depth, buffer *scratch)
{
    char c = json_peek(j), close = c == '{' ? '}' : ']';

    if (depth > 128)
        json_die(j, "nested more than 128 deep");
    if (c == '"') {
        const char *start = j->p;

        scratch->size = 0;
        json_string(j, scratch);
        for (size_t i = 0, n; i < scratch->size; i += n)
            if (!(n = utf8_size(scratch->data + i, scratch->size - i))) {
                j->p = start;
                json_die(j, "string is not valid UTF-8");
            }
    } else if (c == '{' || c == '[') {
        j->p++;
        if (json_take(j, close))
            return;
        do {
            if (c == '{') {
                if (json_peek(j) != '"')
                    die_unexpected(j, "a key");
                skip(j, depth + 1, scratch);
                json_expect(j, ':');
            }
            skip(j, depth + 1, scratch);
        } while (json_take(j, ','));
        json_expect(j, close);
    } else if (!skip_word(j, "true") && !skip_word(j, "false") && !skip_word(j, "null")) {
        skip_number(j);
    }
}

void json_skip(json *j)
{
    buffer scratch = {0};

    skip(j, 0, &scratch);
    buffer_free(&scratch);
}

int64_t json_integer(json *j)
{
    const char *p;
    int64_t value = 0;

    json_peek(j);
    p = j->p;
    skip_number(j);
    for (const char *d = p + (*p == '-'); d < j->p; d++) {
        if (*d < '0' || *d > '9' || value > (INT64_MAX - 9) / 10) {
            j->p = p;
            json_die(j, "expected a whole number");
        }
        value = value * 10 + (*d - '0');
    }
    return *p == '-' ? -value : value;
}

/* ---- writing ------------------------------------------------------------------------- */

void json_add_string(buffer *out, const char *text, size_t size)
{
    buffer_add(out, "\"", 1);
    for (size_t i = 0, n; i < size; i += n) {
        unsigned char c = (unsigned char)text[i];
        char escape[8] = "";

        n = utf8_size(text + i, size - i);
        if (c == '"' || c == '\\')
            snprintf(escape, sizeof(escape), "\\%c", c);
        else if (c == '\n')
            strcpy(escape, "\\n");
        else if (c == '\r')
            strcpy(escape, "\\r");
        else if (c == '\t')
            strcpy(escape, "\\t");
        else if (c < 0x20 || c == 0x7f)
            snprintf(escape, sizeof(escape), "\\u%04x", c);
        else if (n == 0)
            strcpy(escape, "\\ufffd");
        if (*escape)
            buffer_add(out, escape, strlen(escape));
        else
            buffer_add(out, text + i, n);
        n = n ? n : 1;
    }
    buffer_add(out, "\"", 1);
}

void json_write_string(FILE *f, const char *text, size_t size)
{
    buffer b = {0};

    json_add_string(&b, text, size);
    fwrite(b.data, 1, b.size, f);
    buffer_free(&b);
}

void json_write_floats(FILE *f, const float *x, int64_t count)
{
    putc('[', f);
    for (int64_t i = 0; i < count; i++) {
        if (i)
            putc(',', f);
        if (isfinite(x[i]))
            fprintf(f, "%.9g", (double)x[i]);
        else
            fputs("null", f); /* JSON has no other word for it */
    }
    putc(']', f);
}
