"""Record chapter 00's experiment with several seeds: plain-20, plain-56 and residual-56 on digits, in both frameworks.

    .venv/bin/python benchmarks/degradation.py [--seeds 5]

Writes resnet_lessons/records/degradation.json: one history for each network, framework and seed, and what made them.
"""

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path

import resnet_lessons
from resnet_lessons import datasets, resnet_config, training

NETWORKS = {"plain-20": (20, "none"), "plain-56": (56, "none"), "residual-56": (56, "A")}
RECIPE = training.Recipe(epochs=10, peak_rate=0.1)
PATH = Path(resnet_lessons.__file__).parent / "records" / "degradation.json"


def main() -> None:
    """Train everything, and write the record whole at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    digits = datasets.load_dataset("digits")
    runs = []
    for framework in ("pytorch", "tensorflow"):
        for network, (depth, shortcut) in NETWORKS.items():
            for seed in range(seeds):
                config = resnet_config(depth, family="cifar", shortcut=shortcut, width=8, in_channels=1)
                recipe = training.Recipe(**{**RECIPE.to_dict(), "seed": seed})
                net = training.new_network(framework, config, seed)
                history = training.fit(net, digits, recipe, label=f"{network} {framework} seed {seed}")
                # Seconds are left out: they say more about the machine than about the network.
                rounded = {name: [round(v, 5) for v in values] for name, values in history.items() if name != "seconds"}
                runs.append({"framework": framework, "network": network, "seed": seed, "history": rounded})
    packages = {name: version(name) for name in ("torch", "keras", "numpy", "scikit-learn")}
    made_by = {
        "command": f"python benchmarks/degradation.py --seeds {seeds}",
        "recipe": RECIPE.to_dict(),
        "python": platform.python_version(),
        "packages": packages,
    }
    unfinished = PATH.with_suffix(".part")
    unfinished.write_text(json.dumps({"made_by": made_by, "runs": runs}, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(PATH)


if __name__ == "__main__":
    main()
