/* Vocabularies and models of a tokenizer that is being opened: tokenizer.json is read as a
 * stream, since a tree of 250,000 pieces takes longer than everything else. */
#include "load.h"
#include "unigram.h"

#define VOCAB_TXT "vocab.txt"
#define VOCAB_JSON "vocab.json"
#define MERGES_TXT "merges.txt"

/* ---- pieces -------------------------------------------------------------------------------- */

static int32_t put_piece(const emb_loader *l, const char *file, const char *text, size_t size,
                         int64_t id)
{
    if (size > EMB_MAX_PIECE) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        "%s: vocabulary: \"%s\": expected at most %d bytes, found %zu", file,
                        emb_excerpt_of(text, size).text, EMB_MAX_PIECE, size);
    }
    int32_t status = emb_strings_put(&l->t->model.vocab, text, size, (int32_t)id);
    if (status >= 0) return EMBED_OK;
    if (status == EMBED_ENOMEM) return emb_load_out_of_memory(l);
    return emb_fail(l->error, status,
                    "%s: vocabulary: too many pieces that collide in a hash table", file);
}

/* trailing white space is no part of a piece */
static size_t line_end(const char *text, size_t size)
{
    emb_source source = {.data = text, .size = size};
    while (source.size > 0) {
        emb_char c = emb_source_previous(&source, source.size);
        if (!emb_is_space(c.code)) break;
        source.size -= c.size;
    }
    return source.size;
}

static int32_t check_text(const emb_loader *l, const char *file, const char *text, size_t size)
{
    int64_t invalid = emb_utf8_invalid(text, size);
    if (invalid < 0) return EMBED_OK;
    return emb_fail(l->error, EMBED_EFORMAT, "%s: line %lld: not valid UTF-8", file,
                    (long long)emb_json_line(text, (size_t)invalid));
}

/* One piece a line, its id the line's number; of equal ones the last counts. */
static int32_t load_vocab_txt(const emb_loader *l)
{
    const char *text = l->files->vocab_txt;
    size_t size = l->files->vocab_txt_size;
    int32_t status = check_text(l, VOCAB_TXT, text, size);

    for (int64_t id = 0; size > 0 && status == EMBED_OK; id++) {
        const char *newline = memchr(text, '\n', size);
        size_t length = newline ? (size_t)(newline - text) : size;
        status = put_piece(l, VOCAB_TXT, text, line_end(text, length), id);
        length += newline != NULL;
        text += length;
        size -= length;
    }
    return status;
}

/* ---- the stream ----------------------------------------------------------------------------- */

