"""The tasks of chapter 06: the pieces of a training, and what its numbers say.

>>> from resnet_lessons.checks import chapter_06 as ex
>>> ex.train_step.check(None)
○ train_step: not attempted
"""

from __future__ import annotations

from functools import partial

from .function_task import Call, FunctionTask
from .mistakes import of_a_value
from .task import Task, ValueTask
from .training_mistakes import (
    CHOICE,
    EVALUATION,
    LOGITS,
    LOOP,
    RESULTS,
    ROW,
    SCHEDULE,
    STEP,
    TRAINING,
    WRONG,
)
from .training_replay import batch, evaluate, train
from .training_tasks import (
    WatchedTask,
    chosen,
    compare,
    effect_of_evaluation,
    effect_of_rates,
    effect_of_steps,
    rates,
    table_rows,
)
from .training_watch import KINDS, NEVER_STEPPED, NO_BACKWARD, OWN_UPDATE, TOO_EARLY, ZEROED, Watcher

decay = WatchedTask(
    "decay",
    "choose what decays, in two lines",
    LOOP,
    1,
    (5, 10),
    (
        "Which tensors does a layer have: a convolution without a bias, a BN, a dense layer with one? Write down their shapes.",
        "Names differ between frameworks and layers; the number of axes does not. How many has a kernel, how many have γ, β and "
        "a bias?",
        "Go through the trainable parameters twice, and keep those with more than one axis in the one list, those with one axis "
        "in the other.",
    ),
    {"pytorch": "split", "tensorflow": "keras_split"},
    right=chosen,
    calls=(Call((KINDS,), "a network of two convolutions, two BN layers and a dense layer"),),
    catalogue=CHOICE,
    watch=Watcher.watch_choice,
    praise="Every parameter is in the list where it belongs",
)

evaluation = WatchedTask(
    "evaluation",
    "find and repair the mistakes of an evaluation",
    WRONG,
    2,
    (10, 15),
    (
        "Do ten images by four by hand: which three numbers come out of the batches, and how does one get from them "
        "to the share of all ten?",
        "One mistake is in how the batches are put together, the other in the network's mode: while it is tested, or afterwards.",
        "Add up right answers and divide once, by the number of images. Think of the mode before, during and after.",
    ),
    {"pytorch": "accuracy", "tensorflow": "keras_accuracy"},
    right=evaluate,
    calls=(
        Call((batch(14, 7), 4, "training"), "14 images in batches of 4, a network in training mode"),
        Call((batch(8, 10071), 4, "evaluation"), "8 images in batches of 4, a network in evaluation mode"),
        Call((batch(10, 21070), 4, "training"), "10 images in batches of 4, a network in training mode"),
    ),
    catalogue=EVALUATION,
    watch=Watcher.watch_evaluation,
    praise="The share is right for every size of batch, and the network is left as it was",
    effect=effect_of_evaluation,
)

schedule = WatchedTask(
    "schedule",
    "write a schedule on a blank page",
    LOOP,
    3,
    (15, 25),
    (
        "Begin with two numbers: how many steps does the warm-up have, and how many the whole training? Then draw the curve, and "
        "write the rates of five steps beside it: the first, the last of the warm-up, the next one, the last of all.",
        "Steps count from 0, so after step s there have been s + 1 of them. For the fall you need a number that is 0 at the last "
        "step of the warm-up and 1 at the last step of all.",
        "In the fall, the share of it that is done is (s + 1 − warm-up steps) / (all steps − warm-up steps). Half a cosine goes "
        "from 1 to 0 as (1 + cos πx) / 2 does for x from 0 to 1.",
    ),
    {"": "rate"},
    right=rates,
    calls=(
        Call((10, 8, 2, 0.5), "8 epochs of 10 steps, 2 of them warm-up, peak 0.5"),
        Call((7, 6, 0, 0.1), "6 epochs of 7 steps, no warm-up, peak 0.1"),
        Call((4, 30, 5, 1.6), "30 epochs of 4 steps, 5 of them warm-up, peak 1.6"),
    ),
    catalogue=SCHEDULE,
    watch=Watcher.watch_rates,
    praise="The rate of every step is right, for three recipes",
    effect=effect_of_rates,
)

