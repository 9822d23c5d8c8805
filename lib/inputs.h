/* inputs: what session.c and the readers of one kind of input each, texts.c and images.c, share: a
 * session's workspace, and a call on it. */
#ifndef EMB_INPUTS_H
#define EMB_INPUTS_H

#include <math.h>

#include "session.h"

enum { EMB_TEXT, EMB_IMAGE };

struct embed_session {
    const embed_model *model;
    emb_device device;
    emb_pool *pool; /* NULL: one thread, or the host's */
    void *owned;    /* the workspace, where embed_session_free gives it back */
    int64_t batch_tokens, max_sequences;
    embed_error error;

    /* the pass at work: its sequences' tokens end to end, and what could not be used */
    int64_t *starts; /* [max_sequences + 1] */
    bool *failed;    /* [max_sequences]: NaN instead of a vector */
    bool *told;      /* [max_sequences]: failed, and reported already */
    int64_t grid[2]; /* of its images */
    float *pooled[3]; /* [max_sequences][widest] */
    emb_encoder_scratch scratch[2]; /* of the towers: EMB_TEXT, EMB_IMAGE */

    /* texts */
    int64_t max_text_bytes;
    void *tokenizer_scratch;
    int32_t *ids, *type_ids; /* [2 * batch_tokens]: a pass, and the input that did not fit it */
    int32_t *mask;           /* [batch_tokens] */

    /* images */
    int64_t max_image_side;
    float *pixels; /* [batch_tokens][a patch]: each image's [3][rows][columns] at its first token */
    void *image_scratch;
    size_t image_scratch_per_thread;
};

/* A call: its options, resolved. */
typedef struct emb_call {
    const embed_encode_options *options;
    const embed_input *input;
    const emb_encoder *encoder; /* the tower that takes the input */
    int64_t layer;              /* of emb_encoder_run */
    /* texts */
    emb_text prompt;       /* its prefix alone is used; NULL: none */
    int64_t prompt_tokens; /* tokens that pooling leaves out; 0: none */
    int64_t max_length;    /* tokens of one input, at most */
    emb_tokenize_options tokenize;
    /* images */
    emb_image_processor processor;
} emb_call;

/* ---- texts.c ---------------------------------------------------------------------------- */

int32_t emb_texts_resolve(embed_session *s, emb_call *c);
/* Tokens of input i into ids[at..]; how many, or a negative status. */
int64_t emb_text_load(embed_session *s, const emb_call *c, int64_t i, int64_t at);

/* ---- images.c --------------------------------------------------------------------------- */

void emb_images_plan(embed_session *s, const embed_model *m, int32_t threads, emb_arena *arena);
int32_t emb_images_resolve(embed_session *s, emb_call *c);
/* Tokens of image i, and its grid of patches, before any pixel is read; or a negative status. */
int64_t emb_image_measure(embed_session *s, const emb_call *c, int64_t i, int64_t grid[2]);
/* Preprocessed pixels of a pass whose first input is `first`, decoded and resized on all threads. What
 * cannot be is reported and marked in failed. */
int32_t emb_images_load(embed_session *s, const emb_call *c, int64_t first, int64_t sequences);

/* ---- session.c -------------------------------------------------------------------------- */

/* Input i cannot be used, for the reason in error, which gets the input's name. EMBED_OK: whoever called
 * was told and wants to go on. */
int32_t emb_call_failed(embed_session *s, const emb_call *c, int64_t i);
/* So many inputs are done: tell whoever asked; EMBED_ECANCELED if that is enough. */
int32_t emb_call_progress(embed_session *s, const emb_call *c, int64_t done);

#endif
