"""The library beside PyTorch and sentence-transformers on one machine: the same weights, the same token
ids, outputs compared (relative 1e-4) before anything is timed, and then ours and theirs in turn.

    peers.py --library build/release/libembed.so --model DIR --texts FILE [--csv FILE] [--threads 1 2]

PyTorch is transformers' model in float32 with scaled_dot_product_attention, in inference mode, its inputs
already tensors; every row is a forward pass of the whole batch to its token vectors. sentence-transformers
is encode() from texts to vectors, batches of 32, as users call it. A ratio above 1 means that we are faster.
"""
import argparse
import csv
import ctypes
import os
import statistics
import sys
import time

import numpy as np
import torch
import transformers

TOLERANCE = 1e-4
SHAPES = [(1, 8), (1, 16), (1, 32), (1, 128), (1, 512), (8, 128), (32, 16), (32, 128)]


# ---- ours, through include/embed.h -------------------------------------------------------------------


class Input(ctypes.Structure):
    """embed_input"""

    _fields_ = [("struct_size", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("count", ctypes.c_int64)]
    _fields_ += [(name, ctypes.c_void_p) for name in
                 ("texts", "text_sizes", "pairs", "pair_sizes", "ids", "type_ids", "offsets")]


class SessionOptions(ctypes.Structure):
    """embed_session_options"""

    _fields_ = [("struct_size", ctypes.c_uint32), ("threads", ctypes.c_int32)]
    _fields_ += [(name, ctypes.c_int64) for name in ("batch_tokens", "max_text_bytes")]
    _fields_ += [("parallel", ctypes.c_void_p), ("parallel_user", ctypes.c_void_p)]


class Ours:
    """A model and a session of the library."""

    def __init__(self, library, path, threads):
        self.lib = ctypes.CDLL(os.path.abspath(library))
        for name in ("embed_model_describe", "embed_session_error", "embed_status_string"):
            getattr(self.lib, name).restype = ctypes.c_char_p
        self.lib.embed_model_info.restype = self.lib.embed_output_dim.restype = ctypes.c_int64
        self.model, self.session = ctypes.c_void_p(), ctypes.c_void_p()
        options = SessionOptions(struct_size=ctypes.sizeof(SessionOptions), threads=threads)
        self._check(self.lib.embed_model_open(path.encode(), None, ctypes.byref(self.model), None))
        self._check(self.lib.embed_session_create(self.model, ctypes.byref(options), ctypes.byref(self.session),
                                                  None))
        self.hidden_size = self.lib.embed_model_info(self.model, 2)
        self.dim = self.lib.embed_output_dim(self.model, None)

    def _check(self, status):
        if status < 0:
            said = self.lib.embed_session_error(self.session) if self.session else b""
            raise RuntimeError((said or self.lib.embed_status_string(status)).decode())

    def hidden(self, ids):
        """A function that runs embed_last_hidden_state over ids[batch][tokens] and returns its array."""
        batch, tokens = ids.shape
        ids = np.ascontiguousarray(ids, np.int32)
        offsets = np.arange(batch + 1, dtype=np.int64) * tokens
        out = np.empty((batch, tokens, self.hidden_size), np.float32)
        given = Input(struct_size=ctypes.sizeof(Input), count=batch, ids=ids.ctypes.data, offsets=offsets.ctypes.data)

        def run(_keep=(ids, offsets)):
            self._check(self.lib.embed_last_hidden_state(self.session, ctypes.byref(given), None,
                                                         ctypes.c_void_p(out.ctypes.data), ctypes.c_int64(tokens)))
            return out

        return run

    def texts(self, texts):
        """A function that runs embed_encode_texts over Python strings and returns the vectors."""

        def run():
            encoded = [text.encode() for text in texts]
            pointers = (ctypes.c_char_p * len(texts))(*encoded)
            sizes = (ctypes.c_int64 * len(texts))(*map(len, encoded))
            out = np.empty((len(texts), self.dim), np.float32)
            self._check(self.lib.embed_encode_texts(self.session, pointers, sizes, ctypes.c_int64(len(texts)), None,
                                                    ctypes.c_void_p(out.ctypes.data), ctypes.c_int64(self.dim)))
            return out

        return run

    def close(self):
        self.lib.embed_session_free(self.session)
        self.lib.embed_model_free(self.model)


# ---- measuring ---------------------------------------------------------------------------------------------


def compare(ours, theirs):
    """Largest difference over the largest number; ends the run where it is too much."""
    error = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    if not error <= TOLERANCE:
        sys.exit(f"peers: outputs differ by a relative {error:.2e}: nothing is timed")
    return error


def turn(run, least):
    """One turn: a moment of quiet (the other's threads may still spin), a run to warm up, then timed runs."""
    time.sleep(0.02)
    run()
    times = []
    while sum(times) < least or not times:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return times


def in_turn(ours, theirs, seconds, turns=5):
    """Medians of both over turns of each."""
    times = [], []
    for _ in range(turns):
        times[0].extend(turn(ours, seconds / turns))
        times[1].extend(turn(theirs, seconds / turns))
    return [statistics.median(each) for each in times]


class Report:
    """A table on standard output, and rows of CSV."""

    def __init__(self, path):
        self.file = open(path, "w", newline="") if path else None
        self.rows = csv.writer(self.file) if self.file else None
        self.ratios = []
        if self.rows:
            self.rows.writerow(["what", "threads", "peer", "unit", "ours", "peer's", "ratio", "relative_error"])

    def add(self, what, threads, peer, unit, ours, theirs, faster, error):
        self.ratios.append(faster)
        loses = "   slower" if faster < 1 else ""
        print(f"{what:22} {threads:7} {ours:12.2f} {theirs:12.2f} {unit:8} {faster:6.2f}x  {error:8.1e}{loses}", flush=True)
        if self.rows:
            self.rows.writerow([what, threads, peer, unit, f"{ours:.6g}", f"{theirs:.6g}", f"{faster:.4g}", f"{error:.3g}"])

    def head(self, title, peer):
        print(f"\n{title}\n{'':22} {'threads':>7} {'ours':>12} {peer:>12} {'':8} {'ratio':>7}  {'rel diff':>8}")


def forward_passes(args, threads, report):
    """Token ids to token vectors, beside transformers' model."""
    torch.set_num_threads(threads)
    ours = Ours(args.library, args.model, threads)
    theirs = transformers.AutoModel.from_pretrained(args.model, dtype=torch.float32, attn_implementation="sdpa").eval()
    random = np.random.default_rng(1)
    report.head(f"Forward pass, {threads} threads: PyTorch eager, sdpa", "PyTorch")
    for batch, tokens in SHAPES:
        if tokens > theirs.config.max_position_embeddings:
            continue
        ids = random.integers(1, theirs.config.vocab_size, (batch, tokens))
        inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.ones(batch, tokens, dtype=torch.int64)}

        def peer(inputs=inputs):
            with torch.inference_mode():
                return theirs(**inputs).last_hidden_state.numpy()

        mine = ours.hidden(ids)
        error = compare(mine(), peer())
        a, b = in_turn(mine, peer, args.seconds)
        report.add(f"{batch}x{tokens}", threads, "torch sdpa", "ms", a * 1e3, b * 1e3, b / a, error)
    ours.close()


