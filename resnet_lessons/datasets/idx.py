"""The idx files of MNIST and its relatives: a header of sizes, then bytes (LeCun's description on the page of MNIST)."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

from resnet_lessons.datasets.batches import bad_label
from resnet_lessons.datasets.parts import Part

import numpy as np

UNSIGNED_BYTES = 8  # the only type that images and labels come in


def read_idx(file: Path) -> np.ndarray:
    """Return the array of an idx file, which may be compressed by gzip.

    Raises
    ------
    ValueError
        If the file is damaged, truncated, or no idx file of bytes.
    """
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{file} cannot be read ({error}); get it again from where it came from.") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTES:
        raise ValueError(f"{file} is no idx file of bytes: it begins with {content[:4].hex(' ') or 'nothing'}.")
    sizes_end = 4 + 4 * content[3]
    sizes = struct.unpack(f">{content[3]}I", content[4:sizes_end]) if len(content) >= sizes_end else ()
    wanted = int(np.prod(sizes, dtype=np.int64))
    if len(sizes) != content[3] or len(content) - sizes_end != wanted:
        raise ValueError(
            f"{file} is damaged: its header announces {wanted:,} bytes of data, and it holds {len(content) - sizes_end:,}; "
            "get it again from where it came from."
        )
    return np.frombuffer(content, np.uint8, offset=sizes_end).reshape(sizes)


def read_part(files: tuple[Path, ...], classes: int | None) -> Part:
    """Read a file of images (N, H, W) and one of labels (N,)."""
    images, labels = (read_idx(file) for file in files)
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise ValueError(
            f"{files[0]} holds an array {images.shape} and {files[1]} one {labels.shape}; they do not belong together."
        )
    if classes is not None and (labels >= classes).any():
        number = int((labels >= classes).argmax())
        raise ValueError(bad_label(f"{files[1]}, number {number},", int(labels[number]), classes))
    return Part(images[..., None], labels.astype(np.int64))
