"""Two shapes that are to be added, drawn as boxes: which axes agree, and which do not."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .picture import Figure
from .svg import INK, LINE, QUIET, STYLES, WARM, Drawing, number, text_width

AXES = ("channels", "height", "width")
MARGIN, GAP = 26.0, 118.0
Shape = tuple[int, int, int]


def shape_pair(left: Shape, right: Shape, names: Sequence[str] = ("shortcut(x)", "F(x)")) -> Figure:
    """Draw two maps side by side and mark the axes in which they differ.

    Edges grow with the logarithm of the size, so that 1 and 512 both can be seen. Where an axis differs, its edge is
    drawn thick and dashed and its number bold, and the table below says so in words and with a sign.

    Parameters
    ----------
    left, right
        Channels, height, width of each.
    names
        What the two are called.

    Examples
    --------
    >>> shape_pair((64, 56, 56), (128, 28, 28))
    <Figure: 64 × 56 × 56 and 128 × 28 × 28>
    """
    drawing = Drawing()
    differs = [a != b for a, b in zip(left, right, strict=True)]
    top = MARGIN + 30
    middle = top + max(_extent(left)[1], _extent(right)[1]) / 2 + 6
    x = MARGIN + 44
    for shape, name, first in ((left, names[0], True), (right, names[1], False)):
        width, height = _extent(shape)
        _draw_box(drawing, shape, x, middle + height / 2, differs)
        drawing.text(x, MARGIN, name, 15, bold=True)
        drawing.text(x, MARGIN + 19, " × ".join(map(str, shape)), 13, colour=QUIET)
        x += max(width, text_width(name, 15, True))
        if first:
            drawing.plus(x + GAP / 2 - 14, middle, 13)
            x += GAP
    bottom = middle + max(_extent(left)[1], _extent(right)[1]) / 2 + 44
    words = [_row(axis, a, b) for axis, a, b in zip(AXES, left, right, strict=True)]
    for line, differ in zip(words, differs, strict=True):
        drawing.text(MARGIN, bottom, line, 13, bold=differ, colour=WARM if differ else INK)
        bottom += 20
    total = round(max(x + 30, *(MARGIN + text_width(line, 13, True) for line in words)) + MARGIN)
    what = f"{' × '.join(map(str, left))} and {' × '.join(map(str, right))}"
    alt = f"{names[0]} is {' × '.join(map(str, left))}, {names[1]} is {' × '.join(map(str, right))}. "
    alt += "; ".join(words) + "."
    svg = drawing.render(total, round(bottom + 4), what, alt)
    return Figure(what, alt, svg=svg, width=total, height=round(bottom + 4))


def _row(axis: str, a: int, b: int) -> str:
    return f"✓ {axis}: {a} = {b}" if a == b else f"✗ {axis}: {a} ≠ {b}"


def _edge(size: int) -> float:
    return 12 + 10 * math.log2(size)


def _depth(channels: int) -> tuple[float, float]:
    length = 0.62 * _edge(channels)
    return length, 0.6 * length


def _extent(shape: Shape) -> tuple[float, float]:
    across, up = _depth(shape[0])
    return _edge(shape[2]) + across, _edge(shape[1]) + up


def _draw_box(drawing: Drawing, shape: Shape, x: float, base: float, differs: Sequence[bool]) -> None:
    """A box with its lower left corner at (x, base): width to the right, height up, channels to the back."""
    width, height, (across, up) = _edge(shape[2]), _edge(shape[1]), _depth(shape[0])
    fill, rim, _ = STYLES["conv"]
    ceiling = base - height
    front = f"M{number(x)},{number(base)}h{number(width)}v{number(-height)}h{number(-width)}z"
    lid = (
        f"M{number(x)},{number(ceiling)}l{number(across)},{number(-up)}h{number(width)}l{number(-across)},{number(up)}z"
    )
    side = (
        f"M{number(x + width)},{number(base)}l{number(across)},{number(-up)}v{number(-height)}"
        f"l{number(-across)},{number(up)}z"
    )
    for face, shade in ((front, fill), (lid, "#eef5fc"), (side, "#c6dbf1")):
        drawing.path(face, colour=rim, width=1.2, fill=shade)
    edges = (
        f"M{number(x)},{number(ceiling)}l{number(across)},{number(-up)}",
        f"M{number(x)},{number(base)}v{number(-height)}",
        f"M{number(x)},{number(base)}h{number(width)}",
    )
    places = (
        (x + across / 2 - 7, ceiling - up / 2 - 7, "end"),
        (x - 8, base - height / 2, "end"),
        (x + width / 2, base + 14, "middle"),
    )
    for edge, (left, top, anchor), size, differ in zip(edges, places, shape, differs, strict=True):
        drawing.path(edge, colour=WARM if differ else LINE, width=3.6 if differ else 1.6, dash="7 3" if differ else "")
        drawing.text(left, top, str(size), 13, bold=differ, colour=WARM if differ else INK, anchor=anchor)
