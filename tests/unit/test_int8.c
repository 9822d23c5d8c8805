/* The int8 kernels: every instruction set against plain C bit by bit, on rows that end at an
 * unreadable page, with the largest numbers there are; plain C against exact sums; what comes of
 * NaN, infinities and rows of zeros. SEED as first argument repeats a run. */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../lib/kernels/kernels.h"

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

static float uniform(void)
{
    return (float)(random_bits() >> 8) * 0x1p-23f - 1.0f;
}

/* ---- memory that ends at an unreadable page ------------------------------------------------- */

enum { SLOTS = 14, SLOT_BYTES = 1 << 20 };
static char *slots[SLOTS];

static int map_slots(void **unused)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    (void)unused;
    for (int i = 0; i < SLOTS; i++) {
        char *p = mmap(NULL, SLOT_BYTES + page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || mprotect(p + SLOT_BYTES, page, PROT_NONE)) return -1;
        slots[i] = p;
    }
    return 0;
}

static void *guarded(int slot, int64_t size)
{
    assert_true(size <= SLOT_BYTES);
    return slots[slot] + SLOT_BYTES - size;
}

/* ---- what the kernels work on, in slots from first on ------------------------------------------- */

static emb_rows_i8 rows_in(int first, int64_t m, int64_t k)
{
    const int64_t ld = emb_int8_depth(k) + below(9);
    emb_rows_i8 r = {.ld = ld};
    r.data = guarded(first, (m - 1) * ld + emb_int8_depth(k));
    r.scales = guarded(first + 1, m * 4);
    r.zeros = guarded(first + 2, m * 4);
    return r;
}

static int64_t panel_bytes(int64_t n, int64_t k)
{
    return (n + 15) / 16 * 16 * emb_int8_depth(k);
}

static emb_panels_i8 panels_in(int first, int64_t n, int64_t k)
{
    const int64_t outputs = (n + 15) / 16 * 16;
    emb_panels_i8 w;
    w.data = guarded(first, panel_bytes(n, k)); /* a multiple of 64 before the end of a page */
    w.scales = guarded(first + 1, outputs * 4);
    w.sums = guarded(first + 2, outputs * 4);
    return w;
}

static emb_rows_i16 fine_rows_in(int first, int64_t m, int64_t k)
{
    const int64_t ld = emb_int16_depth(k) + below(9);
    return (emb_rows_i16){guarded(first, ((m - 1) * ld + emb_int16_depth(k)) * 2), ld, guarded(first + 1, m * 4)};
}

static emb_panels_i16 fine_panels_in(int first, int64_t n, int64_t k)
{
    const int64_t outputs = (n + 15) / 16 * 16;
    return (emb_panels_i16){guarded(first, outputs * emb_int16_depth(k) * 2), guarded(first + 1, outputs * 4)};
}

static bool same_float(float a, float b)
{
    return (isnan(a) && isnan(b)) || !memcmp(&a, &b, 4);
}

static void same_floats(const char *what, int64_t n, const float *found, const float *expected)
{
    for (int64_t i = 0; i < n; i++)
        if (!same_float(found[i], expected[i]))
            fail_msg("%s[%ld] of %ld: expected %a, found %a", what, (long)i, (long)n,
                     (double)expected[i], (double)found[i]);
}

static void same_bytes(const char *what, int64_t n, const void *found, const void *expected)
{
    const unsigned char *f = found, *e = expected;
    for (int64_t i = 0; i < n; i++)
        if (f[i] != e[i])
            fail_msg("%s: byte %ld of %ld: expected %d, found %d", what, (long)i, (long)n, e[i],
                     f[i]);
}

/* Lengths of rows: every small one, and those of models. */
static int64_t some_length(int64_t round)
{
    static const int64_t real[] = {96, 128, 192, 320, 384, 416, 768, 1152, 1536};
    return round < 90 ? round + 1 : real[round % EMB_COUNT(real)];
}
enum { ROUNDS = 120 };

enum { PLAIN, OUTLIERS, WIDE, SPECIAL, KINDS };

static float value(int kind, int64_t column)
{
    static const float specials[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 3e38f, -3e38f, 1e-40f};
    switch (kind) {
    case OUTLIERS: return uniform() * (column % 37 == 5 ? 40.0f : 1.0f);
    case WIDE: return ldexpf(uniform(), (int)below(250) - 125);
    case SPECIAL: return below(60) ? uniform() : specials[below(EMB_COUNT(specials))];
    default: return uniform();
    }
}

