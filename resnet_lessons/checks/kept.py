"""A learner's own blocks, carried from exercise to exercise: saved when they are right, given back by `kept`.

    keep(key, framework, answer)      save the source of a right answer; says in a sentence what came of it
    kept("projection", "pytorch")     the class or function again, in another notebook, kernel or week

What is saved is a small Python file, `my_blocks/projection_pytorch.py` in the learner's work folder: from the cell that
holds the answer its definitions and assignments, as far as the answer depends on them, and the imports that they need.
Magics, prints and checks in the same cell are left out. Loading such a file runs the learner's own code and no other.
"""

from __future__ import annotations

import ast
import atexit
import builtins
import inspect
import linecache
import os
import shutil
import symtable
import sys
import tempfile
import types
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from resnet_lessons import learner, progress
from resnet_lessons.frameworks import check_framework, framework_name

from .guard import Guard

FOLDER = "my_blocks"
NAME = "KEPT"  # what a file calls the answer, whatever the learner called it
# What the cells of solutions/ find imported above them.
_IMPORTS = {
    "pytorch": "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n",
    "tensorflow": "import keras\nimport tensorflow as tf\nfrom keras import layers, ops\n",
}
_PACKAGES = {"pytorch": "torch", "tensorflow": "keras"}
_SAVED = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.AugAssign)
_NOT_IMPORTED = ("__main__", "builtins")  # nothing can be imported from there


class CannotBeCarriedError(Exception):
    """An answer's source cannot stand alone; the message says why, and what to do."""


def kept(key: str, framework: str) -> Any:
    """Return a block that you wrote in an earlier exercise.

    Where none is kept, the course's own solution is returned, and a sentence is printed that says so.

    Parameters
    ----------
    key
        The task that asked for it, such as ``"projection"``.
    framework
        ``"pytorch"`` or ``"tensorflow"``.

    Returns
    -------
    type or callable
        What the task's check was given: called with the same arguments it makes a block.

    Raises
    ------
    ValueError
        If no task of that name keeps its answer, the framework is not here, or there is neither a block of yours nor a
        solution of the course; the message says what to do.
    """
    framework = framework_name(framework)
    check_framework(framework)
    chapter = _chapter_of(key)
    path = folder() / f"{key}_{framework}.py"
    why = f"Nothing of yours is kept yet for {key!r} in {framework}"
    if path.is_file():
        try:
            return _load(path.read_text(encoding="utf-8"), str(path), key, framework)
        except (OSError, ValueError, CannotBeCarriedError) as error:
            why = f"{FOLDER}/{path.name} cannot be loaded ({error})"
    try:
        solution = _solution(chapter, key, framework)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{why}, and the course's own solution is not here ({error}). In exercise {chapter}, "
            f"`ex.{key}.check(…)` keeps your block as soon as it is right: do that task first."
        ) from None
    sys.stdout.write(f"{why}: this is the course's own. `ex.{key}.check(…)` in exercise {chapter} keeps yours.\n")
    return solution


def keep(key: str, framework: str, answer: Any, variable: str) -> str:
    """Save the source of an answer that is right, in place of an earlier one; return a sentence about it.

    Parameters
    ----------
    key, framework
        Its name.
    answer
        The class or function, or a block made by it.
    variable
        What the exercise calls it, where the answer itself has no name.
    """
    path = folder() / f"{key}_{framework}.py"
    try:
        said = f'# Your answer to "{key}", as its check found it right; `kept("{key}", "{framework}")` loads it.'
        text = f"{said}\n{source_of(answer, variable)}"
        _load(text, str(path), key, framework)
        learner.write_whole(path, text.encode())
    except CannotBeCarriedError as error:
        return f"Not kept for later exercises: {error}"
    except Exception as error:  # a full disk; or whatever else: the answer is right all the same
        return f"Not kept for later exercises: {type(error).__name__}: {error}."
    return f'Kept as {FOLDER}/{path.name}: kept("{key}", "{framework}") gives it back in any notebook.'


def folder() -> Path:
    """Return the folder of kept blocks, which need not exist yet.

    With `RESNET_LESSONS_PROGRESS` set it lies there; else in the work folder that the notebook is in, or in the course's.
    While nbgrader runs the notebooks of a class, each process has a folder of its own: nobody is given another's block.
    """
    if os.environ.get("NBGRADER_EXECUTION"):
        return _of_this_process()
    if os.environ.get("RESNET_LESSONS_PROGRESS"):
        return progress.folder() / FOLDER
    here = Path.cwd()
    for place in (here, *here.parents):
        if (place / learner.RECORD).is_file():
            return place / FOLDER
    with suppress(ValueError):
        return learner.course_folder() / "work" / FOLDER
    return progress.folder() / FOLDER


