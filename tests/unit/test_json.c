/* The JSON reader and tree: what is taken, each refusal with its text, numbers bit for bit, the
 * skipped path, typed reads, failing allocations, and time that grows with the text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../../lib/format/json.h"
#include "failing_allocator.h"

static emb_json_document *parse(const char *text, size_t size, const char *skip, embed_error *error)
{
    char *tight = malloc(size ? size : 1); /* no NUL after it: a read past the end is seen */
    memcpy(tight, text, size);
    *error = (embed_error)EMBED_ERROR_INIT;
    emb_json_document *d = emb_json_parse("f.json", tight, size, skip, &emb_libc_allocator, error);
    free(tight); /* the tree must not point into the text */
    return d;
}

/* ---- syntax ------------------------------------------------------------------------- */

static const struct {
    const char *text; const char *message;
} refused[] = {
    {"", "f.json: line 1: expected a value, found the end of the text"},
    {" \n\n ", "f.json: line 3: expected a value, found the end of the text"},
    {"\xEF\xBB\xBF{}", "f.json: line 1: the text begins with a byte order mark, which JSON "
                       "forbids: save "
                       "it as UTF-8 without one"},
    {"{\"a\":1,}", "f.json: line 1: expected a key in quotes, found '}'"},
    {"[1,]", "f.json: line 1: expected a value, found ']'"},
    {"[,1]", "f.json: line 1: expected a value, found ','"},
    {"[1 2]", "f.json: line 1: expected ',' or ']', found '2'"},
    {"{\"a\":1 \"b\":2}", "f.json: line 1: expected ',' or '}', found '\"'"},
    {"{\"a\" 1}", "f.json: line 1: expected a ':' after the key, found '1'"},
    {"{a:1}", "f.json: line 1: expected a key in quotes, found 'a'"},
    {"{'a':1}", "f.json: line 1: expected a key in quotes, found '''"},
    {"{\n\"a\":", "f.json: line 2: expected a value, found the end of the text"},
    {"[", "f.json: line 1: expected a value, found the end of the text"},
    {"[1}", "f.json: line 1: expected ',' or ']', found '}'"},
    {"{]", "f.json: line 1: expected a key in quotes, found ']'"},
    {"{} {}", "f.json: line 1: expected the end of the text, found '{'"},
    {"1 x", "f.json: line 1: expected the end of the text, found 'x'"},
    {"// c\n1", "f.json: line 1: expected a value, found '/'"},
    {"NaN", "f.json: line 1: expected a value, found 'NaN'"},
    {"[Infinity]", "f.json: line 1: expected a value, found 'Infinity'"},
    {"-Infinity", "f.json: line 1: expected a digit, found 'Infinity'"},
    {"nul", "f.json: line 1: expected a value, found 'nul'"},
    {"nulll", "f.json: line 1: expected a value, found 'nulll'"},
    {"True", "f.json: line 1: expected a value, found 'True'"},
    {"\xC3\xA9", "f.json: line 1: expected a value, found '\xC3\xA9'"},
    {"\xFF", "f.json: line 1: expected a value, found the byte 0xFF"},
    {"\x01", "f.json: line 1: expected a value, found the byte 0x01"},
    {"01", "f.json: line 1: expected a number, found one that begins with 0"},
    {"-00.5", "f.json: line 1: expected a number, found one that begins with 0"},
    {"-", "f.json: line 1: expected a digit, found the end of the text"},
    {"+1", "f.json: line 1: expected a value, found '+1'"},
    {".5", "f.json: line 1: expected a value, found '.5'"},
    {"1.", "f.json: line 1: expected a digit, found the end of the text"},
    {"1.e5", "f.json: line 1: expected a digit, found 'e5'"},
    {"1.5.5", "f.json: line 1: expected the end of the text, found '.5'"},
    {"1e", "f.json: line 1: expected a digit, found the end of the text"},
    {"1e+", "f.json: line 1: expected a digit, found the end of the text"},
    {"0x10", "f.json: line 1: expected the end of the text, found 'x10'"},
    {"1e400", "f.json: line 1: expected a number that a double can hold, found 1e400"},
    {"-1e309", "f.json: line 1: expected a number that a double can hold, found -1e309"},
    {"\"abc", "f.json: line 1: expected a '\"' that ends the string, found the end of the text"},
    {"\"a\tb\"", "f.json: line 1: expected control characters in a string as \\u0009, found the "
                 "byte 0x09"},
    {"\"a\nb\"", "f.json: line 1: expected control characters in a string as \\u000a, found the "
                 "byte 0x0A"},
    {"\"\\x41\"", "f.json: line 1: expected an escape such as \\n or \\u00e9 in a string, found "
                  "'\\x41\"'"},
    {"\"\\u12\"", "f.json: line 1: expected an escape such as \\n or \\u00e9 in a string, found "
                  "'\\u12\"'"},
    {"\"\\u00g0\"", "f.json: line 1: expected an escape such as \\n or \\u00e9 in a string, found "
                    "'\\u00g0'"},
    {"\"\\", "f.json: line 1: expected an escape such as \\n or \\u00e9 in a string, found '\\'"},
    {"\"\\ud800\"", "f.json: line 1: expected a pair of surrogates in a string, found '\\ud800' "
                    "alone"},
    {"\"\\udc00\"", "f.json: line 1: expected a pair of surrogates in a string, found '\\udc00' "
                    "alone"},
    {"\"\\ud800\\ud800\"", "f.json: line 1: expected a pair of surrogates in a string, found "
                           "'\\ud800' alone"},
    {"\"\\ud800\\n\"", "f.json: line 1: expected a pair of surrogates in a string, found '\\ud800' "
                       "alone"},
    {"[\n\"a\xC3\x28\"]", "f.json: line 2: expected UTF-8 in a string, found the byte 0xC3"},
    {"\"\xED\xA0\x80\"", "f.json: line 1: expected UTF-8 in a string, found the byte 0xED"},
    {"\"\xC0\x80\"", "f.json: line 1: expected UTF-8 in a string, found the byte 0xC0"},
    {"\"\xF4\x90\x80\x80\"", "f.json: line 1: expected UTF-8 in a string, found the byte 0xF4"},
    {"\"a\xE2\x82", "f.json: line 1: expected UTF-8 in a string, found the byte 0xE2"},
    {"\"a\\u0000b\"", "f.json: line 1: expected text, found a string with U+0000 in it"},
    {"{\"a\\u0000b\":1}", "f.json: line 1: expected text, found a key with U+0000 in it"},
    {"{\"a\":1,\n\"b\":2,\n\"a\":3}", "f.json: line 3: expected each key once, found \"a\" again "
                                      "(first on line 1)"},
    {"{\"x\":{\"k\":1},\"y\":{\"k\":1,\"\\u006b\":2}}", "f.json: line 1: expected each key once, "
                                                        "found \"k\" again (first on line 1)"},
};

