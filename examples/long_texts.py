"""A text that is too long, and late chunking: long_texts.c in Python.

python3 long_texts.py MODEL_DIRECTORY
"""

import sys

from libembed import EmbedError, Model

LIMIT, STRIDE = 12, 4
SENTENCES = ["Berlin is a city.", " It has many parks and lakes.", " The soup needs a pinch of salt."]
TEXT = "".join(SENTENCES)

if len(sys.argv) != 2:
    sys.exit(f"usage: {sys.argv[0]} MODEL_DIRECTORY")
model = Model(sys.argv[1])
for name, long_texts in [("refused", "refuse"), ("cut", "truncate"), ("windows", "windows")]:
    stride = STRIDE if long_texts == "windows" else 0
    try:
        vector = model.encode(TEXT, max_length=LIMIT, long_texts=long_texts, stride=stride)
        print(f"{name:<9} {vector[0]:8.5f} {vector[1]:8.5f} {vector[2]:8.5f}")
    except EmbedError as error:
        print(f"{name:<9} {error}")

spans, end = [], 0
for sentence in SENTENCES:
    spans.append((end, end + len(sentence)))
    end += len(sentence)
vectors = model.encode_spans(TEXT, spans, long_texts="windows", stride=STRIDE)
for (start, end), score, sentence in zip(spans, model.similarity(vectors[:1], vectors)[0], SENTENCES):
    print(f"bytes {start:2} to {end:2}, as the first: {score:5.2f}  {sentence}")
