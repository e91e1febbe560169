"""Lab "Order of operations": put BN, ReLU, convolutions and the addition in an order, predict the signal, then see it.

Two kinds of task take turns. *Find an order*: assemble one that has a given property; before it runs, its signal is to be
predicted. *Read the curve*: a signal is shown, and which of the paper's five placements made it is to be named. The first
answer to each task counts. The signal is that of `signals.measure`: 27 untrained blocks, three seeds.
"""

from __future__ import annotations

import html
import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from ..figures.signal import signal_along_depth
from .lab import Lab, label, mark, option_button, row, step
from .placements import LONGEST, PLACEMENTS, WORDS, Order, parse_order
from .questions import _plain
from .signals import GROWTHS, SIGNS, Signal, measure

TO_SOLVE = 4  # tasks done at the first try
_TASK = (
    "A block adds something to its input; the order of its operations decides what becomes of the signal. Tasks of two "
    "kinds take turns: assemble an order with a given property and predict its signal before it runs; and tell an order by "
    "its signal. The first answer to each task counts: an order that fits with both predictions right, or the right name. "
    "Four tasks done at the first try solve the lab."
)


@dataclass(frozen=True)
class Goal:
    """A property to find an order for."""

    key: str
    text: str
    met: Callable[[Signal], bool]
    shows: Callable[[Signal], str]  # what was measured of it, as the answer to a run


GOALS: Mapping[str, Goal] = {
    goal.key: goal
    for goal in (
        Goal(
            "only-grow",
            "Find an order in which the signal <b>can only grow</b>: from block to block no value ever falls.",
            lambda signal: signal.fall >= 0,
            lambda signal: (
                "No value falls in any block."
                if signal.fall >= 0
                else f"Some value falls by {_number(-signal.fall)} in a single block."
            ),
        ),
        Goal(
            "level",
            "Find an order in which the signal is <b>as strong after 27 blocks as after 9</b>, within 20 %.",
            lambda signal: 0.8 < signal.ratio < 1.2,
            lambda signal: f"After 27 blocks the signal is {_number(signal.ratio)} times as strong as after 9.",
        ),
        Goal(
            "clean",
            "Find an order in which the <b>shortcut is clean</b>, so that x₂₇ = x₀ + the sum of all branches, and in "
            "which branches can <b>take away</b> as well as add.",
            lambda signal: signal.clean and signal.lowest_branch < 0,
            lambda signal: f"{_clean(signal)} {_branches(signal)}",
        ),
    )
}