static float *numbers(int slot, int64_t m, int64_t k, int64_t ld, int kind)
{
    float *x = guarded(slot, ((m - 1) * ld + k) * 4);
    for (int64_t r = 0; r < m; r++) {
        const int of_row = below(8) ? kind : (int)below(KINDS);
        const float size = below(20) ? 1.0f : below(2) ? 0.0f : 0x1p-120f;
        for (int64_t i = 0; i < k; i++) x[r * ld + i] = value(of_row, i) * size;
    }
    return x;
}

/* ---- every instruction set against plain C ------------------------------------------------------ */

static const emb_kernels *const plain = &emb_kernels_c;

static void check_quantize(const emb_kernels *kernels)
{
    for (int64_t round = 0; round < ROUNDS; round++) {
        const int64_t m = 1 + below(5), k = some_length(round), ld = k + below(20);
        const float *x = numbers(0, m, k, ld, (int)below(KINDS));
        float *rows = guarded(1, EMB_INT8_TOGETHER * k * 4), *factors = guarded(8, k * 4);
        const emb_rows_i8 found = rows_in(2, m, k);
        emb_rows_i8 expected = rows_in(5, m, k);

        expected.ld = found.ld;
        expected.data = guarded(5, (m - 1) * found.ld + emb_int8_depth(k));
        for (int64_t i = 0; i < k; i++) factors[i] = uniform();
        if (round % 2) factors = NULL;
        memset(slots[2], 0x5a, SLOT_BYTES);
        memset(slots[5], 0x5a, SLOT_BYTES);
        const emb_rows_i16 fine = fine_rows_in(9, m, k);
        emb_rows_i16 fine_expected = fine;
        fine_expected.data = guarded(11, ((m - 1) * fine.ld + emb_int16_depth(k)) * 2);
        fine_expected.scales = guarded(12, m * 4);
        memset(slots[9], 0x5a, SLOT_BYTES);
        memset(slots[11], 0x5a, SLOT_BYTES);
        kernels->quantize_rows(m, k, x, ld, factors, rows, &found, round % 3 ? &fine : NULL);
        plain->quantize_rows(m, k, x, ld, factors, rows, &expected, round % 3 ? &fine_expected : NULL);
        same_floats("scales", m, found.scales, expected.scales);
        same_floats("zeros", m, found.zeros, expected.zeros);
        same_bytes("quantize_rows", SLOT_BYTES, slots[2], slots[5]); /* and nothing outside */
        same_bytes("quantize_rows, 16 bits", SLOT_BYTES, slots[9], slots[11]);
        if (round % 3) same_floats("scales, 16 bits", m, fine.scales, fine_expected.scales);
    }
}

static void check_pack(const emb_kernels *kernels)
{
    for (int64_t round = 0; round < ROUNDS; round++) {
        const int64_t n = 1 + below(40), k = some_length(round), ld = k + below(20);
        const float *b = numbers(0, n, k, ld, (int)below(KINDS));
        float *row = guarded(1, k * 4), *factors = guarded(8, k * 4);
        const int64_t outputs = (n + 15) / 16 * 16;
        const emb_panels_i8 found = panels_in(2, n, k), expected = panels_in(5, n, k);

        for (int64_t i = 0; i < k; i++) factors[i] = uniform();
        if (round % 2) factors = NULL;
        memset(slots[2], 0x5a, SLOT_BYTES);
        memset(slots[5], 0x5a, SLOT_BYTES);
        kernels->pack_rows_i8(n, k, b, ld, factors, row, &found);
        plain->pack_rows_i8(n, k, b, ld, factors, row, &expected);
        same_floats("scales", outputs, found.scales, expected.scales);
        same_bytes("sums", outputs * 4, found.sums, expected.sums);
        same_bytes("pack_rows_i8", SLOT_BYTES, slots[2], slots[5]);

        const emb_panels_i16 fine = fine_panels_in(9, n, k), fine_expected = fine_panels_in(11, n, k);
        memset(slots[9], 0x5a, SLOT_BYTES);
        memset(slots[11], 0x5a, SLOT_BYTES);
        kernels->pack_rows_i16(n, k, b, ld, factors, row, &fine);
        plain->pack_rows_i16(n, k, b, ld, factors, row, &fine_expected);
        same_floats("scales, 16 bits", outputs, fine.scales, fine_expected.scales);
        same_bytes("pack_rows_i16", SLOT_BYTES, slots[9], slots[11]);
    }
}