train_step = WatchedTask(
    "train_step",
    "write a training step on a blank page",
    LOOP,
    3,
    (15, 25),
    (
        "Five things happen in a step, in an order that matters. Which are they?",
        "In which mode is the network when it arrives, and in which does BN have to be? What does the loss of your framework "
        "expect: logits or probabilities; and does it give a mean?",
        "Training mode; logits; the mean cross-entropy on logits; gradients of this batch alone; one step of the optimizer that "
        "you were given. Return the loss that you computed on the way.",
    ),
    {"pytorch": "train_step", "tensorflow": "keras_train_step"},
    right=train,
    calls=(
        Call(
            (tuple(batch(size, seed) for size, seed in ((6, 21), (6, 22), (3, 23))),),
            "three batches of 6, 6 and 3 images, one after the other",
        ),
    ),
    catalogue=STEP,
    watch=Watcher.watch_steps,
    praise="Losses, weights and running statistics agree with the reference's over three steps",
    follows={OWN_UPDATE: {}}
    | {note: {"gradients": "none"} for note in (ZEROED, TOO_EARLY, NEVER_STEPPED, NO_BACKWARD)},
    effect=effect_of_steps,
)


_misconception = partial(of_a_value, section=LOOP)

_FLIPS = _misconception(
    "flips_digits", "digits are mirrored",
    "A mirrored 2, 3, 4, 5, 6, 7 or 9 is no digit, and a mirrored 2 looks like a 5 written on a bad day.",
    "Augmentation shows an image in forms that it might have had. Section 5 measures what mirrored and cropped digits cost: more "
    "than 30 points.",
    section=TRAINING,
)  # fmt: skip
_NO_FLIP = _misconception(
    "flip_refused", "a flip is refused where it is harmless",
    "A mirrored frog is a frog, a mirrored shoe a shoe.",
    "Whether a flip keeps the label depends on the classes alone. Here it doubles the number of different images; the paper's "
    "recipe for CIFAR-10 has it (1512.03385, section 4.2).",
)  # fmt: skip
_AUGMENTS_TEST = _misconception(
    "test_images_augmented", "the test images are augmented",
    "Random changes are for the images that a network learns from.",
    "A test result would be another one each time, and of other images than everybody else's. (Averages over fixed crops, as "
    "papers have them for ImageNet, are another thing, and are stated.)",
)  # fmt: skip
_TRAIN_ONLY = _misconception(
    "test_images_not_normalised", "the test images are left as they are",
    "What is computed from the training images, mean and deviation, belongs to the network like a first layer.",
    "Test images of another scale are strange to every layer: without any error, most answers turn wrong.",
)  # fmt: skip
_BY_TEST = _misconception(
    "normalised_by_test_statistics", "statistics of the test images are used",
    "Mean and deviation of the test images are knowledge about the test.",
    "A network in use gets one image, and has no mean of a test set to subtract. The number measured is not the one that a user "
    "will see.",
)  # fmt: skip
images = ValueTask(
    "images",
    "choose what is done to which images",
    TRAINING,
    2,
    (6, 10),
    (
        "Two questions for each line: does the picture keep its label? And would it be the same picture at every test?",
        "Mirror the word 25 on paper. Then think of a photograph of a cat. And what belongs to the network, so that every image "
        "has to go through it?",
        "Random changes that keep the label: training images alone. Fixed ones that were computed from the training images: all. "
        "Whatever changes the label, or is computed from test images: none.",
    ),
    {"": "choice"},
    choices=("training", "all", "none"),
    answers={
        "mirror, CIFAR-10": "training",
        "mirror, digits": "none",
        "mirror, house numbers": "none",
        "mirror, Fashion-MNIST": "training",
        "pad and crop at random, CIFAR-10": "training",
        "subtract the training images' mean": "all",
        "subtract the test images' mean": "none",
    },
    wrong={
        "mirror, CIFAR-10": {"all": _AUGMENTS_TEST, "none": _NO_FLIP},
        "mirror, digits": {"training": _FLIPS, "all": (_FLIPS, _AUGMENTS_TEST)},
        "mirror, house numbers": {"training": _FLIPS, "all": (_FLIPS, _AUGMENTS_TEST)},
        "mirror, Fashion-MNIST": {"all": _AUGMENTS_TEST, "none": _NO_FLIP},
        "pad and crop at random, CIFAR-10": {"all": _AUGMENTS_TEST},
        "subtract the training images' mean": {"training": _TRAIN_ONLY},
        "subtract the test images' mean": {"all": _BY_TEST, "training": _BY_TEST},
    },
)

