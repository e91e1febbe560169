"""What the first cell of a notebook calls: is this kernel one that can run the course?

The cell reaches this file even in a kernel of another environment, by way of the course's folder. So it needs the standard
library only, and is written for Pythons that are too old for the course, too. In VS Code and on Colab it installs what is
missing; elsewhere one sentence says what to do.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
FOLDER = Path(__file__).resolve().parents[1]
_FRAMEWORKS = ("torch", "tensorflow", "tensorflow-cpu", "keras")
_NOT_IN_A_KERNEL = ("jupyterlab",)
_CHOOSE = (
    "choose the kernel of the course's environment (JupyterLab: Kernel → Change Kernel; VS Code: Select Kernel → .venv)"
)


class WrongKernelError(Exception):
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
    if sys.version_info < OLDEST:
        here, oldest = (".".join(map(str, version[:2])) for version in (sys.version_info, OLDEST))
        raise WrongKernelError(f"This kernel runs Python {here}, and the course needs {oldest} or later: {_CHOOSE}.")
    missing = lacking()
    if missing and installs_here():
        print(
            f"Installing what is missing here: {', '.join(map(_name, missing))} (this may take minutes) ...", flush=True
        )
        _install(missing)
        importlib.invalidate_caches()
        missing = lacking()
    if missing:
        some = ", ".join([_name(one) for one in missing][:4]) + (" and more" if len(missing) > 4 else "")
        raise WrongKernelError(
            f'This kernel lacks {some}: {_CHOOSE}; or install them into this one, by a cell with: %pip install -e "{FOLDER}"'
        )


def lacking() -> list[str]:
    """Return the requirements that this environment does not meet, as `pyproject.toml` writes them; one framework is enough."""
    pyproject = FOLDER / "pyproject.toml"
    if not pyproject.is_file():  # not a clone: whatever installed the package saw to it
        return []
    import tomllib

    required: list[str] = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]
    others = [one for one in required if _name(one) not in (*_FRAMEWORKS, *_NOT_IN_A_KERNEL)]
    missing = [one for one in others if not _is_installed(_name(one))]
    if not any(importlib.util.find_spec(package) for package in ("torch", "keras")):
        missing += [one for one in required if _name(one) in _FRAMEWORKS]
    return missing


def installs_here() -> bool:
    """Whether packages are installed unasked: on Colab, where nothing lasts, and in VS Code, which asks for a kernel itself."""
    import __main__

    return in_colab() or hasattr(__main__, "__vsc_ipynb_file__")


def in_colab() -> bool:
    """Whether this is Google's Colab."""
    return "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ


def _install(requirements: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    subprocess.run(command, check=False)


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0]
