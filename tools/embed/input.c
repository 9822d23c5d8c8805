/* input: texts from arguments, a file or standard input, some thousands at a time, byte for byte as
 * they are. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_SIZE = 1 << 16, BATCH_BYTES = 1 << 24 };

struct input {
    int fd; /* -1: arguments */
    const char *name;
    char **arguments;
    int64_t argument_count;
    const char *jsonl, *own_keys; /* own_keys: of the output, which replace those of the input */
    bool pair, ended, waits;      /* waits: reading may block for long (a pipe, a terminal) */
    char terminator;
    int64_t size;     /* bytes in all; 0: unknown */
    int64_t taken;    /* records so far */
    int64_t consumed; /* bytes of them */
    buffer
        pending; /* read, and from start on not yet taken; scanned: known to hold no terminator */
    size_t start, scanned;
    buffer record;
    char place[1100];
};

input *input_open(const options *o, const char *file, char **arguments, int64_t argument_count)
{
    input *in = allocate(1, sizeof(*in));
    bool is_stdin = !file || strcmp(file, "-") == 0;
    struct stat status;

    in->fd = -1;
    in->jsonl = o->jsonl;
    in->own_keys = o->command == COMMAND_TEXT     ? " embedding "
                   : o->command == COMMAND_HIDDEN ? " tokens hidden "
                   : o->command == COMMAND_TOKENS
                       ? " ids tokens type_ids offsets word_ids sequence_ids "
                       : "";
    in->pair = o->pair != 0;
    in->terminator = o->null ? '\0' : '\n';
    if (!file && argument_count) {
        in->arguments = arguments;
        in->argument_count = argument_count;
        for (int64_t i = 0; i < argument_count; i++)
            in->size += (int64_t)strlen(arguments[i]);
        return in;
    }
    in->name = is_stdin ? "standard input" : file;
    in->fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0 || fstat(in->fd, &status) < 0)
        die("%s: cannot open: %s", in->name, strerror(errno));
    if (S_ISDIR(status.st_mode))
        die("%s: is a directory, expected a file of texts", in->name);
    if (S_ISREG(status.st_mode))
        in->size = (int64_t)status.st_size;
    else
        in->waits = true;
    if (is_stdin && isatty(in->fd))
        fprintf(stderr, "Type a text a line; Ctrl-D ends.\n");
    return in;
}

void input_close(input *in)
{
    if (in->fd > STDIN_FILENO)
        close(in->fd);
    buffer_free(&in->pending);
    buffer_free(&in->record);
    free(in);
}

int64_t input_size(const input *in)
{
    return in->size;
}

const char *input_place(const input *in, int64_t index)
{
    char *place = ((input *)in)->place;

    if (in->arguments)
        snprintf(place, sizeof(in->place), "argument %lld", (long long)index + 1);
    else
        snprintf(place, sizeof(in->place), "%.1024s: %s %lld", in->name,
                 in->terminator ? "line" : "text", (long long)index + 1);
    return place;
}

/* ---- records ------------------------------------------------------------------------- */

static bool would_wait(const input *in)
{
    struct pollfd p = {in->fd, POLLIN, 0};

    return in->waits && poll(&p, 1, 0) == 0;
}

