/* Every kernel of every instruction set this CPU has, against plain C bit by bit, on rows that
 * end at an unreadable page or begin after one; and plain C against double. SEED as first
 * argument repeats a run. */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../lib/kernels/kernels.h"

/* ---- random numbers and guarded memory ---------------------------------------------------- */

static uint64_t state;

static uint32_t random_bits(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

static int64_t below(int64_t n)
{
    return (int64_t)(random_bits() % (uint64_t)n);
}

static float uniform(float low, float high)
{
    return low + (high - low) * ((float)(random_bits() >> 8) * 0x1p-24f);
}

enum { PLAIN, SPECIAL }; /* SPECIAL: with denormals, infinities, NaN, -0 and every exponent */

static float value(int kind)
{
    static const float specials[] = {0.0f,    -0.0f,     1e-40f,   -1e-45f,  INFINITY, -INFINITY,
                                     NAN,     3e38f,     -3e38f,   88.8f,    -104.0f,  1.0f,
                                     -1.0f,   0x1p-126f, 15.0f,    -15.1f,   0x1p-24f, -88.0f};
    if (kind == SPECIAL && below(4) == 0)
        return specials[below(EMB_COUNT(specials))];
    if (kind == SPECIAL && below(4) == 0)
        return ldexpf(uniform(-1, 1), (int)below(250) - 125);
    return uniform(-4, 4);
}

enum { SLOTS = 8, SLOT_BYTES = 1 << 20 };
static char *slots[SLOTS];

static int map_slots(void **unused)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    (void)unused;
    for (int i = 0; i < SLOTS; i++) {
        char *p = mmap(NULL, SLOT_BYTES + 2 * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || mprotect(p, page, PROT_NONE) ||
            mprotect(p + page + SLOT_BYTES, page, PROT_NONE))
            return -1;
        slots[i] = p + page;
    }
    return 0;
}

/* Room for size bytes that ends at an unreadable page, begins after one, or begins 4 bytes
 * later. */
static void *guarded(int slot, size_t size)
{
    assert_true(size + 4 <= SLOT_BYTES);
    switch (below(3)) {
    case 0: return slots[slot] + SLOT_BYTES - size;
    case 1: return slots[slot];
    default: return slots[slot] + 4;
    }
}

/* ---- matrices with canaries between their rows ----------------------------------------------- */

typedef struct {
    float *data;
    int64_t rows, columns, ld;
    size_t floats;
} matrix;

static const uint32_t canary = 0x5aa5c33c;

static matrix make(int slot, int64_t rows, int64_t columns, int kind)
{
    matrix m = {NULL, rows, columns, columns + below(20), 0};
    m.floats = (size_t)((rows - 1) * m.ld + columns);
    m.data = guarded(slot, m.floats * 4);
    for (size_t i = 0; i < m.floats; i++)
        memcpy(m.data + i, &canary, 4);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            m.data[r * m.ld + c] = value(kind);
    return m;
}

static matrix copy_of(matrix m)
{
    float *data = malloc(m.floats * 4);
    assert_non_null(data);
    memcpy(data, m.data, m.floats * 4);
    m.data = data;
    return m;
}

static bool same(float a, float b)
{
    return (isnan(a) && isnan(b)) || !memcmp(&a, &b, 4);
}

/* found equals expected, the gaps of both still hold the canary; frees expected */
static void compare(const char *what, matrix found, matrix expected)
{
    for (size_t i = 0; i < found.floats; i++) {
        const int64_t row = (int64_t)i / found.ld, column = (int64_t)i % found.ld;
        if (column >= found.columns && memcmp(found.data + i, &canary, 4))
            fail_msg("%s: wrote past the end of row %ld, column %ld of %ld", what, (long)row,
                     (long)column, (long)found.columns);
        if (!same(found.data[i], expected.data[i]))
            fail_msg("%s: [%ld][%ld] of %ld x %ld: expected %a, found %a", what, (long)row,
                     (long)column, (long)found.rows, (long)found.columns, (double)expected.data[i],
                     (double)found.data[i]);
    }
    free(expected.data);
}

static int64_t some_columns(int64_t round)
{
    static const int64_t real[] = {312, 384, 768, 1024, 1536, 3072};
    return round < 80 ? round + 1 : real[round % EMB_COUNT(real)];
}
enum { ROUNDS = 92 };

/* 64-byte aligned room for panels, at the end of its slot or at its beginning */
static float *panels(int slot, int64_t n, int64_t k, size_t *floats)
{
    *floats = (size_t)((n + 15) / 16 * 16 * k);
    return (float *)(void *)(below(2) ? slots[slot] : slots[slot] + SLOT_BYTES - *floats * 4);
}

/* ---- one check for each entry of the table ------------------------------ */

static const emb_kernels *const plain = &emb_kernels_c;

