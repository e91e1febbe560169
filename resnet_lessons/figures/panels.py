"""Plots one above the other along one axis, as SVG: quick to draw, so that they can follow a training while it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .picture import Figure
from .plots import COLOURS
from .svg import CARD, INK, QUIET, Drawing

WIDTH, LEFT, RIGHT = 470, 52, 18  # pixels: so narrow that a live picture need not be scrolled sideways
HEAD, GAP, FOOT = 30, 16, 42


@dataclass(frozen=True)
class Line:
    """Points from left to right; a faded line is grey and dashed, and `dots` marks every point."""

    xs: Sequence[float]
    ys: Sequence[float]
    faded: bool = False
    dots: bool = False


@dataclass(frozen=True)
class Panel:
    """One plot: what it shows, the range of its axis with the values to be named, its lines, and levels drawn across.

    Values outside the range are drawn on its edge.
    """

    title: str
    low: float
    high: float
    ticks: Mapping[str, float]
    lines: Sequence[Line] = ()
    levels: Mapping[str, float] = field(default_factory=dict)
    log: bool = False
    height: int = 110

    def place(self, value: float) -> float:
        """Where a value lies between the bottom, 0, and the top, 1; what is outside lies on the edge."""
        if not math.isfinite(value):
            return 1.0
        low, high, value = (math.log10(max(one, 1e-12)) if self.log else one for one in (self.low, self.high, value))
        return min(1.0, max(0.0, (value - low) / (high - low)))


def panels(
    parts: Sequence[Panel], end: float, marks: Mapping[str, float], xlabel: str, description: str, alt: str
) -> Figure:
    """Draw plots one above the other.

    Parameters
    ----------
    parts
        From top to bottom.
    end
        The common axis goes from 0 to here.
    marks
        Names along the common axis, and where they stand.
    xlabel
        Name of the common axis.
    description, alt
        As in `Figure`.
    """
    drawing, top = Drawing(), 6.0
    width = WIDTH - LEFT - RIGHT

    def across(x: float) -> float:
        return LEFT + width * min(1.0, x / end)

    for part in parts:
        dotted = f" (dotted: {', '.join(part.levels)})" if part.levels else ""
        drawing.text(12, top + 14, part.title + dotted, 12, bold=True)
        top += HEAD
        bottom = top + part.height
        for x in marks.values():
            drawing.path(f"M{across(x):.1f},{top:.1f}V{bottom:.1f}", colour="#e4e6e1", width=1)
        for name, value in part.ticks.items():
            y = bottom - part.height * part.place(value)
            drawing.path(f"M{LEFT},{y:.1f}H{LEFT + width}", colour="#e4e6e1", width=1)
            drawing.text(LEFT - 8, y, name, 11, colour=QUIET, anchor="end")
        for value in part.levels.values():
            y = bottom - part.height * part.place(value)
            drawing.path(f"M{LEFT},{y:.1f}H{LEFT + width}", colour=INK, width=1.2, dash="2 3")
        drawing.path(f"M{LEFT},{top:.1f}V{bottom:.1f}H{LEFT + width}", colour="#8a9097", width=1.2)
        for line in sorted(part.lines, key=lambda line: not line.faded):
            points = [(across(x), bottom - part.height * part.place(y)) for x, y in zip(line.xs, line.ys, strict=True)]
            _draw(drawing, line, points)
        top = bottom + GAP
    for name, x in marks.items():
        drawing.text(across(x), top + 2, name, 11, colour=QUIET, anchor="middle")
    drawing.text(LEFT + width / 2, top + 20, xlabel, 12, anchor="middle")
    height = top + FOOT - 8
    svg = drawing.render(WIDTH, height, description, alt)
    return Figure(description, alt, svg=svg, width=WIDTH, height=round(height))


def _draw(drawing: Drawing, line: Line, points: list[tuple[float, float]]) -> None:
    colour = QUIET if line.faded else COLOURS[0]
    if len(points) > 1:
        path = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
        drawing.path(path, colour=colour, width=1.3 if line.faded else 1.9, dash="5 3" if line.faded else "")
    if line.dots or len(points) == 1:
        for x, y in points:
            fill = CARD if line.faded else colour
            drawing.box(x - 3, y - 3, 6, 6, fill=fill, rim=colour, radius=0 if line.faded else 3)
