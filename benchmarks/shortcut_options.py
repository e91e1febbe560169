"""Record chapter 02's experiment: ResNet-20 with shortcut options A, B and C on digits, five seeds, in both frameworks.

    .venv/bin/python benchmarks/shortcut_options.py

Writes resnet_lessons/records/shortcut_options.json: one history for each framework, option and seed, and what made them.
The networks are chapter 00's (8, 16 and 32 channels) and so is the recipe, so nothing was chosen to favour an option.
"""

import argparse
import itertools
import json
import platform
import sys
from importlib.metadata import version

from resnet_lessons import datasets, resnet_config, training

FRAMEWORKS, OPTIONS = ("pytorch", "tensorflow"), ("A", "B", "C")


def run(framework: str, option: str, seed: int, recipe: training.Recipe) -> dict:
    """Train one network and return its history; seconds are left out, they say more about the machine."""
    config = resnet_config(20, family="cifar", shortcut=option, width=8, in_channels=1)
    net = training.new_network(framework, config, seed)
    label = f"option {option} {framework} seed {seed}"
    history = training.fit(net, datasets.load_dataset("digits"), recipe, label=label)
    kept = {name: [round(value, 5) for value in values] for name, values in history.items() if name != "seconds"}
    return {"framework": framework, "option": option, "seed": seed, "parameters": config.parameters, "history": kept}


def main() -> None:
    """Train everything, and write the record whole at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="shortcut_options")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    recipes = [training.Recipe(epochs=asked.epochs, peak_rate=0.1, seed=seed) for seed in range(asked.seeds)]
    runs = [run(*chosen, recipe.seed, recipe) for *chosen, recipe in itertools.product(FRAMEWORKS, OPTIONS, recipes)]
    packages = {name: version(name) for name in ("torch", "keras", "numpy", "scikit-learn")}
    packages["tensorflow"] = sys.modules["tensorflow"].__version__
    command = " ".join(["python", "benchmarks/shortcut_options.py", *sys.argv[1:]])
    made_by = {"command": command, "recipe": recipes[0].to_dict(), "python": platform.python_version()}
    record = {"made_by": {**made_by, "packages": packages}, "runs": runs}
    path = training.RECORDS / f"{asked.name}.json"
    path.with_suffix(".part").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".part").replace(path)


if __name__ == "__main__":
    main()
