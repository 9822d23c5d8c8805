/* decode: what format an image is in, its size, its pixels, and turning them by the orientation
 * that EXIF names. The formats themselves are in decode_*.c. */
#include "decode.h"

typedef struct format {
    const char *name;
    const char *magic;
    size_t at, size; /* of the magic */
    emb_decoder decode; /* NULL: known by name alone */
} format;

static const format formats[] = {
    {"JPEG", "\xFF\xD8\xFF", 0, 3, emb_decode_jpeg},
    {"PNG", "\x89PNG\r\n\x1A\n", 0, 8, emb_decode_png},
    {"GIF", "GIF87a", 0, 6, emb_decode_gif},
    {"GIF", "GIF89a", 0, 6, emb_decode_gif},
    {"BMP", "BM", 0, 2, emb_decode_bmp},
    {"PNM", "P1", 0, 2, emb_decode_pnm},
    {"PNM", "P2", 0, 2, emb_decode_pnm},
    {"PNM", "P3", 0, 2, emb_decode_pnm},
    {"PNM", "P4", 0, 2, emb_decode_pnm},
    {"PNM", "P5", 0, 2, emb_decode_pnm},
    {"PNM", "P6", 0, 2, emb_decode_pnm},
    {"PAM", "P7\n", 0, 3, NULL},
    {"PFM", "Pf", 0, 2, NULL},
    {"PFM", "PF", 0, 2, NULL},
    {"WebP", "WEBP", 8, 4, NULL},
    {"AVIF", "ftypavi", 4, 7, NULL},
    {"HEIF", "ftyphei", 4, 7, NULL},
    {"HEIF", "ftypmif1", 4, 8, NULL},
    {"TIFF", "II*\0", 0, 4, NULL},
    {"TIFF", "MM\0*", 0, 4, NULL},
    {"BigTIFF", "II+\0", 0, 4, NULL},
    {"BigTIFF", "MM\0+", 0, 4, NULL},
    {"JPEG 2000", "\0\0\0\x0CjP  ", 0, 8, NULL},
    {"JPEG 2000", "\xFF\x4F\xFF\x51", 0, 4, NULL},
    {"JPEG XL", "\0\0\0\x0CJXL ", 0, 8, NULL},
    {"JPEG XL", "\xFF\x0A", 0, 2, NULL},
    {"ICO", "\0\0\1\0", 0, 4, NULL},
    {"Photoshop", "8BPS", 0, 4, NULL},
    {"OpenEXR", "\x76\x2F\x31\x01", 0, 4, NULL},
    {"Radiance HDR", "#?", 0, 2, NULL},
    {"DDS", "DDS ", 0, 4, NULL},
    {"QOI", "qoif", 0, 4, NULL},
    {"PDF", "%PDF", 0, 4, NULL},
    {"PostScript", "%!PS", 0, 4, NULL},
    {"SVG", "<svg", 0, 4, NULL},
    {"XML", "<?xml", 0, 5, NULL},
    {"HTML", "<!DOCTYPE", 0, 9, NULL},
};

static const format *recognise(const uint8_t *data, size_t size)
{
    static const format tga = {"TGA", "", 0, 0, emb_decode_tga}; /* which has no magic */
    for (int64_t i = 0; i < EMB_COUNT(formats); i++) {
        const format *f = &formats[i];
        if (size >= f->at + f->size && memcmp(data + f->at, f->magic, f->size) == 0) return f;
    }
    return &tga;
}

int32_t emb_pixels_start(emb_encoded *e, emb_pixels *out, int64_t width, int64_t height,
                         int32_t channels)
{
    size_t stride, pixels;
    if (width <= 0 || height <= 0)
        return emb_fail(e->error, EMBED_EFORMAT, "%s: expected pixels, found %lld x %lld of them",
                        e->name, (long long)width, (long long)height);
    if (!emb_mul((size_t)width, (size_t)height, &pixels) || pixels > (size_t)e->max_pixels)
        return emb_fail(e->error, EMBED_ERANGE,
                        "%s: expected at most %lld pixels, found %lld x %lld", e->name,
                        (long long)e->max_pixels, (long long)width, (long long)height);
    out->width = width;
    out->height = height;
    out->channels = channels;
    if (!emb_mul((size_t)width, (size_t)channels, &stride))
        return emb_fail(e->error, EMBED_ERANGE, "%s: too many pixels", e->name);
    out->stride = (int64_t)stride;
    if (!e->allocator) return EMBED_OK;
    out->owned = emb_alloc(e->allocator, (size_t)height, stride);
    out->data = out->owned;
    return out->owned ? EMBED_OK
                      : emb_fail(e->error, EMBED_ENOMEM, "%s: no memory for %lld x %lld pixels",
                                 e->name, (long long)width, (long long)height);
}

