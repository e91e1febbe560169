"""What the lab "Budget" counts: the cost of a network of any stage lengths, its tasks, and what a try lacks.

`resnet_config` describes the published networks only; a `Plan` may have any number of blocks in a stage. Its cost comes
from a formula of its own, and a test holds it against `trace` for every published network of version v1. All sizes are
those of 1512.03385, table 1 (ImageNet family) and section 4.2 (CIFAR family).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

from ..architecture import EXPANSION, ResNetConfig, shortcut_kind

LAYERS = {"basic": 2, "bottleneck": 3}  # convolutions on the branch: what counts as depth
KINDS = tuple(LAYERS)
STAGES = ("layer1", "layer2", "layer3", "layer4")
MOST_BLOCKS = 36  # ResNet-152's layer3
WIDTHS = tuple(range(16, 97, 8))
SIDES = tuple(range(96, 289, 32))


class Cost(NamedTuple):
    """Trainable parameters, and multiply-adds for one image (convolutions and the dense layer)."""

    parameters: int
    macs: int


@dataclass(frozen=True)
class Plan:
    """A v1 network by its numbers."""

    kind: str = "basic"
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64
    side: int = 224  # of the square images, in pixels
    classes: int = 1000
    family: str = "imagenet"
    shortcut: str = "B"

    @classmethod
    def of(cls, config: ResNetConfig, side: int = 224) -> Plan:
        """Return the plan of a published network of colour images."""
        return cls(
            config.block, config.stage_blocks, config.width, side, config.num_classes, config.family, config.shortcut
        )

    @property
    def depth(self) -> int:
        """Layers as the paper counts them: convolutions of stem and branches, and the dense layer."""
        return 2 + LAYERS[self.kind] * sum(self.blocks)

    @property
    def name(self) -> str:
        """In words: "50 layers: 3-4-6-3 bottlenecks"."""
        kind = "basic blocks" if self.kind == "basic" else "bottlenecks"
        return f"{self.depth} layers: {'-'.join(map(str, self.blocks))} {kind}"


def cost(plan: Plan) -> Cost:
    """Count a whole network.

    >>> cost(Plan("bottleneck", (3, 4, 6, 3)))
    Cost(parameters=25557032, macs=3857973248)
    """
    costs = parts(plan).values()
    return Cost(sum(part.parameters for part in costs), sum(part.macs for part in costs))


def parts(plan: Plan) -> dict[str, Cost]:
    """Count the stem, each stage, and the head."""
    kernel = 7 if plan.family == "imagenet" else 3
    weights, pixels = 3 * plan.width * kernel**2, _side(plan, -1) ** 2
    found = {"stem": Cost(weights + 2 * plan.width, weights * pixels)}
    for stage, count in enumerate(plan.blocks):
        first, other = block_cost(plan, stage, first=True), block_cost(plan, stage)
        found[f"layer{stage + 1}"] = Cost(
            first.parameters + (count - 1) * other.parameters, first.macs + (count - 1) * other.macs
        )
    weights = plan.width * 2 ** (len(plan.blocks) - 1) * EXPANSION[plan.kind] * plan.classes
    found["head"] = Cost(weights + plan.classes, weights)
    return found


def block_cost(plan: Plan, stage: int, *, first: bool = False) -> Cost:
    """Count one block of a stage, counted from 0: a stage's first, or one of those behind it.

    In version v1 the first convolution of a strided block strides, so all its convolutions meet the smaller map.
    """
    width, expansion = plan.width * 2**stage, EXPANSION[plan.kind]
    out_channels, stride = width * expansion, 2 if first and stage else 1
    in_channels = out_channels
    if first:
        in_channels = width // 2 * expansion if stage else plan.width
    if plan.kind == "basic":
        weights, norms = 9 * in_channels * width + 9 * width * width, 2 * width
    else:
        weights, norms = in_channels * width + 9 * width * width + width * out_channels, 2 * width + out_channels
    if shortcut_kind(plan.shortcut, in_channels, out_channels, stride) == "projection":
        weights, norms = weights + in_channels * out_channels, norms + out_channels
    return Cost(weights + 2 * norms, weights * _side(plan, stage) ** 2)


def _side(plan: Plan, stage: int) -> int:
    """Side of the maps of a stage; of the stem's convolution for −1."""
    halvings = 0 if plan.family == "cifar" else 1 if stage < 0 else 2
    return -(-plan.side // 2 ** (halvings + max(stage, 0)))  # rounded up, as symmetric padding does


# The tasks -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """A budget, what may be changed, and what to get out of it."""

    key: str
    title: str
    goal: str  # "depth": as many layers as possible; "width": as wide as possible, then images as large as possible
    limit: Cost
    start: Plan

    @property
    def knobs(self) -> tuple[str, ...]:
        """What may be changed: fields of a plan."""
        return ("kind", "blocks") if self.goal == "depth" else ("width", "side")


_BOTTLENECKS = Plan("bottleneck")
TASKS = (
    Task("deeper", "Deeper for little more than ResNet-34", "depth", Cost(26_000_000, 3_900_000_000), Plan("basic")),
    Task(
        "lean",
        "The multiply-adds of ResNet-101, fewer parameters than ResNet-50",
        "depth",
        Cost(20_000_000, 8_000_000_000),
        replace(_BOTTLENECKS, blocks=(3, 4, 23, 3)),
    ),
    Task("small", "Fifty layers for a small device", "width", Cost(8_000_000, 600_000_000), _BOTTLENECKS),
)


@cache
def best(task: Task) -> Plan:
    """Return a plan that nobody can beat: within the limits, and as far towards the goal as the knobs go."""
    if task.goal == "width":
        fitting = [plan for plan in _sized(task.start) if fits(task, plan)]
        return max(fitting, key=lambda plan: (plan.width, plan.side))
    return max((_deepest(task, kind) for kind in KINDS), key=lambda plan: plan.depth)


def fits(task: Task, plan: Plan) -> bool:
    """Whether a plan keeps both limits."""
    used = cost(plan)
    return used.parameters <= task.limit.parameters and used.macs <= task.limit.macs


def check_plan(task: Task, **settings: Any) -> Plan:
    """Return the task's start with these knobs set.

    Raises
    ------
    ValueError
        If a knob is not the task's, or has no such value.
    """
    for name in settings:
        if name not in task.knobs:
            raise ValueError(f"there is no {name!r} to set in this task; set {' or '.join(task.knobs)}")
    if (kind := settings.get("kind", "basic")) not in KINDS:
        raise ValueError(f"kind is {kind!r}; it is {' or '.join(map(repr, KINDS))}")
    if "blocks" in settings:
        blocks = settings["blocks"]
        counts = tuple(blocks) if isinstance(blocks, (tuple, list)) else ()
        if len(counts) != 4 or not all(type(count) is int and 1 <= count <= MOST_BLOCKS for count in counts):
            raise ValueError(f"blocks is {blocks!r}; give four whole numbers from 1 to {MOST_BLOCKS}, one a stage")
        settings["blocks"] = counts
    for name, values in [("width", WIDTHS), ("side", SIDES)]:
        if name in settings and settings[name] not in values:
            raise ValueError(f"{name} is {settings[name]!r}; it is one of {', '.join(map(str, values))}")
    return replace(task.start, **settings)


class Verdict(NamedTuple):
    """What is said about a plan that was handed in."""

    met: bool
    reason: str  # "met", "over", "kind", "room", "rearrange", "narrow" or "small"
    text: str  # plain text


def verdict(task: Task, plan: Plan) -> Verdict:
    """Judge a plan: over a limit, less than the budget allows, or as good as any."""
    if over := _over(task, plan):
        return Verdict(False, "over", over)
    return (_judge_depth if task.goal == "depth" else _judge_width)(task, plan)


def _over(task: Task, plan: Plan) -> str:
    """What is too much, and what each knob would save; empty if nothing is."""
    used, words = cost(plan), []
    macs, parameters = used.macs - task.limit.macs, used.parameters - task.limit.parameters
    if macs > 0:
        words += [f"{giga(macs, up=True)} over the limit.", _fewer_macs(task, plan, macs)]
    if parameters > 0:
        words += [f"{mega(parameters, up=True)} parameters over the limit.", _fewer_parameters(task, plan, macs > 0)]
    return " ".join(filter(None, words))


def _fewer_macs(task: Task, plan: Plan, excess: int) -> str:
    if task.goal == "depth":
        return f"{_costs(plan)}, so {math.ceil(excess / block_cost(plan, 0).macs)} or more must go."
    smaller = _notch(plan, "side", -1)
    if smaller is None:
        return ""
    return (
        f"Multiply-adds go with the area of the images: side {smaller.side} in place of {plan.side} brings them to "
        f"{giga(cost(smaller).macs)}."
    )


def _fewer_parameters(task: Task, plan: Plan, too_many_macs: bool) -> str:
    if task.goal == "depth" and too_many_macs:
        return f"{_holds(plan, named=True)}."
    if task.goal == "depth":
        return (
            f"{_holds(plan)}. Moved to an earlier stage, a block saves the difference and costs the same multiply-adds."
        )
    narrower = _notch(plan, "width", -1)
    if narrower is None:
        return ""
    return (
        "They go almost with the square of the width, whatever the size of the images: width "
        f"{narrower.width} in place of {plan.width} brings them to {mega(cost(narrower).parameters)}."
    )


def _judge_depth(task: Task, plan: Plan) -> Verdict:
    used, fit = cost(plan), f"{plan.depth} layers, and they fit"
    if plan.depth == best(task).depth:
        return Verdict(True, "met", f"{plan.depth} layers: no deeper network fits into this budget.")
    if _deepest(task, plan.kind).depth <= plan.depth:
        other = next(kind for kind in KINDS if kind != plan.kind)
        text = f"{fit}; with {_block(plan.kind)}s no more do. A {_per_layer(plan, plan.kind)}, a {_per_layer(plan, other)}."
        return Verdict(False, "kind", text)
    left = Cost(task.limit.parameters - used.parameters, task.limit.macs - used.macs)
    unused = f"{giga(left.macs)} and {mega(left.parameters)} parameters are left"
    for stage, count in enumerate(plan.blocks):
        more = block_cost(plan, stage)
        if count < MOST_BLOCKS and more.macs <= left.macs and more.parameters <= left.parameters:
            text = f"{fit}, but so does a deeper network: {unused}. {_costs(plan)}. {_holds(plan, named=True)}."
            return Verdict(False, "room", text)
    ratio = block_cost(plan, 3).parameters / block_cost(plan, 0).parameters
    text = (
        f"{fit}, and as they stand no block can be added: {unused}. But a deeper network does fit, with its blocks "
        f"elsewhere. {_holds(plan)}: one in layer4 weighs as much as {ratio:.0f} in layer1, for the same multiply-adds."
    )
    return Verdict(False, "rearrange", text)


def _judge_width(task: Task, plan: Plan) -> Verdict:
    goal = best(task)
    if (plan.width, plan.side) == (goal.width, goal.side):
        text = f"Width {plan.width} at side {plan.side}: nothing wider fits, nor a larger image at this width."
        return Verdict(True, "met", text)
    if plan.width < goal.width:
        wider = _notch(replace(plan, side=SIDES[0]), "width", 1)
        assert wider is not None
        needs = cost(wider)
        text = (
            f"It fits, but a wider network does, too: width {wider.width} has {mega(needs.parameters)} parameters, and on "
            f"images of {wider.side}×{wider.side} pixels it takes {giga(needs.macs)}."
        )
        return Verdict(False, "narrow", text)
    larger = _notch(plan, "side", 1)
    assert larger is not None
    text = f"The width is right, but larger images fit, too: side {larger.side} takes {giga(cost(larger).macs)}."
    return Verdict(False, "small", text + " The size of the images costs no parameter.")


@cache
def _deepest(task: Task, kind: str) -> Plan:
    """Return a plan with as many blocks of one kind as fit.

    The stages are filled from the first on: no block costs less there, in parameters or in multiply-adds, than later.
    """
    plan = replace(task.start, kind=kind, blocks=(1, 1, 1, 1))
    for stage in range(4):
        while plan.blocks[stage] < MOST_BLOCKS:
            counts = tuple(count + (number == stage) for number, count in enumerate(plan.blocks))
            longer = replace(plan, blocks=counts)
            if not fits(task, longer):
                break
            plan = longer
    return plan


def _sized(plan: Plan) -> Iterator[Plan]:
    for width in WIDTHS:
        for side in SIDES:
            yield replace(plan, width=width, side=side)


def _notch(plan: Plan, knob: str, step: int) -> Plan | None:
    """Return the plan with one knob moved by one position; None at its end."""
    values = {"width": WIDTHS, "side": SIDES}[knob]
    place = values.index(getattr(plan, knob)) + step
    return replace(plan, **{knob: values[place]}) if 0 <= place < len(values) else None  # type: ignore[arg-type]


# In words --------------------------------------------------------------------------------------------------------------


def giga(macs: int, digits: int = 2, *, up: bool = False) -> str:
    """Return multiply-adds in units of 10⁹; `up`: rounded up, so that an excess is never shown as nothing.

    >>> giga(3_857_973_248), giga(1, up=True)
    ('3.86 GMACs', '0.01 GMACs')
    """
    return f"{_scaled(macs, 10**9, digits, up)} GMACs"


def mega(parameters: int, digits: int = 2, *, up: bool = False) -> str:
    """Return parameters in units of 10⁶, as `giga` does."""
    return f"{_scaled(parameters, 10**6, digits, up)} M"


def _scaled(count: int, unit: int, digits: int, up: bool) -> str:
    value = math.ceil(count * 10**digits / unit) / 10**digits if up else count / unit
    return f"{value:.{digits}f}"


def _block(kind: str) -> str:
    return "basic block" if kind == "basic" else "bottleneck"


def _later(plan: Plan) -> str:
    """The block that a knob adds or takes away: never the first of its stage, which may have a projection."""
    return f"A {_block(plan.kind)} behind the first of its stage"


def _costs(plan: Plan) -> str:
    """What such a block costs: in the depth tasks the same everywhere."""
    each = giga(block_cost(plan, 0).macs, 3)
    return f"{_later(plan)} costs {each} in every stage (half the side, twice the channels)"


def _holds(plan: Plan, *, named: bool = False) -> str:
    """How many parameters such a block has in each stage; `named`: the sentence before was about it."""
    subject = f"Such a {_block(plan.kind)}" if named else _later(plan)
    first, *others = (mega(block_cost(plan, stage).parameters) for stage in range(4))
    listed = ", ".join(f"{count} in {stage}" for count, stage in zip(others, STAGES[1:], strict=True))
    return f"{subject} holds {first} parameters in {STAGES[0]}, {listed}"


def _per_layer(plan: Plan, kind: str) -> str:
    macs, layers = block_cost(replace(plan, kind=kind), 0).macs, LAYERS[kind]
    number = {2: "two", 3: "three"}[layers]
    return f"{_block(kind)} gives {number} layers for {giga(macs, 3)}"
