"""Tasks on training: functions that are watched while they work, and what they should do.

    WatchedTask         a training step, an evaluation, a choice of parameters, a schedule
    chosen, rates       what a choice of parameters and a schedule should be; `training_replay` has the other two
    compare             what a verdict on recorded runs should be
    table_rows          what the course recorded for three rows of a paper's table

The keywords of `chosen`, `rate` and `compare` are the places where people go wrong, as `function_task` says.
"""

from __future__ import annotations

import math
import operator
import re
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from resnet_lessons import training

import numpy as np

from .function_task import Call, Called, FunctionTask, call_each, difference
from .mistakes import Mistake
from .outcome import NOT_ATTEMPTED, NOT_YET, RIGHT, Outcome
from .task import FRAMEWORKS, is_empty, not_attempted
from .training_replay import RUNNING, WORDS, single, small
from .training_watch import ANYTHING_ELSE, DECAYS, SPARED, WATCHERS, NotAskedError, Watcher
from .uses import framework_of

MODULES = {"pytorch": "torch", "tensorflow": "tensorflow"}
LEAST_RUNS = 3  # of each kind, as in `findings`
REPRODUCED, CANNOT_TELL, CONTRADICTED = "reproduced", "cannot tell", "contradicted"


@dataclass
class Watched(Called):
    """What watching showed; `notes` are the watcher's, which stand for what numbers cannot tell."""

    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass
class WatchedTask(FunctionTask):
    """A task that asks for a function of a network, in either framework; or for one that is watched, and needs none.

    `right` also takes the framework as a keyword.

    Parameters
    ----------
    watch
        Runs the learner's function on the watcher's network, with the arguments of a call.
    praise
        What is said of a right answer.
    follows
        Note → keywords of `right` that follow from it. What else is wrong is looked for with these set. Such a note counts only
        where numbers are wrong: an optimizer that is given a closure is called before there are gradients, and is right.
    """

    watch: Callable[..., Any] = field(kw_only=True)
    praise: str = field(kw_only=True)
    follows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def _judge(self, answer: Any) -> Outcome:
        if is_empty(answer):
            return Outcome(self.key, NOT_ATTEMPTED)
        if not callable(answer) or isinstance(answer, type):
            text = (
                f"A {type(answer).__name__} was given; the check takes the function itself, without brackets behind it."
            )
            return Outcome(self.key, NOT_YET, (text,))
        if "" in self.names:
            return self._judge_in(answer, "")[0]
        known = framework_of(answer)
        candidates = [known] if known else [name for name, module in MODULES.items() if module in sys.modules]
        # A function that names neither framework may be of either: the one whose network it can work with.
        tried = [self._judge_in(answer, framework) for framework in candidates]
        return min(
            tried, key=lambda one: (one[0].status != RIGHT, one[1]), default=(Outcome(self.key, NOT_ATTEMPTED), 0)
        )[0]

    def _judge_in(self, answer: Any, framework: str) -> tuple[Outcome, bool]:
        """Judge it in one framework; and say whether it raised there."""
        bound = replace(self, right=partial(self.right, framework=framework))
        watcher = WATCHERS[framework]()
        watched = bound._watched(answer, watcher)
        if (reason := not_attempted(answer, watched)) is not None:
            return Outcome(self.key, NOT_ATTEMPTED, reason, framework=framework), False
        return bound._told(watched), watched.error is not None

    def _watched(self, answer: Any, watcher: Watcher) -> Watched:
        def run(*arguments: Any) -> Any:
            return self.watch(watcher, answer, *arguments)

        with watcher.watching():
            called = call_each(run, self.calls)
        called.framework = watcher.framework
        return Watched(**vars(called), notes=watcher.notes)

    def _told(self, watched: Watched) -> Outcome:
        wrong = self._wrong(watched)
        if not wrong:
            watched.notes = {note: text for note, text in watched.notes.items() if note not in self.follows}
        seen = {m: text for m in self.catalogue if m.visible and (text := m.visible(watched))}
        if not wrong and not seen:
            where = f", in {FRAMEWORKS[watched.framework]}" if watched.framework else ""
            text = f"{self.praise}{where}."
            return Outcome(self.key, RIGHT, (text,), framework=watched.framework)
        known = {key: value for note in watched.notes for key, value in self.follows.get(note, {}).items()}
        explained = replace(self, right=partial(self.right, **known))._explained(watched, wrong)
        mistakes = tuple(dict.fromkeys((*explained, *seen)))
        observed = tuple(self._observed(watched, wrong, seen))
        return Outcome(self.key, NOT_YET, observed, mistakes, watched.framework)

    def _observed(self, called: Called, wrong: Mapping[int, str], seen: Mapping[Mistake, str]) -> Iterator[str]:
        if isinstance(called.error, NotAskedError):
            yield str(called.error)
            return
        entries = r"has the right shape, \(.*?\), and \S+ of its values are others, first"
        for text in super()._observed(called, wrong, seen):
            yield re.sub(entries, "differs, first", text)  # how many entries do tells nothing of a training


