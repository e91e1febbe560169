"""Identity surgery: blocks put into a trained network that should change nothing, and what they do instead.

    CONSTRUCTIONS, PLACES       how the inserted blocks are made, and where they go
    operate(base, plan)         the grown network: its configuration and all its weights
    examine(base, grown)        the outputs before and after, measured on the test images in float64
    because(outcome)            the reason for a difference, read from what is measured at the first inserted block

The argument is that of He et al. 2015 (arXiv 1512.03385, section 1): a deeper network can compute what a shallower one
does, since the added layers may be identities. Everything here is NumPy; `train_on.py` trains the grown network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from resnet_lessons.architecture import Block, ResNetConfig
from resnet_lessons.labs.blockwise import Blockwise, digits, inside, one_blas_thread

import numpy as np

NUMBERS = (3, 6, 18)
PLACES = {
    "spread": "a third at the end of each stage",
    "layer1": "all at the end of stage 1",
    "layer3": "all at the end of stage 3",
    "image": "in front of the first layer, on the image",
}
EXACT = 1e-9  # differences of logits below it are rounding


@dataclass(frozen=True)
class Construction:
    """How the inserted blocks get their weights."""

    title: str
    how: str  # in simple HTML
    kernels: str  # "identity" or "random"
    bn: str  # "neutral", "fresh" or "fitted"
    last_gamma: float | None = None  # None: as `bn` says


_IDENTITY = "each kernel is 1 in its centre, from every channel to itself, and 0 elsewhere"
_RANDOM = "kernels drawn at random, as for a new network"
_FRESH = "BN as a framework makes it: γ = 1, β = 0, mean 0, variance 1"
CONSTRUCTIONS = {
    "neutral": Construction(
        "identity kernels, neutral BN",
        f"{_IDENTITY}; BN has γ = 1, β = 0, mean 0, variance 1 − ε",
        "identity",
        "neutral",
    ),
    "fresh": Construction("identity kernels, fresh BN", f"{_IDENTITY}; {_FRESH}", "identity", "fresh"),
    "fitted": Construction(
        "identity kernels, fitted BN",
        f"{_IDENTITY}; BN has the mean and the variance that the training images have at this place, and γ = √(variance + ε), "
        "β = mean",
        "identity",
        "fitted",
    ),
    "zero": Construction(
        "random kernels, last γ = 0", f"{_RANDOM}; {_FRESH}, but the last γ is 0", "random", "fresh", 0.0
    ),
    "random": Construction("random kernels, fresh BN", f"{_RANDOM}; {_FRESH}", "random", "fresh"),
}


@dataclass(frozen=True)
class Plan:
    """One surgery: how many blocks, where, and how they are made."""

    number: int
    place: str
    construction: str

    def per_stage(self) -> tuple[int, int, int]:
        """How many blocks are added at the end of each stage."""
        third = self.number // 3
        shares = {"spread": (third,) * 3, "layer1": (self.number, 0, 0), "layer3": (0, 0, self.number)}
        return shares.get(self.place, (0, 0, 0))


@dataclass(frozen=True)
class GrownConfig(ResNetConfig):
    """A network of the CIFAR family whose stages are not equally long; both twins build it as any other."""

    blocks_in_stages: tuple[int, ...] = field(default=())

    @property
    def stage_blocks(self) -> tuple[int, ...]:
        """Number of blocks of each stage."""
        return self.blocks_in_stages


@dataclass(frozen=True)
class Grown:
    """A network after the surgery."""

    plan: Plan
    net: Blockwise  # without the blocks on the image
    front: tuple[Block, ...]  # the blocks on the image; their weights are among the network's
    inserted: tuple[str, ...]  # names of all new blocks, from the input on

    @property
    def layers(self) -> int:
        """Layers with weights: two a block, the first convolution and the dense layer."""
        return 2 * (len(self.net.blocks) + len(self.front)) + 2


@dataclass(frozen=True)
class Outcome:
    """What the surgery changed, on the test images, in evaluation mode."""

    construction: str
    shortcut: bool  # whether the blocks have one
    images: int
    right_before: int
    right: int
    same_answers: int
    difference: float  # largest |difference| of a logit
    largest_logit: float
    at: str  # the first inserted block whose output is not its input; "" if there is none
    smallest_in: float  # the smallest value that enters the first inserted block
    ratio: float  # its output / its input, the largest values taken

    @property
    def exact(self) -> bool:
        """Whether the outputs are the same but for rounding."""
        return self.difference < EXACT

    @property
    def kind(self) -> str:
        """Which of the three outcomes it is: "outputs", "answers" (other outputs, the same answers) or "neither"."""
        return "outputs" if self.exact else "answers" if self.same_answers == self.images else "neither"


def operate(base: Blockwise, plan: Plan, seed: int = 0) -> Grown:
    """Insert blocks of the network's own kind: with a shortcut into a residual network, without into a plain one.

    Parameters
    ----------
    base
        A trained v1 network of basic blocks.
    plan
        What to insert.
    seed
        Of the random kernels.

    Raises
    ------
    ValueError
        If the network is not v1: the lab's constructions are for its blocks.
    """
    if base.config.version != "v1":
        raise ValueError(f"{base.config.name} is no v1 network; the blocks to insert are v1's.")
    known = {item.name: getattr(base.config, item.name) for item in fields(ResNetConfig)}
    counts = tuple(n + more for n, more in zip(base.config.stage_blocks, plan.per_stage(), strict=True))
    config = GrownConfig(**known, blocks_in_stages=counts)
    shortcut, eps = base.config.shortcut, base.config.bn_eps
    channels = base.config.in_channels
    in_front = plan.number if plan.place == "image" else 0
    front = tuple(
        Block(f"front.{number}", "basic", "v1", channels, channels, 1, shortcut, False, eps)
        for number in range(in_front)
    )
    new = [*front, *(block for block in config.blocks if block.name not in base.blocks)]
    weights = dict(base.weights)
    for index, block in enumerate(new):
        generator = np.random.default_rng([seed, index])
        weights |= dict(_block_weights(block, CONSTRUCTIONS[plan.construction], base, generator))
    return Grown(plan, Blockwise(config, weights), front, tuple(block.name for block in new))


def _block_weights(
    block: Block, construction: Construction, base: Blockwise, generator: np.random.Generator
) -> Iterator[tuple[str, np.ndarray]]:
    channels = block.width
    for number in (1, 2):
        if construction.kernels == "identity":
            kernel = np.zeros((channels, channels, 3, 3))
            kernel[np.arange(channels), np.arange(channels), 1, 1] = 1
        else:  # as in a new network: kaiming-normal, fan-out
            kernel = generator.standard_normal((channels, channels, 3, 3)) * np.sqrt(2 / (9 * channels))
        norm = {
            "weight": np.ones(channels),
            "bias": np.zeros(channels),
            "running_mean": np.zeros(channels),
            "running_var": np.full(channels, 1 - block.bn_eps if construction.bn == "neutral" else 1.0),
        }
        if construction.bn == "fitted":
            mean, variance = signal_of(base, block.name.split(".")[0])
            norm = {
                "weight": np.sqrt(variance + block.bn_eps),
                "bias": mean,
                "running_mean": mean,
                "running_var": variance,
            }
        if number == 2 and construction.last_gamma is not None:
            norm["weight"] = np.full(channels, construction.last_gamma)
        yield f"{block.name}.conv{number}.weight", kernel
        for kind, values in norm.items():
            yield f"{block.name}.bn{number}.{kind}", values


def examine(base: Blockwise, grown: Grown) -> Outcome:
    """Compare the network before and after the surgery, on the test images."""
    maps, before = signals(base)
    with one_blas_thread():
        if grown.front:
            x, rest = maps["front"], [*grown.front, None, *grown.net.blocks.values()]
        else:  # up to the first inserted block nothing has changed
            stage = grown.inserted[0].split(".")[0]
            x, names = maps[stage], list(grown.net.blocks)
            rest = [grown.net.blocks[name] for name in names[names.index(grown.inserted[0]) :]]
        smallest, ratio, at = float(x.min()), 1.0, ""
        for block in rest:
            if block is None:
                x = grown.net.stem(x)
                continue
            y = grown.net.apply(block, block.name, x)
            if block.name in grown.inserted and not at and np.abs(y - x).max() > EXACT * max(1.0, np.abs(x).max()):
                at, smallest, ratio = block.name, float(x.min()), float(y.max() / x.max())
            x = y
        after = grown.net.head(x)
    labels = digits().test.labels
    return Outcome(
        grown.plan.construction,
        base.config.shortcut != "none",
        len(labels),
        int((before.argmax(axis=1) == labels).sum()),
        int((after.argmax(axis=1) == labels).sum()),
        int((before.argmax(axis=1) == after.argmax(axis=1)).sum()),
        float(np.abs(before - after).max()),
        float(np.abs(before).max()),
        at,
        smallest,
        ratio,
    )


def because(outcome: Outcome, eps: float = 1e-5) -> str:
    """Return why the outputs differ, or why they do not: what comes after “because”, in simple HTML."""
    made = CONSTRUCTIONS[outcome.construction]
    identity = made.kernels == "identity"
    if outcome.exact:
        if outcome.shortcut:
            return (
                "the branch ends in γ·(…) + β with γ = 0 and β = 0, so it adds 0, whatever its kernels are; and the ReLU "
                "behind the addition finds no negative value."
            )
        return "both convolutions hand on what they get, BN changes nothing, and the ReLUs find no negative value."
    where = f"the first inserted block, <code>{outcome.at}</code>,"
    if identity and outcome.shortcut:
        text = (
            f"{where} hands on {outcome.ratio:.2f} times its input: its branch is the identity, and the shortcut adds the "
            "input once more. Two blocks make four times, and so on."
        )
        if outcome.smallest_in < -EXACT:
            text += f" Besides, its ReLU sets negative values to 0; the smallest that enters is {_signed(outcome.smallest_in)}."
        return text
    if outcome.smallest_in < -EXACT and (identity or (made.last_gamma == 0 and outcome.shortcut)):
        return (
            f"{where} receives negative values, down to {_signed(outcome.smallest_in)}, and its ReLU sets them to 0. In front "
            "of the first layer nothing has passed a ReLU yet."
        )
    if identity:
        return (
            f"{where} hands on {outcome.ratio:.6f} times its input: BN divides by √(variance + ε), and with variance 1 and "
            f"ε = {eps:g} that is a little more than 1, in each of its two layers."
        )
    if made.last_gamma == 0:
        return (
            f"{where} hands on zeros: with γ = 0 and β = 0 its last BN gives 0, and without a shortcut there is nothing to "
            "add it to. Every image gets the same logits."
        )
    added = ", added to its input" if outcome.shortcut else ""
    return (
        f"{where} computes something of its own{added}: random kernels mix the channels, and the layers behind have "
        "learned from another signal."
    )


@cache
def signals(base: Blockwise) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return what the trained network passes on, on the test images, and its logits.

    The maps are (C, H, W, N): "front" is the image, "layer1" … what leaves that stage.
    """
    return _signals(base, digits().normalized(digits().test))


@cache
def signal_of(base: Blockwise, stage: str) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of each channel at the end of a stage, or of the image ("front"), on the training images."""
    return _training_signals(base)[stage]


@cache
def _training_signals(base: Blockwise) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    maps, _ = _signals(base, digits().normalized(digits().train))
    return {stage: (x.mean(axis=(1, 2, 3)), x.var(axis=(1, 2, 3))) for stage, x in maps.items()}


def _signals(base: Blockwise, images: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    maps: dict[str, Any] = {"front": inside(images)}
    with one_blas_thread():
        x = base.stem(maps["front"])
        for stage, blocks in base.config.stages.items():
            for block in blocks:
                x = base.block(block.name, x)
            maps[stage] = x
        return maps, base.head(x)


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
