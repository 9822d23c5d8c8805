"""Random directories of every text encoder, which behave as trained models do.

The weights are scaled so that attention is peaked and a few channels are outliers (an untrained
model attends uniformly, which hides errors). Large models go to a cache folder and are never
committed. Run by itself, this prints the attention entropy of each model.
"""
import json
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

import models_relative
import models_rotary

RECIPE = 4  # of the weights below: a change here makes every cached model again
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
    embedding: int = 0  # ELECTRA and ALBERT: 0 means hidden
    pad: int = 0  # pad_token_id: RoBERTa counts positions from behind it, SigLIP fills texts up with it
    groups: int = 1  # ALBERT: num_hidden_groups
    inner: int = 1  # ALBERT: inner_group_num
    eos: int = 3  # CLIP: eos_token_id; 2 means the largest id
    projection: int = 0  # CLIP: rows of text_projection; SigLIP: projection_size, 0 means hidden
    head_dim: int = 0  # of decoders: 0 means hidden / heads
    kv_heads: int = 0  # num_key_value_heads of decoders: 0 means heads
    extra: tuple = ()  # (key, value) of config.json

    @property
    def width(self):
        """Floats in a row of the embedding tables."""
        return self.embedding or self.hidden

    @property
    def pre_norm(self):
        """Norms stand before the blocks, and one behind the last layer."""
        return self.family in PRE_NORM

    @property
    def room(self):
        """Tokens of the longest text."""
        rope = dict(self.extra).get("rope_parameters", {})
        if rope.get("rope_type") == "dynamic":
            return int(self.positions * rope["factor"])
        return self.positions - (self.pad + 1 if self.family in BEHIND_PADDING else 0)


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
ALBERT_NAMES = {
    "layer": "encoder.albert_layer_groups.{}.albert_layers.{}.",
    "query": "attention.query",
    "key": "attention.key",
    "value": "attention.value",
    "context": "attention.dense",
    "attention_norm": "attention.LayerNorm",
    "intermediate": "ffn",
    "output": "ffn_output",
    "output_norm": "full_layer_layer_norm",
}
CLIP_NAMES = {
    "layer": "encoder.layers.{}.",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "context": "self_attn.out_proj",
    "attention_norm": "layer_norm1",
    "intermediate": "mlp.fc1",
    "output": "mlp.fc2",
    "output_norm": "layer_norm2",
}
PRELAYERNORM_NAMES = BERT_NAMES | {"attention_norm": "attention.LayerNorm", "output_norm": "intermediate.LayerNorm"}
XL_NAMES = BERT_NAMES | {"attention_norm": "attention.self_attn_layer_norm", "output_norm": "LayerNorm"}
FINAL_NORMS = {"roberta-prelayernorm": "LayerNorm", "xlm-roberta-xl": "encoder.LayerNorm"}  # the last state is normed
ROBERTAS = ("roberta", "xlm-roberta", "camembert", "data2vec-text", *FINAL_NORMS)
BEHIND_PADDING = (*ROBERTAS, "mpnet")  # positions are counted from behind the padding token's id
PRE_NORM = ("clip_text_model", "siglip_text_model")
NAMES = {
    **dict.fromkeys(("bert", "electra", "ernie", *ROBERTAS), BERT_NAMES), **dict.fromkeys(PRE_NORM, CLIP_NAMES),
    "distilbert": DISTILBERT_NAMES, "albert": ALBERT_NAMES, "roberta-prelayernorm": PRELAYERNORM_NAMES,
    "xlm-roberta-xl": XL_NAMES,
}  # fmt: skip
PREFIXES = {
    **dict.fromkeys(ROBERTAS, "roberta"), **dict.fromkeys(PRE_NORM, "text_model"), **models_rotary.PREFIXES,
    **models_relative.PREFIXES, "data2vec-text": "data2vec_text", "roberta-prelayernorm": "roberta_prelayernorm",
}  # fmt: skip


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
    if dict(shape.extra).get("use_task_id"):
        weights.normal("embeddings.task_type_embeddings.weight", (3, shape.width), 0.03)
    if shape.family == "xlm-roberta-xl":
        return None  # no norm
    length = weights.norm("embeddings.LayerNorm", shape.width)
    if shape.width != shape.hidden or shape.family == "albert":
        albert = shape.family == "albert"
        name = "encoder.embedding_hidden_mapping_in" if albert else "embeddings_project"
        weights.linear(name, shape.hidden, shape.width, 1 / length)
        length = float(np.sqrt(shape.hidden))
    return length


