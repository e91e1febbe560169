"""Chapter 03's checks, tested by its catalogue: each wrong answer is named, each right one accepted, in both frameworks."""

import json
from dataclasses import replace

from resnet_lessons import resnet_config, trace
from resnet_lessons.checks import chapter_03 as ex
from resnet_lessons.checks.basic_mistakes import BASIC
from resnet_lessons.checks.bottleneck_mistakes import CHAPTER
from resnet_lessons.checks.shortcut_mistakes import SHORTCUTS
from tests.checks import bottleneck_answers as answers
from tests.checks import judging
from tests.checks.judging import FRAMEWORKS, named

import pytest

CASES = answers.cases()


def shapes_for(case) -> int | None:
    """How many shapes to try: all for chapter 03's own mistakes in PyTorch, else one, if that is enough to name it."""
    key, mistake, framework, _ = case
    if mistake in answers.SEVERAL or (framework == "pytorch" and mistake not in answers.ELSEWHERE):
        return None
    return 2 if key == "planned" else 1  # its first plan has no 1×1


@pytest.mark.parametrize("case", CASES, ids=judging.ids(CASES))
def test_every_mistake_is_named_and_no_other(case):
    judging.assert_diagnosed(ex, case, shapes=shapes_for(case))


def test_every_mistake_of_its_own_has_an_answer_in_each_framework():
    inherited = {mistake.key for mistake in (*BASIC, *SHORTCUTS)} - {"no_middle_relu", "relu_before_addition"}
    blocks = (ex.branch, ex.repair, ex.bottleneck, ex.planned)  # whole networks have a catalogue and tests of their own
    own = [m for m in judging.catalogued(blocks) if m.section.chapter == CHAPTER and m.key not in inherited]
    assert len({mistake.key for mistake in own}) >= 15
    judging.assert_covered(ex, CASES, own, pytorch_only={"channels_not_carried_on"})  # Keras finds the channels out


@pytest.mark.parametrize(("both", "body", "layers"), answers.TWO, ids=judging.pair_id)
def test_of_two_mistakes_at_least_one_is_named_and_none_that_is_not_there(both, body, layers):
    judging.assert_some_named(ex.bottleneck.check(answers.make("pytorch", body, **layers)), both)


def test_of_two_mistakes_one_is_named_in_tensorflow_too():
    # “same” pads a stride of 2 on one side: nobody can make that mistake in PyTorch without meaning to.
    answer = answers.make("tensorflow", strided=(2,), padding="same")
    first = replace(ex.bottleneck, cases=ex.bottleneck.cases[:1])
    judging.assert_some_named(first.check(answer), {"stride_on_3x3", "same_padding"})


@pytest.mark.parametrize("style", answers.torch_styles())
def test_right_blocks_in_every_style_are_accepted_in_pytorch(style):
    judging.assert_accepted(ex.bottleneck.check(answers.torch_styles()[style]), "pytorch")


@pytest.mark.parametrize("style", answers.keras_styles())
def test_right_blocks_in_every_style_are_accepted_in_tensorflow(style):
    judging.assert_accepted(ex.bottleneck.check(answers.keras_styles()[style]), "tensorflow")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_right_branch_and_a_right_block_from_a_plan_are_accepted(framework):
    judging.assert_accepted(ex.branch.check(answers.branch(framework)), framework)
    judging.assert_accepted(ex.planned.check(answers.planned(framework)), framework)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_package_s_own_blocks_are_right_and_its_other_versions_are_named(framework):
    # Blocks that were not written for the checks: an oracle for what the wiring says of v1.5 and of options A and C.
    from resnet_lessons import tf_resnet, torch_resnet

    block = (torch_resnet if framework == "pytorch" else tf_resnet).Bottleneck
    assert ex.bottleneck.check(lambda i, w, s: block(i, w, s)).right
    others: dict = {"stride_on_3x3": {"version": "v1.5"}}
    if framework == "pytorch":
        others |= {"projection_everywhere": {"shortcut": "C"}, "zeros_for_projection": {"shortcut": "A"}}
    for mistake, settings in others.items():
        assert named(ex.bottleneck.check(lambda i, w, s, given=settings: block(i, w, s, **given))) == {mistake}


@pytest.mark.parametrize(
    ("there", "made"),
    [
        # One number from the plan's first layer serves for both questions.
        (
            {"projection_tested_against_width", "projection_to_width"},
            {"to": 0, "when": lambda ins, plan, stride: stride != 1 or ins != plan[0][1]},
        ),
        # A loop that was written for the bottleneck: too many ReLUs for a basic block, too few for a longer one.
        ({"two_relus", "no_middle_relu"}, {"relus": "2"}),
    ],
    ids=["first layer's channels", "two ReLUs"],
)
def test_two_mistakes_of_a_loop_are_both_named(there, made):
    assert named(ex.planned.check(answers.planned("pytorch", **made))) == there


def test_a_projection_that_is_too_wide_is_not_called_too_narrow():
    outcome = ex.bottleneck.check(answers.make("pytorch", projection_to=8))
    assert named(outcome) == {"projection_to_width"}
    assert "few" not in outcome.explain()


