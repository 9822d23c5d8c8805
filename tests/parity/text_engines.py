#!/usr/bin/env python3
"""The engines of lib/text (regular expressions, normal forms, Precompiled, Unigram, .model files) against
tokenizers, live: each by itself, on made-up and real text.

usage: text_engines.py [--quick] [--data DIR] [--only regex,patterns,forms,charsmap,unigram,sentencepiece,speed] [--seed N]
Builds engines_probe.c. Every difference is printed; the exit status is 1 if there was any. DIR holds
tokenizers/ and texts/ (default: ../shared/data).
"""
import argparse
import base64
import glob
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

os.environ["TOKENIZERS_PARALLELISM"] = "true"
import tokenizers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT + "/tools")
import charsmap_blob
import command

CHAR = np.dtype([(name, "<i8") for name in ("code", "size", "start")])
FORMS = ["NFD", "NFC", "NFKD", "NFKC"]

# Patterns of published tokenizers, and one for each construct.
PATTERNS = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
              r"|\s+(?!\S)|\s+",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "tiktoken": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"
                r"|\s+(?!\S)|\s",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
             r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
             r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "clip": r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    "deepseek-han": r"[一-龥぀-ゟ゠-ヿ]+",
    "deepseek": r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
                r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    "deepseek-letters": r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕ]+",
    "punctuation": r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    "kimi": r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "olmo": r"(?=(\d{3})+(?!\d))|\p{N}{1,2}",
    "spaces": r"\s{2,}|[\n\r\t]", "run": r"\s+", "digits": r"\d", "bloom": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "words": r"\w+|[^\w\s]+", "edges": r"\b\w|\w\b|\B.\B", "lines": r"^.|.$|\A.|.\z|.\Z",
    "lazy": r"a+?|b*?c|'.*?'|\p{L}{2,4}?", "atomic": r"(?>a+b|a+)c|(?>\p{L}+)\d", "look": r"a(?=b)|\w+(?=\s|$)|(?!\p{Lu})\p{L}",
    "scripts": r"\p{Hiragana}+|\p{Katakana}+|\p{Hangul}+|\p{Cyrillic}+|\p{Greek}+|\p{Arabic}+|\p{Thai}+|\p{Latin}+|\p{Common}+",
    "categories": r"\p{Lu}+|\p{Ll}+|\p{Lt}+|\p{Lm}+|\p{Lo}+|\p{Mn}+|\p{Mc}+|\p{Me}+|\p{Nd}+|\p{Nl}+|\p{No}+|\p{P}+|\p{S}+|\p{Z}+"
                  r"|\p{Cc}+|\p{Cf}+|\p{Co}+|\p{Cn}+",
    "ignore-case": r"(?i:k+|[a-eå]+|ǆ+|σ+|[^x]q)", "hex": r"\h+|\x41|\u00e9|\x{1F600}|\t",
}


def folder_of_data(given):
    for folder in filter(None, [given, ROOT + "/../shared/data"]):
        if os.path.isdir(folder):
            return folder
    return None


