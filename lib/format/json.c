/* The JSON tree: a strict pass over the text, then cJSON's tree of a copy in which every number and
 * all that is skipped is 0. The numbers come from our pass, so neither cJSON's idea of a number nor the locale reaches the
 * values, and each node carries its line. The only file that includes cJSON; its nodes come from
 * malloc. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "json.h"

/* Bits of cJSON.type beyond those that cJSON uses. */
#define INTEGER (1 << 12)
#define LARGE (1 << 13) /* an integer beyond +-2^53 */

/* Values in a tree: far above any real file. Two bytes of text can become a hundred of tree. */
#define MAX_VALUES ((size_t)1 << 22)

struct emb_json_document {
    const emb_allocator *allocator;
    cJSON *root;
};

/* ---- the strict pass --------------------------------------------------------------------- */

typedef struct value_mark { /* what our pass knows of a value of the tree */
    double number;
    int type, line; /* type: of what the copy shows as 0 */
} value_mark;

typedef struct key_mark {
    uint64_t hash;
    const char *text; /* set when its object ends: the buffer of texts moves while it grows */
    size_t offset, size;
    int64_t line;
} key_mark;

typedef struct pass {
    emb_json_reader reader;
    embed_error *error;
    emb_buffer copy;   /* of the text, for cJSON */
    size_t copied;     /* of the text */
    emb_buffer values; /* value_mark of every value of the tree, in the order of the text */
    emb_buffer keys;   /* key_mark of every key of the objects that are open, outermost first */
    emb_buffer texts;  /* of these keys */
    emb_json_read_fn read; /* of what is skipped; NULL: nobody */
    void *user;
} pass;

static bool out_of_memory(pass *p)
{
    p->reader.status = emb_fail(p->error, EMBED_ENOMEM, "%s: out of memory", p->reader.name);
    return false;
}

static int compare_keys(const void *a, const void *b)
{
    const key_mark *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    int order = memcmp(x->text, y->text, x->size);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Sorting finds two keys of an object that are equal in O(n log n), whatever the keys are: the hash
 * only spares a look at most texts. The marks from keys_from on are those of the object that ends
 * here; they are taken off. */
static bool keys_differ(pass *p, size_t keys_from, size_t texts_from)
{
    if (p->keys.failed || p->texts.failed) return out_of_memory(p);
    size_t count = (p->keys.size - keys_from) / sizeof(key_mark);
    p->keys.size = keys_from;
    p->texts.size = texts_from;
    if (count < 2) return true;
    key_mark *keys = (key_mark *)(void *)(p->keys.data + keys_from);
    for (size_t i = 0; i < count; i++) keys[i].text = p->texts.data + keys[i].offset;
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count; i++) {
        const key_mark *x = &keys[i - 1], *y = &keys[i];
        if (x->size != y->size || memcmp(x->text, y->text, x->size) != 0) continue;
        emb_fail(p->error, EMBED_EFORMAT,
                 "%s: line %lld: expected each key once, found \"%s\" again (first on line %lld)",
                 p->reader.name, (long long)y->line, emb_excerpt_of(y->text, y->size).text,
                 (long long)x->line);
        return false;
    }
    return true;
}

static void add_key(pass *p)
{
    const emb_json_reader *r = &p->reader;
    key_mark mark = {.hash = UINT64_C(0xCBF29CE484222325), .offset = p->texts.size,
                     .size = r->string_size, .line = r->line};
    for (size_t i = 0; i < r->string_size; i++) /* FNV-1a */
        mark.hash = (mark.hash ^ (unsigned char)r->string[i]) * UINT64_C(0x100000001B3);
    emb_buffer_add(&p->texts, r->string, r->string_size);
    emb_buffer_add(&p->keys, &mark, sizeof mark);
}

/* The copy shows 0 for the value that began at `at` and has just ended. */
static void blank(pass *p, size_t at)
{
    emb_buffer_add(&p->copy, p->reader.text + p->copied, at - p->copied);
    emb_buffer_add(&p->copy, "0", 1);
    p->copied = p->reader.at;
}

