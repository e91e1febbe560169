"""Diagrams of residual blocks, one or several side by side, drawn from a network's description.

The branch runs from top to bottom, the shortcut beside it. Version v2 (arXiv 1603.05027) has two kinds of block: where
`Block.split_after_activation` says so, the shortcut leaves behind the first BN and ReLU, elsewhere before them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from ..architecture import Layer, ResNetConfig
from .picture import Figure
from .plan import Node, Plan, compare, named_network, plan_block, short_name, shortcut_words, words
from .svg import INK, LINE, QUIET, SHORTCUT, STYLES, WARM, Drawing, text_width, wrap

BRANCH, SIDE, GAP, BETWEEN = 112.0, 108.0, 22.0, 30.0  # widths: boxes, boxes of the shortcut; gaps between columns
MARGIN = 26.0


def block_diagram(
    network: ResNetConfig | str,
    block: str | None = None,
    *,
    image_size: int | tuple[int, int] | None = None,
    names: bool = True,
) -> Figure:
    """Draw one residual block of a network: branch and shortcut, with the shapes along the edges.

    Parameters
    ----------
    network
        The network; "basic" and "bottleneck" stand for ResNet-34 and ResNet-50 v1.
    block
        Name of the block, such as "layer2.0". Default: "layer1.1", the first one whose shortcut is the identity (in a
        network with one block a stage: "layer1.0").
    image_size
        Height and width of the images in pixels, for the shapes. Default: 224 (ImageNet family) or 32.
    names
        Whether the layers' names in the code stand beside them.

    Raises
    ------
    ValueError
        If the network has no such block; the message lists the blocks there are.

    Examples
    --------
    >>> from resnet_lessons.architecture import resnet_config
    >>> block_diagram(resnet_config(50, "v1.5"), "layer2.0")
    <Figure: block layer2.0 of ResNet-50 v1.5>
    """
    return _figure([plan_block(named_network(network), block, image_size)], names=names, mark=False)


def block_diagrams(
    networks: Sequence[ResNetConfig | str | tuple[ResNetConfig | str, str] | tuple[ResNetConfig | str, str, Any]],
    block: str | None = None,
    *,
    image_size: int | tuple[int, int] | None = None,
    mark: bool = True,
) -> Figure:
    """Draw blocks side by side, each compared with the one on its left.

    Parameters
    ----------
    networks
        Networks, or pairs (network, name of the block), or triples with an image size of their own as well.
    block
        Name of the block for the networks that come without one; the default is `block_diagram`'s.
    image_size
        Height and width of the images in pixels.
    mark
        Whether to mark what differs from the block on the left, with a diamond and a thick outline, and to say it in
        words below. Blocks of different kinds (basic, bottleneck) are never marked: almost everything differs.

    Examples
    --------
    >>> from resnet_lessons.architecture import resnet_config
    >>> block_diagrams([resnet_config(50, version) for version in ("v1", "v1.5", "v2")], "layer2.0")
    <Figure: blocks layer2.0 of ResNet-50 v1, layer2.0 of ResNet-50 v1.5, layer2.0 of ResNet-50 v2>
    """
    if not networks:
        raise ValueError("block_diagrams needs at least one network; the list is empty.")
    plans = []
    for entry in networks:
        given: tuple[Any, ...] = entry if isinstance(entry, tuple) else (entry,)
        network, name, size = given + (None, block, image_size)[len(given) :]
        plans.append(plan_block(named_network(network), name, size))
    return _figure(plans, names=False, mark=mark)


def _figure(plans: list[Plan], *, names: bool, mark: bool) -> Figure:
    mark = mark and len(plans) > 1 and len({plan.config.block for plan in plans}) == 1
    if mark:
        for left, plan in itertools.pairwise(plans):
            compare(left, plan)
    drawing = Drawing()
    x, bottom = MARGIN, 0.0
    for plan in plans:
        width = _panel_width(plan, names)
        bottom = max(bottom, _draw_panel(drawing, plan, x, names))
        x += width + BETWEEN
    width = x - BETWEEN + MARGIN
    if mark:
        bottom = _draw_notes(drawing, plans, bottom + 14)
    legend = "Shapes: channels × height × width"
    drawing.text(MARGIN, bottom + 22, legend, 12, colour=QUIET)
    if mark:
        x = MARGIN + text_width(legend, 12) + 28
        _diamond(drawing, x, bottom + 22)
        drawing.text(x + 12, bottom + 22, "differs from the block on its left", 12, colour=QUIET)
        width = max(width, x + 12 + text_width("differs from the block on its left", 12) + MARGIN)
    width = max(width, 2 * MARGIN + text_width(legend, 12))
    height = bottom + 44
    titles = [f"{plan.block.name} of {plan.config.name}" for plan in plans]
    alt = " ".join(_alt(plan) for plan in plans)
    description = ("block " if len(plans) == 1 else "blocks ") + ", ".join(titles)
    svg = drawing.render(round(width), round(height), description[0].upper() + description[1:], alt)
    return Figure(description, alt, svg=svg, width=round(width), height=round(height))


def _panel_width(plan: Plan, names: bool) -> float:
    title, *lines = _heading(plan)
    width = (58 if names else 0) + BRANCH + (GAP + _side_width(plan) if plan.side else 0)
    width += 92 if names and any(node.layer for node in plan.side) else 0
    return max([width, text_width(title, 15, True), *(text_width(line, 12) for line in lines)])


def _side_width(plan: Plan) -> float:
    if not plan.side:
        return 0.0
    if any(node.layer for node in plan.side):
        return SIDE
    return 86.0 if plan.config.version == "v2" else 64.0  # v2 writes on the line which input it carries


def _heading(plan: Plan) -> tuple[str, ...]:
    block = plan.block
    stride = f" · stride {block.stride}" if block.stride > 1 else ""
    option = "" if plan.config.shortcut == "none" else f"option {plan.config.shortcut}: "
    return plan.config.name, f"{block.name} · {block.kind}{stride}", f"{option}{shortcut_words(plan)} shortcut"


def _draw_panel(drawing: Drawing, plan: Plan, x: float, names: bool) -> float:
    """Draw one block from its upper left corner; return where it ends."""
    title, *lines = _heading(plan)
    drawing.text(x, MARGIN + 8, title, 15, bold=True)
    for row, line in enumerate(lines):
        drawing.text(x, MARGIN + 28 + 17 * row, line, 12, colour=QUIET)
    left = x + (58 if names else 0)
    centre, side = left + BRANCH / 2, left + BRANCH + GAP + _side_width(plan) / 2
    bottom = _place(plan.trunk, MARGIN + 72)
    _draw_shortcut(drawing, plan, centre, side, names)
    _draw_column(drawing, plan.trunk, centre, LINE, 1.5)
    for node in plan.layers if names else []:
        if node.kind != "add":
            drawing.text(left - 12, node.y, short_name(node), 12, colour=QUIET, anchor="end", names=short_name(node))
    return bottom


def _place(nodes: list[Node], top: float) -> float:
    """Give every node of a column its height on the page; return the column's end."""
    y = top
    for before, node in zip([None, *nodes], nodes, strict=False):
        y += 0 if before is None else _gap(before, node)
        node.y = y + node.height / 2
        y += node.height
    return y


