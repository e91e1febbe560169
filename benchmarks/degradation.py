"""Record chapter 00's experiment with several seeds: plain-20, plain-56 and residual-56 on digits, in both frameworks.

    .venv/bin/python benchmarks/degradation.py
    .venv/bin/python benchmarks/degradation.py --name patience --networks plain-56 --epochs 40 --seeds 3

Writes resnet_lessons/records/NAME.json: one history for each network, framework and seed, and what made them.
"""

import argparse
from dataclasses import replace

from resnet_lessons import datasets, resnet_config, training
from resnet_lessons.training.records import curves, provenance, write_record

NETWORKS = {"plain-20": (20, "none"), "plain-56": (56, "none"), "residual-56": (56, "A")}


def main() -> None:
    """Train everything, and write the record whole at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="degradation")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    digits = datasets.load_dataset("digits")
    base = training.Recipe(epochs=asked.epochs, peak_rate=0.1)
    runs = []
    for framework in ("pytorch", "tensorflow"):
        for network in asked.networks:
            depth, shortcut = NETWORKS[network]
            for seed in range(asked.seeds):
                config = resnet_config(depth, family="cifar", shortcut=shortcut, width=8, in_channels=1)
                recipe = replace(base, seed=seed)
                net = training.new_network(framework, config, seed)
                history = training.fit(net, digits, recipe, label=f"{network} {framework} seed {seed}")
                runs.append({"framework": framework, "network": network, "seed": seed, "history": curves(history)})
    write_record(asked.name, provenance("benchmarks/degradation.py", recipe=base.to_dict()), runs)


if __name__ == "__main__":
    main()
