"""Questions note a guess, give feedback in words, and compare clean in a saved notebook."""

from __future__ import annotations

from resnet_lessons import labs, progress

import pytest

OPTIONS = ["56 × 56", "28 × 28", "x < 3 & y"]
EXPLAIN = {
    "56 × 56": "The stride of <code>conv1</code> and the pooling halve it twice.",
    "28 × 28": "Tempting: that is one stage later.",
    "x < 3 & y": "No size at all.",
}


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path))


@pytest.fixture
def asked() -> labs.Prediction:
    return labs.predict("01_basic_block", "shape", "How large is <code>x</code>?", OPTIONS, OPTIONS[0], EXPLAIN)


def records() -> list:
    return [(r.chapter, r.key, r.value) for r in progress.read()]


def test_a_click_notes_the_guess(asked):
    asked._buttons[1].click()
    assert records() == [("01_basic_block", "shape", {"choice": "28 × 28", "first": True, "right": False})]
    assert (asked.guess, asked.choice, asked.right) == ("28 × 28", "28 × 28", False)


def test_choose_does_what_a_click_does(asked):
    asked.choose("56 × 56")
    assert asked.right is True
    assert records()[0][2] == {"choice": "56 × 56", "first": True, "right": True}


@pytest.mark.parametrize("letter", ["B", "b", " b "])
def test_a_letter_chooses_the_option_that_it_stands_before(asked, letter):
    asked.choose(letter)
    assert (asked.guess, asked.choice) == ("28 × 28", "28 × 28")
    assert records()[0][2]["choice"] == "28 × 28"


@pytest.mark.parametrize(
    ("options", "given", "meant"),
    [
        (["B", "A", "none"], "A", "A"),
        (["B", "A", "none"], "a", "A"),
        (["B", "A", "none"], "c", "none"),
        (["b", "a"], "A", "a"),
        (["a", "A"], "A", "A"),
        (["2", "1"], "b", "1"),
    ],
)
def test_options_that_are_letters_themselves_win_over_the_letters_before_them(options, given, meant):
    asked = labs.predict("c", "k", "Which?", options)
    asked.choose(given)
    assert asked.choice == meant


def test_right_and_wrong_are_said_in_words_and_by_a_sign(asked):
    asked.choose("28 × 28")
    assert asked.feedback == "✗ Not so: 28 × 28. Tempting: that is one stage later."
    asked.choose("56 × 56")
    assert asked.feedback.startswith("✓ Right: 56 × 56. The stride of conv1")


def test_the_first_choice_stays_the_guess(asked):
    asked.choose("28 × 28")
    asked.choose("56 × 56")
    assert asked.guess == "28 × 28"
    assert asked.right is False
    assert asked.feedback.endswith("Your guess stays noted: 28 × 28.")
    assert [value["first"] for *_, value in records()] == [True, False]


def test_without_an_answer_the_guess_is_noted_and_nothing_given_away():
    asked = labs.predict("c", "k", "Which?", ["a", "b"])
    asked.choose("b")
    assert asked.feedback == "✎ Noted: b. Read on to see."
    assert asked.right is None
    assert records() == [("c", "k", {"choice": "b", "first": True})]


def test_options_are_escaped_where_they_appear_in_html(asked):
    asked.choose("x < 3 & y")
    assert "<b>x &lt; 3 &amp; y</b>" in asked._feedback.value
    assert "x &lt; 3 &amp; y" in asked._repr_mimebundle_()["text/html"]
    assert "✗ Not so: x < 3 & y." in asked.feedback


def test_only_the_chosen_button_is_marked(asked):
    asked.choose("28 × 28")
    asked.choose("56 × 56")
    assert ["rl-chosen" in button._dom_classes for button in asked._buttons] == [True, False, False]


def test_what_a_notebook_saves_is_the_same_in_every_run_and_after_a_choice(asked):
    before = asked._repr_mimebundle_()
    asked.choose("28 × 28")
    again = labs.predict("01_basic_block", "shape", "How large is <code>x</code>?", OPTIONS, OPTIONS[0], EXPLAIN)
    for mime in ("text/plain", "text/html"):
        assert before[mime] == asked._repr_mimebundle_()[mime] == again._repr_mimebundle_()[mime]
    assert before["text/plain"] == "How large is x?\nA.  56 × 56\nB.  28 × 28\nC.  x < 3 & y"
    assert "application/vnd.jupyter.widget-view+json" in before


def test_an_unknown_choice_lists_the_options(asked):
    for unknown in ("57", "D", ""):
        with pytest.raises(ValueError, match=r"choose one of '56 × 56'.*, or a letter from A to C"):
            asked.choose(unknown)
    assert records() == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"options": ["a"]}, "at least two options"),
        ({"options": ["a", "a"]}, "all different"),
        ({"options": ["a", "b"], "answer": "c"}, "'c' is none of its options"),
        ({"options": ["a", "b"], "explain": {"d": "why"}}, "'d' is none of its options"),
    ],
)
def test_a_question_that_cannot_work_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        labs.predict("c", "k", "Which?", **given)


QUESTIONS = [
    labs.Question("stride", "Where?", {"1×1": "No: v1.", "3×3": "Yes, since v1.5."}, "3×3", "https://example.org/a", "section 4"),
    {"key": "norm", "text": "Which <i>axis</i>?", "options": {"-1": "Keras: yes.", "1": "PyTorch."}, "answer": "-1"},
]  # fmt: skip


def test_a_quiz_counts_the_first_tries_and_says_where_to_read_up():
    asked = labs.quiz("00", QUESTIONS)
    assert asked.summary == "0 of 2 answered."
    asked.choose("1×1", "-1")
    assert asked.score == 1
    assert asked.summary == "1 of 2 right at the first try. To read up: section 4."
    asked.predictions[0].choose("3×3")
    assert asked.score == 1
    assert records()[2] == ("00", "quiz", {"score": 1, "of": 2})
    assert sum(key == "quiz" for _, key, _ in records()) == 1


def test_a_quiz_takes_letters():
    asked = labs.quiz("00", QUESTIONS)
    asked.choose("b", "A")
    assert asked.score == 2


def test_a_quiz_without_mistakes_sends_nobody_anywhere():
    asked = labs.quiz("00", QUESTIONS)
    asked.choose("3×3", "-1")
    assert asked.summary == "2 of 2 right at the first try."


def test_a_link_shows_only_after_a_wrong_choice():
    asked = labs.quiz("00", QUESTIONS).predictions[0]
    asked.choose("1×1")
    assert 'href="https://example.org/a"' in asked._feedback.value
    asked.choose("3×3")
    assert "href" not in asked._feedback.value


def test_a_quiz_is_saved_as_its_questions():
    asked = labs.quiz("00", QUESTIONS)
    assert asked._repr_mimebundle_()["text/plain"] == "1. Where?\nA.  1×1\nB.  3×3\n\n2. Which axis?\nA.  -1\nB.  1"


def test_a_quiz_refuses_two_questions_under_one_key():
    with pytest.raises(ValueError, match="share the key 'stride'"):
        labs.quiz("00", [QUESTIONS[0], QUESTIONS[0]])


def test_every_option_of_a_quiz_needs_feedback():
    with pytest.raises(ValueError, match="'b' has none"):
        labs.Question("k", "Which?", {"a": "yes", "b": " "}, "a")


def test_a_quiz_takes_one_answer_a_question():
    with pytest.raises(ValueError, match="2 questions; got 1"):
        labs.quiz("00", QUESTIONS).choose("1×1")
