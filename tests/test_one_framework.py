"""An installation with one framework alone: from `make lab ROUTE=…` to the end of an exercise, nothing else is missed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from resnet_lessons import learner
from tests.other_environment import OTHER, clone, make, run_cells, variables

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import environment  # noqa: E402

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights to make links")
EXERCISE = "exercises/01_basic_block/exercise.ipynb"
TITLES = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}


class Installation(NamedTuple):
    """A clone with an environment that lacks the other framework."""

    route: str
    folder: Path
    python: Path

    @property
    def other(self) -> str:
        return next(title for name, title in TITLES.items() if name != self.route)

    def copies(self) -> Path:
        """The learner's copies; made where no lab has made them yet."""
        work = self.folder / "work"
        if not work.exists():
            assert self.command("start", "--route", self.route).returncode == 0
        return work

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python), "-m", "resnet_lessons.cli", *arguments], cwd=self.folder, capture_output=True, text=True,
            env=variables(self.folder), timeout=120,
        )  # fmt: skip


@pytest.fixture(scope="module", params=list(OTHER))
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A clone of the course, as `make lab ROUTE=…` would install it."""
    parts = ("Makefile", "tools/environment.py", "requirements.txt", "pyproject.toml")
    folder = clone(tmp_path_factory.mktemp(request.param) / "clone", *parts)
    python = make(folder / ".venv", OTHER[request.param], folder)
    done = environment.Environment(folder)
    done.stamp.write_text(json.dumps(done._new_stamp()), encoding="utf-8")
    missing = subprocess.run([str(python), "-c", f"import {OTHER[request.param][0]}"], capture_output=True, text=True)
    assert "ModuleNotFoundError" in missing.stderr
    yield Installation(request.param, folder, python)
    shutil.rmtree(folder)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_lab_opens_the_start_page_and_installs_nothing(installation: Installation) -> None:
    log = installation.folder / "log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            ["make", "lab", f"ROUTE={installation.route}", f"PYTHON={installation.python}", "LAB_ARGS=--no-browser"],
            cwd=installation.folder, env=variables(installation.folder), stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while not (found := re.search(r"(http://127\S+?)/lab/tree/Start.md(\?token=\w+)\n", log.read_text())):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            with urllib.request.urlopen(f"{found[1]}/api/contents/Start.md{found[2]}", timeout=30) as answer:
                assert json.load(answer)["content"].startswith("# Residual networks: start here")
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=60)
    said = log.read_text(encoding="utf-8")
    assert not re.search("Making|Repairing|Installing|not installed|Traceback", said), said
    assert learner.route_of(installation.folder / "work") == installation.route


def test_the_doctor_misses_nothing(installation: Installation) -> None:
    installation.copies()
    done = installation.command("doctor", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    findings = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    assert findings[installation.other]["status"] == "ok"
    assert "is not installed, and not needed" in findings[installation.other]["found"]
    assert findings["packages"]["status"] == "ok"


def test_a_chapter_and_an_exercise_run_to_their_ends(installation: Installation) -> None:
    work = installation.copies()
    chapter = json.loads((work / "chapters" / "explorer.ipynb").read_text(encoding="utf-8"))
    _, outputs = run(installation, chapter, work / "chapters")
    assert faults(outputs) == []

    exercise = json.loads((work / EXERCISE).read_text(encoding="utf-8"))
    grade_id = f"two_lines-{installation.route}"
    answer = next(
        cell for cell in exercise["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
    )
    answer["source"] = solution(grade_id)
    last = next(number for number, cell in enumerate(exercise["cells"], 1) if cell["id"] == "count-points")
    until_it_stops = exercise | {"cells": exercise["cells"][:last]}
    ids, outputs = run(installation, until_it_stops, (work / EXERCISE).parent)
    assert faults(outputs[:-1]) == []
    checked = outputs[ids.index(f"two-lines-{installation.route}-check")]
    assert checked[0]["data"]["text/plain"].startswith("✓ two_lines: right")
    assert outputs[ids.index("two-lines-points")] == []
    (shown,) = outputs[-1]  # “Run All” stops here
    # One glance says that nothing is broken; nbgrader sees an error, and gives no points.
    assert (shown["output_type"], shown["ename"]) == ("error", "NotRightError")
    assert shown["traceback"] == ["○ count: not attempted", "This cell gives its points once the task is right."]

    (work / EXERCISE).write_text(json.dumps(exercise), encoding="utf-8")
    done = installation.command("check", str(work / EXERCISE), "--json")
    assert done.stderr == ""
    assert json.loads(done.stdout)["right"] == 1


def test_copies_for_both_frameworks_are_told_in_one_sentence_what_is_missing(installation: Installation) -> None:
    done = installation.command("start", "--route", "both", "--work", "two/work")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = [line for line in done.stdout.splitlines() if "not installed" in line]
    assert line.startswith(
        f"{installation.other} is not installed here, and your copies need it: `make lab ROUTE=both`"
    )
    assert line.endswith(f"lab --route {installation.route}")
    place = installation.folder / "two" / "work" / "chapters"
    chapter = json.loads((place / "explorer.ipynb").read_text(encoding="utf-8"))
    begin = next("".join(cell["source"]) for cell in chapter["cells"] if cell["id"] == "begin")
    (((shown,),)) = run_cells(installation.python, place, begin, environment=variables(installation.folder))
    (sentence,) = shown["traceback"]
    assert sentence.startswith(f"This kernel lacks {installation.other}: choose ")
    assert sentence.endswith(f"resnet-lessons lab --route {installation.route}")


def run(installation: Installation, notebook: dict[str, Any], folder: Path) -> tuple[list[str], list[Any]]:
    """Run a notebook's code in the installation; return the cells' ids and what each put out."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    sources = ["".join(cell["source"]) for cell in code]
    own = variables(installation.folder)
    return [cell["id"] for cell in code], run_cells(installation.python, folder, *sources, environment=own)


def faults(outputs: list[Any]) -> list[Any]:
    """Errors and whatever stands on stderr."""
    return [one for each in outputs for one in each if one["output_type"] == "error" or one.get("name") == "stderr"]


def solution(grade_id: str) -> str:
    notebook = json.loads((ROOT / "solutions" / "01_basic_block" / "exercise.ipynb").read_text(encoding="utf-8"))
    cell = next(one for one in notebook["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") == grade_id)
    return "".join(cell["source"])
