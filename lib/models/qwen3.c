/* Qwen3: transformers' models/qwen3/modeling_qwen3.py, Qwen3Model, and with it Qwen3-Embedding. A decoder:
 * a token sees those before it. Heads have a size of their own, several share a key and a value; RMSNorm,
 * of each query and key too; rotary positions, a gated MLP. */
#include "models.h"

static const emb_names names = {
    EMB_DECODER_NAMES,
    .output_norm = "layers.%d.post_attention_layernorm",
};

/* All layers see everything before them, unless the config asks for windows in the last ones. */
static void describe_windows(emb_config *c, emb_architecture *a)
{
    emb_layer_positions *sliding = &a->positions[EMB_SLIDING_ATTENTION];
    int64_t first = emb_config_int(c, "max_window_layers", 28, 0, EMB_SIZE_MAX);
    emb_config_layer_types(c, a, 1, 0);
    *sliding = a->positions[EMB_FULL_ATTENTION];
    if (!emb_config_bool(c, "use_sliding_window", false)) return;
    sliding->window = emb_config_size(c, "sliding_window", 4096);
    if (emb_json_is(emb_json_get(c->root, "layer_types"), EMB_JSON_ARRAY)) return;
    for (int64_t i = first; i < EMB_MIN(a->num_hidden_layers, EMB_MAX_LAYERS); i++)
        a->sliding[i / 64] |= (uint64_t)1 << i % 64;
}

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    a->hidden_size = 4096;
    a->num_hidden_layers = a->num_attention_heads = 32;
    a->intermediate_size = 22016;
    a->hidden_act = EMB_ACT_SILU;
    emb_config_layers(c, a);
    a->num_key_value_heads = emb_config_size(c, "num_key_value_heads", 32);
    a->head_dim = emb_config_size(c, "head_dim", 128);
    a->norm = EMB_RMS_NORM;
    a->layer_norm_eps = emb_config_float(c, "rms_norm_eps", 1e-6);
    a->vocab_size = emb_config_size(c, "vocab_size", 151936);
    a->embedding_size = a->hidden_size;
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 32768);
    a->causal = a->pre_norm = a->normed_states = true;
    a->no_bias = emb_config_bool(c, "attention_bias", false) ? EMB_NO_BIAS_MLP : EMB_NO_BIAS_LAYER;
    emb_config_rope(c, NULL, true, "rope_theta", 10000, &a->positions[EMB_FULL_ATTENTION].rope);
    describe_windows(c, a);
    emb_config_score(c, a, -1);
}

const emb_family emb_family_qwen3 = {"qwen3", describe, NULL};
