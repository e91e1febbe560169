"""What goes wrong in a shortcut that changes the shape: option A, option B, and a stage of such blocks.

An edit names fields of `shortcut_blocks`. A block whose addition fails computes nothing that could be compared: then the
detectors below look at the layers that ran before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from . import structure
from .basic_mistakes import BASIC
from .cases import Judged, all_of_them
from .evidence import RUNNING, Evidence
from .mistakes import Mistake, Section, known_otherwise
from .uses import Use

CHAPTER = "02_shortcut_projection"
FAILS = Section(CHAPTER, 1, "An addition that fails")
OPTIONS = Section(CHAPTER, 2, "What may stand on the shortcut")
BUILD = Section(CHAPTER, 3, "Build it")
TRAP = Section(CHAPTER, 4, "A trap: “same” is not the same")
COST = Section(CHAPTER, 5, "What it costs")
WHY_BN = Section(CHAPTER, 7, "Why the projection has a BN")
AUTOPSY = Section(CHAPTER, 10, "Autopsy")
OWN_USE = Section(CHAPTER, 11, "The paper's own use of A")
_V1 = '<a href="https://arxiv.org/abs/1512.03385" target="_blank" rel="noopener">He et al. 2015</a>'
_SUM_FAILS = re.compile(r"must match the size|incompatible shapes|broadcast", re.IGNORECASE)


def addition_fails(evidence: Evidence) -> bool:
    done = bool(evidence.partial) and all(use.out_shape for use in evidence.partial)
    failed = evidence.stage == RUNNING and done and bool(_SUM_FAILS.search(str(evidence.error)))
    return failed and not shrinks(evidence)  # which would explain it


def projections(evidence: Evidence, layers: int = 2) -> list[Use]:
    """The convolutions on the shortcut, beside a branch of so many; 0 where the number differs from case to case.

    With two in the branch: those of 1×1, or in a block that changes the shape the one that shares conv1's input. Otherwise the
    branch's own may be 1×1 as well: what is given x and, by its shape, feeds no other; none where shapes do not tell.
    """
    used = [u for u in evidence.partial if u.layer.kind == "conv"]
    if layers != 2:
        of_x = [u for u in used if _gets(u, evidence.images.shape) and u.out_shape]
        if len(of_x) < 2 or (layers and len(of_x) > 2):
            return []
        found = [u for u in of_x if all(u is other or not _gets(other, u.out_shape) for other in used)]
        return found or (of_x[1:] if of_x[0].out_shape == of_x[1].out_shape else [])
    if len(used) > 2 and all(u.layer.shape[2] != 1 for u in used):
        first, second, third = used[:3]
        if second.in_shape == first.in_shape:
            return [first]
        return [third] if third.in_shape == first.in_shape else []
    return [u for u in used if u.layer.shape[2] == 1 and u.out_shape]


def branch_of(evidence: Evidence, layers: int = 2) -> list[Use]:
    """The convolutions of the branch."""
    apart = projections(evidence, layers)
    used = [u for u in evidence.partial if u.layer.kind == "conv" and u.out_shape]
    return [u for u in used if all(u is not other for other in apart)]


def _text(size: tuple[int, ...]) -> str:
    return " × ".join(map(str, size))


def _halved(size: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-n // 2) for n in size)


def no_projection(evidence: Evidence, layers: int = 2) -> str:
    convolutions = [u for u in evidence.partial if u.layer.kind == "conv"]
    more = len(convolutions) != layers if layers else not _in_a_row(convolutions, evidence)
    if not addition_fails(evidence) or more or projections(evidence, layers):
        return ""
    ran = {2: "Two convolutions ran, both", 3: "Three convolutions ran, all"}.get(
        layers, f"{len(convolutions)} convolutions ran, all"
    )
    return f"{ran} in the branch, and then the addition failed: x has kept a shape of its own."


def _in_a_row(used: Sequence[Use], evidence: Evidence) -> bool:
    """Whether, by their shapes, each convolution gets what the one before puts out, and no more than one keeps x's shape."""
    follows = all(_gets(other, one.out_shape) for one, other in pairwise(used))
    return follows and sum(_gets(use, evidence.images.shape) for use in used) <= 2


