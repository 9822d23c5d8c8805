"""Tensors and config.json of the families with rotary positions, for models_random.py, which has the recipe.

Shape.extra holds what a family's config.json has beside the sizes. The names are those of published
checkpoints; the families of whole queries and keys in one tensor are stored so.
"""
import numpy as np

POST_NORM = ("nomic_bert", "gte", "new")
DECODERS = ("qwen3", "gemma3_text")
FAMILIES = ("modernbert", *POST_NORM, *DECODERS)
CLASSES = {
    "modernbert": "ModernBertModel", "nomic_bert": "NomicBertModel", "gte": "GteModel", "new": "NewModel",
    "qwen3": "Qwen3Model", "gemma3_text": "Gemma3TextModel",
}  # fmt: skip
PREFIXES = dict.fromkeys(("modernbert", *DECODERS), "model") | {"gte": "new"}
SCORE_STD = 6.0  # as in models_random.py

# (stacked queries, keys and values or the three; attention's output; gate and up; output; the two norms)
NAMES = {
    "modernbert": ("attn.Wqkv", "attn.Wo", "mlp.Wi", "mlp.Wo", "attn_norm", "mlp_norm"),
    "nomic_bert": ("attn.Wqkv", "attn.out_proj", ("mlp.fc12", "mlp.fc11"), "mlp.fc2", "norm1", "norm2"),
    "gte": ("attention.qkv_proj", "attention.o_proj", "mlp.up_gate_proj", "mlp.down_proj", "attn_ln", "mlp_ln"),
}
NAMES["new"] = NAMES["gte"]
LAYERS = {"modernbert": "layers.{}.", "nomic_bert": "encoder.layers.{}.", "gte": "encoder.layer.{}."}
LAYERS["new"] = LAYERS["gte"]


def linear(weights, name, rows, columns, std, bias):
    """A dense layer, with a bias or without."""
    weights.normal(name + ".weight", (rows, columns), std)
    if bias:
        weights.normal(name + ".bias", rows, 0.2)


