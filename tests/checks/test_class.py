"""nbgrader grades a class on this layout as it is, whatever learners did to their notebooks."""

from __future__ import annotations

import copy
import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from resnet_lessons.checks.submission import repair
from resnet_lessons.routes import keep_route

import pytest

ROOT = Path(__file__).parents[2]
NAME = "01_basic_block"
Notebook = dict[str, Any]


def read(kind: str, name: str = NAME) -> Notebook:
    return json.loads((ROOT / kind / name / "exercise.ipynb").read_text(encoding="utf-8"))


RELEASE, SOLVED = read("exercises"), read("solutions")
POINTS = {
    cell["metadata"]["nbgrader"]["grade_id"].removesuffix("-points"): cell["metadata"]["nbgrader"]["points"]
    for cell in RELEASE["cells"]
    if cell["metadata"].get("nbgrader", {}).get("locked")
}
ALL = sum(POINTS.values())


def cell(notebook: Notebook, grade_id: str) -> dict[str, Any]:
    (found,) = [c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == grade_id]
    return found


def copy_behind(notebook: Notebook, grade_id: str, **changes: Any) -> dict[str, Any]:
    """Put a copy of a cell behind it, as JupyterLab does when one pastes: with its metadata."""
    original = cell(notebook, grade_id)
    again = copy.deepcopy(original) | {"id": f"{original['id']}-again"} | changes
    notebook["cells"].insert(notebook["cells"].index(original) + 1, again)
    return again


def make(one: dict[str, Any], kind: str) -> None:
    """Change the type of a cell, as JupyterLab does."""
    one["cell_type"] = kind
    for key in ("outputs", "execution_count"):
        one.pop(key, None)


# Each changes a solved notebook of the PyTorch route, and tells what will be said about it.


def duplicate(notebook: Notebook) -> list[str]:
    copy_behind(notebook, "count")
    copy_behind(notebook, "predict", source=cell(RELEASE, "predict")["source"])
    copy_behind(notebook, "repair-points")
    return [
        "`count` was there 2 times; all run",
        "`predict` was there 2 times; untouched",
        "`repair-points` was there 2",
    ]


def split(notebook: Notebook) -> list[str]:
    block = cell(notebook, "basic_block-pytorch")
    first, second = "".join(block["source"]).split("    def forward")
    block["source"] = first
    copy_behind(notebook, "basic_block-pytorch", source=f"    def forward{second}")
    explanation = cell(notebook, "explain")
    first, second = "".join(explanation["source"]).split(". ", 1)
    explanation["source"] = first
    copy_behind(notebook, "explain", source=second)
    return ["`basic_block-pytorch` was split", "`explain` was split"]


def delete(notebook: Notebook) -> list[str]:
    gone = ("count-points", "basic_block-points", "explain")
    for grade_id in gone:
        notebook["cells"].remove(cell(notebook, grade_id))
    notebook["cells"] = [c for c in notebook["cells"] if c["id"] not in ("imports", "imports-pytorch")]
    return [f"`{name}` was deleted" for name in (*gone, "imports", "imports-pytorch")]


def retype(notebook: Notebook) -> list[str]:
    for grade_id, kind in {"count": "markdown", "two_lines-pytorch": "raw", "explain": "code"}.items():
        make(cell(notebook, grade_id), kind)
    make(cell(notebook, "predict-points"), "markdown")
    cell(notebook, "explain").update(outputs=[], execution_count=None)
    return [
        "`count` was a markdown cell", "`two_lines-pytorch` was a raw cell", "`explain` was a code cell",
        "`predict-points` was made a markdown cell",
    ]  # fmt: skip


def lose_ids(notebook: Notebook) -> list[str]:
    for one in notebook["cells"]:
        one["metadata"].pop("nbgrader", None)
    return [f"`{task}-points` had lost its id" for task in POINTS]


def lose_all_ids(notebook: Notebook) -> list[str]:
    lose_ids(notebook)
    for number, one in enumerate(notebook["cells"]):
        one["id"] = f"cell-{number}"
    notebook["metadata"].pop("resnet_lessons")
    return [f"`{name}` had lost its id" for name in (*(f"{task}-points" for task in POINTS), "basic_block-pytorch")]


