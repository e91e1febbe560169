"""Line plots: training runs by epoch, and a quantity along a network's depth.

Every line has its own colour (after Okabe and Ito, told apart by colour-blind readers), dash pattern and marker, and its
name at its end. Several runs of one network (seeds) become their mean, with a band from the smallest to the largest.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .picture import Figure
from .svg import CARD, INK, QUIET, RIM

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

History = Mapping[str, Sequence[float]]

# Okabe and Ito's hues, darkened where text in them would be too pale on the card
COLOURS = ("#0072b2", "#bf5200", "#007a5a", "#ad4e88", "#996300", "#1f79ad", "#000000")
DASHES = (
    "-",
    (0, (6, 2)),
    (0, (1, 1.2)),
    (0, (6, 2, 1, 2)),
    (0, (10, 2)),
    (0, (3, 1.5)),
    (0, (6, 1.5, 1, 1.5, 1, 1.5)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDTH, HEIGHT, DPI = 720, 400, 96  # CSS pixels; the file holds twice as many
LABELS = {
    "train_loss": "training loss (cross-entropy)",
    "test_loss": "test loss (cross-entropy)",
    "train_accuracy": "training accuracy (%)",
    "test_accuracy": "test accuracy (%)",
    "train_error": "training error (%)",
    "test_error": "test error (%)",
    "learning_rate": "learning rate",
}


def curves(
    runs: Mapping[str, History | Sequence[History]],
    y: str = "train_accuracy",
    *,
    x: str = "epoch",
    ylabel: str | None = None,
    title: str = "",
    log: bool = False,
    alt: str | None = None,
) -> Figure:
    """Plot training runs.

    Parameters
    ----------
    runs
        Histories by label: a history holds lists of equal length, such as `epoch`, `train_loss`, `train_accuracy`,
        `test_accuracy`. Several histories under one label are seeds: their mean is drawn, and their spread shaded.
    y, x
        Which lists to plot. Accuracies and errors are fractions, and are shown in percent.
    ylabel
        Name of the vertical axis, with its unit. Default: from `y`.
    title
        Heading of the plot.
    log
        Whether the vertical axis is logarithmic.
    alt
        Text alternative. Default: where every line starts and ends, which differs where the runs do.

    Raises
    ------
    ValueError
        If a history lacks a list, or lists differ in length; the message says which.
    """
    lines = {}
    percent = y.endswith(("accuracy", "error"))
    for label, histories in _checked_runs(runs, x, y).items():
        values = _stack([history[y] for history in histories])
        if percent and values.size and values[_finite(values)].max(initial=0.0) > 1.0:
            raise ValueError(
                f"{y} of {label!r} goes up to {values.max():g}; it is a fraction from 0 to 1, shown in percent."
            )
        lines[label] = (_stack([histories[0][x]])[0], values * (100 if percent else 1))
    ylabel = ylabel or LABELS.get(y, y.replace("_", " "))

    def value(mean: float) -> str:
        return f"{mean:.1f} %" if percent else f"{mean:.3g}"

    description = f"{y} of {', '.join(runs)}"
    return _plot(lines, description, x.replace("_", " "), ylabel, title, log, alt, value)


def profile(
    values_by_label: Mapping[str, Sequence[float] | Sequence[Sequence[float]]],
    names: Sequence[str],
    ylabel: str,
    *,
    xlabel: str = "layer, from the input to the output",
    title: str = "",
    log: bool = True,
    alt: str | None = None,
) -> Figure:
    """Plot a quantity along the depth of networks, for instance the norm of each layer's gradient.

    Parameters
    ----------
    values_by_label
        One value for each name, by label; or several such lists (seeds): mean and spread.
    names
        Names along the horizontal axis, in order of depth.
    ylabel, xlabel
        Names of the axes, with units.
    title
        Heading of the plot.
    log
        Whether the vertical axis is logarithmic, which needs positive values.
    alt
        Text alternative. Default: where every line starts and ends, which differs where the values do.

    Raises
    ------
    ValueError
        If a list is not as long as `names`, or a value on a logarithmic axis is not positive.
    """
    import numpy as np

    lines = {}
    for label, given in values_by_label.items():
        values = np.atleast_2d(np.asarray(given, dtype=np.float64))
        if values.ndim != 2 or values.shape[1] != len(names):
            raise ValueError(f"{label!r} has {values.shape[-1]} values for {len(names)} names; give one value a name.")
        lines[label] = (np.arange(len(names), dtype=np.float64), values)
    description = f"{ylabel} along {', '.join(values_by_label)}"
    return _plot(lines, description, xlabel, ylabel, title, log, alt, None, names)


def _checked_runs(runs: Mapping[str, Any], x: str, y: str) -> dict[str, list[History]]:
    """Every label with its list of histories, or an error that says what is missing."""
    checked: dict[str, list[History]] = {}
    for label, given in runs.items():
        histories = [given] if isinstance(given, Mapping) else list(given)
        for history in histories:
            if missing := [key for key in (x, y) if key not in history]:
                raise ValueError(f"The history of {label!r} has no {', '.join(missing)}; it has {', '.join(history)}.")
            if len(history[x]) != len(history[y]):
                raise ValueError(
                    f"The history of {label!r} has {len(history[x])} values of {x} and {len(history[y])} of {y}; "
                    "the lists of a history are equally long."
                )
        if len(lengths := sorted({len(history[x]) for history in histories})) > 1:
            raise ValueError(
                f"The runs of {label!r} have different lengths: {', '.join(map(str, lengths))} values of {x}. A mean over "
                "seeds needs the same epochs of every run; give unequal runs labels of their own."
            )
        if not histories or not len(histories[0][x]):
            raise ValueError(f"{label!r} holds no values: nothing to plot.")
        checked[label] = histories
    return checked


def _stack(rows: Sequence[Sequence[float]]) -> np.ndarray:
    import numpy as np

    return np.asarray([list(row) for row in rows], dtype=np.float64)


def _finite(values: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.isfinite(values)


# Drawing --------------------------------------------------------------------------------------------------------------


def _plot(
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]],
    description: str,
    xlabel: str,
    ylabel: str,
    title: str,
    log: bool,
    alt: str | None,
    value: Callable[[float], str] | None,
    names: Sequence[str] | None = None,
) -> Figure:
    import matplotlib
    from matplotlib.figure import Figure as Canvas
    from matplotlib.patches import FancyBboxPatch

    if not 1 <= len(lines) <= len(COLOURS):
        raise ValueError(f"One plot shows 1 to {len(COLOURS)} lines; there are {len(lines)}. Draw several plots.")
    for label, (_, values) in lines.items():
        if log and (values[_finite(values)] <= 0).any():
            raise ValueError(f"{label!r} holds values that are not positive; a logarithmic axis needs log=False there.")

    height = HEIGHT + (30 if names else 0)
    with matplotlib.rc_context({"font.family": "DejaVu Sans", "font.size": 10, "axes.unicode_minus": True}):
        canvas = Canvas(figsize=(WIDTH / DPI, height / DPI), dpi=DPI)
        canvas.patch.set_alpha(0)
        inset = 1.5 / WIDTH
        card = FancyBboxPatch(
            (inset, inset), 1 - 2 * inset, 1 - 2 * inset, boxstyle="round,pad=0,rounding_size=0.014",
            mutation_aspect=WIDTH / height, transform=canvas.transFigure, facecolor=CARD, edgecolor=RIM, linewidth=1, zorder=-1,
        )  # fmt: skip
        canvas.patches.append(card)
        ends = {label: _end_label(label, values, value) for label, (_, values) in lines.items()}
        widest = max(len(line) for text in ends.values() for line in text.split("\n"))
        right = 1 - min(0.42, (widest * 7.0 + 44) / WIDTH)
        bottom = 0.15
        axes = canvas.add_axes((0.105, bottom, right - 0.105, (0.87 if title else 0.93) - bottom))
        _draw_lines(axes, lines, log)
        _dress(axes, xlabel, ylabel, names)
        if names:
            _fit_bottom(axes)
        if title:
            canvas.text(0.03, 0.935, title, fontsize=11.5, fontweight="bold", color=INK, va="center")
        _name_lines(axes, lines, ends)
        png = _render(canvas)
    alt = alt or _alt(lines, xlabel, ylabel, title, log, names)
    return Figure(description, alt, png=png, width=WIDTH, height=height)


def _end_label(label: str, values: np.ndarray, value: Callable[[float], str] | None) -> str:
    if value is None:
        return label
    last = values[:, -1]
    if not _finite(last).all():
        return f"{label}\ndiverged"
    spread = f" ({value(last.min()).removesuffix(' %')}–{value(last.max())})" if len(last) > 1 else ""
    return f"{label}\n{value(last.mean())}{spread}"


def _draw_lines(axes: Axes, lines: Mapping[str, tuple[np.ndarray, np.ndarray]], log: bool) -> None:
    if log:
        axes.set_yscale("log")
    for index, (xs, values) in enumerate(lines.values()):
        colour = COLOURS[index]
        step = max(1, math.ceil(len(xs) / 9))
        mean = values.mean(axis=0)
        axes.plot(
            xs, mean, color=colour, linestyle=DASHES[index], linewidth=1.9, marker=MARKERS[index], markersize=5.5,
            markevery=(index * step // max(2, len(lines)) % step, step), markerfacecolor=CARD, markeredgewidth=1.4,
        )  # fmt: skip
        if len(values) > 1:
            axes.fill_between(xs, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, linewidth=0)


def _dress(axes: Axes, xlabel: str, ylabel: str, names: Sequence[str] | None) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_facecolor(CARD)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#8a9097")
    axes.tick_params(colors=QUIET, labelcolor=INK, labelsize=9.5)
    axes.grid(axis="y", color="#e4e6e1", linewidth=0.9)
    axes.set_axisbelow(True)
    axes.set_xlabel(xlabel, color=INK)
    axes.set_ylabel(ylabel, color=INK)
    axes.margins(x=0.02)
    if names:
        step = max(1, math.ceil(len(names) / 14))
        axes.set_xticks(range(0, len(names), step))
        axes.set_xticklabels(
            [names[index] for index in range(0, len(names), step)],
            rotation=45,
            ha="right",
            rotation_mode="anchor",
            fontsize=8.5,
        )
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9))


def _fit_bottom(axes: Axes) -> None:
    """Move the axes' lower edge to where the names below it need it: names slant, so long ones reach far down."""
    written = axes.xaxis.get_tightbbox()
    assert written is not None
    place, height = axes.get_position(), axes.figure.bbox.height
    bottom = min((axes.get_window_extent().y0 - written.y0 + 16) / height, 0.5)
    axes.set_position((place.x0, bottom, place.width, place.y1 - bottom))


