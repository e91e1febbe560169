"""The start page, an exercise from the first mistake to the answer, a kernel restarted, a chapter reopened, Notebook 7."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from resnet_lessons import learner, start_page
from resnet_lessons.checks.basic_mistakes import BASIC
from tests.browser.every_chapter import OUTPUTS
from tests.browser.jupyter import ALL_CELLS, ERRORS, Jupyter
from tests.browser.lab_hands import Hands
from tests.browser.lab_scripts import explorer
from tests.browser.looks import sticking_out, violations

import pytest

START = ".jp-MarkdownViewer:not(.lm-mod-hidden) .jp-RenderedMarkdown"
EXERCISE = "exercises/01_basic_block/exercise.ipynb"
WRONG = {  # the ReLU comes before the addition
    "TwoLines": ["out = F.relu(out)", "return out + x"],
    "KerasTwoLines": ["out = ops.relu(out)", "return out + x"],
}
RIGHT = {
    "TwoLines": ["out = out + x", "return F.relu(out)"],
    "KerasTwoLines": ["out = out + x", "return ops.relu(out)"],
}


class Exercise:
    """An exercise, worked by typing and clicking."""

    def __init__(self, jupyter: Jupyter) -> None:
        self.jupyter, self.page = jupyter, jupyter.page

    def cell(self, text: str) -> Any:
        """The code cell that holds a line."""
        return self.jupyter.cells.filter(has=self.page.locator(".cm-line", has_text=re.compile(text))).first

    def run(self, cell: Any) -> None:
        """Run a cell, and wait until it has."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")
        cell.locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]")).wait_for()

    def write(self, cell: Any, line: str, lines: list[str]) -> None:
        """Put lines in the place of the last so many, of which the first is `line`."""
        cell.locator(".cm-line", has_text=line).first.click()
        for key in ("Home", "Control+Shift+End"):
            self.page.keyboard.press(key)
        self.page.keyboard.insert_text("\n        ".join(lines))

    def check(self, name: str) -> Any:
        """Run a task's check; return its outcome."""
        cell = self.cell(rf"check\({name}\)")
        self.run(cell)
        return cell.locator(".rl-outcome")


def test_the_address_that_make_lab_prints_leads_to_the_start_page_and_a_click_to_a_chapter(jupyter: Jupyter) -> None:
    page = jupyter.page
    page.goto(f"{jupyter.address}/?token={jupyter.token}")
    start = page.locator(".jp-MarkdownViewer", has_text="Residual networks: start here")
    start.get_by_role("link", name="01 Basic block", exact=True).click()
    jupyter.at("chapters/01_basic_block.ipynb")
    assert jupyter.failures() == []
    assert jupyter.watched.console == []
    assert jupyter.watched.elsewhere == []


def open_start_page(jupyter: Jupyter, width: int) -> Any:
    """Open the start page as somebody does who comes for the first time; return its preview."""
    jupyter.close()
    jupyter.watched.forget()
    jupyter.page.set_viewport_size({"width": width, "height": 900})
    jupyter.page.goto(f"{jupyter.address}/lab/workspaces/of-{width}/tree/Start.md?token={jupyter.token}&reset")
    preview = jupyter.page.locator(START)
    preview.get_by_role("heading", name="The map").wait_for()
    jupyter.page.evaluate("() => window.jupyterapp.restored")
    return preview


def test_the_list_of_files_shows_what_is_worked_in_and_begins_folded_away_in_a_narrow_window(jupyter: Jupyter) -> None:
    page = jupyter.page
    files = page.locator(".jp-DirListing-itemName")
    open_start_page(jupyter, 800)
    page.wait_for_function("() => !document.querySelector('#jp-left-stack').offsetWidth")
    page.keyboard.press("Control+b")
    files.get_by_text("chapters").wait_for()
    open_start_page(jupyter, 1280)
    files.get_by_text("chapters").wait_for()
    assert files.all_inner_texts() == ["chapters", "exercises", "Review_and_help.ipynb", "Start.md"]


def test_the_start_page_shows_what_has_changed_when_one_comes_back_to_it(jupyter: Jupyter, work: Path) -> None:
    page, text = jupyter.page, (work / "Start.md").read_text(encoding="utf-8")
    open_start_page(jupyter, 1280).get_by_role("link", name="Glossary: the words of the course").click()
    page.locator(START).get_by_role("heading", name="Glossary", exact=True).wait_for()
    try:
        (work / "Start.md").write_text(f"{text}\nSomething was noted.\n", encoding="utf-8")
        page.locator(".lm-TabBar-tab", has_text="Start.md").click()
        page.locator(START).get_by_text("Something was noted.").wait_for()
    finally:
        (work / "Start.md").write_text(text, encoding="utf-8")
    assert jupyter.watched.console == []


def test_the_start_page_and_the_page_of_reviews_can_be_read_by_everybody(jupyter: Jupyter) -> None:
    page = jupyter.page
    open_start_page(jupyter, 800)
    page.locator(f"{START} details").evaluate("one => { one.open = true }")
    page.add_style_tag(content=ALL_CELLS)
    for theme in ("Dark", "Light"):
        jupyter.theme(theme)
        assert violations(page, START) == [], theme
        assert sticking_out(page, START) == [], theme
    jupyter.width(1280)
    jupyter.open(start_page.TOOLS)
    book = Exercise(jupyter)
    book.run(book.cell(r"labs\.review"))
    page.locator(OUTPUTS, has_text="Nothing is due").wait_for()
    for theme in ("Dark", "Light"):
        jupyter.theme(theme)
        assert violations(page, f"{OUTPUTS}, .jp-NotebookPanel .jp-MarkdownOutput") == [], theme
    assert jupyter.watched.console == []


