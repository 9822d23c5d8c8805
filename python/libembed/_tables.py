"""Rows of tables as texts, and texts that say their class: the tabular recipe."""

from __future__ import annotations

import ctypes as C
from collections.abc import Sequence
from typing import Any, Callable

import numpy as np

from ._errors import error_of
from ._load import lib


def _written(write: Callable[[Any, int], int]) -> str:
    """The text that write(out, capacity) gives, as snprintf does."""
    size = write(None, 0)
    if size < 0:
        raise error_of(size, bytes(lib.embed_status_string(size)).decode())
    out = C.create_string_buffer(size + 1)
    write(out, size + 1)
    return out.raw[:size].decode()


def row_prompt(columns: Sequence[str], values: Sequence[Any]) -> str:
    """ "The age is 39. The work class is private.": a row of a table as sentences."""
    names = [name.encode() for name in columns]
    texts = [str(value).encode() for _, value in zip(columns, values)]
    sizes = [np.fromiter(map(len, raw), np.int64, len(raw)) for raw in (names, texts)]
    arrays = [(C.c_char_p * len(raw))(*raw) for raw in (names, texts)]
    return _written(
        lambda out, capacity: lib.embed_row_prompt(
            arrays[0],
            sizes[0].ctypes.data,
            arrays[1],
            sizes[1].ctypes.data,
            len(texts),
            out,
            capacity,
        )
    )


def label_prompt(label: str) -> str:
    """ " The classification label is LABEL. ", which goes before a text that has a class."""
    raw = label.encode()
    return _written(lambda out, capacity: lib.embed_label_prompt(raw, len(raw), out, capacity))
