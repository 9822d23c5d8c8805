/* Running the steps of a processor: sizes first, then rows of the image through resizing, tables of
 * levels and padding to planes of floats. Bands of 16 rows are resized at once, turned on their
 * side, so that every sum runs over neighbouring bytes. */
#include <math.h>

#include "resize.h"

enum {
    BAND = 16,           /* rows resized together */
    BAND_PIXEL = 3 * BAND, /* bytes of one column of a band: [channel][row] */
    STRIPE = 64          /* pixels converted together where columns are resized first */
};

/* ---- sizes --------------------------------------------------------------------------- */

/* get_size_with_aspect_ratio: the shorter side becomes size, but no side more than longest */
static void fit_edges(double h, double w, int64_t size, int64_t longest, int64_t out[2])
{
    double low = EMB_MIN(h, w), high = EMB_MAX(h, w), edge = (double)size;
    if (high / low * (double)size > (double)longest) {
        edge = (double)longest * low / high;
        size = (int64_t)rint(edge);
    }
    bool done = low == (double)size; /* that side is as it should be */
    out[0] = done ? (int64_t)h : w < h ? (int64_t)(edge * h / w) : size;
    out[1] = done ? (int64_t)w : w < h ? size : (int64_t)(edge * w / h);
}

static int64_t whole_patches(double side, double scale, double patch)
{
    return (int64_t)EMB_MAX(patch, ceil(side * scale / patch) * patch);
}

/* get_image_size_for_max_num_patches: a binary search for the largest scale */
static void fit_patches(double h, double w, int64_t count, int64_t side, int64_t out[2])
{
    const double eps = 1e-5, patch = (double)side;
    double low = eps / 10, high = 100.0;
    while (high - low >= eps) {
        double scale = (low + high) / 2;
        double rows = (double)whole_patches(h, scale, patch) / patch;
        double columns = (double)whole_patches(w, scale, patch) / patch;
        if (rows * columns <= (double)count) low = scale;
        else high = scale;
    }
    out[0] = whole_patches(h, low, patch);
    out[1] = whole_patches(w, low, patch);
}

static void resized_size(const emb_image_processor *p, int64_t width, int64_t height,
                         int64_t out[2])
{
    double h = (double)height, w = (double)width, size = (double)p->height, scale;
    out[0] = height;
    out[1] = width;
    if (!p->do_resize) return;
    switch (p->rule) {
    case EMB_SIZE_EXACT:
        out[0] = p->height;
        out[1] = p->width;
        break;
    case EMB_SIZE_SHORTEST_EDGE:
        if (p->width) {
            fit_edges(h, w, p->height, p->width, out);
        } else {
            out[0] = width <= height ? (int64_t)(size * h / w) : p->height;
            out[1] = width <= height ? p->height : (int64_t)(size * w / h);
        }
        break;
    case EMB_SIZE_MAX_HEIGHT_WIDTH:
        scale = EMB_MIN(size / h, (double)p->width / w);
        out[0] = (int64_t)(h * scale);
        out[1] = (int64_t)(w * scale);
        break;
    case EMB_SIZE_MAX_PATCHES: fit_patches(h, w, p->height, p->width, out); break;
    }
}

/* One side of the way from image to result, in pixels. */
typedef struct side {
    int64_t in, resized, cropped, result;
    int64_t offset; /* of the resized image in the cropped one: negative, where it is cut */
} side;

static side side_of(const emb_image_processor *p, int64_t in, int64_t resized, int64_t crop,
                    int64_t pad)
{
    side s = {in, resized, resized, resized, 0};
    if (p->do_center_crop) {
        int64_t more = crop - resized;
        s.cropped = s.result = crop;
        s.offset = more < 0 ? -(-more / 2) : p->torch ? more / 2 : (more + 1) / 2;
    }
    if (p->do_pad) s.result = pad;
    return s;
}

static void measure(const emb_image_processor *p, int64_t width, int64_t height, side *x, side *y)
{
    int64_t size[2];
    resized_size(p, width, height, size);
    *y = side_of(p, height, size[0], p->crop_height, p->pad_height);
    *x = side_of(p, width, size[1], p->crop_width, p->pad_width);
}

static bool resizable(const side *s)
{
    return s->in >= 1 && s->in <= INT32_MAX && s->resized >= 1 && s->resized <= INT32_MAX;
}

