/* A model directory, wherever it is: a folder, or a single safetensors file (on disk or in memory)
 * whose __metadata__ holds the small files by relative name, and whose tensors of folder F are
 * named F/name (plain names: of the folder ""). Answers two questions: the text of a file, and a
 * tensor by name. */
#ifndef EMB_DIRECTORY_H
#define EMB_DIRECTORY_H

#include "safetensors.h"

typedef struct emb_directory emb_directory;

/* path is a folder or a single-file model. map: map weights, or read them. */
int32_t emb_directory_open(emb_directory **dir, const char *path, bool map, const emb_allocator *a,
                           embed_error *error);
/* data stays with the caller, unchanged until free. */
int32_t emb_directory_open_memory(emb_directory **dir, const void *data, size_t size,
                                  const emb_allocator *a, embed_error *error);
void emb_directory_free(emb_directory *dir); /* NULL is fine */

/* Text of a file such as "config.json" or "1_Pooling/config.json" (folder may be "": then just the
 * file). *text is NULL if there is none; it lives as long as dir and need not end in a NUL. A file
 * that exists and cannot be read is an error; so is a folder that leads out of the directory. */
int32_t emb_directory_text(emb_directory *dir, const char *folder, const char *file,
                           const char **text, size_t *size, embed_error *error);
/* The same, parsed; NULL document if there is no such file. Freed by the caller. */
int32_t emb_directory_json(emb_directory *dir, const char *folder, const char *file,
                           emb_json_document **document, embed_error *error);

/* The weights of a folder: model.safetensors, or model.safetensors.index.json and its shards (names
 * that are absolute, hold "..", a separator or a NUL are refused; a missing shard, a tensor not in
 * its shard or in two, are errors; tensors the index does not name are left out). Opened once and
 * kept. EMBED_EIO naming what was looked for when there are none, with the hint to convert when
 * only pytorch_model.bin is there. */
typedef struct emb_weights emb_weights;
int32_t emb_directory_weights(emb_directory *dir, const char *folder, emb_weights **weights,
                              embed_error *error);
const emb_tensor *emb_weights_find(const emb_weights *weights, const char *name);
int64_t emb_weights_count(const emb_weights *weights);
const emb_tensor *emb_weights_at(const emb_weights *weights, int64_t index); /* sorted by name */
const char *emb_weights_name(const emb_weights *weights); /* the file, or the index, for messages */
/* Tell the system that weights already copied will not be read again soon; harmless otherwise. */
void emb_directory_release(emb_directory *dir);

#endif
