"""Lab "Coverage": which pixels of a downsampling bottleneck's input reach its output, v1 against v1.5.

Two parts. In the first the learner draws maps before they show: one tick a row, since columns behave as rows do. In the
second he or she places the strides: every pixel has to reach the branch and the shortcut, at the fewest multiply-adds.
Wrong maps and wrong designs are answered with what rules them out.
"""

from __future__ import annotations

import html
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import ipywidgets as widgets

from ..figures.picture import Figure
from ..figures.pixel_maps import pixel_maps
from . import coverage
from .coverage import PATHS, SHORTCUTS, VERSIONS, Design, Window
from .lab import Lab, option_button, row
from .questions import _plain

TO_SOLVE = 4  # maps drawn right at the first check
OPENS = 3  # maps checked before the second part opens
LARGEST = 9  # rows of a map to be drawn
SIZES = (2, 15)  # of a map to be looked at in the second part

_TASK = (
    "A bottleneck that halves its map reads its input through strided windows. Which pixels of the input reach its output? "
    "First draw maps: tick the rows that count (columns behave as rows do), then check. After three maps, design such a "
    "block yourself. Four maps right at the first check and the best design solve the lab."
)
_DESIGN = (
    '<p class="rl-step"><b>Design a block.</b> Place the strides of its branch, 1×1 – 3×3 – 1×1, and choose its shortcut, so '
    "that <b>every pixel reaches the branch, and every pixel reaches the shortcut</b>, at the fewest multiply-adds. "
    "(Costs are those of ResNet-50's layer2.0 on images of 224×224; an average multiplies nothing.)</p>"
)


class Case(NamedTuple):
    """A map to be drawn."""

    version: str
    size: int
    path: str


