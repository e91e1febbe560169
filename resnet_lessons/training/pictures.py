"""Pictures of any size and kind, named by a trained network."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from resnet_lessons import pretrained
from resnet_lessons.architecture import ResNetConfig
from resnet_lessons.datasets.images import BadImageError, Encoded, decode
from resnet_lessons.training import saved

import numpy as np
from PIL import Image, ImageOps

SHIPPED = Path(__file__).parent.parent / "shipped"
WEIGHTS = SHIPPED / "cifar10_resnet20.safetensors"  # trained with the course; its record is "cifar10_pytorch"
CAT = SHIPPED / "cat.jpg"  # a photograph by Stéfan van der Walt, CC0 (shipped/README.md)


class Named(NamedTuple):
    """What a network says about some pictures."""

    config: ResNetConfig
    about: dict[str, Any]  # of the images that it was trained on
    weights: Path
    seen: list[Image.Image]  # each picture's middle at the size of the training images: all that the network gets of it
    chances: list[dict[str, float]]  # for each picture: every class with its probability, the likeliest first


def name_pictures(pictures: Iterable[str | Path], framework: str = "pytorch", weights: Path | None = None) -> Named:
    """Let a trained network name what is in pictures.

    Parameters
    ----------
    pictures
        Image files.
    framework
        "pytorch" or "tensorflow".
    weights
        A run's folder or a weights file; default: the ResNet-20 for CIFAR-10's ten classes that comes with the course.

    Raises
    ------
    ValueError
        If a picture or the weights cannot be read, or the weights do not say which images they are for.

    Examples
    --------
    >>> next(iter(name_pictures([CAT]).chances[0]))
    'cat'
    """
    from resnet_lessons.training import predict

    file = WEIGHTS if weights is None else saved.find_weights(weights)
    about = saved.about(file)
    net = pretrained.load(file, framework=framework)
    if not about:
        raise ValueError(f"{file} does not say which classes and which images it is for; take the weights of a run.")
    seen = [shrunk(Path(picture), about) for picture in pictures]
    batch = np.stack([normalized(picture, about) for picture in seen])
    chances = []
    for row in softmax(predict(net, batch)):
        chances.append({about["classes"][index]: float(row[index]) for index in row.argsort()[::-1]})
    return Named(net.config, about, file, seen, chances)


def samples() -> dict[str, Path]:
    """Return three photographs that are on every computer with this course: a cat, and scikit-learn's two examples."""
    import sklearn.datasets

    there = Path(sklearn.datasets.__file__).parent / "images"
    return {"a cat": CAT, "a temple": there / "china.jpg", "a flower": there / "flower.jpg"}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities (N, classes), in float64."""
    wide = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return wide / wide.sum(axis=1, keepdims=True)


def shrunk(path: Path, about: dict[str, Any]) -> Image.Image:
    """Return the middle of a picture at the size of the training images.

    Parameters
    ----------
    path
        An image file.
    about
        Of the training images: "shape" (C, H, W), "mean" and "std" (see `saved.about`).

    Raises
    ------
    ValueError
        If there is no such file, or it is no image.
    """
    channels, height, width = about["shape"]
    if not path.is_file():
        raise ValueError(f"There is no file {path}.")
    try:
        picture = decode(Encoded(str(path), path), channels)
    except BadImageError as error:
        raise ValueError(f"{path} cannot be read as an image: {error.reason}.") from error
    return ImageOps.fit(picture, (width, height), Image.Resampling.BICUBIC)


def normalized(picture: Image.Image, about: dict[str, Any]) -> np.ndarray:
    """Return a picture as (C, H, W), its pixels as they were in training."""
    mean, std = (np.asarray(about[name], np.float32) for name in ("mean", "std"))
    if mean.ndim == 3:  # a mean image
        mean = mean.transpose(1, 2, 0)
    pixels = np.asarray(picture, np.float32).reshape(picture.height, picture.width, -1) / 255  # 0…1
    return ((pixels - mean) / std).transpose(2, 0, 1)
