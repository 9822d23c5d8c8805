/* Kernels whose one body serves every instruction set: what runs while a model is opened. Each file of
 * kernels includes this once. */
#ifndef EMB_ELEMENTWISE_H
#define EMB_ELEMENTWISE_H

#include "kernels.h"
#include "math.h"

static void narrow_f16(int64_t n, const float *x, uint16_t *y)
{
    for (int64_t i = 0; i < n; i++) {
        const uint32_t value = emb_bits_of(x[i]), size = value & 0x7fffffff;
        uint32_t half;
        if (size > 0x7f800000)
            half = 0x7e00 | (size >> 13 & 0x3ff); /* NaN */
        else if (size >= 0x477ff000)
            half = 0x7c00; /* rounds to infinity */
        else if (size < 0x38800000) /* a denormal: 0.5 has the same last place, and its sum rounds */
            half = emb_bits_of(emb_float_from(size) + 0.5f) - 0x3f000000;
        else
            half = (size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13;
        y[i] = (uint16_t)(value >> 16 & 0x8000) | (uint16_t)half;
    }
}

static void narrow_bf16(int64_t n, const float *x, uint16_t *y)
{
    for (int64_t i = 0; i < n; i++) {
        const uint32_t value = emb_bits_of(x[i]);
        const bool is_nan = (value & 0x7fffffff) > 0x7f800000;
        y[i] = (uint16_t)(is_nan ? value >> 16 | 0x40
                                 : (value + 0x7fff + (value >> 16 & 1)) >> 16);
    }
}

#endif
