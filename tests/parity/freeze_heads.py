#!/usr/bin/env python3
"""Writes the frozen models with sequence-classification heads: tests/data/models/*-classifier. Random weights; logits
by transformers in float64, of JinaBERT by NumPy.

usage: freeze_heads.py [FOLDER]
"""
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

import heads
from models_random import Shape, Storage

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIZES = dict(vocab_size=40, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20,
             max_position_embeddings=24)
ROTARY = dict(num_key_value_heads=1, head_dim=10, num_labels=1, bos_token_id=1, eos_token_id=2)
TRAINED = {"original_max_position_embeddings": 8}
MODELS = {
    # as many tokens as tests/data/models/bert, whose tokenizer goes with it in tests/cli
    "bert-classifier": (transformers.BertForSequenceClassification,
                        transformers.BertConfig(**{**SIZES, "vocab_size": 90}, num_labels=1)),
    "roberta-classifier": (transformers.RobertaForSequenceClassification,
                           transformers.RobertaConfig(**SIZES, num_labels=3, pad_token_id=1, bos_token_id=0,
                                                      eos_token_id=2)),
    "albert-classifier": (transformers.AlbertForSequenceClassification,
                          transformers.AlbertConfig(**SIZES, embedding_size=6, num_hidden_groups=2, num_labels=2)),
    "distilbert-classifier": (transformers.DistilBertForSequenceClassification,
                              transformers.DistilBertConfig(vocab_size=40, dim=12, n_layers=2, n_heads=3, hidden_dim=20,
                                                            max_position_embeddings=24, num_labels=1,
                                                            sentence_transformers={
                                                                "activation_fn": "torch.nn.modules.linear.Identity"})),
    "mpnet-classifier": (transformers.MPNetForSequenceClassification,
                         transformers.MPNetConfig(**{**SIZES, "max_position_embeddings": 300}, num_labels=1)),
    "electra-classifier": (transformers.ElectraForSequenceClassification,
                           transformers.ElectraConfig(**SIZES, embedding_size=12, num_labels=1)),
    "deberta-classifier": (transformers.DebertaV2ForSequenceClassification,
                           transformers.DebertaV2Config(**SIZES, relative_attention=True, position_buckets=8,
                                                        norm_rel_ebd="layer_norm", share_att_key=True,
                                                        position_biased_input=False, pos_att_type="p2c|c2p",
                                                        max_relative_positions=16, num_labels=2)),
    "modernbert-classifier": (transformers.ModernBertForSequenceClassification,
                              transformers.ModernBertConfig(**SIZES, num_labels=1, classifier_pooling="mean",
                                                            local_attention=6, pad_token_id=0, bos_token_id=1,
                                                            cls_token_id=1, eos_token_id=2, sep_token_id=2)),
    "gte-classifier": (transformers.GteForSequenceClassification,
                       transformers.GteConfig(**SIZES, num_labels=2, pad_token_id=0)),
    "nomic-classifier": (transformers.NomicBertForSequenceClassification,
                         transformers.NomicBertConfig(**SIZES, num_labels=3, pad_token_id=0)),
    "gpt2-classifier": (transformers.GPT2ForSequenceClassification,
                        transformers.GPT2Config(vocab_size=40, n_embd=12, n_layer=2, n_head=3, n_positions=24,
                                                bos_token_id=1, eos_token_id=2, num_labels=1)),
    "qwen3-classifier": (transformers.Qwen3ForSequenceClassification,
                         transformers.Qwen3Config(**SIZES, num_key_value_heads=1, head_dim=6, num_labels=1,
                                                  bos_token_id=1, eos_token_id=2, pad_token_id=2)),
    "gemma3-classifier": (transformers.Gemma3TextForSequenceClassification,
                          transformers.Gemma3TextConfig(**SIZES, num_key_value_heads=1, head_dim=6, num_labels=2,
                                                        sliding_window=6, query_pre_attn_scalar=6, bos_token_id=1,
                                                        eos_token_id=2, pad_token_id=0)),
    "ernie-classifier": (transformers.ErnieForSequenceClassification,
                         transformers.ErnieConfig(**SIZES, use_task_id=True, num_labels=1)),
    "data2vec-classifier": (transformers.Data2VecTextForSequenceClassification,
                            transformers.Data2VecTextConfig(**SIZES, num_labels=2)),
    "prelayernorm-classifier": (transformers.RobertaPreLayerNormForSequenceClassification,
                                transformers.RobertaPreLayerNormConfig(**SIZES, num_labels=2)),
    "xlm-roberta-xl-classifier": (transformers.XLMRobertaXLForSequenceClassification,
                                  transformers.XLMRobertaXLConfig(**SIZES, num_labels=1)),
    "yarn-classifier": (transformers.Qwen3ForSequenceClassification,
                        transformers.Qwen3Config(**SIZES, **ROTARY, rope_parameters={
                            "rope_type": "yarn", "rope_theta": 100.0, "factor": 3.0, **TRAINED})),
    "longrope-classifier": (transformers.Qwen3ForSequenceClassification,
                            transformers.Qwen3Config(**SIZES, **ROTARY, rope_parameters={
                                "rope_type": "longrope", "rope_theta": 100.0, "factor": 3.0, **TRAINED,
                                "short_factor": [1, 1.1, 1.2, 1.3, 1.4], "long_factor": [1, 1.5, 2, 2.5, 3]})),
    "llama3-classifier": (transformers.GteForSequenceClassification,
                          transformers.GteConfig(**{**SIZES, "num_attention_heads": 1}, num_labels=1, pad_token_id=0,
                                                 rope_parameters={"rope_type": "llama3", "rope_theta": 100.0, "factor": 8.0,
                                                                  "low_freq_factor": 0.5, "high_freq_factor": 2.0,
                                                                  **TRAINED})),
}
FROZEN_BEFORE_DEBERTA = ("modernbert-classifier", "gte-classifier")  # with numbers, and so seeds, of one less
DECODERS = ("gpt2-classifier", "qwen3-classifier", "gemma3-classifier")
JINA = "jina-classifier", Shape("jina", "jina", 12, 2, 3, 20, 70, 40, 2, extra=(("feed_forward_type", "geglu"),))


