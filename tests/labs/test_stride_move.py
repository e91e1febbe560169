"""The lab "Coverage": its index arithmetic against brute force and gradients, its answers, and what solves it."""

from __future__ import annotations

import itertools
import re
from importlib import import_module
from xml.etree import ElementTree

from resnet_lessons import figures, labs, progress
from resnet_lessons.architecture import resnet_config, trace
from resnet_lessons.labs import coverage
from resnet_lessons.labs.coverage import PATHS, SHORTCUTS, VERSIONS, Design, Window
from resnet_lessons.labs.stride_move import Case

import numpy as np
import pytest
import torch
import torch.nn.functional as F

stride_move = import_module("resnet_lessons.labs.stride_move")  # labs.stride_move is the function
SIZES = range(1, 16)
STRIDES = list(itertools.product((1, 2), repeat=3))
BEST = Design((1, 2, 1), "2×2 average, then 1×1")
MAPS = [Case(version, size, path) for version in VERSIONS for size in range(5, 10) for path in PATHS]


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path))


@pytest.fixture
def lab() -> labs.StrideMove:
    return labs.stride_move()


def every_path() -> list[coverage.Path]:
    """Every branch and every shortcut that the lab can build."""
    branches = [coverage.paths(Design(strides))["branch"] for strides in STRIDES]
    return [*branches, *SHORTCUTS.values(), (Window("stem", 7, 2), Window("maxpool", 3, 2))]


