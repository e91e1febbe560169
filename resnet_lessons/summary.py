"""What `resnet-lessons summary` prints: a network by stages or by layers, and how it differs from another one.

`summarize` gathers the numbers from `architecture.trace`, `differences` puts into words what sets two networks apart,
`as_json` and `show` write them out. No framework is loaded; rich, which draws the tables, is imported in `show` alone.
"""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from resnet_lessons.architecture import VERSIONS, Layer, ResNetConfig, checked_image_size, resnet_config, trace

if TYPE_CHECKING:
    from rich.table import Table

DIFFERS = "≠"
PIPED_COLUMNS = 120  # how wide a table may be where there is no terminal to ask
# Where the output's encoding has no such signs (a pipe on Windows, an ASCII terminal), these stand in.
ASCII = str.maketrans({"×": "x", "−": "-", "≠": "*", "·": "|", "…": "...", "–": "-", "→": ">", "─": "-", "Δ": "d"})
FAMILY_NAMES = {"imagenet": "ImageNet", "cifar": "CIFAR"}


@dataclass(frozen=True)
class Stage:
    """A part of a network: the stem, a stage of residual blocks, or the head."""

    name: str  # "stem", "layer1", …, "head"
    blocks: int  # 0 for stem and head
    kind: str | None  # of its blocks: "basic" or "bottleneck"
    width: int | None  # channels inside its blocks
    out_channels: int
    out_shape: tuple[int, ...]  # (channels, height, width), of the head (classes,)
    parameters: int
    parameters_share: float  # of the network's, from 0 to 1
    macs: int
    macs_share: float
    receptive_field: int  # side in input pixels after the last layer of this stage

    @property
    def contents(self) -> str:
        """Number and kind of its blocks: "6 bottleneck"; nothing for stem and head."""
        return f"{self.blocks} {self.kind}" if self.blocks else ""


@dataclass(frozen=True)
class Summary:
    """One network at one image size, counted."""

    config: ResNetConfig
    image_size: tuple[int, int]
    layers: tuple[Layer, ...]
    stages: tuple[Stage, ...]
    notes: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """Trainable parameters of the whole network."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-adds for one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def headline(self) -> str:
        """The network and its input, in one line."""
        config, size = self.config, _shape((self.config.in_channels, *self.image_size))
        shortcut = "no shortcuts" if config.shortcut == "none" else f"shortcut {config.shortcut}"
        usual = 64 if config.family == "imagenet" else 16
        width = "" if config.width == usual else f" · width {config.width:,}"
        classes = f"{config.num_classes:,} class" + ("es" if config.num_classes > 1 else "")
        return f"{config.name} · {FAMILY_NAMES[config.family]} family · {shortcut} · {classes}{width} · input {size}"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain lists, numbers and texts."""
        return {
            "name": self.config.name,
            "config": self.config.to_dict(),
            "image_size": list(self.image_size),
            "notes": list(self.notes),
            "totals": {
                "parameters": self.parameters,
                "macs": self.macs,
                "receptive_field": self.layers[-1].receptive_field,
                "layers": len(self.layers),
            },
            "stages": [asdict(stage) for stage in self.stages],
            "layers": [asdict(layer) for layer in self.layers],
        }


def summarize(config: ResNetConfig, image_size: int | tuple[int, int] | None = None, note: str = "") -> Summary:
    """Count a network's layers and stages; what `trace` warns of becomes a note, after the one given.

    Examples
    --------
    >>> summary = summarize(resnet_config(50, "v1.5"))
    >>> [stage.name for stage in summary.stages], summary.parameters, summary.macs
    (['stem', 'layer1', 'layer2', 'layer3', 'layer4', 'head'], 25557032, 4089184256)
    """
    size = checked_image_size(config, image_size)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        layers = tuple(trace(config, size))
    notes = [note] * bool(note) + [str(warning.message) for warning in caught]
    return Summary(config, size, layers, _stages(config, layers), tuple(notes))