def make_inputs(name, seed, pad):
    """Ids of some lengths; of decoders some with padding, as if someone had padded them."""
    rng = np.random.default_rng(seed)
    lengths = [1, 2, 7, 16, 22] + ([290] if "mpnet" in name else [])  # past the farthest of its distances
    inputs = [rng.integers(3, 40, n).tolist() for n in lengths]
    if name in DECODERS:
        inputs += [inputs[2][:4] + [pad] * 3, [pad, 9, pad, 11], [pad, pad]]
    return inputs


def write_expected(where, inputs, logits):
    """expected.safetensors: ids, offsets and logits."""
    offsets = np.cumsum([0] + [len(ids) for ids in inputs])
    save_file({"ids": torch.tensor(sum(inputs, []), dtype=torch.int32),
               "offsets": torch.tensor(offsets, dtype=torch.int64),
               "logits": logits.float().contiguous()}, os.path.join(where, "expected.safetensors"))


def freeze_jina(folder):
    """By tests/parity/reference_jina.py; config.json does not say how many labels there are: one."""
    where, inputs = Path(folder) / JINA[0], make_inputs(JINA[0], 100, 0)
    truth = heads.write_hub_head(where, JINA[1], Storage(dtype="F16"), 1)
    write_expected(where, inputs, torch.tensor(truth(inputs)))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (where / name).unlink()


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "tests/data/models")
    for number, (name, (kind, config)) in enumerate(MODELS.items()):
        number -= name in FROZEN_BEFORE_DEBERTA
        torch.manual_seed(number)
        model = kind(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape) * 0.3)
        where = os.path.join(folder, name)
        os.makedirs(where, exist_ok=True)
        model.save_pretrained(where)
        model = model.double()
        inputs = make_inputs(name, number, config.pad_token_id or 0)
        with torch.no_grad():
            logits = torch.cat([model(torch.tensor([ids])).logits for ids in inputs])
        write_expected(where, inputs, logits)
        with open(os.path.join(where, "config.json")) as file:
            config = json.load(file)
        for key in ("transformers_version", "dtype"):
            config.pop(key, None)
        with open(os.path.join(where, "config.json"), "w") as file:
            json.dump(config, file, indent=1)
            file.write("\n")
    freeze_jina(folder)


if __name__ == "__main__":
    main()
