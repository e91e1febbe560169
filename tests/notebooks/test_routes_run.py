"""Each chapter runs on a single route with the other framework made unimportable, and shows what was committed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from resnet_lessons.routes import keep_route

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
OTHER = {"pytorch": ("tensorflow", "keras"), "tensorflow": ("torch",)}
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))


def run_route(notebook: Path, route: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one route's copy of a notebook through nbval in strict mode, without the other framework."""
    copy = keep_route(json.loads(notebook.read_text(encoding="utf-8")), route)
    (folder / notebook.name).write_text(json.dumps(copy), encoding="utf-8")
    hidden = folder / "unimportable"
    hidden.mkdir()
    for name in OTHER[route]:
        message = f"{name} was made unimportable: a cell on the {route} route needs it"
        (hidden / f"{name}.py").write_text(f"raise ModuleNotFoundError({message!r}, name={name!r})\n")
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [
        sys.executable, "-m", "pytest", "-q", "-c", "pytest.ini", "--rootdir", ".", "-p", "no:cacheprovider",
        "-p", "nbval_guards", "-p", "no:xdist", "--color=no", "--nbval", "--nbval-current-env",
        "--nbval-cell-timeout=180", notebook.name,
    ]  # fmt: skip
    path = os.pathsep.join([str(hidden), str(TESTS)])
    environment = {**os.environ, "PYTHONPATH": path, "RESNET_LESSONS_PROGRESS": str(folder / "progress")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")


@pytest.mark.parametrize("route", OTHER)
@pytest.mark.parametrize("notebook", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_a_chapter_runs_on_a_single_route(notebook, route, tmp_path):
    done = run_route(notebook, route, tmp_path)
    assert done.returncode == 0, "\n".join((done.stdout + done.stderr).splitlines()[-60:])


def small_notebook(folder: Path, tag: str | None) -> Path:
    """Write a notebook that imports TensorFlow in a cell of the given route."""
    from nbval_guards import KERNELSPEC, LANGUAGE_INFO

    def cell(number: int, source: str, tags: list[str]) -> dict:
        return {
            "cell_type": "code", "id": f"c{number}", "metadata": {"tags": tags} if tags else {}, "source": source,
            "execution_count": number, "outputs": [],
        }  # fmt: skip

    cells = [cell(1, "import tensorflow", [tag] if tag else []), cell(2, "import resnet_lessons", [])]
    metadata = {"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO}
    path = folder / "small.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.mark.parametrize("tag", ["tensorflow", "both"])
def test_a_notebook_without_the_other_framework_passes(tmp_path, tag):
    (tmp_path / "run").mkdir()
    done = run_route(small_notebook(tmp_path, tag), "pytorch", tmp_path / "run")
    assert done.returncode == 0, done.stdout


def test_a_cell_that_needs_the_other_framework_fails(tmp_path):
    (tmp_path / "run").mkdir()
    done = run_route(small_notebook(tmp_path, None), "pytorch", tmp_path / "run")
    assert done.returncode == 1
    assert "tensorflow was made unimportable" in done.stdout
