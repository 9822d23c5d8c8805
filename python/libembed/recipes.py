"""The usual ways from last_hidden_state to vectors (docs/recipes.md), a line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import EmbedValueError
from ._model import Model
from ._tables import row_prompt

Vectors = NDArray[np.float32]


def sentence_similarity(model: Model, sentences: Sequence[str], **keywords: Any) -> Vectors:
    """[count][count]: how alike any two sentences are, by the model's own recipe."""
    vectors = model.encode(sentences, **keywords)
    return model.similarity(vectors, vectors)


def image_retrieval(model: Model, images: Any, **keywords: Any) -> Any:
    """Mean over all tokens of last_hidden_state, [CLS] included: [count][hidden_size]."""
    return model.encode(images, pooling="mean_all", modules=False, **keywords)


def text_classification(model: Model, texts: Any, **keywords: Any) -> Any:
    """The vector of [CLS], last_hidden_state[:, 0, :]: no pooler, no normalisation."""
    return model.encode(texts, pooling="cls", modules=False, **keywords)


def named_entities(model: Model, text: str, spans: Sequence[tuple[int, int]], **keywords: Any) -> Vectors:
    """Of each span [start, end) of characters the mean of its tokens' vectors: [len(spans)][hidden_size]."""
    hidden = model.last_hidden_state(text, **keywords)
    tokens = model.tokens(text, **{k: v for k, v in keywords.items() if k != "layer"})
    own = tokens.sequence_ids == 0
    vectors = np.empty((len(spans), hidden.shape[1]), np.float32)
    for row, (start, end) in enumerate(spans):
        inside = own & (tokens.offsets[:, 0] < end) & (tokens.offsets[:, 1] > start)
        if not inside.any():
            raise EmbedValueError(f"span ({start}, {end}): no token of the text lies in it")
        vectors[row] = hidden[inside].mean(axis=0)
    return vectors


def late_chunking(model: Model, text: str, spans: Sequence[tuple[int, int]], **keywords: Any) -> Vectors:
    """A vector for each span of characters, of a text that is encoded whole: [len(spans)][dim]."""
    return model.encode_spans(text, spans, **keywords)


def rows_of_tables(model: Model, columns: Sequence[str], rows: Sequence[Sequence[Any]], **keywords: Any) -> Any:
    """Rows as sentences, and these as vectors: [len(rows)][dim]."""
    return model.encode([row_prompt(columns, row) for row in rows], **keywords)