@pytest.fixture(scope="module")
def exercise(jupyter: Jupyter) -> Exercise:
    """The first exercise, opened, with its imports run."""
    jupyter.watched.forget()
    jupyter.open(EXERCISE)
    opened = Exercise(jupyter)
    for imports in ("import chapter_01", "^import torch$", "^import keras$"):
        opened.run(opened.cell(imports))
    return opened


@pytest.mark.parametrize("name", list(WRONG))
def test_a_mistake_is_named_on_a_click_and_then_the_answer_is_right(exercise: Exercise, name: str) -> None:
    answer = exercise.cell(rf"^class {name}\(")
    exercise.run(answer)
    assert "not attempted" in exercise.check(name).inner_text()
    exercise.write(answer, "pass", WRONG[name])
    exercise.run(answer)
    outcome = exercise.check(name)
    assert "✗ two_lines: not yet" in outcome.inner_text()
    mistake = next(one for one in BASIC if one.key == "relu_before_addition")
    assert mistake.title.lower() not in outcome.inner_text().lower(), "it is named before it is asked for"
    outcome.get_by_text("Name the mistake").click()
    assert mistake.title.lower() in outcome.inner_text().lower()
    assert outcome.get_by_role("link", name="chapter 01, section 7").is_visible()
    exercise.write(answer, WRONG[name][0], RIGHT[name])
    exercise.run(answer)
    assert "✓ two_lines: right" in exercise.check(name).inner_text()


def test_hints_come_one_after_the_other(exercise: Exercise) -> None:
    cell = exercise.cell(r"ex\.count\.check")
    cell.locator(".cm-content").click()
    exercise.page.keyboard.press("Control+A")
    exercise.page.keyboard.insert_text("ex.count.hint()")
    cell = exercise.cell(r"ex\.count\.hint")
    for number in (1, 2):
        exercise.run(cell)
        cell.locator(".jp-OutputArea-output", has_text=f"Hint {number} of 3.").wait_for()


def test_what_an_exercise_says_can_be_read_by_everybody(exercise: Exercise) -> None:
    page = exercise.page
    try:
        for theme, width in (("Dark", 800), ("Light", 1280)):
            exercise.jupyter.theme(theme)
            exercise.jupyter.width(width)
            assert sticking_out(page, OUTPUTS) == [], theme
            assert violations(page, OUTPUTS) == [], theme
    finally:
        exercise.jupyter.theme("Light")
        exercise.jupyter.width(1280)
    assert exercise.jupyter.failures() == []
    assert exercise.jupyter.watched.console == []
    assert exercise.jupyter.watched.elsewhere == []


def test_after_a_restart_a_chapter_runs_and_its_lab_answers_again(exercise: Exercise) -> None:
    jupyter = exercise.jupyter
    jupyter.open("chapters/explorer.ipynb")
    jupyter.run_all()
    jupyter.restart_and_run_all()
    assert jupyter.failures() == []
    jupyter.watched.forget()  # a restart cuts the connection, and the console says so
    explorer(Hands(jupyter.page, jupyter.page.locator(f"{OUTPUTS} .rl-explorer").first))
    assert jupyter.watched.console == []


def test_a_saved_chapter_opens_without_errors_in_the_place_of_its_labs(exercise: Exercise) -> None:
    jupyter = exercise.jupyter
    assert jupyter.path == "chapters/explorer.ipynb", "it has run in the test before"
    jupyter.save()
    jupyter.close()
    jupyter.watched.forget()
    jupyter.open("chapters/explorer.ipynb")
    jupyter.page.locator(OUTPUTS, has_text="Run this cell to begin").first.wait_for()
    assert jupyter.page.locator(OUTPUTS, has_text="Error displaying widget").count() == 0
    assert jupyter.watched.console == []


@pytest.mark.skipif(
    find_spec("notebook") is None, reason="Notebook 7 is not installed; `pip install notebook` brings it"
)
@pytest.mark.parametrize("name", ["primer"])
def test_a_chapter_runs_in_notebook_7(jupyter: Jupyter, work: Path, name: str) -> None:
    page = jupyter.page
    learner.reset(name, work)
    jupyter.watched.forget()
    page.goto(f"{jupyter.address}/notebooks/chapters/{name}.ipynb?token={jupyter.token}")
    page.wait_for_selector("body[data-notebook] .jp-Cell, .jp-NotebookPanel .jp-Cell", state="attached")
    jupyter.path = ""  # the page shows another program now
    jupyter.wait_for_kernel()
    jupyter.run_all()
    assert page.locator(ERRORS).all_inner_texts() == []
    assert jupyter.failures() == []
    question = Hands(page, page.locator(".jp-OutputArea-output .rl-question").first)
    question.click(r"/^A\./")
    question.sees("✓ Right: |✗ Not so: ")
    assert jupyter.watched.elsewhere == []
    # Whatever is open, Notebook reports duplicates among its own menus and more; what concerns widgets would be ours.
    assert [one for one in jupyter.watched.console if re.search(r"widget|\brl-", one)] == []
