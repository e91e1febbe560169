"""What the page for instructors says is so: commands, links, minutes, points, stops and mistakes.

Its tables with numbers are written by this file: `python -m tests.test_instructors_page`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

from resnet_lessons import cli
from resnet_lessons.checks import Task
from resnet_lessons.checks.mistakes import Mistake
from tests.test_readme import FENCE, commands, fences, slug

import pytest
import typer

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "instructors.md"
TEXT = PAGE.read_text(encoding="utf-8")
CHAPTERS = {path.stem[:2]: path for path in sorted((ROOT / "chapters").glob("0[0-6]_*.ipynb"))}
EXERCISES = {path.parent.name[:2]: path for path in sorted((ROOT / "exercises").glob("*/exercise.ipynb"))}
Range = tuple[int, int]


def cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


@cache
def tasks(chapter: str) -> dict[str, Task]:
    """The tasks on a chapter, by key."""
    return {task.key: task for task in import_module(f"resnet_lessons.checks.chapter_{chapter}").TASKS}


@cache
def minutes(chapter: str) -> Range:
    """A chapter's own minutes, from its first cell."""
    low, high = re.findall(r"(\d+)–(\d+) minutes", "".join(cells(CHAPTERS[chapter])[0]["source"]))[0]
    return int(low), int(high)


def stops(chapter: str) -> list[int]:
    """The sections in or behind which a chapter has its marked stops."""
    section, found = 0, []
    texts = ("".join(cell["source"]) for cell in cells(CHAPTERS[chapter]) if cell["cell_type"] == "markdown")
    for line in chain.from_iterable(text.splitlines() for text in texts):
        if heading := re.match(r"## (\d+)", line):
            section = int(heading[1])
        elif re.match(r"> \*\*(?:Half-way|First|Second) stop\.\*\*", line):
            found.append(section)
    return found


def planned(chapters: str, named: str) -> Iterator[Range]:
    """The minutes of a plan's row: chapters as "00, 01", tasks as "01: count, repair; 02: all"."""
    yield from (minutes(chapter) for chapter in re.findall(r"\d\d", chapters))
    for chapter, keys in re.findall(r"(\d\d): ([^;]+)", named):
        known = asked(chapter)
        yield from (known[key].minutes for key in (known if keys.strip() == "all" else keys.strip().split(", ")))


def total(ranges: Iterator[Range]) -> str:
    low, high = map(sum, zip(*ranges, strict=True))
    return f"{low}–{high}"


def rewritten(text: str) -> str:
    """The page with every table of numbers as it should be."""

    def plan(found: re.Match[str]) -> str:
        rows = [[part.strip() for part in row.strip("|").split("|")] for row in found[2].splitlines()]
        lines = (f"| {when} | {own} | {named} | {total(planned(own, named))} |" for when, own, named, _ in rows)
        return found[1] + "".join(f"{line}\n".replace("|  |", "| |") for line in lines)

    text = re.sub(r"(<!-- plan -->\n\|.*\|\n\|[-|]+\|\n)((?:\|.*\|\n)+)", plan, text)
    stop_lines = ["| chapter | minutes | a marked stop in section |", "|---|---|---|"]
    for chapter, path in CHAPTERS.items():
        where = " and ".join(map(str, stops(chapter)))
        stop_lines.append(
            f"| [{chapter}](../chapters/{path.name}) | {'–'.join(map(str, minutes(chapter)))} | {where} |"
        )
    task_lines = ["| exercise | task | asks to | difficulty | minutes | points |", "|---|---|---|---|---|---|"]
    for chapter, path in EXERCISES.items():
        for task in asked(chapter).values():
            low, high = task.minutes
            row = f"{task.key}` | {task.title} | {task.difficulty} | {low}–{high} | {points(path)[task.key]:g} |"
            task_lines.append(f"| [{chapter}](../exercises/{path.parent.name}/exercise.ipynb) | `{row}")
        whole = total(task.minutes for task in asked(chapter).values())
        task_lines.append(f"| **{chapter}** | **all** | | | **{whole}** | **{sum(points(path).values()):g}** |")
    for mark, lines in (("stops", stop_lines), ("tasks", task_lines)):
        table = "\n".join(lines).replace("\\", "\\\\")
        text = re.sub(rf"(<!-- {mark} -->\n)(?:\|.*\|\n)*", rf"\1{table}\n", text)
    return text


def asked(chapter: str) -> dict[str, Task]:
    """The tasks that an exercise asks for; all of the chapter's while there is no exercise."""
    known = tasks(chapter)
    return {key: known[key] for key in (points(EXERCISES[chapter]) if chapter in EXERCISES else known)}


def points(exercise: Path) -> dict[str, float]:
    """The points of each task that is graded by machine."""
    found = (cell["metadata"].get("nbgrader", {}) for cell in cells(exercise))
    return {one["grade_id"].removesuffix("-points"): one["points"] for one in found if one.get("locked")}


