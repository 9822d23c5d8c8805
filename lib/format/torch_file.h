/* torch_file: the tensors of a file that torch.save made of a state dict (pytorch_model.bin). */
#ifndef EMB_TORCH_FILE_H
#define EMB_TORCH_FILE_H

#include "safetensors.h"

/* As emb_safetensors_open; closed by emb_safetensors_close. Tensors are views of the file's storages;
 * those whose numbers do not lie in a row are copied. */
int32_t emb_torch_file_open(emb_safetensors *st, const char *name, const char *data, size_t size,
                            const emb_allocator *a, embed_error *error);

#endif
