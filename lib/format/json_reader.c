/* The JSON stream: a pull reader as strict as RFC 8259, over text that need not end in a NUL. It
 * takes no memory but for the string it returns, and its depth is bounded. */
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "json.h"

enum { /* what may come next */
    WANT_VALUE,
    WANT_ELEMENT_OR_END, /* after '[' */
    WANT_KEY_OR_END,     /* after '{' */
    WANT_COMMA_OR_END,   /* after a value; at depth 0: the end of the text */
    DONE,
    FAILED
};

const char *emb_json_event_name(emb_json_event event)
{
    switch (event) {
    case EMB_JSON_NULL: return "null";
    case EMB_JSON_TRUE: return "true";
    case EMB_JSON_FALSE: return "false";
    case EMB_JSON_INTEGER: return "an integer";
    case EMB_JSON_FLOAT: return "a float";
    case EMB_JSON_STRING: return "a string";
    case EMB_JSON_OBJECT: return "an object";
    case EMB_JSON_ARRAY: return "an array";
    case EMB_JSON_KEY: return "a key";
    case EMB_JSON_OBJECT_END: return "the end of an object";
    case EMB_JSON_ARRAY_END: return "the end of an array";
    case EMB_JSON_END: return "the end of the text";
    case EMB_JSON_ERROR: break;
    }
    return "an error";
}

/* ---- errors: each ends the reading and returns false ------------------------------------- */

static bool fail(emb_json_reader *r, int32_t status, const char *format, ...) EMB_PRINTF(3, 4);
static bool fail(emb_json_reader *r, int32_t status, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->state = FAILED;
    r->status = emb_fail(r->error, status, "%s: line %lld: %s", r->name, (long long)r->line, text);
    return false;
}

static bool is_digit(const emb_json_reader *r, size_t at)
{
    return at < r->size && r->text[at] >= '0' && r->text[at] <= '9';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '+' || c == '-' || c == '.';
}

/* The word or character at r->at is not what was expected. */
static bool unexpected(emb_json_reader *r, const char *expected)
{
    const char *s = r->text + r->at;
    size_t left = r->size - r->at, n = 0;
    uint32_t c;
    if (left == 0)
        return fail(r, EMBED_EFORMAT, "expected %s, found the end of the text", expected);
    while (n < left && is_word(s[n])) n++;
    if (n == 0) {
        int step = emb_utf8_decode(s, left, &c);
        if (step < 0 || c < 0x20)
            return fail(r, EMBED_EFORMAT, "expected %s, found the byte 0x%02X", expected,
                        (unsigned char)*s);
        n = (size_t)step;
    }
    return fail(r, EMBED_EFORMAT, "expected %s, found '%s'", expected, emb_excerpt_of(s, n).text);
}

/* ---- tokens: r->at stands on the first byte ---------------------------------------------- */

static void skip_space(emb_json_reader *r)
{
    for (; r->at < r->size; r->at++) { /* strings hold no raw line feed: all of them are here */
        char c = r->text[r->at];
        if (c == '\n') r->line++;
        else if (c != ' ' && c != '\t' && c != '\r') break;
    }
}

/* \uXXXX at `at`. */
static bool hex_escape(const emb_json_reader *r, size_t at, uint32_t *code)
{
    if (r->size - at < 6 || r->text[at] != '\\' || r->text[at + 1] != 'u') return false;
    *code = 0;
    for (size_t i = at + 2; i < at + 6; i++) {
        char c = r->text[i], lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9') *code = *code << 4 | (uint32_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f') *code = *code << 4 | (uint32_t)(lower - 'a' + 10);
        else return false;
    }
    return true;
}

static bool escape(emb_json_reader *r)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *s = r->text + r->at;
    char utf8[4];
    uint32_t code, low;
    const char *letter = r->size - r->at > 1 && s[1] ? strchr(letters, s[1]) : NULL;
    if (letter) {
        emb_buffer_add(&r->scratch, meanings + (letter - letters), 1);
        r->at += 2;
        return true;
    }
    if (!hex_escape(r, r->at, &code))
        return fail(r, EMBED_EFORMAT,
                    "expected an escape such as \\n or \\u00e9 in a string, found '%s'",
                    emb_excerpt_of(s, EMB_MIN(r->size - r->at, 6)).text);
    if (code >= 0xD800 && code <= 0xDFFF) {
        if (code >= 0xDC00 || !hex_escape(r, r->at + 6, &low) || low < 0xDC00 || low > 0xDFFF)
            return fail(r, EMBED_EFORMAT,
                        "expected a pair of surrogates in a string, found '%.6s' alone", s);
        code = 0x10000 + ((code - 0xD800) << 10 | (low - 0xDC00));
        r->at += 6;
    }
    r->at += 6;
    emb_buffer_add(&r->scratch, utf8, (size_t)emb_utf8_encode(code, utf8));
    return true;
}

