"""The probes of the lab "Mystery net": each looks at one thing of a network beside the right one with equal weights.

A `Reading` holds a finding in one sentence, the table behind it, and its `signature`: what of it can be foreseen by
thinking, without the numbers. Two mistakes are told apart by a probe if their signatures differ, so no riddle hangs on
whether a number is 0.43 or 0.51.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .nets import WEIGHTS, Kind, Layer, Net, Pass, Twist, labelled, made

EQUAL, LITTLE, DIFFERS = "✓ equal", "✗ differs by less than 2 %", "✗ differs"
NEVER, SHAPE = "✗ never ran", "✗ has another shape"
_BOTH = ("right network", "this network")
_SAME, _TINY = 1e-9, 0.02  # of max|a − b| / max|b|


@dataclass(frozen=True)
class Reading:
    """What a probe shows.

    Attributes
    ----------
    finding
        One sentence of plain text.
    head, rows
        The table that it sums up, as text; the first cell of a row names it.
    signature
        What can be foreseen of it.
    """

    finding: str
    signature: tuple[Any, ...]
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    @property
    def table(self) -> str:
        """The rows as HTML; empty where there are none."""
        return _table(self.head, self.rows) if self.rows else ""


@dataclass(frozen=True)
class Probe:
    """One way to look at a network.

    Parameters
    ----------
    key
        Its name in the learner's progress.
    title
        What its button says.
    does
        What it does; one sentence of plain text.
    read
        From the right network and this one to what is seen.
    """

    key: str
    title: str
    does: str
    read: Callable[[Net, Net], Reading]


@lru_cache(maxsize=8192)
def reading(kind: Kind, twist: Twist, probe: str, weights: int = WEIGHTS[0]) -> Reading:
    """What a probe shows of a network; measured once and kept."""
    return PROBES[probe].read(made(kind, Twist(), weights), made(kind, twist, weights))


# The probes --------------------------------------------------------------------------------------------------------------


def _count(right: Net, net: Net) -> Reading:
    theirs, ours = right.parameters(), net.parameters()
    total, mine = sum(theirs.values()), sum(ours.values())
    rows = [(what, *_pair(f"{theirs[what]:,}", f"{ours[what]:,}")) for what in theirs]
    finding = f"{mine:,} trainable parameters, "
    if mine == total:
        finding += "as many as the right network has."
    else:
        finding += f"{abs(mine - total):,} {'more' if mine > total else 'fewer'} than the right network has."
    return Reading(finding, tuple(ours.values()), ("", *_BOTH), tuple(rows))


def _shapes(right: Net, net: Net) -> Reading:
    theirs, ours = (_shape_rows(each) for each in (right, net))
    rows = []
    for place in _together(list(theirs), list(ours)):
        a, b = (_shape(found[place]) if place in found else "–" for found in (theirs, ours))
        rows.append((str(place), *_pair(a, b)))
    other = [place for place, _, this in rows if this.startswith("✗")]
    finding = (
        f"Another shape, or another layer: first at {other[0]}."
        if other
        else "All shapes are those of the right network."
    )
    return Reading(finding, tuple(ours.items()), ("", *_BOTH), _folded(rows))


def _shape_rows(net: Net) -> dict[Layer, tuple[int, ...]]:
    """Of each convolution and of each block's output."""
    seen = net.look()
    found: dict[Layer, tuple[int, ...]] = {}
    for block, output in enumerate(seen.outputs):
        here = {place: out.shape for place, out in seen.layers.items() if place.block == block}
        found |= {place: shape for place, shape in here.items() if not place.name.startswith(("bn", "shortcut's BN"))}
        found[Layer(block, "the output")] = output.shape
    return found


def _wiring(right: Net, net: Net) -> Reading:
    theirs, ours = (dict(_feeds(each)) for each in (right, net))
    rows = []
    for place in _together(list(theirs), list(ours)):
        a, b = (", ".join(found[place]) if place in found else "–" for found in (theirs, ours))
        rows.append((str(place), *_pair(a, b)))
    other = [place for place, _, this in rows if this.startswith("✗")]
    finding = f"Another connection, first at {other[0]}." if other else "Every layer is fed as in the right network."
    head = ("fed by", *_BOTH)
    return Reading(finding, tuple(ours.items()), head, _folded(rows))


def _feeds(net: Net) -> list[tuple[Layer, tuple[str, ...]]]:
    return [
        (Layer(block, label), tuple(sources))
        for block in range(len(net.blocks))
        for label, sources in labelled(net, block)
    ]


def _evaluation(right: Net, net: Net) -> Reading:
    return _compared(right.look(), net.look())


def _training(right: Net, net: Net) -> Reading:
    return _compared(right.look(training=True), net.look(training=True))


