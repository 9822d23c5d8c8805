/* The table of families, and the readers of config.json that they share. */
#include "models.h"

static const emb_family *const families[] = {
    &emb_family_bert,
    &emb_family_distilbert,
    &emb_family_electra,
};

static const struct {
    const char *name; /* transformers' ACT2FN */
    emb_activation act;
} activations[] = {
    {"gelu", EMB_ACT_GELU},
    {"gelu_python", EMB_ACT_GELU},
    {"gelu_new", EMB_ACT_GELU_TANH},
    {"gelu_pytorch_tanh", EMB_ACT_GELU_TANH},
    {"gelu_python_tanh", EMB_ACT_GELU_TANH},
    {"gelu_accurate", EMB_ACT_GELU_TANH},
    {"gelu_fast", EMB_ACT_GELU_FAST},
    {"quick_gelu", EMB_ACT_QUICK_GELU},
    {"silu", EMB_ACT_SILU},
    {"swish", EMB_ACT_SILU},
    {"relu", EMB_ACT_RELU},
    {"relu2", EMB_ACT_RELU2},
    {"tanh", EMB_ACT_TANH},
    {"sigmoid", EMB_ACT_SIGMOID},
    {"linear", EMB_ACT_NONE},
};

const char *emb_activation_name(emb_activation act)
{
    for (int64_t i = 0; i < EMB_COUNT(activations); i++)
        if (activations[i].act == act) return activations[i].name;
    return "linear";
}

/* ---- config ------------------------------------------------------------------- */

int64_t emb_config_int(emb_config *c, const char *key, int64_t fallback, int64_t min, int64_t max)
{
    int64_t value = fallback;
    if (c->status == EMBED_OK)
        c->status = emb_json_read_int(c->file, c->root, key, fallback, min, max, &value, c->error);
    return value;
}

double emb_config_float(emb_config *c, const char *key, double fallback)
{
    double value = fallback;
    if (c->status == EMBED_OK)
        c->status = emb_json_read_float(c->file, c->root, key, fallback, &value, c->error);
    return value;
}

bool emb_config_bool(emb_config *c, const char *key, bool fallback)
{
    bool value = fallback;
    if (c->status == EMBED_OK)
        c->status = emb_json_read_bool(c->file, c->root, key, fallback, &value, c->error);
    return value;
}

const char *emb_config_string(emb_config *c, const char *key, const char *fallback)
{
    const char *value = fallback;
    if (c->status == EMBED_OK)
        c->status = emb_json_read_string(c->file, c->root, key, fallback, &value, c->error);
    return c->status == EMBED_OK ? value : fallback;
}

int64_t emb_config_size(emb_config *c, const char *key, int64_t fallback)
{
    return emb_config_int(c, key, fallback, 1, EMB_SIZE_MAX);
}

emb_activation emb_config_activation(emb_config *c, const char *key, const char *fallback)
{
    const char *name = emb_config_string(c, key, fallback);
    for (int64_t i = 0; i < EMB_COUNT(activations); i++)
        if (strcmp(name, activations[i].name) == 0) return activations[i].act;
    char known[256] = "";
    for (int64_t i = 0; i < EMB_COUNT(activations); i++) {
        if (i) strncat(known, ", ", sizeof known - strlen(known) - 1);
        strncat(known, activations[i].name, sizeof known - strlen(known) - 1);
    }
    c->status = emb_fail(c->error, EMBED_EUNSUPPORTED, "%s: %s: expected one of %s, found \"%s\"",
                         c->file, key, known, emb_excerpt_of(name, strlen(name)).text);
    return EMB_ACT_NONE;
}

void emb_config_only_string(emb_config *c, const char *key, const char *only)
{
    const char *value = emb_config_string(c, key, only);
    if (strcmp(value, only) != 0)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: %s: expected \"%s\", found \"%s\", which is not implemented",
                             c->file, key, only, emb_excerpt_of(value, strlen(value)).text);
}

