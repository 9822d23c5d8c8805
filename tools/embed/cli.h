/* cli: what the files of the embed command share. The command is a host program of libembed like
 * any other: embed.h alone, no private header. A failure anywhere ends the process by die() or
 * usage(), which remove what is half written; so the functions below return only when they
 * succeeded. */
#ifndef EMBED_CLI_H
#define EMBED_CLI_H

/* C11 alone has no mkstemp, realpath or sigaction. */
#ifndef _DEFAULT_SOURCE
#  define _DEFAULT_SOURCE
#endif
#ifdef __APPLE__
#  define _DARWIN_C_SOURCE
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../../include/embed.h"

#if defined(__GNUC__)
#  define PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#  define PRINTF(at, first)
#endif

/* ---- base.c: failures, memory, bytes ------------------------------------------------- */

/* End here and now, whoever is calling: memory is the system's to take back. */
_Noreturn void quit(int status);
/* One line, exit 1. */
_Noreturn void die(const char *format, ...) PRINTF(1, 2);
/* One line that ends by naming --help, exit 2. */
_Noreturn void usage(const char *format, ...) PRINTF(1, 2);
void warning(const char *format, ...) PRINTF(1, 2);
void set_command(const char *name); /* for usage() */

void *allocate(int64_t count, size_t size); /* zeroed */
void *reallocate(void *memory, int64_t count, size_t size);

typedef struct buffer {
    char *data;
    size_t size, capacity;
} buffer;

void buffer_add(buffer *b, const void *data, size_t size);
void buffer_free(buffer *b);

size_t utf8_size(const char *text,
                 size_t size); /* bytes of the valid character at text; 0: invalid */
/* Text for people, on one line: control characters and invalid bytes become '?', and what is wider
 * than columns is cut and ends with "...". Padded with spaces to columns if pad. */
void print_label(FILE *f, const char *text, size_t size, int64_t columns, bool pad);
int64_t text_columns(const char *text, size_t size);
int64_t terminal_columns(void); /* of standard output; 0: not a terminal */

/* ---- options.c: the command line ----------------------------------------------------- */

enum { /* subcommands, as bits */
       COMMAND_TEXT = 1 << 0,
       COMMAND_HIDDEN = 1 << 1,
       COMMAND_TOKENS = 1 << 2,
       COMMAND_SIMILAR = 1 << 3,
       COMMAND_SEARCH = 1 << 4,
       COMMAND_INFO = 1 << 5
};

enum { FORMAT_NONE = 0, FORMAT_JSONL = 1, FORMAT_NPY = 2, FORMAT_F32 = 3 };

typedef struct options {
    int32_t command, help;
    const char *model;
    embed_open_options open;
    embed_session_options session;
    embed_encode_options encode;
    const char *file, *jsonl, *ids; /* where texts come from */
    int32_t null, pair;
    char **texts; /* arguments that are no options */
    int64_t text_count;
    const char *output, *ranges, *save_ranges;
    int32_t format, precision;
    int32_t json, similarity;
    int64_t top;
    const char *query_prompt, *document_prompt;
} options;

typedef struct command {
    const char *name;
    int32_t bit;
    const char *arguments, *summary, *help, *examples;
    void (*run)(const options *o);
} command;

void options_parse(options *o, const command *c, int argc, char **argv);
void options_print_help(const command *c); /* usage, options and examples on standard output */

/* ---- json.c: JSON lines -------------------------------------------------------------- */

/* A place in one JSON value. What is wrong is reported as "place: column N: ...". */
typedef struct json {
    const char *p, *end, *start, *place;
} json;

void json_open(json *j, const char *text, size_t size, const char *place);
char json_peek(json *j);         /* next character that is not space; 0: the end */
bool json_take(json *j, char c); /* take it if it is c */
void json_expect(json *j, char c);
void json_finish(json *j);              /* only space may be left */
void json_string(json *j, buffer *out); /* append the string's bytes, escapes undone */
void json_skip(json *j);                /* any one value */
int64_t json_integer(json *j);
_Noreturn void json_die(const json *j, const char *format, ...) PRINTF(2, 3);

void json_write_string(FILE *f, const char *text, size_t size);
void json_write_floats(FILE *f, const float *x, int64_t count);

/* ---- input.c: texts ------------------------------------------------------------------ */

