"""Lab "Make this addition legal": a block's input and its branch have two shapes; find the cheapest shortcut that fits.

A round has two steps: predict what the cheapest legal shortcut costs; then choose its kind, stride and channels, and add.
The answer shows both shapes, says what is wrong or too dear, and lets the framework say what it says to such an addition.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import Any

import ipywidgets as widgets

from ..figures import Figure, shape_pair
from .addition_rules import (
    KINDS,
    PREDICTIONS,
    STRIDES,
    Round,
    Shape,
    Shortcut,
    channel_choices,
    cheapest,
    cost,
    cost_in_words,
    in_words,
    is_cheapest,
    is_legal,
    not_a_choice,
    obstacle,
    output_shape,
    rounds,
    show,
)
from .lab import RoundsLab, mark, option_button, row

_TASK = (
    "A block's input x and the output of its branch F(x) are given as channels × height × width. Choose the shortcut that "
    "makes x + F(x) legal, which means that both have the same shape, for the fewest parameters (and where they are equal, "
    "the fewest multiply-adds). Shortcuts here are the paper's: identity, A, or a projection, one stride for both axes; no "
    "cropping, no averaging. The branch stays as it is. First predict what that costs. Three cheapest answers at the first "
    "try solve the lab."
)


class LegalAddition(RoundsLab):
    """The lab; `legal_addition` makes one.

    Attributes
    ----------
    x_shape, branch_shape
        Channels, height and width of the block's input and of its branch's output in this round.
    prediction
        What the cheapest legal shortcut was predicted to cost (one of `PREDICTIONS`), or None.
    guess, choice
        The first and the latest `Shortcut` tried in this round, or None.
    picture
        The figure shown last.

    More of them: `RoundsLab`.
    """

    title, task, key = "Make this addition legal", _TASK, "legal_addition"
    too_early = "Find the cheapest legal shortcut first: every try is answered with what is wrong with it."

    def __init__(self, framework: str | None = None, seed: int = 0, *, chapter: str = "legal_addition") -> None:
        super().__init__(chapter)
        self._sequence = rounds(seed)
        self._round = Round("", (1, 1, 1), (1, 1, 1), "")
        self._shapes, self._ask = widgets.HTML(), widgets.HTML()
        self._predictions = [option_button(words, self.predict, words) for words in PREDICTIONS]
        self._kinds = [option_button(words, self._set, "kind", kind) for kind, words in KINDS.items()]
        self._strides = [option_button(f"stride {stride}", self._set, "stride", stride) for stride in STRIDES]
        self._channels: list[Any] = []
        self._channel_row = row()
        self._add = option_button("Add", self.add)
        self._next = option_button("Next round", self.next)
        if self._start(framework, lambda name: add_in(name, (1, 2, 2), (1, 3, 3))):  # imports the framework
            self._show(
                self._shapes,
                row(*self._predictions),
                self._ask,
                row(*self._kinds),
                row(*self._strides),
                self._channel_row,
                row(self._add),
                self._feedback,
                row(self._next),
            )
            self._begin()

    def predict(self, cost: str) -> None:
        """Predict what the cheapest legal shortcut costs, as a click does: one of `PREDICTIONS`.

        The first prediction of a round counts. Another word is answered in the lab, not by an error.
        """
        if not self._ready():
            return
        if cost not in PREDICTIONS:
            offered = ", ".join(f"“{words}”" for words in PREDICTIONS)
            return self._say(f"{html.escape(repr(cost))} is no cost to predict; choose one of {offered}.")
        if self.prediction is not None:
            return self._say(f"Your prediction stays noted: {self.prediction}.")
        self.prediction = cost
        mark(self._predictions, PREDICTIONS.index(cost))
        self._note({"step": "predict", "cost": cost, "right": cost == self._true_cost})
        self._say("")

    def choose(self, kind: str, stride: int = 1, channels: int | None = None) -> None:
        """Choose a shortcut and add, as clicks do; `channels` are those of x unless given.

        What does not exist is answered in the lab, not by an error.
        """
        if not self._ready():
            return
        wanted = Shortcut(kind, stride, self.x_shape[0] if channels is None else channels)
        if problem := not_a_choice(wanted, self.x_shape, self.branch_shape):
            return self._say(problem)
        for name in ("kind", "stride", "channels"):
            self._set(name, getattr(wanted, name))
        self.add()

    def add(self) -> None:
        """Try the addition with the shortcut that is marked, as a click on "Add" does."""
        if not self._ready():
            return
        if self.prediction is None:
            return self._say("First predict what the cheapest legal shortcut costs: the upper row of buttons.")
        kind, stride, channels = (self._draft[name] for name in ("kind", "stride", "channels"))
        if kind is None:
            return self._say("Choose a kind of shortcut first.")
        if kind in ("pad", "projection") and (stride is None or channels is None):
            missing = "stride" if stride is None else "channels"
            return self._say(f"Choose its {missing} too: zero-padding and projection have both.")
        shaped = kind in ("pad", "projection")
        choice = Shortcut(kind, stride if shaped else 1, channels if shaped else self.x_shape[0])
        right = is_cheapest(choice, self.x_shape, self.branch_shape)
        first = self._tried(choice, right)
        assert self.framework is not None
        self.picture = outcome_picture(choice, self.x_shape, self.branch_shape)
        text = f"{self.picture.html}{feedback_html(self.framework, self._round, choice)}"
        if right:
            agreed = self.prediction == self._true_cost
            text += f"<p>{'✓' if agreed else '✗'} You predicted: {self.prediction}.</p>"
        self._answer(text, {"step": "add", **vars(choice), "first": first, "right": right})

    @property
    def x_shape(self) -> Shape:
        """Channels, height, width of the block's input."""
        return self._round.x

    @property
    def branch_shape(self) -> Shape:
        """Channels, height, width of the branch's output."""
        return self._round.branch

    def _begin(self) -> None:
        super()._begin()
        self._round = next(self._sequence)
        self._true_cost = cost_in_words(cheapest(self.x_shape, self.branch_shape), self.x_shape)
        self._draft: dict[str, Any] = {"kind": None, "stride": None, "channels": None}
        self._channels = [
            option_button(f"{count} channels", self._set, "channels", count)
            for count in channel_choices(self.x_shape, self.branch_shape)
        ]
        self._channel_row.children = self._channels
        for buttons in (self._predictions, self._kinds, self._strides):
            mark(buttons, None)
        self._enable()
        self.picture = shape_pair(self.x_shape, self.branch_shape, ("x", "F(x)"))
        self._shapes.value = (
            f"{self.picture.html}<p>The input x is {show(self.x_shape)}, its branch returns {show(self.branch_shape)}.</p>"
            '<p class="rl-step"><b>1. Predict.</b> The cheapest legal shortcut costs:</p>'
        )
        self._ask.value = '<p class="rl-step"><b>2. Choose the shortcut.</b> Its kind, its stride, its channels:</p>'

    def _set(self, name: str, value: Any) -> None:
        """Take over one part of the choice and mark its button."""
        self._draft[name] = value
        parts: dict[str, tuple[list[Any], list[Any]]] = {
            "kind": (self._kinds, list(KINDS)),
            "stride": (self._strides, list(STRIDES)),
            "channels": (self._channels, channel_choices(self.x_shape, self.branch_shape)),
        }
        buttons, values = parts[name]
        mark(buttons, values.index(value))
        if name == "kind":
            self._enable()
        self._say("")

    def _enable(self) -> None:
        """Stride and channels can be chosen unless the kind has none."""
        for button in [*self._strides, *self._channels]:
            button.disabled = self._draft["kind"] in ("identity", "none")

    def _status_html(self) -> str:
        return status_html(self.round, self.score, self._solved_in)

    def _note(self, value: dict[str, Any]) -> None:
        super()._note({"x": list(self.x_shape), "branch": list(self.branch_shape), **value})

    def _snapshot(self) -> str:
        example = shape_pair((64, 56, 56), (128, 28, 28), ("x", "F(x)"))
        return f"<p>An example: x and F(x) differ in every axis.</p>{example.html}"


