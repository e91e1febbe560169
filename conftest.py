"""What all tests share: the notebook guards, and a progress store that is not the user's."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tests"))

pytest_plugins = ["nbval_guards"]

# Learners' copies and the untouched originals of exercises are unrun or unfinished by design.
collect_ignore_glob = ["work/*", "exercises/*"]

# The longest files first, so that no worker of several ends alone.
LONGEST = ("tests/notebooks", "chapters", "solutions", "tests/browser", "tests/training")

_scratch: tempfile.TemporaryDirectory[str] | None = None


def pytest_configure(config: pytest.Config) -> None:
    """Keep tests, and every process that they start, away from the user's own progress."""
    global _scratch
    if getattr(config.option, "numprocesses", None):
        # Several workers share the cores; were each to use all of them, they would wait for one another.
        for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            os.environ.setdefault(variable, "1")
    if not hasattr(config, "workerinput"):  # xdist's workers inherit the controller's folder
        _scratch = tempfile.TemporaryDirectory(prefix="resnet-lessons-test-", ignore_cleanup_errors=True)
        os.environ["RESNET_LESSONS_PROGRESS"] = _scratch.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; the order of `testpaths` does not last where one holds another."""

    def rank(item: pytest.Item) -> int:
        return next((n for n, folder in enumerate(LONGEST) if item.path.is_relative_to(ROOT / folder)), len(LONGEST))

    items.sort(key=rank)


def pytest_unconfigure() -> None:
    """Remove the scratch folder."""
    if _scratch is not None:
        _scratch.cleanup()
