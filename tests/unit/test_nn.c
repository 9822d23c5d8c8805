/* Layers: against naive double versions, and the promise that neither threads nor batch neighbours
 * change a bit: the parallel functions used here run the tasks backwards, or on real threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "../../lib/nn/nn.h"

static uint64_t state = 88172645463325252u;

static float uniform(float size)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(state >> 32) * 0x1p-31f * size;
}

static float *numbers(int64_t n, float size)
{
    float *x = emb_calloc(&emb_libc_allocator, (size_t)n, sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++)
        x[i] = uniform(size);
    return x;
}

static void release(void *p)
{
    emb_free(&emb_libc_allocator, p);
}

static void backwards(void *user, embed_task_fn task, void *arg, int64_t count)
{
    ++*(int64_t *)user;
    while (count-- > 0)
        task(arg, count);
}

static int64_t parallel_calls;

static emb_device device(int32_t threads)
{
    emb_device d = {.kernels = emb_kernels_for(NULL),
                    .parallel = threads > 1 ? backwards : NULL,
                    .parallel_user = &parallel_calls,
                    .threads = threads};
    assert_int_equal(emb_gemm_for(EMBED_GEMM_PACKED, &d.gemm, NULL), EMBED_OK);
    return d;
}

/* ---- attention ------------------------------------------------------------------------------- */

typedef struct {
    int64_t heads, dim, keys; /* keys: heads of keys and values */
    bool causal;
    int64_t window, sequences, lengths[7];
} attention_case;

typedef struct {
    int64_t heads, dim, keys, sequences, tokens, ld;
    bool causal;
    int64_t window;
    int64_t starts[8];
    float *qkv;
} batch;

static batch make_batch(const attention_case *c)
{
    batch b = {.heads = c->heads,
               .dim = c->dim,
               .keys = c->keys ? c->keys : c->heads,
               .sequences = c->sequences,
               .ld = 3 * c->heads * c->dim + 5,
               .causal = c->causal,
               .window = c->window};

    for (int64_t s = 0; s < b.sequences; s++)
        b.starts[s + 1] = b.tokens += c->lengths[s];
    b.qkv = numbers(b.tokens * b.ld, 3.0f); /* large enough for attention to be peaked */
    return b;
}

static float *attend_on(emb_device d, const batch *b, int64_t first, int64_t sequences)
{
    const emb_attention a = {.heads = b->heads,
                             .head_dim = b->dim,
                             .key_heads = b->keys == b->heads ? 0 : b->keys,
                             .scale = (float)(1.0 / sqrt((double)b->dim)),
                             .causal = b->causal,
                             .window = b->window};
    const int64_t hidden = b->heads * b->dim;
    const size_t scratch = emb_attention_scratch(&a, b->tokens);
    char *memory = emb_calloc(&emb_libc_allocator, (size_t)d.threads, scratch);
    float *context = numbers(b->tokens * hidden, 1.0f);

    assert_non_null(memory);
    emb_attention_run(&d, &a, NULL, sequences, b->starts + first, b->qkv, b->qkv + hidden,
                      b->qkv + 2 * hidden, b->ld, context, hidden, memory, scratch);
    release(memory);
    return context;
}

static float *attend(const batch *b, int64_t first, int64_t sequences, int32_t threads)
{
    return attend_on(device(threads), b, first, sequences);
}

static bool is_seen(const batch *b, int64_t query, int64_t key)
{
    const int64_t distance = query > key ? query - key : key - query;

    return (!b->causal || key <= query) && (!b->window || distance < b->window);
}

