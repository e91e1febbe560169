"""The explorer shows what the networks are, says what differs, answers every fault in its place, and never raises."""

from __future__ import annotations

import warnings

from resnet_lessons import labs, progress, resnet_config, trace
from resnet_lessons.labs import explorer_views as views

import pytest

# 1512.03385, table 1 and section 4.2, counted; v2 as in 1603.05027: parameters, multiply-adds.
COUNTS = {
    (18, "v1"): (11_689_512, 1_814_073_344),
    (34, "v1"): (21_797_672, 3_663_761_408),
    (50, "v1"): (25_557_032, 3_857_973_248),
    (50, "v1.5"): (25_557_032, 4_089_184_256),
    (50, "v2"): (25_549_352, 4_089_184_256),
    (101, "v1.5"): (44_549_160, 7_801_405_440),
    (152, "v1"): (60_192_808, 11_282_415_616),
    (20, "v1"): (269_722, 40_551_040),
    (110, "v1"): (1_727_962, 252_887_680),
    (1202, "v1"): (19_421_274, 2_829_238_912),
}
MOVED = [
    f"layer{stage}.0.{layer}" for stage in (2, 3, 4) for layer in ("conv1", "bn1", "relu1", "conv2")
]  # v1 to v1.5: the stride's old and new convolution, and what stands between them on the larger map


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path))


@pytest.fixture
def lab() -> labs.Explorer:
    return labs.explorer()


def traced(config, size=None) -> dict:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {layer.name: layer for layer in trace(config, size)}


# One network ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("depth", "version"), COUNTS)
def test_a_network_is_counted_as_the_reference_counts_it(lab, depth, version):
    lab.left(depth, version)
    parameters, macs = COUNTS[depth, version]
    assert f"{parameters:,} parameters · {macs:,} MACs" in lab.status
    assert f"{parameters:,}" in lab.map.alt
    assert lab.overview.splitlines()[-1].split()[:2] == ["total", f"{parameters:,}"]
    assert lab.notice == ""


def test_the_overview_shares_add_up_to_the_whole(lab):
    lab.left(101, "v2")
    rows = [line.split() for line in lab.overview.splitlines()[2:-1]]
    assert [row[0] for row in rows] == ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
    assert sum(float(row[3]) for row in rows) == pytest.approx(100, abs=0.3)
    assert sum(int(row[2].replace(",", "")) for row in rows) == resnet_config(101, "v2").parameters


def test_fields_do_what_calls_do(lab):
    by_call = labs.explorer(20, "v2", shortcut="B", image_size=(24, 40), num_classes=7, width=8)
    for name, value in {"version": "v2", "shortcut": "B", "image_size": "24x40", "num_classes": "7"}.items():
        lab.network[name].value = value
    lab.network["width"].value = " 8 "
    lab.network["depth"].value = "20"
    assert lab.summary == by_call.summary
    assert lab.summary.config == resnet_config(
        20, "v2", family="cifar", shortcut="B", num_classes=7, width=8
    )  # by depth: only the CIFAR family has 20
    assert lab.summary.image_size == (24, 40)


def test_what_a_call_does_not_name_is_the_papers_own(lab):
    lab.left(50, "v2", shortcut="C", image_size=64, width=32)
    lab.left(34)
    assert lab.summary.config == resnet_config(34)
    assert lab.summary.image_size == (224, 224)


def test_a_depth_of_both_families_is_the_imagenet_network_unless_asked(lab):
    assert lab.summary.config.family == "imagenet"
    lab.left(50, family="cifar")
    assert "the ImageNet ResNet-50 v1 has 25,557,032 parameters" in lab.status
    assert lab.summary.parameters == 755_802
    lab.left(20)
    assert "ResNet-20 exists in the CIFAR family alone" in lab.status


def test_a_map_of_one_pixel_is_told(lab):
    lab.left(50, image_size=33)
    assert "1×1" not in lab.status
    lab.left(50, image_size=32)
    assert "from layer4.0.bn1 on the maps are 1×1" in lab.status