def choose_config(
    depth: int, version: str = "v1", family: str | None = None, **fields: Any
) -> tuple[ResNetConfig, str]:
    """Return the network of a command line and a note on it, which is empty where nothing was left to guess.

    Without a family it is the ImageNet network of this depth or, where there is none, the CIFAR network.

    Raises
    ------
    ValueError
        If no family has such a network; for a depth that neither has, the message lists the depths of both.

    Examples
    --------
    >>> choose_config(50)[1]
    ''
    >>> choose_config(20)[1]
    'ResNet-20 exists only in the CIFAR family, so this is the CIFAR network (as with --family cifar).'
    """
    if family is not None:
        return resnet_config(depth, version, family=family, **fields), ""
    missing = {name: reason for name in FAMILY_NAMES if (reason := _missing(depth, name))}
    if len(missing) == len(FAMILY_NAMES):
        raise ValueError(" ".join(missing.values()))
    if "imagenet" not in missing:
        return resnet_config(depth, version, **fields), ""
    note = f"ResNet-{depth} exists only in the CIFAR family, so this is the CIFAR network (as with --family cifar)."
    return resnet_config(depth, version, family="cifar", **fields), note


def family_note(config: ResNetConfig) -> str:
    """Say which of two networks of one depth is meant; nothing where only one family has this depth.

    Examples
    --------
    >>> print(family_note(resnet_config(50, family="cifar")))
    ResNet-50 v1 here is the CIFAR network (755,802 parameters); the ImageNet ResNet-50 v1 has 25,557,032 parameters.
    """
    if config.family != "cifar" or _missing(config.depth, "imagenet"):
        return ""
    usual = resnet_config(config.depth, config.version)
    return (
        f"{config.name} here is the CIFAR network ({config.parameters:,} parameters); "
        f"the ImageNet {usual.name} has {usual.parameters:,} parameters."
    )


def parse_image_size(text: str) -> tuple[int, int]:
    """Read an image size, one number or height x width.

    >>> parse_image_size("224"), parse_image_size("240x320")
    ((224, 224), (240, 320))
    """
    found = re.fullmatch(r"([0-9]+)(?:\s*[x×,]\s*([0-9]+))?", text.strip().lower())
    size = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if min(size) < 1:
        raise ValueError(
            f"--image-size is {text!r}; give pixels from 1 on: one number such as 224, or height x width such as 240x320."
        )
    return size


def parse_versus(text: str, depth: int, version: str) -> tuple[int, str]:
    """Read what to compare with: a version, a depth, or depth:version.

    >>> parse_versus("v1", 50, "v1.5"), parse_versus("34", 50, "v1"), parse_versus("101:v1.5", 50, "v1")
    ((50, 'v1'), (34, 'v1'), (101, 'v1.5'))
    """
    found = re.fullmatch(r"(?:([0-9]+)(?::(?=v)|$))?(v[0-9.]+)?", text.strip())
    if not text.strip() or not found or (found[2] and found[2] not in VERSIONS):
        raise ValueError(
            f"--versus is {text!r}; give a version ({', '.join(VERSIONS)}), a depth such as 34, or both, such as 101:v1.5."
        )
    return int(found[1] or depth), found[2] or version


def differences(before: Summary, after: Summary) -> list[str]:
    """Put into words what changes from one network to another; nothing where every layer is the same.

    Examples
    --------
    >>> print(*differences(summarize(resnet_config(50)), summarize(resnet_config(50, "v1.5"))))
    layer2.0, layer3.0, layer4.0: the stride moves from conv1 to conv2; +231,211,008 MACs (+6.0 %), parameters equal
    """
    if before.layers == after.layers:
        return []
    old, new = before.config, after.config
    said = []
    if old.shortcut != new.shortcut:
        said.append(f"shortcut {old.shortcut} becomes {new.shortcut}")
    for left, right in zip(before.stages, after.stages, strict=True):  # one family: as many stages
        if left.contents != right.contents:
            said.append(f"{left.name}: {left.contents} blocks become {right.contents} blocks")
    said += _stride_moves(before, after)
    if old.block == new.block and old.stage_blocks == new.stage_blocks:
        said += _layer_changes(before, after)
    return said


