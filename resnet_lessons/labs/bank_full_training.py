"""The questions of chapter 06, Full training."""

from __future__ import annotations

from .questions import Question

SYMPTOMS = [
    Question(
        "run-p",
        "<b>Run P.</b> Training accuracy 100 %; test accuracy stops below 95 %; in evaluation mode the training images are all "
        "right.",
        {
            "It saw too few images": "It knows its own images by heart, in either mode, and others less well: over-fitting. "
            "It was given 100.",
            "BN's running statistics are far behind": "Then the training images, too, would go wrong in evaluation mode.",
            "The rate is too low": "Then the training images would not be learned.",
            "The rate is too high": "Then nothing would be learned.",
        },
        "It saw too few images",
    ),
    Question(
        "run-q",
        "<b>Run Q.</b> Training accuracy nearly 100 %; test accuracy far below; in evaluation mode the training images go wrong "
        "as well.",
        {
            "BN's running statistics are far behind": "The same weights and the same images: what differs is the mode. The "
            "weights are fine; the running mean and variance have not arrived.",
            "It saw too few images": "The two accuracies look like over-fitting. But an over-fitted network still knows the "
            "images it has learned, and this one does not.",
            "The rate is too high": "The training accuracy says that it learns well.",
            "The rate is too low": "The training accuracy says that it learns well.",
        },
        "BN's running statistics are far behind",
    ),
    Question(
        "run-r",
        "<b>Run R.</b> Both accuracies rise slowly, side by side, and are low at the end; the loss fell in every epoch.",
        {
            "The rate is too low": "Training and test agree, and both were still getting better: under-fitting. It wants a "
            "higher rate, or more steps.",
            "The rate is too high": "Then the loss would not fall steadily. It would jump, or stay where guessing puts it.",
            "It saw too few images": "Then the training images would be learned.",
            "BN's running statistics are far behind": "Then training and test would differ.",
        },
        "The rate is too low",
    ),
    Question(
        "run-s",
        "<b>Run S.</b> Both accuracies are near 10 % from the first epoch to the last, and the loss never falls below "
        "ln 10 = 2.30.",
        {
            "The rate is too high": "Each step overshoots. 2.30 is the loss of one who says 10 % to every class, and this is "
            "no better.",
            "The rate is too low": "Then the loss would fall a little with every epoch.",
            "It saw too few images": "A hundred images are quickly learned by heart.",
            "BN's running statistics are far behind": "The training accuracy is measured in training mode, without them.",
        },
        "The rate is too high",
    ),
]

