/* hidden: embed hidden, the token vectors of every text or image, padded with zero rows to the
 * longest. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

struct source { /* texts or images, or ids */
    batch b;
    buffer ids, offsets; /* int32_t, int64_t */
    embed_input view;
};

static void read_ids(input *in, struct source *s)
{
    int64_t offset = 0;
    buffer line = {0};

    buffer_add(&s->offsets, &offset, sizeof(offset));
    buffer_add(&s->ids, &(int32_t){0}, sizeof(int32_t)); /* an array even if there are none */
    s->ids.size = 0;
    for (int64_t i = 0; input_line(in, &line); i++) {
        json j;

        json_open(&j, line.data, line.size, input_place(in, i));
        json_expect(&j, '[');
        if (!json_take(&j, ']')) {
            do {
                int64_t id = json_integer(&j);
                int32_t id32 = (int32_t)id;

                if (id != id32)
                    json_die(&j, "token id %lld is outside the vocabulary", (long long)id);
                buffer_add(&s->ids, &id32, sizeof(id32));
            } while (json_take(&j, ','));
            json_expect(&j, ']');
        }
        json_finish(&j);
        offset = (int64_t)(s->ids.size / sizeof(int32_t));
        buffer_add(&s->offsets, &offset, sizeof(offset));
    }
    buffer_free(&line);
    s->view.struct_size = sizeof(s->view);
    s->view.count = (int64_t)(s->offsets.size / sizeof(int64_t)) - 1;
    s->view.ids = (const int32_t *)(const void *)s->ids.data;
    s->view.offsets = (const int64_t *)(const void *)s->offsets.data;
}

static void write_records(output *out, const struct source *s, int64_t first, int64_t count,
                          const float *hidden, const int64_t *tokens, int64_t longest, int64_t dim)
{
    for (int64_t i = 0; i < count; i++) {
        if (s->view.ids) {
            fprintf(out->stream, "{\"index\":%lld,", (long long)(first + i));
        } else {
            output_begin_record(out, &s->b, first + i);
            if (s->b.errors[first + i]) {
                output_end_failed(out, &s->b, first + i);
                continue;
            }
        }
        fprintf(out->stream, "\"tokens\":%lld,\"hidden\":[", (long long)tokens[first + i]);
        for (int64_t t = 0; t < tokens[first + i]; t++) {
            if (t)
                fputc(',', out->stream);
            json_write_floats(out->stream, hidden + (i * longest + t) * dim, dim);
        }
        output_write(out, "]}\n", 3);
    }
    output_flush(out);
}

/* A part of the inputs at a time, so that memory stays within some 64 MiB, or one input's. */
static void encode_all(engine *e, struct source *s, const embed_encode_options *encode,
                       output *out, const int64_t *tokens, int64_t longest)
{
    int64_t dim = engine_hidden_size(e), row = longest * dim;
    int64_t step = row > 0 && (1 << 24) / row > 1 ? (1 << 24) / row : 1;
    progress_span span = {0, s->view.count, 0, 0, e->images ? "images" : "texts"};
    embed_encode_options call = *encode;
    failures to = {&s->b, 0};
    float *hidden;

    if (step > s->view.count)
        step = s->view.count;
    hidden = allocate(step * row, sizeof(float));
    call.progress = progress_callback;
    call.progress_user = &span;
    note_failures(&call, &to);
    for (int64_t first = 0; first < s->view.count; first += step) {
        int64_t count = s->view.count - first < step ? s->view.count - first : step;
        int64_t *offsets = allocate(count + 1, sizeof(*offsets));
        embed_input view = engine_part(&s->view, first, count, offsets);

        span.first = to.first = first;
        span.from = (double)first / (double)s->view.count;
        span.to = (double)(first + count) / (double)s->view.count;
        if (embed_last_hidden_state(e->session, &view, &call, hidden, longest) < 0)
            engine_die(e, &view, first, encode);
        progress_clear();
        if (out->format == FORMAT_JSONL)
            write_records(out, s, first, count, hidden, tokens, longest, dim);
        else
            output_write(out, hidden, (size_t)(count * row) * sizeof(float));
        out->rows += count;
        free(offsets);
    }
    free(hidden);
}

static int64_t count_tokens(engine *e, struct source *s, const embed_encode_options *encode,
                            int64_t *tokens)
{
    embed_encode_options call = *encode;
    failures to = {&s->b, 0};
    int64_t longest = 0;

    note_failures(&call, &to);
    if (s->view.count > 0 && embed_count_tokens(e->session, &s->view, &call, tokens) < 0)
        engine_die(e, &s->view, 0, encode);
    for (int64_t i = 0; i < s->view.count; i++)
        longest = tokens[i] > longest ? tokens[i] : longest;
    return longest;
}

void run_hidden(const options *o)
{
    int32_t format = output_format(o, FORMAT_NPY);
    struct source s = {.view = EMBED_INPUT_INIT};
    int64_t *tokens, longest, shape[3];
    output out;
    engine e;
    input *in;

    if (format != FORMAT_NPY && format != FORMAT_JSONL)
        usage("-o %s: expected a name that ends in .npy or .jsonl, or --format", o->output);
    engine_open(&e, o);
    engine_check(&e, &o->encode);
    output_open(&out, o->output, format);
    e.in = in = input_open(o, o->ids ? o->ids : o->file, o->arguments, o->argument_count,
                           e.images && !o->ids);
    progress_start(out.is_stdout && terminal_columns() > 0);
    if (o->ids) {
        read_ids(in, &s);
    } else {
        input_read_all(in, &s.b);
        s.view = batch_view(&s.b);
    }

    tokens = allocate(s.view.count, sizeof(*tokens));
    longest = count_tokens(&e, &s, &o->encode, tokens);
    shape[0] = s.view.count;
    shape[1] = longest;
    shape[2] = engine_hidden_size(&e);
    output_begin_array(&out, EMBED_PRECISION_FLOAT32, shape, 3);
    encode_all(&e, &s, &o->encode, &out, tokens, longest);
    output_close(&out);

    free(tokens);
    batch_free(&s.b);
    buffer_free(&s.ids);
    buffer_free(&s.offsets);
    input_close(in);
    engine_close(&e);
}