class OrderOfOperations(Lab):
    """The lab; `order_of_operations` makes one.

    Attributes
    ----------
    words
        The order on the bench, word by word.
    prediction
        The growth and the sign predicted for it; either is None where nothing is predicted yet.
    choice
        The placement named latest in a task of the second kind, or None.
    """

    title, task, key = "Order of operations", _TASK, "order_of_operations"

    def __init__(self, seed: int = 0, *, chapter: str = "order_of_operations") -> None:
        super().__init__(chapter)
        self._tasks = tasks(seed)
        self._kind, self._asked = "", ""
        self.words: list[str] = []
        self.prediction: tuple[str | None, str | None] = (None, None)
        self.choice: str | None = None
        self._done = self._done_at_once = self._number = 0
        self._tried = self._met = False
        self._solved_at: int | None = None
        self._question, self._order, self._picture, self._answer = (widgets.HTML() for _ in range(4))
        self._places = [option_button(p.title, self.place, key) for key, p in PLACEMENTS.items()]
        self._words = [option_button(word, self.press, word) for word in WORDS]
        self._edit = [option_button("remove the last", self.undo), option_button("clear", self.clear)]
        self._growths = [option_button(growth, self.predict, growth) for growth in GROWTHS]
        self._signs = [option_button(sign, self.predict, None, sign) for sign in SIGNS]
        self._run = option_button("Run it", self.run)
        self._titles = [option_button(p.title, self.choose, p.title) for p in PLACEMENTS.values()]
        self._next = option_button("Next task", self.next)
        self._bench = (
            step("1. Put an order together: one of the paper's, or your own word by word."),
            row(label("Paper"), *self._places),
            row(label("Own"), *self._words, *self._edit),
            self._order,
            step("2. Predict the signal from block 9 to block 27, where the depth triples."),
            widgets.HTML(
                _step(
                    "Its strength: level is about ×1, √depth ×1.7, depth ×3; the nearest counts (less than ×0.76: shrinks; "
                    "more than ×5: explodes)."
                )
            ),
            row(label("Strength"), *self._growths),
            row(label("Values"), *self._signs),
            step("3. See."),
            row(self._run),
        )
        for button, word in zip(self._words, WORDS, strict=True):
            button.tooltip = f"append {_SAID[word]}"
        self._begin()

    def place(self, key: str) -> None:
        """Put one of the paper's placements on the bench, by its key or its title."""
        found = next((p for p in PLACEMENTS.values() if str(key).lower() in (p.key, p.title.lower())), None)
        if found is None:
            listed = ", ".join(p.title for p in PLACEMENTS.values())
            return self._say(f"There is no placement {html.escape(repr(key))}; there are {listed}.")
        self._set(found.order.split())

    def order(self, text: str) -> None:
        """Put an order on the bench, such as ``"BN ReLU conv BN ReLU conv +"``."""
        try:
            self._set(str(parse_order(text)).split())
        except ValueError as error:
            self._say(f"✗ {html.escape(str(error))}")

    def press(self, word: str) -> None:
        """Append one word to the order, as a click does."""
        if word not in WORDS:
            return self._say(f"{html.escape(repr(word))} is no operation here; there are {', '.join(WORDS)}.")
        if len(self.words) >= LONGEST:
            return self._say(f"An order has at most {LONGEST} words: remove one first.")
        self._set([*self.words, word])

    def undo(self) -> None:
        """Remove the last word."""
        self._set(self.words[:-1])

    def clear(self) -> None:
        """Remove all words."""
        self._set([])

    def predict(self, growth: str | None = None, sign: str | None = None) -> None:
        """Predict what becomes of the signal: one of `signals.GROWTHS`, one of `signals.SIGNS`, or both."""
        for given, known in ((growth, GROWTHS), (sign, SIGNS)):
            if given is not None and given not in known:
                return self._say(f"{html.escape(repr(given))} is no prediction here; choose one of {', '.join(known)}.")
        if self._kind != "find":
            return self._say("Here the curve is shown already: name the placement.")
        before = self.prediction
        self.prediction = (growth or before[0], sign or before[1])
        self._mark_predictions()
        self._say("")

    def run(self) -> None:
        """Send the signal through the order on the bench, once it is predicted."""
        if self._kind != "find":
            return self._say("Here the curve is shown already: name the placement.")
        try:
            found = parse_order(" ".join(self.words))
        except ValueError as error:
            return self._say(f"✗ {html.escape(str(error))}")
        growth, sign = self.prediction
        if growth is None or sign is None:
            missing = "its strength" if growth is None else "the sign of its values"
            return self._say(f"First predict {missing}.")
        signal, goal = measure(str(found)), GOALS[self._asked]
        right, foreseen = goal.met(signal), (growth, sign) == (signal.growth, signal.sign)
        self._picture.value = picture_html(found)
        self._answer.value = (
            f'<div role="status">{prediction_html(found, growth, sign)}{goal_html(goal, signal)}</div>'
            f"{evidence_html(signal)}"
        )
        self._note({"step": "run", "order": str(found), "growth": growth, "sign": sign, "right": right})
        self._count(right, foreseen)

    def choose(self, title: str) -> None:
        """Name the placement whose curve is shown, by its title."""
        if self._kind != "read":
            return self._say("Here an order is to be found: put one together, predict, and run it.")
        found = next((p for p in PLACEMENTS.values() if str(title).lower() in (p.key, p.title.lower())), None)
        if found is None:
            listed = ", ".join(p.title for p in PLACEMENTS.values())
            return self._say(f"There is no placement {html.escape(repr(title))}; there are {listed}.")
        self.choice = found.title
        mark(self._titles, list(PLACEMENTS).index(found.key))
        self._answer.value = f'<div role="status">{reading_html(self._asked, found.key)}</div>'
        self._note({"step": "name", "choice": found.key, "right": found.key == self._asked})
        self._count(found.key == self._asked)

    def next(self) -> None:
        """Go on to the next task, once this one is done."""
        if not self._met:
            return self._say("Do this task first: a wrong answer is met with what rules it out.")
        self._begin()

    @property
    def score(self) -> tuple[int, int]:
        """How many tasks were done at the first try, and how many were done at all."""
        return self._done_at_once, self._done

    @property
    def solved(self) -> bool:
        """Whether four tasks were done at the first try."""
        return self._done_at_once >= TO_SOLVE

    @property
    def question(self) -> str:
        """The present task, as plain text."""
        return _plain(self._question.value)

    @property
    def answer(self) -> str:
        """What the lab says to the latest run or name, as plain text and without the table."""
        return _plain(self._answer.value.partition("<table")[0])

    @property
    def measured(self) -> Signal | None:
        """What the order on the bench does, once it has run in this task."""
        return measure(" ".join(self.words)) if self._kind == "find" and self._answer.value else None

    def _begin(self) -> None:
        self._kind, self._asked = next(self._tasks)
        self._number += 1
        self._tried = self._met = False
        self.choice = None
        self._answer.value = ""
        mark(self._titles, None)
        if self._kind == "find":
            self._question.value = _step(f"<b>Find an order.</b> {GOALS[self._asked].text}")
            self._show(self._question, *self._bench, self._picture, self._answer, row(self._next))
            self._set([])
        else:
            self._question.value = _step(
                "<b>Read the curve.</b> One of the paper's five placements made this signal. Which?"
            )
            self._picture.value = hidden_html(self._asked)
            self._show(self._question, self._picture, row(*self._titles), self._answer, row(self._next))
        self._show_status()
        self._say("")

    def _set(self, words: list[str]) -> None:
        if self._kind != "find":
            return self._say("Here the curve is shown already: name the placement.")
        self.words, self.prediction = list(words), (None, None)
        self._picture.value = self._answer.value = ""
        self._order.value = order_html(self.words)
        self._mark_predictions()
        self._say("")

    def _mark_predictions(self) -> None:
        growth, sign = self.prediction
        mark(self._growths, GROWTHS.index(growth) if growth else None)
        mark(self._signs, SIGNS.index(sign) if sign else None)

    def _count(self, right: bool, foreseen: bool = True) -> None:
        if right and not self._met:
            self._met = True
            self._done += 1
            self._done_at_once += foreseen and not self._tried
        self._tried = True
        if self.solved and self._solved_at is None:
            self._solved_at = self._number
            self._note({"step": "solved"})
        self._show_status()
        self._say("")

    def _show_status(self) -> None:
        self._say_status(status_html(self._number, self.score, self._solved_at))

    def _note(self, value: dict[str, Any]) -> None:
        self._record({"task": self._number, "kind": self._kind, "asked": self._asked, **value})

    def _snapshot(self) -> str:
        return "<p>What the lab shows of an order, here of the block of 2015:</p>" + picture_html(
            parse_order(PLACEMENTS["original"].order)
        )


