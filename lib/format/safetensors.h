/* safetensors: the header of one file, checked as the reference validator checks it (safetensors
 * 0.8, tensor.rs), and typed views into its data, of which nothing is copied or computed. */
#ifndef EMB_SAFETENSORS_H
#define EMB_SAFETENSORS_H

#include "json.h"

#define EMB_TENSOR_MAX_RANK 8

typedef enum { /* every dtype of the format; the library computes with the first four */
    EMB_F32, EMB_F16, EMB_BF16, EMB_F64,
    EMB_BOOL, EMB_U8, EMB_I8, EMB_I16, EMB_U16, EMB_I32, EMB_U32, EMB_I64, EMB_U64, EMB_C64,
    EMB_F8_E5M2, EMB_F8_E4M3, EMB_F8_E8M0, EMB_F8_E4M3FNUZ, EMB_F8_E5M2FNUZ,
    EMB_F4, EMB_F6_E2M3, EMB_F6_E3M2
} emb_dtype;
const char *emb_dtype_name(emb_dtype dtype);
size_t emb_dtype_bits(emb_dtype dtype);

typedef struct emb_tensor {
    const char *name;
    emb_dtype dtype;
    int32_t rank;
    int64_t shape[EMB_TENSOR_MAX_RANK];
    const char *data; /* row-major little-endian, any alignment */
    size_t bytes;
    const char *file; /* name of the file it lies in, for messages */
} emb_tensor;

typedef struct emb_metadata { const char *key, *value; } emb_metadata;

typedef struct emb_safetensors {
    const emb_allocator *allocator;
    emb_tensor *tensors;    /* sorted by name */
    int64_t count;
    emb_metadata *metadata; /* sorted by key */
    int64_t metadata_count;
    char *strings;          /* every name, key and value above */
    char *copies;           /* data that does not lie in the file as it is needed, or NULL */
} emb_safetensors;

/* name: what messages call the file. data stays with the caller, unchanged until close. */
int32_t emb_safetensors_open(emb_safetensors *st, const char *name, const char *data, size_t size,
                             const emb_allocator *a, embed_error *error);
void emb_safetensors_close(emb_safetensors *st);
const emb_tensor *emb_safetensors_find(const emb_safetensors *st, const char *name);
/* The same among count tensors sorted by name. */
const emb_tensor *emb_tensor_find(const emb_tensor *tensors, int64_t count, const char *name);
/* Text of a __metadata__ entry, or NULL. */
const char *emb_safetensors_metadata(const emb_safetensors *st, const char *key);

/* Write a header to an empty buffer: tensors (name, dtype, shape, bytes) in the order of their data, which
 * follows without a hole. More than 100 MB is too much for readers. */
#define EMB_HEADER_LIMIT 100000000
void emb_safetensors_header(emb_buffer *out, const emb_metadata *metadata, int64_t metadata_count,
                            const emb_tensor *tensors, int64_t count);

/* "[384, 1536]" */
typedef struct { char text[24 * EMB_TENSOR_MAX_RANK]; } emb_shape_text;
emb_shape_text emb_shape_of(const int64_t *shape, int32_t rank);

#endif
