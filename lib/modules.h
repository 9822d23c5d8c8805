/* modules: what a sentence-transformers directory says beside the encoder: modules.json with
 * Pooling, Dense, LayerNorm and Normalize, sentence_bert_config.json,
 * config_sentence_transformers.json; both dialects (5.x and 6.x). */
#ifndef EMB_MODULES_H
#define EMB_MODULES_H

#include "models/models.h"
#include "encoder/weights.h"

typedef enum { EMB_MODULE_DENSE, EMB_MODULE_LAYER_NORM, EMB_MODULE_NORMALIZE } emb_module_kind;

typedef struct emb_module { /* one that runs on pooled vectors */
    emb_module_kind kind;
    char *folder;
    int64_t in, out;  /* equal but for Dense */
    emb_linear dense; /* "linear" */
    bool has_bias, use_residual;
    emb_linear residual; /* without weights where in = out: then the input itself is added */
    emb_norm norm;
} emb_module;

enum { EMB_POOL_MODES = 6 };

typedef struct emb_prompt {
    char *name, *text;
} emb_prompt;

typedef struct emb_modules {
    bool present;                    /* there is a modules.json; otherwise all below are defaults */
    char *folder;                    /* of the Transformer: "" or "0_Transformer" */
    bool own_pooling; /* CLIPModel, StaticEmbedding, a Transformer that gives vectors: the model's own */
    bool static_embedding;
    char *pooling_folder;            /* of the Pooling module; NULL: there is none */
    int32_t pooling[EMB_POOL_MODES]; /* EMBED_POOL_*, concatenated; DEFAULT until the model decides,
                                        where no Pooling module does */
    int64_t pooling_count;
    int64_t pooling_dimension; /* of one mode, as the pooling module says; 0: it does not */
    bool include_prompt;
    emb_module *list;
    int64_t count;
    bool in_place;          /* weights lie in a single-file model */
    int64_t max_seq_length; /* 0: not given */
    bool do_lower_case;
    int64_t truncate_dim; /* 0: none */
    int32_t similarity;
    emb_prompt *prompts; /* "query" and "document" are always there, "" if the directory has none */
    int64_t prompt_count;
    const char *default_prompt; /* text, or NULL */
    const char *default_prompt_name;
} emb_modules;

/* Read everything but weights. */
int32_t emb_modules_read(emb_modules *m, emb_directory *dir, const emb_allocator *a,
                         embed_error *error);
/* Check the chain of sizes from `size` numbers of each pooling on, and load the weights. loader: kernels, gemm,
 * allocator, error. */
int32_t emb_modules_load(emb_modules *m, emb_directory *dir, int64_t size,
                         emb_loader *loader);
/* A Normalize where modules.json does not say what follows. */
int32_t emb_modules_add_normalize(emb_modules *m, const emb_allocator *a, embed_error *error);
void emb_modules_free(emb_modules *m, const emb_allocator *a);

const char *emb_prompt_text(const emb_modules *m, const char *name); /* or NULL */
bool emb_modules_normalize(const emb_modules *m); /* does the chain end in L2 normalisation? */
/* Floats after the modules of a vector of dim floats; the widest on the way is *widest. */
int64_t emb_modules_dim(const emb_modules *m, int64_t dim, int64_t *widest);

/* Can vectors of dim floats enter the chain? Another pooling may make them shorter than the
 * directory's, which only Normalize does not mind. *wanted: what the chain takes. */
bool emb_modules_take(const emb_modules *m, int64_t dim, int64_t *wanted);
/* Run the modules on the rows of buffers[0], of dim floats; each buffer is [count][widest]. Returns
 * the one that holds the result. normalize false: leave Normalize out. */
float *emb_modules_run(const emb_modules *m, const emb_device *d, bool normalize, int64_t count,
                       int64_t dim, float *const buffers[3]);
/* x / max(|x|, 1e-12), rows[count][stride] in place (torch.nn.functional.normalize). */
void emb_normalize_rows(const emb_kernels *k, float *rows, int64_t count, int64_t dim,
                        int64_t stride);

#endif
