"""The pictures say what the networks are: boxes, shapes, strides and the split are compared with the trace."""

from __future__ import annotations

import base64
import functools
import itertools
import re
import subprocess
import sys
import warnings
import zlib
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from xml.etree import ElementTree

from resnet_lessons import figures
from resnet_lessons.architecture import ResNetConfig, resnet_config, trace
from resnet_lessons.figures.svg import text_width

import numpy as np
import pytest

SVG = "{http://www.w3.org/2000/svg}"


def every_network() -> list[ResNetConfig]:
    """Every version and shortcut option of every depth in the papers, and of two smaller ones."""
    depths = [("imagenet", depth) for depth in (18, 34, 50, 101, 152)]
    depths += [("cifar", depth) for depth in (8, 20, 32, 44, 56, 110, 164, 1001, 1202)]
    bottlenecks = {50, 101, 152, 164, 1001}
    return [
        resnet_config(depth, version, family=family, shortcut=shortcut)
        for family, depth in depths
        for version in ("v1", "v1.5", "v2")
        for shortcut in ("A", "B", "C", "none")
        if version != "v1.5" or depth in bottlenecks
    ]


def name_of(config: ResNetConfig) -> str:
    return f"{config.depth}-{config.version}-{config.shortcut}"


NETWORKS = every_network()
SMALL = [config for config in NETWORKS if config.depth in (18, 50, 8, 20, 164)]
BLOCKS = [
    (config, block.name)
    for config in SMALL
    for block in config.blocks
    if block.name in {"layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer4.0"}
]


@dataclass(frozen=True)
class Box:
    """A text or a layer's rectangle on the page."""

    what: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def contains(self, other: Box) -> bool:
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