# One layer ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("depth", "version", "size"), [(50, "v1.5", 224), (18, "v2", 65), (20, "v1", 32)])
def test_the_facts_of_every_layer_are_those_of_the_trace(lab, depth, version, size):
    lab.left(depth, version, image_size=size)
    layers = traced(lab.summary.config, size)
    whole = sum(layer.macs for layer in layers.values())
    for name, layer in layers.items():
        lab.select(name)
        facts = dict(line.split("  ", 1) for line in lab.details.splitlines())
        facts = {key: value.strip() for key, value in facts.items()}
        assert facts["layer"] == name
        assert facts["in Keras"] == name.replace(".", "_")
        assert facts["input"] == "×".join(map(str, layer.in_shape))
        assert facts["output"] == "×".join(map(str, layer.out_shape))
        assert facts["parameters"].split()[0] == f"{layer.parameters:,}"
        assert facts["MACs"].split()[0] == f"{layer.macs:,}"
        if layer.macs > 0.001 * whole:
            assert f"({100 * layer.macs / whole:.1f} % of the network" in facts["MACs"]
        assert facts["receptive field"].startswith(
            f"{layer.receptive_field:,} × {layer.receptive_field:,} input pixels"
        )
        assert ("beyond its borders" in facts["receptive field"]) == (layer.receptive_field > size)
        assert ("kernel" in facts) == (layer.kernel is not None)


def test_the_share_of_a_block_is_told(lab):
    lab.select("layer2.0.conv2")
    assert "147,456 (0.6 % of the network, 38.9 % of block layer2.0)" in lab.details  # 128·128·9 of 379,392


def test_choosing_stage_block_and_layer_with_the_lists(lab):
    lab.view.value = "layer"
    lab.selection["stage"].value = "layer3"
    assert lab.selected == "layer3.0.conv1"
    lab.selection["layer"].value = "layer3.0.conv2"
    lab.selection["block"].value = "4"
    assert lab.selected == "layer3.4.conv2"  # the layer of the same name in the other block
    lab.selection["block"].value = "0"
    lab.selection["layer"].value = "layer3.0.downsample.0"
    lab.selection["block"].value = "1"
    assert lab.selected == "layer3.1.conv1"  # which has no projection
    lab.selection["stage"].value = "head"
    assert (lab.selected, lab.selection["block"].disabled, lab.block) == ("avgpool", True, None)
    assert [name for name, _ in lab.selection["layer"].options] == ["avgpool", "fc"]


def test_a_name_selects_a_layer_or_the_first_of_a_block_a_stage_or_an_end(lab):
    for name, layer in {
        "layer2.0.conv2": "layer2.0.conv2",
        "layer2.3": "layer2.3.conv1",
        " layer4 ": "layer4.0.conv1",
        "stem": "conv1",
        "head": "avgpool",
    }.items():
        lab.select(name)
        assert (lab.selected, lab.view.value, lab.notice) == (layer, "layer", "")


def test_next_and_previous_walk_every_layer_and_stop_at_the_ends(lab):
    names = list(traced(lab.summary.config))
    lab.step(-1)
    assert lab.selected == names[0]
    walked = [lab.selected]
    for _ in names:
        lab.step(1)
        walked.append(lab.selected)
    assert walked == [*names, names[-1]]


def test_the_chosen_layer_is_kept_or_its_loss_is_told(lab):
    lab.select("layer2.0.downsample.1")
    lab.left(101)
    assert (lab.selected, lab.notice) == ("layer2.0.downsample.1", "")
    lab.left(50, "v2")
    assert lab.selected == "layer2.0.bn1"
    assert lab.notice == "✗ ResNet-50 v2 has no layer2.0.downsample.1; layer2.0.bn1 is shown."
    lab.select("layer4.2.conv1")
    lab.left(20)
    assert lab.selected == "conv1"
    lab.left(20, "v2")
    assert lab.notice == ""


def test_the_map_points_out_the_chosen_layer(lab):
    assert "Pointed out" not in lab._map.value
    lab.select("layer3.4.conv2")
    lab.show("map")
    assert "Pointed out: layer3.4.conv2." in lab._map.value


# Two networks ---------------------------------------------------------------------------------------------------------


def test_v1_and_v1_5_differ_in_the_moved_stride_and_nothing_else(lab):
    lab.left(50, "v1")
    lab.right(version="v1.5")
    assert [name for name, _, _ in views.changed_layers(lab.summary, lab.other)] == MOVED
    before, after = (traced(resnet_config(50, version)) for version in ("v1", "v1.5"))
    fields = ("kernel", "stride", "in_shape", "out_shape", "parameters", "macs")
    assert [
        name for name in before if any(getattr(before[name], f) != getattr(after[name], f) for f in fields)
    ] == MOVED
    assert lab.difference.splitlines() == [
        "ResNet-50 v1 → ResNet-50 v1.5",
        "- layer2.0, layer3.0, layer4.0: the stride moves from conv1 to conv2; +231,211,008 MACs",
        "  (+6.0 %), parameters equal",
        "- MACs of the whole network: 3,857,973,248 → 4,089,184,256 (+231,211,008, +6.0 %)",
        "- receptive field of the last stage: 483 → 427 pixels",
        f"- 12 of {len(before)} layers differ (kernel, stride, shapes or counts)",
    ]
    assert lab.view.value == "comparison"
    assert repr(lab.blocks) == "<Figure: blocks layer2.0 of ResNet-50 v1, layer2.0 of ResNet-50 v1.5>"


