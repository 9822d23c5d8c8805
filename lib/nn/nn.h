/* nn: layers over packed batches: they know shapes, not models. A batch is rows[tokens][...],
 * sequences one after another; sequence s is rows starts[s] .. starts[s+1]-1. Work is cut over
 * threads inside each layer; how it is cut never changes a bit. */
#ifndef EMB_NN_H
#define EMB_NN_H

#include "../gemm/gemm.h"

/* What a layer computes with. */
typedef struct emb_device {
    const emb_kernels *kernels;
    const emb_gemm *gemm;
    embed_parallel_fn parallel; /* NULL: run on the calling thread */
    void *parallel_user;
    int32_t threads; /* >= 1: how many tasks are worth making */
    /* where linear layers of int8 round their input: emb_linear_scratch bytes per thread, of the one that
     * needs most */
    char *scratch;
    size_t scratch_per_thread;
} emb_device;
void emb_parallel(const emb_device *d, embed_task_fn task, void *arg, int64_t count);
/* task(arg, alone, thread, i) for every i < count: each thread takes the next one until there are none left, as a
 * device of one thread, with its part of the scratch. */
typedef void emb_share_fn(void *arg, const emb_device *alone, int64_t thread, int64_t index);
void emb_share(const emb_device *d, emb_share_fn *task, void *arg, int64_t count);
/* How many rows each thread has to have to take them through a product, or some one after the other, on its own.
 * With fewer, the threads share the columns: each of them would wait longer for all the weights, so many bytes,
 * than for the others. */
int64_t emb_rows_alone(int64_t bytes);

typedef struct emb_linear {
    emb_matrix weight;  /* [out][in] */
    const float *bias;  /* [out], or NULL */
    emb_activation act; /* after the bias: emb_linear_act of it */
} emb_linear;
/* y[rows][ldy] = act(x[rows][ldx] W^T + bias) */
void emb_linear_run(const emb_device *d, const emb_linear *l, int64_t rows, const float *x,
                    int64_t ldx, float *y, int64_t ldy);
/* act of what it gives, to four digits where its weights are whole numbers: their own errors are far larger */
emb_activation emb_linear_act(const emb_linear *l, emb_activation act);
int64_t emb_linear_bytes(const emb_linear *l); /* of its weight, about */
/* What a linear layer needs to round its input, where its weights are whole numbers. */
size_t emb_linear_scratch(const emb_linear *l);
/* The same without bias and activation, for a consumer that fuses them (emb_norm_run adds
 * linear->bias). */
void emb_linear_product(const emb_device *d, const emb_linear *l, int64_t rows, const float *x,
                        int64_t ldx, float *y, int64_t ldy);

typedef enum {
    EMB_LAYER_NORM,
    EMB_LAYER_NORM_UNBIASED, /* without beta */
    EMB_RMS_NORM,            /* x / root of the mean of squares, without beta */
    EMB_RMS_NORM_OFFSET      /* the same; its weight is stored less one (Gemma) */
} emb_norm_kind;
typedef struct emb_norm {
    emb_norm_kind kind;
    const float *gamma, *beta; /* [size]; beta may be NULL. gamma NULL: there is no norm */
    float eps;
} emb_norm;
static inline bool emb_norm_is_rms(const emb_norm *n)
{
    return n->kind == EMB_RMS_NORM || n->kind == EMB_RMS_NORM_OFFSET;
}
/* y = norm(x + bias + residual); bias and residual may be NULL */
void emb_norm_run(const emb_device *d, const emb_norm *n, int64_t rows, int64_t size,
                  const float *x, const float *bias, const float *residual, float *y);
/* The same in place, of each of parts parts of size numbers in rows that are ld apart: heads */
void emb_norm_parts_run(const emb_device *d, const emb_norm *n, int64_t rows, int64_t parts,
                        int64_t size, float *x, int64_t ld);

/* y[rows][size] += (x + bias) * scale; bias and scale may be NULL: the residual stream takes a block */
void emb_add_run(const emb_device *d, int64_t rows, int64_t size, const float *x, const float *bias,
                 const float *scale, float *y);
/* y[rows][ld] = act(y) * x[rows][ld] in its first size columns: a gated MLP */
void emb_gate_run(const emb_device *d, emb_activation act, int64_t rows, int64_t size,
                  const float *x, float *y, int64_t ld);

