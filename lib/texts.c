/* Texts and token ids to tokens of a pass. */
#include "inputs.h"

enum {
    AHEAD_BYTES = 1 << 14, /* longest text that is tokenized ahead: scratch grows with it */
    AHEAD_LATER = -1,      /* there was no room; */
    AHEAD_ALONE = -2       /* what is too long, or cannot be tokenized */
};

void emb_texts_plan(embed_session *s, const embed_model *m, int32_t threads, emb_arena *arena)
{
    size_t tokens = (size_t)s->batch_tokens, sequences = (size_t)s->max_sequences;
    int64_t longest = emb_model_longest(m);
    emb_ahead *a = &s->ahead;
    s->mask = emb_arena_take(arena, tokens, sizeof *s->mask);
    s->offsets = emb_arena_take(arena, tokens, sizeof *s->offsets);
    s->ids = emb_arena_take(arena, 2 * tokens, sizeof *s->ids);
    s->type_ids = emb_arena_take(arena, 2 * tokens, sizeof *s->type_ids);
    if (!m->tokenizer) return;
    s->tokenizer_scratch = emb_arena_take(
        arena, emb_tokenizer_scratch_size(m->tokenizer, s->max_text_bytes, longest), 1);
    if (threads == 1) return;
    a->max_bytes = EMB_MIN(s->max_text_bytes, AHEAD_BYTES);
    a->scratch_per_thread = emb_tokenizer_scratch_size(m->tokenizer, a->max_bytes, longest);
    a->scratch = emb_arena_take(arena, (size_t)threads, a->scratch_per_thread);
    a->own = emb_arena_take(arena, (size_t)threads, 2 * (size_t)longest * sizeof *a->own);
    a->ids = emb_arena_take(arena, tokens, sizeof *a->ids);
    a->type_ids = emb_arena_take(arena, tokens, sizeof *a->type_ids);
    a->places = emb_arena_take(arena, sequences, sizeof *a->places);
    a->lengths = emb_arena_take(arena, sequences, sizeof *a->lengths);
}

/* ---- options resolved -------------------------------------------------------------------- */

static int32_t resolve_prompt(embed_session *s, emb_call *c)
{
    const emb_modules *modules = &s->model->modules;
    const embed_encode_options *o = c->options;
    const char *prompt = o->prompt;
    if (!prompt && o->prompt_name) {
        prompt = emb_prompt_text(modules, o->prompt_name);
        if (!prompt)
            return emb_fail(&s->error, EMBED_EMISSING,
                            "prompt \"%s\": the model has no prompt of this name",
                            emb_excerpt_of(o->prompt_name, strlen(o->prompt_name)).text);
    } else if (!prompt) {
        prompt = modules->default_prompt;
    }
    if (prompt && *prompt) {
        c->prompt.prefix = prompt;
        c->prompt.prefix_size = strlen(prompt);
    }
    return EMBED_OK;
}

