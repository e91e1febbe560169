"""Questions of chapter 03, the bottleneck."""

from __future__ import annotations

from .questions import Question

RECALL = [
    Question(
        "projection",
        "<code>sum(layer.name.endswith('downsample.0') for layer in trace(resnet_config(34)))</code> counts the convolutions on "
        "ResNet-34's shortcuts. What comes out?",
        {
            "3": "Option B, the default: a projection where the shape changes, which is in the first blocks of layer2, layer3 "
            "and layer4.",
            "4": "Four stages, but layer1 begins with 64 channels, hands on 64, and does not stride: an identity will do.",
            "16": "One for each block would be option C.",
            "0": "That would be option A, which pads with zeros. The paper's CIFAR networks have it; an ImageNet network has B.",
        },
        "3",
    ),
    Question(
        "last-map",
        "ResNet-34 gets an image of 224×224. What leaves its last stage, layer4?",
        {
            "512 channels of 7×7": "The stem divides the side by 4, three of the four stages by 2 each: 224 / 32 = 7. Channels: "
            "64, 128, 256, 512.",
            "512 channels of 14×14": "One halving is missing. The stem divides by 4: its convolution strides and its max-pool "
            "does, too.",
            "2048 channels of 7×7": "So it is in ResNet-50, and this chapter shows why. ResNet-34's basic blocks hand on as "
            "many channels as they work with.",
            "512 numbers, one a channel": "That is one step later: the global average pool stands behind the last stage.",
        },
        "512 channels of 7×7",
    ),
    Question(
        "three-quarters",
        "“Stride 2 throws three quarters of the positions away, so a block of the next stage costs a quarter.” Which mistake "
        "is in this?",
        {
            "It forgets that the channels double": "A quarter of the positions, but twice the channels in and twice out: four "
            "times the weights at each. The block costs as much as before.",
            "Half the positions are left, not a quarter": "Half the height <i>and</i> half the width: a quarter of the area is "
            "left. That part is right.",
            "Cost does not depend on positions": "The number of <i>parameters</i> does not. Multiply-adds are weights times the "
            "positions where they are used.",
        },
        "It forgets that the channels double",
    ),
]

FINGERPRINTS = [
    Question(
        "count-p",
        "<b>P</b> counts <b>25,583,592</b> parameters: 26,560 too many. What is different?",
        {
            "Its convolutions have biases": "One for each output channel of the 53 convolutions. The BN behind each subtracts "
            "it again, so nothing computed differs; but the weights of others do not fit any more.",
            "It counts running means and variances": "Those are two numbers for each channel of each BN, and BN has as many "
            "channels as the convolutions in front: it would be twice 26,560.",
            "Its projections have no BN": "That makes a network smaller, by γ and β of four projections.",
            "Its stride sits elsewhere": "A stride has no parameters: the count would be right.",
        },
        "Its convolutions have biases",
    ),
    Question(
        "count-q",
        "<b>Q</b> counts <b>25,610,152</b>: 53,120 too many. What is different?",
        {
            "It counts running means and variances": "Two numbers for each channel of each BN. They are part of the network's "
            "state, but no optimizer changes them; Keras's <code>count_params</code> counts them all the same.",
            "Its convolutions have biases": "One number for each output channel: half of 53,120.",
            "It has shortcut C, a projection in every block": "Twelve projections more would cost millions, 14.6 M in all.",
            "Its dense layer is there twice": "That would be 2,049,000 more.",
        },
        "It counts running means and variances",
    ),
    Question(
        "count-r",
        "<b>R</b> counts <b>25,549,352</b>: 7,680 too few. What is different?",
        {
            "Its projections have no BN": "γ and β for 256 + 512 + 1024 + 2048 channels: 7,680. A v1 projection has BN; "
            "forgetting it is a well-known slip.",
            "Its first block in layer1 has no projection": "Then 64 channels would meet 256 at the addition, an error and no "
            "count. And that projection alone holds 16,896.",
            "One of its bottlenecks is missing": "The smallest of them holds 70,400.",
            "Its dense layer has no bias": "That would be 1,000 too few, one for each class.",
        },
        "Its projections have no BN",
    ),
]

