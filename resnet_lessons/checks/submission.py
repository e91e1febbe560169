"""Prepares what a learner handed in for nbgrader: cells that were duplicated, split, deleted, retyped or lost their ids.

`nbgrader_config.py` puts `PrepareSubmission` in front of nbgrader's own steps. Without it, nbgrader 0.9.6 stops grading the
whole class at the first duplicated cell (it takes it for one of an older version), gives a learner without a deleted cell's
points no grade for them, and cannot put that cell back on a single route (`OverwriteCells.add_missing_cells` looks for the
cell of the other route beside it).

What can be repaired from the release is; each repair is a sentence, for the log and at the top of the graded notebook.
Answers are never changed: at most two halves of one are joined.
"""

from __future__ import annotations

import ast
import atexit
import copy
import os
import shutil
import tempfile
from collections.abc import MutableMapping, MutableSequence
from pathlib import Path
from typing import Any

from resnet_lessons.routes import cell_route

from nbconvert.preprocessors import Preprocessor
from traitlets import Bool
from traitlets.log import get_logger

NOTEBOOK = "exercise.ipynb"
Cell = MutableMapping[str, Any]
_NONE: frozenset[str] = frozenset()


class PrepareSubmission(Preprocessor):
    """nbgrader's first step with a submission: repair it, say what was repaired, and keep its records apart."""

    enabled = Bool(True, help="Whether to repair submissions").tag(config=True)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Repair a submission; nbgrader says in `resources` whose and of what it is, and works in the course's folder."""
        import nbformat

        about = resources["nbgrader"]
        folder = self.config.CourseDirectory.get("release_directory", "release")
        release = nbformat.read(Path(folder, about["assignment"], f"{about['notebook']}.ipynb"), as_version=4)
        said = repair(nb, release)
        for sentence in said:
            self.log.warning("%s, %s: %s", about["student"], about["assignment"], sentence)
        if said:
            text = "**Before grading**, this notebook was repaired:\n\n" + "\n".join(f"- {line}" for line in said)
            nb["cells"].insert(0, {"cell_type": "markdown", "id": "repaired", "metadata": {}, "source": text})
        _keep_apart()
        return nbformat.from_dict(nb), resources


def name_notebook(assignment: str, student: str, notebooks: MutableSequence[str]) -> None:
    """Copy a submission's only notebook to the name that nbgrader looks for; nbgrader's hook before a conversion.

    Browsers and learning platforms rename what is uploaded, to "exercise (1).ipynb".
    """
    if len(notebooks) == 1 and (path := Path(notebooks[0])).name != NOTEBOOK:
        shutil.copyfile(path, path.with_name(NOTEBOOK))
        get_logger().warning("%s was handed in as %r; graded is a copy of it, %s", path.parent, path.name, NOTEBOOK)
        notebooks[:] = [str(path.with_name(NOTEBOOK))]


def repair(notebook: MutableMapping[str, Any], release: MutableMapping[str, Any]) -> list[str]:
    """Give a submission the cells that its grading needs, in place; return what was done, a sentence for each cell.

    Parameters
    ----------
    notebook
        What was handed in, as `json.load` reads it (nbformat 4).
    release
        The exercise as it was handed out.

    Returns
    -------
    list of str
        Empty if there was nothing to repair. A sentence names a cell by nbgrader's id, such as `count-points`.
    """
    cells: list[Cell] = notebook["cells"]
    for cell in cells:
        cell.setdefault("metadata", {})
    known = notebook["metadata"].setdefault("resnet_lessons", {})
    known.setdefault("tasks", release["metadata"]["resnet_lessons"]["tasks"])
    wanted = {_grade_id(cell): cell for cell in release["cells"] if _grade_id(cell)}
    said = _claim(cells, wanted)
    there = {_grade_id(cell) for cell in cells}
    tasks_there = {_task(original) for key, original in wanted.items() if key in there}
    end: list[Cell] = []
    for key, original in wanted.items():
        found = [cell for cell in cells if _grade_id(cell) == key]
        if _is_points(original):
            said += _renew(key, original, found)
            cells[:] = [cell for cell in cells if not any(cell is one for one in found)]
            end.append(copy.deepcopy(original))
        elif found:
            said += _restore(key, original, found, cells)
        elif original["metadata"]["nbgrader"]["grade"]:
            cells.insert(_place(key, wanted, cells), copy.deepcopy(original))
            said.append(f"The cell `{key}` was deleted; it is back as it was handed out.")
        elif _task(original) not in tasks_there:
            tasks_there.add(_task(original))
            said.append(f"The cell `{key}` was deleted; what other cells define is graded.")
    cells += end
    answered = {route for key in wanted if key in there and (route := cell_route(dict(wanted[key])))}
    route = known.get("route", "both")
    return said + _set_up(cells, release, answered if route == "both" else {route})


def _claim(cells: list[Cell], wanted: dict[str, Cell]) -> list[str]:
    """Give back nbgrader's ids to the cells that lost them, and take away those that are not of this exercise."""
    said = []
    there = {_grade_id(cell) for cell in cells}
    by_id = {cell.get("id"): key for key, cell in wanted.items() if key not in there}
    by_text = {_source(cell): key for key, cell in wanted.items() if key not in there and _is_points(cell)}
    by_names = {_names(cell): key for key, cell in wanted.items() if key not in there and _names(cell)}
    for cell in cells:
        key = _grade_id(cell)
        if key and key not in wanted:
            cell["metadata"].pop("nbgrader")
            said.append(f"The cell `{key}` is not of this exercise; it runs, and is not graded.")
        elif not key:
            cell["metadata"].pop("nbgrader", None)
            found = by_names.pop(next((names for names in by_names if names <= _names(cell)), _NONE), None)
            lost = by_id.pop(cell.get("id"), None) or by_text.get(_source(cell)) or found
            if lost:
                cell["metadata"]["nbgrader"] = copy.deepcopy(wanted[lost]["metadata"]["nbgrader"])
                said.append(f"The cell `{lost}` had lost its id; it has it again.")
    return said


