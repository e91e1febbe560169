"""Checkpoints: folders that are there whole or not at all, and that say whether they are as they were written.

    step-00000450/
        weights.safetensors     what one evaluates, under PyTorch's names: either framework reads it
        training.safetensors    the rest of the arrays: momentum, averages, states of random generators
        state.json              step, place in the data, sums of the epoch so far, history, best accuracy
        SHA256SUMS              `sha256sum --check SHA256SUMS` verifies the other three

Nothing in them is ever executed when they are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

WEIGHTS, TRAINING, STATE, SUMS = "weights.safetensors", "training.safetensors", "state.json", "SHA256SUMS"
KEEP = 2  # the last so many, besides the best
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Checkpoint:
    """What was read back."""

    folder: Path
    weights: dict[str, np.ndarray]
    training: dict[str, np.ndarray]
    state: dict[str, Any]


def write(
    folder: Path, weights: Arrays, training: Arrays, state: Mapping[str, Any], notes: Mapping[str, str]
) -> Path:  # fmt: skip
    """Write a checkpoint into `folder`: first under another name, on the disk for certain, then renamed.

    Raises
    ------
    OSError
        If it could not be written; then there is no trace of it.
    """
    target = folder / f"step-{state['step']:08}"
    unfinished = folder / f".unfinished-{target.name}-{os.getpid()}"
    contents = {
        WEIGHTS: as_file(weights, notes),
        TRAINING: as_file(training, {}),
        STATE: json.dumps(state, indent=1).encode(),
    }
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in contents.items())
    try:
        unfinished.mkdir(parents=True)
        for name, data in {**contents, SUMS: sums.encode()}.items():
            _write_for_certain(unfinished / name, data)
        _sync(unfinished)
        if target.exists():  # written before a resume that found it damaged
            shutil.rmtree(target)
        os.rename(unfinished, target)
        _sync(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return target


def read(folder: Path) -> Checkpoint:
    """Read a checkpoint back.

    Raises
    ------
    ValueError
        If a file is missing or is not as it was written; the message names it.
    """
    from safetensors.numpy import load

    try:
        lines = [line.split("  ", 1) for line in (folder / SUMS).read_text("utf-8").splitlines()]
        sums = {name: digest for digest, name in lines}
        contents = {name: (folder / name).read_bytes() for name in (WEIGHTS, TRAINING, STATE)}
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} is incomplete: {error}") from error
    for name, data in contents.items():
        if hashlib.sha256(data).hexdigest() != sums.get(name):
            raise ValueError(f"{folder / name} is damaged: it is not what was written.")
    return Checkpoint(folder, load(contents[WEIGHTS]), load(contents[TRAINING]), json.loads(contents[STATE]))


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest checkpoint that is whole, and what is wrong with newer ones."""
    damaged: list[str] = []
    for candidate in reversed(listed(folder)):
        try:
            return read(candidate), damaged
        except ValueError as error:
            damaged.append(str(error))
    return None, damaged


def listed(folder: Path) -> list[Path]:
    """Return the folders of all checkpoints, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def clear_up(folder: Path, best: int | None) -> None:
    """Remove all checkpoints but the last two and the best, and what an interrupted write left behind."""
    there = listed(folder)
    for old in there[:-KEEP]:
        if best is None or old.name != f"step-{best:08}":
            _remove(old)
    for rest in folder.glob(".unfinished-*"):
        shutil.rmtree(rest, ignore_errors=True)


def write_file(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    unfinished = path.with_name(f".unfinished-{path.name}-{os.getpid()}")
    try:
        _write_for_certain(unfinished, data)
        os.replace(unfinished, path)
        _sync(path.parent)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _remove(folder: Path) -> None:
    """Remove a checkpoint: renamed first, so that a kill in between leaves nothing that looks like one."""
    rest = folder.with_name(f".unfinished-{folder.name}-{os.getpid()}")
    with contextlib.suppress(OSError):
        os.rename(folder, rest)
        shutil.rmtree(rest, ignore_errors=True)


def as_file(arrays: Arrays, notes: Mapping[str, str]) -> bytes:
    """Return a safetensors file; the same arrays and notes give the same bytes."""
    from safetensors.numpy import save

    data = save({name: np.asarray(array, order="C") for name, array in arrays.items()}, dict(notes))
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True).encode()  # the notes came in any order
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def _write_for_certain(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Bring a folder's entries to the disk, where the system can."""
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
