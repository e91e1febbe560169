"""How far a learner is: chapter by chapter, the last place, and the next twenty minutes.

All of it follows from the notebooks, which say what there is to do, and from the records of `resnet_lessons.progress`, which
say what was done. Nothing else is kept, and nothing is sent. The map of chapters is the README's table.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from resnet_lessons import learner, progress
from resnet_lessons.checks.notebook import tasks_of
from resnet_lessons.checks.task import Task
from resnet_lessons.labs.bank import QUESTIONS, each
from resnet_lessons.routes import keep_route

STEP = 20  # minutes at a time
OPENED = "opened"  # the record that a chapter's first cell makes
_ROW = re.compile(r"^\| \[([^]]+)\]\(chapters/(\w+)\.ipynb\)(?: \((\w+)\))? \| (.+?) \| (\d+)–(\d+) \|$", re.MULTILINE)
_ASKED = re.compile(r'\blabs\.ask\(\s*"(\w+)",\s*"([\w-]+)"')
_LAB = re.compile(r'\blabs\.(\w+)\([^\n]*\bchapter="(\w+)"')
_CHECKED = re.compile(r"\bex\.(\w+)\.check\(")
_ANSWERING, _PLAYING = 600, 5000  # what a question and a lab weigh beside characters when minutes are shared out
_ANSWER = {"choice", "first", "right", "review"}  # what the record of a question holds, and no lab's does


@dataclass(frozen=True)
class Part:
    """A section of a notebook.

    Attributes
    ----------
    title : str
        Its heading; empty for what comes before the first.
    keys : tuple of str
        What stands in it: questions by their names in the progress store, labs (``"lab-…"``) and tasks (``"exercise-…"``).
    minutes : float
        Its share of the chapter's minutes, by its length; 0 in an exercise, whose tasks have their own.
    cell : str
        The id of the cell that it begins in.
    """

    title: str
    keys: tuple[str, ...]
    minutes: float = 0.0
    cell: str = ""

    @property
    def anchor(self) -> str:
        """The end of a link to it, as JupyterLab has it; a cell's id stays when its heading is worded anew."""
        return f"#cell-id={self.cell}" if self.cell else ""


@dataclass(frozen=True)
class Chapter:
    """A chapter as the README lists it, and what there is to do in it.

    Attributes
    ----------
    name, title, question
        Such as ``"01_basic_block"``, ``"01 Basic block"``, and what it asks.
    minutes : tuple of int
        From and to; (0, 0) where the README does not say.
    kind : str
        ``"optional"``, ``"reference"``, or empty for those that follow one another.
    parts : tuple of Part
        Its sections.
    questions, labs : frozenset of str
        What there is to do, as in `Part.keys`.
    tasks : tuple of Task
        Those of its exercise.
    task_parts : tuple of Part
        The sections of its exercise.
    """

    name: str
    title: str
    question: str
    minutes: tuple[int, int]
    kind: str
    parts: tuple[Part, ...]
    questions: frozenset[str]
    labs: frozenset[str]
    tasks: tuple[Task, ...] = ()
    task_parts: tuple[Part, ...] = ()

    @property
    def notebook(self) -> str:
        """Its place in the work folder."""
        return f"chapters/{self.name}.ipynb"

    @property
    def exercise(self) -> str:
        """Its exercise's place in the work folder."""
        return f"exercises/{self.name}/exercise.ipynb"

    @property
    def hardest(self) -> Task | None:
        """The first of its most difficult tasks: who solves it may skip the chapter."""
        return max(self.tasks, key=lambda task: task.difficulty, default=None)

    def place_of(self, task: Task) -> str:
        """Return the link to a task."""
        found = (part.anchor for part in self.task_parts if _exercise(task.key) in part.keys)
        return self.exercise + next(found, "")


