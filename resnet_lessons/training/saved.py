"""What is on disk about trained networks: where a run's weights are, what they are for, and a table of runs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from resnet_lessons.training import checkpoints
from resnet_lessons.training.recipe import History, Recipe
from resnet_lessons.training.run_folder import RUNS


class Run(NamedTuple):
    """One run's folder, read."""

    path: Path
    facts: dict[str, Any]  # run.json
    history: History

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.path.name

    @property
    def recipe(self) -> Recipe:
        """The recipe that it follows."""
        return Recipe.from_dict(self.facts["recipe"])

    @property
    def finished(self) -> bool:
        """Whether its training came to its end."""
        return (self.path / checkpoints.WEIGHTS).exists()


def read_run(path: Path) -> Run:
    """Read a run's folder; a bare name is looked for in runs/.

    Raises
    ------
    ValueError
        If there is none; the message lists those there are.
    """
    found = next((place for place in (path, RUNS / path) if (place / "run.json").is_file()), None)
    if found is None:
        there = ", ".join(str(one) for one in _folders(RUNS)) or f"nothing in {RUNS}/"
        raise ValueError(f"{path} is no run's folder (it would hold a run.json); there is: {there}.")
    try:
        facts = json.loads((found / "run.json").read_text(encoding="utf-8"))
        history = _read_history(found / "history.csv")
    except (ValueError, KeyError) as error:
        raise ValueError(f"{found} cannot be read: {error}") from error
    return Run(found, facts, history)


def all_runs(folder: Path = RUNS) -> list[Run]:
    """Return the runs in a folder, by name."""
    return [read_run(path) for path in _folders(folder)]


def find_weights(path: Path) -> Path:
    """Return the weights file that a path means: a file, a checkpoint's folder, or a run's (its last weights).

    Raises
    ------
    ValueError
        If a folder holds none.
    """
    if not path.is_dir() and not (RUNS / path / "run.json").exists():
        return path
    folder = path if path.is_dir() else RUNS / path
    candidates = [folder, *reversed(checkpoints.listed(folder / "checkpoints"))]
    found = next((place / checkpoints.WEIGHTS for place in candidates if (place / checkpoints.WEIGHTS).exists()), None)
    if found is None:
        raise ValueError(f"{str(path)!r} is a folder without weights; give a weights file, or the folder of a run.")
    return found


def about(path: Path) -> dict[str, Any]:
    """Return what a weights file says about the images it is for: "data", "classes", "mean", "std", "shape"; or nothing."""
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return json.loads((file.metadata() or {}).get("images", "{}"))
    except (SafetensorError, ValueError):  # whoever reads its weights will say so
        return {}


def runs_table(runs: Iterable[Run]) -> list[list[str]]:
    """Return the rows of a table of runs, its header first."""
    rows = [["run", "network", "data", "framework", "epochs", "best", "last", "time", "state"]]
    for run in runs:
        accuracies = run.history.get("test_accuracy", [])
        images = run.facts["data"]["train"]
        epochs = -(-run.recipe.steps(images) // run.recipe.steps_per_epoch(images))
        seconds = run.history.get("seconds", [0.0])[-1:] or [0.0]
        rows.append([
            run.name, _network(run.facts["network"]), run.facts["data"]["name"], run.facts["framework"],
            f"{len(accuracies)}/{epochs}", f"{max(accuracies):.2%}" if accuracies else "–",
            f"{accuracies[-1]:.2%}" if accuracies else "–", f"{seconds[0]:.0f} s",
            "finished" if run.finished else "unfinished",
        ])  # fmt: skip
    return rows


def _network(fields: dict[str, Any]) -> str:
    if "depth" not in fields:
        return str(fields.get("class", "?"))
    from resnet_lessons.architecture import ResNetConfig

    return ResNetConfig(**fields).name


def _folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/run.json"))


def _read_history(path: Path) -> History:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]} if rows else {}
