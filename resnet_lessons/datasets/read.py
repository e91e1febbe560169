"""From files on disk to a dataset, whichever way they are stored."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resnet_lessons.datasets import folders, idx, parquet
from resnet_lessons.datasets.batches import check_whole
from resnet_lessons.datasets.catalogue import Published
from resnet_lessons.datasets.images import Encoded, OnBadImage, Reader, stack
from resnet_lessons.datasets.parts import Dataset, Part, Photos, Stream, in_memory, of_photographs
from resnet_lessons.datasets.resolve import Location

import numpy as np
from PIL import Image

PHOTO_SIZE = 224  # height and width, in pixels, to which pictures of many sizes are brought
SMALL = 64  # height and width up to which images of one size are held in memory
PEEK = 20  # images that are looked at to tell which it is


@dataclass(frozen=True)
class Options:
    """What a caller may choose."""

    image_size: int | None = None
    on_bad_image: OnBadImage = "raise"
    test_share: float = 0.2

    def __post_init__(self) -> None:
        if self.image_size is not None:
            check_whole("image_size", self.image_size, 1)
        Reader(self.on_bad_image)
        if not 0 < self.test_share < 1:
            raise ValueError(f"test_share is {self.test_share!r}; it lies between 0 and 1.")

    @property
    def photo_size(self) -> int:
        """Height and width of pictures of many sizes."""
        return self.image_size or PHOTO_SIZE


def read(name: str, location: Location, options: Options, published: Published | None = None) -> Dataset:
    """Read a dataset that was located.

    Raises
    ------
    ValueError
        If its files are faulty, or a part is missing; the message names the file and the cure.
    """
    if published is not None and "all" in location.parts:
        raise ValueError(
            f"{location.root} does not tell which images are to train on and which to test on; {name} has both, in folders or "
            f"files named train and {published.test}."
        )
    if "all" not in location.parts and "test" not in location.parts:
        raise ValueError(
            f"{location.root} has a training part and none to test on: put one beside it, named test, val or validation."
        )
    reader = {"folders": _folders, "idx": _idx, "parquet": _parquet}[location.kind]
    dataset = reader(name, location, options, published)
    if published is not None and len(dataset.class_names) != published.classes:
        raise ValueError(
            f"{location.root} has {len(dataset.class_names)} classes, and {name} has {published.classes}: if it is another "
            "dataset, give its path instead of the name."
        )
    return dataset


# Folders --------------------------------------------------------------------------------------------------------------


def _folders(name: str, location: Location, options: Options, published: Published | None) -> Dataset:
    if "all" in location.parts:
        classes = folders.list_classes(location.root)
        files, labels = folders.joined(classes)
        sources = _divided(files, labels, options, str(location.root), tuple(classes))
    else:
        (train_root,), (test_root,) = location.parts["train"], location.parts["test"]
        classes, test_classes = folders.list_classes(train_root), folders.list_classes(test_root)
        folders.check_same_classes(tuple(classes), tuple(test_classes), location.root)
        sources = [folders.joined(classes), folders.joined(test_classes)]
    firsts = [Encoded(files[0], Path(files[0])) for files in classes.values()]
    return _of_sources(name, sources, folders.readable(tuple(classes)), peek(firsts[:PEEK]), options)


def _divided(
    pictures: Sequence[Encoded], labels: np.ndarray, options: Options, name: str, classes: Sequence[str]
) -> list[tuple[Sequence[Encoded], np.ndarray]]:
    chosen = folders.split(labels, options.test_share, name, classes)
    return [(Subset(pictures, indices), labels[indices]) for indices in chosen]


def _of_sources(
    name: str,
    sources: Sequence[tuple[Sequence[Encoded], np.ndarray]],
    class_names: Sequence[str],
    look: Look,
    options: Options,
) -> Dataset:
    """In memory if images are small and of one size, otherwise decoded when asked for."""
    if look.small is None or options.image_size is not None:
        photos = [
            Photos(pictures, labels, options.photo_size, on_bad_image=options.on_bad_image)
            for pictures, labels in sources
        ]
        return of_photographs(name, photos[0], photos[1], class_names)
    parts = []
    for pictures, labels in sources:
        reader = Reader(options.on_bad_image)
        images, kept = stack(pictures, labels, look.channels, reader, like=look.small)
        parts.append(Part(images, kept, reader.skipped))
    return in_memory(name, parts[0], parts[1], class_names)


class Subset(Sequence[Encoded]):
    """Some of a sequence's images."""

    def __init__(self, pictures: Sequence[Encoded], indices: np.ndarray):
        self.pictures, self.indices = pictures, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        return self.pictures[int(self.indices[index])]


@dataclass(frozen=True)
class Look:
    """What a look at a few images tells."""

    small: tuple[int, int] | None  # their height and width, if they are small and all alike
    channels: int


def peek(images: Sequence[Encoded]) -> Look:
    """Look at a few images' sizes and kinds. Those that cannot be read say nothing here; reading them will."""
    sizes, modes = set(), set()
    for image in images:
        try:
            with Image.open(io.BytesIO(image.content) if isinstance(image.content, bytes) else image.content) as opened:
                sizes.add((opened.height, opened.width))
                modes.add(opened.mode)
        except Exception:
            continue
    (size,) = sizes if len(sizes) == 1 else (None,)
    grey = bool(modes) and all(mode in ("1", "L") or mode.startswith("I") for mode in modes)
    return Look(size if size and max(size) <= SMALL else None, 1 if grey else 3)