/* Whole numbers at their limits: what saturates or wraps anywhere shows. */
static void fill_extremes(int64_t round, int64_t m, int64_t n, int64_t k, const emb_rows_i8 *a,
                          const emb_panels_i8 *w)
{
    const int64_t depth = emb_int8_depth(k);
    const int kind = (int)(round % 4);

    for (int64_t r = 0; r < m; r++) {
        a->scales[r] = uniform();
        a->zeros[r] = (float)((kind == 0 ? below(256) : below(2) ? 0 : 255) - EMB_INT8_MIDDLE);
        for (int64_t i = 0; i < depth; i++)
            a->data[r * a->ld + i] = (uint8_t)(kind == 0 ? below(256) : kind == 1 ? 0 : below(2) * 255);
    }
    for (int64_t j = 0; j < (n + 15) / 16 * 16; j++) {
        int8_t *panel = w->data + j / 16 * depth * 16 + j % 16 * 4;
        const int8_t edge = below(2) ? 127 : -127;
        w->scales[j] = uniform();
        w->sums[j] = 0;
        for (int64_t i = 0; i < depth; i++) {
            const int64_t q = kind == 0 ? below(255) - 127 : kind == 3 && below(2) ? -edge : edge;
            panel[i / 4 * 64 + i % 4] = (int8_t)(i < k ? q : 0);
            w->sums[j] += panel[i / 4 * 64 + i % 4];
        }
    }
}

static void check_gemm(const emb_kernels *kernels)
{
    for (int64_t round = 0; round < 3 * ROUNDS; round++) {
        const int64_t m = 1 + below(27), n = 1 + below(70), ldc = n + below(9);
        const int64_t k = round % 9 ? some_length(round % ROUNDS) : 1 + below(4000);
        const emb_rows_i8 a = rows_in(0, m, k);
        const emb_panels_i8 w = panels_in(3, n, k);
        float *bias = guarded(6, n * 4), *c = guarded(7, ((m - 1) * ldc + n) * 4);
        float *expected = guarded(8, ((m - 1) * ldc + n) * 4);

        fill_extremes(round, m, n, k, &a, &w);
        for (int64_t j = 0; j < n; j++) bias[j] = uniform() * 1e4f;
        memset(slots[7], 0x5a, SLOT_BYTES);
        memset(slots[8], 0x5a, SLOT_BYTES);
        kernels->gemm_i8(m, n, k, &a, &w, round % 2 ? bias : NULL, c, ldc);
        plain->gemm_i8(m, n, k, &a, &w, round % 2 ? bias : NULL, expected, ldc);
        same_bytes("gemm_i8", SLOT_BYTES, slots[7], slots[8]);
    }
}

/* Of 16 bits at their limits: what saturates, or leaves 32 bits on the way, shows. */
static void check_gemm_16(const emb_kernels *kernels)
{
    for (int64_t round = 0; round < 3 * ROUNDS; round++) {
        const int64_t m = 1 + below(27), n = 1 + below(70), ldc = n + below(9);
        const int64_t k = round % 9 ? some_length(round % ROUNDS) : 1 + below(4000);
        const int64_t outputs = (n + 15) / 16 * 16, depth = emb_int16_depth(k), most = emb_int16_most(k);
        const emb_rows_i16 a = fine_rows_in(0, m, k);
        const emb_panels_i16 w = fine_panels_in(2, n, k);
        float *bias = guarded(6, n * 4), *c = guarded(7, ((m - 1) * ldc + n) * 4);
        float *expected = guarded(8, ((m - 1) * ldc + n) * 4);

        for (int64_t i = 0; i < m * k; i++)
            a.data[i / k * a.ld + i % k] = (int16_t)(round % 2 ? most : below(2 * most + 1) - most);
        for (int64_t i = 0; i < outputs * depth; i++)
            w.data[i] = (int16_t)(round % 4 == 1 ? most : round % 4 == 3 ? -most : below(2 * most + 1) - most);
        for (int64_t r = 0; r < m; r++) {
            a.scales[r] = uniform();
            if (k % 2) a.data[r * a.ld + k] = 0;
        }
        for (int64_t j = 0; j < outputs; j++) w.scales[j] = uniform();
        for (int64_t j = 0; j < n; j++) bias[j] = uniform() * 1e4f;
        memset(slots[7], 0x5a, SLOT_BYTES);
        memset(slots[8], 0x5a, SLOT_BYTES);
        kernels->gemm_i16(m, n, k, &a, &w, round % 2 ? bias : NULL, c, ldc);
        plain->gemm_i16(m, n, k, &a, &w, round % 2 ? bias : NULL, expected, ldc);
        same_bytes("gemm_i16", SLOT_BYTES, slots[7], slots[8]);
    }
}

