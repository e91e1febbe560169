"""What goes wrong in a pre-activation block, and at the two ends of a network of such blocks.

An edit names fields of `preactivation_blocks`. What a v2 shortcut shares with a v1 shortcut is chapter 02's catalogue, and what
any block can have, chapter 01's.
"""

from __future__ import annotations

from dataclasses import replace

from . import structure
from .basic_mistakes import BASIC
from .evidence import Evidence
from .mistakes import Mistake, Section
from .shortcut_mistakes import (
    BRANCH_UNSTRIDED,
    DROPPED,
    EVERYWHERE,
    IGNORED,
    KERNEL_3,
    MISSING,
    ONLY_IF_BOTH,
    ONLY_IF_CHANNELS,
    ONLY_IF_STRIDE,
    RECTIFIED,
    REPEATED,
    SAME_PADDING,
    SHRINKS,
    TWICE,
    UNSTRIDED,
    WRONG_CONVOLUTION,
    ZEROS,
)  # fmt: skip

CHAPTER = "05_pre_activation"
BOOKS = Section(CHAPTER, 1, "Do the books balance?")
PICTURE = Section(CHAPTER, 2, "The idea in a picture")
BUILD = Section(CHAPTER, 3, "Build it")
ORDERS = Section(CHAPTER, 4, "Five orders of the same operations")
WRONG = Section(CHAPTER, 7, "What goes wrong")
AUTOPSY = Section(CHAPTER, 9, "Autopsy")
_V2 = '<a href="https://arxiv.org/abs/1603.05027" target="_blank" rel="noopener">He et al. 2016</a>'


def biased_convolutions(evidence: Evidence) -> str:
    """The same as `structure.biased`, and a dense layer may have its bias."""
    found = {use.layer.name: use.layer for use in evidence.partial if use.layer.kind == "conv"}.values()
    count = sum(layer.shape[0] for layer in found if "bias" in layer.tensors)
    return f"Your convolutions have {count} trainable parameters that the reference does not have." if count else ""


def bn_of_another_width(evidence: Evidence) -> str:
    """A BN that raises when it is first run; one that raises later serves two layers."""
    if evidence.error is None or not evidence.partial:
        return ""
    *before, last = evidence.partial
    layer, width = last.layer, last.layer.shape[0]
    if layer.kind != "bn" or last.out_shape or last.in_shape[1] == width or any(u.layer is layer for u in before):
        return ""
    return f"{layer.name} is made for {width} channels and is given {last.in_shape[1]}."


