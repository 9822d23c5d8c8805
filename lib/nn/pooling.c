/* From the token vectors of one sequence to one vector, as sentence-transformers 6 does it: an
 * empty mask gives the first token (cls), zeros (the means and last) or -Inf (max). */
#include "nn.h"

#include <math.h>

typedef struct {
    int64_t tokens, size, ld;
    const float *hidden;
    const int32_t *mask; /* NULL: all 1 */
    int64_t padding;     /* rows before the text: WEIGHTED counts from there, over tokens of a prompt too */
} sequence;

static bool real(const sequence *s, int64_t token)
{
    return !s->mask || s->mask[token];
}

/* The first and last tokens of the mask; first 0 and last -1 if there is none. */
static int64_t first_real(const sequence *s)
{
    for (int64_t t = 0; t < s->tokens; t++)
        if (real(s, t))
            return t;
    return 0;
}

static int64_t last_real(const sequence *s)
{
    int64_t t = s->tokens - 1;
    while (t >= 0 && !real(s, t))
        t--;
    return t;
}

static void largest(const sequence *s, float *out)
{
    for (int64_t i = 0; i < s->size; i++)
        out[i] = -INFINITY;
    for (int64_t t = 0; t < s->tokens; t++) {
        const float *row = s->hidden + t * s->ld;
        for (int64_t i = 0; real(s, t) && i < s->size; i++)
            if (row[i] > out[i] || isnan(row[i]))
                out[i] = row[i];
    }
}

/* Sum of weight * row over the real tokens, divided by the sum of weights, its root for
 * SQRT_LEN. The columns go in groups, so that the double sums of one fit on the stack and rows
 * are read along. */
static void weighted(const sequence *s, int32_t pooling, float *out)
{
    double weights = 0.0;

    for (int64_t t = 0; t < s->tokens; t++)
        if (real(s, t))
            weights += pooling == EMBED_POOL_WEIGHTED ? (double)(t - s->padding + 1) : 1.0;
    weights = weights > 0.0 ? weights : 1e-9;
    if (pooling == EMBED_POOL_SQRT_LEN)
        weights = sqrt(weights);
    for (int64_t column = 0; column < s->size; column += 64) {
        const int64_t columns = EMB_MIN(s->size - column, 64);
        double sums[64] = {0};
        for (int64_t t = 0; t < s->tokens; t++) {
            const float *row = s->hidden + t * s->ld + column;
            const double weight = pooling == EMBED_POOL_WEIGHTED ? (double)(t - s->padding + 1) : 1.0;
            if (!real(s, t)) continue;
            for (int64_t i = 0; i < columns; i++)
                sums[i] += weight * (double)row[i];
        }
        for (int64_t i = 0; i < columns; i++)
            out[column + i] = (float)(sums[i] / weights);
    }
}

bool emb_pool_one(int32_t pooling, int64_t tokens, int64_t size, const float *hidden, int64_t ld,
                  const int32_t *mask, int64_t padding, float *out)
{
    sequence s = {tokens, size, ld, hidden, mask, padding};
    int64_t last;

    if (tokens < 1)
        return false;
    switch (pooling) {
    case EMBED_POOL_CLS:
        memcpy(out, hidden + first_real(&s) * ld, (size_t)size * sizeof *out);
        return true;
    case EMBED_POOL_LAST:
        last = last_real(&s);
        for (int64_t i = 0; i < size; i++)
            out[i] = last < 0 ? 0.0f : hidden[last * ld + i];
        return true;
    case EMBED_POOL_MAX:
        largest(&s, out);
        return true;
    case EMBED_POOL_MEAN_ALL:
        s.mask = NULL;
        weighted(&s, EMBED_POOL_MEAN, out);
        return true;
    case EMBED_POOL_MEAN:
    case EMBED_POOL_WEIGHTED:
    case EMBED_POOL_SQRT_LEN:
        weighted(&s, pooling, out);
        return true;
    }
    return false;
}
