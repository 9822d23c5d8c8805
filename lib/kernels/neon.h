/* What a vector is for NEON: four floats. Shared by the files of NEON's kernels; vector.h says what
 * each of these does. */
#ifndef EMB_NEON_H
#define EMB_NEON_H

#if !defined(__ARM_NEON) || !defined(__aarch64__)
#error "these kernels are for aarch64"
#endif
#include <arm_neon.h>

#include "kernels.h"

typedef float32x4_t vec;
typedef uint32x4_t uvec;
enum { WIDTH = 4 };

INLINE vec set(float x) { return vdupq_n_f32(x); }
INLINE vec mul_add(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
INLINE vec where_less(vec a, vec b, vec x, vec y) { return vbslq_f32(vcltq_f32(a, b), x, y); }
/* vminq and vmaxq would give NaN for NaN */
INLINE vec least(vec a, vec b) { return where_less(a, b, a, b); }
INLINE vec most(vec a, vec b) { return where_less(b, a, a, b); }

INLINE vec load(const float *p, int64_t left)
{
    vec x = vdupq_n_f32(0.0f);
    if (left >= 4) return vld1q_f32(p);
    if (left >= 1) x = vld1q_lane_f32(p, x, 0);
    if (left >= 2) x = vld1q_lane_f32(p + 1, x, 1);
    if (left >= 3) x = vld1q_lane_f32(p + 2, x, 2);
    return x;
}
INLINE void store(float *p, int64_t left, vec x)
{
    if (left >= 4) {
        vst1q_f32(p, x);
        return;
    }
    if (left >= 1) vst1q_lane_f32(p, x, 0);
    if (left >= 2) vst1q_lane_f32(p + 1, x, 1);
    if (left >= 3) vst1q_lane_f32(p + 2, x, 2);
}

#endif
