"""Chapter 06's checks, tested by its catalogue: each wrong answer is named, each right one accepted, in both frameworks."""

import json
import math
import statistics
import sys
import time
from functools import partial

from resnet_lessons import claims, findings, training
from resnet_lessons.checks import chapter_06 as ex
from resnet_lessons.checks import training_replay as replay
from resnet_lessons.checks.training_mistakes import CHOICE, EVALUATION, STEP
from resnet_lessons.checks.training_tasks import LEAST_RUNS, compare, rate, table_rows
from tests.checks import judging, training_answers
from tests.checks.judging import FRAMEWORKS

import numpy as np
import pytest

CASES = training_answers.cases()


@pytest.mark.parametrize("case", CASES, ids=judging.ids(CASES))
def test_every_mistake_is_named_and_no_other(case):
    judging.assert_diagnosed(ex, case)


def test_every_mistake_of_its_own_has_an_answer_in_each_framework():
    torch_only = {
        *training_answers.TORCH_ONLY,
        "evaluation_never_undone",
        "always_put_into_training",
        "gradients_recorded",
    }
    judging.assert_covered(
        ex, CASES, (*STEP, *EVALUATION, *CHOICE), pytorch_only=torch_only, keras_only=training_answers.KERAS_ONLY
    )
    shown = {(task, mistake) for task, mistake, _, _ in CASES}
    for task in (ex.schedule, ex.row):
        own = {m.key for m in task.catalogue if m.edits}
        assert {(task.key, key) for key in own} <= shown


@pytest.mark.parametrize(
    ("task", "both", "answer"),
    [
        *(("train_step", both, partial(training_answers.torch_step, **given)) for both, given in training_answers.TORCH_TWO),
        *(("train_step", both, partial(training_answers.keras_step, **given)) for both, given in training_answers.KERAS_TWO),
        *(
            ("evaluation", both, partial(training_answers.torch_accuracy, **given))
            for both, given in training_answers.TORCH_EVALUATIONS_TWO
        ),
        *(
            ("evaluation", both, partial(training_answers.keras_accuracy, **given))
            for both, given in training_answers.KERAS_EVALUATIONS_TWO
        ),
        *(("decay", both, partial(training_answers.split, "pytorch", place)) for both, place in training_answers.PLACES_TWO),
        *(("schedule", both, partial(training_answers._schedule, **given)) for both, given in training_answers.SCHEDULES_TWO),
        *(("row", both, partial(training_answers._verdict, **given)) for both, given in training_answers.VERDICTS_TWO),
    ],
    ids=judging.pair_id,
)  # fmt: skip
def test_of_two_mistakes_at_least_one_is_named_and_none_that_is_not_there(task, both, answer):
    judging.assert_some_named(getattr(ex, task).check(answer()), both)


@pytest.mark.parametrize("style", training_answers.torch_steps())
def test_right_steps_in_every_style_are_accepted_in_pytorch(style):
    judging.assert_accepted(ex.train_step.check(training_answers.torch_steps()[style]), "pytorch")


@pytest.mark.parametrize("style", training_answers.keras_steps())
def test_right_steps_in_every_style_are_accepted_in_tensorflow(style):
    judging.assert_accepted(ex.train_step.check(training_answers.keras_steps()[style]), "tensorflow")


@pytest.mark.parametrize("style", training_answers.torch_accuracies())
def test_right_evaluations_are_accepted_in_pytorch(style):
    judging.assert_accepted(ex.evaluation.check(training_answers.torch_accuracies()[style]), "pytorch")


@pytest.mark.parametrize("style", training_answers.keras_accuracies())
def test_right_evaluations_are_accepted_in_tensorflow(style):
    judging.assert_accepted(ex.evaluation.check(training_answers.keras_accuracies()[style]), "tensorflow")


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("style", training_answers.splits("pytorch"))
def test_right_choices_are_accepted_also_where_the_code_names_no_framework(framework, style):
    judging.assert_accepted(ex.decay.check(training_answers.splits(framework)[style]), framework)


@pytest.mark.parametrize("style", training_answers.schedules())
def test_right_schedules_are_accepted_the_package_s_among_them(style):
    judging.assert_accepted(ex.schedule.check(training_answers.schedules()[style]), "")


def test_a_stair_may_have_the_rate_of_its_last_step():
    outcome = ex.schedule.check(training_answers._schedule(clock="end of epoch"))
    assert judging.named(outcome) == {"rate_by_epoch"}


