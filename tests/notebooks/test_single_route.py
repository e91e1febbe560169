"""The check of single routes can fail: a cell that needs the other framework is found."""

import json
from pathlib import Path

from tests.notebooks.single_route import run_route

import pytest


def small_notebook(folder: Path, tag: str | None) -> Path:
    """Write a notebook that imports TensorFlow in a cell of the given route."""
    from nbval_guards import KERNELSPEC, LANGUAGE_INFO

    def cell(number: int, source: str, tags: list[str]) -> dict:
        return {
            "cell_type": "code", "id": f"c{number}", "metadata": {"tags": tags} if tags else {}, "source": source,
            "execution_count": number, "outputs": [],
        }  # fmt: skip

    cells = [cell(1, "import tensorflow", [tag] if tag else []), cell(2, "import resnet_lessons", [])]
    metadata = {"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO}
    path = folder / "small.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.mark.parametrize("tag", ["tensorflow", "both"])
def test_a_notebook_without_the_other_framework_passes(tmp_path, tag):
    (tmp_path / "run").mkdir()
    ran = run_route([small_notebook(tmp_path, tag)], "pytorch", tmp_path / "run")
    assert ran.faults == {"small.ipynb": []}


def test_a_cell_that_needs_the_other_framework_fails(tmp_path):
    (tmp_path / "run").mkdir()
    ran = run_route([small_notebook(tmp_path, None)], "pytorch", tmp_path / "run")
    assert "tensorflow was made unimportable" in "".join(ran.faults["small.ipynb"])
