"""What the schedule explorer says of schedules is what five recorded seeds show; its trainings are the course's; it keeps count.

Test accuracy at the end, ResNet-20 of width 8 on the digits, lowest to highest of five seeds (records/schedules.json):

    8 epochs, constant, rate 0.001          83.6 to 89.7 %
    8 epochs, constant, rate 0.003          93.6 to 95.0 %
    8 epochs, constant, rate 0.01           96.7 to 97.5 %
    8 epochs, constant, rate 0.03           96.7 to 98.3 %
    8 epochs, constant, rate 0.1            96.1 to 98.1 %
    8 epochs, constant, rate 0.3            93.3 to 95.8 %
    8 epochs, constant, rate 1              40.8 to 85.0 %
    8 epochs, constant, rate 3              9.7 to 12.2 %
    8 epochs, steps, peak 1                 30.3 to 86.7 %
    8 epochs, cosine, peak 1                26.1 to 86.4 %
    8 epochs, constant, peak 1, ramp 1/4    91.1 to 97.5 %
    8 epochs, steps, peak 1, ramp 1/4       96.4 to 97.8 %
    8 epochs, cosine, peak 1, ramp 1/4      96.1 to 98.1 %
    8 epochs, cosine, peak 1, flat 1/4      18.3 to 55.0 %
    2 epochs, constant, rate 0.1            60.8 to 89.7 %
    2 epochs, steps, peak 0.1               93.9 to 96.1 %
    2 epochs, cosine, peak 0.1              95.3 to 97.2 %
    2 epochs, cosine, peak 0.1, ramp 1/4    95.3 to 97.2 %
    2 epochs, cosine, peak 0.3, ramp 1/4    82.8 to 95.3 %
"""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from importlib import import_module

from resnet_lessons import labs, parity, progress, training
from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.labs import schedule_trials, schedule_views
from resnet_lessons.labs.schedule_trials import PATIENTS, RATES, SHAPES, WARM_UPS, Course, Plan, Trial, recorded_ends
from resnet_lessons.labs.schedule_views import CAUSES, CHANCE, LOW, ORDERS, TASKS, Ended

import pytest
import torch

lab_module = import_module("resnet_lessons.labs.schedules")
RECORD = training.recorded("schedules")["runs"]
SEEDS = 5


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path))


@pytest.fixture
def lab() -> labs.Schedules:
    return labs.schedules("pytorch")


def ends(*arguments, **options) -> list[float]:
    found = recorded_ends(Plan(*arguments, **options))
    assert len(found) == SEEDS
    return found


# What five seeds show: the tasks can be solved, and what their texts say is so


def test_task_1_has_rates_that_reach_the_goal_and_an_edge():
    assert min(ends(rate=0.1)) >= TASKS[1].goal
    assert min(ends(rate=0.3)) >= LOW > max(ends(rate=1.0))
    for rate in (1.0, 3.0, 10.0):
        assert max(ends(rate=rate)) < LOW
    assert max(ends(rate=0.001)) < LOW  # too low fails as well, and is no edge
    assert min(ends(rate=0.003)) > max(ends(rate=0.001))


@pytest.mark.parametrize("shape", SHAPES)
def test_task_2_no_shape_saves_rate_1_without_a_warm_up(shape):
    assert max(ends(shape, 1.0)) < LOW


@pytest.mark.parametrize("warm_up", [warm_up for warm_up in WARM_UPS if warm_up])
def test_task_2_a_ramp_and_a_cosine_save_it(warm_up):
    assert min(ends("cosine", 1.0, warm_up)) >= TASKS[2].goal


@pytest.mark.parametrize("warm_up", [0.125, 0.25])
def test_task_2_a_flat_warm_up_at_a_tenth_does_not_save_it(warm_up):
    """What the paper does at depth 110, from 0.01 to 0.1, does not carry over to a jump from 0.1 to 1."""
    assert max(ends("cosine", 1.0, warm_up, warm_up_shape="constant")) < LOW
    losses = [2.5] * 23 + [0.2] + [3.0] * 160
    course = Course(184, losses, [2.5, 2.0] + [1.0] * 6, [0.5] * 8)
    plan = Plan("steps", 1.0, 0.125, "constant")
    text = "After update 23 the rate rose tenfold at once"
    assert text not in schedule_views.why_html(course, plan, 0.95)
    losses[22], losses[23] = 0.2, 2.5
    assert text in schedule_views.why_html(course, plan, 0.95)


