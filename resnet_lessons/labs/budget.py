"""Lab "Budget": fit a network into so many multiply-adds and parameters, then compare it with the paper's choice.

First a prediction: what a block costs early and late in the network. Then three tasks; each network that is handed in is
judged, and one that costs too much, or leaves unused what a better one would use, is answered with the numbers of the
knobs that would change it. Plans, costs and verdicts are in `budget_plan`.
"""

from __future__ import annotations

import html
from typing import Any

import ipywidgets as widgets

from ..figures.budget import budget_bars
from ..figures.picture import Figure
from . import budget_plan
from .budget_plan import KINDS, MOST_BLOCKS, SIDES, STAGES, TASKS, WIDTHS, Cost, Plan, Task, cost, giga, mega
from .lab import Lab, mark, option_button, row
from .questions import _plain

RATIOS = {"1/64": "a 64th as many", "1": "as many", "8": "8 times as many", "64": "64 times as many"}
RIGHT = {"macs": "1", "parameters": "64"}
NAMES = {"macs": "multiply-adds", "parameters": "parameters"}

_LABEL = "112px"

_TASK = (
    "Fit a ResNet into a budget of multiply-adds and parameters, for images of ImageNet (1000 classes). First a "
    "prediction, then three tasks: a network that you hand in must keep both limits, and no network within them may be deeper "
    "(in the third task: wider, or as wide for larger images). All three met solve the lab."
)
_QUESTION = (
    "<p><b>Predict.</b> A bottleneck is added at the end of <b>layer4</b> rather than at the end of <b>layer1</b>. Its maps "
    "are an eighth as high and as wide there (7 for 56), and it has 8 times the channels (2048 for 256). How many multiply-adds "
    "and parameters has it there, compared with one in layer1?</p>"
)
_WRONG = {
    ("macs", "1/64"): "That counts the pixels alone: 8 · 8 times fewer. For each of them there are more weights.",
    ("macs", "8"): "A convolution joins every input channel with every output channel, so its weights grow with the "
    "square of the channels; and the map has 64 times fewer pixels.",
    ("macs", "64"): "That is what the weights do. Each of them is used once for every pixel, and the map has 64 times "
    "fewer.",
    ("parameters", "1/64"): "The pixels do not matter here: a convolution uses the same weights at every place.",
    ("parameters", "1"): "The same three convolutions, but between 8 times as many channels.",
    ("parameters", "8"): "A convolution joins every input channel with every output channel: 8 times the inputs and 8 "
    "times the outputs.",
}


