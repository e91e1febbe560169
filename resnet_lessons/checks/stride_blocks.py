"""The bottlenecks that chapter 04's exercises ask for: v1.5, and ResNet-D's, whose shortcut averages.

Sources: the stride on the 3×3 is that of fb.resnet.torch and torchvision; the averaging shortcut is He et al. 2019, arXiv
1812.01187, section 4.2 (there v1.5 is called ResNet-B, and the averaging shortcut belongs to ResNet-D).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .blocks import wired_block
from .bottleneck_blocks import BottleneckWiring, bottleneck
from .shortcut_blocks import paths
from .wiring import Reference, pooled


@dataclass(frozen=True)
class StrideMoveWiring(BottleneckWiring):
    """A v1.5 bottleneck; every default is right."""

    strided: int = 2  # 1: v1; 3: the last 1×1; 0: nothing has the stride


def v1_5_bottleneck(in_channels: int, width: int, stride: int) -> Reference:
    """A bottleneck whose 3×3 has the stride, with a projection where the shape changes."""
    return bottleneck(in_channels, width, stride, StrideMoveWiring())


@dataclass(frozen=True)
class AveragingWiring(StrideMoveWiring):
    """A v1.5 bottleneck whose shortcut averages where v1.5's strides; every default is right."""

    pool: str = "average of 2×2"  # "maximum of 2×2", "average of 3×3"; "none": the projection strides, as in v1.5
    pool_at: str = "in front"  # "behind": behind the projection's BN


def averaging_bottleneck(in_channels: int, width: int, stride: int) -> Reference:
    """ResNet-D's downsampling block; at stride 1 it is v1.5's."""

    def body(on: Any, x: Any, w: AveragingWiring) -> Any:
        outs = int(width * w.widths[-1])
        weigh, strided = paths(on, w, "", in_channels, outs, stride)
        _, unstrided = paths(on, replace(w, strided=0), "", in_channels, outs, stride)

        def pool(value: Any) -> Any:
            return on.apply((w.pool, stride), partial(pooled, w.pool, stride), value)

        def shortcut(value: Any) -> Any:
            project: Callable[[Any], Any] = unstrided or (lambda same: same)
            return pool(project(value)) if w.pool_at == "behind" else project(pool(value))

        averages = stride != 1 and w.strided and w.pool != "none" and w.shortcut == "projection"
        return wired_block(on, x, w, weigh, "conv{}", "bn{}", shortcut if averages else strided)

    return replace(bottleneck(in_channels, width, stride, AveragingWiring()), body=body)
