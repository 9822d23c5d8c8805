/* Models of a tokenizer that is being opened: their options, and what they make of the
 * vocabulary. */
#include "load.h"

/* ---- options --------------------------------------------------------------------------------- */

/* unk_token, or none when it is null. */
static int32_t set_unknown(const emb_loader *l, const char *unk)
{
    emb_token_model *m = &l->t->model;
    m->unk_id = -1;
    if (!unk) return EMBED_OK;
    m->unk = emb_strdup(l->a, unk, strlen(unk));
    if (!m->unk) return emb_load_out_of_memory(l);
    m->unk_id = emb_token_model_id(m, unk, strlen(unk));
    return EMBED_OK;
}

static int32_t read_affix(const emb_loader *l, const emb_json *v, const char *key,
                          const char *fallback, char **out, size_t *size)
{
    const char *text = NULL;
    int32_t status = emb_json_read_string(EMB_JSON_FILE, v, key, fallback, &text, l->error);
    if (status < 0) return status;
    *size = strlen(text);
    if (*size > EMB_MAX_AFFIX) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        EMB_JSON_FILE ": model: %s: expected at most %d bytes, found %zu", key,
                        EMB_MAX_AFFIX, *size);
    }
    *out = emb_strdup(l->a, text, *size);
    return *out ? EMBED_OK : emb_load_out_of_memory(l);
}

static int32_t read_prefix(const emb_loader *l, const emb_json *v, const char *fallback)
{
    emb_token_model *m = &l->t->model;
    int32_t status = read_affix(l, v, "continuing_subword_prefix", fallback, &m->prefix,
                                &m->prefix_size);
    m->prefix_hash = EMB_HASH_START;
    for (const char *p = m->prefix; status == EMBED_OK && *p; p++) {
        m->prefix_hash = emb_hash_step(m->prefix_hash, *p);
    }
    return status;
}

static int32_t load_wordpiece(emb_loader *l, const emb_json *v)
{
    const char *unk = NULL;
    int32_t status = emb_load_vocab(l);
    if (status == EMBED_OK) status = emb_json_read_string(EMB_JSON_FILE, v, "unk_token", "[UNK]",
                                                          &unk, l->error);
    if (status == EMBED_OK) status = set_unknown(l, unk);
    if (status == EMBED_OK) status = read_prefix(l, v, "##");
    if (status < 0) return status;
    return emb_json_read_int(EMB_JSON_FILE, v, "max_input_chars_per_word", 100, 0, INT32_MAX,
                             &l->t->model.max_chars, l->error);
}

static int32_t load_wordlevel(emb_loader *l, const emb_json *v)
{
    const char *unk = NULL;
    int32_t status = emb_load_vocab(l);
    if (status == EMBED_OK) status = emb_json_read_string(EMB_JSON_FILE, v, "unk_token", "<unk>",
                                                          &unk, l->error);
    return status < 0 ? status : set_unknown(l, unk);
}

/* ---- BPE ------------------------------------------------------------------------------------- */

static int32_t refuse_dropout(const emb_loader *l, const emb_json *v)
{
    double dropout = 0;
    int32_t status = emb_json_read_float(EMB_JSON_FILE, v, "dropout", 0, &dropout, l->error);
    if (status < 0 || dropout == 0) return status;
    return emb_fail(l->error, EMBED_EUNSUPPORTED,
                    EMB_JSON_FILE ": model: dropout: expected null or 0, found %g", dropout);
}

static int32_t load_bpe(emb_loader *l, const emb_json *v)
{
    emb_token_model *m = &l->t->model;
    emb_bpe *b = &m->bpe;
    const char *unk = NULL;
    int32_t status = emb_load_vocab(l);
    if (status == EMBED_OK) status = refuse_dropout(l, v);
    if (status == EMBED_OK) status = emb_json_read_string(EMB_JSON_FILE, v, "unk_token", NULL, &unk,
                                                          l->error);
    if (status == EMBED_OK) status = set_unknown(l, unk);
    if (status == EMBED_OK) status = read_prefix(l, v, "");
    if (status == EMBED_OK) status = read_affix(l, v, "end_of_word_suffix", "", &b->suffix,
                                                &b->suffix_size);
    const struct { const char *key; bool *value; } flags[] = {
        {"fuse_unk", &b->fuse_unk}, {"byte_fallback", &b->byte_fallback},
        {"ignore_merges", &b->ignore_merges}};
    for (int i = 0; i < EMB_COUNT(flags) && status == EMBED_OK; i++) {
        status = emb_json_read_bool(EMB_JSON_FILE, v, flags[i].key, false, flags[i].value,
                                    l->error);
    }
    if (status < 0) return status;
    if (b->byte_fallback && (m->prefix_size || b->suffix_size)) { /* offsets would leave the word */
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        EMB_JSON_FILE ": model: byte_fallback with continuing_subword_prefix or "
                        "end_of_word_suffix is not supported");
    }
    status = emb_load_merges(l);
    if (status < 0) return status;
    return emb_bpe_prepare(m, l->a) ? EMBED_OK : emb_load_out_of_memory(l);
}

/* ---- Unigram --------------------------------------------------------------------------------- */

#define FIND_UNKNOWN (-2)

/* Some classes look for their unknown token in the vocabulary. */
static int64_t find_unknown(const emb_loader *l)
{
    const emb_unigram_piece *pieces = emb_piece_list(&l->pieces);
    const emb_added_token *unk = &l->config.named[EMB_UNK].token;
    for (int64_t i = 0; i < l->pieces.count; i++) {
        if (pieces[i].size != unk->size) continue;
        if (memcmp(pieces[i].text, unk->content, unk->size)) continue;
        if (pieces[i].score == 0 || !l->class->unknown_scores_zero) return i;
    }
    return l->class->unknown_of_spm && l->spm.count ? l->spm.unk_id : l->class->unknown_fallback;
}

