#!/usr/bin/env python3
"""Token ids, type ids, offsets, word ids and sequence ids of lib/text against transformers and tokenizers, live.

usage: tokens.py [--quick] [--data DIR] [--only NAME[,NAME]] [--match REGEX] [--seed N] [--count N]
Builds tokens_probe.c and drives it through pipes. Every difference is printed; the exit status is
1 if there was any. DIR holds tokenizers/, texts/ and goldens/ (default: ../shared/data).
"""
import argparse
import base64
import glob
import itertools
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata

import numpy as np

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
import tokenizers
import transformers
from tokenizers import AddedToken
from transformers import AutoTokenizer

import command

transformers.logging.set_verbosity_error()
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAIR, LEFT, NO_SPECIAL, REPLACE, PREFIX, COUNT_ONLY, LAST = 1, 2, 4, 8, 16, 32, 64
STRATEGIES = ["longest_first", "only_first", "only_second"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Tally:
    def __init__(self):
        self.texts = self.tokens = self.differences = 0
        self.start = time.time()

    def report(self, name):
        print("%-34s %9d texts %11d tokens %4d differences  %5.0f s" % (
            name, self.texts, self.tokens, self.differences, time.time() - self.start), flush=True)
        return self.differences


class Probe:
    """Our tokenizer of a directory."""
    program = None
    compiled = False  # vocabularies stored as tables, and opened from them

    def __init__(self, folder, *args):
        args = args or ("compiled",) * self.compiled
        self.process = subprocess.Popen([self.program, folder, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        bufsize=1 << 20)

    def encode(self, inputs, flags=0, max_length=0, strategy=0):
        """inputs: str, or (str, str). Yields (ids, types, words, sequences, offsets) or a negative status."""
        records = []
        for i, item in enumerate(inputs):
            pair = isinstance(item, tuple)
            texts = [t if isinstance(t, bytes) else t.encode() for t in (item if pair else (item,))]
            two = len(texts) == 2 and not flags & PREFIX
            more = (PAIR if two else 0) | (LAST if i == len(inputs) - 1 else 0)
            records.append(struct.pack("<iii", flags | more, max_length, strategy))
            records += [struct.pack("<I", len(t)) + t for t in texts]
        feeder = threading.Thread(target=self.feed, args=(b"".join(records),))
        feeder.start()
        results = []
        for _ in inputs:
            n = struct.unpack("<q", self.read(8))[0]
            if n < 0 or flags & COUNT_ONLY:
                results.append(n)
                continue
            data = self.read(32 * n)
            four = np.frombuffer(data, dtype=np.int32, count=4 * n).reshape(4, n)
            results.append((*four, np.frombuffer(data, dtype=np.int64, offset=16 * n).reshape(n, 2)))
        feeder.join()
        return results

    def feed(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read(self, size):
        data = self.process.stdout.read(size)
        if len(data) != size:
            raise RuntimeError("the probe stopped with status %s" % self.process.wait())
        return data

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def expected(items, encodings):
    """Encodings in the form of Probe.encode, one after another in one set of arrays: in bytes, -1 for None."""
    number = lambda name, kind: np.array(list(itertools.chain.from_iterable(getattr(e, name) for e in encodings)), dtype=kind)
    or_none = lambda name: np.nan_to_num(number(name, float), nan=-1).astype(np.int32)
    texts = [item if isinstance(item, tuple) else (item,) for item in items]
    code_points = np.frombuffer("".join(itertools.chain.from_iterable(texts)).encode("utf-32-le"), dtype=np.uint32)
    at = np.concatenate([[0], np.cumsum(1 + (code_points > 0x7F) + (code_points > 0x7FF) + (code_points > 0xFFFF))])
    sizes = [(len(t[0]), len(t[-1]) if len(t) > 1 else 0) for t in texts]
    begin = np.cumsum([0, *itertools.chain.from_iterable(sizes)])  # of each text, as a character of all
    sequences = or_none("sequence_ids")
    place = np.repeat(2 * np.arange(len(items)), [len(e) for e in encodings]) + sequences
    offsets = np.fromiter(itertools.chain.from_iterable(itertools.chain.from_iterable(e.offsets for e in encodings)), dtype=np.int64)
    offsets = offsets.reshape(-1, 2)
    mine = sequences >= 0
    first = begin[place[mine], None]
    offsets[mine] = at[first + offsets[mine]] - at[first]
    return number("ids", np.int32), number("type_ids", np.int32), or_none("word_ids"), sequences, offsets


def encode_each(backend, items, special):
    """encode_batch, where one bad input fails the batch."""
    for item in items:
        try:
            yield backend.encode(*(item if isinstance(item, tuple) else (item,)), add_special_tokens=special)
        except Exception as error:
            yield error


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other))


def compare(tally, probe, backend, inputs, what="", flags=0, max_length=0, strategy=0, show=3):
    """Ours against backend.encode_batch, whose truncation is already set."""
    special = not flags & NO_SPECIAL
    for start in range(0, len(inputs), 4000):
        part = inputs[start:start + 4000]
        ours = probe.encode(part, flags, max_length, strategy)
        tally.texts += len(part)
        try:
            theirs = backend.encode_batch(part, add_special_tokens=special)
        except Exception:
            theirs = list(encode_each(backend, part, special))
        else:
            if not any(isinstance(mine, int) for mine in ours):
                want = expected(part, theirs)
                tally.tokens += len(want[0])
                if all(len(mine[0]) == len(e) for mine, e in zip(ours, theirs)) and equal(map(np.concatenate, zip(*ours)), want):
                    continue
        for item, mine, e in zip(part, ours, theirs):
            want = e if isinstance(e, Exception) else expected([item], [e])
            if isinstance(mine, int) or isinstance(e, Exception):
                same = isinstance(mine, int) and isinstance(e, Exception)
            else:
                same = equal(mine, want)
            if not same:
                tally.differences += 1
                if tally.differences <= show:
                    print("DIFFERENCE", what, ascii(item)[:300])
                    for name, i in (("ids", 0), ("types", 1), ("words", 2), ("sequences", 3), ("offsets", 4)):
                        a = mine[i].tolist() if not isinstance(mine, int) else mine
                        b = want[i].tolist() if not isinstance(want, Exception) else want
                        if a != b:
                            print("   ", name, "ours", str(a)[:400], "reference", str(b)[:400])


# ---- directories -----------------------------------------------------------------------------------------

class Folders:
    """Directories for both sides, written to a temporary folder."""

    def __init__(self, root, data):
        self.root, self.data, self.count = root, data, itertools.count()

    def new(self, files):
        path = os.path.join(self.root, "d%d" % next(self.count))
        os.mkdir(path)
        for name, content in {"config.json": {"model_type": "bert"}, **files}.items():
            if content is None:
                continue
            with open(os.path.join(path, name), "wb") as f:
                f.write(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    def real(self, name, **more):
        files = {}
        for f in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "added_tokens.json"]:
            path = os.path.join(self.data, "tokenizers", name, f)
            if os.path.exists(path):
                with open(path, "rb") as handle:
                    files[f] = handle.read()
        return self.new({**files, **more})

    def vocabulary(self, name):
        with open(os.path.join(self.data, "tokenizers", name, "vocab.txt"), encoding="utf-8") as f:
            return [line.rstrip("\n") for line in f]


SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def character_vocabulary():
    """Every assigned character as a piece of its own: nothing that a normalizer does stays hidden in [UNK]."""
    chars = [chr(c) for c in range(0x21, 0x110000) if not 0xD800 <= c <= 0xDFFF
             and unicodedata.category(chr(c)) not in ("Cn", "Co")]
    return SPECIALS + chars + ["##" + c for c in chars]


def tokenizer_json(vocab, normalizer="default", added=SPECIALS, post="default", **model):
    ids = {token: i for i, token in enumerate(vocab)}
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True}
    if isinstance(normalizer, dict) and "type" not in normalizer:
        bert.update(normalizer)
    post_bert = {"type": "BertProcessing", "sep": ["[SEP]", ids.get("[SEP]", 3)], "cls": ["[CLS]", ids.get("[CLS]", 2)]}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [a if isinstance(a, dict) else
                         {"id": ids.get(a, len(ids)), "content": a, "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False, "special": True} for a in added],
        "normalizer": normalizer if normalizer is None or "type" in normalizer else bert,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": post_bert if post == "default" else post,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, **model, "vocab": ids},
    }


FLAGS = {
    "default": {}, "cased": {"lowercase": False}, "keep accents": {"strip_accents": False},
    "cased, strip": {"lowercase": False, "strip_accents": True}, "no clean": {"clean_text": False},
    "no chinese": {"handle_chinese_chars": False}, "no clean, cased": {"clean_text": False, "lowercase": False},
    "none at all": None, "Lowercase": {"type": "Lowercase"},
    "Lowercase, Bert": {"type": "Sequence", "normalizers": [
        {"type": "Lowercase"}, {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                                "strip_accents": True, "lowercase": False}]},
}


# ---- texts -------------------------------------------------------------------------------------------------

def real_lines(data):
    """(language, line) of every text there is."""
    lines, languages = [], set()
    for path in sorted(glob.glob(data + "/texts/tatoeba-laser/v1/*")):
        languages.add(path.rsplit(".", 1)[1])
        with open(path, encoding="utf-8", newline="\n") as f:
            lines += f.read().split("\n")
    with open(data + "/texts/udhr/udhr_first12.json", encoding="utf-8") as f:
        for language, texts in json.load(f).items():
            languages.add(language)
            lines += texts
    for path in sorted(glob.glob(data + "/texts/gutenberg-sentencepiece/*.txt") + glob.glob(data + "/texts/wnut17/*")):
        with open(path, encoding="utf-8", errors="replace", newline="\n") as f:
            lines += f.read().split("\n")
    with open(data + "/texts/blns/blns.base64.json", encoding="utf-8") as f:
        lines += [base64.b64decode(t).decode("utf-8", "replace") for t in json.load(f)]
    return lines, languages


class Random:
    """Random Unicode strings of several kinds."""

    def __init__(self, seed):
        r = self.r = random.Random(seed)
        every = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
        category = lambda *names: [chr(c) for c in every if unicodedata.category(chr(c)) in names]
        self.assigned = [chr(c) for c in every if unicodedata.category(chr(c)) not in ("Cn", "Co")]
        self.marks, self.spaces = category("Mn", "Mc", "Me"), category("Zs", "Zl", "Zp") + list("\t\n\r\v\f\x1c\x85")
        self.ccc = [chr(c) for c in every if unicodedata.combining(chr(c))]
        self.odd = [c for c in self.ccc if unicodedata.category(c) != "Mn"]
        self.composed = [chr(c) for c in every if unicodedata.decomposition(chr(c))]
        self.upper, self.punctuation = category("Lu", "Lt"), category("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So")
        self.control = category("Cc", "Cf") + ["\ufffd", "\ue000", "\U000F0000"]
        self.every = every
        self.kinds = [self.planes, self.bmp, self.combining, self.quirk, self.cjk, self.hangul, self.special, self.white,
                      self.long_word, self.words, self.mixed, self.cases]

    def some(self, pool, low, high):
        return "".join(self.r.choices(pool, k=self.r.randint(low, high)))

    def planes(self):
        return "".join(chr(c) for c in self.r.choices(self.every, k=self.r.randint(1, 12)))

    def bmp(self):
        return self.some(self.assigned, 1, 20)

    def combining(self):
        return "".join(self.some(LETTERS + "éÅộ", 0, 2) + self.some(self.marks, 0, 6) for _ in range(self.r.randint(1, 5)))

    def quirk(self):  # runs of marks of which some stay
        return "".join(self.some(LETTERS + "é", 0, 1) + "".join(self.r.choice((self.r.choice(self.odd), self.r.choice(self.ccc),
                       self.r.choice("\u0344\u0f73\u0f75\u0f81\u0340"), self.r.choice(self.composed))) for _ in range(self.r.randint(0, 7)))
                       for _ in range(self.r.randint(1, 4)))

    def cjk(self):
        return "".join(chr(self.r.choice((self.r.randint(0x4E00, 0x9FFF), self.r.randint(0xF900, 0xFAFF), self.r.randint(0x3000, 0x30FF),
                       self.r.randint(0x2B700, 0x2CEC0), ord(self.r.choice(LETTERS + " "))))) for _ in range(self.r.randint(1, 16)))

    def hangul(self):
        return "".join(chr(self.r.choice((self.r.randint(0xAC00, 0xD7A3), self.r.randint(0x1100, 0x11FF), 32)))
                       for _ in range(self.r.randint(1, 12)))

    def special(self):
        return "".join(self.r.choice(SPECIALS + ["[mask]", "[", "]", " ", "[MASK", "a", "é", "\u00a0", "CLS]", "[SEP] "])
                       for _ in range(self.r.randint(1, 12)))

    def white(self):
        return "".join(self.some(self.spaces, 0, 3) + self.some(LETTERS, 0, 3) + self.some(self.control, 0, 1)
                       for _ in range(self.r.randint(1, 6)))

    def long_word(self):
        return self.some(LETTERS, 95, 106) if self.r.random() < 0.8 else self.some(self.r.choice(("éa", "\u0301a", "가", "\u4e00b", "🤗")), 60, 130)

    def words(self):
        return " ".join(self.some(LETTERS + "ABCXYZ'-,.0123", 1, 9) for _ in range(self.r.randint(1, 12)))

    def mixed(self):
        pools = (self.assigned, self.marks, self.spaces, self.composed, self.upper, self.punctuation, self.control, LETTERS)
        return "".join(self.some(self.r.choice(pools), 0, 4) for _ in range(self.r.randint(1, 8)))

    def cases(self):
        return self.some(self.upper + list("İΣßﬁ"), 1, 10)

    def __call__(self, count):
        return [self.kinds[i % len(self.kinds)]() for i in range(count)]


# ---- the checks ----------------------------------------------------------------------------------------------

def open_both(path):
    probe = Probe(path)
    backend = AutoTokenizer.from_pretrained(path).backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return probe, backend


REAL = ["bert-base-uncased", "bert-base-cased", "bert-base-multilingual-cased", "bert-base-chinese", "all-MiniLM-L6-v2",
        "bge-small-zh-v1.5", "gte-small", "bge-small-en", "all-MiniLM-L6-v2-st5-saved", "all-MiniLM-L6-v2-Xenova"]
MORE = {"bert-base-cased": {"tokenizer_config.json": {"do_lower_case": False}},
        "bert-base-multilingual-cased": {"tokenizer_config.json": {"do_lower_case": False}},
        "bert-base-chinese": {"tokenizer_config.json": {"do_lower_case": False}},
        "bge-small-en": {"tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}},
        "bge-small-zh-v1.5": {"tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}}}


def check_real(folders, options):
    lines, languages = real_lines(folders.data)
    lines = lines[::40] if options.quick else lines
    print("real text: %d lines in %d languages" % (len(lines), len(languages)))
    failed = 0
    for name in REAL[:3] if options.quick else REAL:
        probe, backend = open_both(folders.real(name, **MORE.get(name, {})))
        tally = Tally()
        compare(tally, probe, backend, lines, name)
        failed += tally.report("real, " + name)
        probe.close()
    return failed


def check_random(folders, options):
    failed = 0
    vocab = character_vocabulary()
    for i, (name, normalizer) in enumerate(FLAGS.items()):
        if not re.search(options.match, name):
            continue
        probe, backend = open_both(folders.new({
            "tokenizer.json": tokenizer_json(vocab, normalizer),
            "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}}))
        tally = Tally()
        compare(tally, probe, backend, Random(options.seed + i)(options.count), name)
        failed += tally.report("random, " + name)
        probe.close()
    for i, name in enumerate(REAL[:2] if options.quick else REAL):
        if not re.search(options.match, name):
            continue
        probe, backend = open_both(folders.real(name, **MORE.get(name, {})))
        tally = Tally()
        compare(tally, probe, backend, Random(options.seed + 100 + i)(options.count), name)
        failed += tally.report("random, " + name)
        probe.close()
    return failed


def check_code_points(folders, options):
    every = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    vocab = character_vocabulary()
    failed = 0
    cases = [(n, lambda n=n: folders.real(n, **MORE.get(n, {}))) for n in REAL[:6]]
    cases += [("flags: " + n, lambda f=f: folders.new({"tokenizer.json": tokenizer_json(vocab, f), "tokenizer_config.json": {
        "tokenizer_class": "PreTrainedTokenizerFast"}})) for n, f in FLAGS.items()]
    for name, make in cases[:1] + cases[6:8] if options.quick else cases:
        probe, backend = open_both(make())
        tally = Tally()
        if name == REAL[0] and not options.quick:
            texts = every + ["a" + c + "b" for c in every]
        else:  # words between spaces do not see each other: many in one string
            words = every + ["a" + c + "b" for c in every]
            texts = [" ".join(words[i:i + 32]) for i in range(0, len(words), 32)]
        compare(tally, probe, backend, texts, name)
        failed += tally.report("code points, " + name)
        probe.close()
    return failed


def check_truncation(folders, options):
    failed = 0
    r = Random(options.seed + 7)
    texts = [" ".join(r.some("abcd", 1, 4) for _ in range(n)) for n in (0, 1, 2, 3, 5, 8, 13, 21)] + ["a [MASK] b [SEP]", "é\u0301 x" * 5]
    texts = [t if isinstance(t, str) else "".join(t) for t in texts]
    vocab = SPECIALS + list("abcdexé") + ["##" + c for c in "abcde"]
    template = {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 3}}, {"Sequence": {"id": "A", "type_id": 1}}],
                "pair": [{"SpecialToken": {"id": "two", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 2}},
                         {"SpecialToken": {"id": "[SEP]", "type_id": 1}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                                   "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]},
                                   "two": {"id": "two", "ids": [2, 4], "tokens": ["[CLS]", "[MASK]"]}}}
    generic = {"tokenizer_class": "PreTrainedTokenizerFast"}
    for name, post in (("bert", "default"), ("template", template), ("none", None),
                       ("sequence", {"type": "Sequence", "processors": [template]})):
        probe, backend = open_both(folders.new({"tokenizer.json": tokenizer_json(vocab, post=post), "tokenizer_config.json": generic}))
        tally = Tally()
        inputs = texts + list(itertools.product(texts, texts))
        for flags in (0, NO_SPECIAL):
            compare(tally, probe, backend, inputs, name, flags)
            for side, strategy in itertools.product((0, LEFT), range(3)):
                for max_length in (1, 2, 3, 4, 5, 6, 7, 9, 12, 16, 17, 30, 60) if not options.quick else (1, 2, 3, 4, 5, 8, 17):
                    backend.enable_truncation(max_length, strategy=STRATEGIES[strategy], direction="left" if side else "right")
                    compare(tally, probe, backend, inputs, "%s %s %d %d" % (name, STRATEGIES[strategy], side, max_length),
                            flags | side, max_length, strategy)
            backend.no_truncation()
        failed += tally.report("truncation, " + name)
        probe.close()
    return failed


def added_texts(r, contents, count):
    pool = contents + [c.upper() for c in contents] + list("ab xyz.,") + [" ", "  ", "\u3000", "\t", "\n", "é", "\u0301", "中", "_", "1", "²", "가"]
    return ["".join(r.choices(pool, k=r.randint(1, 14))) for _ in range(count)]


def check_added(folders, options):
    r = random.Random(options.seed + 13)
    vocab = SPECIALS + list("abxyz.é中_1²") + ["##" + c for c in "abxyzé_1"]
    contents = ["<a>", "<a>b", "b<", "ab", "abab", "x y", "Yz", "é", "中x", "__", "z", "a", "xyzab"]
    flags = list(itertools.product((False, True), repeat=5))
    tally, opened = Tally(), 0
    for round_ in range(40 if options.quick else 400):
        added, seen = list(SPECIALS), set()
        for content in r.sample(contents, r.randint(1, 6)):
            single, left, right, normalized, special = r.choice(flags)
            key = content.lower().replace("é", "e")
            if normalized and key in seen:
                continue  # two patterns that normalize alike: the reference picks one by chance
            seen.add(key)
            added.append({"id": 0, "content": content, "single_word": single, "lstrip": left, "rstrip": right,
                          "normalized": normalized, "special": special})
        config = {"tokenizer_class": r.choice(["PreTrainedTokenizerFast", "BertTokenizer"])}
        if r.random() < 0.5:  # the same by way of added_tokens_decoder, with flags of its own
            tail = [dict(a) for a in added[5:]]
            for i, a in enumerate(tail):
                a.pop("id")
                if r.random() < 0.3 and not a["normalized"]:
                    a["lstrip"] = not a["lstrip"]
            config["added_tokens_decoder"] = {str(len(vocab) + i): a for i, a in enumerate(tail)}
            added = added[:5 + r.randint(0, len(tail))]
        if r.random() < 0.2:
            config["split_special_tokens"] = True
        for i, a in enumerate(added[5:]):
            a["id"] = len(vocab) + i
        normalizer = r.choice([n for n in FLAGS.values() if n is None or "type" not in n])
        probe, backend = open_both(folders.new({"tokenizer.json": tokenizer_json(vocab, normalizer, added), "tokenizer_config.json": config}))
        if config.get("split_special_tokens"):
            backend.encode_special_tokens = True
        compare(tally, probe, backend, added_texts(r, contents, 150), json.dumps([added[5:], config])[:600])
        probe.close()
    return tally.report("added tokens")


def check_directories(folders, options):
    """Files that disagree, old and new: what AutoTokenizer makes of them."""
    r = random.Random(options.seed + 17)
    vocab = SPECIALS + list("abxyzABé中²") + ["##" + c for c in "abxyzé"] + ["ab", "##ab", "[NEW]"]
    text = ("\n".join(vocab) + "\n").encode()
    tj = tokenizer_json(vocab)
    token = lambda content, **flags: {"content": content, "lstrip": False, "rstrip": False, "normalized": False,
                                      "single_word": False, **flags}
    typed = lambda content, **flags: {"__type": "AddedToken", **token(content, **flags)}
    new = [token("[NEW]", special=True), token("<x>", special=False, normalized=True)]
    cases = {
        "vocab.txt": {"vocab.txt": text},
        "vocab.txt, no last newline": {"vocab.txt": text[:-1]},
        "vocab.txt, CRLF": {"vocab.txt": text.replace(b"\n", b"\r\n")},
        "vocab.txt, blanks and doubles": {"vocab.txt": text + "a\n\nb \n\u3000x\u3000\nxx\u00a0\n \nzz\n".encode()},
        "vocab.txt, cased": {"vocab.txt": text, "tokenizer_config.json": {"do_lower_case": False}},
        "vocab.txt, keep accents": {"vocab.txt": text, "tokenizer_config.json": {"strip_accents": False}},
        "vocab.txt, cased, strip": {"vocab.txt": text, "tokenizer_config.json": {"do_lower_case": False, "strip_accents": True}},
        "vocab.txt, no chinese": {"vocab.txt": text, "tokenizer_config.json": {"tokenize_chinese_chars": False}},
        "vocab.txt, other specials": {"vocab.txt": text, "tokenizer_config.json": {"cls_token": "a", "sep_token": "[NEW]", "unk_token": "b"}},
        "vocab.txt, specials not in it": {"vocab.txt": text, "tokenizer_config.json": {"cls_token": "<s>", "sep_token": "</s>", "mask_token": typed("<mask>", lstrip=True)}},
        "vocab.txt, special_tokens_map": {"vocab.txt": text, "special_tokens_map.json": {"cls_token": "<s>", "mask_token": token("[NEW]", lstrip=True), "additional_special_tokens": ["<e>", "<f>"]}},
        "vocab.txt, added_tokens.json": {"vocab.txt": text, "added_tokens.json": {"<y>": len(vocab) + 1, "<x>": len(vocab), "[MASK]": 4}},
        "vocab.txt, both older files": {"vocab.txt": text, "added_tokens.json": {"<y>": len(vocab) + 1, "<x>": len(vocab)}, "special_tokens_map.json": {"additional_special_tokens": ["<y>"], "sep_token": "<x>"}},
        "extra list": {"vocab.txt": text, "tokenizer_config.json": {"extra_special_tokens": ["<e>", "[NEW]"]}},
        "additional list": {"vocab.txt": text, "tokenizer_config.json": {"additional_special_tokens": ["<e>", typed("<f>", rstrip=True)]}},
        "extra object": {"vocab.txt": text, "tokenizer_config.json": {"extra_special_tokens": {"image_token": "<e>", "x": "<f>"}}},
        "own token keys": {"vocab.txt": text, "tokenizer_config.json": {"image_token": "<e>", "other_token": typed("<f>", lstrip=True)}},
        "decoder": {"vocab.txt": text, "tokenizer_config.json": {"added_tokens_decoder": {str(len(vocab) - 1): new[0], str(len(vocab) + 5): new[1]}}},
        "decoder, special map ignored": {"vocab.txt": text, "special_tokens_map.json": {"cls_token": "<s>"}, "tokenizer_config.json": {"added_tokens_decoder": {"4": token("[MASK]", lstrip=True, special=True)}}},
        "empty decoder": {"tokenizer.json": tj, "tokenizer_config.json": {"added_tokens_decoder": {}}},
        "json": {"tokenizer.json": tj},
        "json and vocab.txt": {"tokenizer.json": tj, "vocab.txt": b"[UNK]\n[CLS]\n[SEP]\na\n"},
        "json cased, config silent": {"tokenizer.json": tokenizer_json(vocab, {"lowercase": False})},
        "json lower, config cased": {"tokenizer.json": tj, "tokenizer_config.json": {"do_lower_case": False}},
        "json no clean, config silent": {"tokenizer.json": tokenizer_json(vocab, {"clean_text": False, "handle_chinese_chars": False})},
        "json without normalizer": {"tokenizer.json": tokenizer_json(vocab, None)},
        "json, other unk": {"tokenizer.json": tokenizer_json(vocab, unk_token="a")},
        "json, other prefix": {"tokenizer.json": tokenizer_json(vocab, continuing_subword_prefix="")},
        "json, 3 characters a word": {"tokenizer.json": tokenizer_json(vocab, max_input_chars_per_word=3)},
        "json, added": {"tokenizer.json": tokenizer_json(vocab, added=SPECIALS + [dict(new[1], id=len(vocab))])},
        "json, added, old files": {"tokenizer.json": tokenizer_json(vocab, added=SPECIALS + [dict(new[1], id=len(vocab))]), "special_tokens_map.json": {"mask_token": "<x>"}, "added_tokens.json": {"<z>": 99}},
        "json with truncation and padding": {"tokenizer.json": {**tj, "truncation": {"direction": "Left", "max_length": 4, "strategy": "LongestFirst", "stride": 0}, "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "<p>"}}},
        "json, template": {"tokenizer.json": tokenizer_json(vocab, post={"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 1}}], "pair": [{"Sequence": {"id": "A", "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 0}}], "special_tokens": {}})},
        "json, no post_processor": {"tokenizer.json": tokenizer_json(vocab, post=None)},
        "json, model without type": {"tokenizer.json": {**tj, "model": {k: v for k, v in tj["model"].items() if k != "type"}}},
        "json, ids with holes": {"tokenizer.json": {**tj, "model": {**tj["model"], "vocab": {w: 3 * i for i, w in enumerate(vocab)}}, "added_tokens": []}, "tokenizer_config.json": {"extra_special_tokens": ["<e>"]}},
    }
    classes = [None, "BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "ElectraTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"]
    failed, tally = 0, Tally()
    contents = ["<e>", "<f>", "<x>", "<y>", "<z>", "<s>", "</s>", "<mask>", "<p>", "[NEW]", "[MASK]", "[SEP]", "ab", "中"]
    for (name, files), class_, model in itertools.product(cases.items(), classes, ("bert", "distilbert", "electra", "xlm")):
        if class_ in ("PreTrainedTokenizerFast", "TokenizersBackend") and "tokenizer.json" not in files:
            continue
        if model == "xlm" and class_ is None or options.quick and r.random() < 0.8:
            continue
        files = dict(files, **{"config.json": {"model_type": model}})
        if class_:
            files["tokenizer_config.json"] = {**files.get("tokenizer_config.json", {}), "tokenizer_class": class_}
        what = "%s, %s, %s" % (name, class_, model)
        path = folders.new(files)
        try:
            reference = AutoTokenizer.from_pretrained(path)
        except Exception as error:
            print("reference refuses", what, str(error)[:100])
            continue
        backend = reference.backend_tokenizer
        probe = Probe(path)
        side = json.loads(subprocess.run([Probe.program, path, "describe"], capture_output=True).stdout or b"{}").get("truncation_side")
        if side != reference.truncation_side:
            tally.differences += 1
            print("DIFFERENCE", what, "truncation side", side, reference.truncation_side)
        backend.no_truncation()
        backend.no_padding()
        texts = added_texts(r, contents, 60) + ["ABÉ中²x é\u0301 aB", "xyzab abab"]
        try:
            compare(tally, probe, backend, texts + list(zip(texts, texts[::-1])), what, show=40)
        except RuntimeError as error:
            tally.differences += 1
            print("DIFFERENCE", what, error)
        probe.close()
    failed += tally.report("directories")
    for lower, model in ((True, "bert"), (False, "bert")):
        failed += check_lowercase_first(folders, vocab, lower)
    return failed


def check_lowercase_first(folders, vocab, lower):
    """do_lower_case of sentence_bert_config.json: a Lowercase in front, unless there is one."""
    from tokenizers.normalizers import Lowercase, Sequence
    path = folders.new({"tokenizer.json": tokenizer_json(vocab), "tokenizer_config.json": {"do_lower_case": lower, "strip_accents": False}})
    probe = Probe(path, "lower")
    backend = AutoTokenizer.from_pretrained(path).backend_tokenizer
    backend.normalizer = Sequence([Lowercase(), backend.normalizer])
    tally = Tally()
    compare(tally, probe, backend, Random(3)(5000) + ["İi ABé"], "lowercase first")
    probe.close()
    return tally.report("lowercase first, do_lower_case %s" % lower)


def check_other(folders, options):
    """A prompt in front, replacement of invalid UTF-8, invalid UTF-8."""
    probe, backend = open_both(folders.real("bert-base-uncased"))
    r, tally = Random(options.seed + 23), Tally()
    texts = r(2000 if options.quick else 40000)
    for prompt in ("query: ", "e", "\u0301x", "[MA", ""):
        ours = probe.encode([(prompt, t) for t in texts], PREFIX)
        for text, mine, e in zip(texts, ours, backend.encode_batch([prompt + t for t in texts])):
            want = expected([prompt + text], [e])
            shift = len(prompt.encode())
            tally.texts += 1
            offsets = np.maximum(want[4] - shift, 0)
            if mine[0].tolist() != want[0].tolist() or (mine[4] != offsets).any() or (mine[2] != want[2]).any():
                tally.differences += 1
                print("DIFFERENCE prompt", ascii(prompt), ascii(text)[:200])
    rng = random.Random(options.seed)
    broken = []
    for t in texts[:20000]:
        b = bytearray(t.encode())
        for _ in range(rng.randint(1, 3)):
            at = rng.randint(0, len(b))
            b[at:at + rng.randint(0, 1)] = bytes([rng.randint(128, 255)])
        broken.append(bytes(b))
    for b, mine, e in zip(broken, probe.encode(broken, REPLACE), backend.encode_batch([b.decode("utf-8", "replace") for b in broken])):
        tally.texts += 1
        if mine[0].tolist() != e.ids or mine[2].tolist() != [-1 if w is None else w for w in e.word_ids]:
            tally.differences += 1
            print("DIFFERENCE replace", b)
    for b, mine in zip(broken, probe.encode(broken)):
        try:
            b.decode()
            valid = True
        except UnicodeDecodeError:
            valid = False
        tally.texts += 1
        if isinstance(mine, int) == valid:
            tally.differences += 1
            print("DIFFERENCE validity", b)
    probe.close()
    return tally.report("prompts and invalid UTF-8")


# Published cases whose vocabulary and settings are at hand.
GOLDENS = {"Xenova/bert-base-uncased": "bert-base-uncased", "Xenova/bert-base-cased": "bert-base-cased",
           "google-bert/bert-base-cased": "bert-base-cased",
           "Xenova/bge-small-zh-v1.5": "bge-small-zh-v1.5",
           "Xenova/distilbert-base-uncased-finetuned-sst-2-english": "bert-base-uncased",
           "Xenova/distilbert-base-cased-distilled-squad": "bert-base-cased",
           "Xenova/bert-base-multilingual-cased-ner-hrl": "bert-base-multilingual-cased",
           "distilbert/distilbert-base-multilingual-cased": "bert-base-multilingual-cased"}


def check_goldens(folders, options):
    """Token ids published by transformers.js and swift-transformers."""
    tally = Tally()
    with open(folders.data + "/goldens/transformers.js/tokenization_cases.json", encoding="utf-8") as f:
        published = json.load(f)
    jobs = [(GOLDENS[name], name, [(c["text"], c.get("text_pair"), c["ids"]) for c in published[name]["cases"].values() if "ids" in c])
            for name in GOLDENS if name in published]
    with open(folders.data + "/goldens/swift-transformers/Resources/bert_uncased_encoded.json", encoding="utf-8") as f:
        swift = json.load(f)
    jobs.append(("bert-base-uncased", "swift-transformers", [(swift["text"], None, swift["token_ids"])]))
    for directory, name, cases in jobs:
        probe = Probe(folders.real(directory, **MORE.get(directory, {})))
        ours = probe.encode([t if p is None else (t, p) for t, p, _ in cases])
        for (text, _, ids), mine in zip(cases, ours):
            tally.texts += 1
            tally.tokens += len(ids)
            got = mine[0].tolist()
            if ids not in (got, got[1:-1]):
                tally.differences += 1
                print("DIFFERENCE", name, ascii(text)[:200], "ours", got[:40], "published", ids[:40])
        probe.close()
    return tally.report("published cases")


CHECKS = {"goldens": check_goldens, "directories": check_directories, "truncation": check_truncation, "added": check_added, "other": check_other,
          "real": check_real, "random": check_random, "code_points": check_code_points}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a sample of everything, a minute")
    parser.add_argument("--data", default=os.path.join(ROOT, "..", "shared", "data"))
    parser.add_argument("--only", default=",".join(CHECKS))
    parser.add_argument("--match", default="", help="a regular expression: random texts for those in whose name it is found")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--count", type=int, default=60000, help="random texts for each tokenizer")
    parser.add_argument("--probe", help="a probe that is built already")
    args = parser.parse_args()
    if args.quick:
        args.count = 2000
    print("transformers %s, tokenizers %s, Python %s" % (transformers.__version__, tokenizers.__version__, sys.version.split()[0]))
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        Probe.program = args.probe or command.build_probe("tokens_probe", folder)
        for name in args.only.split(","):
            failed += CHECKS[name](Folders(tempfile.mkdtemp(dir=folder), os.path.abspath(args.data)), args)
    print("%d differences" % failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
