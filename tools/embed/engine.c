/* engine: the model and the session of a run, and whose fault a failure is. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

void engine_open_model(engine *e, const options *o)
{
    embed_error error = EMBED_ERROR_INIT;
    const char *text;

    memset(e, 0, sizeof(*e));
    if (embed_model_open(o->model, &o->open, &e->model, &error) < 0)
        die("%s", error.message);
    for (int64_t i = 0; (text = embed_model_warning(e->model, i)); i++)
        warning("%s", text);
}

void engine_open(engine *e, const options *o)
{
    embed_error error = EMBED_ERROR_INIT;

    engine_open_model(e, o);
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

/* Encoding no texts says what is wrong with the options, in the library's words. */
void engine_check(engine *e, const embed_encode_options *encode)
{
    embed_input none = EMBED_INPUT_INIT;
    const char *text = "";
    float vector = 0;
    int32_t status;

    none.texts = &text;
    status = embed_last_hidden_state(e->session, &none, encode, &vector, 1);
    if (status < 0)
        die_of_session(e, status);
}

int64_t engine_dim(engine *e, const embed_encode_options *encode)
{
    int64_t dim = embed_output_dim(e->model, encode);
    const char *text = "";
    float vector = 0;
    int32_t status =
        embed_encode_texts(e->session, &text, NULL, 0, encode, &vector, dim > 0 ? dim : 1);

    if (status < 0 || dim < 0)
        die_of_session(e, status < 0 ? status : (int32_t)dim);
    return dim;
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
    int64_t dim = embed_model_info(e->model, EMBED_INFO_HIDDEN_SIZE);

    snprintf(sentence, sizeof(sentence), "%s", embed_session_error(e->session));
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

void engine_encode(engine *e, const embed_input *view, int64_t first,
                   const embed_encode_options *encode, float *vectors, int64_t dim)
{
    if (embed_encode(e->session, view, encode, vectors, dim) < 0)
        engine_die(e, view, first, encode);
}

float *engine_encode_all(engine *e, const batch *b, const embed_encode_options *encode,
                         int64_t *dim)
{
    progress_span span = {0, b->count, 0, 1};
    embed_encode_options call = *encode;
    embed_input view;
    float *vectors;

    *dim = engine_dim(e, encode);
    vectors = allocate(b->count * *dim, sizeof(float));
    call.progress = progress_callback;
    call.progress_user = &span;
    batch_view(b, 0, b->count, &view);
    engine_encode(e, &view, b->first, &call, vectors, *dim);
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
