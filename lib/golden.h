/* golden: inputs of a single-file model, and the vectors that its writer made of them. */
#ifndef EMB_GOLDEN_H
#define EMB_GOLDEN_H

#include "session.h"

enum { EMB_GOLDEN_TEXTS = 4 };

typedef struct emb_golden_set { /* for one tower; input.count 0: none */
    embed_input input;
    int64_t dim;
    const float *vectors; /* [count][dim] */
} emb_golden_set;

typedef struct emb_golden {
    emb_golden_set texts, images;
    /* what the inputs point to */
    const char *text[EMB_GOLDEN_TEXTS];
    int64_t offsets[2];
    embed_image image;
    /* of image.data: [height][width][3] of RGB, [3][height][width] of pixel values */
    int64_t shape[3];
    emb_buffer ids, pixels, made[2]; /* ours, where they were made */
    emb_json_document *document;     /* of texts that were read */
} emb_golden;

void emb_golden_init(emb_golden *g, const emb_allocator *a);
void emb_golden_free(emb_golden *g);
/* Make both sets with a model. What it does not take is left out. */
int32_t emb_golden_make(emb_golden *g, const embed_model *m, embed_error *error);
/* Those that a model's file brings, checked. EMBED_EMISSING: none. */
int32_t emb_golden_read(emb_golden *g, const embed_model *m, embed_error *error);
int32_t emb_golden_verify(embed_session *s, embed_verification *found);
/* Inputs of a model's file, unchecked. */
int64_t emb_golden_count(const embed_model *m);

/* Their tensors in a file, those that are there, in the order of writing. */
enum { EMB_GOLDEN_TENSORS = 4 };
int64_t emb_golden_tensors(const emb_golden *g, emb_tensor tensors[EMB_GOLDEN_TENSORS]);

#endif
