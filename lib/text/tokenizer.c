/* The pipeline: pieces of text between added tokens, through normalizer, pre-tokenizer and
 * model, into the caller's arrays. Memory is one window, one word, and the tokens that
 * truncation keeps. */
#include "text.h"

#define WINDOW 512 /* normalized characters at a time */
#define BLOCK 64   /* characters among which the automaton looks for added tokens at a time */
#define MOST_TEXT_BYTES (INT64_C(1) << 29) /* of a piece held whole: places in it are 32 bits */

typedef struct state { /* of one call */
    const emb_tokenizer *t;
    emb_source source;
    emb_sink sink;
    emb_words words;
    emb_splitter splitter;
    emb_room rooms[2][EMB_MAX_STEPS]; /* of normalizers and pre-tokenizers */
    emb_char *window;                 /* WINDOW; where pieces need not be held whole */
    emb_char *block;                  /* block_size */
    emb_match *block_matches;
    size_t block_size;
    emb_char *pieces[2];              /* a whole piece, before and after a step */
    emb_match *piece_matches;
    size_t piece_size;
    emb_token *kept[2];               /* by truncation, of each text */
    int64_t max_text_bytes;
    embed_error *error;
} state;

/* Characters of a piece: no more than its bytes, unless a normalizer makes it longer. Half as much
 * again is what canonical decomposition can do. */
static size_t piece_capacity(const emb_tokenizer *t, int64_t max_text_bytes)
{
    bool grows = t->normalizers.count > 0 || t->reader.strip;
    return (size_t)max_text_bytes + (grows ? (size_t)max_text_bytes / 2 : 0) + 64;
}

static void plan_pieces(state *s, const emb_tokenizer *t, emb_arena *arena)
{
    s->piece_size = piece_capacity(t, s->max_text_bytes);
    for (int i = 0; i < 1 + (t->normalizers.count > 0); i++) {
        s->pieces[i] = emb_arena_take(arena, s->piece_size, sizeof *s->pieces[i]);
    }
    if (t->added.normal.count) {
        s->piece_matches = emb_arena_take(arena, s->piece_size, sizeof *s->piece_matches);
    }
    /* normalizers work one after another, and before all that follows: in the same memory */
    size_t from = arena->used, most = from;
    for (int i = 0; i < t->normalizers.count; i++) {
        arena->used = from;
        emb_room_plan(&s->rooms[0][i], &t->normalizers.items[i], arena, s->piece_size);
        most = EMB_MAX(most, arena->used);
    }
    arena->used = from;
    for (int i = 0; i < t->pre_tokenizers.count; i++) {
        emb_room_plan(&s->rooms[1][i], &t->pre_tokenizers.items[i], arena, s->piece_size);
    }
    t->model.kind->plan(&s->words, arena, s->piece_size);
    arena->used = EMB_MAX(most, arena->used);
}

