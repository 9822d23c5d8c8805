/* SigLIP's and SigLIP2's vision tower: transformers' models/siglip/modeling_siglip.py,
 * SiglipVisionModel, and models/siglip2, alone or in a model of two towers. No [CLS]: pooler_output is
 * the attention of a learned query over all patches. SigLIP2's takes images of any shape whose patches
 * are at most num_patches (NaFlex); its checkpoints of fixed size say siglip. */
#include "models.h"

#define LAYER "encoder.layers.%d."

static const emb_names names = {
    .prefix = "vision_model.",
    .patch_embeddings = "embeddings.patch_embedding",
    .position_embeddings = "embeddings.position_embedding.weight",
    .query = LAYER "self_attn.q_proj",
    .key = LAYER "self_attn.k_proj",
    .value = LAYER "self_attn.v_proj",
    .attention_output = LAYER "self_attn.out_proj",
    .attention_norm = LAYER "layer_norm1",
    .intermediate = LAYER "mlp.fc1",
    .output = LAYER "mlp.fc2",
    .output_norm = LAYER "layer_norm2",
    .final_norm = "post_layernorm",
};

static void describe_layers(emb_config *c, emb_architecture *a)
{
    a->names = names;
    a->layer_norm_eps = 1e-6;
    a->hidden_act = EMB_ACT_GELU_TANH;
    emb_config_layers(c, a);
    a->pre_norm = true;
    a->pooler_size = a->hidden_size;
    if (!emb_config_bool(c, "vision_use_head", true)) return;
    a->pooler = EMB_POOLER_HEAD;
    a->names.pooler_head = "head";
}

static void describe_siglip(emb_config *c, emb_architecture *a)
{
    describe_layers(c, a);
    emb_config_image(c, a, 224, 16);
}

static void describe_siglip2(emb_config *c, emb_architecture *a)
{
    describe_layers(c, a);
    int64_t patches = emb_config_int(c, "num_patches", 256, 1, EMB_MAX_PATCHES), side = 1;
    while ((side + 1) * (side + 1) <= patches) side++;
    if (side * side != patches && c->status == EMBED_OK)
        c->status = emb_fail(c->error, EMBED_EFORMAT,
                             "%s: num_patches: expected a square, found %lld", c->file,
                             (long long)patches);
    emb_config_image(c, a, 224, 16);
    a->image.grid_height = a->image.grid_width = side;
    a->image.height = side * a->image.patch_height;
    a->image.width = side * a->image.patch_width;
    a->image.any_size = true;
    a->image.resize = EMB_RESIZE_BILINEAR_ANTIALIAS;
    a->image.patch_channels_last = true;
}

static void describe_section(emb_config *c, emb_architecture *a,
                             void (*describe)(emb_config *, emb_architecture *))
{
    char where[256];
    emb_config vision = emb_config_section(c, "vision_config", where);
    describe(&vision, a);
    c->status = vision.status;
}

static void describe_siglip_pair(emb_config *c, emb_architecture *a)
{
    describe_section(c, a, describe_siglip);
}

static void describe_siglip2_pair(emb_config *c, emb_architecture *a)
{
    describe_section(c, a, describe_siglip2);
}

const emb_family emb_family_siglip = {"siglip", NULL, describe_siglip_pair};
const emb_family emb_family_siglip_vision_model = {"siglip_vision_model", NULL, describe_siglip};
const emb_family emb_family_siglip2 = {"siglip2", NULL, describe_siglip2_pair};
const emb_family emb_family_siglip2_vision_model = {"siglip2_vision_model", NULL,
                                                    describe_siglip2};
