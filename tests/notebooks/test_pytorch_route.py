"""Each chapter runs on the PyTorch route alone and shows what was committed: in the browser, and here what does not run there."""

from tests.browser.here import ON_BOTH_ROUTES, find_browser
from tests.notebooks.single_route import CHAPTERS, Ran, run_route

import pytest

HERE = [path for path in CHAPTERS if path.stem == ON_BOTH_ROUTES or find_browser() is None]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_route(HERE, "pytorch", tmp_path_factory.mktemp("pytorch"))


@pytest.mark.parametrize("name", [path.name for path in HERE])
def test_a_chapter_runs_on_the_pytorch_route(ran: Ran, name: str) -> None:
    assert not ran.faults[name], "\n".join(ran.faults[name])