def legal_addition(
    framework: str | None = None, seed: int = 0, *, chapter: str = "legal_addition"
) -> LegalAddition:  # fmt: skip
    """Show the lab: two shapes, and the shortcut that makes their addition legal for the least.

    Parameters
    ----------
    framework
        In which the additions are tried: ``"pytorch"`` or ``"tensorflow"``. Without one: the framework imported
        already, or else the one installed. Rounds and answers are the same; the framework's own messages are not.
    seed
        Which rounds come.
    chapter
        Under which name the choices are kept in `resnet_lessons.progress`.

    Returns
    -------
    LegalAddition
        The widget; its methods do what clicks do.

    Examples
    --------
    >>> import tempfile, os; os.environ["RESNET_LESSONS_PROGRESS"] = tempfile.mkdtemp()
    >>> lab = legal_addition("pytorch")
    >>> lab.predict("nothing")
    >>> lab.choose("projection", 2, lab.branch_shape[0])
    """
    return LegalAddition(framework, seed, chapter=chapter)


# What the lab shows: pure functions from a round and a choice to pictures and HTML -----------------------------------------


def status_html(number: int, score: tuple[int, int], solved_in: int | None) -> str:
    """Return the line under the task, simple HTML."""
    at_once, tried = score
    text = f"Round {number}."
    if tried:
        text += f" The first try was the cheapest in {at_once} of {tried}."
    if solved_in is not None:
        text += f" <b>✓ Solved</b> in round {solved_in}; you may go on."
    return text


def outcome_picture(shortcut: Shortcut, x: Shape, branch: Shape) -> Figure:
    """Draw what the shortcut makes of x beside the branch's output; x itself where there is no such shortcut."""
    if shortcut.kind == "none" or obstacle(shortcut, x):
        return shape_pair(x, branch, ("x", "F(x)"))
    return shape_pair(output_shape(shortcut, x), branch)


