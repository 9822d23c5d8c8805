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
/* A failure that does not end the run: one line now, exit 1 at the end. */
void failure(const char *format, ...) PRINTF(1, 2);
int exit_status(void);
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
       COMMAND_INFO = 1 << 5,
       COMMAND_IMAGE = 1 << 6,
       COMMAND_PIXELS = 1 << 7,
       COMMAND_MAP = 1 << 8,
       COMMAND_SCORE = 1 << 9,
       COMMAND_CHUNKS = 1 << 10,
       COMMAND_TABLE = 1 << 11,
       COMMAND_CONVERT = 1 << 12,
       COMMAND_VERIFY = 1 << 13
};

enum { FORMAT_NONE = 0, FORMAT_JSONL = 1, FORMAT_NPY = 2, FORMAT_F32 = 3, FORMAT_HTML = 4 };
enum { ALPHA_DROP = 1, ALPHA_WHITE = 2 };

typedef struct options {
    int32_t command, help;
    const char *model;
    embed_open_options open;
    embed_session_options session;
    embed_encode_options encode;
    const char *file, *jsonl, *ids, *pixels; /* where inputs come from */
    int32_t null, pair;
    int32_t image, query_image; /* of a model that takes both: inputs, queries are images */
    int32_t alpha;
    char **arguments; /* that are no options */
    int64_t argument_count;
    const char *output, *ranges, *save_ranges;
    int32_t format, precision;
    int32_t json, similarity;
    int64_t top;
    const char *query_prompt, *document_prompt, *title;
    const char *chunks;                     /* how texts are cut */
    const char *delimiter, *columns, *label; /* of a csv */
    const char *sample;
    double min_cosine; /* 0: not asked for */
    int32_t force;
} options;

typedef struct command {
    const char *name;
    int32_t bit;
    const char *arguments, *summary, *help, *examples;
    void (*run)(const options *o);
} command;

void options_parse(options *o, const command *c, int argc, char **argv);
void options_print_help(const command *c); /* usage, options and examples on standard output */
/* A line for each option: spellings, name of its value or "", help, with tabs between. */
void options_print_completion(const command *c);

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

void json_add_string(buffer *out, const char *text, size_t size);
void json_write_string(FILE *f, const char *text, size_t size);
void json_write_floats(FILE *f, const float *x, int64_t count);

/* ---- input.c: texts and images ------------------------------------------------------- */

/* Inputs read together. Pointers are into bytes and hold until the batch is read again. */
typedef struct batch {
    int64_t first, count; /* of the whole input */
    const char **texts, **pairs; /* a text, or what an image is called */
    int64_t *text_sizes, *pair_sizes;
    const char **extras; /* other keys of a JSON line: "\"id\":7,", or "" */
    int64_t *extra_sizes;
    embed_image *images; /* where they are images */
    char **errors;       /* what is wrong with an image; NULL: nothing */
    bool of_images, of_files; /* of_files: texts are names */
    buffer bytes;
    int64_t capacity;
} batch;

typedef struct progress_span progress_span;
typedef struct input input;

/* file NULL: the arguments, or standard input if there are none. Images are files, folders, and
 * lists of both a line; with --pixels, the rows of a .npy file. */
input *input_open(const options *o, const char *file, char **arguments, int64_t argument_count,
                  bool images);
/* The next inputs, at most limit; what a pipe has already sent, rather than waiting for more. */
bool input_read(input *in, batch *b, int64_t limit);
void input_read_all(input *in, batch *b);
/* A line as it is, for another kind of line than texts; false at the end. */
bool input_line(input *in, buffer *line);
/* Which part of the whole the batch read last is. */
void input_span(const input *in, const batch *b, progress_span *span);
/* "a.txt: line 3"; valid until the next call. */
const char *input_place(const input *in, int64_t index);
void input_close(input *in);
embed_input batch_view(const batch *b);
void batch_free(batch *b);

/* ---- csv.c: rows of tables as texts --------------------------------------------------- */

typedef struct csv csv;

csv *csv_open(const options *o, const char *file);
/* The next row: its text -> text, and "\"prompt\":\"the same\"," -> extra; false at the end. */
bool csv_read(csv *t, buffer *text, buffer *extra);
void csv_close(csv *t);

/* ---- files.c: names of images -------------------------------------------------------- */

typedef struct name_list {
    char **list;
    int64_t count, capacity;
} name_list;

/* What name leads to: itself, or the images in the folder and in the folders there, in byte order
 * of their paths. */
void names_add(name_list *n, const char *name);
void names_clear(name_list *n);
/* All of standard input. */
void read_standard_input(buffer *b);

/* ---- output.c: results --------------------------------------------------------------- */

/* A file appears under its name when it is whole: until then it is a temporary file beside it. */
typedef struct output {
    FILE *stream;
    const char *name;
    char *target; /* what the temporary file becomes; NULL: written in place */
    int32_t slot;
    bool is_stdout, copied; /* copied: through an unnamed file, for an end that cannot seek */
    bool exclusive, durable; /* set after opening: never replace a file; on disk once it is closed */
    int32_t format, precision;
    int64_t rows, shape[4];
    int dims;
} output;

