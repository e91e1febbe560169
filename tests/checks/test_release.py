"""`exercises/` is what nbgrader makes of `solutions/`. How it scores them is in test_class."""

import json
import os
import subprocess
import sys
from pathlib import Path

from resnet_lessons import learner
from resnet_lessons.checks.notebook import tasks_of

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import exercises  # noqa: E402

NAMES = sorted(path.parent.name for path in (ROOT / "solutions").glob("*/exercise.ipynb"))


def read(kind: str, name: str) -> dict:
    return json.loads((ROOT / kind / name / "exercise.ipynb").read_text(encoding="utf-8"))


def graded(notebook: dict) -> dict[str, float]:
    cells = (cell["metadata"].get("nbgrader", {}) for cell in notebook["cells"])
    return {cell["grade_id"]: cell["points"] for cell in cells if cell.get("grade")}


def graded_by_machine(notebook: dict) -> list[str]:
    return [key for key in graded(notebook) if key.endswith("-points")]


def test_the_exercises_are_what_nbgrader_makes_of_the_solutions(tmp_path):
    made = exercises.release(tmp_path)
    assert list(made) == NAMES
    for name, content in made.items():
        committed = (ROOT / "exercises" / name / "exercise.ipynb").read_bytes()
        assert content == committed, f"exercises/{name} is out of date; run `make exercises`"


@pytest.mark.parametrize("name", NAMES)
def test_a_release_holds_no_solution_and_no_output(name):
    text = json.dumps(read("exercises", name))
    assert "BEGIN SOLUTION" not in text
    assert all(not cell.get("outputs") for cell in read("exercises", name)["cells"])
    for cell in read("solutions", name)["cells"]:
        source = "".join(cell["source"])
        for part in source.split("### BEGIN SOLUTION")[1:]:
            answer = part.split("### END SOLUTION")[0].strip()
            assert json.dumps(answer)[1:-1] not in text


@pytest.mark.parametrize("name", NAMES)
def test_every_task_has_its_cells_its_label_and_its_points(name):
    notebook = read("solutions", name)
    ids = {cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in notebook["cells"]}
    text = "\n".join("".join(cell["source"]) for cell in notebook["cells"])
    tasks = tasks_of(notebook["metadata"]["resnet_lessons"]["tasks"])
    assert [f"{task.key}-points" for task in tasks] == list(graded_by_machine(notebook))  # in the same order
    for task in tasks:
        assert f"{task.key}-points" in ids
        for framework, variable in task.names.items():
            assert (f"{task.key}-{framework}" if framework else task.key) in ids
            assert f"ex.{task.key}.check({variable})" in text
        assert f"{task.label}\n" in text, task.label


@pytest.mark.parametrize("name", NAMES)
def test_every_task_has_three_hints_a_difficulty_and_a_range_of_minutes(name):
    for task in tasks_of(read("solutions", name)["metadata"]["resnet_lessons"]["tasks"]):
        assert len(task.hints) == len(set(task.hints)) == 3
        assert task.minutes[0] < task.minutes[1]
        assert 1 <= task.difficulty <= 5


def test_solutions_are_shown_without_nbgraders_marks_in_the_frameworks_at_hand(monkeypatch):
    from resnet_lessons.checks import chapter_01 as ex

    shown = repr(ex.two_lines.solution("pytorch"))
    assert "return F.relu(out)" in shown
    assert "SOLUTION" not in shown
    assert "keras" not in shown.lower()
    for name in ("torch", "keras"):
        monkeypatch.setitem(sys.modules, name, sys.modules.get(name))
    assert "KerasTwoLines" in repr(ex.two_lines.solution())
    assert "class TwoLines" in repr(ex.two_lines.solution())
    monkeypatch.delitem(sys.modules, "keras")
    assert "KerasTwoLines" not in repr(ex.two_lines.solution())
    assert repr(ex.count.solution()).startswith("parameters = 2 * (3 * 3 * 32 * 32)")
    assert repr(ex.repair.solution("pytorch")).count("class ") == 1  # without the broken block


def test_hints_come_one_after_the_other_and_stop_at_the_third():
    from resnet_lessons.checks import chapter_01 as ex

    shown = [repr(ex.repair.hint()) for _ in range(4)]
    assert [text[:11] for text in shown] == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "Hint 3 of 3"]
    assert ["ex.repair.solution()" in text for text in shown] == [False, False, True, True]
    assert "<code>out</code>" in ex.two_lines.hint(1)._repr_html_()
    assert repr(ex.repair.hint(2)) == shown[1]


@pytest.mark.parametrize("route", ["pytorch", "tensorflow"])
def test_a_learner_s_copy_has_the_exercise_of_the_route_and_no_solution(tmp_path, route):
    learner.start(route, tmp_path / "work", ROOT)
    copies = sorted((tmp_path / "work" / "exercises").glob("*/exercise.ipynb"))
    assert [path.parent.name for path in copies] == NAMES
    text = copies[0].read_text(encoding="utf-8")
    assert ("import torch" in text) == (route == "pytorch")
    assert not (tmp_path / "work" / "solutions").exists()
    for copy, name in zip(copies, NAMES, strict=True):  # no points are lost with the other route's cells
        assert graded(json.loads(copy.read_text(encoding="utf-8"))) == graded(read("exercises", name))


@pytest.mark.parametrize("route", ["pytorch", "tensorflow"])
def test_the_solutions_are_right_on_a_single_route_without_the_other_framework(route):
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "checks" / "run_route.py"), route], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1:] == [f"ran {len(NAMES)}"], done.stderr[-3000:]
    assert done.stderr == ""
