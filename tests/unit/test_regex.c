/* Regular expressions: the reference's matches, both ways of running a program, what is refused and
 * where, time that grows with the text, every allocation failing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../lib/text/regex.h"
#include "failing_allocator.h"
#include "frozen_engines.h"

static emb_regex *compile(const char *pattern)
{
    embed_error error = EMBED_ERROR_INIT;
    emb_regex *r;
    if (emb_regex_compile(&r, pattern, strlen(pattern), "test", &emb_libc_allocator, &error) < 0) {
        fail_msg("%s", error.message);
    }
    return r;
}

/* Matches that are not empty; steps: those that backtracking has behind it. */
static size_t scan(const emb_regex *r, const char *text, size_t size, size_t steps, size_t *spans)
{
    size_t bytes = emb_regex_scratch_size(r, size), count = 0, begin, end;
    void *scratch = aligned_alloc(64, (bytes + 63) / 64 * 64);
    char *exact = malloc(size ? size : 1); /* nothing beyond it may be read */
    memcpy(exact, text, size);
    emb_regex_scan s;
    emb_regex_start(&s, r, scratch, exact, size);
    s.steps = steps;
    while (emb_regex_next(&s, &begin, &end)) {
        assert_true(begin <= end && end <= size);
        if (begin == end) continue;
        if (spans) {
            spans[2 * count] = begin;
            spans[2 * count + 1] = end;
        }
        count++;
    }
    free(scratch);
    free(exact);
    return count;
}

static void frozen(void **state)
{
    (void)state;
    for (int64_t i = 0; i < EMB_COUNT(frozen_matches); i++) {
        const struct frozen_matches *f = &frozen_matches[i];
        emb_regex *r = compile(f->pattern);
        for (int table = 0; table < 2; table++) {
            size_t spans[256];
            size_t count = scan(r, f->text, f->size, table ? SIZE_MAX / 2 : 0, spans);
            if (count != f->count || memcmp(spans, f->spans, count * 2 * sizeof *spans)) {
                fail_msg("case %d, %s, %s", (int)i, table ? "table" : "backtracking", f->pattern);
            }
        }
        emb_regex_free(r);
    }
}

static void windows(void **state) /* of the table, with characters across their edges */
{
    (void)state;
    enum { SIZE = 30000 };
    char *text = malloc(SIZE);
    emb_regex *r = compile("(?>é+|a)b|\\s+(?!\\S)|é");
    for (int i = 0; i + 2 < SIZE; i += 3) memcpy(text + i, i % 7 == 0 ? "  b" : "éb", 3);
    for (size_t size = SIZE - 9; size <= SIZE; size += 3) {
        size_t *a = calloc(SIZE, 2 * sizeof *a), *b = calloc(SIZE, 2 * sizeof *b);
        size_t count = scan(r, text, size, 0, a);
        assert_true(count > 1000);
        assert_int_equal(scan(r, text, size, SIZE_MAX / 2, b), count);
        assert_memory_equal(a, b, count * 2 * sizeof *a);
        free(a);
        free(b);
    }
    emb_regex_free(r);
    free(text);
}

static void empty_matches(void **state)
{
    (void)state;
    static const size_t expected[] = {0, 0, 1, 1, 3, 3}; /* "éa": not at the end of the match */
    emb_regex *r = compile("b*");
    emb_regex_scan s;
    size_t begin, end, i = 0;
    void *scratch = aligned_alloc(64, (emb_regex_scratch_size(r, 16) + 63) / 64 * 64);
    emb_regex_start(&s, r, scratch, "xéb", 4);
    while (emb_regex_next(&s, &begin, &end)) {
        if (begin < end) continue;
        assert_int_equal(begin, expected[2 * i++]);
    }
    assert_int_equal(i, 2); /* at 0, 1; the match of b at 3 ends at 4, where no empty one follows */
    emb_regex_free(r);
    free(scratch);
}

