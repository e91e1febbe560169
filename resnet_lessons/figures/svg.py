"""Drawing diagrams as SVG text: a card, boxes, lines and measured text. The same input gives the same bytes.

Colours are opaque and the card is light, so a diagram reads the same on light and dark pages, and where neither scripts
nor style sheets of the page reach it. Text stays text. Its width is estimated from DejaVu Sans, the widest of the usual
sans-serif fonts, so what fits here fits in every other.
"""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
CARD, RIM = "#fcfcfa", "#d5d5d0"
INK, QUIET, LINE = "#1f2328", "#57606a", "#57606a"
SHORTCUT = "#0a58a5"  # also drawn thicker: nothing depends on colour alone
WARM = "#9a3412"  # strides; also bold
# fill and rim of each kind of layer; their corners differ as well: convolutions are square, ReLUs are round
STYLES = {
    "conv": ("#dceafa", "#2f6aa8", 4.0),
    "bn": ("#e4f3e6", "#3f8650", 8.0),
    "relu": ("#fdecd2", "#b06c12", 13.0),
    "pad": ("#efe6f7", "#7a52a8", 4.0),
    "maxpool": ("#efe6f7", "#7a52a8", 4.0),
    "avgpool": ("#efe6f7", "#7a52a8", 4.0),
    "dense": ("#dceafa", "#2f6aa8", 4.0),
}

_EM = {  # advance widths in em: DejaVu Sans, rounded up
    "'IJijl": 0.3,
    " ,./:;\\|·": 0.35,
    "()-[]ft": 0.4,
    "!r²": 0.45,
    '"*_`–': 0.5,
    "?csz": 0.55,
    "FLkvxyγ": 0.6,
    "$0123456789EPSTYabdeghnopqu{}β": 0.65,
    "ABCKRVXZα": 0.7,
    "NU": 0.75,
    "&DGHOQ": 0.8,
    "#+<=>^w~×→−÷≈≠": 0.85,
    "M": 0.9,
}
_WIDTH = {character: width for characters, width in _EM.items() for character in characters}


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width of a line of text in pixels, estimated high."""
    return sum(_WIDTH.get(character, 1.0) for character in text) * size * (1.15 if bold else 1.0)


def wrap(text: str, size: float, width: float) -> list[str]:
    """Break a text into lines no wider than `width` pixels."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def number(value: float) -> str:
    """A coordinate with one decimal at most.

    >>> number(3.0), number(2.25), number(-0.04)
    ('3', '2.2', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


class Drawing:
    """SVG elements in the order of painting."""

    def __init__(self) -> None:
        self.elements: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 13,
        *,
        bold: bool = False,
        colour: str = INK,
        anchor: str = "start",
        **data: str,
    ) -> None:
        """A line of text; `y` is its vertical middle, so that rows align whatever their size."""
        weight = ' font-weight="bold"' if bold else ""
        baseline = y + 0.36 * size
        self.elements.append(
            f'<text x="{number(x)}" y="{number(baseline)}" font-size="{number(size)}" text-anchor="{anchor}" '
            f'fill="{colour}"{weight}{_data(data)}>{escape(text)}</text>'
        )

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str = CARD,
        rim: str = RIM,
        radius: float = 4,
        stroke: float = 1.2,
        **data: str,
    ) -> None:
        """A rectangle from its upper left corner."""
        self.elements.append(
            f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" '
            f'rx="{number(radius)}" fill="{fill}" stroke="{rim}" stroke-width="{number(stroke)}"{_data(data)}/>'
        )

    def path(
        self, d: str, *, colour: str = LINE, width: float = 1.5, fill: str = "none", dash: str = "", **data: str
    ) -> None:
        """Any line or shape, in SVG's path language."""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.elements.append(
            f'<path d="{d}" fill="{fill}" stroke="{colour}" stroke-width="{number(width)}"{dashes}{_data(data)}/>'
        )

    def route(
        self,
        points: list[tuple[float, float]],
        *,
        colour: str = LINE,
        width: float = 1.5,
        arrow: bool = False,
        **data: str,
    ) -> None:
        """A line of horizontal and vertical pieces with rounded corners, and an arrow head at its end."""
        (x0, y0), (x1, y1) = points[-2:]
        dx, dy = _sign(x1 - x0), _sign(y1 - y0)
        head = 4 + 2 * width if arrow else 0.0
        end = (x1 - dx * head * 0.7, y1 - dy * head * 0.7)  # the line ends inside the head, not beyond its tip
        d = _rounded([*points[:-1], end], 7)
        self.path(d, colour=colour, width=width, **data)
        if arrow:
            half = head * 0.45
            left = (x1 - dx * head - dy * half, y1 - dy * head - dx * half)
            right = (x1 - dx * head + dy * half, y1 - dy * head + dx * half)
            corners = " ".join(f"{number(x)},{number(y)}" for x, y in ((x1, y1), left, right))
            self.elements.append(f'<polygon points="{corners}" fill="{colour}"/>')

    def circle(
        self, x: float, y: float, radius: float, *, fill: str = CARD, rim: str = INK, stroke: float = 1.5, **data: str
    ) -> None:
        """A circle around a point."""
        self.elements.append(
            f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" fill="{fill}" stroke="{rim}" '
            f'stroke-width="{number(stroke)}"{_data(data)}/>'
        )

    def plus(self, x: float, y: float, radius: float, *, rim: str = INK, stroke: float = 1.5, **data: str) -> None:
        """The addition: a circle with a cross in it, drawn rather than written so that it is centred in every font."""
        self.circle(x, y, radius, rim=rim, stroke=stroke, **data)
        arm = radius * 0.55
        self.path(
            f"M{number(x - arm)},{number(y)}H{number(x + arm)}M{number(x)},{number(y - arm)}V{number(y + arm)}",
            colour=INK,
            width=1.8,
        )

    def render(self, width: float, height: float, title: str, description: str) -> str:
        """The finished document: a light card with round corners, and everything on it."""
        card = (
            f'<rect x="0.5" y="0.5" width="{number(width - 1)}" height="{number(height - 1)}" rx="10" '
            f'fill="{CARD}" stroke="{RIM}" data-kind="card"/>'
        )
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{number(width)}" height="{number(height)}" '
            f'viewBox="0 0 {number(width)} {number(height)}" role="img" font-family={quoteattr(FONT)}>'
        )
        labels = [f"<title>{escape(title)}</title>", f"<desc>{escape(description)}</desc>"]
        return "\n".join([head, *labels, card, *self.elements, "</svg>"]) + "\n"


def _rounded(points: list[tuple[float, float]], radius: float) -> str:
    d = f"M{number(points[0][0])},{number(points[0][1])}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        inward = min(radius, _distance(before, corner) / 2)
        outward = min(radius, _distance(corner, after) / 2)
        enter = _towards(corner, before, inward)
        leave = _towards(corner, after, outward)
        d += f"L{number(enter[0])},{number(enter[1])}Q{number(corner[0])},{number(corner[1])} "
        d += f"{number(leave[0])},{number(leave[1])}"
    return d + f"L{number(points[-1][0])},{number(points[-1][1])}"


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(start: tuple[float, float], goal: tuple[float, float], step: float) -> tuple[float, float]:
    return start[0] + _sign(goal[0] - start[0]) * step, start[1] + _sign(goal[1] - start[1]) * step


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _data(data: dict[str, str]) -> str:
    return "".join(f" data-{key}={quoteattr(value)}" for key, value in data.items())
