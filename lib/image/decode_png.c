/* PNG: chunks, checksums, filters, interlacing and every type of pixel. stb_image inflates. */
#include "decode.h"

enum { GREY = 0, RGB = 2, INDEXED = 3, GREY_ALPHA = 4, RGBA = 6 };
enum {
    SLACK = 4096, /* bytes past the last row that are tolerated */
    PADDING = 64  /* and bytes past the compressed data */
};

typedef struct png {
    int64_t width, height;
    int depth, type, samples; /* bits a sample, type of pixel, samples a pixel */
    bool interlaced;
    bool transparent;  /* there is a tRNS that counts */
    uint8_t key[3];    /* low bytes of the transparent sample or color */
    emb_palette palette;
    bool has_palette;
    size_t first_idat, idat_size; /* where the first of them begins, bytes in all of them */
    int64_t idats;
    int32_t orientation[3]; /* of eXIf, a text of EXIF, XMP; 0: none */
    uint8_t *joined, *raw, *rows; /* to be freed */
} png;

/* ---- chunks ------------------------------------------------------------------ */

typedef struct chunk {
    const uint8_t *type, *data;
    size_t size;
} chunk;

/* The remainders of every byte, then CRC-32 of data. */
static void crc_table(uint32_t table[256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ UINT32_C(0xEDB88320) : c >> 1;
        table[i] = c;
    }
}

static uint32_t crc32(const uint32_t table[256], const uint8_t *data, size_t size)
{
    uint32_t c = UINT32_MAX;
    for (size_t i = 0; i < size; i++) c = c >> 8 ^ table[(c ^ data[i]) & 255];
    return ~c;
}

/* The chunk at *at; moves on. false: there is none, or only a part of it, but for its checksum. */
static bool next_chunk(const emb_encoded *e, size_t *at, chunk *c)
{
    if (e->size - *at < 8) return false;
    c->size = emb_be32(e->data + *at);
    c->type = e->data + *at + 4;
    c->data = c->type + 4;
    if (c->size > e->size - *at - 8) {
        c->size = e->size - *at - 8; /* of image data, what is there may be all that matters */
        if (!c->size || memcmp(c->type, "IDAT", 4) != 0) return false;
    }
    *at = EMB_MIN(*at + 12 + c->size, e->size);
    return true;
}

static bool is_name(const uint8_t *type)
{
    for (int i = 0; i < 4; i++) {
        uint8_t letter = type[i] | 0x20;
        if (letter < 'a' || letter > 'z') return false;
    }
    return true;
}

static bool is_sound(const emb_encoded *e, const uint32_t table[256], const chunk *c)
{
    size_t end = (size_t)(c->data - e->data) + c->size;
    return e->size - end >= 4 && crc32(table, c->type, c->size + 4) == emb_be32(e->data + end);
}

static bool is(const chunk *c, const char *type)
{
    return memcmp(c->type, type, 4) == 0;
}

static int32_t bad(const emb_encoded *e, const char *what)
{
    return emb_fail(e->error, EMBED_EFORMAT, "%s: PNG: %s", e->name, what);
}

static int32_t unsupported(const emb_encoded *e, const char *what)
{
    return emb_fail(e->error, EMBED_EUNSUPPORTED, "%s: PNG: %s", e->name, what);
}

static int32_t read_header(const emb_encoded *e, const chunk *c, png *p)
{
    static const int samples[7] = {1, 0, 3, 1, 2, 0, 4};
    static const unsigned depths[7] = { /* as bits of a mask */
        1 << 1 | 1 << 2 | 1 << 4 | 1 << 8 | 1 << 16, 0, 1 << 8 | 1 << 16,
        1 << 1 | 1 << 2 | 1 << 4 | 1 << 8, 1 << 8 | 1 << 16, 0, 1 << 8 | 1 << 16,
    };
    if (!is(c, "IHDR") || c->size != 13) return bad(e, "expected IHDR of 13 bytes as first chunk");
    p->width = emb_be32(c->data);
    p->height = emb_be32(c->data + 4);
    p->depth = c->data[8];
    p->type = c->data[9];
    if (p->type > 6 || p->depth > 16 || !(depths[p->type] >> p->depth & 1))
        return emb_fail(e->error, EMBED_EFORMAT, "%s: PNG: no such pixels: type %d of %d bits",
                        e->name, p->type, p->depth);
    if (c->data[10] || c->data[11] || c->data[12] > 1)
        return bad(e, "unknown compression, filter or interlace method");
    p->interlaced = c->data[12] == 1;
    p->samples = samples[p->type];
    return EMBED_OK;
}

