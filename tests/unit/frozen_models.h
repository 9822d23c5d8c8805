/* A frozen model of tests/data/models: the open model, its inputs and what the reference makes of
 * them (see tests/parity/freeze_models.py). Internal headers serve only to read
 * expected.safetensors. */
#ifndef FROZEN_MODELS_H
#define FROZEN_MODELS_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

#include "../../include/embed.h"
#include "../../lib/format/safetensors.h"

#define ROOT "tests/data/models/"
enum { MAX_TEXTS = 16, MAX_INPUTS = 32, MAX_TOKENS = 512, MAX_WIDTH = 64 };

static const char *const models[] = {
    "bert",     "bert-bare",  "bert-f16", "bert-bf16", "bert-f64", "bert-sharded", "bert-torch", "bert-torch-sharded",
    "bert-odd", "distilbert", "electra",  "st-dense",  "st-list",  "roberta",
    "albert",   "albert-18-14", "clip-text", "clip-text-largest", "siglip-text",
    "modernbert", "nomic-hub", "nomic-bias", "gte-new", "qwen3", "embeddinggemma", "gemma3-causal",
    "deberta-v3", "deberta-v2", "gpt2", "jina", "jina-code",
};
enum { NUM_MODELS = (int)(sizeof models / sizeof models[0]) };

typedef struct frozen {
    const char *name;
    embed_model *model;
    emb_file file;
    emb_safetensors expected;
    char *lines[2]; /* texts.txt and pairs.txt, cut up in place */
    const char *texts[MAX_TEXTS], *first[MAX_TEXTS], *second[MAX_TEXTS];
    int64_t num_texts, num_pairs, count; /* count: with the ids that no text gives, behind both */
    int64_t tokens, layers, hidden, longest;
    int32_t ids[MAX_TOKENS], type_ids[MAX_TOKENS];
    int64_t offsets[MAX_INPUTS + 1];
} frozen;

static inline char *read_text(const char *folder, const char *file)
{
    char path[256];
    snprintf(path, sizeof path, ROOT "%s/%s", folder, file);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = calloc(1, 1 << 16);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 16) - 1, f) < (1 << 16) - 1);
    fclose(f);
    return text;
}

/* Cut text into its lines; second, if given, takes what stands behind the tab of each. */
static inline int64_t cut_lines(char *text, const char **first, const char **second)
{
    int64_t n = 0;
    while (*text) {
        char *end = strchr(text, '\n');
        assert_non_null(end);
        *end = 0;
        assert_true(n < MAX_TEXTS);
        first[n] = text;
        if (second) {
            char *tab = strchr(text, '\t');
            assert_non_null(tab);
            *tab = 0;
            second[n] = tab + 1;
        }
        n++;
        text = end + 1;
    }
    return n;
}

static inline const emb_tensor *expected(const frozen *f, const char *name)
{
    return emb_safetensors_find(&f->expected, name);
}

/* Numbers of an expected tensor; the caller frees them. */
static inline void *numbers(const frozen *f, const char *name)
{
    const emb_tensor *t = expected(f, name);
    if (!t) fail_msg("%s: expected.safetensors has no %s", f->name, name);
    void *copy = malloc(t->bytes + 1);
    assert_non_null(copy);
    memcpy(copy, t->data, t->bytes);
    return copy;
}

/* Largest error allowed, relative to the root mean square of the tensor. float32 rounds each
 * operation by up to 6e-8; through two layers of these sizes PyTorch's own float32 is 1e-6 away
 * from the float64 truth and the same operations in another order differ by as much. 2e-5 leaves
 * room for that; a wrong formula is far above it (tanh for erf in GELU moves a hidden state by 1e-4
 * or more, a forgotten bias by 1e-1). */
static const double TOLERANCE = 2e-5;

/* found[n] against expected[n]: the largest difference, relative to the root mean square of
 * expected. */
static inline void assert_close(const char *model, const char *what, const float *found,
                                const float *truth, int64_t n)
{
    double squares = 0, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        squares += (double)truth[i] * truth[i];
        double difference = fabs((double)found[i] - truth[i]);
        if (!(difference <= worst)) worst = difference; /* a NaN stays */
    }
    double relative = worst / sqrt(squares / (double)n);
    if (!(relative <= TOLERANCE))
        fail_msg("%s: %s: relative error %g, allowed %g", model, what, relative, TOLERANCE);
}

