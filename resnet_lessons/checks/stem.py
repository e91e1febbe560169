"""What a stem computed, when its sizes are right: which zeros went around its convolution, and which windows its pool took.

Neither shows in any layer's settings where a learner pads by hand, and the pool is no layer with weights at all. So both are
computed here once more, from what the layers before and behind put out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .diagnose import close
from .evidence import Evidence

HALVING = 2  # the stride of the convolution and of the pool


class Windows(NamedTuple):
    """Square windows, and how many pixels are put around a map: in front of it, and behind."""

    side: int
    around: tuple[int, int]

    def of(self, maps: np.ndarray, filling: float, stride: int = HALVING) -> np.ndarray:
        """(N, C, H, W) → (N, C, H', W', side, side)."""
        padded = np.pad(maps, ((0, 0), (0, 0), self.around, self.around), constant_values=filling)
        windows: np.ndarray = sliding_window_view(padded, (self.side, self.side), axis=(2, 3))
        return windows[:, :, ::stride, ::stride]


def same(side: int, size: int) -> Windows:
    """What TensorFlow's “same” means at stride 2: the odd zero comes behind."""
    zeros = max((-(-size // HALVING) - 1) * HALVING + side - size, 0)
    return Windows(side, (zeros // 2, zeros - zeros // 2))


def convolution_is_same(evidence: Evidence) -> bool:
    """Whether the first convolution computes what it would with “same”, and not what it should."""
    stem = next(_convolutions(evidence), None)
    if stem is None:
        return False
    side = stem.weights.shape[2]
    right, other = Windows(side, (side // 2, side // 2)), same(side, evidence.images.shape[2])

    def computed_with(windows: Windows) -> bool:
        return close(stem.output, _convolved(windows.of(evidence.images, 0), stem), evidence.tolerance)

    return right != other and not computed_with(right) and computed_with(other)


def pool_takes(evidence: Evidence) -> str:
    """What the stem's pool computes instead of what it should: "same", "2×2", or "" where it is right or something else."""
    behind = next(islice(_convolutions(evidence), 1, None), None)  # in the first block
    if evidence.measured is None or behind is None:
        return ""
    norm = evidence.measured.trace.uses[1]
    if norm.layer.kind != "bn" or norm.output is None:
        return ""
    maps, side = np.maximum(norm.output, 0), behind.weights.shape[2]
    kinds = {"": Windows(3, (1, 1)), "same": same(3, maps.shape[2]), "2×2": Windows(2, (0, 0))}
    for kind, windows in kinds.items():
        pooled = windows.of(maps, -np.inf).max((4, 5))
        given = Windows(side, (side // 2, side // 2)).of(pooled, 0, stride=1)
        if close(behind.output, _convolved(given, behind), evidence.tolerance):
            return kind
    return ""


class Convolution(NamedTuple):
    """A convolution that ran."""

    weights: np.ndarray
    bias: np.ndarray | None
    output: np.ndarray


def _convolutions(evidence: Evidence) -> Iterator[Convolution]:
    """Those with square kernels, in the order in which they ran."""
    for use in evidence.measured.trace.uses if evidence.measured else ():
        if use.layer.kind == "conv" and use.output is not None and use.layer.shape[2] == use.layer.shape[3]:
            tensors, name = evidence.measured.tensors, use.layer.name  # type: ignore[union-attr]
            yield Convolution(tensors[name, "weight"], tensors.get((name, "bias")), use.output)


def _convolved(windows: np.ndarray, by: Convolution) -> np.ndarray:
    """(N, C, H, W, side, side) → (N, O, H, W)."""
    out = np.moveaxis(np.tensordot(windows, by.weights, ((1, 4, 5), (1, 2, 3))), -1, 1)
    return out if by.bias is None else out + by.bias[:, None, None]