static void check_pack(const emb_kernels *k, bool rows)
{
    for (int64_t round = 0; round < 200; round++) {
        const int64_t n = 1 + below(70), depth = 1 + below(90);
        const matrix b = rows ? make(0, n, depth, SPECIAL) : make(0, depth, n, SPECIAL);
        matrix found = {0}, expected;

        found.data = panels(1, n, depth, &found.floats);
        found.rows = 1;
        found.columns = found.ld = (int64_t)found.floats;
        memset(found.data, 0xff, found.floats * 4);
        expected = copy_of(found);
        if (rows) {
            k->pack_rows_f32(n, depth, b.data, b.ld, found.data);
            plain->pack_rows_f32(n, depth, b.data, b.ld, expected.data);
        } else {
            k->pack_columns_f32(depth, n, b.data, b.ld, found.data);
            plain->pack_columns_f32(depth, n, b.data, b.ld, expected.data);
        }
        compare(rows ? "pack_rows_f32" : "pack_columns_f32", found, expected);
    }
}

static void check_pack_rows(const emb_kernels *k)
{
    check_pack(k, true);
}

static void check_pack_columns(const emb_kernels *k)
{
    check_pack(k, false);
}

static void check_gemm(const emb_kernels *k)
{
    static const int64_t depths[] = {1, 2, 20, 255, 256, 257, 384, 511, 512, 513, 700};

    for (int64_t round = 0; round < 250; round++) {
        const int kind = round % 5 ? PLAIN : SPECIAL;
        const int64_t m = 1 + below(20), n = 1 + below(70);
        const int64_t depth = round % 2 ? depths[below(EMB_COUNT(depths))] : 1 + below(90);
        const matrix a = make(0, m, depth, kind), b = make(1, n, depth, kind);
        size_t floats;
        float *w = panels(2, n, depth, &floats);
        matrix found = make(3, m, n, SPECIAL), expected = copy_of(found);

        plain->pack_rows_f32(n, depth, b.data, b.ld, w);
        k->gemm_f32(m, n, depth, a.data, a.ld, w, found.data, found.ld);
        plain->gemm_f32(m, n, depth, a.data, a.ld, w, expected.data, expected.ld);
        compare("gemm_f32", found, expected);
    }
}

/* Weights of 16 bits are as good as the floats that they are widened to. */
static void check_gemm_16(const char *name,
                          void (*gemm)(int64_t, int64_t, int64_t, const float *, int64_t,
                                       const uint16_t *, float *, int64_t),
                          void (*narrow)(int64_t, const float *, uint16_t *),
                          void (*widen)(int64_t, const void *, float *))
{
    for (int64_t round = 0; round < 150; round++) {
        const int kind = round % 5 ? PLAIN : SPECIAL;
        const int64_t m = 1 + below(20), n = 1 + below(70);
        const int64_t depth = 1 + below(round % 4 ? 90 : 700);
        const matrix a = make(0, m, depth, kind), b = make(1, n, depth, kind);
        size_t floats;
        float *wide = panels(2, n, depth, &floats);
        matrix found = make(3, m, n, SPECIAL), expected = copy_of(found);
        uint16_t *w;

        plain->pack_rows_f32(n, depth, b.data, b.ld, wide);
        w = (uint16_t *)(void *)(slots[1] + SLOT_BYTES - floats * sizeof *w);
        narrow((int64_t)floats, wide, w);
        widen((int64_t)floats, w, wide);
        gemm(m, n, depth, a.data, a.ld, w, found.data, found.ld);
        plain->gemm_f32(m, n, depth, a.data, a.ld, wide, expected.data, expected.ld);
        compare(name, found, expected);
    }
}

static void check_gemm_f16(const emb_kernels *k)
{
    check_gemm_16("gemm_f16", k->gemm_f16, k->narrow_f16, plain->widen_f16);
}

static void check_gemm_bf16(const emb_kernels *k)
{
    check_gemm_16("gemm_bf16", k->gemm_bf16, k->narrow_bf16, plain->widen_bf16);
}

static void check_bias_act(const emb_kernels *k)
{
    for (int act = EMB_ACT_NONE; act <= EMB_ACT_SIGMOID; act++)
        for (int64_t round = 0; round < ROUNDS; round++) {
            const matrix bias = make(0, 1, some_columns(round), round % 2 ? PLAIN : SPECIAL);
            const float *b = round % 3 ? bias.data : NULL;
            matrix found = make(1, 1 + below(3), bias.columns, SPECIAL), expected = copy_of(found);

            k->bias_act_f32(found.rows, found.columns, found.data, found.ld, b,
                            (emb_activation)act);
            plain->bias_act_f32(found.rows, found.columns, expected.data, found.ld, b,
                                (emb_activation)act);
            compare("bias_act_f32", found, expected);
        }
}

