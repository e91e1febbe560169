"""Closes the holes that nbval's strict mode leaves: a pytest plugin, and the lint behind it.

nbval compares what a cell prints with what the notebook holds. It passes cells that were never run, does not look at
pictures, text cells, tags or metadata. `find_faults` does; the plugin adds it to each notebook as the item ``guards``.

The plugin also gives each notebook an empty progress store, and reads a cell's own time limit, in seconds, from
``cell.metadata["resnet_lessons"]["timeout"]``.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

ROUTE_TAGS = {"pytorch", "tensorflow", "both"}
TAGS = ROUTE_TAGS | {"nbval-ignore-output", "raises-exception", "hide-input", "hide-output"}
CELL_METADATA = {"tags", "nbgrader", "resnet_lessons", "jupyter", "slideshow", "editable", "deletable"}
NOTEBOOK_METADATA = {"kernelspec", "language_info", "resnet_lessons"}
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
# Without Python's version, which would change the file on each machine that runs it.
LANGUAGE_INFO = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
RUN = "run `make chapters`"
WIDGET = "application/vnd.jupyter.widget-view+json"
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/svg+xml")

_MACHINE_PATH = re.compile(
    r"(?<![\w.+=~-])/(?:home|Users|root|work|tmp|mnt|content|private|var/folders)/[\w.-]+"
    r"|\b[A-Z]:\\+(?:Users|Windows|Program|Temp|Documents|Python)[\w.-]*"
)
_WARNING = re.compile(r"\w*Warning:")
_MARKER = re.compile(r"^\s*#\s*((?:NBVAL|PYTEST_VALIDATE)_\w+)\s*$", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_DATA_URI = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]*")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)


def find_faults(notebook: dict[str, Any]) -> list[str]:
    """Return what is wrong with a notebook that is to be committed, one line a fault, with the cell and the cure.

    Cells are counted from 0 as nbval does (code cells only) and named by the first line of their source.
    """
    faults = list(_notebook_faults(notebook))
    number, last_count, seen = -1, 0, set()
    for position, cell in enumerate(notebook.get("cells", ())):
        is_code = cell["cell_type"] == "code"
        number += is_code
        source = _text(cell["source"])
        first_line = next(iter(source.strip().splitlines()), "")[:60]
        place = f"code cell {number}" if is_code else f"text cell at position {position}"
        found = list(_cell_faults(cell, source))
        if cell.get("id") in seen:
            found.append("its id occurs twice; give each cell an id of its own")
        seen.add(cell.get("id"))
        if is_code:
            found += _code_faults(cell, source)
            if cell.get("execution_count") is not None:
                if cell["execution_count"] != last_count + 1:
                    found.append(
                        f"ran as number {cell['execution_count']}, expected {last_count + 1}: "
                        f"not run from top to bottom in a fresh kernel; {RUN}"
                    )
                last_count = cell["execution_count"]
        faults += [f"{place} ({first_line!r}): {fault}" for fault in found]
    return list(dict.fromkeys(faults))


def _notebook_faults(notebook: dict[str, Any]) -> Iterator[str]:
    metadata = notebook.get("metadata", {})
    if (notebook.get("nbformat"), notebook.get("nbformat_minor")) != (4, 5):
        yield f"the format is not 4.5; {RUN}"
    if metadata.get("kernelspec", {}).get("name") != "python3":
        yield f"the kernel is {metadata.get('kernelspec', {}).get('name')!r}, not 'python3'; {RUN}"
    elif metadata["kernelspec"] != KERNELSPEC:
        yield f"the kernel's metadata are not the plain ones; {RUN}"
    if metadata.get("language_info") != LANGUAGE_INFO:
        yield f"language_info is not the one without versions; {RUN}"
    if extra := sorted(set(metadata) - NOTEBOOK_METADATA):
        yield f"metadata that no reader needs: {', '.join(extra)}; {RUN}"


def _cell_faults(cell: dict[str, Any], source: str) -> Iterator[str]:
    if not cell.get("id"):
        yield f"has no id; {RUN}"
    metadata = cell.get("metadata", {})
    tags = set(metadata.get("tags", ()))
    if unknown := sorted(tags - TAGS):
        yield f"unknown or banned tag {', '.join(map(repr, unknown))}; allowed: {', '.join(sorted(TAGS))}"
    if len(tags & ROUTE_TAGS) > 1:
        yield f"tagged for two routes ({', '.join(sorted(tags & ROUTE_TAGS))}); 'both' means: needs both frameworks"
    if extra := sorted(set(metadata) - CELL_METADATA):
        yield f"metadata that no reader needs: {', '.join(extra)}; {RUN}"
    if path := _MACHINE_PATH.search(_DATA_URI.sub("", source)):
        yield f"names a path of one machine: {path[0]!r}; use a relative path"
    if cell["cell_type"] == "markdown":
        yield from _markdown_faults(source)
        if cell.get("attachments"):
            yield "has pictures attached to it; show them from code, or link to a file"


def _code_faults(cell: dict[str, Any], source: str) -> Iterator[str]:
    count, outputs = cell.get("execution_count"), cell.get("outputs", ())
    if source.strip() and count is None:
        yield f"was never run, so nothing checks it; {RUN}"
    if not source.strip() and (count is not None or outputs):
        yield f"is empty but has outputs or a number; {RUN}"
    last_line = next((line for line in reversed(source.splitlines()) if line.strip()), "")
    if re.search(r";\s*(#[^'\"]*)?$", last_line) and not last_line.lstrip().startswith("#"):
        yield "ends in ';', which hides the value in a notebook but not in its test; assign the value, or end in None"
    if marker := _MARKER.search(source):
        yield f"the comment {marker[1]} is shown to learners; use a tag"
    for output in outputs:
        yield from _output_faults(output, cell.get("metadata", {}).get("tags", ()))


def _output_faults(output: dict[str, Any], tags: list[str]) -> Iterator[str]:
    kind = output["output_type"]
    if kind == "stream" and output["name"] == "stderr":
        said = _text(output["text"]).strip()
        cure = "import resnet_lessons before TensorFlow" if "absl::" in said else "remove the cause"
        yield f"wrote to stderr: {said[:100]!r}; {cure}, then {RUN}"
    if kind == "error" and "raises-exception" not in tags:
        yield f"ended in {output['ename']}; repair it, or tag the cell 'raises-exception' if that is the lesson"
    data = {mime: _text(value) for mime, value in output.get("data", {}).items() if not isinstance(value, dict)}
    if WIDGET in output.get("data", {}):
        yield f"holds a reference to a widget of a kernel that is gone, shown as 'model not found'; {RUN}"
    if any(mime in data for mime in PICTURES) and "text/html" not in data:
        yield (
            "a picture without alt text, which JupyterLab shows only for a picture in HTML: "
            'display <img alt="what it shows" src="data:…"> as text/html, as the helpers in `figures` do'
        )
    yield from _html_faults(data.get("text/html", ""))
    yield from _markdown_faults(data.get("text/markdown", ""))
    texts = [
        _text(output.get("text", "")),
        output.get("evalue", ""),
        _COLOUR.sub("", "\n".join(output.get("traceback", ()))),
    ]
    texts += [_DATA_URI.sub("", text) for mime, text in data.items() if mime not in PICTURES]
    if path := next(filter(None, map(_MACHINE_PATH.search, texts)), None):
        yield f"its output names a path of one machine: {path[0]!r}; print a name or a relative path"
    if kind != "error" and (warning := next(filter(None, map(_WARNING.search, texts)), None)):
        yield f"its output holds a warning ({warning[0]!r}); remove the cause, then {RUN}"


def _markdown_faults(text: str) -> Iterator[str]:
    prose = _INLINE_CODE.sub("", _FENCE.sub("", text))
    yield from _html_faults(prose)
    if re.search(r"!\[\s*\](?=[(\[])", prose):
        yield "a picture without alt text: write ![what it shows](address)"


def _html_faults(text: str) -> Iterator[str]:
    if "<img" not in text.lower() and "<svg" not in text.lower():
        return
    pictures = _Pictures()
    pictures.feed(text)
    pictures.close()
    if pictures.images_without_alt:
        yield 'an <img> without alt text: write alt="what it shows"'
    if any(not (svg["role"] and svg["name"]) for svg in pictures.drawings):
        yield 'an <svg> that a screen reader cannot name: give it role="img" and an aria-label or a <title>'


class _Pictures(HTMLParser):
    """Collects what pictures in HTML offer to those who do not see them."""

    def __init__(self) -> None:
        super().__init__()
        self.images_without_alt = 0
        self.drawings: list[dict[str, bool]] = []
        self._in_svg = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "img" and not (given.get("alt") or "").strip():
            self.images_without_alt += 1
        if tag == "svg":
            if not self._in_svg:
                named = bool((given.get("aria-label") or "").strip())
                self.drawings.append({"role": given.get("role") == "img", "name": named})
            self._in_svg += 1
        self._in_title = tag == "title" and self._in_svg == 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        self._in_svg -= tag == "svg" and self._in_svg > 0
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title and data.strip():
            self.drawings[-1]["name"] = True


def _text(value: Any) -> str:
    """Return a notebook's text, which is a string or a list of lines."""
    return "".join(value) if isinstance(value, list) else str(value)


