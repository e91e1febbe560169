"""Make the course's site from the saved notebooks; `make site` calls it. Nothing is executed.

    python tools/site.py [--output build/site]

Copies of the notebooks are prepared for reading (frameworks marked for tabs, solutions behind a click, links that lead
nowhere on a site taken out), and Sphinx makes pages of them. A warning of Sphinx, such as a broken link, fails the build.
"""

from __future__ import annotations

import argparse
import html
import json
import posixpath
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from resnet_lessons.labs.lab import BEGIN

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "docs" / "site"
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")  # at the top, and no part of the site
FRAMEWORKS = ("pytorch", "tensorflow")
MODULES = {
    "The networks": ("architecture", "torch_resnet", "tf_resnet", "parity", "pretrained"),
    "Data and training": ("datasets", "training"),
    "In the notebooks": ("figures", "labs", "checks", "progress", "doctor"),
}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")


def main(arguments: list[str] | None = None) -> int:
    """Build the site; return 1 if Sphinx has anything to complain about."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "site")
    output = parser.parse_args(arguments).output
    from sphinx.cmd.build import main as sphinx

    with tempfile.TemporaryDirectory(prefix="resnet-lessons-site-") as folder:
        source = Path(folder) / "source"
        prepare(source)
        status = sphinx(
            ["-q", "-W", "--keep-going", "-b", "html", "-d", f"{folder}/doctrees", str(source), str(output)]
        )
    if status == 0:
        print(f"{output / 'index.html'}: open it in a browser")
    return int(status)


def prepare(source: Path) -> None:
    """Write what Sphinx reads into a folder."""
    shutil.copytree(SITE, source, ignore=shutil.ignore_patterns("__pycache__"))
    chapters = sorted((ROOT / "chapters").glob("*.ipynb"))
    exercises = sorted((ROOT / "exercises").glob("*/exercise.ipynb"))
    docs = sorted((ROOT / "docs").glob("*.md"))
    pages = {path.relative_to(ROOT).as_posix() for path in (*chapters, *exercises, *docs)}
    for path in (*chapters, *exercises, *docs):
        name = path.relative_to(ROOT).as_posix()
        copy = source / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            copy.write_text(without_dead_links(path.read_text(encoding="utf-8"), name, pages), encoding="utf-8")
            continue
        notebook = json.loads(path.read_text(encoding="utf-8"))
        solutions = answers(path.parent.name) if path in exercises else {}
        notebook["cells"] = list(readable(notebook["cells"], name, pages, solutions))
        notebook["nbformat_minor"] = 4  # the first without names of cells: those that are made here have none
        copy.write_text(json.dumps(notebook), encoding="utf-8")
    write_index(source, chapters, exercises, docs)
    write_api(source)


def readable(
    cells: list[dict[str, Any]], name: str, pages: set[str], solutions: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield a notebook's cells as the site shows them."""
    for cell, route in zip(cells, routes(cells), strict=True):
        text, metadata = "".join(cell["source"]), cell["metadata"]
        grading = metadata.get("nbgrader", {})
        if grading.get("locked") or cell.get("id") in ("points-text", "begin"):
            continue  # an instructor's points; one's own progress
        cell.pop("id", None)
        if cell["cell_type"] == "markdown":
            yield from _markdown(without_dead_links(text, name, pages), route)
        else:
            metadata["tags"] = [f"{route}"] if route else []
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                if "text/html" in data:
                    text = "".join(data["text/html"]).replace(BEGIN, "It runs in the notebook.")
                    data["text/html"] = _links_to_pages(text)
            yield cell
        if (task := grading.get("grade_id")) in solutions:
            code = cell["cell_type"] == "code"
            body = f"```python\n{solutions[task].strip()}\n```" if code else solutions[task].strip()
            yield from _markdown(f":::{{dropdown}} One solution\n{body}\n:::", route)


