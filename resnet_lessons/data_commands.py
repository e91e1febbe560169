"""What `resnet-lessons data`, `data get` and `data check` do, without the reading of options."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from resnet_lessons import datasets
from resnet_lessons import summary as report
from resnet_lessons.datasets.catalogue import CATALOGUE, Published, find
from resnet_lessons.datasets.check import PartFindings, check
from resnet_lessons.datasets.resolve import not_here

LISTED = 20  # problems that are shown


def show() -> None:
    """Print the datasets that have a name, and which of them are on this computer."""
    rows = [["name", "to train on", "to test on", "classes", "size", "where"]]
    digits = datasets.load_dataset("digits")
    rows.append(["digits", f"{len(digits.train):,}", f"{len(digits.test):,}", "10", "", "built in"])
    for published in CATALOGUE.values():
        counts = [f"{count:,}" for count in (*published.counts, published.classes)]
        rows.append([published.name, *counts, _size(published), _where(published)])
    folder = os.environ.get(datasets.VARIABLE)
    report.write(
        f"{report.table(rows)}\n"
        f"{datasets.VARIABLE} is {folder or 'not set'}. Where --data takes a name, it also takes a path (class folders, parquet "
        "files, idx files)\nand tfds:NAME of TensorFlow Datasets. `resnet-lessons data check NAME` reads all of one.\n"
    )


def _size(published: Published) -> str:
    megabytes = published.megabytes
    return f"{megabytes / 1000:.0f} GB" if megabytes >= 1000 else f"{megabytes} MB"


def _where(published: Published) -> str:
    try:
        found = datasets.locate(published.name)
    except ValueError as error:
        return f"incomplete: {error}"
    if found is not None:
        return str(found.root)
    if published.streamed:
        return "not here; --download streams it from the hub"
    return f"not here; resnet-lessons data get {published.name}"


def get(name: str) -> None:
    """Fetch a dataset, unless it is on this computer already."""
    name = _own_name(name)
    if name == "digits":
        print("digits is built in.")
    elif name.startswith("tfds:"):
        datasets.load_dataset(name, download=True)
        print(f"{name} is prepared.")
    elif name in CATALOGUE and (found := datasets.locate(name)) is not None:
        print(f"{name} is here already: {found.root}")
    else:
        print(f"{name} is in {datasets.download(name)}")


def check_all(name: str, image_size: int | None) -> bool:
    """Read everything of a dataset, print what it holds and what is wrong, and return whether nothing is.

    Raises
    ------
    ValueError
        If there is no such dataset, or it is not on this computer.
    """
    name = _own_name(name)
    there = _there(name)
    try:
        dataset = datasets.load_dataset(name, image_size=image_size, on_bad_image="skip")
    except ValueError as error:
        if not there:
            raise
        return _tell([str(error)])
    parts = check(dataset)
    rows = [["part", "images", "classes", "of one class", "height", "width"], *map(_row, parts)]
    shown = ", ".join(dataset.class_names[:10]) + (", …" if len(dataset.class_names) > 10 else "")
    report.write(f"{dataset.name}{_from(name)}\n\n{report.table(rows)}\nclasses: {shown}\n")
    return _tell([problem for part in parts for problem in part.problems(dataset)])


def _own_name(name: str) -> str:
    """The course's name for one of the hub's."""
    published = find(name)
    return name if published is None else published.name


def _there(name: str) -> bool:
    """Whether there is something to be read, be it faulty."""
    if name not in CATALOGUE:
        return os.sep in name and Path(name).expanduser().exists()
    try:
        if datasets.locate(name) is not None:
            return True
    except ValueError:  # files are missing
        return True
    raise ValueError(not_here(name))


def _from(name: str) -> str:
    found = datasets.locate(name) if name in CATALOGUE else None
    return f", {found.kind} in {found.root}" if found else ""


def _row(part: PartFindings) -> list[str]:
    heights, widths = zip(*part.sizes, strict=True) if part.sizes else ((), ())
    classes = f"{(part.by_class > 0).sum():,}"
    return [part.name, f"{part.images:,}", classes, _range(part.by_class), _range(heights), _range(widths)]


def _range(values: Iterable[int]) -> str:
    """5,000; or 213–500"""
    ends = sorted({int(value) for value in values})
    return "–".join(f"{end:,}" for end in dict.fromkeys((ends[0], ends[-1]))) if ends else "–"


def _tell(problems: Sequence[str]) -> bool:
    if not problems:
        print("every image can be read, and every label is one of the classes")
        return True
    count = f"{len(problems):,} problems" if len(problems) > 1 else "1 problem"
    print("\n".join([f"{count}:", *(f"  {problem}" for problem in problems[:LISTED])]))
    if len(problems) > LISTED:
        print(f"  and {len(problems) - LISTED:,} more")
    return False
