"""Run notebooks on a single route, with the other framework made unimportable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from resnet_lessons.routes import keep_route

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
OTHER = {"pytorch": ("tensorflow", "keras"), "tensorflow": ("torch",)}
_FAULTS = ("failure", "error")
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))


class Ran(NamedTuple):
    """What nbval says of notebooks that ran on one route."""

    output: str
    faults: dict[str, list[str]]  # of each notebook, by its file's name; none where it passed


def run_route(notebooks: Iterable[Path], route: str, folder: Path) -> Ran:
    """Run one route's copies of notebooks through nbval in strict mode, without the other framework."""
    names = [notebook.name for notebook in notebooks]
    for notebook in notebooks:
        copy = keep_route(json.loads(notebook.read_text(encoding="utf-8")), route)
        (folder / notebook.name).write_text(json.dumps(copy), encoding="utf-8")
    hidden = folder / "unimportable"
    hidden.mkdir()
    for name in OTHER[route]:
        message = f"{name} was made unimportable: a cell on the {route} route needs it"
        (hidden / f"{name}.py").write_text(f"raise ModuleNotFoundError({message!r}, name={name!r})\n")
    leave_out_slow_imports(hidden)
    (folder / "pytest.ini").write_text("[pytest]\njunit_family = xunit1\n")  # which names the files
    command = [
        sys.executable, "-m", "pytest", "-q", "-c", "pytest.ini", "--rootdir", ".", "-p", "no:cacheprovider",
        "-p", "nbval_guards", "-p", "no:xdist", "--color=no", "--nbval", "--nbval-current-env",
        "--nbval-cell-timeout=180", "--junitxml=ran.xml", *names,
    ]  # fmt: skip
    path = os.pathsep.join([str(hidden), str(TESTS)])
    environment = {**os.environ, "PYTHONPATH": path, "RESNET_LESSONS_PROGRESS": str(folder / "progress")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")
    output = done.stdout + done.stderr
    assert done.returncode in (0, 1), output  # else it did not get to the end
    faults: dict[str, list[str]] = {name: [] for name in names}
    ran = set()
    for case in ElementTree.parse(folder / "ran.xml").iter("testcase"):
        ran.add(case.attrib["file"])
        faults[case.attrib["file"]] += [f"{case.attrib['name']}: {one.text}" for one in case if one.tag in _FAULTS]
    assert ran == set(names), output
    assert bool(done.returncode) == any(faults.values()), output
    return Ran(output, faults)


def leave_out_slow_imports(folder: Path) -> None:
    """Hide from processes that look into `folder` first what pytest's notebooks pay a second for, and do not need.

    jsonschema imports it where it finds it, to judge addresses in other alphabets; no notebook holds any.
    """
    (folder / "rfc3987_syntax.py").write_text("raise ImportError('left out, since it takes a second to import')\n")
