#!/usr/bin/env python3
"""Every component of tokenizer.json alone and together, and every tokenizer class, against tokenizers and
transformers, live: ids, type ids, word ids, sequence ids and offsets. Uses what tokens.py has.

usage: pipelines.py [--quick] [--data DIR] [--only NAME[,NAME]] [--match REGEX] [--seed N] [--count N]
"""
import argparse
import functools
import json
import os
import random
import re
import subprocess
import sys
import tempfile

import command
import tokens
from tokens import Folders, Probe, Random, Tally, compare, real_lines
import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN2.replace(r"\p{N}| ?", r"\p{N}{1,3}| ?")
GPT4O = ("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")
CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def charsmap(data):
    with open(data + "/tokenizers/t5-small/tokenizer.json", encoding="utf-8") as f:
        return json.load(f)["normalizer"]["precompiled_charsmap"]


def sequence(key, *parts):
    return {"type": "Sequence", key: list(parts)}


def replace(content, **pattern):
    return {"type": "Replace", "pattern": pattern, "content": content}


def split(behavior, invert=False, **pattern):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def metaspace(**more):
    return {"type": "Metaspace", "replacement": "▁", **more}


def byte_level(prefix=False, **more):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, **more}


def normalizer_cases(data):
    plain = ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel"]
    cases = {name: {"type": name} for name in plain}
    for left in (False, True):
        for right in (False, True):
            cases["Strip %d %d" % (left, right)] = {"type": "Strip", "strip_left": left, "strip_right": right}
    cases["Prepend"] = {"type": "Prepend", "prepend": "▁"}
    cases["Prepend 3"] = {"type": "Prepend", "prepend": "é▁x"}
    cases["Precompiled"] = {"type": "Precompiled", "precompiled_charsmap": charsmap(data)}
    cases["Replace space"] = replace("▁", String=" ")
    cases["Replace a"] = replace("", String="a")
    cases["Replace text"] = replace("xyz", String="ab")
    cases["Replace quotes"] = replace('"', String="``")
    cases["Replace odd"] = replace("\\", String="(.*)+?[a]|^$")
    cases["Replace \\s+"] = replace(" ", Regex=r"\s+")
    cases["Replace {2,}"] = replace(" ", Regex=" {2,}")
    cases["Replace deberta"] = replace(" ", Regex=r"\s{2,}|[\n\r\t]")
    cases["Replace letters"] = replace("éé", Regex=r"[a-z]\p{L}?")
    norm = lambda *parts: sequence("normalizers", *parts)
    t = lambda name: {"type": name}
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    cases["CLIP"] = norm(t("NFC"), cases["Replace \\s+"], t("Lowercase"))
    cases["ALBERT"] = norm(cases["Replace quotes"], replace('"', String="''"), t("NFKD"), t("StripAccents"), t("Lowercase"), cases["Precompiled"])
    cases["DeBERTa"] = norm(t("Lowercase"), cases["Replace deberta"], t("NFC"), cases["Strip 0 1"])
    cases["E5"] = norm(cases["Precompiled"], cases["Strip 0 1"], replace("▁", Regex=" {2,}"))
    cases["Llama"] = norm(cases["Prepend"], cases["Replace space"])
    cases["Bert, NFKC"] = norm(t("Lowercase"), bert, t("NFKC"), t("Strip") | {"strip_left": True, "strip_right": True})
    cases["NFKD, Strip, Prepend"] = norm(t("NFKD"), cases["Strip 1 0"], cases["Prepend 3"], norm(t("Nmt"), t("NFC")))
    cases["Precompiled, NFC, NFKD"] = norm(cases["Precompiled"], t("NFC"), t("NFKD"))
    return cases


def pre_tokenizer_cases():
    cases = {name: {"type": name} for name in ["BertPreTokenizer", "Whitespace", "WhitespaceSplit"]}
    cases["none"] = None
    behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
    for b in behaviors:
        cases["Punctuation " + b] = {"type": "Punctuation", "behavior": b}
        for invert in (False, True):
            cases["Split %s %d" % (b, invert)] = split(b, invert, String=" ")
            cases["Split text %s %d" % (b, invert)] = split(b, invert, String="ab")
            cases["Split regex %s %d" % (b, invert)] = split(b, invert, Regex=r"\s+|[aeiou]\w?")
            cases["Split empty %s %d" % (b, invert)] = split(b, invert, Regex=r"a*")
    for name, regex in (("GPT-2", GPT2), ("Qwen2", QWEN2), ("Llama 3", LLAMA3), ("GPT-4o", GPT4O)):
        cases["Split " + name] = split("Isolated", Regex=regex)
    cases["Split CLIP"] = split("Removed", True, Regex=CLIP)
    cases["Punctuation"] = {"type": "Punctuation"}
    for alone in (False, True):
        cases["Digits %d" % alone] = {"type": "Digits", "individual_digits": alone}
    cases["CharDelimiterSplit"] = {"type": "CharDelimiterSplit", "delimiter": "-"}
    cases["FixedLength"] = {"type": "FixedLength", "length": 3}
    cases["UnicodeScripts"] = {"type": "UnicodeScripts"}
    for scheme in ("always", "first", "never"):
        for cut in (False, True):
            cases["Metaspace %s %d" % (scheme, cut)] = metaspace(prepend_scheme=scheme, split=cut)
    cases["Metaspace old"] = metaspace(add_prefix_space=True, str_rep="▁")
    cases["Metaspace a"] = {"type": "Metaspace", "replacement": "a", "prepend_scheme": "always", "split": True}
    for prefix in (False, True):
        for regex in (False, True):
            cases["ByteLevel %d %d" % (prefix, regex)] = byte_level(prefix, use_regex=regex)
    pre = lambda *parts: sequence("pretokenizers", *parts)
    cases["UnicodeScripts, Metaspace"] = pre(cases["UnicodeScripts"], metaspace(prepend_scheme="first"))
    cases["XLM-R"] = pre(cases["WhitespaceSplit"], metaspace(prepend_scheme="always"))
    cases["DeBERTa"] = pre(cases["Punctuation"], metaspace(prepend_scheme="first"))
    cases["Digits, ByteLevel"] = pre(cases["Digits 1"], byte_level(True))
    cases["Qwen2"] = pre(cases["Split Qwen2"], byte_level(False, use_regex=False))
    cases["CLIP"] = pre(cases["Split CLIP"], byte_level(False))
    cases["deep"] = pre(cases["WhitespaceSplit"], pre(cases["Punctuation"], cases["Digits 0"]), metaspace(prepend_scheme="first"), byte_level(True))
    return cases