static int32_t read_palette(const emb_encoded *e, const chunk *c, png *p)
{
    if (c->size > 768 || c->size % 3) return bad(e, "expected a palette of at most 256 colors");
    for (size_t i = 0; i < c->size / 3; i++) memcpy(p->palette.color[i], c->data + 3 * i, 3);
    p->has_palette = true;
    return EMBED_OK;
}

/* What is transparent. Pillow takes the low byte of a sample's 16 bits and compares the pixel as it
 * is after conversion to 8 bits: right for 8 bits, odd for others, and followed here. */
static int32_t read_transparency(const emb_encoded *e, const chunk *c, png *p)
{
    size_t need = p->type == GREY ? 2 : p->type == RGB ? 6 : 0;
    if (c->size < need) return bad(e, "tRNS is too short");
    if (p->type == INDEXED)
        for (size_t i = 0; i < EMB_MIN(c->size, 256); i++) p->palette.color[i][3] = c->data[i];
    else if (!need) return EMBED_OK;
    for (size_t i = 0; i < 3 && need; i++) p->key[i] = c->data[need == 2 ? 1 : 2 * i + 1];
    if (p->type == GREY && p->depth == 1 && emb_be16(c->data)) memset(p->key, 255, 3);
    p->transparent = true;
    return EMBED_OK;
}

static int32_t read_other(emb_encoded *e, const chunk *c, png *p)
{
    static const char xmp[] = "XML:com.adobe.xmp\0"; /* and "not compressed" */
    static const char raw[] = "Raw profile type exif"; /* and its NUL */
    if (is(c, "tRNS")) return read_transparency(e, c, p);
    if (is(c, "eXIf")) p->orientation[0] = emb_exif_orientation(c->data, c->size);
    else if (is(c, "tEXt") && c->size > sizeof raw && memcmp(c->data, raw, sizeof raw) == 0)
        p->orientation[1] = emb_raw_profile_orientation(c->data, c->size);
    else if (is(c, "iTXt") && c->size > sizeof xmp && memcmp(c->data, xmp, sizeof xmp) == 0)
        p->orientation[2] = emb_xmp_orientation(c->data, c->size);
    /* The first frame of an animation may be smaller than the image. */
    if (is(c, "fcTL") && !p->idats &&
        (c->size < 26 || emb_be32(c->data + 4) != p->width || emb_be32(c->data + 8) != p->height ||
         emb_be32(c->data + 12) || emb_be32(c->data + 16)))
        return unsupported(e, "an animation whose first frame is not the whole image");
    return EMBED_OK;
}

/* Every chunk. What comes behind the first run of IDAT matters only as far as it is sound. The
 * checksums of IDAT are not looked at, since the data has one of its own. */
static int32_t read_chunks(emb_encoded *e, png *p)
{
    uint32_t table[256];
    size_t at = 8, start = at;
    bool behind = false;
    chunk c;
    crc_table(table);
    for (int64_t i = 0; next_chunk(e, &at, &c) && !is(&c, "IEND"); start = at, i++) {
        bool data = is(&c, "IDAT"), sound = data || !e->allocator || is_sound(e, table, &c);
        if (p->idats && !data) behind = true;
        if (!sound && behind) break;
        if (!sound) return bad(e, "a chunk does not match its checksum");
        int32_t status = EMBED_OK;
        if (i == 0) status = read_header(e, &c, p);
        else if (is(&c, "IHDR")) status = bad(e, "expected one IHDR, found two");
        else if (is(&c, "PLTE") && p->type == INDEXED && !p->idats) status = read_palette(e, &c, p);
        else if (!data) status = read_other(e, &c, p);
        else if (!behind && p->idats++ == 0) p->first_idat = start;
        if (status < 0) return status;
        if (data && !behind) p->idat_size += c.size;
    }
    if (!p->idats) return bad(e, "the file ends before its image data");
    for (int i = 2; i >= 0; i--)
        if (p->orientation[i]) e->orientation = p->orientation[i];
    if (e->size - start >= 8 && !next_chunk(e, &start, &c) && is_name(c.type) && !is(&c, "IEND"))
        return bad(e, "the file ends in a chunk");
    if (p->type == INDEXED && !p->has_palette) return unsupported(e, "indices without a palette");
    return EMBED_OK;
}

/* ---- image data ----------------------------------------------------------------- */

/* One pass over the image: every step_x-th pixel of every step_y-th row. */
typedef struct pass {
    int64_t x, y, step_x, step_y;
} pass;

static const pass whole = {0, 0, 1, 1};
static const pass adam7[] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                             {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};

static int64_t pass_count(const png *p)
{
    return p->interlaced ? EMB_COUNT(adam7) : 1;
}

