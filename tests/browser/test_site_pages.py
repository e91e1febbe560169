"""The site in the browser: from a server, as on the web, and opened as a file, as `make site` says."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.browser.jupyter import Watched
from tests.browser.looks import moving, sticking_out, violations

import pytest

CHAPTER = "chapters/02_shortcut_projection.html"
EXERCISE = "exercises/01_basic_block/exercise.html"
WIDTHS = (800, 1280)
PAGES = ("index.html", CHAPTER, "chapters/05_pre_activation.html", EXERCISE, "docs/claims.html", "api/parity.html")


class Site:
    """The site on a page of its own, with nothing remembered from another test."""

    def __init__(self, watched: Watched, address: str) -> None:
        self.watched, self.page, self.address = watched, watched.page, address

    def open(self, name: str) -> Any:
        """Open a page of the site."""
        self.page.goto(f"{self.address}/{name}")
        return self.page

    def at(self, name: str) -> None:
        """Wait until that page is open, with all that its scripts do at first."""
        self.page.wait_for_url(lambda url: re.split("[#?]", url)[0] == f"{self.address}/{name}", wait_until="load")


def ground(page: Any) -> str:
    """The colour behind the text."""
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


class Quiet(SimpleHTTPRequestHandler):
    """Hands out files, and writes no log."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where a server hands out the site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def reader(browser: Any, address: str) -> Iterator[Site]:
    """A reader's window, 1280 wide, on a system with a light theme."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.set_default_timeout(20_000)
    watched = Watched(context.new_page())
    yield Site(watched, address)
    assert watched.console == []
    assert watched.elsewhere == []
    context.close()


def test_tabs_switch_together_and_are_remembered_on_the_next_page(reader: Site) -> None:
    page = reader.open(CHAPTER)
    pytorch, tensorflow = (page.locator(f".sd-tab-label[data-sync-id={name}]") for name in ("PyTorch", "TensorFlow"))
    tags = [page.locator(f".sd-tab-content .tag_{name}") for name in ("pytorch", "tensorflow")]

    def shown() -> tuple[int, int]:
        pt, tf = (tag.evaluate_all("all => all.filter(one => one.offsetHeight).length") for tag in tags)
        return pt, tf

    assert shown()[0] > 3
    assert shown()[1] == 0
    tensorflow.nth(1).click()
    assert shown()[0] == 0
    assert shown()[1] > 3, "all sets of tabs follow the one that was clicked"
    page.get_by_role("link", name=re.compile("^Next")).click()
    reader.at("chapters/03_bottleneck.html")
    assert shown()[0] == 0
    assert shown()[1] > 3, "the choice holds on the next page"
    pytorch.first.click()
    assert shown()[0] > 3


def test_tabs_are_chosen_with_the_keyboard(reader: Site) -> None:
    page = reader.open(CHAPTER)
    page.locator(".sd-tab-set > input").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".sd-tab-content .tag_tensorflow").first.is_visible()


def test_a_search_finds_a_word_and_leads_to_its_page(reader: Site) -> None:
    page = reader.open("index.html")
    page.get_by_role("textbox", name="Search").first.fill("bottleneck")
    page.keyboard.press("Enter")
    found = page.locator("#search-results a[href^='chapters/03_bottleneck.html']").first
    found.click()
    reader.at("chapters/03_bottleneck.html")
    assert "bottleneck" in page.locator("article").inner_text().lower()


def test_opened_as_a_file_it_works_too(reader: Site, site: Path) -> None:
    reader.address = site.as_uri()
    page = reader.open(CHAPTER)
    page.locator(".sd-tab-label[data-sync-id=TensorFlow]").first.click()
    page.get_by_role("link", name=re.compile("^Next")).click()
    reader.at("chapters/03_bottleneck.html")
    assert page.locator(".sd-tab-content .tag_tensorflow:visible").count() > 3
    page.get_by_role("textbox", name="Search").first.fill("bottleneck")
    page.keyboard.press("Enter")
    page.locator("#search-results a", has_text="Bottleneck").first.wait_for()
    # A browser lets no file read another one, so Sphinx shows no excerpts here, and the console says so.
    page.goto("about:blank")
    reader.watched.forget()


def test_previous_and_next_follow_the_course(reader: Site) -> None:
    page = reader.open("chapters/00_start_here.html")
    for number in ("01_basic_block", "02_shortcut_projection"):
        page.get_by_role("link", name=re.compile("^Next")).click()
        reader.at(f"chapters/{number}.html")
    page.get_by_role("link", name=re.compile("^Previous")).click()
    reader.at("chapters/01_basic_block.html")


def test_a_copy_button_copies_the_cell(reader: Site) -> None:
    page = reader.open(CHAPTER)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cell = page.locator(".cell_input .highlight:visible").first
    cell.hover()
    cell.locator("button.copybtn").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip().split() == cell.locator("pre").inner_text().split()
    assert "import" in copied


def test_a_solution_is_seen_after_a_click_only(reader: Site) -> None:
    page = reader.open(EXERCISE)
    solution = page.locator("details.sd-dropdown").first
    code = solution.locator("pre")
    assert not code.is_visible()
    solution.locator("summary").click()
    assert code.is_visible()
    assert "return" in code.inner_text()


def test_a_lab_is_shown_by_its_snapshot(reader: Site) -> None:
    page = reader.open(CHAPTER)
    assert page.get_by_text("Make this addition legal").first.is_visible()


def test_the_theme_is_switched_by_its_button(reader: Site) -> None:
    page = reader.open("index.html")
    seen = {ground(page)}
    for _ in range(3):
        page.locator(".theme-toggle:visible").first.click()
        seen.add(ground(page))
    assert len(seen) == 2


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_labels_and_contrast_in_both_themes_and_fits(reader: Site, name: str) -> None:
    # One style sheet colours all code; that of the exercise is enough, and that of a chapter takes axe ten seconds.
    code = ".cell_input .highlight" if name.startswith("chapters/") else ""
    page = reader.open(name)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{width} px wide"
        assert sticking_out(page, "article", "img, svg, table, pre, .sd-tab-set") == [], f"{width} px wide"
    page.evaluate("document.querySelectorAll('article details').forEach(one => { one.open = true })")
    assert violations(page, "article", but=code) == []
    light = ground(page)
    page.emulate_media(color_scheme="dark")
    assert ground(page) != light
    assert violations(page, "article", but=code, rule="color-contrast") == []  # the themes differ in nothing else


def test_nothing_moves_for_who_asked_for_no_motion(reader: Site) -> None:
    assert moving(reader.open(CHAPTER), "article") == []


def test_pictures_have_their_words(reader: Site) -> None:
    page = reader.open(CHAPTER)
    alts = page.locator("article img").evaluate_all("all => all.map(one => one.alt)")
    assert alts
    assert all(alts)
    saved = json.dumps(json.loads((Path(__file__).parents[2] / "chapters/02_shortcut_projection.ipynb").read_text()))
    assert all(json.dumps(alt)[1:30] in saved for alt in alts)