def noted(note: str) -> Callable[[Any], str]:
    """A detector: what a watcher noted under a name."""
    return lambda watched: getattr(watched, "notes", {}).get(note, "")


def effect_of_steps(call: Call, given: Mapping[str, Any], right: Mapping[str, Any]) -> str:
    """What a wrong training step does, in words."""
    weights = [name for name in WORDS if name not in RUNNING]
    before = {name: single(value) for name, value in small().items()}
    after = {name: given[f"{WORDS[name]} after step 1"] for name in before}
    if not any(difference(after[name], before[name]) for name in weights):
        return "No weight has moved."
    if not any(difference(after[name], before[name]) for name in RUNNING):
        return "The running mean and variance have not moved."
    if not any(difference(given[name], right[name]) for name in right if name.endswith("step 1")):
        return "The first step is right; a later one is not."
    far = np.concatenate([(after[name] - before[name]).ravel() for name in weights])
    asked = np.concatenate([(right[f"{WORDS[name]} after step 1"] - before[name]).ravel() for name in weights])
    times = float(far @ asked / (asked @ asked))
    if abs(times - 1) > 0.01 and np.allclose(far, times * asked, atol=1e-4):
        return f"In the first step every weight moves {times:.3g} times as far as it should."
    return ""


def effect_of_evaluation(call: Call, given: Mapping[str, Any], right: Mapping[str, Any]) -> str:
    """What a wrong evaluation does to the network, in words."""
    moved = any(difference(given[name], right[name]) for name in right if name.startswith("the running"))
    return "The running mean and variance have moved: the network was changed by being tested." if moved else ""


# A choice of parameters ------------------------------------------------------------------------------------------------


