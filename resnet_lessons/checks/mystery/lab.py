"""The lab "Mystery net" itself: five probes of nine, then a name; a wrong name is answered with what rules it out."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets

from ...labs.lab import RoundsLab, mark, option_button, row, step, without_code
from ...labs.questions import _labels, _letter
from ..mistakes import Mistake, Section
from .nets import LEVELS, Twist, playable
from .probes import PROBES, Reading, reading
from .rounds import MOST_PROBES, OPTIONS, Round, rounds, rules_out, telling

_TASK = (
    "A small network has one mistake of the exercises' catalogue, or none. You have five probes: each compares one thing with "
    "the right network, computed there and then. Choose them well, then name the mistake: some five of the nine always tell "
    "all six names apart. Three named at the first try solve the lab."
)


class MysteryNet(RoundsLab):
    """The lab; `mystery_net` makes one.

    Attributes
    ----------
    options
        The names to choose from in this round.
    probed
        The keys of the probes used in this round, in order.
    guess, choice
        The first and the latest name chosen in this round, or None.

    More of them: `RoundsLab`.
    """

    title, task, key = "Mystery net", _TASK, "mystery_net"
    too_early = "Name this mistake first: a wrong name is answered with what rules it out."

    def __init__(self, seed: int = 0, level: str = "blocks", *, chapter: str = "mystery_net") -> None:
        super().__init__(chapter)
        self.level = level
        self.options, self.probed = [""] * OPTIONS, list[str]()
        self._network = widgets.HTML()
        self._probes = [option_button(probe.title, self.probe, key) for key, probe in PROBES.items()]
        for button, probe in zip(self._probes, PROBES.values(), strict=True):
            button.tooltip = probe.does
        self._readings = [widgets.HTML() for _ in range(MOST_PROBES)]
        self._names = [option_button("", self._choose_number, number) for number in range(OPTIONS)]
        self._next = option_button("Next network", self.next)
        if level not in LEVELS:
            known = ", ".join(map(repr, LEVELS))
            self._show()
            return self._say(f"There is no level {html.escape(repr(level))} here; choose one of {known}.")
        self.framework = "numpy"  # it needs no other
        self._rounds = rounds(seed, level)
        self._show(
            self._network,
            step(f"1. Probe it, up to {MOST_PROBES} times."),
            row(*self._probes),
            *self._readings,
            step("2. Name the mistake."),
            *self._names,
            self._feedback,
            row(self._next),
        )
        self._begin()

    def probe(self, name: str) -> None:
        """Use a probe, as a click does: its key, such as ``"count"``, or its title. A probe used again costs nothing."""
        key = next((k for k, probe in PROBES.items() if str(name).strip().lower() in (k, probe.title.lower())), None)
        if not self._ready():
            return
        if key is None:
            return self._say(f"There is no probe {html.escape(repr(name))}; choose one of {', '.join(PROBES)}.")
        if key in self.probed:
            return self._say("This probe is used: what it showed stands below.")
        if self.guess is not None:
            return self._say("The name is given: probes belong before it. Go on to the next network.")
        if len(self.probed) == MOST_PROBES:
            return self._say(f"The {MOST_PROBES} probes are used. Name the mistake.")
        self.probed.append(key)
        self._probes[list(PROBES).index(key)].add_class("rl-chosen")
        for place, used in zip(self._readings, self.probed, strict=False):
            place.value = reading_html(used, self._reading(used), latest=used == key)
        self._note({"step": "probe", "probe": key})
        self._show_status()
        self._say("")

    def choose(self, name: str) -> None:
        """Name the mistake, as a click does: one of `options`, or its letter in either case."""
        letters = {_letter(number): option for number, option in enumerate(self.options)}
        title = letters.get(str(name).strip().upper(), str(name))
        if not self._ready():
            return
        if title not in self.options:
            return self._say(f"{html.escape(repr(name))} is none of the names here; choose one of A to {max(letters)}.")
        if not self.probed:
            return self._say("First use a probe: without one a name is a guess.")
        key = self._round.options[self.options.index(title)]
        right = key == self._round.key
        first = self._tried(title, right)
        mark(self._names, self.options.index(title))
        text = right_html(self._round, self.probed) if right else wrong_html(self._round, key, self.probed)
        if title != self.guess:
            text += f"<p>Your first name stays noted: {html.escape(self.guess or '')}.</p>"
        self._answer(text, {"step": "name", "choice": key, "first": first, "right": right, "probes": list(self.probed)})

    @property
    def findings(self) -> dict[str, str]:
        """What each used probe found, as plain text, by its key."""
        return {key: self._reading(key).finding for key in self.probed}

    @property
    def network(self) -> str:
        """Which network it should be, as plain text."""
        return without_code(self._network.value)

    def _reading(self, probe: str) -> Reading:
        return reading(self._round.kind, self._round.twist, probe, self._round.weights)

    def _begin(self) -> None:
        self._round = next(self._rounds)
        self.probed = []
        mistakes = playable(self._round.kind)
        self.options = [_title(mistakes[key][0]) for key in self._round.options]
        for button, label in zip(self._names, _labels(self.options), strict=True):
            button.description = label
        for buttons in (self._probes, self._names):
            mark(buttons, None)
        for place in self._readings:
            place.value = ""
        self._network.value = network_html(self._round)
        super()._begin()

    def _choose_number(self, number: int) -> None:
        self.choose(self.options[number])

    def _status_html(self) -> str:
        return status_html(self.round, len(self.probed), self.score, self._solved_in)

    def _note(self, value: dict[str, Any]) -> None:
        super()._note({"network": self._round.kind.key, "mistake": self._round.key, **value})

    def _snapshot(self) -> str:
        probes = "".join(f"<li><b>{probe.title}.</b> {html.escape(probe.does)}</li>" for probe in PROBES.values())
        return f"<p>The probes:</p><ul>{probes}</ul>"


def mystery_net(seed: int = 0, level: str = "blocks", *, chapter: str = "mystery_net") -> MysteryNet:
    """Find the hidden mistake of a network with five probes, again and again.

    Parameters
    ----------
    seed
        Which networks come, and in which order.
    level
        ``"blocks"``: networks of chapters 01 and 02; ``"versions"``: of chapters 03 to 05 (bottlenecks, v1.5, v2).
    chapter
        Where what was named is kept.

    Returns
    -------
    MysteryNet
        The widget. ``.probe(key)``, ``.choose(name)`` and ``.next()`` do what clicks do. It needs no framework, and raises
        nothing: what is wrong with an argument is said in its place.
    """
    return MysteryNet(seed, level, chapter=chapter)


# What the lab shows: pure functions --------------------------------------------------------------------------------------


def status_html(number: int, probed: int, score: tuple[int, int], solved_in: int | None) -> str:
    """Return the line that says how far the learner is."""
    right, named = score
    text = f"<b>Network {number}.</b> Probes left: {MOST_PROBES - probed} of {MOST_PROBES}. "
    text += f"Named {right} of {named} at the first try."
    if solved_in is not None:
        text += " <b>✓ Solved:</b> three named at the first try. The networks go on if you like."
    return text


def network_html(played: Round) -> str:
    """Return what the network should be."""
    kind = played.kind
    return (
        f'<p class="rl-step">It should be <b>{html.escape(kind.title)}</b>.</p>'
        f"<details><summary>A right block</summary><p>{html.escape(kind.code)}.</p><p>Convolutions are 3×3 unless said "
        "otherwise, without bias; BN as in PyTorch: ε = 1e-5, momentum 0.1. All blocks are of one class, so a mistake in it "
        "is in each of them; only one in how blocks are put together is not. Weights are random, and equal in both networks "
        "wherever both have the layer.</p></details>"
    )


def reading_html(key: str, found: Reading, *, latest: bool) -> str:
    """Return what a probe shows; the latest one unfolded."""
    probe = PROBES[key]
    status = ' role="status"' if latest else ""
    return (
        f"<details{' open' if latest else ''}><summary><b>{probe.title}.</b> {html.escape(found.finding)}</summary>"
        f"<p{status}>{html.escape(probe.does)}</p>{found.table}</details>"
    )


def right_html(played: Round, probed: Sequence[str]) -> str:
    """Return the answer to the right name: what it is, why it matters, where to read, which probe tells it."""
    mistake = playable(played.kind)[played.key][0]
    return (
        f"<p>✓ <b>Right:</b> <b>{html.escape(_title(mistake))}</b>. {mistake.explanation}</p>"
        f"<p><b>Why it matters.</b> {mistake.why}</p><p><b>Seen:</b> {mistake.seen}. <b>Read:</b> "
        f"{_link(mistake.section)}.</p><p>{telling_html(played, probed)}</p>"
    )


def telling_html(played: Round, probed: Sequence[str]) -> str:
    """Return which probes would have been enough, and whether those used were."""
    sets = telling(played)
    if len(sets[0]) == 1:
        text = (
            f"Among these six names, one probe would have told it: {_either([PROBES[key].title for (key,) in sets])}."
        )
    else:
        titles = " + ".join(f"“{PROBES[key].title}”" for key in sets[0])
        text = f"No single probe tells it from the other five; {len(sets[0])} together do, such as {titles}."
    others = [key for key in played.options if key != played.key]
    left = [key for key in others if not rules_out(played.kind, played.twist, key, probed, played.weights)]
    number = f"{len(probed)} probe{'s' if len(probed) > 1 else ''}"
    if left:
        mistakes = playable(played.kind)
        names = "; ".join(html.escape(mistakes[key][0].title) for key in left)
        return f"{text} Your {number} did not rule out: {names}."
    return f"{text} Your {number} left no other name."


def wrong_html(played: Round, guess: str, probed: Sequence[str]) -> str:
    """Return the answer to a wrong name: a probe that rules it out, if possible one that was used."""
    kind, weights = played.kind, played.weights
    mistake, ways = playable(kind)[guess]

    def alike(way: Twist) -> int:
        return sum(_same(reading(kind, way, p, weights), reading(kind, played.twist, p, weights)) for p in PROBES)

    nearest = max(ways, key=alike)
    used = [p for p in probed if rules_out(kind, played.twist, guess, [p], weights)]
    other = [p for p in PROBES if rules_out(kind, played.twist, guess, [p], weights)]
    text = f"<p>✗ <b>Not so:</b> <b>{html.escape(_title(mistake))}</b>. "
    if not other:  # it takes two, of which each rules out some of the ways in which this mistake can be made
        return f"{text}Several probes together rule it out.</p>"
    probe = (used or other)[0]
    would, is_ = cited(reading(kind, nearest, probe, weights), reading(kind, played.twist, probe, weights))
    said = (
        f"“{PROBES[probe].title}” rules it out."
        if used
        else f"Nothing that you probed rules it out; “{PROBES[probe].title}” does."
    )
    return f"{text}{said} Of such a network it shows: “{html.escape(would)}” Of this one: “{html.escape(is_)}”</p>"


def cited(theirs: Reading, ours: Reading) -> tuple[str, str]:
    """The plainest words in which two readings differ: the finding, or else the first row of the table that does."""
    if theirs.finding != ours.finding:
        return theirs.finding, ours.finding
    here = {line[0]: _line(line) for line in ours.rows}
    for line in theirs.rows:
        would, is_ = _line(line), here.get(line[0], f"{line[0]}: –.")
        if would != is_:
            return would, is_
    return theirs.finding, ours.finding


def _line(cells: Sequence[str]) -> str:
    """A row of a table: what it says of the network itself, without the sign of a comparison."""
    return f"{cells[0]}: {cells[-1].removeprefix('✓ ').removeprefix('✗ ')}."


def _same(a: Reading, b: Reading) -> bool:
    return a.signature == b.signature


def _title(mistake: Mistake) -> str:
    return f"{mistake.title[:1].upper()}{mistake.title[1:]}"


def _either(titles: Sequence[str]) -> str:
    named = [f"“{title}”" for title in titles]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} or {named[-1]}"


def _link(section: Section) -> str:
    """To a chapter, from the notebook beside it."""
    return f'<a href="{section.chapter}.ipynb">{html.escape(str(section))}</a>'
