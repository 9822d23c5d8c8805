"""Sentence vectors of the real all-MiniLM-L6-v2 against sentence-transformers, through its own recipe and
through every variation of the module chain that the library implements.

Bars: cosine >= 0.9999999 and largest difference <= 1e-6 after normalisation; quantised vectors are the
same bytes when made from the same floats.    sentence.py [--model DIR] [--only NAME]
"""
import argparse
import ctypes
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

import command
import reference  # noqa: F401  (sets the environment before sentence-transformers is imported)
from models_random import write_json, write_safetensors
from sentence_transformers import SentenceTransformer, util
from sentence_transformers.util import quantize_embeddings

COSINE_BAR, DIFFERENCE_BAR, NORM_BAR, GOLDEN_BAR = 0.9999999, 1e-6, 2e-6, 5e-4
GOLDENS = Path(os.environ.get("TEI_GOLDENS", "../shared/data/goldens/tei/tei_golden.json"))
SIZE = 384

SENTENCES = """The cat sat on the mat and looked out of the window.
A dog is running through the park with a red ball.
Der Zug nach Köln fährt heute zwanzig Minuten später ab.
Où est la gare la plus proche, s'il vous plaît ?
El perro duerme debajo de la mesa de la cocina.
Сегодня вечером будет сильный дождь с грозой.
今日はとても寒いので、家で本を読みます。
北京是一座拥有悠久历史的城市。
오늘 저녁에 친구들과 영화를 볼 거예요.
الطقس جميل اليوم في المدينة القديمة.
मुझे चाय के साथ बिस्कुट पसंद है।
Η θάλασσα ήταν ήρεμη εκείνο το πρωί.
Bugün hava çok güzel, İstanbul'da yürüyüşe çıktık.
Đường phố Hà Nội rất đông vào buổi sáng.
ถนนสายนี้ยาวมาก
Quarterly revenue grew by 12.5% to $3.4 billion, beating estimates.
for (int i = 0; i < n; i++) sum += a[i] * b[i];
SELECT name, count(*) FROM users GROUP BY name HAVING count(*) > 1;
https://example.org/path?query=one&other=two#fragment
I can't believe it's not butter!!! 😀😀 👩‍👩‍👧 🇩🇪
E = mc² and ∑ x_i ≈ 3.14159 ± 0.00001
naïve café résumé coöperate Ångström
ALL CAPITALS WITH ACRONYMS LIKE NASA AND HTTP
[CLS] text with [SEP] special [MASK] tokens [PAD] inside [UNK]
supercalifragilisticexpialidocious antidisestablishmentarianism
x
!
 leading and trailing space 
two   spaces\tand a tab
ﬁ ligature and ｆｕｌｌｗｉｄｔｈ letters
zero\u200bwidth and soft\u00adhyphen and \ufeffmark
e\u0301 combining and \u1100\u1161\u11a8 jamo""".split("\n")


def make_texts(count):
    """Varied texts: those above, empty and blank ones, long ones, and mixtures."""
    random = np.random.RandomState(4)
    texts = SENTENCES + ["", " ", "\n", "\u3000", "word " * 400, "Ein langer Satz. " * 90, "字" * 700]
    while len(texts) < count:
        parts = random.choice(SENTENCES, random.randint(1, 12))
        texts.append(" ".join(parts))
    return texts[:count]


TEXTS = make_texts(320)
SOME = SENTENCES[::2] + ["", " ", "word " * 400]
PAIRS = [(a, b) for a, b in zip(SENTENCES, SENTENCES[1:] + SENTENCES[:1]) if "\t" not in a + b]


# ---- directories -----------------------------------------------------------------------------------


@dataclass
class Case:
    """One comparison. files: what stands in the directory instead of the original's ({path: JSON value,
    tensors, or None for absent}); encode: arguments of encode(); options: those of `embed text`."""

    name: str
    files: dict = field(default_factory=dict)
    encode: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    inputs: list = None
    after: object = None  # applied to the reference's vectors