static void check_norm(const emb_kernels *k, bool rms)
{
    for (int64_t round = 0; round < 4 * ROUNDS; round++) {
        const int64_t n = some_columns(round % ROUNDS), m = 1 + below(3);
        const int kind = round % 4 ? PLAIN : SPECIAL;
        const matrix x = make(0, m, n, kind), bias = make(1, 1, n, kind), r = make(2, m, n, kind);
        const matrix gamma = make(3, 1, n, kind), beta = make(4, 1, n, kind);
        const float *pb = below(2) ? bias.data : NULL, *pr = below(2) ? r.data : NULL;
        const float *pbeta = below(2) ? beta.data : NULL;
        const int place = (int)below(3); /* y is a matrix of its own, x, or the residual */
        matrix found = place == 1 ? x : place == 2 && pr ? r : make(5, m, n, SPECIAL);
        matrix expected = copy_of(found);
        const matrix x0 = copy_of(x), r0 = copy_of(r);

        if (rms) {
            plain->rmsnorm_f32(m, n, x0.data, x.ld, pb, pr ? r0.data : NULL, r.ld, gamma.data,
                               1e-12f, expected.data, expected.ld);
            k->rmsnorm_f32(m, n, x.data, x.ld, pb, pr, r.ld, gamma.data, 1e-12f, found.data,
                           found.ld);
        } else {
            plain->layernorm_f32(m, n, x0.data, x.ld, pb, pr ? r0.data : NULL, r.ld, gamma.data,
                                 pbeta, 1e-12f, expected.data, expected.ld);
            k->layernorm_f32(m, n, x.data, x.ld, pb, pr, r.ld, gamma.data, pbeta, 1e-12f,
                             found.data, found.ld);
        }
        compare(rms ? "rmsnorm_f32" : "layernorm_f32", found, expected);
        free(x0.data);
        free(r0.data);
    }
}

static void check_layernorm(const emb_kernels *k) { check_norm(k, false); }
static void check_rmsnorm(const emb_kernels *k) { check_norm(k, true); }

static void check_softmax(const emb_kernels *k)
{
    for (int64_t round = 0; round < 4 * ROUNDS; round++) {
        const int kind = round % 4 ? PLAIN : SPECIAL;
        matrix found = make(0, 1 + below(3), some_columns(round % ROUNDS), kind);
        matrix expected = copy_of(found), sums = make(1, 1, found.rows, PLAIN);
        matrix expected_sums = copy_of(sums);
        const float scale = below(2) ? 0.17677669f : uniform(-2, 12);

        /* a row with masked keys */
        for (int64_t i = 0; round % 3 == 0 && i < found.columns; i++)
            found.data[i] = expected.data[i] = below(3) ? -uniform(0, 50) : -INFINITY;
        k->softmax_f32(found.rows, found.columns, found.data, found.ld, scale, sums.data);
        plain->softmax_f32(found.rows, found.columns, expected.data, found.ld, scale,
                           expected_sums.data);
        compare("softmax_f32", found, expected);
        compare("softmax_f32 sums", sums, expected_sums);
    }
}

static void check_divide_rows(const emb_kernels *k)
{
    for (int64_t round = 0; round < ROUNDS; round++) {
        matrix found = make(0, 1 + below(5), some_columns(round), SPECIAL),
            expected = copy_of(found);
        const matrix divisors = make(1, 1, found.rows, SPECIAL);

        k->divide_rows_f32(found.rows, found.columns, found.data, found.ld, divisors.data);
        plain->divide_rows_f32(found.rows, found.columns, expected.data, found.ld, divisors.data);
        compare("divide_rows_f32", found, expected);
    }
}

static void check_add_rows(const emb_kernels *k)
{
    for (int64_t round = 0; round < 2 * ROUNDS; round++) {
        const int64_t n = some_columns(round % ROUNDS);
        const matrix a = make(0, 1, n, SPECIAL), b = make(1, 1, n, SPECIAL),
                     c = make(2, 1, n, SPECIAL);
        const float *pb = below(2) ? b.data : NULL, *pc = below(2) ? c.data : NULL;
        matrix found = round % 3 ? make(3, 1, n, PLAIN) : a, expected = copy_of(found);

        plain->add_rows_f32(n, a.data, pb, pc, expected.data);
        k->add_rows_f32(n, a.data, pb, pc, found.data);
        compare("add_rows_f32", found, expected);
    }
}

static void check_sum_squares(const emb_kernels *k)
{
    for (int64_t round = 0; round < 4 * ROUNDS; round++) {
        const matrix x = make(0, 1, some_columns(round % ROUNDS), round % 4 ? PLAIN : SPECIAL);
        const float found = k->sum_squares_f32(x.columns, x.data);
        const float expected = plain->sum_squares_f32(x.columns, x.data);
        if (!same(found, expected))
            fail_msg("sum_squares_f32: %ld: expected %a, found %a", (long)x.columns,
                     (double)expected, (double)found);
    }
}

static void check_scale(const emb_kernels *k)
{
    for (int64_t round = 0; round < ROUNDS; round++) {
        const matrix x = make(0, 1, some_columns(round), SPECIAL);
        const float divisor = value(SPECIAL);
        matrix found = round % 2 ? make(1, 1, x.columns, PLAIN) : x, expected = copy_of(found);

        plain->scale_f32(x.columns, x.data, divisor, expected.data);
        k->scale_f32(x.columns, x.data, divisor, found.data);
        compare("scale_f32", found, expected);
    }
}

