"""Small datasets on disk, as the hub, Debian and people with a folder of photographs have them."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path
from typing import Any

from resnet_lessons.datasets.catalogue import CATALOGUE

import numpy as np
import pytest
from PIL import Image

# Where the hub keeps each dataset's parquet files below its own folder, and what they are called.
LAYOUT = {
    "cifar10": ("plain_text", "{part}-00000-of-00001.parquet"),
    "cifar100": ("cifar100", "{part}-00000-of-00001.parquet"),
    "fashion_mnist": ("fashion_mnist", "{part}-00000-of-00001.parquet"),
    "oxford_iiit_pet": ("data", "{part}-00000-of-00001.parquet"),
    "imagenette": ("320px", "{part}/0000.parquet"),
    "imagenet": ("data", "{part}-00000-of-00001.parquet"),
}


def pixels(count: int, size: tuple[int, int] = (32, 32), channels: int = 3, seed: int = 0) -> np.ndarray:
    """Random images (N, H, W, C)."""
    return np.random.default_rng(seed).integers(0, 256, (count, *size, channels), np.uint8)


def encoded(array: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array).save(file, kind, **options)
    return file.getvalue()


def write_parquet(
    file: Path, images: list[bytes], labels: list[int], names: list[str], columns: tuple[str, str] = ("image", "label")
) -> None:
    """Write images and labels with the features that the hub notes in its files."""
    import datasets as hub

    image, label = columns
    features = {image: hub.Image(), label: hub.ClassLabel(names=names)}
    rows = {
        image: [{"bytes": content, "path": f"{number}.img"} for number, content in enumerate(images)],
        label: labels,
    }
    if label == "fine_label":
        features["coarse_label"] = hub.ClassLabel(names=["fish", "flowers"])
        rows["coarse_label"] = [number % 2 for number in range(len(labels))]
    file.parent.mkdir(parents=True, exist_ok=True)
    hub.Dataset.from_dict(rows, features=hub.Features(features)).to_parquet(file)


def write_published(
    root: Path, name: str, train: list[bytes], test: list[bytes], labels: tuple[list[int], list[int]] | None = None
) -> Path:
    """Write a dataset as `RESNET_LESSONS_DATA` holds it; return the folder of the hub's name."""
    published = CATALOGUE[name]
    folder, file = LAYOUT[name]
    names = [f"class {number}" for number in range(published.classes)]
    home = root / published.hub_id
    for number, (part, images) in enumerate((("train", train), (published.test, test))):
        chosen = labels[number] if labels else [index % published.classes for index in range(len(images))]
        write_parquet(home / folder / file.format(part=part), images, chosen, names, published.columns)
    return home


def write_idx(file: Path, array: np.ndarray) -> None:
    """Write an array of bytes as an idx file, compressed where the name ends in .gz."""
    content = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)


def write_folders(root: Path, parts: dict[str, dict[str, int]], size: tuple[int, int] = (80, 100)) -> None:
    """Write JPEG files: `parts` says how many of each class ("" is the folder itself)."""
    for part, classes in parts.items():
        for name, count in classes.items():
            (root / part / name).mkdir(parents=True)
            for number, array in enumerate(pixels(count, size, seed=len(name))):
                (root / part / name / f"{number}.jpg").write_bytes(encoded(array, "JPEG"))


def isolate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Hide this machine's data and caches; return the folder that RESNET_LESSONS_DATA now names."""
    from resnet_lessons.datasets import VARIABLE

    import datasets as hub
    from huggingface_hub import constants

    data = folder / "data"
    data.mkdir(exist_ok=True)
    monkeypatch.setenv(VARIABLE, str(data))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr(hub.config, "HF_DATASETS_CACHE", folder / "arrow")
    return data
