/* What this CPU can do at most: chains of independent multiply-adds in registers, and memory read once
 * through. */
#define _POSIX_C_SOURCE 200809L
#include "probe.h"

#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

const char *const probe_names[PROBES] = {"f32", "int8", "read"};

enum { CHAINS = 24, INT8_CHAINS = 12, STEPS = 1 << 15, TASKS = 16, TRIES = 12, READ_BYTES = 256 << 20 };
typedef float four __attribute__((vector_size(16)));
static volatile float float_sink;
static volatile int32_t int_sink;

/* ---- fused multiply-adds --------------------------------------------------------------------- */

#define CHAINS_OF(name, type, attribute, op)                                          \
    attribute static void name(void *arg, int64_t index)                              \
    {                                                                                 \
        const type x = (type){0} + 0.999f, y = (type){0} + 0.001f;                    \
        type sums[CHAINS], all = {0};                                                 \
        (void)arg;                                                                    \
        _Pragma("GCC unroll 24") for (int i = 0; i < CHAINS; i++)                     \
            sums[i] = x * (float)(i + index);                                         \
        for (int64_t step = 0; step < STEPS; step++) {                                \
            _Pragma("GCC unroll 24") for (int i = 0; i < CHAINS; i++)                 \
                sums[i] = op(sums[i], x, y);                                          \
        }                                                                             \
        _Pragma("GCC unroll 24") for (int i = 0; i < CHAINS; i++) all += sums[i];     \
        float_sink = all[0];                                                          \
    }

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
CHAINS_OF(chains_avx2, __m256, AVX2, _mm256_fmadd_ps)
CHAINS_OF(chains_avx512, __m512, AVX512, _mm512_fmadd_ps)

AVX512 static void chains_int8(void *arg, int64_t index)
{
    const __m512i x = _mm512_set1_epi8((char)(index + 3)), y = _mm512_set1_epi8(5);
    __m512i sums[INT8_CHAINS], all = _mm512_setzero_si512();

    (void)arg;
#pragma GCC unroll 12
    for (int i = 0; i < INT8_CHAINS; i++)
        sums[i] = _mm512_set1_epi32(i);
    for (int64_t step = 0; step < STEPS; step++) {
#pragma GCC unroll 12
        for (int i = 0; i < INT8_CHAINS; i++)
            sums[i] = _mm512_dpbusd_epi32(sums[i], x, y);
    }
#pragma GCC unroll 12
    for (int i = 0; i < INT8_CHAINS; i++)
        all = _mm512_add_epi32(all, sums[i]);
    int_sink = _mm512_reduce_add_epi32(all);
}
#else
#define PLAIN(a, b, c) ((a) * (b) + (c))
CHAINS_OF(chains_plain, four, , PLAIN)
#endif

/* ---- reading ------------------------------------------------------------------------------------ */

/* As many sums as registers hold on every machine; AHEAD: sixteens of bytes, fetched before they are read */
enum { SUMS = 8, AHEAD = 512 };

static void read_part(void *arg, int64_t index)
{
    const four *from = (const four *)arg + index * (READ_BYTES / TASKS / 16);
    four sums[SUMS] = {{0}}, all = {0};

    for (int64_t i = 0; i < READ_BYTES / TASKS / 16; i += SUMS) {
#pragma GCC unroll 8
        for (int j = 0; j < SUMS; j++) {
            if (j % 4 == 0)
                __builtin_prefetch(from + i + j + AHEAD, 0, 2);
            sums[j] += from[i + j];
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < SUMS; j++)
        all += sums[j];
    float_sink = all[0];
}

/* ---- measuring ------------------------------------------------------------------------------------ */

typedef struct {
    embed_task_fn task;
    double work; /* of all tasks */
    const char *what;
} plan;

static plan plan_of(probe_kind kind)
{
    const double chains = 2.0 * TASKS * STEPS * CHAINS;
#if defined(__x86_64__)
    const uint32_t features = emb_cpu_features();
    if (kind == PROBE_F32 && features & EMB_CPU_AVX512)
        return (plan){chains_avx512, chains * 16, "AVX-512 fused multiply-adds"};
    if (kind == PROBE_F32 && features & EMB_CPU_AVX2)
        return (plan){chains_avx2, chains * 8, "AVX2 fused multiply-adds"};
    if (kind == PROBE_INT8 && features & EMB_CPU_VNNI)
        return (plan){chains_int8, chains / CHAINS * INT8_CHAINS * 64, "VNNI multiply-adds of whole numbers"};
#else
    if (kind == PROBE_F32)
        return (plan){chains_plain, chains * 4, "multiply-adds of four floats"};
#endif
    if (kind == PROBE_READ)
        return (plan){read_part, READ_BYTES, "bytes read from memory"};
    return (plan){0};
}

const char *probe_what(probe_kind kind)
{
    return plan_of(kind).what;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double probe_run(probe_kind kind, const emb_device *d)
{
    const plan p = plan_of(kind);
    void *bytes = NULL;
    double best = 0;

    if (!p.task)
        return 0;
    if (kind == PROBE_READ) {
        bytes = emb_calloc(&emb_libc_allocator, READ_BYTES, 1);
        if (!bytes)
            return 0;
        memset(bytes, 1, READ_BYTES);
    }
    for (int i = 0; i < TRIES; i++) {
        const double start = now();
        emb_parallel(d, p.task, bytes, TASKS);
        best = EMB_MAX(best, p.work / (now() - start));
    }
    emb_free(&emb_libc_allocator, bytes);
    return best;
}
