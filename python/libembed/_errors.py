"""Exceptions: the library's statuses as Python sees them, each with the library's sentence."""

from __future__ import annotations

from typing import Optional

from . import _c


class EmbedError(Exception):
    """Whatever libembed refuses. `status` is the library's EMBED_E... value."""

    status: int = _c.EMBED_EINVAL

    def __init__(self, message: str = "", status: Optional[int] = None) -> None:
        super().__init__(message)
        self.message = message
        if status is not None:
            self.status = status

    def __str__(self) -> str:
        return self.message


class EmbedValueError(EmbedError, ValueError):
    """An argument, an input or a model file that is not what it should be."""


class EmbedTypeError(EmbedError, TypeError):
    """An input of a kind that is not taken: a number among texts, an image for a text model."""

    status = _c.EMBED_EKIND


class EmbedOSError(EmbedError, OSError):
    """A file that is missing or cannot be read."""

    status = _c.EMBED_EIO


class EmbedMemoryError(EmbedError, MemoryError):
    """No memory left."""

    status = _c.EMBED_ENOMEM


class EmbedModelError(EmbedValueError):
    """A model that cannot be opened: malformed, a tensor missing, or valid and not supported."""

    status = _c.EMBED_EFORMAT


class EmbedCanceled(EmbedError):
    """The call was stopped before its end."""

    status = _c.EMBED_ECANCELED


_CLASSES: dict[int, type[EmbedError]] = {
    _c.EMBED_ENOMEM: EmbedMemoryError,
    _c.EMBED_EIO: EmbedOSError,
    _c.EMBED_EFORMAT: EmbedModelError,
    _c.EMBED_EUNSUPPORTED: EmbedModelError,
    _c.EMBED_ETENSOR: EmbedModelError,
    _c.EMBED_EKIND: EmbedTypeError,
    _c.EMBED_ECANCELED: EmbedCanceled,
}


def error_of(status: int, sentence: str) -> EmbedError:
    """The exception for a status of the library."""
    return _CLASSES.get(status, EmbedValueError)(sentence, status)
