"""Makes the small frozen models of tests/data/models, which `make check` opens without Python.

Every model has made-up weights and a made-up vocabulary; expected.safetensors beside it holds what the
reference computes in float64, rounded to float32 at the very end:
    ids, type_ids, offsets     the inputs: first the lines of texts.txt, then the pairs of pairs.txt, then
                               ids that no text gives
    hidden.K                   hidden_states[K], [tokens][hidden]
    last                       last_hidden_state, where a norm parts it from the last of them
    pool.NAME                  each pooling of the last hidden state, [inputs][hidden]
    pooler, projection         pooler_output and its projection, where the checkpoint has them
    sentence                   the vectors of the directory's own recipe, [inputs][dim]
    prompt.NAME                the same for texts.txt alone with a prompt of the model
The same bytes come out of every run.    freeze_models.py [FOLDER]
"""
import copy
import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

import models_random as random_models
from models_relative import deberta
from models_random import Shape, Storage
from reference_hub import reference_of

TINY = Shape("tiny", hidden=20, layers=2, heads=2, intermediate=36, vocab=90, positions=24)
POOLINGS = ("cls", "mean", "max", "last", "weighted", "sqrt_len")


@dataclass
class Frozen:
    """One model to freeze. modules: what stands in modules.json after the Transformer."""

    name: str
    shape: Shape
    storage: Storage = Storage()
    modules: list = field(default_factory=list)
    sentence_config: dict = None
    prompts: dict = field(default_factory=dict)
    default_prompt: str = None
    ids: tuple = ()  # inputs that no text gives
    sentence: str = "pool.cls"  # what a directory without modules gives


POOLING_5 = ("Pooling", {
    "word_embedding_dimension": 20, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
    "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False,
})  # fmt: skip
POOLING_6 = ("Pooling", {
    "embedding_dimension": 20, "pooling_mode": ["cls", "weightedmean"], "include_prompt": False,
})  # fmt: skip
DENSE = ("Dense", {
    "in_features": 20, "out_features": 18, "bias": True,
    "activation_function": "torch.nn.modules.activation.Tanh",
})  # fmt: skip
DENSE_PLAIN = ("Dense", {
    "in_features": 40, "out_features": 12, "bias": False,
    "activation_function": "torch.nn.modules.linear.Identity",
})  # fmt: skip

POOLING_12 = ("Pooling", {
    "word_embedding_dimension": 12, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
})  # fmt: skip
_PLAIN = {"bias": False, "activation_function": "torch.nn.modules.linear.Identity"}
DENSE_UP = ("Dense", {"in_features": 12, "out_features": 25, **_PLAIN})
DENSE_DOWN = ("Dense", {"in_features": 25, "out_features": 12, **_PLAIN})

_NOMIC = (("hub", True), ("rotary_scaling_factor", 2.0), ("max_trained_positions", 11), ("pad_vocab_size_multiple", 7))
_NOMIC_BIAS = (("hub", True), ("activation_function", "gelu"), ("qkv_proj_bias", True), ("mlp_fc1_bias", True),
               ("mlp_fc2_bias", True), ("rotary_emb_base", 300.0))  # fmt: skip
_NTK = (("rope_theta", 500.0), ("rope_scaling", {"type": "ntk", "factor": 3.0}))
_QWEN = (("rope_theta", 1e4), ("use_sliding_window", True), ("sliding_window", 5), ("max_window_layers", 2))
_GEMMA = (("use_bidirectional_attention", True), ("sliding_window", 8), ("sliding_window_pattern", 2),
          ("query_pre_attn_scalar", 80))  # fmt: skip
_GEMMA_CAUSAL = (("sliding_window", 4), ("rope_parameters", {
    "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
    "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 2000.0},
}))  # fmt: skip
_LONG = (tuple(range(2, 32)), (5,))
_TOWER = {"hidden": 12, "layers": 2, "heads": 3, "intermediate": 20, "vocab": 70, "types": 0}
_ENDS = ((2, 9, 30), (3,), (2, 3, 9, 3, 8), (40, 69, 5, 69))  # without an end, with two, twice the largest