/* The longest rows, all numbers at their limits, one sign: the largest sums there can be. */
static void check_longest(const emb_kernels *kernels)
{
    enum { K = (int)EMB_INT8_MAX_K };
    const emb_rows_i8 a = {guarded(0, K), K, guarded(1, 4), guarded(2, 4)};
    const emb_panels_i8 w = {malloc(K * 16 + 64), guarded(3, 64), guarded(4, 64)};
    emb_panels_i8 aligned = w;
    float c[16];

    assert_non_null(w.data);
    aligned.data = w.data + (64 - (uintptr_t)w.data % 64);
    memset(a.data, 255, K);
    memset(aligned.data, 127, K * 16);
    a.scales[0] = 1.0f;
    a.zeros[0] = -EMB_INT8_MIDDLE;
    for (int j = 0; j < 16; j++) {
        w.scales[j] = 1.0f;
        w.sums[j] = 127 * K;
    }
    kernels->gemm_i8(1, 16, K, &a, &aligned, NULL, c, 16);
    for (int j = 0; j < 16; j++) assert_true(c[j] == (float)(INT64_C(255) * 127 * K));
    free(w.data);
}

/* ---- plain C against what it stands for ----------------------------------------------------------- */

static void test_product_is_close(void **unused)
{
    (void)unused;
    for (int64_t round = 0; round < 40; round++) {
        const int64_t m = 5, n = 21, k = some_length(80 + round);
        float *x = guarded(0, m * k * 4), *b = guarded(1, n * k * 4);
        float *row = guarded(2, EMB_INT8_TOGETHER * k * 4), *c = guarded(9, m * n * 4), *fine_c = guarded(10, m * n * 4);
        const emb_rows_i8 a = rows_in(3, m, k);
        const emb_panels_i8 w = panels_in(6, n, k);
        const emb_rows_i16 fine_a = fine_rows_in(11, m, k);
        int16_t *const words = guarded(13, 32 * emb_int16_depth(k) * 2);
        float fine_scales[32];
        const emb_panels_i16 fine_w = {words, fine_scales};

        for (int64_t i = 0; i < m * k; i++) x[i] = value(OUTLIERS, i % k);
        for (int64_t i = 0; i < n * k; i++) b[i] = uniform();
        plain->quantize_rows(m, k, x, k, NULL, row, &a, &fine_a);
        plain->pack_rows_i8(n, k, b, k, NULL, row, &w);
        plain->pack_rows_i16(n, k, b, k, NULL, row, &fine_w);
        plain->gemm_i8(m, n, k, &a, &w, NULL, c, n);
        plain->gemm_i16(m, n, k, &fine_a, &fine_w, NULL, fine_c, n);
        for (int64_t r = 0; r < m; r++)
            for (int64_t j = 0; j < n; j++) {
                double sum = 0, xx = 0, bb = 0;
                for (int64_t i = 0; i < k; i++) {
                    sum += (double)x[r * k + i] * (double)b[j * k + i];
                    xx += (double)x[r * k + i] * (double)x[r * k + i];
                    bb += (double)b[j * k + i] * (double)b[j * k + i];
                }
                const double length = sqrt(xx * bb), found = (double)c[r * n + j];
                const double fine = (double)fine_c[r * n + j];
                if (fabs(found - sum) > 0.02 * length || fabs(fine - sum) > 0.002 * length)
                    fail_msg("k %ld: [%ld][%ld]: expected about %g, found %g, of 16 bits %g", (long)k,
                             (long)r, (long)j, sum, found, fine);
            }
    }
}