static void test_refused(void **state)
{
    (void)state;
    for (int64_t i = 0; i < EMB_COUNT(refused); i++) {
        embed_error error;
        emb_json_document *d = parse(refused[i].text, strlen(refused[i].text), NULL, &error);
        assert_null(d);
        assert_string_equal(error.message, refused[i].message);
        assert_int_equal(error.status, EMBED_EFORMAT);
    }
    embed_error error;
    assert_null(parse("[1,\0]", 5, NULL, &error));
    assert_string_equal(error.message, "f.json: line 1: expected a value, found the byte 0x00");
    assert_null(
        emb_json_parse("f", "[", 1, NULL, &emb_libc_allocator, NULL)); /* no message wanted */
}

/* Every beginning of a text is refused, and every one read without a byte beyond it. */
static void test_cut_short(void **state)
{
    static const char text[] = "{\"a\": [1, -2.5e-3, true, false, null], \"\\ud83d\\ude00\": "
                               "{\"b\": \"\xC3\xA9\\n\"}}";
    (void)state;
    for (size_t n = 0; n < sizeof text - 1; n++) {
        embed_error error;
        assert_null(parse(text, n, NULL, &error));
        assert_int_equal(error.status, EMBED_EFORMAT);
    }
    embed_error error;
    emb_json_document *d = parse(text, sizeof text - 1, NULL, &error);
    assert_non_null(d);
    emb_json_free(d);
}

