/* bench: how fast this build is on this machine: matrix products against what the CPU can do, whole
 * models, where a forward pass spends its time, the tokenizer, and the start of a process. Prints
 * tables; --csv FILE gets every figure. tools/bench.sh runs it; nothing here passes or fails. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "../lib/model.h"

enum { MAX_RUNS = 1000, MIN_RUNS = 3, STARTS = 11, CYCLED_BYTES = 64 << 20, LINES_MAX = 1 << 20 };

extern char **environ;
static const emb_allocator *const libc = &emb_libc_allocator;
static double seconds = 0.3; /* that each figure is measured for */
static FILE *csv;
static int32_t cores;
static double probe[2]; /* flops a second: one thread, all of them */

static void check(bool ok, const char *message)
{
    if (ok)
        return;
    fprintf(stderr, "bench: %s\n", message);
    exit(1);
}

static void *memory(size_t count, size_t size)
{
    void *p = emb_calloc(libc, count, size);

    check(p, "out of memory");
    return p;
}

/* ---- measuring ------------------------------------------------------------------- */

typedef struct {
    double median, best; /* seconds of one run */
} timing;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static timing summary(double *times, int64_t count)
{
    qsort(times, (size_t)count, sizeof(*times), ascending);
    return (timing){times[count / 2], times[0]};
}

static timing measure(void (*run)(void *), void *arg)
{
    double times[MAX_RUNS], total = 0;
    int64_t count = 0;

    run(arg);
    while (count < MAX_RUNS && (count < MIN_RUNS || total < seconds)) {
        const double start = now();
        run(arg);
        times[count] = now() - start;
        total += times[count++];
    }
    return summary(times, count);
}

/* median and best: in unit, which is a time or a rate */
static void record(const char *section, const char *name, const char *shape, int32_t threads,
                   const char *unit, double median, double best)
{
    if (csv)
        fprintf(csv, "%s,%s,%s,%d,%s,%.6g,%.6g\n", section, name, shape, threads, unit, median, best);
}

/* Numbers from -size to size, always the same. */
static void fill(float *x, int64_t count, float size)
{
    uint32_t state = 1;

    for (int64_t i = 0; i < count; i++) {
        state = state * 1664525 + 1013904223;
        x[i] = ((float)(state >> 8) * 0x1p-23f - 1.0f) * size;
    }
}

static emb_device device_of(const embed_model *m, int32_t threads)
{
    emb_device d = {.kernels = m->kernels, .gemm = m->gemm, .threads = threads};

    if (threads > 1) {
        d.parallel_user = memory(emb_pool_size(threads), 1);
        d.parallel = emb_pool_run;
        emb_pool_start(d.parallel_user, threads);
    }
    return d;
}

static void device_free(emb_device *d)
{
    if (d->parallel_user)
        emb_pool_stop(d->parallel_user);
    emb_free(libc, d->parallel_user);
}

/* ---- what the CPU can do ------------------------------------------------------------ */

enum { CHAINS = 12, PROBE_STEPS = 1 << 18, PROBE_TASKS = 8 };
static volatile float sink;

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void multiply_add_avx2(void *arg, int64_t index)
{
    const __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);
    __m256 sums[CHAINS], all = _mm256_setzero_ps();

#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++)
        sums[i] = _mm256_set1_ps((float)(i + index));
    for (int64_t step = 0; step < PROBE_STEPS; step++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sums[i] = _mm256_fmadd_ps(sums[i], x, y);
    }
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++)
        all = _mm256_add_ps(all, sums[i]);
    sink = _mm256_cvtss_f32(all);
    (void)arg;
}
#endif

static void multiply_add_plain(void *arg, int64_t index)
{
    float sums[CHAINS * 4];

    for (int i = 0; i < CHAINS * 4; i++)
        sums[i] = (float)(i + index);
    for (int64_t step = 0; step < PROBE_STEPS; step++)
        for (int i = 0; i < CHAINS * 4; i++)
            sums[i] = sums[i] * 0.999f + 0.001f;
    for (int i = 1; i < CHAINS * 4; i++)
        sums[0] += sums[i];
    sink = sums[0];
    (void)arg;
}

typedef struct {
    const emb_device *device;
    embed_task_fn task;
} probe_job;

static void run_probe(void *arg)
{
    const probe_job *j = arg;
    emb_parallel(j->device, j->task, NULL, PROBE_TASKS);
}