class Budget(Lab):
    """The lab; `budget` makes one.

    Attributes
    ----------
    task_number
        The task shown, counted from 1.
    plan
        The network that the knobs are set to.
    prediction
        What was predicted: ``{"macs": "1", "parameters": "64"}``, as far as it goes.
    met
        The networks that met their tasks, by the tasks' keys.
    handed_in
        How many networks were handed in.
    """

    title, task, key = "Budget", _TASK, "budget"

    def __init__(self, *, chapter: str = "budget") -> None:
        super().__init__(chapter)
        self.prediction: dict[str, str] = {}
        self.met: dict[str, Plan] = {}
        self.handed_in = 0
        self.task_number = 1
        self.plan = TASKS[0].start
        self._setting = False
        self._answer, self._brief, self._picture, self._feedback, self._end = (widgets.HTML() for _ in range(5))
        self._guesses = {
            field: [option_button(label, self._guess, field, ratio) for ratio, label in RATIOS.items()]
            for field in NAMES
        }
        for field, buttons in self._guesses.items():
            for button in buttons:
                button.tooltip = f"{NAMES[field]}: {button.description}"
        self._kinds = [option_button(kind, self._choose_kind, kind) for kind in KINDS]
        for button, tooltip in zip(self._kinds, ("two 3×3 convolutions", "1×1, 3×3 and 1×1"), strict=True):
            button.tooltip = tooltip
        self._kind = KINDS[0]
        # No sliders: those of ipywidgets (8.1) have no name that a screen reader could say.
        self._blocks = [_counter(stage) for stage in STAGES]
        self._width = widgets.Dropdown(
            options=WIDTHS,
            value=64,
            description="width",
            tooltip="channels of the stem and inside layer1's blocks (bottlenecks hand on four times as many)",
        )
        self._side = widgets.Dropdown(options=SIDES, value=224, description="image side", tooltip="in pixels")
        for knob in (self._width, self._side):
            knob.style.description_width, knob.layout.width = _LABEL, "220px"
        for knob in (*self._blocks, self._width, self._side):
            knob.observe(self._moved, names="value")
        self._hand_in = option_button("Hand in", self.hand_in)
        self._next = option_button("Next task", self.next)
        self._begin(1)

    def predict(self, macs: str, parameters: str) -> None:
        """Predict both ratios, as clicks do: "1/64", "1", "8" or "64". The first prediction of each counts."""
        for ratio in (macs, parameters):
            if str(ratio) not in RATIOS:
                return self._say(f"{html.escape(repr(ratio))} is no answer here; choose one of {', '.join(RATIOS)}.")
        self._guess("macs", str(macs))
        self._guess("parameters", str(parameters))

    def set(self, **settings: Any) -> None:
        """Set knobs, as moving them does: `kind` and `blocks`, or `width` and `side`, whichever the task has.

        A setting that does not exist is answered in the lab, not by an error.
        """
        try:
            plan = budget_plan.check_plan(self._task, **{**self._settings(), **settings})
        except ValueError as error:
            text = str(error)
            return self._say(f"{html.escape(text[:1].upper() + text[1:])}.")
        self._put(plan)
        self._say("")

    def hand_in(self) -> None:
        """Hand in the network as the knobs are set, as a click does; the verdict follows."""
        if len(self.prediction) < len(NAMES):
            return self._say(
                "First the prediction above: one answer a line, or <code>.predict(macs, parameters)</code>."
            )
        found = budget_plan.verdict(self._task, self.plan)
        self.handed_in += 1
        already = self.solved
        if found.met:
            self.met[self._task.key] = self.plan
        self._feedback.value = verdict_html(self._task, self.plan, found)
        self._record(
            {
                "step": "hand in", "task": self._task.key, "plan": self.plan.name, "width": self.plan.width,
                "side": self.plan.side, "verdict": found.reason, "right": found.met,
            }
        )  # fmt: skip
        if self.solved and not already:
            self._record({"step": "solved"})
        if self.solved:
            self._end.value = table_html(self.met)
        self._show_status()
        self._say("")

    def next(self) -> None:
        """Go on to the next task, once this one is met; after the last, begin with the first again."""
        if self._task.key not in self.met:
            return self._say("Meet this task first: a network that does not is answered with what to change.")
        self._begin(self.task_number % len(TASKS) + 1)

    @property
    def cost(self) -> Cost:
        """Parameters and multiply-adds of the network that the knobs are set to."""
        return cost(self.plan)

    @property
    def solved(self) -> bool:
        """Whether all three tasks are met."""
        return len(self.met) == len(TASKS)

    @property
    def answer(self) -> str:
        """The answer to the prediction, as plain text."""
        return _plain(self._answer.value)

    @property
    def feedback(self) -> str:
        """The verdict on the latest network, as plain text."""
        return _plain(self._feedback.value)

    @property
    def _task(self) -> Task:
        return TASKS[self.task_number - 1]

    def _settings(self) -> dict[str, Any]:
        return {knob: getattr(self.plan, knob) for knob in self._task.knobs}

    def _guess(self, field: str, ratio: str) -> None:
        if field in self.prediction:
            return self._say(f"Your prediction stays noted: {RATIOS[self.prediction[field]]} {NAMES[field]}.")
        self.prediction[field] = ratio
        mark(self._guesses[field], list(RATIOS).index(ratio))
        self._record({"step": "predict", "of": field, "choice": ratio, "right": ratio == RIGHT[field]})
        self._say("")
        if len(self.prediction) == len(NAMES):
            self._answer.value = answer_html(self.prediction)
            self._arrange()
            self._show_status()

    def _begin(self, number: int) -> None:
        self.task_number = number
        self._feedback.value = ""
        self._brief.value = task_html(self._task, number)
        self._put(self._task.start)
        self._arrange()
        self._show_status()
        self._say("")

    def _put(self, plan: Plan) -> None:
        """Show a plan on the knobs; the picture follows once."""
        self._setting = True
        try:
            self._kind, self._width.value, self._side.value = plan.kind, plan.width, plan.side
            for counter, count in zip(self._blocks, plan.blocks, strict=True):
                counter.value = count
        finally:
            self._setting = False
        self._moved(None)

    def _choose_kind(self, kind: str) -> None:
        self._kind = kind
        self._moved(None)

    def _moved(self, _: Any) -> None:
        if self._setting:
            return
        knobs = {
            "kind": self._kind, "blocks": tuple(counter.value for counter in self._blocks),
            "width": self._width.value, "side": self._side.value,
        }  # fmt: skip
        mark(self._kinds, KINDS.index(self._kind))
        plan = budget_plan.check_plan(self._task, **{name: knobs[name] for name in self._task.knobs})
        if plan != self.plan:
            self._feedback.value = ""
        self.plan = plan
        self._picture.value = picture_html(self._task, plan)

    def _arrange(self) -> None:
        asked = [widgets.HTML(_QUESTION)]
        asked += [_labelled(f"its {NAMES[field]}", *buttons) for field, buttons in self._guesses.items()]
        if len(self.prediction) < len(NAMES):
            return self._show(*asked)
        above = [*asked, self._answer] if self.task_number == 1 else []  # later tasks need the room
        knobs = [_labelled("block", *self._kinds), _labelled("how many", *self._blocks)]
        if self._task.goal == "width":
            knobs = [self._width, self._side]
        below = [self._picture, row(self._hand_in, self._next), self._feedback, self._end]
        self._show(*above, self._brief, *knobs, *below)

    def _show_status(self) -> None:
        if len(self.prediction) < len(NAMES):
            return self._say_status("")
        self._say_status(status_html(self.task_number, len(self.met), self.handed_in))

    def _snapshot(self) -> str:
        return tasks_html() + picture_html(TASKS[0], TASKS[0].start)


