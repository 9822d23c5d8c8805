"""CLIP in sentence-transformers: texts and images of a random small model through its encode() and through
ours. Directories as versions 5 and before have them (CLIPModel in a folder of its own), as this version saves
them again, and as it makes and saves them itself (Transformer alone); with modules behind the model or without.

Bars: cosine >= 0.9999999 and largest difference <= 1e-6 after normalisation.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image

import command
import sentence
from models_random import make_vocabulary
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.normalize import Normalize
from tokenizers.pre_tokenizers import ByteLevel

PROJECTION = 24
TEXTS = sentence.SENTENCES + ["", " ", "word " * 100, "<|endoftext|> inside a text", "It's  the DOG's."]
SIZES = ((64, 48), (33, 90), (40, 40), (300, 31), (8, 8), (32, 32), (1, 5))
OLD_TYPE = "sentence_transformers.models.CLIPModel"


def make_tokenizer():
    """Letters, letters at the ends of words, and words of them two by two, as CLIP's."""
    letters = sorted(ByteLevel.alphabet())
    words, merges = [*letters, *(letter + "</w>" for letter in letters)], []
    for word in (word for word in make_vocabulary(600)[70:] if "#" not in word):
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            if (parts[0], parts[1]) not in merges:
                merges.append((parts[0], parts[1]))
                words.append(parts[0] + parts[1])
            parts = [parts[0] + parts[1], *parts[2:]]
    words = [*dict.fromkeys(words), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: i for i, word in enumerate(words)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=40)


def make_clip(folder):
    """A directory of transformers: CLIPModel, its tokenizer and its image processor."""
    torch.manual_seed(3)
    tokenizer = make_tokenizer()
    eos = tokenizer.eos_token_id
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_act": "quick_gelu", "projection_dim": PROJECTION}
    text = {"hidden_size": 32, "intermediate_size": 64, "vocab_size": eos + 1, "max_position_embeddings": 40,
            "eos_token_id": eos, "bos_token_id": eos - 1, "pad_token_id": eos}  # fmt: skip
    vision = {"hidden_size": 48, "intermediate_size": 96, "image_size": 32, "patch_size": 8}
    config = transformers.CLIPConfig(text_config={**sizes, **text}, vision_config={**sizes, **vision},
                                     projection_dim=PROJECTION)  # fmt: skip
    model = transformers.CLIPModel(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.5 if "embedding" in name else 1.3 / np.sqrt(weight[0].numel()))
            elif name.endswith("bias"):
                weight.normal_(0, 0.2)
    model.save_pretrained(folder)
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    transformers.CLIPImageProcessor(**size).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def old_directory(plain, folder, modules):
    """As versions 5 and before have it: the model in a folder of its own, and modules behind it."""
    (folder / "0_CLIPModel").mkdir(parents=True)
    files = sentence.chain(*modules)
    files["modules.json"][0] |= {"path": "0_CLIPModel", "type": OLD_TYPE}
    sentence.make_directory(plain, folder / "0_CLIPModel", {"modules.json": None})
    return sentence.make_directory(folder, folder, files)


def make_images(folder):
    """Pictures of many shapes: (paths, as Pillow opens them)."""
    random = np.random.RandomState(6)
    paths = []
    for i, (width, height) in enumerate(SIZES):
        y, x = np.mgrid[0:height, 0:width]
        waves = [np.sin(x / random.uniform(2, 9) + y / random.uniform(2, 9) + c) for c in range(3)]
        levels = 128 + 90 * np.stack(waves, axis=-1) + random.uniform(-30, 30, (height, width, 3))
        paths.append(folder / f"{i}.png")
        Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).save(paths[-1])
    return paths, [Image.open(path) for path in paths]


def check(name, folder, paths, images):
    """Texts and images of one directory."""
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    found = {"texts": command.text(folder, TEXTS),
             "images": command.run_to_array("image", "-m", folder, *paths)}  # fmt: skip
    good = True
    for kind, inputs in (("texts", TEXTS), ("images", images)):
        truth = model.encode(inputs, batch_size=4, show_progress_bar=False)
        cosine, difference, length = sentence.figures(found[kind], truth)
        holds = (found[kind].shape == truth.shape and cosine >= sentence.COSINE_BAR
                 and difference <= sentence.DIFFERENCE_BAR and length <= sentence.NORM_BAR)  # fmt: skip
        good &= sentence.report(f"{name}: {kind}", holds, f"{len(inputs):3} inputs of {truth.shape[1]}: 1 - cosine"
                                f" {1 - cosine:8.1e}  difference {difference:7.1e}  length {length:7.1e}")  # fmt: skip
    return good


def main():
    """Every directory, then the verdict."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        make_clip(root / "plain")
        (root / "pictures").mkdir()
        paths, images = make_images(root / "pictures")
        old = old_directory(root / "plain", root / "old", [])
        identity = "torch.nn.modules.linear.Identity"
        directories = {
            "as of version 5": old,
            "with Dense and Normalize": old_directory(root / "plain", root / "dense", [
                sentence.dense(50, PROJECTION, activation=identity), sentence.NORMALIZE]),
        }  # fmt: skip
        made = SentenceTransformer(str(root / "plain"), device="cpu")
        saved = {
            "saved again": SentenceTransformer(str(old), device="cpu"),
            "Transformer alone": made,
            "Transformer and Normalize": SentenceTransformer(modules=[made[0], Normalize()], device="cpu"),
        }
        for name, model in saved.items():
            directories[name] = root / name
            model.save_pretrained(str(directories[name]))
        results = [check(name, folder, paths, images) for name, folder in directories.items()]
    print(f"clip_recipe: {len(results)} directories: {'PASS' if all(results) else 'FAIL'}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