_GUESS_IS_ZERO = _misconception(
    "guessing_costs_nothing", "guessing is taken to cost little",
    "The loss of an image is −ln of the probability that its class is given; whoever guesses among ten gives each 1/10.",
    "The first number that a training prints is the cheapest test of all: is it about ln of the number of classes?",
)  # fmt: skip
_SHARE_FOR_LOSS = _misconception(
    "accuracy_for_loss", "the accuracy is taken for the loss",
    "A tenth is the share of right guesses. The loss is −ln of the probability of the right class.",
    "The two have different units, and a loss of 0.1 would be that of a good network.",
)  # fmt: skip
_SUM_FOR_MEAN = _misconception(
    "sum_for_mean", "a sum over the batch is taken for the mean",
    "64 images that cost 2.30 each have a mean of 2.30, and a sum of 147.37.",
    "By that factor every step is longer, too.",
)  # fmt: skip
_MEAN_FOR_SUM = _misconception(
    "mean_for_sum", "the mean is taken for a sum over the batch",
    "The question has <code>sum</code> in it: 64 times as much.",
    "It is the sum that one meets when a loss is not told to average.",
)  # fmt: skip
_FLOOR = _misconception(
    "softmax_twice_reaches_zero", "a double softmax is taken to reach 0",
    "At best the first softmax gives 1 for the right class and 0 for the nine others. The second takes these for logits, and "
    "e¹ is not much more than nine times e⁰.",
    "It is how one recognises the mistake: a loss that ends near 1.5 while the accuracy is high.",
    section=LOGITS,
)  # fmt: skip
_FLOOR_OF_GUESSING = _misconception(
    "softmax_twice_learns_nothing", "a double softmax is taken to learn nothing",
    "The second softmax keeps the order of the first, so the right class still has the largest share, and more than a tenth.",
    "Because it learns all the same, the mistake lives long in a program.",
    section=LOGITS,
)  # fmt: skip
_OTHER_WAY = _misconception(
    "floor_without_cause", "a single softmax is taken to have a floor",
    "Logits may lie as far apart as they like, so the probability of the right class comes as near to 1 as one likes.",
    "The floor of 1.46 is made by probabilities, which lie between 0 and 1, in the place of logits.",
    section=LOGITS,
)  # fmt: skip
predict = ValueTask(
    "predict",
    "predict what a loss reads",
    LOOP,
    2,
    (8, 15),
    (
        "The loss of one image is −ln of the probability of its class. Which probability has each class in the first line?",
        "For the double softmax: write down the ten numbers that the first puts out at best. The second takes them for logits.",
        "−ln(1/10) = 2.30; sixty-four of them; −ln of nearly 1; and −ln(e¹ / (e¹ + 9·e⁰)).",
    ),
    {"": "losses"},
    choices=("0", "0.10", "1.46", "2.30", "147.37"),
    answers={"guessing": "2.30", "guessing, sum": "147.37", "sure and right": "0", "sure and right, softmax twice": "1.46"},
    wrong={
        "guessing": {"0": _GUESS_IS_ZERO, "0.10": _SHARE_FOR_LOSS, "1.46": _GUESS_IS_ZERO, "147.37": _SUM_FOR_MEAN},
        "guessing, sum": {"0": _GUESS_IS_ZERO, "0.10": _SHARE_FOR_LOSS, "1.46": _GUESS_IS_ZERO, "2.30": _MEAN_FOR_SUM},
        "sure and right": {"1.46": _OTHER_WAY},
        "sure and right, softmax twice": {"0": _FLOOR, "0.10": _FLOOR, "2.30": _FLOOR_OF_GUESSING},
    },
)  # fmt: skip

row = FunctionTask(
    "row",
    "transfer: test a row of a paper's table",
    RESULTS,
    4,
    (20, 35),
    (
        "Three things are asked for, and each is a line or two: a difference of means, a list of two deviations, a word.",
        "Which deviation: of the runs or of their mean, divided by n or by n − 1? And what has to hold of the lowest and the "
        "highest run before a difference counts, in either direction?",
        "Reproduced: the lowest of the better ones lies above the highest of the others. Contradicted: the same the other way "
        "round. With fewer than three runs of either, neither; and in all other cases you cannot tell.",
    ),
    {"": "compare"},
    right=compare,
    calls=(
        *(Call(runs, f"the recorded runs of “{claim}”") for claim, runs in table_rows().items()),
        Call(([90.0, 93.0, 91.5, 97.0], [88.0, 89.0, 89.5, 86.0]), "four runs and four"),
        Call(([95.0, 96.0, 96.5], [94.0, 93.0, 95.5]), "three runs and three, of which two overlap"),
        Call(([97.0, 96.0], [91.0, 92.5, 92.0, 91.5]), "two runs and four"),
        Call(([90.0, 90.5, 91.0, 89.5], [94.0, 93.5]), "four runs and two"),
        Call(([80.0, 81.0, 82.5], [85.0, 84.0, 90.5, 86.0]), "three runs and four"),
        Call(([92.0, 94.0, 96.0], [91.0, 93.0, 98.5]), "three runs and three that overlap"),
        Call(([92.0, 94.0, 97.5], [91.0, 93.0, 97.0]), "three runs and three, each a little above its neighbour"),
        Call(([94.0, 95.5, 96.0], [93.0, 94.0, 92.5]), "three runs and three, of which two are equal"),
    ),
    catalogue=ROW,
)

TASKS: tuple[Task, ...] = (decay, images, predict, evaluation, schedule, train_step, row)