class StrideMove(Lab):
    """The lab; `stride_move` makes one.

    Attributes
    ----------
    round
        Counted from 1.
    case
        The map asked for: version, number of rows, path ("branch", "shortcut" or "sum").
    guess
        The rows of the first map checked in this round, or None.
    score
        How many maps were right at the first check, and how many were checked.
    designed
        Whether the best design was found.
    size
        The number field of the second part: rows and columns of the map on which designs show. Set its value as a hand does.
    """

    title, task, key = "Coverage", _TASK, "stride_move"

    def __init__(self, seed: int = 0, *, chapter: str = "stride_move") -> None:
        super().__init__(chapter)
        self._cases = cases(seed)
        self.round, self._right, self._checked = 0, 0, 0
        self.guess: set[int] | None = None
        self.designed = self._said_solved = False
        self._shown: Design | None = None
        self._question, self._answer, self._result = (widgets.HTML() for _ in range(3))
        self._rows = [
            widgets.Checkbox(description=f"row {number}", indent=False, layout=widgets.Layout(width="68px"))
            for number in range(LARGEST)
        ]
        self._check = option_button("Check this map", self.check)
        self._next = option_button("Next map", self.next)
        wide = {"description_width": "initial"}
        self._from = widgets.Dropdown(options=["v1", "v1.5"], description="Begin with the strides of", style=wide)
        self._strides = [
            widgets.Dropdown(
                options=[1, 2], description=f"{name}, stride", style=wide, layout=widgets.Layout(width="150px")
            )
            for name in ("first 1×1", "3×3", "last 1×1")
        ]
        self._shortcut = widgets.Dropdown(options=list(SHORTCUTS), description="shortcut", style=wide)
        # No slider: those of ipywidgets (8.1) have no name that a screen reader could say.
        self.size = widgets.BoundedIntText(
            8, min=SIZES[0], max=SIZES[1], description="rows and columns of the map", style=wide
        )
        self.size.layout.width = "270px"
        self._try = option_button("Try this design", self.try_design)
        self._from.observe(self._take_version, names="value")
        self.size.observe(self._resize, names="value")
        self._take_version()
        self._second = [
            widgets.HTML(_DESIGN),
            row(self._from),
            row(*self._strides, self._shortcut),
            row(self.size),
            row(self._try),
            self._result,
        ]
        self._show(self._question, row(*self._rows), row(self._check, self._next), self._answer, *self._second)
        self._begin()

    # Part 1: maps ----------------------------------------------------------------------------------------------------

    def tick(self, *rows: int) -> None:
        """Tick these rows and no others, as clicks on their boxes do."""
        if wrong := [given for given in rows if not isinstance(given, int) or given not in range(self.case.size)]:
            return self._say(
                f"There is no row {html.escape(repr(wrong[0]))} here; the rows are 0 to {self.case.size - 1}."
            )
        for number, box in enumerate(self._rows):
            box.value = number in rows
        self._say("")

    def check(self) -> None:
        """Compare the ticked rows with those that reach the output; the first check of a round counts."""
        if not self.ticked:
            return self._say("Tick the rows that reach the output first: some always do.")
        truth = coverage.path_rows(self.case.size, coverage.design_of(self.case.version), self.case.path)
        right, first = self.ticked == truth, self.guess is None
        if first:
            self.guess = self.ticked
            self._checked += 1
            self._right += right
        self._answer.value = answer_html(self.case, self.ticked)
        self._note({"step": "map", "rows": sorted(self.ticked), "first": first, "right": right})
        self._update()

    def next(self) -> None:
        """Go on to the next map, once this one was checked."""
        if self.guess is None:
            return self._say("Check this map first: the first check counts, and shows the answer.")
        self._begin()

    @property
    def ticked(self) -> set[int]:
        """The rows ticked now."""
        return {number for number, box in enumerate(self._rows) if box.value and number < self.case.size}

    # Part 2: a design ------------------------------------------------------------------------------------------------

    def design(self, strides: tuple[int, int, int] | None = None, shortcut: str | None = None) -> None:
        """Set the design, as its menus do: the strides of the three convolutions, and the kind of shortcut."""
        if strides is not None:
            given = list(strides) if isinstance(strides, (tuple, list)) else []
            if len(given) != 3 or any(stride not in (1, 2) for stride in given):
                return self._say(f"Strides are three numbers, each 1 or 2, not {html.escape(repr(strides))}.")
            for menu, stride in zip(self._strides, given, strict=True):
                menu.value = stride
        if shortcut is not None:
            if shortcut not in SHORTCUTS:
                return self._say(
                    f"There is no shortcut {html.escape(repr(shortcut))}; choose one of {'; '.join(SHORTCUTS)}."
                )
            self._shortcut.value = shortcut
        self._say("")

    def look_at(self, size: int) -> None:
        """Set the size of the map on which designs show, as its field does."""
        low, high = SIZES
        if not isinstance(size, int) or not low <= size <= high:
            return self._say(f"A map here has {low} to {high} rows, not {html.escape(repr(size))}.")
        self.size.value = size
        self._say("")

    def try_design(self) -> None:
        """Show which pixels the design reads and what it costs, and say whether it is the best one."""
        if not self.opened:
            return self._say(f"The design opens once {OPENS} maps are checked.")
        design = self.current
        found = judge(design)
        self.designed |= found.best
        self._show_design(design)
        self._note(
            {"step": "design", "strides": list(design.strides), "shortcut": design.shortcut, "right": found.best}
        )
        self._update()

    @property
    def current(self) -> Design:
        """The design that the menus show."""
        first, second, third = (menu.value for menu in self._strides)
        return Design((first, second, third), self._shortcut.value)

    @property
    def opened(self) -> bool:
        """Whether the second part is open."""
        return self._checked >= OPENS

    # What others read ------------------------------------------------------------------------------------------------

    @property
    def score(self) -> tuple[int, int]:
        """How many maps were right at the first check, and how many were checked at all."""
        return self._right, self._checked

    @property
    def solved(self) -> bool:
        """Whether four maps were right at the first check and the best design was found."""
        return self._right >= TO_SOLVE and self.designed

    @property
    def question(self) -> str:
        """The map asked for, as plain text."""
        return _plain(self._question.value)

    @property
    def verdict(self) -> str:
        """The answer to the latest map, as plain text."""
        return _plain(self._answer.value.partition("<div")[0])

    @property
    def picture(self) -> Figure | None:
        """The maps of the latest design, or None where there is none or where its two ways cannot be added."""
        if self._shown is None or len(set(coverage.scale(self._shown))) > 1:
            return None
        return design_figure(self._shown, self.size.value)

    @property
    def advice(self) -> str:
        """The answer to the latest design, as plain text."""
        return _plain(self._result.value.partition("<div")[0])

    def _begin(self) -> None:
        self.round += 1
        self.case, self.guess = next(self._cases), None
        for number, box in enumerate(self._rows):
            box.value = False
            box.layout.display = None if number < self.case.size else "none"
        self._question.value = question_html(self.round, self.case)
        self._answer.value = ""
        self._update()

    def _take_version(self, _: Any = None) -> None:
        for menu, stride in zip(self._strides, coverage.design_of(self._from.value).strides, strict=True):
            menu.value = stride

    def _resize(self, _: Any) -> None:
        if self._result.value:  # the latest design, or the one now in the menus: what is shown is what is set
            self._show_design(self.current)

    def _show_design(self, design: Design) -> None:
        self._shown = design
        self._result.value = design_html(design, self.size.value)

    def _update(self) -> None:
        for part in self._second:
            part.layout.display = None if self.opened else "none"
        self._say_status(status_html(self.score, self.designed, self.opened))
        if self.solved and not self._said_solved:
            self._said_solved = True
            self._note({"step": "solved"})
        self._say("")

    def _note(self, value: dict[str, Any]) -> None:
        self._record({"round": self.round, **self.case._asdict(), **value})

    def _snapshot(self) -> str:
        first = next(cases(0))
        boxes = " ".join(f"☐&nbsp;row&nbsp;{number}" for number in range(first.size))
        return f"{question_html(1, first)}<p>{boxes}</p>"


