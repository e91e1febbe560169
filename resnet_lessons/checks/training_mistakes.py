"""Mistakes in training: in a step, an evaluation, a schedule, a choice of parameters, and in reading a table's row."""

from __future__ import annotations

from typing import Any

from .function_task import of_functions
from .mistakes import ATTEMPT, Mistake, Section
from .training_tasks import noted
from .training_watch import (
    ANYTHING_ELSE,
    BOTH,
    DECAYS,
    FROZEN,
    NEITHER,
    NEVER_STEPPED,
    NO_BACKWARD,
    OWN_UPDATE,
    RECORDED,
    SPARED,
    TOO_EARLY,
    ZEROED,
)

CHAPTER = "06_full_training"
LOOP = Section(CHAPTER, 2, "The loop, piece by piece")
TRAINING = Section(CHAPTER, 5, "Train it for real")
RESULTS = Section(CHAPTER, 7, "What it gets to")
WRONG = Section(CHAPTER, 8, "What goes wrong")
GRADIENTS = Section("primer", 3, "Automatic differentiation")
LOGITS = Section("primer", 4, "A training loop")


NO_RETURN, _, REMEMBERS = of_functions(LOOP)


# A training step -------------------------------------------------------------------------------------------------------

NO_ZERO_GRAD = Mistake(
    "gradients_add_up",
    "gradients of earlier steps are still there",
    "PyTorch <i>adds</i> to the gradients that a weight already has. Nothing clears them here, so each step goes along the sum "
    "of all gradients so far.",
    "It acts like a second momentum that never forgets: the first step is right, the later ones overshoot. (Adding up is meant "
    "for batches that do not fit into memory at once.)",
    GRADIENTS,
    edits=[{"gradients": "added"}],
)
ZEROED_TOO_LATE = Mistake(
    "zeroed_too_late",
    "the new gradients are cleared before they are used",
    "Between the backward pass and the step of the optimizer, all gradients are set to zero.",
    "The optimizer then has nothing to go by. No error says so, and the loss stays where it was.",
    LOOP,
    visible=noted(ZEROED),
)
TOO_EARLY_STEP = Mistake(
    "step_before_backward",
    "the optimizer steps before there are gradients",
    "When the optimizer is called, the backward pass of this batch has not happened yet.",
    "Every step uses the gradients of the batch before, or none at all if they are cleared in between.",
    LOOP,
    visible=noted(TOO_EARLY),
)
NEVER = Mistake(
    "never_stepped",
    "the optimizer is never called",
    "Gradients may be computed, and nothing is done with them.",
    "The loss is that of the first weights for ever; only BN's running statistics move.",
    LOOP,
    visible=noted(NEVER_STEPPED),
)
NOT_BACKWARD = Mistake(
    "no_backward",
    "no gradients are computed",
    "The loss is computed and the optimizer called, and nothing in between makes gradients.",
    "Neither the loss nor the optimizer of PyTorch computes gradients by itself, and the optimizer passes over weights that "
    "have none.",
    LOOP,
    visible=noted(NO_BACKWARD),
)
OPTIMIZER_IGNORED = Mistake(
    "optimizer_ignored",
    "the optimizer that was given is not used",
    "The weights are changed by something else: by hand, or by an optimizer that is made anew in every step.",
    "An optimizer made anew has forgotten its momentum, and whoever sets the rate of the given one sets nothing.",
    LOOP,
    visible=noted(OWN_UPDATE),
)
CUT_OFF = Mistake(
    "forward_not_recorded",
    "the forward pass leaves no trace for gradients",
    "The loss was computed where nothing is recorded (outside of the tape, with gradients switched off), or was turned into a "
    "plain number before the way back.",
    "Both frameworks compute gradients from what they recorded on the way forward, and from nothing else.",
    GRADIENTS,
    visible=lambda watched: _no_gradient(watched.error),
)
EVALUATION_MODE = Mistake(
    "trains_in_evaluation_mode",
    "BN works in evaluation mode while the network is trained",
    "BN takes the running mean and variance instead of the batch's, and does not move them. The network may have come from a "
    "test, in evaluation mode; and in Keras a model that is called as a function is in evaluation mode unless told otherwise.",
    "The gradients are then those of another network, without BN's effect on the scale, and the running statistics stay at "
    "their initial values.",
    LOOP,
    edits=[{"statistics": "running"}],
)
TWO_PASSES = Mistake(
    "two_passes",
    "each batch goes through the network twice",
    "In training mode the network is called twice for one batch, say once for the loss and once for the gradients.",
    "The running statistics move twice as fast, and half of the time is wasted.",
    WRONG,
    edits=[{"passes": 2}],
)
SOFTMAX = Mistake(
    "softmax_before_loss",
    "a softmax in front of a cross-entropy that wants logits",
    "The loss takes a softmax itself. Given probabilities, it takes them for logits that all lie between 0 and 1.",
    "It still learns, slowly, which is why it survives: with 10 classes the loss cannot fall below 1.46, however sure the "
    "network is.",
    LOGITS,
    edits=[{"loss": "softmax"}],
)
NOT_FROM_LOGITS = Mistake(
    "logits_taken_for_probabilities",
    "logits are taken for probabilities",
    "Keras's cross-entropy expects probabilities unless told otherwise. Logits are cut off at 0 and at 1 first.",
    "A logit below 0 or above 1 then has no gradient: most of what the network could learn from is gone, without a word.",
    LOGITS,
    seen="the default of Keras's cross-entropies",
    edits=[{"loss": "clipped"}],
)
PICKED = Mistake(
    "logit_for_log_probability",
    "the logit is taken for a logarithm of a probability",
    "The loss is minus the logit of the right class, as the negative log-likelihood does with what it is given; the other "
    "classes do not come into it.",
    "Such a loss has no lower end: it falls as the logits grow, whether the answers are right or not.",
    LOGITS,
    edits=[{"loss": "picked"}],
)
SUMMED = Mistake(
    "loss_summed",
    "the loss is summed over the batch",
    "The gradient of a sum is as many times that of the mean as there are images in the batch.",
    "The rate of a recipe belongs to a mean. With a sum, twice the batch is twice the step.",
    LOOP,
    edits=[{"reduction": "sum"}],
)
SUM_RETURNED = Mistake(
    "sum_returned",
    "the loss that is returned is a sum",
    "The weights move as they should; what is returned is the mean multiplied by the number of images.",
    "Whoever prints it compares batches of different sizes, and 2.3 is no longer what guessing among ten classes costs.",
    LOOP,
    edits=[{"returned": "sum"}],
)
LOSS_AFTER = Mistake(
    "loss_after_update",
    "the loss that is returned was computed after the update",
    "The batch runs through the network once more when the weights have moved, and that loss is returned.",
    "It is usually lower than the loss that was trained on, costs a second pass, and moves BN's running statistics twice. A "
    "curve of it cannot be compared with anybody else's.",
    LOOP,
    edits=[{"returned": "after"}],
)
STEP = (
    NO_ZERO_GRAD, ZEROED_TOO_LATE, TOO_EARLY_STEP, NEVER, NOT_BACKWARD, OPTIMIZER_IGNORED, CUT_OFF, EVALUATION_MODE,
    TWO_PASSES, SOFTMAX, NOT_FROM_LOGITS, PICKED, SUMMED, SUM_RETURNED, LOSS_AFTER, REMEMBERS, NO_RETURN,
)  # fmt: skip