static void test_depth(void **state)
{
    char text[2 * 129];
    embed_error error;
    (void)state;
    for (int depth = 127; depth <= 129; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        emb_json_document *d = parse(text, 2 * (size_t)depth, NULL, &error);
        assert_int_equal(d != NULL, depth <= EMB_JSON_MAX_DEPTH);
        emb_json_free(d);
    }
    assert_string_equal(error.message, "f.json: line 1: expected at most 128 levels of nesting, "
                                       "found more");
}

/* ---- stream ---------------------------------------------------------------------------- */

static void test_events(void **state)
{
    static const char text[] = " {\"a\":[1,2.0,-9223372036854775808,18446744073709551615],\n "
                               "\"b\\u0000\":\"x\"} ";
    static const emb_json_event events[] = {EMB_JSON_OBJECT,  EMB_JSON_KEY,        EMB_JSON_ARRAY,
                                            EMB_JSON_INTEGER, EMB_JSON_FLOAT,      EMB_JSON_INTEGER,
                                            EMB_JSON_INTEGER, EMB_JSON_ARRAY_END,  EMB_JSON_KEY,
                                            EMB_JSON_STRING,  EMB_JSON_OBJECT_END, EMB_JSON_END,
                                            EMB_JSON_END};
    emb_json_reader r;
    (void)state;
    emb_json_start(&r, "f", text, sizeof text - 1, &emb_libc_allocator, NULL);
    for (int64_t i = 0; i < EMB_COUNT(events); i++) {
        assert_int_equal(emb_json_next(&r), events[i]);
        if (i == 5) assert_true(r.integer == INT64_MIN && !r.integer_big);
        if (i == 6) assert_true(r.integer_big && r.number == 18446744073709551616.0);
        if (i == 8) assert_true(r.string_size == 2 && memcmp(r.string, "b", 2) == 0 && r.line == 2);
        if (i == 9) assert_string_equal(r.string, "x");
    }
    emb_json_stop(&r);
    assert_int_equal(emb_json_line("a\nb\nc", 4), 3);
}

static void test_skip(void **state)
{
    static const char text[] = "{\"a\":{\"x\":[[],{}]},\"b\":1,\"c\":[2]}";
    emb_json_reader r;
    (void)state;
    emb_json_start(&r, "f", text, sizeof text - 1, &emb_libc_allocator, NULL);
    assert_int_equal(emb_json_next(&r), EMB_JSON_OBJECT);
    assert_true(emb_json_skip(&r, emb_json_next(&r))); /* the key a with its value */
    assert_int_equal(emb_json_next(&r), EMB_JSON_KEY);
    assert_string_equal(r.string, "b");
    assert_true(emb_json_skip(&r, emb_json_next(&r))); /* 1 */
    assert_int_equal(emb_json_next(&r), EMB_JSON_KEY);
    assert_true(emb_json_skip(&r, emb_json_next(&r))); /* [2] */
    assert_int_equal(emb_json_next(&r), EMB_JSON_OBJECT_END);
    emb_json_stop(&r);

    emb_json_start(&r, "f", "[[1,x]]", 7, &emb_libc_allocator, NULL);
    assert_int_equal(emb_json_next(&r), EMB_JSON_ARRAY);
    assert_false(emb_json_skip(&r, emb_json_next(&r)));
    assert_int_equal(emb_json_next(&r), EMB_JSON_ERROR); /* and remains so */
    assert_int_equal(r.status, EMBED_EFORMAT);
    emb_json_stop(&r);
}

/* ---- numbers ----------------------------------------------------------------------------- */

static double number_of(const char *text)
{
    embed_error error;
    emb_json_document *d = parse(text, strlen(text), NULL, &error);
    assert_non_null(d);
    double n = emb_json_to_double(emb_json_root(d));
    emb_json_free(d);
    return n;
}

