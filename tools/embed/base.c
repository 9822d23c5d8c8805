/* base: how a run fails (one line on standard error, nothing half written left behind), memory,
 * growing byte buffers, and text made fit for a terminal. */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *command_name = "";

void set_command(const char *name)
{
    command_name = name;
}

/* ---- failures --------------------------------------------------------------- */

/* Bytes that could act on a terminal are shown, not sent. */
static void print_escaped(const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        size_t n = utf8_size(text, left);
        unsigned char c = (unsigned char)text[0];
        bool control =
            c < 0x20 || c == 0x7f || (c == 0xc2 && n == 2 && (unsigned char)text[1] < 0xa0);

        if (n > 0 && !control) {
            fwrite(text, 1, n, stderr);
        } else {
            n = n > 0 ? n : 1;
            for (size_t i = 0; i < n; i++)
                fprintf(stderr, "\\x%02x", (unsigned char)text[i]);
        }
        text += n;
        left -= n;
    }
}

static void print_line(const char *prefix, const char *format, va_list arguments)
{
    char message[4096];

    progress_clear();
    vsnprintf(message, sizeof(message), format, arguments);
    fputs(prefix, stderr);
    print_escaped(message);
}

void quit(int status)
{
    progress_clear();
    output_discard(NULL);
    fflush(stdout);
    fflush(stderr);
    _exit(status);
}

void die(const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    va_start(arguments, format);
    print_line("embed: ", format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    quit(1);
}

void usage(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_line("embed: ", format, arguments);
    va_end(arguments);
    fprintf(stderr, "; try embed%s%s --help\n", *command_name ? " " : "", command_name);
    quit(2);
}

void warning(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_line("warning: ", format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

static bool failed;

void failure(const char *format, ...)
{
    va_list arguments;

    failed = true;
    va_start(arguments, format);
    print_line("embed: ", format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int exit_status(void)
{
    return failed ? 1 : 0;
}

/* ---- memory ------------------------------------------------------------------ */

void *reallocate(void *memory, int64_t count, size_t size)
{
    if (count < 0 || (uint64_t)count > SIZE_MAX / 2 / (size ? size : 1))
        die("out of memory");
    memory = realloc(memory, count && size ? (size_t)count * size : 1);
    if (!memory)
        die("out of memory");
    return memory;
}

void *allocate(int64_t count, size_t size)
{
    void *memory = reallocate(NULL, count, size);

    memset(memory, 0, (size_t)count * size);
    return memory;
}

void buffer_add(buffer *b, const void *data, size_t size)
{
    if (size > b->capacity - b->size) {
        size_t capacity = b->capacity * 2 + size + 64;

        b->data = reallocate(b->data, (int64_t)capacity, 1);
        b->capacity = capacity;
    }
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

void buffer_free(buffer *b)
{
    free(b->data);
    memset(b, 0, sizeof(*b));
}

/* ---- text for people ------------------------------------------------------------ */

size_t utf8_size(const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n;

    if (size == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (n > size)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

/* Columns a character takes on a terminal, nearly: 2 for East Asian wide ones and pictographs, 0
 * for marks that combine. (wcwidth would need the process's locale.) */
static int64_t character_columns(const char *text, size_t n)
{
    static const struct {
        uint32_t first, last;
        int64_t columns;
    } ranges[] = {
        {0x0300, 0x036f, 0},   {0x0483, 0x0489, 0},   {0x0591, 0x05bd, 0},   {0x0610, 0x061a, 0},
        {0x064b, 0x065f, 0},   {0x0e31, 0x0e31, 0},   {0x0e34, 0x0e3a, 0},   {0x0e47, 0x0e4e, 0},
        {0x1100, 0x115f, 2},   {0x1ab0, 0x1aff, 0},   {0x1dc0, 0x1dff, 0},   {0x200b, 0x200f, 0},
        {0x20d0, 0x20ff, 0},   {0x2e80, 0x303e, 2},   {0x3041, 0xa4cf, 2},   {0xac00, 0xd7a3, 2},
        {0xf900, 0xfaff, 2},   {0xfe00, 0xfe0f, 0},   {0xfe20, 0xfe2f, 0},   {0xfe30, 0xfe6f, 2},
        {0xff00, 0xff60, 2},   {0xffe0, 0xffe6, 2},   {0x1f300, 0x1f64f, 2}, {0x1f680, 0x1f6ff, 2},
        {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2},
    };
    const unsigned char *s = (const unsigned char *)text;
    uint32_t c = n == 1 ? s[0] : s[0] & (0x7fu >> n);

    for (size_t i = 1; i < n; i++)
        c = c << 6 | (s[i] & 0x3f);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return ranges[i].columns;
    return 1;
}

/* The character at text as it is printed: a control character or an invalid byte is one '?'. */
static size_t printable(const char *text, size_t size, const char **shown, size_t *shown_size,
                        int64_t *columns)
{
    size_t n = utf8_size(text, size);
    unsigned char c = (unsigned char)text[0];

    *shown = text;
    *shown_size = n;
    *columns = 1;
    if (n == 1 && c == '\t') {
        *shown = " ";
    } else if (n == 0 || c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)text[1] < 0xa0)) {
        *shown = "?";
        *shown_size = 1;
    } else {
        *columns = character_columns(text, n);
    }
    return n ? n : 1;
}

int64_t text_columns(const char *text, size_t size)
{
    int64_t total = 0, columns;
    const char *shown;
    size_t shown_size;

    for (size_t i = 0; i < size; total += columns)
        i += printable(text + i, size - i, &shown, &shown_size, &columns);
    return total;
}

void print_label(FILE *f, const char *text, size_t size, int64_t columns, bool pad)
{
    bool cut = text_columns(text, size) > columns;
    int64_t room = cut ? columns - 3 : columns, used = 0, width;
    const char *shown;
    size_t shown_size;

    for (size_t i = 0; i < size;) {
        i += printable(text + i, size - i, &shown, &shown_size, &width);
        if (used + width > room)
            break;
        fwrite(shown, 1, shown_size, f);
        used += width;
    }
    if (cut) {
        fputs("...", f);
        used += 3;
    }
    for (; pad && used < columns; used++)
        fputc(' ', f);
}

int64_t terminal_columns(void)
{
    struct winsize size;

    if (!isatty(STDOUT_FILENO))
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 40)
        return 80;
    return size.ws_col;
}
