"""The tasks of chapter 01: the basic block.

>>> from resnet_lessons.checks import chapter_01 as ex
>>> ex.basic_block.check(None)
○ basic_block: not attempted
"""

from __future__ import annotations

from functools import partial

from . import structure
from .basic_mistakes import BASIC, FOUR, PICTURE, PROJECTION, WRONG
from .blocks import basic_block as basic_reference
from .blocks import residual_mlp as mlp_reference
from .mistakes import COUNTS_TELL, Mistake, Section, of_a_value
from .task import BlockTask, Task, ValueTask

CHAPTER = "01_basic_block"
BLOCK = (*structure.LAYERS, *structure.CONVOLUTIONS, *BASIC, PROJECTION)
BUILD = Section(CHAPTER, 3, "Build it")
PROVE = Section(CHAPTER, 5, "Prove it")

two_lines = BlockTask(
    "two_lines",
    "complete the last two lines of a basic block",
    PICTURE,
    1,
    (3, 5),
    (
        "What the layers made is in `out`. The block's input is still in `x`.",
        "One line puts the two together, one line follows. Look at the end of the picture in section 2.",
        "First the sum of `out` and `x`; then the ReLU of the sum, which is returned.",
    ),
    {"pytorch": "TwoLines", "tensorflow": "KerasTwoLines"},
    reference=basic_reference(),
    catalogue=BLOCK,
)

repair = BlockTask(
    "repair",
    "find and repair two mistakes in a block",
    WRONG,
    2,
    (10, 15),
    (
        "One mistake is in what the block computes, one in what its layers have.",
        "Follow the shortcut: which value is added at the end, and what was x when it was saved? Then count the parameters: "
        "8 channels should give 1,184.",
        "The addition has to take the block's own input. And a layer in front of BN needs no bias.",
    ),
    {"pytorch": "Repaired", "tensorflow": "KerasRepaired"},
    reference=basic_reference(),
    catalogue=BLOCK,
)

basic_block = BlockTask(
    "basic_block",
    "write a basic block on a blank page",
    BUILD,
    3,
    (15, 25),
    (
        "Draw it first: two paths from x to the sum, one of them empty. Where does each ReLU stand, and each BN?",
        "Four layers with weights: convolution, BN, convolution, BN. Check padding and bias of the convolutions, and in Keras "
        "the two arguments of BN.",
        "relu(x + branch(x)), where branch is convolution, BN, ReLU, convolution, BN, and ends without a ReLU.",
    ),
    {"pytorch": "MyBlock", "tensorflow": "MyKerasBlock"},
    keeps=True,
    reference=basic_reference(),
    catalogue=BLOCK,
)


_miscount = partial(of_a_value, why=COUNTS_TELL, section=PROVE)


_BIAS = _miscount("counted_biases", "biases counted", "The convolutions have none: BN would subtract them again.")
_RUNNING = _miscount(
    "counted_running_statistics",
    "running statistics counted",
    "They are tensors, and no parameters: no gradient changes them.",
)
_HALF_OF_BN = _miscount(
    "half_of_bn",
    "half of BN's parameters are missing",
    "Each of the two BN layers has two trainable numbers for every channel. (Biases of the convolutions come to the same "
    "number. There are none.)",
)
_BN_BY_LAYER = _miscount(
    "bn_by_layer",
    "BN's parameters counted by layer",
    "A BN has its γ and β for each channel, not once for all of them.",
)
_KERNEL_OF_3 = _miscount("kernel_of_3", "a 3×3 kernel taken for three weights", "It has three rows of three.")
_NO_BN = _miscount("forgot_bn", "BN forgotten", "Each BN has a γ and a β for every channel.")
_ONE_CONV = _miscount("counted_one_convolution", "one convolution counted", "The block has two of them.")
_ONE_CHANNEL = _miscount(
    "forgot_input_channels",
    "input channels forgotten",
    "Each output channel of a convolution has a 3×3 kernel for each input channel.",
)