static void plan(state *s, const emb_tokenizer *t, emb_arena *arena, int64_t max_text_bytes,
                 int64_t max_length)
{
    *s = (state){.t = t, .max_text_bytes = EMB_MIN(max_text_bytes, MOST_TEXT_BYTES)};
    s->words = (emb_words){.model = &t->model, .max_text_bytes = s->max_text_bytes};
    s->splitter = (emb_splitter){&t->pre_tokenizers, s->rooms[1], &s->words};
    if (t->streams) {
        s->window = emb_arena_take(arena, WINDOW, sizeof *s->window);
        t->model.kind->plan(&s->words, arena, (size_t)s->max_text_bytes);
    } else {
        plan_pieces(s, t, arena);
    }
    if (t->added.raw.count) {
        s->block_size = EMB_MAX(BLOCK, (size_t)t->added.raw.longest) + t->added.raw.longest;
        s->block = emb_arena_take(arena, s->block_size, sizeof *s->block);
        s->block_matches = emb_arena_take(arena, s->block_size, sizeof *s->block_matches);
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

static void push_to_window(struct emb_windows *w, emb_token token);

void emb_sink_push(emb_sink *sink, emb_token token)
{
    int64_t i = sink->count++;
    if (sink->writer) {
        emb_writer_token(sink->writer, token);
    } else if (sink->windows) {
        push_to_window(sink->windows, token);
    } else if (sink->capacity > 0) {
        if (sink->keep_last) sink->ring[i % sink->capacity] = token;
        else if (i < sink->capacity) sink->ring[i] = token;
    }
}

static uint32_t blanks(const emb_view *v, size_t begin, size_t end, bool backward)
{
    uint32_t count = 0;
    for (size_t size; begin < end && count < INT32_MAX; count++) {
        emb_char c = v->chars ? v->chars[backward ? end - 1 : begin]
            : backward ? emb_source_previous(v->source, end) : emb_source_next(v->source, begin);
        size = v->chars ? 1 : c.size;
        if (!emb_is_blank(c.code)) break;
        *(backward ? &end : &begin) += backward ? -size : size;
    }
    return count;
}

/* An added token from begin to end of the view; its text is what it was found as, spaces
 * included. */
static void push_added(state *s, int32_t token, const emb_view *v, size_t begin, size_t end)
{
    if (begin >= end || emb_sink_full(&s->sink)) return;
    emb_token t = {.id = s->t->added.tokens[token].id,
                   .word = (int32_t)EMB_MIN(s->words.word, INT32_MAX), .begin = begin, .end = end};
    if (s->t->post.trims) {
        t.leading = blanks(v, begin, end, false);
        t.trailing = blanks(v, begin, end, true);
    }
    if (v->chars) {
        t.begin = v->chars[begin].start;
        t.end = v->chars[end - 1].start + v->chars[end - 1].size;
    }
    emb_sink_push(&s->sink, t);
    s->words.word++;
}

/* ---- pieces ---------------------------------------------------------------------------- */

/* Words and added tokens of a normalized piece. */
static int32_t normalized_piece(state *s, const emb_char *chars, size_t count)
{
    const emb_added *added = &s->t->added;
    emb_view view = {.chars = chars, .size = count, .spaces_begin = 1};
    size_t done = 0;
    int32_t status = EMBED_OK;

    if (!added->normal.count) return emb_split(&s->splitter, 0, chars, count);
    emb_matcher_run(&added->normal, chars, count, s->piece_matches);
    for (size_t i = 0, next; i < count && status == EMBED_OK; i = next) {
        emb_match m = s->piece_matches[i];
        next = m.token < 0 ? i + 1 : i + m.size;
        size_t begin = i, end = next;
        if (m.token < 0 || !emb_added_accept(added, m.token, &view, done, &begin, &end)) continue;
        if (done < begin) status = emb_split(&s->splitter, 0, chars + done, begin - done);
        if (status == EMBED_OK) push_added(s, m.token, &view, begin, end);
        done = end;
    }
    return status < 0 ? status : emb_split(&s->splitter, 0, chars + done, count - done);
}

/* A piece that is held whole: steps may look at all of it. */
static int32_t whole_piece(state *s, emb_reader *reader, size_t begin, size_t end)
{
    if (end - begin > (size_t)s->max_text_bytes) {
        return emb_fail(s->error, EMBED_ERANGE,
                        "text: %zu bytes without a special token, and the tokenizer takes a piece "
                        "whole: no more than max_text_bytes = %lld can be taken", end - begin,
                        (long long)s->max_text_bytes);
    }
    emb_char *buffers[2] = {s->pieces[0], s->pieces[1]};
    size_t count = emb_reader_read(reader, buffers[0], s->piece_size);
    count = emb_normalize(&s->t->normalizers, s->rooms[0], buffers, count, s->piece_size);
    if (count == SIZE_MAX) return emb_words_too_long(&s->words, begin);
    return normalized_piece(s, buffers[0], count);
}

/* The text between two added tokens. */
static int32_t piece(state *s, size_t begin, size_t end)
{
    emb_reader reader;
    size_t count;
    int32_t status = EMBED_OK;

    if (begin >= end || emb_sink_full(&s->sink)) return EMBED_OK;
    emb_reader_start(&reader, &s->t->reader, &s->source, begin, end);
    if (!s->t->streams) return whole_piece(s, &reader, begin, end);
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
        if (status == EMBED_OK) push_added(s, m.token, view, begin, end);
        *done = end;
    }
    *at = i < count ? s->block[i].start : place;
    return status;
}

static emb_source source_of(const emb_text *text)
{
    return (emb_source){text->prefix, text->data, text->prefix_size,
                        text->prefix_size + text->size};
}

/* All tokens of one text into s->sink. */
static int32_t run(state *s, const emb_text *text)
{
    size_t at = 0, done = 0;
    int32_t status = EMBED_OK;

    s->source = source_of(text);
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
    if (!emb_add(text->size, text->prefix_size, &total) || total >= EMB_MOST_SOURCE_BYTES) {
        return emb_fail(error, EMBED_ERANGE, "%s: too long", what);
    }
    int32_t status = check_utf8("prompt", text->prefix, text->prefix_size, error);
    return status < 0 ? status : check_utf8(what, text->data, text->size, error);
}

/* The state of a call, and its texts checked. */
static int32_t start(state *s, const emb_tokenizer *t, void *scratch, int64_t max_text_bytes,
                     int64_t max_length, const emb_text *const texts[2],
                     const emb_tokenize_options *options, embed_error *error)
{
    emb_arena arena;

    if (options->max_length > max_length) {
        return emb_fail(error, EMBED_ERANGE, "max_length: expected at most %lld, found %lld",
                        (long long)max_length,
                        (long long)options->max_length);
    }
    emb_arena_init(&arena, scratch, SIZE_MAX);
    plan(s, t, &arena, max_text_bytes, max_length);
    s->error = error;
    for (int i = 0; i < 2 && !options->replace_invalid; i++) {
        int32_t status = texts[i]
            ? check_text(texts[i], texts[1] ? (i ? "second text" : "first text") : "text", error)
                                  : EMBED_OK;
        if (status < 0) return status;
    }
    return EMBED_OK;
}

static int32_t unknown_id(const emb_tokenizer *t)
{
    const char *unk = t->model.unk;
    return unk && t->model.unk_id < 0 ? emb_tokenizer_id(t, unk, strlen(unk)) : t->model.unk_id;
}

static emb_writer writer_of(const emb_tokenizer *t, const emb_tokenize_options *options,
                            emb_token_arrays *out)
{
    return (emb_writer){.out = out, .trims = t->post.trims, .prefix_space = t->post.prefix_space,
                        .left_out = options->leave_unknown_out ? unknown_id(t) : -1};
}

static void start_sequence(emb_writer *w, const emb_template_piece *p, const emb_text *text)
{
    w->source = source_of(text);
    w->type_id = p->type_id;
    w->sequence = p->sequence;
    w->first = true;
    w->last = -1;
}

static void add_special_token(const state *s, emb_writer *w, const emb_template_piece *p)
{
    if (s->t->post.once && w->last == p->id) return;
    emb_writer_special(w, p->id, p->type_id);
}

/* Write the template, tokenizing each sequence into the arrays where it stands. */
static int32_t write_whole(state *s, const emb_template *template, const emb_text *const texts[2],
                           bool add_special, emb_writer *w)
{
    int32_t status = EMBED_OK;
    for (int64_t i = 0; i < template->count && status == EMBED_OK; i++) {
        const emb_template_piece *p = &template->pieces[i];
        if (p->sequence < 0) {
            if (add_special) add_special_token(s, w, p);
            continue;
        }
        start_sequence(w, p, texts[p->sequence]);
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
                             o->strategy != EMBED_STRATEGY_ONLY_SECOND, NULL, NULL};
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
            if (add_special) add_special_token(s, w, p);
            continue;
        }
        start_sequence(w, p, texts[p->sequence]);
        int64_t first = o->left ? counts[p->sequence] - lengths[p->sequence] : 0;
        for (int64_t j = first; j < first + lengths[p->sequence]; j++) {
            emb_writer_token(w, s->kept[p->sequence][o->left ? j % limit : j]);
        }
    }
    return EMBED_OK;
}

