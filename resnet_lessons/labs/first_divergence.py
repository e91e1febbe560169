"""Lab "Find the planted fault": a basic block with one hidden mistake is compared with the correct one, layer by layer.

A round has three steps: look at the symptoms; predict where a walk along the layers first meets a difference, and see
it; name the mistake. A wrong name is answered with the observation that rules it out.
"""

from __future__ import annotations

import html
import random
from collections.abc import Iterator
from typing import Any

import ipywidgets as widgets

from . import faults
from .lab import RoundsLab, mark, option_button, row
from .questions import _labels, _plain

OPTIONS = 5

_TASK = (
    "A basic block computes something else than the correct one, though their weights are equal: one mistake is "
    "in its code. Look at what it shows, predict where the two first differ, then name the mistake. Three named at "
    "the first try solve the lab."
)

_MEANING = {
    "bn1": "bn1 never runs.",
    "conv2": "The first difference is at conv2, so the mistake lies between bn1 and conv2.",
    "bn2": "The first difference is at bn2, so the mistake lies between conv2 and bn2.",
    "the output": "All layers with weights agree, so the mistake lies behind bn2 or in the shortcut: in what is added, or "
    "in what follows.",
}
_MEASURED = (
    "x is the input of the block. The change is max|output − x|, divided by the largest x: 0 means that the block is the "
    "identity once its branch is silent. The means are those of a chain of such blocks with fresh BN (γ = 1, β = 0) in "
    "training mode; everything else is of one block with random BN tensors in evaluation mode. All in float64."
)


class FirstDivergence(RoundsLab):
    """The lab; `first_divergence` makes one.

    Attributes
    ----------
    options
        The names to choose from in this round.
    prediction
        The layer predicted in this round, or None.
    guess, choice
        The first and the latest name chosen in this round, or None.

    More of them: `RoundsLab`.
    """

    title, task, key = "Find the planted fault", _TASK, "first_divergence"
    too_early = "Name this fault first: a wrong name is answered with what rules it out."

    def __init__(self, framework: str | None = None, seed: int = 0, *, chapter: str = "first_divergence") -> None:
        super().__init__(chapter)
        self._sequence = rounds(seed)
        self.options, self._truth = [""] * OPTIONS, ""
        self._evidence, self._layers = widgets.HTML(), widgets.HTML()
        self._ask = widgets.HTML('<p class="rl-step"><b>3. Name the mistake.</b></p>')
        self._places = [option_button(layer, self.predict, layer) for layer in faults.LAYERS]
        self._names = [option_button("", self._choose_number, number) for number in range(OPTIONS)]
        self._next = option_button("Next fault", self.next)
        if self._start(framework, _measure_all):
            self._show(
                self._evidence,
                row(*self._places),
                self._layers,
                self._ask,
                *self._names,
                self._feedback,
                row(self._next),
            )
            assert self.framework is not None
            self._head.value += correct_html(self.framework)
            self._begin()

    def predict(self, layer: str) -> None:
        """Predict where the two blocks first differ, as a click does; then the walk along the layers shows.

        The first prediction of a round counts. A layer that does not exist is answered in the lab, not by an error.
        """
        if not self._ready():
            return
        if layer not in faults.LAYERS:
            return self._say(
                f"There is no layer {html.escape(repr(layer))} to predict; choose one of {', '.join(faults.LAYERS)}."
            )
        if self.prediction is not None:
            return self._say(f"Your prediction stays noted: {self.prediction}.")
        self.prediction = layer
        mark(self._places, faults.LAYERS.index(layer))
        assert self.framework is not None
        self._layers.value = layers_html(self.framework, self._truth, layer)
        first = faults.evidence(self.framework, self._truth).first
        self._note({"step": "predict", "layer": layer, "right": layer == first})
        self._say("")

    def choose(self, name: str) -> None:
        """Name the mistake, as a click does: one of `options`, or its letter in either case.

        A name that is none of them is answered in the lab, not by an error.
        """
        letters = {chr(ord("A") + number): option for number, option in enumerate(self.options)}
        title = letters.get(str(name).strip().upper(), str(name))
        if not self._ready():
            return
        if title not in self.options:
            return self._say(f"{html.escape(repr(name))} is none of the names here; choose one of A to {max(letters)}.")
        if self.prediction is None:
            return self._say(
                "First predict where the two blocks differ: the buttons above, or <code>.predict(layer)</code>."
            )
        key = _key_of(title)
        right = key == self._truth
        first = self._tried(title, right)
        mark(self._names, self.options.index(title))
        assert self.framework is not None
        text = feedback_html(self.framework, self._truth, key)
        if title != self.guess:
            text += f"<p>Your first name stays noted: {html.escape(self.guess or '')}.</p>"
        self._answer(text, {"step": "name", "choice": key, "first": first, "right": right})

    @property
    def symptoms(self) -> dict[str, float]:
        """What the block shows from outside: see `faults.symptoms`."""
        return dict(faults.evidence(self.framework, self._truth).symptoms) if self.framework else {}

    @property
    def differences(self) -> dict[str, float | None] | None:
        """How much each layer differs (None: it never ran), once a prediction is made."""
        if self.framework is None or self.prediction is None:
            return None
        return dict(faults.evidence(self.framework, self._truth).layers)

    @property
    def verdict(self) -> str:
        """The answer to the prediction, as plain text."""
        return _plain(self._layers.value.partition("<table")[0])

    def _begin(self) -> None:
        super()._begin()
        assert self.framework is not None
        self._truth, keys = next(self._sequence)
        self.options = [faults.FAULTS[key].title for key in keys]
        for button, label in zip(self._names, _labels(self.options), strict=True):
            button.description = label
        for buttons in (self._places, self._names):
            mark(buttons, None)
        self._evidence.value = symptoms_html(self.framework, self._truth)
        self._layers.value = ""

    def _choose_number(self, number: int) -> None:
        self.choose(self.options[number])

    def _status_html(self) -> str:
        return status_html(self.round, self.score, self._solved_in)

    def _note(self, value: dict[str, Any]) -> None:
        super()._note({"fault": self._truth, **value})