static void assert_same_bits(double a, double b)
{
    assert_memory_equal(&a, &b, sizeof a);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text; double value;
    } known[] = {{"0", 0x0p+0},
                 {"-0.0", -0x0p+0},
                 {"0.1", 0x1.999999999999ap-4},
                 {"1e22", 0x1.0f0cf064dd592p+73},
                 {"1e23", 0x1.52d02c7e14af6p+76},
                 {"8.5e22", 0x1.1ffdbf6b2b2ebp+76},
                 {"123456.789e3", 123456789.0},
                 {"9007199254740993", 0x1p+53},
                 {"9007199254740995", 0x1.0000000000002p+53},
                 {"9007199254740992.999999999999999999999999999999", 0x1p+53},
                 {"9007199254740993.000000000000000000000000000001", 0x1.0000000000001p+53},
                 {"2.2250738585072011e-308", 0x0.fffffffffffffp-1022},
                 {"2.2250738585072014e-308", 0x1p-1022},
                 {"4.9e-324", 0x1p-1074},
                 {"2.4703282292062327e-324", 0x0p+0},
                 {"2.4703282292062328e-324", 0x1p-1074},
                 {"1.7976931348623157e308", 0x1.fffffffffffffp+1023},
                 {"0e999999999999999999999", 0.0},
                 {"1e-99999999999999999999", 0.0},
                 {"18446744073709551615", 0x1p+64},
                 {"1000000000000000019884624838656", 0x1.93e5939a08ceap+99},
                 {"0.00000000000000000000000000001e29", 1.0}};
    (void)state;
    for (int64_t i = 0; i < EMB_COUNT(known); i++)
        assert_same_bits(number_of(known[i].text), known[i].value);

    uint64_t seed = 1; /* the shortest text of a random double reads back as that double */
    for (int i = 0; i < 20000; i++) {
        char text[64];
        double x;
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t bits = seed ^ seed >> 29;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x)) continue;
        snprintf(text, sizeof text, "%.*e", i % 2 ? 16 : 40, x);
        assert_same_bits(number_of(text), x);
        uint64_t digits = bits >> (i % 12); /* as many as a float has in double, and near to ties */
        if (i % 3 == 0) digits = digits >> 9 << 9 | 256;
        int size = snprintf(text, sizeof text, "%llu", (unsigned long long)digits);
        int point = i % size;
        memmove(text + size - point + 1, text + size - point, (size_t)point + 1);
        text[size - point] = '.';
        if (point == 0) memcpy(text + size, "e-1", 4);
        assert_same_bits(number_of(text), strtod(text, NULL));
    }
}

/* A locale with a decimal comma changes nothing. Its name differs between systems; none may be
 * there. */
static void test_locale(void **state)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    (void)state;
    for (int64_t i = 0; i < EMB_COUNT(names); i++) {
        if (!setlocale(LC_NUMERIC, names[i])) continue;
        assert_same_bits(number_of("0.5"), 0.5);
        assert_same_bits(number_of("3.14159265358979323846264338327950288"), 0x1.921fb54442d18p+1);
        setlocale(LC_NUMERIC, "C");
        return;
    }
    skip();
}

static void test_integers(void **state)
{
    static const struct {
        const char *text; bool integer, fits; int64_t value;
    } cases[] = {{"0", true, true, 0},
                 {"-0", true, true, 0},
                 {"-7", true, true, -7},
                 {"9007199254740992", true, true, INT64_C(9007199254740992)},
                 {"-9007199254740992", true, true, -INT64_C(9007199254740992)},
                 {"9007199254740993", true, false, 0},
                 {"-9007199254740993", true, false, 0},
                 {"1000000000000000019884624838656", true, false, 0},
                 {"1.0", false, false, 0},
                 {"1e0", false, false, 0}};
    (void)state;
    for (int64_t i = 0; i < EMB_COUNT(cases); i++) {
        embed_error error;
        int64_t n = 0;
        emb_json_document *d = parse(cases[i].text, strlen(cases[i].text), NULL, &error);
        assert_non_null(d);
        const emb_json *v = emb_json_root(d);
        assert_int_equal(emb_json_is(v, EMB_JSON_INTEGER), cases[i].integer);
        assert_int_equal(emb_json_is(v, EMB_JSON_FLOAT), !cases[i].integer);
        assert_int_equal(emb_json_to_int(v, &n), cases[i].fits);
        assert_true(n == cases[i].value);
        emb_json_free(d);
    }
}

/* ---- tree ------------------------------------------------------------------------------------ */

