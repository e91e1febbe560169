"""A whole network on one page: stem, stages, head, with what each costs.

Blocks that are drawn the same way collapse into one with "×23" beside it. The notation is that of 1512.03385, table 1:
"3×3, 128, /2" is a 3×3 convolution to 128 channels with stride 2.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable

from .. import architecture
from ..architecture import Block, Layer, ResNetConfig
from .picture import Figure
from .svg import CARD, INK, QUIET, RIM, SHORTCUT, STYLES, WARM, Drawing, text_width, wrap

WIDTH = 780.0
MARGIN = 22.0
BAND = "#f1f3ef"
RAIL, SPINE, LEFT = 64.0, 132.0, 100.0  # x of the shortcuts, of the main line, and of a block's left end
SHAPE_X, PARAMETERS_X, MACS_X = 528.0, 666.0, 746.0  # columns: middle of the shapes, right ends of the numbers
BAR = 66.0
ROW, PILL = 30.0, 22.0
BETWEEN = 10.0  # from band to band
THICK = 2.6  # the outline of what is pointed out


def architecture_map(
    config: ResNetConfig, image_size: int | tuple[int, int] | None = None, *, selected: str | None = None
) -> Figure:
    """Draw a whole network: every stage with its blocks, shortcuts, strides, shapes, parameters and MACs.

    Parameters
    ----------
    config
        The network.
    image_size
        Height and width of the images in pixels. Default: 224 (ImageNet family) or 32.
    selected
        Name of a layer to point out, such as "layer2.0.conv2": its place has a thick outline, in a stage with its name.

    Raises
    ------
    ValueError
        If the network has no layer of this name.

    Examples
    --------
    >>> architecture_map(architecture.resnet_config(20, family="cifar"))
    <Figure: map of ResNet-20 v1>
    """
    size = architecture.checked_image_size(config, image_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a drawing of a network on tiny images is not a training step
        layers = architecture.trace(config, size)
    if selected is not None and selected not in {layer.name for layer in layers}:
        raise ValueError(f"{config.name} has no layer {selected!r}; trace(config) lists its layers.")
    parts = {part: list(group) for part, group in itertools.groupby(layers, _part_of(layers))}
    stages = config.stages
    chips_end = _chips_end(stages)
    drawing = Drawing()
    image = f"{config.in_channels} × {size[0]} × {size[1]}"
    option = "no shortcuts" if config.shortcut == "none" else f"shortcut option {config.shortcut}"
    drawing.text(MARGIN + 4, 34, config.name, 17, bold=True)
    words = f"{len(config.blocks)} {config.block} blocks · {option} · one image of {image}"
    drawing.text(MARGIN + 4, 57, words, 12.5, colour=QUIET)
    for x, anchor, head in (
        (SHAPE_X, "middle", "output"),
        (PARAMETERS_X, "end", "parameters"),
        (MACS_X, "end", "MACs"),
    ):
        drawing.text(x, 84, head, 12, bold=True, colour=QUIET, anchor=anchor)

    totals = sum(layer.parameters for layer in layers), sum(layer.macs for layer in layers)
    y = 98.0
    for part, group in parts.items():
        y = _draw_part(drawing, part, group, stages.get(part, ()), chips_end, totals, y, selected) + 12
    y += 8
    drawing.text(LEFT, y, "total", 13, bold=True, total="name")
    drawing.text(PARAMETERS_X, y, f"{totals[0]:,}", 12.5, bold=True, anchor="end", total="parameters")
    drawing.text(MACS_X, y, short_count(totals[1]), 12.5, bold=True, anchor="end", total="macs")
    y += 24
    drawing.path(f"M{MARGIN + 4:.0f},{y:.0f}H{WIDTH - MARGIN - 4:.0f}", colour=RIM, width=1)
    y += 16
    for line in wrap(_legend(config, layers), 12, WIDTH - 2 * MARGIN - 8):
        drawing.text(MARGIN + 4, y, line, 12, colour=QUIET)
        y += 17
    alt = _alt(config.name, parts, stages, image, totals, selected)
    height = round(y + 10)
    svg = drawing.render(WIDTH, height, f"Map of {config.name}", alt)
    return Figure(f"map of {config.name}", alt, svg=svg, width=round(WIDTH), height=height)


def short_count(count: int) -> str:
    """A count with three digits and its unit.

    >>> short_count(4_089_184_256), short_count(40_551_040), short_count(512_000), short_count(640), short_count(0)
    ('4.09 G', '40.6 M', '512 k', '640', '0')
    """
    for unit, name in ((10**9, " G"), (10**6, " M"), (10**3, " k")):
        if count >= unit:
            value = count / unit
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f}{name}"
    return str(count)


def _part_of(layers: list[Layer]) -> Callable[[Layer], str]:
    head = next(index for index, layer in enumerate(layers) if layer.kind == "avgpool")
    # v2 ends with a BN and ReLU of its own in front of the pooling
    while layers[head - 1].name in ("bn", "relu"):
        head -= 1
    heads = {id(layer) for layer in layers[head:]}

    def part(layer: Layer) -> str:
        if layer.name.startswith("layer"):
            return layer.name.partition(".")[0]
        return "head" if id(layer) in heads else "stem"

    return part


def _draw_part(
    drawing: Drawing,
    part: str,
    layers: list[Layer],
    blocks: tuple[Block, ...],
    chips_end: float,
    totals: tuple[int, int],
    top: float,
    selected: str | None,
) -> float:
    """Draw one band from its top; return its bottom."""
    mark = len(drawing.elements)  # the band is painted below what stands on it, and its height is known at the end
    y = top + 19
    drawing.text(MARGIN + 14, y, part, 13.5, bold=True, part=part)
    _draw_costs(drawing, part, layers, totals, y)
    if part != "stem":
        first = y + 18 if blocks else y - PILL / 2
        drawing.route([(SPINE, top - BETWEEN - 1), (SPINE, first)], arrow=not blocks)
    if blocks:
        count = f"{len(blocks)} block" + ("s" if len(blocks) > 1 else "")
        drawing.text(SPINE + 15, y, f"{count}, width {blocks[0].width}", 12.5, colour=QUIET)
        y += 18
        for block, alike in groups(blocks):
            y = _draw_block(drawing, block, alike, chips_end, y, _inside(selected, block, alike))
    else:
        row = [(_words(layer), layer.kind, layer.stride or 1) for layer in layers]
        here = next((number for number, layer in enumerate(layers) if layer.name == selected), None)
        end = _draw_chips(drawing, row, LEFT + 8, y, here)
        bottom, y = y + PILL / 2, top + 50
        if part == "stem":  # from the end of the row back to the main line
            out = max(SPINE, end - 24)
            turn = [(out, bottom), (out, bottom + 12), (SPINE, bottom + 12)] if len(row) > 1 else [(SPINE, bottom)]
            drawing.route([*turn, (SPINE, y)])
    band = Drawing()
    band.box(MARGIN, top, WIDTH - 2 * MARGIN, y - top, fill=BAND, rim=BAND, radius=8)
    drawing.elements[mark:mark] = band.elements
    return y


def _draw_costs(drawing: Drawing, part: str, layers: list[Layer], totals: tuple[int, int], y: float) -> None:
    shape = " × ".join(map(str, layers[-1].out_shape))
    drawing.text(SHAPE_X, y, shape, 12.5, anchor="middle", part=part, value="shape")
    parameters, macs = sum(layer.parameters for layer in layers), sum(layer.macs for layer in layers)
    columns = ((PARAMETERS_X, parameters, f"{parameters:,}", totals[0]), (MACS_X, macs, short_count(macs), totals[1]))
    for (x, count, words, total), value in zip(columns, ("parameters", "macs"), strict=True):
        drawing.text(x, y, words, 12.5, anchor="end", part=part, value=value)
        drawing.box(x - BAR, y + 13, BAR, 6, fill="#dfe3dc", rim="none", radius=3, stroke=0)
        if (length := BAR * count / total) >= 0.5:
            drawing.box(x - BAR, y + 13, length, 6, fill="#2f6aa8", rim="none", radius=min(3.0, length / 2), stroke=0)


# Stages ---------------------------------------------------------------------------------------------------------------


def _convolutions(block: Block) -> tuple[tuple[str, int], ...]:
    """("3×3, 128", stride) of each convolution of a block."""
    strides = architecture.conv_strides(block.kind, block.version, block.stride)
    kernels = ("3×3", "3×3") if block.kind == "basic" else ("1×1", "3×3", "1×1")
    channels = [block.width] * (len(kernels) - 1) + [block.out_channels]
    return tuple(
        (f"{kernel}, {count}", stride) for kernel, count, stride in zip(kernels, channels, strides, strict=True)
    )


def _late_split(block: Block) -> bool:
    return block.version == "v2" and block.shortcut_kind != "none" and block.split_after_activation


def groups(blocks: Iterable[Block]) -> list[tuple[Block, int]]:
    """Runs of blocks that are drawn alike: the first block of each run, and how many there are."""

    def looks(block: Block) -> tuple[object, ...]:
        return _convolutions(block), block.shortcut_kind, block.stride, _late_split(block)

    runs = [list(run) for _, run in itertools.groupby(blocks, looks)]
    return [(run[0], len(run)) for run in runs]


def _inside(selected: str | None, block: Block, count: int) -> str:
    """The selected layer if it is one of a run of blocks, or else an empty text."""
    stage, _, first = block.name.partition(".")
    place = (selected or "").split(".")
    return selected or "" if place[0] == stage and int(first) <= int(place[1]) < int(first) + count else ""


def _draw_block(drawing: Drawing, block: Block, count: int, right: float, y: float, selected: str = "") -> float:
    """Draw a block, and how many there are of its kind, with its shortcut on the left; return where it ends."""
    kind = block.shortcut_kind
    layer = selected.partition(".")[2].partition(".")[2]
    if _late_split(block):
        drawing.route([(SPINE, y), (SPINE, y + 10)], arrow=True)
        stroke = THICK if layer in ("bn1", "relu1") else 1.0
        _chip(drawing, SPINE - 38, y + 10, "BN, ReLU", "relu", width=76, stroke=stroke, role="activation")
        y += 10 + PILL
    split = y + 7
    top = y + (20 if kind != "none" else 12)
    centre, bottom = top + ROW / 2, top + ROW
    plus = bottom + (20 if count > 1 else 18)
    drawing.route([(SPINE, y), (SPINE, top)], arrow=True)
    for offset in (6, 3) if count > 1 else ():
        drawing.box(LEFT + offset, top + offset, right - LEFT, ROW, fill=CARD, rim="#a8aeb5", radius=6)
    rim, stroke = (INK, THICK) if selected else ("#6b737c", 1.2)
    data = {"kind": "block", "block": block.name, "count": str(count)}
    drawing.box(LEFT, top, right - LEFT, ROW, rim=rim, stroke=stroke, radius=6, **data)
    chosen = int(layer.removeprefix("conv")) - 1 if layer.startswith("conv") else None
    _draw_chips(drawing, _chips(block), LEFT + 8, centre, chosen)
    if count > 1:
        drawing.text(right + 14, centre, f"×{count}", 14, bold=True, count=str(count))
    if selected:
        drawing.text(right + (60 if count > 1 else 14), centre, f"◂ {selected}", 12, bold=True, selected=selected)
    if kind == "none":
        end = bottom + (12 if count > 1 else 8)
        drawing.route([(SPINE, bottom + (6 if count > 1 else 0)), (SPINE, end)])
        return end
    drawing.circle(SPINE, split, 3, fill=SHORTCUT, rim=SHORTCUT, kind="split", block=block.name)
    rail = [(SPINE, split), (RAIL, split), (RAIL, plus), (SPINE - 8, plus)]
    drawing.route(rail, colour=SHORTCUT, width=2.2, arrow=True, kind="shortcut", shortcut=kind)
    if kind != "identity":
        words = ("1×1" if kind == "projection" else "pad") + (", /2" if block.stride > 1 else "")
        look = "conv" if kind == "projection" else "pad"
        stroke = THICK if layer.startswith("downsample") else 1.0
        _chip(drawing, RAIL - 29, centre - PILL / 2, words, look, width=58, stroke=stroke)
    drawing.route([(SPINE, bottom + (6 if count > 1 else 0)), (SPINE, plus - 8)], arrow=True)
    drawing.plus(SPINE, plus, 8, kind="add")
    if block.version != "v2":
        drawing.text(SPINE + 15, plus + 1, "ReLU", 12, colour=QUIET)
    drawing.route([(SPINE, plus + 8), (SPINE, plus + 14)])
    return plus + 14


def _chips(block: Block) -> list[tuple[str, str, int]]:
    return [(words, "conv", stride) for words, stride in _convolutions(block)]


def _chips_end(stages: dict[str, tuple[Block, ...]]) -> float:
    """Right end of the network's widest block: all blocks are drawn as wide as that one."""
    drawn = [block for blocks in stages.values() for block, _ in groups(blocks)]
    return max(_draw_chips(Drawing(), _chips(block), LEFT + 8, 0) for block in drawn) + 8


