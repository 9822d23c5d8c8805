"""Random BERT, DistilBERT and ELECTRA directories that behave as trained models do.

The weights are scaled so that attention is peaked and a few channels are outliers (an untrained
model attends uniformly, which hides errors). Large models go to a cache folder and are never
committed. Run by itself, this prints the attention entropy of each model.
"""
import json
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

RECIPE = 1  # of the weights below: a change here makes every cached model again
SCORE_STD = 6.0  # of the attention scores: 1.5 to 3 nats of entropy over 128 tokens
# How much of a token is what it attends to. Near 1 a deep random model is chaotic: the error of a case
# is then that of the one token whose attention nearly ties, which says nothing about the arithmetic.
CONTEXT_STD = 0.25


@dataclass(frozen=True)
class Shape:
    """The sizes of a model, in the words of BERT's config.json."""

    name: str
    family: str = "bert"
    hidden: int = 48
    layers: int = 2
    heads: int = 4
    intermediate: int = 96
    vocab: int = 1000
    positions: int = 512
    types: int = 2
    act: str = "gelu"
    eps: float = 1e-12
    embedding: int = 0  # ELECTRA: 0 means hidden

    @property
    def width(self):
        """Floats in a row of the embedding tables."""
        return self.embedding or self.hidden


@dataclass(frozen=True)
class Storage:
    """How a checkpoint is stored: none of this changes what the model computes."""

    dtype: str = "F32"  # F32, F16, BF16, F64
    prefix: bool = True
    legacy_norms: bool = False  # LayerNorm.gamma and beta
    pooler: bool = True
    extra_heads: bool = False
    position_ids: bool = False
    shards: int = 1
    vocab_txt: bool = False  # instead of tokenizer.json
    lowercase: bool = True


# ---- names of tensors ---------------------------------------------------------------------------

BERT_NAMES = {
    "layer": "encoder.layer.{}.",
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "context": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}
DISTILBERT_NAMES = {
    "layer": "transformer.layer.{}.",
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "context": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "intermediate": "ffn.lin1",
    "output": "ffn.lin2",
    "output_norm": "output_layer_norm",
}
NAMES = {"bert": BERT_NAMES, "electra": BERT_NAMES, "distilbert": DISTILBERT_NAMES}


# ---- weights --------------------------------------------------------------------------------------