def first_divergence(
    framework: str | None = None, seed: int = 0, *, chapter: str = "first_divergence"
) -> FirstDivergence:
    """Find the planted fault, again and again.

    Parameters
    ----------
    framework
        ``"pytorch"`` or ``"tensorflow"``. Default: the one already imported, or else the one that is installed; PyTorch if
        both are.
    seed
        Which faults come, and in which order.
    chapter
        Where what was named is kept.

    Returns
    -------
    FirstDivergence
        The widget. ``.predict(layer)``, ``.choose(name)`` and ``.next()`` do what clicks do. It raises nothing: what is
        wrong with an argument is said in its place.
    """
    return FirstDivergence(framework, seed, chapter=chapter)


def _measure_all(framework: str) -> None:
    for key in faults.FAULTS:  # two seconds at most
        faults.evidence(framework, key)


def rounds(seed: int) -> Iterator[tuple[str, list[str]]]:
    """Yield faults without end, each with the keys of the names to choose from; all faults come before one comes again.

    At least two of the four wrong names first show at the same layer as the right one, where there are two such.
    """
    dice, last = random.Random(f"{seed}"), ""
    keys = [key for key in faults.FAULTS if key != "correct"]
    while True:
        bag = dice.sample(keys, len(keys))
        if bag[0] == last:
            bag.append(bag.pop(0))
        for key in bag:
            others = [other for other in keys if other != key]
            alike = [other for other in others if faults.FAULTS[other].first == faults.FAULTS[key].first]
            names = dice.sample(alike, min(2, len(alike)))
            names += dice.sample([other for other in others if other not in names], OPTIONS - 1 - len(names))
            names.append(key)
            yield key, dice.sample(names, OPTIONS)
        last = bag[-1]


# What the lab shows: pure functions from a fault to HTML ----------------------------------------------------------------


def correct_html(framework: str) -> str:
    """Return the correct block, to be unfolded."""
    code = html.escape(faults.FAULTS["correct"].code(framework))
    return f"<details><summary>The correct block</summary><pre>{code}</pre></details>"


def status_html(number: int, score: tuple[int, int], solved_in: int | None) -> str:
    """Return the line that says how far the learner is."""
    right, named = score
    text = f"<b>Fault {number}.</b> Named {right} of {named} at the first try."
    if solved_in is not None:
        text += " <b>✓ Solved:</b> three named at the first try. The faults go on if you like."
    return text