def test_the_change_of_each_layer_sums_to_the_change_of_the_whole(lab):
    lab.left(50, "v1")
    for other in ({"version": "v2"}, {"shortcut": "C"}, {"depth": 101}, {"image_size": 160}, {"width": 96}):
        lab.right(**other)
        changed = views.changed_layers(lab.summary, lab.other)
        for field in ("parameters", "macs"):
            change = sum((getattr(b, field) if b else 0) - (getattr(a, field) if a else 0) for _, a, b in changed)
            assert change == getattr(lab.other, field) - getattr(lab.summary, field)


def test_what_the_second_network_leaves_blank_is_as_in_the_first(lab):
    lab.left(101, "v2", image_size=64)
    lab.right(shortcut="C")
    assert lab.other.config == resnet_config(101, "v2", shortcut="C")
    assert lab.other.image_size == (64, 64)
    lab.left(20)
    assert lab.other.config == resnet_config(20, family="cifar", shortcut="C")


def test_options_of_one_network_are_told_apart(lab):
    lab.left(20, shortcut="A")
    lab.right(shortcut="B")
    text = lab.difference
    assert text.startswith("ResNet-20 v1 (option A) → ResNet-20 v1 (option B)")
    assert "only in the first: layer2.0.downsample, layer3.0.downsample (no parameters)" in text
    assert "269,722 → 272,474 (+2,752, +1.0 %)" in text


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({}, "The two are the same, layer by layer."),
        ({"image_size": 160}, "images: 224×224 becomes 160×160"),
        ({"num_classes": 10}, "classes: 1,000 becomes 10"),
        ({"width": 32}, "width of the first stage: 64 becomes 32"),
        ({"depth": 20}, "another family: ImageNet, 4 stages, becomes CIFAR, 3 stages"),
        ({"depth": 101}, "layer3: 6 bottleneck blocks become 23 bottleneck blocks"),
        ({"shortcut": "none"}, "shortcut B becomes none"),
    ],
)
def test_every_setting_that_differs_is_named(lab, other, told):
    lab.left(50)
    lab.right(**other)
    assert lab.notice == ""
    assert told in lab.difference
    assert told in lab._words.value


def test_the_compared_block_is_one_that_differs_until_another_is_chosen(lab):
    lab.left(50)
    lab.right(version="v1.5")
    choices = dict(lab.selection["compared"].options)
    assert [label for label in choices if label.startswith("≠ ")] == ["≠ layer2.0", "≠ layer3.0", "≠ layer4.0"]
    assert lab.selection["compared"].value == "layer2.0"
    lab.selection["compared"].value = "layer1.1"
    assert "layer1.1 of ResNet-50 v1.5" in repr(lab.blocks)
    lab.select("layer4.0.conv1")
    assert lab.view.value == "comparison"
    assert "layer4.0 of ResNet-50 v1.5" in repr(lab.blocks)
    lab.right(shortcut="C")
    assert lab.selection["compared"].value == "layer1.1"  # option C leaves the first block of a stage as it is


def test_blocks_that_run_in_another_order_differ_though_their_layers_do_not(lab):
    lab.left(110)
    lab.right(version="v2")
    assert not [name for name, _, _ in views.changed_layers(lab.summary, lab.other) if name.startswith("layer1.5.")]
    assert all(label.startswith("≠ ") for label, _ in lab.selection["compared"].options)
    assert "each block runs in another order" in lab.difference


def test_each_picture_of_a_comparison_has_its_own_image_size(lab):
    lab.right(image_size=64)
    lab.select("layer2.0")
    assert "Output 512 × 28 × 28." in lab.blocks.alt
    assert "Output 512 × 8 × 8." in lab.blocks.alt


def test_a_long_list_of_layers_is_cut_and_says_so(lab):
    lab.left(110)
    lab.right(image_size=64)
    count = len(views.changed_layers(lab.summary, lab.other))
    assert count > 300
    assert f"… and {count - views.ROWS:,} more." in lab._layers.value
    assert lab._layers.value.count('<th scope="row">') == views.ROWS


# Faults ---------------------------------------------------------------------------------------------------------------

