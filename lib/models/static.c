/* Static embeddings: a text is the mean of its tokens' rows of a table, which no layer changes.
 * Two kinds of directory hold them: that of sentence-transformers' StaticEmbedding, which
 * modules.json names and which has no config.json, and that of model2vec (its model.py,
 * StaticModel). Of one that is both, modules.json decides. */
#include <stdio.h>

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

/* The shape of a tensor: as it stands, or by the list of a single-file model, where it may be longer. */
static bool read_shape(const emb_weights *w, const emb_json *shapes, const emb_tensor *t, int32_t rank,
                       int64_t shape[2])
{
    char name[256];
    const char *folder = emb_weights_folder(w);
    snprintf(name, sizeof name, "%s%s%s", folder, *folder ? "/" : "", t->name);
    const emb_json *size = emb_json_first(emb_json_get(shapes, name));
    for (int32_t i = 0; i < rank; i++, size = emb_json_next_sibling(size)) {
        shape[i] = t->shape[i];
        if (shapes ? !emb_json_to_int(size, &shape[i]) : t->rank != rank) return false;
        if (shape[i] < 1 || shape[i] > EMB_SIZE_MAX) return false;
    }
    return true;
}

static int32_t find(const emb_weights *w, const emb_json *shapes, const char *name, int32_t rank,
                    int64_t shape[2], embed_error *error)
{
    const emb_tensor *t = emb_weights_find(w, name);
    if (!t)
        return emb_fail(error, EMBED_ETENSOR, "%s: tensor \"%s\": expected a table, found no such tensor",
                        emb_weights_name(w), name);
    if (read_shape(w, shapes, t, rank, shape)) return EMBED_OK;
    return emb_fail(error, EMBED_ETENSOR, "%s: tensor \"%s\": expected %d dimensions, found shape %s",
                    t->file, t->name, (int)rank, emb_shape_of(t->shape, t->rank).text);
}

int32_t emb_static_measure(emb_architecture *a, const emb_weights *w, const emb_json *shapes,
                           embed_error *error)
{
    int64_t table[2], rows[2];
    if (emb_weights_find(w, "embedding.weight")) {
        a->names.word_embeddings = "embedding.weight";
    } else {
        if (emb_weights_find(w, "mapping")) a->names.word_rows = "mapping";
        if (emb_weights_find(w, "weights")) a->names.word_weights = "weights";
    }
    int32_t status = find(w, shapes, a->names.word_embeddings, 2, table, error);
    rows[0] = table[0];
    if (status == EMBED_OK && a->names.word_rows)
        status = find(w, shapes, a->names.word_rows, 1, rows, error);
    if (status < 0) return status;
    a->table_rows = table[0];
    a->vocab_size = rows[0];
    a->hidden_size = a->embedding_size = a->head_dim = table[1];
    return EMBED_OK;
}

const emb_family emb_family_model2vec = {"model2vec", describe, NULL};
