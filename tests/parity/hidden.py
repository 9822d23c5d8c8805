"""Hidden states of every layer against a float64 run of the reference, beside PyTorch's own float32.

A case is one model, one length of input and one layer. Its error is that of all its inputs together,
once for us and once for PyTorch (the worse of a padded batch and each input alone). The bars: over all
cases the median ratio of our rms error to PyTorch's is below 1, and in no case is our rms error over
1.1 times, or our largest error over 1.5 times, that of PyTorch. pooler_output and the projection are
cases of their own, held to the same bars. The largest error is that of a single token, and chance decides
which arithmetic an ill-conditioned token hits: inputs that are over a bar are drawn once more, and the layers
that were over it must hold both bars then. A defect is over them both times. Then: the same bytes alone, in
any batch and order, on any number of threads and any instruction set.

    hidden.py [--group full|odd|stored|named|relative]... [--model NAME]... [--cache DIR] [--torch-only]
"""
import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np

import command
import library
import models_random
from reference import Reference

LENGTHS = (1, 2, 3, 17, 128)  # and the last two that there are positions for
MIXED = (512, 1, 3, 128, 2, 17, 511, 64, 33, 5)
SEEDS = (11, 12)  # of inputs, and of those that are drawn once more
RMS_BAR, MAX_BAR, BLAS_BAR = 1.1, 1.5, 1e-5


def ratio(ours, theirs):
    """1 where both are exact."""
    return 1.0 if ours == theirs else float(np.float64(ours) / theirs)


@dataclass
class Row:
    """One case: root mean square and largest error, ours and PyTorch's."""

    model: str
    case: str
    layer: int
    rms: float
    largest: float
    torch_rms: float
    torch_largest: float

    @property
    def rms_ratio(self):
        return ratio(self.rms, self.torch_rms)

    @property
    def max_ratio(self):
        return ratio(self.largest, self.torch_largest)

    @property
    def passes(self):
        return self.rms_ratio <= RMS_BAR and self.max_ratio <= MAX_BAR


# ---- inputs ------------------------------------------------------------------------------------------


def random_ids(random, shape, length):
    """[CLS] random words [SEP]; one or two tokens are any words, or they would always be the same. Models
    to which an id means more than its vector have it inside: RoBERTa padding, CLIP the end of the text."""
    ids = random.randint(5, shape.vocab, length)
    if length > 2:
        ids[0], ids[-1] = 2, 3
    if shape.family in models_random.BEHIND_PADDING:
        ids[random.random_sample(length) < 0.1] = shape.pad
    if shape.family == "clip_text_model" and random.randint(4):
        ids[random.randint(0, length, 2)] = shape.eos
    return ids.tolist()


def fitting(shape, lengths):
    """The lengths that a model has positions for, its last one in place of any longer."""
    return [min(length, shape.room) for length in lengths]