class Tensors(dict):
    """Weights of a module: {name: float32 array}."""


def make_directory(base, folder, files):
    """A copy of a model directory (by links) with some of its files replaced."""
    for path in base.rglob("*"):
        name = path.relative_to(base)
        if path.is_file() and name.as_posix() not in files and "modules.json" not in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(path.resolve())
        elif path.is_file() and name.as_posix() not in files and len(name.parts) == 1:
            (folder / name).symlink_to(path.resolve())
    for name, value in files.items():
        if isinstance(value, Tensors):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_safetensors(folder / name, {k: ("F32", v) for k, v in value.items()}, {"format": "pt"})
        elif value is not None:
            write_json(folder / name, value)
    return folder


OLD = "sentence_transformers.models."
NEW = {
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "Dense": "sentence_transformers.base.modules.dense.Dense",
    "LayerNorm": "sentence_transformers.sentence_transformer.modules.layer_norm.LayerNorm",
    "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
    "Dropout": "sentence_transformers.sentence_transformer.modules.dropout.Dropout",
}


def chain(*modules, new=False):
    """Files of a module chain after the Transformer: modules are (kind, config, tensors)."""
    kinds = ["Transformer"] + [kind for kind, _, _ in modules]
    types = [NEW[kind] if new else OLD + kind for kind in kinds]
    paths = [""] + [f"{i}_{kind}" for i, (kind, _, _) in enumerate(modules, 1)]
    files = {
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": kind}
            for i, (path, kind) in enumerate(zip(paths, types))
        ]
    }
    for path, (_, config, tensors) in zip(paths[1:], modules):
        if config is not None:
            files[f"{path}/config.json"] = config
        if tensors is not None:
            files[f"{path}/model.safetensors"] = Tensors(tensors)
    return files


def pooling(*modes, include_prompt=None):
    """A 6.x pooling module."""
    config = {"embedding_dimension": SIZE, "pooling_mode": modes[0] if len(modes) == 1 else list(modes)}
    if include_prompt is not None:
        config["include_prompt"] = include_prompt
    return ("Pooling", config, None)


def old_pooling(*active):
    """A 5.x pooling module, every key written."""
    keys = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
    flags = {f"pooling_mode_{key}": key in active for key in keys}
    return ("Pooling", {"word_embedding_dimension": SIZE, **flags}, None)


def dense(rows, columns=SIZE, bias=True, activation="torch.nn.modules.activation.Tanh", **extra):
    """A Dense module with made-up weights. activation None: the key is left out."""
    random = np.random.RandomState(rows + columns)
    config = {"in_features": columns, "out_features": rows, "bias": bias, **extra}
    if activation:
        config["activation_function"] = activation
    tensors = {"linear.weight": random.standard_normal((rows, columns)) / np.sqrt(columns)}
    if bias:
        tensors["linear.bias"] = random.standard_normal(rows) * 0.1
    return ("Dense", config, tensors)


def layer_norm(size=SIZE):
    """A LayerNorm module with made-up weights."""
    random = np.random.RandomState(size)
    weights = {"norm.weight": 1 + 0.3 * random.standard_normal(size), "norm.bias": random.standard_normal(size)}
    return ("LayerNorm", {"dimension": size}, weights)


NORMALIZE = ("Normalize", None, None)
ACTIVATIONS = "torch.nn.modules.activation."


def prompts(values, default=None):
    """config_sentence_transformers.json with prompts."""
    return {"config_sentence_transformers.json": {"prompts": values, "default_prompt_name": default}}


# ---- the cases --------------------------------------------------------------------------------------------


