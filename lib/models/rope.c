/* Rotary positions of a config: transformers' modeling_rope_utils.py, and the keys of older files. */
#include <math.h>

#include "../kernels/math64.h"
#include "models.h"

static const struct {
    const char *name;
    emb_rope_scaling scaling;
} types[] = {
    {"default", EMB_ROPE_PLAIN}, {"linear", EMB_ROPE_LINEAR}, {"ntk", EMB_ROPE_NTK},
    {"dynamic", EMB_ROPE_DYNAMIC}, {"llama3", EMB_ROPE_LLAMA3}, {"yarn", EMB_ROPE_YARN},
    {"longrope", EMB_ROPE_LONGROPE},
};

/* rope_type, or type as it was called. */
static emb_rope_scaling read_type(emb_config *c)
{
    const char *name = emb_config_string(c, "rope_type", NULL);
    if (!name) name = emb_config_string(c, "type", types[0].name);
    for (int64_t i = 0; i < EMB_COUNT(types); i++)
        if (strcmp(name, types[i].name) == 0) return types[i].scaling;
    if (c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: rope_type: expected default, linear, ntk, dynamic, llama3, yarn or "
                             "longrope, found \"%s\"", c->file, emb_excerpt_of(name, strlen(name)).text);
    return EMB_ROPE_PLAIN;
}

static double read_number(emb_config *c, const char *key, double fallback, double min, double max)
{
    double value = emb_config_float(c, key, fallback);
    if (!(value >= min && value <= max) && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EFORMAT, "%s: %s: expected a number from %g to %g, found %g",
                             c->file, key, min, max, value);
    return value;
}

static double log_growth(double factor, double scale)
{
    return factor > 1 ? 0.1 * scale * emb_log64(factor) + 1 : 1;
}

/* Pairs between those that stay and those that are divided by factor. */
static void read_ramp(emb_config *c, const char *slow, double slowest, const char *fast, double fastest,
                      emb_rope *out)
{
    out->slow = read_number(c, slow, slowest, 1e-3, 1e6);
    out->fast = read_number(c, fast, fastest, 1e-3, 1e6);
    if (!(out->fast > out->slow) && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EFORMAT, "%s: %s: expected more than %s = %g, found %g",
                             c->file, fast, slow, out->slow, out->fast);
}

static void read_yarn(emb_config *c, emb_rope *out)
{
    double scale = read_number(c, "mscale", 0, 0, 1e3), all = read_number(c, "mscale_all_dim", 0, 0, 1e3);
    read_ramp(c, "beta_slow", 1, "beta_fast", 32, out);
    if (!(out->theta > 1) && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EFORMAT, "%s: rope_theta: expected more than 1 for yarn, "
                             "found %g", c->file, out->theta);
    out->amplitude = scale > 0 && all > 0
                         ? log_growth(out->factor, scale) / log_growth(out->factor, all)
                         : log_growth(out->factor, 1);
}

/* A number for each pair of a head. */
static void read_factors(emb_config *c, const char *key, emb_rope *out, float *factors)
{
    const emb_json *list = emb_json_get(emb_json_get(c->over, key) ? c->over : c->root, key);
    const emb_json *item = emb_json_first(list);
    int64_t count = emb_json_is(list, EMB_JSON_ARRAY) ? emb_json_length(list) : 0;
    bool good = count > 0 && count <= EMB_MAX_ROPE_PAIRS && (!out->pairs || out->pairs == count);
    for (int64_t i = 0; i < count && good; i++, item = emb_json_next_sibling(item)) {
        double value = emb_json_to_double(item);
        good = value >= 0.5 && value <= 1e6;
        factors[i] = (float)value;
    }
    out->pairs = count;
    if (!good && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EFORMAT,
                             "%s: %s: expected a list of at most %d numbers from 0.5 to 1e6, as many in "
                             "short_factor as in long_factor", c->file, key, EMB_MAX_ROPE_PAIRS);
}

static void read_longrope(emb_config *c, emb_rope *out)
{
    read_factors(c, "short_factor", out, out->factors[0]);
    read_factors(c, "long_factor", out, out->factors[1]);
    if (out->factor > 1 && out->trained > 1)
        out->amplitude = sqrt(1 + emb_log64(out->factor) / emb_log64((double)out->trained));
}

/* What its type has beside theta. positions: max_position_embeddings. */
static void read_scaling(emb_config *c, int64_t positions, emb_rope *out)
{
    bool stretched = out->scaling == EMB_ROPE_YARN || out->scaling == EMB_ROPE_LONGROPE;
    double fallback = stretched ? (double)positions / (double)out->trained : 0;
    if (out->scaling != EMB_ROPE_PLAIN) out->factor = read_number(c, "factor", fallback, 1, 1e6);
    if (out->scaling == EMB_ROPE_LLAMA3)
        read_ramp(c, "low_freq_factor", 1, "high_freq_factor", 4, out);
    if (out->scaling == EMB_ROPE_YARN) read_yarn(c, out);
    if (out->scaling == EMB_ROPE_LONGROPE) read_longrope(c, out);
    if (stretched) out->amplitude = read_number(c, "attention_factor", out->amplitude, 1e-3, 1e3);
    if (emb_config_float(c, "partial_rotary_factor", 1) != 1 && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: partial_rotary_factor: expected 1, which is all that is implemented",
                             c->file);
    emb_config_only_null(c, "mixed_b");
}

void emb_config_rope(emb_config *c, const char *layer_type, bool scaled, const char *theta_key,
                     double theta, emb_rope *out)
{
    static const char trained[] = "original_max_position_embeddings";
    char where[256], nested[256];
    const emb_json *old = emb_json_get(c->root, "rope_scaling");
    scaled = scaled && emb_json_is(old, EMB_JSON_OBJECT) && emb_json_length(old) > 0;
    emb_config rope =
        emb_config_section(c, scaled && !layer_type ? "rope_scaling" : "rope_parameters", where);
    if (layer_type) {
        emb_config whole = rope;
        rope = emb_config_section(&whole, layer_type, nested);
        if (scaled) rope.over = old;
    }
    int64_t positions = emb_config_size(c, "max_position_embeddings", 1);
    int64_t own = layer_type ? 0 : emb_config_int(c, trained, 0, 1, EMB_SIZE_MAX); /* goes first */
    theta = emb_config_theta(c, theta_key, theta);
    rope.status = EMB_MIN(rope.status, c->status);
    *out = (emb_rope){
        .theta = emb_config_theta(&rope, "rope_theta", theta),
        .scaling = read_type(&rope),
        .amplitude = 1,
        .trained = positions,
        /* as the reference reads it */
        .uncut = !layer_type && !emb_config_bool(&rope, "truncate", true),
    };
    if (out->scaling >= EMB_ROPE_LLAMA3)
        out->trained = own ? own : emb_config_size(&rope, trained, positions);
    read_scaling(&rope, positions, out);
    c->status = rope.status;
}
