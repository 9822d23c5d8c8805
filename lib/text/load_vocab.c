/* Vocabularies and merges of a tokenizer that is being opened. Those of tokenizer.json are read
 * while the rest of it is parsed: they are nearly all of it, and a tree of 250,000 pieces takes
 * longer than everything else. */
#include "load.h"

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

/* ---- pieces with an id --------------------------------------------------------------------- */

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

/* Whether the file is of the class's kind. */
static int32_t check_spm(const emb_loader *l)
{
    bool bpe = l->class->model == &emb_token_model_bpe;
    int32_t type = bpe ? EMB_SP_BPE : EMB_SP_UNIGRAM;
    if (l->spm.model_type == type) return EMBED_OK;
    return emb_fail(l->error, EMBED_EUNSUPPORTED, "%s: model_type: expected %d (%s), found %d",
                    l->t->vocabulary_from, (int)type, l->class->model->type,
                    (int)l->spm.model_type);
}

/* The pieces of a SentencePiece file, whatever their type; of equal ones the last counts. */
static int32_t load_vocab_spm(const emb_loader *l)
{
    int32_t status = check_spm(l);
    for (int64_t i = 0; i < l->spm.count && status == EMBED_OK; i++) {
        const emb_sp_piece *piece = &l->spm.pieces[i];
        status = put_piece(l, l->t->vocabulary_from, piece->text, piece->size, i);
    }
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

/* What a key of the model in tokenizer.json has to be. */
static int32_t expect_kind(const emb_loader *l, const char *key, emb_json_event found,
                           emb_json_event expected)
{
    if (found == expected) return EMBED_OK;
    return emb_fail(l->error, EMBED_EFORMAT, EMB_JSON_FILE ": model.%s: expected %s, found %s", key,
                    emb_json_event_name(expected), found ? emb_json_event_name(found) : "none");
}

int32_t emb_load_vocab(emb_loader *l)
{
    int32_t status = EMBED_OK;
    if (l->tables.kind) return emb_tables_vocabulary(&l->tables, &l->t->model, l->error);
    if (l->json) status = expect_kind(l, "vocab", l->vocab_kind, EMB_JSON_OBJECT);
    else if (l->spm.count) status = load_vocab_spm(l);
    else if (l->t->model.kind == &emb_token_model_wordpiece) status = load_vocab_txt(l);
    else status = load_vocab_json(l);
    return status < 0 ? status : index_ids(l);
}

/* ---- pieces with a score ------------------------------------------------------------------- */

static int32_t add_scored(const emb_loader *l, emb_piece_texts *p, const char *file,
                          const char *text, size_t size, double score)
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
static int32_t read_scored(const emb_loader *l, emb_json_reader *r, emb_piece_texts *p)
{
    emb_json_event event;
    int32_t status = EMBED_OK;
    while (status == EMBED_OK && (event = emb_json_next(r)) != EMB_JSON_ARRAY_END) {
        bool good = event == EMB_JSON_ARRAY && emb_json_next(r) == EMB_JSON_STRING;
        if (good) status = add_scored(l, p, r->name, r->string, r->string_size, 0);
        if (status < 0) return status;
        event = good ? emb_json_next(r) : EMB_JSON_ERROR;
        good = event == EMB_JSON_INTEGER || event == EMB_JSON_FLOAT;
        if (good) {
            emb_buffer *pieces = &p->pieces;
            size_t last = pieces->size - sizeof(emb_unigram_piece);
            double serde = emb_json_serde_number(r);
            ((emb_unigram_piece *)(void *)(pieces->data + last))->score = r->number;
            emb_buffer_add(&p->scores, &serde, sizeof serde);
            if (p->scores.failed) return emb_load_out_of_memory(l);
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

/* A piece of a class's own: a letter for a named token, or a text. */
static int32_t add_own(const emb_loader *l, emb_piece_texts *p, const char *text, size_t size)
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

static int32_t add_own_all(const emb_loader *l, emb_piece_texts *p, const char *list)
{
    int32_t status = EMBED_OK;
    for (size_t size; list && *list && status == EMBED_OK; list += size + (list[size] == ' ')) {
        size = strcspn(list, " ");
        status = add_own(l, p, list, size);
    }
    return status;
}

/* The pieces of a SentencePiece file, with what the class puts round them. */
static int32_t read_spm(const emb_loader *l, emb_piece_texts *p)
{
    const emb_sentencepiece *m = &l->spm;
    int32_t status = check_spm(l);
    if (status == EMBED_OK) status = add_own_all(l, p, l->class->spm_front);
    for (int64_t i = l->class->spm_skip; i < m->count && status == EMBED_OK; i++) {
        const emb_sp_piece *piece = &m->pieces[i];
        bool chosen = !l->class->spm_alone || piece->type == EMB_SP_NORMAL;
        if (l->class->spm_alone && piece->type == EMB_SP_USER_DEFINED) {
            return emb_fail(l->error, EMBED_EUNSUPPORTED, "%s: pieces[%lld]: pieces that the "
                            "user defined are not supported", l->t->vocabulary_from, (long long)i);
        }
        status = add_scored(l, p, l->t->vocabulary_from, piece->text, piece->size,
                            chosen ? (double)piece->score : EMB_UNIGRAM_NEVER);
    }
    return status < 0 ? status : add_own_all(l, p, l->class->spm_behind);
}

int32_t emb_load_pieces(emb_loader *l)
{
    int32_t status = l->json ? expect_kind(l, "vocab", l->vocab_kind, EMB_JSON_ARRAY)
                             : read_spm(l, &l->pieces);
    if (status < 0) return status; /* the last piece may be without its score */
    emb_unigram_piece *pieces = (emb_unigram_piece *)(void *)l->pieces.pieces.data;
    const char *text = l->pieces.texts.data;
    const double *scores = (const double *)(const void *)l->pieces.scores.data;
    l->pieces.count = (int64_t)(l->pieces.pieces.size / sizeof *pieces);
    for (int64_t i = 0; i < l->pieces.count; i++) {
        pieces[i].text = text;
        if (!l->class) pieces[i].score = scores[i]; /* classes take them from Python's reader, which is exact */
        text += pieces[i].size;
    }
    return EMBED_OK;
}

/* ---- merges -------------------------------------------------------------------------------- */

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

static int32_t add_pair(const emb_loader *l, merge_list *m, const int32_t ids[3])
{
    size_t rank = m->pairs.size / sizeof(int32_t[3]);
    emb_buffer_add(&m->pairs, ids, sizeof(int32_t[3]));
    return m->pairs.failed || rank >= INT32_MAX - 1 ? emb_load_out_of_memory(l) : EMBED_OK;
}

/* A merge of two texts. The second loses its prefix when they are joined. */
static int32_t add_merge(const emb_loader *l, merge_list *m, const char *file, const char *left,
                         size_t left_size, const char *right, size_t right_size)
{
    const emb_token_model *model = &l->t->model;
    int64_t rank = (int64_t)(m->pairs.size / sizeof(int32_t[3]));
    int32_t ids[3] = {emb_token_model_id(model, left, left_size),
                      emb_token_model_id(model, right, right_size)};
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
    return add_pair(l, m, ids);
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

static int32_t read_merges(const emb_loader *l, emb_json_reader *r, merge_list *m)
{
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

static int32_t load_merges_json(const emb_loader *l, merge_list *m)
{
    emb_json_reader r;
    int32_t status = expect_kind(l, "merges", l->merges_kind, EMB_JSON_ARRAY);
    if (status < 0) return status;
    emb_json_start(&r, EMB_JSON_FILE, l->files->tokenizer_json + l->merges_at,
                   l->files->tokenizer_json_size - l->merges_at, l->a, l->error);
    r.line = l->merges_line;
    emb_json_next(&r); /* its bracket */
    status = read_merges(l, &r, m);
    emb_json_stop(&r);
    return status;
}

/* A piece of a SentencePiece file comes of every two pieces that it can be cut into: in the order
 * of their ids, of one piece those with the shorter left part first. */
static int32_t make_merges(const emb_loader *l, merge_list *m)
{
    const emb_token_model *model = &l->t->model;
    int32_t status = EMBED_OK;
    for (int32_t id = 0; id < model->ids && status == EMBED_OK; id++) {
        if (!model->entry_of_id[id]) continue;
        const emb_string *e = &model->vocab.entries[model->entry_of_id[id] - 1];
        const char *text = model->vocab.bytes + e->offset;
        for (size_t cut = 1; cut < e->size && status == EMBED_OK; cut++) {
            if (((uint8_t)text[cut] & 0xC0) == 0x80) continue; /* within a character */
            int32_t ids[3] = {emb_token_model_id(model, text, cut), -1, id};
            if (ids[0] >= 0) ids[1] = emb_token_model_id(model, text + cut, e->size - cut);
            if (ids[1] >= 0) status = add_pair(l, m, ids);
        }
    }
    return status;
}

int32_t emb_load_merges(const emb_loader *l)
{
    merge_list m;
    if (l->tables.kind) return emb_tables_merges(&l->tables, &l->t->model.bpe, l->error);
    emb_buffer_init(&m.pairs, l->a);
    emb_buffer_init(&m.text, l->a);
    int32_t status = l->json ? load_merges_json(l, &m)
        : l->spm.count ? make_merges(l, &m) : load_merges_txt(l, &m);
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


/* ---- of tokenizer.json --------------------------------------------------------------------- */

/* Merges need the vocabulary and its prefix: where they are is kept. */
int32_t emb_load_from_json(void *user, const char *key, emb_json_reader *r, emb_json_event event)
{
    emb_loader *l = user;
    bool vocab = !strcmp(key, "vocab");
    *(vocab ? &l->vocab_kind : &l->merges_kind) = event;
    if (!vocab) {
        l->merges_at = r->value_at;
        l->merges_line = r->line;
    } else if (!l->tables.kind && event == EMB_JSON_OBJECT) {
        return read_pieces(l, r);
    } else if (!l->tables.kind && event == EMB_JSON_ARRAY) {
        return read_scored(l, r, &l->pieces);
    }
    return emb_json_skip(r, event) ? EMBED_OK : r->status;
}
