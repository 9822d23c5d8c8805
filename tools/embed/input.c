/* input: texts or names of images from arguments, a file or standard input, some thousands at a
 * time, byte for byte as they are. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_SIZE = 1 << 16, BATCH_BYTES = 1 << 24 };

/* Records are arguments or lines. Of texts, each is an input; of images, each is a file, or a
 * folder of any number of them. */
struct input {
    int fd; /* -1: arguments */
    const char *name;
    char **arguments;
    int64_t argument_count;
    bool images;
    const char *jsonl, *own_keys; /* own_keys: of the output, which replace those of the input */
    bool pair, ended, waits;      /* waits: reading may block for long (a pipe, a terminal) */
    char terminator;
    int64_t size;     /* bytes in all; 0: unknown */
    int64_t taken;    /* records so far */
    int64_t given;    /* inputs so far */
    int64_t total;    /* inputs in all; 0: unknown */
    int64_t consumed; /* bytes of the records */
    int64_t consumed_before; /* bytes of those before the last batch */
    name_list queue; /* images that the last record, or all arguments, led to */
    int64_t queued;  /* of them taken */
    csv *rows_of; /* a table, whose rows are texts */
    float *pixels; /* rows of --pixels, of 3 x height x width */
    int64_t rows, height, width;
    buffer standard_input; /* an image */
    buffer
        pending; /* read, and from start on not yet taken; scanned: known to hold no terminator */
    size_t start, scanned;
    buffer extra; /* other keys of the last record */
    char place[1100];
};

static const char *own_keys(int32_t subcommand)
{
    switch (subcommand) {
    case COMMAND_TEXT:
    case COMMAND_IMAGE: return " file embedding error ";
    case COMMAND_SCORE: return " scores error ";
    case COMMAND_HIDDEN: return " file tokens hidden error ";
    case COMMAND_CHUNKS: return " chunk start end text embedding ";
    case COMMAND_TOKENS: return " ids tokens type_ids offsets word_ids sequence_ids ";
    default: return "";
    }
}

static void open_pixels(input *in, const char *file)
{
    int64_t shape[4] = {0, 3, 0, 0};

    in->pixels = npy_read(file, shape, 4);
    in->name = file;
    in->rows = in->total = shape[0];
    in->height = shape[2];
    in->width = shape[3];
}

static void open_arguments(input *in, char **arguments, int64_t count)
{
    in->arguments = arguments;
    in->argument_count = in->total = count;
    for (int64_t i = 0; i < count; i++)
        in->size += (int64_t)strlen(arguments[i]);
    if (!in->images)
        return;
    for (int64_t i = 0; i < count; i++)
        names_add(&in->queue, arguments[i]);
    in->taken = count;
    in->total = in->queue.count;
}

static void open_lines(input *in, const char *file)
{
    bool is_stdin = !file || strcmp(file, "-") == 0;
    struct stat status;

    in->name = is_stdin ? "standard input" : file;
    in->fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0 || fstat(in->fd, &status) < 0)
        die("%s: cannot open: %s", in->name, strerror(errno));
    if (S_ISDIR(status.st_mode)) {
        if (!in->images)
            die("%s: is a directory, expected a file of texts", in->name);
        names_add(&in->queue, file);
        in->total = in->queue.count;
        in->ended = true;
        return;
    }
    if (S_ISREG(status.st_mode))
        in->size = (int64_t)status.st_size;
    else
        in->waits = true;
    if (is_stdin && isatty(in->fd))
        fprintf(stderr, "Type a %s a line; Ctrl-D ends.\n", in->images ? "file name" : "text");
}

input *input_open(const options *o, const char *file, char **arguments, int64_t argument_count,
                  bool images)
{
    input *in = allocate(1, sizeof(*in));

    in->fd = -1;
    in->images = images;
    in->jsonl = o->jsonl;
    in->own_keys = own_keys(o->command);
    in->pair = o->pair != 0;
    in->terminator = o->null ? '\0' : '\n';
    if (o->pixels && !images)
        usage("--pixels is for models that take images");
    if (o->pixels) {
        open_pixels(in, o->pixels);
    } else if (o->command == COMMAND_TABLE) {
        in->name = arguments[0];
        in->rows_of = csv_open(o, arguments[0]);
    } else if (!file && argument_count) {
        open_arguments(in, arguments, argument_count);
    } else {
        open_lines(in, file);
    }
    return in;
}

