"""The rules of the lab "Make this addition legal": which shortcuts there are, what they cost, and what the rounds ask.

Pure functions of shapes and a choice, without widgets or frameworks. Shapes are (channels, height, width).
"""

from __future__ import annotations

import html
import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .. import architecture

Shape = tuple[int, int, int]  # channels, height, width

KINDS = {
    "identity": "identity",
    "pad": "zero-padding (A)",
    "projection": "projection 1×1 + BN (B, C)",
    "none": "none of these fits",
}
STRIDES = (1, 2, 4)
PREDICTIONS = ("nothing", "some parameters", "there is no legal shortcut")


@dataclass(frozen=True)
class Shortcut:
    """A choice: one of `KINDS`; stride and output channels count for "pad" and "projection" only."""

    kind: str
    stride: int = 1
    channels: int = 0

    @property
    def shaped(self) -> bool:
        """Whether it has a stride and channels of its own."""
        return self.kind in ("pad", "projection")


@dataclass(frozen=True)
class Round:
    """What one round asks."""

    case: str
    x: Shape
    branch: Shape
    story: str  # where such a block occurs: told once the round is done


def show(shape: Shape) -> str:
    """Return "64 × 56 × 56"."""
    return " × ".join(map(str, shape))


def in_words(shortcut: Shortcut) -> str:
    """Return "projection to 128 channels, stride 2"."""
    if not shortcut.shaped:
        return KINDS[shortcut.kind]
    what = "zero-padding" if shortcut.kind == "pad" else "projection"
    return f"{what} to {shortcut.channels} channels, stride {shortcut.stride}"


