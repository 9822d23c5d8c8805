/* chunks: embed chunks, late chunking: where texts are cut, and a vector for each part. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

enum kind { SENTENCES, PARAGRAPHS, LINES, TOKENS };

struct chunker {
    enum kind kind;
    int64_t tokens; /* of a chunk */
    buffer spans;   /* int64_t[2] each */
    embed_tokens found;
};

struct missing { /* spans of a text that have no tokens */
    bool *at;
};

/* ---- where a text is cut -------------------------------------------------------------- */

static size_t space_at(const char *text, size_t size)
{
    if (size && strchr(" \t\n\r\v\f", *text) && *text)
        return 1;
    return size >= 3 && memcmp(text, "\xE3\x80\x80", 3) == 0 ? 3 : 0; /* ideographic */
}

/* How long the first of the words is that stands at text; *which is its number. */
static size_t word_at(const char *text, size_t size, const char *const *words, int *which)
{
    for (int i = 0; words[i]; i++) {
        size_t n = strlen(words[i]);

        if (n <= size && memcmp(text, words[i], n) == 0) {
            *which = i;
            return n;
        }
    }
    return 0;
}

/* Is there an empty line at text, which is a line feed? */
static bool empty_line(const char *text, size_t size)
{
    size_t i = 1;

    while (i < size && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r'))
        i++;
    return i < size && text[i] == '\n';
}

/* A stop and what closes behind it; does a sentence end there? Wide stops need no space. */
static size_t stop_at(const char *text, size_t size, bool *ends)
{
    static const char *const stops[] = {
        "\xE3\x80\x82", "\xEF\xBC\x81", "\xEF\xBC\x9F", /* wide . ! ? */
        ".", "!", "?", "\xE2\x80\xA6", NULL};
    static const char *const closers[] = {"\"", "'", ")", "]", "\xC2\xBB", "\xE2\x80\x99",
                                          "\xE2\x80\x9D", "\xE3\x80\x8D", "\xE3\x80\x8F",
                                          "\xEF\xBC\x89", NULL};
    size_t at = 0, n;
    int which = 0;

    *ends = false;
    while ((n = word_at(text + at, size - at, stops, &which)) > 0) {
        *ends |= which < 3;
        at += n;
    }
    if (at == 0)
        return 0;
    while ((n = word_at(text + at, size - at, closers, &which)) > 0)
        at += n;
    *ends |= at == size || space_at(text + at, size - at) > 0;
    return at;
}

static size_t chunk_end(enum kind kind, const char *text, size_t size, size_t at)
{
    while (at < size) {
        size_t n = utf8_size(text + at, size - at), stop;
        bool ends;

        if (text[at] == '\n' && (kind == LINES || empty_line(text + at, size - at)))
            return at;
        stop = kind == SENTENCES ? stop_at(text + at, size - at, &ends) : 0;
        if (stop && ends)
            return at + stop;
        at += stop ? stop : n ? n : 1;
    }
    return size;
}

/* Without white space at its ends; nothing if nothing is left. */
static void add_span(struct chunker *c, const char *text, size_t begin, size_t end)
{
    int64_t span[2];
    size_t n;

    while (begin < end && (n = space_at(text + begin, end - begin)) > 0)
        begin += n;
    while (begin < end) {
        n = end - begin >= 3 && space_at(text + end - 3, 3) == 3 ? 3 : space_at(text + end - 1, 1);
        if (!n)
            break;
        end -= n;
    }
    if (begin == end)
        return;
    span[0] = (int64_t)begin;
    span[1] = (int64_t)end;
    buffer_add(&c->spans, span, sizeof(span));
}

/* After every so many tokens, where a character ends. */
static void cut_tokens(struct chunker *c, engine *e, const batch *b, int64_t i,
                       const embed_encode_options *encode)
{
    embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
    const char *text = b->texts[i];
    int64_t n, begin = 0, taken = 0;

    o.flags = EMBED_NO_SPECIAL_TOKENS | (encode->flags & EMBED_REPLACE_INVALID_UTF8);
    o.prompt = "";
    while ((n = embed_tokenize(e->session, text, b->text_sizes[i], NULL, 0, &o, &c->found)) >
           c->found.capacity) {
        c->found.capacity = n;
        c->found.offsets = reallocate(c->found.offsets, n, 2 * sizeof(*c->found.offsets));
    }
    if (n < 0)
        die("%s: %s", input_place(e->in, b->first + i), embed_session_error(e->session));
    for (int64_t t = 0; t < n; t++) {
        int64_t end = c->found.offsets[2 * t + 1];

        if (++taken < c->tokens || (t + 1 < n && c->found.offsets[2 * t + 3] <= end))
            continue;
        add_span(c, text, (size_t)begin, (size_t)end);
        begin = end;
        taken = 0;
    }
    add_span(c, text, (size_t)begin, (size_t)b->text_sizes[i]);
}

static void cut(struct chunker *c, engine *e, const batch *b, int64_t i,
                const embed_encode_options *encode)
{
    size_t size = (size_t)b->text_sizes[i];

    c->spans.size = 0;
    if (c->kind == TOKENS) {
        cut_tokens(c, e, b, i, encode);
        return;
    }
    for (size_t at = 0; at < size;) {
        size_t end = chunk_end(c->kind, b->texts[i], size, at);

        add_span(c, b->texts[i], at, end);
        at = end + (end < size && b->texts[i][end] == '\n');
    }
}

static void choose_kind(struct chunker *c, const char *name)
{
    static const char *const names[] = {"sentence", "paragraph", "line"};
    char *end;

    if (!name)
        return;
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            c->kind = (enum kind)i;
            return;
        }
    c->kind = TOKENS;
    c->tokens = strtoll(name, &end, 10);
    if (*name < '0' || *name > '9' || *end || c->tokens < 1 || c->tokens > INT32_MAX)
        usage("--chunks: expected sentence, paragraph, line or a number of tokens, found \"%s\"",
              name);
}

