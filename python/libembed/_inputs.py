"""From Python objects to embed_input: texts, pairs of texts, token ids and images, sorted by kind."""

from __future__ import annotations

import ctypes as C
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from . import _c
from ._errors import EmbedTypeError

INT = (int, np.integer)


class Batch:
    """Inputs of one kind, as the library takes them. Keeps alive what the struct points to."""

    def __init__(self, kind: str, items: Sequence[Any], positions: Sequence[int]) -> None:
        self.kind = kind
        self.positions = positions
        self.count = len(items)
        self.weight = 0  # about how many tokens
        self.keep: list[Any] = []
        self.struct = _c.embed_input(C.sizeof(_c.embed_input), count=self.count)
        if kind == "texts":
            self.struct.texts, self.struct.text_sizes = self._texts(items)
        elif kind == "pairs":
            self.struct.texts, self.struct.text_sizes = self._texts([a for a, _ in items])
            self.struct.pairs, self.struct.pair_sizes = self._texts([b for _, b in items])
        elif kind == "ids":
            self._ids(items)
        else:
            self.struct.images = (_c.embed_image * self.count)(*map(self._image, items))
            self.weight = self.count << 10

    def _address(self, array: NDArray[Any]) -> int:
        self.keep.append(array)
        return array.ctypes.data

    def _texts(self, texts: Sequence[str]) -> tuple[Any, int]:
        raw = [text.encode() for text in texts]
        sizes = np.fromiter(map(len, raw), np.int64, len(raw))
        self.weight += int(sizes.sum())
        return (C.c_char_p * len(raw))(*raw), self._address(sizes)

    def _ids(self, items: Sequence[Any]) -> None:
        lengths = np.fromiter(map(len, items), np.int64, self.count)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        flat = [np.asarray(item, np.int64) for item in items]
        ids = np.clip(np.concatenate(flat), -1, 2**31 - 1).astype(np.int32)
        self.weight = len(ids)
        self.struct.ids, self.struct.offsets = self._address(ids), self._address(offsets)

    def _image(self, item: Any) -> _c.embed_image:
        if isinstance(item, (str, os.PathLike)):
            return _c.embed_image(path=os.fsencode(item))
        if isinstance(item, (bytes, bytearray, memoryview)):
            data = np.frombuffer(item, np.uint8)
            return _c.embed_image(data=self._address(data), size=data.size)
        if _is_pil(item):
            known = item.mode in ("RGB", "RGBA", "L")
            return self._pixels(np.asarray(item if known else item.convert("RGB")))
        return self._pixels(np.asarray(item))

    def _pixels(self, array: NDArray[Any]) -> _c.embed_image:
        """uint8: rows of pixels; float: pixel_values, channels first."""
        if array.dtype.kind == "f" and array.ndim == 3 and array.shape[0] == 3:
            values = np.ascontiguousarray(array, np.float32)
            return _c.embed_image(
                data=self._address(values),
                size=values.nbytes,
                height=values.shape[1],
                width=values.shape[2],
                format=_c.EMBED_IMAGE_PIXEL_VALUES,
            )
        if array.dtype != np.uint8 or array.ndim not in (2, 3):
            raise EmbedTypeError(
                "image: expected uint8 [height, width, 1, 3 or 4] or [height, width], or pixel_values "
                f"float32 [3, height, width], found {array.dtype} {list(array.shape)}"
            )
        if array.ndim == 2:
            array = array[:, :, None]
        if array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
            array = array.transpose(1, 2, 0)
        formats = {1: _c.EMBED_IMAGE_GREY, 3: _c.EMBED_IMAGE_RGB, 4: _c.EMBED_IMAGE_RGBA}
        height, width, channels = array.shape
        if channels not in formats:
            raise EmbedTypeError(f"image: expected 1, 3 or 4 channels, found {channels}")
        if array.strides[1:] != (channels, 1) or array.strides[0] < width * channels:
            array = np.ascontiguousarray(array)
        return _c.embed_image(
            data=self._address(array),
            stride=array.strides[0],
            height=height,
            width=width,
            format=formats[channels],
        )


def _is_pil(item: Any) -> bool:
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(item, pil.Image)


def is_single(inputs: Any) -> bool:
    """One input, or several? A list, a tuple and an array of strings are several, as in the reference;
    so is anything else that can be iterated over and is no text or image."""
    if isinstance(inputs, (str, bytes, bytearray, memoryview, os.PathLike, dict)) or _is_pil(inputs):
        return True
    if getattr(getattr(inputs, "dtype", None), "kind", None) in ("U", "O", "T"):
        return False
    if hasattr(inputs, "__array__"):
        return getattr(inputs, "ndim", 0) < 4
    return not isinstance(inputs, Iterable)


def _kind(item: Any, strings: str) -> Optional[str]:
    if isinstance(item, str):
        return strings
    if isinstance(item, (tuple, list)):
        if len(item) == 2 and all(isinstance(x, str) for x in item):
            return "pairs"
        return "ids" if item and all(isinstance(x, INT) for x in item) else None
    if isinstance(item, np.ndarray) and item.ndim == 1:
        return "ids" if item.dtype.kind in "iu" else None
    if isinstance(item, (bytes, bytearray, memoryview, os.PathLike)) or _is_pil(item):
        return "images"
    return "images" if hasattr(item, "__array__") and not isinstance(item, np.generic) else None


def batches(items: Sequence[Any], strings: str) -> list[Batch]:
    """Inputs sorted by kind, each batch with the places of its inputs. strings: what a str is, "texts" or
    "images" (paths)."""
    groups: dict[str, list[int]] = {}
    plain = [next(iter(x.values())) if isinstance(x, dict) and len(x) == 1 else x for x in items]
    for position, item in enumerate(plain):
        kind = _kind(item, strings)
        if kind is None:
            raise EmbedTypeError(
                f"input {position}: expected a text, a pair of texts, token ids or an image, "
                f"found {type(item).__name__}"
            )
        groups.setdefault(kind, []).append(position)
    return [Batch(kind, [plain[i] for i in at], at) for kind, at in groups.items()]
