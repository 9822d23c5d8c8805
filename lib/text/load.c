/* Opens a tokenizer from the files of a directory. Two ways, as in transformers 5: the classes of
 * the BERT family take the vocabulary of tokenizer.json (or vocab.txt) and rebuild the rest from
 * tokenizer_config.json; everything else is tokenizer.json as it stands. Then tokens are added. */
#include "text.h"

#define JSON "tokenizer.json"
#define CONFIG "tokenizer_config.json"
#define VOCAB "vocab.txt"

typedef struct loader {
    emb_tokenizer *t;
    const emb_tokenizer_files *files;
    const emb_allocator *a;
    embed_error *error;
    emb_json_document *document; /* of tokenizer.json, without model.vocab; or NULL */
    const emb_json *json;        /* its root */
    emb_tokenizer_config config;
    emb_token_list added;        /* index: the id; content: of a file */
    emb_strings contents;        /* of added; values: index in it */
    int64_t largest_id;          /* of added; -1 */
} loader;

static int32_t out_of_memory(const loader *l)
{
    return emb_fail(l->error, EMBED_ENOMEM, "tokenizer: out of memory");
}

/* ---- vocabulary -------------------------------------------------------------------- */

/* Bytes of a piece. Every character of a word may look at as many: real ones have some 50. */
enum { MAX_PIECE = 1024 };

static int32_t put_piece(const loader *l, const char *file, const char *text, size_t size,
                         int64_t id)
{
    if (size > MAX_PIECE) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        "%s: vocabulary: \"%s\": expected at most %d bytes, found %zu", file,
                        emb_excerpt_of(text, size).text, MAX_PIECE, size);
    }
    int32_t status = emb_strings_put(&l->t->model.vocab, text, size, (int32_t)id);
    if (status >= 0) return EMBED_OK;
    if (status == EMBED_ENOMEM) return out_of_memory(l);
    return emb_fail(l->error, status,
                    "%s: vocabulary: too many pieces that collide in a hash table", file);
}

/* trailing white space is no part of a piece */
static size_t line_end(const char *text, size_t size)
{
    emb_source source = {.data = text, .size = size};
    while (source.size > 0) {
        emb_char c = emb_source_previous(&source, source.size);
        if (!(emb_unicode_flags(c.code) & EMB_UNICODE_SPACE)) break;
        source.size -= c.size;
    }
    return source.size;
}

/* One piece a line, its id the line's number; of equal ones the last counts. */
static int32_t load_vocab_txt(const loader *l)
{
    const char *text = l->files->vocab_txt;
    size_t size = l->files->vocab_txt_size;
    int64_t invalid = emb_utf8_invalid(text, size);

    if (invalid >= 0) {
        return emb_fail(l->error, EMBED_EFORMAT, VOCAB ": line %lld: not valid UTF-8",
                        (long long)emb_json_line(text, (size_t)invalid));
    }
    for (int64_t id = 0; size > 0; id++) {
        const char *newline = memchr(text, '\n', size);
        size_t length = newline ? (size_t)(newline - text) : size;
        int32_t status = put_piece(l, VOCAB, text, line_end(text, length), id);
        if (status < 0) return status;
        length += newline != NULL;
        text += length;
        size -= length;
    }
    return EMBED_OK;
}

/* Go to a key of the object that was entered last. false: not there, or malformed. */
static bool enter(emb_json_reader *r, const char *key, emb_json_event *event)
{
    while ((*event = emb_json_next(r)) == EMB_JSON_KEY) {
        bool found = !strcmp(r->string, key);
        *event = emb_json_next(r);
        if (found) return true;
        if (!emb_json_skip(r, *event)) return false;
    }
    return false;
}

