/* Opens a tokenizer from the files of a directory. Two ways, as in transformers 5: a class that
 * it knows takes the vocabulary and puts components of its own round it (classes.c); everything
 * else is tokenizer.json as it stands. Then tokens are added. */
#include "load.h"

#define JSON EMB_JSON_FILE

int32_t emb_load_out_of_memory(const emb_loader *l)
{
    return emb_fail(l->error, EMBED_ENOMEM, "tokenizer: out of memory");
}

/* ---- files ----------------------------------------------------------------------------------- */

static int32_t load_documents(emb_loader *l)
{
    embed_error local = EMBED_ERROR_INIT, *error = l->error ? l->error : &local;
    if (l->files->tokenizer_json) {
        l->document = emb_json_parse_with(JSON, l->files->tokenizer_json,
                                          l->files->tokenizer_json_size, "model.vocab|merges",
                                          emb_load_from_json, l, l->a, error);
        if (!l->document) return error->status;
        l->json = emb_json_root(l->document);
        if (!emb_json_is(l->json, EMB_JSON_OBJECT)) {
            return emb_fail(error, EMBED_EFORMAT, JSON ": expected an object, found %s",
                            emb_json_kind_name(l->json));
        }
    }
    return emb_config_load(&l->config, l->files, l->json, l->a, l->error);
}

static int32_t open_tables(emb_loader *l)
{
    const emb_tokenizer_files *f = l->files;
    const void *data = f->tables;
    if (!data) return EMBED_OK;
    if ((uintptr_t)data % 8) {
        l->t->tables = emb_alloc(l->a, f->tables_size, 1);
        if (!l->t->tables) return emb_load_out_of_memory(l);
        data = memcpy(l->t->tables, data, f->tables_size);
    }
    return emb_tables_open(&l->tables, data, f->tables_size, l->error);
}

static int32_t open_spm(emb_loader *l)
{
    const char *data = l->files->sentencepiece;
    size_t size = l->files->sentencepiece_size;
    if (l->tables.kind) {
        data = l->tables.arrays[EMB_TABLE_SENTENCEPIECE];
        size = l->tables.bytes[EMB_TABLE_SENTENCEPIECE];
    }
    return emb_sentencepiece_open(&l->spm, data, size, l->t->vocabulary_from, l->a, l->error);
}

/* Whether there is a vocabulary for the model. */
static int32_t check_files(emb_loader *l)
{
    const emb_tokenizer_files *f = l->files;
    const char *expected = "", *found = "neither";
    emb_tokenizer *t = l->t;
    bool tables = l->tables.kind;
    if (l->json) {
        t->vocabulary_from = JSON;
        return EMBED_OK;
    }
    if (l->class && l->class->model == &emb_token_model_wordpiece) {
        t->vocabulary_from = expected = "vocab.txt";
        if (f->vocab_txt || tables) return EMBED_OK;
    } else if (l->class && !l->class->spm_name) {
        t->vocabulary_from = expected = "vocab.json";
        if ((f->vocab_json && f->merges_txt) || tables) return EMBED_OK;
        expected = "vocab.json with merges.txt";
    } else if (l->class) {
        t->vocabulary_from = expected = l->class->spm_name;
        if (tables || f->sentencepiece) return open_spm(l);
    } else if (tables || f->tokenizer_model) {
        t->vocabulary_from = "tokenizer.model";
        int32_t status = open_spm(l);
        return status < 0 ? status : emb_class_of_model(l);
    }
    if (f->vocab_txt) found = "only vocab.txt";
    else if (f->vocab_json) found = f->merges_txt ? "only vocab.json with merges.txt"
                                                  : "only vocab.json";
    return emb_fail(l->error, EMBED_EIO, "tokenizer: expected " JSON "%s%s, found %s",
                    *expected ? " or " : "", expected, found);
}

/* ---- components ------------------------------------------------------------------------------ */

