/* Post-processors, all brought to one form: a template of pieces for a text and one for a pair.
 * Truncation lengths as the reference computes them. */
#include "text.h"

#define FILE_NAME "tokenizer.json"
#define MAX_PIECES 256 /* of a template, and ids of one of its tokens */

void emb_writer_special(emb_writer *w, int32_t id, int32_t type_id)
{
    const emb_token_arrays *o = w->out;
    int64_t i = w->count++;
    if (i >= o->capacity) return;
    if (o->ids) o->ids[i] = id;
    if (o->type_ids) o->type_ids[i] = type_id;
    if (o->word_ids) o->word_ids[i] = -1;
    if (o->sequence_ids) o->sequence_ids[i] = -1;
    if (o->offsets) o->offsets[i][0] = o->offsets[i][1] = 0;
}

void emb_writer_token(emb_writer *w, emb_token token)
{
    const emb_token_arrays *o = w->out;
    int64_t i = w->count;
    emb_writer_special(w, token.id, w->type_id);
    if (i >= o->capacity) return;
    if (o->word_ids) o->word_ids[i] = token.word;
    if (o->sequence_ids) o->sequence_ids[i] = w->sequence;
    if (o->offsets) { /* what comes from the prompt has no place in the text */
        o->offsets[i][0] = (int64_t)(token.begin - EMB_MIN(token.begin, w->prefix_size));
        o->offsets[i][1] = (int64_t)(token.end - EMB_MIN(token.end, w->prefix_size));
    }
}

/* ---- truncation ---------------------------------------------------------------- */

int32_t emb_truncate(int64_t lengths[2], bool pair, int64_t limit, int32_t strategy,
                     embed_error *error)
{
    int64_t excess = lengths[0] + lengths[1] - limit;

    if (excess <= 0) return EMBED_OK;
    if (limit == 0) {
        lengths[0] = lengths[1] = 0;
    } else if (strategy != EMBED_STRATEGY_LONGEST_FIRST) {
        int64_t *cut = &lengths[strategy == EMBED_STRATEGY_ONLY_SECOND];
        if (strategy == EMBED_STRATEGY_ONLY_SECOND && !pair) {
            return emb_fail(error, EMBED_EINVAL, "truncation: only_second needs a pair");
        }
        if (*cut <= excess) {
            return emb_fail(error, EMBED_ERANGE,
                            "truncation: the %s text has %lld tokens, and %lld would have to go",
                            cut == lengths ? "first" : "second", (long long)*cut,
                                (long long)excess);
        }
        *cut -= excess;
    } else if (!pair) {
        lengths[0] = limit;
    } else {
        bool swap = lengths[0] > lengths[1];
        int64_t shorter = lengths[swap], longer;
        longer = shorter > limit ? shorter : EMB_MAX(shorter, limit - shorter);
        if (shorter + longer > limit) {
            shorter = limit / 2;
            longer = shorter + limit % 2;
        }
        lengths[swap] = shorter;
        lengths[!swap] = longer;
    }
    return EMBED_OK;
}

/* ---- templates -------------------------------------------------------------------- */

static bool template_alloc(emb_template *t, int64_t count, const emb_allocator *a)
{
    t->pieces = emb_calloc(a, (size_t)count, sizeof *t->pieces);
    return t->pieces != NULL;
}

static void template_add(emb_template *t, int32_t sequence, int32_t id, int32_t type_id)
{
    t->pieces[t->count++] = (emb_template_piece){sequence, id, type_id};
    t->added += sequence < 0;
}

int32_t emb_template_bert(emb_template *single, emb_template *pair, int32_t cls, int32_t sep,
                          const emb_allocator *a)
{
    if (!template_alloc(single, 3, a) || !template_alloc(pair, 5, a)) return EMBED_ENOMEM;
    template_add(single, -1, cls, 0);
    template_add(single, 0, 0, 0);
    template_add(single, -1, sep, 0);
    template_add(pair, -1, cls, 0);
    template_add(pair, 0, 0, 0);
    template_add(pair, -1, sep, 0);
    template_add(pair, 1, 0, 1);
    template_add(pair, -1, sep, 1);
    return EMBED_OK;
}