static int32_t read_pieces(const loader *l, emb_json_reader *r)
{
    emb_json_event event;
    while ((event = emb_json_next(r)) == EMB_JSON_KEY) {
        int32_t before = l->t->model.vocab.count;
        size_t size = r->string_size;
        int32_t status = put_piece(l, JSON, r->string, size, 0);
        if (status < 0) return status;
        emb_string *entry = &l->t->model.vocab.entries[l->t->model.vocab.count - 1];
        if (l->t->model.vocab.count == before) {
            return emb_fail(l->error, EMBED_EFORMAT,
                            JSON ": line %lld: model.vocab: \"%s\" is there twice",
                            (long long)r->line, emb_excerpt_of(r->string, size).text);
        }
        event = emb_json_next(r);
        if (event == EMB_JSON_ERROR) return r->status;
        if (event != EMB_JSON_INTEGER || r->integer_big || r->integer < 0 ||
            r->integer >= INT32_MAX) {
            return emb_fail(l->error, EMBED_EFORMAT,
                            JSON ": line %lld: model.vocab: \"%s\": expected an id, found %s",
                            (long long)r->line,
                            emb_excerpt_of(l->t->model.vocab.bytes + entry->offset,
                                           entry->size).text,
                            event == EMB_JSON_INTEGER ? "an integer out of range" :
                                emb_json_event_name(event));
        }
        entry->value = (int32_t)r->integer;
    }
    return event == EMB_JSON_OBJECT_END ? EMBED_OK : r->status;
}

static int32_t load_vocab_json(const loader *l)
{
    emb_json_reader r;
    emb_json_event event;
    int32_t status = EMBED_OK;

    emb_json_start(&r, JSON, l->files->tokenizer_json, l->files->tokenizer_json_size, l->a,
                   l->error);
    event = emb_json_next(&r);
    bool found = event == EMB_JSON_OBJECT && enter(&r, "model", &event) &&
                 event == EMB_JSON_OBJECT && enter(&r, "vocab", &event);
    if (event == EMB_JSON_ERROR) status = r.status;
    else if (found && event == EMB_JSON_OBJECT) status = read_pieces(l, &r);
    else status = emb_fail(l->error, EMBED_EFORMAT,
                           JSON ": model.vocab: expected an object, found %s",
                           found ? emb_json_event_name(event) : "none");
    emb_json_stop(&r);
    return status;
}

/* id -> piece. An id far above the number of pieces would be a table of holes. */
static int32_t index_ids(const loader *l)
{
    emb_tokenizer *t = l->t;
    const emb_strings *v = &t->model.vocab;
    for (int32_t i = 0; i < v->count; i++) {
        t->ids = EMB_MAX(t->ids, (int64_t)v->entries[i].value + 1);
    }
    if (t->ids > 16 * (int64_t)v->count + 65536) {
        return emb_fail(l->error, EMBED_EFORMAT,
                        JSON ": model.vocab: id %lld in a vocabulary of %d pieces",
                        (long long)t->ids - 1, (int)v->count);
    }
    t->entry_of_id = emb_calloc(l->a, (size_t)t->ids, sizeof *t->entry_of_id);
    if (!t->entry_of_id) return out_of_memory(l);
    for (int32_t i = 0; i < v->count; i++) t->entry_of_id[v->entries[i].value] = i + 1;
    t->vocab_size = t->ids;
    return EMBED_OK;
}

/* ---- components ------------------------------------------------------------------------ */

static int32_t unsupported(const loader *l, const char *component, const char *expected,
                           const char *type)
{
    return emb_fail(l->error, EMBED_EUNSUPPORTED, JSON ": %s: type: expected %s, found \"%s\"",
                    component, expected, emb_excerpt_of(type, strlen(type)).text);
}

static int32_t type_of(const loader *l, const emb_json *v, const char *component, const char **type)
{
    if (v && !emb_json_is(v, EMB_JSON_OBJECT)) {
        return emb_fail(l->error, EMBED_EFORMAT, JSON ": %s: expected an object, found %s",
                        component,
                        emb_json_kind_name(v));
    }
    int32_t status = emb_json_read_string(JSON, v, "type", "", type, l->error);
    return status < 0 ? emb_fail_in(l->error, "%s", component) : status;
}