@pytest.mark.parametrize("few", [max, lambda ours, theirs: (ours + theirs) / 2], ids=["of either", "of both together"])
def test_few_runs_of_one_kind_are_too_few(few):
    assert judging.named(ex.row.check(training_answers._verdict(few=few))) == {"few_runs_as_proof"}


def test_no_wrong_evaluation_is_right_by_chance():
    # Else a check would say of ten images that they are right, where two mistakes hide each other.
    for call in ex.evaluation.calls:
        right = float(replay.evaluate(*call.arguments)["the share of right answers"])
        assert 0.3 < right < 0.8
        for edit in ({"axis": 0}, {"axis": None}, {"statistics": "batch"}, {"counted": "wrong"}, {"counted": "none"}):
            assert (
                float(replay.evaluate(*call.arguments, framework="tensorflow", **edit)["the share of right answers"])
                != right
            )
        hits = [replay.evaluate(part, 4, "evaluation") for part in replay.parts_of(call.arguments[0], 4)]
        assert min(float(hit["the share of right answers"]) for hit in hits) > 0


def test_a_tuple_is_called_a_tuple():
    def compared(better, other):
        return tuple(compare(better, other).values())

    assert "the result is of type tuple" in ex.row.check(compared).observed[0]


def test_a_loss_may_be_given_as_a_number():
    losses = {question: float(loss) for question, loss in training_answers.LOSSES.items()}
    assert ex.predict.check(losses).right
    assert not ex.predict.check(losses | {"guessing": 2.31}).right


@pytest.mark.parametrize("style", training_answers.verdicts())
def test_right_verdicts_are_accepted(style):
    judging.assert_accepted(ex.row.check(training_answers.verdicts()[style]), "")


def test_right_values_are_accepted():
    judging.assert_accepted(ex.images.check(training_answers.CHOICES), "")
    judging.assert_accepted(ex.predict.check(training_answers.LOSSES), "")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_both_mistakes_of_the_evaluation_to_be_repaired_are_named(framework):
    cells = json.loads((judging.ROOT / "exercises/06_full_training/exercise.ipynb").read_text(encoding="utf-8"))[
        "cells"
    ]
    (source,) = ("".join(cell["source"]) for cell in cells if cell["id"] == f"evaluation-{framework}")
    namespace: dict = {}
    exec("import torch" if framework == "pytorch" else "import tensorflow as tf", namespace)
    exec(source, namespace)
    outcome = ex.evaluation.check(namespace[ex.evaluation.names[framework]])
    mode = {"pytorch": "evaluation_never_undone", "tensorflow": "tested_in_training_mode"}[framework]
    assert judging.named(outcome) == {"mean_of_batch_means", mode}, outcome


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_replay_is_what_the_framework_s_own_training_does(framework):
    # An oracle that was not written for the checks: gradients, optimizer and running statistics of the framework itself.
    answers = {"pytorch": training_answers.torch_step, "tensorflow": training_answers.keras_step}
    from resnet_lessons.checks.training_watch import WATCHERS

    batches = ex.train_step.calls[0].arguments[0]
    seen = WATCHERS[framework]().watch_steps(answers[framework](), batches)
    if framework == "tensorflow":
        sys.modules["keras"].config.set_floatx("float32")
    right = replay.train(batches, framework=framework)
    assert seen.keys() == right.keys()
    assert max(float(np.abs(seen[name] - right[name]).max()) for name in right) < 1e-5


def test_the_losses_of_the_prediction_are_what_pytorch_computes():
    import torch
    import torch.nn.functional as F

    labels = torch.arange(64) % 10
    sure = 1e4 * F.one_hot(labels, 10).double()
    losses = {
        "guessing": F.cross_entropy(torch.zeros(64, 10), labels),
        "guessing, sum": F.cross_entropy(torch.zeros(64, 10), labels, reduction="sum"),
        "sure and right": F.cross_entropy(sure, labels),
        "sure and right, softmax twice": F.cross_entropy(sure.softmax(1), labels),
    }
    for question, loss in losses.items():
        assert abs(float(loss) - float(ex.predict.answers[question])) < 0.005


def test_the_schedule_ends_where_the_task_says():
    warmed = [rate(step, 10, 8, 2, 0.5) for step in range(80)]
    assert warmed[19] == max(warmed) == 0.5
    assert warmed.count(0.5) == 1
    assert warmed[79] == 0
    assert warmed[0] == 0.025


