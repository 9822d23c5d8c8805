"""Embedder: a transformer for scikit-learn's pipelines. Needs scikit-learn."""

from __future__ import annotations

from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from ._model import Model


class Embedder(TransformerMixin, BaseEstimator):
    """Texts or images in, vectors out.

    >>> make_pipeline(Embedder("all-MiniLM-L6-v2"), LogisticRegression()).fit(texts, labels)

    model: a Model, or what Model takes. prompt_name, normalize_embeddings, truncate_dim, pooling: those of
    Model.encode.
    """

    def __init__(
        self,
        model: Union[Model, str] = "all-MiniLM-L6-v2",
        prompt_name: Optional[str] = None,
        normalize_embeddings: bool = False,
        truncate_dim: Optional[int] = None,
        pooling: Optional[str] = None,
    ) -> None:
        self.model = model
        self.prompt_name = prompt_name
        self.normalize_embeddings = normalize_embeddings
        self.truncate_dim = truncate_dim
        self.pooling = pooling

    def _model(self) -> Model:
        if isinstance(self.model, Model):
            return self.model
        path, opened = getattr(self, "_opened", (None, None))
        if opened is None or path != self.model:
            opened = Model(self.model)
            self._opened = self.model, opened
        return opened

    def fit(self, X: Any, y: Any = None) -> Embedder:
        """Nothing is learned: the model is opened."""
        self.n_features_out_ = self._model().get_embedding_dimension()
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """float32 [count][dim]."""
        vectors: NDArray[np.float32] = self._model().encode(
            list(X),
            prompt_name=self.prompt_name,
            normalize_embeddings=self.normalize_embeddings,
            truncate_dim=self.truncate_dim,
            pooling=self.pooling,
        )
        return vectors

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        dim = min(self._model().get_embedding_dimension(), self.truncate_dim or 2**31)
        return np.array([f"embedding{i}" for i in range(dim)], object)