def recipe_cases():
    """The directory's own recipe, with the options of encode()."""
    unit = lambda v: v / np.linalg.norm(v, axis=1, keepdims=True)  # noqa: E731
    spoken = prompts({"query": "search for: ", "empty": "", "passage": "passage: "})
    by_default = prompts({"query": "search for: ", "passage": "passage: "}, "passage")
    return [
        Case("as downloaded", inputs=TEXTS),
        Case("pairs", inputs=PAIRS, options={"pair": True}),
        Case("truncate_dim 64", encode={"truncate_dim": 64}, options={"dim": 64}),
        Case("truncate_dim 64, normalize", encode={"truncate_dim": 64, "normalize_embeddings": True},
             options={"dim": 64, "normalize": True}),
        Case("prompt", spoken, {"prompt_name": "query"}, {"prompt": "query"}),
        Case("empty prompt", spoken, {"prompt_name": "empty"}, {"prompt": "empty"}),
        Case("default prompt", by_default),
        Case("other than the default prompt", by_default, {"prompt_name": "query"}, {"prompt": "query"}),
        Case("prompt and pairs", spoken, {"prompt_name": "query"}, {"prompt": "query", "pair": True}, PAIRS),
        Case("max_seq_length null", {"sentence_bert_config.json": {"max_seq_length": None, "do_lower_case": False}}),
        Case("max_seq_length absent", {"sentence_bert_config.json": None}),
        Case("max_seq_length 20", {"sentence_bert_config.json": {"max_seq_length": 20}}),
        Case("do_lower_case", {"sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": True}}),
        Case("no-normalize", chain(pooling("mean")), {}, {}),
        Case("no-normalize by option", {}, {}, {"no_normalize": True}, after=unit),
    ]  # fmt: skip


def module_cases():
    """Pooling modes in both dialects, and the modules after pooling."""
    modes = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
    old = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
    cases = [Case(f"6.x {mode}", chain(pooling(mode), new=True)) for mode in modes]
    cases += [Case(f"5.x {mode}", chain(old_pooling(mode))) for mode in old]
    spoken = prompts({"query": "search for good answers: "}, "query")
    plain = dense(SIZE, activation=None)
    del plain[2]["linear.bias"]
    plain[1]["bias"] = False
    return cases + [
        Case("6.x list in its order", chain(pooling("lasttoken", "cls", "mean"), new=True)),
        Case("5.x two modes", chain(old_pooling("max_tokens", "cls_token"))),
        Case("5.x no mode", chain(old_pooling())),
        Case("5.x keys absent", chain(("Pooling", {"word_embedding_dimension": SIZE}, None))),
        Case("5.x only cls written",
             chain(("Pooling", {"word_embedding_dimension": SIZE, "pooling_mode_cls_token": True}, None))),
        *[Case(f"without the prompt, {mode}", chain(pooling(mode, include_prompt=False)) | spoken) for mode in modes],
        Case("without the prompt, none given", chain(pooling("mean", include_prompt=False))),
        Case("Dense Tanh", chain(pooling("mean"), dense(128))),
        Case("Dense default activation", chain(pooling("mean"), dense(500, activation=None), NORMALIZE)),
        Case("Dense Identity, no bias", chain(pooling("mean"), dense(
            96, bias=False, activation="torch.nn.modules.linear.Identity"), NORMALIZE)),
        Case("Dense no bias, default activation", chain(pooling("mean"), plain)),
        *[Case(f"Dense {name}", chain(pooling("cls"), dense(70, activation=ACTIVATIONS + name)))
          for name in ("ReLU", "GELU", "Sigmoid", "SiLU")],
        Case("two Dense", chain(pooling("mean"), dense(700, activation="torch.nn.modules.linear.Identity"),
                                dense(33, 700), NORMALIZE, new=True)),
        Case("LayerNorm", chain(pooling("mean"), layer_norm(), new=True)),
        Case("LayerNorm, Dense, Normalize", chain(pooling("mean", "max"), layer_norm(2 * SIZE),
                                                  dense(40, 2 * SIZE), NORMALIZE)),
        Case("Dropout", chain(pooling("mean"), ("Dropout", {"dropout": 0.3}, None), NORMALIZE)),
    ]  # fmt: skip


