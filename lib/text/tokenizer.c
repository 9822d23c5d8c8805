/* The pipeline: pieces of text between added tokens, through normalizer, pre-tokenizer and model,
 * into the caller's arrays. Memory is one window, one word, and the tokens that truncation keeps. */
#include "text.h"

#define WINDOW 512 /* normalized characters at a time */
#define BLOCK 64   /* characters among which the automaton looks for added tokens at a time */

typedef struct state { /* of one call */
    const emb_tokenizer *t;
    emb_source source;
    emb_sink sink;
    emb_words words;
    emb_char *window;                /* WINDOW */
    emb_char *block;                 /* block_size */
    emb_match *block_matches;
    size_t block_size;
    /* a whole normalized piece; NULL: no normalized added tokens */
    emb_char *piece;
    emb_match *piece_matches;
    size_t piece_size;
    emb_token *kept[2];              /* by truncation, of each text */
    int64_t max_text_bytes;
    embed_error *error;
} state;

static void plan(state *s, const emb_tokenizer *t, emb_arena *arena, int64_t max_text_bytes,
                 int64_t max_length)
{
    *s = (state){.t = t, .max_text_bytes = max_text_bytes};
    emb_words_plan(&s->words, &t->model, arena, max_text_bytes);
    s->window = emb_arena_take(arena, WINDOW, sizeof *s->window);
    if (t->added.raw.count) {
        s->block_size = EMB_MAX(BLOCK, (size_t)t->added.raw.longest) + t->added.raw.longest;
        s->block = emb_arena_take(arena, s->block_size, sizeof *s->block);
        s->block_matches = emb_arena_take(arena, s->block_size, sizeof *s->block_matches);
    }
    if (t->added.normal.count) { /* a normalized piece has no more characters than bytes */
        s->piece_size = (size_t)max_text_bytes + 2 * EMB_READ_MARGIN;
        s->piece = emb_arena_take(arena, s->piece_size, sizeof *s->piece);
        s->piece_matches = emb_arena_take(arena, s->piece_size, sizeof *s->piece_matches);
    }
    for (int i = 0; i < 2; i++) s->kept[i] = emb_arena_take(arena, (size_t)max_length,
                                                            sizeof *s->kept[i]);
}

size_t emb_tokenizer_scratch_size(const emb_tokenizer *t, int64_t max_text_bytes,
                                  int64_t max_length)
{
    emb_arena arena;
    state s;
    emb_arena_init(&arena, NULL, 0);
    plan(&s, t, &arena, EMB_MAX(max_text_bytes, 0), EMB_MAX(max_length, 0));
    return arena.failed ? SIZE_MAX : arena.used;
}

/* ---- tokens ------------------------------------------------------------------------ */

void emb_sink_push(emb_sink *sink, emb_token token)
{
    int64_t i = sink->count++;
    if (sink->writer) {
        emb_writer_token(sink->writer, token);
    } else if (sink->capacity > 0) {
        if (sink->keep_last) sink->ring[i % sink->capacity] = token;
        else if (i < sink->capacity) sink->ring[i] = token;
    }
}

static void push_added(state *s, int32_t token, size_t begin, size_t end)
{
    if (begin >= end || emb_sink_full(&s->sink)) return;
    emb_sink_push(&s->sink, (emb_token){s->t->added.tokens[token].id,
                                        (int32_t)EMB_MIN(s->words.word, INT32_MAX), begin, end});
    s->words.word++;
}

/* ---- pieces ---------------------------------------------------------------------------- */

/* Words and added tokens of a piece that is wholly in s->piece. */
static int32_t normalized_piece(state *s, size_t count)
{
    const emb_added *added = &s->t->added;
    emb_view view = {.chars = s->piece, .size = count, .spaces_begin = 1};
    size_t done = 0;
    int32_t status = EMBED_OK;

    emb_matcher_run(&added->normal, s->piece, count, s->piece_matches);
    for (size_t i = 0, next; i < count && status == EMBED_OK; i = next) {
        emb_match m = s->piece_matches[i];
        next = m.token < 0 ? i + 1 : i + m.size;
        size_t begin = i, end = next;
        if (m.token < 0 || !emb_added_accept(added, m.token, &view, done, &begin, &end)) continue;
        if (done < begin) {
            status = emb_words_push(&s->words, s->piece + done, begin - done);
            if (status == EMBED_OK) status = emb_words_end(&s->words);
        }
        if (status == EMBED_OK && begin < end) {
            const emb_char *last = &s->piece[end - 1];
            push_added(s, m.token, s->piece[begin].start, last->start + last->size);
        }
        done = end;
    }
    if (status == EMBED_OK && done < count) status = emb_words_push(&s->words, s->piece + done,
                                                                    count - done);
    return status < 0 ? status : emb_words_end(&s->words);
}

