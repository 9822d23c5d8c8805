/* base: what every layer above stands on: errors, memory, files, threads, CPU. libc only. */
#ifndef EMB_BASE_H
#define EMB_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../../include/embed.h"

#define EMB_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define EMB_MAX(a, b)    ((a) > (b) ? (a) : (b))
#define EMB_COUNT(array) ((int64_t)(sizeof(array) / sizeof((array)[0])))

/* ---- errors (status.c) ---------------------------------------------------- */

#if defined(__MINGW32__)
#define EMB_PRINTF(string, first) __attribute__((format(gnu_printf, string, first)))
#elif defined(__GNUC__)
#define EMB_PRINTF(string, first) __attribute__((format(printf, string, first)))
#else
#define EMB_PRINTF(string, first)
#endif

/* Write a sentence into error (which may be NULL) and return status, so that a failing function
 * ends in `return emb_fail(error, EMBED_EFORMAT, "%s: ...", file, ...)`. Control bytes and invalid
 * UTF-8 that came in through an argument are written as \xNN. */
int32_t emb_fail(embed_error *error, int32_t status, const char *format, ...) EMB_PRINTF(3, 4);
/* Put "what: " before the message that error holds already; returns its status. */
int32_t emb_fail_in(embed_error *error, const char *format, ...) EMB_PRINTF(2, 3);
/* Copy of a file's name or a text of the file for a message: at most 60 bytes, then "...". */
typedef struct {
    char text[72];
} emb_excerpt;
emb_excerpt emb_excerpt_of(const char *text, size_t size);

/* ---- memory (memory.c) ------------------------------------------------------ */

typedef struct emb_allocator {
    embed_alloc_fn alloc;
    embed_free_fn free;
    void *user;
} emb_allocator;

extern const emb_allocator emb_libc_allocator;

/* Sizes come from files: every product and sum goes through these. false: overflow. */
bool emb_mul(size_t a, size_t b, size_t *out);
bool emb_add(size_t a, size_t b, size_t *out);

/* count * size bytes, zeroed, 64-byte aligned; NULL on overflow or exhaustion. The block remembers
 * its size, so emb_free needs the pointer alone. count 0 gives a valid pointer. */
void *emb_calloc(const emb_allocator *a, size_t count, size_t size);
void *emb_alloc(const emb_allocator *a, size_t count, size_t size); /* the same, not zeroed */
void emb_free(const emb_allocator *a, void *ptr);
char *emb_strdup(const emb_allocator *a, const char *text, size_t size); /* adds a NUL */

/* A growing byte buffer: *data always ends in a NUL that size does not count. The first failure
 * sticks in `failed`, so callers check once. */
typedef struct emb_buffer {
    const emb_allocator *allocator;
    char *data;
    size_t size, capacity;
    bool failed;
} emb_buffer;
void emb_buffer_init(emb_buffer *b, const emb_allocator *a);
void emb_buffer_free(emb_buffer *b);
void emb_buffer_add(emb_buffer *b, const void *data, size_t size);
void emb_buffer_printf(emb_buffer *b, const char *format, ...) EMB_PRINTF(2, 3);
void emb_buffer_json(emb_buffer *b, const char *text); /* as a quoted JSON string */

/* An arena over one block: workspaces are planned by running the same code over base == NULL, where
 * take() only counts. Pieces are 64-byte aligned. After the last take, used is the size needed. */
typedef struct emb_arena {
    char *base;
    size_t size, used;
    bool failed; /* overflow, or base too small */
} emb_arena;
void emb_arena_init(emb_arena *arena, void *base, size_t size); /* NULL: plan only */
void *emb_arena_take(emb_arena *arena, size_t count, size_t size);

/* ---- bytes and UTF-8 (utf8.c) -------------------------------------------------- */

static inline uint32_t emb_le32(const void *p)
{
    const unsigned char *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static inline uint64_t emb_le64(const void *p)
{
    return emb_le32(p) | (uint64_t)emb_le32((const char *)p + 4) << 32;
}

/* Decode one code point at s (size >= 1 bytes left). Returns its length, 1 to 4; for invalid UTF-8
 * (overlong, surrogate, above U+10FFFF, cut short) -n, n >= 1 the length of the maximal invalid
 * part (Unicode 3.9, the same parts that Python's errors="replace" turns into one U+FFFD each). */
int emb_utf8_decode(const char *s, size_t size, uint32_t *code_point);
int emb_utf8_encode(uint32_t code_point, char out[4]);
/* Offset of the first invalid byte, or -1. */
int64_t emb_utf8_invalid(const char *s, size_t size);

/* ---- files (file.c, file_windows.c) ---------------------------------------------- */

typedef struct emb_file {
    const char *data;
    size_t size;
    bool mapped;
    const emb_allocator *allocator; /* of data when it was read */
} emb_file;

/* Map (or read) a whole regular file. An empty file gives size 0. name is what messages call it. */
int32_t emb_file_open(emb_file *file, const char *path, const char *name, bool map,
                      const emb_allocator *a, embed_error *error);
void emb_file_close(emb_file *file);
/* Let the system drop the pages of a mapped file; they come back from the file when touched. */
void emb_file_forget(const emb_file *file);
enum { EMB_PATH_MISSING, EMB_PATH_FILE, EMB_PATH_DIRECTORY, EMB_PATH_OTHER };
int emb_path_kind(const char *path);

/* ---- threads (threads.c) ------------------------------------------------------------ */

/* Cores this process may use: affinity and cgroup quota, at least 1. */
int32_t emb_usable_cores(void);

typedef struct emb_pool emb_pool; /* threads - 1 workers; the caller is the last one */
size_t emb_pool_size(int32_t threads);
/* Build a pool in memory of emb_pool_size(threads) bytes. Where the system starts fewer threads,
 * those do the work; the result is the same. */
void emb_pool_start(emb_pool *pool, int32_t threads);
void emb_pool_stop(emb_pool *pool);
/* An embed_parallel_fn, with the pool as user. Not reentrant. */
void emb_pool_run(void *pool, embed_task_fn task, void *arg, int64_t count);
/* A lock for what is not thread-safe in our dependencies (cJSON, loading of OpenBLAS). */
void emb_global_lock(void);
void emb_global_unlock(void);

/* ---- CPU (cpu.c) ------------------------------------------------------------------------ */

enum {
    EMB_CPU_AVX2 = 1 << 0,  /* AVX2, FMA, F16C, and the OS saves YMM */
    EMB_CPU_AVX512 = 1 << 1, /* AVX-512 F, BW, DQ, VL, and the OS saves ZMM and masks */
    EMB_CPU_VNNI = 1 << 2,    /* AVX-512 VNNI */
    EMB_CPU_AVXVNNI = 1 << 3, /* the same for YMM, of CPUs without AVX-512 */
    EMB_CPU_BF16 = 1 << 4,    /* AVX-512 BF16 */
    EMB_CPU_DOTPROD = 1 << 5, /* aarch64: dot products of bytes */
    EMB_CPU_I8MM = 1 << 6     /* aarch64: matrix products of bytes */
};
uint32_t emb_cpu_features(void);
double emb_seconds(void); /* since some moment: for short measurements */

/* Round to nearest, no flush to zero, for the span of a computation. */
typedef struct {
    uint64_t saved;
} emb_float_env;
emb_float_env emb_float_enter(void);
void emb_float_leave(emb_float_env env);

#endif
