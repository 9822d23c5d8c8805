/* transpose_u8 of both instruction sets of x86: tiles of 16 x 16 bytes. */
#ifndef EMB_TRANSPOSE_X86_H
#define EMB_TRANSPOSE_X86_H

#include <immintrin.h>

#include "pixels.h"

/* Interleaving rows i and i + 8, four times over, turns a tile on its side. */
static inline void interleave(const __m128i a[16], __m128i b[16])
{
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
        b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
    }
}

static void transpose_tile(const uint8_t *x, int64_t ldx, uint8_t *y, int64_t ldy)
{
    __m128i a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) a[i] = _mm_loadu_si128((const __m128i *)(x + i * ldx));
    interleave(a, b);
    interleave(b, a);
    interleave(a, b);
    interleave(b, a);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) _mm_storeu_si128((__m128i *)(y + i * ldy), a[i]);
}

static void transpose_u8(int64_t m, int64_t n, const uint8_t *x, int64_t ldx, uint8_t *y,
                         int64_t ldy)
{
    int64_t rows = m / 16 * 16, columns = n / 16 * 16;
    for (int64_t j = 0; j < columns; j += 16)
        for (int64_t i = 0; i < rows; i += 16)
            transpose_tile(x + i * ldx + j, ldx, y + j * ldy + i, ldy);
    transpose_rest(rows, 0, m, columns, x, ldx, y, ldy);
    transpose_rest(0, columns, m, n, x, ldx, y, ldy);
}

#endif
