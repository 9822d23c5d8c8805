/* ELECTRA: transformers' models/electra/modeling_electra.py, ElectraModel. BERT's layers;
 * embeddings of their own size, projected to hidden_size after their norm where the two differ; no
 * pooler. */
#include "models.h"

static const emb_names names = {
    .prefix = "electra.",
    .word_embeddings = "embeddings.word_embeddings.weight",
    .position_embeddings = "embeddings.position_embeddings.weight",
    .token_type_embeddings = "embeddings.token_type_embeddings.weight",
    .embeddings_norm = "embeddings.LayerNorm",
    .embeddings_project = "embeddings_project",
    .query = "encoder.layer.%d.attention.self.query",
    .key = "encoder.layer.%d.attention.self.key",
    .value = "encoder.layer.%d.attention.self.value",
    .attention_output = "encoder.layer.%d.attention.output.dense",
    .attention_norm = "encoder.layer.%d.attention.output.LayerNorm",
    .intermediate = "encoder.layer.%d.intermediate.dense",
    .output = "encoder.layer.%d.output.dense",
    .output_norm = "encoder.layer.%d.output.LayerNorm",
    .classifier = "classifier.out_proj",
    .classifier_dense = "classifier.dense",
    .tied_embeddings = "generator_lm_head.weight",
};

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    emb_config_only_string(c, "position_embedding_type", "absolute");
    a->classifier_act = EMB_ACT_GELU;
    a->vocab_size = emb_config_size(c, "vocab_size", 30522);
    a->embedding_size = emb_config_size(c, "embedding_size", 128);
    a->hidden_size = emb_config_size(c, "hidden_size", 256);
    a->num_hidden_layers = emb_config_size(c, "num_hidden_layers", 12);
    a->num_attention_heads = emb_config_size(c, "num_attention_heads", 4);
    a->intermediate_size = emb_config_size(c, "intermediate_size", 1024);
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 512);
    a->type_vocab_size = emb_config_size(c, "type_vocab_size", 2);
    a->hidden_act = emb_config_activation(c, "hidden_act", "gelu");
    a->layer_norm_eps = emb_config_float(c, "layer_norm_eps", 1e-12);
}

const emb_family emb_family_electra = {"electra", describe, NULL};
