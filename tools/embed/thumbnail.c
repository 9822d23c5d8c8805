/* thumbnail: small pictures of images, made by the library's own preprocessing: of a model that is
 * nothing but a preprocessor_config.json in memory. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 128 };

struct thumbnails {
    char file[1024]; /* a single-file model */
    embed_model *model;
    embed_session *session;
};

/* The shortest edge to SIDE, and the square in the middle; pixel values remain 0 .. 255. */
static const char header[] =
    "{\"__metadata__\":{\"preprocessor_config.json\":\"{"
    "\\\"image_processor_type\\\":\\\"CLIPImageProcessor\\\",\\\"do_resize\\\":true,"
    "\\\"size\\\":{\\\"shortest_edge\\\":128},\\\"resample\\\":3,\\\"do_center_crop\\\":true,"
    "\\\"crop_size\\\":{\\\"height\\\":128,\\\"width\\\":128},\\\"do_rescale\\\":false,"
    "\\\"do_normalize\\\":false,\\\"do_convert_rgb\\\":true}\"}}";

thumbnails *thumbnails_open(const options *o)
{
    embed_open_options open = EMBED_OPEN_OPTIONS_INIT;
    thumbnails *t = allocate(1, sizeof(*t));
    embed_error error = EMBED_ERROR_INIT;
    size_t size = (sizeof(header) - 1 + 7) / 8 * 8;

    memset(t->file, ' ', sizeof(t->file));
    for (int i = 0; i < 8; i++)
        t->file[i] = (char)(size >> (8 * i) & 0xff);
    memcpy(t->file + 8, header, sizeof(header) - 1);
    open.flags = EMBED_OPEN_NO_ENCODER;
    if (embed_model_open_memory(t->file, 8 + size, &open, &t->model, &error) < 0 ||
        embed_session_create(t->model, &o->session, &t->session, &error) < 0)
        die("thumbnails: %s", error.message);
    return t;
}

void thumbnails_close(thumbnails *t)
{
    embed_session_free(t->session);
    embed_model_free(t->model);
    free(t);
}

static int32_t go_on(void *user, int64_t index, int32_t status, const char *message)
{
    (void)user, (void)index, (void)status, (void)message;
    return 0; /* its pixels are NaN */
}

static bool to_bytes(const float *pixels, uint8_t *rgb)
{
    enum { PLANE = SIDE * SIDE };

    if (isnan(pixels[0]))
        return false;
    for (int i = 0; i < PLANE; i++)
        for (int c = 0; c < 3; c++) {
            float x = pixels[c * PLANE + i];

            rgb[3 * i + c] = (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
        }
    return true;
}

void thumbnails_make(thumbnails *t, const embed_image *images, int64_t count, buffer *jpegs)
{
    embed_encode_options encode = EMBED_ENCODE_OPTIONS_INIT;
    float *pixels = allocate(count * 3 * SIDE * SIDE, sizeof(float));
    uint8_t *rgb = allocate(3 * SIDE * SIDE, 1);
    embed_input view = EMBED_INPUT_INIT;

    view.images = images;
    view.count = count;
    encode.flags = EMBED_APPLY_EXIF | EMBED_ALPHA_WHITE; /* as people would look at it */
    encode.failed = go_on;
    if (embed_pixel_values(t->session, &view, &encode, pixels, SIDE, SIDE) < 0)
        die("thumbnails: %s", embed_session_error(t->session));
    for (int64_t i = 0; i < count; i++)
        if (to_bytes(pixels + i * 3 * SIDE * SIDE, rgb))
            jpeg_write(&jpegs[i], rgb, SIDE, SIDE);
    free(rgb);
    free(pixels);
}