def _no_gradient(error: BaseException | None) -> str:
    said = (
        "No gradients provided",
        "does not require grad",
        "None values not supported",
        "has no attribute 'backward'",
    )
    return "The optimizer has no gradients to work with." if any(text in str(error) for text in said) else ""


# An evaluation ---------------------------------------------------------------------------------------------------------

TRAINING_STATISTICS = Mistake(
    "tested_in_training_mode",
    "the network is tested in training mode",
    "BN takes the mean and the variance of the test batch, and moves its running statistics by them.",
    "What is said about an image depends on the others in its batch: chapter 06 measures a loss of more than half of the "
    "right answers on sorted images. And the network is changed by being tested.",
    WRONG,
    edits=[{"statistics": "batch"}, {"statistics": "as it was"}],
)
LEFT_IN_EVALUATION = Mistake(
    "evaluation_never_undone",
    "evaluation mode is never undone",
    "The network comes back in evaluation mode, whatever its mode was before.",
    "If it is trained on, BN's running statistics stand still and the gradients are others. The first epoch is right and all "
    "later ones are not.",
    WRONG,
    edits=[{"after": "evaluation"}],
)
LEFT_IN_TRAINING = Mistake(
    "always_put_into_training",
    "training mode is switched on at the end, whatever it was before",
    "A network that came in evaluation mode goes back in training mode.",
    "Whoever tests a finished network and then uses it gets answers that depend on the batch.",
    WRONG,
    edits=[{"after": "training"}],
)
RECORDED_GRADIENTS = Mistake(
    "gradients_recorded",
    "gradients are recorded for nothing",
    "The forward pass keeps all that a backward pass would need.",
    "The numbers are right; memory and time are wasted, and a test set that would fit into memory may not.",
    LOOP,
    visible=noted(RECORDED),
)
MEAN_OF_MEANS = Mistake(
    "mean_of_batch_means",
    "a mean of the batches' means",
    "Each batch counts the same, also a last one with fewer images.",
    "The images of a small last batch count too much, and the result depends on the batch size.",
    LOOP,
    edits=[{"average": "batches"}],
)
FULL_BATCHES = Mistake(
    "small_batch_counted_as_full",
    "the last batch is counted as a full one",
    "The right answers are divided by the number of batches times the batch size.",
    "With a smaller last batch that is more images than there are, and the share comes out too low.",
    LOOP,
    edits=[{"average": "full"}],
)
LAST_DROPPED = Mistake(
    "last_batch_dropped",
    "the smaller last batch is left out",
    "Only full batches are counted, though the share is divided by all images, or by those of full batches.",
    "Images that are never tested make the number another one for every batch size.",
    LOOP,
    edits=[{"last": "dropped"}, {"last": "dropped", "average": "full"}],
)
WRONG_AXIS = Mistake(
    "argmax_over_the_batch",
    "the largest logit is looked for along the wrong axis",
    "Logits are (B, classes). Along the first axis one finds, for each class, an image; and without an axis PyTorch looks for "
    "one largest logit in the whole batch.",
    "Both may run without an error, and the accuracy is that of guessing.",
    LOOP,
    edits=[{"axis": 0}, {"axis": None}],
)
NUMBER = Mistake(
    "number_for_share",
    "the number of right answers, not their share",
    "The right answers are added up, and not divided by the number of images.",
    "Whoever prints it cannot compare test sets of different sizes.",
    LOOP,
    edits=[{"average": "none"}],
)
PERCENT = Mistake(
    "percent_returned",
    "percent instead of a share",
    "What is returned is a hundred times what is asked for.",
    "Only a convention; but one that a comparison with 0.9 turns into a mistake.",
    LOOP,
    edits=[{"unit": 100}],
)
LEFT_FROZEN = Mistake(
    "left_frozen",
    "the network is left frozen",
    "Its weights were shut out of training, and not let in again.",
    "In both frameworks that is a setting of the weights, not a mode of the network: no gradient reaches them from then on, and "
    "in Keras a frozen BN stays in evaluation mode as well.",
    WRONG,
    visible=noted(FROZEN),
)
WRONG_ANSWERS = Mistake(
    "error_for_accuracy",
    "the share of wrong answers",
    "What is returned is 1 minus what is asked for.",
    "The papers' tables list errors, most programs accuracies: a number without its name may be either.",
    LOOP,
    edits=[{"counted": "wrong"}],
)
NO_ANSWER_COUNTS = Mistake(
    "no_answer_counts",
    "not a single answer counts as right",
    "The share is 0 for any images. Labels are numbers of classes, so what they are compared with has to be such a number: the "
    "place of the largest logit, and neither the logit nor a probability. (A division that rounds down gives 0 as well.)",
    "Even guessing is right now and then: an accuracy of exactly 0 is a mistake in the counting.",
    LOOP,
    edits=[{"counted": "none"}],
)
EVALUATION = (
    TRAINING_STATISTICS, LEFT_IN_EVALUATION, LEFT_IN_TRAINING, LEFT_FROZEN, RECORDED_GRADIENTS, MEAN_OF_MEANS, FULL_BATCHES,
    LAST_DROPPED, WRONG_AXIS, WRONG_ANSWERS, NO_ANSWER_COUNTS, NUMBER, PERCENT,
    NO_RETURN,
)  # fmt: skip