def _renew(key: str, original: Cell, found: list[Cell]) -> list[str]:
    """What was wrong with a cell that gives points; it is replaced by the original, whatever it was."""
    if not found:
        return [f"The cell `{key}` was deleted; it is back."]
    said = []
    if len(found) > 1:
        said.append(f"The cell `{key}` was there {len(found)} times; it counts once.")
    if any(_source(cell) != _source(original) for cell in found):
        said.append(f"The cell `{key}` was edited; it is as it was handed out.")
    types = {cell["cell_type"] for cell in found} - {original["cell_type"]}
    said += [f"The cell `{key}` was made a {kind} cell; it is a {original['cell_type']} cell again." for kind in types]
    return said


def _restore(key: str, original: Cell, found: list[Cell], cells: list[Cell]) -> list[str]:
    """Make one cell of those that hold an answer: of the right type, joined if it was split, with its metadata."""
    said = []
    for cell in found:
        if cell["cell_type"] != original["cell_type"]:
            said.append(f"The cell `{key}` was a {cell['cell_type']} cell; it is a {original['cell_type']} cell again.")
            _retype(cell, original["cell_type"])
    if len(found) > 1:
        edited = [cell for cell in found if _source(cell) != _source(original)] or found[-1:]
        if len(edited) < len(found):
            said.append(f"The cell `{key}` was there {len(found)} times; untouched copies are left out.")
        if len(edited) > 1 and (joined := _joined(edited, cells)) is not None:
            edited[0]["source"] = joined
            edited = edited[:1]
            said.append(f"The cell `{key}` was split; its parts are joined.")
        elif len(edited) > 1:
            said.append(f"The cell `{key}` was there {len(edited)} times; all run, and what the last defines counts.")
        left_out = [cell for cell in found if not any(cell is one for one in edited) and cell is not edited[-1]]
        cells[:] = [cell for cell in cells if not any(cell is one for one in left_out)]
        for cell in edited[:-1]:
            cell["metadata"].pop("nbgrader")
        found = edited
    found[-1]["metadata"]["nbgrader"] = copy.deepcopy(original["metadata"]["nbgrader"])
    return said


def _joined(parts: list[Cell], cells: list[Cell]) -> str | None:
    """The text of an answer that was split; None if its parts are answers of their own."""
    texts = ["".join(cell["source"]) for cell in parts]
    if parts[0]["cell_type"] != "code":
        return "\n\n".join(texts)
    first = next(number for number, cell in enumerate(cells) if cell is parts[0])
    beside = all(cell is part for cell, part in zip(cells[first:], parts, strict=False))
    whole = "\n".join(texts)
    return whole if beside and not all(map(_is_python, texts)) and _is_python(whole) else None


def _set_up(cells: list[Cell], release: MutableMapping[str, Any], routes: set[str]) -> list[str]:
    """Put back the cells with the imports, which stand in front of all tasks; without them nothing is right."""
    said = []
    code = [cell for cell in cells if cell["cell_type"] == "code" and _source(cell)]
    there = {cell.get("id") for cell in code} | {_source(cell) for cell in code}
    place = 0
    for original in release["cells"]:
        if _grade_id(original):
            break
        if original["cell_type"] != "code" or cell_route(dict(original)) not in {None, *routes}:
            continue
        if not {original.get("id"), _source(original)} & there:
            cells.insert(place, copy.deepcopy(original))
            place += 1
            said.append(f"The cell `{original['id']}` was deleted; it is back.")
    return said


def _place(key: str, wanted: dict[str, Cell], cells: list[Cell]) -> int:
    """Where a deleted cell belongs: behind the nearest one before it that is there."""
    order = list(wanted)
    before = set(order[: order.index(key)])
    return max((number for number, cell in enumerate(cells, 1) if _grade_id(cell) in before), default=len(cells))


def _retype(cell: Cell, kind: str) -> None:
    cell["cell_type"] = kind
    cell.pop("attachments", None)
    if kind == "code":
        cell["outputs"], cell["execution_count"] = [], None
    else:
        cell.pop("outputs", None)
        cell.pop("execution_count", None)


def _keep_apart() -> None:
    """Give the kernel that is started next a store of its own: one learner's results are not the instructor's."""
    scratch = tempfile.mkdtemp(prefix="resnet-lessons-autograde-")
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    os.environ["RESNET_LESSONS_PROGRESS"] = scratch


def _grade_id(cell: Cell) -> str:
    return str((cell["metadata"].get("nbgrader") or {}).get("grade_id") or "")


def _is_points(original: Cell) -> bool:
    about = original["metadata"]["nbgrader"]
    return bool(about["grade"]) and not about["solution"]


def _task(original: Cell) -> str:
    """The task that a cell of the release answers, whatever its route."""
    return _grade_id(original).removesuffix(f"-{cell_route(dict(original))}")


def _names(cell: Cell) -> frozenset[str]:
    """What a cell of code defines: an answer is known by the name that the release gives it."""
    try:
        body = ast.parse(_source(cell)).body if cell["cell_type"] == "code" else []
    except (SyntaxError, ValueError):
        return _NONE
    assigned = (target for one in body if isinstance(one, ast.Assign) for target in one.targets)
    named = {one.name for one in body if isinstance(one, (ast.ClassDef, ast.FunctionDef))}
    return frozenset(named | {target.id for target in assigned if isinstance(target, ast.Name)})


def _source(cell: Cell) -> str:
    return "".join(cell["source"]).strip()


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True