@functools.cache
def glyph_width(character: str, bold: bool) -> float:
    """Advance width in em of DejaVu Sans, which matplotlib brings along: the widest font a reader is likely to have."""
    import matplotlib
    from matplotlib.ft2font import FT2Font

    font = FT2Font(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans{'-Bold' if bold else ''}.ttf")
    font.set_size(100, 72)
    return font.load_char(ord(character)).linearHoriAdvance / 65536 / 100


def texts(root: ElementTree.Element) -> list[Box]:
    """Every text's box, in a wide font."""
    boxes = []
    for element in root.iter(f"{SVG}text"):
        size, x, baseline = (float(element.attrib[name]) for name in ("font-size", "x", "y"))
        text, bold = element.text or "", element.get("font-weight") == "bold"
        width = sum(glyph_width(character, bold) for character in text) * size
        assert width <= text_width(text, size, bold) + 1e-6, f"{text!r} is wider than the layout believes"
        left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[element.attrib["text-anchor"]]
        boxes.append(Box(text, left, baseline - 0.76 * size, left + width, baseline + 0.24 * size))
    return boxes


def rectangles(root: ElementTree.Element) -> list[Box]:
    """Every layer's rectangle, and those of chips."""
    boxes = []
    for element in root.iter(f"{SVG}rect"):
        if element.get("data-kind") == "card" or float(element.attrib["height"]) > 70 or not element.get("rx"):
            continue
        x, y, width, height = (float(element.attrib[name]) for name in ("x", "y", "width", "height"))
        boxes.append(Box(element.get("data-layer") or element.get("data-kind") or "chip", x, y, x + width, y + height))
    return boxes


def check_layout(figure: figures.Figure) -> None:
    root = parse(figure)
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    card = Box("card", 12, 12, width - 12, height - 12)
    words = texts(root)
    for box in words:
        assert card.contains(box), f"{box} leaves the card of {width}×{height}"
    for one, other in itertools.combinations(words, 2):
        assert not one.overlaps(other), f"{one} and {other} overlap"
    for rectangle in rectangles(root):
        for word in words:
            if rectangle.overlaps(word):
                assert rectangle.contains(word), f"{word} crosses the edge of {rectangle}"


def parse(figure: figures.Figure) -> ElementTree.Element:
    assert figure.svg is not None
    return ElementTree.fromstring(figure.svg)


def marked(root: ElementTree.Element, attribute: str, value: str | None = None) -> list[ElementTree.Element]:
    name = f"data-{attribute}"
    return [element for element in root.iter() if name in element.attrib and value in (None, element.get(name))]


def layers_of(config: ResNetConfig, block: str) -> list:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [layer for layer in trace(config) if layer.name.startswith(block + ".")]


def block_named(config: ResNetConfig, name: str):
    return next(block for block in config.blocks if block.name == name)


# Block diagrams -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "name"), BLOCKS, ids=lambda value: value if isinstance(value, str) else name_of(value)
)
def test_block_diagram_shows_the_trace(config: ResNetConfig, name: str) -> None:
    root = parse(figures.block_diagram(config, name))
    layers = layers_of(config, name)
    drawn = Counter(element.attrib["data-kind"] for element in marked(root, "layer"))
    assert drawn == Counter(layer.kind for layer in layers)
    assert {element.attrib["data-layer"] for element in marked(root, "layer")} == {layer.name for layer in layers}

    # the shapes along the branch: what enters each conv-BN-ReLU (v2: BN-ReLU-conv) and the addition, and what comes out
    branch = [layer for layer in layers if "downsample" not in layer.name]
    opens = ("bn" if config.version == "v2" else "conv", "add")
    expected = [layer.in_shape for layer in branch if layer.kind in opens] + [branch[-1].out_shape]
    expected += [layer.out_shape for layer in layers if "downsample" in layer.name][-1:]
    shown = [element.text for element in marked(root, "kind", "shape")]
    assert sorted(shown) == sorted(" × ".join(map(str, shape)) for shape in expected)

    # what stands in each convolution's box
    words = texts(root)
    for rectangle in rectangles(root):
        layer = next((layer for layer in layers if layer.name == rectangle.what and layer.kind == "conv"), None)
        if layer is not None:
            inside = [word.what for word in words if rectangle.contains(word)]
            stride = f", stride {layer.stride}" if layer.stride > 1 else " channels"
            assert inside == [f"{layer.kernel[0]}×{layer.kernel[1]} conv", f"{layer.out_shape[0]}{stride}"]


@pytest.mark.parametrize(
    ("config", "name"), BLOCKS, ids=lambda value: value if isinstance(value, str) else name_of(value)
)
def test_layers_stand_in_the_order_of_computation(config: ResNetConfig, name: str) -> None:
    root = parse(figures.block_diagram(config, name))
    top = {
        element.attrib["data-layer"]: float(element.get("y") or element.attrib["cy"])
        for element in marked(root, "layer")
    }
    trunk = [layer.name for layer in layers_of(config, name) if "downsample" not in layer.name]
    assert [top[layer] for layer in trunk] == sorted(top[layer] for layer in trunk)


@pytest.mark.parametrize(
    ("config", "name"), BLOCKS, ids=lambda value: value if isinstance(value, str) else name_of(value)
)
def test_shortcut_leaves_where_the_architecture_says(config: ResNetConfig, name: str) -> None:
    root = parse(figures.block_diagram(config, name))
    block = block_named(config, name)
    splits, lines = marked(root, "kind", "split"), marked(root, "kind", "shortcut")
    if config.shortcut == "none":
        assert not splits
        assert not lines
        assert not marked(root, "kind", "add")
        return
    (split,), (line,) = splits, lines
    at = float(split.attrib["cy"])
    assert line.attrib["d"].startswith(f"M{split.attrib['cx']},{split.attrib['cy']}L")
    y = {
        element.attrib["data-layer"]: float(element.attrib["y"])
        for element in marked(root, "layer")
        if element.get("y")
    }
    if config.version == "v2" and block.split_after_activation:
        assert y[f"{name}.bn1"] < y[f"{name}.relu1"] < at < y[f"{name}.conv1"]
    else:
        assert at < min(y[layer.name] for layer in layers_of(config, name) if layer.name in y)