static void check_add_block(const emb_kernels *k)
{
    for (int64_t round = 0; round < 2 * ROUNDS; round++) {
        const int64_t n = some_columns(round % ROUNDS), m = 1 + below(3);
        const matrix x = make(0, m, n, SPECIAL), bias = make(1, 1, n, SPECIAL);
        const matrix scale = make(2, 1, n, SPECIAL);
        const float *pb = below(2) ? bias.data : NULL, *ps = below(2) ? scale.data : NULL;
        matrix found = make(3, m, n, SPECIAL), expected = copy_of(found);

        plain->add_block_f32(m, n, x.data, x.ld, pb, ps, expected.data, found.ld);
        k->add_block_f32(m, n, x.data, x.ld, pb, ps, found.data, found.ld);
        compare("add_block_f32", found, expected);
    }
}

static void check_multiply(const emb_kernels *k)
{
    for (int64_t round = 0; round < ROUNDS; round++) {
        const matrix x = make(0, 1 + below(3), some_columns(round), SPECIAL);
        matrix found = make(1, x.rows, x.columns, SPECIAL), expected = copy_of(found);

        plain->multiply_f32(x.rows, x.columns, x.data, x.ld, expected.data, found.ld);
        k->multiply_f32(x.rows, x.columns, x.data, x.ld, found.data, found.ld);
        compare("multiply_f32", found, expected);
    }
}

static void check_add_scores(const emb_kernels *k)
{
    for (int64_t round = 0; round < ROUNDS; round++) {
        const matrix bias = make(0, 1 + below(3), some_columns(round), SPECIAL);
        const float scale = value(SPECIAL);
        matrix found = make(1, bias.rows, bias.columns, SPECIAL), expected = copy_of(found);

        plain->add_scores_f32(bias.rows, bias.columns, expected.data, found.ld, scale, bias.data,
                              bias.ld);
        k->add_scores_f32(bias.rows, bias.columns, found.data, found.ld, scale, bias.data, bias.ld);
        compare("add_scores_f32", found, expected);
    }
}

static void check_rope(const emb_kernels *k)
{
    for (int64_t round = 0; round < ROUNDS; round++) {
        const int64_t dim = 2 * (1 + below(40)), heads = 1 + below(4), m = 1 + below(5);
        const matrix flat = make(0, 1, m * dim, round % 4 ? PLAIN : SPECIAL);
        matrix found = make(1, m, heads * dim, SPECIAL), expected = copy_of(found);

        plain->rope_f32(m, heads, dim, flat.data, expected.data, found.ld);
        k->rope_f32(m, heads, dim, flat.data, found.data, found.ld);
        compare("rope_f32", found, expected);
    }
}

typedef void widen_fn(int64_t n, const void *x, float *y);

static void check_widen(const char *name, widen_fn *tested, widen_fn *reference, size_t size)
{
    for (int64_t round = 0; round < ROUNDS; round++) {
        const int64_t n = some_columns(round);
        const size_t bytes = (size_t)n * size, odd = (size_t)below(2);
        unsigned char *x = (unsigned char *)guarded(0, bytes + odd) + odd;
        matrix found = make(1, 1, n, PLAIN), expected = copy_of(found);

        for (size_t i = 0; i < bytes; i++)
            x[i] = (unsigned char)random_bits();
        for (int64_t i = 0; size == 8 && i < n; i++) { /* doubles that are floats or nearly */
            const double v = (double)value(SPECIAL) * (1.0 + uniform(-1, 1) * 0x1p-24);
            if (below(4))
                memcpy(x + 8 * i, &v, 8);
        }
        tested(n, x, found.data);
        reference(n, x, expected.data);
        compare(name, found, expected);
    }
}

static void check_widen_f16(const emb_kernels *k)
{
    static uint16_t all[65536];
    matrix found = make(1, 1, 65536, PLAIN), expected = copy_of(found);

    for (int i = 0; i < 65536; i++)
        all[i] = (uint16_t)i;
    k->widen_f16(65536, all, found.data);
    plain->widen_f16(65536, all, expected.data);
    compare("widen_f16", found, expected);
    check_widen("widen_f16", k->widen_f16, plain->widen_f16, 2);
}

static void check_widen_bf16(const emb_kernels *k)
{
    check_widen("widen_bf16", k->widen_bf16, plain->widen_bf16, 2);
}

static void check_narrow_f64(const emb_kernels *k)
{
    check_widen("narrow_f64", k->narrow_f64, plain->narrow_f64, 8);
}

/* Every number of 16 bits is itself; halfway to the next one the even one of the two is taken. */
static void check_narrow(const char *name, void (*narrow)(int64_t, const float *, uint16_t *),
                         void (*widen)(int64_t, const void *, float *), uint16_t infinity)
{
    static const float nan_at_the_end[] = {1.0f, NAN};
    uint16_t ends[2];

    for (uint32_t i = 0; i < 2u * infinity; i++) {
        const uint16_t sign = i & 1 ? 0x8000 : 0, low = (uint16_t)(i / 2), high = low + 1;
        const uint16_t stored[2] = {low | sign, high | sign}, even = low & 1 ? high : low;
        float x[2], halfway[3];
        uint16_t found[3];
        widen(2, stored, x);
        if (high == infinity) /* as far again as the number before */
            x[1] = low == 0x7bff ? copysignf(65536.0f, x[0]) : x[0];
        halfway[1] = x[0] + (x[1] - x[0]) / 2;
        halfway[0] = nextafterf(halfway[1], x[0]);
        halfway[2] = nextafterf(halfway[1], copysignf(INFINITY, x[0]));
        narrow(1, x, found);
        assert_int_equal(found[0], stored[0]);
        if (high == 0x7f80) /* of bf16: halfway to infinity is past the last float's half */
            continue;
        narrow(3, halfway, found);
        if (found[0] != stored[0] || found[1] != (even | sign) || found[2] != stored[1])
            fail_msg("%s: around %a: found %x %x %x", name, (double)halfway[1], found[0],
                     found[1], found[2]);
    }
    narrow(2, nan_at_the_end, ends);
    assert_true((ends[1] & 0x7fff) > infinity);
}

