"""Each chapter runs on each single route and shows what was committed; on PyTorch's, most do so in the browser instead."""

from tests.browser.here import ON_BOTH_ROUTES, find_browser
from tests.notebooks.single_route import CHAPTERS, Ran, run_route

import pytest

HERE = {
    "tensorflow": CHAPTERS,
    "pytorch": [path for path in CHAPTERS if path.stem == ON_BOTH_ROUTES or find_browser() is None],
}


@pytest.fixture(scope="module")
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_route(HERE[request.param], request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize(
    ("ran", "name"), [(route, path.name) for route, paths in HERE.items() for path in paths], indirect=["ran"]
)
def test_a_chapter_runs_on_the_route(ran: Ran, name: str) -> None:
    assert not ran.faults[name], "\n".join(ran.faults[name])