/* {"piece": id, ...} */
static int32_t read_pieces(const emb_loader *l, emb_json_reader *r)
{
    emb_json_event event;
    while ((event = emb_json_next(r)) == EMB_JSON_KEY) {
        int32_t before = l->t->model.vocab.count;
        size_t size = r->string_size;
        int32_t status = put_piece(l, r->name, r->string, size, 0);
        if (status < 0) return status;
        emb_string *entry = &l->t->model.vocab.entries[l->t->model.vocab.count - 1];
        if (l->t->model.vocab.count == before) {
            return emb_fail(l->error, EMBED_EFORMAT,
                            "%s: line %lld: model.vocab: \"%s\" is there twice", r->name,
                            (long long)r->line, emb_excerpt_of(r->string, size).text);
        }
        event = emb_json_next(r);
        if (event == EMB_JSON_ERROR) return r->status;
        if (event != EMB_JSON_INTEGER || r->integer_big || r->integer < 0 ||
            r->integer >= INT32_MAX) {
            return emb_fail(l->error, EMBED_EFORMAT,
                            "%s: line %lld: model.vocab: \"%s\": expected an id, found %s", r->name,
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

/* Read the value of model.<key> with a function; kind: what it has to be. */
static int32_t stream_model(const emb_loader *l, const char *key, emb_json_event kind, void *into,
                            int32_t (*read)(const emb_loader *l, emb_json_reader *r, void *into))
{
    emb_json_reader r;
    int32_t status = EMBED_OK;
    emb_json_start(&r, EMB_JSON_FILE, l->files->tokenizer_json, l->files->tokenizer_json_size, l->a,
                   l->error);
    emb_json_event event = emb_json_next(&r);
    bool found = event == EMB_JSON_OBJECT && emb_json_enter(&r, "model", &event) &&
                 event == EMB_JSON_OBJECT && emb_json_enter(&r, key, &event);
    if (event == EMB_JSON_ERROR) status = r.status;
    else if (found && event == kind) status = read(l, &r, into);
    else status = emb_fail(l->error, EMBED_EFORMAT,
                           EMB_JSON_FILE ": model.%s: expected %s, found %s", key,
                           emb_json_event_name(kind), found ? emb_json_event_name(event) : "none");
    emb_json_stop(&r);
    return status;
}

static int32_t read_vocab(const emb_loader *l, emb_json_reader *r, void *into)
{
    (void)into;
    return read_pieces(l, r);
}

static int32_t load_vocab_json(const emb_loader *l)
{
    emb_json_reader r;
    emb_json_start(&r, VOCAB_JSON, l->files->vocab_json, l->files->vocab_json_size, l->a, l->error);
    emb_json_event event = emb_json_next(&r);
    int32_t status = event == EMB_JSON_ERROR ? r.status : event == EMB_JSON_OBJECT
        ? read_pieces(l, &r)
        : emb_fail(l->error, EMBED_EFORMAT, VOCAB_JSON ": expected an object, found %s",
                   emb_json_event_name(event));
    emb_json_stop(&r);
    return status;
}

/* id -> piece. An id far above the number of pieces would be a table of holes. */
static int32_t index_ids(const emb_loader *l)
{
    emb_token_model *m = &l->t->model;
    const emb_strings *v = &m->vocab;
    for (int32_t i = 0; i < v->count; i++) {
        m->ids = EMB_MAX(m->ids, (int64_t)v->entries[i].value + 1);
    }
    if (m->ids > 16 * (int64_t)v->count + 65536) {
        return emb_fail(l->error, EMBED_EFORMAT,
                        EMB_JSON_FILE ": model.vocab: id %lld in a vocabulary of %d pieces",
                        (long long)m->ids - 1, (int)v->count);
    }
    m->entry_of_id = emb_calloc(l->a, (size_t)m->ids, sizeof *m->entry_of_id);
    if (!m->entry_of_id) return emb_load_out_of_memory(l);
    for (int32_t i = 0; i < v->count; i++) m->entry_of_id[v->entries[i].value] = i + 1;
    return EMBED_OK;
}

static int32_t load_vocab(const emb_loader *l)
{
    if (l->tables.kind) return emb_tables_vocabulary(&l->tables, &l->t->model, l->error);
    int32_t status = l->json ? stream_model(l, "vocab", EMB_JSON_OBJECT, NULL, read_vocab)
        : l->t->model.kind == &emb_token_model_wordpiece ? load_vocab_txt(l) : load_vocab_json(l);
    return status < 0 ? status : index_ids(l);
}

/* ---- options ---------------------------------------------------------------------------------- */

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
    int32_t status = load_vocab(l);
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
    int32_t status = load_vocab(l);
    if (status == EMBED_OK) status = emb_json_read_string(EMB_JSON_FILE, v, "unk_token", "<unk>",
                                                          &unk, l->error);
    return status < 0 ? status : set_unknown(l, unk);
}

/* ---- BPE -------------------------------------------------------------------------------------- */

typedef struct merge_list { /* pairs of pieces, by rank */
    emb_buffer pairs; /* int32_t[3]: left, right, both together */
    emb_buffer text;
} merge_list;

static int32_t not_a_piece(const emb_loader *l, const char *file, int64_t rank, const char *text,
                           size_t size)
{
    return emb_fail(l->error, EMBED_EFORMAT,
                    "%s: merge %lld: \"%s\" is not in the vocabulary", file, (long long)rank + 1,
                    emb_excerpt_of(text, size).text);
}

/* A merge of two texts. The second loses its prefix when they are joined. */
static int32_t add_merge(const emb_loader *l, merge_list *m, const char *file, const char *left,
                         size_t left_size, const char *right, size_t right_size)
{
    const emb_token_model *model = &l->t->model;
    int64_t rank = (int64_t)(m->pairs.size / sizeof(int32_t[3]));
    int32_t ids[3] = {emb_token_model_id(model, left, left_size), emb_token_model_id(model, right, right_size)};
    if (ids[0] < 0) return not_a_piece(l, file, rank, left, left_size);
    if (ids[1] < 0 || right_size < model->prefix_size) {
        return not_a_piece(l, file, rank, right, right_size);
    }
    m->text.size = 0;
    emb_buffer_add(&m->text, left, left_size);
    emb_buffer_add(&m->text, right + model->prefix_size, right_size - model->prefix_size);
    if (m->text.failed) return emb_load_out_of_memory(l);
    ids[2] = emb_token_model_id(model, m->text.data, m->text.size);
    if (ids[2] < 0) return not_a_piece(l, file, rank, m->text.data, m->text.size);
    emb_buffer_add(&m->pairs, ids, sizeof ids);
    return m->pairs.failed || rank >= INT32_MAX - 1 ? emb_load_out_of_memory(l) : EMBED_OK;
}

/* "left right": one space. */
static int32_t add_line(const emb_loader *l, merge_list *m, const char *file, const char *text,
                        size_t size)
{
    const char *space = memchr(text, ' ', size);
    size_t left = space ? (size_t)(space - text) : 0;
    if (size >= 8 && !memcmp(text, "#version", 8)) return EMBED_OK;
    if (!space || memchr(space + 1, ' ', size - left - 1)) {
        return emb_fail(l->error, EMBED_EFORMAT,
                        "%s: merges: expected two pieces and a space, found \"%s\"", file,
                        emb_excerpt_of(text, size).text);
    }
    return add_merge(l, m, file, text, left, space + 1, size - left - 1);
}

static int32_t read_merges(const emb_loader *l, emb_json_reader *r, void *into)
{
    merge_list *m = into;
    emb_json_event event;
    int32_t status = EMBED_OK;
    emb_buffer left;
    emb_buffer_init(&left, l->a);
    while (status == EMBED_OK && (event = emb_json_next(r)) != EMB_JSON_ARRAY_END) {
        if (event == EMB_JSON_STRING) {
            status = add_line(l, m, r->name, r->string, r->string_size);
            continue;
        }
        bool pair = event == EMB_JSON_ARRAY && emb_json_next(r) == EMB_JSON_STRING;
        if (pair) {
            left.size = 0;
            emb_buffer_add(&left, r->string, r->string_size);
            pair = emb_json_next(r) == EMB_JSON_STRING;
        }
        if (r->status < 0) status = r->status;
        else if (left.failed) status = emb_load_out_of_memory(l);
        else if (!pair) status = emb_fail(l->error, EMBED_EFORMAT,
                                          "%s: line %lld: model.merges: expected \"a b\" or "
                                          "[\"a\", \"b\"]", r->name, (long long)r->line);
        else status = add_merge(l, m, r->name, left.data, left.size, r->string, r->string_size);
        if (status == EMBED_OK && emb_json_next(r) != EMB_JSON_ARRAY_END) {
            status = r->status < 0 ? r->status
                : emb_fail(l->error, EMBED_EFORMAT,
                           "%s: line %lld: model.merges: expected two pieces, found more", r->name,
                           (long long)r->line);
        }
    }
    emb_buffer_free(&left);
    return status;
}

static int32_t load_merges_txt(const emb_loader *l, merge_list *m)
{
    const char *text = l->files->merges_txt;
    size_t size = l->files->merges_txt_size;
    int32_t status = check_text(l, MERGES_TXT, text, size);
    while (size > 0 && status == EMBED_OK) {
        const char *newline = memchr(text, '\n', size);
        size_t length = newline ? (size_t)(newline - text) : size;
        size_t line = length && text[length - 1] == '\r' && newline ? length - 1 : length;
        status = add_line(l, m, MERGES_TXT, text, line);
        length += newline != NULL;
        text += length;
        size -= length;
    }
    return status;
}

static int32_t load_merges(const emb_loader *l)
{
    merge_list m;
    emb_buffer_init(&m.pairs, l->a);
    emb_buffer_init(&m.text, l->a);
    int32_t status = l->json ? stream_model(l, "merges", EMB_JSON_ARRAY, &m, read_merges)
                             : load_merges_txt(l, &m);
    size_t count = m.pairs.size / sizeof(int32_t[3]);
    const int32_t *ids = (const int32_t *)(const void *)m.pairs.data;
    emb_bpe *b = &l->t->model.bpe;
    if (status == EMBED_OK && !emb_bpe_reserve(b, count, l->a)) status = emb_load_out_of_memory(l);
    for (size_t i = 0; i < count && status == EMBED_OK; i++, ids += 3) {
        if (emb_bpe_add(b, ids[0], ids[1], (int32_t)i, ids[2])) continue;
        status = emb_fail(l->error, EMBED_EFORMAT,
                          "tokenizer: merges: too many that collide in a hash table");
    }
    emb_buffer_free(&m.pairs);
    emb_buffer_free(&m.text);
    return status;
}

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
    int32_t status = load_vocab(l);
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
        status = emb_json_read_bool(EMB_JSON_FILE, v, flags[i].key, false, flags[i].value, l->error);
    }
    if (status < 0) return status;
    if (b->byte_fallback && (m->prefix_size || b->suffix_size)) { /* offsets would leave the word */
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        EMB_JSON_FILE ": model: byte_fallback with continuing_subword_prefix or "
                        "end_of_word_suffix is not supported");
    }
    status = l->tables.kind ? emb_tables_merges(&l->tables, b, l->error) : load_merges(l);
    if (status < 0) return status;
    return emb_bpe_prepare(m, l->a) ? EMBED_OK : emb_load_out_of_memory(l);
}

