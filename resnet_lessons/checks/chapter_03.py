"""The tasks of chapter 03: the bottleneck.

>>> from resnet_lessons.checks import chapter_03 as ex
>>> ex.bottleneck.check(None)
○ bottleneck: not attempted
"""

from __future__ import annotations

from functools import partial
from typing import Any

from resnet_lessons.architecture import resnet_config

from . import bottleneck_blocks as blocks
from .assembly_mistakes import BOTTLENECKS
from .bottleneck_mistakes import (
    BLOCK,
    BRANCH,
    BUILD,
    ESTIMATE,
    FINGERPRINT,
    LAST_RELU,
    PICTURE,
    PLANNED,
    TABLE,
    combined,
)  # fmt: skip
from .cases import Case, CasesTask
from .mistakes import Section, of_a_value
from .network_task import NetworkCase, NetworkTask
from .task import Task, ValueTask


class _Case(Case):
    """A case whose second argument is a width, or a plan."""

    def __str__(self) -> str:
        """Such as "5 channels, width 4, stride 2"."""
        ins, inside, *stride = self.arguments
        made = (
            f"width {inside}" if isinstance(inside, int) else "plan " + ", ".join(f"{k}×{k} to {c}" for k, c in inside)
        )
        return f"{ins} channels, {made}" + "".join(f", stride {number}" for number in stride)


# The first shows most; the second gets as many channels as its width, like the first block of ResNet-50; the last is plain.
_SHAPES = ((5, 4, 2), (4, 4, 1), (16, 4, 2), (16, 4, 1))
_BLOCKS = tuple(_Case(shape, blocks.bottleneck(*shape)) for shape in _SHAPES)

branch = CasesTask(
    "branch",
    "complete the branch's two lines",
    PICTURE,
    1,
    (5, 8),
    (
        "Three convolutions. Which of them sees the wide map, and which one is expensive?",
        "Write down what goes in and what comes out of each: x has in_channels; the 3×3 works on the width; the block hands on "
        "four times the width. Then think of what stands between them, and of what stands behind the last.",
        "conv_bn for a 1×1 to the width, a ReLU, conv_bn for a 3×3 that stays there, a ReLU, conv_bn for a 1×1 to four times "
        "the width. No ReLU at the end: the addition comes first.",
    ),
    {"pytorch": "make_branch", "tensorflow": "make_keras_branch"},
    cases=[_Case(shape, blocks.bottleneck(*shape, 1, blocks.ALONE)) for shape in ((5, 4), (16, 4))],
    catalogue=BRANCH,
)

repair = CasesTask(
    "repair",
    "find and repair two mistakes in a bottleneck",
    LAST_RELU,
    2,
    (10, 15),
    (
        "Make the block for several shapes: what does it get, what does it hand on, with which stride? For which does it fail?",
        "One mistake is in the question whether x needs a projection: what does the addition ask for? The other stands between "
        "the last BN and the addition: which values can such a branch never have?",
        "Compare in_channels with what the block hands on, not with its width; and let the last ReLU act on the sum.",
    ),
    {"pytorch": "Repaired", "tensorflow": "KerasRepaired"},
    cases=_BLOCKS,
    catalogue=BLOCK,
    combine=combined,
)

bottleneck = CasesTask(
    "bottleneck",
    "write the bottleneck on a blank page",
    BUILD,
    3,
    (20, 30),
    (
        "Begin with your block of exercise 02. What becomes of its two 3×3 convolutions, and which two channel counts are there "
        "now instead of one?",
        "List for each of the four convolutions: kernel, channels in and out, stride, padding. The shortcut has to fit what the "
        "block hands on.",
        "1×1 with the stride to the width, 3×3 there, 1×1 to four times the width; BN behind each, a ReLU behind the first two "
        "and behind the addition. The projection goes from in_channels to four times the width, with the stride and a BN, where "
        "either changes.",
    ),
    {"pytorch": "MyBottleneck", "tensorflow": "MyKerasBottleneck"},
    keeps=True,
    cases=_BLOCKS,
    catalogue=BLOCK,
    combine=combined,
)

_BASIC, _DEEP = ((3, 6), (3, 6)), ((1, 2), (3, 4), (3, 4), (1, 8))
_PLANS: tuple[tuple[Any, ...], ...] = (
    (5, _BASIC, 2),
    (4, ((1, 4), (3, 6), (1, 8)), 1),
    (16, ((1, 4), (3, 4), (1, 16)), 2),
    (8, _DEEP, 1),
)
planned = CasesTask(
    "planned",
    "transfer: one block for every plan",
    LAST_RELU,
    4,
    (20, 35),
    (
        "Go through the loop by hand for the plan of a basic block and for that of a bottleneck, and write down what each layer "
        "is made of. What is the same in each round, and what is not?",
        "Three things depend on the round: the channels that go in, the padding, and the stride. One thing depends on whether a "
        "layer is the last. The shortcut looks at the first and at the last number of channels only.",
        "Keep the channels in a variable that moves on with each layer; pad by kernel // 2; give the stride to the first layer "
        "only; put a ReLU behind all layers but the last; compare in_channels with the channels of the plan's last layer.",
    ),
    {"pytorch": "Planned", "tensorflow": "KerasPlanned"},
    cases=[_Case(case, blocks.planned_block(*case)) for case in _PLANS],
    catalogue=PLANNED,
    combine=partial(combined, put_out=lambda arguments: arguments[1][-1][1]),
)


