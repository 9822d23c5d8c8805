/* zip: an archive whose files are stored, not compressed, as torch.save writes them: each is found where
 * it lies. */
#ifndef EMB_ZIP_H
#define EMB_ZIP_H

#include "../base/base.h"

typedef struct emb_zip_file {
    const char *name; /* name_size bytes of the archive, no NUL */
    size_t name_size;
    const char *data;
    size_t size;
} emb_zip_file;

typedef struct emb_zip {
    const emb_allocator *allocator;
    emb_zip_file *files; /* sorted by name */
    size_t count;
} emb_zip;

/* Does data begin as an archive does? */
bool emb_zip_is(const char *data, size_t size);
/* name: what messages call the archive. data stays with the caller, unchanged until close. */
int32_t emb_zip_open(emb_zip *zip, const char *name, const char *data, size_t size,
                     const emb_allocator *a, embed_error *error);
void emb_zip_close(emb_zip *zip);
/* The file of that name, or NULL. */
const emb_zip_file *emb_zip_find(const emb_zip *zip, const char *name, size_t name_size);

#endif
