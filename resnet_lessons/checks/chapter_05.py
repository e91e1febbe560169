"""The tasks of chapter 05: pre-activation, version 2.

>>> from resnet_lessons.checks import chapter_05 as ex
>>> ex.pre_activation.check(None)
○ pre_activation: not attempted
"""

from __future__ import annotations

from functools import partial

from . import preactivation_blocks as blocks
from .cases import Case, CasesTask
from .mistakes import COUNTS_TELL, of_a_value
from .preactivation_mistakes import BUILD, CONSTANT, NETWORK, PICTURE, RESHAPING, WRONG
from .shortcut_mistakes import combined
from .task import BlockTask, Task, ValueTask

# What shows most comes first.
_SHAPES = ((4, 6, 2), (4, 6, 1), (4, 4, 2), (4, 4, 1))
_BLOCKS = tuple(Case(shape, blocks.preactivation_block(*shape)) for shape in _SHAPES)


class NetworkCase(Case):
    """Arguments of a network: channels of its images, its width, its classes."""

    def __str__(self) -> str:
        """Such as "2 → 4 channels, 5 classes"."""
        ins, width, classes = self.arguments
        return f"{ins} → {width} channels, {classes} classes"


two_lines = CasesTask(
    "two_lines",
    "complete the two lines where the paths split and meet",
    PICTURE,
    1,
    (5, 8),
    (
        "The branch is written already. What is missing is the shortcut: which of two signals goes into it, and when?",
        "`active` and `x` are both at hand. Where the shape stays, what should a block with a silent branch hand on? Where it "
        "changes, the shortcut is fed the same signal as the branch.",
        "One line chooses between `active` and `x` by `self.reshapes`; the other adds what the shortcut makes of it to `out`, "
        "and returns the sum as it is.",
    ),
    {"pytorch": "TwoLines", "tensorflow": "KerasTwoLines"},
    cases=_BLOCKS,
    catalogue=RESHAPING,
    combine=combined,
)

turn = BlockTask(
    "turn",
    "turn a v1 block into v2",
    PICTURE,
    2,
    (8, 12),
    (
        "The four layers with weights stay as they are. Only what is done with them, and in which order, changes.",
        "Write v1 as a line of words, “conv BN ReLU conv BN + ReLU”, and v2 below it. Which word goes where? Each ReLU keeps "
        "the BN in front of it.",
        "BN, ReLU, convolution, twice; then the addition of x, and nothing behind it. bn1 comes to stand in front of conv1.",
    ),
    {"pytorch": "Turned", "tensorflow": "KerasTurned"},
    reference=blocks.constant_block(),
    catalogue=CONSTANT,
)

repair = CasesTask(
    "repair",
    "find and repair two mistakes in a v2 block",
    WRONG,
    2,
    (10, 15),
    (
        "Which is the smallest value that the block can put out? And what should it hand on if its branch gives zeros?",
        "Follow the name `x`: what does it hold when it is added, in a block whose shape stays? And what does v2 do with a sum?",
        "Give the activated input a name of its own, and choose between it and x for the shortcut. Nothing follows the addition.",
    ),
    {"pytorch": "Repaired", "tensorflow": "KerasRepaired"},
    cases=_BLOCKS,
    catalogue=RESHAPING,
    combine=combined,
)

pre_activation = CasesTask(
    "pre_activation",
    "write a v2 block on a blank page",
    BUILD,
    3,
    (20, 30),
    (
        "Begin with your block of exercise 02, the one with a projection. List what changes: the order, the widths, the "
        "shortcut.",
        "How many channels does each BN see? Which signal goes into the projection, and which on where there is none? What "
        "stands behind the projection, and what behind the sum?",
        "bn1 has in_channels. The activated input goes into conv1 and, where the shape changes, into a bare 1×1 convolution "
        "with the stride; elsewhere x itself is added. Nothing follows the addition.",
    ),
    {"pytorch": "MyPreBlock", "tensorflow": "MyKerasPreBlock"},
    keeps=True,
    cases=_BLOCKS,
    catalogue=RESHAPING,
    combine=combined,
)

network = CasesTask(
    "network",
    "transfer: a small v2 network, from stem to logits",
    BUILD,
    4,
    (25, 40),
    (
        "Section 2 lists the three places that need care. Which of them does your block of task 5 know nothing of?",
        "The first block keeps its shape, and its shortcut carries the activated signal all the same: what could tell your block "
        "that it is the first? And what activates the last sum?",
        "The stem is one 3×3 convolution, and no more. Then three blocks, the first with its split behind its own activation: "
        "one more argument says so. Then BN, ReLU, the mean over the map and a dense layer. No softmax.",
    ),
    {"pytorch": "MyPreNet", "tensorflow": "MyKerasPreNet"},
    # Numbers that nobody has written into a network by habit.
    cases=[NetworkCase((2, 4, 5), blocks.network(2, 4, 5))],
    catalogue=NETWORK,
)


_miscount = partial(of_a_value, why=COUNTS_TELL, section=BUILD)