static int32_t template_none(emb_template *single, emb_template *pair, const emb_allocator *a)
{
    if (!template_alloc(single, 1, a) || !template_alloc(pair, 2, a)) return EMBED_ENOMEM;
    template_add(single, 0, 0, 0);
    template_add(pair, 0, 0, 0);
    template_add(pair, 1, 0, 1);
    return EMBED_OK;
}

static int32_t read_id(const emb_json *v, const char *where, int32_t *id, embed_error *error)
{
    int64_t n = 0;
    if (!emb_json_to_int(v, &n) || n < 0 || n > INT32_MAX) {
        return emb_fail(error, EMBED_EFORMAT,
                        FILE_NAME ": post_processor: %s: expected an id, found %s", where,
                        emb_json_kind_name(v));
    }
    *id = (int32_t)n;
    return EMBED_OK;
}

/* ["[SEP]", 102] */
static int32_t bert_token(const emb_json *processor, const char *key, int32_t *id,
                          embed_error *error)
{
    const emb_json *v = emb_json_get(processor, key);
    if (!v || !emb_json_is(v, EMB_JSON_ARRAY) || emb_json_length(v) != 2) {
        return emb_fail(error, EMBED_EFORMAT,
                        FILE_NAME ": post_processor: %s: expected [token, id], found %s", key,
                        emb_json_kind_name(v));
    }
    return read_id(emb_json_next_sibling(emb_json_first(v)), key, id, error);
}

/* One piece of a template: {"Sequence": {"id": "A", "type_id": 0}} or {"SpecialToken": {...}}. Its
 * tokens are counted, and added if t has room for them already. */
static int32_t template_piece(emb_template *t, const emb_json *piece, const emb_json *specials,
                              bool pair,
                              int64_t *count, embed_error *error)
{
    const emb_json *v = emb_json_first(piece);
    const char *kind = v && emb_json_is(piece, EMB_JSON_OBJECT) ? emb_json_key(v) : "";
    const char *id = NULL;
    int64_t type_id = 0;
    bool sequence = !strcmp(kind, "Sequence");

    if (!sequence && strcmp(kind, "SpecialToken")) {
        return emb_fail(error, EMBED_EFORMAT,
                        FILE_NAME ": post_processor: expected Sequence or SpecialToken, "
                        "found \"%s\"", emb_excerpt_of(kind, strlen(kind)).text);
    }
    int32_t status = emb_json_read_string(FILE_NAME, v, "id", "", &id, error);
    if (status == EMBED_OK) {
        status = emb_json_read_int(FILE_NAME, v, "type_id", 0, 0, INT32_MAX, &type_id, error);
    }
    if (status < 0) return emb_fail_in(error, "post_processor");
    if (sequence) {
        if (strcmp(id, "A") && (strcmp(id, "B") || !pair)) {
            return emb_fail(error, EMBED_EFORMAT,
                            FILE_NAME ": post_processor: expected sequence A%s, found \"%s\"",
                            pair ? " or B" : "", emb_excerpt_of(id, strlen(id)).text);
        }
        ++*count;
        if (t->pieces) template_add(t, *id == 'B', 0, (int32_t)type_id);
        return EMBED_OK;
    }
    const emb_json *ids = emb_json_get(emb_json_get(specials, id), "ids");
    if (!ids || !emb_json_is(ids, EMB_JSON_ARRAY)) {
        return emb_fail(error, EMBED_EFORMAT,
                        FILE_NAME ": post_processor: special token \"%s\" has no ids",
                        emb_excerpt_of(id, strlen(id)).text);
    }
    if (emb_json_length(ids) > MAX_PIECES) {
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        FILE_NAME ": post_processor: special token \"%s\": expected at most %d "
                        "ids, found %lld", emb_excerpt_of(id, strlen(id)).text, MAX_PIECES,
                        (long long)emb_json_length(ids));
    }
    for (const emb_json *e = emb_json_first(ids); e; e = emb_json_next_sibling(e)) {
        int32_t token = 0;
        if ((status = read_id(e, "ids", &token, error)) < 0) return status;
        ++*count;
        if (t->pieces) template_add(t, -1, token, (int32_t)type_id);
    }
    return EMBED_OK;
}

