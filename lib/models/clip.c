/* CLIP: transformers' models/clip/modeling_clip.py, CLIPModel, or one of its towers alone. Images: a norm
 * before the first layer, none after the last; pooler_output is the norm of the [CLS] vector. Texts:
 * causal, pooler_output is the vector of the end of the text. Its projection is what texts and images
 * are compared by. */
#include "models.h"

#define LAYER "encoder.layers.%d."
#define LAYERS                                                                                     \
    .query = LAYER "self_attn.q_proj", .key = LAYER "self_attn.k_proj",                            \
    .value = LAYER "self_attn.v_proj", .attention_output = LAYER "self_attn.out_proj",             \
    .attention_norm = LAYER "layer_norm1", .intermediate = LAYER "mlp.fc1",                        \
    .output = LAYER "mlp.fc2", .output_norm = LAYER "layer_norm2"

const emb_names emb_clip_text_names = {
    LAYERS,
    .prefix = "text_model.",
    .word_embeddings = "embeddings.token_embedding.weight",
    .position_embeddings = "embeddings.position_embedding.weight",
    .final_norm = "final_layer_norm",
    .projection = "text_projection",
};

const emb_names emb_clip_vision_names = {
    LAYERS,
    .prefix = "vision_model.",
    .patch_embeddings = "embeddings.patch_embedding",
    .class_token = "embeddings.class_embedding",
    .position_embeddings = "embeddings.position_embedding.weight",
    .embeddings_norm = "pre_layrnorm", /* so spelled in every checkpoint */
    .pooler_norm = "post_layernorm",
    .projection = "visual_projection",
};

static void describe_layers(emb_config *c, emb_architecture *a)
{
    a->layer_norm_eps = 1e-5;
    a->hidden_act = EMB_ACT_QUICK_GELU;
    emb_config_layers(c, a);
    a->pre_norm = true;
    a->pooler_size = a->hidden_size;
    a->projection_size = emb_config_size(c, "projection_dim", 512);
}

static void describe_text(emb_config *c, emb_architecture *a)
{
    a->names = emb_clip_text_names;
    a->hidden_size = 512;
    a->intermediate_size = 2048;
    a->num_attention_heads = 8;
    describe_layers(c, a);
    a->vocab_size = emb_config_size(c, "vocab_size", 49408);
    a->embedding_size = a->hidden_size;
    a->max_position_embeddings = emb_config_size(c, "max_position_embeddings", 77);
    a->causal = true;
    a->pooler = EMB_POOLER_EOS;
    a->eos_token_id = emb_config_int(c, "eos_token_id", 49407, 0, EMB_SIZE_MAX);
    if (a->eos_token_id == 2) a->eos_token_id = EMB_EOS_LARGEST; /* a mistake of old configs */
}

static void describe_vision(emb_config *c, emb_architecture *a)
{
    a->names = emb_clip_vision_names;
    describe_layers(c, a);
    emb_config_image(c, a, 224, 32);
    a->image.prefix = a->image.positioned = 1;
    a->no_bias = EMB_NO_BIAS_PATCHES;
    a->pooler = EMB_POOLER_CLS;
}

/* Of both, the projection's size stands above their sections. */
static void describe_text_tower(emb_config *c, emb_architecture *a)
{
    emb_config_tower(c, "text_config", "text_config_dict", describe_text, a);
    a->projection_size = emb_config_size(c, "projection_dim", 512);
}

static void describe_vision_tower(emb_config *c, emb_architecture *a)
{
    emb_config_tower(c, "vision_config", "vision_config_dict", describe_vision, a);
    a->projection_size = emb_config_size(c, "projection_dim", 512);
}

const emb_family emb_family_clip = {"clip", describe_text_tower, describe_vision_tower};
const emb_family emb_family_clip_text_model = {"clip_text_model", describe_text, NULL};
const emb_family emb_family_clip_vision_model = {"clip_vision_model", NULL, describe_vision};
