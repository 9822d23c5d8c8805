/* Filters and weights of resizing: Pillow's for 8-bit pixels, and torch's antialiased ones for
 * float tensors. Every expression keeps the shape it has there: its rounding decides a pixel. */
#include "resize.h"

#include <math.h>

#include "../kernels/math64.h"

#define PI 0x1.921fb54442d18p+1

/* ---- filters -------------------------------------------------------------------- */

static double sinc(double x)
{
    if (x == 0.0) return 1.0;
    x = x * PI;
    return emb_sin64(x) / x;
}

static double bicubic(double x)
{
    const double a = -0.5;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double hamming(double x)
{
    if (x == 0.0) return 1.0;
    if (x >= 1.0) return 0.0;
    x = x * PI;
    return emb_sin64(x) / x * ((double)0.54f + (double)0.46f * emb_cos64(x));
}

static double filter(emb_resample resample, double x)
{
    switch (resample) {
    case EMB_NEAREST: break;
    case EMB_BOX: return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
    case EMB_BILINEAR: return fabs(x) < 1.0 ? 1.0 - fabs(x) : 0.0;
    case EMB_HAMMING: return hamming(fabs(x));
    case EMB_BICUBIC: return bicubic(fabs(x));
    case EMB_LANCZOS: return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
    }
    return 0.0;
}

static double filter_support(emb_resample resample)
{
    switch (resample) {
    case EMB_NEAREST: break;
    case EMB_BOX: return 0.5;
    case EMB_BILINEAR:
    case EMB_HAMMING: return 1.0;
    case EMB_BICUBIC: return 2.0;
    case EMB_LANCZOS: return 3.0;
    }
    return 0.0;
}

/* ---- Pillow ------------------------------------------------------------------------ */

emb_axis emb_axis_pillow(int64_t in, int64_t out, emb_resample resample)
{
    emb_axis a = {.in = in, .out = out, .resample = resample, .identity = in == out, .taps = 1};
    a.scale = (double)(float)in / (double)out; /* Pillow's box is made of floats */
    double widening = EMB_MAX(a.scale, 1.0);
    a.support = filter_support(resample) * widening;
    a.inverse = 1.0 / widening;
    if (!a.identity && resample != EMB_NEAREST)
        a.taps = EMB_MIN((int64_t)ceil(a.support) * 2 + 1, in);
    return a;
}

/* The nearest pixel by a position that is added up from the first on, as Pillow does. */
static void nearest_spans(const emb_axis *a, int64_t first, int64_t count, emb_span *spans)
{
    double position = a->scale * 0.5;
    for (int64_t i = 0; i < first + count; i++, position += a->scale) {
        if (i < first) continue;
        int64_t start = (int64_t)position;
        spans[i - first] = start < a->in ? (emb_span){(int32_t)start, 1}
                                         : (emb_span){(int32_t)a->in - 1, 0};
    }
}

static double center_of(const emb_axis *a, int64_t i) { return ((double)i + 0.5) * a->scale; }

void emb_axis_spans(const emb_axis *a, int64_t first, int64_t count, emb_span *spans)
{
    if (a->resample == EMB_NEAREST && !a->identity) {
        nearest_spans(a, first, count, spans);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        double center = center_of(a, first + i);
        int64_t start = (int64_t)(center - a->support + 0.5);
        int64_t end = (int64_t)(center + a->support + 0.5);
        start = EMB_MAX(start, 0);
        end = EMB_MIN(end, a->in);
        spans[i] = a->identity ? (emb_span){(int32_t)(first + i), 1}
                               : (emb_span){(int32_t)start, (int32_t)(end - start)};
    }
}

void emb_axis_weights(const emb_axis *a, int64_t i, emb_span span, double *room, int32_t *weights)
{
    const double one = 1 << EMB_RESAMPLE_BITS;
    if (a->identity) {
        weights[0] = 1 << EMB_RESAMPLE_BITS;
        return;
    }
    double center = center_of(a, i), sum = 0.0;
    for (int64_t t = 0; t < span.taps; t++) {
        room[t] = filter(a->resample, ((double)(t + span.start) - center + 0.5) * a->inverse);
        sum += room[t];
    }
    for (int64_t t = 0; t < span.taps; t++) {
        double w = sum != 0.0 ? room[t] / sum : room[t];
        weights[t] = (int32_t)((w < 0 ? -0.5 : 0.5) + w * one);
    }
}

bool emb_resize_columns_first(int64_t in_width, int64_t in_height, int64_t width, int64_t height)
{
    return in_height > height && in_height - height > 2 * EMB_MAX(0, in_width - width);
}

/* ---- torch --------------------------------------------------------------------------- */

emb_axis emb_axis_torch(int64_t in, int64_t out, emb_resample resample)
{
    emb_axis a = {.in = in, .out = out, .resample = resample, .identity = in == out, .taps = 1};
    float scale = (float)in / (float)out;
    a.scale = (double)scale;
    a.support = (double)(float)(filter_support(resample) * EMB_MAX((double)scale, 1.0));
    a.inverse = (double)(float)(1.0 / EMB_MAX((double)scale, 1.0));
    if (!a.identity) a.taps = (int64_t)ceil(a.support) * 2 + 1;
    return a;
}

static float torch_center(const emb_axis *a, int64_t i)
{
    return (float)(a->scale * ((double)i + 0.5));
}

void emb_axis_torch_spans(const emb_axis *a, int64_t first, int64_t count, emb_span *spans)
{
    for (int64_t i = 0; i < count; i++) {
        float center = torch_center(a, first + i), support = (float)a->support;
        int64_t start = (int64_t)((double)(center - support) + 0.5);
        int64_t end = (int64_t)((double)(center + support) + 0.5);
        start = EMB_MIN(EMB_MAX(start, 0), a->in - 1);
        end = EMB_MIN(EMB_MAX(end, start), EMB_MIN(start + a->taps, a->in));
        spans[i] = a->identity ? (emb_span){(int32_t)(first + i), 1}
                               : (emb_span){(int32_t)start, (int32_t)(end - start)};
    }
}

static float torch_filter(emb_resample resample, float x)
{
    const float a = -0.5f;
    x = fabsf(x);
    if (resample == EMB_BILINEAR) return x < 1.0f ? 1.0f - x : 0.0f;
    if (x < 1.0f) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2.0f) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    return 0.0f;
}

void emb_axis_torch_weights(const emb_axis *a, int64_t i, emb_span span, float *weights)
{
    float center = torch_center(a, i), sum = 0.0f;
    if (a->identity) {
        weights[0] = 1.0f;
        return;
    }
    for (int64_t t = 0; t < span.taps; t++) {
        double x = ((double)((float)(t + span.start) - center) + 0.5) * a->inverse;
        weights[t] = torch_filter(a->resample, (float)x);
        sum += weights[t];
    }
    if (sum != 0.0f)
        for (int64_t t = 0; t < span.taps; t++) weights[t] /= sum;
}
