/* session: the workspace of one caller, and the cutting of any number of inputs into passes that
 * fit it. */
#ifndef EMB_SESSION_H
#define EMB_SESSION_H

#include "model.h"

/* A session with these options in a workspace; workspace NULL: *size is set to the bytes it needs,
 * and no more is done. Options are the caller's, already copied. */
int32_t emb_session_init(const embed_model *m, const embed_session_options *o, void *workspace,
                         size_t *size, embed_session **out, embed_error *error);
/* The same in memory of the model's allocator. */
int32_t emb_session_create(const embed_model *m, const embed_session_options *o,
                           embed_session **out, embed_error *error);
void emb_session_free(embed_session *s);

embed_error *
emb_session_error(embed_session *s); /* where the functions below leave their sentence */

int64_t emb_session_tokenize(embed_session *s, const char *text, int64_t size, const char *pair,
                             int64_t pair_size, const embed_encode_options *o,
                             emb_token_arrays *out);
int32_t emb_session_count(embed_session *s, const embed_input *input, const embed_encode_options *o,
                          int64_t *counts);
int32_t emb_session_encode(embed_session *s, const embed_input *input,
                           const embed_encode_options *o, float *vectors, int64_t stride);
/* A vector for each span of one text, [begin, end) in bytes. */
int32_t emb_session_spans(embed_session *s, const char *text, int64_t size,
                          const int64_t (*spans)[2], int64_t count, const embed_encode_options *o,
                          float *vectors, int64_t stride);
/* Token vectors of input i to hidden + row * hidden_size, row = i * tokens (padded, offsets NULL)
 * or the sum of the tokens before (ragged: at most `tokens` rows in all, offsets[count + 1]
 * filled). */
int32_t emb_session_hidden(embed_session *s, const embed_input *input,
                           const embed_encode_options *o, float *hidden, int64_t tokens,
                           int64_t *offsets);
int32_t emb_session_pixel_sizes(embed_session *s, const embed_input *input,
                                const embed_encode_options *o, int64_t (*sizes)[2]);
int32_t emb_session_pixel_values(embed_session *s, const embed_input *input,
                                 const embed_encode_options *o, float *pixels, int64_t height,
                                 int64_t width);
int32_t emb_session_pooler(embed_session *s, const float *cls, float *out);

/* Floats in a vector by these options, or a negative status. */
int64_t emb_output_dim(const embed_model *m, const embed_encode_options *o, embed_error *error);

#endif
