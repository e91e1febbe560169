"""What a check answers: right, not yet, or not attempted; as plain text and as HTML for a notebook.

What was observed comes first. The name of the mistake, why it matters and where to read are opened on request: in a
notebook by a click, elsewhere by `print(outcome.explain())`. The right code is never among it.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

from .mistakes import Mistake, Section

RIGHT, NOT_YET, NOT_ATTEMPTED = "right", "not yet", "not attempted"
_STYLE = "<style>.rl-outcome a { text-decoration: underline; }</style>"  # JupyterLab shows a link by its colour alone
MARKS = {RIGHT: "✓", NOT_YET: "✗", NOT_ATTEMPTED: "○"}


@dataclass(frozen=True)
class Outcome:
    """The answer of a check.

    Attributes
    ----------
    task
        The task's key.
    status
        ``"right"``, ``"not yet"`` or ``"not attempted"``.
    observed
        What was seen, in plain sentences with numbers.
    mistakes
        The mistakes of the catalogue that the answer has, as far as they could be named.
    framework
        Of the answer; empty where there is none.
    """

    task: str
    status: str
    observed: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    framework: str = ""

    @property
    def right(self) -> bool:
        """Whether the answer is right."""
        return self.status == RIGHT

    def explain(self) -> str:
        """The named mistakes as plain text: what they are, why they matter, where to read."""
        if not self.mistakes:
            return "There is no mistake to name." if self.status != NOT_YET else "This mistake has no name here."
        return "\n\n".join(
            f"{m.title}\n{_plain(m.explanation)}\nWhy it matters: {_plain(m.why)}\nRead: {m.section}"
            for m in self.mistakes
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "task": self.task,
            "status": self.status,
            "observed": list(self.observed),
            "mistakes": [mistake.key for mistake in self.mistakes],
            "titles": [mistake.title for mistake in self.mistakes],
            "framework": self.framework,
        }

    def __repr__(self) -> str:
        return self._text("print(_.explain()) shows it")

    def _text(self, where_named: str) -> str:
        lines = [f"{MARKS[self.status]} {self.task}: {self.status}", *(f"  {line}" for line in self.observed)]
        if self.mistakes:
            lines.append(f"  This has a name: {where_named}, and why it matters.")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        observed = "".join(f"<p>{html.escape(line)}</p>" for line in self.observed)
        count = len(self.mistakes)
        named = "".join(
            _details(mistake, "Name the mistake" if count == 1 else f"Name mistake {number} of {count}")
            for number, mistake in enumerate(self.mistakes, 1)
        )
        if named:
            named = f"{_STYLE}{named}"
        status = f"<b>{MARKS[self.status]} {html.escape(self.task)}: {self.status}</b>"
        return f'<div class="rl-outcome" role="status"><p>{status}</p>{observed}{named}</div>'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


class NotRightError(AssertionError):
    """What a graded cell raises; a notebook shows the outcome's text and no traceback: nothing is broken."""

    def __init__(self, outcome: Outcome) -> None:
        # `_` is no outcome here: the cell ends in an error, and shows none.
        super().__init__(outcome._text(f"the cell with `ex.{outcome.task}.check(…)` shows it"))

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [str(self), "This cell gives its points once the task is right."]


def _details(mistake: Mistake, summary: str) -> str:
    return (
        f"<details><summary>{summary}</summary>"
        f"<p><b>{mistake.title[:1].upper()}{mistake.title[1:]}.</b> {mistake.explanation}</p>"
        f"<p><b>Why it matters.</b> {mistake.why}</p><p><b>Read:</b> {_link(mistake.section)}</p></details>"
    )


def _link(section: Section) -> str:
    """To the chapter, from an exercise: both in the course's folder and in the learner's."""
    return f'<a href="../../chapters/{section.chapter}.ipynb">{html.escape(str(section))}</a>'


def _plain(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", text))
