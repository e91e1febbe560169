"""Chapter 02's checks, tested by its catalogue: each wrong answer is named, each right one accepted, in both frameworks."""

import re
import time
from pathlib import Path

from resnet_lessons.checks import chapter_02 as ex
from resnet_lessons.checks.shortcut_mistakes import OPTION_A, SHORTCUTS, STAGE
from tests.checks import answers, shortcut_answers

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
FRAMEWORKS = ("pytorch", "tensorflow")
CASES = shortcut_answers.cases()


def named(outcome) -> set[str]:
    return {mistake.key for mistake in outcome.mistakes}


@pytest.mark.parametrize("case", CASES, ids=["-".join(filter(None, case[:3])) for case in CASES])
def test_every_mistake_is_named_and_no_other(case):
    exercise, mistake, framework, answer = case
    outcome = getattr(ex, exercise).check(answer())
    assert outcome.status == "not yet", outcome
    assert named(outcome) == {mistake}, outcome
    assert outcome.observed
    assert outcome.framework == framework


def test_every_mistake_of_its_own_has_an_answer_in_each_framework():
    shown = {(mistake, framework) for _, mistake, framework, _ in CASES}
    own = {m.key for m in (*SHORTCUTS, *OPTION_A, *STAGE[-3:])} - {"edits_its_input"}  # TensorFlow's are not written to
    assert {(key, framework) for key in own for framework in FRAMEWORKS} <= shown
    assert ("edits_its_input", "pytorch") in shown
    values = {m.key for t in (ex.count, ex.predict) for wrong in t.wrong.values() for m in wrong.values()}
    assert {(key, "") for key in values} <= shown


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("both", "body", "layers"), shortcut_answers.TWO, ids=lambda v: "+".join(v) if isinstance(v, tuple) else ""
)
def test_of_two_mistakes_at_least_one_is_named_and_none_that_is_not_there(framework, both, body, layers):
    outcome = ex.projection.check(shortcut_answers.make(framework, body, **layers))
    assert outcome.status == "not yet"
    assert named(outcome), outcome
    assert named(outcome) <= set(both), outcome


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("both", "body"), shortcut_answers.OPTION_A_TWO, ids=lambda v: "+".join(v) if type(v) is tuple else ""
)
def test_of_two_mistakes_in_option_a_at_least_one_is_named(framework, both, body):
    outcome = ex.option_a.check(shortcut_answers.option_a(framework, body))
    assert outcome.status == "not yet"
    assert named(outcome), outcome
    assert named(outcome) <= set(both), outcome


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("style", shortcut_answers.OPTION_A_STYLES)
def test_zeros_on_any_side_are_option_a(framework, style):
    outcome = ex.option_a.check(shortcut_answers.option_a(framework, shortcut_answers.OPTION_A_STYLES[style]))
    assert outcome.right, outcome


@pytest.mark.parametrize("style", shortcut_answers.torch_styles())
def test_right_blocks_in_every_style_are_accepted_in_pytorch(style):
    outcome = ex.projection.check(shortcut_answers.torch_styles()[style])
    assert outcome.right, outcome
    assert outcome.framework == "pytorch"


@pytest.mark.parametrize("style", shortcut_answers.keras_styles())
def test_right_blocks_in_every_style_are_accepted_in_tensorflow(style):
    outcome = ex.projection.check(shortcut_answers.keras_styles()[style])
    assert outcome.right, outcome
    assert outcome.framework == "tensorflow"


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


@pytest.mark.parametrize("answer", [None, ..., ""], ids=str)
def test_nothing_handed_in_is_not_attempted(answer):
    assert {task.check(answer).status for task in ex.TASKS} == {"not attempted"}


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
    mistakes = {m for t in ex.TASKS for m in getattr(t, "catalogue", ())} | {
        m for t in ex.TASKS for wrong in getattr(t, "wrong", {}).values() for m in wrong.values()
    }
    for section in {mistake.section for mistake in mistakes} | {task.section for task in ex.TASKS}:
        text = (ROOT / "chapters" / f"{section.chapter}.ipynb").read_text(encoding="utf-8")
        assert re.search(rf"## {section.number} · {re.escape(section.title)}[\"\\]", text), section


def test_keys_of_mistakes_are_unique_in_each_catalogue_and_say_what_why_and_where():
    for task in (ex.option_a, ex.projection, ex.stage):
        keys = [mistake.key for mistake in task.catalogue]
        assert len(keys) == len(set(keys))
        for mistake in task.catalogue:
            assert min(map(len, (mistake.title, mistake.explanation, mistake.why, mistake.seen))) > 5
            assert not re.search(
                r"relu\(.*\+.*\)|bias=False|use_bias=False|padding=1", mistake.explanation + mistake.why
            )


def test_the_table_in_contributing_lists_what_is_tested():
    lines = "\n".join(answers.table(CASES))
    assert lines in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), f"CONTRIBUTING.md should hold:\n{lines}"
