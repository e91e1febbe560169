"""The site is built from the saved notebooks, without a warning, and holds what they hold."""

import json
import re
from html.parser import HTMLParser
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("*.ipynb"))
EXERCISES = sorted(path.parent.name for path in (ROOT / "exercises").glob("*/exercise.ipynb"))


class Page(HTMLParser):
    """Collects the parts of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, {name: value or "" for name, value in attributes}))

    def all(self, tag: str, klass: str = "") -> list[dict[str, str]]:
        return [a for name, a in self.tags if name == tag and (not klass or klass in a.get("class", "").split())]


@pytest.fixture(scope="module")
def pages(site):
    """Every page by its address."""
    return {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}


def saved(path: str) -> dict:
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


def test_every_chapter_exercise_and_document_is_a_page_in_the_order_of_the_course(pages):
    names = [f"chapters/{name}.html" for name in CHAPTERS]
    names += [f"exercises/{name}/exercise.html" for name in EXERCISES]
    names += [f"docs/{path.stem}.html" for path in sorted((ROOT / "docs").glob("*.md"))]
    assert set(names) <= set(pages)
    listed = [link["href"] for link in pages["index.html"].all("a", "reference") if "internal" in link["class"]]
    assert [one for one in dict.fromkeys(listed) if one in names] != []
    assert set(names) <= set(listed)
    following = re.search(r'class="next-page" href="([^"]+)"', pages["chapters/01_basic_block.html"].text)
    assert following
    assert following[1] == "02_shortcut_projection.html"


def test_internal_links_lead_somewhere(site, pages):
    ids = {name: {a["id"] for _, a in page.tags if "id" in a} for name, page in pages.items()}
    broken = []
    for name, page in pages.items():
        for link in page.all("a"):
            path, fragment = urldefrag(link.get("href", ""))
            if re.match(r"[a-z]+:", path) or not (path or fragment):
                continue
            target = (site / name).parent.joinpath(unquote(path)).resolve() if path else site / name
            if not target.is_file():
                broken.append((name, link["href"]))
            elif fragment and target.suffix == ".html":
                other = target.relative_to(site.resolve()).as_posix() if path else name
                if unquote(fragment) not in ids[other]:
                    broken.append((name, link["href"]))
    assert broken == []


def test_nothing_is_fetched_from_elsewhere(pages):
    for name, page in pages.items():
        loaded = [a.get("src", "") for tag, a in page.tags if tag in ("script", "img", "iframe")]
        loaded += [a["href"] for a in page.all("link") if a.get("rel") != "canonical"]
        assert not [one for one in loaded if re.match(r"(https?:)?//", one)], name


def test_each_page_has_the_courses_sign(site, pages):
    for name, page in pages.items():
        (sign,) = [link["href"].partition("?")[0] for link in page.all("link") if "icon" in link.get("rel", "").split()]
        assert (site / name).parent.joinpath(sign).is_file(), name


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_keeps_its_outputs_pictures_and_alternative_texts(pages, name):
    page, notebook = pages[f"chapters/{name}.html"], saved(f"chapters/{name}.ipynb")
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and cell["id"] != "begin"]
    assert len(page.all("div", "cell")) == len(code)
    assert len(page.all("div", "cell_output")) == sum(bool(cell["outputs"]) for cell in code)
    html = "".join("".join(output.get("data", {}).get("text/html", "")) for cell in code for output in cell["outputs"])
    wanted = re.findall(r'\balt="([^"]+)"', html)
    assert len(re.findall(r'\balt="[^"]+"', page.text)) >= len(wanted)
    assert all(image.get("alt", "").strip() for image in page.all("img"))
    assert len(page.all("details")) >= sum("".join(c["source"]).count("<details") for c in notebook["cells"])


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_frameworks_are_tabs_that_switch_together(pages, name):
    cells = saved(f"chapters/{name}.ipynb")["cells"]
    tags = [next((t for t in cell["metadata"].get("tags", []) if t in ("pytorch", "tensorflow")), "") for cell in cells]
    labels = pages[f"chapters/{name}.html"].all("label", "sd-tab-label")
    assert bool(labels) == any(tags)
    assert {label["data-sync-id"] for label in labels} <= {"PyTorch", "TensorFlow"}
    runs = [{*run} for tagged, run in groupby(tags, key=bool) if tagged]
    assert len(labels) >= sum(len(run) for run in runs if len(run) == 2)


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_hides_its_solutions_behind_a_click_and_has_no_points(pages, name):
    page, notebook = pages[f"exercises/{name}/exercise.html"], saved(f"solutions/{name}/exercise.ipynb")
    solved = [c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("solution")]
    dropdowns = page.all("details", "sd-dropdown")
    assert len(dropdowns) == len(solved)
    assert not [one for one in dropdowns if "open" in one]
    assert "BEGIN SOLUTION" not in page.text
    assert "graded(" not in page.text


def test_the_reference_shows_docstrings(pages):
    for module in ("architecture", "torch_resnet", "tf_resnet", "parity", "training", "labs", "checks"):
        assert len(pages[f"api/{module}.html"].all("dl", "py")) > 2, module
    assert "first_divergence" in pages["api/parity.html"].text


def test_one_can_search_copy_and_choose_a_theme(site, pages):
    assert (site / "searchindex.js").stat().st_size > 100_000
    text = pages["chapters/03_bottleneck.html"].text
    assert "copybutton.js" in text
    assert "theme-toggle" in text
    assert 'role="search"' in text


def test_formulas_are_drawn_by_the_browser_itself(pages):
    assert "<math" in pages["chapters/primer.html"].text
    assert "MathJax" not in pages["chapters/primer.html"].text
