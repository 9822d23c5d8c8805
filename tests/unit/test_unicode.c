/* The frozen canonical decompositions and combining classes against a library of their own kind,
 * utf8proc. Ours are those of Unicode 9, as the reference tokenizer has them: what later versions
 * decompose or reorder is inert here. utf8proc knows no Unicode 9, so the code points that came
 * later stand below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <utf8proc.h>

#include "../../lib/text/unicode.h"

/* Code points that have a canonical decomposition or a combining class only since Unicode 10 (up
 * to 15.0), first and last. */
static const uint32_t newer[][2] = {
    {0x07FD, 0x07FD},   {0x0898, 0x089F},   {0x08CA, 0x08D3},   {0x09FE, 0x09FE},
    {0x0C3C, 0x0C3C},   {0x0D3B, 0x0D3C},   {0x0EBA, 0x0EBA},   {0x1715, 0x1715},
    {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x10D24, 0x10D27},
    {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85},
    {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
    {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0},
    {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42},
    {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1},
    {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
    {0x1E4EC, 0x1E4EF},
};

static int is_newer(uint32_t c)
{
    for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++)
        if (c >= newer[i][0] && c <= newer[i][1]) return 1;
    return 0;
}

/* Is utf8proc's data from a version that has more than the list knows? */
static int unknown_version(void)
{
    return atof(utf8proc_unicode_version()) > 15.1;
}

static int inert(uint32_t c)
{
    uint32_t d[4];
    return emb_unicode_ccc(c) == 0 && emb_unicode_decompose(c, d) == 1 && d[0] == c;
}

static int equal(uint32_t c)
{
    uint32_t ours[4];
    utf8proc_int32_t theirs[8];
    int boundary = 0, n = emb_unicode_decompose(c, ours);
    utf8proc_ssize_t m =
        utf8proc_decompose_char((utf8proc_int32_t)c, theirs, 8, UTF8PROC_DECOMPOSE, &boundary);
    /* the class of what decomposes is never asked for */
    uint32_t ccc = utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
    if (n != m || (n == 1 && ours[0] == c && emb_unicode_ccc(c) != ccc)) return 0;
    for (int i = 0; i < n; i++)
        if (ours[i] != (uint32_t)theirs[i]) return 0;
    return 1;
}

static void every_code_point(void **state)
{
    int decomposed = 0, ordered = 0;
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        uint32_t d[4];
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        decomposed += emb_unicode_decompose(c, d) > 1 || d[0] != c;
        ordered += emb_unicode_ccc(c) != 0;
        if (equal(c)) continue;
        if (!inert(c) || !(is_newer(c) || unknown_version()))
            fail_msg("U+%04X differs from utf8proc %s (Unicode %s)", (unsigned)c, utf8proc_version(),
                     utf8proc_unicode_version());
    }
    assert_int_equal(decomposed, 2060 + 11172); /* Unicode 9: and the Hangul syllables */
    assert_int_equal(ordered, 810); /* and what decomposes has none here */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_code_point)};
    return cmocka_run_group_tests_name("unicode", tests, NULL, NULL);
}