FAULTS = [
    ({"depth": 37}, "There is no ResNet-37 in the ImageNet family; its depths are 18, 34, 50, 101, 152."),
    ({"depth": 37}, "near 37: 32, 38"),
    (
        {"depth": 18, "version": "v1.5"},
        "There is no ResNet-18 v1.5: the v1.5 move takes the stride from a bottleneck's",
    ),
    ({"depth": 18, "family": "cifar"}, 'ResNet-18 exists with family="imagenet"'),
    ({"depth": "fifty"}, "depth is 'fifty'; it is a whole number such as 50."),
    ({"depth": 1208}, "networks of up to 1,202 layers, the deepest of the paper"),
    ({"depth": 50, "image_size": "big"}, "The image size is 'big'; give pixels from 1 on"),
    ({"depth": 50, "image_size": 0}, "The image size is '0'; give pixels from 1 on"),
    ({"depth": 50, "image_size": 5000}, "images of up to 1,024 pixels a side; 5,000 is more than that"),
    ({"depth": 50, "width": -3}, "width is -3; it is a whole number from 1 on."),
    ({"depth": 50, "num_classes": "<b>"}, "num_classes is '<b>'; it is a whole number from 1 on."),
]


@pytest.mark.parametrize(("settings", "told"), FAULTS)
def test_a_network_that_does_not_exist_is_answered_in_its_place(lab, settings, told):
    lab.left(34)
    kept, picture = lab.summary, lab._map.value
    lab.left(**settings)
    assert told in lab.notice
    assert lab.notice.endswith("The network shown is still ResNet-34 v1.")
    assert (lab.summary, lab._map.value) == (kept, picture)
    assert "<b>" not in lab._notice.value
    lab.left(50)
    assert (lab.notice, lab.summary.parameters) == ("", 25_557_032)


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda lab: lab.left(50, "v9"), "version is 'v9'; it is one of 'v1', 'v1.5', 'v2'."),
        (lambda lab: lab.left(50, shortcut="D"), "shortcut is 'D'; it is one of 'A', 'B', 'C', 'none'."),
        (lambda lab: lab.left(50, dept=3), "There is no setting 'dept'; the settings are depth, version,"),
        (lambda lab: lab.right(family="coco"), "family is 'coco'; it is one of 'imagenet', 'cifar'."),
        (lambda lab: lab.select("layer9"), "has no layer 'layer9'"),
        (lambda lab: lab.select("layer2.0.conv9"), "near it: layer2.0.conv"),
        (lambda lab: lab.select(None), "has no layer 'None'; its parts are stem, layer1"),
        (lambda lab: lab.show("movie"), "There is no view 'movie'; choose one of map, layer, comparison."),
    ],
)
def test_what_cannot_be_set_changes_nothing(lab, act, told):
    before = {name: widget.value for name, widget in (lab.network | lab.versus).items()}
    act(lab)
    assert told in lab.notice
    assert {name: widget.value for name, widget in (lab.network | lab.versus).items()} == before
    lab.show("layer")
    assert lab.notice == ""


def test_a_fault_stays_told_while_its_field_stands(lab):
    lab.network["depth"].value = "37"
    lab.select("layer2")
    assert "There is no ResNet-37" in lab.notice
    lab.select("layer9")
    assert "There is no ResNet-37" in lab.notice
    assert "has no layer 'layer9'" in lab.notice
    lab.network["depth"].value = "50"
    assert lab.notice == ""


def test_a_fault_of_the_second_network_is_told_where_it_is_compared(lab):
    assert lab.versus["version"].value == "v1.5"
    lab.left(18)
    assert lab.notice == ""
    assert lab.summary.config.depth == 18
    lab.show("comparison")
    assert "There is no ResNet-18 v1.5" in lab.notice
    assert "The network compared with is still ResNet-50 v1." in lab.notice
    assert lab.difference.startswith("There is no ResNet-18 v1.5")
    lab.versus["version"].value = "v2"
    assert lab.notice == ""
    assert lab.difference.startswith("ResNet-18 v1 → ResNet-18 v2")


def test_nothing_that_is_typed_raises(lab):
    for view in views_of(lab):
        lab.show(view)
        for fields in (lab.network, lab.versus):
            for name in ("depth", "image_size", "num_classes", "width"):
                for text in ("", "0", "-1", "1e3", "9" * 5000, "<script>", "½", "٣٤", "224 x 224", "50;", "None", "\n"):
                    fields[name].value = text
                    assert lab.summary.parameters > 0
                fields[name].value = "50" if name == "depth" else ""
    assert lab.notice == ""


def views_of(lab) -> list[str]:
    return [value for _, value in lab.view.options]