def order_of_operations(seed: int = 0, *, chapter: str = "order_of_operations") -> OrderOfOperations:
    """Find orders of operations with given properties, and tell placements by their signal.

    Parameters
    ----------
    seed
        Which tasks come, and in which order.
    chapter
        Where what was done is kept.

    Returns
    -------
    OrderOfOperations
        The widget. ``.place(key)``, ``.order(text)``, ``.predict(growth, sign)``, ``.run()``, ``.choose(title)`` and
        ``.next()`` do what clicks do. It needs no framework, and raises nothing.
    """
    return OrderOfOperations(seed, chapter=chapter)


def tasks(seed: int) -> Iterator[tuple[str, str]]:
    """Yield tasks without end: ("find", a goal), ("read", a placement), in turns; all come before one comes again."""
    dice = random.Random(f"{seed}")
    goals, placements = (_without_end(list(keys), dice) for keys in (GOALS, PLACEMENTS))
    for goal, placement in zip(goals, placements, strict=True):
        yield "find", goal
        yield "read", placement


def _without_end(keys: list[str], dice: random.Random) -> Iterator[str]:
    last = ""
    for _ in itertools.count():
        bag = dice.sample(keys, len(keys))
        if bag[0] == last:
            bag.append(bag.pop(0))
        yield from bag
        last = bag[-1]