/* One row of one head in double, and the largest |v|, which the error is measured by. */
static double exact_context(const batch *b, int64_t sequence, int64_t token, int64_t head,
                            double *out)
{
    const int64_t start = b->starts[sequence], tokens = b->starts[sequence + 1] - start;
    const int64_t hidden = b->heads * b->dim;
    const float *q = b->qkv + token * b->ld + head * b->dim;
    const int64_t column = hidden + head * b->keys / b->heads * b->dim;
    double *p = malloc((size_t)tokens * sizeof *p), largest = -INFINITY, sum = 0, size = 0;

    assert_non_null(p);
    for (int64_t t = 0; t < tokens; t++) {
        const float *k = b->qkv + (start + t) * b->ld + column;
        p[t] = 0;
        for (int64_t i = 0; i < b->dim; i++)
            p[t] += (double)q[i] * (double)k[i] / sqrt((double)b->dim);
        if (!is_seen(b, token - start, t))
            p[t] = -INFINITY;
        largest = fmax(largest, p[t]);
    }
    for (int64_t t = 0; t < tokens; t++)
        sum += p[t] = exp(p[t] - largest);
    for (int64_t i = 0; i < b->dim; i++) {
        out[i] = 0;
        for (int64_t t = 0; t < tokens; t++) {
            const float *v = b->qkv + (start + t) * b->ld + hidden + column;
            out[i] += p[t] / sum * (double)v[i];
            size = fmax(size, fabs((double)v[i]));
        }
    }
    free(p);
    return size;
}

static const attention_case batches[] = {
    {1, 1, 0, false, 0, 1, {1}},
    {12, 32, 0, false, 0, 3, {17, 1, 64}},
    {6, 20, 0, false, 0, 4, {3, 2, 49, 100}},
    {1, 120, 0, false, 0, 1, {300}},
    {2, 64, 0, false, 0, 2, {511, 5}},
    {4, 32, 2, false, 0, 2, {130, 7}},
    {3, 20, 1, true, 0, 3, {1, 193, 400}},
    {2, 32, 0, true, 31, 3, {300, 30, 3}},
    {2, 16, 0, false, 65, 3, {300, 48, 65}},
    {4, 12, 2, false, 1, 1, {100}},
};

static void attention_is_accurate(void **unused)
{
    (void)unused;
    for (int64_t c = 0; c < EMB_COUNT(batches); c++) {
        batch b = make_batch(&batches[c]);
        float *context = attend(&b, 0, b.sequences, 1);

        for (int64_t s = 0; s < b.sequences; s++)
            for (int64_t t = b.starts[s]; t < b.starts[s + 1]; t++)
                for (int64_t h = 0; h < b.heads; h++) {
                    double exact[128];
                    const double size = exact_context(&b, s, t, h, exact);
                    const float *found = context + (t * b.heads + h) * b.dim;
                    for (int64_t i = 0; i < b.dim; i++)
                        assert_true(fabs((double)found[i] - exact[i]) <= 2e-5 * size);
                }
        release(context);
        release(b.qkv);
    }
}

static void attention_is_the_same_in_any_cut(void **unused)
{
    (void)unused;
    for (int64_t c = 0; c < EMB_COUNT(batches); c++) {
        batch b = make_batch(&batches[c]);
        const size_t row = (size_t)(b.heads * b.dim) * sizeof(float);
        float *one = attend(&b, 0, b.sequences, 1);

        for (int32_t threads = 2; threads <= 7; threads++) {
            float *many = attend(&b, 0, b.sequences, threads);
            assert_memory_equal(one, many, (size_t)b.tokens * row);
            release(many);
        }
        for (int64_t s = 0; s < b.sequences; s++) { /* each sequence alone */
            float *alone = attend(&b, s, 1, 1);
            const int64_t at = b.starts[s] * b.heads * b.dim;
            assert_memory_equal(one + at, alone + at,
                                (size_t)(b.starts[s + 1] - b.starts[s]) * row);
            release(alone);
        }
        release(one);
        release(b.qkv);
    }
}