def change_points(notebook: Notebook) -> list[str]:
    cell(notebook, "count-points")["source"] = "pass"
    cell(notebook, "predict-points")["metadata"]["nbgrader"] |= {"points": 50, "schema_version": 1}
    copy_behind(notebook, "count", source="1 + 1")["metadata"]["nbgrader"]["grade_id"] = "mine"
    return ["`count-points` was edited", "`mine` is not of this exercise"]


DAMAGES = [duplicate, split, delete, retype, lose_ids, lose_all_ids, change_points]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_repaired_and_said(damage: Callable[[Notebook], list[str]]) -> None:
    notebook = keep_route(SOLVED, "pytorch")
    expected = damage(notebook)
    said = repair(notebook, RELEASE)
    for part in expected:
        assert any(part in sentence for sentence in said), (part, said)
    assert not any("tensorflow" in sentence for sentence in said)  # the other route's cells are not missing
    for task, points in POINTS.items():
        assert cell(notebook, f"{task}-points")["metadata"]["nbgrader"]["points"] == points
        assert cell(notebook, f"{task}-points")["source"] == cell(RELEASE, f"{task}-points")["source"]
        assert cell(notebook, f"{task}-points")["cell_type"] == "code"
    assert cell(notebook, "explain")["cell_type"] == "markdown"
    assert notebook["metadata"]["resnet_lessons"]["tasks"] == "chapter_01"
    assert repair(notebook, RELEASE) == []  # all is said, and mended, at once


@pytest.mark.parametrize("route", ["both", "pytorch", "tensorflow"])
@pytest.mark.parametrize("name", [path.parent.name for path in sorted((ROOT / "exercises").glob("*/exercise.ipynb"))])
def test_nothing_is_said_of_a_notebook_in_order(name: str, route: str) -> None:
    release = read("exercises", name)
    for kind in ("exercises", "solutions"):
        notebook = keep_route(read(kind, name), route)
        before = [(c["cell_type"], c["source"]) for c in notebook["cells"]]
        assert repair(notebook, release) == []
        assert [(c["cell_type"], c["source"]) for c in notebook["cells"]] == before


def test_an_answer_in_other_cells_counts_and_its_deleted_cell_is_said() -> None:
    notebook = keep_route(SOLVED, "pytorch")
    notebook["cells"].remove(cell(notebook, "count"))
    cell(notebook, "predict")["source"] = [*cell(notebook, "predict")["source"], "\nparameters = 18560"]
    assert repair(notebook, RELEASE) == ["The cell `count` was deleted; what other cells define is graded."]


def class_of(folder: Path) -> dict[str, float | None]:
    """Write a course's folder with a class's submissions; return the points that each deserves, None for no grade."""
    shutil.copyfile(ROOT / "nbgrader_config.py", folder / "nbgrader_config.py")
    for kind in ("solutions", "exercises"):
        shutil.copytree(ROOT / kind / NAME, folder / kind / NAME)
    solved, untouched = keep_route(SOLVED, "pytorch"), keep_route(RELEASE, "pytorch")
    half = keep_route(RELEASE, "tensorflow")
    done = {"count": "count", "repair-tensorflow": "repair", "basic_block-tensorflow": "basic_block"}
    for grade_id in done:
        cell(half, grade_id)["source"] = cell(SOLVED, grade_id)["source"]
    errors = copy.deepcopy(untouched)
    for grade_id in ("two_lines-pytorch", "basic_block-pytorch"):
        cell(errors, grade_id)["source"] = cell(SOLVED, grade_id)["source"]
    cell(errors, "count")["source"] = "parameters = (1 +"
    cell(errors, "predict")["source"] = "prediction = answers['mine']"
    cell(errors, "residual_mlp-pytorch")["source"] = "import warnings\nwarnings.warn('late')\nraise SystemExit"
    mangled = copy.deepcopy(solved)
    for damage in (retype, duplicate, split):
        damage(mangled)
    mangled["cells"].remove(cell(mangled, "count-points"))
    cell(mangled, "basic_block-points")["metadata"].pop("nbgrader")
    ended = copy.deepcopy(untouched)
    ended["cells"].insert(0, cell(untouched, "count") | {"source": "import os; os._exit(1)", "metadata": {}, "id": "e"})
    for student, notebook, file in (
        ("solved", solved, "exercise.ipynb"), ("half", half, "exercise.ipynb"), ("errors", errors, "exercise.ipynb"),
        ("untouched", untouched, "exercise.ipynb"), ("mangled", mangled, "exercise (1).ipynb"),
        ("a-crash", ended, "exercise.ipynb"),
    ):  # fmt: skip
        hand_in(folder, student, file, json.dumps(notebook))
    hand_in(folder, "cut-short", "exercise.ipynb", json.dumps(solved)[:500])
    return {
        "solved": ALL, "half": sum(POINTS[task] for task in done.values()), "untouched": 0, "mangled": ALL,
        "errors": POINTS["two_lines"] + POINTS["basic_block"], "a-crash": None, "cut-short": None,
    }  # fmt: skip


