#!/usr/bin/env python3
"""Writes tests/data/tokenizer: small made-up directories and what the installed transformers makes of texts.

tests/unit/test_tokenizer.c replays cases.jsonl without Python. Every word and vocabulary here is made up. Needs the
sentencepiece package, with which transformers reads .model files; pipelines.jsonl is left as it is.
usage: freeze_tokens.py [DIRECTORY]
"""
import json
import os
import random
import shutil
import struct
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



def spm_model(pieces, model_type, **spec):
    """A SentencePiece file: (piece, type) each, of normal ones scores that fall by one, as BPE's do."""
    field = lambda tag, data: bytes([tag << 3 | 2]) + (bytes([len(data)]) if len(data) < 128 else bytes([len(data) & 127 | 128, len(data) >> 7])) + data
    out, score = b"", 0
    for text, kind in pieces:
        score -= kind == 1
        out += field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", score if kind == 1 else 0) + bytes([0x18, kind]))
    return out + field(2, bytes([0x18, model_type, 0xC0, 0x02, spec["unk_id"], 0x98, 0x02, 1])) + field(3, b"\x18\x00\x20\x00")


def bpe_pieces(front):
    bytes_of = sorted(set("\u00e9\u65e5\n\t\u20ac".encode()))  # and so not of every character
    merged = ["ab", "th", "the", "\u2581the", "he", "ll", "lo", "hell", "hello", "\u2581h", "\u2581hello", "cat", "at", "\u2581c", "\u2581cat", "\u4e2d\u6587",
              "aa", "aaa", "aaaa", "\u2581\u2581"]
    return [*front, *(("<0x%02X>" % b, 6) for b in bytes_of), *((p, 1) for p in merged), *((c, 1) for c in "\u2581abcdefghlmnorstuwxyz.,!\u4e2d\u6587\u0301H")]


GEMMA = spm_model(bpe_pieces([("<pad>", 3), ("<eos>", 3), ("<bos>", 3), ("<unk>", 2), ("<mask>", 4), ("  ", 4), ("abc", 4)]), 2, unk_id=3)
LLAMA = spm_model(bpe_pieces([("<unk>", 2), ("<s>", 3), ("</s>", 3), ("<x>", 4)]), 2, unk_id=0)

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
    "gemma": {"tokenizer.model": GEMMA, "tokenizer_config.json": {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True}},
    "siglip2": {"tokenizer.model": GEMMA, "tokenizer_config.json": {"tokenizer_class": "Siglip2Tokenizer", "add_eos_token": True}},
    "llama": {"tokenizer.model": LLAMA, "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True}},
    "llama-legacy": {"tokenizer.model": LLAMA, "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "legacy": True}},
    "lone": {"tokenizer.model": GEMMA, "tokenizer_config.json": GENERIC},
    "lone-unigram": {"tokenizer.model": spm_model(bpe_pieces([("<unk>", 2), ("<s>", 3), ("</s>", 3), ("<x>", 4)]), 1, unk_id=0),
                     "tokenizer_config.json": {**GENERIC, "add_eos_token": True}},
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
    ids, types, words, sequences, offsets = parity.expected([item], [e])
    return {**out, "ids": ids.tolist(), "types": types.tolist(), "words": words.tolist(), "sequences": sequences.tolist(),
            "offsets": offsets.reshape(-1).tolist()}


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(parity.ROOT, "tests/data/tokenizer")
    r = random.Random(5)
    count = 0
    os.makedirs(root, exist_ok=True)
    with open(os.path.join(root, "cases.jsonl"), "w") as f:
        for name, files in DIRECTORIES.items():
            folder = os.path.join(root, name)
            shutil.rmtree(folder, ignore_errors=True)
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
