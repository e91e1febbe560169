"""Train the networks of the labs on digits, then delete and swap their blocks (Veit et al. 2016, arXiv 1605.06431, 4.1-4.3).

    .venv/bin/python benchmarks/lesion.py

Writes two files in resnet_lessons/records/: lesion.json, what is left of the accuracy, for every network, framework and
seed; and trained_digits.safetensors, the weights of PyTorch's runs with seed 0, which the labs open.
"""

import itertools
import json
import math
from dataclasses import replace

from resnet_lessons import parity, training
from resnet_lessons.labs.blockwise import (
    NETWORKS,
    Blockwise,
    deletable,
    digits,
    network_config,
    rounded,
    save_trained,
    swappable,
)
from resnet_lessons.training.records import provenance, write_record

import numpy as np

RECIPE = training.Recipe(epochs=10, batch_size=64, peak_rate=0.1)  # chapter 00's
SEEDS = 3
EVERY, CHOICES = 126, 40  # all choices of k blocks are tried where there are at most 126; else 40 random ones


def main() -> None:
    """Train everything, operate, and write both files at the end."""
    runs, kept = [], {}
    for name, framework, seed in itertools.product(NETWORKS, ("pytorch", "tensorflow"), range(SEEDS)):
        config = network_config(name)
        net = training.new_network(framework, config, seed)
        training.fit(net, digits(), replace(RECIPE, seed=seed), label=f"{name} {framework} seed {seed}")
        weights = rounded(parity.state_of(net))
        if (framework, seed) == ("pytorch", 0):
            kept[name] = weights
        run = {"network": name, "framework": framework, "seed": seed, **lesions(Blockwise(config, weights))}
        print(json.dumps({key: run[key] for key in ("network", "framework", "seed", "intact", "single")}), flush=True)
        runs.append(run)
    made_by = provenance("benchmarks/lesion.py", recipe=RECIPE.to_dict(), choices=CHOICES)
    save_trained(kept, made_by)
    write_record("lesion", made_by, runs)


def lesions(net: Blockwise) -> dict[str, object]:
    """Return what is left of the test accuracy: as a number of right answers among the test images.

    "intact", "single" (by block), "deleted" (by number of blocks: every choice tried), "swapped" (40 times, two random blocks
    of one stage and shape).
    """
    images, labels = digits().normalized(digits().test), digits().test.labels
    dice = np.random.default_rng(0)

    def right(**operation: object) -> int:
        return int((net.run(images, **operation).argmax(axis=1) == labels).sum())

    blocks = deletable(net.config)
    by_number = {}
    for number in range(1, len(blocks) + 1):
        if math.comb(len(blocks), number) <= EVERY:
            chosen = list(itertools.combinations(blocks, number))
        else:
            chosen = [tuple(dice.choice(blocks, number, replace=False)) for _ in range(CHOICES)]
        by_number[number] = [right(deleted=choice) for choice in chosen]
    pairs = [pair for group in swappable(net.config) for pair in itertools.combinations(group, 2)]
    swaps = []
    for _ in range(CHOICES):
        a, b = pairs[dice.integers(len(pairs))]
        swaps.append(right(swapped={a: b, b: a}))
    single = dict(zip(blocks, by_number[1], strict=True))
    return {"intact": right(), "single": single, "deleted": by_number, "swapped": swaps}


if __name__ == "__main__":
    main()
