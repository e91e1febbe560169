"""The batches of a training, for both frameworks: a pure function of seed, epoch and place."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from resnet_lessons.datasets import Dataset
from resnet_lessons.training.recipe import Recipe

import numpy as np

TEST_BATCH = 500


def batch_order(images: int, recipe: Recipe, epoch: int) -> Iterator[np.ndarray]:
    """Yield the indices of each batch of an epoch (from 0): a pure function of seed and epoch, in both frameworks.

    The last batch is smaller where the numbers do not divide.
    """
    order = np.random.default_rng([recipe.seed, epoch]).permutation(images)
    for start in range(0, images, recipe.batch_size):
        yield order[start : start + recipe.batch_size]


def training_batches(
    dataset: Any, recipe: Recipe, epoch: int, *, start: int = 0, rank: int = 0, world: int = 1, layout: str = "NCHW"
) -> Any:  # fmt: skip
    """Return what iterates over the (images, labels) of an epoch, from batch `start` on, for one of `world` processes."""
    return _batches(
        dataset, dataset.train, recipe.batch_size, shuffle=True, seed=recipe.seed, epoch=epoch, augment=recipe.augment,
        start=start, rank=rank, world=world, last="fill", layout=layout, **statistics(dataset, recipe),
    )  # fmt: skip


def part_to_test_on(
    dataset: Any, recipe: Recipe, *, rank: int = 0, world: int = 1, layout: str = "NCHW", mean: Any = None, std: Any = None
) -> Any:  # fmt: skip
    """Return what iterates over the test images, every one exactly once over all processes.

    `mean` and `std` replace the dataset's own where foreign weights want others.
    """
    normalization = {"mean": mean, "std": std} if mean is not None else statistics(dataset, recipe)
    return _batches(dataset, dataset.test, TEST_BATCH, rank=rank, world=world, layout=layout, **normalization)


def statistics(dataset: Any, recipe: Recipe) -> dict[str, Any]:
    """Return what is subtracted from the pixels and what they are divided by, where it is not the dataset's own."""
    if recipe.normalization == "channel":
        return {}
    images = dataset.train.images
    mean = images.mean(axis=0, dtype=np.float64) / dataset.brightest
    return {"mean": mean.transpose(2, 0, 1), "std": (1.0,) * images.shape[-1]}  # (C, H, W)


def _batches(dataset: Any, part: Any, batch_size: int, **options: Any) -> Any:
    if hasattr(dataset, "batches"):
        return dataset.batches(part, batch_size, **options)
    return InMemory(dataset, part, batch_size, **options)


class InMemory:
    """The batches of a part that is held in memory."""

    def __init__(
        self, dataset: Dataset, part: Any, batch_size: int, *, shuffle: bool = False, seed: int = 0, epoch: int = 0,
        augment: str | None = None, start: int = 0, rank: int = 0, world: int = 1, last: str = "keep",
        layout: str = "NCHW", mean: Any = None, std: Any = None,
    ):  # fmt: skip
        if augment is not None:
            raise ValueError(f"augment is {augment!r}; these data cannot be augmented.")
        images, labels = normalized(dataset, part, layout, mean, std), part.labels
        order = np.random.default_rng([seed, epoch]).permutation(len(part)) if shuffle else np.arange(len(part))
        if last == "fill" and len(order) % batch_size % world:
            order = np.concatenate([order, order[: -len(order) % world]])
        self.images, self.labels = images, labels
        chunks = [order[first : first + batch_size] for first in range(0, len(order), batch_size)][start:]
        self.chunks = [chunk[rank::world] for chunk in chunks]

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.images[self.chunks[index]], self.labels[self.chunks[index]]

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return (self[index] for index in range(len(self)) if len(self.chunks[index]))


_kept: list[Any] = []  # the last normalised parts, so that an epoch does not do it again


def normalized(dataset: Dataset, part: Any, layout: str, mean: Any, std: Any) -> np.ndarray:
    key = (id(part), layout, None if mean is None else np.asarray(mean).tobytes())
    for kept, _, found in _kept:
        if kept == key:
            return found
    found = dataset.normalized(part, _last(mean), std)
    found = found if layout == "NCHW" else np.ascontiguousarray(found.transpose(0, 2, 3, 1))
    _kept.append((key, part, found))
    del _kept[:-4]
    return found


def _last(mean: Any) -> Any:
    """A mean image with its channels last."""
    return mean.transpose(1, 2, 0) if np.ndim(mean) == 3 else mean


def epochs_and_rest(steps: int, per_epoch: int) -> tuple[int, int]:
    """Return how many epochs hold so many steps, and how many steps the last of them takes."""
    epochs = math.ceil(steps / per_epoch)
    return epochs, steps - (epochs - 1) * per_epoch
