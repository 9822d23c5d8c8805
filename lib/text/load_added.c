/* Added tokens of a tokenizer that is being opened: those of tokenizer.json, then what
 * transformers adds on top of them, in its order and with its ids. */
#include "load.h"

/* Add tokens as the reference's add_tokens does: a piece of the vocabulary keeps its id, the others
 * follow the number of pieces or the largest added id. */
static int32_t add_tokens(emb_loader *l, const emb_token_list *list)
{
    int64_t pieces = emb_token_model_count(&l->t->model);
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
        if (status == EMBED_ENOMEM) return emb_load_out_of_memory(l);
        if (status < 0) return emb_fail(l->error, status,
                                        "added tokens: too many that collide in a hash table");
    }
    return EMBED_OK;
}

/* Those of tokenizer.json, when it is taken as it stands. */
static int32_t add_from_json(emb_loader *l)
{
    const emb_json *v = emb_json_get(l->json, "added_tokens");
    emb_token_list list = {.count = 0};
    int32_t status = EMBED_OK;

    if (v && !emb_json_is(v, EMB_JSON_ARRAY) && !emb_json_is(v, EMB_JSON_NULL)) {
        return emb_fail(l->error, EMBED_EFORMAT,
                        EMB_JSON_FILE ": added_tokens: expected an array, found %s",
                        emb_json_kind_name(v));
    }
    for (v = emb_json_first(v); v && status == EMBED_OK; v = emb_json_next_sibling(v)) {
        emb_token_spec spec;
        status = emb_added_token_read(&spec, EMB_JSON_FILE, v, l->error);
        if (status == EMBED_OK) status = emb_token_list_add(&list, &spec, l->a, l->error);
    }
    if (status == EMBED_OK) status = add_tokens(l, &list);
    emb_free(l->a, list.items);
    return status;
}

/* A special token is added unless its content is a token already, or it was just given the same
 * way. */
static int32_t add_special(const emb_loader *l, emb_token_list *list, size_t from,
                           emb_strings *contents,
                           const emb_token_spec *spec)
{
    if (emb_strings_find(contents, spec->token.content, spec->token.size) >= 0) return EMBED_OK;
    for (size_t i = from; i < list->count && i < from + 64; i++) {
        if (emb_token_spec_equal(&list->items[i], spec)) return EMBED_OK;
    }
    return emb_token_list_add(list, spec, l->a, l->error);
}

/* What transformers adds on top: added_tokens_decoder, then the special tokens that are in
 * neither. */
static int32_t collect(emb_loader *l, emb_token_list *list, emb_strings *contents,
                       emb_strings *named)
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

static int32_t add_from_config(emb_loader *l)
{
    emb_token_list list = {.count = 0};
    emb_strings contents, named;
    emb_strings_init(&contents, l->a);
    emb_strings_init(&named, l->a);
    int32_t status = collect(l, &list, &contents, &named);
    if (status == EMBED_ENOMEM) emb_load_out_of_memory(l);
    else if (status == EMBED_EFORMAT) emb_fail(l->error, status,
                                               "added tokens: too many that collide in a hash "
                                                   "table");
    else status = add_tokens(l, &list);
    emb_strings_free(&contents);
    emb_strings_free(&named);
    emb_free(l->a, list.items);
    return status;
}

/* Every special token once more, by its content alone. */
static int32_t add_again(emb_loader *l)
{
    const emb_tokenizer_config *c = &l->config;
    emb_token_list list = {.count = 0};
    int32_t status = EMBED_OK;
    for (size_t i = 0; i < EMB_NAMED_TOKENS + c->extra.count && status == EMBED_OK; i++) {
        bool named = i < EMB_NAMED_TOKENS;
        if (named && c->state[i] != EMB_TOKEN_GIVEN) continue;
        const emb_token_spec *from = named ? &c->named[i] : &c->extra.items[i - EMB_NAMED_TOKENS];
        emb_token_spec spec = {.index = -1, .token = {.content = from->token.content,
                                                      .size = from->token.size, .special = true}};
        status = emb_token_list_add(&list, &spec, l->a, l->error);
    }
    if (status == EMBED_OK) status = add_tokens(l, &list);
    emb_free(l->a, list.items);
    return status;
}

/* Copy the added tokens into the tokenizer and build the automata. */
static int32_t finish_added(emb_loader *l)
{
    emb_added *added = &l->t->added;
    emb_token_list_sort(&l->added);
    added->split_special = l->config.split_special;
    added->tokens = emb_calloc(l->a, EMB_MAX(l->added.count, 1), sizeof *added->tokens);
    if (!added->tokens) return emb_load_out_of_memory(l);
    for (size_t i = 0; i < l->added.count; i++) {
        emb_added_token *t = &added->tokens[i];
        *t = l->added.items[i].token;
        t->id = (int32_t)l->added.items[i].index;
        t->content = emb_strdup(l->a, t->content, t->size);
        if (!t->content) return emb_load_out_of_memory(l);
        added->count++;
        l->t->vocab_size = EMB_MAX(l->t->vocab_size, (int64_t)t->id + 1);
    }
    return emb_added_build(added, &l->t->reader, &l->t->normalizers, l->a, l->error);
}

int32_t emb_load_added(emb_loader *l)
{
    int32_t status = l->class ? EMBED_OK : add_from_json(l);
    if (status == EMBED_OK) status = add_from_config(l);
    if (status == EMBED_OK && l->class && l->class->adds_again) status = add_again(l);
    return status < 0 ? status : finish_added(l);
}