RELU_AFTER = Mistake(
    "relu_after_addition",
    "a ReLU follows the addition",
    "Nothing that the block puts out is negative: what the shortcut carries is cut off at 0 along with the branch.",
    f"That ReLU is v1's. With nothing behind the addition, what leaves a stage is what entered it plus the branches, exactly "
    f"({_V2}, equation 4); with it, the sum is broken at every block.",
    BOOKS,
    edits=[{"after": "ReLU"}],
)
IDENTITY_ACTIVATED = Mistake(
    "identity_fed_preactivation",
    "the shortcut carries the pre-activation where the shape stays",
    "What is added to the branch is not the block's input, but what BN and ReLU have made of it. In PyTorch the same comes about "
    "if the shortcut is the BN's output and an in-place ReLU then writes into it.",
    f"A BN and a ReLU now stand on every shortcut, and the clean path from block to block is gone ({_V2}, section 2). Only where "
    "the shape changes, and in the network's first block, the shortcut starts behind the activation.",
    PICTURE,
    edits=[{"identity_from": "the pre-activation"}],
)
PROJECTION_RAW = Mistake(
    "projection_fed_raw",
    "the projection is fed the raw input",
    "The first activation comes after the split: only the branch has it. Where the shape changes, the shortcut should have it, "
    "too.",
    f"In the paper the activation of such a block stands in front of both paths ({_V2}, appendix). Counts and shapes are the "
    "same either way, so weights from elsewhere load without a word and compute something else.",
    WRONG,
    "recorded in chapter 05, network R",
    edits=[{"projection_from": "the input"}],
)
SPLIT_BETWEEN = Mistake(
    "split_between",
    "the shortcut starts between BN and ReLU",
    "It carries a normalised signal that is not rectified.",
    f"Either the raw input travels on, or the activated one ({_V2}, figure 4e and appendix); none of its blocks does this.",
    PICTURE,
    edits=[
        {"projection_from": "the first BN"}, {"identity_from": "the first BN"},
        {"projection_from": "the first BN", "identity_from": "the first BN"},
    ],
)  # fmt: skip
SHORTCUT_RECTIFIED = Mistake(
    "in_place_relu",
    "the shortcut is rectified",
    "Where the shape stays, relu(x) is added instead of x. It shows only where an input is negative: in v1, where "
    "a ReLU stands in front of every block, there is no such input; in v2 there are many.",
    "An in-place ReLU does that to whatever still holds the tensor it writes into. Behind a BN it does no harm, since it writes "
    "into the BN's output; applied to the block's input it rectifies the shortcut, and in training PyTorch may refuse the step.",
    BOOKS,
    edits=[{"shortcut_relu": True}],
)
ACTIVATED_TWICE = Mistake(
    "activated_twice",
    "the first pre-activation is applied twice",
    "What has gone through the first BN and its ReLU goes through them once more. This comes about when the name of the input "
    "holds the activated signal already.",
    "Its running statistics become a mixture of two distributions, and fit neither at test time.",
    BUILD,
    edits=[{"first": "BN ReLU BN ReLU"}, {"first": "BN ReLU BN ReLU", "projection_from": "the first ReLU"}],
)
PROJECTION_BN = Mistake(
    "projection_with_bn",
    "a BN follows the projection",
    "In v2 the projection is a convolution alone: its input is normalised already.",
    "That is v1's shortcut. It has parameters for which published weights of v2 have no values: the 7,680 by which ResNet-50 "
    "differs between the versions.",
    BUILD,
    edits=[{"projection_bn": True}],
)
PROJECTION_RELU = replace(
    RECTIFIED,
    explanation="The shortcut then only adds: what is negative in the projected signal is lost before the sum.",
    why="Nothing but the projection stands on that shortcut; what comes next is the next block's own activation.",
    section=PICTURE,
)
EVERY_SHORTCUT = replace(
    EVERYWHERE,
    explanation="Where the shape stays, the shortcut should hand on x itself.",
    why="In v2 the clean path of identities is the point. A 1×1 convolution on every shortcut was measured, in v1's order: "
    f"ResNet-110 on CIFAR-10 errs in 12.22 % instead of 6.61 % ({_V2}, table 1).",
    section=BOOKS,
    edits=[{"projected": "everywhere"}, {"projected": "everywhere", "needless_from": "the input"}],
)
V1_BLOCK = Mistake(
    "v1_block",
    "this is v1's block",
    "Each BN and ReLU comes behind a convolution, and the last ReLU behind the addition.",
    f"It is the original of the paper's table 2: 6.61 % error with ResNet-110 on CIFAR-10, where full pre-activation has 6.37 % "
    f"({_V2}). It is another network; weights trained for one are of no use in the other.",
    PICTURE,
    edits=[
        {"first": "", "ending": "BN", "after": "ReLU", "projection_bn": True},
        {"first": "", "ending": "BN", "after": "ReLU"},
    ],
)  # fmt: skip
BN_AFTER_CONV = Mistake(
    "bn_after_conv",
    "BN follows the convolutions, as in v1",
    "The branch begins with a convolution of the bare sum and ends in a BN. Leaving out the ReLU behind the addition is not "
    "all of v2: the activations have to move in front.",
    "The sum is exact, but no activation stands in front of the first convolution, so between two blocks there is none at all "
    "(MobileNetV2's blocks are of this kind, arXiv 1801.04381).",
    PICTURE,
    edits=[{"first": "", "ending": "BN"}, {"first": "", "ending": "BN", "projection_bn": True}],
)
RELU_ONLY = Mistake(
    "relu_only",
    "this is ReLU-only pre-activation",
    "The ReLUs stand in front of the convolutions, and the BNs have stayed behind them.",
    f"It is one of the five orders that the paper compares, figure 4(d): 6.71 % with ResNet-110 where full pre-activation has "
    f"6.37 % ({_V2}, table 2). The convolutions then read a sum that nothing has normalised.",
    ORDERS,
    edits=[{"first": "ReLU", "ending": "BN"}, {"first": "ReLU", "ending": "BN", "projection_bn": True}],
)
RELU_BEFORE_ADDITION = Mistake(
    "relu_before_addition",
    "a ReLU ends the branch",
    "The branch can only add: no output is below what the shortcut carries.",
    f"With BN and ReLU behind both convolutions this is the paper's figure 4(c): 7.84 % with ResNet-110 on CIFAR-10, where full "
    f"pre-activation has 6.37 % ({_V2}, table 2). The signal can only grow from block to block (section 4.1).",
    ORDERS,
    edits=[
        {"ending": "ReLU"}, {"ending": "BN ReLU"},
        {"first": "", "ending": "BN ReLU"}, {"first": "", "ending": "BN ReLU", "projection_bn": True},
    ],
)  # fmt: skip
BN_AFTER_ADDITION = Mistake(
    "bn_after_addition",
    "a BN follows the addition",
    "It normalises what the shortcut carries along with the branch.",
    f"The paper's figure 4(b) does so, and is the worst of its five orders: 8.17 % with ResNet-110 on CIFAR-10 ({_V2}, table 2).",
    ORDERS,
    edits=[
        {"after": "BN"}, {"after": "BN ReLU"},
        {"first": "", "after": "BN ReLU"}, {"first": "", "after": "BN ReLU", "projection_bn": True},
    ],
)  # fmt: skip
RELU_BEFORE_BN = Mistake(
    "relu_before_bn",
    "the ReLU comes before the BN",
    "The convolution reads what BN has shifted below zero again, and the ReLU gets a signal that nothing has normalised.",
    f"Full pre-activation is BN, ReLU, convolution, in this order ({_V2}, figure 4e). The other way round it is another "
    "network, though not one tensor differs: published weights go in, and compute something else.",
    PICTURE,
    edits=[{"first": "ReLU BN"}, {"second": "ReLU BN"}, {"first": "ReLU BN", "second": "ReLU BN"}],
)
RELU_MISSING = Mistake(
    "relu_missing",
    "a ReLU is missing",
    "A convolution reads what BN puts out as it is, negative values among it.",
    "In evaluation mode BN only scales and shifts. Without the second ReLU the two convolutions can do no more than one; without "
    "the first, two blocks in a row have no activation between them.",
    PICTURE,
    edits=[{"first": "BN"}, {"second": "BN"}, {"first": "BN", "second": "BN"}],
)
BN_MISSING = Mistake(
    "bn_missing",
    "a BN is missing",
    "A ReLU gets its input at whatever scale it has.",
    f"In v2 every convolution of the branch reads a normalised signal; the paper presumes that this is why it regularises better "
    f"({_V2}, section 4.2). In front of the first convolution the sum of all blocks before comes in, and it grows "
    "with the depth.",
    PICTURE,
    edits=[{"first": "ReLU"}, {"second": "ReLU"}, {"first": "ReLU", "second": "ReLU"}],
)
ACTIVATION_MISSING = Mistake(
    "activation_missing",
    "a convolution has neither BN nor ReLU in front of it",
    "Of the two activations one is missing altogether.",
    f"In the first block of a network the stem's BN and ReLU could stand in for the first of them; behind any other addition "
    f"nothing else activates the sum ({_V2}, figure 4e).",
    PICTURE,
    edits=[{"first": ""}, {"second": ""}],
)
BN_WIDTH = Mistake(
    "bn_width",
    "a BN is made for another number of channels than it is given",
    "A BN has the channels of what goes <em>into</em> it. In v1 that is a convolution's output; in v2 the first BN of a block "
    "stands in front of the first convolution.",
    "Where the channels stay, both numbers are the same and nothing is noticed, until a block widens. (In Keras a BN takes the "
    "number from its first input.)",
    BUILD,
    visible=bn_of_another_width,
)
CONV_BIAS = replace(
    structure.BIAS,
    title="a convolution has a bias",
    explanation="A BN subtracts the mean of each channel, and a bias with it. Behind the first convolution that BN follows at "
    "once. What the others put out goes into the sum, and whatever reads that sum, the next block's branch or the network's "
    "end, begins with a BN, too.",
    visible=biased_convolutions,
)


