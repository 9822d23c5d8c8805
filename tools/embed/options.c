/* options: one table of every option, read by the parser, printed by --help and for completion. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    HELP,
    STRING,   /* const char * */
    NUMBER,   /* int64_t >= value */
    NUMBER32, /* int32_t >= value */
    FRACTION, /* double: above 0, at most 1 */
    LAYER,    /* int32_t: EMBED_LAYER(number) */
    CHOICE,   /* int32_t: value + index in "a|b|c", which is the argument's name */
    SET,      /* int32_t := value, no argument */
    BIT       /* uint32_t |= value, no argument */
};

struct option {
    int32_t commands;
    char letter;
    const char *name, *argument;
    enum kind kind;
    int32_t value;
    size_t offset;
    const char *help;
};

#define AT(field) offsetof(options, field)

enum {
    ALL = 16383,
    FILES = COMMAND_CONVERT | COMMAND_VERIFY,
    INPUTS = ALL & ~(COMMAND_INFO | FILES),
    VECTORS = COMMAND_TEXT | COMMAND_IMAGE | COMMAND_SIMILAR | COMMAND_SEARCH | COMMAND_MAP |
              COMMAND_TABLE,
    VECTOR_FILES = COMMAND_TEXT | COMMAND_IMAGE | COMMAND_TABLE,
    SPANS = VECTORS | COMMAND_CHUNKS,
    ARRAYS = VECTOR_FILES | COMMAND_SCORE,
    PAIRS = COMMAND_TEXT | COMMAND_HIDDEN | COMMAND_TOKENS,
    STRATEGIES = PAIRS | COMMAND_SCORE,
    OUTPUTS = STRATEGIES | COMMAND_CHUNKS | COMMAND_TABLE,
    IMAGES = INPUTS & ~(COMMAND_TEXT | COMMAND_TOKENS | COMMAND_SCORE | COMMAND_CHUNKS |
                        COMMAND_TABLE),
    ONLY_IMAGES = COMMAND_IMAGE | COMMAND_PIXELS,
    TEXTS = INPUTS & ~ONLY_IMAGES,
    EITHER = IMAGES & TEXTS,
    LINES = TEXTS & ~(EITHER | COMMAND_TABLE),
    ENCODERS = ALL & ~COMMAND_PIXELS,
    LISTS = COMMAND_SIMILAR | COMMAND_SEARCH | COMMAND_INFO
};