static int32_t resolve_tokenizing(embed_session *s, emb_call *c, bool truncate_by_default)
{
    const embed_model *m = s->model;
    const embed_encode_options *o = c->options;
    int64_t longest = emb_model_longest(m);
    if (o->max_length < 0 || o->max_length > longest)
        return emb_fail(&s->error, EMBED_ERANGE,
                        "max_length: expected 1 to the model's %lld tokens, found %lld",
                        (long long)longest, (long long)o->max_length);
    if (o->truncation_side < 0 || o->truncation_side > EMBED_TRUNCATE_LEFT)
        return emb_fail(&s->error, EMBED_EINVAL,
                        "truncation_side: expected an EMBED_TRUNCATE_ value, found %d",
                        (int)o->truncation_side);
    if (o->strategy < 0 || o->strategy > EMBED_STRATEGY_ONLY_SECOND)
        return emb_fail(&s->error, EMBED_EINVAL,
                        "strategy: expected an EMBED_STRATEGY_ value, found %d", (int)o->strategy);
    if (o->long_texts < 0 || o->long_texts > EMBED_LONG_TEXTS_WINDOWS)
        return emb_fail(&s->error, EMBED_EINVAL,
                        "long_texts: expected an EMBED_LONG_TEXTS_ value, found %d",
                        (int)o->long_texts);
    if (o->stride < 0 || (o->stride && o->long_texts != EMBED_LONG_TEXTS_WINDOWS))
        return emb_fail(&s->error, EMBED_EINVAL,
                        "stride: expected 0, or more with EMBED_LONG_TEXTS_WINDOWS, found %lld",
                        (long long)o->stride);
    c->max_length = o->max_length ? o->max_length : m->max_length;
    c->refuse = o->long_texts == EMBED_LONG_TEXTS_REFUSE || (o->flags & EMBED_NO_TRUNCATION);
    c->windows = o->long_texts == EMBED_LONG_TEXTS_WINDOWS;
    bool cut = !c->refuse && (truncate_by_default || o->max_length);
    bool left = o->truncation_side ? o->truncation_side == EMBED_TRUNCATE_LEFT
                                   : m->tokenizer && emb_tokenizer_truncates_left(m->tokenizer);
    c->tokenize = (emb_tokenize_options){
        .max_length = cut ? c->max_length : 0,
        .left = left,
        .strategy = o->strategy,
        .add_special_tokens =
            !(o->flags & EMBED_NO_SPECIAL_TOKENS) && !m->text.arch.static_kind,
        .leave_unknown_out = m->text.arch.static_kind == EMB_STATIC_MODEL2VEC,
        .replace_invalid = (o->flags & EMBED_REPLACE_INVALID_UTF8) != 0,
    };
    return resolve_prompt(s, c);
}

/* Tokens of the prompt alone, its closing special token left out: what include_prompt = false
 * excludes. */
static int32_t count_prompt_tokens(embed_session *s, emb_call *c)
{
    if (s->model->modules.include_prompt || !c->prompt.prefix || !s->model->tokenizer)
        return EMBED_OK;
    emb_text text = {.data = c->prompt.prefix, .size = c->prompt.prefix_size};
    emb_token_arrays out = {.capacity = s->batch_tokens, .sequence_ids = s->mask};
    int64_t n =
        emb_tokenize(s->model->tokenizer, s->tokenizer_scratch, s->max_text_bytes,
                     emb_model_longest(s->model), &text, NULL, &c->tokenize, &out, &s->error);
    if (n < 0) return (int32_t)n;
    c->prompt_tokens = n > 0 && n <= s->batch_tokens && s->mask[n - 1] < 0 ? n - 1 : n;
    return EMBED_OK;
}

int32_t emb_texts_resolve(embed_session *s, emb_call *c)
{
    if (!c->input->ids && c->input->count > 0 && !s->model->tokenizer)
        return emb_fail(&s->error, EMBED_EKIND,
                        "the model directory has no tokenizer: it takes token ids alone");
    s->ahead.first = s->ahead.count = 0;
    int32_t status = resolve_tokenizing(s, c, true);
    if (status == EMBED_OK && c->windows && c->tokenize.leave_unknown_out)
        return emb_fail(&s->error, EMBED_EUNSUPPORTED, "model2vec cuts texts: it has no windows of them");
    if (status == EMBED_OK && c->windows && c->input->ids)
        return emb_fail(&s->error, EMBED_EKIND, "windows are made of texts, not of token ids");
    return status == EMBED_OK && !c->input->ids ? count_prompt_tokens(s, c) : status;
}

/* ---- one input ---------------------------------------------------------------------------- */

static size_t size_of(const char *text, const int64_t *sizes, int64_t i)
{
    return sizes ? (size_t)sizes[i] : strlen(text);
}