/* Texts read together. Pointers are into bytes and hold until the batch is read again. */
typedef struct batch {
    int64_t first, count; /* of the whole input */
    int64_t bytes_read;   /* of the whole input, up to the end of this batch */
    const char **texts, **pairs;
    int64_t *text_sizes, *pair_sizes;
    const char **extras; /* other keys of a JSON line: "\"id\":7,", or "" */
    int64_t *extra_sizes;
    buffer bytes;
    int64_t capacity;
} batch;

typedef struct input input;

input *input_open(const options *o, const char *file, char **arguments, int64_t argument_count);
/* The next texts, at most limit; what a pipe has already sent, rather than waiting for more. */
bool input_read(input *in, batch *b, int64_t limit);
void input_read_all(input *in, batch *b);
/* A line as it is, for another kind of line than texts; false at the end. */
bool input_line(input *in, buffer *line);
int64_t input_size(const input *in); /* bytes of a file, arguments; 0: unknown */
/* "a.txt: line 3"; valid until the next call. */
const char *input_place(const input *in, int64_t index);
void input_close(input *in);
void batch_view(const batch *b, int64_t first, int64_t count, embed_input *view);
void batch_free(batch *b);

/* ---- output.c: results --------------------------------------------------------------- */

/* A file appears under its name when it is whole: until then it is a temporary file beside it. */
typedef struct output {
    FILE *stream;
    const char *name;
    char *target; /* what the temporary file becomes; NULL: written in place */
    int32_t slot;
    bool is_stdout, copied; /* copied: through an unnamed file, for an end that cannot seek */
    int32_t format, precision;
    int64_t rows, shape[3];
    int dims;
} output;

int32_t output_format(const options *o, int32_t standard); /* from --format, or the suffix of -o */
void output_open(output *out, const char *name, int32_t format);
/* Start an array; shape[0] may be unknown (0) until output_close, which takes out->rows. */
void output_begin_array(output *out, int32_t precision, const int64_t *shape, int dims);
void output_write(output *out, const void *data, size_t size);
void output_begin_record(output *out, int64_t index, const char *extra, int64_t extra_size);
void output_flush(output *out);
void output_close(output *out);
void output_discard(void); /* remove temporary files; safe in a signal handler */
/* Read a .npy file of float32 (2, dim). */
float *read_ranges(const char *name, int64_t dim);

/* ---- progress.c: a bar on a terminal ------------------------------------------------- */

typedef struct progress_span { /* the part of the whole work that one call of the library does */
    int64_t first, total;      /* inputs done before; in all, or 0: unknown */
    double from, to;           /* of the whole: 0 .. 1; to <= 0: unknown */
} progress_span;

void progress_start(bool to_terminal); /* to_terminal: results go to the terminal: no bar */
int32_t progress_callback(void *span, int64_t done, int64_t total);
void progress_clear(void); /* safe in a signal handler */

/* ---- engine.c: the model and the session of a run ------------------------------------ */

typedef struct engine {
    embed_model *model;
    embed_session *session;
    const input *in; /* names the places of texts */
} engine;

void engine_open(engine *e, const options *o);
void engine_open_model(engine *e, const options *o);              /* no session */
void engine_check(engine *e, const embed_encode_options *encode); /* that the model can do it */
int64_t engine_dim(engine *e, const embed_encode_options *encode);
void engine_encode(engine *e, const embed_input *view, int64_t first,
                   const embed_encode_options *encode, float *vectors, int64_t dim);
/* Inputs first .. first+count-1 of a view; offsets[count + 1] is room for those of ids. */
embed_input engine_part(const embed_input *view, int64_t first, int64_t count, int64_t *offsets);
/* A call on view failed: name the text that is to blame. */
_Noreturn void engine_die(engine *e, const embed_input *view, int64_t first,
                          const embed_encode_options *encode);
float *engine_encode_all(engine *e, const batch *b, const embed_encode_options *encode,
                         int64_t *dim);
int32_t engine_similarity(const engine *e, const options *o);
const char *similarity_name(int32_t similarity);
void engine_close(engine *e);

/* ---- subcommands --------------------------------------------------------------------- */

void run_text(const options *o);
void run_hidden(const options *o);
void run_tokens(const options *o);
void run_similar(const options *o);
void run_search(const options *o);
void run_info(const options *o);

#endif