int32_t emb_image_processor_size(const emb_image_processor *p, int64_t width, int64_t height,
                                 int64_t out[2], embed_error *error)
{
    side x = {0}, y = {0};
    if (width > 0 && height > 0) measure(p, width, height, &x, &y);
    if (!resizable(&x) || !resizable(&y) || x.result > EMB_MAX_PIXELS / y.result)
        return emb_fail(error, EMBED_ERANGE,
                        "expected an image that has 1 to %lld pixels when resized, found %lld x "
                        "%lld, which becomes %lld x %lld",
                        (long long)EMB_MAX_PIXELS, (long long)width, (long long)height,
                        (long long)x.resized, (long long)y.resized);
    out[0] = y.result;
    out[1] = x.result;
    if (x.cropped > x.result || y.cropped > y.result)
        return emb_fail(error, EMBED_ERANGE,
                        "expected an image of at most pad_size, %lld x %lld, found %lld x %lld",
                        (long long)x.result, (long long)y.result, (long long)x.cropped,
                        (long long)y.cropped);
    if (p->rule == EMB_SIZE_MAX_PATCHES && (x.result % p->width || y.result % p->width))
        return emb_fail(error, EMBED_ERANGE,
                        "expected an image of whole patches of %lld pixels, found %lld x %lld",
                        (long long)p->width, (long long)x.result, (long long)y.result);
    return EMBED_OK;
}

bool emb_image_processor_varies(const emb_image_processor *p)
{
    return !(p->do_center_crop || p->do_pad || (p->do_resize && p->rule == EMB_SIZE_EXACT));
}

/* ---- what one image needs --------------------------------------------------------------- */

/* The part of one side that is computed: positions first .. first + count - 1 of the resized image,
 * made of source pixels begin .. end - 1, which go to place `to` of the result. */
typedef struct axis_part {
    emb_axis axis;
    emb_span *spans; /* [count] */
    int64_t first, count, begin, end, to;
} axis_part;

typedef struct job {
    const emb_image_processor *p;
    const emb_kernels *k;
    const emb_pixels *image;
    bool white;        /* convert by laying over white */
    bool nearest, columns_first;
    side x, y;
    axis_part column, row;
    float (*tables)[256]; /* what a level becomes, by channel; torch: rescaled only, alike */
    double *room;         /* [taps] */
    void *column_weights, *row_weights; /* [columns][taps], [taps]: int32_t; torch: float */
    uint8_t *rgb;    /* [BAND][source width][3]: converted rows */
    uint8_t *native; /* one row of source pixels as they are; converted stripes */
    uint8_t *band;   /* [source width][BAND_PIXEL] */
    void *narrow;    /* [columns][BAND_PIXEL] */
    float *wide;     /* torch: band in float */
    void *window;    /* [window_rows][3][columns]: rows resized, columns not yet */
    int64_t window_rows, window_first, window_count;
    void *line;      /* [3][columns] */
} job;

static axis_part part_of(const job *j, const side *s, int64_t keep)
{
    axis_part part = {.to = EMB_MAX(s->offset, 0), .first = EMB_MAX(-s->offset, 0)};
    int64_t end = EMB_MIN(s->offset + s->resized, EMB_MIN(s->cropped, keep));
    part.count = EMB_MAX(end - part.to, 0);
    part.axis = j->p->torch ? emb_axis_torch(s->in, s->resized, j->p->resample)
                            : emb_axis_pillow(s->in, s->resized, j->p->resample);
    return part;
}

/* Source pixels that a part can need at most. */
static int64_t reach(const axis_part *part)
{
    double wanted = ceil(part->axis.scale * (double)part->count) + 2;
    return EMB_MIN(part->axis.in, (int64_t)wanted + part->axis.taps);
}

/* Lay out the scratch: over a planning arena this only counts. */
static void plan(job *j, emb_arena *arena, int64_t keep_height, int64_t keep_width)
{
    j->nearest = j->p->resample == EMB_NEAREST && !j->p->torch;
    j->columns_first = !j->p->torch && emb_resize_columns_first(j->x.in, j->y.in, j->x.resized,
                                                                j->y.resized);
    j->column = part_of(j, &j->x, keep_width);
    j->row = part_of(j, &j->y, keep_height);
    size_t element = j->p->torch ? sizeof(float) : 1;
    size_t columns = (size_t)j->column.count, rows = (size_t)j->row.count;
    size_t column_taps = (size_t)j->column.axis.taps, row_taps = (size_t)j->row.axis.taps;
    size_t width = (size_t)reach(&j->column);

    j->tables = emb_arena_take(arena, 3, sizeof *j->tables);
    j->column.spans = emb_arena_take(arena, columns, sizeof(emb_span));
    j->row.spans = emb_arena_take(arena, rows, sizeof(emb_span));
    if (j->nearest) return;
    j->room = emb_arena_take(arena, EMB_MAX(column_taps, row_taps), sizeof(double));
    j->column_weights = emb_arena_take(arena, columns, column_taps * sizeof(int32_t));
    j->row_weights = emb_arena_take(arena, row_taps, sizeof(int32_t));
    j->rgb = emb_arena_take(arena, width, 3 * BAND);
    j->band = emb_arena_take(arena, width, BAND_PIXEL);
    j->narrow = emb_arena_take(arena, columns, BAND_PIXEL * element);
    j->line = emb_arena_take(arena, columns, 3 * element);
    j->native = emb_arena_take(arena, EMB_MAX(4 * width, row_taps * STRIPE * 3), 1);
    if (j->p->torch) j->wide = emb_arena_take(arena, width, BAND_PIXEL * sizeof(float));
    j->window_rows = 2 * (int64_t)row_taps + BAND;
    j->window = emb_arena_take(arena, (size_t)j->window_rows, columns * 3 * element);
}

