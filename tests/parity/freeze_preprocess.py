#!/usr/bin/env python3
"""Writes tests/data/preprocess/cases.txt: image processors of transformers (their Pillow backend) on made-up images.
A line: width, height, channels, alpha over white, height and width of the result, FNV-1a of its float32 bytes,
and the processor's JSON. Level i of an image is levels(i)."""
import json
import os

import numpy as np
from PIL import Image

from image_preprocess import CLASSES, ROOT, levels_config, reference, run_reference

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def levels(count):
    i = np.arange(count, dtype=np.uint64)
    return ((i * 2654435761 + 12345) % 2 ** 32 * 40503 >> 16 & 255).astype(np.uint8)


def fnv(data):
    state = 0xcbf29ce484222325
    for byte in data:
        state = (state ^ byte) * 0x100000001b3 % 2 ** 64
    return state


def cases():
    for resample in range(6):
        for width, height, out in ((40, 30, (16, 16)), (7, 5, (30, 33)), (1, 1, (3, 4)), (64, 48, (64, 20)),
                                   (64, 48, (20, 48)), (3, 400, (8, 9)), (400, 3, (9, 8)), (131, 97, (50, 61))):
            yield width, height, 3, 0, levels_config(out[1], out[0], resample)
    for name in CLASSES:
        yield 90, 70, 3, 0, {"image_processor_type": name + "ImageProcessor"}
    small = {"size": 24, "crop_size": 20}
    for name in ("CLIP", "DeiT", "Bit", "Siglip", "Beit"):
        for width, height, channels, white in ((33, 21, 3, 0), (21, 50, 4, 0), (40, 41, 4, 1)):
            config = {"image_processor_type": name + "ImageProcessor", **small, **IMAGENET, "do_convert_rgb": bool(white)}
            yield width, height, channels, white, config
    clip = {"image_processor_type": "CLIPImageProcessor"}
    for change in ({"size": 9, "crop_size": [14, 12]}, {"size": 9, "crop_size": [15, 8]}, {"do_resize": False, "crop_size": 50},
                   {"size": {"shortest_edge": 20, "longest_edge": 25}, "do_center_crop": False},
                   {"size": {"max_height": 18, "max_width": 19}, "crop_size": 17}, {"do_rescale": False, **small},
                   {"do_normalize": False, **small}, {"rescale_factor": 1 / 127.5, "image_mean": 1, "image_std": 1, **small},
                   {"size": 9, "do_center_crop": None, "do_pad": 1, "pad_size": {"height": 20, "width": 30}},
                   {"use_square_size": True, "crop_size": 16}):
        yield 37, 29, 3, 0, {**clip, **change}
    for size in (16, 223, 384):
        yield 45, 33, 3, 0, {"image_processor_type": "ConvNextImageProcessor", "size": size}
    for patches, patch in ((256, 16), (6, 16), (1, 14), (50, 7)):
        yield 45, 103, 3, 0, {"image_processor_type": "Siglip2ImageProcessor", "patch_size": patch,
                              "max_num_patches": patches}


def main():
    path = os.path.join(ROOT, "tests/data/preprocess/cases.txt")
    with open(path, "w") as out:
        for width, height, channels, white, config in cases():
            shape = (height, width, channels)
            image = Image.fromarray(levels(width * height * channels).reshape(shape))
            if channels == 4 and not white:
                image = image.convert("RGB")
            name = config["image_processor_type"][:-len("ImageProcessor")]
            values = run_reference(reference(config, name), image)
            print(width, height, channels, white, *values.shape[1:], "%016x" % fnv(values.tobytes()),
                  json.dumps(config), file=out)


if __name__ == "__main__":
    main()