def budget(*, chapter: str = "budget") -> Budget:
    """Fit a network into so many multiply-adds and parameters.

    Parameters
    ----------
    chapter
        Where what was handed in is kept.

    Returns
    -------
    Budget
        The widget. ``.predict(macs, parameters)``, ``.set(…)``, ``.hand_in()`` and ``.next()`` do what clicks do. It needs
        no framework, and raises nothing: what is wrong with an argument is said in its place.
    """
    return Budget(chapter=chapter)


def _labelled(label: str, *buttons: Any) -> Any:
    return row(widgets.Label(label, layout=widgets.Layout(width=_LABEL)), *buttons)


def _counter(stage: str) -> Any:
    return widgets.BoundedIntText(
        3,
        min=1,
        max=MOST_BLOCKS,
        description=stage,
        tooltip=f"number of blocks in {stage}",
        continuous_update=True,  # an arrow counts at once
        style={"description_width": "initial"},
        layout=widgets.Layout(width="118px"),
    )


# What the lab shows: pure functions from settings to pictures and HTML ------------------------------------------------


def bars(task: Task, plan: Plan) -> tuple[Figure, Figure]:
    """Return what each part of a network costs beside the task's limits: multiply-adds, and parameters."""
    costs = budget_plan.parts(plan)
    labels = {stage: f"{stage} × {count}" for stage, count in zip(STAGES, plan.blocks, strict=True)}
    macs = {part: found.macs / 1e9 for part, found in costs.items()}
    parameters = {part: found.parameters / 1e6 for part, found in costs.items()}
    return (
        budget_bars(plan.name, "multiply-adds (G)", macs, task.limit.macs / 1e9, labels),
        budget_bars(plan.name, "parameters (M)", parameters, task.limit.parameters / 1e6, labels),
    )


def picture_html(task: Task, plan: Plan) -> str:
    """Return both pictures, side by side where there is room, and one below the other where there is not."""
    name = plan.name if task.goal == "depth" else f"{plan.name}; width {plan.width}, images of {plan.side}×{plan.side}"
    both = "".join(f'<div style="flex:1 1 300px;min-width:0">{figure.html}</div>' for figure in bars(task, plan))
    return f'<p><b>{name}</b></p><div style="display:flex;flex-wrap:wrap;gap:6px">{both}</div>'


def answer_html(prediction: dict[str, str]) -> str:
    """Return whether each prediction holds, and why."""
    plan = Plan("bottleneck")
    early, late = budget_plan.block_cost(plan, 0), budget_plan.block_cost(plan, 3)
    facts = {
        "macs": f"In both places {giga(late.macs, 3)}: 64 times the weights, each used for 64 times fewer pixels.",
        "parameters": f"{late.parameters:,} for {early.parameters:,}: 64 times the weights (BN, which grows with the channels "
        "only, makes it a little less).",
    }
    lines = []
    for field, name in NAMES.items():
        ratio = prediction[field]
        verdict = "✓ <b>Right</b>" if ratio == RIGHT[field] else "✗ <b>Not so</b>"
        why = _WRONG.get((field, ratio), "")
        lines.append(f"<p>{verdict} for the {name}: {RATIOS[ratio]}. {why} {facts[field]}</p>")
    return f'<div class="rl-feedback" role="status">{"".join(lines)}</div>'


def status_html(number: int, met: int, handed_in: int) -> str:
    """Return the line that says how far the learner is."""
    networks = "network" if handed_in == 1 else "networks"
    text = f"<b>Task {number} of {len(TASKS)}.</b> Met: {met}, with {handed_in} {networks} handed in."
    return text + (" <b>✓ Solved.</b>" if met == len(TASKS) else "")


