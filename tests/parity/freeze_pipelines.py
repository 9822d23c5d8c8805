#!/usr/bin/env python3
"""Writes tests/data/tokenizer/pipelines.jsonl: every component of tokenizer.json with each of its options, and what
the installed tokenizers makes of a few texts with it.

tests/unit/test_pipelines.c replays it without Python. Vocabularies and texts are made up; "@bytes@" in a tokenizer
stands for the 256 pieces <0x00> to <0xFF>; hash is over ids, type ids, word ids, sequence ids and offsets.
usage: freeze_pipelines.py [FILE]
"""
import base64
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import charsmap_blob
import pipelines
import tokens as parity
from tokenizers import Tokenizer

CHARSMAP = base64.b64encode(charsmap_blob.build({"ﬁ": "fi", "e\u0301": "é", "\u00ad": "", "\r\n": " ", "\t": " ", "½": "1/2", "Ａ": "a", "가": "ga"})).decode()
pipelines.charsmap = lambda data: CHARSMAP

TEXTS = ["a", "  Hello, don't  I'LL be 123 x\u00b2!\n\n", "ab abab  ba-ab \t(x)", "É e\u0301 \u0130ﬁ½ Ａ\u3000Σς", "가나 \u1100\u1161 日本\u200b語 \ufdfa",
         "\u0301\u0327a\u0f73b\u0344", "</s>ab</s> x </s>", "▁a ▁▁b", "``q''\r\n\u00ad'ſ 9\u0664Ⅷ", "👩\u200d👧🇫🇷 \u2581é\ufffd\x01"]


def bpe(**more):
    vocab = {"<unk>": 0}
    for piece in [*"abehlorw ", "lo", "he", "hel", "ab", "abab", "hello", "wo", "wor", "é", *["##" + c for c in "abehlorw"], *[c + "</w>" for c in "abehlorw"],
                  "##lo", "h##lo", "lo</w>", "ab</w>"]:
        vocab.setdefault(piece, len(vocab))
    merges = [["l", "o"], ["h", "e"], ["he", "l"], ["a", "b"], ["ab", "ab"], ["w", "o"], ["wo", "r"], ["hel", "lo"]]
    return {**pipelines.bytes_model(), "byte_fallback": False, "vocab": vocab, "merges": merges, **more}


def models():
    white = {"type": "Whitespace"}
    cases = {"BPE": (bpe(), white), "BPE unk": (bpe(unk_token="<unk>"), white), "BPE fuse": (bpe(unk_token="<unk>", fuse_unk=True), white),
             "BPE missing": (bpe(unk_token="<nothing>"), white), "BPE ignore_merges": (bpe(ignore_merges=True, merges=[["l", "o"]]), white),
             "BPE whole": (bpe(unk_token="<unk>"), None), "BPE strings": (bpe(merges=["l o", "a b"]), white),
             "BPE suffix": (bpe(end_of_word_suffix="</w>", unk_token="<unk>", merges=[["l", "o</w>"], ["a", "b</w>"], ["l", "o"]]), white),
             "BPE prefix": (bpe(continuing_subword_prefix="##", unk_token="<unk>", merges=[["##l", "##o"]]), white)}
    some = bpe(byte_fallback=True, unk_token="<unk>")
    some["vocab"].update({"<0x%02X>" % b: 100 + b for b in (0xC3, 0x89, 0x2D, 0x21, 0xE2, 0x96, 0x81)})
    cases["BPE byte_fallback"] = (some, white)
    words = {"<unk>": 0, "Hello": 1, ",": 2, "ab": 3, "é": 4}
    cases["WordLevel"] = ({"type": "WordLevel", "vocab": words, "unk_token": "<unk>"}, white)
    cases["WordLevel missing"] = ({"type": "WordLevel", "vocab": words, "unk_token": "<no>"}, white)
    cases["WordPiece"] = ({"type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##", "max_input_chars_per_word": 5,
                           "vocab": {"<unk>": 0, "a": 1, "##b": 2, "b": 3, "##a": 4, "##bab": 5, "x": 6, "be": 7}}, {"type": "WhitespaceSplit"})
    pieces = [["<unk>", 0.0], ["▁", -2.0], ["a", -3.0], ["b", -3.5], ["ab", -5.0], ["▁a", -4.0], ["▁ab", -6.5], ["e", -2.5], ["é", -9.0], ["ll", -3.0], ["o", -3.0]]
    cases["Unigram"] = ({"type": "Unigram", "unk_id": 0, "vocab": pieces}, pipelines.metaspace())
    cases["Unigram bytes"] = ({"type": "Unigram", "unk_id": 0, "byte_fallback": True, "vocab": pieces + [["<0x%02X>" % b, 0.0] for b in (0xC3, 0x89, 0x2D, 0x48, 0x21)]},
                              pipelines.metaspace())
    cases["Unigram no unk"] = ({"type": "Unigram", "unk_id": None, "vocab": pieces}, pipelines.metaspace())
    return cases


