"""What a training does, said once for both frameworks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

History = dict[str, list[float]]  # "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds"


@dataclass(frozen=True)
class Recipe:
    """SGD with Nesterov momentum and a one-cycle learning rate (Smith and Topin 2017, arXiv 1708.07120).

    The rate rises linearly to `peak_rate` over the first `warm_up` of all steps, then falls to 0 along half a cosine.
    """

    epochs: int = 20
    batch_size: int = 64
    peak_rate: float = 0.1
    momentum: float = 0.9
    warm_up: float = 0.25  # share of all steps
    seed: int = 0  # of the order of the images

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            given = getattr(self, name)
            if not isinstance(given, int) or isinstance(given, bool) or given < 1:
                raise ValueError(f"{name} is {given!r}; it is a whole number from 1 on.")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or self.seed < 0:
            raise ValueError(f"seed is {self.seed!r}; it is a whole number from 0 on.")
        if not 0 < self.peak_rate < math.inf:
            raise ValueError(f"peak_rate is {self.peak_rate!r}; it is a positive number such as 0.1.")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is {self.momentum!r}; it lies from 0 to below 1.")
        if not 0 < self.warm_up < 1:
            raise ValueError(f"warm_up is {self.warm_up!r}; it is a share of the steps, between 0 and 1.")

    def to_dict(self) -> dict[str, Any]:
        """The fields as a plain dictionary."""
        return asdict(self)

    def steps(self, images: int) -> int:
        """Number of updates that this recipe takes on so many training images."""
        return self.epochs * math.ceil(images / self.batch_size)


RECIPES = {"digits": Recipe(batch_size=32)}


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate of an update, `step` counting from 0 to `steps` − 1.

    >>> recipe = Recipe(peak_rate=0.5, warm_up=0.25)
    >>> [round(learning_rate(recipe, step, 8), 3) for step in range(8)]
    [0.25, 0.5, 0.467, 0.375, 0.25, 0.125, 0.033, 0.0]
    """
    rising = max(1, round(recipe.warm_up * steps))
    if step < rising:
        return recipe.peak_rate * (step + 1) / rising
    fallen = (step + 1 - rising) / max(1, steps - rising)
    return recipe.peak_rate * (1 + math.cos(math.pi * fallen)) / 2


def batch_order(images: int, recipe: Recipe, epoch: int) -> Iterator[np.ndarray]:
    """Yield the indices of each batch of an epoch (from 0): a pure function of seed and epoch, in both frameworks.

    The last batch is smaller where the numbers do not divide.
    """
    order = np.random.default_rng([recipe.seed, epoch]).permutation(images)
    for start in range(0, images, recipe.batch_size):
        yield order[start : start + recipe.batch_size]


def end_epoch(row: dict[str, float], history: History, bar: Any) -> None:
    """Add an epoch's numbers to the history, and show its accuracies on the progress bar."""
    for name, value in row.items():
        history.setdefault(name, []).append(float(value))
    bar.set_postfix(train=f"{row['train_accuracy']:.1%}", test=f"{row['test_accuracy']:.1%}")


def check_finite(loss: float, epoch: int) -> None:
    """Stop a training whose loss is no longer a number."""
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"The loss is {loss} in epoch {epoch + 1}: the training has diverged. Try a tenth of the learning rate, or a "
            "longer warm-up; and look at the images: are they normalised?"
        )
