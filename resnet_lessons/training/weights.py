"""What both loops do with arrays: put weights into a network, and count losses and hits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from resnet_lessons.parity import named_tensors

import numpy as np


def write_weights(net: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Put the arrays of `parity.state_of` into a network of either framework."""
    for name, tensor in named_tensors(net).items():
        tensor.write(arrays[name])


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