_miscount = partial(
    of_a_value, section=FINGERPRINT, why="A count that is off by a number that you can explain is half of a diagnosis."
)  # fmt: skip
_FROM, _WIDTH, _TO, _SIDE = 256, 128, 512, 28
_FIRST, _MIDDLE, _LAST, _PROJECTION = _FROM * _WIDTH, 9 * _WIDTH**2, _WIDTH * _TO, _FROM * _TO
_WEIGHTS = _FIRST + _MIDDLE + _LAST + _PROJECTION
_CHANNELS = 2 * _WIDTH + 2 * _TO  # that have a BN
_PARAMETERS, _MACS = _WEIGHTS + 2 * _CHANNELS, _WEIGHTS * _SIDE**2

_NO_BN = _miscount(
    "forgot_bn", "BN forgotten", "A BN follows each of the four convolutions: a γ and a β for every channel."
)
_NO_BN_THERE = _miscount(
    "forgot_bn_of_projection", "the projection's BN forgotten", "BN follows the projection as well."
)
_BIAS = _miscount("counted_biases", "biases counted", "The convolutions have none: BN would subtract them again.")
_RUNNING = _miscount(
    "counted_running_statistics", "running statistics counted", "They are tensors, and no parameters: no gradient changes them."
)  # fmt: skip
_NO_PROJECTION = _miscount(
    "forgot_projection", "the projection forgotten", "The shape changes, so a 1×1 convolution stands on the shortcut."
)
_NO_EXPANSION = _miscount(
    "forgot_expansion", "the expansion forgotten", "The block hands on four times its width: 512 channels, and not 128."
)
_ALL_3X3 = _miscount(
    "counted_3x3_everywhere",
    "every convolution of the branch counted as a 3×3",
    "Two of the three are 1×1: one weight a pair.",
)
_KERNEL_OF_3 = _miscount("kernel_of_3", "a 3×3 kernel counted as 3", "It has nine weights for each pair of channels.")
_NARROW_INPUT = _miscount(
    "counted_narrow_input", "the first 1×1 counted from the width",
    "It gets the wide map of the stage before, 256 channels, and so does the projection.",
)  # fmt: skip
_FLOPS = _miscount(
    "flops_for_macs", "FLOPs given for multiply-adds",
    "A multiplication with its addition is one multiply-add, and two floating-point operations.",
)  # fmt: skip
_LARGE_MAP = _miscount(
    "counted_large_map", "counted on the large map",
    "A convolution computes each of its weights once for every position that it puts out; the first 1×1 has the stride, so all "
    "four put out the small map.",
)  # fmt: skip
_LATE_STRIDE = _miscount(
    "stride_on_3x3", "the stride counted on the 3×3",
    "That is the block of v1.5: its first 1×1 works on the large map. In v1's the first 1×1 strides.",
)  # fmt: skip
_NO_POSITIONS = _miscount("forgot_positions", "the positions forgotten", "Each weight is used once for every position.")
_BN_COUNTED = _miscount(
    "counted_bn", "BN counted among the multiply-adds", "The convention counts convolutions and dense layers only."
)
_narrow = _FROM * _WIDTH + _MIDDLE + _WIDTH**2 + _FROM * _WIDTH  # without the expansion
_from_width = _WIDTH**2 + _MIDDLE + _LAST + _WIDTH * _TO
_thrice = 9 * (_FIRST + _LAST) + _MIDDLE + _PROJECTION
_thirds = _FIRST + _MIDDLE // 3 + _LAST + _PROJECTION
count = ValueTask(
    "count",
    "count a bottleneck by hand",
    ESTIMATE,
    2,
    (8, 12),
    (
        "Draw the block with its four convolutions, and write kernel, channels in and channels out at each. Which of them put "
        "out maps of 28×28?",
        "k·k·c·d weights each, and a γ and a β for every channel that a convolution puts out. Multiply-adds: weights times the "
        "positions of the output.",
        "256·128, 9·128·128, 128·512 and, on the shortcut, 256·512 weights; BN on 128, 128, 512 and 512 channels. Every one of "
        "the four puts out 28·28 positions.",
    ),
    {"": "cost"},
    answers={"parameters": _PARAMETERS, "MACs": _MACS},
    wrong={
        "parameters": {
            _WEIGHTS: _NO_BN,
            _PARAMETERS - 2 * _TO: _NO_BN_THERE,
            _PARAMETERS + _CHANNELS: _BIAS,
            _PARAMETERS + 2 * _CHANNELS: _RUNNING,
            _PARAMETERS - _PROJECTION - 2 * _TO: _NO_PROJECTION,
            _narrow + 8 * _WIDTH: _NO_EXPANSION,
            _thrice + 2 * _CHANNELS: _ALL_3X3,
            _thirds + 2 * _CHANNELS: _KERNEL_OF_3,
            _from_width + 2 * _CHANNELS: _NARROW_INPUT,
        },
        "MACs": {
            2 * _MACS: _FLOPS,
            4 * _MACS: _LARGE_MAP,
            _MACS + 3 * _FIRST * _SIDE**2: _LATE_STRIDE,
            _WEIGHTS: _NO_POSITIONS,
            _PARAMETERS * _SIDE**2: _BN_COUNTED,
            (_WEIGHTS + _CHANNELS) * _SIDE**2: _BN_COUNTED,
            _MACS - _PROJECTION * _SIDE**2: _NO_PROJECTION,
            _narrow * _SIDE**2: _NO_EXPANSION,
            _thrice * _SIDE**2: _ALL_3X3,
            _thirds * _SIDE**2: _KERNEL_OF_3,
            _from_width * _SIDE**2: _NARROW_INPUT,
        },
    },
)

