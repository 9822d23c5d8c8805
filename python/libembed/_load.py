"""Finding and loading the shared library: LIBEMBED_LIBRARY, the one in this package, the system's."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from pathlib import Path

from . import _c

_NAME = "libembed.0.dylib" if sys.platform == "darwin" else "libembed.so.0"


def _path() -> str:
    named = os.environ.get("LIBEMBED_LIBRARY")
    if named:
        return named
    bundled = Path(__file__).with_name(_NAME)
    return str(bundled) if bundled.exists() else ctypes.util.find_library("embed") or _NAME


def _load() -> ctypes.CDLL:
    path = _path()
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"{path}: cannot be loaded ({error}). Set LIBEMBED_LIBRARY to the shared library"
        ) from None
    try:
        return _c.bind(library)
    except AttributeError as error:
        raise ImportError(f"{path}: another version of libembed ({error})") from None


lib = _load()
