"""The catalogue tests the checks: every wrong answer is rejected with its own diagnosis, every right one accepted."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from resnet_lessons.checks import Outcome, chapter_01, structure
from resnet_lessons.checks.basic_mistakes import BASIC
from resnet_lessons.labs.faults import FAULTS, faulty_block
from tests.checks import answers

import pytest

FRAMEWORKS = ("pytorch", "tensorflow")
ex = chapter_01
table: list[tuple[str, str, str, str]] = []


@pytest.fixture(scope="module", autouse=True)
def _print_the_table(request: pytest.FixtureRequest) -> Iterator[None]:
    """Exercise × mistake × framework × verdict; `pytest -s` shows it."""
    yield
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        if request.config.option.capture == "no":
            print(
                "\n".join(
                    f"{task:<14}{mistake:<28}{framework:<12}{verdict}" for task, mistake, framework, verdict in table
                )
            )


def named(outcome: Outcome) -> set[str]:
    return {mistake.key for mistake in outcome.mistakes}


def assert_diagnosed(task, mistake: str, framework: str, answer) -> None:
    outcome = task.check(answer)
    table.append((task.key, mistake, framework, ", ".join(sorted(named(outcome))) or outcome.status))
    assert outcome.status == "not yet", outcome
    assert named(outcome) == {mistake}, outcome
    assert outcome.observed
    assert outcome.framework == framework


CASES = answers.cases()


@pytest.mark.parametrize("case", CASES, ids=["-".join(filter(None, case[:3])) for case in CASES])
def test_every_mistake_is_named_and_no_other(case):
    exercise, mistake, framework, answer = case
    assert_diagnosed(getattr(ex, exercise), mistake, framework, answer())


def test_the_catalogue_has_an_answer_for_each_of_its_mistakes_in_each_framework():
    shown = {(mistake, framework) for _, mistake, framework, _ in CASES}
    of_pytorch = {"edits_its_input", "overwrites_for_backward"}  # a tensor of TensorFlow cannot be written to
    of_tensorflow = {"wrong_axis"}  # PyTorch has no such setting
    for task in ex.TASKS:
        for mistake in getattr(task, "catalogue", ()):
            assert (mistake.key, "pytorch") in shown or mistake.key in of_tensorflow
            assert (mistake.key, "tensorflow") in shown or mistake.key in of_pytorch
        for wrong in getattr(task, "wrong", {}).values():
            for mistakes in wrong.values():
                for mistake in mistakes if isinstance(mistakes, tuple) else (mistakes,):
                    assert (mistake.key, "") in shown


def test_the_table_in_contributing_lists_what_is_tested():
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    lines = "\n".join(answers.table())
    assert lines in text, f"CONTRIBUTING.md should hold this table:\n{lines}"


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("both", "body", "layers"), answers.TWO, ids=lambda v: "+".join(v) if isinstance(v, tuple) else ""
)
def test_of_two_mistakes_at_least_one_is_named_and_none_that_is_not_there(framework, both, body, layers):
    outcome = ex.basic_block.check(answers.make(framework, body, **layers))
    assert outcome.status == "not yet"
    assert named(outcome), outcome
    assert named(outcome) <= set(both)


def test_any_two_mistakes_that_can_be_made_together_are_found():
    # Every tenth pair of the catalogue, built from the wiring itself. Two ReLUs in a row are one and half of twice the
    # branch is the branch: so two mistakes can come to a third, which is then what the block has.
    come_to = {"no_addition", "rectified_apart", "relu_before_addition"}
    pairs = [
        ({one.key, other.key}, {**first, **second})
        for one, other in itertools.combinations(BASIC, 2)
        for first, second in itertools.product(one.edits, other.edits)
        if not first.keys() & second.keys()
        and {one.key, other.key} != {"concatenation", "bn_after_addition"}  # the shapes do not fit
    ]
    for both, edit in pairs[::10]:
        outcome = ex.basic_block.check(answers.wired(edit))
        assert outcome.status == "not yet", both
        assert named(outcome), (both, outcome)
        assert named(outcome) <= both | come_to, both


@pytest.mark.parametrize("style", answers.torch_styles())
def test_right_answers_in_every_style_are_accepted_in_pytorch(style):
    outcome = ex.basic_block.check(answers.torch_styles()[style])
    assert outcome.right, outcome
    assert outcome.framework == "pytorch"


@pytest.mark.parametrize("style", answers.keras_styles())
def test_right_answers_in_every_style_are_accepted_in_tensorflow(style):
    outcome = ex.basic_block.check(answers.keras_styles()[style])
    assert outcome.right, outcome
    assert outcome.framework == "tensorflow"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_package_s_own_blocks_are_right(framework):
    from resnet_lessons import tf_resnet, torch_resnet

    module = torch_resnet if framework == "pytorch" else tf_resnet
    assert ex.basic_block.check(lambda channels: module.BasicBlock(channels, channels)).right


@pytest.mark.parametrize("fault", [key for key in FAULTS if key != "correct"])
def test_the_blocks_that_the_lab_plants_are_named_alike(fault):
    # Written for the lab, with the reference of the twins: an oracle for what the wiring says of the same mistakes.
    outcome = ex.basic_block.check(lambda channels: faulty_block("pytorch", fault, channels))
    assert fault in named(outcome)
    assert named(outcome) <= {fault, "never_used"}  # the lab's blocks keep a BN that they leave out
    assert ex.basic_block.check(lambda channels: faulty_block("pytorch", "correct", channels)).right


def test_a_mistake_without_a_name_is_rejected_all_the_same():
    import torch

    outcome = ex.basic_block.check(answers.make("pytorch", lambda b, x: torch.nn.functional.gelu(answers.right(b, x))))
    assert outcome.status == "not yet"
    assert not outcome.mistakes
    assert "differ" in outcome.observed[0]


def test_every_section_that_an_answer_sends_to_exists():
    chapters = Path(__file__).parents[2] / "chapters"
    mistakes = {m for t in ex.TASKS for m in getattr(t, "catalogue", ())} | {
        m
        for t in ex.TASKS
        for wrong in getattr(t, "wrong", {}).values()
        for found in wrong.values()
        for m in (found if isinstance(found, tuple) else (found,))
    }
    for section in {mistake.section for mistake in mistakes} | {task.section for task in ex.TASKS}:
        text = (chapters / f"{section.chapter}.ipynb").read_text(encoding="utf-8")
        assert re.search(rf"## {section.number} · {re.escape(section.title)}[\"\\]", text), section


def test_keys_of_mistakes_are_unique_in_each_catalogue():
    for task in (ex.basic_block, ex.residual_mlp):
        keys = [mistake.key for mistake in task.catalogue]
        assert len(keys) == len(set(keys))
    assert set(structure.NOT_REGISTERED.implies) <= {mistake.key for mistake in ex.basic_block.catalogue}
