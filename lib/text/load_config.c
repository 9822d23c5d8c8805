/* tokenizer_config.json, special_tokens_map.json and added_tokens.json: which tokens are special,
 * with which flags. The order in which one file overrides another is that of transformers 5. */
#include <stdlib.h>

#include "text.h"

#define CONFIG "tokenizer_config.json"
#define SPECIAL_MAP "special_tokens_map.json"
#define ADDED "added_tokens.json"

const char *const emb_named_tokens[EMB_NAMED_TOKENS] = {"bos_token", "eos_token", "unk_token",
                                                        "sep_token",
                                                        "pad_token", "cls_token", "mask_token"};

static const emb_json *root_of(const emb_json_document *document)
{
    return document ? emb_json_root(document) : NULL;
}

/* ---- lists of tokens ------------------------------------------------------------ */

int32_t emb_token_list_add(emb_token_list *list, const emb_token_spec *spec, const emb_allocator *a,
                           embed_error *error)
{
    if (list->count == list->capacity) {
        size_t capacity = 2 * list->capacity + 16;
        emb_token_spec *items = emb_calloc(a, capacity, sizeof *items);
        if (!items) return emb_fail(error, EMBED_ENOMEM, "added tokens: out of memory");
        if (list->count) memcpy(items, list->items, list->count * sizeof *items);
        emb_free(a, list->items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count] = *spec;
    list->items[list->count].order = (int64_t)list->count;
    list->count++;
    return EMBED_OK;
}

static int compare(const void *a, const void *b)
{
    const emb_token_spec *x = a, *y = b;
    if (x->index != y->index) return x->index < y->index ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

void emb_token_list_sort(emb_token_list *list)
{
    size_t kept = 0;
    if (list->count) qsort(list->items, list->count, sizeof *list->items, compare);
    for (size_t i = 0; i < list->count; i++) {
        bool replaced = i + 1 < list->count && list->items[i + 1].index == list->items[i].index;
        if (!replaced) list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

static bool same_content(const emb_added_token *x, const emb_added_token *y)
{
    return x->size == y->size && !memcmp(x->content, y->content, x->size);
}

bool emb_token_spec_equal(const emb_token_spec *x, const emb_token_spec *y)
{
    const emb_added_token *a = &x->token, *b = &y->token;
    return same_content(a, b) && x->plain == y->plain && a->single_word == b->single_word &&
           a->lstrip == b->lstrip && a->rstrip == b->rstrip && a->normalized == b->normalized &&
           a->special == b->special;
}

/* ---- one token ----------------------------------------------------------------------- */

static void set_content(emb_token_spec *spec, const char *text)
{
    spec->token.content = text;
    spec->token.size = strlen(text);
}

/* An object with content and flags; special: what the flag is when absent. */
static int32_t read_object(emb_token_spec *spec, const char *file, const emb_json *v, bool special,
                           embed_error *error)
{
    const char *content = NULL;
    emb_added_token *t = &spec->token;

    if (!emb_json_is(v, EMB_JSON_OBJECT)) {
        return emb_fail(error, EMBED_EFORMAT, "%s: line %lld: expected a token, found %s", file,
                        (long long)emb_json_value_line(v), emb_json_kind_name(v));
    }
    *spec = (emb_token_spec){.index = -1};
    int32_t status = emb_json_read_string(file, v, "content", NULL, &content, error);
    if (status == EMBED_OK && !content) {
        status = emb_fail(error, EMBED_EFORMAT, "%s: line %lld: a token without content", file,
                          (long long)emb_json_value_line(v));
    }
    if (status == EMBED_OK) set_content(spec, content);
    if (status == EMBED_OK) status = emb_json_read_bool(file, v, "single_word", false,
                                                        &t->single_word, error);
    if (status == EMBED_OK) status = emb_json_read_bool(file, v, "lstrip", false, &t->lstrip,
                                                        error);
    if (status == EMBED_OK) status = emb_json_read_bool(file, v, "rstrip", false, &t->rstrip,
                                                        error);
    if (status == EMBED_OK) status = emb_json_read_bool(file, v, "special", special, &t->special,
                                                        error);
    if (status == EMBED_OK) status = emb_json_read_bool(file, v, "normalized", !t->special,
                                                        &t->normalized, error);
    return status;
}

/* A special token of a config: a string, or {"__type": "AddedToken", ...}. */
static int32_t read_special(emb_token_spec *spec, const char *file, const emb_json *v,
                            embed_error *error)
{
    if (emb_json_is(v, EMB_JSON_STRING)) {
        *spec = (emb_token_spec){.index = -1, .plain = true};
        set_content(spec, emb_json_text(v));
        return EMBED_OK;
    }
    return read_object(spec, file, v, false, error);
}

int32_t emb_added_token_read(emb_token_spec *spec, const char *file, const emb_json *v,
                             embed_error *error)
{
    int64_t id;
    int32_t status = read_object(spec, file, v, false, error);
    if (status == EMBED_OK) status = emb_json_read_int(file, v, "id", 0, 0, INT32_MAX - 1, &id,
                                                       error);
    if (status == EMBED_OK) spec->index = id;
    return status;
}

/* ---- special tokens of a file ---------------------------------------------------------- */

static int32_t read_named(emb_tokenizer_config *c, const char *file, const emb_json *root,
                          embed_error *error)
{
    for (int i = 0; i < EMB_NAMED_TOKENS; i++) {
        const emb_json *v = emb_json_get(root, emb_named_tokens[i]);
        if (!v) continue;
        c->state[i] = EMB_TOKEN_NULL;
        if (emb_json_is(v, EMB_JSON_NULL)) continue;
        int32_t status = read_special(&c->named[i], file, v, error);
        if (status < 0) return status;
        c->state[i] = EMB_TOKEN_GIVEN;
        if (*file == 's') c->named[i].token.special = true; /* special_tokens_map.json */
    }
    return EMBED_OK;
}

static bool names_a_token(const char *key)
{
    size_t size = strlen(key);
    if (size < 6 || strcmp(key + size - 6, "_token")) return false;
    for (int i = 0; i < EMB_NAMED_TOKENS; i++) {
        if (!strcmp(key, emb_named_tokens[i])) return false;
    }
    return true;
}

/* Keys of the model's own, such as image_token: objects first, then strings. */
static int32_t read_specific(emb_tokenizer_config *c, const char *file, const emb_json *root,
                             bool plain,
                             const emb_allocator *a, embed_error *error)
{
    int32_t status = EMBED_OK;
    for (const emb_json *v = emb_json_first(root); v &&
         status == EMBED_OK; v = emb_json_next_sibling(v)) {
        bool wanted = plain ? emb_json_is(v, EMB_JSON_STRING)
                            : emb_json_is(v, EMB_JSON_OBJECT) && emb_json_get(v, "content");
        emb_token_spec spec;
        if (!wanted || !names_a_token(emb_json_key(v))) continue;
        status = read_special(&spec, file, v, error);
        if (status == EMBED_OK) status = emb_token_list_add(&c->specific, &spec, a, error);
    }
    return status;
}

static int32_t read_all(emb_token_list *list, const char *file, const emb_json *values,
                        const emb_allocator *a,
                        embed_error *error)
{
    int32_t status = EMBED_OK;
    for (const emb_json *v = emb_json_first(values); v &&
         status == EMBED_OK; v = emb_json_next_sibling(v)) {
        emb_token_spec spec;
        status = read_special(&spec, file, v, error);
        if (status == EMBED_OK) status = emb_token_list_add(list, &spec, a, error);
    }
    return status;
}

/* A list of extra special tokens, or an object of named ones. */
static int32_t read_extra(emb_tokenizer_config *c, const char *file, const emb_json *v,
                          const emb_allocator *a,
                          embed_error *error)
{
    if (!v || emb_json_is(v, EMB_JSON_NULL)) return EMBED_OK;
    if (emb_json_is(v, EMB_JSON_OBJECT)) return read_all(&c->specific, file, v, a, error);
    if (emb_json_is(v, EMB_JSON_ARRAY)) {
        c->extra_given = true;
        return read_all(&c->extra, file, v, a, error);
    }
    return emb_fail(error, EMBED_EFORMAT,
                    "%s: line %lld: extra special tokens: expected an array, found %s", file,
                    (long long)emb_json_value_line(v), emb_json_kind_name(v));
}

/* extra_special_tokens of tokenizer_config.json, or its older name where that is empty or named
 * tokens. */
static int32_t read_config_extra(emb_tokenizer_config *c, const emb_json *root,
                                 const emb_allocator *a,
                                 embed_error *error)
{
    const emb_json *extra = emb_json_get(root, "extra_special_tokens");
    int32_t status = read_extra(c, CONFIG, extra, a, error);
    if (status < 0 || c->extra.count > 0) return status;
    return read_extra(c, CONFIG, emb_json_get(root, "additional_special_tokens"), a, error);
}

/* ---- added tokens of a file --------------------------------------------------------------- */

static int32_t read_decoder(emb_tokenizer_config *c, const emb_json *decoder,
                            const emb_allocator *a,
                            embed_error *error)
{
    for (const emb_json *v = emb_json_first(decoder); v; v = emb_json_next_sibling(v)) {
        const char *key = emb_json_key(v);
        emb_token_spec spec;
        int64_t index = 0;
        for (const char *p = key; p && *p && index >= 0; p++) {
            index = *p >= '0' && *p <= '9' && p - key < 10 ? 10 * index + (*p - '0') : -1;
        }
        if (!key || !*key || index < 0 || index >= INT32_MAX) {
            return emb_fail(error, EMBED_EFORMAT,
                            CONFIG ": line %lld: added_tokens_decoder: expected an id, found "
                            "\"%s\"", (long long)emb_json_value_line(v),
                            emb_excerpt_of(key ? key : "", key ? strlen(key) : 0).text);
        }
        int32_t status = read_object(&spec, CONFIG, v, false, error);
        spec.index = index;
        if (status == EMBED_OK) status = emb_token_list_add(&c->decoder, &spec, a, error);
        if (status < 0) return status;
    }
    return EMBED_OK;
}

/* The contents of the special tokens that a config gives. */
static int32_t collect_special(const emb_tokenizer_config *c, emb_strings *special)
{
    int32_t status = EMBED_OK;
    for (size_t i = 0; i < c->extra.count && status >= 0; i++) {
        const emb_added_token *t = &c->extra.items[i].token;
        status = emb_strings_put(special, t->content, t->size, 0);
    }
    for (int i = 0; i < EMB_NAMED_TOKENS && status >= 0; i++) {
        const emb_added_token *t = &c->named[i].token;
        if (c->state[i] == EMB_TOKEN_GIVEN) {
            status = emb_strings_put(special, t->content, t->size, 0);
        }
    }
    return status;
}

/* {"[NEW]": 30522}: special if a config says so, otherwise matched after normalization. */
static int32_t read_added(emb_tokenizer_config *c, const emb_strings *specials,
                          const emb_allocator *a, embed_error *error)
{
    for (const emb_json *v = emb_json_first(root_of(c->added)); v; v = emb_json_next_sibling(v)) {
        emb_token_spec spec = {.index = -1};
        if (!emb_json_to_int(v, &spec.index) || spec.index < 0 || spec.index >= INT32_MAX) {
            return emb_fail(error, EMBED_EFORMAT, ADDED ": line %lld: expected an id, found %s",
                            (long long)emb_json_value_line(v), emb_json_kind_name(v));
        }
        set_content(&spec, emb_json_key(v) ? emb_json_key(v) : "");
        bool special = emb_strings_find(specials, spec.token.content, spec.token.size) >= 0;
        spec.token.special = special;
        spec.token.normalized = !special;
        int32_t status = emb_token_list_add(&c->decoder, &spec, a, error);
        if (status < 0) return status;
    }
    return EMBED_OK;
}

static int32_t read_added_file(emb_tokenizer_config *c, const emb_allocator *a, embed_error *error)
{
    emb_strings special;
    emb_strings_init(&special, a);
    int32_t status = collect_special(c, &special);
    if (status >= 0) status = read_added(c, &special, a, error);
    else emb_fail(error, status, ADDED ": the special tokens do not fit a hash table");
    emb_strings_free(&special);
    return status;
}

/* Directories from before added_tokens_decoder: three files say what it would. */
static int32_t read_legacy(emb_tokenizer_config *c, const emb_json *json, const emb_allocator *a,
                           embed_error *error)
{
    const emb_json *map = root_of(c->special_map);
    int32_t status = read_named(c, SPECIAL_MAP, map, error);

    if (status == EMBED_OK) status = read_specific(c, SPECIAL_MAP, map, true, a, error);
    if (status == EMBED_OK) status = read_extra(c, SPECIAL_MAP,
                                                emb_json_get(map, "extra_special_tokens"), a,
                                                    error);
    if (status == EMBED_OK && c->added) status = read_added_file(c, a, error);
    if (status == EMBED_OK && !c->extra_given) {
        status = read_extra(c, SPECIAL_MAP, emb_json_get(map, "additional_special_tokens"), a,
                            error);
    }
    const emb_json *list = emb_json_get(json, "added_tokens");
    for (const emb_json *v = emb_json_first(list); v &&
         status == EMBED_OK; v = emb_json_next_sibling(v)) {
        emb_token_spec spec;
        status = emb_added_token_read(&spec, "tokenizer.json", v, error);
        if (status == EMBED_OK) status = emb_token_list_add(&c->decoder, &spec, a, error);
    }
    return status;
}

/* ---- all of it ------------------------------------------------------------------------ */

static int32_t parse(emb_json_document **document, const char *name, const char *text, size_t size,
                     const emb_allocator *a, embed_error *error)
{
    embed_error local = EMBED_ERROR_INIT;
    if (!text) return EMBED_OK;
    if (!error) error = &local;
    *document = emb_json_parse(name, text, size, NULL, a, error);
    if (!*document) return error->status;
    if (emb_json_is(emb_json_root(*document), EMB_JSON_OBJECT)) return EMBED_OK;
    return emb_fail(error, EMBED_EFORMAT, "%s: expected an object, found %s", name,
                    emb_json_kind_name(emb_json_root(*document)));
}

static int32_t read_side(const emb_json *root, const char *key, const char **side,
                         embed_error *error)
{
    int32_t status = emb_json_read_string(CONFIG, root, key, NULL, side, error);
    if (status < 0 || !*side || !strcmp(*side, "left") || !strcmp(*side, "right")) return status;
    return emb_fail(error, EMBED_EFORMAT,
                    CONFIG ": %s: expected \"left\" or \"right\", found \"%s\"", key,
                    emb_excerpt_of(*side, strlen(*side)).text);
}

static int32_t read_settings(emb_tokenizer_config *c, embed_error *error)
{
    const emb_json *root = root_of(c->config);
    double length = 0;
    int32_t status = emb_json_read_string(CONFIG, root, "tokenizer_class", NULL, &c->class_name,
                                          error);

    if (status == EMBED_OK) status = emb_json_read_bool(CONFIG, root, "do_lower_case", true,
                                                        &c->lower, error);
    if (status == EMBED_OK) status = emb_json_read_bool(CONFIG, root, "tokenize_chinese_chars",
                                                        true, &c->cjk, error);
    if (status == EMBED_OK) status = emb_json_read_bool(CONFIG, root, "strip_accents", c->lower,
                                                        &c->strip, error);
    if (status == EMBED_OK) {
        status = emb_json_read_bool(CONFIG, root, "split_special_tokens", false, &c->split_special,
                                    error);
    }
    if (status == EMBED_OK) {
        status = read_side(root, "truncation_side", &c->truncation_side, error);
    }
    if (status == EMBED_OK) status = read_side(root, "padding_side", &c->padding_side, error);
    if (status == EMBED_OK) status = emb_json_read_float(CONFIG, root, "max_len", 0, &length,
                                                         error);
    if (status == EMBED_OK) status = emb_json_read_float(CONFIG, root, "model_max_length", length,
                                                         &length, error);
    if (status < 0) return status;
    c->model_max_length = length >= 1 && length < 9e15 ? (int64_t)length : 0;
    return EMBED_OK;
}

int32_t emb_config_load(emb_tokenizer_config *c, const emb_tokenizer_files *f, const emb_json *json,
                        const emb_allocator *a, embed_error *error)
{
    *c = (emb_tokenizer_config){.lower = true};
    int32_t status = parse(&c->config, CONFIG, f->tokenizer_config_json,
                           f->tokenizer_config_json_size, a, error);
    if (status < 0) return status;
    const emb_json *root = root_of(c->config),
        *decoder = emb_json_get(root, "added_tokens_decoder");

    status = read_settings(c, error);
    if (status == EMBED_OK) status = read_named(c, CONFIG, root, error);
    if (status == EMBED_OK) status = read_specific(c, CONFIG, root, false, a, error);
    if (status == EMBED_OK) status = read_specific(c, CONFIG, root, true, a, error);
    if (status == EMBED_OK) status = read_config_extra(c, root, a, error);
    if (decoder) {
        if (status == EMBED_OK) status = read_decoder(c, decoder, a, error);
    } else {
        if (status == EMBED_OK) {
            status = parse(&c->special_map, SPECIAL_MAP, f->special_tokens_map_json,
                           f->special_tokens_map_json_size,
                           a, error);
        }
        if (status == EMBED_OK) {
            status = parse(&c->added, ADDED, f->added_tokens_json, f->added_tokens_json_size, a,
                           error);
        }
        if (status == EMBED_OK) status = read_legacy(c, json, a, error);
    }
    /* named tokens take these flags */
    for (size_t i = 0; status == EMBED_OK && i < c->decoder.count; i++) {
        for (int k = 0; k < EMB_NAMED_TOKENS; k++) {
            bool given = c->state[k] == EMB_TOKEN_GIVEN;
            if (given && same_content(&c->named[k].token,
                                      &c->decoder.items[i].token)) c->named[k] =
                                          c->decoder.items[i];
        }
    }
    if (status == EMBED_OK) emb_token_list_sort(&c->decoder);
    return status;
}

void emb_config_free(emb_tokenizer_config *c, const emb_allocator *a)
{
    emb_json_free(c->config);
    emb_json_free(c->special_map);
    emb_json_free(c->added);
    emb_free(a, c->specific.items);
    emb_free(a, c->extra.items);
    emb_free(a, c->decoder.items);
}