/* ---- Unigram ---------------------------------------------------------------------------------- */

#define FIND_UNKNOWN (-2)

typedef struct piece_list { /* texts one after another; pieces point into them once all are in */
    emb_buffer texts, pieces;
} piece_list;

static int32_t add_scored(const emb_loader *l, piece_list *p, const char *file, const char *text,
                          size_t size, double score)
{
    emb_unigram_piece piece = {NULL, (uint32_t)size, score};
    if (size > EMB_MAX_PIECE) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        "%s: vocabulary: \"%s\": expected at most %d bytes, found %zu", file,
                        emb_excerpt_of(text, size).text, EMB_MAX_PIECE, size);
    }
    emb_buffer_add(&p->texts, text, size);
    emb_buffer_add(&p->pieces, &piece, sizeof piece);
    return p->texts.failed || p->pieces.failed ? emb_load_out_of_memory(l) : EMBED_OK;
}

/* [["piece", score], ...] */
static int32_t read_scored(const emb_loader *l, emb_json_reader *r, void *into)
{
    emb_json_event event;
    int32_t status = EMBED_OK;
    while (status == EMBED_OK && (event = emb_json_next(r)) != EMB_JSON_ARRAY_END) {
        bool good = event == EMB_JSON_ARRAY && emb_json_next(r) == EMB_JSON_STRING;
        if (good) status = add_scored(l, into, r->name, r->string, r->string_size, 0);
        if (status < 0) return status;
        event = good ? emb_json_next(r) : EMB_JSON_ERROR;
        good = event == EMB_JSON_INTEGER || event == EMB_JSON_FLOAT;
        if (good) {
            emb_buffer *pieces = &((piece_list *)into)->pieces;
            size_t last = pieces->size - sizeof(emb_unigram_piece);
            ((emb_unigram_piece *)(void *)(pieces->data + last))->score = r->number;
            good = emb_json_next(r) == EMB_JSON_ARRAY_END;
        }
        if (good) continue;
        status = r->status < 0 ? r->status
            : emb_fail(l->error, EMBED_EFORMAT,
                       "%s: line %lld: model.vocab: expected [piece, score]", r->name,
                       (long long)r->line);
    }
    return status;
}