static const struct option table[] = {
    {ALL, 'm', "model", "DIR", STRING, 0, AT(model),
     "model directory as downloaded, or a single-file model"},

    {LINES, 'f', "file", "FILE", STRING, 0, AT(file),
     "read texts from FILE, one a line (-: standard input)"},
    {ONLY_IMAGES, 'f', "file", "FILE", STRING, 0, AT(file),
     "read names of files and folders from FILE, one a line\n(-: standard input)"},
    {EITHER, 'f', "file", "FILE", STRING, 0, AT(file),
     "read texts, or names of images, from FILE, one a line\n(-: standard input); images: also a "
     "folder"},
    {LINES, 0, "null", NULL, SET, 1, AT(null),
     "texts end with NUL instead of a line feed"},
    {IMAGES, 0, "null", NULL, SET, 1, AT(null), "lines end with NUL instead of a line feed"},
    {LINES, 0, "jsonl", "FIELD", STRING, 0, AT(jsonl),
     "lines are JSON objects; the text is the string at FIELD"},
    {IMAGES, 0, "jsonl", "FIELD", STRING, 0, AT(jsonl),
     "lines are JSON objects; the text or name is the string at FIELD"},
    {PAIRS, 0, "pair", NULL, SET, 1, AT(pair), "two texts each, parted by the first tab"},
    {COMMAND_CHUNKS, 0, "chunks", "sentence|paragraph|line|N", STRING, 0, AT(chunks),
     "where a text is cut; N: after every N tokens; default: sentence"},
    {COMMAND_TABLE, 0, "columns", "A,B,...", STRING, 0, AT(columns),
     "columns of the text, in this order; default: all but that of --label"},
    {COMMAND_TABLE, 0, "label", "COLUMN", STRING, 0, AT(label),
     "put \" The classification label is VALUE. \" of this column in front"},
    {COMMAND_TABLE, 0, "delimiter", "C", STRING, 0, AT(delimiter),
     "one character between fields, or tab; default: a comma"},
    {COMMAND_HIDDEN, 0, "ids", "FILE", STRING, 0, AT(ids),
     "a JSON array of token ids a line instead of texts; nothing is added"},
    {COMMAND_HIDDEN | COMMAND_IMAGE, 0, "pixels", "FILE", STRING, 0, AT(pixels),
     "a .npy file of float32 (n, 3, height, width) instead of images:\nthe model's pixel_values, "
     "which are not preprocessed"},
    {EITHER & ~COMMAND_SEARCH, 0, "image", NULL, SET, 1, AT(image),
     "inputs are images, for a model that takes texts too"},
    {COMMAND_SEARCH, 0, "image", NULL, SET, 1, AT(image),
     "search images, with a model that takes texts too"},
    {COMMAND_SEARCH, 0, "query-image", NULL, SET, 1, AT(query_image),
     "queries are images, for a model that takes texts too"},

    {IMAGES, 0, "exif", NULL, BIT, EMBED_APPLY_EXIF, AT(encode.flags),
     "turn an image as its EXIF orientation says"},
    {IMAGES, 0, "alpha", "drop|white", CHOICE, ALPHA_DROP, AT(alpha),
     "what lies behind transparent pixels: nothing (their colour is\ntaken as it is), or white; "
     "default: drop, as the reference"},
    {IMAGES, 0, "image-size", "N", NUMBER, 1, AT(encode.image_size),
     "in place of the size in preprocessor_config.json"},
    {IMAGES & ~COMMAND_PIXELS, 0, "interpolate-pos-encoding", NULL, BIT,
     EMBED_INTERPOLATE_POS_ENCODING, AT(encode.flags),
     "take images of another size than the model's"},

    {VECTORS, 0, "pool",
     "cls|mean|max|last|weighted|sqrt_len|pooler|mean_all|patches|projection|scores", CHOICE,
     EMBED_POOL_CLS, AT(encode.pooling),
     "token vectors to one vector; replaces the model's own pooling.\nmean of images: mean_all; "
     "patches: the mean without [CLS]"},
    {COMMAND_CHUNKS, 0, "pool", "cls|mean|max|last|weighted|sqrt_len", CHOICE, EMBED_POOL_CLS,
     AT(encode.pooling), "vectors of a chunk's tokens to one vector; default: mean"},
    {SPANS | COMMAND_HIDDEN, 0, "layer", "K", LAYER, 0, AT(encode.layer),
     "hidden_states[K]: 0 is the embeddings' output; default: the last"},
    {SPANS, 0, "normalize", NULL, SET, EMBED_NORMALIZE_ON, AT(encode.normalize),
     "scale to length 1 at the end"},
    {SPANS, 0, "no-normalize", NULL, SET, EMBED_NORMALIZE_OFF, AT(encode.normalize),
     "leave out the model's own normalisation"},
    {SPANS | COMMAND_SCORE, 0, "no-modules", NULL, BIT, EMBED_NO_MODULES, AT(encode.flags),
     "leave out the modules after pooling"},
    {SPANS, 0, "dim", "N", NUMBER, 1, AT(encode.dim),
     "keep the first N numbers (then --normalize, if given)"},
    {VECTOR_FILES, 0, "precision", "float32|int8|uint8|binary|ubinary", CHOICE,
     EMBED_PRECISION_FLOAT32, AT(precision), "quantise as sentence-transformers does"},
    {VECTOR_FILES, 0, "ranges", "FILE", STRING, 0, AT(ranges),
     "smallest and largest values for int8 and uint8: .npy, float32, (2, dim);\n"
     "default: those of all inputs of this run, on which every vector then depends"},
    {VECTOR_FILES, 0, "save-ranges", "FILE", STRING, 0, AT(save_ranges),
     "write the ranges of this run's vectors"},

    {TEXTS & ~COMMAND_SEARCH, 0, "prompt", "NAME", STRING, 0, AT(encode.prompt_name),
     "put the model's prompt NAME before every text"},
    {TEXTS & ~COMMAND_SEARCH, 0, "prompt-text", "TEXT", STRING, 0, AT(encode.prompt),
     "put TEXT before every text (\"\": no prompt)"},
    {COMMAND_SEARCH, 0, "query-prompt", "NAME", STRING, 0, AT(query_prompt),
     "prompt of queries; default: \"query\" if the model has it"},
    {COMMAND_SEARCH, 0, "document-prompt", "NAME", STRING, 0, AT(document_prompt),
     "prompt of lines; default: \"document\" (else \"passage\",\n\"corpus\") if the model has it"},

    {TEXTS, 0, "max-length", "N", NUMBER, 1, AT(encode.max_length),
     "cut a text to N tokens, special tokens included"},
    {TEXTS & ~COMMAND_CHUNKS, 0, "truncation-side", "right|left", CHOICE, EMBED_TRUNCATE_RIGHT,
     AT(encode.truncation_side), "side that is cut off"},
    {STRATEGIES, 0, "strategy", "longest_first|only_first|only_second", CHOICE,
     EMBED_STRATEGY_LONGEST_FIRST, AT(encode.strategy), "member of a pair that is cut"},
    {TEXTS & ~(COMMAND_TOKENS | COMMAND_CHUNKS), 0, "no-truncation", NULL, BIT, EMBED_NO_TRUNCATION, AT(encode.flags),
     "a text over the limit is an error, not cut"},
    {VECTORS & TEXTS, 0, "long-texts", "truncate|refuse|windows", CHOICE, EMBED_LONG_TEXTS_TRUNCATE,
     AT(encode.long_texts),
     "a text over the limit is cut, is an error, or becomes the mean of\nwindows, weighted by their "
     "tokens"},
    {COMMAND_CHUNKS, 0, "long-texts", "refuse|windows", CHOICE, EMBED_LONG_TEXTS_REFUSE,
     AT(encode.long_texts),
     "a text over the limit is an error, or goes through the model in\nwindows; default: refuse"},
    {SPANS & TEXTS, 0, "stride", "N", NUMBER, 0, AT(encode.stride),
     "tokens that a window has in common with the one before"},
    {STRATEGIES, 0, "no-special-tokens", NULL, BIT, EMBED_NO_SPECIAL_TOKENS, AT(encode.flags),
     "add no [CLS] and [SEP]"},
    {TEXTS, 0, "replace-invalid", NULL, BIT, EMBED_REPLACE_INVALID_UTF8, AT(encode.flags),
     "invalid UTF-8 becomes U+FFFD instead of an error"},

    {COMMAND_SIMILAR | COMMAND_SEARCH, 0, "similarity", "cosine|dot|euclidean|manhattan", CHOICE,
     EMBED_SIMILARITY_COSINE, AT(similarity),
     "default: the model's; minus the distance for the last two"},
    {COMMAND_SEARCH, 0, "top", "N", NUMBER, 1, AT(top),
     "lines or images shown for each query; default: 5"},

    {OUTPUTS | ONLY_IMAGES, 'o', "output", "FILE", STRING, 0, AT(output),
     "write to FILE (-: standard output), the format by its suffix"},
    {COMMAND_MAP, 'o', "output", "FILE", STRING, 0, AT(output),
     "write the page to FILE (-: standard output)"},
    {ARRAYS, 0, "format", "jsonl|npy|f32", CHOICE, FORMAT_JSONL, AT(format),
     "format, whatever the suffix"},
    {COMMAND_HIDDEN, 0, "format", "jsonl|npy", CHOICE, FORMAT_JSONL, AT(format),
     "format, whatever the suffix"},
    {COMMAND_PIXELS, 0, "format", "npy|f32", CHOICE, FORMAT_NPY, AT(format),
     "format, whatever the suffix"},
    {COMMAND_MAP, 0, "title", "TEXT", STRING, 0, AT(title), "heading of the page"},
    {LISTS, 0, "json", NULL, SET, 1, AT(json), "output for programs"},

    {ALL, 0, "threads", "N", NUMBER32, 0, AT(session.threads),
     "default: the cores this process may use"},
    {ENCODERS, 0, "batch-tokens", "N", NUMBER, 1, AT(session.batch_tokens),
     "tokens of one forward pass: decides memory, never a result"},
    {COMMAND_CONVERT, 'o', "output", "FILE", STRING, 0, AT(output), "the file to write"},
    {COMMAND_CONVERT, 0, "force", NULL, SET, 1, AT(force), "replace a file that is there"},
    {COMMAND_CONVERT, 0, "dtype", "f32|f16|bf16|int8", CHOICE, EMBED_WEIGHTS_F32, AT(open.weights),
     "what weights become; default: f32, the same vectors bit by bit"},
    {COMMAND_CONVERT, 0, "sample", "FILE", STRING, 0, AT(sample),
     "compare with f32 on the texts, or the names of images, in FILE, one a line;\n"
     "default: some that are built in"},
    {COMMAND_CONVERT, 0, "min-cosine", "X", FRACTION, 0, AT(min_cosine),
     "of int8: keep products in float32 until each text or image of the sample\n"
     "has this cosine to f32; the report says which"},
    {COMMAND_CONVERT, 0, "image", NULL, SET, 1, AT(image),
     "--sample names images, for a model that takes texts too"},

    {TEXTS | COMMAND_INFO, 0, "max-text-bytes", "N", NUMBER, 1, AT(session.max_text_bytes),
     "longest text for tokenizers that cannot work piece by piece"},
    {ENCODERS & ~FILES, 0, "gemm", "auto|packed|blas", CHOICE, EMBED_GEMM_AUTO, AT(open.gemm),
     "matrix products: auto and packed are built in, blas is OpenBLAS"},
    {ENCODERS & ~(COMMAND_TOKENS | FILES), 0, "weights", "f32|f16|bf16|int8", CHOICE, EMBED_WEIGHTS_F32,
     AT(open.weights), "what layers compute with; int8 is faster, smaller and close to f32"},
    {ENCODERS & ~(COMMAND_TOKENS | COMMAND_VERIFY), 0, "keep-float", "NAMES", STRING, 0, AT(open.keep_float),
     "of int8: products that stay float32, by the ends of their weights' names,\n"
     "as layer.*.output.dense, divided by commas"},
    {ENCODERS & ~(COMMAND_TOKENS | FILES), 0, "compute", "f32|bf16|bf16-always", CHOICE, EMBED_COMPUTE_F32,
     AT(open.compute), "bf16: the CPU's own dot products, where it gains by them; always: anyway"},
    {ALL, 0, "isa", "NAME", STRING, 0, AT(open.isa),
     "instruction set: c, avx2, avx512, neon; default: the best of this CPU"},
    {ALL, 'h', "help", NULL, HELP, 0, AT(help), "show this"},
};