def channel_choices(x: Shape, branch: Shape) -> list[int]:
    """Return the channels to choose from: those of both shapes, and their halves and doubles."""
    return sorted({x[0], branch[0], 2 * x[0], 2 * branch[0], max(1, min(x[0], branch[0]) // 2)})


def choices(x: Shape, branch: Shape) -> list[Shortcut]:
    """Return every shortcut that can be chosen."""
    shaped = itertools.product(("pad", "projection"), STRIDES, channel_choices(x, branch))
    return [Shortcut("identity", 1, x[0]), *itertools.starmap(Shortcut, shaped), Shortcut("none", 1, x[0])]


def not_a_choice(wanted: Shortcut, x: Shape, branch: Shape) -> str:
    """Return, as simple HTML, why this is none of the choices; "" if it is one."""
    if wanted.kind not in KINDS:
        return f"There is no shortcut {html.escape(repr(wanted.kind))} here; choose one of {', '.join(KINDS)}."
    if not wanted.shaped and (wanted.stride != 1 or wanted.channels != x[0]):
        return (
            "The identity hands on x as it is: it has neither a stride nor channels of its own. To subsample without "
            "parameters is option A."
        )
    if wanted.stride not in STRIDES:
        return f"The stride is {html.escape(repr(wanted.stride))}; choose one of {', '.join(map(str, STRIDES))}."
    offered = channel_choices(x, branch)
    if wanted.channels not in offered:
        return f"{html.escape(repr(wanted.channels))} channels are not offered; choose one of {', '.join(map(str, offered))}."
    return ""


def obstacle(shortcut: Shortcut, x: Shape) -> str:
    """Return why such a shortcut does not exist, in plain text; "" if it does."""
    if shortcut.kind != "pad":
        return ""
    try:
        architecture.shortcut_kind("A", x[0], shortcut.channels, shortcut.stride)
    except ValueError as error:
        return str(error)
    return ""


def output_shape(shortcut: Shortcut, x: Shape) -> Shape:
    """Return what the shortcut makes of x."""
    if not shortcut.shaped:
        return x
    height, width = (-(-side // shortcut.stride) for side in x[1:])  # the first pixel of each step
    return shortcut.channels, height, width


def cost(shortcut: Shortcut, x: Shape) -> tuple[int, int]:
    """Return trainable parameters, and multiply-adds of the convolution for one image, as `architecture.trace` counts."""
    if shortcut.kind != "projection":
        return 0, 0
    weights = x[0] * shortcut.channels
    return weights + 2 * shortcut.channels, weights * math.prod(output_shape(shortcut, x)[1:])  # BN: γ and β


def is_legal(shortcut: Shortcut, x: Shape, branch: Shape) -> bool:
    """Whether the shortcut exists and has the branch's shape. A framework may add other shapes too: it repeats a 1."""
    return shortcut.kind != "none" and not obstacle(shortcut, x) and output_shape(shortcut, x) == branch


def cheapest(x: Shape, branch: Shape) -> Shortcut:
    """Return the legal shortcut of the fewest parameters, then multiply-adds; the choice "none" if nothing is legal."""
    legal = [shortcut for shortcut in choices(x, branch) if is_legal(shortcut, x, branch)]
    return min(legal, key=lambda shortcut: cost(shortcut, x), default=Shortcut("none", 1, x[0]))


def is_cheapest(shortcut: Shortcut, x: Shape, branch: Shape) -> bool:
    """Whether nothing legal costs less (or, for "none", whether nothing is legal)."""
    best = cheapest(x, branch)
    if best.kind == "none" or shortcut.kind == "none":
        return best.kind == shortcut.kind
    return is_legal(shortcut, x, branch) and cost(shortcut, x) == cost(best, x)


def cost_in_words(best: Shortcut, x: Shape) -> str:
    """Return which of `PREDICTIONS` is right."""
    if best.kind == "none":
        return PREDICTIONS[2]
    return PREDICTIONS[1] if cost(best, x)[0] else PREDICTIONS[0]


# The rounds ----------------------------------------------------------------------------------------------------------------


def rounds(seed: int) -> Iterator[Round]:
    """Yield rounds without end: every case before one comes again, the sizes drawn anew each time.

    The first round is the plainest, the first block of a new stage; nothing fits in none before the fourth.
    """
    draw = random.Random(seed)
    last = ""
    while True:
        bag = list(_CASES)
        draw.shuffle(bag)
        if not last:
            bag.sort(key=lambda case: case != "stage")
            while late := [case for case in bag[:3] if case in _NOTHING_FITS]:
                bag.remove(late[0])
                bag.append(late[0])
        elif bag[0] == last:
            bag.append(bag.pop(0))
        for case in bag:
            shapes, story = _CASES[case]
            yield Round(case, *shapes(draw), story)
        last = bag[-1]


def _half(size: int) -> int:
    return -(-size // 2)


def _stage(draw: random.Random) -> tuple[Shape, Shape]:
    c, height, width = draw.choice((16, 32, 64, 128)), draw.choice((8, 14, 28, 56)), draw.choice((8, 14, 28, 56))
    return (c, height, width), (2 * c, height // 2, width // 2)


def _odd(draw: random.Random) -> tuple[Shape, Shape]:
    c, size = draw.choice((16, 32, 64, 128)), draw.choice((7, 15, 29, 57))
    return (c, size, size), (2 * c, _half(size), _half(size))


def _same(draw: random.Random) -> tuple[Shape, Shape]:
    shape = (draw.choice((32, 64, 128)), draw.choice((7, 14, 28)), draw.choice((7, 14, 28)))
    return shape, shape


def _narrower(draw: random.Random) -> tuple[Shape, Shape]:
    c, size = draw.choice((16, 32, 64)), draw.choice((7, 14, 28))
    return (4 * c, size, size), (c, size, size)


def _narrower_smaller(draw: random.Random) -> tuple[Shape, Shape]:
    c, size = draw.choice((32, 64, 128)), draw.choice((15, 28, 56))
    return (2 * c, size, size), (c, _half(size), _half(size))


def _subsampled(draw: random.Random) -> tuple[Shape, Shape]:
    c, size = draw.choice((32, 64, 128)), draw.choice((15, 28, 56))
    return (c, size, size), (c, _half(size), _half(size))


def _wider(draw: random.Random) -> tuple[Shape, Shape]:
    c, size, factor = draw.choice((16, 32, 64)), draw.choice((14, 28, 56)), draw.choice((2, 4))
    return (c, size, size), (factor * c, size, size)


def _broadcast(draw: random.Random) -> tuple[Shape, Shape]:
    c = draw.choice((32, 64, 128))
    return (c, 2, 2), (c, 1, 1)


def _unpadded(draw: random.Random) -> tuple[Shape, Shape]:
    c, size = draw.choice((32, 64, 128)), draw.choice((14, 28, 56))
    return (c, size, size), (c, size - 4, size - 4)


def _lopsided(draw: random.Random) -> tuple[Shape, Shape]:
    c, size = draw.choice((16, 32, 64)), draw.choice((14, 28, 56))
    return (c, size, size), (2 * c, size // 2, size)


def _twice(draw: random.Random) -> tuple[Shape, Shape]:
    c, size = draw.choice((16, 32, 64)), draw.choice((28, 32, 56))
    return (c, size, size), (2 * c, size // 4, size // 4)


_NOTHING_FITS = ("unpadded", "lopsided")
_CASES: dict[str, tuple[Callable[[random.Random], tuple[Shape, Shape]], str]] = {
    "stage": (_stage, "The first block of a new stage: stride 2, twice the channels."),
    "odd": (_odd, "An odd map: every second of 2k + 1 pixels, beginning with the first, are k + 1."),
    "same": (_same, "A block within a stage: nothing changes its shape, and the identity is all it needs."),
    "narrower": (
        _narrower,
        "A block that narrows. Dropping channels would be free, but loses what they hold; the paper's way is a projection.",
    ),
    "narrower, smaller": (
        _narrower_smaller,
        "The stride shrinks the map for free. Channels could be dropped for free as well, and what they hold with them; a "
        "projection mixes many into few.",
    ),
    "subsampled": (_subsampled, "Only the map shrinks: option A then has no zeros to add, it keeps every second pixel."),
    "wider": (
        _wider,
        "Only the channels grow, as in the first block of ResNet-50, from 64 to 256 (which has a projection there: "
        "ImageNet's networks use option B).",
    ),
    "broadcast": (_broadcast, "The smallest maps: here frameworks add what does not fit, and say nothing."),
    "unpadded": (
        _unpadded,
        "Two 3×3 convolutions without padding cut two pixels off every side. A crop would make the shapes fit; none of the "
        "paper's shortcuts does. Repair the branch.",
    ),
    "lopsided": (
        _lopsided,
        "The branch halves the height and keeps the width: a stride of (2, 1), probably a slip. A shortcut with the same stride "
        "would fit; the paper's have one stride for both axes. Repair the branch.",
    ),
    "twice": (
        _twice,
        "Somebody gave both convolutions of the branch a stride of 2. A shortcut of stride 4 makes that legal; whether it "
        "was meant is another question. The paper strides once.",
    ),
}  # fmt: skip
