"""Record chapter 02's experiment: ResNet-20 with shortcut options A, B and C on digits, five seeds, in both frameworks.

    .venv/bin/python benchmarks/shortcut_options.py

Writes resnet_lessons/records/shortcut_options.json: one history for each framework, option and seed, and what made them.
The networks are chapter 00's (8, 16 and 32 channels) and so is the recipe, so nothing was chosen to favour an option.
"""

import argparse
import itertools

from resnet_lessons import datasets, resnet_config, training
from resnet_lessons.training.records import curves, provenance, write_record

FRAMEWORKS, OPTIONS = ("pytorch", "tensorflow"), ("A", "B", "C")


def run(framework: str, option: str, seed: int, recipe: training.Recipe) -> dict:
    """Train one network and return its history."""
    config = resnet_config(20, family="cifar", shortcut=option, width=8, in_channels=1)
    net = training.new_network(framework, config, seed)
    label = f"option {option} {framework} seed {seed}"
    history = training.fit(net, datasets.load_dataset("digits"), recipe, label=label)
    about = {"framework": framework, "option": option, "seed": seed, "parameters": config.parameters}
    return {**about, "history": curves(history)}


def main() -> None:
    """Train everything, and write the record whole at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="shortcut_options")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    recipes = [training.Recipe(epochs=asked.epochs, peak_rate=0.1, seed=seed) for seed in range(asked.seeds)]
    runs = [run(*chosen, recipe.seed, recipe) for *chosen, recipe in itertools.product(FRAMEWORKS, OPTIONS, recipes)]
    write_record(asked.name, provenance("benchmarks/shortcut_options.py", recipe=recipes[0].to_dict()), runs)


if __name__ == "__main__":
    main()
