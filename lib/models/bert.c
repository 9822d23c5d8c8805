/* BERT: transformers' models/bert/modeling_bert.py, BertModel. MiniLM, BGE, GTE, E5 and most
 * sentence embedders of English are of this family. Post-norm layers, learned absolute positions,
 * token types. ERNIE (models/ernie) may add a row for its task. RoBERTa, XLM-RoBERTa, CamemBERT and
 * Data2Vec's text model (models/roberta, xlm_roberta, camembert, data2vec) are BERT with positions that are counted
 * from behind pad_token_id; RoBERTa-PreLayerNorm and XLM-RoBERTa-XL (models/roberta_prelayernorm, xlm_roberta_xl)
 * are these with the norms before the blocks. */
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

/* What is in a already is the fallback of its key. */
static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    emb_config_only_string(c, "position_embedding_type", "absolute");
    if (!a->layer_norm_eps) a->layer_norm_eps = 1e-12;
    emb_config_layers(c, a);
    a->vocab_size = emb_config_size(c, "vocab_size", a->vocab_size ? a->vocab_size : 30522);
    a->embedding_size = a->hidden_size;
    a->max_position_embeddings = emb_config_size(
        c, "max_position_embeddings", a->max_position_embeddings ? a->max_position_embeddings : 512);
    a->type_vocab_size = emb_config_size(c, "type_vocab_size", a->type_vocab_size ? a->type_vocab_size : 2);
    a->pooler = EMB_POOLER_CLS;
    a->pooler_act = EMB_ACT_TANH;
    a->pooler_size = a->hidden_size;
}

static void describe_ernie(emb_config *c, emb_architecture *a)
{
    describe(c, a);
    a->names.prefix = "ernie.";
    if (!emb_config_bool(c, "use_task_id", false)) return;
    a->names.task_embeddings = "embeddings.task_type_embeddings.weight";
    a->task_vocab_size = emb_config_size(c, "task_type_vocab_size", 3);
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

static void describe_data2vec(emb_config *c, emb_architecture *a)
{
    describe_roberta(c, a);
    a->names.prefix = "data2vec_text.";
}

static void describe_prelayernorm(emb_config *c, emb_architecture *a)
{
    a->vocab_size = 50265;
    describe_roberta(c, a);
    a->names.prefix = "roberta_prelayernorm.";
    a->names.attention_norm = "encoder.layer.%d.attention.LayerNorm";
    a->names.output_norm = "encoder.layer.%d.intermediate.LayerNorm";
    a->names.final_norm = "LayerNorm";
    a->pre_norm = a->normed_states = true;
}

static void describe_xl(emb_config *c, emb_architecture *a)
{
    a->vocab_size = 250880;
    a->hidden_size = 2560;
    a->num_hidden_layers = 36;
    a->num_attention_heads = 32;
    a->intermediate_size = 10240;
    a->layer_norm_eps = 1e-5;
    a->max_position_embeddings = 514;
    a->type_vocab_size = 1;
    describe_roberta(c, a);
    a->names.embeddings_norm = NULL;
    a->names.attention_norm = "encoder.layer.%d.attention.self_attn_layer_norm";
    a->names.output_norm = "encoder.layer.%d.LayerNorm";
    a->names.final_norm = "encoder.LayerNorm";
    a->pre_norm = a->normed_states = true;
}

const emb_family emb_family_bert = {"bert", describe, NULL};
const emb_family emb_family_ernie = {"ernie", describe_ernie, NULL};
const emb_family emb_family_roberta = {"roberta", describe_roberta, NULL};
const emb_family emb_family_xlm_roberta = {"xlm-roberta", describe_roberta, NULL};
const emb_family emb_family_camembert = {"camembert", describe_roberta, NULL};
const emb_family emb_family_data2vec_text = {"data2vec-text", describe_data2vec, NULL};
const emb_family emb_family_roberta_prelayernorm = {"roberta-prelayernorm", describe_prelayernorm, NULL};
const emb_family emb_family_xlm_roberta_xl = {"xlm-roberta-xl", describe_xl, NULL};
