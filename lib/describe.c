/* The recipe in use, as a JSON object: what `embed info` shows. */
#include "golden.h"

static const char *pooling_name(int32_t pooling)
{
    static const char *const names[] = {"default",  "cls",      "mean",   "max",     "last",
                                        "weighted", "sqrt_len", "pooler", "mean_all",
                                        "patches",  "projection", "scores"};
    return names[pooling];
}

static const char *similarity_name(int32_t similarity)
{
    static const char *const names[] = {"", "cosine", "dot", "euclidean", "manhattan"};
    return names[similarity];
}

const char *emb_weights_kind_name(int32_t kind)
{
    static const char *const names[] = {"default", "f32", "f16", "bf16", "int8"};
    return names[kind];
}

static void member(emb_buffer *b, const char *key, const char *text)
{
    emb_buffer_printf(b, ",\"%s\":", key);
    if (text) emb_buffer_json(b, text);
    else emb_buffer_printf(b, "null");
}

static void describe_sizes(emb_buffer *b, const emb_architecture *a)
{
    int64_t heads = a->num_attention_heads, keys = a->num_key_value_heads;
    const struct {
        const char *key;
        int64_t value;
    } sizes[] = {
        {"hidden_size", a->hidden_size},
        {"num_hidden_layers", a->num_hidden_layers},
        {"num_attention_heads", a->num_attention_heads},
        {"num_key_value_heads", keys == heads ? 0 : keys},
        {"head_dim", heads * a->head_dim == a->hidden_size ? 0 : a->head_dim},
        {"intermediate_size", a->intermediate_size},
        {"embedding_size", a->embedding_size},
        {"vocab_size", a->vocab_size},
        {"max_position_embeddings", a->max_position_embeddings},
        {"type_vocab_size", a->type_vocab_size},
        {"image_height", a->image.height},
        {"image_width", a->image.width},
        {"patch_size", a->image.patch_height},
        {"num_patches", a->image.grid_height * a->image.grid_width},
        {"prefix_tokens", a->image.prefix},
        {"num_register_tokens", a->image.register_tokens},
        {"projection_dim", a->projection_size},
        {"num_labels", a->num_labels},
    };
    bool images = emb_takes_images(a);
    for (int64_t i = 0; i < EMB_COUNT(sizes); i++)
        if (sizes[i].value || (!images && strcmp(sizes[i].key, "type_vocab_size") == 0))
            emb_buffer_printf(b, ",\"%s\":%lld", sizes[i].key, (long long)sizes[i].value);
    emb_buffer_printf(b, ",\"hidden_act\":\"%s\",\"layer_norm_eps\":%g",
                      emb_activation_name(a->hidden_act), a->layer_norm_eps);
    if (images)
        emb_buffer_printf(b, ",\"takes_any_image_size\":%s", a->image.any_size ? "true" : "false");
}

/* What a single-file model is beside the model. */
static void describe_file(emb_buffer *b, const embed_model *m)
{
    const char *writer = emb_directory_metadata(m->dir, EMB_WRITER_KEY);
    if (!emb_directory_prepared(m->dir)) return;
    emb_buffer_printf(b, ",\"file\":{\"format\":%d,\"bytes\":%lld,\"golden\":%lld", EMB_FORMAT,
                      (long long)emb_directory_bytes(m->dir), (long long)emb_golden_count(m));
    if (writer) member(b, "writer", writer);
    emb_buffer_printf(b, "}");
}