/* The order of steps is fixed: Lowercase, BertNormalizer, Lowercase. seen: BertNormalizer was
 * there; has_lower: Lowercase was. */
static int32_t load_normalizer(const loader *l, const emb_json *v, bool *seen, bool *has_lower)
{
    emb_normalizer *n = &l->t->normalizer;
    const emb_json *strip = emb_json_get(v, "strip_accents");
    const char *type = NULL;

    if (!v || emb_json_is(v, EMB_JSON_NULL)) return EMBED_OK;
    int32_t status = type_of(l, v, "normalizer", &type);
    if (status < 0) return status;
    if (!strcmp(type, "Sequence")) {
        const emb_json *e = emb_json_first(emb_json_get(v, "normalizers"));
        for (; e && status == EMBED_OK; e = emb_json_next_sibling(e)) {
            status = load_normalizer(l, e, seen, has_lower);
        }
        return status;
    }
    if (!strcmp(type, "Lowercase")) {
        *(*seen ? &n->lower : &n->lower_first) = *has_lower = true;
        return EMBED_OK;
    }
    if (strcmp(type, "BertNormalizer")) {
        return unsupported(l, "normalizer", "BertNormalizer, Lowercase or Sequence", type);
    }
    if (*seen) return emb_fail(l->error, EMBED_EUNSUPPORTED,
                               JSON ": normalizer: two BertNormalizers are not supported");
    *seen = true;
    if (status == EMBED_OK) status = emb_json_read_bool(JSON, v, "clean_text", true, &n->clean,
                                                        l->error);
    if (status == EMBED_OK) status = emb_json_read_bool(JSON, v, "handle_chinese_chars", true,
                                                        &n->cjk, l->error);
    if (status == EMBED_OK) status = emb_json_read_bool(JSON, v, "lowercase", true, &n->lower,
                                                        l->error);
    if (status == EMBED_OK) status = emb_json_read_bool(JSON, v, "strip_accents", n->lower,
                                                        &n->strip, l->error);
    return status < 0 && strip ? emb_fail_in(l->error, "normalizer") : status;
}

static int32_t set_model(const loader *l, const char *unk, const char *prefix, int64_t max_chars)
{
    emb_wordpiece *m = &l->t->model;
    m->unk = emb_strdup(l->a, unk, strlen(unk));
    m->prefix = emb_strdup(l->a, prefix, strlen(prefix));
    if (!m->unk || !m->prefix) return out_of_memory(l);
    m->prefix_size = strlen(prefix);
    m->prefix_hash = EMB_HASH_START;
    for (const char *p = prefix; *p; p++) m->prefix_hash = emb_hash_step(m->prefix_hash, *p);
    m->max_chars = max_chars;
    int32_t entry = emb_strings_find(&m->vocab, unk, strlen(unk));
    m->unk_id = entry < 0 ? -1 : m->vocab.entries[entry].value;
    return EMBED_OK;
}

/* Everything from tokenizer.json. */
static int32_t load_verbatim(const loader *l)
{
    const emb_json *model = emb_json_get(l->json, "model");
    const char *type = NULL, *unk = NULL, *prefix = NULL;
    int64_t max_chars = 0;
    bool seen = false, has_lower = false;
    int32_t status = load_normalizer(l, emb_json_get(l->json, "normalizer"), &seen, &has_lower);

    if (l->files->lowercase_first && !has_lower) l->t->normalizer.lower_first = true;
    if (status == EMBED_OK) status = type_of(l, emb_json_get(l->json, "pre_tokenizer"),
                                             "pre_tokenizer", &type);
    if (status == EMBED_OK && strcmp(type, "BertPreTokenizer")) {
        return unsupported(l, "pre_tokenizer", "BertPreTokenizer", type);
    }
    if (status == EMBED_OK) status = emb_json_read_string(JSON, model, "unk_token", "[UNK]", &unk,
                                                          l->error);
    if (status == EMBED_OK) {
        status = emb_json_read_string(JSON, model, "continuing_subword_prefix", "##", &prefix,
                                      l->error);
    }
    if (status == EMBED_OK) {
        status = emb_json_read_int(JSON, model, "max_input_chars_per_word", 100, 0, INT32_MAX,
                                   &max_chars, l->error);
    }
    return status < 0 ? status : set_model(l, unk, prefix, max_chars);
}

