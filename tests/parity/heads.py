"""Sequence-classification heads, live: labels of every family that transformers has a class for, and those of
models whose code is on the hub by the NumPy references of their encoders.

Labels are held against float64, of token ids; scores of pairs of texts against sentence-transformers' CrossEncoder
with its default activation. Small random models, of one label and of three.    heads.py [--only NAME]
"""
import argparse
import json
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch

import command
import library
import models_random
import models_relative
import models_rotary
from reference import Widen, default_type
from reference_hub import HubReference
import transformers
from sentence_transformers import CrossEncoder

LOGITS_BAR, SCORES_BAR = 2e-6, 1e-5
TYPICAL = 0.2  # root mean square of labels; far below it their terms cancel, and so would float32's digits
PAD = 0  # the tokenizer's
COMMON = {"vocab_size": 300, "pad_token_id": PAD}
SIZES = {**COMMON, "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 60,
         "max_position_embeddings": 132}  # fmt: skip
DECODER = {**SIZES, "num_key_value_heads": 2, "head_dim": 14, "eos_token_id": 3, "bos_token_id": 2}
GPT2 = {**COMMON, "n_embd": 48, "n_layer": 3, "n_head": 4, "n_positions": 132, "eos_token_id": 3, "bos_token_id": 2}
MODERN = {**SIZES, "local_attention": 12, "bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3}
DEBERTA = {"relative_attention": True, "position_buckets": 16, "norm_rel_ebd": "layer_norm", "share_att_key": True,
           "position_biased_input": False, "pos_att_type": "p2c|c2p", "max_relative_positions": 64}  # fmt: skip
CASES = {  # name: (class without ForSequenceClassification, config)
    "bert": ("Bert", SIZES),
    "distilbert": ("DistilBert", {**COMMON, "dim": 48, "n_layers": 3, "n_heads": 4, "hidden_dim": 60,
                                  "max_position_embeddings": 132}),
    "electra": ("Electra", {**SIZES, "embedding_size": 20}),
    "roberta": ("Roberta", SIZES),
    "xlm-roberta": ("XLMRoberta", SIZES),
    "camembert": ("Camembert", SIZES),
    "data2vec": ("Data2VecText", SIZES),
    "roberta-prelayernorm": ("RobertaPreLayerNorm", SIZES),
    "xlm-roberta-xl": ("XLMRobertaXL", {**SIZES, "type_vocab_size": 2}),
    "ernie": ("Ernie", SIZES),
    "ernie-task": ("Ernie", {**SIZES, "use_task_id": True}),
    "albert": ("Albert", {**SIZES, "embedding_size": 20, "num_hidden_groups": 2}),
    "mpnet": ("MPNet", SIZES),
    "deberta": ("DebertaV2", {**SIZES, **DEBERTA}),
    "modernbert-cls": ("ModernBert", MODERN),
    "modernbert-mean": ("ModernBert", {**MODERN, "classifier_pooling": "mean", "classifier_bias": True}),
    "nomic": ("NomicBert", SIZES),
    "gte": ("Gte", {**SIZES, "type_vocab_size": 2}),
    "gpt2": ("GPT2", GPT2),
    "qwen3": ("Qwen3", DECODER),
    "gemma3": ("Gemma3Text", {**DECODER, "sliding_window": 24, "query_pre_attn_scalar": 14}),
    "gemma3-both-ways": ("Gemma3Text", {**DECODER, "sliding_window": 24, "use_bidirectional_attention": True}),
}  # fmt: skip
INPUTS = {  # what a tokenizer makes for a model, where BERT's has to be told
    "gpt2": ["input_ids", "attention_mask"],  # types would be words
    "xlm-roberta-xl": ["input_ids", "token_type_ids", "attention_mask"],
}
LENGTHS = (1, 2, 17, 64, 130)
PAIRS = [("bader", "kol misa"), ("nitolu fa", ""), ("a", "b, c!"), ("dasi " * 40, "pemu")]


def make_inputs():
    """Random ids, and such as a padded text would have: no model was told which are padding."""
    random = np.random.RandomState(3)
    inputs = [random.randint(5, COMMON["vocab_size"], n).tolist() for n in LENGTHS]
    return inputs + [inputs[2][:9] + [PAD] * 4, [PAD, PAD], inputs[2][:5] + [PAD] + inputs[2][5:9]]


def rms(values):
    """Root mean square."""
    return float(np.sqrt((values**2).mean()))


def true_labels(model, inputs):
    """Labels of ids in float64, one text at a time."""
    with torch.inference_mode(), Widen(), default_type(torch.float64):
        return np.concatenate([model.double()(input_ids=torch.tensor([ids])).logits.numpy() for ids in inputs])


def save(folder, name, labels, inputs):
    """A random model of transformers with a tokenizer, drawn again where its labels nearly cancel. Returns it and
    its labels of the inputs."""
    kind, config = CASES[name]
    config = getattr(transformers, kind + "Config")(**config, num_labels=labels)
    torch.manual_seed(zlib.crc32(f"{name} {labels}".encode()))
    model = getattr(transformers, kind + "ForSequenceClassification")._from_config(config, attn_implementation="eager")
    truth = np.zeros(1)
    while rms(truth) < TYPICAL:
        with torch.no_grad():
            for parameter in model.eval().parameters():
                parameter.copy_(torch.randn(parameter.shape) * 0.2)
        truth = true_labels(model, inputs)
    model.float().save_pretrained(folder)
    shape = models_random.Shape(name, vocab=COMMON["vocab_size"], positions=130)
    models_random.write_tokenizer(folder, shape, models_random.Storage())
    if name in INPUTS:
        path = Path(folder) / "tokenizer_config.json"
        models_random.write_json(path, json.loads(path.read_text()) | {"model_input_names": INPUTS[name]})
    return model, truth


def report(name, what, error, bar):
    """One line; whether it is good."""
    good = bool(error <= bar)
    print(f"{name:24} {what:34} {error:.1e} (bar {bar:.0e}){'' if good else ' FAILS'}")
    return good


def relative(found, truth):
    """Root mean square of the error by that of the truth."""
    return rms(found - truth) / rms(truth)


def check_labels(name, folder, truth, inputs):
    """Labels of ids against the reference in float64."""
    return report(name, "labels", relative(library.encode_ids(folder, inputs, library.SCORES), truth), LOGITS_BAR)


def check_states(name, folder, model, ids):
    """Every layer of the encoder under the head, which no other check may have."""
    with torch.inference_mode(), Widen(), default_type(torch.float64):
        truth = model.double()(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
    found = [command.hidden(folder, [ids], layer=k)[0] for k in range(len(truth))]
    worst = max(relative(ours, theirs[0].numpy()) for ours, theirs in zip(found, truth))
    return report(name, f"{len(truth)} hidden states", worst, LOGITS_BAR)


def check_scores(name, folder):
    """Scores of pairs against CrossEncoder, which pads and batches."""
    theirs = CrossEncoder(str(folder), device="cpu", max_length=130, model_kwargs={"dtype": torch.float32}).predict(PAIRS)
    lines = command.null_ended(["\t".join(pair) for pair in PAIRS])
    ours = command.run_to_array("score", "-m", folder, "--null", "--max-length", 130, stdin=lines)
    error = np.abs(ours.reshape(theirs.shape) - theirs) / np.maximum(1, np.abs(theirs))
    return report(name, "scores of pairs", float(error.max()), SCORES_BAR)


def hub_cases():
    """Random encoders of models whose code is on the hub."""
    classes = models_random.Shape, models_random.Storage
    wanted = ("jina-small", "jina-code-odd", "nomic-geglu", "new-types")
    models = models_rotary.hub_models(*classes) + models_relative.hub_models(*classes)
    return [(shape, storage) for shape, storage in models if shape.name in wanted]


def write_hub_head(folder, shape, storage, labels):
    """A model of hub_cases() with a head, the classifier of tanh(pooler([CLS])); of one label, config.json does not
    say how many. Returns the reference of its labels."""
    random, h = np.random.RandomState(labels), shape.hidden
    head = {"pooler.dense.weight": random.normal(0, 0.2, (h, h)), "pooler.dense.bias": random.normal(0, 0.2, h),
            "classifier.weight": random.normal(0, 0.3, (labels, h)), "classifier.bias": random.normal(0, 1, labels)}  # fmt: skip
    models_random.write_model(folder, shape, storage, models_random.make_tensors(shape) | head)
    reference = HubReference(folder)
    config = json.loads((folder / "config.json").read_text())
    code = config["auto_map"].pop("AutoModel").removesuffix("Model")
    config["auto_map"]["AutoModelForSequenceClassification"] = code + "ForSequenceClassification"
    config["architectures"] = [code.split(".")[-1] + "ForSequenceClassification"]
    if labels > 1:
        config["id2label"] = {str(i): f"LABEL_{i}" for i in range(labels)}
    models_random.write_json(folder / "config.json", config)
    stored = lambda name: next(t for n, t in reference.tensors.items() if n.endswith(name))  # noqa: E731

    def truth(inputs):
        first = np.stack([states[-1][0] for states in reference.truth([(ids, [0] * len(ids)) for ids in inputs])])
        pooled = np.tanh(first @ stored("pooler.dense.weight").T + stored("pooler.dense.bias"))
        return pooled @ stored("classifier.weight").T + stored("classifier.bias")

    return truth


def check_hub(shape, storage, labels):
    """Labels of ids against NumPy."""
    inputs = [ids for ids in make_inputs() if len(ids) <= shape.room]
    with tempfile.TemporaryDirectory() as folder:
        truth = write_hub_head(Path(folder), shape, storage, labels)(inputs)
        error = relative(library.encode_ids(folder, inputs, library.SCORES), truth)
    return report(f"{shape.name}, {labels}", "labels (NumPy)", error, LOGITS_BAR)


def main():
    """All families, then the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only")
    only = parser.parse_args().only
    results, inputs = [], make_inputs()
    for name, labels in [(name, labels) for name in CASES for labels in (1, 3)]:
        if only and only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            model, truth = save(Path(folder), name, labels, inputs)
            results.append(check_labels(f"{name}, {labels}", folder, truth, inputs))
            results.append(check_scores(f"{name}, {labels}", folder))
            if labels == 1:
                results.append(check_states(name, folder, model, inputs[2]))
    for shape, storage in hub_cases():
        if not only or only in shape.name:
            results += [check_hub(shape, storage, labels) for labels in (1, 3)]
    print(f"heads: {sum(results)} of {len(results)} checks: {'PASS' if results and all(results) else 'FAIL'}")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
