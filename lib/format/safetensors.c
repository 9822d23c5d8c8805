/* safetensors: 8 bytes of header length, a JSON header, the data. Every rejection of the reference
 * validator, in its order, and a few more: a name, key or field twice, U+0000 in a text, more than
 * EMB_TENSOR_MAX_RANK dimensions, a dimension beyond int64, a tensor written as an array. */
#include <stdio.h>
#include <stdlib.h>

#include "safetensors.h"

#define LENGTH_SIZE 8
#define HEADER_LIMIT EMB_HEADER_LIMIT /* the reference's */

static const struct {
    const char *name;
    uint8_t bits;
} dtypes[] = {
    [EMB_F32] = {"F32", 32}, [EMB_F16] = {"F16", 16}, [EMB_BF16] = {"BF16", 16},
    [EMB_F64] = {"F64", 64}, [EMB_BOOL] = {"BOOL", 8}, [EMB_U8] = {"U8", 8}, [EMB_I8] = {"I8", 8},
    [EMB_I16] = {"I16", 16}, [EMB_U16] = {"U16", 16}, [EMB_I32] = {"I32", 32},
    [EMB_U32] = {"U32", 32}, [EMB_I64] = {"I64", 64}, [EMB_U64] = {"U64", 64},
    [EMB_C64] = {"C64", 64}, [EMB_F8_E5M2] = {"F8_E5M2", 8}, [EMB_F8_E4M3] = {"F8_E4M3", 8},
    [EMB_F8_E8M0] = {"F8_E8M0", 8}, [EMB_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8},
    [EMB_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8}, [EMB_F4] = {"F4", 4}, [EMB_F6_E2M3] = {"F6_E2M3", 6},
    [EMB_F6_E3M2] = {"F6_E3M2", 6}};

typedef struct entry { /* a tensor as the header states it, not yet checked against the data */
    emb_tensor tensor; /* without data, bytes */
    uint64_t begin, end;
} entry;

typedef struct header {
    const char *file; /* name, for messages */
    emb_json_reader reader;
    embed_error *error;
    char *strings;    /* no text takes more bytes than the JSON it comes from */
    size_t used;
    emb_buffer entries;  /* entry[] */
    emb_buffer metadata; /* emb_metadata[] */
} header;

const char *emb_dtype_name(emb_dtype dtype)
{
    return dtypes[dtype].name;
}

size_t emb_dtype_bits(emb_dtype dtype)
{
    return dtypes[dtype].bits;
}

emb_shape_text emb_shape_of(const int64_t *shape, int32_t rank)
{
    emb_shape_text s = {"["};
    size_t used = 1;
    for (int32_t i = 0; i < rank; i++)
        used += (size_t)snprintf(s.text + used, sizeof s.text - used, "%s%lld", i ? ", " : "",
                                 (long long)shape[i]);
    s.text[used] = ']';
    return s;
}

static emb_excerpt excerpt(const char *text)
{
    return emb_excerpt_of(text, strlen(text));
}

/* ---- reading the header ------------------------------------------------------------------ */

/* `model.safetensors: tensor "x": shape: expected E, found F` */
static int32_t mismatch(header *h, const char *tensor, const char *field, const char *expected,
                        const char *found)
{
    return emb_fail(h->error, EMBED_EFORMAT, "%s: tensor \"%s\": %s%sexpected %s, found %s",
                    h->file, excerpt(tensor).text, field, *field ? ": " : "", expected, found);
}

/* The event is of another kind, or malformed JSON, whose error is set already. */
static int32_t wrong_kind(header *h, const char *tensor, const char *field, const char *expected,
                          emb_json_event event)
{
    if (event == EMB_JSON_ERROR) return h->reader.status;
    return mismatch(h, tensor, field, expected, emb_json_event_name(event));
}

/* `model.safetensors: __metadata__: "x": expected E, found F` */
static int32_t wrong_metadata(header *h, const char *key, const char *expected,
                              emb_json_event event)
{
    if (event == EMB_JSON_ERROR) return h->reader.status;
    return emb_fail(h->error, EMBED_EFORMAT, "%s: __metadata__: %s%s%sexpected %s, found %s",
                    h->file, key ? "\"" : "", key ? excerpt(key).text : "", key ? "\": " : "",
                    expected, emb_json_event_name(event));
}

static bool string_is(const emb_json_reader *r, const char *text)
{
    return strlen(text) == r->string_size && strcmp(text, r->string) == 0;
}

