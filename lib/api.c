/* Every public function of models and sessions: checks its arguments, then calls down. (Helpers on
 * vectors that need no model are in vectors.c.) */
#include <stdio.h>

#include "golden.h"
#include "save.h"
#include "session.h"

/* ---- options structs --------------------------------------------------------------- */

enum { MAX_STRUCT = 4096 }; /* above that struct_size was never set */

/* Copy a caller's struct of its own version into ours: fields that it lacks become zero; fields
 * that we lack must be zero. source NULL: the defaults. */
static int32_t copy_struct(void *to, uint32_t size, const void *source, const char *what,
                           embed_error *error)
{
    uint32_t given;
    memset(to, 0, size);
    if (!source) return EMBED_OK;
    memcpy(&given, source, sizeof given);
    if (given < sizeof given || given > MAX_STRUCT)
        return emb_fail(error, EMBED_EINVAL,
                        "%s: struct_size: expected sizeof the struct, found %u", what,
                        (unsigned)given);
    for (uint32_t i = size; i < given; i++)
        if (((const unsigned char *)source)[i])
            return emb_fail(error, EMBED_EUNSUPPORTED,
                            "%s: a field that this version of the library has not", what);
    memcpy(to, source, EMB_MIN(given, size));
    return EMBED_OK;
}

static int32_t check_flags(uint32_t flags, uint32_t known, const char *what, embed_error *error)
{
    if (!(flags & ~known)) return EMBED_OK;
    return emb_fail(error, EMBED_EINVAL, "%s: flags: expected bits of 0x%X, found 0x%X", what,
                    (unsigned)known, (unsigned)flags);
}

#define COPY(to, source, error) copy_struct(&(to), sizeof(to), source, #to, error)

static int32_t copy_encode_options(embed_encode_options *options, const embed_encode_options *given,
                                   embed_error *error)
{
    int32_t status = copy_struct(options, sizeof *options, given, "options", error);
    return status < 0 ? status
                      : check_flags(options->flags,
                                    EMBED_NO_MODULES | EMBED_NO_TRUNCATION |
                                        EMBED_REPLACE_INVALID_UTF8 | EMBED_NO_SPECIAL_TOKENS |
                                        EMBED_APPLY_EXIF | EMBED_ALPHA_WHITE |
                                        EMBED_INTERPOLATE_POS_ENCODING | EMBED_FOR_IMAGES,
                                    "options", error);
}

/* ---- version -------------------------------------------------------------------------- */

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
#define VERSION_TEXT                                                                               \
    TEXT(EMBED_VERSION_MAJOR) "." TEXT(EMBED_VERSION_MINOR) "." TEXT(EMBED_VERSION_PATCH)

uint32_t embed_version(void)
{
    return EMBED_VERSION_MAJOR << 16 | EMBED_VERSION_MINOR << 8 | EMBED_VERSION_PATCH;
}

const char *embed_version_string(void) { return VERSION_TEXT; }

const char *embed_build_info(void) { return emb_gemm_build_info(); }

const char *embed_isa(void) { return emb_kernels_for(NULL)->name; }

/* ---- model ------------------------------------------------------------------------------- */

static int32_t open_model(const char *path, const void *data, size_t size,
                          const embed_open_options *given, embed_model **model, embed_error *error)
{
    embed_open_options options;
    embed_error local; /* emb_fail_in takes its status from there */
    if (!error) error = &local;
    error->message[0] = '\0';
    if (!model) return emb_fail(error, EMBED_EINVAL, "model: expected where to put it, found NULL");
    *model = NULL;
    if (!path && !data) return emb_fail(error, EMBED_EINVAL, "expected a path or data, found NULL");
    int32_t status = COPY(options, given, error);
    if (status == EMBED_OK)
        status = check_flags(options.flags,
                             EMBED_OPEN_READ | EMBED_OPEN_NO_ENCODER | EMBED_OPEN_TO_SAVE, "options",
                             error);
    if (status < 0) return status;
    if (!options.alloc != !options.free)
        return emb_fail(error, EMBED_EINVAL, "options: alloc and free: expected both or none");
    if (options.gemm < EMBED_GEMM_AUTO || options.gemm > EMBED_GEMM_BLAS)
        return emb_fail(error, EMBED_EINVAL,
                        "options: gemm: expected an EMBED_GEMM_ value, found %d",
                        (int)options.gemm);
    if (options.weights < EMBED_WEIGHTS_DEFAULT || options.weights > EMBED_WEIGHTS_INT8)
        return emb_fail(error, EMBED_EINVAL,
                        "options: weights: expected an EMBED_WEIGHTS_ value, found %d",
                        (int)options.weights);
    if (options.compute < EMBED_COMPUTE_DEFAULT || options.compute > EMBED_COMPUTE_BF16_ALWAYS)
        return emb_fail(error, EMBED_EINVAL,
                        "options: compute: expected an EMBED_COMPUTE_ value, found %d",
                        (int)options.compute);
    return emb_model_open(model, path, data, size, &options, error);
}

