"""The learner's copies: whatever happens, nothing that a learner wrote is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from resnet_lessons import learner

import pytest

FIRST, SECOND, EXERCISE = "chapters/00_start.ipynb", "chapters/01_block.ipynb", "exercises/01_block/exercise.ipynb"


def cell(source: str, *tags: str, kind: str = "code") -> dict[str, Any]:
    made: dict[str, Any] = {"cell_type": kind, "metadata": {"tags": list(tags)}, "source": source.splitlines(True)}
    if kind == "code":
        made |= {"execution_count": 7, "outputs": [{"output_type": "stream", "name": "stdout", "text": ["the answer"]}]}
    return made


def write(path: Path, *cells: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def sources(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in read(path)["cells"]]


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course of two chapters and an exercise, as a clone has it."""
    folder = tmp_path / "course"
    write(folder / FIRST, cell("# Start", kind="markdown"), cell("x = 1"))
    write(folder / SECOND, cell("shared"), cell("torch", "pytorch"), cell("keras", "tensorflow"), cell("twin", "both"))
    write(folder / EXERCISE, cell("your answer"))
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "desk"


def edit(path: Path, text: str = "my own work") -> None:
    notebook = read(path)
    notebook["cells"][0]["source"] = text
    path.write_text(json.dumps(notebook), encoding="utf-8")


def everything(work: Path) -> str:
    return "\n".join(path.read_text() for path in work.rglob("*.ipynb"))


def test_start_copies_chapters_and_exercises_with_outputs_cleared(course: Path, work: Path) -> None:
    report = learner.start(work=work, source=course)
    assert report.created == [FIRST, SECOND, EXERCISE]
    assert sources(work / FIRST) == ["# Start", "x = 1"]
    assert read(work / FIRST)["cells"][1]["outputs"] == []
    assert "the answer" not in everything(work)
    assert "the answer" in (course / FIRST).read_text()


def test_start_takes_a_course_without_exercises(course: Path, work: Path) -> None:
    (course / EXERCISE).unlink()
    assert learner.start(work=work, source=course).created == [FIRST, SECOND]


def test_start_never_overwrites_an_edited_copy(course: Path, work: Path) -> None:
    learner.start(work=work, source=course)
    edit(work / FIRST)
    before = (work / FIRST).read_bytes()
    write(course / FIRST, cell("# Newer", kind="markdown"))
    report = learner.start(work=work, source=course)
    assert (work / FIRST).read_bytes() == before
    assert (report.created, report.outdated) == ([], [FIRST])


def test_start_makes_only_what_is_missing(course: Path, work: Path) -> None:
    learner.start(work=work, source=course)
    (work / SECOND).unlink()
    assert learner.start(work=work, source=course).created == [SECOND]


def test_update_leaves_everything_alone_when_nothing_is_newer(course: Path, work: Path) -> None:
    learner.start(work=work, source=course)
    edit(work / FIRST)
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*")}
    report = learner.update(work=work, source=course)
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*")} == before
    assert report.created + report.replaced + report.beside == []


def test_update_puts_a_newer_version_beside_an_edited_copy(course: Path, work: Path) -> None:
    learner.start(work=work, source=course)
    edit(work / FIRST)
    write(course / FIRST, cell("# Newer", kind="markdown"))
    report = learner.update(work=work, source=course)
    assert report.beside == ["chapters/00_start.new.ipynb"]
    assert sources(work / FIRST)[0] == "my own work"
    assert sources(work / "chapters/00_start.new.ipynb") == ["# Newer"]
    again = learner.update(work=work, source=course)
    assert again.beside + again.replaced + again.outdated == [], "one version is offered once"


def test_update_keeps_a_version_beside_that_the_learner_worked_in(course: Path, work: Path) -> None:
    learner.start(work=work, source=course)
    edit(work / FIRST)
    write(course / FIRST, cell("# Newer", kind="markdown"))
    learner.update(work=work, source=course)
    edit(work / "chapters/00_start.new.ipynb", "work in the newer one")
    write(course / FIRST, cell("# Newest", kind="markdown"))
    report = learner.update(work=work, source=course)
    assert sources(work / "chapters/00_start.new.ipynb") == ["# Newest"]
    assert "work in the newer one" in (work / report.backups[0]).read_text()


