"""Texts longer than the model, live against transformers on the real all-MiniLM-L6-v2: windows as its
tokenizer cuts them (return_overflowing_tokens, stride), their pooled vectors weighted by text tokens.

Bars: cosine >= 0.9999999 and largest difference <= 1e-6 after normalisation.    long_texts.py [--model DIR]
"""
import argparse
import os
from pathlib import Path

import numpy as np
import torch

import command
import reference  # noqa: F401  (sets the environment before transformers is imported)
from transformers import AutoModel, AutoTokenizer

COSINE_BAR, DIFFERENCE_BAR = 0.9999999, 1e-6
SENTENCES = Path(__file__).resolve().parents[2] / "examples" / "sentences.txt"


def long_texts():
    """From empty to some thousands of tokens, natural and odd."""
    lines = SENTENCES.read_text().split("\n")
    texts = [" ".join(lines[:n]) for n in (0, 1, 5, 20, 60, 200)]
    return texts + ["word " * 700, "字" * 900, "supercalifragilisticexpialidocious " * 60, "\n\n" + "a. " * 254]


class Windows:
    """The definition in embed.h, with the reference's model and tokenizer."""

    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder).eval()

    def ids(self, text, pair, max_length, stride):
        """The tokenizer's own windows: ids and type ids, and how many tokens of each are the text's."""
        made = self.tokenizer(text, pair, truncation="only_second" if pair else True, max_length=max_length,
                              stride=stride, return_overflowing_tokens=True)  # fmt: skip
        member = 1 if pair else 0
        for i, ids in enumerate(made["input_ids"]):
            yield ids, made["token_type_ids"][i], made.sequence_ids(i).count(member)

    def prompted(self, prompt, text, max_length, stride):
        """The same where every window begins with the prompt, which the tokenizer cannot do by itself."""
        whole = self.tokenizer(prompt + text, add_special_tokens=False, return_offsets_mapping=True)
        head = sum(begin < len(prompt) for begin, _ in whole["offset_mapping"])
        ids, room = whole["input_ids"], max_length - 2 - head
        body = ids[head:]
        first = 0
        while True:
            part = body[first : first + room]
            yield ([self.tokenizer.cls_token_id] + ids[:head] + part + [self.tokenizer.sep_token_id],
                   None, len(part))  # fmt: skip
            if first + room >= len(body):
                return
            first += room - stride

    def vector(self, windows, pool):
        """sum(n v) / sum(n), to length 1."""
        vectors, weights = [], []
        for ids, types, count in windows:
            ids = torch.tensor([ids])
            types = torch.zeros_like(ids) if types is None else torch.tensor([types])
            with torch.no_grad():
                hidden = self.model(input_ids=ids, token_type_ids=types).last_hidden_state[0].double()
            vectors.append(hidden.mean(0) if pool == "mean" else hidden[0])
            weights.append(float(count))
        if len(vectors) == 1:
            weights = [1.0]
        mean = sum(w * v for w, v in zip(weights, vectors)) / sum(weights)
        return (mean / mean.norm()).numpy(), len(vectors)


def report(name, found, expected, windows):
    """One line; does it reach the bars?"""
    difference = np.abs(found - expected).max()
    cosine = min(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(found.astype(float), expected))
    good = bool(cosine >= COSINE_BAR and difference <= DIFFERENCE_BAR)
    print(f"{name:44} {'ok' if good else 'FAILED'}  {windows} windows, cosine 1 - {1 - cosine:.1e}, "
          f"difference {difference:.1e}")  # fmt: skip
    return good


def main():
    """Every case, then the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model")
    given = parser.parse_args().model or os.environ.get("EMBED_MODEL") or "build/models/all-MiniLM-L6-v2"
    truth, texts = Windows(given), long_texts()
    good = True
    for max_length, stride, pool in ((256, 0, "mean"), (256, 64, "mean"), (128, 100, "mean"), (512, 50, "cls"), (16, 13, "mean")):
        some = texts if max_length > 16 else texts[:4]
        pairs = [truth.vector(truth.ids(text, None, max_length, stride), pool) for text in some]
        found = command.text(given, some, max_length=max_length, stride=stride, pool=pool, long_texts="windows")
        good &= report(f"windows of {max_length}, stride {stride}, {pool}", found,
                       np.array([v for v, _ in pairs]), sum(n for _, n in pairs))  # fmt: skip
    for prompt, stride in (("query: ", 0), ("search_document: an", 30)):
        pairs = [truth.vector(truth.prompted(prompt, text, 128, stride), "mean") for text in texts]
        found = command.text(given, texts, max_length=128, stride=stride, prompt_text=prompt, long_texts="windows")
        good &= report(f"prompt {prompt!r}, stride {stride}", found, np.array([v for v, _ in pairs]),
                       sum(n for _, n in pairs))  # fmt: skip
    question = "what is said of rivers"
    some = [text for text in texts if "\t" not in text and text]
    pairs = [truth.vector(truth.ids(question, text, 96, 20), "mean") for text in some]
    found = command.text(given, [question + "\t" + text for text in some], pair=True, strategy="only_second",
                         max_length=96, stride=20, long_texts="windows")  # fmt: skip
    good &= report("pairs, windows of the second", found, np.array([v for v, _ in pairs]), sum(n for _, n in pairs))
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