static void attention_on_real_threads(void **unused)
{
    static const int64_t lengths[] = {60, 100, 80, 90, 70, 110};
    const int32_t threads = 4;
    attention_case c = {.heads = 6, .dim = 32, .sequences = EMB_COUNT(lengths)};
    memcpy(c.lengths, lengths, sizeof lengths);
    batch b = make_batch(&c);
    float *one = attend(&b, 0, b.sequences, 1);
    emb_pool *pool = emb_calloc(&emb_libc_allocator, 1, emb_pool_size(threads));
    emb_device d = device(threads);

    (void)unused;
    assert_non_null(pool);
    emb_pool_start(pool, threads);
    d.parallel = emb_pool_run;
    d.parallel_user = pool;
    for (int round = 0; round < 20; round++) {
        float *many = attend_on(d, &b, 0, b.sequences);
        assert_memory_equal(one, many, (size_t)(b.tokens * b.heads * b.dim) * sizeof *one);
        release(many);
    }
    emb_pool_stop(pool);
    release(pool);
    release(one);
    release(b.qkv);
}

/* ---- what is added to scores ------------------------------------------------------------------ */

enum { REL_HEADS = 3, REL_DIM = 20, REL_TOKENS = 130, REL_SIDE = 9, REL_REACH = 25 };

/* Disentangled: tables of 2 * REL_SIDE rows; a row covers up to three distances. */
typedef struct {
    float *keys, *queries, *panels, slopes[REL_HEADS];
    int32_t rows[2 * REL_REACH + 1];
    emb_relative_positions relative;
} relative_case;

static relative_case make_relative(emb_relative_kind kind, bool by_key, bool by_query)
{
    const int64_t hidden = REL_HEADS * REL_DIM, rows = 2 * REL_SIDE, padded = 32;
    const emb_kernels *kernels = emb_kernels_for(NULL);
    relative_case r = {.keys = numbers(rows * hidden, 1.5f),
                       .queries = numbers(rows * hidden, 1.5f),
                       .panels = numbers(padded * hidden, 0),
                       .slopes = {0.5f, 0.125f, 0.03f}};

    for (int64_t h = 0; h < REL_HEADS; h++)
        kernels->pack_rows_f32(rows, REL_DIM, r.keys + h * REL_DIM, hidden,
                               r.panels + h * padded * REL_DIM);
    for (int64_t d = -REL_REACH; d <= REL_REACH; d++) {
        const int64_t far = d < 0 ? -d : d, bucket = EMB_MIN(far <= 4 ? far : 4 + (far - 2) / 3, REL_SIDE);
        r.rows[REL_REACH + d] =
            (int32_t)EMB_MIN(REL_SIDE + (d < 0 ? -bucket : bucket), 2 * REL_SIDE - 1);
    }
    r.relative = (emb_relative_positions){.kind = kind,
                                          .reach = REL_REACH,
                                          .keys = by_query ? r.panels : NULL,
                                          .queries = by_key ? r.queries : NULL,
                                          .table_rows = padded,
                                          .ld = hidden};
    return r;
}

/* The score of a query and a key of one text in double, before softmax. */
static double exact_score(const relative_case *r, const float *qkv, int64_t ld, int64_t head,
                          int64_t query, int64_t key)
{
    const int64_t hidden = REL_HEADS * REL_DIM, distance = query - key;
    const int64_t near = EMB_MAX(EMB_MIN(distance, REL_REACH), -REL_REACH);
    const int64_t at = r->rows[REL_REACH + near] * hidden + head * REL_DIM;
    const float *q = qkv + query * ld + head * REL_DIM, *k = qkv + key * ld + hidden + head * REL_DIM;
    double score = 0;

    for (int64_t i = 0; i < REL_DIM; i++) {
        score += (double)q[i] * (double)k[i];
        if (r->relative.keys) score += (double)q[i] * (double)r->keys[at + i];
        if (r->relative.queries) score += (double)k[i] * (double)r->queries[at + i];
    }
    score *= 0.125;
    if (r->relative.kind == EMB_RELATIVE_SLOPES)
        score -= (double)r->slopes[head] * fabs((double)distance);
    return score;
}

