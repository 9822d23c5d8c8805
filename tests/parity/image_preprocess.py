#!/usr/bin/env python3
"""Preprocessed pixels of lib/image against Pillow and the image processors of transformers, live: every bit of
every float, and DINOv3's, which are torchvision's, within a relative 1e-6.

usage: image_preprocess.py [--group NAME]... [--count N] [--seed N] [--isa NAME] [--probe PROGRAM]
Groups: filters (Pillow's resize alone), processors (every class, random configs), names (how a class is named,
through AutoImageProcessor), refused, kernels (every instruction set, the same bits), torch (needs torchvision;
left out without). Builds image_probe.c unless PROGRAM is given.
"""
import argparse
import json
import math
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import transformers
from PIL import Image
from transformers import AutoImageProcessor

import command

transformers.logging.set_verbosity_error()
Image.MAX_IMAGE_PIXELS = None
CLASSES = {"ViT": "vit", "DeiT": "deit", "Beit": "beit", "CLIP": "clip", "ChineseCLIP": "chinese_clip", "Blip": "blip",
           "Siglip": "siglip", "Siglip2": "siglip2", "Bit": "dinov2", "ConvNext": "convnext"}
BACKEND = "pil"


# ---- the probe -----------------------------------------------------------------------------------------

class Probe:
    """Our preprocessing, in one process that is kept."""

    def __init__(self, program, *args):
        self.process = subprocess.Popen([program, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, size):
        data = self.process.stdout.read(size)
        if len(data) != size:
            sys.exit("image_probe ended: status %r" % self.process.wait())
        return data

    def read_ints(self, count):
        return struct.unpack("<%di" % count, self.read(4 * count))

    def run(self, config, pixels, model_type=None, white=False, keep=(0, 0), size=0, gap=0):
        """pixels: uint8 [height][width] or [height][width][channels]. An array [3][height][width], or a string:
        the error. self.size is the whole size, self.varies what the processor says of it."""
        pixels = pixels.reshape(pixels.shape[0], pixels.shape[1], -1)
        height, width, channels = pixels.shape
        if gap:
            rows = np.full((height, width * channels + gap), 77, np.uint8)
            rows[:, :width * channels] = pixels.reshape(height, -1)
            data = rows.tobytes()[:-gap]
        else:
            data = np.ascontiguousarray(pixels).tobytes()
        texts = [None if t is None else t.encode() for t in (config if isinstance(config, (str, type(None)))
                                                             else json.dumps(config), model_type)]
        head = struct.pack("<ii", *(-1 if t is None else len(t) for t in texts))
        head += b"".join(t or b"" for t in texts)
        head += struct.pack("<8i", width, height, channels, gap, white, *keep, size)
        feeder = threading.Thread(target=self.feed, args=(head, data))
        feeder.start()
        status, = self.read_ints(1)
        if status < 0:
            answer = self.read(self.read_ints(1)[0]).decode()
        else:
            *self.size, h, w, self.varies = self.read_ints(5)
            answer = np.frombuffer(self.read(12 * h * w), np.float32).reshape(3, h, w)
        feeder.join()
        return answer

    def feed(self, *parts):
        for part in parts:
            self.process.stdin.write(part)
        self.process.stdin.flush()


class Tally:
    """Counts of one group; prints the first differences."""

    def __init__(self, name):
        self.name, self.cases, self.values, self.differences, self.start = name, 0, 0, 0, time.time()
        self.notes = {}

    def check(self, ours, theirs, what, near=0.0, unit=1.0):
        """Equal bits, or (near) an error of at most so many units."""
        self.cases += 1
        if isinstance(ours, str) or isinstance(theirs, str):
            same = isinstance(ours, str) and isinstance(theirs, str)
        elif ours.shape != theirs.shape:
            same = False
        elif near:
            error = (np.abs(ours - theirs) / unit).max()
            self.worst = max(getattr(self, "worst", 0), error)
            same = error <= near
        else:
            same = ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes()
        if not isinstance(theirs, str):
            self.values += theirs.size
        if not same:
            self.differences += 1
            if self.differences <= 10:
                print("  %s: %s: ours %s, reference %s" % (self.name, what, show(ours, theirs), show(theirs, ours)))
        return same

    def note(self, key):
        self.notes[key] = self.notes.get(key, 0) + 1

    def report(self):
        worst = "  worst %.1e" % self.worst if hasattr(self, "worst") else ""
        print("%-12s %6d cases %12d values %5d differences %5.0f s%s" % (
            self.name, self.cases, self.values, self.differences, time.time() - self.start, worst), flush=True)
        for key, count in sorted(self.notes.items()):
            print("    %s: %d" % (key, count))
        return self.differences


def show(a, b):
    if isinstance(a, str):
        return a[:150]
    text = "x".join(map(str, a.shape))
    if not isinstance(b, str) and a.shape == b.shape:
        at = np.unravel_index(np.argmax(np.abs(a.astype(np.float64) - b)), a.shape)
        text += " %d differ, at %s %r" % ((a != b).sum(), tuple(map(int, at)), float(a[at]))
    return text


# ---- random material --------------------------------------------------------------------------------------

def side(rng, most):
    return int(math.exp(rng.uniform(0, math.log(most + 1))))


def picture(rng, width, height, channels=3):
    """Noise, an edge, a gradient or one level: what rounds differently, and what runs over."""
    numbers = np.random.default_rng(rng.getrandbits(32))
    kind = rng.randrange(5)
    shape = (height, width, channels) if channels > 1 else (height, width)
    if kind < 2:
        return numbers.integers(0, 256, shape, dtype=np.uint8)
    if kind == 2:
        return (numbers.integers(0, 2, shape, dtype=np.uint8) * 255).astype(np.uint8)
    if kind == 3:
        ramp = np.add.outer(np.arange(height) * rng.randrange(9), np.arange(width) * rng.randrange(9))
        return (np.broadcast_to(ramp.reshape(height, width, *[1] * (len(shape) - 2)), shape) % 256).astype(np.uint8)
    return np.full(shape, rng.randrange(256), np.uint8)


def picture_size(rng, most=4000):
    kind = rng.randrange(12)
    if kind == 0:
        return rng.choice([(1, 5000), (5000, 1), (2, 4999), (3, 1000), (1000, 3), (1, 1), (4000, 3000), (1, 2)])
    if kind < 4:  # columns first or rows first, near the limit
        width = side(rng, 600)
        return width, side(rng, 3000)
    return side(rng, most), side(rng, most * 3 // 4)


def levels_config(height, width, resample):
    return {"image_processor_type": "ViTImageProcessor", "size": {"height": height, "width": width},
            "resample": resample, "do_rescale": False, "do_normalize": False}


# ---- groups ------------------------------------------------------------------------------------------------

def filters(probe, rng, count):
    tally = Tally("filters")
    for i in range(count):
        width, height = picture_size(rng) if i % 50 else (4000, 3000)
        out = side(rng, 700), side(rng, 700)
        if rng.random() < 0.15:
            out = (width, out[1]) if rng.random() < 0.5 else (out[0], height)
        elif rng.random() < 0.2:  # on either side of Pillow's choice between rows and columns first
            more = height - 2 * max(0, width - out[0]) + rng.randrange(-2, 3)
            out = (out[0], min(max(1, more), 4000))
        if out[0] * out[1] > 3e6:
            continue
        channels, resample = rng.choice([3, 3, 3, 1]), i % 6
        pixels = picture(rng, width, height, channels)
        image = Image.fromarray(pixels).resize(out, resample).convert("RGB")
        theirs = np.array(image).transpose(2, 0, 1).astype(np.float32)
        ours = probe.run(levels_config(out[1], out[0], resample), pixels, gap=rng.choice([0, 0, 1, 64]))
        tally.check(ours, theirs, f"{width}x{height} -> {out[0]}x{out[1]} filter {resample} channels {channels}")
        tally.note("filter %d" % resample)
    return tally.report()


def random_size(rng, name, crop=False):
    n = rng.choice([1, 2, 7, 15, 16, 32, 33, 64, 100, 223, 224, 225, 256])
    m = rng.choice([1, 8, 31, 64, 96, 224])
    forms = [n, [n, m], {"height": n, "width": m}, {"height": n, "width": n}]
    if crop:
        return rng.choice(forms)
    forms += [{"shortest_edge": n}, {"shortest_edge": n, "longest_edge": n + rng.randrange(0, 200)},
              {"max_height": n, "max_width": m}]
    if name == "ConvNext":
        forms = [n, {"shortest_edge": n}, {"shortest_edge": 384}, 400, {"shortest_edge": n, "longest_edge": 999}]
    return rng.choice(forms)


def random_config(rng, name):
    def maybe(key, chance, *values):
        if rng.random() < chance:
            config[key] = rng.choice(values)

    config = {"image_processor_type": name + "ImageProcessor"}
    if name == "Siglip2":
        maybe("patch_size", 0.5, 16, 14, 32, 8, 7)
        maybe("max_num_patches", 0.6, 256, 64, 1, 2, 576, 1024, 100)
    elif rng.random() < 0.8:
        config["size"] = random_size(rng, name)
    maybe("default_to_square", 0.1, True, False)
    maybe("resample", 0.7, 0, 1, 2, 3, 4, 5, None)
    maybe("do_resize", 0.2, True, False, 1, 0, None)
    maybe("do_rescale", 0.2, True, False, 1, 0)
    maybe("do_normalize", 0.2, True, False, None)
    maybe("do_convert_rgb", 0.3, True, False, None)
    maybe("rescale_factor", 0.3, 1 / 255, 0.00392156862745098, 1 / 127.5, 1, 0.1, None)
    maybe("image_mean", 0.4, [0.485, 0.456, 0.406], [0.5, 0.5, 0.5], 0.5, 0, [0, 0, 0], [0.1, -2, 1e-3], None)
    maybe("image_std", 0.4, [0.229, 0.224, 0.225], [1, 1, 1], 0.5, 1, [0.1, 3, 1e-3], None)
    maybe("crop_pct", 0.3, 0.875, 0.95, 1.0, 0.9, None)
    if name != "Siglip2" and rng.random() < 0.5:
        config["do_center_crop"] = rng.choice([True, True, False, 1])
        if rng.random() < 0.9:
            config["crop_size"] = random_size(rng, name, crop=True)
    if rng.random() < 0.08 and name not in ("Siglip2",):
        config["do_pad"] = True
        config["pad_size"] = rng.choice([{"height": 300, "width": 320}, 512, [64, 600]])
    maybe("use_square_size", 0.03, True, False)
    return config


def reference(config, name):
    module = {"dinov2": "bit"}.get(CLASSES[name], CLASSES[name])
    module = __import__("transformers.models.%s.image_processing_pil_%s" % (module, module), fromlist=["x"])
    return getattr(module, name + "ImageProcessorPil").from_dict(config)


def run_reference(processor, image):
    """[3][height][width] float32, or the error."""
    out = processor(image)
    values = np.asarray(out["pixel_values"][0])
    if "spatial_shapes" in out:
        rows, columns = out["spatial_shapes"][0]
        side = processor.patch_size
        values = values[:rows * columns].reshape(rows, columns, side, side, 3)
        values = values.transpose(4, 0, 2, 1, 3).reshape(3, rows * side, columns * side)
    return values.astype(np.float32)


def try_reference(make, image):
    with np.errstate(all="ignore"):
        try:
            return run_reference(make(), image)
        except Exception as error:  # whatever it says, it is refused
            return "%s: %s" % (type(error).__name__, error)


def processors(probe, rng, count):
    tally = Tally("processors")
    names = list(CLASSES)
    for i in range(count):
        name = names[i % len(names)]
        config = random_config(rng, name)
        width, height = picture_size(rng, 1500)
        if rng.random() < 0.3:
            width, height = side(rng, 300), side(rng, 300)
        long = max(width, height) / min(width, height)
        if long > 200 and isinstance(config.get("size", {}), (dict, int)) and name not in ("ViT", "DeiT", "Beit"):
            width, height = min(width, 60), min(height, 60)
        pixels = picture(rng, width, height, rng.choice([3, 3, 3, 4]))
        white = config.get("do_convert_rgb", name in ("CLIP", "ChineseCLIP", "Siglip", "Bit", "Blip")) is True
        image = Image.fromarray(pixels)
        if not white:
            image = image.convert("RGB")
        theirs = try_reference(lambda: reference(config, name), image)
        ours = probe.run(config, pixels, white=white)
        what = "%dx%dx%d %s" % (width, height, pixels.shape[2], json.dumps(config))
        if isinstance(ours, str) and not isinstance(theirs, str) and allowed(ours):
            tally.note("refused by us alone: " + ours.split(":", 2)[-1].strip()[:100])
            continue
        tally.check(ours, theirs, what)
        tally.note("both refuse" if isinstance(theirs, str) else "equal or not: " + name)
        if not isinstance(ours, str) and rng.random() < 0.2:  # a part is a part of the whole
            keep = rng.randint(1, ours.shape[1]), rng.randint(1, ours.shape[2])
            part = probe.run(config, pixels, white=white, keep=keep)
            tally.check(part, np.ascontiguousarray(ours[:, :keep[0], :keep[1]]), "keep %s of " % (keep,) + what)
    return tally.report()


def allowed(message):
    """What only we refuse."""
    return any(text in message for text in (
        "do_center_crop: expected false, or a crop_size that equals size",))


def names(probe, rng, count):
    """Through files, as AutoImageProcessor reads them."""
    tally = Tally("names")
    configs = []
    for name, model_type in CLASSES.items():
        stem = name + "ImageProcessor"
        for config in ({"image_processor_type": stem}, {"image_processor_type": stem + "Fast"},
                       {"image_processor_type": stem + "Pil"}, {"feature_extractor_type": name + "FeatureExtractor"},
                       {"image_processor_type": stem, "feature_extractor_type": "CLIPFeatureExtractor"}, {}):
            configs.append((dict(config), model_type, False))
        configs.append(({"image_processor_type": stem, "size": 96, "resample": 1}, model_type, True))
        configs.append(({"feature_extractor_type": name + "FeatureExtractor", "size": 96, "crop_size": 80},
                        model_type, False))
    pixels = picture(random.Random(5), 190, 130)
    for config, model_type, nested in configs:
        with tempfile.TemporaryDirectory() as folder:
            text = json.dumps({"image_processor": config, "processor_class": "X"} if nested else config)
            with open(folder + ("/processor_config.json" if nested else "/preprocessor_config.json"), "w") as f:
                f.write(text)
            with open(folder + "/config.json", "w") as f:
                json.dump({"model_type": model_type}, f)
            theirs = try_reference(lambda: AutoImageProcessor.from_pretrained(folder, backend=BACKEND),
                                   Image.fromarray(pixels))
            ours = probe.run(text, pixels, model_type)
            tally.check(ours, theirs, text + " " + model_type)
    return tally.report()


def refused(probe, rng, count):
    """What the reference refuses, we refuse; the file, the key and what was found are named."""
    tally = Tally("refused")
    bad_sizes = [0, -1, 224.0, "224", [224], [], [224, 0], {"height": 224}, {"width": 224}, {}, {"longest_edge": 224},
                 {"shortest_edge": 0}, {"height": 224, "width": 224, "shortest_edge": 7}, {"height": "a", "width": 4},
                 {"min_pixels": 4, "max_pixels": 400}, {"h": 3, "w": 3}, {"max_height": 10}, 1e99, 10 ** 30]
    base = {"image_processor_type": "CLIPImageProcessor"}
    cases = [("size", {**base, "size": s}) for s in bad_sizes]
    cases += [("crop_size", {**base, "crop_size": s}) for s in bad_sizes]
    cases += [("resample", {**base, "resample": r}) for r in (6, 7, -1, "bicubic", 2.5, [3])]
    cases += [("image_mean", {**base, "image_mean": m}) for m in ([0.5], [0.5, 0.5], [0.5] * 4, "0.5", ["a", "b", "c"], [])]
    cases += [("image_std", {**base, "image_std": m}) for m in ([0.5], [0.5] * 4, {}, [])]
    cases += [("rescale_factor", {**base, "rescale_factor": "1"})]
    cases += [("crop_size", {"image_processor_type": "ViTImageProcessor", "do_center_crop": True}),
              ("size", {"image_processor_type": "ConvNextImageProcessor", "size": {"height": 9, "width": 9}})]
    pixels = picture(random.Random(5), 50, 40)
    for key, config in cases:
        name = config["image_processor_type"][:-len("ImageProcessor")]
        theirs = try_reference(lambda: reference(config, name), Image.fromarray(pixels))
        ours = probe.run(config, pixels)
        if not isinstance(theirs, str):
            tally.note("the reference takes " + json.dumps({key: config.get(key)}))
            theirs = "accepted"
        tally.check(ours, theirs, json.dumps(config))
        if isinstance(ours, str) and not (ours.startswith("preprocessor_config.json:") and key + ": expected" in ours
                                          and ", found " in ours):
            tally.check(ours, np.zeros(1), "the message")
    for config, model_type in (({}, None), ({}, "bert"), ({"image_processor_type": "DetrImageProcessor"}, "detr"),
                               (None, "wav2vec2"), (None, None), ([], "vit"), ({"image_processor_type": 3}, "vit")):
        tally.check(probe.run(config, pixels, model_type), "refused", json.dumps(config))
    tally.check(probe.run(None, pixels, "vit"), probe.run({"image_processor_type": "ViTImageProcessor"}, pixels), "none")
    return tally.report()


def kernels(probe, rng, count):
    tally = Tally("kernels")
    with_c = Probe(PROGRAM, "c")
    others = [Probe(PROGRAM, name) for name in ("avx2", "avx512")
              if subprocess.run([PROGRAM, name], stdin=subprocess.DEVNULL).returncode == 0]
    for i in range(count // 10):
        name = (list(CLASSES) + ["DINOv3ViT"])[i % 11]
        config = random_config(rng, "ViT" if name == "DINOv3ViT" else name)
        config["image_processor_type"] = name + "ImageProcessor"
        pixels = picture(rng, side(rng, 400), side(rng, 400), rng.choice([1, 3, 4]))
        plain = with_c.run(config, pixels, white=i % 2 == 0)
        for other in others:
            tally.check(other.run(config, pixels, white=i % 2 == 0), plain, json.dumps(config))
    return tally.report()


def torch(probe, rng, count):
    """Errors in parts of the range of levels, before it is normalised."""
    try:
        from transformers.models.dinov3_vit.image_processing_dinov3_vit import DINOv3ViTImageProcessor
        import torchvision  # noqa: F401
    except Exception:
        print("torch        left out: torchvision is not installed")
        return 0
    tally = Tally("torch")
    for i in range(count // 4):
        config = random_config(rng, "ViT")
        config.update(image_processor_type="DINOv3ViTImageProcessor", resample=rng.choice([2, 3]), do_convert_rgb=True)
        if config.get("do_resize", True) in (True, 1, None):
            config.pop("do_rescale", None)
        if "rescale_factor" in config and config["rescale_factor"] == 1:
            del config["rescale_factor"]
        width, height = (side(rng, 2000), side(rng, 1500)) if i % 3 else (side(rng, 300), side(rng, 300))
        if max(width, height) / min(width, height) > 100:
            width = height = max(width, height) // 4
        pixels = picture(rng, width, height)
        config["image_std"] = rng.choice([[0.229, 0.224, 0.225], [0.5, 0.5, 0.5], [1, 2, 0.25]])
        unit = 255 * (config.get("rescale_factor") or 1 / 255)
        if config.get("do_normalize", True):
            unit = unit / np.array(config["image_std"]).reshape(3, 1, 1)

        def run():
            processor = DINOv3ViTImageProcessor.from_dict(config)
            return processor(Image.fromarray(pixels), return_tensors="pt")["pixel_values"][0].numpy()
        try:
            theirs = run().astype(np.float32)
        except Exception as error:
            theirs = "%s: %s" % (type(error).__name__, error)
        probe.run({**config, "do_center_crop": False}, pixels)
        if probe.size[1] == 1 and probe.size[0] > 1:
            tally.note("left out: one pixel wide, where torch repeats the first row")
            continue
        ours = probe.run(config, pixels)
        tally.check(ours, theirs, "%dx%d %s" % (width, height, json.dumps(config)), NEAR[config["resample"]], unit)
        tally.note("both refuse" if isinstance(theirs, str) else "compared")
    return tally.report()


NEAR = {2: 1e-6, 3: 2e-6}  # by filter: torch's float weights of the bicubic one are fused or not by its compiler
GROUPS = {f.__name__: f for f in (filters, processors, names, refused, kernels, torch)}
PROGRAM = None


def main():
    global PROGRAM
    parser = argparse.ArgumentParser()
    parser.add_argument("--group", action="append", choices=list(GROUPS))
    parser.add_argument("--count", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--isa")
    parser.add_argument("--probe")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        PROGRAM = args.probe or command.build_probe("image_probe", folder)
        probe = Probe(PROGRAM, *([args.isa] if args.isa else []))
        failed = [name for name in args.group or GROUPS if GROUPS[name](probe, random.Random(args.seed), args.count)]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
