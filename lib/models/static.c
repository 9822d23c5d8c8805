/* Static embeddings: a text is the mean of its tokens' rows of a table, which no layer changes.
 * Two kinds of directory hold them: that of sentence-transformers' StaticEmbedding, which
 * modules.json names and which has no config.json, and that of model2vec (its model.py,
 * StaticModel). Of one that is both, modules.json decides. */
#include "models.h"

enum { LONGEST = 32768, MODEL2VEC_LONGEST = 512 }; /* tokens of a text; by default */

void emb_static_describe(emb_architecture *a)
{
    a->model_type = "static";
    a->static_kind = EMB_STATIC_SENTENCE_TRANSFORMERS;
    a->max_position_embeddings = LONGEST;
    a->num_attention_heads = 1;
    a->names = (emb_names){.prefix = "", .word_embeddings = "embeddings"};
}

static void describe(emb_config *c, emb_architecture *a)
{
    const emb_json *length = emb_json_get(c->root, "max_length");
    emb_static_describe(a);
    a->model_type = "model2vec";
    a->static_kind = EMB_STATIC_MODEL2VEC;
    a->hidden_size = 1; /* until emb_measure */
    a->static_length = emb_config_size(c, "max_length", MODEL2VEC_LONGEST);
    if (length && emb_json_is(length, EMB_JSON_NULL)) a->static_length = LONGEST;
    a->static_normalize = emb_config_bool(c, "normalize", false);
}

const emb_family emb_family_model2vec = {"model2vec", describe, NULL};
