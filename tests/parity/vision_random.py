"""Random vision models of every family, which behave as trained ones do: peaked attention, loud channels,
a residual stream that grows. Large ones go to a cache folder and are never committed. Run by itself,
this prints the attention entropy of each model.
"""
import json
import re
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from models_random import SCORE_STD, Weights, write_json, write_weights

RECIPE = 3  # of the weights below: a change here makes every cached model again
# How much each block adds to a residual stream that starts at 1.
CONTEXT_STD, MLP_STD = 0.6, 0.7


@dataclass(frozen=True)
class VisionShape:
    """The sizes of a model and what its family lets one choose."""

    name: str
    family: str = "vit"  # vit deit beit dinov2 dinov2_with_registers dinov3_vit clip siglip siglip2
    hidden: int = 48
    layers: int = 2
    heads: int = 4
    intermediate: int = 96
    image: tuple = (32, 32)  # what the positions are made for
    patch: tuple = (8, 8)
    act: str = "gelu"
    eps: float = 1e-6
    registers: int = 0
    scale: float = 0.0  # LayerScale around this; 0: none, where the family can do without
    gated: bool = False  # SwiGLU of DINOv2, the gated MLP of DINOv3
    qkv_bias: bool = True
    no_bias: tuple = ("key",)  # DINOv3: query key value proj mlp
    mean_pooling: bool = True  # BEiT
    absolute: bool = False  # BEiT: a table of positions
    relative: str = ""  # BEiT: "layer" or "shared"
    theta: float = 100.0
    pooler: bool = True  # ViT and DeiT: pooler weights; SigLIP: the head
    pooler_size: int = 0  # ViT and DeiT: 0 means hidden
    pooler_act: str = "tanh"
    projection: int = 0  # CLIP
    whole: bool = False  # CLIP and SigLIP: a directory of both towers
    sizes: tuple = ()  # images to run; (): of the native size
    interpolated: tuple = ()  # images to run with interpolate_pos_encoding

    @property
    def grid(self):
        """Patches that the table of positions is made for."""
        return self.image[0] // self.patch[0], self.image[1] // self.patch[1]

    @property
    def prefix(self):
        """Tokens before the patches that have positions."""
        return {"deit": 2, "siglip": 0, "siglip2": 0}.get(self.family, 1)

    @property
    def mlp(self):
        """Rows of the first Linear of the MLP, of one half where it is gated."""
        if self.gated and self.family.startswith("dinov2"):
            return (int(self.intermediate * 2 / 3) + 7) // 8 * 8
        return self.intermediate


@dataclass(frozen=True)
class VisionStorage:
    """How a checkpoint is stored: none of this changes what the model computes."""

    dtype: str = "F32"
    prefix: bool = False
    renamed: bool = False  # names of the modules in memory, as early builds of transformers 5 pushed them
    extra: bool = False  # heads, mask token and buffers that no embedding needs
    shards: int = 1


# ---- names of tensors ---------------------------------------------------------------------------

