/* CLIP's vision tower: transformers' models/clip/modeling_clip.py, CLIPVisionModel, alone or in a
 * CLIPModel. A norm before the first layer, none after the last: pooler_output is the norm of the
 * [CLS] vector, and its projection what texts are compared with. */
#include "models.h"

#define LAYER "encoder.layers.%d."

static const emb_names names = {
    .prefix = "vision_model.",
    .patch_embeddings = "embeddings.patch_embedding",
    .class_token = "embeddings.class_embedding",
    .position_embeddings = "embeddings.position_embedding.weight",
    .embeddings_norm = "pre_layrnorm", /* so spelled in every checkpoint */
    .query = LAYER "self_attn.q_proj",
    .key = LAYER "self_attn.k_proj",
    .value = LAYER "self_attn.v_proj",
    .attention_output = LAYER "self_attn.out_proj",
    .attention_norm = LAYER "layer_norm1",
    .intermediate = LAYER "mlp.fc1",
    .output = LAYER "mlp.fc2",
    .output_norm = LAYER "layer_norm2",
    .pooler_norm = "post_layernorm",
    .projection = "visual_projection",
};

static void describe_vision(emb_config *c, emb_architecture *a)
{
    a->names = names;
    a->layer_norm_eps = 1e-5;
    a->hidden_act = EMB_ACT_QUICK_GELU;
    emb_config_layers(c, a);
    emb_config_image(c, a, 224, 32);
    a->image.prefix = a->image.positioned = 1;
    a->pre_norm = true;
    a->no_bias = EMB_NO_BIAS_PATCHES;
    a->pooler = EMB_POOLER_CLS;
    a->pooler_size = a->hidden_size;
    a->projection_size = emb_config_size(c, "projection_dim", 512);
}

static void describe(emb_config *c, emb_architecture *a)
{
    char where[256];
    emb_config vision = emb_config_section(c, "vision_config", where);
    vision.over = emb_json_get(c->root, "vision_config_dict"); /* of old files: only what differs */
    describe_vision(&vision, a);
    c->status = vision.status;
    a->projection_size = emb_config_size(c, "projection_dim", 512);
}

const emb_family emb_family_clip = {"clip", NULL, describe};
const emb_family emb_family_clip_vision_model = {"clip_vision_model", NULL, describe_vision};
