/* encoder: the one forward pass, which runs a description (models/models.h) over prepared weights.
 * load.c finds the weights, tokens.c makes the rows that enter the first layer, encoder.c runs the
 * layers, pooler.c makes pooler_output of what comes out. */
#ifndef EMB_ENCODER_H
#define EMB_ENCODER_H

#include "../models/models.h"
#include "../nn/nn.h"
#include "weights.h"

typedef struct emb_layer {
    emb_linear qkv; /* [query_part + 2 * key_part][hidden]: query, key, value, each whole panels */
    emb_norm query_norm, key_norm; /* [head_dim], or of all heads */
    emb_linear attention_output;   /* [hidden][heads * head_dim] */
    emb_norm attention_norm, attention_post_norm;
    const float *attention_scale; /* [hidden], or NULL */
    /* its part of emb_relative_positions, or NULL: table, keys and queries */
    const float *relative, *position_keys, *position_queries;
    emb_linear intermediate;      /* gated: [2 * gate_part][hidden]: gate, then what it lets through */
    emb_linear output;
    emb_norm output_norm, output_post_norm;
    const float *output_scale;
} emb_layer;

typedef struct emb_pooler { /* what has no weights is left out */
    emb_norm norm;
    emb_linear dense, projection;
    emb_linear classifier_dense, classifier;
    emb_norm classifier_norm;
    /* EMB_POOLER_HEAD */
    const float *query;   /* [hidden]: the learned one, projected */
    emb_linear key_value; /* [2 * part][hidden] */
    emb_linear output, mlp[2];
} emb_pooler;

typedef struct emb_encoder {
    emb_architecture arch; /* hidden_size 0: there is no such tower */
    emb_attention attention;
    int64_t query_part, key_part; /* columns of query, and of key and of value, in qkv: whole panels */
    int64_t qkv_stride;  /* from one row of qkv to the next: a product [hidden] fits into one too */
    int64_t context_stride; /* from one row of context to the next: max(hidden, heads * head_dim) */
    int64_t gate_part; /* intermediate_size in whole panels; 0: the MLP has no gate */
    /* texts */
    const emb_tensor *word_embeddings; /* rows are widened as they are looked up: the table stays in
                                          its file */
    const int32_t *word_rows;  /* [vocab_size]: which row is a token's; NULL: its own */
    const float *word_weights; /* [vocab_size], or NULL */
    emb_storage words_stored; /* and rounded, where they would have fewer bits in a single-file model */
    const float *token_type_embeddings; /* [type_vocab_size][embedding_size], or NULL */
    emb_linear embeddings_project; /* without weights where embedding_size = hidden_size */
    emb_linear convolution;        /* [hidden][hidden * arch.convolution] */
    emb_norm convolution_norm;
    /* images */
    emb_linear patches;        /* [hidden][channels * patch_height * patch_width] */
    const float *prefix;       /* [image.prefix][hidden], positions added */
    /* both */
    const float *positions; /* [max_position_embeddings][embedding_size], or one for each patch of the
                               grid; NULL: none */
    const float *position_table; /* all of its rows, with those of prefix tokens */
    emb_norm embeddings_norm; /* without gamma: none */
    emb_layer *layers; /* [layer_count]: emb_layer_at */
    int64_t layer_count;
    void *block;       /* their weights */
    emb_norm final_norm; /* without gamma: none */
    emb_relative_positions relative; /* what all layers share of it */
    emb_pooler pooler;
    bool has_pooler;
    bool in_place;       /* weights lie in a single-file model */
    int64_t parameters;  /* numbers in all of them */
    size_t weight_bytes; /* bytes prepared in memory, or used where they lie */
} emb_encoder;

/* The weights of layer i, which ALBERT uses more than once. */
static inline const emb_layer *emb_layer_at(const emb_encoder *e, int64_t i)
{
    int64_t inner = e->arch.group_layers;
    if (!inner) return &e->layers[i];
    double repeats = (double)(e->arch.num_hidden_layers / inner);
    int64_t group = (int64_t)((double)(i / inner) / (repeats / (double)e->arch.layer_groups));
    return &e->layers[group * inner + i % inner];
}

/* A name of layer i's: of a layer in a group, the pattern has both numbers. */
typedef struct emb_name {
    char text[192];
} emb_name;
emb_name emb_layer_name(const emb_encoder *e, const char *pattern, int64_t i);

/* Find, check and prepare the weights of a description. */
int32_t emb_encoder_load(emb_encoder *e, const emb_architecture *arch, emb_loader *loader);
void emb_encoder_free(emb_encoder *e, const emb_allocator *a);

/* A packed batch. */
typedef struct emb_batch {
    int64_t sequences, tokens;
    const int64_t *starts; /* [sequences + 1] */
    /* texts */
    const int32_t *ids;      /* [tokens], each from 0 to vocab_size - 1 */
    const int32_t *type_ids; /* [tokens], each from 0 to type_vocab_size - 1 */
    /* images, all of one grid */
    int64_t grid_height, grid_width; /* patches */
    const float *pixels; /* of sequence s at starts[s] * patch numbers: [3][pixel rows][columns] */
} emb_batch;

enum { EMB_MLP_ROWS = 128 }; /* of one thread: what its MLP makes of them stays in a second-level cache */

