"""What goes wrong in a v1 basic block: the catalogue of its exercises, for convolutions and for dense layers.

An edit names fields of `blocks.BasicWiring`. Why a mistake matters that the chapter's lab plants as well is said in the
lab's words.
"""

from __future__ import annotations

from resnet_lessons.labs.faults import FAULTS

from .mistakes import Mistake, Section

PICTURE = Section("01_basic_block", 2, "The idea in a picture")
FOUR = Section("01_basic_block", 1, "Four blocks")
WRONG = Section("01_basic_block", 7, "What goes wrong")
PROVE = Section("01_basic_block", 5, "Prove it")
_V2 = '<a href="https://arxiv.org/abs/1603.05027" target="_blank" rel="noopener">He et al. 2016</a>'
_IN_A_LAB = "planted in chapter 01's lab"


def _planted(
    key: str, title: str, explanation: str, section: Section, *edits: dict[str, object], why: str = ""
) -> Mistake:
    return Mistake(key, title, explanation, why or FAULTS[key].why, section, _IN_A_LAB, edits=edits)


ADDITION = (
    _planted(
        "no_addition", "the shortcut is never added",
        "The output is made of the branch alone. The input reaches it through the layers only.",
        FOUR, {"merge": "none"},
    ),
    Mistake(
        "concatenation",
        "the shortcut is concatenated, not added",
        "The output holds x and the branch side by side, and is larger than either.",
        "Concatenation is what DenseNet does. Here the identity is what makes “changing nothing” easy, and the next block "
        "expects the same number of channels.",
        PICTURE,
        edits=[
            {"merge": "concatenate"}, {"merge": "concatenate, branch first"},
            {"merge": "concatenate batches"}, {"merge": "concatenate batches, branch first"},
        ],
    ),
    Mistake(
        "multiplication",
        "the branch multiplies the shortcut",
        "With a silent branch the output is zero, not x.",
        f"Gates on the shortcut were measured, and all were worse than the identity ({_V2}, table 1).",
        FOUR,
        edits=[{"merge": "multiply"}],
    ),
    _planted(
        "halved_sum", "the sum is halved",
        "Every output is half of what it should be: the zeros stay where they were, since halving changes no sign.",
        FOUR, {"factor": 0.5},
    ),
    Mistake(
        "shortcut_overwritten",
        "the branch is added to itself",
        "The “sum” is twice the branch. This comes about when the name that held the input is used again for the branch, or "
        "when the same name stands on both sides of the plus.",
        "The block runs, its shapes fit, and it has no shortcut at all: it is a plain block with a doubled output.",
        PICTURE,
        edits=[{"shortcut_from": "the branch"}],
    ),
    _planted(
        "late_shortcut", "the shortcut is saved too late",
        "What is added at the end is not the block's input, but what the first layers made of it: the name that should hold "
        "the input held something else by then.",
        WRONG, {"shortcut_from": "relu1"}, {"shortcut_from": "bn1"}, {"shortcut_from": "conv1"},
        why="The shortcut no longer spans the whole block: with zeros in the branch it is not an identity any more.",
    ),
    Mistake(
        "shortcut_without_gradient",
        "no gradient flows through the shortcut",
        "The outputs are right. The shortcut was cut out of the graph: <code>detach()</code>, <code>.data</code>, "
        "<code>no_grad</code> or <code>stop_gradient</code>.",
        "The gradient has to find its way through every branch, as in a plain network.",
        PROVE,
        edits=[{"shortcut_gradient": False}],
    ),
)  # fmt: skip
ACTIVATION = (
    _planted(
        "relu_before_addition", "the last ReLU comes before the addition",
        "There are negative outputs, and yet none lies below its input: a rectified branch can only add.",
        WRONG, {"branch_relu": True, "last_relu": False}),
    _planted(
        "no_last_relu", "no ReLU follows the addition",
        "There are negative outputs, many of them below their input: the bare sum comes out.",
        WRONG, {"last_relu": False}),
    _planted(
        "no_middle_relu", "no ReLU between the two layers",
        "The output of the first BN goes into the second layer with weights as it is, negative values among it.",
        WRONG, {"middle_relu": False},
        why="In evaluation mode BN only scales and shifts, so the branch is linear there: its two layers can do no more than "
        "one.",
    ),
    _planted(
        "in_place_relu", "the shortcut is rectified",
        "What is added is relu(x), not x. It shows only where an input is negative.",
        WRONG, {"shortcut_relu": True}, {"input_relu": True}),
    Mistake(
        "two_relus",
        "a ReLU ends the branch, and another follows the addition",
        "The branch can only add: no output is below relu(x).",
        f"The signal can only grow from block to block, as with a ReLU moved before the addition ({_V2}, section 4.1).",
        WRONG,
        edits=[{"branch_relu": True}],
    ),
    Mistake(
        "rectified_apart",
        "branch and shortcut are rectified each for itself, and not their sum",
        "Such a block can only add to relu(x).",
        f"The signal can only grow from block to block ({_V2}, section 4.1).",
        WRONG,
        edits=[{"branch_relu": True, "shortcut_relu": True, "last_relu": False}],
    ),
    Mistake(
        "pre_activation",
        "BN and ReLU stand in front of the convolutions",
        "This is the block of the second paper, v2.",
        f"It is a good block ({_V2}, figure 4) in another network: v1's weights do not fit it, and a v2 network needs one more "
        "BN and ReLU at its end.",
        PICTURE,
        edits=[{"order": "v2"}],
    ),
)  # fmt: skip
NORMALISATION = (
    _planted(
        "no_first_bn", "no BN follows the first layer",
        "What the first layer with weights puts out goes into the ReLU at whatever scale it has.",
        PICTURE, {"first_bn": "missing"},
        why="The paper puts BN after every convolution, before the activation (He et al. 2015, section 3.4). Without it the "
        "middle of the branch scales with its input.",
    ),
    Mistake(
        "no_second_bn",
        "no BN ends the branch",
        "The branch comes out at whatever scale its last layer gives it.",
        "The paper puts BN after every convolution (He et al. 2015, section 3.4); and the γ that could silence the branch is "
        "missing.",
        PICTURE,
        edits=[{"second_bn": "missing"}],
    ),
    Mistake(
        "bn_after_relu",
        "BN comes after the ReLU",
        "The ReLU gets what the layer with weights puts out, and BN shifts its result below zero again. In Keras, an "
        "activation given to a layer acts before the BN that follows.",
        "The paper puts BN “right after each convolution and before activation” (He et al. 2015, section 3.4).",
        PICTURE,
        edits=[
            {"first_bn": "after relu"}, {"second_bn": "after relu"},
            {"first_bn": "after relu", "second_bn": "after relu"},
        ],
    ),
    _planted(
        "bn_after_addition", "the last BN comes after the addition",
        "The last BN gets the sum, and normalises what the shortcut carries along with the branch.",
        WRONG, {"second_bn": "after addition"},
    ),
    Mistake(
        "one_bn_for_both",
        "one BN serves two layers",
        "Its running statistics are a mixture of two distributions, and it has one γ where two are needed.",
        "In training each batch is normalised by itself and all looks well; at test time the mixture fits neither.",
        PROVE,
        edits=[{"one_bn_for_both": True}],
    ),
    Mistake(
        "training_statistics",
        "BN uses the batch's statistics at test time",
        "In evaluation mode an output should not depend on what else is in the batch.",
        "A single image then gets another answer than the same image in a batch.",
        PROVE,
        edits=[{"statistics": "batch"}],
    ),
    Mistake(
        "running_statistics",
        "BN uses its running statistics in training",
        "In training the batch's own mean and variance count, and the running ones move towards them. Here they never move.",
        "With fresh running statistics BN then does nothing, and a deep network trains as if it had none.",
        PROVE,
        edits=[{"statistics": "running"}],
    ),
)  # fmt: skip
BASIC = (*ADDITION, *ACTIVATION, *NORMALISATION)
PROJECTION = Mistake(
    "projection",
    "a convolution in the shortcut",
    "The shortcut should hand x on as it is, and here it has a layer of its own.",
    f"Where the shape stays, the identity is what makes “changing nothing” easy. A 1×1 convolution in every shortcut was "
    f"measured: ResNet-110 on CIFAR-10 errs in 12.22 % instead of 6.61 % ({_V2}, table 1).",
    PICTURE,
    edits=[{"projection": ("conv",)}, {"projection": ("conv", "bn")}],
)