def test_an_error_of_our_own_is_answered_too(lab, monkeypatch):
    monkeypatch.setattr(views, "draw_map", lambda *_: 1 / 0)
    lab.left(34)
    assert lab.notice == "✗ This could not be drawn: division by zero"
    monkeypatch.setattr(views, "find_network", lambda *_: [][0])
    lab.left(18)
    assert "list index out of range" in lab.notice


# The small task -------------------------------------------------------------------------------------------------------


def test_one_network_solves_the_task_and_its_own_enumeration_agrees(lab):
    costs = {}
    for depth in (18, 34, 50, 101, 152):
        for version in ("v1", "v1.5", "v2"):
            for shortcut in ("A", "B", "C", "none"):
                if version != "v1.5" or depth > 34:
                    config = resnet_config(depth, version, shortcut=shortcut)
                    costs[config] = sum(layer.macs for layer in traced(config).values())
    best = max((config for config in costs if costs[config] < 4e9), key=costs.__getitem__)
    right = [summary.config for summary in views.candidates() if views.judge(summary)[0]]
    assert right == [best] == [resnet_config(50)]
    assert len(views.candidates()) == len(costs)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"depth": 50, "version": "v1.5"}, "costs 4.09 G, which is not below 4 G"),
        ({"depth": 34}, "3.66 G. That is below 4 G, but networks of 3 higher costs stay below, too."),
        ({"depth": 34, "shortcut": "C"}, "another network costs more and stays below, too"),
        ({"depth": 50, "image_size": 128}, "leave family, image, classes and width blank"),
        ({"depth": 110}, "leave family, image, classes and width blank"),
    ],
)
def test_a_wrong_answer_is_told_why(lab, settings, why):
    lab.left(**settings)
    lab.answer_task()
    assert lab.verdict.startswith("✗ Not this one:")
    assert why in lab.verdict
    assert not lab.solved


def test_answers_are_noted_and_the_first_stays_known(lab):
    lab.left(34)
    lab.answer_task()
    lab.left(50)
    lab.answer_task()
    assert lab.solved
    assert lab.verdict.startswith("✓ Solved: ResNet-50 v1 with option B, 3.86 G.")
    assert "ResNet-34 with option C, 3.83 G" in lab.verdict
    assert lab.answer.startswith("ResNet-34 v1")
    assert [(r.value["right"], r.value["first"]) for r in progress.read()] == [(False, True), (True, False)]
    assert progress.read()[0][1:3] == ("explorer", "explorer")


# As a widget ----------------------------------------------------------------------------------------------------------


def test_only_the_chosen_view_is_there_to_see(lab):
    for view in views_of(lab):
        lab.show(view)
        assert [name for name, panel in lab._panels.items() if panel.layout.display != "none"] == [view]


def test_every_control_has_a_label_and_every_picture_its_text(lab):
    for widget in (*lab.network.values(), *lab.versus.values(), *lab.selection.values(), lab.view):
        assert widget.description
    for view in views_of(lab):
        lab.show(view)
    for part in (lab._map, lab._facts, lab._pictures):
        assert part.value.count("<img alt=") == part.value.count("<img ") > 0


def test_a_change_leaves_the_other_text_fields_alone(lab):
    """Whatever the kernel sends to a text field makes the browser forget what is half typed in it."""
    sent = []
    for fields in (lab.network, lab.versus):
        for name in ("depth", "image_size", "num_classes", "width"):
            fields[name].observe(lambda change: sent.append(change["name"]))
    for view in views_of(lab):
        lab.show(view)
        lab.network["version"].value = "v2"
        lab.network["family"].value = "cifar"
        lab.network["version"].value = "v1"
        lab.network["family"].value = ""
    assert sent == []


def test_what_was_shown_once_is_not_counted_again(lab, monkeypatch):
    def visit() -> None:
        for version in ("v1", "v2"):
            lab.left(50, version)
            for view in views_of(lab):
                lab.show(view)

    visit()
    for name in ("summarize", "architecture_map", "block_diagram", "receptive_fields", "differences"):
        monkeypatch.setattr(views, name, None)
    visit()
    assert lab.notice == ""


def test_what_a_notebook_saves_is_the_same_in_every_run(lab):
    before = lab._repr_mimebundle_()
    lab.left(20, "v2")
    lab.select("layer2.0.conv1")
    for other in (lab, labs.explorer(101)):
        for mime in ("text/plain", "text/html"):
            assert other._repr_mimebundle_()[mime] == before[mime]
    assert "<img alt=" in before["text/html"]
    assert "25,557,032 parameters" in before["text/html"]