void input_close(input *in)
{
    if (in->fd > STDIN_FILENO)
        close(in->fd);
    buffer_free(&in->pending);
    buffer_free(&in->extra);
    buffer_free(&in->standard_input);
    names_clear(&in->queue);
    csv_close(in->rows_of);
    free(in->pixels);
    free(in);
}

void input_span(const input *in, const batch *b, progress_span *span)
{
    span->unit = in->images ? "images" : "texts";
    span->first = b->first;
    span->total = in->total;
    span->from = span->to = 0;
    if (in->total > 0) {
        span->from = (double)b->first / (double)in->total;
        span->to = (double)(b->first + b->count) / (double)in->total;
    } else if (in->size > 0) {
        span->from = (double)in->consumed_before / (double)in->size;
        span->to = (double)in->consumed / (double)in->size;
    }
}

const char *input_place(const input *in, int64_t index)
{
    char *place = ((input *)in)->place;

    if (in->arguments)
        snprintf(place, sizeof(in->place), "argument %lld", (long long)index + 1);
    else
        snprintf(place, sizeof(in->place), "%.1024s: %s %lld", in->name,
                 in->rows_of      ? "row"
                 : in->terminator ? "line"
                 : in->images     ? "name"
                                  : "text",
                 (long long)index + 1);
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
    b->images = reallocate(b->images, b->capacity, sizeof(*b->images));
    b->errors = reallocate(b->errors, b->capacity, sizeof(*b->errors));
}

