"""The questions of chapter 02, Shortcut projection."""

from __future__ import annotations

from .questions import Question

QUESTIONS: dict[str, Question | list[Question]] = {
    "recall": [
        Question(
            "code",
            "In <code>relu(x + bn2(conv2(relu(bn1(conv1(x))))))</code> let γ and β of bn2 be zero. Which input does "
            "<b>not</b> come out as it went in?",
            {
                "x = −1 somewhere": "The branch is silent and the sum is x, but the ReLU behind the sum sets −1 to 0. The "
                "block is the identity for what has passed a ReLU before, as everything inside the network has.",
                "a batch of one image": "The branch is silent whatever BN divides by: γ = 0 takes care of that. (In training "
                "mode a batch of one is a danger only where the map is 1×1.)",
                "x larger than the values bn1 has seen": "bn1 acts in the branch only, and the branch ends in 0.",
                "none: with F = 0 the block hands on everything": "The sum is x, yes. One operation is left after the sum.",
            },
            "x = −1 somewhere",
        ),
        Question(
            "shape",
            "A 3×3 convolution with stride 2 and one zero of padding on every side meets a map of 15×15. Its output has",
            {
                "8 × 8": "⌊(15 + 2 − 3) / 2⌋ + 1 = 8: an odd side is halved and rounded up.",
                "7 × 7": "Half of 15, rounded down: so it is without padding, ⌊(15 − 3) / 2⌋ + 1. With padding the windows sit "
                "on pixels 0, 2, …, 14, and those are eight.",
                "15 × 15": "Padding 1 keeps the size at stride 1. Stride 2 takes every second window.",
            },
            "8 × 8",
        ),
        Question(
            "which-mistake",
            "Two blocks with the same weights agree in evaluation mode to 1 in 10¹⁵. All their BN tensors still have the "
            "values they were created with. Somebody concludes that both blocks compute the same. What may this test have "
            "missed?",
            {
                "γ and the variance swapped, or β and the mean": "γ = variance = 1 and β = mean = 0: swapping them changes no "
                "number. Random BN tensors bring it to light.",
                "a BN layer that one of them lacks": "A fresh BN does little, but not nothing: it divides by √(1 + eps), which "
                "is off from 1 by 5 in 10⁶. At 1 in 10¹⁵ that shows.",
                "another eps in BN": "It would show: with 1e-3 in place of 1e-5, outputs change by 5 in 10⁴.",
                "a kernel whose rows and columns are swapped": "Kernels are drawn at random, so every exchange shows. It is BN "
                "whose fresh tensors are constants.",
            },
            "γ and the variance swapped, or β and the mean",
        ),
    ],
    "no-error": Question(
        "no-error",
        "The same block, with stride 2 and as many channels out as in: x has 8 channels on a map of <b>2×2</b>, and F(x) has 8 "
        "channels on a map of <b>1×1</b>. The shortcut is still the bare x. What do you get from relu(x + F(x))?",
        {
            "an error like the others": "Height and width differ, so this is what one would hope for. But an axis of length 1 "
            "is special.",
            "a 2×2 map, without an error": "An axis of length 1 is repeated as often as needed: broadcasting. The one pixel of "
            "F(x) is added to all four of x.",
            "a 1×1 map, without an error": "The branch would have asked for that. Broadcasting goes the other way: to the "
            "larger size.",
        },
        "a 2×2 map, without an error",
    ),
    "free": Question(
        "free",
        "x has 64 channels on 56×56, F(x) has 128 channels on 28×28. Which of these gives x the shape of F(x) <b>without a "
        "single parameter</b>?",
        {
            "take every second pixel, append 64 channels of zeros": "64 → 128 channels, 56 → 28 pixels, nothing to learn. That "
            "is the paper's option A.",
            "reshape x to 128 × 28 × 28": "Count: 64 · 56 · 56 = 200,704 values do not fit into 128 · 28 · 28 = 100,352.",
            "a 1×1 convolution with stride 2": "It fits, and it is option B. But its 64 · 128 weights are parameters.",
            "average 2×2 pixels": "That settles the map: 64 × 28 × 28. Half of the channels are still missing.",
        },
        "take every second pixel, append 64 channels of zeros",
    ),
    "translation": Question(
        "translation",
        "PyTorch's <code>F.pad(x, (0, 0, 0, 0, 4, 4))</code> puts 4 channels of zeros on either side of x, of shape "
        "(B, C, H, W). Which Keras line does it to a map of shape (B, H, W, C)?",
        {
            "ops.pad(x, ((0, 0), (0, 0), (0, 0), (4, 4)))": "Keras lists pairs from the first axis to the last, and channels "
            "are last. PyTorch's flat list begins with the last axis: width, height, channels.",
            "ops.pad(x, ((0, 0), (4, 4), (0, 0), (0, 0)))": "It pads axis 1. That is where PyTorch has its channels; here it is "
            "the height.",
            "ops.pad(x, ((4, 4), (0, 0), (0, 0), (0, 0)))": "It pads the batch: eight images more. PyTorch's list runs "
            "backwards, Keras's does not.",
        },
        "ops.pad(x, ((0, 0), (0, 0), (0, 0), (4, 4)))",
    ),
    "padding": Question(
        "padding",
        "A row of <b>six</b> pixels, numbered 0 to 5, a window of three, stride 2. Both paddings, one zero on either side and "
        "TensorFlow's “same”, give three outputs. On which pixels do the windows have their centres: first with one zero on "
        "either side, then with “same”?",
        {
            "0, 2, 4 and 1, 3, 5": "“Same” adds as many zeros as the three windows need. That is one, and it goes to the "
            "right: the windows begin at the first pixel, not in front of it.",
            "1, 3, 5 and 0, 2, 4": "The other way round: the zero in front is what brings a window's centre to pixel 0, and "
            "“same” puts none there.",
            "0, 2, 4 in both": "So it is on seven pixels. On six, one zero is enough for three windows, and “same” adds no more "
            "than needed.",
            "1, 3, 5 in both": "With a zero in front, the first window has its centre at pixel 0.",
        },
        "0, 2, 4 and 1, 3, 5",
    ),
    "halved": Question(
        "halved",
        "From the first stage of ResNet-34 to the second: stride 2, 64 → 128 channels. “The feature map shrinks by 75 %.” By how "
        "much does the number of <b>values</b> fall that a layer hands on?",
        {
            "by 50 %": "A quarter of the pixels, twice the channels: half of the values.",
            "by 75 %": "That is the area: height and width halve. The claim forgets that the channels double.",
            "not at all": "It is the multiply-adds of a layer that stay. For the values, twice the channels do not make up for a "
            "quarter of the pixels.",
        },
        "by 50 %",
    ),
    "price": Question(
        "price",
        "ResNet-34 has 16 blocks; three of them change the shape. Beside option A (no parameters), how many parameters more has "
        "the network with option B, projections in these three?",
        {
            "about 1 %": "A 1×1 convolution has a ninth of the weights of a 3×3 between the same channels, and three of them "
            "stand beside 32 such 3×3 convolutions.",
            "about 10 %": "3 of 16 blocks are nearly a fifth, but within a block the projection is small: 1×1 against two 3×3.",
            "about 30 %": "Then a 1×1 would have to be as large as the 3×3 beside it. It has a ninth of the weights.",
        },
        "about 1 %",
    ),
    "seeds": Question(
        "seeds",
        "ResNet-20 on our digits, ten epochs, options A, B, C, <b>five seeds each</b>. What will the five accuracies of each "
        "option let us say?",
        {
            "that C beats B and B beats A, as in the paper": "The paper's differences are 0.3 to 0.5 points on 50,000 images. "
            "One of our 360 test images is 0.28 points.",
            "that A beats B and B beats C, the reverse": "You will see that order, in one framework. Look at the other, and at "
            "the standard error.",
            "that the options are equally good": "Not to see a difference is not to see that there is none: these runs are "
            "compatible with half a point either way.",
            "nothing about the order: the means differ by less than their own uncertainty": "If single runs have the standard "
            "deviation s, a mean of five is uncertain by s/√5, and a difference of two by s·√(2/5).",
        },
        "nothing about the order: the means differ by less than their own uncertainty",
    ),
    "loudness": Question(
        "loudness",
        "A stage of <i>n</i> fresh blocks, then the block that projects. BN ends the branch, so F(x) has a standard deviation of "
        "1. We leave out the BN behind the 1×1 convolution. What happens to the projected x as <i>n</i> grows?",
        {
            "it grows with n": "Each block of the stage adds a branch of variance 1 to its input, so x grows from block to "
            "block, and a convolution without BN hands that on.",
            "it stays at about 1": "So it is with BN, which divides by whatever deviation it finds. A convolution alone does "
            "not.",
            "it shrinks with n": "Nothing in these blocks shrinks x: the identity hands it on, and the branch adds to it.",
        },
        "it grows with n",
    ),
    "network-p": Question(
        "network-p",
        "Which mistake has network <b>P</b>?",
        {
            "No BN behind the projections": "1,792 parameters are missing, and 1,792 = 2 · (128 + 256 + 512): γ and β of three "
            "BN layers.",
            "Zero-padding in place of projections": "That would be option A, with 173,824 parameters fewer.",
            "A projection is missing": "The smallest one has 8,192 weights; that is more than what is missing here.",
        },
        "No BN behind the projections",
    ),
    "network-q": Question(
        "network-q",
        "Which mistake has network <b>Q</b>?",
        {
            "Projections in all blocks": "22,688 parameters too many: a 1×1 convolution and a BN in the 13 blocks where the "
            "identity would do. That is option C; somebody forgot to ask whether the shape changes.",
            "3×3 projections": "Near, but two projections of 3×3 have 8 · 2,560 = 20,480 weights more than two of 1×1; here are "
            "22,688 too many.",
            "Convolutions with a bias": "Biases are few: one for each channel of a convolution, 1,232 in this network's "
            "branches, stem and projections together.",
        },
        "Projections in all blocks",
    ),
    "network-r": Question(
        "network-r",
        "Which mistake has network <b>R</b>?",
        {
            "Its zero channels stand behind the channels of x, not on either side": "Then layer2.0's shortcut is the first to "
            "differ, on maps of any size. Trained from scratch, R is as good; but published weights expect their channels "
            "elsewhere.",
            "It pads “same”": "Then the first to differ would be a strided convolution, layer2.0.conv1, and odd maps would "
            "show nothing.",
            "Its shortcut has no stride": "Then x would keep its size beside a branch of half of it: on maps of this size the "
            "addition would raise an error.",
        },
        "Its zero channels stand behind the channels of x, not on either side",
    ),
    "autopsy": Question(
        "autopsy",
        "<code>F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, planes//4, planes//4))</code>, where <code>planes</code> are the output's "
        "channels. What does this line take for granted?",
        {
            "that the stride is 2 and the channels double": "2 · (planes // 4) new channels are half of planes: the other half "
            "must come from x. And ::2 stands there whatever stride the block was given.",
            "that the map is square": "::2 acts on height and width alike; they need not be equal.",
            "that planes is divisible by 16": "It must be divisible by 4, or a channel goes missing. 16 is only where this "
            "network begins.",
        },
        "that the stride is 2 and the channels double",
    ),
    "equal-count": Question(
        "equal-count",
        "Plain-20 of the paper's CIFAR family has 269,722 parameters. How many has the paper's ResNet-20?",
        {
            "269,722 too": "The paper takes option A there, and neither zeros nor an identity have parameters.",
            "272,474": "That is ResNet-20 with option B: two projections with BN are 2,752 parameters more. The paper did not "
            "take it here.",
            "fewer: a residual is easier to compute": "Its blocks have the same two convolutions and BN layers. What they have "
            "to learn is easier, not what they are.",
        },
        "269,722 too",
    ),
}
