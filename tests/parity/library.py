"""Calls the shared library beside the `embed` command: what the command has no option for."""
import ctypes
import os
from pathlib import Path

import numpy as np

import command

POOLER, PROJECTION, SCORES = 7, 10, 11  # EMBED_POOL_*
NORMALIZE_OFF, NO_MODULES = 2, 1

_sized = [("struct_size", ctypes.c_uint32), ("flags", ctypes.c_uint32)]


class _Input(ctypes.Structure):
    """embed_input."""

    _fields_ = _sized + [("count", ctypes.c_int64)] + [
        (name, ctypes.c_void_p)
        for name in ("texts", "text_sizes", "pairs", "pair_sizes", "ids", "type_ids", "offsets", "images")
    ]


class _Options(ctypes.Structure):
    """embed_encode_options as far as it is used here; struct_size says so."""

    _fields_ = _sized + [
        (name, ctypes.c_int32)
        for name in ("pooling", "layer", "normalize", "truncation_side", "strategy", "reserved")
    ]


class _Error(ctypes.Structure):
    """embed_error."""

    _fields_ = [("struct_size", ctypes.c_uint32), ("status", ctypes.c_int32), ("message", ctypes.c_char * 1016)]


def _load():
    """The functions of libembed.so that are called here."""
    library = ctypes.CDLL(str(Path(os.path.realpath(command.EMBED)).parent / "libembed.so"))
    library.embed_output_dim.restype = ctypes.c_int64
    for name in ("embed_model_free", "embed_session_free"):
        getattr(library, name).restype = None
    return library


def encode_ids(model, inputs, pooling):
    """embed_encode of lists of token ids, without modules after the pooling: [inputs][dim]."""
    library, error = _load(), _Error(struct_size=ctypes.sizeof(_Error))
    options = _Options(ctypes.sizeof(_Options), NO_MODULES, pooling=pooling, normalize=NORMALIZE_OFF)
    ids = np.concatenate(inputs).astype(np.int32)
    offsets = np.cumsum([0] + [len(one) for one in inputs], dtype=np.int64)
    given = _Input(ctypes.sizeof(_Input), count=len(inputs), ids=ids.ctypes.data, offsets=offsets.ctypes.data)
    opened, session = ctypes.c_void_p(), ctypes.c_void_p()

    def check(status):
        if status != 0:
            raise command.CommandError(f"{model}: status {status}: {error.message.decode()}")

    try:
        check(library.embed_model_open(os.fsencode(model), None, ctypes.byref(opened), ctypes.byref(error)))
        check(library.embed_session_create(opened, None, ctypes.byref(session), ctypes.byref(error)))
        dim = library.embed_output_dim(opened, ctypes.byref(options))
        out = np.empty((len(inputs), max(dim, 0)), np.float32)
        check(library.embed_encode(session, ctypes.byref(given), ctypes.byref(options),
                                   ctypes.c_void_p(out.ctypes.data), ctypes.c_int64(dim)))  # fmt: skip
    finally:
        library.embed_session_free(session)
        library.embed_model_free(opened)
    return out
