"""How much of the image one output sees: receptive fields drawn to scale over the image.

The numbers are those of `architecture.trace`: the largest field over all paths, borders not clipped. It is what an output
*can* depend on; how much it does is another matter (Luo et al. 2016, arXiv 1701.04128).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from .. import architecture
from ..architecture import Layer, ResNetConfig
from .picture import Figure
from .svg import INK, LINE, QUIET, STYLES, Drawing, text_width, wrap

MARGIN, TOP, SIDE = 26.0, 66.0, 300.0  # SIDE: of the square that image and fields are drawn in
LARGEST = 4.0  # a field of more than so many image sides is not drawn to scale, or the image would vanish
ROW = 26.0
DASHES = ("", "7 3", "2 3", "9 3 2 3")


def receptive_fields(
    config: ResNetConfig, image_size: int | tuple[int, int] | None = None, *, layers: Sequence[str] = ()
) -> Figure:
    """Draw the image, and around its middle the field that one output of each layer sees.

    Parameters
    ----------
    config
        The network.
    image_size
        Height and width of the images in pixels. Default: 224 (ImageNet family) or 32.
    layers
        Names of layers, such as "layer2.0.conv2". Default: the end of each stage.

    Raises
    ------
    ValueError
        If the network has no layer of such a name.

    Examples
    --------
    >>> receptive_fields(architecture.resnet_config(50))
    <Figure: receptive fields of ResNet-50 v1>
    """
    size = architecture.checked_image_size(config, image_size)
    fields = _fields(config, size, layers)
    drawing = Drawing()
    title = f"{config.name}: what one output sees"
    drawing.text(MARGIN, MARGIN + 8, title, 15, bold=True)
    words = f"of an image of {size[0]} × {size[1]} pixels"
    drawing.text(MARGIN, MARGIN + 28, words, 12, colour=QUIET)

    reach = min(max([*size, *fields.values()]), LARGEST * max(size))
    scale = SIDE / reach
    middle_x, middle_y = MARGIN + SIDE / 2, TOP + SIDE / 2
    fill, rim, _ = STYLES["conv"]
    height, width = (side * scale for side in size)
    drawing.box(
        middle_x - width / 2,
        middle_y - height / 2,
        width,
        height,
        fill=fill,
        rim=rim,
        radius=0,
        stroke=1.6,
        kind="image",
    )
    x, y = MARGIN + SIDE + 34, TOP + 6
    right = x
    for number, (name, field) in enumerate(sorted(fields.items(), key=lambda item: -item[1])):
        half = min(field, reach) * scale / 2
        corner = (middle_x + half, middle_y - half)
        drawing.path(
            f"M{middle_x - half:.1f},{corner[1]:.1f}h{2 * half:.1f}v{2 * half:.1f}h{-2 * half:.1f}z",
            colour=INK,
            width=1.8,
            dash=DASHES[number % len(DASHES)],
            kind="field",
            layer=name,
            side=str(field),
        )
        drawing.path(f"M{corner[0]:.1f},{corner[1]:.1f}L{x - 8:.1f},{y:.1f}", colour=LINE, width=1)
        drawing.circle(*corner, 2.5, fill=LINE, rim=LINE, stroke=0)
        label = _label(name, field, reach)
        drawing.text(x, y, label, 12.5, bold=field > min(size))
        right = max(right, x + text_width(label, 12.5, True))
        y += ROW
    page = max(right + MARGIN, MARGIN + text_width(title, 15, True) + MARGIN)
    y = max(y, TOP + SIDE) + 24
    legend = (
        "Filled: the image. Squares: receptive fields, to scale, not clipped at the image's borders. Bold: wider than the "
        "image's shorter side."
    )
    for line in wrap(legend, 12, page - 2 * MARGIN):
        drawing.text(MARGIN, y, line, 12, colour=QUIET)
        y += 17
    alt = _alt(config, size, fields)
    svg = drawing.render(round(page), round(y + 8), title, alt)
    return Figure(f"receptive fields of {config.name}", alt, svg=svg, width=round(page), height=round(y + 8))


def _fields(config: ResNetConfig, size: tuple[int, int], layers: Sequence[str]) -> dict[str, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a drawing of a network on tiny images is not a training step
        traced = {layer.name: layer for layer in architecture.trace(config, size)}
    if layers:
        if missing := [name for name in layers if name not in traced]:
            raise ValueError(f"{config.name} has no layer {missing[0]!r}; trace(config) lists its layers.")
        return {name: traced[name].receptive_field for name in layers}
    return {f"end of {stage}": _last(traced, stage).receptive_field for stage in config.stages}


def _last(traced: dict[str, Layer], stage: str) -> Layer:
    return [layer for name, layer in traced.items() if name.startswith(f"{stage}.")][-1]


def _label(name: str, field: int, reach: float) -> str:
    return f"{name}: {field:,} × {field:,}" + (", drawn smaller" if field > reach else "")


def _alt(config: ResNetConfig, size: tuple[int, int], fields: dict[str, int]) -> str:
    def compare(field: int) -> str:
        if field > max(size):
            return f"{field} × {field} pixels, more than the image"
        return f"{field} × {field} pixels"

    listed = "; ".join(f"{name}: {compare(field)}" for name, field in fields.items())
    return (
        f"Receptive fields of {config.name} over an image of {size[0]} × {size[1]} pixels, as nested squares. {listed}."
    )