/* The side of truncation or padding: what tokenizer_config.json has, else the block's direction. */
static int32_t read_side(const emb_loader *l, const char *name, const emb_json *block,
                         const char *side, bool *left)
{
    const char *direction = *left ? "Left" : "Right";
    int32_t status = emb_json_read_string(JSON, block, "direction", direction, &direction,
                                          l->error);
    if (status < 0) return status;
    if (strcmp(direction, "Left") && strcmp(direction, "Right")) {
        return emb_fail(l->error, EMBED_EFORMAT,
                        JSON ": %s: direction: expected \"Left\" or \"Right\", found \"%s\"",
                        name, emb_excerpt_of(direction, strlen(direction)).text);
    }
    *left = side ? !strcmp(side, "left") : !strcmp(direction, "Left");
    return EMBED_OK;
}

/* Blocks that every call overrides, but that must be what they say; their directions are the
 * defaults. */
static int32_t load_blocks(const emb_loader *l)
{
    const emb_json *truncation = emb_json_get(l->json, "truncation");
    const emb_json *padding = emb_json_get(l->json, "padding");
    const char *version = NULL;
    int64_t length = 0;
    int32_t status = emb_json_read_string(JSON, l->json, "version", "1.0", &version, l->error);

    if (status == EMBED_OK && strcmp(version, "1.0")) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        EMB_JSON_FILE ": version: expected \"1.0\", found \"%s\"",
                        emb_excerpt_of(version, strlen(version)).text);
    }
    const emb_loading loading = {.a = l->a, .error = l->error, .file = EMB_JSON_FILE};
    const char *ignored = NULL;
    if (emb_json_is(truncation, EMB_JSON_NULL)) truncation = NULL;
    if (emb_json_is(padding, EMB_JSON_NULL)) padding = NULL;
    if (status == EMBED_OK) {
        status = emb_component_type(truncation, "truncation", &ignored, &loading);
    }
    if (status == EMBED_OK) status = emb_component_type(padding, "padding", &ignored, &loading);
    if (status == EMBED_OK) status = emb_json_read_int(JSON, truncation, "max_length", 0, 0,
                                                       INT64_C(1) << 53, &length,
                                                       l->error);
    if (status < 0) return status;
    l->t->truncation = length;
    l->t->pads_left = l->class && l->class->pads_left;
    status = read_side(l, "truncation", truncation, l->config.truncation_side,
                       &l->t->truncates_left);
    if (status < 0) return status;
    return read_side(l, "padding", padding, l->config.padding_side, &l->t->pads_left);
}

/* The padding block may name the padding token. */
static int32_t set_padding(emb_loader *l)
{
    emb_tokenizer_config *c = &l->config;
    const char *pad = NULL;
    int32_t status = emb_json_read_string(JSON, emb_json_get(l->json, "padding"), "pad_token",
                                          NULL, &pad, l->error);
    if (status == EMBED_OK && pad && c->state[EMB_PAD] == EMB_TOKEN_ABSENT) {
        c->named[EMB_PAD] = (emb_token_spec){.token = {.content = pad, .size = strlen(pad)},
                                             .plain = true};
        c->state[EMB_PAD] = EMB_TOKEN_GIVEN;
    }
    return status;
}

/* Normalizers and pre-tokenizers. */
static int32_t load_steps(emb_loader *l)
{
    emb_tokenizer *t = l->t;
    const emb_json *from = l->pipeline ? emb_json_root(l->pipeline) : l->json;
    const emb_loading loading = {l->a, l->error, l->json ? JSON : t->vocabulary_from,
                                 l->spm.charsmap, l->spm.charsmap_size};
    int32_t status = emb_normalizers_load(&t->reader, &t->normalizers,
                                          emb_json_get(from, "normalizer"), &loading);
    if (l->files->lowercase_first && (l->class || !t->reader.lowercases)) {
        t->reader.lower_first = true;
    }
    if (status == EMBED_OK) {
        status = emb_pre_tokenizers_load(&t->pre_tokenizers, emb_json_get(from, "pre_tokenizer"),
                                         &loading);
    }
    emb_normalizer_prepare(&t->reader);
    return status;
}

static int32_t load_post_processor(emb_loader *l)
{
    emb_tokenizer *t = l->t;
    const emb_loading loading = {.a = l->a, .error = l->error, .file = JSON};
    int32_t status = l->class ? emb_class_post_processor(l)
        : emb_post_processor_load(&t->post, emb_json_get(l->json, "post_processor"), &loading);
    const emb_template *templates[] = {&t->post.single, &t->post.pair};
    for (int k = 0; k < 2 && status == EMBED_OK; k++) {
        for (int64_t i = 0; i < templates[k]->count; i++) {
            t->vocab_size = EMB_MAX(t->vocab_size, (int64_t)templates[k]->pieces[i].id + 1);
        }
    }
    if (status == EMBED_OK && t->post.trims && !emb_token_model_trims(&t->model, l->a)) {
        return emb_load_out_of_memory(l);
    }
    return status;
}