# ---- one case -----------------------------------------------------------------------------------------------


def load(folder):
    """The reference's model, in float32."""
    return SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})


def normalized(vectors):
    """Rows in float64 over their length."""
    wide = np.asarray(vectors, np.float64)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)


def figures(found, truth):
    """(smallest cosine, largest difference after normalisation, largest relative difference of lengths)."""
    a, b = normalized(found), normalized(truth)
    lengths = np.linalg.norm(np.float64(found), axis=1), np.linalg.norm(np.float64(truth), axis=1)
    return (a * b).sum(axis=1).min(), np.abs(a - b).max(), np.abs(lengths[0] / lengths[1] - 1).max()


def check_case(case, base):
    """Run one case; True if it holds."""
    inputs = SOME if case.inputs is None else case.inputs
    with tempfile.TemporaryDirectory() as temporary:
        folder = make_directory(base, Path(temporary), case.files) if case.files else base
        truth = load(folder).encode([list(i) if isinstance(i, tuple) else i for i in inputs],
                                    batch_size=4, show_progress_bar=False, **case.encode)  # fmt: skip
        truth = case.after(truth) if case.after else truth
        lines = ["\t".join(i) if isinstance(i, tuple) else i for i in inputs]
        found = command.text(folder, lines, **case.options)
    if case.after:
        found = case.after(found)
    if found.dtype != np.float32 or found.shape != truth.shape:
        print(f"{case.name:36} FAILS: {found.dtype} {found.shape}, expected {truth.shape}")
        return False
    cosine, difference, length = figures(found, truth)
    good = cosine >= COSINE_BAR and difference <= DIFFERENCE_BAR and length <= NORM_BAR
    print(f"{case.name:36} {len(inputs):4} inputs: 1 - cosine {1 - cosine:8.1e}  difference {difference:7.1e}"
          f"  length {length:7.1e}{'' if good else '  FAILS'}", flush=True)  # fmt: skip
    return good


# ---- other outputs ----------------------------------------------------------------------------------------


def report(name, good, text=""):
    """One line; returns good."""
    print(f"{name:36} {text}{'' if good else '  FAILS'}", flush=True)
    return bool(good)


def check_quantisation(base):
    """Every precision from the command equals quantize_embeddings of the command's own floats."""
    floats = command.text(base, SOME)
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        ranges = Path(temporary) / "ranges.npy"
        np.save(ranges, np.stack([floats[:20].min(axis=0), floats[:20].max(axis=0)]))
        for precision in ("int8", "uint8", "binary", "ubinary"):
            truth = quantize_embeddings(floats, precision)
            found = command.text(base, SOME, precision=precision)
            good &= report(f"precision {precision}", found.dtype == truth.dtype and np.array_equal(found, truth))
            if "int8" in precision:
                truth = quantize_embeddings(floats, precision, ranges=np.load(ranges))
                found = command.text(base, SOME, precision=precision, ranges=ranges)
                good &= report(f"precision {precision}, ranges", np.array_equal(found, truth))
    return good


def check_token_embeddings(base):
    """Token vectors, and their number, against output_value="token_embeddings"."""
    truth = [t.numpy() for t in load(base).encode(SOME, output_value="token_embeddings", batch_size=4)]
    found = command.hidden_of_texts(base, SOME)
    worst = 0.0
    for row, tokens in enumerate(truth):
        if found[row, len(tokens) :].any():
            return report("token embeddings", False, f"text {row}: more tokens than {len(tokens)}")
        worst = max(worst, figures(found[row, : len(tokens)], tokens)[1])
    return report("token embeddings", worst <= DIFFERENCE_BAR, f"difference {worst:.1e}")


def check_too_many_numbers(base):
    """More numbers than there are is an error here; the reference gives what there is."""
    try:
        command.text(base, SOME[:1], dim=SIZE + 1)
    except command.CommandError as error:
        return report("dim over the size", "expected 1 to 384" in str(error), "refused")
    return report("dim over the size", False, "not refused")


