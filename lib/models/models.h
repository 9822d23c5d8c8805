/* models: one small file per family, which turns config.json and the family's tensor names into a
 * description of the encoder. A family is data, not code: lib/encoder.c runs every description. */
#ifndef EMB_MODELS_H
#define EMB_MODELS_H

#include "../format/directory.h"
#include "../kernels/kernels.h"

/* A config file as its readers see it: each gives the value of a key, or the fallback where it is
 * absent or null. The first failure is kept in status (and error), so that a reader checks once, at
 * the end. */
typedef struct emb_config {
    const emb_json *root;
    const char *file; /* for messages */
    embed_error *error;
    int32_t status;
} emb_config;
int64_t emb_config_int(emb_config *config, const char *key, int64_t fallback, int64_t min,
                       int64_t max);
double emb_config_float(emb_config *config, const char *key, double fallback);
bool emb_config_bool(emb_config *config, const char *key, bool fallback);
const char *emb_config_string(emb_config *config, const char *key, const char *fallback);
/* A size: from 1 to EMB_SIZE_MAX. */
#define EMB_SIZE_MAX   (INT64_C(1) << 28)
#define EMB_MAX_LAYERS 4096
int64_t emb_config_size(emb_config *config, const char *key, int64_t fallback);
emb_activation emb_config_activation(emb_config *config, const char *key, const char *fallback);
const char *emb_activation_name(emb_activation act);
/* Refuse any value of key but absent, null and the one given. */
void emb_config_only_string(emb_config *config, const char *key, const char *only);
void emb_config_only_false(emb_config *config, const char *key);

/* Tensor names, without ".weight" and ".bias", below the family's prefix. "%d" is the layer. NULL:
 * the family has no such tensor. */
typedef struct emb_names {
    const char *prefix; /* "bert.": every name is looked for with it and without */
    const char *word_embeddings, *position_embeddings, *token_type_embeddings, *embeddings_norm;
    const char *embeddings_project; /* embedding_size -> hidden_size, where they differ */
    const char *query, *key, *value, *attention_output, *attention_norm;
    const char *intermediate, *output, *output_norm;
    const char *pooler; /* may be missing from the weights */
    const char
        *tied_embeddings; /* the head's name under which a tied embedding table may have survived */
} emb_names;

/* The description of an encoder: all that the forward pass needs to know of a model. Sizes are
 * positive and bounded; hidden_size = num_attention_heads * head_dim. */
typedef struct emb_architecture {
    const char *model_type;
    const emb_names *names;
    int64_t vocab_size, hidden_size, embedding_size, num_hidden_layers, num_attention_heads,
        head_dim, intermediate_size, max_position_embeddings;
    int64_t type_vocab_size; /* 0: the family has no token types and ignores type ids */
    emb_activation hidden_act;
    double layer_norm_eps;
} emb_architecture;

typedef struct emb_family {
    const char *model_type; /* config.json's */
    /* Read config.json into a description, all of it but model_type and head_dim. A value that the
     * library does not implement is refused by name (EMBED_EUNSUPPORTED). */
    void (*describe)(emb_config *config, emb_architecture *out);
} emb_family;

extern const emb_family emb_family_bert, emb_family_distilbert, emb_family_electra;

/* config.json -> description, by its model_type; an unknown one is refused with the list of those
 * known. */
int32_t emb_architecture_read(emb_config *config, emb_architecture *out);

#endif
