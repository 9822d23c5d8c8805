/* Allocation through the caller's hooks, growable buffers, and the arena that plans and cuts
 * workspaces. */
#define _DEFAULT_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#elif defined(_WIN32)
#include <malloc.h>
#endif

#include "base.h"

#define ALIGN EMBED_WORKSPACE_ALIGN
#define HUGE_PAGE ((size_t)2 << 20)

#if defined(_WIN32)

static void *libc_alloc(void *user, size_t size, size_t align)
{
    (void)user;
    return _aligned_malloc(size, align);
}

static void libc_free(void *user, void *ptr, size_t size)
{
    (void)user;
    (void)size;
    _aligned_free(ptr);
}

#else

/* Weights and workspaces are read in strides that miss the TLB at every step on pages of 4 KiB: large
 * blocks ask for huge ones. It is a wish, and may fail. */
static void *libc_alloc(void *user, size_t size, size_t align)
{
    (void)user;
    const bool large = size >= 2 * HUGE_PAGE;
    if (large) align = HUGE_PAGE;
    size = (size + align - 1) / align * align;
    void *block = aligned_alloc(align, size);
#if defined(MADV_HUGEPAGE)
    if (block && large) madvise(block, size, MADV_HUGEPAGE);
#endif
    return block;
}

static void libc_free(void *user, void *ptr, size_t size)
{
    (void)user;
    (void)size;
    free(ptr);
}

#endif

const emb_allocator emb_libc_allocator = {libc_alloc, libc_free, NULL};

bool emb_mul(size_t a, size_t b, size_t *out)
{
    if (b && a > SIZE_MAX / b) return false;
    *out = a * b;
    return true;
}

bool emb_add(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b) return false;
    *out = a + b;
    return true;
}

/* A block is preceded by ALIGN bytes that hold its size. */
void *emb_alloc(const emb_allocator *a, size_t count, size_t size)
{
    size_t bytes, total;
    if (!emb_mul(count, size, &bytes) || !emb_add(bytes, ALIGN, &total)) return NULL;
    if (total > PTRDIFF_MAX - ALIGN) return NULL;
    char *block = a->alloc(a->user, total, ALIGN);
    if (!block) return NULL;
    memcpy(block, &total, sizeof total);
    return block + ALIGN;
}

void *emb_calloc(const emb_allocator *a, size_t count, size_t size)
{
    void *memory = emb_alloc(a, count, size);
    if (memory) memset(memory, 0, count * size);
    return memory;
}

void emb_free(const emb_allocator *a, void *ptr)
{
    if (!ptr) return;
    char *block = (char *)ptr - ALIGN;
    size_t total;
    memcpy(&total, block, sizeof total);
    a->free(a->user, block, total);
}

char *emb_strdup(const emb_allocator *a, const char *text, size_t size)
{
    size_t with_nul;
    char *copy = emb_add(size, 1, &with_nul) ? emb_calloc(a, with_nul, 1) : NULL;
    if (copy) memcpy(copy, text, size);
    return copy;
}

/* ---- buffer ---------------------------------------------------------------- */

void emb_buffer_init(emb_buffer *b, const emb_allocator *a) { *b = (emb_buffer){.allocator = a}; }

void emb_buffer_free(emb_buffer *b)
{
    emb_free(b->allocator, b->data);
    emb_buffer_init(b, b->allocator);
}

static bool reserve(emb_buffer *b, size_t more)
{
    size_t need;
    if (b->failed) return false;
    if (!emb_add(b->size, more, &need) || !emb_add(need, 1, &need)) return !(b->failed = true);
    if (need <= b->capacity) return true;
    size_t capacity = EMB_MAX(need, 256);
    if (b->capacity <= SIZE_MAX / 2) capacity = EMB_MAX(capacity, 2 * b->capacity);
    char *data = emb_alloc(b->allocator, capacity, 1);
    if (!data) return !(b->failed = true);
    if (b->size) memcpy(data, b->data, b->size);
    emb_free(b->allocator, b->data);
    b->data = data;
    b->capacity = capacity;
    return true;
}

void emb_buffer_add(emb_buffer *b, const void *data, size_t size)
{
    if (!reserve(b, size)) return;
    if (size) memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
}

void emb_buffer_printf(emb_buffer *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0) {
        b->failed = true;
    } else if (reserve(b, (size_t)size)) {
        vsnprintf(b->data + b->size, (size_t)size + 1, format, again);
        b->size += (size_t)size;
    }
    va_end(again);
}

void emb_buffer_json(emb_buffer *b, const char *text)
{
    emb_buffer_add(b, "\"", 1);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') emb_buffer_printf(b, "\\%c", c);
        else if (c < 0x20 || c == 0x7F) emb_buffer_printf(b, "\\u%04x", c);
        else emb_buffer_add(b, text, 1);
    }
    emb_buffer_add(b, "\"", 1);
}

/* ---- arena ------------------------------------------------------------------- */

void emb_arena_init(emb_arena *arena, void *base, size_t size)
{
    *arena = (emb_arena){.base = base, .size = size};
}

void *emb_arena_take(emb_arena *arena, size_t count, size_t size)
{
    size_t bytes, end;
    if (arena->failed || !emb_mul(count, size, &bytes) || !emb_add(bytes, ALIGN - 1, &bytes) ||
        !emb_add(arena->used, bytes / ALIGN * ALIGN, &end) || (arena->base && end > arena->size)) {
        arena->failed = true;
        return NULL;
    }
    void *piece = arena->base ? arena->base + arena->used : NULL;
    arena->used = end;
    return piece;
}
