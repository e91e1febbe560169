"""The chapters' questions, kept here so that a notebook asks without showing the answer in its own code."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from . import (
    bank_bottleneck,
    bank_full_training,
    bank_further,
    bank_pre_activation,
    bank_primer,
    bank_shortcut,
    bank_stride_move,
)
from .questions import Prediction, Question, Quiz

PLACEMENT = [
    Question(
        "shapes",
        "A 3×3 convolution with stride 2 and symmetric padding 1 meets a map of 56×56. How large is its output?",
        {
            "28 × 28": "⌊(56 + 2·1 − 3) / 2⌋ + 1 = 28.",
            "27 × 27": "That is the size without padding: ⌊(56 − 3) / 2⌋ + 1. The padding adds a ring of zeros first.",
            "29 × 29": "Tempting if one rounds up: (56 + 2 − 3) / 2 = 27.5, and half a step is no step. 27 + 1 = 28.",
            "54 × 54": "That would be stride 1 without padding. Stride 2 keeps every second position.",
        },
        "28 × 28",
        link="primer.ipynb",
        link_text="primer, section 1",
    ),
    Question(
        "batch-norm",
        "You evaluate one image twice with a trained network: once alone, once in a batch with 31 others. In evaluation "
        "mode, batch normalisation makes its logits",
        {
            "the same both times": "In evaluation mode BN uses its running mean and variance, which no batch changes.",
            "different, since the batch's mean and variance differ": "So it is in training mode. In evaluation mode BN "
            "uses running statistics in place of the batch's.",
            "undefined for the single image": "A batch of one is a problem in training, where the variance would be "
            "taken over too few values. In evaluation mode nothing is averaged over the batch.",
        },
        "the same both times",
        link="primer.ipynb",
        link_text="primer, section 2",
    ),
    Question(
        "autograd",
        "y = relu(x)·x at x = −2. What is dy/dx?",
        {
            "0": "relu(x) is 0 on the whole neighbourhood of −2, so y is 0 there and does not change.",
            "−2": "That would be d(c·x)/dx with c = −2. But relu(−2) is 0, and its own derivative there is 0 too.",
            "−4": "That is 2x, the derivative of x². It holds where relu(x) = x, for positive x only.",
            "not defined": "ReLU has its kink at 0 only; at −2 it is flat.",
        },
        "0",
        link="primer.ipynb",
        link_text="primer, section 3",
    ),
    Question(
        "loop",
        "Which order is right for one training step?",
        {
            "logits → loss → gradients → update": "The loss needs the logits, the gradients need the loss, and the update "
            "needs the gradients. (PyTorch also wants the old gradients cleared before it computes new ones.)",
            "update → logits → loss → gradients": "The update would use the gradients of a batch that is gone: every step "
            "lags by one.",
            "logits → gradients → loss → update": "Gradients are derivatives of the loss; without it there is nothing to "
            "derive.",
        },
        "logits → loss → gradients → update",
        link="primer.ipynb",
        link_text="primer, section 4",
    ),
]

START_HERE: dict[str, Question | list[Question]] = {
    "ten-classes": Question(
        "ten-classes",
        "The network has ten outputs, one for each class, and a softmax makes probabilities of them. Shown the temple and "
        "the flower, it answers",
        {
            "one of the ten classes, more than half sure": "Softmax compares the ten outputs with each other, not with "
            "anything that says “none of these”. One output that sticks out is enough.",
            "about 10 % for each class": "That would be so if all ten outputs came out equal. Nothing in the training made "
            "them so for unfamiliar pictures: it never saw any.",
            "nothing: all its probabilities are small": "They add up to 1, so ten of them cannot all be small.",
        },
        "one of the ten classes, more than half sure",
    ),
    "placement": PLACEMENT,
    "deeper": Question(
        "deeper",
        "Both are trained in the same way for ten epochs. Which has the higher accuracy <b>on the images it was trained "
        "on</b>?",
        {
            "plain-56": "It has three times as many layers to fit the training images with, so this is the natural guess. "
            "Train both and look.",
            "plain-20": "The surprise of 2015. Train both and look.",
            "both about 100 %": "1,437 small images are few, and either network could memorise them. Train both and look.",
        },
        "plain-20",
    ),
    "overfitting": Question(
        "overfitting",
        "Somebody says: “plain-56 over-fits; it has too many parameters.” What would the two accuracies of an over-fitted "
        "network look like?",
        {
            "training high, test low": "It has learned its images by heart and fails on others.",
            "training low, test high": "That can happen for a moment under strong augmentation or dropout; it is not "
            "over-fitting.",
            "both low": "That is a network that has not learned its training images either: under-fitting.",
        },
        "training high, test low",
    ),
    "capacity": Question(
        "capacity",
        "Next suspect: can a plain network of 56 layers, with some choice of its weights, compute <b>exactly</b> what the "
        "trained plain-20 computes?",
        {
            "yes, exactly": "The next two code cells build it and check it.",
            "only approximately": "A stack of random-looking layers blurs what it gets. But we may choose the weights, and a "
            "convolution can be chosen that changes nothing.",
            "no: the extra ReLUs destroy information": "A ReLU changes negative values only. What leaves a block of this "
            "network has passed a ReLU already and has none.",
        },
        "yes, exactly",
    ),
    "remedy": Question(
        "remedy",
        "Now residual-56: the same 56 layers, and around every two convolutions a path that adds the block's input to its "
        "output. It has exactly as many parameters as plain-56. After ten epochs its training accuracy is",
        {
            "about that of plain-56": "Same depth, same parameters, same recipe: a fair guess, if parameters were what "
            "counts.",
            "between plain-56 and plain-20": "A fair guess if depth itself did the harm and the additions softened it.",
            "at least that of plain-20": "One addition for every two layers, no parameter more.",
        },
        "at least that of plain-20",
    ),
    "gradients": Question(
        "gradients",
        "Third suspect, and the most often accused: vanishing gradients. In the <b>untrained</b> plain-56, the gradient of "
        "the first convolution is, beside that of the last,",
        {
            "much smaller": "The usual story. With batch normalisation it is not what one measures; look at the plot.",
            "about as large": "So it would be in a perfectly scaled network. Look at the plot.",
            "much larger": "It explodes towards the input: the opposite of the usual story.",
        },
        "much larger",
    ),
    "train-on": Question(
        "train-on",
        "The plain-56 of section 5 gives exactly plain-20's outputs. Now it is trained <b>on</b>, at a tenth of the rate. After "
        "one epoch its test accuracy is",
        {
            "the same, or a little higher": "Tempting: it starts from a good solution, so what could be lost? But its outputs "
            "are plain-20's in evaluation mode, and training runs in training mode.",
            "several points lower": "In training mode BN takes each batch's own mean and variance; with γ = 1 and β = 0 the "
            "inserted blocks are no longer the identity there.",
            "about 10 %, as if drawn anew": "The trained blocks are all still there, and the inserted ones still hand on much of "
            "what they get. Blocks of <i>random</i> kernels do that to a plain network: try them in the lab.",
        },
        "several points lower",
    ),
}

BASIC_BLOCK: dict[str, Question | list[Question]] = {
    "recall": [
        Question(
            "degradation",
            "plain-56 does worse than plain-20 on the <b>training</b> set. Which mistake does somebody make who answers “add "
            "dropout”?",
            {
                "Takes it for over-fitting": "Dropout fights over-fitting: a high training and a low test accuracy. Here the "
                "training accuracy itself is low.",
                "Takes it for exploding gradients": "Dropout is no remedy for exploding gradients, either. The mistake "
                "lies earlier, in what is taken for the illness.",
                "None; dropout helps here": "Dropout makes fitting the training images harder still, and that is what "
                "already fails.",
            },
            "Takes it for over-fitting",
        ),
        Question(
            "code",
            "<code>weights[f'{name}.bn1.running_var'] = np.full(channels, 1 - 1e-5)</code> — why not simply 1?",
            {
                "BN adds eps = 1e-5 to the variance, and the sum must be 1": "It divides by √(var + eps); with the sum at 1 "
                "the layer changes nothing.",
                "A variance must stay below 1": "Any positive variance will do. It is the division by √(var + eps) that has "
                "to be by one.",
                "To leave the layer something to learn": "The running variance is not learned at all; it is a statistic.",
            },
            "BN adds eps = 1e-5 to the variance, and the sum must be 1",
        ),
        Question(
            "shape",
            "A block of chapter 00's plain-20, in the first stage, gets (64, 8, 8, 8): batch, channels, height, width. It has "
            "two 3×3 convolutions to 8 channels, stride 1, padding 1. What leaves it?",
            {
                "(64, 8, 8, 8)": "Padding 1 makes up for the 3×3 window; channels are as many as before.",
                "(64, 8, 4, 4)": "That takes a stride of 2. A block halves its map only where a new stage begins.",
                "(64, 16, 8, 8)": "Channels double with a new stage, and are set by the convolution: here to 8.",
            },
            "(64, 8, 8, 8)",
        ),
    ],
    "which": Question(
        "which",
        "A block receives x, a map without negative values, and should hand it on unchanged. F is two convolutions with "
        "BN and a ReLU between. Which block hands x on if <b>every weight in it</b> is zero, γ and β of its BN too?",
        {
            "relu(F(x))": "With F = 0 it hands on zeros: everything is lost. To hand x on, F must become a very particular "
            "stack of filters.",
            "relu(x + F(x))": "With F = 0 it is relu(x), and x has no negative values: x itself.",
            "relu(g·F(x) + (1 − g)·x), g = ½": "With F = 0 it hands on half of x. Nine such blocks leave 1/512 of it.",
            "relu(W·[x, F(x)]), W a learned 1×1 convolution": "A concatenation keeps x at hand, but W is a weight as well: "
            "at zero nothing passes. It would have to learn to pick x out.",
        },
        "relu(x + F(x))",
    ),
    "race": Question(
        "race",
        "After 60 steps, which of the three is nearest to changing nothing, and how far apart are they?",
        {
            "relu(x + F(x)), by a factor of ten or more": "For it, changing nothing means making F small, and every step "
            "can do a little of that.",
            "relu(x + F(x)), but only just": "All three have the same weights and the same steps, so a small lead is a fair "
            "guess. Run the race.",
            "relu(½·x + ½·F(x)): it begins nearest": "It does begin nearest, since its branch is halved. But to change "
            "nothing, its F must become x, as in the plain block.",
            "relu(F(x)): nothing disturbs it": "Its F has to become the identity: a filter that is 1 in the centre and 0 "
            "elsewhere, twice, through a ReLU.",
        },
        "relu(x + F(x)), by a factor of ten or more",
    ),
    "parameters": Question(
        "parameters",
        "Count before the computer does: how many trainable parameters has a basic block of 64 channels (two 3×3 "
        "convolutions without bias, two BN layers)?",
        {
            "73,984": "2 · 3·3·64·64 = 73,728 weights, and 2 · 2·64 = 256 for γ and β.",
            "73,728": "Those are the convolutions. BN's γ and β are trained too: 2 · 2·64 more.",
            "74,240": "That counts four numbers a channel for BN: γ, β, mean and variance. The last two are statistics: "
            "they are updated, not trained.",
            "36,992": "One convolution and one BN: half the block.",
        },
        "73,984",
    ),
    "translation": Question(
        "translation",
        "You translate the block to Keras line by line, as below. Which line computes something else than PyTorch's, if all "
        "arguments not shown stay at Keras's defaults?",
        {
            "BatchNormalization()": "Keras's eps is 1e-3 and its momentum 0.99, which PyTorch would call 0.01; PyTorch's are "
            "1e-5 and 0.1. No shape tells, no error is raised.",
            "ops.relu(x)": "The same function in both.",
            "Conv2D(channels, 3, padding='same', use_bias=False)": "At stride 1, 'same' pads one zero on every side, as "
            "PyTorch's padding=1 does. (At stride 2 it would not: chapter 02.) Its initial weights are drawn otherwise, but "
            "weights are what we copy.",
            "x + self.branch(x)": "The same sum in both.",
        },
        "BatchNormalization()",
    ),
    "float32": Question(
        "float32",
        "In float64 all gradients of two correct implementations agree to 1 in 10⁹. What do you expect in float32, whose "
        "numbers have about 7 digits, of a whole ResNet-32?",
        {
            "outputs and gradients agree to about 6 digits": "The outputs do. The gradients do in some runs, and in "
            "others the worst is off by a hundredth or more. See why below.",
            "outputs agree, single gradients may be far off": "A ReLU's derivative jumps from 0 to 1 where its input "
            "crosses 0, and rounding decides on which side a value that is nearly 0 falls.",
            "neither agrees to more than 2 digits": "Rounding errors do add up over layers, but slowly: the outputs keep "
            "six digits.",
        },
        "outputs agree, single gradients may be far off",
    ),
    "block-p": Question(
        "block-p",
        "Which mistake has block <b>P</b>?",
        {
            "The ReLU comes before the addition": "A rectified branch can only add: no output lies below its input, and the "
            "mean grows faster than in the correct block (5.39 against 2.64 after nine). Measured on ResNet-110: "
            "7.84 % error in place of 6.61 % (He et al. 2016, "
            "1603.05027, table 2).",
            "No ReLU follows the addition": "That would explain the negative outputs. But F has both signs, so many outputs "
            "would lie below their inputs; here none does.",
            "The shortcut is never added": "Then a silent branch would leave nothing of the input; here it leaves all of it.",
        },
        "The ReLU comes before the addition",
    ),
    "block-q": Question(
        "block-q",
        "Which mistake has block <b>Q</b>?",
        {
            "The shortcut is never added": "With a silent branch nothing is left: nothing but the branch leads to the "
            "output. The block is plain.",
            "The ReLU comes before the addition": "Then no output could lie below its input, and the mean would grow.",
            "The sum is multiplied by 0.5": "Then a silent branch would leave half of the input: the change would be 0.5.",
        },
        "The shortcut is never added",
    ),
    "block-r": Question(
        "block-r",
        "Which mistake has block <b>R</b>?",
        {
            "No ReLU follows the addition": "Nothing cuts off what is negative in the sum, and outputs fall below their "
            "inputs wherever F is negative. And the mean stays at 1.00: a fresh BN ends the branch, so F has mean 0. "
            "Version 2 leaves this ReLU out on purpose, and changes more than that "
            "(chapter 05).",
            "The ReLU comes before the addition": "It explains negative outputs where inputs are negative, but then no "
            "output could lie below its input.",
            "BN is missing after the first convolution": "The last ReLU would still be there, and nothing negative could "
            "leave.",
        },
        "No ReLU follows the addition",
    ),
    "autopsy": Question(
        "autopsy",
        "That code initialises with <code>init.kaiming_normal_(m.weight)</code>, whose default is fan-<b>in</b>; torchvision "
        "and this course say fan-<b>out</b>. In how many of ResNet-20's nineteen convolutions does it make a difference?",
        {
            "3": "Where a layer has as many channels going in as out, fan-in and fan-out are equal. They differ in the "
            "stem and in the first convolution of the second and the third stage.",
            "all 19": "Fan-in is k²·C_in and fan-out k²·C_out. In most layers of this network C_in = C_out.",
            "none": "So it is inside a stage. Three layers have fewer channels going in than out.",
        },
        "3",
    ),
}

QUESTIONS: Mapping[str, Mapping[str, Question | list[Question]]] = {
    "00_start_here": START_HERE,
    "01_basic_block": BASIC_BLOCK,
    "02_shortcut_projection": bank_shortcut.QUESTIONS,
    "03_bottleneck": bank_bottleneck.QUESTIONS,
    "04_stride_move": bank_stride_move.QUESTIONS,
    "05_pre_activation": bank_pre_activation.QUESTIONS,
    "06_full_training": bank_full_training.QUESTIONS,
    "07_further": bank_further.QUESTIONS,
    "primer": dict(bank_primer.QUESTIONS),
}


def ask(chapter: str, name: str) -> Prediction | Quiz:
    """Ask one of a chapter's questions, or a group of them as a quiz.

    Raises
    ------
    ValueError
        If there is no such chapter or question; the message lists those there are.
    """
    if chapter not in QUESTIONS:
        raise ValueError(f"There are no questions for {chapter!r}; there are for {', '.join(QUESTIONS)}.")
    if name not in QUESTIONS[chapter]:
        raise ValueError(f"{chapter} has no question {name!r}; it has {', '.join(QUESTIONS[chapter])}.")
    found = QUESTIONS[chapter][name]
    if isinstance(found, list):
        return Quiz(chapter, [shuffled(question) for question in found], key=name)
    found = shuffled(found)
    return Prediction(
        chapter,
        found.key,
        found.text,
        list(found.options),
        found.answer,
        found.options,
        link=found.link,
        link_text=found.link_text,
    )


def each(found: Question | list[Question]) -> list[Question]:
    """Return what stands under a name of the bank as a list: one question, or the group of a quiz."""
    return found if isinstance(found, list) else [found]


def shuffled(question: Question) -> Question:
    """Return the question with its options in an order of its own, always the same: answers are written first above."""
    options = list(question.options.items())
    random.Random(question.key).shuffle(options)
    return replace(question, options=dict(options))
