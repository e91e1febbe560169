"""Single runs as dots, a row for each variant: where the rows overlap, the runs cannot tell the variants apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from .picture import Figure
from .svg import INK, LINE, QUIET, Drawing, text_width

PLOT, ROW, MARGIN = 460.0, 34.0, 26.0


def dots(rows: Mapping[str, Sequence[float]], xlabel: str, *, title: str = "", digits: int = 1) -> Figure:
    """Draw every run as a dot on its variant's row, and the row's mean as a bar.

    Parameters
    ----------
    rows
        Variant → one value a run, in the unit of `xlabel`.
    xlabel
        What is measured, with its unit.
    digits
        Decimals of the numbers at the row's end.

    Raises
    ------
    ValueError
        If there is no row, or a row without values.

    Examples
    --------
    >>> dots({"A": [98.1, 98.6], "B": [97.2, 98.3]}, "test accuracy (%)")
    <Figure: runs of A, B: test accuracy (%)>
    """
    if not rows or not all(len(values) for values in rows.values()):
        raise ValueError("dots needs at least one row, and at least one value in every row.")
    everything = [value for values in rows.values() for value in values]
    step = _step(max(everything) - min(everything))
    low, high = (
        math.floor(min(everything) / step - 0.2) * step,
        math.ceil(max(everything) / step + 0.2) * step,
    )
    drawing = Drawing()
    left = MARGIN + max(text_width(name, 13, True) for name in rows) + 16
    top = MARGIN + (26 if title else 0)

    def across(value: float) -> float:
        return left + (value - low) / (high - low) * PLOT

    if title:
        drawing.text(MARGIN, MARGIN, title, 14, bold=True)
    bottom = top + ROW * len(rows)
    for tick in range(round((high - low) / step) + 1):
        value = low + tick * step
        x = across(value)
        drawing.path(f"M{x:.1f},{top:.0f}V{bottom:.0f}", colour="#e4e4df", width=1)
        drawing.text(x, bottom + 14, f"{value:g}" if step >= 1 else f"{value:.1f}", 12, colour=QUIET, anchor="middle")
    drawing.text(left + PLOT / 2, bottom + 36, xlabel, 12, colour=QUIET, anchor="middle")
    words, ends = [], []
    for row, (name, values) in enumerate(rows.items()):
        y = top + ROW * (row + 0.5)
        mean = fmean(values)
        drawing.text(MARGIN, y, name, 13, bold=True)
        drawing.path(f"M{across(min(values)):.1f},{y:.1f}H{across(max(values)):.1f}", colour=LINE, width=1.4)
        for value in values:
            drawing.circle(across(value), y, 5, fill="#dceafa", rim="#2f6aa8", stroke=1.5)
        drawing.path(f"M{across(mean):.1f},{y - 12:.1f}v24", colour=INK, width=3)
        text = f"mean {mean:.{digits}f}"
        drawing.text(left + PLOT + 14, y, text, 13)
        ends.append(left + PLOT + 14 + text_width(text, 13))
        spread = f"{min(values):.{digits}f} to {max(values):.{digits}f}"
        words.append(f"{name}: {len(values)} runs from {spread}, mean {mean:.{digits}f}.")
    width, height = round(max(ends) + MARGIN), round(bottom + 36 + MARGIN)
    what = f"runs of {', '.join(rows)}: {xlabel}"
    alt = f"{title + '. ' if title else ''}{xlabel}. {' '.join(words)}"
    svg = drawing.render(width, height, what[0].upper() + what[1:], alt)
    return Figure(what, alt, svg=svg, width=width, height=height)


def _step(span: float) -> float:
    """Distance of the ticks: 1, 2 or 5 times a power of ten, so that four to nine of them fit."""
    power = 10 ** math.floor(math.log10(max(span, 1e-9) / 4))
    return next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= 8)
