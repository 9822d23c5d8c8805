/* ViT and DeiT: transformers' models/vit/modeling_vit.py, ViTModel, and models/deit/modeling_deit.py,
 * DeiTModel. Pre-norm layers, learned positions; DeiT has a distillation token after [CLS]. */
#include "models.h"

#define LAYER "encoder.layer.%d."

static const emb_names names = {
    .patch_embeddings = "embeddings.patch_embeddings.projection",
    .class_token = "embeddings.cls_token",
    .position_embeddings = "embeddings.position_embeddings",
    .query = LAYER "attention.attention.query",
    .key = LAYER "attention.attention.key",
    .value = LAYER "attention.attention.value",
    .attention_output = LAYER "attention.output.dense",
    .attention_norm = LAYER "layernorm_before",
    .intermediate = LAYER "intermediate.dense",
    .output = LAYER "output.dense",
    .output_norm = LAYER "layernorm_after",
    .final_norm = "layernorm",
    .pooler = "pooler.dense",
};

#define OTHER "layers.%d."

static const emb_names other_names = {
    .query = OTHER "attention.q_proj",
    .key = OTHER "attention.k_proj",
    .value = OTHER "attention.v_proj",
    .attention_output = OTHER "attention.o_proj",
    .attention_norm = OTHER "layernorm_before",
    .intermediate = OTHER "mlp.fc1",
    .output = OTHER "mlp.fc2",
    .output_norm = OTHER "layernorm_after",
};

static void describe_vit(emb_config *c, emb_architecture *a)
{
    a->names = names;
    a->other_names = &other_names; /* as early releases of transformers 5 wrote them */
    a->names.prefix = "vit.";
    a->layer_norm_eps = 1e-12;
    emb_config_layers(c, a);
    emb_config_image(c, a, 224, 16);
    a->image.prefix = a->image.positioned = 1;
    a->pre_norm = true;
    if (!emb_config_bool(c, "qkv_bias", true)) a->no_bias = EMB_NO_BIAS_QKV;
    a->pooler = EMB_POOLER_CLS;
    a->pooler_act = emb_config_activation(c, "pooler_act", "tanh");
    a->pooler_size = emb_config_size(c, "pooler_output_size", a->hidden_size);
}

static void describe_deit(emb_config *c, emb_architecture *a)
{
    describe_vit(c, a);
    a->names.prefix = "deit.";
    a->names.distillation_token = "embeddings.distillation_token";
    a->image.prefix = a->image.positioned = 2;
}

const emb_family emb_family_vit = {"vit", NULL, describe_vit};
const emb_family emb_family_deit = {"deit", NULL, describe_deit};
