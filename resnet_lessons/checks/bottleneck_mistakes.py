"""What goes wrong in a bottleneck, and in a block that is made from a plan.

An edit names fields of `bottleneck_blocks`. What goes wrong in the same way in a basic block, or on any shortcut, comes from
the catalogues of chapters 01 and 02; detectors there are told how many convolutions the branch has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise, product
from typing import Any

from . import shortcut_mistakes as shortcuts
from . import structure
from .basic_mistakes import BASIC
from .cases import Judged
from .evidence import RUNNING, Evidence
from .mistakes import Mistake, Section, known_otherwise
from .uses import Use

CHAPTER = "03_bottleneck"
ESTIMATE = Section(CHAPTER, 1, "Estimate first")
PICTURE = Section(CHAPTER, 2, "The idea in a picture")
BUILD = Section(CHAPTER, 3, "Build it")
LAST_RELU = Section(CHAPTER, 5, "Where the last ReLU goes")
STAGES = Section(CHAPTER, 6, "ResNet-50, stage by stage")
TABLE = Section(CHAPTER, 7, "The paper's table")
FINGERPRINT = Section(CHAPTER, 9, "What goes wrong: a count as a fingerprint")
_V1 = '<a href="https://arxiv.org/abs/1512.03385" target="_blank" rel="noopener">He et al. 2015</a>'
_V2 = '<a href="https://arxiv.org/abs/1603.05027" target="_blank" rel="noopener">He et al. 2016</a>'


def _convolutions(evidence: Evidence) -> list[Use]:
    return [u for u in evidence.partial if u.layer.kind == "conv" and u.out_shape]


def _text(size: tuple[int, ...]) -> str:
    return " × ".join(map(str, size))


def grows(evidence: Evidence) -> str:
    """A 1×1 convolution that is given zeros around its map: in its own settings, or by a layer in front of it."""
    size, handed_on = evidence.images.shape[2:], set[tuple[int, ...]]()
    for use in _convolutions(evidence):
        given, made = use.in_shape[2:], use.out_shape[2:]
        larger = given not in handed_on and any(n > m for n, m in zip(given, size, strict=True))
        handed_on.add(made)
        if use.layer.shape[2] != 1:
            continue
        step = structure.stride_of(use.layer)
        if any(n > -(-m // step) for n, m in zip(made, given, strict=True)):
            return f"{use.layer.name}, a 1×1, makes maps of {_text(made)} from maps of {_text(given)}."
        if larger:  # and no convolution has made it so: a 3×3 with too many zeros does
            return f"{use.layer.name}, a 1×1, is given maps of {_text(given)}; the block's input has {_text(size)}."
    return ""


def shrinks(evidence: Evidence) -> str:
    return (
        "" if grows(evidence) else shortcuts.shrinks(evidence)
    )  # sizes that a padded 1×1 made prove nothing about a 3×3


def projected_to_width(evidence: Evidence, layers: int) -> str:
    branch = shortcuts.branch_of(evidence, layers)
    for use in shortcuts.projections(evidence, layers):
        if shortcuts.addition_fails(evidence) and branch and use.out_shape[1] != branch[-1].out_shape[1]:
            ours, theirs = use.out_shape[1], branch[-1].out_shape[1]
            return f"{use.layer.name} puts out {ours} channels, the branch {theirs}."
    return ""


def not_carried_on(evidence: Evidence) -> str:
    used = list(evidence.partial)
    if evidence.stage != RUNNING or len(used) < 2 or used[-1].out_shape or used[-1].layer.kind != "conv":
        return ""
    wanted, given = used[-1].layer.shape[1], used[-1].in_shape[1]
    if wanted == given or wanted != evidence.images.shape[1]:
        return ""
    return f"{used[-1].layer.name} is made for {wanted} channels, as many as x has, and is given {given}."


def back_to_input(evidence: Evidence) -> str:
    """A last 1×1 that widens to the channels of x, where four times the width is another number."""
    for narrow, last in pairwise(_convolutions(evidence)):
        kernels, (outs, ins) = (narrow.layer.shape[2], last.layer.shape[2]), last.layer.shape[:2]
        back = ins == narrow.layer.shape[0] and outs == evidence.images.shape[1]
        if kernels == (3, 1) and back and ins < outs != 4 * ins:
            return f"{last.layer.name} goes from {ins} to {outs} channels, as many as x has."
    return ""


EXPANSION = Mistake(
    "expansion",
    "another expansion than 4",
    "The last 1×1 puts out another multiple of the width.",
    f"In every ResNet of the paper a bottleneck hands on four times its width ({_V1}, table 1: 64 and 256, 128 and 512, 256 "
    "and 1024, 512 and 2048). The next block is made for that, and so is a checkpoint.",
    PICTURE,
    edits=[{"widths": (1, 1, 2)}, {"widths": (1, 1, 8)}, {"widths": (1, 1, 1)}],
)
BACK_TO_INPUT = Mistake(
    "back_to_input",
    "the last 1×1 goes back to the channels of x",
    "What a bottleneck hands on goes by its width, and not by what it gets. Where the two differ, the block changes the shape.",
    f"In most blocks both are the same number. The first of ResNet-50 gets 64 channels and hands on 256 ({_V1}, table 1).",
    PICTURE,
    visible=back_to_input,
)
WIDE_IN_THE_MIDDLE = Mistake(
    "wide_in_the_middle",
    "the bottleneck is the wrong way round",
    "The first 1×1 widens and the last one narrows, so the 3×3 works on the most channels and the block hands on the fewest.",
    "A 3×3 costs nine times what a 1×1 between the same channels costs: it is the one to be kept narrow. (Blocks that are wide "
    "in the middle exist; the 3×3 in them is depthwise: Sandler et al. 2018, arXiv 1801.04381.)",
    PICTURE,
    edits=[{"widths": (4, 4, 1)}],
)
WIDE_3X3 = Mistake(
    "wide_3x3",
    "the 3×3 works on the wide map",
    "The 3×3 gets or puts out four times the width. The first 1×1 is there to narrow, the last one to widen.",
    "The 3×3 takes k·k·c·d weights, nine for every pair of channels, so this is where a bottleneck saves, and here it does not.",
    ESTIMATE,
    edits=[{"widths": (4, 4, 4)}, {"widths": (1, 4, 4)}, {"widths": (4, 1, 4)}],
)
WIDTH_IS_OUTPUT = Mistake(
    "width_taken_for_output",
    "the width is taken for what the block puts out",
    "The block puts out as many channels as its width, and works on a quarter of them. The width is the number in the middle.",
    f"The paper's table 1 lists both: 64, 64, 256 for the first stage ({_V1}). A block of width 64 hands on 256.",
    PICTURE,
    edits=[{"widths": (0.25, 0.25, 1)}],
)
_KERNELS = [kernels for kernels in product((1, 3), repeat=3) if kernels != (1, 3, 1)]
KERNELS = Mistake(
    "kernel_sizes",
    "other kernel sizes than 1×1, 3×3, 1×1",
    "The 3×3 stands at another place, there are several, or there is none.",
    f"Behind the first 1×1 there are few channels, and there the 3×3 is cheap ({_V1}, figure 5, right). Without any 3×3 no pixel "
    "sees its neighbours.",
    PICTURE,
    edits=[{"kernels": kernels} for kernels in _KERNELS],
)
PADDED_1X1 = Mistake(
    "padding_on_1x1",
    "a 1×1 convolution with padding",
    "A 1×1 covers one pixel: zeros around its map make the map larger by their width. If the 3×3 has none, the sizes may fit "
    "again at the end, and the border has been computed from other numbers: BN has shifted the zeros by then.",
    "Padding goes with the kernel: half of it, rounded down, on either side. For a 1×1 that is none.",
    BUILD,
    visible=grows,
)
SHRINKS = replace(shortcuts.SHRINKS, visible=shrinks, section=BUILD)
STRIDE_ON_3X3 = Mistake(
    "stride_on_3x3",
    "the 3×3 has the stride: this is the block of v1.5",
    "The shapes and the parameters are those of v1, the outputs are not: the first 1×1 works on the large map.",
    "It is a good block, and most ResNet-50s that one meets have it; the one asked for here is v1's, with the stride in the "
    "first 1×1. Weights trained for one give other outputs in the other, and no error says so (chapter 04).",
    BUILD,
    "torchvision's ResNet-50",
    edits=[{"strided": 2}],
)
STRIDE_ON_LAST = Mistake(
    "stride_on_last",
    "the last 1×1 has the stride",
    "The shapes fit. Both convolutions before it work on the large map, and of what they compute three pixels in four are "
    "thrown away.",
    "It costs the most of the three places, and no published weights are trained for it.",
    BUILD,
    edits=[{"strided": 3}],
)
TESTED_AGAINST_WIDTH = Mistake(
    "projection_tested_against_width",
    "whether to project is asked about the channels inside the branch",
    "x is added to what the block puts out, so that is what its channels have to be compared with. Compared with those inside, "
    "a projection is missing where x happens to have just as many, and stands where x would fit as it is.",
    "In a basic block both are the same number, in a bottleneck they are not: the first block of ResNet-50 gets 64 channels, has "
    "width 64 and hands on 256, and every later block of a stage would get a projection: option C.",
    STAGES,
    visible=known_otherwise,
)
PROJECTED_TO_WIDTH = Mistake(
    "projection_to_width",
    "the projection and the branch put out different numbers of channels",
    "The two are added: the projection has to come to what the last convolution of the branch puts out.",
    "The projection joins the two ends of the block; what stands in the middle is the branch's own affair. In a bottleneck both "
    "ends are wide: four times the width is what the block hands on.",
    STAGES,
    visible=partial(projected_to_width, layers=3),
)
NOT_CARRIED_ON = Mistake(
    "channels_not_carried_on",
    "every layer is made for the channels of x",
    "What a layer puts out is what the next one gets; in a loop the number of channels has to move on with it.",
    "Keras finds out the channels at the first call, PyTorch has to be told them.",
    BUILD,
    visible=not_carried_on,
)
NO_INNER_BN = Mistake(
    "no_inner_bn",
    "no BN follows the 3×3",
    "What the 3×3 puts out goes into the ReLU at whatever scale it has.",
    f"The paper puts BN after every convolution, before the activation ({_V1}, section 3.4).",
    BUILD,
    edits=[{"inner_bn": "missing"}],
)
NO_BN_ON_PROJECTION = replace(shortcuts.NO_BN, section=FINGERPRINT)
_LEFT_OUT = ("pre_activation", "late_shortcut", "kernel_size")  # other shapes of BN; x and what was saved do not fit


def _of_basic(key: str, **changes: Any) -> Mistake:
    return replace(next(mistake for mistake in BASIC if mistake.key == key), **changes)


_LOOP = (
    f"Measured on CIFAR-10, with bottlenecks: ResNet-164 errs in 6.14 % instead of 5.93 % ({_V2}, table 2), about as much as "
    "chance may give; with basic blocks, in ResNet-110, 7.84 % instead of 6.61 %."
)
_AFTER_RELU = (
    {"first_bn": "after relu"},
    {"inner_bn": "after relu"},
    {"first_bn": "after relu", "inner_bn": "after relu"},
)
_CHANGED = {
    "no_middle_relu": _of_basic(
        "no_middle_relu",
        title="no ReLU between two convolutions",
        explanation="What leaves one convolution's BN goes into the next convolution as it is, negative values among it.",
        why="Without a ReLU between them, two layers with weights can do no more than one, in evaluation mode.",
        edits=[{"middle_relu": False}, {"second_relu": False}, {"middle_relu": False, "second_relu": False}],
        section=BUILD,
    ),
    "bn_after_relu": _of_basic(
        "bn_after_relu", edits=[*_AFTER_RELU, {**_AFTER_RELU[-1], "second_bn": "after relu"}], section=BUILD
    ),
    "relu_before_addition": _of_basic("relu_before_addition", why=_LOOP, section=LAST_RELU),
    "two_relus": _of_basic("two_relus", section=LAST_RELU),
}
_WIRED = tuple(_CHANGED.get(mistake.key, mistake) for mistake in BASIC if mistake.key not in _LEFT_OUT)
_GEOMETRY = (EXPANSION, BACK_TO_INPUT, WIDE_IN_THE_MIDDLE, WIDE_3X3, WIDTH_IS_OUTPUT, KERNELS, PADDED_1X1, SHRINKS)


def _on_shortcuts(layers: int) -> tuple[Mistake, ...]:
    """What goes wrong on a shortcut beside a branch of so many convolutions; 0 where that differs from case to case."""
    told = partial(replace, section=STAGES)
    return (
        told(shortcuts.MISSING, visible=partial(shortcuts.no_projection, layers=layers)),
        told(shortcuts.ONLY_IF_STRIDE),
        told(shortcuts.ONLY_IF_CHANNELS),
        TESTED_AGAINST_WIDTH,
        replace(shortcuts.UNSTRIDED, visible=partial(shortcuts.projection_unstrided, layers=layers)),
        replace(shortcuts.DROPPED, visible=partial(shortcuts.projection_dropped, layers=layers)),
        replace(PROJECTED_TO_WIDTH, visible=partial(projected_to_width, layers=layers)),
        replace(
            shortcuts.TWICE,
            title="several convolutions of the branch have the stride",
            visible=partial(shortcuts.strided_twice, layers=layers),
        ),
        replace(shortcuts.BRANCH_UNSTRIDED, visible=partial(shortcuts.branch_unstrided, layers=layers)),
        shortcuts.IGNORED,
        shortcuts.SAME_PADDING,
        NO_BN_ON_PROJECTION,
        shortcuts.RECTIFIED,
        shortcuts.KERNEL_3,
        told(shortcuts.EVERYWHERE),
        shortcuts.ZEROS,
    )


SHORTCUTS = _on_shortcuts(3)
BLOCK = (*structure.LAYERS, *_GEOMETRY, *SHORTCUTS, STRIDE_ON_3X3, STRIDE_ON_LAST, NO_INNER_BN, *_WIRED)

RELU_ENDS_BRANCH = Mistake(
    "relu_ends_branch",
    "the branch ends in a ReLU",
    "Behind the last BN stands nothing: what follows is the addition, and a ReLU after that.",
    "What the branch adds would never be negative, so a block could make no value smaller. " + _LOOP,
    LAST_RELU,
    edits=[{"branch_relu": True}],
)
_OF_A_BRANCH = ("no_middle_relu", "no_first_bn", "no_second_bn", "bn_after_relu", "one_bn_for_both")
BRANCH = (
    *structure.LAYERS, *_GEOMETRY, NO_INNER_BN, RELU_ENDS_BRANCH, *(m for m in _WIRED if m.key in _OF_A_BRANCH),
)  # fmt: skip

STRIDE_NOT_FIRST = Mistake(
    "stride_not_first",
    "another convolution than the first has the stride",
    "The shapes fit, and the outputs are others: what stands before it works on the large map.",
    "Published weights of v1 were trained with the stride in the first convolution of the block.",
    BUILD,
    edits=[{"strided": number} for number in (2, 3, 4)],
)
PLANNED = (
    *structure.LAYERS, PADDED_1X1, SHRINKS, NOT_CARRIED_ON, *_on_shortcuts(0), STRIDE_NOT_FIRST,
    *(replace(m, edits=[{"rectified": 0}, {"rectified": 1}, {"rectified": 2}]) if m.key == "no_middle_relu"
      else replace(m, edits=[{"first_bn": "after relu"}, {"first_bn": "after relu", "second_bn": "after relu"}])
      if m.key == "bn_after_relu" else m for m in _WIRED),
)  # fmt: skip


def combined(
    judged: Sequence[Judged], put_out: Callable[[tuple[Any, ...]], int] = lambda arguments: 4 * arguments[1]
) -> tuple[Mistake, ...]:
    """Name a projection that is missing in some shapes only by what it was made dependent on.

    `put_out` tells from a case's arguments how many channels its block puts out.
    """
    found = shortcuts.without_consequences(judged)
    if BACK_TO_INPUT in found:  # for an x of as many channels as the width it looks like an expansion of 1
        found = tuple(mistake for mistake in found if mistake is not EXPANSION)
    without = [one.case.arguments for one in judged if _named(one, shortcuts.MISSING)]
    inside = [arguments[0] in _inside(arguments[1]) for arguments in without]
    needless = [one for one in judged if _named(one, shortcuts.EVERYWHERE)]
    projected = [one for one in judged if one.case.arguments not in without and shortcuts.projections(one.evidence, 0)]
    if not without or not projected or not any(mistake.key == shortcuts.MISSING.key for mistake in found):
        return found
    # One that is projected without a stride speaks against it.
    stride_decides = not any(one.case.arguments[2] == 1 for one in projected)
    if needless or (not stride_decides and all(inside)):
        cause = TESTED_AGAINST_WIDTH
    elif stride_decides and all(arguments[2] == 1 for arguments in without):
        cause = next(mistake for mistake in SHORTCUTS if mistake.key == shortcuts.ONLY_IF_STRIDE.key)
    elif all(arguments[0] == put_out(arguments) for arguments in without):
        cause = next(mistake for mistake in SHORTCUTS if mistake.key == shortcuts.ONLY_IF_CHANNELS.key)
    else:
        return found
    effects = {shortcuts.MISSING.key, *([shortcuts.EVERYWHERE.key] if needless else [])}
    return (cause, *(mistake for mistake in found if mistake.key not in effects))


def _inside(width_or_plan: Any) -> tuple[int, ...]:
    """How many channels the convolutions before the last put out."""
    return (width_or_plan,) if isinstance(width_or_plan, int) else tuple(outs for _, outs in width_or_plan[:-1])


def _named(one: Judged, mistake: Mistake) -> bool:
    return any(found.key == mistake.key for found in one.diagnosis.mistakes)
