"""Checks a whole notebook in a process of its own, and says how each task stands; `resnet-lessons check` calls it.

The notebook's code runs in a kernel, so nothing in it can harm the caller: `os._exit`, a crash, all memory eaten, or a
loop in compiled code ends that kernel. Then another one starts, leaves out what ended the first, and goes on.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from .outcome import NOT_YET, Outcome
from .task import Task

SECONDS = 60  # a cell, and a task's check
RESTARTS = 4
_ANSWER = "RESNET-LESSONS-OUTCOME "
_OWN_CALLS = re.compile(r"(?:\s*(?:#.*|ex\.\w+\.(?:check|hint|stuck|solution|graded)\(.*\)\s*(?:#.*)?)?\n?)*")


@dataclass
class Report:
    """How the tasks of a notebook stand.

    Attributes
    ----------
    notebook
        Its path.
    outcomes
        One for each task, in the notebook's order.
    notes
        What else happened: cells that raised, cells that ended the process.
    """

    notebook: Path
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def right(self) -> int:
        """How many tasks are right."""
        return sum(outcome["status"] == "right" for outcome in self.outcomes.values())

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "notebook": self.notebook.name,
            "right": self.right,
            "tasks": list(self.outcomes.values()),
            "notes": self.notes,
        }


def check_notebook(path: Path | str, *, seconds: float = SECONDS) -> Report:
    """Run a learner's notebook in a kernel of its own and judge each of its tasks.

    Parameters
    ----------
    path
        A copy of an exercise: it says in its metadata which tasks it holds.
    seconds
        How long a cell may take before it is given up.

    Raises
    ------
    ValueError
        If the file is no exercise.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    cells, module = _read(path)
    report = Report(path)
    run = _Run(path, cells, module, seconds, report)
    for task in tasks_of(module):
        report.outcomes[task.key] = run.judge(task)
    run.close()
    return report


def tasks_of(module: str) -> tuple[Task, ...]:
    """Return the tasks of a chapter's module, such as ``"chapter_01"``.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if not re.fullmatch(r"chapter_\d\d", str(module)):
        raise ValueError(f"there are no tasks {module!r}; they are called chapter_01, chapter_02, …")
    try:
        tasks: tuple[Task, ...] = import_module(f"resnet_lessons.checks.{module}").TASKS
    except ModuleNotFoundError as error:
        if error.name != f"resnet_lessons.checks.{module}":  # a package that the tasks need
            raise
        raise ValueError(f"this version of resnet_lessons has no tasks {module!r}; is the notebook newer?") from None
    return tasks


def tell(module: str, key: str, namespace: Mapping[str, Any]) -> None:
    """Print the outcome of one task for the process that asked; runs in the notebook's kernel."""
    task = next(task for task in tasks_of(module) if task.key == key)
    outcome = task.judge_namespace(namespace)
    told = {**outcome.to_dict(), "explanation": outcome.explain() if outcome.mistakes else ""}
    sys.stdout.write(f"\n{_ANSWER}{json.dumps(told)}\n")