def test_v2_splits_late_in_the_first_block_and_where_the_shape_changes_and_nowhere_else() -> None:
    config = resnet_config(18, "v2")
    late = {
        block.name
        for block in config.blocks
        if "activated input" in figures.block_diagram(config, block.name).alt
    }  # fmt: skip
    assert late == {"layer1.0", "layer2.0", "layer3.0", "layer4.0"}


@pytest.mark.parametrize("config", SMALL, ids=name_of)
def test_block_diagrams_have_room_for_every_text(config: ResNetConfig) -> None:
    for name in {block.name for block in config.blocks} & {"layer1.0", "layer1.1", "layer2.0", "layer3.0", "layer4.0"}:
        check_layout(figures.block_diagram(config, name))
        check_layout(figures.block_diagram(config, name, names=False, image_size=(600, 1000)))


@pytest.mark.parametrize("depth", [20, 110, 1202, 164, 1001, 18, 34, 50, 101, 152])
def test_versions_and_options_side_by_side_have_room(depth: int) -> None:
    family = "imagenet" if depth in (18, 34, 50, 101, 152) else "cifar"
    make = functools.partial(resnet_config, depth, family=family)
    versions = ("v1", "v1.5", "v2") if make().block == "bottleneck" else ("v1", "v2")
    check_layout(figures.block_diagrams([make(version) for version in versions], "layer2.0"))
    check_layout(figures.block_diagrams([make(shortcut=option) for option in ("none", "A", "B", "C")], "layer2.0"))
    check_layout(
        figures.block_diagrams([make("v2", shortcut=option) for option in ("none", "A", "B", "C")], "layer1.0")
    )


def test_v1_5_moves_the_stride_and_nothing_else_is_marked() -> None:
    figure = figures.block_diagrams([resnet_config(50, "v1"), resnet_config(50, "v1.5")], "layer2.0")
    root = parse(figure)
    thick = [box for box in marked(root, "layer") if float(box.attrib["stroke-width"]) > 2]
    assert [box.attrib["data-layer"] for box in thick] == ["layer2.0.conv1", "layer2.0.conv2"]
    assert len(marked(root, "kind", "mark")) == 3  # one beside each, one in the legend
    assert "conv1: stride 1 instead of 2; conv2: stride 2 instead of 1." in figure.alt


def test_v2_is_compared_in_words_with_everything_that_moved() -> None:
    figure = figures.block_diagrams([resnet_config(50, "v1.5"), resnet_config(50, "v2")], "layer2.0")
    assert figure.alt.endswith(
        "Different from the block on its left: BN, ReLU before conv1; no BN after conv3; no ReLU after the addition; "
        "no BN on the shortcut; the shortcut takes the activated input."
    )


def test_equal_blocks_are_not_marked() -> None:
    figure = figures.block_diagrams([resnet_config(18), resnet_config(34)])
    assert "Different from the block on its left: no difference." in figure.alt
    assert len(marked(parse(figure), "kind", "mark")) == 1  # the legend's


def test_blocks_of_different_kinds_are_shown_without_marks() -> None:
    root = parse(figures.block_diagrams(["basic", "bottleneck"]))
    assert not marked(root, "kind", "mark")
    assert Counter(box.attrib["data-kind"] for box in marked(root, "layer"))["conv"] == 2 + 3


def test_default_block_is_an_identity_block_where_there_is_one() -> None:
    assert figures.block_diagram("basic").description == "block layer1.1 of ResNet-34 v1"
    assert figures.block_diagram(resnet_config(8, family="cifar")).description == "block layer1.0 of ResNet-8 v1"