@dataclass(frozen=True)
class Progress:
    """How far a learner is in a chapter: of each kind, what is done and how much there is.

    Attributes
    ----------
    questions, labs, tasks : tuple of int
        Questions answered, labs solved, tasks of the exercise right; each with its total.
    passed : bool
        Whether the exercise's hardest task is right.
    """

    questions: tuple[int, int]
    labs: tuple[int, int]
    tasks: tuple[int, int]
    passed: bool

    @property
    def begun(self) -> bool:
        """Whether anything is done."""
        return any(done for done, _ in (self.questions, self.labs, self.tasks))

    @property
    def done(self) -> bool:
        """Whether every question is answered and every lab solved."""
        return self.questions[0] == self.questions[1] > 0 and self.labs[0] == self.labs[1]

    def __str__(self) -> str:
        words = [f"{self.questions[0]} of {_count(self.questions[1], 'question')} answered"]
        if self.labs[1] == 1:
            words.append("the lab solved" if self.labs[0] else "the lab not solved yet")
        elif self.labs[1]:
            words.append(f"{self.labs[0]} of {_count(self.labs[1], 'lab')} solved")
        if self.tasks[1]:
            words.append(f"{self.tasks[0]} of {_count(self.tasks[1], 'task')} right")
        return ", ".join(words)


@dataclass(frozen=True)
class Step:
    """Where to be for some minutes.

    Attributes
    ----------
    where, link : str
        In words, and as a link from the work folder.
    what : tuple of str
        Sections or tasks, by their titles.
    minutes : int
        About how long; 0 if that is not known.
    """

    where: str
    link: str
    what: tuple[str, ...] = ()
    minutes: int = 0


def chapters(route: str = "both", source: Path | str | None = None, *, only: str = "") -> list[Chapter]:
    """Return the course's chapters in the README's order, as one route has them; with `only`, the one of that name.

    Raises
    ------
    ValueError
        If the notebooks are not here: they come with a clone of the course.
    """
    folder = Path(source) if source is not None else learner.course_folder()
    readme = folder / "README.md"
    rows = _ROW.findall(readme.read_text(encoding="utf-8")) if readme.is_file() else []
    found = [
        _chapter(folder, name, title, question, (int(low), int(high)), kind, route)
        for title, name, kind, question, low, high in rows
        if only in ("", name) and (folder / "chapters" / f"{name}.ipynb").is_file()
    ]
    known = {name for _, name, *_ in rows}
    others = [path.stem for path in sorted(folder.glob(f"chapters/{only or '*'}.ipynb")) if path.stem not in known]
    return found + [_chapter(folder, name, name, "", (0, 0), "optional", route) for name in others]


def progress_of(chapter: Chapter, records: Iterable[progress.Record] | None = None) -> Progress:
    """Return how far a learner is in a chapter, by default from the progress store."""
    records = progress.read() if records is None else records
    own = [record for record in records if record.chapter == chapter.name]
    answered = {_item(record) for record in own} & chapter.questions
    solved = {_item(record) for record in own if _said(record, "step") == "solved"} & chapter.labs
    right = {_item(record) for record in own if _said(record, "status") == "right"}
    tasks = [task for task in chapter.tasks if _exercise(task.key) in right]
    return Progress(
        (len(answered), len(chapter.questions)),
        (len(solved), len(chapter.labs)),
        (len(tasks), len(chapter.tasks)),
        chapter.hardest is not None and chapter.hardest in tasks,
    )


def last_place(course: Sequence[Chapter], records: Sequence[progress.Record]) -> tuple[Step, datetime] | None:
    """Return where something was done last, and when; None before the beginning. Questions that came back do not count."""
    found = _last(course, records)
    if found is None:
        return None
    chapter, record = found
    when = record.time
    if record.key == OPENED:  # opened, and nothing done since: where it was left says more
        own = (one for one in reversed(records) if one.chapter == chapter.name and one.key != OPENED)
        record = next((one for one in own if not _said(one, "review")), record)
    part, link = _part_of(chapter, _item(record))
    place = f"{'exercise' if link == chapter.exercise else 'chapter'} {chapter.title}"
    title = f", section “{part.title}”" if part and link == chapter.notebook and part.title else ""
    title = f", task “{part.title}”" if part and link == chapter.exercise else title
    return Step(f"{place}{title}", link + (part.anchor if part else "")), when