enum { COUNT = sizeof(table) / sizeof(table[0]) };

/* ---- parsing ---------------------------------------------------------------------------- */

static const struct option *find(const command *c, const char *name, size_t size, char letter)
{
    for (int i = 0; i < COUNT; i++) {
        const struct option *option = &table[i];

        if (!(option->commands & c->bit))
            continue;
        if (letter ? option->letter == letter
                   : strlen(option->name) == size && memcmp(option->name, name, size) == 0)
            return option;
    }
    return NULL;
}

static int64_t number(const struct option *option, const char *text, int64_t smallest,
                      int64_t largest)
{
    char *end;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if ((text[0] < '0' || text[0] > '9') || *end || errno || value < smallest || value > largest)
        usage("--%s: expected a whole number of at least %lld, found \"%s\"", option->name,
              (long long)smallest, text);
    return value;
}

static double fraction(const struct option *option, const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (!strchr("0123456789.", text[0]) || *end || !(value > 0 && value <= 1))
        usage("--%s: expected a number above 0 and at most 1, found \"%s\"", option->name, text);
    return value;
}

static int32_t choice(const struct option *option, const char *text)
{
    size_t size = strlen(text);
    const char *p = option->argument;

    for (int32_t i = 0;; i++) {
        size_t n = strcspn(p, "|");

        if (n == size && memcmp(p, text, n) == 0)
            return option->value + i;
        if (!p[n])
            usage("--%s: expected %s, found \"%s\"", option->name, option->argument, text);
        p += n + 1;
    }
}

