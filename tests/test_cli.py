"""The command line: quick to answer, and wrong use gets one clear line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from resnet_lessons import cli, learner, notebook_server, progress
from tests.command_line import assert_one_line

import pytest

HEAVY = ("torch", "tensorflow", "keras", "numpy", "rich", "jupyterlab", "jupyter_server", "IPython")


@pytest.mark.parametrize(
    "code",
    [
        "import resnet_lessons",
        "from resnet_lessons.cli import run; run(['--help'])",
        "from resnet_lessons.cli import run; run(['start', '--help'])",
    ],
)
def test_help_loads_no_framework(code: str) -> None:
    code += f"; import sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_arguments_it_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 0
    output = capsys.readouterr().out
    assert all(name in output for name in ("start", "update", "reset", "lab"))


def test_no_command_is_described_in_a_sentence_that_is_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run(["--help"]) == 0
    lines = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert len(lines) == len(cli.app.registered_commands) + len(cli.app.registered_groups), "one line for each command"
    assert [line for line in lines if not line.endswith(".") or line.endswith("...")] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("trian", "'trian'.*there are: .*start.*--help"),
        ("--frob", "--frob.*--help"),
        ("start --rout x", "--rout.*start --help"),
        ("start --route", "--route.*argument"),
        ("start --route jax", "'jax'.*both, pytorch, tensorflow"),
        ("start superfluous", "superfluous.*start --help"),
        ("reset", "(?i)name.*reset --help"),
        ("lab --port 99999", "'99999' for '--port'.*65535"),
        ("lab --port=many", "'many' for '--port'.*integer"),
    ],
)
def test_wrong_use_gets_one_line_and_status_2(
    arguments: str, says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert_one_line(arguments.split(), says, capsys)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("there is no depth 37;\n  there are 18, 34"), "there is no depth 37; there are 18, 34"),
        (
            PermissionError(13, "Permission denied", "work"),
            "Permission denied: work; make it accessible, or choose a folder of yours",
        ),
        (OSError("the disk is full"), "the disk is full"),
        (
            ValueError('it exists with family="cifar", version="v1.5".'),
            "it exists with --family cifar, --version v1.5.",
        ),
    ],
)
def test_an_error_that_teaches_is_one_line(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(learner, "start", fail)
    assert cli.run(["start"]) == 2
    assert capsys.readouterr().err == f"resnet-lessons: {line}\n"
    monkeypatch.setenv("RESNET_LESSONS_DEBUG", "1")
    with pytest.raises(type(error)):
        cli.run(["start"])


def test_a_mistake_in_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("missing")

    monkeypatch.setattr(learner, "start", fail)
    with pytest.raises(KeyError):
        cli.run(["start"])


def test_ctrl_c_is_one_line_and_status_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(learner, "start", interrupt)
    assert cli.run(["start"]) == 130
    assert capsys.readouterr().err == "resnet-lessons: stopped.\n"


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    chapter = tmp_path / "chapters" / "00_start_here.ipynb"
    chapter.parent.mkdir()
    chapter.write_text(
        json.dumps({"cells": [{"cell_type": "markdown", "metadata": {}, "source": "a"}], "metadata": {}})
    )
    monkeypatch.setattr(learner, "course_folder", lambda: tmp_path)
    return tmp_path


def test_start_update_and_reset_say_what_they_did(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        assert cli.run(arguments) == 0
        return capsys.readouterr().out

    copy, original = course / "work/chapters/00_start_here.ipynb", course / "chapters/00_start_here.ipynb"
    assert "chapters/00_start_here.ipynb" in said("start", "--route", "pytorch")
    assert "complete (route: pytorch)" in said("start")
    copy.write_text(copy.read_text().replace('"a"', '"mine"'))
    original.write_text(original.read_text().replace('"a"', '"newer"'))
    assert "resnet-lessons update" in said("start")
    assert "00_start_here.new.ipynb" in said("update")
    assert "What you had written is kept: chapters/00_start_here.2" in said("reset", "00_start_here")
    assert "newer" in copy.read_text()


def test_another_route_is_said(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("start", "lab"):
        assert cli.run([command, "--help"]) == 0
        assert "(another --route replaces those you did not edit)" in " ".join(capsys.readouterr().out.split())
    assert cli.run(["start", "--route", "pytorch"]) == 0
    assert "Route changed" not in capsys.readouterr().out
    assert cli.run(["start", "--route", "tensorflow"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "Route changed to tensorflow: copies that you did not edit are replaced, edited ones stay."
    assert second == "Now as in the course: chapters/00_start_here.ipynb."


def test_a_work_folder_that_cannot_be_meant_gets_one_line(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, nope = course / "file", course / "nope"
    file.write_text("mine")
    for work in (file, file / "inside"):
        assert cli.run(["start", "--work", str(work)]) == 2
        assert capsys.readouterr().err == f"resnet-lessons: {file} is a file; --work takes a folder\n"
    assert cli.run(["reset", "00_start_here", "--work", str(nope)]) == 2
    said = capsys.readouterr().err
    assert said == f"resnet-lessons: there are no copies in {nope}; `resnet-lessons start` makes them\n"
    assert not nope.exists()


def test_lab_makes_the_copies_and_passes_its_options_on(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []

    def serve(*arguments: object, refresh: Callable[[], None]) -> int:
        calls.append(arguments)
        (course / "work/Start.md").unlink()
        refresh()
        assert not (course / "work/Start.md").exists(), "nothing was noted"
        progress.record("00_start_here", "deeper", None)
        refresh()
        return 0

    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(course / "progress"))
    monkeypatch.setattr(notebook_server, "serve", serve)
    assert cli.run(["lab", "--port", "9000", "--no-browser", "--", "--debug", "--x=1"]) == 0
    assert calls == [(course / "work", 9000, False, ["--debug", "--x=1"])]
    assert (course / "work/chapters/00_start_here.ipynb").exists()
    assert (course / "work/Start.md").exists(), "written before, and again by the running lab"


# Progress -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A progress store with two records."""
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path / "progress"))
    for key in ("which", "race"):
        progress.record("01_basic_block", key, {"choice": "A", "first": True, "right": True})
    return tmp_path