def next_step(course: Sequence[Chapter], records: Sequence[progress.Record]) -> Step | None:
    """Return what to do in the next twenty minutes; None where all that follows one another is done.

    After a section comes the next, after a chapter its exercise, task by task, then the next chapter; a chapter that is passed
    is left behind.
    """
    found = _last(course, records)
    if found is None:
        return _sections(course[0], 0) if course else None
    chapter, record = found
    part, link = _part_of(chapter, _item(record))
    step = None
    if link == chapter.notebook:
        mine = {_item(one) for one in records if one.chapter == chapter.name}
        here = chapter.parts.index(part) if part else 0
        if record.key == OPENED:  # opened again: go on where it was left
            here = max((n for n, one in enumerate(chapter.parts) if mine & set(one.keys)), default=0)
        begin = here if not set(chapter.parts[here].keys) <= mine else here + 1
        # What comes after the last question is a summary: whoever answered that has been there.
        if any(set(one.keys) - mine for one in chapter.parts[begin:]):
            step = _sections(chapter, begin)
    if step is None and not progress_of(chapter, records).passed:
        step = _task(chapter, record, records)
    return step or _another(course, chapter, records)


def view(chapter: str) -> Note:
    """Return a small view of one's progress for the head of a chapter; it raises nothing.

    It is the same for everyone before anything is answered, so that a saved page shows nobody's progress.
    """
    text = (
        "How far you are in this chapter stands here when you run this cell again. It is noted on this computer alone."
    )
    try:
        records = progress.read()
        work = Path.cwd().parent
        course = chapters(learner.route_of(work), only=chapter)
        mine = [record for record in records if record.chapter == chapter and record.key != OPENED]
        if course and mine and (course[0].questions or course[0].labs):
            text = f"Your progress in this chapter: {progress_of(course[0], mine)}."
            place = last_place(course, mine)
            if place is not None:
                where, when = place
                text += (
                    f" You were last in {where.where.partition(', ')[2] or where.where}, on {when.astimezone():%d %B}."
                )
    except (OSError, ValueError):
        pass  # no clone of the course here: nothing to count by
    progress.record(chapter, OPENED, None)
    return Note(text)