static const char *keep_string(header *h)
{
    char *copy = h->strings + h->used;
    memcpy(copy, h->reader.string, h->reader.string_size + 1);
    h->used += h->reader.string_size + 1;
    return copy;
}

static int32_t refuse_nul(header *h, const char *what)
{
    const emb_json_reader *r = &h->reader;
    if (!memchr(r->string, '\0', r->string_size)) return EMBED_OK;
    return emb_fail(h->error, EMBED_EFORMAT,
                    "%s: header: expected text as %s, found U+0000 after \"%s\"", h->file, what,
                    excerpt(r->string).text);
}

/* The event just returned as an unsigned integer below 2^64. */
static bool to_u64(const emb_json_reader *r, emb_json_event event, uint64_t *out)
{
    if (event != EMB_JSON_INTEGER || r->text[r->value_at] == '-') return false;
    *out = 0;
    for (size_t i = r->value_at; i < r->at; i++) {
        uint64_t digit = (uint64_t)(r->text[i] - '0');
        if (*out > (UINT64_MAX - digit) / 10) return false;
        *out = 10 * *out + digit;
    }
    return true;
}

/* Up to `limit` unsigned integers; their number, whatever it is, is *count. */
static int32_t read_numbers(header *h, const char *tensor, const char *field, uint64_t *numbers,
                            int32_t limit, int32_t *count)
{
    emb_json_reader *r = &h->reader;
    emb_json_event event = emb_json_next(r);
    if (event != EMB_JSON_ARRAY) return wrong_kind(h, tensor, field, "an array of integers", event);
    for (*count = 0; (event = emb_json_next(r)) != EMB_JSON_ARRAY_END; ) {
        uint64_t n;
        if (!to_u64(r, event, &n)) {
            if (event != EMB_JSON_INTEGER && event != EMB_JSON_FLOAT)
                return wrong_kind(h, tensor, field, "an unsigned 64-bit integer", event);
            return mismatch(h, tensor, field, "an unsigned 64-bit integer",
                            emb_excerpt_of(r->text + r->value_at, r->at - r->value_at).text);
        }
        if (*count < limit) numbers[*count] = n;
        if (*count <= limit) ++*count;
    }
    return EMBED_OK;
}

static int32_t read_dtype(header *h, emb_tensor *t)
{
    emb_json_reader *r = &h->reader;
    emb_json_event event = emb_json_next(r);
    char found[80];
    if (event != EMB_JSON_STRING) return wrong_kind(h, t->name, "dtype", "a string", event);
    for (int64_t i = 0; i < EMB_COUNT(dtypes); i++) {
        if (!string_is(r, dtypes[i].name)) continue;
        t->dtype = (emb_dtype)i;
        return EMBED_OK;
    }
    snprintf(found, sizeof found, "\"%s\"", emb_excerpt_of(r->string, r->string_size).text);
    return mismatch(h, t->name, "dtype", "one of the format (F32, F16, BF16...)", found);
}

static int32_t read_shape(header *h, emb_tensor *t)
{
    uint64_t shape[EMB_TENSOR_MAX_RANK];
    int32_t status = read_numbers(h, t->name, "shape", shape, EMB_TENSOR_MAX_RANK, &t->rank);
    if (status < 0) return status;
    if (t->rank > EMB_TENSOR_MAX_RANK)
        return mismatch(h, t->name, "shape", "at most 8 dimensions", "more");
    for (int32_t i = 0; i < t->rank; i++) {
        if (shape[i] > INT64_MAX)
            return mismatch(h, t->name, "shape", "dimensions below 2^63", "a larger one");
        t->shape[i] = (int64_t)shape[i];
    }
    return EMBED_OK;
}

static int32_t read_offsets(header *h, entry *e)
{
    uint64_t offsets[2];
    int32_t count;
    int32_t status = read_numbers(h, e->tensor.name, "data_offsets", offsets, 2, &count);
    if (status < 0) return status;
    if (count != 2)
        return mismatch(h, e->tensor.name, "data_offsets", "two integers",
                        count > 2 ? "more" : count == 1 ? "one" : "none");
    e->begin = offsets[0];
    e->end = offsets[1];
    return EMBED_OK;
}

