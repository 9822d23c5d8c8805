/* csv: tables of RFC 4180 with a header, and their rows as the texts that embed_row_prompt makes. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct record { /* the fields of a row, one after another */
    buffer bytes;
    size_t *ends;
    int64_t count, capacity;
};

struct csv {
    FILE *stream;
    const char *list; /* in place of the stream: the rest of --columns */
    const char *name;
    char delimiter;
    int64_t line; /* being read, from 1 */
    struct record header, row;
    int64_t *columns, column_count; /* of the text */
    int64_t label;                  /* column; -1: none */
    /* of the row at hand, for embed_row_prompt */
    const char **names, **values;
    int64_t *name_sizes, *value_sizes;
};

/* ---- records ------------------------------------------------------------------------ */

static _Noreturn void die_at(const csv *t, int64_t line, const char *what)
{
    die("%s: line %lld: %s", t->name, (long long)line, what);
}

static int take(csv *t)
{
    int c;

    if (t->list)
        return *t->list ? (unsigned char)*t->list++ : EOF;
    c = getc(t->stream);
    if (c == EOF && ferror(t->stream))
        die("%s: cannot read: %s", t->name, strerror(errno));
    t->line += c == '\n';
    return c;
}

static void give_back(csv *t, int c)
{
    if (!t->list)
        ungetc(c, t->stream);
    else if (c != EOF)
        t->list--;
}

static void end_field(struct record *r)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity * 2 + 16;
        r->ends = reallocate(r->ends, r->capacity, sizeof(*r->ends));
    }
    r->ends[r->count++] = r->bytes.size;
}

static const char *field(const struct record *r, int64_t i, int64_t *size)
{
    size_t start = i ? r->ends[i - 1] : 0;

    *size = (int64_t)(r->ends[i] - start);
    return r->bytes.data ? r->bytes.data + start : "";
}

/* A field behind its opening quote; returns the character after the closing one. */
static int take_quoted(csv *t, struct record *r)
{
    int64_t line = t->line;

    for (;;) {
        int c = take(t);
        char byte = (char)c;

        if (c == EOF)
            die_at(t, line, "a quoted field that begins here has no end");
        if (c == '"' && (c = take(t)) != '"')
            return c;
        buffer_add(&r->bytes, &byte, 1);
    }
}

static int take_plain(csv *t, struct record *r, int c)
{
    for (; c != EOF && c != '\n' && c != t->delimiter; c = take(t)) {
        char byte = (char)c;

        if (c == '"')
            die_at(t, t->line, "a quote in a field that does not begin with one");
        buffer_add(&r->bytes, &byte, 1);
    }
    if (c == '\n' && r->bytes.size > (r->count ? r->ends[r->count - 1] : 0) &&
        r->bytes.data[r->bytes.size - 1] == '\r')
        r->bytes.size--;
    return c;
}

/* The next record; *line is where it begins. Lines with nothing in them are passed over. */
static bool take_record(csv *t, struct record *r, int64_t *line)
{
    int c;

    do {
        *line = t->line;
        c = take(t);
        if (c == '\r' && (c = take(t)) != '\n') {
            give_back(t, c);
            c = '\r';
        }
    } while (c == '\n');
    r->count = 0;
    r->bytes.size = 0;
    if (c == EOF)
        return false;
    for (;; c = take(t)) {
        if (c == '"') {
            c = take_quoted(t, r);
            if (c == '\r')
                c = take(t);
            if (c != EOF && c != '\n' && c != t->delimiter)
                die_at(t, t->line,
                       "expected a delimiter or the end of the line after a quoted field");
        } else {
            c = take_plain(t, r, c);
        }
        end_field(r);
        if (c != t->delimiter)
            return true;
    }
}

/* ---- columns ------------------------------------------------------------------------ */

static int64_t find_column(const csv *t, const char *name, int64_t size)
{
    for (int64_t i = 0; i < t->header.count; i++) {
        int64_t n;
        const char *known = field(&t->header, i, &n);

        if (n == size && memcmp(known, name, (size_t)n) == 0)
            return i;
    }
    die("%s: no column \"%.*s\"", t->name, (int)size, name);
}

static void read_header(csv *t)
{
    static const char mark[] = "\xEF\xBB\xBF";
    int64_t line, size;

    for (int i = 0, c; i < 3; i++)
        if ((c = getc(t->stream)) != (unsigned char)mark[i]) {
            ungetc(c, t->stream);
            if (i > 0)
                die_at(t, 1, "not valid UTF-8");
            break;
        }
    if (!take_record(t, &t->header, &line))
        die("%s: expected a header with the names of columns, found nothing", t->name);
    for (int64_t i = 0; i < t->header.count; i++) {
        const char *name = field(&t->header, i, &size);

        if (find_column(t, name, size) != i)
            die("%s: line %lld: column \"%.*s\" twice", t->name, (long long)line, (int)size, name);
    }
}