static void check_relative(relative_case *r, const float *qkv, int64_t ld, const float *context)
{
    const int64_t hidden = REL_HEADS * REL_DIM;

    for (int64_t head = 0; head < REL_HEADS; head++)
        for (int64_t query = 0; query < REL_TOKENS; query++) {
            double p[REL_TOKENS], largest = -INFINITY, sum = 0;

            for (int64_t key = 0; key < REL_TOKENS; key++)
                largest = fmax(largest, p[key] = exact_score(r, qkv, ld, head, query, key));
            for (int64_t key = 0; key < REL_TOKENS; key++)
                sum += p[key] = exp(p[key] - largest);
            for (int64_t i = 0; i < REL_DIM; i++) {
                double exact = 0;
                for (int64_t key = 0; key < REL_TOKENS; key++)
                    exact += p[key] / sum * (double)qkv[key * ld + 2 * hidden + head * REL_DIM + i];
                assert_true(fabs((double)context[query * hidden + head * REL_DIM + i] - exact) < 6e-5);
            }
        }
}

static void relative_scores_are_accurate(void **unused)
{
    static const struct { emb_relative_kind kind; bool by_key, by_query; } kinds[] = {
        {EMB_RELATIVE_SLOPES, false, false},
        {EMB_RELATIVE_DISENTANGLED, true, true},
        {EMB_RELATIVE_DISENTANGLED, true, false},
        {EMB_RELATIVE_DISENTANGLED, false, true},
    };
    const int64_t hidden = REL_HEADS * REL_DIM, ld = 3 * hidden + 7, starts[] = {0, REL_TOKENS};
    float *qkv = numbers(REL_TOKENS * ld, 2.0f);

    (void)unused;
    for (int64_t c = 0; c < EMB_COUNT(kinds); c++)
        for (int32_t threads = 1; threads <= 5; threads += 4) {
            relative_case r = make_relative(kinds[c].kind, kinds[c].by_key, kinds[c].by_query);
            const emb_attention a = {.heads = REL_HEADS, .head_dim = REL_DIM, .scale = 0.125f,
                                     .has_relative = true, .relative_rows = r.relative.table_rows};
            const size_t scratch = emb_attention_scratch(&a, REL_TOKENS);
            char *memory = emb_calloc(&emb_libc_allocator, (size_t)threads, scratch);
            float *context = numbers(REL_TOKENS * hidden, 1.0f);
            emb_device d = device(threads);

            r.relative.rows = r.rows; /* what points into r itself */
            r.relative.table = r.slopes;
            emb_attention_run(&d, &a, &r.relative, 1, starts, qkv, qkv + hidden, qkv + 2 * hidden, ld,
                              context, hidden, memory, scratch);
            check_relative(&r, qkv, ld, context);
            release(memory);
            release(context);
            release(r.keys);
            release(r.queries);
            release(r.panels);
        }
    release(qkv);
}

static void attention_scratch_grows_and_overflows(void **unused)
{
    const emb_attention a = {.heads = 12, .head_dim = 64, .scale = 0.125f};
    size_t last = 0;

    (void)unused;
    for (int64_t tokens = 1; tokens < 600; tokens++) {
        const size_t size = emb_attention_scratch(&a, tokens);
        assert_true(size >= last && size % 64 == 0);
        last = size;
    }
    assert_true(emb_attention_scratch(&a, INT64_MAX / 64) == SIZE_MAX);
}

/* ---- linear and norm ------------------------------ */

