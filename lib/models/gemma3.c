/* Gemma 3's text model: transformers' models/gemma3/modeling_gemma3.py, Gemma3TextModel, and with it
 * EmbeddingGemma, where every token sees every other. Norms before and after each block, whose weights are
 * stored less one; embeddings are scaled; five layers in six see only the tokens near them. */
#include "models.h"

#include <math.h>

static const emb_names names = {
    EMB_DECODER_NAMES,
    .attention_post_norm = "layers.%d.post_attention_layernorm",
    .output_norm = "layers.%d.pre_feedforward_layernorm",
    .output_post_norm = "layers.%d.post_feedforward_layernorm",
};

static void describe_attention(emb_config *c, emb_architecture *a)
{
    emb_layer_positions *full = &a->positions[EMB_FULL_ATTENTION];
    emb_layer_positions *sliding = &a->positions[EMB_SLIDING_ATTENTION];
    int64_t window = emb_config_size(c, "sliding_window", 4096);
    a->causal = !emb_config_bool(c, "use_bidirectional_attention", false);
    sliding->window = a->causal ? window : window / 2 + 1;
    emb_config_layer_types(c, a, emb_config_size(c, "sliding_window_pattern", 6), 1);
    emb_config_rope(c, "full_attention", true, "rope_theta", 1e6, &full->rope);
    emb_config_rope(c, "sliding_attention", false, "rope_local_base_freq", 10000, &sliding->rope);
    a->attention_scale = 1 / sqrt((double)emb_config_size(c, "query_pre_attn_scalar", 256));
    emb_config_only_null(c, "attn_logit_softcapping");
}

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    a->hidden_size = 2304;
    a->num_hidden_layers = 26;
    a->num_attention_heads = 8;
    a->intermediate_size = 9216;
    emb_config_layers(c, a);
    a->hidden_act = emb_config_activation(c, "hidden_activation", "gelu_pytorch_tanh");
    a->num_key_value_heads = emb_config_size(c, "num_key_value_heads", 4);
    a->head_dim = emb_config_size(c, "head_dim", 256);
    a->norm = EMB_RMS_NORM_OFFSET;
    a->layer_norm_eps = emb_config_float(c, "rms_norm_eps", 1e-6);
    a->vocab_size = emb_config_size(c, "vocab_size", 262208);
    a->embedding_size = a->hidden_size;
    a->embedding_scale = sqrt((double)a->hidden_size);
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 131072);
    a->pre_norm = a->normed_states = true;
    a->no_bias = emb_config_bool(c, "attention_bias", false) ? EMB_NO_BIAS_MLP : EMB_NO_BIAS_LAYER;
    describe_attention(c, a);
    emb_config_score(c, a, 0);
}

const emb_family emb_family_gemma3_text = {"gemma3_text", describe, NULL};
