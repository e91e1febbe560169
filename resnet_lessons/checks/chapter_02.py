"""The tasks of chapter 02: the shortcut where the shape changes.

>>> from resnet_lessons.checks import chapter_02 as ex
>>> ex.projection.check(None)
○ projection: not attempted
"""

from __future__ import annotations

from functools import partial

from resnet_lessons.architecture import resnet_config

from . import shortcut_blocks as blocks
from .assembly_mistakes import CIFAR, IMAGENET
from .cases import Case, CasesTask
from .mistakes import COUNTS_TELL, Section, of_a_value
from .network_task import NetworkCase, NetworkTask
from .shortcut_mistakes import (
    BUILD,
    CHAPTER,
    COST,
    FAILS,
    OPTION_A,
    OPTIONS,
    OWN_USE,
    PROJECTED,
    STAGE,
    combined,
)  # fmt: skip
from .task import Task, ValueTask

WRONG = Section(CHAPTER, 9, "What goes wrong")
# What shows most comes first.
_SHAPES = ((4, 6, 2), (4, 6, 1), (4, 4, 2), (4, 4, 1))
_BLOCKS = tuple(Case(shape, blocks.projected_block(*shape)) for shape in _SHAPES)

option_a = CasesTask(
    "option_a",
    "complete option A's two lines",
    OPTIONS,
    1,
    (5, 8),
    (
        "Two things are wrong with x for the addition: the map is too large, and channels are missing.",
        "A slice with a step takes every pixel that a stride would visit. Which axes are height and width in your framework, "
        "and in which order does its pad function want the axes?",
        "First keep every stride-th row and column. Then pad the axis of channels, and no other, with self.more zeros; behind "
        "or on either side is the same to the check.",
    ),
    {"pytorch": "OptionA", "tensorflow": "KerasOptionA"},
    keeps=True,
    # 4 → 10 tells zeros that assume a doubling.
    cases=[Case(shape, blocks.option_a(*shape)) for shape in ((4, 10, 2), (4, 8, 2), (4, 7, 1))],
    catalogue=OPTION_A,
    also=blocks.ALSO_OPTION_A,
)

repair = CasesTask(
    "repair",
    "find and repair two mistakes in a projection",
    WRONG,
    2,
    (10, 15),
    (
        "Make the block for several shapes: the channels change or not, the stride is 1 or 2. For which does it fail?",
        "One mistake is in what stands on the shortcut: count the tensors of its convolution and compare with those of conv1 "
        "and bn1. The other is in when it stands there.",
        "The shape changes if the stride is not 1 or if the channels differ; and the paper puts BN after every convolution.",
    ),
    {"pytorch": "Repaired", "tensorflow": "KerasRepaired"},
    cases=_BLOCKS,
    catalogue=PROJECTED,
    combine=combined,
)

projection = CasesTask(
    "projection",
    "write a block with option B on a blank page",
    BUILD,
    3,
    (20, 30),
    (
        "Begin with your block of exercise 01. What has to change in it, and what is new? Draw both paths with their shapes.",
        "Where does the stride go: to which convolution of the branch, and where on the shortcut? In which of the four "
        "combinations of stride and channels is the shortcut x itself? In Keras, think of section 4's padding.",
        "The first 3×3 and the 1×1 of the shortcut have the stride. BN follows both, no ReLU follows the projection. If the "
        "stride is 1 and the channels stay, there is no layer on the shortcut.",
    ),
    {"pytorch": "MyBlock", "tensorflow": "MyKerasBlock"},
    keeps=True,
    cases=_BLOCKS,
    catalogue=PROJECTED,
    combine=combined,
)

stage = CasesTask(
    "stage",
    "transfer: a stage of your own blocks",
    BUILD,
    4,
    (20, 35),
    (
        "Write down (in_channels, channels, stride) of each block of a stage that goes from 64 to 128 channels with stride 2.",
        "Only one of the blocks gets the stage's own arguments. What do the others get? Does each have layers of its own, and "
        "does your framework find them?",
        "MyBlock(in_channels, channels, stride) first, then blocks − 1 times MyBlock(channels, channels, 1), in "
        "nn.Sequential (in Keras: in a loop, or keras.Sequential).",
    ),
    {"pytorch": "MyStage", "tensorflow": "MyKerasStage"},
    cases=[Case(shape, blocks.stage(*shape)) for shape in ((4, 6, 2, 3), (4, 4, 1, 2))],
    catalogue=STAGE,
    combine=combined,
)

cifar_family = NetworkTask(
    "cifar_family",
    "assemble the 6n + 2 family from your own blocks",
    OWN_USE,
    4,
    (45, 75),
    (
        "On paper first: for depth 20, how many blocks has each stage, and with which (in_channels, channels, stride) is each of "
        "them made? Which two layers of the 6n + 2 are in no block?",
        "A loop over the widths 16, 32, 64, and in it one over the n blocks: only a stage's first block gets its stride, and "
        "the first stage has none. Carry along how many channels travel on. Do all blocks stand where your framework finds "
        "them?",
        "3×3 convolution to 16 channels, BN, ReLU; n = (depth − 2) // 6 blocks of 16, of 32 and of 64 channels; the mean over "
        "height and width; a dense layer with 10 outputs, and nothing behind it.",
    ),
    {"pytorch": "MyResNet", "tensorflow": "MyKerasResNet"},
    # Images of two sizes, so that a network for one size shows; three blocks in a stage, so that sharing among the later shows.
    cases=[NetworkCase((depth,), resnet_config(depth, family="cifar"), side) for depth, side in ((8, 24), (20, 16))],
    assemblies=CIFAR,
)