def check_no_texts(base):
    """No texts give (0, dim)."""
    return report("no texts", command.text(base, []).shape == (0, SIZE))


def check_goldens(base):
    """Published vectors of another server, whose GELU is an approximation."""
    if not GOLDENS.is_file():
        print(f"{'published vectors':36} not here: {GOLDENS}")
        return True
    good = True
    for golden in json.loads(GOLDENS.read_text()):
        if golden["model"] != "sentence-transformers/all-MiniLM-L6-v2":
            continue
        truth, texts = np.array(golden["embeddings"]), golden["texts"]
        if golden["pooling"].startswith("none"):
            padded = command.hidden_of_texts(base, texts)
            found = np.concatenate([h[h.any(axis=1)] for h in padded])
        else:
            found = command.text(base, texts, pool=golden["pooling"], no_normalize=True)
        difference = figures(found, truth)[1] if found.shape == truth.shape else np.inf
        good &= report(f"published {golden['snapshot']}", difference <= GOLDEN_BAR, f"difference {difference:.1e}")
    return good


def check_similarity():
    """The four similarity functions of the shared library against sentence-transformers' own."""
    libraries = sorted(Path(command.EMBED).parent.glob("libembed.so*")) or sorted(
        Path(command.EMBED).parent.glob("libembed*.dylib"))  # fmt: skip
    if not libraries:
        print(f"{'similarity':36} not run: no shared library beside {command.EMBED}")
        return True
    library = ctypes.CDLL(str(libraries[0].resolve()))
    random = np.random.RandomState(8)
    a, b = (random.standard_normal((n, 50)).astype(np.float32) for n in (7, 5))
    pointer = lambda x: x.ctypes.data_as(ctypes.POINTER(ctypes.c_float))  # noqa: E731
    good = True
    functions = (util.cos_sim, util.dot_score, util.euclidean_sim, util.manhattan_sim)
    for number, function in enumerate(functions, 1):
        scores = np.empty((7, 5), np.float32)
        status = library.embed_similarity(ctypes.c_int32(number), pointer(a), ctypes.c_int64(7), pointer(b),
                                          ctypes.c_int64(5), ctypes.c_int64(50), pointer(scores))  # fmt: skip
        difference = np.abs(scores - function(a, b).numpy()).max()
        good &= report(f"similarity {function.__name__}", status == 0 and difference <= 2e-5, f"{difference:.1e}")
    return good


# ---- main ----------------------------------------------------------------------------------------------------


def find_model(given):
    """The directory of all-MiniLM-L6-v2."""
    for path in (given, os.environ.get("EMBED_MODEL"), "build/models/all-MiniLM-L6-v2"):
        if path:
            return Path(path)


def main():
    """Every case, then the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model")
    parser.add_argument("--only", help="cases whose name contains this")
    args = parser.parse_args()
    base = find_model(args.model)
    if not (base / "config.json").is_file():
        print(f"sentence: {base}: no model there (make demo fetches it, or set EMBED_MODEL)")
        return 1
    checks = {case.name: lambda case=case: check_case(case, base) for case in recipe_cases() + module_cases()}
    checks |= {
        "precision": lambda: check_quantisation(base),
        "token embeddings": lambda: check_token_embeddings(base),
        "dim over the size": lambda: check_too_many_numbers(base),
        "no texts": lambda: check_no_texts(base),
        "published vectors": lambda: check_goldens(base),
        "similarity": check_similarity,
    }
    failed = []
    for name, check in checks.items():
        if args.only and args.only not in name:
            continue
        try:
            good = check()
        except Exception as error:  # the verdict names every failing case, not the first alone
            good = report(name, False, f"{type(error).__name__}: {str(error)[:300]}")
        failed += [] if good else [name]
    print(f"sentence: {len(checks)} checks, {len(failed)} failed: {'FAIL: ' + ', '.join(failed) if failed else 'PASS'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
