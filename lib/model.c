/* Opening: which file decides what, and in which order. */
#include "model.h"

#include <stdarg.h>
#include <stdio.h>

static int32_t warn(embed_model *m, embed_error *error, const char *format, ...) EMB_PRINTF(3, 4);
static int32_t warn(embed_model *m, embed_error *error, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (m->warning_count == EMB_MAX_WARNINGS) return EMBED_OK;
    char *copy = emb_strdup(&m->allocator, text, strlen(text));
    if (!copy) return emb_fail(error, EMBED_ENOMEM, "out of memory for a warning");
    m->warnings[m->warning_count++] = copy;
    return EMBED_OK;
}

static int32_t choose_kernels(embed_model *m, const embed_open_options *o, embed_error *error)
{
    m->kernels = emb_kernels_for(o->isa);
    if (!m->kernels) {
        char names[128] = "";
        for (int64_t i = 0; emb_kernels_name(i); i++) {
            if (i) strncat(names, ", ", sizeof names - strlen(names) - 1);
            strncat(names, emb_kernels_name(i), sizeof names - strlen(names) - 1);
        }
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "isa: expected one of %s that this CPU has, found \"%s\"", names,
                        emb_excerpt_of(o->isa, strlen(o->isa)).text);
    }
    m->gemm_kind = o->gemm == EMBED_GEMM_BLAS ? EMBED_GEMM_BLAS : EMBED_GEMM_PACKED;
    return emb_gemm_for(m->gemm_kind, &m->gemm, error);
}

/* config.json; the document stays open for what else is asked of it. */
static int32_t read_config(embed_model *m, emb_json_document **document, emb_architecture *arch,
                           embed_error *error)
{
    const char *folder = m->modules.folder;
    char file[256];
    snprintf(file, sizeof file, "%s%sconfig.json", folder, *folder ? "/" : "");
    int32_t status = emb_directory_json(m->dir, folder, "config.json", document, error);
    if (status < 0) return status;
    if (!*document)
        return emb_fail(error, EMBED_EIO, "%s: expected the model's configuration, found none",
                        file);
    emb_config config = {emb_json_root(*document), file, error, EMBED_OK};
    if (!emb_json_is(config.root, EMB_JSON_OBJECT))
        return emb_fail(error, EMBED_EFORMAT, "%s: expected an object, found %s", file,
                        emb_json_kind_name(config.root));
    return emb_architecture_read(&config, arch);
}

static int32_t open_tokenizer(embed_model *m, const emb_json *config, const emb_architecture *arch,
                              embed_error *error)
{
    emb_tokenizer_files f = {
        .model_type = arch->model_type,
        .tokenizer_class = emb_json_text(emb_json_get(config, "tokenizer_class")),
        .lowercase_first = m->modules.do_lower_case,
    };
    const struct {
        const char *name;
        const char **text;
        size_t *size;
    } files[] = {
        {"tokenizer.json", &f.tokenizer_json, &f.tokenizer_json_size},
        {"tokenizer_config.json", &f.tokenizer_config_json, &f.tokenizer_config_json_size},
        {"special_tokens_map.json", &f.special_tokens_map_json, &f.special_tokens_map_json_size},
        {"added_tokens.json", &f.added_tokens_json, &f.added_tokens_json_size},
        {"vocab.txt", &f.vocab_txt, &f.vocab_txt_size},
        {"vocab.json", &f.vocab_json, &f.vocab_json_size},
        {"merges.txt", &f.merges_txt, &f.merges_txt_size},
        {"sentencepiece.bpe.model", &f.sentencepiece, &f.sentencepiece_size},
        {"spiece.model", &f.sentencepiece, &f.sentencepiece_size},
        {"spm.model", &f.sentencepiece, &f.sentencepiece_size},
    };
    for (int64_t i = 0; i < EMB_COUNT(files); i++) {
        if (*files[i].text) continue; /* a file of another name is the same */
        int32_t status = emb_directory_text(m->dir, m->modules.folder, files[i].name, files[i].text,
                                            files[i].size, error);
        if (status < 0) return status;
    }
    if (!f.tokenizer_json && !f.vocab_txt && !f.vocab_json && !f.sentencepiece)
        return warn(m, error,
                    "no tokenizer.json or vocabulary: token ids can be encoded, texts cannot");
    int32_t status = emb_tokenizer_open(&m->tokenizer, &f, &m->allocator, error);
    if (status < 0) return status;
    int64_t vocab = emb_tokenizer_vocab_size(m->tokenizer);
    if (vocab > arch->vocab_size)
        return warn(m, error,
                    "the tokenizer has ids up to %lld, the embedding table %lld rows: texts that "
                    "need more fail",
                    (long long)vocab - 1, (long long)arch->vocab_size);
    return EMBED_OK;
}

