"""Residual blocks with any order of operations, written as words: the five placements of He et al. 2016.

    PLACEMENTS        Table 2 and figure 4 of arXiv 1603.05027: five orders of the same operations, and their errors
    parse_order       reads an order such as "BN ReLU conv BN ReLU conv +"
    network           a CIFAR network of such blocks, in PyTorch or TensorFlow
    draw_weights      initial weights from NumPy, the same in both frameworks

The order lists what a block computes from its input on; "+" adds the shortcut. What stands before the first convolution
is the block's pre-activation. Sections 4.1 and the appendix say what follows from it outside the blocks: the stem has what
the first block then lacks, the network ends with what stands in front of every convolution, and the first block and those
that change shapes take their shortcut behind the pre-activation. With option A all five have the same parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from resnet_lessons.architecture import Block, ResNetConfig
from resnet_lessons.frameworks import framework_name

import numpy as np

WORDS = ("BN", "ReLU", "conv", "+")
LONGEST = 12  # words of an order


@dataclass(frozen=True)
class Placement:
    """One line of the paper's table 2."""

    key: str
    title: str
    order: str
    errors: tuple[float, float]  # CIFAR-10 test error in percent: ResNet-110, ResNet-164


PLACEMENTS: dict[str, Placement] = {
    placement.key: placement
    for placement in (
        Placement("original", "original", "conv BN ReLU conv BN + ReLU", (6.61, 5.93)),
        Placement("bn_after", "BN after addition", "conv BN ReLU conv + BN ReLU", (8.17, 6.50)),
        Placement("relu_before", "ReLU before addition", "conv BN ReLU conv BN ReLU +", (7.84, 6.14)),
        Placement("relu_only", "ReLU-only pre-activation", "ReLU conv BN ReLU conv BN +", (6.71, 5.91)),
        Placement("full", "full pre-activation", "BN ReLU conv BN ReLU conv +", (6.37, 5.46)),
    )
}


@dataclass(frozen=True)
class Order:
    """An order of operations, taken apart."""

    leading: tuple[str, ...]  # before the first convolution: the pre-activation
    branch: tuple[str, ...]  # everything up to the addition, the pre-activation included
    after: tuple[str, ...]  # behind the addition

    def __str__(self) -> str:
        return " ".join([*self.branch, "+", *self.after])


def parse_order(text: str) -> Order:
    """Read an order of operations.

    Parameters
    ----------
    text
        Words from `WORDS`, in any case, with spaces between: two convolutions, then one "+", and BN and ReLU anywhere.

    Raises
    ------
    ValueError
        If it is no block; the message says what is missing or too much.

    Examples
    --------
    >>> parse_order("bn relu conv bn relu conv +").leading
    ('BN', 'ReLU')
    """
    known = {word.lower(): word for word in WORDS}
    given = str(text).split()
    if strange := [word for word in given if word.lower() not in known]:
        raise ValueError(f"{strange[0]!r} is no operation here; there are {', '.join(WORDS)}.")
    words = [known[word.lower()] for word in given]
    if words.count("+") != 1:
        found = "none" if "+" not in words else f"{words.count('+')}"
        raise ValueError(f"A block adds its input exactly once; this order has {found} of the “+”.")
    at = words.index("+")
    if "conv" in words[at:]:
        raise ValueError("A convolution behind the “+” would also work on what the shortcut carries: put it in front.")
    if words.count("conv") != 2:
        raise ValueError(f"A basic block has two convolutions, and here there {_are(words.count('conv'))}.")
    if len(words) > LONGEST:
        raise ValueError(f"An order has at most {LONGEST} words; this one has {len(words)}.")
    return Order(tuple(words[: words.index("conv")]), tuple(words[:at]), tuple(words[at + 1 :]))


def _are(count: int) -> str:
    return {0: "is none", 1: "is one"}.get(count, f"are {count}")


def layer_names(words: tuple[str, ...]) -> list[str]:
    """Name the layers of a block in the order in which they are met: conv1, bn1, …

    >>> layer_names(("BN", "ReLU", "conv", "BN"))
    ['bn1', 'relu1', 'conv1', 'bn2']
    """
    return [f"{word.lower()}{words[: number + 1].count(word)}" for number, word in enumerate(words)]


def network(framework: str, order: str, config: ResNetConfig, *, seed: int = 0, dtype: str = "float32") -> Any:
    """Build a CIFAR network of blocks with this order of operations.

    Parameters
    ----------
    framework
        ``"pytorch"`` or ``"tensorflow"``; only that one is imported.
    order
        See `parse_order`; its pre-activation is none, "ReLU" or "BN ReLU".
    config
        A CIFAR network of basic blocks: depth, widths, shortcut and classes are taken from it, its version is not.
    seed
        Of the initial weights, which are the framework's own; see `draw_weights`.
    dtype
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    torch.nn.Module or keras.Model
        Images (B, C, H, W) or (B, H, W, C) to logits. With the original order it is the package's v1 network, with full
        pre-activation its v2 network, layer by layer and name by name.

    Raises
    ------
    ValueError
        If the order is no block, or the network no CIFAR network of basic blocks.
    """
    found = parse_order(order)
    if (config.family, config.block) != ("cifar", "basic"):
        raise ValueError(f"{config.name} is no CIFAR network of basic blocks; take depth 6n+2 and family='cifar'.")
    if found.leading not in ((), ("ReLU",), ("BN", "ReLU")):
        raise ValueError("A network's pre-activation is none, ReLU, or BN ReLU: its stem and its end follow from it.")
    if framework_name(framework) == "pytorch":
        from . import placements_torch

        return placements_torch.network(found, config, seed, dtype)
    from . import placements_tf

    return placements_tf.network(found, config, seed, dtype)


def stem_words(order: Order) -> tuple[str, ...]:
    """What follows the stem's convolution: BN and ReLU, less what the first block brings itself."""
    return ("BN", "ReLU")[: 2 - len(order.leading)]


def splits_late(order: Order, block: Block) -> bool:
    """Whether a block's shortcut starts behind the pre-activation: the first one, and where the shape changes."""
    return bool(order.leading) and (block.first or block.shortcut_kind in ("pad", "projection"))


def draw_weights(net: Any, seed: int = 0) -> Any:
    """Give a network of either framework fresh weights drawn by NumPy, the same in both; return the network.

    Convolutions: normal, variance 2/fan-out (arXiv 1502.01852). Dense layers: uniform in ±1/√inputs, as PyTorch draws
    them. BN tensors are left as they are.
    """
    from resnet_lessons import parity_networks

    for key, tensor in parity_networks.wrap(net).tensors().items():
        dice = np.random.default_rng([seed, *".".join(key).encode()])
        if len(tensor.shape) == 4:
            fan_out = tensor.shape[0] * math.prod(tensor.shape[2:])
            tensor.write(math.sqrt(2 / fan_out) * dice.standard_normal(tensor.shape))
        elif key.layer == "fc":
            tensor.write(dice.uniform(-1, 1, tensor.shape) / math.sqrt(tensor.shape[-1] if key.kind == "weight" else 1))
    return net
