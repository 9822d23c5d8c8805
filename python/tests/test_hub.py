"""Names of models: the local cache, and downloads where huggingface_hub is installed (a stand-in here)."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest
from test_plain import MODELS, load, texts

from libembed import EmbedError, EmbedOSError, Model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def fill(
    cache: Path,
    repository: str,
    revision: Optional[str] = "main",
    model: Path = MODELS / "bert",
    patterns: Sequence[str] = ("*",),
    ignored: Sequence[str] = (),
) -> Path:
    """What huggingface_hub makes of a repository's files that match."""

    def matches(name: str, patterns: Sequence[str]) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    folder = cache / ("models--" + repository.replace("/", "--"))
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True, exist_ok=True)
    for file in sorted(model.rglob("*")):
        name = file.relative_to(model).as_posix()
        if file.is_file() and matches(name, patterns) and not matches(name, ignored):
            blob = folder / "blobs" / name.replace("/", "+")
            blob.parent.mkdir(exist_ok=True)
            shutil.copy(file, blob)
            (snapshot / name).parent.mkdir(exist_ok=True)
            (snapshot / name).unlink(missing_ok=True)
            (snapshot / name).symlink_to(blob)
    if revision:
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / revision).write_text(COMMIT)
    return snapshot


def serve(monkeypatch: pytest.MonkeyPatch, model: Path) -> list[list[str]]:
    """A stand-in for huggingface_hub that has this model under any name; what it is asked for."""
    asked: list[list[str]] = []

    def snapshot_download(repository: str, **keywords: Any) -> str:
        asked.append(keywords["allow_patterns"])
        cache, ignored = Path(keywords["cache_dir"]), keywords["ignore_patterns"]
        return str(fill(cache, repository, keywords["revision"], model, asked[-1], ignored))

    module = types.ModuleType("huggingface_hub")
    module.snapshot_download = snapshot_download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return asked


def names(snapshot: Path) -> set[str]:
    return {file.relative_to(snapshot).as_posix() for file in snapshot.rglob("*") if file.is_file()}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "SENTENCE_TRANSFORMERS_HOME",
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "HF_HOME",
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)


def check(model: Model, name: str = "bert") -> None:
    assert np.array_equal(model.encode(texts()), load(name).encode(texts()))


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
    fill(tmp_path / "st", "org/five")
    monkeypatch.setenv("TMP_PATH", str(tmp_path))
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", "$TMP_PATH/st")
    check(Model("org/five"))


ASK = """
import sys
from libembed._hub import find_model
try:
    from huggingface_hub import snapshot_download
except ImportError:
    sys.exit(77)
print(find_model("org/one"))
print(snapshot_download("org/one", local_files_only=True))
"""


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"])
def test_the_folder_that_huggingface_hub_finds(tmp_path: Path, variable: str) -> None:
    below = {"HF_HOME": "hub", "XDG_CACHE_HOME": "huggingface/hub"}.get(variable, "")
    snapshot = fill(tmp_path / below, "org/one")
    environment = {**os.environ, "FOLDER": str(tmp_path), variable: "$FOLDER"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    if variable == "XDG_CACHE_HOME":
        environment[variable] = str(tmp_path)
    run = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True)
    if run.returncode == 77:
        pytest.skip("no huggingface_hub")
    assert run.stdout.split() == [str(snapshot)] * 2, run.stderr


def test_names_and_revisions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    fill(tmp_path, "sentence-transformers/small", model=MODELS / "st-dense")
    fill(tmp_path, "org/tagged", revision="v1.0")
    fill(tmp_path, "org/commit", revision=None)
    check(Model("small"), "st-dense")
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


def test_a_snapshot_with_a_part_of_the_weights_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for model, shard in (("bert-sharded", "model-00002*"), ("bert-torch-sharded", "pytorch_model-00003*")):
        snapshot = fill(tmp_path, f"org/{model}", model=MODELS / model)
        check(Model(f"org/{model}"), model)
        for file in snapshot.glob(shard):
            file.unlink()
        with pytest.raises(EmbedOSError, match="no whole model"):
            Model(f"org/{model}")


def test_a_snapshot_without_modules_is_none_of_sentence_transformers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """transformers leaves one, whose recipe would be another."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = fill(tmp_path, "sentence-transformers/st", model=MODELS / "st-dense")
    check(Model("st"), "st-dense")
    (snapshot / "modules.json").unlink()
    with pytest.raises(EmbedOSError):
        Model("st")
    asked = serve(monkeypatch, MODELS / "st-dense")
    check(Model("st"), "st-dense")
    assert asked


@pytest.mark.parametrize("model", ["bert-torch", "bert-torch-sharded", "bert-sharded"])
def test_weights_of_either_kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str) -> None:
    asked = serve(monkeypatch, MODELS / model)
    check(Model("org/one", cache_folder=str(tmp_path)), model)
    assert len(asked) == (2 if "torch" in model else 1)
    check(Model("org/one", cache_folder=str(tmp_path), local_files_only=True), model)
    assert len(asked) == (2 if "torch" in model else 1)


def test_never_both_kinds_in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Safetensors at the top, torch.save's in a module, everything else that a model brings."""
    both = tmp_path / "both"
    shutil.copytree(MODELS / "st-dense", both)
    shutil.move(both / "2_Dense" / "model.safetensors", tmp_path / "dense")
    for name in ("pytorch_model.bin", "2_Dense/pytorch_model.bin", "onnx/model.onnx", "onnx/config.json"):
        (both / name).parent.mkdir(exist_ok=True)
        (both / name).write_bytes(b"x")
    more = {"spiece.model", "sentencepiece.bpe.model", "vocab.txt", "merges.txt", "vocab.json"}
    more |= {"preprocessor_config.json", "processor_config.json"}
    for name in more:
        (both / name).write_bytes(b"{}")
    serve(monkeypatch, both)
    with pytest.raises(EmbedError):
        Model("org/both", cache_folder=str(tmp_path / "cache"))  # a module of one byte
    found = names(next((tmp_path / "cache").glob("models--org--both/snapshots/*")))
    assert more | {"model.safetensors", "2_Dense/pytorch_model.bin", "1_Pooling/config.json"} <= found
    assert not found & {"pytorch_model.bin", "onnx/model.onnx", "onnx/config.json"}


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
