"""The lab, started for real: it answers on this computer only, asks for its token, and shows no news."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from resnet_lessons import notebook_server, progress, start_page

import pytest

START = """
import sys
from pathlib import Path
from resnet_lessons.start_page import Fresh
from resnet_lessons.notebook_server import serve
work = Path(sys.argv[1])
raise SystemExit(serve(work, int(sys.argv[2]), refresh=Fresh(work)))
"""


class Lab(NamedTuple):
    url: str
    port: int
    taken: int
    said: str
    process: subprocess.Popen[str]
    work: Path
    progress: Path

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    @property
    def token(self) -> str:
        return self.url.partition("token=")[2]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A running lab on a temporary folder, asked for a port that is taken; it knows nothing of the user's Jupyter."""
    home = tmp_path_factory.mktemp("home")
    work = home / "work"
    (work / "chapters").mkdir(parents=True)
    (work / "chapters" / "00_start_here.ipynb").write_text(
        json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "PYTHONUNBUFFERED": "1"}
    environment |= {f"JUPYTER_{kind}_DIR": str(home / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    environment |= {"RESNET_LESSONS_PROGRESS": str(home / "progress")}
    start_page.write(work, personal=False)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        environment.pop(name, None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        log = home / "log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", START, str(work), str(port)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        try:
            url, bound, said = _wait(process, log)
            yield Lab(url, bound, port, said, process, work, home / "progress")
        finally:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[str], log: Path) -> tuple[str, int, str]:
    for _ in range(300):
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\S+token=\w+(?=\n)", log.read_text())
        if found:
            return found[0], int(found[1]), log.read_text()
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"the lab did not start:\n{log.read_text()}")


def test_a_taken_port_is_no_failure(lab: Lab) -> None:
    assert lab.port != lab.taken
    assert f"Port {lab.taken} is taken" in lab.said


def test_the_printed_address_opens_the_start_page(lab: Lab) -> None:
    assert lab.url.startswith(f"http://127.0.0.1:{lab.port}/lab/tree/Start.md?token=")
    assert len(lab.token) >= 40
    assert "<title>JupyterLab</title>" in lab.get(lab.url.partition(str(lab.port))[2])


def test_without_a_start_page_the_first_chapter_is_opened(tmp_path: Path) -> None:
    assert notebook_server._first_page(tmp_path) == "/lab"
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "00_start_here.ipynb").touch()
    assert notebook_server._first_page(tmp_path) == "/lab/tree/chapters/00_start_here.ipynb"


def test_markdown_opens_as_a_page_to_read(lab: Lab) -> None:
    answer = lab.get(f"/lab/api/settings/@jupyterlab/docmanager-extension:plugin?token={lab.token}")
    assert json.loads(answer)["schema"]["properties"]["defaultViewers"]["default"] == {"markdown": "Markdown Preview"}


def test_the_folder_shows_a_learner_what_she_needs_and_no_more(lab: Lab) -> None:
    listed = json.loads(lab.get(f"/api/contents?token={lab.token}"))["content"]
    assert sorted(one["name"] for one in listed) == ["Review_and_help.ipynb", "Start.md", "chapters"]


def test_what_is_not_listed_opens_from_a_link_and_what_jupyter_hides_stays_hidden(lab: Lab) -> None:
    page = json.loads(lab.get(f"/api/contents/docs/glossary.md?token={lab.token}"))
    assert page["content"].startswith("# Glossary")
    (lab.work / "chapters" / "__pycache__").mkdir()
    listed = json.loads(lab.get(f"/api/contents/chapters?token={lab.token}"))["content"]
    assert [one["name"] for one in listed] == ["00_start_here.ipynb"]


def test_the_start_page_follows_what_is_noted_while_the_lab_runs(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Begin here" in (lab.work / "Start.md").read_text(encoding="utf-8")
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(lab.progress))
    progress.record("01_basic_block", "which", {"choice": "A", "first": True, "right": True})
    for _ in range(200):
        if "Where was I?" in (lab.work / "Start.md").read_text(encoding="utf-8"):
            return
        time.sleep(0.1)
    raise AssertionError("the page was not written anew")


def test_the_token_is_required(lab: Lab) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403"):
        lab.get("/api/contents")
    assert "login" in lab.get("/lab"), "without the token there is only the login page"
    assert "chapters" in lab.get(f"/api/contents?token={lab.token}")


