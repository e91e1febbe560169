"""Run a chapter on a single route, with the other framework made unimportable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from resnet_lessons.routes import keep_route

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
    leave_out_slow_imports(hidden)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [
        sys.executable, "-m", "pytest", "-q", "-c", "pytest.ini", "--rootdir", ".", "-p", "no:cacheprovider",
        "-p", "nbval_guards", "-p", "no:xdist", "--color=no", "--nbval", "--nbval-current-env",
        "--nbval-cell-timeout=180", notebook.name,
    ]  # fmt: skip
    path = os.pathsep.join([str(hidden), str(TESTS)])
    environment = {**os.environ, "PYTHONPATH": path, "RESNET_LESSONS_PROGRESS": str(folder / "progress")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")


def leave_out_slow_imports(folder: Path) -> None:
    """Hide from processes that look into `folder` first what pytest's notebooks pay a second for, and do not need.

    jsonschema imports it where it finds it, to judge addresses in other alphabets; no notebook holds any.
    """
    (folder / "rfc3987_syntax.py").write_text("raise ImportError('left out, since it takes a second to import')\n")


def assert_runs(notebook: Path, route: str, folder: Path) -> None:
    """The notebook runs on the route, and shows what was committed."""
    done = run_route(notebook, route, folder)
    assert done.returncode == 0, "\n".join((done.stdout + done.stderr).splitlines()[-60:])
