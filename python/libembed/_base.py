"""What Model and CrossEncoder share: opening, prompts, limits, tokens, options of a call, pickling."""

from __future__ import annotations

import ctypes as C
import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional, TypeVar, Union

import numpy as np
from numpy.typing import NDArray

from . import _c
from ._engine import Engine, Failed, Progress, Work
from ._errors import EmbedError, EmbedTypeError, EmbedValueError, error_of
from ._hub import find_model
from ._inputs import Batch, batches, is_single
from ._load import lib
from ._progress import Bar, shows_progress
from ._recipe import (
    COMPUTE,
    GEMM,
    LONG_TEXTS,
    POOLING,
    SIDES,
    STRATEGIES,
    WEIGHTS,
    Opening,
    Recipe,
    check_device,
    check_keywords,
    choice,
    flags,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

Path = Union[str, "os.PathLike[str]"]
Self = TypeVar("Self", bound="Base")

PAD_TOKENS = ("[PAD]", "<pad>", "<|endoftext|>")


@dataclass
class Tokens:
    """The tokens of one text, or pair of texts. offsets[i] = (start, end) in characters of its member of the
    pair, (0, 0) for special tokens added; word_ids and sequence_ids are -1 for those."""

    ids: NDArray[np.int32]
    tokens: list[str]
    type_ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    word_ids: NDArray[np.int32]
    sequence_ids: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass
class Call:
    """The options of a call, and who is told how it goes."""

    options: _c.embed_encode_options
    progress: Optional[Progress]
    failed: Optional[Failed]
    bar: bool


class Base:
    """An open model."""

    def __init__(self, path: Path, **keywords: Unpack[Opening]) -> None:
        """path: a model directory, a single-file model, or a name on the Hugging Face Hub. keywords: those of
        Opening."""
        source = self._find(path, keywords)
        self._path = os.path.abspath(path) if os.path.exists(path) else path
        self._open(source, keywords)

    @staticmethod
    def _find(path: Path, keywords: Opening) -> str:
        return find_model(
            path,
            keywords.get("cache_folder"),
            keywords.get("revision"),
            keywords.get("local_files_only", False),
            keywords.get("token"),
        )

    def _open(self, source: Union[str, memoryview], keywords: Opening) -> None:
        check_keywords(keywords, Opening)
        check_device(keywords.get("device"))
        isa = keywords.get("isa")
        kept = keywords.get("keep_float") or ()
        keep_float = kept if isinstance(kept, str) else ",".join(kept)
        self._keywords = keywords
        self._engine = Engine(
            source,
            _c.embed_open_options(
                C.sizeof(_c.embed_open_options),
                flags=(_c.EMBED_OPEN_READ if keywords.get("read") else 0)
                | (0 if keywords.get("encoder", True) else _c.EMBED_OPEN_NO_ENCODER),
                isa=isa.encode() if isa else None,
                gemm=choice("gemm", keywords.get("gemm", "auto"), GEMM),
                weights=choice("weights", keywords.get("weights"), WEIGHTS),
                compute=choice("compute", keywords.get("compute"), COMPUTE),
                keep_float=keep_float.encode() or None,
            ),
            _c.embed_session_options(
                C.sizeof(_c.embed_session_options),
                threads=keywords.get("threads", 0),
                batch_tokens=keywords.get("batch_tokens", 0),
                max_text_bytes=keywords.get("max_text_bytes", 0),
            ),
        )
        #: The recipe in use, as `embed info` shows it.
        self.description: dict[str, Any] = json.loads(lib.embed_model_describe(self._engine.model))
        for sentence in self.description["warnings"]:
            warnings.warn(sentence, stacklevel=4)
        self._takes_texts = bool(self._engine.info(_c.EMBED_INFO_TAKES_TEXTS))
        self._max_seq_length: Optional[int] = None
        self.prompts: dict[str, str] = {
            **self.description["prompts"],
            **(keywords.get("prompts") or {}),
        }
        self.default_prompt_name: Optional[str] = (
            keywords.get("default_prompt_name") or self.description["default_prompt_name"]
        )
        if self.default_prompt_name is not None:
            self._prompt(None, self.default_prompt_name)

    @classmethod
    def from_bytes(cls: type[Self], data: Any, **keywords: Unpack[Opening]) -> Self:
        """A single-file model in memory: bytes, a memoryview, a mapped file. Nothing is copied that can be
        used in place."""
        model = cls.__new__(cls)
        model._path = ""
        model._open(memoryview(data).cast("B"), keywords)
        return model

    # ---- Pickling: the path travels, and the other process opens it again

    def __getstate__(self) -> dict[str, Any]:
        if not self._path:
            raise EmbedTypeError("a model from memory has no path to be pickled by")
        state = {k: v for k, v in self.__dict__.items() if k not in ("_engine", "description")}
        state["_keywords"] = {k: v for k, v in self._keywords.items() if k != "token"}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._open(self._find(state["_path"], state["_keywords"]), state["_keywords"])
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({os.fspath(self._path)!r})"

    # ---- Facts

    @property
    def max_seq_length(self) -> Optional[int]:
        """Tokens a text is cut to, special tokens included. None: the model takes no texts."""
        if self._max_seq_length is not None:
            return self._max_seq_length
        return self._engine.info(_c.EMBED_INFO_MAX_LENGTH) if self._takes_texts else None

    @max_seq_length.setter
    def max_seq_length(self, value: Optional[int]) -> None:
        self._max_seq_length = value

    def get_max_seq_length(self) -> Optional[int]:
        return self.max_seq_length

    @property
    def device(self) -> str:
        return "cpu"

    # ---- Calls

    def _prompt(self, prompt: Optional[str], prompt_name: Optional[str]) -> str:
        """The text that goes before every other."""
        name = prompt_name if prompt_name is not None else self.default_prompt_name
        if prompt is None and name is not None:
            if name not in self.prompts:
                raise EmbedValueError(f"prompt_name: expected one of {list(self.prompts)}, found {name!r}")
            prompt = self.prompts[name]
        if not isinstance(prompt, (str, type(None))):
            raise EmbedTypeError(f"prompt: expected a text, found {type(prompt).__name__}")
        if prompt and "\0" in prompt:
            raise EmbedValueError("prompt: expected no NUL character")
        return prompt or ""

    def _call(self, recipe: Recipe, prompt: str = "", bar: Optional[bool] = False) -> Call:
        check_keywords(recipe, Recipe)
        layer = recipe.get("layer")
        options = _c.embed_encode_options(
            C.sizeof(_c.embed_encode_options),
            flags=flags(recipe),
            pooling=choice("pooling", recipe.get("pooling"), POOLING),
            layer=0 if layer is None else layer if layer < 0 else _c.EMBED_LAYER(layer),
            truncation_side=choice("truncation_side", recipe.get("truncation_side"), SIDES),
            strategy=choice("strategy", recipe.get("strategy"), STRATEGIES),
            max_length=recipe.get("max_length") or self._max_seq_length or 0,
            prompt=prompt.encode(),
            image_size=recipe.get("image_size") or 0,
            long_texts=choice("long_texts", recipe.get("long_texts"), LONG_TEXTS),
            stride=recipe.get("stride", 0),
        )
        return Call(options, recipe.get("progress"), recipe.get("failed"), shows_progress(bar))

    def _options_for(self, call: Call, images: bool, dim: int) -> _c.embed_encode_options:
        """The options for inputs of one kind."""
        options = _c.embed_encode_options.from_buffer_copy(call.options)
        options.dim = dim
        options.prompt = None if images else call.options.prompt
        if images:
            options.max_length = 0
        if options.layer < 0:  # counted from the end
            two = images and self._takes_texts
            what = _c.EMBED_INFO_IMAGE_NUM_LAYERS if two else _c.EMBED_INFO_NUM_LAYERS
            layer = options.layer + self._engine.info(what) + 1
            options.layer = _c.EMBED_LAYER(layer) if layer >= 0 else -1
        return options

    def _batches(self, inputs: Any) -> tuple[list[Any], bool, list[Batch]]:
        """The inputs as a list, whether there was but one, and they by kind."""
        single = is_single(inputs)
        items = [inputs] if single else list(inputs)
        return items, single, batches(items, "texts" if self._takes_texts else "images")

    def _vectors(self, inputs: Sequence[Batch], count: int, call: Call) -> NDArray[np.float32]:
        """embed_encode over batches of each kind, every vector in the place of its input."""
        if not inputs:
            return np.empty((0,), np.float32)
        parts = [self._encode(batch, call) for batch in inputs]
        if len(parts) == 1:
            return parts[0]
        if len({part.shape[1] for part in parts}) > 1:
            raise EmbedTypeError("inputs: texts and images have vectors of different sizes here")
        vectors = np.empty((count, parts[0].shape[1]), np.float32)
        for batch, part in zip(inputs, parts):
            vectors[batch.positions] = part
        return vectors

    def _encode(self, batch: Batch, call: Call) -> NDArray[np.float32]:
        images = batch.kind == "images"
        dim = min(call.options.dim, self._output_dim(call, images))
        options = self._options_for(call, images, dim)
        width = self._output_dim(call, images, dim)
        vectors = np.empty((batch.count, width), np.float32)
        self._run(
            lambda session: lib.embed_encode(
                session, C.byref(batch.struct), C.byref(options), vectors.ctypes.data, width
            ),
            options,
            batch,
            call,
        )
        return vectors

    def _output_dim(self, call: Call, images: bool, dim: int = 0) -> int:
        asked = self._options_for(call, images, dim)
        if images and self._takes_texts:
            asked.flags |= _c.EMBED_FOR_IMAGES
        found = int(lib.embed_output_dim(self._engine.model, C.byref(asked)))
        if found < 0:  # what is wrong with the options is said by a call with nothing to do
            with self._engine.session() as session:
                empty = _c.embed_input(C.sizeof(_c.embed_input))
                self._engine.check(session, lib.embed_encode(session, C.byref(empty), C.byref(asked), None, 0))
            raise error_of(found, bytes(lib.embed_status_string(found)).decode())
        return found

    def _run(self, work: Work, options: _c.embed_encode_options, batch: Batch, call: Call) -> None:
        """work over a batch; those who want to know are told of places among all inputs."""
        told = call.failed

        def failed(index: int, error: EmbedError) -> Any:
            return told and told(batch.positions[index], error)

        progress = Bar(call.progress) if call.bar else call.progress
        self._engine.run(work, options, batch.weight, progress, failed if told else None)

    # ---- Tokens

    def tokens(
        self,
        text: str,
        pair: Optional[str] = None,
        *,
        prompt: Optional[str] = None,
        prompt_name: Optional[str] = None,
        **keywords: Unpack[Recipe],
    ) -> Tokens:
        """The tokens that the model is given for a text, with offsets in characters."""
        for member in (text, "" if pair is None else pair):
            if not isinstance(member, str):
                raise EmbedTypeError(f"expected a text, found {type(member).__name__}")
        options = self._call(keywords, self._prompt(prompt, prompt_name)).options
        if keywords.get("truncation", True) and not options.max_length:
            options.max_length = self.max_seq_length or 0
        raw = [member.encode() for member in (text, pair) if member is not None]
        found = self._tokenize(raw, options, 16 + sum(map(len, raw)) + len(options.prompt))
        starts = [_characters(member) for member in raw]
        for sequence, at in enumerate(starts):
            of = found.sequence_ids == sequence
            found.offsets[of, 0] = at[found.offsets[of, 0] + 1] - 1
            found.offsets[of, 1] = at[found.offsets[of, 1]]
        return found

    def _tokenize(self, raw: list[bytes], options: _c.embed_encode_options, capacity: int) -> Tokens:
        ids, type_ids, word_ids, sequence_ids = np.empty((4, capacity), np.int32)
        offsets = np.empty((capacity, 2), np.int64)
        arrays = _c.embed_tokens(
            C.sizeof(_c.embed_tokens),
            capacity=capacity,
            ids=ids.ctypes.data,
            type_ids=type_ids.ctypes.data,
            offsets=offsets.ctypes.data,
            word_ids=word_ids.ctypes.data,
            sequence_ids=sequence_ids.ctypes.data,
        )
        pair = raw[1] if len(raw) > 1 else None
        with self._engine.session() as session:
            count = self._engine.check(
                session,
                lib.embed_tokenize(
                    session,
                    raw[0],
                    len(raw[0]),
                    pair,
                    len(pair or b""),
                    C.byref(options),
                    C.byref(arrays),
                ),
            )
        if count > capacity:
            return self._tokenize(raw, options, count)
        return Tokens(
            ids[:count].copy(),
            [self.token_text(i) for i in ids[:count].tolist()],
            type_ids[:count].copy(),
            offsets[:count].copy(),
            word_ids[:count].copy(),
            sequence_ids[:count].copy(),
        )

    def token_text(self, token_id: int) -> str:
        """The text of a token."""
        text = lib.embed_token_text(self._engine.model, token_id)
        if text is None:
            raise EmbedValueError(f"token id {token_id}: outside the vocabulary", _c.EMBED_ETOKEN)
        return bytes(text).decode("utf-8", "replace")

    def token_id(self, text: str) -> Optional[int]:
        """The id of a token's text, None if there is none."""
        found = int(lib.embed_token_id(self._engine.model, text.encode()))
        return found if found >= 0 else None

    def tokenize(
        self, texts: Sequence[Any], prompt: Optional[str] = "", **keywords: Any
    ) -> dict[str, NDArray[np.int64]]:
        """input_ids, token_type_ids and attention_mask of texts or pairs of texts, [count][longest], padded on
        the right."""
        if isinstance(texts, str):
            raise EmbedTypeError("texts: expected a list of texts, found one text")
        found = [self.tokens(*((x,) if isinstance(x, str) else x), prompt=prompt, **keywords) for x in texts]
        known = (self.token_id(name) for name in PAD_TOKENS)
        pad = next((i for i in known if i is not None), 0)
        shape = len(found), max(map(len, found), default=0)
        ids = np.full(shape, pad, np.int64)
        type_ids, mask = np.zeros((2, *shape), np.int64)
        for row, tokens in enumerate(found):
            ids[row, : len(tokens)] = tokens.ids
            type_ids[row, : len(tokens)] = tokens.type_ids
            mask[row, : len(tokens)] = 1
        return {"input_ids": ids, "token_type_ids": type_ids, "attention_mask": mask}


def bytes_of_characters(raw: bytes) -> NDArray[np.int64]:
    """[i]: the byte where character i begins; behind the last the end."""
    begins = (np.frombuffer(raw, np.uint8) & 0xC0) != 0x80
    return np.append(np.flatnonzero(begins), len(raw)).astype(np.int64)


def _characters(raw: bytes) -> NDArray[np.int64]:
    """[i]: how many characters begin before byte i."""
    begins = (np.frombuffer(raw, np.uint8) & 0xC0) != 0x80
    return np.concatenate([[0], np.cumsum(begins), [int(begins.sum()) + 1]])
