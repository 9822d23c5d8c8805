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

/* Leave out the white space that the token's own text begins and ends with, counted in
 * characters of the source. What add_prefix_space put before a text is in no source. */
static void trim(const emb_writer *w, emb_token *t)
{
    uint32_t leading = t->leading, trailing = t->trailing;
    size_t begin = t->begin, end = t->end;

    if (leading == 1 && w->prefix_space && (w->first || begin == 0)) leading = 0;
    for (; leading > 0 && begin < end; leading--) begin += emb_source_next(&w->source, begin).size;
    begin = EMB_MIN(begin, end);
    for (; trailing > 0 && end > 0; trailing--) end -= emb_source_previous(&w->source, end).size;
    t->begin = begin;
    if (trailing == 0) t->end = EMB_MAX(end, begin);
}

void emb_writer_token(emb_writer *w, emb_token token)
{
    const emb_token_arrays *o = w->out;
    int64_t i = w->count;
    if (token.id == w->left_out) return;
    emb_writer_special(w, token.id, w->type_id);
    if (w->trims && token.leading + token.trailing > 0) trim(w, &token);
    w->first = false;
    w->last = token.id;
    if (i >= o->capacity) return;
    if (o->word_ids) o->word_ids[i] = token.word;
    if (o->sequence_ids) o->sequence_ids[i] = w->sequence;
    if (o->offsets) { /* what comes from the prompt has no place in the text */
        size_t prefix = w->source.prefix_size;
        o->offsets[i][0] = (int64_t)(token.begin - EMB_MIN(token.begin, prefix));
        o->offsets[i][1] = (int64_t)(token.end - EMB_MIN(token.end, prefix));
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

/* cls A sep, and with a pair sep B sep behind it, of which Bert leaves out the first. */
static int32_t template_wrap(emb_post_processor *p, int32_t cls, int32_t sep, bool roberta,
                             const emb_allocator *a)
{
    if (!template_alloc(&p->single, 3, a) || !template_alloc(&p->pair, 6, a)) return EMBED_ENOMEM;
    for (int pair = 0; pair < 2; pair++) {
        emb_template *t = pair ? &p->pair : &p->single;
        template_add(t, -1, cls, 0);
        template_add(t, 0, 0, 0);
        template_add(t, -1, sep, 0);
        if (!pair) continue;
        if (roberta) template_add(t, -1, sep, 0);
        template_add(t, 1, 0, !roberta);
        template_add(t, -1, sep, !roberta);
    }
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
        for (int64_t i = 0; t->pieces && i < t->count; i++) {
            if (t->pieces[i].sequence != (*id == 'B')) continue; /* it would have two places */
            return emb_fail(error, EMBED_EUNSUPPORTED,
                            FILE_NAME ": post_processor: sequence %s twice is not supported", id);
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

static int32_t load_wrap(emb_post_processor *p, const emb_json *v, bool roberta,
                         const emb_loading *l)
{
    int32_t cls = 0, sep = 0, status = bert_token(v, "cls", &cls, l->error);
    if (status == EMBED_OK) status = bert_token(v, "sep", &sep, l->error);
    if (status < 0) return status;
    status = template_wrap(p, cls, sep, roberta, l->a);
    return status < 0 ? emb_fail(l->error, status, "%s: out of memory", l->file) : status;
}

/* trim_offsets and add_prefix_space of RobertaProcessing and ByteLevel. */
static int32_t load_trims(emb_post_processor *p, const emb_json *v, const emb_loading *l)
{
    bool trims = true, prefix_space = true;
    int32_t status = emb_json_read_bool(l->file, v, "trim_offsets", true, &trims, l->error);
    if (status == EMBED_OK) {
        status = emb_json_read_bool(l->file, v, "add_prefix_space", true, &prefix_space, l->error);
    }
    if (status < 0 || !trims) return status;
    if (p->trims) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        "%s: post_processor: two components with trim_offsets are not supported",
                        l->file);
    }
    p->trims = true;
    p->prefix_space = prefix_space;
    return EMBED_OK;
}

static int32_t load_one(emb_post_processor *p, const emb_json *v, const emb_loading *l)
{
    const char *type = NULL;
    int32_t status = emb_json_read_string(l->file, v, "type", "", &type, l->error);

    if (status < 0) return emb_fail_in(l->error, "post_processor");
    if (!strcmp(type, "Sequence")) {
        const emb_json *e = emb_json_first(emb_json_get(v, "processors"));
        for (; e && status == EMBED_OK; e = emb_json_next_sibling(e)) status = load_one(p, e, l);
        return status;
    }
    bool template = !strcmp(type, "TemplateProcessing"), bert = !strcmp(type, "BertProcessing");
    bool roberta = !strcmp(type, "RobertaProcessing"), bytes = !strcmp(type, "ByteLevel");
    if (!template && !bert && !roberta && !bytes) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        "%s: post_processor: type: expected BertProcessing, RobertaProcessing, "
                        "TemplateProcessing, ByteLevel or Sequence, found \"%s\"", l->file,
                        emb_excerpt_of(type, strlen(type)).text);
    }
    if (p->single.pieces) { /* the reference would give other sequence ids, or add twice */
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        "%s: post_processor: %s after a component that adds tokens is not "
                        "supported", l->file, type);
    }
    if (roberta || bytes) status = load_trims(p, v, l);
    if (status < 0 || bytes) return status;
    if (!template) return load_wrap(p, v, roberta, l);
    status = template_read(&p->single, v, "single", l->a, l->error);
    return status < 0 ? status : template_read(&p->pair, v, "pair", l->a, l->error);
}

int32_t emb_post_processor_load(emb_post_processor *p, const emb_json *v, const emb_loading *l)
{
    if (v && !emb_json_is(v, EMB_JSON_NULL)) {
        int32_t status = load_one(p, v, l);
        if (status < 0) return status;
    }
    if (!p->single.pieces && template_none(&p->single, &p->pair, l->a) < 0) {
        return emb_fail(l->error, EMBED_ENOMEM, "%s: out of memory", l->file);
    }
    return EMBED_OK;
}

void emb_post_processor_free(emb_post_processor *p, const emb_allocator *a)
{
    emb_free(a, p->single.pieces);
    emb_free(a, p->pair.pieces);
}
