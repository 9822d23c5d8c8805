/* Rows to whole numbers, in one body for every vector width. A file of kernels includes this once, after
 * it has said what a vector is, as for vector.h (vec, WIDTH, set, mul_add, least, most, where_less,
 * load, store), and
 *   fold_least(x), fold_most(x)  the smallest and the largest lane
 *   store_bytes(u, left, x)      the low bytes of the first left lanes, or of all
 *   store_shorts(q, left, x)     the low 16 bits likewise */
#ifndef EMB_INT8_ROWS_H
#define EMB_INT8_ROWS_H

#include "kernels.h"

/* Of all numbers so far, and 0; none becomes NaN where one is not finite */
typedef struct {
    vec lowest, highest, none;
} extent;

/* The steps h = 1, 2, ... count / 2 of turning, over count parts of length numbers: x * factors -> y. These
 * extend e, if it is given. */
INLINE void turn_parts(const int count, int64_t length, const float *x, const float *factors,
                       float *y, extent *e)
{
    extent all = e ? *e : (extent){0};

    for (int64_t i = 0; i < length; i += WIDTH) {
        const int64_t left = length - i;
        vec v[8];
#pragma GCC unroll 8
        for (int p = 0; p < count; p++) {
            v[p] = load(x + p * length + i, left);
            if (factors) v[p] = v[p] * load(factors + p * length + i, left);
        }
#pragma GCC unroll 3
        for (int h = 1; h < count; h *= 2)
#pragma GCC unroll 8
            for (int p = 0; p < count; p++)
                if (!(p & h)) {
                    const vec sum = v[p] + v[p + h];
                    v[p + h] = v[p] - v[p + h];
                    v[p] = sum;
                }
#pragma GCC unroll 8
        for (int p = 0; p < count; p++) store(y + p * length + i, left, v[p]);
        if (!e)
            continue;
#pragma GCC unroll 8
        for (int p = 0; p < count; p++) {
            all.lowest = least(v[p], all.lowest);
            all.highest = most(v[p], all.highest);
            all.none = mul_add(v[p], set(0.0f), all.none);
        }
    }
    if (e) *e = all;
}

static void turn_up_to_8(int64_t count, int64_t length, const float *x, const float *factors,
                         float *y, extent *e)
{
    switch (count) {
    case 8: turn_parts(8, length, x, factors, y, e); break;
    case 4: turn_parts(4, length, x, factors, y, e); break;
    case 2: turn_parts(2, length, x, factors, y, e); break;
    default: turn_parts(1, length, x, factors, y, e); break;
    }
}

/* row = x * factors turned: up to eight neighbouring parts at a time, then up to eight of what these
 * left. Its smallest and largest number, and 0; infinite where one is not finite */
static void turn(int64_t k, const float *x, const float *factors, float *row, float *low, float *high)
{
    const int64_t parts = emb_int8_parts(k), few = EMB_MIN(parts, 8), size = k / parts * few;
    const vec zero = set(0.0f);
    extent e = {zero, zero, zero};
    const bool done = parts == few;

    for (int64_t i = 0; i < k; i += size)
        turn_up_to_8(few, size / few, x + i, factors ? factors + i : NULL, row + i, done ? &e : NULL);
    if (!done) turn_up_to_8(parts / few, size, row, NULL, row, &e);
    e.none = where_less(e.none, set(1.0f), zero, set(1.0f));
    *low = fold_least(e.lowest);
    *high = fold_most(e.none) > 0.0f ? INFINITY : fold_most(e.highest);
}

/* row[k] as whole numbers, of 16 bits if they are shorts, and zeros up to depth; out may be row */
INLINE void store_whole(const bool shorts, int64_t k, int64_t depth, const float *row, emb_int8_steps s,
                        void *out)
{
    const int64_t size = shorts ? 2 : 1;
    char *p = out;

    if (!(s.inverse > 0)) {
        memset(p, 0, (size_t)(depth * size));
        return;
    }
    for (int64_t i = 0; i < k; i += WIDTH) {
        const vec x = mul_add(load(row + i, k - i), set(s.inverse), set(s.offset));
        if (shorts) store_shorts(p + i * 2, k - i, x);
        else store_bytes(p + i, k - i, x);
    }
    for (int64_t i = k * size; i < depth * size; i++) p[i] = 0;
}

