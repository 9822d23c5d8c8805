/* Images to the pixels of a pass: measured one by one, so that a pass knows its tokens; then decoded and
 * preprocessed on all threads. */
#include <stdatomic.h>

#include "inputs.h"

enum { DEFAULT_IMAGE_SIDE = 4096 };

void emb_images_plan(embed_session *s, const embed_model *m, int32_t threads, emb_arena *arena)
{
    if (!s->max_image_side) s->max_image_side = DEFAULT_IMAGE_SIDE;
    if (m->image.arch.hidden_size)
        s->pixels = emb_arena_take(arena, (size_t)s->batch_tokens,
                                   (size_t)emb_patch_size(&m->image.arch) * sizeof *s->pixels);
    if (!m->has_processor) return;
    s->image_scratch_per_thread =
        emb_image_processor_scratch(&m->processor, s->max_image_side, s->max_image_side);
    s->image_scratch = emb_arena_take(arena, (size_t)threads, s->image_scratch_per_thread);
}

int32_t emb_images_resolve(embed_session *s, emb_call *c)
{
    int64_t size = c->options->image_size;
    if (size < 0 || size > EMB_MAX_SIDE)
        return emb_fail(&s->error, EMBED_EINVAL, "image_size: expected 0 to %lld, found %lld",
                        (long long)EMB_MAX_SIDE, (long long)size);
    c->processor = s->model->processor;
    if (size && s->model->has_processor) emb_image_processor_resize(&c->processor, size);
    return EMBED_OK;
}

/* ---- one image ------------------------------------------------------------------------------ */

static const char *name_of(const embed_image *image)
{
    return image->path ? image->path : "image";
}

static emb_decode_options decode_options(const emb_call *c)
{
    return (emb_decode_options){(c->options->flags & EMBED_APPLY_EXIF) != 0, EMB_MAX_PIXELS};
}

/* The bytes of an encoded image, in memory already or read now. */
static int32_t open_bytes(const embed_session *s, const embed_image *image, emb_file *file,
                          embed_error *error)
{
    *file = (emb_file){.data = image->data, .size = (size_t)image->size};
    if (image->data && image->size >= 0) return EMBED_OK;
    if (image->data || !image->path)
        return emb_fail(error, EMBED_EINVAL,
                        "expected the bytes of an image or its path, found neither");
    return emb_file_open(file, image->path, image->path, false, &s->model->allocator, error);
}

static void close_bytes(const embed_image *image, emb_file *file)
{
    if (!image->data) emb_file_close(file);
}

/* The caller's own pixels, checked. */
static int32_t view_pixels(const embed_image *image, emb_pixels *pixels, embed_error *error)
{
    static const int32_t channels[] = {[EMBED_IMAGE_RGB] = 3, [EMBED_IMAGE_RGBA] = 4,
                                       [EMBED_IMAGE_GREY] = 1};
    int64_t row = (int64_t)image->width * channels[image->format];
    int64_t stride = image->stride ? image->stride : row;
    if (!image->data || image->width < 1 || image->height < 1 || stride < row)
        return emb_fail(error, EMBED_EINVAL,
                        "expected pixels of a positive width and height, in rows of at least %lld "
                        "bytes, found %d x %d in rows of %lld",
                        (long long)row, (int)image->width, (int)image->height, (long long)stride);
    if (image->size && (image->size - row) / stride < image->height - 1)
        return emb_fail(error, EMBED_EINVAL, "size: expected %lld rows of %lld bytes, found %lld",
                        (long long)image->height, (long long)stride, (long long)image->size);
    *pixels = (emb_pixels){.width = image->width, .height = image->height, .stride = stride,
                           .channels = channels[image->format], .data = image->data};
    return EMBED_OK;
}

static int32_t check_format(const embed_image *image, const embed_model *m, embed_error *error)
{
    if (image->format < EMBED_IMAGE_ENCODED || image->format > EMBED_IMAGE_PIXEL_VALUES)
        return emb_fail(error, EMBED_EINVAL, "format: expected an EMBED_IMAGE_ value, found %d",
                        (int)image->format);
    if (image->format != EMBED_IMAGE_PIXEL_VALUES && !m->has_processor)
        return emb_fail(error, EMBED_EKIND,
                        "the model directory has no preprocessor_config.json: it takes pixel values "
                        "alone");
    return EMBED_OK;
}

/* Height and width after preprocessing; of a file only its header is read, and only if that matters.
 */