int32_t embed_model_open(const char *path, const embed_open_options *options, embed_model **model,
                         embed_error *error)
{
    return open_model(path, NULL, 0, options, model, error);
}

int32_t embed_model_open_memory(const void *data, size_t size, const embed_open_options *options,
                                embed_model **model, embed_error *error)
{
    return open_model(NULL, data, size, options, model, error);
}

void embed_model_free(embed_model *model) { emb_model_free(model); }

int64_t embed_model_info(const embed_model *m, int32_t what)
{
    static const embed_encode_options defaults = EMBED_ENCODE_OPTIONS_INIT;
    if (!m) return EMBED_EINVAL;
    const emb_encoder *e = emb_model_tower(m);
    const emb_architecture *a = &e->arch, *image = &m->image.arch;
    switch (what) {
    case EMBED_INFO_DIM: return emb_output_dim(m, &defaults, NULL);
    case EMBED_INFO_HIDDEN_SIZE: return a->hidden_size;
    case EMBED_INFO_NUM_LAYERS: return a->num_hidden_layers;
    case EMBED_INFO_NUM_HEADS: return a->num_attention_heads;
    case EMBED_INFO_INTERMEDIATE_SIZE: return a->intermediate_size;
    case EMBED_INFO_VOCAB_SIZE: return m->text.arch.vocab_size;
    case EMBED_INFO_MAX_LENGTH: return m->max_length;
    case EMBED_INFO_MAX_POSITIONS: return emb_max_tokens(&m->text.arch);
    case EMBED_INFO_POOLING: return m->modules.pooling[0];
    case EMBED_INFO_NORMALIZES: return emb_modules_normalize(&m->modules);
    case EMBED_INFO_HAS_POOLER: return e->has_pooler;
    case EMBED_INFO_SIMILARITY: return m->modules.similarity;
    case EMBED_INFO_PARAMETERS: return m->parameters;
    case EMBED_INFO_WEIGHT_BYTES: return (int64_t)emb_model_weight_bytes(m);
    case EMBED_INFO_GEMM: return m->gemm_kind;
    case EMBED_INFO_WEIGHTS: return m->weights_kind;
    case EMBED_INFO_COMPUTE: return m->compute;
    case EMBED_INFO_HAS_TOKENIZER: return m->tokenizer != NULL;
    case EMBED_INFO_TAKES_TEXTS: return m->text.arch.hidden_size > 0;
    case EMBED_INFO_TAKES_IMAGES: return image->hidden_size > 0;
    case EMBED_INFO_IMAGE_HIDDEN_SIZE: return image->hidden_size;
    case EMBED_INFO_IMAGE_NUM_LAYERS: return image->num_hidden_layers;
    case EMBED_INFO_PATCH_SIZE: return image->image.patch_height;
    case EMBED_INFO_NUM_LABELS: return m->text.arch.num_labels;
    case EMBED_INFO_PREFIX_TOKENS: return image->image.prefix;
    case EMBED_INFO_FILE_FORMAT: return emb_directory_prepared(m->dir) ? EMB_FORMAT : 0;
    case EMBED_INFO_FILE_BYTES: return emb_directory_bytes(m->dir);
    case EMBED_INFO_GOLDEN: return emb_golden_count(m);
    default: return EMBED_EINVAL;
    }
}

const char *embed_model_describe(const embed_model *m) { return m ? m->description.data : NULL; }

const char *embed_model_warning(const embed_model *m, int64_t index)
{
    return m && index >= 0 && index < m->warning_count ? m->warnings[index] : NULL;
}

const char *embed_model_prompt(const embed_model *m, const char *name)
{
    return m && name ? emb_prompt_text(&m->modules, name) : NULL;
}