def test_alt_text_names_the_order_of_operations() -> None:
    assert figures.block_diagram(resnet_config(50, "v1.5"), "layer2.0").alt == (
        "Residual block layer2.0 of ResNet-50 v1.5. Input 256 × 56 × 56. Branch: 1×1 convolution to 128 channels, BN, "
        "ReLU, 3×3 convolution to 128 channels with stride 2, BN, ReLU, 1×1 convolution to 512 channels, BN. Shortcut "
        "from the input: 1×1 convolution to 512 channels with stride 2, BN. Branch and shortcut are added, then ReLU. "
        "Output 512 × 28 × 28."
    )
    v2 = figures.block_diagram(resnet_config(18, "v2"), "layer2.0").alt
    assert "Branch: BN, ReLU, 3×3 convolution to 128 channels with stride 2, BN, ReLU, 3×3 convolution" in v2
    assert "Shortcut from the activated input, behind the first BN and ReLU: 1×1 convolution" in v2
    assert "Branch and shortcut are added; nothing follows." in v2
    padded = figures.block_diagram(resnet_config(20, family="cifar"), "layer2.0").alt
    assert "Shortcut from the input: subsampling with stride 2, 16 channels of zeros appended." in padded
    assert "There is no shortcut." in figures.block_diagram(resnet_config(18, shortcut="none")).alt


def test_unknown_block_lists_the_blocks() -> None:
    with pytest.raises(
        ValueError, match=r"ResNet-18 v1 has no block 'layer5.0'; its blocks are layer1.0 … layer1.1, layer2"
    ):
        figures.block_diagram(resnet_config(18), "layer5.0")
    with pytest.raises(ValueError, match='"basic" or "bottleneck"'):
        figures.block_diagram("wide")
    with pytest.raises(ValueError, match="at least one"):
        figures.block_diagrams([])


# Architecture maps ----------------------------------------------------------------------------------------------------


@functools.cache
def map_of(config: ResNetConfig) -> figures.Figure:
    return figures.architecture_map(config)


@pytest.mark.parametrize("config", NETWORKS, ids=name_of)
def test_map_has_room_for_every_text(config: ResNetConfig) -> None:
    check_layout(map_of(config))


@pytest.mark.parametrize("config", NETWORKS, ids=name_of)
def test_map_holds_every_block_once_and_counts_what_the_trace_counts(config: ResNetConfig) -> None:
    root = parse(map_of(config))
    drawn = marked(root, "kind", "block")
    assert sum(int(box.attrib["data-count"]) for box in drawn) == len(config.blocks)
    layers = trace(config)
    for stage, blocks in config.stages.items():
        here = [box for box in drawn if box.attrib["data-block"].startswith(stage + ".")]
        assert sum(int(box.attrib["data-count"]) for box in here) == len(blocks)
        inside = [layer for layer in layers if layer.name.startswith(stage + ".")]
        shown = {box.attrib["data-value"]: box.text for box in marked(root, "part", stage) if box.get("data-value")}
        assert shown["parameters"] == f"{sum(layer.parameters for layer in inside):,}"
        assert shown["shape"] == " × ".join(map(str, inside[-1].out_shape))
    parameters = [box.text for box in marked(root, "value", "parameters")]
    assert sum(int(text.replace(",", "")) for text in parameters) == config.parameters  # stem and head included
    assert [box.text for box in marked(root, "total", "parameters")] == [f"{config.parameters:,}"]
    assert map_of(config).alt.endswith(f"{sum(layer.macs for layer in layers):,} MACs.")