/* Normalizer and model of the BERT classes, from tokenizer_config.json. */
static int32_t load_bert(const loader *l)
{
    const emb_tokenizer_config *c = &l->config;
    emb_normalizer *n = &l->t->normalizer;
    *n = (emb_normalizer){.lower_first = l->files->lowercase_first, .clean = true, .cjk = c->cjk,
                          .strip = c->strip,
                          .lower = c->lower};
    return set_model(l, c->named[EMB_UNK].token.content, "##", 100);
}

/* Blocks that every call overrides, but that must be what they say; truncation's direction is the
 * default. */
static int32_t load_blocks(const loader *l)
{
    const emb_json *truncation = emb_json_get(l->json, "truncation");
    const emb_json *padding = emb_json_get(l->json, "padding");
    const char *version = NULL, *direction = NULL, *side = l->config.truncation_side;
    int64_t length;
    int32_t status = emb_json_read_string(JSON, l->json, "version", "1.0", &version, l->error);

    if (status == EMBED_OK && strcmp(version, "1.0")) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        JSON ": version: expected \"1.0\", found \"%s\"",
                        emb_excerpt_of(version, strlen(version)).text);
    }
    const char *ignored = NULL;
    if (emb_json_is(truncation, EMB_JSON_NULL)) truncation = NULL;
    if (emb_json_is(padding, EMB_JSON_NULL)) padding = NULL;
    if (status == EMBED_OK) status = type_of(l, truncation, "truncation", &ignored);
    if (status == EMBED_OK) status = type_of(l, padding, "padding", &ignored);
    if (status == EMBED_OK) status = emb_json_read_string(JSON, truncation, "direction", "Right",
                                                          &direction, l->error);
    if (status == EMBED_OK) status = emb_json_read_int(JSON, truncation, "max_length", 0, 0,
                                                       INT64_C(1) << 53, &length,
                                                       l->error);
    if (status < 0) return status;
    if (strcmp(direction, "Left") && strcmp(direction, "Right")) {
        return emb_fail(l->error, EMBED_EFORMAT,
                        JSON ": truncation: direction: expected \"Left\" or \"Right\", found "
                        "\"%s\"", emb_excerpt_of(direction, strlen(direction)).text);
    }
    l->t->truncates_left = side ? !strcmp(side, "left") : !strcmp(direction, "Left");
    return EMBED_OK;
}

/* ---- added tokens -------------------------------------------------------------------------- */

/* Add tokens as the reference's add_tokens does: a piece of the vocabulary keeps its id, the others
 * follow the number of pieces or the largest added id. */
