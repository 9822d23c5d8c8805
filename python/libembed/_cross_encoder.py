"""CrossEncoder: the look of sentence_transformers.CrossEncoder over libembed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Optional, cast

import numpy as np
from numpy.typing import NDArray

from . import _c
from ._base import Base
from ._errors import EmbedTypeError, EmbedValueError
from ._recipe import Recipe, check_device
from ._vectors import tensors


class CrossEncoder(Base):
    """A model that scores pairs of texts: a sequence-classification head, such as a reranker's.

    >>> CrossEncoder(path).rank("Who wrote Emma?", ["Jane Austen did.", "It rains."])
    """

    @property
    def num_labels(self) -> int:
        return self._engine.info(_c.EMBED_INFO_NUM_LABELS)

    @property
    def max_length(self) -> Optional[int]:
        return self.max_seq_length

    @max_length.setter
    def max_length(self, value: Optional[int]) -> None:
        self.max_seq_length = value

    def predict(
        self,
        inputs: Any = None,
        prompt_name: Optional[str] = None,
        prompt: Optional[str] = None,
        batch_size: int = 32,
        show_progress_bar: Optional[bool] = None,
        activation_fn: Optional[Callable[[Any], Any]] = None,
        apply_softmax: Optional[bool] = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Optional[str] = None,
        **keywords: Any,
    ) -> Any:
        """Scores of pairs of texts, float32 [count], or [count][labels] of a head with several; of a single
        pair without [count]. activation_fn takes the logits as an array, and replaces the model's own."""
        if "sentences" in keywords:
            inputs = keywords.pop("sentences")
        check_device(device)
        if batch_size <= 0:
            raise EmbedValueError(f"batch_size: expected a positive number, found {batch_size}")
        single = _is_pair(inputs)
        items = [inputs] if single else list(inputs)
        for position, item in enumerate(items):
            if not _is_pair(item):
                raise EmbedTypeError(f"input {position}: expected a pair of texts, found {type(item).__name__}")
        items = [tuple(item) for item in items]
        recipe = cast(Recipe, dict(keywords, pooling="scores", modules=activation_fn is None))
        call = self._call(recipe, self._prompt(prompt, prompt_name), show_progress_bar)
        _, _, batches = self._batches(items)
        scores: Any = self._vectors(batches, len(items), call)
        if activation_fn is not None:
            scores = np.asarray(activation_fn(scores), np.float32)
        if scores.ndim > 1 and self.num_labels == 1:
            scores = scores[:, 0]
        if apply_softmax and scores.ndim > 1:
            scores = _softmax(scores)
        if convert_to_tensor:
            scores = tensors(scores)
        elif not convert_to_numpy:
            scores = list(scores)
        return scores[0] if single else scores

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        top_k: Optional[int] = None,
        return_documents: bool = False,
        **keywords: Any,
    ) -> list[dict[str, Any]]:
        """Documents by their score for the query, best first: dicts of corpus_id, score and, if
        return_documents, text."""
        if self.num_labels != 1:
            raise EmbedValueError(f"rank: expected a model of one label, found {self.num_labels}")
        scores = self.predict([(query, document) for document in documents], **keywords)
        order = np.argsort(-np.asarray(scores), kind="stable")[:top_k]
        found = [{"corpus_id": int(i), "score": scores[i]} for i in order]
        if return_documents:
            for result in found:
                result["text"] = documents[result["corpus_id"]]
        return found


def _is_pair(item: Any) -> bool:
    """Two texts; one pair, or one of several."""
    sequence = isinstance(item, (tuple, list, np.ndarray)) and len(item) == 2
    return sequence and all(isinstance(text, str) for text in item)


def _softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: NDArray[np.float32] = shifted / shifted.sum(axis=1, keepdims=True)
    return result
