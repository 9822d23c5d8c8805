"""Makes the small frozen vision models of tests/data/models, which `make check` opens without Python.

Every model has made-up weights; expected.safetensors beside it holds made-up images and what the reference
computes of them in float64, rounded to float32 at the very end:
    pixels, sizes, offsets     the images one after another, height and width of each, first token of each
    native                     how many of them, from the first, need no interpolate_pos_encoding
    hidden.K, last             hidden_states[K] and last_hidden_state, [tokens][hidden]
    pool.cls, pool.mean_all, pool.patches      poolings of the last hidden state, [images][hidden]
    pooler, projection         pooler_output and image_embeds, where the checkpoint has them
The same bytes come out of every run.    freeze_vision.py [FOLDER]
"""
import shutil
import sys
from pathlib import Path

import numpy as np
import torch

import vision_random
from models_random import write_json, write_safetensors
from transformers import AutoConfig
from vision_random import VisionShape, VisionStorage
from vision_reference import VisionReference

_TINY = {"hidden": 12, "layers": 2, "heads": 3, "intermediate": 20, "image": (9, 9), "patch": (3, 3)}
_OTHER = ((15, 6), (3, 3), (5, 13))  # of another size: wide, one patch, with pixels left over
_MIXED = ((9, 9), *_OTHER, (9, 9))
_REGISTERS = "dinov2_with_registers"
_EXTRA = VisionStorage(prefix=True, extra=True)
_RENAMED = VisionStorage(renamed=True)

MODELS = [
    (VisionShape("vit", **_TINY | {"hidden": 15}, eps=1e-12, interpolated=_OTHER), _EXTRA),
    (VisionShape("vit-wide", **_TINY | {"image": (10, 21), "patch": (3, 5)}, pooler=False, qkv_bias=False,
                 act="gelu_new"), VisionStorage(dtype="F16")),
    (VisionShape("deit", "deit", **_TINY, eps=1e-12, pooler_size=5, interpolated=_OTHER), _RENAMED),
    (VisionShape("beit", "beit", **_TINY, eps=1e-12, scale=0.3, relative="layer", sizes=_MIXED), _EXTRA),
    (VisionShape("beit-shared", "beit", **_TINY, relative="shared", absolute=True, mean_pooling=False),
     VisionStorage()),
    (VisionShape("dinov2", "dinov2", **_TINY | {"intermediate": 24}, scale=0.4, sizes=_MIXED), VisionStorage()),
    (VisionShape("dinov2-swiglu", "dinov2", **_TINY | {"intermediate": 24, "layers": 1}, scale=0.4, gated=True,
                 sizes=((9, 9),)), _RENAMED),
    (VisionShape("dinov2-registers", _REGISTERS, **_TINY | {"intermediate": 24}, scale=0.4, registers=2,
                 sizes=_MIXED), _EXTRA),
    (VisionShape("dinov3", "dinov3_vit", **_TINY | {"hidden": 16, "heads": 2}, eps=1e-5, scale=0.4, registers=3,
                 sizes=_MIXED), VisionStorage()),
    (VisionShape("dinov3-gated", "dinov3_vit", **_TINY, eps=1e-5, scale=0.4, gated=True, act="silu",
                 no_bias=("key", "mlp"), sizes=((6, 12),)), _RENAMED),
    (VisionShape("clip-vision", "clip", **_TINY, eps=1e-5, act="quick_gelu", projection=6, interpolated=_OTHER),
     VisionStorage()),
    (VisionShape("clip", "clip", **_TINY | {"layers": 1}, eps=1e-5, act="gelu", projection=6, whole=True),
     VisionStorage(dtype="BF16", extra=True)),
    (VisionShape("siglip-vision", "siglip", **_TINY, act="gelu_pytorch_tanh", interpolated=_OTHER),
     VisionStorage()),
    (VisionShape("siglip", "siglip", **_TINY | {"layers": 1}, act="gelu_pytorch_tanh", whole=True),
     VisionStorage(dtype="F16")),
    (VisionShape("siglip2-vision", "siglip2", **_TINY, act="gelu_pytorch_tanh", sizes=_MIXED), VisionStorage()),
]  # fmt: skip


def make_images(shape):
    """[(pixels, interpolate)], two of the native size where the model has one."""
    native = shape.sizes or (shape.image, shape.image)
    sizes = [(size, False) for size in native] + [(size, True) for size in shape.interpolated]
    return [
        (vision_random.make_pixels(1, *size, seed=seed), interpolate)
        for seed, (size, interpolate) in enumerate(sizes)
    ]


def without_defaults(config):
    """The keys that the family's defaults do not give: most checkpoints leave them out as well."""
    defaults = AutoConfig.for_model(config["model_type"]).to_dict()
    kept = ("model_type", "architectures")
    out = {key: value for key, value in config.items() if key in kept or value != defaults.get(key, ...)}
    return {key: without_defaults(value) if isinstance(value, dict) else value for key, value in out.items()}


def pool(hidden, how, prefix):
    """One pooled vector of [tokens][hidden], in float64."""
    return {"cls": hidden[0], "mean_all": hidden.mean(axis=0), "patches": hidden[prefix:].mean(axis=0)}[how]


def expected_tensors(folder, shape):
    """{name: (dtype, array)} of expected.safetensors."""
    reference = VisionReference(folder)
    images = make_images(shape)
    truth = [reference.truth(*image) for image in images]
    last = [one["last"][0] for one in truth]
    out = {
        "pixels": ("F32", np.concatenate([pixels.ravel() for pixels, _ in images])),
        "sizes": ("I64", [pixels.shape[2:] for pixels, _ in images]),
        "native": ("I64", [sum(not interpolate for _, interpolate in images)]),
        "offsets": ("I64", np.cumsum([0] + [len(hidden) for hidden in last])),
    }
    for name in truth[0]:
        title = f"hidden.{name}" if isinstance(name, int) else name
        out[title] = ("F32", np.concatenate([one[name].reshape(-1, one[name].shape[-1]) for one in truth]))
    for how in ("cls", "mean_all", "patches"):
        out[f"pool.{how}"] = ("F32", [pool(hidden, how, shape.prefix + shape.registers) for hidden in last])
    return out


def main():
    """All frozen models into tests/data/models, or another folder."""
    torch.set_num_threads(1)
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/data/models")
    total = 0
    for shape, storage in MODELS:
        folder = root / shape.name
        shutil.rmtree(folder, ignore_errors=True)
        vision_random.write_model(folder, shape, storage)
        write_json(folder / "config.json", without_defaults(vision_random.config_json(shape)))
        write_safetensors(folder / "expected.safetensors", expected_tensors(folder, shape))
        size = sum(path.stat().st_size for path in folder.iterdir())
        total += size
        print(f"{shape.name:16} {size:7} bytes")
    print(f"{'total':16} {total:7} bytes in {root}")


if __name__ == "__main__":
    main()
