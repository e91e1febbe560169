"""A task of an exercise: `check`, `hint` and `solution` for the learner, `graded` for an instructor's points.

BlockTask     asks for a block; what it computes is judged
ValueTask     asks for numbers or choices; each wrong one that people give has a name
"""

from __future__ import annotations

import html
import inspect
import json
import math
import numbers
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from resnet_lessons import progress

import numpy as np

from .diagnose import diagnose
from .evidence import EMPTY, Evidence, gather
from .kept import keep
from .mistakes import Mistake, Section
from .outcome import NOT_ATTEMPTED, NOT_YET, RIGHT, NotRightError, Outcome
from .stuck import ladder
from .uses import NoBlockError, WrongResultError
from .wiring import Reference

MARK = "# your code here"  # nbgrader's, in place of a solution
FRAMEWORKS = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}


class Note:
    """A text to be shown in a notebook or printed."""

    def __init__(self, text: str, *, code: bool = False) -> None:
        self.text, self.code = text, code

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        body = html.escape(self.text)
        if self.code:
            return f"<pre>{body}</pre>"
        return "<p>" + re.sub("`([^`]+)`", r"<code>\1</code>", body).replace("\n\n", "</p><p>") + "</p>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": self._repr_html_()}


@dataclass
class Task:
    """What all tasks share.

    Parameters
    ----------
    key
        Its name, which is also that of its cells in the notebook and in the learner's progress: it does not change.
    title
        What is asked, in a few words.
    section
        The chapter's section that it draws on.
    difficulty, minutes
        From 1 to 5, and a range of minutes.
    hints
        Three plain texts, from a nudge to almost the answer.
    names
        The variable that holds the answer: framework → name; ``""`` for a task that needs no framework.
    keeps
        Whether a right answer is saved for later exercises (`kept`).
    """

    key: str
    title: str
    section: Section
    difficulty: int
    minutes: tuple[int, int]
    hints: tuple[str, str, str]
    names: Mapping[str, str]
    keeps: bool = field(default=False, kw_only=True)
    _shown: int = field(default=0, init=False, repr=False)

    def check(self, answer: Any = None) -> Outcome:
        """Say whether an answer is right, and if not, what was observed. Raises nothing, whatever is handed in."""
        outcome = self._checked(answer)
        if outcome.right and self.keeps:
            said = keep(self.key, outcome.framework, answer, self.names[outcome.framework])
            outcome = replace(outcome, observed=(*outcome.observed, said))
        return outcome

    def _checked(self, answer: Any) -> Outcome:
        try:
            outcome = self._judge(answer)
        except Exception as error:
            text = f"The check itself could not go on: {type(error).__name__}: {error}. This is not your mistake."
            outcome = Outcome(self.key, NOT_YET, (text,))
        progress.record(self.section.chapter, f"exercise-{self.key}", outcome.to_dict())
        return outcome

    def hint(self, level: int | None = None) -> Note:
        """The next of three hints, or the one asked for (1 to 3)."""
        if level is None:
            level = self._shown = min(self._shown + 1, len(self.hints))
        level = min(max(int(level), 1), len(self.hints))
        more = f"There {_are(len(self.hints) - level)}." if level < len(self.hints) else "This was the last one."
        more = f" ({more} `ex.{self.key}.solution()` shows a solution.)" if level == len(self.hints) else f" ({more})"
        return Note(f"Hint {level} of {len(self.hints)}. {self.hints[level - 1]}{more}")

    def stuck(self) -> Note:
        """What to do when it does not come out right, in five steps, the first of which need no help."""
        return Note(ladder(self, values=isinstance(self, ValueTask)))

    def solution(self, framework: str = "") -> Note:
        """One right answer, from the course's own solutions; in one framework, by default each that is imported."""
        try:
            cells = solution_cells(self.section.chapter, self.key)
        except (OSError, ValueError) as error:
            return Note(f"The solution is not here ({error}).")
        here = [name for name, module in {"pytorch": "torch", "tensorflow": "keras"}.items() if module in sys.modules]
        routes = ("", *([framework] if framework else here or FRAMEWORKS))
        wanted = [code for route, code in cells if route in routes]
        return Note("\n\n\n".join(wanted) or f"There is no solution in {framework!r}.", code=True)

    def graded(self, namespace: Mapping[str, Any]) -> None:
        """Raise unless the answer in a notebook's `globals()` is right, in one framework or the other.

        Raises
        ------
        NotRightError
            With what was observed.
        """
        outcome = self.judge_namespace(namespace)
        if not outcome.right:
            raise NotRightError(outcome)

    def judge_namespace(self, namespace: Mapping[str, Any]) -> Outcome:
        """Judge what a notebook holds: the best of its answers, if there is one in each framework. Keeps none of them."""
        outcomes = [self._checked(namespace[name]) for name in self.names.values() if name in namespace]
        order = {RIGHT: 0, NOT_YET: 1, NOT_ATTEMPTED: 2}
        return min(outcomes, key=lambda o: order[o.status], default=Outcome(self.key, NOT_ATTEMPTED))

    def _judge(self, answer: Any) -> Outcome:
        raise NotImplementedError

    @property
    def label(self) -> str:
        """Difficulty, minutes and section, as the notebook shows them."""
        low, high = self.minutes
        dots = "●" * self.difficulty + "○" * (5 - self.difficulty)
        return f"{dots} · {low}–{high} minutes · {self.section}"


