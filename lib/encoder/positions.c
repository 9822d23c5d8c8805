/* Tables of positions: learned ones of a grid of patches made to fit another, and the angles of rotary
 * ones. All in double, rounded once. */
#include <math.h>

#include "../kernels/math64.h"
#include "encoder.h"

/* ---- interpolation: torch.nn.functional.interpolate(align_corners=False) ------------------- */

static double cubic(double x, double a)
{
    x = fabs(x);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    return 0;
}

/* What one output index of an axis is made of: numbers of the input and their weights, which sum to
 * 1. Past the edge the last number repeats. */
typedef struct taps {
    emb_position_resize resize;
    int64_t in, first, count;
    double centre, stretch, total;
} taps;

static double filter(emb_position_resize resize, double x)
{
    switch (resize) {
    case EMB_RESIZE_BICUBIC: return cubic(x, -0.75);
    case EMB_RESIZE_BICUBIC_ANTIALIAS: return cubic(x, -0.5);
    default: return EMB_MAX(1 - fabs(x), 0);
    }
}

static double raw_weight(const taps *t, int64_t tap)
{
    return filter(t->resize, ((double)(t->first + tap) + 0.5 - t->centre) / t->stretch);
}

static int64_t tap_index(const taps *t, int64_t tap)
{
    return EMB_MIN(EMB_MAX(t->first + tap, 0), t->in - 1);
}

static taps taps_of(emb_position_resize resize, int64_t in, int64_t out, int64_t index)
{
    double scale = (double)in / (double)out, centre = ((double)index + 0.5) * scale;
    bool is_cubic = resize == EMB_RESIZE_BICUBIC || resize == EMB_RESIZE_BICUBIC_ANTIALIAS;
    double reach = is_cubic ? 2 : 1;
    taps t = {.resize = resize, .in = in, .centre = centre, .stretch = 1, .total = 1};
    if (resize == EMB_RESIZE_BICUBIC || resize == EMB_RESIZE_BILINEAR) {
        if (!is_cubic) t.centre = EMB_MAX(centre, 0.5); /* as torch: no neighbour before the first */
        t.first = (int64_t)floor(t.centre - 0.5) - is_cubic;
        t.count = 2 * (int64_t)reach;
        return t;
    }
    t.stretch = EMB_MAX(scale, 1);
    t.first = EMB_MAX((int64_t)floor(centre - reach * t.stretch + 0.5), 0);
    t.count = EMB_MIN((int64_t)floor(centre + reach * t.stretch + 0.5), in) - t.first;
    double total = 0;
    for (int64_t i = 0; i < t.count; i++) total += raw_weight(&t, i);
    t.total = total;
    return t;
}

void emb_resize_positions(emb_position_resize resize, int64_t height, int64_t width, int64_t size,
                          const float *table, int64_t out_height, int64_t out_width, float *out)
{
    enum { COLUMNS = 256 };
    for (int64_t at = 0; at < out_height * out_width; at++) {
        taps y = taps_of(resize, height, out_height, at / out_width);
        taps x = taps_of(resize, width, out_width, at % out_width);
        for (int64_t column = 0; column < size; column += COLUMNS) {
            int64_t columns = EMB_MIN(size - column, COLUMNS);
            double sums[COLUMNS] = {0};
            for (int64_t tap = 0; tap < y.count * x.count; tap++) {
                int64_t ty = tap / x.count, tx = tap % x.count;
                double weight = raw_weight(&y, ty) / y.total * (raw_weight(&x, tx) / x.total);
                const float *row =
                    table + (tap_index(&y, ty) * width + tap_index(&x, tx)) * size + column;
                for (int64_t i = 0; i < columns; i++) sums[i] += weight * (double)row[i];
            }
            for (int64_t i = 0; i < columns; i++)
                out[at * size + column + i] = (float)sums[i];
        }
    }
}

/* ---- rotary positions: DINOv3's, from -1 to 1 along each side ---------------------------------- */

void emb_patch_angles(double theta, int64_t dim, int64_t height, int64_t width, float *angles)
{
    static const double turn = 0x1.921fb54442d18p+2; /* 2 pi */
    int64_t quarter = dim / 4;
    for (int64_t i = 0; i < quarter; i++) {
        double period = emb_exp64(emb_log64(theta) * 4 * (double)i / (double)dim);
        for (int64_t at = 0; at < height * width; at++) {
            double y = 2 * ((double)(at / width) + 0.5) / (double)height - 1;
            double x = 2 * ((double)(at % width) + 0.5) / (double)width - 1;
            float *cosines = angles + at * dim, *sines = cosines + 2 * quarter;
            cosines[i] = (float)emb_cos64(turn * y / period);
            sines[i] = (float)emb_sin64(turn * y / period);
            cosines[quarter + i] = (float)emb_cos64(turn * x / period);
            sines[quarter + i] = (float)emb_sin64(turn * x / period);
        }
    }
}