def _gets(use: Use, shape: tuple[int, ...]) -> bool:
    """Whether a convolution's input may be a map of that shape, with zeros around it or without."""
    kernel = use.layer.shape[2]
    around = [given - size for given, size in zip(use.in_shape[2:], shape[2:], strict=True)]
    return use.in_shape[:2] == shape[:2] and all(0 <= more < kernel for more in around)


def projection_unstrided(evidence: Evidence, layers: int = 2) -> str:
    size = evidence.images.shape[2:]
    branch = [u for u in branch_of(evidence, layers) if u.out_shape[2:] != size]
    for use in projections(evidence, layers):
        if addition_fails(evidence) and branch and use.out_shape[2:] == size:
            ours, theirs = _text(size), _text(branch[-1].out_shape[2:])
            return f"{use.layer.name} puts out maps of {ours}, the branch maps of {theirs}."
    return ""


def projection_dropped(evidence: Evidence, layers: int = 2) -> str:
    branch = branch_of(evidence, layers)
    for use in projections(evidence, layers):
        if addition_fails(evidence) and branch and use.out_shape == branch[-1].out_shape:
            return f"{use.layer.name} and the branch have put out equal shapes, and yet the addition failed."
    return ""


def strided_twice(evidence: Evidence, layers: int = 2) -> str:
    size = evidence.images.shape[2:]
    sizes = list(dict.fromkeys([size, *(u.out_shape[2:] for u in branch_of(evidence, layers)[: layers or None])]))
    if not addition_fails(evidence) or sizes[:3] != [size, _halved(size), _halved(_halved(size))]:
        return ""
    return f"From maps of {_text(size)} the branch makes maps of {' and then of '.join(map(_text, sizes[1:]))}."


def branch_unstrided(evidence: Evidence, layers: int = 2) -> str:
    size = evidence.images.shape[2:]
    branch = branch_of(evidence, layers)
    for use in projections(evidence, layers):
        if branch and all(u.out_shape[2:] == size for u in branch) and use.out_shape[2:] != size:
            ours, theirs = _text(use.out_shape[2:]), _text(size)
            return f"{use.layer.name} puts out maps of {ours}, the branch maps of {theirs}."
    return ""


def shrinks(evidence: Evidence) -> str:
    allowed = [evidence.images.shape[2:]]
    while set(allowed[-1]) != {1}:
        allowed.append(_halved(allowed[-1]))
    for use in evidence.partial:
        if use.layer.kind == "conv" and use.layer.shape[2] > 1 and use.out_shape and use.out_shape[2:] not in allowed:
            before, after = _text(use.in_shape[2:]), _text(use.out_shape[2:])
            return f"{use.layer.name} makes maps of {after} from maps of {before}."
    return ""