@pytest.mark.parametrize("config", NETWORKS, ids=name_of)
def test_map_shows_strides_shortcuts_and_splits_of_the_blocks_it_draws(config: ResNetConfig) -> None:
    root = parse(map_of(config))
    blocks = {block.name: block for block in config.blocks}
    drawn = [blocks[box.attrib["data-block"]] for box in marked(root, "kind", "block")]
    kinds = [block.shortcut_kind for block in drawn if block.shortcut_kind != "none"]
    assert [line.attrib["data-shortcut"] for line in marked(root, "kind", "shortcut")] == kinds
    assert len(marked(root, "kind", "add")) == len(kinds)
    late = [block for block in drawn if config.version == "v2" and kinds and block.split_after_activation]
    assert len(marked(root, "role", "activation")) == len(late)

    layers = trace(config)
    expected = Counter()
    for layer in layers:
        block = layer.name.rpartition(".")[0]
        if layer.kind == "conv" and (block in {b.name for b in drawn} or layer.name == "conv1"):
            stride = ", /2" if layer.stride > 1 else ""
            expected[f"{layer.kernel[0]}×{layer.kernel[1]}, {layer.out_shape[0]}{stride}"] += 1
    written = Counter(text.what for text in texts(root) if re.fullmatch(r"\d×\d, \d+(, /2)?", text.what))
    assert written == expected


@pytest.mark.parametrize("config", NETWORKS, ids=name_of)
def test_map_explains_its_notation_on_a_layer_that_it_draws(config: ResNetConfig) -> None:
    written = [text.what for text in texts(parse(map_of(config)))]
    legend = " ".join(written[written.index("total") :])
    found = re.search(r"((\d×\d), (\d+), /2): a \2 convolution to \3 channels with stride 2\.", legend)
    assert found, legend
    assert found[1] in written


def test_map_takes_the_first_strided_convolution_as_its_example() -> None:
    for config, example in ((resnet_config(50), "7×7, 64, /2: a 7×7"), (NETWORKS[-1], "3×3, 32, /2: a 3×3")):
        assert any(text.what.startswith(example) for text in texts(parse(map_of(config))))


@pytest.mark.parametrize("config", NETWORKS, ids=name_of)
def test_map_collapses_only_blocks_that_are_alike(config: ResNetConfig) -> None:
    drawn = {box.attrib["data-block"] for box in marked(parse(map_of(config)), "kind", "block")}

    def nature(block) -> tuple:
        late = config.version == "v2" and config.shortcut != "none" and block.split_after_activation
        return block.width, block.stride, block.shortcut_kind, late

    for before, block in itertools.pairwise(config.blocks):
        assert block.name in drawn or nature(block) == nature(before)


def test_deep_networks_collapse() -> None:
    root = parse(map_of(resnet_config(1202, family="cifar")))
    assert [text.text for text in marked(root, "count") if text.tag == f"{SVG}text"] == ["×200", "×199", "×199"]
    assert "×22" in {text.what for text in texts(parse(map_of(resnet_config(101))))}


def test_map_follows_the_image_size() -> None:
    figure = figures.architecture_map(resnet_config(50, "v1.5"), image_size=(600, 1000))
    assert "2048 × 19 × 32" in {text.what for text in texts(parse(figure))}
    check_layout(figure)


def test_tiny_images_are_drawn_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures.architecture_map(resnet_config(18), image_size=32)
        figures.block_diagram(resnet_config(18), "layer4.0", image_size=32)


# Curves and images ----------------------------------------------------------------------------------------------------


def history(top: float, epochs: int = 5) -> dict[str, list[float]]:
    accuracy = [top * (epoch + 1) / epochs for epoch in range(epochs)]
    return {
        "epoch": list(range(1, epochs + 1)),
        "train_accuracy": accuracy,
        "train_loss": [1.5 - value for value in accuracy],
    }


def test_curves_describe_themselves() -> None:
    figure = figures.curves({"plain-20": history(0.9), "plain-56": [history(0.5), history(0.7)]})
    assert repr(figure) == "<Figure: train_accuracy of plain-20, plain-56>"
    assert "training accuracy (%) by epoch, 1 to 5" in figure.alt
    assert "plain-20: starts at 18, ends at 90" in figure.alt
    assert "mean of 2 runs that end between 50 and 70" in figure.alt
    assert figure.png is not None
    assert figure.png.startswith(b"\x89PNG")
    assert figures.curves({"a": history(0.9)}, alt="The network learns.").alt == "The network learns."


