"""Record chapter 05's experiment: the five placements of arXiv 1603.05027, table 2, on digits, with several seeds.

    .venv/bin/python benchmarks/placements.py
    .venv/bin/python benchmarks/placements.py --framework tensorflow
    .venv/bin/python benchmarks/placements.py --depth 110
    .venv/bin/python benchmarks/placements.py --of slips

Writes resnet_lessons/records/placements_DEPTH_FRAMEWORK.json: one history for each placement and seed, and what made them;
or slips_DEPTH_FRAMEWORK.json, of pre-activation networks with the slips of resnet_lessons/labs/slips.py. The recipe is that
of chapter 00 (benchmarks/degradation.py).
"""

import argparse
from dataclasses import replace

from resnet_lessons import datasets, frameworks, resnet_config, training
from resnet_lessons.labs import placements, slips
from resnet_lessons.training.records import curves, provenance, write_record


def main() -> None:
    """Train everything, and write the record whole at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--of", choices=("placements", "slips"), default="placements")
    parser.add_argument("--framework", choices=frameworks.FRAMEWORKS, default="pytorch")
    parser.add_argument("--depth", type=int, default=56)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    digits = datasets.load_dataset("digits")
    base = training.Recipe(epochs=asked.epochs, peak_rate=0.1)
    variants = placements.PLACEMENTS if asked.of == "placements" else slips.SLIPS
    runs = []
    for seed in range(asked.seeds):
        for key in variants:
            net = (placed if asked.of == "placements" else slipped)(asked.framework, key, asked.depth, seed)
            label = f"{key} {asked.framework} depth {asked.depth} seed {seed}"
            history = training.fit(net, digits, replace(base, seed=seed), label=label)
            runs.append({asked.of.removesuffix("s"): key, "seed": seed, "history": curves(history)})
    made_by = provenance(
        "benchmarks/placements.py",
        packages=(frameworks.PACKAGES[asked.framework], "numpy", "scikit-learn"),
        recipe=base.to_dict(),
        depth=asked.depth,
        framework=asked.framework,
    )
    write_record(f"{asked.of}_{asked.depth}_{asked.framework}", made_by, runs)


def placed(framework, key, depth, seed):
    """Build a network whose blocks follow one of the paper's placements: option A, so that all have the same parameters."""
    config = resnet_config(depth, family="cifar", shortcut="A", width=8, in_channels=1)
    return placements.network(framework, placements.PLACEMENTS[key].order, config, seed=seed)


def slipped(framework, key, depth, seed):
    """Build a pre-activation network with a slip: option B, so that there are projections."""
    config = resnet_config(depth, "v2", family="cifar", shortcut="B", width=8, in_channels=1)
    training.new_network(framework, config, seed)  # sets the framework's dice
    return slips.slipped(framework, key, config, dtype="float32")


if __name__ == "__main__":
    main()
