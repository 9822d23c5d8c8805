"""JinaBERT v2 in NumPy (float64 unless another dtype is asked for), written from its specification: transformers has no class for it.

Two of its forms: that of the English models (BERT's names, a gated MLP), and that of the code model
(qk-post-norm: norms of whole queries and keys, the input of a layer added twice).
"""
import math

import numpy as np

ERF = np.vectorize(math.erf, otypes=[np.float64])

ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1 + ERF(x / math.sqrt(2)).astype(x.dtype)),
    "gelu_new": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "geglu": lambda x: 0.5 * x * (1 + ERF(x / math.sqrt(2)).astype(x.dtype)),
    "reglu": lambda x: np.maximum(x, 0),
}


class Tensors:
    """A checkpoint's tensors, found with and without the family's prefix."""

    def __init__(self, tensors, dtype, prefix="bert."):
        self.tensors, self.prefix, self.dtype = tensors, prefix, dtype

    def __contains__(self, name):
        return name in self.tensors or self.prefix + name in self.tensors

    def __getitem__(self, name):
        found = self.tensors.get(self.prefix + name)
        return np.asarray(self.tensors[name] if found is None else found, dtype=self.dtype)

    def linear(self, name, x):
        """x W^T + b; without b where the checkpoint has none."""
        y = x @ self[name + ".weight"].T
        return y + self[name + ".bias"] if name + ".bias" in self else y

    def norm(self, name, x, eps):
        """LayerNorm over the last axis, by the biased variance."""
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
        return centred / scale * self[name + ".weight"] + self[name + ".bias"]


def alibi_slopes(heads):
    """One slope a head; where their number is no power of two, every other one of twice as many follows."""

    def powers(count):
        start = 2.0 ** -(2.0 ** -(math.log2(count) - 3))
        return [start ** (k + 1) for k in range(count)]

    if math.log2(heads).is_integer():
        return powers(heads)
    closest = 2 ** math.floor(math.log2(heads))
    return powers(closest) + powers(2 * closest)[0::2][: heads - closest]


def alibi(heads, tokens):
    """What is added to scaled scores: [heads][tokens][tokens], the same on both sides."""
    places = np.arange(tokens)
    return -np.array(alibi_slopes(heads))[:, None, None] * np.abs(places[:, None] - places[None, :])


def attend(q, k, v, heads, added):
    """softmax(q k^T / sqrt(d) + added) v of [tokens][heads * d]."""
    tokens, size = q.shape
    split = lambda x: x.reshape(tokens, heads, size // heads).transpose(1, 0, 2)  # noqa: E731
    scores = split(q) @ split(k).transpose(0, 2, 1) / math.sqrt(size // heads) + added.astype(q.dtype)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return (weights @ split(v)).transpose(1, 0, 2).reshape(tokens, size)


def embed(t, config, ids, type_ids):
    """Words and token types, normed: there is no table of positions."""
    x = t["embeddings.word_embeddings.weight"][ids]
    x = x + t["embeddings.token_type_embeddings.weight"][type_ids]
    return t.norm("embeddings.LayerNorm", x, config["layer_norm_eps"])


def english_mlp(t, at, config, x):
    """wo(act(first half) * second half), or BERT's MLP without a gate ("original")."""
    kind = config.get("feed_forward_type", "original")
    eps = config["layer_norm_eps"]
    if kind == "original":
        y = ACTIVATIONS[config.get("hidden_act", "gelu")](t.linear(at + "intermediate.dense", x))
        return t.norm(at + "output.LayerNorm", t.linear(at + "output.dense", y) + x, eps)
    halves = np.split(t.linear(at + "mlp.gated_layers", x), 2, axis=-1)
    y = t.linear(at + "mlp.wo", ACTIVATIONS[kind](halves[0]) * halves[1])
    return t.norm(at + "mlp.layernorm", y + x, eps)


def english_layer(t, at, config, x, added):
    """One layer of jina-bert-implementation: BERT's, with another MLP."""
    heads, eps = config["num_attention_heads"], config["layer_norm_eps"]
    q, k, v = (t.linear(f"{at}attention.self.{what}", x) for what in ("query", "key", "value"))
    y = t.linear(at + "attention.output.dense", attend(q, k, v, heads, added))
    return english_mlp(t, at, config, t.norm(at + "attention.output.LayerNorm", y + x, eps))


def code_layer(t, at, config, x, added):
    """One layer of jina-bert-v2-qk-post-norm."""
    heads, eps = config["num_attention_heads"], config["layer_norm_eps"]
    q, k, v = (t.linear(f"{at}attention.self.{what}", x) for what in ("query", "key", "value"))
    q = t.norm(at + "attention.self.layer_norm_q", q, eps)
    k = t.norm(at + "attention.self.layer_norm_k", k, eps)
    y = t.linear(at + "attention.output.dense", attend(q, k, v, heads, added))
    y = t.norm(at + "attention.output.LayerNorm", y + x, eps)
    x = t.norm(at + "layer_norm_1", y + x, eps)
    up, gate = np.split(t.linear(at + "mlp.up_gated_layer", x), 2, axis=-1)
    kind = config.get("feed_forward_type", "geglu")
    y = t.linear(at + "mlp.down_layer", up * ACTIVATIONS[kind](gate))
    return t.norm(at + "layer_norm_2", y + x, eps)


def hidden_states(tensors, config, ids, type_ids=None, dtype=np.float64):
    """Arrays [tokens][hidden]: what enters the first layer, then what leaves each of them.

    tensors: {name: array} of a checkpoint; config: its config.json; ids, type_ids: of one text.
    """
    t = Tensors(tensors, dtype)
    ids = np.asarray(ids)
    type_ids = np.zeros_like(ids) if type_ids is None else np.asarray(type_ids)
    config = {"layer_norm_eps": 1e-12, "num_attention_heads": 12, "num_hidden_layers": 12} | config
    added = alibi(config["num_attention_heads"], len(ids))
    layer = code_layer if "encoder.layer.0.attention.self.layer_norm_q.weight" in t else english_layer
    states = [embed(t, config, ids, type_ids)]
    for index in range(config["num_hidden_layers"]):
        states.append(layer(t, f"encoder.layer.{index}.", config, states[-1], added))
    return states