/* The text between two added tokens. */
static int32_t piece(state *s, size_t begin, size_t end)
{
    emb_reader reader;
    size_t count;
    int32_t status = EMBED_OK;

    if (begin >= end || emb_sink_full(&s->sink)) return EMBED_OK;
    emb_reader_start(&reader, &s->t->normalizer, &s->source, begin, end);
    if (s->piece) {
        if (end - begin > (size_t)s->max_text_bytes) {
            return emb_fail(s->error, EMBED_ERANGE,
                            "text: %zu bytes without a special token, and the tokenizer has "
                            "normalized added tokens: no more than max_text_bytes = %lld can be "
                                "taken", end - begin,
                            (long long)s->max_text_bytes);
        }
        return normalized_piece(s, emb_reader_read(&reader, s->piece, s->piece_size));
    }
    while (status == EMBED_OK && !emb_sink_full(&s->sink)) {
        count = emb_reader_read(&reader, s->window, WINDOW);
        if (count == 0) break;
        status = emb_words_push(&s->words, s->window, count);
    }
    return status < 0 ? status : emb_words_end(&s->words);
}

/* Matches that begin in the block of characters at *at; *at moves past it, *done past the last
 * match. */
static int32_t raw_block(state *s, emb_view *view, size_t *at, size_t *done)
{
    const emb_added *added = &s->t->added;
    size_t count = 0, i = 0, place = *at;
    int32_t status = EMBED_OK;

    for (; count < s->block_size && place < s->source.size; place += s->block[count++].size) {
        s->block[count] = emb_source_next(&s->source, place);
    }
    emb_matcher_run(&added->raw, s->block, count, s->block_matches);
    /* beyond: may be longer */
    size_t sure = place < s->source.size ? count - added->raw.longest : count;
    while (i < sure && status == EMBED_OK) {
        emb_match m = s->block_matches[i];
        if (m.token < 0) {
            i++;
            continue;
        }
        size_t begin = s->block[i].start;
        i += m.size;
        size_t end = i < count ? s->block[i].start : place;
        if (!emb_added_accept(added, m.token, view, *done, &begin, &end)) continue;
        status = piece(s, *done, begin);
        push_added(s, m.token, begin, end);
        *done = end;
    }
    *at = i < count ? s->block[i].start : place;
    return status;
}

/* All tokens of one text into s->sink. */
static int32_t run(state *s, const emb_text *text)
{
    size_t at = 0, done = 0;
    int32_t status = EMBED_OK;

    s->source = (emb_source){text->prefix, text->data, text->prefix_size,
                             text->prefix_size + text->size};
    s->words.count = s->words.word = 0;
    s->words.sink = &s->sink;
    s->words.error = s->error;
    emb_view view = {.source = &s->source, .size = s->source.size, .spaces_begin = 1};
    while (s->t->added.raw.count && status == EMBED_OK && !emb_sink_full(&s->sink)) {
        at = emb_matcher_candidate(&s->t->added.raw, &s->source, at);
        if (at >= s->source.size) break;
        status = raw_block(s, &view, &at, &done);
    }
    return status < 0 ? status : piece(s, done, s->source.size);
}

/* ---- a text or a pair ---------------------------------------------------------------------- */

static int32_t check_utf8(const char *what, const char *text, size_t size, embed_error *error)
{
    int64_t at = size ? emb_utf8_invalid(text, size) : -1;
    if (at < 0) return EMBED_OK;
    return emb_fail(error, EMBED_EUTF8, "%s: byte %lld is 0x%02X: not valid UTF-8", what,
                    (long long)at,
                    (uint8_t)text[at]);
}