static void clear(batch *b)
{
    for (int64_t i = 0; i < b->count; i++)
        free(b->errors[i]);
    b->count = 0;
    b->bytes.size = 0;
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

/* What bytes has from at on is a text (or a name and its NUL); extra comes after it. */
static void add(input *in, batch *b, size_t at, const buffer *extra)
{
    grow(b);
    b->pair_sizes[b->count] = 0;
    b->text_sizes[b->count] = (int64_t)(b->bytes.size - at) - (in->images ? 1 : 0);
    b->extra_sizes[b->count] = (int64_t)extra->size;
    b->errors[b->count] = NULL;
    buffer_add(&b->bytes, extra->data, extra->size);
    b->count++;
    in->given++;
}

static void take_text(input *in, const char *data, size_t size, buffer *text)
{
    in->extra.size = 0;
    if (in->jsonl)
        split_json(in, data, size, text, &in->extra);
    else
        buffer_add(text, data, size);
}

static bool read_text(input *in, batch *b, bool patient)
{
    size_t at = b->bytes.size, size;
    const char *data, *tab;

    if (in->rows_of) {
        in->extra.size = 0;
        if (!csv_read(in->rows_of, &b->bytes, &in->extra))
            return false;
        add(in, b, at, &in->extra);
        return true;
    }
    if (!next(in, patient, &data, &size))
        return false;
    take_text(in, data, size, &b->bytes);
    size = b->bytes.size - at;
    add(in, b, at, &in->extra);
    if (in->pair) {
        tab = size ? memchr(b->bytes.data + at, '\t', size) : NULL;
        if (!tab)
            die("%s: expected two texts parted by a tab, found no tab",
                input_place(in, in->taken - 1));
        b->text_sizes[b->count - 1] = tab - (b->bytes.data + at);
        b->pair_sizes[b->count - 1] = (int64_t)size - b->text_sizes[b->count - 1] - 1;
    }
    return true;
}

/* A line of a list: the images it leads to -> queue. */
static void take_name(input *in, const char *data, size_t size)
{
    buffer name = {0};

    take_text(in, data, size, &name);
    if (name.size == 0 || memchr(name.data, '\0', name.size))
        die("%s: expected a file name, found %s", input_place(in, in->taken - 1),
            name.size ? "a NUL byte: an image is given as an argument, -f takes a list"
                      : "an empty line");
    buffer_add(&name, "", 1);
    names_clear(&in->queue);
    in->queued = 0;
    names_add(&in->queue, name.data);
    buffer_free(&name);
}

static bool read_image(input *in, batch *b, bool patient)
{
    size_t at = b->bytes.size, size;
    const char *data, *name;

    if (in->pixels) {
        if (in->given == in->rows)
            return false;
        snprintf(in->place, sizeof(in->place), "%.1024s: image %lld", in->name,
                 (long long)in->given + 1);
        name = in->place;
    } else {
        while (in->queued == in->queue.count) {
            if (!next(in, patient, &data, &size))
                return false;
            take_name(in, data, size);
        }
        name = in->queue.list[in->queued++];
    }
    buffer_add(&b->bytes, name, strlen(name) + 1);
    add(in, b, at, &in->extra);
    return true;
}

/* Everything lies in bytes one after another: text, tab and second text, other keys. */
static void set_pointers(const input *in, batch *b)
{
    const char *p = b->bytes.data ? b->bytes.data : "";

    for (int64_t i = 0; i < b->count; i++) {
        b->texts[i] = p;
        b->pairs[i] = NULL;
        p += b->text_sizes[i] + (in->images ? 1 : 0);
        if (in->pair) {
            b->pairs[i] = p + 1;
            p += 1 + b->pair_sizes[i];
        }
        b->extras[i] = p;
        p += b->extra_sizes[i];
    }
}

static void set_image(input *in, embed_image *image, const char *name, int64_t row)
{
    memset(image, 0, sizeof(*image));
    image->path = name;
    if (in->pixels) {
        image->format = EMBED_IMAGE_PIXEL_VALUES;
        image->height = (int32_t)in->height;
        image->width = (int32_t)in->width;
        image->data = in->pixels + row * 3 * in->height * in->width;
    } else if (in->arguments && strcmp(name, "-") == 0) {
        if (!in->standard_input.data)
            read_standard_input(&in->standard_input);
        image->path = "standard input";
        image->data = in->standard_input.data;
        image->size = (int64_t)in->standard_input.size;
    }
}

bool input_read(input *in, batch *b, int64_t limit)
{
    bool (*read_one)(input *, batch *, bool) = in->images ? read_image : read_text;

    clear(b);
    b->first = in->given;
    b->of_images = in->images;
    b->of_files = in->images && !in->pixels;
    in->consumed_before = in->consumed;
    while (b->count < limit && (b->bytes.size < BATCH_BYTES || limit == INT64_MAX) &&
           read_one(in, b, b->count == 0 || limit == INT64_MAX))
        ;
    set_pointers(in, b);
    for (int64_t i = 0; in->images && i < b->count; i++)
        set_image(in, &b->images[i], b->texts[i], b->first + i);
    return b->count > 0;
}

void input_read_all(input *in, batch *b)
{
    input_read(in, b, INT64_MAX);
}

embed_input batch_view(const batch *b)
{
    static const embed_image no_image;
    static const char *const no_text = "";
    embed_input view = EMBED_INPUT_INIT;

    view.count = b->count;
    if (b->of_images) {
        view.images = b->images ? b->images : &no_image;
        return view;
    }
    view.texts = b->texts ? b->texts : &no_text;
    view.text_sizes = b->text_sizes;
    if (b->count > 0 && b->pairs[0]) {
        view.pairs = b->pairs;
        view.pair_sizes = b->pair_sizes;
    }
    return view;
}

void batch_free(batch *b)
{
    clear(b);
    free(b->texts);
    free(b->pairs);
    free(b->extras);
    free(b->text_sizes);
    free(b->pair_sizes);
    free(b->extra_sizes);
    free(b->images);
    free(b->errors);
    buffer_free(&b->bytes);
    memset(b, 0, sizeof(*b));
}
