#!/usr/bin/env python3
"""Sweeps the installed Hugging Face tokenizers over every code point and writes lib/text/unicode_tables.c.

What BERT tokenizers do depends on Unicode data of several versions at once (categories of Unicode 8,
normalisation of 9, lower-casing of the Rust compiler's). So nothing is taken from a Unicode file: each
property is asked of the library itself, through the component that uses it.

usage: gen_unicode.py [-o lib/text/unicode_tables.c]
"""
import argparse
import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
FLAGS = ["SPACE", "CONTROL", "PUNCTUATION", "CJK", "MARK", "WORD", "LOWER", "DECOMPOSES"]
HANGUL = range(0xAC00, 0xD7A4)
BLOCK = 128


def bert(**flags):
    every = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**every, **flags}).normalize_str


def sweep_pre_tokenizer():
    """White space is dropped between words, punctuation stands alone."""
    space, punctuation = set(), set()
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    for c in CODE_POINTS:
        words = [word for word, _ in split("a" + chr(c) + "a")]
        if words == ["a", "a"]:
            space.add(c)
        elif len(words) == 3:
            punctuation.add(c)
        else:
            assert words == ["a" + chr(c) + "a"]
    return space, punctuation


def sweep_clean(space):
    control = set()
    clean = bert(clean_text=True)
    for c in CODE_POINTS:
        out = clean("a" + chr(c) + "a")
        if out == "aa":
            control.add(c)
        else:
            assert out == ("a a" if c in space else "a" + chr(c) + "a"), hex(c)
    return control


def sweep_cjk():
    spaced = bert(handle_chinese_chars=True)
    return {c for c in CODE_POINTS if spaced(chr(c)) == " " + chr(c) + " "}


def sweep_lower():
    lower, bert_lower = normalizers.Lowercase().normalize_str, bert(lowercase=True)
    out = {}
    for c in CODE_POINTS:
        low = lower(chr(c))
        assert low == bert_lower(chr(c))
        if low != chr(c):
            out[c] = [ord(x) for x in low]
    assert [c for c in out if len(out[c]) > 1] == [0x130] and out[0x130] == [0x69, 0x307]
    return out