static void make_room(csv *t, int64_t columns)
{
    t->columns = allocate(columns, sizeof(*t->columns));
    t->names = allocate(columns, sizeof(*t->names));
    t->name_sizes = allocate(columns, sizeof(*t->name_sizes));
    t->values = allocate(columns, sizeof(*t->values));
    t->value_sizes = allocate(columns, sizeof(*t->value_sizes));
}

static void add_column(csv *t, int64_t column)
{
    int64_t i = t->column_count++;

    t->columns[i] = column;
    t->names[i] = field(&t->header, column, &t->name_sizes[i]);
    if (t->name_sizes[i] == 0)
        die("%s: column %lld has no name: choose others by --columns", t->name, (long long)column + 1);
}

/* --columns is a record of its own. */
static void choose_columns(csv *t, const char *wanted)
{
    csv list = {.name = "--columns", .list = wanted, .delimiter = ',', .line = 1};
    int64_t line, size;

    if (!take_record(&list, &list.row, &line))
        usage("--columns: expected names of columns, found none");
    make_room(t, list.row.count);
    for (int64_t i = 0; i < list.row.count; i++) {
        const char *name = field(&list.row, i, &size);

        add_column(t, find_column(t, name, size));
    }
    buffer_free(&list.row.bytes);
    free(list.row.ends);
}

static char delimiter_of(const options *o)
{
    const char *given = o->delimiter ? o->delimiter : ",";

    if (strcmp(given, "tab") == 0)
        return '\t';
    if (strlen(given) != 1 || strchr("\"\r\n", *given) || (unsigned char)*given >= 0x80)
        usage("--delimiter: expected one character or tab, found \"%s\"", given);
    return *given;
}

csv *csv_open(const options *o, const char *file)
{
    csv *t = allocate(1, sizeof(*t));
    bool is_stdin = strcmp(file, "-") == 0;

    t->name = is_stdin ? "standard input" : file;
    t->delimiter = delimiter_of(o);
    t->line = 1;
    t->stream = is_stdin ? stdin : fopen(file, "r");
    if (!t->stream)
        die("%s: cannot open: %s", t->name, strerror(errno));
    read_header(t);
    t->label = o->label ? find_column(t, o->label, (int64_t)strlen(o->label)) : -1;
    if (o->columns) {
        choose_columns(t, o->columns);
        return t;
    }
    make_room(t, t->header.count);
    for (int64_t i = 0; i < t->header.count; i++)
        if (i != t->label)
            add_column(t, i);
    return t;
}

/* ---- rows --------------------------------------------------------------------------- */

static void add_label(const csv *t, buffer *text)
{
    int64_t size, n;
    const char *label = field(&t->row, t->label, &size);
    char *prompt;

    n = embed_label_prompt(label, size, NULL, 0);
    prompt = allocate(n + 1, 1);
    embed_label_prompt(label, size, prompt, n + 1);
    buffer_add(text, prompt, (size_t)n);
    free(prompt);
}

static void add_row(csv *t, buffer *text)
{
    int64_t n;
    char *prompt;

    for (int64_t i = 0; i < t->column_count; i++)
        t->values[i] = field(&t->row, t->columns[i], &t->value_sizes[i]);
    n = embed_row_prompt(t->names, t->name_sizes, t->values, t->value_sizes, t->column_count, NULL,
                         0);
    prompt = allocate(n + 1, 1);
    embed_row_prompt(t->names, t->name_sizes, t->values, t->value_sizes, t->column_count, prompt,
                     n + 1);
    buffer_add(text, prompt, (size_t)n);
    free(prompt);
}

/* "prompt":"the text", of what text has from at on. */
static void add_key(buffer *extra, const buffer *text, size_t at)
{
    buffer_add(extra, "\"prompt\":", 9);
    json_add_string(extra, text->data + at, text->size - at);
    buffer_add(extra, ",", 1);
}

bool csv_read(csv *t, buffer *text, buffer *extra)
{
    size_t at = text->size;
    int64_t line;

    if (!take_record(t, &t->row, &line))
        return false;
    if (t->row.count != t->header.count)
        die("%s: line %lld: expected %lld fields, as the header has, found %lld", t->name,
            (long long)line, (long long)t->header.count, (long long)t->row.count);
    if (t->label >= 0)
        add_label(t, text);
    add_row(t, text);
    add_key(extra, text, at);
    return true;
}

void csv_close(csv *t)
{
    if (!t)
        return;
    if (t->stream != stdin)
        fclose(t->stream);
    buffer_free(&t->header.bytes);
    buffer_free(&t->row.bytes);
    free(t->header.ends);
    free(t->row.ends);
    free(t->columns);
    free(t->names);
    free(t->name_sizes);
    free(t->values);
    free(t->value_sizes);
    free(t);
}
