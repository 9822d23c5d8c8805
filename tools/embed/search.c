/* search: embed search, the lines of a file or the images of a folder that are nearest to each
 * query. They stream past; only the nearest so far are kept. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_TEXTS = 1024, BATCH_IMAGES = 256 };

struct hit {
    float score;
    int64_t index;
    char *text, *extra;
    int64_t text_size, extra_size;
};

struct hits { /* of one query, nearest first */
    struct hit *list;
    int64_t count;
};

static char *copy(const char *data, int64_t size)
{
    char *memory = allocate(size + 1, 1);

    if (size)
        memcpy(memory, data, (size_t)size);
    return memory;
}

static void offer(struct hits *h, int64_t top, float score, const batch *b, int64_t i)
{
    int64_t at = h->count;

    while (at > 0 && (score > h->list[at - 1].score || isnan(h->list[at - 1].score)))
        at--;
    if (at >= top)
        return;
    if (h->count == top) {
        free(h->list[top - 1].text);
        free(h->list[top - 1].extra);
    } else {
        h->list = reallocate(h->list, ++h->count, sizeof(*h->list));
    }
    memmove(h->list + at + 1, h->list + at, (size_t)(h->count - 1 - at) * sizeof(*h->list));
    h->list[at] = (struct hit){
        .score = score,
        .index = b->first + i,
        .text = copy(b->texts[i], b->text_sizes[i]),
        .extra = copy(b->extras[i], b->extra_sizes[i]),
        .text_size = b->text_sizes[i],
        .extra_size = b->extra_sizes[i],
    };
}

/* The prompt asked for; else the model's of the first of the names that it has; else none at all,
 * not even the default: as encode_query and encode_document of sentence-transformers. */
static embed_encode_options with_prompt(const engine *e, const options *o, const char *asked,
                                        const char *const *names)
{
    embed_encode_options encode = o->encode;

    encode.prompt_name = asked;
    for (; !encode.prompt_name && *names; names++)
        if (embed_model_prompt(e->model, *names))
            encode.prompt_name = *names;
    if (!encode.prompt_name)
        encode.prompt = "";
    return encode;
}

static void offer_all(const options *o, const batch *queries, const batch *b, const float *scores,
                      struct hits *hits)
{
    for (int64_t q = 0; q < queries->count; q++)
        for (int64_t i = 0; i < b->count && !queries->errors[q]; i++)
            if (!b->errors[i])
                offer(&hits[q], o->top, scores[q * b->count + i], b, i);
}

static void search(engine *e, const options *o, input *in, const batch *queries,
                   const float *query_vectors, struct hits *hits, int64_t dim)
{
    static const char *const names[] = {"document", "passage", "corpus", NULL};
    embed_encode_options encode = with_prompt(e, o, o->document_prompt, names);
    int64_t limit = e->images ? BATCH_IMAGES : BATCH_TEXTS, count = queries->count;
    float *vectors = allocate(limit * dim, sizeof(float)),
          *scores = allocate(limit * count, sizeof(float));
    int32_t similarity = engine_similarity(e, o);
    progress_span span = {0};
    batch b = {0};

    if (engine_dim(e, &encode) != dim)
        die("a query has %lld numbers, what is searched %lld: they cannot be compared",
            (long long)dim, (long long)engine_dim(e, &encode));
    e->in = in;
    encode.progress = progress_callback;
    encode.progress_user = &span;
    while (input_read(in, &b, limit)) {
        input_span(in, &b, &span);
        engine_encode(e, &b, &encode, vectors, dim);
        if (embed_similarity(similarity, query_vectors, count, vectors, b.count, dim, scores) < 0)
            die("cannot compare vectors by %s", similarity_name(similarity));
        offer_all(o, queries, &b, scores, hits);
    }
    progress_clear();
    free(vectors);
    free(scores);
    batch_free(&b);
}

/* ---- printing ------------------------------------------------------------------------ */

