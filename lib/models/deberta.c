/* DeBERTa-v2 and v3: transformers' models/deberta_v2/modeling_deberta_v2.py, DebertaV2Model.
 * BERT's layers with disentangled attention: scores of a query with the embedding of a key's
 * distance, and of a key with that of its query's. The largest of v2 add a convolution of the
 * embeddings behind the first layer. */
#include <math.h>

#include "models.h"

#define LAYER "encoder.layer.%d."
#define SELF LAYER "attention.self."

enum { MAX_RELATIVE = 1 << 20, MAX_KERNEL = 63 };

static const emb_names names = {
    .prefix = "deberta.",
    .word_embeddings = "embeddings.word_embeddings.weight",
    .token_type_embeddings = "embeddings.token_type_embeddings.weight",
    .embeddings_norm = "embeddings.LayerNorm",
    .embeddings_project = "embeddings.embed_proj",
    .query = SELF "query_proj",
    .key = SELF "key_proj",
    .value = SELF "value_proj",
    .attention_output = LAYER "attention.output.dense",
    .attention_norm = LAYER "attention.output.LayerNorm",
    .intermediate = LAYER "intermediate.dense",
    .output = LAYER "output.dense",
    .output_norm = LAYER "output.LayerNorm",
    .classifier = "classifier",
    .classifier_dense = "pooler.dense",
    .tied_embeddings = "cls.predictions.decoder.weight",
};

static void refuse(emb_config *c, const char *key, const char *expected, const char *found)
{
    if (c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED, "%s: %s: expected %s, found \"%s\"",
                             c->file, key, expected, emb_excerpt_of(found, strlen(found)).text);
}

/* "|" stands between words, in any case and with any spaces around them. The next word of *text,
 * or false. */
static bool next_word(const char **text, char word[32])
{
    const char *from = *text + strspn(*text, " "), *end = from + strcspn(from, "|");
    size_t n = 0;
    if (!**text) return false;
    *text = *end ? end + 1 : end;
    while (end > from && end[-1] == ' ') end--;
    for (; from + n < end && n < 31; n++)
        word[n] = (char)(from[n] >= 'A' && from[n] <= 'Z' ? from[n] + 'a' - 'A' : from[n]);
    word[n] = '\0';
    return true;
}

/* One kind of scores that positions have a part in. */
static void add_kind(emb_config *c, const char *word, bool *c2p, bool *p2c)
{
    if (strcmp(word, "c2p") == 0) *c2p = true;
    else if (strcmp(word, "p2c") == 0) *p2c = true;
    else refuse(c, "pos_att_type", "c2p or p2c", word);
}

/* pos_att_type: "p2c|c2p", or a list of them. */
static void read_kinds(emb_config *c, bool *c2p, bool *p2c)
{
    const emb_json *v = emb_json_get(c->root, "pos_att_type");
    char word[32];
    if (emb_json_is(v, EMB_JSON_ARRAY)) {
        for (v = emb_json_first(v); v; v = emb_json_next_sibling(v))
            add_kind(c, emb_json_text(v) ? emb_json_text(v) : "", c2p, p2c);
        return;
    }
    const char *text = emb_config_string(c, "pos_att_type", "");
    while (next_word(&text, word)) add_kind(c, word, c2p, p2c);
}

static bool norms_positions(emb_config *c)
{
    const char *text = emb_config_string(c, "norm_rel_ebd", "none");
    bool norm = false;
    char word[32];
    while (next_word(&text, word))
        if (strcmp(word, "layer_norm") == 0) norm = true;
        else if (strcmp(word, "none") != 0) refuse(c, "norm_rel_ebd", "none or layer_norm", word);
    return norm;
}

static void describe_attention(emb_config *c, emb_architecture *a)
{
    bool relative = emb_config_bool(c, "relative_attention", false), c2p = false, p2c = false;
    bool norm = norms_positions(c), share = emb_config_bool(c, "share_att_key", false);
    int64_t dim = a->hidden_size / a->num_attention_heads;
    int64_t buckets = emb_config_int(c, "position_buckets", -1, -1, MAX_RELATIVE);
    int64_t farthest = emb_config_int(c, "max_relative_positions", -1, -EMB_SIZE_MAX, MAX_RELATIVE);
    read_kinds(c, &c2p, &p2c);
    a->attention_scale = 1 / sqrt((double)(dim * (1 + c2p + p2c))); /* be they relative or not */
    emb_config_int(c, "attention_head_size", dim, dim, dim);
    if (!relative || !(c2p || p2c)) return;

    if (farthest < 1) farthest = EMB_MIN(a->max_position_embeddings, MAX_RELATIVE);
    buckets = EMB_MAX(buckets, 0);
    if (c->status == EMBED_OK && buckets && (buckets % 2 || farthest - 1 <= buckets / 2))
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: position_buckets: expected an even number below 2 * "
                             "(max_relative_positions - 1) = %lld, found %lld", c->file,
                             (long long)(2 * (farthest - 1)), (long long)buckets);
    a->relative.kind = EMB_RELATIVE_DISENTANGLED;
    a->relative.buckets = buckets;
    a->relative.reach = farthest;
    a->names.relative_positions = "encoder.rel_embeddings.weight";
    if (norm) a->names.relative_norm = "encoder.LayerNorm";
    if (c2p) a->names.position_key = share ? names.key : SELF "pos_key_proj";
    if (p2c) a->names.position_query = share ? names.query : SELF "pos_query_proj";
}

static void describe_convolution(emb_config *c, emb_architecture *a)
{
    int64_t size = emb_config_int(c, "conv_kernel_size", 0, 0, MAX_KERNEL);
    if (!size) return;
    a->convolution = size;
    a->convolution_act = emb_config_activation(c, "conv_act", "tanh");
    a->names.convolution = "encoder.conv.conv";
    a->names.convolution_norm = "encoder.conv.LayerNorm";
    emb_config_int(c, "conv_groups", 1, 1, 1);
    if (size % 2 == 0 && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: conv_kernel_size: expected an odd number, found %lld", c->file,
                             (long long)size);
}

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    a->hidden_size = 1536;
    a->num_hidden_layers = 24;
    a->num_attention_heads = 24;
    a->intermediate_size = 6144;
    a->layer_norm_eps = 1e-7;
    emb_config_layers(c, a);
    a->vocab_size = emb_config_size(c, "vocab_size", 128100);
    a->embedding_size = emb_config_size(c, "embedding_size", a->hidden_size);
    a->project_first = true;
    a->no_bias = EMB_NO_BIAS_EMBEDDINGS;
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 512);
    if (emb_config_bool(c, "position_biased_input", true))
        a->names.position_embeddings = "embeddings.position_embeddings.weight";
    a->type_vocab_size = emb_config_int(c, "type_vocab_size", 0, 0, EMB_SIZE_MAX);
    describe_attention(c, a);
    describe_convolution(c, a);
    a->classifier_act = emb_config_activation(c, "pooler_hidden_act", "gelu");
    emb_config_int(c, "pooler_hidden_size", a->hidden_size, a->hidden_size, a->hidden_size);
}

const emb_family emb_family_deberta_v2 = {"deberta-v2", describe, NULL};
