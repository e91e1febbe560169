"""Record what the schedules of the lab "Schedule explorer" lead to, with five seeds.

    .venv/bin/python benchmarks/schedules.py

Writes resnet_lessons/records/schedules.json: the five schedules to be diagnosed, update by update; every shape and ramp at
peak rate 1, and two flat warm-ups; the better rates over 2 epochs; every constant rate. A seed
decides the initial weights and the order of the images. PyTorch alone: TensorFlow begins with the same weights and follows
the same recipe, so its runs differ by rounding, which at high rates grows into another run like these.
"""

import itertools
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict

from resnet_lessons.labs.schedule_trials import (
    PATIENTS,
    RATES,
    RECIPE,
    SHAPES,
    WARM_UPS,
    Plan,
    Trial,
)
from resnet_lessons.training.records import provenance, write_record

SEEDS = 5
SHORT = (0.03, 0.1, 0.3)


def plans() -> list[Plan]:
    """Every schedule that is recorded, once."""
    constant = [Plan(rate=rate) for rate in RATES]
    ramps = [Plan(shape, 1.0, warm_up) for shape, warm_up in itertools.product(SHAPES, WARM_UPS)]
    flat = [Plan("cosine", 1.0, warm_up, "constant") for warm_up in (0.125, 0.25)]
    short = [Plan(shape, rate, up, epochs=2) for shape, rate, up in itertools.product(SHAPES, SHORT, (0.0, 0.25))]
    return list(dict.fromkeys([*PATIENTS.values(), *ramps, *short, *constant, *flat]))


def run(plan: Plan, seed: int) -> dict:
    """Train once, to the end."""
    trial = Trial("pytorch", plan, lambda _: None, seed)
    trial.begin()
    trial.wait()
    course = trial.course
    if course.error:
        raise RuntimeError(course.error)
    found = {"plan": asdict(plan), "seed": seed, "diverged": course.diverged}
    found |= {"train_loss": course.epoch_losses, "test_accuracy": course.accuracies}
    return found | ({"losses": course.losses} if plan in PATIENTS.values() else {})


def main() -> None:
    """Train all, and write the record whole at the end."""
    cases = list(itertools.product(plans(), range(SEEDS)))
    runs = []
    with ProcessPoolExecutor(2) as pool:
        for found in pool.map(run, *zip(*cases, strict=True)):
            print(json.dumps({name: value for name, value in found.items() if name != "losses"}), flush=True)
            runs.append(found)
    recipe = {
        name: value for name, value in RECIPE.to_dict().items() if name not in ("epochs", "peak_rate", "schedule")
    }
    made_by = provenance("benchmarks/schedules.py", packages=("torch", "numpy", "scikit-learn"), recipe=recipe)
    write_record("schedules", made_by, runs, digits=4)


if __name__ == "__main__":
    main()