static void add_value(pass *p, emb_json_event event)
{
    const emb_json_reader *r = &p->reader;
    value_mark mark = {.type = cJSON_NULL, .line = (int)EMB_MIN(r->line, INT_MAX)};
    if (event == EMB_JSON_INTEGER || event == EMB_JSON_FLOAT) {
        const int64_t limit = INT64_C(1) << 53;
        bool large = r->integer_big || r->integer > limit || r->integer < -limit;
        mark.number = r->number;
        mark.type = cJSON_Number;
        if (event == EMB_JSON_INTEGER) mark.type |= large ? INTEGER | LARGE : INTEGER;
    }
    emb_buffer_add(&p->values, &mark, sizeof mark);
}

static bool too_many(pass *p)
{
    p->reader.status = emb_fail(p->error, EMBED_EFORMAT,
                                "%s: line %lld: expected at most %zu values, found more",
                                p->reader.name, (long long)p->reader.line, MAX_VALUES);
    return false;
}

static bool no_nul(pass *p, emb_json_event event)
{
    const emb_json_reader *r = &p->reader;
    if (!memchr(r->string, '\0', r->string_size)) return true;
    emb_fail(p->error, EMBED_EFORMAT, "%s: line %lld: expected text, found %s with U+0000 in it",
             r->name, (long long)r->line, emb_json_event_name(event));
    return false;
}

/* What remains of a key path after `key`: "" if that was all; NULL if it begins otherwise. */
static const char *path_after(const char *path, const char *key)
{
    size_t n = path ? strcspn(path, ".") : 0, size = strlen(key);
    for (size_t at = 0, end; path && at <= n; at = end + 1) {
        end = at + strcspn(path + at, "|.");
        if (end - at != size || memcmp(path + at, key, size) != 0) continue;
        return path[n] == '.' ? path + n + 1 : path + n;
    }
    return NULL;
}

/* The key of a value that is skipped is the last one kept. */
static bool hand_over(pass *p, emb_json_event event)
{
    char key[32];
    key_mark last;
    if (p->keys.failed || p->texts.failed) return out_of_memory(p);
    memcpy(&last, p->keys.data + p->keys.size - sizeof last, sizeof last);
    size_t size = EMB_MIN(last.size, sizeof key - 1);
    memcpy(key, p->texts.data + last.offset, size);
    key[size] = '\0';
    return p->read(p->user, key, &p->reader, event) >= 0;
}

/* Check the value that begins with event and all that is in it. path: what is left of the path to
 * skip. keep: it will be in the tree. The reader bounds the depth of this recursion. */
static bool check(pass *p, emb_json_event event, const char *path, bool keep)
{
    emb_json_reader *r = &p->reader;
    size_t at = r->value_at, keys_from = p->keys.size, texts_from = p->texts.size;
    if (event == EMB_JSON_ERROR) return false;
    if (keep) add_value(p, event);
    if (p->values.size > MAX_VALUES * sizeof(value_mark)) return too_many(p);
    if (keep && event == EMB_JSON_STRING) return no_nul(p, event);
    if (keep && (event == EMB_JSON_INTEGER || event == EMB_JSON_FLOAT)) blank(p, at);
    if (event == EMB_JSON_ARRAY) {
        while ((event = emb_json_next(r)) != EMB_JSON_ARRAY_END)
            if (!check(p, event, NULL, keep)) return false;
    } else if (event == EMB_JSON_OBJECT) {
        while ((event = emb_json_next(r)) == EMB_JSON_KEY) {
            if (keep && !no_nul(p, event)) return false;
            if (keep) add_key(p);
            const char *rest = path_after(path, r->string);
            bool skip = rest && !*rest;
            event = emb_json_next(r);
            at = r->value_at;
            if (skip) add_value(p, EMB_JSON_NULL);
            if (skip && p->read) {
                if (event == EMB_JSON_ERROR || !hand_over(p, event)) return false;
            } else if (!check(p, event, skip ? NULL : rest, keep && !skip)) {
                return false;
            }
            if (skip) blank(p, at);
        }
        return event == EMB_JSON_OBJECT_END && keys_differ(p, keys_from, texts_from);
    }
    return true;
}

/* ---- the tree ---------------------------------------------------------------------------- */