@dataclass
class BlockTask(Task):
    """A task that asks for a block.

    Parameters
    ----------
    reference
        The block that is asked for.
    catalogue
        The mistakes that can be named.
    """

    reference: Reference = field(kw_only=True)
    catalogue: Sequence[Mistake] = field(kw_only=True)

    def _judge(self, answer: Any) -> Outcome:
        if is_empty(answer):
            return Outcome(self.key, NOT_ATTEMPTED)
        evidence = gather(answer, self.reference)
        if (reason := not_attempted(answer, evidence)) is not None:
            return Outcome(self.key, NOT_ATTEMPTED, reason, framework=evidence.framework)
        found = diagnose(evidence, self.reference, self.catalogue)
        if found.right:
            name = FRAMEWORKS.get(evidence.framework, "")
            text = f"Outputs, gradients and running statistics agree with the reference's, in {name}."
            return Outcome(self.key, RIGHT, (text,), framework=evidence.framework)
        return Outcome(self.key, NOT_YET, found.observed, found.mistakes, evidence.framework)


@dataclass
class ValueTask(Task):
    """A task that asks for one value or for several: numbers, or choices.

    Parameters
    ----------
    answers
        Question → right value, or a set of values of which each is right.
    wrong
        Question → wrong value → the mistake behind it, or several that come together.
    choices
        What there is to choose from; empty if numbers are asked for.
    follows
        Key of a mistake → keys of those that are not named beside it.
    """

    answers: Mapping[str, Any] = field(kw_only=True)
    wrong: Mapping[str, Mapping[Any, Mistake | tuple[Mistake, ...]]] = field(kw_only=True)
    choices: Sequence[str] = ()
    follows: Mapping[str, Collection[str]] = field(default_factory=dict)

    def _judge(self, answer: Any) -> Outcome:
        if is_empty(answer):
            return Outcome(self.key, NOT_ATTEMPTED)
        if len(self.answers) == 1 and not isinstance(answer, Mapping):
            answer = {next(iter(self.answers)): answer}
        asked = ", ".join(map(repr, self.answers))
        if not isinstance(answer, Mapping):
            return Outcome(self.key, NOT_YET, (f"A {type(answer).__name__} was given; it takes a dict with {asked}.",))
        if answer and not answer.keys() & self.answers.keys():
            return Outcome(self.key, NOT_YET, (f"The dict has none of the keys {asked}.",))
        given = {question: answer.get(question) for question in self.answers}
        if all(is_empty(value) for value in given.values()):
            return Outcome(self.key, NOT_ATTEMPTED)
        observed, mistakes = [], []
        for question, value in given.items():
            if question not in answer:
                observed.append(f"{question}: the dict has no such key.")
            elif is_empty(value):
                observed.append(f"{question}: not answered yet.")
            elif not _same(value, self.answers[question]):
                observed.append(f"{question}: {_short(value)} {self._what_it_is(value)}.")
                found = [m for wrong, m in self.wrong.get(question, {}).items() if _same(value, wrong)]
                mistakes += [m for each in found for m in (each if isinstance(each, tuple) else (each,))]
        follow = {key for mistake in mistakes for key in self.follows.get(mistake.key, ())}
        named = tuple({mistake.key: mistake for mistake in mistakes if mistake.key not in follow}.values())
        return Outcome(self.key, NOT_YET if observed else RIGHT, tuple(observed), named)

    def _what_it_is(self, value: Any) -> str:
        """What is wrong with a wrong value, as far as its kind tells."""
        if self.choices and not any(_same(value, choice) for choice in self.choices):
            return f"is none of {', '.join(map(repr, self.choices))}"
        if not self.choices and not isinstance(value, (numbers.Number, np.number)):
            return f"is a {type(value).__name__}, and no number"
        return "is not right"