_VIT = {
    "layer": "encoder.layer.{}.",
    "query": "attention.attention.query", "key": "attention.attention.key",
    "value": "attention.attention.value", "context": "attention.output.dense",
    "norm1": "layernorm_before", "norm2": "layernorm_after",
    "fc1": "intermediate.dense", "fc2": "output.dense", "scale1": "lambda_1", "scale2": "lambda_2",
    "patches": "embeddings.patch_embeddings.projection", "positions": "embeddings.position_embeddings",
    "class": "embeddings.cls_token", "norm": "layernorm",
}  # fmt: skip
_DINOV2 = _VIT | {
    "norm1": "norm1", "norm2": "norm2", "scale1": "layer_scale1.lambda1", "scale2": "layer_scale2.lambda1",
    "fc1": "mlp.fc1", "fc2": "mlp.fc2", "joint": "mlp.weights_in", "gated_fc2": "mlp.weights_out",
}  # fmt: skip
_DINOV3 = _DINOV2 | {
    "layer": "layer.{}.", "query": "attention.q_proj", "key": "attention.k_proj",
    "value": "attention.v_proj", "context": "attention.o_proj",
    "fc1": "mlp.up_proj", "gate": "mlp.gate_proj", "fc2": "mlp.down_proj", "gated_fc2": "mlp.down_proj",
    "patches": "embeddings.patch_embeddings", "norm": "norm",
}  # fmt: skip
_CLIP = {
    "layer": "encoder.layers.{}.",
    "query": "self_attn.q_proj", "key": "self_attn.k_proj",
    "value": "self_attn.v_proj", "context": "self_attn.out_proj",
    "norm1": "layer_norm1", "norm2": "layer_norm2", "fc1": "mlp.fc1", "fc2": "mlp.fc2",
    "patches": "embeddings.patch_embedding", "positions": "embeddings.position_embedding.weight",
    "class": "embeddings.class_embedding", "norm": "post_layernorm",
}  # fmt: skip
NAMES = {
    "vit": _VIT, "deit": _VIT, "beit": _VIT, "dinov2": _DINOV2, "dinov2_with_registers": _DINOV2,
    "dinov3_vit": _DINOV3, "clip": _CLIP, "siglip": _CLIP, "siglip2": _CLIP,
}  # fmt: skip
TWO_TOWERS = ("clip", "siglip", "siglip2")

# What transformers 5 calls the modules in memory, by what its checkpoints on the hub call them.
_RENAMED_VIT = [
    (r"encoder\.layer\.", "layers."),
    (r"attention\.attention\.relative_position_bias\.", "relative_position_bias."),
    (r"encoder\.relative_position_bias", "shared_position_bias"),
    (r"attention\.attention\.(q|k|v)(uery|ey|alue)\.", r"attention.\1_proj."),
    (r"attention\.output\.dense", "attention.o_proj"),
    (r"intermediate\.dense", "mlp.fc1"),
    (r"output\.dense", "mlp.fc2"),
]
_RENAMED_DINOV2 = _RENAMED_VIT[3:5] + [(r"mlp\.weights_out", "mlp.down_proj")]
RENAMED = {
    "vit": _RENAMED_VIT, "deit": _RENAMED_VIT, "beit": _RENAMED_VIT, "dinov2": _RENAMED_DINOV2,
    "dinov2_with_registers": _RENAMED_DINOV2, "dinov3_vit": [(r"^layer\.", "model.layer.")],
}  # fmt: skip


# ---- weights --------------------------------------------------------------------------------------


def linear(weights, name, rows, columns, std, bias=True):
    """A Linear with or without a bias."""
    weights.linear(name, rows, columns, std)
    if not bias:
        del weights.tensors[name + ".bias"]


