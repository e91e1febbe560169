"""Record chapter 00's experiment with several seeds: plain-20, plain-56 and residual-56 on digits, in both frameworks.

    .venv/bin/python benchmarks/degradation.py
    .venv/bin/python benchmarks/degradation.py --name patience --networks plain-56 --epochs 40 --seeds 3

Writes resnet_lessons/records/NAME.json: one history for each network, framework and seed, and what made them.
"""

import argparse
import json
import platform
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import resnet_lessons
from resnet_lessons import datasets, resnet_config, training

import tensorflow

NETWORKS = {"plain-20": (20, "none"), "plain-56": (56, "none"), "residual-56": (56, "A")}
FOLDER = Path(resnet_lessons.__file__).parent / "records"


def main() -> None:
    """Train everything, and write the record whole at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="degradation")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    path = FOLDER / f"{asked.name}.json"
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
                # Seconds are left out: they say more about the machine than about the network.
                rounded = {name: [round(v, 5) for v in values] for name, values in history.items() if name != "seconds"}
                runs.append({"framework": framework, "network": network, "seed": seed, "history": rounded})
    packages = {name: version(name) for name in ("torch", "keras", "numpy", "scikit-learn")}
    packages["tensorflow"] = tensorflow.__version__
    made_by = {
        "command": " ".join(["python", "benchmarks/degradation.py", *sys.argv[1:]]),
        "recipe": base.to_dict(),
        "python": platform.python_version(),
        "packages": packages,
    }
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps({"made_by": made_by, "runs": runs}, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)


if __name__ == "__main__":
    main()
