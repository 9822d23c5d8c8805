/* DistilBERT: transformers' models/distilbert/modeling_distilbert.py, DistilBertModel. BERT's
 * layers under other names; no token types, no pooler, and a LayerNorm epsilon that is not in the
 * config. */
#include "models.h"

static const emb_names names = {
    .prefix = "distilbert.",
    .word_embeddings = "embeddings.word_embeddings.weight",
    .position_embeddings = "embeddings.position_embeddings.weight",
    .embeddings_norm = "embeddings.LayerNorm",
    .query = "transformer.layer.%d.attention.q_lin",
    .key = "transformer.layer.%d.attention.k_lin",
    .value = "transformer.layer.%d.attention.v_lin",
    .attention_output = "transformer.layer.%d.attention.out_lin",
    .attention_norm = "transformer.layer.%d.sa_layer_norm",
    .intermediate = "transformer.layer.%d.ffn.lin1",
    .output = "transformer.layer.%d.ffn.lin2",
    .output_norm = "transformer.layer.%d.output_layer_norm",
    .classifier = "classifier",
    .classifier_dense = "pre_classifier",
    .tied_embeddings = "vocab_projector.weight",
};

/* transformers' attribute_map: the common name wins where both are given. */
static int64_t aliased_size(emb_config *c, const char *key, const char *common, int64_t fallback)
{
    return emb_config_size(c, common, emb_config_size(c, key, fallback));
}

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    a->vocab_size = emb_config_size(c, "vocab_size", 30522);
    a->hidden_size = aliased_size(c, "dim", "hidden_size", 768);
    a->embedding_size = a->hidden_size;
    a->num_hidden_layers = aliased_size(c, "n_layers", "num_hidden_layers", 6);
    a->num_attention_heads = aliased_size(c, "n_heads", "num_attention_heads", 12);
    a->intermediate_size = emb_config_size(c, "hidden_dim", 3072);
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 512);
    a->hidden_act = emb_config_activation(c, "activation", "gelu");
    a->classifier_act = EMB_ACT_RELU;
    a->layer_norm_eps = 1e-12; /* nn.LayerNorm(eps=1e-12) in the code */
}

const emb_family emb_family_distilbert = {"distilbert", describe, NULL};
