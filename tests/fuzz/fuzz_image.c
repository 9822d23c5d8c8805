/* The input is an image: whatever it holds, there is a sentence or there are pixels, of the size
 * that the probe says, the same again, turned by EXIF or not. A PNG is also tried with its chunks'
 * checksums put right, to get past them. */
#include <stdlib.h>

#include "../../lib/image/image.h"
#include "mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_PIXELS = 1 << 18 };

static size_t in_use;

static void *take(void *user, size_t size, size_t align)
{
    (void)user;
    void *block = aligned_alloc(align, (size + align - 1) / align * align);
    if (block) in_use += size;
    return block;
}

static void give(void *user, void *ptr, size_t size)
{
    (void)user;
    in_use -= size;
    free(ptr);
}

static const emb_allocator allocator = {take, give, NULL};

static void expect(int holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static int32_t decode(const uint8_t *data, size_t size, bool turned, emb_pixels *p)
{
    const emb_decode_options o = {turned, MAX_PIXELS};
    embed_error error = EMBED_ERROR_INIT;
    int64_t width, height;
    int32_t probed = emb_image_probe(data, size, "fuzz", &o, &width, &height, NULL);
    int32_t status = emb_image_decode(data, size, "fuzz", &o, &allocator, p, &error);
    expect(status < 0 ? error.message[0] && !p->owned : p->owned != NULL, "pixels or a sentence");
    if (status < 0) return status;
    expect(probed == EMBED_OK && width == p->width && height == p->height, "the probe is right");
    expect(width > 0 && height > 0 && width * height <= MAX_PIXELS, "the size is within limits");
    expect(p->channels == 1 || p->channels == 3 || p->channels == 4, "1, 3 or 4 channels");
    return status;
}

static void try_one(const uint8_t *data, size_t size)
{
    emb_pixels once, again;
    int32_t status = decode(data, size, false, &once);
    expect(decode(data, size, true, &again) == status, "turning changes no status");
    if (status == EMBED_OK) {
        expect(once.width * once.height == again.width * again.height, "turning keeps all pixels");
        emb_pixels_free(&again, &allocator);
        decode(data, size, false, &again);
        expect(memcmp(once.data, again.data, (size_t)(once.height * once.stride)) == 0,
               "the same pixels again");
    }
    emb_pixels_free(&once, &allocator);
    emb_pixels_free(&again, &allocator);
    expect(in_use == 0, "all memory is given back");
}

static uint32_t crc32(const uint8_t *data, size_t size)
{
    uint32_t c = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        c ^= data[i];
        for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ UINT32_C(0xEDB88320) : c >> 1;
    }
    return ~c;
}

static void try_png(const uint8_t *data, size_t size)
{
    uint8_t *png = malloc(size);
    if (!png) exit(2);
    memcpy(png, data, size);
    for (size_t at = 8; size - at >= 12;) {
        size_t length = 0;
        for (size_t i = 0; i < 4; i++) length = length << 8 | png[at + i];
        if (length > size - at - 12) break;
        uint32_t sum = crc32(png + at + 4, length + 4);
        at += 8 + length;
        for (int shift = 24; shift >= 0; shift -= 8) png[at++] = (uint8_t)(sum >> shift);
    }
    try_one(png, size);
    free(png);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_one(data, size);
    if (size > 8 && memcmp(data, "\x89PNG\r\n\x1A\n", 8) == 0) try_png(data, size);
    return 0;
}