@cache
def _of_this_process() -> Path:
    place = tempfile.mkdtemp(prefix="resnet-lessons-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return Path(place)


def source_of(answer: Any, variable: str = "") -> str:
    """Return Python source that stands alone and binds `KEPT` to an answer.

    Raises
    ------
    CannotBeCarriedError
        If the answer needs what is in another cell, or its source is not known.
    """
    if not (isinstance(answer, (type, partial)) or inspect.isroutine(answer)):
        answer = type(answer)
    cell, namespace = _cell_of(answer)
    statements = [s for s in ast.parse(cell).body if isinstance(s, _SAVED)]
    bound = [set(_binds(statement)) for statement in statements]
    known = set().union(*bound)
    names = [getattr(answer, "__name__", ""), variable, *sorted(known)]
    name = next((n for n in names if n in known and namespace.get(n) is answer), "")
    if not name:
        raise CannotBeCarriedError(
            "the cell that holds its code gives it no name. Define it at the left margin of one cell, and check again."
        )
    sources = [_lines_of(cell, statement) for statement in statements]
    needed, chosen = {name}, set[int]()
    while more := {n for n, names_ in enumerate(bound) if names_ & needed} - chosen:
        chosen |= more
        needed = needed.union(*(_uses(sources[n]) for n in more))
    outside = sorted(n for n in needed - known if n in namespace and not hasattr(builtins, n))
    imports = {n: _import_of(n, namespace[n]) for n in outside}
    if missing := [n for n, line in imports.items() if not line and not n.startswith("__")]:
        raise CannotBeCarriedError(
            f"it uses {', '.join(missing)}, which another cell defines. Put that into the same cell, and check again."
        )
    parts = ["".join(f"{line}\n" for line in sorted(imports.values()) if line), *(sources[n] for n in sorted(chosen))]
    return "\n\n".join([*filter(None, parts), f"{NAME} = {name}\n"])


def _cell_of(answer: Any) -> tuple[str, Mapping[str, Any]]:
    """The source that an answer's code was compiled from (in IPython a whole cell, magics translated), and its globals."""
    for function in _functions(answer):
        # `inspect.getsource` of a class in __main__ finds nothing; the file name of its code does.
        if lines := linecache.getlines(function.__code__.co_filename):
            return "".join(lines), function.__globals__
    raise CannotBeCarriedError(
        "its source is not known here (a cell magic such as %%time hides it). Check it from a plain cell."
    )


def _functions(answer: Any) -> Iterator[Any]:
    while isinstance(answer, partial):
        answer = answer.func
    kinds = [kind for kind in getattr(answer, "__mro__", ()) if kind.__module__ == answer.__module__]
    for value in (value for kind in kinds for value in vars(kind).values()) if kinds else (answer,):
        value = getattr(value, "__func__", value)
        if inspect.isfunction(value):
            yield value


def _binds(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement defines, or whose attributes and elements it sets."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        yield from (alias.asname or alias.name.split(".")[0] for alias in statement.names)
    elif isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        yield statement.name
    else:
        for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:  # type: ignore[attr-defined]
            while isinstance(target, (ast.Attribute, ast.Subscript)):
                target = target.value
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def _lines_of(cell: str, statement: ast.stmt) -> str:
    """A statement as it was written, comments and decorators included."""
    decorators = [one.lineno for one in getattr(statement, "decorator_list", ())]
    start, end = min([statement.lineno, *decorators]), statement.end_lineno or statement.lineno
    text = "\n".join(cell.splitlines()[start - 1 : end]) + "\n"
    try:
        alone = len(ast.parse(text).body) == 1
    except SyntaxError:
        alone = False
    return text if alone else ast.unparse(statement) + "\n"


def _uses(source: str) -> set[str]:
    """The global names that a statement reads, now or when its functions are called."""
    top = symtable.symtable(source, "cell", "exec")
    found, waiting = set(), [top]
    while waiting:
        table = waiting.pop()
        found |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (table is top or s.is_global())}
        waiting += table.get_children()
    return found


def _import_of(name: str, value: Any) -> str:
    """The import that gives a notebook's global; "" if it was not imported."""
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__}" + (f" as {name}" if value.__name__ != name else "")
    module, own = getattr(value, "__module__", None), getattr(value, "__name__", "")
    if not isinstance(module, str) or module in _NOT_IMPORTED:
        return ""
    if getattr(sys.modules.get(module), own or " ", None) is not value:
        return ""
    return f"from {module} import {own}" + (f" as {name}" if own != name else "")


def _load(source: str, file: str, key: str, framework: str) -> Any:
    """Run a kept file in a namespace of its own."""
    import_module(_PACKAGES[framework])  # which may take longer than the guard allows
    namespace: dict[str, Any] = {"__name__": f"{FOLDER}.{key}_{framework}", "__file__": file}
    _, error = Guard().run(lambda: exec(compile(source, file, "exec"), namespace))
    if error is not None or NAME not in namespace:
        said = f"{type(error).__name__}: {error}" if error is not None else f"it has no {NAME}"
        raise CannotBeCarriedError(f"in a namespace of its own it raised {said}.".replace("..", "."))
    return namespace[NAME]


def _solution(chapter: str, key: str, framework: str) -> Any:
    """The course's own answer.

    Raises
    ------
    ValueError, OSError
        If the solutions are not here.
    """
    from .task import solution_cells

    code = next((code for route, code in solution_cells(chapter, key) if route == framework), "")
    variable = next(task.names[framework] for task in _tasks() if task.key == key)
    if not code:
        raise ValueError(f"solutions/{chapter} has no cell {key}-{framework}")
    return _load(f"{_IMPORTS[framework]}\n{code}\n{NAME} = {variable}\n", f"solutions/{chapter}", key, framework)


def _chapter_of(key: str) -> str:
    """The exercise whose task keeps its answer under a key."""
    chapters = {task.key: task.section.chapter for task in _tasks()}
    if key not in chapters:
        raise ValueError(f"there is no block {key!r}; kept are {', '.join(map(repr, chapters))}")
    return chapters[key]


def _tasks() -> list[Any]:
    """All tasks that keep their answers, chapter by chapter."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("chapter_[0-9][0-9].py"))
    tasks = [task for name in names for task in import_module(f".{name}", __package__).TASKS]
    return [task for task in tasks if task.keeps]