static int32_t check_text(const emb_text *text, const char *what, embed_error *error)
{
    size_t total;
    if (!emb_add(text->size, text->prefix_size, &total)) {
        return emb_fail(error, EMBED_ERANGE, "%s: too long", what);
    }
    int32_t status = check_utf8("prompt", text->prefix, text->prefix_size, error);
    return status < 0 ? status : check_utf8(what, text->data, text->size, error);
}

/* Write the template, tokenizing each sequence into the arrays where it stands. */
static int32_t write_whole(state *s, const emb_template *template, const emb_text *const texts[2],
                           bool add_special, emb_writer *w)
{
    int32_t status = EMBED_OK;
    for (int64_t i = 0; i < template->count && status == EMBED_OK; i++) {
        const emb_template_piece *p = &template->pieces[i];
        if (p->sequence < 0) {
            if (add_special) emb_writer_special(w, p->id, p->type_id);
            continue;
        }
        w->type_id = p->type_id;
        w->sequence = p->sequence;
        w->prefix_size = texts[p->sequence]->prefix_size;
        s->sink = (emb_sink){.writer = w};
        status = run(s, texts[p->sequence]);
    }
    return status;
}

/* The same with at most limit tokens of the texts, of which s->kept has room for limit each. */
static int32_t write_cut(state *s, const emb_template *template, const emb_text *const texts[2],
                         int64_t limit,
                         bool add_special, const emb_tokenize_options *o, emb_writer *w)
{
    int64_t counts[2] = {0, 0}, lengths[2];
    bool pair = texts[1] != NULL;

    for (int k = 0; k <= pair; k++) {
        s->sink = (emb_sink){s->kept[k], limit, 0, o->left, !o->left && !pair && limit > 0 &&
                             o->strategy != EMBED_STRATEGY_ONLY_SECOND, NULL};
        int32_t status = run(s, texts[k]);
        if (status < 0) return status;
        lengths[k] = counts[k] = s->sink.count;
    }
    if (!pair) lengths[1] = 0;
    int32_t status = emb_truncate(lengths, pair, limit, o->strategy, s->error);
    if (status < 0) return status;
    for (int64_t i = 0; i < template->count; i++) {
        const emb_template_piece *p = &template->pieces[i];
        if (p->sequence < 0) {
            if (add_special) emb_writer_special(w, p->id, p->type_id);
            continue;
        }
        w->type_id = p->type_id;
        w->sequence = p->sequence;
        w->prefix_size = texts[p->sequence]->prefix_size;
        int64_t first = o->left ? counts[p->sequence] - lengths[p->sequence] : 0;
        for (int64_t j = first; j < first + lengths[p->sequence]; j++) {
            emb_writer_token(w, s->kept[p->sequence][o->left ? j % limit : j]);
        }
    }
    return EMBED_OK;
}

int64_t emb_tokenize(const emb_tokenizer *t, void *scratch, int64_t max_text_bytes,
                     int64_t max_length,
                     const emb_text *text, const emb_text *pair,
                         const emb_tokenize_options *options,
                     emb_token_arrays *out, embed_error *error)
{
    const emb_template *template = pair ? &t->pair : &t->single;
    const emb_text *texts[2] = {text, pair};
    int64_t added = options->add_special_tokens ? template->added : 0;
    emb_writer writer = {.out = out};
    emb_arena arena;
    state s;

    if (options->max_length > max_length) {
        return emb_fail(error, EMBED_ERANGE, "max_length: expected at most %lld, found %lld",
                        (long long)max_length,
                        (long long)options->max_length);
    }
    emb_arena_init(&arena, scratch, SIZE_MAX);
    plan(&s, t, &arena, max_text_bytes, max_length);
    s.error = error;
    for (int i = 0; i < 2 && !options->replace_invalid; i++) {
        int32_t status = texts[i]
            ? check_text(texts[i], pair ? (i ? "second text" : "first text") : "text", error)
                                  : EMBED_OK;
        if (status < 0) return status;
    }
    bool cut = options->max_length > 0 && options->max_length >= added;
    int32_t status = cut ? write_cut(&s, template, texts, options->max_length - added,
                                     options->add_special_tokens, options, &writer)
                         : write_whole(&s, template, texts, options->add_special_tokens, &writer);
    return status < 0 ? status : writer.count;
}