class Probe:
    def __init__(self, folder):
        out = command.build_probe("engines_probe", folder)
        self.process = subprocess.Popen([os.environ.get("ENGINES_PROBE", out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, commands, answer):
        """commands: (letter, bytes) each; what answer() makes of each reply."""
        data = b"".join(c.encode() + struct.pack("<I", len(d)) + d for c, d in commands)
        feeder = threading.Thread(target=self.feed, args=(data,))
        feeder.start()
        out = [answer() for _ in commands]
        feeder.join()
        return out

    def feed(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read(self, size):
        data = self.process.stdout.read(size)
        if len(data) != size:
            raise RuntimeError("the probe stopped with status %s" % self.process.wait())
        return data

    def number(self):
        return struct.unpack("<q", self.read(8))[0]

    def status(self):
        status = self.number()
        return (status, self.read(self.number()).decode()) if status < 0 else (status, "")

    def array(self, dtype, width=1):
        n = self.number()
        if n < 0:
            return (n, self.read(self.number()).decode())
        return np.frombuffer(self.read(n * width * np.dtype(dtype).itemsize), dtype=dtype).reshape((n, width) if width > 1 else n)

    def load(self, letter, data):
        return self.run([(letter, data)], self.status)[0]


class Tally:
    def __init__(self, name):
        self.name, self.texts, self.items, self.differences, self.start = name, 0, 0, 0, time.time()

    def check(self, same, *what):
        self.texts += 1
        if not same:
            self.differences += 1
            if self.differences <= 3:
                print("   ", self.name, *(repr(w)[:400] for w in what), flush=True)

    def report(self):
        print("%-34s %9d texts %11d items %4d differences  %5.0f s" % (
            self.name, self.texts, self.items, self.differences, time.time() - self.start), flush=True)
        return self.differences


def byte_offsets(text):
    return np.concatenate([[0], np.cumsum([len(c.encode()) for c in text], dtype=np.int64)])


# ---- texts ----------------------------------------------------------------------------------------------------

def real_texts(data, limit):
    out = []
    for path in sorted(glob.glob(data + "/texts/**/*", recursive=True)):
        if not os.path.isfile(path) or path.endswith((".gz", ".zip", ".md")):
            continue
        for line in open(path, encoding="utf-8", errors="ignore"):
            out.append(line)
            if len(out) >= limit:
                return out
    return out


class Maker:
    """Strings of few characters each, of kinds that meet rules: pools are drawn first, then characters."""
    def __init__(self, seed):
        self.r = random.Random(seed)
        every = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
        import unicodedata
        cat = {}
        for c in every:
            cat.setdefault(unicodedata.category(c), []).append(c)
        self.pools = [list("abcdefgh"), list("ABCDE"), list("0123456789"), list("   \n\r\t"), list("'.,!?<|>_-\"/"),
                      list("'sStTmdlvre"), list("\u00a0\u2003\u3000\u0085\u200b\u2028\v\f"),
                      list("\u00e9\u00df\u0130\u0131\u017f\u212a\u03a3\u03c3\u03c2\ufb05\u01c4\u01c5\u01c6"),
                      list("\u4e00\u9fa5\u3042\u30a2\uac00\u0e01\u0905\u0627\u05d0\u0416\u0436"),
                      list("\u0300\u0301\u0308\u0323\u0327\u0345\u093c\u094d\u05b0\u0e38\u3099\u309a\u20d0\u1ab0"),
                      list("\u1100\u1112\u1161\u1175\u11a8\u11c2\uac01\uac1c\ud7a3\ua960\ud7b0\ud7cb\u11a7"),
                      list("\u00a9\u00ae\u231a\u2764\ufe0f\u200d\U0001f468\U0001f3fd\U0001f1e9\U0001f1ea"),
                      list("\u0915\u0937\u094d\u09a1\u09cd\u0903\u093e\u0600\u06dd\u0d4e\U000110bd\u09c7\u09be\u0dd9\u0dca\u0dcf"),
                      list("\u00c5\u212b\u1e9b\ufb01\u2126\u1f82\u0344\u0390\u1fd3\ufdfa\u00bd\u2460\uff76\uff9e\uff9f\u3300\u2075\u02bc"),
                      *cat.values(), every]

    def text(self, most=24):
        r, out = self.r, []
        for _ in range(r.randrange(1, 5)):
            pools = r.sample(self.pools, r.randrange(1, 4))
            out += [r.choice(r.choice(pools)) for _ in range(r.randrange(0, most // 3 + 1))]
        return "".join(out)

    def texts(self, count, most=24):
        return [self.text(most) for _ in range(count)]


# ---- regular expressions -----------------------------------------------------------------------------------------

def matches_of(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return lambda text: [span for _, span in split.pre_tokenize_str(text)]


def compare_matches(tally, probe, letter, expected, texts, note=""):
    ours = probe.run([(letter, t.encode()) for t in texts], lambda: probe.array("<i8", 2))
    for text, mine in zip(texts, ours):
        want = np.array(expected(text), dtype=np.int64).reshape(-1, 2)
        if not text.isascii():
            want = byte_offsets(text)[want]
        mine = mine[mine[:, 0] < mine[:, 1]]
        tally.items += len(want)
        tally.check(np.array_equal(mine, want), note, text, mine.tolist(), want.tolist())


def test_regex(probe, maker, real, count):
    bad = 0
    for name, pattern in PATTERNS.items():
        tally = Tally("regex " + name)
        status = probe.load("R", pattern.encode())
        if status[0] < 0:
            tally.check(False, status)
            bad += tally.report()
            continue
        expected = matches_of(pattern)
        texts = maker.texts(count) + (real if name in ("gpt2", "cl100k", "o200k", "deepseek") else real[::20])
        for i in range(0, len(texts), 5000):
            compare_matches(tally, probe, "r", expected, texts[i:i + 5000])
        compare_matches(tally, probe, "b", expected, texts[:count // 20], "by the table")
        compare_matches(tally, probe, "b", expected, ["".join(texts[i:i + 400]) for i in range(0, min(len(texts), 8000), 400)],
                        "windows of the table")
        if name == "atomic":  # the reference takes minutes over a long run of letters
            bad += tally.report()
            continue
        every = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
        compare_matches(tally, probe, "r", expected, [every], "every character")
        bad += tally.report()
    return bad


class PatternMaker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def char(self):
        return self.r.choice(["a", "a", "b", "b", "c", "é", "B", " ", r"\n", "Σ", r"\.", "一"])

    def cls(self, depth=0):
        r = self.r
        items = [r.choice([self.char(), "a-c", r"\d", r"\s", r"\S", r"\w", r"\W", r"\p{L}", r"\p{Lu}", r"\P{L}", "à-ü", r"\p{^N}"])
                 for _ in range(r.randrange(1, 4))]
        if depth < 2 and r.random() < 0.2:
            items.append(self.cls(depth + 1))
        inner = "".join(items)
        if depth < 2 and r.random() < 0.15:
            inner += "&&" + r.choice([self.cls(depth + 1), "a-b", r"\w"])
        return "[" + r.choice(["", "", "^"]) + inner + "]"

    def atom(self, depth):
        r, k = self.r, self.r.random()
        if depth > 3 or k < 0.45:
            return self.char()
        if k < 0.58:
            return self.cls()
        if k < 0.68:
            return r.choice([r"\d", r"\s", r"\S", r"\w", r"\W", ".", r"\p{L}", r"\p{Ll}", r"\P{Lu}"])
        if k < 0.74:
            return r.choice(["^", "$", r"\A", r"\z", r"\Z", r"\b", r"\B"])
        return r.choice(["(%s)", "(?:%s)", "(?:%s)", "(?=%s)", "(?!%s)", "(?>%s)", "(?i:%s)", "(?m:%s)"]) % self.choice(depth + 1)

    def repeated(self, depth):
        r, a = self.r, self.atom(depth)
        if r.random() < 0.5:
            return a
        return a + r.choice(["*", "+", "?", "*?", "+?", "??", "*+", "++", "?+", "{2}", "{1,2}", "{,2}", "{2,}", "{1,3}?", "{0,1}",
                             "{1,2}+", "{2,}?"])

    def choice(self, depth=0):
        r = self.r
        return "|".join("".join(self.repeated(depth) for _ in range(r.randrange(0 if r.random() < 0.1 else 1, 4)))
                        for _ in range(r.choice([1, 1, 2, 3])))

    def text(self):
        r = self.r
        return "".join(r.choice("aaabbbcc \néBΣσ一1.AÉ") for _ in range(r.randrange(1, 14)))


def test_patterns(probe, seed, count):
    """Made-up patterns: the same matches both ways, and no pattern that the reference refuses."""
    tally, maker = Tally("regex made-up patterns"), PatternMaker(seed)
    refused, wider = {}, 0
    for _ in range(count):
        pattern = maker.choice()
        status, message = probe.load("R", pattern.encode())
        try:
            expected = matches_of(pattern)
        except Exception as error:
            wider += status == 0
            continue
        if status < 0:
            reason = message.split('": ')[-1]
            refused[reason] = refused.get(reason, 0) + 1
            continue
        texts = [maker.text() for _ in range(12)]
        compare_matches(tally, probe, "r", expected, texts, pattern)
        compare_matches(tally, probe, "b", expected, texts, pattern + " (by the table)")
    for reason in sorted(refused, key=refused.get, reverse=True):
        print("    refused %6d: %s" % (refused[reason], reason))
    print("    taken though the reference refuses them %d" % wider)
    return tally.report()


# ---- normalizers ---------------------------------------------------------------------------------------------------

def characters_of(normalizer):
    """Text of the normalizer, and for each of its characters the source bytes."""
    t = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    t.normalizer = normalizer
    t.pre_tokenizer = pre_tokenizers.Split(Regex("(?m:.)"), "isolated")
    return t


def compare_chars(tally, probe, letter, normalizer, texts):
    oracle = characters_of(normalizer)
    for i in range(0, len(texts), 5000):
        part = texts[i:i + 5000]
        ours = probe.run([(letter, t.encode()) for t in part], lambda: probe.array(CHAR))
        for text, mine, e in zip(part, ours, oracle.encode_batch(part)):
            want = normalizer.normalize_str(text)
            offsets = np.array(e.offsets, dtype=np.int64).reshape(-1, 2)
            if not text.isascii():
                offsets = byte_offsets(text)[offsets]
            got = "".join(map(chr, mine["code"]))
            spans = np.stack([mine["start"], mine["start"] + mine["size"]], axis=1)
            tally.items += len(want)
            tally.check(got == want and (len(offsets) != len(want) or np.array_equal(spans, offsets)),
                        text, got, want, spans.tolist(), offsets.tolist())


def test_forms(probe, maker, real, count, quick):
    bad = 0
    for i, name in enumerate(FORMS):
        tally, normalizer = Tally(name), getattr(normalizers, name)()
        compare_chars(tally, probe, str(i), normalizer, maker.texts(count) + real[::4])
        compare_chars(tally, probe, str(i), normalizer,
                      [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000][::20 if quick else 1])
        bad += tally.report()
    return bad


def charsmaps(data):
    for name in ("t5-small", "xlm-roberta-base"):
        for path in glob.glob(data + "/tokenizers/%s/tokenizer*.json" % name):
            stack = [json.load(open(path)).get("normalizer")]
            while stack:
                n = stack.pop()
                if isinstance(n, dict):
                    if n.get("precompiled_charsmap"):
                        yield os.path.basename(os.path.dirname(path)), base64.b64decode(n["precompiled_charsmap"])
                    stack += list(n.get("normalizers", []))


def test_charsmap(probe, maker, real, data, count, quick):
    bad, r = 0, maker.r
    known = dict(charsmaps(data)) if data else {}
    for name, blob in known.items():
        tally = Tally("charsmap of " + name)
        tally.check(probe.load("C", blob)[0] == 0)
        compare_chars(tally, probe, "c", normalizers.Precompiled(blob), maker.texts(count) + real[::4])
        compare_chars(tally, probe, "c", normalizers.Precompiled(blob),
                      [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000][::20 if quick else 1])
        bad += tally.report()
    tally = Tally("charsmaps made up")
    for _ in range(max(count // 2000, 5)):
        olds = {maker.text(6)[:r.randrange(1, 4)] for _ in range(r.randrange(1, 60))}
        entries = {old: maker.text(6)[:r.randrange(0, 5)].replace("\0", "") for old in olds if old and "\0" not in old}
        if not entries:
            continue
        blob = charsmap_blob.build(entries)
        tally.check(probe.load("C", blob)[0] == 0)
        # a deletion at the very start that is never paired makes the reference go wrong at the end, so it may stop
        keys = list(entries)
        texts = ["a" + "".join(r.choice(keys) if r.random() < 0.5 else maker.text(4) for _ in range(r.randrange(1, 6)))
                 for _ in range(2000)]
        compare_chars(tally, probe, "c", normalizers.Precompiled(blob), texts)
    return bad + tally.report()


# ---- Unigram -------------------------------------------------------------------------------------------------------

def load_unigram(probe, vocab, unk_id, byte_fallback):
    data = struct.pack("<qqq", len(vocab), -1 if unk_id is None else unk_id, byte_fallback)
    data += b"".join(struct.pack("<qd", len(p.encode()), s) + p.encode() for p, s in vocab)
    return probe.load("U", data)


def compare_tokens(tally, probe, oracle, texts):
    for i in range(0, len(texts), 5000):
        part = [t for t in texts[i:i + 5000] if t]
        ours = probe.run([("u", t.encode()) for t in part], lambda: probe.array("<i8", 3))
        try:
            encodings = oracle.encode_batch(part)
        except Exception:  # no unk_id: one bad text fails the batch
            encodings = []
            for t in part:
                try:
                    encodings.append(oracle.encode(t))
                except Exception as error:
                    encodings.append(error)
        for text, mine, e in zip(part, ours, encodings):
            if isinstance(e, Exception):
                tally.check(isinstance(mine, tuple), text, str(e))
                continue
            if isinstance(mine, tuple):
                tally.check(False, text, mine)
                continue
            offsets = np.array(e.offsets, dtype=np.int64).reshape(-1, 2)
            if not text.isascii():
                offsets = byte_offsets(text)[offsets]
            tally.items += len(e.ids)
            tally.check(mine[:, 0].tolist() == e.ids and np.array_equal(mine[:, 1:], offsets),
                        text, mine.tolist(), e.ids, offsets.tolist())


def vocabularies(data):
    for path in sorted(glob.glob(data + "/tokenizers/*/tokenizer*.json")):
        model = json.load(open(path)).get("model", {})
        if model.get("type", "Unigram") == "Unigram" and isinstance(model.get("vocab"), list):
            yield os.path.basename(os.path.dirname(path)) + "/" + os.path.basename(path), model


def test_unigram(probe, maker, real, data, count):
    bad, r = 0, maker.r
    for name, model in (vocabularies(data) if data else ()):
        tally = Tally("unigram " + name[:24])
        vocab = [(p, s) for p, s in model["vocab"]]
        fallback = bool(model.get("byte_fallback"))
        tally.check(load_unigram(probe, vocab, model["unk_id"], fallback)[0] == 0)
        oracle = Tokenizer(models.Unigram(vocab, model["unk_id"], fallback))
        compare_tokens(tally, probe, oracle, [t.replace(" ", "\u2581") for t in maker.texts(count) + real])
        pieces = [p for p, _ in vocab]
        compare_tokens(tally, probe, oracle, ["".join(r.choice(pieces) for _ in range(r.randrange(1, 8))) for _ in range(count)])
        bad += tally.report()
    tally = Tally("unigram made up")
    for _ in range(max(count // 500, 20)):
        letters = r.choice(["ab", "abc", "abé\u4e00", "ab\U0001f600"])
        pieces = {"".join(r.choice(letters) for _ in range(r.randrange(1, 6))) for _ in range(r.randrange(1, 40))}
        vocab = [(p, r.choice([-1.0, -2.0, -0.5, 0.0, -3.25, r.uniform(-10, 0)])) for p in sorted(pieces)]
        if r.random() < 0.5:
            some = r.sample(range(256), 200) if r.random() < 0.5 else range(256)
            vocab += [("<0x%02X>" % c, 0.0) for c in some]
        r.shuffle(vocab)
        if r.random() < 0.3:
            vocab.append(vocab[0])
        unk_id = r.choice([None, r.randrange(len(vocab))])
        fallback = r.random() < 0.5
        if unk_id is not None:
            vocab[unk_id] = (r.choice(["<unk>", vocab[unk_id][0]]), vocab[unk_id][1])
        tally.check(load_unigram(probe, vocab, unk_id, fallback)[0] == 0)
        oracle = Tokenizer(models.Unigram(vocab, unk_id, fallback))
        texts = ["".join(r.choice(letters + "xé\u4e00<unk>") for _ in range(r.randrange(1, 20))) for _ in range(500)]
        compare_tokens(tally, probe, oracle, texts + ["<unk>", "a<unk>x"])
    return bad + tally.report()


# ---- .model files -----------------------------------------------------------------------------------------------------

def test_sentencepiece(probe, data):
    try:
        import sentencepiece as spm
    except ImportError:
        print("sentencepiece files: the sentencepiece package is not there; not compared")
        return 0
    tally = Tally("sentencepiece files")
    for path in sorted(glob.glob(data + "/tokenizers/*/*.model")) if data else ():
        blob = open(path, "rb").read()
        sp = spm.SentencePieceProcessor(model_proto=blob)

        def answer():
            status = probe.status()
            if status[0] < 0:
                return status
            pieces = []
            for _ in range(probe.number()):
                kind = probe.number()
                score = struct.unpack("<f", probe.read(4))[0]
                pieces.append((probe.read(probe.number()).decode(), score, kind))
            numbers = struct.unpack("<10q", probe.read(80))
            return pieces, numbers, probe.read(probe.number()), probe.read(probe.number())
        out = probe.run([("S", blob)], answer)[0]
        if len(out) == 2:
            tally.check(False, path, out)
            continue
        pieces, numbers, name, charsmap = out
        kind = lambda i: 2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 5 if sp.is_unused(i) else 6 if sp.is_byte(i) else 0
        tally.items += len(pieces)
        tally.check(len(pieces) == sp.get_piece_size(), path)
        tally.check(all(p == sp.id_to_piece(i) and s == sp.get_score(i) and (k == kind(i) or kind(i) == 0 and k in (1, 4))
                        for i, (p, s, k) in enumerate(pieces)), path)
        tally.check(tuple(numbers[1:5]) == (sp.unk_id(), sp.bos_id(), sp.eos_id(), sp.pad_id()), path, numbers)
        print("    %s: %d pieces, type %d, normalizer %s, charsmap %d bytes" % (
            path.split("/")[-2], len(pieces), numbers[0], name.decode(), len(charsmap)))
    return tally.report()


# ---- speed -----------------------------------------------------------------------------------------------------------

def test_speed(probe, real, data):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    text = "".join(real)[:4_000_000]
    english = "".join(t for t in real if t.isascii())[:4_000_000]
    timed = lambda letter, t: probe.run([(letter, t.encode())], lambda: struct.unpack("<dq", probe.read(16)))[0][0]
    for name in ("gpt2", "cl100k", "qwen2", "o200k", "clip", "deepseek"):
        probe.load("R", PATTERNS[name].encode())
        split, lines = pre_tokenizers.Split(Regex(PATTERNS[name]), "isolated"), english[:400_000]
        start = time.time()
        split.pre_tokenize_str(lines)
        theirs = time.time() - start
        print("regex %-10s ours %7.1f MB/s on ASCII, %7.1f on all texts; reference (Python, with its strings) %5.1f" % (
            name, len(english) / timed("m", english) / 1e6, len(text.encode()) / timed("m", text) / 1e6, len(lines) / theirs / 1e6))
    hostile = {"(a+)+b|a": "a" * 1_000_000, "a*b|a": "a" * 1_000_000, "(?:a|aa)+c|a": "a" * 1_000_000,
               "a(?=.*b)": "a" * 1_000_000 + "b", PATTERNS["cl100k"]: " " * 1_000_000, PATTERNS["o200k"]: "A" * 1_000_000}
    for pattern, big in hostile.items():
        probe.load("R", pattern.encode())
        print("regex %-24s on 1 MB made for it: %.2f s" % (pattern[:24], timed("m", big)))
    for name, model in (vocabularies(data) if data else ()):
        vocab = [(p, s) for p, s in model["vocab"]]
        load_unigram(probe, vocab, model["unk_id"], False)
        words = ["\u2581" + w for w in " ".join(t for t in real if t.isascii())[:2_000_000].split()]
        oracle = Tokenizer(models.Unigram(vocab, model["unk_id"], False))
        oracle.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        line = " ".join(words)
        start = time.time()
        oracle.encode(line)
        theirs = time.time() - start
        whole = "".join(words)
        print("unigram %s: ours %.1f MB/s as one word; reference in words %.2f MB/s" % (
            name, len(whole.encode()) / timed("M", whole) / 1e6, len(line.encode()) / theirs / 1e6))
    return 0


# ---- frozen cases ------------------------------------------------------------------------------------------------------

def c_string(data):
    data = data.encode() if isinstance(data, str) else data
    plain = lambda b: 32 <= b < 127 and b not in b'"\\\\?'
    return '"%s"' % "".join(chr(b) if plain(b) else "\\%03o" % b for b in data)


def freeze(path):
    """Cases for the unit tests, of made-up texts: what the reference says of each."""
    maker, out = Maker(99), []
    row = lambda values: "{" + ", ".join(map(str, values)) + "}"
    for name in sorted(PATTERNS):
        expected = matches_of(PATTERNS[name])
        texts = ["It's 42 degrees;  we'LL\r\n\n see, \u00e9t\u00e9 \u4e00\u4e8c 'x"] + maker.texts(5, 30)
        for text in texts:
            spans = (byte_offsets(text)[np.array(expected(text), dtype=int).reshape(-1, 2)]).reshape(-1).tolist()
            out.append("    {%s, %s, %d, %d,\n     %s}," % (c_string(PATTERNS[name]), c_string(text), len(text.encode()),
                                                          len(spans) // 2, row(spans or [0])))
    text = ["static const struct frozen_matches {\n    const char *pattern, *text;\n    size_t size, count, spans[128];\n"
            "} frozen_matches[] = {", *out, "};"]
    entries = {"a": "X", "\u00e9": "e", "ab": "long", "\u1100": "ga", "\uff76": "", "f\u0308": "F", "\r\n": "/", "\u00a9": "(c)"}
    blob, r = charsmap_blob.build(entries), maker.r
    steps = [(i, getattr(normalizers, n)(), 40) for i, n in enumerate(FORMS)] + [(4, normalizers.Precompiled(blob), 60)]
    out = []
    for number, normalizer, count in steps:
        oracle = characters_of(normalizer)
        for _ in range(count):
            t = maker.text(12).replace("\0", "")
            if number == 4:
                t = "b" + "".join(r.choice(list(entries) + ["\u0308", "\u200d", "c", "\u0915\u094d\u0915"]) for _ in range(6))
            want, offsets = normalizer.normalize_str(t), oracle.encode(t).offsets
            if len(want) != len(offsets):
                continue
            starts = byte_offsets(t)[np.array(offsets, dtype=int).reshape(-1, 2)]
            chars = [x for c, (b, e) in zip(want, starts) for x in (ord(c), b, e)]
            out.append("    {%d, %s, %d, %d,\n     %s}," % (number, c_string(t), len(t.encode()), len(want), row(chars or [0])))
    text += ["/* what: a form, or 4: the charsmap */", "static const struct frozen_chars {\n    int what;\n    const char *text;\n"
             "    size_t size, count;\n    uint32_t chars[192]; /* code, first and last byte of each */\n} frozen_chars[] = {", *out, "};"]
    text += ["/* of tools/charsmap_blob.py; units that are not 0x80000000, and where */"]
    units = struct.unpack("<%dI" % (struct.unpack("<I", blob[:4])[0] // 4), blob[4:4 + struct.unpack("<I", blob[:4])[0]])
    text += ["enum { FROZEN_UNITS = %d };" % len(units), "static const uint32_t frozen_units[][2] = {",
             *("    {%d, 0x%X}," % (i, u) for i, u in enumerate(units) if u != 1 << 31), "};",
             "static const char frozen_pool[] = %s;" % c_string(blob[4 + 4 * len(units):])]
    out = []
    for case in range(6):
        vocab = [("<unk>", 0.0), ("a", -1.0), ("b", -1.5), ("ab", -2.5), ("abc", -4.0), ("c", -1.5), ("\u00e9", -3.0),
                 ("\u4e00\u4e8c", -5.0), ("bca", -2.0), ("caa", -2.0), ("cc", -3.0), ("xx", -7.0)]
        fallback = case % 2 == 1
        vocab += [("<0x%02X>" % c, -20.0) for c in range(256)] if fallback else []
        oracle = Tokenizer(models.Unigram(vocab, 0, fallback))
        for _ in range(8):
            t = "".join(r.choice(["a", "b", "c", "ab", "x", "\u00e9", "\u4e00", "\u4e8c", "<unk>", "caab"]) for _ in range(8))
            e = oracle.encode(t)
            at = byte_offsets(t)[np.array(e.offsets)]
            out.append("    {%d, %s, %d,\n     %s}," % (fallback, c_string(t), len(e.ids), row(
                x for i, (b, f) in zip(e.ids, at) for x in (i, b, f))))
    text += ["static const struct { const char *text; double score; } frozen_vocab[] = {",
             *("    {%s, %r}," % (c_string(p), q) for p, q in vocab[:12]), "};",
             "static const struct frozen_tokens {\n    int fallback;\n    const char *text;\n    size_t count, tokens[192];\n"
             "} frozen_tokens[] = {", *out, "};"]
    with open(path, "w") as f:
        f.write("/* Cases of tokenizers %s, written by tests/parity/text_engines.py --freeze: do not edit. */\n"
                "/* clang-format off */\n%s\n" % (tokenizers.__version__, "\n".join(text)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data")
    parser.add_argument("--only", default="regex,patterns,forms,charsmap,unigram,sentencepiece,speed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--freeze", action="store_true", help="write tests/unit/frozen_engines.h instead")
    args = parser.parse_args()
    if args.freeze:
        return freeze(ROOT + "/tests/unit/frozen_engines.h")
    data, only = folder_of_data(args.data), args.only.split(",")
    maker, bad = Maker(args.seed), 0
    scale = 20 if args.quick else 1
    real = real_texts(data, 200_000 // scale) if data else []
    print("tokenizers %s, seed %d, %d real texts" % (tokenizers.__version__, args.seed, len(real)))
    with tempfile.TemporaryDirectory() as folder:
        probe = Probe(folder)
        if "patterns" in only:
            bad += test_patterns(probe, args.seed, 60_000 // scale)
        if "regex" in only:
            bad += test_regex(probe, maker, real, 50_000 // scale)
        if "forms" in only:
            bad += test_forms(probe, maker, real, 300_000 // scale, args.quick)
        if "charsmap" in only:
            bad += test_charsmap(probe, maker, real, data, 400_000 // scale, args.quick)
        if "unigram" in only:
            bad += test_unigram(probe, maker, real, data, 200_000 // scale)
        if "sentencepiece" in only:
            bad += test_sentencepiece(probe, data)
        if "speed" in only:
            bad += test_speed(probe, real, data)
    print("%d differences" % bad)
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
