/* weights: from tensors in a file to what layers compute with: found by name, checked against the
 * expected shape, widened to float and laid out for the GEMM backend. A single-file model has them
 * laid out already: then they are used where they lie. */
#ifndef EMB_WEIGHTS_H
#define EMB_WEIGHTS_H

#include "../format/directory.h"
#include "../nn/nn.h"

/* Everything that was loaded, piece by piece, as a single-file model has it: named as in a file of
 * plain tensors ("bert.encoder.layer.0.output.dense.weight", of a module "2_Dense/linear.bias"), a matrix
 * by its first tensor, with its panels as the shape. */
typedef struct emb_piece {
    size_t name;       /* in names */
    emb_tensor tensor; /* dtype, shape and bytes in a single-file model: up to whole EMB_ALIGNs */
    emb_dtype from;    /* what data is; a table may be narrowed when it is written */
    size_t numbers;    /* of data; the rest of the tensor is zero */
    int64_t rows, columns; /* what it is: a matrix, or a vector of 1 row */
} emb_piece;
typedef struct emb_pieces {
    emb_buffer list;  /* emb_piece[] */
    emb_buffer names;
} emb_pieces;
void emb_pieces_init(emb_pieces *p, const emb_allocator *a);
void emb_pieces_free(emb_pieces *p);
#define EMB_ALIGN 64 /* bytes: of every piece in a single-file model */

typedef struct emb_loader {
    const emb_weights *weights;
    bool prepared;      /* weights are those of a single-file model: pieces, used in place */
    emb_pieces *pieces; /* takes what is loaded; NULL: nobody wants to know */
    int32_t making;     /* > 0: what is loaded is only to make something else of */
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
    const char *keep_float; /* embed_open_options.keep_float, or NULL */
    bool *kept;             /* of each of its names: some product had it */
    emb_buffer *products;   /* takes the names of those that are whole numbers, each NUL-terminated */
    const float *gamma;   /* of the norm right before the next matrix, or NULL: helps int8 */
    embed_error *error;
    int32_t status;     /* the first failure sticks: callers check once, at the end */
    int64_t parameters; /* numbers loaded so far, and the bytes they take in memory */
    size_t bytes;
} emb_loader;

enum { EMB_NAME_SIZE = 256 };

static inline int32_t emb_load_failed(emb_loader *l, int32_t status)
{
    if (l->status == EMBED_OK) l->status = status;
    return status;
}

/* ---- pieces.c ------------------------------------------------------------------------------ */

/* A piece called name + what that is rows of columns numbers, stored in this shape: found in a
 * single-file model, *data then lies there; or *data noted for one. */
void emb_load_piece(emb_loader *l, const char *name, const char *what, emb_dtype dtype, int32_t rank,
                    const int64_t *shape, int64_t rows, int64_t columns, const void **data);
/* The same of a matrix whose sizes and storage are set, and its bias: float panels; or whole numbers,
 * their scales and sums, factors, and those of 16 bits (".int16") with their scales. */
void emb_matrix_pieces(emb_loader *l, const char *name, bool has_factors, bool has_bias,
                       emb_linear *linear);

/* A table that is made of weights: `if (emb_making(l)) { table = ...; emb_made(l); }`, which is passed over
 * where a file has it, then what there is of it by this name. */
bool emb_making(emb_loader *l);
void emb_made(emb_loader *l);
const float *emb_load_made(emb_loader *l, const char *name, int64_t rows, int64_t columns, float *made);

/* ---- weights.c ----------------------------------------------------------------------------- */

/* The tensor of a name, or NULL. LayerNorm's ".weight" and ".bias" are also found as ".gamma" and
 * ".beta". */
const emb_tensor *emb_load_find(const emb_loader *l, const char *name);
/* A table whose rows stay in the file, shape and type checked; missing: EMBED_ETENSOR. Where layers
 * compute with 16 bits (or 8), so that its rows should have 16, *storage says which. */
const emb_tensor *emb_load_table(emb_loader *l, const char *name, int64_t rows, int64_t columns,
                                 emb_storage *storage);
/* n floats to what they become when stored so. */
void emb_round(const emb_kernels *k, emb_storage storage, int64_t n, float *floats);
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
    bool exact;          /* 8 bits are too few for it, as for those after it */
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

/* Back to the allocator; owner NULL: they lie in a file. */
void emb_linear_free(const emb_linear *linear, const emb_allocator *owner);
void emb_norm_free(const emb_norm *norm, const emb_allocator *owner);
void emb_floats_free(const float *floats, const emb_allocator *owner);

#endif
