/* search: embed search, the lines of a file that are nearest to each query. Lines stream past; only
 * the nearest so far are kept. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 1024 };

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

static void search(engine *e, const options *o, input *in, const float *queries, struct hits *hits,
                   int64_t dim, int32_t similarity)
{
    static const char *const names[] = {"document", "passage", "corpus", NULL};
    embed_encode_options encode = with_prompt(e, o, o->document_prompt, names);
    int64_t count = o->text_count, bytes_before = 0;
    float *vectors = allocate(BATCH * dim, sizeof(float)),
          *scores = allocate(BATCH * count, sizeof(float));
    progress_span span = {0};
    embed_input view;
    batch b = {0};

    engine_dim(e, &encode);
    e->in = in;
    encode.progress = progress_callback;
    encode.progress_user = &span;
    while (input_read(in, &b, BATCH)) {
        span.first = b.first;
        if (input_size(in) > 0) {
            span.from = (double)bytes_before / (double)input_size(in);
            span.to = (double)b.bytes_read / (double)input_size(in);
        }
        batch_view(&b, 0, b.count, &view);
        engine_encode(e, &view, b.first, &encode, vectors, dim);
        if (embed_similarity(similarity, queries, count, vectors, b.count, dim, scores) < 0)
            die("cannot compare vectors by %s", similarity_name(similarity));
        for (int64_t q = 0; q < count; q++)
            for (int64_t i = 0; i < b.count; i++)
                offer(&hits[q], o->top, scores[q * b.count + i], &b, i);
        bytes_before = b.bytes_read;
    }
    progress_clear();
    free(vectors);
    free(scores);
    batch_free(&b);
}

/* ---- printing ------------------------------------------------------------------------ */

static void print_hits(const struct hits *h)
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
        int64_t room = width ? width - score - number - 4 : INT64_MAX;

        printf("%*.4f  %*lld  ", score, (double)h->list[i].score, number,
               (long long)h->list[i].index + 1);
        print_label(stdout, h->list[i].text, (size_t)h->list[i].text_size, room, false);
        putchar('\n');
    }
}

static void print_json(const char *query, const struct hits *h)
{
    fputs("{\"query\":", stdout);
    json_write_string(stdout, query, strlen(query));
    fputs(",\"results\":[", stdout);
    for (int64_t i = 0; i < h->count; i++) {
        const struct hit *hit = &h->list[i];

        printf("%s{\"score\":", i ? "," : "");
        if (isfinite(hit->score))
            printf("%.9g", (double)hit->score);
        else
            fputs("null", stdout);
        printf(",\"line\":%lld,\"text\":", (long long)hit->index + 1);
        json_write_string(stdout, hit->text, (size_t)hit->text_size);
        if (hit->extra_size > 0) /* ends with a comma */
            printf(",\"record\":{%.*s}", (int)hit->extra_size - 1, hit->extra);
        putchar('}');
    }
    puts("]}");
}

void run_search(const options *o)
{
    static const char *const names[] = {"query", NULL};
    struct hits *hits = allocate(o->text_count, sizeof(*hits));
    options plain = *o;
    batch queries = {0};
    embed_encode_options encode;
    input *in, *arguments;
    float *vectors;
    int64_t dim;
    output out;
    engine e;

    output_open(&out, NULL, FORMAT_JSONL);
    engine_open(&e, o);
    progress_start(false);
    plain.jsonl = NULL; /* queries are plain texts */
    e.in = arguments = input_open(&plain, NULL, o->texts, o->text_count);
    input_read_all(arguments, &queries);
    encode = with_prompt(&e, o, o->query_prompt, names);
    vectors = engine_encode_all(&e, &queries, &encode, &dim);
    in = input_open(o, o->file ? o->file : "-", NULL, 0);
    search(&e, o, in, vectors, hits, dim, engine_similarity(&e, o));
    for (int64_t q = 0; q < o->text_count; q++) {
        if (o->json) {
            print_json(o->texts[q], &hits[q]);
            continue;
        }
        if (o->text_count > 1) {
            fputs(q ? "\n" : "", stdout);
            print_label(stdout, o->texts[q], strlen(o->texts[q]), INT64_MAX, false);
            putchar('\n');
        }
        print_hits(&hits[q]);
    }
    output_close(&out);

    for (int64_t q = 0; q < o->text_count; q++) {
        for (int64_t i = 0; i < hits[q].count; i++) {
            free(hits[q].list[i].text);
            free(hits[q].list[i].extra);
        }
        free(hits[q].list);
    }
    free(hits);
    free(vectors);
    batch_free(&queries);
    input_close(arguments);
    input_close(in);
    engine_close(&e);
}
