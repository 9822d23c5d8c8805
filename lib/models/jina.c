/* JinaBERT v2: the code of jinaai/jina-bert-implementation (English and other languages), and of
 * jinaai/jina-bert-v2-qk-post-norm (programs). BERT's layers with ALiBi in place of positions
 * and gated MLPs; the model of programs has norms of whole queries and keys, and adds a layer's
 * input twice. transformers has no class for it: what stands here is held against
 * tests/parity/reference_jina.py. */
#include "models.h"

#define LAYER "encoder.layer.%d."

static const emb_names names = {
    .prefix = "bert.",
    .word_embeddings = "embeddings.word_embeddings.weight",
    .token_type_embeddings = "embeddings.token_type_embeddings.weight",
    .embeddings_norm = "embeddings.LayerNorm",
    .query = LAYER "attention.self.query",
    .key = LAYER "attention.self.key",
    .value = LAYER "attention.self.value",
    .attention_output = LAYER "attention.output.dense",
    .attention_norm = LAYER "attention.output.LayerNorm",
    .pooler = "pooler.dense",
    .classifier = "classifier",
    .tied_embeddings = "cls.predictions.decoder.weight",
};

static const struct {
    const char *name;
    emb_activation act;
} gates[] = {{"geglu", EMB_ACT_GELU}, {"reglu", EMB_ACT_RELU}};

/* What lets through the other half of the MLP; none: "original". */
static bool read_gate(emb_config *c, emb_architecture *a, const char *fallback)
{
    const char *type = emb_config_string(c, "feed_forward_type", fallback);
    for (int64_t i = 0; i < EMB_COUNT(gates); i++)
        if (strcmp(type, gates[i].name) == 0) {
            a->hidden_act = gates[i].act;
            a->no_bias = EMB_NO_BIAS_INTERMEDIATE;
            return true;
        }
    if (strcmp(type, "original") != 0 && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: feed_forward_type: expected geglu, reglu or original, found \"%s\"",
                             c->file, emb_excerpt_of(type, strlen(type)).text);
    return false;
}

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    emb_config_only_string(c, "position_embedding_type", "alibi");
    a->layer_norm_eps = 1e-12;
    emb_config_layers(c, a);
    a->vocab_size = emb_config_size(c, "vocab_size", 30522);
    a->embedding_size = a->hidden_size;
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 512);
    a->type_vocab_size = emb_config_size(c, "type_vocab_size", 2);
    a->relative.kind = EMB_RELATIVE_SLOPES;
    a->pooler = EMB_POOLER_CLS;
    a->pooler_act = EMB_ACT_TANH;
    a->pooler_size = a->hidden_size;
}

static void describe_english(emb_config *c, emb_architecture *a)
{
    describe(c, a);
    bool gated = read_gate(c, a, "original");
    if (gated) a->names.gate = LAYER "mlp.gated_layers";
    a->names.intermediate = gated ? a->names.gate : LAYER "intermediate.dense";
    a->names.output = gated ? LAYER "mlp.wo" : LAYER "output.dense";
    a->names.output_norm = gated ? LAYER "mlp.layernorm" : LAYER "output.LayerNorm";
}

static void describe_code(emb_config *c, emb_architecture *a)
{
    describe(c, a);
    if (!read_gate(c, a, "geglu") && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: feed_forward_type: expected geglu or reglu, found \"original\"",
                             c->file);
    a->gate_last = true;
    a->norm_whole = true;
    a->names.query_norm = LAYER "attention.self.layer_norm_q";
    a->names.key_norm = LAYER "attention.self.layer_norm_k";
    a->names.attention_post_norm = a->names.attention_norm;
    a->names.attention_norm = LAYER "layer_norm_1";
    a->names.gate = a->names.intermediate = LAYER "mlp.up_gated_layer";
    a->names.output = LAYER "mlp.down_layer";
    a->names.output_norm = LAYER "layer_norm_2";
}

const emb_family emb_family_jina_bert = {"bert", describe_english, NULL};
const emb_family emb_family_jina_bert_code = {"bert", describe_code, NULL};
