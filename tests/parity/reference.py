"""The reference (PyTorch and transformers) run three ways: in float64 as the truth, and in its own
float32 with the inputs alone and in a padded batch."""
import inspect
import logging
import os
from contextlib import contextmanager, nullcontext

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import torch
import transformers
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from transformers.models.deberta_v2 import modeling_deberta_v2
from transformers.models.mpnet import modeling_mpnet

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
logging.getLogger("sentence_transformers").setLevel(logging.ERROR)


NORMED = ("clip_text_model", "siglip_text_model")  # a norm stands behind the last layer
EAGER = ("deberta-v2", "mpnet")  # all the attention that they have
NARROW = 400  # of hidden sizes: one thread is faster than waking others for every operation
THREADS = torch.get_num_threads()


@contextmanager
def default_type(dtype):
    """The type of new tensors."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _in_float32(function):
    """Buckets of distances (DeBERTa's, MPNet's) are whole numbers that the reference finds by logarithms in
    float32: so the truth has them, whatever else it computes in."""

    def run(*args, **kwargs):
        with _disable_current_modes(), torch._C.DisableTorchFunction(), default_type(torch.float32):
            return function(*args, **kwargs)

    return run


modeling_deberta_v2.build_relative_position = _in_float32(modeling_deberta_v2.build_relative_position)
modeling_mpnet.MPNetEncoder.relative_position_bucket = staticmethod(
    _in_float32(modeling_mpnet.MPNetEncoder.relative_position_bucket)
)


class OnlyDouble(TorchDispatchMode):
    """Fails at the first operation whose result is a floating-point tensor narrower than float64:
    proof that no internal cast is left in the run that serves as the truth."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                assert tensor.dtype == torch.float64, f"{func} made {tensor.dtype}"
        return result