/* The reader has just returned the tensor's name. */
static int32_t read_tensor(header *h)
{
    static const char *const fields[] = {"dtype", "shape", "data_offsets"};
    emb_json_reader *r = &h->reader;
    bool seen[EMB_COUNT(fields)] = {false};
    entry e = {.tensor = {.file = h->file}};
    int32_t field, status = refuse_nul(h, "a tensor's name");
    if (status < 0) return status;
    e.tensor.name = keep_string(h);
    emb_json_event event = emb_json_next(r);
    if (event != EMB_JSON_OBJECT) return wrong_kind(h, e.tensor.name, "", "an object", event);
    while ((event = emb_json_next(r)) == EMB_JSON_KEY) {
        for (field = 0; field < EMB_COUNT(fields); field++)
            if (string_is(r, fields[field])) break;
        if (field == EMB_COUNT(fields)) {
            if (!emb_json_skip(r, event)) return r->status;
            continue;
        }
        if (seen[field]) return mismatch(h, e.tensor.name, fields[field], "it once", "it again");
        seen[field] = true;
        status = field == 0 ? read_dtype(h, &e.tensor)
               : field == 1 ? read_shape(h, &e.tensor) : read_offsets(h, &e);
        if (status < 0) return status;
    }
    if (event == EMB_JSON_ERROR) return r->status;
    for (field = 0; field < EMB_COUNT(fields); field++)
        if (!seen[field]) return mismatch(h, e.tensor.name, "", fields[field], "none");
    emb_buffer_add(&h->entries, &e, sizeof e);
    return EMBED_OK;
}

static int32_t read_metadata(header *h)
{
    emb_json_reader *r = &h->reader;
    emb_json_event event = emb_json_next(r);
    emb_metadata pair;
    int32_t status;
    if (event == EMB_JSON_NULL) return EMBED_OK;
    if (event != EMB_JSON_OBJECT) return wrong_metadata(h, NULL, "an object of strings", event);
    while ((event = emb_json_next(r)) == EMB_JSON_KEY) {
        if ((status = refuse_nul(h, "a key of __metadata__")) < 0) return status;
        pair.key = keep_string(h);
        event = emb_json_next(r);
        if (event != EMB_JSON_STRING) return wrong_metadata(h, pair.key, "a string", event);
        if ((status = refuse_nul(h, "a value of __metadata__")) < 0) return status;
        pair.value = keep_string(h);
        emb_buffer_add(&h->metadata, &pair, sizeof pair);
    }
    return event == EMB_JSON_ERROR ? r->status : EMBED_OK;
}

static int32_t read_header(header *h)
{
    emb_json_reader *r = &h->reader;
    bool has_metadata = false;
    int32_t status = EMBED_OK;
    emb_json_event event = emb_json_next(r);
    if (event == EMB_JSON_ERROR) return r->status;
    if (event != EMB_JSON_OBJECT)
        return emb_fail(h->error, EMBED_EFORMAT, "%s: header: expected an object, found %s",
                        h->file, emb_json_event_name(event));
    while (status == EMBED_OK && (event = emb_json_next(r)) == EMB_JSON_KEY) {
        if (!string_is(r, "__metadata__")) {
            status = read_tensor(h);
        } else if (has_metadata) {
            status = emb_fail(h->error, EMBED_EFORMAT,
                              "%s: __metadata__: expected it once, found it again", h->file);
        } else {
            has_metadata = true;
            status = read_metadata(h);
        }
    }
    if (status == EMBED_OK && event != EMB_JSON_ERROR)
        event = emb_json_next(r); /* nothing may follow */
    if (status == EMBED_OK && event == EMB_JSON_ERROR) status = r->status;
    if (status == EMBED_OK && (h->entries.failed || h->metadata.failed))
        status = emb_fail(h->error, EMBED_ENOMEM, "%s: out of memory", h->file);
    return status;
}

/* ---- checking it against the data -------------------------------------------------------- */

static int by_metadata_key(const void *a, const void *b)
{
    return strcmp(((const emb_metadata *)a)->key, ((const emb_metadata *)b)->key);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->tensor.name, ((const entry *)b)->tensor.name);
}

