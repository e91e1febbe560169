"""Missed questions come back after one, three and seven days; answered ones, and those that were right, do not."""

from datetime import UTC, datetime, timedelta

from resnet_lessons import cli, labs, progress
from resnet_lessons.labs import reviews
from resnet_lessons.labs.bank import QUESTIONS

import pytest

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CHAPTER = "00_start_here"


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is moved, for the store and for the reviews."""

    class Clock(datetime):
        time = NOON

        @classmethod
        def now(cls, tz=None):
            return cls.time

    monkeypatch.setattr(progress, "datetime", Clock)
    monkeypatch.setattr(reviews, "datetime", Clock)
    progress.clear()
    return Clock


def questions():
    return [labs.ask(CHAPTER, name) for name, one in QUESTIONS[CHAPTER].items() if not isinstance(one, list)]


def miss(prediction):
    prediction.choose(next(option for option in prediction._options if option != prediction._answer))


def test_what_was_missed_is_due_a_day_later_and_what_was_right_is_not(clock):
    first, second = questions()[:2]
    miss(first)
    second.choose(second._answer)
    assert reviews.due() == []
    assert reviews.outlook() == "One question comes back, tomorrow."
    clock.time = NOON + DAY
    assert [one.question.key for one in reviews.due()] == [first._names[1]]


def test_three_right_answers_after_one_three_and_seven_days_end_it(clock):
    prediction = questions()[0]
    miss(prediction)
    for days in (1, 3, 7):
        clock.time += days * DAY - timedelta(seconds=1)
        assert reviews.due() == []
        clock.time += timedelta(seconds=1)
        (card,) = labs.review().predictions
        card.choose(card._answer)
    assert reviews.missed() == []


def test_a_wrong_answer_begins_anew_and_a_second_try_counts_for_nothing(clock):
    miss(questions()[0])
    clock.time += DAY
    (card,) = labs.review().predictions
    card.choose(card._answer)
    assert reviews.missed()[0].due == NOON + 4 * DAY
    clock.time += 3 * DAY
    (card,) = labs.review().predictions
    miss(card)
    card.choose(card._answer)  # one may look at the right answer, too
    assert (reviews.missed()[0].step, reviews.missed()[0].due) == (0, clock.time + DAY)


def test_a_question_of_a_quiz_comes_back_too(clock):
    name = next(name for name, one in QUESTIONS[CHAPTER].items() if isinstance(one, list))
    quiz = labs.ask(CHAPTER, name)
    for prediction in quiz.predictions:
        miss(prediction)
    clock.time += DAY
    assert [one.question.key for one in reviews.due()] == [one._names[1] for one in quiz.predictions]


def test_a_card_asks_ten_at_most_and_says_how_it_went(clock):
    for chapter, bank in QUESTIONS.items():
        for name in bank:
            asked = labs.ask(chapter, name)
            for prediction in getattr(asked, "predictions", [asked]):
                if prediction._answer is not None:
                    miss(prediction)
    assert labs.review().summary.startswith("Nothing is due. ")
    clock.time += DAY
    card = labs.review()
    assert len(card.predictions) == reviews.MOST
    assert card.summary == "0 of 10 answered."
    for prediction in card.predictions:
        prediction.choose(prediction._answer)
    assert card.summary.startswith("10 of 10 right. ")
    assert card.summary.endswith("more are due: run the cell again.")
    # The links lead from the chapters' folder to where one reads up.
    assert all(".ipynb" in one._link or "://" in one._link for one in card.predictions)


def test_in_a_terminal(clock, capsys, monkeypatch):
    one, two = questions()[:2]
    miss(one)
    miss(two)
    clock.time += DAY
    again = reviews.shuffled(reviews.due()[0].question)
    letter = "abcdefgh"[list(again.options).index(again.answer)]
    given = iter(["?", letter, ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(given))
    assert cli.run(["review"]) == 0
    said = capsys.readouterr().out
    assert "'?' is none of the letters." in said
    assert "✓ Right." in said
    assert said.rstrip().endswith("1 of 1 right. One question comes back, in 3 days.")
    assert len(reviews.due()) == 1


def test_the_end_of_the_input_ends_it(clock, capsys, monkeypatch):
    miss(questions()[0])
    clock.time += DAY

    def end(prompt):
        raise EOFError

    monkeypatch.setattr("builtins.input", end)
    assert cli.run(["review"]) == 0
    assert "Nothing answered." in capsys.readouterr().out
    assert len(reviews.due()) == 1


def test_with_nothing_missed_it_says_so(clock, capsys):
    assert cli.run(["review"]) == 0
    assert capsys.readouterr().out.strip() == "Nothing is due. No question waits to come back."
    assert "come back here" in repr(labs.review())


def test_records_of_other_kinds_are_passed_over(clock):
    progress.record(CHAPTER, "opening", {"score": 1, "of": 3})
    progress.record(CHAPTER, "never-asked", {"choice": "x", "first": True, "right": False})
    progress.record(CHAPTER, "opening", "text")
    assert reviews.missed() == []