/* Give each node its mark; both are in the order of the text. Returns the mark after v's. */
static const value_mark *attach(cJSON *v, const value_mark *mark)
{
    v->valueint = mark->line;
    if (v->type == cJSON_Number) {
        v->type = mark->type;
        v->valuedouble = mark->number;
    }
    mark++;
    for (cJSON *child = v->child; child; child = child->next) mark = attach(child, mark);
    return mark;
}

/* cJSON keeps the place of its last error in a global. */
static cJSON *build(const char *text, size_t size)
{
    emb_global_lock();
    cJSON *root = cJSON_ParseWithLengthOpts(text, size, NULL, false);
    emb_global_unlock();
    return root;
}

static cJSON *parse(pass *p, const char *skip)
{
    emb_json_reader *r = &p->reader;
    cJSON *root = NULL;
    if (!check(p, emb_json_next(r), skip, true) || emb_json_next(r) != EMB_JSON_END) return NULL;
    emb_buffer_add(&p->copy, r->text + p->copied, r->size - p->copied);
    if (!p->values.failed && !p->copy.failed) root = build(p->copy.data, p->copy.size);
    if (root) attach(root, (const value_mark *)(void *)p->values.data);
    else out_of_memory(p); /* cJSON refuses nothing that passed our check */
    return root;
}

emb_json_document *emb_json_parse(const char *name, const char *text, size_t size, const char *skip,
                                  const emb_allocator *a, embed_error *error)
{
    return emb_json_parse_with(name, text, size, skip, NULL, NULL, a, error);
}

emb_json_document *emb_json_parse_with(const char *name, const char *text, size_t size,
                                       const char *skip, emb_json_read_fn read, void *user,
                                       const emb_allocator *a, embed_error *error)
{
    emb_json_document *document = emb_calloc(a, 1, sizeof *document);
    if (!document) {
        emb_fail(error, EMBED_ENOMEM, "%s: out of memory", name);
        return NULL;
    }
    pass p = {.error = error, .read = read, .user = user};
    emb_json_start(&p.reader, name, text, size, a, error);
    emb_buffer_init(&p.copy, a);
    emb_buffer_init(&p.values, a);
    emb_buffer_init(&p.keys, a);
    emb_buffer_init(&p.texts, a);
    document->allocator = a;
    document->root = parse(&p, skip);
    emb_buffer_free(&p.texts);
    emb_buffer_free(&p.keys);
    emb_buffer_free(&p.values);
    emb_json_stop(&p.reader);
    emb_buffer_free(&p.copy);
    if (document->root) return document;
    emb_free(a, document);
    return NULL;
}

void emb_json_free(emb_json_document *document)
{
    if (!document) return;
    cJSON_Delete(document->root);
    emb_free(document->allocator, document);
}

/* ---- values ------------------------------------------------------------------------------ */

static const cJSON *node(const emb_json *v)
{
    return (const cJSON *)(const void *)v;
}

static const emb_json *wrap(const cJSON *v)
{
    return (const emb_json *)(const void *)v;
}

const emb_json *emb_json_root(const emb_json_document *document)
{
    return document ? wrap(document->root) : NULL;
}

static emb_json_event kind_of(const emb_json *v)
{
    switch (node(v)->type & 0xFF) {
    case cJSON_NULL: return EMB_JSON_NULL;
    case cJSON_True: return EMB_JSON_TRUE;
    case cJSON_False: return EMB_JSON_FALSE;
    case cJSON_Number: return node(v)->type & INTEGER ? EMB_JSON_INTEGER : EMB_JSON_FLOAT;
    case cJSON_String: return EMB_JSON_STRING;
    case cJSON_Object: return EMB_JSON_OBJECT;
    case cJSON_Array: return EMB_JSON_ARRAY;
    default: return EMB_JSON_ERROR;
    }
}

bool emb_json_is(const emb_json *v, emb_json_event kind)
{
    return v && kind_of(v) == kind;
}

const char *emb_json_kind_name(const emb_json *v)
{
    return v ? emb_json_event_name(kind_of(v)) : "absent";
}

int64_t emb_json_value_line(const emb_json *v)
{
    return v ? node(v)->valueint : 0;
}

const emb_json *emb_json_get(const emb_json *object, const char *key)
{
    if (!emb_json_is(object, EMB_JSON_OBJECT)) return NULL;
    for (const cJSON *child = node(object)->child; child; child = child->next)
        if (strcmp(child->string, key) == 0) return wrap(child);
    return NULL;
}

