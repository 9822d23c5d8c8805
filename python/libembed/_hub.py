"""From the name of a model to a directory: the local cache of Hugging Face, then huggingface_hub where it is
installed."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Optional, Union

from ._errors import EmbedOSError

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
_TORCH = "pytorch_model*.bin"  # where a folder has no safetensors
_OTHER_FORMATS = ["onnx/*", "openvino/*"]


def _cache_folder() -> Path:
    """Where sentence-transformers and huggingface_hub keep snapshots, by the same variables."""
    environment = os.environ.get
    cache = (
        environment("SENTENCE_TRANSFORMERS_HOME")
        or environment("HF_HUB_CACHE")
        or environment("HUGGINGFACE_HUB_CACHE")
    )
    if not cache:
        parent = environment("XDG_CACHE_HOME") or "~/.cache"
        cache = os.path.join(environment("HF_HOME") or os.path.join(parent, "huggingface"), "hub")
    return Path(os.path.expandvars(os.path.expanduser(cache)))


def _downloads_are_off() -> bool:
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in ("1", "ON", "YES", "TRUE")


def _repositories(name: str) -> Iterator[str]:
    """Names without an organisation are those of sentence-transformers, then Hugging Face's own."""
    if "/" not in name:
        yield f"sentence-transformers/{name}"
    yield name


def _has_shards(index: Path) -> bool:
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return all((index.parent / shard).is_file() for shard in shards)
    except (ValueError, KeyError, AttributeError, TypeError):
        return True  # the library says what is wrong with it


def _has_weights(folder: Path) -> bool:
    """Whole, and looked for as the library does."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return True
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _has_shards(index)
    return False


def _complete(snapshot: Path, repository: str) -> bool:
    """A snapshot may hold what somebody asked for, a tokenizer or no modules, or as far as a download came."""
    expected = ["modules.json"]
    if not repository.startswith("sentence-transformers/"):
        expected.append("config.json")
    folders = {file.parent for file in snapshot.rglob("*.json")}
    return any((snapshot / name).is_file() for name in expected) and any(map(_has_weights, folders))


def _cached(repository: str, cache: Path, revision: str) -> Optional[Path]:
    folder = cache / ("models--" + repository.replace("/", "--"))
    reference = folder / "refs" / revision
    commit = reference.read_text().strip() if reference.is_file() else revision
    snapshot = folder / "snapshots" / commit
    return snapshot if _complete(snapshot, repository) else None


def _download(repository: str, cache: Path, revision: str, token: Union[str, bool, None]) -> Path:
    """Weights are safetensors; of the folders that have none, those of torch.save."""
    from huggingface_hub import snapshot_download

    def fetch(patterns: list[str]) -> Path:
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                cache_dir=str(cache),
                token=token,
                allow_patterns=patterns,
                ignore_patterns=_OTHER_FORMATS,
            )
        )

    snapshot = fetch(_FILES)
    without = [file.parent for file in snapshot.rglob("config.json") if not _has_weights(file.parent)]
    if without:
        names = [glob.escape(folder.relative_to(snapshot).as_posix()) for folder in without]
        fetch([_TORCH if name == "." else f"{name}/{_TORCH}" for name in names])
    return snapshot


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
    if local_files_only or _downloads_are_off():
        reasons.append("downloads are off")
    else:
        for repository in _repositories(text):
            try:
                return str(_download(repository, cache, wanted, token))
            except ImportError:
                reasons = ["huggingface_hub, which downloads, is not installed"]
                break
            except (OSError, ValueError) as error:
                reasons.append(f"{repository}: {(str(error).strip() or type(error).__name__).splitlines()[0]}")
    raise EmbedOSError(
        f"{text}: no such file or directory, and no whole model of that name in {cache} ({'; '.join(reasons)})"
    )