def make_cases(shape, seed):
    """{name: inputs}. Short lengths and narrow models have many inputs, so that the largest error of a
    case is not that of a handful of numbers."""
    random = np.random.RandomState(seed)
    small = shape.layers * shape.hidden <= 400
    cases = {}
    for length in dict.fromkeys(fitting(shape, (*LENGTHS, max(1, shape.room - 1), shape.room))):
        count = max(2, min(512, 4096 // length)) if small else max(2, min(64, 256 // length))
        cases[str(length)] = [(random_ids(random, shape, length), None) for _ in range(count)]
    mixed = fitting(shape, MIXED * (3 if small else 1))
    cases["mixed"] = [(random_ids(random, shape, n), None) for n in mixed]
    return cases


def pair_texts(vocabulary, seed):
    """Pairs of made-up sentences out of a vocabulary."""
    random = np.random.RandomState(seed)
    words = [token for token in vocabulary[5:] if not token.startswith("##")]
    sentence = lambda n: " ".join(words[i] for i in random.randint(0, len(words), n))  # noqa: E731
    return [(sentence(a), sentence(b)) for a, b in ((3, 4), (1, 1), (12, 2), (0, 3), (5, 0), (20, 20))]


# ---- errors ------------------------------------------------------------------------------------------


def errors(found, truth):
    """(rms, largest) error in each layer over all inputs: arrays [layers + 1]."""
    squares = sum(((f - t) ** 2).sum(axis=(1, 2)) for f, t in zip(found, truth))
    numbers = sum(t[0].size for t in truth)
    largest = np.max([np.abs(f - t).max(axis=(1, 2)) for f, t in zip(found, truth)], axis=0)
    return np.sqrt(squares / numbers), largest


def torch_errors(reference, inputs, truth):
    """The worse of PyTorch's two ways, layer by layer."""
    longest = max(len(ids) for ids, _ in inputs)
    length = reference.padding(inputs, min(reference.config.max_position_embeddings, longest + 13))
    ways = [reference.alone(inputs)]
    if length is not None:
        ways.append(reference.padded(inputs, length))
    found = [errors(way, truth) for way in ways]
    return tuple(np.max([figures[i] for figures in found], axis=0) for i in (0, 1))


def layers_of(shape):
    """--layer of every state that the reference gives; None is the normed last one."""
    return [*range(shape.layers + 1)] + [None] * shape.pre_norm


def our_states(folder, inputs, shape):
    """Hidden states of every layer, as the reference has them: [states][tokens][hidden] an input."""
    ids = [tokens for tokens, _ in inputs]
    by_layer = [command.hidden(folder, ids, layer=k) for k in layers_of(shape)]
    return [np.stack([states[i] for states in by_layer]) for i in range(len(inputs))]


def compare(model, case, found, truth, reference, inputs):
    """The rows of one case. found None: PyTorch's figures only."""
    torch_rms, torch_largest = torch_errors(reference, inputs, truth)
    rms, largest = errors(found, truth) if found else (torch_rms, torch_largest)
    return [
        Row(model, case, k, rms[k], largest[k], torch_rms[k], torch_largest[k])
        for k in range(len(rms))
    ]


# ---- one model ----------------------------------------------------------------------------------------


def drawn(measure):
    """The rows of measure(seed); those over a bar as they are with other inputs."""
    rows = measure(SEEDS[0])
    if all(row.passes for row in rows):
        return rows
    for row in (row for row in rows if not row.passes):
        print(f"{row.model:22} {row.case:>10}  layer {row.layer}: rms {row.rms_ratio:.2f}x, largest"
              f" {row.max_ratio:.2f}x of PyTorch's: drawn once more")  # fmt: skip
    again = {(row.case, row.layer): row for row in measure(SEEDS[1])}
    return [row if row.passes else again[row.case, row.layer] for row in rows]


def check_ids(folder, shape, reference, ours, case, seed):
    """One length or the mixed batch, by token ids."""
    inputs = make_cases(shape, seed)[case]
    truth = reference.truth(inputs)
    found = our_states(folder, inputs, shape) if ours else None
    return compare(shape.name, case, found, truth, reference, inputs)


def check_pairs(folder, shape, storage, reference, ours, seed):
    """Pairs of texts, which have type ids; the ids are those of the reference's tokenizer."""
    from transformers import AutoTokenizer

    if shape.types <= 1:
        return []
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pairs = pair_texts(models_random.make_vocabulary(shape.vocab, storage.lowercase), seed)
    # As a batch: transformers takes a single empty second text for none at all.
    coded = tokenizer([list(pair) for pair in pairs], return_token_type_ids=True)
    inputs = list(zip(coded["input_ids"], coded["token_type_ids"]))
    truth = reference.truth(inputs)
    found = None
    if ours:
        lines = [f"{a}\t{b}" for a, b in pairs]
        by_layer = [
            command.hidden_of_texts(folder, lines, pair=True, layer=k) for k in range(shape.layers + 1)
        ]
        found = [
            np.stack([states[i, : len(ids)] for states in by_layer])
            for i, (ids, _) in enumerate(inputs)
        ]
        for i, (ids, _) in enumerate(inputs):
            assert not by_layer[-1][i, len(ids) :].any(), f"pair {i}: more tokens than the reference's"
    return compare(shape.name, "pairs", found, truth, reference, inputs)


def check_pooled(folder, shape, reference, ours, seed):
    """pooler_output and its projection, where the model has them."""
    random = np.random.RandomState(seed)
    count = 400 if shape.layers * shape.hidden <= 400 else 64
    lengths = fitting(shape, random.randint(1, 40, count))
    inputs = [(random_ids(random, shape, length), None) for length in lengths]
    rows, truths, torchs = [], reference.pooled(inputs), reference.pooled(inputs, double=False)
    for name, truth in truths.items():
        theirs = found = torchs[name] - truth
        if ours:
            pooling = {"pooler": library.POOLER, "projection": library.PROJECTION}[name]
            found = library.encode_ids(folder, [ids for ids, _ in inputs], pooling) - truth
        figures = [f(error) for error in (found, theirs) for f in (rms_of, largest_of)]
        rows.append(Row(shape.name, name, shape.layers, *figures))
    return rows


def rms_of(error):
    """Root mean square."""
    return float(np.sqrt((error**2).mean()))


def largest_of(error):
    """Largest absolute value."""
    return float(np.abs(error).max())


def print_model(rows):
    """A line for each case of one model: the worst layer of each figure."""
    for case in dict.fromkeys(row.case for row in rows):
        own = [row for row in rows if row.case == case]
        last = own[-1]
        print(
            f"{own[0].model:22} {case:>10}  last layer: rms {last.rms:8.2e} (torch {last.torch_rms:8.2e})"
            f"  rms ratio median {np.median([r.rms_ratio for r in own]):5.2f}"
            f" worst {max(r.rms_ratio for r in own):5.2f}"
            f"  max ratio worst {max(r.max_ratio for r in own):5.2f}"
            + ("" if all(row.passes for row in own) else "  FAILS")
        )
    sys.stdout.flush()


def check_model(shape, storage, cache, ours):
    """All cases of one model."""
    folder = models_random.cached_model(cache, shape, storage)
    reference = Reference(folder)
    given = folder, shape, reference, ours
    rows = []
    for case in make_cases(shape, SEEDS[0]):
        rows += drawn(lambda seed, case=case: check_ids(*given, case, seed))
    rows += drawn(lambda seed: check_pairs(folder, shape, storage, reference, ours, seed))
    rows += drawn(lambda seed: check_pooled(*given, seed))
    print_model(rows)
    return rows


# ---- same bytes -----------------------------------------------------------------------------------------


def same(a, b):
    """Bitwise equality of two lists of arrays."""
    return len(a) == len(b) and all(x.tobytes() == y.tobytes() for x, y in zip(a, b))


def relative(found, truth):
    """Largest distance of a token vector from its fellow, relative to its length."""
    return max(
        float((np.linalg.norm(f - t, axis=-1) / np.linalg.norm(t, axis=-1)).max())
        for f, t in zip(found, truth)
    )


def check_invariance(shape, storage, cache):
    """One input alone, in any batch and order, on any threads and kernels. Returns failures."""
    folder = models_random.cached_model(cache, shape, storage)
    random = np.random.RandomState(2)
    lengths = fitting(shape, (17, 1, 128, 3, 2, 512, 40, 1, 511, 9, 257))
    inputs = [random_ids(random, shape, n) for n in lengths]
    whole = command.hidden(folder, inputs)
    shuffled = random.permutation(len(inputs))
    back = np.argsort(shuffled)
    again = command.hidden(folder, [inputs[i] for i in shuffled])
    short = [i for i, ids in enumerate(inputs) if len(ids) <= 128]
    results = {
        "alone": same(whole, [command.hidden(folder, [ids])[0] for ids in inputs]),
        "in another order": same(whole, [again[i] for i in back]),
        "in a smaller batch": same([whole[i] for i in short], command.hidden(folder, [inputs[i] for i in short])),
        "run again": same(whole, command.hidden(folder, inputs)),
        "gemm packed by name": same(whole, command.hidden(folder, inputs, gemm="packed")),
    }
    for threads in (1, 2, 3):
        results[f"threads {threads}"] = same(whole, command.hidden(folder, inputs, threads=threads))
    for isa in command.instruction_sets():
        results[f"isa {isa}"] = same(whole, command.hidden(folder, inputs, isa=isa))
    failed = [what for what, held in results.items() if not held]
    print(f"{shape.name:22} same bytes {', '.join(results)}: {'FAILS: ' + ', '.join(failed) if failed else 'yes'}")
    return failed + check_blas(folder, shape, inputs, whole)


def check_blas(folder, shape, inputs, packed):
    """The BLAS backend: batch against alone, and against our own kernels, within a relative 1e-5."""
    try:
        whole = command.hidden(folder, inputs, gemm="blas")
    except command.CommandError as error:
        absent = "gemm: " in str(error)  # left out of this build, or no OpenBLAS on this machine
        print(f"{shape.name:22} blas: {'not run' if absent else 'FAILS'}: {str(error).split(': ', 2)[-1]}")
        return [] if absent else ["blas"]
    alone = [command.hidden(folder, [ids], gemm="blas")[0] for ids in inputs]
    worst = max(relative(alone, whole), relative(whole, packed))
    print(f"{shape.name:22} blas: relative {worst:.1e} (bar {BLAS_BAR:.0e})")
    return [] if worst <= BLAS_BAR else ["blas"]


# ---- main -------------------------------------------------------------------------------------------------


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--group", action="append", choices=models_random.GROUPS)
    parser.add_argument("--model", action="append")
    parser.add_argument("--cache", default="build/parity/models")
    parser.add_argument("--torch-only", action="store_true", help="PyTorch's own errors, without us")
    return parser.parse_args()


def main():
    """All models, then the verdict."""
    args = arguments()
    start = time.time()
    models = [m for name in args.group or models_random.GROUPS for m in models_random.GROUPS[name]]
    models = [m for m in models if not args.model or m[0].name in args.model]
    rows = []
    for shape, storage in models:
        rows += check_model(shape, storage, args.cache, not args.torch_only)
    broken = []
    if not args.torch_only:
        for shape, storage in models:
            if shape.hidden <= 400:
                broken += check_invariance(shape, storage, args.cache)
    median = float(np.median([row.rms_ratio for row in rows]))
    failing = [row for row in rows if not row.passes]
    for row in failing:
        print(f"over the bar: {row.model} {row.case} layer {row.layer}: rms {row.rms_ratio:.2f}x,"
              f" largest {row.max_ratio:.2f}x of PyTorch's")  # fmt: skip
    if args.torch_only:
        print(f"hidden: PyTorch alone, {len(rows)} cases of {len(models)} models, {time.time() - start:.0f} s")
        return 0
    good = median < 1 and not failing and not broken
    largest = float(np.median([row.max_ratio for row in rows]))
    print(f"hidden: {len(rows)} cases of {len(models)} models: median rms ratio {median:.3f}, max {largest:.3f},"
          f" {len(failing)} over a bar, {len(broken)} differences of bytes, {time.time() - start:.0f} s:"
          f" {'PASS' if good else 'FAIL'}")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
