"""What each chapter must do in a browser; the modules `test_*_chapters.py` share the chapters among the workers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from resnet_lessons.routes import keep_route
from tests.browser.committed import differences
from tests.browser.here import ON_BOTH_ROUTES
from tests.browser.jupyter import ERRORS, Jupyter
from tests.browser.lab_hands import Hands
from tests.browser.lab_scripts import SCRIPTS
from tests.browser.looks import moving, sticking_out, violations

OUTPUTS = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output"
LABS = f"{OUTPUTS} .rl-question"
WIDTHS = (1280, 800)
ROOT = Path(__file__).parents[2]
# A line that does not fit is scrolled to, not broken; so a box is as high as its lines.
_BROKEN_LINES = """boxes => [...document.querySelectorAll(boxes)].filter(box => {
    const lines = box.textContent.replace(/\\n$/, '').split('\\n').length, style = getComputedStyle(box);
    const height = box.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    return Math.round(height / parseFloat(style.lineHeight)) > lines;
}).map(box => box.textContent.slice(0, 60))"""
_PRINTED = "[data-mime-type='application/vnd.jupyter.stdout'] pre"
_WIDE_FIGURE = """() => [...document.querySelectorAll(".jp-OutputArea-output div[style*='overflow-x']")]
    .find(one => one.scrollWidth > one.clientWidth + 40 && one.children[0].tagName === 'IMG')"""


class Chapter(NamedTuple):
    """A chapter that is open and has run."""

    name: str
    jupyter: Jupyter
    asked: int

    @property
    def route(self) -> str:
        return "both" if self.name == ON_BOTH_ROUTES else "pytorch"

    def lab(self, title: str) -> Any:
        """The first lab of that title."""
        heading = self.jupyter.page.locator(".rl-title", has_text=re.compile(f"^{title}$"))
        return self.jupyter.page.locator(f"{OUTPUTS} .rl-lab", has=heading).first

    @property
    def questions(self) -> Any:
        """All questions, those of a quiz one by one; no labs."""
        return self.jupyter.page.locator(f"{LABS}:not(.rl-lab)")


def open_and_run(name: str, jupyter: Jupyter, work: Path) -> Chapter:
    """Open a chapter and run it from top to bottom, once for all tests of it."""
    path = f"chapters/{name}.ipynb"
    code = [
        "".join(cell["source"])
        for cell in json.loads((work / path).read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    jupyter.watched.forget()
    jupyter.open(path)
    jupyter.run_all()
    return Chapter(name, jupyter, sum(source.count("labs.ask(") for source in code))


class EveryChapter:
    """Tests of one chapter after the other, in this order, on the page where it ran once."""

    CHAPTERS: ClassVar[tuple[str, ...]] = ()

    def test_it_runs_from_top_to_bottom_without_an_error(self, chapter: Chapter) -> None:
        assert chapter.jupyter.page.locator(ERRORS).all_inner_texts() == []
        assert chapter.jupyter.failures() == []

    def test_it_shows_what_was_committed(self, chapter: Chapter) -> None:
        committed = json.loads((ROOT / "chapters" / f"{chapter.name}.ipynb").read_text(encoding="utf-8"))
        found = differences(keep_route(committed, chapter.route), chapter.jupyter.outputs())
        assert not found, "\n".join(found)

    def test_no_other_framework_is_loaded(self, chapter: Chapter) -> None:
        assert chapter.jupyter.kernel_has_loaded("tensorflow") == (chapter.route == "both")

    def test_questions_and_labs_are_there_to_be_used(self, chapter: Chapter) -> None:
        page = chapter.jupyter.page
        assert chapter.questions.count() >= chapter.asked
        titles = page.locator(f"{OUTPUTS} .rl-lab .rl-title").all_inner_texts()
        assert set(titles) == set(SCRIPTS[chapter.name]), "each lab has its script, and each script its lab"
        # Where a widget cannot be shown, its text is.
        assert (
            page.locator(OUTPUTS, has_text=re.compile("Run this cell to begin|^Error displaying widget")).count() == 0
        )

    def test_it_fits_wide_and_narrow_windows(self, chapter: Chapter) -> None:
        page = chapter.jupyter.page
        try:
            for width in WIDTHS:
                chapter.jupyter.width(width)
                assert sticking_out(page, OUTPUTS, "img, svg, table, button, .rl-question") == [], f"{width} px wide"
                assert sticking_out(page, LABS) == [], f"{width} px wide"
                assert page.evaluate(_BROKEN_LINES, f"{OUTPUTS}{_PRINTED}") == [], f"{width} px wide"
        finally:
            chapter.jupyter.width(WIDTHS[0])

    def test_a_wide_figure_scrolls_with_the_keyboard(self, chapter: Chapter) -> None:
        page = chapter.jupyter.page
        chapter.jupyter.width(WIDTHS[1])
        try:
            box = page.evaluate_handle(_WIDE_FIGURE).as_element()
            if box is not None:  # after a button that is put before it, it is the next stop of Tab
                page.evaluate(
                    "box => { box.before(document.createElement('button')); box.previousSibling.focus() }", box
                )
                page.keyboard.press("Tab")
                page.keyboard.press("ArrowRight")
                page.wait_for_function("box => box.scrollLeft > 0", arg=box, timeout=10_000)
        finally:
            page.evaluate(
                "document.querySelectorAll('.jp-OutputArea-output button:not([class])').forEach(one => one.remove())"
            )
            chapter.jupyter.width(WIDTHS[0])

    def test_an_answer_in_the_text_unfolds_with_the_keyboard(self, chapter: Chapter) -> None:
        answer = chapter.jupyter.page.locator(".jp-MarkdownOutput details").first
        if answer.count():
            answer.locator("summary").focus()
            chapter.jupyter.page.keyboard.press("Enter")
            assert answer.evaluate("one => one.open")

    def test_all_that_is_shown_has_contrast_and_pictures_have_words(self, chapter: Chapter) -> None:
        page = chapter.jupyter.page
        # All other rules are asked below, when the answers are there as well.
        assert violations(page, OUTPUTS, rule="color-contrast") == []
        pictures = page.locator(f"{OUTPUTS} img, .jp-MarkdownOutput img")
        assert all(text.strip() for text in pictures.evaluate_all("all => all.map(one => one.alt)"))

    def test_nothing_moves_for_who_asked_for_no_motion(self, chapter: Chapter) -> None:
        assert moving(chapter.jupyter.page, LABS) == []

    def test_a_question_is_answered_by_mouse_and_by_keyboard(self, chapter: Chapter) -> None:
        if not chapter.asked:
            return
        for number, way in enumerate(("click", "press")):
            question = Hands(chapter.jupyter.page, chapter.questions.nth(number))
            getattr(question, way)(r"/^B\./")
            question.sees("✓ Right: |✗ Not so: |✎ Noted: ")

    def test_the_labs_are_worked_by_mouse_and_by_keyboard(self, chapter: Chapter) -> None:
        cells = chapter.jupyter.sources()
        for title, script in SCRIPTS[chapter.name].items():
            script(Hands(chapter.jupyter.page, chapter.lab(title)))
        assert chapter.jupyter.sources() == cells, "a key that was pressed in a lab did something to the notebook"
        assert chapter.jupyter.failures() == []

    def test_answers_have_labels_and_contrast_and_fit_in_the_dark(self, chapter: Chapter) -> None:
        page = chapter.jupyter.page
        chapter.jupyter.theme("Dark")
        try:
            assert violations(page, OUTPUTS) == []
            chapter.jupyter.width(WIDTHS[1])
            assert sticking_out(page, LABS) == []
        finally:
            chapter.jupyter.width(WIDTHS[0])
            chapter.jupyter.theme("Light")

    def test_the_console_is_quiet_and_nothing_is_fetched_from_elsewhere(self, chapter: Chapter) -> None:
        assert chapter.jupyter.watched.console == []
        assert chapter.jupyter.watched.elsewhere == []
