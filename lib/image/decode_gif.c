/* GIF: the first frame on its screen, as Pillow has it. stb_image is not used here: it refuses
 * tables that stay full, recurses as deep as a string is long, and blends by rules of its own. */
#include "decode.h"

enum { CODES = 4096, MAX_BITS = 12, NONE = -1 };

typedef struct gif {
    int64_t width, height;         /* of the screen */
    int64_t x, y, frame_width, frame_height;
    const uint8_t *global, *local; /* color tables; NULL: none */
    int global_count, local_count;
    int transparent; /* index, or NONE */
    bool interlaced;
    uint8_t code_bits;
    size_t data, data_end; /* of the frame's data, with the lengths of its parts */
} gif;

/* What is left of the file, read from front to back. */
typedef struct reader {
    const uint8_t *data;
    size_t size, at;
} reader;

static const uint8_t *take(reader *r, size_t n)
{
    const uint8_t *taken = r->size - r->at < n ? NULL : r->data + r->at;
    r->at = taken ? r->at + n : r->size;
    return taken;
}

/* Past one part of a sequence of them; false: it was the empty one that ends them, or cut short. */
static bool take_part(reader *r, const uint8_t **part, size_t *size)
{
    const uint8_t *length = take(r, 1);
    *size = length ? *length : 0;
    *part = take(r, *size);
    return *size > 0 && *part;
}

static int32_t bad(const emb_encoded *e, const char *what)
{
    return emb_fail(e->error, EMBED_EFORMAT, "%s: GIF: %s", e->name, what);
}

/* Parts follow the first of an extension, even an empty one, up to an empty one; a comment alone
 * may have none. Where writers get this wrong, Pillow reads it so. */
static void read_extension(reader *r, gif *g)
{
    enum { COMMENT = 0xFE, CONTROL = 0xF9, APPLICATION = 0xFF };
    const uint8_t *label = take(r, 1), *part;
    size_t size;
    bool any = take_part(r, &part, &size);
    if (!label || (*label == COMMENT && !any)) return;
    if (any && *label == CONTROL && size >= 4 && part[0] & 1) g->transparent = part[3];
    if (any && *label == APPLICATION && size >= 11 && memcmp(part, "NETSCAPE2.0", 11) == 0)
        take_part(r, &part, &size);
    while (take_part(r, &part, &size)) continue;
}

static bool read_frame(reader *r, gif *g)
{
    const uint8_t *f = take(r, 9), *part;
    size_t size;
    if (!f) return false;
    g->x = emb_le16(f);
    g->y = emb_le16(f + 2);
    g->frame_width = emb_le16(f + 4);
    g->frame_height = emb_le16(f + 6);
    g->width = EMB_MAX(g->width, g->x + g->frame_width);
    g->height = EMB_MAX(g->height, g->y + g->frame_height);
    g->interlaced = f[8] & 0x40;
    if (f[8] & 0x80) {
        g->local_count = 2 << (f[8] & 7);
        g->local = take(r, 3 * (size_t)g->local_count);
        if (!g->local) return false;
    }
    const uint8_t *bits = take(r, 1);
    if (!bits) return false;
    g->code_bits = *bits;
    g->data = r->at;
    do g->data_end = r->at;
    while (take_part(r, &part, &size));
    return true;
}

/* Up to and past the first frame. */
static int32_t read_blocks(const emb_encoded *e, gif *g)
{
    reader r = {e->data, e->size, 6};
    const uint8_t *screen = take(&r, 7), *block;
    if (!screen) return bad(e, "the file ends in its header");
    g->width = emb_le16(screen);
    g->height = emb_le16(screen + 2);
    if (screen[4] & 0x80) {
        g->global_count = 2 << (screen[4] & 7);
        g->global = take(&r, 3 * (size_t)g->global_count);
        if (!g->global) return bad(e, "the file ends in its color table");
    }
    while ((block = take(&r, 1)) && *block != ';') {
        if (*block == '!') read_extension(&r, g);
        if (*block != ',') continue;
        if (!read_frame(&r, g)) return bad(e, "the file ends in its first frame");
        if (g->frame_width == 0 || g->frame_height == 0)
            return bad(e, "the first frame has no pixels");
        if (g->code_bits >= MAX_BITS)
            return emb_fail(e->error, EMBED_EFORMAT,
                            "%s: GIF: expected symbols of at most 11 bits, found %d", e->name,
                            g->code_bits);
        return EMBED_OK;
    }
    return bad(e, "expected a frame, found none");
}

/* Colors that a table lacks are black, unless the table is no more than the greys in their order:
 * then the image is a grey one. */
static void make_palette(const gif *g, emb_palette *palette)
{
    const uint8_t *table = g->local ? g->local : g->global;
    int count = g->local ? g->local_count : g->global_count;
    bool grey = true;
    memset(palette, 0, sizeof *palette);
    for (int i = 0; i < count; i++) {
        memcpy(palette->color[i], table + 3 * i, 3);
        for (int c = 0; c < 3; c++) grey = grey && palette->color[i][c] == i;
    }
    for (int i = 0; i < 256; i++) {
        if (grey) memset(palette->color[i], i, 3);
        palette->color[i][3] = i == g->transparent ? 0 : 255;
    }
}

/* ---- the frame's data -------------------------------------------------------------- */