def _draw_chips(
    drawing: Drawing, chips: list[tuple[str, str, int]], x: float, y: float, chosen: int | None = None
) -> float:
    """Layers in one row, from left to right, one perhaps pointed out; return where the row ends."""
    for index, (words, kind, stride) in enumerate(chips):
        words += ", /2" if stride > 1 else ""
        if index:
            drawing.route([(x, y), (x + 14, y)], arrow=True, width=1.2)
            x += 14
        width = text_width(words, 12, stride > 1) + 12
        outline = THICK if index == chosen else 1.0
        _chip(drawing, x, y - PILL / 2, words, kind, width=width, bold=stride > 1, stroke=outline)
        x += width
    return x


def _chip(
    drawing: Drawing,
    x: float,
    y: float,
    words: str,
    kind: str,
    *,
    width: float,
    bold: bool = False,
    stroke: float = 1.0,
    **data: str,
) -> None:
    fill, rim, radius = STYLES[kind]
    rim = INK if stroke > 1 else rim
    drawing.box(x, y, width, PILL, fill=fill, rim=rim, radius=min(radius, PILL / 2), stroke=stroke, **data)
    colour = WARM if "/2" in words else INK
    drawing.text(x + width / 2, y + PILL / 2, words, 12, bold=bold, colour=colour, anchor="middle")


