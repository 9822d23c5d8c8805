/* The automaton of added tokens: against a search that tries every pattern at every place, with
 * patterns that overlap, nest, and repeat; linear time on what makes an ordinary one quadratic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "../../lib/text/text.h"
#include "failing_allocator.h"

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* Longest pattern at place i; the lowest token of equal ones. */
static emb_match by_hand(const uint32_t *codes, const size_t *ends, int32_t count,
                         const emb_char *chars, size_t size,
                         size_t i)
{
    emb_match best = {-1, 0};
    for (int32_t p = 0; p < count; p++) {
        size_t begin = p ? ends[p - 1] : 0, length = ends[p] - begin, k = 0;
        while (k < length && i + k < size && chars[i + k].code == codes[begin + k]) k++;
        if (k == length && length > best.size) best = (emb_match){p, (uint32_t)length};
    }
    return best;
}

static void overlapping_patterns(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        uint32_t codes[256], letters = 1 + below(3);
        size_t ends[16], used = 0;
        int32_t tokens[16], count = 1 + (int32_t)below(16);
        for (int32_t p = 0; p < count; p++) {
            for (uint32_t k = 1 + below(7); k > 0; k--) codes[used++] =
                0x10FFFD - below(letters) * 0x7FFFF;
            ends[p] = used;
            tokens[p] = p;
        }
        emb_char chars[64];
        emb_match matches[64];
        size_t size = below(64);
        for (size_t i = 0; i < size; i++) chars[i] =
            (emb_char){0x10FFFD - below(letters) * 0x7FFFF, 4, 4 * i};
        emb_matcher m;
        assert_int_equal(emb_matcher_build(&m, &emb_libc_allocator, codes, ends, tokens, count,
                                           NULL), EMBED_OK);
        emb_matcher_run(&m, chars, size, matches);
        for (size_t i = 0; i < size; i++) {
            emb_match want = by_hand(codes, ends, count, chars, size, i);
            assert_int_equal(matches[i].token, want.token);
            if (want.token >= 0) assert_int_equal(matches[i].size, want.size);
        }
        emb_matcher_free(&m, &emb_libc_allocator);
    }
}

static void repetitive_patterns(void **state)
{
    (void)state;
    /* "a" and "aaa...ab": a forward automaton reads a whole pattern ahead at every place */
    enum { LONG = 20000, TEXT = 1 << 20 };
    uint32_t *codes = calloc(LONG + 1, sizeof *codes);
    size_t ends[2] = {1, LONG + 1};
    int32_t tokens[2] = {0, 1};
    for (size_t i = 0; i < LONG; i++) codes[i] = 'a';
    codes[LONG] = 'b';
    emb_char *chars = calloc(TEXT, sizeof *chars);
    emb_match *matches = calloc(TEXT, sizeof *matches);
    for (size_t i = 0; i < TEXT; i++) chars[i].code = 'a';
    emb_matcher m;
    assert_int_equal(emb_matcher_build(&m, &emb_libc_allocator, codes, ends, tokens, 2, NULL),
                     EMBED_OK);
    clock_t start = clock();
    emb_matcher_run(&m, chars, TEXT, matches);
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
    for (size_t i = 0; i < TEXT; i++) assert_int_equal(matches[i].token, 0);
    emb_matcher_free(&m, &emb_libc_allocator);
    free(codes);
    free(chars);
    free(matches);
}

static void candidates(void **state)
{
    (void)state;
    uint32_t codes[] = {'[', 0x4E00};
    size_t ends[] = {1, 2};
    int32_t tokens[] = {0, 1};
    emb_source s = {"ab", "c\xE4\xB8\x80[", 2, 7};
    emb_matcher m;
    assert_int_equal(emb_matcher_build(&m, &emb_libc_allocator, codes, ends, tokens, 1, NULL),
                     EMBED_OK);
    assert_int_equal(emb_matcher_candidate(&m, &s, 0), 6);
    assert_int_equal(emb_matcher_candidate(&m, &s, 7), 7);
    emb_matcher_free(&m, &emb_libc_allocator);
    assert_int_equal(emb_matcher_build(&m, &emb_libc_allocator, codes, ends, tokens, 2, NULL),
                     EMBED_OK);
    assert_int_equal(emb_matcher_candidate(&m, &s, 0), 3);
    assert_int_equal(emb_matcher_candidate(&m, &s, 4), 6);
    emb_matcher_free(&m, &emb_libc_allocator);
}

static void failing_build(void **state)
{
    (void)state;
    uint32_t codes[] = {'a', 'b', 'a'};
    size_t ends[] = {1, 3};
    int32_t tokens[] = {7, 8}, status = EMBED_ENOMEM;
    for (int64_t at = 1; status != EMBED_OK; at++) {
        failing f = {.fail_at = at};
        emb_allocator a = failing_allocator(&f);
        emb_matcher m;
        status = emb_matcher_build(&m, &a, codes, ends, tokens, 2, NULL);
        assert_true(status == EMBED_OK || status == EMBED_ENOMEM);
        if (status == EMBED_OK) emb_matcher_free(&m, &a);
        assert_int_equal(f.alive, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlapping_patterns), cmocka_unit_test(repetitive_patterns),
            cmocka_unit_test(candidates),
        cmocka_unit_test(failing_build),
    };
    return cmocka_run_group_tests_name("added_tokens", tests, NULL, NULL);
}