def norm(weights, name, size, bias=False, centre=1.0, offset=0.0):
    """A norm with outlier channels. Returns the typical length of a vector behind it."""
    random = weights.random
    gamma = centre * (1 + 0.15 * random.standard_normal(size))
    gamma[random.permutation(size)[: max(1, size // 100)]] *= random.uniform(2, 5)
    weights.tensors[name + ".weight"] = gamma - offset
    if bias:
        weights.normal(name + ".bias", size, 0.1)
    return float(np.sqrt(np.sum(gamma**2)))


def words(weights, shape, name):
    """The table of words, with loud channels."""
    weights.normal(name, (shape.vocab, shape.hidden), 0.05)
    loud = weights.random.permutation(shape.hidden)[: max(1, shape.hidden // 100)]
    weights.tensors[name][:, loud] *= 10


def has(shape, key, fallback=False):
    """A switch of config.json."""
    return dict(shape.extra).get(key, fallback)


def make_stacked_layer(weights, shape, index, length):
    """A layer of ModernBERT, NomicBERT or GTE, whose input vectors have the given length. Returns that of
    its output, where a norm stands behind it."""
    qkv, context, gated, output, first, second = NAMES[shape.family]
    at = LAYERS[shape.family].format(index)
    hidden, mlp = shape.hidden, shape.intermediate
    modern, gte = shape.family == "modernbert", shape.family in ("gte", "new")
    attention_bias = gte or has(shape, "attention_bias") or has(shape, "qkv_proj_bias")
    up_bias = has(shape, "mlp_bias") or has(shape, "mlp_fc1_bias")
    down_bias = gte or has(shape, "mlp_bias") or has(shape, "mlp_fc2_bias")
    norm_bias = not modern or has(shape, "norm_bias")
    small = 0.25 if not modern else 0.4
    if modern and index:
        length = norm(weights, at + first, hidden, norm_bias)
    linear(weights, at + qkv, 3 * hidden, hidden, 1 / length, attention_bias)
    for part in (0, 1):
        weights.tensors[at + qkv + ".weight"][part * hidden : (part + 1) * hidden] *= np.sqrt(SCORE_STD)
    linear(weights, at + context, hidden, hidden, small / np.sqrt(hidden), attention_bias)
    length = norm(weights, at + (second if modern else first), hidden, norm_bias)
    if isinstance(gated, tuple) and str(has(shape, "activation_function", "swiglu"))[-3:] != "glu":
        linear(weights, at + "mlp.fc1", mlp, hidden, 1.2 / length, up_bias)
    elif isinstance(gated, tuple):
        for name in gated:
            linear(weights, at + name, mlp, hidden, 1.2 / length, up_bias)
    else:
        linear(weights, at + gated, 2 * mlp, hidden, 1.2 / length, up_bias)
    linear(weights, at + output, hidden, mlp, 0.7 / np.sqrt(mlp), down_bias)
    return length if modern else norm(weights, at + second, hidden, norm_bias)


def make_decoder_layer(weights, shape, index):
    """A layer of Qwen3 or Gemma 3."""
    at = f"layers.{index}."
    hidden, mlp, dim = shape.hidden, shape.intermediate, shape.head_dim or shape.hidden // shape.heads
    heads, keys = shape.heads * dim, (shape.kv_heads or shape.heads) * dim
    gemma, bias = shape.family == "gemma3_text", has(shape, "attention_bias")
    offset = 1.0 if gemma else 0.0
    length = norm(weights, at + "input_layernorm", hidden, offset=offset)
    linear(weights, at + "self_attn.q_proj", heads, hidden, 1 / length, bias)
    linear(weights, at + "self_attn.k_proj", keys, hidden, 1 / length, bias)
    linear(weights, at + "self_attn.v_proj", keys, hidden, 1 / length, bias)
    for name in ("q_norm", "k_norm"):
        norm(weights, f"{at}self_attn.{name}", dim, centre=SCORE_STD**0.25, offset=offset)
    linear(weights, at + "self_attn.o_proj", hidden, heads, 0.6 / np.sqrt(heads), bias)
    second = "pre_feedforward_layernorm" if gemma else "post_attention_layernorm"
    length = norm(weights, at + second, hidden, offset=offset)
    for name in ("gate_proj", "up_proj"):
        linear(weights, at + "mlp." + name, mlp, hidden, 1.2 / length, False)
    linear(weights, at + "mlp.down_proj", hidden, mlp, 0.7 / np.sqrt(mlp), False)
    if gemma:
        for name in ("post_attention_layernorm", "post_feedforward_layernorm"):
            norm(weights, at + name, hidden, centre=0.5, offset=offset)


def make_tensors(weights, shape):
    """Every tensor of the base model in float64."""
    if shape.family in DECODERS:
        words(weights, shape, "embed_tokens.weight")
        gemma = shape.family == "gemma3_text"
        if not gemma:
            weights.tensors["embed_tokens.weight"] *= 20
        for index in range(shape.layers):
            make_decoder_layer(weights, shape, index)
        norm(weights, "norm", shape.hidden, offset=1.0 if gemma else 0.0)
        return weights.tensors
    modern = shape.family == "modernbert"
    words(weights, shape, "embeddings.tok_embeddings.weight" if modern else "embeddings.word_embeddings.weight")
    if not modern and shape.types:
        weights.normal("embeddings.token_type_embeddings.weight", (shape.types, shape.hidden), 0.03)
    if has(shape, "position_embedding_type") == "absolute":
        weights.normal("embeddings.position_embeddings.weight", (shape.positions, shape.hidden), 0.03)
    name = {"modernbert": "embeddings.norm", "nomic_bert": "emb_ln"}.get(shape.family, "embeddings.LayerNorm")
    length = norm(weights, name, shape.hidden, not modern or has(shape, "norm_bias"))
    for index in range(shape.layers):
        length = make_stacked_layer(weights, shape, index, length)
    if modern:
        norm(weights, "final_norm", shape.hidden, has(shape, "norm_bias"))
    return weights.tensors


def hub_config_json(shape):
    """config.json of NomicBERT as its code on the hub reads it, with GPT-2's keys."""
    return {
        "model_type": "nomic_bert", "architectures": ["NomicBertModel"],
        "auto_map": {"AutoModel": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertModel"},
        "activation_function": "swiglu", "n_embd": shape.hidden, "n_layer": shape.layers, "n_head": shape.heads,
        "n_inner": shape.intermediate, "n_positions": shape.positions, "vocab_size": shape.vocab,
        "type_vocab_size": shape.types, "layer_norm_epsilon": shape.eps, "rotary_emb_base": 1000,
        "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False, "rotary_emb_scale_base": None,
        "rotary_scaling_factor": None, "qkv_proj_bias": False, "mlp_fc1_bias": False, "mlp_fc2_bias": False,
        "prenorm": False, "use_rms_norm": False, "parallel_block": False, "causal": False,
        "pad_vocab_size_multiple": 1,
    } | {key: value for key, value in shape.extra if key != "hub"}  # fmt: skip


def config_json(shape):
    """config.json of a shape."""
    if shape.family == "nomic_bert" and has(shape, "hub"):
        return hub_config_json(shape)
    config = {
        "model_type": shape.family, "architectures": [CLASSES[shape.family]],
        "hidden_size": shape.hidden, "intermediate_size": shape.intermediate,
        "num_attention_heads": shape.heads, "num_hidden_layers": shape.layers,
        "vocab_size": shape.vocab, "pad_token_id": 0, "max_position_embeddings": shape.positions,
    }  # fmt: skip
    if shape.family == "modernbert":
        config |= {"hidden_activation": shape.act, "norm_eps": shape.eps, "bos_token_id": 2, "cls_token_id": 2,
                   "eos_token_id": 3, "sep_token_id": 3}  # fmt: skip
    elif shape.family in POST_NORM:
        config |= {"hidden_act": shape.act, "layer_norm_eps": shape.eps, "type_vocab_size": shape.types}
    else:
        config |= {"rms_norm_eps": shape.eps, "num_key_value_heads": shape.kv_heads or shape.heads,
                   "head_dim": shape.head_dim or shape.hidden // shape.heads, "bos_token_id": 2, "eos_token_id": 3}
        config["hidden_activation" if shape.family == "gemma3_text" else "hidden_act"] = shape.act
    if shape.family == "new":
        config |= {"auto_map": {"AutoModel": "Alibaba-NLP/new-impl--modeling.NewModel"}, "pack_qkv": True,
                   "layer_norm_type": "layer_norm", "position_embedding_type": "rope",
                   "logn_attention_scale": False}  # fmt: skip
    return config | {key: value for key, value in shape.extra}


def _dynamic(factor, **more):
    return ("rope_parameters", {"rope_type": "dynamic", "rope_theta": 1000.0, "factor": factor, **more})


def _rope(kind, **more):
    return ("rope_parameters", {"rope_type": kind, "rope_theta": 5000.0, **more})


def _long(pairs):
    """Factors of LongRoPE."""
    return {"short_factor": [1 + 0.02 * i for i in range(pairs)], "long_factor": [1 + 0.5 * i for i in range(pairs)]}


_YARN = {"factor": 4.0, "original_max_position_embeddings": 64}
_LINEAR = ("rope_scaling", {"rope_type": "linear", "factor": 4.0})
_TYPES = ("full_attention", "sliding_attention")
_PER_TYPE = ("rope_parameters", {t: {"rope_type": "default", "rope_theta": b} for t, b in zip(_TYPES, (9e4, 7e3))})


def models(shape, storage):
    """(Shape, Storage) of what is compared: full sizes first (fewer layers of the largest), then odd ones."""
    wide = {"act": "silu", "eps": 1e-6, "types": 0}
    tanh = {"act": "gelu_pytorch_tanh", "eps": 1e-6, "types": 0}
    biased = tuple((name, True) for name in ("attention_bias", "mlp_bias", "norm_bias"))
    return [
        (shape("modernbert-base", "modernbert", 768, 22, 12, 1152, 5000, 1024, 0, eps=1e-5), storage()),
        (shape("nomic-base", "nomic_bert", 768, 12, 12, 3072, 5000, 512, act="silu"), storage(prefix=False)),
        (shape("gte-base", "gte", 768, 12, 12, 3072, 5000, 512, 1), storage()),
        (shape("qwen3-0.6b", "qwen3", 1024, 8, 16, 3072, 5000, 512, **wide, head_dim=128, kv_heads=8,
               extra=(("rope_theta", 1e6),)), storage(prefix=False)),
        (shape("embeddinggemma", "gemma3_text", 768, 12, 3, 1152, 5000, 768, **tanh, head_dim=256, kv_heads=1,
               extra=(("sliding_window", 512), ("use_bidirectional_attention", True))), storage(prefix=False)),
        (shape("modernbert-odd", "modernbert", 60, 5, 3, 37, 300, 300, 0, "silu", 1e-4,
               extra=(("local_attention", 9), ("global_attn_every_n_layers", 2))), storage(prefix=False)),
        (shape("modernbert-bias", "modernbert", 48, 4, 4, 96, 300, 260, 0, extra=biased), storage()),
        (shape("modernbert-types", "modernbert", 48, 3, 2, 50, 300, 200, 0, eps=1e-5,
               extra=(_PER_TYPE, ("layer_types", [_TYPES[1], _TYPES[0], _TYPES[1]]), ("local_attention", 2))),
         storage(dtype="BF16")),
        (shape("modernbert-linear", "modernbert", 48, 3, 2, 50, 300, 200, 0, eps=1e-5, extra=(_LINEAR,)), storage()),
        (shape("nomic-dynamic", "nomic_bert", 72, 3, 3, 40, 300, 64, act="silu", extra=(_dynamic(3.0),)), storage()),
        (shape("nomic-dynamic-2", "nomic_bert", 40, 2, 10, 31, 300, 33, 1, "gelu", extra=(_dynamic(2.0),)),
         storage(prefix=False, dtype="F16")),
        (shape("gte-odd", "gte", 66, 3, 3, 41, 300, 130, 0, extra=(("rope_theta", 5000.0),)), storage(prefix=False)),
        (shape("gte-linear", "gte", 48, 2, 4, 60, 300, 130, 2, "silu", extra=(_LINEAR,)), storage()),
        (shape("qwen3-odd", "qwen3", 60, 3, 6, 37, 300, 400, **wide, head_dim=22, kv_heads=2), storage()),
        (shape("qwen3-narrow", "qwen3", 96, 3, 2, 50, 300, 260, **wide, head_dim=6,
               extra=(("attention_bias", True),)), storage(dtype="BF16")),
        (shape("qwen3-windows", "qwen3", 48, 4, 4, 60, 300, 300, **wide, head_dim=16, kv_heads=1,
               extra=(("use_sliding_window", True), ("sliding_window", 20), ("max_window_layers", 2))), storage()),
        (shape("gemma3-causal", "gemma3_text", 48, 7, 4, 64, 300, 300, **tanh, head_dim=20, kv_heads=2,
               extra=(("sliding_window", 17), ("query_pre_attn_scalar", 30))), storage()),
        (shape("gemma3-odd", "gemma3_text", 60, 3, 3, 37, 300, 300, **tanh, head_dim=10, kv_heads=1,
               extra=(("sliding_window", 31), ("use_bidirectional_attention", True), ("sliding_window_pattern", 2),
                      _LINEAR)), storage(prefix=False, dtype="BF16")),
        (shape("qwen3-yarn", "qwen3", 48, 3, 4, 60, 300, 300, **wide, head_dim=32, kv_heads=2,
               extra=(_rope("yarn", **_YARN),)), storage()),
        (shape("qwen3-yarn-mscale", "qwen3", 48, 2, 4, 60, 300, 256, **wide, head_dim=40, extra=(
            _rope("yarn", factor=None, original_max_position_embeddings=64, mscale=0.7, mscale_all_dim=1.0,
                  beta_fast=20, beta_slow=2, truncate=False),)), storage()),
        (shape("modernbert-yarn", "modernbert", 60, 4, 3, 37, 300, 300, 0, eps=1e-5, extra=(
            ("rope_parameters", {_TYPES[0]: {"rope_type": "yarn", "rope_theta": 9e4, "attention_factor": 1.3, **_YARN},
                                 _TYPES[1]: {"rope_type": "default", "rope_theta": 1e4}}),)), storage()),
        (shape("gte-llama3", "gte", 96, 3, 3, 41, 300, 300, 0, extra=(
            _rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=64),)), storage()),
        (shape("qwen3-longrope", "qwen3", 48, 3, 4, 60, 300, 300, **wide, head_dim=12, kv_heads=2, extra=(
            _rope("longrope", factor=4.0, original_max_position_embeddings=70, **_long(6)),)), storage()),
        (shape("nomic-longrope", "nomic_bert", 72, 3, 3, 40, 300, 256, act="silu", extra=(
            _rope("longrope", attention_factor=1.1, **_long(12)),
            ("original_max_position_embeddings", 64))), storage()),
    ]  # fmt: skip


def hub_models(shape, storage):
    """(Shape, Storage) of models whose forward pass is code on the hub."""
    hub, bare = ("hub", True), storage(prefix=False)
    biases = tuple((name, True) for name in ("qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias"))
    ntk = ("rope_scaling", {"type": "ntk", "factor": 8.0})
    stretched = (("rotary_scaling_factor", 2.0), ("max_trained_positions", 64))
    return [
        (shape("nomic-v1", "nomic_bert", 768, 6, 12, 3072, 5000, 400, extra=(hub,)), bare),
        (shape("nomic-v1.5", "nomic_bert", 768, 6, 12, 3072, 5000, 400, extra=(hub, *stretched)), bare),
        (shape("gte-en", "new", 768, 6, 12, 3072, 5000, 400, 0, extra=(("rope_theta", 160000.0), ntk)), storage()),
        (shape("nomic-geglu", "nomic_bert", 60, 3, 3, 37, 300, 300, extra=(
            hub, *stretched, *biases, ("activation_function", "geglu"))), storage(prefix=False, dtype="BF16")),
        (shape("nomic-glu", "nomic_bert", 48, 2, 4, 50, 301, 130, 0, extra=(
            hub, ("activation_function", "glu"), ("pad_vocab_size_multiple", 7))), bare),
        (shape("nomic-plain", "nomic_bert", 48, 3, 2, 50, 300, 130, extra=(
            hub, ("activation_function", "gelu_new"), ("rotary_emb_base", 10000.0))), bare),
        (shape("new-types", "new", 66, 3, 3, 41, 300, 300, 2, "silu", extra=(ntk,)), storage(prefix=False)),
        (shape("new-no-ntk", "new", 48, 2, 1, 60, 300, 130, 1, extra=(("rope_theta", 700.0),)), storage()),
        (shape("new-absolute", "new", 48, 2, 4, 60, 300, 130, 1, extra=(("position_embedding_type", "absolute"),)),
         storage()),
    ]  # fmt: skip