def solution_cells(chapter: str, key: str) -> list[tuple[str, str]]:
    """Return (route, code) of the cells of `solutions/` that answer a task.

    Raises
    ------
    ValueError, OSError
        If the solutions are not here: they come with a clone of the repository.
    """
    from resnet_lessons.learner import course_folder
    from resnet_lessons.routes import cell_route

    path = course_folder() / "solutions" / chapter / "exercise.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    found = []
    for cell in notebook["cells"]:
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        if cell["metadata"].get("nbgrader", {}).get("solution") and re.fullmatch(rf"{key}(-\w+)?", grade_id):
            found.append((cell_route(cell) or "", _answer_in("".join(cell["source"]))))
    return found


def _answer_in(source: str) -> str:
    """What a cell of `solutions/` answers: the part between nbgrader's marks, or the whole cell if it is inside a class."""
    start, end = "### BEGIN SOLUTION\n", "### END SOLUTION"
    if f"\n{start}" in f"\n{source}":
        return f"\n{source}".split(f"\n{start}")[1].split(end)[0].strip()
    return "\n".join(line for line in source.split("\n") if line.strip() not in (start.strip(), end))


def not_attempted(answer: Any, evidence: Evidence) -> tuple[str, ...] | None:
    """What to say about a cell that was left as it came; None if it was not."""
    error = evidence.error
    kind = answer if isinstance(answer, type) else type(answer)
    own = {name: value for name, value in vars(kind).items() if inspect.isfunction(value)}
    method = "call" if evidence.framework == "tensorflow" else "forward"
    written = [answer] if inspect.isfunction(answer) else [own[method]] if method in own else []
    if isinstance(error, NotImplementedError):
        return () if written or not own else None  # with others alone, its forward or call has another name
    if isinstance(error, (WrongResultError, NoBlockError)) and error.is_none and any(map(_holds_the_mark, written)):
        return ("Nothing is returned yet.",)
    return None


def _holds_the_mark(function: Any) -> bool:
    """Whether a function still has the line in which an exercise says where to write; True where its code is not known."""
    try:
        return MARK in inspect.getsource(function)
    except (OSError, TypeError):
        return True


def is_empty(value: Any) -> bool:
    """Whether a variable still holds what the exercise came with."""
    return any(value is empty for empty in EMPTY) or (isinstance(value, str) and not value.strip(" .…"))


def _same(given: Any, right: Any) -> bool:
    try:
        if isinstance(right, (set, frozenset)):
            return any(_same(given, one) for one in right)
        if isinstance(right, str):
            if isinstance(given, (float, np.floating)):  # such as 2.30 for "2.30"
                return math.isclose(float(given), float(right), rel_tol=1e-9)
            plain = str(given) if isinstance(given, (int, str)) and not isinstance(given, bool) else ""
            return "".join(plain.split()).casefold() == "".join(right.split()).casefold()
        if isinstance(right, (tuple, list)):
            return len(given) == len(right) and all(_same(a, b) for a, b in zip(given, right, strict=True))
        return not isinstance(given, (bool, str)) and math.isclose(float(given), float(right), rel_tol=1e-9)
    except (TypeError, ValueError, OverflowError):
        return False


def _short(value: Any) -> str:
    try:
        text = f"{value:,}" if type(value) is int else repr(value)
    except Exception:  # somebody's own __repr__
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}…"


def _are(number: int) -> str:
    return "is one more" if number == 1 else f"are {number} more"