MODELS = [
    Frozen("bert", TINY, Storage(legacy_norms=True, extra_heads=True, position_ids=True)),
    Frozen("bert-bare", TINY, Storage(prefix=False, pooler=False, vocab_txt=True)),
    Frozen("bert-f16", TINY, Storage(dtype="F16")),
    Frozen("bert-bf16", TINY, Storage(dtype="BF16", pooler=False)),
    Frozen("bert-f64", Shape("f64", hidden=12, layers=1, heads=1, intermediate=18, vocab=80, positions=24),
           Storage(dtype="F64")),
    Frozen("bert-sharded", TINY, Storage(dtype="BF16", shards=3)),
    Frozen("bert-odd", Shape("odd", hidden=40, layers=1, heads=2, intermediate=265, vocab=80, positions=20,
                             types=1, act="gelu_new", eps=1e-5), Storage(dtype="F16", lowercase=False)),
    Frozen("distilbert", Shape("distil", "distilbert", 18, 2, 3, 30, 90, 24, act="relu")),
    Frozen("electra", Shape("electra", "electra", 20, 2, 2, 36, 90, 24, embedding=12)),
    # Its pad_token_id is that of [UNK], so that texts have padding inside as well.
    Frozen("roberta", Shape("roberta", "roberta", 12, 2, 2, 20, 70, 26, 1, eps=1e-5, pad=1),
           ids=((2, 1, 9, 1, 1, 30, 3), (1,), (1, 1, 1), tuple(range(2, 26)))),
    Frozen("albert", Shape("albert", "albert", 18, 6, 2, 24, 70, 14, act="gelu_new", embedding=12, groups=2,
                           inner=2), Storage(dtype="F16")),
    # int(9 / (18 / 14)) is 6 in floating point, as the reference has it, where 9 * 14 / 18 is 7.
    Frozen("albert-18-14", Shape("albert-18-14", "albert", 12, 18, 2, 12, 70, 6, 1, "gelu_new", groups=14),
           Storage(dtype="F16", pooler=False)),
    Frozen("clip-text", Shape("clip-text", "clip_text_model", **_TOWER, positions=20, act="quick_gelu", eps=1e-5,
                              projection=6), ids=_ENDS, sentence="projection"),
    Frozen("clip-text-largest", Shape("clip-text-largest", "clip_text_model", **_TOWER, positions=14, act="gelu",
                                      eps=1e-5, eos=2), Storage(prefix=False), ids=_ENDS),
    Frozen("siglip-text", Shape("siglip-text", "siglip_text_model", **_TOWER, positions=16, act="gelu_pytorch_tanh",
                                eps=1e-6, pad=1, projection=10), ids=((9, 30, 3), (1,)), sentence="pooler"),
    # Texts longer than local_attention / 2 and than sliding_window; one of each kind of layer.
    Frozen("modernbert", Shape("modernbert", "modernbert", 12, 3, 2, 20, 70, 30, 0, eps=1e-5,
                               extra=(("local_attention", 6), ("global_attn_every_n_layers", 2))),
           Storage(dtype="F16"), ids=(tuple(range(2, 32)),)),
    Frozen("nomic-hub", Shape("nomic-hub", "nomic_bert", 12, 2, 2, 20, 70, 30, extra=_NOMIC),
           Storage(dtype="F16", prefix=False), ids=(tuple(range(2, 13)), tuple(range(2, 14)), tuple(range(2, 32)))),
    Frozen("nomic-bias", Shape("nomic-bias", "nomic_bert", 12, 2, 3, 20, 70, 24, 1, eps=1e-5, extra=_NOMIC_BIAS),
           Storage(dtype="F16", prefix=False)),
    Frozen("gte-new", Shape("gte-new", "new", 12, 2, 2, 20, 70, 24, 1, extra=_NTK), Storage(dtype="F16")),
    Frozen("qwen3", Shape("qwen3", "qwen3", 12, 3, 4, 20, 70, 30, 0, "silu", 1e-6, head_dim=6, kv_heads=2,
                          extra=_QWEN), Storage(dtype="F16", prefix=False), ids=(tuple(range(2, 32)), (5,)),
           sentence="pool.last"),
    Frozen("embeddinggemma", Shape("embeddinggemma", "gemma3_text", 12, 3, 4, 20, 70, 30, 0, "gelu_pytorch_tanh",
                                   1e-6, head_dim=8, kv_heads=1, extra=_GEMMA), Storage(dtype="F16", prefix=False),
           [POOLING_12, DENSE_UP, DENSE_DOWN, ("Normalize", None)], {"max_seq_length": 24, "do_lower_case": False},
           {"query": "kola | ", "document": "ne: "}),
    Frozen("gemma3-causal", Shape("gemma3-causal", "gemma3_text", 12, 2, 2, 20, 70, 30, 0, "gelu_pytorch_tanh", 1e-6,
                                  head_dim=6, kv_heads=1, extra=_GEMMA_CAUSAL), Storage(dtype="F16"),
           ids=(tuple(range(2, 32)),), sentence="pool.last"),
    # Texts past half of the buckets and past max_relative_positions.
    Frozen("deberta-v3", Shape("deberta-v3", "deberta-v2", 12, 2, 2, 20, 70, 40, 0, eps=1e-7,
                               extra=deberta(position_buckets=8, max_relative_positions=12)),
           Storage(dtype="F16"), ids=_LONG),
    Frozen("deberta-v2", Shape("deberta-v2", "deberta-v2", 12, 2, 3, 20, 70, 30, 2, eps=1e-7, embedding=10,
                               extra=deberta("c2p|p2c", position_buckets=-1, max_relative_positions=9,
                                             share_att_key=False, norm_rel_ebd="none", conv_kernel_size=3,
                                             conv_act="gelu", position_biased_input=True)),
           Storage(dtype="F16", prefix=False), ids=_LONG),
    Frozen("gpt2", Shape("gpt2", "gpt2", 12, 2, 3, 20, 70, 30, 0, "gelu_new", 1e-5,
                         extra=(("scale_attn_by_inverse_layer_idx", True),)), Storage(dtype="F16"), ids=_LONG,
           sentence="pool.last"),
    Frozen("jina", Shape("jina", "jina", 12, 2, 3, 20, 70, 40, 2, extra=(("feed_forward_type", "geglu"),)),
           Storage(dtype="F16"), ids=_LONG),
    Frozen("jina-code", Shape("jina-code", "jina-code", 20, 2, 5, 24, 70, 40, 1,
                              extra=(("feed_forward_type", "reglu"),)), Storage(dtype="F16", prefix=False), ids=_LONG),
    Frozen("st-dense", TINY, Storage(dtype="F16", prefix=False), [POOLING_5, DENSE, ("Normalize", None)],
           {"max_seq_length": 16, "do_lower_case": False}, {"query": "kola: ", "passage": ""}),
    Frozen("st-list", TINY, Storage(dtype="BF16", pooler=False),
           [POOLING_6, ("LayerNorm", {"dimension": 40}), DENSE_PLAIN],
           {"max_seq_length": None, "do_lower_case": True}, {"query": "mu ne ", "long": "so ri ta. "}, "long"),
]  # fmt: skip
SINGLE_FILE_OF = "st-dense"  # also frozen as one file, single.safetensors


