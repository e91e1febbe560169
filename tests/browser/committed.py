"""Whether a notebook shows in the browser what was committed: nbval's question, asked of outputs that are there already."""

from __future__ import annotations

import difflib
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbval.plugin import get_sanitize_patterns

TESTS = Path(__file__).parents[1]
# As nbval does, by default and by our patterns: widgets have random names, and pictures depend on what draws them.
_NOT_COMPARED = {"application/vnd.jupyter.widget-view+json", "image/png", "image/jpeg"}
_PATTERNS = get_sanitize_patterns((TESTS / "nbval_sanitize.cfg").read_text(encoding="utf-8"))


def differences(notebook: dict[str, Any], shown: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What differs, cell by cell.

    Parameters
    ----------
    notebook
        As it was committed.
    shown
        The outputs of each code cell, by its id.
    """
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["id"] for cell in cells] == list(shown), "not the same cells"
    return [line for cell in cells for line in _of_a_cell(cell, shown[cell["id"]])]


def _of_a_cell(cell: dict[str, Any], outputs: list[dict[str, Any]]) -> Iterator[str]:
    if "nbval-ignore-output" in cell["metadata"].get("tags", ()):
        return
    expected, found = _lines(cell["outputs"]), _lines(outputs)
    for kind in sorted({*expected, *found}):
        lines = difflib.unified_diff(
            expected.get(kind, []), found.get(kind, []), "committed", "shown", n=0, lineterm=""
        )
        if changed := [line[:200] for line in lines]:
            yield "\n".join([f"cell {cell['id']}, {kind}:", *changed[:20]])


def _lines(outputs: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The lines of each kind of output."""
    texts: dict[str, str] = defaultdict(str)
    for output in outputs:
        if output["output_type"] == "stream":  # which comes in pieces, cut anywhere
            texts[output["name"]] += "".join(output["text"])
        elif output["output_type"] == "error":
            texts["error"] += f"{output['ename']}: {output['evalue']}"
        else:
            for kind in output["data"].keys() - _NOT_COMPARED:
                data = output["data"][kind]
                texts[kind] += "\n[output]\n" + (json.dumps(data) if isinstance(data, dict) else "".join(data))
    return {kind: _sanitized(text).splitlines() for kind, text in texts.items()}


def _sanitized(text: str) -> str:
    for pattern, replacement in _PATTERNS:
        text = re.sub(pattern, replacement, text)
    return text
