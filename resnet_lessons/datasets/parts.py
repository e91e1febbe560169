"""A dataset and its two parts: in memory, decoded when asked for, or read as a stream."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from resnet_lessons.datasets.augment import augmentation
from resnet_lessons.datasets.batches import Batches, Portion, Preparation, Statistic, StreamBatches
from resnet_lessons.datasets.images import Encoded, OnBadImage, Reader, Skipped

import numpy as np

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Part:
    """Images of one size, in memory, and their labels."""

    images: np.ndarray  # (N, H, W, C), integers from 0 to Dataset.brightest
    labels: np.ndarray  # (N,), int64
    skipped: tuple[Skipped, ...] = ()  # images that could not be read, if those were to be skipped

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        height, width, channels = self.images.shape[1:]
        return channels, height, width

    @cached_property
    def mean_image(self) -> np.ndarray:
        """(C, H, W): the mean of all images, pixel by pixel, on their own scale; computed once, however often asked for."""
        return self.images.mean(axis=0, dtype=np.float64).transpose(2, 0, 1)


class Photos:
    """Pictures of any size, read and brought to one size when they are asked for, and their labels.

    Parameters
    ----------
    pictures
        What each one is read from, in a fixed order.
    labels
        (N,), int64.
    image_size
        Height and width that batches have, in pixels.
    """

    def __init__(
        self,
        pictures: Sequence[Encoded],
        labels: np.ndarray,
        image_size: int,
        *,
        channels: int = 3,
        on_bad_image: OnBadImage = "raise",
    ):
        self.pictures, self.labels = pictures, labels
        self.image_shape = (channels, image_size, image_size)
        self.reader = Reader(on_bad_image)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Photos({len(self):,} pictures, read as {self.image_shape[1]}×{self.image_shape[2]} pixels)"

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Pictures that could not be read so far, if those are to be skipped."""
        return self.reader.skipped

    def check(self) -> tuple[Skipped, ...]:
        """Read every picture once and return those that cannot be read, each with the reason."""
        reader = Reader("skip")
        for picture in self.pictures:
            reader.read(picture, self.image_shape[0])
        return reader.skipped