def alphabet():
    """One token for each byte, so that nothing a component does stays hidden."""
    return {"<0x%02X>" % b: b for b in range(256)}


def bytes_model():
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": True, "ignore_merges": False, "vocab": alphabet(), "merges": []}


def pipeline(model, normalizer=None, pre_tokenizer=None, post_processor=None, added=()):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": list(added), "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": post_processor, "decoder": None, "model": model}


def added_token(content, id, **flags):
    return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": False, **flags}


class Texts(Random):
    """The kinds of tokens.py, and what the other pipelines are about."""

    def __init__(self, seed):
        super().__init__(seed)
        self.kinds += [self.spaces_and_words, self.code, self.compatible, self.clusters, self.marks_of_pieces, self.scripts]

    def spaces_and_words(self):
        return "".join(self.r.choice(["a", "ab", "the", "don't", "I'LL", "'s", "x's ", " ", "  ", "   ", "\n", "\r\n", "\t", "\u00a0", "12", "3",
                                      "٣", "Ⅷ", "²", "é", "e\u0301", "ﬁ", "日本", "ſ", "'ſ", "-", "...", "!", "<s>", "</s>", "<mask>",
                                      "<|endoftext|>", "🤗", "👩\u200d👧"]) for _ in range(self.r.randint(1, 20)))

    def code(self):
        return "".join(self.r.choice(["def ", "f(x)", "\n    ", "return", "==", "0x1F", "1234567", "_id", "  ", "//", "\n\n", "\t", "\"", "'ve", "A",
                                      "bC"]) for _ in range(self.r.randint(1, 16)))

    def compatible(self):
        pool = [chr(c) for c in (*range(0xFF00, 0xFFF0), *range(0x3300, 0x3400), *range(0x2460, 0x2500), 0xFB01, 0xFDFA, 0x2026, 0xBD,
                                 *range(0x1D400, 0x1D440), 0xAD, 0x200B, 0xFEFF, 0x20, 0x61)]
        return self.some(pool, 1, 12)

    def clusters(self):
        return "".join(self.r.choice(["\r\n", "\r", "\n", "가", "ᄀ", "ᅡ", "ᆨ", "🇫", "🇷", "👍🏽", "👩\u200d🚀", "e\u0301", "ｶ\uff9e", "ｶ", "\uff9e",
                                      "क्ष", "\u0600", "a", "\u200d", "ำ", "\u0e33", "é", "ﾊﾟ"]) for _ in range(self.r.randint(1, 10)))

    def scripts(self):
        """Of one block each, or any code point at all: scripts change, and some have none."""
        blocks = [0, 0x80, 0x300, 0x370, 0x400, 0x590, 0x600, 0x900, 0xE00, 0x1100, 0x2000, 0x3000, 0x3080, 0x30C0, 0x30FC, 0x4E00, 0xA490, 0xAC00,
                  0xFF60, 0x10300, 0x12000, 0x16FE0, 0x1B000, 0x1F200, 0x20000, 0xE0100]
        code = lambda: self.r.choice([self.r.choice(blocks) + self.r.randrange(0x60), 0x20, 0x30FC, 0x378, self.r.choice(blocks), self.r.randrange(0xD800),
                                      self.r.randrange(0xE000, 0x110000)])
        return "".join(chr(code()) * self.r.choice([1, 1, 2]) for _ in range(self.r.randint(1, 14)))

    def marks_of_pieces(self):
        return "".join(self.r.choice(["▁", "▁▁", " ", "a", "Ġ", "##", "</w>", "<0x41>", "<unk>", "[UNK]", "é"]) for _ in range(self.r.randint(1, 10)))


def check(tally, folders, name, text, inputs, **more):
    path = folders.new({"tokenizer.json": text, "config.json": {}})
    try:
        reference = Tokenizer.from_file(path + "/tokenizer.json")
    except BaseException as error:
        print("the reference refuses", name, error)
        tally.differences += 1
        return
    probe = Probe(path)
    try:
        compare(tally, probe, reference, inputs, name, **more)
    except RuntimeError as error:
        tally.differences += 1
        print("DIFFERENCE", name, error)
    probe.close()