static int32_t add_tokens(loader *l, const emb_token_list *list)
{
    int64_t pieces = l->t->model.vocab.count;
    bool after = l->largest_id >= pieces || (pieces == 0 && l->largest_id >= 0);
    int64_t next = after ? l->largest_id + 1 : pieces;

    for (size_t i = 0; i < list->count; i++) {
        emb_token_spec spec = list->items[i];
        const emb_added_token *t = &spec.token;
        if (t->size == 0) continue;
        int32_t known = emb_strings_find(&l->contents, t->content, t->size);
        int32_t id = emb_tokenizer_id(l->t, t->content, t->size);
        if (known >= 0) {
            spec.token.special |= l->added.items[l->contents.entries[known].value].token.special;
        }
        if (id < 0 && next >= INT32_MAX) return emb_fail(l->error, EMBED_EFORMAT,
                                                         "added tokens: ids out of range");
        spec.index = id >= 0 ? id : next++;
        spec.plain = false;
        l->largest_id = EMB_MAX(l->largest_id, spec.index);
        int32_t status = emb_token_list_add(&l->added, &spec, l->a, l->error);
        if (status < 0) return status;
        status = emb_strings_put(&l->contents, t->content, t->size, (int32_t)l->added.count - 1);
        if (status >= 0) status = emb_strings_put(&l->t->added.ids, t->content, t->size,
                                                  (int32_t)spec.index);
        if (status == EMBED_ENOMEM) return out_of_memory(l);
        if (status < 0) return emb_fail(l->error, status,
                                        "added tokens: too many that collide in a hash table");
    }
    return EMBED_OK;
}

/* Those of tokenizer.json, when it is taken as it stands. */
static int32_t add_from_json(loader *l)
{
    const emb_json *v = emb_json_get(l->json, "added_tokens");
    emb_token_list list = {.count = 0};
    int32_t status = EMBED_OK;

    if (v && !emb_json_is(v, EMB_JSON_ARRAY) && !emb_json_is(v, EMB_JSON_NULL)) {
        return emb_fail(l->error, EMBED_EFORMAT, JSON ": added_tokens: expected an array, found %s",
                        emb_json_kind_name(v));
    }
    for (v = emb_json_first(v); v && status == EMBED_OK; v = emb_json_next_sibling(v)) {
        emb_token_spec spec;
        status = emb_added_token_read(&spec, JSON, v, l->error);
        if (status == EMBED_OK) status = emb_token_list_add(&list, &spec, l->a, l->error);
    }
    if (status == EMBED_OK) status = add_tokens(l, &list);
    emb_free(l->a, list.items);
    return status;
}

/* A special token is added unless its content is a token already, or it was just given the same
 * way. */
static int32_t add_special(const loader *l, emb_token_list *list, size_t from,
                           emb_strings *contents,
                           const emb_token_spec *spec)
{
    if (emb_strings_find(contents, spec->token.content, spec->token.size) >= 0) return EMBED_OK;
    for (size_t i = from; i < list->count && i < from + 64; i++) {
        if (emb_token_spec_equal(&list->items[i], spec)) return EMBED_OK;
    }
    return emb_token_list_add(list, spec, l->a, l->error);
}

/* What transformers adds on top: added_tokens_decoder, then the special tokens that are in neither. */
static int32_t collect(loader *l, emb_token_list *list, emb_strings *contents, emb_strings *named)
{
    const emb_tokenizer_config *c = &l->config;
    int32_t status = EMBED_OK;

    for (int32_t i = 0; i < l->contents.count && status >= 0; i++) {
        const emb_string *e = &l->contents.entries[i];
        status = emb_strings_put(contents, l->contents.bytes + e->offset, e->size, 0);
    }
    for (size_t i = 0; i < c->decoder.count && status >= 0; i++) {
        const emb_token_spec *spec = &c->decoder.items[i];
        int32_t known = emb_strings_find(&l->contents, spec->token.content, spec->token.size);
        if (known >= 0 && emb_token_spec_equal(&l->added.items[l->contents.entries[known].value],
                                               spec)) continue;
        status = emb_token_list_add(list, spec, l->a, l->error);
        if (status >= 0) status = emb_strings_put(contents, spec->token.content, spec->token.size,
                                                  0);
    }
    size_t from = list->count;
    for (int i = 0; i < EMB_NAMED_TOKENS && status >= 0; i++) {
        if (c->state[i] != EMB_TOKEN_GIVEN) continue;
        status = emb_strings_put(named, c->named[i].token.content, c->named[i].token.size, 0);
        if (status >= 0) status = add_special(l, list, from, contents, &c->named[i]);
    }
    for (size_t i = 0; i < c->specific.count && status >= 0; i++) {
        const emb_token_spec *spec = &c->specific.items[i];
        status = emb_strings_put(named, spec->token.content, spec->token.size, 0);
        if (status >= 0) status = add_special(l, list, from, contents, spec);
    }
    for (size_t i = 0; i < c->extra.count && status >= 0; i++) {
        status = add_special(l, list, from, contents, &c->extra.items[i]);
    }
    for (size_t i = 0; i < list->count && status >= 0; i++) {
        emb_token_spec *spec = &list->items[i];
        if (spec->plain) spec->token.special = true; /* and not normalized */
        else if (emb_strings_find(named, spec->token.content,
                                  spec->token.size) >= 0) spec->token.special = true;
    }
    return status < 0 ? status : EMBED_OK;
}

