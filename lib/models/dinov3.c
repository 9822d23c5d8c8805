/* DINOv3's ViT: transformers' models/dinov3_vit/modeling_dinov3_vit.py, DINOv3ViTModel. As DINOv2, but
 * with rotary positions of the patches in place of a table, so that every size of image fits. */
#include "models.h"

#define LAYER "layer.%d."

static const emb_names names = {
    .prefix = "model.",
    .patch_embeddings = "embeddings.patch_embeddings",
    .class_token = "embeddings.cls_token",
    .register_tokens = "embeddings.register_tokens",
    .query = LAYER "attention.q_proj",
    .key = LAYER "attention.k_proj",
    .value = LAYER "attention.v_proj",
    .attention_output = LAYER "attention.o_proj",
    .attention_norm = LAYER "norm1",
    .attention_scale = LAYER "layer_scale1.lambda1",
    .intermediate = LAYER "mlp.up_proj",
    .output = LAYER "mlp.down_proj",
    .output_norm = LAYER "norm2",
    .output_scale = LAYER "layer_scale2.lambda1",
    .final_norm = "norm",
};

static void describe_biases(emb_config *c, emb_architecture *a)
{
    const struct {
        const char *key;
        bool fallback;
        uint32_t missing;
    } biases[] = {
        {"query_bias", true, EMB_NO_BIAS_QUERY},
        {"key_bias", false, EMB_NO_BIAS_KEY},
        {"value_bias", true, EMB_NO_BIAS_VALUE},
        {"proj_bias", true, EMB_NO_BIAS_ATTENTION_OUTPUT},
        {"mlp_bias", true, EMB_NO_BIAS_MLP},
    };
    for (int64_t i = 0; i < EMB_COUNT(biases); i++)
        if (!emb_config_bool(c, biases[i].key, biases[i].fallback)) a->no_bias |= biases[i].missing;
}

static void describe(emb_config *c, emb_architecture *a)
{
    a->names = names;
    a->layer_norm_eps = 1e-5;
    a->hidden_size = 384;
    a->intermediate_size = 1536;
    a->num_attention_heads = 6;
    emb_config_layers(c, a);
    emb_config_image(c, a, 224, 16);
    describe_biases(c, a);
    if (emb_config_bool(c, "use_gated_mlp", false)) a->names.gate = LAYER "mlp.gate_proj";
    a->image.register_tokens = emb_config_int(c, "num_register_tokens", 0, 0, EMB_MAX_REGISTERS);
    a->image.prefix = 1 + a->image.register_tokens;
    a->image.any_size = true;
    a->pre_norm = true;
    a->positions[EMB_FULL_ATTENTION].rope.theta = emb_config_theta(c, "rope_theta", 100);
    a->pooler = EMB_POOLER_CLS;
    a->pooler_size = a->hidden_size;
}

const emb_family emb_family_dinov3_vit = {"dinov3_vit", NULL, describe};