/* max_seq_length, else the tokenizer's model_max_length; never more than there are positions. */
static int32_t decide_max_length(embed_model *m, embed_error *error)
{
    int64_t positions = m->encoder.arch.max_position_embeddings;
    int64_t tokenizer = m->tokenizer ? emb_tokenizer_model_max_length(m->tokenizer) : 0;
    m->max_length = positions;
    m->max_length_from = "config.json: max_position_embeddings";
    if (m->modules.max_seq_length) {
        m->max_length = m->modules.max_seq_length;
        m->max_length_from = "sentence_bert_config.json: max_seq_length";
    } else if (tokenizer && tokenizer < positions) {
        m->max_length = tokenizer;
        m->max_length_from = "tokenizer_config.json: model_max_length";
    }
    if (m->max_length <= positions) return EMBED_OK;
    int64_t asked = m->max_length;
    m->max_length = positions;
    return warn(m, error,
                "max_seq_length is %lld, but the model has %lld positions: texts are cut to those",
                (long long)asked, (long long)positions);
}

static int32_t load_weights(embed_model *m, const emb_architecture *arch, embed_error *error)
{
    emb_weights *weights;
    int32_t status = emb_directory_weights(m->dir, m->modules.folder, &weights, error);
    if (status < 0) return status;
    emb_loader loader = {
        .weights = weights,
        .kernels = m->kernels,
        .gemm = m->gemm,
        .allocator = &m->allocator,
        .error = error,
    };
    status = emb_encoder_load(&m->encoder, arch, &loader);
    if (status < 0) return status;
    status = emb_modules_load(&m->modules, m->dir, arch->hidden_size, &loader);
    if (status < 0) return status;
    m->module_bytes = loader.bytes - m->encoder.weight_bytes;
    m->encoder.parameters = loader.parameters;
    emb_directory_release(m->dir);
    if (arch->names->pooler && !emb_encoder_has_pooler(&m->encoder))
        return warn(m, error, "%s: no %s tensors: the model has no pooler output",
                    emb_weights_name(weights), arch->names->pooler);
    return EMBED_OK;
}

static int32_t open_parts(embed_model *m, const char *path, const void *data, size_t size,
                          const embed_open_options *o, embed_error *error)
{
    emb_architecture arch;
    emb_json_document *config = NULL;
    int32_t status = choose_kernels(m, o, error);
    if (status == EMBED_OK)
        status = path ? emb_directory_open(&m->dir, path, !(o->flags & EMBED_OPEN_READ),
                                           &m->allocator, error)
                      : emb_directory_open_memory(&m->dir, data, size, &m->allocator, error);
    if (status == EMBED_OK) status = emb_modules_read(&m->modules, m->dir, &m->allocator, error);
    if (status == EMBED_OK) status = read_config(m, &config, &arch, error);
    if (status == EMBED_OK) status = open_tokenizer(m, emb_json_root(config), &arch, error);
    emb_json_free(config);
    if (status == EMBED_OK) status = load_weights(m, &arch, error);
    if (status == EMBED_OK) status = decide_max_length(m, error);
    if (status == EMBED_OK && !emb_model_describe(m))
        status = emb_fail(error, EMBED_ENOMEM, "out of memory for the model's description");
    return status;
}

int32_t emb_model_open(embed_model **out, const char *path, const void *data, size_t size,
                       const embed_open_options *o, embed_error *error)
{
    emb_allocator a = {o->alloc, o->free, o->alloc_user};
    if (!a.alloc) a = emb_libc_allocator;
    embed_model *m = emb_calloc(&a, 1, sizeof *m);
    if (!m) return emb_fail(error, EMBED_ENOMEM, "out of memory for a model");
    m->allocator = a;
    emb_buffer_init(&m->description, &m->allocator);
    int32_t status = open_parts(m, path, data, size, o, error);
    if (status < 0) {
        const char *where = path ? path : "model in memory";
        if (strncmp(error->message, where, strlen(where)) != 0) emb_fail_in(error, "%s", where);
        emb_model_free(m);
        return status;
    }
    *out = m;
    return EMBED_OK;
}

void emb_model_free(embed_model *m)
{
    if (!m) return;
    emb_allocator a = m->allocator;
    emb_encoder_free(&m->encoder, &a);
    emb_modules_free(&m->modules, &a);
    emb_tokenizer_free(m->tokenizer);
    emb_directory_free(m->dir);
    emb_buffer_free(&m->description);
    for (int64_t i = 0; i < m->warning_count; i++) emb_free(&a, m->warnings[i]);
    emb_free(&a, m);
}

int64_t emb_model_longest(const embed_model *m)
{
    return EMB_MAX(m->encoder.arch.max_position_embeddings, m->max_length);
}