MISSING = Mistake(
    "projection_missing",
    "nothing brings x into the branch's shape",
    "The branch changes the shape, and x is added as it came.",
    f"x + F(x) needs equal shapes; where they differ the paper multiplies x by W<sub>s</sub> ({_V1}, equation 2). On maps so "
    "small that an axis has length 1 the sum even runs, and is wrong.",
    FAILS,
    visible=no_projection,
)
ONLY_IF_STRIDE = Mistake(
    "projection_only_if_stride",
    "the projection is made for a stride alone",
    "A block may change its channels without a stride, and then its shape changes as well.",
    "In ResNet-18 and 34 both always change together, so this goes unnoticed; the first block of ResNet-50's first stage "
    "widens with stride 1.",
    BUILD,
    visible=known_otherwise,
)
ONLY_IF_CHANNELS = Mistake(
    "projection_only_if_channels",
    "the projection is made for a change of channels alone",
    "A block may have a stride and keep its channels: then height and width change.",
    "A class that serves one network by luck fails in the next.",
    AUTOPSY,
    "facebookarchive/fb.resnet.torch, models/resnet.lua: it asks for the channels only",
    visible=known_otherwise,
)
ONLY_IF_BOTH = Mistake(
    "projection_only_if_both",
    "the projection is made only if stride and channels change together",
    "Either change alone gives the branch another shape than x has.",
    "In ResNet-18 and 34 both always change together, so this goes unnoticed; the first block of ResNet-50's first stage "
    "widens with stride 1.",
    BUILD,
    visible=known_otherwise,
)
UNSTRIDED = Mistake(
    "projection_without_stride",
    "the stride is missing on the shortcut",
    "The projection changes the channels and keeps height and width, while the branch halves them.",
    "Both paths have to take the same steps over the map, or the sum fails; on a map of 2×2 it does not fail, and is wrong.",
    FAILS,
    visible=projection_unstrided,
)
DROPPED = Mistake(
    "projection_dropped",
    "the projection is computed, and x itself is added",
    "Its result has the right shape, but was not given a name, or another name than the one that is added.",
    "The layer costs time and is never trained, since nothing depends on it.",
    BUILD,
    visible=projection_dropped,
)
TWICE = Mistake(
    "stride_on_both",
    "both convolutions of the branch have the stride",
    "A stride of 2, applied twice, leaves a quarter of height and width.",
    "A block takes its stride once; the shortcut takes it once as well.",
    BUILD,
    visible=strided_twice,
)
BRANCH_UNSTRIDED = Mistake(
    "branch_without_stride",
    "the branch has no stride",
    "The shortcut halves height and width, the branch keeps them.",
    "Both paths have to take the same steps over the map.",
    FAILS,
    visible=branch_unstrided,
)
WRONG_CONVOLUTION = Mistake(
    "stride_on_second",
    "the second convolution has the stride",
    "The shapes fit, and the outputs are others: the first convolution works on the large map.",
    "It costs more multiply-adds, and published weights were trained with the stride on a basic block's first convolution.",
    COST,
    edits=[{"strided": 2}],
)
SAME_PADDING = Mistake(
    "same_padding",
    "“same” padding at stride 2",
    "On an even map “same” puts its only zero on the right and at the bottom: every window lies one pixel further than with "
    "one zero on either side. On an odd map there is no difference.",
    "A network trained so is no worse for it; but weights from elsewhere compute something else in it, and no error says so.",
    TRAP,
    'Keras\'s <code>padding="same"</code>',
    edits=[{"padding": "same"}],
)
IGNORED = Mistake(
    "stride_ignored",
    "the stride is not used",
    "The block is made with a stride, and puts out maps as large as it was given.",
    "The branch and the shortcut fit each other, so nothing fails; but the stage works on four times the pixels, and every "
    "stage behind it.",
    COST,
    edits=[{"strided": 0}],
)
NO_BN = Mistake(
    "projection_without_bn",
    "no BN follows the projection",
    "x is added at whatever scale the stage before has given it.",
    f"The paper puts BN after every convolution ({_V1}, section 3.4). Without it the shortcut's share of the sum grows with "
    "the depth of the stage before.",
    WHY_BN,
    edits=[{"projection_bn": False}],
)
RECTIFIED = Mistake(
    "projection_relu",
    "a ReLU follows the projection",
    "The shortcut then only adds: what is negative in the projected x is lost before the sum.",
    "Nothing but the projection stands on the shortcut (equation 2 has no activation there); the ReLU of the sum follows.",
    OPTIONS,
    edits=[{"projection_relu": True}],
)
KERNEL_3 = Mistake(
    "projection_3x3",
    "the projection is a 3×3 convolution",
    "It has nine times the weights and mixes each pixel with its neighbours.",
    f"The paper's projections are 1×1 ({_V1}, section 3.3); published checkpoints do not fit.",
    OPTIONS,
    edits=[{"projection_kernel": 3}],
)
EVERYWHERE = Mistake(
    "projection_everywhere",
    "every block projects",
    "Where the shape stays, option B adds x itself; a projection in each block is option C.",
    f"C costs most and gained little: the authors do not use it any further ({_V1}, section 4.1). And the clean path of "
    "identities from block to block is gone.",
    OPTIONS,
    edits=[{"projected": "everywhere"}],
)
ZEROS = Mistake(
    "zeros_for_projection",
    "option A where B is asked for",
    "x is subsampled and padded with zeros; nothing about it is learned.",
    f"It is a good shortcut, and the paper's for CIFAR-10 ({_V1}, section 4.2); but it has no parameters for B's weights.",
    OPTIONS,
    edits=[{"shortcut": "zeros"}],
)
SHRINKS = replace(
    structure.SHRINKS,
    explanation="A 3×3 convolution without padding loses a pixel on each side.",
    visible=shrinks,
    section=BUILD,
)
_LEFT_OUT = ("pre_activation",)  # its BN layers have other shapes where the channels change
SHORTCUTS = (
    MISSING, ONLY_IF_STRIDE, ONLY_IF_CHANNELS, ONLY_IF_BOTH, UNSTRIDED, DROPPED, TWICE, BRANCH_UNSTRIDED, WRONG_CONVOLUTION,
    IGNORED, SAME_PADDING, NO_BN, RECTIFIED, KERNEL_3, EVERYWHERE, ZEROS, SHRINKS,
)  # fmt: skip
PROJECTED = (*structure.LAYERS, *SHORTCUTS, *(m for m in BASIC if m.key not in _LEFT_OUT))