# The plugin.


class GuardsFile(pytest.File):
    """A notebook once more, beside nbval's own collector."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the one item."""
        yield GuardsItem.from_parent(self, name="guards")


class GuardsItem(pytest.Item):
    """Fails with all faults of one notebook."""

    def runtest(self) -> None:
        """Lint the notebook."""
        try:
            notebook = json.loads(self.path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise NotebookFaultError([f"is no notebook: {error}"]) from None
        if faults := find_faults(notebook):
            raise NotebookFaultError(faults)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """List the faults, without a traceback."""
        if not isinstance(excinfo.value, NotebookFaultError):
            return super().repr_failure(excinfo, style)
        return "\n".join([f"{self.path.name} is not fit to be committed:", *(f"  {f}" for f in excinfo.value.faults)])

    def reportinfo(self) -> tuple[Any, int, str]:
        """Name the item in reports."""
        return self.path, 0, f"{self.path.name}::guards"


class NotebookFaultError(Exception):
    """The faults of one notebook."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let nbval find its patterns from whichever folder pytest is started in."""
    if config.getoption("nbval", False) and config.option.nbval_sanitize_with is None:
        config.option.nbval_sanitize_with = str(Path(__file__).with_name("nbval_sanitize.cfg"))


def pytest_collect_file(file_path: Any, parent: pytest.Collector) -> GuardsFile | None:
    """Add the guards to each notebook that nbval collects."""
    if file_path.suffix == ".ipynb" and parent.config.getoption("nbval", False):
        return GuardsFile.from_parent(parent, path=file_path)
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before nbval's cells: an empty progress store for each kernel, and the cell's own time limit."""
    cell, parent = getattr(item, "cell", None), item.parent
    if cell is None or not hasattr(parent, "kernel"):
        return
    option = item.config.option
    if not hasattr(option, "nbval_cell_timeout_of_the_session"):
        option.nbval_cell_timeout_of_the_session = option.nbval_cell_timeout
    own = cell.metadata.get("resnet_lessons", {}).get("timeout")
    option.nbval_cell_timeout = option.nbval_cell_timeout_of_the_session if own is None else float(own)
    if parent.kernel is None:  # it is about to start, and takes the environment as it is then
        parent.resnet_lessons_scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        os.environ["RESNET_LESSONS_PROGRESS"] = parent.resnet_lessons_scratch.name
