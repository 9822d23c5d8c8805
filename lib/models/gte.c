/* GTE of version 1.5 and the multilingual one: transformers' models/gte/modeling_gte.py, GteModel, and the
 * code on the hub that they came with ("new"). BERT's layers with rotary positions and a gated MLP. */
#include "models.h"

#define LAYER "encoder.layer.%d."

static const emb_names names = {
    .prefix = "gte.",
    .word_embeddings = "embeddings.word_embeddings.weight",
    .token_type_embeddings = "embeddings.token_type_embeddings.weight",
    .tied_embeddings = "lm_head.decoder.weight",
    .embeddings_norm = "embeddings.LayerNorm",
    .query = LAYER "attention.qkv_proj",
    .key = LAYER "attention.qkv_proj",
    .value = LAYER "attention.qkv_proj",
    .attention_output = LAYER "attention.o_proj",
    .attention_norm = LAYER "attn_ln",
    .gate = LAYER "mlp.up_gate_proj",
    .intermediate = LAYER "mlp.up_gate_proj",
    .output = LAYER "mlp.down_proj",
    .output_norm = LAYER "mlp_ln",
    .pooler = "pooler.dense",
    .classifier = "classifier",
};

static const emb_names other_names = { /* transformers' own; the prefix is that of the hub's code */
    EMB_GATED_ENCODER_NAMES,
    .prefix = "new.",
};

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    a->other_names = &other_names;
    a->layer_norm_eps = 1e-12;
    emb_config_layers(c, a);
    a->vocab_size = emb_config_size(c, "vocab_size", 250048);
    a->embedding_size = a->hidden_size;
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 8192);
    a->type_vocab_size = emb_config_int(c, "type_vocab_size", 1, 0, EMB_SIZE_MAX);
    a->gate_last = true;
    a->no_bias = EMB_NO_BIAS_INTERMEDIATE;
    emb_config_only_string(c, "layer_norm_type", "layer_norm");
    emb_config_only_false(c, "logn_attention_scale");
    if (!emb_config_bool(c, "pack_qkv", true) && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: pack_qkv: expected true, which is all that is implemented", c->file);
    a->pooler = EMB_POOLER_CLS;
    a->pooler_act = EMB_ACT_TANH;
    a->pooler_size = a->hidden_size;
}

static void describe_gte(emb_config *c, emb_architecture *a)
{
    describe(c, a);
    emb_config_rope(c, NULL, true, "rope_theta", 160000, &a->positions[EMB_FULL_ATTENTION].rope);
}

static void describe_new(emb_config *c, emb_architecture *a)
{
    describe(c, a);
    a->vocab_size = emb_config_size(c, "vocab_size", 30528);
    if (strcmp(emb_config_string(c, "position_embedding_type", "rope"), "absolute") == 0) {
        a->names.position_embeddings = "embeddings.position_embeddings.weight";
        return;
    }
    emb_config_only_string(c, "position_embedding_type", "rope");
    emb_config_rope(c, NULL, true, "rope_theta", 10000, &a->positions[EMB_FULL_ATTENTION].rope);
}

const emb_family emb_family_gte = {"gte", describe_gte, NULL};
const emb_family emb_family_new = {"new", describe_new, NULL};
