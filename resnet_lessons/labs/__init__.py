"""The interactive part of the chapters.

Every lab follows one pattern: a pure function from settings to what is shown, its result put into the ``.value`` of a
widget when a setting changes. So a cell can change a setting and show what follows, and tests need no browser.
"""

from .bank import ask
from .faults import FAULTS, faulty_block, symptoms
from .first_divergence import FirstDivergence, first_divergence
from .questions import Prediction, Question, Quiz, predict, quiz

__all__ = [
    "FAULTS",
    "FirstDivergence",
    "Prediction",
    "Question",
    "Quiz",
    "ask",
    "faulty_block",
    "first_divergence",
    "predict",
    "quiz",
    "symptoms",
]