# A choice of parameters ------------------------------------------------------------------------------------------------


def _has(place: str, words: str) -> Any:
    def detect(watched: Any) -> str:
        there = [name for name, found in next(iter(watched.results.values()), {}).items() if found == place]
        return f"In {words}: {', '.join(there)}." if there else ""

    return detect


def _others(watched: Any) -> str:
    number = next((seen[ANYTHING_ELSE] for seen in watched.results.values()), 0)
    return f"{number} of the entries are no trainable parameters of the network." if number else ""


IN_NEITHER = Mistake(
    "parameter_left_out",
    "parameters are in neither list",
    "The optimizer is made from the two lists and knows nothing else.",
    "What is in neither is never trained, and no error says so.",
    LOOP,
    visible=_has(NEITHER, "neither list"),
)
IN_BOTH = Mistake(
    "parameter_twice",
    "parameters are in both lists",
    "A parameter that is in two groups would be updated twice, and decays after all.",
    "PyTorch's optimizer refuses it; in Keras, where the second list says which variables are spared, nobody would notice.",
    LOOP,
    visible=_has(BOTH, "both lists"),
)
NO_PARAMETERS = Mistake(
    "lists_hold_other_things",
    "the lists hold things that are not trained",
    "Running means and variances are tensors of the network and no parameters; names and copies are not the parameters either.",
    "An optimizer can only change the very tensors that the network computes with.",
    LOOP,
    visible=_others,
)
DECAYS_ALL = Mistake(
    "everything_decays",
    "everything decays",
    "BN's γ and β and the bias of the dense layer are among the decayed ones.",
    "This is what the papers' published code does, and another recipe than the one that is asked for (Goyal et al. 2017, "
    "section 5.1, spare γ and β).",
    LOOP,
    seen="fb.resnet.torch, and each optimizer that is given all parameters at once",
    edits=[{"gamma": DECAYS, "beta": DECAYS, "bias": DECAYS}],
)
DECAYS_BN = Mistake(
    "bn_decays",
    "BN's γ and β decay",
    "They are among the decayed ones; the bias of the dense layer is spared.",
    "Decay pulls γ towards 0, and with it all that the channel passes on. (Goyal et al. 2017, section 5.1, spare both.)",
    LOOP,
    edits=[{"gamma": DECAYS, "beta": DECAYS}],
)
DECAYS_GAMMA = Mistake(
    "gamma_decays",
    "BN's γ decays",
    "What is called a bias is spared, and γ is not among it: in PyTorch it bears the name <code>weight</code>.",
    "Decay pulls γ towards 0, and with it all that the channel passes on.",
    LOOP,
    edits=[{"gamma": DECAYS}],
)
DECAYS_BIAS = Mistake(
    "bias_decays",
    "the bias of the dense layer decays",
    "BN is spared, and the bias of the dense layer is not in a BN layer.",
    "A bias sets where the logits lie, and has no scale to be kept small; the recipe spares it.",
    LOOP,
    edits=[{"bias": DECAYS}],
)
SPARES_DENSE = Mistake(
    "dense_kernel_spared",
    "the kernel of the dense layer is spared",
    "Only the kernels of convolutions decay.",
    "It is the one kernel without a BN behind it: its decay does bear on the function (section 2).",
    LOOP,
    edits=[{"dense": SPARED}],
)
SPARES_ALL = Mistake(
    "nothing_decays",
    "nothing decays",
    "Every parameter is among the spared ones.",
    "The recipe's weight decay is then a number without effect.",
    LOOP,
    edits=[{"kernel": SPARED, "dense": SPARED}],
)
SWAPPED = Mistake(
    "lists_swapped",
    "the two lists are swapped",
    "What should decay is spared, and the other way round.",
    "The optimizer cannot know which list was meant.",
    LOOP,
    edits=[{"kernel": SPARED, "dense": SPARED, "gamma": DECAYS, "beta": DECAYS, "bias": DECAYS}],
)
CHOICE = (
    IN_NEITHER, IN_BOTH, NO_PARAMETERS, DECAYS_ALL, DECAYS_BN, DECAYS_GAMMA, DECAYS_BIAS, SPARES_DENSE, SPARES_ALL, SWAPPED,
    NO_RETURN,
)  # fmt: skip