/* ---- windows --------------------------------------------------------------------------- */

typedef struct emb_windows {
    state *s;
    const emb_template *template;
    const emb_text *const *texts;
    const emb_tokenize_options *options;
    emb_token_arrays *out;
    emb_window_fn take;
    void *user;
    int member;         /* of a pair: the one that comes in windows */
    int64_t counts[2];  /* tokens in s->kept */
    int64_t room;       /* for those of the member */
    int64_t prefix;     /* of them, tokens that begin in the text's prefix */
    int64_t stride;
    int64_t seen;       /* tokens that the window before had too; -1: there was none */
    int32_t status;
} emb_windows;

/* The window that s->kept holds goes to whoever takes it. */
static int32_t hand_over(emb_windows *w, bool last)
{
    emb_writer writer = writer_of(w->s->t, w->options, w->out);
    emb_window window = {.text_tokens = w->counts[w->member] - w->prefix, .last = last};
    for (int64_t i = 0; i < w->template->count; i++) {
        const emb_template_piece *p = &w->template->pieces[i];
        if (p->sequence < 0) {
            if (w->options->add_special_tokens) emb_writer_special(&writer, p->id, p->type_id);
            continue;
        }
        start_sequence(&writer, p, w->texts[p->sequence]);
        writer.first = p->sequence != w->member || w->prefix > 0 || w->seen < 0;
        if (p->sequence == w->member) window.fresh = writer.count + w->prefix + EMB_MAX(w->seen, 0);
        for (int64_t j = 0; j < w->counts[p->sequence]; j++)
            emb_writer_token(&writer, w->s->kept[p->sequence][j]);
    }
    window.tokens = writer.count;
    return w->take(w->user, &window);
}

