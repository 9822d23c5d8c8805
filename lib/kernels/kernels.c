/* Which tables of kernels are built in, and which of them this CPU can run. */
#include "kernels.h"

static const struct {
    const emb_kernels *kernels;
    uint32_t features; /* EMB_CPU_*: all of them are needed */
} tables[] = { /* worst first; of one name the later, if the CPU has it */
    {&emb_kernels_c, 0},
#if defined(__x86_64__)
    {&emb_kernels_c_avx2, EMB_CPU_AVX2},
    {&emb_kernels_avx2, EMB_CPU_AVX2},
    {&emb_kernels_avx2vnni, EMB_CPU_AVX2 | EMB_CPU_AVXVNNI},
    {&emb_kernels_avx512, EMB_CPU_AVX2 | EMB_CPU_AVX512},
    {&emb_kernels_avx512vnni, EMB_CPU_AVX2 | EMB_CPU_AVX512 | EMB_CPU_VNNI},
    {&emb_kernels_avx512bf16, EMB_CPU_AVX2 | EMB_CPU_AVX512 | EMB_CPU_VNNI | EMB_CPU_BF16},
#elif defined(__aarch64__)
    {&emb_kernels_neon, 0},
    {&emb_kernels_neondot, EMB_CPU_DOTPROD},
    {&emb_kernels_neoni8mm, EMB_CPU_DOTPROD | EMB_CPU_I8MM},
#endif
};

const emb_kernels *emb_kernels_for(const char *isa)
{
    const uint32_t features = emb_cpu_features();

    for (int64_t i = EMB_COUNT(tables) - 1; i >= 0; i--)
        if ((!isa || !strcmp(isa, tables[i].kernels->name)) &&
            (features & tables[i].features) == tables[i].features)
            return tables[i].kernels;
    return NULL;
}

const char *emb_kernels_name(int64_t index)
{
    const char *last = "";

    for (int64_t i = 0; i < EMB_COUNT(tables); i++) {
        if (strcmp(tables[i].kernels->name, last) && index-- == 0)
            return tables[i].kernels->name;
        last = tables[i].kernels->name;
    }
    return NULL;
}