class _Run:
    """A kernel with the notebook's cells run in it, and a new one whenever it dies."""

    def __init__(self, path: Path, cells: list[tuple[int, str]], module: str, seconds: float, report: Report) -> None:
        self.path, self.cells, self.module, self.seconds, self.report = path, cells, module, seconds, report
        self.deadly: set[int] = set()
        self.stack = contextlib.ExitStack()
        self.execute: Any = None
        self.starts = 0

    def judge(self, task: Task) -> dict[str, Any]:
        """Let the kernel judge a task; what ends the kernel is the task's outcome."""
        from nbclient.exceptions import CellTimeoutError, DeadKernelError

        if not self._ready():
            return self._ended(task, "it was not judged: other cells ended the process too often")
        code = f"from resnet_lessons.checks.notebook import tell; tell({self.module!r}, {task.key!r}, globals())"
        try:
            outputs = self.execute(code)
        except CellTimeoutError:
            self.close()
            return self._ended(task, f"the answer was still running after {self.seconds:g} seconds")
        except DeadKernelError:
            self.close()
            return self._ended(task, "running the answer ended the Python process")
        text = "".join(output.get("text", "") for output in outputs if output["output_type"] == "stream")
        found = next((line for line in reversed(text.splitlines()) if line.startswith(_ANSWER)), None)
        if found is None:
            return self._ended(task, "the check could not be run in this notebook")
        return {**json.loads(found.removeprefix(_ANSWER)), "title": task.title}

    def close(self) -> None:
        """End the kernel."""
        self.stack.close()
        self.execute = None

    def _ended(self, task: Task, why: str) -> dict[str, Any]:
        outcome = Outcome(task.key, NOT_YET, (f"{why[:1].upper()}{why[1:]}.",))
        return {**outcome.to_dict(), "explanation": "", "title": task.title}

    def _ready(self) -> bool:
        """Whether there is a kernel in which all cells have run that can be run."""
        from nbclient.exceptions import CellTimeoutError, DeadKernelError

        while self.execute is None and self.starts <= RESTARTS:
            self.starts += 1
            self.execute = self.stack.enter_context(_kernel(self.path.resolve().parent, self.seconds))
            for number, source in self.cells:
                if number in self.deadly:
                    continue
                try:
                    outputs = self.execute(source)
                except (CellTimeoutError, DeadKernelError) as error:
                    took_long = isinstance(error, CellTimeoutError)
                    how = (
                        f"was still running after {self.seconds:g} seconds" if took_long else "ended the Python process"
                    )
                    self.report.notes.append(f"Code cell {number} {how}; it was left out.")
                    self.deadly.add(number)
                    self.close()
                    break
                for output in outputs:
                    if output["output_type"] == "error":
                        said = f"Code cell {number} raised {output['ename']}: {output['evalue'][:120]}"
                        self.report.notes += [said] if said not in self.report.notes else []
        return self.execute is not None


@contextlib.contextmanager
def _kernel(folder: Path, seconds: float) -> Iterator[Any]:
    """A kernel of this Python; yields a function that runs code there and returns its outputs."""
    import ipykernel.kernelspec
    import nbformat
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    class ThisPython(KernelSpecManager):
        """Knows one kernel, this Python's, whatever kernels of that name the user has installed."""

        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            return KernelSpec(resource_dir="", **ipykernel.kernelspec.get_kernel_dict())

    notebook = nbformat.v4.new_notebook()
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython()),
        timeout=int(max(seconds, 1)),
        allow_errors=True,
        record_timing=False,
        shutdown_kernel="immediate",  # a cell may never end
        resources={"metadata": {"path": str(folder)}},
    )

    def execute(code: str) -> list[Any]:
        cell = nbformat.v4.new_code_cell(code)
        notebook.cells.append(cell)
        client.execute_cell(cell, len(notebook.cells) - 1)
        outputs: list[Any] = cell.outputs
        return outputs

    # What the kernel says of itself goes into the log. A kernel whose manager was given is ended only on request.
    with tempfile.TemporaryFile() as log, client.setup_kernel(cleanup_kc=True, stderr=log):
        yield execute


def _read(path: Path) -> tuple[list[tuple[int, str]], str]:
    """The code cells to be run, with their numbers as a reader counts them, and the name of the tasks' module."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        module = notebook["metadata"].get("resnet_lessons", {}).get("tasks")
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        sources = ["".join(cell["source"]) for cell in code]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a readable notebook ({type(error).__name__}: {error})") from None
    if not module:
        raise ValueError(f"{path} is no exercise: it names no tasks. Give a copy of exercises/…/exercise.ipynb")
    # What a learner asks for herself is not needed here, and would run every answer twice.
    return [(n, s) for n, s in enumerate(sources, 1) if s.strip() and not _OWN_CALLS.fullmatch(s)], module
