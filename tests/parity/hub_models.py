"""Models whose forward pass is code on the hub, every layer, against the NumPy float64 of
reference_numpy.py and reference_jina.py, whose authors are not the encoder's.

The root mean square of our error in each layer, over the tokens of all texts, is at most 1.1 of what the same NumPy
makes in float32.

    hub_models.py [--model NAME]... [--cache DIR]
"""
import argparse
import sys

import numpy as np

import hidden
import models_random
import models_relative
import models_rotary
from reference_hub import HubReference

BAR = 1.1
LENGTHS = (1, 2, 17, 64, 65, 130)


def rms(states):
    """Of each layer, over the tokens of all texts."""
    return np.sqrt((np.concatenate(states, axis=1) ** 2).mean(axis=(1, 2)))


def check(shape, storage, cache):
    """All layers of a model, for texts of several lengths."""
    folder = models_random.cached_model(cache, shape, storage)
    reference = HubReference(folder)
    random = np.random.RandomState(4)
    truths, errors, numpys = [], [], []
    for length in dict.fromkeys(hidden.fitting(shape, (*LENGTHS, shape.room))):
        ids = hidden.random_ids(random, shape, length)
        truth, beside = (reference.truth([(ids, [0] * length)], dtype)[0] for dtype in (np.float64, np.float32))
        assert beside.dtype == np.float32
        truths.append(truth)
        errors.append(hidden.our_states(folder, [(ids, None)], shape)[0] - truth)
        numpys.append(beside - truth)
    worst, ratio = (rms(errors) / rms(truths)).max(), (rms(errors) / rms(numpys)).max()
    print(f"{shape.name:14} worst relative rms of a layer {worst:.1e}, at most {ratio:.2f} of NumPy's in float32"
          f"{'' if ratio <= BAR else ' FAILS'}", flush=True)  # fmt: skip
    return bool(ratio <= BAR)


def main():
    """All models, then the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", action="append")
    parser.add_argument("--cache", default="build/parity/models")
    args = parser.parse_args()
    classes = models_random.Shape, models_random.Storage
    models = models_rotary.hub_models(*classes) + models_relative.hub_models(*classes)
    results = [check(s, t, args.cache) for s, t in models if not args.model or s.name in args.model]
    print(f"hub_models: {sum(results)} of {len(results)} models: {'PASS' if all(results) else 'FAIL'}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
