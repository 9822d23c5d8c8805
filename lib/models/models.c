/* The table of families, and the readers of config.json that they share. */
#include "models.h"

#include <stdio.h>

static const emb_family *const families[] = {
    &emb_family_bert,
    &emb_family_roberta,
    &emb_family_xlm_roberta,
    &emb_family_camembert,
    &emb_family_data2vec_text,
    &emb_family_roberta_prelayernorm,
    &emb_family_xlm_roberta_xl,
    &emb_family_ernie,
    &emb_family_albert,
    &emb_family_distilbert,
    &emb_family_electra,
    &emb_family_mpnet,
    &emb_family_deberta_v2,
    &emb_family_gpt2,
    &emb_family_model2vec,
    &emb_family_modernbert,
    &emb_family_nomic_bert,
    &emb_family_gte,
    &emb_family_new,
    &emb_family_qwen3,
    &emb_family_gemma3_text,
    &emb_family_vit,
    &emb_family_deit,
    &emb_family_beit,
    &emb_family_dinov2,
    &emb_family_dinov2_with_registers,
    &emb_family_dinov3_vit,
    &emb_family_clip,
    &emb_family_clip_text_model,
    &emb_family_clip_vision_model,
    &emb_family_siglip,
    &emb_family_siglip_text_model,
    &emb_family_siglip_vision_model,
    &emb_family_siglip2,
    &emb_family_siglip2_vision_model,
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

/* The object that has the say on a key. */
static const emb_json *holder(const emb_config *c, const char *key)
{
    return emb_json_get(c->over, key) ? c->over : c->root;
}

int64_t emb_config_int(emb_config *c, const char *key, int64_t fallback, int64_t min, int64_t max)
{
    int64_t value = fallback;
    if (c->status == EMBED_OK)
        c->status = emb_json_read_int(c->file, holder(c, key), key, fallback, min, max, &value, c->error);
    return value;
}

double emb_config_float(emb_config *c, const char *key, double fallback)
{
    double value = fallback;
    if (c->status == EMBED_OK)
        c->status = emb_json_read_float(c->file, holder(c, key), key, fallback, &value, c->error);
    return value;
}

bool emb_config_bool(emb_config *c, const char *key, bool fallback)
{
    bool value = fallback;
    if (c->status == EMBED_OK)
        c->status = emb_json_read_bool(c->file, holder(c, key), key, fallback, &value, c->error);
    return value;
}

const char *emb_config_string(emb_config *c, const char *key, const char *fallback)
{
    const char *value = fallback;
    if (c->status == EMBED_OK)
        c->status = emb_json_read_string(c->file, holder(c, key), key, fallback, &value, c->error);
    return c->status == EMBED_OK ? value : fallback;
}

int64_t emb_config_size(emb_config *c, const char *key, int64_t fallback)
{
    return emb_config_int(c, key, fallback, 1, EMB_SIZE_MAX);
}

double emb_config_theta(emb_config *c, const char *key, double fallback)
{
    double theta = emb_config_float(c, key, fallback);
    if (!(theta >= 1 && theta <= 1e12) && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EFORMAT,
                             "%s: %s: expected a number from 1 to 1e12, found %g", c->file, key,
                             theta);
    return theta;
}

emb_activation emb_config_activation(emb_config *c, const char *key, const char *fallback)
{
    const char *name = emb_config_string(c, key, fallback);
    for (int64_t i = 0; i < EMB_COUNT(activations); i++)
        if (strcmp(name, activations[i].name) == 0) return activations[i].act;
    char known[512] = "";
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

void emb_config_only_null(emb_config *c, const char *key)
{
    const emb_json *v = emb_json_get(holder(c, key), key);
    if (v && !emb_json_is(v, EMB_JSON_NULL) && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: %s: expected null, found %s, which is not implemented", c->file,
                             key, emb_json_kind_name(v));
}

emb_config emb_config_section(const emb_config *c, const char *key, char where[256])
{
    emb_config section = *c;
    section.root = emb_json_get(c->root, key);
    snprintf(where, 256, "%s: %s", c->file, key);
    section.file = where;
    if (section.root && !emb_json_is(section.root, EMB_JSON_OBJECT) &&
        !emb_json_is(section.root, EMB_JSON_NULL) && c->status == EMBED_OK)
        section.status = emb_fail(c->error, EMBED_EFORMAT, "%s: expected an object, found %s", where,
                                  emb_json_kind_name(section.root));
    return section;
}

void emb_config_tower(emb_config *c, const char *key, const char *old_key,
                      void (*describe)(emb_config *, emb_architecture *), emb_architecture *a)
{
    char where[256];
    emb_config section = emb_config_section(c, key, where);
    if (old_key) section.over = emb_json_get(c->root, old_key);
    describe(&section, a);
    c->status = section.status;
}

void emb_config_layers(emb_config *c, emb_architecture *a)
{
    const char *act = emb_activation_name(a->hidden_act ? a->hidden_act : EMB_ACT_GELU);
    a->hidden_size = emb_config_size(c, "hidden_size", a->hidden_size ? a->hidden_size : 768);
    a->num_hidden_layers = emb_config_size(c, "num_hidden_layers",
                                           a->num_hidden_layers ? a->num_hidden_layers : 12);
    a->num_attention_heads = emb_config_size(
        c, "num_attention_heads", a->num_attention_heads ? a->num_attention_heads : 12);
    a->intermediate_size = emb_config_size(c, "intermediate_size",
                                           a->intermediate_size ? a->intermediate_size : 3072);
    a->hidden_act = emb_config_activation(c, "hidden_act", act);
    a->layer_norm_eps = emb_config_float(c, "layer_norm_eps", a->layer_norm_eps);
}

/* ---- kinds of layers -------------------------------------------------------------- */

void emb_config_layer_types(emb_config *c, emb_architecture *a, int64_t period, int64_t offset)
{
    const emb_json *list = emb_json_get(holder(c, "layer_types"), "layer_types");
    int64_t layers = EMB_MIN(a->num_hidden_layers, EMB_MAX_LAYERS);
    bool given = list && !emb_json_is(list, EMB_JSON_NULL);
    const emb_json *type = given ? emb_json_first(list) : NULL;
    if (given && c->status == EMBED_OK &&
        (!emb_json_is(list, EMB_JSON_ARRAY) || emb_json_length(list) != a->num_hidden_layers))
        c->status = emb_fail(c->error, EMBED_EFORMAT, "%s: layer_types: expected one of each layer",
                             c->file);
    for (int64_t i = 0; i < layers && c->status == EMBED_OK; i++) {
        const char *name = given ? emb_json_text(type) : NULL;
        bool sliding = (i + offset) % period != 0;
        if (given) sliding = name && strcmp(name, "sliding_attention") == 0;
        if (given && !sliding && (!name || strcmp(name, "full_attention") != 0))
            c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                                 "%s: layer_types: expected full_attention or sliding_attention, found "
                                 "%s", c->file, name ? emb_excerpt_of(name, strlen(name)).text
                                                     : "no string");
        if (sliding) a->sliding[i / 64] |= (uint64_t)1 << i % 64;
        if (given) type = emb_json_next_sibling(type);
    }
}

/* A size for both sides, or [height, width]. */
static void read_sides(emb_config *c, const char *key, int64_t fallback, int64_t max,
                       int64_t sides[2])
{
    const emb_json *v = emb_json_get(holder(c, key), key);
    if (!emb_json_is(v, EMB_JSON_ARRAY)) {
        sides[0] = sides[1] = emb_config_int(c, key, fallback, 1, max);
        return;
    }
    const emb_json *side = emb_json_first(v);
    bool good = emb_json_length(v) == 2;
    for (int i = 0; i < 2 && good; i++, side = emb_json_next_sibling(side))
        good = emb_json_to_int(side, &sides[i]) && sides[i] >= 1 && sides[i] <= max;
    if (!good && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EFORMAT,
                             "%s: line %lld: %s: expected a size or [height, width], from 1 to %lld",
                             c->file, (long long)emb_json_value_line(v), key, (long long)max);
}

void emb_config_image(emb_config *c, emb_architecture *a, int64_t image_size, int64_t patch_size)
{
    int64_t sides[2] = {1, 1}, patch[2] = {1, 1};
    if (emb_config_int(c, "num_channels", 3, 1, EMB_SIZE_MAX) != 3 && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: num_channels: expected 3, which is all that is implemented",
                             c->file);
    read_sides(c, "image_size", image_size, EMB_MAX_SIDE, sides);
    read_sides(c, "patch_size", patch_size, EMB_MAX_PATCH_SIDE, patch);
    a->image.height = sides[0];
    a->image.width = sides[1];
    a->image.patch_height = patch[0];
    a->image.patch_width = patch[1];
    a->image.grid_height = sides[0] / patch[0];
    a->image.grid_width = sides[1] / patch[1];
    if (c->status == EMBED_OK &&
        (a->image.grid_height < 1 || a->image.grid_width < 1 ||
         a->image.grid_height * a->image.grid_width > EMB_MAX_PATCHES))
        c->status = emb_fail(c->error, EMBED_EFORMAT,
                             "%s: image_size: expected 1 to %lld patches, found %lld x %lld pixels "
                             "and patches of %lld x %lld",
                             c->file, (long long)EMB_MAX_PATCHES, (long long)sides[0],
                             (long long)sides[1], (long long)patch[0], (long long)patch[1]);
}

/* ---- families ------------------------------------------------------------------ */

/* Forms of weights and layers that no family implements. */
static void refuse_foreign(emb_config *c)
{
    static const char *const unset[] = {"quantization_config", "pruned_heads"};
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

/* Code outside transformers that is one of the families here: what its classes' names begin with. */
static const struct {
    const char *code;
    const emb_family *family;
} known_code[] = {
    {".NomicBert", &emb_family_nomic_bert},
    {".New", &emb_family_new},
    {".Gte", &emb_family_gte},
    {"jina-bert-v2-qk-post-norm--modeling_bert.JinaBert", &emb_family_jina_bert_code},
    {".JinaBert", &emb_family_jina_bert},
};

static bool is_class(const char *code, const char *stem)
{
    const char *at = strstr(code, stem), *kind = at ? at + strlen(stem) : "";
    return strcmp(kind, "Model") == 0 || strcmp(kind, "ForSequenceClassification") == 0;
}

/* By model_type; a model of other code is another model, whatever its type says. */
static const emb_family *find_family(emb_config *c, const char *model_type)
{
    emb_config map = {emb_json_get(c->root, "auto_map"), c->file, c->error, c->status, NULL};
    const char *key = "AutoModel", *code = emb_config_string(&map, key, NULL);
    if (!code) code = emb_config_string(&map, key = "AutoModelForSequenceClassification", NULL);
    c->status = map.status;
    for (int64_t i = 0; i < EMB_COUNT(families) && !code; i++)
        if (strcmp(model_type, families[i]->model_type) == 0) return families[i];
    for (int64_t i = 0; i < EMB_COUNT(known_code) && code; i++)
        if (strcmp(model_type, known_code[i].family->model_type) == 0 &&
            is_class(code, known_code[i].code))
            return known_code[i].family;
    if (code && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: auto_map.%s: expected none, found \"%s\": code outside "
                             "transformers is not run",
                             c->file, key, emb_excerpt_of(code, strlen(code)).text);
    return NULL;
}

static int32_t unknown_family(const emb_config *c, const char *model_type)
{
    char known[512] = "";
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

static bool ends_in(const char *text, const char *end)
{
    size_t n = text ? strlen(text) : 0, m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Sigmoid or identity, as sentence-transformers' CrossEncoder reads it. */
static void read_score_activation(emb_config *c, emb_architecture *a)
{
    static const char key[] = "sbert_ce_default_activation_function";
    emb_config own = {emb_json_get(c->root, "sentence_transformers"), c->file, c->error, c->status,
                      NULL};
    const char *name = emb_config_string(&own, "activation_fn", NULL);
    c->status = own.status;
    if (!name) name = emb_config_string(c, key, NULL);
    a->score_by_labels = !name;
    a->score_act = ends_in(name, ".Sigmoid") ? EMB_ACT_SIGMOID : EMB_ACT_NONE;
    if (name && !a->score_act && !ends_in(name, ".Identity") && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: %s: expected Sigmoid or Identity, found \"%s\"", c->file, key,
                             emb_excerpt_of(name, strlen(name)).text);
}

/* The head of a checkpoint for sequence classification. */
static void read_labels(emb_config *c, emb_architecture *a)
{
    const char *class = emb_json_text(emb_json_first(emb_json_get(c->root, "architectures")));
    const emb_json *labels = emb_json_get(c->root, "id2label");
    if (!a->names.classifier || !ends_in(class, "ForSequenceClassification")) return;
    int64_t said = emb_config_int(c, "num_labels", 0, 1, EMB_SIZE_MAX);
    if (!said && emb_json_is(labels, EMB_JSON_OBJECT)) said = emb_json_length(labels);
    a->num_labels = said ? said : EMB_LABELS_OF_TENSOR;
    read_score_activation(c, a);
}

void emb_config_score(emb_config *c, emb_architecture *a, int64_t fallback)
{
    const emb_json *pad = emb_json_get(c->root, "pad_token_id");
    if (pad && emb_json_is(pad, EMB_JSON_NULL)) fallback = -1;
    a->names.classifier = "score";
    a->no_bias |= EMB_NO_BIAS_CLASSIFIER;
    a->pooler = EMB_POOLER_LAST_UNPADDED;
    a->pad_token_id = emb_config_int(c, "pad_token_id", fallback, -1, EMB_SIZE_MAX);
}

static void check_heads(emb_config *c, emb_architecture *a)
{
    int64_t heads = a->num_attention_heads, size = a->hidden_size;
    if (!a->num_key_value_heads) a->num_key_value_heads = heads;
    if (!a->head_dim && size % heads) {
        c->status = emb_fail(
            c->error, EMBED_EFORMAT,
            "%s: hidden_size: expected a multiple of the %lld attention heads, found %lld", c->file,
            (long long)heads, (long long)size);
        return;
    }
    if (!a->head_dim) a->head_dim = size / heads;
    int64_t even = emb_takes_images(a) ? 4 : 2; /* images have rotary positions of two axes */
    if (heads % a->num_key_value_heads)
        c->status = emb_fail(
            c->error, EMBED_EFORMAT,
            "%s: num_attention_heads: expected a multiple of the %lld of keys and values, found %lld",
            c->file, (long long)a->num_key_value_heads, (long long)heads);
    else if (heads * a->head_dim > EMB_SIZE_MAX) /* both at most EMB_SIZE_MAX */
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: head_dim: expected heads of at most %lld numbers together, found "
                             "%lld of %lld", c->file, (long long)EMB_SIZE_MAX, (long long)heads,
                             (long long)a->head_dim);
    else if (a->positions[EMB_FULL_ATTENTION].rope.theta > 0 && a->head_dim % even)
        c->status = emb_fail(c->error, EMBED_EFORMAT,
                             "%s: rotary positions: expected heads of a multiple of %lld numbers, "
                             "found %lld", c->file, (long long)even, (long long)a->head_dim);
    for (int kind = 0; kind < EMB_LAYER_KINDS && c->status == EMBED_OK; kind++) {
        int64_t pairs = a->positions[kind].rope.pairs;
        if (pairs && pairs != a->head_dim / 2)
            c->status = emb_fail(c->error, EMBED_EFORMAT,
                                 "%s: short_factor, long_factor: expected a number for each of the %lld "
                                 "pairs of a head, found %lld", c->file, (long long)(a->head_dim / 2),
                                 (long long)pairs);
    }
}

/* What holds for every description. */
static void check_tower(emb_config *c, emb_architecture *a)
{
    if (c->status < 0) return;
    check_heads(c, a);
    if (c->status < 0) return;
    if (a->num_hidden_layers > EMB_MAX_LAYERS)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: num_hidden_layers: expected at most %d, found %lld", c->file,
                             EMB_MAX_LAYERS, (long long)a->num_hidden_layers);
    else if (a->position_offset && emb_max_tokens(a) < 1)
        c->status = emb_fail(c->error, EMBED_EFORMAT,
                             "%s: max_position_embeddings: expected more than pad_token_id + 1, found "
                             "%lld", c->file, (long long)a->max_position_embeddings);
    else if (!(a->layer_norm_eps >= 0 && a->layer_norm_eps <= 1))
        c->status = emb_fail(c->error, EMBED_EFORMAT,
                             "%s: layer_norm_eps: expected a number from 0 to 1, found %g", c->file,
                             a->layer_norm_eps);
}

int32_t emb_architecture_read(emb_config *c, emb_architecture *text, emb_architecture *image)
{
    const char *model_type = emb_config_string(c, "model_type", "");
    const emb_family *family = find_family(c, model_type);
    if (c->status < 0) return c->status;
    if (!family) return unknown_family(c, model_type);

    *text = *image = (emb_architecture){.model_type = family->model_type};
    refuse_foreign(c);
    if (family->describe_text) {
        family->describe_text(c, text);
        read_labels(c, text);
        check_tower(c, text);
    }
    if (family->describe_image) {
        family->describe_image(c, image);
        check_tower(c, image);
    }
    return c->status;
}