def test_the_three_rows_have_the_ledger_s_three_verdicts():
    # `claims` computes its rows by itself; a record that changes may turn a verdict, and then the exercise needs other rows.
    words = {findings.REPRODUCED: "reproduced", findings.SCALE: "cannot tell", findings.CONTESTED: "contradicted"}
    others = ("bn_after", "relu_before", "relu_only")
    found = []
    for (better, other), key in zip(table_rows().values(), others, strict=True):
        assert better == claims.percentages("placements_110_pytorch", placement="original")
        assert other == claims.percentages("placements_110_pytorch", placement=key)
        finding = findings.ordered(findings.Group("", {"better": better, "other": other}))
        verdict = compare(better, other)
        assert verdict["verdict"] == words[finding.verdict]
        assert math.isclose(verdict["deviations"][0], statistics.stdev(better))
        found.append(verdict["verdict"])
    assert sorted(found) == ["cannot tell", "contradicted", "reproduced"]


def test_enough_runs_are_as_many_as_the_ledger_asks_for():
    assert LEAST_RUNS == findings.LEAST_RUNS


def test_the_paper_says_of_the_rows_what_the_exercise_says():
    from resnet_lessons.labs import placements

    errors = {key: placement.errors[0] for key, placement in placements.PLACEMENTS.items()}
    assert errors["original"] < min(errors["bn_after"], errors["relu_before"], errors["relu_only"])


def test_what_the_numbers_show_is_said_in_words():
    said = " ".join(ex.train_step.check(training_answers.torch_step("backward step")).observed)
    assert "The first step is right; a later one is not." in said
    said = " ".join(ex.train_step.check(training_answers.torch_step(reduction="sum")).observed)
    assert "every weight moves 6 times as far" in said
    said = " ".join(ex.train_step.check(training_answers.torch_step(training=None)).observed)
    assert "The running mean and variance have not moved." in said
    said = " ".join(ex.train_step.check(training_answers.torch_step("backward zero step")).observed)
    assert "the order was: backward, zero_grad, optimizer step (without gradients)" in said
    said = " ".join(ex.evaluation.check(training_answers.torch_accuracy("training")).observed)
    assert "the network was changed by being tested" in said


def test_a_mistake_without_a_name_is_rejected_in_time():
    def step(net, optimizer, images, labels):
        result = training_answers.torch_step()(net, optimizer, images, labels)
        net[-1].bias.data += 0.1
        return result

    started = time.process_time()
    outcome = ex.train_step.check(step)
    assert outcome.status == "not yet"
    assert not outcome.mistakes
    assert time.process_time() - started < 4  # two seconds on a machine that does nothing else


def endless(*_):
    while True:
        pass


def leaves(*_):
    raise SystemExit(3)


@pytest.mark.parametrize("task", ["decay", "evaluation", "schedule", "train_step", "row"])
def test_whatever_an_answer_does_is_reported(task, monkeypatch):
    monkeypatch.setattr("resnet_lessons.checks.guard.SECONDS", 0.3)
    odd = (
        endless,
        leaves,
        lambda: None,
        7,
        int,
        lambda *_: float("nan"),
        lambda *_: "half",
        lambda *_: [[1], [2], [3]],
    )
    for answer in odd:
        outcome = getattr(ex, task).check(answer)
        assert outcome.status == "not yet", (answer, outcome)
        assert outcome.observed
        assert "The check itself" not in outcome.observed[0], outcome
    monkeypatch.setattr("resnet_lessons.checks.guard.SECONDS", 0.1)
    assert getattr(ex, task).check(endless).status == "not yet"


def test_what_an_answer_patches_is_put_back():
    import torch
    import torch.nn.functional as F

    before = F.cross_entropy, torch.get_rng_state().clone()

    def step(net, optimizer, images, labels):
        torch.manual_seed(0)
        F.cross_entropy = lambda *_: 0
        torch.set_grad_enabled(False)
        raise RuntimeError

    assert ex.train_step.check(step).status == "not yet"
    assert F.cross_entropy is before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.is_grad_enabled()


def test_the_layers_of_keras_are_not_left_in_another_precision():
    import keras

    ex.train_step.check(training_answers.keras_step())
    assert keras.config.floatx() == "float32"
    import tensorflow as tf

    assert not tf.config.functions_run_eagerly()


def test_untouched_is_not_attempted():
    judging.assert_untouched_is_not_attempted(ex)


def test_sections_and_texts():
    judging.assert_sections_exist(ex)
    judging.assert_keys_unique_and_texts_there(ex)


def test_the_table_in_contributing_lists_what_is_tested():
    judging.assert_listed_in_contributing(CASES)


def test_the_recipe_s_names_are_the_package_s():
    assert training.RECIPES["fast-cifar"].augment == "pad-crop-flip"
