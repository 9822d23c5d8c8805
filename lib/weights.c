/* Weights: found, checked, widened, and laid out for the GEMM backend. */
#include "weights.h"

#include <stdio.h>

enum { NAME_SIZE = 256 };

static int32_t fail(emb_loader *l, int32_t status)
{
    if (l->status == EMBED_OK) l->status = status;
    return status;
}

/* name with its ending replaced: "x.weight" -> "x.gamma". false: no such ending. */
static bool with_suffix(const char *name, const char *suffix, const char *other,
                        char out[NAME_SIZE])
{
    size_t n = strlen(name), s = strlen(suffix);
    if (n < s || strcmp(name + n - s, suffix) != 0) return false;
    snprintf(out, NAME_SIZE, "%.*s%s", (int)(n - s), name, other);
    return true;
}

static const emb_tensor *find_prefixed(const emb_loader *l, const char *name)
{
    char full[NAME_SIZE];
    snprintf(full, sizeof full, "%s%s", l->prefix, name);
    const emb_tensor *t = emb_weights_find(l->weights, full);
    return t || !*l->prefix ? t : emb_weights_find(l->weights, name);
}

const emb_tensor *emb_load_find(const emb_loader *l, const char *name)
{
    char legacy[NAME_SIZE];
    const emb_tensor *t = find_prefixed(l, name);
    if (!t && strstr(name, "LayerNorm")) { /* checkpoints that came from TensorFlow */
        if (with_suffix(name, ".weight", ".gamma", legacy)) t = find_prefixed(l, legacy);
        else if (with_suffix(name, ".bias", ".beta", legacy)) t = find_prefixed(l, legacy);
    }
    return t;
}

const emb_tensor *emb_load_tensor(emb_loader *l, const char *name, int32_t rank,
                                  const int64_t *shape)
{
    if (l->status < 0) return NULL;
    emb_shape_text expected = emb_shape_of(shape, rank);
    const emb_tensor *t = emb_load_find(l, name);
    if (!t) {
        fail(l, emb_fail(l->error, EMBED_ETENSOR,
                         "%s: tensor \"%s%s\"%s: expected shape %s, found no such tensor",
                         emb_weights_name(l->weights), l->prefix, name,
                         *l->prefix ? " (or without that prefix)" : "", expected.text));
        return NULL;
    }
    if (t->rank != rank || memcmp(t->shape, shape, (size_t)rank * sizeof *shape) != 0) {
        fail(l, emb_fail(l->error, EMBED_ETENSOR, "%s: tensor \"%s\": expected shape %s, found %s",
                         t->file, t->name, expected.text, emb_shape_of(t->shape, t->rank).text));
        return NULL;
    }
    if (t->dtype > EMB_F64) {
        fail(l, emb_fail(l->error, EMBED_ETENSOR,
                         "%s: tensor \"%s\": expected F32, F16, BF16 or F64, found %s", t->file,
                         t->name, emb_dtype_name(t->dtype)));
        return NULL;
    }
    return t;
}

void emb_widen_rows(const emb_kernels *k, const emb_tensor *t, int64_t columns, int64_t first,
                    int64_t count, float *out)
{
    int64_t at = first * columns, n = count * columns;
    switch (t->dtype) {
    case EMB_F16: k->widen_f16(n, t->data + 2 * at, out); break;
    case EMB_BF16: k->widen_bf16(n, t->data + 2 * at, out); break;
    case EMB_F64: k->narrow_f64(n, t->data + 8 * at, out); break;
    default: memcpy(out, t->data + 4 * at, 4 * (size_t)n); break;
    }
}

static float *take(emb_loader *l, const char *name, size_t floats)
{
    float *data = l->status == EMBED_OK ? emb_alloc(l->allocator, floats, sizeof *data) : NULL;
    if (data) l->bytes += floats * sizeof *data;
    else if (l->status == EMBED_OK)
        fail(l, emb_fail(l->error, EMBED_ENOMEM, "%s: tensor \"%s\": out of memory for %zu numbers",
                         emb_weights_name(l->weights), name, floats));
    return data;
}

const float *emb_load_floats(emb_loader *l, const char *name, int64_t rows, int64_t columns)
{
    int64_t shape[2] = {rows, columns};
    const emb_tensor *t = emb_load_tensor(l, name, columns ? 2 : 1, shape);
    if (!t) return NULL;
    int64_t n = rows * EMB_MAX(columns, 1); /* both are at most EMB_SIZE_MAX */
    float *data = take(l, name, (size_t)n);
    if (!data) return NULL;
    emb_widen_rows(l->kernels, t, n, 0, 1, data);
    l->parameters += n;
    return data;
}

/* ---- matrices ---------------------------------------------------------------- */