static inline embed_model *open_model(const char *path, const embed_open_options *options)
{
    embed_model *model;
    embed_error error = EMBED_ERROR_INIT;
    if (embed_model_open(path, options, &model, &error) != EMBED_OK)
        fail_msg("%s: %s", path, error.message);
    return model;
}

static inline embed_model *open_named(const char *name, const embed_open_options *options)
{
    char path[256];
    snprintf(path, sizeof path, ROOT "%s", name);
    return open_model(path, options);
}

static inline void load_inputs(frozen *f)
{
    f->lines[0] = read_text(f->name, "texts.txt");
    f->lines[1] = read_text(f->name, "pairs.txt");
    f->num_texts = cut_lines(f->lines[0], f->texts, NULL);
    f->num_pairs = cut_lines(f->lines[1], f->first, f->second);
    const emb_tensor *ids = expected(f, "ids"), *types = expected(f, "type_ids"),
                     *offsets = expected(f, "offsets");
    f->tokens = ids->shape[0];
    f->count = offsets->shape[0] - 1;
    assert_true(f->tokens <= MAX_TOKENS && f->count <= MAX_INPUTS);
    assert_true(f->count >= f->num_texts + f->num_pairs);
    memcpy(f->ids, ids->data, ids->bytes);
    memcpy(f->type_ids, types->data, types->bytes);
    memcpy(f->offsets, offsets->data, offsets->bytes);
    for (int64_t i = 0; i < f->count; i++)
        f->longest = EMB_MAX(f->longest, f->offsets[i + 1] - f->offsets[i]);
}

/* The model and the reference's numbers, without inputs. */
static inline frozen *load_expected(const char *name)
{
    frozen *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->name = name;
    f->model = open_named(name, NULL);
    char path[256];
    snprintf(path, sizeof path, ROOT "%s/expected.safetensors", name);
    embed_error error = EMBED_ERROR_INIT;
    int32_t status = emb_file_open(&f->file, path, path, false, &emb_libc_allocator, &error);
    if (status == EMBED_OK)
        status = emb_safetensors_open(&f->expected, path, f->file.data, f->file.size,
                                      &emb_libc_allocator, &error);
    if (status != EMBED_OK) fail_msg("%s", error.message);
    return f;
}

static inline frozen *load(const char *name)
{
    frozen *f = load_expected(name);
    load_inputs(f);
    f->layers = embed_model_info(f->model, EMBED_INFO_NUM_LAYERS);
    f->hidden = embed_model_info(f->model, EMBED_INFO_HIDDEN_SIZE);
    assert_int_equal(expected(f, "hidden.0")->shape[1], f->hidden);
    return f;
}

static inline void unload(frozen *f)
{
    embed_model_free(f->model);
    emb_safetensors_close(&f->expected);
    emb_file_close(&f->file);
    free(f->lines[0]);
    free(f->lines[1]);
    free(f);
}

static inline embed_session *session_of(const embed_model *model, int32_t threads,
                                        int64_t batch_tokens)
{
    embed_session_options options = EMBED_SESSION_OPTIONS_INIT;
    options.threads = threads;
    options.batch_tokens = batch_tokens;
    embed_session *session;
    embed_error error = EMBED_ERROR_INIT;
    if (embed_session_create(model, &options, &session, &error) != EMBED_OK)
        fail_msg("%s", error.message);
    return session;
}

static inline embed_input ids_of(const frozen *f)
{
    embed_input input = EMBED_INPUT_INIT;
    input.count = f->count;
    input.ids = f->ids;
    input.type_ids = f->type_ids;
    input.offsets = f->offsets;
    return input;
}

static inline embed_input texts_of(const frozen *f)
{
    embed_input input = EMBED_INPUT_INIT;
    input.count = f->num_texts;
    input.texts = f->texts;
    return input;
}

static inline embed_input pairs_of(const frozen *f)
{
    embed_input input = EMBED_INPUT_INIT;
    input.count = f->num_pairs;
    input.texts = f->first;
    input.pairs = f->second;
    return input;
}

static inline void ok(embed_session *session, int32_t status)
{
    if (status != EMBED_OK)
        fail_msg("%s: %s", embed_status_string(status), embed_session_error(session));
}

/* embed_encode into new memory. */
static inline float *encode(embed_session *session, const embed_model *model,
                            const embed_input *input, const embed_encode_options *options)
{
    int64_t dim = embed_output_dim(model, options);
    assert_true(dim > 0);
    float *vectors = malloc((size_t)(input->count * dim + 1) * sizeof(float));
    assert_non_null(vectors);
    ok(session, embed_encode(session, input, options, vectors, dim));
    return vectors;
}

#endif