def test_update_replaces_a_copy_that_was_only_run(course: Path, work: Path) -> None:
    """Jupyter writes outputs, counts, metadata and an empty last cell, none of which is the learner's work."""
    learner.start(work=work, source=course)
    notebook = read(work / FIRST)
    notebook["cells"][1] |= {
        "execution_count": 3,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}],
    }
    notebook["cells"][1]["metadata"] |= {"execution": {"iopub.execute_input": "today"}, "trusted": True}
    notebook["cells"][1]["source"] = "".join(notebook["cells"][1]["source"])
    notebook["cells"].append(cell(""))
    notebook["metadata"]["language_info"] = {"version": "3.11.7"}
    (work / FIRST).write_text(json.dumps(notebook))
    write(course / FIRST, cell("# Newer", kind="markdown"))
    report = learner.update(work=work, source=course)
    assert (report.replaced, report.beside) == ([FIRST], [])
    assert sources(work / FIRST) == ["# Newer"]


def test_update_accepts_that_the_learner_took_the_newer_version_over(course: Path, work: Path) -> None:
    learner.start(work=work, source=course)
    edit(work / FIRST)
    write(course / FIRST, cell("# Newer", kind="markdown"))
    learner.update(work=work, source=course)
    os.replace(work / "chapters/00_start.new.ipynb", work / FIRST)
    write(course / FIRST, cell("# Newest", kind="markdown"))
    assert learner.update(work=work, source=course).beside == ["chapters/00_start.new.ipynb"]
    os.replace(work / "chapters/00_start.new.ipynb", work / FIRST)
    assert learner.update(work=work, source=course).beside == []


def test_a_copy_that_is_no_notebook_any_more_is_somebodys_work(course: Path, work: Path) -> None:
    learner.start(work=work, source=course)
    (work / FIRST).write_text("half a file {")
    write(course / FIRST, cell("# Newer", kind="markdown"))
    assert learner.update(work=work, source=course).beside == ["chapters/00_start.new.ipynb"]
    report = learner.reset("00_start", work=work, source=course)
    assert (work / report.backups[0]).read_text() == "half a file {"


@pytest.mark.parametrize(
    "name",
    ["00_start", "00_start.ipynb", "chapters/00_start", f"work/{FIRST}", f"./{FIRST}", "chapters\\00_start.ipynb"],
)
def test_reset_restores_one_copy_and_keeps_what_was_written(course: Path, work: Path, name: str) -> None:
    learner.start(work=work, source=course)
    edit(work / FIRST)
    edit(work / SECOND)
    report = learner.reset(name, work=work, source=course)
    assert sources(work / FIRST) == ["# Start", "x = 1"]
    assert sources(work / report.backups[0])[0] == "my own work"
    assert sources(work / SECOND)[0] == "my own work", "the others stay"


def test_reset_twice_in_a_second_keeps_both_works(course: Path, work: Path) -> None:
    learner.start(work=work, source=course)
    for text in ("one", "two"):
        edit(work / EXERCISE, text)
        learner.reset("exercises/01_block", work=work, source=course)
    assert {"one", "two"} <= {"".join(sources(path)) for path in (work / EXERCISE).parent.glob("exercise.*.ipynb")}


def test_reset_with_an_unknown_name_lists_the_names(course: Path, work: Path) -> None:
    with pytest.raises(ValueError, match=r"no notebook 'nope'; there are: chapters/00_start, .*exercises/01_block"):
        learner.reset("nope", work=work, source=course)


def test_reset_asks_which_one_when_a_name_means_two(course: Path, work: Path) -> None:
    with pytest.raises(ValueError, match="can mean chapters/01_block or exercises/01_block"):
        learner.reset("01_block", work=work, source=course)
    learner.start(work=work, source=course)
    edit(work / SECOND)
    assert learner.reset("exercises/01_block", work=work, source=course).replaced == [EXERCISE]


def test_reset_makes_no_copies_where_there_are_none(course: Path, work: Path) -> None:
    for made in (False, True):
        if made:
            work.mkdir()
        with pytest.raises(ValueError, match=r"there are no copies in .*desk; `resnet-lessons start` makes them"):
            learner.reset("00_start", work=work, source=course)
        assert work.exists() == made
        assert not list(work.glob("*"))


def test_reset_brings_back_a_copy_that_was_deleted_or_whose_record_was(course: Path, work: Path) -> None:
    learner.start(work=work, source=course)
    (work / FIRST).unlink()
    assert learner.reset("00_start", work=work, source=course).created == [FIRST]
    (work / learner.RECORD).unlink()
    assert learner.reset("00_start", work=work, source=course).replaced == [FIRST]


