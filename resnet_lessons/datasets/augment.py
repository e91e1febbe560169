"""Augmentation, and the test images' way to one size: NumPy and Pillow only, so that both frameworks get the same bytes.

What happens to an image is a pure function of the seed, the epoch and the image's number: it depends neither on the
batch that the image is in, nor on the number of processes, nor on what happened before. A training that is resumed
continues exactly, with no state to save.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

Size = tuple[int, int]  # height, width


class Augmentation(Protocol):
    """Two steps, either of which may leave its input as it is."""

    draws: ClassVar[int]  # random numbers that an image takes
    by_picture: ClassVar[bool]  # whether images that have their size already need the first step too

    def picture(self, picture: Image.Image, size: Size, draws: np.ndarray) -> Image.Image:
        """Bring one picture to a size; `draws` are its numbers, from 0 to below 1."""
        ...

    def batch(self, images: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Change normalised images (B, C, H, W); `draws` are theirs, (B, draws)."""
        ...


@dataclass(frozen=True)
class ResizeCentreCrop:
    """The middle of the picture, undistorted: what networks for ImageNet are tested on.

    The picture is scaled until `share` of it covers the size, which for 224 pixels and 7/8 is a shorter side of 256.
    """

    share: float = 0.875
    draws: ClassVar[int] = 0
    by_picture: ClassVar[bool] = True

    def picture(self, picture: Image.Image, size: Size, draws: np.ndarray) -> Image.Image:
        height, width = size
        scale = max(round(height / self.share) / picture.height, round(width / self.share) / picture.width)
        # The epsilon keeps a side that should be a whole number from falling below it.
        scaled = [
            max(side, int(edge * scale + 1e-6)) for side, edge in ((width, picture.width), (height, picture.height))
        ]
        left, top = round((scaled[0] - width) / 2), round((scaled[1] - height) / 2)
        return picture.resize((scaled[0], scaled[1]), Image.Resampling.BILINEAR).crop(
            (left, top, left + width, top + height)
        )

    def batch(self, images: np.ndarray, draws: np.ndarray) -> np.ndarray:
        return images


@dataclass(frozen=True)
class PadCropFlip:
    """For CIFAR (He et al. 2015a, §4.2): pad, cut an image of the old size out at random, mirror every other one.

    The padding is zero after normalisation, so of the training set's mean colour, as in the second paper's code
    (fb.resnet.torch, `datasets/cifar10.lua`). Photographs are brought to their size by `ResizeCentreCrop` before.
    """

    padding: int = 4
    draws: ClassVar[int] = 3
    by_picture: ClassVar[bool] = False

    def picture(self, picture: Image.Image, size: Size, draws: np.ndarray) -> Image.Image:
        return ResizeCentreCrop().picture(picture, size, draws)

    def batch(self, images: np.ndarray, draws: np.ndarray) -> np.ndarray:
        count, channels, height, width = images.shape
        pad = self.padding
        canvas = np.zeros((count, channels, height + 2 * pad, width + 2 * pad), images.dtype)
        canvas[:, :, pad : pad + height, pad : pad + width] = images
        top, left = (draws[:, :2] * (2 * pad + 1)).astype(np.intp).T
        windows = sliding_window_view(
            canvas, (height, width), axis=(2, 3)
        )  # (B, C, 2·pad + 1, 2·pad + 1, H, W), no copy
        cut = windows[np.arange(count), :, top, left]
        mirrored = draws[:, 2] < 0.5
        cut[mirrored] = cut[mirrored][..., ::-1]
        return cut


@dataclass(frozen=True)
class RandomResizedCropFlip:
    """For ImageNet: a random part of the picture, of random size and shape, brought to one size; every other one mirrored.

    Szegedy et al. 2014 (arXiv 1409.4842, §6): the part has 8 % to 100 % of the area and sides of 3:4 to 4:3. The residual
    networks' first paper took 224 pixels out of a picture whose shorter side was 256 to 480 (§3.4); the second paper
    compares the two (table 5); most recipes since use this one.
    """

    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    tries: ClassVar[int] = 10
    draws: ClassVar[int] = 2 * tries + 3
    by_picture: ClassVar[bool] = True

    def picture(self, picture: Image.Image, size: Size, draws: np.ndarray) -> Image.Image:
        box = self.box(picture.width, picture.height, draws)
        part = picture.crop(box).resize((size[1], size[0]), Image.Resampling.BILINEAR)
        return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if draws[-1] < 0.5 else part

    def batch(self, images: np.ndarray, draws: np.ndarray) -> np.ndarray:
        return images

    def box(self, width: int, height: int, draws: np.ndarray) -> tuple[int, int, int, int]:
        """Return (left, top, right, bottom) of the part."""
        flattest, widest = self.ratio
        for area, ratio in draws[: 2 * self.tries].reshape(-1, 2):
            wanted = width * height * (self.area[0] + area * (self.area[1] - self.area[0]))
            shape = math.exp(math.log(flattest) + ratio * math.log(widest / flattest))  # 3:4 as likely as 4:3
            wide, high = round(math.sqrt(wanted * shape)), round(math.sqrt(wanted / shape))
            if 0 < wide <= width and 0 < high <= height:
                left, top = int(draws[-3] * (width - wide + 1)), int(draws[-2] * (height - high + 1))
                return left, top, left + wide, top + high
        # A picture too long or too high for any of the tries: its middle, as large as the shapes allow.
        wide, high = min(width, max(1, round(height * widest))), min(height, max(1, round(width / flattest)))
        left, top = (width - wide) // 2, (height - high) // 2
        return left, top, left + wide, top + high


AUGMENTATIONS: dict[str, Augmentation] = {
    "pad-crop-flip": PadCropFlip(),
    "random-resized-crop-flip": RandomResizedCropFlip(),
    "resize-centre-crop": ResizeCentreCrop(),
}


def augmentation(name: str | Augmentation | None) -> Augmentation | None:
    """Return an augmentation by its name; None stays None.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name is None or not isinstance(name, str):
        return name
    if name not in AUGMENTATIONS:
        raise ValueError(f"There is no augmentation {name!r}; there are {', '.join(AUGMENTATIONS)}.")
    return AUGMENTATIONS[name]


def uniforms(seed: int, epoch: int, indices: np.ndarray, draws: int) -> np.ndarray:
    """Return `draws` numbers, from 0 to below 1, for each image: (N, draws), a pure function of seed, epoch and index.

    SplitMix64 (Steele, Lea and Flood 2014, OOPSLA) of a counter: the k-th number of a sequence without the others before it.

    >>> one, all = uniforms(0, 1, np.array([7]), 3), uniforms(0, 1, np.arange(9), 3)
    >>> bool((one[0] == all[7]).all())
    True
    """
    (key,) = np.random.SeedSequence([seed, epoch, 1]).generate_state(1, np.uint64)
    counter = np.asarray(indices, np.uint64)[:, None] * np.uint64(draws) + np.arange(1, draws + 1, dtype=np.uint64)
    z = key + counter * np.uint64(0x9E3779B97F4A7C15)  # arrays of unsigned integers wrap around silently, as wanted
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)) * 2.0**-53  # the 53 bits that a float64 holds