class Note:
    """A line to be shown in a notebook or printed."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        shown = f'<p class="rl-progress" role="status">{html.escape(self.text)}</p>'
        return {"text/plain": self.text, "text/html": shown}


# What there is to do ------------------------------------------------------------------------------------------------


def _chapter(
    folder: Path, name: str, title: str, question: str, minutes: tuple[int, int], kind: str, route: str
) -> Chapter:
    path = folder / "chapters" / f"{name}.ipynb"
    parts = _parts(path, name, route, sum(minutes) / 2)
    exercise = folder / "exercises" / name / "exercise.ipynb"
    tasks: tuple[Task, ...] = ()
    task_parts: tuple[Part, ...] = ()
    if exercise.is_file():
        task_parts = _parts(exercise, name, route)
        module = _read(exercise).get("metadata", {}).get("resnet_lessons", {}).get("tasks")
        held = {key for part in task_parts for key in part.keys}
        tasks = tuple(task for task in tasks_of(module) if _exercise(task.key) in held) if module else ()
    keys = {key for part in parts for key in part.keys}
    labs = frozenset(key for key in keys if key.startswith(_lab("")))
    return Chapter(name, title, question, minutes, kind, parts, frozenset(keys - labs), labs, tasks, task_parts)


def _parts(path: Path, chapter: str, route: str, minutes: float = 0.0) -> tuple[Part, ...]:
    """The sections of a notebook that one route has; they share its minutes by their length."""
    found = [_Open()]
    for cell in keep_route(_read(path), route)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for text in re.split(r"^(?=## )", source, flags=re.MULTILINE):
                if text.startswith("## "):
                    found.append(_Open(text.partition("\n")[0].removeprefix("## ").strip(), cell.get("id", "")))
                found[-1].size += len(text)
            continue
        questions = [key for where, name in _ASKED.findall(source) if where == chapter for key in _keys_of(where, name)]
        labs = [_lab(name) for name, where in _LAB.findall(source) if where == chapter]
        found[-1].keys += [*questions, *labs, *(_exercise(key) for key in _CHECKED.findall(source))]
        found[-1].size += len(source) + _ANSWERING * len(questions) + _PLAYING * len(labs)
    whole = sum(one.size for one in found) or 1
    return tuple(Part(one.title, tuple(dict.fromkeys(one.keys)), minutes * one.size / whole, one.cell) for one in found)


@dataclass
class _Open:
    """A section while it is read."""

    title: str = ""
    cell: str = ""
    keys: list[str] = field(default_factory=list)
    size: int = 0


def _keys_of(chapter: str, name: str) -> list[str]:
    """The keys of a question, or of a group of them."""
    return [question.key for question in each(QUESTIONS.get(chapter, {}).get(name, []))]


def _read(path: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not a readable notebook ({error})") from None
    return read


def _exercise(key: str) -> str:
    return f"exercise-{key}"


def _lab(key: str) -> str:
    return f"lab-{key}"


# What was done, and what comes next ---------------------------------------------------------------------------------


def _last(course: Sequence[Chapter], records: Sequence[progress.Record]) -> tuple[Chapter, progress.Record] | None:
    known = {chapter.name: chapter for chapter in course}
    for record in reversed(records):
        if record.chapter in known and not _said(record, "review"):
            return known[record.chapter], record
    return None


def _part_of(chapter: Chapter, item: str) -> tuple[Part | None, str]:
    """The section in which something was done, and the notebook that has it."""
    for part in chapter.parts:
        if item in part.keys:
            return part, chapter.notebook
    for part in chapter.task_parts:
        if item in part.keys:
            return part, chapter.exercise
    return None, chapter.notebook


def _sections(chapter: Chapter, begin: int) -> Step:
    """About twenty minutes of a chapter; at least one section."""
    taken = [chapter.parts[begin]]
    for part in chapter.parts[begin + 1 :]:
        if sum(one.minutes for one in taken) + part.minutes > STEP + 2:
            break
        taken.append(part)
    titles = tuple(part.title for part in taken if part.title)
    minutes = round(sum(part.minutes for part in taken))
    return Step(f"chapter {chapter.title}", chapter.notebook + taken[0].anchor, titles, minutes)


def _task(chapter: Chapter, last: progress.Record, records: Sequence[progress.Record]) -> Step | None:
    """The next task of a chapter's exercise that is not right yet, from the last one on."""
    right = {_item(one) for one in records if one.chapter == chapter.name and _said(one, "status") == "right"}
    keys = [_exercise(task.key) for task in chapter.tasks]
    begin = keys.index(last.key) if last.key in keys else 0
    for task in [*chapter.tasks[begin:], *chapter.tasks[:begin]]:
        if _exercise(task.key) not in right:
            title = task.title[:1].upper() + task.title[1:]
            return Step(f"exercise {chapter.title}", chapter.place_of(task), (title,), task.minutes[1])
    return None


def _another(course: Sequence[Chapter], after: Chapter, records: Sequence[progress.Record]) -> Step | None:
    """The next chapter in order that is neither passed nor worked through."""
    main = [one for one in course if not one.kind]
    begin = main.index(after) + 1 if after in main else 0
    for chapter in [*main[begin:], *main[:begin]]:
        how = progress_of(chapter, records)
        if not how.passed and not how.done:
            mine = {_item(one) for one in records if one.chapter == chapter.name}
            left = (n for n, part in enumerate(chapter.parts) if set(part.keys) - mine)
            return _sections(chapter, next(left, 0) if how.begun else 0)
    return None


def _item(record: progress.Record) -> str:
    """What a record is of, as in `Part.keys`; a lab and a question may have one name."""
    question = isinstance(record.value, dict) and record.value.keys() <= _ANSWER
    own = record.key == OPENED or record.key.startswith(_exercise(""))
    return record.key if question or own else _lab(record.key)


def _said(record: progress.Record, name: str) -> Any:
    return record.value.get(name) if isinstance(record.value, dict) else None


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