def hand_in(folder: Path, student: str, file: str, text: str) -> None:
    place = folder / "submitted" / student / NAME
    place.mkdir(parents=True)
    (place / file).write_text(text, encoding="utf-8")


def nbgrader(folder: Path, *arguments: str) -> tuple[int, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # nbgrader calls alembic by name
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "JUPYTER_PLATFORM_DIRS": "1",
             "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_class_is_graded_from_the_release_to_the_feedback(tmp_path: Path) -> None:
    deserved = class_of(tmp_path)
    assert deserved["half"] == ALL / 2
    released = (tmp_path / "exercises" / NAME / "exercise.ipynb").read_bytes()
    assert nbgrader(tmp_path, "generate_assignment", NAME, "--force")[0] == 0
    assert (tmp_path / "exercises" / NAME / "exercise.ipynb").read_bytes() == released

    status, said = nbgrader(tmp_path, "autograde", NAME)
    assert status == 1  # two could not be graded, and are named; the batch went on
    for student in ("a-crash", "cut-short"):
        assert f"There was an error processing assignment '{NAME}' for student '{student}'" in said
    assert said.count("for student '") == 2
    assert "handed in as 'exercise (1).ipynb'" in said
    for part in ("`predict` was there 2 times", "`basic_block-pytorch` was split", "`count-points` was deleted"):
        assert f"mangled, {NAME}: The cell {part}" in said
    assert not any(f"{student}, {NAME}: " in said for student in ("solved", "half", "errors", "untouched"))

    with sqlite3.connect(tmp_path / "gradebook.db") as book:
        found = book.execute(
            "SELECT submitted_assignment.student_id, SUM(grade.auto_score), SUM(grade.needs_manual_grade) FROM grade "
            "JOIN submitted_notebook ON grade.notebook_id = submitted_notebook.id "
            "JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id "
            "GROUP BY submitted_assignment.student_id"
        ).fetchall()
    assert {student: points for student, points, _ in found} == deserved
    by_hand = {student: number for student, _, number in found}  # the explanation, where there is one
    assert (by_hand["solved"], by_hand["mangled"], by_hand["untouched"], by_hand["half"]) == (1, 1, 0, 0)

    assert nbgrader(tmp_path, "export")[0] == 0
    with (tmp_path / "grades.csv").open(encoding="utf-8", newline="") as table:
        grades = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(table)}
    assert grades == {student: (points or 0, ALL) for student, points in deserved.items()}

    assert nbgrader(tmp_path, "generate_feedback", NAME)[0] == 0
    pages = {path.parts[-3]: path.read_text(encoding="utf-8") for path in tmp_path.glob("feedback/*/*/*.html")}
    assert set(pages) == {student for student, points in deserved.items() if points is not None}
    assert f"(Score: {ALL:.1f} / {ALL:.1f})" in pages["solved"]
    assert f"(Score: {deserved['half']:.1f} / {ALL:.1f})" in pages["half"]
    assert "was split; its parts are joined" in pages["mangled"]
    assert "○ count: not attempted" in pages["untouched"]  # where a traceback would stand
    assert "most recent call last" not in pages["untouched"]
    assert not (ROOT / "gradebook.db").exists()  # all of it happened in the folder