static const pass *pass_of(const png *p, int64_t i)
{
    return p->interlaced ? &adam7[i] : &whole;
}

/* Of a dimension, how many are on the way of a pass. */
static int64_t steps(int64_t size, int64_t start, int64_t step)
{
    return size > start ? (size - start - 1) / step + 1 : 0;
}

static size_t row_bytes(const png *p, int64_t width)
{
    return ((size_t)width * (size_t)(p->samples * p->depth) + 7) / 8;
}

/* Bytes of all filtered rows. false: too many. */
static bool image_size(const png *p, size_t *size)
{
    *size = 0;
    for (int64_t i = 0; i < pass_count(p); i++) {
        const pass *s = pass_of(p, i);
        int64_t w = steps(p->width, s->x, s->step_x), h = steps(p->height, s->y, s->step_y);
        size_t bytes;
        if (w == 0) continue;
        if (!emb_mul(row_bytes(p, w) + 1, (size_t)h, &bytes) || !emb_add(*size, bytes, size))
            return false;
    }
    return *size <= INT32_MAX - SLACK;
}

static uint32_t adler32(const uint8_t *data, size_t size)
{
    uint32_t a = 1, b = 0;
    while (size > 0) {
        size_t n = EMB_MIN(size, 5552); /* as many as cannot overflow */
        for (size_t i = 0; i < n; i++) b += a += data[i];
        a %= 65521;
        b %= 65521;
        data += n;
        size -= n;
    }
    return b << 16 | a;
}

/* The image data in one piece: as it lies in the file, or joined in memory of our own. */
static const uint8_t *join(const emb_encoded *e, png *p)
{
    size_t at = p->first_idat, used = 0;
    chunk c;
    if (p->idats == 1) return e->data + at + 8;
    p->joined = emb_alloc(e->allocator, p->idat_size, 1);
    for (int64_t i = 0; p->joined && i < p->idats; i++) {
        next_chunk(e, &at, &c);
        memcpy(p->joined + used, c.data, c.size);
        used += c.size;
    }
    return p->joined;
}

static int32_t inflate(const emb_encoded *e, png *p, size_t size)
{
    if (p->idat_size < 6 || p->idat_size < size / 1040) return bad(e, "image data is missing");
    const uint8_t *data = join(e, p);
    p->raw = emb_alloc(e->allocator, size + SLACK, 1);
    if (!data || !p->raw) return emb_fail(e->error, EMBED_ENOMEM, "%s: no memory", e->name);
    if (data[0] >> 4 > 7) return bad(e, "image data is not a zlib stream");
    int64_t found = emb_stb_inflate(data, p->idat_size, p->raw, size + SLACK);
    if (found < 0) return bad(e, "image data is corrupt or ends too early");
    if ((size_t)found < size) return bad(e, "image data has too few rows");
    uint32_t sum = adler32(p->raw, (size_t)found);
    for (size_t i = 4; i <= EMB_MIN(p->idat_size, PADDING + 4); i++)
        if (emb_be32(data + p->idat_size - i) == sum) return EMBED_OK;
    return bad(e, "image data does not match its checksum");
}

/* ---- rows ------------------------------------------------------------------------- */