_misconception = partial(
    of_a_value, section=TABLE,
    why="Where a network spends its multiply-adds decides what a change of it costs: section 8's lab is about that."
)  # fmt: skip
_LINEAR = _misconception(
    "cost_linear_in_channels", "the cost taken to grow with the channels",
    "A convolution has a weight for each <em>pair</em> of a channel that goes in and one that comes out; where both double, "
    "there are four times as many.",
)  # fmt: skip
_ALL_EXPANDS = _misconception(
    "expansion_costs_everything", "the expansion taken to change every convolution",
    "The 3×3 works on the width, and the width stays; only the two 1×1 touch the wide map.",
)  # fmt: skip
_PAIRS_OF_WIDE = _misconception(
    "expansion_squared", "the 1×1 taken to have the wide map on both sides",
    "Each of them has the width on one side: its cost goes with the expansion, and not with its square.",
)  # fmt: skip
_FREE = _misconception(
    "expansion_is_free", "the 1×1 taken to cost nothing",
    "Of a bottleneck's weights, 8 in 17 are in its two 1×1: 4 + 9 + 4 times the square of the width.",
)  # fmt: skip
_NO_SMALLER_MAP = _misconception(
    "forgot_smaller_map", "the smaller map forgotten",
    "Twice the channels are four times the weights, and each is used at a quarter of the positions.",
)  # fmt: skip
_NO_MORE_CHANNELS = _misconception(
    "forgot_more_channels", "the channels forgotten, or taken to count once",
    "The map has a quarter of the positions; but there are four times as many pairs of channels.",
)  # fmt: skip
_SIDE_FOR_AREA = _misconception(
    "side_for_area", "the side of the map taken for its area",
    "Twice as high and twice as wide are four times as many positions.",
)  # fmt: skip
_NO_PIXELS = _misconception(
    "macs_taken_for_parameters", "multiply-adds taken for parameters",
    "The number of weights does not depend on the map; how often each is used does.",
)  # fmt: skip
predict = ValueTask(
    "predict",
    "predict what a change costs",
    TABLE,
    2,
    (8, 12),
    (
        "Write the weights of the three convolutions as products of the width w and the expansion e. What is their sum?",
        "e·w² + 9·w² + e·w². Multiply-adds are that times the positions of the map.",
        "(2e + 9)·w²·positions: double w, then e (4 becomes 8), then w with a quarter of the positions, then the positions.",
    ),
    {"": "prediction"},
    choices=("half", "the same", "less than twice", "twice", "four times"),
    answers={
        "twice the width": "four times",
        "expansion 8": "less than twice",
        "one stage on": "the same",
        "maps twice as high and wide": "four times",
    },
    wrong={
        "twice the width": {"twice": _LINEAR, "less than twice": _LINEAR},
        "expansion 8": {"twice": _ALL_EXPANDS, "four times": _PAIRS_OF_WIDE, "the same": _FREE},
        "one stage on": {"four times": _NO_SMALLER_MAP, "twice": _NO_SMALLER_MAP, "half": _NO_MORE_CHANNELS},
        "maps twice as high and wide": {"twice": _SIDE_FOR_AREA, "the same": _NO_PIXELS},
    },
)

resnet50 = NetworkTask(
    "resnet50",
    "assemble ResNet-50 from your own bottleneck",
    Section("03_bottleneck", 6, "ResNet-50, stage by stage"),
    4,
    (25, 45),
    (
        "Begin with ResNet-34 of exercise 02: stem, stages and head stand as they were. What does a block hand on now, and who "
        "has to know?",
        "A bottleneck of width w hands on 4w channels: that is what the next block gets, in the same stage too, and what the "
        "dense layer reads. Which is the only first block of a stage that widens without a stride?",
        "Keep a variable for the channels that travel on: width at first, 4 · the block's width after each block. Blocks 3, 4, "
        "6, 3 of width, 2·width, 4·width, 8·width; a dense layer from 32 · width to 1,000.",
    ),
    {"pytorch": "MyResNet50", "tensorflow": "MyKerasResNet50"},
    cases=[NetworkCase((4,), resnet_config(50, width=4), 64)],
    assemblies=BOTTLENECKS,
)

TASKS: tuple[Task, ...] = (branch, count, repair, bottleneck, predict, planned, resnet50)
