"""Recipes round a model, live against transformers on the real all-MiniLM-L6-v2.

Long texts: windows as its tokenizer cuts them (return_overflowing_tokens, stride), their pooled vectors
weighted by text tokens. Late chunking: means of the rows of last_hidden_state whose tokens end in a chunk.
Rows of tables: the sentences as Python makes them.

Bars: cosine >= 0.9999999 and largest difference <= 1e-6 after normalisation.    recipes.py [--model DIR]
"""
import argparse
import csv
import json
import os
import random
import tempfile
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
    texts = [" ".join(lines[:n]) for n in (0, 1, 5, 20, 60)]
    return texts + ["word " * 600, "字" * 300, "supercalifragilisticexpialidocious " * 40, "\n\n" + "a. " * 127]


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


    def spans(self, text, spans, max_length, stride):
        """Late chunking: the mean of the rows of the tokens whose last byte lies in each span; a token has its row
        from the first window that has it."""
        made = self.tokenizer(text, truncation=True, max_length=max_length, stride=stride,
                              return_overflowing_tokens=True, return_offsets_mapping=True)  # fmt: skip
        bytes_at = np.cumsum([0] + [len(c.encode()) for c in text])
        rows, ends = [], []
        for i, ids in enumerate(made["input_ids"]):
            with torch.no_grad():
                hidden = self.model(input_ids=torch.tensor([ids])).last_hidden_state[0].double().numpy()
            body = [t for t, sequence in enumerate(made.sequence_ids(i)) if sequence == 0]
            for t in body[stride if i else 0 :]:
                rows.append(hidden[t])
                ends.append(bytes_at[made["offset_mapping"][i][t][1]])
        rows, ends = np.array(rows), np.array(ends)
        means = [rows[(begin < ends) & (ends <= end)].mean(axis=0) for begin, end in spans]
        return np.array([mean / np.linalg.norm(mean) for mean in means]), len(made["input_ids"])


def check_chunks(truth, model, texts):
    """embed chunks of every kind, of texts in one pass and in windows."""
    good = True
    for kind, max_length, stride in (("sentence", 256, 0), (5, 64, 20), ("sentence", 32, 9)):
        for long_texts in ("refuse", "windows") if max_length == 256 else ("windows",):
            some = texts if long_texts == "windows" else texts[:3]
            lines = command.run("chunks", "-m", model, "--null", "--chunks", kind, "--max-length", max_length,
                                *(["--long-texts", "windows", "--stride", stride] if long_texts == "windows" else []),
                                stdin=command.null_ended(some))  # fmt: skip
            chunks = [json.loads(line) for line in lines.decode().splitlines()]
            found, expected, windows = [], [], 0
            for i, text in enumerate(some):
                own = [chunk for chunk in chunks if chunk["index"] == i]
                assert all(text.encode()[c["start"] : c["end"]].decode() == c["text"] for c in own)
                if own:
                    vectors, n = truth.spans(text, [(c["start"], c["end"]) for c in own], max_length, stride)
                    found += [c["embedding"] for c in own]
                    expected += list(vectors)
                    windows += n
            good &= report(f"chunks: {kind}, {long_texts}, {len(found)} of them", np.array(found), np.array(expected),
                           windows)  # fmt: skip
    return good


def check_tables(model):
    """The sentences of rows, of names and values with everything that CSV and str.strip have rules for."""
    draw = random.Random(5)
    alphabet = "ab_ ,;\"\n\r\t.\u00a0\u3000\u2009\u1680\x1cé字😀7"
    word = lambda n: "".join(draw.choice(alphabet) for _ in range(draw.randint(0, n)))  # noqa: E731
    wrong = rows = 0
    for _ in range(40):
        names = [f"c{i}_" + word(4) for i in range(draw.randint(1, 5))]
        table = [[word(6) + draw.choice(["", "x"]) for _ in names] for _ in range(6)]
        label = draw.choice([None, 0]) if len(names) > 1 else None
        delimiter = draw.choice(",;\t")
        with tempfile.NamedTemporaryFile("w", newline="", suffix=".csv") as file:
            writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL,
                                lineterminator=draw.choice(["\n", "\r\n"]))  # fmt: skip
            writer.writerows([names] + table)
            file.flush()
            found = command.run("table", "-m", model, file.name, "--dim", 1, "--delimiter",
                                delimiter if delimiter != "\t" else "tab",
                                *([] if label is None else ["--label", names[label]]))  # fmt: skip
        expected = []
        for row in table:
            text = " ".join(f"The {name.replace('_', ' ')} is {str(value).strip()}."
                            for i, (name, value) in enumerate(zip(names, row)) if i != label)  # fmt: skip
            expected.append(text if label is None else f" The classification label is {row[label]}. {text}")
        prompts = [json.loads(line)["prompt"] for line in found.decode().split("\n") if line]
        rows += len(expected)
        wrong += sum(a != b for a, b in zip(prompts, expected)) + abs(len(prompts) - len(expected))
    print(f"{'rows of tables':44} {'FAILED' if wrong else 'ok'}  {rows} rows, {wrong} of them wrong")
    return wrong == 0


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
    good &= check_chunks(truth, given, texts[1:] + ["Über Größe, naïve café. 字はここ。😀 and more! " * 9])
    good &= check_tables(given)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