def routes(cells: list[dict[str, Any]]) -> list[str | None]:
    """Return the tab that each cell belongs to.

    What readers of both frameworks see between PyTorch's cells and TensorFlow's speaks of the translation: it goes with the
    second.
    """
    known = (*FRAMEWORKS, "both")
    tags = [next((tag for tag in cell["metadata"].get("tags", []) if tag in known), None) for cell in cells]
    found = list(tags)
    for tag, group in groupby(range(len(tags)), key=tags.__getitem__):
        places = list(group)
        around = tags[places[0] - 1], tags[min(places[-1] + 1, len(tags) - 1)]
        if tag == "both":
            found[places[0] : places[-1] + 1] = [FRAMEWORKS[1] if around == FRAMEWORKS else None] * len(places)
    return found


def _markdown(text: str, route: str | None) -> Iterator[dict[str, Any]]:
    if route:  # its heading is the tab's name
        text = re.sub(r"^#+ In (PyTorch|TensorFlow)$", "", text, flags=re.MULTILINE).strip()
        text = re.sub(r"^#+ (.+)$", r"**\1**", text, flags=re.MULTILINE)
        text = text and f"::::{{container}} tag_{route}\n{text}\n::::"
    if text:
        yield {"cell_type": "markdown", "metadata": {}, "source": _links_to_pages(text)}


def _links_to_pages(text: str) -> str:
    """In HTML, a link to a notebook leads to its page."""
    return re.sub(r'(<a\b[^>]*href="(?![a-z]+:)[^"#]*)\.(?:ipynb|md)\b', r"\1.html", text)


def without_dead_links(text: str, name: str, pages: set[str]) -> str:
    """Keep links that lead to a page of the site or out of it; of the others, keep the text."""

    def replaced(found: re.Match[str]) -> str:
        picture, label, target = found.groups()
        path = target.partition("#")[0]
        if picture or re.match(r"[a-z]+:", target) or not path:
            return found[0]
        return found[0] if posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) in pages else label

    return LINK.sub(replaced, text)


def answers(exercise: str) -> dict[str, str]:
    """Return what the solutions have in each cell that a learner fills, by nbgrader's name of the cell."""
    notebook = json.loads((ROOT / "solutions" / exercise / "exercise.ipynb").read_text(encoding="utf-8"))
    found = {}
    for cell in notebook["cells"]:
        grading = cell["metadata"].get("nbgrader", {})
        if grading.get("solution"):
            text = "".join(cell["source"])
            inside = re.findall(r"### BEGIN SOLUTION\n(.*?)\s*### END SOLUTION", text, re.DOTALL)
            top = inside and not inside[0].lstrip("\n").startswith(" ")
            plain = re.sub(r"^ *### (?:BEGIN|END) SOLUTION\n?", "", text, flags=re.MULTILINE)
            found[grading["grade_id"]] = "\n".join(inside) if top else plain
    return found


def write_index(source: Path, chapters: list[Path], exercises: list[Path], docs: list[Path]) -> None:
    """Fill in the first page: the table of chapters is the README's."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| chapter \| .*\n(?:\|.*\n)+", readme, re.MULTILINE)
    fill = {
        "@CHAPTERS@": table,
        "@CHAPTER_PAGES@": "\n".join(f"chapters/{path.stem}" for path in chapters),
        "@EXERCISE_PAGES@": "\n".join(f"exercises/{path.parent.name}/exercise" for path in exercises),
        "@DOC_PAGES@": "\n".join(f"docs/{path.stem}" for path in docs),
    }
    text = (source / "index.md").read_text(encoding="utf-8")
    for mark, value in fill.items():
        text = text.replace(mark, value)
    (source / "index.md").write_text(text, encoding="utf-8")


def write_api(source: Path) -> None:
    """Write a page for each public module, and their list."""
    (source / "api").mkdir()
    lines = ["# Reference", "", "What the notebooks import, from the docstrings of `resnet_lessons`.", ""]
    for title, names in MODULES.items():
        lines += [f"## {title}", "", "```{toctree}", ":maxdepth: 1", "", *(f"api/{name}" for name in names), "```", ""]
        for name in names:
            page = f"# {html.escape(name)}\n\n```{{eval-rst}}\n.. automodule:: resnet_lessons.{name}\n```\n"
            (source / "api" / f"{name}.md").write_text(page, encoding="utf-8")
    (source / "api.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