# Stem and head --------------------------------------------------------------------------------------------------------


def _words(layer: Layer) -> str:
    window = f"{layer.kernel[0]}×{layer.kernel[1]}" if layer.kernel else ""
    return {
        "conv": f"{window}, {layer.out_shape[0]}",
        "bn": "BN",
        "relu": "ReLU",
        "maxpool": f"{window} max-pool",
        "avgpool": f"average pool, {window}",
        "dense": f"dense, {layer.out_shape[0]}",
    }[layer.kind]


# In words -------------------------------------------------------------------------------------------------------------


def _legend(config: ResNetConfig, layers: list[Layer]) -> str:
    order = {
        "v2": "BN and ReLU precede every convolution of a block; “BN, ReLU” in front of a split feeds the shortcut too.",
    }.get(config.version, "BN follows every convolution, and ReLU every BN but the one before an addition.")
    shortcut = {
        "none": "There are no shortcuts.",
        "A": "Shortcuts: a plain line is the identity, “pad” subsamples and appends channels of zeros.",
    }.get(str(config.shortcut), "Shortcuts: a plain line is the identity, “1×1” is a projection.")
    if config.shortcut == "none" and config.version != "v2":
        order = "BN and ReLU follow every convolution."
    bars = "Output: channels × height × width. Bars: share of the whole network."
    return " ".join(filter(None, (_example(layers), order, shortcut, bars)))


