"""The pictures that the architecture explorer adds: a layer pointed out on the map, and receptive fields over the image."""

from __future__ import annotations

import itertools
import re

from resnet_lessons import figures
from resnet_lessons.architecture import resnet_config, trace
from resnet_lessons.labs import explorer_views as views
from tests.test_figures import check_layout, marked, parse

import pytest

THICK = str(figures.network.THICK)
NETWORKS = [
    resnet_config(50),
    resnet_config(34, "v2"),
    resnet_config(20, family="cifar"),
    resnet_config(164, "v2", family="cifar"),
]


@pytest.mark.parametrize("config", NETWORKS, ids=lambda config: config.name)
def test_the_map_points_out_the_block_that_holds_a_layer(config):
    for block in config.blocks[:: max(1, len(config.blocks) // 9)]:
        layer = next(layer.name for layer in trace(config) if layer.name.startswith(f"{block.name}."))
        figure = figures.architecture_map(config, selected=layer)
        check_layout(figure)
        root = parse(figure)
        thick = [box for box in marked(root, "kind", "block") if box.attrib["stroke-width"] == THICK]
        (box,) = thick
        first, count = box.attrib["data-block"], int(box.attrib["data-count"])
        inside = [f"{first.split('.')[0]}.{int(first.split('.')[1]) + offset}" for offset in range(count)]
        assert block.name in inside
        assert [text.text for text in marked(root, "selected")] == [f"◂ {layer}"]
        assert f"Pointed out: {layer}." in figure.alt


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("layer2.0.conv2", "3×3, 128"),
        ("layer2.0.downsample.1", "1×1, /2"),
        ("conv1", "7×7, 64, /2"),
        ("fc", "dense, 1000"),
        ("layer1.0.relu3", None),
    ],
)
def test_the_map_outlines_the_layer_itself_where_it_is_drawn(layer, words):
    root = parse(figures.architecture_map(resnet_config(50), selected=layer))
    elements = list(root.iter())
    chips = [
        following.text
        for box, following in itertools.pairwise(elements)
        if box.get("stroke-width") == THICK and box.get("data-kind") != "block" and box.tag.endswith("rect")
    ]
    assert chips == ([words] if words else [])


def test_a_map_without_a_selection_is_as_before_and_a_missing_layer_is_told():
    plain, pointed = (figures.architecture_map(resnet_config(50), selected=layer).svg for layer in (None, "conv1"))
    assert plain == figures.architecture_map(resnet_config(50)).svg != pointed
    with pytest.raises(ValueError, match="ResNet-50 v1 has no layer 'layer9'"):
        figures.architecture_map(resnet_config(50), selected="layer9")


@pytest.mark.parametrize(
    "settings",
    [
        {"depth": 152, "version": "v2"},
        {"depth": 1001, "version": "v2"},
        {"depth": 1202},
        {"depth": 34},
    ],
    ids=str,
)
def test_the_largest_networks_that_the_explorer_takes_fit_their_maps(settings):
    limits = {name: views.LIMITS[name] for name in ("image_size", "num_classes", "width")}
    for shortcut, name in itertools.product("AC", ("layer3.1.downsample.0", "layer1.0.conv1")):
        summary = views.find_network({**settings, **limits, "shortcut": shortcut})
        check_layout(views.draw_map(summary, views.nearest_layer(summary, name)))


# Receptive fields -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(224, 224), (100, 300), (32, 32)])
def test_fields_are_drawn_to_the_scale_of_the_image(size):
    config = resnet_config(50)
    figure = figures.receptive_fields(config, size)
    check_layout(figure)
    root = parse(figure)
    (image,) = marked(root, "kind", "image")
    scale = float(image.attrib["height"]) / size[0]
    assert float(image.attrib["width"]) / size[1] == pytest.approx(scale, rel=0.01)
    layers = {layer.name: layer for layer in trace(config, (224, 224))}
    squares = marked(root, "kind", "field")
    assert len(squares) == 4
    for square in squares:
        field = int(square.attrib["data-side"])
        stage = square.attrib["data-layer"].removeprefix("end of ")
        assert field == [layer for name, layer in layers.items() if name.startswith(f"{stage}.")][-1].receptive_field
        drawn = float(re.search(r"h([\d.]+)v", square.attrib["d"])[1])
        assert drawn == pytest.approx(scale * min(field, 4 * max(size)), rel=0.02)


def test_fields_of_single_layers_and_of_the_whole_image():
    config = resnet_config(1202, family="cifar")
    figure = figures.receptive_fields(config, (20, 40), layers=["conv1", "layer3.199.relu2"])
    check_layout(figure)
    assert "conv1: 3 × 3 pixels; layer3.199.relu2: 5597 × 5597 pixels, more than the image." in figure.alt
    assert "drawn smaller" in figure.svg
    with pytest.raises(ValueError, match="has no layer 'conv9'"):
        figures.receptive_fields(config, layers=["conv9"])


def test_the_field_of_resnet_50_by_hand():
    """3×3 convolutions add twice the step between neighbouring outputs; 7×7/2 and max-pool 3×3/2 begin with 7 and 11."""
    for version, steps in {"v1": (4, 8, 16, 32), "v1.5": (4, 4, 8, 16)}.items():
        field = 11
        for stage, (first, blocks) in enumerate(zip(steps, (3, 4, 6, 3), strict=True)):
            field += 2 * first + 2 * (blocks - 1) * 4 * 2**stage
        assert f"end of layer4: {field} × {field}" in figures.receptive_fields(resnet_config(50, version)).alt
