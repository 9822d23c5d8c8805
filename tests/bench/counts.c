/* counts: a fixed small set of work, one case a run, whose instructions callgrind counts (tests/bench/
 * counts.sh): a number that a noisy machine does not change. `counts` alone lists the cases. */
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/model.h"

enum { ROWS = 128, HIDDEN = 384, WIDE = 1536, HEADS = 12 };

static const emb_kernels *kernels;
static float x[ROWS * 3 * HIDDEN], y[ROWS * WIDE], bias[WIDE], sums[ROWS];
static _Alignas(64) float weights[HIDDEN * WIDE];

/* Only what runs below this function is counted. */
__attribute__((noinline)) static void counted(void (*work)(void))
{
    work();
    __asm__ volatile("" ::: "memory");
}

static void fill(float *p, int64_t count)
{
    uint32_t state = 1;
    for (int64_t i = 0; i < count; i++) {
        state = state * 1664525 + 1013904223;
        p[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
    }
}

/* ---- kernels at the sizes of a small BERT --------------------------------------------------------- */

static void gemm_8(void)
{
    kernels->gemm_f32(8, WIDE, HIDDEN, x, HIDDEN, weights, y, WIDE);
}

static void gemm_128(void)
{
    kernels->gemm_f32(ROWS, WIDE, HIDDEN, x, HIDDEN, weights, y, WIDE);
}

static void gelu(void)
{
    kernels->bias_act_f32(ROWS, WIDE, y, WIDE, bias, EMB_ACT_GELU);
}

static void gelu_near(void)
{
    kernels->bias_act_f32(ROWS, WIDE, y, WIDE, bias, EMB_ACT_GELU_NEAR);
}

static void layernorm(void)
{
    kernels->layernorm_f32(ROWS, HIDDEN, x, HIDDEN, bias, y, HIDDEN, bias, bias, 1e-12f, y, HIDDEN);
}

static void add_block(void)
{
    kernels->add_block_f32(ROWS, HIDDEN, x, HIDDEN, bias, NULL, y, HIDDEN);
}

static void rope(void)
{
    kernels->rope_f32(ROWS, HEADS, HIDDEN / HEADS, x, y, HIDDEN);
}

static void softmax(void)
{
    kernels->softmax_f32(ROWS, ROWS, y, ROWS, 0.125f, sums);
}

static void attention(void)
{
    static const int64_t starts[] = {0, ROWS};
    static _Alignas(64) char scratch[1 << 20];
    const emb_attention a = {.heads = HEADS, .head_dim = HIDDEN / HEADS, .scale = 0.125f};
    const emb_device d = {.kernels = kernels, .threads = 1};

    emb_attention_run(&d, &a, NULL, 1, starts, x, x + HIDDEN, x + 2 * HIDDEN, 3 * HIDDEN, y, HIDDEN, scratch,
                      sizeof(scratch));
}

static _Alignas(64) int8_t panels[HIDDEN * WIDE + 64];
static _Alignas(64) uint8_t rounded[ROWS * HIDDEN + 64];
static int32_t panel_sums[WIDE];
static float panel_scales[WIDE], scales[ROWS], zeros[ROWS], row[EMB_INT8_TOGETHER * HIDDEN];
static const emb_panels_i8 whole = {.data = panels, .scales = panel_scales, .sums = panel_sums};
static const emb_rows_i8 rows = {rounded, HIDDEN, scales, zeros};
static _Alignas(64) int16_t fine_panels[HIDDEN * HIDDEN + 32], fine_rounded[ROWS * HIDDEN];
static float fine_panel_scales[HIDDEN], fine_scales[ROWS];
static const emb_panels_i16 fine_whole = {fine_panels, fine_panel_scales};
static const emb_rows_i16 fine = {fine_rounded, HIDDEN, fine_scales};

static void quantize(void)
{
    kernels->quantize_rows(ROWS, HIDDEN, x, HIDDEN, NULL, row, &rows, &fine);
}

static void gemm_int8(void)
{
    kernels->gemm_i8(ROWS, WIDE, HIDDEN, &rows, &whole, NULL, y, WIDE);
}

static void gemm_int16(void)
{
    kernels->gemm_i16(ROWS, HIDDEN, HIDDEN, &fine, &fine_whole, NULL, y, WIDE);
}

static uint8_t pixels[64 * 4096], resized[4096];

static void resample(void)
{
    static const int32_t taps[8] = {1 << 19, 1 << 19, 1 << 19, 1 << 19, 1 << 19, 1 << 19, 1 << 19, 1 << 19};
    for (int i = 0; i < 56; i++)
        kernels->resample_u8(4096, 8, pixels + i * 4096, 4096, taps, resized);
}

/* ---- whole calls over a frozen model ------------------------------------------------------------------- */

static const char *const texts[] = {"A cat is sleeping on the sofa.", "Es regnet, und der Hund ist m\xc3\xbc""de.",
                                    "The committee unanimously reconsidered its unprecedented decision in 1987."};
static embed_session *session;

static void open_session(const char *isa)
{
    embed_open_options opening = EMBED_OPEN_OPTIONS_INIT;
    embed_session_options options = EMBED_SESSION_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    embed_model *model;

    opening.isa = isa;
    options.threads = 1;
    if (embed_model_open("tests/data/models/bert", &opening, &model, &error) < 0 ||
        embed_session_create(model, &options, &session, &error) < 0) {
        fprintf(stderr, "counts: %s\n", error.message);
        exit(1);
    }
}

static void tokenize(void)
{
    int32_t ids[64];
    embed_tokens tokens = {.struct_size = sizeof(tokens), .capacity = EMB_COUNT(ids), .ids = ids};
    for (int i = 0; i < 30; i++)
        embed_tokenize(session, texts[i % 3], (int64_t)strlen(texts[i % 3]), NULL, 0, NULL, &tokens);
}

static void encode(void)
{
    embed_encode_texts(session, texts, NULL, 3, NULL, y, WIDE);
}

static const struct {
    const char *name;
    void (*work)(void);
} cases[] = {{"gemm_f32 8x384x1536", gemm_8}, {"gemm_f32 128x384x1536", gemm_128}, {"gelu 128x1536", gelu},
             {"gelu_near 128x1536", gelu_near},
             {"layernorm 128x384", layernorm}, {"add_block 128x384", add_block}, {"rope 128x12x32", rope},
             {"softmax 128x128", softmax}, {"attention 128x12x32", attention},
             {"quantize 128x384", quantize}, {"gemm_i8 128x384x1536", gemm_int8},
             {"gemm_i16 128x384x384", gemm_int16},
             {"resample_u8 56x4096", resample}, {"tokenize 30 texts", tokenize}, {"encode 3 texts", encode}};

int main(int argc, char **argv)
{
    if (argc < 3) {
        for (size_t i = 0; i < EMB_COUNT(cases); i++)
            puts(cases[i].name);
        return 0;
    }
    kernels = emb_kernels_for(argv[2]);
    for (size_t i = 0; kernels && i < EMB_COUNT(cases); i++) {
        if (strcmp(cases[i].name, argv[1]) != 0)
            continue;
        fill(x, EMB_COUNT(x));
        fill(y, EMB_COUNT(y));
        fill(weights, EMB_COUNT(weights));
        open_session(argv[2]);
        kernels->pack_rows_i8(WIDE, HIDDEN, weights, HIDDEN, NULL, row, &whole);
        quantize();
        counted(cases[i].work);
        return 0;
    }
    fprintf(stderr, "counts: no case %s for %s\n", argv[1], argv[2]);
    return 1;
}
