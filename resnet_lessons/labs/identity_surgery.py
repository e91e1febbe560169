"""Lab "Identity surgery": put blocks into a trained network that should change nothing, then train it on.

The paper's own argument (He et al. 2015, arXiv 1512.03385, section 1) with the learner as the surgeon: choose network,
blocks, place and weights; predict the outputs; see them, and why; predict one epoch of training on; see that, too.
"""

from __future__ import annotations

import html
import threading
from dataclasses import replace
from functools import partial
from typing import Any

import ipywidgets as widgets

from . import surgery
from .blockwise import Blockwise, digits, load_trained
from .lab import Lab, cannot_run, chosen_framework, label, mark, option_button, row, step
from .questions import _plain
from .surgery import CONSTRUCTIONS, NUMBERS, PLACES, Grown, Outcome, Plan
from .surgery_views import (
    BANDS,
    GOALS,
    OUTCOMES,
    outcome_html,
    plan_html,
    reached_band,
    recorded_html,
    status_html,
    strip,
    training_html,
    training_question_html,
    why_html,
)
from .train_on import InBackground, Learner, Progress

COMES_ALONG = ("plain-20", "residual-20")
_TASK = (
    "Put blocks into a trained network that should change nothing. Predict whether its outputs stay the same, and see. "
    "Then train the grown network on for one epoch, and predict first what becomes of it. The lab is solved when three "
    "things came out as you predicted: a plain network whose outputs stay the same, a residual network whose outputs stay "
    "the same, and one epoch of training on with 18 blocks inserted. The first prediction for each surgery counts."
)
_AXES = {"network": "Network", "number": "Blocks", "place": "Where", "construction": "How"}
_NOUNS = {"network": "network", "number": "number of blocks", "place": "place", "construction": "construction"}


