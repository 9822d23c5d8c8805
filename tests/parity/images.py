"""Hidden states of every layer of every vision family against a float64 run of the reference, beside
PyTorch's own float32. Images go to the model as pixel_values, so that preprocessing plays no part.

A case is one model, one size of image and one layer; the last layer after the final norm, pooler_output
and the projection are cases too. Bars as in hidden.py, but the largest error is that of each image, averaged
over the images of a case: errors of tokens have long tails (attention that nearly ties), and the largest of
thousands of tokens is one token's luck. Pooled vectors, which are few numbers, have a bar on their rms error
alone. Then: the same bytes for an image alone and in any batch, on any number of threads and any instruction
set.

    images.py [--group full|odd|stored]... [--model NAME]... [--cache DIR] [--torch-only]
"""
import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import command
import vision_random
from hidden import BLAS_BAR, Row, relative
from vision_reference import VisionReference

POOLED = ("pooler", "projection")
POOLED_BAR = 1.5
FEW = 16  # images of a case that PyTorch runs alone too; its error is the worse of the two


class Case(Row):
    """One case; its layer may be "last" or the name of a pooled vector."""

    @property
    def passes(self):
        if self.layer in POOLED:
            return self.rms_ratio <= POOLED_BAR
        return super().passes


# ---- the command ---------------------------------------------------------------------------------------


