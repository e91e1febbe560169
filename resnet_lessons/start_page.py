"""The page that `make lab` opens: where one was, what comes next, and everything else one click away.

It is plain Markdown with links from the work folder, so that it is there at once and needs no kernel. It is written anew at
each `start` and `lab`, by `resnet-lessons where`, and by the running lab whenever progress was noted. Two more pages stand
beside it: a notebook for what needs a kernel (reviews, the doctor), and copies of the glossary and its like.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from resnet_lessons import journey, learner, progress
from resnet_lessons.journey import Chapter, Progress
from resnet_lessons.labs import reviews

PAGE = "Start.md"
TOOLS = "Review_and_help.ipynb"
READING = {
    "docs/glossary.md": "Glossary: the words of the course",
    "docs/faq.md": "Questions that people ask about ResNets",
    "docs/scale.md": "From a laptop to ImageNet",
    "docs/claims.md": "What the papers found, beside what we found",
}

# JupyterLab (4.6) opens a notebook at its top, whatever cell the link names; in one that is open it goes there.
_SECOND_CLICK = "*A link opens the page; click it again, and it goes to the section.*"
_TOUR = """\
1. **Run a cell** with <kbd>Shift</kbd>+<kbd>Enter</kbd>; it goes on to the next. *Run → Run All Above Selected Cell* brings
   you back to where you were after a restart.
2. **Guess first.** Where a question stands before a result, choose an answer before you read on. What you miss comes back as a
   review, after one, three and seven days.
3. **A lab** is solved by predictions that come true; its status line says what is missing.
4. **Exercises** stand beside the chapters. Run `check` as often as you like: it says what it observed, and opens the name of
   the mistake when you click.
5. **All of this is your own copy.** Change what you like; `resnet-lessons reset 01_basic_block` brings a page back and keeps
   yours. Nothing is sent anywhere.
6. **Little room?** <kbd>Ctrl</kbd>+<kbd>B</kbd> (on a Mac <kbd>⌘</kbd>+<kbd>B</kbd>) folds the list of files away, and brings
   it back.
