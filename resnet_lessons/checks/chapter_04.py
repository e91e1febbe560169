"""The tasks of chapter 04: the stride of a bottleneck, and weights that are carried somewhere else.

>>> from resnet_lessons.checks import chapter_04 as ex
>>> ex.count.check(None)
○ count: not attempted
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from . import stride_blocks as blocks
from . import weight_layouts as weights
from .cases import Case, CasesTask
from .function_task import FunctionTask
from .mistakes import COUNTS_TELL, Section, of_a_value
from .stride_mistakes import AVERAGING, BUILD, COST, LAB, MOVE, MOVED, OTHER, PIXELS, WHICH, WRONG, combined
from .task import Task, ValueTask
from .unnamed_blocks import unnamed_blocks
from .wiring import Reference

__all__ = [
    "TASKS",
    "averaging",
    "count",
    "move",
    "predict",
    "repair",
    "to_keras",
    "to_pytorch",
    "unnamed_blocks",
    "which",
]


class _Shape(Case):
    def __str__(self) -> str:
        """Such as "8 channels in, width 3, stride 2"."""
        ins, width, stride = self.arguments
        return f"{ins} channels in, width {width}, stride {stride}"


class _OddShape(_Shape):
    def __str__(self) -> str:
        """Such as "8 channels in, width 3, stride 2, maps of 7×9"."""
        _, height, width = self.reference.in_shape
        return f"{super().__str__()}, maps of {height}×{width}"


def _odd(make: Callable[[int, int, int], Reference]) -> tuple[_Shape, ...]:
    # Zeros on two sides alone are right on some even maps, and on no odd one.
    return (_OddShape((8, 3, 2), replace(make(8, 3, 2), in_shape=(8, 7, 9))),)


def _shapes(make: Callable[[int, int, int], Reference]) -> tuple[_Shape, ...]:
    # What shows most comes first. Channels in, width and channels out are three numbers.
    return tuple(_Shape(shape, make(*shape)) for shape in ((8, 3, 2), (8, 3, 1)))


move = CasesTask(
    "move",
    "move the stride",
    MOVE,
    1,
    (5, 8),
    (
        "Which convolution has the stride now, and which should have it? The shortcut is not concerned.",
        "The first 1×1 then works on the whole map, and the 3×3 halves it. In Keras: is the zero still where it was, once "
        "that layer strides?",
        "Two layers change: the first 1×1 gets a stride of 1, the 3×3 gets the block's. In Keras the 3×3 gets its zeros by "
        "hand as well, one on either side, and no padding of its own.",
    ),
    {"pytorch": "Moved", "tensorflow": "KerasMoved"},
    cases=_shapes(blocks.v1_5_bottleneck),
    catalogue=MOVED,
    combine=combined,
    then=_odd(blocks.v1_5_bottleneck),
)

repair = CasesTask(
    "repair",
    "repair a block whose stride was moved in a hurry",
    WRONG,
    2,
    (10, 15),
    (
        "One mistake is loud: run the block at stride 2 and read which two shapes do not fit. The other is silent.",
        "The stride of the whole block has to be taken by both ways. And for the silent one: where do the windows of the 3×3 "
        "begin on an even map? Compare with chapter 04, section 3.",
        "The projection needs the block's stride. The 3×3 needs one zero on every side, at stride 2 as at stride 1.",
    ),
    {"pytorch": "Repaired", "tensorflow": "KerasRepaired"},
    cases=_shapes(blocks.v1_5_bottleneck),
    catalogue=MOVED,
    combine=combined,
    then=_odd(blocks.v1_5_bottleneck),
)

averaging = CasesTask(
    "averaging",
    "transfer: a shortcut that drops nothing",
    LAB,
    4,
    (20, 30),
    (
        "Begin with your block of task 1. Only the shortcut changes, and only where the stride is not 1. Draw it with its "
        "shapes.",
        "Which layer shrinks the map now, and what is left for the 1×1 to do? Does your pool do anything where the stride "
        "is 1?",
        "On the shortcut: average windows of stride × stride pixels that move by stride, then the 1×1 with stride 1, then BN. "
        "At stride 1 such a window is one pixel, and the average the pixel itself.",
    ),
    {"pytorch": "Averaging", "tensorflow": "KerasAveraging"},
    cases=_shapes(blocks.averaging_bottleneck),
    catalogue=AVERAGING,
    combine=combined,
)


# layer4.0 of a ResNet-50 on images of 208×208: 13×13 positions in, 7×7 out.
_INS, _WIDTH, _OUTS, _LARGE, _SMALL = 1024, 512, 2048, 13 * 13, 7 * 7
_REST = 9 * _WIDTH * _WIDTH + _WIDTH * _OUTS  # of a 3×3 and the last 1×1, for each position that they put out
_PROJECTION = _INS * _OUTS
_V1 = (_INS * _WIDTH + _REST) * _SMALL
_V15 = _INS * _WIDTH * _LARGE + _REST * _SMALL


_UNREAD = _LARGE - _SMALL
_VERSIONS_MIXED_UP = of_a_value(
    "versions_mixed_up", "v1 and v1.5 mixed up", "v1 strides in its first 1×1, v1.5 in its 3×3.", COUNTS_TELL, MOVE
)
_WITH_SHORTCUT = of_a_value(
    "projection_counted", "the projection counted as well",
    "Asked is the branch. (The projection costs the same in both versions, so it does not change the difference.)",
    COUNTS_TELL, COST,
)  # fmt: skip
_KERNEL_OF_1 = of_a_value(
    "kernel_counted_as_1", "the 3×3 counted as a 1×1",
    "A 3×3 multiplies nine times for each pair of channels and each position of its output.", COUNTS_TELL, COST,
)  # fmt: skip
_WEIGHTS = of_a_value(
    "counted_weights", "weights counted, not multiply-adds",
    "Each weight of a convolution is used once for every position of its output.", COUNTS_TELL, COST,
)  # fmt: skip
_FLOPS = of_a_value(
    "flops_for_macs", "operations counted, not multiply-adds",
    "A multiply-add is a multiplication and an addition. Counted apart they are two operations, and the number is twice as "
    "large.",
    "Papers and libraries count either way, and call both FLOPs. A network that seems to cost twice as much as it should was "
    "often counted the other way.",
    COST,
)  # fmt: skip
_SAME_WEIGHTS = of_a_value(
    "same_weights_same_cost", "the same weights taken to cost the same",
    "No tensor changes, but one of the layers runs on another number of positions.",
    "“Zero extra cost” is said of the move in public: of parameters it is true, of multiply-adds it is not.", COST,
)  # fmt: skip
_INPUT_COUNTED = of_a_value(
    "counted_at_input", "a strided convolution counted on the map that it is given",
    "A convolution computes what it puts out: at stride 2 it is evaluated at every second position only.",
    "So the 3×3 costs the same in both versions, and only what stands in front of it pays.", COST,
)  # fmt: skip
_ROUNDED_DOWN = of_a_value(
    "rounded_down", "an odd map halved and rounded down",
    "Seven positions come of thirteen: rows 0, 2, 4 … 12.",
    "Image sizes that are no multiples of 32 have odd maps somewhere, and counts from even ones are then off.", PIXELS,
)  # fmt: skip
_THREE_QUARTERS = of_a_value(
    "three_quarters", "three quarters of the map, whatever its size",
    "On an even map every second row is half of them; an odd one has one more that is read.",
    "“A quarter is read” is a rule for even maps.", PIXELS,
)  # fmt: skip
_READ = of_a_value(
    "counted_the_read", "the pixels that are read counted", "Asked is how many are never read.", COUNTS_TELL, PIXELS
)
_SHORTCUT_MOVED = of_a_value(
    "shortcut_moved", "the shortcut taken to read all since the branch does",
    "Only the branch's stride moves. The projection is a 1×1 with stride 2 in both versions.",
    "It is the paper's design (He et al. 2015, section 3.3), was reported to torchvision as a bug, and is what ResNet-D changed.",
    PIXELS,
)  # fmt: skip
count = ValueTask(
    "count",
    "count what the move costs and what is never read",
    COST,
    2,
    (8, 12),
    (
        "Write down, for each of the three convolutions and each version, on how many positions it is evaluated: those of its "
        "output.",
        "13×13 or 7×7? All three put out 7×7 but one, in one version. Weights times positions is the cost. And a 1×1 with "
        "stride 2 reads rows 0, 2, 4 … of columns 0, 2, 4 …",
        "v1: every product of channels (the 3×3 times 9) is multiplied by 49. v1.5: the first 1×1's by 169. Read are 7 rows "
        "of 7 pixels by v1, and by the projection in either version.",
    ),
    {"": "numbers"},
    answers={"v1": _V1, "v1.5": _V15, "unread by v1": _UNREAD, "unread by v1.5's shortcut": _UNREAD},
    wrong={
        "v1": {
            _V15: _VERSIONS_MIXED_UP,
            _V1 + _PROJECTION * _SMALL: _WITH_SHORTCUT,
            _V1 - 8 * _WIDTH * _WIDTH * _SMALL: _KERNEL_OF_1,
            _INS * _WIDTH + _REST: _WEIGHTS,
            2 * _V1: _FLOPS,
            (_INS * _WIDTH + _REST) * _LARGE: _INPUT_COUNTED,
            (_INS * _WIDTH + _REST) * 36: _ROUNDED_DOWN,
        },
        "v1.5": {
            _V1: _SAME_WEIGHTS,
            _V15 + _PROJECTION * _SMALL: _WITH_SHORTCUT,
            _V15 - 8 * _WIDTH * _WIDTH * _SMALL: _KERNEL_OF_1,
            _INS * _WIDTH + _REST: _WEIGHTS,
            2 * _V15: _FLOPS,
            _V15 + 9 * _WIDTH * _WIDTH * _UNREAD: _INPUT_COUNTED,
            _INS * _WIDTH * _LARGE + _REST * 36: _ROUNDED_DOWN,
        },
        "unread by v1": {
            _SMALL: _READ,
            _LARGE - 36: _ROUNDED_DOWN,
            **dict.fromkeys((126, 126.75, 127), _THREE_QUARTERS),
            0: _VERSIONS_MIXED_UP,
        },
        "unread by v1.5's shortcut": {
            0: _SHORTCUT_MOVED,
            _SMALL: _READ,
            _LARGE - 36: _ROUNDED_DOWN,
            **dict.fromkeys((126, 126.75, 127), _THREE_QUARTERS),
        },
    },
    follows={_VERSIONS_MIXED_UP.key: {_SAME_WEIGHTS.key}},  # the two numbers swapped
)

_STRIDE_MIXED_UP = of_a_value(
    "stride_mixed_up", "the holes of v1 looked for in v1.5",
    "A strided 1×1 in front leaves three quarters of the map unread, on both ways. A strided 3×3 reads all of it.",
    "Swapped versions mean swapped weights: they load, and give wrong answers.", PIXELS,
)  # fmt: skip
_PLACE = of_a_value(
    "windows_not_placed", "which pixels are read was looked at, and not by which output",
    "Every pixel is read in this block, as in v1.5. But one pixel of the output reads a window that lies elsewhere.",
    "Weights of a v1.5 network load into such a block, and it computes something else on even maps.", WRONG,
)  # fmt: skip
_SIGN = of_a_value(
    "end_not_looked_at", "the end of the block was not looked at",
    "The stride of v2 sits on the 3×3, as in v1.5, so the pixels do not tell the two apart. What follows the addition does.",
    "A network of one version cannot use the other's weights at all, and both are called ResNet-50.", WHICH,
)  # fmt: skip
_NO_NEGATIVE = of_a_value(
    "negative_not_looked_for", "called v2, though no output is negative",
    "In v2 nothing follows the addition, so about half of a random block's outputs are negative.",
    "A network of one version cannot use the other's weights at all, and both are called ResNet-50.", WHICH,
)  # fmt: skip
_KNOWN_ONE = of_a_value(
    "known_one_not_recognised", "a block of the paper's taken for something else",
    "Everything that this block does is what the chapter says of one of the three.",
    "“None” is a strong claim: it needs a probe that none of the three would give.", WHICH,
)  # fmt: skip
which = ValueTask(
    "which",
    "say which version four blocks are",
    WHICH,
    3,
    (15, 25),
    (
        "What may a block of each version put out, and what of its input does it read? Find one probe for each difference; a "
        "gradient says what is read.",
        "Negative outputs tell v2. The gradient of the summed output with respect to the map is zero where nothing is read. "
        "Two of the blocks read every pixel and put out nothing negative: ask each which pixels a single output pixel reads.",
        "Sum the output over images and channels at one position inside the map, such as row 1, column 1, and print for "
        "which pixels of the input the gradient is not zero. In v1.5 a window is centred on row 2, column 2.",
    ),
    {"": "versions"},
    choices=("v1", "v1.5", "v2", "none"),
    answers={"A": "v1.5", "B": "none", "C": "v1", "D": "v2"},
    wrong={
        "A": {"v1": _STRIDE_MIXED_UP, "v2": _NO_NEGATIVE, "none": _KNOWN_ONE},
        "B": {"v1": _STRIDE_MIXED_UP, "v1.5": _PLACE, "v2": _NO_NEGATIVE},
        "C": {"v1.5": _STRIDE_MIXED_UP, "v2": _NO_NEGATIVE, "none": _KNOWN_ONE},
        "D": {"v1": _SIGN, "v1.5": _SIGN, "none": _KNOWN_ONE},
    },
)

to_keras = FunctionTask(
    "to_keras",
    "carry weights from PyTorch to Keras",
    BUILD,
    2,
    (15, 25),
    (
        "Write down the axes of each array by name on both sides, (out, in, height, width) and so on. Which axis goes where?",
        "np.transpose takes, for each new axis, the number of the old one that comes there. A reshape gives the shape and "
        "mixes the numbers; .T reverses all axes. BN's four arrays only change their names.",
        "A kernel's new axes are the old ones 2, 3, 1, 0; a dense one's are 1, 0. BN: weight, bias, running_mean, "
        "running_var, in this order, and nothing else.",
    ),
    {"": "to_keras"},
    right=weights.to_keras,
    calls=weights.TO_KERAS_CALLS,
    catalogue=weights.TO_KERAS,
    effect=weights.keras_effect,
)
to_pytorch = FunctionTask(
    "to_pytorch",
    "and back again",
    BUILD,
    2,
    (8, 12),
    (
        "The way back is the inverse of the way there. Is the inverse of a permutation the permutation itself?",
        "Write (height, width, in, out) over the old axes 0, 1, 2, 3, and under them the order that you need.",
        "out is axis 3, in is axis 2, height 0, width 1. The names are those that the other function was given.",
    ),
    {"": "to_pytorch"},
    right=weights.to_pytorch,
    calls=weights.TO_PYTORCH_CALLS,
    catalogue=weights.TO_PYTORCH,
    also=({"counter": True},),  # some write the state dict's sixth tensor as well
    effect=weights.pytorch_effect,
)

_NAMES_DECIDE = of_a_value(
    "loading_compares_more", "loading taken to notice a stride",
    "What is loaded are names and shapes. A stride and a padding are settings of a layer, and no tensor holds them.",
    "This is why the mistake is silent: no check on names or shapes can find it.", OTHER,
)  # fmt: skip
_WEIGHTS_DECIDE = of_a_value(
    "weights_taken_for_function", "the same weights taken for the same function",
    "The 3×3 has direct neighbours in one version and every second pixel in the other.",
    "It has happened to a published library, and its tests passed (chapter 04, section 5).", OTHER,
)  # fmt: skip
_V2_FITS = of_a_value(
    "v2_taken_to_fit", "v2 taken to have v1.5's tensors",
    "In v2 a BN stands in front of each convolution and has that one's input channels; and the projection has no BN.",
    "Here the shapes do tell, and strict loading refuses: the kind of failure one wishes for.", WHICH,
)  # fmt: skip
_LAST_STRIDE = of_a_value(
    "last_stride_taken_to_matter", "the stride of the last 1×1 taken to change the values",
    "Behind the 3×3, BN and ReLU in evaluation mode and a 1×1 work on each position by itself. Whether three quarters of the "
    "positions are dropped before or after them changes the cost, and no number that is left.",
    "Two networks can compute the same at different cost. Training tells them apart: BN's statistics are then taken over other "
    "positions.",
    WRONG,
)  # fmt: skip
_SAME_LITERALLY = of_a_value(
    "same_taken_literally", "“same” padding taken for one zero on either side",
    "On an even map, at stride 2, its only zero stands behind: every window lies one pixel further.",
    "Nothing fails, and every strided block computes something else.", WRONG,
)  # fmt: skip
_ODD_FORGOTTEN = of_a_value(
    "odd_maps_forgotten", "“same” padding taken to differ on every map",
    "On an odd map, at stride 2, a 3×3 needs two zeros, and “same” puts one on either side.",
    "A test on an odd map finds nothing; that is how the difference stays hidden.",
    Section("02_shortcut_projection", 4, "A trap: “same” is not the same"),
)  # fmt: skip
predict = ValueTask(
    "predict",
    "predict what weights do in a block that is not theirs",
    OTHER,
    3,
    (8, 12),
    (
        "Ask two things of each: has the block the same tensors, and does every output read the same pixels with them?",
        "Which of the changes are settings of a layer, and which change a shape? For those that load, follow one output pixel "
        "back: what stands between it and the pixels that its 3×3 reads?",
        "Only v2 has other tensors. A stride that moves behind the 3×3 changes nothing that is read, one that moves in front "
        "of it does. And “same” differs where the number of zeros is odd.",
    ),
    {"": "prediction"},
    choices=("refused", "same", "differs"),
    answers={
        "v1": "differs",
        "v2": "refused",
        "stride in the last 1×1": "same",
        "same padding, 8×8": "differs",
        "same padding, 7×7": "same",
    },
    wrong={
        "v1": {"refused": _NAMES_DECIDE, "same": _WEIGHTS_DECIDE},
        "v2": {"same": _V2_FITS, "differs": _V2_FITS},
        "stride in the last 1×1": {"refused": _NAMES_DECIDE, "differs": _LAST_STRIDE},
        "same padding, 8×8": {"refused": _NAMES_DECIDE, "same": _SAME_LITERALLY},
        "same padding, 7×7": {"refused": _NAMES_DECIDE, "differs": _ODD_FORGOTTEN},
    },
)

TASKS: tuple[Task, ...] = (move, count, repair, which, to_keras, to_pytorch, predict, averaging)
