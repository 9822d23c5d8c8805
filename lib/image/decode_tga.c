/* TGA: indices, grey, grey and alpha, 16, 24 and 32 bits, plain or in runs, from any corner. */
#include "decode.h"

enum { INDEXED = 1, COLOR = 2, GREY = 3, RUNS = 8 };

typedef struct tga {
    int type, depth; /* without RUNS; bits a pixel */
    bool runs, top_down, right_to_left;
    size_t pixels; /* where they begin */
    emb_palette palette;
} tga;

static int32_t bad(const emb_encoded *e, const char *what)
{
    return emb_fail(e->error, EMBED_EFORMAT, "%s: TGA: %s", e->name, what);
}

static int32_t unsupported(const emb_encoded *e, const char *what)
{
    return emb_fail(e->error, EMBED_EUNSUPPORTED, "%s: TGA: %s", e->name, what);
}

/* A stored color of 16, 24 or 32 bits. The top bit of 16 says "transparent". */
static void read_color(const uint8_t *p, int depth, uint8_t color[4])
{
    if (depth == 16) {
        uint32_t v = emb_le16(p);
        color[0] = (uint8_t)((v >> 10 & 31) * 255 / 31);
        color[1] = (uint8_t)((v >> 5 & 31) * 255 / 31);
        color[2] = (uint8_t)((v & 31) * 255 / 31);
        color[3] = v >> 15 ? 0 : 255;
    } else {
        color[0] = p[2];
        color[1] = p[1];
        color[2] = p[0];
        color[3] = depth == 32 ? p[3] : 255;
    }
}

/* The header and what lies between it and the pixels. */
static int32_t read_header(const emb_encoded *e, tga *t)
{
    const uint8_t *h = e->data;
    if (e->size < 18 || h[1] > 1 || (h[2] & ~RUNS) < INDEXED || (h[2] & ~RUNS) > GREY)
        return emb_fail(e->error, EMBED_EFORMAT, "%s: " EMB_IMAGE_FORMATS ", found none of them",
                        e->name);
    t->type = h[2] & ~RUNS;
    t->runs = h[2] & RUNS;
    t->depth = h[16];
    t->top_down = h[17] & 0x20;
    t->right_to_left = h[17] & 0x10;
    bool known = t->type == INDEXED ? t->depth == 8
                 : t->type == GREY  ? t->depth == 8 || t->depth == 16 || (t->depth == 1 && !t->runs)
                                    : t->depth == 16 || t->depth == 24 || t->depth == 32;
    if (!known)
        return emb_fail(e->error, EMBED_EUNSUPPORTED, "%s: TGA: type %d of %d bits", e->name, h[2],
                        t->depth);
    t->pixels = 18 + (size_t)h[0];
    if (h[1] != (t->type == INDEXED))
        return unsupported(e, "expected a palette with indices and none without");
    if (t->type != INDEXED) return EMBED_OK;

    size_t start = emb_le16(h + 3), count = emb_le16(h + 5), entry = h[7] / 8u;
    if (h[7] != 16 && h[7] != 24 && h[7] != 32) return unsupported(e, "bits of a palette's color");
    if (start + count > 256) return unsupported(e, "a palette of more than 256 colors");
    if (e->size < t->pixels || e->size - t->pixels < count * entry)
        return bad(e, "the file ends in its palette");
    for (size_t i = 0; i < count; i++)
        read_color(e->data + t->pixels + i * entry, h[7], t->palette.color[start + i]);
    t->pixels += count * entry;
    return EMBED_OK;
}

/* Alpha counts unless the extension area at the file's end says that there is none. */
static bool alpha_counts(const emb_encoded *e)
{
    static const char signature[] = "TRUEVISION-XFILE."; /* and its NUL */
    const size_t size = sizeof signature;
    if (e->size < 26 || memcmp(e->data + e->size - size, signature, size) != 0) return true;
    size_t extension = emb_le32(e->data + e->size - 26), at = extension + 494;
    return !extension || at >= e->size || e->data[at] != 0;
}

/* One row of stored pixels. */
static void unpack_row(const tga *t, const uint8_t *in, const emb_pixels *out, int64_t y)
{
    int32_t channels = out->channels;
    uint8_t *to = emb_pixels_row(out, t->top_down ? y : out->height - 1 - y), color[4];
    int64_t step = t->right_to_left ? -channels : channels;
    if (t->right_to_left) to += (out->width - 1) * channels;
    for (int64_t x = 0; x < out->width; x++, to += step) {
        const uint8_t *p = in + x * (t->depth / 8);
        if (t->depth == 1) color[0] = in[x / 8] >> (7 - x % 8) & 1 ? 255 : 0;
        else if (t->type == GREY) {
            memset(color, p[0], 3);
            color[3] = p[t->depth / 8 - 1];
        } else if (t->type == INDEXED) memcpy(color, t->palette.color[p[0]], 4);
        else read_color(p, t->depth, color);
        memcpy(to, color, (size_t)channels);
    }
}

/* Rows of runs: a run ends within its row, pixels one by one may go on in the next. */
static bool read_runs(const emb_encoded *e, const tga *t, uint8_t *row, const emb_pixels *out)
{
    size_t pixel = (size_t)t->depth / 8, at = t->pixels, bytes = (size_t)out->width * pixel, x = 0;
    for (int64_t y = 0; y < out->height;) {
        if (at >= e->size) return false;
        size_t n = pixel * ((e->data[at] & 127u) + 1);
        bool run = e->data[at++] & 128;
        if (e->size - at < (run ? pixel : n) || (run && n > bytes - x)) return false;
        for (size_t i = 0; i < n && y < out->height; i += pixel) {
            memcpy(row + x, e->data + at + (run ? 0 : i), pixel);
            x += pixel;
            if (x < bytes) continue;
            unpack_row(t, row, out, y++);
            x = 0;
        }
        at += run ? pixel : n;
    }
    return true;
}

static int32_t read_pixels(const emb_encoded *e, const tga *t, const emb_pixels *out)
{
    size_t bytes = ((size_t)out->width * (size_t)t->depth + 7) / 8, size;
    if (t->pixels > e->size) return bad(e, "the file ends in its header");
    if (t->runs) {
        uint8_t *row = emb_alloc(e->allocator, bytes, 1);
        if (!row) return emb_fail(e->error, EMBED_ENOMEM, "%s: no memory", e->name);
        bool complete = read_runs(e, t, row, out);
        emb_free(e->allocator, row);
        return complete ? EMBED_OK : bad(e, "the runs end too early or leave their row");
    }
    if (!emb_mul(bytes, (size_t)out->height, &size) || e->size - t->pixels < size)
        return bad(e, "the file ends before its last pixel");
    for (int64_t y = 0; y < out->height; y++)
        unpack_row(t, e->data + t->pixels + (size_t)y * bytes, out, y);
    return EMBED_OK;
}

int32_t emb_decode_tga(emb_encoded *e, emb_pixels *out)
{
    tga t;
    memset(&t, 0, sizeof t);
    int32_t status = read_header(e, &t);
    if (status < 0) return status;
    bool alpha = (t.type == GREY && t.depth == 16) ||
                 (t.type == COLOR && t.depth != 24 && alpha_counts(e));
    int32_t channels = alpha ? 4 : t.type == GREY ? 1 : 3;
    status = emb_pixels_start(e, out, emb_le16(e->data + 12), emb_le16(e->data + 14), channels);
    return status < 0 || !e->allocator ? status : read_pixels(e, &t, out);
}