static void describe_modules(emb_buffer *b, const emb_modules *m)
{
    emb_buffer_printf(b, ",\"pooling\":{\"modes\":[");
    for (int64_t i = 0; i < m->pooling_count; i++)
        emb_buffer_printf(b, "%s\"%s\"", i ? "," : "", pooling_name(m->pooling[i]));
    emb_buffer_printf(b, "],\"include_prompt\":%s", m->include_prompt ? "true" : "false");
    member(b, "source", m->pooling_folder ? "modules.json" : "no Pooling module: the model's own");
    emb_buffer_printf(b, "},\"modules\":[");
    for (int64_t i = 0; i < m->count; i++) {
        const emb_module *module = &m->list[i];
        static const char *const kinds[] = {"Dense", "LayerNorm", "Normalize"};
        emb_buffer_printf(b, "%s{\"type\":\"%s\"", i ? "," : "", kinds[module->kind]);
        if (module->kind == EMB_MODULE_DENSE)
            emb_buffer_printf(b,
                              ",\"in_features\":%lld,\"out_features\":%lld,\"activation\":\"%s\"",
                              (long long)module->in, (long long)module->out,
                              emb_activation_name(module->dense.act));
        emb_buffer_printf(b, "}");
    }
    emb_buffer_printf(b, "],\"normalize\":%s,\"prompts\":{",
                      emb_modules_normalize(m) ? "true" : "false");
    for (int64_t i = 0; i < m->prompt_count; i++) {
        if (i) emb_buffer_printf(b, ",");
        emb_buffer_json(b, m->prompts[i].name);
        emb_buffer_printf(b, ":");
        emb_buffer_json(b, m->prompts[i].text);
    }
    emb_buffer_printf(b, "}");
    member(b, "default_prompt_name", m->default_prompt_name);
    member(b, "similarity", similarity_name(m->similarity));
    if (m->truncate_dim) emb_buffer_printf(b, ",\"truncate_dim\":%lld", (long long)m->truncate_dim);
}

bool emb_model_describe(embed_model *m)
{
    emb_buffer *b = &m->description;
    const emb_encoder *e = emb_model_tower(m);
    emb_buffer_printf(b, "{\"family\":");
    if (e->arch.model_type) emb_buffer_json(b, e->arch.model_type);
    else emb_buffer_printf(b, "null");
    emb_buffer_printf(b, ",\"takes\":[%s%s%s]", m->text.arch.hidden_size ? "\"texts\"" : "",
                      m->text.arch.hidden_size && m->image.arch.hidden_size ? "," : "",
                      m->image.arch.hidden_size ? "\"images\"" : "");
    if (e->arch.hidden_size) describe_sizes(b, &e->arch);
    if (e != &m->image && m->image.arch.hidden_size) {
        emb_buffer_printf(b, ",\"image_tower\":{\"family\":");
        emb_buffer_json(b, m->image.arch.model_type);
        describe_sizes(b, &m->image.arch);
        emb_buffer_printf(b, "}");
    }
    emb_buffer_printf(b, ",\"pooler\":%s,\"image\":", e->has_pooler ? "true" : "false");
    if (m->has_processor) emb_image_processor_describe(&m->processor, b);
    else emb_buffer_printf(b, "null");
    emb_buffer_printf(b, ",\"tokenizer\":");
    if (m->tokenizer) emb_tokenizer_describe(m->tokenizer, b);
    else emb_buffer_printf(b, "null");
    if (m->max_length) {
        emb_buffer_printf(b, ",\"max_length\":%lld", (long long)m->max_length);
        member(b, "max_length_from", m->max_length_from);
    }
    describe_modules(b, &m->modules);
    member(b, "isa", m->kernels->name);
    member(b, "gemm", emb_gemm_name(m->gemm));
    member(b, "weights", emb_weights_kind_name(m->weights_kind));
    member(b, "compute", m->compute == EMBED_COMPUTE_BF16 ? "bf16" : "f32");
    describe_file(b, m);
    emb_buffer_printf(b, ",\"parameters\":%lld,\"weight_bytes\":%zu,\"warnings\":[",
                      (long long)m->parameters, emb_model_weight_bytes(m));
    for (int64_t i = 0; i < m->warning_count; i++) {
        if (i) emb_buffer_printf(b, ",");
        emb_buffer_json(b, m->warnings[i]);
    }
    emb_buffer_printf(b, "]}");
    return !b->failed;
}