static void test_tree(void **state)
{
    static const char text[] = "{\n \"a\": [1, 2.5, \"x\"],\n \"A\": {\"\": null},\n"
                               " \"s\": "
                               "\"\\u00e9\\ud83d\\ude00\\\"\\/\\b\\f\\n\\r\\t\xE2\x82\xAC\", "
                               "\"t\": true, \"f\": false}";
    embed_error error;
    (void)state;
    emb_json_document *d = parse(text, sizeof text - 1, NULL, &error);
    assert_non_null(d);
    const emb_json *root = emb_json_root(d), *a = emb_json_get(root, "a"), *v = emb_json_first(a);
    assert_int_equal(emb_json_length(root), 5);
    assert_int_equal(emb_json_length(a), 3);
    assert_string_equal(emb_json_key(a), "a");
    assert_string_equal(emb_json_kind_name(v), "an integer");
    assert_null(emb_json_key(v));
    v = emb_json_next_sibling(v);
    assert_true(emb_json_is(v, EMB_JSON_FLOAT) && emb_json_to_double(v) == 2.5);
    v = emb_json_next_sibling(v);
    assert_string_equal(emb_json_text(v), "x");
    assert_null(emb_json_next_sibling(v));
    assert_true(emb_json_is(emb_json_get(root, "A"), EMB_JSON_OBJECT)); /* case matters */
    assert_true(emb_json_is(emb_json_get(emb_json_get(root, "A"), ""), EMB_JSON_NULL));
    assert_int_equal(emb_json_value_line(emb_json_get(root, "A")), 3);
    assert_int_equal(emb_json_value_line(emb_json_get(root, "t")), 4);
    assert_string_equal(emb_json_text(emb_json_get(root, "s")), "\xC3\xA9\xF0\x9F\x98\x80\"/"
                                                                "\b\f\n\r\t\xE2\x82\xAC");
    assert_true(emb_json_is(emb_json_get(root, "t"), EMB_JSON_TRUE));
    assert_true(emb_json_is(emb_json_get(root, "f"), EMB_JSON_FALSE));
    assert_null(emb_json_get(root, "T"));
    assert_null(emb_json_get(a, "a"));
    assert_null(emb_json_text(a));
    assert_string_equal(emb_json_kind_name(NULL), "absent");
    assert_int_equal(emb_json_length(NULL), 0);
    assert_int_equal(emb_json_value_line(NULL), 0);
    assert_false(emb_json_is(NULL, EMB_JSON_NULL));
    emb_json_free(d);
    emb_json_free(NULL);
}

static void test_skipped_path(void **state)
{
    static const struct {
        const char *text; bool skipped;
    } cases[] = {{"{\"model\":{\"type\":\"W\",\"vocab\":{\"\":5,\"a\\u0000\":1,\"b\":[2,{\"\":3,\"vocab\":"
                  "4}]},\"n\":7},\"vocab\":{\"c\":3}}",
                  true},
                 {"{\"model\":{\"vocab\":{},\"n\":7},\"vocab\":{\"c\":3}}", true},
                 {"{\"model\":{\"vocab\":0,\"n\":7},\"vocab\":{\"c\":3}}", true},
                 {"{\"model\":{\"vocab\":\"\",\"n\":7},\"vocab\":{\"c\":3}}", true},
                 {"{\"x\":{\"model\":{\"vocab\":1}},\"model\":{\"y\":{\"vocab\":1},\"n\":7},"
                  "\"vocab\":{\"c\":3}}",
                  false}};
    embed_error error;
    (void)state;
    for (int64_t i = 0; i < EMB_COUNT(cases); i++) {
        emb_json_document *d = parse(cases[i].text, strlen(cases[i].text), "model.vocab", &error);
        assert_non_null(d);
        const emb_json *root = emb_json_root(d), *model = emb_json_get(root, "model");
        assert_int_equal(emb_json_is(emb_json_get(model, "vocab"), EMB_JSON_NULL),
                         cases[i].skipped);
        assert_true(emb_json_to_double(emb_json_get(model, "n")) ==
                    7); /* what follows keeps its value */
        assert_true(emb_json_to_double(emb_json_get(emb_json_get(root, "vocab"), "c")) == 3);
        if (!cases[i].skipped) {
            assert_true(emb_json_to_double(emb_json_get(emb_json_get(model, "y"), "vocab")) == 1);
            assert_true(
                emb_json_is(emb_json_get(emb_json_get(emb_json_get(root, "x"), "model"), "vocab"),
                            EMB_JSON_INTEGER));
        }
        emb_json_free(d);
    }
    static const char twice[] = "{\"model\":{\"vocab\":{\"a\":1,\"a\":2}}}",
                      broken[] = "{\"model\":{\"vocab\":{\"a\":}}}";
    emb_json_document *d = parse(twice, sizeof twice - 1, "model.vocab", &error);
    assert_non_null(d); /* for the vocabulary's reader to find */
    emb_json_free(d);
    assert_null(parse(twice, sizeof twice - 1, "model.other", &error));
    assert_string_equal(error.message, "f.json: line 1: expected each key once, found \"a\" again "
                                       "(first on line 1)");
    assert_null(parse(broken, sizeof broken - 1, "model.vocab", &error));
    assert_string_equal(error.message, "f.json: line 1: expected a value, found '}'");
}

