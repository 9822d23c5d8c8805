/* What the CPU offers and the operating system saves, the floating-point environment that the
 * numerics of docs/numerics.md stand on, and a clock to measure the CPU with. */
#define _POSIX_C_SOURCE 199309L
#include <time.h>

#include "base.h"

double emb_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

/* XCR0: which registers the operating system saves. Only where OSXSAVE says that xgetbv exists. */
static uint32_t saved_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

uint32_t emb_cpu_features(void)
{
    const uint32_t fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29;
    const uint32_t leaf1 = fma | osxsave | avx | f16c, avx2 = 1u << 5, xmm_ymm = 0x06;
    const uint32_t f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;
    const uint32_t avx512 = f | dq | bw | vl, masks_zmm = 0xe6, vnni = 1u << 11;
    const uint32_t avx_vnni = 1u << 4, avx512_bf16 = 1u << 5;
    uint32_t a, b, c, d, found = EMB_CPU_AVX2;

    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & leaf1) != leaf1)
        return 0;
    if ((saved_registers() & xmm_ymm) != xmm_ymm)
        return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & avx2))
        return 0;
    if ((b & avx512) == avx512 && (saved_registers() & masks_zmm) == masks_zmm)
        found |= EMB_CPU_AVX512 | (c & vnni ? EMB_CPU_VNNI : 0);
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d))
        found |= (a & avx_vnni ? EMB_CPU_AVXVNNI : 0) |
                 (found & EMB_CPU_AVX512 && a & avx512_bf16 ? EMB_CPU_BF16 : 0);
    return found;
}

emb_float_env emb_float_enter(void)
{
    emb_float_env env = {_mm_getcsr()};
    _mm_setcsr(0x1f80); /* exceptions masked, round to nearest, no FTZ, no DAZ */
    return env;
}

void emb_float_leave(emb_float_env env)
{
    _mm_setcsr((uint32_t)env.saved);
}

#elif defined(__aarch64__)

#if defined(__linux__)

#include <sys/auxv.h>

uint32_t emb_cpu_features(void)
{
    const unsigned long dotprod = 1ul << 20 /* HWCAP_ASIMDDP */, i8mm = 1ul << 13 /* HWCAP2_I8MM */;
    return (getauxval(AT_HWCAP) & dotprod ? EMB_CPU_DOTPROD : 0) |
           (getauxval(AT_HWCAP2) & i8mm ? EMB_CPU_I8MM : 0);
}

#elif defined(__APPLE__)

#include <sys/sysctl.h>

static uint32_t feature(const char *name, uint32_t bit)
{
    int has = 0;
    size_t size = sizeof has;
    return sysctlbyname(name, &has, &size, NULL, 0) == 0 && has ? bit : 0;
}

uint32_t emb_cpu_features(void)
{
    return feature("hw.optional.arm.FEAT_DotProd", EMB_CPU_DOTPROD) |
           feature("hw.optional.arm.FEAT_I8MM", EMB_CPU_I8MM);
}

#else

uint32_t emb_cpu_features(void)
{
    return 0;
}

#endif

emb_float_env emb_float_enter(void)
{
    emb_float_env env;
    __asm__ volatile("mrs %0, fpcr" : "=r"(env.saved));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0) : "memory");
    return env;
}

void emb_float_leave(emb_float_env env)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(env.saved) : "memory");
}

#else

#include <fenv.h>

uint32_t emb_cpu_features(void)
{
    return 0;
}

emb_float_env emb_float_enter(void)
{
    emb_float_env env = {(uint64_t)fegetround()};
    fesetround(FE_TONEAREST);
    return env;
}

void emb_float_leave(emb_float_env env)
{
    fesetround((int)env.saved);
}

#endif
