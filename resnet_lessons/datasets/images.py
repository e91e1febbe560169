"""From the bytes of an image file to pixels, the same for both frameworks (Pillow decodes, no framework does)."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# A file with damaged EXIF data has no orientation to follow; its pixels are fine. (ImageNet has such files.)
warnings.filterwarnings("ignore", message="Corrupt EXIF data", module=r"PIL\..*")

OnBadImage = Literal["raise", "skip"]
CHANNELS = {1: "L", 3: "RGB"}  # Pillow's names


class BadImageError(ValueError):
    """An image that cannot be read; the message names the file and the cure."""

    def __init__(self, name: str, reason: str):
        super().__init__(
            f"{name} cannot be read as an image ({reason}). Replace or remove it, or leave such images out with "
            'on_bad_image="skip".'
        )
        self.name, self.reason = name, reason


@dataclass(frozen=True)
class Encoded:
    """An image as it is stored."""

    name: str  # what errors call it
    content: bytes | Path


@dataclass(frozen=True)
class Skipped:
    """An image that was left out, and why."""

    name: str
    reason: str


def decode(image: Encoded, channels: int) -> Image.Image:
    """Return an upright picture of 1 or 3 channels of 8 bits.

    Greyscale, palette and CMYK become RGB (or all become grey, for 1 channel); what is transparent becomes white; 16 bits
    a channel become 8; and the orientation that a camera noted (EXIF) is followed.

    Raises
    ------
    BadImageError
        If the file is missing, damaged, truncated, or holds something else.
    """
    try:
        source = io.BytesIO(image.content) if isinstance(image.content, bytes) else image.content
        with Image.open(source) as opened:
            opened.load()
            return _to_8_bits(_upright(opened), CHANNELS[channels])
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise nearly everything: OSError, SyntaxError, struct.error, …
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        elif isinstance(error, UnidentifiedImageError):
            reason = "no known image format"
        else:
            reason = str(error) or type(error).__name__
        raise BadImageError(image.name, reason) from error


def _upright(picture: Image.Image) -> Image.Image:
    try:
        orientation = picture.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF data
        return picture
    return ImageOps.exif_transpose(picture) if orientation in range(2, 9) else picture


def _to_8_bits(picture: Image.Image, mode: str) -> Image.Image:
    if picture.mode == mode and "transparency" not in picture.info:
        return picture.copy() if picture.readonly else picture
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _from_wide(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert(mode)


def _from_wide(picture: Image.Image) -> Image.Image:
    """16 bits to 8. Pillow's own conversion would turn everything above 255 to white."""
    values = np.asarray(picture)
    if picture.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise ValueError(
            f"its pixels are of kind {picture.mode!r}, from {values.min()} to {values.max()}, not 0 to 255"
        )
    return Image.fromarray((values // 257 if values.max() > 255 else values).astype(np.uint8))


class Reader:
    """Reads images under one policy for bad ones, and remembers those that it left out."""

    def __init__(self, on_bad_image: OnBadImage = "raise"):
        if on_bad_image not in ("raise", "skip"):
            raise ValueError(f'on_bad_image is {on_bad_image!r}; it is one of "raise", "skip".')
        self.on_bad_image = on_bad_image
        self._skipped: dict[str, Skipped] = {}

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What was left out so far."""
        return tuple(self._skipped.values())

    def read(self, image: Encoded, channels: int) -> Image.Image | None:
        """Return the picture, or None if it is bad and bad ones are to be skipped."""
        try:
            return decode(image, channels)
        except BadImageError as error:
            if self.on_bad_image == "raise":
                raise
            self._skipped[error.name] = Skipped(error.name, error.reason)  # a dictionary's item is set atomically
            return None


def stack(
    images: Iterable[Encoded], labels: np.ndarray, channels: int, reader: Reader, like: tuple[int, int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Decode images of one size into an array (N, H, W, C) of bytes, with the labels of those that could be read.

    Raises
    ------
    ValueError
        If an image has another height and width than the first one, or than `like`.
    """
    pixels, kept = [], []
    for index, image in enumerate(images):
        picture = reader.read(image, channels)
        if picture is None:
            continue
        array = np.asarray(picture)
        like = like or (array.shape[0], array.shape[1])
        if array.shape[:2] != like:
            raise ValueError(
                f"{image.name} is {array.shape[1]}×{array.shape[0]} pixels where others are {like[1]}×{like[0]}; "
                "give image_size to bring all to one size."
            )
        pixels.append(array.reshape(*like, channels))
        kept.append(index)
    if not pixels:
        raise ValueError("None of the images could be read.")
    return np.stack(pixels), labels[kept]
