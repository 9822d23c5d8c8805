/* Made-up inputs for the models of tests/data: token ids or pixels, and what is done with them. */
#ifndef MADE_UP_INPUTS_H
#define MADE_UP_INPUTS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/model.h"

#define ROOT "tests/data/models/"
enum { INPUTS = 9, LONGEST = 40, SIDE = 64, MOST = INPUTS * 512 };

static uint32_t state = 1;

static inline uint32_t random_bits(void)
{
    state = state * 1664525 + 1013904223;
    return state >> 8;
}

static inline embed_model *open_with(const char *name, const embed_open_options *options)
{
    embed_error error = EMBED_ERROR_INIT;
    embed_model *m;
    char path[128] = ROOT;

    strncat(path, name, sizeof path - sizeof ROOT);
    if (embed_model_open(path, options, &m, &error) < 0) fail_msg("%s: %s", path, error.message);
    return m;
}

/* Made-up token ids, or pixels where the model takes no texts. */
typedef struct {
    embed_input input;
    int32_t ids[INPUTS * LONGEST];
    int64_t offsets[INPUTS + 1];
    embed_image images[INPUTS];
    float *pixels;
} inputs;

static inline void make_inputs(const embed_model *m, inputs *in)
{
    *in = (inputs){.input = EMBED_INPUT_INIT};
    in->input.count = INPUTS;
    if (embed_model_info(m, EMBED_INFO_TAKES_TEXTS)) {
        const int64_t vocab = embed_model_info(m, EMBED_INFO_VOCAB_SIZE);
        const int64_t most = EMB_MIN(LONGEST, embed_model_info(m, EMBED_INFO_MAX_POSITIONS));
        for (int i = 0; i < INPUTS; i++) {
            in->offsets[i + 1] = in->offsets[i] + 1 + random_bits() % most;
            for (int64_t t = in->offsets[i]; t < in->offsets[i + 1]; t++)
                in->ids[t] = (int32_t)(random_bits() % vocab);
        }
        in->input.ids = in->ids;
        in->input.offsets = in->offsets;
        return;
    }
    const emb_image_tokens *image = &m->image.arch.image;
    const size_t numbers = (size_t)(3 * image->height * image->width);
    in->pixels = malloc(INPUTS * numbers * sizeof(float));
    assert_non_null(in->pixels);
    for (size_t i = 0; i < INPUTS * numbers; i++)
        in->pixels[i] = (float)random_bits() * 0x1p-23f - 1.0f;
    for (int i = 0; i < INPUTS; i++)
        in->images[i] = (embed_image){.data = in->pixels + (size_t)i * numbers,
                                      .width = (int32_t)image->width,
                                      .height = (int32_t)image->height,
                                      .format = EMBED_IMAGE_PIXEL_VALUES};
    in->input.images = in->images;
}

static inline int64_t encode(const embed_model *m, const embed_input *input, int32_t threads,
                      int64_t batch_tokens, float *out)
{
    embed_session_options o = EMBED_SESSION_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    embed_session *s;
    const int64_t dim = embed_output_dim(m, NULL);

    o.threads = threads;
    o.batch_tokens = batch_tokens;
    assert_true(dim > 0 && dim * INPUTS <= MOST);
    assert_int_equal(embed_session_create(m, &o, &s, &error), EMBED_OK);
    if (embed_encode(s, input, NULL, out, dim) < 0) fail_msg("%s", embed_session_error(s));
    embed_session_free(s);
    return dim;
}

static inline double cosine(int64_t n, const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;

    for (int64_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

#endif
