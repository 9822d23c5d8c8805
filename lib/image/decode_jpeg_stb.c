/* JPEG by stb_image, for builds without libjpeg: its pixels are off by a few levels. It reads what
 * a file lacks as zeros, so the markers are walked here first, to the end of the image. */
#include "decode.h"

typedef struct frame {
    uint32_t width, height;
    int components;
    bool found, scanned;
} frame;

static int32_t bad(const emb_encoded *e, const char *what)
{
    return emb_fail(e->error, EMBED_EFORMAT, "%s: JPEG: %s", e->name, what);
}

/* Huffman tables of at most 256 codes: stb_image up to 2.27 writes past its own for more. */
static bool tables_fit(const uint8_t *body, size_t size)
{
    while (size > 0) {
        size_t codes = 0;
        for (size_t i = 1; i <= 16 && i < size; i++) codes += body[i];
        if (codes > 256 || size < 17 + codes) return false;
        body += 17 + codes;
        size -= 17 + codes;
    }
    return true;
}

/* Past entropy-coded data, to the marker that ends it. */
static size_t skip_scan(const emb_encoded *e, size_t at)
{
    for (; at + 1 < e->size; at++) {
        uint8_t next = e->data[at + 1];
        if (e->data[at] == 0xFF && next && next != 0xFF && (next < 0xD0 || next > 0xD7)) break;
    }
    return at;
}

/* All markers up to the end of the image; up to its header if no pixels are asked for. */
static int32_t walk(const emb_encoded *e, frame *f)
{
    for (size_t at = 2; at + 2 <= e->size;) {
        uint8_t marker = e->data[at + 1];
        if (e->data[at] != 0xFF || marker == 0xFF) {
            at++;
            continue;
        }
        if (marker == 0xD9) return f->scanned ? EMBED_OK : bad(e, "there is no image in it");
        at += 2;
        if (marker < 0xC0 || (marker >= 0xD0 && marker <= 0xD8)) continue;
        if (e->size - at < 2) break;
        size_t length = emb_be16(e->data + at);
        if (length < 2 || length > e->size - at) break;
        const uint8_t *body = e->data + at + 2;
        at += length;
        if (marker == 0xC4 && !tables_fit(body, length - 2)) return bad(e, "bad Huffman table");
        if (marker == 0xC0 || marker == 0xC1 || marker == 0xC2) {
            if (length < 8 || f->found) return bad(e, "expected one frame header");
            f->found = true;
            f->height = emb_be16(body + 1);
            f->width = emb_be16(body + 3);
            f->components = body[5];
            if (!e->allocator) return EMBED_OK;
        } else if (marker > 0xC2 && marker < 0xD0 && marker != 0xC4 && marker != 0xC8) {
            return emb_fail(e->error, EMBED_EUNSUPPORTED,
                            "%s: expected a baseline or progressive JPEG, found frame type %d",
                            e->name, marker - 0xC0);
        } else if (marker == 0xDA) {
            if (!f->found) return bad(e, "there is no image in it");
            f->scanned = true;
            at = skip_scan(e, at);
        }
    }
    return emb_fail(e->error, EMBED_EFORMAT, "%s: JPEG data ends too early", e->name);
}

int32_t emb_decode_jpeg(emb_encoded *e, emb_pixels *out)
{
    frame f = {0, 0, 0, false, false};
    int32_t status = walk(e, &f);
    if (status < 0) return status;
    if (f.components != 1 && f.components != 3)
        return emb_fail(e->error, EMBED_EUNSUPPORTED,
                        "%s: this build has no libjpeg: expected a JPEG of 1 or 3 components, "
                        "found %d", e->name, f.components);
    e->orientation = emb_jpeg_orientation(e->data, e->size);
    status = emb_pixels_start(e, out, f.width, f.height, f.components);
    if (status < 0 || !e->allocator) return status;
    return emb_stb_jpeg(e->data, e->size, f.width, f.height, f.components, out->owned)
               ? EMBED_OK
               : bad(e, "corrupt data");
}
