"""Helpers on vectors, usable on their own: similarity, quantisation, tensors."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from . import _c
from ._errors import EmbedValueError, error_of
from ._load import lib
from ._recipe import choice

SIMILARITIES = {
    "cosine": _c.EMBED_SIMILARITY_COSINE,
    "dot": _c.EMBED_SIMILARITY_DOT,
    "euclidean": _c.EMBED_SIMILARITY_EUCLIDEAN,
    "manhattan": _c.EMBED_SIMILARITY_MANHATTAN,
}
PRECISIONS = {
    "float32": _c.EMBED_PRECISION_FLOAT32,
    "int8": _c.EMBED_PRECISION_INT8,
    "uint8": _c.EMBED_PRECISION_UINT8,
    "binary": _c.EMBED_PRECISION_BINARY,
    "ubinary": _c.EMBED_PRECISION_UBINARY,
}
_TYPES = {"int8": np.int8, "uint8": np.uint8, "binary": np.int8, "ubinary": np.uint8}


def _check(status: int) -> int:
    if status < 0:
        raise error_of(status, bytes(lib.embed_status_string(status)).decode())
    return status


def _matrix(embeddings: Any) -> NDArray[np.float32]:
    """[count][dim]; one vector is a row. Tensors too: they make arrays of themselves."""
    if isinstance(embeddings, list) and embeddings and hasattr(embeddings[0], "__array__"):
        embeddings = np.stack([np.asarray(row) for row in embeddings])
    array = np.ascontiguousarray(embeddings, np.float32)
    return array.reshape(1, -1) if array.ndim == 1 else array


def _pair(a: Any, b: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    a, b = _matrix(a), _matrix(b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise EmbedValueError(f"embeddings: expected two matrices of one width, found {a.shape} and {b.shape}")
    return a, b


def similarity(name: str, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
    """Every row against every row: [count1][count2]."""
    a, b = _pair(embeddings1, embeddings2)
    scores = np.empty((len(a), len(b)), np.float32)
    kind = choice("similarity_fn_name", name, SIMILARITIES)
    _check(
        lib.embed_similarity(kind, a.ctypes.data, len(a), b.ctypes.data, len(b), a.shape[1], scores.ctypes.data)
    )
    return scores


def pairwise(name: str, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
    """Row i against row i: [count]."""
    a, b = _pair(embeddings1, embeddings2)
    if len(a) != len(b):
        raise EmbedValueError(f"embeddings: expected as many rows in both, found {len(a)} and {len(b)}")
    return np.concatenate([np.empty(0, np.float32)] + [similarity(name, x, y)[0] for x, y in zip(a, b)])


def quantize_embeddings(
    embeddings: Any,
    precision: str,
    ranges: Optional[Any] = None,
    calibration_embeddings: Optional[Any] = None,
) -> Any:
    """float32 vectors [count][dim] in less: "int8", "uint8", "binary", "ubinary". A list of matrices gives
    a list. ranges [2][dim]: smallest and largest values, by default of the calibration embeddings, else of
    the embeddings themselves."""
    kind = choice("precision", precision, PRECISIONS)
    if isinstance(embeddings, list) and embeddings and np.ndim(embeddings[0]) == 2:
        rows = np.concatenate([_matrix(matrix) for matrix in embeddings])
        whole = quantize_embeddings(rows, precision, ranges, calibration_embeddings)
        return np.split(whole, np.cumsum([len(matrix) for matrix in embeddings])[:-1])
    vector = np.ndim(embeddings) == 1
    x = _matrix(embeddings)
    if kind == _c.EMBED_PRECISION_FLOAT32:
        return x[0] if vector else x
    count, dim = x.shape
    limits = None
    if precision in ("int8", "uint8") and count:
        limits = _ranges(x if calibration_embeddings is None else calibration_embeddings, ranges, dim)
    out = np.empty((count, _check(lib.embed_quantized_size(dim, kind))), _TYPES[precision])
    _check(
        lib.embed_quantize(
            x.ctypes.data,
            count,
            dim,
            dim,
            kind,
            None if limits is None else limits.ctypes.data,
            out.ctypes.data,
        )
    )
    return out[0] if vector else out


def _ranges(calibration: Any, ranges: Optional[Any], dim: int) -> NDArray[np.float32]:
    if ranges is not None:
        given = np.ascontiguousarray(ranges, np.float32)
        if given.shape != (2, dim):
            raise EmbedValueError(f"ranges: expected shape (2, {dim}), found {given.shape}")
        return given
    rows = _matrix(calibration)
    if rows.shape[1] != dim:
        raise EmbedValueError(f"calibration: expected vectors of {dim} numbers, found {rows.shape[1]}")
    if len(rows) < 2:
        raise EmbedValueError("ranges: one vector has none of its own; give ranges or calibration vectors")
    found = np.empty((2, dim), np.float32)
    _check(lib.embed_quantize_ranges(rows.ctypes.data, len(rows), dim, dim, found.ctypes.data))
    return found


def tensors(found: Any) -> Any:
    """NumPy arrays as torch tensors that share their memory."""
    import torch

    if isinstance(found, list):
        return [torch.from_numpy(array) for array in found]
    return torch.from_numpy(found)
