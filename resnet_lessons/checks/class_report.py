"""Counts how a class stands: for each task right, not yet, not attempted, and the mistakes; without names.

Each notebook is checked by `resnet-lessons check --json` in a process of its own, several at once, so that nothing in one
can harm another or the report. Nothing is written but the report: interrupted, it counts what was judged until then.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .notebook import tasks_of
from .outcome import MARKS, NOT_ATTEMPTED, NOT_YET

SMALL = 5  # with fewer notebooks, a count can point to a person
PATIENCE = 10  # seconds in which an interrupted check ends its kernel
_FOLDERS_LEFT_OUT = {".ipynb_checkpoints", "feedback"}
Told = dict[str, Any]  # what `resnet-lessons check --json` prints


@dataclass
class TaskCount:
    """How a task stands in a class.

    Attributes
    ----------
    statuses
        ``"right"``, ``"not yet"``, ``"not attempted"`` → number of notebooks.
    frameworks
        ``"pytorch"``, ``"tensorflow"`` → number of answers of it that were attempted; empty where a task needs neither.
    mistakes
        Title of a mistake → number of notebooks.
    unnamed
        How many answers are not right yet and have no mistake of the catalogue.
    """

    title: str
    statuses: Counter[str] = field(default_factory=Counter)
    frameworks: Counter[str] = field(default_factory=Counter)
    mistakes: Counter[str] = field(default_factory=Counter)
    unnamed: int = 0

    def add(self, outcome: Told) -> None:
        """Count one notebook's outcome."""
        self.statuses[outcome["status"]] += 1
        self.mistakes.update(outcome["titles"])
        if outcome["status"] != NOT_ATTEMPTED and outcome["framework"]:
            self.frameworks[outcome["framework"]] += 1
        self.unnamed += outcome["status"] == NOT_YET and not outcome["titles"]


