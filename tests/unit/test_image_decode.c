/* Decoding: the pixels of tests/data/images are Pillow's; a file cut anywhere has all of them or is
 * refused; limits hold before memory is taken; whatever fails leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../../lib/image/image.h"
#include "failing_allocator.h"

#define FOLDER "tests/data/images/"

typedef struct expected {
    char file[64], way[16];
    int64_t width, height;
    int channels;
    uint64_t hash;
} expected;

static const emb_decode_options turned = {.apply_exif = true};
static bool exact_jpeg; /* this build has libjpeg */

static uint8_t *slurp(const char *file, size_t *size)
{
    char path[256];
    snprintf(path, sizeof path, FOLDER "%s", file);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t *data = malloc(1 << 16);
    *size = fread(data, 1, 1 << 16, f);
    fclose(f);
    return data;
}

/* As RGB, or RGBA where there is alpha. */
static uint64_t hash_of(const emb_pixels *p)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);
    for (int64_t y = 0; y < p->height; y++) {
        for (int64_t x = 0; x < p->width; x++) {
            const uint8_t *pixel = p->data + y * p->stride + x * p->channels;
            for (int c = 0; c < EMB_MAX(3, p->channels); c++)
                h = (h ^ pixel[p->channels == 1 ? 0 : c]) * UINT64_C(0x100000001B3);
        }
    }
    return h;
}

static bool is_jpeg(const char *file)
{
    return strstr(file, ".jpg") != NULL;
}

static bool next_line(FILE *f, expected *e)
{
    char line[256];
    long long w, h;
    unsigned long long hash;
    if (!fgets(line, sizeof line, f)) return false;
    assert_int_equal(sscanf(line, "%63s %15s %lld %lld %d %llx", e->file, e->way, &w, &h,
                            &e->channels, &hash), 6);
    e->width = w;
    e->height = h;
    e->hash = hash;
    return true;
}

/* Calls check with every line and its file. */
static int for_each(void (*check)(const expected *, const uint8_t *, size_t))
{
    FILE *f = fopen(FOLDER "pixels.txt", "r");
    expected e;
    int count = 0;
    assert_non_null(f);
    for (; next_line(f, &e); count++) {
        size_t size;
        uint8_t *data = slurp(e.file, &size);
        check(&e, data, size);
        free(data);
    }
    fclose(f);
    return count;
}

static void check_pixels(const expected *e, const uint8_t *data, size_t size)
{
    const emb_decode_options *o = strcmp(e->way, "turned") == 0 ? &turned : NULL;
    embed_error error = EMBED_ERROR_INIT;
    emb_pixels p;
    int64_t width, height;
    int32_t status = emb_image_decode(data, size, e->file, o, &emb_libc_allocator, &p, &error);
    if (status == EMBED_EUNSUPPORTED && is_jpeg(e->file) && !exact_jpeg) return;
    if (status != EMBED_OK) fail_msg("%s", error.message);
    assert_int_equal(emb_image_probe(data, size, e->file, o, &width, &height, &error), EMBED_OK);
    assert_int_equal(width, p.width);
    assert_int_equal(height, p.height);
    assert_int_equal(p.width, e->width);
    assert_int_equal(p.height, e->height);
    assert_int_equal(EMB_MAX(3, p.channels), e->channels);
    if ((exact_jpeg || !is_jpeg(e->file)) && hash_of(&p) != e->hash)
        fail_msg("%s %s: other pixels", e->file, e->way);
    emb_pixels_free(&p, &emb_libc_allocator);
    emb_pixels_free(&p, &emb_libc_allocator); /* again is harmless */
}

static void pixels_are_pillows(void **state)
{
    (void)state;
    assert_true(for_each(check_pixels) > 100);
}

/* Two may differ: numbers as text, whose last one may be a part of one; and TGA, whose end says
 * whether alpha counts. */
static void check_cut(const expected *e, const uint8_t *data, size_t size)
{
    if (is_jpeg(e->file) && !exact_jpeg) return;
    bool text = data[0] == 'P' && data[1] <= '3', stored = strcmp(e->way, "stored") == 0;
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *part = malloc(cut ? cut : 1); /* tight, for the sanitizer */
        memcpy(part, data, cut);
        embed_error error = EMBED_ERROR_INIT;
        emb_pixels p;
        int32_t status = emb_image_decode(part, cut, "x", NULL, &emb_libc_allocator, &p, &error);
        assert_true(status == EMBED_OK || (status < 0 && !p.owned && error.message[0]));
        if (status == EMBED_OK && stored && !text && EMB_MAX(3, p.channels) == e->channels &&
            hash_of(&p) != e->hash)
            fail_msg("%s cut to %zu bytes: other pixels", e->file, cut);
        emb_pixels_free(&p, &emb_libc_allocator);
        free(part);
    }
}

static void cut_files_have_all_pixels_or_none(void **state)
{
    (void)state;
    for_each(check_cut);
}

static void check_memory(const expected *e, const uint8_t *data, size_t size)
{
    for (int64_t n = 1;; n++) {
        failing f = {0, 0, n};
        emb_allocator a = failing_allocator(&f);
        emb_pixels p;
        int32_t status = emb_image_decode(data, size, e->file, &turned, &a, &p, NULL);
        if (status == EMBED_OK) emb_pixels_free(&p, &a);
        assert_int_equal(f.alive, 0);
        if (f.requests < n) return;
        assert_int_equal(status, EMBED_ENOMEM);
    }
}

static void failing_memory_leaves_nothing(void **state)
{
    (void)state;
    for_each(check_memory);
}

