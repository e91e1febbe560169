"""A network's tensors as arrays under PyTorch's names, and back: the weights that either framework reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from resnet_lessons.parity import tensor_names
from resnet_lessons.parity_networks import Tensor, wrap

import numpy as np


def read_weights(net: Any) -> dict[str, np.ndarray]:
    """Return copies of all parameters and running statistics of a network of either framework."""
    return {name: tensor.read() for name, tensor in _named(net).items()}


def write_weights(net: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Put arrays into a network."""
    for name, tensor in _named(net).items():
        tensor.write(arrays[name])


def _named(net: Any) -> dict[str, Tensor]:
    tensors = wrap(net).tensors()
    config: Any = getattr(net, "config", None)
    if not hasattr(config, "blocks"):  # a network of somebody else's: its own names
        return {tensor.name: tensor for tensor in tensors.values()}
    names = tensor_names(config)
    return {names[key]: tensor for key, tensor in tensors.items()}


def score(logits: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
    """Return the sum of the cross-entropies and the number of hits of some logits (B, classes), computed in float64."""
    wide = logits.astype(np.float64)
    highest = wide.max(axis=1, keepdims=True)
    normalizer = highest[:, 0] + np.log(np.exp(wide - highest).sum(axis=1))
    losses = normalizer - wide[np.arange(len(labels)), labels]
    return float(losses.sum()), int((wide.argmax(axis=1) == labels).sum())


def total(scores: Iterable[tuple[float, int, int]]) -> tuple[float, int, int]:
    """Return the sums of (loss, hits, images) over batches."""
    losses, hits, images = [], 0, 0
    for loss, hit, count in scores:
        losses.append(loss)
        hits, images = hits + hit, images + count
    return math.fsum(losses), hits, images
