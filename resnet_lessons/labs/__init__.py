"""The interactive part of the chapters.

Every lab follows one pattern: a pure function from settings to what is shown, its result put into the ``.value`` of a
widget when a setting changes. So a cell can change a setting and show what follows, and tests need no browser.
"""

from .bank import ask
from .budget import Budget, budget
from .explorer import Explorer, explorer
from .faults import FAULTS, faulty_block, symptoms
from .first_divergence import FirstDivergence, first_divergence
from .identity_surgery import IdentitySurgery, identity_surgery
from .legal_addition import LegalAddition, legal_addition
from .lesion import Lesion, lesion
from .order_of_operations import OrderOfOperations, order_of_operations
from .questions import Prediction, Question, Quiz, predict, quiz
from .reviews import Review, review
from .schedules import Schedules, schedules
from .stride_move import StrideMove, stride_move

__all__ = [
    "FAULTS",
    "Budget",
    "Explorer",
    "FirstDivergence",
    "IdentitySurgery",
    "LegalAddition",
    "Lesion",
    "OrderOfOperations",
    "Prediction",
    "Question",
    "Quiz",
    "Review",
    "Schedules",
    "StrideMove",
    "ask",
    "budget",
    "explorer",
    "faulty_block",
    "first_divergence",
    "identity_surgery",
    "legal_addition",
    "lesion",
    "order_of_operations",
    "predict",
    "quiz",
    "review",
    "schedules",
    "stride_move",
    "symptoms",
]
