/* inputs: what session.c, the readers of one kind of input each (texts.c, images.c), passes.c,
 * encode.c and spans.c share: a session's workspace, and a call on it. */
#ifndef EMB_INPUTS_H
#define EMB_INPUTS_H

#include <math.h>
#include <stdatomic.h>

#include "session.h"

enum { EMB_TEXT, EMB_IMAGE };

/* Texts that all threads together tokenize before the pass comes to them. */
typedef struct emb_ahead {
    char *scratch; /* NULL: there is one thread */
    size_t scratch_per_thread;
    int64_t max_bytes;       /* of such a text */
    int32_t *own;            /* [threads][2][longest]: what a thread is making */
    int32_t *ids, *type_ids; /* [batch_tokens] */
    int64_t *places, *lengths; /* [max_sequences]: in ids; lengths also what is below 0 in texts.c */
    int64_t first, count;    /* of texts */
    _Atomic int64_t next, used;
} emb_ahead;

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
    int64_t *owners; /* [max_sequences]: the input that a sequence is of, or a window of */
    int64_t *text_tokens; /* [max_sequences]: of a window; 0: the sequence is a whole input */
    bool *more;      /* [max_sequences]: another window of the input follows */
    int64_t grid[2]; /* of its images */
    float *pooled[3]; /* [max_sequences][widest] */
    double *sum;      /* [widest]: of the windows so far of the input at work */
    int64_t weight;   /* their text tokens; 0: none yet */
    emb_encoder_scratch scratch[2]; /* of the towers: EMB_TEXT, EMB_IMAGE */

    /* texts */
    int64_t max_text_bytes;
    void *tokenizer_scratch;
    int32_t *ids, *type_ids; /* [2 * batch_tokens]: a pass, and the input that did not fit it */
    int32_t *mask;           /* [batch_tokens] */
    int64_t (*offsets)[2];   /* [batch_tokens] */
    emb_ahead ahead;

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
    const char *unit; /* of what there are `total`, for messages and progress */
    int64_t total;
    const emb_encoder *encoder; /* the tower that takes the input */
    int64_t layer;              /* of emb_encoder_run */
    /* texts */
    emb_text prompt;       /* its prefix alone is used; NULL: none */
    int64_t prompt_tokens; /* tokens that pooling leaves out; 0: none */
    int64_t max_length;    /* tokens of one input, at most */
    bool refuse, windows;  /* what to do with more */
    emb_tokenize_options tokenize;
    int64_t (*offsets)[2]; /* where those of tokens go; NULL: nowhere */
    /* images */
    emb_image_processor processor;
} emb_call;

/* ---- texts.c ---------------------------------------------------------------------------- */

void emb_texts_plan(embed_session *s, const embed_model *m, int32_t threads, emb_arena *arena);
int32_t emb_texts_resolve(embed_session *s, emb_call *c);
/* Tokens of input i into ids[at..]; how many, or a negative status. */
int64_t emb_text_load(embed_session *s, const emb_call *c, int64_t i, int64_t at);
/* The same for a text that has been tokenized ahead and is no more than one window; else below 0. */
int64_t emb_text_ready(embed_session *s, const emb_call *c, int64_t i, int64_t at);
/* Windows of text i into `out`, one after another, each given to take. */
int32_t emb_text_windows(embed_session *s, const emb_call *c, int64_t i, emb_token_arrays *out,
                         emb_window_fn take, void *user);
/* n tokens at ids[at..] as the model takes them: padded, if it wants that, and checked; how many, or a
 * negative status. */
int64_t emb_text_finish(embed_session *s, const emb_call *c, int64_t n, int64_t at);

/* ---- images.c --------------------------------------------------------------------------- */

void emb_images_plan(embed_session *s, const embed_model *m, int32_t threads, emb_arena *arena);
int32_t emb_images_resolve(embed_session *s, emb_call *c);
/* Tokens of image i, and its grid of patches, before any pixel is read; or a negative status. */
int64_t emb_image_measure(embed_session *s, const emb_call *c, int64_t i, int64_t grid[2]);
/* Preprocessed pixels of a pass whose first input is `first`, decoded and resized on all threads. What
 * cannot be is reported and marked in failed. */
int32_t emb_images_load(embed_session *s, const emb_call *c, int64_t first, int64_t sequences);

/* ---- session.c -------------------------------------------------------------------------- */

/* The tower that takes an input; that of texts where there is nothing to tell. */
const emb_encoder *emb_tower_of(const embed_model *m, const embed_input *input);
emb_encoder_scratch *emb_scratch_of(embed_session *s, const emb_call *c);
int32_t emb_call_resolve(embed_session *s, const embed_input *input, const embed_encode_options *o,
                         emb_call *c);
/* Unit i cannot be used, for the reason in error, which gets its name. EMBED_OK: whoever called
 * was told and wants to go on. */
int32_t emb_call_failed(embed_session *s, const emb_call *c, int64_t i);
/* So many units are done: tell whoever asked; EMBED_ECANCELED if that is enough. */
int32_t emb_call_progress(embed_session *s, const emb_call *c, int64_t done);
/* The token vectors of a pass, [tokens][hidden_size]. */
int32_t emb_run_encoder(embed_session *s, const emb_call *c, const emb_batch *b, const float **x);
void emb_fill_nan(float *out, int64_t n);

/* ---- passes.c --------------------------------------------------------------------------- */

/* What is done with a pass: batch.sequences inputs or windows, packed; owners tells of what. Those in
 * failed have no vectors. */
typedef int32_t (*emb_pass_fn)(embed_session *s, const emb_call *c, const emb_batch *batch, void *user);
int32_t emb_run_passes(embed_session *s, const emb_call *c, emb_pass_fn run, void *user);

/* ---- encode.c --------------------------------------------------------------------------- */

typedef struct emb_recipe { /* from token vectors to one vector */
    const int32_t *pooling;
    int64_t pooling_count;
    int64_t pooled_dim; /* floats in all poolings together */
    bool modules, normalize_module, normalize;
    int64_t dim, full_dim; /* floats kept, and before the cut */
} emb_recipe;
int32_t emb_recipe_resolve(const embed_model *m, const emb_encoder *e, const embed_encode_options *o,
                           emb_recipe *r, embed_error *error);
/* What follows pooling, for rows of pooled[0]: row i becomes vectors[owners[i]][stride]. */
void emb_recipe_finish(embed_session *s, const emb_recipe *r, int64_t rows, float *vectors,
                       int64_t stride);

#endif
