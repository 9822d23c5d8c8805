/* A model directory, wherever it is: a folder, or a single safetensors file (on disk or in memory)
 * whose __metadata__ holds the small files by relative name (others are tensors of bytes called
 * files/name), and whose tensors of folder F are named F/name (plain names: of the folder ""). Answers
 * two questions: the text of a file, and a tensor by name. */
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

/* A single-file model that embed_model_save wrote: what layers compute with ("f32", "f16"...), its tensors
 * being pieces (encoder/weights.h). NULL: weights are plain tensors. */
#define EMB_FORMAT_KEY "libembed.format"
#define EMB_FORMAT 2
#define EMB_FORMAT_VERSION "2"
#define EMB_WEIGHTS_KEY "libembed.weights"
#define EMB_GOLDEN_KEY "libembed.golden"
#define EMB_WRITER_KEY "libembed.writer"
#define EMB_PARAMETERS_KEY "libembed.parameters"
#define EMB_SHAPES_KEY "libembed.shapes"
#define EMB_TABLES_FILE "tokenizer.tables" /* text/compiled.c, in place of vocabularies */
#define EMB_FILES "files" /* folder of tensors that are files */
const char *emb_directory_prepared(const emb_directory *dir);
int64_t emb_directory_bytes(const emb_directory *dir); /* of the single file; 0: a folder */
/* A text of __metadata__, a tensor by its whole name; NULL: none, or no single file. */
const char *emb_directory_metadata(const emb_directory *dir, const char *key);
const emb_tensor *emb_directory_tensor(const emb_directory *dir, const char *name);
/* The index-th of the texts that have been asked for and are there; false past the last. */
bool emb_directory_asked(const emb_directory *dir, int64_t index, const char **name,
                         const char **text, size_t *size);

/* Text of a file such as "config.json" or "1_Pooling/config.json" (folder may be "": then just the
 * file). *text is NULL if there is none; it lives as long as dir and need not end in a NUL. A file
 * that exists and cannot be read is an error; so is a folder that leads out of the directory. */
int32_t emb_directory_text(emb_directory *dir, const char *folder, const char *file,
                           const char **text, size_t *size, embed_error *error);
/* The same, parsed; NULL document if there is no such file. Freed by the caller. */
int32_t emb_directory_json(emb_directory *dir, const char *folder, const char *file,
                           emb_json_document **document, embed_error *error);

/* The weights of a folder: model.safetensors or else pytorch_model.bin, or their index and its shards (names
 * that are absolute, hold "..", a separator or a NUL are refused; a missing shard, a tensor not in
 * its shard or in two, are errors; tensors the index does not name are left out). Opened once and
 * kept. EMBED_EIO naming what was looked for when there are none. */
typedef struct emb_weights emb_weights;
int32_t emb_directory_weights(emb_directory *dir, const char *folder, emb_weights **weights,
                              embed_error *error);
const emb_tensor *emb_weights_find(const emb_weights *weights, const char *name);
int64_t emb_weights_count(const emb_weights *weights);
const emb_tensor *emb_weights_at(const emb_weights *weights, int64_t index); /* sorted by name */
const char *emb_weights_folder(const emb_weights *weights);
const char *emb_weights_name(const emb_weights *weights); /* the file, or the index, for messages */
/* Tell the system that weights already copied will not be read again soon; harmless otherwise. */
void emb_directory_release(emb_directory *dir);

#endif