static void check_refused(const void *data, size_t size, const emb_decode_options *o,
                          int32_t expect, const char *words)
{
    failing f = {0, 0, 0};
    emb_allocator a = failing_allocator(&f);
    embed_error error = EMBED_ERROR_INIT;
    emb_pixels p;
    assert_int_equal(emb_image_decode(data, size, "a.img", o, &a, &p, &error), expect);
    if (!strstr(error.message, words)) fail_msg("expected \"%s\" in: %s", words, error.message);
    assert_non_null(strstr(error.message, "a.img: "));
    assert_int_equal(f.requests, 0);
    assert_null(p.owned);
}

static void other_formats_are_refused_by_name(void **state)
{
    (void)state;
    check_refused("RIFF\x10\0\0\0WEBPVP8 ", 16, NULL, EMBED_EUNSUPPORTED,
                  "WebP is not supported, expected JPEG, PNG, GIF, BMP, TGA or PNM");
    check_refused("\0\0\0\x1c" "ftypavif\0\0\0\0", 16, NULL, EMBED_EUNSUPPORTED, "AVIF");
    check_refused("II*\0\x08\0\0\0", 8, NULL, EMBED_EUNSUPPORTED, "TIFF");
    check_refused("Pf\n1 1\n1\n....", 13, NULL, EMBED_EUNSUPPORTED, "PFM");
    check_refused("Once upon a time there was a text", 33, NULL, EMBED_EFORMAT, "found none");
    check_refused("", 0, NULL, EMBED_EFORMAT, "found no bytes");
}

static void too_many_pixels_are_refused_before_memory(void **state)
{
    (void)state;
    static const char huge[] = "P5 60000 60000 255\n", odd[] = "P5 0 5 255\n";
    const emb_decode_options few = {false, 11};
    check_refused(huge, sizeof huge - 1, NULL, EMBED_ERANGE,
                  "expected at most 357913940 pixels, found 60000 x 60000");
    check_refused("P2 4 3 9 ", 9, &few, EMBED_ERANGE, "at most 11 pixels, found 4 x 3");
    check_refused(odd, sizeof odd - 1, NULL, EMBED_EFORMAT, "found 0 x 5");
    check_refused("P5 4294967296 1 255\n", 20, NULL, EMBED_ERANGE, "at most");
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void png_checksums_are_looked_at(void **state)
{
    (void)state;
    size_t size;
    uint8_t *data = slurp("png-00.png", &size);
    embed_error error = EMBED_ERROR_INIT;
    emb_pixels p;
    data[8 + 8 + 3] ^= 1; /* another width */
    assert_int_equal(emb_image_decode(data, size, "x", NULL, &emb_libc_allocator, &p, &error),
                     EMBED_EFORMAT);
    assert_non_null(strstr(error.message, "checksum"));
    data[8 + 8 + 3] ^= 1;
    size_t at = 8, last = 0; /* the data's checksum: at the end of the last IDAT */
    for (; at + 12 <= size; at += 12 + get32(data + at))
        if (memcmp(data + at + 4, "IDAT", 4) == 0) last = at + 8 + get32(data + at);
    data[last - 1] ^= 1;
    assert_int_equal(emb_image_decode(data, size, "x", NULL, &emb_libc_allocator, &p, &error),
                     EMBED_EFORMAT);
    assert_non_null(strstr(error.message, "does not match its checksum"));
    free(data);
}

/* The last scan of a progressive file, a thousand times. */
static void scans_are_limited(void **state)
{
    (void)state;
    if (!exact_jpeg) return;
    enum { TIMES = 1000 };
    size_t size = 0, scan = 0;
    uint8_t *data = NULL;
    for (int i = 0; i < 16 && !scan; i++) {
        char name[32];
        snprintf(name, sizeof name, "jpeg-%02d.jpg", i);
        free(data);
        data = slurp(name, &size);
        bool progressive = false;
        for (size_t at = 2; at + 4 < size; at++) {
            progressive = progressive || (data[at] == 0xFF && data[at + 1] == 0xC2);
            if (progressive && data[at] == 0xFF && data[at + 1] == 0xDA) scan = at;
        }
    }
    assert_true(scan > 0);
    size_t length = size - 2 - scan;
    uint8_t *bomb = malloc(size + TIMES * length);
    memcpy(bomb, data, scan);
    for (size_t i = 0; i < TIMES; i++) memcpy(bomb + scan + i * length, data + scan, length);
    memcpy(bomb + scan + TIMES * length, "\xFF\xD9", 2);
    embed_error error = EMBED_ERROR_INIT;
    emb_pixels p;
    assert_int_equal(emb_image_decode(bomb, scan + TIMES * length + 2, "bomb.jpg", NULL,
                                      &emb_libc_allocator, &p, &error), EMBED_ERANGE);
    assert_string_equal(error.message,
                        "bomb.jpg: expected a JPEG of at most 500 scans, found more");
    free(bomb);
    free(data);
}

/* A JPEG of four components is read by libjpeg alone. */
static int find_out_who_decodes(void **state)
{
    (void)state;
    static const uint8_t inks[] = {0xFF, 0xD8, 0xFF, 0xC0, 0, 20, 8, 0, 1, 0, 1, 4,
                                   1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0,
                                   0xFF, 0xDA, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0, 0, 0};
    int64_t w, h;
    exact_jpeg = emb_image_probe(inks, sizeof inks, "", NULL, &w, &h, NULL) == EMBED_OK;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_pillows),
        cmocka_unit_test(cut_files_have_all_pixels_or_none),
        cmocka_unit_test(failing_memory_leaves_nothing),
        cmocka_unit_test(other_formats_are_refused_by_name),
        cmocka_unit_test(too_many_pixels_are_refused_before_memory),
        cmocka_unit_test(png_checksums_are_looked_at),
        cmocka_unit_test(scans_are_limited),
    };
    return cmocka_run_group_tests_name("image_decode", tests, find_out_who_decodes, NULL);
}
