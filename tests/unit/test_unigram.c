/* Unigram and .model files: the reference's tokens, ties, unknown runs, long words, vocabularies
 * and files that lie, every allocation failing in turn. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../lib/text/sentencepiece.h"
#include "../../lib/text/unigram.h"
#include "failing_allocator.h"
#include "frozen_engines.h"

static emb_unigram *open_vocab(bool fallback, const emb_allocator *a, int32_t *status)
{
    static const char hex[] = "0123456789ABCDEF";
    char names[256][7];
    emb_unigram_piece pieces[12 + 256];
    int64_t count = 0;
    for (; count < EMB_COUNT(frozen_vocab); count++) {
        const char *text = frozen_vocab[count].text;
        pieces[count] = (emb_unigram_piece){text, (uint32_t)strlen(text),
                                            frozen_vocab[count].score};
    }
    for (int i = 0; fallback && i < 256; i++) {
        memcpy(names[i], (char[]){'<', '0', 'x', hex[i / 16], hex[i % 16], '>', 0}, 7);
        pieces[count++] = (emb_unigram_piece){names[i], 6, -20.0};
    }
    emb_unigram *u;
    *status = emb_unigram_open(&u, pieces, count, 0, fallback, "test", a, NULL);
    return u;
}

static void frozen(void **state)
{
    (void)state;
    int32_t status;
    emb_unigram *models[] = {open_vocab(false, &emb_libc_allocator, &status),
                             open_vocab(true, &emb_libc_allocator, &status)};
    for (int64_t i = 0; i < EMB_COUNT(frozen_tokens); i++) {
        const struct frozen_tokens *f = &frozen_tokens[i];
        const emb_unigram *u = models[f->fallback];
        size_t size = strlen(f->text), n = 0;
        void *scratch = aligned_alloc(64, (emb_unigram_scratch_size(u, size) + 63) / 64 * 64);
        emb_unigram_walk walk;
        emb_unigram_token token;
        assert_int_equal(emb_unigram_start(&walk, u, scratch, f->text, size, NULL), EMBED_OK);
        for (; emb_unigram_next(&walk, &token); n++) {
            const size_t *want = f->tokens + 3 * n;
            if (n >= f->count || (size_t)token.id != want[0] || token.begin != want[1] ||
                token.end != want[2]) {
                fail_msg("case %d: token %zu: %d [%zu, %zu)", (int)i, n, token.id, token.begin,
                         token.end);
            }
        }
        assert_int_equal(n, f->count);
        free(scratch);
    }
    for (int i = 0; i < 2; i++) emb_unigram_free(models[i]);
}

static void lookup(void **state)
{
    (void)state;
    int32_t status;
    uint32_t size;
    emb_unigram *u = open_vocab(false, &emb_libc_allocator, &status);
    assert_int_equal(emb_unigram_count(u), 12);
    assert_int_equal(emb_unigram_id(u, "abc", 3), 4);
    assert_int_equal(emb_unigram_id(u, "bc", 2), -1); /* only the beginning of a piece */
    assert_int_equal(emb_unigram_id(u, "", 0), -1);
    assert_string_equal(emb_unigram_text(u, 8, &size), "bca");
    assert_int_equal(size, 3);
    assert_null(emb_unigram_text(u, 12, &size));
    assert_null(emb_unigram_text(u, -1, &size));
    emb_unigram_free(u);
}

/* Pieces in no order, that begin alike for more bytes than are compared at once, twice or with a
 * NUL in them: each has its id, of equal ones the last. */
static void many_pieces(void **state)
{
    enum { COUNT = 3000, MOST = 64 };
    static char texts[COUNT][MOST];
    static emb_unigram_piece pieces[COUNT];
    (void)state;
    uint32_t seed = 1;
    for (int i = 0; i < COUNT; i++) {
        uint32_t size = 0, letters = 1 + i % 3;
        for (bool more = true; more && size < MOST; size++) {
            seed = seed * 1664525 + 1013904223;
            texts[i][size] = "aab\0c"[(seed >> 16) % (letters + 2)];
            more = (seed >> 8) % (i % 2 ? 40 : 6);
        }
        pieces[i] = (emb_unigram_piece){texts[i], i == 7 ? 0 : size, -1.0};
    }
    emb_unigram *u;
    assert_int_equal(emb_unigram_open(&u, pieces, COUNT, 0, 0, "test", &emb_libc_allocator, NULL),
                     EMBED_OK);
    for (int i = 0; i < COUNT; i++) {
        int last = -1;
        for (int k = 0; k < COUNT && pieces[i].size; k++) {
            bool same = pieces[k].size == pieces[i].size &&
                        !memcmp(texts[k], texts[i], pieces[i].size);
            if (same) last = k;
        }
        assert_int_equal(emb_unigram_id(u, texts[i], pieces[i].size), last);
    }
    emb_unigram_free(u);
}

