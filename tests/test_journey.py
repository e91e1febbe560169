"""How far a learner is, and what comes next, follow from the notebooks and the records alone."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from resnet_lessons import journey, progress
from resnet_lessons.journey import Chapter, Part
from resnet_lessons.labs.bank import QUESTIONS, each
from resnet_lessons.labs.lab import Lab

import pytest

ROOT = Path(__file__).parents[1]
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def course() -> list[Chapter]:
    return journey.chapters("both", ROOT)


def by_name(course: list[Chapter], name: str) -> Chapter:
    return next(chapter for chapter in course if chapter.name == name)


def records(*done: tuple[str, str, object]) -> list[progress.Record]:
    """What was done, a minute apart."""
    return [progress.Record(START + timedelta(minutes=n), *one) for n, one in enumerate(done)]


def answer(chapter: str, key: str, right: bool = True, **more: object) -> tuple[str, str, object]:
    return chapter, key, {"choice": "A", "first": True, "right": right, **more}


def solved(chapter: str, lab: str) -> tuple[str, str, object]:
    return chapter, lab, {"round": 4, "step": "solved"}


def task(chapter: str, key: str, status: str = "right") -> tuple[str, str, object]:
    return chapter, f"exercise-{key}", {"task": key, "status": status, "observed": []}


def everything(chapter: Chapter) -> list[tuple[str, str, object]]:
    labs = [solved(chapter.name, key.removeprefix("lab-")) for key in chapter.labs]
    return [answer(chapter.name, key) for key in chapter.questions] + labs


# What there is to do --------------------------------------------------------------------------------------------------


def test_the_map_is_the_readmes_and_holds_every_chapter(course: list[Chapter]) -> None:
    assert {chapter.name for chapter in course} == {path.stem for path in ROOT.glob("chapters/*.ipynb")}
    assert all(chapter.question and chapter.minutes[0] < chapter.minutes[1] for chapter in course)
    assert [chapter.name[:2] for chapter in course if not chapter.kind] == ["00", "01", "02", "03", "04", "05", "06"]


def test_a_chapter_says_the_minutes_that_the_map_says(course: list[Chapter]) -> None:
    for chapter in course:
        title = json.loads((ROOT / chapter.notebook).read_text(encoding="utf-8"))["cells"][0]["source"]
        said = re.search(r"(\d+)–(\d+) minutes", "".join(title))
        assert said, chapter.name
        assert (int(said[1]), int(said[2])) == chapter.minutes, chapter.name


def test_all_questions_of_the_bank_are_counted(course: list[Chapter]) -> None:
    for name, bank in QUESTIONS.items():
        keys = {one.key for found in bank.values() for one in each(found)}
        assert by_name(course, name).questions == keys, name


def test_labs_are_those_that_exist(course: list[Chapter]) -> None:
    def below(kind: type) -> set[type]:
        return {kind}.union(*(below(one) for one in kind.__subclasses__()))

    known = {f"lab-{kind.key}" for kind in below(Lab) if hasattr(kind, "key")}
    assert all(chapter.labs <= known for chapter in course)
    assert all(chapter.labs for chapter in course if not chapter.kind), "each chapter has a lab"
    assert by_name(course, "05_pre_activation").labs == {"lab-order_of_operations", "lab-lesion"}


def test_sections_share_the_chapters_minutes(course: list[Chapter]) -> None:
    for chapter in course:
        assert sum(part.minutes for part in chapter.parts) == pytest.approx(sum(chapter.minutes) / 2)
        assert all(part.title and part.anchor for part in chapter.parts[1:])


def test_one_route_has_fewer_questions(course: list[Chapter]) -> None:
    alone = by_name(journey.chapters("pytorch", ROOT), "01_basic_block")
    assert by_name(course, "01_basic_block").questions - alone.questions == {"translation"}


def test_the_hardest_task_is_one_of_the_hardest_and_can_be_linked_to(course: list[Chapter]) -> None:
    for chapter in course:
        if chapter.hardest is None:
            assert not (ROOT / chapter.exercise).exists()
            continue
        assert chapter.hardest.difficulty == max(task.difficulty for task in chapter.tasks)
        page, _, cell = chapter.place_of(chapter.hardest).partition("#cell-id=")
        cells = json.loads((ROOT / page).read_text(encoding="utf-8"))["cells"]
        assert [one for one in cells if one["id"] == cell and one["cell_type"] == "markdown"], chapter.name


# How far one is -------------------------------------------------------------------------------------------------------


def test_progress_counts_each_thing_once(course: list[Chapter]) -> None:
    chapter = by_name(course, "01_basic_block")
    done = [answer(chapter.name, "which", right=False), answer(chapter.name, "which"), answer(chapter.name, "race")]
    done += [answer(chapter.name, "no-such-question"), task(chapter.name, "count", "not yet"), answer("primer", "loop")]
    done += [task(chapter.name, "two_lines"), task(chapter.name, "two_lines", "not yet")]
    how = journey.progress_of(chapter, records(*done))
    assert (how.questions[0], how.labs, how.tasks[0], how.passed) == (2, (0, 1), 1, False)
    assert str(how) == "2 of 12 questions answered, the lab not solved yet, 1 of 6 tasks right"
    assert how.begun
    assert not how.done


def test_a_lab_counts_when_it_is_solved_and_a_question_of_its_name_is_another_thing(course: list[Chapter]) -> None:
    chapter = by_name(course, "05_pre_activation")
    played = records((chapter.name, "lesion", {"network": "v2", "question": "1", "right": True}))
    assert journey.progress_of(chapter, played).labs[0] == journey.progress_of(chapter, played).questions[0] == 0
    how = journey.progress_of(chapter, records(solved(chapter.name, "lesion")))
    assert (how.questions[0], how.labs) == (0, (1, 2))
    assert journey.progress_of(chapter, records(answer(chapter.name, "lesion"))).questions[0] == 1


def test_the_hardest_task_passes_a_chapter_and_no_other_does(course: list[Chapter]) -> None:
    for chapter in course:
        for one in chapter.tasks:
            passed = journey.progress_of(chapter, records(task(chapter.name, one.key))).passed
            assert passed is (one is chapter.hardest), (chapter.name, one.key)


# What comes next ------------------------------------------------------------------------------------------------------


def step(course: list[Chapter], *done: tuple[str, str, object]) -> journey.Step:
    found = journey.next_step(course, records(*done))
    assert found is not None
    return found


def test_it_begins_at_the_beginning(course: list[Chapter]) -> None:
    assert journey.last_place(course, []) is None
    assert step(course).link == "chapters/00_start_here.ipynb"


def test_every_step_is_about_twenty_minutes_or_one_section(course: list[Chapter]) -> None:
    for chapter in course:
        for key in sorted(chapter.questions):
            found = step(course, answer(chapter.name, key))
            assert found.minutes <= 22 or len(found.what) == 1, (chapter.name, key, found)
            assert found.minutes > 0


def test_after_a_section_comes_the_next(course: list[Chapter]) -> None:
    done = [answer("01_basic_block", "which"), answer("01_basic_block", "race")]
    place = journey.last_place(course, records(*done))
    assert place is not None
    assert place[0].where == "chapter 01 Basic block, section “4 · Is it really easier?”"
    assert place[1] == START + timedelta(minutes=1)
    assert step(course, *done).what[0] == "5 · Prove it"


def test_a_section_with_a_question_left_comes_again(course: list[Chapter]) -> None:
    assert step(course, answer("01_basic_block", "block-p")).what[0] == "7 · What goes wrong"
    all_three = [answer("01_basic_block", f"block-{letter}") for letter in "pqr"]
    assert step(course, *all_three).what[0].startswith("8 ")


def test_a_chapter_that_was_opened_again_goes_on_where_it_was_left(course: list[Chapter]) -> None:
    opened = ("01_basic_block", journey.OPENED, None)
    assert step(course, opened).what[0] == "Recall"
    done = [answer("01_basic_block", "race"), opened]
    assert step(course, *done).what[0] == "5 · Prove it"
    place = journey.last_place(course, records(*done))
    assert place is not None
    assert place[0].where.endswith("section “4 · Is it really easier?”")
    assert place[1] == START + timedelta(minutes=1)


def test_after_a_chapter_comes_its_exercise_task_by_task_and_then_the_next_chapter(course: list[Chapter]) -> None:
    chapter = by_name(course, "01_basic_block")
    done = sorted(everything(chapter), key=lambda one: one[1] == "autopsy")
    assert step(course, *done).where == "exercise 01 Basic block"
    assert step(course, *done).what == ("Complete the last two lines of a basic block",)
    done.append(task(chapter.name, "two_lines"))
    assert step(course, *done).what == ("Count the parameters of a block by hand",)
    done += [task(chapter.name, one.key) for one in chapter.tasks]
    assert step(course, *done).where == "chapter 02 Shortcut projection"


def test_a_task_that_is_not_right_yet_stays_the_next(course: list[Chapter]) -> None:
    found = step(course, task("02_shortcut_projection", "repair", "not yet"))
    assert found.what == ("Find and repair two mistakes in a projection",)


def test_who_passes_by_the_hardest_task_is_sent_to_the_next_chapter(course: list[Chapter]) -> None:
    chapter = by_name(course, "02_shortcut_projection")
    assert chapter.hardest is not None
    assert step(course, task(chapter.name, chapter.hardest.key)).where == "chapter 03 Bottleneck"


def test_a_review_is_no_place_where_one_was(course: list[Chapter]) -> None:
    done = [answer("01_basic_block", "race"), answer("00_start_here", "deeper", review=True)]
    place = journey.last_place(course, records(*done))
    assert place is not None
    assert place[0].where.startswith("chapter 01")


def test_when_all_is_done_nothing_is_left(course: list[Chapter]) -> None:
    done = [one for chapter in course for one in everything(chapter)]
    done += [task(chapter.name, one.key) for chapter in course for one in chapter.tasks]
    assert journey.next_step(course, records(*done)) is None


def test_records_of_a_chapter_that_is_gone_do_no_harm(course: list[Chapter]) -> None:
    old = records(answer("99_gone", "x"), ("01_basic_block", "odd", [1, 2]))
    place = journey.last_place(course, old)
    assert place is not None
    assert place[0].where == "chapter 01 Basic block"
    assert journey.next_step(course, old) is not None


# The view at a chapter's head -----------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path / "progress"))
    return tmp_path


def test_a_saved_page_shows_nobodys_progress(store: Path) -> None:
    first = journey.view("01_basic_block")
    progress.record("02_shortcut_projection", "padding", {"choice": "A", "first": True, "right": True})
    assert repr(journey.view("01_basic_block")) == repr(first) == repr(journey.view("07_further"))
    assert not re.search(r"\d", repr(first))


def test_the_view_counts_and_says_where_one_was(store: Path) -> None:
    progress.record(*answer("01_basic_block", "which"))
    shown = journey.view("01_basic_block")._repr_mimebundle_()
    assert "Your progress in this chapter: 1 of 12 questions answered" in shown["text/plain"]
    assert "You were last in section “1 · Four blocks”, on " in shown["text/html"]


def test_the_view_raises_nothing_where_the_course_is_not(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> Path:
        raise ValueError("the course's notebooks are not here")

    progress.record(*answer("01_basic_block", "which"))
    monkeypatch.setattr(journey.learner, "course_folder", gone)
    assert "runs" not in repr(journey.view("01_basic_block"))
    assert "run this cell again" in repr(journey.view("01_basic_block"))


def test_a_part_without_a_cell_has_no_anchor() -> None:
    assert Part("", ()).anchor == ""
