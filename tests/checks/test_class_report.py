"""`resnet-lessons class-report` counts a class's mistakes, says no name, and survives what is handed in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from resnet_lessons import cli
from resnet_lessons.checks import chapter_01, class_report
from tests.checks.test_notebook import write
from tests.command_line import assert_one_line

import pytest

ROOT = Path(__file__).parents[2]


def outcome(task: str, status: str, framework: str = "", *titles: str) -> dict[str, Any]:
    return {"task": task, "status": status, "framework": framework, "titles": list(titles), "mistakes": list(titles)}


def told(**given: dict[str, Any]) -> dict[str, Any]:
    """What `check --json` tells of a notebook: the given tasks, all others not attempted."""
    untouched = {task.key: outcome(task.key, "not attempted") for task in chapter_01.TASKS}
    return {"tasks": list({**untouched, **given}.values())}


CLASS = {
    "ada-q7": told(
        repair=outcome("repair", "right", "pytorch"), count=outcome("count", "not yet", "", "biases counted")
    ),
    "bob-q7": told(repair=outcome("repair", "not yet", "tensorflow", "a", "b"), count=outcome("count", "not yet")),
    "cleo-q7": told(repair=outcome("repair", "not yet", "pytorch", "b"), count=outcome("count", "right")),
    "dan-q7": told(repair=outcome("repair", "not attempted", "pytorch")),
    "eve-q7": told(),
    "fay-q7": None,
}


def hand_in(folder: Path) -> Path:
    for name in CLASS:
        place = folder / name / "01_basic_block"
        place.mkdir(parents=True)
        write(place / "exercise.ipynb", "1")
    (folder / "gus-q7").mkdir()
    (folder / "gus-q7" / "exercise.ipynb").write_text('{"cells": [')
    write(folder / "gus-q7" / "newer.ipynb", "1", tasks="chapter_99")
    write(folder / "gus-q7" / "holiday.ipynb", "1", tasks=None)
    (folder / "eve-q7" / ".ipynb_checkpoints").mkdir()
    write(folder / "eve-q7" / ".ipynb_checkpoints" / "exercise-checkpoint.ipynb", "1")
    return folder


@pytest.fixture
def a_class(tmp_path, monkeypatch):
    """A class whose notebooks are not run: what each would be told is known."""
    monkeypatch.setattr(class_report._Children, "check", lambda self, path, seconds: CLASS[path.parts[-3]])
    return hand_in(tmp_path / "submitted")


def test_each_task_has_its_statuses_frameworks_and_mistakes(a_class):
    counts, complete = class_report.report(a_class)
    assert complete
    assert (counts.total, counts.judged.total(), counts.unreadable, counts.others) == (8, 5, 3, 1)
    repair, count = counts.tasks["01_basic_block"]["repair"], counts.tasks["01_basic_block"]["count"]
    assert repair.statuses == {"right": 1, "not yet": 2, "not attempted": 2}
    assert repair.frameworks == {"pytorch": 2, "tensorflow": 1}  # an untouched answer counts for neither
    assert (repair.mistakes, repair.unnamed) == ({"a": 1, "b": 2}, 0)
    assert (count.mistakes, count.unnamed) == ({"biases counted": 1}, 1)
    assert count.frameworks == {}
    assert list(counts.tasks["01_basic_block"]) == [task.key for task in chapter_01.TASKS]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_it_names_nobody_and_fails_if_something_could_not_be_read(a_class, capsys, options):
    assert cli.run(["class-report", str(a_class), *options]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert not any(name in captured.out for name in (*CLASS, "gus-q7", "exercise.ipynb", "submitted", "holiday"))
    assert "3 of 8 notebooks could not be read" in captured.out
    assert "1 more is no exercise, and not counted." in captured.out
    assert ("2 × b" if not options else '"b": 2') in captured.out
    if options:
        found = json.loads(captured.out)
        assert (found["notebooks"], found["judged"]) == (8, 5)
        assert [exercise["exercise"] for exercise in found["exercises"]] == ["01_basic_block"]
    else:
        assert captured.out.index("2 × b") < captured.out.index("1 × a")  # the most frequent first
        assert "1 × without a name here" in captured.out


def test_a_small_group_is_warned_about(a_class, monkeypatch):
    assert not any("tell whose" in note for note in class_report.report(a_class)[0].notes)
    monkeypatch.setitem(CLASS, "eve-q7", None)
    assert class_report.report(a_class)[0].notes[-1] == (
        "Fewer than 5 notebooks of 01_basic_block: these counts may tell whose answers they are."
    )


def test_real_notebooks_are_run_apart_and_leave_no_trace(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path / "mine"))
    write(tmp_path / "a.ipynb", "parameters = 18560 + 64")
    write(tmp_path / "b.ipynb", "import os; os._exit(3)", "parameters = 18560")
    assert cli.run(["class-report", str(tmp_path), "--json", "--processes", "2"]) == 0
    (exercise,) = json.loads(capsys.readouterr().out)["exercises"]
    (count,) = [task for task in exercise["tasks"] if task["task"] == "count"]
    assert count["statuses"] == {"right": 1, "not yet": 1, "not attempted": 0}
    assert count["mistakes"] == {"biases counted": 1}
    assert not (tmp_path / "mine").exists()  # learners' results are not mine
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ipynb", "b.ipynb"]


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as a signal")
def test_interrupted_it_counts_what_was_judged_and_ends_what_runs(tmp_path):
    started = tmp_path / "started"
    write(tmp_path / "a.ipynb", "parameters = 18560")
    write(tmp_path / "b.ipynb", f"import os\nopen({str(started)!r}, 'w').write(str(os.getpid()))\nwhile True: pass")
    write(tmp_path / "c.ipynb", "parameters = 18560")
    command = [sys.executable, "-m", "resnet_lessons.cli", "class-report", str(tmp_path), "--processes", "1"]
    running = subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    wait_for(lambda: started.exists() and started.read_text())
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Interrupted: 2 of 3 notebooks were not judged." in out
    assert "01_basic_block: 1 notebook\n" in out
    assert err.endswith("resnet-lessons: stopped.\n")
    assert "Traceback" not in err
    wait_for(lambda: not is_alive(int(started.read_text())))


def wait_for(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text().split()[2] if Path("/proc").is_dir() else True


def test_a_wrong_call_is_one_line(tmp_path, capsys):
    assert_one_line(["class-report", str(tmp_path)], "there is no notebook in", capsys)
    assert_one_line(["class-report", str(tmp_path / "nowhere")], "Not a folder", capsys)
    assert_one_line(["class-report", str(tmp_path), "--processes", "0"], "'0'.*--processes", capsys)