def digest(numbers):
    """FNV-1a over numbers of 64 bits."""
    h = 0xCBF29CE484222325
    for n in numbers:
        h = ((h ^ (n & 0xFFFFFFFFFFFFFFFF)) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return "%016x" % h


def cases():
    end = pipelines.added_token("</s>", 256, special=True)
    flags = [end, pipelines.added_token("ab", 257, normalized=True, lstrip=True), pipelines.added_token("É", 258, normalized=True, rstrip=True)]
    for name, normalizer in pipelines.normalizer_cases("").items():
        yield "normalizer " + name, pipelines.pipeline(pipelines.bytes_model(), normalizer, None, None, flags)
    for name, pre_tokenizer in pipelines.pre_tokenizer_cases().items():
        yield "pre-tokenizer " + name, pipelines.pipeline(pipelines.bytes_model(), None, pre_tokenizer, None, [end])
    for name, (model, pre_tokenizer) in models().items():
        yield "model " + name, pipelines.pipeline(model, None, pre_tokenizer)
    level = bpe(merges=[["a", "b"]], unk_token="<unk>")
    level["vocab"].update({"Ġ": 60, "Ġa": 61, "ĠĠ": 62})
    level["merges"] += [["Ġ", "a"], ["Ġ", "Ġ"]]
    for name, post in pipelines.post_processor_cases().items():
        if name != "Template odd":
            yield "post-processor " + name, pipelines.pipeline(level, None, pipelines.byte_level("1" in name), post, flags[1:2])


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(parity.ROOT, "tests/data/tokenizer/pipelines.jsonl")
    count = 0
    with open(path, "w") as f:
        for name, text in cases():
            reference = Tokenizer.from_str(json.dumps(text))
            results = []
            for i, t in enumerate(TEXTS):
                pair = TEXTS[i - 1][:20] if name.startswith("post") else None
                item = t if pair is None else (t, pair)
                try:
                    ids, types, words, sequences, offsets = (x.reshape(-1).tolist() for x in parity.expected([item], [reference.encode(t, pair)]))
                    results.append({"text": t, "count": len(ids), "hash": digest([*ids, *types, *words, *sequences, *offsets])})
                    if pair is not None:
                        results[-1]["pair"] = pair
                except Exception:
                    results.append({"text": t, "fails": True})
                count += 1
            short = json.dumps(text, ensure_ascii=False, separators=(",", ":")).replace(
                json.dumps(pipelines.alphabet(), separators=(",", ":"))[1:-1], "@bytes@")
            f.write(json.dumps({"name": name, "tokenizer": short, "cases": results}, ensure_ascii=False, separators=(",", ":")) + "\n")
    print("%s: %d cases, tokenizers %s" % (path, count, parity.tokenizers.__version__))


if __name__ == "__main__":
    main()
