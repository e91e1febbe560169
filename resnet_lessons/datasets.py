"""Labelled images for both frameworks: the same bytes in the same order.

Built in: `digits`, 1,797 real handwritten digits of 8×8 pixels (scikit-learn). On disk: `cifar10`, as the Hugging Face
hub publishes it (`uoft-cs/cifar10`, parquet), in the folder that the environment variable RESNET_LESSONS_DATA names.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

VARIABLE = "RESNET_LESSONS_DATA"
NAMES = ("digits", "cifar10")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Part:
    """Images and their labels."""

    images: np.ndarray  # (N, H, W, C), integers from 0 to Dataset.brightest
    labels: np.ndarray  # (N,), int64

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A training part and a test part."""

    name: str
    train: Part
    test: Part
    class_names: tuple[str, ...]
    brightest: int  # the value of a white pixel
    mean: tuple[float, ...]  # of each channel of the training images, on the scale 0…1
    std: tuple[float, ...]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        height, width, channels = self.train.images.shape[1:]
        return channels, height, width

    def normalized(
        self, part: Part, mean: tuple[float, ...] | None = None, std: tuple[float, ...] | None = None
    ) -> np.ndarray:  # fmt: skip
        """Return a part's images as float32 (N, C, H, W) with zero mean and unit variance.

        `mean` and `std`, on the scale 0…1, replace the dataset's own where foreign weights want others.
        """
        scaled = part.images.astype(np.float32) / np.float32(self.brightest)
        scaled -= np.asarray(self.mean if mean is None else mean, np.float32)
        scaled /= np.asarray(self.std if std is None else std, np.float32)
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def load_dataset(name: str) -> Dataset:
    """Load a dataset by its name.

    Raises
    ------
    ValueError
        If there is no dataset of that name, or it is not on this machine; the message says what to do.

    Examples
    --------
    >>> digits = load_dataset("digits")
    >>> len(digits.train), len(digits.test), digits.image_shape
    (1437, 360, (1, 8, 8))
    """
    if name not in NAMES:
        raise ValueError(f"There is no dataset {name!r}; there are {', '.join(NAMES)}.")
    return _digits() if name == "digits" else _cifar10()


def _digits() -> Dataset:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    images = found.images.astype(np.uint8)[..., None]  # 0…16
    parts = train_test_split(
        images, found.target.astype(np.int64), test_size=0.2, random_state=0, stratify=found.target
    )
    train, test = Part(parts[0], parts[2]), Part(parts[1], parts[3])
    return _dataset("digits", train, test, tuple(map(str, range(10))), brightest=16)


def _cifar10() -> Dataset:
    folder = os.environ.get(VARIABLE)
    files = sorted(Path(folder, "uoft-cs", "cifar10", "plain_text").glob("*.parquet")) if folder else []
    if not files:
        where = f"{folder} holds no uoft-cs/cifar10/plain_text/*.parquet" if folder else f"{VARIABLE} is not set"
        raise ValueError(
            f"cifar10 is not on this machine ({where}). Download the parquet files of uoft-cs/cifar10 from the Hugging Face "
            f"hub into a folder of that layout and point {VARIABLE} to it, or use digits, which is built in."
        )
    return _read_parquet("cifar10", files, image="img", label="label")


def _read_parquet(name: str, files: list[Path], image: str, label: str) -> Dataset:
    import datasets as hub

    data_files = {part: [str(file) for file in files if file.name.startswith(part)] for part in ("train", "test")}
    hub.disable_progress_bars()
    rows = hub.load_dataset("parquet", data_files=data_files)
    train, test = (
        Part(np.stack([np.asarray(picture) for picture in rows[part][image]]), np.asarray(rows[part][label], np.int64))
        for part in ("train", "test")
    )
    return _dataset(name, train, test, tuple(rows["train"].features[label].names), brightest=255)


def _dataset(name: str, train: Part, test: Part, class_names: tuple[str, ...], brightest: int) -> Dataset:
    pixels = train.images.reshape(-1, train.images.shape[-1]).astype(np.float64) / brightest
    mean, std = tuple(pixels.mean(axis=0).tolist()), tuple(pixels.std(axis=0).tolist())
    return Dataset(name, train, test, class_names, brightest, mean, std)