def as_json(summary: Summary, versus: Summary | None = None) -> str:
    """Return a summary, and where asked for the network it is compared with, as a JSON text."""
    content = summary.to_dict()
    if versus is not None:
        content["versus"] = versus.to_dict()
        content["difference"] = {  # this network minus the one it is compared with
            "parameters": summary.parameters - versus.parameters,
            "macs": summary.macs - versus.macs,
            "layers": [name for name, left, right in _pairs(versus, summary) if _differ(left, right)],
            "words": differences(versus, summary),
        }
    return json.dumps(content, indent=2)


def show(summary: Summary, versus: Summary | None = None, by_layer: bool = False) -> None:
    """Print a summary, or a comparison, as tables that fit the terminal."""
    page = _Page()
    if versus is None:
        _show_one(page, summary, by_layer)
    else:
        _show_both(page, versus, summary, by_layer)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows, the header first, as aligned text."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    aligned = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([aligned[0], "─" * (sum(widths) + 2 * len(widths) - 2), *aligned[1:]]) + "\n"


def write(text: str) -> None:
    """Write to standard output, in signs that it can encode, for as long as anybody reads it."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(ASCII).encode(encoding, "replace").decode(encoding)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # `… | head` has read enough; what is left goes nowhere, without an error at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stages(config: ResNetConfig, layers: Sequence[Layer]) -> tuple[Stage, ...]:
    parts: dict[str, list[Layer]] = {"stem": []}
    name = "stem"
    for layer in layers:
        if "." in layer.name:
            name = layer.name.partition(".")[0]
        elif name != "stem":  # a layer of no stage: before the first one it is the stem's, after that the head's
            name = "head"
        parts.setdefault(name, []).append(layer)
    parameters, macs = sum(layer.parameters for layer in layers), sum(layer.macs for layer in layers)
    stages = []
    for name, part in parts.items():
        blocks = config.stages.get(name, ())
        own_parameters, own_macs = sum(layer.parameters for layer in part), sum(layer.macs for layer in part)
        stages.append(
            Stage(
                name=name,
                blocks=len(blocks),
                kind=blocks[0].kind if blocks else None,
                width=blocks[0].width if blocks else None,
                out_channels=part[-1].out_shape[0],
                out_shape=part[-1].out_shape,
                parameters=own_parameters,
                parameters_share=own_parameters / parameters,
                macs=own_macs,
                macs_share=own_macs / macs,
                receptive_field=part[-1].receptive_field,
            )
        )
    return tuple(stages)


def _missing(depth: int, family: str) -> str:
    """Why a family has no network of this depth; nothing if it has one."""
    try:
        resnet_config(depth, family=family)
    except ValueError as error:
        return str(error)
    return ""


def _pairs(before: Summary, after: Summary) -> list[tuple[str, Layer | None, Layer | None]]:
    """Both networks' layers by name: the first one's order, the other's own layers where they come in it."""
    left = {layer.name: layer for layer in before.layers}
    right = {layer.name: layer for layer in after.layers}
    own: dict[str, list[str]] = {"": []}
    place = ""
    for name in right:
        place = name if name in left else place
        own.setdefault(place, []).extend([] if name in left else [name])
    names = own[""] + [name for shared in left for name in (shared, *own.get(shared, ()))]
    return [(name, left.get(name), right.get(name)) for name in names]


def _differ(left: Layer | None, right: Layer | None) -> bool:
    """Whether a layer differs in itself; its receptive field alone tells of the layers before it."""
    if left is None or right is None:
        return left is not right
    return replace(left, receptive_field=right.receptive_field) != right