static int32_t add_from_config(loader *l)
{
    emb_token_list list = {.count = 0};
    emb_strings contents, named;
    emb_strings_init(&contents, l->a);
    emb_strings_init(&named, l->a);
    int32_t status = collect(l, &list, &contents, &named);
    if (status == EMBED_ENOMEM) out_of_memory(l);
    else if (status == EMBED_EFORMAT) emb_fail(l->error, status,
                                               "added tokens: too many that collide in a hash "
                                                   "table");
    else status = add_tokens(l, &list);
    emb_strings_free(&contents);
    emb_strings_free(&named);
    emb_free(l->a, list.items);
    return status;
}

/* Copy the added tokens into the tokenizer and build the automata. */
static int32_t finish_added(loader *l)
{
    emb_added *added = &l->t->added;
    emb_token_list_sort(&l->added);
    added->split_special = l->config.split_special;
    added->tokens = emb_calloc(l->a, l->added.count, sizeof *added->tokens);
    if (!added->tokens) return out_of_memory(l);
    for (size_t i = 0; i < l->added.count; i++) {
        emb_added_token *t = &added->tokens[i];
        *t = l->added.items[i].token;
        t->id = (int32_t)l->added.items[i].index;
        t->content = emb_strdup(l->a, t->content, t->size);
        if (!t->content) return out_of_memory(l);
        added->count++;
        l->t->vocab_size = EMB_MAX(l->t->vocab_size, (int64_t)t->id + 1);
    }
    return emb_added_build(added, &l->t->normalizer, l->a, l->error);
}

/* ---- which class ---------------------------------------------------------------------- */

static bool is_one_of(const char *name, size_t size, const char *const *names)
{
    for (; *names; names++) {
        if (strlen(*names) == size && !memcmp(*names, name, size)) return true;
    }
    return false;
}

/* As AutoTokenizer decides: the class that tokenizer_config.json (or config.json) names, else the
 * model's. */
static int32_t choose_class(const loader *l)
{
    static const char *const bert[] = {"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer",
        "MobileBertTokenizer", "SqueezeBertTokenizer", "LayoutLMTokenizer", "LxmertTokenizer",
            NULL};
    static const char *const generic[] = {"PreTrainedTokenizer", "TokenizersBackend",
                                          "PythonBackend", NULL};
    static const char *const bert_types[] = {"bert", "distilbert", "electra", "mobilebert",
                                             "squeezebert",
        "layoutlm", "lxmert", "megatron-bert", "nomic_bert", "ernie", "convbert", NULL};
    const char *name = l->config.class_name ? l->config.class_name : l->files->tokenizer_class;
    const char *type = l->files->model_type ? l->files->model_type : "";

    if (!name) name = is_one_of(type, strlen(type), bert_types) ? "BertTokenizer" :
        "PreTrainedTokenizerFast";
    l->t->class_name = emb_strdup(l->a, name, strlen(name));
    if (!l->t->class_name) return out_of_memory(l);
    size_t size = strlen(name);
    if (size > 4 && !strcmp(name + size - 4, "Fast")) size -= 4;
    l->t->rebuilt = is_one_of(name, size, bert);
    if (l->t->rebuilt || is_one_of(name, size, generic)) return EMBED_OK;
    return emb_fail(l->error, EMBED_EUNSUPPORTED,
                    "%s: tokenizer_class: expected a BERT class or PreTrainedTokenizerFast, found "
                    "\"%s\"",
                    l->config.class_name ? CONFIG : "config.json",
                    emb_excerpt_of(name, strlen(name)).text);
}

