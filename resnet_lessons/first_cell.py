"""What the first cell of a notebook calls: is this kernel one that can run the course?

The cell reaches this file even in a kernel of another environment, by way of the course's folder. So it needs the standard
library only, and is written for Pythons that are too old for the course, too. In VS Code and on Colab it installs what is
missing; elsewhere one sentence says what to do.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import sys
from pathlib import Path

OLDEST = (3, 11)
FOLDER = Path(__file__).resolve().parents[1]
OTHER_ROUTE = {"PyTorch": "tensorflow", "TensorFlow": "pytorch"}  # of whoever does without this framework
_ROUTES = {"both": ("PyTorch", "TensorFlow"), "pytorch": ("PyTorch",), "tensorflow": ("TensorFlow",)}
_IMPORTED = {"PyTorch": ("torch",), "TensorFlow": ("tensorflow", "keras")}
_FRAMEWORKS = {"torch": "PyTorch", "tensorflow": "TensorFlow", "tensorflow-cpu": "TensorFlow", "keras": "TensorFlow"}
_FOR_PIP = {"sklearn": "scikit-learn", "PIL": "pillow"}  # what is imported by another name
_NOT_IN_A_KERNEL = ("jupyterlab",)
_CHOOSE = (
    "choose the kernel of the course's environment (JupyterLab: Kernel → Change Kernel; VS Code: Select Kernel → .venv)"
)


class WrongKernelError(ImportError):
    """A kernel that cannot run the course; a notebook shows its sentence and no traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [str(self)]


def begin(chapter: str) -> object:
    """Make sure that this kernel can run the course; return one's progress in the chapter, to be shown.

    Parameters
    ----------
    chapter
        Such as ``"01_basic_block"``.

    Raises
    ------
    WrongKernelError
        With one sentence that says what to do.
    """
    prepare()
    from .journey import view

    return view(chapter)


def prepare() -> None:
    """Make sure that this kernel can run the course: in VS Code and on Colab, install what is missing.

    Raises
    ------
    WrongKernelError
        With one sentence that says what to do.
    """
    check_python()
    missing = lacking()
    if missing and installs_here():
        print(f"Installing what is missing here: {', '.join(_called(missing))} (this may take minutes) ...", flush=True)
        _install(missing)
        importlib.invalidate_caches()
        missing = lacking()
    if missing:
        names = _called(missing)
        some = ", ".join(names[:4]) + (" and more" if len(names) > 4 else "")
        what = "them" if len(names) > 1 else "it"
        raise WrongKernelError(
            f"This kernel lacks {some}: {_CHOOSE}; or install {what} into this one, by a cell with: "
            f'%pip install -e "{FOLDER}"{_or_one_route(missing)}'
        )


def check_python() -> None:
    """Refuse a Python that is too old for the course.

    Raises
    ------
    WrongKernelError
        With one sentence that says what to do.
    """
    if sys.version_info < OLDEST:
        here, oldest = (".".join(map(str, version[:2])) for version in (sys.version_info, OLDEST))
        raise WrongKernelError(
            f"This is Python {here}, and the course needs {oldest} or later: {_CHOOSE}, or run `make lab`."
        )


def what_is_missing(error: ImportError) -> str:
    """Return one sentence for what could not be imported, and what to do."""
    if isinstance(error, WrongKernelError):
        return str(error)
    module = (error.name or "").partition(".")[0]
    name = _FOR_PIP.get(module, module)
    if isinstance(error, ModuleNotFoundError) and not importlib.util.find_spec(module or "_"):
        install = f'"{sys.executable}" -m pip install {name}'
        return f"the package {name} is not installed: `make lab` installs all that the course needs, or: {install}"
    said = " ".join(str(error).split())
    return f"the package {name or 'of a command'} does not load ({said}): `make clean`, then `make lab`, makes all anew"


def lacking() -> list[str]:
    """Return the requirements that this environment does not meet, as `pyproject.toml` writes them.

    One framework is enough, except for copies that were made for both.
    """
    pyproject = FOLDER / "pyproject.toml"
    if not pyproject.is_file():  # not a clone: whatever installed the package saw to it
        return []
    import tomllib

    required: list[str] = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]
    others = [one for one in required if _name(one) not in (*_FRAMEWORKS, *_NOT_IN_A_KERNEL)]
    missing = [one for one in others if not _is_installed(_name(one))]
    absent = absent_frameworks(_route())
    return missing + [one for one in required if _FRAMEWORKS.get(_name(one)) in absent]  # pip knows which is for here


def absent_frameworks(route: str) -> list[str]:
    """Return which of the frameworks that a route takes are not installed; without a route, any one is enough."""
    here = [name for name, modules in _IMPORTED.items() if all(map(importlib.util.find_spec, modules))]
    return [name for name in _ROUTES.get(route, () if here else tuple(_IMPORTED)) if name not in here]


def installs_here() -> bool:
    """Whether packages are installed unasked: on Colab, where nothing lasts, and in VS Code, which asks for a kernel itself."""
    import __main__

    return in_colab() or hasattr(__main__, "__vsc_ipynb_file__")


def in_colab() -> bool:
    """Whether this is Google's Colab."""
    return "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ


def _route() -> str:
    """The route that the copies in this folder were made for; empty where they are nobody's copies."""
    from resnet_lessons.learner import RECORD

    for folder in Path.cwd().parents[:2]:  # of `chapters/`, and of a folder in `exercises/`
        try:
            return str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["route"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return ""


def _or_one_route(missing: list[str]) -> str:
    """What else there is to do where nothing but one framework of two is missing."""
    other = OTHER_ROUTE.get(_called(missing)[0]) if len(_called(missing)) == 1 else None
    possible = other and not absent_frameworks("")
    return f"; or go on without it: resnet-lessons lab --route {other}" if possible else ""


def _install(requirements: list[str]) -> None:
    import subprocess

    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    subprocess.run(command, check=False)


def _is_installed(name: str) -> bool:
    import importlib.metadata

    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _called(requirements: list[str]) -> list[str]:
    """What is to be installed, in words: a framework may be several packages."""
    return list(dict.fromkeys(_FRAMEWORKS.get(_name(one), _name(one)) for one in requirements))


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0]