def _of(key: str, **changed: str) -> Mistake:
    return replace(next(mistake for mistake in BASIC if mistake.key == key), **changed)  # type: ignore[arg-type]


_ANY_BLOCK = (
    _of("no_addition"),
    _of(
        "halved_sum",
        explanation="Every output is half of what it should be.",
        why=f"With branch and shortcut halved, ResNet-110 errs in 12.35 % on CIFAR-10 instead of in 6.61 % ({_V2}, table 1).",
    ),
    _of("shortcut_overwritten"),
    _of("shortcut_without_gradient"),
    _of("one_bn_for_both"),
    _of("training_statistics"),
    _of("running_statistics"),
)
ORDER = (
    RELU_AFTER, IDENTITY_ACTIVATED, SPLIT_BETWEEN, SHORTCUT_RECTIFIED, ACTIVATED_TWICE, V1_BLOCK, BN_AFTER_CONV, RELU_ONLY,
    RELU_BEFORE_ADDITION, BN_AFTER_ADDITION, RELU_BEFORE_BN, RELU_MISSING, BN_MISSING, ACTIVATION_MISSING,
)  # fmt: skip
OF_SHAPES = (PROJECTION_RAW, PROJECTION_BN, PROJECTION_RELU, EVERY_SHORTCUT, BN_WIDTH)
_LAYERS = tuple(CONV_BIAS if mistake is structure.BIAS else mistake for mistake in structure.LAYERS)
_SHORTCUTS = (
    MISSING, ONLY_IF_STRIDE, ONLY_IF_CHANNELS, ONLY_IF_BOTH, UNSTRIDED, DROPPED, TWICE, BRANCH_UNSTRIDED, WRONG_CONVOLUTION,
    IGNORED, SAME_PADDING, KERNEL_3, ZEROS, SHRINKS,
)  # fmt: skip
CONSTANT = (*_LAYERS, *structure.CONVOLUTIONS, *ORDER, EVERY_SHORTCUT, *_ANY_BLOCK)
RESHAPING = (*_LAYERS, *_SHORTCUTS, *OF_SHAPES, *ORDER, *_ANY_BLOCK)