/* model2vec cuts texts by characters before it does so by tokens. */
static size_t cut(const embed_model *m, const emb_call *c, const char *text, size_t size)
{
    int64_t left = m->median_length * c->tokenize.max_length;
    size_t at = 0;
    if (!left) return size;
    for (; at < size; at++)
        if (((unsigned char)text[at] & 0xC0) != 0x80 && left-- == 0) break;
    return at;
}

/* Text i behind the prompt, and its pair if there are pairs. */
static int32_t texts_of(const embed_model *m, const emb_call *c, int64_t i, emb_text *text,
                        emb_text *pair, embed_error *error)
{
    const embed_input *in = c->input;
    if (!in->texts[i] || (in->text_sizes && in->text_sizes[i] < 0) ||
        (in->pairs && (!in->pairs[i] || (in->pair_sizes && in->pair_sizes[i] < 0))))
        return emb_fail(error, EMBED_EINVAL,
                        "expected a text and its size, found NULL or a negative size");
    *text = c->prompt;
    text->data = in->texts[i];
    text->size = cut(m, c, text->data, size_of(text->data, in->text_sizes, i));
    if (in->pairs)
        *pair = (emb_text){.data = in->pairs[i],
                           .size = size_of(in->pairs[i], in->pair_sizes, i)};
    return EMBED_OK;
}

static int64_t tokenize_text(embed_session *s, const emb_call *c, int64_t i, int64_t at)
{
    emb_text text, pair;
    int32_t status = texts_of(s->model, c, i, &text, &pair, &s->error);
    if (status < 0) return status;
    emb_token_arrays out = {
        .capacity = s->batch_tokens,
        .ids = s->ids + at,
        .type_ids = s->type_ids + at,
        .offsets = c->offsets,
    };
    return emb_tokenize(s->model->tokenizer, s->tokenizer_scratch, s->max_text_bytes,
                        emb_model_longest(s->model), &text, c->input->pairs ? &pair : NULL,
                        &c->tokenize, &out, &s->error);
}

/* ---- texts tokenized ahead --------------------------------------------------------------------- */

typedef struct tokenizing {
    embed_session *session;
    const emb_call *call;
    emb_tokenize_options options;
} tokenizing;

/* Text k of those ahead, by one thread; how many tokens, or AHEAD_. */
static int64_t tokenize_ahead(const tokenizing *j, int64_t k, int64_t thread)
{
    emb_ahead *a = &j->session->ahead;
    const embed_model *m = j->session->model;
    emb_text text, pair = {0};
    if (texts_of(m, j->call, a->first + k, &text, &pair, NULL) < 0) return AHEAD_ALONE;
    size_t most = (size_t)a->max_bytes;
    if (text.size > most || text.prefix_size > most - text.size || pair.size > most)
        return AHEAD_ALONE;
    int64_t longest = emb_model_longest(m);
    int32_t *own = a->own + thread * 2 * longest;
    emb_token_arrays out = {.capacity = longest, .ids = own, .type_ids = own + longest};
    int64_t n = emb_tokenize(m->tokenizer, a->scratch + (size_t)thread * a->scratch_per_thread,
                             a->max_bytes, longest, &text, j->call->input->pairs ? &pair : NULL,
                             &j->options, &out, NULL);
    if (n < 0 || n > EMB_MIN(j->call->windows ? j->call->max_length : longest,
                             j->session->batch_tokens))
        return AHEAD_ALONE;
    int64_t place = atomic_fetch_add(&a->used, n);
    if (place + n > j->session->batch_tokens) return AHEAD_LATER;
    memcpy(a->ids + place, own, (size_t)n * sizeof *own);
    memcpy(a->type_ids + place, own + longest, (size_t)n * sizeof *own);
    a->places[k] = place;
    return n;
}

static void tokenize_some(void *arg, int64_t thread)
{
    const tokenizing *j = arg;
    emb_ahead *a = &j->session->ahead;
    int64_t k;
    while (atomic_load(&a->used) < j->session->batch_tokens &&
           (k = atomic_fetch_add(&a->next, 1)) < a->count)
        a->lengths[k] = tokenize_ahead(j, k, thread);
}

