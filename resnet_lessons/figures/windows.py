"""Where the windows of a strided convolution lie on a row of pixels, with symmetric padding and with padding "same".

PyTorch's ``padding=1`` puts one zero on either side. TensorFlow's ``"same"`` puts only as many zeros as the last window
needs, and an odd one out goes to the right: on an even row the windows of a 3×3 at stride 2 are shifted by one pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .picture import Figure
from .svg import CARD, INK, LINE, QUIET, SHORTCUT, WARM, Drawing, text_width

CELL, MARGIN = 34.0, 26.0


class Windows(NamedTuple):
    """The windows on one row of pixels, counted from 0."""

    left: int  # zeros in front of the row
    right: int  # zeros behind it
    centres: tuple[int, ...]  # the pixel in the middle of each window


def windows(size: int, padding: str, kernel: int = 3, stride: int = 2) -> Windows:
    """Return where the windows of an odd kernel lie on a row of `size` pixels.

    Parameters
    ----------
    size
        Pixels in the row, from 1 on.
    padding
        "symmetric" (kernel // 2 zeros on either side, as in PyTorch) or "same" (TensorFlow's).

    Raises
    ------
    ValueError
        For another padding.

    Examples
    --------
    >>> windows(6, "symmetric").centres, windows(6, "same").centres
    ((0, 2, 4), (1, 3, 5))
    >>> windows(7, "symmetric") == windows(7, "same")
    True
    """
    outputs = -(-size // stride)
    if padding == "symmetric":
        left = right = kernel // 2
    elif padding == "same":
        zeros = max((outputs - 1) * stride + kernel - size, 0)
        left, right = zeros // 2, zeros - zeros // 2
    else:
        raise ValueError(f'padding is {padding!r}; it is "symmetric" or "same".')
    return Windows(left, right, tuple(number * stride - left + kernel // 2 for number in range(outputs)))


def strided_windows(sizes: Sequence[int] = (6, 7), kernel: int = 3, stride: int = 2) -> Figure:
    """Draw the windows of a strided convolution on rows of pixels, and the pixels that a strided shortcut takes.

    Parameters
    ----------
    sizes
        How many pixels the rows have; each is drawn with both paddings.

    Examples
    --------
    >>> strided_windows((6, 7))
    <Figure: windows of a 3×3 convolution at stride 2 on 6 and 7 pixels>
    """
    drawing = Drawing()
    left_edge = MARGIN + text_width("symmetric, PyTorch", 13, True) + 24
    y, alt, rights = MARGIN, [], [0.0]
    for size in sizes:
        for padding, label in (("symmetric", "symmetric, PyTorch"), ("same", "“same”, TensorFlow")):
            found = windows(size, padding, kernel, stride)
            kept = tuple(range(0, size, stride))
            apart = found.centres != kept
            drawing.text(MARGIN, y + CELL / 2 - 8, label, 13, bold=True)
            drawing.text(MARGIN, y + CELL / 2 + 10, f"{size} pixels", 12, colour=QUIET)
            origin = left_edge + kernel // 2 * CELL  # pixel 0 stands at the same place in every row
            for pixel in range(-found.left, size + found.right):
                _draw_pixel(drawing, origin + pixel * CELL, y, pixel, inside=0 <= pixel < size, kept=pixel in kept)
            for number, centre in enumerate(found.centres):
                _draw_window(drawing, origin + centre * CELL, y + CELL, number, kernel)
            right = origin + (size + kernel // 2) * CELL + 14
            words = "one pixel apart" if apart else "they meet"
            drawing.text(right, y + CELL / 2, f"{'✗' if apart else '✓'} {words}", 13, bold=apart, colour=INK)
            rights.append(right + text_width("✗ one pixel apart", 13, True))
            alt.append(
                f"{size} pixels, {label}: {found.left} zeros in front and {found.right} behind; the windows have their "
                f"centres at pixels {_listed(found.centres)}, and the shortcut takes pixels {_listed(kept)}."
            )
            y += CELL + 46
    y = _draw_legend(drawing, y)
    width, height = round(max(rights) + MARGIN), round(y)
    what = f"windows of a {kernel}×{kernel} convolution at stride {stride} on {_listed(sizes)} pixels"
    svg = drawing.render(width, height, what[0].upper() + what[1:], " ".join(alt))
    return Figure(what, " ".join(alt), svg=svg, width=width, height=height)


def _draw_pixel(drawing: Drawing, x: float, y: float, pixel: int, *, inside: bool, kept: bool) -> None:
    if not inside:
        edge = f"M{x + 2:.0f},{y + 2:.0f}h{CELL - 4:.0f}v{CELL - 4:.0f}h-{CELL - 4:.0f}z"
        drawing.path(edge, colour=LINE, width=1.2, dash="3 3")
        drawing.text(x + CELL / 2, y + CELL / 2, "0", 12, colour=QUIET, anchor="middle")
        return
    drawing.box(x + 1, y + 1, CELL - 2, CELL - 2, fill="#ffffff", rim=LINE, radius=2)
    if kept:
        drawing.box(x + 4, y + 4, CELL - 8, CELL - 8, fill="#dceafa", rim=SHORTCUT, radius=2, stroke=2.6)
    drawing.text(x + CELL / 2, y + CELL / 2, str(pixel), 13, bold=kept, anchor="middle")


def _draw_window(drawing: Drawing, x: float, y: float, number: int, kernel: int) -> None:
    """A bracket under a window with a dot under its centre; neighbours overlap, so every other one hangs lower."""
    left, right = x - kernel // 2 * CELL + 3, x + (kernel // 2 + 1) * CELL - 3
    low = y + 10 + 13 * (number % 2)
    drawing.path(f"M{left:.0f},{y + 3:.0f}V{low:.0f}H{right:.0f}V{y + 3:.0f}", colour=WARM, width=1.8)
    drawing.circle(x + CELL / 2, low, 4.5, fill=WARM, rim=CARD, stroke=1)


def _draw_legend(drawing: Drawing, y: float) -> float:
    drawing.box(MARGIN, y - 8, 15, 15, fill="#dceafa", rim=SHORTCUT, radius=2, stroke=2.6)
    drawing.text(MARGIN + 23, y, "pixel that the strided shortcut takes", 12, colour=QUIET)
    x = MARGIN + 23 + text_width("pixel that the strided shortcut takes", 12) + 20
    drawing.path(f"M{x:.0f},{y - 6:.0f}v10h26v-10", colour=WARM, width=1.8)
    drawing.circle(x + 13, y + 4, 4.5, fill=WARM, rim=CARD, stroke=1)
    drawing.text(x + 34, y, "window of the convolution, and its centre", 12, colour=QUIET)
    drawing.text(MARGIN, y + 22, "dashed: a zero of the padding", 12, colour=QUIET)
    return y + 22 + MARGIN - 6


def _listed(numbers: Sequence[int]) -> str:
    """Return "1, 3 and 5"."""
    words = [str(number) for number in numbers]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
