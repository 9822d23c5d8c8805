/* pickle: the tensors of a state dict, from the pickle that torch.save makes of it. A machine that knows the
 * opcodes and the few names which such a pickle uses, calls nothing, and refuses every other by name. */
#ifndef EMB_PICKLE_H
#define EMB_PICKLE_H

#include "safetensors.h"

typedef struct emb_pickled_tensor {
    const char *name, *storage; /* texts of the pickle, without a NUL */
    size_t name_size, storage_size;
    emb_dtype dtype;
    int64_t storage_count; /* numbers in the storage */
    int64_t offset;        /* of the first number in it */
    int32_t rank;
    int64_t shape[EMB_TENSOR_MAX_RANK], stride[EMB_TENSOR_MAX_RANK]; /* each >= 0 */
} emb_pickled_tensor;

typedef struct emb_state_dict {
    const emb_allocator *allocator;
    emb_pickled_tensor *tensors; /* in the order of the dict; what is no tensor is left out */
    size_t count;
} emb_state_dict;

/* name: what messages call it. data stays with the caller, unchanged until free. */
int32_t emb_state_dict_read(emb_state_dict *dict, const char *name, const char *data, size_t size,
                            const emb_allocator *a, embed_error *error);
void emb_state_dict_free(emb_state_dict *dict);

#endif