def stride_move(seed: int = 0, *, chapter: str = "stride_move") -> StrideMove:
    """Draw which pixels reach the output of a downsampling bottleneck, then design a better one.

    Parameters
    ----------
    seed
        Which maps come after the first five.
    chapter
        Where what was drawn is kept.

    Returns
    -------
    StrideMove
        The widget. ``.tick(0, 2)``, ``.check()``, ``.next()``, ``.design((1, 2, 1))`` and ``.try_design()`` do what clicks
        do. It raises nothing.
    """
    return StrideMove(seed, chapter=chapter)


def cases(seed: int) -> Iterator[Case]:
    """Yield maps to be drawn, without end: first five in an order that teaches, then all kinds again in other sizes.

    The five have other sizes than the maps that chapter 04 prints, so that none can be copied.
    """
    kinds = [("v1", "branch"), ("v1.5", "branch"), ("v1.5", "shortcut"), ("v1", "sum"), ("v1.5", "sum")]
    for (version, path), size in zip(kinds, (6, 9, 6, 9, 5), strict=True):
        yield Case(version, size, path)
    kinds.append(("v1", "shortcut"))
    dice = random.Random(f"{seed}")
    while True:
        for version, path in dice.sample(kinds, len(kinds)):
            yield Case(version, dice.randint(5, LARGEST), path)


# What the lab shows: pure functions ------------------------------------------------------------------------------------


def status_html(score: tuple[int, int], designed: bool, opened: bool) -> str:
    """Return the line that says how far the learner is."""
    right, checked = score
    text = f"Maps right at the first check: {right} of {checked}. "
    text += "Design: ✓ found." if designed else "Design: open." if opened else f"Design: opens after {OPENS} maps."
    if right >= TO_SOLVE and designed:
        text += " <b>✓ Solved.</b> The maps go on if you like."
    return text