static uint8_t paeth(int a, int b, int c)
{
    int pa = b - c, pb = a - c, pc = pa + pb;
    pa = pa < 0 ? -pa : pa;
    pb = pb < 0 ? -pb : pb;
    pc = pc < 0 ? -pc : pc;
    return (uint8_t)(pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
}

/* Undo the filter of a row of n bytes, in place; above is the row before it, undone. */
static bool unfilter(int filter, uint8_t *row, const uint8_t *above, size_t n, size_t pixel)
{
    size_t first = EMB_MIN(pixel, n);
    switch (filter) {
    case 0: return true;
    case 1:
        for (size_t i = pixel; i < n; i++) row[i] = (uint8_t)(row[i] + row[i - pixel]);
        return true;
    case 2:
        for (size_t i = 0; i < n; i++) row[i] = (uint8_t)(row[i] + above[i]);
        return true;
    case 3:
        for (size_t i = 0; i < first; i++) row[i] = (uint8_t)(row[i] + above[i] / 2);
        for (size_t i = first; i < n; i++)
            row[i] = (uint8_t)(row[i] + (row[i - pixel] + above[i]) / 2);
        return true;
    case 4:
        for (size_t i = 0; i < first; i++) row[i] = (uint8_t)(row[i] + above[i]);
        for (size_t i = first; i < n; i++)
            row[i] = (uint8_t)(row[i] + paeth(row[i - pixel], above[i], above[i - pixel]));
        return true;
    default: return false;
    }
}

/* n samples of a row as one byte each: 16-bit grey saturates, other 16-bit samples keep their high
 * byte, small grey ones are stretched to 0..255, indices stay. */
static void unpack(const png *p, const uint8_t *row, size_t n, uint8_t *out)
{
    if (p->depth == 8) {
        memcpy(out, row, n);
    } else if (p->depth == 16 && p->type == GREY) {
        for (size_t i = 0; i < n; i++) out[i] = row[2 * i] ? 255 : row[2 * i + 1];
    } else if (p->depth == 16) {
        for (size_t i = 0; i < n; i++) out[i] = row[2 * i];
    } else {
        size_t depth = (size_t)p->depth;
        unsigned mask = (1u << depth) - 1, scale = p->type == GREY ? 255 / mask : 1;
        for (size_t i = 0, bit = 0; i < n; i++, bit += depth)
            out[i] = (uint8_t)((row[bit / 8] >> (8 - depth - bit % 8) & mask) * scale);
    }
}

/* Pixels of unpacked samples. */
static void expand(const png *p, const uint8_t *in, int64_t count, int32_t channels, uint8_t *out)
{
    if (p->type == INDEXED) {
        emb_palette_expand(&p->palette, in, count, channels, out);
    } else if (channels == p->samples) {
        memcpy(out, in, (size_t)(count * channels));
    } else { /* to four channels */
        int green = p->type == RGB ? 1 : 0, blue = p->type == RGB ? 2 : 0;
        for (int64_t i = 0; i < count; i++, in += p->samples, out += 4) {
            out[0] = in[0];
            out[1] = in[green];
            out[2] = in[blue];
            out[3] = p->type == GREY_ALPHA ? in[1] : memcmp(out, p->key, 3) ? 255 : 0;
        }
    }
}

/* The rows of one pass, from *raw on. rows: samples, pixels of a pass, and zeros. */
static int32_t read_pass(const emb_encoded *e, const png *p, const pass *s, uint8_t **raw,
                         uint8_t *rows, emb_pixels *out)
{
    int64_t width = steps(p->width, s->x, s->step_x), channels = out->channels;
    size_t bytes = row_bytes(p, width), pixel = (size_t)EMB_MAX(p->samples * p->depth / 8, 1);
    uint8_t *samples = rows, *turned = rows + 4 * p->width;
    const uint8_t *above = turned + 4 * p->width; /* of zeros */
    if (width == 0) return EMBED_OK;
    for (int64_t y = s->y; y < p->height; y += s->step_y, *raw += bytes + 1) {
        uint8_t *row = *raw + 1, *to = emb_pixels_row(out, y);
        if (!unfilter(**raw, row, above, bytes, pixel)) return bad(e, "no such filter");
        above = row;
        unpack(p, row, (size_t)(width * p->samples), samples);
        expand(p, samples, width, out->channels, s->step_x == 1 ? to : turned);
        for (int64_t x = 0; x < width && s->step_x > 1; x++)
            memcpy(to + (s->x + x * s->step_x) * channels, turned + x * channels, (size_t)channels);
    }
    return EMBED_OK;
}

static int32_t read_pixels(const emb_encoded *e, png *p, emb_pixels *out)
{
    size_t size;
    if (!image_size(p, &size))
        return emb_fail(e->error, EMBED_ERANGE, "%s: PNG: expected less than 2 GB of pixels",
                        e->name);
    int32_t status = inflate(e, p, size);
    uint8_t *raw = p->raw;
    if (status < 0) return status;
    p->rows = emb_calloc(e->allocator, (size_t)p->width, 16); /* above: up to 8 bytes a pixel */
    if (!p->rows) return emb_fail(e->error, EMBED_ENOMEM, "%s: no memory", e->name);
    for (int64_t i = 0; status == EMBED_OK && i < pass_count(p); i++)
        status = read_pass(e, p, pass_of(p, i), &raw, p->rows, out);
    return status;
}

int32_t emb_decode_png(emb_encoded *e, emb_pixels *out)
{
    png p;
    memset(&p, 0, sizeof p);
    for (int i = 0; i < 256; i++) p.palette.color[i][3] = 255;
    int32_t status = read_chunks(e, &p);
    bool alpha = p.transparent || p.type == GREY_ALPHA || p.type == RGBA;
    if (status == EMBED_OK)
        status = emb_pixels_start(e, out, p.width, p.height, alpha ? 4 : p.type == GREY ? 1 : 3);
    if (status == EMBED_OK && e->allocator) {
        status = read_pixels(e, &p, out);
        emb_free(e->allocator, p.joined);
        emb_free(e->allocator, p.raw);
        emb_free(e->allocator, p.rows);
    }
    return status;
}
