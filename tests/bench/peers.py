"""The library beside other engines on one machine: the same weights, the same token ids or pixels, outputs
compared before anything is timed, and then ours and theirs in turn.

    peers.py --library build/release/libembed.so --model DIR --texts FILE [--csv FILE] [--threads 1 2]
             [--models minilm bert vit] [--engines onnxruntime "openvino int8" ...] [--shapes 1x8 natural ...]

minilm is the model of --model; bert (BERT-base) and vit (ViT-B/16) are made with random weights. A shape is
batch x tokens without padding, one forward pass to last_hidden_state, inputs in memory as each engine wants
them. "natural" is the token ids of --texts in the lengths in which they come: ours takes them as they are, the
others sorted by length and padded in batches of 32. Every engine (engines.py) runs in a process of its own,
against ours in the same precision; "ours" itself is compared in its precisions and thread counts, and whole
programs (sentence-transformers, from texts to vectors; from the start of a process to its first vector) with
the embed command and library. A ratio above 1 means that ours is faster. Rows of CSV become
docs/performance.md by page.py.
"""
import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from engines import ENGINES, Model
from ours import Ours
from timing import Report, cores, in_turn

SHAPES = {"minilm": ["1x8", "1x16", "1x32", "1x128", "1x512", "8x128", "32x16", "32x128", "natural"],
          "bert": ["1x4", "1x8", "1x16", "1x32", "1x128", "1x512", "8x128", "32x16"],
          "vit": ["1x197", "8x197"]}
TOLERANCE = 1e-3  # of float32, relative to the largest number; a wrong network differs by 0.1 and more
BATCH = 32


def make_model(name, folder):
    """BERT-base or ViT-B/16 with random weights, their biases and norms moved off 0 and 1."""
    import torch
    import transformers

    if (folder / "model.safetensors").exists():
        return folder
    torch.manual_seed(7)
    if name == "bert":
        model = transformers.BertModel(transformers.BertConfig(), add_pooling_layer=False)
    else:
        model = transformers.ViTModel(transformers.ViTConfig(), add_pooling_layer=False)
        from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

        ViTImageProcessorPil().save_pretrained(folder)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 1:
                weight.add_(0.02 * torch.randn_like(weight))
    model.save_pretrained(folder)
    return folder


def cost(config, batch, tokens):
    """Floating-point operations of the products of a pass, and bytes of its layers' weights in float32."""
    h, i, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    pass_ = batch * tokens * layers * (8.0 * h * h + 4.0 * h * i + 4.0 * h * tokens)
    if config.model_type == "vit":
        pass_ += batch * (tokens - 1) * 2.0 * h * 3 * config.patch_size**2
    return pass_, 4.0 * layers * (4 * h * h + 2 * h * i)


def floor_ms(probe, precision, flops, bytes_, threads):
    """What arithmetic or reading the weights takes at least, whichever is longer."""
    at = str(threads)
    if at not in probe.get("f32", {}):
        return None
    quarter = precision == "int8"
    speed = probe["int8" if quarter and "int8" in probe else "f32"][at]
    return max(flops / speed, bytes_ / (4 if quarter else 1) / probe["read"][at]) * 1e-6


def difference(ours, theirs):
    return float(np.abs(ours.astype(np.float64) - theirs).max() / np.abs(theirs).max())


# ---- one engine, in a process of its own -------------------------------------------------------------------------


def natural(args):
    """Token ids of the texts, and their sorted, padded batches."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(args.folder)
    rows = tokenizer(Path(args.texts).read_text(encoding="utf-8").split("\n")[:-1], truncation=True,
                     max_length=256)["input_ids"]
    rows = [np.array(row, np.int64) for row in sorted(rows, key=len)]
    batches = []
    for start in range(0, len(rows), BATCH):
        some = rows[start:start + BATCH]
        ids = np.zeros((len(some), max(map(len, some))), np.int64)
        for to, row in zip(ids, some):
            to[:len(row)] = row
        mask = (np.arange(ids.shape[1]) < np.array([[len(row)] for row in some])).astype(np.int64)
        batches.append({"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})
    return rows, batches


def natural_pair(args, bind, ours):
    """Vectors by masked mean; the peer's are made of its last_hidden_state once, outside of timing."""
    rows, batches = natural(args)
    order = np.random.default_rng(3).permutation(len(rows))
    runs = [bind(batch) for batch in batches]
    mine = ours.vectors_of_ids([rows[i] for i in order])
    pooled = []
    for run, batch in zip(runs, batches):
        mask = batch["attention_mask"][:, :, None]
        pooled.append((run() * mask).sum(1) / mask.sum(1))
    vectors = np.concatenate(pooled)[order]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return mine, lambda: [run() for run in runs], difference(mine(), vectors)


