#!/usr/bin/env python3
"""Writes the frozen models with sequence-classification heads: tests/data/models/*-classifier. Random weights; logits
by transformers in float64.

usage: freeze_heads.py [FOLDER]
"""
import json
import os
import sys

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIZES = dict(vocab_size=40, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20,
             max_position_embeddings=24)
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
}


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "tests/data/models")
    for number, (name, (kind, config)) in enumerate(MODELS.items()):
        torch.manual_seed(number)
        model = kind(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape) * 0.3)
        where = os.path.join(folder, name)
        os.makedirs(where, exist_ok=True)
        model.save_pretrained(where)
        model = model.double()
        rng = np.random.default_rng(number)
        lengths = [1, 2, 7, 16, 22] + ([290] if "mpnet" in name else [])  # past the farthest of its distances
        inputs = [rng.integers(3, 40, n).tolist() for n in lengths]
        with torch.no_grad():
            logits = torch.cat([model(torch.tensor([ids])).logits for ids in inputs])
        offsets = np.cumsum([0] + [len(ids) for ids in inputs])
        save_file({"ids": torch.tensor(sum(inputs, []), dtype=torch.int32),
                   "offsets": torch.tensor(offsets, dtype=torch.int64),
                   "logits": logits.float().contiguous()}, os.path.join(where, "expected.safetensors"))
        with open(os.path.join(where, "config.json")) as file:
            config = json.load(file)
        for key in ("transformers_version", "dtype"):
            config.pop(key, None)
        with open(os.path.join(where, "config.json"), "w") as file:
            json.dump(config, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
