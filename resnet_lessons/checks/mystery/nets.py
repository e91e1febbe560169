"""The networks of the lab "Mystery net": chains of the exercises' own blocks, right or with one mistake, run in NumPy.

A `Kind` is a chain of references (`wiring.Reference`) with the catalogues of mistakes that it can be played with. To play
with another chapter's blocks, add a `Kind` to `LEVELS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from .. import structure
from ..basic_mistakes import BASIC, PROJECTION, PROVE
from ..blocks import basic_block
from ..bottleneck_blocks import bottleneck
from ..bottleneck_mistakes import BLOCK as BOTTLENECK
from ..mistakes import Mistake, known_otherwise
from ..preactivation_blocks import preactivation_block
from ..preactivation_mistakes import RESHAPING
from ..shortcut_blocks import projected_block
from ..shortcut_mistakes import STAGE
from ..stride_blocks import v1_5_bottleneck
from ..stride_mistakes import MOVED
from ..uses import Use
from ..wiring import Facts, Numbers, Reference

BATCH = 3
WEIGHTS = (0, 2)  # seeds with which every mistake shows what it does show; tests look at each of them
MOST_WAYS = 4  # of making one mistake: a kernel of another size can be had in many
Tensors = dict[tuple[str, str], np.ndarray]  # of one block: (layer, kind) → values
Blocks = Sequence[tuple[str, Reference]]  # one name for two blocks: one block, used twice

NOTHING = Mistake(
    "nothing",
    "nothing: it is the right network",
    "Every probe shows what it shows of the right network, since there is no mistake.",
    "That a network agrees with a reference in outputs of both modes, gradients and running statistics is how the course "
    "proves two networks equal.",
    PROVE,
    "in every answer that a check accepts",
    visible=known_otherwise,
)


@dataclass(frozen=True)
class Twist:
    """What a mistake changes in a network.

    Parameters
    ----------
    edit
        Fields of the wiring, of each block or of the chain, with their values.
    bias
        Whether convolutions have a bias.
    scale
        Whether BN has γ and β.
    unused
        Whether each block has one more convolution, which never runs.
    eps, momentum
        Of each BN, in PyTorch's convention.
    """

    edit: tuple[tuple[str, Any], ...] = ()
    bias: bool = False
    scale: bool = True
    unused: bool = False
    eps: float = structure.EPS
    momentum: float = structure.MOMENTUM


# What the wiring has no field for, since behaviour or the learner's own layers decide it.
IN_LAYERS: Mapping[str, Twist] = {
    structure.BIAS.key: Twist(bias=True),
    structure.EPSILON.key: Twist(eps=1e-3),  # Keras's default
    structure.MOMENTUM_OF_BN.key: Twist(momentum=0.01),  # Keras's default of 0.99
    structure.NO_SCALE.key: Twist(scale=False),
    structure.NEVER_USED.key: Twist(unused=True),
}


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of network to play with.

    Parameters
    ----------
    key
        Its name in the learner's progress.
    title
        What the right one is, in a few words.
    code
        What a right block computes, as text.
    blocks
        From an edit to the chain of blocks.
    catalogue
        The mistakes; those that cannot be played are left out by `playable`.
    without
        Keys of mistakes whose explanation is not that of such a network.
    """

    key: str
    title: str
    code: str
    blocks: Callable[[Mapping[str, Any]], Blocks]
    catalogue: Sequence[Mistake]
    without: Sequence[str] = ()


class Layer(NamedTuple):
    """A layer of the network, where it runs."""

    block: int  # counted from 0
    name: str  # as the probes show it

    def __str__(self) -> str:
        return f"block {self.block + 1}, {self.name}"


@dataclass
class Pass:
    """What one pass through a network gave.

    Attributes
    ----------
    inputs, outputs
        Of each block.
    layers
        What each layer with weights put out, in the order in which they ran.
    moves
        How far a BN's running mean and variance moved, in training mode.
    detached
        Of each block, what no gradient flows through.
    """

    inputs: list[np.ndarray] = field(default_factory=list)
    outputs: list[np.ndarray] = field(default_factory=list)
    layers: dict[Layer, np.ndarray] = field(default_factory=dict)
    moves: dict[Layer, np.ndarray] = field(default_factory=dict)
    detached: list[list[np.ndarray]] = field(default_factory=list)


