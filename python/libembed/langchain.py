"""LibembedEmbeddings: LangChain's Embeddings over a Model. Needs langchain-core."""

from __future__ import annotations

from typing import Any, Union

from langchain_core.embeddings import Embeddings

from ._model import Model


class LibembedEmbeddings(Embeddings):
    """>>> InMemoryVectorStore(LibembedEmbeddings("all-MiniLM-L6-v2"))

    model: a Model, or what Model takes. keywords: those of Model.encode.
    """

    def __init__(self, model: Union[Model, str], **keywords: Any) -> None:
        self.model = model if isinstance(model, Model) else Model(model)
        self.keywords = keywords

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        found: list[list[float]] = self.model.encode_document(texts, **self.keywords).tolist()
        return found

    def embed_query(self, text: str) -> list[float]:
        found: list[float] = self.model.encode_query(text, **self.keywords).tolist()
        return found
