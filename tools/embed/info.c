/* info: embed info, the recipe in use and the memory it takes. */
#include "cli.h"

#include <stdarg.h>
#include <string.h>

enum { VALUE_COLUMN = 30 };

/* ---- the description, printed as it comes ------------------------------------------------ */

/* A string at its simplest; quoted when its ends would not show. */
static void print_string(json *j)
{
    buffer text = {0};
    bool quote;

    json_string(j, &text);
    quote = !text.size || text.data[0] == ' ' || text.data[text.size - 1] == ' ';
    fputs(quote ? "\"" : "", stdout);
    print_label(stdout, text.data, text.size, INT64_MAX, false);
    fputs(quote ? "\"" : "", stdout);
    buffer_free(&text);
}

static void print_scalar(json *j)
{
    const char *start;

    if (json_peek(j) == '"') {
        print_string(j);
        return;
    }
    start = j->p;
    json_skip(j);
    printf("%.*s", (int)(j->p - start), start);
}

static void print_value(json *j, int indent, int64_t column);

static void print_members(json *j, int indent)
{
    buffer key = {0};

    json_expect(j, '{');
    if (!json_take(j, '}')) {
        do {
            json_peek(j);
            key.size = 0;
            json_string(j, &key);
            json_expect(j, ':');
            printf("%*s", indent, "");
            print_label(stdout, key.data, key.size, INT64_MAX, false);
            print_value(j, indent, indent + text_columns(key.data, key.size));
        } while (json_take(j, ','));
        json_expect(j, '}');
    }
    buffer_free(&key);
}

static void move_to_value(int64_t column)
{
    do
        putchar(' ');
    while (++column < VALUE_COLUMN);
}

/* Scalars of a list on one line; its objects one after another, set apart by a dash. */
static void print_list(json *j, int indent, int64_t column)
{
    bool objects = json_peek(j) == '{', first = true;

    if (objects)
        putchar('\n');
    else
        move_to_value(column);
    if (json_peek(j) == ']')
        fputs("none", stdout);
    while (json_peek(j) != ']') {
        if (objects) {
            printf("%*s-\n", indent + 2, "");
            print_members(j, indent + 4);
        } else {
            fputs(first ? "" : ", ", stdout);
            print_scalar(j);
        }
        first = false;
        json_take(j, ',');
    }
    if (!objects)
        putchar('\n');
    json_expect(j, ']');
}

/* What follows a key that ends at column. */
static void print_value(json *j, int indent, int64_t column)
{
    if (json_take(j, '[')) {
        print_list(j, indent, column);
    } else if (json_peek(j) == '{') {
        putchar('\n');
        print_members(j, indent + 2);
    } else {
        move_to_value(column);
        print_scalar(j);
        putchar('\n');
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

struct memory {
    int64_t weights, workspace, batch_tokens, dim;
};

static struct memory measure(const engine *e, const options *o)
{
    embed_error error = EMBED_ERROR_INIT;
    struct memory m = {0};
    size_t size = 0;

    if (embed_workspace_size(e->model, &o->session, &size, &error) < 0)
        die("%s", error.message);
    m.weights = embed_model_info(e->model, EMBED_INFO_WEIGHT_BYTES);
    m.workspace = (int64_t)size;
    m.dim = embed_model_info(e->model, EMBED_INFO_DIM);
    m.batch_tokens = o->session.batch_tokens;
    if (!m.batch_tokens) {
        m.batch_tokens = embed_model_info(e->model, EMBED_INFO_MAX_LENGTH);
        m.batch_tokens = m.batch_tokens > 1024 ? m.batch_tokens : 1024;
    }
    return m;
}

PRINTF(2, 3) static void print_row(const char *key, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    printf("%-*s", VALUE_COLUMN, key);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

static double mib(int64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void print_json(const char *description, const struct memory *m)
{
    size_t size = strlen(description);

    while (size > 0 && description[size - 1] != '}')
        size--;
    printf("%.*s,\"memory\":{\"weight_bytes\":%lld,\"workspace_bytes\":%lld,\"batch_tokens\":%lld},"
           "\"version\":\"%s\",\"build\":",
           (int)size - 1, description, (long long)m->weights, (long long)m->workspace,
           (long long)m->batch_tokens, embed_version_string());
    json_write_string(stdout, embed_build_info(), strlen(embed_build_info()));
    puts("}");
}

void run_info(const options *o)
{
    struct memory m;
    const char *description;
    output out;
    engine e;

    output_open(&out, NULL, FORMAT_JSONL);
    engine_open_model(&e, o);
    description = embed_model_describe(e.model);
    m = measure(&e, o);
    if (o->json) {
        print_json(description, &m);
    } else {
        json j;

        json_open(&j, description, strlen(description), "description");
        print_row("model", "%s", o->model);
        print_row("embedding", "%lld numbers", (long long)m.dim);
        print_members(&j, 0);
        puts("memory");
        print_row("  weights", "%.1f MiB", mib(m.weights));
        print_row("  workspace", "%.1f MiB for passes of %lld tokens", mib(m.workspace),
                  (long long)m.batch_tokens);
        print_row("version", "%s", embed_version_string());
        print_row("build", "%s", embed_build_info());
    }
    output_close(&out);
    engine_close(&e);
}