/* ---- typed reads
 * --------------------------------------------------------------------------------- */

static void test_reads(void **state)
{
    static const char text[] = "{\"i\": 5, \"big\": 9007199254740993,\n\"f\": 1.5, \"s\": "
                               "\"768\",\n\"b\": true, \"n\": null}";
    embed_error e;
    emb_json_document *d = parse(text, sizeof text - 1, NULL, &e);
    const emb_json *o = emb_json_root(d);
    const char *s;
    int64_t i;
    double f;
    bool b;
    (void)state;
    assert_int_equal(emb_json_read_int("c", o, "i", 1, 0, 9, &i, &e), EMBED_OK);
    assert_int_equal(i, 5);
    assert_int_equal(emb_json_read_int("c", o, "none", 1, 2, 9, &i, &e), EMBED_OK);
    assert_int_equal(i, 1);
    assert_int_equal(emb_json_read_int("c", o, "n", 3, 4, 9, &i, &e), EMBED_OK);
    assert_int_equal(i, 3);
    assert_int_equal(emb_json_read_float("c", o, "i", 0, &f, &e), EMBED_OK);
    assert_true(f == 5);
    assert_int_equal(emb_json_read_float("c", o, "n", 0.25, &f, &e), EMBED_OK);
    assert_true(f == 0.25);
    assert_int_equal(emb_json_read_bool("c", o, "b", false, &b, &e), EMBED_OK);
    assert_true(b);
    assert_int_equal(emb_json_read_bool("c", o, "n", true, &b, &e), EMBED_OK);
    assert_true(b);
    assert_int_equal(emb_json_read_string("c", o, "s", "?", &s, &e), EMBED_OK);
    assert_string_equal(s, "768");
    assert_int_equal(emb_json_read_string("c", o, "none", "?", &s, &e), EMBED_OK);
    assert_string_equal(s, "?");

    assert_int_equal(emb_json_read_int("c", o, "s", 1, 0, 9, &i, &e), EMBED_EFORMAT);
    assert_string_equal(e.message, "c: line 2: s: expected an integer, found a string");
    assert_int_equal(emb_json_read_int("c", o, "f", 1, 0, 9, &i, &e), EMBED_EFORMAT);
    assert_string_equal(e.message, "c: line 2: f: expected an integer, found a float");
    assert_int_equal(emb_json_read_int("c", o, "i", 1, 6, 9, &i, &e), EMBED_EFORMAT);
    assert_string_equal(e.message, "c: line 1: i: expected an integer from 6 to 9, found 5");
    assert_int_equal(emb_json_read_int("c", o, "i", 1, 0, 4, &i, &e), EMBED_EFORMAT);
    assert_string_equal(e.message, "c: line 1: i: expected an integer from 0 to 4, found 5");
    assert_int_equal(emb_json_read_int("c", o, "big", 1, 0, INT64_MAX, &i, &e), EMBED_EFORMAT);
    assert_string_equal(e.message, "c: line 1: big: expected an integer from 0 to "
                                   "9223372036854775807, found "
                                   "one that is too large");
    assert_int_equal(emb_json_read_float("c", o, "b", 0, &f, &e), EMBED_EFORMAT);
    assert_string_equal(e.message, "c: line 3: b: expected a number, found true");
    assert_int_equal(emb_json_read_bool("c", o, "i", true, &b, &e), EMBED_EFORMAT);
    assert_string_equal(e.message, "c: line 1: i: expected true or false, found an integer");
    assert_int_equal(emb_json_read_string("c", o, "i", "", &s, NULL), EMBED_EFORMAT);
    assert_int_equal(emb_json_read_string("c", o, "i", "", &s, &e), EMBED_EFORMAT);
    assert_string_equal(e.message, "c: line 1: i: expected a string, found an integer");
    emb_json_free(d);
}