def question_html(number: int, case: Case) -> str:
    """Return what is asked in a round."""
    return (
        f'<p class="rl-step"><b>Map {number}.</b> A bottleneck of <b>{case.version}</b> with stride 2 gets a map of '
        f"<b>{case.size} × {case.size}</b>. Which rows of the input reach the output of the <b>{case.path}</b>?</p>"
    )


def answer_html(case: Case, ticked: set[int]) -> str:
    """Return the answer to a map: whether it is right and why, both maps, and the rows layer by layer."""
    design = coverage.design_of(case.version)
    truth = coverage.path_rows(case.size, design, case.path)
    share = f"{len(truth) ** 2} of {case.size**2} pixels"
    if ticked == truth:
        said = f"✓ <b>Right:</b> {_listed(truth)}, so {share} ({_percent(len(truth) ** 2, case.size**2)})."
    else:
        said = f"✗ <b>Not so.</b> {diagnosis(case, ticked)}"
    maps = [_product(case.size, ticked), coverage.path_ways(case.size, design, case.path)]
    wrong = [[(mine > 0) != (true > 0) for mine, true in zip(*pair, strict=True)] for pair in zip(*maps, strict=True)]
    figure = pixel_maps(
        maps,
        ["your map", f"what reaches the {case.path}"],
        marked=None if ticked == truth else [wrong, None],
        numbers=False,
    )
    names = [path for path in ("branch", "shortcut") if case.path in (path, "sum")]
    tables = "".join(layers_html(case.size, coverage.paths(design)[name], name) for name in names)
    return f"<p>{said} {reason(case)}</p><div>{_scrolling(figure)}{tables}</div>"


def reason(case: Case) -> str:
    """Why the map is what it is."""
    if case.path == "shortcut":
        return (
            f"In {'both versions' if case.version == 'v1' else 'v1.5 as in v1'} the projection is a 1×1 convolution with "
            "stride 2: a window of one pixel that moves by two."
        )
    if case.version == "v1":
        both = " The shortcut reads the very same pixels, so the sum gains nothing." if case.path == "sum" else ""
        return (
            "The first 1×1 jumps over every second row and column. The 3×3 behind it looks at neighbours in the map that "
            f"is left, and there what was jumped over is gone.{both}"
        )
    both = " What the shortcut drops, the branch brings." if case.path == "sum" else ""
    return f"The 1×1 reads everything, and the 3×3's windows, moved by two, overlap by one.{both}"


def diagnosis(case: Case, ticked: set[int]) -> str:
    """Say what is wrong with a map: the mistake that it looks like, or else a row that shows it."""
    size, last = case.size, case.size - 1
    design = coverage.design_of(case.version)
    truth = coverage.path_rows(size, design, case.path)
    every, even = set(range(size)), set(range(0, size, 2))
    if ticked == every:
        return {
            ("v1", "branch"): "You count on the 3×3 to see the neighbours. It comes <i>behind</i> the stride.",
            (
                "v1",
                "sum",
            ): "You count on the addition to bring together what branch and shortcut read. Both read the same pixels.",
            ("v1", "shortcut"): "A window of one pixel that moves by two does not read every pixel.",
            (
                "v1.5",
                "shortcut",
            ): "v1.5 moves the stride of the <i>branch</i>. You predicted that its shortcut sees all: its "
            "1×1 still strides.",
        }[case.version, case.path]
    if ticked == every - even:
        if truth == every:
            end = f" (row {last}, the last, in one)" if last in ticked else ""
            return f"You ticked the odd rows, which lie in two windows{end}. The even rows lie in one, and are read as well."
        return "These are the rows that a stride of 2 jumps over. Without padding, the first window lies on row 0."
    if truth == every and ticked == even:
        return (
            "You let the 3×3 read one row in two. Its stride is 2, but its window is 3 rows high: windows on rows "
            f"{_rows(Window('conv2', 3, 2).reads(size)[1])} and so on overlap, and leave nothing out."
        )
    if ticked == truth - {last}:
        if truth == every:
            return f"The last row, {last}, belongs to the last window: padding never costs a row of the map."
        return f"An odd map ends with a row that is kept: {size} rows keep {_listed(truth)}, one more than half."
    if ticked == truth - {0}:
        return "Row 0 is read as well: padding adds zeros above it, and takes nothing away."
    if len(ticked) > 1 and ticked in (set(range(len(ticked))), set(range(size - len(ticked), size))):
        if truth == every:
            return "The windows go from the first row to the last: nothing is cropped, and nothing skipped."
        return "A stride is no crop. It keeps rows all over the map, and thins them out."
    return _counterexample(case, design, truth, ticked)


