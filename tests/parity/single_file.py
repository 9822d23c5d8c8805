"""Single-file models before the reference's reader: safetensors opens each, and finds in its panels the
weights of the directory, bit for bit as float32 and rounded as NumPy rounds them to float16."""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from safetensors import safe_open

EMBED = os.environ["EMBED"]
MODELS = "tests/data/models"
LAYER = "bert.encoder.layer.1."


def convert(model, dtype, folder):
    name = os.path.join(folder, f"{dtype}.embed")
    subprocess.run([EMBED, "convert", "-m", model, "-o", name, "--dtype", dtype, "--force"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return name


def rows_of(panels, rows, columns):
    """[panels][columns][16] -> [rows][columns]"""
    return panels.transpose(0, 2, 1).reshape(-1, columns)[:rows]


def check_place(name):
    """Every tensor of weights lies at a multiple of 64 bytes of the file."""
    with open(name, "rb") as f:
        size = int.from_bytes(f.read(8), "little")
        header = json.loads(f.read(size))
    assert (8 + size) % 64 == 0
    shapes = json.loads(header["__metadata__"]["libembed.shapes"])
    for tensor in shapes:
        assert header[tensor]["data_offsets"][0] % 64 == 0, tensor
    return shapes


def check_weights(model, name, dtype):
    shapes = check_place(name)
    numpy_type = {"f32": np.float32, "f16": np.float16}[dtype]
    with safe_open(name, "np") as f, safe_open(f"{model}/model.safetensors", "np") as plain:
        assert f.metadata()["libembed.format"] == "2"
        assert f.metadata()["config.json"] == open(f"{model}/config.json", encoding="utf-8").read()
        for tensor in f.keys():
            assert f.get_tensor(tensor) is not None
        for linear in ("attention.output.dense", "intermediate.dense", "output.dense"):
            key = LAYER + linear + ".weight"
            rows, columns = shapes[key]
            found = rows_of(f.get_tensor(key), rows, columns)
            truth = plain.get_tensor(key.removeprefix("bert.")).astype(np.float32)
            assert found.dtype == numpy_type
            assert np.array_equal(found, truth.astype(numpy_type)), key
        key = "bert.embeddings.word_embeddings.weight"
        rows, columns = shapes[key]
        table = f.get_tensor(key).reshape(-1)[:rows * columns].reshape(rows, columns)
        truth = plain.get_tensor(key.removeprefix("bert.")).astype(np.float32)
        assert np.array_equal(table, truth.astype(numpy_type)), key


def main():
    files = 0
    with tempfile.TemporaryDirectory() as folder:
        for dtype in ("f32", "f16"):
            check_weights(f"{MODELS}/bert-bare", convert(f"{MODELS}/bert-bare", dtype, folder), dtype)
        for model in sorted(os.listdir(MODELS)):
            for dtype in ("f32", "f16", "bf16", "int8"):
                name = convert(f"{MODELS}/{model}", dtype, folder)
                check_place(name)
                with safe_open(name, "pt") as f:
                    for tensor in f.keys():
                        f.get_tensor(tensor)
                files += 1
    print(f"{files} single-file models open in safetensors; panels hold the directory's weights")


if __name__ == "__main__":
    sys.exit(main())
