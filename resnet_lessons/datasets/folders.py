"""Folders of classes: one folder a class, image files in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from resnet_lessons.datasets.catalogue import IMAGENETTE
from resnet_lessons.datasets.images import Encoded
from resnet_lessons.datasets.resolve import IMAGE_SUFFIXES

import numpy as np


class Files(Sequence[Encoded]):
    """Image files as encoded images."""

    def __init__(self, paths: Sequence[str]):
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Encoded:  # type: ignore[override]
        return Encoded(self.paths[index], Path(self.paths[index]))


def list_classes(root: Path) -> dict[str, list[str]]:
    """Return each class's image files, classes and files in the order of their names.

    Raises
    ------
    ValueError
        If a class's folder holds no image.
    """
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    classes = {name: _images(root / name) for name in names}
    for name, files in classes.items():
        if not files:
            raise ValueError(f"{root / name} holds no image: put images of this class into it, or remove the folder.")
    return classes


def _images(folder: Path) -> list[str]:
    return sorted(
        os.path.join(inner, file)
        for inner, _, files in os.walk(folder)
        for file in files
        if os.path.splitext(file)[1].lower() in IMAGE_SUFFIXES and not file.startswith(".")
    )


def check_same_classes(train: Sequence[str], test: Sequence[str], where: Path) -> None:
    """Refuse a test part that has other classes than the training part.

    Raises
    ------
    ValueError
        The message names the classes that one of them lacks.
    """
    lacking = [
        f"the {part} part lacks {_some(sorted(missing))}"
        for part, missing in (("training", set(test) - set(train)), ("test", set(train) - set(test)))
        if missing
    ]
    if lacking:
        raise ValueError(
            f"{where}: {' and '.join(lacking)}. Both must have the same classes, under the same names: add what is missing, "
            "or take the class out of both."
        )
    if tuple(train) != tuple(test):
        raise ValueError(
            f"{where}: training and test part have the same classes in different order, so labels mean different ones."
        )


def joined(classes: dict[str, list[str]]) -> tuple[Files, np.ndarray]:
    """Return all files and their labels, class after class."""
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in classes.values()])
    return Files([file for files in classes.values() for file in files]), labels.astype(np.int64)


def split(labels: np.ndarray, share: float, name: str, class_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the images to train on and to test on: of each class the same share, the same ones every time.

    Raises
    ------
    ValueError
        If the share makes no sense, or a class has too few images to be divided.
    """
    if not 0 < share < 1:
        raise ValueError(f"test_share is {share!r}; it lies between 0 and 1.")
    test = []
    for label, class_name in enumerate(class_names):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise ValueError(
                f"{name} has {len(members)} image{'s' * (len(members) != 1)} of {class_name}; dividing it into a training and "
                "a test part takes at least two: add some, or take the class out."
            )
        count = min(max(1, round(share * len(members))), len(members) - 1)
        test.append(np.random.default_rng([0, label]).permutation(members)[:count])
    chosen = np.sort(np.concatenate(test))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen


def readable(names: Sequence[str]) -> tuple[str, ...]:
    """Return the words for Imagenette's WordNet numbers, other names as they are."""
    return tuple(IMAGENETTE[name] for name in names) if set(names) <= set(IMAGENETTE) else tuple(names)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