static void fill(input *in)
{
    ssize_t n;

    if (in->start > 0) {
        memmove(in->pending.data, in->pending.data + in->start, in->pending.size - in->start);
        in->pending.size -= in->start;
        in->start = 0;
    }
    if (in->pending.capacity - in->pending.size < READ_SIZE) {
        in->pending.capacity = in->pending.capacity * 2 + READ_SIZE;
        in->pending.data = reallocate(in->pending.data, (int64_t)in->pending.capacity, 1);
    }
    do {
        n = read(in->fd, in->pending.data + in->pending.size, READ_SIZE);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        die("%s: cannot read: %s", in->name, strerror(errno));
    in->pending.size += (size_t)n;
    in->ended = n == 0;
}

/* The next record without its terminator -> data[size], valid until the next call. At the end, or
 * when the rest of the input would have to be waited for and patient is false, there is none. */
static bool next(input *in, bool patient, const char **data, size_t *size)
{
    if (in->fd < 0) {
        if (in->taken == in->argument_count)
            return false;
        *data = in->arguments[in->taken];
        *size = strlen(*data);
        in->consumed += (int64_t)*size;
        in->taken++;
        return true;
    }
    for (;;) {
        size_t left = in->pending.size - in->start;
        const char *from = in->pending.data + in->start, *found = NULL;

        if (left > in->scanned)
            found = memchr(from + in->scanned, in->terminator, left - in->scanned);
        if (found || (in->ended && left > 0)) {
            *data = from;
            *size = found ? (size_t)(found - from) : left;
            in->start += *size + (found ? 1 : 0);
            in->consumed += (int64_t)*size + (found ? 1 : 0);
            in->scanned = 0;
            in->taken++;
            return true;
        }
        in->scanned = left;
        if (in->ended || (!patient && would_wait(in)))
            return false;
        fill(in);
    }
}

bool input_line(input *in, buffer *line)
{
    const char *data;
    size_t size;

    if (!next(in, true, &data, &size))
        return false;
    line->size = 0;
    buffer_add(line, data, size);
    return true;
}

/* ---- batches ----------------------------------------------------------------------------- */

/* Room for one more; while the batch is read, pointers are offsets into bytes. */
static void grow(batch *b)
{
    if (b->count < b->capacity)
        return;
    b->capacity = b->capacity * 2 + 64;
    b->texts = reallocate(b->texts, b->capacity, sizeof(*b->texts));
    b->pairs = reallocate(b->pairs, b->capacity, sizeof(*b->pairs));
    b->extras = reallocate(b->extras, b->capacity, sizeof(*b->extras));
    b->text_sizes = reallocate(b->text_sizes, b->capacity, sizeof(*b->text_sizes));
    b->pair_sizes = reallocate(b->pair_sizes, b->capacity, sizeof(*b->pair_sizes));
    b->extra_sizes = reallocate(b->extra_sizes, b->capacity, sizeof(*b->extra_sizes));
}

static bool is_own(const input *in, const buffer *key)
{
    char word[32];

    if (key->size > sizeof(word) - 3 || memchr(key->data, ' ', key->size))
        return false;
    snprintf(word, sizeof(word), " %.*s ", (int)key->size, key->data);
    return strstr(in->own_keys, word) != NULL;
}

/* A key of {"id":7,"text":"a cat"}: the string at the field -> text; any other, as it is, -> extra,
 * "\"id\":7,". An index of the input's own comes first there: output_begin_record then counts none.
 */
static void split_key(const input *in, json *j, buffer *text, buffer *extra, bool *found)
{
    static const char index_key[] = "\"index\":";
    buffer key = {0}, rest = {0};
    const char *start = (json_peek(j), j->p);

    json_string(j, &key);
    json_expect(j, ':');
    if (key.size == strlen(in->jsonl) && memcmp(key.data, in->jsonl, key.size) == 0) {
        if (*found)
            json_die(j, "field \"%s\" a second time", in->jsonl);
        json_string(j, text);
        *found = true;
    } else {
        const char *value = (json_peek(j), j->p);

        json_skip(j);
        if (key.size == 5 && memcmp(key.data, "index", 5) == 0) {
            buffer_add(&rest, extra->data, extra->size);
            extra->size = 0;
            buffer_add(extra, index_key, sizeof(index_key) - 1);
            start = value;
        }
        if (!is_own(in, &key)) {
            buffer_add(extra, start, (size_t)(j->p - start));
            buffer_add(extra, ",", 1);
        }
        buffer_add(extra, rest.data, rest.size);
    }
    buffer_free(&key);
    buffer_free(&rest);
}

static void split_json(const input *in, const char *data, size_t size, buffer *text, buffer *extra)
{
    bool found = false;
    json j;

    json_open(&j, data, size, input_place(in, in->taken - 1));
    json_expect(&j, '{');
    if (!json_take(&j, '}')) {
        do
            split_key(in, &j, text, extra, &found);
        while (json_take(&j, ','));
        json_expect(&j, '}');
    }
    json_finish(&j);
    if (!found)
        die("%s: no field \"%s\"", j.place, in->jsonl);
}

static void add(input *in, batch *b, const char *data, size_t size)
{
    buffer extra = {0};
    size_t at = b->bytes.size;
    const char *tab;

    grow(b);
    if (in->jsonl)
        split_json(in, data, size, &b->bytes, &extra);
    else
        buffer_add(&b->bytes, data, size);
    size = b->bytes.size - at;
    b->texts[b->count] = b->pairs[b->count] = NULL;
    b->text_sizes[b->count] = (int64_t)size;
    b->pair_sizes[b->count] = 0;
    if (in->pair) {
        tab = size ? memchr(b->bytes.data + at, '\t', size) : NULL;
        if (!tab)
            die("%s: expected two texts parted by a tab, found no tab",
                input_place(in, in->taken - 1));
        b->text_sizes[b->count] = tab - (b->bytes.data + at);
        b->pair_sizes[b->count] = (int64_t)size - b->text_sizes[b->count] - 1;
    }
    b->extra_sizes[b->count++] = (int64_t)extra.size;
    buffer_add(&b->bytes, extra.data, extra.size);
    buffer_free(&extra);
}

/* Everything lies in bytes one after another: text, tab and second text, other keys. */
static void set_pointers(const input *in, batch *b)
{
    const char *p = b->bytes.data ? b->bytes.data : "";

    for (int64_t i = 0; i < b->count; i++) {
        b->texts[i] = p;
        p += b->text_sizes[i];
        if (in->pair) {
            b->pairs[i] = p + 1;
            p += 1 + b->pair_sizes[i];
        }
        b->extras[i] = p;
        p += b->extra_sizes[i];
    }
}

bool input_read(input *in, batch *b, int64_t limit)
{
    const char *data;
    size_t size;

    b->first = in->taken;
    b->count = 0;
    b->bytes.size = 0;
    while (b->count < limit && (b->bytes.size < BATCH_BYTES || limit == INT64_MAX) &&
           next(in, b->count == 0 || limit == INT64_MAX, &data, &size))
        add(in, b, data, size);
    set_pointers(in, b);
    b->bytes_read = in->consumed;
    return b->count > 0;
}

void input_read_all(input *in, batch *b)
{
    input_read(in, b, INT64_MAX);
}

void batch_view(const batch *b, int64_t first, int64_t count, embed_input *view)
{
    static const char *const none = "";
    bool pairs = b->count > 0 && b->pairs[0];

    memset(view, 0, sizeof(*view));
    view->struct_size = sizeof(*view);
    view->count = count;
    view->texts = b->texts ? b->texts + first : &none;
    view->text_sizes = b->text_sizes ? b->text_sizes + first : NULL;
    view->pairs = pairs ? b->pairs + first : NULL;
    view->pair_sizes = pairs ? b->pair_sizes + first : NULL;
}

void batch_free(batch *b)
{
    free(b->texts);
    free(b->pairs);
    free(b->extras);
    free(b->text_sizes);
    free(b->pair_sizes);
    free(b->extra_sizes);
    buffer_free(&b->bytes);
    memset(b, 0, sizeof(*b));
}