class IdentitySurgery(Lab):
    """The lab; `identity_surgery` makes one.

    Attributes
    ----------
    framework
        ``"pytorch"`` or ``"tensorflow"``, in which it trains on; None if the lab cannot run here.
    network, plan
        What is chosen: the network's name, and the surgery.
    outcome
        What the surgery did, once it is predicted; else None.
    prediction, training_prediction
        What was predicted of this surgery: a key of `OUTCOMES` and of `BANDS`, or None.
    """

    title, task, key = "Identity surgery", _TASK, "identity_surgery"

    def __init__(
        self,
        framework: str | None = None,
        *,
        plain: Any = None,
        residual: Any = None,
        chapter: str = "identity_surgery",
    ) -> None:
        super().__init__(chapter)
        self.framework: str | None = None
        self.networks: dict[str, Blockwise] = {}
        self.network, self.plan = "", Plan(NUMBERS[-1], "spread", "random")
        self.outcome: Outcome | None = None
        self.prediction: str | None = None
        self.training_prediction: str | None = None
        self._grown: Grown | None = None
        self._background: InBackground | None = None
        self._asked: set[tuple[object, ...]] = set()
        self._turn = threading.RLock()  # a training reports from its own thread
        self._right = self._counted = 0
        self._reached: set[str] = set()
        self._picture, self._how, self._answer, self._result, self._question = (widgets.HTML() for _ in range(5))
        self._bar = widgets.IntProgress(0, 0, 1, description="training on:", style={"description_width": "initial"})
        self._outcome_buttons = [option_button(text, self.predict, key) for key, text in OUTCOMES.items()]
        self._band_buttons = [option_button(text, self.predict_training, key) for key, text in BANDS.items()]
        self._more = option_button("One more epoch", self.epoch)
        self._halt = option_button("Stop", self.stop)
        self._rows: dict[str, tuple[list[Any], list[Any]]] = {}
        try:
            self.framework = chosen_framework(framework)
            self.networks = dict([_base(plain, True), _base(residual, False)])
            for base in self.networks.values():
                surgery.signals(base)
        except Exception as error:
            self.framework = None
            self._show()
            self._say(cannot_run(error))
            return
        self._rows = {
            "network": self._axis("network", {name: name for name in self.networks}),
            "number": self._axis("number", {number: str(number) for number in NUMBERS}),
            "place": self._axis("place", PLACES),
            "construction": self._axis("construction", {key: made.title for key, made in CONSTRUCTIONS.items()}),
        }
        self._show(
            step("1. Plan the surgery."),
            *(row(label(_AXES[axis]), *buttons) for axis, (_, buttons) in self._rows.items()),
            self._how,
            self._picture,
            step("2. Predict: right after the surgery, in evaluation mode, the grown network gives"),
            row(*self._outcome_buttons),
            self._answer,
            self._question,
            row(*self._band_buttons),
            row(self._bar, self._halt, self._more),
            self._result,
        )
        self.choose(network=next(iter(self.networks)))

    # What clicks do ------------------------------------------------------------------------------------------------------

    def choose(
        self,
        network: str | None = None,
        number: int | None = None,
        place: str | None = None,
        construction: str | None = None,
    ) -> None:
        """Change the plan, as clicks do; what is left out stays as it is. A choice that does not exist is answered in the lab.

        Parameters
        ----------
        network
            Its name, such as ``"plain-20"``.
        number
            How many blocks: 3, 6 or 18.
        place
            A key of `PLACES`: ``"spread"``, ``"layer1"``, ``"layer3"`` or ``"image"``.
        construction
            A key of `CONSTRUCTIONS`: ``"neutral"``, ``"fresh"``, ``"fitted"``, ``"zero"`` or ``"random"``.
        """
        if not self.framework:
            return
        chosen = {"network": network, "number": number, "place": place, "construction": construction}
        for axis, value in chosen.items():
            keys = self._rows[axis][0]
            if value is not None and value not in keys:
                return self._say(
                    f"There is no {_NOUNS[axis]} {html.escape(repr(value))}; choose one of {', '.join(map(str, keys))}."
                )
        self.stop()
        with self._turn:
            self.network = network or self.network
            given: dict[str, Any] = {k: v for k, v in chosen.items() if k != "network" and v is not None}
            self.plan = replace(self.plan, **given)
            self.outcome = self.prediction = self.training_prediction = self._background = None
            self._grown = surgery.operate(self.networks[self.network], self.plan)
            values = {"network": self.network, **vars(self.plan)}
            for axis, (keys, buttons) in self._rows.items():
                mark(buttons, keys.index(values[axis]))
            for buttons in (self._outcome_buttons, self._band_buttons):
                mark(buttons, None)
            self._how.value = plan_html(self.network, self.plan, self._grown)
            self._picture.value = strip(self.network, self._grown).html
            self._answer.value = self._result.value = ""
            self._question.value = training_question_html(None)
            self._bar.value = 0
            self._say("")
            self._show_status()

    def predict(self, outcome: str) -> None:
        """Predict what the surgery does to the outputs, as a click does: a key of `OUTCOMES`. Then it is done and shown."""
        if not self.framework or self._grown is None:
            return
        if outcome not in OUTCOMES:
            return self._say(f"{html.escape(repr(outcome))} is no outcome; choose one of {', '.join(OUTCOMES)}.")
        if self.prediction is not None:
            return self._say(
                f"Your prediction stays noted: {OUTCOMES[self.prediction]}. Change the plan for another one."
            )
        self.prediction = outcome
        mark(self._outcome_buttons, list(OUTCOMES).index(outcome))
        base = self.networks[self.network]
        self.outcome = surgery.examine(base, self._grown)
        right = outcome == self.outcome.kind
        if self._counts("outputs", right) and right and self.outcome.exact:
            self._reach("residual" if self.outcome.shortcut else "plain")
        self._answer.value = outcome_html(self.outcome, outcome)
        self._picture.value = strip(self.network, self._grown, self.outcome).html
        self._question.value = training_question_html(self.outcome)
        self._note({"step": "outputs", "predicted": outcome, "right": right})
        self._say("")
        self._show_status()

    def predict_training(self, band: str) -> None:
        """Predict the test accuracy after one epoch of training on, as a click does: a key of `BANDS`. Then it trains.

        It returns at once and trains in the background; `wait` waits, `stop` stops.
        """
        if not self.framework:
            return
        if band not in BANDS:
            return self._say(f"{html.escape(repr(band))} is no choice here; choose one of {', '.join(BANDS)}.")
        if self.outcome is None:
            return self._say("First predict what the surgery does to the outputs: step 2.")
        if self.training_prediction is not None:
            return self._say(f"Your prediction stays noted: {BANDS[self.training_prediction]}.")
        self.training_prediction = band
        mark(self._band_buttons, list(BANDS).index(band))
        self._note({"step": "predict training", "band": band})
        self.epoch()

    def epoch(self) -> None:
        """Train one epoch more, as the button does; after a stop it begins again right after the surgery."""
        if not self.framework:
            return
        if self.training_prediction is None:
            return self._say("First predict what training on does: step 3.")
        if self._background is not None and self._background.running:
            return self._say("It trains just now; stop it, or wait for the end of the epoch.")
        if self._background is None or self._background.stopped or self._background.progress.error:
            assert self._grown is not None
            make = partial(Learner, self.framework, self._grown, digits())
            surgery_now = (self.network, self.plan)
            self._background = InBackground(make, lambda progress: self._follow(surgery_now, progress))
        self._say("")
        self._result.value = training_html(Progress(), self.outcome, None, self.framework)
        self._background.epoch()

    def stop(self) -> None:
        """Stop the training, as the button does: after the present step."""
        if self._background is not None and self._background.running:
            self._background.stop()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end of the epoch, or so many seconds; return whether nothing trains any more."""
        return self._background is None or self._background.wait(seconds)

    # What it found -------------------------------------------------------------------------------------------------------

    @property
    def difference(self) -> float | None:
        """The largest difference of a logit that the surgery made, once it is predicted."""
        return None if self.outcome is None else self.outcome.difference

    @property
    def accuracies(self) -> list[float]:
        """The test accuracy, a share of 1, after each epoch of training on."""
        return [] if self._background is None else list(self._background.progress.test)

    @property
    def verdict(self) -> str:
        """The answer to the prediction of the outputs, as plain text."""
        return _plain(self._answer.value.partition("<table")[0])

    @property
    def training_verdict(self) -> str:
        """What is said of the training, as plain text."""
        return _plain(self._result.value)

    @property
    def score(self) -> tuple[int, int]:
        """How many predictions were right, and how many were made; the first for each surgery counts."""
        return self._right, self._counted

    @property
    def reached(self) -> tuple[str, ...]:
        """The goals reached so far, of "plain", "residual" and "training"."""
        return tuple(goal for goal in GOALS if goal in self._reached)

    @property
    def solved(self) -> bool:
        """Whether all three goals are reached."""
        return len(self._reached) == len(GOALS)

    # Inside --------------------------------------------------------------------------------------------------------------

    def _follow(self, surgery_now: tuple[str, Plan], progress: Progress) -> None:
        """Show a training's progress; called in its thread."""
        with self._turn:
            if surgery_now != (self.network, self.plan) or self._background is None or self.outcome is None:
                return  # the learner has gone on to another plan
            if len(progress.test) == 1 and progress.step == progress.steps:
                right = reached_band(self.outcome, progress.test[0]) == self.training_prediction
                if self._counts("training", right):
                    if right and self.plan.number == NUMBERS[-1]:
                        self._reach("training")
                    self._note({"step": "trained", "accuracy": progress.test[0], "right": right})
                    self._show_status()
            self._bar.max, self._bar.value = max(progress.steps, 1), progress.step
            stopped = self._background.stopped
            text = training_html(progress, self.outcome, self.training_prediction, self.framework, stopped)
            if progress.test and not progress.error:
                text += why_html(self.plan, self.networks[self.network]) + self._recorded_html()
            self._result.value = text

    def _recorded_html(self) -> str:
        known = self.network in COMES_ALONG and self.networks[self.network] is load_trained(self.network)
        return recorded_html(self.network, self.plan) if known else ""

    def _counts(self, kind: str, right: bool) -> bool:
        """Count a prediction, unless there was one of this kind for this surgery before."""
        asked = (kind, self.network, self.plan)
        if asked in self._asked:
            return False
        self._asked.add(asked)
        self._counted += 1
        self._right += right
        return True

    def _reach(self, goal: str) -> None:
        if goal not in self._reached:
            self._reached.add(goal)
            self._note({"step": "goal", "goal": goal})
            if self.solved:
                self._note({"step": "solved"})

    def _axis(self, axis: str, options: dict[Any, str]) -> tuple[list[Any], list[Any]]:
        buttons = []
        for key, text in options.items():
            button = option_button(text, partial(self.choose, **{axis: key}))
            button.tooltip = f"{_AXES[axis]}: {text}"
            buttons.append(button)
        return list(options), buttons

    def _show_status(self) -> None:
        self._say_status(status_html(self.score, self.reached))

    def _note(self, value: dict[str, Any]) -> None:
        self._record({"network": self.network, **vars(self.plan), **value})

    def _snapshot(self) -> str:
        name = "plain-20"
        grown = surgery.operate(load_trained(name), Plan(18, "spread", "random"))
        return strip(name, grown).html


