"""Labelled images for both frameworks: the same bytes in the same order.

    catalogue.py  the datasets that have a name, as the Hugging Face hub publishes them
    resolve.py    where a dataset is on this machine, and how it is fetched
    parquet.py  folders.py  idx.py  tfds.py    the ways in which it is stored
    images.py     from an image file to pixels; what becomes of bad ones
    read.py       from files to a dataset
    parts.py      Dataset and its parts: in memory, decoded when asked for, or streamed
    batches.py    order, shares of several processes, preparation in the background
    augment.py    augmentation

Built in: `digits`, 1,797 real handwritten digits of 8×8 pixels (scikit-learn). Nothing is downloaded unless asked for.
"""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path

from resnet_lessons.datasets.augment import AUGMENTATIONS
from resnet_lessons.datasets.batches import Batches, StreamBatches, epoch_order
from resnet_lessons.datasets.catalogue import CATALOGUE, Published, find
from resnet_lessons.datasets.images import BadImageError, OnBadImage, Skipped
from resnet_lessons.datasets.parts import IMAGENET_MEAN, IMAGENET_STD, Dataset, Part, Photos, Stream, in_memory
from resnet_lessons.datasets.read import Options, check_keeps_size, read, stream_from_hub
from resnet_lessons.datasets.resolve import VARIABLE, download, inspect, locate, not_here
from resnet_lessons.datasets.resolve import download as _fetch

import numpy as np

__all__ = [
    "AUGMENTATIONS",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "NAMES",
    "VARIABLE",
    "BadImageError",
    "Batches",
    "Dataset",
    "Part",
    "Photos",
    "Skipped",
    "Stream",
    "StreamBatches",
    "download",
    "epoch_order",
    "load_dataset",
    "locate",
]

NAMES = ("digits", *CATALOGUE)


def load_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    download: bool = False,
    image_size: int | None = None,
    on_bad_image: OnBadImage = "raise",
    test_share: float = 0.2,
) -> Dataset:
    """Load a dataset by its name, or from a path.

    A name never means a folder of the working directory: it is built in, or looked for in the folder that the environment
    variable RESNET_LESSONS_DATA names, in the hub's cache on this machine, and, if `download` allows it, on the hub.

    Parameters
    ----------
    name_or_path
        A name of `NAMES`; "tfds:NAME" of TensorFlow Datasets; or a path, which contains a slash: a folder of class folders
        (below `train` and `test` or `val`, or undivided), parquet files, or idx files.
    download
        Whether the hub may be asked for what is not on this machine. ImageNet is then streamed, everything else kept.
    image_size
        Height and width, in pixels, to which pictures of many sizes are brought: 224 if not given. Small images that are kept
        in memory otherwise are read as such pictures if it is given.
    on_bad_image
        "raise": an image that cannot be read is an error. "skip": it is left out, and `dataset.skipped` lists it.
    test_share
        The share of every class's images that are tested on, where the path does not divide them.

    Raises
    ------
    ValueError
        If there is no such dataset, it is not on this machine, or its files are faulty; the message says what to do.

    Examples
    --------
    >>> digits = load_dataset("digits")
    >>> len(digits.train), len(digits.test), digits.image_shape
    (1437, 360, (1, 8, 8))
    """
    options = Options(image_size, on_bad_image, test_share)
    changed = {
        one.name: getattr(options, one.name) for one in fields(options) if getattr(options, one.name) != one.default
    }
    return replace(_load(name_or_path, download, options), options=changed)


def _load(name_or_path: str | os.PathLike[str], download: bool, options: Options) -> Dataset:
    name = os.fspath(name_or_path)
    if name == "digits":
        check_keeps_size(name, options.image_size)
        return _digits()
    if name.startswith("tfds:"):
        from resnet_lessons.datasets import tfds

        return tfds.load(name, download=download, image_size=options.image_size, on_bad_image=options.on_bad_image)
    published = find(name)
    if published is not None and not isinstance(name_or_path, Path):
        return _published(published, download, options)
    return _at_path(name, isinstance(name_or_path, Path), options)


def _published(published: Published, download: bool, options: Options) -> Dataset:
    location = locate(published.name)
    if location is None and download:
        if published.streamed:
            return stream_from_hub(published, options)
        _fetch(published.name)
        location = locate(published.name)
    if location is None:
        raise ValueError(not_here(published.name))
    return read(published.name, location, options, published)


def _at_path(name: str, is_path: bool, options: Options) -> Dataset:
    path = Path(name).expanduser()
    if not is_path and not any(separator in name for separator in ("/", os.sep)) and name[:1] not in ("~", "."):
        hint = f"; the folder of that name here is ./{name}" if path.exists() else ""
        raise ValueError(
            f"There is no dataset {name!r}; there are {', '.join(NAMES)}, tfds:NAME of TensorFlow Datasets, and paths, which "
            f"contain a slash{hint}."
        )
    if not path.exists():
        raise ValueError(f"There is no folder or file {name}; names of datasets are {', '.join(NAMES)}.")
    location = inspect(path)
    if location is None:
        raise ValueError(
            f"{name} holds no dataset: it may be a folder of class folders (images of a class in a folder of its name), also "
            "below train and test or val; parquet files; or the idx files of MNIST's relatives."
        )
    return read(name, location, options)


def _digits() -> Dataset:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    images = found.images.astype(np.uint8)[..., None]  # 0…16
    parts = train_test_split(
        images, found.target.astype(np.int64), test_size=0.2, random_state=0, stratify=found.target
    )
    train, test = Part(parts[0], parts[2]), Part(parts[1], parts[3])
    return in_memory("digits", train, test, tuple(map(str, range(10))), brightest=16)