def with_pixels(pixels, *arguments, **options):
    """Run a subcommand on pixel_values."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pixels.npy"
        np.save(file, pixels)
        return command.run_to_array(*arguments, "--pixels", file, *command.flags(options))


def our_hidden(model, pixels, **options):
    """embed hidden: [images][tokens][hidden]. Without layer: last_hidden_state."""
    return with_pixels(pixels, "hidden", "-m", model, **options)


def our_vectors(model, pixels, pool, **options):
    """embed image: [images][numbers]."""
    return with_pixels(pixels, "image", "-m", model, pool=pool, no_normalize=True, **options)


def ours(model, pixels, names, **options):
    """What the reference gave, by the same names."""
    results = {}
    for name in names:
        if name in POOLED:
            results[name] = our_vectors(model, pixels, name, **options)
        else:
            results[name] = our_hidden(model, pixels, layer=None if name == "last" else str(name), **options)
    return results


# ---- errors --------------------------------------------------------------------------------------------


def error(found, truth):
    """(rms, largest) error; largest: of each image, averaged."""
    assert found.shape == truth.shape, f"{found.shape} for the reference's {truth.shape}"
    difference = np.abs(found - truth)
    largest = difference.reshape(len(difference), -1).max(axis=1)
    return float(np.sqrt((difference**2).mean())), float(largest.mean())


def how_many(shape, size):
    """Images of a case: many, where they are cheap."""
    tokens = (size[0] // shape.patch[0]) * (size[1] // shape.patch[1]) + 1
    if shape.layers * shape.hidden <= 400:
        return max(2, min(256, 4096 // tokens))
    return max(1, min(4, 400 // tokens))


def check_size(shape, folder, reference, size, interpolate, with_us):
    """The cases of one model and one size of image."""
    pixels = vision_random.make_pixels(how_many(shape, size), *size)
    truth = reference.truth(pixels, interpolate)
    ways = [reference.batch(pixels, interpolate)]
    if len(pixels) <= FEW:
        ways.append(reference.alone(pixels, interpolate))
    found = ours(folder, pixels, truth, interpolate_pos_encoding=interpolate) if with_us else ways[0]
    case = f"{size[0]}x{size[1]}" + ("i" if interpolate else "")
    rows = []
    for name, exact in truth.items():
        torch_errors = np.max([error(way[name], exact) for way in ways], axis=0)
        rows.append(Case(shape.name, case, name, *error(found[name], exact), *torch_errors))
    return rows


def print_case(rows):
    """A line for one case: the worst layer of each figure."""
    layers = [row for row in rows if row.layer not in POOLED]
    last = next(row for row in rows if row.layer == "last")
    print(
        f"{last.model:22} {last.case:>9}  last: rms {last.rms:8.2e} (torch {last.torch_rms:8.2e})"
        f"  rms ratio first {layers[0].rms_ratio:5.2f} median {np.median([r.rms_ratio for r in layers]):5.2f}"
        f" worst {max(r.rms_ratio for r in layers):5.2f}  max ratio worst {max(r.max_ratio for r in layers):5.2f}"
        + "".join(f"  {row.layer} {row.rms_ratio:5.2f}" for row in rows if row.layer in POOLED)
        + ("" if all(row.passes for row in rows) else "  FAILS"),
        flush=True,
    )


def check_model(shape, storage, cache, with_us):
    """All cases of one model. Failures of the command come back as text."""
    folder = vision_random.cached_model(cache, shape, storage)
    reference = VisionReference(folder)
    sizes = [(size, False) for size in shape.sizes or (shape.image,)]
    sizes += [(size, True) for size in shape.interpolated]
    rows, failures = [], []
    for size, interpolate in sizes:
        try:
            rows.append(check_size(shape, folder, reference, size, interpolate, with_us))
            print_case(rows[-1])
        except (command.CommandError, AssertionError) as problem:
            failures.append(f"{shape.name} {size[0]}x{size[1]}: {problem}")
            print(f"{failures[-1]}  FAILS", flush=True)
    return [row for case in rows for row in case], failures


# ---- same bytes ------------------------------------------------------------------------------------------


def check_blas(folder, pixels, packed):
    """How far a batch and images alone are from our own kernels with a BLAS, relative to a token's length;
    None without one."""
    try:
        whole = our_hidden(folder, pixels, gemm="blas")
    except command.CommandError as problem:
        if "gemm: " in str(problem):  # left out of this build, or no OpenBLAS on this machine
            return None
        raise
    alone = np.concatenate([our_hidden(folder, pixels[i : i + 1], gemm="blas") for i in range(2)])
    return max(relative(whole, packed), relative(alone, whole[:2]))


def check_invariance(shape, storage, cache):
    """One image alone, in any batch and order, on any threads and kernels. Returns failures."""
    folder = vision_random.cached_model(cache, shape, storage)
    size = (shape.sizes or (shape.image,))[0]
    pixels = vision_random.make_pixels(7, *size, seed=1)
    whole = our_hidden(folder, pixels)
    same = lambda found: found.tobytes() == whole.tobytes()  # noqa: E731
    order = np.random.RandomState(2).permutation(len(pixels))
    results = {
        "alone": same(np.concatenate([our_hidden(folder, pixels[i : i + 1]) for i in range(len(pixels))])),
        "in another order": same(our_hidden(folder, pixels[order])[np.argsort(order)]),
        "in small passes": same(our_hidden(folder, pixels, batch_tokens=2 * whole.shape[1])),
    }
    for threads in (1, 2, 3):
        results[f"threads {threads}"] = same(our_hidden(folder, pixels, threads=threads))
    for isa in command.instruction_sets():
        results[f"isa {isa}"] = same(our_hidden(folder, pixels, isa=isa))
    far = check_blas(folder, pixels, whole)
    results["blas (within 1e-5)" if far is not None else "blas not run"] = far is None or far <= BLAS_BAR
    failed = [f"{shape.name} {what}" for what, held in results.items() if not held]
    print(f"{shape.name:22} same bytes {', '.join(results)}: {'FAILS: ' + ', '.join(failed) if failed else 'yes'}",
          flush=True)  # fmt: skip
    return failed


# ---- main -------------------------------------------------------------------------------------------------


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--group", action="append", choices=vision_random.GROUPS)
    parser.add_argument("--model", action="append")
    parser.add_argument("--cache", default="build/parity/models")
    parser.add_argument("--torch-only", action="store_true", help="PyTorch's own errors, without us")
    return parser.parse_args()


def main():
    """All models, then the verdict."""
    args = arguments()
    start = time.time()
    models = [m for name in args.group or vision_random.GROUPS for m in vision_random.GROUPS[name]]
    models = [m for m in models if not args.model or m[0].name in args.model]
    rows, failures = [], []
    for shape, storage in models:
        more, failed = check_model(shape, storage, args.cache, not args.torch_only)
        rows, failures = rows + more, failures + failed
    if not args.torch_only:
        for shape, storage in models:
            if shape.hidden <= 400:
                try:
                    failures += check_invariance(shape, storage, args.cache)
                except command.CommandError as problem:
                    failures.append(f"{shape.name}: {problem}")
    failing = [row for row in rows if not row.passes]
    for row in failing:
        print(f"over the bar: {row.model} {row.case} layer {row.layer}: rms {row.rms_ratio:.2f}x,"
              f" largest {row.max_ratio:.2f}x of PyTorch's")  # fmt: skip
    for failure in failures:
        print(f"failed: {failure}")
    median = float(np.median([row.rms_ratio for row in rows])) if rows else np.inf
    largest = float(np.median([row.max_ratio for row in rows])) if rows else np.inf
    good = (median < 1 or args.torch_only) and not failing and not failures
    print(f"images: {len(rows)} cases of {len(models)} models: median rms ratio {median:.3f}, max {largest:.3f},"
          f" {len(failing)} over a bar, {len(failures)} failures, {time.time() - start:.0f} s:"
          f" {'PASS' if good else 'FAIL'}")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
