"""JPEG photos, and what is decoded of them, to pixels, and photos to pooled vectors, beside Pillow and
transformers on one machine: outputs are compared before anything is timed, and then ours and theirs in turn.

    images.py --library build/release/libembed.so [--photos N] [--csv FILE] [--threads 1 2]

Photos are made up: smooth shapes and noise, 640 x 480, saved by Pillow with quality 90. The model is ViT-B/16
with random weights, its recipe the mean over all tokens. A ratio above 1 means that we are faster."""
import argparse
import os
import tempfile

import numpy as np
import torch
import transformers
from PIL import Image
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from ours import Ours
from peers import difference
from timing import Report, cores, in_turn


def make_photos(folder, count):
    """Photos of shapes that are smooth, edged and noisy by turns."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:480, 0:640].astype(np.float32)
    for i in range(count):
        waves = [np.sin(x / rng.uniform(5, 90) + y / rng.uniform(5, 90) + rng.uniform(0, 6)) for _ in range(3)]
        photo = 127 + 90 * np.stack(waves, -1) + rng.normal(0, rng.uniform(0, 12), (480, 640, 3))
        left, top = rng.integers(0, 500), rng.integers(0, 380)
        photo[top:top + 90, left:left + 120] = rng.uniform(0, 255, 3)
        path = os.path.join(folder, f"{i:03}.jpg")
        Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(path, quality=90)
        yield path


def make_model(folder):
    torch.manual_seed(7)
    model = transformers.ViTModel(transformers.ViTConfig(), add_pooling_layer=False).eval()
    processor = ViTImageProcessorPil()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return model, processor


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", default="build/release/libembed.so")
    parser.add_argument("--photos", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--csv")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, cores()])
    given = parser.parse_args()
    report = Report(given.csv, append=True)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        paths = list(make_photos(folder, given.photos))
        model, processor = make_model(os.path.join(folder, "model"))

        def opened():
            return [Image.open(path).convert("RGB") for path in paths]

        images = opened()
        arrays = [np.asarray(image) for image in images]

        def pillow(of):
            mean = np.float32(0.5)
            return np.stack([(np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR)).astype(np.float32)
                              * np.float32(1 / 255) - mean) / mean for image in of]).transpose(0, 3, 1, 2)

        def pixel_values():
            return processor(opened(), return_tensors="np")["pixel_values"]

        def vectors():
            values = torch.from_numpy(pixel_values())
            return torch.cat([model(values[i:i + 8]).last_hidden_state.mean(1)
                              for i in range(0, len(values), 8)]).numpy()

        for threads in dict.fromkeys(given.threads):
            torch.set_num_threads(threads)
            ours = Ours(given.library, os.path.join(folder, "model"), threads)
            for what, peer, mine, theirs in (
                    ("decoded photos to pixels", "Pillow", ours.pixels_of_arrays(arrays, 224), lambda: pillow(images)),
                    ("photos to pixels", "Pillow", ours.pixels_of_files(paths, 224), lambda: pillow(opened())),
                    ("photos to pixels", "transformers", ours.pixels_of_files(paths, 224), pixel_values),
                    ("photos to vectors", "transformers", ours.vectors_of_files(paths), vectors)):
                error = difference(mine(), theirs())
                a, b = in_turn(mine, theirs, given.seconds)
                report.add(model="vit", shape=what, threads=threads, precision="f32", ours="f32",
                           peer=peer, unit="images/s", ours_value=given.photos / a, peer_value=given.photos / b,
                           difference=error)
            ours.close()


if __name__ == "__main__":
    main()