def _compared(theirs: Pass, ours: Pass) -> Reading:
    """Walk along the first block, then from block to block."""
    found: dict[str, tuple[str, float | None]] = {}
    for place, expected in theirs.layers.items():
        if place.block == 0:
            found[str(place)] = _difference(ours.layers.get(place), expected)
    for block, (a, b) in enumerate(zip(ours.outputs, theirs.outputs, strict=True)):
        found[str(Layer(block, "the output"))] = _difference(a, b)
    rows = [(place, said if share is None else f"{said}: {share:.2g}") for place, (said, share) in found.items()]
    first = next((place for place, (said, _) in found.items() if said != EQUAL), None)
    if first is None:
        finding = "All layers and outputs are equal to the right network's."
    else:
        last = "Its outputs are equal all the same." if list(found.values())[-1][0] == EQUAL else ""
        finding = f"The first difference: {first} {found[first][0].removeprefix('✗ ')}. {last}".strip()
    # How much differs can be foreseen of the first difference; what becomes of it further on cannot.
    little = {place: DIFFERS if said == LITTLE and place != first else said for place, (said, _) in found.items()}
    signature = tuple(little.items())
    return Reading(finding, signature, ("", "max|a − b| / max|b|, b of the right network"), tuple(rows))


def _difference(ours: np.ndarray | None, theirs: np.ndarray) -> tuple[str, float | None]:
    if ours is None:
        return NEVER, None
    if ours.shape != theirs.shape:
        return SHAPE, None
    share = float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-12))
    return (EQUAL, None) if share < _SAME else (LITTLE, share) if share < _TINY else (DIFFERS, share)


def _running(right: Net, net: Net) -> Reading:
    theirs, ours = (each.look(training=True).moves for each in (right, net))
    found = {str(place): _move(ours.get(place), expected) for place, expected in theirs.items()}
    found |= {str(place): "✗ is not in the right network" for place in ours if place not in theirs}
    first = next((place for place, said in found.items() if said != _AS_FAR), None)
    finding = "All running statistics moved as in the right network."
    if first:
        finding = f"Running statistics: {first} {found[first].removeprefix('✗ ')}."
    return Reading(finding, tuple(found.items()), ("", "mean and variance, after one batch"), tuple(found.items()))


_AS_FAR = "✓ moved as in the right network"


def _move(ours: np.ndarray | None, theirs: np.ndarray) -> str:
    if ours is None:
        return "✗ did not move"  # or the layer never ran: from outside that is the same
    if ours.shape != theirs.shape:
        return "✗ are those of another number of channels"
    if np.allclose(ours, theirs, rtol=1e-7, atol=1e-10):
        return _AS_FAR
    factor = float((ours * theirs).sum() / (theirs * theirs).sum())
    if np.allclose(ours, factor * theirs, rtol=1e-7, atol=1e-10):
        return f"✗ moved the same way, {factor:.2g} times as far"
    return "✗ moved elsewhere"


def _gradient(right: Net, net: Net) -> Reading:
    if net.look().outputs[-1].shape != right.look().outputs[-1].shape:
        said = "The output has another shape, so the two gradients are not those of the same loss."
        return Reading(said, (SHAPE,))
    theirs, ours = right.slopes, net.slopes
    size = max(map(abs, theirs.values()))
    # Five digits: a ReLU's input may change its sign within the step of a difference.
    same = {place: abs(ours[place] - theirs[place]) < 1e-5 * size for place in theirs}
    rows = [(place, f"{theirs[place]:.4f}", f"{'✓' if same[place] else '✗'} {ours[place]:.4f}") for place in theirs]
    other = [place for place in same if not same[place]]
    finding = (
        f"The gradient differs at {' and at '.join(other)}." if other else "Both gradients are the right network's."
    )
    return Reading(finding, tuple(same.items()), ("slope of the loss at", *_BOTH), tuple(rows))


def _silence(right: Net, net: Net) -> Reading:
    tensors, expected = net.silenced(), right.run(right.images(), tensors=right.silenced())
    if tensors is None:
        said = "The branches cannot be silenced: their last BN has no γ and β to set to 0, or they have no BN."
        return Reading(said, (said,))
    seen = net.run(net.images(), tensors=tensors)
    rows, found = [], []
    for block, (x, out) in enumerate(zip(seen.inputs, seen.outputs, strict=True)):
        said = _passes(x, out)
        same = said == _passes(expected.inputs[block], expected.outputs[block])
        if same and block == 0 and said == _OTHER:  # a projection: compare with the right one's
            same = _difference(out, expected.outputs[0])[0] == EQUAL
            said = (
                "what the right network's block puts out" if same else "something else than the right network's block"
            )
        rows.append((f"block {block + 1}", f"{np.abs(out).max():.2f}", f"{'✓' if same else '✗'} {said}"))
        found.append((said, same))
    wrong = [(row[0], said) for row, (said, same) in zip(rows, found, strict=True) if not same]
    finding = f"With silent branches {wrong[0][0]} puts out {wrong[0][1]}." if wrong else (
        "With silent branches each block puts out what it should."
    )  # fmt: skip
    return Reading(finding, tuple(found), ("", "largest output", "puts out"), tuple(rows))


_OTHER = "something else than its input"


def _passes(x: np.ndarray, out: np.ndarray) -> str:
    if not np.abs(out).max() > 0:
        return "nothing but zeros"
    if x.shape != out.shape:
        return _OTHER
    for factor, said in ((1.0, "its input"), (0.5, "half of its input"), (2.0, "twice its input")):
        if np.allclose(out, factor * x, rtol=1e-9, atol=1e-12):
            return said
    return _OTHER


