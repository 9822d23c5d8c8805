/* Sizes that a config does not say: read off the tensors, or in a single-file model, where tensors lie in
 * panels, off its list of shapes. */
#include <stdio.h>

#include "models.h"

/* The shape of a tensor: as it stands, or by the list of a single-file model, where it may be longer. There a
 * matrix of one row is a vector. */
static bool read_shape(const emb_weights *w, const emb_json *shapes, const emb_tensor *t, int32_t rank,
                       int64_t shape[2])
{
    char name[256];
    const char *folder = emb_weights_folder(w);
    snprintf(name, sizeof name, "%s%s%s", folder, *folder ? "/" : "", t->name);
    const emb_json *list = emb_json_get(shapes, name), *size = emb_json_first(list);
    bool one_row = rank == 2 && emb_json_length(list) == 1;
    if (one_row) shape[0] = 1;
    for (int32_t i = one_row; i < rank; i++, size = emb_json_next_sibling(size)) {
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

static int32_t measure_static(emb_architecture *a, const emb_weights *w, const emb_json *shapes,
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

/* Rows of the head's last Linear. */
static int32_t measure_labels(emb_architecture *a, const emb_weights *w, const emb_json *shapes,
                              embed_error *error)
{
    const char *other = a->other_names && a->other_names->prefix ? a->other_names->prefix : "";
    const char *prefixes[] = {a->names.prefix, other, ""};
    int64_t shape[2];
    char name[256];
    for (int64_t i = 0; i < EMB_COUNT(prefixes); i++) {
        snprintf(name, sizeof name, "%s%s.weight", prefixes[i], a->names.classifier);
        if (emb_weights_find(w, name)) break;
    }
    int32_t status = find(w, shapes, name, 2, shape, error);
    if (status == EMBED_OK) a->num_labels = shape[0];
    return status;
}

int32_t emb_measure(emb_architecture *a, const emb_weights *w, const emb_json *shapes,
                    embed_error *error)
{
    int32_t status = EMBED_OK;
    if (a->static_kind) status = measure_static(a, w, shapes, error);
    if (a->num_labels == EMB_LABELS_OF_TENSOR) status = measure_labels(a, w, shapes, error);
    if (a->score_by_labels) a->score_act = a->num_labels == 1 ? EMB_ACT_SIGMOID : EMB_ACT_NONE;
    return status;
}
