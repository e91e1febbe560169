"""The signal along a chain of blocks: its strength, and the share of it that is negative, for several seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .picture import Figure
from .svg import CARD, INK, QUIET, RIM, Drawing

WIDTH, HEIGHT = 690.0, 300.0
PANEL, TOP, BOTTOM = (262.0, 62.0, 216.0)  # a panel's width; where its upper and lower edges are
LEFTS = (58.0, 404.0)
# After Okabe and Ito; the dashes tell the seeds apart without colour.
STROKES = (("#0072b2", ""), ("#bf5200", "7 3"), ("#007a5a", "2 2.5"))


def signal_along_depth(
    strength: Sequence[Sequence[float]], negative: Sequence[Sequence[float]], title: str = ""
) -> Figure:
    """Draw two panels: the root mean square of the signal after each block, and the share of it that is below zero.

    Parameters
    ----------
    strength, negative
        For each seed (three at most) one number a block, that of the chain's input first. Shares are fractions of 1.
    title
        Heading.

    Raises
    ------
    ValueError
        If there is no seed or more than three, or the lists differ in length.
    """
    lengths = {len(row) for row in (*strength, *negative)}
    if not 1 <= len(strength) == len(negative) <= len(STROKES) or len(lengths) != 1 or min(lengths) < 2:
        raise ValueError("signal_along_depth needs one to three seeds, and lists of equal length, two numbers or more.")
    drawing = Drawing()
    if title:
        drawing.text(20, 22, title, 14, bold=True)
    largest = max(map(max, strength))
    log = largest > 60
    marks = _decades(largest) if log else _steps(largest)
    scale = "root mean square, logarithmic" if log else "root mean square"
    _panel(drawing, LEFTS[0], f"strength ({scale})", marks, strength, log)
    _panel(drawing, LEFTS[1], "negative values (%)", [0, 25, 50, 75, 100], [[100 * v for v in row] for row in negative])
    x = LEFTS[0]
    for number in range(len(strength)):
        colour, dash = STROKES[number]
        drawing.path(f"M{x},{HEIGHT - 18}h26", colour=colour, width=2, dash=dash)
        drawing.text(x + 31, HEIGHT - 18, f"seed {number}", 12, colour=QUIET)
        x += 92
    alt = _alt(strength, negative, title)
    svg = drawing.render(WIDTH, HEIGHT, title or "Signal along the depth", alt)
    return Figure(
        f"signal along the depth{f', {title}' if title else ''}", alt, svg=svg, width=int(WIDTH), height=int(HEIGHT)
    )


def _panel(
    drawing: Drawing,
    left: float,
    label: str,
    marks: Sequence[float],
    rows: Sequence[Sequence[float]],
    log: bool = False,
) -> None:
    drawing.text(left, TOP - 15, label, 12)
    low, high = marks[0], marks[-1]

    def height(value: float) -> float:
        span = (math.log(max(value, low) / low) / math.log(high / low)) if log else (value - low) / (high - low)
        return BOTTOM - (BOTTOM - TOP) * min(max(span, 0.0), 1.0)

    for mark in marks:
        drawing.path(f"M{left},{height(mark):.1f}h{PANEL}", colour=RIM, width=1)
        drawing.text(left - 7, height(mark), _short(mark), 11, colour=QUIET, anchor="end")
    last = len(rows[0]) - 1
    for block in range(0, last + 1, 9 if last >= 18 else max(1, last // 3)):
        drawing.text(left + PANEL * block / last, BOTTOM + 14, str(block), 11, colour=QUIET, anchor="middle")
    drawing.text(left + PANEL, BOTTOM + 30, "after block", 12, colour=INK, anchor="end")
    for row, (colour, dash) in zip(rows, STROKES, strict=False):
        points = "L".join(f"{left + PANEL * block / last:.1f},{height(value):.1f}" for block, value in enumerate(row))
        drawing.path(f"M{points}", colour=CARD, width=4)  # a rim, so that crossing lines stay apart
        drawing.path(f"M{points}", colour=colour, width=2, dash=dash, kind="seed")


def _steps(largest: float) -> list[float]:
    """Round marks from 0 to just above a number, four to six of them."""
    unit = 10 ** math.floor(math.log10(max(largest, 1.0)))
    step = next(unit * part for part in (0.2, 0.5, 1, 2) if largest <= 5 * unit * part)
    return [step * number for number in range(math.ceil(max(largest, 1.0) / step) + 1)]


def _decades(largest: float) -> list[float]:
    top = math.ceil(math.log10(largest))
    return [10.0**power for power in range(-1, top + 1, max(1, (top + 1) // 5))]


def _short(value: float) -> str:
    if value >= 1000:
        power = math.floor(math.log10(value))
        return "10" + "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(power))
    return f"{value:g}"


def _alt(strength: Sequence[Sequence[float]], negative: Sequence[Sequence[float]], title: str) -> str:
    blocks, seeds = len(strength[0]) - 1, len(strength)

    def over(rows: Sequence[Sequence[float]], at: int, percent: bool = False) -> str:
        values = [row[at] for row in rows]
        low, high = (f"{v:.0%}" if percent else f"{v:.3g}" for v in (min(values), max(values)))
        return low if low == high else f"{low} to {high}"

    parts = [f"after block {at} {over(strength, at)}" for at in (0, blocks // 3, blocks)]
    return (
        f"{title + ': ' if title else ''}two line plots by block, 0 to {blocks}, {seeds} seed{'s' if seeds > 1 else ''}. "
        f"Strength (root mean square): {', '.join(parts)}. Share of negative values: after block 1 "
        f"{over(negative, 1, True)}, after block {blocks} {over(negative, blocks, True)}."
    )
