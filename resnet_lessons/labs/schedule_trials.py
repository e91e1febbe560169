"""Trials of learning-rate schedules: a small network, trained on the digits by the loop of `resnet_lessons.training`.

    Plan                     a schedule: its shape, peak rate, warm-up and length
    PATIENTS                 four schedules with one mistake each, and one without
    Trial(framework, plan)   one training in the background, which can be watched and stopped

The network is a ResNet-20 (v1, shortcut A, widths 8-16-32), the batch 64, so that 8 epochs are 184 updates and take a few
seconds. Initial weights come from NumPy and momentum has PyTorch's form, so that both frameworks train the same.
What these schedules lead to is recorded with five seeds: records/schedules.json (benchmarks/schedules.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from resnet_lessons import parity, resnet_config, training
from resnet_lessons.frameworks import build
from resnet_lessons.labs.blockwise import digits
from resnet_lessons.labs.train_on import Background

import numpy as np

CONFIG = resnet_config(20, family="cifar", shortcut="A", width=8, in_channels=1)
RECIPE = training.Recipe(epochs=8, batch_size=64, schedule="constant", momentum_form="pytorch")
SHAPES = {"constant": "constant", "steps": "steps: ÷ 10 at 1/2 and 3/4", "cosine": "half a cosine to 0"}
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
WARM_UPS = {0.0: "none", 0.125: "1/8", 0.25: "1/4", 0.5: "1/2"}
WARM_UP_SHAPES = {"linear": "a ramp from 0", "constant": "flat at a tenth"}
EPOCHS = (1, 2, 4, 8)
FLAT = 0.1  # of the peak rate: He et al. 2015, section 4.2, warm up depth 110 at 0.01 before 0.1


@dataclass(frozen=True)
class Plan:
    """A schedule: keys of `SHAPES`, `RATES`, `WARM_UPS`, `WARM_UP_SHAPES` and `EPOCHS`; and where the steps are."""

    shape: str = "constant"
    rate: float = 0.1
    warm_up: float = 0.0
    warm_up_shape: str = "linear"
    epochs: int = 8
    drops: tuple[float, ...] = RECIPE.drops

    def recipe(self, seed: int = 0) -> training.Recipe:
        """The recipe with this schedule; the seed decides the order of the images."""
        return replace(
            RECIPE, epochs=self.epochs, seed=seed, schedule=self.shape, peak_rate=self.rate, drops=self.drops,
            warm_up=self.warm_up, warm_up_shape=self.warm_up_shape,
            warm_up_from=FLAT * self.rate if self.warm_up_shape == "constant" else 0.0,
        )  # fmt: skip

    def rates(self) -> list[float]:
        """The learning rate of every update."""
        recipe = self.recipe()
        steps = recipe.steps(len(digits().train))
        return [training.learning_rate(recipe, step, steps) for step in range(steps)]


PATIENTS = {  # what is wrong with each
    "no warm-up": Plan("cosine", 1.0),
    "too low": Plan("constant", 0.001),
    "none": Plan("cosine", 0.3, 0.25),
    "early drops": Plan("steps", 0.03, drops=(0.1, 0.2)),
    "too high": Plan("constant", 3.0),
}


@dataclass
class Course:
    """How a training goes. Lists by update and by epoch grow one after the other, so that each can be drawn at any time."""

    steps: int  # updates in all
    losses: list[float] = field(default_factory=list)  # mean of each batch, before its update
    epoch_losses: list[float] = field(default_factory=list)  # mean over each epoch, in training mode
    accuracies: list[float] = field(default_factory=list)  # on the test images after each epoch, shares of 1
    diverged: bool = False  # the loss is no longer a number, and the training has ended
    error: str = ""

    @property
    def finished(self) -> bool:
        """Whether all updates are made and tested, or the loss is no longer a number."""
        return self.diverged or (len(self.losses) == self.steps and self._whole)

    @property
    def accuracy(self) -> float:
        """The test accuracy at the end; 0.1, which is guessing, where the loss is no longer a number."""
        return 0.1 if self.diverged else self.accuracies[-1]

    @property
    def _whole(self) -> bool:
        return len(self.accuracies) == math.ceil(self.steps / RECIPE.steps_per_epoch(len(digits().train)))


class Trial(Background):
    """One training from the start, in a thread.

    Parameters
    ----------
    framework
        ``"pytorch"`` or ``"tensorflow"``.
    plan
        The schedule.
    report
        Called in the thread, at most five times a second and at the end. It must not raise.
    seed
        Of the initial weights and of the order of the images.
    after
        A trial that was told to stop, and whose end is waited for: never do two train at once.
    """

    EVERY = 0.2

    def __init__(
        self, framework: str, plan: Plan, report: Callable[[Trial], None], seed: int = 0, after: Trial | None = None
    ) -> None:
        super().__init__()
        self._after = after
        self.framework, self.plan, self.seed = framework, plan, seed
        self.course = Course(plan.recipe().steps(len(digits().train)))
        self._report, self._shown = report, 0.0

    def begin(self) -> None:
        """Begin, and return at once."""
        self._begin()

    def _run(self) -> None:
        if self._after is not None:
            self._after.wait()
            self._after = None
        try:
            net = new_network(self.framework, self.seed)
            recipe = self.plan.recipe(self.seed)
            self._note(training.fit(net, digits(), recipe, progress=False, on_step=self._follow))
        except KeyboardInterrupt:  # raised in `_follow`
            pass
        except FloatingPointError:
            self.course.diverged = True
        except Exception as error:  # the lab says it; a thread has nobody else to tell
            self.course.error = f"{type(error).__name__}: {error}"
        self._report(self)

    def _follow(self, session: training.Session) -> None:
        self._note(session.history)
        self.course.losses.append(session.loss)
        if self.stopped:
            raise KeyboardInterrupt
        if time.monotonic() - self._shown > self.EVERY:
            self._report(self)
            self._shown = time.monotonic()

    def _note(self, history: training.History) -> None:
        done = len(self.course.accuracies)
        self.course.epoch_losses += history.get("train_loss", [])[done:]
        self.course.accuracies += history.get("test_accuracy", [])[done:]


def new_network(framework: str, seed: int) -> Any:
    """Build the network with weights from NumPy, which are the same in both frameworks."""
    if framework == "pytorch":
        import torch

        keep: Any = torch.random.fork_rng()  # the learner's own draws go on as if nothing had happened
    else:
        keep = nullcontext()
    with keep:
        net = build(framework, CONFIG)
    weights = parity.state_of(net)
    for index, (name, given) in enumerate(weights.items()):
        dice = np.random.default_rng([seed, index])
        if given.ndim == 4:  # as the twins draw them: kaiming-normal, fan-out
            weights[name] = dice.normal(0, math.sqrt(2 / (given.shape[0] * given[0, 0].size)), given.shape)
        elif name.startswith("fc."):
            most = 1 / math.sqrt(weights["fc.weight"].shape[1])
            weights[name] = dice.uniform(-most, most, given.shape)
    parity.copy_weights(source=weights, target=net)
    return net


def recorded_ends(plan: Plan) -> list[float]:
    """Return the test accuracies at the end of the recorded trainings of a schedule; an empty list where there are none."""
    wanted = _as_json(plan)
    return [run["test_accuracy"][-1] for run in training.recorded("schedules")["runs"] if run["plan"] == wanted]


def recorded_course(patient: str, seed: int) -> Course:
    """Return the recorded training of one of `PATIENTS`, update by update; seeds are 0 to 4."""
    wanted = _as_json(PATIENTS[patient])
    runs = training.recorded("schedules")["runs"]
    run = next(run for run in runs if run["plan"] == wanted and run["seed"] == seed)
    return Course(len(run["losses"]), run["losses"], run["train_loss"], run["test_accuracy"])


def _as_json(plan: Plan) -> dict[str, Any]:
    return {**asdict(plan), "drops": list(plan.drops)}
