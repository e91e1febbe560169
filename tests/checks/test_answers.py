"""The catalogue tests the checks: every wrong answer is rejected with its own diagnosis, every right one accepted."""

import itertools

from resnet_lessons.checks import chapter_01 as ex
from resnet_lessons.checks import structure
from resnet_lessons.checks.basic_mistakes import BASIC
from resnet_lessons.labs.faults import FAULTS, faulty_block
from tests.checks import answers, judging
from tests.checks.judging import FRAMEWORKS, named

import pytest

CASES = answers.cases()


@pytest.mark.parametrize("case", CASES, ids=judging.ids(CASES))
def test_every_mistake_is_named_and_no_other(case):
    judging.assert_diagnosed(ex, case)


def test_the_catalogue_has_an_answer_for_each_of_its_mistakes_in_each_framework():
    judging.assert_covered(
        ex,
        CASES,
        judging.catalogued(ex.TASKS),
        pytorch_only={"edits_its_input", "overwrites_for_backward"},  # a tensor of TensorFlow cannot be written to
        keras_only={"wrong_axis"},  # PyTorch has no such setting
    )


def test_the_table_in_contributing_lists_what_is_tested():
    judging.assert_listed_in_contributing(CASES)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("both", "body", "layers"), answers.TWO, ids=judging.pair_id)
def test_of_two_mistakes_at_least_one_is_named_and_none_that_is_not_there(framework, both, body, layers):
    judging.assert_some_named(ex.basic_block.check(answers.make(framework, body, **layers)), both)


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
        judging.assert_some_named(ex.basic_block.check(answers.wired(edit)), both | come_to)


@pytest.mark.parametrize("style", answers.torch_styles())
def test_right_answers_in_every_style_are_accepted_in_pytorch(style):
    judging.assert_accepted(ex.basic_block.check(answers.torch_styles()[style]), "pytorch")


@pytest.mark.parametrize("style", answers.keras_styles())
def test_right_answers_in_every_style_are_accepted_in_tensorflow(style):
    judging.assert_accepted(ex.basic_block.check(answers.keras_styles()[style]), "tensorflow")


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
    judging.assert_sections_exist(ex)


def test_keys_of_mistakes_are_unique_in_each_catalogue_and_say_what_why_and_where():
    judging.assert_keys_unique_and_texts_there(ex)
    assert set(structure.NOT_REGISTERED.implies) <= {mistake.key for mistake in ex.basic_block.catalogue}