def sweep_decomposition():
    nfd = normalizers.NFD().normalize_str
    out = {}
    for c in CODE_POINTS:
        parts = [ord(x) for x in nfd(chr(c))]
        if c in HANGUL:
            s = c - 0xAC00
            want = [0x1100 + s // 588, 0x1161 + s % 588 // 28, 0x11A7 + s % 28]
            assert parts == want[: 2 + (s % 28 > 0)]
        elif parts != [c]:
            out[c] = parts
    assert max(map(len, out.values())) <= 4
    return out


def sweep_mark(decomposition):
    """Deleted by strip_accents. A character that decomposes never reaches that step."""
    strip = bert(strip_accents=True)
    mark = {c for c in CODE_POINTS if c not in decomposition and strip("a" + chr(c)) == "a"}
    for c in CODE_POINTS:
        if c not in HANGUL:
            parts = decomposition.get(c, [c])
            assert strip(chr(c)) == "".join(chr(p) for p in parts if p not in mark), hex(c)
    return mark


def sweep_combining_class(decomposition):
    """Only the order that NFD gives is visible: place every character among one known mark of each class."""
    nfd = normalizers.NFD().normalize_str
    known, high = {240: "\u0345"}, "\u0345"
    for c in range(0x300, 0x1E000):
        k = unicodedata.combining(chr(c))
        if k and c not in decomposition and nfd(high + chr(c)) != high + chr(c):
            known.setdefault(k, chr(c))
    classes = sorted(known)
    low = known[classes[0]]
    assert classes[-1] == 240
    out = {}
    for c in CODE_POINTS:
        text = "a" + high + chr(c) + low
        if c in decomposition or c in HANGUL or nfd(text) == text:
            continue
        others = [k for k in classes if known[k] != chr(c)]
        below = [k for k in others if nfd("a" + chr(c) + known[k]) == "a" + known[k] + chr(c)]
        above = [k for k in others if nfd("a" + known[k] + chr(c)) == "a" + chr(c) + known[k]]
        same = [k for k in classes if k not in below and k not in above]
        assert len(same) == 1 and all(b < same[0] for b in below) and all(a > same[0] for a in above), hex(c)
        out[c] = same[0]
    return out


def tokenizer_with(**flags):
    t = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    t.add_tokens([AddedToken("\x01\x02", normalized=False, **flags)])
    return t


def sweep_word():
    """single_word tokens match only between two characters that are not \\w."""
    t = tokenizer_with(single_word=True)
    left = t.encode_batch([chr(c) + "\x01\x02" for c in CODE_POINTS])
    right = t.encode_batch(["\x01\x02" + chr(c) for c in CODE_POINTS])
    word = {c for c, e in zip(CODE_POINTS, left) if e.ids == [0]}
    assert word == {c for c, e in zip(CODE_POINTS, right) if e.ids == [0]}
    return word


def check_strip(space):
    """lstrip and rstrip take the same white space as the pre-tokenizer."""
    t = tokenizer_with(lstrip=True, rstrip=True)
    for c, e in zip(CODE_POINTS, t.encode_batch([chr(c) + "\x01\x02" + chr(c) for c in CODE_POINTS])):
        assert (e.ids == [1]) == (c in space), hex(c)


def two_stage(values):
    blocks, index = {}, []
    for start in range(0, 0x110000, BLOCK):
        block = tuple(values.get(c, 0) for c in range(start, start + BLOCK))
        index.append(blocks.setdefault(block, len(blocks)))
    assert len(blocks) < 65536
    return index, [v for block in blocks for v in block]


def array(ctype, name, values, form="%d"):
    lines, line = [], "   "
    for v in values:
        item = " " + form % v + ","
        if len(line) + len(item) > 100:
            lines.append(line)
            line = "   "
        line += item
    return "const %s %s[%d] = {\n%s\n};\n" % (ctype, name, len(values), "\n".join(lines + [line]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", default="lib/text/unicode_tables.c")
    path = parser.parse_args().o

    space, punctuation = sweep_pre_tokenizer()
    control = sweep_clean(space)
    lower = sweep_lower()
    decomposition = sweep_decomposition()
    mark = sweep_mark(decomposition)
    ccc = sweep_combining_class(decomposition)
    word = sweep_word()
    check_strip(space)
    sets = [space, control, punctuation, sweep_cjk(), mark, word, lower, set(decomposition) | set(HANGUL)]

    flags = {}
    for bit, members in enumerate(sets):
        for c in members:
            flags[c] = flags.get(c, 0) | 1 << bit
    pool, starts = [], []
    for c in sorted(decomposition):
        starts.append(len(pool) << 3 | len(decomposition[c]))
        pool += decomposition[c]
    flag_index, flag_blocks = two_stage(flags)
    ccc_index, ccc_blocks = two_stage(ccc)
    lower_from = sorted(lower)

    with open(path, "w") as f:
        f.write("/* What Hugging Face tokenizers %s knows about every code point.\n"
                " * Written by tools/gen_unicode.py: do not edit. Code points of each kind:\n" % tokenizers.__version__)
        for n, members in zip(FLAGS, sets):
            f.write(" * %s %d\n" % (n, len(members)))
        f.write(" */\n")
        f.write('#include "unicode.h"\n\n/* clang-format off */\n')
        f.write(array("uint8_t", "emb_unicode_flag_index", flag_index))
        f.write(array("uint8_t", "emb_unicode_flag_blocks", flag_blocks))
        f.write(array("uint8_t", "emb_unicode_ccc_index", ccc_index))
        f.write(array("uint8_t", "emb_unicode_ccc_blocks", ccc_blocks))
        f.write(array("uint32_t", "emb_unicode_lower_from", lower_from, "0x%X"))
        f.write(array("uint32_t", "emb_unicode_lower_to", [lower[c][0] for c in lower_from], "0x%X"))
        f.write(array("uint32_t", "emb_unicode_nfd_from", sorted(decomposition), "0x%X"))
        f.write("/* start in emb_unicode_nfd_pool * 8 + number of code points */\n")
        f.write(array("uint16_t", "emb_unicode_nfd_place", starts))
        f.write(array("uint32_t", "emb_unicode_nfd_pool", pool, "0x%X"))
        f.write("const size_t emb_unicode_lower_count = %d, emb_unicode_nfd_count = %d;\n"
                % (len(lower_from), len(decomposition)))
    print("%s: tokenizers %s: %s; %d combining classes, %d decompositions" % (
        path, tokenizers.__version__, ", ".join("%s %d" % (n, len(s)) for n, s in zip(FLAGS, sets)),
        len(set(ccc.values())), len(decomposition)), file=sys.stderr)


if __name__ == "__main__":
    main()
