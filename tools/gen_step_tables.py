#!/usr/bin/env python3
"""Sweeps the installed Hugging Face tokenizers for what the Digits pre-tokenizer takes for a number and
StripAccents for a mark, and writes lib/text/step_tables.c.

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


def table(name, codes):
    rows, line = [], "   "
    for first, last in ranges(codes):
        item = " {0x%X, 0x%X}," % (first, last)
        if len(line + item) > 100:
            rows.append(line)
            line = "   "
        line += item
    return "static const range %s[] = {\n%s\n};\n" % (name, "\n".join(rows + [line]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", default="lib/text/step_tables.c")
    split = pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str
    strip = normalizers.StripAccents().normalize_str
    numeric = [c for c in CODE_POINTS if len(split("a" + chr(c) + "a")) == 3]
    combining = [c for c in CODE_POINTS if strip("a" + chr(c) + "a") == "aa"]
    with open(parser.parse_args().o, "w") as f:
        f.write("""/* What Hugging Face tokenizers 0.23.3 takes for a number (Digits) and for a mark (StripAccents).
 * Written by tools/gen_step_tables.py: do not edit. %d and %d code points. */
#include "unicode.h"

typedef struct range { uint32_t first, last; } range;

/* clang-format off */
%s
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
""" % (len(numeric), len(combining), table("numeric", numeric), table("combining", combining)))


if __name__ == "__main__":
    main()