def _signs(right: Net, net: Net) -> Reading:
    theirs, ours = right.look(signed=True), net.look(signed=True)
    rows, found = [], []
    for block, (a, b) in enumerate(zip(theirs.outputs, ours.outputs, strict=True)):
        said, _ = _difference(b, a)
        below = [_below(seen.inputs[block], seen.outputs[block]) for seen in (theirs, ours)]
        rows.append((str(Layer(block, "smallest output")), *_pair(_lowest(a), _lowest(b))))
        if None not in below:
            rows.append((str(Layer(block, "outputs below its input")), *_pair(*map(_percent, below))))
        rows.append((str(Layer(block, "the output")), "", said))
        found.append((bool(b.min() < -_SAME), None if below[1] is None else below[1] > 0, said))
    finding = "Negative outputs" if any(below_zero for below_zero, _, _ in found) else "No output is negative"
    finding += "; no output below its input" if any(falls is False for _, falls, _ in found) else ""
    equal = found[-1][2] == EQUAL
    finding += f". The outputs are {'the' if equal else 'not the'} right network's."
    return Reading(finding, tuple(found), ("", *_BOTH), tuple(rows))


def _below(x: np.ndarray, out: np.ndarray) -> float | None:
    """The share of outputs below the block's input; None where they have no places in common."""
    return float((out < x - _SAME).mean()) if x.shape == out.shape else None


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _lowest(out: np.ndarray) -> str:
    return "0.00" if abs(out.min()) < 5e-3 else f"{out.min():.2f}".replace("-", "−")


PROBES: Mapping[str, Probe] = {
    probe.key: probe
    for probe in (
        Probe(
            "count", "Count the parameters",
            "Counts the trainable numbers of all three blocks, and what the formula gives for the right network.", _count,
        ),
        Probe(
            "shapes", "Shapes, layer by layer",
            "Sends a batch of 3 through and notes what shape each convolution and each block puts out: (B, C, H, W).", _shapes,
        ),
        Probe(
            "wiring", "Which layer feeds which",
            "Follows the values from layer to layer. Only layers with weights have names here: ReLUs and the addition are "
            "passed over, and a value that no gradient flows through is followed all the same.", _wiring,
        ),
        Probe(
            "evaluation", "Outputs in evaluation mode",
            "Both networks have equal weights and get the same input, without negative values: where do they first differ?",
            _evaluation,
        ),
        Probe(
            "training", "Outputs in training mode",
            "The same, with BN in training mode.", _training,
        ),
        Probe(
            "running", "Running statistics after a batch",
            "Sends one batch through in training mode and notes how far each BN's running mean and variance moved.", _running,
        ),
        Probe(
            "gradient", "Gradients",
            "Takes a loss, a random weighted sum of the outputs, in training mode: its slope when the input, and when the "
            "first convolution's weights, move along a random direction.", _gradient,
        ),
        Probe(
            "silence", "Silence the branches",
            "Sets γ and β of the last BN of each branch to 0, and sends an input without negative values through in "
            "evaluation mode.", _silence,
        ),
        Probe(
            "signs", "An input with negative values",
            "Sends an input with negative values through, in evaluation mode.", _signs,
        ),
    )
}  # fmt: skip


# What is shown -----------------------------------------------------------------------------------------------------------


def _pair(right: str, this: str) -> tuple[str, str]:
    """Two cells, of which the second says whether it is like the first."""
    return right, f"{'✓' if right == this else '✗'} {this}"


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _folded(rows: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """The rows, with one in place of a block that is in all as the block before it."""
    blocks: dict[str, list[tuple[str, ...]]] = {}
    for place, *cells in rows:
        block, name = place.split(", ", 1)
        blocks.setdefault(block, []).append((name, *cells))
    found: list[tuple[str, ...]] = []
    before: list[tuple[str, ...]] = []
    for block, inside in blocks.items():
        if inside == before:
            found.append((block, *["as the block before"] * (len(inside[0]) - 1)))
        else:
            found += [(f"{block}, {name}", *cells) for name, *cells in inside]
        before = inside
    return tuple(found)


def _together(theirs: list[Layer], ours: list[Layer]) -> list[Layer]:
    """The places of both networks, block by block: the right one's order, with what only the other has before the output."""
    found: list[Layer] = []
    for block in sorted({place.block for place in theirs}):
        mine = [place for place in theirs if place.block == block]
        more = [place for place in ours if place.block == block and place not in mine]
        found += [*mine[:-1], *more, mine[-1]]
    return found


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows under their blocks; it scrolls by itself where the window is narrow."""
    titles = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in head)
    body, above = "", ""
    for place, *cells in rows:
        block, _, name = place.partition(", ")
        if name and block != above:
            body += f'<tr><th scope="rowgroup" colspan="{len(head)}"><i>{html.escape(block)}</i></th></tr>'
        above = block
        body += f'<tr><th scope="row">{html.escape(name or place)}</th>'
        body += "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
    table = f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div style="overflow-x: auto">{table}</div>'
