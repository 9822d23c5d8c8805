/* The frozen models however they are run: the same bytes alone, in any batch and order, on any
 * threads and kernels; the workspace's exact size, no allocation while encoding, every allocation
 * failing in turn, cancelling. */
#define _GNU_SOURCE
#include <math.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "failing_allocator.h"
#include "frozen_models.h"

/* ---- counting allocations ------------------------------------------------------- */

static atomic_bool counting;
static atomic_long counted;

static inline void count(void)
{
    if (atomic_load(&counting)) atomic_fetch_add(&counted, 1);
}

/* Where the C library lets us, malloc itself is counted, in every thread; the sanitizers want it
 * for themselves. */
#if defined(__has_feature)
#  if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                       \
      __has_feature(memory_sanitizer)
#    define SANITIZED 1
#  endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#  define SANITIZED 1
#endif

#if defined(__GLIBC__) && !defined(SANITIZED)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t number, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void *__libc_memalign(size_t align, size_t size);

void *malloc(size_t size)
{
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *ptr, size_t size)
{
    count();
    return __libc_realloc(ptr, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    count();
    return __libc_memalign(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
    count();
    *out = __libc_memalign(align, size);
    return *out ? 0 : 12; /* ENOMEM */
}
static const bool counts_malloc = true;
#else
static const bool counts_malloc = false;
#endif
/* ---- the same bytes ------------------------------------------------------------------- */

/* Last hidden states by ids in a session of the caller, in new memory. */
static float *states_in(const frozen *f, embed_session *session)
{
    float *found = malloc((size_t)(f->tokens * f->hidden) * sizeof(float));
    assert_non_null(found);
    int64_t offsets[MAX_INPUTS + 1];
    embed_input input = ids_of(f);
    ok(session, embed_last_hidden_state_ragged(session, &input, NULL, found, f->tokens, offsets));
    return found;
}

static float *states_with(const frozen *f, const embed_model *model, int32_t threads,
                          int64_t batch_tokens)
{
    embed_session *session = session_of(model, threads, batch_tokens);
    float *found = states_in(f, session);
    embed_session_free(session);
    return found;
}

static void assert_same_and_free(const frozen *f, const float *whole, float *found)
{
    assert_memory_equal(whole, found, (size_t)(f->tokens * f->hidden) * sizeof(float));
    free(found);
}

static void check_alone_and_reversed(const frozen *f, const float *whole)
{
    embed_session *session = session_of(f->model, 2, 0);
    int64_t order[MAX_INPUTS + 1], offsets[MAX_INPUTS + 1], at = 0, got[MAX_INPUTS + 1];
    int32_t ids[MAX_TOKENS], types[MAX_TOKENS];
    float *found = malloc((size_t)(f->tokens * f->hidden) * sizeof(float));
    for (int64_t i = 0; i < f->count; i++) {
        int64_t from = f->offsets[i], length = f->offsets[i + 1] - from, alone[2] = {0, length};
        embed_input one = EMBED_INPUT_INIT;
        one.count = 1;
        one.ids = f->ids + from;
        one.type_ids = f->type_ids + from;
        one.offsets = alone;
        ok(session, embed_last_hidden_state_ragged(session, &one, NULL, found, length, got));
        assert_memory_equal(found, whole + from * f->hidden,
                            (size_t)(length * f->hidden) * sizeof(float));
    }
    for (int64_t i = 0; i < f->count; i++) { /* the last input first */
        order[i] = f->count - 1 - i;
        int64_t from = f->offsets[order[i]], length = f->offsets[order[i] + 1] - from;
        offsets[i] = at;
        memcpy(ids + at, f->ids + from, (size_t)length * sizeof *ids);
        memcpy(types + at, f->type_ids + from, (size_t)length * sizeof *types);
        at += length;
    }
    offsets[f->count] = at;
    embed_input input = ids_of(f);
    input.ids = ids;
    input.type_ids = types;
    input.offsets = offsets;
    ok(session, embed_last_hidden_state_ragged(session, &input, NULL, found, f->tokens, got));
    for (int64_t i = 0; i < f->count; i++)
        assert_memory_equal(found + offsets[i] * f->hidden,
                            whole + f->offsets[order[i]] * f->hidden,
                            (size_t)((offsets[i + 1] - offsets[i]) * f->hidden) * sizeof(float));
    free(found);
    embed_session_free(session);
}

static void test_same_bytes(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_MODELS; m++) {
        frozen *f = load(models[m]);
        float *whole = states_with(f, f->model, 1, 0);
        check_alone_and_reversed(f, whole);
        for (int32_t threads = 2; threads <= 3; threads++)
            assert_same_and_free(f, whole, states_with(f, f->model, threads, 0));
        for (int64_t budget = f->longest; budget < f->longest + 20; budget += 7)
            assert_same_and_free(f, whole, states_with(f, f->model, 2, budget));
        embed_open_options options = EMBED_OPEN_OPTIONS_INIT;
        options.isa = "c";
        options.flags = EMBED_OPEN_READ;
        embed_model *plain = open_named(f->name, &options);
        assert_same_and_free(f, whole, states_with(f, plain, 1, 0));
        embed_model_free(plain);
        free(whole);
        unload(f);
    }
}

/* OpenBLAS is right within a relative 1e-5 of a token vector's length. */
static void test_blas(void **state)
{
    (void)state;
    embed_open_options options = EMBED_OPEN_OPTIONS_INIT;
    options.gemm = EMBED_GEMM_BLAS;
    for (int m = 0; m < NUM_MODELS; m++) {
        frozen *f = load(models[m]);
        char path[256];
        snprintf(path, sizeof path, ROOT "%s", f->name);
        embed_model *model;
        embed_error error = EMBED_ERROR_INIT;
        if (embed_model_open(path, &options, &model, &error) == EMBED_EUNSUPPORTED) {
            print_message("blas: not run: %s\n", error.message);
            unload(f);
            return;
        }
        assert_non_null(model);
        assert_int_equal(embed_model_info(model, EMBED_INFO_GEMM), EMBED_GEMM_BLAS);
        float *packed = states_with(f, f->model, 1, 0), *found = states_with(f, model, 2, 0);
        for (int64_t t = 0; t < f->tokens; t++) {
            double difference = 0, length = 0;
            for (int64_t i = t * f->hidden; i < (t + 1) * f->hidden; i++) {
                difference += pow((double)found[i] - packed[i], 2);
                length += pow(packed[i], 2);
            }
            assert_true(sqrt(difference / length) <= 1e-5);
        }
        free(packed);
        free(found);
        embed_model_free(model);
        unload(f);
    }
}
/* ---- memory ---------------------------------------------------------------------------- */

/* Exactly size bytes that end at an unreadable page. */
static char *guarded(size_t size, void **map, size_t *map_size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (size + page - 1) / page * page;
    *map_size = body + page;
    *map = mmap(NULL, *map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(*map != MAP_FAILED);
    assert_int_equal(mprotect((char *)*map + body, page, PROT_NONE), 0);
    return (char *)*map + body - size;
}

static void check_workspace(const frozen *f, int32_t threads)
{
    embed_session_options options = EMBED_SESSION_OPTIONS_INIT;
    options.threads = threads;
    options.batch_tokens = f->longest;
    embed_error error = EMBED_ERROR_INIT;
    embed_session *session;
    size_t size, map_size;
    void *map;
    assert_int_equal(embed_workspace_size(f->model, &options, &size, &error), EMBED_OK);
    assert_int_equal(size % EMBED_WORKSPACE_ALIGN, 0);
    char *workspace = guarded(size, &map, &map_size);
    assert_int_equal(embed_session_init(f->model, &options, workspace, size - 64, &session, &error),
                     EMBED_EWORKSPACE);
    assert_null(session);
    assert_int_equal(embed_session_init(f->model, &options, workspace - 4, size, &session, &error),
                     EMBED_EWORKSPACE);
    memset(workspace, 0x7f, size); /* whatever was there before does not matter */
    assert_int_equal(embed_session_init(f->model, &options, workspace, size, &session, &error),
                     EMBED_OK);
    float *whole = states_with(f, f->model, 1, 0);
    assert_same_and_free(f, whole, states_in(f, session));
    embed_input texts = texts_of(f);
    free(encode(session, f->model, &texts, NULL));
    free(whole);
    embed_session_free(session);
    munmap(map, map_size);
}

static void test_workspace_ends_at_a_guard_page(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_MODELS; m++) {
        frozen *f = load(models[m]);
        for (int32_t threads = 1; threads <= 3; threads++)
            check_workspace(f, threads);
        unload(f);
    }
}

static embed_open_options hooked(failing *h)
{
    embed_open_options options = EMBED_OPEN_OPTIONS_INIT;
    options.alloc = failing_alloc;
    options.free = failing_free;
    options.alloc_user = h;
    options.gemm = EMBED_GEMM_PACKED;
    return options;
}

static void test_encoding_takes_no_memory(void **state)
{
    (void)state;
    if (!counts_malloc)
        print_message("malloc itself is not counted in this build, only the allocator hooks\n");
    for (int m = 0; m < NUM_MODELS; m++) {
        frozen *f = load(models[m]);
        failing h = {0, 0, 0};
        embed_open_options options = hooked(&h);
        embed_model *model = open_named(f->name, &options);
        embed_session *session = session_of(model, 2, f->longest);
        float vectors[MAX_INPUTS * MAX_WIDTH],
            *hidden = malloc((size_t)(f->tokens * f->hidden) * sizeof(float));
        int64_t offsets[MAX_INPUTS + 1];
        embed_input ids = ids_of(f), texts = texts_of(f), pairs = pairs_of(f);
        int64_t before = h.requests;
        atomic_store(&counted, 0);
        atomic_store(&counting, true);
        int32_t status[4] = {
            embed_encode(session, &ids, NULL, vectors, MAX_WIDTH),
            embed_encode(session, &texts, NULL, vectors, MAX_WIDTH),
            f->num_pairs ? embed_encode(session, &pairs, NULL, vectors, MAX_WIDTH) : EMBED_OK,
            embed_last_hidden_state_ragged(session, &ids, NULL, hidden, f->tokens, offsets),
        };
        atomic_store(&counting, false);
        for (int i = 0; i < 4; i++)
            ok(session, status[i]);
        assert_int_equal(h.requests, before);
        if (atomic_load(&counted) != 0)
            fail_msg("%s: %ld allocations while encoding", f->name, atomic_load(&counted));
        free(hidden);
        embed_session_free(session);
        embed_model_free(model);
        assert_int_equal(h.alive, 0);
        unload(f);
    }
}

/* Opening and creating with the n-th allocation failing, for every n: an error, and nothing kept.
 */
static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_MODELS; m++) {
        char path[256];
        snprintf(path, sizeof path, ROOT "%s", models[m]);
        for (long n = 1;; n++) {
            failing h = {0, 0, n};
            embed_open_options options = hooked(&h);
            embed_error error = EMBED_ERROR_INIT;
            embed_model *model = NULL;
            embed_session *session = NULL;
            int32_t status = embed_model_open(path, &options, &model, &error);
            if (status == EMBED_OK) status = embed_session_create(model, NULL, &session, &error);
            embed_session_free(session);
            embed_model_free(model);
            assert_int_equal(h.alive, 0);
            if (status == EMBED_OK && h.requests < n) break; /* it never came to n calls */
            if (status != EMBED_ENOMEM)
                fail_msg("%s: allocation %ld fails: %d %s", models[m], n, (int)status,
                         error.message);
            assert_true(error.message[0] != 0);
        }
    }
}

