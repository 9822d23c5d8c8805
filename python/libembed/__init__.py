"""Text and image embeddings from Hugging Face and sentence-transformers model directories, by libembed.

>>> from libembed import Model
>>> model = Model("all-MiniLM-L6-v2")
>>> embeddings = model.encode(["A cat is sleeping on the sofa.", "The kitten naps on the couch."])
>>> model.similarity(embeddings, embeddings)
"""

from . import _c
from ._base import Tokens
from ._cross_encoder import CrossEncoder
from ._errors import (
    EmbedCanceled,
    EmbedError,
    EmbedMemoryError,
    EmbedModelError,
    EmbedOSError,
    EmbedTypeError,
    EmbedValueError,
)
from ._load import lib as _lib
from ._model import Model
from ._tables import label_prompt, row_prompt
from ._vectors import quantize_embeddings

__version__ = f"{_c.EMBED_VERSION_MAJOR}.{_c.EMBED_VERSION_MINOR}.{_c.EMBED_VERSION_PATCH}"


def version() -> str:
    """The version of the loaded library."""
    return bytes(_lib.embed_version_string()).decode()


def build_info() -> str:
    """What the loaded library was built with."""
    return bytes(_lib.embed_build_info()).decode()


def isa() -> str:
    """The instruction set that this CPU gets by default."""
    return bytes(_lib.embed_isa()).decode()


__all__ = [
    "CrossEncoder",
    "EmbedCanceled",
    "EmbedError",
    "EmbedMemoryError",
    "EmbedModelError",
    "EmbedOSError",
    "EmbedTypeError",
    "EmbedValueError",
    "Model",
    "Tokens",
    "build_info",
    "isa",
    "label_prompt",
    "quantize_embeddings",
    "row_prompt",
    "version",
]
