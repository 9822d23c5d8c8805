/* Matrices for native bf16 dot products: panels of pairs, and whether a CPU gains by them. */
#include "backend.h"

int64_t emb_bf16_depth(int64_t k)
{
    return (k + 1) / 2 * 2;
}

void emb_bf16_fill(const emb_kernels *kernels, const emb_matrix *matrix, int64_t first,
                   int64_t count, const float *rows)
{
    enum { STEP = 64 }; /* even */
    const int64_t k = matrix->k, depth = emb_bf16_depth(k);
    uint16_t *w = (uint16_t *)(void *)matrix->data + first * depth;

    for (int64_t j = 0; j < (count + EMB_PANEL - 1) / EMB_PANEL * EMB_PANEL; j++)
        for (int64_t at = 0; at < depth; at += STEP) {
            uint16_t *panel = w + j / EMB_PANEL * EMB_PANEL * depth + j % EMB_PANEL * 2;
            uint16_t rounded[STEP] = {0};

            if (j < count) kernels->narrow_bf16(EMB_MIN(k - at, STEP), rows + j * k + at, rounded);
            for (int64_t i = 0; i < EMB_MIN(depth - at, STEP); i += 2)
                memcpy(panel + (at + i) * EMB_PANEL, rounded + i, 4);
        }
}

/* ---- the probe ---------------------------------------------------------------------------- */

/* A product that stays in the first cache, for a millisecond or two. */
enum { M = 48, N = 48, K = 128, TIMES = 8, ROUNDS = 9 };

typedef struct {
    _Alignas(64) float w[N * K];
    float a[M * K], c[M * N];
} probe;

/* in GFLOP/s */
static double speed_of(const emb_kernels *kernels, bool pairs, probe *p)
{
    const double start = emb_seconds();

    for (int i = 0; i < TIMES; i++)
        if (pairs)
            kernels->gemm_bf16_pairs(M, N, K, p->a, K, (const uint16_t *)(void *)p->w, p->c, N);
        else kernels->gemm_f32(M, N, K, p->a, K, p->w, p->c, N);
    return 2e-9 * M * N * K * TIMES / fmax(emb_seconds() - start, 1e-9);
}

typedef struct {
    double f32, bf16;
} speeds;

/* The middle one of some rounds, in the order of what bf16 gains: whatever else the machine does
 * comes and goes between rounds, or over both kinds of one. */
static speeds measure(const emb_kernels *kernels, probe *p)
{
    speeds rounds[ROUNDS];

    for (int count = 0; count < ROUNDS; count++) {
        const double f32 = speed_of(kernels, false, p), bf16 = speed_of(kernels, true, p);
        int at = count;
        for (; at > 0 && rounds[at - 1].bf16 * f32 > bf16 * rounds[at - 1].f32; at--)
            rounds[at] = rounds[at - 1];
        rounds[at] = (speeds){f32, bf16};
    }
    return rounds[ROUNDS / 2];
}

int32_t emb_bf16_check(const emb_kernels *kernels, bool always, const emb_allocator *allocator,
                       embed_error *error)
{
    if (!kernels->gemm_bf16_pairs)
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "compute: bf16: expected a CPU with AVX512_BF16, and its kernels, found "
                        "isa %s without bf16 dot products",
                        kernels->name);
    if (always) return EMBED_OK;
    probe *p = emb_calloc(allocator, 1, sizeof *p);
    if (!p) return emb_fail(error, EMBED_ENOMEM, "compute: bf16: out of memory for its probe");
    const speeds s = measure(kernels, p);
    emb_free(allocator, p);
    if (s.bf16 >= 1.5 * s.f32) return EMBED_OK;
    return emb_fail(error, EMBED_EUNSUPPORTED,
                    "compute: bf16 dot products are %.2fx as fast as float32 here (%.0f and %.0f "
                    "GFLOP/s): expected at least 1.5x",
                    s.bf16 / s.f32, s.bf16, s.f32);
}