_C = 32
_WEIGHTS, _BN = 2 * 9 * _C * _C, 2 * 2 * _C
count = ValueTask(
    "count",
    "count the parameters of a block by hand",
    PROVE,
    2,
    (5, 10),
    (
        "Which of the block's layers have trainable parameters at all? Four.",
        "A 3×3 convolution from C to C channels has 3·3·C·C weights; a BN has two trainable numbers a channel.",
        "2 · 3·3·32·32 for the convolutions, and 2 · 2·32 for the BN layers: add them up.",
    ),
    {"": "parameters"},
    answers={"parameters": _WEIGHTS + _BN},
    wrong={
        "parameters": {
            _WEIGHTS + _BN + 2 * _C: _BIAS,
            _WEIGHTS + 2 * _BN: _RUNNING,
            _WEIGHTS: _NO_BN,
            (_WEIGHTS + _BN) // 2: _ONE_CONV,
            _WEIGHTS // 2 + _BN: _ONE_CONV,
            _WEIGHTS + _BN // 2: _HALF_OF_BN,
            _WEIGHTS + 4: _BN_BY_LAYER,
            _WEIGHTS // 3 + _BN: _KERNEL_OF_3,
            _WEIGHTS + 2 * _BN + 2 * _C: (_BIAS, _RUNNING),
            _WEIGHTS // 3: (_KERNEL_OF_3, _NO_BN),
            _WEIGHTS // 2: (_ONE_CONV, _NO_BN),
            2 * 9 * _C + _BN: _ONE_CHANNEL,
        }
    },
)


_misconception = partial(of_a_value, section=FOUR)


_FORGOT_LAST_RELU = _misconception(
    "forgot_last_relu",
    "the last ReLU forgotten",
    "The ReLU after the addition also meets what the shortcut carries.",
    "It is why a v1 block is an identity on inputs without negative values only.",
)
_SILENT_IS_ZERO = _misconception(
    "silent_is_zero",
    "a silent branch taken for a silent block",
    "With γ = β = 0 the branch gives zero, and the shortcut still carries x.",
    "That is the whole point of the block: doing nothing takes no learning.",
)
_BRANCH_REPEATS = _misconception(
    "branch_repeats_x",
    "a silent branch taken for an identity",
    "With γ = β = 0 the last BN puts out zeros, and not its input: nothing of x comes through the branch.",
    "An identity in the branch would have to be learned by two convolutions; zeros are a matter of γ and β.",
)
predict = ValueTask(
    "predict",
    "predict what a block with a silent branch puts out",
    FOUR,
    2,
    (8, 12),
    (
        "Write relu(x + F(x)), and put in what F(x) is.",
        "With γ = β = 0 in the last BN, F(x) = 0 whatever the convolutions do. What does the last ReLU do to x?",
        "relu(x) is x where x is not negative, and 0 elsewhere. Without the addition nothing of x would be left.",
    ),
    {"": "prediction"},
    answers={"input not negative": {"x", "relu(x)"}, "input with negative values": "relu(x)", "no shortcut": "0"},
    choices=("x", "relu(x)", "2x", "0"),
    wrong={
        "input not negative": {"0": _SILENT_IS_ZERO, "2x": _BRANCH_REPEATS},
        "input with negative values": {"x": _FORGOT_LAST_RELU, "0": _SILENT_IS_ZERO, "2x": _BRANCH_REPEATS},
        "no shortcut": {"x": _BRANCH_REPEATS, "relu(x)": _BRANCH_REPEATS, "2x": _BRANCH_REPEATS},
    },
)

_REPEATED = Mistake(
    "one_block_repeated",
    "one block, used three times",
    "All three use the same weights: the network has a third of the parameters.",
    "<code>[block] * 3</code> repeats a reference. A deeper network with shared weights is another model (a recurrent one).",
    BUILD,
    edits=[{"one_block_repeated": True}],
)
_ONE_SHORTCUT = Mistake(
    "one_shortcut",
    "one shortcut spans the whole chain",
    "The input is added once, at the end of the last block. In between are plain blocks.",
    "Each block should find it easy to change nothing. Here only all three together could.",
    BUILD,
    edits=[{"one_shortcut": True}],
)
residual_mlp = BlockTask(
    "residual_mlp",
    "transfer: three residual blocks of dense layers",
    BUILD,
    4,
    (25, 40),
    (
        "Nothing in the idea needs convolutions: what is F(x) if the layers are dense?",
        "Write one block as a class, with a dense layer in place of each convolution, then a chain of three. How does your "
        "framework learn of the three?",
        "relu(x + BN(dense(relu(BN(dense(x)))))), three times, each with layers of its own, in nn.Sequential or nn.ModuleList "
        "(in Keras a plain list will do).",
    ),
    {"pytorch": "ResidualMLP", "tensorflow": "KerasResidualMLP"},
    reference=mlp_reference(),
    # A concatenation in a chain makes the next block's layers wider: seen as their shape, not by name.
    catalogue=(*structure.LAYERS, *(m for m in BASIC if m.key != "concatenation"), _REPEATED, _ONE_SHORTCUT),
)

TASKS: tuple[Task, ...] = (two_lines, count, repair, basic_block, predict, residual_mlp)