# What the lab shows: pure functions from an order to HTML ---------------------------------------------------------------

_SAID = {"BN": "batch normalisation", "ReLU": "a ReLU", "conv": "a 3×3 convolution", "+": "the addition of the input"}


_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _step(text: str) -> str:
    return f'<p class="rl-step">{text}</p>'


def order_html(words: list[str]) -> str:
    """Return the order on the bench, with what is still missing."""
    if not words:
        return _step("<i>Nothing on the bench yet.</i>")
    try:
        parse_order(" ".join(words))
    except ValueError as error:
        rest = f"<br><i>{html.escape(str(error))}</i>"
    else:
        rest = ""
    return _step(f"On the bench: <b>x → {' → '.join(words)}</b>{rest}")


def status_html(number: int, score: tuple[int, int], solved_at: int | None) -> str:
    """Return the line that says how far the learner is."""
    right, done = score
    text = f"<b>Task {number}.</b> {right} of {done} done at the first try."
    if solved_at is not None:
        text += " <b>✓ Solved:</b> four tasks done at the first try. The tasks go on if you like."
    return text


def picture_html(order: Order) -> str:
    """Return the figure of an order's signal."""
    signal = measure(str(order))
    return signal_along_depth(signal.strength, signal.negative, f"{order}").html


def hidden_html(key: str) -> str:
    """Return the figure and the measurements of a placement without its name."""
    signal = measure(PLACEMENTS[key].order)
    return signal_along_depth(signal.strength, signal.negative, "which order?").html + evidence_html(signal)


def evidence_html(signal: Signal) -> str:
    """Return what was measured, as a table."""
    rows = {
        "strength after 27 blocks ÷ after 9": _number(signal.ratio),
        "smallest value behind any block": _number(signal.smallest),
        "deepest fall of a value within one block": _number(-signal.fall),
        "largest |x₂₇ − (x₀ + Σ branches)| ÷ largest |x₂₇|": _tiny(signal.left_over),
        "smallest value that a branch adds": _number(signal.lowest_branch),
        "largest |mean of a channel| that a branch adds": _tiny(signal.branch_mean),
    }
    body = "".join(
        f'<tr><th scope="row">{name}</th><td class="rl-number">{value}</td></tr>' for name, value in rows.items()
    )
    return f"<table><caption>Measured over three seeds</caption><tbody>{body}</tbody></table>"


def prediction_html(order: Order, growth: str, sign: str) -> str:
    """Return whether a prediction holds, and why the signal does what it does."""
    signal = measure(str(order))
    lines = []
    for what, predicted, seen, reason in (
        ("the strength", growth, signal.growth, why_growth(order, signal)),
        ("the signal", sign, signal.sign, why_sign(order, signal)),
    ):
        if predicted == seen:
            lines.append(f"<p>✓ <b>Right:</b> {what} {_verb(seen)}. {reason}</p>")
        else:
            lines.append(f"<p>✗ <b>Not so:</b> you predicted “{predicted}”; {what} {_verb(seen)}. {reason}</p>")
    return "".join(lines)


def goal_html(goal: Goal, signal: Signal) -> str:
    """Return whether the task is done."""
    if goal.met(signal):
        return f"<p>✓ <b>Task done.</b> {goal.shows(signal)}</p>"
    return f"<p>✗ <b>The task asks for another order.</b> {goal.shows(signal)} Try another.</p>"


def why_growth(order: Order, signal: Signal) -> str:
    """Say why the strength of the signal does what it does."""
    if "BN" in order.after:
        return "The BN behind the addition sets every channel back to variance 1, block after block."
    if "BN" not in order.branch:
        return (
            "No BN stands in the branch: what it adds is in proportion to what it gets, so every block multiplies the "
            "strength by about the same factor."
        )
    start = "The BN in the branch makes each block add about as much as any other, however strong its input is"
    if signal.lowest_branch >= 0:
        return f"{start}; none of it is negative, so the additions pile up in full."
    if signal.growth == "grows like √depth":
        return f"{start}, and with both signs: the mean <i>squares</i> add up, and the strength is their root."
    return f"{start}; its mean is well above 0, and the means pile up in full."