/* Some classes look for their unknown token in the vocabulary. */
static int64_t find_unknown(const emb_loader *l, const emb_unigram_piece *pieces, int64_t count)
{
    const emb_added_token *unk = &l->config.named[EMB_UNK].token;
    for (int64_t i = 0; i < count; i++) {
        if (pieces[i].size != unk->size || memcmp(pieces[i].text, unk->content, unk->size)) continue;
        if (pieces[i].score == 0 || !l->class->unknown_scores_zero) return i;
    }
    return l->class->unknown_of_spm && l->spm.count ? l->spm.unk_id : l->class->unknown_fallback;
}

static int32_t open_unigram(const emb_loader *l, piece_list *p, int64_t unk_id, bool byte_fallback)
{
    emb_unigram_piece *pieces = (emb_unigram_piece *)(void *)p->pieces.data;
    int64_t count = (int64_t)(p->pieces.size / sizeof *pieces);
    const char *text = p->texts.data;
    for (int64_t i = 0; i < count; i++) {
        pieces[i].text = text;
        text += pieces[i].size;
    }
    if (unk_id == FIND_UNKNOWN) unk_id = find_unknown(l, pieces, count);
    l->t->model.unk_id = (int32_t)unk_id;
    return emb_unigram_open(&l->t->model.unigram, pieces, count, unk_id, byte_fallback,
                            l->json ? EMB_JSON_FILE ": model" : l->t->vocabulary_from, l->a,
                            l->error);
}