static void refused(void **state)
{
    (void)state;
    static const struct { const char *pattern; int32_t status; const char *says; } cases[] = {
        {"a(?<=b)", EMBED_EUNSUPPORTED, "byte 1"}, {"(a)\\1", EMBED_EUNSUPPORTED, "byte 3"},
        {"\\p{Klingon}", EMBED_EUNSUPPORTED, "property"}, {"(?x)a", EMBED_EUNSUPPORTED, "group"},
        {"(?:a*)*", EMBED_EUNSUPPORTED, "no text"},
        {"(?:b|c?\?){2}b", EMBED_EUNSUPPORTED, "no text"},
        {"(?:a?){1,3}", EMBED_EUNSUPPORTED, "no text"}, {"\\X", EMBED_EUNSUPPORTED, "escape"},
        {"[[:alpha:]]", EMBED_EUNSUPPORTED, "POSIX"}, {"a{2}?", EMBED_EUNSUPPORTED, "{n}?"},
        {"a{20000}", EMBED_EUNSUPPORTED, "too many"},
        {"(?:a{200}){200}", EMBED_EUNSUPPORTED, "10000"},
        {"(?i:ß)", EMBED_EUNSUPPORTED, "several"}, {"(?i:ss)", EMBED_EUNSUPPORTED, "(?i)"},
        {"(a", EMBED_EFORMAT, "byte 0"}, {"a)", EMBED_EFORMAT, "byte 1"},
        {"[a", EMBED_EFORMAT, "["},
        {"*", EMBED_EFORMAT, "repeat"}, {"\\", EMBED_EFORMAT, "end"},
        {"[b-a]", EMBED_EFORMAT, "range"},
        {"\\x{110000}", EMBED_EFORMAT, "hexadecimal"}, {"\xFF", EMBED_EFORMAT, "UTF-8"},
        {"a(?i)b", EMBED_EUNSUPPORTED, "(?i:"}, {"\\p{L", EMBED_EFORMAT, "}"},
    };
    for (int64_t i = 0; i < EMB_COUNT(cases); i++) {
        embed_error error = EMBED_ERROR_INIT;
        emb_regex *r;
        int32_t status = emb_regex_compile(&r, cases[i].pattern, strlen(cases[i].pattern), "test",
                                           &emb_libc_allocator, &error);
        if (status != cases[i].status || r || !strstr(error.message, cases[i].says)) {
            fail_msg("%s: %d, %s", cases[i].pattern, (int)status, error.message);
        }
    }
    char deep[400];
    memset(deep, '(', sizeof deep);
    embed_error error = EMBED_ERROR_INIT;
    emb_regex *r;
    assert_int_equal(emb_regex_compile(&r, deep, sizeof deep, "test", &emb_libc_allocator, &error),
                     EMBED_EUNSUPPORTED);
}

/* Patterns that backtracking takes quadratic or exponential time for. */
static void linear(void **state)
{
    (void)state;
    static const char *const patterns[] = {"(a+)+b|a", "a*b|a", "(?:a|aa)+c|a", "a(?=.*b)",
                                           "(?:a|b)*c|a", "(?>a*?b)|a", "(?:(?:a+)+)+$|a"};
    enum { SIZE = 200000 };
    char *text = malloc(SIZE);
    memset(text, 'a', SIZE);
    for (int64_t i = 0; i < EMB_COUNT(patterns); i++) {
        emb_regex *r = compile(patterns[i]);
        size_t count = scan(r, text, SIZE, 0, NULL); /* hours, if it were not linear */
        assert_true(count == SIZE || count <= 1);
        assert_true(emb_regex_scratch_size(r, SIZE) < SIZE);
        emb_regex_free(r);
    }
    free(text);
}

static void no_memory(void **state)
{
    (void)state;
    const char *pattern = "(?i:[a-d&&b-z]|'s)+|(?!\\p{L})(?>x|yy){2,3}|\\w++";
    for (int64_t n = 1;; n++) {
        failing f = {.fail_at = n};
        emb_allocator a = failing_allocator(&f);
        embed_error error = EMBED_ERROR_INIT;
        emb_regex *r;
        int32_t status = emb_regex_compile(&r, pattern, strlen(pattern), "test", &a, &error);
        emb_regex_free(r);
        assert_int_equal(f.alive, 0);
        if (status == EMBED_OK) break;
        assert_int_equal(status, EMBED_ENOMEM);
    }
}

/* Any bytes as a pattern: an error or a program that runs. */
static void hostile(void **state)
{
    (void)state;
    static const char alphabet[] = "ab()[]{}|*+?^$.\\-&:=!>,0123ipLdswWx<";
    uint32_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        char pattern[16];
        size_t size = 0;
        for (size_t n = (seed >> 20) % 16; size < n; size++) {
            seed = seed * 1664525 + 1013904223;
            pattern[size] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        seed = seed * 1664525 + 1013904223;
        emb_regex *r;
        if (emb_regex_compile(&r, pattern, size, "test", &emb_libc_allocator, NULL) == EMBED_OK) {
            size_t a[64], b[64];
            size_t count = scan(r, "ab0 1-sé\nab", 12, 0, a);
            assert_int_equal(scan(r, "ab0 1-sé\nab", 12, SIZE_MAX / 2, b), count);
            assert_memory_equal(a, b, count * 2 * sizeof *a);
        }
        emb_regex_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen), cmocka_unit_test(windows), cmocka_unit_test(empty_matches),
        cmocka_unit_test(refused), cmocka_unit_test(linear), cmocka_unit_test(no_memory),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests_name("regex", tests, NULL, NULL);
}