def _counterexample(case: Case, design: Design, truth: set[int], ticked: set[int]) -> str:
    if missing := sorted(truth - ticked):
        found = missing[0]
        for name, path in coverage.paths(design).items():
            if case.path in (name, "sum") and found in coverage.rows_read(case.size, path):
                window, size = _first_window(case.size, path)
                reads = next(rows for rows in window.reads(size) if found in rows)
                return f"Row {found} is missing: the {name}'s {window.kernel}×{window.kernel} has a window on {_rows(reads)}."
    found = min(ticked - truth)
    return f"Nothing reads row {found}: every window of one pixel with stride 2 lies on an even row."


def _first_window(size: int, path: coverage.Path) -> tuple[Window, int]:
    """The first layer of a path that does more than hand on every row one by one, and the rows that it gets."""
    for window in path:
        if (window.kernel, window.stride) != (1, 1):
            return window, size
        size = window.out_size(size)
    return path[0], size


def layers_html(size: int, path: coverage.Path, name: str) -> str:
    """Return a table of a path: the rows of each map on the way, and which of them reach the end."""
    counts = coverage.layer_ways(size, path)
    labels = ["the input", *(f"{window.name}: {window}" for window in path)]
    body = ""
    for label, rows in zip(labels, counts, strict=True):
        squares = "".join("■" if count else "□" for count in rows)
        read = {number for number, count in enumerate(rows) if count}
        body += (
            f'<tr><th scope="row">{label}</th><td aria-hidden="true" style="font-size:1.35em;letter-spacing:2px">{squares}</td>'
            f"<td>{_listed(read)} of {len(rows)}</td></tr>"
        )
    return (
        f"<table><caption>The {name}, layer by layer: rows of each map that reach its end (■) or do not (□)</caption>"
        f"<tbody>{body}</tbody></table>"
    )


class Judgement(NamedTuple):
    """What is to be said about a design."""

    best: bool
    text: str


def judge(design: Design) -> Judgement:
    """Say whether a design is legal, reads everything on both paths, and is the cheapest that does."""
    branch, shortcut = coverage.scale(design)
    if branch != shortcut:
        return Judgement(
            False,
            f"The branch {_shrinking(branch)}, and the shortcut {_shrinking(shortcut)}: 56 rows become {56 // branch} and "
            f"{56 // shortcut}, and such maps cannot be added. The strides of the branch have to multiply to {shortcut}.",
        )
    size = 8  # even maps and odd ones alike: a test tries all sizes
    dropped = [name for name in ("branch", "shortcut") if len(coverage.path_rows(size, design, name)) < size]
    if dropped == ["branch", "shortcut"]:
        return Judgement(False, "Branch and shortcut read the same quarter of the pixels. This is v1.")
    if dropped == ["branch"]:
        return Judgement(
            False, "The branch drops three quarters: its first 1×1 strides, and nothing behind it can bring them back."
        )
    if dropped == ["shortcut"]:
        here = " This is v1.5, and this is what it leaves open." if design.strides[1] == 2 else ""
        return Judgement(False, f"The shortcut drops three quarters: a window of one pixel moves by two.{here}")
    cheapest = min(sum(coverage.macs(other).values()) for other in _complete())
    if sum(coverage.macs(design).values()) > cheapest:
        return Judgement(False, f"Every pixel reaches both, but it can be had for less: {_dear(design)}")
    return Judgement(
        True,
        "Every pixel reaches both, at the cost of v1.5. This is the downsampling block of <b>ResNet-D</b> (T. He et al. 2018, "
        '<a href="https://arxiv.org/abs/1812.01187" target="_blank" rel="noopener">arXiv 1812.01187</a>, section 4.2); '
        "Gluon's v1d and timm's resnet50d have it.",
    )


