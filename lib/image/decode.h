/* What the decoders of image formats share. Each reads one format of its own; decode.c recognises
 * formats, chooses the decoder and turns the result by its EXIF orientation. */
#ifndef EMB_DECODE_H
#define EMB_DECODE_H

#include "image.h"

#define EMB_IMAGE_FORMATS "expected JPEG, PNG, GIF, BMP, TGA or PNM"

/* One encoded image on its way to pixels. */
typedef struct emb_encoded {
    const uint8_t *data;
    size_t size;
    const char *name;
    int64_t max_pixels;
    const emb_allocator *allocator; /* NULL: only the size is asked for */
    embed_error *error;
    int32_t orientation; /* of EXIF or XMP, 1 to 8; 1: as stored */
} emb_encoded;

/* A decoder checks the header, calls emb_pixels_start, returns if no pixels are asked for
 * (out->data NULL), and fills them. Whoever calls it frees out when it fails. */
typedef int32_t (*emb_decoder)(emb_encoded *e, emb_pixels *out);
int32_t emb_decode_bmp(emb_encoded *e, emb_pixels *out);
int32_t emb_decode_gif(emb_encoded *e, emb_pixels *out);
int32_t emb_decode_jpeg(emb_encoded *e, emb_pixels *out); /* decode_jpeg.c or decode_jpeg_stb.c */
int32_t emb_decode_png(emb_encoded *e, emb_pixels *out);
int32_t emb_decode_pnm(emb_encoded *e, emb_pixels *out);
int32_t emb_decode_tga(emb_encoded *e, emb_pixels *out);

/* Check the size (EMBED_EFORMAT: no pixels, EMBED_ERANGE: too many) and allocate, not zeroed. */
int32_t emb_pixels_start(emb_encoded *e, emb_pixels *out, int64_t width, int64_t height,
                         int32_t channels);
uint8_t *emb_pixels_row(const emb_pixels *pixels, int64_t y);

/* Where a palette's image is grey, RGB or RGBA. */
typedef struct emb_palette {
    uint8_t color[256][4]; /* red, green, blue, alpha */
} emb_palette;
/* count pixels of one byte each -> out, of 3 or 4 channels. */
void emb_palette_expand(const emb_palette *palette, const uint8_t *index, int64_t count,
                       int32_t channels, uint8_t *out);

/* The orientation in a TIFF block (with or without "Exif\0\0" before it), in such a block as hex
 * digits behind three lines, in a text of XMP, or in the segments of a JPEG file: 1 to 8; 0:
 * none. */
int32_t emb_exif_orientation(const uint8_t *data, size_t size);
int32_t emb_raw_profile_orientation(const uint8_t *data, size_t size);
int32_t emb_xmp_orientation(const uint8_t *data, size_t size);
int32_t emb_jpeg_orientation(const uint8_t *data, size_t size);

/* stb_image (stb_zlib.c, stb_jpeg.c). A zlib stream, its checksum aside -> out: bytes written, or -1. */
int64_t emb_stb_inflate(const uint8_t *data, size_t size, uint8_t *out, size_t capacity);
/* A whole JPEG of known size -> out, channels bytes a pixel. false: it cannot be read. */
bool emb_stb_jpeg(const uint8_t *data, size_t size, int64_t width, int64_t height,
                  int32_t channels, uint8_t *out);

static inline uint32_t emb_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint32_t emb_be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}
static inline uint32_t emb_le16(const uint8_t *p)
{
    return (uint32_t)p[1] << 8 | p[0];
}

#endif