static bool ends_run(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

static bool string(emb_json_reader *r)
{
    r->value_at = r->at++;
    r->scratch.size = 0;
    for (;;) {
        const char *from = r->text + r->at;
        size_t left = r->size - r->at, n = 0;
        unsigned char all = 0;
        for (; n < left && !ends_run((unsigned char)from[n]); n++) all |= (unsigned char)from[n];
        int64_t invalid = all < 0x80 ? -1 : emb_utf8_invalid(from, n);
        if (invalid >= 0)
            return fail(r, EMBED_EFORMAT, "expected UTF-8 in a string, found the byte 0x%02X",
                        (unsigned char)from[invalid]);
        emb_buffer_add(&r->scratch, from, n);
        r->at += n;
        if (n == left) return unexpected(r, "a '\"' that ends the string");
        unsigned char c = (unsigned char)from[n];
        if (c == '"') break;
        if (c != '\\')
            return fail(r, EMBED_EFORMAT, "expected control characters in a string as "
                        "\\u%04x, found the byte 0x%02X", c, c);
        if (!escape(r)) return false;
    }
    r->at++;
    r->string = r->scratch.data;
    r->string_size = r->scratch.size;
    return r->scratch.failed ? fail(r, EMBED_ENOMEM, "out of memory") : true;
}

/* digits / power, rounded once: the quotient of the digits' double, and what it leaves. false: too
 * near to the middle between two doubles to tell. */
static bool divide(uint64_t digits, double power, double *out)
{
    double high = (double)digits, low = (double)(int64_t)(digits - (uint64_t)high);
    double quotient = high / power, rest = (fma(-quotient, power, high) + low) / power;
    *out = quotient + rest * (1 - 0x1p-40);
    return *out == quotient + rest * (1 + 0x1p-40);
}

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* The double nearest to digits * 10^exponent, the digits being those of the number that ends before
 * `end`. Up to 2^53 and 10^22 one operation on exact doubles is correctly rounded; a fraction of
 * more digits is divided in two steps, where these can tell. Everything else goes to strtod as whole
 * digits and an exponent: with no decimal point in it, no locale can change what it means. */
static bool to_double(emb_json_reader *r, size_t end, bool fits, uint64_t digits, int64_t exponent)
{
    if (FLT_EVAL_METHOD == 0 && fits && exponent >= -22 && exponent <= 22) {
        bool exact = digits <= (uint64_t)1 << 53, small = digits <= (uint64_t)1 << 62;
        r->number = (double)digits;
        if (exact && exponent < 0) r->number /= powers[-exponent];
        else if (exact) r->number *= powers[exponent];
        if (exact) return true;
        if (small && exponent < 0 && divide(digits, powers[-exponent], &r->number)) return true;
    }
    r->scratch.size = 0;
    for (size_t i = r->at; i < end && (r->text[i] | 0x20) != 'e'; i++)
        if (is_digit(r, i)) emb_buffer_add(&r->scratch, r->text + i, 1);
    emb_buffer_printf(&r->scratch, "e%lld", (long long)exponent);
    if (r->scratch.failed) return fail(r, EMBED_ENOMEM, "out of memory");
    r->number = strtod(r->scratch.data, NULL);
    if (isinf(r->number))
        return fail(r, EMBED_EFORMAT, "expected a number that a double can hold, found %s",
                    emb_excerpt_of(r->text + r->at, end - r->at).text);
    return true;
}

/* Digits from `at` on: where they end. */
static size_t take_digits(const emb_json_reader *r, size_t at, uint64_t *digits, bool *fits)
{
    for (; at < r->size; at++) {
        unsigned digit = (unsigned char)r->text[at] - (unsigned)'0';
        if (digit > 9) break;
        if (*digits > (UINT64_MAX - 9) / 10) *fits = false;
        else *digits = 10 * *digits + digit;
    }
    return at;
}

static bool number(emb_json_reader *r, emb_json_event *event)
{
    size_t at = r->at;
    bool negative = r->text[at] == '-', fits = true;
    uint64_t digits = 0;
    int64_t exponent = 0, written = 0;
    *event = EMB_JSON_INTEGER;
    r->value_at = at;
    at += negative;
    if (r->size - at > 1 && r->text[at] == '0' && is_digit(r, at + 1))
        return fail(r, EMBED_EFORMAT, "expected a number, found one that begins with 0");
    size_t first = at;
    at = take_digits(r, at, &digits, &fits);
    if (at > first && at < r->size && r->text[at] == '.') {
        *event = EMB_JSON_FLOAT;
        first = at + 1;
        at = take_digits(r, first, &digits, &fits);
        exponent = -(int64_t)(at - first);
    }
    if (at == first) {
        r->at = at;
        return unexpected(r, "a digit");
    }
    if (at < r->size && (r->text[at] | 0x20) == 'e') {
        *event = EMB_JSON_FLOAT;
        at++;
        bool minus = at < r->size && r->text[at] == '-';
        at += minus || (at < r->size && r->text[at] == '+');
        if (!is_digit(r, at)) {
            r->at = at;
            return unexpected(r, "a digit");
        }
        for (; is_digit(r, at); at++)
            if (written < INT64_C(1000000000000000)) written = 10 * written + (r->text[at] - '0');
        exponent += minus ? -written : written;
    }
    if (!to_double(r, at, fits, digits, exponent)) return false;
    if (negative) r->number = -r->number;
    r->integer_big = !fits || digits > (uint64_t)INT64_MAX + negative;
    if (r->integer_big) r->integer = 0;
    else r->integer = negative ? -(int64_t)(digits - (digits > 0)) - (digits > 0) : (int64_t)digits;
    r->at = at;
    return true;
}

static double power_of_ten(int64_t exponent) /* up to 308 */
{
    char text[8];
    if (exponent < EMB_COUNT(powers)) return powers[exponent];
    snprintf(text, sizeof text, "1e%d", (int)exponent);
    return strtod(text, NULL);
}

double emb_json_serde_number(const emb_json_reader *r)
{
    bool negative = r->text[r->value_at] == '-', fits = true, point = false, minus = false;
    uint64_t digits = 0;
    int64_t exponent = 0, written = 0;
    size_t at = r->value_at + negative;
    for (; at < r->at && (r->text[at] | 0x20) != 'e'; at++) {
        unsigned digit = (unsigned char)r->text[at] - (unsigned)'0';
        if (digit > 9) {
            point = true;
            continue;
        }
        fits = fits && digits <= (UINT64_MAX - digit) / 10; /* what is behind is left out */
        if (fits) digits = 10 * digits + digit;
        exponent += point ? -fits : !fits;
    }
    for (; at < r->at; at++) {
        minus |= r->text[at] == '-';
        if (is_digit(r, at) && written < INT64_C(1000000000000000))
            written = 10 * written + (r->text[at] - '0');
    }
    exponent += minus ? -written : written;
    double x = (double)digits;
    for (; exponent < -308 && x != 0; exponent += 308) x /= 1e308;
    if (x != 0)
        x = exponent < 0 ? x / power_of_ten(-exponent) : x * power_of_ten(EMB_MIN(exponent, 308));
    return negative ? -x : x;
}

static bool literal(emb_json_reader *r, emb_json_event *event)
{
    static const struct { const char *text; size_t size; emb_json_event event; } literals[] = {
        {"null", 4, EMB_JSON_NULL}, {"true", 4, EMB_JSON_TRUE}, {"false", 5, EMB_JSON_FALSE}};
    size_t n = 0;
    while (r->at + n < r->size && is_word(r->text[r->at + n])) n++;
    for (int64_t i = 0; i < EMB_COUNT(literals); i++) {
        if (n != literals[i].size || memcmp(r->text + r->at, literals[i].text, n) != 0) continue;
        *event = literals[i].event;
        r->value_at = r->at;
        r->at += n;
        return true;
    }
    return unexpected(r, "a value");
}

/* ---- structure --------------------------------------------------------------------------- */

static bool open_container(emb_json_reader *r, emb_json_event *event)
{
    char c = r->text[r->at];
    if (r->depth == EMB_JSON_MAX_DEPTH)
        return fail(r, EMBED_EFORMAT, "expected at most %d levels of nesting, found more",
                    EMB_JSON_MAX_DEPTH);
    r->stack[r->depth++] = (uint8_t)c;
    r->state = c == '{' ? WANT_KEY_OR_END : WANT_ELEMENT_OR_END;
    r->value_at = r->at++;
    *event = c == '{' ? EMB_JSON_OBJECT : EMB_JSON_ARRAY;
    return true;
}

static bool close_container(emb_json_reader *r, emb_json_event *event)
{
    *event = r->stack[--r->depth] == '{' ? EMB_JSON_OBJECT_END : EMB_JSON_ARRAY_END;
    r->state = WANT_COMMA_OR_END;
    r->value_at = r->at++;
    return true;
}

static bool value(emb_json_reader *r, emb_json_event *event)
{
    char c = r->at < r->size ? r->text[r->at] : '\0';
    r->state = WANT_COMMA_OR_END;
    if (c == '{' || c == '[') return open_container(r, event);
    if (c == '-' || (c >= '0' && c <= '9')) return number(r, event);
    if (c != '"') return literal(r, event);
    *event = EMB_JSON_STRING;
    return string(r);
}

static bool key(emb_json_reader *r, emb_json_event *event)
{
    if (r->at == r->size || r->text[r->at] != '"') return unexpected(r, "a key in quotes");
    if (!string(r)) return false;
    skip_space(r);
    if (r->at == r->size || r->text[r->at] != ':') return unexpected(r, "a ':' after the key");
    r->at++;
    r->state = WANT_VALUE;
    *event = EMB_JSON_KEY;
    return true;
}

static bool comma_or_end(emb_json_reader *r, emb_json_event *event)
{
    char c = r->at < r->size ? r->text[r->at] : '\0';
    if (r->depth == 0) {
        if (r->at < r->size) return unexpected(r, "the end of the text");
        r->state = DONE;
        *event = EMB_JSON_END;
        return true;
    }
    bool object = r->stack[r->depth - 1] == '{';
    if (c == (object ? '}' : ']')) return close_container(r, event);
    if (c != ',') return unexpected(r, object ? "',' or '}'" : "',' or ']'");
    r->at++;
    skip_space(r);
    return object ? key(r, event) : value(r, event);
}

static bool step(emb_json_reader *r, emb_json_event *event)
{
    skip_space(r);
    char c = r->at < r->size ? r->text[r->at] : '\0';
    switch (r->state) {
    case WANT_VALUE: return value(r, event);
    case WANT_ELEMENT_OR_END: return c == ']' ? close_container(r, event) : value(r, event);
    case WANT_KEY_OR_END: return c == '}' ? close_container(r, event) : key(r, event);
    case WANT_COMMA_OR_END: return comma_or_end(r, event);
    case DONE: *event = EMB_JSON_END; return true;
    default: return false;
    }
}

/* ---- the reader -------------------------------------------------------------------------- */

void emb_json_start(emb_json_reader *r, const char *name, const char *text, size_t size,
                    const emb_allocator *a, embed_error *error)
{
    *r = (emb_json_reader){.name = name, .text = text, .size = size, .line = 1, .error = error};
    emb_buffer_init(&r->scratch, a);
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        fail(r, EMBED_EFORMAT, "the text begins with a byte order mark, which JSON forbids: "
             "save it as UTF-8 without one");
}

emb_json_event emb_json_next(emb_json_reader *r)
{
    emb_json_event event = EMB_JSON_ERROR;
    return step(r, &event) ? event : EMB_JSON_ERROR;
}

bool emb_json_skip(emb_json_reader *r, emb_json_event event)
{
    if (event == EMB_JSON_KEY) event = emb_json_next(r);
    if (event == EMB_JSON_OBJECT || event == EMB_JSON_ARRAY) {
        int32_t outside = r->depth - 1;
        while (r->depth > outside && event != EMB_JSON_ERROR) event = emb_json_next(r);
    }
    return event != EMB_JSON_ERROR;
}

bool emb_json_enter(emb_json_reader *r, const char *key, emb_json_event *event)
{
    while ((*event = emb_json_next(r)) == EMB_JSON_KEY) {
        bool found = !strcmp(r->string, key);
        *event = emb_json_next(r);
        if (found) return true;
        if (!emb_json_skip(r, *event)) return false;
    }
    return false;
}

void emb_json_stop(emb_json_reader *r)
{
    emb_buffer_free(&r->scratch);
}

int64_t emb_json_line(const char *text, size_t at)
{
    int64_t line = 1;
    for (size_t i = 0; i < at; i++) line += text[i] == '\n';
    return line;
}
