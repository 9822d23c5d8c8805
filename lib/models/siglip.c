/* SigLIP and SigLIP2: transformers' models/siglip/modeling_siglip.py, SiglipModel, and models/siglip2, or
 * one tower alone: CLIP's layers. Images have no [CLS]: pooler_output is the attention of a learned query over all
 * patches. Texts are always padded to all positions, and pooler_output is a Linear of the last one.
 * SigLIP2's images may have any shape whose patches are at most num_patches (NaFlex); its checkpoints of
 * fixed size say siglip. */
#include "models.h"

static void describe_layers(emb_config *c, emb_architecture *a)
{
    a->layer_norm_eps = 1e-6;
    a->hidden_act = EMB_ACT_GELU_TANH;
    emb_config_layers(c, a);
    a->pre_norm = true;
    a->pooler_size = a->hidden_size;
}

static void describe_text(emb_config *c, emb_architecture *a)
{
    a->names = emb_clip_text_names;
    a->names.projection = NULL;
    a->names.pooler = "head";
    describe_layers(c, a);
    a->vocab_size = emb_config_size(c, "vocab_size", 32000);
    a->embedding_size = a->hidden_size;
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 64);
    a->padded_length = a->max_position_embeddings;
    a->pad_token_id = emb_config_int(c, "pad_token_id", 1, 0, EMB_SIZE_MAX);
    a->pooler = EMB_POOLER_LAST;
    a->pooler_size = emb_config_size(c, "projection_size", a->hidden_size);
}

static void describe_vision(emb_config *c, emb_architecture *a)
{
    a->names = emb_clip_vision_names;
    a->names.class_token = a->names.embeddings_norm = NULL;
    a->names.pooler_norm = a->names.projection = NULL;
    a->names.final_norm = "post_layernorm";
    describe_layers(c, a);
    if (!emb_config_bool(c, "vision_use_head", true)) return;
    a->pooler = EMB_POOLER_HEAD;
    a->names.pooler_head = "head";
}

static void describe_siglip(emb_config *c, emb_architecture *a)
{
    describe_vision(c, a);
    emb_config_image(c, a, 224, 16);
}

static void describe_siglip2(emb_config *c, emb_architecture *a)
{
    describe_vision(c, a);
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

static void describe_text_tower(emb_config *c, emb_architecture *a)
{
    emb_config_tower(c, "text_config", NULL, describe_text, a);
}

static void describe_siglip_tower(emb_config *c, emb_architecture *a)
{
    emb_config_tower(c, "vision_config", NULL, describe_siglip, a);
}

static void describe_siglip2_tower(emb_config *c, emb_architecture *a)
{
    emb_config_tower(c, "vision_config", NULL, describe_siglip2, a);
}

const emb_family emb_family_siglip = {"siglip", describe_text_tower, describe_siglip_tower};
const emb_family emb_family_siglip_text_model = {"siglip_text_model", describe_text, NULL};
const emb_family emb_family_siglip_vision_model = {"siglip_vision_model", NULL, describe_siglip};
const emb_family emb_family_siglip2 = {"siglip2", describe_text_tower, describe_siglip2_tower};
const emb_family emb_family_siglip2_vision_model = {"siglip2_vision_model", NULL,
                                                    describe_siglip2};
