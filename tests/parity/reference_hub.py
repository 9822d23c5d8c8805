"""Models whose forward pass is code on the hub: the NumPy references of reference_numpy.py and
reference_jina.py, with the face of Reference. They have no PyTorch float32 beside them, but NumPy's."""
import json
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

import reference_jina
import reference_numpy
from reference import Reference

FUNCTIONS = {
    ".NomicBertModel": reference_numpy.nomic_bert,
    ".NewModel": reference_numpy.gte,
    ".JinaBertModel": reference_jina.hidden_states,
}


def function_of(config):
    """The reference of a config.json, or None: a class of transformers'."""
    code = (config.get("auto_map") or {}).get("AutoModel", "")
    return next((f for ending, f in FUNCTIONS.items() if code.endswith(ending)), None)


class HubReference:
    """One model directory. Inputs are lists of (ids, type_ids), as Reference's."""

    def __init__(self, folder):
        self.config = json.loads((Path(folder) / "config.json").read_text())
        self.function = function_of(self.config)
        tensors = load_file(Path(folder) / "model.safetensors")
        self.tensors = {name: tensor.double().numpy() for name, tensor in tensors.items()}

    def truth(self, inputs, dtype=np.float64):
        """[states][tokens][hidden] of each input, computed in dtype."""
        return [np.stack(self.function(self.tensors, self.config, *x, dtype=dtype)) for x in inputs]

    def pooled(self, inputs, double=True):
        """These families have no pooler."""
        return {}


def reference_of(folder):
    """The reference of a directory."""
    config = json.loads((Path(folder) / "config.json").read_text())
    return HubReference(folder) if function_of(config) else Reference(folder)