static void check_narrow_f16(const emb_kernels *k)
{
    check_narrow("narrow_f16", k->narrow_f16, plain->widen_f16, 0x7c00);
}

static void check_narrow_bf16(const emb_kernels *k)
{
    check_narrow("narrow_bf16", k->narrow_bf16, plain->widen_bf16, 0x7f80);
}

/* ---- pixels ---- */

static uint8_t *random_bytes(int slot, int64_t n)
{
    uint8_t *bytes = guarded(slot, (size_t)n);
    for (int64_t i = 0; i < n; i++) bytes[i] = below(8) ? (uint8_t)random_bits() : 255;
    return bytes;
}

static void check_transpose(const emb_kernels *k)
{
    for (int64_t round = 0; round < ROUNDS; round++) {
        const int64_t m = 1 + below(40), n = 1 + below(70), ldx = n + below(9), ldy = m + below(9);
        const int64_t size = (n - 1) * ldy + m;
        const uint8_t *x = random_bytes(0, (m - 1) * ldx + n);
        uint8_t *found = random_bytes(1, size), *expected = malloc((size_t)size);
        memcpy(expected, found, (size_t)size);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) expected[j * ldy + i] = x[i * ldx + j];
        k->transpose_u8(m, n, x, ldx, found, ldy);
        assert_memory_equal(found, expected, (size_t)size);
        free(expected);
    }
}

static void check_resample_u8(const emb_kernels *k)
{
    for (int64_t round = 0; round < ROUNDS; round++) {
        const int64_t n = 1 + below(200), taps = below(20), ldx = n + below(9);
        const uint8_t *x = random_bytes(0, taps ? (taps - 1) * ldx + n : 0);
        int32_t weights[20];
        uint8_t *found = random_bytes(1, n), *expected = malloc((size_t)n);
        for (int64_t t = 0; t < taps; t++)
            weights[t] = (int32_t)random_bits() >> (round % 2 ? 8 : 10);
        for (int64_t i = 0; i < n; i++) {
            int64_t sum = INT64_C(1) << 21;
            for (int64_t t = 0; t < taps; t++) sum += (int64_t)weights[t] * x[t * ldx + i];
            int32_t level = (int32_t)(uint32_t)sum >> 22;
            expected[i] = (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level);
        }
        k->resample_u8(n, taps, x, ldx, weights, found);
        assert_memory_equal(found, expected, (size_t)n);
        free(expected);
    }
}

static void check_resample_f32(const emb_kernels *k)
{
    for (int64_t round = 0; round < ROUNDS; round++) {
        const int64_t n = some_columns(round), taps = 1 + below(20);
        const matrix x = make(0, taps, n, round % 4 ? PLAIN : SPECIAL);
        const matrix weights = make(1, 1, taps, PLAIN);
        matrix found = make(2, 1, n, PLAIN), expected = copy_of(found);
        for (int64_t i = 0; i < n; i++) {
            expected.data[i] = 0.0f;
            for (int64_t t = 0; t < taps; t++)
                expected.data[i] = fmaf(weights.data[t], x.data[t * x.ld + i], expected.data[i]);
        }
        k->resample_f32(n, taps, x.data, x.ld, weights.data, found.data);
        compare("resample_f32", found, expected);
    }
}

static void check_look_up(const emb_kernels *k)
{
    for (int64_t round = 0; round < ROUNDS; round++) {
        const matrix table = make(0, 1, 256, SPECIAL);
        const int64_t n = some_columns(round);
        const uint8_t *x = random_bytes(1, n);
        matrix found = make(2, 1, n, PLAIN), expected = copy_of(found);
        for (int64_t i = 0; i < n; i++) expected.data[i] = table.data[x[i]];
        k->look_up_u8(n, x, table.data, found.data);
        compare("look_up_u8", found, expected);
    }
}

