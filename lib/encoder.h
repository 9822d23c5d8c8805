/* encoder: the one forward pass, which runs a description (models/models.h) over prepared weights.
 */
#ifndef EMB_ENCODER_H
#define EMB_ENCODER_H

#include "models/models.h"
#include "nn/nn.h"
#include "weights.h"

typedef struct emb_layer {
    emb_linear qkv; /* [3 * part][hidden]: query, key, value, each part whole panels: see
                       emb_encoder.part */
    emb_linear attention_output;
    emb_norm attention_norm;
    emb_linear intermediate, output;
    emb_norm output_norm;
} emb_layer;

typedef struct emb_encoder {
    emb_architecture arch;
    emb_attention attention;
    int64_t part; /* hidden_size rounded up to whole panels: columns of query, of key and of value
                     in qkv */
    const emb_tensor
        *word_embeddings; /* rows are widened as they are looked up: the table stays in its file */
    const float *position_embeddings;   /* [max_position_embeddings][embedding_size] */
    const float *token_type_embeddings; /* [type_vocab_size][embedding_size], or NULL */
    emb_norm embeddings_norm;
    emb_linear embeddings_project; /* without weights where embedding_size = hidden_size */
    emb_layer *layers;             /* [num_hidden_layers] */
    emb_linear pooler;             /* without weights where the model has none */
    int64_t parameters;            /* numbers in all of them */
    size_t weight_bytes;           /* bytes prepared in memory */
} emb_encoder;

/* Find, check and prepare the weights of a description. */
int32_t emb_encoder_load(emb_encoder *e, const emb_architecture *arch, emb_loader *loader);
void emb_encoder_free(emb_encoder *e, const emb_allocator *a);
static inline bool emb_encoder_has_pooler(const emb_encoder *e)
{
    return e->pooler.weight.data != NULL;
}

/* A packed batch. */
typedef struct emb_batch {
    int64_t sequences, tokens;
    const int64_t *starts;   /* [sequences + 1] */
    const int32_t *ids;      /* [tokens], each from 0 to vocab_size - 1 */
    const int32_t *type_ids; /* [tokens], each from 0 to type_vocab_size - 1 */
} emb_batch;

/* Scratch of a forward pass over at most max_tokens tokens, cut from an arena. */
typedef struct emb_encoder_scratch {
    float *x;       /* [tokens][hidden]: the residual stream, and the result */
    float *context; /* [tokens][max(hidden, embedding_size)] */
    float *qkv;     /* [tokens][3 * part]; after attention, products [tokens][hidden] */
    float *mlp;     /* [tokens][intermediate] */
    void *attention;
    size_t attention_per_thread;
} emb_encoder_scratch;
void emb_encoder_plan(const emb_encoder *e, int64_t max_tokens, int32_t threads, emb_arena *arena,
                      emb_encoder_scratch *out);

/* hidden_states[layer] of a batch (0: the embeddings' output; num_hidden_layers: last_hidden_state)
 * -> [tokens][hidden_size] inside scratch, valid until the next run. */
const float *emb_encoder_run(const emb_encoder *e, const emb_device *d, const emb_batch *batch,
                             int64_t layer, const emb_encoder_scratch *scratch);

#endif
