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
} emb_device;
void emb_parallel(const emb_device *d, embed_task_fn task, void *arg, int64_t count);

typedef struct emb_linear {
    emb_matrix weight;  /* [out][in] */
    const float *bias;  /* [out], or NULL */
    emb_activation act; /* after the bias */
} emb_linear;
/* y[rows][ldy] = act(x[rows][ldx] W^T + bias) */
void emb_linear_run(const emb_device *d, const emb_linear *l, int64_t rows, const float *x,
                    int64_t ldx, float *y, int64_t ldy);
/* The same without bias and activation, for a consumer that fuses them (emb_norm_run adds
 * linear->bias). */
void emb_linear_product(const emb_device *d, const emb_linear *l, int64_t rows, const float *x,
                        int64_t ldx, float *y, int64_t ldy);

typedef struct emb_norm { /* LayerNorm */
    const float *gamma, *beta; /* [size]; beta may be NULL */
    float eps;
} emb_norm;
/* y = norm(x + bias + residual); bias and residual may be NULL */
void emb_norm_run(const emb_device *d, const emb_norm *n, int64_t rows, int64_t size,
                  const float *x, const float *bias, const float *residual, float *y);

/* context[tokens][heads*head_dim] = softmax(scale Q K^T) V, per sequence and head; q, k, v are
 * columns of qkv[tokens][ld]: head h of q at q + h*head_dim. scratch: emb_attention_scratch
 * bytes per thread. */
typedef struct emb_attention {
    int64_t heads, head_dim;
    float scale;
} emb_attention;
size_t emb_attention_scratch(const emb_attention *a, int64_t max_tokens); /* bytes, of one thread */
void emb_attention_run(const emb_device *d, const emb_attention *a, int64_t sequences,
                       const int64_t *starts,
                       const float *q, const float *k, const float *v, int64_t ld, float *context,
                       int64_t ldc, void *scratch, size_t scratch_per_thread);

/* Pooling (EMBED_POOL_*, but DEFAULT and POOLER) of one sequence, hidden[tokens][ld] -> out[size].
 * Sums in double, in token order. mask NULL: all 1. padding: rows before the text's first token,
 * which WEIGHTED leaves out of its count. false: no tokens, or another pooling. */
bool emb_pool_one(int32_t pooling, int64_t tokens, int64_t size, const float *hidden, int64_t ld,
                  const int32_t *mask, int64_t padding, float *out);

#endif
