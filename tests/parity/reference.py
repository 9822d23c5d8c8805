"""The reference (PyTorch and transformers) run three ways: in float64 as the truth, and in its own
float32 with the inputs alone and in a padded batch."""
import logging
import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
logging.getLogger("sentence_transformers").setLevel(logging.ERROR)


class OnlyDouble(TorchDispatchMode):
    """Fails at the first operation whose result is a floating-point tensor narrower than float64:
    proof that no internal cast is left in the run that serves as the truth."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                assert tensor.dtype == torch.float64, f"{func} made {tensor.dtype}"
        return result


class Reference:
    """One model directory. Inputs are lists of (ids, type_ids); type_ids may be None.

    Results are lists of arrays [layers + 1][tokens][hidden], one for each input.
    """

    def __init__(self, folder):
        load = transformers.AutoModel.from_pretrained
        self.float32 = load(folder, dtype=torch.float32).eval()
        self.float64 = load(folder, dtype=torch.float32, attn_implementation="eager").double().eval()
        self.config = self.float32.config

    def _run(self, model, inputs, length=None):
        longest = max(len(ids) for ids, _ in inputs)
        length = longest if length is None else max(length, longest)
        ids = torch.zeros(len(inputs), length, dtype=torch.long)
        types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
        for row, (tokens, kinds) in enumerate(inputs):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
            if kinds is not None:
                types[row, : len(tokens)] = torch.tensor(kinds)
        given = {"input_ids": ids, "attention_mask": mask, "output_hidden_states": True}
        if self.config.model_type != "distilbert":
            given["token_type_ids"] = types
        with torch.inference_mode():
            out = model(**given)
        states = torch.stack(out.hidden_states).numpy()
        assert np.array_equal(states[-1], out.last_hidden_state.numpy())
        return [states[:, row, : len(tokens)] for row, (tokens, _) in enumerate(inputs)]

    def truth(self, inputs):
        """float64; inputs of one length run together, so that nothing is padded."""
        out = [None] * len(inputs)
        for length in {len(ids) for ids, _ in inputs}:
            rows = [i for i, (ids, _) in enumerate(inputs) if len(ids) == length]
            with OnlyDouble():
                for row, states in zip(rows, self._run(self.float64, [inputs[i] for i in rows])):
                    out[row] = states
        return out

    def alone(self, inputs):
        """PyTorch's own float32, each input alone."""
        return [self._run(self.float32, [one])[0] for one in inputs]

    def padded(self, inputs, length=None):
        """PyTorch's own float32, all inputs in one batch, padded to length or to the longest."""
        return self._run(self.float32, inputs, length)

    def pooler(self, inputs):
        """pooler_output in float64, or None where the checkpoint has no pooler."""
        pooler = getattr(self.float64, "pooler", None)
        if pooler is None:
            return None
        with torch.inference_mode():
            return [pooler(torch.from_numpy(states[-1:]))[0].numpy() for states in self.truth(inputs)]

    def entropy(self, length):
        """Mean entropy of the attention in nats, and the loudest channel over the median one."""
        ids = np.random.RandomState(3).randint(5, self.config.vocab_size, (2, length))
        with torch.inference_mode():
            out = self.float64(torch.from_numpy(ids), output_attentions=True)
        p = torch.stack(out.attentions).numpy()
        spread = np.sqrt((out.last_hidden_state.numpy() ** 2).mean(axis=(0, 1)))
        entropy = float(-(p * np.log(np.maximum(p, 1e-300))).sum(-1).mean())
        return entropy, float(spread.max() / np.median(spread))
