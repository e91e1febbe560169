"""Records: what experiments too long for a page have shown, each with what made it.

records/NAME.json has two parts: "made_by" says how to make it again (command, recipe, versions), "runs" holds one
dictionary a run, each on a line of its own.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from resnet_lessons.training.checkpoints import write_file

RECORDS = Path(__file__).parent.parent / "records"
PACKAGES = ("torch", "keras", "tensorflow", "numpy", "scikit-learn")


def recorded(name: str) -> dict[str, Any]:
    """Return a recorded experiment: "made_by" (command, recipe, packages) and "runs" (one dictionary each).

    Raises
    ------
    ValueError
        If there is no such record; the message lists those there are.
    """
    path = RECORDS / f"{name}.json"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in RECORDS.glob("*.json")))
        raise ValueError(f"There is no record {name!r}; there are: {there}.")
    return json.loads(path.read_text(encoding="utf-8"))


def write_record(name: str, made_by: Mapping[str, Any], runs: Iterable[Mapping[str, Any]], digits: int = 5) -> Path:
    """Write what `recorded` reads, whole or not at all, and return the file.

    Parameters
    ----------
    name
        Of the record; an older one of that name is replaced.
    made_by
        See `provenance`.
    runs
        One dictionary a run, of what JSON can hold.
    digits
        Decimals to which every float in the runs is rounded.
    """
    head = json.dumps(made_by, indent=1).replace("\n", "\n ")
    lines = ",\n".join(f"  {json.dumps(_rounded(run, digits))}" for run in runs)
    path = RECORDS / f"{name}.json"
    write_file(path, f'{{\n "made_by": {head},\n "runs": [\n{lines}\n ]\n}}\n'.encode())
    return path


def provenance(script: str, packages: Sequence[str] = PACKAGES, **more: Any) -> dict[str, Any]:
    """Return what made a record: the command, whatever else is given (the recipe), and the versions it ran with.

    Parameters
    ----------
    script
        The program that is running, as it is called from the repository's root: "benchmarks/degradation.py".
    packages
        Those that the numbers depend on.
    """
    return {
        "command": " ".join(["python", script, *sys.argv[1:]]),
        **more,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages},
    }


def curves(history: Mapping[str, Any]) -> dict[str, Any]:
    """Return a history without its seconds, which say more about the machine than about the network."""
    return {name: values for name, values in history.items() if name != "seconds"}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        if package != "tensorflow":
            raise
        return metadata.version("tensorflow-cpu")  # the same, for processors alone


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, Mapping):
        return {key: _rounded(inner, digits) for key, inner in value.items()}
    return [_rounded(inner, digits) for inner in value] if isinstance(value, list | tuple) else value
