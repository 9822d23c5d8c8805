"""Small files of torch.save for tests/unit/test_torch_file.c, and pickles that must be refused.

    freeze_torch.py [FOLDER]     (default: tests/data/torch)
"""
import collections
import io
import os
import pickle
import sys
import zipfile

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


def main():
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