const char *embed_model_prompt_name(const embed_model *m, int64_t index)
{
    return m && index >= 0 && index < m->modules.prompt_count ? m->modules.prompts[index].name
                                                              : NULL;
}

const char *embed_model_product(const embed_model *m, int64_t index)
{
    size_t at = 0;
    if (!m || index < 0) return NULL;
    while (index-- && at < m->products.size) at += strlen(m->products.data + at) + 1;
    return at < m->products.size ? m->products.data + at : NULL;
}

const char *embed_token_text(const embed_model *m, int32_t id)
{
    return m && m->tokenizer ? emb_tokenizer_text(m->tokenizer, id) : NULL;
}

int32_t embed_token_id(const embed_model *m, const char *text)
{
    if (!m || !text) return EMBED_EINVAL;
    int32_t id = m->tokenizer ? emb_tokenizer_id(m->tokenizer, text, strlen(text)) : -1;
    return id < 0 ? EMBED_EMISSING : id;
}

/* ---- session -------------------------------------------------------------------------------- */

int32_t embed_workspace_size(const embed_model *model, const embed_session_options *given,
                             size_t *size, embed_error *error)
{
    embed_session_options options;
    if (!model || !size)
        return emb_fail(error, EMBED_EINVAL, "model and size: expected both, found NULL");
    int32_t status = COPY(options, given, error);
    return status < 0 ? status : emb_session_init(model, &options, NULL, size, NULL, error);
}

int32_t embed_session_init(const embed_model *model, const embed_session_options *given,
                           void *workspace, size_t size, embed_session **session,
                           embed_error *error)
{
    embed_session_options options;
    if (session) *session = NULL;
    if (!model || !workspace || !session)
        return emb_fail(error, EMBED_EINVAL,
                        "model, workspace and session: expected all, found NULL");
    int32_t status = COPY(options, given, error);
    return status < 0 ? status
                      : emb_session_init(model, &options, workspace, &size, session, error);
}

int32_t embed_session_create(const embed_model *model, const embed_session_options *given,
                             embed_session **session, embed_error *error)
{
    embed_session_options options;
    if (session) *session = NULL;
    if (!model || !session)
        return emb_fail(error, EMBED_EINVAL, "model and session: expected both, found NULL");
    int32_t status = COPY(options, given, error);
    return status < 0 ? status : emb_session_create(model, &options, session, error);
}

void embed_session_free(embed_session *session) { emb_session_free(session); }

const char *embed_session_error(const embed_session *session)
{
    return session ? emb_session_error((embed_session *)(uintptr_t)session)->message : "";
}

/* ---- single-file models ---------------------------------------------------------------------- */

int32_t embed_model_save(const embed_model *model, embed_write_fn write, void *write_user,
                         const embed_save_options *given, embed_error *error)
{
    embed_save_options options;
    if (!model || !write)
        return emb_fail(error, EMBED_EINVAL, "model and write: expected both, found NULL");
    int32_t status = COPY(options, given, error);
    if (status == EMBED_OK) status = check_flags(options.flags, EMBED_SAVE_NO_GOLDEN, "options", error);
    return status < 0 ? status : emb_model_save(model, write, write_user, &options, error);
}

int32_t embed_verify(embed_session *s, embed_verification *given)
{
    embed_verification found;
    if (!s) return EMBED_EINVAL;
    embed_error *error = emb_session_error(s);
    if (!given) return emb_fail(error, EMBED_EINVAL, "found: expected where to put it, found NULL");
    int32_t status = COPY(found, given, error);
    if (status < 0) return status;
    status = emb_golden_verify(s, &found);
    memcpy(given, &found, EMB_MIN(given->struct_size, sizeof found));
    return status;
}

/* ---- calls ------------------------------------------------------------------------------------
 */

static int32_t copy_input(embed_session *s, const embed_input *given, embed_input *input)
{
    embed_error *error = emb_session_error(s);
    if (!given) return emb_fail(error, EMBED_EINVAL, "input: expected one, found NULL");
    int32_t status = copy_struct(input, sizeof *input, given, "input", error);
    if (status < 0) return status;
    if (input->flags)
        return emb_fail(error, EMBED_EINVAL, "input: flags: expected 0, found %u",
                        (unsigned)input->flags);
    int kinds = (input->texts != NULL) + (input->ids != NULL) + (input->images != NULL);
    if (input->count < 0 || kinds > 1 || (input->count > 0 && kinds == 0) ||
        (input->ids && !input->offsets))
        return emb_fail(error, EMBED_EINVAL,
                        "input: expected a count and texts, ids with offsets, or images, found count "
                        "%lld%s%s%s%s",
                        (long long)input->count, input->texts ? ", texts" : "",
                        input->ids ? ", ids" : "", input->offsets ? ", offsets" : "",
                        input->images ? ", images" : "");
    return EMBED_OK;
}