static int by_offsets(const void *a, const void *b)
{
    const entry *x = *(const entry *const *)a, *y = *(const entry *const *)b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Sort both lists, by which what occurs twice becomes neighbours. */
static int32_t check_names(header *h, entry *entries, size_t count, emb_metadata *metadata,
                           size_t metadata_count)
{
    if (count) qsort(entries, count, sizeof *entries, by_name);
    if (metadata_count) qsort(metadata, metadata_count, sizeof *metadata, by_metadata_key);
    for (size_t i = 1; i < count; i++)
        if (by_name(&entries[i - 1], &entries[i]) == 0)
            return mismatch(h, entries[i].tensor.name, "", "the name once", "it again");
    for (size_t i = 1; i < metadata_count; i++)
        if (by_metadata_key(&metadata[i - 1], &metadata[i]) == 0)
            return emb_fail(h->error, EMBED_EFORMAT,
                            "%s: __metadata__: \"%s\": expected the key once, found it again",
                            h->file, excerpt(metadata[i].key).text);
    return EMBED_OK;
}

/* Bytes of a tensor by its dtype and shape. */
static int32_t tensor_bytes(header *h, const emb_tensor *t, size_t *bytes)
{
    size_t bits = 1;
    bool fits = true;
    for (int32_t i = 0; i < t->rank && fits; i++) /* a 0 that comes later does not help */
        fits = (uint64_t)t->shape[i] <= SIZE_MAX && emb_mul(bits, (size_t)t->shape[i], &bits);
    if (!fits || !emb_mul(bits, dtypes[t->dtype].bits, &bits))
        return emb_fail(h->error, EMBED_EFORMAT,
                        "%s: tensor \"%s\": expected a size that fits 64 bits, found %s %s",
                        h->file, excerpt(t->name).text, dtypes[t->dtype].name,
                        emb_shape_of(t->shape, t->rank).text);
    if (bits % 8)
        return emb_fail(h->error, EMBED_EFORMAT,
                        "%s: tensor \"%s\": expected whole bytes, found %zu bits for %s %s",
                        h->file, excerpt(t->name).text, bits, dtypes[t->dtype].name,
                        emb_shape_of(t->shape, t->rank).text);
    *bytes = bits / 8;
    return EMBED_OK;
}

/* e must begin where the tensor before it ended, and be as long as its shape says. */
static int32_t check_extent(header *h, entry *e, uint64_t expected_begin)
{
    emb_tensor *t = &e->tensor;
    char expected[64], found[64];
    snprintf(found, sizeof found, "[%llu, %llu]", (unsigned long long)e->begin,
             (unsigned long long)e->end);
    if (e->begin != expected_begin) {
        snprintf(expected, sizeof expected, "to begin at %llu", (unsigned long long)expected_begin);
        return mismatch(h, t->name, "data_offsets", expected, found);
    }
    if (e->end < e->begin)
        return mismatch(h, t->name, "data_offsets", "to end after the begin", found);
    int32_t status = tensor_bytes(h, t, &t->bytes);
    if (status < 0) return status;
    if (e->end - e->begin != t->bytes)
        return emb_fail(
            h->error, EMBED_EFORMAT, "%s: tensor \"%s\": expected %zu bytes for %s %s, found %llu",
            h->file, excerpt(t->name).text, t->bytes, dtypes[t->dtype].name,
            emb_shape_of(t->shape, t->rank).text, (unsigned long long)(e->end - e->begin));
    return EMBED_OK;
}

/* The tensors, in the order of their offsets, fill size bytes without a hole. */
static int32_t check_layout(header *h, entry **order, size_t count, size_t size)
{
    uint64_t end = 0;
    if (count) qsort(order, count, sizeof *order, by_offsets);
    for (size_t i = 0; i < count; i++) {
        int32_t status = check_extent(h, order[i], end);
        if (status < 0) return status;
        end = order[i]->end;
    }
    if (end > size)
        return emb_fail(h->error, EMBED_EFORMAT,
                        "%s: expected %llu bytes of data, found %zu: the file was cut short",
                        h->file, (unsigned long long)end, size);
    if (end < size)
        return emb_fail(h->error, EMBED_EFORMAT,
                        "%s: expected %llu bytes of data, found %zu: bytes after the last tensor",
                        h->file, (unsigned long long)end, size);
    return EMBED_OK;
}

/* From the header to st. data: what follows the header. */
static int32_t finish(header *h, emb_safetensors *st, const char *data, size_t size)
{
    const emb_allocator *a = st->allocator;
    entry *entries = (entry *)(void *)h->entries.data;
    size_t count = h->entries.size / sizeof *entries;
    entry **order = emb_calloc(a, count, sizeof *order);
    st->tensors = emb_calloc(a, count, sizeof *st->tensors);
    st->metadata = (emb_metadata *)(void *)h->metadata.data;
    st->metadata_count = (int64_t)(h->metadata.size / sizeof *st->metadata);
    emb_buffer_init(&h->metadata, a); /* st has it now */

    int32_t status = !order || !st->tensors
        ? emb_fail(h->error, EMBED_ENOMEM, "%s: out of memory", h->file)
        : check_names(h, entries, count, st->metadata, (size_t)st->metadata_count);
    for (size_t i = 0; i < count && status == EMBED_OK; i++) order[i] = &entries[i];
    if (status == EMBED_OK) status = check_layout(h, order, count, size);
    for (size_t i = 0; i < count && status == EMBED_OK; i++) {
        st->tensors[i] = entries[i].tensor;
        st->tensors[i].data = data + entries[i].begin;
    }
    st->count = (int64_t)count;
    emb_free(a, order);
    return status;
}

/* ---- the file ---------------------------------------------------------------------------- */

/* The header's length; everything that can be said before reading it as JSON. */
static int32_t find_header(const char *name, const char *data, size_t size, size_t *length,
                           embed_error *error)
{
    if (size < LENGTH_SIZE)
        return emb_fail(error, EMBED_EFORMAT,
                        "%s: expected a safetensors file of at least 8 bytes, found %zu", name,
                        size);
    uint64_t n = emb_le64(data);
    if (n > HEADER_LIMIT)
        return emb_fail(error, EMBED_EFORMAT,
                        "%s: header: expected a length of at most %d bytes, found %llu: "
                        "this may not be a safetensors file",
                        name, HEADER_LIMIT, (unsigned long long)n);
    if (n > size - LENGTH_SIZE)
        return emb_fail(error, EMBED_EFORMAT,
                        "%s: header: expected %llu bytes, found %zu: the file was cut short", name,
                        (unsigned long long)n, size - LENGTH_SIZE);
    int64_t invalid = emb_utf8_invalid(data + LENGTH_SIZE, (size_t)n);
    if (invalid >= 0)
        return emb_fail(error, EMBED_EFORMAT,
                        "%s: header: expected UTF-8, found the byte 0x%02X at offset %lld", name,
                        (unsigned char)data[LENGTH_SIZE + invalid],
                        (long long)(LENGTH_SIZE + invalid));
    *length = (size_t)n;
    return EMBED_OK;
}

int32_t emb_safetensors_open(emb_safetensors *st, const char *name, const char *data, size_t size,
                             const emb_allocator *a, embed_error *error)
{
    static const char suffix[] = ": header";
    size_t length = 0, name_size = strlen(name) + 1, place_size = name_size + sizeof suffix;
    header h = {.error = error};
    *st = (emb_safetensors){.allocator = a};
    int32_t status = find_header(name, data, size, &length, error);
    if (status < 0) return status;

    st->strings = emb_calloc(a, name_size + place_size + length, 1);
    if (!st->strings) return emb_fail(error, EMBED_ENOMEM, "%s: out of memory", name);
    char *place = st->strings + name_size;
    memcpy(st->strings, name, name_size);
    snprintf(place, place_size, "%s%s", name, suffix);
    h.file = st->strings;
    h.strings = st->strings;
    h.used = name_size + place_size;
    emb_json_start(&h.reader, place, data + LENGTH_SIZE, length, a, error);
    emb_buffer_init(&h.entries, a);
    emb_buffer_init(&h.metadata, a);
    status = read_header(&h);
    if (status == EMBED_OK)
        status = finish(&h, st, data + LENGTH_SIZE + length, size - LENGTH_SIZE - length);
    emb_buffer_free(&h.metadata);
    emb_buffer_free(&h.entries);
    emb_json_stop(&h.reader);
    if (status < 0) emb_safetensors_close(st);
    return status;
}

void emb_safetensors_close(emb_safetensors *st)
{
    const emb_allocator *a = st->allocator;
    emb_free(a, st->tensors);
    emb_free(a, st->metadata);
    emb_free(a, st->strings);
    emb_free(a, st->copies);
    *st = (emb_safetensors){.allocator = a};
}

static int find_tensor(const void *name, const void *tensor)
{
    return strcmp(name, ((const emb_tensor *)tensor)->name);
}

static int find_key(const void *key, const void *metadata)
{
    return strcmp(key, ((const emb_metadata *)metadata)->key);
}

const emb_tensor *emb_tensor_find(const emb_tensor *tensors, int64_t count, const char *name)
{
    return count ? bsearch(name, tensors, (size_t)count, sizeof *tensors, find_tensor) : NULL;
}

const emb_tensor *emb_safetensors_find(const emb_safetensors *st, const char *name)
{
    return emb_tensor_find(st->tensors, st->count, name);
}

const char *emb_safetensors_metadata(const emb_safetensors *st, const char *key)
{
    size_t count = (size_t)st->metadata_count;
    const emb_metadata *m = NULL;
    if (count) m = bsearch(key, st->metadata, count, sizeof *m, find_key);
    return m ? m->value : NULL;
}