/* Nodes with many children, near each other and far apart: all are found, and nothing else is. */
static void wide_nodes(void **state)
{
    enum { CODES = 0x780, COUNT = 8 * CODES };
    static char texts[COUNT][8];
    static emb_unigram_piece pieces[COUNT];
    (void)state;
    uint32_t count = 0, size;
    for (uint32_t code = 0x80; code < 0x80 + CODES; code++) {
        size = (uint32_t)emb_utf8_encode(code, texts[count]);
        pieces[count] = (emb_unigram_piece){texts[count], size, -1.0};
        count++;
        for (uint32_t k = 1; k < 8; k++, count++) { /* behind it, each time another */
            memcpy(texts[count], texts[count - k], size);
            uint32_t more = (uint32_t)emb_utf8_encode(k + (code * k * 977) % 0x3FFF,
                                                      texts[count] + size);
            pieces[count] = (emb_unigram_piece){texts[count], size + more, -2.0};
        }
    }
    emb_unigram *u;
    assert_int_equal(emb_unigram_open(&u, pieces, COUNT, 0, 0, "test", &emb_libc_allocator, NULL),
                     EMBED_OK);
    for (int i = 0; i < COUNT; i++) {
        int32_t id = emb_unigram_id(u, texts[i], pieces[i].size);
        assert_true(id >= i && pieces[id].size == pieces[i].size);
        assert_memory_equal(texts[id], texts[i], pieces[i].size);
        char longer[9] = {0};
        memcpy(longer, texts[i], pieces[i].size);
        assert_int_equal(emb_unigram_id(u, longer, pieces[i].size + 1), -1); /* and a NUL */
        bool shorter = emb_unigram_id(u, texts[i], pieces[i].size - 1) >= 0;
        assert_int_equal(shorter, i % 8 > 0 && pieces[i].size == 3);
    }
    emb_unigram_free(u);
}

static void long_word(void **state)
{
    (void)state;
    enum { SIZE = 300000 };
    int32_t status;
    emb_unigram *u = open_vocab(false, &emb_libc_allocator, &status);
    char *text = malloc(SIZE);
    emb_unigram_walk walk;
    emb_unigram_token token;
    size_t bytes = emb_unigram_scratch_size(u, SIZE), end = 0;
    assert_true(bytes < 5 * SIZE);
    void *scratch = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memset(text, 'z', SIZE);
    emb_unigram_start(&walk, u, scratch, text, SIZE, NULL);
    assert_true(emb_unigram_next(&walk, &token)); /* one run */
    assert_true(token.id == 0 && token.end == SIZE && !emb_unigram_next(&walk, &token));
    for (size_t i = 0; i < SIZE; i++) text[i] = "abc"[i % 3];
    emb_unigram_start(&walk, u, scratch, text, SIZE, NULL);
    for (; emb_unigram_next(&walk, &token); end = token.end) assert_int_equal(token.begin, end);
    assert_int_equal(end, SIZE);
    emb_unigram_start(&walk, u, scratch, text, 0, NULL);
    assert_false(emb_unigram_next(&walk, &token));
    free(text);
    free(scratch);
    emb_unigram_free(u);
}

static int32_t open_one(const char *text, uint32_t size, double score, int64_t unk_id)
{
    emb_unigram *u;
    emb_unigram_piece piece = {text, size, score};
    int32_t status = emb_unigram_open(&u, &piece, 1, unk_id, false, "test", &emb_libc_allocator,
                                      NULL);
    emb_unigram_free(u);
    return status;
}

static void refused(void **state)
{
    (void)state;
    static char big[EMB_UNIGRAM_MAX_PIECE + 1];
    memset(big, 'a', sizeof big);
    assert_int_equal(open_one("a", 1, 0, -1), EMBED_OK);
    assert_int_equal(open_one("a", 1, 0, 1), EMBED_EFORMAT);
    assert_int_equal(open_one("a", 1, 0, -2), EMBED_EFORMAT);
    assert_int_equal(open_one("\xC3", 1, 0, -1), EMBED_EFORMAT);
    assert_int_equal(open_one("a", 1, (double)NAN, -1), EMBED_EFORMAT);
    assert_int_equal(open_one(big, sizeof big - 1, 0, -1), EMBED_OK);
    assert_int_equal(open_one(big, sizeof big, 0, -1), EMBED_EUNSUPPORTED);
    emb_unigram *u;
    emb_unigram_piece piece = {"a", 1, 0};
    assert_int_equal(emb_unigram_open(&u, &piece, 0, -1, false, "test", &emb_libc_allocator, NULL),
                     EMBED_EFORMAT);
    emb_unigram_open(&u, &piece, 1, -1, false, "test", &emb_libc_allocator, NULL);
    void *scratch = aligned_alloc(64, (emb_unigram_scratch_size(u, 2) + 63) / 64 * 64);
    emb_unigram_walk walk;
    assert_int_equal(emb_unigram_start(&walk, u, scratch, "aa", 2, NULL), EMBED_OK);
    assert_int_equal(emb_unigram_start(&walk, u, scratch, "ab", 2, NULL), EMBED_EFORMAT);
    free(scratch);
    emb_unigram_free(u);
}

/* An unknown character costs 10 below the lowest score: more than the first 9 make up for, and less
 * than 11 do. Without an unk_id that is an error, but only where it is the best path. */