static void bench_probe(const embed_model *m)
{
    const char *name = "plain multiply-adds";
    embed_task_fn task = multiply_add_plain;
    int lanes = 4;

#if defined(__x86_64__)
    if (emb_cpu_features() & EMB_CPU_AVX2) {
        name = "AVX2 fused multiply-adds";
        task = multiply_add_avx2;
        lanes = 8;
    }
#endif
    for (int i = 0; i < 2; i++) {
        emb_device d = device_of(m, i ? cores : 1);
        probe_job j = {&d, task};
        const double flops = 2.0 * PROBE_TASKS * PROBE_STEPS * CHAINS * lanes;
        const timing t = measure(run_probe, &j);
        probe[i] = flops / t.best;
        record("probe", name, "", d.threads, "GFLOP/s", flops / t.median * 1e-9, probe[i] * 1e-9);
        device_free(&d);
    }
    printf("%s: %.1f GFLOP/s on one thread, %.1f on %d\n\n", name, probe[0] * 1e-9,
           probe[1] * 1e-9, cores);
}

/* ---- matrix products ------------------------------------------------------------------ */

/* As in a model, the weights of one product have left the near caches when they are used again:
 * the linears are cycled through. */
typedef struct {
    const emb_device *device;
    emb_linear *linears;
    int64_t count, next, rows;
    float *x, *y;
} product_job;

static void run_product(void *arg)
{
    product_job *j = arg;
    const emb_linear *l = &j->linears[j->next++ % j->count];
    emb_linear_product(j->device, l, j->rows, j->x, l->weight.k, j->y, l->weight.n);
}

static void bench_product(const embed_model *m, const char *model, int64_t k, int64_t n)
{
    static const int64_t rows[] = {8, 16, 32, 128, 512};
    product_job j = {.count = EMB_MAX(1, CYCLED_BYTES / (n * k * 4))};
    float *weight = memory((size_t)(n * k), sizeof(float));
    char name[64], shape[32];

    j.linears = memory((size_t)j.count, sizeof(*j.linears));
    j.x = memory(512 * (size_t)k, sizeof(float));
    j.y = memory(512 * (size_t)n, sizeof(float));
    fill(j.x, 512 * k, 1.0f);
    fill(weight, n * k, 0.05f);
    for (int64_t i = 0; i < j.count; i++) {
        emb_matrix *w = &j.linears[i].weight;
        size_t floats = 0;
        check(emb_matrix_floats(m->gemm, n, k, &floats), "matrix too large");
        *w = (emb_matrix){n, k, memory(floats, sizeof(float))};
        emb_matrix_fill(m->gemm, m->kernels, w, 0, n, weight);
    }
    snprintf(name, sizeof(name), "%s %" PRId64 " -> %" PRId64, model, k, n);
    for (int i = 0; i < 2; i++) {
        emb_device d = device_of(m, i ? cores : 1);
        j.device = &d;
        printf("%-22s %8d", name, d.threads);
        for (int64_t r = 0; r < EMB_COUNT(rows); r++) {
            const double flops = 2.0 * (double)(rows[r] * n * k);
            j.rows = rows[r];
            const timing t = measure(run_product, &j);
            printf(" %7.0f%%", 100 * flops / t.best / probe[i]);
            snprintf(shape, sizeof(shape), "M=%" PRId64, rows[r]);
            record("product", name, shape, d.threads, "GFLOP/s", flops / t.median * 1e-9,
                   flops / t.best * 1e-9);
        }
        printf("\n");
        device_free(&d);
    }
    for (int64_t i = 0; i < j.count; i++)
        emb_free(libc, j.linears[i].weight.data);
    emb_free(libc, j.linears);
    emb_free(libc, j.x);
    emb_free(libc, j.y);
    emb_free(libc, weight);
}

static void bench_products(const embed_model *m)
{
    static const struct { const char *name; int64_t hidden, intermediate; } models[] = {
        {"MiniLM", 384, 1536}, {"BERT-base", 768, 3072},
    };

    printf("Matrix products (%s, %s), fastest run in per cent of those multiply-adds\n%-22s %8s",
           emb_gemm_name(m->gemm), m->kernels->name, "", "threads");
    printf("      M=8     M=16     M=32    M=128    M=512\n");
    for (int64_t i = 0; i < EMB_COUNT(models); i++) {
        const int64_t h = models[i].hidden, wide = models[i].intermediate;
        bench_product(m, models[i].name, h, 3 * h);
        bench_product(m, models[i].name, h, h);
        bench_product(m, models[i].name, h, wide);
        bench_product(m, models[i].name, wide, h);
    }
    printf("\n");
}