static void store(options *o, const struct option *option, const char *text)
{
    void *field = (char *)o + option->offset;

    switch (option->kind) {
    case HELP:
        *(int32_t *)field = 1;
        break;
    case STRING:
        *(const char **)field = text;
        break;
    case NUMBER:
        *(int64_t *)field = number(option, text, option->value, INT64_MAX);
        break;
    case NUMBER32:
        *(int32_t *)field = (int32_t)number(option, text, option->value, INT32_MAX);
        break;
    case FRACTION:
        *(double *)field = fraction(option, text);
        break;
    case LAYER:
        *(int32_t *)field = (int32_t)EMBED_LAYER(number(option, text, 0, INT32_MAX - 1));
        break;
    case CHOICE:
        *(int32_t *)field = choice(option, text);
        break;
    case SET:
        *(int32_t *)field = option->value;
        break;
    case BIT:
        *(uint32_t *)field |= (uint32_t)option->value;
        break;
    }
}

/* Parse the option at argv[i]; returns the index of the last argument taken. */
static int parse_option(options *o, const command *c, int argc, char **argv, int i)
{
    const char *argument = argv[i], *text = NULL;
    bool is_long = argument[1] == '-';
    size_t size = is_long ? strcspn(argument + 2, "=") : 1;
    const struct option *option = find(c, argument + 2, size, is_long ? 0 : argument[1]);

    if (!option)
        usage("unknown option %.*s", (int)(is_long ? size + 2 : 2), argument);
    if (is_long && argument[2 + size])
        text = argument + 2 + size + 1;
    else if (!is_long && argument[2])
        text = argument + 2;
    if (!option->argument) {
        if (text)
            usage("--%s takes no value, found \"%s\"", option->name, text);
    } else if (!text) {
        if (i + 1 == argc)
            usage("--%s needs a value: %s", option->name, option->argument);
        text = argv[++i];
    }
    store(o, option, text);
    return i;
}