static const struct {
    size_t offset;
    void (*check)(const emb_kernels *k);
} checks[] = {
    {offsetof(emb_kernels, gemm_f32), check_gemm},
    {offsetof(emb_kernels, gemm_f16), check_gemm_f16},
    {offsetof(emb_kernels, gemm_bf16), check_gemm_bf16},
    {offsetof(emb_kernels, pack_rows_f32), check_pack_rows},
    {offsetof(emb_kernels, pack_columns_f32), check_pack_columns},
    {offsetof(emb_kernels, bias_act_f32), check_bias_act},
    {offsetof(emb_kernels, layernorm_f32), check_layernorm},
    {offsetof(emb_kernels, rmsnorm_f32), check_rmsnorm},
    {offsetof(emb_kernels, softmax_f32), check_softmax},
    {offsetof(emb_kernels, divide_rows_f32), check_divide_rows},
    {offsetof(emb_kernels, add_rows_f32), check_add_rows},
    {offsetof(emb_kernels, add_block_f32), check_add_block},
    {offsetof(emb_kernels, multiply_f32), check_multiply},
    {offsetof(emb_kernels, add_scores_f32), check_add_scores},
    {offsetof(emb_kernels, rope_f32), check_rope},
    {offsetof(emb_kernels, sum_squares_f32), check_sum_squares},
    {offsetof(emb_kernels, scale_f32), check_scale},
    {offsetof(emb_kernels, widen_f16), check_widen_f16},
    {offsetof(emb_kernels, widen_bf16), check_widen_bf16},
    {offsetof(emb_kernels, narrow_f64), check_narrow_f64},
    {offsetof(emb_kernels, narrow_f16), check_narrow_f16},
    {offsetof(emb_kernels, narrow_bf16), check_narrow_bf16},
    {offsetof(emb_kernels, transpose_u8), check_transpose},
    {offsetof(emb_kernels, resample_u8), check_resample_u8},
    {offsetof(emb_kernels, resample_f32), check_resample_f32},
    {offsetof(emb_kernels, look_up_u8), check_look_up},
};

/* Those of int8 have theirs in test_int8.c; pairs of bf16 are only close to anything. */
static const size_t elsewhere[] = {offsetof(emb_kernels, gemm_bf16_pairs),
                                   offsetof(emb_kernels, quantize_rows),
                                   offsetof(emb_kernels, pack_rows_i8),
                                   offsetof(emb_kernels, pack_rows_i16),
                                   offsetof(emb_kernels, gemm_i8),
                                   offsetof(emb_kernels, gemm_i16)};

static void every_entry_has_a_check(void **unused)
{
    const size_t first = offsetof(emb_kernels, gemm_f32);

    (void)unused;
    for (size_t at = first; at < sizeof(emb_kernels); at += sizeof(void *)) {
        bool found = false;
        for (int64_t i = 0; i < EMB_COUNT(checks); i++)
            found |= checks[i].offset == at;
        for (int64_t i = 0; i < EMB_COUNT(elsewhere); i++)
            found |= elsewhere[i] == at;
        if (!found)
            fail_msg("the entry at offset %zu of emb_kernels has no check", at);
    }
}

/* "c" is the build with the CPU's FMA where it has one: so plain C is compared with itself, too. */
static void every_table_equals_plain_c(void **unused)
{
    (void)unused;
    for (int64_t t = 0; emb_kernels_name(t); t++) {
        const emb_kernels *k = emb_kernels_for(emb_kernels_name(t));
        if (!k) {
            print_message("skipped: this CPU has no %s\n", emb_kernels_name(t));
            continue;
        }
        assert_string_equal(k->name, emb_kernels_name(t));
        for (int64_t i = 0; i < EMB_COUNT(checks); i++) {
            void (*entry)(void);
            memcpy(&entry, (const char *)k + checks[i].offset, sizeof entry);
            assert_non_null(entry);
            checks[i].check(k);
        }
    }
    assert_null(emb_kernels_for("nonesuch"));
    assert_non_null(emb_kernels_for(NULL));
}

/* ---- plain C against double ------------------------------ */

static double ulp_of(double exact)
{
    int exponent;
    frexp(exact, &exponent);
    return ldexp(1.0, EMB_MAX(exponent, -125) - 24);
}

static double exact_activation(double x, int act)
{
    const double z = 0.79788456080286535588 * (x + 0.044715 * x * x * x);
    switch (act) {
    case EMB_ACT_GELU:
    case EMB_ACT_GELU_NEAR: return 0.5 * x * erfc(-x * 0.70710678118654752440);
    case EMB_ACT_GELU_TANH:
    case EMB_ACT_GELU_FAST:
    case EMB_ACT_GELU_TANH_NEAR: return x / (1.0 + exp(-2.0 * z));
    case EMB_ACT_QUICK_GELU: return x / (1.0 + exp(-1.702 * x));
    case EMB_ACT_SILU: return x / (1.0 + exp(-x));
    case EMB_ACT_RELU: return x > 0 ? x : 0;
    case EMB_ACT_RELU2: return x > 0 ? x * x : 0;
    case EMB_ACT_TANH: return tanh(x);
    case EMB_ACT_SIGMOID: return 1.0 / (1.0 + exp(-x));
    }
    return x;
}

/* Bounds in ulp of the result: the measured maximum (docs/numerics.md) and half as much again.
 * Where an exponent of size e is rounded to float before exp, half an ulp of it is e more of the
 * result. */