/* A window must have more of the text than the one before. */
static int32_t check_room(const emb_windows *w)
{
    int64_t text_tokens = w->room - w->prefix;
    if (text_tokens > w->stride) return EMBED_OK;
    return emb_fail(w->s->error, EMBED_ERANGE,
                    "windows of max_length = %lld tokens: expected room for more than stride = "
                    "%lld of the text, found room for %lld", (long long)w->options->max_length,
                    (long long)w->stride, (long long)EMB_MAX(text_tokens, 0));
}

/* The window is full and there are more tokens: the next one begins with the last of this one. */
static int32_t slide(emb_windows *w)
{
    emb_token *tokens = w->s->kept[w->member];
    int32_t status = check_room(w);
    if (status == EMBED_OK) status = hand_over(w, false);
    if (status < 0) return status;
    memmove(tokens + w->prefix, tokens + w->room - w->stride, (size_t)w->stride * sizeof *tokens);
    w->counts[w->member] = w->prefix + w->stride;
    w->seen = w->stride;
    return EMBED_OK;
}

static void push_to_window(emb_windows *w, emb_token token)
{
    int64_t *count = &w->counts[w->member];
    if (w->status == EMBED_OK && *count == w->room) w->status = slide(w);
    if (w->status < 0) { /* no more of the text */
        w->s->sink.stop_when_full = true;
        return;
    }
    if (*count == w->prefix && token.begin < w->texts[w->member]->prefix_size) w->prefix++;
    w->s->kept[w->member][(*count)++] = token;
}

/* Tokens of the other member of a pair, which every window has. */
static int32_t keep_other(emb_windows *w)
{
    state *s = w->s;
    int other = !w->member;
    if (w->options->strategy == EMBED_STRATEGY_LONGEST_FIRST)
        return emb_fail(s->error, EMBED_EINVAL,
                        "strategy: expected only_first or only_second, the member of a pair that "
                        "comes in windows, found longest_first");
    s->sink = (emb_sink){.ring = s->kept[other], .capacity = w->room, .stop_when_full = true};
    int32_t status = run(s, w->texts[other]);
    w->counts[other] = EMB_MIN(s->sink.count, w->room);
    w->room -= w->counts[other];
    return status;
}

