/* DINOv2, with and without registers: transformers' models/dinov2/modeling_dinov2.py, Dinov2Model, and
 * models/dinov2_with_registers. ViT's layers with LayerScale, a SwiGLU MLP in the giant one, positions
 * that are interpolated for every image; pooler_output is the [CLS] vector. */
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
    .attention_norm = LAYER "norm1",
    .attention_scale = LAYER "layer_scale1.lambda1",
    .intermediate = LAYER "mlp.fc1",
    .output = LAYER "mlp.fc2",
    .output_norm = LAYER "norm2",
    .output_scale = LAYER "layer_scale2.lambda1",
    .final_norm = "layernorm",
};

static const emb_names other_names = {
    .query = LAYER "attention.q_proj",
    .key = LAYER "attention.k_proj",
    .value = LAYER "attention.v_proj",
    .attention_output = LAYER "attention.o_proj",
};

static const emb_names other_gated_names = {
    .query = LAYER "attention.q_proj",
    .key = LAYER "attention.k_proj",
    .value = LAYER "attention.v_proj",
    .attention_output = LAYER "attention.o_proj",
    .gate = LAYER "mlp.gate_proj",
    .intermediate = LAYER "mlp.up_proj",
    .output = LAYER "mlp.down_proj",
};

static void describe_mlp(emb_config *c, emb_architecture *a)
{
    double ratio = emb_config_float(c, "mlp_ratio", 4);
    double size = (double)a->hidden_size * ratio;
    if (c->status == EMBED_OK && !(size >= 1 && size <= (double)EMB_SIZE_MAX)) {
        c->status = emb_fail(c->error, EMBED_EFORMAT,
                             "%s: mlp_ratio: expected a positive number, found %g", c->file, ratio);
        return;
    }
    a->intermediate_size = (int64_t)size;
    if (!emb_config_bool(c, "use_swiglu_ffn", false)) return;
    a->intermediate_size = ((int64_t)((double)a->intermediate_size * 2 / 3) + 7) / 8 * 8;
    a->names.gate = a->names.intermediate = LAYER "mlp.weights_in";
    a->names.output = LAYER "mlp.weights_out";
    a->other_names = &other_gated_names;
    a->hidden_act = EMB_ACT_SILU;
}

static void describe(emb_config *c, emb_architecture *a, int64_t patch_size)
{
    a->names = names;
    a->other_names = &other_names; /* as early releases of transformers 5 wrote them */
    a->names.prefix = "dinov2.";
    a->layer_norm_eps = 1e-6;
    emb_config_layers(c, a);
    describe_mlp(c, a);
    emb_config_image(c, a, 224, patch_size);
    a->image.prefix = a->image.positioned = 1;
    a->image.any_size = true;
    a->pre_norm = true;
    if (!emb_config_bool(c, "qkv_bias", true)) a->no_bias = EMB_NO_BIAS_QKV;
    a->pooler = EMB_POOLER_CLS;
    a->pooler_size = a->hidden_size;
}

static void describe_dinov2(emb_config *c, emb_architecture *a) { describe(c, a, 14); }

static void describe_with_registers(emb_config *c, emb_architecture *a)
{
    describe(c, a, 16);
    a->names.prefix = "dinov2_with_registers.";
    a->names.register_tokens = "embeddings.register_tokens";
    a->image.register_tokens = emb_config_int(c, "num_register_tokens", 4, 0, EMB_MAX_REGISTERS);
    a->image.prefix = 1 + a->image.register_tokens;
    a->image.resize = EMB_RESIZE_BICUBIC_ANTIALIAS;
}

const emb_family emb_family_dinov2 = {"dinov2", NULL, describe_dinov2};
const emb_family emb_family_dinov2_with_registers = {"dinov2_with_registers", NULL,
                                                     describe_with_registers};
