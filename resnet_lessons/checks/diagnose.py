"""From what was seen to what is said: is the block right, and if not, which mistakes of the catalogue explain it?

The learner's tensors are put into the reference, and into the reference with one mistake, with two, with three. What
computes the same as the learner's block, in outputs, gradients and running statistics, is what the learner built. So
behaviour is judged and not spelling, and a mistake is named only if it reproduces everything that was seen.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product
from typing import Any

import numpy as np

from .align import MOST_ORDERS, Pairs, pairings
from .evidence import Evidence, Measured
from .mistakes import Mistake
from .wiring import Facts, Memory, Numbers, Reference, Tensors

MOST_MISTAKES = 3  # at once
STEPS = (1e-7, 1e-8)  # of a difference: the second where the first steps over the kink of a ReLU
SECONDS = 1.0  # after which no three are looked for: an answer comes within two seconds


@dataclass(frozen=True)
class Diagnosis:
    """What is said about an answer; right if nothing was observed against it."""

    observed: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ()

    @property
    def right(self) -> bool:
        """Whether there is nothing to be said against it."""
        return not self.observed


def diagnose(evidence: Evidence, reference: Reference, catalogue: Sequence[Mistake]) -> Diagnosis:
    """Judge what was seen of an answer."""
    from .observe import difference, not_followed, what_stopped_it

    seen = [(mistake, text) for mistake in catalogue if mistake.visible and (text := mistake.visible(evidence))]
    visible, observed = tuple(mistake for mistake, _ in seen), tuple(text for _, text in seen)
    if evidence.measured is None:
        return Diagnosis(tuple(dict.fromkeys((*observed, what_stopped_it(evidence)))), visible)
    if evidence.makes_layers:  # then what it computes is another thing in each run
        return Diagnosis(observed or ("Two runs computed different things.",), visible)
    explained = explain(evidence, evidence.measured, reference, [mistake for mistake in catalogue if mistake.edits])
    if explained == ():
        return Diagnosis((*observed, *not_followed(evidence)), visible)
    implied = {key for mistake in visible for key in mistake.implies}
    named = tuple(mistake for mistake in explained or () if mistake.key not in implied)
    return Diagnosis((*observed, *difference(evidence, evidence.measured, reference)), (*named, *visible))


def explain(
    evidence: Evidence, measured: Measured, reference: Reference, catalogue: Sequence[Mistake]
) -> tuple[Mistake, ...] | None:
    """The fewest mistakes that reproduce everything; none at all for a right block, None if nothing does.

    Two ReLUs in a row are one, so different mistakes may come to the same. Where several sets of equal size reproduce a
    block, those that are in each of them are returned, since these are there for certain.
    """
    if not np.isfinite(measured.outputs).all():  # no reference computes that
        return None
    trace, started = measured.trace.without_dropped(), time.monotonic()
    known: dict[tuple[tuple[str, str], ...], Mapped] = {}
    found: list[tuple[Mistake, ...]] = []
    for mistakes, edit in few_mistakes(catalogue):
        late = len(mistakes) == MOST_MISTAKES and time.monotonic() - started > SECONDS
        if late or (found and len(mistakes) > len(found[0])):
            break
        wrong = reference.with_(edit)
        for pairs in islice(pairings(trace, wrong.sketch()), MOST_ORDERS):
            names = tuple((ours.name, theirs.name) for ours, theirs in pairs)
            if names not in known:
                known[names] = Mapped(evidence, measured, pairs)
            if known[names].is_reproduced_by(wrong):
                found.append(mistakes)
                break
    if not found:
        return None
    return tuple(mistake for mistake in found[0] if all(mistake in other for other in found)) or found[0]


def few_mistakes(catalogue: Sequence[Mistake]) -> Iterator[tuple[tuple[Mistake, ...], Mapping[str, Any]]]:
    """Every set of few mistakes that can be made together, the smallest first."""
    for number in range(MOST_MISTAKES + 1):
        for mistakes in combinations(catalogue, number):
            for chosen in product(*(mistake.edits for mistake in mistakes)):
                fields = [name for edit in chosen for name in edit]
                if len(fields) == len(set(fields)):
                    yield mistakes, {name: value for edit in chosen for name, value in edit.items()}


class Mapped:
    """What was measured, under the reference's names for one pairing of layers."""

    def __init__(self, evidence: Evidence, measured: Measured, pairs: Pairs) -> None:
        self.evidence, self.measured = evidence, measured
        self.names = {ours.name: theirs.name for ours, theirs in pairs}
        self.tensors = self._renamed(measured.tensors)
        self.running = {k: v for k, v in self._renamed(measured.running).items() if k[1].startswith("running")}
        self.gradients = self._renamed(measured.gradients)
        settings = {theirs.name: ours.settings for ours, theirs in pairs}
        self.facts = Facts(
            unbiased=evidence.framework == "pytorch",
            eps={name: own["eps"] for name, own in settings.items() if own.get("eps") is not None},
            momentum={name: own["momentum"] for name, own in settings.items() if own.get("momentum") is not None},
        )
        self._memories: tuple[Memory, Memory] = {}, {}  # of evaluation and of training mode

    def run(self, reference: Reference, *, training: bool) -> Numbers | None:
        """What a reference, right or wrong, computes with these tensors; None if it cannot."""
        images, memory = self.evidence.images, self._memories[training]
        try:
            with np.errstate(all="ignore"):
                return reference.run(images, self.tensors, self.facts, training=training, memory=memory)
        except (KeyError, ValueError, IndexError):  # a tensor that this block lacks, or shapes that do not fit
            return None

    def is_reproduced_by(self, reference: Reference) -> bool:
        """Whether a reference computes all that the learner's block does."""
        tolerance = self.evidence.tolerance
        out = self.run(reference, training=False)
        if out is None or not close(self.measured.outputs, out.out, tolerance):
            return False
        trained = self.run(reference, training=True)
        if trained is None or not close(self.measured.outputs_training, trained.out, tolerance):
            return False
        return not self.wrong_running(trained) and not self.wrong_gradients(reference)

    def wrong_running(self, trained: Numbers) -> list[tuple[str, str]]:
        """The running statistics that a training step left elsewhere than the reference does."""
        moved = {**self.tensors, **trained.running}
        return [key for key, values in self.running.items() if not close(values, moved[key], self.evidence.tolerance)]

    def wrong_gradients(self, reference: Reference) -> list[tuple[str, str] | None]:
        """The tensors (None: the input) whose gradient is not the reference's, along a random direction each."""
        dice, found = np.random.default_rng(3), []
        images, direction = self.evidence.images, self.measured.direction
        gradients: dict[Any, np.ndarray] = {None: self.measured.input_gradient, **self.gradients}
        least = 0.01 * float(np.abs(self.measured.outputs_training * direction).sum())
        for along, gradient in gradients.items():
            v = dice.standard_normal(gradient.shape)
            terms = gradient * v
            tolerance = self.evidence.gradient_tolerance * max(float(np.abs(terms).sum()), least)
            for step in STEPS:
                slope = reference.slope(images, self.tensors, self.facts, direction, along, v, step)
                if abs(terms.sum() - slope) <= tolerance:
                    break
            else:
                found.append(along)
        return found

    def _renamed(self, tensors: Tensors) -> dict[tuple[str, str], np.ndarray]:
        return {(self.names[layer], kind): v for (layer, kind), v in tensors.items() if layer in self.names}


def close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Whether two arrays agree: max|a − b| within `tolerance` times max|b|."""
    if a.shape != b.shape or not np.isfinite(a).all():
        return False
    return bool(np.abs(a - b).max(initial=0) <= tolerance * max(np.abs(b).max(initial=0), 1e-12))