/* ---- questions ------------------------------------------------------------------------ */

int64_t emb_tokenizer_vocab_size(const emb_tokenizer *t)
{
    return t->vocab_size;
}

int64_t emb_tokenizer_model_max_length(const emb_tokenizer *t)
{
    return t->model_max_length;
}

bool emb_tokenizer_truncates_left(const emb_tokenizer *t)
{
    return t->truncates_left;
}

const char *emb_tokenizer_text(const emb_tokenizer *t, int32_t id)
{
    int32_t low = 0, high = t->added.count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (t->added.tokens[middle].id < id) low = middle + 1;
        else high = middle;
    }
    if (low < t->added.count && t->added.tokens[low].id == id) return t->added.tokens[low].content;
    if (id < 0 || id >= t->ids || !t->entry_of_id[id]) return NULL;
    return t->model.vocab.bytes + t->model.vocab.entries[t->entry_of_id[id] - 1].offset;
}

int32_t emb_tokenizer_id(const emb_tokenizer *t, const char *text, size_t size)
{
    int32_t entry = emb_strings_find(&t->added.ids, text, size);
    if (entry >= 0) return t->added.ids.entries[entry].value;
    entry = emb_strings_find(&t->model.vocab, text, size);
    return entry < 0 ? -1 : t->model.vocab.entries[entry].value;
}

static void describe_flag(emb_buffer *out, const char *name, bool value)
{
    emb_buffer_printf(out, ", \"%s\": %s", name, value ? "true" : "false");
}

void emb_tokenizer_describe(const emb_tokenizer *t, emb_buffer *out)
{
    const emb_normalizer *n = &t->normalizer;
    emb_buffer_printf(out, "{\"model\": \"WordPiece\", \"class\": ");
    emb_buffer_json(out, t->class_name);
    emb_buffer_printf(out, ", \"settings_from\": \"%s\", \"vocabulary_from\": \"%s\"",
                      t->rebuilt ? "tokenizer_config.json" : "tokenizer.json",
                      t->has_json ? "tokenizer.json" : "vocab.txt");
    emb_buffer_printf(out,
                      ", \"vocab_size\": %lld, \"model_max_length\": %lld, \"truncation_side\": "
                          "\"%s\"",
                      (long long)t->vocab_size, (long long)t->model_max_length,
                          t->truncates_left ? "left" : "right");
    emb_buffer_printf(out, ", \"normalizer\": {\"type\": \"BertNormalizer\"");
    describe_flag(out, "lowercase_first", n->lower_first);
    describe_flag(out, "clean_text", n->clean);
    describe_flag(out, "handle_chinese_chars", n->cjk);
    describe_flag(out, "strip_accents", n->strip);
    describe_flag(out, "lowercase", n->lower);
    emb_buffer_printf(out, "}, \"pre_tokenizer\": \"BertPreTokenizer\", \"unk_token\": ");
    emb_buffer_json(out, t->model.unk);
    emb_buffer_printf(out, ", \"continuing_subword_prefix\": ");
    emb_buffer_json(out, t->model.prefix);
    emb_buffer_printf(out,
                      ", \"max_input_chars_per_word\": %lld, \"special_tokens_added\": [%lld, "
                          "%lld]",
                      (long long)t->model.max_chars, (long long)t->single.added,
                          (long long)t->pair.added);
    emb_buffer_printf(out, ", \"added_tokens\": [");
    for (int32_t i = 0; i < t->added.count; i++) {
        const emb_added_token *a = &t->added.tokens[i];
        emb_buffer_printf(out, "%s{\"id\": %d, \"content\": ", i ? ", " : "", (int)a->id);
        emb_buffer_json(out, a->content);
        describe_flag(out, "single_word", a->single_word);
        describe_flag(out, "lstrip", a->lstrip);
        describe_flag(out, "rstrip", a->rstrip);
        describe_flag(out, "normalized", a->normalized);
        describe_flag(out, "special", a->special);
        emb_buffer_printf(out, "}");
    }
    emb_buffer_printf(out, "]}");
}