resnet34 = NetworkTask(
    "resnet34",
    "assemble ResNet-34 from your own block",
    COST,
    4,
    (25, 40),
    (
        "Write down what differs from the CIFAR family: the stem, the number of stages, their lengths, their widths, the "
        "block.",
        "Stem: 7×7 convolution with stride 2, BN, ReLU, 3×3 max-pool with stride 2, each with zeros (the pool: with nothing "
        "that could win) on either side. Which of the four stages has no stride?",
        "Blocks 3, 4, 6, 3 of width, 2·width, 4·width, 8·width channels, with a projection where the shape changes; the mean "
        "over height and width; a dense layer with 1,000 outputs.",
    ),
    {"pytorch": "MyResNet34", "tensorflow": "MyKerasResNet34"},
    cases=[NetworkCase((6,), resnet_config(34, width=6), 64)],
    assemblies=IMAGENET,
)


_miscount = partial(of_a_value, why=COUNTS_TELL, section=COST)


_FROM, _TO, _NUMBER = 32, 64, 3
_FIRST, _LATER, _BN = _FROM * _TO, _TO * _TO, 2 * _TO
_B, _C = _FIRST + _BN, _FIRST + _BN + (_NUMBER - 1) * (_LATER + _BN)
_A_LEARNS = _miscount(
    "zeros_counted", "zeros counted as parameters", "Option A's zeros are constants: nothing is learned."
)
_NO_BN = _miscount("forgot_bn", "BN forgotten", "A BN follows each projection: a γ and a β for every channel.")
_BIAS = _miscount("counted_biases", "biases counted", "The projections have none: BN would subtract them again.")
_RUNNING = _miscount(
    "counted_running_statistics", "running statistics counted", "They are tensors, and no parameters: no gradient changes them."
)  # fmt: skip
_3X3 = _miscount(
    "counted_3x3", "a 3×3 kernel counted", "The projections are 1×1: one weight for each pair of channels."
)
_MIXED_UP = _miscount(
    "options_mixed_up", "options B and C mixed up", "B projects where the shape changes, C in every block."
)
_SAME_WIDTH = _miscount(
    "counted_first_width", "every projection counted from the stage before",
    "Only the first block of the stage gets the narrower input: the others go from 64 to 64 channels.",
)  # fmt: skip
count = ValueTask(
    "count",
    "count what the options cost in a stage",
    COST,
    2,
    (6, 10),
    (
        "Which of the three blocks change the shape of their input? Only the first.",
        "A 1×1 convolution from C to D channels has C·D weights, and the BN behind it 2·D parameters.",
        "A has none; B: 32·64 + 2·64; C: the same, and for each of the two other blocks 64·64 + 2·64.",
    ),
    {"": "parameters"},
    answers={"A": 0, "B": _B, "C": _C},
    wrong={
        "A": {_TO - _FROM: _A_LEARNS, _FIRST: _A_LEARNS, _B: _A_LEARNS},
        "B": {
            _FIRST: _NO_BN,
            _B + _TO: _BIAS,
            _FIRST + 2 * _BN: _RUNNING,
            9 * _FIRST + _BN: _3X3,
            _C: _MIXED_UP,
        },
        "C": {
            _FIRST + 2 * _LATER: _NO_BN,
            _C + 3 * _TO: _BIAS,
            _C + 3 * _BN: _RUNNING,
            9 * (_FIRST + 2 * _LATER) + 3 * _BN: _3X3,
            _B: _MIXED_UP,
            3 * _B: _SAME_WIDTH,
        },
    },
)


_misconception = partial(of_a_value, section=FAILS)


_NO_BROADCASTING = _misconception(
    "forgot_broadcasting",
    "broadcasting forgotten",
    "An axis of length 1 is repeated until it fits the other summand's.",
    "“It runs” is no proof of a sum of equal shapes: section 1's trap.",
)
_BROADCASTS_ALL = _misconception(
    "broadcasts_anything",
    "broadcasting taken to fit any two sizes",
    "Only an axis of length 1 is repeated; 8 and 4 do not fit.",
    "The frameworks would otherwise have to invent values.",
)
_BRANCH_DECIDES = _misconception(
    "branch_decides",
    "the branch taken to decide on the sum's shape",
    "Broadcasting makes the smaller summand as large as the other: the sum has the shape of the larger.",
    "So the block puts out a map that it should have halved, and whatever follows works on it.",
)
_ONE_STAYS = _misconception(
    "one_stays_one",
    "a map of 1×1 taken to shrink",
    "At stride 2 sizes are halved and rounded up, so 1 stays 1.",
    "On such a map the missing stride changes nothing, and a test on it finds nothing.",
)
predict = ValueTask(
    "predict",
    "predict what a shortcut without its stride does",
    FAILS,
    2,
    (8, 12),
    (
        "Write down both shapes for each map: the shortcut keeps height and width, the branch halves them and rounds up.",
        "Equal sizes are added. Of two unequal sizes, a framework repeats the one that is 1, and refuses all others.",
        "8 and 4 do not fit. 2 and 1 do, since 1 is repeated, and the sum has size 2. From 1 the branch makes 1.",
    ),
    {"": "prediction"},
    choices=("error", "larger", "fits"),
    answers={"8 × 8": "error", "2 × 2": "larger", "1 × 1": "fits"},
    wrong={
        "8 × 8": {"larger": _BROADCASTS_ALL, "fits": _BROADCASTS_ALL},
        "2 × 2": {"error": _NO_BROADCASTING, "fits": _BRANCH_DECIDES},
        "1 × 1": {"error": _ONE_STAYS, "larger": _ONE_STAYS},
    },
)

TASKS: tuple[Task, ...] = (option_a, count, repair, projection, predict, stage, cifar_family, resnet34)