def measure_engine(args):
    precision, make, _, pads = ENGINES[args.child]
    model = Model(args.folder, args.cache)
    bind = make(model, args.threads_here)
    report, probe = Report(args.csv, append=True), json.loads(args.probe)
    for shape in args.shapes:
        if shape == "natural" and not pads:
            continue
        ours = Ours(args.library, args.folder, args.threads_here, precision)
        row = {"model": args.name, "shape": shape, "threads": args.threads_here, "precision": precision,
               "ours": precision, "peer": args.child, "unit": "ms"}
        if shape == "natural":
            mine, theirs, error = natural_pair(args, bind, ours)
        else:
            batch, tokens = map(int, shape.split("x"))
            inputs = model.inputs(batch, tokens)
            mine, theirs = ours.hidden(inputs), bind(inputs)
            error = difference(mine(), np.asarray(theirs(), np.float32))
            flops, read = cost(model.config, batch, tokens)
            row["floor_ms"] = floor_ms(probe, precision, flops, read, args.threads_here)
        if precision == "f32" and not error <= TOLERANCE:
            sys.exit(f"peers: {args.child}, {shape}: outputs differ by {error:.2e}: nothing is timed")
        a, b = in_turn(mine, theirs, args.seconds)
        report.add(**row, ours_value=a * 1e3, peer_value=b * 1e3, difference=error)
        ours.close()


def measure_ours(args):
    """Our precisions against our float32, and all threads against one."""
    model = Model(args.folder, args.cache)
    report, probe = Report(args.csv, append=True), json.loads(args.probe)
    count = args.threads_here
    if count > 1:
        plans = [(kind, kind) for kind in ("f32", "int8")]
    else:
        plans = [(kind, "f32") for kind in ("f16", "bf16", "int8")]
    for kind, other in plans:
        ours = Ours(args.library, args.folder, count, kind)
        theirs = Ours(args.library, args.folder, 1, other)
        for shape in args.shapes:
            if shape == "natural":
                continue
            batch, tokens = map(int, shape.split("x"))
            inputs = model.inputs(batch, tokens)
            mine, peer = ours.hidden(inputs), theirs.hidden(inputs)
            error = difference(mine(), peer())
            a, b = in_turn(mine, peer, args.seconds)
            flops, read = cost(model.config, batch, tokens)
            name = f"ours {other}" + (", 1 thread" if count > 1 else "")
            report.add(model=args.name, shape=shape, threads=count, precision=kind, ours=kind, peer=name, unit="ms",
                       ours_value=a * 1e3, peer_value=b * 1e3, difference=error,
                       floor_ms=floor_ms(probe, kind, flops, read, count))
        ours.close()
        theirs.close()


def measure_texts(args):
    """Texts to vectors, beside sentence-transformers."""
    import torch
    from sentence_transformers import SentenceTransformer

    backend = args.child.partition("-transformers ")[2] or "torch"
    torch.set_num_threads(args.threads_here)
    texts = Path(args.texts).read_text(encoding="utf-8").split("\n")[:-1]
    ours = Ours(args.library, args.folder, args.threads_here)
    kwargs = {"dtype": torch.float32} if backend == "torch" else {}
    theirs = SentenceTransformer(args.folder, device="cpu", backend=backend, model_kwargs=kwargs)
    mine, peer = ours.vectors_of_texts(texts), lambda: theirs.encode(texts, show_progress_bar=False)
    error = difference(mine(), peer())
    a, b = in_turn(mine, peer, args.seconds)
    Report(args.csv, append=True).add(
        model=args.name, shape="texts", threads=args.threads_here, precision="f32", ours="f32", peer=args.child,
        unit="texts/s", ours_value=len(texts) / a, peer_value=len(texts) / b, difference=error)


# ---- from the start of a process to its first vector -------------------------------------------------------------

