/* save: writing an open model as a single file. */
#ifndef EMB_SAVE_H
#define EMB_SAVE_H

#include "model.h"

/* options: as they came from the caller, already copied. */
int32_t emb_model_save(const embed_model *m, embed_write_fn write, void *user,
                       const embed_save_options *options, embed_error *error);

#endif