class Net:
    """A network, right or with a mistake. Equal layers have equal weights in every network of the same `weights`.

    Parameters
    ----------
    kind
        Which chain of blocks.
    twist
        The mistake; the default is none.
    weights
        Seed of weights, BN tensors and inputs.
    """

    def __init__(self, kind: Kind, twist: Twist | None = None, weights: int = 0) -> None:
        self.kind, self.twist, self.weights = kind, twist or Twist(), weights
        self._looks: dict[tuple[bool, bool], Pass] = {}
        self.blocks = kind.blocks(dict(self.twist.edit))
        self.tensors: dict[str, Tensors] = {}
        for name, reference in self.blocks:
            if name not in self.tensors:
                self.tensors[name] = self._draw(name, reference)

    def uses(self, block: int) -> list[Use]:
        """The layers with weights that run in a block, in order, and what feeds each."""
        return list(self.blocks[block][1].sketch().uses)

    def images(self, *, signed: bool = False) -> np.ndarray:
        """A batch (3, C, H, W); without negative values, as inside a v1 network, or with them."""
        images = np.random.default_rng([self.weights, 1]).standard_normal((BATCH, *self.blocks[0][1].in_shape))
        return images if signed else np.abs(images)

    def look(self, *, training: bool = False, signed: bool = False) -> Pass:
        """What the batch of `images` gives; computed once."""
        if (training, signed) not in self._looks:
            self._looks[training, signed] = self.run(self.images(signed=signed), training=training)
        return self._looks[training, signed]

    def run(
        self, images: np.ndarray, *, training: bool = False, tensors: Mapping[str, Tensors] | None = None,
        detached: list[list[np.ndarray]] | None = None,
    ) -> Pass:  # fmt: skip
        """Send a batch through the network."""
        held = dict(tensors or self.tensors)
        found, x = Pass(), images
        for number, (name, reference) in enumerate(self.blocks):
            numbers = Numbers(
                held[name], self._facts(reference), training, iter(detached[number]) if detached else None
            )
            found.inputs.append(x)
            x = reference.body(numbers, x, reference.wiring)
            found.outputs.append(x)
            found.detached.append(numbers.detached)
            labels = _labels([layer for layer, _ in numbers.outputs])
            for label, (_, output) in zip(labels, numbers.outputs, strict=True):
                found.layers[Layer(number, label)] = output
            for layer in dict.fromkeys(layer for layer, _ in numbers.running):
                moved = [numbers.running[layer, kind] - held[name][layer, kind] for kind in _RUNNING]
                found.moves[Layer(number, shown(layer))] = np.concatenate(moved)
            held[name] = {**held[name], **numbers.running}  # a block that is used twice goes on from there
        return found

    @cached_property
    def slopes(self) -> dict[str, float]:
        """Derivatives of a random weighted sum of the outputs in training mode, along a random direction each.

        Along the input, and along the weights of the first convolution; by central differences in float64. They are those
        that back-propagation gives: a value cut out of the graph stays while the rest moves.
        """
        images, step = self.images(), 1e-7
        base, name = self.look(training=True), self.blocks[0][0]
        first = next(use.layer.name for use in self.uses(0) if use.layer.kind == "conv")
        dice = np.random.default_rng([self.weights, 2])
        direction = dice.standard_normal(base.outputs[-1].shape)
        v, u = dice.standard_normal(images.shape), dice.standard_normal(self.tensors[name][first, "weight"].shape)

        def value(along_input: float, along_weight: float) -> float:
            moved = {**self.tensors[name], (first, "weight"): self.tensors[name][first, "weight"] + along_weight * u}
            tensors = {**self.tensors, name: moved}
            out = self.run(images + along_input * v, training=True, tensors=tensors, detached=base.detached).outputs[-1]
            return float((out * direction).sum())

        return {
            "the input": (value(step, 0) - value(-step, 0)) / (2 * step),
            "the first convolution": (value(0, step) - value(0, -step)) / (2 * step),
        }

    def silenced(self) -> dict[str, Tensors] | None:
        """The tensors with γ = β = 0 in the last BN of each branch; None where there is none to set."""
        found = {name: dict(tensors) for name, tensors in self.tensors.items()}
        for number, (name, _) in enumerate(self.blocks):
            branch = [use.layer.name for use in self.uses(number) if not on_shortcut(use.layer.name)]
            last = next((layer for layer in reversed(branch) if (layer, "running_mean") in found[name]), "")
            if (last, "weight") not in found[name]:
                return None
            for kind in ("weight", "bias"):
                found[name][last, kind] = np.zeros_like(found[name][last, kind])
        return found

    def parameters(self) -> dict[str, int]:
        """Trainable numbers by what they are."""
        count = dict.fromkeys(("weights of convolutions", "biases of convolutions", "γ and β of BN"), 0)
        for tensors in self.tensors.values():
            for (layer, kind), values in tensors.items():
                if kind in _RUNNING:
                    continue
                normal = (layer, "running_mean") in tensors
                what = "γ and β of BN" if normal else f"{'weights' if kind == 'weight' else 'biases'} of convolutions"
                count[what] += values.size
        return count

    def _facts(self, reference: Reference) -> Facts:
        return Facts(
            unbiased=True,
            eps=dict.fromkeys(reference.layers, self.twist.eps),
            momentum=dict.fromkeys(reference.layers, self.twist.momentum),
        )

    def _draw(self, block: str, reference: Reference) -> Tensors:
        found: Tensors = {}
        layers = {use.layer.name: (use.layer.kind, use.layer.shape) for use in reference.sketch().uses}
        if self.twist.unused:
            layers["unused"] = next(layer for layer in layers.values() if layer[0] == "conv")
        for name, (kind, shape) in layers.items():
            dice = np.random.default_rng([self.weights, *f"{block}.{name}".encode()])
            if kind == "bn":
                found[name, "running_mean"] = dice.normal(0, 0.3, shape)
                found[name, "running_var"] = dice.uniform(0.5, 1.5, shape)
                if self.twist.scale:
                    found[name, "weight"] = dice.uniform(0.5, 1.5, shape)
                    found[name, "bias"] = dice.normal(0, 0.3, shape)
            else:
                fan_out = shape[0] * math.prod(shape[2:])  # He et al. 2015, arXiv 1502.01852
                found[name, "weight"] = dice.normal(0, math.sqrt(2 / fan_out), shape)
                if self.twist.bias:
                    found[name, "bias"] = np.zeros(shape[0])  # as both frameworks begin, or nearly
        return found


