"""What a mistake is, and where to read up on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .evidence import Evidence

ATTEMPT = "in a learner's attempt"


class Section(NamedTuple):
    """A section of a chapter, or of the primer."""

    chapter: str  # such as "01_basic_block", or "primer"
    number: int
    title: str  # as its heading says

    def __str__(self) -> str:
        place = "the primer" if self.chapter == "primer" else f"chapter {self.chapter[:2]}"
        return f"{place}, section {self.number} ({self.title})"


@dataclass(frozen=True, eq=False)
class Mistake:
    """One mistake that people make in an exercise. Either `edits` or `visible` says how it is recognised.

    Parameters
    ----------
    key
        Its name in tests and reports.
    title
        Its short name for people, a clause: "the shortcut is never added".
    explanation
        What such a block does; simple HTML. It does not give the right code away.
    why
        Why it matters, with its source; simple HTML.
    section
        Where the chapter explains it.
    seen
        Where it was seen: a public implementation, a tutorial, a learner's attempt.
    edits
        For what shows in behaviour: the fields of the reference's wiring that such a block has changed, in each of the
        ways in which one can make it. If a learner's block computes exactly what the reference with such an edit
        computes, it has this mistake.
    visible
        For what behaviour cannot tell (a bias in front of BN) or what stops the block from running: a function of the
        evidence that returns what is seen, or "" if the mistake is not there.
    implies
        Keys of mistakes that follow from this one, and are not named beside it.
    """

    key: str
    title: str
    explanation: str
    why: str
    section: Section
    seen: str = ATTEMPT
    edits: Sequence[Mapping[str, Any]] = ()
    visible: Callable[[Evidence], str] | None = None
    implies: Sequence[str] = ()

    def __post_init__(self) -> None:
        if bool(self.edits) == (self.visible is not None):
            raise ValueError(f"mistake {self.key!r} is recognised by `edits` or by `visible`: give one of the two")


def known_otherwise(evidence: Evidence) -> str:
    """What is `visible` of a mistake that something else names: a wrong value, or several cases of an answer together."""
    return ""


def of_a_value(key: str, title: str, explanation: str, why: str, section: Section) -> Mistake:
    """Return a mistake that a wrong value gives away; `ValueTask.wrong` says which."""
    return Mistake(key, title, explanation, why, section, visible=known_otherwise)


COUNTS_TELL = "A count that is off by a known number names what differs: that is how networks are told apart."