@functools.lru_cache(maxsize=2)
def made_up(seed, count):
    return tuple(Texts(seed)(count))


def inputs_for(options, count):
    texts = list(made_up(options.seed, count))
    r = random.Random(options.seed)
    return texts + [(r.choice(texts), r.choice(texts)) for _ in range(count // 10)]


def check_normalizers(folders, options):
    failed = 0
    for name, normalizer in normalizer_cases(folders.data).items():
        if not re.search(options.match, name):
            continue
        tally = Tally()
        added = [added_token("</s>", 256, special=True), added_token("ab", 257, normalized=True), added_token("É", 258, normalized=True)]
        inputs = inputs_for(options, options.count)
        for some in ((), added):
            check(tally, folders, name, pipeline(bytes_model(), normalizer, None, None, some), inputs)
        failed += tally.report("normalizer " + name)
    return failed


def check_pre_tokenizers(folders, options):
    failed = 0
    for name, pre_tokenizer in pre_tokenizer_cases().items():
        if not re.search(options.match, name):
            continue
        tally = Tally()
        check(tally, folders, name, pipeline(bytes_model(), None, pre_tokenizer, None, [added_token("</s>", 256, special=True)]),
              inputs_for(options, options.count))
        failed += tally.report("pre-tokenizer " + name)
    return failed


def corpus(data):
    with open(data + "/texts/gutenberg-sentencepiece/botchan.txt", encoding="utf-8") as f:
        return f.read().split("\n")


def trained(data, kind, pre_tokenizer, size=1200, **options):
    """A model trained on a small text, as tokenizer.json has it."""
    model = getattr(models, kind)(**({"unk_token": options["unk_token"]} if kind != "Unigram" and "unk_token" in options else {}))
    t = Tokenizer(model)
    if pre_tokenizer:
        t.pre_tokenizer = pre_tokenizer
    more = {k: v for k, v in options.items() if k in ("continuing_subword_prefix", "end_of_word_suffix", "special_tokens", "initial_alphabet", "unk_token")
            and not (kind == "BPE" and k == "unk_token") and not (kind == "WordLevel" and k == "unk_token")}
    trainer = getattr(trainers, {"BPE": "BpeTrainer", "WordLevel": "WordLevelTrainer", "Unigram": "UnigramTrainer", "WordPiece": "WordPieceTrainer"}[kind])(
        vocab_size=size, show_progress=False, **more)
    t.train_from_iterator(corpus(data)[:3000], trainer)
    return json.loads(t.to_str())["model"]


def model_cases(data):
    white, level = pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe = trained(data, "BPE", white, special_tokens=["<unk>"])
    byte = trained(data, "BPE", level, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    fixed = {"type": "Whitespace"}
    cases = {"BPE": (bpe, fixed)}
    cases["BPE unk"] = ({**bpe, "unk_token": "<unk>"}, fixed)
    cases["BPE fuse_unk"] = ({**bpe, "unk_token": "<unk>", "fuse_unk": True}, fixed)
    cases["BPE unk missing"] = ({**bpe, "unk_token": "<nothing>"}, fixed)
    with_bytes = {**bpe, "vocab": {**bpe["vocab"], **{k: len(bpe["vocab"]) + i for i, k in enumerate(alphabet())}}}
    cases["BPE byte_fallback"] = ({**with_bytes, "byte_fallback": True}, fixed)
    some_bytes = {**with_bytes, "vocab": {k: v for k, v in with_bytes["vocab"].items() if k not in ("<0xE2>", "<0xF0>")}}
    cases["BPE some bytes"] = ({**some_bytes, "byte_fallback": True, "unk_token": "<unk>", "fuse_unk": True}, fixed)
    cases["BPE some bytes, no unk"] = ({**some_bytes, "byte_fallback": True}, fixed)
    cases["BPE ignore_merges"] = ({**bpe, "ignore_merges": True, "merges": bpe["merges"][:300]}, fixed)
    cases["BPE whole text"] = ({**with_bytes, "byte_fallback": True, "unk_token": "<unk>", "fuse_unk": True}, None)
    cases["BPE byte level"] = (byte, byte_level(False))
    cases["BPE byte level, prefix space"] = (byte, byte_level(True))
    cases["BPE merges as strings"] = ({**byte, "merges": [" ".join(m) for m in byte["merges"]]}, byte_level(False))
    untyped = {k: v for k, v in byte.items() if k != "type"}
    cases["BPE without type"] = (untyped, byte_level(False))
    prefixed = trained(data, "BPE", white, continuing_subword_prefix="##", special_tokens=["<unk>"])
    cases["BPE prefix"] = ({**prefixed, "unk_token": "<unk>"}, fixed)
    suffixed = trained(data, "BPE", white, end_of_word_suffix="</w>", special_tokens=["<unk>"])
    cases["BPE suffix"] = ({**suffixed, "unk_token": "<unk>"}, fixed)
    both = trained(data, "BPE", white, end_of_word_suffix="</w>", continuing_subword_prefix="é", special_tokens=["<unk>"])
    cases["BPE prefix and suffix"] = ({**both, "unk_token": "<unk>"}, fixed)
    wide = trained(data, "BPE", white, end_of_word_suffix="</w>", size=4000)
    cases["BPE suffix, byte level"] = (trained(data, "BPE", level, end_of_word_suffix="</w>", initial_alphabet=pre_tokenizers.ByteLevel.alphabet()), byte_level(False))
    cases["BPE suffix, no unk"] = (wide, fixed)
    words = trained(data, "WordLevel", white, special_tokens=["<unk>"], unk_token="<unk>")
    cases["WordLevel"] = (words, fixed)
    cases["WordLevel no unk"] = ({**words, "unk_token": "<nothing>"}, fixed)
    piece = trained(data, "WordPiece", white, special_tokens=["[UNK]"], unk_token="[UNK]")
    cases["WordPiece"] = (piece, fixed)
    cases["WordPiece, no pre-tokenizer"] = ({**piece, "max_input_chars_per_word": 40}, None)
    cases["WordPiece, no prefix"] = ({**piece, "continuing_subword_prefix": ""}, fixed)
    meta = pre_tokenizers.Metaspace()
    unigram = trained(data, "Unigram", meta, special_tokens=["<unk>"], unk_token="<unk>")
    cases["Unigram"] = (unigram, metaspace())
    cases["Unigram no unk"] = ({**unigram, "unk_id": None}, metaspace())
    cases["Unigram whole text"] = (unigram, None)
    fallback = {**unigram, "byte_fallback": True, "vocab": unigram["vocab"] + [[k, 0.0] for k in alphabet()]}
    cases["Unigram byte_fallback"] = (fallback, metaspace())
    cases["Unigram some bytes"] = ({**fallback, "vocab": [v for v in fallback["vocab"] if v[0] not in ("<0xE2>", "<0xF0>")]}, metaspace())
    return cases


def check_models(folders, options):
    failed = 0
    text = corpus(folders.data)
    for name, (model, pre_tokenizer) in model_cases(folders.data).items():
        if not re.search(options.match, name):
            continue
        tally = Tally()
        check(tally, folders, name, pipeline(model, None, pre_tokenizer), inputs_for(options, options.count) + text[: options.count])
        failed += tally.report("model " + name)
    return failed


def template(single, pair, ids):
    def piece(p):
        name, _, kind = p.partition(":")
        kind = int(kind or 0)
        return {"Sequence": {"id": name[1], "type_id": kind}} if name[0] == "$" else {"SpecialToken": {"id": name, "type_id": kind}}
    return {"type": "TemplateProcessing", "single": [piece(p) for p in single.split()], "pair": [piece(p) for p in pair.split()],
            "special_tokens": {k: {"id": k, "ids": v, "tokens": [k] * len(v)} for k, v in ids.items()}}


def post_processor_cases():
    ids = {"<s>": [1], "</s>": [2], "<three>": [3, 4, 5]}
    t = template("<s> $A </s>", "<s> $A </s> </s> $B:1 </s>:1", ids)
    cases = {"none": None, "Bert": {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]}, "Template": t,
             "Template odd": template("$A:3 <three>:2", "$B:1 <three>:7 $A:5", ids)}
    for trim in (False, True):
        for space in (False, True):
            roberta = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1], "trim_offsets": trim, "add_prefix_space": space}
            level = {"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": trim}
            cases["Roberta %d %d" % (trim, space)] = roberta
            cases["ByteLevel %d %d" % (trim, space)] = level
            cases["ByteLevel, Template %d %d" % (trim, space)] = sequence("processors", level, t)
    return cases


