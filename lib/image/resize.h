/* resize: where each pixel of a resized side comes from, and with what weights. */
#ifndef EMB_RESIZE_H
#define EMB_RESIZE_H

#include "image.h"

/* One side of an image on its way from `in` pixels to `out`. */
typedef struct emb_axis {
    int64_t in, out;
    emb_resample resample;
    bool identity;                  /* in == out: nothing to compute */
    double scale, support, inverse; /* of the filter, in source pixels; 1 / max(scale, 1) */
    int64_t taps;                   /* of one position, at most; at least 1 */
} emb_axis;

/* The source pixels that make up one position: start .. start + taps - 1. */
typedef struct emb_span {
    int32_t start, taps;
} emb_span;

/* Pillow's geometry, in double; 1 <= in, out <= INT32_MAX. Weights have EMB_RESAMPLE_BITS bits
 * after the point. */
emb_axis emb_axis_pillow(int64_t in, int64_t out, emb_resample resample);
/* Spans of count positions from first on. Where Pillow's nearest pixel lies outside the image, the
 * span has no taps. */
void emb_axis_spans(const emb_axis *a, int64_t first, int64_t count, emb_span *spans);
/* The weights of position i, whose span is given; room for a->taps doubles. Not for EMB_NEAREST. */
void emb_axis_weights(const emb_axis *a, int64_t i, emb_span span, double *room, int32_t *weights);

/* torch's interpolate(antialias=True) on float tensors: EMB_BILINEAR and EMB_BICUBIC, in float. */
emb_axis emb_axis_torch(int64_t in, int64_t out, emb_resample resample);
void emb_axis_torch_spans(const emb_axis *a, int64_t first, int64_t count, emb_span *spans);
void emb_axis_torch_weights(const emb_axis *a, int64_t i, emb_span span, float *weights);

/* Pillow 13 resizes the rows first (false) or the columns first (true), whichever it takes for less
 * work. */
bool emb_resize_columns_first(int64_t in_width, int64_t in_height, int64_t width, int64_t height);

#endif