static void quantize_rows(int64_t m, int64_t k, const float *x, int64_t ldx, const float *factors,
                          float *row, const emb_rows_i8 *out, const emb_rows_i16 *fine)
{
    for (int64_t r = 0; r < m; r++, x += ldx) {
        float low, high;

        turn(k, x, factors, row, &low, &high);
        const emb_int8_steps s = emb_int8_of_activations(low, high);
        out->scales[r] = s.scale;
        out->zeros[r] = s.zero;
        store_whole(false, k, emb_int8_depth(k), row, s, out->data + r * out->ld);
        if (!fine)
            continue;
        const emb_int8_steps t = emb_int16_of_activations(low, high, k);
        fine->scales[r] = t.scale;
        store_whole(true, k, emb_int16_depth(k), row, t, fine->data + r * fine->ld);
    }
}

/* Both kinds of panels are rows of sixteen times four bytes: numbers of each output. */
static void pack_row(int64_t depth_bytes, const void *row, int64_t output, void *data)
{
    char *p = (char *)data + output / EMB_PANEL * EMB_PANEL * depth_bytes + output % EMB_PANEL * 4;

    for (int64_t i = 0; i < depth_bytes; i += 4)
        memcpy(p + i * EMB_PANEL, (const char *)row + i, 4);
}

static void pack_rows_i8(int64_t n, int64_t k, const float *b, int64_t ldb, const float *factors,
                         float *row, const emb_panels_i8 *w)
{
    const int64_t depth = emb_int8_depth(k), outputs = (n + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL;

    for (int64_t j = 0; j < outputs; j++) {
        const int8_t *q = (const int8_t *)(const void *)row;
        float low = 0.0f, high = 0.0f;
        int32_t sum = 0;

        if (j < n) turn(k, b + j * ldb, factors, row, &low, &high);
        const emb_int8_steps s = emb_int8_of_weights(low, high, k);
        store_whole(false, k, depth, row, s, row);
        for (int64_t i = 0; i < depth; i++) sum += q[i];
        pack_row(depth, row, j, w->data);
        w->scales[j] = s.scale;
        w->sums[j] = sum;
    }
}

static void pack_rows_i16(int64_t n, int64_t k, const float *b, int64_t ldb, const float *factors,
                          float *row, const emb_panels_i16 *w)
{
    const int64_t depth = emb_int16_depth(k), outputs = (n + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL;

    for (int64_t j = 0; j < outputs; j++) {
        float low = 0.0f, high = 0.0f;

        if (j < n) turn(k, b + j * ldb, factors, row, &low, &high);
        const emb_int8_steps s = emb_int16_of_weights(low, high, k);
        store_whole(true, k, depth, row, s, row);
        pack_row(2 * depth, row, j, w->data);
        w->scales[j] = s.scale;
    }
}

/* The entries of emb_kernels that all this makes */
#define EMB_ROWS_OF(isa)                                                                            \
    void emb_quantize_rows_##isa(int64_t m, int64_t k, const float *x, int64_t ldx,                 \
                                 const float *factors, float *row, const emb_rows_i8 *out,          \
                                 const emb_rows_i16 *fine)                                          \
    {                                                                                               \
        quantize_rows(m, k, x, ldx, factors, row, out, fine);                                       \
    }                                                                                               \
    void emb_pack_rows_i8_##isa(int64_t n, int64_t k, const float *b, int64_t ldb,                  \
                                const float *factors, float *row, const emb_panels_i8 *w)           \
    {                                                                                               \
        pack_rows_i8(n, k, b, ldb, factors, row, w);                                                \
    }                                                                                               \
    void emb_pack_rows_i16_##isa(int64_t n, int64_t k, const float *b, int64_t ldb,                 \
                                 const float *factors, float *row, const emb_panels_i16 *w)         \
    {                                                                                               \
        pack_rows_i16(n, k, b, ldb, factors, row, w);                                               \
    }

#endif