def test_it_listens_on_this_computer_only(lab: Lab) -> None:
    """All of 127.0.0.0/8 is this computer, but only 127.0.0.1 was asked for: 0.0.0.0 would answer on both."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux answers on 127.0.0.2")
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", lab.port))


def page_config(lab: Lab) -> dict[str, Any]:
    page = lab.get(f"/lab?token={lab.token}")
    found = re.search(r'<script id="jupyter-config-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_what_the_tests_packages_add_to_jupyterlab_is_not_shown_to_learners(lab: Lab) -> None:
    """nbgrader's menu and buttons, and those of the notebook program that it brings along."""
    config = page_config(lab)
    added = {extension["name"] for extension in config["federated_extensions"]}
    assert added & set(config["disabledExtensions"]) == added - {
        "@jupyter-widgets/jupyterlab-manager",
        "jupyterlab_pygments",
        "resnet-lessons",
    }


def test_our_own_addition_to_jupyterlab_is_served(lab: Lab) -> None:
    (ours,) = (one for one in page_config(lab)["federated_extensions"] if one["name"] == "resnet-lessons")
    program = lab.get(f"/lab/extensions/resnet-lessons/{ours['load']}?token={lab.token}")
    assert f'"{ours["extension"]}": () =>' in program, "JupyterLab asks the program for this module"


def test_no_news_no_update_check_no_extension_manager(lab: Lab) -> None:
    config = page_config(lab)
    assert {
        "@jupyterlab/apputils-extension:announcements",
        "@jupyterlab/extensionmanager-extension",
    } <= set(config["disabledExtensions"])
    assert config["news"]["disabled"]
    answer = lab.get(f"/lab/api/settings/@jupyterlab/apputils-extension:notification?token={lab.token}")
    properties = json.loads(answer)["schema"]["properties"]
    assert properties["fetchNews"]["default"] == "false"
    assert properties["checkForUpdates"]["default"] is False


def test_it_says_no_more_than_a_learner_needs(lab: Lab) -> None:
    lines = [line for line in lab.said.splitlines() if line.strip()]
    assert len(lines) <= 4, lab.said


def test_ctrl_c_stops_it_at_once_and_counts_as_a_regular_end(lab: Lab) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows sends Ctrl-C to consoles only")
    lab.process.send_signal(signal.SIGINT)
    assert lab.process.wait(timeout=10) == 0


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "wayland-0"}, True), ({"BROWSER": "firefox"}, True)],
)
def test_a_browser_is_opened_only_where_there_is_a_screen(
    variables: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert notebook_server.has_screen() is expected
    assert ("--no-browser" in notebook_server._options(Path("work"), None, True)) is not expected
    assert "--no-browser" in notebook_server._options(Path("work"), None, False)


def test_it_runs_as_root_without_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert "--allow-root" in notebook_server._options(Path("work"), None, False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "--allow-root" not in notebook_server._options(Path("work"), None, False)


def test_keys_pressed_in_a_lab_do_not_reach_the_notebook() -> None:
    """Else an arrow in a list moves to another cell, and an x after it cuts that cell."""
    shortcuts = notebook_server._shortcuts()
    off = {json.dumps([s["command"], s["keys"]]) for s in shortcuts if s.get("disabled")}
    on = [s for s in shortcuts if not s.get("disabled")]
    assert {json.dumps([s["command"], s["keys"]]) for s in on} == off
    assert {"notebook:cut-cell", "notebook:delete-cell", "notebook:move-cursor-down"} <= {s["command"] for s in on}
    assert all(":focus:not(.jp-OutputArea-output *)" in s["selector"] and "," not in s["selector"] for s in on)


def test_a_saved_notebook_keeps_the_form_to_read_of_a_widget_that_no_later_kernel_knows() -> None:
    view = "application/vnd.jupyter.widget-view+json"
    bare = {"data": {view: {"model_id": "1"}, "text/plain": "a slider of one's own"}}
    lab = {"data": {view: {"model_id": "2"}, "text/html": "<p>Budget</p>", "text/plain": "Budget"}}
    cells = [{"cell_type": "markdown"}, {"cell_type": "code", "outputs": [{"name": "stdout", "text": "1"}, bare, lab]}]
    notebook_server._without_dead_widgets(model={"type": "notebook", "content": {"cells": cells}}, path="x.ipynb")
    assert list(lab["data"]) == ["text/html", "text/plain"]
    assert view in bare["data"], "without another form, nothing is taken away"
    notebook_server._without_dead_widgets(model={"type": "file", "content": "text"}, path="x.txt")
