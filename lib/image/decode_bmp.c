/* BMP: palettes of 1, 4 and 8 bits, run lengths, 16, 24 and 32 bits with the masks that Pillow
 * knows. Everything that Pillow reads otherwise than others do is followed or refused. */
#include "decode.h"

enum { PLAIN = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3 };

/* Where the channels of a 24- or 32-bit pixel are: byte of red, green, blue, alpha (-1: none). */
typedef struct layout {
    uint32_t masks[4];
    int8_t byte[4];
} layout;

static const layout layouts[] = { /* the first is that of files without masks */
    {{0xFF0000, 0xFF00, 0xFF, 0}, {2, 1, 0, -1}},
    {{0xFF000000, 0xFF0000, 0xFF00, 0}, {3, 2, 1, -1}},
    {{0xFF000000, 0xFF00, 0xFF, 0}, {3, 1, 0, -1}},
    {{0xFF000000, 0xFF0000, 0xFF00, 0xFF}, {3, 2, 1, 0}},
    {{0xFF, 0xFF00, 0xFF0000, 0xFF000000}, {0, 1, 2, 3}},
    {{0xFF0000, 0xFF00, 0xFF, 0xFF000000}, {2, 1, 0, 3}},
    {{0xFF000000, 0xFF00, 0xFF, 0xFF0000}, {3, 1, 0, 2}},
    {{0, 0, 0, 0}, {2, 1, 0, 3}},
};

typedef struct bmp {
    int64_t width, height;
    bool top_down, grey;
    uint32_t bits, compression, colors;
    uint32_t masks[4];
    int green_bits; /* of 16 */
    const layout *layout;
    size_t pixels; /* where they begin */
    emb_palette palette;
} bmp;

static int32_t bad(const emb_encoded *e, const char *what)
{
    return emb_fail(e->error, EMBED_EFORMAT, "%s: BMP: %s", e->name, what);
}

static int32_t unsupported(const emb_encoded *e, const char *what)
{
    return emb_fail(e->error, EMBED_EUNSUPPORTED, "%s: BMP: %s", e->name, what);
}

/* The header -> *at: what follows it, with the masks behind a header that has no room for them. */
static int32_t read_header(const emb_encoded *e, bmp *b, size_t *at)
{
    const uint8_t *h = e->data + 14;
    if (e->size < 18) return bad(e, "the file ends in its header");
    size_t size = emb_le32(h), masks = 0;
    if (size != 12 && size != 40 && size != 52 && size != 56 && size != 64 && size != 108 &&
        size != 124)
        return emb_fail(e->error, EMBED_EUNSUPPORTED, "%s: BMP: unknown header of %zu bytes",
                        e->name, size);
    if (e->size - 14 < size) return bad(e, "the file ends in its header");
    if (size == 12) {
        b->width = emb_le16(h + 4);
        b->height = emb_le16(h + 6);
        b->bits = emb_le16(h + 10);
    } else {
        b->width = emb_le32(h + 4);
        b->height = emb_le32(h + 8);
        b->top_down = h[11] == 0xFF;
        if (b->top_down) b->height = (INT64_C(1) << 32) - b->height;
        b->bits = emb_le16(h + 14);
        b->compression = emb_le32(h + 16);
        b->colors = emb_le32(h + 32);
    }
    if (b->compression == BITFIELDS) {
        masks = size == 40 ? 12 : 0;
        if (e->size - 14 - size < masks) return bad(e, "the file ends in its masks");
        for (size_t i = 0; i < (size >= 56 ? 4 : 3); i++) b->masks[i] = emb_le32(h + 40 + 4 * i);
    }
    *at = 14 + size + masks;
    return EMBED_OK;
}

static int32_t choose_layout(const emb_encoded *e, bmp *b)
{
    b->green_bits = 5;
    b->layout = &layouts[0];
    if (b->compression != BITFIELDS) return EMBED_OK;
    if (b->bits == 16 && b->masks[0] == 0xF800 && b->masks[1] == 0x7E0 && b->masks[2] == 0x1F) {
        b->green_bits = 6;
        return EMBED_OK;
    }
    if (b->bits == 16 && b->masks[0] == 0x7C00 && b->masks[1] == 0x3E0 && b->masks[2] == 0x1F)
        return EMBED_OK;
    for (int64_t i = 0; i < EMB_COUNT(layouts); i++) {
        size_t masks = b->bits == 32 ? 16 : 12; /* alpha's does not count in 24 bits */
        b->layout = &layouts[i];
        if (b->bits != 32 && (b->bits != 24 || i > 0)) continue;
        if (memcmp(b->masks, layouts[i].masks, masks) == 0) return EMBED_OK;
    }
    return unsupported(e, "unknown bit masks");
}