int32_t emb_tokenize_windows(const emb_tokenizer *t, void *scratch, int64_t max_text_bytes,
                             int64_t max_length, const emb_text *text, const emb_text *pair,
                             const emb_tokenize_options *options, int64_t stride,
                             emb_token_arrays *out, emb_window_fn take, void *user,
                             embed_error *error)
{
    const emb_text *texts[2] = {text, pair};
    state s;
    emb_windows w = {.s = &s, .template = pair ? &t->post.pair : &t->post.single, .texts = texts,
                     .options = options, .out = out, .take = take, .user = user,
                     .member = pair && options->strategy == EMBED_STRATEGY_ONLY_SECOND,
                     .stride = stride, .seen = -1};

    int32_t status = start(&s, t, scratch, max_text_bytes, max_length, texts, options, error);
    w.room = options->max_length - (options->add_special_tokens ? w.template->added : 0);
    if (status == EMBED_OK) status = check_room(&w);
    if (status == EMBED_OK && pair) status = keep_other(&w);
    if (status == EMBED_OK) status = check_room(&w);
    if (status < 0) return status;
    s.sink = (emb_sink){.windows = &w};
    status = run(&s, texts[w.member]);
    if (status == EMBED_OK) status = w.status;
    return status < 0 ? status : hand_over(&w, true);
}

/* ---- a call whose tokens are written at once ------------------------------------------------ */

int64_t emb_tokenize(const emb_tokenizer *t, void *scratch, int64_t max_text_bytes,
                     int64_t max_length,
                     const emb_text *text, const emb_text *pair,
                         const emb_tokenize_options *options,
                     emb_token_arrays *out, embed_error *error)
{
    const emb_template *template = pair ? &t->post.pair : &t->post.single;
    const emb_text *texts[2] = {text, pair};
    int64_t added = options->add_special_tokens ? template->added : 0;
    emb_writer writer = writer_of(t, options, out);
    state s;

    int32_t status = start(&s, t, scratch, max_text_bytes, max_length, texts, options, error);
    if (status < 0) return status;
    bool cut = options->max_length > 0 && options->max_length >= added;
    status = cut ? write_cut(&s, template, texts, options->max_length - added,
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

int64_t emb_tokenizer_truncation(const emb_tokenizer *t)
{
    return t->truncation;
}

int32_t emb_tokenizer_pad_id(const emb_tokenizer *t)
{
    return t->pad_id;
}

bool emb_tokenizer_pads_left(const emb_tokenizer *t)
{
    return t->pads_left;
}

int64_t emb_tokenizer_median_length(const emb_tokenizer *t)
{
    enum { LONGEST = 1024 };
    int64_t counts[LONGEST + 1] = {0}, tokens = 0, seen = 0, middle[2] = {0, 0};
    for (int64_t id = 0; id < t->vocab_size; id++) {
        const char *text = emb_tokenizer_text(t, (int32_t)id);
        int64_t length = 0;
        for (; text && *text; text++) length += (*text & 0xC0) != 0x80;
        if (text) counts[EMB_MIN(length, LONGEST)]++;
        tokens += text != NULL;
    }
    for (int64_t length = 0; length <= LONGEST; length++) {
        seen += counts[length];
        for (int i = 0; i < 2; i++) /* of an even number, two are in the middle */
            if (seen <= (tokens - 1 + i) / 2) middle[i] = length + 1;
    }
    return (middle[0] + middle[1]) / 2;
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
    uint32_t size;
    return emb_token_model_text(&t->model, id, &size);
}

int32_t emb_tokenizer_id(const emb_tokenizer *t, const char *text, size_t size)
{
    int32_t entry = emb_strings_find(&t->added.ids, text, size);
    if (entry >= 0) return t->added.ids.entries[entry].value;
    return emb_token_model_id(&t->model, text, size);
}
