"""The signal along a chain of untrained blocks with any order of operations, computed in NumPy.

A chain has 27 blocks, as many as a ResNet-56, all of one shape: 8 channels, maps of 8×8. Images are standard normal
noise; weights are fresh (fan-out, as in the course's networks), γ = 1 and β = 0, and BN uses the batch, as at the start of
training. The chain's input x₀ is relu(BN(conv(image))) for every order, so the first block leaves out its pre-activation:
it has been done (appendix of arXiv 1603.05027). A test compares all this with the blocks of both frameworks.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from .placements import Order, parse_order

CHANNELS, SIZE, BATCH, BLOCKS = 8, 8, 4, 27
SEEDS = (0, 1, 2)
GROWTHS = ("shrinks", "stays level", "grows like √depth", "grows like the depth", "explodes")
SIGNS = ("never negative", "both signs")
BN_EPS = 1e-5


@dataclass(frozen=True)
class Signal:
    """What was measured of one order; every number is over all seeds."""

    strength: tuple[tuple[float, ...], ...]  # for each seed: root mean square of x₀, x₁, … x₂₇
    negative: tuple[tuple[float, ...], ...]  # for each seed: share of values below zero
    smallest: float  # value of the signal, behind any block
    fall: float  # the deepest that a value falls from a block's input to its output; 0 if none ever does
    left_over: float  # largest |x₂₇ − (x₀ + Σ F)|, divided by the largest |x₂₇|
    lowest_branch: float  # smallest value that a branch adds
    branch_mean: float  # largest |mean over batch and map| of a channel of a branch

    @property
    def growth(self) -> str:
        """One of `GROWTHS`: by how much the strength grows from block 9 to block 27, where the depth grows threefold."""
        power = math.log(self.ratio) / math.log(3)
        return GROWTHS[sum(power > edge for edge in (-0.25, 0.25, 0.75, 1.5))]

    @property
    def ratio(self) -> float:
        """Strength after block 27, divided by that after block 9; the mean over the seeds."""
        return sum(row[BLOCKS] / row[BLOCKS // 3] for row in self.strength) / len(self.strength)

    @property
    def sign(self) -> str:
        """One of `SIGNS`."""
        return SIGNS[self.smallest < 0]

    @property
    def clean(self) -> bool:
        """Whether x₂₇ = x₀ + Σ F, up to rounding: nothing on the shortcut's way changes what it carries."""
        return self.left_over < 1e-9


def measure(order: str) -> Signal:
    """Send a signal along the chain, with three seeds; computed once for each order and kept.

    Raises
    ------
    ValueError
        If the order is no block; see `placements.parse_order`.
    """
    return _measured(parse_order(order))


@cache
def _measured(order: Order) -> Signal:
    strength, negative = [], []
    smallest = fall = lowest = mean = left_over = 0.0
    for seed in SEEDS:
        signal, branches = chain(order, seed)
        strength.append(tuple(float(np.sqrt((x**2).mean())) for x in signal))
        negative.append(tuple(float((x < 0).mean()) for x in signal))
        smallest = min(smallest, *(float(x.min()) for x in signal))
        fall = min(fall, *(float((after - x).min()) for x, after in itertools.pairwise(signal)))
        lowest = min(lowest, *(float(f.min()) for f in branches))
        mean = max(mean, *(float(np.abs(f.mean((0, 2, 3))).max()) for f in branches))
        missing = signal[-1] - (signal[0] + sum(branches))
        left_over = max(left_over, float(np.abs(missing).max() / np.abs(signal[-1]).max()))
    return Signal(tuple(strength), tuple(negative), smallest, fall, left_over, lowest, mean)


def chain(order: Order, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the signal x₀ … x₂₇ and what each branch adds, (B, C, H, W) each, in float64."""
    images, stem, kernels = weights(seed)
    x = _relu(_batch_norm(_convolve(images, stem)))
    signal, branches = [x], []
    for block, pair in enumerate(kernels):
        words = order.branch if block else order.branch[len(order.leading) :]
        branch, remaining = x, iter(pair)
        for word in words:
            branch = _convolve(branch, next(remaining)) if word == "conv" else _plain(word, branch)
        x = x + branch
        for word in order.after:
            x = _plain(word, x)
        signal.append(x)
        branches.append(branch)
    return signal, branches


def weights(seed: int) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Return images (B, 3, H, W), the stem's kernel, and each block's two kernels (out, in, 3, 3): for every order alike."""
    dice = np.random.default_rng(seed)
    scale = math.sqrt(2 / (9 * CHANNELS))  # variance 2/fan-out

    def kernel(channels: int) -> np.ndarray:
        return scale * dice.standard_normal((CHANNELS, channels, 3, 3))

    images = dice.standard_normal((BATCH, 3, SIZE, SIZE))
    return images, kernel(3), [(kernel(CHANNELS), kernel(CHANNELS)) for _ in range(BLOCKS)]


def _plain(word: str, x: np.ndarray) -> np.ndarray:
    return _batch_norm(x) if word == "BN" else _relu(x)


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0)


def _batch_norm(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean((0, 2, 3), keepdims=True)
    return centred / np.sqrt((centred**2).mean((0, 2, 3), keepdims=True) + BN_EPS)


def _convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """3×3, stride 1, one ring of zeros."""
    batch, channels, height, width = x.shape
    padded = np.zeros((batch, channels, height + 2, width + 2))
    padded[:, :, 1:-1, 1:-1] = x
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))  # (B, C, H, W, 3, 3)
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(batch * height * width, channels * 9)
    out = columns @ kernel.reshape(len(kernel), -1).T
    return np.ascontiguousarray(out.reshape(batch, height, width, -1).transpose(0, 3, 1, 2))