static double activation_bound(double x, int act)
{
    const double a = fabs(x);
    switch (act) {
    case EMB_ACT_GELU: return 8.0;
    case EMB_ACT_GELU_TANH:
    case EMB_ACT_GELU_FAST: return 4.0 + (x < 0 ? 6.0 * 0.8 * (a + 0.044715 * a * a * a) : 0);
    case EMB_ACT_GELU_NEAR:
    case EMB_ACT_GELU_TANH_NEAR: return (a < 3.0 ? 4.6e-5 : 1.4e-4) / ulp_of(exact_activation(x, act));
    case EMB_ACT_QUICK_GELU: return 3.0 + (x < 0 ? 2.0 * 1.702 * a : 0);
    case EMB_ACT_SILU:
    case EMB_ACT_SIGMOID: return 3.0;
    case EMB_ACT_TANH: return 1.5;
    }
    return 0.5;
}

static void activations_are_accurate(void **unused)
{
    enum { COUNT = 200000 };
    float *y = malloc(COUNT * sizeof *y), *x = malloc(COUNT * sizeof *x);

    (void)unused;
    assert_true(x && y);
    for (int act = EMB_ACT_NONE; act <= EMB_ACT_SIGMOID; act++) {
        for (int i = 0; i < COUNT; i++)
            x[i] = y[i] = i % 4 ? uniform(-12, 12) : ldexpf(uniform(-1, 1), 3 - (int)below(100));
        emb_kernels_for("c")->bias_act_f32(1, COUNT, y, COUNT, NULL, (emb_activation)act);
        for (int i = 0; i < COUNT; i++) {
            const double exact = exact_activation((double)x[i], act);
            const double error = fabs((double)y[i] - exact) / ulp_of(exact);
            if (!(error <= activation_bound((double)x[i], act)))
                fail_msg("activation %d of %a: expected %a, found %a: %g ulp", act, (double)x[i],
                         exact, (double)y[i], error);
        }
    }
    free(x);
    free(y);
}

static void limits_of_activations(void **unused)
{
    static const struct {
        emb_activation act;
        float at_minus_infinity, at_infinity;
    } limits[] = {
        {EMB_ACT_GELU, 0.0f, INFINITY}, {EMB_ACT_GELU_TANH, 0.0f, INFINITY},
        {EMB_ACT_GELU_NEAR, 0.0f, INFINITY}, {EMB_ACT_GELU_TANH_NEAR, 0.0f, INFINITY},
        {EMB_ACT_RELU, 0.0f, INFINITY}, {EMB_ACT_TANH, -1.0f, 1.0f},
        {EMB_ACT_SIGMOID, 0.0f, 1.0f},
    };
    (void)unused;
    for (int64_t i = 0; i < EMB_COUNT(limits); i++) {
        float y[3] = {-INFINITY, INFINITY, NAN};
        plain->bias_act_f32(1, 3, y, 3, NULL, limits[i].act);
        assert_true(y[0] == limits[i].at_minus_infinity && y[1] == limits[i].at_infinity);
        assert_true(isnan(y[2]));
    }
}

/* A block is one chain of at most 256 roundings, blocks add a rounding each: |error| <= (256 +
 * blocks) * 2^-24 * sum |a w|. In practice far less. */
static void gemm_is_accurate(void **unused)
{
    (void)unused;
    for (int round = 0; round < 20; round++) {
        const int64_t k = 1 + below(1500), n = 1 + below(20), m = 1 + below(4);
        const matrix a = make(0, m, k, PLAIN), b = make(1, n, k, PLAIN), c = make(2, m, n, PLAIN);
        size_t floats;
        float *w = panels(3, n, k, &floats);

        plain->pack_rows_f32(n, k, b.data, b.ld, w);
        plain->gemm_f32(m, n, k, a.data, a.ld, w, c.data, c.ld);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double exact = 0, size = 0;
                for (int64_t t = 0; t < k; t++) {
                    const double p = (double)a.data[i * a.ld + t] * (double)b.data[j * b.ld + t];
                    exact += p;
                    size += fabs(p);
                }
                assert_true(fabs((double)c.data[i * c.ld + j] - exact) <=
                            (double)(256 + k / 256) * 0x1p-24 * size);
            }
    }
}