typedef struct lzw {
    const uint8_t *data; /* parts, each behind its length */
    size_t size, at, part; /* part: bytes left of the current one */
    uint32_t bits;
    int bit_count, code_bits;
    int next; /* code to be given to the next string */
    uint16_t prefix[CODES], length[CODES];
    uint8_t first[CODES], last[CODES];
} lzw;

/* The next code; NONE: the data ends. */
static int read_code(lzw *z)
{
    while (z->bit_count < z->code_bits) {
        if (z->at >= z->size) return NONE;
        uint8_t byte = z->data[z->at++];
        if (z->part == 0) {
            z->part = byte;
            continue;
        }
        z->part--;
        z->bits |= (uint32_t)byte << z->bit_count;
        z->bit_count += 8;
    }
    int code = (int)(z->bits & ((1u << z->code_bits) - 1));
    z->bits >>= z->code_bits;
    z->bit_count -= z->code_bits;
    return code;
}

/* The string of previous and one more: the first of what follows it. */
static void add_string(lzw *z, int previous, uint8_t last)
{
    if (z->next == CODES) return;
    z->prefix[z->next] = (uint16_t)previous;
    z->length[z->next] = (uint16_t)(z->length[previous] + 1);
    z->first[z->next] = z->first[previous];
    z->last[z->next] = last;
    if (z->next == (1 << z->code_bits) - 1 && z->code_bits < MAX_BITS) z->code_bits++;
    z->next++;
}

/* Indices -> out[count]. false: they are not all there. What follows the last does not matter. */
static bool read_indices(lzw *z, int bits, uint8_t *out, int64_t count)
{
    int clear = 1 << bits, previous = NONE, code;
    int64_t used = 0;
    for (int i = 0; i < clear; i++) {
        z->length[i] = 1;
        z->first[i] = z->last[i] = (uint8_t)i;
    }
    z->code_bits = bits + 1;
    z->next = clear + 2;
    while (used < count && (code = read_code(z)) != NONE && code != clear + 1) {
        if (code == clear) {
            z->code_bits = bits + 1;
            z->next = clear + 2;
            previous = NONE;
            continue;
        }
        if (code > (previous == NONE ? clear : z->next)) return false;
        if (previous != NONE) add_string(z, previous, z->first[code < z->next ? code : previous]);
        int64_t n = z->length[code];
        for (int64_t i = n - 1, c = code; i >= 0; i--, c = z->prefix[c])
            if (used + i < count) out[used + i] = z->last[c];
        used += n;
        previous = code;
    }
    return used >= count;
}

static int32_t read_frame_data(const emb_encoded *e, const gif *g, uint8_t *index)
{
    lzw *z = emb_calloc(e->allocator, 1, sizeof *z);
    if (!z) return emb_fail(e->error, EMBED_ENOMEM, "%s: no memory", e->name);
    z->data = e->data + g->data;
    z->size = g->data_end - g->data;
    bool complete = read_indices(z, g->code_bits, index, g->frame_width * g->frame_height);
    emb_free(e->allocator, z);
    return complete ? EMBED_OK : bad(e, "the first frame's data is corrupt or ends too early");
}

/* ---- the screen ------------------------------------------------------------------- */

/* Which row of the data row y of a frame of height rows is: interlaced ones come in four passes. */
static int64_t stored_row(int64_t y, int64_t height)
{
    int64_t eighths = (height + 7) / 8, fourths = (height + 3) / 8, halves = (height + 1) / 4;
    if (y % 8 == 0) return y / 8;
    if (y % 8 == 4) return eighths + y / 8;
    if (y % 4 == 2) return eighths + fourths + y / 4;
    return eighths + fourths + halves + y / 2;
}

/* The frame's indices, and around them the transparent one or the first. */
static void compose(const gif *g, const uint8_t *index, emb_pixels *out)
{
    emb_palette palette;
    const uint8_t around = g->transparent < 0 ? 0 : (uint8_t)g->transparent;
    const int32_t channels = out->channels;
    make_palette(g, &palette);
    for (int64_t y = 0; y < g->height; y++) {
        uint8_t *row = emb_pixels_row(out, y);
        int64_t from = y - g->y;
        for (int64_t x = 0; x < g->width; x++)
            memcpy(row + x * channels, palette.color[around], (size_t)channels);
        if (from < 0 || from >= g->frame_height) continue;
        if (g->interlaced) from = stored_row(from, g->frame_height);
        emb_palette_expand(&palette, index + from * g->frame_width, g->frame_width, channels,
                           row + g->x * channels);
    }
}

int32_t emb_decode_gif(emb_encoded *e, emb_pixels *out)
{
    gif g = {.transparent = NONE};
    int32_t status = read_blocks(e, &g);
    if (status == EMBED_OK)
        status = emb_pixels_start(e, out, g.width, g.height, g.transparent < 0 ? 3 : 4);
    if (status < 0 || !e->allocator) return status;
    uint8_t *index = emb_alloc(e->allocator, (size_t)(g.frame_width * g.frame_height), 1);
    if (!index) return emb_fail(e->error, EMBED_ENOMEM, "%s: no memory", e->name);
    status = read_frame_data(e, &g, index);
    if (status == EMBED_OK) compose(&g, index, out);
    emb_free(e->allocator, index);
    return status;
}
