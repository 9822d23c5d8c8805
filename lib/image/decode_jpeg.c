/* JPEG by libjpeg, the only file that includes it: with libjpeg-turbo the pixels are Pillow's. The
 * input is one buffer behind a source that has no more to give, as Pillow's is, so that a file that
 * ends early is seen to end early. */
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#include <jerror.h>

#include "decode.h"

enum { MAX_SCANS = 500 }; /* more are an attack: each may cost as much as the whole image */

typedef struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    emb_encoded *encoded;
    bool too_many_scans;
} decoder;

static void leave(j_common_ptr jpeg)
{
    longjmp(((decoder *)jpeg->client_data)->failed, 1);
}

static void say_nothing(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void nothing(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

static boolean no_more(j_decompress_ptr jpeg)
{
    (void)jpeg;
    return FALSE;
}

static void skip(j_decompress_ptr jpeg, long count)
{
    struct jpeg_source_mgr *s = jpeg->src;
    size_t n = count < 0 ? 0 : EMB_MIN((size_t)count, s->bytes_in_buffer);
    s->next_input_byte += n;
    s->bytes_in_buffer -= n;
}

static void count_scans(j_common_ptr jpeg)
{
    decoder *d = jpeg->client_data;
    if (d->jpeg.input_scan_number <= MAX_SCANS) return;
    d->too_many_scans = true;
    leave(jpeg);
}

static void begin(decoder *d)
{
    d->jpeg.err = jpeg_std_error(&d->errors);
    d->jpeg.client_data = d;
    d->errors.error_exit = leave;
    d->errors.output_message = say_nothing;
    jpeg_create_decompress(&d->jpeg);
    d->progress.progress_monitor = count_scans;
    d->jpeg.progress = &d->progress;
    d->source.init_source = nothing;
    d->source.fill_input_buffer = no_more;
    d->source.skip_input_data = skip;
    d->source.resync_to_restart = jpeg_resync_to_restart;
    d->source.term_source = nothing;
    d->source.next_input_byte = d->encoded->data;
    d->source.bytes_in_buffer = d->encoded->size;
    d->jpeg.src = &d->source;
}

/* a * b / 255, rounded. */
static unsigned scaled(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* Inks are stored inverted, as Adobe does: 255 is no ink. */
static void cmyk_to_rgb(const uint8_t *cmyk, int64_t count, uint8_t *rgb)
{
    for (int64_t i = 0; i < count; i++, cmyk += 4, rgb += 3) {
        unsigned light = cmyk[3];
        for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(light - scaled(255u - cmyk[c], light));
    }
}

static int32_t truncated(const decoder *d)
{
    return emb_fail(d->encoded->error, EMBED_EFORMAT, "%s: JPEG data ends too early",
                    d->encoded->name);
}

static int32_t read_header(decoder *d, emb_pixels *out)
{
    emb_encoded *e = d->encoded;
    int found;
    do found = jpeg_read_header(&d->jpeg, FALSE);
    while (found == JPEG_HEADER_TABLES_ONLY);
    if (found == JPEG_SUSPENDED) return truncated(d);
    int components = d->jpeg.num_components;
    if (components != 1 && components != 3 && components != 4)
        return emb_fail(e->error, EMBED_EUNSUPPORTED,
                        "%s: expected a JPEG of 1, 3 or 4 components, found %d", e->name,
                        components);
    d->jpeg.out_color_space = components == 1   ? JCS_GRAYSCALE
                              : components == 3 ? JCS_RGB
                                                : JCS_CMYK;
    e->orientation = emb_jpeg_orientation(e->data, e->size);
    return emb_pixels_start(e, out, d->jpeg.image_width, d->jpeg.image_height,
                            components == 1 ? 1 : 3);
}

static int32_t read_pixels(decoder *d, emb_pixels *out)
{
    JSAMPARRAY inks = NULL;
    if (!jpeg_start_decompress(&d->jpeg)) return truncated(d);
    if (d->jpeg.num_components == 4)
        inks = d->jpeg.mem->alloc_sarray((j_common_ptr)&d->jpeg, JPOOL_IMAGE,
                                         d->jpeg.output_width * 4, 1);
    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        uint8_t *row = emb_pixels_row(out, d->jpeg.output_scanline);
        if (jpeg_read_scanlines(&d->jpeg, inks ? inks : &row, 1) != 1) return truncated(d);
        if (inks) cmyk_to_rgb(inks[0], out->width, row);
    }
    jpeg_finish_decompress(&d->jpeg); /* what follows the image may be broken, but not missing */
    return EMBED_OK;
}

static int32_t failure(decoder *d)
{
    emb_encoded *e = d->encoded;
    char message[JMSG_LENGTH_MAX];
    if (d->too_many_scans)
        return emb_fail(e->error, EMBED_ERANGE,
                        "%s: expected a JPEG of at most %d scans, found more", e->name, MAX_SCANS);
    int code = d->errors.msg_code;
    d->errors.format_message((j_common_ptr)&d->jpeg, message);
    int32_t status = code == JERR_OUT_OF_MEMORY ? EMBED_ENOMEM
                     : code == JERR_SOF_UNSUPPORTED || code == JERR_BAD_PRECISION ||
                             code == JERR_ARITH_NOTIMPL || code == JERR_CONVERSION_NOTIMPL
                         ? EMBED_EUNSUPPORTED
                         : EMBED_EFORMAT;
    return emb_fail(e->error, status, "%s: JPEG: %s", e->name, message);
}

int32_t emb_decode_jpeg(emb_encoded *e, emb_pixels *out)
{
    decoder d;
    int32_t status;
    memset(&d, 0, sizeof d);
    d.encoded = e;
    if (setjmp(d.failed)) {
        status = failure(&d);
    } else {
        begin(&d);
        status = read_header(&d, out);
        if (status == EMBED_OK && e->allocator) status = read_pixels(&d, out);
    }
    jpeg_destroy_decompress(&d.jpeg);
    return status;
}
