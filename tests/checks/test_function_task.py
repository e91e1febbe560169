"""Tasks that ask for a function: what is named, what is accepted, and what such a check survives."""

import random
import time

from resnet_lessons.checks import Mistake, Section, guard
from resnet_lessons.checks.function_task import Call, FunctionTask, difference, of_functions, plain
from tests.checks.judging import named

import numpy as np
import pytest
import torch

HERE = Section("04_stride_move", 1, "One stride, moved")


def right(values, factor, *, adds=0.0, by="product", squares=False):
    """Scale values; the keywords are the mistakes."""
    out = values / factor if by == "quotient" else values * factor
    return {"scaled": out**2 if squares else out, "sum": float(out.sum()) + adds}


def mistake(key, **edit):
    return Mistake(key, "a title", "an explanation", "why it matters", HERE, edits=[edit])


task = FunctionTask(
    "scale", "scale values", HERE, 1, (1, 2), ("one", "two", "three"), {"": "scale"},
    right=right,
    calls=[Call((np.arange(6.0).reshape(2, 3) - 2, 3.0), "a 2×3 array"), Call((np.array([0.5, -4.0]), 2.0), "a pair", "pair")],
    catalogue=(mistake("adds", adds=1.0), mistake("quotient", by="quotient"), mistake("squares", squares=True),
               *of_functions(HERE)),
    also=({"adds": 1e3},),
)  # fmt: skip


def wrong(**edit):
    return lambda values, factor: right(values, factor, **edit)


@pytest.mark.parametrize(
    ("edit", "keys"),
    [
        ({"adds": 1.0}, {"adds"}),
        ({"by": "quotient"}, {"quotient"}),
        ({"squares": True, "adds": 1.0}, {"squares", "adds"}),
        ({"by": "quotient", "squares": True, "adds": 1.0}, {"quotient", "squares", "adds"}),
        ({"adds": 1e3, "squares": True}, {"squares"}),  # on top of what is right as well
        ({"adds": 7.0}, set()),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),  # the same in every process
)
def test_what_reproduces_every_result_is_named(edit, keys):
    outcome = task.check(wrong(**edit))
    assert outcome.status == "not yet"
    assert named(outcome) == keys


def test_parts_are_explained_apart():
    def two_ways(values, factor):
        return right(values, factor, squares=True) if values.ndim == 2 else "nothing that has a name"

    outcome = task.check(two_ways)
    assert named(outcome) == {"squares"}
    assert outcome.observed[-1] == "Not right either: a pair."


@pytest.mark.parametrize(
    "answer",
    [
        right,
        wrong(adds=1e3),
        lambda values, factor: {"sum": np.sum(values * factor), "scaled": torch.tensor(values * factor)},
        lambda values, factor: {
            "sum": np.float32((values * factor).sum()),
            "scaled": (values * factor).astype("float32").tolist(),
        },
    ],
    ids=["itself", "another right one", "a tensor", "float32 and lists"],
)
def test_right_answers_of_every_kind_are_accepted(answer):
    assert task.check(answer).right, task.check(answer)


class Callable:
    def __call__(self, values, factor):
        return right(values, factor)


def test_an_object_that_can_be_called_will_do():
    assert task.check(Callable()).right


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), RecursionError("deep"), GeneratorExit()], ids=repr
)
def test_whatever_an_answer_raises_is_reported_with_the_call(error):
    def answer(values, factor):
        raise error

    outcome = task.check(answer)
    assert outcome.status == "not yet"
    assert outcome.observed[0].startswith(f"Called with a 2×3 array, it raised {type(error).__name__}")


def test_one_call_that_raises_does_not_hide_the_mistake_in_another():
    def answer(values, factor):
        return right(values, factor, squares=True) if values.ndim == 2 else values[0, 0]

    assert named(task.check(answer)) == {"squares"}