def _name_lines(axes: Axes, lines: Mapping[str, tuple[np.ndarray, np.ndarray]], ends: Mapping[str, str]) -> None:
    """Write each line's name at its end, moved up or down as far as the names need."""
    axes.get_xlim(), axes.get_ylim()  # matplotlib fits the axes to the data only when somebody asks for the limits
    low, high = axes.get_window_extent().y0, axes.get_window_extent().y1
    points = {}
    for label, (xs, values) in lines.items():
        mean = values.mean(axis=0)
        finite = [index for index in range(len(mean)) if math.isfinite(mean[index])]
        at = finite[-1] if finite else 0
        height = mean[at] if finite else axes.get_ylim()[0]
        points[label] = axes.transData.transform((xs[at], height))
    needed = 34.0 if any("\n" in text for text in ends.values()) else 19.0
    order = sorted(points, key=lambda label: points[label][1])
    places = spread([float(points[label][1]) for label in order], needed, low + needed / 3, high - needed / 3)
    edge = axes.get_window_extent().x1
    for label, place in zip(order, places, strict=True):
        index = list(lines).index(label)
        start = axes.transData.inverted().transform(points[label])
        elbow, end = axes.transAxes.inverted().transform([(edge + 12, place), (edge + 18, place)])
        axes.annotate(
            "", xy=tuple(start), xycoords="data", xytext=tuple(elbow), textcoords="axes fraction", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": COLOURS[index], "linewidth": 0.9, "alpha": 0.7},
        )  # fmt: skip
        axes.text(
            end[0], end[1], ends[label], transform=axes.transAxes, color=COLOURS[index], fontsize=9.5, va="center",
            fontweight="bold", linespacing=1.25,
        )  # fmt: skip