int32_t output_format(const options *o, int32_t standard); /* from --format, or the suffix of -o */
void output_open(output *out, const char *name, int32_t format);
/* Start an array; shape[0] may be unknown (0) until output_close, which takes out->rows. */
void output_begin_array(output *out, int32_t precision, const int64_t *shape, int dims);
void output_write(output *out, const void *data, size_t size);
/* {"index":7,"file":"a.jpg", and the other keys of input i of the batch. */
void output_begin_record(output *out, const batch *b, int64_t i);
/* The rest of the record of an image that could not be used. */
void output_end_failed(output *out, const batch *b, int64_t i);
void output_flush(output *out);
void output_close(output *out);
void output_printed(void); /* end with standard output: the run fails if it did not take all */
/* Remove temporary files, and say "embed: WHY FILE is not written" if there is a WHY; safe in a
 * signal handler. */
void output_discard(const char *why);

/* ---- npy.c: arrays in ------------------------------------------------------------------ */

/* Read a .npy file of float32 whose shape has dims numbers; shape[i] that are not 0 are expected.
 */
float *npy_read(const char *name, int64_t *shape, int dims);
/* The same, of finite numbers (2, dim). */
float *read_ranges(const char *name, int64_t dim);

/* ---- progress.c: a bar on a terminal ------------------------------------------------- */

struct progress_span {    /* the part of the whole work that one call of the library does */
    int64_t first, total; /* inputs done before; in all, or 0: unknown */
    double from, to;      /* of the whole: 0 .. 1; to <= 0: unknown */
    const char *unit;     /* "texts" */
};

void progress_start(bool to_terminal); /* to_terminal: results go to the terminal: no bar */
int32_t progress_callback(void *span, int64_t done, int64_t total);
void progress_clear(void); /* safe in a signal handler */

/* ---- engine.c: the model and the session of a run ------------------------------------ */

typedef struct engine {
    embed_model *model;
    embed_session *session;
    const input *in; /* names the places of texts */
    bool images;     /* inputs are images */
    bool query_images;
} engine;

void engine_open(engine *e, const options *o);
void engine_open_model(engine *e, const options *o);              /* no session */
void engine_open_again(engine *e, const options *o); /* the same, its warnings told before */
void engine_check(engine *e, const embed_encode_options *encode); /* that the model can do it */
int64_t engine_dim(engine *e, const embed_encode_options *encode);
int64_t engine_hidden_size(const engine *e);
/* An image that cannot be used is reported and noted in b->errors; its vector is NaN. */
void engine_encode(engine *e, batch *b, const embed_encode_options *encode, float *vectors,
                   int64_t dim);
/* Inputs first .. first+count-1 of a view; offsets[count + 1] is room for those of ids. */
embed_input engine_part(const embed_input *view, int64_t first, int64_t count, int64_t *offsets);
/* A call on view failed: name the text that is to blame. */
_Noreturn void engine_die(engine *e, const embed_input *view, int64_t first,
                          const embed_encode_options *encode);
/* encode.failed for images b->images[first] and on. */
typedef struct failures {
    batch *b;
    int64_t first;
} failures;
void note_failures(embed_encode_options *encode, failures *to);
float *engine_encode_all(engine *e, const input *in, batch *b, const embed_encode_options *encode,
                         int64_t *dim);
int32_t engine_similarity(const engine *e, const options *o);
const char *similarity_name(int32_t similarity);
void engine_close(engine *e);

/* ---- convert: compare.c, choose.c ------------------------------------------------------- */

typedef struct comparison comparison; /* with float32, on texts and images of the sample */
typedef struct nearness {
    double smallest, sum; /* of the cosines */
    int64_t count, below; /* how many there are, and how many of them below 0.999 */
    int64_t weight_bytes; /* of the model */
} nearness;

comparison *comparison_open(const options *o);
/* The model as o->open says; worst: on those alone that comparison_take_worst has taken. */
nearness comparison_measure(comparison *c, const options *o, bool worst);
void comparison_take_worst(comparison *c); /* the 64 of each sample that came out farthest off */
void comparison_print(const comparison *c, const options *o); /* all, as measured last */
void comparison_close(comparison *c);
/* What to keep in float32 for --min-cosine, as keep_float takes it: o->open.keep_float, and the
 * products that it takes beside. The caller frees it. */
char *choose_products(comparison *c, const options *o);

/* ---- the map: pca.c, thumbnail.c, jpeg.c, page.c -------------------------------------- */

/* The two directions in which vectors[count][dim] vary most: where each lies along them ->
 * xy[count][2], and the part of the variance that each explains -> explained[2]. The signs are
 * such that the largest weight of a direction is positive. */
void pca(const float *vectors, int64_t count, int64_t dim, double *xy, double explained[2]);

typedef struct thumbnails thumbnails;

thumbnails *thumbnails_open(const options *o);
/* Small JPEGs of the middle square of each image, upright -> jpegs[count], empty buffers before.
 * That of an image which cannot be read stays empty. */
void thumbnails_make(thumbnails *t, const embed_image *images, int64_t count, buffer *jpegs);
void thumbnails_close(thumbnails *t);
void jpeg_write(buffer *out, const uint8_t *rgb, int width, int height);

/* What of the page is the same in each: lines, ended by NULL. */
extern const char *const page_style[], *const page_script[];

/* ---- subcommands --------------------------------------------------------------------- */

void run_vectors(const options *o); /* text, image, csv */
void run_chunks(const options *o);
void run_score(const options *o);
void run_hidden(const options *o);
void run_tokens(const options *o);
void run_similar(const options *o);
void run_search(const options *o);
void run_info(const options *o);
void run_pixels(const options *o);
void run_map(const options *o);
void run_convert(const options *o);
void run_verify(const options *o);

#endif
