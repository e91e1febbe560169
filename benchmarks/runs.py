"""Record the course's own trainings by the command that a learner types.

    .venv/bin/python benchmarks/runs.py digits --seeds 5
    .venv/bin/python benchmarks/runs.py fashion_mnist --framework tensorflow --seeds 1
    .venv/bin/python benchmarks/runs.py cifar10 --ship
    .venv/bin/python benchmarks/runs.py paper-v2-110 --seeds 3

Runs `resnet-lessons train` once for each seed, into runs/recorded/, and writes resnet_lessons/records/NAME_FRAMEWORK.json:
command, recipe, network, data, environment, and each run's history with its seconds. What was begun is resumed, and what is
finished is not trained again. `--ship` makes the first run's weights those that come with the package. The number of
threads is the machine's; `taskset -c 0,1` in front limits it to two.

Those named paper-… follow 1512.03385, section 4.2 (table 6), and 1603.05027 (table 3): 64,000 updates, for which one wants a
GPU. They are not recorded yet.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.training import saved
from resnet_lessons.training.pictures import WEIGHTS
from resnet_lessons.training.records import provenance, write_record

TRAININGS = {
    "digits": "--data digits --depth 20 --recipe digits",
    "fashion_mnist": "--data fashion_mnist --depth 20 --recipe fashion",
    "cifar10": "--data cifar10 --depth 20 --shortcut B --recipe fast-cifar",
    "paper-plain-20": "--data cifar10 --depth 20 --shortcut none --recipe paper-cifar",
    "paper-plain-56": "--data cifar10 --depth 56 --shortcut none --recipe paper-cifar",
    "paper-v1-20": "--data cifar10 --depth 20 --recipe paper-cifar",
    "paper-v1-56": "--data cifar10 --depth 56 --recipe paper-cifar",
    "paper-v1-110": "--data cifar10 --depth 110 --recipe paper-cifar-110",
    # The second paper warms up in all its experiments on CIFAR (its appendix).
    "paper-v2-110": "--data cifar10 --depth 110 --version v2 --recipe paper-cifar-110",
    "paper-v2-164": "--data cifar10 --depth 164 --version v2 --recipe paper-cifar-110",
}
# In its own time: Keras draws other initial weights, and at 40 epochs one run may end on either side of the aim.
LONGER = {("cifar10", "tensorflow"): "--epochs 50"}


def main() -> None:
    """Train what is not trained yet, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=TRAININGS)
    parser.add_argument("--framework", choices=FRAMEWORKS, default="pytorch")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--ship", action="store_true")
    asked = parser.parse_args()
    runs = [saved.read_run(trained(asked.name, asked.framework, seed)) for seed in range(asked.seeds)]
    facts = runs[0].facts
    made_by = provenance(
        "benchmarks/runs.py",
        packages=("numpy",),
        each_run=" ".join(["resnet-lessons", *options(asked.name, asked.framework), "--seed", "SEED"]),
        **{name: facts[name] for name in ("recipe", "network", "data", "framework", "environment", "measured")},
    )
    rows = [{"seed": run.facts["recipe"]["seed"], "history": run.history} for run in runs]
    print(write_record(f"{asked.name}_{asked.framework}".replace("-", "_"), made_by, rows))
    if asked.ship:
        shutil.copyfile(runs[0].path / "weights.safetensors", WEIGHTS)


def trained(name: str, framework: str, seed: int) -> Path:
    """Return the folder of a finished run; train it first, or go on with it."""
    folder = Path("runs/recorded") / f"{name}-{framework}-{seed}"
    begun = (folder / "run.json").exists()
    if not (folder / "weights.safetensors").exists():
        command = ["train", "--resume"] if begun else [*options(name, framework), "--seed", str(seed), "--run"]
        subprocess.run([sys.executable, "-m", "resnet_lessons.cli", *command, str(folder)], check=True)
    return folder


def options(name: str, framework: str) -> list[str]:
    """Return the command's words after `resnet-lessons`, without the seed."""
    longer = LONGER.get((name, framework), "")
    return ["train", *TRAININGS[name].split(), *longer.split(), "--framework", framework]


if __name__ == "__main__":
    main()