class Weights:
    """Draws tensors in a fixed order from one seed. RandomState's stream is frozen by NumPy."""

    def __init__(self, seed):
        self.random = np.random.RandomState(seed)
        self.tensors = {}

    def normal(self, name, shape, std):
        """A tensor of normal numbers."""
        self.tensors[name] = self.random.standard_normal(shape) * std

    def linear(self, name, rows, columns, std, bias=0.2):
        """A dense layer [rows, columns]."""
        self.normal(name + ".weight", (rows, columns), std)
        self.normal(name + ".bias", rows, bias)

    def norm(self, name, size):
        """A LayerNorm with outlier channels. Returns the typical length of a vector behind it."""
        gamma = 1 + 0.15 * self.random.standard_normal(size)
        beta = 0.1 * self.random.standard_normal(size)
        outliers = self.random.permutation(size)[: max(1, size // 100)]
        gamma[outliers] = self.random.uniform(3, 10, len(outliers))
        beta[outliers] += self.random.uniform(-3, 3, len(outliers))
        self.tensors[name + ".weight"] = gamma
        self.tensors[name + ".bias"] = beta
        return float(np.sqrt(np.sum(gamma**2 + beta**2)))


def make_embeddings(weights, shape):
    """The tables and their norm. Returns the length of a vector behind them."""
    table = "embeddings.word_embeddings.weight"
    weights.normal(table, (shape.vocab, shape.width), 0.05)
    loud = weights.random.permutation(shape.width)[: max(1, shape.width // 100)]
    weights.tensors[table][:, loud] *= 10
    weights.normal("embeddings.position_embeddings.weight", (shape.positions, shape.width), 0.03)
    if shape.family != "distilbert":
        weights.normal("embeddings.token_type_embeddings.weight", (shape.types, shape.width), 0.03)
    length = weights.norm("embeddings.LayerNorm", shape.width)
    if shape.width != shape.hidden:
        weights.linear("embeddings_project", shape.hidden, shape.width, 1 / length)
        length = float(np.sqrt(shape.hidden))
    return length


def make_layer(weights, shape, index, length):
    """One encoder layer whose input vectors have the given length. Returns that of its output."""
    names = NAMES[shape.family]
    at = names["layer"].format(index)
    hidden, mlp = shape.hidden, shape.intermediate
    sharp = np.sqrt(SCORE_STD) / length
    weights.linear(at + names["query"], hidden, hidden, sharp)
    weights.linear(at + names["key"], hidden, hidden, sharp)
    weights.linear(at + names["value"], hidden, hidden, 1 / length)
    weights.linear(at + names["context"], hidden, hidden, CONTEXT_STD / np.sqrt(hidden))
    length = weights.norm(at + names["attention_norm"], hidden)
    weights.linear(at + names["intermediate"], mlp, hidden, 1.2 / length)
    weights.linear(at + names["output"], hidden, mlp, 1.2 / np.sqrt(mlp))
    return weights.norm(at + names["output_norm"], hidden)


def make_tensors(shape, seed=0):
    """Every tensor of the base model in float64, by its name without the family's prefix."""
    weights = Weights(zlib.crc32(f"{shape.name} {seed}".encode()))
    length = make_embeddings(weights, shape)
    for index in range(shape.layers):
        length = make_layer(weights, shape, index, length)
    if shape.family == "bert":
        weights.linear("pooler.dense", shape.hidden, shape.hidden, 1 / length)
    return weights.tensors


# ---- vocabulary and tokenizer ------------------------------------------------------------------------

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make_vocabulary(size, lowercase=True):
    """Special tokens, letters alone and continuing, then made-up words and endings, in that order."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    tokens = SPECIAL + [".", ",", "!"] + letters + ["##" + c for c in letters]
    random = np.random.RandomState(7)
    seen = set(tokens)
    while len(tokens) < size:
        syllables = random.randint(1, 4)
        word = "".join(
            "bdfgklmnprstvz"[random.randint(14)] + "aeiou"[random.randint(5)] for _ in range(syllables)
        )
        if not lowercase and random.randint(3) == 0:
            word = word.capitalize()
        if random.randint(3) == 0:
            word = "##" + word.lower()
        if word not in seen:
            seen.add(word)
            tokens.append(word)
    return tokens[:size]


def tokenizer_json(vocabulary, lowercase=True):
    """The tokenizer of BERT over a vocabulary, in the format of Hugging Face tokenizers."""
    ids = {token: index for index, token in enumerate(vocabulary)}
    special = [
        {"id": ids[token], "content": token, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for token in SPECIAL
    ]  # fmt: skip
    cls, sep = ids["[CLS]"], ids["[SEP]"]
    piece = lambda token, kind: {"SpecialToken": {"id": token, "type_id": kind}}  # noqa: E731
    text = lambda name, kind: {"Sequence": {"id": name, "type_id": kind}}  # noqa: E731
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": lowercase},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece("[CLS]", 0), text("A", 0), piece("[SEP]", 0)],
            "pair": [piece("[CLS]", 0), text("A", 0), piece("[SEP]", 0), text("B", 1), piece("[SEP]", 1)],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [cls], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [sep], "tokens": ["[SEP]"]},
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": ids},
    }  # fmt: skip


# ---- files ------------------------------------------------------------------------------------------------


def config_json(shape):
    """config.json of a shape."""
    if shape.family == "distilbert":
        return {
            "model_type": "distilbert", "architectures": ["DistilBertModel"], "activation": shape.act,
            "dim": shape.hidden, "hidden_dim": shape.intermediate, "n_heads": shape.heads,
            "n_layers": shape.layers, "vocab_size": shape.vocab, "pad_token_id": 0,
            "max_position_embeddings": shape.positions, "sinusoidal_pos_embds": False,
        }  # fmt: skip
    config = {
        "model_type": shape.family,
        "architectures": ["BertModel" if shape.family == "bert" else "ElectraModel"],
        "hidden_act": shape.act, "hidden_size": shape.hidden, "intermediate_size": shape.intermediate,
        "num_attention_heads": shape.heads, "num_hidden_layers": shape.layers,
        "vocab_size": shape.vocab, "type_vocab_size": shape.types, "pad_token_id": 0,
        "max_position_embeddings": shape.positions, "layer_norm_eps": shape.eps,
    }  # fmt: skip
    if shape.family == "electra":
        config["embedding_size"] = shape.width
    return config


def as_bytes(array, dtype):
    """The numbers of an array as a safetensors dtype, rounded to nearest even."""
    if dtype == "BF16":
        bits = np.ascontiguousarray(array, dtype="<f4").view("<u4").astype(np.uint64)
        return (((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")).tobytes()
    kinds = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}
    return np.ascontiguousarray(array, dtype=kinds[dtype]).tobytes()


def write_safetensors(path, tensors, metadata=None):
    """Write {name: (dtype, array)} as it stands, in that order: the same bytes every time."""
    header = {"__metadata__": metadata} if metadata else {}
    parts, at = [], 0
    for name, (dtype, array) in tensors.items():
        parts.append(as_bytes(array, dtype))
        end = at + len(parts[-1])
        header[name] = {"dtype": dtype, "shape": list(np.shape(array)), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))


def stored_name(name, family, storage):
    """The name of a base tensor in a checkpoint."""
    if storage.legacy_norms and "LayerNorm" in name:
        name = name.replace(".weight", ".gamma").replace(".bias", ".beta")
    return f"{family}.{name}" if storage.prefix else name


def stored_tensors(shape, tensors, storage):
    """What a checkpoint holds: the base tensors under its names, and what it is told to carry beside."""
    kept = {name: a for name, a in tensors.items() if storage.pooler or not name.startswith("pooler.")}
    out = {stored_name(n, shape.family, storage): (storage.dtype, a) for n, a in kept.items()}
    if storage.position_ids:
        name = stored_name("embeddings.position_ids", shape.family, storage)
        out[name] = ("I64", np.arange(shape.positions)[None, :])
    if storage.extra_heads:
        random = np.random.RandomState(1)
        for name, size in (
            ("cls.predictions.bias", (shape.vocab,)),
            ("cls.predictions.transform.dense.weight", (shape.hidden, shape.hidden)),
            ("cls.seq_relationship.weight", (2, shape.hidden)),
        ):
            out[name] = (storage.dtype, random.standard_normal(size))
    return out


def write_weights(folder, tensors, shards):
    """model.safetensors, or as many shards and their index."""
    metadata = {"format": "pt"}
    if shards == 1:
        write_safetensors(folder / "model.safetensors", tensors, metadata)
        return
    names = list(tensors)
    weight_map, total = {}, 0
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: tensors[name] for name in names[shard::shards]}
        write_safetensors(folder / file, part, metadata)
        weight_map.update(dict.fromkeys(part, file))
        total += sum(len(as_bytes(a, dtype)) for dtype, a in part.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    write_json(folder / "model.safetensors.index.json", index)


def write_json(path, value):
    """A JSON file for people to read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_tokenizer(folder, shape, storage):
    """tokenizer.json or vocab.txt, with their configuration."""
    vocabulary = make_vocabulary(shape.vocab, storage.lowercase)
    if storage.vocab_txt:
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    else:
        text = json.dumps(tokenizer_json(vocabulary, storage.lowercase), ensure_ascii=False)
        (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")
    keys = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    special = dict(zip(keys, SPECIAL))
    write_json(folder / "special_tokens_map.json", special)
    tokenizer_class = "DistilBertTokenizer" if shape.family == "distilbert" else "BertTokenizer"
    config = {"do_lower_case": storage.lowercase, "strip_accents": None, "tokenize_chinese_chars": True,
              "model_max_length": shape.positions, "tokenizer_class": tokenizer_class}  # fmt: skip
    write_json(folder / "tokenizer_config.json", {**special, **config})


def write_model(folder, shape, storage=Storage(), tensors=None):
    """A complete model directory."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config_json(shape))
    write_tokenizer(folder, shape, storage)
    tensors = make_tensors(shape) if tensors is None else tensors
    write_weights(folder, stored_tensors(shape, tensors, storage), storage.shards)


def cached_model(cache, shape, storage=Storage()):
    """The directory of a model under the cache folder, made if it is not there yet."""
    recipe = json.dumps([RECIPE, SCORE_STD, CONTEXT_STD, asdict(shape), asdict(storage)])
    folder = Path(cache) / f"{shape.name}-{zlib.crc32(recipe.encode()):08x}"
    done = folder / "complete"
    if not done.exists():
        write_model(folder, shape, storage)
        done.write_text(recipe + "\n")
    return folder


# ---- the models that are compared ---------------------------------------------------------------------------

FULL = [
    (Shape("bert-base", "bert", 768, 12, 12, 3072, 30522), Storage()),
    (Shape("minilm-l6", "bert", 384, 6, 12, 1536, 30522), Storage(prefix=False)),
    (Shape("distilbert-base", "distilbert", 768, 6, 12, 3072, 30522), Storage()),
    (Shape("electra-small", "electra", 256, 12, 4, 1024, 30522, embedding=128), Storage()),
]
ODD = [
    (Shape("head-dim-20", hidden=120, heads=6, intermediate=200), Storage()),
    (Shape("one-layer", layers=1), Storage()),
    (Shape("one-head", hidden=72, heads=1), Storage(vocab_txt=True)),
    (Shape("vocab-100", vocab=100), Storage()),
    (Shape("one-type", types=1, eps=1e-5), Storage()),
    (Shape("width-300", hidden=300, heads=5, intermediate=1000, layers=3), Storage()),
    (Shape("mlp-37-relu", intermediate=37, act="relu"), Storage()),
    (Shape("mlp-gelu-new", intermediate=131, act="gelu_new"), Storage()),
    (Shape("mlp-gelu-tanh", act="gelu_pytorch_tanh"), Storage()),
    (Shape("mlp-silu", act="silu"), Storage()),
    (Shape("head-dim-1", hidden=6, heads=6, intermediate=9, vocab=100), Storage()),
    (Shape("distilbert-odd", "distilbert", 60, 3, 3, 50, act="relu"), Storage()),
    (Shape("electra-odd", "electra", 36, 2, 2, 70, embedding=24), Storage()),
    (Shape("electra-same", "electra", 64, 2, 2, 70), Storage()),
]
_MIDDLE = Shape("middle", hidden=384, layers=2, heads=12, intermediate=1536, vocab=1000)
STORED = [
    (replace(_MIDDLE, name="stored-f16"), Storage(dtype="F16")),
    (replace(_MIDDLE, name="stored-bf16"), Storage(dtype="BF16")),
    (replace(_MIDDLE, name="stored-f64"), Storage(dtype="F64")),
    (Shape("distilbert-bf16", "distilbert"), Storage(dtype="BF16")),
    (Shape("electra-f16", "electra", embedding=24), Storage(dtype="F16")),
]
NAMED = [
    (Shape("names-bare"), Storage(prefix=False)),
    (Shape("names-legacy"), Storage(legacy_norms=True, extra_heads=True, position_ids=True)),
    (Shape("names-legacy-bare"), Storage(legacy_norms=True, prefix=False, position_ids=True)),
    (Shape("names-no-pooler"), Storage(pooler=False, extra_heads=True)),
    (Shape("names-sharded"), Storage(shards=3)),
    (Shape("names-sharded-f16"), Storage(shards=2, dtype="F16", prefix=False, pooler=False)),
    (Shape("names-distilbert-bare", "distilbert"), Storage(prefix=False)),
    (Shape("names-electra-bare", "electra", embedding=24), Storage(prefix=False)),
]
GROUPS = {"full": FULL, "odd": ODD, "stored": STORED, "named": NAMED}


def main():
    """Print the mean attention entropy of every model beside that of uniform attention."""
    import sys

    from reference import Reference

    cache = sys.argv[1] if len(sys.argv) > 1 else "build/parity/models"
    for shape, storage in [pair for group in GROUPS.values() for pair in group]:
        reference = Reference(cached_model(cache, shape, storage))
        entropy, loudest = reference.entropy(length=128)
        print(f"{shape.name:22} entropy {entropy:5.2f} of {np.log(128):.2f} nats,"
              f" loudest channel {loudest:5.1f} x the median")  # fmt: skip


if __name__ == "__main__":
    main()
