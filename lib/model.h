/* model: a directory opened: its tokenizer, encoder and modules together, and what they say of
 * limits and defaults. Never changes once open. */
#ifndef EMB_MODEL_H
#define EMB_MODEL_H

#include "encoder/encoder.h"
#include "image/image.h"
#include "modules.h"
#include "text/tokenizer.h"

enum { EMB_MAX_WARNINGS = 8 };

struct embed_model {
    emb_allocator allocator;
    emb_directory *dir;
    emb_tokenizer *tokenizer; /* NULL: the directory has none, only ids can be encoded */
    emb_encoder text, image; /* towers; arch.hidden_size 0: none */
    emb_image_processor processor;
    bool has_processor; /* otherwise images come as pixel values alone */
    emb_modules modules;
    const emb_kernels *kernels;
    const emb_gemm *gemm;
    int32_t gemm_kind;           /* EMBED_GEMM_PACKED or _BLAS */
    int32_t weights_kind;        /* EMBED_WEIGHTS_* */
    int32_t compute;             /* EMBED_COMPUTE_F32 or _BF16 */
    int64_t max_length;          /* tokens a text is cut to by default */
    const char *max_length_from; /* the file that says so */
    int64_t median_length;       /* of model2vec: characters of a token; texts are cut by it */
    int64_t parameters;          /* numbers in all weights that are used */
    size_t module_bytes;         /* of the modules' weights; the towers count theirs */
    bool saves;                  /* opened for embed_model_save, with what it needs: */
    emb_pieces pieces;
    emb_tokenizer_store stored; /* the tokenizer */
    emb_buffer products; /* of int8: names, each NUL-terminated */
    emb_buffer description;
    char *warnings[EMB_MAX_WARNINGS];
    int64_t warning_count;
};

/* From a folder or a single-file model; options as they came from the caller, already copied. error
 * is not NULL. */
int32_t emb_model_open(embed_model **out, const char *path, const void *data, size_t size,
                       const embed_open_options *options, embed_error *error);
void emb_model_free(embed_model *m);
const char *emb_weights_kind_name(int32_t kind);
bool emb_model_describe(embed_model *m); /* fills description; false: out of memory */

/* The tower that questions about "the model" mean: the text's, where there is one. */
static inline const emb_encoder *emb_model_tower(const embed_model *m)
{
    return m->text.arch.hidden_size ? &m->text : &m->image;
}

static inline size_t emb_model_weight_bytes(const embed_model *m)
{
    return m->text.weight_bytes + m->image.weight_bytes + m->module_bytes;
}

/* Longest text in tokens, whatever the options: positions, or the default max_length where there
 * is no limit. */
int64_t emb_model_longest(const embed_model *m);

#endif
