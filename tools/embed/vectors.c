/* vectors: embed text and embed image, one vector an input. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH_TEXTS = 4096, BATCH_IMAGES = 256 };

struct run {
    const options *o;
    engine engine;
    embed_encode_options encode;
    output out;
    int64_t dim;
    float *ranges; /* that quantise */
    float *seen;   /* ranges of the vectors so far, for --save-ranges */
    int64_t seen_count;
};

static void widen_seen(struct run *r, const batch *b, const float *vectors)
{
    float *ranges = allocate(r->dim, 2 * sizeof(float));

    for (int64_t k = 0; k < b->count; k++) {
        if (b->errors[k])
            continue;
        if (embed_quantize_ranges(vectors + k * r->dim, 1, r->dim, r->dim, ranges) < 0)
            die("cannot find the ranges of %lld vectors", (long long)b->count);
        for (int64_t i = 0; i < r->dim; i++) {
            if (!r->seen_count || ranges[i] < r->seen[i])
                r->seen[i] = ranges[i];
            if (!r->seen_count || ranges[r->dim + i] > r->seen[r->dim + i])
                r->seen[r->dim + i] = ranges[r->dim + i];
        }
        r->seen_count++;
    }
    free(ranges);
}

static void write_bytes(FILE *f, const void *row, int64_t size, int32_t precision)
{
    bool is_signed = precision == EMBED_PRECISION_INT8 || precision == EMBED_PRECISION_BINARY;

    for (int64_t i = 0; i < size; i++)
        fprintf(f, "%c%d", i ? ',' : '[',
                is_signed ? ((const int8_t *)row)[i] : ((const uint8_t *)row)[i]);
    fputs(size ? "]" : "[]", f);
}

/* vectors: rows of dim floats; bytes: the same quantised, rows of size, or NULL. */
static void write_batch(struct run *r, const batch *b, const float *vectors, const uint8_t *bytes,
                        int64_t size)
{
    r->out.rows += b->count;
    if (r->out.format != FORMAT_JSONL) {
        if (bytes)
            output_write(&r->out, bytes, (size_t)(b->count * size));
        else
            output_write(&r->out, vectors, (size_t)(b->count * r->dim) * sizeof(float));
        return;
    }
    for (int64_t i = 0; i < b->count; i++) {
        output_begin_record(&r->out, b, i);
        if (b->errors[i]) {
            output_end_failed(&r->out, b, i);
            continue;
        }
        fputs(r->encode.pooling == EMBED_POOL_SCORES ? "\"scores\":" : "\"embedding\":",
              r->out.stream);
        if (bytes)
            write_bytes(r->out.stream, bytes + i * size, size, r->o->precision);
        else
            json_write_floats(r->out.stream, vectors + i * r->dim, r->dim);
        output_write(&r->out, "}\n", 2);
    }
    output_flush(&r->out);
}

static void encode_batch(struct run *r, batch *b, float *vectors)
{
    int32_t precision = r->o->precision;
    int64_t size = embed_quantized_size(r->dim, precision);
    bool ranged = precision == EMBED_PRECISION_INT8 || precision == EMBED_PRECISION_UINT8;
    uint8_t *bytes = NULL;

    engine_encode(&r->engine, b, &r->encode, vectors, r->dim);
    progress_clear();
    if (r->seen)
        widen_seen(r, b, vectors);
    if (precision != EMBED_PRECISION_FLOAT32) {
        if (ranged && !r->o->ranges && r->seen_count == 1)
            die("one vector has no range to quantise it by: give --ranges FILE, or more %s",
                b->of_images ? "images" : "texts");
        bytes = allocate(b->count, (size_t)size);
        if (embed_quantize(vectors, b->count, r->dim, r->dim, precision,
                           r->ranges ? r->ranges : r->seen, bytes) < 0)
            die("cannot quantise %lld vectors", (long long)b->count);
    }
    write_batch(r, b, vectors, bytes, size);
    free(bytes);
}

static void encode_all(struct run *r, input *in, int64_t limit)
{
    progress_span span = {0};
    int64_t capacity = 0;
    float *vectors = NULL;
    batch b = {0};

    r->encode.progress = progress_callback;
    r->encode.progress_user = &span;
    while (input_read(in, &b, limit)) {
        if (b.count > capacity) {
            capacity = b.count;
            vectors = reallocate(vectors, capacity, (size_t)r->dim * sizeof(float));
        }
        input_span(in, &b, &span);
        encode_batch(r, &b, vectors);
    }
    free(vectors);
    batch_free(&b);
}

static void save_ranges(const struct run *r, output *out)
{
    const int64_t shape[2] = {2, r->dim};

    if (!r->seen_count)
        die("no vectors, so there are no ranges to save");
    output_begin_array(out, EMBED_PRECISION_FLOAT32, shape, 2);
    output_write(out, r->seen, (size_t)r->dim * 2 * sizeof(float));
    out->rows = 2;
    output_close(out);
}

void run_vectors(const options *o)
{
    struct run r = {.o = o, .encode = o->encode};
    int64_t limit = o->command == COMMAND_IMAGE ? BATCH_IMAGES : BATCH_TEXTS;
    int32_t format = output_format(o, FORMAT_JSONL);
    bool needs_ranges =
        o->precision == EMBED_PRECISION_INT8 || o->precision == EMBED_PRECISION_UINT8;
    bool whole = needs_ranges && !o->ranges; /* the ranges come from all vectors together */
    output saved = {0};
    int64_t shape[2] = {0};
    input *in;

    if (format == FORMAT_NONE || format == FORMAT_HTML)
        usage("-o %s: expected a name that ends in .npy, .f32 or .jsonl, or --format", o->output);
    if (format == FORMAT_F32 && o->precision != EMBED_PRECISION_FLOAT32)
        usage("--precision: .f32 holds float32 alone, write .npy or .jsonl");
    engine_open(&r.engine, o);
    r.dim = engine_dim(&r.engine, &o->encode);
    if (o->ranges)
        r.ranges = read_ranges(o->ranges, r.dim);
    if (whole || o->save_ranges)
        r.seen = allocate(r.dim, 2 * sizeof(float));
    r.engine.in = in = input_open(o, o->file, o->arguments, o->argument_count, r.engine.images);
    output_open(&r.out, o->output, format);
    if (o->save_ranges)
        output_open(&saved, o->save_ranges, FORMAT_NPY);
    progress_start(r.out.is_stdout && terminal_columns() > 0);

    shape[1] = embed_quantized_size(r.dim, o->precision);
    if (o->precision == EMBED_PRECISION_FLOAT32)
        shape[1] = r.dim;
    output_begin_array(&r.out, o->precision, shape, 2);
    encode_all(&r, in, whole ? INT64_MAX : limit);
    if (o->save_ranges)
        save_ranges(&r, &saved);
    output_close(&r.out);

    free(r.ranges);
    free(r.seen);
    input_close(in);
    engine_close(&r.engine);
}