/* ---- memory and time
 * -------------------------------------------------------------------------------- */

static void test_failing_allocations(void **state)
{
    static const char text[] = "{\"a\":[1,2.5e-300,\"x\\n\"],\"b\":{\"c\":{},\"v\":{\"d\":1}}}";
    emb_json_document *d = NULL;
    (void)state;
    for (int64_t n = 1; !d; n++) {
        failing f = {.fail_at = n};
        emb_allocator a = failing_allocator(&f);
        embed_error error = EMBED_ERROR_INIT;
        assert_true(n < 100);
        d = emb_json_parse("f", text, sizeof text - 1, "b.v", &a, &error);
        if (!d) {
            assert_int_equal(error.status, EMBED_ENOMEM);
            assert_non_null(strstr(error.message, "out of memory"));
        } else {
            assert_true(n > 5);
            emb_json_free(d);
        }
        assert_int_equal(f.alive, 0);
    }
}

/* A vocabulary of 250,000 keys, then the same with one key twice: far below what n * n would take.
 */
static void test_many_keys(void **state)
{
    emb_buffer b;
    embed_error error = EMBED_ERROR_INIT;
    (void)state;
    emb_buffer_init(&b, &emb_libc_allocator);
    emb_buffer_printf(&b, "{\"model\":{\"vocab\":{");
    for (int i = 0; i < 250000; i++) emb_buffer_printf(&b, "%s\"k%06d\":%d", i ? "," : "", i, i);
    size_t end = b.size;
    emb_buffer_printf(&b, "}}}");
    clock_t start = clock();
    emb_json_document *d =
        emb_json_parse("f", b.data, b.size, NULL, &emb_libc_allocator, &error);
    assert_non_null(d);
    emb_json_free(d);
    b.size = end;
    emb_buffer_printf(&b, ",\n\"k123456\":0}}}");
    assert_null(emb_json_parse("f", b.data, b.size, NULL, &emb_libc_allocator, &error));
    assert_string_equal(error.message, "f: line 2: expected each key once, found \"k123456\" again "
                                       "(first on line 1)");
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 20);
    emb_buffer_free(&b);
}

/* As tokenizers has the scores of a Unigram. */
static void test_serde_numbers(void **state)
{
    (void)state;
    static const struct { const char *text; double value; } cases[] = {
        {"0.1", 0.1}, {"-7.25", -7.25}, {"3", 3}, {"-13.944900512695312", -0x1.be3cap+3},
        {"-6.26018159083016613", -0x1.90a6d0afe8c19p+2}, {"1.5e-300", 0x1.01297d23ab682p-996},
        {"-3.4028234663852886e38", -0x1.fffffe0000001p+127},
        {"123456789012345678901234567890.5", 0x1.8ee90ff6c373ep+96},
        {"18446744073709551616.25", 0x1p+64}, {"-4.12345678901234567890123", -0x1.07e6b74dd1bdap+2},
        {"0.000123456789012345678e-305", 0x0.0e343904604dp-1022}, {"2.5E+2", 250}, {"0e999999", 0},
        {"1e-999999999999999999999", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        emb_json_reader r;
        snprintf(text, sizeof text, "[%s]", cases[i].text);
        emb_json_start(&r, "f", text, strlen(text), &emb_libc_allocator, NULL);
        assert_int_equal(emb_json_next(&r), EMB_JSON_ARRAY);
        assert_int_not_equal(emb_json_next(&r), EMB_JSON_ERROR);
        if (emb_json_serde_number(&r) != cases[i].value)
            fail_msg("%s: %a, expected %a", cases[i].text, emb_json_serde_number(&r), cases[i].value);
        emb_json_stop(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_depth),    cmocka_unit_test(test_events),
        cmocka_unit_test(test_skip),     cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_locale),   cmocka_unit_test(test_integers),
        cmocka_unit_test(test_tree),     cmocka_unit_test(test_skipped_path),
        cmocka_unit_test(test_reads),    cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_many_keys), cmocka_unit_test(test_serde_numbers)};
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
