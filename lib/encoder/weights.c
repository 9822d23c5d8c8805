/* Weights: found, checked, widened, and laid out for the GEMM backend. */
#include "weights.h"

#include <math.h>
#include <stdio.h>

enum { NAME_SIZE = EMB_NAME_SIZE };

static int32_t fail(emb_loader *l, int32_t status)
{
    return emb_load_failed(l, status);
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

/* Does a tensor have this shape, but for dimensions of 1 before it? */
static bool has_shape(const emb_tensor *t, int32_t rank, const int64_t *shape)
{
    int32_t skip = 0, more = 0;
    while (skip < t->rank - 1 && t->shape[skip] == 1) skip++;
    while (more < rank - 1 && shape[more] == 1) more++;
    return t->rank - skip == rank - more &&
           memcmp(t->shape + skip, shape + more, (size_t)(rank - more) * sizeof *shape) == 0;
}

/* The tensor of a name, its shape and type checked. */
static const emb_tensor *load_tensor(emb_loader *l, const char *name, int32_t rank,
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
    if (!has_shape(t, rank, shape)) {
        fail(l, emb_fail(l->error, EMBED_ETENSOR, "%s: tensor \"%s\": expected shape %s, found %s",
                         t->file, t->name, expected.text, emb_shape_of(t->shape, t->rank).text));
        return NULL;
    }
    if (t->dtype > EMB_F64 && !(l->whole_numbers && t->dtype == EMB_I8)) {
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
    case EMB_I8:
        for (int64_t i = 0; i < n; i++) out[i] = (float)(int8_t)t->data[at + i];
        break;
    default: memcpy(out, t->data + 4 * at, 4 * (size_t)n); break;
    }
}

void emb_round(const emb_kernels *k, emb_storage storage, int64_t n, float *floats)
{
    enum { STEP = 64 };
    uint16_t halves[STEP];
    for (int64_t i = 0; i < n && storage != EMB_STORED_F32; i += STEP) {
        int64_t count = EMB_MIN(n - i, STEP);
        (storage == EMB_STORED_F16 ? k->narrow_f16 : k->narrow_bf16)(count, floats + i, halves);
        (storage == EMB_STORED_F16 ? k->widen_f16 : k->widen_bf16)(count, halves, floats + i);
    }
}

/* NULL: a failure, or only counting. */
static float *take(emb_loader *l, const char *name, size_t floats)
{
    float *data;
    if (l->status < 0) return NULL;
    data = l->arena ? emb_arena_take(l->arena, floats, sizeof *data)
                    : emb_alloc(l->allocator, floats, sizeof *data);
    if (data) l->bytes += floats * sizeof *data;
    else if (!l->arena || l->arena->failed)
        fail(l, emb_fail(l->error, EMBED_ENOMEM, "%s: tensor \"%s\": out of memory for %zu numbers",
                         emb_weights_name(l->weights), name, floats));
    return data;
}

const float *emb_load_floats(emb_loader *l, const char *name, int64_t rows, int64_t columns)
{
    int64_t shape[2] = {rows, columns};
    int32_t rank = columns ? 2 : 1;
    int64_t n = rows * EMB_MAX(columns, 1); /* both are at most EMB_SIZE_MAX */
    const void *data = NULL;
    if (!l->prepared) {
        const emb_tensor *t = load_tensor(l, name, rank, shape);
        float *floats = t ? take(l, name, (size_t)n) : NULL;
        if (!floats) return NULL;
        emb_widen_rows(l->kernels, t, n, 0, 1, floats);
        data = floats;
    }
    l->parameters += n;
    emb_load_piece(l, name, "", EMB_F32, rank, shape, columns ? rows : 1, columns ? columns : rows, &data);
    return data;
}

const emb_tensor *emb_load_table(emb_loader *l, const char *name, int64_t rows, int64_t columns,
                                 emb_storage *storage)
{
    const int64_t shape[2] = {rows, columns};
    const emb_tensor *t = l->prepared ? l->status < 0 ? NULL : emb_load_find(l, name)
                                      : load_tensor(l, name, 2, shape);
    const bool bf16 = l->weights_kind == EMBED_WEIGHTS_BF16;
    *storage = EMB_STORED_F32;
    l->parameters += rows * columns;
    if (!t && l->prepared)
        fail(l, emb_fail(l->error, EMBED_ETENSOR, "%s: tensor \"%s%s\": expected a table, found none",
                         emb_weights_name(l->weights), l->prefix, name));
    if (!t) return NULL;
    emb_dtype from = t->dtype, dtype = from;
    const bool whole = l->whole_numbers && from == EMB_I8;
    if (l->weights_kind != EMBED_WEIGHTS_F32 && !whole) dtype = bf16 ? EMB_BF16 : EMB_F16;
    if (dtype != from) *storage = bf16 ? EMB_STORED_BF16 : EMB_STORED_F16;
    const void *data = t->data;
    const size_t bytes = l->bytes, before = l->pieces ? l->pieces->list.size : 0;
    if (dtype > EMB_F64 && !whole) dtype = EMB_F32; /* found in a single-file model, and refused here */
    emb_load_piece(l, name, "", dtype, 2, shape, rows, columns, &data);
    if (l->pieces && l->pieces->list.size > before)
        ((emb_piece *)(void *)(l->pieces->list.data + before))->from = from;
    l->bytes = bytes;
    return l->status < 0 ? NULL : t;
}

/* ---- matrices ---------------------------------------------------------------- */

static void put(const emb_loader *l, emb_matrix *matrix, int64_t first, int64_t count,
                const float *rows, float *row)
{
    if (matrix->whole) emb_int8_fill(l->kernels, matrix, first, count, rows, row);
    else emb_matrix_fill(l->gemm, l->kernels, matrix, first, count, rows);
}

/* Weights of count outputs from `from` on: rows of a tensor, or its columns; out[count][k]. */
static void read_outputs(const emb_loader *l, const emb_tensor *t, int64_t k, int64_t from,
                         int64_t count, float *out)
{
    enum { MOST = 4 * EMB_PANEL };
    float row[MOST];
    if (!l->transposed) {
        emb_widen_rows(l->kernels, t, k, from, count, out);
        return;
    }
    for (int64_t i = 0; i < k; i++) {
        emb_widen_rows(l->kernels, t, 1, i * t->shape[t->rank - 1] + from, count, row);
        for (int64_t j = 0; j < count; j++) out[j * k + i] = row[j];
    }
}

/* Rows first .. first + n - 1 of a matrix from rows from .. of a tensor, some panels at a time. */
static void fill(emb_loader *l, const emb_tensor *t, emb_matrix *matrix, int64_t first,
                 int64_t from, int64_t n)
{
    enum { ROWS = 4 * EMB_PANEL };
    int64_t k = matrix->k;
    bool as_it_is = t->dtype == EMB_F32 && (uintptr_t)t->data % _Alignof(float) == 0 && !l->transposed;
    size_t rows = as_it_is ? 1 : 1 + ROWS;
    float *row = emb_alloc(l->allocator, rows * (size_t)k, sizeof *row);
    if (!row) {
        fail(l, emb_fail(l->error, EMBED_ENOMEM, "%s: tensor \"%s\": out of memory", t->file,
                         t->name));
        return;
    }
    if (as_it_is)
        put(l, matrix, first, n, (const float *)(const void *)t->data + from * k, row);
    for (int64_t at = 0; !as_it_is && at < n; at += ROWS) {
        int64_t count = EMB_MIN(n - at, ROWS);
        read_outputs(l, t, k, from + at, count, row + k);
        put(l, matrix, first + at, count, row + k, row);
    }
    emb_free(l->allocator, row);
}

/* A weight [rows][in], or [in][rows] where they are transposed: a matrix, or what flattens to one row by
 * row (a Conv2d's kernel). */
static const emb_tensor *find_weight(emb_loader *l, const char *name, int64_t rows, int64_t in)
{
    int64_t shape[2] = {l->transposed ? in : rows, l->transposed ? rows : in};
    size_t n = 1;
    bool fits = true;
    const emb_tensor *t = l->status == EMBED_OK ? emb_load_find(l, name) : NULL;
    if (!t || t->rank < 3 || l->transposed) return load_tensor(l, name, 2, shape);
    for (int32_t i = 1; i < t->rank && fits; i++) fits = emb_mul(n, (size_t)t->shape[i], &n);
    return fits && t->shape[0] == rows && n == (size_t)in 
               ? load_tensor(l, name, t->rank, t->shape)
               : load_tensor(l, name, 2, shape);
}

/* Channels that a norm makes large become smaller in activations and larger in weights, by the root
 * of its gamma (where that is near zero, of a little): factors[2][k]. */
static void balance(const float *gamma, int64_t k, float *factors)
{
    float largest = 0;
    for (int64_t i = 0; i < k; i++) largest = EMB_MAX(largest, fabsf(gamma[i]));
    float least = largest > 0 ? largest / 64 : 1;
    for (int64_t i = 0; i < k; i++) {
        float root = sqrtf(EMB_MAX(fabsf(gamma[i]), least));
        factors[k + i] = root;
        factors[i] = 1 / root;
    }
}

/* Two matrices of parts of one tensor are known by where they begin. */
static void name_parts(const emb_part *parts, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "%s", parts[0].weight);
    size_t n = strlen(name);
    if (parts[0].first)
        snprintf(name + n, NAME_SIZE - n, ":%lld", (long long)parts[0].first);
}