/* What the class puts before each text, as SentencePiece normalizes it: its tokens are dropped. */
static int32_t set_dropped(const emb_loader *l)
{
    const emb_steps *steps = &l->t->normalizers;
    const emb_step *last = &steps->items[steps->count - 1];
    const emb_added_token *unk = &l->config.named[EMB_UNK].token;
    emb_source source = {.data = unk->content, .size = unk->size};
    emb_char in[EMB_MAX_AFFIX], out[EMB_MAX_AFFIX];
    char text[4 * EMB_MAX_AFFIX];
    size_t count = 0, size = 0;
    for (size_t at = 0; at < source.size && count < EMB_MAX_AFFIX; at += in[count++].size) {
        in[count] = emb_source_next(&source, at);
    }
    count = last->kind->normalize(last, NULL, in, count, out, EMB_MAX_AFFIX);
    if (unk->size > EMB_MAX_AFFIX || count > EMB_MAX_AFFIX) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        EMB_CONFIG_FILE ": unk_token: expected at most %d bytes, found more",
                        EMB_MAX_AFFIX);
    }
    for (size_t i = 0; i < count; i++) {
        size += (size_t)emb_utf8_encode(out[i].code, text + size);
    }
    l->t->model.dropped = emb_strdup(l->a, text, size);
    l->t->model.dropped_size = size;
    return l->t->model.dropped ? EMBED_OK : emb_load_out_of_memory(l);
}

static int32_t load_unigram(emb_loader *l, const emb_json *v)
{
    int64_t unk_id = FIND_UNKNOWN;
    bool byte_fallback = false;
    int32_t status = EMBED_OK;
    if (!l->class || !l->class->finds_unknown) {
        status = emb_json_read_int(EMB_JSON_FILE, v, "unk_id", -1, 0, INT32_MAX - 1, &unk_id,
                                   l->error);
    }
    if (status == EMBED_OK) status = emb_json_read_bool(EMB_JSON_FILE, v, "byte_fallback", false,
                                                        &byte_fallback, l->error);
    int flags = byte_fallback ? EMB_UNIGRAM_BYTE_FALLBACK : 0;
    if (l->class && l->class->spm_alone) {
        if (status == EMBED_OK) status = set_dropped(l);
        flags |= EMB_UNIGRAM_SINGLE;
    }
    if (status == EMBED_OK && l->tables.kind) {
        return emb_tables_unigram(&l->tables, &l->t->model, flags, l->error);
    }
    if (status == EMBED_OK) status = emb_load_pieces(l);
    if (status < 0) return status;
    if (unk_id == FIND_UNKNOWN) unk_id = find_unknown(l);
    l->t->model.unk_id = (int32_t)unk_id;
    return emb_unigram_open(&l->t->model.unigram, emb_piece_list(&l->pieces), l->pieces.count,
                            unk_id, flags,
                            l->json ? EMB_JSON_FILE ": model" : l->t->vocabulary_from, l->a,
                            l->error);
}

/* ---- which ----------------------------------------------------------------------------------- */

static const struct loadable {
    const emb_token_model_kind *kind;
    int32_t (*load)(emb_loader *l, const emb_json *v);
} models[] = {
    {&emb_token_model_wordpiece, load_wordpiece}, {&emb_token_model_wordlevel, load_wordlevel},
    {&emb_token_model_bpe, load_bpe}, {&emb_token_model_unigram, load_unigram},
};

/* The type of a model, or of one from before there were types by its fields. */
static const char *type_by_fields(const emb_json *model)
{
    if (emb_json_get(model, "merges")) return "BPE";
    if (emb_json_get(model, "max_input_chars_per_word")) return "WordPiece";
    if (emb_json_get(model, "unk_token")) return "WordLevel";
    return "Unigram";
}

int32_t emb_load_model(emb_loader *l)
{
    const emb_loading loading = {.a = l->a, .error = l->error, .file = EMB_JSON_FILE};
    const emb_json *model = emb_json_get(l->json, "model"), *options = model;
    const char *type = NULL;
    if (l->json) {
        int32_t status = emb_component_type(model, "model", &type, &loading);
        if (status < 0) return status;
        if (!*type) type = type_by_fields(model);
    }
    if (l->class) {
        options = emb_json_get(emb_json_root(l->pipeline), "model");
        if (type && strcmp(type, l->class->model->type)) {
            return emb_fail(l->error, EMBED_EUNSUPPORTED,
                            EMB_JSON_FILE ": model: type: expected %s, as %s has it, found \"%s\"",
                            l->class->model->type, l->class->name,
                            emb_excerpt_of(type, strlen(type)).text);
        }
        type = l->class->model->type;
    }
    for (int i = 0; i < EMB_COUNT(models); i++) {
        if (strcmp(models[i].kind->type, type)) continue;
        if (l->tables.kind && l->tables.kind != models[i].kind) {
            return emb_fail(l->error, EMBED_EFORMAT, "tokenizer tables: those of a %s, expected %s",
                            l->tables.kind->type, type);
        }
        l->t->model.kind = models[i].kind;
        return models[i].load(l, options);
    }
    return emb_fail(l->error, EMBED_EUNSUPPORTED,
                    EMB_JSON_FILE ": model: type: \"%s\" is not supported",
                    emb_excerpt_of(type, strlen(type)).text);
}
