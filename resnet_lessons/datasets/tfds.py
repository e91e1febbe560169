"""TensorFlow Datasets by their names: its encoded images, decoded like all others here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from resnet_lessons.datasets.images import Encoded, OnBadImage, Reader, stack
from resnet_lessons.datasets.parts import Dataset, Part, Photos, Stream, in_memory, of_photographs
from resnet_lessons.datasets.read import PHOTO_SIZE, SMALL

import numpy as np

PREFIX = "tfds:"
STREAMED = 200_000  # images from which on a part is read as a stream
SECRET_LABELS = ("imagenet2012",)  # the test part's labels are all -1: one evaluates on the validation part


def load(name: str, *, download: bool, image_size: int | None, on_bad_image: OnBadImage) -> Dataset:
    """Load `tfds:NAME`.

    Raises
    ------
    ValueError
        If TensorFlow Datasets is not installed, has no such dataset, or has not prepared it on this machine.
    """
    if find_spec("tensorflow_datasets") is None:
        raise ValueError(
            f'{name} needs TensorFlow Datasets, which is not installed: pip install "resnet-lessons[tfds]".'
        )
    import tensorflow_datasets as tfds

    wanted = name.removeprefix(PREFIX)
    try:
        builder = tfds.builder(wanted)
    except tfds.core.DatasetNotFoundError as error:
        raise ValueError(
            f"TensorFlow Datasets has no {wanted!r}; its catalogue is at tensorflow.org/datasets/catalog."
        ) from error
    if download:
        builder.download_and_prepare()
    features, (image, label) = builder.info.features, builder.info.supervised_keys or ("image", "label")
    kinds = [type(features[key]) if key in features else None for key in (image, label)]
    if kinds != [tfds.features.Image, tfds.features.ClassLabel]:
        raise ValueError(f"{name} is not a dataset of images with one label each; it has {', '.join(features)}.")
    class_names = tuple(features[label].names)
    height, width, channels = features[image].shape
    in_ram = image_size is None and height is not None and max(height, width) <= SMALL
    parts: list[Any] = []
    for split in ("train", _test_split(builder, wanted)):
        rows = Rows(name, builder, split, image, label)
        if wanted.startswith(SECRET_LABELS) or (rows.count or 0) > STREAMED:
            parts.append(
                Stream(
                    rows.piece,
                    rows.pieces,
                    rows.count,
                    len(class_names),
                    image_size or PHOTO_SIZE,
                    on_bad_image=on_bad_image,
                )
            )
            continue
        encoded, numbers = zip(*rows, strict=True)
        labels = np.array(numbers, np.int64)
        if in_ram:
            reader = Reader(on_bad_image)
            parts.append(Part(*stack(encoded, labels, channels, reader), reader.skipped))
        else:
            parts.append(
                Photos(
                    encoded,
                    labels,
                    image_size or PHOTO_SIZE,
                    channels=1 if channels == 1 else 3,
                    on_bad_image=on_bad_image,
                )
            )
    train, test = parts
    return (in_memory if in_ram else of_photographs)(name, train, test, class_names)


def _test_split(builder: Any, wanted: str) -> str:
    names = ("validation",) if wanted.startswith(SECRET_LABELS) else ("test", "validation")
    there = list(builder.info.splits or names)
    for name in names:
        if name in there:
            return name
    raise ValueError(f"{PREFIX}{wanted} has no test part; it has {', '.join(there)}.")


@dataclass(frozen=True)
class Rows:
    """One part's encoded images and labels, from front to back."""

    name: str
    builder: Any
    split: str
    image: str
    label: str

    @property
    def _info(self) -> Any:
        """What the library knows of the part, or None."""
        return (self.builder.info.splits or {}).get(self.split)

    @property
    def count(self) -> int | None:
        """Number of images, if known."""
        return self._info.num_examples if self._info else None

    @property
    def pieces(self) -> int:
        """Number of files."""
        return self._info.num_shards if self._info else 1

    def __iter__(self) -> Iterator[tuple[Encoded, int]]:
        return self._read(self.split)

    def piece(self, number: int) -> Iterator[tuple[Encoded, int]]:
        """Read one file."""
        return self._read(f"{self.split}[{number}shard]" if self.pieces > 1 else self.split)

    def _read(self, split: str) -> Iterator[tuple[Encoded, int]]:
        import tensorflow_datasets as tfds

        # The rest, such as outlines of pets, is not even decoded.
        wanted = tfds.decode.PartialDecoding(
            {self.image: True, self.label: True}, decoders={self.image: tfds.decode.SkipDecoding()}
        )
        try:
            # Not shuffled by TensorFlow, whose order would also depend on its global seed.
            rows = self.builder.as_dataset(split=split, decoders=wanted)
        except AssertionError as error:  # what the library raises where nothing has been prepared
            raise ValueError(
                f"{self.name} is not on this machine: prepare it with load_dataset({self.name!r}, download=True), or use "
                "digits, which is built in."
            ) from error
        for number, row in enumerate(tfds.as_numpy(rows)):
            yield Encoded(f"{self.name}, {split}, image {number}", row[self.image]), int(row[self.label])
