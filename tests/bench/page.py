"""docs/performance.md, and its plot, from the CSV files of a run of `make bench PEERS=1`.

    page.py --peers peers.csv [more.csv] --bench bench.csv --machine "what it ran on" --out docs

Every figure of the page is a row of the CSV files, which are copied beside it. Ratios are of times measured in
turn; the best peer of a shape is the one against which our ratio is the lowest.
"""
import argparse
import csv
import math
from collections import defaultdict
from pathlib import Path

from timing import FIELDS

MODELS = {"minilm": "all-MiniLM-L6-v2", "bert": "BERT-base", "vit": "ViT-B/16, 224 x 224"}


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def number(value, digits=2):
    return f"{float(value):.{digits}f}" if value not in ("", None) else ""


def table(head, lines):
    """Markdown; the first column is text."""
    rule = ["---"] + ["--:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines]) + "\n"


def shapes_of(rows, model, threads):
    """{shape: {precision: its rows}} of engines, in the order of the file."""
    found = defaultdict(lambda: defaultdict(list))
    for row in rows:
        engine = row["unit"] == "ms" and row["shape"] != "first" and not row["peer"].startswith("ours")
        if row["model"] == model and row["threads"] == threads and engine:
            found[row["shape"]][row["precision"]].append(row)
    return found


def own(rows, model, shape, threads, precision, peer):
    for row in rows:
        if (row["model"], row["shape"], row["threads"], row["precision"], row["peer"]) == (
                model, shape, threads, precision, peer):
            return row
    return None


def over_floor(row):
    return number(float(row["ours_value"]) / float(row["floor_ms"])) if row["floor_ms"] else ""


def best(rows):
    return min(rows, key=lambda row: float(row["ratio"]), default=None)


def engines_section(rows):
    text, plot = [], []
    for model, title in MODELS.items():
        for threads in sorted({row["threads"] for row in rows if row["model"] == model and row["shape"] != "first"}, key=int):
            lines = []
            for shape, by in shapes_of(rows, model, threads).items():
                f32, int8 = best(by["f32"]), best(by["int8"])
                if not f32:
                    continue
                line = [shape, number(f32["ours_value"]), over_floor(f32), f32["peer"], number(f32["peer_value"]),
                        number(f32["ratio"])]
                gain = own(rows, model, shape, threads, "int8", "ours f32") if threads == "1" else None
                if int8:
                    line += [number(int8["ours_value"]), number(gain["ratio"]) if gain else "", int8["peer"],
                             number(int8["peer_value"]), number(int8["ratio"])]
                else:
                    line += [""] * 5
                lines.append(line)
                plot.append((f"{model} {shape}, {threads}", float(f32["ratio"]), float(int8["ratio"]) if int8 else None))
            if lines:
                plural = "s" if threads != "1" else ""
                text.append(f"### {title}, {threads} thread{plural}\n\n" + table(
                    ["batch x tokens", "ours, f32, ms", "x floor", "best f32 peer", "ms", "ratio", "ours, int8, ms",
                     "own f32 / int8", "best int8 peer", "ms", "ratio"], lines))
    return "\n".join(text), plot


def losing_section(rows):
    lines = [[f"{row['model']} {row['shape']}", row["threads"], row["precision"], row["peer"], number(row["ours_value"]),
              number(row["peer_value"]), number(row["ratio"])]
             for row in rows if row["ratio"] and float(row["ratio"]) < 1 and not row["peer"].startswith("ours")]
    if not lines:
        return "None in this run.\n"
    return table(["case", "threads", "precision", "peer", "ours", "theirs", "ratio"], lines)


def own_section(rows):
    lines = [[f"{row['model']} {row['shape']}", row["threads"], row["precision"], row["peer"][5:], number(row["ratio"])]
             for row in rows if row["peer"].startswith("ours")]
    return table(["case", "threads", "weights", "against our", "times as fast"], lines)


def whole_section(rows):
    lines = []
    for row in rows:
        what = {"texts": "sentences to vectors", "first": "start of a process to its first vector",
                "photos to pixels": "JPEG photos to pixels", "photos to vectors": "JPEG photos to vectors of ViT-B/16",
                }.get(row["shape"])
        if what:
            lines.append([what, row["threads"], row["peer"], f"{number(row['ours_value'], 1)} {row['unit']}",
                          f"{number(row['peer_value'], 1)} {row['unit']}", number(row["ratio"])])
    return table(["", "threads", "peer", "ours", "theirs", "ratio"], lines)


def parts_section(bench):
    shapes, parts = [], defaultdict(dict)
    for row in bench:
        if row["section"] == "part":
            parts[row["name"]][row["shape"]] = float(row["median"])
            shapes += [row["shape"]] if row["shape"] not in shapes else []
    totals = {shape: sum(part.get(shape, 0) for part in parts.values()) for shape in shapes}
    return table(["per cent of one thread's time", *shapes],
                 [[name] + [number(100 * part.get(shape, 0) / totals[shape], 1) for shape in shapes]
                  for name, part in parts.items()])


def products_section(bench):
    probe = {(row["name"], row["threads"]): float(row["best"]) for row in bench if row["section"] == "probe"}
    text = []
    for kind in dict.fromkeys(row["section"] for row in bench if "weights" in row["section"]):
        found = defaultdict(dict)
        for row in bench:
            if row["section"] == kind and row["threads"] == "1":
                peak = probe["int8" if kind.startswith("int8") else "f32", "1"]
                found[row["name"]][row["shape"]] = f"{100 * float(row['best']) / peak:.0f}"
        shapes = list(next(iter(found.values())))
        text.append(f"{kind}, per cent of the probe, one thread:\n\n" + table(
            ["inputs -> outputs", *shapes], [[name, *(each.get(shape, "") for shape in shapes)] for name, each in found.items()]))
    return "\n".join(text)


def tokenizers_section(path):
    if not path:
        return ""
    lines = [[row["tokenizer"], row["kind"], *(number(row[key], 1) for key in
                                               ("ours_mb_s", "one_thread_mb_s", "all_mb_s", "ratio"))] for row in rows_of(path)]
    return "## Tokenizers, beside Hugging Face's\n\nThe same text, ids compared first.\n\n" + table(
        ["tokenizer", "kind", "ours, one thread, MB/s", "tokenizers, one thread", "tokenizers, all threads",
         "ratio, one thread"], lines)


def svg(plot):
    """A row for each case: two dots on a logarithmic scale of ratios, 1 in the middle."""
    height, left, width, most = 18, 190, 520, 8.0
    at = lambda ratio: left + width * (0.25 + 0.75 * math.log(max(min(ratio, most), 0.5)) / math.log(most))  # noqa: E731
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 20}" height="{height * len(plot) + 70}" '
           'font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{left}" y="16">times as fast as the best peer: '
           '<tspan fill="#1f5fa8">&#9679; float32</tspan>  <tspan fill="#c2571a">&#9679; int8</tspan></text>']
    bottom = height * len(plot) + 34
    for tick in (0.5, 1, 1.5, 2, 3, 4, 6, 8):
        x, colour = at(tick), "#888" if tick == 1 else "#ddd"
        out.append(f'<line x1="{x:.1f}" y1="26" x2="{x:.1f}" y2="{bottom}" stroke="{colour}"/>'
                   f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{tick:g}</text>')
    for i, (name, f32, int8) in enumerate(plot):
        y = 38 + height * i
        out.append(f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{name}</text>')
        for ratio, colour in ((int8, "#c2571a"), (f32, "#1f5fa8")):
            if ratio:
                out.append(f'<circle cx="{at(ratio):.1f}" cy="{y}" r="4" fill="{colour}"/>')
    return "\n".join([*out, "</svg>", ""])


PAGE = """# Performance

Measured by `make bench PEERS=1`, on {machine}. One run on one machine that other work shares: read ratios, which come
of times measured in turn, and not milliseconds. The same weights, token ids and pixels for all; outputs are compared
before anything is timed. The floor of a case is its arithmetic at the speed of this run's multiply-adds ({f32} GFLOP/s
one thread; int8 {int8} GOP/s), or its weights read from memory at this run's {read} GB/s, whichever is longer: small
models stay in caches, so that short texts may be under it. `natural` is sentences of Tatoeba and a novel in the lengths in
which they come; peers take them sorted and padded in batches of 32. All rows: [performance.csv](performance.csv); how each peer
is driven: `tests/bench/engines.py`.

![Ratios to the best peer](performance.svg)

## Beside other engines

{engines}
## Where a peer is faster

{losing}
## Our precisions and threads

{own}
## Whole programs

{whole}
{tokenizers}
## Where the time goes

{parts}
## Matrix products

{products}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", required=True, nargs="+")
    for name in ("bench", "machine", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--tokenizers")
    args = parser.parse_args()
    rows, bench, out = [row for path in args.peers for row in rows_of(path)], rows_of(args.bench), Path(args.out)
    probe = {}
    for row in rows:
        if row["model"] == "probe" and row["threads"] == "1":
            probe[row["shape"]] = max(probe.get(row["shape"], 0), float(row["ours_value"]))
    rows = [row for row in rows if row["model"] != "probe"]
    engines, plot = engines_section(rows)
    (out / "performance.md").write_text(PAGE.format(
        machine=args.machine, engines=engines, losing=losing_section(rows), own=own_section(rows),
        whole=whole_section(rows), tokenizers=tokenizers_section(args.tokenizers), parts=parts_section(bench),
        products=products_section(bench), **{kind: number(probe.get(kind, 0), 0) for kind in ("f32", "int8", "read")}))
    (out / "performance.svg").write_text(svg(plot))
    with open(out / "performance.csv", "w", newline="") as file:
        written = csv.DictWriter(file, FIELDS)
        written.writeheader()
        written.writerows(rows)


if __name__ == "__main__":
    main()