static void print_hits(const struct hits *h, bool files)
{
    int64_t width = terminal_columns();
    int number = 0, score = 0;

    for (int64_t i = 0; i < h->count; i++) {
        int n = snprintf(NULL, 0, "%lld", (long long)h->list[i].index + 1);
        int s = snprintf(NULL, 0, "%.4f", (double)h->list[i].score);

        number = n > number ? n : number;
        score = s > score ? s : score;
    }
    for (int64_t i = 0; i < h->count; i++) {
        int64_t room = width && !files ? width - score - number - 4 : INT64_MAX;

        printf("%*.4f  ", score, (double)h->list[i].score);
        if (!files)
            printf("%*lld  ", number, (long long)h->list[i].index + 1);
        print_label(stdout, h->list[i].text, (size_t)h->list[i].text_size, room, false);
        putchar('\n');
    }
}

static void print_json(const batch *queries, int64_t q, const struct hits *h, bool files)
{
    fputs("{\"query\":", stdout);
    json_write_string(stdout, queries->texts[q], (size_t)queries->text_sizes[q]);
    if (queries->errors[q]) {
        fputs(",\"error\":", stdout);
        json_write_string(stdout, queries->errors[q], strlen(queries->errors[q]));
    }
    fputs(",\"results\":[", stdout);
    for (int64_t i = 0; i < h->count; i++) {
        const struct hit *hit = &h->list[i];

        printf("%s{\"score\":", i ? "," : "");
        if (isfinite(hit->score))
            printf("%.9g", (double)hit->score);
        else
            fputs("null", stdout);
        if (files)
            printf(",\"index\":%lld,\"file\":", (long long)hit->index);
        else
            printf(",\"line\":%lld,\"text\":", (long long)hit->index + 1);
        json_write_string(stdout, hit->text, (size_t)hit->text_size);
        if (hit->extra_size > 0) /* ends with a comma */
            printf(",\"record\":{%.*s}", (int)hit->extra_size - 1, hit->extra);
        putchar('}');
    }
    puts("]}");
}

static void print(const options *o, const batch *queries, const struct hits *hits, bool files)
{
    for (int64_t q = 0; q < queries->count; q++) {
        if (o->json) {
            print_json(queries, q, &hits[q], files);
            continue;
        }
        if (queries->count > 1) {
            fputs(q ? "\n" : "", stdout);
            print_label(stdout, queries->texts[q], (size_t)queries->text_sizes[q], INT64_MAX,
                        false);
            putchar('\n');
        }
        print_hits(&hits[q], files);
    }
}

static void free_hits(struct hits *hits, int64_t count)
{
    for (int64_t q = 0; q < count; q++) {
        for (int64_t i = 0; i < hits[q].count; i++) {
            free(hits[q].list[i].text);
            free(hits[q].list[i].extra);
        }
        free(hits[q].list);
    }
    free(hits);
}

/* The queries, all arguments -> vectors. */
static float *encode_queries(engine *e, const options *o, batch *queries, int64_t *dim)
{
    static const char *const names[] = {"query", NULL};
    embed_encode_options encode = with_prompt(e, o, o->query_prompt, names);
    bool images = e->images;
    options plain = *o;
    input *in;
    float *vectors;

    plain.jsonl = NULL;
    e->images = e->query_images;
    e->in = in = input_open(&plain, NULL, o->arguments, o->argument_count, e->images);
    input_read_all(in, queries);
    vectors = engine_encode_all(e, in, queries, &encode, dim);
    input_close(in);
    e->images = images;
    return vectors;
}

void run_search(const options *o)
{
    struct hits *hits;
    batch queries = {0};
    float *vectors;
    int64_t dim;
    output out;
    engine e;
    input *in;

    output_open(&out, NULL, FORMAT_JSONL);
    engine_open(&e, o);
    progress_start(false);
    vectors = encode_queries(&e, o, &queries, &dim);
    in = input_open(o, o->file ? o->file : "-", NULL, 0, e.images);
    hits = allocate(queries.count, sizeof(*hits));
    search(&e, o, in, &queries, vectors, hits, dim);
    print(o, &queries, hits, e.images);
    output_close(&out);

    free_hits(hits, queries.count);
    free(vectors);
    batch_free(&queries);
    input_close(in);
    engine_close(&e);
}
