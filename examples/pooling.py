"""From the token vectors of one text to one vector, the usual ways: pooling.c in Python.

python3 pooling.py MODEL_DIRECTORY
"""

import sys

from libembed import EmbedError, Model

TEXT = "A cat is sleeping on the sofa."
WAYS = {
    "the model's own": {},
    "[CLS]": {"pooling": "cls", "modules": False},
    "mean": {"pooling": "mean", "modules": False},
    "max": {"pooling": "max", "modules": False},
    "last": {"pooling": "last", "modules": False},
    "weighted": {"pooling": "weighted", "modules": False},
    "sqrt_len": {"pooling": "sqrt_len", "modules": False},
    "pooler": {"pooling": "pooler", "modules": False},
    "mean of layer 1": {"pooling": "mean", "layer": 1, "modules": False},
    "8 numbers": {"truncate_dim": 8},
    "8, unit length": {"truncate_dim": 8, "normalize_embeddings": True},
}

if len(sys.argv) != 2:
    sys.exit(f"usage: {sys.argv[0]} MODEL_DIRECTORY")
model = Model(sys.argv[1])
for name, way in WAYS.items():
    try:
        vector = model.encode(TEXT, **way)
        print(f"{name:<16} {vector[0]:8.5f} {vector[1]:8.5f} {vector[2]:8.5f}")
    except EmbedError as error:  # the model has no pooler
        print(f"{name:<16} {error}")
bits = model.encode([TEXT], precision="ubinary")
print(f"{'8 bits':<16} {bits[0][0]:8d}")
