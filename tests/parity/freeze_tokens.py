#!/usr/bin/env python3
"""Writes tests/data/tokenizer: small made-up directories and what the installed transformers makes of texts.

tests/unit/test_tokenizer.c replays cases.jsonl without Python. Every word and vocabulary here is made up.
usage: freeze_tokens.py [DIRECTORY]
"""
import json
import os
import random
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokens as parity
from transformers import AutoTokenizer

VOCAB = parity.SPECIALS + list("abcdefghijklmnopqrstuvwxyz0123456789.,!?'-$#\u20ac\u00e9\u00e8\u00df\u03c3\u03b1\u0438\u0439\u4e2d\u6587\u3042\u1112\u1161\u11ab\u0301\u0327\u302e")
VOCAB += ["##" + c for c in "abcdefghijklmnopqrstuvwxyz0123456789\u00e9\u0301\u0327\u302e\u11ab\u1161\u03c3\u0439\u0307"]
VOCAB += ["A", "B", "\u00c9", "the", "cat", "sat", "mat", "on", "un", "##want", "##ed", "runn", "##ing", "##s", "ab", "abc", "##bc", "##bcd", "hello", "world"]
ADDED = [{"id": len(VOCAB) + i, "content": c, "single_word": s, "lstrip": l, "rstrip": r, "normalized": n, "special": False}
         for i, (c, s, l, r, n) in enumerate([
             ("<x>", False, True, False, False), ("<x>y", False, False, True, False), ("caf\u00e9", True, False, False, True),
             ("Big", False, False, True, True), ("bigger", False, True, False, True), ("__", True, False, False, False)])]
GENERIC = {"tokenizer_class": "PreTrainedTokenizerFast"}
TEXT = ("\n".join(VOCAB) + "\n").encode()

DIRECTORIES = {
    "uncased": {"vocab.txt": TEXT},
    "cased": {"vocab.txt": TEXT.replace(b"\n", b"\r\n"), "tokenizer_config.json": {"do_lower_case": False, "model_max_length": 64, "truncation_side": "left"}},
    "disagree": {"tokenizer.json": {**parity.tokenizer_json(VOCAB, {"lowercase": False, "clean_text": False}),
                                    "truncation": {"direction": "Left", "max_length": 4, "strategy": "LongestFirst", "stride": 0}},
                 "tokenizer_config.json": {"tokenizer_class": "DistilBertTokenizer", "strip_accents": False, "cls_token": "hello"}},
    "verbatim": {"tokenizer.json": parity.tokenizer_json(VOCAB, {"handle_chinese_chars": False, "clean_text": False}, max_input_chars_per_word=7),
                 "tokenizer_config.json": GENERIC},
    "added": {"tokenizer.json": parity.tokenizer_json(VOCAB, added=parity.SPECIALS + ADDED), "tokenizer_config.json": GENERIC},
    "legacy": {"vocab.txt": TEXT, "added_tokens.json": {"<z>": len(VOCAB)}, "special_tokens_map.json": {
        "mask_token": {"content": "[MASK]", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}, "sep_token": "<sep>"}},
    "template": {"tokenizer.json": parity.tokenizer_json(VOCAB, post={
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 2}}, {"SpecialToken": {"id": "end", "type_id": 1}}],
        "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
                 {"SpecialToken": {"id": "end", "type_id": 3}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                           "end": {"id": "end", "ids": [3, 4], "tokens": ["[SEP]", "[MASK]"]}}}), "tokenizer_config.json": GENERIC},
}

TEXTS = [
    "", " ", "\t\n\r", "the cat sat on the mat", "The CAT unwanted, running!", "hello\u3000world\u00a0hello", "abcd abcx xyz$#\u20ac",
    "\u4e2d\u6587\u3042\u4e2d", "\ud55c \u1112\u1161\u11ab", "\u00c9e\u0301\u00e8 e\u0327\u0301", "a\u0301\u0327\u302eb", "e\u302e\u0301\u0327\u0344x", "\u0301\u302e\u0327",
    "\u0130I\u00df\u03a3 \u03a3 \u0130", "\u0419\u0438\u0306", "a\u0000b\ufffdc\u200bd\u00ade\u0085f\u000bg", "a\u2028b\u2029c\u0020d", "\ue000a\U000F0000b",
    "[SEP] in [MASK]text[CLS", "  [MASK]  [MASK]", "<z> <Z>x", "<x>y <x> <x>yy  z", "a  <x>b", "cafe CAF\u00c9 caf\u00e9s, caf\u00e9!", "bigger BIGG\u00cbR Big  gest", "a__b __ __c _",
    "a" * 99, "a" * 100, "a" * 101, "\u00e9" * 101 + " b", "x\u4e2d" * 60, "\U0002B820\U0002B920\uf900", "\u166d\u2e43\u00a1a\u00bfb", "abcabcabcd " * 5,
    "aaaaaaa bbbbbbbb", "\u1e9e\u0344\u0f73\u0f75 a", "\U0001D160\U0001D15Ex", "\ufb01 \u212b \u2126",
]


def record(name, backend, text, pair=None, max_length=0, left=False, strategy=0, special=True):
    if max_length:
        backend.enable_truncation(max_length, strategy=parity.STRATEGIES[strategy], direction="left" if left else "right")
    else:
        backend.no_truncation()
    item = text if pair is None else (text, pair)
    out = {"tokenizer": name, "text": text, "pair": pair, "max_length": max_length, "left": left, "strategy": strategy, "special": special}
    try:
        e = backend.encode(text, pair, add_special_tokens=special)
    except Exception as error:
        return {**out, "fails": str(error).split(":")[0]}
    ids, types, words, sequences, offsets = parity.expected(item, e)
    return {**out, "ids": ids.tolist(), "types": types.tolist(), "words": words.tolist(), "sequences": sequences.tolist(),
            "offsets": offsets.reshape(-1).tolist()}


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(parity.ROOT, "tests/data/tokenizer")
    shutil.rmtree(root, ignore_errors=True)
    r = random.Random(5)
    count = 0
    os.makedirs(root)
    with open(os.path.join(root, "cases.jsonl"), "w") as f:
        for name, files in DIRECTORIES.items():
            folder = os.path.join(root, name)
            os.mkdir(folder)
            for file, content in {"config.json": {"model_type": "bert"}, **files}.items():
                with open(os.path.join(folder, file), "wb") as out:
                    out.write(content if isinstance(content, bytes) else (json.dumps(content, ensure_ascii=False) + "\n").encode())
            backend = AutoTokenizer.from_pretrained(folder).backend_tokenizer
            backend.no_truncation()
            backend.no_padding()
            cases = [record(name, backend, t) for t in TEXTS]
            for _ in range(24):
                text, pair = r.choice(TEXTS), r.choice([None] + TEXTS[3:])
                cases.append(record(name, backend, text[:60], pair and pair[:60], r.choice([0, 1, 2, 3, 4, 5, 8, 12, 16]),
                                    r.random() < 0.5, r.randrange(3), r.random() < 0.8))
            for case in cases:
                f.write(json.dumps(case) + "\n")
            count += len(cases)
    print("%s: %d cases, transformers %s, tokenizers %s" % (root, count, parity.transformers.__version__, parity.tokenizers.__version__))


if __name__ == "__main__":
    main()