QUESTIONS: dict[str, Question | list[Question]] = {
    "recall": [
        Question(
            "code",
            "<code>a = relu(bn1(x))</code><br><code>out = conv2(relu(bn2(conv1(a))))</code><br><code>return x + out</code><br>"
            "Which block is it?",
            {
                "v2, with an identity shortcut": "Pre-activation, and the shortcut starts before BN and ReLU.",
                "v2, the first block of a network": "There the split comes behind the activation: it would return "
                "<code>a + out</code>.",
                "v1, with an identity shortcut": "In v1 the convolution comes first, and a ReLU follows the addition.",
            },
            "v2, with an identity shortcut",
            link="05_pre_activation.ipynb",
            link_text="chapter 05, section 2",
        ),
        Question(
            "shape",
            "The first block of <code>layer3</code> in ResNet-50 v1.5 gets (2, 512, 28, 28). What leaves its first 1×1?",
            {
                "(2, 256, 28, 28)": "The width of <code>layer3</code> is 256, and in v1.5 the 3×3 strides.",
                "(2, 256, 14, 14)": "So it is in v1, whose first 1×1 strides.",
                "(2, 1024, 14, 14)": "That is what leaves the block: four times the width.",
                "(2, 128, 28, 28)": "128 is the width of the stage before.",
            },
            "(2, 256, 28, 28)",
            link="04_stride_move.ipynb",
            link_text="chapter 04, section 1",
        ),
        Question(
            "which-mistake",
            "After three steps most of the blocks' tensors in a v2 network are still, bit for bit, what they were before. Which "
            "mistake was made?",
            {
                "The γ of each block's last BN starts at 0": "Behind it stands a ReLU that sees exactly 0 and lets no gradient "
                "pass. In v2 the last convolution is what may start at 0.",
                "The final BN and ReLU are missing": "Then the dense layer reads a bare sum, and everything still learns.",
                "The projections are fed the raw input": "That gives other outputs, and gradients all the same.",
            },
            "The γ of each block's last BN starts at 0",
            link="05_pre_activation.ipynb",
            link_text="chapter 05, section 7",
        ),
    ],
    "port": Question(
        "port",
        "The same recipe, number for number, in PyTorch's and in Keras's SGD; the same initial weights, the same batches, all in "
        "float64. After twenty steps the two losses agree in",
        {
            "not even one digit": "The numbers are the same. Two of them mean something else, and three are rounded: section 3.",
            "about 3 digits": "That would be rounding that grows from step to step. What happens is larger, and it begins within "
            "three steps.",
            "about 7 digits": "As many as float32 holds. One of the causes is of that size, and it is the smallest.",
            "12 digits or more": "So it is at the end of section 3, and not with the recipe as it is typed.",
        },
        "not even one digit",
    ),
    "augment": Question(
        "augment",
        "The paper's recipe for CIFAR-10 pads each image by 4 pixels, cuts a part of the old size out at random, and mirrors "
        "it with probability 1/2. On our digits, 8×8 pixels, four epochs with it end",
        {
            "far below those without it": "A shift by up to 4 pixels pushes half of an 8×8 picture out of sight, and a mirrored "
            "digit is mostly no digit. Augmentation says what does <i>not</i> change an image's class, and that depends on the "
            "images.",
            "a little above: more variety": "On CIFAR-10 that is the point of it. A photograph of 32 pixels, shifted by 4, still "
            "shows the same thing.",
            "about equal: BN evens it out": "BN evens out means and variances of channels, not places.",
        },
        "far below those without it",
    ),
    "decay": Question(
        "decay",
        "Weight decay pulls weights towards 0. In v1 every convolution has a BN right behind it. Make all kernels three times as "
        "large: in training mode the logits",
        {
            "stay the same, up to BN's ε": "BN divides by the standard deviation, which is three times as large as well. Decay "
            "does not make such a network's function simpler by making its kernels smaller.",
            "become three times as large": "The dense layer's would. A convolution's scale is gone behind its BN.",
            "explode: three times, layer upon layer": "It would without BN: a factor of three for every convolution on the way.",
        },
        "stay the same, up to BN's ε",
    ),
    "translation": Question(
        "translation",
        "The loop in Keras, line by line, with the same numbers typed in. Which part computes something else?",
        {
            "the optimizer": "Its rate is rounded, its momentum has another form, and its weight decay is another one. All three "
            "are in one line of code.",
            "the loss": "The mean cross-entropy of logits is the same formula; only the name of the function is longer.",
            "the gradients": "They agree to 1 in 10¹², as every chapter has shown.",
            "BN in training mode": "It normalises by the batch's mean and variance in both. The <i>running</i> variance differs, "
            "and no training step reads it.",
        },
        "the optimizer",
    ),
    "momentum": Question(
        "momentum",
        "PyTorch: v ← m·v + g, w ← w − r·v. Keras: v ← m·v − r·g, w ← w + v. In the middle of a training the rate r falls to a "
        "tenth. Keras's next step is",
        {
            "still almost as long as before": "Its v holds steps that were made with the old rate, and goes on with them. They "
            "fade by m with every step: at m = 0.9 for about ten steps.",
            "a tenth as long, as in PyTorch": "Only its new part is. The old gradients sit in v with the rate of their own time.",
            "a hundredth as long": "The rate stands in one place only, at the gradient.",
        },
        "still almost as long as before",
    ),
    "float32": Question(
        "float32",
        "Now in float32, as one usually trains: the same initial weights, batches and recipe, in its cured form, for four "
        "epochs. At the end the two networks",
        {
            "are different ones, about equally good": "The first steps differ by a rounding, and training makes a difference "
            "grow. After some dozens of steps these are two runs, as if of two seeds.",
            "agree in their training losses to 5 digits": "In float64 they would, and to 12. In float32 a rounding of the "
            "seventh digit grows from step to step.",
            "are of different quality": "Rounding has no preference. One run in each cannot tell anyway.",
        },
        "are different ones, about equally good",
    ),
    "depth-or-recipe": Question(
        "depth-or-recipe",
        "torchvision offers two sets of weights for its ResNet-50, of the same network: one of the old recipe, one of a new and "
        "longer one. With the old recipe ResNet-152 is 2.2 points better than ResNet-50 (top-1, ImageNet). How much better is "
        "ResNet-50 with the new recipe than with the old?",
        {
            "4.7 points": "76.13 against 80.86 %. Whoever compares two networks across two recipes compares recipes.",
            "0.5 points": "That is what NVIDIA states for the stride move of chapter 04.",
            "2.2 points, as much as 102 layers": "Twice as much: nothing about the network changed, and it passes ResNet-152.",
        },
        "4.7 points",
        link="https://docs.pytorch.org/vision/stable/models.html",
        link_text="torchvision's table of weights",
    ),
    "symptoms": list(SYMPTOMS),
    "mode": Question(
        "mode",
        "A trained network gets about 98 % of the test images right. Somebody forgets <code>eval()</code> and evaluates in "
        "training mode, batch after batch; the test images are sorted by class. Right are",
        {
            "about a third": "A batch of nothing but sevens: BN subtracts what its images have in common, which is what makes "
            "them sevens.",
            "about 98 %": "So it is with all images in one batch, or with mixed ones of good size. That is why the mistake can "
            "hide for long.",
            "about 10 %": "Not quite as bad as guessing: what distinguishes an image within its batch is left.",
        },
        "about a third",
    ),
    "autopsy": Question(
        "autopsy",
        "The optimizer is built with rate 0.1, then the MultiStepLR, then for ResNet-110 the rate is set to 0.01 by hand; behind "
        "every epoch comes <code>lr_scheduler.step()</code>. With today's PyTorch, what is the rate of the second epoch?",
        {
            "0.01": "The scheduler multiplies whatever rate it finds, and only at a milestone. Nobody multiplies by 10.",
            "0.1": "That is what the comment intends, and what PyTorch did before version 1.4: it set the rate anew, from its "
            "initial value, at every step.",
            "0.001": "The factor 0.1 is applied at the milestones, epochs 100 and 150.",
        },
        "0.01",
        link="https://github.com/akamaster/pytorch_resnet_cifar10/issues/21",
        link_text="issue 21 of that project",
    ),
}