/* Does a pattern of n characters fit the last parts of a name? Parts lie between points; * is any one. */
static bool fits_last_parts(const char *pattern, size_t n, const char *name, size_t size)
{
    while (n) {
        size_t p = n, s = size;
        while (p && pattern[p - 1] != '.') p--;
        while (s && name[s - 1] != '.') s--;
        bool any = n - p == 1 && pattern[p] == '*';
        if (!size || (!any && (n - p != size - s || memcmp(pattern + p, name + s, n - p) != 0)))
            return false;
        n = p ? p - 1 : 0;
        size = s ? s - 1 : 0;
    }
    return true;
}

/* What a part is called: its tensor without ".weight". */
static void name_product(const emb_loader *l, const emb_part *part, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "%s%s", l->prefix, part->weight);
    char *dot = strrchr(name, '.');
    if (dot && strcmp(dot, ".weight") == 0) *dot = 0;
}

/* Is it a product that was asked to stay as it is? */
static bool keeps_float(emb_loader *l, const emb_part *parts, int64_t count)
{
    char name[NAME_SIZE];
    bool found = false;
    bool *kept = l->kept;
    for (const char *p = l->keep_float; p && *p; kept++) {
        size_t n = strcspn(p, ",");
        for (int64_t i = 0; n && i < count; i++) {
            name_product(l, &parts[i], name);
            if (fits_last_parts(p, n, name, strlen(name))) *kept = found = true;
        }
        p += n + (p[n] == ',');
    }
    return found;
}