/* A piece of a class's own: a letter for a named token, or a text. */
static int32_t add_own(const emb_loader *l, piece_list *p, const char *text, size_t size)
{
    static const struct { char letter; int named; } roles[] = {
        {'b', EMB_BOS}, {'e', EMB_EOS}, {'u', EMB_UNK}, {'p', EMB_PAD}, {'m', EMB_MASK}};
    const char *file = l->t->vocabulary_from;
    for (int i = 0; i < EMB_COUNT(roles) && size == 1; i++) {
        const emb_added_token *t = &l->config.named[roles[i].named].token;
        if (roles[i].letter == *text && t->content) {
            return add_scored(l, p, file, t->content, t->size, 0);
        }
    }
    bool worst = size > 5 && !memcmp(text, "<unk>", 5); /* never to be chosen */
    if (size != 1 || *text != 'x') return add_scored(l, p, file, text, size, worst ? -100 : 0);
    const char *const *extra = l->class->extra;
    int32_t status = EMBED_OK;
    size_t count = 0;
    while (extra[count]) count++;
    while (count-- > 0 && status == EMBED_OK) {
        status = add_scored(l, p, file, extra[count], strlen(extra[count]), 0);
    }
    return status;
}

static int32_t add_own_all(const emb_loader *l, piece_list *p, const char *list)
{
    int32_t status = EMBED_OK;
    for (size_t size; list && *list && status == EMBED_OK; list += size + (list[size] == ' ')) {
        size = strcspn(list, " ");
        status = add_own(l, p, list, size);
    }
    return status;
}

/* The pieces of a SentencePiece file, with what the class puts round them. */
static int32_t read_spm(const emb_loader *l, piece_list *p)
{
    const emb_sentencepiece *m = &l->spm;
    if (m->model_type != EMB_SP_UNIGRAM) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        "%s: model_type: expected 1 (Unigram), found %d", l->t->vocabulary_from,
                        (int)m->model_type);
    }
    int32_t status = add_own_all(l, p, l->class->spm_front);
    for (int64_t i = l->class->spm_skip; i < m->count && status == EMBED_OK; i++) {
        const emb_sp_piece *piece = &m->pieces[i];
        status = add_scored(l, p, l->t->vocabulary_from, piece->text, piece->size,
                            (double)piece->score);
    }
    return status < 0 ? status : add_own_all(l, p, l->class->spm_behind);
}

static int32_t load_unigram(emb_loader *l, const emb_json *v)
{
    int64_t unk_id = FIND_UNKNOWN;
    bool byte_fallback = false;
    piece_list p;
    emb_buffer_init(&p.texts, l->a);
    emb_buffer_init(&p.pieces, l->a);
    int32_t status = EMBED_OK;
    if (!l->class || !l->class->finds_unknown) {
        status = emb_json_read_int(EMB_JSON_FILE, v, "unk_id", -1, 0, INT32_MAX - 1, &unk_id,
                                   l->error);
    }
    if (status == EMBED_OK) status = emb_json_read_bool(EMB_JSON_FILE, v, "byte_fallback", false,
                                                        &byte_fallback, l->error);
    if (status == EMBED_OK && l->tables.kind) {
        return emb_tables_unigram(&l->tables, &l->t->model, byte_fallback, l->error);
    }
    if (status == EMBED_OK) {
        status = l->json ? stream_model(l, "vocab", EMB_JSON_ARRAY, &p, read_scored)
                         : read_spm(l, &p);
    }
    if (status == EMBED_OK) status = open_unigram(l, &p, unk_id, byte_fallback);
    emb_buffer_free(&p.texts);
    emb_buffer_free(&p.pieces);
    return status;
}

/* ---- which ------------------------------------------------------------------------------------ */

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