/* Special tokens that the class gives when no file does. */
static int32_t set_defaults(loader *l)
{
    static const char *const defaults[EMB_NAMED_TOKENS] = {[EMB_UNK] = "[UNK]", [EMB_SEP] = "[SEP]",
        [EMB_PAD] = "[PAD]", [EMB_CLS] = "[CLS]", [EMB_MASK] = "[MASK]"};
    emb_tokenizer_config *c = &l->config;
    const char *pad = NULL;

    for (int i = 0; l->t->rebuilt && i < EMB_NAMED_TOKENS; i++) {
        if (c->state[i] == EMB_TOKEN_NULL && (i == EMB_UNK || i == EMB_SEP || i == EMB_CLS)) {
            return emb_fail(l->error, EMBED_EFORMAT, CONFIG ": %s: expected a token, found null",
                            emb_named_tokens[i]);
        }
        if (c->state[i] != EMB_TOKEN_ABSENT || !defaults[i]) continue;
        c->named[i] = (emb_token_spec){.token = {.content = defaults[i],
                                                 .size = strlen(defaults[i])}, .plain = true};
        c->state[i] = EMB_TOKEN_GIVEN;
    }
    int32_t status = emb_json_read_string(JSON, emb_json_get(l->json, "padding"), "pad_token",
                                          NULL, &pad, l->error);
    if (status == EMBED_OK && pad && c->state[EMB_PAD] == EMB_TOKEN_ABSENT) {
        c->named[EMB_PAD] = (emb_token_spec){.token = {.content = pad, .size = strlen(pad)},
                                             .plain = true};
        c->state[EMB_PAD] = EMB_TOKEN_GIVEN;
    }
    return status;
}

/* ---- open ----------------------------------------------------------------------------- */

static int32_t load_documents(loader *l)
{
    embed_error local = EMBED_ERROR_INIT, *error = l->error ? l->error : &local;
    if (l->files->tokenizer_json) {
        l->document = emb_json_parse(JSON, l->files->tokenizer_json, l->files->tokenizer_json_size,
                                     "model.vocab",
                                     l->a, error);
        if (!l->document) return error->status;
        l->json = emb_json_root(l->document);
        if (!emb_json_is(l->json, EMB_JSON_OBJECT)) {
            return emb_fail(error, EMBED_EFORMAT, JSON ": expected an object, found %s",
                            emb_json_kind_name(l->json));
        }
    }
    l->t->has_json = l->json != NULL;
    return emb_config_load(&l->config, l->files, l->json, l->a, l->error);
}

static int32_t load_vocab(const loader *l)
{
    const char *type = NULL;
    if (!l->json) {
        if (l->files->vocab_txt && l->t->rebuilt) return load_vocab_txt(l);
        return emb_fail(l->error, EMBED_EIO, "tokenizer: expected " JSON "%s, found %s",
                        l->t->rebuilt ? " or " VOCAB : "",
                            l->files->vocab_txt ? "only " VOCAB : "neither");
    }
    int32_t status = type_of(l, emb_json_get(l->json, "model"), "model", &type);
    if (status < 0) return status;
    if (*type && strcmp(type, "WordPiece")) {
        return unsupported(l, "model", "WordPiece", type);
    }
    if (!*type && (emb_json_get(emb_json_get(l->json, "model"), "merges") ||
                   !emb_json_get(emb_json_get(l->json, "model"), "unk_token"))) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        JSON ": model: no type, and not the fields of WordPiece");
    }
    return load_vocab_json(l);
}