# A schedule ------------------------------------------------------------------------------------------------------------


def _schedule(key: str, title: str, explanation: str, why: str, *edits: dict[str, Any], seen: str = ATTEMPT) -> Mistake:
    return Mistake(key, title, explanation, why, LOOP, seen=seen, edits=edits)


SCHEDULE = (
    _schedule(
        "rate_by_epoch", "one rate for a whole epoch",
        "The rate changes only from epoch to epoch, in stairs.",
        "During a warm-up the stairs are steep, and the peak begins with a jump. A schedule that is meant per step is called "
        "per step.",
        {"clock": "epoch"}, {"clock": "end of epoch"},
    ),
    _schedule(
        "step_taken_for_epoch", "steps are taken for epochs",
        "The number of the step stands where the formula has the number of an epoch, so that a training seems to be over after "
        "as many <i>steps</i> as it has epochs.",
        "In the first epoch the rate runs through the whole schedule, and then on through what the formula gives behind its "
        "end: with a cosine, up and down again and again.",
        {"clock": "mixed"}, seen="a scheduler meant for epochs whose step() is called behind every batch",
    ),
    _schedule(
        "no_warm_up", "the warm-up is missing",
        "The rate begins near its peak and falls from the first step on.",
        "A large rate in the first steps is what a warm-up avoids (1512.03385, section 4.2, for ResNet-110; Goyal et al. 2017, "
        "section 2.2).",
        {"rise": "none"},
    ),
    _schedule(
        "peak_never_reached", "the warm-up begins at 0 and stops below the peak",
        "Steps count from 0. The first step then has the rate 0, and the last one of the warm-up a little less than the peak.",
        "A step with rate 0 is wasted; all others of the warm-up come one step late.",
        {"rise": "late"},
    ),
    _schedule(
        "warm_up_in_steps", "the warm-up's epochs are taken for steps",
        "The warm-up is over after a few steps.",
        "A length without its unit is half a statement; in recipes both occur.",
        {"rise": "steps"},
    ),
    _schedule(
        "fall_counted_from_start", "the fall is counted from the first step of all",
        "Behind the warm-up the rate is where a cosine over the whole training would be, so it drops there at once.",
        "The peak lasts for one step, and the schedule is no curve any more, but has a jump.",
        {"fall": "from the start"},
    ),
    _schedule(
        "ends_above_zero", "the last step's rate is not 0",
        "Steps count from 0, so the last one has the number of steps minus 1; with that number the cosine has not arrived.",
        "All steps of the fall come one step late. Over many steps that is little; as a habit it is what makes schedules of two "
        "programs differ.",
        {"end": "one early"},
    ),
    _schedule(
        "peak_twice", "two steps have the peak",
        "The last step of the warm-up has the peak, and so has the first one behind it.",
        "Harmless in a training, and not what was asked for: the fall is stretched by a step.",
        {"end": "peak twice"},
    ),
    _schedule(
        "whole_cosine", "a whole cosine instead of half of one",
        "The rate falls to 0 in the middle and rises to the peak again.",
        "The training ends at its largest rate, where it should have settled.",
        {"angle": "whole"},
    ),
    _schedule(
        "quarter_cosine", "a quarter of a cosine",
        "The rate stays high for long, and ends in a steep fall.",
        "Both ends are right, so a look at them alone does not find it.",
        {"angle": "quarter"},
    ),
    _schedule(
        "degrees", "degrees instead of radians",
        "The cosine is given an angle in degrees, and takes it for radians.",
        "The rate swings up and down nearly thirty times.",
        {"angle": "degrees"},
    ),
    _schedule(
        "without_pi", "the angle goes from 0 to 1: π is missing",
        "The cosine of 1 is 0.54, so the rate ends at (1 + 0.54) / 2 = 77 % of the peak.",
        "The training never gets to the small rates with which a network settles; it looks like a recipe whose peak is too "
        "large.",
        {"angle": "without π"},
    ),
    _schedule(
        "twice_the_peak", "the half in front of 1 + cosine is missing",
        "1 + cosine goes from 2 to 0.",
        "Behind the warm-up the rate jumps to twice the peak.",
        {"height": "double"},
    ),
    _schedule(
        "negative_rates", "the bare cosine, which goes below 0",
        "A cosine goes from 1 to −1; in the second half of the fall the rate is negative.",
        "A negative rate climbs: what was learned is undone.",
        {"height": "signed"},
    ),
    _schedule(
        "straight_line", "a straight line instead of a cosine",
        "The rate falls evenly.",
        "A schedule in its own right, and another recipe.",
        {"shape": "line"},
    ),
    *of_functions(LOOP),
)  # fmt: skip


