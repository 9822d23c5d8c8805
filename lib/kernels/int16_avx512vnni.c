/* The product of whole numbers of 16 bits for AVX-512 with VNNI: one instruction multiplies 32 pairs of
 * them and adds these by twos, in 32 bits. */
#include "int8.h"
#include "kernels.h"

#if !defined(__AVX512VNNI__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "compile this file with the flags of ISA_avx512vnni in the Makefile"
#endif
#include "int8_avx512.h"

#define DOT(sums, a, w) __asm__("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(a), "v"(w))

INLINE total start(const operands *o, int64_t row, int64_t column, __mmask16 last)
{
    (void)o, (void)row, (void)column, (void)last;
    return _mm512_setzero_si512();
}

INLINE void finish(const operands *o, const int rows, int64_t row, int64_t column, __mmask16 last,
                   const total *sums, const int step)
{
    finish_rows(false, o, rows, row, column, last, sums, step);
}

#include "dot_avx512.h"

void emb_gemm_i16_avx512vnni(int64_t m, int64_t n, int64_t k, const emb_rows_i16 *a,
                             const emb_panels_i16 *w, const float *bias, float *c, int64_t ldc)
{
    const operands o = emb_results_of_i16(a, w, bias, c, n, ldc);
    const int64_t depth = emb_int16_depth(k);

    dot_products(&o, m, n, depth / 2, a->data, a->ld * 2, w->data, depth * EMB_PANEL * 2);
}