static int32_t measure_pixels(const embed_session *s, const emb_call *c, const embed_image *image,
                              int64_t out[2], embed_error *error)
{
    emb_pixels pixels = {.width = 1, .height = 1};
    int32_t status = check_format(image, s->model, error);
    if (status < 0) return status;
    if (image->format == EMBED_IMAGE_PIXEL_VALUES) {
        out[0] = image->height;
        out[1] = image->width;
        if (image->data && out[0] > 0 && out[1] > 0) return EMBED_OK;
        return emb_fail(error, EMBED_EINVAL,
                        "expected pixel values of a positive height and width, found %d x %d",
                        (int)image->height, (int)image->width);
    }
    if (image->format != EMBED_IMAGE_ENCODED) {
        status = view_pixels(image, &pixels, error);
    } else if (emb_image_processor_varies(&c->processor)) {
        emb_file file;
        emb_decode_options o = decode_options(c);
        status = open_bytes(s, image, &file, error);
        if (status < 0) return status;
        status = emb_image_probe(file.data, file.size, name_of(image), &o, &pixels.width,
                                 &pixels.height, error);
        close_bytes(image, &file);
    }
    return status < 0 ? status
                      : emb_image_processor_size(&c->processor, pixels.width, pixels.height, out,
                                                 error);
}

int64_t emb_image_measure(embed_session *s, const emb_call *c, int64_t i, int64_t grid[2])
{
    const emb_image_tokens *t = &c->encoder->arch.image;
    int64_t size[2];
    int32_t status = measure_pixels(s, c, &c->input->images[i], size, &s->error);
    if (status < 0) return status;
    bool any = t->any_size || (c->options->flags & EMBED_INTERPOLATE_POS_ENCODING);
    if (!any && (size[0] != t->height || size[1] != t->width))
        return emb_fail(&s->error, EMBED_ERANGE,
                        "expected the model's %lld x %lld pixels, found %lld x %lld after "
                        "preprocessing: interpolate_pos_encoding takes other sizes",
                        (long long)t->height, (long long)t->width, (long long)size[0],
                        (long long)size[1]);
    grid[0] = size[0] / t->patch_height;
    grid[1] = size[1] / t->patch_width;
    if (grid[0] < 1 || grid[1] < 1)
        return emb_fail(&s->error, EMBED_ERANGE,
                        "expected at least a patch of %lld x %lld pixels, found %lld x %lld",
                        (long long)t->patch_height, (long long)t->patch_width, (long long)size[0],
                        (long long)size[1]);
    int64_t n = grid[0] * grid[1] + t->prefix; /* sides are at most 2^31 */
    if (n > s->batch_tokens)
        return emb_fail(&s->error, EMBED_ERANGE,
                        "expected at most the session's batch_tokens = %lld, found %lld tokens",
                        (long long)s->batch_tokens, (long long)n);
    return n;
}

/* ---- pixels ---------------------------------------------------------------------------------- */

/* Preprocess into out[3][keep[0]][keep[1]], the top left of what must be size. */
static int32_t process(const embed_session *s, const emb_call *c, const emb_pixels *pixels,
                       const int64_t keep[2], float *out, void *scratch, embed_error *error)
{
    int64_t size[2];
    int32_t status =
        emb_image_processor_size(&c->processor, pixels->width, pixels->height, size, error);
    if (status < 0) return status;
    if (size[0] < keep[0] || size[1] < keep[1])
        return emb_fail(error, EMBED_EIO, "the file changed while it was read");
    size_t needed = emb_image_processor_scratch(&c->processor, pixels->width, pixels->height);
    void *own = needed > s->image_scratch_per_thread ? emb_alloc(&s->model->allocator, needed, 1)
                                                     : NULL;
    if (needed > s->image_scratch_per_thread && !own)
        return emb_fail(error, EMBED_ENOMEM, "out of memory to preprocess %lld x %lld pixels",
                        (long long)pixels->width, (long long)pixels->height);
    emb_image_process(&c->processor, s->model->kernels, pixels,
                      (c->options->flags & EMBED_ALPHA_WHITE) != 0, keep[0], keep[1], out,
                      own ? own : scratch);
    emb_free(&s->model->allocator, own);
    return EMBED_OK;
}

static void copy_values(const embed_image *image, const int64_t keep[2], float *out)
{
    const float *values = image->data;
    for (int64_t c = 0; c < 3; c++)
        for (int64_t y = 0; y < keep[0]; y++, out += keep[1])
            memcpy(out, values + (c * image->height + y) * image->width,
                   (size_t)keep[1] * sizeof *out);
}

static int32_t load_pixels(const embed_session *s, const emb_call *c, const embed_image *image,
                           const int64_t keep[2], float *out, void *scratch, embed_error *error)
{
    emb_pixels pixels;
    if (image->format == EMBED_IMAGE_PIXEL_VALUES) {
        copy_values(image, keep, out);
        return EMBED_OK;
    }
    if (image->format != EMBED_IMAGE_ENCODED) {
        int32_t status = view_pixels(image, &pixels, error);
        return status < 0 ? status : process(s, c, &pixels, keep, out, scratch, error);
    }
    emb_file file;
    emb_decode_options o = decode_options(c);
    int32_t status = open_bytes(s, image, &file, error);
    if (status < 0) return status;
    status = emb_image_decode(file.data, file.size, name_of(image), &o, &s->model->allocator,
                              &pixels, error);
    close_bytes(image, &file);
    if (status < 0) return status;
    status = process(s, c, &pixels, keep, out, scratch, error);
    emb_pixels_free(&pixels, &s->model->allocator);
    return status;
}