/* ---- progress ----------------------------------------------------------------------------- */

typedef struct progress {
    int64_t calls, last, stop_at;
} progress;

static int32_t on_progress(void *user, int64_t done, int64_t total)
{
    progress *p = user;
    assert_true(done >= p->last && done <= total);
    p->calls++;
    p->last = done;
    return p->stop_at && done >= p->stop_at;
}

static void test_cancelled_session_works_again(void **state)
{
    (void)state;
    frozen *f = load("st-dense");
    embed_session *session = session_of(f->model, 2, f->longest);
    embed_input texts = texts_of(f);
    int64_t dim = embed_output_dim(f->model, NULL);
    size_t size = (size_t)(f->num_texts * dim) * sizeof(float);
    float *whole = encode(session, f->model, &texts, NULL), again[MAX_TEXTS * MAX_WIDTH];
    progress p = {0, 0, 1};
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    options.progress = on_progress;
    options.progress_user = &p;
    assert_int_equal(embed_encode(session, &texts, &options, again, dim), EMBED_ECANCELED);
    assert_true(p.last < f->num_texts);
    p = (progress){0, 0, 0};
    ok(session, embed_encode(session, &texts, &options, again, dim));
    assert_true(p.calls >= 2);
    assert_int_equal(p.last, f->num_texts);
    assert_memory_equal(whole, again, size);
    free(whole);
    embed_session_free(session);
    unload(f);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_blas),
        cmocka_unit_test(test_workspace_ends_at_a_guard_page),
        cmocka_unit_test(test_encoding_takes_no_memory),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_cancelled_session_works_again),
    };
    return cmocka_run_group_tests_name("model runs", tests, NULL, NULL);
}
