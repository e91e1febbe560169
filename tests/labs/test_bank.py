"""The chapters' questions can be asked, and each wrong option says why it tempts."""

import json
import re
from pathlib import Path

from resnet_lessons import labs
from resnet_lessons.labs import bank
from resnet_lessons.labs.bank import each
from resnet_lessons.labs.questions import Quiz

import pytest

CHAPTERS = Path(bank.__file__).parents[2] / "chapters"
EVERY = [(chapter, name) for chapter, questions in bank.QUESTIONS.items() for name in questions]


@pytest.mark.parametrize(("chapter", "name"), EVERY)
def test_a_question_takes_its_answer_and_explains_every_other(chapter, name):
    asked = labs.ask(chapter, name)
    widgets = asked.predictions if isinstance(asked, Quiz) else [asked]
    for widget, question in zip(widgets, each(bank.QUESTIONS[chapter][name]), strict=True):
        for option, feedback in question.options.items():
            assert len(feedback) > 20, f"{option!r} is not explained"
        widget.choose(question.answer)
        assert widget.right
        assert "Right" in widget.feedback


@pytest.mark.parametrize("chapter", bank.QUESTIONS)
def test_every_question_is_asked_in_its_chapter_and_the_other_way_round(chapter):
    notebook = json.loads((CHAPTERS / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    source = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert set(re.findall(rf'labs\.ask\(\s*"{chapter}",\s*"([\w-]+)"', source)) == set(bank.QUESTIONS[chapter])


def test_the_right_option_is_not_always_at_the_same_place():
    places = []
    for questions in bank.QUESTIONS.values():
        for found in questions.values():
            for question in map(bank.shuffled, each(found)):
                places.append(list(question.options).index(question.answer))
    assert max(places.count(place) for place in set(places)) < 0.6 * len(places)


def text_of(chapter):
    notebook = json.loads((CHAPTERS / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    return "".join("".join(cell["source"]) + "\n" for cell in notebook["cells"] if cell["cell_type"] == "markdown")


def test_the_placement_links_to_sections_that_the_primer_has():
    headings = re.findall(r"^## (.+?)\s*$", text_of("primer"), re.MULTILINE)
    for question in bank.PLACEMENT:
        assert question.link == "primer.ipynb"
        number = question.link_text.removeprefix("primer, section ")
        assert any(heading.startswith(f"{number} ") for heading in headings)
    anchors = re.findall(r"\(primer\.ipynb#([^)]+)\)", text_of("00_start_here"))
    assert len(anchors) == len(bank.PLACEMENT)
    assert set(anchors) <= {heading.replace(" ", "-") for heading in headings}


def test_a_question_that_does_not_exist_is_explained():
    with pytest.raises(ValueError, match="There are no questions for '99'"):
        labs.ask("99", "x")
    with pytest.raises(ValueError, match="00_start_here has no question 'x'; it has ten-classes, placement"):
        labs.ask("00_start_here", "x")