@dataclass
class ClassReport:
    """How a class stands.

    Attributes
    ----------
    found
        Exercise, such as ``"01_basic_block"`` → how many of it are in the folder and could be read.
    unreadable
        How many notebooks could not be read or checked.
    others
        How many notebooks are no exercises; they are not counted further.
    judged
        Exercise → how many of it were checked.
    tasks
        Exercise → task → its counts.
    """

    found: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    others: int = 0
    judged: Counter[str] = field(default_factory=Counter)
    tasks: dict[str, dict[str, TaskCount]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many notebooks were handed in, readable or not."""
        return self.found.total() + self.unreadable

    @property
    def open(self) -> int:
        """How many have not been judged: the report was interrupted."""
        return self.found.total() - self.judged.total()

    @property
    def notes(self) -> list[str]:
        """What to know before the counts are read."""
        notes = []
        if self.unreadable:
            notes.append(
                f"{self.unreadable} of {self.total} notebooks could not be read; `resnet-lessons check` says of one why."
            )
        if self.open:
            notes.append(f"Interrupted: {self.open} of {self.total} notebooks were not judged.")
        if self.others:
            notes.append(f"{self.others} more {'is' if self.others == 1 else 'are'} no exercise, and not counted.")
        if small := sorted(exercise for exercise, count in self.judged.items() if count < SMALL):
            notes.append(
                f"Fewer than {SMALL} notebooks of {', '.join(small)}: these counts may tell whose answers they are."
            )
        return notes

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "notebooks": self.total,
            "judged": self.judged.total(),
            "unreadable": self.unreadable,
            "others": self.others,
            "notes": self.notes,
            "exercises": [
                {
                    "exercise": exercise,
                    "notebooks": self.judged[exercise],
                    "tasks": [
                        {
                            "task": key,
                            "title": count.title,
                            "statuses": {status: count.statuses[status] for status in MARKS},
                            "frameworks": dict(sorted(count.frameworks.items())),
                            "mistakes": dict(_ordered(count.mistakes)),
                            "unnamed": count.unnamed,
                        }
                        for key, count in tasks.items()
                    ],
                }
                for exercise, tasks in sorted(self.tasks.items())
            ],
        }


def report(folder: Path | str, *, processes: int = 2, seconds: float = 60) -> tuple[ClassReport, bool]:
    """Check all exercises in a folder and below it; return the counts, and whether they are complete.

    Parameters
    ----------
    folder
        Such as nbgrader's `submitted/`, or `autograded/`, where damaged cells have been repaired.
    processes
        How many notebooks are checked at the same time.
    seconds
        How long a cell may take before it is given up.

    Raises
    ------
    ValueError
        If there is no notebook, or `processes` is below 1.
    OSError
        If there is no such folder.
    """
    if processes < 1:
        raise ValueError(f"{processes} processes cannot check anything; give 1 or more")
    counts, paths = _sorted_out(_notebooks(Path(folder)))
    with tempfile.TemporaryDirectory(prefix="resnet-lessons-class-") as scratch:
        complete = _judge(counts, paths, processes, seconds, _Children(scratch))
    return counts, complete


def show(folder: Path, *, processes: int, seconds: float, as_json: bool) -> int:
    """Print the report; return 0, 1 if notebooks could not be read, or 130 if it was interrupted."""
    counts, complete = report(folder, processes=processes, seconds=seconds)
    if as_json:
        sys.stdout.write(json.dumps(counts.to_dict(), indent=2, ensure_ascii=False) + "\n")
    else:
        _print(counts)
    return int(counts.unreadable > 0) if complete else 130


def _notebooks(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise NotADirectoryError(20, "Not a folder", str(folder))
    paths = sorted(p for p in folder.rglob("*.ipynb") if not _FOLDERS_LEFT_OUT & set(p.relative_to(folder).parts))
    if not paths:
        raise ValueError(f"there is no notebook in {folder} or below it; give the folder of what was handed in")
    return paths


def _sorted_out(paths: Iterable[Path]) -> tuple[ClassReport, list[tuple[Path, str]]]:
    """Which notebooks are exercises, and which one each is; the rest is counted already."""
    counts, exercises = ClassReport(), []
    for path in paths:
        try:
            notebook = json.loads(path.read_text(encoding="utf-8"))
            module = notebook["metadata"].get("resnet_lessons", {}).get("tasks")
            list(notebook["cells"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            counts.unreadable += 1
            continue
        if module is None:
            counts.others += 1
            continue
        try:
            tasks = tasks_of(module)
        except ValueError:
            counts.unreadable += 1
            continue
        exercise = tasks[0].section.chapter
        counts.found[exercise] += 1
        counts.tasks.setdefault(exercise, {task.key: TaskCount(task.title) for task in tasks})
        exercises.append((path, exercise))
    return counts, exercises


def _judge(
    counts: ClassReport,
    paths: Sequence[tuple[Path, str]],
    processes: int,
    seconds: float,
    children: _Children,
) -> bool:
    """Check notebooks in several threads, each of which waits for a child; return False if it was interrupted."""
    from tqdm.auto import tqdm

    pool = ThreadPoolExecutor(processes)
    waiting = {pool.submit(children.check, path, seconds): exercise for path, exercise in paths}
    try:
        for done in tqdm(as_completed(waiting), total=len(waiting), desc="checking", disable=None, leave=False):
            exercise, told = waiting[done], done.result()
            if told is None:
                counts.found[exercise] -= 1
                counts.unreadable += 1
                continue
            counts.judged[exercise] += 1
            for outcome in told["tasks"]:
                counts.tasks[exercise][outcome["task"]].add(outcome)
    except KeyboardInterrupt:
        return False
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        children.end()
        pool.shutdown(wait=True)
    return True


class _Children:
    """The processes that check notebooks; `end` ends those that run."""

    def __init__(self, scratch: str) -> None:
        self.scratch = scratch
        self.running: set[subprocess.Popen[str]] = set()
        self.lock, self.over = threading.Lock(), False

    def check(self, path: Path, seconds: float) -> Told | None:
        """Run `resnet-lessons check --json` on a notebook; None if it printed no result."""
        command = [sys.executable, "-m", "resnet_lessons.cli", "check", "--json", "--seconds", f"{seconds:g}", "--"]
        # Each has a store of its own: its results are not the instructor's, and its blocks are for nobody else.
        environment = {**os.environ, "RESNET_LESSONS_PROGRESS": tempfile.mkdtemp(dir=self.scratch)}
        with self.lock:
            if self.over:
                return None
            child = subprocess.Popen(
                [*command, str(path)], env=environment, text=True, encoding="utf-8", stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            self.running.add(child)
        said, _ = child.communicate()
        with self.lock:
            self.running.discard(child)
        try:
            told: Told = json.loads(said)
        except ValueError:
            return None
        return told

    def end(self) -> None:
        """Interrupt what runs, so that it can end its kernel; end what does not listen; start nothing more."""
        with self.lock:
            self.over, left = True, list(self.running)
        for child in left:
            child.send_signal(signal.SIGINT) if os.name == "posix" else child.terminate()
        for child in left:
            try:
                child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()


def _print(counts: ClassReport) -> None:
    """A table for each exercise, then what to know about it."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    for exercise, tasks in sorted(counts.tasks.items()):
        number = counts.judged[exercise]
        console.print(f"{exercise}: {number} notebook{'s' * (number != 1)}")
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading, justify in (("task", "left"), *((status, "right") for status in MARKS), ("mistakes", "left")):
            table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
        for key, count in tasks.items():
            numbers = [str(count.statuses[status]) for status in MARKS]
            table.add_row(_with_frameworks(key, count), *numbers, _mistakes(count))
        console.print(table, "")
    for note in counts.notes:
        console.print(note)


def _with_frameworks(key: str, count: TaskCount) -> str:
    used = ", ".join(f"{number} {name}" for name, number in sorted(count.frameworks.items()))
    return f"{key}\n({used})" if used else key


def _mistakes(count: TaskCount) -> str:
    lines = [f"{number} × {title}" for title, number in _ordered(count.mistakes)]
    return "\n".join(lines + ([f"{count.unnamed} × without a name here"] if count.unnamed else []))


def _ordered(mistakes: Counter[str]) -> list[tuple[str, int]]:
    """The most frequent first; those of the same number by title, so that the order does not tell whose came first."""
    return sorted(mistakes.items(), key=lambda item: (-item[1], item[0]))
