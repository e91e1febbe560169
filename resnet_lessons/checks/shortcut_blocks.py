"""The blocks and shortcuts that chapter 02's exercises ask for, each with the places where people go wrong.

Sources: He et al. 2015, arXiv 1512.03385, sections 3.2 and 3.3 for the options, 3.4 for BN after each convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .blocks import BasicWiring, wired_block
from .wiring import Reference

SIZE = (6, 10)  # even, so that another padding shows; no two sizes alike


@dataclass(frozen=True)
class OptionAWiring:
    """The shortcut of option A; every default is right."""

    # "none", "average", "maximum", "odd pixels", "always by 2", "channels and height", "channels and width"
    sampling: str = "every second"
    axis: int = 1  # of (batch, channels, height, width)
    zeros: str = "behind"  # "either side", "before" (all three are right); "a quarter either side", "repeated"


ALSO_OPTION_A = ({"zeros": "either side"}, {"zeros": "before"})  # the paper does not say where the zeros go


def option_a(in_channels: int, channels: int, stride: int) -> Reference:
    """Option A's shortcut alone: the stride, then zeros for the channels that x lacks."""

    def body(on: Any, x: Any, w: OptionAWiring) -> Any:
        step = 2 if w.sampling == "always by 2" else stride
        x = on.apply((w.sampling, step), partial(_sampled, w.sampling, step), x)
        more = (channels // 4, channels // 4) if "quarter" in w.zeros else _around(w.zeros, channels - in_channels)
        return on.apply((w.axis, w.zeros, channels), partial(_padded, w.axis, more, w.zeros == "repeated"), x)

    return Reference({}, body, OptionAWiring(), (in_channels, *SIZE))


def _sampled(how: str, stride: int, x: np.ndarray) -> np.ndarray:
    if how == "none" or stride == 1:
        return x
    if how in ("average", "maximum"):
        batch, channels, height, width = x.shape
        cells = x.reshape(batch, channels, height // stride, stride, width // stride, stride)
        pooled: np.ndarray = cells.mean((3, 5)) if how == "average" else cells.max((3, 5))
        return pooled
    if how == "channels and height":
        return x[:, ::stride, ::stride]
    if how == "channels and width":
        return x[:, ::stride, :, ::stride]
    start = 1 if how == "odd pixels" else 0
    return x[:, :, start::stride, start::stride]


def _around(zeros: str, more: int) -> tuple[int, int]:
    return {"before": (more, 0), "either side": (more // 2, more - more // 2)}.get(zeros, (0, more))


def _padded(axis: int, around: tuple[int, int], repeated: bool, x: np.ndarray) -> np.ndarray:
    if not repeated:
        return np.pad(x, [around if n == axis else (0, 0) for n in range(4)])
    wanted = x.shape[1] + sum(around)
    return np.concatenate([x] * -(-wanted // x.shape[1]), axis=1)[:, :wanted]


@dataclass(frozen=True)
class ShortcutWiring(BasicWiring):
    """A v1 basic block with a shortcut that may change the shape; every default is right."""

    shortcut: str = "projection"  # "zeros": option A
    projected: str = "where the shape changes"  # "everywhere"
    projection_kernel: int = 1
    projection_bn: bool = True
    projection_relu: bool = False
    strided: int = 1  # 2: the second convolution has the stride; 0: nothing has
    padding: str = "both sides"  # "same": at stride 2 on an even map, one zero behind


def projected_block(in_channels: int, channels: int, stride: int) -> Reference:
    """A basic block with option B: a projection where the shape changes, and nowhere else."""

    def body(on: Any, x: Any, w: ShortcutWiring) -> Any:
        return _projected(on, x, w, "", in_channels, channels, stride)

    return Reference(block_layers("", in_channels, channels), body, ShortcutWiring(), (in_channels, *SIZE))


@dataclass(frozen=True)
class StageWiring(ShortcutWiring):
    """The same for each block of a stage."""

    stride_in: str = "the first block"  # "every block", "the last block"
    rest: str = "blocks of their own"  # "one block repeated"


def stage(in_channels: int, channels: int, stride: int, blocks: int) -> Reference:
    """A stage: the first block changes the shape, the others keep it."""
    layers: dict[str, tuple[str, tuple[int, ...]]] = {}
    for number in range(blocks):
        layers |= block_layers(f"block{number}.", channels if number else in_channels, channels)

    def body(on: Any, x: Any, w: StageWiring) -> Any:
        strided = {"every block": range(blocks), "the last block": [blocks - 1]}.get(w.stride_in, [0])
        for number in range(blocks):
            named = min(number, 1) if w.rest == "one block repeated" else number
            ins, own = channels if number else in_channels, stride if number in strided else 1
            x = _projected(on, x, w, f"block{named}.", ins, channels, own)
        return x

    return Reference(layers, body, StageWiring(), (in_channels, *SIZE))


def block_layers(prefix: str, in_channels: int, channels: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """All layers that such a block may have, right or wrong; those that are not used do not count."""
    bn = ("bn", (channels,))
    return {
        f"{prefix}conv1": ("conv", (channels, in_channels, 3, 3)),
        f"{prefix}bn1": bn,
        f"{prefix}conv2": ("conv", (channels, channels, 3, 3)),
        f"{prefix}bn2": bn,
        f"{prefix}downsample.1×1": ("conv", (channels, in_channels, 1, 1)),
        f"{prefix}downsample.3×3": ("conv", (channels, in_channels, 3, 3)),
        f"{prefix}downsample.bn": bn,
    }


def _projected(on: Any, x: Any, w: ShortcutWiring, prefix: str, in_channels: int, channels: int, stride: int) -> Any:
    weigh, shortcut = paths(on, w, prefix, in_channels, channels, stride)
    return wired_block(on, x, w, weigh, f"{prefix}conv{{}}", f"{prefix}bn{{}}", shortcut)


def paths(
    on: Any, w: ShortcutWiring, prefix: str, in_channels: int, channels: int, stride: int
) -> tuple[Callable[[str, Any], Any], Callable[[Any], Any] | None]:
    """How a convolution of the branch is computed, and what stands on the shortcut; None for the identity."""

    def weigh(name: str, value: Any) -> Any:
        own = stride if name.endswith(str(w.strided)) else 1
        return on.conv(name, value, stride=own, padding=(0, 1) if w.padding == "same" and own == 2 else None)

    step = stride if w.strided else 1

    def project(value: Any) -> Any:
        if w.shortcut == "zeros":
            return on.pad_channels(on.subsample(value, stride), channels - in_channels)
        out = on.conv(f"{prefix}downsample.{w.projection_kernel}×{w.projection_kernel}", value, stride=step)
        if w.projection_bn:
            out = on.bn(f"{prefix}downsample.bn", out, statistics=w.statistics)
        return on.relu(out) if w.projection_relu else out

    changes = stride != 1 or in_channels != channels
    return weigh, project if changes or w.projected == "everywhere" else None
