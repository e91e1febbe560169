"""Missed questions come back: after one day, after three more, after seven more.

What was missed at the first guess is due a day later. A right answer then moves it on to the next interval, a wrong one back
to the first; after three right answers it is done. All of it follows from the records of `resnet_lessons.progress`: nothing
else is kept. `review()` is the card in a notebook, `resnet-lessons review` the same in a terminal.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import ipywidgets as widgets

from .. import progress
from .bank import QUESTIONS, each, shuffled
from .questions import Prediction, Question, _plain

INTERVALS = (timedelta(days=1), timedelta(days=3), timedelta(days=7))
MOST = 10  # questions in one review: some minutes


@dataclass(frozen=True)
class Missed:
    """A question that was missed, and when it comes back.

    Attributes
    ----------
    chapter, question
        Where it was asked, and what.
    step : int
        How often it was right since: 0, 1 or 2.
    due : datetime
        From when on it is asked again, in UTC.
    """

    chapter: str
    question: Question
    step: int
    due: datetime


def missed() -> list[Missed]:
    """Return all questions that were missed and are not done, those that are due first on top."""
    banks = ((chapter, found) for chapter, bank in QUESTIONS.items() for found in bank.values())
    asked = {(chapter, question.key): question for chapter, found in banks for question in each(found)}
    found: dict[tuple[str, str], Missed] = {}
    for record in progress.read():
        names, value = (record.chapter, record.key), record.value
        if names not in asked or not isinstance(value, Mapping) or "right" not in value:
            continue
        before = found.get(names)
        if value.get("review"):
            step = before.step + 1 if before and value["right"] else 0
        elif value.get("first") and not value["right"]:
            step = 0
        else:  # a second try, or right at once: neither says that it was forgotten or learned
            continue
        if step == len(INTERVALS):
            del found[names]
        elif before or not value["right"]:
            found[names] = Missed(*names[:1], asked[names], step, record.time + INTERVALS[step])
    return sorted(found.values(), key=lambda one: one.due)


def due(now: datetime | None = None) -> list[Missed]:
    """Return the missed questions that are to be asked again now."""
    now = now or datetime.now(UTC)
    return [one for one in missed() if one.due <= now]


def answered(one: Missed, option: str) -> bool:
    """Note the answer to a question that came back; return whether it is right."""
    right = option == one.question.answer
    value = {"choice": option, "first": False, "review": True, "right": right}
    progress.record(one.chapter, one.question.key, value)
    return right


def outlook(now: datetime | None = None) -> str:
    """Say in one sentence how many questions wait, and until when."""
    now = now or datetime.now(UTC)
    waiting = [one for one in missed() if one.due > now]
    if not waiting:
        return "No question waits to come back."
    days = max(1, -(-(waiting[0].due - now) // timedelta(days=1)))
    number = "One question comes" if len(waiting) == 1 else f"{len(waiting)} questions come"
    first = "" if len(waiting) == 1 else "the first "
    return f"{number} back, {first}{'tomorrow' if days == 1 else f'in {days} days'}."


class Again(Prediction):
    """A missed question, asked again; what is chosen first counts."""

    def __init__(self, one: Missed) -> None:
        asked = _here(one)
        self._one = one
        super().__init__(
            one.chapter, asked.key, f"<i>Chapter {_short(one.chapter)}.</i> {asked.text}", list(asked.options),
            asked.answer, asked.options, link=asked.link, link_text=asked.link_text,
        )  # fmt: skip

    def _note(self, option: str, first: bool) -> None:
        if first:
            answered(self._one, option)


class Review(widgets.VBox):
    """The questions that are due; `review` makes one.

    Attributes
    ----------
    predictions
        The questions, in order.
    """

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now
        waiting = due(now)
        self.predictions = [Again(one) for one in waiting[:MOST]]
        self._more = len(waiting) - len(self.predictions)
        for prediction in self.predictions:
            prediction.on_choice(self._update)
        self._summary = widgets.HTML()
        super().__init__([*self.predictions, self._summary])
        self.add_class("rl-quiz")
        self._update()

    @property
    def summary(self) -> str:
        """The line under the questions, as plain text."""
        return _plain(self._summary.value)

    def _update(self) -> None:
        done = sum(one.guess is not None for one in self.predictions)
        total = len(self.predictions)
        if not total:
            text = f"Nothing is due. {outlook(self._now)}"
        elif done < total:
            text = f"{done} of {total} answered."
        else:
            right = sum(bool(one.right) for one in self.predictions)
            more = f" {self._more} more are due: run the cell again." if self._more else ""
            text = f"<b>{right} of {total}</b> right. {outlook(self._now)}{more}"
        self._summary.value = f'<p role="status">{text}</p>'

    def __repr__(self) -> str:
        return "The questions that you missed come back here, after one, three and seven days."

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, object]:
        bundle: dict[str, object] = super()._repr_mimebundle_(**kwargs)
        bundle["text/plain"] = repr(self)
        bundle["text/html"] = f"<p>{html.escape(repr(self))}</p>"
        return bundle


def review(now: datetime | None = None) -> Review:
    """Ask the questions that you missed and that are due again, at most ten.

    Parameters
    ----------
    now
        The moment to ask for; by default this one.
    """
    return Review(now)


def in_terminal() -> int:
    """Ask what is due in a terminal; an empty line, or the end of the input, ends it. Returns how many were answered."""
    waiting, done, right = due(), 0, 0
    for number, one in enumerate(waiting, 1):
        asked, options = shuffled(one.question), list(shuffled(one.question).options)
        print(f"\n{number} of {len(waiting)} · chapter {_short(one.chapter)}\n{_plain(asked.text)}\n")
        for letter, option in zip("abcdefgh", options, strict=False):
            print(f"  {letter}  {option}")
        letters = "abcdefgh"[: len(options)]
        prompt = f"\n{letters[0]} to {letters[-1]}, or nothing to stop: "
        while (given := _typed(prompt)) not in (*letters, ""):
            print(f"{given!r} is none of the letters.")
        if not given:
            break
        option = options[letters.index(given)]
        good = answered(one, option)
        done, right = done + 1, right + good
        print(f"{'✓ Right' if good else '✗ Not so'}. {_plain(asked.options[option])}")
        if not good and asked.link_text:
            print(f"To read up: {_plain(asked.link_text)}.")
    nothing = "Nothing answered" if waiting else "Nothing is due"
    print(f"{right} of {done} right. {outlook()}" if done else f"{nothing}. {outlook()}")
    return done


def _typed(prompt: str) -> str:
    try:
        return input(prompt).strip().lower()
    except EOFError:
        return ""


def _here(one: Missed) -> Question:
    """The question, with its links as they are from this page: the chapter itself is another one."""
    asked = shuffled(one.question)
    if asked.link.startswith("#"):
        asked = replace(asked, link=f"{one.chapter}.ipynb{asked.link}")
    elif not asked.link:
        asked = replace(asked, link=f"{one.chapter}.ipynb", link_text=f"chapter {_short(one.chapter)}")
    return asked


def _short(chapter: str) -> str:
    number = re.match(r"\d\d", chapter)
    return number[0] if number else chapter
