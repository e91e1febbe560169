"""The pre-activation blocks and the small network that chapter 05's exercises ask for, each with its wrong turns.

Sources: He et al. 2016, arXiv 1603.05027, figure 4(e) and section 4.1 for the block, the appendix for a network's first and
last activation; that a projection is a bare convolution is the authors' code (KaimingHe/resnet-1k-layers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .blocks import merged
from .shortcut_blocks import SIZE, ShortcutWiring, block_layers, paths
from .wiring import Reference


@dataclass(frozen=True)
class PreActivationWiring(ShortcutWiring):
    """A v2 basic block; every default is right.

    Four fields hold words, BN and ReLU, in the order in which they act at that place. Of the inherited fields, those about
    v1's order are not read.
    """

    first: str = "BN ReLU"  # in front of the first convolution
    second: str = "BN ReLU"  # in front of the second
    ending: str = ""  # behind the second, in front of the addition
    after: str = ""  # behind the addition
    identity_from: str = "the input"  # "the first BN", "the first ReLU", "the pre-activation"
    projection_from: str = "the pre-activation"  # "the first ReLU", "the first BN", "the input"
    needless_from: str = "the pre-activation"  # "the input": what a projection gets where the shape stays
    projection_bn: bool = False


def preactivation_block(in_channels: int, channels: int, stride: int) -> Reference:
    """A basic block of v2: where the shape changes, the shortcut projects the activated input; elsewhere it is the input."""

    def body(on: Any, x: Any, w: PreActivationWiring) -> Any:
        return _block(on, x, w, "", in_channels, channels, stride)

    return Reference(_layers("", in_channels, channels), body, PreActivationWiring(), (in_channels, *SIZE))


def constant_block(channels: int = 6) -> Reference:
    """The same where the shape stays: the block that is made with a number of channels alone."""
    return preactivation_block(channels, channels, 1)


@dataclass(frozen=True)
class NetworkWiring(PreActivationWiring):
    """The same for each block of a network, and what stands around the blocks."""

    repeated: bool = False  # whether the first block stands in the second's place, too
    stem: str = ""  # behind the stem's convolution
    first_carries: str = "the pre-activation"  # "the input": the shortcut of the network's first block
    end: str = "BN ReLU"  # behind the last addition
    pooled: str = "behind the end"  # "before the end"
    softmax: bool = False


def network(in_channels: int, channels: int, classes: int) -> Reference:
    """A v2 network of three blocks: one that keeps the stem's channels, one more, and one that doubles them at stride 2."""
    shapes = ((channels, channels, 1), (channels, channels, 1), (channels, 2 * channels, 2))
    layers: dict[str, tuple[str, tuple[int, ...]]] = {
        "stem": ("conv", (channels, in_channels, 3, 3)),
        "stem.bn": ("bn", (channels,)),
        "end.bn": ("bn", (2 * channels,)),
        "fc": ("dense", (classes, 2 * channels)),
    }
    for number, (ins, outs, _) in enumerate(shapes):
        layers |= _layers(f"block{number}.", ins, outs)

    def body(on: Any, x: Any, w: NetworkWiring) -> Any:
        x = _in_turn(on, on.conv("stem", x), w.stem, "stem.bn", w)[-1]
        for number, shape in enumerate(shapes):
            own = 0 if number == 1 and w.repeated else number
            x = _block(on, x, w, f"block{own}.", *shape, first=own == 0 and w.first_carries != "the input")
        if w.pooled == "before the end":
            x = on.apply(("mean",), _mean, x)
        x = _in_turn(on, x, w.end, "end.bn", w)[-1]
        if w.pooled == "behind the end":
            x = on.apply(("mean",), _mean, x)
        logits = on.dense("fc", x)
        return on.apply(("softmax",), _softmax, logits) if w.softmax else logits

    return Reference(layers, body, NetworkWiring(), (in_channels, *SIZE))


def _layers(prefix: str, in_channels: int, channels: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """As in v1, but for the first BN, which stands in front of the first convolution; `bn3` is in no right block."""
    own = {f"{prefix}bn1": ("bn", (in_channels,)), f"{prefix}bn3": ("bn", (channels,))}
    return block_layers(prefix, in_channels, channels) | own


def _block(
    on: Any, x: Any, w: PreActivationWiring, prefix: str, in_channels: int, channels: int, stride: int, *, first: bool = False
) -> Any:  # fmt: skip
    weigh, project = paths(on, w, prefix, in_channels, channels, stride)

    # The branch
    passed = _in_turn(on, x, w.first, f"{prefix}bn1", w)
    out = weigh(f"{prefix}conv1", passed[-1])
    out = _in_turn(on, out, w.second, f"{prefix}bn{1 if w.one_bn_for_both else 2}", w)[-1]
    out = weigh(f"{prefix}conv2", out)
    out = _in_turn(on, out, w.ending, f"{prefix}bn3", w)[-1]

    # The shortcut
    if w.shortcut_from == "the branch":
        carried = out
    else:
        at = {"the input": x, "the pre-activation": passed[-1]}
        for word, value in zip(w.first.split(), passed[1:], strict=True):
            at.setdefault(f"the first {word}", value)
        reshapes = stride != 1 or in_channels != channels
        if project:
            start = w.projection_from if reshapes else w.needless_from
        else:
            start = "the pre-activation" if first else w.identity_from
        carried = at.get(start, passed[-1])
        if w.shortcut_relu:
            carried = on.relu(carried)
        if project and w.merge != "none":
            carried = project(carried)
    if not w.shortcut_gradient:
        carried = on.detach(carried)

    return _in_turn(on, merged(on, w, carried, out), w.after, f"{prefix}bn3", w)[-1]


def _in_turn(on: Any, x: Any, words: str, bn: str, w: PreActivationWiring) -> list[Any]:
    """A value, and what it becomes word by word."""
    values = [x]
    for word in words.split():
        values.append(on.relu(values[-1]) if word == "ReLU" else on.bn(bn, values[-1], statistics=w.statistics))
    return values


def _mean(x: np.ndarray) -> np.ndarray:
    pooled: np.ndarray = x.mean((2, 3))
    return pooled


def _softmax(x: np.ndarray) -> np.ndarray:
    raised = np.exp(x - x.max(1, keepdims=True))
    shares: np.ndarray = raised / raised.sum(1, keepdims=True)
    return shares