def identity_surgery(
    framework: str | None = None, *, plain: Any = None, residual: Any = None, chapter: str = "identity_surgery"
) -> IdentitySurgery:
    """Put blocks that should change nothing into a trained network, and train it on.

    Parameters
    ----------
    framework
        ``"pytorch"`` or ``"tensorflow"``, for training on. Default: the one already imported, or else the one that is
        installed; PyTorch if both are.
    plain, residual
        Your own trained networks, of either framework: v1, CIFAR family, for the digits. Default: two that come with the
        course (`benchmarks/lesion.py` trained them).
    chapter
        Where what was predicted is kept.

    Returns
    -------
    IdentitySurgery
        The widget. ``.choose(…)``, ``.predict(outcome)``, ``.predict_training(band)``, ``.epoch()`` and ``.stop()`` do what
        clicks do. It raises nothing: what is wrong with an argument is said in its place.
    """
    return IdentitySurgery(framework, plain=plain, residual=residual, chapter=chapter)


def _base(net: Any, plain: bool) -> tuple[str, Blockwise]:
    """Return a network's name and the network: one's own, or the one that comes with the course."""
    if net is None:
        name = COMES_ALONG[not plain]
        return name, load_trained(name)
    base = net if isinstance(net, Blockwise) else Blockwise.of(net)
    if base.config.version != "v1" or (base.config.shortcut == "none") != plain:
        wanted = "plain network (shortcut none)" if plain else "residual network (shortcut A)"
        raise ValueError(f"{base.config.name} is not what is wanted here: a {wanted} of version v1")
    if (base.config.in_channels, base.config.num_classes) != (1, 10):
        raise ValueError(f"{base.config.name} does not take the digits: they have one channel and ten classes")
    return f"{'plain' if plain else 'residual'}-{base.config.depth}", base
