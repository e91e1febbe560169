"""`Lab`: what all labs share, so that each one holds only its task and its picture.

A lab is a column of widgets: a head with title and task, a status line, its own parts, and a notice. What it shows comes
from pure functions of its settings; the lab only puts their results into the ``.value`` of widgets when a setting changes.
It answers bad input in its place and raises nothing, so that the cell that shows it stays alive.
"""

from __future__ import annotations

import html
import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import ipywidgets as widgets

from .. import progress
from ..frameworks import framework_name
from .questions import _STYLE, _plain

_NO_FRAMEWORK = "This lab needs PyTorch or TensorFlow, and neither is installed here."
BEGIN = "Run this cell to begin."  # ends a lab's form to read
LAB_STYLE = """<style>
.rl-lab table { border-collapse: collapse; margin: 4px 0 10px 0; font-size: inherit; color: inherit; }
.rl-lab caption { text-align: left; padding: 2px 0 4px 0; font-weight: 600; color: inherit; }
.rl-lab th, .rl-lab td { padding: 2px 16px 2px 0; text-align: left; font-weight: normal; line-height: 1.45;
  border-top: 1px solid var(--jp-border-color2, #e0e0e0); vertical-align: middle; }
.rl-lab thead th { border-top: none; font-weight: 600; }
.rl-lab th { overflow-wrap: normal; }
.rl-lab td { white-space: nowrap; }
.rl-lab td:last-child { white-space: normal; overflow-wrap: normal; }
.rl-lab td.rl-number, .rl-lab th.rl-number { text-align: right; font-variant-numeric: tabular-nums; }
.rl-lab tr.rl-first th, .rl-lab tr.rl-first td { font-weight: 600; }
.rl-lab .rl-bar { display: inline-block; width: clamp(24px, 12vw, 120px); height: 10px; border-radius: 2px;
  box-sizing: border-box; border: 1px solid var(--jp-border-color1, #bdbdbd);
  background: var(--jp-layout-color1, #fff); overflow: hidden; }
.rl-lab .rl-bar > span { display: block; height: 100%; background: var(--jp-content-font-color2, #616161); }
.rl-lab pre { font-family: var(--jp-code-font-family, monospace); font-size: 0.93em; line-height: 1.45; margin: 4px 0;
  padding: 6px 10px; overflow-x: auto; color: inherit; background: var(--jp-layout-color2, #eee); border-radius: 3px; }
.rl-lab summary { cursor: pointer; }
.rl-lab summary:focus-visible { outline: 3px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px; }
.rl-lab .rl-title { font-size: 1.15em; font-weight: 600; }
.rl-lab .rl-row { flex-flow: row wrap; overflow: visible; }
.rl-lab .rl-row .jupyter-button.rl-option { margin-right: 8px; }
.rl-lab .rl-step { margin-top: 6px; }
.rl-lab .widget-html, .rl-lab .widget-html-content { min-width: 0; max-width: 100%; }
.rl-lab .widget-label { color: var(--jp-content-font-color1, rgba(0, 0, 0, 0.87)); overflow: visible; }
.rl-lab select:focus-visible, .rl-lab input:focus-visible {
  outline: 3px solid var(--jp-brand-color1, #1976d2) !important; outline-offset: 1px; }
.rl-lab .widget-dropdown > select { appearance: auto; background-image: none; padding-right: 2px; }
.rl-question.rl-lab, .rl-question.rl-lab .widget-box { overflow: visible; }
</style>"""