/* The class takes nothing of tokenizer.json. */
static void forget_json(emb_loader *l)
{
    l->json = NULL;
    l->pieces.texts.size = l->pieces.pieces.size = l->pieces.scores.size = 0;
}

/* ---- open ------------------------------------------------------------------------------------ */

static int32_t load(emb_loader *l)
{
    emb_tokenizer *t = l->t;
    int32_t status = open_tables(l);
    if (status == EMBED_OK) status = load_documents(l);
    if (status == EMBED_OK) status = emb_class_choose(l);
    if (status == EMBED_OK && l->class && l->class->spm_alone) forget_json(l);
    if (status == EMBED_OK) status = check_files(l);
    if (status == EMBED_OK && l->class) status = emb_class_apply(l);
    if (status == EMBED_OK) status = set_padding(l);
    if (status == EMBED_OK) status = load_blocks(l);
    if (status == EMBED_OK) status = load_steps(l);
    if (status == EMBED_OK) status = emb_load_model(l);
    if (status < 0) return status;
    t->vocab_size = emb_token_model_ids(&t->model);
    t->model_max_length = l->config.model_max_length;
    t->settings_from = l->class ? EMB_CONFIG_FILE : JSON;
    status = emb_load_added(l);
    const emb_added_token *pad = &l->config.named[EMB_PAD].token;
    t->pad_id = l->config.state[EMB_PAD] == EMB_TOKEN_GIVEN
        ? emb_tokenizer_id(t, pad->content, pad->size) : -1;
    if (status == EMBED_OK) status = load_post_processor(l);
    t->streams = t->normalizers.count == 0 && emb_steps_are_bert(&t->pre_tokenizers) &&
                 t->model.kind == &emb_token_model_wordpiece && t->added.normal.count == 0;
    return status;
}

int32_t emb_tokenizer_open(emb_tokenizer **tokenizer, const emb_tokenizer_files *files,
                           const emb_allocator *a,
                           embed_error *error)
{
    emb_loader l = {.files = files, .a = a, .error = error, .largest_id = -1,
                    .spm = {.allocator = a}};
    *tokenizer = NULL;
    l.t = emb_calloc(a, 1, sizeof *l.t);
    if (!l.t) return emb_load_out_of_memory(&l);
    l.t->allocator = *a;
    emb_strings_init(&l.t->model.vocab, &l.t->allocator);
    emb_strings_init(&l.t->added.ids, &l.t->allocator);
    emb_strings_init(&l.contents, a);
    emb_buffer_init(&l.pieces.texts, a);
    emb_buffer_init(&l.pieces.pieces, a);
    emb_buffer_init(&l.pieces.scores, a);
    emb_buffer_init(&l.names, a);
    l.config = (emb_tokenizer_config){.lower = true};
    int32_t status = load(&l);
    emb_config_free(&l.config, a);
    emb_json_free(l.document);
    emb_json_free(l.pipeline);
    emb_sentencepiece_close(&l.spm);
    emb_free(a, l.added.items);
    emb_strings_free(&l.contents);
    emb_buffer_free(&l.pieces.texts);
    emb_buffer_free(&l.pieces.pieces);
    emb_buffer_free(&l.pieces.scores);
    emb_buffer_free(&l.names);
    if (status == EMBED_OK) *tokenizer = l.t;
    else emb_tokenizer_free(l.t);
    return status;
}

void emb_tokenizer_free(emb_tokenizer *t)
{
    if (!t) return;
    emb_allocator a = t->allocator;
    emb_token_model_free(&t->model, &a);
    emb_steps_free(&t->normalizers, &a);
    emb_steps_free(&t->pre_tokenizers, &a);
    emb_added_free(&t->added, &a);
    emb_post_processor_free(&t->post, &a);
    emb_free(&a, t->class_name);
    emb_free(&a, t->tables);
    emb_free(&a, t);
}