def test_task_3_decay_is_worth_the_goal_in_two_epochs():
    assert min(ends("cosine", 0.1, epochs=2)) >= TASKS[3].goal > max(ends("constant", 0.1, epochs=2))


def test_what_is_said_of_each_curve_holds_for_every_seed():
    for name in PATIENTS:
        courses = [schedule_trials.recorded_course(name, seed) for seed in range(SEEDS)]
        for course in courses:
            assert len(course.losses) == course.steps == 184
            first, *_, last = course.epoch_losses
            falling = all(a > b for a, b in zip(course.epoch_losses, course.epoch_losses[1:], strict=False))
            seen = {
                "no warm-up": first > max(CHANCE, course.losses[0]) and last < first and course.accuracy < LOW,
                "too low": falling and last > 0.5 and max(course.losses) < 1.5 * course.losses[0],
                "too high": max(course.losses) > 2 * CHANCE and 2.2 < last < 2.5 and max(course.accuracies) < 0.3,
                "early drops": course.epoch_losses[1] < first / 2 and last > 0.6 * course.epoch_losses[1],
                "none": first < CHANCE and last < CHANCE / 100 and course.accuracy >= TASKS[1].goal,
            }
            assert seen[name], (name, course.epoch_losses, course.accuracies)


def test_the_record_is_of_this_network_and_recipe():
    made_by = training.recorded("schedules")["made_by"]
    assert made_by["command"] == "python benchmarks/schedules.py"
    assert made_by["recipe"]["batch_size"] == schedule_trials.RECIPE.batch_size
    assert {run["plan"]["rate"] for run in RECORD if run["diverged"]} <= {10.0}


# Schedules and trainings


def test_a_plan_gives_the_rates_of_the_loops():
    plan = Plan("cosine", 1.0, 0.25)
    recipe = training.Recipe(epochs=8, peak_rate=1.0)  # one-cycle, as the course's default has it
    assert plan.rates() == [training.learning_rate(recipe, step, 184) for step in range(184)]
    flat = Plan("steps", 0.1, 0.125, "constant", 2).rates()
    assert flat[:6] == [pytest.approx(0.01)] * 6
    assert flat[6] == 0.1
    assert flat[-1] == pytest.approx(0.001)
    assert Plan(rate=3.0, epochs=1).rates() == [3.0] * 23


def test_new_weights_are_drawn_as_the_twins_draw_theirs():
    mine = parity.state_of(schedule_trials.new_network("pytorch", 0))
    other = parity.state_of(schedule_trials.new_network("pytorch", 1))
    theirs = parity.state_of(training.new_network("pytorch", schedule_trials.CONFIG, 0))
    for name, tensor in theirs.items():
        if tensor.ndim == 4:
            assert mine[name].std() == pytest.approx(tensor.std(), rel=0.25)
            assert abs(mine[name] - other[name]).max() > 0.1
        else:
            assert abs(mine[name]).max() == pytest.approx(abs(tensor).max(), rel=0.3, abs=1e-6)


def test_both_frameworks_train_the_same():
    courses = {}
    for framework in FRAMEWORKS:
        trial = Trial(framework, Plan(rate=0.003, epochs=1), lambda _: None)  # higher rates make more of the rounding
        trial.begin()
        assert trial.wait(120)
        courses[framework] = trial.course
        assert trial.course.finished
    ours, theirs = (courses[framework] for framework in FRAMEWORKS)
    assert ours.losses == pytest.approx(theirs.losses, rel=0.03)
    assert ours.losses[0] == pytest.approx(theirs.losses[0], rel=1e-5)


def test_a_training_reports_and_leaves_the_learners_random_numbers_alone():
    seen: list[tuple[int, str]] = []
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    trial = Trial(
        "pytorch", Plan(epochs=1), lambda t: seen.append((len(t.course.losses), threading.current_thread().name))
    )
    trial.begin()
    assert trial.wait(60)
    assert torch.equal(torch.rand(3), wanted)
    assert seen[-1] == (23, "training in a lab")
    assert trial.course.finished
    assert len(trial.course.accuracies) == len(trial.course.epoch_losses) == 1
    assert math.isclose(trial.course.losses[0], CHANCE, rel_tol=0.4)


def test_a_loss_that_is_no_number_ends_a_training_and_counts_as_guessing():
    trial = Trial("pytorch", Plan(rate=1e30, epochs=1), lambda _: None)
    trial.begin()
    assert trial.wait(60)
    assert trial.course.diverged
    assert trial.course.finished
    assert (trial.course.accuracy, trial.course.error) == (0.1, "")
    text = schedule_views.why_html(trial.course, Plan(rate=10.0, epochs=1), 0.95)
    assert f"After update {len(trial.course.losses)} the loss was no longer a number." in text


