"""The ladder for who is stuck: five rungs, from predicting to asking, and no code on any."""

from resnet_lessons.checks import chapter_01 as ex
from resnet_lessons.checks import notebook

import pytest


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path))


@pytest.mark.parametrize("task", ex.TASKS, ids=lambda task: task.key)
def test_the_rungs_come_in_order_and_name_the_task(task):
    shown = repr(task.stuck())
    places = [shown.index(f"{n}. {rung}:") for n, rung in enumerate(RUNGS, 1)]
    assert places == sorted(places)
    assert f"ex.{task.key}.hint()" in shown
    assert str(task.section) in shown
    assert task.stuck()._repr_html_().count("<p>") == len(RUNGS)


RUNGS = ("Predict", "Shrink", "First divergence", "Hint", "Ask")


def test_numbers_and_code_have_ladders_of_their_own():
    assert "after every line" in repr(ex.basic_block.stuck())
    assert "after every line" not in repr(ex.count.stuck())


def test_what_the_last_check_observed_comes_first():
    ex.count.check(dict.fromkeys(ex.count.answers, 1))
    first = repr(ex.count.stuck()).partition("\n\n")[0]
    assert first.startswith("The last check observed: ")
    assert "1 is not right" in first
    ex.count.check(dict(ex.count.answers))
    assert repr(ex.count.stuck()).startswith("1. Predict")


def test_no_rung_gives_a_hint_away():
    for task in ex.TASKS:
        assert not [hint for hint in task.hints if hint in repr(task.stuck())]


def test_the_command_line_does_not_run_it_again():
    assert notebook._OWN_CALLS.fullmatch("ex.count.stuck()")
