"""Parquet files of encoded images and labels, as the hub publishes them."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from resnet_lessons.datasets.batches import bad_label
from resnet_lessons.datasets.images import Encoded, OnBadImage, Reader, stack
from resnet_lessons.datasets.parts import Part, Photos, Stream

import numpy as np

LABELS = ("label", "labels", "fine_label", "class", "target")  # what a column of labels is called


@dataclass(frozen=True)
class Table:
    """The files of one part, and what their columns are."""

    files: tuple[Path, ...]
    image: str
    label: str
    class_names: tuple[str, ...] | None  # None: the files do not say
    rows: tuple[int, ...]  # of each file

    def __len__(self) -> int:
        return sum(self.rows)

    def name(self, row: int, path: str | None = None) -> str:
        """Say where a row is, counted over all files."""
        ends = list(accumulate(self.rows))
        file = bisect_right(ends, row)
        inner = row - (ends[file] - self.rows[file])
        return f"{self.files[file]}, row {inner}{f' ({path})' if path else ''}"


def open_table(files: Sequence[Path], columns: tuple[str, str] | None = None) -> Table:
    """Read the files' schemas and numbers of rows.

    Raises
    ------
    ValueError
        If a file is damaged, or has no column of images or labels; the message names the file and the columns there are.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schemas, rows = [], []
    for file in files:
        try:
            metadata = pq.read_metadata(file)
            schemas.append(metadata.schema.to_arrow_schema())
        except (pa.ArrowInvalid, OSError) as error:
            raise ValueError(
                f"{file} is damaged or no parquet file ({str(error).splitlines()[0]}); get it again from where it came from."
            ) from error
        rows.append(metadata.num_rows)
    schema = schemas[0]
    features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    image, label = columns or (_image_column(schema, features), _label_column(schema, features))
    for file, other in zip(files, schemas, strict=True):
        if image not in other.names or label not in other.names:
            raise ValueError(
                f"{file} has the columns {', '.join(other.names)}; there must be one of encoded images and one of labels"
                f"{f', here called {image} and {label}' if columns else ''}."
            )
    kind = features.get(label, {})
    names = tuple(kind["names"]) if kind.get("_type") == "ClassLabel" and "names" in kind else None
    return Table(tuple(files), image, label, names, tuple(rows))


def _image_column(schema: Any, features: dict[str, Any]) -> str:
    import pyarrow as pa

    marked = [name for name, kind in features.items() if isinstance(kind, dict) and kind.get("_type") == "Image"]
    holding = [
        field.name
        for field in schema
        if (pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0)
        or pa.types.is_binary(field.type)
    ]
    return (marked + holding + [""])[0]


def _label_column(schema: Any, features: dict[str, Any]) -> str:
    marked = [name for name, kind in features.items() if isinstance(kind, dict) and kind.get("_type") == "ClassLabel"]
    named = [name for name in LABELS if name in schema.names]
    # A dataset may have several labels (CIFAR-100: fine and coarse); the usual names decide, then the first that is marked.
    return ([name for name in named if name in marked] + marked + named + [""])[0]


def read_labels(table: Table, classes: int | None = None) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Return the labels (N,), int64, and the class names where labels are words.

    Raises
    ------
    ValueError
        If a label is none of the classes; the message names the file and the row.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    column = pa.chunked_array(
        [chunk for file in table.files for chunk in pq.read_table(file, columns=[table.label]).column(0).chunks]
    )
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise ValueError(f"{table.name(row)} has no label; leave such rows out.")
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        words = column.to_pylist()
        names = tuple(sorted(set(words)))
        number = {name: index for index, name in enumerate(names)}
        return np.array([number[word] for word in words], np.int64), names
    labels = column.to_numpy().astype(np.int64)
    count = len(table.class_names) if table.class_names else classes
    wrong = np.flatnonzero((labels < 0) | (labels >= (count or labels.max(initial=0) + 1)))
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(bad_label(table.name(row), int(labels[row]), count or int(labels.max()) + 1))
    return labels, table.class_names


def encoded_rows(table: Table) -> Iterator[Encoded]:
    """Yield the images, a hundred in memory at a time."""
    import pyarrow.parquet as pq

    row = 0
    for file in table.files:
        for batch in pq.ParquetFile(file).iter_batches(100, columns=[table.image]):
            for value in batch.column(0).to_pylist():
                yield _encoded(table, row, value)
                row += 1


def _encoded(table: Table, row: int, value: Any) -> Encoded:
    path, content = _opened(value)
    return Encoded(table.name(row, path), content)


def _opened(value: Any) -> tuple[str | None, bytes]:
    """An image's file name, if it has one, and its bytes: the hub stores both, others only the bytes."""
    path, content = (value.get("path"), value.get("bytes")) if isinstance(value, dict) else (None, value)
    return path, content or b""


def read_part(table: Table, labels: np.ndarray, channels: int, on_bad_image: OnBadImage) -> Part:
    """Decode images of one small size into memory."""
    reader = Reader(on_bad_image)
    images, kept = stack(encoded_rows(table), labels, channels, reader)
    return Part(images, kept, reader.skipped)


def read_photos(table: Table, labels: np.ndarray, image_size: int, on_bad_image: OnBadImage) -> Photos:
    """Open pictures of any size; they stay on disk, in a file that the `datasets` library maps into memory."""
    return Photos(Rows(table), labels, image_size, on_bad_image=on_bad_image)


class Rows(Sequence[Encoded]):
    """The encoded images of a table, read row by row from the `datasets` library's cache."""

    def __init__(self, table: Table):
        self.table = table
        import datasets as hub

        hub.disable_progress_bars()
        rows = hub.load_dataset("parquet", data_files=[str(file) for file in table.files], split="train")
        self.rows = _encoded_only(rows.select_columns([table.image]), table.image)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: Any) -> Any:
        return _encoded(self.table, int(index), self.rows[int(index)][self.table.image])


def read_stream(table: Table, classes: int, image_size: int, on_bad_image: OnBadImage) -> Stream:
    """Open a part to be read from front to back, from files on this machine."""
    import pyarrow.parquet as pq

    def read(piece: int) -> Iterator[tuple[Encoded, int]]:
        row = sum(table.rows[:piece])
        for batch in pq.ParquetFile(table.files[piece]).iter_batches(100, columns=[table.image, table.label]):
            images, labels = (batch.column(name).to_pylist() for name in (table.image, table.label))
            for value, label in zip(images, labels, strict=True):
                yield _encoded(table, row, value), int(label)
                row += 1

    return Stream(read, len(table.files), len(table), classes, image_size, on_bad_image=on_bad_image)


def hub_pieces(
    rows: Any, columns: tuple[str, str], where: str
) -> tuple[Callable[[int], Iterator[tuple[Encoded, int]]], int]:
    """Return how an iterable dataset of the `datasets` library is read piece by piece, and the number of pieces."""
    image, label = columns
    rows = _encoded_only(rows.select_columns([image, label]), image)

    def read(piece: int) -> Iterator[tuple[Encoded, int]]:
        for number, row in enumerate(rows.shard(num_shards=rows.num_shards, index=piece)):
            path, content = _opened(row[image])
            yield Encoded(f"{where}, {path or f'number {number} of file {piece}'}", content), int(row[label])

    return read, rows.num_shards


def _encoded_only(rows: Any, image: str) -> Any:
    """Leave images encoded: they are decoded here, in the same way wherever they come from."""
    import datasets as hub

    marked = isinstance((rows.features or {}).get(image), hub.Image)
    return rows.cast_column(image, hub.Image(decode=False)) if marked else rows