/* A palette that is black and white, or all greys in their order, makes a grey image. */
static int32_t read_palette(const emb_encoded *e, bmp *b, size_t at, size_t entry)
{
    size_t left = e->size - at, count = b->colors;
    b->grey = true;
    if (count > 256) return unsupported(e, "a palette of more than 256 colors");
    if (left < count * entry) return bad(e, "the file ends in its palette");
    for (size_t i = 0; i < count; i++) {
        const uint8_t *c = e->data + at + i * entry;
        size_t level = count == 2 && i == 1 ? 255 : i;
        b->grey = b->grey && c[0] == level && c[1] == level && c[2] == level;
        b->palette.color[i][0] = c[2];
        b->palette.color[i][1] = c[1];
        b->palette.color[i][2] = c[0];
    }
    if (!b->grey) return EMBED_OK;
    if (b->compression == PLAIN ? b->bits != (count <= 2 ? 1u : 8u) : count <= 2)
        return unsupported(e, "a palette of greys whose size does not fit the bits of a pixel");
    for (int i = 0; i < 256; i++) memset(b->palette.color[i], count <= 2 ? (i ? 255 : 0) : i, 3);
    return EMBED_OK;
}

static int32_t read_headers(const emb_encoded *e, bmp *b)
{
    size_t at = 0;
    int32_t status = read_header(e, b, &at);
    if (status < 0) return status;
    size_t entry = emb_le32(e->data + 14) == 12 ? 3 : 4;
    if (b->bits != 1 && b->bits != 4 && b->bits != 8 && b->bits != 16 && b->bits != 24 &&
        b->bits != 32)
        return emb_fail(e->error, EMBED_EUNSUPPORTED,
                        "%s: BMP: expected pixels of 1, 4, 8, 16, 24 or 32 bits, found %u", e->name,
                        (unsigned)b->bits);
    if (b->compression > BITFIELDS) return unsupported(e, "unknown compression");
    if (b->bits <= 8 ? b->compression == BITFIELDS
                     : b->compression == RLE8 || b->compression == RLE4)
        return unsupported(e, "this compression does not go with the bits of a pixel");
    if (!b->colors) b->colors = b->bits <= 8 ? 1u << b->bits : 0;
    b->pixels = emb_le32(e->data + 10);
    status = choose_layout(e, b);
    if (status == EMBED_OK && b->bits <= 8) {
        status = read_palette(e, b, at, entry);
        if (b->pixels == 14 + (size_t)emb_le32(e->data + 14)) b->pixels += entry * b->colors;
        at += entry * b->colors;
    }
    if (!b->pixels) b->pixels = at;
    return status;
}

static void unpack_row(const bmp *b, const uint8_t *row, const emb_pixels *out, uint8_t *to)
{
    uint32_t bits = b->bits, mask = (1u << EMB_MIN(bits, 8)) - 1;
    int32_t channels = out->channels;
    for (int64_t x = 0; x < out->width; x++, to += channels) {
        if (bits <= 8) {
            int64_t bit = x * bits;
            uint32_t i = row[bit / 8] >> (8 - bits - bit % 8) & mask;
            memcpy(to, b->palette.color[i], (size_t)channels);
        } else if (bits == 16) {
            uint32_t v = emb_le16(row + 2 * x), top = (1u << b->green_bits) - 1;
            to[0] = (uint8_t)((v >> (5 + b->green_bits) & 31) * 255 / 31);
            to[1] = (uint8_t)((v >> 5 & top) * 255 / top);
            to[2] = (uint8_t)((v & 31) * 255 / 31);
        } else {
            const uint8_t *p = row + x * (bits / 8);
            for (int c = 0; c < channels; c++) to[c] = p[b->layout->byte[c]];
        }
    }
}