def test_diverged_run_is_drawn_and_named() -> None:
    broken = history(0.5)
    broken["train_loss"][3:] = [float("nan")] * 2
    from resnet_lessons.figures.plots import _end_label

    assert figures.curves({"a": broken, "b": history(0.9)}, "train_loss").png
    assert _end_label("a", np.array([[1.0, np.nan]]), str) == "a\ndiverged"


@pytest.mark.parametrize(
    ("runs", "y", "message"),
    [
        ({"a": {"epoch": [1]}}, "train_loss", "'a' has no train_loss; it has epoch"),
        ({"a": {"epoch": [1, 2], "train_loss": [1.0]}}, "train_loss", "2 values of epoch and 1 of train_loss"),
        ({"a": [history(0.5, 3), history(0.5, 4)]}, "train_loss", "different lengths: 3, 4"),
        ({"a": {"epoch": [1], "train_accuracy": [97.0]}}, "train_accuracy", "fraction from 0 to 1"),
        ({"a": {"epoch": [], "train_loss": []}}, "train_loss", "no values"),
        ({}, "train_loss", "1 to 7 lines; there are 0"),
    ],
)
def test_curves_say_what_is_wrong_with_a_history(runs: dict, y: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        figures.curves(runs, y)


def test_profile_needs_a_value_for_each_name() -> None:
    figure = figures.profile({"plain": [1, 10, 100], "residual": [[1, 2, 3], [2, 3, 4]]}, ["a", "b", "c"], "norm")
    assert repr(figure) == "<Figure: norm along plain, residual>"
    with pytest.raises(ValueError, match="'plain' has 2 values for 3 names"):
        figures.profile({"plain": [1, 2]}, ["a", "b", "c"], "norm")
    with pytest.raises(ValueError, match="log=False"):
        figures.profile({"plain": [1, 0, 2]}, ["a", "b", "c"], "norm")


@pytest.mark.parametrize(
    "names", [list(range(1, 56)), [f"layer{stage}.{block}.conv2" for stage in (1, 2) for block in range(9)]]
)
def test_profile_leaves_no_blank_below_its_names(names: list) -> None:
    import io

    from PIL import Image

    figure = figures.profile({"plain": [1.0] * len(names)}, names, "norm")
    assert figure.png is not None
    pixels = np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGBA").convert("L"))
    inked = np.flatnonzero((pixels[:, 100:-100] < 120).any(axis=1))  # text, without the card's edge
    blank = (len(pixels) - inked[-1]) / len(pixels)
    assert 0.02 < blank < 0.07


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_stands_out_from_its_ground() -> None:
    from resnet_lessons.figures import network, plots, svg

    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    fills = [svg.CARD, network.BAND, *(fill for fill, _, _ in svg.STYLES.values())]
    pairs = [(ink, fill) for ink in (svg.INK, svg.WARM) for fill in fills]
    pairs += [(ink, ground) for ink in (svg.QUIET, svg.SHORTCUT) for ground in (svg.CARD, network.BAND)]
    pairs += [(colour, svg.CARD) for colour in plots.COLOURS]
    assert {pair: contrast(*pair) for pair in pairs if contrast(*pair) < 4.5} == {}


def test_labels_at_line_ends_keep_their_distance() -> None:
    from resnet_lessons.figures.plots import spread

    places = spread([5, 6, 7, 99, 100], 10, 0, 100)
    assert all(after - before >= 10 for before, after in itertools.pairwise(places))
    assert places[0] >= 0
    assert places[-1] <= 100


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 3), (3, 8, 8), (6, 9)])
def test_images_keep_their_pixels(shape: tuple[int, ...]) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (5, *shape), dtype=np.uint8)
    figure = figures.images(pixels, [f"image {number}" for number in range(5)], title="Five")
    check_layout(figure)
    shown = [element.attrib["href"] for element in parse(figure).iter(f"{SVG}image")]
    assert len(shown) == 5
    import io

    for link, given in zip(shown, pixels, strict=True):
        decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2]))))
        expected = given.transpose(1, 2, 0) if shape[0] == 3 else given
        np.testing.assert_array_equal(decoded, expected.squeeze())
    assert "labelled in reading order: image 0, image 1" in figure.alt