/* ---- vectors ---------------------------------------------------------------------------- */

static int32_t note_missing(void *user, int64_t span, int32_t status, const char *message)
{
    struct missing *m = user;

    (void)message;
    m->at[span] = status == EMBED_EMISSING;
    return status == EMBED_EMISSING ? 0 : -1;
}

/* A chunk that the tokenizer makes no tokens of has no vector, and is left out. */
static void write_chunks(output *out, const batch *b, int64_t i, const int64_t *spans, int64_t count,
                         const struct missing *m, const float *vectors, int64_t dim)
{
    for (int64_t k = 0; k < count; k++) {
        const int64_t *span = spans + 2 * k;

        if (m->at[k])
            continue;
        output_begin_record(out, b, i);
        fprintf(out->stream, "\"chunk\":%lld,\"start\":%lld,\"end\":%lld,\"text\":", (long long)k,
                (long long)span[0], (long long)span[1]);
        json_write_string(out->stream, b->texts[i] + span[0], (size_t)(span[1] - span[0]));
        fputs(",\"embedding\":", out->stream);
        json_write_floats(out->stream, vectors + k * dim, dim);
        output_write(out, "}\n", 2);
    }
}

static void encode_text(engine *e, struct chunker *c, const batch *b, int64_t i,
                        const embed_encode_options *encode, int64_t dim, output *out)
{
    embed_encode_options call = *encode;
    struct missing missing;
    int64_t count;
    float *vectors;

    cut(c, e, b, i, encode);
    count = (int64_t)(c->spans.size / (2 * sizeof(int64_t)));
    missing.at = allocate(count, sizeof(*missing.at));
    vectors = allocate(count * dim, sizeof(*vectors));
    call.failed = note_missing;
    call.failed_user = &missing;
    if (count > 0 && embed_encode_spans(e->session, b->texts[i], b->text_sizes[i],
                                        (const int64_t *)(const void *)c->spans.data, count, &call,
                                        vectors, dim) < 0)
        die("%s: %s", input_place(e->in, b->first + i), embed_session_error(e->session));
    write_chunks(out, b, i, (const int64_t *)(const void *)c->spans.data, count, &missing, vectors,
                 dim);
    free(missing.at);
    free(vectors);
}

void run_chunks(const options *o)
{
    struct chunker c = {.found = EMBED_TOKENS_INIT};
    embed_encode_options encode = o->encode;
    progress_span span;
    batch b = {0};
    output out;
    engine e;
    input *in;
    int64_t dim;

    if (output_format(o, FORMAT_JSONL) != FORMAT_JSONL)
        usage("-o %s: expected a name that ends in .jsonl", o->output);
    choose_kind(&c, o->chunks);
    if (!encode.pooling)
        encode.pooling = EMBED_POOL_MEAN;
    engine_open(&e, o);
    dim = engine_dim(&e, &encode);
    output_open(&out, o->output, FORMAT_JSONL);
    e.in = in = input_open(o, o->file, o->arguments, o->argument_count, false);
    progress_start(out.is_stdout && terminal_columns() > 0);
    while (input_read(in, &b, 4096)) {
        input_span(in, &b, &span);
        for (int64_t i = 0; i < b.count; i++) {
            encode_text(&e, &c, &b, i, &encode, dim, &out);
            progress_callback(&span, i + 1, b.count);
        }
        progress_clear();
        output_flush(&out);
    }
    output_close(&out);
    buffer_free(&c.spans);
    free(c.found.offsets);
    batch_free(&b);
    input_close(in);
    engine_close(&e);
}
