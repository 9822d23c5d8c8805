"""Models whose forward pass is code on the hub, every layer, against the NumPy float64 of
reference_numpy.py and reference_jina.py, whose authors are not the encoder's.

The reference's code has no float32 to stand beside us, so the bars are of our own error: its root mean
square in each layer, relative to that of the state.

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

BAR = 2e-6
LENGTHS = (1, 2, 17, 64, 65, 130)


def check(shape, storage, cache):
    """The worst relative error of a model's layers and lengths."""
    folder = models_random.cached_model(cache, shape, storage)
    reference = HubReference(folder)
    random = np.random.RandomState(4)
    worst = 0.0
    for length in dict.fromkeys(hidden.fitting(shape, (*LENGTHS, shape.room))):
        ids = hidden.random_ids(random, shape, length)
        truth = reference.truth([(ids, [0] * length)])[0]
        found = hidden.our_states(folder, [(ids, None)], shape)[0]
        error = np.sqrt(((found - truth) ** 2).mean(axis=(1, 2)) / (truth**2).mean(axis=(1, 2)))
        worst = max(worst, float(error.max()))
    print(f"{shape.name:14} worst relative rms of a layer {worst:.1e} (bar {BAR:.0e}){'' if worst <= BAR else ' FAILS'}")
    sys.stdout.flush()
    return worst <= BAR


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
