/* An allocator that counts what is alive and fails its n-th request, for tests that fail each in
 * turn. */
#ifndef FAILING_ALLOCATOR_H
#define FAILING_ALLOCATOR_H

#include <stdlib.h>

#include "../../lib/base/base.h"

typedef struct failing {
    int64_t alive, requests, fail_at; /* fail_at: 1 is the first request; 0: none */
} failing;

static void *failing_alloc(void *user, size_t size, size_t align)
{
    failing *f = user;
    if (++f->requests == f->fail_at) return NULL;
    void *block = aligned_alloc(align, (size + align - 1) / align * align);
    if (block) f->alive++;
    return block;
}

static void failing_free(void *user, void *ptr, size_t size)
{
    failing *f = user;
    (void)size;
    if (ptr) f->alive--;
    free(ptr);
}

static inline emb_allocator failing_allocator(failing *f)
{
    return (emb_allocator){failing_alloc, failing_free, f};
}

#endif
