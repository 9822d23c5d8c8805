/* ModernBERT: transformers' models/modernbert/modeling_modernbert.py, ModernBertModel. Norms before the
 * blocks (none before the first attention, since the embeddings have one) and without bias, rotary
 * positions, a gated MLP; two layers in three see only the tokens near them. */
#include "models.h"

#define LAYER "layers.%d."

static const emb_names names = {
    .prefix = "model.",
    .word_embeddings = "embeddings.tok_embeddings.weight",
    .tied_embeddings = "decoder.weight",
    .embeddings_norm = "embeddings.norm",
    .query = LAYER "attn.Wqkv",
    .key = LAYER "attn.Wqkv",
    .value = LAYER "attn.Wqkv",
    .attention_output = LAYER "attn.Wo",
    .attention_norm = LAYER "attn_norm",
    .gate = LAYER "mlp.Wi",
    .intermediate = LAYER "mlp.Wi",
    .output = LAYER "mlp.Wo",
    .output_norm = LAYER "mlp_norm",
    .final_norm = "final_norm",
    .classifier = "classifier",
    .classifier_dense = "head.dense",
    .classifier_norm = "head.norm",
};

/* The head of a cross-encoder. */
static void describe_classifier(emb_config *c, emb_architecture *a)
{
    const char *pooling = emb_config_string(c, "classifier_pooling", "cls");
    a->pooler = strcmp(pooling, "mean") == 0 ? EMB_POOLER_PATCHES : EMB_POOLER_CLS;
    if (a->pooler == EMB_POOLER_CLS) emb_config_only_string(c, "classifier_pooling", "cls");
    a->classifier_act = emb_config_activation(c, "classifier_activation", "gelu");
    if (!emb_config_bool(c, "classifier_bias", false)) a->no_bias |= EMB_NO_BIAS_CLASSIFIER_DENSE;
}

static void describe_layers(emb_config *c, emb_architecture *a)
{
    emb_layer_positions *full = &a->positions[EMB_FULL_ATTENTION];
    emb_layer_positions *sliding = &a->positions[EMB_SLIDING_ATTENTION];
    int64_t period = emb_config_size(c, "global_attn_every_n_layers", 3);
    emb_config_layer_types(c, a, period, 0);
    emb_config_rope(c, "full_attention", true, "global_rope_theta", 160000, &full->rope);
    emb_config_rope(c, "sliding_attention", true, "local_rope_theta", 10000, &sliding->rope);
    sliding->window = emb_config_size(c, "local_attention", 128) / 2 + 1; /* its half on either side */
    a->pre_norm = a->no_first_norm = a->normed_states = true;
    if (!emb_config_bool(c, "attention_bias", false))
        a->no_bias |= EMB_NO_BIAS_QKV | EMB_NO_BIAS_ATTENTION_OUTPUT;
    if (!emb_config_bool(c, "mlp_bias", false)) a->no_bias |= EMB_NO_BIAS_MLP;
    if (!emb_config_bool(c, "norm_bias", false)) a->norm = EMB_LAYER_NORM_UNBIASED;
}

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    a->intermediate_size = 1152;
    a->num_hidden_layers = 22;
    emb_config_layers(c, a);
    a->hidden_act = emb_config_activation(c, "hidden_activation", "gelu");
    a->layer_norm_eps = emb_config_float(c, "norm_eps", 1e-5);
    a->vocab_size = emb_config_size(c, "vocab_size", 50368);
    a->embedding_size = a->hidden_size;
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 8192);
    describe_layers(c, a);
    describe_classifier(c, a);
}

const emb_family emb_family_modernbert = {"modernbert", describe, NULL};
