"""Each chapter runs on the TensorFlow route alone and shows what was committed."""

from tests.notebooks.single_route import CHAPTERS, Ran, run_route

import pytest


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_route(CHAPTERS, "tensorflow", tmp_path_factory.mktemp("tensorflow"))


@pytest.mark.parametrize("name", [path.name for path in CHAPTERS])
def test_a_chapter_runs_on_the_tensorflow_route(ran: Ran, name: str) -> None:
    assert not ran.faults[name], "\n".join(ran.faults[name])
