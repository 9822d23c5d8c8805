/* engine: the model and the session of a run, and whose fault a failure is. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

void engine_open_again(engine *e, const options *o)
{
    embed_error error = EMBED_ERROR_INIT;

    memset(e, 0, sizeof(*e));
    if (embed_model_open(o->model, &o->open, &e->model, &error) < 0)
        die("%s", error.message);
}

void engine_open_model(engine *e, const options *o)
{
    const char *text;

    engine_open_again(e, o);
    for (int64_t i = 0; (text = embed_model_warning(e->model, i)); i++)
        warning("%s", text);
}

/* asked: by an option, which a model that takes images alone does not need. */
static bool takes_images(const engine *e, const options *o, int32_t asked)
{
    if (o->command &
        (COMMAND_TEXT | COMMAND_TOKENS | COMMAND_SCORE | COMMAND_CHUNKS | COMMAND_TABLE))
        return false;
    return o->command == COMMAND_IMAGE || asked ||
           embed_model_info(e->model, EMBED_INFO_TAKES_TEXTS) == 0;
}

void engine_open(engine *e, const options *o)
{
    embed_error error = EMBED_ERROR_INIT;

    engine_open_model(e, o);
    e->images = takes_images(e, o, o->image || o->pixels);
    e->query_images = takes_images(e, o, o->query_image);
    if (embed_session_create(e->model, &o->session, &e->session, &error) < 0)
        die("%s", error.message);
}

void engine_close(engine *e)
{
    embed_session_free(e->session);
    embed_model_free(e->model);
}

static _Noreturn void die_of_session(engine *e, int32_t status)
{
    const char *sentence = embed_session_error(e->session);

    die("%s", *sentence ? sentence : embed_status_string(status));
}

/* Encoding nothing says what is wrong with the options, in the library's words. */
void engine_check(engine *e, const embed_encode_options *encode)
{
    batch none = {.of_images = e->images};
    embed_input view = batch_view(&none);
    float vector = 0;
    int32_t status = embed_last_hidden_state(e->session, &view, encode, &vector, 1);

    if (status < 0)
        die_of_session(e, status);
}

int64_t engine_dim(engine *e, const embed_encode_options *encode)
{
    embed_encode_options asked = *encode;
    int64_t dim;
    batch none = {.of_images = e->images};
    embed_input view = batch_view(&none);
    float vector = 0;
    int32_t status;

    if (e->images)
        asked.flags |= EMBED_FOR_IMAGES;
    dim = embed_output_dim(e->model, &asked);
    status = embed_encode(e->session, &view, encode, &vector, dim > 0 ? dim : 1);
    if (status < 0 || dim < 0)
        die_of_session(e, status < 0 ? status : (int32_t)dim);
    return dim;
}

int64_t engine_hidden_size(const engine *e)
{
    int64_t size = e->images ? embed_model_info(e->model, EMBED_INFO_IMAGE_HIDDEN_SIZE) : 0;

    return size > 0 ? size : embed_model_info(e->model, EMBED_INFO_HIDDEN_SIZE);
}

embed_input engine_part(const embed_input *view, int64_t first, int64_t count, int64_t *offsets)
{
    embed_input p = *view;

    p.count = count;
    if (view->ids) {
        for (int64_t i = 0; i <= count; i++)
            offsets[i] = view->offsets[first + i] - view->offsets[first];
        p.ids = view->ids + view->offsets[first];
        p.offsets = offsets;
        return p;
    }
    if (view->images) {
        p.images = view->images + first;
        return p;
    }
    p.texts = view->texts + first;
    p.text_sizes = view->text_sizes + first;
    p.pairs = view->pairs ? view->pairs + first : NULL;
    p.pair_sizes = view->pairs ? view->pair_sizes + first : NULL;
    return p;
}

void engine_die(engine *e, const embed_input *view, int64_t first,
                const embed_encode_options *encode)
{
    char sentence[1024];
    int64_t tokens, offsets[2], limit;
    int64_t dim = engine_hidden_size(e);

    snprintf(sentence, sizeof(sentence), "%s", embed_session_error(e->session));
    if (view->images)
        die("%s", sentence); /* not about one of them: those have been noted */
    limit =
        encode->max_length ? encode->max_length : embed_model_info(e->model, EMBED_INFO_MAX_LENGTH);
    for (int64_t i = 0; i < view->count; i++) {
        embed_input one = engine_part(view, i, 1, offsets);
        const char *alone;

        /* Counting finds what is wrong with a text; only one that may be too long, or ids, need
         * more. */
        if (embed_count_tokens(e->session, &one, encode, &tokens) >= 0) {
            float *hidden;
            int32_t status;

            if (!view->ids && tokens <= limit)
                continue;
            hidden = allocate(tokens * dim, sizeof(float));
            status = embed_last_hidden_state(e->session, &one, encode, hidden, tokens);
            free(hidden);
            if (status >= 0)
                continue;
        }
        alone = embed_session_error(e->session);
        die("%s: %s", input_place(e->in, first + i), alone);
    }
    die("%s", sentence);
}

/* ---- images that cannot be used ------------------------------------------------------- */

static int32_t note_failure(void *user, int64_t index, int32_t status, const char *message)
{
    const failures *to = user;
    char **error = &to->b->errors[to->first + index];
    size_t size;

    if (*error)
        return 0; /* of an earlier look at the same image */
    message = message && *message ? message : embed_status_string(status);
    size = strlen(message);
    *error = allocate((int64_t)size + 1, 1);
    memcpy(*error, message, size);
    failure("%s", message);
    return 0;
}

void note_failures(embed_encode_options *encode, failures *to)
{
    if (!to->b->of_images)
        return; /* a text that cannot be used ends the run */
    encode->failed = note_failure;
    encode->failed_user = to;
}

/* ---- vectors ---------------------------------------------------------------------------- */

void engine_encode(engine *e, batch *b, const embed_encode_options *encode, float *vectors,
                   int64_t dim)
{
    embed_encode_options call = *encode;
    failures to = {b, 0};
    embed_input view = batch_view(b);

    note_failures(&call, &to);
    if (embed_encode(e->session, &view, &call, vectors, dim) < 0)
        engine_die(e, &view, b->first, encode);
}

float *engine_encode_all(engine *e, const input *in, batch *b, const embed_encode_options *encode,
                         int64_t *dim)
{
    embed_encode_options call = *encode;
    progress_span span;
    float *vectors;

    *dim = engine_dim(e, encode);
    vectors = allocate(b->count * *dim, sizeof(float));
    input_span(in, b, &span);
    call.progress = progress_callback;
    call.progress_user = &span;
    engine_encode(e, b, &call, vectors, *dim);
    progress_clear();
    return vectors;
}

int32_t engine_similarity(const engine *e, const options *o)
{
    return o->similarity ? o->similarity
                         : (int32_t)embed_model_info(e->model, EMBED_INFO_SIMILARITY);
}

const char *similarity_name(int32_t similarity)
{
    static const char *const names[] = {"cosine", "dot", "euclidean", "manhattan"};

    return similarity >= 1 && similarity <= 4 ? names[similarity - 1] : "unknown";
}