def _gap(before: Node, node: Node) -> float:
    if before.kind == "split":
        return 18.0
    if node.kind in ("shape", "word", "split"):
        return 7.0 if before.kind != "relu" or node.kind != "split" else 14.0
    return 15.0 if before.kind in ("shape", "word") else 13.0


def _draw_column(drawing: Drawing, nodes: list[Node], x: float, colour: str, width: float) -> None:
    for before, node in itertools.pairwise(nodes):
        start, end = before.y + before.height / 2, node.y - node.height / 2
        drawing.route([(x, start), (x, end)], colour=colour, width=width, arrow=node.layer is not None)
    for node in nodes:
        _draw_node(drawing, node, x, BRANCH if colour == LINE else SIDE)


def _draw_shortcut(drawing: Drawing, plan: Plan, centre: float, side: float, names: bool) -> None:
    if plan.split is None:
        return
    split, add = plan.split, next(node for node in plan.trunk if node.kind == "add")
    height = _place(plan.side, 0.0)
    top = _place(plan.side, split.y + (add.y - split.y - height) / 2) - height
    first, last = plan.side[0], plan.side[-1]
    into_box = first.layer is not None
    start = [(centre, split.y), (side, split.y), (side, top)]
    drawing.route(start, colour=SHORTCUT, width=2.5, arrow=into_box, kind="shortcut")
    end = [(side, last.y + last.height / 2), (side, add.y), (centre + add.height / 2, add.y)]
    drawing.route(end, colour=SHORTCUT, width=2.5, arrow=True)
    _draw_column(drawing, plan.side, side, SHORTCUT, 2.5)
    if plan.config.version == "v2":
        word = "activated" if plan.after_activation else "raw input"
        drawing.text(centre + BRANCH / 2 + 5, split.y - 10, word, 12, bold=split.marked, colour=SHORTCUT)
    for node in plan.side if names else []:
        if node.layer is not None:
            drawing.text(side + SIDE / 2 + 8, node.y, short_name(node), 12, colour=QUIET, names=short_name(node))


