"""Each chapter runs on the TensorFlow route alone and shows what was committed. A file a route, so that two run side by side."""

from tests.notebooks.single_route import CHAPTERS, assert_runs

import pytest


@pytest.mark.parametrize("notebook", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_a_chapter_runs_on_the_tensorflow_route(notebook, tmp_path):
    assert_runs(notebook, "tensorflow", tmp_path)
