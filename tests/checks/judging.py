"""What the tests of every chapter's catalogue share: each is a few lines on top of this.

    CASES = some_answers.cases()

    @pytest.mark.parametrize("case", CASES, ids=judging.ids(CASES))
    def test_every_mistake_is_named_and_no_other(case):
        judging.assert_diagnosed(ex, case)

`ex` is a chapter's module of tasks, such as `resnet_lessons.checks.chapter_02`; a case is (task, mistake, framework,
function that makes the answer), as in `answers.Case`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from resnet_lessons.checks import Mistake, Outcome, Task
from resnet_lessons.checks.cases import CasesTask
from tests.checks import answers
from tests.checks.answers import Case

ROOT = Path(__file__).parents[2]
FRAMEWORKS = ("pytorch", "tensorflow")
verdicts: list[
    tuple[str, str, str, str, str]
] = []  # chapter, task, mistake, framework, verdict: `pytest -s` shows them


def ids(cases: Iterable[Case]) -> list[str]:
    """A name for each case: task, mistake and framework."""
    return ["-".join(filter(None, case[:3])) for case in cases]


def pair_id(value: Any) -> str:
    """The id of a parameter that holds the keys of two mistakes; nothing for the others beside it."""
    return "+".join(value) if type(value) is tuple and all(isinstance(key, str) for key in value) else ""


def named(outcome: Outcome) -> set[str]:
    """The keys of the mistakes that an outcome names."""
    return {mistake.key for mistake in outcome.mistakes}


def assert_diagnosed(ex: Any, case: Case, *, shapes: int | None = None) -> None:
    """A wrong answer is rejected, with its own mistake and no other.

    `shapes` is how many of the shapes of a `CasesTask` are tried, the first ones: each takes its time.
    """
    key, mistake, framework, answer = case
    task: Task = getattr(ex, key)
    if shapes is not None and isinstance(task, CasesTask):
        task = replace(task, cases=task.cases[:shapes])
    outcome = task.check(answer())
    verdict = ", ".join(sorted(named(outcome))) or outcome.status
    verdicts.append((task.section.chapter[:2], key, mistake, framework, verdict))
    assert outcome.status == "not yet", outcome
    assert named(outcome) == {mistake}, outcome
    assert outcome.observed, outcome
    assert outcome.framework == framework, outcome


def assert_some_named(outcome: Outcome, there: Iterable[str]) -> None:
    """Of several mistakes at once at least one is named, and none that is not there."""
    assert outcome.status == "not yet", outcome
    assert named(outcome), outcome
    assert named(outcome) <= set(there), outcome


def assert_accepted(outcome: Outcome, framework: str) -> None:
    """A right answer is accepted, and its framework known."""
    assert outcome.right, outcome
    assert outcome.framework == framework, outcome


def values_named(tasks: Iterable[Task]) -> set[Mistake]:
    """The mistakes behind wrong values."""
    wrong = [each for task in tasks for each in getattr(task, "wrong", {}).values()]
    return {m for found in wrong for each in found.values() for m in (each if isinstance(each, tuple) else (each,))}


def catalogued(tasks: Iterable[Task]) -> set[Mistake]:
    """The mistakes in the catalogues of tasks that ask for code."""
    return {mistake for task in tasks for mistake in getattr(task, "catalogue", ())}


def assert_covered(
    ex: Any, cases: Sequence[Case], own: Iterable[Mistake], *, pytorch_only: Iterable[str] = (), keras_only: Iterable[str] = ()
) -> None:  # fmt: skip
    """Each of a chapter's own mistakes has an answer in each framework, and each wrong value one.

    `pytorch_only` and `keras_only` are keys of mistakes that cannot be made in the other framework.
    """
    shown = {(mistake, framework) for _, mistake, framework, _ in cases}
    wanted = {(mistake.key, "") for mistake in values_named(ex.TASKS)}
    for mistake in own:
        wanted |= {(mistake.key, "pytorch")} if mistake.key not in keras_only else set()
        wanted |= {(mistake.key, "tensorflow")} if mistake.key not in pytorch_only else set()
    assert not wanted - shown, f"without a wrong answer: {sorted(wanted - shown)}"


def assert_sections_exist(ex: Any) -> None:
    """Every section that a task or a mistake refers to stands in its chapter."""
    mistakes = catalogued(ex.TASKS) | values_named(ex.TASKS)
    for section in {mistake.section for mistake in mistakes} | {task.section for task in ex.TASKS}:
        text = (ROOT / "chapters" / f"{section.chapter}.ipynb").read_text(encoding="utf-8")
        assert re.search(rf"## {section.number} (· )?{re.escape(section.title)}[\"\\]", text), section


def assert_keys_unique_and_texts_there(ex: Any) -> None:
    """A catalogue names no two mistakes alike; each says what, why and where it was seen, and does not give code away."""
    for task in ex.TASKS:
        catalogue = getattr(task, "catalogue", ())
        keys = [mistake.key for mistake in catalogue]
        assert len(keys) == len(set(keys)), task.key
        for mistake in catalogue:
            assert min(map(len, (mistake.title, mistake.explanation, mistake.why, mistake.seen))) > 5, mistake.key
            told = re.search(r"relu\(.*\+.*\)|bias=False|use_bias=False|padding=1", mistake.explanation + mistake.why)
            assert not told, (mistake.key, told)


def assert_untouched_is_not_attempted(ex: Any) -> None:
    """What the exercise came with, or nothing, is no attempt."""
    for answer in (None, ..., ""):
        assert {task.check(answer).status for task in ex.TASKS} == {"not attempted"}, repr(answer)


def assert_listed_in_contributing(cases: Sequence[Case]) -> None:
    """CONTRIBUTING.md holds the chapter's table as it is tested."""
    lines = "\n".join(answers.table(list(cases)))
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert lines in text, f"CONTRIBUTING.md should hold this table:\n{lines}"


def assert_rejected_in_time(task: Task, answers: Any) -> None:
    """A block whose output goes through a tanh has a mistake that no catalogue names; `answers` has `make` and `right`."""
    import torch

    answer = answers.make("pytorch", lambda b, x: torch.tanh(answers.right(b, x)))
    started = time.process_time()
    outcome = task.check(answer)
    assert outcome.status == "not yet"
    assert not outcome.mistakes
    assert time.process_time() - started < 10  # two seconds on a machine that does nothing else
