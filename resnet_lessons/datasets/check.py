"""Reads a dataset from front to back and says what it holds and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from resnet_lessons.datasets.batches import bad_label
from resnet_lessons.datasets.catalogue import CATALOGUE
from resnet_lessons.datasets.images import BadImageError, Encoded, Skipped, decode
from resnet_lessons.datasets.parts import Dataset, Part, Stream

import numpy as np
from tqdm.auto import tqdm


@dataclass(frozen=True)
class PartFindings:
    """What one part holds."""

    name: str  # "train" or "test"
    images: int  # those that cannot be read among them
    by_class: np.ndarray  # (classes,): how many images of each can be read
    sizes: frozenset[tuple[int, int]]  # (height, width), as stored
    bad: tuple[Skipped, ...]
    wrong_labels: tuple[str, ...]

    def problems(self, dataset: Dataset) -> Iterator[str]:
        """Yield a sentence for each fault."""
        yield from (f"{image.name} cannot be read as an image ({image.reason})." for image in self.bad)
        yield from self.wrong_labels
        empty = [name for name, count in zip(dataset.class_names, self.by_class, strict=True) if not count]
        if empty and self.name == "train":
            more = f" and {len(empty) - 1} more classes" if len(empty) > 1 else ""
            yield f"There is no image to train on of {empty[0]!r}{more}."
        published = CATALOGUE.get(dataset.name)
        if published is not None and self.images != (expected := published.counts[self.name == "test"]):
            yield (
                f"The part {self.name!r} has {self.images:,} images, and {dataset.name} was published with {expected:,}: files "
                "are missing, or this is another dataset."
            )


def check(dataset: Dataset) -> tuple[PartFindings, PartFindings]:
    """Read every image and label of a dataset that was loaded with `on_bad_image="skip"`; a progress bar tells how far it is."""
    return _check("train", dataset.train, dataset), _check("test", dataset.test, dataset)


def _check(name: str, part: Any, dataset: Dataset) -> PartFindings:
    classes = len(dataset.class_names)
    if isinstance(part, Part):  # read already
        by_class = np.bincount(part.labels, minlength=classes)
        images = len(part) + len(part.skipped)
        return PartFindings(name, images, by_class, frozenset([part.images.shape[1:3]]), part.skipped, ())
    by_class, images = np.zeros(classes, np.int64), 0
    sizes, bad, wrong = set(), [], []
    pairs: Iterable[tuple[Encoded, int]] = (
        part.rows(None, 0, 1) if isinstance(part, Stream) else zip(part.pictures, part.labels, strict=True)
    )
    total = part.count if isinstance(part, Stream) else len(part)
    for image, label in tqdm(pairs, desc=f"reading {name}", total=total, disable=None, leave=False):
        images += 1
        if not 0 <= label < classes:
            wrong.append(bad_label(image.name, int(label), classes))
            continue
        try:
            picture = decode(image, part.image_shape[0])
        except BadImageError as error:
            bad.append(Skipped(error.name, error.reason))
            continue
        by_class[label] += 1
        sizes.add((picture.height, picture.width))
    return PartFindings(name, images, by_class, frozenset(sizes), tuple(bad), tuple(wrong))
