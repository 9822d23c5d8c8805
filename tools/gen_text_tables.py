#!/usr/bin/env python3
"""Sweeps the installed Hugging Face tokenizers for what regular expressions, normal forms and the Precompiled
normalizer know about every code point. Writes lib/text/regex_tables.c and lib/text/normal_tables.c.

Like gen_unicode.py it takes nothing from a Unicode file: Oniguruma is at one version of Unicode, the
normal forms at another, grapheme clusters at a third. Names of scripts and candidates for case folding
come from Python; what they mean is asked of the library.

usage: gen_text_tables.py [-o lib/text]
"""
import argparse
import os
import sys

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

import charsmap_blob
from gen_unicode import CODE_POINTS, HANGUL, array, two_stage

CATEGORIES = ["Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi",
              "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"]
SCRIPTS = """Common Inherited Latin Greek Cyrillic Armenian Hebrew Arabic Syriac Thaana Devanagari Bengali Gurmukhi
Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala Thai Lao Tibetan Myanmar Georgian Hangul Ethiopic Cherokee
Canadian_Aboriginal Ogham Runic Khmer Mongolian Hiragana Katakana Bopomofo Han Yi Tifinagh Nko Javanese Balinese
Sundanese Vai Ol_Chiki Coptic Gothic""".split()
WORD, SPACE = 32, 64  # \\w is of a rule of its own
EVERYTHING = "".join(map(chr, CODE_POINTS))


def matches(pattern, text=EVERYTHING):
    """Code points of text that the pattern, of one character, matches. Matches are what is removed."""
    kept = pre_tokenizers.Split(Regex(pattern), "removed").pre_tokenize_str(text)
    out, at = set(), 0
    for _, (begin, end) in kept:
        out.update(text[at:begin])
        at = end
    out.update(text[at:])
    return {ord(c) for c in out}


def sweep_regex():
    category, script = {}, {}
    for i, name in enumerate(CATEGORIES):
        if name == "Cs":
            continue
        for c in matches(r"\p{%s}+" % name):
            assert c not in category
            category[c] = i
    assert len(category) == len(CODE_POINTS)
    category.update((c, CATEGORIES.index("Cs")) for c in range(0xD800, 0xE000))
    for i, name in enumerate(SCRIPTS):
        for c in matches(r"\p{%s}+" % name):
            assert c not in script
            script[c] = i + 1
    by = lambda names: {c for c in CODE_POINTS if CATEGORIES[category[c]] in names or CATEGORIES[category[c]][0] in names}
    assert matches(r"\d+") == by(["Nd"])
    word, space = matches(r"\w+"), matches(r"\s+")
    assert matches(r"[\w]+") == word - set(map(ord, "\xb2\xb3\xb9\xbc\xbd\xbe"))  # regex_parse.c leaves them out
    for name, letter in (("L", "L"), ("M", "M"), ("N", "N"), ("P", "P"), ("S", "S"), ("Z", "Z"), ("C", "C")):
        assert matches(r"\p{%s}+" % name) == by([letter]), name
    for c in word:
        category[c] |= WORD
    for c in space:
        category[c] |= SPACE
    return category, script


def sweep_folds():
    """Sets of characters that (?i) takes for each other, and what folds to several characters."""
    cased = [c for c in CODE_POINTS if len({chr(c), chr(c).lower(), chr(c).upper(), chr(c).casefold(), chr(c).title()}) > 1]
    text = "-".join(map(chr, cased))
    folds, several = {}, set()
    for c in cased:
        same = matches("(?i:\\x{%X})" % c, text)
        assert c in same
        if len(same) > 1:
            folds[c] = sorted(same)
    for group in folds.values():
        assert all(folds[c] == group for c in group)
    heads = set()
    for c in cased:
        full = chr(c).casefold()
        if len(full) > 1 and pre_tokenizers.Split(Regex("(?i:%s)" % full), "isolated").pre_tokenize_str("-" + chr(c))[-1][0] == chr(c):
            several.add(c)
            heads.add((ord(full[0]), ord(full[1])))
    rest = "".join(chr(c) for c in CODE_POINTS if c not in folds)
    assert not matches("(?i:[%s])" % "".join("\\x{%X}" % c for c in folds), rest)
    return folds, several, sorted(heads)


def sweep_normal_forms():
    form = {n: getattr(normalizers, n)().normalize_str for n in ("NFC", "NFD", "NFKC", "NFKD")}
    compat, pairs = {}, {}
    for c in CODE_POINTS:
        if c in HANGUL:
            continue
        d, k = form["NFD"](chr(c)), form["NFKD"](chr(c))
        if k != d:
            compat[c] = [ord(x) for x in k]
        if len(d) > 1 and form["NFC"](d) == chr(c):
            head = form["NFC"](d[:-1])
            assert len(head) == 1 and form["NFC"](head + d[-1]) == chr(c), hex(c)
            pairs[ord(head), ord(d[-1])] = c
    # compatibility decomposition of each part of the canonical one, one after the other, must be the same
    for c in CODE_POINTS:
        if c not in HANGUL:
            parts = "".join("".join(map(chr, compat[ord(x)])) if ord(x) in compat else x for x in form["NFD"](chr(c)))
            assert c in compat or parts == form["NFKD"](chr(c)), hex(c)
    return form, compat, pairs