def test_python_can_end_while_a_lab_trains():
    program = (
        "from resnet_lessons import labs; lab = labs.schedules('pytorch'); lab.predict('fails'); lab.wait(3); "
        "print('on its way')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "on its way\n"


# The lab, with trainings that end where they are told to


class Quick(Trial):
    """A training that takes no time and ends at the recorded mean, or, where there is none, at 0.5."""

    pause = 0.0

    def _run(self) -> None:
        if self._after is not None:
            self._after.wait()
        self.course.losses.append(2.3)
        for _ in range(self.course.steps - 1):
            time.sleep(self.pause)
            if self.stopped:
                break
            self.course.losses.append(1.0)
            if self.pause:
                self._report(self)
        else:
            found = recorded_ends(self.plan) or [0.5]
            self.course.epoch_losses += [1.0] * self.plan.epochs
            self.course.accuracies += [sum(found) / len(found)] * self.plan.epochs
        self._report(self)


class Slow(Quick):
    """The same, in a while."""

    pause = 0.02


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(lab_module, "Trial", Quick)


def test_a_prediction_is_asked_for_and_answered(lab, quick):
    lab.again()
    assert lab.notice.startswith("First predict where this schedule ends")
    assert (lab.accuracy, lab.outcome, lab.course) == (None, None, None)
    lab.choose(rate=3.0)
    lab.train("short")
    assert lab.verdict.startswith("✗ Not so: it fails: the end is below 90 % (10.")
    assert lab.outcome == "fails"
    assert f"{SEEDS} recorded runs of this schedule, each with other first weights, ended at" in lab.verdict
    lab.predict("fails")
    assert lab.notice.startswith("Your prediction stays noted: it learns, and misses the goal")
    lab.choose(rate=0.1)
    assert (lab.verdict, lab.prediction) == ("", None)
    lab.train("reaches")
    assert lab.verdict.startswith("✓ Right: it reaches the goal: 95 % or more (9")
    assert lab.score == (1, 2)
    assert lab.reached == ("rate",)
    assert "Predicted right: 1 of 2 (4 are needed). ✓ a constant rate that reaches 95 % · ○ the edge" in lab.status


def test_only_the_first_prediction_for_a_schedule_counts(lab, quick):
    lab.choose(rate=3.0)
    lab.train("reaches")
    lab.choose(rate=0.3)
    lab.choose(rate=3.0)
    lab.train("fails")
    assert lab.score == (0, 1)
    assert [run.seed for run in lab.ended] == [0, 1]
    lab.again()
    lab.wait()
    assert [run.seed for run in lab.ended] == [0, 1, 2]
    assert lab.verdict.startswith("With first weights number 3, it fails")
    assert lab.score == (0, 1)


def test_all_goals_and_four_predictions_solve_it(lab, quick):
    for rate, outcome in ((0.1, "reaches"), (0.3, "reaches"), (1.0, "fails")):
        lab.choose(rate=rate)
        lab.train(outcome)
    assert lab.reached == ("rate", "edge")
    lab.choose_task(2)
    assert lab.plan.rate == 1.0
    lab.choose(shape="cosine")
    lab.train("fails")
    lab.choose(warm_up=0.25)
    lab.train("reaches")
    assert lab.reached == ("rate", "edge", "rescue")
    lab.choose_task(3)
    assert lab.plan == Plan(epochs=2)
    lab.train("fails")
    lab.choose(shape="cosine")
    lab.train("reaches")
    assert lab.reached == ("rate", "edge", "rescue", "short")
    lab.choose_task(4)
    for patient in ORDERS[0]:
        assert not lab.solved
        lab.diagnose(patient)
        if len(lab._diagnoses) < 4:
            assert lab.diagnosis.startswith("✓ Right:")
            lab.next()
        else:
            break
    assert lab.solved
    assert lab.status.endswith("✓ Solved.")
    steps = [record.value.get("step") for record in progress.read()]
    assert steps[-1] == "solved"
    assert steps.count("goal") == 5
    assert steps.count("ended") == 7


@pytest.mark.parametrize(
    ("runs", "goal"),
    [
        ([(1, Plan(rate=0.3), 0.94), (1, Plan(rate=1.0), 0.5)], "edge"),
        ([(2, Plan("steps", 1.0), 0.5), (2, Plan("steps", 1.0, 0.5, "constant"), 0.96)], "rescue"),
        ([(3, Plan("steps", 0.1, 0.25, epochs=1), 0.94), (3, Plan("constant", 0.1, 0.25, epochs=1), 0.9)], "short"),
    ],
)
def test_pairs_count_when_they_differ_in_one_thing(runs, goal):
    def found(runs, seed=0):
        return schedule_views.reached(Ended(task, plan, seed, accuracy) for task, plan, accuracy in runs)

    assert found(runs) == found(runs[::-1]) == {goal}
    assert found(runs, seed=1) == set()
    (task, one, a), (_, other, b) = runs
    assert goal not in found([(task, one, b), (task, other, a)])
    longer = Plan(**{**vars(other), "epochs": 4})
    assert goal not in found([runs[0], (task, longer, b)])


def test_neighbours_only_make_an_edge():
    far = [Ended(1, Plan(rate=0.1), 0, 0.97), Ended(1, Plan(rate=1.0), 0, 0.5)]
    too_low = [Ended(1, Plan(rate=0.001), 0, 0.8), Ended(1, Plan(rate=0.003), 0, 0.93)]
    assert "edge" not in schedule_views.reached(far) | schedule_views.reached(too_low)


def test_diagnoses_come_in_rounds_and_the_first_answer_counts(lab):
    lab.choose_task(4)
    lab.next()
    assert lab.notice == "First name the cause behind this curve."
    assert "learning rate" not in lab._curve.value
    lab.diagnose("none")
    assert lab.diagnosis.startswith(
        "✗ Not so: its drops come too early (peak 0.03, divided by 10 after 10 % and 20 % of the updates, 8 epochs)"
    )
    lab.diagnose("early drops")
    assert lab.notice.startswith("Your answer stays noted: nothing")
    for _ in range(4):
        lab.next()
        lab.diagnose("too low")
    assert lab._diagnoses == [False, False, False, False, True]
    assert lab.reached == ()
    shown = lab._curve.value
    lab.next()
    assert lab._patient() == (ORDERS[1][0], 1)
    assert lab._curve.value != shown
    assert all(sorted(order) == sorted(PATIENTS) == sorted(CAUSES) for order in ORDERS)


def test_a_training_can_be_stopped_and_begun_again(lab, monkeypatch):
    monkeypatch.setattr(lab_module, "Trial", Slow)
    lab.predict("reaches")
    lab.again()
    assert lab.notice.startswith("It trains just now")
    time.sleep(0.2)
    assert "Update " in lab.verdict
    lab._halt.click()
    assert lab.wait(5)
    assert lab.verdict.startswith("Stopped after update ")
    assert (lab.accuracy, lab.ended) == (None, [])
    monkeypatch.setattr(lab_module, "Trial", Quick)
    lab._again.click()
    assert lab.wait(5)
    assert lab.score == (1, 1)
    assert lab.ended[0].seed == 0


def test_who_stops_to_peek_has_predicted(lab, monkeypatch):
    monkeypatch.setattr(lab_module, "Trial", Slow)
    lab.choose(rate=3.0)
    lab.predict("reaches")
    lab.stop()
    monkeypatch.setattr(lab_module, "Trial", Quick)
    lab.choose(rate=3.0)
    lab.train("fails")
    assert lab.verdict.startswith("✓ Right: it fails")
    assert lab.score == (0, 1)


def test_a_training_that_is_left_behind_shows_nothing_more(lab, monkeypatch):
    monkeypatch.setattr(lab_module, "Trial", Slow)
    lab.predict("reaches")
    left = lab._trial
    lab.choose(rate=0.3)
    assert left.stopped
    assert left.wait(5)
    assert (lab.verdict, lab.course) == ("", None)
    lab.predict("reaches")
    left = lab._trial
    lab.choose_task(2)
    assert left.wait(5)
    assert (lab.verdict, lab.ended) == ("", [])


def test_real_trainings_end_as_recorded(lab):
    lab.choose_task(3)
    lab.choose(shape="cosine")
    lab.train("reaches")
    assert lab.accuracy > LOW
    assert lab.verdict.startswith(("✓ Right: it reaches", "✗ Not so: it learns"))
    assert "Test accuracy after each epoch" in lab._picture.value


def test_clicks_do_what_calls_do(lab, quick):
    lab._tasks[2].click()
    assert lab.task_number == 3
    for axis, number in (("rate", 5), ("shape", 2), ("warm_up", 1), ("warm_up_shape", 1), ("epochs", 0)):
        lab._axes[axis][number].click()
    assert lab.plan == Plan("cosine", 0.3, 0.125, "constant", 1)
    assert "rl-chosen" in lab._axes["rate"][5]._dom_classes
    lab._axes["warm_up"][0].click()
    assert lab.plan == Plan("cosine", 0.3, epochs=1)
    lab._outcomes[0].click()
    assert lab.wait(5)
    assert lab.prediction == "fails"
    assert "rl-chosen" in lab._outcomes[0]._dom_classes
    lab._tasks[3].click()
    lab._causes[1].click()
    lab._forward.click()
    assert lab.round == 1


def test_what_a_task_fixes_cannot_be_chosen(lab):
    lab.choose(shape="cosine")
    assert lab.notice == "Shape: “half a cosine to 0” is not to be had in task 1."
    assert [button.disabled for button in lab._axes["shape"]] == [False, True, True]
    lab.choose_task(2)
    lab.choose(rate=0.1)
    assert lab.notice == "Peak rate: “0.1” is not to be had in task 2."
    lab.choose(warm_up_shape="constant")
    assert lab.notice == "How: “flat at a tenth” is not to be had without a warm-up."
    lab.choose(warm_up=0.25, warm_up_shape="constant")
    assert lab.notice == ""
    lab.choose_task(3)
    lab.choose(epochs=8)
    assert lab.notice == "Epochs: “8” is not to be had in task 3."
    lab.choose_task(2)
    assert lab.plan == Plan("constant", 1.0, 0.25, "constant")


def test_nothing_raises_into_the_lesson(lab):
    for act, text in (
        (
            lambda: lab.choose(rate=0.2),
            "Peak rate: there is no 0.2; choose one of 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10.",
        ),
        (lambda: lab.choose(shape=["<b>"]), "Shape: there is no ['<b>']; choose one of constant, steps, cosine."),
        (lambda: lab.predict("good"), "'good' is no outcome; choose one of fails, short, reaches."),
        (lambda: lab.choose_task(5), "There is no task 5; choose one of 1, 2, 3, 4."),
        (lambda: lab.diagnose("flu"), "'flu' is no cause; choose one of no warm-up, too low, too high"),
        (lambda: lab.diagnose("none"), "Go to task 4 first."),
    ):
        act()
        assert lab.notice.startswith(text)
    lab.stop()
    lab.choose_task(4)
    lab.predict("fails")
    assert lab.notice.startswith("Nothing is trained in task 4")
    lab.choose(rate=0.1)
    assert lab.notice.startswith("Nothing is composed in task 4")
    assert lab.wait()


def test_what_fails_in_training_is_said(lab, monkeypatch):
    def missing(*_):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(schedule_trials, "new_network", missing)
    lab.train("fails")
    assert lab.verdict == "✗ Cannot train: PyTorch is not installed here."
    assert (lab.accuracy, lab.score) == (None, (0, 0))


def test_a_framework_that_is_not_there_is_said_in_its_place():
    lab = labs.schedules("jax")
    assert "no framework 'jax' here" in lab.notice
    for act in (lab.choose, lab.again, lab.stop, lab.next, lambda: lab.train("fails"), lambda: lab.choose_task(2)):
        act()
    lab.diagnose("none")
    assert (lab.framework, lab.accuracy, lab.score) == (None, None, (0, 0))


def test_the_pictures_say_what_they_show():
    course = schedule_trials.recorded_course("no warm-up", 0)
    plan = PATIENTS["no warm-up"]
    figure = schedule_views.course_figure(plan, course, 0.95, (Plan(), Course(184, [2.5], [], [])))
    assert "The learning rate starts at 1, is 1 at most, and ends at 0." in figure.alt
    assert f"highest {max(course.losses):.3g}" in figure.alt
    assert "In grey, the training before" in figure.alt
    assert "stroke-dasharray" in figure.svg
    assert "goal 95 %" in figure.svg
    for rate in RATES:
        assert f"is {rate:.3g} at most" in schedule_views.rate_figure(Plan(rate=rate)).alt


def test_what_a_notebook_saves_is_the_same_in_every_run(lab, quick):
    before = lab._repr_mimebundle_()
    lab.train("fails")
    again = labs.schedules("tensorflow")
    for mime in ("text/plain", "text/html"):
        assert before[mime] == lab._repr_mimebundle_()[mime] == again._repr_mimebundle_()[mime]
    assert before["text/plain"].startswith("Schedule explorer\nA ResNet-20 of width 8")
