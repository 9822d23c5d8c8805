"""Small files of torch.save for tests/unit/test_torch_file.c, pickles that must be refused, and frozen models
(tests/data/models/bert, bert-sharded) whose weights are such files.

    freeze_torch.py [FOLDER]     (default: tests/data/torch)
"""
import collections
import io
import json
import os
import pickle
import shutil
import sys
import zipfile

import safetensors.torch
import torch

FOLDER = sys.argv[1] if len(sys.argv) > 1 else "tests/data/torch"


def save(name, what, **more):
    torch.save(what, os.path.join(FOLDER, name), **more)


def archive(name, files):
    with zipfile.ZipFile(os.path.join(FOLDER, name), "w", zipfile.ZIP_STORED) as zipped:
        for path, data in files.items():
            zipped.writestr(zipfile.ZipInfo(path), data)


class Call:
    """Pickled as a call of a function."""

    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called


def pickled(what):
    out = io.BytesIO()
    pickle.Pickler(out, 2).dump(what)
    return out.getvalue()


def models():
    """The same directories, weights apart."""
    root = "tests/data/models"
    for name in ("bert", "bert-sharded"):
        source, folder = f"{root}/{name}", f"{root}/{name.replace('bert', 'bert-torch')}"
        shutil.copytree(source, folder, dirs_exist_ok=True)
        for file in sorted(os.listdir(folder)):
            path, target = f"{folder}/{file}", file.replace("model", "pytorch_model").replace(".safetensors", ".bin")
            if file.endswith(".index.json"):
                with open(path) as f:
                    index = json.load(f)
                index["weight_map"] = {tensor: shard.replace("model", "pytorch_model").replace(".safetensors", ".bin")
                                       for tensor, shard in index["weight_map"].items()}
                with open(f"{folder}/{target}", "w") as f:
                    json.dump(index, f)
            elif file.startswith("model"):
                tensors = safetensors.torch.load_file(path)
                for key in tensors:  # some not in rows, as tied or turned weights are
                    if key.endswith("query.weight"):
                        tensors[key] = tensors[key].t().contiguous().t()
                torch.save(collections.OrderedDict(tensors), f"{folder}/{target}")
            if file.startswith("model"):
                os.remove(path)


def main():
    models()
    os.makedirs(FOLDER, exist_ok=True)
    numbers = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    save("plain.bin", collections.OrderedDict([
        ("weight", numbers), ("half", numbers.half()), ("bfloat", numbers.bfloat16()), ("double", numbers.double()),
        ("ids", torch.arange(3)), ("turned", numbers.t()), ("part", numbers[1:, 1:3]), ("one", torch.tensor(7.0)),
        ("empty", torch.zeros(0, 4)), ("again", numbers)]))
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3))
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.arange(weight.numel()).reshape(weight.shape))
    save("module.bin", model.state_dict())
    save("parameter.bin", {"weight": torch.nn.Parameter(numbers), "epoch": 3, "name": "x", "rate": 0.5, "list": [1, 2]})
    save("whole.bin", model)
    save("old.bin", {"weight": numbers}, _use_new_zipfile_serialization=False)
    save("expanded.bin", {"weight": torch.tensor([1.0]).expand(1000, 1000)})
    archive("call.bin", {"a/data.pkl": pickled({"weight": Call(os.system, "true")})})
    archive("nested.bin", {"a/data.pkl": b"\x80\x02" + b"(" * 1000 + b"t" * 1000 + b"."})
    archive("memo.bin", {"a/data.pkl": b"\x80\x02}r\xff\xff\xff\x7f."})
    archive("number.bin", {"a/data.pkl": b"\x80\x02K\x05."})
    archive("empty.bin", {"a/data.pkl": b""})
    archive("none.bin", {"a/other": b""})


main()
