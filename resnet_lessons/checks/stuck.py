"""What to do when a task does not come out right: a ladder of five rungs, to be climbed from below.

The first three are what finds most mistakes in networks, and need nobody; the last ask for help. No rung gives code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet_lessons import progress

if TYPE_CHECKING:
    from .task import Task

_CODE = (
    "Predict: Before you run it again, write down what your answer should do for one input: the output's shape, and one "
    "number of it. Where you cannot say, that line is the one to read up on: {section}.",
    "Shrink: Take the smallest case that still goes wrong: one image, one channel, a map of 2×2, weights that are all 1. "
    "Work it out by hand.",
    "First divergence: Print the shape and the mean after every line. The first that is not what you predicted is where the "
    "mistake is; what comes before it is right.",
)
_VALUES = (
    "Predict: Before you change a number, say how you got it, step by step. Where you cannot say, that step is the one to "
    "read up on: {section}.",
    "Shrink: Take the smallest case of the same kind, one layer or one pixel, and count or compute it by hand.",
    "First divergence: Let Python compute each step for the small case, beside yours. The first that differs is where the "
    "mistake is.",
)
_HELP = (
    "Hint: `ex.{key}.hint()` gives the first of three, and the next each time you run it.",
    "Ask: Send somebody your cell, what you predicted, what `check` observed, and what `resnet-lessons report` prints. The "
    "last way out is `ex.{key}.solution()`: read it, close it, and write your own.",
)


def ladder(task: Task, *, values: bool) -> str:
    """Return the ladder for a task, with what its last check observed.

    Parameters
    ----------
    task
        The task that one is stuck in.
    values
        Whether it asks for numbers or choices rather than for code.
    """
    rungs = [*(_VALUES if values else _CODE), *_HELP]
    lines = [f"{n}. {rung.format(key=task.key, section=task.section)}" for n, rung in enumerate(rungs, 1)]
    return "\n\n".join([*_last_seen(task), *lines])


def _last_seen(task: Task) -> list[str]:
    """What the latest check of the task observed, if it was not right."""
    key = (task.section.chapter, f"exercise-{task.key}")
    found = [record.value for record in progress.read() if (record.chapter, record.key) == key]
    last = found[-1] if found and isinstance(found[-1], dict) else {}
    observed = last.get("observed") if last.get("status") == "not yet" else None
    return [f"The last check observed: {' '.join(map(str, observed))}"] if observed else []