def _stride_moves(before: Summary, after: Summary) -> list[str]:
    """Blocks of one name and kind whose stride sits on another convolution."""
    kinds = {block.name: block.kind for block in before.config.blocks}
    shared = [block.name for block in after.config.blocks if kinds.get(block.name) == block.kind]
    left, right = _by_block(before.layers), _by_block(after.layers)
    moves: dict[tuple[str, str], list[str]] = {}
    for name in shared:
        places = _strided(left[name]), _strided(right[name])
        if places[0] != places[1]:
            moves.setdefault(places, []).append(name)
    said = []
    for (source, target), names in moves.items():
        macs, parameters = (
            sum(getattr(layer, field) for name in names for layer in right[name])
            - sum(getattr(layer, field) for name in names for layer in left[name])
            for field in ("macs", "parameters")
        )
        macs_said = f"{_signed(macs)} MACs ({_percent(macs, before.macs)})" if macs else "MACs equal"
        # A stride has no parameters: where they change, something else has changed too, and is told on its own.
        parameters_said = "" if parameters else ", parameters equal"
        said.append(f"{_some(names)}: the stride moves from {source} to {target}; {macs_said}{parameters_said}")
    return said


def _layer_changes(before: Summary, after: Summary) -> list[str]:
    """Layers that one of two networks of the same blocks has alone, of another size, or elsewhere in its blocks."""
    pairs = _pairs(before, after)
    gone = [name for name, _, right in pairs if right is None]
    new = [name for name, left, _ in pairs if left is None]
    sizes = [name for name, left, right in pairs if left and right and left.parameters != right.parameters]
    titles = before.config.name, after.config.name
    if titles[0] == titles[1]:  # two shortcut options of one network
        titles = "the first", "the second"
    said = []
    for title, summary, names, sign in ((titles[0], before, gone, -1), (titles[1], after, new, 1)):
        if names:
            count = sign * _parameters(summary, names)
            said.append(f"only in {title}: {_some(names)} ({_signed(count) if count else 'no'} parameters)")
    if sizes:
        change = _parameters(after, sizes) - _parameters(before, sizes)
        said.append(f"of another size: {_some(sizes)} ({_signed(change)} parameters)")
    block = before.config.blocks[0].name
    left, right = (
        [layer.name.removeprefix(f"{block}.") for layer in _by_block(summary.layers)[block]]
        for summary in (before, after)
    )
    if [name for name in left if name in right] != [name for name in right if name in left]:
        said.append(f"each block runs in another order; {block}: {', '.join(left)} becomes {', '.join(right)}")
    return said


def _by_block(layers: Iterable[Layer]) -> dict[str, list[Layer]]:
    blocks: dict[str, list[Layer]] = {}
    for layer in layers:
        blocks.setdefault(".".join(layer.name.split(".")[:2]), []).append(layer)
    return blocks


def _strided(layers: Sequence[Layer]) -> str:
    """The branch's convolutions that skip pixels."""
    branch = (layer for layer in layers if layer.kind == "conv" and ".downsample" not in layer.name)
    return " and ".join(layer.name.rpartition(".")[2] for layer in branch if (layer.stride or 1) > 1)


def _parameters(summary: Summary, names: Sequence[str]) -> int:
    wanted = set(names)
    return sum(layer.parameters for layer in summary.layers if layer.name in wanted)


def _show_one(page: _Page, summary: Summary, by_layer: bool) -> None:
    page.say(summary.headline)
    for note in summary.notes:
        page.say(f"note: {note}")
    page.say()
    exact = True
    if by_layer:
        exact = page.tables([partial(_layer_table, summary, form) for form in ("wide", "narrow", "short")])
    exact = page.tables([partial(_stage_table, summary, form) for form in ("wide", "narrow", "short")]) and exact
    if not exact:
        page.say(f"In full: {summary.parameters:,} parameters, {summary.macs:,} MACs.")
    page.say(
        "Outputs are C×H×W for one image. MACs: multiply-adds of convolutions and the dense layer. "
        "RF: receptive field, the side in input pixels that one output sees."
    )


def _show_both(page: _Page, before: Summary, after: Summary, by_layer: bool) -> None:
    page.say(after.headline)
    page.say(f"compared with {before.headline}")
    for note in dict.fromkeys(before.notes + after.notes):
        page.say(f"note: {note}")
    page.say()
    if by_layer:
        page.tables([partial(_layer_comparison, before, after, form) for form in ("wide", "narrow", "short")])
    page.tables([partial(_structure_comparison, before, after, gap) for gap in (2, 1)])
    for heading, field in (("parameters", "parameters"), ("MACs", "macs")):
        page.tables([partial(_count_comparison, before, after, heading, field, gap) for gap in (2, 1)])
    names = f"from {before.config.name} to {after.config.name}"
    words = differences(before, after)
    if not words:
        page.say("The two are the same, layer by layer.")
        return
    page.say(f"{DIFFERS} marks what differs (RF: the receptive field); differences are {names}.")
    page.say(f"What changes {names}:")
    for word in words:
        page.say(f"- {word}", indent="  ")