# ---- module folders ----------------------------------------------------------------------------------


MODULE_TYPES = {
    "5": "sentence_transformers.models.{}",
    "6": {
        "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
        "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
        "Dense": "sentence_transformers.base.modules.dense.Dense",
        "LayerNorm": "sentence_transformers.sentence_transformer.modules.layer_norm.LayerNorm",
        "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
    },
}


def module_type(kind, dialect):
    """The dotted name of a module in modules.json."""
    types = MODULE_TYPES[dialect]
    return types.format(kind) if isinstance(types, str) else types[kind]


def write_module(folder, kind, config, random):
    """The folder of one module: its configuration and made-up weights."""
    if config is not None:
        random_models.write_json(folder / "config.json", config)
    normal = random.standard_normal
    if kind == "Dense":
        rows, columns = config["out_features"], config["in_features"]
        tensors = {"linear.weight": ("F32", normal((rows, columns)) / np.sqrt(columns) / 3)}
        if config["bias"]:
            tensors["linear.bias"] = ("F32", normal(rows) * 0.1)
    elif kind == "LayerNorm":
        size = config["dimension"]
        tensors = {"norm.weight": ("F32", 1 + normal(size) * 0.3), "norm.bias": ("F32", normal(size) * 0.2)}
    else:
        return
    random_models.write_safetensors(folder / "model.safetensors", tensors, {"format": "pt"})