def why_sign(order: Order, signal: Signal) -> str:
    """Say why the signal has the signs it has."""
    if order.after:
        last = order.after[-1]
        if last == "ReLU":
            return "A ReLU is the last thing in the block."
        return "A BN is the last thing in the block, and it shifts each channel's mean to 0."
    if signal.lowest_branch >= 0:
        return "x₀ comes out of a ReLU, and the branch, which ends in one, adds nothing negative."
    return "The branch adds values of both signs, and nothing behind the addition cuts them off."


def reading_html(key: str, guess: str) -> str:
    """Return the answer to a name: right, or what rules it out."""
    title, placement = PLACEMENTS[guess].title, PLACEMENTS[key]
    if guess == key:
        order, signal = parse_order(placement.order), measure(placement.order)
        return (
            f"<p>✓ <b>Right: {title}</b>, {order}.</p><p>Its strength {_verb(signal.growth)}. {why_growth(order, signal)} "
            f"The signal {_verb(signal.sign)}. {why_sign(order, signal)} {_clean(signal)}</p>"
            f"<p>CIFAR-10 test error of ResNet-110: {placement.errors[0]:.2f} % (He et al. 2016, table 2).</p>"
        )
    return f"<p>✗ <b>Not so: {title}.</b> {contradiction(key, guess)}</p>"


def contradiction(key: str, guess: str) -> str:
    """Say which observation rules out that the placement `key` is `guess`."""
    here, there = measure(PLACEMENTS[key].order), measure(PLACEMENTS[guess].order)
    order = parse_order(PLACEMENTS[guess].order)
    if here.sign != there.sign:
        return f"Its signal {_would(there.sign)}: {_lower(why_sign(order, there))} This one {_verb(here.sign)}."
    if here.growth != there.growth:
        return f"Its strength {_would(there.growth)}: {_lower(why_growth(order, there))} This one {_verb(here.growth)}."
    if here.clean != there.clean:
        return f"There, the opposite holds: {_lower(_clean(there))} Here: {_lower(_clean(here))}"
    centred, other = ("ends in BN", "does not end in BN")
    if there.branch_mean > 1e-9:
        centred, other = other, centred
    return (
        f"Both have a clean shortcut and strengths that grow alike. But its branch {centred}, and this one's {other}. "
        "A BN at the end of a branch makes each channel of what it adds have mean 0 (β = 0): look at the largest mean of a "
        "channel."
    )


def _clean(signal: Signal) -> str:
    if signal.clean:
        return "The shortcut is clean: x₂₇ is x₀ and the sum of all branches, to the last digit."
    return (
        "The shortcut is not clean: what stands behind the addition changes what it carries, and x₂₇ differs from x₀ and "
        f"the sum of all branches by {_number(signal.left_over)} of its largest value."
    )


def _branches(signal: Signal) -> str:
    if signal.lowest_branch >= 0:
        return "But no branch ever takes anything away."
    return f"Branches take away up to {_number(-signal.lowest_branch)}."


def _verb(observed: str) -> str:
    return {"never negative": "is never negative", "both signs": "has both signs"}.get(observed, observed)


def _would(observed: str) -> str:
    rest = {"never negative": "never be negative", "both signs": "have both signs"}
    return "would " + rest.get(observed, observed.replace("grows", "grow").replace("stays", "stay"))


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:] if not sentence.startswith(("BN", "No BN", "x₀")) else sentence


def _tiny(value: float) -> str:
    return "0.00, but for rounding" if 0 < value < 1e-9 else _number(value)


def _number(value: float) -> str:
    """Two decimals; from ten thousand on a power of ten."""
    if abs(value) >= 10_000:
        digit, _, power = f"{value:.0e}".partition("e+")
        text = f"{digit}·10{power.lstrip('0').translate(_SUPERSCRIPT)}"
    else:
        text = f"{value:,.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")
