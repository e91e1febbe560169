"""Batches: which images, in which order, prepared in the background, the same whatever consumes them."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from resnet_lessons.datasets.augment import Augmentation, ResizeCentreCrop, uniforms

import numpy as np
from PIL import Image

Batch = tuple[np.ndarray, np.ndarray]  # images (B, C, H, W) or (B, H, W, C), float32; labels (B,), int64
# Threads that prepare batches of images in memory: one on a laptop, where they compete with the training; more beside a GPU.
THREADS = max(1, min(4, (os.cpu_count() or 1) // 4))
LAYOUTS = ("NCHW", "NHWC")
Statistic = tuple[float, ...] | np.ndarray
LAST = ("keep", "fill", "drop")


@dataclass(frozen=True)
class Preparation:
    """What happens to images between their pixels and the network."""

    brightest: int
    mean: Statistic  # one number a channel, or an image of them (C, H, W)
    std: Statistic
    size: tuple[int, int] = (0, 0)  # height, width: what pictures are brought to
    augment: Augmentation | None = None
    seed: int = 0
    epoch: int = 0
    layout: str = "NCHW"

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout is {self.layout!r}; it is one of {', '.join(LAYOUTS)}.")
        for name in ("seed", "epoch"):
            check_whole(name, getattr(self, name), 0)

    def normalize(self, pixels: np.ndarray) -> np.ndarray:
        """(N, H, W, C) integers -> (N, C, H, W) float32 with zero mean and unit variance."""
        # Channels first before the arithmetic: NumPy is ten times slower on rows of three.
        images = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32)
        images /= np.float32(self.brightest)
        images -= _by_channel(self.mean)
        images /= _by_channel(self.std)
        return images

    def fit(self, picture: Image.Image, index: int) -> np.ndarray:
        """Bring a picture to size, and normalise it: (C, H, W)."""
        step = self.augment or ResizeCentreCrop()
        fitted = np.asarray(step.picture(picture, self.size, self._draws(np.array([index]), step)[0]))
        return self.normalize(fitted[None] if fitted.ndim == 3 else fitted[None, ..., None])[0]

    def finish(self, images: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Do what augmentation does to whole batches of normalised images (B, C, H, W), and arrange them."""
        if self.augment is not None:
            images = self.augment.batch(images, self._draws(indices, self.augment))
        return images if self.layout == "NCHW" else np.ascontiguousarray(images.transpose(0, 2, 3, 1))

    def _draws(self, indices: np.ndarray, step: Augmentation) -> np.ndarray:
        return uniforms(self.seed, self.epoch, indices, step.draws)


def _by_channel(values: Statistic) -> np.ndarray:
    """Bring what is subtracted or divided by to (C, 1, 1), or leave it an image (C, H, W)."""
    array = np.asarray(values, np.float32)
    return array if array.ndim == 3 else array[:, None, None]


@dataclass(frozen=True)
class Portion:
    """Which of an epoch's images, and how many at a time; see `Dataset.batches`."""

    batch_size: int
    shuffle: bool = False
    start: int = 0
    rank: int = 0
    world: int = 1
    last: str = "keep"

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("start", 0), ("rank", 0), ("world", 1)):
            check_whole(name, getattr(self, name), least)
        if self.rank >= self.world:
            raise ValueError(f"rank is {self.rank}; of {self.world} processes the last one's is {self.world - 1}.")
        if self.last not in LAST:
            raise ValueError(f"last is {self.last!r}; it is one of {', '.join(LAST)}.")
        if self.last != "keep":
            self.check_divides()

    def check_divides(self) -> None:
        """Refuse a batch that the processes cannot share equally."""
        if self.batch_size % self.world:
            raise ValueError(
                f"batch_size is {self.batch_size}, which {self.world} processes cannot share equally; take a multiple of "
                f"{self.world}."
            )

    def check_start(self, batches: int) -> None:
        """Refuse to start after the end."""
        if self.start > batches:
            raise ValueError(f"start is {self.start}, and the epoch has {batches} batches.")


