"""Record what training on does after each surgery of the lab "Identity surgery", with five seeds.

    .venv/bin/python benchmarks/surgery.py

Writes resnet_lessons/records/surgery.json. It needs the trained networks of benchmarks/lesion.py. A seed decides the order
of the images and the random kernels; the trained network is the same in all runs. Blocks go to the end of every stage.
PyTorch alone: with the same weights and the same batches, TensorFlow's runs differ by rounding (a test compares).
"""

import itertools
import json

from resnet_lessons.labs import surgery
from resnet_lessons.labs.blockwise import digits, load_trained
from resnet_lessons.labs.train_on import RECIPE, Learner
from resnet_lessons.training.records import provenance, write_record

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
            test.append(learner.test())
        where = {"network": name, "construction": construction, "number": number, "seed": seed}
        runs.append({**where, "first_batch": first, "test_accuracy": test})
        print(json.dumps(runs[-1]), flush=True)
    recipe = {**RECIPE.to_dict(), "epochs": EPOCHS, "rate": "constant"}
    made_by = provenance("benchmarks/surgery.py", packages=("torch", "numpy", "scikit-learn"), recipe=recipe)
    write_record("surgery", made_by, runs, digits=6)  # a batch of 64 is counted in sixty-fourths: exact in six digits


if __name__ == "__main__":
    main()