size_t emb_image_processor_scratch(const emb_image_processor *p, int64_t width, int64_t height)
{
    job j = {.p = p};
    emb_arena arena;
    emb_arena_init(&arena, NULL, 0);
    measure(p, width, height, &j.x, &j.y);
    if (!resizable(&j.x) || !resizable(&j.y)) return SIZE_MAX;
    plan(&j, &arena, j.y.result, j.x.result);
    return arena.failed ? SIZE_MAX : arena.used;
}

static void find_spans(const job *j, axis_part *part)
{
    if (j->p->torch) emb_axis_torch_spans(&part->axis, part->first, part->count, part->spans);
    else emb_axis_spans(&part->axis, part->first, part->count, part->spans);
    part->begin = part->spans[0].start;
    part->end = part->spans[part->count - 1].start + part->spans[part->count - 1].taps;
}

static float normalized(const emb_image_processor *p, int c, float value)
{
    return p->do_normalize ? (value - (float)p->mean[c]) / (float)p->std[c] : value;
}

/* What each level becomes. torch multiplies in float, Pillow's processors in double. */
static void fill_tables(const job *j)
{
    const emb_image_processor *p = j->p;
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++) {
            float value = !p->do_rescale ? (float)i
                          : p->torch     ? (float)i * (float)p->rescale_factor
                                         : (float)((double)i * p->rescale_factor);
            j->tables[c][i] = p->torch ? value : normalized(p, c, value);
        }
}

/* ---- source pixels ------------------------------------------------------------------------ */

static uint8_t over_white(uint32_t level, uint32_t alpha) /* Pillow's alpha_composite */
{
    uint32_t sum = (level * alpha + 255 * (255 - alpha) + 128) << 7;
    return (uint8_t)((((sum >> 8) + sum) >> 8) >> 7);
}

/* n pixels of 1, 3 or 4 channels -> RGB */
static void to_rgb(const uint8_t *x, int64_t n, int32_t channels, bool white, uint8_t *rgb)
{
    for (int64_t i = 0; i < n; i++, x += channels, rgb += 3)
        for (int c = 0; c < 3; c++)
            rgb[c] = channels == 1            ? x[0]
                     : channels == 4 && white ? over_white(x[c], x[3])
                                              : x[c];
}

static const uint8_t *source(const job *j, int64_t row, int64_t column)
{
    return j->image->data + row * j->image->stride + column * j->image->channels;
}