def task_html(task: Task, number: int) -> str:
    """Return a task in words."""
    given = task.start
    if task.goal == "depth":
        free = (
            "You choose the kind of block and the number of blocks in each stage. "
            f"Width {given.width}, images of {given.side}×{given.side}."
        )
        goal = "As many layers as possible"
    else:
        free = "You choose the width and the size of the images. The network has 50 layers, 3-4-6-3 bottlenecks."
        goal = "As wide as possible, and at that width images as large as possible"
    return f'<p class="rl-step"><b>{number}. {task.title}.</b> {goal}, within {_limits(task)}. {free}</p>'


def tasks_html() -> str:
    """Return all tasks, for readers of the page."""
    return "".join(task_html(task, number) for number, task in enumerate(TASKS, 1))


def verdict_html(task: Task, plan: Plan, found: budget_plan.Verdict) -> str:
    """Return the answer to a network that was handed in; one that meets its task is set beside the paper's."""
    text = html.escape(found.text)
    if not found.met:
        return f'<div class="rl-feedback" role="status"><p>✗ <b>Not yet.</b> {text}</p></div>'
    compared = {"deeper": _beside_50, "lean": _beside_101, "small": _beside_width_64}[task.key](plan)
    return f'<div class="rl-feedback" role="status"><p>✓ <b>Met.</b> {text}</p><p>{compared}</p></div>'


def table_html(met: dict[str, Plan]) -> str:
    """Return the learner's networks beside the paper's."""
    paper = {"deeper": ("ResNet-50", Plan("bottleneck")), "lean": ("ResNet-101", TASKS[1].start)}
    paper["small"] = ("ResNet-50", Plan("bottleneck"))
    body = ""
    for task in TASKS:
        name, theirs = paper[task.key]
        for label, plan in [("yours", met[task.key]), (name, theirs)]:
            used = cost(plan)
            body += (
                f'<tr><th scope="row">{label}</th><td>{plan.name}</td><td class="rl-number">{plan.width}</td>'
                f'<td class="rl-number">{plan.side}</td><td class="rl-number">{giga(used.macs)}</td>'
                f'<td class="rl-number">{mega(used.parameters)}</td></tr>'
            )
    heads = "".join(
        f'<th scope="col">{text}</th>' for text in ("", "network", "width", "image", "multiply-adds", "parameters")
    )
    return (
        f"<table><caption>Your networks and the paper's</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
        "<p>A budget says what a network costs. How accurate it is, only training tells.</p>"
    )


def _limits(task: Task) -> str:
    return f"<b>{task.limit.macs / 1e9:g} GMACs</b> and <b>{task.limit.parameters / 1e6:g} M parameters</b>"


def _beside_50(plan: Plan) -> str:
    basic, ours = cost(TASKS[0].start), cost(plan)
    text = (
        f"ResNet-34 costs {giga(basic.macs)}; your network, with bottlenecks in place of basic blocks, has 16 layers more for "
        f"{giga(ours.macs)}. The paper took this very step."
    )
    if plan.blocks == (3, 4, 6, 3):
        return f"{text} Its ResNet-50 is what you have built."
    theirs = cost(Plan("bottleneck"))
    return (
        f"{text} Its ResNet-50 has the same 16 bottlenecks as 3-4-6-3: the same multiply-adds as yours, for "
        f"{mega(theirs.parameters)} parameters to your {mega(ours.parameters)}."
    )


def _beside_101(plan: Plan) -> str:
    theirs, ours = cost(TASKS[1].start), cost(plan)
    return (
        f"The paper's ResNet-101 takes {giga(theirs.macs)} to your {ours.macs / 1e9:.2f}, and {mega(theirs.parameters)} "
        f"parameters to your {mega(ours.parameters)}: it has 23 of its 33 bottlenecks in layer3, where one has 16 times the "
        "parameters of one in layer1. Memory pulls the other way: the convolutions of one in layer1 hand on four times the "
        "values of one in layer3. The paper gives no reason, and which of the two is more accurate only training tells."
    )


def _beside_width_64(plan: Plan) -> str:
    whole, narrow = cost(TASKS[2].start), cost(Plan("bottleneck", width=plan.width))
    return (
        f"At {TASKS[2].start.side}×{TASKS[2].start.side}, half the width takes ResNet-50 from {giga(whole.macs)} and "
        f"{mega(whole.parameters)} to {giga(narrow.macs)} and {mega(narrow.parameters)}: nearly a quarter of both. (Not "
        "quite, since stem and dense layer shrink by half only.) The smaller images then save multiply-adds alone. The paper "
        "keeps width 64 in all its ImageNet networks and varies depth; wide residual networks vary the width "
        '(<a href="https://arxiv.org/abs/1605.07146">arXiv 1605.07146</a>).'
    )