static int32_t template_read(emb_template *t, const emb_json *processor, const char *key,
                             const emb_allocator *a,
                             embed_error *error)
{
    const emb_json *pieces = emb_json_get(processor, key),
        *specials = emb_json_get(processor, "special_tokens");
    bool pair = !strcmp(key, "pair");

    if (emb_json_length(pieces) > MAX_PIECES) {
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        FILE_NAME ": post_processor: %s: expected at most %d pieces, found %lld",
                        key, MAX_PIECES, (long long)emb_json_length(pieces));
    }
    if (!pieces || !emb_json_is(pieces, EMB_JSON_ARRAY)) {
        return emb_fail(error, EMBED_EFORMAT,
                        FILE_NAME ": post_processor: %s: expected an array, found %s", key,
                        emb_json_kind_name(pieces));
    }
    for (int round = 0; round < 2; round++) { /* count, then fill */
        int64_t count = 0;
        for (const emb_json *p = emb_json_first(pieces); p; p = emb_json_next_sibling(p)) {
            int32_t status = template_piece(t, p, specials, pair, &count, error);
            if (status < 0) return status;
        }
        if (round == 0 && !template_alloc(t, count, a)) {
            return emb_fail(error, EMBED_ENOMEM, FILE_NAME ": out of memory");
        }
    }
    return EMBED_OK;
}

static int32_t load_one(emb_template *single, emb_template *pair, const emb_json *processor,
                        const emb_allocator *a, embed_error *error)
{
    const char *type = NULL;
    int32_t cls = 0, sep = 0,
        status = emb_json_read_string(FILE_NAME, processor, "type", "", &type, error);

    if (status < 0) return emb_fail_in(error, "post_processor");
    if (!strcmp(type, "Sequence")) {
        const emb_json *list = emb_json_get(processor, "processors");
        for (const emb_json *p = emb_json_first(list); p &&
             status == EMBED_OK; p = emb_json_next_sibling(p)) {
            status = load_one(single, pair, p, a, error);
        }
        return status;
    }
    if (strcmp(type, "BertProcessing") && strcmp(type, "TemplateProcessing")) {
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        FILE_NAME ": post_processor: type: expected BertProcessing, "
                        "TemplateProcessing or Sequence, found \"%s\"",
                        emb_excerpt_of(type, strlen(type)).text);
    }
    if (single->pieces) {
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        FILE_NAME ": post_processor: a Sequence of more than one %s is "
                        "not supported", type);
    }
    if (*type == 'T') {
        status = template_read(single, processor, "single", a, error);
        return status < 0 ? status : template_read(pair, processor, "pair", a, error);
    }
    status = bert_token(processor, "cls", &cls, error);
    if (status == EMBED_OK) status = bert_token(processor, "sep", &sep, error);
    if (status < 0) return status;
    status = emb_template_bert(single, pair, cls, sep, a);
    return status < 0 ? emb_fail(error, status, FILE_NAME ": out of memory") : status;
}

int32_t emb_template_load(emb_template *single, emb_template *pair, const emb_json *processor,
                          const emb_allocator *a, embed_error *error)
{
    if (processor && !emb_json_is(processor, EMB_JSON_NULL)) {
        int32_t status = load_one(single, pair, processor, a, error);
        if (status < 0) return status;
    }
    if (!single->pieces && template_none(single, pair, a) < 0) {
        return emb_fail(error, EMBED_ENOMEM, FILE_NAME ": out of memory");
    }
    return EMBED_OK;
}
