"""Model.encode beside SentenceTransformer.encode over the same calls, on a real model: EMBED_MODEL, the
directory of all-MiniLM-L6-v2. Skipped where sentence-transformers or the model is missing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from libembed import Model, quantize_embeddings

st = pytest.importorskip("sentence_transformers")
torch = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parent.parent.parent
MODEL = Path(os.environ.get("EMBED_MODEL") or ROOT / "build" / "models" / "all-MiniLM-L6-v2")
if not (MODEL / "modules.json").exists():
    pytest.skip(f"{MODEL}: no model", allow_module_level=True)

TEXTS = [
    "A cat is sleeping on the sofa.",
    "",
    "The weather is lovely today!",
    "  leading and trailing white space \n",
    "Ünïcödé, 日本語 and 😀 in one text",
    "unbelievably antidisestablishmentarian " * 40,
    "a",
    "[CLS] special tokens [SEP] in a text [MASK]",
]
PAIRS = [("a question", "an answer"), ("x " * 300, "y " * 300)]


@pytest.fixture(scope="module")
def ours() -> Model:
    return Model(MODEL)


@pytest.fixture(scope="module")
def theirs() -> Any:
    return st.SentenceTransformer(str(MODEL), device="cpu")


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=2e-6)


CALLS: list[tuple[Any, dict[str, Any]]] = [
    (TEXTS, {}),
    (TEXTS, {"batch_size": 3}),
    (TEXTS, {"normalize_embeddings": True}),
    (TEXTS, {"truncate_dim": 64}),
    (TEXTS, {"truncate_dim": 64, "normalize_embeddings": True}),
    (TEXTS, {"truncate_dim": 1000}),
    (TEXTS, {"prompt": "query: "}),
    (TEXTS, {"prompt_name": "query"}),
    (TEXTS, {"convert_to_numpy": False}),
    (TEXTS, {"convert_to_tensor": True}),
    (TEXTS, {"show_progress_bar": True}),
    (PAIRS, {}),
    ([list(pair) for pair in PAIRS], {}),
    (tuple(TEXTS), {}),
    (np.array(TEXTS), {}),
    (TEXTS[0], {}),
    (TEXTS[0], {"convert_to_tensor": True}),
    ("", {}),
    ([], {}),
    ([], {"precision": "binary"}),
    ([], {"convert_to_tensor": True}),
    (TEXTS[:1], {}),
    ("very long " * 50_000, {}),
]


@pytest.mark.parametrize(("inputs", "keywords"), CALLS)
def test_vectors(ours: Model, theirs: Any, inputs: Any, keywords: dict[str, Any]) -> None:
    expected, found = theirs.encode(inputs, **keywords), ours.encode(inputs, **keywords)
    assert len(found) == len(expected)
    if isinstance(expected, list):
        assert isinstance(found, list)
    else:
        assert type(found) is type(expected) and found.shape == expected.shape
    if len(expected):
        close(np.stack(list(map(np.asarray, found))), np.stack(list(map(np.asarray, expected))))


@pytest.mark.parametrize("method", ["encode_query", "encode_document"])
def test_queries_and_documents(ours: Model, theirs: Any, method: str) -> None:
    prompts = {"query": "Find: ", "passage": "Text: "}
    with_prompts = Model(MODEL, prompts=prompts)
    reference = st.SentenceTransformer(str(MODEL), device="cpu", prompts=prompts)
    close(getattr(with_prompts, method)(TEXTS), getattr(reference, method)(TEXTS))
    close(getattr(ours, method)(TEXTS), getattr(theirs, method)(TEXTS))
    default = {"prompts": {"x": "Mine: "}, "default_prompt_name": "x"}
    reference = st.SentenceTransformer(str(MODEL), device="cpu", **default)
    close(Model(MODEL, **default).encode(TEXTS), reference.encode(TEXTS))  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_precisions(ours: Model, theirs: Any, precision: Any) -> None:
    """On the same floats the same bytes; through the models all but those on an edge."""
    floats = theirs.encode(TEXTS)
    quantize = st.util.quantization.quantize_embeddings
    expected = quantize(floats, precision)
    found = quantize_embeddings(floats, precision)
    assert found.dtype == expected.dtype and np.array_equal(found, expected)
    expected, found = theirs.encode(TEXTS, precision=precision), ours.encode(TEXTS, precision=precision)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    if "int8" in precision:
        places = (floats - floats.min(axis=0)) / (np.ptp(floats, axis=0) / 255)
        off = found != expected
        assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1
        assert np.abs(places - np.round(places))[off].max(initial=0) < 2e-3
    else:
        off = np.unpackbits(found.view(np.uint8) ^ expected.view(np.uint8), axis=1)[:, : floats.shape[1]]
        assert np.abs(floats[off == 1]).max(initial=0) < 1e-6
    cases: list[dict[str, Any]] = [{}, {"output_value": "token_embeddings"}]
    for keywords in cases:
        if keywords or "int8" not in precision:
            one = theirs.encode(TEXTS[0], precision=precision, **keywords)
            mine = ours.encode(TEXTS[0], precision=precision, **keywords)
            assert mine.dtype == one.dtype and mine.shape == one.shape


def test_token_embeddings(ours: Model, theirs: Any) -> None:
    for inputs in (TEXTS, PAIRS):
        expected = theirs.encode(inputs, output_value="token_embeddings")
        found = ours.encode(inputs, output_value="token_embeddings")
        assert len(found) == len(expected)
        for mine, reference in zip(found, expected):
            assert mine.shape == tuple(reference.shape)
            np.testing.assert_allclose(mine, reference.numpy(), rtol=0, atol=2e-5)
    tensors = ours.encode(TEXTS, output_value="token_embeddings", convert_to_tensor=True)
    assert isinstance(tensors[0], torch.Tensor)


def test_everything(ours: Model, theirs: Any) -> None:
    one = TEXTS[0]
    expected, found = theirs.encode(one, output_value=None), ours.encode(one, output_value=None)
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name].numpy(), rtol=0, atol=2e-5)
    assert set(expected) - set(found) == {"modality"}


def test_tokens(ours: Model, theirs: Any) -> None:
    for inputs in (TEXTS, PAIRS):
        expected = theirs.tokenize(inputs)
        for name, value in ours.tokenize(inputs).items():
            assert np.array_equal(value, expected[name].numpy()), name
    fast = theirs.tokenizer
    for text in TEXTS:
        reference = fast(text, return_offsets_mapping=True, truncation=True, max_length=256)
        tokens = ours.tokens(text)
        assert tokens.ids.tolist() == reference["input_ids"]
        assert [tuple(span) for span in tokens.offsets.tolist()] == reference["offset_mapping"]
        assert [i if i >= 0 else None for i in tokens.word_ids.tolist()] == reference.word_ids()


def test_last_hidden_state(ours: Model, theirs: Any) -> None:
    features = theirs.tokenize(TEXTS)
    features = {k: v for k, v in features.items() if k in ours.tokenize(["a"])}
    with torch.no_grad():
        states = theirs.transformers_model(**features, output_hidden_states=True).hidden_states
    mask = features["attention_mask"].numpy()[:, :, None]
    for layer, state in enumerate(states):
        np.testing.assert_allclose(
            ours.last_hidden_state(TEXTS, layer=layer), state.numpy() * mask, rtol=0, atol=3e-5
        )


def test_similarity(ours: Model, theirs: Any) -> None:
    vectors = theirs.encode(TEXTS)
    for name in ("cosine", "dot", "euclidean", "manhattan"):
        ours.similarity_fn_name = theirs.similarity_fn_name = name
        for a, b in ((vectors, vectors[:3]), (vectors[0], vectors), (list(vectors), vectors)):
            expected = theirs.similarity(a, b).numpy()
            np.testing.assert_allclose(ours.similarity(a, b), expected, rtol=0, atol=1e-5)
        expected = theirs.similarity_pairwise(vectors, vectors[::-1].copy()).numpy()
        found = ours.similarity_pairwise(vectors, vectors[::-1])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
        found = ours.similarity(torch.from_numpy(vectors), torch.from_numpy(vectors))
        assert found.shape == (len(TEXTS), len(TEXTS))
    ours.similarity_fn_name = theirs.similarity_fn_name = "cosine"


def test_limits_and_sizes(ours: Model, theirs: Any) -> None:
    assert ours.max_seq_length == theirs.max_seq_length
    assert ours.get_sentence_embedding_dimension() == theirs.get_embedding_dimension()
    assert ours.prompts == theirs.prompts
    assert ours.default_prompt_name == theirs.default_prompt_name
    long = TEXTS[5]
    ours.max_seq_length = theirs.max_seq_length = 16
    try:
        close(ours.encode([long, "a"]), theirs.encode([long, "a"]))
        assert len(ours.tokens(long)) == 16
        with ours.truncate_embeddings(7), theirs.truncate_embeddings(7):
            close(ours.encode(long), theirs.encode(long))
    finally:
        ours.max_seq_length = theirs.max_seq_length = 256


@pytest.mark.parametrize(
    ("inputs", "keywords"),
    [
        (5, {}),
        (["a", 5], {}),
        ([None], {}),
        ("a", {"prompt_name": "no such name"}),
        ("a", {"precision": "int4"}),
        ("a", {"precision": "int8"}),
        ("a", {"batch_size": 0}),
        ("a", {"no_such_argument": 1}),
        ("a", {"output_value": "no such value"}),
        ("a", {"prompt": 5}),
        ([["a", "b", "c"]], {}),
    ],
)
def test_what_is_refused(ours: Model, theirs: Any, inputs: Any, keywords: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError, KeyError)):
        theirs.encode(inputs, **keywords)
    with pytest.raises((TypeError, ValueError)):
        ours.encode(inputs, **keywords)


def test_a_cross_encoder(tmp_path: Path) -> None:
    """A head with random weights over the real model, by both."""
    transformers = pytest.importorskip("transformers")
    from libembed import CrossEncoder

    for labels in (1, 3):
        torch.manual_seed(labels)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(str(MODEL), num_labels=labels)
        model.save_pretrained(tmp_path / str(labels))
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(MODEL))
        tokenizer.save_pretrained(tmp_path / str(labels))
        theirs = st.CrossEncoder(str(tmp_path / str(labels)), device="cpu")
        ours = CrossEncoder(tmp_path / str(labels))
        assert ours.num_labels == theirs.num_labels == labels
        assert ours.max_length == theirs.max_seq_length
        close(ours.predict(PAIRS), theirs.predict(PAIRS))
        close(ours.predict(PAIRS[0]), theirs.predict(PAIRS[0]))
        close(ours.predict(list(PAIRS[0])), theirs.predict(list(PAIRS[0])))
        close(ours.predict([]), theirs.predict([]))
        raw = ours.predict(PAIRS, activation_fn=lambda logits: logits)
        close(raw, theirs.predict(PAIRS, activation_fn=torch.nn.Identity()))
        close(ours.predict(PAIRS, apply_softmax=True), theirs.predict(PAIRS, apply_softmax=True))
        tensor = ours.predict(PAIRS, convert_to_tensor=True)
        assert isinstance(tensor, torch.Tensor)
        documents = [text for text in TEXTS if text]
        if labels == 1:
            for keywords in ({}, {"top_k": 2}, {"return_documents": True}):
                expected = theirs.rank("a question", documents, **keywords)
                found = ours.rank("a question", documents, **keywords)
                for mine, reference in zip(found, expected):
                    assert set(mine) == set(reference)
                    close(mine["score"], reference["score"])
                assert len(found) == len(expected)
        else:
            with pytest.raises(ValueError, match="one label"):
                ours.rank("a question", documents)
