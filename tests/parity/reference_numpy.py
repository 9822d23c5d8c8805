"""NomicBERT and GTE-new (Alibaba-NLP/new-impl) in NumPy, float64 unless another dtype is asked for, for checkpoints whose forward pass
is code beside the weights and which transformers has no class for, or not one for every option.

Each function takes {name: array}, config.json as a dict, the ids of one text and its type ids (or None),
and gives hidden_states: a list of arrays [tokens][hidden], the first what enters the first layer.
Written from a description of the families, not from the encoder that is held against it. Run by
itself, this proves them against transformers' NomicBertModel and GteModel, which are the same families
without the options of the originals (dynamic NTK, NTK, partial rotation, biases, plain MLPs).
"""
import math
import sys
import tempfile
from pathlib import Path

import numpy as np

# ---- what the families share -------------------------------------------------------------------------

erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(x):
    """1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def gelu_tanh(x):
    """GELU by tanh."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2)).astype(x.dtype)),
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x * sigmoid(x),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
}


class Tensors:
    """Tensors by name, with a prefix or without it."""

    def __init__(self, tensors, prefix, dtype):
        self.tensors, self.prefix, self.dtype = tensors, prefix, dtype

    def find(self, name):
        """A tensor or None."""
        found = self.tensors.get(self.prefix + name, self.tensors.get(name))
        return None if found is None else np.asarray(found, self.dtype)

    def get(self, name):
        """A tensor that must be there."""
        found = self.find(name)
        assert found is not None, f"no tensor {name}"
        return found

    def linear(self, name, x):
        """x W^T + b; b where there is one."""
        y, bias = x @ self.get(name + ".weight").T, self.find(name + ".bias")
        return y if bias is None else y + bias

    def norm(self, name, x, eps):
        """LayerNorm."""
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        return centred / np.sqrt(variance + eps) * self.get(name + ".weight") + self.get(name + ".bias")


def rotate(x, inverse_frequencies):
    """x[tokens][heads][dim] with rotary positions in its first 2 * len(inverse_frequencies) numbers: the
    first half of them turns with the second."""
    half = len(inverse_frequencies)
    angles = np.arange(len(x))[:, None, None] * inverse_frequencies.astype(np.float64)
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    first, second = x[..., :half], x[..., half : 2 * half]
    turned = [first * cos - second * sin, second * cos + first * sin, x[..., 2 * half :]]
    return np.concatenate(turned, axis=-1)


