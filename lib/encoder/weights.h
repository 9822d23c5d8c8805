/* weights: from tensors in a file to what layers compute with: found by name, checked against the
 * expected shape, widened to float and laid out for the GEMM backend. */
#ifndef EMB_WEIGHTS_H
#define EMB_WEIGHTS_H

#include "../format/directory.h"
#include "../nn/nn.h"

typedef struct emb_loader {
    const emb_weights *weights;
    const char *prefix; /* tried before and left out of every name, "" for none */
    const emb_kernels *kernels;
    const emb_gemm *gemm;
    const emb_allocator *allocator;
    emb_arena *arena; /* what takes the weights; NULL: each a block of its own. Over no memory it only
                         counts, and nothing is loaded */
    int32_t weights_kind; /* EMBED_WEIGHTS_*: what the layers' matrices become */
    int32_t compute;      /* EMBED_COMPUTE_F32 or _BF16 */
    emb_storage storage;  /* of matrices from here on */
    bool int8;            /* matrices become whole numbers from here on */
    bool whole_numbers;   /* I8 is a table's type as well as floats are, from here on */
    bool transposed;      /* matrices stand as [in][out] from here on */
    const float *gamma;   /* of the norm right before the next matrix, or NULL: helps int8 */
    embed_error *error;
    int32_t status;     /* the first failure sticks: callers check once, at the end */
    int64_t parameters; /* numbers loaded so far, and the bytes they take in memory */
    size_t bytes;
} emb_loader;

/* The tensor of a name, or NULL. LayerNorm's ".weight" and ".bias" are also found as ".gamma" and
 * ".beta". */
const emb_tensor *emb_load_find(const emb_loader *l, const char *name);
/* The same with its shape and type checked; missing: EMBED_ETENSOR. */
const emb_tensor *emb_load_tensor(emb_loader *l, const char *name, int32_t rank,
                                  const int64_t *shape);
/* count rows of columns numbers, from row first of a tensor, widened to float. */
void emb_widen_rows(const emb_kernels *k, const emb_tensor *t, int64_t columns, int64_t first,
                    int64_t count, float *out);

/* A whole tensor as floats [rows][columns] (columns 0: a vector); dimensions of 1 before those are
 * passed over. NULL on failure. */
const float *emb_load_floats(emb_loader *l, const char *name, int64_t rows, int64_t columns);

/* Rows of a tensor that become rows of a Linear: the whole of a tensor, or one part of several
 * stacked in it. */
typedef struct emb_part {
    const char *weight, *bias; /* names; bias NULL: none */
    int64_t first, rows;       /* of the tensor's rows: the first one taken, and all there are */
    int64_t out;               /* rows taken */
    bool exact;          /* stays floats beside parts of int8; those after it too */
} emb_part;
/* count parts [out][in], one under the other, each padded to whole panels of outputs where count > 1.
 * A Conv2d's weight [out][...] of in numbers a row is as good. */
void emb_load_parts(emb_loader *l, const emb_part *parts, int64_t count, int64_t in,
                    emb_linear *linear);
static inline int64_t emb_whole_panels(int64_t n)
{
    return (n + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL;
}
/* name.weight [out][in] and, if has_bias, name.bias [out]. */
void emb_load_linear(emb_loader *l, const char *name, int64_t out, int64_t in, bool has_bias,
                     emb_activation act, emb_linear *linear);
void emb_load_norm(emb_loader *l, const char *name, int64_t size, emb_norm_kind kind, double eps,
                   emb_norm *norm);

void emb_linear_free(const emb_linear *linear, const emb_allocator *a);
void emb_norm_free(const emb_norm *norm, const emb_allocator *a);
void emb_floats_free(const float *floats, const emb_allocator *a);

#endif
