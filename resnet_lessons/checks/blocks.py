"""The blocks that exercises ask for, each with the places where people go wrong (`wiring.Reference`).

Sources: He et al. 2015, arXiv 1512.03385, figure 2 and section 3.4 for the basic block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from .wiring import Reference


@dataclass(frozen=True)
class BasicWiring:
    """A v1 basic block; every default is right."""

    order: str = "v1"  # "v2": BN and ReLU in front of each convolution
    first_bn: str = "after conv"  # "missing", "after relu"
    second_bn: str = "after conv"  # the last one: "missing", "after relu", "after addition"
    one_bn_for_both: bool = False
    statistics: str = ""  # "batch", "running": whichever mode the block is in
    input_relu: bool = False
    middle_relu: bool = True
    branch_relu: bool = False
    shortcut_relu: bool = False
    last_relu: bool = True
    shortcut_from: str = "the input"  # "conv1", "bn1", "relu1", "the branch"
    shortcut_gradient: bool = True
    projection: tuple[str, ...] = ()  # ("conv",), ("conv", "bn"): of the shortcut
    merge: str = "add"  # "none", "multiply", "concatenate" and its variants
    factor: float = 1.0

    @property
    def inner(self) -> tuple[tuple[str, bool], ...]:
        """Of each layer of the branch but the last: where its BN stands, and whether it has a ReLU."""
        return ((self.first_bn, self.middle_relu),)


def basic_block(channels: int = 6) -> Reference:
    """A basic block that keeps its shape, with the input as its shortcut."""
    conv, bn = ("conv", (channels, channels, 3, 3)), ("bn", (channels,))
    layers = {"conv1": conv, "bn1": bn, "conv2": conv, "bn2": bn}
    wrong = {"projection_conv": ("conv", (channels, channels, 1, 1)), "projection_bn": bn}  # no right block has them
    return Reference(
        layers | wrong,
        lambda on, x, w: wired_block(on, x, w, on.conv, "conv{}", "bn{}"),
        BasicWiring(),
        (channels, 5, 7),
    )


def residual_mlp(width: int = 6, blocks: int = 3) -> Reference:
    """A chain of residual blocks with dense layers in place of convolutions; inputs are (B, width)."""
    names = [f"block{number}." for number in range(blocks)]
    layers: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name in names:
        layers |= {f"{name}dense{k}": ("dense", (width, width)) for k in (1, 2)}
        layers |= {f"{name}bn{k}": ("bn", (width,)) for k in (1, 2)}

    def body(on: Any, x: Any, w: MlpWiring) -> Any:
        chain = [names[0]] * blocks if w.one_block_repeated else names
        each = replace(w, merge="none") if w.one_shortcut else w
        out = reduce(
            lambda value, name: wired_block(on, value, each, on.dense, f"{name}dense{{}}", f"{name}bn{{}}"),
            chain[:-1],
            x,
        )
        last = replace(each, last_relu=False) if w.one_shortcut else w
        out = wired_block(on, out, last, on.dense, f"{chain[-1]}dense{{}}", f"{chain[-1]}bn{{}}")
        return on.relu(on.add(x, out)) if w.one_shortcut else out

    return Reference(layers, body, MlpWiring(), (width,))


@dataclass(frozen=True)
class MlpWiring(BasicWiring):
    """The same for every block of a residual MLP."""

    one_block_repeated: bool = False
    one_shortcut: bool = False  # from the input of the chain to its end


def wired_block(
    on: Any, x: Any, w: BasicWiring, weigh: Callable[..., Any], layer: str, norm: str,
    project: Callable[[Any], Any] | None = None,
) -> Any:  # fmt: skip
    """A v1 block of convolutions or dense layers; `layer` and `norm` are the layers' names with {} for 1, 2 and so on.

    The branch has one layer more than `w.inner`. `project` brings the input into the branch's shape, where that is another.
    """
    last = len(w.inner) + 1

    def bn(k: int, value: Any) -> Any:
        return on.bn(norm.format(1 if w.one_bn_for_both and k == 2 else k), value, statistics=w.statistics)

    if w.order == "v2":
        out = x
        for k in range(1, last + 1):
            out = weigh(layer.format(k), on.relu(bn(k, out)))
        return on.add(project(x) if project else x, out)

    # The branch
    if w.input_relu:
        x = on.relu(x)
    at = {"the input": x}
    out = x
    for k, (where, rectified) in enumerate(w.inner, 1):
        out = at[f"conv{k}"] = weigh(layer.format(k), out)
        if where == "after conv":
            out = bn(k, out)
        at[f"bn{k}"] = out
        if rectified:
            out = on.relu(out)
        at[f"relu{k}"] = out
        if where == "after relu":
            out = bn(k, out)
    out = weigh(layer.format(last), out)
    if w.second_bn == "after relu":
        out = on.relu(out)
    if w.second_bn in ("after conv", "after relu"):
        out = bn(last, out)
    if w.branch_relu:
        out = on.relu(out)

    # The shortcut
    carried = at.get(w.shortcut_from, out)
    if w.shortcut_relu:
        carried = on.relu(carried)
    if project and w.merge != "none" and w.shortcut_from != "the branch":
        carried = project(carried)
    if "conv" in w.projection:
        carried = on.conv("projection_conv", carried)
    if "bn" in w.projection:
        carried = on.bn("projection_bn", carried, statistics=w.statistics)
    if not w.shortcut_gradient:
        carried = on.detach(carried)

    # The two together
    out = merged(on, w, carried, out)
    if w.second_bn == "after addition":
        out = bn(last, out)
    return on.relu(out) if w.last_relu else out


def merged(on: Any, w: BasicWiring, carried: Any, branch: Any) -> Any:
    """What shortcut and branch come to."""
    merge = {
        "add": on.add,
        "none": lambda _, branch: branch,
        "multiply": on.multiply,
        "concatenate": on.concatenate,
        "concatenate, branch first": lambda x, branch: on.concatenate(branch, x),
        "concatenate batches": lambda x, branch: on.concatenate(x, branch, axis=0),
        "concatenate batches, branch first": lambda x, branch: on.concatenate(branch, x, axis=0),
    }
    out = merge[w.merge](carried, branch)
    return on.scale(out, w.factor) if w.factor != 1 else out
