"""Names of models: the local cache, and downloads where huggingface_hub is installed (a stand-in here)."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest
from test_plain import MODELS, load, texts

from libembed import EmbedOSError, Model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def fill(cache: Path, repository: str, revision: Optional[str] = "main") -> Path:
    folder = cache / ("models--" + repository.replace("/", "--"))
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    blobs = folder / "blobs"
    shutil.copytree(MODELS / "bert", blobs)
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(file)
    if revision:
        (folder / "refs").mkdir()
        (folder / "refs" / revision).write_text(COMMIT)
    return snapshot


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)


def check(model: Model) -> None:
    assert np.array_equal(model.encode(texts()), load("bert").encode(texts()))


def test_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(tmp_path / "xdg" / "huggingface" / "hub", "org/one")
    fill(tmp_path / "home" / "hub", "org/two")
    fill(tmp_path / "hub", "org/three")
    fill(tmp_path / "mine", "org/four")
    check(Model("org/one"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    check(Model("org/two"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    check(Model("org/three"))
    check(Model("org/four", cache_folder=str(tmp_path / "mine")))
    with pytest.raises(EmbedOSError, match="huggingface_hub"):
        Model("org/two")


def test_names_and_revisions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    fill(tmp_path, "sentence-transformers/small")
    fill(tmp_path, "org/tagged", revision="v1.0")
    fill(tmp_path, "org/commit", revision=None)
    check(Model("small"))
    check(Model("org/tagged", revision="v1.0"))
    check(Model("org/commit", revision=COMMIT))
    for name, revision in (("org/tagged", None), ("org/commit", "main"), ("org/tagged", "../v1.0/..")):
        with pytest.raises(EmbedOSError):
            Model(name, revision=revision)
    for name in ("../small", "org/../small", "/small", "a/b/c", ""):
        with pytest.raises(EmbedOSError):
            Model(name)


def test_a_folder_wins_over_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(MODELS / "bert", tmp_path / "org" / "here")
    monkeypatch.chdir(tmp_path)
    check(Model("org/here"))


def test_a_snapshot_without_weights_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for weights in fill(tmp_path, "org/part").glob("*.safetensors"):
        weights.unlink()
    with pytest.raises(EmbedOSError, match="org/part"):
        Model("org/part")


def test_downloads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    calls: list[Any] = []

    def snapshot_download(repository: str, **keywords: Any) -> str:
        calls.append((repository, keywords["revision"], keywords["token"]))
        if repository.startswith("sentence-transformers/"):
            raise OSError("404 Client Error\nmore")
        return str(fill(tmp_path, repository))

    module = types.ModuleType("huggingface_hub")
    module.snapshot_download = snapshot_download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    check(Model("small", token="secret"))
    assert calls == [("sentence-transformers/small", "main", "secret"), ("small", "main", "secret")]
    check(Model("small"))
    assert len(calls) == 2
    with pytest.raises(EmbedOSError, match="404"):
        Model("sentence-transformers/none")
    with pytest.raises(EmbedOSError, match="downloads are off"):
        Model("org/none", local_files_only=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EmbedOSError, match="downloads are off"):
        Model("org/none")
    assert len(calls) == 3