_RUNNING = ("running_mean", "running_var")


def on_shortcut(layer: str) -> bool:
    """Whether a layer of a reference stands on the shortcut."""
    return layer.startswith(("downsample", "projection"))


def shown(layer: str) -> str:
    """A layer's name in the probes: it does not give the kernel of a projection away."""
    if not on_shortcut(layer):
        return layer
    return "shortcut's BN" if layer.endswith("bn") else "shortcut's convolution"


def _labels(names: Sequence[str]) -> list[str]:
    """The names as shown; one that runs again says so."""
    found: list[str] = []
    for name in map(shown, names):
        found.append(name if name not in found else f"{name} again")
    return found


def labelled(net: Net, block: int) -> list[tuple[str, list[str]]]:
    """Each layer with weights of a block as shown, with what feeds it; then the block's output."""
    reference = net.blocks[block][1]
    trace = reference.sketch()
    names = _labels([use.layer.name for use in trace.uses])

    def said(sources: frozenset[int]) -> list[str]:
        return ["x" if number < 0 else names[number] for number in sorted(sources)]

    rows = [(name, said(use.after)) for name, use in zip(names, trace.uses, strict=True)]
    return [*rows, ("the output", said(trace.output_after))]


# Which mistakes can be played --------------------------------------------------------------------------------------------


def twists(mistake: Mistake) -> list[Twist]:
    """The ways in which a mistake can be made here."""
    if mistake is NOTHING:
        return [Twist()]
    if mistake.key in IN_LAYERS:
        return [IN_LAYERS[mistake.key]]
    return [Twist(tuple(edit.items())) for edit in mistake.edits]


@cache
def playable(kind: Kind) -> Mapping[str, tuple[Mistake, tuple[Twist, ...]]]:
    """By key, the mistakes that a network of this kind can have, each with the ways in which it runs.

    Left out is what a detector alone can see, and what lets no chain of blocks run, such as twice the channels.
    """
    found: dict[str, tuple[Mistake, tuple[Twist, ...]]] = {}
    for mistake in (NOTHING, *kind.catalogue):
        if mistake.key not in kind.without and (ways := tuple(islice(_running(kind, twists(mistake)), MOST_WAYS))):
            found[mistake.key] = (mistake, ways)
    return found


def _running(kind: Kind, ways: Sequence[Twist]) -> Iterator[Twist]:
    for twist in ways:
        try:
            net = Net(kind, twist)
            net.look()
        except (
            KeyError,
            ValueError,
            TypeError,
        ):  # a layer that these blocks lack, shapes that do not fit, another field
            continue
        yield twist


_NOT_PROJECTED = ("rectified_apart",)  # a projection behind the shortcut's ReLU makes what it carries negative again


