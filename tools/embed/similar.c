/* similar: embed similar, how near some texts or images are to each other, as a table for
 * people. */
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

/* The end of a path says more than its start. */
static const char *label(const batch *b, int64_t i, int64_t columns)
{
    const char *name = b->texts[i], *slash;

    if (!b->of_files || text_columns(name, strlen(name)) <= columns)
        return name;
    slash = strrchr(name, '/');
    return slash && slash[1] ? slash + 1 : name;
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
    int64_t n = b->count, width = terminal_columns(), columns = label_columns(b, width);
    int number = digits(n);
    int cell = (int)widest_number(scores, n * n) + 2;
    int64_t per_block = width ? (width - columns - number - 2) / cell : n;

    per_block = per_block < 1 ? 1 : per_block;
    for (int64_t from = 0; from < n; from += per_block) {
        int64_t to = from + per_block < n ? from + per_block : n;

        printf("\n%*s", (int)columns + number + 2, "");
        for (int64_t k = from; k < to; k++)
            printf("%*lld", cell, (long long)k + 1);
        putchar('\n');
        for (int64_t i = 0; i < n; i++) {
            const char *text;

            printf("%*lld  ", number, (long long)i + 1);
            text = label(b, i, columns);
            print_label(stdout, text, (size_t)(b->texts[i] + b->text_sizes[i] - text), columns,
                        true);
            for (int64_t k = from; k < to; k++)
                printf("%*.4f", cell, (double)scores[i * n + k]);
            putchar('\n');
        }
    }
}

static void print_json(const batch *b, const float *scores, const char *name)
{
    printf("{\"similarity\":\"%s\",\"%s\":[", name, b->of_images ? "files" : "texts");
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
    e.in = in = input_open(o, o->file, o->arguments, o->argument_count, e.images);
    input_read_all(in, &b);
    progress_start(false);
    vectors = engine_encode_all(&e, in, &b, &o->encode, &dim);
    n = b.count;
    if (n > INT32_MAX)
        die("too many inputs for a table: %lld", (long long)n);
    scores = allocate(n * n, sizeof(float));
    if (n > 0 && embed_similarity(similarity, vectors, n, vectors, n, dim, scores) < 0)
        die("cannot compare vectors by %s", name);
    if (o->json) {
        print_json(&b, scores, name);
    } else {
        printf("%s similarity of %lld %s%s, larger is nearer\n", name, (long long)n,
               b.of_images ? "image" : "text", n == 1 ? "" : "s");
        print_table(&b, scores);
    }
    output_close(&out);

    free(vectors);
    free(scores);
    batch_free(&b);
    input_close(in);
    engine_close(&e);
}
