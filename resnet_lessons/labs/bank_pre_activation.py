"""The questions of chapter 05, Pre-activation."""

from __future__ import annotations

from .questions import Question

QUESTIONS: dict[str, Question | list[Question]] = {
    "recall": [
        Question(
            "code",
            "The first two convolutions of a block that gets 256 channels:<br><code>1×1, 256 → 128, stride 2</code><br>"
            "<code>3×3, 128 → 128, stride 1</code><br>Which network is it from?",
            {
                "ResNet-50 v1": "The stride sits on the first 1×1, which skips three pixels in four.",
                "ResNet-50 v1.5": "There the 1×1 has stride 1 and the 3×3 has stride 2: one number moved.",
                "ResNet-34 v1": "Basic blocks have two 3×3 convolutions and no 1×1 on their branch.",
            },
            "ResNet-50 v1",
        ),
        Question(
            "shape",
            "A bottleneck of width 128 with stride 2 gets (8, 256, 56, 56): batch, channels, height, width. What leaves it?",
            {
                "(8, 512, 28, 28)": "Four times the width, and half of each side.",
                "(8, 128, 28, 28)": "128 is the width, inside the block. The last 1×1 expands it fourfold.",
                "(8, 512, 14, 14)": "That is stride 2 twice. A block strides once, on one of its convolutions and on its "
                "projection beside it.",
                "(8, 1024, 28, 28)": "Four times its input's channels would be right inside no stage: what counts is four "
                "times the width.",
            },
            "(8, 512, 28, 28)",
        ),
        Question(
            "which-mistake",
            "A Keras projection block and its PyTorch twin have the same weights. They agree on maps of 7×7 and disagree on "
            "maps of 8×8. Which mistake is in the Keras block?",
            {
                'padding="same" at stride 2': "On even sides it pads on the right and at the bottom alone, and every window "
                "sits one pixel off; on odd sides it pads both sides alike.",
                "BN's ε was left at 1e-3": "Then they would disagree on every size.",
                "The projection has no BN": "Then the tensors would not even correspond, whatever the size.",
            },
            'padding="same" at stride 2',
        ),
    ],
    "sum": Question(
        "sum",
        "One stage of ResNet-56 v1: nine blocks, and behind the first of them all shortcuts are identities. Take what left "
        "the first block, and add what the branches of the other eight put out. Is the sum what leaves the stage?",
        {
            "no: something changes the sum on its way": "A ReLU stands behind each addition: what is negative in a sum is "
            "gone, and the next addition starts without it.",
            "yes: identity shortcuts and additions, nothing else": "This is how the block is usually described, F(x) + x. The "
            "description ends one operation early.",
            "yes, up to rounding in float32": "Rounding would be a matter of the seventh digit. The difference is as large as "
            "the signal.",
            "no: the branches see each other's outputs": "They do, and it does not matter: each branch's output is recorded as "
            "it is, and then only added.",
        },
        "no: something changes the sum on its way",
        link="https://arxiv.org/abs/1603.05027",
        link_text="He et al. 2016, section 2",
    ),
    "carried": Question(
        "carried",
        "Now the way back. The forward pass stays as it was, branches and all. Of the gradient, follow only the part that comes "
        "through the shortcuts, from the end of a v1 stage to the output of its first block: eight additions, eight ReLUs. "
        "The network is untrained. Of the gradient's entries there arrive",
        {
            "a third to a half; the others are exactly 0": "An entry passes where all eight ReLUs are open. Once the signal has "
            "grown, most of them are: a ReLU that was open tends to stay open.",
            "all of them: shortcuts carry the gradient": "Through the addition, yes. But the way on leads through the ReLU "
            "behind it, and that lets pass only where the sum was positive.",
            "1 in 256: each ReLU stops half": "Half, eight times over, if the ReLUs were independent. They are not: they look "
            "at nearly the same signal, one block later.",
            "none: the gradient vanishes": "The shortcut multiplies an entry by 1 or by 0, and never makes it smaller bit by "
            "bit.",
        },
        "a third to a half; the others are exactly 0",
    ),
    "translation": Question(
        "translation",
        "The block in Keras, line by line. In one place PyTorch's line has no single counterpart and needs two layers. Which?",
        {
            "conv1, where the block strides": "PyTorch's padding=1 is symmetric. Keras's “same” is not at stride 2, so zeros are "
            "added by a layer of their own and the convolution is “valid”: chapter 02.",
            "bn1: it comes before any convolution here": "BN asks only for channels, and Keras finds their number by itself. "
            "Nothing changes with its place.",
            "the projection": "A 1×1 convolution needs no padding: stride 2 takes the same pixels in both.",
            "the addition": "The same plus sign in both.",
        },
        "conv1, where the block strides",
    ),
    "parameters": Question(
        "parameters",
        "ResNet-50 has 25,557,032 parameters as v1 and 25,549,352 as v2: 7,680 fewer. Every BN has moved. Where are the 7,680?",
        {
            "in the BNs of the four projections": "γ and β for 256, 512, 1024 and 2048 channels: 2 · 3,840. A v2 projection is a "
            "bare convolution. All other BNs are only elsewhere.",
            "in the stem's BN, which v2 lacks": "It has moved one place on and is the first block's "
            "first, of 64 channels. Each block's last has moved likewise; the last block's last is the final BN.",
            "in the last BN of each block": "It is gone from the end, and there is one at the beginning instead: the channels "
            "that a block puts out are those that the next takes in.",
            "in the biases of the convolutions": "Neither version has any: a BN follows sooner or later.",
        },
        "in the BNs of the four projections",
    ),
    "clean": Question(
        "clean",
        "In which of the five orders is the sum exact: x<sub>L</sub> = x<sub>l</sub> + Σ F?",
        {
            "ReLU before addition, ReLU-only, full": "Exactly those that end with the “+”. So a clean shortcut alone does not "
            "make an order good: one of these three is second to last in the paper's table.",
            "full only": "It is the one that the paper recommends, and the sum is its argument. But read the orders again: what "
            "stands behind the “+”?",
            "the two pre-activations": "They are clean. One more order has nothing behind its “+”.",
            "all but BN after addition": "The original has a ReLU behind the “+”: section 1.",
        },
        "ReLU before addition, ReLU-only, full",
    ),
    "growth": Question(
        "growth",
        "An untrained chain of full pre-activation blocks: nothing stands behind the additions, so nothing rescales the signal. "
        "From block 9 to block 27 the strength of the signal (its root mean square)",
        {
            "grows, about √3-fold": "Every branch begins by normalising, so each adds about the same variance, whatever the "
            "signal has grown to. Variances add up like the depth; the strength is their root.",
            "grows about threefold": "The variance does. The additions have both signs and partly cancel, so the strength grows "
            "like the root.",
            "explodes: each block multiplies it": "It would if a branch's output grew with its input. Its first BN takes the "
            "scale out.",
            "stays: the BNs keep it at 1": "They stand in the branches and keep those at a fixed strength. On the shortcut's way "
            "there is none.",
        },
        "grows, about √3-fold",
    ),
    "gradients": Question(
        "gradients",
        "The gradient of the first convolution beside that of the last, in untrained networks of 56 layers. With v2's clean "
        "shortcuts their ratio is",
        {
            "well above 1, as in v1": "Neither version's gradient vanishes towards the input. It grows, and in v2 by no less.",
            "about 1: a clean path evens gradients out": "The clean path makes one part of the gradient arrive unchanged; what "
            "comes through the branches is added to it, block by block.",
            "far below 1: they vanish": "The usual suspect. Chapter 00 found the opposite even in the plain network.",
        },
        "well above 1, as in v1",
    ),
    "slip-p": Question(
        "slip-p",
        "Which slip is in network <b>P</b>?",
        {
            "The first block's shortcut carries the raw input": "The branch of layer1.0 agrees to its last convolution, and "
            "the next layer does not: so the sum is wrong, and it is the shortcut's part. The stem's raw output was added, not "
            "what BN and ReLU made of it.",
            "The first block lacks its BN and ReLU": "Then layer1.0.conv1 would get another input and be the first to differ; "
            "and two tensors would be left over.",
            "The second block lacks its ReLU": "Then layer1.1.bn1 would still agree, and layer1.1.conv1 be the first to "
            "differ.",
        },
        "The first block's shortcut carries the raw input",
    ),
    "slip-q": Question(
        "slip-q",
        "Which slip is in network <b>Q</b>?",
        {
            "The final BN and ReLU are missing": "64 parameters fewer (γ and β of 32 channels), a BN left over, and features "
            "below zero: the average is taken over the bare sum.",
            "The final ReLU is missing": "It would explain the negative features, but it has no parameters: the weights would "
            "fit.",
            "The dense layer has no bias": "Ten parameters, and the one that is left over would be fc.bias.",
        },
        "The final BN and ReLU are missing",
    ),
    "slip-r": Question(
        "slip-r",
        "Which slip is in network <b>R</b>?",
        {
            "The projections are fed the raw input": "layer2.0.downsample.0 is the first to differ, while layer2.0.conv1 beside "
            "it agrees. Both should be fed the same activated signal.",
            "The projections stride in the wrong place": "A 1×1 convolution of stride 2 has no choice of place; without the "
            "stride the addition would not be legal.",
            "The projections have a BN of their own": "As in v1. It would have parameters, and the weights would not fit.",
        },
        "The projections are fed the raw input",
    ),
    "zero-init": Question(
        "zero-init",
        "Goyal et al. let each v1 block begin as the identity: the γ of its last BN starts at 0. Somebody does the same in v2 "
        "and sets the γ of each block's last BN, bn2, to 0. What happens in training?",
        {
            "most branches never move, however long one trains": "γ = β = 0 make the ReLU behind it see exactly 0, where its "
            "derivative is 0: γ gets no gradient. The convolution in front gets none through γ = 0, the one behind none "
            "since its input is 0.",
            "the same as in v1: the γ learns and the branch wakes up": "In v1 an addition follows the BN, and γ's gradient "
            "passes it. In v2 a ReLU follows.",
            "the branches do not start silent": "They do: relu(0·x + 0) = 0, and a convolution of zeros is 0.",
            "the loss is NaN": "Nothing is divided by γ.",
        },
        "most branches never move, however long one trains",
    ),
    "lesion": Question(
        "lesion",
        "Three networks of 20 layers: plain, residual v1, residual v2, trained to 97 to 99 % on the test digits. In each, delete "
        "one block that is not the first of its stage, and do not train again. Right are then",
        {
            "plain: below 30 %; v1 and v2: above 80 %": "In the plain network the next block gets input of a kind that it has "
            "never seen. In the two others one term of a sum is missing.",
            "all three: below 30 %": "If each layer only fed the next, as in a chain. In a residual network each block feeds all "
            "later ones, by way of the sum.",
            "all three: above 80 %": "One block of nine is little, but in the plain network everything passes through that "
            "block.",
            "plain: below 30 %; v1: above 80 %; v2: as many as before": "v2's sum is exact, but one of its terms is gone, and "
            "the later branches were trained with it.",
        },
        "plain: below 30 %; v1 and v2: above 80 %",
    ),
    "autopsy": Question(
        "autopsy",
        "Which of the three slips P, Q, R of section 7 does this code have?",
        {
            "P and Q": "In the first block of a basic network the shortcut has no projection and carries x, the raw stem; and "
            "nothing stands between layer4 and the pooling. Its projections get <code>out</code>, the activated input: right.",
            "Q only": "There is no BN and ReLU behind layer4. But look at the first block, too: stride 1, 64 to 64 channels.",
            "all three": "The projections are fed <code>out</code>, behind bn1 and ReLU, as the paper has it.",
            "none": "Follow one image from layer4 to the dense layer.",
        },
        "P and Q",
        link="https://arxiv.org/abs/1603.05027",
        link_text="He et al. 2016, appendix",
    ),
}
