/* The input is a JSON text: the tree and the stream agree on whether it is well-formed, every value
 * can be visited, and a skipped value is a whole one. */
#include <stdlib.h>

#include "../../lib/format/json.h"
#include "mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed);

static void expect(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static int64_t visit(const emb_json *v, int depth)
{
    int64_t values = 1, integer, children = 0;
    expect(depth <= EMB_JSON_MAX_DEPTH, "a bounded depth");
    expect(emb_json_value_line(v) > 0, "a value has a line");
    if (emb_json_is(v, EMB_JSON_INTEGER) && emb_json_to_int(v, &integer))
        expect((double)integer == emb_json_to_double(v), "an integer is its double");
    for (const emb_json *c = emb_json_first(v); c; c = emb_json_next_sibling(c), children++) {
        const char *key = emb_json_key(c);
        expect((key != NULL) == emb_json_is(v, EMB_JSON_OBJECT), "members have keys");
        if (key && children < 64) expect(emb_json_get(v, key) == c, "a member is found by its key");
        values += visit(c, depth + 1);
    }
    expect(children == emb_json_length(v), "the length counts the children");
    return values;
}

/* Number of values, or -1 where the text is malformed. */
static int64_t stream(const char *text, size_t size, bool skip, embed_error *error)
{
    emb_json_reader r;
    int64_t values = 0;
    emb_json_event e;
    emb_json_start(&r, "fuzz", text, size, &emb_libc_allocator, error);
    while ((e = emb_json_next(&r)) != EMB_JSON_END && e != EMB_JSON_ERROR) {
        expect(r.at <= size, "the stream stays inside the text");
        values += e != EMB_JSON_KEY && e != EMB_JSON_OBJECT_END && e != EMB_JSON_ARRAY_END;
        if (skip && !emb_json_skip(&r, e)) break;
    }
    int32_t status = r.status;
    emb_json_stop(&r);
    expect(status == EMBED_OK || error->message[0], "malformed text has a message");
    return status < 0 ? -1 : values;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    embed_error error = EMBED_ERROR_INIT;
    emb_json_document *document =
        emb_json_parse("fuzz", text, size, NULL, &emb_libc_allocator, &error);
    int64_t values = stream(text, size, false, &error);
    expect((values < 0) == (stream(text, size, true, &error) < 0), "skipping checks as reading");
    expect(!document || values == visit(emb_json_root(document), 0), "tree and stream agree");
    emb_json_free(document);
    emb_json_free(
        emb_json_parse("fuzz", text, size, "model.vocab", &emb_libc_allocator, &error));
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed)
{
    uint64_t rng = seed;
    bytes all = {data, size, capacity};
    mutate_text(&all, &rng);
    return all.size;
}
