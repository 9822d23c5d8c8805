/* The input is a single-file model: whatever it holds, opening it gives an error with a sentence or
 * a model that encodes a text, twice with the same bits, in bounded memory. */
#include <stdlib.h>

#include "../../include/embed.h"
#include "mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed);

#define MEMORY ((size_t)64 << 20) /* small models, small files: more than this is a defect */
enum { MAX_DIM = 1 << 16 };

static size_t in_use;

static void *take(void *user, size_t size, size_t align)
{
    (void)user;
    if (size > MEMORY - in_use) return NULL;
    void *block = aligned_alloc(align, (size + align - 1) / align * align);
    if (block) in_use += size;
    return block;
}

static void give(void *user, void *ptr, size_t size)
{
    (void)user;
    in_use -= size;
    free(ptr);
}

static void expect(int holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static int32_t encode(const embed_model *model, int64_t batch_tokens, float *vectors, int64_t dim)
{
    static const char *const texts[] = {"The kola, ka\xCC\x81lo [MASK] unaffable?", "", "ma"};
    embed_session_options options = EMBED_SESSION_OPTIONS_INIT;
    embed_session *session;
    embed_error error = EMBED_ERROR_INIT;
    options.threads = 1;
    options.batch_tokens = batch_tokens;
    int32_t status = embed_session_create(model, &options, &session, &error);
    expect(status == EMBED_OK || error.message[0], "a failing session says why");
    if (status < 0) return status;
    status = embed_encode_texts(session, texts, NULL, 3, NULL, vectors, dim);
    expect(status == EMBED_OK || embed_session_error(session)[0], "a failing call says why");
    embed_session_free(session);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static float first[3 * MAX_DIM], again[3 * MAX_DIM];
    embed_open_options options = EMBED_OPEN_OPTIONS_INIT;
    embed_model *model;
    embed_error error = EMBED_ERROR_INIT;
    options.alloc = take;
    options.free = give;
    int32_t status = embed_model_open_memory(data, size, &options, &model, &error);
    expect(status < 0 ? !model && error.message[0] : model != NULL, "a model or a sentence");
    if (model) {
        int64_t dim = embed_model_info(model, EMBED_INFO_DIM);
        expect(dim > 0, "a model has a dimension");
        expect(embed_model_describe(model) != NULL, "a model has a description");
        if (dim <= MAX_DIM && encode(model, 64, first, dim) == EMBED_OK &&
            encode(model, 128, again, dim) == EMBED_OK)
            expect(memcmp(first, again, (size_t)(3 * dim) * sizeof *first) == 0,
                   "the same bits in every batch");
        embed_model_free(model);
    }
    expect(in_use == 0, "all memory is given back");
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed)
{
    uint64_t rng = seed;
    return mutate(data, size, capacity, &rng);
}