/* Text i and what follows it, as much as there is room for. */
static void look_ahead(embed_session *s, const emb_call *c, int64_t i)
{
    emb_ahead *a = &s->ahead;
    tokenizing j = {s, c, c->tokenize};
    if (c->windows) j.options.max_length = 0; /* to know which are longer than one */
    a->first = i;
    a->count = EMB_MIN(c->input->count - i, s->max_sequences);
    for (int64_t k = 0; k < a->count; k++) a->lengths[k] = AHEAD_LATER;
    atomic_store(&a->next, 0);
    atomic_store(&a->used, 0);
    emb_parallel(&s->device, tokenize_some, &j, s->device.threads);
}

/* Tokens of text i into ids[at..], if they have been made ahead; else below 0. */
static int64_t take_ahead(embed_session *s, const emb_call *c, int64_t i, int64_t at)
{
    emb_ahead *a = &s->ahead;
    if (!a->scratch || c->offsets) return AHEAD_ALONE;
    if (i >= a->first + a->count || a->lengths[i - a->first] == AHEAD_LATER) look_ahead(s, c, i);
    int64_t n = a->lengths[i - a->first], place = a->places[i - a->first];
    if (n <= 0) return n;
    memcpy(s->ids + at, a->ids + place, (size_t)n * sizeof *s->ids);
    memcpy(s->type_ids + at, a->type_ids + place, (size_t)n * sizeof *s->type_ids);
    return n;
}

int64_t emb_text_ready(embed_session *s, const emb_call *c, int64_t i, int64_t at)
{
    int64_t n = take_ahead(s, c, i, at);
    return n < 0 ? n : emb_text_finish(s, c, n, at);
}

/* ---- one after another ------------------------------------------------------------------------- */

int32_t emb_text_windows(embed_session *s, const emb_call *c, int64_t i, emb_token_arrays *out,
                         emb_window_fn take, void *user)
{
    emb_text text, pair;
    int32_t status = texts_of(s->model, c, i, &text, &pair, &s->error);
    if (status < 0) return status;
    return emb_tokenize_windows(s->model->tokenizer, s->tokenizer_scratch, s->max_text_bytes,
                                emb_model_longest(s->model), &text,
                                c->input->pairs ? &pair : NULL, &c->tokenize, c->options->stride,
                                out, take, user, &s->error);
}

static int64_t copy_ids(embed_session *s, const emb_call *c, int64_t i, int64_t at)
{
    const embed_input *in = c->input;
    int64_t begin = in->offsets[i], end = in->offsets[i + 1];
    if (begin < 0 || end < begin)
        return emb_fail(&s->error, EMBED_EINVAL,
                        "offsets: expected ascending numbers, found %lld and %lld",
                        (long long)begin, (long long)end);
    for (int64_t t = 0; t < end - begin && t < s->batch_tokens; t++) {
        s->ids[at + t] = in->ids[begin + t];
        s->type_ids[at + t] = in->type_ids ? in->type_ids[begin + t] : 0;
    }
    return end - begin;
}

