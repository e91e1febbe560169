"""The bottleneck that chapter 03's exercises ask for, and a block that is made from a plan, with the places where people go
wrong.

Sources: He et al. 2015, arXiv 1512.03385, section 4.1 and figure 5, right, for the bottleneck, and table 1 for its widths;
the stride in the first 1×1 is that of the networks which its authors released (KaimingHe/deep-residual-networks).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .blocks import wired_block
from .shortcut_blocks import SIZE, ShortcutWiring, paths
from .wiring import Reference

Layers = Mapping[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class ShapedReference(Reference):
    """A reference whose layers have other shapes with another wiring.

    Parameters
    ----------
    layers_for
        From a wiring to the layers.
    """

    layers_for: Callable[[Any], Layers]

    def with_(self, edit: Mapping[str, Any]) -> Reference:
        """The same with a mistake, and layers of the shapes that it has then."""
        changed = super().with_(edit)
        return replace(changed, layers=self.layers_for(changed.wiring))


@dataclass(frozen=True)
class BottleneckWiring(ShortcutWiring):
    """A v1 bottleneck; every default is right.

    Of the inherited fields `first_bn` and `middle_relu` belong to the first 1×1, `second_bn` to the last.
    """

    widths: tuple[float, float, float] = (1, 1, 4)  # what the three put out, in units of the block's width
    kernels: tuple[int, int, int] = (1, 3, 1)
    inner_bn: str = "after conv"  # of the 3×3: "missing", "after relu"
    second_relu: bool = True  # behind the 3×3

    @property
    def inner(self) -> tuple[tuple[str, bool], ...]:
        """Of the first 1×1 and of the 3×3: where BN stands, and whether there is a ReLU."""
        return (self.first_bn, self.middle_relu), (self.inner_bn, self.second_relu)


ALONE = BottleneckWiring(merge="none", last_relu=False)  # the branch without a block around it


def bottleneck(in_channels: int, width: int, stride: int, wiring: BottleneckWiring | None = None) -> Reference:
    """A bottleneck of that width, with a projection where the shape changes."""

    def plan(w: BottleneckWiring) -> list[tuple[int, int]]:
        return [(kernel, int(width * factor)) for kernel, factor in zip(w.kernels, w.widths, strict=True)]

    return _planned(in_channels, plan, stride, wiring or BottleneckWiring())


@dataclass(frozen=True)
class PlannedWiring(ShortcutWiring):
    """A v1 block of any number of layers, all wired alike but for the last; every default is right."""

    layers: int = 2
    rectified: int | None = None  # how many have a ReLU behind them, from the first on; None: all but the last

    @property
    def inner(self) -> tuple[tuple[str, bool], ...]:
        """Of each layer but the last: where BN stands, and whether there is a ReLU."""
        few = self.layers - 1 if self.rectified is None else self.rectified
        return tuple((self.first_bn, number < few) for number in range(self.layers - 1))


def planned_block(in_channels: int, plan: Sequence[tuple[int, int]], stride: int) -> Reference:
    """A block with a convolution for each (kernel, channels) of a plan."""
    return _planned(in_channels, lambda w: plan, stride, PlannedWiring(layers=len(plan)))


def _planned(
    in_channels: int, plan: Callable[[Any], Sequence[tuple[int, int]]], stride: int, wiring: ShortcutWiring
) -> Reference:
    def layers_for(w: ShortcutWiring) -> Layers:
        ins, found = in_channels, dict[str, tuple[str, tuple[int, ...]]]()
        for number, (kernel, outs) in enumerate(plan(w), 1):
            found[f"conv{number}"] = ("conv", (outs, ins, kernel, kernel))
            found[f"bn{number}"] = ("bn", (outs,))
            ins = outs
        for kernel in (1, 3):
            found[f"downsample.{kernel}×{kernel}"] = ("conv", (ins, in_channels, kernel, kernel))
        return found | {"downsample.bn": ("bn", (ins,))}

    def body(on: Any, x: Any, w: ShortcutWiring) -> Any:
        steps = plan(w)
        if all(kernel == 1 for kernel, _ in steps[w.strided - 1 : w.strided]):
            w = replace(w, padding="both sides")  # “same” pads a 1×1 by nothing
        weigh, project = paths(on, w, "", in_channels, steps[-1][1], stride)
        return wired_block(on, x, w, weigh, "conv{}", "bn{}", project)

    return ShapedReference(layers_for(wiring), body, wiring, (in_channels, *SIZE), layers_for)
