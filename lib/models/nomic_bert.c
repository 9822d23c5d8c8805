/* NomicBERT: transformers' models/nomic_bert/modeling_nomic_bert.py, NomicBertModel, and the code on the hub
 * that v1 and v1.5 came with, whose config.json has GPT-2's keys. BERT's layers without biases, with rotary
 * positions and a gated MLP. */
#include "models.h"

#define LAYER "encoder.layers.%d."

static const emb_names names = {
    .prefix = "nomic_bert.",
    .word_embeddings = "embeddings.word_embeddings.weight",
    .token_type_embeddings = "embeddings.token_type_embeddings.weight",
    .tied_embeddings = "cls.predictions.decoder.weight",
    .embeddings_norm = "emb_ln",
    .query = LAYER "attn.Wqkv",
    .key = LAYER "attn.Wqkv",
    .value = LAYER "attn.Wqkv",
    .attention_output = LAYER "attn.out_proj",
    .attention_norm = LAYER "norm1",
    .gate = LAYER "mlp.fc12",
    .intermediate = LAYER "mlp.fc11",
    .output = LAYER "mlp.fc2",
    .output_norm = LAYER "norm2",
    .pooler = "pooler.dense",
    .classifier = "classifier",
};

static const emb_names other_names = { /* transformers' own; the prefix is that of the hub's code */
    EMB_GATED_ENCODER_NAMES,
    .prefix = "bert.",
    .embeddings_norm = "embeddings.LayerNorm",
};

/* What the hub's code has beside the defaults. */
static void refuse_hub_switches(emb_config *c)
{
    static const char *const off[] = {"rotary_emb_interleaved", "use_rms_norm", "parallel_block",
                                      "prenorm", "causal"};
    for (int64_t i = 0; i < EMB_COUNT(off); i++) emb_config_only_false(c, off[i]);
    emb_config_only_null(c, "rotary_emb_scale_base");
    if (emb_config_float(c, "rotary_emb_fraction", 1) != 1 && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: rotary_emb_fraction: expected 1, which is all that is implemented",
                             c->file);
    if (emb_config_int(c, "moe_every_n_layers", 0, 0, EMB_SIZE_MAX) && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: moe_every_n_layers: expected 0: a mixture of experts is not "
                             "implemented", c->file);
}

/* The hub's activations of gated MLPs; any other is that of BERT's MLP. */
static void describe_hub_mlp(emb_config *c, emb_architecture *a)
{
    static const struct {
        const char *name;
        emb_activation act;
    } gates[] = {
        {"swiglu", EMB_ACT_SILU}, {"geglu", EMB_ACT_GELU}, {"glu", EMB_ACT_SIGMOID}};
    const char *name = emb_config_string(c, "activation_function", "swiglu");
    for (int64_t i = 0; i < EMB_COUNT(gates); i++)
        if (strcmp(name, gates[i].name) == 0) {
            a->hidden_act = gates[i].act;
            return;
        }
    a->hidden_act = emb_config_activation(c, "activation_function", "swiglu");
    a->names.gate = NULL;
    a->names.intermediate = LAYER "mlp.fc1";
}

static void describe_hub_rope(emb_config *c, emb_rope *rope)
{
    rope->theta = emb_config_theta(c, "rotary_emb_base", 10000);
    rope->factor = emb_config_float(c, "rotary_scaling_factor", 0);
    rope->trained = emb_config_size(c, "max_trained_positions", 2048);
    if (rope->factor > 0) rope->scaling = EMB_ROPE_DYNAMIC;
    if (rope->factor != 0 && !(rope->factor >= 1 && rope->factor <= 1e6) && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EFORMAT,
                             "%s: rotary_scaling_factor: expected a number from 1 to 1e6, found %g",
                             c->file, rope->factor);
}

static void describe_hub(emb_config *c, emb_architecture *a)
{
    const struct {
        const char *key;
        uint32_t missing;
    } biases[] = {
        {"qkv_proj_bias", EMB_NO_BIAS_QKV | EMB_NO_BIAS_ATTENTION_OUTPUT},
        {"mlp_fc1_bias", EMB_NO_BIAS_INTERMEDIATE},
        {"mlp_fc2_bias", EMB_NO_BIAS_OUTPUT},
    };
    refuse_hub_switches(c);
    a->hidden_size = emb_config_size(c, "n_embd", 768);
    a->num_hidden_layers = emb_config_size(c, "n_layer", 12);
    a->num_attention_heads = emb_config_size(c, "n_head", 12);
    a->intermediate_size = emb_config_size(c, "n_inner", EMB_MIN(4 * a->hidden_size, EMB_SIZE_MAX));
    a->layer_norm_eps = emb_config_float(c, "layer_norm_epsilon", 1e-5);
    a->max_position_embeddings = emb_config_size(c, "n_positions", 1024);
    for (int64_t i = 0; i < EMB_COUNT(biases); i++)
        if (!emb_config_bool(c, biases[i].key, true)) a->no_bias |= biases[i].missing;
    describe_hub_mlp(c, a);
    describe_hub_rope(c, &a->positions[EMB_FULL_ATTENTION].rope);
    int64_t multiple = emb_config_size(c, "pad_vocab_size_multiple", 1);
    a->vocab_size = emb_config_size(c, "vocab_size", 50257);
    a->vocab_size = (a->vocab_size + multiple - 1) / multiple * multiple;
    a->type_vocab_size = emb_config_int(c, "type_vocab_size", 2, 0, EMB_SIZE_MAX);
}

static void describe_native(emb_config *c, emb_architecture *a)
{
    a->layer_norm_eps = 1e-12;
    a->hidden_act = EMB_ACT_SILU;
    emb_config_layers(c, a);
    a->head_dim = emb_config_int(c, "head_dim", 0, 0, EMB_SIZE_MAX);
    a->no_bias = EMB_NO_BIAS_LAYER;
    a->vocab_size = emb_config_size(c, "vocab_size", 30528);
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 2048);
    a->type_vocab_size = emb_config_size(c, "type_vocab_size", 2);
    emb_config_rope(c, NULL, true, "rope_theta", 1000, &a->positions[EMB_FULL_ATTENTION].rope);
}

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    a->other_names = &other_names;
    (emb_json_get(c->root, "n_embd") ? describe_hub : describe_native)(c, a);
    a->embedding_size = a->hidden_size;
    a->pooler = EMB_POOLER_CLS;
    a->pooler_act = EMB_ACT_TANH;
    a->pooler_size = a->hidden_size;
}

const emb_family emb_family_nomic_bert = {"nomic_bert", describe, NULL};
