"""Bars that add up: what each part of a network costs, against a limit."""

from __future__ import annotations

from collections.abc import Mapping

from .picture import Figure
from .svg import INK, STYLES, WARM, Drawing, number, text_width

MARGIN, ROW, BAR, PANEL, AFTER = 18.0, 30.0, 18.0, 214.0, 48.0  # AFTER: for a number behind the longest bar
LABELS = 84.0  # so that the picture keeps its width while its labels change
OVER_FILL = "#fbe0d0"


def budget_bars(
    name: str, quantity: str, values: Mapping[str, float], limit: float, labels: Mapping[str, str] | None = None
) -> Figure:  # fmt: skip
    """Draw what each part of a network costs, as bars that begin where the one above ends.

    Below them stands the total, and across all rows the limit as a dashed line; what lies beyond is hatched and named.

    Parameters
    ----------
    name
        What the bars are of, such as "50 layers: 3-4-6-3 bottlenecks".
    quantity
        What is drawn, with its unit, such as "parameters (M)".
    values
        The quantity of each part, from the input to the output, in that unit.
    limit
        The largest total allowed, in the same unit.
    labels
        What stands beside a part in place of its name.

    Raises
    ------
    ValueError
        If there is no part, or if the limit is not positive.
    """
    if not values or not limit > 0:
        raise ValueError(f"budget_bars needs one part or more, and a positive limit; limit is {limit!r}.")
    shown = {row: (labels or {}).get(row, row) for row in [*values, "total"]}
    drawing = Drawing()
    x = MARGIN + max(LABELS, *(text_width(text, 13) for text in shown.values())) + 10
    top = MARGIN + 56
    drawing.text(MARGIN, MARGIN + 4, quantity[0].upper() + quantity[1:], 14, bold=True)
    for row, text in enumerate(shown.values()):
        drawing.text(x - 10, top + ROW * row, text, 13, anchor="end", bold=text == "total")
    _draw_values(drawing, values, limit, x, top)
    width, height = round(x + PANEL + AFTER + MARGIN), round(top + ROW * len(shown) + 2)
    alt = _alt(name, quantity, values, limit)
    description = f"{quantity} of {name}"
    return Figure(description, alt, svg=drawing.render(width, height, description, alt), width=width, height=height)


def _draw_values(drawing: Drawing, values: Mapping[str, float], limit: float, x: float, top: float) -> None:
    total = sum(values.values())
    scale = PANEL / max(total, limit)
    start = 0.0
    fill, rim, _ = STYLES["conv"]
    for row, (part, value) in enumerate(values.items()):
        _draw_bar(drawing, x, top + ROW * row, start, value, limit, scale, (fill, rim), part)
        start += value
    line = top + ROW * len(values)
    drawing.path(f"M{number(x)},{number(line - ROW / 2)}H{number(x + PANEL + AFTER)}", width=1)
    fill, rim, _ = STYLES["bn"]
    _draw_bar(drawing, x, line, 0.0, total, limit, scale, (fill, rim), "total")
    at = x + limit * scale
    drawing.path(
        f"M{number(at)},{number(top - ROW / 2 - 3)}V{number(line + BAR / 2 + 4)}", colour=INK, width=2, dash="5 3"
    )
    drawing.text(at, top - ROW / 2 - 12, f"limit {limit:g}", 12, anchor="middle", bold=True)


def _draw_bar(
    drawing: Drawing, x: float, y: float, start: float, value: float, limit: float, scale: float,
    colours: tuple[str, str], part: str,
) -> None:  # fmt: skip
    left, end = x + start * scale, x + (start + value) * scale
    fill, rim = colours
    bold = part == "total"
    drawing.box(left, y - BAR / 2, max(end - left, 1), BAR, fill=fill, rim=rim, radius=2, part=part)
    excess = start + value - limit
    if excess > 0:
        over = max(left, x + limit * scale)
        drawing.box(over, y - BAR / 2, max(end - over, 1), BAR, fill=OVER_FILL, rim=WARM, radius=2, over=part)
        hatch = "".join(
            f"M{number(at)},{number(y + BAR / 2)}L{number(min(at + BAR / 2, end))},{number(y - BAR / 2)}"
            for at in _steps(over, end, 6)
        )
        drawing.path(hatch, colour=WARM, width=1)
    text = f"{value:.2f}"
    wide = text_width(text, 12, bold) + 8
    if end - left > wide and not (excess > 0):
        drawing.text((left + end) / 2, y, text, 12, anchor="middle", bold=bold)
    elif left - x > wide and not bold and not left - wide < x + limit * scale <= left:  # not on the limit's line
        drawing.text(left - 5, y, text, 12, anchor="end", colour=WARM if excess > 0 else INK)
    else:
        drawing.text(end + 5, y, text, 12, bold=bold, colour=WARM if excess > 0 else INK)


def _steps(start: float, end: float, step: float) -> list[float]:
    return [start + step * index for index in range(int(max(end - start, 0) / step))]


def _alt(name: str, quantity: str, values: Mapping[str, float], limit: float) -> str:
    parts = ", ".join(f"{part} {value:.2f}" for part, value in values.items())
    total = sum(values.values())
    verdict = "over" if total > limit else "within"
    return (
        f"{name}. {quantity[0].upper()}{quantity[1:]}: {parts}; in all {total:.2f}, {verdict} the limit of {limit:g}."
    )
