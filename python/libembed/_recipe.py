"""What opening and calls take by keyword, and the names of embed.h's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional, TypedDict, Union

from . import _c
from ._engine import Failed, Progress
from ._errors import EmbedTypeError, EmbedValueError

GEMM = {"auto": _c.EMBED_GEMM_AUTO, "packed": _c.EMBED_GEMM_PACKED, "blas": _c.EMBED_GEMM_BLAS}
WEIGHTS = {
    None: _c.EMBED_WEIGHTS_DEFAULT,
    "f32": _c.EMBED_WEIGHTS_F32,
    "f16": _c.EMBED_WEIGHTS_F16,
    "bf16": _c.EMBED_WEIGHTS_BF16,
    "int8": _c.EMBED_WEIGHTS_INT8,
}
COMPUTE = {
    None: _c.EMBED_COMPUTE_DEFAULT,
    "f32": _c.EMBED_COMPUTE_F32,
    "bf16": _c.EMBED_COMPUTE_BF16,
    "bf16_always": _c.EMBED_COMPUTE_BF16_ALWAYS,
}
POOLING = {
    None: _c.EMBED_POOL_DEFAULT,
    "cls": _c.EMBED_POOL_CLS,
    "mean": _c.EMBED_POOL_MEAN,
    "max": _c.EMBED_POOL_MAX,
    "last": _c.EMBED_POOL_LAST,
    "weighted": _c.EMBED_POOL_WEIGHTED,
    "sqrt_len": _c.EMBED_POOL_SQRT_LEN,
    "pooler": _c.EMBED_POOL_POOLER,
    "mean_all": _c.EMBED_POOL_MEAN_ALL,
    "patches": _c.EMBED_POOL_PATCHES,
    "projection": _c.EMBED_POOL_PROJECTION,
    "scores": _c.EMBED_POOL_SCORES,
}
SIDES = {
    None: _c.EMBED_TRUNCATE_DEFAULT,
    "right": _c.EMBED_TRUNCATE_RIGHT,
    "left": _c.EMBED_TRUNCATE_LEFT,
}
STRATEGIES = {
    None: _c.EMBED_STRATEGY_LONGEST_FIRST,
    "longest_first": _c.EMBED_STRATEGY_LONGEST_FIRST,
    "only_first": _c.EMBED_STRATEGY_ONLY_FIRST,
    "only_second": _c.EMBED_STRATEGY_ONLY_SECOND,
}
LONG_TEXTS = {
    None: _c.EMBED_LONG_TEXTS_TRUNCATE,
    "truncate": _c.EMBED_LONG_TEXTS_TRUNCATE,
    "refuse": _c.EMBED_LONG_TEXTS_REFUSE,
    "windows": _c.EMBED_LONG_TEXTS_WINDOWS,
}
FLAGS = {  # flag, and the value of the keyword that sets it
    "modules": (_c.EMBED_NO_MODULES, False),
    "truncation": (_c.EMBED_NO_TRUNCATION, False),
    "add_special_tokens": (_c.EMBED_NO_SPECIAL_TOKENS, False),
    "apply_exif": (_c.EMBED_APPLY_EXIF, True),
    "alpha_white": (_c.EMBED_ALPHA_WHITE, True),
    "interpolate_pos_encoding": (_c.EMBED_INTERPOLATE_POS_ENCODING, True),
}


class Opening(TypedDict, total=False):
    """How a model is opened, beside its path."""

    device: Optional[str]  # "cpu"
    prompts: Optional[dict[str, str]]  # more than the model's own, or others
    default_prompt_name: Optional[str]
    cache_folder: Optional[str]  # where names are looked up and kept
    revision: Optional[str]
    local_files_only: bool
    token: Union[str, bool, None]
    isa: Optional[str]  # "c", "avx2", "avx512", "neon"
    gemm: str  # "auto", "packed", "blas"
    weights: Optional[str]  # "f32", "f16", "bf16", "int8"
    keep_float: Union[str, Sequence[str]]  # of int8: products that stay float32, as "layer.*.output.dense"
    compute: Optional[str]  # "f32", "bf16": native dot products, where the CPU gains by them
    threads: int  # of one call; 0: all cores
    batch_tokens: int  # of one forward pass: memory, never a result
    max_text_bytes: int  # the longest text, where the tokenizer needs a limit; 0: 1 MiB
    read: bool  # weights are read, not mapped
    encoder: bool  # False: tokenizer and image preprocessing alone, no weights


class Recipe(TypedDict, total=False):
    """What every call takes beside its own arguments."""

    pooling: Optional[str]  # one of POOLING, in place of the model's
    modules: bool  # False leaves out what comes after pooling
    layer: Optional[int]  # hidden_states[layer] in place of the last
    max_length: Optional[int]  # tokens, in place of max_seq_length
    truncation: bool  # False: a longer text is an error
    truncation_side: Optional[str]  # "right", "left"
    long_texts: Optional[str]  # over max_length: "truncate", "refuse", "windows"
    stride: int  # of windows: tokens that one has in common with the one before
    strategy: Optional[str]  # of pairs: "longest_first", "only_first", "only_second"
    add_special_tokens: bool
    image_size: Optional[int]
    apply_exif: bool  # turn images as their EXIF says
    alpha_white: bool  # lay transparent pixels over white
    interpolate_pos_encoding: bool  # take images of other sizes than the model's
    failed: Optional[Failed]  # failed(index, error): that input becomes NaN, the others go on
    progress: Optional[Progress]  # progress(done, total), between forward passes


def choice(what: str, value: Any, table: Mapping[Any, int]) -> int:
    """The number of a name."""
    try:
        return table[value]
    except (KeyError, TypeError):
        names = ", ".join(repr(name) for name in table)
        raise EmbedValueError(f"{what}: expected one of {names}, found {value!r}") from None


def check_keywords(given: Mapping[str, Any], known: type) -> None:
    """TypeError, as Python has it, for a keyword that is not one of a TypedDict's."""
    for name in given:
        if name not in known.__annotations__:
            names = ", ".join(known.__annotations__)
            raise EmbedTypeError(f"{name}: no such keyword argument; known are {names}")


def check_device(device: Any) -> None:
    if device is not None and str(device) != "cpu":
        raise EmbedValueError(f"device: expected 'cpu', found {device!r}")


def flags(recipe: Recipe) -> int:
    """The flags of a call."""
    return sum(flag for name, (flag, value) in FLAGS.items() if recipe.get(name, not value) == value)
