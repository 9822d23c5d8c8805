/* GPT-2: transformers' models/gpt2/modeling_gpt2.py, GPT2Model. A decoder of pre-norm layers
 * with learned positions; its weights stand the other way round than a Linear's (Conv1D). */
#include "models.h"

#define LAYER "h.%d."

static const emb_names names = {
    .prefix = "transformer.",
    .word_embeddings = "wte.weight",
    .tied_embeddings = "lm_head.weight",
    .position_embeddings = "wpe.weight",
    .query = LAYER "attn.c_attn",
    .key = LAYER "attn.c_attn",
    .value = LAYER "attn.c_attn",
    .attention_output = LAYER "attn.c_proj",
    .attention_norm = LAYER "ln_1",
    .intermediate = LAYER "mlp.c_fc",
    .output = LAYER "mlp.c_proj",
    .output_norm = LAYER "ln_2",
    .final_norm = "ln_f",
};

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    a->vocab_size = emb_config_size(c, "vocab_size", 50257);
    a->hidden_size = a->embedding_size = emb_config_size(c, "n_embd", 768);
    a->num_hidden_layers = emb_config_size(c, "n_layer", 12);
    a->num_attention_heads = emb_config_size(c, "n_head", 12);
    a->intermediate_size = emb_config_size(c, "n_inner", EMB_MIN(4 * a->hidden_size, EMB_SIZE_MAX));
    a->max_position_embeddings = emb_config_size(c, "n_positions", 1024);
    a->hidden_act = emb_config_activation(c, "activation_function", "gelu_new");
    a->layer_norm_eps = emb_config_float(c, "layer_norm_epsilon", 1e-5);
    a->causal = a->pre_norm = a->normed_states = true;
    a->transposed = true;
    if (!emb_config_bool(c, "scale_attn_weights", true)) a->attention_scale = 1;
    a->scale_by_layer = emb_config_bool(c, "scale_attn_by_inverse_layer_idx", false);
    emb_config_score(c, a, -1);
}

const emb_family emb_family_gpt2 = {"gpt2", describe, NULL};
