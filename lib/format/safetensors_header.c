/* The header of a safetensors file that is being written: tensors lie one after another in the
 * order given, from a multiple of 64 bytes on. */
#include <stdio.h>

#include "safetensors.h"

enum { ALIGN = 64, LENGTH_SIZE = 8 };

static void write_tensor(emb_buffer *out, const emb_tensor *t, size_t begin)
{
    emb_buffer_json(out, t->name);
    emb_buffer_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", emb_dtype_name(t->dtype));
    for (int32_t i = 0; i < t->rank; i++)
        emb_buffer_printf(out, "%s%lld", i ? "," : "", (long long)t->shape[i]);
    emb_buffer_printf(out, "],\"data_offsets\":[%zu,%zu]}", begin, begin + t->bytes);
}

void emb_safetensors_header(emb_buffer *out, const emb_metadata *metadata, int64_t metadata_count,
                            const emb_tensor *tensors, int64_t count)
{
    char length[LENGTH_SIZE] = {0};
    size_t begin = 0;
    emb_buffer_add(out, length, sizeof length);
    emb_buffer_printf(out, "{\"__metadata__\":{");
    for (int64_t i = 0; i < metadata_count; i++) {
        if (i) emb_buffer_add(out, ",", 1);
        emb_buffer_json(out, metadata[i].key);
        emb_buffer_add(out, ":", 1);
        emb_buffer_json(out, metadata[i].value);
    }
    emb_buffer_add(out, "}", 1);
    for (int64_t i = 0; i < count; i++) {
        emb_buffer_add(out, ",", 1);
        write_tensor(out, &tensors[i], begin);
        begin += tensors[i].bytes;
    }
    emb_buffer_add(out, "}", 1);
    while (out->size % ALIGN && !out->failed) emb_buffer_add(out, " ", 1);
    uint64_t size = out->size - LENGTH_SIZE;
    for (int i = 0; i < LENGTH_SIZE && !out->failed; i++)
        out->data[i] = (char)(size >> 8 * i & 0xFF);
}