/* Scratch of a forward pass over at most max_tokens tokens, cut from an arena. */
typedef struct emb_encoder_scratch {
    float *x;       /* [tokens][hidden]: the residual stream, and the result */
    float *context; /* [tokens][max(context_stride, embedding_size)] */
    float *qkv;     /* [tokens][max(qkv_stride, a patch, pooler_size)]; after attention, products */
    float *mlp;     /* [threads][EMB_MLP_ROWS][what the MLP's first product has] */
    float *neighbours; /* [tokens][hidden * convolution] */
    float *convolved;  /* [tokens][hidden] */
    void *attention;
    size_t attention_per_thread;
    char *linear; /* of int8 */
    size_t linear_per_thread;
    /* made for one grid of patches, and kept until another comes */
    int64_t grid_height, grid_width;
    float *positions; /* [patches][hidden], where they are not the table's own */
    float *angles[EMB_LAYER_KINDS]; /* [patches or positions][head_dim]: cosines and sines */
    int64_t positions_known;        /* rows of angles made so far, of texts */
    float *own_angles[EMB_LAYER_KINDS]; /* [tokens][head_dim]: of texts whose length changes them */
    float *relative;  /* a table for one layer */
} emb_encoder_scratch;
void emb_encoder_plan(const emb_encoder *e, int64_t max_tokens, int32_t threads, emb_arena *arena,
                      emb_encoder_scratch *out);

/* hidden_states[layer] of a batch (0: what enters the first layer), or last_hidden_state (layer
 * EMB_LAST) -> [tokens][hidden_size] inside scratch, valid until the next run. */
#define EMB_LAST (-1)
const float *emb_encoder_run(const emb_encoder *e, const emb_device *d, const emb_batch *batch,
                             int64_t layer, emb_encoder_scratch *scratch);

static inline bool emb_is_own_grid(const emb_encoder *e, const emb_batch *b)
{
    return b->grid_height == e->arch.image.grid_height && b->grid_width == e->arch.image.grid_width;
}

/* Numbers of a patch. */
static inline int64_t emb_patch_size(const emb_architecture *a)
{
    return 3 * a->image.patch_height * a->image.patch_width;
}

/* ---- tokens.c: what enters the first layer ------------------------------------------------ */

void emb_tokens_plan(const emb_encoder *e, int64_t max_tokens, emb_arena *arena,
                     emb_encoder_scratch *out);
void emb_tokens_run(const emb_encoder *e, const emb_device *d, const emb_batch *b,
                    emb_encoder_scratch *s);

/* ---- words.c: the table of words -------------------------------------------------------------- */

void emb_words_load(emb_encoder *e, emb_loader *l);
void emb_words_look_up(const emb_encoder *e, const emb_kernels *k, int32_t id, float *row);

/* ---- convolution.c: a convolution beside the first layer; each does nothing where there is none ---- */

void emb_convolution_load(emb_encoder *e, emb_loader *l);
void emb_convolution_plan(const emb_encoder *e, int64_t max_tokens, emb_arena *arena,
                          emb_encoder_scratch *out);
/* Of x, what enters the first layer; and into x, what has come out of it: rows first .. first + tokens - 1. */
void emb_convolution_run(const emb_encoder *e, const emb_device *d, const emb_batch *b,
                         const emb_encoder_scratch *s);
void emb_convolution_join(const emb_encoder *e, const emb_device *d, int64_t first, int64_t tokens,
                          const emb_encoder_scratch *s);

/* ---- relative.c: what is added to scores ---------------------------------------------------- */

void emb_relative_load(emb_encoder *e, emb_loader *l);
void emb_relative_free(emb_encoder *e, const emb_allocator *a);
/* That of a layer, in scratch what has to fit the batch. false: nothing. */
bool emb_relative_of(const emb_encoder *e, const emb_layer *w, const emb_batch *b,
                     const emb_encoder_scratch *s, emb_relative_positions *out);

/* ---- positions.c: tables of positions for another grid -------------------------------------- */

/* table[height][width][size] -> out[out_height][out_width][size], as
 * torch.nn.functional.interpolate(align_corners=False), in double. */
void emb_resize_positions(emb_position_resize resize, int64_t height, int64_t width, int64_t size,
                          const float *table, int64_t out_height, int64_t out_width, float *out);
/* Cosines and sines of rotary positions, angles[height * width][dim]: the centres of patches go from
 * -1 to 1 along each side (DINOv3). */
void emb_patch_angles(double theta, int64_t dim, int64_t height, int64_t width, float *angles);
/* The same along a text of tokens tokens: angles[position][dim], positions from first on. */
void emb_text_angles(const emb_rope *rope, int64_t dim, int64_t tokens, int64_t first, int64_t count,
                     float *angles);
/* Does the length of a text change its angles? */
bool emb_has_own_angles(const emb_rope *rope, int64_t tokens);

/* ---- pooler.c: pooler_output, and its projection --------------------------------------------- */

typedef enum { EMB_OUT_POOLER, EMB_OUT_PROJECTION, EMB_OUT_SCORES } emb_pooler_out;
/* Numbers in pooler_output, its projection, or the scores of the classifier (no activation). */
int64_t emb_pooler_dim(const emb_encoder *e, emb_pooler_out what);
/* last_hidden_state x of a batch, as emb_encoder_run left it -> rows[sequences][hidden_size], what
 * pooler_output starts from: the [CLS] vectors, the means of patches, or the attention of a learned
 * query. Uses up the scratch, but for x. */
void emb_pooler_rows(const emb_encoder *e, const emb_device *d, const emb_batch *b, const float *x,
                     emb_encoder_scratch *s, float *rows);
/* rows[count][hidden_size], used up -> out[count][emb_pooler_dim]; count is at most max_tokens. */
void emb_pooler_finish(const emb_encoder *e, const emb_device *d, int64_t count, emb_pooler_out what,
                       float *rows, emb_encoder_scratch *s, float *out);

#endif