/* What would read outside the embedding tables. */
static int32_t check_tokens(embed_session *s, const emb_call *c, int64_t n, int64_t at)
{
    const emb_architecture *a = &c->encoder->arch;
    if (n > c->max_length && !c->input->ids && c->refuse)
        return emb_fail(&s->error, EMBED_ERANGE,
                        "expected at most max_length = %lld tokens, found %lld",
                        (long long)c->max_length, (long long)n);
    if (n > emb_max_tokens(a))
        return emb_fail(&s->error, EMBED_ERANGE,
                        "expected at most the model's %lld positions, found %lld tokens",
                        (long long)emb_max_tokens(a), (long long)n);
    if (n > s->batch_tokens)
        return emb_fail(&s->error, EMBED_ERANGE,
                        "expected at most the session's batch_tokens = %lld, found %lld tokens",
                        (long long)s->batch_tokens, (long long)n);
    for (int64_t t = at; t < at + n; t++) {
        if (s->ids[t] < 0 || s->ids[t] >= a->vocab_size)
            return emb_fail(&s->error, EMBED_ETOKEN,
                            "token %lld: expected an id from 0 to %lld, found %d",
                            (long long)(t - at), (long long)a->vocab_size - 1, (int)s->ids[t]);
        if (a->type_vocab_size && (s->type_ids[t] < 0 || s->type_ids[t] >= a->type_vocab_size))
            return emb_fail(
                &s->error, EMBED_ETOKEN, "token %lld: expected a type id from 0 to %lld, found %d",
                (long long)(t - at), (long long)a->type_vocab_size - 1, (int)s->type_ids[t]);
    }
    return EMBED_OK;
}

static void move_tokens(embed_session *s, const emb_call *c, int64_t n, int64_t at, int64_t by)
{
    memmove(&s->ids[at + by], &s->ids[at], (size_t)n * sizeof *s->ids);
    memmove(&s->type_ids[at + by], &s->type_ids[at], (size_t)n * sizeof *s->type_ids);
    if (c->offsets) memmove(c->offsets[by], c->offsets[0], (size_t)n * sizeof *c->offsets);
}

/* SigLIP's texts have all positions: the rest is the padding of the tokenizer, on its side. */
static int64_t pad(embed_session *s, const emb_call *c, int64_t n, int64_t at)
{
    int64_t length = EMB_MIN(c->encoder->arch.padded_length, s->batch_tokens);
    int64_t from = n, to = length;
    int32_t id = emb_tokenizer_pad_id(s->model->tokenizer);
    if (n < length && emb_tokenizer_pads_left(s->model->tokenizer)) {
        from = 0;
        to = length - n;
        move_tokens(s, c, n, at, to);
    }
    for (int64_t t = from; t < to; t++) {
        s->ids[at + t] = id >= 0 ? id : (int32_t)c->encoder->arch.pad_token_id;
        s->type_ids[at + t] = 0;
        if (c->offsets) c->offsets[t][0] = c->offsets[t][1] = 0;
    }
    return EMB_MAX(n, c->encoder->arch.padded_length);
}

int64_t emb_text_load(embed_session *s, const emb_call *c, int64_t i, int64_t at)
{
    int64_t n = c->input->ids ? copy_ids(s, c, i, at) : take_ahead(s, c, i, at);
    if (n < 0 && !c->input->ids) n = tokenize_text(s, c, i, at);
    return n < 0 ? n : emb_text_finish(s, c, n, at);
}

int64_t emb_text_finish(embed_session *s, const emb_call *c, int64_t n, int64_t at)
{
    if (!c->input->ids) n = pad(s, c, n, at);
    int32_t status = check_tokens(s, c, n, at);
    return status < 0 ? status : n;
}

int64_t emb_session_tokenize(embed_session *s, const char *text, int64_t size, const char *pair,
                             int64_t pair_size, const embed_encode_options *o,
                             emb_token_arrays *out)
{
    const embed_model *m = s->model;
    emb_call c = {.options = o};
    if (!m->tokenizer)
        return emb_fail(&s->error, EMBED_EKIND, "the model directory has no tokenizer");
    int32_t status = resolve_tokenizing(s, &c, false);
    if (status < 0) return status;
    emb_text a = c.prompt,
             b = {.data = pair,
                  .size = pair ? size_of(pair, pair_size < 0 ? NULL : &pair_size, 0) : 0};
    a.data = text;
    a.size = cut(m, &c, text, size_of(text, size < 0 ? NULL : &size, 0));
    return emb_tokenize(m->tokenizer, s->tokenizer_scratch, s->max_text_bytes, emb_model_longest(m),
                        &a, pair ? &b : NULL, &c.tokenize, out, &s->error);
}