QUESTIONS: dict[str, Question | list[Question]] = {
    "recall": RECALL,
    "cost": Question(
        "cost",
        "Both hand on a map of 256 channels: (1) <b>two basic blocks</b>, four 3×3 convolutions from 256 to 256; (2) <b>one "
        "bottleneck</b>: 1×1 from 256 to 64, 3×3 from 64 to 64, 1×1 from 64 to 256. (Two against one, so that (1) has at least "
        "as many layers as (2).) How many times as many weights has (1) as (2)?",
        {
            "about 34 times": "4 · 9·256² = 2,359,296 against 64·256 + 9·64² + 64·256 = 69,632.",
            "about 1.3 times": "That counts layers, four against three. A layer's weights are its window times the channels in "
            "times the channels out.",
            "about 4 times": "The bottleneck's inside has a quarter of the channels; but weights go with channels in "
            "<i>times</i> channels out, and two of its three windows are 1×1.",
            "about 16 times": "Four times fewer channels in and out: that is the ratio of one 3×3 to the other. There are four "
            "of them on one side; on the other, two 1×1 come on top.",
        },
        "about 34 times",
    ),
    "extra": Question(
        "extra",
        "Each of ResNet-34's 16 basic blocks becomes a bottleneck of the same width. A bottleneck behind the first of its "
        "stage costs 6 % <i>less</i> than the basic block it replaces. Yet the whole network costs 5 % <i>more</i>. Where does "
        "that come from?",
        {
            "from the projections": "They join the wide maps: 256 → 512 in place of 64 → 128 and so on, and there are four "
            "of them now.",
            "from the dense layer, which is four times as large": "It is, and it brings 1.5 million parameters. But each of its "
            "weights is used once for an image: 1.5 of 194 million extra multiply-adds.",
            "from the 16 layers more": "That third layer is counted in already: three layers of a bottleneck cost less than two "
            "of a basic block.",
            "from BN on the wide maps": "BN is not in the count of either (nor are ReLU and addition): multiply-adds here are "
            "those of convolutions and the dense layer.",
        },
        "from the projections",
    ),
    "relu": Question(
        "relu",
        "A bottleneck written as a loop: <code>relu(bn(conv(out)))</code> three times, then <code>return x + out</code>. What "
        "can it not do?",
        {
            "make any value smaller": "What it adds is never negative. Until the next projection a signal can only grow "
            "from block to block, and a value once too large stays too large.",
            "hand on its input unchanged": "It can: with the last γ and β at 0 the branch is 0, as in the right block.",
            "be trained: the ReLU stops every gradient": "Only where the branch is negative, and the shortcut carries the "
            "gradient past it in any case. It trains; how well, you will see.",
            "be as wide as its input": "The shapes are the same as in the right block. Nothing complains.",
        },
        "make any value smaller",
    ),
    "projections": Question(
        "projections",
        "With option B, ResNet-34 has three projections. How many has ResNet-50?",
        {
            "4": "One at the head of every stage. layer1 does not stride, but it gets 64 channels from the stem and hands on "
            "256: there the channels change alone.",
            "3": "One for each stride, as in ResNet-34. But a projection is there where the <i>shape</i> changes, and without a "
            "stride the channels can do so alone.",
            "16": "One a block: that is option C, and for bottlenecks an expensive one, as you will see.",
            "none, since 1×1 convolutions fit everything": "The branch makes the new shape with its own 1×1; the shortcut "
            "carries x past all of that, in its old one.",
        },
        "4",
    ),
    "stem": Question(
        "stem",
        "No 3×3 of a v1 bottleneck strides, so its <code>padding='same'</code> is symmetric. Now the stem, for images of "
        "224×224: <code>Conv2D(64, 7, strides=2, padding='same')</code> and <code>MaxPooling2D(3, strides=2, "
        "padding='same')</code>. Which of the two computes something else than PyTorch's, with padding 3 and 1?",
        {
            "both": "'same' pads the 224 by (2, 3) in place of (3, 3) for the convolution, and the 112 that leave it by (0, 1) "
            "in place of (1, 1) for the pooling. Both look at shifted windows.",
            "only the convolution": "So it is at 226, where the convolution leaves 113, an odd size: 'same' pads that by (1, 1) "
            "for the pooling. At 224 it leaves 112, padded by (0, 1).",
            "only the pooling": "It does differ; and so does the convolution: 'same' pads the 224 by (2, 3).",
            "neither: the shapes are right": "The shapes are, which is what makes it a trap. The windows are shifted by a pixel.",
        },
        "both",
    ),
    "fingerprints": FINGERPRINTS,
    "autopsy": Question(
        "autopsy",
        "<code>keras.applications.ResNet50(weights=None).count_params()</code> says <b>25,636,712</b>: 79,680 more than yours. "
        "Which explanation fits to the last digit?",
        {
            "biases on all convolutions, and running statistics counted": "26,560 + 53,120 = 79,680: P and Q of the section "
            "above in one network.",
            "running statistics counted, and a larger stem": "A k×k stem holds 192·k² weights; no k adds 26,560 to its 9,408.",
            "a projection more": "The smallest that could be added, 256 → 256 in layer1 with BN, holds 66,048, the next 263,168: "
            "neither of them is 79,680, and no sum.",
            "BN's ε is stored as well": "ε is a constant of the layer, no tensor of the network.",
        },
        "biases on all convolutions, and running statistics counted",
    ),
}