/* What fits together, beyond what each option says alone. */
static void check(const options *o, const command *c)
{
    const char *source = o->file ? "-f" : o->ids ? "--ids" : o->pixels ? "--pixels" : NULL;

    if (!o->model)
        usage("no model: give its directory with -m DIR");
    if ((c->bit & (COMMAND_INFO | FILES)) && o->argument_count)
        usage("unexpected argument \"%s\"", o->arguments[0]);
    if (c->bit == COMMAND_SEARCH) {
        if (!o->argument_count)
            usage("no query: give one or more as arguments");
        return;
    }
    if (o->argument_count && source)
        usage("both %s and arguments", source);
    if ((o->file != NULL) + (o->ids != NULL) + (o->pixels != NULL) > 1)
        usage("two of -f, --ids and --pixels");
    if (o->null && o->jsonl)
        usage("both --null and --jsonl");
    if (o->ids && (o->null || o->jsonl || o->pair))
        usage("--ids goes with none of --null, --jsonl and --pair");
    if ((o->argument_count || o->pixels) && (o->null || o->jsonl))
        usage("--%s is for the lines of a file or of standard input", o->null ? "null" : "jsonl");
    if (c->bit == COMMAND_TABLE && o->argument_count != 1)
        usage("expected one table as argument (-: standard input), found %lld",
              (long long)o->argument_count);
    if (o->ranges && o->precision != EMBED_PRECISION_INT8 && o->precision != EMBED_PRECISION_UINT8)
        usage("--ranges goes with --precision int8 or uint8");
    if (o->min_cosine > 0 && o->open.weights != EMBED_WEIGHTS_INT8)
        usage("--min-cosine goes with --dtype int8");
}

void options_parse(options *o, const command *c, int argc, char **argv)
{
    bool ended = false;

    memset(o, 0, sizeof(*o));
    o->command = c->bit;
    o->open.struct_size = sizeof(o->open);
    o->session.struct_size = sizeof(o->session);
    o->encode.struct_size = sizeof(o->encode);
    o->top = 5;
    o->arguments = argv; /* what is no option moves to the front */
    for (int i = 0; i < argc; i++) {
        if (ended || argv[i][0] != '-' || !argv[i][1])
            argv[o->argument_count++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            ended = true;
        else
            i = parse_option(o, c, argc, argv, i);
        if (o->help)
            return;
    }
    if ((o->command & (COMMAND_VERIFY | COMMAND_INFO)) && !o->model && o->argument_count)
        o->model = o->arguments[--o->argument_count];
    if (o->alpha == ALPHA_WHITE)
        o->encode.flags |= EMBED_ALPHA_WHITE;
    check(o, c);
}

/* ---- help -------------------------------------------------------------------------------- */

enum { HELP_COLUMN = 28 };

static void print_help_text(const char *text, int column)
{
    for (;;) {
        size_t n = strcspn(text, "\n");

        printf("%*s%.*s\n", HELP_COLUMN - column, "", (int)n, text);
        if (!text[n])
            return;
        text += n + 1;
        column = 0;
    }
}

void options_print_help(const command *c)
{
    printf("Usage: embed %s -m DIR [OPTION...]%s\n\n%s\n\nOptions:\n", c->name, c->arguments,
           c->help);
    for (int i = 0; i < COUNT; i++) {
        const struct option *option = &table[i];
        int column;

        if (!(option->commands & c->bit))
            continue;
        column = option->letter ? printf("  -%c, --%s", option->letter, option->name)
                                : printf("      --%s", option->name);
        if (option->argument)
            column += printf(" %s", option->argument);
        if (column >= HELP_COLUMN - 1) {
            putchar('\n');
            column = 0;
        }
        print_help_text(option->help, column);
    }
    printf("\nExamples:\n%s", c->examples);
}

void options_print_completion(const command *c)
{
    for (int i = 0; i < COUNT; i++) {
        const struct option *option = &table[i];

        if (!(option->commands & c->bit))
            continue;
        if (option->letter)
            printf("-%c ", option->letter);
        printf("--%s\t%s\t%.*s\n", option->name, option->argument ? option->argument : "",
               (int)strcspn(option->help, "\n"), option->help);
    }
}
