"""Reranking by a cross-encoder: reranking.c in Python.

python3 reranking.py MODEL_DIRECTORY
"""

import sys

from libembed import CrossEncoder

QUESTION = "Who wrote Emma?"
TEXTS = ["It rains in Lisbon today.", "Emma is a novel by Jane Austen.", "Emma moved to another town."]

if len(sys.argv) != 2:
    sys.exit(f"usage: {sys.argv[0]} MODEL_DIRECTORY")
model = CrossEncoder(sys.argv[1])
scores = model.predict([(QUESTION, text) for text in TEXTS])
for score, text in zip(scores.reshape(len(TEXTS), -1)[:, 0], TEXTS):
    print(f"{score:8.5f}  {text}")
