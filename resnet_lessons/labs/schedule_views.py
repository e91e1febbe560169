"""What the lab "Schedule explorer" shows: pure functions from schedules and trainings to HTML and pictures."""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..figures.panels import Line, Panel, panels
from ..figures.picture import Figure
from .blockwise import digits
from .schedule_trials import PATIENTS, RATES, RECIPE, WARM_UPS, Course, Plan, recorded_ends

LOW = 0.90  # less than logistic regression reaches on these images: 94 to 97 % (scikit-learn, C from 0.01 to 1)
FAST = 0.1  # a rate from here on is not what keeps a loss high by being low
CHANCE = math.log(10)  # the loss of guessing among ten classes
FULL = 8  # epochs


@dataclass(frozen=True)
class Task:
    """What is asked for, how long a training may take, and which axes of the plan are fixed."""

    title: str
    text: str
    goal: float = 0.95
    budget: int = FULL
    fixed: dict[str, Any] = field(default_factory=dict)


TASKS = {
    1: Task(
        "1 A constant rate",
        "The rate stays as it is from the first update to the last. Find a rate that reaches the goal, and find the edge: "
        "two neighbouring rates, of which the higher ends below 90 % and the lower does not.",
        fixed={"shape": "constant", "warm_up": 0.0, "warm_up_shape": "linear"},
    ),
    2: Task(
        "2 Too high a peak",
        "The peak rate is 1 and stays 1. Rescue the training by the schedule alone, and show what did it: two schedules "
        "that differ in their warm-up and in nothing else; without warm-up one ends below 90 %, with it the other reaches "
        "the goal.",
        fixed={"rate": 1.0},
    ),
    3: Task(
        "3 In two epochs",
        "A quarter of the epochs: two, 46 updates; everything else is free. Reach the goal, and show what the decay is "
        "worth: the same peak rate and the same warm-up with a constant shape, in as many epochs, which misses it.",
        goal=0.93,
        budget=2,
    ),
    4: Task(
        "4 Diagnosis",
        "Curves of five recorded trainings of 8 epochs, one after the other. What was wrong with the schedule, if anything?",
    ),
}
GOALS = {
    "rate": "a constant rate that reaches 95 %",
    "edge": "the edge of too high",
    "rescue": "peak rate 1 rescued",
    "short": "93 % in two epochs",
    "diagnosis": "four of five diagnoses",
}
RIGHT_TO_SOLVE = 4  # predictions; diagnoses as well
OUTCOMES = ("fails", "short", "reaches")

CAUSES = {
    "no warm-up": "it starts at a high rate, without warm-up",
    "too low": "its rate is far too low",
    "too high": "its rate is far too high, from first to last",
    "early drops": "its drops come too early",
    "none": "nothing: warm-up, peak and decay fit",
}
ORDERS = (  # in which the curves come, round after round
    ("early drops", "too high", "none", "no warm-up", "too low"),
    ("none", "no warm-up", "too low", "early drops", "too high"),
    ("too high", "too low", "no warm-up", "none", "early drops"),
    ("no warm-up", "none", "early drops", "too high", "too low"),
    ("too low", "early drops", "too high", "no warm-up", "none"),
)
_SIGNS = {
    "no warm-up": "The first epoch's mean loss is above that of guessing, so the first updates made the network worse than "
    "it was new. From there it learns, slowly; the decay comes before it has arrived.",
    "too low": "The loss falls from the first epoch to the last, never below 0.5, and nothing disturbs it. The network is on "
    "its way, and the updates run out.",
    "too high": "The loss jumps far above that of guessing, comes back to it, and stays: the test accuracy is that of "
    "guessing to the end.",
    "early drops": "The loss falls fast, then it stands still where it is, and so does the accuracy. The rate is a "
    "hundredth of its peak long before the network has learned enough.",
    "none": "The loss falls fast, and is below a hundredth of guessing's at the end; as the rate goes to 0, accuracy and loss "
    "come to rest.",
}


@dataclass(frozen=True)
class Ended:
    """A training that came to its end, and what was predicted; `prediction` is None where none was asked for."""

    task: int
    plan: Plan
    seed: int
    accuracy: float
    prediction: str | None = None

    @property
    def outcome(self) -> str:
        """One of `OUTCOMES`."""
        return outcome_of(self.task, self.accuracy)


# Judging ---------------------------------------------------------------------------------------------------------------


def outcome_of(task: int, accuracy: float) -> str:
    """Return which of `OUTCOMES` a test accuracy at the end is."""
    if accuracy >= TASKS[task].goal:
        return "reaches"
    return "short" if accuracy >= LOW else "fails"