static void linear_is_the_same_in_any_cut(void **unused)
{
    static const struct { int64_t rows, in, out; } shapes[] = {
        {1, 33, 5}, {7, 120, 120}, {16, 384, 1152}, {300, 384, 200}, {1100, 64, 512},
    };
    (void)unused;
    for (int64_t s = 0; s < EMB_COUNT(shapes); s++) {
        const int64_t rows = shapes[s].rows, in = shapes[s].in, out = shapes[s].out;
        float *x = numbers(rows * in, 1), *w = numbers(out * in, 1), *bias = numbers(out, 1);
        float *one = numbers(rows * out, 1), *many = numbers(rows * out, 1);
        emb_linear l = {{.n = out, .k = in}, bias, EMB_ACT_GELU};
        emb_device d = device(1);
        size_t floats;

        assert_true(emb_matrix_floats(d.gemm, EMB_STORED_F32, out, in, &floats));
        l.weight.data = numbers((int64_t)floats, 0);
        emb_matrix_fill(d.gemm, d.kernels, &l.weight, 0, out, w);
        emb_linear_run(&d, &l, rows, x, in, one, out);
        for (int64_t i = 0; i < rows; i += 1 + rows / 10)
            for (int64_t j = 0; j < out; j++) {
                double y = (double)bias[j];
                for (int64_t k = 0; k < in; k++)
                    y += (double)x[i * in + k] * (double)w[j * in + k];
                y *= 0.5 * erfc(-y * sqrt(0.5));
                assert_true(fabs((double)one[i * out + j] - y) <= 1e-4);
            }
        for (int32_t threads = 2; threads <= 9; threads++) {
            d = device(threads);
            parallel_calls = 0;
            emb_linear_run(&d, &l, rows, x, in, many, out);
            assert_true(out < 128 || parallel_calls == 1);
            assert_memory_equal(one, many, (size_t)(rows * out) * sizeof *one);
        }
        emb_linear_product(&d, &l, rows, x, in, many, out);
        d.kernels->bias_act_f32(rows, out, many, out, bias, l.act);
        assert_memory_equal(one, many, (size_t)(rows * out) * sizeof *one);
        release(x);
        release(w);
        release(bias);
        release(one);
        release(many);
        release(l.weight.data);
    }
}

static void norm_is_the_same_in_any_cut(void **unused)
{
    const int64_t rows = 100, size = 120;
    float *x = numbers(rows * size, 2), *r = numbers(rows * size, 2), *bias = numbers(size, 1);
    float *gamma = numbers(size, 1), *beta = numbers(size, 1), *one = numbers(rows * size, 1);
    const emb_norm n = {EMB_LAYER_NORM, gamma, beta, 1e-12f};
    emb_device d = device(1);

    (void)unused;
    emb_norm_run(&d, &n, rows, size, x, bias, r, one);
    for (int64_t row = 0; row < rows; row++) {
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < size; i++)
            mean += (double)(x[row * size + i] + bias[i] + r[row * size + i]) / (double)size;
        for (int64_t i = 0; i < size; i++) {
            const double e = (double)(x[row * size + i] + bias[i] + r[row * size + i]) - mean;
            variance += e * e / (double)size;
        }
        for (int64_t i = 0; i < size; i++) {
            const double e = (double)(x[row * size + i] + bias[i] + r[row * size + i]) - mean;
            assert_true(fabs(e / sqrt(variance) * (double)gamma[i] + (double)beta[i] -
                             (double)one[row * size + i]) <= 1e-6);
        }
    }
    d = device(5);
    emb_norm_run(&d, &n, rows, size, x, bias, r, r); /* in place of the residual */
    assert_memory_equal(one, r, (size_t)(rows * size) * sizeof *r);
    emb_norm_run(&d, &n, 0, size, x, bias, r, r); /* no rows */
    release(x);
    release(r);
    release(bias);
    release(gamma);
    release(beta);
    release(one);
}

/* ---- pooling ------------------------------ */

