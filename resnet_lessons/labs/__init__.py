"""The interactive part of the chapters.

Every lab follows one pattern: a pure function from settings to what is shown, its result put into the ``.value`` of a
widget when a setting changes. So a cell can change a setting and show what follows, and tests need no browser.
"""

from .questions import Prediction, Question, Quiz, predict, quiz

__all__ = ["Prediction", "Question", "Quiz", "predict", "quiz"]