def _draw_node(drawing: Drawing, node: Node, x: float, width: float) -> None:
    name = node.layer.name if node.layer else ""
    if node.kind == "split":
        drawing.circle(x, node.y, 4, fill=SHORTCUT, rim=SHORTCUT, kind="split")
        if node.marked:
            _diamond(drawing, x - 14, node.y)
    elif node.kind in ("shape", "word"):
        colour = SHORTCUT if node.kind == "word" else INK
        drawing.text(x, node.y, node.lines[0], 12, colour=colour, anchor="middle", kind=node.kind)
        if node.marked:
            _diamond(drawing, x - text_width(node.lines[0], 12) / 2 - 8, node.y)
    elif node.kind == "add":
        drawing.plus(x, node.y, node.height / 2, stroke=3 if node.marked else 1.5, kind="add", layer=name)
        if node.marked:
            _diamond(drawing, x - node.height / 2, node.y)
    else:
        _draw_layer(drawing, node, x, width)


def _draw_layer(drawing: Drawing, node: Node, x: float, width: float) -> None:
    fill, rim, radius = STYLES[node.kind]
    assert node.layer is not None
    left, top = x - width / 2, node.y - node.height / 2
    drawing.box(
        left,
        top,
        width,
        node.height,
        fill=fill,
        rim=INK if node.marked else rim,
        radius=radius,
        stroke=2.6 if node.marked else 1.2,
        kind=node.kind,
        layer=node.layer.name,
    )
    for row, line in enumerate(node.lines):
        y = node.y + (row - (len(node.lines) - 1) / 2) * 16
        strided = "stride" in line
        bold = strided or (row == 0 and node.kind in ("conv", "pad"))
        drawing.text(x, y, line, 13 if row == 0 else 12, bold=bold, colour=WARM if strided else INK, anchor="middle")
    if node.marked:
        _diamond(drawing, left, node.y)


def _diamond(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(f"M{x:.1f},{y - 6:.1f}l6,6l-6,6l-6,-6z", colour="#ffffff", width=1.2, fill=INK, kind="mark")


def _draw_notes(drawing: Drawing, plans: list[Plan], top: float) -> float:
    x, bottom = MARGIN, top
    for number, plan in enumerate(plans):
        width = _panel_width(plan, False)
        if number:
            y = top + 8
            drawing.text(x, y, "Unlike its left neighbour:", 12, bold=True)
            for note in plan.notes:
                for row, line in enumerate(wrap(note, 12, width - 12)):
                    y += 18 if row == 0 else 16
                    if row == 0:
                        drawing.text(x, y, "·", 12, bold=True)
                    drawing.text(x + 12, y, line, 12)
            bottom = max(bottom, y + 10)
        x += width + BETWEEN
    return bottom


# In words -------------------------------------------------------------------------------------------------------------


def _alt(plan: Plan) -> str:
    block = plan.block
    layers = [node.layer for node in plan.layers if node.layer]
    add = next((index for index, layer in enumerate(layers) if layer.kind == "add"), len(layers))
    order = ", ".join(_say(layer) for layer in layers[:add])
    kind = "Residual block" if plan.side else "Plain block"
    text = [f"{kind} {block.name} of {plan.config.name}. Input {plan.trunk[0].lines[0]}. Branch: {order}."]
    if plan.side:
        source = "the activated input, behind the first BN and ReLU" if plan.after_activation else "the input"
        ways = ", ".join(_say(node.layer) for node in plan.side if node.layer) or "the identity"
        then = ", ".join(_say(layer) for layer in layers[add + 1 :])
        text.append(f"Shortcut from {source}: {ways}.")
        text.append("Branch and shortcut are added" + (f", then {then}." if then else "; nothing follows."))
    else:
        text.append("There is no shortcut.")
    text.append(f"Output {plan.trunk[-1].lines[0]}.")
    if plan.notes:
        text.append(f"Different from the block on its left: {'; '.join(plan.notes)}.")
    return " ".join(text)


def _say(layer: Layer) -> str:
    stride = f" with stride {layer.stride}" if (layer.stride or 1) > 1 else ""
    if layer.kind == "conv":
        assert layer.kernel is not None
        return f"{layer.kernel[0]}×{layer.kernel[1]} convolution to {layer.out_shape[0]} channels{stride}"
    if layer.kind == "pad":
        return (
            f"{'subsampling' + stride + ', ' if stride else ''}{words(layer)[-1].removeprefix('+')} of zeros appended"
        )
    return {"bn": "BN", "relu": "ReLU"}[layer.kind]