def write_modules(folder, frozen):
    """modules.json, the module folders, and the configuration beside them."""
    if not frozen.modules:
        return
    dialect = "6" if any("pooling_mode" in (config or {}) for _, config in frozen.modules) else "5"
    random = np.random.RandomState(99)
    chain = [{"idx": 0, "name": "0", "path": "", "type": module_type("Transformer", dialect)}]
    for index, (kind, config) in enumerate(frozen.modules, 1):
        path = f"{index}_{kind}"
        chain.append({"idx": index, "name": str(index), "path": path, "type": module_type(kind, dialect)})
        write_module(folder / path, kind, config, random)
    random_models.write_json(folder / "modules.json", chain)
    random_models.write_json(folder / "sentence_bert_config.json", frozen.sentence_config)
    random_models.write_json(
        folder / "config_sentence_transformers.json",
        {"prompts": frozen.prompts, "default_prompt_name": frozen.default_prompt, "similarity_fn_name": "cosine"},
    )


# ---- inputs --------------------------------------------------------------------------------------------


def make_texts(vocabulary):
    """Texts and pairs: short, long (cut by the model's limit), empty, unknown characters."""
    random = np.random.RandomState(21)
    words = [token for token in vocabulary[8:] if not token.startswith("##")]
    sentence = lambda n: " ".join(words[i] for i in random.randint(0, len(words), n))  # noqa: E731
    texts = [sentence(6), words[-1], "", sentence(3).title() + ", zumba!", sentence(40), "né 日本 " + sentence(2)]
    return texts, [(sentence(4), sentence(3)), (sentence(1), sentence(9))]


def tokenizer_of(folder):
    """The reference's tokenizer of a directory."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def encode_inputs(folder, frozen, texts, pairs):
    """[(ids, type_ids)] of texts and pairs, cut to the model's limit."""
    tokenizer = tokenizer_of(folder)
    limit = (frozen.sentence_config or {}).get("max_seq_length") or frozen.shape.room
    coded = [tokenizer(t, truncation=True, max_length=limit, return_token_type_ids=True) for t in texts]
    coded += [
        tokenizer(a, b, truncation=True, max_length=limit, return_token_type_ids=True) for a, b in pairs
    ]
    coded += [{"input_ids": list(ids)} for ids in frozen.ids]
    if frozen.shape.family == "siglip_text_model":
        for one in coded[: len(texts)]:
            one["input_ids"] += [frozen.shape.pad] * (limit - len(one["input_ids"]))
    typed = frozen.shape.family != "distilbert" and frozen.shape.types > 1
    zeros = [[0] * len(c["input_ids"]) for c in coded]
    return [(c["input_ids"], c.get("token_type_ids", none) if typed else none) for c, none in zip(coded, zeros)]


# ---- expected numbers ---------------------------------------------------------------------------------


def pool(hidden, how):
    """One pooled vector of [tokens][hidden], in float64."""
    weights = np.arange(1, len(hidden) + 1)[:, None]
    return {
        "cls": lambda: hidden[0],
        "mean": lambda: hidden.mean(axis=0),
        "max": lambda: hidden.max(axis=0),
        "last": lambda: hidden[-1],
        "weighted": lambda: (hidden * weights).sum(axis=0) / weights.sum(),
        "sqrt_len": lambda: hidden.sum(axis=0) / np.sqrt(len(hidden)),
    }[how]()