/* Resize the columns of one row: native pixels where they can be weighed as they are. */
static void resize_columns(const job *j, int64_t i, uint8_t *rgb)
{
    const emb_span span = j->row.spans[i];
    const int64_t width = j->column.end - j->column.begin, channels = j->image->channels;
    emb_axis_weights(&j->row.axis, j->row.first + i, span, j->room, j->row_weights);
    if (!(j->white && channels == 4)) {
        uint8_t *row = channels == 3 ? rgb : j->native;
        j->k->resample_u8(width * channels, span.taps, source(j, span.start, j->column.begin),
                          j->image->stride, j->row_weights, row);
        if (channels != 3) to_rgb(row, width, (int32_t)channels, false, rgb);
        return;
    }
    for (int64_t at = 0; at < width; at += STRIPE) {
        int64_t n = EMB_MIN(width - at, STRIPE);
        for (int64_t t = 0; t < span.taps; t++)
            to_rgb(source(j, span.start + t, j->column.begin + at), n, 4, true,
                   j->native + t * STRIPE * 3);
        j->k->resample_u8(3 * n, span.taps, j->native, STRIPE * 3, j->row_weights, rgb + 3 * at);
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Resize the rows of a band: count rows of RGB from column.begin on -> rows[count][3][columns]. */
static void resize_rows(const job *j, const uint8_t *rgb, int64_t stride, int64_t count,
                        uint8_t *rows)
{
    const int64_t columns = j->column.count, width = j->column.end - j->column.begin;
    const uint8_t *narrow = j->column.axis.identity ? j->band : j->narrow;
    j->k->transpose_u8(count, 3 * width, rgb, stride, j->band, BAND);
    for (int64_t i = 0; i < columns && narrow != j->band; i++) {
        const emb_span span = j->column.spans[i];
        j->k->resample_u8(BAND_PIXEL, span.taps,
                          j->band + (span.start - j->column.begin) * BAND_PIXEL, BAND_PIXEL,
                          (const int32_t *)j->column_weights + i * j->column.axis.taps,
                          (uint8_t *)j->narrow + i * BAND_PIXEL);
    }
    for (int64_t c = 0; c < 3; c++)
        j->k->transpose_u8(columns, count, narrow + c * BAND, BAND_PIXEL, rows + c * columns,
                           3 * columns);
}

/* The same in float. */
static void resize_rows_torch(const job *j, const uint8_t *rgb, int64_t stride, int64_t count,
                              float *rows)
{
    const int64_t columns = j->column.count, width = j->column.end - j->column.begin;
    float *narrow = j->narrow;
    j->k->transpose_u8(count, 3 * width, rgb, stride, j->band, BAND);
    j->k->look_up_u8(width * BAND_PIXEL, j->band, j->tables[0], j->wide);
    for (int64_t i = 0; i < columns; i++) {
        const emb_span span = j->column.spans[i];
        j->k->resample_f32(BAND_PIXEL, span.taps,
                           j->wide + (span.start - j->column.begin) * BAND_PIXEL, BAND_PIXEL,
                           (const float *)j->column_weights + i * j->column.axis.taps,
                           narrow + i * BAND_PIXEL);
    }
    for (int64_t row = 0; row < count; row++)
        for (int64_t c = 0; c < 3; c++)
            for (int64_t i = 0; i < columns; i++)
                *rows++ = narrow[i * BAND_PIXEL + c * BAND + row];
}

/* The rows of a span, their rows resized, from the window; what is missing there is computed. */
static const void *window_rows(job *j, emb_span span)
{
    const size_t row_size = (size_t)j->column.count * 3 * (j->p->torch ? sizeof(float) : 1);
    const int64_t end = span.start + span.taps, width = j->column.end - j->column.begin;
    char *window = j->window;
    while (j->window_first + j->window_count < end) {
        int64_t next = j->window_first + j->window_count, count = EMB_MIN(j->row.end - next, BAND);
        if (j->window_count + count > j->window_rows) {
            int64_t drop = span.start - j->window_first;
            j->window_count -= drop;
            j->window_first += drop;
            memmove(window, window + (size_t)drop * row_size, (size_t)j->window_count * row_size);
        }
        const uint8_t *rgb = source(j, next, j->column.begin);
        int64_t stride = j->image->stride;
        if (j->image->channels != 3) {
            for (int64_t i = 0; i < count; i++)
                to_rgb(rgb + i * stride, width, j->image->channels, j->white,
                       j->rgb + i * 3 * width);
            rgb = j->rgb;
            stride = 3 * width;
        }
        void *rows = window + (size_t)j->window_count * row_size;
        if (j->p->torch) resize_rows_torch(j, rgb, stride, count, rows);
        else resize_rows(j, rgb, stride, count, rows);
        j->window_count += count;
    }
    return window + (size_t)(span.start - j->window_first) * row_size;
}

/* ---- ways through an image ------------------------------------------------------------------- */

/* Where a row of the result begins in the planes, at the first column computed. */
typedef struct planes {
    float *data;
    int64_t height, width; /* kept */
} planes;

static float *place(const job *j, const planes *out, int c, int64_t i)
{
    return out->data + (c * out->height + j->row.to + i) * out->width + j->column.to;
}

/* levels[3][columns] -> row i of the result */
static void finish_row(const job *j, const uint8_t *levels, int64_t i, const planes *out)
{
    for (int c = 0; c < 3; c++)
        j->k->look_up_u8(j->column.count, levels + c * j->column.count, j->tables[c],
                         place(j, out, c, i));
}

static void run_nearest(const job *j, const planes *out)
{
    for (int64_t i = 0; i < j->row.count; i++)
        for (int64_t n = 0; n < j->column.count; n++) {
            const emb_span y = j->row.spans[i], x = j->column.spans[n];
            uint8_t rgb[3] = {0, 0, 0};
            if (y.taps && x.taps)
                to_rgb(source(j, y.start, x.start), 1, j->image->channels, j->white, rgb);
            for (int c = 0; c < 3; c++) place(j, out, c, i)[n] = j->tables[c][rgb[c]];
        }
}

static void run_columns_first(const job *j, const planes *out)
{
    const int64_t width = j->column.end - j->column.begin, columns = j->column.count;
    for (int64_t i = 0; i < j->row.count; i += BAND) {
        int64_t count = EMB_MIN(j->row.count - i, BAND);
        for (int64_t b = 0; b < count; b++) resize_columns(j, i + b, j->rgb + b * 3 * width);
        resize_rows(j, j->rgb, 3 * width, count, j->window);
        for (int64_t b = 0; b < count; b++)
            finish_row(j, (const uint8_t *)j->window + b * 3 * columns, i + b, out);
    }
}

static void run_rows_first(job *j, const planes *out)
{
    const int64_t columns = j->column.count;
    j->window_first = j->row.begin;
    for (int64_t i = 0; i < j->row.count; i++) {
        const emb_span span = j->row.spans[i];
        const uint8_t *rows = window_rows(j, span), *line = rows;
        if (!j->row.axis.identity) {
            emb_axis_weights(&j->row.axis, j->row.first + i, span, j->room, j->row_weights);
            j->k->resample_u8(3 * columns, span.taps, rows, 3 * columns, j->row_weights, j->line);
            line = j->line;
        }
        finish_row(j, line, i, out);
    }
}

static void run_torch(job *j, const planes *out)
{
    const emb_image_processor *p = j->p;
    const int64_t columns = j->column.count;
    j->window_first = j->row.begin;
    for (int64_t i = 0; i < j->row.count; i++) {
        const emb_span span = j->row.spans[i];
        const float *rows = window_rows(j, span), *line = j->line;
        emb_axis_torch_weights(&j->row.axis, j->row.first + i, span, j->row_weights);
        j->k->resample_f32(3 * columns, span.taps, rows, 3 * columns, j->row_weights, j->line);
        for (int c = 0; c < 3; c++) {
            float *to = place(j, out, c, i);
            for (int64_t n = 0; n < columns; n++, line++)
                to[n] = normalized(p, c, *line);
        }
    }
}

/* What surrounds the image: black, made a value as the image is; padding beyond the crop, 0. */
static void fill_around(const job *j, const planes *out)
{
    const emb_image_processor *p = j->p;
    if (j->row.count == out->height && j->column.count == out->width) return;
    for (int c = 0; c < 3; c++) {
        float black = p->torch ? normalized(p, c, 0.0f) : j->tables[c][0];
        for (int64_t y = 0; y < out->height; y++)
            for (int64_t x = 0; x < out->width; x++)
                out->data[(c * out->height + y) * out->width + x] =
                    y < j->y.cropped && x < j->x.cropped ? black : 0.0f;
    }
}

static void find_column_weights(const job *j)
{
    const axis_part *part = &j->column;
    const int64_t taps = part->axis.taps;
    for (int64_t i = 0; i < part->count; i++)
        if (j->p->torch)
            emb_axis_torch_weights(&part->axis, part->first + i, part->spans[i],
                                   (float *)j->column_weights + i * taps);
        else
            emb_axis_weights(&part->axis, part->first + i, part->spans[i], j->room,
                             (int32_t *)j->column_weights + i * taps);
}

void emb_image_process(const emb_image_processor *p, const emb_kernels *k, const emb_pixels *image,
                       bool alpha_white, int64_t keep_height, int64_t keep_width, float *out,
                       void *scratch)
{
    const planes kept = {out, keep_height, keep_width};
    job j = {.p = p, .k = k, .image = image, .white = alpha_white};
    emb_arena arena;
    emb_arena_init(&arena, scratch, SIZE_MAX);
    measure(p, image->width, image->height, &j.x, &j.y);
    plan(&j, &arena, keep_height, keep_width);
    fill_tables(&j);
    fill_around(&j, &kept);
    if (j.row.count == 0 || j.column.count == 0) return;
    find_spans(&j, &j.column);
    find_spans(&j, &j.row);
    if (j.nearest) {
        run_nearest(&j, &kept);
        return;
    }
    find_column_weights(&j);
    memset(j.band, 0, (size_t)(j.column.end - j.column.begin) * BAND_PIXEL);
    if (p->torch) run_torch(&j, &kept);
    else if (j.columns_first) run_columns_first(&j, &kept);
    else run_rows_first(&j, &kept);
}