# The kinds ---------------------------------------------------------------------------------------------------------------


def _chain(shapes: Sequence[tuple[int, ...]], make: Callable[..., Reference]) -> Callable[[Mapping[str, Any]], Blocks]:
    """Three blocks, each made with (channels of its input, width, stride).

    The fields of `shortcut_blocks.StageWiring` that belong to the chain and to no block are read here, as there, so that
    each block's output can be looked at.
    """

    def blocks(edit: Mapping[str, Any]) -> Blocks:
        own = {name: value for name, value in edit.items() if name not in ("stride_in", "rest")}
        strided = {"every block": (0, 1, 2), "the last block": (2,)}.get(edit.get("stride_in", ""), (0,))
        names = (0, 1, 1) if edit.get("rest") == "one block repeated" else (0, 1, 2)
        return [
            (f"block{name}", make(ins, width, stride if number in strided else 1).with_(own))
            for number, (name, (ins, width, stride)) in enumerate(zip(names, shapes, strict=True))
        ]

    return blocks


_BASIC_SHAPES = (
    (4, 6, 2),
    (6, 6, 2),
    (6, 6, 2),
)  # the stride where the chain's mistakes put it, by default in the first
_BOTTLENECK_SHAPES = ((6, 4, 2), (16, 4, 2), (16, 4, 2))
_ON_MAPS = "on maps of 6×10; the first block has stride 2 and a projection"
_PROJECTS = "shortcut: 1×1 convolution and BN where the shape changes, else x"

BASIC_CHAIN = Kind(
    "basic",
    "three basic blocks of version v1 (chapter 01), 6 channels, on maps of 5×7",
    "x + branch(x), then ReLU; branch: conv1, bn1, ReLU, conv2, bn2",
    lambda edit: [(f"block{number}", basic_block().with_(edit)) for number in range(3)],
    (*structure.LAYERS, *BASIC, PROJECTION),
)
STAGE_CHAIN = Kind(
    "stage",
    f"a stage of three basic blocks of version v1 (chapter 02), 4 → 6 channels, {_ON_MAPS} (option B)",
    f"shortcut(x) + branch(x), then ReLU; branch: conv1 (with the stride), bn1, ReLU, conv2, bn2; {_PROJECTS}",
    _chain(_BASIC_SHAPES, projected_block),
    STAGE,
    _NOT_PROJECTED,
)
BOTTLENECK_CHAIN = Kind(
    "bottleneck",
    f"three bottlenecks of version v1 (chapter 03) of width 4, 6 → 16 channels, {_ON_MAPS}",
    "shortcut(x) + branch(x), then ReLU; branch: conv1 (1×1, with the stride), bn1, ReLU, conv2, bn2, ReLU, conv3 (1×1), bn3; "
    f"{_PROJECTS}",
    _chain(_BOTTLENECK_SHAPES, bottleneck),
    BOTTLENECK,
    (*_NOT_PROJECTED, "same_padding"),  # the layer with the stride is a 1×1, which has no padding
)
STRIDE_CHAIN = Kind(
    "v1.5",
    f"three bottlenecks of version v1.5 (chapter 04) of width 4, 6 → 16 channels, {_ON_MAPS}",
    "shortcut(x) + branch(x), then ReLU; branch: conv1 (1×1), bn1, ReLU, conv2 (with the stride), bn2, ReLU, conv3 (1×1), bn3; "
    f"{_PROJECTS}",
    _chain(_BOTTLENECK_SHAPES, v1_5_bottleneck),
    MOVED,
    _NOT_PROJECTED,
)
V2_CHAIN = Kind(
    "v2",
    f"three basic blocks of version v2 (chapter 05), 4 → 6 channels, {_ON_MAPS}",
    "shortcut + branch(x), and nothing after it; branch: bn1, ReLU, conv1 (with the stride), bn2, ReLU, conv2; shortcut: x "
    "where the shape stays, else a 1×1 convolution without BN of what the first ReLU puts out",
    _chain(_BASIC_SHAPES, preactivation_block),
    RESHAPING,
)
LEVELS: Mapping[str, tuple[Kind, ...]] = {
    "blocks": (BASIC_CHAIN, STAGE_CHAIN),
    "versions": (BOTTLENECK_CHAIN, STRIDE_CHAIN, V2_CHAIN),
}


@lru_cache(maxsize=1024)
def made(kind: Kind, twist: Twist, weights: int) -> Net:
    """A network, made once."""
    return Net(kind, twist, weights)
