"""The start page has everything one click away, tells the learner's own state, and overwrites nobody's text."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from resnet_lessons import journey, learner, progress, start_page
from resnet_lessons.journey import Chapter

import pytest

ROOT = Path(__file__).parents[1]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def course() -> list[Chapter]:
    return journey.chapters("both", ROOT)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A learner's folder as `make lab` makes it."""
    folder = tmp_path_factory.mktemp("desk") / "work"
    learner.start(work=folder)
    start_page.write(folder, personal=False)
    return folder


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path / "progress"))


def answer(chapter: str, key: str, right: bool = True) -> progress.Record:
    return progress.Record(NOW, chapter, key, {"choice": "A", "first": True, "right": right})


def task(chapter: str, key: str, status: str = "right") -> progress.Record:
    return progress.Record(NOW, chapter, f"exercise-{key}", {"task": key, "status": status})


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", text)


def row(page: str, title: str) -> str:
    return next(line for line in page.splitlines() if line.startswith(f"| [{title}]"))


# What it says ---------------------------------------------------------------------------------------------------------


def test_everything_is_one_click_away(course: list[Chapter], work: Path) -> None:
    page = (work / start_page.PAGE).read_text(encoding="utf-8")
    targets = {link.partition("#")[0] for link in links(page)}
    assert {f"chapters/{path.name}" for path in ROOT.glob("chapters/*.ipynb")} <= targets
    assert {path.relative_to(ROOT).as_posix() for path in ROOT.glob("exercises/*/exercise.ipynb")} <= targets
    assert {"docs/glossary.md", "docs/faq.md", "Review_and_help.ipynb"} <= targets


def test_every_link_leads_to_a_file_and_a_cell_that_are_there(work: Path) -> None:
    for name in (start_page.PAGE, *start_page.READING):
        text = (work / name).read_text(encoding="utf-8")
        for link in links(text):
            file, _, anchor = link.partition("#")
            if link.startswith("https://"):
                continue
            target = (work / name).parent / file if file else work / name
            assert target.is_file(), f"{name}: {link}"
            if anchor.startswith("cell-id="):
                cells = json.loads(target.read_text(encoding="utf-8"))["cells"]
                assert anchor.removeprefix("cell-id=") in [cell["id"] for cell in cells], link
            elif anchor:
                headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor.lower() in [re.sub(r"[^\w -]", "", one).replace(" ", "-").lower() for one in headings], (
                    link
                )


