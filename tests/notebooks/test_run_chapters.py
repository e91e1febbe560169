"""`make chapters` saves what strict nbval accepts, the same bytes each time, and nothing after a failure."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from tests.notebooks.single_route import leave_out_slow_imports

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "run_chapters.py"


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """The tool, looking at an empty folder instead of the repository."""
    spec = importlib.util.spec_from_file_location("run_chapters", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def write(folder: Path, *cells: str | tuple[str, list[str]], name: str = "chapters/01_a.ipynb") -> Path:
    """Write a notebook as a person leaves it: never run, with metadata of their editor."""
    content = [(cell, []) if isinstance(cell, str) else cell for cell in cells]
    notebook = {
        "cells": [
            {
                "cell_type": "code", "id": f"kept-{n}", "metadata": {"collapsed": False, "tags": tags}, "source": source,
                "execution_count": None, "outputs": [],
            }
            for n, (source, tags) in enumerate(content)
        ],
        "metadata": {"kernelspec": {"name": "my-env", "display_name": "x"}, "vscode": {}},
        "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


PIECES = "import sys, time\nfor n in range(3):\n    print(n)\n    sys.stdout.flush()\n    time.sleep(0.3)"
WIDGET = "from resnet_lessons import labs\nlabs.predict('c', 'k', 'Which?', ['a', 'b'])"
RAISES = ("import resnet_lessons.routes\nresnet_lessons.routes.keep_route({}, 'jax')", ["raises-exception"])


def test_a_saved_notebook_has_no_faults_and_passes_strict_nbval(tool, tmp_path, capsys):
    path = write(tmp_path, PIECES, WIDGET, RAISES, "open('beside.txt').read()")
    (path.parent / "beside.txt").write_text("runs in its own folder")
    assert tool.main([]) == 0, capsys.readouterr().out
    first = path.read_bytes()
    assert "saved" in capsys.readouterr().out

    cells = json.loads(first)["cells"]
    assert [cell["id"] for cell in cells] == ["kept-0", "kept-1", "kept-2", "kept-3"]
    assert [cell["execution_count"] for cell in cells] == [1, 2, 3, 4]
    assert cells[0]["outputs"] == [{"name": "stdout", "output_type": "stream", "text": ["0\n", "1\n", "2\n"]}]
    assert set(cells[1]["outputs"][0]["data"]) == {"text/plain", "text/html"}
    assert str(ROOT) not in first.decode()

    assert tool.main([]) == 0
    assert path.read_bytes() == first
    assert "unchanged" in capsys.readouterr().out

    options = ["-p", "nbval_guards", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env", "-q"]
    leave_out_slow_imports(tmp_path)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT / 'tests'}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, path], cwd=tmp_path, capture_output=True, text=True
    )
    assert "5 passed" in done.stdout, done.stdout + done.stderr


def test_a_notebook_that_fails_is_left_as_it_was(tool, tmp_path, capsys):
    path = write(tmp_path, "1 / 0")
    before = path.read_bytes()
    assert tool.main([]) == 1
    assert path.read_bytes() == before
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert [p.name for p in path.parent.iterdir()] == ["01_a.ipynb"]


def test_what_is_saved_with_faults_is_reported(tool, tmp_path, capsys):
    write(tmp_path, "import sys\nprint('x', file=sys.stderr)")
    assert tool.main([]) == 1
    assert "wrote to stderr: 'x'" in capsys.readouterr().out


def test_check_changes_nothing(tool, tmp_path, capsys):
    path = write(tmp_path, "print(1)")
    before = path.read_bytes()
    assert tool.main(["--check"]) == 1
    assert "was never run" in capsys.readouterr().out
    assert path.read_bytes() == before


def test_only_some_notebooks_can_be_named(tool, tmp_path):
    write(tmp_path, name="chapters/01_a.ipynb")
    write(tmp_path, name="chapters/.ipynb_checkpoints/01_a-checkpoint.ipynb")
    write(tmp_path, name="solutions/01_b/exercise.ipynb")
    assert [p.parent.name for p in tool.find_notebooks()] == ["chapters", "01_b"]
    assert [p.parent.name for p in tool.find_notebooks(["01_b"])] == ["01_b"]


def test_a_name_that_matches_nothing_lists_what_there_is(tool, tmp_path, capsys):
    write(tmp_path, name="chapters/01_a.ipynb")
    with pytest.raises(SystemExit):
        tool.main(["02"])
    assert "there are: chapters/01_a.ipynb" in capsys.readouterr().err
