/* Rows to whole numbers, in one body for every vector width. A file of kernels includes this once, after
 * it has said what a vector is, as for vector.h (vec, WIDTH, set, mul_add, least, most, where_less,
 * load, store), and
 *   fold_least(x), fold_most(x)  the smallest and the largest lane
 *   swapped(x, h)                lanes i and i ^ h exchanged, h < WIDTH a power of two
 *   store_bytes(u, left, x)      the low bytes of the first left lanes, or of all
 *   store_shorts(q, left, x)     the low 16 bits likewise */
#ifndef EMB_INT8_ROWS_H
#define EMB_INT8_ROWS_H

#include "kernels.h"

/* Of all numbers so far, and 0; none becomes NaN where one is not finite */
typedef struct {
    vec lowest, highest, none;
} extent;

#define TWICE(...) __VA_ARGS__, __VA_ARGS__
static const float lane_signs[4][EMB_LANES] = {/* -1 where a lane's number has the bit */
    {TWICE(TWICE(TWICE(1, -1)))}, {TWICE(TWICE(1, 1, -1, -1))}, {TWICE(1, 1, 1, 1, -1, -1, -1, -1)},
    {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1}};

enum { MOST_PARTS = 8, MOST_VECTORS = EMB_LANES / WIDTH };

/* Places i and i + h of some vectors, h = 1, 2, 4, 8: sums and differences */
INLINE void turn_places(const int h, const int vectors, vec x[MOST_VECTORS])
{
    const float *const signs = lane_signs[h < 8 ? h / 2 : 3];

#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        const int other = v + h / WIDTH;
        if (h < WIDTH) {
            x[v] = mul_add(x[v], load(signs, WIDTH), swapped(x[v], h));
        } else if (!(v & h / WIDTH)) {
            const vec sum = x[v] + x[other];
            x[other] = x[v] - x[other];
            x[v] = sum;
        }
    }
}

/* y = x * factors turned: as many places as some vectors have, or left, of parts that are length apart, each
 * near places turned among each other; extends e */
INLINE void turn_block(const int parts, const int near, const int vectors, int64_t length, int64_t left,
                       const float *x, const float *factors, float *y, extent *e)
{
    vec v[MOST_PARTS][MOST_VECTORS];

#pragma GCC unroll 8
    for (int p = 0; p < parts; p++)
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++) {
            const int64_t at = p * length + j * WIDTH;
            v[p][j] = load(x + at, left - j * WIDTH);
            if (factors) v[p][j] = v[p][j] * load(factors + at, left - j * WIDTH);
        }
#pragma GCC unroll 3
    for (int h = 1; h < parts; h *= 2)
#pragma GCC unroll 8
        for (int p = 0; p < parts; p++) {
            if (p & h)
                continue;
#pragma GCC unroll 4
            for (int j = 0; j < vectors; j++) {
                const vec sum = v[p][j] + v[p + h][j];
                v[p + h][j] = v[p][j] - v[p + h][j];
                v[p][j] = sum;
            }
        }
#pragma GCC unroll 8
    for (int p = 0; p < parts; p++) {
#pragma GCC unroll 4
        for (int h = 1; h < near; h *= 2) turn_places(h, vectors, v[p]);
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++) {
            store(y + p * length + j * WIDTH, left - j * WIDTH, v[p][j]);
            e->lowest = least(v[p][j], e->lowest);
            e->highest = most(v[p][j], e->highest);
            e->none = mul_add(v[p][j], set(0.0f), e->none);
        }
    }
}

INLINE extent turn_parts(const int parts, const int near, int64_t length, const float *x,
                         const float *factors, float *y)
{
    const int vectors = near > WIDTH ? near / WIDTH : 1, step = vectors * WIDTH;
    const bool whole = near >= WIDTH; /* places are whole vectors then */
    extent e = {set(0.0f), set(0.0f), set(0.0f)};

    for (int64_t i = 0; i < length; i += step)
        turn_block(parts, near, vectors, length, whole ? step : length - i, x + i,
                   factors ? factors + i : NULL, y + i, &e);
    return e;
}

/* The same where so few numbers are turned at once that they do not fill a vector, nor matter much */
static extent turn_few(int64_t k, const float *x, const float *factors, float *row)
{
    for (int64_t i = 0; i < k; i++) row[i] = factors ? x[i] * factors[i] : x[i];
    for (int64_t h = k / emb_int8_parts(k); h < k; h *= 2) emb_int8_turn_level(k, h, row);
    return turn_parts(1, 1, k, row, NULL, row);
}

/* row = x * factors turned; its smallest and largest number, and 0; infinite where one is not finite */
static void turn(int64_t k, const float *x, const float *factors, float *row, float *low, float *high)
{
    const int64_t length = k / emb_int8_far_parts(k);
    extent e;

    switch (emb_int8_parts(k)) {
    case 128: e = turn_parts(8, 16, length, x, factors, row); break;
    case 64: e = turn_parts(8, 8, length, x, factors, row); break;
    case 32: e = turn_parts(8, 4, length, x, factors, row); break;
    case 16: e = turn_parts(8, 2, length, x, factors, row); break;
    case 8: e = turn_parts(8, 1, length, x, factors, row); break;
    default: e = turn_few(k, x, factors, row); break;
    }
    e.none = where_less(e.none, set(1.0f), set(0.0f), set(1.0f));
    *low = fold_least(e.lowest);
    *high = fold_most(e.none) > 0.0f ? INFINITY : fold_most(e.highest);
}

INLINE void store_some(const bool shorts, int64_t left, const float *row, emb_int8_steps s, char *out)
{
    const vec x = mul_add(load(row, left), set(s.inverse), set(s.offset));
    if (shorts) store_shorts(out, left, x);
    else store_bytes(out, left, x);
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
    int64_t i = 0;
    for (; i + WIDTH <= k; i += WIDTH) store_some(shorts, WIDTH, row + i, s, p + i * size);
    if (i < k) store_some(shorts, k - i, row + i, s, p + i * size);
    for (i = k * size; i < depth * size; i++) p[i] = 0;
}

static void quantize_rows(int64_t m, int64_t k, const float *x, int64_t ldx, const float *factors,
                          float *rows, const emb_rows_i8 *out, const emb_rows_i16 *fine)
{
    float low[EMB_INT8_TOGETHER], high[EMB_INT8_TOGETHER];

    for (int64_t first = 0; first < m; first += EMB_INT8_TOGETHER) {
        const int64_t count = EMB_MIN(m - first, EMB_INT8_TOGETHER);
        for (int64_t i = 0; i < count; i++)
            turn(k, x + (first + i) * ldx, factors, rows + i * k, low + i, high + i);
        for (int64_t i = 0; i < count; i++) {
            const emb_int8_steps s = emb_int8_of_activations(low[i], high[i]);
            const int64_t r = first + i;
            out->scales[r] = s.scale;
            out->zeros[r] = s.zero - EMB_INT8_MIDDLE;
            store_whole(false, k, emb_int8_depth(k), rows + i * k, s, out->data + r * out->ld);
            if (!fine)
                continue;
            const emb_int8_steps t = emb_int16_of_activations(low[i], high[i], k);
            fine->scales[r] = t.scale;
            store_whole(true, k, emb_int16_depth(k), rows + i * k, t, fine->data + r * fine->ld);
        }
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
                                 const float *factors, float *rows, const emb_rows_i8 *out,         \
                                 const emb_rows_i16 *fine)                                          \
    {                                                                                               \
        quantize_rows(m, k, x, ldx, factors, rows, out, fine);                                      \
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