def _stage_table(summary: Summary, form: str) -> Table:
    number = _abbreviated if form == "short" else _full
    wide = form == "wide"
    table = _table(
        ["stage", "blocks"],
        ["width/out" if wide else "width", "output", "parameters", "%", "MACs", "%", "RF"],
        gap=2 if wide else 1,
        footer=[
            *("total", str(sum(stage.blocks for stage in summary.stages)), "", ""),
            *(number(summary.parameters), "100", number(summary.macs), "100", ""),
        ],
    )
    for stage in summary.stages:
        width = "" if stage.width is None else f"{stage.width}/{stage.out_channels}" if wide else str(stage.width)
        table.add_row(
            *(stage.name, stage.contents, width, _shape(stage.out_shape)),
            *(number(stage.parameters), f"{100 * stage.parameters_share:.1f}"),
            *(number(stage.macs), f"{100 * stage.macs_share:.1f}", str(stage.receptive_field)),
        )
    return table


def _layer_table(summary: Summary, form: str) -> Table:
    number = _abbreviated if form == "short" else _full
    wide = form == "wide"
    shapes = ["input", "output"] if wide else ["output"]
    table = _table(["layer", "kind", "kernel"], [*shapes, "parameters", "MACs", "RF"], gap=2 if wide else 1)
    for layer, following in zip(summary.layers, [*summary.layers[1:], None], strict=True):
        into = [_shape(layer.in_shape)] if wide else []
        table.add_row(
            *(layer.name, layer.kind, _window(layer), *into, _shape(layer.out_shape)),
            *(number(layer.parameters), number(layer.macs), str(layer.receptive_field)),
            end_section=following is not None and _block_name(layer) != _block_name(following),
        )
    return table


def _structure_comparison(before: Summary, after: Summary, gap: int) -> Table:
    table = _table(["", "structure", "blocks", "", "output", "", "RF", ""], [], gap)
    for left, right in zip(before.stages, after.stages, strict=True):
        rows = [
            (left.contents, right.contents),
            (_shape(left.out_shape), _shape(right.out_shape)),
            (str(left.receptive_field), str(right.receptive_field)),
        ]
        # A value that changes shows both; one that stays stands once.
        cells = [cell for a, b in rows for cell in (a, "" if a == b else f"→ {b}")]
        _compared(table, any(a != b for a, b in rows), [left.name, *cells])
    return table


def _count_comparison(before: Summary, after: Summary, heading: str, field: str, gap: int) -> Table:
    counts = [
        (left.name, getattr(left, field), getattr(right, field))
        for left, right in zip(before.stages, after.stages, strict=True)
    ]
    total = ("total", getattr(before, field), getattr(after, field))

    def row(name: str, left: int, right: int) -> list[str]:
        change = "0" if left == right else _signed(right - left)
        return [name, f"{left:,}", f"{right:,}", change, "" if left == right else _percent(right - left, left)]

    table = _table(
        ["", heading],
        [before.config.name, after.config.name, "difference", ""],
        gap=gap,
        footer=[DIFFERS if total[1] != total[2] else "", *row(*total)],
    )
    for name, left, right in counts:
        _compared(table, left != right, row(name, left, right))
    return table


