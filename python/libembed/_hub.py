"""From the name of a model to a directory: the local cache of Hugging Face, then huggingface_hub where it is
installed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Optional, Union

from ._errors import EmbedOSError

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
_OTHER_FORMATS = ["onnx/*", "openvino/*"]


def _cache_folder() -> Path:
    """Where huggingface_hub keeps its snapshots, by the same variables."""
    environment = os.environ.get
    cache = environment("HF_HUB_CACHE") or environment("HUGGINGFACE_HUB_CACHE")
    if cache:
        return Path(cache).expanduser()
    home = environment("HF_HOME") or os.path.join(environment("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(home).expanduser() / "hub"


def _repositories(name: str) -> Iterator[str]:
    """Names without an organisation are those of sentence-transformers, then Hugging Face's own."""
    if "/" not in name:
        yield f"sentence-transformers/{name}"
    yield name


def _complete(snapshot: Path) -> bool:
    """A snapshot may hold a tokenizer alone: what somebody asked for."""
    configured = any((snapshot / f).is_file() for f in ("config.json", "modules.json"))
    return configured and any(snapshot.rglob("*.safetensors"))


def _cached(repository: str, cache: Path, revision: str) -> Optional[Path]:
    folder = cache / ("models--" + repository.replace("/", "--"))
    reference = folder / "refs" / revision
    commit = reference.read_text().strip() if reference.is_file() else revision
    snapshot = folder / "snapshots" / commit
    return snapshot if _complete(snapshot) else None


def _download(repository: str, cache: Path, revision: str, token: Union[str, bool, None]) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            repository,
            revision=revision,
            cache_dir=str(cache),
            token=token,
            allow_patterns=_FILES,
            ignore_patterns=_OTHER_FORMATS,
        )
    )


def find_model(
    path: Union[str, os.PathLike[str]],
    cache_folder: Optional[str] = None,
    revision: Optional[str] = None,
    local_files_only: bool = False,
    token: Union[str, bool, None] = None,
) -> str:
    """A file or directory as it is; a name by its snapshot in the cache, downloaded if it is not there."""
    text = os.fspath(path)
    if os.path.exists(text) or not _NAME.fullmatch(text):
        return text
    cache = Path(cache_folder).expanduser() if cache_folder else _cache_folder()
    wanted = revision or "main"
    reasons = []
    for repository in _repositories(text):
        snapshot = _cached(repository, cache, wanted)
        if snapshot:
            return str(snapshot)
    if local_files_only or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        reasons.append("downloads are off")
    else:
        for repository in _repositories(text):
            try:
                return str(_download(repository, cache, wanted, token))
            except ImportError:
                reasons = ["huggingface_hub, which downloads, is not installed"]
                break
            except (OSError, ValueError) as error:
                reasons.append(f"{repository}: {str(error).strip().splitlines()[0]}")
    raise EmbedOSError(
        f"{text}: no such file or directory, and no model of that name in {cache} ({'; '.join(reasons)})"
    )