def attention(q, k, v, heads, inverse_frequencies):
    """softmax(q k^T / sqrt(d)) v of [tokens][hidden], with rotary positions unless those are None."""
    tokens, hidden = q.shape
    q, k, v = (x.reshape(tokens, heads, hidden // heads) for x in (q, k, v))
    if inverse_frequencies is not None:
        q, k = rotate(q, inverse_frequencies), rotate(k, inverse_frequencies)
    scores = np.einsum("qhd,khd->hqk", q, k) / math.sqrt(hidden // heads)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", weights, v).reshape(tokens, hidden)


def frequencies(base, dim):
    """base^(-2k/dim), rounded step by step to float32, in which the originals keep it: what they make of a
    large position is part of the model."""
    exponents = np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim)
    return np.float32(1) / (float(base) ** exponents.astype(np.float64)).astype(np.float32)


# ---- NomicBERT -----------------------------------------------------------------------------------------


def nomic_frequencies(config, tokens):
    """Those of one text. Beyond max_trained_positions, rotary_scaling_factor moves the base with its length."""
    dim = int(config["n_embd"] // config["n_head"] * config.get("rotary_emb_fraction", 1.0))
    base, factor = config.get("rotary_emb_base", 1000), config.get("rotary_scaling_factor")
    trained = config.get("max_trained_positions", 2048)
    if dim == 0:
        return None
    if factor and tokens > trained:
        base = base * (factor * tokens / trained - (factor - 1)) ** (dim / (dim - 2))
    return frequencies(base, dim)


def nomic_mlp(tensors, config, at, x):
    """fc2(fc11(x) * act(fc12(x))), or fc2(act(fc1(x)))."""
    gates = {"swiglu": "silu", "geglu": "gelu", "glu": "sigmoid"}
    act = config.get("activation_function", "swiglu")
    if act in gates:
        y = tensors.linear(at + "fc11", x) * ACTIVATIONS[gates[act]](tensors.linear(at + "fc12", x))
    else:
        y = ACTIVATIONS[act](tensors.linear(at + "fc1", x))
    return tensors.linear(at + "fc2", y)


def nomic_bert(tensors, config, ids, type_ids=None, dtype=np.float64):
    """hidden_states of NomicBERT v1 and v1.5, in the layout of their authors' code."""
    for key in ("rotary_emb_interleaved", "rotary_emb_scale_base", "use_rms_norm", "parallel_block",
                "prenorm", "causal", "moe_every_n_layers"):  # fmt: skip
        assert not config.get(key), f"{key}: not implemented"
    tensors = Tensors(tensors, "bert.", dtype)
    eps = config.get("layer_norm_epsilon", 1e-12)
    x = tensors.get("embeddings.word_embeddings.weight")[np.asarray(ids)]
    if config.get("type_vocab_size", 2) > 0:
        types = np.zeros(len(ids), int) if type_ids is None else np.asarray(type_ids)
        x = x + tensors.get("embeddings.token_type_embeddings.weight")[types]
    x = tensors.norm("emb_ln", x, eps)
    inverse_frequencies = nomic_frequencies(config, len(ids))
    states = [x]
    for layer in range(config["n_layer"]):
        at = f"encoder.layers.{layer}."
        q, k, v = np.split(tensors.linear(at + "attn.Wqkv", x), 3, axis=-1)
        y = attention(q, k, v, config["n_head"], inverse_frequencies)
        x = tensors.norm(at + "norm1", x + tensors.linear(at + "attn.out_proj", y), eps)
        x = tensors.norm(at + "norm2", x + nomic_mlp(tensors, config, at + "mlp.", x), eps)
        states.append(x)
    return states


# ---- GTE-new -------------------------------------------------------------------------------------------


def gte_frequencies(config):
    """Those of all texts: rope_scaling "ntk" moves the base, and each frequency."""
    if config.get("position_embedding_type", "rope") != "rope":
        return None
    dim = config["hidden_size"] // config["num_attention_heads"]
    base, scaling = config.get("rope_theta", 10000.0), config.get("rope_scaling")
    if not scaling:
        return frequencies(base, dim)
    assert scaling["type"] == "ntk", f"rope_scaling: {scaling['type']}: not implemented"
    factor, mixed = scaling["factor"], scaling.get("mixed_b")
    if mixed is None:
        return frequencies(base * factor, dim) / np.float32(factor ** (2 / dim))
    slope = math.log(factor) / (dim / 2) ** mixed
    return frequencies(base, dim) / np.exp(slope * np.arange(1, dim // 2 + 1) ** mixed)


def gte_qkv(tensors, at, x):
    """One matrix for the three, or each its own."""
    if tensors.find(at + "qkv_proj.weight") is not None:
        return np.split(tensors.linear(at + "qkv_proj", x), 3, axis=-1)
    return [tensors.linear(at + name, x) for name in ("q_proj", "k_proj", "v_proj")]


def gte(tensors, config, ids, type_ids=None, dtype=np.float64):
    """hidden_states of GTE-new (model_type "new")."""
    assert config.get("layer_norm_type", "layer_norm") == "layer_norm", "layer_norm_type: not implemented"
    assert not config.get("logn_attention_scale"), "logn_attention_scale: not implemented"
    tensors = Tensors(tensors, "new.", dtype)
    eps, act = config.get("layer_norm_eps", 1e-12), ACTIVATIONS[config.get("hidden_act", "gelu")]
    kinds = config.get("type_vocab_size", 1)
    x = tensors.get("embeddings.word_embeddings.weight")[np.asarray(ids)]
    if kinds > 0:
        types = np.asarray(type_ids) if type_ids is not None and kinds > 1 else np.zeros(len(ids), int)
        x = x + tensors.get("embeddings.token_type_embeddings.weight")[types]
    inverse_frequencies = gte_frequencies(config)
    if inverse_frequencies is None:
        x = x + tensors.get("embeddings.position_embeddings.weight")[: len(ids)]
    x = tensors.norm("embeddings.LayerNorm", x, eps)
    states = [x]
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}."
        q, k, v = gte_qkv(tensors, at + "attention.", x)
        y = attention(q, k, v, config["num_attention_heads"], inverse_frequencies)
        x = tensors.norm(at + "attn_ln", x + tensors.linear(at + "attention.o_proj", y), eps)
        up, gate = np.split(tensors.linear(at + "mlp.up_gate_proj", x), 2, axis=-1)
        x = tensors.norm(at + "mlp_ln", x + tensors.linear(at + "mlp.down_proj", up * act(gate)), eps)
        states.append(x)
    return states


# ---- against transformers --------------------------------------------------------------------------------


def made_up(shapes, seed):
    """Tensors of the given shapes whose attention is peaked; norms near one."""
    random = np.random.RandomState(seed)
    out = {}
    for name, shape in shapes.items():
        normal = random.standard_normal(shape)
        is_norm = len(shape) == 1 and name.endswith("weight")
        scale = 1.4 / math.sqrt(shape[-1]) if len(shape) == 2 else 0.2
        if "embeddings." in name and len(shape) == 2:
            scale = 1
        out[name] = normal * scale + (1 if is_norm else 0)
    return out


def norm_shapes(name, size):
    """Of a LayerNorm."""
    return {name + ".weight": (size,), name + ".bias": (size,)}


def nomic_shapes(hidden, inner, layers, vocab):
    """A checkpoint of NomicBERT."""
    shapes = {"embeddings.word_embeddings.weight": (vocab, hidden),
              "embeddings.token_type_embeddings.weight": (2, hidden), **norm_shapes("emb_ln", hidden)}  # fmt: skip
    for layer in range(layers):
        at = f"encoder.layers.{layer}."
        shapes |= {at + "attn.Wqkv.weight": (3 * hidden, hidden), at + "attn.out_proj.weight": (hidden, hidden),
                   at + "mlp.fc11.weight": (inner, hidden), at + "mlp.fc12.weight": (inner, hidden),
                   at + "mlp.fc2.weight": (hidden, inner), **norm_shapes(at + "norm1", hidden),
                   **norm_shapes(at + "norm2", hidden)}  # fmt: skip
    return shapes


def gte_shapes(hidden, inner, layers, vocab, types):
    """A checkpoint of GTE-new."""
    shapes = {"embeddings.word_embeddings.weight": (vocab, hidden), **norm_shapes("embeddings.LayerNorm", hidden)}
    if types:
        shapes["embeddings.token_type_embeddings.weight"] = (types, hidden)
    for layer in range(layers):
        at = f"encoder.layer.{layer}."
        shapes |= {at + "attention.qkv_proj.weight": (3 * hidden, hidden),
                   at + "attention.qkv_proj.bias": (3 * hidden,),
                   at + "attention.o_proj.weight": (hidden, hidden), at + "attention.o_proj.bias": (hidden,),
                   at + "mlp.up_gate_proj.weight": (2 * inner, hidden),
                   at + "mlp.down_proj.weight": (hidden, inner), at + "mlp.down_proj.bias": (hidden,),
                   **norm_shapes(at + "attn_ln", hidden), **norm_shapes(at + "mlp_ln", hidden)}  # fmt: skip
    return shapes


def transformers_states(config, tensors, cases):
    """hidden_states of transformers' own class over a checkpoint, in float64."""
    import torch
    import transformers
    from safetensors.numpy import save_file

    from reference import Widen

    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        save_file({n: t.astype(np.float32) for n, t in tensors.items()}, Path(folder) / "model.safetensors",
                  {"format": "pt"})  # fmt: skip
        model, info = transformers.AutoModel.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
        )
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    model = model.double().eval()
    theta, dim = config.rope_parameters["rope_theta"], config.hidden_size // config.num_attention_heads
    for module in model.modules():
        if hasattr(module, "inv_freq"):  # made in float32
            module.inv_freq = torch.from_numpy(frequencies(theta, dim))
    out = []
    for ids, types in cases:
        with torch.inference_mode(), Widen():
            states = model(torch.tensor([ids]), token_type_ids=torch.tensor([types]), output_hidden_states=True)
        out.append([state[0].numpy() for state in states.hidden_states])
    return out


def check(name, function, config, native, shapes, lengths=(1, 2, 7, 130, 600)):
    """The largest difference of a family's function from transformers' class."""
    tensors = {n: t.astype(np.float32) for n, t in made_up(shapes, 5).items()}
    random = np.random.RandomState(9)
    kinds = max(native.type_vocab_size, 1)
    cases = [(random.randint(0, native.vocab_size, n).tolist(), random.randint(0, kinds, n).tolist()) for n in lengths]
    worst = 0.0
    for (ids, types), truth in zip(cases, transformers_states(native, tensors, cases)):
        states = function(tensors, config, ids, types)
        assert len(states) == len(truth)
        worst = max(worst, *(float(np.abs(a - b).max()) for a, b in zip(states, truth)))
    good = worst < 1e-11
    print(f"reference_numpy: {name}: {len(lengths)} texts of up to {max(lengths)} tokens, largest difference"
          f" {worst:.1e}: {'PASS' if good else 'FAIL'}")  # fmt: skip
    return good


def main():
    """Both families where transformers has them."""
    from transformers import GteConfig, NomicBertConfig

    size = {"hidden_size": 48, "num_attention_heads": 4, "intermediate_size": 80, "num_hidden_layers": 3,
            "vocab_size": 300, "layer_norm_eps": 1e-12}  # fmt: skip
    rope = lambda theta: {"rope_parameters": {"rope_type": "default", "rope_theta": theta}}  # noqa: E731
    hub = {"model_type": "nomic_bert", "n_embd": 48, "n_head": 4, "n_inner": 80, "n_layer": 3, "vocab_size": 300,
           "type_vocab_size": 2, "layer_norm_epsilon": 1e-12, "activation_function": "swiglu",
           "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0}  # fmt: skip
    good = check("NomicBERT", nomic_bert, hub, NomicBertConfig(**size, **rope(1000.0)), nomic_shapes(48, 80, 3, 300))
    for types in (0, 1, 2):
        config = {"model_type": "new", "rope_theta": 20000.0, "type_vocab_size": types, "hidden_act": "gelu", **size}
        native = GteConfig(**size, **rope(20000.0), type_vocab_size=types, hidden_act="gelu", pad_token_id=0)
        good &= check(f"GTE-new, {types} token types", gte, config, native, gte_shapes(48, 80, 3, 300, types))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