class Widen(TorchFunctionMode):
    """Every request for float32 becomes one for float64: the softmax of attention, the interpolation of
    positions and the angles of DINOv3 are cast down in the reference whatever the model's type."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        wide = lambda value: torch.float64 if value is torch.float32 else value  # noqa: E731
        func = torch.Tensor.double if func is torch.Tensor.float else func
        return func(*map(wide, args), **{name: wide(value) for name, value in (kwargs or {}).items()})


def forget_lengths(model):
    """Dynamic rotary positions as of a new model: the reference goes by the longest input so far."""
    for module in model.modules():
        if hasattr(module, "original_max_seq_len") and hasattr(module, "inv_freq"):
            module.max_seq_len_cached = module.original_max_seq_len
            module.inv_freq = module.original_inv_freq.clone()  # LongRoPE writes into it


class Reference:
    """One model directory. Inputs are lists of (ids, type_ids); type_ids may be None.

    Results are lists of arrays [states][tokens][hidden], one for each input: hidden_states, and
    last_hidden_state behind them where a norm parts it from the last of them (CLIP, SigLIP).
    """

    def __init__(self, folder):
        self.float32, self.project32 = self._load(folder, "sdpa")
        self.float64, self.project64 = self._load(folder, "eager")
        self.float64.double()
        if self.project64 is not None:
            self.project64.double()
        self.config = self.float32.config
        self.normed = self.config.model_type in NORMED
        rope = getattr(self.config, "rope_parameters", None) or {}
        self.stateful = rope.get("rope_type") in ("dynamic", "longrope")  # by the longest of a batch, padding too
        self.two_kinds = rope.get("rope_type") == "longrope"  # one above trained, whatever the length
        self.trained = rope.get("original_max_position_embeddings", self.config.max_position_embeddings)
        torch.set_num_threads(1 if self.config.hidden_size <= NARROW else THREADS)

    @staticmethod
    def _load(folder, attention):
        """The text tower of a directory and its projection or None."""
        config = transformers.AutoConfig.from_pretrained(folder)
        if config.model_type in EAGER:
            attention = "eager"
        load = transformers.AutoModel
        if config.model_type in NORMED:  # AutoModel knows no text tower of SigLIP, and leaves projections out
            load = getattr(transformers, config.architectures[0])
        model, info = load.from_pretrained(
            folder, dtype=torch.float32, attn_implementation=attention, output_loading_info=True
        )
        tower = getattr(model.eval(), "text_model", model)
        made_up = set(info["missing_keys"])
        if any(name.startswith("pooler.") for name in made_up):
            tower.pooler = None
        made_up = {name for name in made_up if not name.startswith("pooler.")}
        assert not made_up, f"{folder}: made up by the reference: {made_up}"
        return tower, getattr(model, "text_projection", None)

    def _forward(self, model, inputs, length=None):
        longest = max(len(ids) for ids, _ in inputs)
        length = longest if length is None else max(length, longest)
        pad = self.config.pad_token_id or 0
        ids = torch.full((len(inputs), length), pad, dtype=torch.long)
        types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
        for row, (tokens, kinds) in enumerate(inputs):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
            if kinds is not None:
                types[row, : len(tokens)] = torch.tensor(kinds)
        given = {"input_ids": ids, "attention_mask": mask, "output_hidden_states": True}
        takes = inspect.signature(model.forward).parameters
        if "token_type_ids" in takes and self.config.model_type != "gpt2" and not self.normed:
            given["token_type_ids"] = types
        if "use_cache" in takes:
            given["use_cache"] = False
        if self.stateful:
            forget_lengths(model)
        with torch.inference_mode():
            return model(**given)

    def _run(self, model, inputs, length=None):
        out = self._forward(model, inputs, length)
        states = torch.stack(out.hidden_states + (out.last_hidden_state,)).numpy()
        if not self.normed:
            assert np.array_equal(states[-2], states[-1])
            states = states[:-1]
        return [states[:, row, : len(tokens)] for row, (tokens, _) in enumerate(inputs)]

    def truth(self, inputs):
        """float64; inputs of one length run together, so that nothing is padded."""
        out = [None] * len(inputs)
        for length in {len(ids) for ids, _ in inputs}:
            rows = [i for i, (ids, _) in enumerate(inputs) if len(ids) == length]
            # dynamic rotary positions are made of Python's numbers in a forward pass
            with Widen(), OnlyDouble(), default_type(torch.float64):
                for row, states in zip(rows, self._run(self.float64, [inputs[i] for i in rows])):
                    out[row] = states
        return out

    def alone(self, inputs):
        """PyTorch's own float32, each input alone."""
        return [self._run(self.float32, [one])[0] for one in inputs]

    def padding(self, inputs, length):
        """The length up to the given one that these inputs can be padded to with the rotary positions that each has
        alone, or None."""
        lengths = [len(ids) for ids, _ in inputs]
        if not self.stateful or (self.two_kinds and min(lengths) > self.trained):
            return length
        return min(length, self.trained) if max(lengths) <= self.trained else None

    def padded(self, inputs, length=None):
        """PyTorch's own float32, all inputs in one batch, padded to length or to the longest."""
        return self._run(self.float32, inputs, length)

    def pooled(self, inputs, double=True):
        """{"pooler", "projection": vectors} of each input alone, in float64 or PyTorch's own float32; no
        entry where the checkpoint has none."""
        model, project = (self.float64, self.project64) if double else (self.float32, self.project32)
        out = {}
        for one in inputs:
            with Widen() if double else nullcontext(), torch.inference_mode():
                vector = getattr(self._forward(model, [one]), "pooler_output", None)
                if vector is not None:
                    out.setdefault("pooler", []).append(vector[0].numpy())
                if project is not None:
                    out.setdefault("projection", []).append(project(vector)[0].numpy())
        return {name: np.stack(vectors) for name, vectors in out.items()}

    def entropy(self, length):
        """Mean entropy of the attention in nats, and the loudest channel over the median one."""
        ids = np.random.RandomState(3).randint(5, self.config.vocab_size, (2, length))
        with torch.inference_mode():
            out = self.float64(torch.from_numpy(ids), output_attentions=True)
        p = torch.stack(out.attentions).numpy()
        spread = np.sqrt((out.last_hidden_state.numpy() ** 2).mean(axis=(0, 1)))
        entropy = float(-(p * np.log(np.maximum(p, 1e-300))).sum(-1).mean())
        return entropy, float(spread.max() / np.median(spread))