def outcome_words(task: int, outcome: str) -> str:
    """Say an outcome, with its numbers."""
    goal = f"{100 * TASKS[task].goal:.0f} %"
    return {
        "fails": "it fails: the end is below 90 %",
        "short": f"it learns, and misses the goal: 90 % to below {goal}",
        "reaches": f"it reaches the goal: {goal} or more",
    }[outcome]


def reached(ended: Iterable[Ended]) -> set[str]:
    """Return which of the first four `GOALS` are reached; only first seeds count, so that pairs begin alike."""
    runs = [run for run in ended if run.seed == 0]
    pairs = list(itertools.permutations(runs, 2))
    goals = {"rate"} if any(run.task == 1 and run.outcome == "reaches" for run in runs) else set()
    goals |= {"edge"} if any(_is_edge(*pair) for pair in pairs) else set()
    goals |= {"rescue"} if any(_is_rescue(*pair) for pair in pairs) else set()
    return goals | ({"short"} if any(_is_worth(*pair) for pair in pairs) else set())


def _is_edge(lower: Ended, higher: Ended) -> bool:
    if not lower.task == higher.task == 1 or lower.plan.epochs != higher.plan.epochs:
        return False
    neighbours = RATES.index(higher.plan.rate) - RATES.index(lower.plan.rate) == 1
    return neighbours and higher.outcome == "fails" != lower.outcome


def _is_rescue(without: Ended, rescued: Ended) -> bool:
    if not without.task == rescued.task == 2 or without.plan.warm_up or not rescued.plan.warm_up:
        return False
    same = replace(rescued.plan, warm_up=0.0, warm_up_shape="linear") == without.plan
    return same and without.outcome == "fails" and rescued.outcome == "reaches"


def _is_worth(constant: Ended, decayed: Ended) -> bool:
    if not constant.task == decayed.task == 3 or decayed.plan.shape == "constant":
        return False
    same = replace(decayed.plan, shape="constant") == constant.plan
    return same and constant.outcome != "reaches" == decayed.outcome


# In words --------------------------------------------------------------------------------------------------------------


def status_html(predicted: tuple[int, int], done: Iterable[str], solved: bool) -> str:
    """Return the line that says how far the learner is."""
    text = f"Predicted right: {predicted[0]} of {predicted[1]} (4 are needed). "
    text += " · ".join(f"{'✓' if goal in set(done) else '○'} {words}" for goal, words in GOALS.items()) + "."
    return text + (" <b>✓ Solved.</b>" if solved else "")


def task_html(task: int) -> str:
    """Return what a task asks for."""
    chosen = TASKS[task]
    goal = f" <b>Goal: a test accuracy of {100 * chosen.goal:.0f} % at the end.</b>" if task != 4 else ""
    return f"<p>{chosen.text}{goal}</p>"


def plan_words(plan: Plan) -> str:
    """Say a schedule in a few words.

    >>> plan_words(Plan("cosine", 1.0, 0.25))
    'peak 1, warm-up 1/4 as a ramp, then half a cosine to 0, 8 epochs'
    >>> plan_words(Plan(rate=0.1, epochs=1))
    'rate 0.1, constant, 1 epoch'
    """
    length = f"{plan.epochs} epoch{'s' * (plan.epochs > 1)}"
    drops = " and ".join(f"{100 * drop:.0f} %" for drop in plan.drops)
    after = {
        "constant": "constant",
        "steps": f"divided by 10 after {drops} of the updates",
        "cosine": "half a cosine to 0",
    }
    then = after[plan.shape]
    if not plan.warm_up:
        return f"{'rate' if plan.shape == 'constant' else 'peak'} {plan.rate:g}, {then}, {length}"
    how = "as a ramp" if plan.warm_up_shape == "linear" else "flat at a tenth"
    return f"peak {plan.rate:g}, warm-up {WARM_UPS[plan.warm_up]} {how}, then {then}, {length}"


def plan_html(plan: Plan) -> str:
    """Return what a schedule is, with the names that it goes by."""
    known = ""
    if plan.shape == "cosine" and plan.warm_up and plan.warm_up_shape == "linear":
        known = (
            " A ramp up and half a cosine down is what <code>Recipe</code> calls one-cycle, after Smith and Topin 2017."
        )
    elif plan.shape == "steps" and not plan.warm_up:
        known = " Dividing by 10 after 1/2 and 3/4 of the updates is what the paper does (He et al. 2015, section 4.2)."
    elif plan.warm_up and plan.warm_up_shape == "constant":
        known = " The paper begins like this at depth 110: 0.01 at first, then 0.1 (He et al. 2015, section 4.2)."
    updates = len(plan.rates())
    return f"<p>{sentence(plan_words(plan))} ({updates} updates).{known}</p>"