def spread(places: Sequence[float], needed: float, low: float, high: float) -> list[float]:
    """Move rising places apart until neighbours are `needed` apart, staying between `low` and `high` where that fits.

    >>> spread([10, 12, 50], 8, 0, 60)
    [10, 18, 50]
    >>> spread([55, 58], 8, 0, 60)
    [52, 60]
    """
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + needed if moved else low))
    limit = high
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - needed
    return moved


def _render(canvas: Any) -> bytes:
    """PNG at twice the page's resolution, in a palette: flat colours need no more, and notebooks stay small."""
    from PIL import Image

    raw = io.BytesIO()
    canvas.savefig(raw, format="png", dpi=2 * DPI, transparent=False)
    raw.seek(0)
    small = io.BytesIO()
    Image.open(raw).quantize(160, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        small, "PNG", optimize=True
    )
    return small.getvalue()


def _alt(
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]],
    xlabel: str,
    ylabel: str,
    title: str,
    log: bool,
    names: Sequence[str] | None,
) -> str:
    xs = next(iter(lines.values()))[0]
    ends = (names[0], names[-1]) if names else (f"{xs[0]:g}", f"{max(x[-1] for x, _ in lines.values()):g}")
    what = f"{ylabel}, logarithmic," if log else ylabel
    text = [f"{title + ': ' if title else ''}line plot of {what} by {xlabel}, {ends[0]} to {ends[1]}."]
    for label, (_, values) in lines.items():
        mean = values.mean(axis=0)
        sentence = f"{label}: starts at {mean[0]:.3g}, ends at {mean[-1]:.3g}"
        if _finite(mean).any():
            finite = mean[_finite(mean)]
            sentence += f", lowest {finite.min():.3g}, highest {finite.max():.3g}"
        if len(values) > 1:
            sentence += (
                f"; mean of {len(values)} runs that end between {values[:, -1].min():.3g} and {values[:, -1].max():.3g}"
            )
        text.append(sentence + ".")
    return " ".join(text)
