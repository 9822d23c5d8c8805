"""Model: the look of sentence_transformers.SentenceTransformer over libembed."""

from __future__ import annotations

import ctypes as C
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Optional, Union, cast, overload

import numpy as np
from numpy.typing import NDArray

from . import _c
from ._base import Base, Call, Path, bytes_of_characters
from ._errors import EmbedTypeError, EmbedValueError
from ._inputs import Batch, batches, is_single
from ._load import lib
from ._recipe import Opening, Recipe, check_device, choice
from ._vectors import (
    PRECISIONS,
    SIMILARITIES,
    pairwise,
    quantize_embeddings,
    similarity,
    tensors,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
OutputValue = Literal["sentence_embedding", "token_embeddings"]
Array = NDArray[Any]

OUTPUTS = {"sentence_embedding": 0, "token_embeddings": 1, None: 2}
DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class Model(Base):
    """A model of texts, of images, or of both.

    >>> model = Model("all-MiniLM-L6-v2")
    >>> embeddings = model.encode(["A cat is sleeping.", "The kitten naps."])
    >>> model.similarity(embeddings, embeddings)
    """

    truncate_dim: Optional[int]

    def __init__(
        self,
        path: Path,
        *,
        similarity_fn_name: Optional[str] = None,
        truncate_dim: Optional[int] = None,
        **keywords: Unpack[Opening],
    ) -> None:
        """path: a model directory, a single-file model, or a name on the Hugging Face Hub. keywords: those of
        Opening."""
        super().__init__(path, **keywords)
        if similarity_fn_name is not None:
            self.similarity_fn_name = similarity_fn_name
        self.truncate_dim = truncate_dim

    def _open(self, source: Union[str, memoryview], keywords: Opening) -> None:
        super()._open(source, keywords)
        self._similarity: str = self.description["similarity"]
        self.truncate_dim = None

    @overload
    def encode(
        self,
        inputs: Any = ...,
        prompt_name: Optional[str] = ...,
        prompt: Optional[str] = ...,
        batch_size: int = ...,
        show_progress_bar: Optional[bool] = ...,
        output_value: Literal["sentence_embedding"] = ...,
        precision: Precision = ...,
        convert_to_numpy: Literal[True] = ...,
        convert_to_tensor: Literal[False] = ...,
        device: Optional[str] = ...,
        normalize_embeddings: bool = ...,
        truncate_dim: Optional[int] = ...,
        **keywords: Any,
    ) -> Array: ...

    @overload
    def encode(
        self,
        inputs: Any = ...,
        prompt_name: Optional[str] = ...,
        prompt: Optional[str] = ...,
        batch_size: int = ...,
        show_progress_bar: Optional[bool] = ...,
        output_value: Optional[OutputValue] = ...,
        precision: Precision = ...,
        convert_to_numpy: bool = ...,
        convert_to_tensor: bool = ...,
        device: Optional[str] = ...,
        normalize_embeddings: bool = ...,
        truncate_dim: Optional[int] = ...,
        **keywords: Any,
    ) -> Any: ...

    def encode(
        self,
        inputs: Any = None,
        prompt_name: Optional[str] = None,
        prompt: Optional[str] = None,
        batch_size: int = 32,
        show_progress_bar: Optional[bool] = None,
        output_value: Optional[OutputValue] = "sentence_embedding",
        precision: Precision = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Optional[str] = None,
        normalize_embeddings: bool = False,
        truncate_dim: Optional[int] = None,
        **keywords: Any,
    ) -> Any:
        """Vectors of texts, pairs of texts, token ids or images: float32 [count][dim], one vector [dim] for
        a single input.

        Arguments are those of the reference. batch_size is taken and not needed: forward passes are cut by
        tokens, and a vector does not depend on its batch. output_value="token_embeddings" gives an array
        [tokens][hidden_size] for each input, None a dict with token ids and all. convert_to_numpy=False gives
        a list of vectors, convert_to_tensor=True a torch tensor. ranges: of int8 and uint8, [2][dim].
        keywords: those of Recipe, such as pooling="cls" or layer=-2.
        """
        if "sentences" in keywords:
            inputs = keywords.pop("sentences")
        ranges = keywords.pop("ranges", None)
        for name in ("task", "pool", "chunk_size"):
            if keywords.pop(name, None) is not None and name != "task":
                raise EmbedValueError(f"{name}: one process encodes, on all its cores")
        check_device(device)
        choice("precision", precision, PRECISIONS)
        choice("output_value", output_value, OUTPUTS)
        if batch_size <= 0:
            raise EmbedValueError(f"batch_size: expected a positive number, found {batch_size}")
        text = self._prompt(prompt, prompt_name)
        call = self._call(cast(Recipe, keywords), text, show_progress_bar)
        call.options.normalize = _c.EMBED_NORMALIZE_ON if normalize_embeddings else 0
        call.options.dim = self._dim(truncate_dim)
        items, single, inputs = self._batches(inputs)

        found: Any
        if output_value == "sentence_embedding":
            found = self._vectors(inputs, len(items), call)
        else:
            found = self._rows(inputs, len(items), call)
        if output_value is None:
            vectors = self._vectors(inputs, len(items), call)
            found = [self._features(*x, text) for x in zip(items, found, vectors)]
        elif precision != "float32" and len(found):
            found = quantize_embeddings(found, precision, ranges)
        if convert_to_tensor and output_value is not None:
            found = tensors(found)
        elif not convert_to_numpy and output_value == "sentence_embedding":
            found = list(found)
        return found[0] if single else found

    def encode_query(
        self,
        inputs: Any = None,
        prompt_name: Optional[str] = None,
        prompt: Optional[str] = None,
        *arguments: Any,
        **keywords: Any,
    ) -> Any:
        """encode, with the model's prompt "query" where it has one."""
        if prompt is None and prompt_name is None and "query" in self.prompts:
            prompt_name = "query"
        return self.encode(inputs, prompt_name, prompt, *arguments, **keywords)

    def encode_document(
        self,
        inputs: Any = None,
        prompt_name: Optional[str] = None,
        prompt: Optional[str] = None,
        *arguments: Any,
        **keywords: Any,
    ) -> Any:
        """encode, with the model's prompt "document", "passage" or "corpus" where it has one."""
        if prompt is None and prompt_name is None:
            prompt_name = next((name for name in DOCUMENT_PROMPTS if name in self.prompts), None)
        return self.encode(inputs, prompt_name, prompt, *arguments, **keywords)

    def encode_spans(
        self,
        text: str,
        spans: Any,
        *,
        prompt: Optional[str] = None,
        prompt_name: Optional[str] = None,
        normalize_embeddings: bool = False,
        truncate_dim: Optional[int] = None,
        **keywords: Unpack[Recipe],
    ) -> NDArray[np.float32]:
        """Late chunking: the text goes through the model once, and each span [start, end) of its characters
        gets a vector [dim]. pooling: "mean" unless said."""
        if not isinstance(text, str):
            raise EmbedTypeError(f"expected a text, found {type(text).__name__}")
        call = self._call(keywords, self._prompt(prompt, prompt_name))
        call.options.normalize = _c.EMBED_NORMALIZE_ON if normalize_embeddings else 0
        call.options.dim = min(self._dim(truncate_dim), self._output_dim(call, False))
        raw = text.encode()
        at = bytes_of_characters(raw)
        asked = np.asarray(spans, np.int64).reshape(-1, 2)
        if ((asked < 0) | (asked >= len(at))).any():
            raise EmbedValueError(f"spans: expected places within the {len(at) - 1} characters of the text")
        found = np.ascontiguousarray(at[asked])
        dim = self._output_dim(call, False, call.options.dim)
        vectors = np.empty((len(found), dim), np.float32)
        self._engine.run(
            lambda session: lib.embed_encode_spans(
                session,
                raw,
                len(raw),
                found.ctypes.data,
                len(found),
                C.byref(call.options),
                vectors.ctypes.data,
                dim,
            ),
            call.options,
            len(raw),
            call.progress,
            call.failed,
        )
        return vectors

    def last_hidden_state(
        self,
        inputs: Any,
        layer: Optional[int] = None,
        *,
        prompt: Optional[str] = None,
        prompt_name: Optional[str] = None,
        show_progress_bar: Optional[bool] = None,
        **keywords: Any,
    ) -> NDArray[np.float32]:
        """Token vectors [count][tokens][hidden_size], rows past an input's own tokens zero; [tokens]
        [hidden_size] for a single input. layer k: hidden_states[k] of the reference in place of the last."""
        recipe = cast(Recipe, dict(keywords, layer=layer))
        call = self._call(recipe, self._prompt(prompt, prompt_name), show_progress_bar)
        _, single, inputs = self._batches(inputs)
        if len(inputs) > 1:
            raise EmbedTypeError("inputs: expected inputs of one kind: texts, pairs, token ids or images")
        if not inputs:
            return np.empty((0, 0, self.get_word_embedding_dimension()), np.float32)
        batch = inputs[0]
        options, counts, width = self._sizes(batch, call)
        longest = int(counts.max())
        hidden = np.empty((batch.count, longest, width), np.float32)
        self._run(
            lambda session: lib.embed_last_hidden_state(
                session, C.byref(batch.struct), C.byref(options), hidden.ctypes.data, longest
            ),
            options,
            batch,
            call,
        )
        return hidden[0] if single else hidden

    def _sizes(self, batch: Batch, call: Call) -> tuple[_c.embed_encode_options, NDArray[np.int64], int]:
        """The options for token vectors of a batch, tokens of each input, and floats in one vector."""
        images = batch.kind == "images"
        options = self._options_for(call, images, 0)
        two = images and self._takes_texts
        width = _c.EMBED_INFO_IMAGE_HIDDEN_SIZE if two else _c.EMBED_INFO_HIDDEN_SIZE
        counts = np.empty(batch.count, np.int64)
        quiet = replace(call, progress=None, bar=False)
        if call.failed:  # told once, by the call itself
            quiet.failed = lambda *_: None
        self._run(
            lambda session: lib.embed_count_tokens(
                session, C.byref(batch.struct), C.byref(options), counts.ctypes.data
            ),
            options,
            batch,
            quiet,
        )
        return options, counts, self._engine.info(width)

    def _rows(self, inputs: list[Batch], count: int, call: Call) -> list[NDArray[np.float32]]:
        """Token vectors of inputs of any kinds, an array [tokens][hidden_size] for each."""
        rows: list[Any] = [None] * count
        for batch in inputs:
            for position, own in zip(batch.positions, self._rows_of(batch, call)):
                rows[position] = own
        return rows

    def _rows_of(self, batch: Batch, call: Call) -> Iterator[NDArray[np.float32]]:
        options, counts, width = self._sizes(batch, call)
        hidden = np.empty((int(counts.sum()), width), np.float32)
        offsets = np.empty(batch.count + 1, np.int64)
        self._run(
            lambda session: lib.embed_last_hidden_state_ragged(
                session,
                C.byref(batch.struct),
                C.byref(options),
                hidden.ctypes.data,
                len(hidden),
                offsets.ctypes.data,
            ),
            options,
            batch,
            call,
        )
        return (hidden[begin:end] for begin, end in zip(offsets, offsets[1:]))

    def _features(self, item: Any, rows: Array, vector: Array, prompt: str) -> dict[str, Array]:
        """What the reference gives for output_value=None."""
        features = {
            "attention_mask": np.ones(len(rows), np.int64),
            "token_embeddings": rows,
            "sentence_embedding": vector,
        }
        pair = isinstance(item, (tuple, list)) and isinstance(item[0], str)
        if self._takes_texts and (isinstance(item, str) or pair):
            tokens = self.tokenize([item], prompt)
            features.update({name: row[0] for name, row in tokens.items()})
        return features

    # ---- Similarity

    @property
    def similarity_fn_name(self) -> str:
        """ "cosine", "dot", "euclidean" or "manhattan"."""
        return self._similarity

    @similarity_fn_name.setter
    def similarity_fn_name(self, name: str) -> None:
        choice("similarity_fn_name", name, SIMILARITIES)
        self._similarity = name

    def similarity(self, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
        """[count1][count2], larger is nearer."""
        return similarity(self._similarity, embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
        """[count]: embeddings1[i] and embeddings2[i]."""
        return pairwise(self._similarity, embeddings1, embeddings2)

    # ---- Sizes

    def get_embedding_dimension(self) -> int:
        """Numbers in one vector of encode."""
        full = self._output_dim(self._call({}), not self._takes_texts)
        return min(full, self.truncate_dim or full)

    get_sentence_embedding_dimension = get_embedding_dimension

    def get_word_embedding_dimension(self) -> int:
        """Numbers in one token vector."""
        return self._engine.info(_c.EMBED_INFO_HIDDEN_SIZE)

    def _dim(self, truncate_dim: Optional[int]) -> int:
        dim = self.truncate_dim if truncate_dim is None else truncate_dim
        if dim is not None and dim < 1:
            raise EmbedValueError(f"truncate_dim: expected a positive number, found {dim}")
        return dim or 0

    @contextmanager
    def truncate_embeddings(self, truncate_dim: Optional[int]) -> Iterator[None]:
        """Within it, encode gives the first truncate_dim numbers."""
        before, self.truncate_dim = self.truncate_dim, truncate_dim
        try:
            yield
        finally:
            self.truncate_dim = before

    truncate_sentence_embeddings = truncate_embeddings

    # ---- Images before the model

    def pixel_values(self, images: Any, **recipe: Unpack[Recipe]) -> NDArray[np.float32]:
        """The preprocessed images [count][3][height][width]; [3][height][width] for a single one."""
        single = is_single(images)
        found = batches([images] if single else list(images), "images")
        if not found:
            return np.empty((0, 3, 0, 0), np.float32)
        if len(found) > 1 or found[0].kind != "images":
            raise EmbedTypeError("images: expected images alone")
        batch, call = found[0], self._call(recipe)
        options = self._options_for(call, True, 0)
        sizes = np.empty((batch.count, 2), np.int64)
        self._run(
            lambda session: lib.embed_pixel_sizes(
                session, C.byref(batch.struct), C.byref(options), sizes.ctypes.data
            ),
            options,
            batch,
            call,
        )
        height, width = map(int, sizes.max(axis=0))
        pixels = np.empty((batch.count, 3, height, width), np.float32)
        self._run(
            lambda session: lib.embed_pixel_values(
                session, C.byref(batch.struct), C.byref(options), pixels.ctypes.data, height, width
            ),
            options,
            batch,
            call,
        )
        return pixels[0] if single else pixels
