"""The real ViT-Tiny (AugReg, ImageNet): last hidden states of photographs against vectors of an independent
double-precision forward pass, and what its classifier sees in them. Skipped where the weights are not there.

    vit_tiny.py [--model DIR]
"""
import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

import command
from images import our_hidden, our_vectors
from vision_reference import VisionReference

MODEL = os.environ.get("VIT_TINY", "../shared/data/weights/vit-tiny-patch16-224")
RESCALE = 0.00392156862745098
BAR = 1e-5  # of the largest difference, relative to the root mean square of the vector
SEEN = {"cats": "tabby", "finch": "house finch", "hopper": "military uniform", "pineapple": "pineapple",
        "wolves": "white wolf"}  # fmt: skip


def read_ppm(path):
    """[height][width][3] of a P6 file."""
    kind, size, depth, pixels = path.read_bytes().split(b"\n", 3)
    assert (kind, depth) == (b"P6", b"255")
    width, height = map(int, size.split())
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def distance(found, golden):
    """Largest difference relative to the root mean square of the golden vector."""
    golden = np.asarray(golden)
    return float(np.abs(found - golden).max() / np.sqrt((golden**2).mean()))


def check_photo(model, head, labels, folder, name):
    """Failures of one photograph, by its pixels and as a file."""
    golden = json.loads((folder / f"{name}.json").read_text())
    picture = read_ppm(folder / f"{name}.224.ppm")
    half = np.float32(0.5)
    pixels = (((picture * RESCALE).astype(np.float32) - half) / half).transpose(2, 0, 1)[None].copy()
    states = our_hidden(model, pixels)[0]
    logits = states[0] @ head["weight"].T + head["bias"]
    found = {"cls": states[0], "mean_patch": states[1:].mean(axis=0), "token1": states[1], "token196": states[196],
             "logits": logits}  # fmt: skip
    distances = {key: distance(vector, golden[key]) for key, vector in found.items()}
    torch_states = VisionReference(model).batch(pixels)["last"][0]
    distances["PyTorch's cls"] = distance(torch_states[0], golden["cls"])
    pooled = our_vectors(model, pixels, "patches")[0]
    distances["--pool patches"] = distance(pooled, golden["mean_patch"])
    failed = [key for key, far in distances.items() if far > BAR and "PyTorch" not in key]
    from_file = command.run_to_array("hidden", "-m", model, folder / f"{name}.224.ppm")[0]
    if from_file.tobytes() != states.tobytes():
        failed.append("other bytes from the file itself")
    seen = labels[int(logits.argmax())]
    if SEEN[name] not in seen:
        failed.append(f"seen as {seen}")
    figures = ", ".join(f"{key} {far:.1e}" for key, far in distances.items())
    print(f"{name}: {seen}; {figures}{'  FAILS: ' + ', '.join(failed) if failed else ''}", flush=True)
    return failed


def main():
    """Every photograph, then the verdict."""
    from safetensors import safe_open

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default=MODEL)
    model = Path(parser.parse_args().model)
    if not (model / "model.safetensors").exists():
        print(f"vit_tiny: not run: {model} is not there")
        return 0
    with safe_open(model / "model.safetensors", "np") as file:
        head = {kind: file.get_tensor(f"classifier.{kind}").astype(np.float64) for kind in ("weight", "bias")}
    labels = (model / "imagenet_labels.txt").read_text().splitlines()
    failed = [name for name in SEEN if check_photo(model, head, labels, model / "golden", name)]
    print(f"vit_tiny: {len(SEEN)} photographs, bar {BAR:.0e}: {'FAIL' if failed else 'PASS'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
