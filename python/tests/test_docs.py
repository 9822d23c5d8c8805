"""Every block of Python in PAGES runs, in order, over the frozen models under the names that the pages use.
A block that imports a package which is not installed is passed over."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from test_plain import DATA, MODELS, PYTHON

NAMES = {
    "sentence-transformers/all-MiniLM-L6-v2": ["bert"],
    "google/vit-base-patch16-224": ["vit"],
    "cross-encoder/ms-marco-MiniLM-L6-v2": ["bert", "bert-classifier"],
}
MODULES = """[
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
]"""
PAGES = ["docs/getting_started.md", "docs/migrating.md", "docs/python.md", "README.md", "python/README.md"]
ROOT = PYTHON.parent


@pytest.mark.parametrize("page", PAGES)
def test_the_page_runs(page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not (ROOT / page).exists():
        pytest.skip("not in the repository")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copy(DATA / "images" / "jpeg-00.jpg", "cat.jpg")
    for name, models in NAMES.items():
        folder = tmp_path / ("models--" + name.replace("/", "--"))
        for model in models:  # later ones over earlier ones
            shutil.copytree(MODELS / model, folder / "snapshots" / "1", dirs_exist_ok=True)
        if name.startswith("sentence-transformers/"):
            (folder / "snapshots" / "1" / "modules.json").write_text(MODULES)
            shutil.copytree(MODELS / "st-dense" / "1_Pooling", folder / "snapshots" / "1" / "1_Pooling")
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text("1")
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text("utf-8"), re.M | re.S)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        try:
            exec(compile(block, page, "exec"), names)
        except ModuleNotFoundError as error:
            assert error.name != "libembed"