NO_END = Mistake(
    "end_missing",
    "nothing activates the last sum",
    "The classifier gets the mean of a bare sum: the only reader in the network without a BN and a ReLU of its own.",
    f"The last block is followed by one more activation ({_V2}, appendix), and v2's published weights have a BN for it.",
    AUTOPSY,
    "kuangliu/pytorch-cifar, models/preact_resnet.py",
    edits=[{"end": ""}],
)
HALF_AN_END = Mistake(
    "half_an_end",
    "half of the last activation is missing",
    "The last sum goes through a BN or through a ReLU, and not through both.",
    f"What follows the last block is what precedes every convolution: BN and ReLU ({_V2}, appendix).",
    WRONG,
    edits=[{"end": "BN"}, {"end": "ReLU"}, {"end": "ReLU BN"}],
)
END_BEHIND_POOLING = Mistake(
    "end_behind_pooling",
    "the last activation comes behind the pooling",
    "It sees one number a channel, the mean over the map, and a mean of rectified values is not the rectified mean.",
    "Its statistics are then taken over as many values as the batch has images; and weights from elsewhere fit, and compute "
    "something else.",
    WRONG,
    edits=[{"pooled": "before the end"}],
)
STEM_ACTIVATED = Mistake(
    "stem_activated",
    "the stem has a BN and a ReLU",
    "The first block begins with its own, so the signal is activated twice in a row.",
    f"In v2 the stem is a bare convolution: its BN and ReLU have become the first block's ({_V2}, appendix).",
    PICTURE,
    edits=[{"stem": "BN ReLU"}, {"stem": "BN ReLU", "first_carries": "the input"}, {"stem": "BN"}, {"stem": "ReLU"}],
)
FIRST_RAW = Mistake(
    "first_shortcut_raw",
    "the first block's shortcut carries the raw input",
    "In the network's first block the activation comes after the split, as in all the others.",
    f"The paper activates the first block's input in front of both paths ({_V2}, appendix). Shapes and counts are the same "
    "either way, so nothing complains.",
    WRONG,
    "timm's resnetv2_18 and resnetv2_34; kuangliu/pytorch-cifar, models/preact_resnet.py",
    edits=[{"first_carries": "the input"}],
)
SOFTMAX = Mistake(
    "softmax",
    "a softmax ends the network",
    "The outputs of each image sum to 1: these are probabilities, and logits were asked for.",
    "A cross-entropy that expects logits applies its own softmax. With two of them the loss cannot get near 0, and training "
    "is slow, without an error.",
    BUILD,
    "keras.applications, whose networks end in a softmax",
    edits=[{"softmax": True}],
)
ONE_BLOCK_TWICE = replace(
    REPEATED,
    title="one block, used twice",
    explanation="The second block is the first one again: the same weights, and the same shortcut.",
    why="The network has fewer parameters than its depth says.",
    edits=[{"repeated": True}],
)
NOT_STRIDED = replace(
    IGNORED,
    title="the third block has no stride",
    explanation="It doubles the channels and keeps height and width.",
    why="Its branch and its shortcut fit each other, and the pooling takes a map of any size, so nothing fails; but the block "
    "works on four times the pixels.",
)
ENDS = (NO_END, HALF_AN_END, END_BEHIND_POOLING, STEM_ACTIVATED, FIRST_RAW, SOFTMAX, ONE_BLOCK_TWICE, NOT_STRIDED)
# Of the blocks' own mistakes those with which a block looks right by itself: three blocks take longer to be explained.
NETWORK = (
    *_LAYERS, *ENDS, RELU_AFTER, IDENTITY_ACTIVATED, V1_BLOCK, PROJECTION_RAW, PROJECTION_BN, BN_WIDTH, _of("no_addition"),
    _of("training_statistics"), _of("running_statistics"),
)  # fmt: skip