FIRST = {
    "sentence-transformers": "import sys; from sentence_transformers import SentenceTransformer as S; "
                             "print(S(sys.argv[1], device='cpu').encode(sys.argv[2]))",
    "onnxruntime": "import sys, tokenizers, onnxruntime as o; "
                   "t = tokenizers.Tokenizer.from_file(sys.argv[1] + '/tokenizer.json'); t.no_padding(); "
                   "e = t.encode(sys.argv[2]); s = o.InferenceSession(sys.argv[3]); "
                   "print(s.run(None, dict(input_ids=[e.ids], attention_mask=[e.attention_mask], "
                   "token_type_ids=[e.type_ids]))[0].mean(1))",
}


def process(arguments):
    """Milliseconds and MiB of resident memory of a program that prints a vector."""
    begin = time.perf_counter()
    child = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"peers: {arguments[0]} ended with status {child.returncode}")
    return (time.perf_counter() - begin) * 1e3, usage.ru_maxrss / 1024


def measure_first(args, folder, cache):
    text = "A cat is sleeping on the sofa."
    ours = [args.embed, "text", "-m", str(folder), text]
    report = Report(args.csv, append=True)
    for peer, code in FIRST.items():
        theirs = [sys.executable, "-c", code, str(folder), text, str(cache / "plain.onnx")]
        pairs = [(process(ours), process(theirs)) for _ in range(5)]
        for i, unit in enumerate(("ms", "MiB")):
            a, b = (min(pair[side][i] for pair in pairs) for side in (0, 1))
            report.add(model="minilm", shape="first", threads=cores(), precision="f32", ours="embed", peer=peer,
                       unit=unit, ours_value=a, peer_value=b, difference=0.0)


# ---- all of it --------------------------------------------------------------------------------------------------


def measure_probe(args, seen):
    """The best of what the CPU has shown so far: GFLOP/s, int8 GOP/s and GB/s by threads."""
    lines = subprocess.run([args.bench, "--probe"], capture_output=True, text=True, check=True).stdout.splitlines()
    for kind, threads, value in (line.split(",") for line in lines):
        kept = seen.setdefault(kind, {})
        kept[threads] = max(kept.get(threads, 0), float(value))


def child(args, engine, name, folder, threads, shapes, probe):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    command = [sys.executable, __file__, "--child", engine, "--name", name, "--folder", str(folder), "--library",
               args.library, "--cache", str(Path(args.cache) / name), "--threads-here", str(threads), "--probe",
               json.dumps(probe), "--seconds", str(args.seconds), "--texts", args.texts, "--shapes", *shapes]
    if args.csv:
        command += ["--csv", args.csv]
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"{name} {engine}, {threads} threads: left out: {said}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", default="build/release/libembed.so")
    parser.add_argument("--embed", default="build/release/embed")
    parser.add_argument("--bench", default="build/release/bench")
    parser.add_argument("--model", help="the directory of minilm")
    parser.add_argument("--texts", default="examples/sentences.txt")
    parser.add_argument("--cache", default="build/peers", help="where models and graphs are made")
    parser.add_argument("--csv")
    parser.add_argument("--threads", type=int, nargs="+", help="thread counts; default: 1 and every usable core")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each side, for each figure")
    parser.add_argument("--models", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--engines", nargs="+", default=["ours", *ENGINES, "sentence-transformers",
                                                         "sentence-transformers onnx", "first"])
    parser.add_argument("--shapes", nargs="+")
    for hidden in ("--child", "--name", "--folder", "--probe"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--threads-here", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        named = {"ours": measure_ours}
        whole = args.child.startswith("sentence-transformers")
        return (measure_texts if whole else named.get(args.child, measure_engine))(args)

    probe = {}
    Report(args.csv)
    for name in args.models:
        folder = Path(args.model) if name == "minilm" else make_model(name, Path(args.cache) / name / "model")
        shapes = [shape for shape in SHAPES[name] if not args.shapes or shape in args.shapes]
        for threads in args.threads or sorted({1, cores()}):
            for engine in args.engines:
                whole = engine.startswith("sentence-transformers")
                if engine == "first" or (whole and name != "minilm") or not shapes:
                    continue
                if engine in ENGINES and name == "vit" and not ENGINES[engine][2]:
                    continue
                measure_probe(args, probe)
                child(args, engine, name, folder, threads, shapes, probe)
    report = Report(args.csv, append=True)
    for kind, speeds in probe.items():
        for threads, value in speeds.items():
            report.add(model="probe", shape=kind, threads=int(threads), unit=f"{value:.1f} G/s", ours_value=value)
    if "first" in args.engines and "minilm" in args.models:
        measure_first(args, args.model, Path(args.cache) / "minilm")
    return 0


if __name__ == "__main__":
    sys.exit(main())