def chosen(
    kinds: Sequence[str], *, framework: str = "pytorch", kernel: str = DECAYS, dense: str = DECAYS, gamma: str = SPARED,
    beta: str = SPARED, bias: str = SPARED, others: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Where each parameter of the watcher's network belongs; each keyword is a kind, and where it was put."""
    by_kind = {
        "the kernel": kernel, "γ of": gamma, "β of": beta, "the dense layer's kernel": dense, "the dense layer's bias": bias,
    }  # fmt: skip
    there = {name: next(place for kind, place in by_kind.items() if name.startswith(kind)) for name in kinds}
    return {**there, ANYTHING_ELSE: others}


# A schedule ------------------------------------------------------------------------------------------------------------


def rate(
    step: int, steps_per_epoch: int, epochs: int, warm_up: int, peak: float, *, clock: str = "step", rise: str = "full",
    fall: str = "behind the warm-up", end: str = "zero", angle: str = "half", height: str = "peak", shape: str = "cosine",
) -> float:  # fmt: skip
    """Return the learning rate of a step that counts from 0: a linear warm-up to the peak, then half a cosine to 0.

    Parameters
    ----------
    step, steps_per_epoch, epochs, warm_up, peak
        The step's number; how long the training and its warm-up are, the latter two in epochs; the largest rate.
    clock
        By ``"step"``; by ``"epoch"``: one rate for an epoch, that of its first step, or of its last one (``"end of epoch"``);
        ``"mixed"``: the step is taken for the number of an epoch.
    rise
        ``"full"``: the last step of the warm-up has the peak. ``"late"``: it begins at 0 and misses the peak;
        ``"none"``; ``"steps"``: epochs taken for steps.
    fall
        Counted ``"behind the warm-up"``, or ``"from the start"``.
    end
        The last step has ``"zero"``, or is ``"one early"``, or the whole is stretched so that the first step behind the
        warm-up has the peak once more (``"peak twice"``).
    angle
        ``"half"`` a cosine; a ``"whole"`` or a ``"quarter"`` one; an angle in ``"degrees"``; from 0 to 1, ``"without π"``.
    height
        From the ``"peak"``; ``"double"``: the half is forgotten; ``"signed"``: the bare cosine.
    shape
        ``"cosine"``, or ``"line"``.
    """
    if clock == "epoch":
        step = step // steps_per_epoch * steps_per_epoch
    if clock == "end of epoch":
        step = (step // steps_per_epoch + 1) * steps_per_epoch - 1
    length = 1 if clock == "mixed" else steps_per_epoch
    total, rising = epochs * length, {"none": 0, "steps": warm_up}.get(rise, warm_up * length)
    if step < rising:
        return peak * (step + (rise != "late")) / rising
    start = 0 if fall == "from the start" else rising
    done = step - start + (end == "zero")
    fallen = done / max(1, total - start - (end == "peak twice"))
    if shape == "line":
        return peak * (1 - fallen)
    turn = {"half": math.pi, "whole": 2 * math.pi, "quarter": math.pi / 2, "degrees": 180.0, "without π": 1.0}[angle]
    cosine = math.cos(turn * fallen)
    if angle == "quarter" or height == "signed":
        return peak * cosine
    return peak * (1 + cosine) / (1 if height == "double" else 2)


def rates(
    steps_per_epoch: int, epochs: int, warm_up: int, peak: float, *, framework: str = "", **edit: str
) -> dict[str, float]:
    """Return the rate of every step; the keywords are those of `rate`."""
    steps = range(steps_per_epoch * epochs)
    return {f"the rate of step {step}": rate(step, steps_per_epoch, epochs, warm_up, peak, **edit) for step in steps}


def effect_of_rates(call: Call, given: Mapping[str, float], right: Mapping[str, float]) -> str:
    """What a wrong schedule looks like as a curve."""
    curve, asked = (np.array(list(each.values()), dtype=float) for each in (given, right))
    peak = call.arguments[-1]
    if curve.min() < -1e-9:
        return f"{int((curve < -1e-9).sum())} of the {len(curve)} rates are below 0."
    if abs(curve.max() - peak) > 1e-9:
        return f"The largest rate is {curve.max():.4g}, at step {int(curve.argmax())}; the peak is {peak:g}."
    if abs(curve[-1]) > 1e-9:
        return f"The last step's rate is {curve[-1]:.4g}, and not 0."
    return f"{int((~np.isclose(curve, asked, atol=1e-9)).sum())} of the {len(curve)} rates are others."


# A row of a table ------------------------------------------------------------------------------------------------------


def compare(
    better: Sequence[float], other: Sequence[float], *, middle: str = "mean", ddof: int = 1, spread: str = "runs",
    rule: str = "every run", enough: int = LEAST_RUNS, of: str = "each", below: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Say what runs tell of the claim that one kind is better than another.

    Parameters
    ----------
    better, other
        Test accuracies in percent, one a run, of the kind that should be better and of the other one.
    middle
        The ``"mean"``; the ``"best"`` run, the ``"first"`` one, or the ``"median"``.
    ddof, spread
        The sample's deviation has 1, the population's 0. Of the ``"runs"``, or of their ``"mean"``; or their ``"range"``; or
        the ``"variance"``.
    rule
        ``"every run"`` of the one beyond every run of the other, or beyond or equal (``"ties"``); or only the ``"means"``,
        the ``"best"`` runs, runs in ``"pairs"``, or a difference larger than the ``"deviation"``.
    enough, of, below
        How many runs it takes, of ``"each"`` kind; or of ``"either"``, or twice as many of ``"both together"``; whether a
        difference the other way round counts.
    """
    difference = _middle(better, middle) - _middle(other, middle)
    deviations = [_spread(runs, ddof, spread) for runs in (better, other)]
    above = {
        "every run": (min(better) > max(other), max(better) < min(other)),
        "means": (difference > 0, difference < 0),
        "ties": (min(better) >= max(other), max(better) <= min(other)),
        "pairs": tuple(all(map(beyond, better, other)) for beyond in (operator.gt, operator.lt)),
        "best": (max(better) > max(other), max(better) < max(other)),
        "deviation": (difference > max(deviations), -difference > max(deviations)),
    }[rule]
    verdict = CANNOT_TELL
    lengths = (len(better), len(other))
    count = {"each": min(lengths), "either": max(lengths), "both together": sum(lengths) // 2}[of]
    if count >= enough and any(above):
        verdict = REPRODUCED if above[0] else CONTRADICTED if below else CANNOT_TELL
    return {"difference": difference, "deviations": deviations, "verdict": verdict}


def _middle(runs: Sequence[float], which: str) -> float:
    if which == "first":
        return runs[0]
    by: dict[str, Callable[[Sequence[float]], float]]
    by = {"mean": statistics.fmean, "best": max, "median": statistics.median}
    return by[which](runs)


def _spread(runs: Sequence[float], ddof: int, of: str) -> float:
    if of == "range":
        return max(runs) - min(runs)
    mean, count = statistics.fmean(runs), len(runs)
    variance = sum((run - mean) ** 2 for run in runs) / max(1, count - ddof)
    deviation = variance if of == "variance" else math.sqrt(variance)
    return deviation / math.sqrt(count) if of == "mean" else deviation


def table_rows() -> dict[str, tuple[list[float], list[float]]]:
    """What the course recorded for three rows of 1603.05027, table 2: test accuracies in percent, a run each.

    Each row is a claim of the table's column for ResNet-110: of two placements, the first has the smaller error.
    """
    runs = training.recorded("placements_110_pytorch")["runs"]
    ends: dict[str, list[float]] = {}
    for run in runs:
        ends.setdefault(run["placement"], []).append(100 * run["history"]["test_accuracy"][-1])
    claims = {
        "original better than BN after the addition": ("original", "bn_after"),
        "original better than ReLU before the addition": ("original", "relu_before"),
        "original better than ReLU-only pre-activation": ("original", "relu_only"),
    }
    return {claim: (list(ends[better]), list(ends[other])) for claim, (better, other) in claims.items()}