# idx ------------------------------------------------------------------------------------------------------------------


def _idx(name: str, location: Location, options: Options, published: Published | None) -> Dataset:
    if "train" not in location.parts:
        raise ValueError(f"{location.root} has a test part and none to train on: train-images-idx3-ubyte is missing.")
    check_keeps_size(name, options.image_size)
    train = idx.read_part(location.parts["train"], published.classes if published else None)
    names = published.class_names if published else None
    names = names or tuple(str(label) for label in range(int(train.labels.max()) + 1))
    test = idx.read_part(location.parts["test"], len(names))
    if train.image_shape != test.image_shape:
        raise ValueError(f"{location.root}: training images are {train.image_shape}, test images {test.image_shape}.")
    return in_memory(name, train, test, names)


def check_keeps_size(name: str, image_size: int | None) -> None:
    """Refuse an `image_size` where it would do nothing."""
    if image_size is not None:
        raise ValueError(f"image_size is for pictures in files of their own; the images of {name} keep their size.")


# Parquet --------------------------------------------------------------------------------------------------------------


def _parquet(name: str, location: Location, options: Options, published: Published | None) -> Dataset:
    columns = published.columns if published else None
    tables = [parquet.open_table(files, columns) for files in location.parts.values()]
    if published is not None and published.streamed:
        return _streams(name, tables, options, published)
    labels, names = _labels(tables, location, published)
    look = Look((0, 0), published.channels) if published and published.small else Look(None, 3)
    if published is None:
        look = peek(list(_first(parquet.encoded_rows(tables[0]), PEEK)))
        _check_no_class_is_empty(labels[0], names, location)
    if look.small is None or options.image_size is not None:
        sources: list[tuple[Sequence[Encoded], np.ndarray]] = [
            (parquet.Rows(table), some) for table, some in zip(tables, labels, strict=True)
        ]
        if len(sources) == 1:
            sources = _divided(*sources[0], options, str(location.root), names)
        return _of_sources(name, sources, names, Look(None, 3), options)
    parts = [
        parquet.read_part(table, some, look.channels, options.on_bad_image)
        for table, some in zip(tables, labels, strict=True)
    ]
    if len(parts) == 1:
        (whole,) = parts
        chosen = folders.split(whole.labels, options.test_share, str(location.root), names)
        parts = [Part(whole.images[indices], whole.labels[indices]) for indices in chosen]
        parts[0] = replace(parts[0], skipped=whole.skipped)
    if parts[0].image_shape != parts[1].image_shape:
        raise ValueError(
            f"{location.root}: training images are {parts[0].image_shape}, test images {parts[1].image_shape} (channels, "
            "height, width); give image_size to bring them to one size."
        )
    return in_memory(name, parts[0], parts[1], names)


def _labels(
    tables: Sequence[parquet.Table], location: Location, published: Published | None
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    labels, found = [], []
    count = published.classes if published else None
    for table in tables:
        some, names = parquet.read_labels(table, count)
        names = names or (published.class_names if published else None)
        if names is None:
            count = count or int(some.max(initial=0)) + 1
            names = tuple(str(label) for label in range(count))
        labels.append(some)
        found.append(names)
    folders.check_same_classes(found[0], found[-1], location.root)
    return labels, found[0]


def _check_no_class_is_empty(labels: np.ndarray, names: Sequence[str], location: Location) -> None:
    empty = [name for name, count in zip(names, np.bincount(labels, minlength=len(names)), strict=True) if not count]
    if empty:
        raise ValueError(
            f"{location.parts[next(iter(location.parts))][0]}: no image is of the class {empty[0]!r}, which the file names: "
            "add some, or take the name out."
        )


def _streams(name: str, tables: Sequence[parquet.Table], options: Options, published: Published) -> Dataset:
    names = tables[0].class_names or tuple(str(label) for label in range(published.classes))
    parts = [parquet.read_stream(table, len(names), options.photo_size, options.on_bad_image) for table in tables]
    return of_photographs(name, parts[0], parts[1], names)


def stream_from_hub(published: Published, options: Options) -> Dataset:
    """Open a dataset that is read from the hub while one trains; nothing is kept on this machine.

    Raises
    ------
    ValueError
        If the hub cannot be reached or refuses.
    """
    from resnet_lessons.datasets.resolve import check_online, refused

    check_online(published.name)
    import datasets as hub

    parts, names = [], ()
    for split, count in zip(("train", published.test), published.counts, strict=True):
        try:
            rows = hub.load_dataset(published.hub_id, split=split, streaming=True, revision=published.revision)
        except Exception as error:  # the hub's, HTTP's and the library's own have no common kind
            raise ValueError(refused(published, error)) from error
        names = tuple(rows.features[published.columns[1]].names)
        read_piece, pieces = parquet.hub_pieces(rows, published.columns, published.hub_id)
        parts.append(
            Stream(read_piece, pieces, count, len(names), options.photo_size, on_bad_image=options.on_bad_image)
        )
    return of_photographs(published.name, parts[0], parts[1], names)


def _first(items: Iterator[Any], count: int) -> Iterator[Any]:
    return (item for _, item in zip(range(count), items, strict=False))