def test_links_inside_the_learners_notebooks_lead_somewhere(work: Path) -> None:
    """Chapter 07 sends to docs/scale.md, which is beside it only since the page's reading is copied."""
    for path in work.glob("chapters/*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for link in links("".join(cell["source"]) if cell["cell_type"] == "markdown" else ""):
                if not link.startswith(("https://", "#", "http://")):
                    assert (path.parent / link.partition("#")[0]).is_file(), f"{path.name}: {link}"


def test_a_new_learner_is_told_where_to_begin(course: list[Chapter]) -> None:
    page = start_page.start_page(course, [])
    assert "**Begin here, about" in page
    assert "(chapters/00_start_here.ipynb)" in page.partition("## The map")[0]
    assert "two-minute tour" in page.partition("## The map")[0]
    assert "Where was I" not in page
    assert "Reviews" not in page


def test_it_says_where_one_was_and_what_comes_next(course: list[Chapter]) -> None:
    page = start_page.start_page(course, [answer("01_basic_block", "race")], 0, "One question comes back, tomorrow.")
    assert "**Where was I?** [Chapter 01 Basic block, section “4 · Is it really easier?”]" in page
    assert "on 01 March 2026" in page
    assert re.search(r"\*\*Next, about \d+ minutes:\*\* \[Chapter 01 Basic block\]\(\S+\): 5 · Prove it", page)
    assert "nothing is due. One question comes back, tomorrow." in page


@pytest.mark.parametrize(("due", "said"), [(1, "one question is due"), (3, "3 questions are due")])
def test_reviews_that_are_due_are_one_click_away(course: list[Chapter], due: int, said: str) -> None:
    page = start_page.start_page(course, [answer("01_basic_block", "race", right=False)], due)
    assert f"[{said}](Review_and_help.ipynb#cell-id=review-text)" in page


def test_the_map_shows_ones_own_progress(course: list[Chapter]) -> None:
    chapter = next(one for one in course if one.name == "01_basic_block")
    done = [answer(chapter.name, "which"), task(chapter.name, "count"), task(chapter.name, "repair", "not yet")]
    page = start_page.start_page(course, done)
    mine = row(page, "01 Basic block").replace("\u00a0", " ")
    assert "1 of 12 questions<br>[1 of 6 tasks](exercises/01_basic_block/exercise.ipynb)" in mine
    assert row(page, "00 Start here").endswith("|  |")
    done += [answer(chapter.name, key) for key in chapter.questions]
    done += [progress.Record(NOW, chapter.name, "first_divergence", {"step": "solved"})]
    assert "✓ worked through" in row(start_page.start_page(course, done), "01 Basic block")


def test_a_chapter_can_be_skipped_by_its_hardest_task(course: list[Chapter]) -> None:
    page = start_page.start_page(course, [])
    offered = page.partition("<details>")[2].partition("</details>")[0]
    assert offered.count("\n- ") == sum(chapter.hardest is not None for chapter in course) >= 6
    assert "- 01 Basic block: [transfer: three residual blocks of dense layers](exercises/01_basic_block/" in offered
    page = start_page.start_page(course, [task("01_basic_block", "residual_mlp")])
    assert "- 01 Basic block" not in page
    assert "✓ passed" in row(page, "01 Basic block")


def test_when_all_is_done_it_says_so_and_offers_no_placement(course: list[Chapter]) -> None:
    done = [answer(chapter.name, key) for chapter in course for key in chapter.questions]
    for chapter in course:
        done += [
            progress.Record(NOW, chapter.name, lab.removeprefix("lab-"), {"step": "solved"}) for lab in chapter.labs
        ]
        done += [task(chapter.name, one.key) for one in chapter.tasks]
    page = start_page.start_page(course, done)
    assert "all that follows one another is done" in page
    assert "<details>" not in page


def test_it_depends_on_nothing_but_what_it_is_given(course: list[Chapter]) -> None:
    done = [answer("01_basic_block", "race")]
    progress.record("03_bottleneck", "cost", {"choice": "A", "first": True, "right": True})
    assert start_page.start_page(course, done) == start_page.start_page(course, done)
    assert "3 of" not in start_page.start_page(course, done)


def test_commands_it_names_exist(course: list[Chapter]) -> None:
    from resnet_lessons import cli

    import typer

    known = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    page = start_page.start_page(course, [])
    named = set(re.findall(r"`resnet-lessons (\w+)", page))
    assert {"doctor", "report", "where", "reset"} == named <= set(known)


def test_what_runs_in_the_notebook_beside_it_exists(work: Path) -> None:
    notebook = json.loads((work / start_page.TOOLS).read_text(encoding="utf-8"))
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [re.findall(r"\w+\.\w+\(", one) for one in code] == [["labs.review("], ["doctor.show("], ["doctor.report("]]
    from resnet_lessons import doctor, labs

    assert all(map(callable, (labs.review, doctor.show, doctor.report)))
    assert all(not cell.get("outputs") for cell in notebook["cells"])


# What it never does ---------------------------------------------------------------------------------------------------


def test_it_is_written_anew_and_nothing_piles_up(work: Path) -> None:
    before = sorted(path.name for path in work.iterdir())
    progress.record("01_basic_block", "race", {"choice": "A", "first": True, "right": True})
    assert start_page.write(work) == []
    assert "Where was I?" in (work / start_page.PAGE).read_text(encoding="utf-8")
    assert sorted(path.name for path in work.iterdir()) == before


@pytest.mark.parametrize("name", ["Start.md", "docs/glossary.md"])
@pytest.mark.parametrize("edit", ["append", "own", "windows"])
def test_a_page_that_somebody_edited_is_kept(work: Path, name: str, edit: str) -> None:
    page = work / name
    text = page.read_text(encoding="utf-8")
    mine = {"append": f"{text}\nmy note\n", "own": "my own page", "windows": text.replace("# ", "# my ")}[edit]
    page.write_bytes(mine.encode().replace(b"\n", b"\r\n") if edit == "windows" else mine.encode())
    (kept,) = start_page.write(work)
    assert re.fullmatch(rf"{page.stem}\.\d{{4}}-.*\.md", kept)
    assert "my" in (page.parent / kept).read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8").count("<!--") == 1
    (page.parent / kept).unlink()


def test_line_ends_of_another_system_are_no_edit(work: Path) -> None:
    page = work / start_page.PAGE
    page.write_bytes(page.read_bytes().replace(b"\n", b"\r\n"))
    assert start_page.write(work) == []


def test_a_notebook_that_was_only_run_stays_and_so_does_one_that_was_edited(work: Path) -> None:
    path = work / start_page.TOOLS
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "seen"}]
    notebook["cells"][2]["execution_count"] = 1
    path.write_text(json.dumps(notebook), encoding="utf-8")
    start_page.write(work)
    assert "seen" in path.read_text(encoding="utf-8")
    notebook["cells"][2]["source"] = "mine"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    start_page.write(work)
    assert "mine" in path.read_text(encoding="utf-8")
    path.unlink()
    start_page.write(work)
    assert "labs.review()" in path.read_text(encoding="utf-8")


def test_a_notebook_of_an_older_version_is_replaced(tmp_path: Path) -> None:
    def page(source: str) -> str:
        cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": source}
        return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})

    path = tmp_path / "page.ipynb"
    learner.write_page(path, page("older"))
    learner.write_page(path, page("newer"))
    assert "newer" in path.read_text(encoding="utf-8")


def test_the_copies_of_a_learner_are_not_among_what_it_writes(work: Path) -> None:
    copy = work / "chapters/01_basic_block.ipynb"
    before = copy.read_bytes()
    start_page.write(work)
    assert copy.read_bytes() == before


def test_it_shows_the_route_of_the_work_folder(tmp_path: Path) -> None:
    learner.start("pytorch", work=tmp_path / "work")
    assert learner.route_of(tmp_path / "work") == "pytorch"
    assert learner.route_of(tmp_path) == "both"
    progress.record("01_basic_block", "which", {"choice": "A", "first": True, "right": True})
    start_page.write(tmp_path / "work")
    assert "1\u00a0of\u00a011\u00a0questions" in (tmp_path / "work/Start.md").read_text(encoding="utf-8")
