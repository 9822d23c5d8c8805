/* WordPiece, longest match first. After BertPreTokenizer it takes characters as they come, one word
 * at a time; otherwise words whole. */
#include "text.h"

/* Words up to this many characters are always taken; longer ones as far as max_text_bytes
 * allows. */
#define WORD_CHARS 4096
/* No word longer than this: offsets in it are 32 bits. */
#define MOST_CHARS (INT64_C(1) << 29)

static void plan(emb_words *w, emb_arena *arena, size_t chars)
{
    const emb_token_model *m = w->model;
    int64_t most = EMB_MIN(EMB_MAX((int64_t)EMB_MIN(chars, SIZE_MAX / 4), WORD_CHARS), MOST_CHARS);
    w->capacity = EMB_MIN(m->max_chars, most);
    size_t n = (size_t)w->capacity + 1;

    w->chars = emb_arena_take(arena, n, sizeof *w->chars);
    w->bytes = emb_arena_take(arena, n, 4);
    w->at = emb_arena_take(arena, n + 1, sizeof *w->at);
    w->pieces = emb_arena_take(arena, n, sizeof *w->pieces);
    w->hashes = emb_arena_take(arena, EMB_MIN(n, (size_t)m->vocab.longest + 1), sizeof *w->hashes);
}

/* The longest piece of the vocabulary that begins at character `begin`; *end is past it. Entry, or
 * -1. */
static int32_t longest_piece(const emb_words *w, int64_t begin, int64_t *end)
{
    const emb_token_model *m = w->model;
    size_t prefix_size = begin ? m->prefix_size : 0;
    uint64_t hash = begin ? m->prefix_hash : EMB_HASH_START;
    uint32_t from = w->at[begin];
    int64_t c = begin;

    while (c < w->count && prefix_size + w->at[c + 1] - from <= m->vocab.longest) {
        for (uint32_t i = w->at[c]; i < w->at[c + 1]; i++) hash = emb_hash_step(hash, w->bytes[i]);
        w->hashes[c++ - begin] = hash;
    }
    for (; c > begin; c--) {
        int32_t entry = emb_strings_find_hashed(&m->vocab, w->hashes[c - 1 - begin], m->prefix,
                                                prefix_size,
                                                w->bytes + from, w->at[c] - from);
        if (entry >= 0) {
            *end = c;
            return entry;
        }
    }
    return -1;
}

/* Cut the word into pieces; -1 if some part of it is in no piece. */
static int64_t cut(const emb_words *w)
{
    int64_t count = 0;
    for (int64_t begin = 0, end; begin < w->count; begin = end) {
        int32_t entry = longest_piece(w, begin, &end);
        if (entry < 0) return -1;
        w->pieces[count++] = (emb_token){.id = w->model->vocab.entries[entry].value,
                                         .begin = w->chars[begin].start,
                                         .end = w->chars[end - 1].start + w->chars[end - 1].size};
    }
    return count;
}

static int32_t word_end(emb_words *w)
{
    int64_t count = w->count > w->model->max_chars ? -1 : cut(w);
    int32_t number = (int32_t)EMB_MIN(w->word, INT32_MAX);

    if (count < 0) { /* the whole word is unknown, not just its tail */
        w->pieces[0] = (emb_token){.id = w->model->unk_id, .begin = w->first, .end = w->last};
        count = 1;
        if (w->model->unk_id < 0) {
            return emb_fail(w->error, EMBED_EMISSING,
                            "text: byte %zu: a word that is not in the vocabulary, and "
                            "neither is the unknown token \"%s\"", w->first,
                            emb_excerpt_of(w->model->unk, strlen(w->model->unk)).text);
        }
    }
    for (int64_t i = 0; i < count; i++) {
        w->pieces[i].word = number;
        emb_words_trim(w, &w->pieces[i]);
        emb_sink_push(w->sink, w->pieces[i]);
    }
    w->word++;
    w->count = 0;
    return EMBED_OK;
}

static inline int32_t word_add(emb_words *w, const emb_char *c)
{
    if (w->count == 0) w->first = c->start;
    w->last = c->start + c->size;
    if (w->count >= w->capacity) { /* too long: only its length matters */
        if (w->count++ < w->model->max_chars) {
            return emb_fail(w->error, EMBED_ERANGE,
                            "text: byte %zu: a word of more than max_text_bytes = %lld "
                            "characters (max_input_chars_per_word is %lld)", w->first,
                            (long long)w->max_text_bytes, (long long)w->model->max_chars);
        }
        return EMBED_OK;
    }
    uint32_t at = w->count ? w->at[w->count] : 0;
    w->chars[w->count] = *c;
    w->at[w->count++] = at;
    if (c->code < 0x80) w->bytes[at++] = (char)c->code;
    else at += (uint32_t)emb_utf8_encode(c->code, w->bytes + at);
    w->at[w->count] = at;
    return EMBED_OK;
}

int32_t emb_words_push(emb_words *w, const emb_char *chars, size_t count)
{
    int32_t status = EMBED_OK;
    for (size_t i = 0; i < count && status == EMBED_OK; i++) {
        uint32_t flags = emb_unicode_flags(chars[i].code);
        bool alone = flags & EMB_UNICODE_PUNCTUATION;
        if ((alone || (flags & EMB_UNICODE_SPACE)) && w->count) status = word_end(w);
        if (status == EMBED_OK && !(flags & EMB_UNICODE_SPACE)) status = word_add(w, &chars[i]);
        if (status == EMBED_OK && alone) status = word_end(w);
        if (emb_sink_full(w->sink)) break;
    }
    return status;
}

int32_t emb_words_end(emb_words *w)
{
    return w->count && !emb_sink_full(w->sink) ? word_end(w) : EMBED_OK;
}

static int32_t word(emb_words *w, const emb_char *chars, size_t count)
{
    int32_t status = EMBED_OK;
    for (size_t i = 0; i < count && status == EMBED_OK; i++) status = word_add(w, &chars[i]);
    return status < 0 ? status : word_end(w);
}

const emb_token_model_kind emb_token_model_wordpiece = {"WordPiece", plan, word};
