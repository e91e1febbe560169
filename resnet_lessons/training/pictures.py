"""A picture of any size and kind, as the images that a network was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def read_picture(path: Path, about: dict[str, Any]) -> np.ndarray:
    """Return a picture as (1, C, H, W), its middle square brought to size and normalised as in training.

    Parameters
    ----------
    path
        An image file.
    about
        Of the training images: "shape" (C, H, W), "brightest", "mean" and "std" (see `saved.about`).

    Raises
    ------
    ValueError
        If there is no such file, or it is no image.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    channels, height, width = about["shape"]
    if not path.is_file():
        raise ValueError(f"There is no file {path}.")
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened)  # a camera held on its side says so beside the pixels
            picture = upright.convert("L" if channels == 1 else "RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} cannot be read as an image: it is damaged, or no picture ({error}).") from error
    picture = ImageOps.fit(picture, (width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, np.float32).reshape(height, width, channels) / 255  # 0…1
    mean, std = (np.asarray(about[name], np.float32) for name in ("mean", "std"))
    if mean.ndim == 3:
        mean = mean.transpose(1, 2, 0)
    return np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1)[None])