static int32_t load(loader *l)
{
    emb_tokenizer *t = l->t;
    int32_t status = load_documents(l);
    if (status == EMBED_OK) status = choose_class(l);
    if (status == EMBED_OK) status = load_vocab(l);
    if (status == EMBED_OK) status = index_ids(l);
    if (status == EMBED_OK) status = set_defaults(l);
    if (status == EMBED_OK) status = load_blocks(l);
    if (status == EMBED_OK) status = t->rebuilt ? load_bert(l) : load_verbatim(l);
    if (status < 0) return status;
    emb_normalizer_prepare(&t->normalizer);
    t->model_max_length = l->config.model_max_length;
    if (!t->rebuilt) status = add_from_json(l);
    if (status == EMBED_OK) status = add_from_config(l);
    if (status == EMBED_OK) status = finish_added(l);
    if (status < 0) return status;
    if (!t->rebuilt) {
        status = emb_template_load(&t->single, &t->pair, emb_json_get(l->json, "post_processor"),
                                   l->a, l->error);
    } else {
        const emb_added_token *cls = &l->config.named[EMB_CLS].token,
            *sep = &l->config.named[EMB_SEP].token;
        int32_t cls_id = emb_tokenizer_id(t, cls->content, cls->size),
                sep_id = emb_tokenizer_id(t, sep->content, sep->size);
        if (cls_id < 0 || sep_id < 0) {
            return emb_fail(l->error, EMBED_EFORMAT, CONFIG ": %s: expected a token, found \"\"",
                            emb_named_tokens[cls_id < 0 ? EMB_CLS : EMB_SEP]);
        }
        status = emb_template_bert(&t->single, &t->pair, cls_id, sep_id, l->a);
        if (status < 0) out_of_memory(l);
    }
    for (int64_t i = 0; status == EMBED_OK && i < t->pair.count; i++) {
        t->vocab_size = EMB_MAX(t->vocab_size, (int64_t)t->pair.pieces[i].id + 1);
    }
    for (int64_t i = 0; status == EMBED_OK && i < t->single.count; i++) {
        t->vocab_size = EMB_MAX(t->vocab_size, (int64_t)t->single.pieces[i].id + 1);
    }
    return status;
}

int32_t emb_tokenizer_open(emb_tokenizer **tokenizer, const emb_tokenizer_files *files,
                           const emb_allocator *a,
                           embed_error *error)
{
    loader l = {.files = files, .a = a, .error = error, .largest_id = -1};
    *tokenizer = NULL;
    l.t = emb_calloc(a, 1, sizeof *l.t);
    if (!l.t) return out_of_memory(&l);
    l.t->allocator = *a;
    emb_strings_init(&l.t->model.vocab, &l.t->allocator);
    emb_strings_init(&l.t->added.ids, &l.t->allocator);
    emb_strings_init(&l.contents, a);
    l.config = (emb_tokenizer_config){.lower = true};
    int32_t status = load(&l);
    emb_config_free(&l.config, a);
    emb_json_free(l.document);
    emb_free(a, l.added.items);
    emb_strings_free(&l.contents);
    if (status == EMBED_OK) *tokenizer = l.t;
    else emb_tokenizer_free(l.t);
    return status;
}

void emb_tokenizer_free(emb_tokenizer *t)
{
    if (!t) return;
    emb_allocator a = t->allocator;
    emb_strings_free(&t->model.vocab);
    emb_free(&a, t->model.unk);
    emb_free(&a, t->model.prefix);
    emb_added_free(&t->added, &a);
    emb_free(&a, t->single.pieces);
    emb_free(&a, t->pair.pieces);
    emb_free(&a, t->entry_of_id);
    emb_free(&a, t->class_name);
    emb_free(&a, t);
}