static void pooling(void **unused)
{
    /* two used of three */
    static const float hidden[4][3] = {{1, -2, 9}, {2, 4, 9}, {4, -8, 9}, {8, 16, 9}};
    static const int32_t mask[4] = {0, 1, 1, 0}, empty[4] = {0, 0, 0, 0};
    static const struct {
        int32_t pooling;
        float all[2], masked[2], none[2];
    } cases[] = {
        {EMBED_POOL_CLS, {1, -2}, {2, 4}, {1, -2}},
        {EMBED_POOL_MEAN, {3.75f, 2.5f}, {3, -2}, {0, 0}},
        {EMBED_POOL_MAX, {8, 16}, {4, 4}, {-INFINITY, -INFINITY}},
        {EMBED_POOL_LAST, {8, 16}, {4, -8}, {0, 0}},
        {EMBED_POOL_WEIGHTED, {4.9f, 4.6f}, {10.0f / 3, -4}, {0, 0}},
        {EMBED_POOL_SQRT_LEN, {7.5f, 5}, {4.2426405f, -2.828427f}, {0, 0}},
        {EMBED_POOL_MEAN_ALL, {3.75f, 2.5f}, {3.75f, 2.5f}, {3.75f, 2.5f}},
    };
    float out[3] = {0, 0, 77};

    (void)unused;
    for (int64_t i = 0; i < EMB_COUNT(cases); i++) {
        assert_true(emb_pool_one(cases[i].pooling, 4, 2, hidden[0], 3, NULL, 0, out));
        assert_memory_equal(out, cases[i].all, sizeof cases[i].all);
        assert_true(emb_pool_one(cases[i].pooling, 4, 2, hidden[0], 3, mask, 1, out));
        assert_memory_equal(out, cases[i].masked, sizeof cases[i].masked);
        assert_true(emb_pool_one(cases[i].pooling, 4, 2, hidden[0], 3, empty, 0, out));
        assert_memory_equal(out, cases[i].none, sizeof cases[i].none);
        assert_false(emb_pool_one(cases[i].pooling, 0, 2, hidden[0], 3, NULL, 0, out));
    }
    assert_true(out[2] == 77);
    assert_false(emb_pool_one(EMBED_POOL_POOLER, 4, 2, hidden[0], 3, NULL, 0, out));
}

/* Positions are counted from behind the padding, and tokens of a prompt that the mask leaves out count. */
static void weighted_positions(void **unused)
{
    static const float hidden[4][2] = {{1, -2}, {2, 4}, {4, -8}, {8, 16}};
    static const struct {
        int32_t mask[4];
        int64_t padding;
        float out[2]; /* sentence-transformers' */
    } cases[] = {
        {{1, 1, 1, 1}, 0, {4.9f, 4.6f}},
        {{0, 1, 1, 1}, 0, {16.0f / 3, 16.0f / 3}}, /* a prompt */
        {{0, 1, 1, 1}, 1, {17.0f / 3, 6}},         /* padding */
        {{0, 0, 1, 1}, 1, {6.4f, 6.4f}},           /* padding and a prompt */
    };
    float out[2];

    (void)unused;
    for (int64_t i = 0; i < EMB_COUNT(cases); i++) {
        assert_true(emb_pool_one(EMBED_POOL_WEIGHTED, 4, 2, hidden[0], 2, cases[i].mask,
                                 cases[i].padding, out));
        assert_memory_equal(out, cases[i].out, sizeof out);
    }
}

static void mean_adds_in_double(void **unused)
{
    const int64_t tokens = 1001, size = 130; /* more columns than are summed at once */
    float *hidden = numbers(tokens * size, 1), *out = numbers(size, 1);

    (void)unused;
    hidden[0] = 1e8f;
    assert_true(emb_pool_one(EMBED_POOL_MEAN, tokens, size, hidden, size, NULL, 0, out));
    for (int64_t i = 0; i < size; i++) {
        double sum = 0;
        for (int64_t t = 0; t < tokens; t++)
            sum += (double)hidden[t * size + i];
        assert_true(out[i] == (float)(sum / (double)tokens));
    }
    release(hidden);
    release(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_is_accurate),
        cmocka_unit_test(attention_is_the_same_in_any_cut),
        cmocka_unit_test(attention_on_real_threads),
        cmocka_unit_test(relative_scores_are_accurate),
        cmocka_unit_test(attention_scratch_grows_and_overflows),
        cmocka_unit_test(linear_is_the_same_in_any_cut),
        cmocka_unit_test(norm_is_the_same_in_any_cut),
        cmocka_unit_test(pooling),
        cmocka_unit_test(weighted_positions),
        cmocka_unit_test(mean_adds_in_double),
    };
    return cmocka_run_group_tests_name("nn", tests, NULL, NULL);
}