class Stream:
    """Pictures that can only be read from front to back, from several files or other pieces.

    Parameters
    ----------
    read
        Called with a piece's number; returns its pictures and labels.
    pieces
        How many there are. Shuffling takes them in random order and mixes what `BUFFER` pictures allow; pictures that are
        sorted by class over more than that must be mixed before. (Those of `ILSVRC/imagenet-1k` are.)
    count
        Number of pictures of all pieces together, if known.
    """

    BUFFER = 4096  # encoded pictures that are held to be mixed, about 450 MB of ImageNet

    def __init__(
        self,
        read: Callable[[int], Iterator[tuple[Encoded, int]]],
        pieces: int,
        count: int | None,
        classes: int,
        image_size: int,
        *,
        channels: int = 3,
        on_bad_image: OnBadImage = "raise",
    ):
        self.read, self.pieces, self.count, self.classes = read, pieces, count, classes
        self.image_shape = (channels, image_size, image_size)
        self.reader = Reader(on_bad_image)

    def rows(self, seed: list[int] | None, rank: int, world: int) -> Iterator[tuple[Encoded, int]]:
        """Yield one process's pictures and labels, in the order on disk or in that of a seed.

        Where the pieces divide by the processes, each reads its own; otherwise each reads all and keeps its share.
        """
        generator = None if seed is None else np.random.default_rng(seed)
        order = list(range(self.pieces)) if generator is None else generator.permutation(self.pieces).tolist()
        if self.pieces % world == 0:
            rows: Iterator[Any] = itertools.chain.from_iterable(map(self.read, order[rank::world]))
        else:
            rows = itertools.islice(itertools.chain.from_iterable(map(self.read, order)), rank, None, world)
        return rows if generator is None else _mixed(rows, generator, self.BUFFER)

    def __len__(self) -> int:
        if self.count is None:
            raise TypeError("The number of images of this stream is not known before it has been read to its end.")
        return self.count

    def __repr__(self) -> str:
        count = "an unknown number of" if self.count is None else f"{self.count:,}"
        return f"Stream({count} pictures, read as {self.image_shape[1]}×{self.image_shape[2]} pixels)"

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Pictures that could not be read so far, if those are to be skipped."""
        return self.reader.skipped


AnyPart = Part | Photos | Stream


@dataclass(frozen=True)
class Dataset:
    """A training part and a test part."""

    name: str
    train: Any  # Part, Photos or Stream
    test: Any
    class_names: tuple[str, ...]
    brightest: int  # the value of a white pixel
    mean: tuple[float, ...]  # of each channel of the training images, on the scale 0…1
    std: tuple[float, ...]
    options: Mapping[str, Any] = field(default_factory=dict)  # what `load_dataset` was given besides the name

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        return self.train.image_shape

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Images of both parts that could not be read and were left out, with `on_bad_image="skip"`."""
        return (*self.train.skipped, *self.test.skipped)

    def normalized(
        self, part: Any, mean: Statistic | None = None, std: Statistic | None = None
    ) -> np.ndarray:  # fmt: skip
        """Return a part's images as float32 (N, C, H, W) with zero mean and unit variance.

        `mean` and `std`, on the scale 0…1, replace the dataset's own where foreign weights want others.

        Raises
        ------
        ValueError
            If the part is not held in memory; `batches` reads every part.
        """
        if not isinstance(part, Part):
            raise ValueError(
                f"{self.name} is too large to be held in memory at once; read it with `dataset.batches(…)`."
            )
        return self._prepared(mean, std).normalize(part.images)

    def batches(
        self,
        part: Any,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        epoch: int = 0,
        augment: Any = None,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        last: str = "keep",
        layout: str = "NCHW",
        mean: Statistic | None = None,
        std: Statistic | None = None,
    ) -> Batches | StreamBatches:
        """Return an epoch's batches: pairs of normalised images, float32, and labels, int64.

        Order and augmentation are a pure function of seed, epoch and the image's number. Iterating prepares the next batches
        in a thread while one is in use. Except for a stream, `batches[i]` is one batch, and the batches of several processes
        are together those of one.

        Parameters
        ----------
        part
            One of the dataset's.
        batch_size
            Of all processes together.
        shuffle, seed, epoch
            The order: that on disk, or one for each seed and epoch.
        augment
            "pad-crop-flip", "random-resized-crop-flip", "resize-centre-crop", an object of `augment`, or None: images as
            they are, photographs by "resize-centre-crop".
        start
            The first batch of the epoch to return, to continue in the middle of one.
        rank, world
            This process, from 0, and how many there are; each gets its share of every batch.
        last
            What becomes of an epoch's incomplete last batch. "keep": it is smaller, and a process may get none of it, so that
            every image comes once (evaluation). "fill": the epoch's first images fill it up until it divides by the
            processes, which all take the same steps (training). "drop": it is left out.
        layout
            "NCHW", or "NHWC" for Keras; the values are the same.
        mean, std
            On the scale 0…1, instead of the dataset's own: one number a channel, or an image (C, H, W).

        Raises
        ------
        ValueError
            If an argument makes no sense; the message says what does.
        """
        prepared = self._prepared(
            mean,
            std,
            size=part.image_shape[1:],
            augment=augmentation(augment),
            seed=seed,
            epoch=epoch,
            layout=layout,
        )
        portion = Portion(batch_size, shuffle, start, rank, world, last)
        return (StreamBatches if isinstance(part, Stream) else Batches)(part, prepared, portion)

    def _prepared(self, mean: Statistic | None, std: Statistic | None, **options: Any) -> Preparation:
        return Preparation(
            self.brightest, self.mean if mean is None else mean, self.std if std is None else std, **options
        )


def in_memory(name: str, train: Part, test: Part, class_names: Sequence[str], brightest: int = 255) -> Dataset:
    """Return a dataset that is normalised by its own training images."""
    mean, std = zip(
        *(_moments(train.images[..., channel], brightest) for channel in range(train.images.shape[-1])), strict=True
    )
    return Dataset(name, train, test, tuple(class_names), brightest, mean, std)


def of_photographs(name: str, train: Photos | Stream, test: Photos | Stream, class_names: Sequence[str]) -> Dataset:
    """Return a dataset that is normalised by ImageNet's mean and deviation, which published weights expect."""
    return Dataset(name, train, test, tuple(class_names), 255, IMAGENET_MEAN, IMAGENET_STD)


def _mixed(rows: Iterator[Any], generator: np.random.Generator, buffer: int) -> Iterator[Any]:
    """Yield what comes, in random order as far as `buffer` items allow."""
    held = list(itertools.islice(rows, buffer))
    for row in rows:
        number = int(generator.integers(buffer))
        held[number], row = row, held[number]
        yield row
    for number in generator.permutation(len(held)):
        yield held[number]


def _moments(values: np.ndarray, brightest: int) -> tuple[float, float]:
    """Mean and standard deviation of (N, H, W), from how often each value comes: no copy of all of them as float64."""
    pieces = (values[at : at + 1000].reshape(-1) for at in range(0, len(values), 1000))
    counts = np.sum([np.bincount(piece, minlength=brightest + 1) for piece in pieces], axis=0)
    scale = np.arange(brightest + 1) / brightest
    mean = counts @ scale / counts.sum()
    std = np.sqrt(counts @ (scale - mean) ** 2 / counts.sum())
    return float(mean), float(std) or 1.0  # images of one colour stay what they are