/* ---- a pass ------------------------------------------------------------------------------------ */

/* Images first .. first + count - 1 to the places of their pixels. */
typedef struct loading {
    embed_session *session;
    const emb_call *call;
    int64_t first, count, keep[2];
    float *out;
    const int64_t *starts; /* image q at out + starts[q] * step; NULL: at out + q * step */
    int64_t step;
    _Atomic int64_t next;
} loading;

static bool load_one(loading *l, int64_t q, int64_t thread, embed_error *error)
{
    const embed_session *s = l->session;
    char *scratch = s->image_scratch;
    if (scratch) scratch += (size_t)thread * s->image_scratch_per_thread;
    return load_pixels(s, l->call, &l->call->input->images[l->first + q], l->keep,
                       l->out + (l->starts ? l->starts[q] : q) * l->step, scratch, error) >= 0;
}

static void load_some(void *arg, int64_t thread)
{
    loading *l = arg;
    int64_t q;
    while ((q = atomic_fetch_add(&l->next, 1)) < l->count)
        if (!l->session->failed[q]) l->session->failed[q] = !load_one(l, q, thread, NULL);
}

/* Load all that have not failed yet, on all threads. A failure is looked at once more, alone, for the
 * sentence; a file that has come back in the meantime is as good. */
static int32_t load_all(loading *l, float failed_value)
{
    embed_session *s = l->session;
    emb_parallel(&s->device, load_some, l, s->device.threads);
    for (int64_t q = 0; q < l->count; q++) {
        if (!s->failed[q] || s->told[q]) continue;
        s->failed[q] = !load_one(l, q, 0, &s->error);
        if (!s->failed[q]) continue;
        int32_t status = emb_call_failed(s, l->call, l->first + q);
        if (status < 0) return status;
        float *out = l->out + (l->starts ? l->starts[q] : q) * l->step;
        for (int64_t i = 0; i < 3 * l->keep[0] * l->keep[1]; i++) out[i] = failed_value;
    }
    return EMBED_OK;
}

int32_t emb_images_load(embed_session *s, const emb_call *c, int64_t first, int64_t sequences)
{
    const emb_image_tokens *t = &c->encoder->arch.image;
    loading l = {
        .session = s,
        .call = c,
        .first = first,
        .count = sequences,
        .keep = {s->grid[0] * t->patch_height, s->grid[1] * t->patch_width},
        .out = s->pixels,
        .starts = s->starts,
        .step = emb_patch_size(&c->encoder->arch),
    };
    return load_all(&l, 0.0f);
}

/* ---- images before the model -------------------------------------------------------------------- */

int32_t emb_session_pixel_sizes(embed_session *s, const embed_input *input,
                                const embed_encode_options *o, int64_t (*sizes)[2])
{
    emb_call c = {.options = o, .input = input, .unit = "input", .total = input->count};
    int32_t status = emb_images_resolve(s, &c);
    for (int64_t i = 0; i < input->count && status == EMBED_OK; i++) {
        if (measure_pixels(s, &c, &input->images[i], sizes[i], &s->error) == EMBED_OK) continue;
        sizes[i][0] = sizes[i][1] = 0;
        status = emb_call_failed(s, &c, i);
    }
    return status;
}

/* Does an image come out at this size? */
static int32_t check_size(embed_session *s, const emb_call *c, int64_t i, const int64_t wanted[2])
{
    int64_t size[2];
    int32_t status = measure_pixels(s, c, &c->input->images[i], size, &s->error);
    if (status == EMBED_OK && (size[0] != wanted[0] || size[1] != wanted[1]))
        status = emb_fail(&s->error, EMBED_ERANGE,
                          "expected %lld x %lld pixels after preprocessing, found %lld x %lld",
                          (long long)wanted[0], (long long)wanted[1], (long long)size[0],
                          (long long)size[1]);
    return status;
}

int32_t emb_session_pixel_values(embed_session *s, const embed_input *input,
                                 const embed_encode_options *o, float *pixels, int64_t height,
                                 int64_t width)
{
    emb_call c = {.options = o, .input = input, .unit = "input", .total = input->count};
    int64_t step = 3 * height * width;
    int32_t status = emb_images_resolve(s, &c);
    for (int64_t i = 0, n; i < input->count && status == EMBED_OK; i += n) {
        n = EMB_MIN(input->count - i, s->max_sequences);
        loading l = {.session = s, .call = &c, .first = i, .count = n, .keep = {height, width},
                     .out = pixels + i * step, .step = step};
        for (int64_t q = 0; q < n && status == EMBED_OK; q++) {
            s->failed[q] = s->told[q] = check_size(s, &c, i + q, l.keep) < 0;
            if (!s->failed[q]) continue;
            status = emb_call_failed(s, &c, i + q);
            for (int64_t k = 0; k < step; k++) l.out[q * step + k] = NAN;
        }
        if (status == EMBED_OK) status = load_all(&l, NAN);
        if (status == EMBED_OK) status = emb_call_progress(s, &c, i + n);
    }
    return status;
}