void emb_config_only_false(emb_config *c, const char *key)
{
    if (emb_config_bool(c, key, false))
        c->status =
            emb_fail(c->error, EMBED_EUNSUPPORTED,
                     "%s: %s: expected false, found true, which is not implemented", c->file, key);
}

/* ---- families ------------------------------------------------------------------ */

/* Another model behind a known name, or a form of weights that no family implements. */
static void refuse_foreign(emb_config *c)
{
    static const char *const unset[] = {"quantization_config", "pruned_heads"};
    emb_config map = {emb_json_get(c->root, "auto_map"), c->file, c->error, c->status};
    const char *code = emb_config_string(&map, "AutoModel", NULL);
    c->status = map.status;
    if (code)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: auto_map.AutoModel: expected none, found \"%s\": code outside "
                             "transformers is not run",
                             c->file, emb_excerpt_of(code, strlen(code)).text);
    for (int64_t i = 0; i < EMB_COUNT(unset) && c->status == EMBED_OK; i++) {
        const emb_json *v = emb_json_get(c->root, unset[i]);
        bool empty = emb_json_is(v, EMB_JSON_OBJECT) && emb_json_length(v) == 0;
        if (v && !empty && !emb_json_is(v, EMB_JSON_NULL))
            c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                                 "%s: %s: expected none, which is all that is implemented, found "
                                 "%s", c->file, unset[i], emb_json_kind_name(v));
    }
    emb_config_only_false(c, "is_decoder");
    emb_config_only_false(c, "add_cross_attention");
    emb_config_only_false(c, "is_encoder_decoder");
}

static int32_t unknown_family(const emb_config *c, const char *model_type)
{
    char known[256] = "";
    for (int64_t i = 0; i < EMB_COUNT(families); i++) {
        if (i) strncat(known, ", ", sizeof known - strlen(known) - 1);
        strncat(known, families[i]->model_type, sizeof known - strlen(known) - 1);
    }
    if (!*model_type)
        return emb_fail(c->error, EMBED_EFORMAT, "%s: model_type: expected one of %s, found none",
                        c->file, known);
    return emb_fail(c->error, EMBED_EUNSUPPORTED,
                    "%s: model_type: expected one of %s, found \"%s\"", c->file, known,
                    emb_excerpt_of(model_type, strlen(model_type)).text);
}

int32_t emb_architecture_read(emb_config *c, emb_architecture *out)
{
    const char *model_type = emb_config_string(c, "model_type", "");
    const emb_family *family = NULL;
    for (int64_t i = 0; i < EMB_COUNT(families) && !family; i++)
        if (strcmp(model_type, families[i]->model_type) == 0) family = families[i];
    if (c->status < 0) return c->status;
    if (!family) return unknown_family(c, model_type);

    *out = (emb_architecture){.model_type = family->model_type};
    refuse_foreign(c);
    family->describe(c, out);
    if (c->status < 0) return c->status;
    if (out->hidden_size % out->num_attention_heads)
        return emb_fail(
            c->error, EMBED_EFORMAT,
            "%s: hidden_size: expected a multiple of the %lld attention heads, found %lld", c->file,
            (long long)out->num_attention_heads, (long long)out->hidden_size);
    if (out->num_hidden_layers > EMB_MAX_LAYERS)
        return emb_fail(c->error, EMBED_EUNSUPPORTED,
                        "%s: num_hidden_layers: expected at most %d, found %lld", c->file,
                        EMB_MAX_LAYERS, (long long)out->num_hidden_layers);
    out->head_dim = out->hidden_size / out->num_attention_heads;
    if (!(out->layer_norm_eps >= 0 && out->layer_norm_eps <= 1))
        return emb_fail(c->error, EMBED_EFORMAT,
                        "%s: layer_norm_eps: expected a number from 0 to 1, found %g", c->file,
                        out->layer_norm_eps);
    return EMBED_OK;
}