def test_minutes_points_and_stops_are_the_course_s_own() -> None:
    assert rewritten(TEXT) == TEXT, "run `python -m tests.test_instructors_page`"
    assert len(re.findall(r"<!-- plan -->", TEXT)) == 3
    assert [int(most) for most in re.findall(r"^\| lab \| .+ \| \d+–(\d+) \|$", TEXT, re.MULTILINE)] <= [90]


def test_six_weeks_hold_every_chapter_and_every_task() -> None:
    rows = re.findall(r"^\| week (\d) \| ([\d, ]+) \| (\d\d): all \|", TEXT, re.MULTILINE)
    assert [number for number, _, _ in rows] == list("123456")
    assert sorted(chain.from_iterable(own.split(", ") for _, own, _ in rows)) == list(CHAPTERS)
    assert [chapter for _, _, chapter in rows] == [chapter for chapter in CHAPTERS if chapter != "00"]


def test_sections_named_for_cutting_exist() -> None:
    numbers = {c: {int(n) for n in re.findall(r"## (\d+)", headings(c))} for c in CHAPTERS}
    assert {2, 4, 6} <= numbers["00"]
    assert {5, 6, 7, 8, 9} <= numbers["01"]
    assert "## 8 · The lab" in headings("01")
    assert "## 8 · The lab" in headings("05")  # which can be left out, as the chapter says itself
    assert "(skip section 8 if time is short)" in "".join("".join(cell["source"]) for cell in cells(CHAPTERS["05"]))


def headings(chapter: str) -> str:
    texts = ("".join(cell["source"]) for cell in cells(CHAPTERS[chapter]) if cell["cell_type"] == "markdown")
    return "\n".join(line for text in texts for line in text.splitlines() if line.startswith("## "))


def catalogue(chapter: str) -> list[Mistake]:
    """Every mistake that the tasks on a chapter can name."""
    found: list[Mistake] = []
    for task in tasks(chapter).values():
        found += getattr(task, "catalogue", None) or ()
        for wrong in getattr(task, "wrong", {}).values():
            found += [m for each in wrong.values() for m in (each if isinstance(each, tuple) else (each,))]
    return found


@pytest.mark.parametrize("chapter", [chapter for chapter in CHAPTERS if chapter != "00"])
def test_stumbling_blocks_are_in_the_catalogue_with_their_section(chapter: str) -> None:
    ((row,),) = [re.findall(rf"^\| {chapter} \| (“.+) \|$", TEXT, re.MULTILINE)]
    named = re.findall(r"“(.+?)” \((primer, )?section (\d+)\)", row)
    assert len(named) == row.count("section ") >= 4
    known = {
        (mistake.title, "primer, " * (mistake.section.chapter == "primer"), str(mistake.section.number))
        for mistake in catalogue(chapter)
    }
    assert set(named) <= known, set(named) - known


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES.keys())
def test_questions_graded_by_hand_have_no_points_and_a_folded_rubric(exercise: Path) -> None:
    by_hand = [cell["metadata"].get("nbgrader", {}) for cell in cells(exercise)]
    worth = [one["points"] for one in by_hand if one.get("grade") and one["solution"]]
    texts = ["".join(cell["source"]) for cell in cells(exercise)]
    rubrics = sum(text.count("<details><summary>What a good answer says") for text in texts)
    assert worth in ([0], [0, 0])
    assert rubrics == len(worth)


def test_the_commands_shown_are_those_that_a_test_runs() -> None:
    tested = (ROOT / "tests" / "checks" / "test_class.py").read_text(encoding="utf-8")
    shown = [words for words in commands(TEXT) if words[0] == "nbgrader"]
    assert len(shown) >= 5
    assert {words[1] for words in shown} - {"zip_collect"} == set(re.findall(r'nbgrader\(tmp_path, "(\w+)"', tested))


def test_every_command_and_option_of_ours_exists() -> None:
    root: Any = typer.main.get_command(cli.app)
    found = [words[1:] for words in commands(TEXT) if words[0] == "resnet-lessons"]
    assert {name for name, *_ in found} == {"start", "check", "class-report"}
    for name, *arguments in found:
        root.commands[name].make_context(name, arguments)
    known = {option for parameter in root.commands["class-report"].params for option in parameter.opts}
    assert {"--json", "--processes"} <= known


def test_git_ignores_what_holds_names() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    sentence = re.search(r"^- (`submitted/`.+?) hold names", TEXT, re.MULTILINE | re.DOTALL)
    assert sentence
    for name in re.findall(r"`([^`]+)`", sentence[1]):
        assert f"/{name}" in ignored


def test_links_and_files_exist() -> None:
    prose = FENCE.sub("", TEXT)
    anchors = {f"#{slug(heading)}" for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)}
    for address in re.findall(r"\]\(([^)\s]+)\)", prose):
        file, _, anchor = address.partition("#")
        assert address in anchors or (PAGE.parent / file).is_file(), address
        if file and anchor:
            there = re.findall(r"^#+ (.+)$", (PAGE.parent / file).read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, there), address
    assert "submitted/\n    learner-17/01_basic_block/exercise.ipynb" in fences(TEXT, "")[0]


if __name__ == "__main__":
    PAGE.write_text(rewritten(TEXT), encoding="utf-8")