uint8_t *emb_pixels_row(const emb_pixels *pixels, int64_t y)
{
    return (uint8_t *)pixels->owned + y * pixels->stride;
}

void emb_palette_expand(const emb_palette *palette, const uint8_t *index, int64_t count,
                        int32_t channels, uint8_t *out)
{
    for (int64_t i = 0; i < count; i++)
        memcpy(out + i * channels, palette->color[index[i]], (size_t)channels);
}

void emb_pixels_free(emb_pixels *pixels, const emb_allocator *a)
{
    if (pixels->owned) emb_free(a, pixels->owned);
    memset(pixels, 0, sizeof *pixels);
}

static int32_t decode(emb_encoded *e, emb_pixels *out)
{
    const format *f = recognise(e->data, e->size);
    memset(out, 0, sizeof *out);
    e->orientation = 1;
    if (!e->size)
        return emb_fail(e->error, EMBED_EFORMAT, "%s: " EMB_IMAGE_FORMATS ", found no bytes",
                        e->name);
    if (!f->decode)
        return emb_fail(e->error, EMBED_EUNSUPPORTED,
                        "%s: %s is not supported, " EMB_IMAGE_FORMATS, e->name, f->name);
    return f->decode(e, out);
}

/* Pixel (x, y) of the turned image is at start + x * step_x + y * step_y of the stored one. */
static int32_t turn(const emb_encoded *e, emb_pixels *pixels)
{
    const emb_pixels from = *pixels;
    int64_t w = from.width, h = from.height, c = from.channels, s = from.stride;
    bool swaps = e->orientation >= 5;
    int64_t right = (w - 1) * c, bottom = (h - 1) * s;
    const int64_t way[9][3] = { /* start, step_x, step_y */
        {0, c, s}, {0, c, s}, {right, -c, s}, {right + bottom, -c, -s}, {bottom, c, -s},
        {0, s, c}, {bottom, -s, c}, {right + bottom, -s, -c}, {right, s, -c},
    };
    const int64_t *go = way[e->orientation];
    emb_pixels to = {swaps ? h : w, swaps ? w : h, 0, from.channels, NULL, NULL};
    to.stride = to.width * c;
    if (e->allocator) {
        to.owned = emb_alloc(e->allocator, (size_t)to.height, (size_t)to.stride);
        if (!to.owned) return emb_fail(e->error, EMBED_ENOMEM, "%s: no memory", e->name);
        to.data = to.owned;
        for (int64_t y = 0; y < to.height; y++) {
            const uint8_t *p = from.data + go[0] + y * go[2];
            uint8_t *q = emb_pixels_row(&to, y);
            for (int64_t x = 0; x < to.width; x++, p += go[1], q += c) memcpy(q, p, (size_t)c);
        }
        emb_free(e->allocator, from.owned);
    }
    *pixels = to;
    return EMBED_OK;
}

static int32_t run(emb_encoded *e, const emb_decode_options *o, emb_pixels *out)
{
    e->max_pixels = o && o->max_pixels > 0 ? o->max_pixels : EMB_MAX_PIXELS;
    int32_t status = decode(e, out);
    if (status == EMBED_OK && o && o->apply_exif && e->orientation > 1) status = turn(e, out);
    return status;
}

int32_t emb_image_probe(const void *data, size_t size, const char *name,
                        const emb_decode_options *o, int64_t *width, int64_t *height,
                        embed_error *error)
{
    emb_encoded e = {.data = data, .size = size, .name = name, .error = error};
    emb_pixels pixels;
    int32_t status = run(&e, o, &pixels);
    *width = status == EMBED_OK ? pixels.width : 0;
    *height = status == EMBED_OK ? pixels.height : 0;
    return status;
}

int32_t emb_image_decode(const void *data, size_t size, const char *name,
                         const emb_decode_options *o, const emb_allocator *a, emb_pixels *out,
                         embed_error *error)
{
    emb_encoded e = {.data = data, .size = size, .name = name, .allocator = a, .error = error};
    int32_t status = run(&e, o, out);
    if (status < 0) emb_pixels_free(out, a);
    return status;
}