STRIDE_IN_EVERY_BLOCK = Mistake(
    "stride_in_every_block",
    "every block of the stage has the stride",
    "The map is halved again in each block, and each needs a projection for it.",
    f"In the paper only the first layer of a stage has the stride ({_V1}, table 1's caption: conv3_1, conv4_1 and conv5_1).",
    BUILD,
    edits=[{"stride_in": "every block"}],
)
STRIDE_AT_THE_END = Mistake(
    "stride_in_last_block",
    "the last block of the stage has the stride",
    "All blocks before it work on the large map.",
    f"In the paper the first layer of a stage has the stride ({_V1}, table 1's caption); on four times the pixels the others "
    "cost four times as much.",
    COST,
    edits=[{"stride_in": "the last block"}],
)
REPEATED = Mistake(
    "one_block_repeated",
    "one block, used several times",
    "The blocks behind the first share their weights.",
    "<code>[block] * 2</code> repeats a reference: the stage has fewer parameters than its depth says.",
    BUILD,
    edits=[{"rest": "one block repeated"}],
)
STAGE = (*PROJECTED, STRIDE_IN_EVERY_BLOCK, STRIDE_AT_THE_END, REPEATED)

WITHOUT_STRIDE = Mistake(
    "no_subsampling",
    "the shortcut takes every pixel",
    "The channels are right; height and width are still those of x.",
    "The branch has a stride, and both summands need the same shape. On a map of 2×2 the sum runs all the same, and is wrong.",
    FAILS,
    edits=[{"sampling": "none"}],
)
WRONG_AXIS = Mistake(
    "padded_wrong_axis",
    "the zeros are appended to another axis than the channels",
    "The frameworks count from opposite ends: PyTorch's <code>F.pad</code> takes pairs from the last axis to the first, "
    "<code>ops.pad</code> from the first to the last; and the channels are PyTorch's second axis and Keras's last.",
    "The sum fails, or, where sizes happen to fit, adds rows to channels.",
    BUILD,
    edits=[{"axis": axis, "zeros": zeros} for axis in (0, 2, 3) for zeros in ("behind", "either side", "before")],
)
POOLED = Mistake(
    "pooled_shortcut",
    "the shortcut pools where it should take every second pixel",
    "A mean or a maximum of 2×2 pixels is another number than the pixel at their corner.",
    "Such a shortcut exists in later networks (ResNet-D: He et al. 2019, arXiv 1812.01187, section 4.2, average pooling before "
    "a projection); the paper's option A has none, and its published weights expect none.",
    OPTIONS,
    edits=[{"sampling": "average"}, {"sampling": "maximum"}],
)
ODD_PIXELS = Mistake(
    "odd_pixels",
    "the shortcut takes pixels 1, 3, 5",
    "A strided convolution with a zero on either side has its windows' centres at 0, 2, 4.",
    "What is added then comes from places one pixel apart, and published weights compute something else.",
    TRAP,
    edits=[{"sampling": "odd pixels"}],
)
OTHER_AXES = Mistake(
    "sampled_wrong_axes",
    "the steps are taken along the wrong axes",
    "A slice names axes from the first on. Height and width are the last two in PyTorch, and the two in the middle in Keras; "
    "what is right in one framework drops channels in the other, and leaves a side of the map as it is.",
    "The sum fails, or, where sizes happen to fit, adds other channels.",
    BUILD,
    edits=[{"sampling": "channels and height"}, {"sampling": "channels and width"}],
)
FIXED_STRIDE = Mistake(
    "stride_fixed_at_2",
    "the stride is always 2",
    "The block is made with a stride, and the shortcut takes another one.",
    "In the networks of the paper the two agree; a block that widens with stride 1 fails.",
    AUTOPSY,
    "akamaster/pytorch_resnet_cifar10, resnet.py",
    edits=[{"sampling": "always by 2"}],
)
ASSUMES_DOUBLING = Mistake(
    "assumes_doubling",
    "the number of zeros assumes that the channels double",
    "A quarter of the new channels on either side is half of them: right only if x has the other half.",
    "Where the channels grow by another factor the sum fails.",
    AUTOPSY,
    "akamaster/pytorch_resnet_cifar10, resnet.py",
    edits=[{"zeros": "a quarter either side"}],
)
CHANNELS_REPEATED = Mistake(
    "channels_repeated",
    "the new channels hold x again",
    "The shape is right; option A appends zeros.",
    f"“Extra zero entries padded for increasing dimensions” ({_V1}, section 3.3).",
    OPTIONS,
    edits=[{"zeros": "repeated"}],
)
OPTION_A = (
    WITHOUT_STRIDE, WRONG_AXIS, POOLED, ODD_PIXELS, OTHER_AXES, FIXED_STRIDE, ASSUMES_DOUBLING, CHANNELS_REPEATED,
    structure.EDITS_INPUT,
)  # fmt: skip