class Lab(widgets.VBox):
    """The frame of a lab; each lab is a class of its own, made by a function of `resnet_lessons.labs`.

    Parameters
    ----------
    chapter
        Where what the learner does is kept in `resnet_lessons.progress`, such as ``"04_stride_move"``.
    framework
        Kept as given; a lab that computes with a framework calls `chosen_framework`.
    """

    title: ClassVar[str]
    task: ClassVar[str]  # one paragraph of plain text: what to do, and when the lab is solved
    key: ClassVar[str]  # its name in the progress store

    def __init__(self, chapter: str) -> None:
        super().__init__()
        self._chapter = str(chapter)
        self._head, self._status, self._notice = (widgets.HTML() for _ in range(3))
        self._head.value = self._head_html()
        self.add_class("rl-question")  # the frame and the fonts of a question
        self.add_class("rl-lab")

    def _show(self, *parts: Any) -> None:
        """Set what stands between the status line and the notice."""
        self.children = [self._head, self._status, *parts, self._notice]

    def _head_html(self) -> str:
        return (
            f'{_STYLE}{LAB_STYLE}<p class="rl-title" role="heading" aria-level="3">{self.title}</p><p>{self.task}</p>'
        )

    def _say(self, text: str) -> None:
        """Put a message (simple HTML) into the lab's last line; an empty one clears it."""
        self._notice.value = f'<p role="status">{text}</p>' if text else ""

    def _say_status(self, text: str) -> None:
        """Put simple HTML into the line under the task: how far the learner is."""
        self._status.value = f'<p role="status">{text}</p>' if text else ""

    def _record(self, value: dict[str, Any]) -> None:
        progress.record(self._chapter, self.key, value)

    @property
    def notice(self) -> str:
        """What the lab has to say about a choice that it could not take, as plain text."""
        return _plain(self._notice.value)

    @property
    def status(self) -> str:
        """The line under the task, as plain text."""
        return _plain(self._status.value)

    def _snapshot(self) -> str:
        """What readers of the page see in the lab's place: HTML, the same in every run whatever was clicked."""
        return ""

    def __repr__(self) -> str:
        return f"{self.title}\n{_plain(self.task)}"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        bundle["text/plain"] = repr(self)
        bundle["text/html"] = f"<p><b>{self.title}</b></p><p>{self.task}</p>{self._snapshot()}<p>{BEGIN}</p>"
        return bundle


class RoundsLab(Lab):
    """A lab that asks round after round, and is solved once `to_solve` of them are right at the first try.

    A lab of this kind computes with a framework (`_start`), begins each round in `_begin`, which calls this class's own,
    answers a try with `_tried` and then `_answer`, and says in `_status_html` how far the learner is.

    Attributes
    ----------
    framework
        ``"pytorch"`` or ``"tensorflow"``; None if the lab cannot run here.
    round
        Counted from 1.
    prediction
        What was predicted in this round, or None.
    guess, choice
        The first and the latest try of this round, or None.
    """

    to_solve: ClassVar[int] = 3
    too_early: ClassVar[str]  # said when the next round is asked for before this one is done

    def __init__(self, chapter: str) -> None:
        super().__init__(chapter)
        self.framework: str | None = None
        self.round = 0
        self.prediction: str | None = None
        self.guess: Any = None
        self.choice: Any = None
        self._found = False
        self._first_tries = self._right_at_once = 0
        self._solved_in: int | None = None
        self._feedback = widgets.HTML()

    def next(self) -> None:
        """Go on to the next round, once this one is done."""
        if not self._ready():
            return
        if not self._found:
            return self._say(self.too_early)
        self._begin()

    @property
    def score(self) -> tuple[int, int]:
        """In how many rounds the first try was right, and in how many there was one."""
        return self._right_at_once, self._first_tries

    @property
    def solved(self) -> bool:
        """Whether enough rounds were right at the first try."""
        return self._right_at_once >= self.to_solve

    @property
    def feedback(self) -> str:
        """The answer to the latest try, as plain text and without blocks of code: the same in both frameworks."""
        return without_code(self._feedback.value)

    def _start(self, framework: str | None, prepare: Callable[[str], Any]) -> bool:
        """Choose the framework and prepare what it computes, so that clicks are answered at once; else say why not."""
        try:
            self.framework = chosen_framework(framework)
            prepare(self.framework)
        except Exception as error:
            self.framework = None
            self._show()
            self._say(cannot_run(error))
        return self._ready()

    def _begin(self) -> None:
        self.round += 1
        self.prediction = self.guess = self.choice = None
        self._found = False
        self._feedback.value = ""
        self._show_status()
        self._say("")

    def _tried(self, choice: Any, right: bool) -> bool:
        """Count a try; return whether it is the first of its round."""
        self.choice, first = choice, self.guess is None
        if first:
            self.guess = choice
            self._first_tries += 1
            self._right_at_once += right
        self._found |= right
        return first

    def _answer(self, text: str, note: dict[str, Any]) -> None:
        """Show simple HTML as the answer to a try, keep a note of the try, and see whether the lab is solved."""
        self._feedback.value = f'<div class="rl-feedback" role="status">{text}</div>'
        self._note(note)
        if self.solved and self._solved_in is None:
            self._solved_in = self.round
            self._note({"step": "solved"})
        self._show_status()
        self._say("")

    def _ready(self) -> bool:
        return self.framework is not None

    def _show_status(self) -> None:
        self._say_status(self._status_html())

    def _status_html(self) -> str:
        raise NotImplementedError

    def _note(self, value: dict[str, Any]) -> None:
        self._record({"round": self.round, **value})


