/* similar: embed similar, how near some texts are to each other, as a table for people. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static int digits(int64_t n)
{
    return snprintf(NULL, 0, "%lld", (long long)n);
}

static int64_t widest_number(const float *scores, int64_t count)
{
    int64_t widest = 0;

    for (int64_t i = 0; i < count; i++) {
        int64_t n = snprintf(NULL, 0, "%.4f", (double)scores[i]);

        widest = n > widest ? n : widest;
    }
    return widest;
}

static int64_t label_columns(const batch *b, int64_t width)
{
    int64_t widest = 1, limit = width ? width / 3 : 40;

    for (int64_t i = 0; i < b->count; i++) {
        int64_t n = text_columns(b->texts[i], (size_t)b->text_sizes[i]);

        widest = n > widest ? n : widest;
    }
    return widest < limit ? widest : limit;
}

/* Where the terminal is too narrow for all columns, blocks of as many as fit. */
static void print_table(const batch *b, const float *scores)
{
    int64_t n = b->count, width = terminal_columns(), label = label_columns(b, width);
    int number = digits(n);
    int cell = (int)widest_number(scores, n * n) + 2;
    int64_t per_block = width ? (width - label - number - 2) / cell : n;

    per_block = per_block < 1 ? 1 : per_block;
    for (int64_t from = 0; from < n; from += per_block) {
        int64_t to = from + per_block < n ? from + per_block : n;

        printf("\n%*s", (int)label + number + 2, "");
        for (int64_t k = from; k < to; k++)
            printf("%*lld", cell, (long long)k + 1);
        putchar('\n');
        for (int64_t i = 0; i < n; i++) {
            printf("%*lld  ", number, (long long)i + 1);
            print_label(stdout, b->texts[i], (size_t)b->text_sizes[i], label, true);
            for (int64_t k = from; k < to; k++)
                printf("%*.4f", cell, (double)scores[i * n + k]);
            putchar('\n');
        }
    }
}

static void print_json(const batch *b, const float *scores, const char *name)
{
    printf("{\"similarity\":\"%s\",\"texts\":[", name);
    for (int64_t i = 0; i < b->count; i++) {
        if (i)
            putchar(',');
        json_write_string(stdout, b->texts[i], (size_t)b->text_sizes[i]);
    }
    fputs("],\"scores\":[", stdout);
    for (int64_t i = 0; i < b->count; i++) {
        if (i)
            putchar(',');
        json_write_floats(stdout, scores + i * b->count, b->count);
    }
    puts("]}");
}

void run_similar(const options *o)
{
    batch b = {0};
    int32_t similarity;
    const char *name;
    float *vectors, *scores;
    int64_t dim, n;
    output out;
    engine e;
    input *in;

    output_open(&out, NULL, FORMAT_JSONL);
    engine_open(&e, o);
    engine_dim(&e, &o->encode);
    similarity = engine_similarity(&e, o);
    name = similarity_name(similarity);
    e.in = in = input_open(o, o->file, o->texts, o->text_count);
    input_read_all(in, &b);
    progress_start(false);
    vectors = engine_encode_all(&e, &b, &o->encode, &dim);
    n = b.count;
    if (n > INT32_MAX)
        die("too many texts for a table: %lld", (long long)n);
    scores = allocate(n * n, sizeof(float));
    if (n > 0 && embed_similarity(similarity, vectors, n, vectors, n, dim, scores) < 0)
        die("cannot compare vectors by %s", name);
    if (o->json) {
        print_json(&b, scores, name);
    } else {
        printf("%s similarity of %lld text%s, larger is nearer\n", name, (long long)n,
               n == 1 ? "" : "s");
        print_table(&b, scores);
    }
    output_close(&out);

    free(vectors);
    free(scores);
    batch_free(&b);
    input_close(in);
    engine_close(&e);
}
