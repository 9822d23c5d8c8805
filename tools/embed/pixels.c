/* pixels: embed pixels, images as the model takes them: what the reference calls pixel_values. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>

/* The one size that all images come out at -> size[2]; false: none can be read. */
static bool common_size(engine *e, batch *b, const embed_encode_options *encode, int64_t *size)
{
    int64_t *sizes = allocate(b->count, 2 * sizeof(*sizes)), first = -1;
    embed_input view = batch_view(b);

    if (b->count > 0 && embed_pixel_sizes(e->session, &view, encode, sizes) < 0)
        engine_die(e, &view, 0, encode);
    for (int64_t i = 0; i < b->count; i++) {
        const int64_t *one = sizes + 2 * i;

        if (b->errors[i])
            continue;
        if (first < 0) {
            first = i;
            size[0] = one[0];
            size[1] = one[1];
        } else if (one[0] != size[0] || one[1] != size[1]) {
            die("%s comes out %lld pixels high and %lld wide, %s %lld and %lld: an array holds one "
                "size",
                b->texts[i], (long long)one[0], (long long)one[1], b->texts[first],
                (long long)size[0], (long long)size[1]);
        }
    }
    free(sizes);
    return first >= 0;
}

static void write_part(engine *e, output *out, const embed_input *view, failures *to,
                       const embed_encode_options *encode, const int64_t *size, float *pixels)
{
    int64_t one = 3 * size[0] * size[1];

    if (embed_pixel_values(e->session, view, encode, pixels, size[0], size[1]) < 0)
        engine_die(e, view, to->first, encode);
    for (int64_t i = 0; i < view->count; i++)
        if (to->b->errors[to->first + i])
            for (int64_t k = 0; k < one; k++)
                pixels[i * one + k] = NAN;
    output_write(out, pixels, (size_t)(view->count * one) * sizeof(float));
    out->rows += view->count;
}

/* A part of the images at a time, so that memory stays within some 64 MiB, or one image's. */
static void write_all(engine *e, output *out, batch *b, embed_encode_options *encode, failures *to,
                      const int64_t *size)
{
    int64_t one = 3 * size[0] * size[1];
    int64_t step = one > 0 && (1 << 24) / one > 1 ? (1 << 24) / one : 1;
    progress_span span = {0, b->count, 0, 0, "images"};
    embed_input view = batch_view(b);
    float *pixels;

    step = step < b->count ? step : b->count;
    pixels = allocate(step * one, sizeof(float));
    encode->progress = progress_callback;
    encode->progress_user = &span;
    for (int64_t first = 0; first < b->count; first += step) {
        int64_t count = b->count - first < step ? b->count - first : step;
        embed_input part = engine_part(&view, first, count, NULL);

        span.first = to->first = first;
        span.from = (double)first / (double)b->count;
        span.to = (double)(first + count) / (double)b->count;
        write_part(e, out, &part, to, encode, size, pixels);
        progress_clear();
    }
    free(pixels);
}

void run_pixels(const options *o)
{
    int32_t format = output_format(o, FORMAT_NPY);
    embed_encode_options encode = o->encode;
    int64_t size[2] = {0}, shape[4];
    options plain = *o;
    batch b = {0};
    failures to = {&b, 0};
    output out;
    engine e;
    input *in;

    if (format != FORMAT_NPY && format != FORMAT_F32)
        usage("-o %s: expected a name that ends in .npy or .f32, or --format", o->output);
    plain.image = 1;
    plain.open.flags |= EMBED_OPEN_NO_ENCODER;
    engine_open(&e, &plain);
    output_open(&out, o->output, format);
    e.in = in = input_open(o, o->file, o->arguments, o->argument_count, true);
    progress_start(out.is_stdout && terminal_columns() > 0);
    input_read_all(in, &b);
    note_failures(&encode, &to);
    if (!common_size(&e, &b, &encode, size) && b.count > 0)
        quit(1); /* each has been reported */

    shape[0] = b.count;
    shape[1] = 3;
    shape[2] = size[0];
    shape[3] = size[1];
    output_begin_array(&out, EMBED_PRECISION_FLOAT32, shape, 4);
    write_all(&e, &out, &b, &encode, &to, size);
    output_close(&out);

    batch_free(&b);
    input_close(in);
    engine_close(&e);
}