def sentence(text: str) -> str:
    """Begin with a capital letter."""
    return text[:1].upper() + text[1:]


def verdict_html(run: Ended) -> str:
    """Return the answer to a prediction."""
    found = f"{outcome_words(run.task, run.outcome)} ({100 * run.accuracy:.1f} %)"
    if run.prediction is None:
        return f'<p role="status">With first weights number {run.seed + 1}, {found}.</p>'
    right = "✓ <b>Right:</b>" if run.prediction == run.outcome else "✗ <b>Not so:</b>"
    return f'<p role="status">{right} {found}.</p>'


def training_html(course: Course, framework: str | None, stopped: bool) -> str:
    """Return how far a training is, while it has not ended; or why it cannot."""
    if course.error:
        name = {"torch": "PyTorch", "tensorflow": "TensorFlow"}
        missing = next((label for module, label in name.items() if f"No module named '{module}'" in course.error), "")
        text = f"{missing} is not installed here." if missing else html.escape(course.error)
        return f'<p role="status">✗ <b>Cannot train:</b> {text}</p>'
    step = len(course.losses)
    if stopped:
        return f'<p role="status">Stopped after update {step} of {course.steps}. “Train again” begins anew.</p>'
    if not step:
        slow = "; TensorFlow takes some seconds to load, and for each network to build its graph"
        return f"<p>Building the network{slow if framework == 'tensorflow' else ''} …</p>"
    return f"<p>Update {step} of {course.steps}.</p>"