def sweep_composes_hangul(form):
    for l in range(0x1100, 0x1113):
        for v in range(0x1161, 0x1176):
            assert form["NFC"](chr(l) + chr(v)) == chr(0xAC00 + (l - 0x1100) * 588 + (v - 0x1161) * 28)
    for t in range(0x11A8, 0x11C3):
        assert form["NFC"]("\uac00" + chr(t)) == chr(0xAC00 + t - 0x11A7)
    assert form["NFC"]("\uac00\u11a7") == "\uac00\u11a7"


FLAG_NFC, FLAG_NFKC, FLAG_COMPAT, FLAG_SECOND, FLAG_CUT, FLAG_CUT_COMPAT = (1 << i for i in range(6))


def normal_flags(form, compat, pairs, ccc):
    second = {b for _, b in pairs} | set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    flags = {}
    for c in CODE_POINTS:
        stands = lambda x: not ccc.get(ord(x)) and ord(x) not in second
        f = 0
        if stands(chr(c)):
            f |= FLAG_NFC if form["NFC"](chr(c)) == chr(c) else 0
            f |= FLAG_NFKC if form["NFKC"](chr(c)) == chr(c) else 0
        f |= FLAG_COMPAT if c in compat else 0
        f |= FLAG_SECOND if c in second else 0
        f |= FLAG_CUT if stands(form["NFD"](chr(c))[0]) else 0
        f |= FLAG_CUT_COMPAT if stands(form["NFKD"](chr(c))[0]) else 0
        flags[c] = f
    return flags


# Regional indicators are not among them: two are too long to be replaced as a cluster, and so is one with a mark.
GCB = ["OTHER", "CONTROL", "EXTEND", "ZWJ", "SPACING", "PREPEND", "L", "V", "T", "LV", "LVT"]
PICTURE, CONSONANT, LINKER, LINKS = 16, 32, 64, 128