def _layer_comparison(before: Summary, after: Summary, form: str) -> Table:
    number = _abbreviated if form == "short" else _full
    numbers = ["parameters", "MACs"] if form != "short" else ["Δ par.", "ΔMACs"]
    table = _table(["", "layer", "kernel", "", "output", ""], numbers, gap=2 if form == "wide" else 1)
    for name, left, right in _pairs(before, after):
        cells = []
        for view in (_window, _output):
            a, b = (view(layer) if layer else "–" for layer in (left, right))
            cells += [a, "" if a == b else f"→ {b}"]
        for field in ("parameters", "macs"):
            change = (getattr(right, field) if right else 0) - (getattr(left, field) if left else 0)
            cells.append("" if not change else ("+" if change > 0 else "−") + number(abs(change)))
        _compared(table, _differ(left, right), [name, *cells])
    return table


def _compared(table: Table, differ: bool, cells: list[str]) -> None:
    table.add_row(DIFFERS if differ else "", *cells, style="bold" if differ else None)


def _table(texts: list[str], numbers: list[str], gap: int, footer: Sequence[str] = ()) -> Table:
    """An empty table: columns of text on the left, of numbers, set right, after them."""
    from rich.box import Box
    from rich.table import Table

    # rich's SIMPLE box. "ascii" keeps rich from replacing it by a grid of bars where "─" cannot be encoded; `write` does.
    rules = Box("    \n    \n ── \n    \n    \n ── \n    \n    \n", ascii=True)
    table = Table(box=rules, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0), show_footer=bool(footer))
    for index, header in enumerate([*texts, *numbers]):
        table.add_column(
            header,
            footer=footer[index] if footer else "",
            justify="left" if index < len(texts) else "right",
            no_wrap=True,
        )
    return table


class _Page:
    """Standard output as a page: how wide it is, and what fits on it."""

    def __init__(self) -> None:
        from rich.console import Console

        # A console without borders: what fits is decided here, so that rich never folds a cell.
        self.console = Console(width=100_000, highlight=False, markup=False, emoji=False, force_jupyter=False)
        asked = Console(force_jupyter=False)
        self.wraps = asked.is_terminal or os.environ.get("COLUMNS", "").isdigit()
        self.columns = asked.width if self.wraps else PIPED_COLUMNS

    def say(self, text: str = "", indent: str = "") -> None:
        """Print one line of text; a terminal gets it broken between words."""
        if self.wraps:
            text = textwrap.fill(text, max(self.columns, 20), subsequent_indent=indent, break_long_words=False)
        write(text + "\n")

    def tables(self, forms: Sequence[Callable[[], Table]]) -> bool:
        """Print the first form of a table that fits, or else the last; return whether it was not that last resort."""
        for form in forms:
            table = form()
            if self.console.measure(table).maximum <= self.columns:
                break
        with self.console.capture() as captured:
            self.console.print(table)
        write("\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n\n")
        return len(forms) == 1 or form is not forms[-1]


def _block_name(layer: Layer) -> str:
    return ".".join(layer.name.split(".")[:2]) if "." in layer.name else ""


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _output(layer: Layer) -> str:
    return _shape(layer.out_shape)


def _window(layer: Layer) -> str:
    """Kernel and stride as the papers write them: "3×3/2"."""
    if layer.kernel is None:
        return ""
    return _shape(layer.kernel) + (f"/{layer.stride}" if layer.stride and layer.stride > 1 else "")


def _full(number: int) -> str:
    return f"{number:,}"


def _abbreviated(number: int) -> str:
    """Three digits and a unit.

    >>> _abbreviated(4_089_184_256), _abbreviated(25_557_032), _abbreviated(999_999), _abbreviated(640)
    ('4.09 G', '25.6 M', '1.00 M', '640')
    """
    if number < 1000:
        return str(number)
    value, unit = float(number), 0
    while float(f"{value:.3g}") >= 1000 and unit < 4:
        value, unit = value / 1000, unit + 1
    return f"{value:.{max(0, 2 - (value >= 9.995) - (value >= 99.95))}f} {' kMGT'[unit]}"


def _signed(number: int) -> str:
    return f"{'−' if number < 0 else '+'}{abs(number):,}"


def _percent(change: int, base: int) -> str:
    if base == 0:
        return "new"
    share = 100 * change / base
    digits = 1 if abs(share) >= 0.05 else 3
    return f"{'−' if share < 0 else '+'}{abs(share):.{digits}f} %"


def _some(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
