"""The library's tokenizers beside Hugging Face tokenizers, on one machine and the same natural text: ids
compared first, then ours and theirs in turn.

    tokenizer_speed.py --library build/release/libembed.so --texts FILE [--data DIR] [--csv FILE]

Ours is embed_count_tokens over all texts, on one thread; theirs is encode_batch_fast, which leaves offsets
out as well, on one thread and on all. DIR holds a folder for each tokenizer, as ../shared/data/tokenizers
does; those that are not there are left out. A ratio above 1 means that we are faster.
"""
import argparse
import csv
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
from safetensors.numpy import load_file, save_file

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NO_TRUNCATION, POSITIONS = 2, 4096
# kind, folder, file, and how many times as fast as one thread of theirs we promise to be
TOKENIZERS = [
    ("WordPiece", "all-MiniLM-L6-v2", "tokenizer.json", 10), ("WordPiece", "gte-small", "tokenizer.json", 10),
    ("BPE", "gpt2", "tokenizer.json", 5), ("BPE", "roberta-base", "tokenizer.json", 5),
    ("BPE", "clip", "tokenizer.json", 5), ("Unigram", "xlm-roberta-base", "tokenizer.reconstructed.json", 5),
    ("Unigram", "t5-small", "tokenizer.json", 5),
]


class Sized(ctypes.Structure):
    """embed_encode_options as far as it is used here."""

    _fields_ = [("struct_size", ctypes.c_uint32), ("flags", ctypes.c_uint32)]


class Session(ctypes.Structure):
    """embed_session_options as far as it is used here."""

    _fields_ = [("struct_size", ctypes.c_uint32), ("threads", ctypes.c_int32)]


class Input(ctypes.Structure):
    """embed_input"""

    _fields_ = Sized._fields_ + [("count", ctypes.c_int64)]
    _fields_ += [(name, ctypes.c_void_p) for name in ("texts", "text_sizes", "pairs", "pair_sizes", "ids", "type_ids",
                                                      "offsets")]


class Tokens(ctypes.Structure):
    """embed_tokens"""

    _fields_ = Sized._fields_ + [("capacity", ctypes.c_int64)]
    _fields_ += [(name, ctypes.c_void_p) for name in ("ids", "type_ids", "offsets", "word_ids", "sequence_ids")]


def backend(path):
    """The reference's pipeline of a tokenizer.json."""
    import tokenizers

    oracle = tokenizers.Tokenizer.from_file(path)
    oracle.no_truncation()
    oracle.no_padding()
    return oracle


class Ours:
    """A session over a small encoder with the tokenizer of `path`."""

    def __init__(self, library, path, folder, rows):
        model = os.path.join(ROOT, "tests/data/models/bert")
        tensors = load_file(os.path.join(model, "model.safetensors"))
        for ending, count in (("word_embeddings.weight", rows), ("position_embeddings.weight", POSITIONS)):
            name = next(n for n in tensors if n.endswith("embeddings." + ending))
            tensors[name] = np.zeros((count, tensors[name].shape[1]), np.float32)
        save_file(tensors, os.path.join(folder, "model.safetensors"))
        with open(os.path.join(model, "config.json")) as f:
            config = json.load(f)
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump({**config, "vocab_size": rows, "max_position_embeddings": POSITIONS}, f)
        shutil.copy(path, os.path.join(folder, "tokenizer.json"))
        with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
            json.dump({"tokenizer_class": "PreTrainedTokenizerFast"}, f)
        self.lib = ctypes.CDLL(os.path.abspath(library))
        self.lib.embed_session_error.restype = ctypes.c_char_p
        self.lib.embed_tokenize.restype = ctypes.c_int64
        model, self.session = ctypes.c_void_p(), ctypes.c_void_p()
        self.options = Sized(ctypes.sizeof(Sized), NO_TRUNCATION)
        self.check(self.lib.embed_model_open(folder.encode(), None, ctypes.byref(model), None))
        alone = Session(ctypes.sizeof(Session), 1)
        self.check(self.lib.embed_session_create(model, ctypes.byref(alone), ctypes.byref(self.session), None))

    def check(self, status):
        if status < 0:
            said = self.lib.embed_session_error(self.session) if self.session else b""
            raise RuntimeError("status %d: %s" % (status, (said or b"").decode()))
        return status

    def ids(self, text):
        data, out = text.encode(), np.empty(4 * len(text) + 64, np.int32)
        tokens = Tokens(ctypes.sizeof(Tokens), capacity=len(out), ids=out.ctypes.data)
        count = self.lib.embed_tokenize(self.session, data, ctypes.c_int64(len(data)), None, ctypes.c_int64(0),
                                        ctypes.byref(self.options), ctypes.byref(tokens))
        return out[: self.check(count)].tolist()

    def all(self, texts):
        """A function that tokenizes all texts, and how many tokens they are."""
        data = [t.encode() for t in texts]
        sizes, counts = np.array([len(d) for d in data], np.int64), np.empty(len(data), np.int64)
        pointers = (ctypes.c_char_p * len(data))(*data)
        given = Input(ctypes.sizeof(Input), count=len(data), texts=ctypes.addressof(pointers),
                      text_sizes=sizes.ctypes.data)  # fmt: skip

        def run(_keep=(data, pointers, sizes)):
            self.check(self.lib.embed_count_tokens(self.session, ctypes.byref(given), ctypes.byref(self.options),
                                                   ctypes.c_void_p(counts.ctypes.data)))  # fmt: skip

        run()
        return run, counts.sum()