"""

_WRONG = (
    f"- [Ask the doctor]({TOOLS}#cell-id=doctor-text): one cell, which says what to do. The cell below it writes a report, to "
    "be pasted when you ask for help.",
    "- A cell runs for ever: *Kernel → Interrupt Kernel*. A name is not defined: *Run → Run All Above Selected Cell*.",
    "- In a terminal: `resnet-lessons doctor`, `resnet-lessons report`, `resnet-lessons where`.",
)

_TOOL_CELLS = (
    ("markdown", "tools", "# Review and help\n\nRun a cell with <kbd>Shift</kbd>+<kbd>Enter</kbd>."),
    (
        "markdown",
        "review-text",
        "## Reviews\n\nWhat you missed in the chapters comes back here, after one, three and seven days.",
    ),
    ("code", "review", "from resnet_lessons import labs\n\nlabs.review()"),
    (
        "markdown",
        "doctor-text",
        "## Something is wrong?\n\nThe doctor looks whether everything is here that the course needs, within a minute; each "
        "problem comes with what to do. Labs that show as text want the page reloaded in the browser.",
    ),
    ("code", "doctor", "from resnet_lessons import doctor\n\ndoctor.show()"),
    (
        "markdown",
        "report-text",
        "Still stuck? This writes what somebody who helps wants to know: versions and what the doctor found, nobody's name, "
        "none of your answers.",
    ),
    ("code", "report", "print(doctor.report())"),
)


def start_page(
    course: Sequence[Chapter],
    records: Sequence[progress.Record],
    due: int = 0,
    outlook: str = "",
    reading: Sequence[str] = (),
) -> str:
    """Return the page, in Markdown.

    Parameters
    ----------
    course
        The chapters, as `journey.chapters` gives them.
    records
        What was done, oldest first.
    due, outlook
        How many missed questions are to be asked again now, and a sentence on those that are not due yet.
    reading
        Which of `READING` are there.
    """
    lines = ["# Residual networks: start here", "", *_now(course, records, due, outlook), "", _SECOND_CLICK, ""]
    lines += ["## The map", "", "| chapter | its question | minutes | you |", "|---|---|---|---|"]
    lines += [_row(chapter, journey.progress_of(chapter, records)) for chapter in course]
    lines += ["", *_placement(course, records)]
    lines += ["## Two-minute tour", "", _TOUR]
    lines += ["## Look up", "", *[f"- [{READING[name]}]({name})" for name in READING if name in reading]]
    lines += [f"- [{one.title}: {one.question}]({one.notebook})" for one in course if one.kind == "reference"]
    lines += ["", "## Something is wrong?", "", *_WRONG, ""]
    lines += [
        "*This page is written anew while you work: come back to its tab in JupyterLab, or open it again elsewhere.*"
    ]
    return "\n".join(lines) + "\n"


def write(work: Path, source: Path | None = None, *, personal: bool = True) -> list[str]:
    """Write the page and what stands beside it into a work folder; return what of the learner's was kept elsewhere.

    Parameters
    ----------
    work : Path
        The work folder.
    source : Path, optional
        The course's folder.
    personal : bool
        Show the progress of whoever runs this; not in a folder that is handed out.

    Raises
    ------
    ValueError
        The course's notebooks are not here.
    OSError
        The folder cannot be written.
    """
    folder = source or learner.course_folder()
    reading = [name for name in READING if (folder / name).is_file()]
    pages = {TOOLS: _tools()}
    pages |= {name: _for_work((folder / name).read_text(encoding="utf-8"), folder / name, work) for name in reading}
    course = journey.chapters(learner.route_of(work), folder)
    own = (progress.read(), len(reviews.due()), reviews.outlook()) if personal else ([], 0, "")
    pages[PAGE] = start_page(course, *own, reading)
    return [kept for name, text in pages.items() if (kept := learner.write_page(work / name, text))]


class Fresh:
    """Writes the page anew, when called, if something was noted since it looked last. It raises nothing."""

    def __init__(self, work: Path) -> None:
        self._work, self._seen = work, progress.changed()

    def __call__(self) -> None:
        now = progress.changed()
        if now != self._seen:
            self._seen = now
            with contextlib.suppress(OSError, ValueError):  # a full disk: the page of before will do
                write(self._work)


def where(work: Path) -> str:
    """Return the head of the page as plain text, for a terminal."""
    course = journey.chapters(learner.route_of(work))
    lines = _now(course, progress.read(), len(reviews.due()), reviews.outlook())
    text = re.sub(r"\[([^]]+)\]\(([^)]*)\)", r"\1", "\n".join(lines))
    return re.sub(r"\*\*|^- ", "", text, flags=re.MULTILINE).strip() + "\n"


def _now(course: Sequence[Chapter], records: Sequence[progress.Record], due: int, outlook: str) -> list[str]:
    """Where one was, the next twenty minutes, and what comes back."""
    lines = []
    place, step = journey.last_place(course, records), journey.next_step(course, records)
    if place is not None:
        was, when = place
        lines.append(f"- **Where was I?** [{_capital(was.where)}]({was.link}), on {when.astimezone():%d %B %Y}.")
    if step is None:
        lines.append("- **Next:** all that follows one another is done. The optional pages of the map are left.")
    else:
        head = "Next" if place else "Begin here"
        about = f", about {step.minutes} minutes" if step.minutes else ""
        what = f": {'; '.join(step.what)}" if step.what else ""
        lines.append(f"- **{head}{about}:** [{_capital(step.where)}]({step.link}){what.rstrip('.?')}.")
    if place is None:
        lines.append("- **New to this?** The [two-minute tour](#Two-minute-tour) says how the pages work.")
    if due:
        lines.append(
            f"- **Reviews:** [{'one question is' if due == 1 else f'{due} questions are'} due]({TOOLS}#cell-id=review-text)."
        )
    elif place is not None:
        lines.append(f"- **Reviews:** nothing is due. {outlook}".rstrip())
    return lines


def _row(chapter: Chapter, how: Progress) -> str:
    low, high = chapter.minutes
    kind = f" ({chapter.kind})" if chapter.kind else ""
    return (
        f"| [{chapter.title}]({chapter.notebook}){kind} | {chapter.question} | {low}–{high} | {_yours(chapter, how)} |"
    )


def _yours(chapter: Chapter, how: Progress) -> str:
    """A cell of the map: what is done; nothing is said by a sign alone."""
    words = ["✓ passed"] if how.passed else []
    if how.done:
        words.append("✓ worked through")
    elif how.questions[0] or how.labs[0]:
        words.append(_count(how.questions, "questions"))
        if how.labs[0]:
            words.append("lab solved" if how.labs[1] == 1 else _count(how.labs, "labs"))
    tasks = f"[{_count(how.tasks, 'tasks')}]({chapter.exercise})" if how.tasks[1] else ""
    return "<br>".join(filter(None, [", ".join(words), tasks]))


def _count(done: tuple[int, int], kind: str) -> str:
    """Such as "2 of 11 questions", in one line however narrow the column."""
    return f"{done[0]} of {done[1]} {kind}".replace(" ", "\u00a0")


def _placement(course: Sequence[Chapter], records: Sequence[progress.Record]) -> list[str]:
    """The hardest task of each chapter that is not passed yet."""
    lines = []
    for chapter in course:
        task, how = chapter.hardest, journey.progress_of(chapter, records)
        if task is not None and not how.passed and not how.done:
            low, high = task.minutes
            lines.append(f"- {chapter.title}: [{task.title}]({chapter.place_of(task)}), {low}–{high} minutes")
    if not lines:
        return []
    head = (
        "Solve its hardest task: if `check` says *right*, the chapter counts as passed, and you may go on to the next."
    )
    summary = "<details><summary>You know a chapter already? Skip it by its hardest task.</summary>"
    return [summary, "", head, "", *lines, "", "</details>", ""]


def _tools() -> str:
    cells = []
    for kind, name, source in _TOOL_CELLS:
        cell: dict[str, object] = {"cell_type": kind, "id": name, "metadata": {}, "source": source.splitlines(True)}
        cells.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


def _for_work(text: str, path: Path, work: Path) -> str:
    """A page as it stands in the work folder: a link to what is not there becomes plain text."""

    def link(found: re.Match[str]) -> str:
        file = found[2].partition("#")[0]
        there = f"{path.parent.name}/{file}" in READING or file.startswith(("../chapters/", "https://")) or not file
        return found[0] if there else found[1]

    return re.sub(r"\[([^]]+)\]\(([^)\s]+)\)", link, text)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def as_table(course: Sequence[Chapter], records: Sequence[progress.Record]) -> str:
    """Return one's progress as lines, for a terminal."""
    width = max((len(chapter.title) for chapter in course), default=0)
    found = [(chapter, journey.progress_of(chapter, records)) for chapter in course]
    lines = [f"{chapter.title.ljust(width)}  {how}" for chapter, how in found if how.questions[1]]
    newest = max((record.time for record in records), default=None)
    said = f"{len(records)} records, the last of {_day(newest)}" if newest else "nothing noted yet"
    return "\n".join([*lines, "", f"{said}, in {progress.folder()}"]) + "\n"


def _day(moment: datetime) -> str:
    return f"{moment.astimezone():%d %B %Y}"
