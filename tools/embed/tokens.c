/* tokens: embed tokens, what the tokenizer makes of each text. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static void grow(embed_tokens *t, int64_t capacity)
{
    t->capacity = capacity;
    t->ids = reallocate(t->ids, capacity, sizeof(*t->ids));
    t->type_ids = reallocate(t->type_ids, capacity, sizeof(*t->type_ids));
    t->offsets = reallocate(t->offsets, capacity, 2 * sizeof(*t->offsets));
    t->word_ids = reallocate(t->word_ids, capacity, sizeof(*t->word_ids));
    t->sequence_ids = reallocate(t->sequence_ids, capacity, sizeof(*t->sequence_ids));
}

static int64_t tokenize(engine *e, const batch *b, int64_t i, const embed_encode_options *encode,
                        embed_tokens *t)
{
    return embed_tokenize(e->session, b->texts[i], b->text_sizes[i], b->pairs[i], b->pair_sizes[i],
                          encode, t);
}

static void write_ints(FILE *f, const char *key, const int32_t *x, int64_t count,
                       bool negative_is_null)
{
    fprintf(f, "\"%s\":[", key);
    for (int64_t i = 0; i < count; i++) {
        if (i)
            putc(',', f);
        if (negative_is_null && x[i] < 0)
            fputs("null", f);
        else
            fprintf(f, "%d", x[i]);
    }
    putc(']', f);
}

static void write_texts(FILE *f, const embed_model *model, const int32_t *ids, int64_t count)
{
    fputs(",\"tokens\":[", f);
    for (int64_t i = 0; i < count; i++) {
        const char *text = embed_token_text(model, ids[i]);

        if (i)
            putc(',', f);
        if (text)
            json_write_string(f, text, strlen(text));
        else
            fputs("null", f);
    }
    fputs("],", f);
}

static void write_offsets(FILE *f, const int64_t *offsets, int64_t count)
{
    fputs(",\"offsets\":[", f);
    for (int64_t i = 0; i < count; i++)
        fprintf(f, "%s[%lld,%lld]", i ? "," : "", (long long)offsets[2 * i],
                (long long)offsets[2 * i + 1]);
    fputs("],", f);
}

void run_tokens(const options *o)
{
    embed_encode_options encode = o->encode;
    embed_tokens t = EMBED_TOKENS_INIT;
    batch b = {0};
    output out;
    engine e;
    input *in;

    if (output_format(o, FORMAT_JSONL) != FORMAT_JSONL)
        usage("-o %s: expected a name that ends in .jsonl", o->output);
    if (!encode.prompt && !encode.prompt_name)
        encode.prompt = ""; /* the text alone, even where the model has a default prompt */
    engine_open(&e, o);
    output_open(&out, o->output, FORMAT_JSONL);
    e.in = in = input_open(o, o->file, o->arguments, o->argument_count, false);
    grow(&t, 1024);
    while (input_read(in, &b, 4096)) {
        for (int64_t i = 0; i < b.count; i++) {
            int64_t n = tokenize(&e, &b, i, &encode, &t);

            if (n > t.capacity) {
                grow(&t, n + n / 2);
                n = tokenize(&e, &b, i, &encode, &t);
            }
            if (n < 0)
                die("%s: %s", input_place(in, b.first + i), embed_session_error(e.session));
            output_begin_record(&out, &b, i);
            write_ints(out.stream, "ids", t.ids, n, false);
            write_texts(out.stream, e.model, t.ids, n);
            write_ints(out.stream, "type_ids", t.type_ids, n, false);
            write_offsets(out.stream, t.offsets, n);
            write_ints(out.stream, "word_ids", t.word_ids, n, true);
            if (b.pairs[i]) {
                putc(',', out.stream);
                write_ints(out.stream, "sequence_ids", t.sequence_ids, n, true);
            }
            output_write(&out, "}\n", 2);
        }
        output_flush(&out);
    }
    output_close(&out);
    free(t.ids);
    free(t.type_ids);
    free(t.offsets);
    free(t.word_ids);
    free(t.sequence_ids);
    batch_free(&b);
    input_close(in);
    engine_close(&e);
}