def make_embeddings(weights, shape):
    """Patches, the tokens before them, and positions: a stream of unit variance with loud channels."""
    names, hidden = NAMES[shape.family], shape.hidden
    pixels = 3 * shape.patch[0] * shape.patch[1]
    filters = (hidden, pixels) if shape.family == "siglip2" else (hidden, 3, *shape.patch)
    weights.normal(names["patches"] + ".weight", filters, 1.5 / np.sqrt(pixels))
    if shape.family != "clip":
        weights.normal(names["patches"] + ".bias", hidden, 0.2)
    if shape.prefix:
        weights.normal(names["class"], (hidden,) if shape.family == "clip" else (1, 1, hidden), 0.5)
    if shape.family == "deit":
        weights.normal("embeddings.distillation_token", (1, 1, hidden), 0.5)
    if shape.family in ("dinov2_with_registers", "dinov3_vit"):
        weights.normal("embeddings.register_tokens", (1, shape.registers, hidden), 0.5)
    if shape.family == "dinov3_vit" or (shape.family == "beit" and not shape.absolute):
        return
    rows = shape.grid[0] * shape.grid[1] + shape.prefix
    weights.normal(names["positions"], (rows, hidden), 0.5)
    loud = weights.random.permutation(hidden)[: max(1, hidden // 100)]
    weights.tensors[names["positions"]][:, loud] *= 10
    if shape.family not in TWO_TOWERS:
        weights.tensors[names["positions"]] = weights.tensors[names["positions"]][None]


def make_relative_table(weights, name, shape):
    """BEiT's table: a row for every distance between two patches and three for the class token."""
    height, width = shape.grid
    rows = (2 * height - 1) * (2 * width - 1) + 3
    weights.normal(name + "relative_position_bias.relative_position_bias_table", (rows, shape.heads), 1.0)


def make_scale(weights, name, shape):
    """LayerScale: numbers around shape.scale, of either sign."""
    spread = np.exp(0.5 * weights.random.standard_normal(shape.hidden))
    weights.tensors[name] = shape.scale * spread * weights.random.choice([-1, 1], shape.hidden)


def make_mlp(weights, at, shape, length):
    """The second block, plain or gated."""
    names, mlp, hidden = NAMES[shape.family], shape.mlp, shape.hidden
    bias = shape.family != "dinov3_vit" or "mlp" not in shape.no_bias
    if shape.gated and shape.family == "dinov3_vit":
        linear(weights, at + names["gate"], mlp, hidden, 1.2 / length, bias)
        linear(weights, at + names["fc1"], mlp, hidden, 1.2 / length, bias)
    elif shape.gated:
        linear(weights, at + names["joint"], 2 * mlp, hidden, 1.2 / length)
    else:
        linear(weights, at + names["fc1"], mlp, hidden, 1.2 / length, bias)
    out = names["gated_fc2" if shape.gated else "fc2"]
    linear(weights, at + out, hidden, mlp, MLP_STD / np.sqrt(mlp), bias)


def make_layer(weights, shape, index):
    """One encoder layer, norms before its blocks."""
    names, hidden = NAMES[shape.family], shape.hidden
    at = names["layer"].format(index)
    without = {"beit": ("key",), "dinov3_vit": shape.no_bias}.get(shape.family, ())
    if not shape.qkv_bias:
        without = ("query", "key", "value")
    length = weights.norm(at + names["norm1"], hidden)
    sharp = np.sqrt(SCORE_STD) / length
    linear(weights, at + names["query"], hidden, hidden, sharp, "query" not in without)
    linear(weights, at + names["key"], hidden, hidden, sharp, "key" not in without)
    linear(weights, at + names["value"], hidden, hidden, 1 / length, "value" not in without)
    linear(weights, at + names["context"], hidden, hidden, CONTEXT_STD / np.sqrt(hidden), "proj" not in without)
    if shape.relative == "layer":
        make_relative_table(weights, at + "attention.attention.", shape)
    length = weights.norm(at + names["norm2"], hidden)
    make_mlp(weights, at, shape, length)
    if shape.scale:
        make_scale(weights, at + names["scale1"], shape)
        make_scale(weights, at + names["scale2"], shape)


def make_pooler(weights, shape, length):
    """What stands behind the last layer besides its norm."""
    hidden = shape.hidden
    if shape.family in ("vit", "deit") and shape.pooler:
        linear(weights, "pooler.dense", shape.pooler_size or hidden, hidden, 1 / length)
    if shape.family in ("siglip", "siglip2") and shape.pooler:
        weights.normal("head.probe", (1, 1, hidden), 1)
        rows = np.repeat([np.sqrt(SCORE_STD / hidden), np.sqrt(SCORE_STD) / length, 1 / length], hidden)
        weights.normal("head.attention.in_proj_weight", (3 * hidden, hidden), rows[:, None])
        weights.normal("head.attention.in_proj_bias", 3 * hidden, 0.2)
        linear(weights, "head.attention.out_proj", hidden, hidden, 1 / np.sqrt(hidden))
        length = weights.norm("head.layernorm", hidden)
        linear(weights, "head.mlp.fc1", shape.intermediate, hidden, 1.2 / length)
        linear(weights, "head.mlp.fc2", hidden, shape.intermediate, MLP_STD / np.sqrt(shape.intermediate))


def make_tensors(shape, seed=0):
    """Every tensor of the vision tower in float64, by its name without any prefix."""
    weights = Weights(zlib.crc32(f"{shape.name} {seed}".encode()))
    make_embeddings(weights, shape)
    if shape.family == "clip":
        weights.norm("pre_layrnorm", shape.hidden)
    if shape.relative == "shared":
        make_relative_table(weights, "encoder.", shape)
    for index in range(shape.layers):
        make_layer(weights, shape, index)
    pooled_norm = shape.family == "beit" and shape.mean_pooling
    length = weights.norm("pooler.layernorm" if pooled_norm else NAMES[shape.family]["norm"], shape.hidden)
    make_pooler(weights, shape, length)
    return weights.tensors


# ---- config.json -----------------------------------------------------------------------------------


def plain(size):
    """(8, 8) as 8, (8, 4) as [8, 4]."""
    return size[0] if size[0] == size[1] else list(size)


TEXT_CONFIG = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12,
               "vocab_size": 60, "max_position_embeddings": 8, "bos_token_id": 58, "eos_token_id": 59}  # fmt: skip

CLASSES = {
    "vit": "ViTModel", "deit": "DeiTModel", "beit": "BeitModel", "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel", "dinov3_vit": "DINOv3ViTModel",
    "clip": "CLIPVisionModel", "siglip": "SiglipVisionModel", "siglip2": "Siglip2VisionModel",
}  # fmt: skip


def family_config(shape):
    """The keys of one family."""
    if shape.family in ("vit", "deit"):
        return {"qkv_bias": shape.qkv_bias, "pooler_act": shape.pooler_act,
                "pooler_output_size": shape.pooler_size or None}  # fmt: skip
    if shape.family == "beit":
        return {"layer_scale_init_value": shape.scale, "use_mean_pooling": shape.mean_pooling,
                "use_absolute_position_embeddings": shape.absolute, "use_mask_token": False,
                "use_relative_position_bias": shape.relative == "layer",
                "use_shared_relative_position_bias": shape.relative == "shared"}  # fmt: skip
    if shape.family.startswith("dinov2"):
        config = {"layerscale_value": shape.scale, "use_swiglu_ffn": shape.gated, "qkv_bias": shape.qkv_bias,
                  "mlp_ratio": shape.intermediate // shape.hidden}  # fmt: skip
        return config | ({"num_register_tokens": shape.registers} if "registers" in shape.family else {})
    if shape.family == "dinov3_vit":
        biases = {f"{name}_bias": name not in shape.no_bias for name in ("query", "key", "value", "proj", "mlp")}
        return biases | {"layerscale_value": shape.scale, "use_gated_mlp": shape.gated, "rope_theta": shape.theta,
                         "num_register_tokens": shape.registers}  # fmt: skip
    if shape.family == "clip":
        return {"projection_dim": shape.projection or 512}
    return {"vision_use_head": shape.pooler}


def config_json(shape):
    """config.json of a shape."""
    config = {
        "model_type": shape.family, "architectures": [CLASSES[shape.family]],
        "hidden_size": shape.hidden, "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "intermediate_size": shape.intermediate, "hidden_act": shape.act, "layer_norm_eps": shape.eps,
        "image_size": plain(shape.image), "patch_size": plain(shape.patch), "num_channels": 3,
        **family_config(shape),
    }  # fmt: skip
    if shape.family.startswith("dinov2"):
        del config["intermediate_size"]
    if shape.family == "siglip2":
        del config["image_size"]
        config["num_patches"] = shape.grid[0] * shape.grid[1]
    if shape.family not in TWO_TOWERS:
        return config
    config["model_type"] += "_vision_model"
    if not shape.whole:
        if shape.projection:
            config["architectures"] = ["CLIPVisionModelWithProjection"]
        return config
    del config["architectures"]
    config.pop("projection_dim", None)
    whole = {"model_type": shape.family, "architectures": [CLASSES[shape.family].replace("Vision", "")]}
    if shape.family == "clip":
        whole["projection_dim"] = shape.projection
    text = {"model_type": shape.family + "_text_model", **TEXT_CONFIG}
    return whole | {"text_config": text, "vision_config": config}


# ---- files ------------------------------------------------------------------------------------------


def text_tower(shape):
    """A small text tower, for directories that hold both."""
    weights = Weights(9)
    hidden, mlp = TEXT_CONFIG["hidden_size"], TEXT_CONFIG["intermediate_size"]
    weights.normal("embeddings.token_embedding.weight", (TEXT_CONFIG["vocab_size"], hidden), 0.5)
    weights.normal("embeddings.position_embedding.weight", (TEXT_CONFIG["max_position_embeddings"], hidden), 0.5)
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        linear(weights, f"encoder.layers.0.self_attn.{name}", hidden, hidden, 0.3)
    linear(weights, "encoder.layers.0.mlp.fc1", mlp, hidden, 0.3)
    linear(weights, "encoder.layers.0.mlp.fc2", hidden, mlp, 0.3)
    for name in ("encoder.layers.0.layer_norm1", "encoder.layers.0.layer_norm2", "final_layer_norm"):
        weights.norm(name, hidden)
    if shape.family != "clip":
        linear(weights, "head", hidden, hidden, 0.3)
    out = {f"text_model.{name}": array for name, array in weights.tensors.items()}
    if shape.family == "clip":
        out["text_projection.weight"] = weights.random.standard_normal((shape.projection, hidden))
        return out | {"logit_scale": np.array(2.66)}
    return out | {"logit_scale": np.array([1.5]), "logit_bias": np.array([-9.0])}


def extra_tensors(shape):
    """Tensors of real checkpoints that play no part in an embedding."""
    random = np.random.RandomState(1)
    out = {"classifier.weight": random.standard_normal((3, shape.hidden)), "classifier.bias": np.zeros(3)}
    if shape.family in ("vit", "deit", "beit", "dinov2", "dinov2_with_registers", "dinov3_vit"):
        size = (1, shape.hidden) if shape.family.startswith("dinov2") else (1, 1, shape.hidden)
        out["embeddings.mask_token"] = np.zeros(size)
    if shape.family in ("clip", "siglip"):
        out["embeddings.position_ids"] = np.arange(shape.grid[0] * shape.grid[1] + shape.prefix)[None]
    return out


def renamed(shape, tensors):
    """The tensors under the names of the modules in memory."""
    out = {}
    for name, array in tensors.items():
        if "weights_in" in name:
            at, kind = name.split("mlp.weights_in.")
            out[f"{at}mlp.gate_proj.{kind}"], out[f"{at}mlp.up_proj.{kind}"] = np.split(array, 2)
            continue
        for pattern, replacement in RENAMED[shape.family]:
            name = re.sub(pattern, replacement, name)
        out[name] = array
    return out


def stored_tensors(shape, storage, tensors):
    """What a checkpoint holds, by name: (dtype, array)."""
    if storage.extra:
        tensors = tensors | extra_tensors(shape)
    if storage.renamed:
        tensors = renamed(shape, tensors)
    projected = shape.family == "clip" and shape.projection
    if shape.whole or projected or (storage.prefix and shape.family in TWO_TOWERS):
        tensors = {"vision_model." + name: array for name, array in tensors.items()}
    elif storage.prefix:
        own = lambda name: name.startswith("classifier")  # noqa: E731
        tensors = {n if own(n) else f"{shape.family}.{n}": array for n, array in tensors.items()}
    if projected:
        random = np.random.RandomState(zlib.crc32(shape.name.encode()))
        weight = random.standard_normal((shape.projection, shape.hidden)) / np.sqrt(shape.hidden)
        tensors = tensors | {"visual_projection.weight": weight}
    if shape.whole:
        tensors = tensors | text_tower(shape)
    whole = lambda array: np.asarray(array).dtype.kind == "i"  # noqa: E731
    return {n: ("I64" if whole(array) else storage.dtype, array) for n, array in tensors.items()}


def preprocessor_json(shape):
    """preprocessor_config.json: images are stretched to the native size; SigLIP2 keeps their shape."""
    config = {
        "image_processor_type": "ViTImageProcessor", "do_resize": True, "resample": 2,
        "size": {"height": shape.image[0], "width": shape.image[1]}, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    if shape.family == "siglip2":
        del config["size"]
        config |= {"image_processor_type": "Siglip2ImageProcessor", "patch_size": shape.patch[0],
                   "max_num_patches": shape.grid[0] * shape.grid[1]}  # fmt: skip
    return config


def write_model(folder, shape, storage=VisionStorage()):
    """A complete model directory."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config_json(shape))
    write_json(folder / "preprocessor_config.json", preprocessor_json(shape))
    write_weights(folder, stored_tensors(shape, storage, make_tensors(shape)), storage.shards)


def cached_model(cache, shape, storage=VisionStorage()):
    """The directory of a model under the cache folder, made if it is not there yet."""
    weights = replace(shape, sizes=(), interpolated=())
    recipe = json.dumps([RECIPE, SCORE_STD, CONTEXT_STD, MLP_STD, asdict(weights), asdict(storage)])
    folder = Path(cache) / f"{shape.name}-{zlib.crc32(recipe.encode()):08x}"
    done = folder / "complete"
    if not done.exists():
        write_model(folder, shape, storage)
        done.write_text(recipe + "\n")
    return folder


def make_pixels(count, height, width, seed=0):
    """Pictures as models see them: slow waves and some noise between -1 and 1, 256 levels a channel."""
    random = np.random.RandomState(zlib.crc32(f"{count} {height} {width} {seed}".encode()))
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = random.uniform(-12, 12, (count, 3, 4, 2))
    phase = random.uniform(0, 6.3, (count, 3, 4, 1, 1))
    angles = waves[..., 0, None, None] * y + waves[..., 1, None, None] * x + phase
    pictures = np.cos(angles).mean(axis=2) + 0.1 * random.standard_normal((count, 3, height, width))
    levels = np.clip(np.round((pictures + 1) * 127.5), 0, 255)
    return (levels / 255 * 2 - 1).astype(np.float32)


# ---- the models that are compared ------------------------------------------------------------------

_BASE = {"hidden": 768, "layers": 12, "heads": 12, "intermediate": 3072}
_LARGE = {"hidden": 1024, "layers": 24, "heads": 16, "intermediate": 4096}
_SMALL = {"hidden": 384, "layers": 12, "heads": 6, "intermediate": 1536}
_P16 = {"patch": (16, 16), "image": (224, 224)}
_P32 = {"patch": (32, 32), "image": (224, 224)}
_P14 = {"patch": (14, 14), "image": (518, 518)}
_384 = {"image": (384, 384)}
_REGISTERS = "dinov2_with_registers"

FULL = [
    VisionShape("vit-base-16-224", **_BASE, **_P16, eps=1e-12, interpolated=((256, 192),)),
    VisionShape("vit-base-16-384", **_BASE, **_P16 | _384, eps=1e-12),
    VisionShape("vit-base-32-224", **_BASE, **_P32, eps=1e-12),
    VisionShape("vit-base-32-384", **_BASE, **_P32 | _384, eps=1e-12),
    VisionShape("vit-large-16-224", **_LARGE, **_P16, eps=1e-12),
    VisionShape("vit-large-16-384", **_LARGE, **_P16 | _384, eps=1e-12),
    VisionShape("vit-large-32-224", **_LARGE, **_P32, eps=1e-12),
    VisionShape("vit-large-32-384", **_LARGE, **_P32 | _384, eps=1e-12),
    VisionShape("deit-small-16", "deit", **_SMALL, **_P16, eps=1e-12),
    VisionShape("beit-base-16", "beit", **_BASE, **_P16, eps=1e-12, relative="layer", scale=0.3),
    VisionShape("dinov2-small", "dinov2", **_SMALL, **_P14, scale=0.5, sizes=((224, 224), (518, 518), (308, 196))),
    VisionShape("dinov2-base", "dinov2", **_BASE, **_P14, scale=0.5, sizes=((224, 224), (518, 518))),
    VisionShape("dinov2-registers-base", _REGISTERS, **_BASE, **_P14, scale=0.5, registers=4,
                sizes=((224, 224), (518, 518))),
    VisionShape("dinov2-giant-like", "dinov2", hidden=384, layers=6, heads=6, intermediate=1536, **_P14, scale=0.5,
                gated=True, sizes=((224, 224),)),
    VisionShape("dinov3-small", "dinov3_vit", **_SMALL, **_P16, eps=1e-5, scale=0.5, registers=4,
                sizes=((224, 224), (256, 144))),
    VisionShape("dinov3-small-plus", "dinov3_vit", **_SMALL, **_P16, eps=1e-5, scale=0.5, registers=4, gated=True,
                act="silu"),
    VisionShape("clip-base-32", "clip", **_BASE, **_P32, eps=1e-5, act="quick_gelu", projection=512, whole=True),
    VisionShape("clip-large-14", "clip", **_LARGE, patch=(14, 14), image=(224, 224), eps=1e-5, act="quick_gelu",
                projection=768),
    VisionShape("siglip-base-16", "siglip", **_BASE, **_P16, act="gelu_pytorch_tanh", whole=True),
    VisionShape("siglip2-base-16", "siglip2", **_BASE, patch=(16, 16), image=(256, 256), act="gelu_pytorch_tanh",
                sizes=((256, 256), (384, 160), (112, 304))),
]  # fmt: skip
_MORE = ((16, 40), (40, 16), (8, 8), (64, 64), (51, 37))
ODD = [
    VisionShape("vit-width-60", hidden=60, heads=3, intermediate=50),
    VisionShape("vit-head-dim-7", hidden=42, heads=6, intermediate=37, act="gelu_new"),
    VisionShape("vit-patch-7", patch=(7, 7), image=(35, 35), act="gelu_pytorch_tanh", interpolated=_MORE[:2]),
    VisionShape("vit-patch-5-rest", patch=(5, 5), image=(33, 33), act="quick_gelu"),
    VisionShape("vit-wide-image", image=(24, 56)),
    VisionShape("vit-wide-patch", patch=(4, 8), image=(32, 32)),
    VisionShape("vit-one-patch", image=(8, 8)),
    VisionShape("vit-no-bias", qkv_bias=False, act="relu"),
    VisionShape("vit-interpolated", interpolated=((32, 32), *_MORE)),
    VisionShape("vit-pooler", pooler_size=20, pooler_act="relu"),
    VisionShape("vit-eps", eps=1e-3, act="silu"),
    VisionShape("deit-odd", "deit", hidden=44, heads=4, interpolated=_MORE),
    VisionShape("beit-plain", "beit", scale=0.1, absolute=True, sizes=((32, 32), *_MORE)),
    VisionShape("beit-no-scale", "beit", relative="shared", mean_pooling=False),
    VisionShape("beit-both", "beit", relative="layer", absolute=True, scale=1e-5,
                sizes=((32, 32), *_MORE)),
    VisionShape("dinov2-odd", "dinov2", hidden=36, heads=3, intermediate=72, scale=1e-5,
                sizes=((32, 32), *_MORE)),
    VisionShape("dinov2-14", "dinov2", hidden=50, heads=2, intermediate=200, patch=(14, 14), image=(98, 98),
                scale=1.0, sizes=((98, 98), (42, 70), (126, 112))),
    VisionShape("dinov2-no-bias", "dinov2", intermediate=192, scale=0.3, qkv_bias=False),
    VisionShape("dinov2-swiglu", "dinov2", hidden=52, intermediate=208, scale=0.3, gated=True, sizes=((40, 24),)),
    VisionShape("registers-odd", _REGISTERS, intermediate=192, scale=0.3, registers=3, sizes=((32, 32), *_MORE)),
    VisionShape("registers-none", _REGISTERS, intermediate=192, scale=0.3, registers=0, gated=True,
                sizes=((16, 24),)),
    VisionShape("dinov3-odd", "dinov3_vit", hidden=36, heads=3, scale=0.3, registers=2, theta=37.0, sizes=_MORE),
    VisionShape("dinov3-biases", "dinov3_vit", scale=0.3, no_bias=()),
    VisionShape("dinov3-no-bias", "dinov3_vit", scale=0.3, gated=True, act="silu", hidden=24, heads=2,
                no_bias=("query", "key", "value", "proj", "mlp"), sizes=((24, 40),)),
    VisionShape("clip-odd", "clip", hidden=42, heads=3, act="gelu", eps=1e-5, interpolated=_MORE),
    VisionShape("clip-projection", "clip", act="quick_gelu", projection=20, eps=1e-5),
    VisionShape("siglip-odd", "siglip", hidden=42, heads=3, intermediate=55, act="gelu_pytorch_tanh",
                interpolated=_MORE),
    VisionShape("siglip-no-head", "siglip", act="gelu_pytorch_tanh", pooler=False),
    VisionShape("siglip2-odd", "siglip2", hidden=42, heads=3, intermediate=55, act="gelu_pytorch_tanh",
                sizes=((32, 32), *_MORE[:4])),
    VisionShape("siglip2-no-head", "siglip2", act="gelu_pytorch_tanh", pooler=False, sizes=((8, 72),)),
]  # fmt: skip
_EXTRA = VisionStorage(prefix=True, extra=True)
_NEW = VisionStorage(renamed=True)
STORED = [
    (VisionShape("stored-vit-prefix"), _EXTRA),
    (VisionShape("stored-vit-renamed"), _NEW),
    (VisionShape("stored-vit-f16"), VisionStorage(dtype="F16", prefix=True)),
    (VisionShape("stored-vit-no-pooler", pooler=False), VisionStorage(shards=3)),
    (VisionShape("stored-deit-prefix", "deit"), _EXTRA),
    (VisionShape("stored-deit-renamed", "deit"), _NEW),
    (VisionShape("stored-beit-prefix", "beit", scale=0.1, relative="layer"), _EXTRA),
    (VisionShape("stored-beit-renamed", "beit", scale=0.1, relative="layer"), _NEW),
    (VisionShape("stored-beit-shared", "beit", scale=0.1, relative="shared"), _NEW),
    (VisionShape("stored-dinov2-prefix", "dinov2", intermediate=96, scale=0.3), _EXTRA),
    (VisionShape("stored-dinov2-renamed", "dinov2", intermediate=96, scale=0.3, gated=True), _NEW),
    (VisionShape("stored-registers-bf16", _REGISTERS, intermediate=96, scale=0.3, registers=1),
     VisionStorage(dtype="BF16", prefix=True, renamed=True)),
    (VisionShape("stored-dinov3-renamed", "dinov3_vit", scale=0.3, registers=1, gated=True), _NEW),
    (VisionShape("stored-dinov3-extra", "dinov3_vit", scale=0.3), VisionStorage(extra=True)),
    (VisionShape("stored-clip-prefix", "clip", eps=1e-5), _EXTRA),
    (VisionShape("stored-clip-whole", "clip", eps=1e-5, projection=12, whole=True), VisionStorage(extra=True)),
    (VisionShape("stored-siglip-prefix", "siglip"), _EXTRA),
    (VisionShape("stored-siglip-whole", "siglip", whole=True), VisionStorage(dtype="F16")),
    (VisionShape("stored-siglip2-whole", "siglip2", whole=True), VisionStorage()),
]  # fmt: skip
GROUPS = {
    "full": [(shape, VisionStorage()) for shape in FULL],
    "odd": [(shape, VisionStorage()) for shape in ODD],
    "stored": STORED,
}


def main():
    """Print the mean attention entropy of every model beside that of uniform attention."""
    import sys

    from vision_reference import VisionReference

    cache = sys.argv[1] if len(sys.argv) > 1 else "build/parity/models"
    for shape, storage in [pair for group in GROUPS.values() for pair in group]:
        reference = VisionReference(cached_model(cache, shape, storage))
        size = (shape.sizes or (shape.image,))[0]
        entropy, uniform, loudest = reference.entropy(make_pixels(1, *size))
        print(f"{shape.name:24} entropy {entropy:5.2f} of {uniform:.2f} nats,"
              f" loudest channel {loudest:5.1f} x the median")  # fmt: skip


if __name__ == "__main__":
    main()
