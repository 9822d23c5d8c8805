"""Where an object with encode is expected: scikit-learn, LangChain, BERTopic; Pillow's images and torch's
tensors. Each test runs where its package is installed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_plain import DATA, MODELS, load, texts

from libembed import Model


def test_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from libembed.sklearn import Embedder

    model = load("bert")
    vectors = model.encode(texts())
    embedder = Embedder(str(MODELS / "bert"))
    assert np.array_equal(embedder.fit_transform(texts()), vectors)
    assert np.array_equal(Embedder(model, truncate_dim=3).transform(texts()), vectors[:, :3])
    assert list(Embedder(model, truncate_dim=2).get_feature_names_out()) == ["embedding0", "embedding1"]
    embedder.set_params(model=str(MODELS / "st-list"))
    assert np.array_equal(embedder.transform(texts()), load("st-list").encode(texts()))
    embedder.set_params(model=str(MODELS / "bert"))
    labels = np.arange(len(vectors)) % 2
    pipeline = make_pipeline(embedder, LogisticRegression()).fit(texts(), labels)
    again = clone(pipeline).set_params(embedder__truncate_dim=4).fit(texts(), labels)
    assert again.predict(texts()).shape == labels.shape
    copy = pickle.loads(pickle.dumps(pipeline))
    assert np.array_equal(copy.predict(texts()), pipeline.predict(texts()))


def test_langchain() -> None:
    pytest.importorskip("langchain_core")
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore

    from libembed.langchain import LibembedEmbeddings

    embeddings = LibembedEmbeddings(str(MODELS / "bert"), normalize_embeddings=True)
    assert isinstance(embeddings, Embeddings)
    vectors = embeddings.embed_documents(texts())
    assert np.allclose(vectors, load("bert").encode(texts(), normalize_embeddings=True))
    assert embeddings.embed_query(texts()[0]) == vectors[0] and isinstance(vectors[0][0], float)
    store = InMemoryVectorStore(embeddings)
    store.add_texts([text for text in texts() if text])
    assert store.similarity_search(texts()[0], k=1)[0].page_content == texts()[0]


def test_bertopic() -> None:
    pytest.importorskip("bertopic")
    from bertopic import BERTopic
    from bertopic.backend import BaseEmbedder
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline

    from libembed.sklearn import Embedder

    model = load("bert")

    class Backend(BaseEmbedder):
        def embed(self, documents: list[str], verbose: bool = False) -> Any:
            return model.encode(documents, show_progress_bar=verbose)

    documents = [f"{text} {other}" for text in texts() for other in texts() if text and other]
    for backend in (make_pipeline(Embedder(model)), Backend()):
        topics = BERTopic(
            embedding_model=backend,
            umap_model=PCA(n_components=3),
            hdbscan_model=KMeans(n_clusters=2, n_init=1, random_state=0),
        )
        found, _ = topics.fit_transform(documents)
        assert len(found) == len(documents) and set(found) == {0, 1}


def test_pillow() -> None:
    pytest.importorskip("PIL")
    from PIL import Image

    model = load("vit")
    for path in sorted((DATA / "images").glob("png-0*.png")):
        with Image.open(path) as image:
            image.load()
            expected = model.encode(np.asarray(image.convert("RGB")))
            assert np.array_equal(model.encode(image), expected), (path, image.mode)
            assert np.array_equal(model.encode([image, path])[0], expected)
            assert np.array_equal(model.encode({"image": image}), expected)


def test_torch() -> None:
    torch = pytest.importorskip("torch")
    model = load("vit")
    image = DATA / "images" / "bmp-00.bmp"
    tensor = model.encode([image], convert_to_tensor=True)
    assert isinstance(tensor, torch.Tensor) and tensor.shape == (1, 15)
    pixels = torch.from_numpy(model.pixel_values([image]))
    assert torch.equal(model.encode(pixels, convert_to_tensor=True), tensor)
    assert np.array_equal(model.similarity(tensor, tensor), model.similarity(tensor.numpy(), tensor.numpy()))


def test_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    model: Model = load("bert")
    frame = pandas.DataFrame({"text": texts()})
    assert np.array_equal(model.encode(frame["text"]), model.encode(texts()))


def test_multiprocessing_spawn(tmp_path: Path) -> None:
    import multiprocessing

    model = load("bert", prompts={"mine": "mu "})
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert np.array_equal(pool.apply(model.encode, (texts(),)), model.encode(texts()))