def best(run, clock=time.process_time, seconds=1.0):
    """Seconds of the fastest of the runs that fit; of one thread the processor's, which other work on the
    machine does not lengthen."""
    fastest, start = float("inf"), time.perf_counter()
    while time.perf_counter() - start < seconds or fastest == float("inf"):
        begin = clock()
        run()
        fastest = min(fastest, clock() - begin)
    return fastest


def measure_theirs(path, texts, threads):
    """In a process of its own: the number of threads is read once."""
    code = ("import importlib.util as u, json, sys; s = u.spec_from_file_location('bench', %r); "
            "t = u.module_from_spec(s); s.loader.exec_module(t); texts = json.load(sys.stdin); "
            "o = t.backend(%r); print(t.best(lambda: o.encode_batch_fast(texts), t.time.%s))") % (
                os.path.abspath(__file__), path, "process_time" if threads == 1 else "perf_counter")
    env = dict(os.environ, TOKENIZERS_PARALLELISM="false" if threads == 1 else "true", HF_HUB_OFFLINE="1")
    out = subprocess.run([sys.executable, "-c", code], text=True, env=env,
                         input=json.dumps(texts), stdout=subprocess.PIPE, check=True)  # fmt: skip
    return float(out.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", required=True)
    parser.add_argument("--texts", required=True)
    parser.add_argument("--data", default=os.path.join(ROOT, "../shared/data/tokenizers"))
    parser.add_argument("--csv")
    parser.add_argument("--only")
    args = parser.parse_args()
    with open(args.texts, encoding="utf-8") as f:
        texts = [line.rstrip("\n") for line in f]
    size, rows, short = sum(len(t.encode()) for t in texts), [], []
    print("%d texts, %.0f KB; MB/s on one thread, and of tokenizers on one and on all" % (len(texts), size / 1e3))
    for kind, name, file, promised in TOKENIZERS:
        path = os.path.join(args.data, name, file)
        if not os.path.exists(path) or (args.only and name not in args.only.split(",")):
            continue
        with tempfile.TemporaryDirectory() as folder:
            theirs = backend(path)
            ours = Ours(args.library, path, folder, theirs.get_vocab_size(with_added_tokens=True))
            for text in texts:
                if ours.ids(text) != theirs.encode(text).ids:
                    sys.exit("tokenizers: %s: other ids for %s" % (name, ascii(text)))
            run, tokens = ours.all(texts)
            if tokens != sum(len(theirs.encode(text).ids) for text in texts):
                sys.exit("tokenizers: %s: other counts" % name)
            mine, one = best(run), measure_theirs(path, texts, 1)
            mine, every = min(mine, best(run)), measure_theirs(path, texts, 0)
        ratio = one / mine
        rows.append((kind, name, size / mine / 1e6, size / one / 1e6, size / every / 1e6, ratio))
        print("%-10s %-22s %8.1f %8.2f %8.2f   %5.1f times one thread (promised: %d), %5.1f times all" % (
            *rows[-1][:5], ratio, promised, every / mine), flush=True)
        if ratio < promised:
            short.append(name)
    if args.csv:
        with open(args.csv, "w", newline="") as f:
            csv.writer(f).writerows([("kind", "tokenizer", "ours_mb_s", "one_thread_mb_s", "all_mb_s", "ratio"), *rows])
    if short:
        print("tokenizers: short of what is promised: %s" % ", ".join(short))


if __name__ == "__main__":
    main()
