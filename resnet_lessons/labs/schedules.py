"""Lab "Schedule explorer": compose a learning-rate schedule, predict where it ends, and watch it train.

After He et al. 2015 (arXiv 1512.03385, section 4.2: steps, and a warm-up for depth 110), Loshchilov and Hutter 2016 (arXiv
1608.03983: cosine) and Smith and Topin 2017 (arXiv 1708.07120: one cycle). The trainings are real: see schedule_trials.py.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import ipywidgets as widgets

from .lab import Lab, cannot_run, chosen_framework, label, mark, option_button, row, step, without_code
from .schedule_trials import (
    EPOCHS,
    PATIENTS,
    RATES,
    SHAPES,
    WARM_UP_SHAPES,
    WARM_UPS,
    Course,
    Plan,
    Trial,
    recorded_course,
)
from .schedule_views import (
    CAUSES,
    GOALS,
    ORDERS,
    OUTCOMES,
    RIGHT_TO_SOLVE,
    TASKS,
    Ended,
    course_figure,
    diagnosis_html,
    outcome_of,
    outcome_words,
    patient_figure,
    plan_html,
    rate_figure,
    reached,
    runs_html,
    sentence,
    status_html,
    task_html,
    training_html,
    verdict_html,
    why_html,
)

_TASK = (
    "A ResNet-20 of width 8, the digits, batches of 64, and a learning rate that is yours. Compose a schedule, predict where "
    "it ends, and it trains before your eyes; Stop ends it. Three tasks ask for schedules that succeed beside ones that fail, "
    "the fourth for the cause behind a curve. The lab is solved when all five goals are reached and four predictions were "
    "right; the first prediction for each schedule counts."
)
_AXES: dict[str, tuple[str, dict[Any, str]]] = {
    "rate": ("Peak rate", {rate: f"{rate:g}" for rate in RATES}),
    "shape": ("Shape", SHAPES),
    "warm_up": ("Warm-up", WARM_UPS),
    "warm_up_shape": ("How", WARM_UP_SHAPES),
    "epochs": ("Epochs", {epochs: str(epochs) for epochs in EPOCHS}),
}


class Schedules(Lab):
    """The lab; `schedules` makes one.

    Attributes
    ----------
    framework
        ``"pytorch"`` or ``"tensorflow"``, in which it trains; None if the lab cannot run here.
    task_number
        1 to 4: which of `TASKS` is on.
    plan
        The schedule that is composed.
    prediction
        What was predicted of it: one of `OUTCOMES`, or None.
    ended
        All trainings that came to their end.
    """

    title, task, key = "Schedule explorer", _TASK, "schedules"

    def __init__(self, framework: str | None = None, *, chapter: str = "schedules") -> None:
        super().__init__(chapter)
        self.framework: str | None = None
        self.task_number, self.plan = 1, Plan()
        self.prediction: str | None = None
        self.ended: list[Ended] = []
        self.round = 0  # of the diagnoses, from 0
        self._firsts: dict[tuple[int, Plan], str] = {}  # first predictions: who stops to peek has made one
        self._predicted: dict[tuple[int, Plan], bool] = {}  # whether they were right
        self._plans: dict[int, Plan] = {}  # what was composed in each task
        self._diagnoses: list[bool] = []
        self._diagnosed: str | None = None
        self._goals: set[str] = set()
        self._trial: Trial | None = None  # of the present schedule
        self._judged: Trial | None = None
        self._latest: Trial | None = None  # of any: it may still be on its way to its end
        self._before: tuple[Plan, Course] | None = None
        self._turn = threading.RLock()  # a training reports from its own thread
        self._about, self._words, self._rate, self._picture, self._result, self._table = (
            widgets.HTML() for _ in range(6)
        )
        self._curve, self._diagnosis = widgets.HTML(), widgets.HTML()
        self._tasks = [option_button(task.title, self.choose_task, number) for number, task in TASKS.items()]
        self._axes = {axis: self._axis(axis) for axis in _AXES}
        self._outcomes = [option_button("", self.predict, outcome) for outcome in OUTCOMES]
        self._causes = [option_button(sentence(text), self.diagnose, cause) for cause, text in CAUSES.items()]
        self._halt = option_button("Stop", self.stop)
        self._again = option_button("Train again, with other first weights", self.again)
        self._forward = option_button("Next curve", self.next)
        try:
            self.framework = chosen_framework(framework)
            recorded_course(next(iter(PATIENTS)), 0)
        except Exception as error:
            self.framework = None
            self._show()
            self._say(cannot_run(error))
            return
        self._composing = widgets.VBox(
            [
                step("1. Compose a schedule."),
                *(row(label(_AXES[axis][0]), *buttons) for axis, buttons in self._axes.items()),
                self._words,
                self._rate,
                step("2. Predict, and it trains. On the test images, at the end,"),
                row(*self._outcomes),
                row(self._halt, self._again),
                self._result,
                self._picture,
                self._table,
            ]
        )
        self._diagnosing = widgets.VBox(
            [
                self._curve,
                step("What is wrong with its schedule?"),
                row(*self._causes),
                self._diagnosis,
                row(self._forward),
            ]
        )
        self._show(row(label("Task"), *self._tasks), self._about, self._composing, self._diagnosing)
        self.choose_task(1)

    # What clicks do ------------------------------------------------------------------------------------------------------

    def choose_task(self, number: int) -> None:
        """Go to a task, as a click does: 1 to 4. What was trained stays, and each task keeps its schedule."""
        if not self.framework:
            return
        if number not in TASKS:
            return self._say(f"There is no task {html.escape(repr(number))}; choose one of 1, 2, 3, 4.")
        self.stop()
        with self._turn:
            self._plans[self.task_number] = self.plan
            self.task_number, task = number, TASKS[number]
            mark(self._tasks, number - 1)
            self._about.value = task_html(number)
            self._composing.layout.display = "none" if number == 4 else None
            self._diagnosing.layout.display = None if number == 4 else "none"
            self._before = self._trial = None
            if number == 4:
                self._show_curve()
            else:
                for button, outcome in zip(self._outcomes, OUTCOMES, strict=True):
                    button.description = sentence(outcome_words(number, outcome))
                start = replace(Plan(), **task.fixed, epochs=task.budget)
                self._compose(self._plans.get(number, start))
        self._show_status()

    def choose(
        self,
        rate: float | None = None,
        shape: str | None = None,
        warm_up: float | None = None,
        warm_up_shape: str | None = None,
        epochs: int | None = None,
    ) -> None:
        """Change the schedule, as clicks do; what is left out stays as it is. A choice that cannot be is answered in the lab.

        Parameters
        ----------
        rate
            Its peak: 0.001, 0.003, … 3 or 10.
        shape
            ``"constant"``, ``"steps"`` or ``"cosine"``: what follows the warm-up.
        warm_up
            Which share of all updates it takes: 0, 1/8, 1/4 or 1/2.
        warm_up_shape
            ``"linear"``, or ``"constant"``: a tenth of the peak rate all the time.
        epochs
            1, 2, 4 or 8, as far as the task allows.
        """
        if not self.framework:
            return
        given = {"rate": rate, "shape": shape, "warm_up": warm_up, "warm_up_shape": warm_up_shape, "epochs": epochs}
        chosen: dict[str, Any] = {axis: value for axis, value in given.items() if value is not None}
        if self.task_number == 4:
            return self._say("Nothing is composed in task 4: go to another task first.")
        for axis, value in chosen.items():
            name, options = _AXES[axis]
            if isinstance(value, list | dict | set) or value not in options:
                listed = ", ".join(f"{key:g}" if isinstance(key, float) else str(key) for key in options)
                return self._say(f"{name}: there is no {html.escape(repr(value))}; choose one of {listed}.")
        plan = replace(self.plan, **chosen)
        if not plan.warm_up and "warm_up_shape" not in chosen:
            plan = replace(plan, warm_up_shape="linear")  # one schedule, one plan
        for axis, value in chosen.items():
            if not self._allowed(axis, value, plan):
                name, options = _AXES[axis]
                without = "without a warm-up" if axis == "warm_up_shape" else f"in task {self.task_number}"
                return self._say(f"{name}: “{options[value]}” is not to be had {without}.")
        self.stop()
        with self._turn:
            self._compose(plan)

    def predict(self, outcome: str) -> None:
        """Predict the end, as a click does: ``"fails"``, ``"short"`` or ``"reaches"``. Then it trains.

        It returns at once and trains in the background; `wait` waits, `stop` stops.
        """
        if not self.framework:
            return
        if outcome not in OUTCOMES:
            return self._say(f"{html.escape(repr(outcome))} is no outcome; choose one of {', '.join(OUTCOMES)}.")
        if self.task_number == 4:
            return self._say("Nothing is trained in task 4: name the cause behind the curve.")
        if self.prediction is not None:
            said = outcome_words(self.task_number, self.prediction)
            return self._say(f"Your prediction stays noted: {said}. Change the schedule for another one.")
        self.prediction = outcome
        self._firsts.setdefault((self.task_number, self.plan), outcome)
        mark(self._outcomes, OUTCOMES.index(outcome))
        self._note({"step": "predict", "outcome": outcome})
        self._begin()

    def again(self) -> None:
        """Train the same schedule from other first weights, as the button does; after a stop, from the same."""
        if not self.framework:
            return
        if self.prediction is None:
            return self._say("First predict where this schedule ends: step 2.")
        if self._trial is not None and self._trial.running and not self._trial.stopped:
            return self._say("It trains just now; stop it, or wait for the end.")
        self._begin()

    def train(self, outcome: str) -> None:
        """Predict and wait for the end: `predict`, then `wait`."""
        self.predict(outcome)
        self.wait()

    def stop(self) -> None:
        """Stop the training, as the button does: after the present update."""
        with self._turn:
            if self._trial is not None and self._trial.running:
                self._trial.stop()
                self._follow(self._trial)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end of the training, or so many seconds; return whether it has ended."""
        return self._trial is None or self._trial.wait(seconds)

    def diagnose(self, cause: str) -> None:
        """Name the cause behind the curve, as a click does: one of `CAUSES`; the first answer counts."""
        if not self.framework:
            return
        if cause not in CAUSES:
            return self._say(f"{html.escape(repr(cause))} is no cause; choose one of {', '.join(CAUSES)}.")
        if self.task_number != 4:
            return self._say("Go to task 4 first.")
        if self._diagnosed is not None:
            return self._say(f"Your answer stays noted: {CAUSES[self._diagnosed]}. Go on to the next curve.")
        self._diagnosed = cause
        mark(self._causes, list(CAUSES).index(cause))
        patient, seed = self._patient()
        self._diagnoses.append(cause == patient)
        self._note({"step": "diagnose", "patient": patient, "cause": cause, "right": cause == patient})
        self._curve.value = patient_figure(recorded_course(patient, seed), PATIENTS[patient]).html
        self._diagnosis.value = diagnosis_html(patient, cause)
        if sum(self._diagnoses[-len(PATIENTS) :]) >= RIGHT_TO_SOLVE:
            self._reach({"diagnosis"})
        self._say("")
        self._show_status()

    def next(self) -> None:
        """Go on to the next curve, as the button does, once this one is diagnosed."""
        if not self.framework:
            return
        if self._diagnosed is None:
            return self._say("First name the cause behind this curve.")
        self.round, self._diagnosed = self.round + 1, None
        self._show_curve()
        self._say("")

    # What it found -------------------------------------------------------------------------------------------------------

    @property
    def course(self) -> Course | None:
        """The training that runs, or ran last: `losses`, `accuracies` and more; None before there is one."""
        return None if self._trial is None else self._trial.course

    @property
    def accuracy(self) -> float | None:
        """The test accuracy at the end of the latest training, a share of 1; None before it ends."""
        return self.course.accuracy if self.course is not None and self.course.finished else None

    @property
    def outcome(self) -> str | None:
        """How the latest training ended: one of `OUTCOMES`; None before it ends."""
        return None if self.accuracy is None else outcome_of(self.task_number, self.accuracy)

    @property
    def verdict(self) -> str:
        """What is said of the training, as plain text."""
        return without_code(self._result.value)

    @property
    def diagnosis(self) -> str:
        """The answer to a diagnosis, as plain text."""
        return without_code(self._diagnosis.value)

    @property
    def score(self) -> tuple[int, int]:
        """How many predictions were right, and how many trainings they were made for; the first for each schedule counts."""
        return sum(self._predicted.values()), len(self._predicted)

    @property
    def reached(self) -> tuple[str, ...]:
        """The goals reached so far, of "rate", "edge", "rescue", "short" and "diagnosis"."""
        return tuple(goal for goal in GOALS if goal in self._goals)

    @property
    def solved(self) -> bool:
        """Whether all goals are reached and enough predictions were right."""
        return self._goals == set(GOALS) and self.score[0] >= RIGHT_TO_SOLVE

    # Inside --------------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        assert self.framework is not None
        with self._turn:
            self._keep()
            times = sum((run.task, run.plan) == (self.task_number, self.plan) for run in self.ended)
            self._trial = self._latest = Trial(self.framework, self.plan, self._follow, times, self._latest)
            self._say("")
            self._follow(self._trial)
            self._trial.begin()

    def _follow(self, trial: Trial) -> None:
        """Show how a training goes; called in its thread."""
        with self._turn:
            if trial is not self._trial or trial is self._judged:
                return  # the learner has gone on to another schedule; or `stop` came when it was at its end
            course, goal = trial.course, TASKS[self.task_number].goal
            self._picture.value = course_figure(trial.plan, course, goal, self._before).html
            if not course.finished:
                self._result.value = training_html(course, self.framework, trial.stopped)
                return
            prediction = self.prediction if trial.seed == 0 else None
            run = Ended(self.task_number, trial.plan, trial.seed, course.accuracy, prediction)
            self._judged = trial
            self.ended.append(run)
            if prediction is not None:
                self._predicted[run.task, run.plan] = run.outcome == self._firsts[run.task, run.plan]
            self._note({"step": "ended", "seed": run.seed, "accuracy": run.accuracy, "outcome": run.outcome})
            self._result.value = verdict_html(run) + why_html(course, trial.plan, goal)
            self._table.value = runs_html(self.ended, self.task_number)
            self._reach(reached(self.ended))
            self._show_status()

    def _compose(self, plan: Plan) -> None:
        """Show a schedule; the training before it stays in grey behind the next."""
        self._keep()
        self.plan, self.prediction, self._trial = plan, None, None
        for axis, buttons in self._axes.items():
            options = list(_AXES[axis][1])
            mark(buttons, options.index(getattr(plan, axis)))
            for value, button in zip(options, buttons, strict=True):
                button.disabled = not self._allowed(axis, value, plan)
        mark(self._outcomes, None)
        self._words.value = plan_html(plan)
        self._rate.value = rate_figure(plan).html
        self._result.value = self._picture.value = ""
        self._table.value = runs_html(self.ended, self.task_number)
        self._say("")

    def _keep(self) -> None:
        if self._trial is not None and self._trial.course.finished:
            self._before = (self._trial.plan, self._trial.course)

    def _allowed(self, axis: str, value: Any, plan: Plan) -> bool:
        task = TASKS[self.task_number]
        if axis == "warm_up_shape" and value != "linear" and not plan.warm_up:
            return False
        return value <= task.budget if axis == "epochs" else task.fixed.get(axis, value) == value

    def _patient(self) -> tuple[str, int]:
        """Which recorded training is shown in this round, and with which seed."""
        times, number = divmod(self.round, len(PATIENTS))
        return ORDERS[times % len(ORDERS)][number], times % len(ORDERS)

    def _show_curve(self) -> None:
        patient, seed = self._patient()
        known = self._diagnosed is not None
        self._curve.value = patient_figure(recorded_course(patient, seed), PATIENTS[patient] if known else None).html
        if not known:
            self._diagnosis.value = ""
            mark(self._causes, None)

    def _reach(self, goals: set[str]) -> None:
        new = goals - self._goals
        self._goals |= new
        for goal in sorted(new):
            self._note({"step": "goal", "goal": goal})
        if new and self.solved:
            self._note({"step": "solved"})

    def _axis(self, axis: str) -> list[Any]:
        buttons, (name, options) = [], _AXES[axis]
        for key, text in options.items():
            action: Callable[..., Any] = partial(self.choose, **{axis: key})
            button = option_button(text, action)
            button.tooltip = f"{name}: {text}"
            buttons.append(button)
        return buttons

    def _show_status(self) -> None:
        self._say_status(status_html(self.score, self.reached, self.solved))

    def _note(self, value: dict[str, Any]) -> None:
        where = {"task": self.task_number}
        if self.task_number != 4:
            where |= {axis: getattr(self.plan, axis) for axis in _AXES}
        self._record({**where, **value})

    def _snapshot(self) -> str:
        items = "".join(f"<li>{task.text}</li>" for task in TASKS.values())
        return f"<ol>{items}</ol>{rate_figure(Plan('cosine', 1.0, 0.25)).html}"


def schedules(framework: str | None = None, *, chapter: str = "schedules") -> Schedules:
    """Compose learning-rate schedules, predict where they end, and train a small network by them.

    Parameters
    ----------
    framework
        ``"pytorch"`` or ``"tensorflow"``. Default: the one already imported, or else the one that is installed; PyTorch if
        both are.
    chapter
        Where what was predicted is kept.

    Returns
    -------
    Schedules
        The widget. ``.choose_task(2)``, ``.choose(shape="cosine", warm_up=0.25)``, ``.predict("reaches")``, ``.stop()``,
        ``.diagnose(cause)`` and ``.next()`` do what clicks do; ``.train("reaches")`` predicts and waits for the end. It
        raises nothing: what is wrong with an argument is said in its place.
    """
    return Schedules(framework, chapter=chapter)