/* ---- rotary positions along a text ---------------------------------------------------------------- */

bool emb_has_own_angles(const emb_rope *rope, int64_t tokens)
{
    bool by_length = rope->scaling == EMB_ROPE_DYNAMIC || rope->scaling == EMB_ROPE_LONGROPE;
    return by_length && tokens > rope->trained;
}

static double power(double base, double exponent) { return emb_exp64(emb_log64(base) * exponent); }

/* Along the turns that a pair makes over trained tokens. */
static float llama3(const emb_rope *rope, float turn)
{
    float length = 1 / turn * 6.28318530717958647692f, trained = (float)rope->trained;
    float slow = (float)rope->slow, fast = (float)rope->fast, factor = (float)rope->factor;
    if (length > (float)((double)rope->trained / rope->slow)) return turn / factor;
    if (length < (float)((double)rope->trained / rope->fast)) return turn;
    float kept = (1 / length * trained - slow) / (fast - slow);
    return (1 - kept) * turn / factor + kept * turn;
}

/* The pair, a number between two, that turns so often over trained tokens. */
static double pair_of(const emb_rope *rope, double dim, double turns)
{
    static const double two_pi = 0x1.921fb54442d18p+2;
    return dim * emb_log64((double)rope->trained / (turns * two_pi)) / (2 * emb_log64(rope->theta));
}

/* Along the pairs; period: of pair i, over 2 pi. */
static float yarn(const emb_rope *rope, int64_t dim, float period, int64_t i)
{
    double low = pair_of(rope, (double)dim, rope->fast), high = pair_of(rope, (double)dim, rope->slow);
    if (!rope->uncut) {
        low = floor(low);
        high = ceil(high);
    }
    low = EMB_MAX(low, 0);
    high = EMB_MIN(high, (double)dim - 1);
    if (low == high) high += 0.001;
    float ramp = ((float)i - (float)low) / (float)(high - low);
    float kept = 1 - EMB_MIN(EMB_MAX(ramp, 0), 1);
    return 1 / ((float)rope->factor * period) * (1 - kept) + 1 / period * kept;
}

/* What turns pair i of a head by each position. In float where the reference's is: its rounding, times a
 * large position, is an angle that the model was trained with. */
static float frequency(const emb_rope *rope, int64_t dim, int64_t tokens, int64_t i)
{
    double theta = rope->theta, d = (double)dim;
    float exponent = (float)(2 * i) / (float)dim;
    if (rope->scaling == EMB_ROPE_NTK) theta *= rope->factor;
    if (rope->scaling == EMB_ROPE_DYNAMIC && emb_has_own_angles(rope, tokens))
        theta *= power(rope->factor * (double)tokens / (double)rope->trained - (rope->factor - 1),
                       d / (d - 2));
    float period = i ? (float)power(theta, (double)exponent) : 1, turn = 1 / period;
    switch (rope->scaling) {
    case EMB_ROPE_LINEAR: return turn / (float)rope->factor;
    case EMB_ROPE_NTK: return turn / (float)power(rope->factor, 2 / d);
    case EMB_ROPE_LLAMA3: return llama3(rope, turn);
    case EMB_ROPE_YARN: return yarn(rope, dim, period, i);
    case EMB_ROPE_LONGROPE: return 1 / (rope->factors[emb_has_own_angles(rope, tokens)][i] * period);
    default: return turn;
    }
}

void emb_text_angles(const emb_rope *rope, int64_t dim, int64_t tokens, int64_t first, int64_t count,
                     float *angles)
{
    int64_t half = dim / 2;
    double amplitude = rope->amplitude > 0 ? rope->amplitude : 1;
    for (int64_t i = 0; i < half; i++) {
        double turn = (double)frequency(rope, dim, tokens, i);
        float *row = angles + first * dim + i;
        for (int64_t at = first; at < first + count; at++, row += dim) {
            row[0] = (float)(emb_cos64((double)at * turn) * amplitude);
            row[half] = (float)(emb_sin64((double)at * turn) * amplitude);
        }
    }
}