def sweep_graphemes():
    """Clusters of the Precompiled normalizer. It replaces a cluster of fewer than 6 bytes by what its first
    entry says, whole, and a longer one character by character. In this table every character becomes X, so
    a character that vanishes tells that its cluster is short."""
    norm = normalizers.Precompiled(charsmap_blob.build({chr(c): "X" for c in CODE_POINTS if 0 < c < 0x10000})).normalize_str
    mark, zwj, picture, han, ka, virama = "\u0308", "\u200d", "\xa9", "\u4e00", "\u0915", "\u094d"

    def one(text):
        """Whether the text, of 6 bytes and more, is one cluster: its last two characters alone are a short one."""
        assert len(text.encode()) >= 6 > len(text[-2:].encode())
        return len(norm(text)) == len(text)

    kind = {}
    for c in CODE_POINTS[1:]:
        s = chr(c)
        v, t = one(s + "\u1161" + mark), one(s + "\u11a8" + mark)
        if norm("a" + s) == "X":
            kind[c] = "SPACING"
            if one(picture + s + zwj + picture + mark):
                kind[c] = "EXTEND"
            elif one(picture + s + picture + mark):
                kind[c] = "ZWJ"
        elif one(s + han + mark):
            kind[c] = "PREPEND"
        elif norm(s + mark) == "XX" if c < 0x10000 else not one(s + mark + "\u20d0"):
            kind[c] = "CONTROL"
        elif v:
            kind[c] = ("LV" if c in HANGUL else "V") if t else "L"
        elif t:
            kind[c] = "LVT" if c in HANGUL else "T"
    value = {c: GCB.index(k) for c, k in kind.items()}
    value[0] = GCB.index("CONTROL")
    for c in CODE_POINTS[1:]:
        s, k = chr(c), kind.get(c)
        if k is None:
            v = PICTURE if one(s + zwj + picture + mark) else 0
            v |= CONSONANT if one(s + virama + ka + mark) else 0
        elif k in ("EXTEND", "ZWJ"):
            v = LINKER if one(ka + s + ka + mark) else 0
            v |= LINKS if one(ka + virama + s + ka + mark) else 0
        else:
            continue
        value[c] = value.get(c, 0) | v
    hangul = {n: {c for c in kind if kind[c] == n and c < 0x10000} for n in ("L", "V", "T", "LV", "LVT")}
    assert hangul["LV"] | hangul["LVT"] == set(HANGUL)
    assert all(one("\u1100" + chr(c) + mark) for n in ("L", "V", "LV", "LVT") for c in hangul[n])
    assert all(one("\u1161" + chr(c) + mark) for n in ("V", "T") for c in hangul[n])
    assert not any(one("\u11a8" + chr(c) + mark) for n in ("L", "V", "LV", "LVT") for c in hangul[n])
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", default="lib/text")
    folder = parser.parse_args().o
    note = " * Hugging Face tokenizers %s, written by tools/gen_text_tables.py: do not edit. */\n" % tokenizers.__version__

    category, script = sweep_regex()
    folds, several, heads = sweep_folds()
    cat_index, cat_blocks = two_stage(category)
    script_index, script_blocks = two_stage(script)
    fold_from = sorted(folds)
    fold_next = [folds[c][(folds[c].index(c) + 1) % len(folds[c])] for c in fold_from]
    with open(os.path.join(folder, "regex_tables.c"), "w") as f:
        f.write("/* What regular expressions know about every code point, swept from\n" + note)
        f.write('#include "regex_sets.h"\n\n/* clang-format off */\n')
        f.write(array("uint16_t", "emb_regex_category_index", cat_index))
        f.write(array("uint8_t", "emb_regex_category_blocks", cat_blocks))
        f.write(array("uint16_t", "emb_regex_script_index", script_index))
        f.write(array("uint8_t", "emb_regex_script_blocks", script_blocks))
        f.write("const char *const emb_regex_categories[%d] = {\n    %s,\n};\n" % (
            len(CATEGORIES), ",\n    ".join(", ".join('"%s"' % n for n in CATEGORIES[i:i + 15]) for i in (0, 15))))
        f.write("const char *const emb_regex_scripts[%d] = {\n    %s,\n};\n" % (
            len(SCRIPTS), ",\n    ".join(", ".join('"%s"' % n.lower().replace("_", "") for n in SCRIPTS[i:i + 6])
                                         for i in range(0, len(SCRIPTS), 6))))
        f.write("const int32_t emb_regex_scripts_count = %d;\n" % len(SCRIPTS))
        f.write("/* each and the next of its ring of characters that (?i) takes for one */\n")
        f.write(array("uint32_t", "emb_regex_fold_from", fold_from, "0x%X"))
        f.write(array("uint32_t", "emb_regex_fold_next", fold_next, "0x%X"))
        f.write("/* characters that (?i) takes for several, and the first two of these */\n")
        f.write(array("uint32_t", "emb_regex_fold_several", sorted(several), "0x%X"))
        f.write(array("uint32_t", "emb_regex_fold_heads", [x for pair in heads for x in pair], "0x%X"))
        f.write("const size_t emb_regex_fold_count = %d, emb_regex_fold_several_count = %d,\n"
                "             emb_regex_fold_heads_count = %d;\n" % (len(folds), len(several), len(heads)))

    import gen_unicode
    ccc = gen_unicode.sweep_combining_class(gen_unicode.sweep_decomposition())
    form, compat, pairs = sweep_normal_forms()
    sweep_composes_hangul(form)
    flags = normal_flags(form, compat, pairs, ccc)
    graphemes = sweep_graphemes()
    pool, places = [], []
    for c in sorted(compat):
        places.append(len(pool) << 5 | len(compat[c]))
        pool += compat[c]
    flag_index, flag_blocks = two_stage(flags)
    cluster_index, cluster_blocks = two_stage(graphemes)
    ordered = sorted(pairs)
    with open(os.path.join(folder, "normal_tables.c"), "w") as f:
        f.write("/* Normal forms and grapheme clusters of every code point, swept from\n" + note)
        f.write('#include "normal_tables.h"\n\n/* clang-format off */\n')
        f.write(array("uint8_t", "emb_normal_flag_index", flag_index))
        f.write(array("uint8_t", "emb_normal_flag_blocks", flag_blocks))
        f.write(array("uint32_t", "emb_normal_compat_from", sorted(compat), "0x%X"))
        f.write("/* start in emb_normal_compat_pool * 32 + number of code points */\n")
        f.write(array("uint32_t", "emb_normal_compat_place", places))
        f.write(array("uint32_t", "emb_normal_compat_pool", pool, "0x%X"))
        f.write("/* pairs that compose, sorted */\n")
        f.write(array("uint64_t", "emb_normal_pairs", [a << 32 | b for a, b in ordered], "0x%X"))
        f.write(array("uint32_t", "emb_normal_composed", [pairs[p] for p in ordered], "0x%X"))
        f.write(array("uint8_t", "emb_cluster_index", cluster_index))
        f.write(array("uint8_t", "emb_cluster_blocks", cluster_blocks))
        f.write("const size_t emb_normal_compat_count = %d, emb_normal_pairs_count = %d;\n" % (len(compat), len(pairs)))
    counts = {n: sum(1 for v in graphemes.values() if v % 16 == i) for i, n in enumerate(GCB)}
    print("tokenizers %s: %d case folds, %d to several; %d compatibility decompositions of up to %d, %d "
          "pairs; clusters %s, pictures %d, consonants %d, linkers %d" % (
              tokenizers.__version__, len(folds), len(several), len(compat), max(map(len, compat.values())),
              len(pairs), counts, *(sum(1 for v in graphemes.values() if v & bit) for bit in (PICTURE, CONSONANT, LINKER))),
          file=sys.stderr)


if __name__ == "__main__":
    main()