# A row of a table ------------------------------------------------------------------------------------------------------

BEST_RUN = Mistake(
    "best_run_reported",
    "the best run stands for all",
    "The difference is that of the two best runs.",
    "The best of five says more the wider the runs are spread, and grows with their number. (ResNet-110's 6.43 % in the paper "
    "is the best of five; their mean is 6.61 %: 1512.03385, table 6.)",
    RESULTS,
    edits=[{"middle": "best"}],
)
FIRST_RUN = Mistake(
    "one_run_reported",
    "one run stands for all",
    "The difference is that of the first runs; the others are not looked at.",
    "Another seed would have given another difference, and sometimes another sign.",
    RESULTS,
    edits=[{"middle": "first"}],
)
MEDIAN = Mistake(
    "median_for_mean",
    "the median instead of the mean",
    "The difference is that of the runs in the middle.",
    "A fair choice, and another one than the table's.",
    RESULTS,
    edits=[{"middle": "median"}],
)
POPULATION = Mistake(
    "population_deviation",
    "the deviation of a population instead of a sample's",
    "The sum of squares is divided by the number of runs.",
    "Five runs are a sample of all the runs there could be, and lie closer to their own mean than to the true one; dividing by "
    "one less makes up for it. With five runs the difference is 11 %. NumPy's default is the population's.",
    RESULTS,
    seen="the default of NumPy's <code>std</code>",
    edits=[{"ddof": 0}],
)
OF_THE_MEAN = Mistake(
    "spread_of_the_mean",
    "the spread of the mean instead of the runs'",
    "The deviation is divided by the square root of the number of runs.",
    "That says how well the <i>mean</i> is known. How far the next run may lie from it is what a reader with one training wants "
    "to know, and it does not shrink with more runs.",
    RESULTS,
    edits=[{"spread": "mean"}],
)
VARIANCE = Mistake(
    "variance_for_deviation",
    "the variance instead of the deviation",
    "The root of the mean squared distance was not drawn.",
    "A variance is in squared points, so it cannot be set beside a difference in points: below 1 it is too small, above 1 too "
    "large.",
    RESULTS,
    edits=[{"spread": "variance"}],
)
RANGE = Mistake(
    "range_for_deviation",
    "the range instead of the deviation",
    "What is given is the largest minus the smallest.",
    "Worth knowing, and another number: it grows with the number of runs.",
    RESULTS,
    edits=[{"spread": "range"}],
)
BY_MEANS = Mistake(
    "any_difference_counts",
    "a difference within the spread is called a difference",
    "The verdict looks at the means alone, which always differ a little.",
    "Where runs of the two kinds overlap, other seeds may turn the order round: “cannot tell” is the right answer there.",
    TRAINING,
    edits=[{"rule": "means"}],
)
BY_BEST = Mistake(
    "best_runs_decide",
    "the best runs decide",
    "The verdict compares the two largest values.",
    "One lucky seed decides, and the more seeds one tries, the luckier it gets.",
    TRAINING,
    edits=[{"rule": "best"}],
)
BY_DEVIATION = Mistake(
    "deviation_decides",
    "the deviation decides instead of every run",
    "The verdict compares the difference of the means with the larger deviation.",
    "A rule that one can have, and a weaker one than the course's: single runs may still overlap.",
    TRAINING,
    edits=[{"rule": "deviation"}],
)
BY_PAIRS = Mistake(
    "runs_compared_in_pairs",
    "runs are compared in pairs",
    "The first run of the one kind is compared with the first of the other, the second with the second, and so on.",
    "The order in which runs are listed means nothing: listed otherwise, the same runs would get another verdict.",
    TRAINING,
    edits=[{"rule": "pairs"}],
)
TIES = Mistake(
    "equal_counts_as_better",
    "an equal run counts as a better one",
    "Two runs that are equally good, one of each kind, do not keep the verdict from being given.",
    "On a small test set equal accuracies are common: one image is a step of 0.28 points on the digits.",
    TRAINING,
    edits=[{"rule": "ties"}],
)
TOO_FEW = Mistake(
    "few_runs_as_proof",
    "fewer than three runs are taken as proof",
    "Where there are only two runs of one kind, and they do not overlap with the others, there is a verdict all the same.",
    "Without any difference, all of the one lie on one side of all of the other in one case of three with two runs each, in one "
    "of ten with three, in one of 126 with five.",
    TRAINING,
    edits=[{"enough": 1}, {"enough": 2}, {"of": "either"}, {"of": "both together"}],
)
NEVER_CONTRADICTED = Mistake(
    "never_contradicted",
    "a claim is never contradicted",
    "Where every run says the opposite, the verdict is “cannot tell”.",
    "A test that the claim cannot fail is no test.",
    RESULTS,
    edits=[{"below": False}],
)
ROW = (
    BEST_RUN, FIRST_RUN, MEDIAN, POPULATION, VARIANCE, OF_THE_MEAN, RANGE, BY_MEANS, BY_BEST, BY_DEVIATION, BY_PAIRS, TIES,
    TOO_FEW, NEVER_CONTRADICTED,
    *of_functions(RESULTS),
)  # fmt: skip
