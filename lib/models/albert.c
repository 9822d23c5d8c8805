/* ALBERT: transformers' models/albert/modeling_albert.py, AlbertModel. BERT's layers, of which groups are
 * used over and over; embeddings of their own size, always projected. */
#include "models.h"

#define LAYER "encoder.albert_layer_groups.%d.albert_layers.%d."

static const emb_names names = {
    .prefix = "albert.",
    .word_embeddings = "embeddings.word_embeddings.weight",
    .position_embeddings = "embeddings.position_embeddings.weight",
    .token_type_embeddings = "embeddings.token_type_embeddings.weight",
    .embeddings_norm = "embeddings.LayerNorm",
    .embeddings_project = "encoder.embedding_hidden_mapping_in",
    .query = LAYER "attention.query",
    .key = LAYER "attention.key",
    .value = LAYER "attention.value",
    .attention_output = LAYER "attention.dense",
    .attention_norm = LAYER "attention.LayerNorm",
    .intermediate = LAYER "ffn",
    .output = LAYER "ffn_output",
    .output_norm = LAYER "full_layer_layer_norm",
    .pooler = "pooler",
    .classifier = "classifier",
    .tied_embeddings = "predictions.decoder.weight",
};

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    emb_config_only_string(c, "position_embedding_type", "absolute");
    a->hidden_size = 4096;
    a->num_attention_heads = 64;
    a->intermediate_size = 16384;
    a->hidden_act = EMB_ACT_GELU_TANH;
    a->layer_norm_eps = 1e-12;
    emb_config_layers(c, a);
    a->vocab_size = emb_config_size(c, "vocab_size", 30000);
    a->embedding_size = emb_config_size(c, "embedding_size", 128);
    a->always_project = true;
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 512);
    a->type_vocab_size = emb_config_size(c, "type_vocab_size", 2);
    a->layer_groups = emb_config_int(c, "num_hidden_groups", 1, 1, a->num_hidden_layers);
    a->group_layers = emb_config_int(c, "inner_group_num", 1, 1, EMB_MAX_LAYERS);
    a->num_hidden_layers *= a->group_layers;
    a->pooler = EMB_POOLER_CLS;
    a->pooler_act = EMB_ACT_TANH;
    a->pooler_size = a->hidden_size;
}

const emb_family emb_family_albert = {"albert", describe, NULL};