def sentences(args, threads, report):
    """Texts to vectors, beside sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    with open(args.texts, encoding="utf-8") as file:
        texts = file.read().split("\n")[:-1]
    ours = Ours(args.library, args.model, threads)
    theirs = SentenceTransformer(args.model, device="cpu", model_kwargs={"dtype": torch.float32})
    mine, peer = ours.texts(texts), lambda: theirs.encode(texts, show_progress_bar=False)
    error = compare(mine(), peer())
    a, b = in_turn(mine, peer, args.seconds, turns=3)
    report.head(f"{len(texts)} texts to vectors, {threads} threads: sentence-transformers encode()", "theirs")
    report.add(os.path.basename(args.texts), threads, "sentence-transformers", "texts/s", len(texts) / a,
               len(texts) / b, b / a, error)
    ours.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--texts", required=True)
    parser.add_argument("--csv")
    parser.add_argument("--threads", type=int, nargs="+", help="thread counts; default: 1 and every usable core")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each side, for each figure")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}; {cores} cores; "
          "a ratio above 1: ours is faster")
    report = Report(args.csv)
    counts = args.threads or sorted({1, cores})
    for threads in counts:
        forward_passes(args, threads, report)
    if not os.path.exists(os.path.join(args.model, "modules.json")):
        print("\nno modules.json: sentence-transformers would make up a recipe, so texts are not compared")
        counts = []
    for threads in counts:
        sentences(args, threads, report)
    slower = sum(ratio < 1 for ratio in report.ratios)
    print(f"\n{len(report.ratios)} comparisons: {slower} slower than the peer; ratios from {min(report.ratios):.2f} "
          f"to {max(report.ratios):.2f}, median {statistics.median(report.ratios):.2f}")


if __name__ == "__main__":
    main()
