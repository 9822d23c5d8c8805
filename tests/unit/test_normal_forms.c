/* Normal forms and the Precompiled normalizer: the reference's characters and alignments, texts cut
 * at boundaries, runs of marks of any length, blobs that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../lib/text/charsmap.h"
#include "../../lib/text/normal_forms.h"
#include "failing_allocator.h"
#include "frozen_engines.h"

static size_t decode(const char *text, size_t size, emb_char *out)
{
    size_t count = 0;
    for (size_t at = 0; at < size; at += out[count++].size) {
        out[count].start = at;
        uint32_t code = 0;
        out[count].size = (uint32_t)emb_utf8_decode(text + at, size - at, &code);
        out[count].code = code;
    }
    return count;
}

/* A blob as SentencePiece writes it. */
static char *frozen_blob(size_t *size)
{
    *size = 4 + 4 * FROZEN_UNITS + sizeof frozen_pool - 1;
    uint32_t *blob = calloc(1, *size + 4);
    blob[0] = 4 * FROZEN_UNITS;
    for (int i = 0; i < FROZEN_UNITS; i++) blob[1 + i] = UINT32_C(1) << 31;
    for (int64_t i = 0; i < EMB_COUNT(frozen_units); i++) {
        blob[1 + frozen_units[i][0]] = frozen_units[i][1];
    }
    memcpy((char *)blob + 4 + 4 * FROZEN_UNITS, frozen_pool, sizeof frozen_pool - 1);
    return (char *)blob;
}

static void frozen(void **state)
{
    (void)state;
    size_t size;
    char *blob = frozen_blob(&size);
    emb_charsmap map;
    assert_int_equal(emb_charsmap_open(&map, blob, size, "test", &emb_libc_allocator, NULL), 0);
    for (int64_t i = 0; i < EMB_COUNT(frozen_chars); i++) {
        const struct frozen_chars *f = &frozen_chars[i];
        emb_char in[64], out[256];
        size_t count = decode(f->text, f->size, in);
        size_t n = f->what == 4 ? emb_charsmap_apply(&map, in, count, out, 256)
                                : emb_normal_form(f->what, in, count, out, 256);
        if (n != f->count) fail_msg("case %d: %zu characters", (int)i, n);
        for (size_t k = 0; k < n; k++) {
            const uint32_t *want = f->chars + 3 * k;
            if (out[k].code != want[0] || out[k].start != want[1] ||
                out[k].start + out[k].size != want[2]) {
                fail_msg("case %d: character %zu: U+%04X [%zu, +%u)", (int)i, k, out[k].code,
                         out[k].start, out[k].size);
            }
        }
        emb_char few[3]; /* what does not fit is counted */
        size_t again = f->what == 4 ? emb_charsmap_apply(&map, in, count, few, 3)
                                    : emb_normal_form(f->what, in, count, few, 3);
        assert_int_equal(again, n);
        assert_memory_equal(few, out, EMB_MIN(n, 3) * sizeof *out);
    }
    emb_charsmap_close(&map);
    free(blob);
}

/* A form of the whole is the forms of parts cut at boundaries. */
static void boundaries(void **state)
{
    (void)state;
    uint32_t seed = 7;
    static const uint32_t codes[] = {'a', 'e', 0x301, 0x323, 0x1100, 0x1161, 0x11A8, 0xAC00, 0x9C7,
                                     0x9BE, 0x344, 0xE9, 0xFB01, 0x1E9B, 0x4E00, 0x3099, 0x304B};
    for (int i = 0; i < 4000; i++) {
        emb_char in[12], whole[256], parts[256];
        size_t count = 12, done = 0, n = 0;
        int form = i % 4;
        for (size_t k = 0; k < count; k++) {
            seed = seed * 1664525 + 1013904223;
            in[k] = (emb_char){codes[(seed >> 16) % EMB_COUNT(codes)], 1, k};
        }
        size_t m = emb_normal_form(form, in, count, whole, 256);
        if (emb_normal_form_quick(form, in, count)) assert_memory_equal(in, whole, sizeof in);
        for (size_t k = 1; k <= count; k++) {
            if (k < count && !emb_normal_form_boundary(form, in[k].code)) continue;
            n += emb_normal_form(form, in + done, k - done, parts + n, 256 - n);
            done = k;
        }
        assert_int_equal(m, n);
        assert_memory_equal(whole, parts, n * sizeof *whole);
    }
}

static void blocked(void **state) /* by a mark of the same class that did not join */
{
    (void)state;
    emb_char in[] = {{'a', 1, 0}, {0x305, 2, 1}, {0x301, 2, 3}}, out[3];
    assert_int_equal(emb_normal_form(EMB_NFC, in, 3, out, 3), 3);
    assert_memory_equal(in, out, sizeof in);
}

