/* The plain C kernels compiled with the CPU's own fused multiply-add: the same bits as kernels_c.c,
 * without a call of fmaf for each. */
#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile this file with -mavx2 -mfma -mf16c"
#endif
#define EMB_KERNELS_C emb_kernels_c_avx2
#include "kernels_c.c"
