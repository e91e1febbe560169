"""A task whose answer is made with several sets of arguments: channels in, channels out, stride.

Where a mistake shows depends on the shape: a projection that is made for a stride alone is missing only where the channels
change without one. So the answer is built and judged for each case; what is said at the end is said about all of them.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .diagnose import Diagnosis, diagnose
from .evidence import Evidence, gather
from .mistakes import Mistake
from .outcome import NOT_ATTEMPTED, NOT_YET, RIGHT, Outcome
from .task import FRAMEWORKS, Task, is_empty, not_attempted
from .uses import framework_of
from .wiring import Reference

SECONDS = 1.0  # of explaining, after which the other cases are only compared: an answer comes within seconds


@dataclass(frozen=True)
class Case:
    """One set of arguments, and what should come of it."""

    arguments: tuple[int, ...]
    reference: Reference

    def __str__(self) -> str:
        """Such as "4 → 6 channels, stride 2"."""
        ins, outs, stride, *blocks = self.arguments
        return f"{ins} → {outs} channels, stride {stride}" + "".join(f", {number} blocks" for number in blocks)


@dataclass(frozen=True)
class Judged:
    """What was seen of one case, and what is said about it."""

    case: Case
    evidence: Evidence
    diagnosis: Diagnosis


def all_of_them(judged: Sequence[Judged]) -> tuple[Mistake, ...]:
    """Every mistake that was found in some case, once."""
    return tuple({mistake.key: mistake for one in judged for mistake in one.diagnosis.mistakes}.values())


@dataclass
class CasesTask(Task):
    """A task that asks for a class or a function that makes blocks of several shapes.

    Parameters
    ----------
    cases
        The arguments to make it with. The one that shows most comes first; they are judged from the last, which should be the
        plainest: what is wrong there is soon found, and then known for the others.
    catalogue
        The mistakes that can be named.
    also
        Edits of the wiring that are right as well.
    combine
        From what was found in each case to the mistakes that are named.
    then
        More cases, for what is right in all of `cases`.
    """

    cases: Sequence[Case] = field(kw_only=True)
    catalogue: Sequence[Mistake] = field(kw_only=True)
    also: Sequence[Mapping[str, Any]] = ()
    combine: Callable[[Sequence[Judged]], tuple[Mistake, ...]] = all_of_them
    then: Sequence[Case] = ()

    def _judge(self, answer: Any) -> Outcome:
        if is_empty(answer):
            return Outcome(self.key, NOT_ATTEMPTED)
        framework = framework_of(answer)
        if not (isinstance(answer, (type, partial)) or inspect.isroutine(answer)):
            given = f"A {type(answer).__name__} was given"
            asked = "the check makes blocks of several shapes, so it takes the class, or the function that makes them"
            return Outcome(self.key, NOT_YET, (f"{given}; {asked}.",), framework=framework)
        judged: list[Judged] = []
        spent = 0.0
        for case in (*reversed(self.cases), *self.then):
            if len(judged) >= len(self.cases) and not all(one.diagnosis.right for one in judged):
                break
            evidence = gather(made_with(answer, case.arguments), case.reference, framework)
            evidence.called_with = ", ".join(map(str, case.arguments))
            if not judged and (reason := not_attempted(answer, evidence)) is not None:
                return Outcome(self.key, NOT_ATTEMPTED, reason, framework=evidence.framework)
            started = time.monotonic()
            found = self._diagnose(evidence, case.reference, all_of_them(judged), late=spent > SECONDS)
            spent += time.monotonic() - started
            judged.insert(0, Judged(case, evidence, found))
        wrong = [one for one in judged if not one.diagnosis.right]
        framework = framework or judged[0].evidence.framework
        if not wrong:
            name = FRAMEWORKS.get(framework, "")
            shapes = f" in {len(judged)} shapes" if len(judged) > 1 else ""
            text = f"Outputs, gradients and running statistics agree with the reference's{shapes}, in {name}."
            return Outcome(self.key, RIGHT, (text,), framework=framework)
        return Outcome(self.key, NOT_YET, _observed(judged), self.combine(judged), framework)

    def _diagnose(self, evidence: Evidence, reference: Reference, known: Sequence[Mistake], *, late: bool) -> Diagnosis:
        """Judge one case. Mistakes that were found before are tried first: all the others take longer."""
        found = self._against_all(evidence, reference, [m for m in self.catalogue if m.visible or m in known])
        if found.right or late or evidence.measured is None or any(mistake.edits for mistake in found.mistakes):
            return found
        return self._against_all(evidence, reference, self.catalogue)

    def _against_all(self, evidence: Evidence, reference: Reference, catalogue: Sequence[Mistake]) -> Diagnosis:
        """Against the reference and what is right as well."""
        found: list[Diagnosis] = []
        for edit in ({}, *self.also):
            found.append(diagnose(evidence, reference.with_(edit), catalogue))
            if found[-1].right:
                return found[-1]
        return next((one for one in found if one.mistakes), found[0])


def made_with(answer: Any, arguments: tuple[int, ...]) -> Callable[[], Any]:
    def make() -> Any:
        return answer(*arguments)

    return make


def _observed(judged: Sequence[Judged]) -> tuple[str, ...]:
    """What was seen in the first case that is not right, and how the others stand."""
    first = next(one for one in judged if not one.diagnosis.right)
    others = [one for one in judged if one is not first]
    right = "; ".join(str(one.case) for one in others if one.diagnosis.right)
    wrong = "; ".join(str(one.case) for one in others if not one.diagnosis.right)
    lines = [f"Made for {first.case}: {first.diagnosis.observed[0]}", *first.diagnosis.observed[1:]]
    lines += [f"Not right either: {wrong}."] if wrong else []
    lines += [f"Right: {right}."] if right else []
    return tuple(lines)
