/* model: a directory opened: its tokenizer, encoder and modules together, and what they say of
 * limits and defaults. Never changes once open. */
#ifndef EMB_MODEL_H
#define EMB_MODEL_H

#include "encoder.h"
#include "modules.h"
#include "text/tokenizer.h"

enum { EMB_MAX_WARNINGS = 8 };

struct embed_model {
    emb_allocator allocator;
    emb_directory *dir;
    emb_tokenizer *tokenizer; /* NULL: the directory has none, only ids can be encoded */
    emb_encoder encoder;
    emb_modules modules;
    const emb_kernels *kernels;
    const emb_gemm *gemm;
    int32_t gemm_kind;           /* EMBED_GEMM_PACKED or _BLAS */
    int64_t max_length;          /* tokens a text is cut to by default */
    const char *max_length_from; /* the file that says so */
    size_t module_bytes;         /* of the modules' weights; encoder.weight_bytes counts the rest */
    emb_buffer description;
    char *warnings[EMB_MAX_WARNINGS];
    int64_t warning_count;
};

/* From a folder or a single-file model; options as they came from the caller, already copied. error
 * is not NULL. */
int32_t emb_model_open(embed_model **out, const char *path, const void *data, size_t size,
                       const embed_open_options *options, embed_error *error);
void emb_model_free(embed_model *m);
bool emb_model_describe(embed_model *m); /* fills description; false: out of memory */

/* Longest input in tokens, whatever the options: positions, or the default max_length where there
 * is no limit. */
int64_t emb_model_longest(const embed_model *m);

#endif
