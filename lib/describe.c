/* The recipe in use, as a JSON object: what `embed info` shows. */
#include "model.h"

static const char *pooling_name(int32_t pooling)
{
    static const char *const names[] = {"default",  "cls",      "mean",   "max",     "last",
                                        "weighted", "sqrt_len", "pooler", "mean_all"};
    return names[pooling];
}

static const char *similarity_name(int32_t similarity)
{
    static const char *const names[] = {"", "cosine", "dot", "euclidean", "manhattan"};
    return names[similarity];
}

static void member(emb_buffer *b, const char *key, const char *text)
{
    emb_buffer_printf(b, ",\"%s\":", key);
    if (text) emb_buffer_json(b, text);
    else emb_buffer_printf(b, "null");
}

static void describe_architecture(emb_buffer *b, const emb_architecture *a)
{
    const struct {
        const char *key;
        int64_t value;
    } sizes[] = {
        {"hidden_size", a->hidden_size},
        {"num_hidden_layers", a->num_hidden_layers},
        {"num_attention_heads", a->num_attention_heads},
        {"intermediate_size", a->intermediate_size},
        {"embedding_size", a->embedding_size},
        {"vocab_size", a->vocab_size},
        {"max_position_embeddings", a->max_position_embeddings},
        {"type_vocab_size", a->type_vocab_size},
    };
    emb_buffer_printf(b, "\"family\":\"%s\"", a->model_type);
    for (int64_t i = 0; i < EMB_COUNT(sizes); i++)
        emb_buffer_printf(b, ",\"%s\":%lld", sizes[i].key, (long long)sizes[i].value);
    emb_buffer_printf(b, ",\"hidden_act\":\"%s\",\"layer_norm_eps\":%g",
                      emb_activation_name(a->hidden_act), a->layer_norm_eps);
}

static void describe_modules(emb_buffer *b, const emb_modules *m)
{
    emb_buffer_printf(b, ",\"pooling\":{\"modes\":[");
    for (int64_t i = 0; i < m->pooling_count; i++)
        emb_buffer_printf(b, "%s\"%s\"", i ? "," : "", pooling_name(m->pooling[i]));
    emb_buffer_printf(b, "],\"include_prompt\":%s", m->include_prompt ? "true" : "false");
    member(b, "source", m->present ? "modules.json" : "no modules.json: the [CLS] vector");
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
    emb_buffer_printf(b, "{");
    describe_architecture(b, &m->encoder.arch);
    emb_buffer_printf(
        b, ",\"pooler\":%s,\"tokenizer\":", emb_encoder_has_pooler(&m->encoder) ? "true" : "false");
    if (m->tokenizer) emb_tokenizer_describe(m->tokenizer, b);
    else emb_buffer_printf(b, "null");
    emb_buffer_printf(b, ",\"max_length\":%lld", (long long)m->max_length);
    member(b, "max_length_from", m->max_length_from);
    describe_modules(b, &m->modules);
    member(b, "isa", m->kernels->name);
    member(b, "gemm", emb_gemm_name(m->gemm));
    emb_buffer_printf(b, ",\"parameters\":%lld,\"weight_bytes\":%zu,\"warnings\":[",
                      (long long)m->encoder.parameters, m->encoder.weight_bytes + m->module_bytes);
    for (int64_t i = 0; i < m->warning_count; i++) {
        if (i) emb_buffer_printf(b, ",");
        emb_buffer_json(b, m->warnings[i]);
    }
    emb_buffer_printf(b, "]}");
    return !b->failed;
}