int64_t embed_tokenize(embed_session *s, const char *text, int64_t size, const char *pair,
                       int64_t pair_size, const embed_encode_options *given,
                       embed_tokens *given_tokens)
{
    embed_encode_options options;
    embed_tokens tokens;
    if (!s) return EMBED_EINVAL;
    embed_error *error = emb_session_error(s);
    if (!text) return emb_fail(error, EMBED_EINVAL, "text: expected one, found NULL");
    int32_t status = copy_encode_options(&options, given, error);
    if (status == EMBED_OK) status = COPY(tokens, given_tokens, error);
    if (status == EMBED_OK) status = check_flags(tokens.flags, 0, "tokens", error);
    if (status < 0) return status;
    emb_token_arrays out = {
        .capacity = EMB_MAX(tokens.capacity, 0),
        .ids = tokens.ids,
        .type_ids = tokens.type_ids,
        .word_ids = tokens.word_ids,
        .sequence_ids = tokens.sequence_ids,
        .offsets = (int64_t(*)[2])(void *)tokens.offsets,
    };
    return emb_session_tokenize(s, text, size, pair, pair_size, &options, &out);
}

int32_t embed_count_tokens(embed_session *s, const embed_input *given,
                           const embed_encode_options *given_options, int64_t *counts)
{
    embed_encode_options options;
    embed_input input;
    if (!s) return EMBED_EINVAL;
    int32_t status = copy_input(s, given, &input);
    if (status == EMBED_OK)
        status = copy_encode_options(&options, given_options, emb_session_error(s));
    if (status == EMBED_OK && input.count && !counts)
        status =
            emb_fail(emb_session_error(s), EMBED_EINVAL, "counts: expected an array, found NULL");
    return status < 0 ? status : emb_session_count(s, &input, &options, counts);
}

int64_t embed_output_dim(const embed_model *model, const embed_encode_options *given)
{
    embed_encode_options options;
    if (!model) return EMBED_EINVAL;
    int32_t status = copy_encode_options(&options, given, NULL);
    return status < 0 ? status : emb_output_dim(model, &options, NULL);
}

int32_t embed_encode(embed_session *s, const embed_input *given,
                     const embed_encode_options *given_options, float *vectors, int64_t stride)
{
    embed_encode_options options;
    embed_input input;
    if (!s) return EMBED_EINVAL;
    int32_t status = copy_input(s, given, &input);
    if (status == EMBED_OK)
        status = copy_encode_options(&options, given_options, emb_session_error(s));
    if (status == EMBED_OK && input.count && !vectors)
        status =
            emb_fail(emb_session_error(s), EMBED_EINVAL, "vectors: expected an array, found NULL");
    if (status < 0) return status;
    emb_float_env env = emb_float_enter();
    status = emb_session_encode(s, &input, &options, vectors, stride);
    emb_float_leave(env);
    return status;
}

int32_t embed_encode_texts(embed_session *s, const char *const *texts, const int64_t *sizes,
                           int64_t count, const embed_encode_options *options, float *vectors,
                           int64_t stride)
{
    embed_input input = EMBED_INPUT_INIT;
    input.count = count;
    input.texts = texts;
    input.text_sizes = sizes;
    return embed_encode(s, &input, options, vectors, stride);
}

int32_t embed_encode_spans(embed_session *s, const char *text, int64_t size, const int64_t *spans,
                           int64_t count, const embed_encode_options *given_options, float *vectors,
                           int64_t stride)
{
    embed_encode_options options;
    if (!s) return EMBED_EINVAL;
    embed_error *error = emb_session_error(s);
    int32_t status = copy_encode_options(&options, given_options, error);
    if (status == EMBED_OK && (!text || count < 0 || (count > 0 && (!spans || !vectors))))
        status = emb_fail(error, EMBED_EINVAL,
                          "expected a text, spans and vectors, found NULL or a negative count");
    if (status < 0) return status;
    emb_float_env env = emb_float_enter();
    status = emb_session_spans(s, text, size < 0 ? (int64_t)strlen(text) : size,
                               (const int64_t(*)[2])(const void *)spans, count, &options, vectors,
                               stride);
    emb_float_leave(env);
    return status;
}

