"""Questions in a notebook: a guess before the reveal, and a short quiz with a score.

A question shows its options as buttons. The first choice is the guess; after it the other options may be tried too,
since the feedback on a wrong option is where the misconception is named. Every choice is kept by
`resnet_lessons.progress`.

Question texts and feedback are the course's own writing: they may hold simple HTML (``<code>``, ``<i>``, ``<sub>``,
links), and a plain ``<`` or ``&`` in them is written ``&lt;`` or ``&amp;``. Options are plain text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from .. import progress

_STYLE = """<style>
.rl-question { border: 1px solid var(--jp-border-color1, #bdbdbd); border-left-width: 4px; border-radius: 4px;
  padding: 10px 14px; margin: 4px 2px; max-width: 52em; background: var(--jp-layout-color1, #fff);
  box-sizing: border-box; }
.rl-question .widget-html, .rl-question .widget-html-content, .rl-quiz .widget-html-content {
  height: auto; line-height: 1.5; font-size: var(--jp-content-font-size1, 14px);
  color: var(--jp-content-font-color1, rgba(0, 0, 0, 0.87)); white-space: normal; overflow-wrap: anywhere; }
.rl-question code { font-family: var(--jp-code-font-family, monospace); font-size: 0.93em; padding: 0 3px;
  background: var(--jp-layout-color2, #eee); color: inherit; }
.rl-question p { margin: 0 0 6px 0; }
.rl-question a, .rl-quiz a { color: var(--jp-content-link-color, #1565c0); text-decoration: underline; }
.rl-question .jupyter-button.rl-option { width: auto; height: auto; min-height: 34px; margin: 3px 0;
  padding: 6px 12px; text-align: left; white-space: normal; line-height: 1.4; overflow: visible;
  font-size: var(--jp-content-font-size1, 14px); color: var(--jp-ui-font-color1, rgba(0, 0, 0, 0.87));
  background: var(--jp-layout-color2, #eee); border: 1px solid var(--jp-border-color1, #bdbdbd); border-radius: 3px; }
.rl-question .jupyter-button.rl-option:hover { background: var(--jp-layout-color3, #bdbdbd); }
.rl-question .jupyter-button.rl-option:focus-visible { outline: 3px solid var(--jp-brand-color1, #1976d2);
  outline-offset: 1px; }
.rl-question .jupyter-button.rl-chosen { border-width: 2px; font-weight: 600;
  border-color: var(--jp-ui-font-color1, #222); }
.rl-feedback { border-top: 1px solid var(--jp-border-color2, #e0e0e0); margin-top: 8px; padding-top: 8px; }
</style>"""


@dataclass(frozen=True)
class Question:
    """One question of a quiz.

    Parameters
    ----------
    key
        Its name in the progress store, unique within the chapter.
    text
        The question; simple HTML.
    options
        Plain-text option → feedback (simple HTML): why it is right, or why it is tempting and wrong.
    answer
        The right option.
    link, link_text
        Where to read up if the guess was wrong: an address, and its name.

    Raises
    ------
    ValueError
        If there are fewer than two options, if the answer is none of them, or if an option has no feedback.
    """

    key: str
    text: str
    options: Mapping[str, str]
    answer: str
    link: str = ""
    link_text: str = ""

    def __post_init__(self) -> None:
        _check(self.key, list(self.options), self.answer, self.options)
        silent = [option for option, feedback in self.options.items() if not feedback.strip()]
        if silent:
            raise ValueError(f"question {self.key!r}: every option needs feedback; {silent[0]!r} has none")


class Prediction(widgets.VBox):
    """A question with its options as buttons; `predict` makes one.

    Attributes
    ----------
    guess
        The first option chosen, or None.
    choice
        The latest option chosen, or None.
    """

    def __init__(
        self,
        chapter: str,
        key: str,
        question: str,
        options: Sequence[str],
        answer: str | None = None,
        explain: Mapping[str, str] | None = None,
        *,
        link: str = "",
        link_text: str = "",
    ) -> None:
        self._names = (chapter, key)
        self._question, self._options = question, list(options)
        self._answer, self._explain = answer, dict(explain or {})
        self._link = _link(link, link_text)
        _check(key, self._options, answer, self._explain)
        self.guess: str | None = None
        self.choice: str | None = None
        self._watchers: list[Callable[[], None]] = []
        self._buttons = [
            widgets.Button(description=label, layout=widgets.Layout(width="auto", height="auto"))
            for label in _labels(self._options)
        ]
        for button, option in zip(self._buttons, self._options, strict=True):
            button.add_class("rl-option")
            button.on_click(lambda _, option=option: self.choose(option))
        self._feedback = widgets.HTML()
        super().__init__([widgets.HTML(f"{_STYLE}<p>{question}</p>"), *self._buttons, self._feedback])
        self.add_class("rl-question")

    def choose(self, option: str) -> None:
        """Choose an option, or its letter, as a click on its button does.

        Raises
        ------
        ValueError
            If the question has no such option.
        """
        option = _meant(option, self._options)
        first = self.guess is None
        self.guess = self.guess or option
        self.choice = option
        self._note(option, first)
        for button, other in zip(self._buttons, self._options, strict=True):
            (button.add_class if other == option else button.remove_class)("rl-chosen")
        self._feedback.value = self._render_feedback()
        for watcher in self._watchers:
            watcher()

    @property
    def right(self) -> bool | None:
        """Whether the guess was right; None while there is no guess, or if the question has no answer yet."""
        return None if self.guess is None or self._answer is None else self.guess == self._answer

    @property
    def feedback(self) -> str:
        """The feedback on the latest choice, as plain text."""
        return _plain(self._feedback.value)

    def on_choice(self, watcher: Callable[[], None]) -> None:
        """Call a function after each choice."""
        self._watchers.append(watcher)

    def _note(self, option: str, first: bool) -> None:
        """Keep a choice in the learner's progress."""
        value: dict[str, Any] = {"choice": option, "first": first}
        if self._answer is not None:
            value["right"] = option == self._answer
        progress.record(*self._names, value)

    def _render_feedback(self) -> str:
        assert self.choice is not None
        chosen = f"<b>{html.escape(self.choice)}</b>"
        reason = self._explain.get(self.choice, "")
        if self._answer is None:
            text = f"<p>✎ Noted: {chosen}. {reason or 'Read on to see.'}</p>"
        elif self.choice == self._answer:
            text = f"<p>✓ <b>Right:</b> {chosen}. {reason}</p>"
        else:
            text = f"<p>✗ <b>Not so:</b> {chosen}. {reason}</p>"
            if self._link:
                text += f"<p>To read up: {self._link}.</p>"
        if self.choice != self.guess:
            text += f"<p>Your guess stays noted: {html.escape(self.guess or '')}.</p>"
        return f'<div class="rl-feedback" role="status">{text}</div>'

    # What a saved notebook shows without a kernel. It names no choice and no object's address, so that it is the same
    # in every run.
    def __repr__(self) -> str:
        return "\n".join([_plain(self._question), *_labels(self._options)])

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        bundle["text/plain"] = repr(self)
        bundle["text/html"] = _static(self._question, self._options)
        return bundle


class Quiz(widgets.VBox):
    """Several questions with a score at the end; `quiz` makes one.

    Attributes
    ----------
    predictions
        The questions, in order.
    """

    def __init__(self, chapter: str, questions: Sequence[Question | Mapping[str, Any]], key: str = "quiz") -> None:
        asked = [q if isinstance(q, Question) else Question(**q) for q in questions]
        keys = [q.key for q in asked]
        if not asked:
            raise ValueError("a quiz needs at least one question")
        if twice := {k for k in keys if keys.count(k) > 1}:
            raise ValueError(f"two questions share the key {min(twice)!r}; each needs its own, so that none is lost")
        self._names = (chapter, key)
        self._asked = asked
        self._scored = False
        self.predictions = [
            Prediction(
                chapter,
                q.key,
                f"<b>{number}.</b> {q.text}",
                list(q.options),
                q.answer,
                q.options,
                link=q.link,
                link_text=q.link_text,
            )
            for number, q in enumerate(asked, 1)
        ]
        for prediction in self.predictions:
            prediction.on_choice(self._update)
        self._summary = widgets.HTML()
        super().__init__([*self.predictions, self._summary])
        self.add_class("rl-quiz")
        self._update()

    def choose(self, *options: str) -> None:
        """Answer all questions in order, one option, or its letter, each."""
        if len(options) != len(self.predictions):
            raise ValueError(f"this quiz has {len(self.predictions)} questions; got {len(options)} answers")
        for prediction, option in zip(self.predictions, options, strict=True):
            prediction.choose(option)

    @property
    def score(self) -> int:
        """How many questions were right at the first try."""
        return sum(bool(p.right) for p in self.predictions)

    @property
    def summary(self) -> str:
        """The line under the questions, as plain text."""
        return _plain(self._summary.value)

    def _update(self) -> None:
        done = sum(p.guess is not None for p in self.predictions)
        total = len(self.predictions)
        if done < total:
            text = f"{done} of {total} answered."
        else:
            text = f"<b>{self.score} of {total}</b> right at the first try."
            links = [
                _link(q.link, q.link_text) for q, p in zip(self._asked, self.predictions, strict=True) if not p.right
            ]
            if links := list(dict.fromkeys(filter(None, links))):
                text += f" To read up: {', '.join(links)}."
            if not self._scored:
                self._scored = True
                progress.record(*self._names, {"score": self.score, "of": total})
        self._summary.value = f'{_STYLE}<p role="status">{text}</p>'

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.predictions))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        bundle["text/plain"] = repr(self)
        bundle["text/html"] = "".join(_static(p._question, p._options) for p in self.predictions)
        return bundle


def predict(
    chapter: str,
    key: str,
    question: str,
    options: Sequence[str],
    answer: str | None = None,
    explain: Mapping[str, str] | None = None,
) -> Prediction:
    """Ask for a guess before the reveal.

    Parameters
    ----------
    chapter, key
        Where the guess is kept, such as ``"01_basic_block"`` and ``"shape"``.
    question
        The question; simple HTML.
    options
        At least two, plain text.
    answer
        The right option. Without one, the guess is noted and the reveal is left to the text that follows.
    explain
        Option → feedback (simple HTML): why it is right, or why it is tempting and wrong.

    Returns
    -------
    Prediction
        The widget. ``.choose(option)``, or its letter, does what a click does.

    Raises
    ------
    ValueError
        If the answer, or an explained option, is none of the options, or if there are fewer than two.
    """
    return Prediction(chapter, key, question, options, answer, explain)


def quiz(chapter: str, questions: Sequence[Question | Mapping[str, Any]], key: str = "quiz") -> Quiz:
    """Ask several questions and show a score at the end.

    Parameters
    ----------
    chapter, key
        Where the score is kept; each answer is kept under its question's own key.
    questions
        `Question` objects, or dictionaries of their fields.

    Raises
    ------
    ValueError
        If there is no question, or if two share a key.
    """
    return Quiz(chapter, questions, key)


def _check(key: str, options: list[str], answer: str | None, explained: Mapping[str, str]) -> None:
    if len(options) < 2 or len(set(options)) < len(options):
        raise ValueError(f"question {key!r} needs at least two options, all different; got {options}")
    for name in [*([answer] if answer is not None else []), *explained]:
        if name not in options:
            raise ValueError(f"question {key!r}: {name!r} is none of its options {options}")


def _meant(given: str, options: Sequence[str]) -> str:
    """The option that a learner writes: itself, or its letter in either case.

    Options that are single letters themselves (shortcut A, B, C) come before the letters they stand under.

    >>> _meant("a", ["56 × 56", "28 × 28"]), _meant("a", ["B", "A"]), _meant("C", ["B", "A", "none"])
    ('56 × 56', 'A', 'none')
    """
    if given in options:
        return given
    letter = str(given).strip().upper()
    named = {_letter(number): option for number, option in enumerate(options)}
    named |= {option.upper(): option for option in options if len(option) == 1 and option.isalpha()}
    if letter not in named:
        raise ValueError(
            f"{given!r} is no option here; choose one of {', '.join(map(repr, options))}, "
            f"or a letter from A to {_letter(len(options) - 1)}"
        )
    return named[letter]


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def _labels(options: Sequence[str]) -> list[str]:
    return [f"{_letter(number)}.  {option}" for number, option in enumerate(options)]


def _static(question: str, options: Sequence[str]) -> str:
    # Letters are written out: JupyterLab removes a list's type and style from a notebook that it does not trust yet.
    return f"<p>{question}</p><p>{'<br>'.join(map(html.escape, _labels(options)))}</p>"


def _link(address: str, text: str) -> str:
    if not address:
        return html.escape(text)
    return f'<a href="{html.escape(address)}" target="_blank" rel="noopener">{html.escape(text or address)}</a>'


def _plain(text: str) -> str:
    """Turn simple HTML into plain text on one line."""
    text = re.sub(r"<style>.*?</style>|</?(p|div|li|ol|ul|br)\b[^>]*>", " ", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())
