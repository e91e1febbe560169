"""The lab's costs are those of `trace`, its best networks cannot be beaten, and every verdict says something true."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from importlib import import_module

from resnet_lessons import labs, progress, resnet_config, trace
from resnet_lessons.architecture import IMAGENET_STAGES
from resnet_lessons.labs import budget_plan
from resnet_lessons.labs.budget_plan import KINDS, MOST_BLOCKS, SIDES, TASKS, WIDTHS, Cost, Plan, cost, fits, verdict

import pytest

lab_module = import_module("resnet_lessons.labs.budget")
DEEPER, LEAN, SMALL = TASKS
PUBLISHED = [
    *[resnet_config(depth, shortcut=option) for depth in IMAGENET_STAGES for option in "ABC"],
    *[resnet_config(depth, width=48, num_classes=10) for depth in (18, 50)],
    *[
        resnet_config(depth, family="cifar", shortcut=option)
        for depth in (20, 32, 44, 56, 110, 1202)
        for option in "AB"
    ],
    *[resnet_config(depth, family="cifar", shortcut=option) for depth in (164, 1001) for option in "AB"],
]


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path))


@pytest.fixture
def lab():
    lab = labs.budget()
    lab.predict("1", "64")
    return lab


def part_of(name: str) -> str:
    if name.startswith("layer"):
        return name.split(".")[0]
    return "head" if name in ("avgpool", "fc") else "stem"


@pytest.mark.parametrize("side", [224, 225, 64])
@pytest.mark.parametrize("config", PUBLISHED, ids=lambda c: f"{c.name}-{c.family}-{c.shortcut}-{c.width}")
def test_every_part_of_every_published_network_costs_what_trace_counts(config, side):
    found = budget_plan.parts(Plan.of(config, side))
    counted = {part: [0, 0] for part in found}
    for layer in trace(config, side):
        counted[part_of(layer.name)][0] += layer.parameters
        counted[part_of(layer.name)][1] += layer.macs
    assert {part: list(costs) for part, costs in found.items()} == counted
    assert cost(Plan.of(config, side)).parameters == config.parameters
    assert Plan.of(config).depth == config.depth


def depth_of_every_plan(task):
    """Try every combination of the knobs with up to 36 blocks in the first two stages; the costs are sums."""
    for kind in KINDS:
        least = replace(task.start, kind=kind, blocks=(1, 1, 1, 1))
        base, each = cost(least), [budget_plan.block_cost(least, stage) for stage in range(4)]
        for late in itertools.product(range(12), repeat=2):
            for early in itertools.product(range(MOST_BLOCKS), repeat=2):
                more = (*early, *late)
                used = [base[f] + sum(n * c[f] for n, c in zip(more, each, strict=True)) for f in (0, 1)]
                if used[0] <= task.limit.parameters and used[1] <= task.limit.macs:
                    yield replace(least, blocks=tuple(1 + n for n in more)).depth


@pytest.mark.parametrize(("task", "depth"), [(DEEPER, 50), (LEAN, 104)], ids=["deeper", "lean"])
def test_no_combination_of_blocks_is_deeper_than_the_best(task, depth):
    assert max(depth_of_every_plan(task)) == budget_plan.best(task).depth == depth


def test_no_width_and_size_beat_the_best():
    fitting = [(w, s) for w in WIDTHS for s in SIDES if fits(SMALL, replace(SMALL.start, width=w, side=s))]
    assert max(fitting) == (32, 160) == (budget_plan.best(SMALL).width, budget_plan.best(SMALL).side)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.key)
def test_a_task_cannot_be_met_by_leaving_everything_as_it_is(task):
    assert not verdict(task, task.start).met
    assert verdict(task, budget_plan.best(task)).met


def test_the_papers_resnet_50_meets_the_first_task_and_resnet_101_breaks_the_second():
    assert verdict(DEEPER, Plan("bottleneck", (3, 4, 6, 3))).met
    assert verdict(LEAN, Plan("bottleneck", (3, 4, 23, 3))).reason == "over"


def test_a_plan_is_met_only_if_it_fits_and_is_as_deep_as_the_best():
    """Every verdict on a grid of plans agrees with what the costs say."""
    seen = set()
    counts = (1, 3, 4, 6, 9, 13, 23, 36)
    for task in (DEEPER, LEAN):
        deepest = budget_plan.best(task).depth
        for kind, *blocks in itertools.product(KINDS, counts, counts, counts, (1, 2, 3)):
            plan = replace(task.start, kind=kind, blocks=tuple(blocks))
            found = verdict(task, plan)
            seen.add(found.reason)
            assert found.met == (fits(task, plan) and plan.depth == deepest)
            assert (found.reason == "over") == (not fits(task, plan))
            if found.reason == "room":
                longer = [
                    replace(plan, blocks=tuple(n + (i == stage) for i, n in enumerate(plan.blocks)))
                    for stage in range(4)
                ]
                assert any(fits(task, more) for more in longer)
            if found.reason == "rearrange":
                assert not fits(task, replace(plan, blocks=(plan.blocks[0] + 1, *plan.blocks[1:])))
    assert seen == {"over", "room", "rearrange", "met", "kind"}


def test_taking_out_as_many_blocks_as_the_verdict_says_is_enough_and_one_less_is_not():
    plan = Plan("bottleneck", (3, 4, 9, 3))
    count = int(re.search(r"so (\d+) or more must go", verdict(DEEPER, plan).text)[1])
    macs = {n: cost(replace(plan, blocks=(3, 4, 9 - n, 3))).macs for n in (count - 1, count)}
    assert macs[count] <= DEEPER.limit.macs < macs[count - 1]


def test_the_numbers_in_a_verdict_are_those_of_the_blocks():
    text = verdict(DEEPER, Plan("bottleneck", (3, 4, 6, 4))).text
    layers = trace(resnet_config(50))
    for stage, index in [("layer1", 2), ("layer2", 3), ("layer3", 5), ("layer4", 2)]:
        held = sum(layer.parameters for layer in layers if layer.name.startswith(f"{stage}.{index}."))
        assert re.search(rf"{held / 1e6:.2f} M (parameters )?in {stage}", text)
    assert "0.218 GMACs in every stage" in text
    assert text.startswith("0.18 GMACs over the limit.")


MOVED = "Moved to an earlier stage, a block saves the difference and costs the same multiply-adds."


def test_a_block_is_moved_to_an_earlier_stage_only_where_parameters_alone_are_too_many():
    assert verdict(LEAN, LEAN.start).text.endswith(MOVED)
    both, neither = verdict(DEEPER, Plan("bottleneck", (3, 4, 6, 4))), verdict(DEEPER, Plan("bottleneck", (1, 1, 1, 1)))
    assert both.reason == "over"
    assert MOVED not in both.text + neither.text
    late, early = (cost(Plan("bottleneck", blocks)) for blocks in [(3, 4, 23, 3), (4, 4, 22, 3)])
    assert early.macs == late.macs
    assert late.parameters - early.parameters == 1_117_184 - 70_400  # one block in layer3, and one in layer1


def test_a_verdict_speaks_of_the_blocks_behind_the_first_since_first_ones_cost_more():
    layers = trace(resnet_config(50))
    first, later = (
        {sum(x.macs for x in layers if x.name.startswith(f"layer{n}.{index}.")) for n in (1, 2, 3, 4)}
        for index in (0, 1)
    )
    assert later == {218_365_952}
    assert min(first) > 218_365_952
    for plan in (LEAN.start, Plan("bottleneck", (3, 4, 6, 4)), Plan("bottleneck", (1, 1, 1, 1))):
        for task in (DEEPER, LEAN):
            text = verdict(task, plan).text
            assert text.count("A bottleneck behind the first of its stage") == 1
            assert not re.search(r"\bA bottleneck (?!behind)", text)


@pytest.mark.parametrize(
    ("settings", "reason", "says"),
    [
        ({"width": 64, "side": 224}, "over", "width 56 in place of 64 brings them to 19.80 M"),
        ({"width": 32, "side": 192}, "over", "side 160 in place of 192 brings them to 0.51 GMACs"),
        ({"width": 24, "side": 192}, "narrow", "width 32 has 6.92 M parameters"),
        ({"width": 32, "side": 96}, "small", "The size of the images costs no parameter"),
    ],
)
def test_each_way_to_miss_the_third_task_is_named(settings, reason, says):
    found = verdict(SMALL, replace(SMALL.start, **settings))
    assert (found.met, found.reason) == (False, reason)
    assert says in found.text


def test_an_excess_is_never_shown_as_nothing():
    tight = replace(DEEPER, limit=Cost(25_557_031, 3_857_973_247))
    assert verdict(tight, Plan("bottleneck")).text.startswith("0.01 GMACs over the limit.")
    assert "0.01 M parameters over the limit." in verdict(tight, Plan("bottleneck")).text


# The widget ------------------------------------------------------------------------------------------------------------


def solve(lab):
    for settings in ({"kind": "bottleneck"}, {"blocks": (14, 13, 6, 1)}, {"width": 32, "side": 160}):
        lab.set(**settings)
        lab.hand_in()
        lab.next()


def test_three_met_tasks_solve_the_lab_and_stay_solved(lab):
    assert not lab.solved
    solve(lab)
    assert lab.solved
    assert "✓ Solved" in lab.status
    assert "Task 1 of 3. Met: 3, with 3 networks handed in." in lab.status
    steps = [record.value["step"] for record in progress.read()]
    assert steps == ["predict", "predict", "hand in", "hand in", "hand in", "solved"]
    lab.hand_in()  # task 1 again, as it starts: not met, and nothing is lost
    assert lab.feedback.startswith("✗ Not yet.")
    assert lab.solved


def test_a_network_that_does_not_meet_its_task_does_not_count(lab):
    for blocks in [(3, 4, 6, 3), (36, 36, 36, 36)]:
        lab.set(blocks=blocks)
        lab.hand_in()
        assert lab.feedback.startswith("✗ Not yet.")
    assert lab.met == {}
    assert "Met: 0, with 2 networks" in lab.status
    lab.next()
    assert lab.task_number == 1
    assert lab.notice.startswith("Meet this task first")


def test_turning_a_knob_moves_the_cost_and_the_picture(lab):
    before, picture = lab.cost, lab._picture.value
    lab._blocks[3].value += 1
    assert lab.plan.blocks == (3, 4, 6, 4)
    assert lab.cost.macs - before.macs == 231_211_008  # 2 · 9 · 512² · 7²
    assert lab._picture.value != picture
    lab.hand_in()
    assert lab.feedback
    lab._kinds[1].click()
    assert lab.plan.kind == "bottleneck"
    assert lab.feedback == "", "a verdict on another network must not stay"


def test_both_predictions_come_before_the_first_task():
    lab = labs.budget()
    assert lab._hand_in not in [part for box in lab.children for part in getattr(box, "children", ())]
    lab.hand_in()
    assert lab.notice.startswith("First the prediction")
    assert lab.handed_in == 0
    lab._guesses["macs"][3].click()
    lab._guesses["parameters"][0].click()
    assert lab.prediction == {"macs": "64", "parameters": "1/64"}
    assert lab.answer.count("✗ Not so") == 2
    lab.predict("1", "64")
    assert lab.prediction == {"macs": "64", "parameters": "1/64"}
    assert lab.notice.startswith("Your prediction stays noted")


@pytest.mark.parametrize("field", ["macs", "parameters"])
def test_every_wrong_prediction_names_its_misconception(field):
    for ratio in lab_module.RATIOS:
        assert ((field, ratio) in lab_module._WRONG) == (ratio != lab_module.RIGHT[field])


def test_the_right_prediction_is_what_trace_counts():
    layers = trace(resnet_config(50))
    late, early = (
        [sum(getattr(x, field) for x in layers if x.name.startswith(block)) for field in ("macs", "parameters")]
        for block in ("layer4.2.", "layer1.2.")
    )
    assert late[0] / early[0] == 1
    assert late[1] / early[1] == pytest.approx(64, rel=0.02)


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "<b>"},
        {"blocks": (0, 1, 1, 1)},
        {"blocks": (3, 4, 6)},
        {"blocks": 3},
        {"blocks": "3463"},
        {"blocks": (3, 4, 6.0, 3)},
        {"blocks": (True, 4, 6, 3)},
        {"blocks": (3, 4, 37, 3)},
        {"width": 32},
        {"depth": 50},
        {"kind": ["basic"]},
    ],
)
def test_bad_settings_are_answered_in_place(lab, settings):
    plan = lab.plan
    lab.set(**settings)
    assert lab.notice
    assert "<b>" not in lab._notice.value
    assert lab.plan == plan
    lab.set(kind="bottleneck")
    assert lab.notice == ""


def test_bad_predictions_are_answered_in_place():
    lab = labs.budget()
    lab.predict("2", "64")
    assert lab.notice.startswith("'2' is no answer here; choose one of 1/64, 1, 8, 64.")
    assert lab.prediction == {}


def test_each_met_task_is_set_beside_the_papers_network(lab):
    lab.set(kind="bottleneck")
    lab.hand_in()
    assert "Its ResNet-50 is what you have built." in lab.feedback
    lab.set(blocks=(13, 1, 1, 1))
    lab.hand_in()
    assert "25.56 M parameters to your 10.91 M" in lab.feedback
    solve(lab)
    assert "ResNet-101" in lab._end.value
    assert "44.55 M" in lab._end.value


def test_what_is_said_beside_resnet_101_is_what_trace_counts(lab):
    solve(lab)
    lab.next()
    assert lab.task_number == 2, "the second task again"
    lab.set(blocks=(14, 13, 6, 1))
    lab.hand_in()
    layers = trace(resnet_config(101))

    def values_and_weights(block):
        inside = [x for x in layers if x.name.startswith(block)]
        return sum(math.prod(x.out_shape) for x in inside if x.kind == "conv"), sum(x.parameters for x in inside)

    (early, few), (late, many) = values_and_weights("layer1.1."), values_and_weights("layer3.1.")
    assert early / late == 4
    assert many / few == pytest.approx(16, rel=0.02)
    assert f"takes 7.57 GMACs to your {lab.cost.macs / 1e9:.2f}, and 44.55 M" in lab.feedback
    assert "layer3, where one has 16 times the parameters of one in layer1" in lab.feedback
    assert "one in layer1 hand on four times the values of one in layer3" in lab.feedback


def test_the_pictures_say_in_words_what_they_show():
    macs, parameters = lab_module.bars(LEAN, LEAN.start)
    assert "layer3 26.09" in parameters.alt
    assert "in all 44.55, over the limit of 20" in parameters.alt
    assert "in all 7.57, within the limit of 8" in macs.alt
    assert "data-over" not in macs.svg
    assert re.findall(r'data-over="(\w+)"', parameters.svg) == ["layer3", "layer4", "head", "total"]


def test_each_bar_begins_where_the_one_above_ends():
    figure = lab_module.bars(DEEPER, DEEPER.start)[1]
    bars = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"[^>]*data-part="(?!total)', figure.svg)
    ends = [float(x) + float(width) for x, width in bars]
    assert len(bars) == 6
    for end, (x, _) in zip(ends, bars[1:], strict=False):
        assert float(x) == pytest.approx(end, abs=1.1)  # a bar is one pixel wide at least


def test_the_page_shows_the_opening_state_whatever_was_clicked(lab):
    before = labs.budget()._repr_mimebundle_()["text/html"]
    solve(lab)
    assert lab._repr_mimebundle_()["text/html"] == before
    for task in TASKS:
        assert task.title in before