static void penalty(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        const int gain = i % 2 ? 11 : 9;
        const int64_t unk_id = i / 2 ? -1 : 0;
        emb_unigram *u;
        emb_unigram_piece pieces[] = {{"?", 1, 0}, {"x", 1, gain}, {"xy", 2, -8}};
        emb_unigram_open(&u, pieces, 3, unk_id, false, "test", &emb_libc_allocator, NULL);
        void *scratch = aligned_alloc(64, (emb_unigram_scratch_size(u, 2) + 63) / 64 * 64);
        emb_unigram_walk walk;
        emb_unigram_token token;
        const bool fails = gain == 11 && unk_id < 0;
        assert_int_equal(emb_unigram_start(&walk, u, scratch, "xy", 2, NULL), fails ? EMBED_EFORMAT : EMBED_OK);
        if (!fails) {
            assert_true(emb_unigram_next(&walk, &token));
            assert_int_equal(token.id, gain == 9 ? 2 : 1);
        }
        free(scratch);
        emb_unigram_free(u);
    }
}

static void no_memory(void **state)
{
    (void)state;
    for (int64_t n = 1;; n++) {
        failing f = {.fail_at = n};
        emb_allocator a = failing_allocator(&f);
        int32_t status;
        emb_unigram_free(open_vocab(true, &a, &status));
        assert_int_equal(f.alive, 0);
        if (status == EMBED_OK) break;
        assert_int_equal(status, EMBED_ENOMEM);
    }
}

/* ---- .model files ------------------------------------------------------------------ */

/* pieces <unk> (unknown, 0), "\u2581a" (-1.5); type BPE, unk 0, pad -1, byte fallback; normalizer
 * "x", charsmap of two bytes, no dummy prefix; a field that nobody knows */
static const char model[] =
    "\x0A\x0E\x0A\x05<unk>\x15\0\0\0\0\x18\x02"
    "\x0A\x0B\x0A\x04\xE2\x96\x81" "a\x15\0\0\xC0\xBF"
    "\x12\x14\x18\x02\x98\x02\x01\xC0\x02\0\xD8\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"
    "\x1A\x09\x0A\x01x\x12\x02\0\1\x18\0"
    "\x22\x01z";

static void read_model(void **state)
{
    (void)state;
    emb_sentencepiece m;
    embed_error error = EMBED_ERROR_INIT;
    if (emb_sentencepiece_open(&m, model, sizeof model - 1, "m", &emb_libc_allocator, &error) < 0) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(m.count, 2);
    assert_memory_equal(m.pieces[0].text, "<unk>", m.pieces[0].size);
    assert_int_equal(m.pieces[0].type, EMB_SP_UNKNOWN);
    assert_int_equal(m.pieces[1].type, EMB_SP_NORMAL);
    assert_true(m.pieces[1].score == -1.5f);
    assert_int_equal(m.model_type, EMB_SP_BPE);
    assert_true(m.unk_id == 0 && m.bos_id == 1 && m.eos_id == 2 && m.pad_id == -1);
    assert_true(m.byte_fallback && !m.add_dummy_prefix && m.remove_extra_whitespaces);
    assert_int_equal(m.charsmap_size, 2);
    assert_memory_equal(m.bos_piece, "<s>", 3);
    emb_sentencepiece_close(&m);
}

static void hostile_models(void **state) /* cut short, and with any byte changed */
{
    (void)state;
    int accepted = 0;
    for (size_t size = 0; size < sizeof model - 1; size++) {
        char *copy = malloc(size + 1);
        emb_sentencepiece m;
        memcpy(copy, model, size);
        if (emb_sentencepiece_open(&m, copy, size, "m", &emb_libc_allocator, NULL) == 0) accepted++;
        emb_sentencepiece_close(&m);
        free(copy);
    }
    assert_int_equal(accepted, 4); /* where a field ends: after pieces, trainer_spec, ... */
    for (size_t at = 0; at < sizeof model - 1; at++) {
        for (int value = 0; value < 256; value++) {
            char *copy = malloc(sizeof model - 1);
            emb_sentencepiece m;
            memcpy(copy, model, sizeof model - 1);
            copy[at] = (char)value;
            int32_t status = emb_sentencepiece_open(&m, copy, sizeof model - 1, "m",
                                                    &emb_libc_allocator, NULL);
            for (int64_t i = 0; status == EMBED_OK && i < m.count; i++) {
                const emb_sp_piece *piece = &m.pieces[i];
                assert_true(piece->text >= copy &&
                            piece->text + piece->size <= copy + sizeof model - 1);
            }
            emb_sentencepiece_close(&m);
            free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen), cmocka_unit_test(lookup), cmocka_unit_test(wide_nodes),
        cmocka_unit_test(long_word),
        cmocka_unit_test(many_pieces),
        cmocka_unit_test(refused), cmocka_unit_test(penalty), cmocka_unit_test(no_memory),
        cmocka_unit_test(read_model), cmocka_unit_test(hostile_models),
    };
    return cmocka_run_group_tests_name("unigram", tests, NULL, NULL);
}
