"""Questions of the primer: one a section."""

from __future__ import annotations

from .questions import Question

QUESTIONS: dict[str, Question] = {
    "shapes": Question(
        "shapes",
        "A 3×3 convolution without bias has 64 input and 128 output channels, stride 2, and one row of zeros on every side. "
        "It gets a map of 15×15. How large is the output map, and how many weights are there?",
        {
            "7×7 and 73,728": "The weights are right. 7 is 15 halved and rounded down; the formula gives "
            "⌊(15 + 2 − 3) / 2⌋ + 1 = 8. With this padding, stride 2 rounds an odd size <i>up</i>.",
            "8×8 and 1,152": "The size is right. 1,152 = 128·3·3 gives each output channel a single 3×3 window, as on a grey "
            "picture. A kernel reaches through all 64 input channels: 128·64·3·3.",
            "15×15 and 73,728": "The weights are right. One row of zeros keeps the size of a 3×3 convolution at stride 1 only; "
            "stride 2 keeps every second position.",
            "8×8 and 73,728": "⌊(15 + 2 − 3) / 2⌋ + 1 = 8, and 128·64·3·3 = 73,728: one 3×3 window for each pair of an "
            "output and an input channel.",
        },
        "8×8 and 73,728",
        link="https://arxiv.org/abs/1603.07285",
        link_text="A guide to convolution arithmetic for deep learning",
    ),
    "batch-norm": Question(
        "batch-norm",
        "Somebody tests a trained network batch by batch. No gradient is computed, but the BN layers are still in training "
        "mode. What happens?",
        {
            "Nothing is wrong: without gradients nothing changes": "Tempting, since two switches look like one. Leaving out "
            "gradients saves memory and time; which statistics BN uses, and whether it updates them, is decided by its mode "
            "alone.",
            "An image's output depends on its batch, and the running statistics move": "The layer takes mean and variance "
            "from each test batch, and folds them into its running ones. The first spoils these results, the second all "
            "later ones.",
            "The outputs vary at random from call to call": "That is dropout, the other layer with a training mode. BN draws "
            "nothing at random: in training mode the same batch gives the same output again.",
            "γ and β are changed": "BN keeps four numbers a channel, and they are easily mixed up. γ and β are weights, "
            "changed by the optimizer from their gradients. The running mean and variance are the two that the layer "
            "changes itself.",
        },
        "An image's output depends on its batch, and the running statistics move",
        link="https://arxiv.org/abs/1502.03167",
        link_text="Batch Normalization, section 3.1",
    ),
    "autograd": Question(
        "autograd",
        "y = x + 3·x·x. What does automatic differentiation return for dy/dx at x = 2?",
        {
            "12": "That is 6x, the slope of 3·x·x alone. x is also added as it is, and that path contributes 1.",
            "7": "That is 1 + 3x: it counts the product x·x as one use of x. x enters it twice, and each use contributes 3x.",
            "13": "Three uses of x, and their contributions add up: 1 + 3x + 3x = 13.",
            "14": "That is the value of y. The value flows forward; what flows back is the slope of y.",
        },
        "13",
        link="https://arxiv.org/abs/1502.05767",
        link_text="Automatic differentiation in machine learning: a survey",
    ),
    "loop": Question(
        "loop",
        "<b>Symptom.</b> A network for ten classes is trained with cross-entropy. Its training accuracy rises above 99 %, "
        "yet its training loss never falls below 1.46. What is the cause?",
        {
            "The network ends in a softmax, and the loss applies another": "The loss takes probabilities for logits. "
            "Probabilities lie between 0 and 1, so the second softmax gives the right class e / (e + 9) = 0.23 at most, and "
            "−ln 0.23 = 1.46. The ranking is untouched, hence the accuracy.",
            "The learning rate is too small": "The usual suspect for a loss that hardly falls. But then the network would "
            "learn slowly; it would not have reached 99 %.",
            "The network has too few weights": "Then it could not fit its training images, and their accuracy would be low. "
            "Here nearly all of them are right.",
            "The gradients of earlier batches are never cleared": "Then each update would follow the sum of all gradients so "
            "far: the loss swings up and down and grows in the end. It would not stop at one and the same number in every run.",
        },
        "The network ends in a softmax, and the loss applies another",
    ),
    "layout": Question(
        "layout",
        "<code>w</code> is the NumPy array of a PyTorch convolution, of shape (64, 64, 3, 3). Which line makes Keras's kernel "
        "of it?",
        {
            "w.T": "It reverses all four axes: channels end up right, but height and width are swapped too, so every kernel "
            "is mirrored at its diagonal. The shape fits and no error is raised.",
            "w.transpose(2, 3, 1, 0)": "(out, in, height, width) becomes (height, width, in, out).",
            "w.transpose(2, 3, 0, 1)": "The window comes first, as it should, but out stands before in. With 64 channels on "
            "both sides the shape cannot tell you.",
            "w.reshape(3, 3, 64, 64)": "The right shape by force: <code>reshape</code> keeps the numbers in their order and "
            "only regroups them, so each lands in a place where it does not belong.",
        },
        "w.transpose(2, 3, 1, 0)",
    ),
}