static void long_runs(void **state) /* of marks out of order: quadratic would take minutes */
{
    (void)state;
    enum { COUNT = 200000 };
    emb_char *in = calloc(COUNT, sizeof *in), *out = calloc(COUNT, sizeof *out);
    for (size_t i = 0; i < COUNT; i++) in[i] = (emb_char){i % 2 ? 0x316 : 0x301, 2, 2 * i};
    in[0].code = 'a';
    for (int form = 0; form < 4; form++) {
        size_t n = emb_normal_form(form, in, COUNT, out, COUNT);
        /* NFC: the first acute accent joins the letter */
        bool composed = form == EMB_NFC || form == EMB_NFKC;
        assert_int_equal(n, COUNT - composed);
        assert_int_equal(out[0].code, composed ? 0xE1 : 'a');
        assert_int_equal(out[1].code, 0x316);
        assert_int_equal(out[n - 1].code, 0x301);
    }
    for (size_t i = 1; i < COUNT; i++) in[i].code = 0x301; /* in order */
    assert_int_equal(emb_normal_form(EMB_NFC, in, COUNT, out, COUNT), COUNT - 1);
    free(in);
    free(out);
}

static void refused(void **state)
{
    (void)state;
    static const struct { const char *blob; size_t size; } cases[] = {
        {"", 0}, {"\4\0\0", 3}, {"\10\0\0\0\0\0\0\0", 8}, {"\377\377\377\377aaaa", 8},
        {"\0\0\0\0abc", 7}, {"\4\0\0\0\0\0\0\0\377", 9},
    };
    static const char *const base64[] = {"A", "AAA=A", "AA*A", "AB==", "====", "AAAA="};
    emb_charsmap map;
    embed_error error = EMBED_ERROR_INIT;
    for (int64_t i = 0; i < EMB_COUNT(cases); i++) {
        assert_int_equal(emb_charsmap_open(&map, cases[i].blob, cases[i].size, "test",
                                           &emb_libc_allocator, &error), EMBED_EFORMAT);
        emb_charsmap_close(&map);
    }
    for (int64_t i = 0; i < EMB_COUNT(base64); i++) {
        assert_int_equal(emb_charsmap_open_base64(&map, base64[i], strlen(base64[i]), "test",
                                                  &emb_libc_allocator, &error), EMBED_EFORMAT);
        emb_charsmap_close(&map);
    }
    /* 4, one unit, "ab" */
    assert_int_equal(emb_charsmap_open_base64(&map, "BAAAAAAAAABhYg==", 16, "test",
                                              &emb_libc_allocator, &error), EMBED_OK);
    assert_memory_equal(map.pool, "ab", 3);
    emb_charsmap_close(&map);
}

/* Random tables: every step stays inside. */
static void hostile(void **state)
{
    (void)state;
    size_t size;
    char *blob = frozen_blob(&size);
    uint32_t seed = 3;
    for (int i = 0; i < 3000; i++) {
        char *copy = malloc(size);
        memcpy(copy, blob, size);
        for (int k = 0; k < 200; k++) {
            seed = seed * 1664525 + 1013904223;
            size_t at = 4 + (seed >> 8) % (4 * FROZEN_UNITS);
            seed = seed * 1664525 + 1013904223;
            copy[at] = (char)(seed >> 24);
        }
        emb_charsmap map;
        assert_int_equal(emb_charsmap_open(&map, copy, size, "test", &emb_libc_allocator, NULL), 0);
        emb_char in[32], out[512];
        size_t count = decode("ab\xC3\xA9" "f\xCC\x88\r\n\xC2\xA9z\xE1\x84\x80", 16, in);
        assert_true(emb_charsmap_apply(&map, in, count, out, 512) <= map.growth * count);
        emb_charsmap_close(&map);
        free(copy);
    }
    free(blob);
}

static void no_memory(void **state)
{
    (void)state;
    for (int64_t n = 1;; n++) {
        failing f = {.fail_at = n};
        emb_allocator a = failing_allocator(&f);
        emb_charsmap map;
        int32_t status = emb_charsmap_open_base64(&map, "BAAAAAAAAABhYg==", 16, "test", &a, NULL);
        emb_charsmap_close(&map);
        assert_int_equal(f.alive, 0);
        if (status == EMBED_OK) break;
        assert_int_equal(status, EMBED_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen), cmocka_unit_test(boundaries), cmocka_unit_test(blocked),
        cmocka_unit_test(long_runs),
        cmocka_unit_test(refused), cmocka_unit_test(hostile), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("normal_forms", tests, NULL, NULL);
}