def feedback_html(framework: str, asked: Round, shortcut: Shortcut) -> str:
    """Return what is right or wrong with a choice, and what the framework says to the addition."""
    x, branch = asked.x, asked.branch
    best = cheapest(x, branch)
    name = f"<b>{html.escape(in_words(shortcut))}</b>"
    if is_cheapest(shortcut, x, branch):
        return f"<p>✓ <b>Right:</b> {name}{_price(shortcut, x)} {asked.story}</p>"
    if shortcut.kind == "none":
        return f"<p>✗ <b>Not so:</b> one of these fits. {_hint(x, branch)}</p>"
    if reason := obstacle(shortcut, x):
        return f"<p>✗ <b>Not legal:</b> {name}. {html.escape(reason)}</p>{_careless_padding(shortcut, x)}"
    if is_legal(shortcut, x, branch):
        return f"<p>✗ <b>Legal, but too dear:</b> {_too_dear(shortcut, best, x)}</p>"
    found = output_shape(shortcut, x)
    wrong = [
        f"{axis} {a} ≠ {b}"
        for axis, a, b in zip(("channels", "height", "width"), found, branch, strict=True)
        if a != b
    ]  # fmt: skip
    result, error = add_in(framework, found, branch)
    if error:
        said = f"<pre>{_name(framework)}: {html.escape(error)}</pre>"
    else:
        said = (
            "<p><b>And no error tells you:</b> an axis of size 1 is repeated until it fits (broadcasting), so the framework "
            f"adds the two and returns {show(result)}. The branch returned {show(branch)}: this is no residual block.</p>"
        )
    return f"<p>✗ <b>Not legal:</b> {name} returns {show(found)}: {', '.join(wrong)}.</p>{said}"


@lru_cache(maxsize=256)
def add_in(framework: str, a: Shape, b: Shape) -> tuple[Shape, str]:
    """Add two maps of these shapes in a framework; return the shape of the sum, or the error that it raises.

    Returns
    -------
    tuple
        Channels, height, width of the sum, and ""; or (0, 0, 0), and the framework's message.
    """
    try:
        if framework == "pytorch":
            import torch

            summed: Any = torch.zeros(1).expand(1, *a) + torch.zeros(1).expand(1, *b)
            _, channels, height, width = summed.shape
        else:
            import tensorflow as tf

            summed = tf.zeros((1, *a[1:], a[0])) + tf.zeros((1, *b[1:], b[0]))
            _, height, width, channels = summed.shape
    except ImportError:
        raise
    except Exception as error:
        return (0, 0, 0), f"{type(error).__name__}: {_cleaned(str(error))}"
    return (channels, height, width), ""


def _cleaned(message: str) -> str:
    """Leave out where TensorFlow placed the operation."""
    return re.sub(r"\{\{.*?\}\} ?| ?\[Op:\w+\]| name: *$", "", message).strip()


def _price(shortcut: Shortcut, x: Shape) -> str:
    parameters, macs = cost(shortcut, x)
    if shortcut.kind == "none":
        return "."
    return f" costs {parameters:,} parameters and {macs:,} multiply-adds." if parameters else " costs nothing."


def _too_dear(shortcut: Shortcut, best: Shortcut, x: Shape) -> str:
    parameters, macs = cost(shortcut, x)
    free = cost(best, x)[0] == 0
    other = "the identity" if best.kind == "identity" else "a shortcut without weights" if free else "a cheaper one"
    text = f"a projection costs {parameters:,} parameters and {macs:,} multiply-adds where {other} costs "
    text += "none." if free else f"{cost(best, x)[0]:,}."
    if best.kind == "identity":
        text += " (Projections everywhere, even where nothing changes its shape: that is option C.)"
    return text


def _hint(x: Shape, branch: Shape) -> str:
    if x == branch:
        return "Compare the two shapes once more."
    if x[0] > branch[0]:
        return f"What gets {x[0]} channels down to {branch[0]}? (And what does a stride do to the map?)"
    if x[1:] == branch[1:]:
        return f"The maps agree already; {branch[0] - x[0]} channels are missing."
    return f"Which stride turns {x[1]} × {x[2]} into {branch[1]} × {branch[2]}? It keeps the first pixel of each step."


def _careless_padding(shortcut: Shortcut, x: Shape) -> str:
    less = shortcut.channels - x[0]
    pads = f"{less // 2} and {less - less // 2}".replace("-", "−")
    return (
        f"<p>Tried all the same, as a padding of {pads}: TensorFlow refuses it, but not before it meets real values; a Keras "
        "model is built with it, and fails at its first batch. PyTorch's <code>F.pad</code> cuts those channels off without a "
        "word. The shape may fit then, and what they held is gone.</p>"
    )


def _name(framework: str) -> str:
    return "PyTorch" if framework == "pytorch" else "TensorFlow"