def check_post_processors(folders, options):
    failed = 0
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte = trained(folders.data, "BPE", level, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    fallback = {**trained(folders.data, "Unigram", None, special_tokens=["<unk>"], unk_token="<unk>")}
    added = [added_token("<mask>", 1200, lstrip=True, special=True), added_token("ab", 1201, rstrip=True, normalized=True)]
    for name, post in post_processor_cases().items():
        if not re.search(options.match, name):
            continue
        tally = Tally()
        inputs = inputs_for(options, options.count)
        for model, pre, norm in ((byte, byte_level(False), None), (byte, byte_level(True), {"type": "NFKC"}), (fallback, None, None)):
            text = pipeline(model, norm, pre, post, added)
            check(tally, folders, name, text, inputs)
            check(tally, folders, name, text, inputs[: options.count // 4], flags=tokens.NO_SPECIAL)
        failed += tally.report("post-processor " + name)
        failed += check_cut(folders, name, pipeline(byte, None, byte_level(True), post, added), inputs[-options.count // 4:])
    return failed


def check_cut(folders, name, text, inputs):
    """Truncation, whose first token may trim otherwise."""
    tally = Tally()
    path = folders.new({"tokenizer.json": text, "config.json": {}})
    reference, probe = Tokenizer.from_file(path + "/tokenizer.json"), Probe(path)
    for length in (5, 6, 9, 12):
        for left in (False, True):
            for s, strategy in enumerate(tokens.STRATEGIES):
                reference.enable_truncation(length, strategy=strategy, direction="left" if left else "right")
                some = [x for x in inputs if strategy == "longest_first" or isinstance(x, tuple)]
                compare(tally, probe, reference, some, name + " cut", tokens.LEFT if left else 0, length, s)
    probe.close()
    return tally.report("truncation " + name)


# ---- real tokenizers -----------------------------------------------------------------------------------------

REAL = {"gpt2": {"config.json": {"model_type": "gpt2"}}, "roberta-base": {"config.json": {"model_type": "roberta"}},
        "clip": {"config.json": {"model_type": "clip"}}, "qwen2-stella_en_1.5B_v5": {"tokenizer_config.json": None},
        "t5-small": {}, "xlm-roberta-base": {}}
FILES = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "vocab.json", "merges.txt", "added_tokens.json",
         "spiece.model", "config.json"]


def read(data, name, *files):
    out = {}
    for f in files or FILES:
        path = os.path.join(data, "tokenizers", name, f)
        if os.path.exists(path):
            with open(path, "rb") as handle:
                out[f] = handle.read()
    return out


def real_directories(data):
    """name -> files of a directory that AutoTokenizer opens."""
    model = lambda kind: {"config.json": {"model_type": kind}}
    xlmr = {"tokenizer.json": read(data, "xlm-roberta-base", "tokenizer.reconstructed.json")["tokenizer.reconstructed.json"]}
    e5 = {"tokenizer.json": read(data, "xlm-roberta-base", "tokenizer.reconstructed.e5-style.json")["tokenizer.reconstructed.e5-style.json"]}
    fast = {"tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}, "config.json": {}}
    gpt2, roberta, clip = read(data, "gpt2"), read(data, "roberta-base"), read(data, "clip")
    bare = lambda files: {k: v for k, v in files.items() if k != "tokenizer.json"}
    qwen = read(data, "qwen2-stella_en_1.5B_v5")
    config = json.loads(qwen["tokenizer_config.json"])
    config.pop("auto_map")
    qwen["tokenizer_config.json"], qwen["config.json"] = config, {"model_type": "qwen2"}
    more = lambda files, **keys: {**files, "tokenizer_config.json": {**json.loads(files.get("tokenizer_config.json", b"{}")), **keys}}
    older = json.loads(xlmr["tokenizer.json"])  # as converted before 2022: runs of spaces become one
    older["normalizer"] = sequence("normalizers", older["normalizer"], replace(" ", Regex=" {2,}"))
    older["pre_tokenizer"] = metaspace(add_prefix_space=True)
    return {
        "xlm-roberta, older file": {"tokenizer.json": older, **fast},
        "gpt2": {**gpt2, **model("gpt2")}, "gpt2 as it stands": {**gpt2, **fast}, "gpt2 vocab.json": {**bare(gpt2), **model("gpt2")},
        "gpt2 prefix space": {**more(gpt2, add_prefix_space=True), **model("gpt2")},
        "gpt2 vocab.json eos": {**more(bare(gpt2), add_eos_token=True, add_bos_token=True), **model("gpt2")},
        "roberta": {**roberta, **model("roberta")}, "roberta as it stands": {**roberta, **fast},
        "roberta vocab.json": {**bare(roberta), **model("roberta")},
        "roberta prefix space": {**more(roberta, add_prefix_space=True), **model("roberta")},
        "roberta untrimmed": {**more(roberta, trim_offsets=False), **model("roberta")},
        "clip": {**clip, **model("clip")}, "clip as it stands": {**clip, **fast},
        "qwen2 vocab.json": qwen,
        "xlm-roberta": {**xlmr, **model("xlm-roberta")}, "xlm-roberta as it stands": {**xlmr, **fast},
        "e5": {**e5, **model("xlm-roberta")}, "e5 as it stands": {**e5, **fast},
        "xlm-roberta no prefix": {**xlmr, **model("xlm-roberta"), "tokenizer_config.json": {"add_prefix_space": False}},
        "camembert": {**xlmr, **model("camembert")},
        "t5 as it stands": {**read(data, "t5-small", "tokenizer.json"), **fast},
        **spm_directories(data),
        **made_directories(data),
        "mpnet": {"vocab.txt": read(data, "bert-base-uncased", "vocab.txt")["vocab.txt"] + b"<s>\n</s>\n<pad>\n<mask>\n", **model("mpnet")},
    }


def spm_directories(data):
    """Directories whose vocabulary is a SentencePiece file; the reference needs the sentencepiece package."""
    try:
        import google.protobuf  # noqa: F401
        import sentencepiece  # noqa: F401
    except ImportError:
        print("no sentencepiece or protobuf package: no .model files")
        return {}
    made = {"config.json": {}}
    small = read(data, "sentencepiece-testdata", "test_model.model")["test_model.model"]
    japanese = read(data, "sentencepiece-testdata", "test_ja_model.model")["test_ja_model.model"]
    t5 = read(data, "t5-small", "spiece.model")["spiece.model"]
    xlnet = read(data, "xlnet", "spiece.model")["spiece.model"]
    out = {"t5": {**read(data, "t5-small", "tokenizer.json", "tokenizer_config.json"), "config.json": {"model_type": "t5"}},
           "t5 .model": {"spiece.model": t5, "config.json": {"model_type": "t5"}},
           "t5 .model and config": {**read(data, "t5-small", "spiece.model", "tokenizer_config.json"), "config.json": {"model_type": "t5"}},
           "xlnet .model": {"spiece.model": xlnet, "config.json": {"model_type": "xlnet"}},
           "xlnet .model lower": {"spiece.model": xlnet, "config.json": {"model_type": "xlnet"}, "tokenizer_config.json": {"do_lower_case": True}}}
    for kind, name in (("xlm-roberta", "sentencepiece.bpe.model"), ("camembert", "sentencepiece.bpe.model"), ("albert", "spiece.model"),
                       ("deberta-v2", "spm.model")):  # ALBERT's needs [CLS] and [SEP] in it, which these have not
        for which, model in (("test_model", small), ("test_ja_model", japanese), ("t5's", t5)):
            out["%s .model %s" % (kind, which)] = {**made, name: model, "config.json": {"model_type": kind}}
    albert = trained_spm(data, model_type="unigram", pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]"],
                         user_defined_symbols=["[MASK]"], normalization_rule_name="nmt_nfkc")
    out["albert .model"] = {**made, "spiece.model": albert, "config.json": {"model_type": "albert"}}
    return {**out, **bpe_models(data)}


GEMMA = {"normalization_rule_name": "identity", "add_dummy_prefix": False, "remove_extra_whitespaces": False, "pad_id": 0, "eos_id": 1,
         "bos_id": 2, "unk_id": 3, "bos_piece": "<bos>", "eos_piece": "<eos>", "split_digits": True,
         "user_defined_symbols": ["<mask>", "<start_of_turn>", "\n", "  ", "\u2581\u2581\u2581", "Zz", "the"]}
LLAMA = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "allow_whitespace_only_pieces": True}


def trained_spm(data, **options):
    """A .model file as the sentencepiece package trains one: BPE, unless options have a model_type."""
    import io
    import sentencepiece
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus(data)), model_writer=out, vocab_size=1000, character_coverage=0.999,
                                             num_threads=1, minloglevel=2, **{"model_type": "bpe", **options})
    return out.getvalue()


def bpe_models(data):
    """Directories with a tokenizer.model alone, for each class that takes one."""
    files = {"gemma's": trained_spm(data, byte_fallback=True, **GEMMA), "llama's": trained_spm(data, byte_fallback=True, **LLAMA),
             "plain": trained_spm(data, user_defined_symbols=["<x>"])}
    directory = lambda which, kind, **config: {"tokenizer.model": files[which], "config.json": {"model_type": kind}, "tokenizer_config.json": config}
    llama = {"tokenizer_class": "LlamaTokenizer"}
    out = {"%s .model %s" % (kind, which): directory(which, kind) for kind in ("gemma3_text", "siglip2") for which in files}
    out.update({"llama .model %s" % which: directory(which, "bert", **llama) for which in files})
    bare = {"tokenizer_class": "PreTrainedTokenizerFast"}
    files["unigram"] = read(data, "sentencepiece-testdata", "test_model.model")["test_model.model"]
    files["t5's"] = read(data, "t5-small", "spiece.model")["spiece.model"]
    out.update({"bare .model %s" % which: directory(which, "", **bare) for which in files})
    out.update({"bare .model %s, ends" % which: directory(which, "", add_bos_token=True, add_eos_token=True, unk_token="<none>", **bare)
                for which in ("gemma's", "unigram")})
    return {**out, "mistral .model": directory("llama's", "mistral"), "llama .model, ends": directory("llama's", "", add_bos_token=True, add_eos_token=True, **llama),
            "llama .model, legacy": directory("llama's", "", legacy=True, **llama),
            "llama .model, no prefix": directory("gemma's", "", add_prefix_space=False, **llama),
            "gemma .model, config": directory("gemma's", "gemma2", add_bos_token=True, unk_token="<none>", extra_special_tokens=["Q"]),
            "siglip2 .model, config": directory("gemma's", "siglip2", tokenizer_class="GemmaTokenizer", add_eos_token=True,
                                                added_tokens_decoder={"1000": added_token("Hello", 1000, normalized=True),
                                                                      "1001": added_token("World", 1001, normalized=False)})}


def made_directories(data):
    """Small vocabularies for the classes whose real ones are not at hand."""
    model = lambda kind, **more: {"config.json": {"model_type": kind}, "tokenizer_config.json": more}
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    unigram = trained(data, "Unigram", pre_tokenizers.Metaspace(), special_tokens=["<unk>"], unk_token="<unk>")["vocab"][1:]
    pieces = lambda *names: {"type": "Unigram", "unk_id": 1, "vocab": [[n, 0.0] for n in names] + unigram}
    albert = pipeline(pieces("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"), sequence("normalizers", {"type": "Precompiled", "precompiled_charsmap": charsmap(data)}),
                      metaspace(), {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
                      [added_token("[CLS]", 2, special=True), added_token("[SEP]", 3, special=True), added_token("[MASK]", 4, special=True, lstrip=True)])
    deberta = pipeline(pieces("[PAD]", "[CLS]", "[SEP]", "[UNK]"), None, metaspace(), None, [added_token("[MASK]", 1300, special=True, normalized=True, lstrip=True)])
    bpe = trained(data, "BPE", pre_tokenizers.Metaspace(), special_tokens=["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *alphabet()], size=2000)
    gemma = pipeline({**bpe, "byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>"}, replace("▁", String=" "), None,
                     template("<bos> $A <eos>", "<bos> $A <eos> <bos>:1 $B:1 <eos>:1", {"<bos>": [2], "<eos>": [1]}),
                     [added_token(t, i, special=True) for i, t in enumerate(["<pad>", "<eos>", "<bos>", "<unk>"])] + [added_token("\n\n", 2000)])
    byte = trained(data, "BPE", level, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    qwen = pipeline(byte, {"type": "NFC"}, byte_level(False), template("$A <|endoftext|>", "$A <|endoftext|> $B:1 <|endoftext|>:1", {"<|endoftext|>": [0]}),
                    [added_token("<|endoftext|>", 0, special=True), added_token("<think>", 1200, normalized=False)])
    words = trained(data, "WordPiece", pre_tokenizers.Whitespace(), special_tokens=["<s>", "<pad>", "</s>", "[UNK]", "<mask>"], unk_token="[UNK]")
    mpnet = pipeline(words, {"type": "Lowercase"}, {"type": "Whitespace"}, None, [added_token("<mask>", 4, special=True, lstrip=True, normalized=True)])
    bert, gpt2, roberta = read(data, "bert-base-uncased", "vocab.txt"), read(data, "gpt2", "tokenizer.json"), read(data, "roberta-base", "tokenizer.json")
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    herbert = pipeline(trained(data, "BPE", pre_tokenizers.Whitespace(), end_of_word_suffix="</w>", special_tokens=specials, size=2000), None,
                       {"type": "Whitespace"}, None, [added_token(t, i, special=True) for i, t in enumerate(specials)])
    named = lambda name, kind, files, **more: {**files, **model(kind, tokenizer_class=name, **more)}
    return {
        "herbert made": {"tokenizer.json": herbert, **model("bert", tokenizer_class="HerbertTokenizerFast")},
        "herbert made, other ends": {"tokenizer.json": herbert, **model("bert", tokenizer_class="HerbertTokenizer", cls_token="a", sep_token="b")},
        "dpr": named("DPRContextEncoderTokenizer", "bert", bert), "dpr, strip": named("DPRQuestionEncoderTokenizer", "bert", bert, strip_accents=True),
        "longformer": named("LongformerTokenizerFast", "roberta", roberta), "bart": named("BartTokenizer", "roberta", roberta, add_prefix_space=True),
        "qwen2, another class": named("GPT2Tokenizer", "qwen2", gpt2), "qwen2, no class": named("PreTrainedTokenizerFast", "qwen2", gpt2),
        "albert made": {"tokenizer.json": albert, **model("albert")}, "albert made, accents": {"tokenizer.json": albert, **model("albert", keep_accents=True, do_lower_case=False)},
        "albert made, no post-processor": {"tokenizer.json": {**albert, "post_processor": None}, **model("albert")},
        "deberta made": {"tokenizer.json": deberta, **model("deberta-v2")},
        "deberta made, other": {"tokenizer.json": deberta, **model("deberta-v2", do_lower_case=True, split_by_punct=True, add_prefix_space=False)},
        "gemma made": {"tokenizer.json": gemma, **model("gemma3_text")}, "gemma made, no post-processor": {"tokenizer.json": {**gemma, "post_processor": None}, **model("gemma3_text")},
        "siglip2 made": {"tokenizer.json": gemma, **model("siglip2", tokenizer_class="GemmaTokenizer")},
        "siglip2 made, no class": {"tokenizer.json": {**gemma, "post_processor": None}, **model("siglip2", add_eos_token=True)},
        "llama made": {"tokenizer.json": gemma, **model("bert", tokenizer_class="LlamaTokenizerFast", add_bos_token=True)},
        "llama made, legacy": {"tokenizer.json": gemma, **model("", tokenizer_class="LlamaTokenizer", legacy=True, unk_token="<none>")},
        "llama made, bytes": {"tokenizer.json": qwen, **model("bert", tokenizer_class="LlamaTokenizer")},
        "mistral made": {"tokenizer.json": gemma, **model("mistral", tokenizer_class="LlamaTokenizer")},
        "modernbert made": {"tokenizer.json": mpnet, **model("modernbert", tokenizer_class="BertTokenizer")},
        "qwen made": {"tokenizer.json": qwen, **model("qwen3")}, "qwen made, pad": {"tokenizer.json": qwen, **model("qwen3", pad_token="<pad>", add_prefix_space=True)},
        "mpnet made": {"tokenizer.json": mpnet, **model("mpnet")},
        "mpnet made, cased": {"tokenizer.json": mpnet, **model("mpnet", do_lower_case=False, mask_token="<m>", tokenize_chinese_chars=False)},
    }


def check_real(folders, options):
    failed = 0
    lines, _ = real_lines(folders.data)
    lines = lines[:: max(1, len(lines) // options.lines)]
    for name, files in real_directories(folders.data).items():
        if not re.search(options.match, name):
            continue
        tally = Tally()
        path = folders.new(files)
        try:
            backend = AutoTokenizer.from_pretrained(path).backend_tokenizer
        except Exception as error:
            both = subprocess.call([Probe.program, path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 1
            print("both refuse" if both else "DIFFERENCE: the reference alone refuses", name, repr(error)[:200])
            failed += not both
            continue
        backend.no_truncation()
        backend.no_padding()
        probe = Probe(path)
        try:
            compare(tally, probe, backend, lines, name)
            compare(tally, probe, backend, inputs_for(options, options.count), name)
        except RuntimeError as error:
            tally.differences += 1
            print("DIFFERENCE", name, error)
        probe.close()
        failed += tally.report("real " + name)
    return failed


# Published ids whose vocabulary is at hand, under the class that AutoTokenizer gives it.
PUBLISHED = {"gpt2": ["Xenova/gpt2", "openai-community/gpt2"], "roberta": ["Xenova/all-distilroberta-v1"],
             "clip": ["Xenova/clip-vit-base-patch16"], "t5 as it stands": ["Xenova/t5-small", "google-t5/t5-small"],
             "qwen2 vocab.json": ["Xenova/Qwen1.5-0.5B-Chat"],
             "xlm-roberta as it stands": ["Xenova/paraphrase-multilingual-mpnet-base-v2",
                                          "Xenova/paraphrase-multilingual-MiniLM-L12-v2"],
             "xlm-roberta, older file": ["Xenova/bge-reranker-base"],
             "e5 as it stands": ["Xenova/multilingual-e5-small"]}
# The same of BERT's, by folder.
PUBLISHED_BERT = {
    "bert-base-uncased": ["Xenova/bert-base-uncased", "Xenova/distilbert-base-uncased-finetuned-sst-2-english"],
    "bert-base-cased": ["Xenova/bert-base-cased", "google-bert/bert-base-cased",
                        "Xenova/distilbert-base-cased-distilled-squad"],
    "bert-base-multilingual-cased": ["Xenova/bert-base-multilingual-cased-ner-hrl",
                                     "distilbert/distilbert-base-multilingual-cased",
                                     "Xenova/distiluse-base-multilingual-cased-v2"],
    "bge-small-zh-v1.5": ["Xenova/bge-small-zh-v1.5"], "bge-small-zh-v1.5, by its class": ["Xenova/bge-base-zh-v1.5"]}
SWIFT = {"gpt2": "gpt2_encoded_tokens", "t5 as it stands": "t5_base_encoded", "bert-base-uncased": "bert_uncased_encoded",
         "bert-base-multilingual-cased": "distilbert_cased_encoded"}


def check_goldens(folders, options):
    """Token ids published by transformers.js and swift-transformers; special tokens may be left out there."""
    goldens, directories, failed = folders.data + "/goldens/", real_directories(folders.data), 0
    with open(goldens + "transformers.js/tokenization_cases.json", encoding="utf-8") as f:
        published = json.load(f)
    left_out = {s: sum("ids" in c for c in v["cases"].values()) for s, v in published.items()}
    for name, sources in {**PUBLISHED, **PUBLISHED_BERT}.items():
        left_out = {s: n for s, n in left_out.items() if s not in sources}
        cases = [(c["text"], c.get("text_pair"), c["ids"]) for s in sources for c in published[s]["cases"].values() if "ids" in c]
        if name in SWIFT:
            with open("%sswift-transformers/Resources/%s.json" % (goldens, SWIFT[name]), encoding="utf-8") as f:
                swift = json.load(f)
            cases.append((swift["text"], None, swift["token_ids"]))
        path = folders.new(directories[name]) if name in directories else folders.real(
            name.split(", ")[0], **tokens.MORE.get(name, {}))
        failed += published_ids(path, name, cases)
    print("published, but their vocabularies are not at hand (%d cases): %s" % (
        sum(left_out.values()), ", ".join("%s %d" % item for item in left_out.items())))
    path = folders.real("bert-base-uncased")
    with open(goldens + "swift-transformers/Resources/question_tokens.json", encoding="utf-8") as f:
        questions = [q["original"] for q in json.load(f)]
    with open(goldens + "swift-transformers/Resources/tokenized_questions.json", encoding="utf-8") as f:
        return failed + published_ids(path, "bert, questions", [(q, None, ids) for q, ids in zip(questions, json.load(f))])


def published_ids(path, name, cases):
    probe, tally = Probe(path), Tally()
    variants = [probe.encode([t if p is None else (t, p) for t, p, _ in cases], flags) for flags in (0, tokens.NO_SPECIAL)]
    for (text, _, ids), *mine in zip(cases, *variants):
        tally.texts += 1
        tally.tokens += len(ids)
        got = [m[0].tolist() for m in mine]
        if ids not in got:
            tally.differences += 1
            if tally.differences < 6:
                print("DIFFERENCE", name, ascii(text)[:200], "ours", got[0][:40], "published", ids[:40])
    probe.close()
    return tally.report("published " + name)


CHECKS = {"goldens": check_goldens, "normalizers": check_normalizers, "pre_tokenizers": check_pre_tokenizers, "models": check_models,
          "post_processors": check_post_processors, "real": check_real}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a sample of everything")
    parser.add_argument("--data", default=os.path.join(tokens.ROOT, "..", "shared", "data"))
    parser.add_argument("--only", default=",".join(CHECKS))
    parser.add_argument("--match", default="", help="a regular expression: cases in whose name it is found")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--count", type=int, default=20000, help="random texts for each case")
    parser.add_argument("--lines", type=int, default=200000, help="lines of real text")
    parser.add_argument("--probe", help="a probe that is built already")
    parser.add_argument("--compiled", action="store_true", help="from vocabularies stored as tables")
    options = parser.parse_args()
    if options.quick:
        options.count, options.lines = 1700, 5000
    print("tokenizers %s, Python %s" % (tokenizers.__version__, sys.version.split()[0]))
    failed, Probe.compiled = 0, options.compiled
    with tempfile.TemporaryDirectory() as folder:
        Probe.program = options.probe or command.build_probe("tokens_probe", folder)
        for name in options.only.split(","):
            failed += CHECKS[name](Folders(tempfile.mkdtemp(dir=folder), os.path.abspath(options.data)), options)
    print("%d differences" % failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