def symptoms_html(framework: str, key: str) -> str:
    """Return the first step: a table of a block's symptoms beside those of the correct block."""
    ours, theirs = (faults.evidence(framework, name).symptoms for name in (key, "correct"))
    signed, positive = faults.inputs()
    with_negatives = f"x with negative values, from {_number(signed.min())} to {_number(signed.max())}"
    without = f"x without negative values, up to {_number(positive.max())}, as inside a network"
    body = ""
    for name, label in faults.SYMPTOMS.items():
        if name in ("smallest", "off"):
            body += f'<tr><th scope="rowgroup" colspan="4"><i>{with_negatives if name == "smallest" else without}</i></th></tr>'
        a, b = show(name, theirs[name]), show(name, ours[name])
        sign = "✓ same" if a == b else "✗ differs"
        body += (
            f'<tr><th scope="row">{label}</th><td class="rl-number">{a}</td><td class="rl-number">{b}</td>'
            f"<td>{sign}</td></tr>"
        )
    return (
        '<p class="rl-step"><b>1. Look at the symptoms.</b></p>'
        '<table><thead><tr><th scope="col"></th><th scope="col" class="rl-number">correct block</th>'
        '<th scope="col" class="rl-number">this block</th><th scope="col"></th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
        f"<details><summary>How this is measured</summary><p>{_MEASURED}</p></details>"
        '<p class="rl-step"><b>2. Predict:</b> walking from the input to the output, which is the first that differs from '
        "the correct block, or never runs? (ReLUs and additions have no weights, and in most code no name: the walk "
        "leaves them out.)</p>"
    )


def layers_html(framework: str, key: str, predicted: str) -> str:
    """Return the second step: whether the prediction holds, and the difference of each layer."""
    found = faults.evidence(framework, key)
    body = ""
    for layer, value in found.layers.items():
        if value is None:
            shown = "✗ never ran"
        elif found.agrees(layer):
            shown = "✓ equal"
        else:
            shown = f"✗ differs by {_number(value)}"
        bar = f'<span class="rl-bar" aria-hidden="true"><span style="width: {100 * min(value or 0, 1):.0f}%"></span></span>'
        mark, here = (' class="rl-first"', " ← first") if layer == found.first else ("", "")
        body += f'<tr{mark}><th scope="row">{layer}</th><td>{bar}</td><td>{shown}{here}</td></tr>'
    if predicted == found.first:
        answer = f"✓ <b>Right:</b> {found.first}."
    elif found.agrees(predicted):
        because = " It gets the same input and the same weights in both." if predicted == "conv1" else ""
        answer = f"✗ <b>Not so:</b> {predicted} agrees.{because}"
    else:
        answer = f"✗ <b>Not so:</b> {predicted} differs too, but {found.first} comes before it."
    return (
        f'<p role="status">{answer} {_MEANING[found.first]}</p>'
        "<table><caption>Difference of each layer: max|a − b| / max|b|, b being this block</caption>"
        f"<tbody>{body}</tbody></table>"
    )


def feedback_html(framework: str, key: str, guess: str) -> str:
    """Return the answer to a name: why it is right, or what rules it out."""
    fault = faults.find_fault(key)
    if guess == key:
        correct = faults.FAULTS["correct"].code(framework).splitlines()
        lines = [("  " if line in correct else "▸ ") + line for line in fault.code(framework).splitlines()]
        return (
            f"<p>✓ <b>Right:</b> <b>{html.escape(fault.title)}</b>. {fault.shows}</p><p>{fault.why}</p>"
            f"<pre>{html.escape(chr(10).join(lines))}</pre>"
        )
    observed = faults.contradiction(framework, key, guess)
    if observed.observable == "layers":
        never = " (it never runs)" if observed.found == "bn1" else ""
        text = (
            f"Such a block first differs at {observed.expected}: {observed.reason}. This one first differs at "
            f"{observed.found}{never}."
        )
    else:
        name = observed.observable
        text = (
            f"In such a block {observed.reason}. “{faults.SYMPTOMS[name]}” would be {show(name, observed.expected)}; "
            f"here it is {show(name, observed.found)}."
        )
    return f"<p>✗ <b>Not so:</b> <b>{html.escape(faults.find_fault(guess).title)}</b>. {text}</p>"


def show(name: str, value: float | str) -> str:
    """Return a symptom as text: shares in percent, everything else with two decimals."""
    assert isinstance(value, (int, float))
    return f"{100 * value:.1f} %" if name in ("lowered", "zeros") else _number(value)


def _number(value: float) -> str:
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def _key_of(title: str) -> str:
    return next(key for key, fault in faults.FAULTS.items() if fault.title == title)
