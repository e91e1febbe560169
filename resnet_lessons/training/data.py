"""The batches of a training, for both frameworks: a pure function of seed, epoch and place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from resnet_lessons.datasets import epoch_order
from resnet_lessons.training.recipe import Recipe

import numpy as np

# What a processor is through with soonest: PyTorch while it all stays in the cache, TensorFlow with fewer calls.
TEST_BATCH = {"NCHW": 100, "NHWC": 500}


def batch_order(images: int, recipe: Recipe, epoch: int) -> Iterator[np.ndarray]:
    """Yield the indices of each batch of an epoch (from 0): a pure function of seed and epoch, in both frameworks.

    The last batch is smaller where the numbers do not divide.
    """
    order = epoch_order(images, recipe.seed, epoch)
    for start in range(0, images, recipe.batch_size):
        yield order[start : start + recipe.batch_size]


def training_batches(
    dataset: Any, recipe: Recipe, epoch: int, *, start: int = 0, rank: int = 0, world: int = 1, layout: str = "NCHW"
) -> Any:  # fmt: skip
    """Return what iterates over the (images, labels) of an epoch, from batch `start` on, for one of `world` processes."""
    return dataset.batches(
        dataset.train, recipe.batch_size, shuffle=True, seed=recipe.seed, epoch=epoch, augment=recipe.augment,
        start=start, rank=rank, world=world, last="fill", layout=layout, **statistics(dataset, recipe),
    )  # fmt: skip


def part_to_test_on(
    dataset: Any, recipe: Recipe, *, rank: int = 0, world: int = 1, layout: str = "NCHW", mean: Any = None, std: Any = None
) -> Any:  # fmt: skip
    """Return what iterates over the test images, every one exactly once over all processes.

    `mean` and `std` replace the dataset's own where foreign weights want others.
    """
    normalization = {"mean": mean, "std": std} if mean is not None else statistics(dataset, recipe)
    return dataset.batches(dataset.test, TEST_BATCH[layout], rank=rank, world=world, layout=layout, **normalization)


def statistics(dataset: Any, recipe: Recipe) -> dict[str, Any]:
    """Return what is subtracted from the pixels and what they are divided by, where it is not the dataset's own."""
    if recipe.normalization == "channel":
        return {}
    mean = dataset.train.mean_image / dataset.brightest
    return {"mean": mean, "std": (1.0,) * len(mean)}