def _shrinking(scale: int) -> str:
    return "does not shrink the map" if scale == 1 else f"shrinks it {scale}-fold"


def _dear(design: Design) -> str:
    if design.strides[2] == 2:
        return "the 3×3, the dearest layer, works on the large map, only for the last 1×1 to drop three quarters of it."
    if design.shortcut == "3×3, stride 2":
        return "a 3×3 projection has nine times the weights of a 1×1."
    return "the projection works on the large map, and the average behind it throws most of that work together."


def _complete() -> list[Design]:
    """All legal designs that read every pixel on both paths."""
    found = []
    for strides in ((2, 1, 1), (1, 2, 1), (1, 1, 2)):
        for shortcut in SHORTCUTS:
            design = Design(strides, shortcut)
            if all(len(coverage.path_rows(8, design, name)) == 8 for name in ("branch", "shortcut")):
                found.append(design)
    return found


def design_html(design: Design, size: int) -> str:
    """Return the answer to a design: what is to be said, its three maps, and what it costs."""
    found = judge(design)
    said = f"<p>{'✓ <b>Found.</b>' if found.best else '✗ <b>Not yet.</b>'} {found.text}</p>"
    if len(set(coverage.scale(design))) > 1:
        return said
    return f"{said}<div>{_scrolling(design_figure(design, size))}{cost_html(design)}</div>"


def design_figure(design: Design, size: int) -> Figure:
    """Draw the maps of a legal design on size × size pixels: branch, shortcut and sum."""
    return pixel_maps([coverage.path_ways(size, design, path) for path in PATHS], [f"the {path}" for path in PATHS])


def cost_html(design: Design) -> str:
    """Return a table of the multiply-adds of a design, beside v1 and v1.5."""
    columns = {"this design": design, **{version: coverage.design_of(version) for version in VERSIONS}}
    costs = {name: coverage.macs(each) for name, each in columns.items()}
    head = "".join(f'<th scope="col" class="rl-number">{name}</th>' for name in columns)
    body = ""
    for layer in costs["v1"]:
        cells = "".join(f'<td class="rl-number">{cost[layer] / 1e6:.1f}</td>' for cost in costs.values())
        body += f'<tr><th scope="row">{layer}</th>{cells}</tr>'
    cells = "".join(f'<td class="rl-number">{sum(cost.values()) / 1e6:.1f}</td>' for cost in costs.values())
    body += f'<tr class="rl-first"><th scope="row">all</th>{cells}</tr>'
    return (
        "<table><caption>Multiply-adds in millions</caption>"
        f'<thead><tr><th scope="col"></th>{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def _scrolling(figure: Figure) -> str:
    """The picture in a box that never widens the lab: where the window is narrow, the picture scrolls, the text wraps."""
    return f'<div style="width:0;min-width:100%">{figure.html}</div>'


def _product(size: int, rows: set[int]) -> list[list[int]]:
    return [[int(r in rows and c in rows) for c in range(size)] for r in range(size)]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def _rows(rows: range) -> str:
    listed = [str(row) for row in rows]
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"


def _listed(rows: set[int]) -> str:
    listed = sorted(rows)
    if len(listed) > 2 and listed == list(range(listed[0], listed[-1] + 1)):
        return f"rows {listed[0]} to {listed[-1]}"
    return f"row{'s' if len(listed) > 1 else ''} {', '.join(map(str, listed))}"