_INS, _OUTS = 16, 64
_V1, _V2 = 6 * _OUTS, 2 * _INS + 2 * _OUTS
_WEIGHTS = 9 * _INS * _OUTS + 9 * _OUTS * _OUTS + _INS * _OUTS
_STAGES = (16, 32, 64)
_FEWER = 2 * sum(_STAGES[1:])
_HALF = _miscount("half_of_bn", "half of BN's parameters are missing", "A BN has two for each channel: γ and β.")
_RUNNING = _miscount(
    "counted_running_statistics", "running statistics counted", "They are tensors, and no parameters: no gradient changes them."
)  # fmt: skip
_NO_PROJECTION = _miscount(
    "forgot_projection_bn", "the projection's BN forgotten", "In v1 a BN follows the projection as it follows every convolution."
)  # fmt: skip
_PROJECTION = _miscount(
    "counted_projection_bn", "a BN behind v2's projection counted", "In v2 the projection is a convolution alone."
)
_WIDTH = _miscount(
    "bn_width_of_v1",
    "the first BN counted with the block's own channels",
    "It stands in front of the first convolution, so it has the channels of the block's input.",
)
_NOTHING_LOST = _miscount(
    "nothing_lost",
    "all BNs taken to have moved",
    "The BNs of stem and branches have moved, each to the place behind it. Those of the projections have nowhere to go.",
)
_STEM = _miscount(
    "counted_stem",
    "one BN too many counted as lost",
    "The stem's BN has moved into the first block. And the first stage of this network has no projection: its basic blocks "
    "keep the stem's channels.",
)
_FORGOT_STEM = _miscount(
    "forgot_stem_bn",
    "the stem's BN forgotten",
    "v1 has one behind its stem, which v2 has not: it has moved into the first block.",
)
_FORGOT_END = _miscount(
    "forgot_final_bn",
    "the final BN forgotten",
    "v2's blocks have the BNs in front of their convolutions; behind the last block one more follows.",
)
_CONVOLUTIONS = _miscount(
    "counted_convolutions",
    "the convolutions' weights counted, too",
    "Asked are the parameters in BN layers: γ and β. The convolutions are the same in both blocks.",
)
_TURNED = _miscount(
    "other_way_round",
    "subtracted the other way round",
    "Asked is how many parameters fewer v2 has, which is a positive number.",
)
_END = _miscount(
    "counted_end",
    "the final BN taken for an additional one",
    "It is the last BN of the last block, moved behind the sum: the number of BNs stays the same but for the projections'.",
)
count = ValueTask(
    "count",
    "count where the parameters went",
    BUILD,
    2,
    (8, 12),
    (
        "Draw the two blocks, and write at each BN how many channels it sees.",
        "A BN has two parameters a channel. v1's block has three BNs, all of the block's own width; v2's has two, and the "
        "first sees the block's input. In a whole network the stem's BN has not vanished, only moved.",
        "v1: 3 · 2·64. v2: 2·16 + 2·64. In the network only the BNs of the projections are lost, and there is one projection "
        "at the beginning of the second stage and one at that of the third.",
    ),
    {"": "parameters"},
    answers={"v1 block": _V1, "v2 block": _V2, "network": _FEWER},
    wrong={
        "v1 block": {
            _V1 // 2: _HALF,
            2 * _V1: _RUNNING,
            4 * _OUTS: _NO_PROJECTION,
            _V1 + _WEIGHTS: _CONVOLUTIONS,
        },
        "v2 block": {
            _V2 // 2: _HALF,
            2 * _V2: _RUNNING,
            _V2 + 2 * _OUTS: _PROJECTION,
            4 * _OUTS: _WIDTH,
            6 * _OUTS: (_WIDTH, _PROJECTION),
            _V2 + _WEIGHTS: _CONVOLUTIONS,
        },
        "network": {
            0: _NOTHING_LOST,
            _FEWER // 2: _HALF,
            2 * _FEWER: _RUNNING,
            2 * sum(_STAGES): _STEM,
            _FEWER - 2 * _STAGES[-1]: _END,
            2 * _STAGES[0]: (_NOTHING_LOST, _STEM),
            _FEWER - 2 * _STAGES[0]: _FORGOT_STEM,
            _FEWER + 2 * _STAGES[-1]: _FORGOT_END,
            _FEWER - 2 * _STAGES[0] + 2 * _STAGES[-1]: (_FORGOT_STEM, _FORGOT_END),
            -_FEWER: _TURNED,
        },
    },
)

_NO_TENSORS = of_a_value(
    "values_take_part",
    "copying taken to look at what is computed",
    "Only names and shapes of tensors are compared. Where a ReLU stands and which signal goes where has no tensor.",
    "So the weights go in, and the network computes something else: section 7's networks P and R.",
    WRONG,
)
_TENSORS = of_a_value(
    "tensors_overlooked",
    "a BN taken for something without tensors",
    "A BN has four tensors: γ, β and two running statistics. One too many or too few, and the weights do not fit.",
    "It is the lucky kind of slip: whoever loads weights is told, as with section 7's network Q.",
    WRONG,
)
_SLIPS = {
    "projections fed the raw input": "fits",
    "a BN behind each projection": "refused",
    "a ReLU behind each addition": "fits",
    "no BN and ReLU at the end": "refused",
    "the first shortcut carries the raw input": "fits",
}
predict = ValueTask(
    "predict",
    "predict which slips published weights would find",
    WRONG,
    2,
    (8, 12),
    (
        "Write down for each slip which tensors the network has more or less than the correct one.",
        "Names and shapes decide. Which of the five changes the list of tensors, and which only what is done with them?",
        "Two of the five concern BNs, which have tensors; the three others move or add what has none.",
    ),
    {"": "prediction"},
    choices=("fits", "refused"),
    answers=_SLIPS,
    wrong={
        slip: {"refused": _NO_TENSORS} if outcome == "fits" else {"fits": _TENSORS} for slip, outcome in _SLIPS.items()
    },
)

TASKS: tuple[Task, ...] = (two_lines, count, turn, repair, pre_activation, predict, network)