static int32_t read_rows(const emb_encoded *e, const bmp *b, const emb_pixels *out)
{
    size_t row = ((size_t)b->width * b->bits + 7) / 8, stride = (row + 3) / 4 * 4, rows;
    if (!emb_mul(stride, (size_t)b->height - 1, &rows) || !emb_add(rows, row, &rows) ||
        b->pixels > e->size || e->size - b->pixels < rows)
        return bad(e, "the file ends before its last pixel");
    for (int64_t y = 0; y < b->height; y++)
        unpack_row(b, e->data + b->pixels + (size_t)y * stride, out,
                   emb_pixels_row(out, b->top_down ? y : b->height - 1 - y));
    return EMBED_OK;
}

/* Runs write indices from front to back, whatever the rows are; they are the last bytes of out and
 * become pixels when all are there. */
typedef struct runs {
    const uint8_t *data;
    size_t size, at;
    uint8_t *index;
    int64_t used, total, width, x;
    bool nibbles;
} runs;

static void put(runs *r, uint8_t index)
{
    if (r->used < r->total) r->index[r->used++] = index;
}

static void put_zeros(runs *r, int64_t count)
{
    count = EMB_MIN(count, r->total - r->used);
    memset(r->index + r->used, 0, (size_t)count);
    r->used += count;
}

/* count pixels, each of its own. */
static bool put_literal(runs *r, int count)
{
    int64_t fits = EMB_MIN(count, r->total - r->used);
    size_t bytes = r->nibbles ? (size_t)(fits + 1) / 2 : (size_t)fits;
    if (r->size - r->at < bytes) return false;
    for (int64_t i = 0; i < fits; i++) {
        uint8_t byte = r->data[r->at + (size_t)(r->nibbles ? i / 2 : i)];
        put(r, !r->nibbles ? byte : i % 2 ? byte & 15 : byte >> 4);
    }
    r->at += bytes;
    r->x += count;
    if (r->at % 2) r->at++;
    return true;
}

static void put_run(runs *r, int count, uint8_t byte)
{
    if (r->x + count > r->width) count = (int)EMB_MAX(0, r->width - r->x);
    for (int i = 0; i < count; i++) put(r, !r->nibbles ? byte : i % 2 ? byte & 15 : byte >> 4);
    r->x += count;
}

static bool read_runs(runs *r)
{
    while (r->used < r->total) {
        if (r->at > r->size || r->size - r->at < 2) return false;
        int count = r->data[r->at++], byte = r->data[r->at++];
        if (count > 0) {
            put_run(r, count, (uint8_t)byte);
        } else if (byte == 0) { /* end of the row */
            int64_t over = r->used % r->width;
            if (over) put_zeros(r, r->width - over);
            r->x = 0;
        } else if (byte == 1) { /* end of the image */
            return false;
        } else if (byte == 2) {
            if (r->size - r->at < 2) return false;
            put_zeros(r, r->data[r->at] + r->data[r->at + 1] * r->width);
            r->at += 2;
            r->x = r->used % r->width;
        } else if (!put_literal(r, byte)) {
            return false;
        }
    }
    return true;
}

static int32_t read_rle(const emb_encoded *e, const bmp *b, const emb_pixels *out)
{
    runs r = {e->data, e->size, b->pixels, NULL, 0, b->width * b->height, b->width, 0,
              b->compression == RLE4};
    int32_t status = EMBED_OK;
    r.index = emb_alloc(e->allocator, (size_t)r.total, 1);
    if (!r.index) return emb_fail(e->error, EMBED_ENOMEM, "%s: no memory", e->name);
    if (!read_runs(&r)) status = bad(e, "the runs end before the last pixel");
    for (int64_t y = 0; status == EMBED_OK && y < b->height; y++)
        emb_palette_expand(&b->palette, r.index + y * b->width, b->width, out->channels,
                           emb_pixels_row(out, b->top_down ? y : b->height - 1 - y));
    emb_free(e->allocator, r.index);
    return status;
}

int32_t emb_decode_bmp(emb_encoded *e, emb_pixels *out)
{
    bmp b;
    memset(&b, 0, sizeof b);
    int32_t status = read_headers(e, &b);
    bool alpha = b.bits == 32 && b.layout && b.layout->byte[3] >= 0;
    if (status == EMBED_OK)
        status = emb_pixels_start(e, out, b.width, b.height, b.grey ? 1 : alpha ? 4 : 3);
    if (status < 0 || !e->allocator) return status;
    return b.compression == RLE8 || b.compression == RLE4 ? read_rle(e, &b, out)
                                                          : read_rows(e, &b, out);
}