def test_images_wider_than_a_stored_block_are_valid_png() -> None:
    from resnet_lessons.figures.grids import encode_png

    pixels = np.zeros((300, 300, 3), np.uint8)
    data = encode_png(pixels)
    stream = data[data.index(b"IDAT") + 4 :]
    assert len(zlib.decompressobj().decompress(stream)) == 300 * (1 + 900)


def test_images_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="2 images and 1 labels"):
        figures.images(np.zeros((2, 8, 8)), ["one"])
    with pytest.raises(ValueError, match="these have"):
        figures.images([np.zeros((8, 8)), np.zeros((9, 9))])
    with pytest.raises(ValueError, match="at least one"):
        figures.images([])
    with pytest.raises(ValueError, match="1 or 3 channels"):
        figures.images(np.zeros((1, 8, 8, 4)))
    with pytest.raises(ValueError, match="not finite"):
        figures.images(np.full((1, 8, 8), np.nan))


# In notebooks ---------------------------------------------------------------------------------------------------------


class _Images(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.found.append(dict(attrs))


@pytest.mark.parametrize(
    "figure",
    [
        figures.block_diagram("basic"),
        figures.architecture_map(resnet_config(20, family="cifar")),
        figures.images(np.eye(8)[None], ['a "quoted" <label> & more']),
        figures.curves({"a & <b>": history(0.9)}, title='"quoted"'),
    ],
    ids=["block", "map", "images", "curves"],
)
def test_notebook_output_carries_the_alt_text(figure: figures.Figure, tmp_path) -> None:
    data, metadata = figure._repr_mimebundle_()
    parser = _Images()
    parser.feed(data["text/html"])
    (image,) = parser.found
    assert image["alt"] == figure.alt
    assert metadata["alt"] == metadata[figure.mime]["alt"] == figure.alt
    kind, _, encoded = str(image["src"]).partition(";base64,")
    assert kind == f"data:{figure.mime}"
    saved = figure.save(tmp_path / ("picture.svg" if figure.svg else "picture.png"))
    assert saved.read_bytes() == base64.b64decode(encoded)
    assert data["text/plain"] == repr(figure)
    assert " at 0x" not in repr(figure)
    with pytest.raises(ValueError, match="is saved as"):
        figure.save(tmp_path / "picture.jpg")


def test_diagrams_are_documents_with_title_description_and_role() -> None:
    for figure in (figures.block_diagram("basic"), map_of(resnet_config(50))):
        root = parse(figure)
        assert root.attrib["role"] == "img"
        assert root.find(f"{SVG}title") is not None
        assert root.find(f"{SVG}desc").text == figure.alt
        assert not re.search(r"\d\.\d\d", re.sub(r"<desc>.*</desc>|>[^<]*<", "", figure.svg)), (
            "coordinates: one decimal"
        )
        assert "style=" not in figure.svg
        assert "var(" not in figure.svg


def test_diagrams_are_the_same_to_the_byte_in_another_process() -> None:
    code = (
        "from resnet_lessons import figures; from resnet_lessons.architecture import resnet_config as c; import hashlib, sys;"
        "d = [figures.block_diagrams([c(50, v) for v in ('v1', 'v1.5', 'v2')], 'layer2.0').svg,"
        "     figures.architecture_map(c(110, 'v2', family='cifar')).svg];"
        "assert not {'matplotlib', 'torch', 'tensorflow', 'PIL', 'numpy'} & set(sys.modules), 'heavy import';"
        "print(hashlib.sha256(''.join(d).encode()).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
