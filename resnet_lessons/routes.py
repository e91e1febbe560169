"""Routes through the course: PyTorch, TensorFlow, or both.

A committed notebook holds every cell. Its cells are tagged ``pytorch``, ``tensorflow`` or ``both`` (needs both
frameworks); a cell without such a tag is for everyone. A learner's copy on a single route leaves out the others.
"""

from __future__ import annotations

import copy
from typing import Any

ROUTES = ("both", "pytorch", "tensorflow")


def keep_route(notebook: dict[str, Any], route: str) -> dict[str, Any]:
    """Return a copy of a notebook that holds the cells of one route.

    Parameters
    ----------
    notebook
        A notebook as `json.load` reads it (nbformat 4). It is left as it is.
    route
        ``"both"`` keeps every cell, ``"pytorch"`` and ``"tensorflow"`` those that need no other framework.

    Returns
    -------
    dict
        The copy. Execution counts run from 1 again without gaps, outputs stay, and
        ``metadata["resnet_lessons"]["route"]`` names the route.

    Raises
    ------
    ValueError
        For a route that does not exist, and for a cell tagged for two routes.

    Examples
    --------
    >>> def cell(source, *tags):
    ...     return {"cell_type": "markdown", "metadata": {"tags": list(tags)}, "source": source}
    >>> notebook = {"cells": [cell("all"), cell("torch", "pytorch"), cell("keras", "tensorflow")], "metadata": {}}
    >>> [c["source"] for c in keep_route(notebook, "pytorch")["cells"]]
    ['all', 'torch']
    """
    if route not in ROUTES:
        raise ValueError(f"there is no route {route!r}; choose one of {', '.join(map(repr, ROUTES))}")
    cells = [cell for number, cell in enumerate(notebook["cells"]) if _is_kept(cell, number, route)]
    result = {**copy.deepcopy({**notebook, "cells": []}), "cells": copy.deepcopy(cells)}
    result.setdefault("metadata", {}).setdefault("resnet_lessons", {})["route"] = route
    _renumber(result["cells"])
    return result


def cell_route(cell: dict[str, Any]) -> str | None:
    """Return the route tag of a cell, or None for a cell that everyone gets.

    Raises
    ------
    ValueError
        For a cell tagged for two routes: a cell that needs both frameworks has the one tag ``both``.
    """
    tags = sorted(set(cell.get("metadata", {}).get("tags", ())) & set(ROUTES))
    if len(tags) > 1:
        raise ValueError(
            f"the tags {' and '.join(map(repr, tags))} contradict each other; "
            "give a cell one of them, 'both' if it needs both frameworks, and none if everyone gets it"
        )
    return tags[0] if tags else None


def _is_kept(cell: dict[str, Any], number: int, route: str) -> bool:
    try:
        tag = cell_route(cell)
    except ValueError as error:
        raise ValueError(f"cell {number}: {error}") from None
    return route == "both" or tag in (None, route)


def _renumber(cells: list[dict[str, Any]]) -> None:
    """Close the gaps that dropped cells leave in the execution counts."""
    count = 0
    for cell in cells:
        if cell.get("execution_count") is None:
            continue
        count += 1
        cell["execution_count"] = count
        for output in cell.get("outputs", ()):
            if output["output_type"] == "execute_result":
                output["execution_count"] = count