def test_progress_lists_chapters_and_says_where_it_is_kept(noted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["progress"]) == 0
    said = capsys.readouterr().out
    assert "01 Basic block          2 of 12 questions answered" in said
    assert "2 records, the last of " in said
    assert said.rstrip().endswith(f"in {noted / 'progress'}")


def test_progress_is_exported_into_a_new_file_only(noted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = noted / "mine.json"
    assert cli.run(["progress", "export", str(file)]) == 0
    assert capsys.readouterr().out == f"2 records are in {file}.\n"
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert [one["key"] for one in kept] == ["which", "race"]
    assert [one["value"] for one in kept] == [record.value for record in progress.read()]
    assert_one_line(["progress", "export", str(file)], "exists: .*mine.json", capsys)


@pytest.mark.parametrize(("typed", "left", "status"), [("n\n", 2, 130), ("", 2, 130), ("y\n", 0, 0)])
def test_progress_is_forgotten_only_after_a_yes(
    noted: Path, typed: str, left: int, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert cli.run(["progress", "reset"]) == status
    assert len(progress.read()) == left
    assert "progress export FILE.json" in capsys.readouterr().out


def test_progress_that_is_not_there_needs_no_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path / "none"))
    assert cli.run(["progress", "reset"]) == 0
    assert capsys.readouterr().out == "Nothing was noted yet.\n"
    assert cli.run(["progress"]) == 0
    assert "nothing noted yet" in capsys.readouterr().out


def test_a_folder_to_hand_out_shows_nobodys_progress(noted: Path) -> None:
    for arguments, shown in ((["--work", str(noted / "handout")], False), (["--work", str(noted / "mine")], True)):
        assert cli.run(["start", *arguments]) == 0
        if shown:
            assert cli.run(["where", *arguments]) == 0
        page = next(Path(arguments[1]).glob("Start.md")).read_text(encoding="utf-8")
        assert ("Where was I?" in page) is shown


def test_where_says_the_place_and_the_next_step(noted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["where", "--work", str(noted / "none")]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("Where was I? Chapter 01 Basic block, section “4 · Is it really easier?”")
    assert second.startswith("Next, about ")
    assert "5 · Prove it" in second
    assert third.startswith("Reviews: nothing is due.")
    assert not (noted / "none").exists(), "it makes no work folder"
