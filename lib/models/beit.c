/* BEiT: transformers' models/beit/modeling_beit.py, BeitModel. ViT's layers with LayerScale, keys
 * without a bias, and relative positions added to scores, of each layer or shared by all; they fit any
 * size of image. With mean pooling there is no final norm: pooler_output is the norm of the mean of
 * the patches. */
#include "models.h"

#define LAYER "encoder.layer.%d."
#define TABLE "relative_position_bias.relative_position_bias_table"

static const emb_names names = {
    .prefix = "beit.",
    .patch_embeddings = "embeddings.patch_embeddings.projection",
    .class_token = "embeddings.cls_token",
    .query = LAYER "attention.attention.query",
    .key = LAYER "attention.attention.key",
    .value = LAYER "attention.attention.value",
    .attention_output = LAYER "attention.output.dense",
    .attention_norm = LAYER "layernorm_before",
    .intermediate = LAYER "intermediate.dense",
    .output = LAYER "output.dense",
    .output_norm = LAYER "layernorm_after",
};

/* As early releases of transformers 5 wrote them. */
#define OTHER "layers.%d."
#define OTHER_NAMES                                                                                \
    .query = OTHER "attention.q_proj", .key = OTHER "attention.k_proj",                            \
    .value = OTHER "attention.v_proj", .attention_output = OTHER "attention.o_proj",               \
    .attention_norm = OTHER "layernorm_before", .attention_scale = OTHER "lambda_1",               \
    .intermediate = OTHER "mlp.fc1", .output = OTHER "mlp.fc2",                                    \
    .output_norm = OTHER "layernorm_after", .output_scale = OTHER "lambda_2"

static const emb_names other_names = {OTHER_NAMES, .relative_positions = OTHER TABLE};
static const emb_names other_shared_names = {
    OTHER_NAMES, .relative_positions = "shared_position_bias.relative_position_bias_table"};

static void describe_positions(emb_config *c, emb_architecture *a)
{
    bool each = emb_config_bool(c, "use_relative_position_bias", false);
    bool shared = emb_config_bool(c, "use_shared_relative_position_bias", false);
    if (emb_config_bool(c, "use_absolute_position_embeddings", false)) {
        a->names.position_embeddings = "embeddings.position_embeddings";
        a->image.positioned = 1;
    }
    if (each) a->names.relative_positions = LAYER "attention.attention." TABLE;
    if (shared) a->names.relative_positions = "encoder." TABLE;
    if (each || shared) a->relative.kind = EMB_RELATIVE_GRID;
    a->relative.shared = shared;
    a->other_names = shared ? &other_shared_names : &other_names;
    if (each && shared) emb_config_only_false(c, "use_shared_relative_position_bias");
    if (a->image.grid_height != a->image.grid_width && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: image_size: expected a square, found %lld x %lld patches", c->file,
                             (long long)a->image.grid_height, (long long)a->image.grid_width);
}

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    a->layer_norm_eps = 1e-12;
    emb_config_layers(c, a);
    emb_config_image(c, a, 224, 16);
    a->image.prefix = 1;
    a->image.any_size = true;
    describe_positions(c, a);
    a->pre_norm = true;
    a->no_bias = EMB_NO_BIAS_KEY;
    if (emb_config_float(c, "layer_scale_init_value", 0.1) > 0) {
        a->names.attention_scale = LAYER "lambda_1";
        a->names.output_scale = LAYER "lambda_2";
    }
    bool mean = emb_config_bool(c, "use_mean_pooling", true);
    a->pooler = mean ? EMB_POOLER_PATCHES : EMB_POOLER_CLS;
    if (mean) a->names.pooler_norm = "pooler.layernorm";
    else a->names.final_norm = "layernorm";
    a->pooler_size = a->hidden_size;
}

const emb_family emb_family_beit = {"beit", NULL, describe};