def sentence_reference(folder):
    """The reference's SentenceTransformer of a directory, in float64."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        str(folder), device="cpu", model_kwargs={"dtype": torch.float32, "attn_implementation": "eager"}
    )
    return model.double().eval()


def sentence_vectors(model, inputs, **options):
    """encode() one input at a time, so that nothing is padded."""
    vectors = [model.encode([one], convert_to_tensor=True, **options)[0] for one in inputs]
    assert all(vector.dtype == torch.float64 for vector in vectors)
    return [vector.cpu().numpy() for vector in vectors]


def expected_tensors(folder, frozen, texts, pairs):
    """{name: (dtype, array)} of expected.safetensors."""
    inputs = encode_inputs(folder, frozen, texts, pairs)
    reference = reference_of(folder)
    states = reference.truth(inputs)
    out = {
        "ids": ("I32", np.concatenate([ids for ids, _ in inputs])),
        "type_ids": ("I32", np.concatenate([types for _, types in inputs])),
        "offsets": ("I64", np.cumsum([0] + [len(ids) for ids, _ in inputs])),
    }
    for layer in range(frozen.shape.layers + 1):
        out[f"hidden.{layer}"] = ("F32", np.concatenate([s[layer] for s in states]))
    if frozen.shape.pre_norm:
        out["last"] = ("F32", np.concatenate([s[-1] for s in states]))
    for how in POOLINGS:
        out[f"pool.{how}"] = ("F32", [pool(s[-1], how) for s in states])
    for name, vectors in reference.pooled(inputs).items():
        out[name] = ("F32", vectors)
    if not frozen.modules:
        out["sentence"] = out[frozen.sentence]
        return out
    model = sentence_reference(folder)
    out["sentence"] = ("F32", sentence_vectors(model, texts + [tuple(pair) for pair in pairs]))
    for name in frozen.prompts:
        out[f"prompt.{name}"] = ("F32", sentence_vectors(model, texts, prompt_name=name))
    return out


# ---- one file -----------------------------------------------------------------------------------------------


def read_safetensors(path):
    """{name: (dtype, array)} of a file."""
    from safetensors import safe_open

    dtypes = {"float16": "F16", "float32": "F32"}
    with safe_open(path, "np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}
    return {name: (dtypes[str(a.dtype)], a) for name, a in sorted(arrays.items())}


def write_single_file(folder, frozen):
    """The directory as one safetensors file: small files in __metadata__, tensors of a module folder
    under its name."""
    skipped = ("texts.txt", "pairs.txt", "expected.safetensors", "single.safetensors")
    metadata, tensors = {}, {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name in skipped:
            continue
        if path.suffix == ".safetensors":
            prefix = name.removesuffix("model.safetensors")
            tensors |= {prefix + n: t for n, t in read_safetensors(path).items()}
        else:
            metadata[name] = path.read_text(encoding="utf-8")
    random_models.write_safetensors(folder / "single.safetensors", tensors, {"format": "pt", **metadata})


# ---- main ----------------------------------------------------------------------------------------------------


def freeze(root, frozen):
    """Make one directory anew."""
    folder = root / frozen.name
    shutil.rmtree(folder, ignore_errors=True)
    random_models.write_model(folder, frozen.shape, frozen.storage)
    write_modules(folder, frozen)
    texts, pairs = make_texts(random_models.make_vocabulary(frozen.shape.vocab, frozen.storage.lowercase))
    if frozen.shape.types <= 1:
        pairs = []
    expected = expected_tensors(folder, frozen, texts, pairs)
    random_models.write_safetensors(folder / "expected.safetensors", expected)
    (folder / "texts.txt").write_text("".join(t + "\n" for t in texts), encoding="utf-8")
    (folder / "pairs.txt").write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    if frozen.name == SINGLE_FILE_OF:
        write_single_file(folder, frozen)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main():
    """All frozen models into tests/data/models, or another folder."""
    torch.set_num_threads(1)
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/data/models")
    total = 0
    for frozen in MODELS:
        size = freeze(root, copy.deepcopy(frozen))
        total += size
        print(f"{frozen.name:18} {size:7} bytes")
    print(f"{'total':18} {total:7} bytes in {root}")


if __name__ == "__main__":
    main()
