"""Shows in a terminal how the tasks of a notebook stand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .notebook import Report, check_notebook
from .outcome import MARKS


def show(path: Path, seconds: float, as_json: bool, explain: bool = False) -> int:
    """Check a notebook and print a table, or JSON; return 1 unless all tasks are right."""
    report = check_notebook(path, seconds=seconds)
    if as_json:
        sys.stdout.write(json.dumps(report.to_dict(), indent=2, ensure_ascii=False) + "\n")
    else:
        _print(report, explain)
    return int(report.right < len(report.outcomes))


def _print(report: Report, explain: bool) -> None:
    """What was seen of each task; the mistakes' names only if they were asked for."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("task", "", "what was seen"):
        table.add_column(heading, overflow="fold")
    for key, outcome in report.outcomes.items():
        seen = outcome["observed"][0] if outcome["observed"] and outcome["status"] != "right" else ""
        table.add_row(key, f"{MARKS[outcome['status']]} {outcome['status']}", seen)
    console = Console(highlight=False, markup=False)
    console.print(table)
    console.print(f"\n{report.right} of {len(report.outcomes)} right.")
    for note in report.notes:
        console.print(note)
    named = {key: outcome for key, outcome in report.outcomes.items() if outcome["mistakes"]}
    if explain:
        for key, outcome in named.items():
            console.print(f"\n{key}: {outcome['explanation']}")
    elif named:
        console.print(f"--explain names the mistakes in {', '.join(named)}.")