static void note_product(emb_loader *l, const emb_part *part)
{
    char name[NAME_SIZE];
    name_product(l, part, name);
    emb_buffer_add(l->products, name, strlen(name) + 1);
    if (l->products->failed)
        fail(l, emb_fail(l->error, EMBED_ENOMEM, "out of memory for the names of products"));
}

/* Does a single-file model have a product as whole numbers? */
static bool stored_whole(const emb_loader *l, const emb_part *parts)
{
    char name[NAME_SIZE];
    name_parts(parts, name);
    const emb_tensor *t = find_prefixed(l, name);
    return !t || t->dtype == EMB_I8;
}

/* Outputs of the first parts that become whole numbers of 8 bits; 0: the matrix stays as it is. */
static int64_t count_whole(emb_loader *l, const emb_part *parts, int64_t count, int64_t in)
{
    int64_t whole = 0;
    if (!l->int8 || in > EMB_INT8_MAX_K) return 0;
    if (l->prepared ? !stored_whole(l, parts) : keeps_float(l, parts, count)) return 0;
    for (int64_t i = 0; i < count && !parts[i].exact; i++)
        whole += count > 1 ? emb_whole_panels(parts[i].out) : parts[i].out;
    return whole;
}

/* Outputs of a part in a matrix of count parts. */
static int64_t padded(const emb_part *part, int64_t count)
{
    return count > 1 ? emb_whole_panels(part->out) : part->out;
}

