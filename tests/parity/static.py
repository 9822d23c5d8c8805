"""Makes the frozen static embeddings of tests/data/models/static-*, and compares the library live with
sentence-transformers and (where it is installed) model2vec over texts of every kind.

expected.safetensors has vectors[texts][dim], computed in float64 from the tokenizer's own ids and rounded at
the very end, and counts[texts], the tokens of each.    static.py freeze [FOLDER] | static.py live
"""
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

import command
from models_random import write_json, write_safetensors

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SENTENCE_TRANSFORMERS = "sentence_transformers.models."
MODEL2VEC = {"model_type": "model2vec", "architectures": ["StaticModel"]}


# ---- directories ---------------------------------------------------------------------------------------


def make_tokenizer(kind):
    """Lower-cased words, whole or in pieces, with an unknown token."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "kola", "mune", "so", "ri", "tana", "été"]
    if kind == "WordLevel":
        model = models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]")
    else:
        words += [*LETTERS[:20], *("##" + c for c in LETTERS[:20])]
        model = models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def make_texts():
    """Words and unknown words, none at all, and more than any limit."""
    return ["kola mune", "Kola KOLA tana.", "", " \t ", "zzz", "so zzz ri", "日本 été", "mune " * 40, "été" * 30,
            "a b c d e f g h", "so " * 7 + "kola", "so" + " " * 20 + "kola"]  # fmt: skip


class Static:
    """A directory: its tokenizer, table, mapping and weights, and by whose rules texts are cut."""

    def __init__(self, kind, dtype, shared, own, max_length, normalize, truncation=None):
        random = np.random.RandomState(len(kind) + 7 * shared + own)
        self.tokenizer, self.dtype, self.own, self.max_length = make_tokenizer(kind), dtype, own, max_length
        self.normalize = normalize
        if truncation:
            self.tokenizer.enable_truncation(truncation)
        tokens = self.tokenizer.get_vocab_size()
        table = random.standard_normal((5 if shared else tokens, 7))
        self.table = (table * 40).round() if dtype == "I8" else table.astype("<f2" if dtype == "F16" else "<f4")
        self.mapping = random.randint(0, 5, tokens) if shared else None
        self.weights = random.random_sample(tokens).astype("<f4") if shared else None

    def write(self, folder):
        """All files of it."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        tensors = {"embeddings" if self.own or self.mapping is not None else "embedding.weight": (self.dtype, self.table)}
        if self.mapping is not None:
            tensors |= {"mapping": ("I64", self.mapping), "weights": ("F32", self.weights)}
        write_safetensors(folder / "model.safetensors", tensors)
        if self.own:
            config = {"normalize": self.normalize} | ({"max_length": self.max_length} if self.max_length else {})
            write_json(folder / "config.json", MODEL2VEC | config)
            return
        kinds = [("StaticEmbedding", "")] + [("Normalize", "1_Normalize")] * self.normalize
        write_json(folder / "modules.json", [
            {"idx": i, "name": str(i), "path": path, "type": SENTENCE_TRANSFORMERS + name}
            for i, (name, path) in enumerate(kinds)
        ])  # fmt: skip

    def ids(self, text):
        """Tokens of a text, by the rules of the directory."""
        if self.own:
            limit = self.max_length or 512
            median = int(np.median([len(token) for token in self.tokenizer.get_vocab()]))
            self.tokenizer.enable_truncation(limit)
            text = text[: limit * median]
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        return [i for i in ids if not self.own or i != 1]

    def vector(self, text):
        """The mean of a text's rows in float64."""
        ids = self.ids(text)
        if not ids:
            return np.zeros(7)
        rows = np.float64(self.table)[ids if self.mapping is None else self.mapping[ids]]
        if self.weights is not None:
            rows = rows * np.float64(self.weights)[ids][:, None]
        mean = rows.mean(axis=0)
        return mean / np.linalg.norm(mean) if self.normalize else mean


MODELS = {
    "static-st": Static("WordPiece", "F32", False, False, 0, True),
    "static-st-shared": Static("WordLevel", "F16", True, False, 0, False, truncation=9),
    "static-model2vec": Static("WordPiece", "F16", True, True, 6, True),
    "static-model2vec-i8": Static("WordLevel", "I8", False, True, 0, False),
}


def freeze(root):
    """All of them."""
    texts = make_texts()
    for name, static in MODELS.items():
        static.write(root / name)
        write_safetensors(root / name / "expected.safetensors", {
            "vectors": ("F32", np.stack([static.vector(t) for t in texts])),
            "counts": ("I32", np.array([len(static.ids(t)) for t in texts])),
        })  # fmt: skip
        (root / name / "texts.txt").write_text("".join(t + "\n" for t in texts), encoding="utf-8")


# ---- live --------------------------------------------------------------------------------------------------


def reference_vectors(folder, static, texts):
    """By the package whose rules hold; None: it is not here, or does not take the table's type."""
    if not static.own:
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(str(folder), device="cpu").encode(texts, show_progress_bar=False)
    try:
        import model2vec
    except ImportError:
        return None
    return model2vec.StaticModel.from_pretrained(folder, force_download=False).encode(texts)


def live():
    """Every directory against its package."""
    random, words, good = np.random.RandomState(2), "kola Mune so ri tana été zzz abc deaf 日本 , .".split(), True
    texts = make_texts() + [" ".join(random.choice(words, random.randint(1, 60))) for _ in range(500)]
    for name, static in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder) / name
            static.write(folder)
            found, truth = command.text(folder, texts), reference_vectors(folder, static, texts)
        if truth is None:
            print(f"static: {name}: not run: model2vec is not installed")
            continue
        bar = 2e-3 if static.dtype == "F16" else 2e-6  # the packages round to the table's type
        worst = float((np.abs(np.float64(found) - truth) / max(1, np.abs(truth).max())).max())
        good &= worst <= bar
        print(f"static: {name}: {len(texts)} texts, largest difference {worst:.1e} (bar {bar:.0e}):"
              f" {'PASS' if worst <= bar else 'FAIL'}")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["freeze"]:
        freeze(Path(sys.argv[2] if len(sys.argv) > 2 else "tests/data/models"))
    else:
        sys.exit(live())
