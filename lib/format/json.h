/* JSON: one strict pass of ours over the text (RFC 8259 syntax, UTF-8, depth, duplicate keys,
 * U+0000, integers apart from floats), then cJSON's tree for configs, or the pass's own stream for
 * headers and large vocabularies. Every message names the file and the line:
 * `config.json: line 4: hidden_size: expected an integer, found a string`. */
#ifndef EMB_JSON_H
#define EMB_JSON_H

#include "../base/base.h"

#define EMB_JSON_MAX_DEPTH 128

/* ---- stream (json_reader.c) ---------------------------------------------------- */

typedef enum {
    EMB_JSON_ERROR = -1,
    EMB_JSON_END = 0, /* after the one value of the text */
    EMB_JSON_NULL, EMB_JSON_TRUE, EMB_JSON_FALSE,
    EMB_JSON_INTEGER, /* no '.', no exponent, of any size a double can hold */
    EMB_JSON_FLOAT, EMB_JSON_STRING,
    EMB_JSON_OBJECT, EMB_JSON_OBJECT_END, EMB_JSON_ARRAY, EMB_JSON_ARRAY_END,
    EMB_JSON_KEY /* of the next value */
} emb_json_event;
const char *emb_json_event_name(emb_json_event event); /* "an integer", "a string"... */

typedef struct emb_json_reader {
    const char *name; /* of the file, for messages */
    const char *text;
    size_t size, at;  /* at: next byte */
    int64_t line;     /* of that byte, from 1 */
    int32_t status;   /* why the last event is EMB_JSON_ERROR */
    embed_error *error;
    /* of the event just returned */
    const char *string; /* STRING, KEY: unescaped, NUL-terminated, valid until the next event */
    size_t string_size; /* may count U+0000, which the stream lets pass and the tree refuses */
    int64_t integer;    /* INTEGER that fits */
    bool integer_big;   /* INTEGER outside -2^63 .. 2^63-1: only number holds it, rounded */
    double number;      /* INTEGER and FLOAT, correctly rounded, whatever the locale */
    size_t value_at;    /* offset of the first byte of the value or key; it ends before `at` */
    /* inside */
    emb_buffer scratch;
    uint8_t stack[EMB_JSON_MAX_DEPTH]; /* '{' or '[' */
    int32_t depth, state;
} emb_json_reader;

void emb_json_start(emb_json_reader *r, const char *name, const char *text, size_t size,
                    const emb_allocator *a, embed_error *error);
/* Keys that occur twice in one object are the reader's user's to find: the tree's pass does. */
emb_json_event emb_json_next(emb_json_reader *r);
/* Skip the value that begins with the event just returned: an object or array to its end, a key
 * with its value. false: malformed (or event was EMB_JSON_ERROR). */
bool emb_json_skip(emb_json_reader *r, emb_json_event event);
/* Go to the value of a key of the object that was entered last: its event. false: not there, or
 * malformed. */
bool emb_json_enter(emb_json_reader *r, const char *key, emb_json_event *event);
/* The FLOAT or INTEGER just returned as Rust's serde_json reads it unless it is told to be exact: the
 * digits as one whole number rounded to a double, then one multiplication or division by a power of
 * ten. */
double emb_json_serde_number(const emb_json_reader *r);
void emb_json_stop(emb_json_reader *r);
int64_t emb_json_line(const char *text, size_t at); /* 1-based */

/* ---- tree (json.c) -------------------------------------------------------------- */

typedef struct emb_json_document emb_json_document;
typedef struct emb_json emb_json; /* a value inside a document; opaque */

/* Parse text strictly; duplicate keys in one object are an error. NULL on failure. skip: NULL, or
 * a key path such as "model.vocab" or "model.vocab|merges" whose values are not built (the tree has null) and checked but for
 * duplicate keys, which are for whoever reads them from the stream to find. */
emb_json_document *emb_json_parse(const char *name, const char *text, size_t size, const char *skip,
                                  const emb_allocator *a, embed_error *error);
/* The same, and what is skipped goes to read as it comes: key and the event of its value, of which
 * it takes all from the stream. */
typedef int32_t (*emb_json_read_fn)(void *user, const char *key, emb_json_reader *r,
                                    emb_json_event event);
emb_json_document *emb_json_parse_with(const char *name, const char *text, size_t size,
                                       const char *skip, emb_json_read_fn read, void *user,
                                       const emb_allocator *a, embed_error *error);
void emb_json_free(emb_json_document *document); /* NULL is fine */
const emb_json *emb_json_root(const emb_json_document *document); /* NULL of NULL */

/* Every function here takes v == NULL as absent. */
bool emb_json_is(const emb_json *v, emb_json_event kind); /* of a value: NULL to OBJECT, ARRAY */
const char *emb_json_kind_name(const emb_json *v);     /* "an integer", "a string", "absent"... */
int64_t emb_json_value_line(const emb_json *v);        /* where it begins in the text; 0: absent */
/* The member of an object; exact case; NULL if absent or not an object. */
const emb_json *emb_json_get(const emb_json *object, const char *key);
int64_t emb_json_length(const emb_json *v);            /* members or elements; O(length) */
const emb_json *emb_json_first(const emb_json *v);     /* of an object or array */
const emb_json *emb_json_next_sibling(const emb_json *v);
const char *emb_json_key(const emb_json *v);           /* of an object's member; NULL otherwise */
const char *emb_json_text(const emb_json *v);          /* STRING: NUL-terminated; NULL otherwise */
bool emb_json_to_int(const emb_json *v, int64_t *out); /* INTEGER within +-2^53 */
double emb_json_to_double(const emb_json *v);          /* INTEGER and FLOAT; 0 otherwise */

/* Typed reads of object[key] with a default for absent or null. A value of another kind, or outside
 * min..max, is an EMBED_EFORMAT error that names file (name), line, key, expected and found. */
int32_t emb_json_read_int(const char *name, const emb_json *object, const char *key,
                          int64_t fallback, int64_t min, int64_t max, int64_t *out,
                          embed_error *error);
/* Integers are taken too. */
int32_t emb_json_read_float(const char *name, const emb_json *object, const char *key,
                            double fallback, double *out, embed_error *error);
int32_t emb_json_read_bool(const char *name, const emb_json *object, const char *key, bool fallback,
                           bool *out, embed_error *error);
int32_t emb_json_read_string(const char *name, const emb_json *object, const char *key,
                             const char *fallback, const char **out, embed_error *error);

#endif
