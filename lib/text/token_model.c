/* What all models share, and those that are a few lines: WordLevel, and Unigram round its
 * engine. */
#include "text.h"
#include "unigram.h"

/* Characters of white space, or of the letter that stands for a space in byte-level pieces. */
bool emb_is_blank(uint32_t code)
{
    return code == 0x120 || (emb_unicode_flags(code) & EMB_UNICODE_SPACE);
}

emb_trim emb_trim_of(const char *text, size_t size)
{
    emb_source source = {.data = text, .size = size};
    emb_trim t = {0, 0};
    for (size_t at = 0; at < size && t.leading < UINT16_MAX; t.leading++) {
        emb_char c = emb_source_next(&source, at);
        if (!emb_is_blank(c.code)) break;
        at += c.size;
    }
    for (size_t at = size; at > 0 && t.trailing < UINT16_MAX; t.trailing++) {
        emb_char c = emb_source_previous(&source, at);
        if (!emb_is_blank(c.code)) break;
        at -= c.size;
    }
    return t;
}

void emb_words_trim(const emb_words *w, emb_token *token)
{
    if (!w->model->trims || token->id < 0 || token->id >= w->model->trims_count) return;
    token->leading = w->model->trims[token->id].leading;
    token->trailing = w->model->trims[token->id].trailing;
}

void emb_words_token(emb_words *w, int32_t id, const emb_char *first, const emb_char *last)
{
    emb_token token = {.id = id, .word = (int32_t)EMB_MIN(w->word, INT32_MAX),
                       .begin = first->start, .end = last->start + last->size};
    emb_words_trim(w, &token);
    emb_sink_push(w->sink, token);
}

int32_t emb_words_too_long(const emb_words *w, size_t at)
{
    return emb_fail(w->error, EMBED_ERANGE,
                    "text: byte %zu: expected no more than max_text_bytes = %lld after "
                    "normalization, found more", at, (long long)w->max_text_bytes);
}

void emb_token_model_free(emb_token_model *m, const emb_allocator *a)
{
    emb_strings_free(&m->vocab);
    emb_free(a, m->unk);
    emb_free(a, m->prefix);
    emb_free(a, m->dropped);
    if (!m->borrowed) {
        emb_free(a, m->bpe.merges);
        emb_free(a, m->entry_of_id);
    }
    emb_free(a, m->bpe.suffix);
    emb_free(a, m->bpe.direct[0]);
    emb_free(a, m->bpe.direct[1]);
    emb_free(a, m->trims);
    if (m->unigram) emb_unigram_free(m->unigram);
}

int64_t emb_token_model_count(const emb_token_model *m)
{
    return m->unigram ? emb_unigram_count(m->unigram) : m->vocab.count;
}

int64_t emb_token_model_ids(const emb_token_model *m)
{
    return m->unigram ? emb_unigram_count(m->unigram) : m->ids;
}

int32_t emb_token_model_id(const emb_token_model *m, const char *text, size_t size)
{
    if (m->unigram) return emb_unigram_id(m->unigram, text, size);
    int32_t entry = emb_strings_find(&m->vocab, text, size);
    return entry < 0 ? -1 : m->vocab.entries[entry].value;
}

const char *emb_token_model_text(const emb_token_model *m, int32_t id, uint32_t *size)
{
    if (m->unigram) return emb_unigram_text(m->unigram, id, size);
    if (id < 0 || id >= m->ids || !m->entry_of_id[id]) return NULL;
    const emb_string *e = &m->vocab.entries[m->entry_of_id[id] - 1];
    *size = e->size;
    return m->vocab.bytes + e->offset;
}

bool emb_token_model_trims(emb_token_model *m, const emb_allocator *a)
{
    m->trims_count = emb_token_model_ids(m);
    m->trims = emb_calloc(a, (size_t)m->trims_count, sizeof *m->trims);
    for (int32_t id = 0; m->trims && id < m->trims_count; id++) {
        uint32_t size = 0;
        const char *text = emb_token_model_text(m, id, &size);
        if (text) m->trims[id] = emb_trim_of(text, size);
    }
    return m->trims != NULL;
}

int32_t emb_words_find(emb_words *w, const emb_char *chars, size_t count)
{
    const emb_strings *vocab = &w->model->vocab;
    size_t size = 0;
    for (size_t i = 0; i < count && size <= vocab->longest; i++) {
        size += (size_t)emb_utf8_encode(chars[i].code, w->bytes + size);
    }
    return size > vocab->longest ? -1 : emb_strings_find(vocab, w->bytes, size);
}