def make_pre_norm_embeddings(weights, shape):
    """The tables of CLIP and SigLIP: a stream of unit variance with loud channels, never normalised."""
    tables = (("token", shape.vocab), ("position", shape.positions))
    for name, rows in tables:
        weights.normal(f"embeddings.{name}_embedding.weight", (rows, shape.hidden), 0.7)
    loud = weights.random.permutation(shape.hidden)[: max(1, shape.hidden // 100)]
    weights.tensors["embeddings.token_embedding.weight"][:, loud] *= 10


def make_pre_norm_layer(weights, shape, index):
    """One layer of CLIP and SigLIP, which adds about as much to the stream as it holds."""
    names = NAMES[shape.family]
    at = names["layer"].format(index)
    hidden, mlp = shape.hidden, shape.intermediate
    length = weights.norm(at + names["attention_norm"], hidden)
    sharp = np.sqrt(SCORE_STD) / length
    weights.linear(at + names["query"], hidden, hidden, sharp)
    weights.linear(at + names["key"], hidden, hidden, sharp)
    weights.linear(at + names["value"], hidden, hidden, 1 / length)
    weights.linear(at + names["context"], hidden, hidden, 0.6 / np.sqrt(hidden))
    length = weights.norm(at + names["output_norm"], hidden)
    weights.linear(at + names["intermediate"], mlp, hidden, 1.2 / length)
    weights.linear(at + names["output"], hidden, mlp, 0.7 / np.sqrt(mlp))


def make_layer(weights, shape, index, length):
    """One encoder layer whose input vectors have the given length. Returns that of its output."""
    names = NAMES[shape.family]
    at = names["layer"].format(*divmod(index, shape.inner) if shape.family == "albert" else [index])
    hidden, mlp = shape.hidden, shape.intermediate
    # The same layer over and over is chaotic unless it does little.
    calm = 3 if shape.family == "albert" else 1
    sharp = np.sqrt(SCORE_STD / calm) / length
    weights.linear(at + names["query"], hidden, hidden, sharp)
    weights.linear(at + names["key"], hidden, hidden, sharp)
    weights.linear(at + names["value"], hidden, hidden, 1 / length)
    weights.linear(at + names["context"], hidden, hidden, CONTEXT_STD / np.sqrt(hidden))
    length = weights.norm(at + names["attention_norm"], hidden)
    weights.linear(at + names["intermediate"], mlp, hidden, 1.2 / length)
    weights.linear(at + names["output"], hidden, mlp, 1.2 / calm / np.sqrt(mlp))
    return weights.norm(at + names["output_norm"], hidden)


def make_tensors(shape, seed=0):
    """Every tensor of the base model in float64, by its name without the family's prefix."""
    weights = Weights(zlib.crc32(f"{shape.name} {seed}".encode()))
    if shape.family in models_relative.FAMILIES:
        return models_relative.make_tensors(weights, shape)
    if shape.family in models_rotary.FAMILIES:
        return models_rotary.make_tensors(weights, shape)
    if shape.pre_norm:
        return make_pre_norm_tensors(weights, shape)
    length = make_embeddings(weights, shape)
    albert = shape.family == "albert"
    for index in range(shape.groups * shape.inner if albert else shape.layers):
        if shape.family in FINAL_NORMS:
            make_pre_norm_layer(weights, shape, index)
        else:
            length = make_layer(weights, shape, index, length)
    if shape.family in FINAL_NORMS:
        length = weights.norm(FINAL_NORMS[shape.family], shape.hidden)
    if shape.family in ("bert", "ernie", "albert", *ROBERTAS):
        weights.linear("pooler" if albert else "pooler.dense", shape.hidden, shape.hidden, 1 / length)
    return weights.tensors


def make_pre_norm_tensors(weights, shape):
    """The text tower of CLIP or SigLIP, and what follows it."""
    make_pre_norm_embeddings(weights, shape)
    for index in range(shape.layers):
        make_pre_norm_layer(weights, shape, index)
    length = weights.norm("final_layer_norm", shape.hidden)
    if shape.family == "siglip_text_model":
        weights.linear("head", shape.projection or shape.hidden, shape.hidden, 1 / length)
    elif shape.projection:
        weights.normal("text_projection.weight", (shape.projection, shape.hidden), 1 / length)
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


CLASSES = {
    "bert": "BertModel", "electra": "ElectraModel", "albert": "AlbertModel", "roberta": "RobertaModel",
    "xlm-roberta": "XLMRobertaModel", "camembert": "CamembertModel", "clip_text_model": "CLIPTextModel",
    "siglip_text_model": "SiglipTextModel", "ernie": "ErnieModel", "data2vec-text": "Data2VecTextModel",
    "roberta-prelayernorm": "RobertaPreLayerNormModel", "xlm-roberta-xl": "XLMRobertaXLModel",
}  # fmt: skip


def config_json(shape):
    """config.json of a shape."""
    if shape.family == "distilbert":
        return {
            "model_type": "distilbert", "architectures": ["DistilBertModel"], "activation": shape.act,
            "dim": shape.hidden, "hidden_dim": shape.intermediate, "n_heads": shape.heads,
            "n_layers": shape.layers, "vocab_size": shape.vocab, "pad_token_id": 0,
            "max_position_embeddings": shape.positions, "sinusoidal_pos_embds": False,
        }  # fmt: skip
    if shape.family in models_relative.FAMILIES:
        return models_relative.config_json(shape)
    if shape.family in models_rotary.FAMILIES:
        return models_rotary.config_json(shape)
    if shape.pre_norm:
        return pre_norm_config_json(shape)
    config = {
        "model_type": shape.family,
        "architectures": [CLASSES[shape.family]],
        "hidden_act": shape.act, "hidden_size": shape.hidden, "intermediate_size": shape.intermediate,
        "num_attention_heads": shape.heads, "num_hidden_layers": shape.layers,
        "vocab_size": shape.vocab, "type_vocab_size": shape.types, "pad_token_id": shape.pad,
        "max_position_embeddings": shape.positions, "layer_norm_eps": shape.eps,
    }  # fmt: skip
    if shape.family in ("electra", "albert"):
        config["embedding_size"] = shape.width
    if shape.family == "albert":
        config |= {"num_hidden_groups": shape.groups, "inner_group_num": shape.inner,
                   "num_hidden_layers": shape.layers // shape.inner}  # fmt: skip
    return config | dict(shape.extra)


def pre_norm_config_json(shape):
    """config.json of a text tower of CLIP or SigLIP."""
    clip = shape.family == "clip_text_model"
    projected = clip and shape.projection
    config = {
        "model_type": shape.family,
        "architectures": [CLASSES[shape.family] + ("WithProjection" if projected else "")],
        "hidden_act": shape.act, "hidden_size": shape.hidden, "intermediate_size": shape.intermediate,
        "num_attention_heads": shape.heads, "num_hidden_layers": shape.layers,
        "vocab_size": shape.vocab, "max_position_embeddings": shape.positions,
        "layer_norm_eps": shape.eps, "pad_token_id": shape.pad, "bos_token_id": 2, "eos_token_id": shape.eos,
    }  # fmt: skip
    if shape.projection:
        config["projection_dim" if clip else "projection_size"] = shape.projection
    return config


def as_bytes(array, dtype):
    """The numbers of an array as a safetensors dtype, rounded to nearest even."""
    if dtype == "BF16":
        bits = np.ascontiguousarray(array, dtype="<f4").view("<u4").astype(np.uint64)
        return (((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")).tobytes()
    kinds = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I8": "i1", "I32": "<i4", "I64": "<i8"}
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
    whole = name == "text_projection.weight"
    return f"{PREFIXES.get(family, family)}.{name}" if storage.prefix and not whole else name


def stored_tensors(shape, tensors, storage):
    """What a checkpoint holds: the base tensors under its names, and what it is told to carry beside."""
    kept = {name: a for name, a in tensors.items() if storage.pooler or not name.startswith("pooler")}
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
    if shape.family.startswith("siglip"):  # its texts are filled up with the tokenizer's
        special["pad_token"] = vocabulary[shape.pad]
    write_json(folder / "special_tokens_map.json", special)
    tokenizer_class = "DistilBertTokenizer" if shape.family == "distilbert" else "BertTokenizer"
    config = {"do_lower_case": storage.lowercase, "strip_accents": None, "tokenize_chinese_chars": True,
              "model_max_length": shape.room, "tokenizer_class": tokenizer_class}  # fmt: skip
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

_CLIP, _SIGLIP = PRE_NORM
FULL = [
    (Shape("bert-base", "bert", 768, 12, 12, 3072, 30522), Storage()),
    (Shape("minilm-l6", "bert", 384, 6, 12, 1536, 30522), Storage(prefix=False)),
    (Shape("distilbert-base", "distilbert", 768, 6, 12, 3072, 30522), Storage()),
    (Shape("electra-small", "electra", 256, 12, 4, 1024, 30522, embedding=128), Storage()),
    (Shape("roberta-base", "roberta", 768, 12, 12, 3072, 50265, 514, 1, eps=1e-5, pad=1), Storage()),
    (Shape("albert-base", "albert", 768, 12, 12, 3072, 30000, act="gelu_new", embedding=128), Storage()),
    (Shape("clip-base", _CLIP, 512, 12, 8, 2048, 49408, 77, 0, "quick_gelu", 1e-5, eos=49407, projection=512),
     Storage()),
    (Shape("siglip-base", _SIGLIP, 768, 12, 12, 3072, 32000, 64, 0, "gelu_pytorch_tanh", 1e-6, pad=1), Storage()),
]
_GROUPS = {"vocab": 300, "positions": 130, "act": "gelu_new"}
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
    (Shape("roberta-odd", "roberta", 56, 3, 4, 50, positions=132, types=1, eps=1e-5, pad=1), Storage()),
    (Shape("roberta-pad-0", "roberta", positions=130, types=2), Storage(pooler=False)),
    (Shape("xlm-roberta-pad-7", "xlm-roberta", 72, 2, 1, 31, positions=137, types=1, act="relu", pad=7),
     Storage(prefix=False)),
    (Shape("camembert-no-room", "camembert", positions=2, types=1, pad=0, vocab=90), Storage()),
    (Shape("camembert-odd", "camembert", 44, 2, 4, 37, positions=67, types=1, pad=1), Storage()),
    (Shape("data2vec-odd", "data2vec-text", 44, 2, 4, 37, positions=67, types=1, pad=1), Storage()),
    (Shape("prelayernorm-odd", "roberta-prelayernorm", 56, 3, 4, 50, positions=132, types=1, eps=1e-5, pad=1),
     Storage()),
    (Shape("prelayernorm-pad-0", "roberta-prelayernorm", 72, 2, 1, 31, positions=260, act="relu"),
     Storage(prefix=False)),
    (Shape("xlm-roberta-xl-odd", "xlm-roberta-xl", 60, 4, 3, 50, positions=140, types=1, eps=1e-5, pad=1), Storage()),
    (Shape("ernie-odd", "ernie", 60, 3, 3, 50, positions=130, act="relu"), Storage()),
    (Shape("ernie-task", "ernie", 56, 2, 4, 90, types=4, extra=(("use_task_id", True),)), Storage(prefix=False)),
    (Shape("albert-odd", "albert", 60, 3, 3, 50, **_GROUPS, embedding=7), Storage()),
    (Shape("albert-same", "albert", 120, 4, 4, 96, **_GROUPS, groups=2), Storage()),
    (Shape("albert-14-6", "albert", 320, 14, 5, 400, **_GROUPS, embedding=20, groups=6), Storage(prefix=False)),
    # int(9 / (18 / 14)) is 6 in floating point, not 7
    (Shape("albert-18-14", "albert", 320, 18, 5, 400, **_GROUPS, embedding=20, groups=14), Storage()),
    (Shape("albert-6-4-inner-3", "albert", 320, 18, 5, 400, **_GROUPS, embedding=20, groups=4, inner=3),
     Storage(pooler=False)),
    (Shape("clip-odd", _CLIP, 42, 3, 3, 55, 300, 77, 0, "gelu", 1e-5, eos=299), Storage()),
    (Shape("clip-argmax", _CLIP, 48, 2, 4, 96, 300, 130, 0, "quick_gelu", 1e-5, eos=2, projection=20),
     Storage(prefix=False)),
    (Shape("clip-one-head", _CLIP, 72, 2, 1, 96, 300, 33, 0, "quick_gelu", 1e-3, projection=90), Storage()),
    (Shape("siglip-odd", _SIGLIP, 42, 3, 3, 55, 300, 64, 0, "gelu_pytorch_tanh", 1e-6, pad=1), Storage()),
    (Shape("siglip-projection", _SIGLIP, 60, 2, 3, 96, 300, 20, 0, "gelu", 1e-6, pad=9, projection=25),
     Storage(prefix=False)),
]
_MIDDLE = Shape("middle", hidden=384, layers=2, heads=12, intermediate=1536, vocab=1000)
STORED = [
    (replace(_MIDDLE, name="stored-f16"), Storage(dtype="F16")),
    (replace(_MIDDLE, name="stored-bf16"), Storage(dtype="BF16")),
    (replace(_MIDDLE, name="stored-f64"), Storage(dtype="F64")),
    (Shape("distilbert-bf16", "distilbert"), Storage(dtype="BF16")),
    (Shape("electra-f16", "electra", embedding=24), Storage(dtype="F16")),
    (Shape("albert-bf16", "albert", embedding=24, groups=2), Storage(dtype="BF16")),
    (Shape("clip-f16", _CLIP, positions=77, types=0, projection=20), Storage(dtype="F16")),
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
    (Shape("names-roberta-legacy", "roberta", types=1, pad=1),
     Storage(legacy_norms=True, extra_heads=True, position_ids=True)),
    (Shape("names-albert-bare", "albert", embedding=24), Storage(prefix=False, position_ids=True)),
    (Shape("names-siglip-sharded", _SIGLIP, positions=64, types=0), Storage(shards=2, position_ids=True)),
]
ROTARY = models_rotary.models(Shape, Storage)
RELATIVE = models_relative.models(Shape, Storage)
GROUPS = {"full": FULL, "odd": ODD, "stored": STORED, "named": NAMED, "rotary": ROTARY, "relative": RELATIVE}


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
