/* The input is a single-file model, of plain tensors or prepared weights: whatever it holds, opening it
 * gives an error with a sentence or a model that encodes texts by every pooling, with the same bits in
 * every batch, in bounded memory, and that can be verified or says why not. */
#include <stdlib.h>

#include "../../include/embed.h"
#include "mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed);

#define MEMORY ((size_t)64 << 20) /* far more than these files need; beyond it there is none */
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

static int32_t encode(const embed_model *model, int64_t batch_tokens,
                      const embed_encode_options *how, float *vectors, int64_t dim)
{
    static const char *const texts[] = {"The kola, ka\xCC\x81lo [MASK] unaffable?", "", "ma"};
    embed_session_options options = EMBED_SESSION_OPTIONS_INIT;
    embed_session *session;
    embed_error error = EMBED_ERROR_INIT;
    embed_verification found = EMBED_VERIFICATION_INIT;
    options.threads = 1;
    options.batch_tokens = batch_tokens;
    int32_t status = embed_session_create(model, &options, &session, &error);
    expect(status == EMBED_OK || error.message[0], "a failing session says why");
    if (status < 0) return status;
    status = embed_encode_texts(session, texts, NULL, 3, how, vectors, dim);
    expect(status == EMBED_OK || embed_session_error(session)[0], "a failing call says why");
    int32_t verified = embed_verify(session, &found);
    expect(verified == EMBED_OK || embed_session_error(session)[0], "a failing check says why");
    embed_session_free(session);
    return status;
}

static void encode_both(const embed_model *model, int32_t pooling)
{
    static float first[3 * MAX_DIM], again[3 * MAX_DIM];
    embed_encode_options how = EMBED_ENCODE_OPTIONS_INIT;
    how.pooling = pooling;
    int64_t dim = embed_output_dim(model, &how);
    expect(dim > 0 || pooling, "a model has a dimension");
    if (dim < 0 || dim > MAX_DIM) return;
    int32_t status = encode(model, 24, &how, first, dim);
    if (status == EMBED_OK && encode(model, 128, &how, again, dim) == EMBED_OK)
        expect(memcmp(first, again, (size_t)(3 * dim) * sizeof *first) == 0,
               "the same bits in every batch");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    embed_open_options options = EMBED_OPEN_OPTIONS_INIT;
    embed_model *model;
    embed_error error = EMBED_ERROR_INIT;
    options.alloc = take;
    options.free = give;
    int32_t status = embed_model_open_memory(data, size, &options, &model, &error);
    expect(status < 0 ? !model && error.message[0] : model != NULL, "a model or a sentence");
    if (model) {
        expect(embed_model_describe(model) != NULL, "a model has a description");
        for (int32_t pooling = EMBED_POOL_DEFAULT; pooling <= EMBED_POOL_MEAN_ALL; pooling++)
            encode_both(model, pooling);
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
