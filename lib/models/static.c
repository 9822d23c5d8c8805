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
    a->hidden_size = 1; /* until emb_static_measure */
    a->static_length = emb_config_size(c, "max_length", MODEL2VEC_LONGEST);
    if (length && emb_json_is(length, EMB_JSON_NULL)) a->static_length = LONGEST;
    a->static_normalize = emb_config_bool(c, "normalize", false);
}

static const emb_tensor *find(const emb_weights *w, const char *name, int32_t rank, embed_error *error)
{
    const emb_tensor *t = emb_weights_find(w, name);
    if (t && (t->rank != rank || t->shape[0] < 1 || t->shape[0] > EMB_SIZE_MAX ||
              t->shape[rank - 1] < 1 || t->shape[rank - 1] > EMB_SIZE_MAX)) {
        emb_fail(error, EMBED_ETENSOR, "%s: tensor \"%s\": expected %d dimensions, found shape %s",
                 t->file, t->name, (int)rank, emb_shape_of(t->shape, t->rank).text);
        return NULL;
    }
    if (!t)
        emb_fail(error, EMBED_ETENSOR, "%s: tensor \"%s\": expected a table, found no such tensor",
                 emb_weights_name(w), name);
    return t;
}

int32_t emb_static_measure(emb_architecture *a, const emb_weights *w, embed_error *error)
{
    if (emb_weights_find(w, "embedding.weight")) {
        a->names.word_embeddings = "embedding.weight";
    } else {
        if (emb_weights_find(w, "mapping")) a->names.word_rows = "mapping";
        if (emb_weights_find(w, "weights")) a->names.word_weights = "weights";
    }
    const emb_tensor *table = find(w, a->names.word_embeddings, 2, error);
    if (!table) return EMBED_ETENSOR;
    const emb_tensor *rows = a->names.word_rows ? find(w, a->names.word_rows, 1, error) : table;
    if (!rows) return EMBED_ETENSOR;
    a->table_rows = table->shape[0];
    a->vocab_size = rows->shape[0];
    a->hidden_size = a->embedding_size = a->head_dim = table->shape[1];
    return EMBED_OK;
}

const emb_family emb_family_model2vec = {"model2vec", describe, NULL};