typedef enum { /* what is added to the score of a query and a key */
    EMB_RELATIVE_NONE,
    EMB_RELATIVE_GRID,        /* BEiT: a number for each distance between two patches of a grid, and three
                               * for pairs with the one token before them */
    EMB_RELATIVE_DISTANCES,   /* MPNet: one for each distance along a text */
    EMB_RELATIVE_SLOPES,      /* ALiBi: the distance along a text, times a number of the head */
    EMB_RELATIVE_DISENTANGLED /* DeBERTa: what the query is to the key's position, seen from its own, and
                               * what the key is to that of the query, before all is scaled */
} emb_relative_kind;

typedef struct emb_relative_positions {
    emb_relative_kind kind;
    int64_t height, width; /* of the grid */
    int64_t reach;         /* along a text: from here on, any distance is as good */
    /* GRID: [heads][(2 height - 1)(2 width - 1) + 3]: rows of distances down from -(height - 1), in each
     * the distances across from width - 1 down, so that a row of keys reads them along; then prefix to
     * patch, patch to prefix, prefix to itself.
     * DISTANCES: [heads][2 * reach + 1], from -reach (key before query) on. SLOPES: [heads] */
    const float *table;
    /* DISENTANGLED: keys in panels [heads][table_rows / 16][head_dim][16], queries [table_rows][ld], of
     * which a head has columns as of q; either may be NULL. rows[2 * reach + 1]: which of their rows,
     * never descending, from -reach (key behind query) on */
    const float *keys, *queries;
    int64_t table_rows, ld; /* table_rows: whole panels */
    const int32_t *rows;
} emb_relative_positions;

/* ---- relative.c, for attention.c alone ---- */

typedef struct emb_relative_scratch {
    float *added;    /* [block][ld] */
    float *by_query; /* [block][span] */
    float *by_key;   /* [span][ld] */
    int64_t ld, span;
} emb_relative_scratch;
/* For blocks of queries of texts of so many tokens; table_rows 0: nothing is disentangled. */
emb_relative_scratch emb_relative_plan(int64_t table_rows, int64_t block, int64_t tokens,
                                       emb_arena *arena);

typedef struct emb_relative_head { /* one head of one sequence */
    const emb_kernels *kernels;
    const emb_relative_positions *relative;
    int64_t head, dim, tokens;
    emb_relative_scratch scratch;
} emb_relative_head;
/* Before its first query; keys: panels of them. */
void emb_relative_start(const emb_relative_head *h, const float *keys);
/* scores[rows][scratch.ld] of q[rows][ld], queries from `query` on, get what is added; returns by what
 * they are still to be scaled. */
float emb_relative_add(const emb_relative_head *h, int64_t query, int64_t rows, const float *q,
                       int64_t ld, float scale, float *scores);

/* context[tokens][heads*head_dim] = softmax(scale Q K^T + relative) V, per sequence and head; q, k, v
 * are columns of qkv[tokens][ld]: head h of q at q + h*head_dim; heads * i / key_heads and those after it
 * share head i of k and v. scratch: emb_attention_scratch bytes per thread. */
typedef struct emb_attention {
    int64_t heads, head_dim;
    int64_t key_heads; /* 0: as many as heads */
    float scale;
    bool has_relative; /* scratch has room for them */
    int64_t relative_rows; /* emb_relative_positions.table_rows, likewise */
    bool causal;       /* a query sees the keys up to its own */
    int64_t window;    /* a query sees keys that are nearer than this; 0: however far */
    bool one_query;    /* q is one row for every sequence, and context[sequences][ldc] */
} emb_attention;
size_t emb_attention_scratch(const emb_attention *a, int64_t max_tokens); /* bytes, of one thread */
void emb_attention_run(const emb_device *d, const emb_attention *a,
                       const emb_relative_positions *relative, /* or NULL */
                       int64_t sequences, const int64_t *starts, const float *q, const float *k,
                       const float *v, int64_t ld, float *context, int64_t ldc, void *scratch,
                       size_t scratch_per_thread);

/* Pooling (EMBED_POOL_*, but DEFAULT and POOLER) of one sequence, hidden[tokens][ld] -> out[size].
 * Sums in double, in token order. mask NULL: all 1. padding: rows before the text's first token,
 * which WEIGHTED leaves out of its count. false: no tokens, or another pooling. */
bool emb_pool_one(int32_t pooling, int64_t tokens, int64_t size, const float *hidden, int64_t ld,
                  const int32_t *mask, int64_t padding, float *out);

#endif
