/* MPNet: transformers' models/mpnet/modeling_mpnet.py, MPNetModel. BERT's layers without token types, and
 * with T5's relative positions, one table for all layers; positions are counted as RoBERTa counts
 * them. */
#include "models.h"

#define LAYER "encoder.layer.%d."

static const emb_names names = {
    .prefix = "mpnet.",
    .word_embeddings = "embeddings.word_embeddings.weight",
    .position_embeddings = "embeddings.position_embeddings.weight",
    .embeddings_norm = "embeddings.LayerNorm",
    .query = LAYER "attention.attn.q",
    .key = LAYER "attention.attn.k",
    .value = LAYER "attention.attn.v",
    .attention_output = LAYER "attention.attn.o",
    .attention_norm = LAYER "attention.LayerNorm",
    .relative_positions = "encoder.relative_attention_bias.weight",
    .intermediate = LAYER "intermediate.dense",
    .output = LAYER "output.dense",
    .output_norm = LAYER "output.LayerNorm",
    .pooler = "pooler.dense",
    .classifier = "classifier.out_proj",
    .classifier_dense = "classifier.dense",
    .tied_embeddings = "lm_head.decoder.weight",
};

static void describe(emb_config *c, emb_architecture *a)
{
    enum { BUCKETS = 32, REACH = 128, PADDING = 1 }; /* fixed in the code, whatever the config says */
    a->names = names;
    a->layer_norm_eps = 1e-12;
    emb_config_layers(c, a);
    a->vocab_size = emb_config_size(c, "vocab_size", 30527);
    a->embedding_size = a->hidden_size;
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 512);
    a->position_offset = PADDING + 1;
    a->relative.kind = EMB_RELATIVE_DISTANCES;
    a->relative.buckets = emb_config_size(c, "relative_attention_num_buckets", BUCKETS);
    a->relative.reach = REACH;
    if (a->relative.buckets != BUCKETS && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: relative_attention_num_buckets: expected %d, found %lld", c->file,
                             BUCKETS, (long long)a->relative.buckets);
    a->classifier_act = EMB_ACT_TANH;
    a->pooler = EMB_POOLER_CLS;
    a->pooler_act = EMB_ACT_TANH;
    a->pooler_size = a->hidden_size;
}

const emb_family emb_family_mpnet = {"mpnet", describe, NULL};
