#!/usr/bin/env python3
"""Writes tests/data/images: small made-up images in every format and variety, and pixels.txt, what Pillow makes of them.

usage: freeze_images.py
A line of pixels.txt: file, "stored" or "turned" (by EXIF), width, height, channels (3, or 4 with alpha) and the 64-bit
FNV-1a hash of the pixels, in hexadecimal. The images come from image_decode.py's generators, so they are ours.
"""
import io
import os
import random

import numpy as np
from PIL import Image

import image_decode as made

FOLDER = os.path.join(made.ROOT, "tests/data/images")
PER_FORMAT = {"jpeg": 16, "png": 40, "gif": 12, "bmp": 24, "tga": 16, "pnm": 16}
LARGEST = 1200  # bytes


def fnv(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 % (1 << 64)
    return h


def line(name, data, turned):
    rgb, alpha, _ = made.reference(data, turned)
    if rgb is None:
        return None
    if alpha is not None:
        rgb = np.dstack([rgb, alpha])
    height, width, channels = rgb.shape
    return "%s %s %d %d %d %016x" % (name, "turned" if turned else "stored", width, height, channels, fnv(rgb.tobytes()))


def main():
    os.makedirs(FOLDER, exist_ok=True)
    for name in os.listdir(FOLDER):
        os.remove(os.path.join(FOLDER, name))
    lines = []
    for kind, count in PER_FORMAT.items():
        rng = random.Random("frozen " + kind)
        done = 0
        while done < count:
            data = made.RANDOM[kind](rng)
            name = "%s-%02d.%s" % (kind, done, {"jpeg": "jpg"}.get(kind, kind))
            stored, turned = line(name, data, False), line(name, data, True)
            width, height = Image.open(io.BytesIO(data)).size if stored else (1, 1)
            if len(data) > LARGEST or not stored or width * height < 6:
                continue
            with open(os.path.join(FOLDER, name), "wb") as f:
                f.write(data)
            lines += [stored] + ([turned] if turned.split()[2:] != stored.split()[2:] else [])
            done += 1
    with open(os.path.join(FOLDER, "pixels.txt"), "w") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