/* Rows first .. first + n - 1 of a matrix from a tensor [n][k], some panels at a time. */
static void fill(emb_loader *l, const emb_tensor *t, emb_matrix *matrix, int64_t first, int64_t n)
{
    enum { ROWS = 4 * EMB_PANEL };
    bool in_place = t->dtype == EMB_F32 && (uintptr_t)t->data % _Alignof(float) == 0;
    if (in_place) {
        emb_matrix_fill(l->gemm, l->kernels, matrix, first, n,
                        (const float *)(const void *)t->data);
    } else {
        float *rows = emb_alloc(l->allocator, (size_t)ROWS * (size_t)matrix->k, sizeof *rows);
        if (!rows) {
            fail(l, emb_fail(l->error, EMBED_ENOMEM, "%s: tensor \"%s\": out of memory", t->file,
                             t->name));
            return;
        }
        for (int64_t at = 0; at < n; at += ROWS) {
            int64_t count = EMB_MIN(n - at, ROWS);
            emb_widen_rows(l->kernels, t, matrix->k, at, count, rows);
            emb_matrix_fill(l->gemm, l->kernels, matrix, first + at, count, rows);
        }
        emb_free(l->allocator, rows);
    }
    l->parameters += n * matrix->k;
}

void emb_load_stacked(emb_loader *l, const char *const *names, int64_t parts, int64_t part,
                      int64_t out, int64_t in, emb_linear *linear)
{
    char name[NAME_SIZE];
    size_t floats;
    if (l->status < 0) return;
    if (!emb_matrix_floats(l->gemm, parts * part, in, &floats)) {
        fail(l, emb_fail(l->error, EMBED_ENOMEM, "%s: tensor \"%s.weight\": too large",
                         emb_weights_name(l->weights), names[0]));
        return;
    }
    linear->weight = (emb_matrix){parts * part, in, take(l, names[0], floats)};
    float *bias = take(l, names[0], (size_t)(parts * part));
    linear->bias = bias;
    if (part != out && l->status == EMBED_OK) { /* rows that pad each part */
        memset(linear->weight.data, 0, floats * sizeof(float));
        memset(bias, 0, (size_t)(parts * part) * sizeof *bias);
    }
    for (int64_t i = 0; i < parts && l->status == EMBED_OK; i++) {
        int64_t shape[2] = {out, in};
        snprintf(name, sizeof name, "%s.weight", names[i]);
        const emb_tensor *t = emb_load_tensor(l, name, 2, shape);
        if (t) fill(l, t, &linear->weight, i * part, out);
        snprintf(name, sizeof name, "%s.bias", names[i]);
        t = emb_load_tensor(l, name, 1, shape);
        if (!t) return;
        emb_widen_rows(l->kernels, t, out, 0, 1, bias + i * part);
        l->parameters += out;
    }
}

void emb_load_linear(emb_loader *l, const char *name, int64_t out, int64_t in, bool has_bias,
                     emb_activation act, emb_linear *linear)
{
    char full[NAME_SIZE];
    int64_t shape[2] = {out, in};
    size_t floats;
    linear->act = act;
    snprintf(full, sizeof full, "%s.weight", name);
    const emb_tensor *t = emb_load_tensor(l, full, 2, shape);
    if (!t) return;
    if (!emb_matrix_floats(l->gemm, out, in, &floats)) {
        fail(l, emb_fail(l->error, EMBED_ENOMEM, "%s: tensor \"%s\": too large", t->file, t->name));
        return;
    }
    linear->weight = (emb_matrix){out, in, take(l, full, floats)};
    if (!linear->weight.data) return;
    fill(l, t, &linear->weight, 0, out);
    snprintf(full, sizeof full, "%s.bias", name);
    if (has_bias) linear->bias = emb_load_floats(l, full, out, 0);
}

void emb_load_norm(emb_loader *l, const char *name, int64_t size, double eps, emb_norm *norm)
{
    char full[NAME_SIZE];
    norm->eps = (float)eps;
    snprintf(full, sizeof full, "%s.weight", name);
    norm->gamma = emb_load_floats(l, full, size, 0);
    snprintf(full, sizeof full, "%s.bias", name);
    norm->beta = emb_load_floats(l, full, size, 0);
}

/* ---- back to the allocator ----------------------------------------------------- */

void emb_floats_free(const float *floats, const emb_allocator *a)
{
    emb_free(a, (void *)(uintptr_t)floats);
}

void emb_linear_free(emb_linear *linear, const emb_allocator *a)
{
    emb_free(a, linear->weight.data);
    emb_floats_free(linear->bias, a);
}

void emb_norm_free(emb_norm *norm, const emb_allocator *a)
{
    emb_floats_free(norm->gamma, a);
    emb_floats_free(norm->beta, a);
}
