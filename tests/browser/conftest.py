"""One JupyterLab for all tests of a worker, one page for those of a file; where there is no browser, they are skipped."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resnet_lessons import learner, start_page

import pytest

pytest.register_assert_rewrite(
    *(f"tests.browser.{name}" for name in ("every_chapter", "committed", "looks", "lab_hands"))
)

from tests.browser.every_chapter import Chapter, open_and_run  # noqa: E402
from tests.browser.here import ON_BOTH_ROUTES, find_browser  # noqa: E402
from tests.browser.jupyter import Jupyter, Watched  # noqa: E402

NO_BROWSER = (
    "no Chromium here: install the package `chromium` (Debian, Ubuntu, Homebrew) or Google Chrome, or name its program "
    "in the environment variable CHROMIUM"
)
OPTIONS = [
    "--headless",
    "--no-sandbox",  # its own needs rights that containers lack; only this course's pages are opened
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever a page asks for elsewhere fails, and so appears in its console.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
TOKEN = "browser-tests"
START = """
import sys
from pathlib import Path
from resnet_lessons.notebook_server import serve
raise SystemExit(serve(Path(sys.argv[1]), int(sys.argv[2]), False, sys.argv[3:]))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium, with a fresh profile.

    It ends with the file: as long as Playwright runs, nothing else in its process can use asyncio, as nbclient does.
    """
    program = find_browser()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def watched(browser: Any) -> Watched:
    """The one page of this file, and what it said and asked for."""
    return Watched(browser.new_page(viewport={"width": 1280, "height": 900}))


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A learner's folder on the PyTorch route; a chapter and the first exercise hold both frameworks."""
    folders = {route: tmp_path_factory.mktemp(route) for route in ("both", "pytorch")}
    for route, folder in folders.items():
        learner.start(route, folder)
    for name in (f"chapters/{ON_BOTH_ROUTES}.ipynb", "exercises/01_basic_block/exercise.ipynb"):
        shutil.copy(folders["both"] / name, folders["pytorch"] / name)
    start_page.write(folders["pytorch"])
    return folders["pytorch"]


@pytest.fixture(scope="session")
def server(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that was started as `make lab` starts it, on the learner's folder."""
    home = tmp_path_factory.mktemp("home")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTEST"))}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "JUPYTER_TOKEN": TOKEN}
    environment |= {f"JUPYTER_{kind}_DIR": str(home / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    environment |= {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "RESNET_LESSONS_PROGRESS": str(home / "progress"),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # So that a test can ask which cells still run, in JupyterLab and in Notebook 7.
    options = ["--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"]
    log = home / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(work), str(port), *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _address(process, log)
    finally:
        process.terminate()  # stops its kernels, too
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the server says that it is."""
    for _ in range(600):
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            return found[0]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")


@pytest.fixture(scope="module")
def jupyter(watched: Watched, server: str) -> Iterator[Jupyter]:
    """JupyterLab in the browser."""
    opened = Jupyter(watched, server, TOKEN)
    yield opened
    opened.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of `EveryChapter` for each chapter of its class, one chapter after the other."""
    if "chapter" in metafunc.fixturenames:
        metafunc.parametrize("chapter", metafunc.cls.CHAPTERS, indirect=True, scope="class")


@pytest.fixture(scope="class")
def chapter(request: pytest.FixtureRequest, jupyter: Jupyter, work: Path) -> Chapter:
    """A chapter that is open and has run."""
    return open_and_run(request.param, jupyter, work)
