"""Each chapter runs on the PyTorch route alone and shows what was committed. A file a route, so that two run side by side."""

from tests.notebooks.single_route import CHAPTERS, assert_runs

import pytest


@pytest.mark.parametrize("notebook", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_a_chapter_runs_on_the_pytorch_route(notebook, tmp_path):
    assert_runs(notebook, "pytorch", tmp_path)
