/* bench: how fast this build is on this machine: matrix products against what the CPU can do, whole
 * models, where a forward pass spends its time, the tokenizer, and the start of a process. Prints
 * tables; --csv FILE gets every figure. tests/bench/bench.sh runs it; nothing here passes or fails. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../lib/model.h"
#include "probe.h"

enum { MAX_RUNS = 1000, MIN_RUNS = 3, STARTS = 11, CYCLED_BYTES = 64 << 20, TEXTS = 500 };

extern char **environ;
static const emb_allocator *const libc = &emb_libc_allocator;
static double seconds = 0.3; /* that each figure is measured for */
static FILE *csv;
static int32_t threads_of[2] = {1}, thread_counts = 1; /* one, and all usable ones */
static double probe[PROBES][2]; /* operations a second with that many */

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
    while (count < MAX_RUNS && (total < seconds || (count < MIN_RUNS && total < 10 * seconds))) {
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
        fprintf(csv, "\"%s\",\"%s\",%s,%d,%s,%.6g,%.6g\n", section, name, shape, threads, unit, median,
                best);
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

/* As lines for a program: kind, threads, 10^9 a second. */
static void print_probe(void)
{
    static const embed_model none;

    for (int kind = 0; kind < PROBES; kind++)
        for (int i = 0; i < thread_counts && probe_what(kind); i++) {
            emb_device d = device_of(&none, threads_of[i]);
            printf("%s,%d,%.6g\n", probe_names[kind], d.threads, probe_run(kind, &d) * 1e-9);
            device_free(&d);
        }
}

static void bench_probe(const embed_model *m)
{
    for (int kind = 0; kind < PROBES; kind++)
        for (int i = 0; i < thread_counts && probe_what(kind); i++) {
            emb_device d = device_of(m, threads_of[i]);
            const double most = probe_run(kind, &d);
            probe[kind][i] = most;
            record("probe", probe_names[kind], "", d.threads, "G/s", most * 1e-9, most * 1e-9);
            printf("%s, %d %s: %.1f G/s\n", probe_what(kind), d.threads,
                   d.threads == 1 ? "thread" : "threads", most * 1e-9);
            device_free(&d);
        }
    printf("\n");
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

/* A matrix of weights[n][k], in float32 or whole numbers. */
static emb_matrix matrix_of(const embed_model *m, bool whole, int64_t n, int64_t k, const float *weights)
{
    emb_matrix w = {.n = n, .k = k, .whole = whole ? n : 0};
    size_t floats = 0;

    check(whole ? emb_int8_floats(&w, &floats)
                : emb_matrix_floats(m->gemm, EMB_STORED_F32, n, k, &floats), "matrix too large");
    w.data = memory(floats, sizeof(float));
    if (whole) {
        float *const row = memory((size_t)k, sizeof(float));
        emb_int8_place(&w, w.data);
        emb_int8_fill(m->kernels, &w, 0, n, weights, row);
        emb_free(libc, row);
    } else
        emb_matrix_fill(m->gemm, m->kernels, &w, 0, n, weights);
    return w;
}

typedef struct {
    const char *name;
    bool whole, cycled;
} product_kind;

static void bench_product(const embed_model *m, const product_kind *kind, const char *model, int64_t k, int64_t n)
{
    static const int64_t rows[] = {8, 16, 32, 128, 512};
    product_job j = {.count = kind->cycled ? EMB_MAX(1, CYCLED_BYTES / (n * k * 4)) : 1};
    float *weight = memory((size_t)(n * k), sizeof(float));
    char name[64], shape[32];

    j.linears = memory((size_t)j.count, sizeof(*j.linears));
    j.x = memory(512 * (size_t)k, sizeof(float));
    j.y = memory(512 * (size_t)n, sizeof(float));
    fill(j.x, 512 * k, 1.0f);
    fill(weight, n * k, 0.05f);
    for (int64_t i = 0; i < j.count; i++)
        j.linears[i].weight = matrix_of(m, kind->whole, n, k, weight);
    snprintf(name, sizeof(name), "%s %" PRId64 " -> %" PRId64, model, k, n);
    for (int i = 0; i < thread_counts; i++) {
        emb_device d = device_of(m, threads_of[i]);
        d.scratch_per_thread = emb_linear_scratch(&j.linears[0]);
        d.scratch = emb_alloc(libc, (size_t)d.threads * d.scratch_per_thread + 1, 1);
        check(d.scratch, "out of memory");
        j.device = &d;
        printf("%-22s %8d", name, d.threads);
        for (int64_t r = 0; r < EMB_COUNT(rows); r++) {
            const double flops = 2.0 * (double)(rows[r] * n * k);
            j.rows = rows[r];
            const timing t = measure(run_product, &j);
            printf(" %7.0f%%", 100 * flops / t.best / probe[kind->whole ? PROBE_INT8 : PROBE_F32][i]);
            snprintf(shape, sizeof(shape), "M=%" PRId64, rows[r]);
            record(kind->name, name, shape, d.threads, "G/s", flops / t.median * 1e-9,
                   flops / t.best * 1e-9);
        }
        printf("\n");
        emb_free(libc, d.scratch);
        device_free(&d);
    }
    for (int64_t i = 0; i < j.count; i++) emb_free(libc, j.linears[i].weight.data);
    emb_free(libc, j.linears);
    emb_free(libc, j.x);
    emb_free(libc, j.y);
    emb_free(libc, weight);
}

static void bench_products(const embed_model *m)
{
    static const product_kind kinds[] = {{"float32, weights in cache", false, false},
                                         {"float32, weights from memory", false, true},
                                         {"int8, weights in cache", true, false},
                                         {"int8, weights from memory", true, true}};
    static const struct { const char *name; int64_t hidden, intermediate; } models[] = {
        {"MiniLM", 384, 1536}, {"BERT-base", 768, 3072},
    };

    for (size_t kind = 0; kind < EMB_COUNT(kinds); kind++) {
        if (probe[kinds[kind].whole ? PROBE_INT8 : PROBE_F32][0] == 0)
            continue;
        printf("Matrix products (%s, %s; %s), fastest run in per cent of these multiply-adds\n%-22s %8s",
               emb_gemm_name(m->gemm), m->kernels->name, kinds[kind].name, "", "threads");
        printf("      M=8     M=16     M=32    M=128    M=512\n");
        for (int64_t i = 0; i < EMB_COUNT(models); i++) {
            const int64_t h = models[i].hidden, wide = models[i].intermediate;
            bench_product(m, &kinds[kind], models[i].name, h, 3 * h);
            bench_product(m, &kinds[kind], models[i].name, h, h);
            bench_product(m, &kinds[kind], models[i].name, h, wide);
            bench_product(m, &kinds[kind], models[i].name, wide, h);
        }
        printf("\n");
    }
}

/* ---- whole models ------------------------------------------------------------------------- */

typedef struct {
    int64_t batch, tokens;
    embed_session *session;
    embed_input input;
    float *vectors;
    int64_t dim;
} batch_job;

static void run_batch(void *arg)
{
    batch_job *j = arg;
    check(embed_encode(j->session, &j->input, NULL, j->vectors, j->dim) == EMBED_OK,
          embed_session_error(j->session));
}

static batch_job batch_of(const embed_model *m, int64_t batch, int64_t tokens, int32_t threads)
{
    batch_job j = {.batch = batch, .tokens = tokens, .dim = embed_output_dim(m, NULL)};
    embed_session_options options = EMBED_SESSION_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    int64_t *offsets = memory((size_t)batch + 1, sizeof(*offsets));
    int32_t *ids = memory((size_t)(batch * tokens), sizeof(*ids));

    for (int64_t i = 0; i < batch * tokens; i++)
        ids[i] = (int32_t)((i * 7919 + 1009) % m->text.arch.vocab_size);
    for (int64_t i = 0; i <= batch; i++)
        offsets[i] = i * tokens;
    j.input = (embed_input){.struct_size = sizeof(j.input), .count = batch, .ids = ids,
                            .offsets = offsets};
    j.vectors = memory((size_t)(batch * j.dim), sizeof(float));
    options.threads = threads;
    check(embed_session_create(m, &options, &j.session, &error) == EMBED_OK, error.message);
    return j;
}

static void batch_free(batch_job *j)
{
    embed_session_free(j->session);
    emb_free(libc, (void *)(uintptr_t)j->input.ids);
    emb_free(libc, (void *)(uintptr_t)j->input.offsets);
    emb_free(libc, j->vectors);
}

static double flops_of(const emb_architecture *a, int64_t batch, int64_t tokens)
{
    const double h = (double)a->hidden_size, n = (double)tokens;
    const double token = 8 * h * h + 4 * h * (double)a->intermediate_size + 4 * h * n;
    return token * n * (double)(batch * a->num_hidden_layers);
}

static void bench_models(const embed_model *m)
{
    static const int64_t shapes[][2] = {
        {1, 8}, {1, 16}, {1, 32}, {1, 128}, {1, 512}, {8, 128}, {32, 16}, {32, 128}};
    const emb_architecture *a = &m->text.arch;
    char shape[32];

    printf("Whole batches of token ids, vectors out\n%-14s %8s %10s %10s %10s %8s %8s\n",
           "batch x tokens", "threads", "median ms", "best ms", "tokens/s", "GFLOP/s", "of probe");
    for (int64_t s = 0; s < EMB_COUNT(shapes); s++) {
        const int64_t batch = shapes[s][0], tokens = shapes[s][1];
        const double flops = flops_of(a, batch, tokens);
        if (tokens > a->max_position_embeddings)
            continue;
        snprintf(shape, sizeof(shape), "%" PRId64 "x%" PRId64, batch, tokens);
        for (int i = 0; i < thread_counts; i++) {
            batch_job j = batch_of(m, batch, tokens, threads_of[i]);
            const timing t = measure(run_batch, &j);
            printf("%-14s %8d %10.2f %10.2f %10.0f %8.1f %7.0f%%\n", shape, threads_of[i],
                   t.median * 1e3, t.best * 1e3, (double)(batch * tokens) / t.median,
                   flops / t.median * 1e-9, 100 * flops / t.median / probe[PROBE_F32][i]);
            record("model", a->model_type, shape, threads_of[i], "ms", t.median * 1e3,
                   t.best * 1e3);
            batch_free(&j);
        }
    }
    printf("\n");
}

/* ---- where a forward pass spends its time --------------------------------------------------- */

enum { QKV, ATTENTION, ATTENTION_OUTPUT, INTERMEDIATE, ACTIVATION, OUTPUT, NORMS, REST, PARTS };
static const char *const part_names[PARTS] = {
    "query, key, value", "attention", "attention output", "intermediate", "its activation",
    "output", "norms", "all the rest"};

static double lap(double *since)
{
    const double t = now(), took = t - *since;
    *since = t;
    return took;
}

/* The layers of lib/encoder/encoder.c, each step timed. */
static void time_parts(const embed_model *m, const emb_device *d, const emb_batch *b,
                       const emb_encoder_scratch *s, double *took)
{
    const emb_encoder *e = &m->text;
    const int64_t h = e->arch.hidden_size, ld = e->qkv_stride, n = b->tokens;
    const int64_t wide = e->arch.intermediate_size;

    for (int64_t i = 0; i < e->arch.num_hidden_layers; i++) {
        const emb_layer *l = &e->layers[i];
        double at = now();
        emb_linear_run(d, &l->qkv, n, s->x, h, s->qkv, ld);
        took[QKV] += lap(&at);
        emb_attention_run(d, &e->attention, NULL, b->sequences, b->starts, s->qkv,
                          s->qkv + e->query_part, s->qkv + e->query_part + e->key_part, ld, s->context, h, s->attention,
                          s->attention_per_thread);
        took[ATTENTION] += lap(&at);
        for (int64_t row = 0; row < n; row += EMB_MLP_ROWS) {
            const int64_t rows = EMB_MIN(n - row, EMB_MLP_ROWS);
            float *x = s->x + row * h;
            emb_linear_product(d, &l->attention_output, rows, s->context + row * h, h, s->qkv, h);
            took[ATTENTION_OUTPUT] += lap(&at);
            emb_norm_run(d, &l->attention_norm, rows, h, s->qkv, l->attention_output.bias, x, x);
            took[NORMS] += lap(&at);
            emb_linear_product(d, &l->intermediate, rows, x, h, s->mlp, wide);
            took[INTERMEDIATE] += lap(&at);
            d->kernels->bias_act_f32(rows, wide, s->mlp, wide, l->intermediate.bias,
                                     l->intermediate.act);
            took[ACTIVATION] += lap(&at);
            emb_linear_product(d, &l->output, rows, s->mlp, wide, s->qkv, h);
            took[OUTPUT] += lap(&at);
            emb_norm_run(d, &l->output_norm, rows, h, s->qkv, l->output.bias, x, x);
            took[NORMS] += lap(&at);
        }
    }
}

static void bench_shape_parts(const embed_model *m, int64_t batch, int64_t tokens, double *shares)
{
    batch_job j = batch_of(m, batch, tokens, 1);
    const emb_device d = device_of(m, 1);
    const emb_batch b = {
        .sequences = batch, .tokens = batch * tokens, .starts = j.input.offsets};
    double times[PARTS][MAX_RUNS], known = 0;
    emb_encoder_scratch s;
    emb_arena arena;
    char shape[32];
    int64_t runs = 0;

    emb_arena_init(&arena, NULL, 0);
    emb_encoder_plan(&m->text, b.tokens, 1, &arena, &s);
    emb_arena_init(&arena, memory(arena.used, 1), arena.used);
    emb_encoder_plan(&m->text, b.tokens, 1, &arena, &s);
    fill(s.x, b.tokens * m->text.arch.hidden_size, 1.0f);
    snprintf(shape, sizeof(shape), "%" PRId64 "x%" PRId64, batch, tokens);
    for (const double start = now(); runs < MAX_RUNS && (runs < 5 || now() - start < 2 * seconds);
         runs++) {
        double took[PARTS] = {0}, at = now();
        run_batch(&j);
        took[REST] = lap(&at);
        time_parts(m, &d, &b, &s, took);
        for (int p = 0; p < PARTS; p++)
            times[p][runs] = took[p];
    }
    for (int p = 0; p < PARTS; p++) {
        const timing t = summary(times[p], runs);
        shares[p] = p == REST ? EMB_MAX(t.median - known, 0) : t.median;
        known += shares[p];
        record("part", part_names[p], shape, 1, "ms", shares[p] * 1e3, t.best * 1e3);
    }
    emb_free(libc, arena.base);
    batch_free(&j);
}

static void bench_parts(const embed_model *m)
{
    static const int64_t shapes[][2] = {{1, 16}, {1, 128}, {8, 128}, {1, 512}};
    double shares[EMB_COUNT(shapes)][PARTS], totals[EMB_COUNT(shapes)] = {0};
    int64_t count = EMB_COUNT(shapes);

    while (shapes[count - 1][1] > m->text.arch.max_position_embeddings)
        count--;
    printf("Where one thread's time goes, in per cent\n%-20s", "batch x tokens");
    for (int64_t i = 0; i < count; i++) {
        printf("%5" PRId64 "x%-4" PRId64, shapes[i][0], shapes[i][1]);
        bench_shape_parts(m, shapes[i][0], shapes[i][1], shares[i]);
        for (int p = 0; p < PARTS; p++)
            totals[i] += shares[i][p];
    }
    for (int p = 0; p < PARTS; p++) {
        printf("\n%-20s", part_names[p]);
        for (int64_t i = 0; i < count; i++)
            printf("%8.1f  ", 100 * shares[i][p] / totals[i]);
    }
    printf("\n\n");
}

/* ---- texts ----------------------------------------------------------------------------- */

typedef struct {
    embed_session *session;
    const char **texts;
    int64_t *sizes, count, tokens, dim;
    float *vectors;
} text_job;

static void run_tokenizer(void *arg)
{
    text_job *j = arg;
    int32_t ids[512];
    int64_t n;
    embed_tokens tokens = {.struct_size = sizeof(tokens), .capacity = EMB_COUNT(ids), .ids = ids};

    j->tokens = 0;
    for (int64_t i = 0; i < j->count; i++) {
        n = embed_tokenize(j->session, j->texts[i], j->sizes[i], NULL, 0, NULL, &tokens);
        check(n >= 0, embed_session_error(j->session));
        j->tokens += n;
    }
}

static void run_texts(void *arg)
{
    text_job *j = arg;
    check(embed_encode_texts(j->session, j->texts, j->sizes, EMB_MIN(j->count, TEXTS), NULL,
                             j->vectors, j->dim) == EMBED_OK, embed_session_error(j->session));
}

static void bench_texts(const embed_model *m, const char *path)
{
    text_job j = {.dim = embed_output_dim(m, NULL)};
    embed_session_options options = EMBED_SESSION_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    emb_file file;

    check(emb_file_open(&file, path, path, true, libc, &error) == EMBED_OK, error.message);
    for (size_t i = 0; i < file.size; i++)
        j.count += file.data[i] == '\n';
    j.texts = memory((size_t)j.count, sizeof(*j.texts));
    j.sizes = memory((size_t)j.count, sizeof(*j.sizes));
    j.vectors = memory((size_t)(TEXTS * j.dim), sizeof(float));
    for (int64_t i = 0, at = 0; i < j.count; at += j.sizes[i++] + 1) {
        j.texts[i] = file.data + at;
        while (file.data[at + j.sizes[i]] != '\n')
            j.sizes[i]++;
    }
    for (int i = 0; i < thread_counts; i++) {
        options.threads = threads_of[i];
        check(embed_session_create(m, &options, &j.session, &error) == EMBED_OK, error.message);
        if (i == 0) {
            const timing t = measure(run_tokenizer, &j);
            const double size = (double)file.size * 1e-6;
            printf("%s: %" PRId64 " texts, %.0f bytes and %.1f tokens each\n", path, j.count,
                   (double)file.size / (double)j.count, (double)j.tokens / (double)j.count);
            printf("Tokenizer, one thread: %.1f MB/s, %.2f million tokens/s\n", size / t.median,
                   (double)j.tokens / t.median * 1e-6);
            record("tokenizer", "lines", "", 1, "MB/s", size / t.median, size / t.best);
        }
        const timing t = measure(run_texts, &j);
        const double texts = (double)EMB_MIN(j.count, TEXTS);
        printf("Texts to vectors, %d %s: %.0f texts/s\n", threads_of[i],
               threads_of[i] == 1 ? "thread" : "threads", texts / t.median);
        record("texts", "lines", "", threads_of[i], "texts/s", texts / t.median, texts / t.best);
        embed_session_free(j.session);
    }
    emb_file_close(&file);
    emb_free(libc, j.texts);
    emb_free(libc, j.sizes);
    emb_free(libc, j.vectors);
}

/* ---- the command, from its start to its first vector --------------------------------------- */

static double run_command(char **arguments)
{
    posix_spawn_file_actions_t actions;
    int fd[2], status = -1;
    const double start = now();
    double first;
    char byte;
    pid_t child;

    check(pipe(fd) == 0, "cannot make a pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, fd[0]);
    check(posix_spawn(&child, arguments[0], &actions, NULL, arguments, environ) == 0,
          "cannot start the embed command");
    close(fd[1]);
    check(read(fd[0], &byte, 1) == 1, "the embed command printed nothing");
    first = now() - start;
    while (read(fd[0], &byte, 1) == 1)
        ;
    close(fd[0]);
    check(waitpid(child, &status, 0) == child && status == 0, "the embed command failed");
    posix_spawn_file_actions_destroy(&actions);
    return first;
}

static void bench_command(char *command, char *model)
{
    char *arguments[] = {command, "text", "-m", model, "A cat is sleeping on the sofa.", NULL};
    double times[STARTS];
    struct rusage usage;
    timing t;

    for (int i = 0; i < STARTS; i++)
        times[i] = run_command(arguments);
    t = summary(times, STARTS);
    getrusage(RUSAGE_CHILDREN, &usage);
    printf("embed text, from start to the first vector: %.0f ms (best %.0f), peak memory %.0f MiB\n\n",
           t.median * 1e3, t.best * 1e3, (double)usage.ru_maxrss / 1024);
    record("command", "first vector", "", threads_of[thread_counts - 1], "ms", t.median * 1e3,
           t.best * 1e3);
    record("command", "peak memory", "", threads_of[thread_counts - 1], "MiB",
           (double)usage.ru_maxrss / 1024, (double)usage.ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: bench [--csv FILE] [--text FILE] [--embed COMMAND] "
                                "[--seconds S] [--isa NAME] [--blas] MODEL | --probe";
    embed_open_options options = EMBED_OPEN_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    const char *text = NULL;
    char *command = NULL;
    embed_model *m;

    setvbuf(stdout, NULL, _IOLBF, 0);
    threads_of[1] = emb_usable_cores();
    thread_counts = threads_of[1] > 1 ? 2 : 1;
    if (argc == 2 && strcmp(argv[1], "--probe") == 0) {
        print_probe();
        return 0;
    }
    for (; argc > 2; argc--, argv++) {
        const bool more = argc > 3;
        if (strcmp(argv[1], "--blas") == 0) {
            options.gemm = EMBED_GEMM_BLAS;
            continue;
        }
        check(more, usage);
        if (strcmp(argv[1], "--csv") == 0)
            check((csv = fopen(argv[2], "w")) != NULL, "cannot write the CSV file");
        else if (strcmp(argv[1], "--text") == 0)
            text = argv[2];
        else if (strcmp(argv[1], "--embed") == 0)
            command = argv[2];
        else if (strcmp(argv[1], "--seconds") == 0)
            seconds = strtod(argv[2], NULL);
        else if (strcmp(argv[1], "--isa") == 0)
            options.isa = argv[2];
        else
            check(false, usage);
        argc--, argv++;
    }
    check(argc == 2 && argv[1][0] != '-', usage);
    if (csv)
        fprintf(csv, "section,name,shape,threads,unit,median,best\n");
    check(embed_model_open(argv[1], &options, &m, &error) == EMBED_OK, error.message);
    if (command)
        bench_command(command, argv[1]);
    bench_probe(m);
    bench_products(m);
    bench_models(m);
    bench_parts(m);
    if (text)
        bench_texts(m, text);
    embed_model_free(m);
    return csv && fclose(csv) != 0;
}
