/* BERT: transformers' models/bert/modeling_bert.py, BertModel. MiniLM, BGE, GTE, E5 and most
 * sentence embedders of English are of this family. Post-norm layers, learned absolute positions,
 * token types. RoBERTa, XLM-RoBERTa and CamemBERT (models/roberta, xlm_roberta, camembert) are BERT with
 * positions that are counted from behind pad_token_id. */
#include "models.h"

static const emb_names names = {
    .prefix = "bert.",
    .word_embeddings = "embeddings.word_embeddings.weight",
    .position_embeddings = "embeddings.position_embeddings.weight",
    .token_type_embeddings = "embeddings.token_type_embeddings.weight",
    .embeddings_norm = "embeddings.LayerNorm",
    .query = "encoder.layer.%d.attention.self.query",
    .key = "encoder.layer.%d.attention.self.key",
    .value = "encoder.layer.%d.attention.self.value",
    .attention_output = "encoder.layer.%d.attention.output.dense",
    .attention_norm = "encoder.layer.%d.attention.output.LayerNorm",
    .intermediate = "encoder.layer.%d.intermediate.dense",
    .output = "encoder.layer.%d.output.dense",
    .output_norm = "encoder.layer.%d.output.LayerNorm",
    .pooler = "pooler.dense",
    .classifier = "classifier",
    .tied_embeddings = "cls.predictions.decoder.weight",
};

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    emb_config_only_string(c, "position_embedding_type", "absolute");
    a->vocab_size = emb_config_size(c, "vocab_size", 30522);
    a->hidden_size = emb_config_size(c, "hidden_size", 768);
    a->embedding_size = a->hidden_size;
    a->num_hidden_layers = emb_config_size(c, "num_hidden_layers", 12);
    a->num_attention_heads = emb_config_size(c, "num_attention_heads", 12);
    a->intermediate_size = emb_config_size(c, "intermediate_size", 3072);
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 512);
    a->type_vocab_size = emb_config_size(c, "type_vocab_size", 2);
    a->hidden_act = emb_config_activation(c, "hidden_act", "gelu");
    a->layer_norm_eps = emb_config_float(c, "layer_norm_eps", 1e-12);
    a->pooler = EMB_POOLER_CLS;
    a->pooler_act = EMB_ACT_TANH;
    a->pooler_size = a->hidden_size;
}

static void describe_roberta(emb_config *c, emb_architecture *a)
{
    describe(c, a);
    a->names.prefix = "roberta.";
    a->names.tied_embeddings = "lm_head.decoder.weight";
    a->names.classifier = "classifier.out_proj";
    a->names.classifier_dense = "classifier.dense";
    a->classifier_act = EMB_ACT_TANH;
    a->position_offset = emb_config_int(c, "pad_token_id", 1, 0, EMB_SIZE_MAX) + 1;
}

const emb_family emb_family_bert = {"bert", describe, NULL};
const emb_family emb_family_roberta = {"roberta", describe_roberta, NULL};
const emb_family emb_family_xlm_roberta = {"xlm-roberta", describe_roberta, NULL};
const emb_family emb_family_camembert = {"camembert", describe_roberta, NULL};
