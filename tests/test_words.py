"""The glossary and the questions point to where things are explained, and those places say so."""

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
GLOSSARY = re.findall(
    r"^\| (.+?) \| .+ \| \[(\w+)\]\(\.\./(chapters/\w+\.ipynb)\) \|$",
    (DOCS / "glossary.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
FAQ = (DOCS / "faq.md").read_text(encoding="utf-8")
REFERENCES = re.findall(
    r"\[?(?:[Cc]hapters? \d\d|[Pp]rimer), section (\d+)\]\(\.\./(chapters/\w+\.ipynb)\)", re.sub(r"\s+", " ", FAQ)
)


def words_of(path: str) -> str:
    """Return what a notebook says in its texts and code."""
    notebook = json.loads((DOCS.parent / path).read_text(encoding="utf-8"))
    return "\n".join("".join(cell["source"]) for cell in notebook["cells"])


@pytest.mark.parametrize(("term", "name", "path"), GLOSSARY, ids=[term for term, _, _ in GLOSSARY])
def test_a_term_of_the_glossary_stands_where_the_glossary_says(term, name, path):
    assert Path(path).stem.startswith(name)
    text = words_of(path).casefold()
    for word in re.sub(r" \(.*?\)", "", term).split(", "):
        assert word.casefold() in text, f"{word!r} does not stand in {path}"


def test_the_glossary_is_in_the_order_of_the_alphabet():
    terms = [term.casefold() for term, _, _ in GLOSSARY if term[0].isascii()]
    assert len(GLOSSARY) > 40
    assert terms == sorted(terms)


@pytest.mark.parametrize(("number", "path"), sorted(set(REFERENCES)))
def test_an_answer_sends_to_a_section_that_exists(number, path):
    assert re.search(rf"^## {number}[ ·]", words_of(path), re.MULTILINE), f"{path} has no section {number}"


def test_every_question_has_an_answer_that_says_where_it_comes_from():
    questions = re.findall(r"^### (.+\?.*)\n((?:(?!#).+\n)+)", FAQ, re.MULTILINE)
    assert len(questions) == FAQ.count("\n### ") > 20
    for question, answer in questions:
        assert re.search(r"\]\(|paper|float64", answer), question
