"""Small maps of pixels side by side: how often each pixel is read. A pixel that nothing reads is an empty, crossed cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .picture import Figure
from .svg import INK, QUIET, RIM, STYLES, WARM, Drawing, number, text_width, wrap

MARGIN, GAP, AXIS, WIDTH = 22.0, 30.0, 20.0, 760.0
CELL, LARGEST = 24.0, 216.0  # side of a cell; of a whole map, from where on its cells shrink
NUMBERED = 13.0  # cells smaller than this carry no number

Map = Sequence[Sequence[float]]


def pixel_maps(
    maps: Sequence[Any],
    titles: Sequence[str],
    *,
    marked: Sequence[Any] | None = None,
    title: str = "",
    numbers: bool = True,
    alt: str | None = None,
) -> Figure:
    """Draw maps of pixels: a number in each pixel that counts, a cross in each that does not.

    Parameters
    ----------
    maps
        One map each as (rows, columns): nested lists or arrays of numbers from 0 on, or of truth values. 0 is a pixel
        that nothing reads.
    titles
        What stands above each map; its share of pixels above 0 is added.
    marked
        For each map None, or a map of truth values: pixels to be outlined thickly, such as those of a wrong guess.
    title
        Heading of the figure.
    numbers
        Whether the value stands in each cell; otherwise a dot.
    alt
        Text alternative. Default: for each map its share, the rows and columns that count, and where numbers other than 1
        show, those of row 0.

    Raises
    ------
    ValueError
        If there is no map, titles are missing, or a map is no rectangle.

    Examples
    --------
    >>> pixel_maps([[[1, 0], [0, 0]]], ["1×1, stride 2"])
    <Figure: 1×1, stride 2: 1 of 4 pixels>
    """
    grids = [[[float(value) for value in row] for row in grid] for grid in maps]
    if not grids or any(not grid or not grid[0] or len({len(row) for row in grid}) > 1 for grid in grids):
        raise ValueError("pixel_maps needs at least one map, each a rectangle of rows × columns with a pixel or more.")
    if len(titles) != len(grids):
        raise ValueError(f"There are {len(grids)} maps and {len(titles)} titles; give one title a map.")
    outlines = list(marked) if marked is not None else [None] * len(grids)
    drawing = Drawing()
    left, top, right, bottom = MARGIN, MARGIN, 0.0, 0.0
    if title:
        drawing.text(MARGIN, top + 8, title, 15, bold=True)
        top += 32
    for grid, name, outline in zip(grids, titles, outlines, strict=True):
        side = min(CELL, LARGEST / max(len(grid), len(grid[0])))
        wide = max(AXIS + side * len(grid[0]), 130.0)
        if left > MARGIN and left + wide + MARGIN > WIDTH:
            left, top = MARGIN, bottom + 22
        end = _draw_map(drawing, grid, outline, name, left, top, side, wide, numbers)
        left, right, bottom = left + wide + GAP, max(right, left + wide), max(bottom, end)
    width = max(right + MARGIN, 2 * MARGIN + text_width(title, 15, True), 2 * MARGIN + text_width(_LEGEND, 12) * 0.6)
    y = bottom + 20
    for line in wrap(_legend(numbers, marked is not None), 12, width - 2 * MARGIN):
        drawing.text(MARGIN, y, line, 12, colour=QUIET)
        y += 16
    said = [_share(name, grid) for grid, name in zip(grids, titles, strict=True)]
    alt = alt or " ".join(
        filter(
            None,
            [
                f"{title}." if title else "",
                *(_alt(name, grid, numbers) for grid, name in zip(grids, titles, strict=True)),
            ],
        )
    )
    svg = drawing.render(round(width), round(y + 4), title or said[0], alt)
    return Figure("; ".join(said), alt, svg=svg, width=round(width), height=round(y + 4))


_LEGEND = "Filled: reaches the output. Crossed: nothing reads it."


def _legend(numbers: bool, marked: bool) -> str:
    ways = " The number says in how many ways it does." if numbers else ""
    return _LEGEND + ways + (" Thick outline: wrong." if marked else "")


def _draw_map(
    drawing: Drawing,
    grid: Map,
    outline: Any,
    name: str,
    left: float,
    top: float,
    side: float,
    wide: float,
    numbers: bool,
) -> float:
    """Draw one map with its heading; return where it ends."""
    y = top
    for number_of_line, line in enumerate(wrap(name, 13, wide)):
        drawing.text(left, y + 8, line, 13, bold=True, heading=name if number_of_line == 0 else "")
        y += 17
    drawing.text(left, y + 7, _count(grid), 12, colour=QUIET)
    y += 22
    small = side < NUMBERED
    for index in range(len(grid[0])):
        if not small or index % 5 == 0:
            drawing.text(left + AXIS + (index + 0.5) * side, y + 5, str(index), 10, colour=QUIET, anchor="middle")
    y += 14
    for r in range(len(grid)):
        if not small or r % 5 == 0:
            drawing.text(left + AXIS - 5, y + (r + 0.5) * side, str(r), 10, colour=QUIET, anchor="end")
    cells = [(r, c, value) for r, row in enumerate(grid) for c, value in enumerate(row)]
    for r, c, value in sorted(cells, key=lambda cell: cell[2] > 0):  # those that count last, with their rims on top
        _draw_cell(drawing, left + AXIS + c * side, y + r * side, side, value, numbers and not small, f"{r},{c}")
    for r, row in enumerate(grid):
        for c, _ in enumerate(row):
            if outline is not None and outline[r][c]:
                x = left + AXIS + c * side
                drawing.box(
                    x + 1,
                    y + r * side + 1,
                    side - 2,
                    side - 2,
                    fill="none",
                    rim=WARM,
                    radius=2,
                    stroke=3,
                    mark=f"{r},{c}",
                )
    return y + side * len(grid)


def _draw_cell(drawing: Drawing, x: float, y: float, side: float, value: float, numbers: bool, place: str) -> None:
    fill, rim, _ = STYLES["conv"]
    read = value > 0
    drawing.box(
        x,
        y,
        side,
        side,
        fill=fill if read else "#ffffff",
        rim=rim if read else RIM,
        radius=0,
        stroke=1,
        pixel=place,
        value=number(value),
    )
    middle, centre = x + side / 2, y + side / 2
    if not read:
        arm = side * 0.17
        drawing.path(
            f"M{number(middle - arm)},{number(centre - arm)}l{number(2 * arm)},{number(2 * arm)}"
            f"m0,{number(-2 * arm)}l{number(-2 * arm)},{number(2 * arm)}",
            colour="#9a9a94",
            width=1.2,
        )
    elif numbers:
        drawing.text(middle, centre, number(value), 12, colour=INK, anchor="middle")
    else:
        drawing.circle(middle, centre, side * 0.2, fill=rim, rim=rim, stroke=0)


def _count(grid: Map) -> str:
    read, every = sum(value > 0 for row in grid for value in row), len(grid) * len(grid[0])
    return f"{read} of {every} pixels"


def _share(name: str, grid: Map) -> str:
    return f"{name}: {_count(grid)}"


def _alt(name: str, grid: Map, numbers: bool) -> str:
    rows = [r for r, row in enumerate(grid) if any(row)]
    columns = [c for c in range(len(grid[0])) if any(row[c] for row in grid)]
    if not rows:
        return f"{name}: none of the {len(grid)} × {len(grid[0])} pixels reaches the output."
    product = all(
        (grid[r][c] > 0) == (r in rows and c in columns) for r in range(len(grid)) for c in range(len(grid[0]))
    )
    where = "every pixel" if len(rows) * len(columns) == len(grid) * len(grid[0]) else (
        f"rows {_listed(rows)} in columns {_listed(columns)}"
    )  # fmt: skip
    said = f"{name}, {len(grid)} × {len(grid[0])}: {_count(grid)} reach the output" + (f", {where}" if product else "")
    if numbers and any(value not in (0, 1) for row in grid for value in row):
        said += f"; ways in row 0: {' '.join(map(number, grid[0]))}"
    return f"{said}."


def _listed(indices: list[int]) -> str:
    if len(indices) > 2 and indices == list(range(indices[0], indices[-1] + 1)):
        return f"{indices[0]} to {indices[-1]}"
    return ", ".join(map(str, indices))
