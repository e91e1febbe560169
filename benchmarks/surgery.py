"""Record what training on does after each surgery of the lab "Identity surgery", with five seeds.

    .venv/bin/python benchmarks/surgery.py

Writes resnet_lessons/records/surgery.json. It needs the trained networks of benchmarks/lesion.py. A seed decides the order
of the images and the random kernels; the trained network is the same in all runs. Blocks go to the end of every stage.
PyTorch alone: with the same weights and the same batches, TensorFlow's runs differ by rounding (a test compares).
"""

import itertools
import json
import platform
import sys
from importlib.metadata import version

from resnet_lessons.labs import surgery
from resnet_lessons.labs.blockwise import TRAINED, digits, load_trained
from resnet_lessons.labs.train_on import RECIPE, Learner

EPOCHS, SEEDS = 3, 5
NETWORKS = ("plain-20", "residual-20")


def main() -> None:
    """Operate, train on, and write the record whole at the end."""
    runs = []
    cases = itertools.product(NETWORKS, surgery.CONSTRUCTIONS, surgery.NUMBERS, range(SEEDS))
    for name, construction, number, seed in cases:
        plan = surgery.Plan(number, "spread", construction)
        grown = surgery.operate(load_trained(name), plan, seed)
        learner = Learner("pytorch", grown, digits(), seed)
        first, test = None, []
        for epoch in range(EPOCHS):
            for indices in learner.batches(epoch):
                right = learner.step(indices)
                first = right / len(indices) if first is None else first
            test.append(round(learner.test(), 5))
        where = {"network": name, "construction": construction, "number": number, "seed": seed}
        runs.append({**where, "first_batch": first, "test_accuracy": test})
        print(json.dumps(runs[-1]), flush=True)
    packages = {name: version(name) for name in ("torch", "numpy", "scikit-learn")}
    made_by = {
        "command": " ".join(["python", "benchmarks/surgery.py", *sys.argv[1:]]),
        "recipe": {**RECIPE.to_dict(), "epochs": EPOCHS, "rate": "constant"},
        "python": platform.python_version(),
        "packages": packages,
    }
    record = TRAINED.with_name("surgery.json")
    unfinished = record.with_suffix(".part")
    unfinished.write_text(json.dumps({"made_by": made_by, "runs": runs}) + "\n", encoding="utf-8")
    unfinished.replace(record)


if __name__ == "__main__":
    main()