/* Make a matrix, and its bias, of the tensors of its parts. */
static void make_matrix(emb_loader *l, const emb_part *parts, int64_t count, size_t floats,
                        bool has_bias, emb_linear *linear)
{
    const bool whole = linear->weight.whole > 0;
    const char *name = parts[0].weight;
    const int64_t n = linear->weight.n, in = linear->weight.k;
    float *memory = take(l, name, floats);
    float *bias = has_bias ? take(l, name, (size_t)n) : NULL;
    float *factors = whole ? take(l, name, 2 * (size_t)in) : NULL;
    linear->weight.data = memory;
    linear->bias = bias;
    if (!memory || (has_bias && !bias) || (whole && !factors)) return;
    for (int64_t i = 0; i < count; i++)
        if (padded(&parts[i], count) != parts[i].out) memset(memory, 0, floats * sizeof *memory);
    if (whole) emb_int8_place(&linear->weight, memory);
    if (whole && l->gamma) {
        balance(l->gamma, in, factors);
        linear->weight.factors = factors;
    }
    if (bias) memset(bias, 0, (size_t)n * sizeof *bias);
    for (int64_t i = 0, at = 0; i < count && l->status == EMBED_OK; at += padded(&parts[i++], count)) {
        const emb_part *p = &parts[i];
        const emb_tensor *t = find_weight(l, p->weight, p->rows, in);
        fill(l, t, &linear->weight, at, p->first, p->out);
        t = p->bias ? load_tensor(l, p->bias, 1, &p->rows) : NULL;
        if (t) emb_widen_rows(l->kernels, t, 1, p->first, p->out, bias + at);
    }
}

void emb_load_parts(emb_loader *l, const emb_part *parts, int64_t count, int64_t in,
                    emb_linear *linear)
{
    size_t floats;
    int64_t whole = count_whole(l, parts, count, in), n = 0, numbers = 0;
    bool has_bias = false;
    char name[NAME_SIZE];
    if (l->status < 0) return;
    for (int64_t i = 0; i < count; i++) {
        if (parts[i].bias) has_bias = true;
        if (!l->prepared && !find_weight(l, parts[i].weight, parts[i].rows, in)) return;
        numbers += parts[i].out * (in + (parts[i].bias != NULL));
        n += padded(&parts[i], count);
    }
    linear->weight = (emb_matrix){.n = n, .k = in, .storage = l->storage, .whole = whole};
    if (!(whole ? emb_int8_floats(&linear->weight, &floats)
                : emb_matrix_floats(l->gemm, l->storage, n, in, &floats))) {
        fail(l, emb_fail(l->error, EMBED_ENOMEM, "%s: tensor \"%s\": too large",
                         emb_weights_name(l->weights), parts[0].weight));
        return;
    }
    if (!l->prepared) make_matrix(l, parts, count, floats, has_bias, linear);
    if (!l->prepared && !linear->weight.data) return;
    name_parts(parts, name);
    emb_matrix_pieces(l, name, l->gamma != NULL, has_bias, linear);
    if (whole) note_product(l, parts);
    l->parameters += numbers;
}

void emb_load_linear(emb_loader *l, const char *name, int64_t out, int64_t in, bool has_bias,
                     emb_activation act, emb_linear *linear)
{
    char weight[NAME_SIZE], bias[NAME_SIZE];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    linear->act = act;
    const emb_part whole = {weight, has_bias ? bias : NULL, 0, out, out, false};
    emb_load_parts(l, &whole, 1, in, linear);
}

void emb_load_norm(emb_loader *l, const char *name, int64_t size, emb_norm_kind kind, double eps,
                   emb_norm *norm)
{
    char full[NAME_SIZE];
    norm->kind = kind;
    norm->eps = (float)eps;
    snprintf(full, sizeof full, "%s.weight", name);
    float *gamma = (float *)(uintptr_t)emb_load_floats(l, full, size, 0);
    norm->gamma = gamma;
    for (int64_t i = 0; kind == EMB_RMS_NORM_OFFSET && gamma && !l->prepared && i < size; i++) gamma[i] += 1;
    if (kind != EMB_LAYER_NORM) return;
    snprintf(full, sizeof full, "%s.bias", name);
    norm->beta = emb_load_floats(l, full, size, 0);
}

/* ---- back to the allocator ----------------------------------------------------- */

void emb_floats_free(const float *floats, const emb_allocator *owner)
{
    if (owner) emb_free(owner, (void *)(uintptr_t)floats);
}

void emb_linear_free(const emb_linear *linear, const emb_allocator *owner)
{
    emb_floats_free(linear->weight.data, owner);
    emb_floats_free(linear->bias, owner);
}

void emb_norm_free(const emb_norm *norm, const emb_allocator *owner)
{
    emb_floats_free(norm->gamma, owner);
    emb_floats_free(norm->beta, owner);
}