def test_what_a_block_goes_back_to_is_named_whatever_is_on_the_shortcut():
    from torch import nn
    from torch.nn import functional as F

    class Answer(nn.Module):
        def __init__(self, ins, width, stride):
            super().__init__()
            self.branch = answers.branch("pytorch", sizes=(1, 1, 0))(ins, width)
            self.branch[0].stride = (stride, stride)
            self.shortcut = nn.Sequential(nn.Conv2d(ins, ins, 1, stride, bias=False), nn.BatchNorm2d(ins))

        def forward(self, x):
            return F.relu(self.branch(x) + (self.shortcut(x) if self.branch[0].stride[0] > 1 else x))

    found = named(ex.bottleneck.check(Answer))
    assert "back_to_input" in found
    assert "expansion" not in found


def test_what_is_seen_names_the_shape_it_was_seen_for():
    answer = answers.make("pytorch", when=lambda ins, width, stride: stride != 1 or ins != width)
    outcome = ex.bottleneck.check(answer)
    assert outcome.observed[0].startswith("Made for 4 channels, width 4, stride 1: Three convolutions ran")
    assert outcome.observed[-1] == "Right: 5 channels, width 4, stride 2; 16 channels, width 4, stride 2."
    observed = ex.planned.check(answers.planned("pytorch", relus="none")).observed
    assert observed[0].startswith("Made for 5 channels, plan 3×3 to 6, 3×3 to 6, stride 2: ")


def test_what_the_two_broken_blocks_have_is_named():
    # The release's own blocks, as a learner runs them before changing anything.
    code = {cell["id"]: "".join(cell["source"]) for cell in released()["cells"]}
    given: dict = {}
    exec("\n".join(code[key] for key in ("imports-pytorch", "repair-pytorch", "planned-pytorch")), given)
    assert named(ex.repair.check(given["Repaired"])) == {"projection_tested_against_width", "relu_before_addition"}
    assert "channels_not_carried_on" in named(ex.planned.check(given["Planned"]))


def released() -> dict:
    return json.loads((judging.ROOT / "exercises/03_bottleneck/exercise.ipynb").read_text(encoding="utf-8"))


def test_nothing_handed_in_is_not_attempted():
    judging.assert_untouched_is_not_attempted(ex)


def test_whatever_an_answer_raises_is_reported():
    def exits(ins, width, stride):
        raise SystemExit(3)

    for answer in (exits, lambda: None, 7, answers.make("pytorch", lambda b, x: x.shape)):
        assert ex.bottleneck.check(answer).status == "not yet"
        assert ex.planned.check(answer).status == "not yet"


def test_a_long_error_is_cut_in_its_middle():
    def answer(ins, width, stride):
        raise ValueError("Could not infer. " + "Implement a method. " * 30 + "Error encountered: 64 and 16.")

    observed = ex.bottleneck.check(answer).observed[0]
    assert "Could not infer." in observed
    assert observed.endswith("Error encountered: 64 and 16.")
    assert len(observed) < 450


def test_a_mistake_without_a_name_is_rejected_in_time():
    judging.assert_rejected_in_time(ex.bottleneck, answers)


def test_the_count_is_that_of_the_network():
    layers = [layer for layer in trace(resnet_config(50)) if layer.name.startswith("layer2.0.")]
    assert sum(layer.parameters for layer in layers) == ex.count.answers["parameters"]
    assert sum(layer.macs for layer in layers) == ex.count.answers["MACs"]
    late = [layer for layer in trace(resnet_config(50, "v1.5")) if layer.name.startswith("layer2.0.")]
    assert ex.count.wrong["MACs"][sum(layer.macs for layer in late)].key == "stride_on_3x3"


def test_the_predictions_are_what_the_networks_cost():
    def macs(block: str, size: int = 224, **changes: int) -> int:
        layers = trace(resnet_config(50, **changes), image_size=(size, size))
        return sum(layer.macs for layer in layers if layer.name.startswith(block))

    before = macs("layer1.1.")
    wider = sum(  # with expansion 8 only the two 1×1 have twice the channels on one side
        layer.macs * (2 if layer.kernel == (1, 1) else 1)
        for layer in trace(resnet_config(50))
        if layer.name.startswith("layer1.1.")
    )
    seen = {
        "twice the width": macs("layer1.1.", width=128) / before,
        "expansion 8": wider / before,
        "one stage on": macs("layer2.1.") / before,
        "maps twice as high and wide": macs("layer1.1.", size=448) / before,
    }
    words = {4.0: "four times", 25 / 17: "less than twice", 1.0: "the same"}
    assert {question: words[value] for question, value in seen.items()} == ex.predict.answers


def test_every_section_that_an_answer_sends_to_exists():
    judging.assert_sections_exist(ex)


def test_keys_of_mistakes_are_unique_in_each_catalogue_and_say_what_why_and_where():
    judging.assert_keys_unique_and_texts_there(ex)


def test_the_table_in_contributing_lists_what_is_tested():
    judging.assert_listed_in_contributing(CASES)