/* ---- WordLevel: a word is a piece, or unknown --------------------------------------------- */

static void plan(emb_words *w, emb_arena *arena, size_t chars)
{
    (void)chars;
    w->bytes = emb_arena_take(arena, (size_t)w->model->vocab.longest + 4, 1);
}

static int32_t word(emb_words *w, const emb_char *chars, size_t count)
{
    const emb_token_model *m = w->model;
    int32_t entry = emb_words_find(w, chars, count);
    int32_t id = entry < 0 ? m->unk_id : m->vocab.entries[entry].value;
    if (id < 0) {
        return emb_fail(w->error, EMBED_EMISSING,
                        "text: byte %zu: a word that is not in the vocabulary, and neither is the "
                        "unknown token \"%s\"", (size_t)chars->start,
                        emb_excerpt_of(m->unk, strlen(m->unk)).text);
    }
    emb_words_token(w, id, chars, &chars[count - 1]);
    w->word++;
    return EMBED_OK;
}

const emb_token_model_kind emb_token_model_wordlevel = {"WordLevel", plan, word};

/* ---- Unigram: the engine works on bytes --------------------------------------------------- */

static void unigram_plan(emb_words *w, emb_arena *arena, size_t chars)
{
    size_t bytes = 0;
    if (!emb_mul(chars, 2, &bytes) || !emb_add(bytes, 256, &bytes)) arena->failed = true;
    w->capacity = (int64_t)EMB_MIN(bytes, INT64_MAX);
    w->bytes = emb_arena_take(arena, bytes, 1);
    w->engine = emb_arena_take(arena, emb_unigram_scratch_size(w->model->unigram, bytes), 1);
}

/* An unknown run is its own text. */
static void unigram_token(emb_words *w, int32_t id, const emb_char *first, const emb_char *last)
{
    emb_token token = {.id = id, .word = (int32_t)EMB_MIN(w->word, INT32_MAX),
                       .begin = first->start, .end = last->start + last->size};
    emb_words_trim(w, &token);
    if (w->model->trims && id == w->model->unk_id) {
        const emb_char *c = first;
        for (token.leading = 0; c <= last && emb_is_blank(c->code); c++) token.leading++;
        c = last;
        for (token.trailing = 0; c >= first && emb_is_blank(c->code); c--) token.trailing++;
    }
    emb_sink_push(w->sink, token);
}

static int64_t count_tokens(emb_unigram_walk walk)
{
    emb_unigram_token t;
    int64_t count = 0;
    while (emb_unigram_next(&walk, &t)) count++;
    return count;
}

/* Tokens of what the class puts before each text. */
static int32_t count_dropped(emb_words *w, int64_t *count)
{
    const emb_token_model *m = w->model;
    emb_unigram_walk walk;
    int32_t status = emb_unigram_start(&walk, m->unigram, w->engine, m->dropped, m->dropped_size,
                                       w->error);
    *count = status < 0 ? 0 : count_tokens(walk);
    return status;
}

static size_t count_chars(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += (text[i] & 0xC0) != 0x80;
    return count;
}

static int32_t unigram_word(emb_words *w, const emb_char *chars, size_t count)
{
    size_t size = 0, first = 0, next = 0, end = 0; /* chars[next] begins at this byte */
    int64_t dropped = 0;
    emb_unigram_walk walk;
    emb_unigram_token t;

    if (w->model->dropped) {
        int32_t status = count_dropped(w, &dropped);
        if (status < 0) return status;
    }
    for (size_t i = 0; i < count; i++) {
        if (size + 4 > (size_t)w->capacity) return emb_words_too_long(w, chars[i].start);
        if (chars[i].code < 0x80) w->bytes[size++] = (char)chars[i].code;
        else size += (size_t)emb_utf8_encode(chars[i].code, w->bytes + size);
    }
    int32_t status = emb_unigram_start(&walk, w->model->unigram, w->engine, w->bytes, size,
                                       w->error);
    if (dropped && status == EMBED_OK && count_tokens(walk) < dropped) dropped = 0;
    while (status == EMBED_OK && emb_unigram_next(&walk, &t)) {
        if (t.begin == end) { /* else one more byte of the same characters */
            first = next;
            next += count_chars(w->bytes + end, t.end - end);
            end = t.end;
        }
        if (dropped > 0) dropped--;
        else unigram_token(w, t.id, &chars[first], &chars[next - 1]);
    }
    w->word++;
    return status;
}

const emb_token_model_kind emb_token_model_unigram = {"Unigram", unigram_plan, unigram_word};
