"""The package over the frozen models of tests/data. Python, NumPy and the library are all it needs:

python3 python/tests/test_plain.py      or with pytest
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import pickle
import shutil
import struct
import sys
import tempfile
import threading
import warnings
from functools import partial
from pathlib import Path
from typing import Any, Callable

import numpy as np

PYTHON = Path(__file__).resolve().parent.parent
if importlib.util.find_spec("libembed") is None:  # not installed: this folder's
    sys.path.insert(0, str(PYTHON))

import libembed  # noqa: E402
from libembed import CrossEncoder, Model, recipes  # noqa: E402

DATA = PYTHON.parent / "tests" / "data"
MODELS = DATA / "models"
STATES = ["hidden.0", "hidden.1", "hidden.2"]


def load(name: str, **keywords: Any) -> Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Model(MODELS / name, threads=2, **keywords)


def expected(name: str) -> dict[str, Any]:
    """The frozen tensors of a model: what the reference gave."""
    data = (MODELS / name / "expected.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    types = {"F32": np.float32, "I32": np.int32, "I64": np.int64}
    found = {}
    for key, tensor in json.loads(data[8 : 8 + size]).items():
        if key != "__metadata__":
            begin, end = (8 + size + offset for offset in tensor["data_offsets"])
            array: Any = np.frombuffer(data[begin:end], types[tensor["dtype"]])
            found[key] = array.reshape(tensor["shape"])
    return found


def texts(name: str = "bert") -> list[str]:
    return (MODELS / name / "texts.txt").read_text(encoding="utf-8").split("\n")[:-1]


def pairs(name: str = "bert") -> list[tuple[str, str]]:
    lines = (MODELS / name / "pairs.txt").read_text(encoding="utf-8").split("\n")[:-1]
    return [(a, b) for a, b in (line.split("\t") for line in lines)]


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=2e-5)


def as_any(value: Any) -> Any:
    """For arguments that are wrong on purpose."""
    return value


def raises(kind: Any, call: Callable[[], Any], part: str = "") -> BaseException:
    try:
        call()
    except kind as error:
        assert part in str(error), f"{part!r} is not in {str(error)!r}"
        return error  # type: ignore[no-any-return]
    raise AssertionError(f"{kind} was not raised")


# ---- Vectors of texts


def test_poolings_and_hidden_states_are_those_of_the_reference() -> None:
    model, frozen = load("bert"), expected("bert")
    inputs = texts() + pairs()
    for pooling in ("cls", "mean", "max", "last", "weighted", "sqrt_len"):
        close(model.encode(inputs, pooling=pooling, modules=False), frozen[f"pool.{pooling}"])
    close(model.encode(inputs, pooling="pooler"), frozen["pooler"])
    bounds = list(zip(frozen["offsets"], frozen["offsets"][1:]))
    for layer, name in enumerate(STATES):
        rows = model.encode(inputs, output_value="token_embeddings", layer=layer)
        for row, (begin, end) in zip(rows, bounds):
            close(row, frozen[name][begin:end])
    assert [len(row) for row in rows] == [end - begin for begin, end in bounds]


def test_modules_prompts_and_similarity_are_the_models_own() -> None:
    model, frozen = load("st-list"), expected("st-list")
    close(model.encode(texts("st-list") + pairs("st-list")), frozen["sentence"])
    close(model.encode(texts("st-list")), frozen["prompt.long"])
    close(model.encode_query(texts("st-list")), frozen["prompt.query"])
    close(model.encode(texts("st-list"), prompt_name="query"), frozen["prompt.query"])
    close(model.encode_document(texts("st-list"), prompt="mu ne "), frozen["prompt.query"])
    passages = load("st-list", prompts={"passage": "mu ne ", "document": "so ri ta. "})
    close(passages.encode_document(texts("st-list")), frozen["prompt.long"])
    del passages.prompts["document"]
    close(passages.encode_document(texts("st-list")), frozen["prompt.query"])
    assert model.prompts["query"] == "mu ne " and model.default_prompt_name == "long"
    assert model.similarity_fn_name == "cosine"
    assert model.get_sentence_embedding_dimension() == 12
    assert model.get_word_embedding_dimension() == 20


def test_one_input_is_one_vector_and_nothing_is_nothing() -> None:
    model = load("bert")
    many, one = model.encode(["nari ge", "bu"]), model.encode("nari ge")
    assert many.shape == (2, 20) and one.shape == (20,) and one.dtype == np.float32
    assert np.array_equal(many[0], one)
    assert np.array_equal(model.encode(("nari ge", "bu")), many)
    assert np.array_equal(model.encode(np.array(["nari ge", "bu"])), many)
    assert np.array_equal(model.encode(text for text in ["nari ge", "bu"]), many)
    assert np.array_equal(model.encode(sentences=["nari ge", "bu"]), many)
    assert np.array_equal(model.encode([{"text": "nari ge"}, {"text": "bu"}]), many)
    assert isinstance(model.encode(["nari ge"], convert_to_numpy=False), list)
    assert model.encode([]).shape == (0,)
    assert model.encode([], precision="int8").shape == (0,)
    assert model.encode([], output_value="token_embeddings") == []
    assert model.last_hidden_state([]).shape == (0, 0, 20)


def test_token_ids_are_inputs_too() -> None:
    model = load("bert")
    ids = [model.tokens(text).ids for text in texts()]
    assert np.array_equal(model.encode([i.tolist() for i in ids]), model.encode(texts()))
    assert np.array_equal(model.encode(ids + texts())[: len(ids)], model.encode(texts()))
    raises(ValueError, lambda: model.encode([[1, 2, 1 << 40]]))


def test_last_hidden_state_is_padded_with_zeros() -> None:
    model = load("bert")
    hidden = model.last_hidden_state(texts())
    rows = model.encode(texts(), output_value="token_embeddings")
    assert hidden.shape == (len(rows), max(map(len, rows)), 20)
    for padded, row in zip(hidden, rows):
        assert np.array_equal(padded[: len(row)], row) and not padded[len(row) :].any()
    assert np.array_equal(model.last_hidden_state(texts()[0]), rows[0])
    assert np.array_equal(model.last_hidden_state(texts(), layer=-1), hidden)
    assert np.array_equal(model.last_hidden_state(texts(), layer=-3), model.last_hidden_state(texts(), layer=0))
    raises(ValueError, lambda: model.last_hidden_state("a", layer=3))
    raises(ValueError, lambda: model.last_hidden_state("a", layer=-4))


def test_everything_of_an_input() -> None:
    model = load("bert")
    found = model.encode(["nari ge", ("bu", "ge")], output_value=None)
    for item, features in zip(["nari ge", ("bu", "ge")], found):
        assert np.array_equal(features["sentence_embedding"], model.encode([item])[0])
        assert features["input_ids"].shape == features["attention_mask"].shape
        assert len(features["token_embeddings"]) == len(features["input_ids"])
    assert found[1]["token_type_ids"].any()


def test_truncation_and_normalisation() -> None:
    model = load("bert")
    full = model.encode(texts())
    assert np.array_equal(model.encode(texts(), truncate_dim=5), full[:, :5])
    assert np.array_equal(model.encode(texts(), truncate_dim=500), full)
    unit = model.encode(texts(), truncate_dim=5, normalize_embeddings=True)
    close(np.linalg.norm(unit, axis=1), np.ones(len(unit)))
    with model.truncate_embeddings(5):
        assert model.get_embedding_dimension() == 5
        assert np.array_equal(model.encode(texts()), full[:, :5])
    assert np.array_equal(model.encode(texts()), full)
    assert load("bert", truncate_dim=5).encode("bu").shape == (5,)
    raises(ValueError, lambda: model.encode("bu", truncate_dim=0))

    assert model.max_seq_length and model.max_seq_length > 6
    model.max_seq_length = 6
    assert max(map(len, model.encode(texts(), output_value="token_embeddings"))) == 6
    assert model.tokenize(texts())["input_ids"].shape[1] == 6
    raises(ValueError, lambda: model.encode(texts(), truncation=False))


def test_precisions() -> None:
    model = load("bert")
    x = model.encode(texts())
    low, high = x.min(axis=0), x.max(axis=0)
    step = (high - low) / np.float32(255)
    whole = np.clip(np.floor((x - low) / np.where(step == 0, 1, step)), 0, 255)
    bits = np.packbits(x > 0, axis=1)
    wanted = {
        "uint8": whole.astype(np.uint8),
        "int8": (whole - 128).astype(np.int8),
        "ubinary": bits,
        "binary": (bits.astype(np.int16) - 128).astype(np.int8),
    }
    for precision, expected_bytes in wanted.items():
        found = model.encode(texts(), precision=as_any(precision))
        assert found.dtype == expected_bytes.dtype and np.array_equal(found, expected_bytes)
        assert np.array_equal(libembed.quantize_embeddings(x, precision), expected_bytes)
    ranges = np.stack([low, high])
    one = model.encode(texts()[0], precision="int8", ranges=ranges)
    assert np.array_equal(one, wanted["int8"][0])
    assert np.array_equal(
        libembed.quantize_embeddings(x[:1], "int8", calibration_embeddings=x), wanted["int8"][:1]
    )
    matrices = libembed.quantize_embeddings([x[:2], x[2:]], "int8")
    assert np.array_equal(np.concatenate(matrices), wanted["int8"])
    raises(ValueError, lambda: model.encode("bu", precision="int8"), "ranges")
    raises(ValueError, lambda: model.encode("bu", precision=as_any("int4")), "int4")


def test_similarities() -> None:
    model = load("bert")
    a, b = model.encode(texts()), model.encode(texts())[::-1]
    for name in ("cosine", "dot", "euclidean", "manhattan"):
        model.similarity_fn_name = name
        scores = model.similarity(a, b[:2])
        assert scores.shape == (len(a), 2) and scores.dtype == np.float32
        assert np.array_equal(model.similarity_pairwise(a[:2], b[:2]), np.diag(scores[:2]))
    close(scores, -np.abs(a[:, None] - b[None, :2]).sum(axis=2))
    assert model.similarity(a[0], list(b)).shape == (1, len(b))
    raises(ValueError, lambda: setattr(model, "similarity_fn_name", "jaccard"), "jaccard")
    raises(ValueError, lambda: model.similarity(a, b[:, :3]), "width")


# ---- Tokens


def test_offsets_are_characters() -> None:
    model = load("bert")
    text = "né 日本 nari ge"
    tokens = model.tokens(text)
    assert len(tokens) == len(tokens.ids) == len(tokens.tokens)
    assert tokens.tokens[0] == "[CLS]" and tokens.word_ids[0] == tokens.sequence_ids[0] == -1
    words: dict[int, str] = {}
    for (begin, end), word in zip(tokens.offsets, tokens.word_ids):
        if word >= 0:
            words[int(word)] = words.get(int(word), "") + text[begin:end]
    assert list(words.values()) == ["né", "日", "本", "nari", "ge"]
    pair = model.tokens("日 ge", "é bu")
    second = pair.sequence_ids == 1
    assert ["é bu"[b:e] for b, e in pair.offsets[second]] == ["é", "bu"] or second.any()
    assert (pair.offsets[second] <= len("é bu")).all()
    assert model.token_id(tokens.tokens[-1]) == tokens.ids[-1]
    assert model.token_id("no such token") is None
    raises(ValueError, lambda: model.token_text(1 << 20))
    raises(TypeError, lambda: model.tokens(5))  # type: ignore[arg-type]
    assert len(model.tokens("nari ge", add_special_tokens=False)) < len(model.tokens("nari ge"))


def test_offsets_of_parts_of_a_character() -> None:
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printed]
    names = [*map(chr, printed), *(chr(256 + i) for i in range(len(others)))]
    tokenizer = {
        "version": "1.0",
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
        "model": {"type": "BPE", "vocab": {name: i for i, name in enumerate(names)}, "merges": []},
    }
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokens = Model(folder, encoder=False).tokens("a日é")
    assert tokens.offsets.tolist() == [[0, 1], *[[1, 2]] * 3, *[[2, 3]] * 2]


def test_offsets_do_not_count_the_prompt() -> None:
    model = load("st-list")
    tokens = model.tokens("ge bu", prompt="so ri ")
    spans = {("ge bu"[b:e]) for b, e in tokens.offsets if e > b}
    assert "ge" in spans or "g" in spans
    assert (tokens.offsets <= len("ge bu")).all()


def test_tokenize_pads() -> None:
    model = load("bert")
    found = model.tokenize(["nari ge bu", "bu", ("a", "b")])
    assert set(found) == {"input_ids", "token_type_ids", "attention_mask"}
    lengths = found["attention_mask"].sum(axis=1)
    for row, (text, length) in enumerate(zip([("nari ge bu",), ("bu",), ("a", "b")], lengths)):
        assert np.array_equal(found["input_ids"][row, :length], model.tokens(*text).ids)
        assert (found["input_ids"][row, length:] == model.token_id("[PAD]")).all()


# ---- Errors


def test_errors_are_exceptions_with_a_sentence() -> None:
    model = load("bert")
    for wrong in (5, ["bu", 5], [None], None, [["a", "b", "c"]], [[]], [1.5], object()):
        raises(TypeError, partial(model.encode, wrong), "expected a text")
    error = raises(TypeError, lambda: model.encode(b"GIF89a"), "images")
    assert isinstance(error, libembed.EmbedError) and error.status == -10
    raises(OSError, lambda: Model("/no/such/folder"), "/no/such/folder")
    raises(ValueError, lambda: Model(MODELS / "bert", gemm="mkl"), "mkl")
    raises(ValueError, lambda: Model(MODELS / "bert", isa="mmx"), "mmx")
    raises(ValueError, lambda: Model(MODELS / "bert", device="cuda"), "cuda")
    raises(TypeError, lambda: Model(MODELS / "bert", speed=1), "speed")  # type: ignore[call-arg]
    raises(libembed.EmbedModelError, lambda: Model.from_bytes(b"not a model"))
    raises(ValueError, lambda: model.encode("bu", prompt_name="nope"), "nope")
    raises(ValueError, lambda: model.encode("bu", batch_size=0), "batch_size")
    raises(ValueError, lambda: model.encode("bu", pooling="median"), "median")
    raises(TypeError, lambda: model.encode("bu", colour="red"), "colour")
    raises(TypeError, lambda: model.encode("bu", prompt=as_any(5)), "prompt")
    raises(ValueError, lambda: model.encode("\ud800"))
    raises(ValueError, lambda: load("bert", default_prompt_name="nope"), "nope")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and str(copy) == str(error) and copy.status == error.status
    assert model.encode("bu").shape == (20,)


def test_what_a_callback_raises_comes_out() -> None:
    model = load("bert", batch_tokens=64)

    def stop(done: int, total: int) -> None:
        raise LookupError(f"{done} of {total}")

    raises(LookupError, lambda: model.encode(texts() * 50, progress=stop), f"of {50 * len(texts())}")
    raises(LookupError, lambda: load("vit").encode([b"no image"], failed=lambda *_: stop(0, 1)))
    assert len(model.encode(texts() * 50)) == 50 * len(texts())


def test_progress() -> None:
    model, told = load("bert", batch_tokens=64), []
    inputs = texts() * 20
    model.encode(inputs, progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted({done for done, _ in told}) and len(told) > 1
    assert {total for _, total in told} == {len(inputs)}
    written = io.StringIO()
    with contextlib.redirect_stderr(written):
        model.encode(inputs, show_progress_bar=True)
    assert f"{len(inputs)}/{len(inputs)}" in written.getvalue() and written.getvalue()[-1] == "\n"
    with contextlib.redirect_stderr(io.StringIO()) as silent:
        model.encode(inputs)
    assert not silent.getvalue()


def test_warnings_of_a_model_are_pythons() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        Model(MODELS / "bert-classifier")
    assert any("tokenizer" in str(warning.message) for warning in seen)


# ---- Images


def test_images_of_every_form() -> None:
    model, frozen = load("vit"), expected("vit")
    paths = [DATA / "images" / name for name in ("bmp-00.bmp", "png-00.png")]
    vectors = model.encode(paths)
    assert vectors.shape == (2, 15)
    assert np.array_equal(model.encode([str(path) for path in paths]), vectors)
    assert np.array_equal(model.encode([path.read_bytes() for path in paths]), vectors)
    assert np.array_equal(model.encode(paths[0]), vectors[0])
    pixels = model.pixel_values(paths)
    assert pixels.ndim == 4 and pixels.dtype == np.float32
    assert np.array_equal(model.pixel_values(paths[1]), pixels[1])
    assert np.array_equal(model.encode(pixels), vectors)
    assert np.array_equal(model.encode(list(pixels)), vectors)
    assert model.last_hidden_state(paths).shape[0] == 2
    count = int(np.prod(frozen["sizes"][0])) * 3
    frozen_pixels = frozen["pixels"][:count].reshape(1, 3, *frozen["sizes"][0])
    native = int(frozen["native"][0])
    if native == 1:
        close(model.encode(frozen_pixels, pooling="mean_all")[0], frozen["pool.mean_all"][0])


def test_arrays_are_pixels() -> None:
    model = load("vit")
    random = np.random.default_rng(1)
    rgb = random.integers(0, 256, (20, 30, 3), np.uint8)
    vector = model.encode(rgb)
    assert vector.shape == (15,)
    padded = np.zeros((20, 40, 3), np.uint8)
    padded[:, :30] = rgb
    assert np.array_equal(model.encode(padded[:, :30]), vector)
    assert np.array_equal(model.encode(rgb.transpose(2, 0, 1)), vector)
    assert np.array_equal(model.encode(np.dstack([rgb, rgb[:, :, :1]])), vector)
    assert np.array_equal(model.encode(rgb[::-1]), model.encode(rgb[::-1].copy()))
    grey = rgb[:, :, 0]
    assert np.array_equal(model.encode(grey), model.encode(np.dstack([grey] * 3)))
    assert np.array_equal(model.encode(np.stack([rgb, rgb]))[1], vector)
    raises(TypeError, lambda: model.encode(rgb.astype(np.float64)), "float64")
    raises(TypeError, lambda: model.encode(np.zeros((5, 6, 7), np.uint8)))
    raises(TypeError, lambda: model.encode([5]))


def test_an_image_that_cannot_be_read_keeps_its_place() -> None:
    model, told = load("vit"), []
    good = DATA / "images" / "bmp-00.bmp"
    vectors = model.encode([good, b"nothing", good], failed=lambda i, e: told.append((i, e)))
    assert np.isnan(vectors[1]).all() and np.array_equal(vectors[0], vectors[2])
    assert [i for i, _ in told] == [1] and isinstance(told[0][1], libembed.EmbedError)
    raises(ValueError, lambda: model.encode([good, b"nothing"]))
    raises(ValueError, lambda: model.encode(b""))
    raises(OSError, lambda: model.encode([good, "no such file"]))
    told.clear()
    hidden = model.last_hidden_state([good, b"nothing"], failed=lambda i, e: told.append((i, e)))
    assert len(told) == 1 and np.isnan(hidden[1]).all()
    told.clear()
    bert = load("bert", max_text_bytes=1 << 10)
    bert.max_seq_length = 6
    hidden = bert.last_hidden_state(
        ["bu", "ge " * 20], truncation=False, failed=lambda i, e: told.append((i, e))
    )
    assert [i for i, _ in told] == [1] and np.isnan(hidden[1]).all()


def test_two_towers() -> None:
    model = load("clip")
    image = DATA / "images" / "bmp-00.bmp"
    ids = [3, 4, 5]
    mixed = model.encode([image, ids, image], pooling="projection")
    assert np.array_equal(mixed[0], mixed[2]) and mixed.shape == (3, 6)
    assert np.array_equal(mixed[1], model.encode([ids], pooling="projection")[0])
    assert model.encode(image).shape == (6,)


# ---- Recipes and cross-encoders


def test_recipes() -> None:
    model = load("bert")
    hidden = model.last_hidden_state(texts())
    assert np.array_equal(recipes.text_classification(model, texts()), hidden[:, 0])
    vectors = model.encode(texts())
    assert np.array_equal(recipes.sentence_similarity(model, texts()), model.similarity(vectors, vectors))
    text = "né 日本 nari ge"
    found = recipes.named_entities(model, text, [(3, 4), (0, len(text))])
    tokens, rows = model.tokens(text), model.last_hidden_state(text)
    at = [i for i, (b, e) in enumerate(tokens.offsets) if (b, e) == (3, 4)]
    close(found[0], rows[at].mean(axis=0))
    close(found[1], rows[1:-1].mean(axis=0))
    raises(ValueError, lambda: recipes.named_entities(model, text, [(2, 3)]), "span")
    vit, image = load("vit"), DATA / "images" / "bmp-00.bmp"
    close(recipes.image_retrieval(vit, [image])[0], vit.last_hidden_state(image).mean(axis=0))


def test_long_texts() -> None:
    model, long = load("bert"), "nari ge bu zesafa fotibu " * 10
    assert not np.array_equal(model.encode(long, long_texts="windows"), model.encode(long))
    wide = model.encode(long, long_texts="windows", stride=4)
    assert not np.array_equal(wide, model.encode(long, long_texts="windows"))
    assert np.array_equal(model.encode("bu", long_texts="windows"), model.encode("bu"))
    raises(ValueError, lambda: model.encode(long, long_texts="refuse"), "tokens")
    raises(ValueError, lambda: model.encode(long, long_texts="fold"), "fold")


def test_late_chunking() -> None:
    model, text = load("bert"), "né 日本 nari ge"
    rows, tokens = model.last_hidden_state(text), model.tokens(text)
    found = model.encode_spans(text, [(0, 5), (5, len(text))])
    for vector, (begin, end) in zip(found, [(0, 5), (5, len(text))]):
        inside = [begin < e <= end for _, e in tokens.offsets]
        close(vector, rows[inside].mean(axis=0))
    assert np.array_equal(recipes.late_chunking(model, text, [(0, 5)]), found[:1])
    assert model.encode_spans(text, []).shape == (0, 20)
    assert model.encode_spans(text, [(0, 5)], truncate_dim=3).shape == (1, 3)
    raises(ValueError, lambda: model.encode_spans(text, [(0, 99)]), "characters")
    raises(ValueError, lambda: model.encode_spans(text, [(2, 2)]))
    told: list[int] = []
    lost = model.encode_spans(text, [(2, 2), (0, 5)], failed=lambda i, e: told.append(i))
    assert told == [0] and np.isnan(lost[0]).all() and np.array_equal(lost[1], found[0])


def test_rows_of_tables() -> None:
    columns, row = ["age", "work_class"], [39, " privé "]
    text = "The age is 39. The work class is privé."
    assert libembed.row_prompt(columns, row) == text
    assert libembed.row_prompt([], []) == ""
    assert libembed.label_prompt("positive") == " The classification label is positive. "
    model = load("bert")
    assert np.array_equal(recipes.rows_of_tables(model, columns, [row]), model.encode([text]))


def test_cross_encoder() -> None:
    classifier, frozen = load("bert-classifier"), expected("bert-classifier")
    bounds = list(zip(frozen["offsets"], frozen["offsets"][1:]))
    ids = [frozen["ids"][begin:end] for begin, end in bounds]
    close(classifier.encode(ids, pooling="scores", modules=False), frozen["logits"])

    with tempfile.TemporaryDirectory() as folder:  # its weights, and the tokenizer of another
        for name in ("bert", "bert-classifier"):
            shutil.copytree(MODELS / name, folder, dirs_exist_ok=True)
        model = CrossEncoder(folder)
        assert model.num_labels == 1 and model.max_length == 24
        scores = model.predict(pairs())
        assert scores.shape == (len(pairs()),) and scores.dtype == np.float32
        assert model.predict(pairs()[0]) == model.predict(list(pairs()[0])) == scores[0]
        logits = model.predict(pairs(), activation_fn=lambda x: x)
        close(1 / (1 + np.exp(-logits)), scores)
        assert model.predict([]).shape == (0,)
        documents = ["nari ge", "bu", "zumba pute"]
        ranking = model.rank("ge", documents, return_documents=True)
        by_score = sorted(model.predict([("ge", text) for text in documents]), reverse=True)
        assert [x["score"] for x in ranking] == by_score
        assert [x["text"] for x in ranking] == [documents[x["corpus_id"]] for x in ranking]
        assert model.rank("ge", documents, top_k=1)[0]["corpus_id"] == ranking[0]["corpus_id"]
        raises(TypeError, lambda: model.predict(["one text"]), "pair")
        raises(TypeError, lambda: model.predict([("a", "b", "c")]), "pair")


# ---- Processes and threads


def test_pickling_goes_by_path() -> None:
    here = os.getcwd()
    os.chdir(MODELS)
    try:
        model = Model("st-list", weights="bf16", threads=1, token="secret")
    finally:
        os.chdir(here)
    model.max_seq_length, model.truncate_dim = 7, 6
    model.similarity_fn_name = "dot"
    model.prompts["mine"] = "mu "
    data = pickle.dumps(model)
    assert len(data) < 2000 and b"secret" not in data
    copy = pickle.loads(data)
    assert np.array_equal(copy.encode(texts(), prompt_name="mine"), model.encode(texts(), prompt_name="mine"))
    assert copy.max_seq_length == 7 and copy.similarity_fn_name == "dot"
    assert copy.description["weights"] == "bf16"


def test_a_model_from_memory() -> None:
    data = (MODELS / "st-dense" / "single.safetensors").read_bytes()
    model = Model.from_bytes(data, threads=1)
    assert np.array_equal(model.encode(texts("st-dense")), load("st-dense").encode(texts("st-dense")))
    raises(TypeError, lambda: pickle.dumps(model), "memory")


def test_many_threads_at_once() -> None:
    model = load("bert", batch_tokens=64)
    wanted = model.encode(texts() * 20)
    wrong: list[Any] = []

    def work() -> None:
        for _ in range(5):
            if not np.array_equal(model.encode(texts() * 20), wanted):
                wrong.append("vectors")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_forked_child_can_encode() -> None:
    if not hasattr(os, "fork"):
        return
    model = load("bert")
    wanted = model.encode(texts())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        same = np.array_equal(model.encode(texts()), wanted)
        del model
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_versions_agree() -> None:
    assert libembed.__version__ == libembed.version()
    assert libembed.isa() in libembed.build_info()


def main() -> int:
    """What pytest would do, without it."""
    tests = [(n, t) for n, t in globals().items() if n.startswith("test_")]
    for name, test in tests:
        print(name, flush=True)
        test()
    print(f"{len(tests)} tests passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