def _example(layers: list[Layer]) -> str:
    """The notation, on the map's first strided convolution; nothing where none has a stride."""
    for layer in layers:
        if layer.kind == "conv" and (layer.stride or 1) > 1 and ".downsample" not in layer.name:
            kernel, _, channels = _words(layer).partition(", ")
            words = f"{kernel}, {channels}, /{layer.stride}"
            return f"{words}: a {kernel} convolution to {channels} channels with stride {layer.stride}."
    return ""


def _alt(
    name: str,
    parts: dict[str, list[Layer]],
    stages: dict[str, tuple[Block, ...]],
    image: str,
    totals: tuple[int, int],
    selected: str | None,
) -> str:
    text = [f"Map of {name} for one image of {image}, from stem to head."]
    if selected:
        text.append(f"Pointed out: {selected}.")
    for part, layers in parts.items():
        costs = (
            f"output {' × '.join(map(str, layers[-1].out_shape))}, {sum(layer.parameters for layer in layers):,} parameters, "
            f"{short_count(sum(layer.macs for layer in layers))} MACs"
        )
        blocks = stages.get(part, ())
        if blocks:
            runs = "; ".join(_say_run(block, count) for block, count in groups(blocks))
            text.append(f"{part}: {runs}; {costs}.")
        else:
            chips = ", ".join(_words(layer) + (" /2" if (layer.stride or 1) > 1 else "") for layer in layers)
            text.append(f"{part}: {chips}; {costs}.")
    text.append(f"Total: {totals[0]:,} parameters, {totals[1]:,} MACs.")
    return " ".join(text)


def _say_run(block: Block, count: int) -> str:
    layers = " then ".join(words + (" /2" if stride > 1 else "") for words, stride in _convolutions(block))
    shortcut = {"none": "no", "pad": "zero-padded"}.get(block.shortcut_kind, block.shortcut_kind)
    late = ", fed the activated input" if _late_split(block) else ""
    return f"{count} block{'s' if count > 1 else ''} of {layers}, {shortcut} shortcut{late}"