static int32_t hidden_state(embed_session *s, const embed_input *given,
                            const embed_encode_options *given_options, float *hidden,
                            int64_t tokens, int64_t *offsets)
{
    embed_encode_options options;
    embed_input input;
    int32_t status = copy_input(s, given, &input);
    if (status == EMBED_OK)
        status = copy_encode_options(&options, given_options, emb_session_error(s));
    if (status == EMBED_OK && (tokens < 0 || (tokens > 0 && input.count && !hidden)))
        status = emb_fail(emb_session_error(s), EMBED_EINVAL,
                          "hidden: expected an array of rows, found NULL or a "
                          "negative number of them");
    if (status < 0) return status;
    emb_float_env env = emb_float_enter();
    status = emb_session_hidden(s, &input, &options, hidden, tokens, offsets);
    emb_float_leave(env);
    return status;
}

int32_t embed_last_hidden_state(embed_session *s, const embed_input *input,
                                const embed_encode_options *options, float *hidden, int64_t tokens)
{
    return s ? hidden_state(s, input, options, hidden, tokens, NULL) : EMBED_EINVAL;
}

int32_t embed_last_hidden_state_ragged(embed_session *s, const embed_input *input,
                                       const embed_encode_options *options, float *hidden,
                                       int64_t capacity, int64_t *offsets)
{
    if (!s) return EMBED_EINVAL;
    if (!offsets)
        return emb_fail(emb_session_error(s), EMBED_EINVAL,
                        "offsets: expected an array, found NULL");
    return hidden_state(s, input, options, hidden, capacity, offsets);
}

/* A call whose inputs are images. */
static int32_t copy_images(embed_session *s, const embed_input *given,
                           const embed_encode_options *given_options, embed_input *input,
                           embed_encode_options *options)
{
    int32_t status = copy_input(s, given, input);
    if (status == EMBED_OK)
        status = copy_encode_options(options, given_options, emb_session_error(s));
    if (status == EMBED_OK && input->count && !input->images)
        status = emb_fail(emb_session_error(s), EMBED_EKIND,
                          "input: expected images, found none");
    return status;
}

int32_t embed_pixel_sizes(embed_session *s, const embed_input *given,
                          const embed_encode_options *given_options, int64_t *sizes)
{
    embed_encode_options options;
    embed_input input;
    if (!s) return EMBED_EINVAL;
    int32_t status = copy_images(s, given, given_options, &input, &options);
    if (status == EMBED_OK && input.count && !sizes)
        status = emb_fail(emb_session_error(s), EMBED_EINVAL, "sizes: expected an array, found NULL");
    return status < 0 ? status
                      : emb_session_pixel_sizes(s, &input, &options, (int64_t(*)[2])(void *)sizes);
}

int32_t embed_pixel_values(embed_session *s, const embed_input *given,
                           const embed_encode_options *given_options, float *pixels, int64_t height,
                           int64_t width)
{
    embed_encode_options options;
    embed_input input;
    if (!s) return EMBED_EINVAL;
    int32_t status = copy_images(s, given, given_options, &input, &options);
    if (status == EMBED_OK && input.count && (!pixels || height < 1 || width < 1))
        status = emb_fail(emb_session_error(s), EMBED_EINVAL,
                          "pixels: expected an array of a positive height and width, found NULL or "
                          "%lld x %lld", (long long)height, (long long)width);
    if (status < 0) return status;
    emb_float_env env = emb_float_enter();
    status = emb_session_pixel_values(s, &input, &options, pixels, height, width);
    emb_float_leave(env);
    return status;
}

int32_t embed_pooler(embed_session *s, const float *cls, float *out)
{
    if (!s) return EMBED_EINVAL;
    if (!cls || !out)
        return emb_fail(emb_session_error(s), EMBED_EINVAL,
                        "cls and out: expected both, found NULL");
    emb_float_env env = emb_float_enter();
    int32_t status = emb_session_pooler(s, cls, out);
    emb_float_leave(env);
    return status;
}