def test_a_file_is_no_work_folder(course: Path, work: Path) -> None:
    work.write_text("mine")
    for given in (work, work / "inside"):
        with pytest.raises(ValueError, match="desk is a file; --work takes a folder"):
            learner.start(work=given, source=course)
    assert work.read_text() == "mine"


@pytest.mark.parametrize(("route", "kept"), [("pytorch", "torch"), ("tensorflow", "keras")])
def test_a_single_route_leaves_the_other_frameworks_cells_out(course: Path, work: Path, route: str, kept: str) -> None:
    learner.start(route, work=work, source=course)
    assert sources(work / SECOND) == ["shared", kept]


def test_the_route_is_remembered(course: Path, work: Path) -> None:
    learner.start("pytorch", work=work, source=course)
    assert learner.start(work=work, source=course).route == "pytorch"
    assert not learner.update(work=work, source=course).replaced


def test_another_route_replaces_unedited_copies_and_comes_beside_edited_ones(course: Path, work: Path) -> None:
    write(course / FIRST, cell("first"), cell("torch", "pytorch"))
    learner.start("pytorch", work=work, source=course)
    edit(work / FIRST)
    report = learner.start("tensorflow", work=work, source=course)
    assert sources(work / SECOND) == ["shared", "keras"]
    assert sources(work / FIRST) == ["my own work", "torch"]
    assert sources(work / "chapters/00_start.new.ipynb") == ["first"]
    assert report.beside == ["chapters/00_start.new.ipynb"]
    assert report.notes == ["Route changed to tensorflow: copies that you did not edit are replaced, edited ones stay."]
    assert not learner.start("tensorflow", work=work, source=course).notes, "said once"


def test_an_unknown_route_is_refused_and_nothing_is_made(course: Path, work: Path) -> None:
    with pytest.raises(ValueError, match="'jax'; choose one of: both, pytorch, tensorflow"):
        learner.start("jax", work=work, source=course)
    assert not work.exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 1, "route": "both", "copies": [1]}', '{"format": 99}'])
def test_a_damaged_record_is_said_and_loses_nothing(course: Path, work: Path, damage: str) -> None:
    learner.start(work=work, source=course)
    edit(work / FIRST)
    (work / learner.RECORD).write_text(damage)
    for name in (FIRST, SECOND):
        write(course / name, cell("# Newer", kind="markdown"))
    report = learner.update(work=work, source=course)
    assert "damaged" in report.notes[0]
    assert sources(work / FIRST)[0] == "my own work"
    assert sources(work / SECOND)[0] == "shared", "nobody knows whether this one was edited"
    assert not learner.update(work=work, source=course).notes, "said once"


def test_a_lost_record_is_made_again_for_copies_that_are_as_in_the_course(course: Path, work: Path) -> None:
    learner.start(work=work, source=course)
    (work / learner.RECORD).unlink()
    learner.start(work=work, source=course)
    write(course / FIRST, cell("# Newer", kind="markdown"))
    assert learner.update(work=work, source=course).replaced == [FIRST]


def test_a_folder_that_cannot_be_written_is_a_clear_error(course: Path, work: Path) -> None:
    work.mkdir()
    (work / "chapters").write_text("a file where a folder should be")
    with pytest.raises(OSError, match=r"cannot write .*00_start\.ipynb .*--work"):
        learner.start(work=work, source=course)


def test_a_crash_while_writing_leaves_the_old_copy_whole(
    course: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner.start(work=work, source=course)
    before = (work / FIRST).read_bytes()
    write(course / FIRST, cell("# Newer", kind="markdown"))

    def crash(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="no space left"):
        learner.update(work=work, source=course)
    assert (work / FIRST).read_bytes() == before
    assert not list(work.rglob("*.tmp"))


def test_without_a_clone_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resnet_lessons

    monkeypatch.setattr(resnet_lessons, "__file__", str(tmp_path / "site-packages/resnet_lessons/__init__.py"))
    with pytest.raises(ValueError, match="clone of the repository") as caught:
        learner.start(work=tmp_path / "work")
    assert "\n" not in str(caught.value)


def test_an_original_that_cannot_be_read_is_named(course: Path, work: Path) -> None:
    (course / SECOND).write_text("<<<<<<< merge conflict")
    with pytest.raises(ValueError, match=r"01_block\.ipynb is not a readable notebook"):
        learner.start(work=work, source=course)
    assert not work.exists()
