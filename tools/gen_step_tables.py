#!/usr/bin/env python3
"""Sweeps the installed Hugging Face tokenizers for what the Digits pre-tokenizer takes for a number,
StripAccents for a mark and UnicodeScripts for one script, and writes lib/text/step_tables.c.

usage: gen_step_tables.py [-o lib/text/step_tables.c]
"""
import argparse

from tokenizers import normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def ranges(codes):
    out = []
    for c in sorted(codes):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def table(kind, name, items):
    rows, line = [], "   "
    for item in items:
        if len(line + item) > 98:
            rows.append(line)
            line = "   "
        line += " " + item + ","
    return "static const %s %s[] = {\n%s\n};\n" % (kind, name, "\n".join(rows + [line]))


def range_table(name, codes):
    return table("range", name, ["{0x%X, 0x%X}" % tuple(pair) for pair in ranges(codes)])


def scripts():
    """Runs of one script as (first code point, script), and how many scripts there are: 1 and up in the order in which
    they turn up, 0 for what UnicodeScripts never cuts at."""
    split = pre_tokenizers.UnicodeScripts().pre_tokenize_str
    samples, runs, before = [], [], None
    for c in range(0x110000):
        if 0xD800 <= c <= 0xDFFF:
            continue
        text = chr(c)
        if not split(text):
            script = 0
        elif before and len(split(samples[before - 1] + text)) == 1:
            script = before
        else:
            same = [i for i, sample in enumerate(samples) if len(split(sample + text)) == 1]
            assert len(same) <= 1
            samples += [] if same else [text]
            script = same[0] + 1 if same else len(samples)
        if script != before:
            runs.append((c, script))
        before = script
    return runs, len(samples)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", default="lib/text/step_tables.c")
    split = pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str
    strip = normalizers.StripAccents().normalize_str
    numeric = [c for c in CODE_POINTS if len(split("a" + chr(c) + "a")) == 3]
    combining = [c for c in CODE_POINTS if strip("a" + chr(c) + "a") == "aa"]
    runs, count = scripts()
    assert count < 256
    with open(parser.parse_args().o, "w") as f:
        f.write("""/* What Hugging Face tokenizers 0.23.3 takes for a number (Digits), for a mark (StripAccents) and for
 * one script (UnicodeScripts). Written by tools/gen_step_tables.py: do not edit. %d and %d code
 * points, %d scripts. */
#include "unicode.h"

typedef struct range { uint32_t first, last; } range;

/* clang-format off */
%s
%s
/* first code point << 8 | script, up to the next one */
%s
/* clang-format on */

static bool is_in(const range *table, size_t count, uint32_t c)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table[middle].last < c) low = middle + 1;
        else high = middle;
    }
    return low < count && table[low].first <= c;
}

bool emb_unicode_is_numeric(uint32_t c)
{
    if (c < 0x80) return c >= '0' && c <= '9';
    return is_in(numeric, sizeof numeric / sizeof *numeric, c);
}

bool emb_unicode_is_combining(uint32_t c)
{
    return c >= 0x300 && is_in(combining, sizeof combining / sizeof *combining, c);
}

uint32_t emb_unicode_script(uint32_t c)
{
    size_t low = 0, high = sizeof scripts / sizeof *scripts;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (scripts[middle] >> 8 <= c) low = middle;
        else high = middle;
    }
    return scripts[low] & 0xFF;
}
""" % (len(numeric), len(combining), count, range_table("numeric", numeric), range_table("combining", combining),
       table("uint32_t", "scripts", ["0x%X" % (first << 8 | script) for first, script in runs])))


if __name__ == "__main__":
    main()
