"""Tensors and config.json of DeBERTa, MPNet, JinaBERT and GPT-2, for models_random.py, which has the recipe.

Shape.extra holds what a family's config.json has beside the sizes. JinaBERT's two forms are "jina" and
"jina-code"; both say model_type "bert".
"""
import numpy as np

JINAS = ("jina", "jina-code")
FAMILIES = ("deberta-v2", "mpnet", "gpt2", *JINAS)
CLASSES = {
    "deberta-v2": "DebertaV2Model", "mpnet": "MPNetModel", "gpt2": "GPT2Model",
    **dict.fromkeys(JINAS, "JinaBertModel"),
}  # fmt: skip
PREFIXES = {"deberta-v2": "deberta", "gpt2": "transformer", **dict.fromkeys(JINAS, "bert")}
SCORE_STD, CONTEXT_STD = 6.0, 0.25  # as in models_random.py


def has(shape, key, fallback=False):
    """A switch of config.json."""
    return dict(shape.extra).get(key, fallback)


def words(weights, shape, name, std):
    """The table of words, with loud channels."""
    weights.normal(name, (shape.vocab, shape.width), std)
    loud = weights.random.permutation(shape.width)[: max(1, shape.width // 100)]
    weights.tensors[name][:, loud] *= 10


# ---- DeBERTa ------------------------------------------------------------------------------------------


def deberta_span(shape):
    """Rows of rel_embeddings on either side."""
    farthest = has(shape, "max_relative_positions", -1)
    return max(has(shape, "position_buckets", -1), 0) or (farthest if farthest > 0 else shape.positions)


def deberta_embeddings(weights, shape):
    """The tables and their norm; the length of a vector behind it, and of a relative position."""
    words(weights, shape, "embeddings.word_embeddings.weight", 0.05)
    if has(shape, "position_biased_input", True):
        weights.normal("embeddings.position_embeddings.weight", (shape.positions, shape.width), 0.03)
    if shape.types:
        weights.normal("embeddings.token_type_embeddings.weight", (shape.types, shape.width), 0.03)
    if shape.width != shape.hidden:
        weights.normal("embeddings.embed_proj.weight", (shape.hidden, shape.width), 1 / np.sqrt(shape.width))
    length = weights.norm("embeddings.LayerNorm", shape.hidden)
    if not has(shape, "relative_attention", True):
        return length, 0
    rows = 2 * deberta_span(shape)
    weights.normal("encoder.rel_embeddings.weight", (rows, shape.hidden), length / np.sqrt(shape.hidden))
    normed = "layer_norm" in has(shape, "norm_rel_ebd", "none").lower()
    return length, weights.norm("encoder.LayerNorm", shape.hidden) if normed else length


def deberta_layer(weights, shape, index, length, relative_length):
    """A layer; scores are the sum of up to three products, scaled as one is."""
    at = f"encoder.layer.{index}."
    hidden, mlp = shape.hidden, shape.intermediate
    sharp = np.sqrt(SCORE_STD) / length
    for name in ("query_proj", "key_proj"):
        weights.linear(f"{at}attention.self.{name}", hidden, hidden, sharp)
    weights.linear(at + "attention.self.value_proj", hidden, hidden, 1 / length)
    if relative_length and not has(shape, "share_att_key"):
        kinds = str(has(shape, "pos_att_type", ""))
        for kind, name in (("c2p", "pos_key_proj"), ("p2c", "pos_query_proj")):
            if kind in kinds:
                weights.linear(f"{at}attention.self.{name}", hidden, hidden, np.sqrt(SCORE_STD) / relative_length)
    weights.linear(at + "attention.output.dense", hidden, hidden, CONTEXT_STD / np.sqrt(hidden))
    length = weights.norm(at + "attention.output.LayerNorm", hidden)
    weights.linear(at + "intermediate.dense", mlp, hidden, 1.2 / length)
    weights.linear(at + "output.dense", hidden, mlp, 1.2 / np.sqrt(mlp))
    return weights.norm(at + "output.LayerNorm", hidden)


def deberta_tensors(weights, shape):
    """DebertaV2Model."""
    length, relative_length = deberta_embeddings(weights, shape)
    first = length
    for index in range(shape.layers):
        length = deberta_layer(weights, shape, index, length, relative_length)
        size = has(shape, "conv_kernel_size", 0)
        if size and index == 0:
            weights.normal("encoder.conv.conv.weight", (shape.hidden, shape.hidden, size), 1 / first / np.sqrt(size))
            weights.normal("encoder.conv.conv.bias", shape.hidden, 0.2)
            length = weights.norm("encoder.conv.LayerNorm", shape.hidden)
    return weights.tensors


# ---- MPNet --------------------------------------------------------------------------------------------


def mpnet_tensors(weights, shape):
    """MPNetModel: one table of distances for all layers, which moves scores as much as words do."""
    hidden, mlp = shape.hidden, shape.intermediate
    words(weights, shape, "embeddings.word_embeddings.weight", 0.05)
    weights.normal("embeddings.position_embeddings.weight", (shape.positions, hidden), 0.03)
    length = weights.norm("embeddings.LayerNorm", hidden)
    weights.normal("encoder.relative_attention_bias.weight", (32, shape.heads), 2.0)
    for index in range(shape.layers):
        at = f"encoder.layer.{index}."
        sharp = np.sqrt(SCORE_STD) / length
        for name, std in (("q", sharp), ("k", sharp), ("v", 1 / length), ("o", CONTEXT_STD / np.sqrt(hidden))):
            weights.linear(f"{at}attention.attn.{name}", hidden, hidden, std)
        length = weights.norm(at + "attention.LayerNorm", hidden)
        weights.linear(at + "intermediate.dense", mlp, hidden, 1.2 / length)
        weights.linear(at + "output.dense", hidden, mlp, 1.2 / np.sqrt(mlp))
        length = weights.norm(at + "output.LayerNorm", hidden)
    weights.linear("pooler.dense", hidden, hidden, 1 / length)
    return weights.tensors


# ---- JinaBERT ------------------------------------------------------------------------------------------


def jina_layer(weights, shape, index, length):
    """A layer of either form. Distances take most of a head's attention, so scores are not made sharper."""
    at = f"encoder.layer.{index}."
    hidden, mlp, code = shape.hidden, shape.intermediate, shape.family == "jina-code"
    sharp = np.sqrt(SCORE_STD) / length
    for name in ("query", "key"):
        weights.linear(f"{at}attention.self.{name}", hidden, hidden, sharp)
        if code:
            weights.norm(f"{at}attention.self.layer_norm_{name[0]}", hidden)
    weights.linear(at + "attention.self.value", hidden, hidden, 1 / length)
    weights.linear(at + "attention.output.dense", hidden, hidden, CONTEXT_STD / np.sqrt(hidden))
    length = weights.norm(at + "attention.output.LayerNorm", hidden)
    if code:
        length = weights.norm(at + "layer_norm_1", hidden)
    if has(shape, "feed_forward_type", "original") == "original":
        up, down, after = "intermediate.dense", "output.dense", "output.LayerNorm"
        weights.linear(at + up, mlp, hidden, 1.2 / length)
    else:
        up, down, after = "mlp.gated_layers", "mlp.wo", "mlp.layernorm"
        if code:
            up, down, after = "mlp.up_gated_layer", "mlp.down_layer", "layer_norm_2"
        weights.normal(f"{at}{up}.weight", (2 * mlp, hidden), 1.2 / length)
    weights.linear(at + down, hidden, mlp, 0.7 / np.sqrt(mlp))
    return weights.norm(at + after, hidden)


def jina_tensors(weights, shape):
    """JinaBertModel without its pooler."""
    words(weights, shape, "embeddings.word_embeddings.weight", 0.05)
    weights.normal("embeddings.token_type_embeddings.weight", (shape.types, shape.hidden), 0.03)
    length = weights.norm("embeddings.LayerNorm", shape.hidden)
    for index in range(shape.layers):
        length = jina_layer(weights, shape, index, length)
    return weights.tensors


# ---- GPT-2 -----------------------------------------------------------------------------------------------


def gpt2_linear(weights, name, rows, columns, stds):
    """A Conv1D of stacked parts: [columns][rows], the other way round than a Linear."""
    parts = [weights.random.standard_normal((columns, rows // len(stds))) * std for std in stds]
    weights.tensors[name + ".weight"] = np.concatenate(parts, axis=1)
    weights.normal(name + ".bias", rows, 0.2)


def gpt2_tensors(weights, shape):
    """GPT2Model: a stream of unit variance, to which a layer adds about as much as it holds."""
    hidden, mlp = shape.hidden, shape.intermediate
    words(weights, shape, "wte.weight", 0.7)
    weights.normal("wpe.weight", (shape.positions, hidden), 0.7)
    for index in range(shape.layers):
        at = f"h.{index}."
        length = weights.norm(at + "ln_1", hidden)
        sharp = np.sqrt(SCORE_STD) / length
        gpt2_linear(weights, at + "attn.c_attn", 3 * hidden, hidden, (sharp, sharp, 1 / length))
        gpt2_linear(weights, at + "attn.c_proj", hidden, hidden, (0.6 / np.sqrt(hidden),))
        length = weights.norm(at + "ln_2", hidden)
        gpt2_linear(weights, at + "mlp.c_fc", mlp, hidden, (1.2 / length,))
        gpt2_linear(weights, at + "mlp.c_proj", hidden, mlp, (0.7 / np.sqrt(mlp),))
    weights.norm("ln_f", hidden)
    return weights.tensors


# ---- files -------------------------------------------------------------------------------------------------


def make_tensors(weights, shape):
    """Every tensor of the base model in float64."""
    make = {"deberta-v2": deberta_tensors, "mpnet": mpnet_tensors, "gpt2": gpt2_tensors}
    return make.get(shape.family, jina_tensors)(weights, shape)


def config_json(shape):
    """config.json as published checkpoints have it."""
    extra = dict(shape.extra)
    if shape.family == "gpt2":
        return {
            "model_type": "gpt2", "architectures": ["GPT2Model"], "activation_function": shape.act,
            "n_embd": shape.hidden, "n_layer": shape.layers, "n_head": shape.heads, "n_positions": shape.positions,
            "n_inner": shape.intermediate, "vocab_size": shape.vocab, "layer_norm_epsilon": shape.eps,
            "bos_token_id": 2, "eos_token_id": 3,
        } | extra  # fmt: skip
    config = {
        "model_type": shape.family, "architectures": [CLASSES[shape.family]], "hidden_act": shape.act,
        "hidden_size": shape.hidden, "intermediate_size": shape.intermediate,
        "num_attention_heads": shape.heads, "num_hidden_layers": shape.layers, "vocab_size": shape.vocab,
        "type_vocab_size": shape.types, "pad_token_id": shape.pad, "max_position_embeddings": shape.positions,
        "layer_norm_eps": shape.eps,
    }  # fmt: skip
    if shape.family == "deberta-v2":
        if shape.width != shape.hidden:
            config["embedding_size"] = shape.width
        return config | {"relative_attention": True} | extra
    if shape.family == "mpnet":
        return config | {"relative_attention_num_buckets": 32}
    code = "bert-v2-qk-post-norm" if shape.family == "jina-code" else "bert-implementation"
    map_ = {"AutoModel": f"jinaai/jina-{code}--modeling_bert.JinaBertModel"}
    return config | {"model_type": "bert", "position_embedding_type": "alibi", "auto_map": map_} | extra


# ---- the models that are compared -----------------------------------------------------------------------


def deberta(kinds="p2c|c2p", **more):
    """Shape.extra of DeBERTa-v3, with other values."""
    extra = {"position_buckets": 32, "norm_rel_ebd": "layer_norm", "share_att_key": True,
             "position_biased_input": False, "pos_att_type": kinds} | more  # fmt: skip
    return tuple(extra.items())


def models(shape, storage):
    """Pairs of them; shape and storage are models_random's classes."""
    plain = storage()
    v3 = {"family": "deberta-v2", "types": 0, "eps": 1e-7}
    gpt2 = {"family": "gpt2", "types": 0, "act": "gelu_new", "eps": 1e-5}
    return [
        (shape("deberta-v3-base", **v3 | {"hidden": 768, "layers": 12, "heads": 12, "intermediate": 3072},
               vocab=128100, extra=deberta(position_buckets=256)), plain),
        (shape("gpt2-small", hidden=768, layers=12, heads=12, intermediate=3072, vocab=50257, positions=1024,
               **gpt2), plain),
        (shape("mpnet-base", "mpnet", 768, 12, 12, 3072, 30527, 514, 0, eps=1e-5, pad=1), plain),
        (shape("mpnet-odd", "mpnet", 60, 3, 5, 37, 300, 302, 0, eps=1e-5, pad=1), storage(prefix=False)),
        (shape("mpnet-f16", "mpnet", vocab=300, positions=132, types=0, pad=1, act="relu"),
         storage(dtype="F16", pooler=False)),
        # past half of the buckets, past max_relative_positions
        (shape("deberta-buckets", **v3, extra=deberta(max_relative_positions=96)), plain),
        (shape("deberta-own-projections", **v3, extra=deberta(share_att_key=False, norm_rel_ebd="none")),
         storage(prefix=False)),
        (shape("deberta-c2p", **v3, extra=deberta("c2p", share_att_key=False, position_buckets=6)), plain),
        (shape("deberta-p2c", hidden=60, heads=3, **v3, extra=deberta("P2C ", position_buckets=20)), plain),
        (shape("deberta-no-buckets", **v3, extra=deberta(["c2p", "p2c"], position_buckets=-1,
                                                         max_relative_positions=50)), plain),
        (shape("deberta-no-kinds", **v3, extra=deberta(None)), plain),
        (shape("deberta-absolute", **v3 | {"types": 2}, positions=130, extra=(
            ("relative_attention", False), ("pos_att_type", "c2p"))), storage(legacy_norms=True)),
        (shape("deberta-v2-conv", hidden=72, layers=3, heads=3, intermediate=131, **v3, extra=deberta(
            conv_kernel_size=3, conv_act="gelu", position_biased_input=True)), plain),
        (shape("deberta-conv-5", **v3 | {"types": 2}, layers=1, embedding=20, extra=deberta(conv_kernel_size=5)),
         storage(dtype="F16")),
        (shape("gpt2-odd", hidden=60, layers=3, heads=5, intermediate=50, vocab=300, positions=130, **gpt2),
         storage(prefix=False)),
        (shape("gpt2-by-layer", layers=4, vocab=300, positions=130, **gpt2, extra=(
            ("scale_attn_by_inverse_layer_idx", True),)), plain),
        (shape("gpt2-unscaled", hidden=24, heads=6, vocab=300, positions=130, **gpt2 | {"act": "gelu"}, extra=(
            ("scale_attn_weights", False),)), storage(dtype="BF16", shards=2)),
    ]  # fmt: skip


def hub_models(shape, storage):
    """The same of JinaBERT, which transformers has no class for."""
    plain, gated, long = storage(), (("feed_forward_type", "geglu"),), {"positions": 1200, "types": 2}
    return [
        (shape("jina-small", family="jina", **long, extra=gated), plain),
        (shape("jina-12-heads", family="jina", hidden=96, layers=3, heads=12, intermediate=131, **long,
               extra=(("feed_forward_type", "reglu"),)), storage(prefix=False)),
        (shape("jina-original", family="jina", hidden=60, heads=5, **long), storage(dtype="F16")),
        (shape("jina-code", family="jina-code", hidden=96, heads=12, **long, extra=gated), plain),
        (shape("jina-code-odd", family="jina-code", hidden=42, layers=3, heads=3, intermediate=37, **long,
               extra=gated), storage(prefix=False)),
    ]  # fmt: skip
