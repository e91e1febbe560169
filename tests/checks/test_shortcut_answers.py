"""Chapter 02's checks, tested by its catalogue: each wrong answer is named, each right one accepted, in both frameworks."""

import re
import time

from resnet_lessons.checks import chapter_02 as ex
from resnet_lessons.checks.shortcut_mistakes import OPTION_A, SHORTCUTS, STAGE
from tests.checks import judging, shortcut_answers
from tests.checks.judging import FRAMEWORKS, named

import numpy as np
import pytest

CASES = shortcut_answers.cases()


@pytest.mark.parametrize("case", CASES, ids=judging.ids(CASES))
def test_every_mistake_is_named_and_no_other(case):
    judging.assert_diagnosed(ex, case)


def test_every_mistake_of_its_own_has_an_answer_in_each_framework():
    own = (*SHORTCUTS, *OPTION_A, *STAGE[-3:])
    judging.assert_covered(ex, CASES, own, pytorch_only={"edits_its_input"})  # TensorFlow's tensors are not written to


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("both", "body", "layers"), shortcut_answers.TWO, ids=judging.pair_id)
def test_of_two_mistakes_at_least_one_is_named_and_none_that_is_not_there(framework, both, body, layers):
    judging.assert_some_named(ex.projection.check(shortcut_answers.make(framework, body, **layers)), both)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("both", "body"), shortcut_answers.OPTION_A_TWO, ids=judging.pair_id)
def test_of_two_mistakes_in_option_a_at_least_one_is_named(framework, both, body):
    judging.assert_some_named(ex.option_a.check(shortcut_answers.option_a(framework, body)), both)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("style", shortcut_answers.OPTION_A_STYLES)
def test_zeros_on_any_side_are_option_a(framework, style):
    outcome = ex.option_a.check(shortcut_answers.option_a(framework, shortcut_answers.OPTION_A_STYLES[style]))
    assert outcome.right, outcome


@pytest.mark.parametrize("style", shortcut_answers.torch_styles())
def test_right_blocks_in_every_style_are_accepted_in_pytorch(style):
    judging.assert_accepted(ex.projection.check(shortcut_answers.torch_styles()[style]), "pytorch")


@pytest.mark.parametrize("style", shortcut_answers.keras_styles())
def test_right_blocks_in_every_style_are_accepted_in_tensorflow(style):
    judging.assert_accepted(ex.projection.check(shortcut_answers.keras_styles()[style]), "tensorflow")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_package_s_own_blocks_are_right_and_its_other_options_are_named(framework):
    # Blocks that were not written for the checks: an oracle for what the wiring says of options A and C.
    from resnet_lessons import tf_resnet, torch_resnet

    block = (torch_resnet if framework == "pytorch" else tf_resnet).BasicBlock
    assert ex.projection.check(lambda i, o, s: block(i, o, s, shortcut="B")).right
    assert named(ex.projection.check(lambda i, o, s: block(i, o, s, shortcut="C"))) == {"projection_everywhere"}
    assert named(ex.projection.check(lambda i, o, s: block(i, o, s, shortcut="A"))) == {"zeros_for_projection"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_right_stage_is_accepted(framework):
    assert ex.stage.check(shortcut_answers.stage(framework)).right


def test_what_is_seen_names_the_shape_it_was_seen_for():
    answer = shortcut_answers.make("pytorch", when=lambda ins, outs, stride: stride != 1)
    observed = ex.projection.check(answer).observed
    assert observed[0].startswith("Made for 4 → 6 channels, stride 1: ")
    assert observed[-1] == "Right: 4 → 6 channels, stride 2; 4 → 4 channels, stride 2; 4 → 4 channels, stride 1."


def test_a_block_that_is_already_made_is_told_what_to_hand_in():
    outcome = ex.projection.check(shortcut_answers.make("pytorch")(4, 6, 2))
    assert outcome.status == "not yet"
    assert "takes the class, or the function" in outcome.observed[0]


def test_nothing_handed_in_is_not_attempted():
    judging.assert_untouched_is_not_attempted(ex)


def test_whatever_an_answer_raises_is_reported():
    def exits(ins, outs, stride):
        raise SystemExit(3)

    for answer in (exits, lambda: None, 7, shortcut_answers.make("pytorch", lambda b, x: x.shape)):
        assert ex.projection.check(answer).status == "not yet"


def test_a_mistake_without_a_name_is_rejected_in_time():
    import torch

    answer = shortcut_answers.make("pytorch", lambda b, x: torch.tanh(shortcut_answers.right(b, x)))
    started = time.monotonic()
    outcome = ex.projection.check(answer)
    assert outcome.status == "not yet"
    assert not outcome.mistakes
    assert time.monotonic() - started < 20  # two seconds on a machine that does nothing else


def test_the_numbers_of_the_count_are_those_of_the_networks():
    # The third stage of the CIFAR family's ResNet-20 is the task's: three blocks, from 32 to 64 channels.
    from resnet_lessons import resnet_config, trace

    for option in "ABC":
        layers = list(trace(resnet_config(20, family="cifar", shortcut=option)))
        shortcuts = [layer.parameters for layer in layers if re.match(r"layer3\..*downsample", layer.name)]
        assert sum(shortcuts) == ex.count.answers[option]


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("size", "outcome"), [(8, "error"), (2, "larger"), (1, "fits")])
def test_the_predictions_are_what_the_frameworks_do(framework, size, outcome):
    if framework == "pytorch":
        import torch

        shortcut, branch = torch.zeros(1, 4, size, size), torch.zeros(1, 4, -(-size // 2), -(-size // 2))
    else:
        import tensorflow as tf

        shortcut, branch = tf.zeros((1, size, size, 4)), tf.zeros((1, -(-size // 2), -(-size // 2), 4))
    try:
        right = np.shape(shortcut + branch) == np.shape(branch)
        seen = "fits" if right else "larger"
    except Exception:
        seen = "error"
    assert seen == outcome == ex.predict.answers[f"{size} × {size}"]


def test_every_section_that_an_answer_sends_to_exists():
    judging.assert_sections_exist(ex)


def test_keys_of_mistakes_are_unique_in_each_catalogue_and_say_what_why_and_where():
    judging.assert_keys_unique_and_texts_there(ex)


def test_the_table_in_contributing_lists_what_is_tested():
    judging.assert_listed_in_contributing(CASES)