class Batches:
    """The batches of a part that can be read in any order; see `Dataset.batches`."""

    def __init__(self, part: Any, prepared: Preparation, portion: Portion):
        self.part, self.prepared = part, prepared
        size, rank, world = portion.batch_size, portion.rank, portion.world
        images = len(part)
        order = epoch_order(images, prepared.seed, prepared.epoch) if portion.shuffle else np.arange(images)
        if portion.last == "drop":
            order = order[: images - images % size]
        elif portion.last == "fill" and images % size:
            order = np.resize(order, -(-images // world) * world)
        shares = [order[at : at + size][rank::world] for at in range(0, len(order), size)]
        portion.check_start(len(shares))
        self.indices = [share for share in shares[portion.start :] if len(share)]  # of the images of each batch

    def __len__(self) -> int:
        """Number of batches from `start` on."""
        return len(self.indices)

    @property
    def images(self) -> int:
        """Number of images in these batches."""
        return sum(map(len, self.indices))

    def __getitem__(self, number: int) -> Batch:
        return self._prepare(self.indices[number], map)

    def __iter__(self) -> Iterator[Batch]:
        threads = 1 if self._reads_pictures else THREADS
        with _Pool(self._reads_pictures) as pool:
            yield from ahead(lambda number: self._prepare(self.indices[number], pool.map), len(self), threads)

    @property
    def _reads_pictures(self) -> bool:
        augment = self.prepared.augment
        return hasattr(self.part, "pictures") or (augment is not None and augment.by_picture)

    def _prepare(self, indices: np.ndarray, each: Callable[..., Any]) -> Batch:
        part, labels = self.part, self.part.labels[indices]
        if not self._reads_pictures:
            return self.prepared.finish(self.prepared.normalize(part.images[indices]), indices), labels
        found = list(each(self._picture, indices.tolist()))
        return _joined(found, labels, indices, self.prepared)

    def _picture(self, index: int) -> np.ndarray | None:
        part = self.part
        if hasattr(part, "pictures"):
            picture = part.reader.read(part.pictures[index], part.image_shape[0])
        else:
            array = part.images[index]
            picture = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
        return None if picture is None else self.prepared.fit(picture, index)


class StreamBatches:
    """The batches of a part that is read from front to back; see `Dataset.batches`.

    Processes read different images: of a stream, every process gets its own, not its share of a common batch.
    """

    def __init__(self, part: Any, prepared: Preparation, portion: Portion):
        portion.check_divides()
        if part.count is None and portion.world > 1 and portion.last != "keep":
            raise ValueError(
                "The number of images of this stream is not known, so several processes cannot agree on a number of steps."
            )
        self.part, self.prepared, self.portion = part, prepared, portion
        self.own = portion.batch_size // portion.world  # images of one of this process's batches
        self.steps: int | None = None  # where known
        if part.count is not None:
            whole, rest = divmod(part.count, portion.batch_size)
            self.steps = whole + (rest > 0 and portion.last != "drop")
            portion.check_start(self.steps)

    def __len__(self) -> int:
        """Number of batches from `start` on."""
        if self.steps is None or (self.portion.last == "keep" and self.portion.world > 1):
            raise TypeError("How many batches this process gets of the stream is not known before it has been read.")
        return self.steps - self.portion.start

    def __getitem__(self, number: int) -> Batch:
        raise TypeError("A stream is read from front to back: iterate over the batches, with `start` to begin later.")

    def __iter__(self) -> Iterator[Batch]:
        rows = enumerate(self._rows())
        skipped = itertools.islice(rows, self.portion.start * self.own, None)  # passed over without being decoded
        with _Pool(True) as pool:

            def prepare(_: int) -> Batch | None:
                batch = list(itertools.islice(skipped, self.own))
                if not batch or (self.portion.last == "drop" and len(batch) < self.own):
                    return None
                labels = np.array([label for _, (_, label) in batch], np.int64)
                indices = np.array([position for position, _ in batch]) * self.portion.world + self.portion.rank
                found = list(pool.map(self._picture, [image for _, (image, _) in batch], indices.tolist()))
                return _joined(found, labels, indices, self.prepared)

            with closing(ahead(prepare, None)) as batches:
                for batch in batches:
                    if batch is None:
                        return
                    yield batch

    def _rows(self) -> Iterator[tuple[Any, int]]:
        rows = self._checked()
        if self.portion.world == 1 or self.portion.last == "keep":
            return rows
        # Processes whose share is smaller read their first images again, so that all take the same number of steps.
        assert self.steps is not None
        again = itertools.chain.from_iterable(self._checked() for _ in itertools.count())
        return itertools.islice(itertools.chain(rows, again), self.steps * self.own)

    def _checked(self) -> Iterator[tuple[Any, int]]:
        seed = [self.prepared.seed, self.prepared.epoch] if self.portion.shuffle else None
        for image, label in self.part.rows(seed, self.portion.rank, self.portion.world):
            if not 0 <= label < self.part.classes:
                raise ValueError(bad_label(image.name, label, self.part.classes))
            yield image, label

    def _picture(self, image: Any, index: int) -> np.ndarray | None:
        picture = self.part.reader.read(image, self.part.image_shape[0])
        return None if picture is None else self.prepared.fit(picture, index)


def epoch_order(images: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of an epoch's images, counted from 0."""
    return np.random.default_rng([seed, epoch]).permutation(images)


def bad_label(name: str, label: Any, classes: int) -> str:
    """Say which image has a label that is no class."""
    cure = "leave those rows out, or give the file that belongs to these class names"
    if label == -1:
        cure = (
            "-1 stands for a label that is kept secret, as in ImageNet's test part; test on the validation part instead"
        )
    return f"{name} has the label {label}, and the classes are 0 to {classes - 1}: {cure}."


def ahead(prepare: Callable[[int], Any], count: int | None, threads: int = 1) -> Generator[Any]:
    """Yield prepare(0), prepare(1), …, each begun in a thread before it is asked for; without end if `count` is None."""
    numbers = iter(range(count)) if count is not None else itertools.count()
    with ThreadPoolExecutor(threads, thread_name_prefix="batches") as pool:
        # As many as bound the memory that is used, and keep the threads busy.
        waiting = deque(pool.submit(prepare, number) for number in itertools.islice(numbers, threads + 1))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(prepare, number) for number in itertools.islice(numbers, 1))
                yield result
        finally:  # also when the consumer stops early
            for future in waiting:
                future.cancel()


class _Pool:
    """A pool of threads for decoding (Pillow decodes outside the interpreter's lock), or none where nothing is decoded."""

    def __init__(self, needed: bool):
        self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decoding") if needed else None

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    @property
    def map(self) -> Callable[..., Any]:
        return self._threads.map if self._threads is not None else map


def _joined(found: list[np.ndarray | None], labels: np.ndarray, indices: np.ndarray, prepared: Preparation) -> Batch:
    good = [number for number, image in enumerate(found) if image is not None]
    if not good:
        raise ValueError(f"None of a batch's {len(found)} images can be read; `dataset.skipped` lists them.")
    images = np.stack([image for image in found if image is not None])
    return prepared.finish(images, indices[good]), labels[good]


def check_whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} is {value!r}; it is a whole number from {least} on.")
