/* output: where results go. A file appears under its name when it is whole; arrays are .npy or raw;
 * records are JSON lines; a write that fails ends the run. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NPY_HEADER = 128, SLOTS = 2 };

/* Temporary files there are now, for output_discard. */
static struct {
    volatile sig_atomic_t state;
    char name[PATH_MAX + 8];
} temporary[SLOTS];

enum { UNUSED, WRITING, MOVING }; /* MOVING: it may have its own name by now */
enum { SUFFIX = sizeof(".XXXXXX") - 1 };

/* The file's own name is the temporary one without its suffix. */
static void say_discarded(const char *why, const char *name)
{
    static const char begin[] = "embed: ", end[] = " is not written\n";
    struct {
        const char *text;
        size_t size;
    } part[] = {{begin, sizeof(begin) - 1},
                {why, strlen(why)},
                {name, strlen(name) - SUFFIX},
                {end, sizeof(end) - 1}};

    for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
        if (write(STDERR_FILENO, part[i].text, part[i].size) < 0)
            return;
}

void output_discard(const char *why)
{
    for (int i = 0; i < SLOTS; i++)
        if (temporary[i].state != UNUSED && unlink(temporary[i].name) == 0 && why &&
            temporary[i].state == WRITING)
            say_discarded(why, temporary[i].name);
}

static _Noreturn void die_writing(const output *out)
{
    if (errno == EPIPE)
        quit(1); /* the reader has seen enough */
    die("%s: cannot write: %s", out->name, strerror(errno));
}

/* ---- opening ------------------------------------------------------------------------ */

int32_t output_format(const options *o, int32_t standard)
{
    const char *suffix;

    if (o->format)
        return o->format;
    if (!o->output || strcmp(o->output, "-") == 0)
        return standard;
    suffix = strrchr(o->output, '.');
    if (suffix && strcmp(suffix, ".npy") == 0)
        return FORMAT_NPY;
    if (suffix && strcmp(suffix, ".f32") == 0)
        return FORMAT_F32;
    if (suffix && strcmp(suffix, ".jsonl") == 0)
        return FORMAT_JSONL;
    if (suffix && (strcmp(suffix, ".html") == 0 || strcmp(suffix, ".htm") == 0))
        return FORMAT_HTML;
    return FORMAT_NONE;
}

/* A temporary file beside the target, which is what the name leads to. */
static void open_temporary(output *out, const char *name, bool exists, mode_t mode)
{
    char *target = exists ? realpath(name, NULL) : NULL;
    mode_t mask = umask(0);
    int fd;

    umask(mask);
    if (exists && (!target || access(target, W_OK) < 0))
        die("%s: cannot write: %s", name, strerror(errno));
    if (!target) {
        target = allocate((int64_t)strlen(name) + 1, 1);
        memcpy(target, name, strlen(name));
    }
    out->target = target;
    for (out->slot = 0; temporary[out->slot].state; out->slot++)
        ;
    if (strlen(target) >= PATH_MAX)
        die("%s: name too long", name);
    snprintf(temporary[out->slot].name, sizeof(temporary[0].name), "%s.XXXXXX", target);
    temporary[out->slot].state = WRITING;
    fd = mkstemp(temporary[out->slot].name);
    if (fd < 0) {
        temporary[out->slot].state = UNUSED;
        die("%s: cannot create: %s", name, strerror(errno));
    }
    fchmod(fd, exists ? mode & 0777 : 0666 & ~mask);
    out->stream = fdopen(fd, "w+");
}