def combined(judged: Sequence[Judged]) -> tuple[Mistake, ...]:
    """Name a projection that is missing in some shapes only by what it was made dependent on."""
    found = without_consequences(judged)
    without = [one.case.arguments for one in judged if MISSING in one.diagnosis.mistakes]
    projected = [one for one in judged if one.case.arguments not in without and projections(one.evidence)]
    if MISSING not in found or not projected:
        return found
    cause = ONLY_IF_BOTH
    if all(arguments[2] == 1 for arguments in without):
        cause = ONLY_IF_STRIDE
    elif all(arguments[0] == arguments[1] for arguments in without):
        cause = ONLY_IF_CHANNELS
    return tuple(cause if mistake is MISSING else mistake for mistake in found)


def without_consequences(judged: Sequence[Judged]) -> tuple[Mistake, ...]:
    """Every mistake that was found in some shape, without those that another of them says better."""
    found = all_of_them(judged)
    keys = {mistake.key for mistake in found}
    if keys & {"shortcut_without_gradient", DROPPED.key}:
        # The second says more; and a projection whose result is cut out of the graph looks dropped to the graph.
        found = tuple(mistake for mistake in found if mistake is not structure.DROPPED)
    if ZEROS.key in keys:
        found = tuple(mistake for mistake in found if mistake.key != MISSING.key)
    return found