def option_button(label: str, action: Callable[..., Any], *arguments: Any) -> Any:
    """Return a button in the style of a question's options; a click calls ``action(*arguments)``."""
    button = widgets.Button(description=label, layout=widgets.Layout(width="auto", height="auto"))
    button.add_class("rl-option")
    button.on_click(lambda _: action(*arguments))
    return button


def mark(buttons: Sequence[Any], chosen: int | None) -> None:
    """Show which of several buttons is the chosen one."""
    for number, button in enumerate(buttons):
        (button.add_class if number == chosen else button.remove_class)("rl-chosen")


def row(*parts: Any) -> Any:
    """Return widgets side by side, which wrap where the window is narrow."""
    box = widgets.HBox(list(parts))
    box.add_class("rl-row")
    return box


def step(text: str) -> Any:
    """Return the heading of a step; simple HTML."""
    return widgets.HTML(f'<p class="rl-step"><b>{text}</b></p>')


def label(text: str) -> Any:
    """Return what stands in front of a row of buttons; simple HTML."""
    return widgets.HTML(f'<span style="display: inline-block; min-width: 5.8em; padding-top: 8px"><b>{text}</b></span>')


def chosen_framework(framework: str | None) -> str:
    """Return the framework asked for; for None the one imported, or else installed.

    Raises
    ------
    ValueError
        If it is neither PyTorch nor TensorFlow, or if there is none.
    """
    if framework is not None:
        return framework_name(framework)
    modules = {"pytorch": "torch", "tensorflow": "tensorflow"}
    for name, module in modules.items():
        if sys.modules.get(module) is not None:
            return name
    for name, module in modules.items():
        if importlib.util.find_spec(module) is not None:
            return name
    raise ValueError(_NO_FRAMEWORK)


def cannot_run(error: Exception) -> str:
    """Return, as simple HTML, why a lab cannot start."""
    name = {"torch": "PyTorch", "tensorflow": "TensorFlow", "keras": "Keras"}.get(getattr(error, "name", None) or "")
    if isinstance(error, ImportError) and name:
        text = f"{name} is not installed here. Leave <code>framework</code> out to use the other one."
    else:
        text = html.escape(str(error) or type(error).__name__)
        if isinstance(error, ValueError):
            text = text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
    return f"✗ <b>The lab cannot start:</b> {text}"


def without_code(text: str) -> str:
    """Turn simple HTML into plain text, leaving out blocks of code."""
    return _plain(re.sub("<pre>.*?</pre>", " ", text, flags=re.DOTALL))