@pytest.mark.parametrize(
    ("result", "seen"),
    [
        (5, "is 5; it should be a dict with the keys 'scaled', 'sum'"),
        ({}, "they should be 'scaled', 'sum'"),
        ({"scaled": 1, "sum": 2}, "'scaled' has the shape (); it should have (2, 3)"),
        ({"scaled": "text", "sum": 2}, "'scaled' is 'text'; it should be an array of shape (2, 3)"),
        ({"scaled": np.full((2, 3), np.nan), "sum": 2}, "'scaled' holds values that are NaN"),
        ({"scaled": [[1], [1, 2]], "sum": 2}, "'scaled' is a list of unequal lists"),
        ({"scaled": object(), "sum": 2}, "'scaled' is of type object"),
        ((n for n in range(3)), "the result is of type generator; it should be a dict"),
        ({"scaled": np.ones((2, 3), dtype=bool), "sum": 2}, "it should be an array of shape (2, 3)"),
        ({"scaled": np.ones((2, 3)) * 1j, "sum": 2}, "'scaled' is an array that does not hold numbers"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_what_is_returned_is_said_in_words(result, seen):
    outcome = task.check(lambda values, factor: result)
    assert outcome.status == "not yet"
    assert seen in outcome.observed[0], outcome


def as_it_came(values, factor):
    pass  # your code here


@pytest.mark.parametrize("answer", [None, ..., "", as_it_came], ids=["None", "...", "empty", "as it came"])
def test_what_was_left_empty_is_not_attempted(answer):
    assert task.check(answer).status == "not attempted"


def test_none_is_named_and_what_is_no_function_refused():
    nothing = task.check(lambda values, factor: None)
    assert named(nothing) == {"no_return"}
    assert nothing.observed == ("Given a 2×3 array, your function returned None.", "Not right either: a pair.")
    for answer in (5, [1], {"a": 1}, np.zeros(3)):
        assert "takes the function itself" in task.check(answer).observed[0]


def test_an_answer_that_writes_into_what_it_was_given_is_told_and_harms_nothing():
    def answer(values, factor):
        values *= factor
        return {"scaled": values, "sum": values.sum()}

    before = plain(task.calls[0].arguments)[0].copy()
    outcome = task.check(answer)
    assert named(outcome) == {"edits_its_arguments"}
    assert np.array_equal(task.calls[0].arguments[0], before)
    assert task.check(right).right


def test_an_answer_that_returns_the_same_buffer_twice_is_judged_by_what_it_held_then():
    kept = {}

    def answer(values, factor):
        buffer = kept.setdefault(values.shape, np.empty(values.shape))
        np.multiply(values, factor, out=buffer)
        return {"scaled": buffer, "sum": buffer.sum()}

    assert task.check(answer).right


def test_an_answer_that_counts_its_calls_is_told():
    calls = []

    def answer(values, factor):
        calls.append(1)
        return right(values, factor, adds=0.0 if len(calls) < 3 else 0.25)

    outcome = task.check(answer)
    assert named(outcome) == {"remembers_calls"}
    assert outcome.observed == ("The same call, made twice, returned two things.",)


def test_seeds_and_patched_functions_are_put_back():
    def answer(values, factor):
        random.seed(0)
        np.sum = lambda *_: 0
        return right(values, factor)

    state, original = random.getstate(), np.sum
    assert task.check(answer).right
    assert random.getstate() == state
    assert np.sum is original


def test_an_endless_loop_is_ended(monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 0.3)

    def answer(values, factor):
        while True:
            pass

    started = time.monotonic()
    outcome = task.check(answer)
    assert outcome.observed == (
        "Your code did not come to an end within 0.3 seconds: look for a loop that never ends.",
    )
    assert time.monotonic() - started < 10


def test_next_to_large_values_rounding_is_no_difference():
    assert difference(1e-17, 0.0, scale=0.1) == ""
    assert difference(1e-3, 0.0, scale=0.1) == "the result is 0.001; it should be 0"
    assert difference(True, 1.0) == "the result is True; it should be a number"