/* All is double between s and the result, so half an ulp of the result and a trace remain. */
/* Both sides are rounded to bf16 first; what is left is the order of sums in float. */
static void bf16_pairs_are_accurate(void **unused)
{
    const emb_kernels *kernels = emb_kernels_for(NULL);

    (void)unused;
    for (int round = 0; round < 150 && kernels->gemm_bf16_pairs; round++) {
        const int64_t k = 1 + below(round % 4 ? 90 : 700), m = 1 + below(60), n = 1 + below(70);
        const int64_t depth = (k + 1) / 2 * 2;
        const matrix a = make(0, m, k, PLAIN), b = make(1, n, k, PLAIN);
        matrix c = make(2, m, n, SPECIAL), gaps = copy_of(c);
        uint16_t *w = (uint16_t *)(void *)panels(3, n, depth / 2, &(size_t){0});

        memset(w, 0, (size_t)((n + 15) / 16 * 16 * depth) * sizeof *w);
        for (int64_t r = 0; r < m; r++) {
            uint16_t rounded[700];
            plain->narrow_bf16(k, a.data + r * a.ld, rounded);
            plain->widen_bf16(k, rounded, a.data + r * a.ld);
        }
        for (int64_t j = 0; j < n; j++)
            for (int64_t i = 0; i < k; i++) {
                uint16_t *to = w + (j / 16 * depth + i / 2 * 2) * 16 + j % 16 * 2 + i % 2;
                plain->narrow_bf16(1, b.data + j * b.ld + i, to);
                plain->widen_bf16(1, to, b.data + j * b.ld + i);
            }
        kernels->gemm_bf16_pairs(m, n, k, a.data, a.ld, w, c.data, c.ld);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double exact = 0, size = 0;
                for (int64_t t = 0; t < k; t++) {
                    const double p = (double)a.data[i * a.ld + t] * (double)b.data[j * b.ld + t];
                    exact += p;
                    size += fabs(p);
                }
                if (!(fabs((double)c.data[i * c.ld + j] - exact) <= 64 * 0x1p-24 * size))
                    fail_msg("[%ld][%ld] of k %ld: expected %g, found %g", (long)i, (long)j,
                             (long)k, exact, (double)c.data[i * c.ld + j]);
                gaps.data[i * c.ld + j] = c.data[i * c.ld + j];
            }
        compare("gemm_bf16_pairs", c, gaps);
    }
}

static void layernorm_is_accurate(void **unused)
{
    (void)unused;
    for (int round = 0; round < 50; round++) {
        const int64_t n = 2 + below(800);
        const matrix x = make(0, 1, n, PLAIN), g = make(1, 1, n, PLAIN), b = make(2, 1, n, PLAIN);
        const matrix y = make(3, 1, n, PLAIN);
        double mean = 0, variance = 0;

        x.data[0] *= 1000.0f; /* an outlier */
        plain->layernorm_f32(1, n, x.data, n, NULL, NULL, 0, g.data, b.data, 1e-5f, y.data, n);
        for (int64_t i = 0; i < n; i++)
            mean += (double)x.data[i] / (double)n;
        for (int64_t i = 0; i < n; i++)
            variance += ((double)x.data[i] - mean) * ((double)x.data[i] - mean) / (double)n;
        for (int64_t i = 0; i < n; i++) {
            const double d = ((double)x.data[i] - mean) / sqrt(variance + (double)1e-5f);
            const double exact = d * (double)g.data[i] + (double)b.data[i];
            assert_true(fabs((double)y.data[i] - exact) <= 0.501 * ulp_of(exact) + 1e-12);
        }
    }
}

/* exp within an ulp; its argument is rounded once, half an ulp of t; the largest score rounded
 * once for all. The sum: at most n / 16 + 4 roundings on the way of any element. */
static void softmax_is_accurate(void **unused)
{
    (void)unused;
    for (int round = 0; round < 100; round++) {
        const int64_t n = 1 + below(600);
        const float scale = uniform(0.05f, 10);
        const matrix p = make(0, 1, n, PLAIN), x = copy_of(p);
        double largest = -INFINITY, exact_sum = 0;
        float sum;

        plain->softmax_f32(1, n, p.data, n, scale, &sum);
        for (int64_t i = 0; i < n; i++)
            largest = fmax(largest, (double)(x.data[i] * scale));
        for (int64_t i = 0; i < n; i++) {
            const double t = (double)x.data[i] * (double)scale - largest, exact = exp(t);
            exact_sum += (double)p.data[i];
            assert_true(fabs((double)p.data[i] - exact) <=
                        (1.5 + fabs(t)) * 0x1p-23 * exact + 0x1p-149);
        }
        assert_true(fabs((double)sum - exact_sum) <= (double)(n / 16 + 5) * 0x1p-24 * exact_sum);
        free(x.data);
    }
}

static void float_environment(void **unused)
{
    emb_float_env env;
    volatile float tiny = 0x1p-126f, one = 1.0f;

    (void)unused;
    fesetround(FE_UPWARD);
    assert_true(one + tiny > 1.0f);
    env = emb_float_enter();
    assert_false(one + tiny > 1.0f);
    assert_true(tiny * 0.5f > 0.0f);
    emb_float_leave(env);
    assert_true(one + tiny > 1.0f);
    fesetround(FE_TONEAREST);
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(0x9fc0); /* flush to zero, denormals are zero */
    assert_false(tiny * 0.5f > 0.0f);
    env = emb_float_enter();
    assert_true(tiny * 0.5f > 0.0f);
    emb_float_leave(env);
    assert_false(tiny * 0.5f > 0.0f);
    __builtin_ia32_ldmxcsr(0x1f80);
#endif
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_has_a_check),
        cmocka_unit_test(every_table_equals_plain_c),
        cmocka_unit_test(activations_are_accurate),
        cmocka_unit_test(limits_of_activations),
        cmocka_unit_test(gemm_is_accurate),
        cmocka_unit_test(bf16_pairs_are_accurate),
        cmocka_unit_test(layernorm_is_accurate),
        cmocka_unit_test(softmax_is_accurate),
        cmocka_unit_test(float_environment),
    };
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)state);
    return cmocka_run_group_tests_name("kernels", tests, map_slots, NULL);
}