void output_open(output *out, const char *name, int32_t format)
{
    struct stat status;

    memset(out, 0, sizeof(*out));
    out->format = format;
    if (!name || strcmp(name, "-") == 0) {
        out->is_stdout = true;
        out->name = "standard output";
        out->stream = stdout;
        if (format != FORMAT_JSONL && isatty(STDOUT_FILENO))
            die("standard output is a terminal, which cannot show %s: give -o FILE%s",
                format == FORMAT_HTML ? "a page" : "an array",
                format == FORMAT_HTML ? "" : " or --format jsonl");
        return;
    }
    out->name = name;
    if (stat(name, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            die("%s: is a directory, expected a file to write", name);
        if (S_ISREG(status.st_mode))
            open_temporary(out, name, true, status.st_mode);
        else
            out->stream = fopen(name, "w"); /* a device, a pipe */
    } else {
        open_temporary(out, name, false, 0);
    }
    if (!out->stream)
        die("%s: cannot create: %s", name, strerror(errno));
}

/* ---- arrays ---------------------------------------------------------------------------- */

/* As numpy.save writes it. The size does not depend on the shape, so that it can be written again.
 */
static void write_npy_header(output *out)
{
    char header[NPY_HEADER + 1], shape[80];
    const uint16_t one = 1;
    bool little = *(const unsigned char *)&one == 1;
    const char *descr =
        out->precision == EMBED_PRECISION_FLOAT32 ? (little ? "<f4" : ">f4")
        : out->precision == EMBED_PRECISION_UINT8 || out->precision == EMBED_PRECISION_UBINARY
            ? "|u1"
            : "|i1";
    int n = 0;

    for (int i = 0; i < out->dims; i++)
        n += snprintf(shape + n, sizeof(shape) - (size_t)n, i ? ", %lld" : "%lld",
                      (long long)out->shape[i]);
    memset(header, ' ', sizeof(header));
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)(NPY_HEADER - 10);
    header[9] = 0;
    n = snprintf(header + 10, NPY_HEADER - 10,
                 "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape);
    header[10 + n] = ' ';
    header[NPY_HEADER - 1] = '\n';
    output_write(out, header, NPY_HEADER);
}

void output_begin_array(output *out, int32_t precision, const int64_t *shape, int dims)
{
    out->precision = precision;
    out->dims = dims;
    memcpy(out->shape, shape, (size_t)dims * sizeof(*shape));
    if (out->format != FORMAT_NPY)
        return;
    if (!out->target && !shape[0]) {
        out->copied = true;
        out->stream = tmpfile();
        if (!out->stream)
            die("cannot create a temporary file: %s", strerror(errno));
    }
    write_npy_header(out);
}

void output_write(output *out, const void *data, size_t size)
{
    if (size && fwrite(data, 1, size, out->stream) != size)
        die_writing(out);
}

void output_begin_record(output *out, const batch *b, int64_t i)
{
    const char *extra = b->extras[i];
    size_t size = (size_t)b->extra_sizes[i];

    if (size > 8 && memcmp(extra, "\"index\":", 8) == 0)
        fputc('{', out->stream);
    else
        fprintf(out->stream, "{\"index\":%lld,", (long long)(b->first + i));
    if (b->of_files) {
        fputs("\"file\":", out->stream);
        json_write_string(out->stream, b->texts[i], (size_t)b->text_sizes[i]);
        fputc(',', out->stream);
    }
    output_write(out, extra, size);
}

void output_end_failed(output *out, const batch *b, int64_t i)
{
    fputs("\"error\":", out->stream);
    json_write_string(out->stream, b->errors[i], strlen(b->errors[i]));
    output_write(out, "}\n", 2);
}

/* ---- closing ----------------------------------------------------------------------------- */

void output_flush(output *out)
{
    if (fflush(out->stream) != 0 || ferror(out->stream))
        die_writing(out);
}

/* The unnamed file, now whole, goes where it belongs. */
static void copy_out(output *out)
{
    FILE *from = out->stream;
    char block[1 << 16];
    size_t n;

    out->stream = out->is_stdout ? stdout : fopen(out->name, "w");
    if (!out->stream)
        die_writing(out);
    rewind(from);
    while ((n = fread(block, 1, sizeof(block), from)) > 0)
        output_write(out, block, n);
    if (ferror(from))
        die("cannot read a temporary file: %s", strerror(errno));
    fclose(from);
}

/* The folder too must say on disk what the file is called. */
static void sync_folder(const char *name)
{
    const char *slash = strrchr(name, '/');
    char folder[PATH_MAX];
    int fd;

    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - name) + 1 : 1, slash ? name : ".");
    fd = open(folder, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* may be written but not read */
    fsync(fd);
    close(fd);
}

static void move_into_place(const output *out)
{
    const char *from = temporary[out->slot].name;

    temporary[out->slot].state = MOVING;
    if (out->exclusive && link(from, out->target) == 0)
        unlink(from);
    else if (out->exclusive && errno == EEXIST)
        die("%s: is there already, since this command began", out->name);
    else if (rename(from, out->target) < 0) /* also where files cannot have two names */
        die("%s: cannot create: %s", out->name, strerror(errno));
    if (out->durable)
        sync_folder(out->target);
}

void output_close(output *out)
{
    if (out->format == FORMAT_NPY && out->rows != out->shape[0]) {
        out->shape[0] = out->rows;
        output_flush(out);
        rewind(out->stream);
        write_npy_header(out);
    }
    output_flush(out);
    if (out->copied) {
        copy_out(out);
        output_flush(out);
    }
    if (out->is_stdout)
        return;
    if (out->durable && fsync(fileno(out->stream)) < 0)
        die_writing(out);
    if (fclose(out->stream) != 0)
        die_writing(out);
    if (out->target) {
        move_into_place(out);
        temporary[out->slot].state = UNUSED;
        free(out->target);
    }
}

void output_printed(void)
{
    output out;

    output_open(&out, NULL, FORMAT_JSONL);
    output_close(&out);
}