/* One number that is not finite spoils its row, and no other; zeros stay zeros. */
static void test_rows_without_scale(void **unused)
{
    enum { K = 48 };
    float x[5][K] = {{0}}, row[EMB_INT8_TOGETHER * K], c[5][16], weights[1][K];
    uint8_t u[5 * K];
    float scales[5], zeros[5], w_scales[16];
    int32_t w_sums[16];
    _Alignas(64) int8_t panel[K * 16];
    const emb_rows_i8 a = {u, K, scales, zeros};
    const emb_panels_i8 w = {panel, w_scales, w_sums};
    int16_t words[5 * K];
    _Alignas(64) int16_t fine_panel[K * 16];
    float fine_scales[5], fine_w_scales[16], fine[5][16];
    const emb_rows_i16 fine_a = {words, K, fine_scales};
    const emb_panels_i16 fine_w = {fine_panel, fine_w_scales};

    (void)unused;
    for (int i = 0; i < K; i++) {
        x[0][i] = x[1][i] = x[3][i] = weights[0][i] = uniform();
        x[4][i] = 0x1p-140f;
    }
    x[1][7] = NAN;
    x[3][7] = -INFINITY;
    plain->quantize_rows(5, K, &x[0][0], K, NULL, row, &a, &fine_a);
    plain->pack_rows_i8(1, K, &weights[0][0], K, NULL, row, &w);
    plain->pack_rows_i16(1, K, &weights[0][0], K, NULL, row, &fine_w);
    plain->gemm_i8(5, 1, K, &a, &w, NULL, &c[0][0], 16);
    plain->gemm_i16(5, 1, K, &fine_a, &fine_w, NULL, &fine[0][0], 16);
    for (int i = 0; i < 2; i++) {
        float (*y)[16] = i ? fine : c;
        assert_true(isfinite(y[0][0]));
        assert_true(isnan(y[1][0]));
        assert_true(y[2][0] == 0.0f);
        assert_true(isnan(y[3][0]));
        assert_true(y[4][0] == 0.0f);
    }
}

/* ------------------------------------------------------------------------------------------------ */

static void test_kernels(void **given)
{
    const emb_kernels *kernels = *given;
    check_quantize(kernels);
    check_pack(kernels);
    check_gemm(kernels);
    check_gemm_16(kernels);
    check_longest(kernels);
}

int main(int argc, char **argv)
{
    static const struct {
        const emb_kernels *kernels;
        uint32_t features;
        const char *name;
    } tables[] = {
        {&emb_kernels_c, 0, "int8, plain C"},
#if defined(__x86_64__)
        {&emb_kernels_c_avx2, EMB_CPU_AVX2, "int8, plain C with FMA"},
        {&emb_kernels_avx2, EMB_CPU_AVX2, "int8, AVX2"},
        {&emb_kernels_avx2vnni, EMB_CPU_AVX2 | EMB_CPU_AVXVNNI, "int8, AVX2 with VNNI"},
        {&emb_kernels_avx512, EMB_CPU_AVX2 | EMB_CPU_AVX512, "int8, AVX-512"},
        {&emb_kernels_avx512vnni, EMB_CPU_AVX2 | EMB_CPU_AVX512 | EMB_CPU_VNNI, "int8, VNNI"},
#elif defined(__aarch64__)
        {&emb_kernels_neon, 0, "int8, NEON"},
        {&emb_kernels_neondot, EMB_CPU_DOTPROD, "int8, NEON with dot products"},
        {&emb_kernels_neoni8mm, EMB_CPU_DOTPROD | EMB_CPU_I8MM, "int8, NEON with I8MM"},
#endif
    };
    struct CMUnitTest tests[EMB_COUNT(tables) + 2] = {
        cmocka_unit_test(test_product_is_close),
        cmocka_unit_test(test_rows_without_scale),
    };
    const uint32_t features = emb_cpu_features();
    size_t count = 2;

    state = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)state);
    for (int64_t i = 0; i < EMB_COUNT(tables); i++)
        if ((features & tables[i].features) == tables[i].features)
            tests[count++] = (struct CMUnitTest){
                tables[i].name, test_kernels, NULL, NULL,
                (void *)(uintptr_t)tables[i].kernels};
    return _cmocka_run_group_tests("int8", tests, count, map_slots, NULL);
}