def run(path: coverage.Path, images: torch.Tensor) -> torch.Tensor:
    """Compute a path in PyTorch with all weights 1."""
    for window in path:
        if window.kernel == 2:
            images = 4 * F.avg_pool2d(images, 2, window.stride, ceil_mode=True, divisor_override=4)
        else:
            weight = torch.ones(1, 1, window.kernel, window.kernel, dtype=images.dtype)
            images = F.conv2d(images, weight, stride=window.stride, padding=window.kernel // 2)
    return images


def truth(case: Case) -> set[int]:
    return coverage.path_rows(case.size, coverage.design_of(case.version), case.path)


def records() -> list:
    return [r.value for r in progress.read()]


# Index arithmetic ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", every_path(), ids=lambda path: " · ".join(map(str, path)))
def test_the_ways_of_every_pixel_are_its_gradient(path):
    for size in SIZES:
        images = torch.ones(1, 1, size, size, dtype=torch.float64, requires_grad=True)
        run(path, images).sum().backward()
        assert images.grad is not None
        np.testing.assert_array_equal(coverage.pixel_ways(size, [path]), images.grad[0, 0].numpy())


@pytest.mark.parametrize("path", every_path(), ids=lambda path: " · ".join(map(str, path)))
def test_a_pixel_counts_if_changing_it_changes_the_output(path):
    for size in (1, 2, 5, 8):
        images = torch.arange(1.0, size**2 + 1, dtype=torch.float64).reshape(1, 1, size, size)
        before, counts = run(path, images), coverage.pixel_ways(size, [path])
        for row, column in itertools.product(range(size), repeat=2):
            changed = images.clone()
            changed[0, 0, row, column] += 1
            assert (counts[row][column] > 0) == (not torch.equal(run(path, changed), before))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", PATHS)
def test_the_maps_are_those_of_the_packages_block_with_positive_weights(version, path):
    from resnet_lessons import torch_resnet

    torch.manual_seed(0)
    block = torch_resnet.Bottleneck(3, 2, 2, version=version).double().eval()
    for weight in block.parameters():
        weight.data.uniform_(0.1, 1)
    for size in SIZES:
        images = torch.rand(1, 3, size, size, dtype=torch.float64, requires_grad=True)
        branch = block.bn3(
            block.conv3(block.relu2(block.bn2(block.conv2(block.relu1(block.bn1(block.conv1(images)))))))
        )
        shortcut = block.downsample(images)
        {"branch": branch, "shortcut": shortcut, "sum": branch + shortcut}[path].sum().backward()
        assert images.grad is not None
        read = (images.grad[0] != 0).any(0).numpy()
        design = coverage.design_of(version)
        np.testing.assert_array_equal(np.array(coverage.path_ways(size, design, path)) > 0, read)
        rows = [row for row in range(size) if read[row].any()]
        assert coverage.path_rows(size, design, path) == set(rows)


def test_v1_reads_a_quarter_and_only_the_branch_of_v1_5_reads_all():
    shares = {
        (version, path): sum(v > 0 for row in coverage.path_ways(8, coverage.design_of(version), path) for v in row)
        for version in VERSIONS
        for path in PATHS
    }
    assert shares == {
        ("v1", "branch"): 16, ("v1", "shortcut"): 16, ("v1", "sum"): 16,
        ("v1.5", "branch"): 64, ("v1.5", "shortcut"): 16, ("v1.5", "sum"): 64,
    }  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_costs_are_those_of_the_trace(version):
    traced = {layer.name: layer.macs for layer in trace(resnet_config(50, version))}
    costs = coverage.macs(coverage.design_of(version))
    assert costs.pop("projection") == traced["layer2.0.downsample.0"]
    assert costs == {name: traced[f"layer2.0.{name}"] for name in ("conv1", "conv2", "conv3")}


def test_the_move_costs_what_the_networks_differ_by():
    totals = [sum(layer.macs for layer in trace(resnet_config(50, version))) for version in VERSIONS]
    blocks = [sum(coverage.macs(coverage.design_of(version)).values()) for version in VERSIONS]
    assert totals[1] - totals[0] == 3 * (blocks[1] - blocks[0]) == 231_211_008


@pytest.mark.parametrize("size", [8, 9])
def test_the_suspects_are_what_their_question_says(size):
    """P is Keras's padding "same", Q the stride on the last 1×1."""
    import keras
    import tensorflow as tf

    found = coverage.suspects(size)
    images = tf.ones((1, size, size, 1), "float64")
    conv = keras.layers.Conv2D(1, 3, 2, padding="same", kernel_initializer="ones", use_bias=False, dtype="float64")
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(conv(images))
    np.testing.assert_array_equal(found["P"][0], tape.gradient(total, images)[0, :, :, 0])
    right, p, q = found.values()
    assert (p[0] == right[0]) == (size % 2 == 1)  # odd sizes hide the mistake
    assert q[0] == right[0]
    assert (right[1], p[1], q[1]) == (372_506_624, 372_506_624, 719_323_136)


# Maps ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [case for case in MAPS if case.size < 7], ids=str)
def test_no_right_map_is_called_wrong_and_no_wrong_one_right(case):
    for size in range(1, case.size + 1):
        for ticked in map(set, itertools.combinations(range(case.size), size)):
            said = stride_move.answer_html(case, ticked)
            assert said.startswith("<p>✓ <b>Right" if ticked == truth(case) else "<p>✗ <b>Not so")


@pytest.mark.parametrize("case", MAPS, ids=str)
def test_each_wrong_map_is_told_something_true(case):
    """What a diagnosis says of a row is checked against the rows that are read."""
    for size in range(1, case.size + 1):
        for ticked in map(set, itertools.combinations(range(case.size), size)):
            if ticked == truth(case):
                continue
            said = stride_move.diagnosis(case, ticked)
            if missing := re.search(r"Row (\d+) is missing: the (\w+)'s (\d)×\d has a window on ([\d, and]+)", said):
                row = int(missing[1])
                assert row in truth(case) - ticked
                assert row in map(int, re.findall(r"\d+", missing[4]))
                assert case.path in (missing[2], "sum")
            elif extra := re.search(r"Nothing reads row (\d+)", said):
                assert int(extra[1]) in ticked - truth(case)
            elif "Row 0 is read as well" in said:
                assert 0 in truth(case) - ticked
            elif last := re.search(r"The last row, (\d+), belongs", said):
                assert int(last[1]) == case.size - 1
                assert case.size - 1 in truth(case) - ticked
            elif kept := re.search(r"(\d+) rows keep rows ([\d, ]+), one more than half", said):
                assert {int(row) for row in kept[2].strip(", ").split(", ")} == truth(case)
                assert int(kept[1]) == case.size
                assert case.size % 2 == 1
            else:
                thins = re.search("jumps over|no crop|does not read every|still strides|Both read the same", said)
                keeps = re.search("You let the 3×3|two windows|nothing skipped", said)
                assert thins or keeps or "It comes <i>behind</i> the stride" in said
                assert not (keeps if len(truth(case)) < case.size else thins)


@pytest.mark.parametrize(
    ("case", "ticked", "said"),
    [
        (Case("v1", 8, "branch"), range(8), "It comes behind the stride"),
        (Case("v1", 8, "sum"), range(8), "Both read the same pixels"),
        (Case("v1", 8, "shortcut"), range(8), "does not read every pixel"),
        (Case("v1.5", 8, "shortcut"), range(8), "its 1×1 still strides"),
        (Case("v1.5", 8, "branch"), range(0, 8, 2), "windows on rows 1, 2 and 3 and so on overlap"),
        (Case("v1.5", 8, "sum"), range(0, 8, 2), "You let the 3×3 read one row in two"),
        (Case("v1", 8, "branch"), range(1, 8, 2), "jumps over"),
        (
            Case("v1.5", 8, "branch"),
            range(1, 8, 2),
            "the odd rows, which lie in two windows (row 7, the last, in one). The even rows lie in one, and are read",
        ),
        (Case("v1.5", 9, "sum"), range(1, 9, 2), "the odd rows, which lie in two windows. The even rows"),
        (Case("v1", 8, "branch"), range(4), "A stride is no crop"),
        (Case("v1.5", 8, "branch"), range(4), "nothing is cropped, and nothing skipped"),
        (Case("v1.5", 8, "sum"), range(4, 8), "from the first row to the last"),
        (Case("v1", 7, "sum"), (0, 2, 4), "7 rows keep rows 0, 2, 4, 6, one more than half"),
        (Case("v1.5", 8, "branch"), range(7), "The last row, 7, belongs to the last window"),
        (Case("v1.5", 8, "branch"), range(1, 8), "Row 0 is read as well"),
        (
            Case("v1.5", 8, "branch"),
            (0, 1, 2, 4, 5, 6, 7),
            "Row 3 is missing: the branch's 3×3 has a window on 1, 2 and 3",
        ),
        (Case("v1", 8, "shortcut"), (0, 2, 3, 4, 6), "Nothing reads row 3"),
    ],
)
def test_a_mistake_is_named(case, ticked, said):
    assert said in stride_move._plain(stride_move.diagnosis(case, set(ticked)))


def test_the_first_maps_teach_and_all_kinds_come_again():
    first = list(itertools.islice(stride_move.cases(0), 5))
    assert [(case.version, case.path) for case in first[:3]] == [
        ("v1", "branch"),
        ("v1.5", "branch"),
        ("v1.5", "shortcut"),
    ]
    assert {case.size % 2 for case in first} == {0, 1}
    assert not {case.size for case in first} & {7, 8}  # what the chapter prints or asks for is not to be copied
    later = list(itertools.islice(stride_move.cases(0), 5, 11))
    assert {(case.version, case.path) for case in later} == set(itertools.product(VERSIONS, PATHS))
    assert list(itertools.islice(stride_move.cases(3), 40)) == list(itertools.islice(stride_move.cases(3), 40))
    assert list(itertools.islice(stride_move.cases(3), 40)) != list(itertools.islice(stride_move.cases(4), 40))
    assert all(5 <= case.size <= stride_move.LARGEST for case in itertools.islice(stride_move.cases(1), 60))


# Designs ------------------------------------------------------------------------------------------------------------


def complete(design: Design, size: int) -> bool:
    rows = set(range(size))
    return all(coverage.path_rows(size, design, path) == rows for path in ("branch", "shortcut"))


EVERY_DESIGN = [Design(strides, shortcut) for strides in STRIDES for shortcut in SHORTCUTS]


@pytest.mark.parametrize("design", EVERY_DESIGN, ids=str)
def test_a_design_is_judged_by_what_pytorch_makes_of_it(design):
    """Its shapes decide whether it is legal, its gradients what it reads, and all designs which is cheapest."""
    found = stride_move.judge(design)
    both = coverage.paths(design)
    shapes = {tuple(run(path, torch.ones(1, 1, 56, 56)).shape) for path in both.values()}
    if len(shapes) > 1:
        assert "cannot be added" in found.text
        assert ("The branch does not shrink the map" in found.text) == (design.strides == (1, 1, 1))
        assert "1-fold" not in found.text
        sides = [run(path, torch.ones(1, 1, 56, 56)).shape[-1] for path in both.values()]
        assert f"56 rows become {sides[0]} and {sides[1]}" in found.text
        return
    wanted = min(
        sum(coverage.macs(other).values())
        for other in EVERY_DESIGN
        if len(set(coverage.scale(other))) == 1 and complete(other, 8)
    )
    for size in range(2, 16):
        assert complete(design, size) == complete(design, 8)
    assert found.best == (complete(design, 8) and sum(coverage.macs(design).values()) == wanted)
    assert found.best == (design == BEST)
    if not complete(design, 8):
        for path in ("branch", "shortcut"):
            drops = len(coverage.path_rows(8, design, path)) < 8
            assert drops == (f"The {path} drops" in found.text or found.text.endswith("This is v1."))
    elif not found.best:
        assert "it can be had for less" in found.text


def test_v1_and_v1_5_are_named_where_they_are_designed():
    assert stride_move.judge(coverage.design_of("v1")).text.endswith("This is v1.")
    assert "This is v1.5" in stride_move.judge(coverage.design_of("v1.5")).text
    assert "ResNet-D" in stride_move.judge(BEST).text
    assert sum(coverage.macs(BEST).values()) == sum(coverage.macs(coverage.design_of("v1.5")).values())


def test_a_design_shows_its_maps_and_its_costs():
    shown = stride_move.design_html(coverage.design_of("v1.5"), 8)
    assert "the shortcut, 8 × 8: 16 of 64 pixels reach the output" in shown
    assert '<tr><th scope="row">conv1</th><td class="rl-number">102.8</td><td class="rl-number">25.7</td>' in shown
    assert "<img" not in stride_move.design_html(Design((2, 2, 1)), 8)


# The lab ------------------------------------------------------------------------------------------------------------


def draw(lab, right: bool = True) -> None:
    rows = truth(lab.case)
    lab.tick(*(rows if right else {0}))
    lab.check()


def test_four_maps_and_the_design_solve_it(lab):
    draw(lab, right=False)
    draw(lab)
    assert lab.score == (0, 1)  # the first check counts
    for expected in (1, 2, 3, 4):
        lab.next()
        draw(lab)
        assert lab.score == (expected, expected + 1)
    assert not lab.solved
    lab.design((1, 2, 1))
    lab.try_design()
    assert lab.advice.startswith("✗ Not yet. The shortcut drops three quarters")
    lab.design(shortcut="2×2 average, then 1×1")
    lab.try_design()
    assert lab.advice.startswith("✓ Found.")
    assert lab.solved
    assert "✓ Solved" in lab.status
    lab.next()
    draw(lab, right=False)
    assert lab.solved
    assert [value["step"] for value in records()].count("solved") == 1


def test_the_design_opens_with_the_third_map(lab):
    lab.try_design()
    assert lab.notice == "The design opens once 3 maps are checked."
    for _ in range(3):
        assert {part.layout.display for part in lab._second} == {"none"}
        draw(lab, right=False)
        lab.next()
    assert {part.layout.display for part in lab._second} == {None}
    assert lab.opened
    assert lab.status == "Maps right at the first check: 0 of 3. Design: open."


def test_clicks_do_what_calls_do(lab):
    for row in truth(lab.case):
        lab._rows[row].value = True
    lab._check.click()
    assert lab.score == (1, 1)
    assert lab.verdict.startswith("✓ Right: rows 0, 2, 4, so 9 of 36 pixels (25 %).")
    for _ in range(2):
        lab._next.click()
        draw(lab)
    lab._from.value = "v1.5"
    lab._shortcut.value = BEST.shortcut
    lab._try.click()
    assert lab.designed


def test_a_map_has_as_many_boxes_as_rows_and_no_tick_stays(lab):
    for _ in range(12):
        shown = [box for box in lab._rows if box.layout.display != "none"]
        assert len(shown) == lab.case.size
        assert lab.ticked == set()
        lab.tick(*range(lab.case.size))
        lab.check()
        lab.next()


def test_the_size_redraws_the_design_that_is_shown(lab):
    for _ in range(3):
        draw(lab)
        lab.next()
    lab.look_at(5)
    assert lab._result.value == ""
    lab.try_design()
    assert "5 × 5: 9 of 25 pixels" in lab._result.value
    lab.size.value = 6
    assert "6 × 6: 9 of 36 pixels" in lab._result.value


def test_the_picture_is_that_of_the_design_shown(lab):
    assert lab.picture is None
    for _ in range(3):
        draw(lab)
        lab.next()
    lab.design((1, 1, 2))
    lab.try_design()
    assert repr(lab.picture) == (
        "<Figure: the branch: 64 of 64 pixels; the shortcut: 16 of 64 pixels; the sum: 64 of 64 pixels>"
    )
    lab.size.value = 5
    assert repr(lab.picture).startswith("<Figure: the branch: 25 of 25 pixels; the shortcut: 9 of 25 pixels")
    lab.design((1, 1, 1))
    lab.try_design()  # no sum: it shows no maps
    assert lab.picture is None


def test_bad_input_is_answered_in_place(lab):
    lab.check()
    assert lab.notice.startswith("Tick the rows that reach the output first")
    lab.next()
    assert lab.notice.startswith("Check this map first")
    for given in (8, -1, "<b>", 1.5):
        lab.tick(given)
        assert "the rows are 0 to 5" in lab.notice
    lab.tick(0)
    assert lab.notice == ""
    for strides in ((1, 2), (1, 2, 3), "v1", 5):
        lab.design(strides)
        assert lab.notice.startswith("Strides are three numbers")
    lab.design(shortcut="<none>")
    assert lab.notice.startswith("There is no shortcut '<none>'; choose one of 1×1, stride 2;")
    for size in (0, 99, "8", None):
        lab.look_at(size)
        assert lab.notice.startswith("A map here has 2 to 15 rows")
    assert lab.round == 1
    assert lab.score == (0, 0)


def test_what_was_drawn_is_noted(lab):
    draw(lab, right=False)
    assert records() == [
        {
            "round": 1,
            "version": "v1",
            "size": 6,
            "path": "branch",
            "step": "map",
            "rows": [0],
            "first": True,
            "right": False,
        }
    ]
    assert progress.read()[0][1:3] == ("stride_move", "stride_move")


def test_every_control_has_a_label(lab):
    for control in (*lab._rows, *lab._strides, lab._shortcut, lab._from, lab.size, lab._check, lab._next, lab._try):
        assert control.description.strip()


def test_what_a_notebook_saves_is_the_same_in_every_run(lab):
    before = lab._repr_mimebundle_()
    draw(lab)
    lab.next()
    again = labs.stride_move(seed=5)
    for mime in ("text/plain", "text/html"):
        assert before[mime] == lab._repr_mimebundle_()[mime] == again._repr_mimebundle_()[mime]
    assert "☐&nbsp;row&nbsp;5" in before["text/html"]


# Its picture --------------------------------------------------------------------------------------------------------


def cells(figure: figures.Figure) -> dict[str, str]:
    root = ElementTree.fromstring(figure.svg or "")
    return {e.attrib["data-pixel"]: e.attrib["data-value"] for e in root.iter() if "data-pixel" in e.attrib}


def test_a_pixel_map_draws_each_pixel_with_its_number():
    figure = figures.pixel_maps([[[1, 0, 3], [0, 0, 0]]], ["a title"])
    assert cells(figure) == {"0,0": "1", "0,1": "0", "0,2": "3", "1,0": "0", "1,1": "0", "1,2": "0"}
    assert figure.alt == (
        "a title, 2 × 3: 2 of 6 pixels reach the output, rows 0 in columns 0, 2; ways in row 0: 1 0 3."
    )
    assert "ways" not in figures.pixel_maps([[[1, 0, 3]]], ["a title"], numbers=False).alt
    assert repr(figure) == "<Figure: a title: 2 of 6 pixels>"
    assert "2 of 6 pixels" in (figure.svg or "")


def test_a_pixel_map_says_what_it_shows():
    every, none = [[1, 1], [1, 1]], [[0, 0], [0, 0]]
    alt = figures.pixel_maps([every, none], ["a", "b"], title="Two").alt
    assert alt == (
        "Two. a, 2 × 2: 4 of 4 pixels reach the output, every pixel. b: none of the 2 × 2 pixels reaches the output."
    )
    diagonal = figures.pixel_maps([[[1, 0], [0, 1]]], ["c"]).alt
    assert diagonal == "c, 2 × 2: 2 of 4 pixels reach the output."


def test_a_pixel_map_marks_what_differs():
    figure = figures.pixel_maps([[[1, 0]], [[1, 1]]], ["mine", "true"], marked=[[[False, True]], None])
    assert (figure.svg or "").count("data-mark") == 1
    assert "Thick outline: wrong." in (figure.svg or "")


def test_a_wide_pixel_map_stays_on_the_page():
    for size in (1, 8, 15, 40):
        figure = figures.pixel_maps([np.ones((size, size), int)] * 5, ["a rather long title of a map"] * 5)
        assert figure.width <= 800
        root = ElementTree.fromstring(figure.svg or "")
        for element in root.iter():
            if "data-pixel" in element.attrib:
                assert float(element.attrib["x"]) + float(element.attrib["width"]) < figure.width
                assert float(element.attrib["y"]) + float(element.attrib["height"]) < figure.height


@pytest.mark.parametrize(
    ("maps", "titles", "said"),
    [
        ([], [], "at least one map"),
        ([[[]]], ["a"], "at least one map"),
        ([[[1], [1, 2]]], ["a"], "a rectangle"),
        ([[[1]]], [], "There are 1 maps and 0 titles"),
    ],
)
def test_bad_pixel_maps_are_refused(maps, titles, said):
    with pytest.raises(ValueError, match=said):
        figures.pixel_maps(maps, titles)