const emb_json *emb_json_first(const emb_json *v)
{
    return v ? wrap(node(v)->child) : NULL;
}

const emb_json *emb_json_next_sibling(const emb_json *v)
{
    return v ? wrap(node(v)->next) : NULL;
}

int64_t emb_json_length(const emb_json *v)
{
    int64_t length = 0;
    for (v = emb_json_first(v); v; v = emb_json_next_sibling(v)) length++;
    return length;
}

const char *emb_json_key(const emb_json *v)
{
    return v ? node(v)->string : NULL;
}

const char *emb_json_text(const emb_json *v)
{
    return emb_json_is(v, EMB_JSON_STRING) ? node(v)->valuestring : NULL;
}

bool emb_json_to_int(const emb_json *v, int64_t *out)
{
    if (!emb_json_is(v, EMB_JSON_INTEGER) || node(v)->type & LARGE) return false;
    *out = (int64_t)node(v)->valuedouble;
    return true;
}

double emb_json_to_double(const emb_json *v)
{
    return v && (node(v)->type & 0xFF) == cJSON_Number ? node(v)->valuedouble : 0;
}

/* ---- typed reads ------------------------------------------------------------------------- */

static const emb_json *member(const emb_json *object, const char *key)
{
    const emb_json *v = emb_json_get(object, key);
    return emb_json_is(v, EMB_JSON_NULL) ? NULL : v;
}

static int32_t mismatch(const char *name, const emb_json *v, const char *key, const char *expected,
                        const char *found, embed_error *error)
{
    return emb_fail(error, EMBED_EFORMAT, "%s: line %lld: %s: expected %s, found %s", name,
                    (long long)emb_json_value_line(v), key, expected, found);
}

int32_t emb_json_read_int(const char *name, const emb_json *object, const char *key,
                          int64_t fallback, int64_t min, int64_t max, int64_t *out,
                          embed_error *error)
{
    const emb_json *v = member(object, key);
    char range[96], found[32];
    int64_t n;
    *out = fallback;
    if (!v) return EMBED_OK;
    if (!emb_json_is(v, EMB_JSON_INTEGER))
        return mismatch(name, v, key, "an integer", emb_json_kind_name(v), error);
    snprintf(range, sizeof range, "an integer from %lld to %lld", (long long)min, (long long)max);
    if (!emb_json_to_int(v, &n))
        return mismatch(name, v, key, range, "one that is too large", error);
    snprintf(found, sizeof found, "%lld", (long long)n);
    if (n < min || n > max) return mismatch(name, v, key, range, found, error);
    *out = n;
    return EMBED_OK;
}

int32_t emb_json_read_float(const char *name, const emb_json *object, const char *key,
                            double fallback, double *out, embed_error *error)
{
    const emb_json *v = member(object, key);
    *out = fallback;
    if (!v) return EMBED_OK;
    if (!emb_json_is(v, EMB_JSON_INTEGER) && !emb_json_is(v, EMB_JSON_FLOAT))
        return mismatch(name, v, key, "a number", emb_json_kind_name(v), error);
    *out = emb_json_to_double(v);
    return EMBED_OK;
}

int32_t emb_json_read_bool(const char *name, const emb_json *object, const char *key, bool fallback,
                           bool *out, embed_error *error)
{
    const emb_json *v = member(object, key);
    *out = fallback;
    if (!v) return EMBED_OK;
    if (!emb_json_is(v, EMB_JSON_TRUE) && !emb_json_is(v, EMB_JSON_FALSE))
        return mismatch(name, v, key, "true or false", emb_json_kind_name(v), error);
    *out = emb_json_is(v, EMB_JSON_TRUE);
    return EMBED_OK;
}

int32_t emb_json_read_string(const char *name, const emb_json *object, const char *key,
                             const char *fallback, const char **out, embed_error *error)
{
    const emb_json *v = member(object, key);
    *out = fallback;
    if (!v) return EMBED_OK;
    if (!emb_json_is(v, EMB_JSON_STRING))
        return mismatch(name, v, key, "a string", emb_json_kind_name(v), error);
    *out = emb_json_text(v);
    return EMBED_OK;
}