def why_html(course: Course, plan: Plan, goal: float) -> str:
    """Return what the curves of a finished training show, as far as it can be said from its numbers alone."""
    found = []
    first, losses, tests = course.epoch_losses[:1], course.epoch_losses, course.accuracies
    if course.diverged:
        found.append(f"After update {len(course.losses)} the loss was no longer a number.")
    if first and first[0] > max(CHANCE, course.losses[0]):
        found.append(
            f"In the first epoch the mean loss was {_loss(first[0])}; guessing has ln 10 = 2.30, and the new network had "
            f"{_loss(course.losses[0])}. The first updates made it worse than it was."
        )
    if plan.warm_up and plan.warm_up_shape == "constant" and not course.diverged:
        end = len(list(itertools.takewhile(lambda rate: rate < plan.rate, plan.rates())))
        before, highest = course.losses[end - 1], max(course.losses[end:])
        if highest > 3 * before:
            found.append(
                f"After update {end} the rate rose tenfold at once: the loss of a batch had come down to {_loss(before)}, and "
                f"went up to {_loss(highest)}. A ramp has no such jump."
            )
    if len(losses) > 1 and goal > course.accuracy and plan.rate < FAST and losses[-1] < 0.95 * losses[-2]:
        found.append(
            f"The loss still fell in the last epoch, from {_loss(losses[-2])} to {_loss(losses[-1])}: the updates ran out."
        )
    half = tests[len(tests) // 2 - 1 :] if len(tests) >= 4 else []
    falls = [(before - after, number) for number, (before, after) in enumerate(itertools.pairwise(half))]
    if falls and max(falls)[0] > 0.03:
        fall, number = max(falls)
        where = len(tests) // 2 + number
        found.append(
            f"The test accuracy is not settled: from epoch {where} to {where + 1} it fell by {100 * fall:.1f} points."
        )
    ends = recorded_ends(plan)
    if ends:
        span = f"{100 * min(ends):.1f} % to {100 * max(ends):.1f} %"
        found.append(f"{len(ends)} recorded runs of this schedule, each with other first weights, ended at {span}.")
    return "".join(f"<p>{text}</p>" for text in found)


def runs_html(ended: Sequence[Ended], task: int) -> str:
    """Return a table of the latest trainings of a task."""
    mine = [run for run in ended if run.task == task][-8:]
    if not mine:
        return ""
    rows = ""
    for run in mine:
        guess = "–" if run.prediction is None else "✓ right" if run.prediction == run.outcome else "✗ not so"
        rows += (
            f'<tr><th scope="row">{plan_words(run.plan)}</th><td class="rl-number">{run.seed + 1}</td>'
            f'<td class="rl-number">{100 * run.accuracy:.1f} %</td><td>{guess}</td></tr>'
        )
    return (
        '<table><caption>Trainings so far</caption><thead><tr><th scope="col">schedule</th><th scope="col" class="rl-number">'
        'first weights</th><th scope="col" class="rl-number">end</th><th scope="col">prediction</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def diagnosis_html(patient: str, cause: str) -> str:
    """Return the answer to a diagnosis."""
    right = "✓ <b>Right:</b>" if cause == patient else "✗ <b>Not so:</b>"
    return f'<p role="status">{right} {CAUSES[patient]} ({plan_words(PATIENTS[patient])}). {_SIGNS[patient]}</p>'


def _loss(value: float) -> str:
    return f"{value:.2f}" if value < 1000 else f"{value:.0e}".replace("e+0", "·10^").replace("e+", "·10^")


# In pictures -----------------------------------------------------------------------------------------------------------


def rate_figure(plan: Plan) -> Figure:
    """Draw the learning rate of every update."""
    alt = f"Learning rate by update. {_rate_alt(plan)}"
    return _figure([_rate_panel(plan, height=90)], plan.epochs, "the learning rate of a schedule", alt)


def course_figure(plan: Plan, course: Course, goal: float, before: tuple[Plan, Course] | None = None) -> Figure:
    """Draw a training, so far as it is, above its learning rate; an earlier one in grey behind it."""
    courses = [course] if before is None else [course, before[1]]
    epochs = plan.epochs if before is None else max(plan.epochs, before[0].epochs)
    parts = [
        *_curves(courses, {f"goal {100 * goal:.0f} %": goal}),
        _rate_panel(plan, None if before is None else before[0]),
    ]
    alt = f"{_course_alt(course)} {_rate_alt(plan)}"
    if before is not None:
        alt += f" In grey, the training before: {_course_alt(before[1])} {_rate_alt(before[0])}"
    return _figure(parts, epochs, "loss, test accuracy and learning rate of a training", alt)


def patient_figure(course: Course, plan: Plan | None = None) -> Figure:
    """Draw a training that is to be diagnosed; with its learning rate once it is."""
    parts = _curves([course], {})
    alt = _course_alt(course)
    if plan is not None:
        parts.append(_rate_panel(plan))
        alt += f" {_rate_alt(plan)}"
    return _figure(parts, len(course.accuracies), "loss and test accuracy of a training", alt)


def _figure(parts: list[Panel], epochs: int, description: str, alt: str) -> Figure:
    per_epoch = RECIPE.steps_per_epoch(len(digits().train))
    marks = {str(epoch): float(epoch * per_epoch) for epoch in range(epochs + 1)}
    return panels(parts, epochs * per_epoch, marks, f"epoch ({per_epoch} updates each)", description, alt)


def _curves(courses: Sequence[Course], levels: dict[str, float]) -> list[Panel]:
    losses, tests = [], []
    for number, course in enumerate(courses):
        faded = number > 0
        losses.append(Line([step + 0.5 for step in range(len(course.losses))], course.losses, faded))
        per_epoch = RECIPE.steps_per_epoch(len(digits().train))
        ends = [min((epoch + 1) * per_epoch, course.steps) for epoch in range(len(course.accuracies))]
        tests.append(Line(ends, course.accuracies, faded, dots=True))
    loss_ticks = {"10": 10.0, "1": 1.0, "0.1": 0.1, "0.01": 0.01}
    return [
        Panel("training loss of each batch", 0.003, 30, loss_ticks, losses, {"guessing, 2.30": CHANCE}, log=True),
        Panel("test accuracy after each epoch", 0, 1, {"0 %": 0, "50 %": 0.5, "100 %": 1}, tests, levels),
    ]


def _rate_panel(plan: Plan, before: Plan | None = None, height: int = 70) -> Panel:
    lines, top = [], 0.0
    for number, each in enumerate([plan] if before is None else [plan, before]):
        rates = each.rates()
        top = max(top, *rates)
        # A rate holds from one update to the next: a staircase.
        xs = [x for step in range(len(rates)) for x in (step, step + 1)]
        lines.append(Line(xs, [rate for rate in rates for _ in (0, 1)], faded=number > 0))
    return Panel("learning rate", 0, top * 1.05, {"0": 0.0, f"{top:g}": top}, lines, height=height)


def _rate_alt(plan: Plan) -> str:
    rates = plan.rates()
    return f"The learning rate starts at {rates[0]:.3g}, is {max(rates):.3g} at most, and ends at {rates[-1]:.3g}."


def _course_alt(course: Course) -> str:
    if not course.losses:
        return "Nothing is trained yet."
    text = f"Training loss by update: starts at {course.losses[0]:.3g}, ends at {course.losses[-1]:.3g}, "
    text += f"highest {max(course.losses):.3g}."
    if course.accuracies:
        text += f" Test accuracy after each epoch: {', '.join(f'{100 * a:.1f} %' for a in course.accuracies)}."
    return text
