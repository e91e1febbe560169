"""A run's folder: what was trained on what by which recipe, its history and logs, its checkpoints, its weights.

runs/NAME/
    run.json               recipe, network, data, environment
    history.csv            a line for each epoch
    tensorboard/           the same for `tensorboard --logdir runs`
    checkpoints/           see checkpoints.py
    weights.safetensors    when the training is finished
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from resnet_lessons.training import checkpoints
from resnet_lessons.training.recipe import History, differences

RUNS = Path("runs")
MUST_AGREE = ("framework", "recipe", "network", "data", "devices")  # what a resumed run may not change


class RunFolder:
    """The folder of one run, held by one process at a time."""

    def __init__(self, path: Path):
        self.path, self.checkpoints = path, path / "checkpoints"
        self._lock: Any = None
        self._board: Any = None

    def open(self, facts: Mapping[str, Any], resume: bool) -> tuple[checkpoints.Checkpoint | None, list[str]]:
        """Make the folder, or find out where its training stands.

        Returns
        -------
        checkpoint
            Where to go on; None to begin.
        notes
            What to tell the learner.

        Raises
        ------
        ValueError
            If there is a run already and nobody asked to resume it, if it is of another recipe, network or data, or if
            another process is training it.
        OSError
            If the folder cannot be written.
        """
        written = self.path / "run.json"
        if written.exists() and not resume:
            raise ValueError(
                f"{self.path} holds a run already. Go on with it by resume=True, or choose another name for this one."
            )
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            self._hold()
            if not written.exists():
                checkpoints.write_file(written, json.dumps(facts, indent=1).encode())
                return None, []
        except OSError as error:
            raise OSError(
                f"The run cannot be kept in {self.path} ({error.strerror or error}). Choose a folder that can be written."
            ) from error
        before = json.loads(written.read_text(encoding="utf-8"))
        ours, theirs = ({name: run.get(name) for name in MUST_AGREE} for run in (json.loads(json.dumps(facts)), before))
        if differ := differences(ours, theirs):
            raise ValueError(
                f"{self.path} cannot be resumed, because this is another training: {'; '.join(differ)}. Ask for what it was, "
                "or choose another name."
            )
        found, damaged = checkpoints.newest(self.checkpoints)
        notes = [f"{what} The one before it is used." if found else what for what in damaged]
        environment = differences(facts["environment"], before["environment"])
        if found and environment:
            notes.append(
                f"The environment is another one ({'; '.join(environment)}): the training goes on, but its last bits may "
                "differ from those of an uninterrupted one."
            )
        checkpoints.clear_up(self.checkpoints, found.state["best"]["step"] if found else None)
        return found, notes

    def write_history(self, history: History) -> None:
        """Write history.csv, whole."""
        text = io.StringIO(newline="")
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(history)
        rows.writerows(zip(*history.values(), strict=True))
        checkpoints.write_file(self.path / "history.csv", text.getvalue().encode())

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add numbers to TensorBoard's log; the first call of a process takes back what lies after its step."""
        pb = _tensorboard()
        if self._board is None:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter

            self._board = EventFileWriter(str(self.path / "tensorboard"))
            start = pb.SessionLog(status=pb.SessionLog.START)
            self._board.add_event(pb.Event(wall_time=time.time(), step=step, session_log=start))
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
        self._board.add_event(pb.Event(wall_time=time.time(), step=step, summary=summary))
        self._board.flush()

    def close(self) -> None:
        """Let others train in the folder."""
        if self._board is not None:
            self._board.close()
        if self._lock is not None:
            self._lock.close()
        self._board = self._lock = None

    def _hold(self) -> None:
        """Take the lock; it ends with the process, however that ends."""
        self._lock = (self.path / ".lock").open("w")
        if os.name == "nt":
            return
        import fcntl

        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            raise ValueError(f"{self.path} is being trained by another process. Wait for it, or stop it.") from None


def describe(framework: str, net: Any, dataset: Any, recipe: Any, devices: int) -> dict[str, Any]:
    """Return what run.json holds."""
    config: Any = getattr(net, "config", None)
    network = config.to_dict() if hasattr(config, "to_dict") else {"class": type(net).__name__}
    # What becomes of bad images may be settled anew at a resume: where they stopped it, none was trained on before.
    policy = {name: value for name, value in dataset.options.items() if name == "on_bad_image"}
    return {
        "format": 1,
        "framework": framework,
        "network": network,
        "data": fingerprint(dataset),
        "recipe": recipe.to_dict(),
        "devices": devices,
        **policy,
        "begun": time.strftime("%Y-%m-%d %H:%M:%S"),
        "environment": environment(framework),
    }


def fingerprint(dataset: Any) -> dict[str, Any]:
    """Return what tells one dataset from another: name, sizes, classes, options, a checksum of labels and some images."""
    found: dict[str, Any] = {"name": dataset.name, "classes": len(dataset.class_names)}
    digest = hashlib.sha256("\n".join(map(str, dataset.class_names)).encode())
    for name in ("train", "test"):
        part = getattr(dataset, name)
        found[name] = len(part)
        labels: Any = getattr(part, "labels", None)
        images: Any = getattr(part, "images", None)
        if labels is not None:
            digest.update(labels.astype("<i8").tobytes())
        if hasattr(images, "tobytes"):
            digest.update(images[:: max(1, len(part) // 100)].tobytes())
    options = {name: value for name, value in dataset.options.items() if name != "on_bad_image"}
    return {**found, "checksum": digest.hexdigest()[:16], **({"options": options} if options else {})}


def environment(framework: str) -> dict[str, Any]:
    """Return what the last bits of a training depend on."""
    names = {"pytorch": ("torch", "accelerate"), "tensorflow": ("tensorflow", "keras")}[framework]
    found: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine(), "system": sys.platform}
    for name in (*names, "numpy"):
        module = sys.modules.get(name)
        found[name] = module.__version__ if module is not None else metadata.version(name)
    found["processor"], found["cores"] = processor(), cores()
    if framework == "pytorch":
        import torch

        found["threads"] = torch.get_num_threads()
    else:
        import tensorflow as tf

        found["threads"] = tf.config.threading.get_intra_op_parallelism_threads() or cores()
    return found


def cores() -> int:
    """Number of processor cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def processor() -> str:
    """The processor's name, and what it has for bfloat16 where that can be told (Linux): "AMD EPYC, avx512_bf16"."""
    told = _told_by_linux()
    if told is None:
        return platform.processor() or platform.machine()
    return ", ".join([told.get("model name", platform.machine()), *bfloat16_units()])


def bfloat16_units() -> list[str]:
    """What the processor has for bfloat16, as Linux calls it; empty where nothing is, or where no Linux is."""
    told = _told_by_linux() or {}
    flags = told.get("flags", told.get("Features", "")).split()  # the second is ARM's word for it
    return [unit for unit in ("avx512_bf16", "amx_bf16", "bf16") if unit in flags]


def _told_by_linux() -> dict[str, str] | None:
    """What /proc/cpuinfo says of the last core; None where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def new_name(stem: str, runs: Path = RUNS) -> Path:
    """Return the first of runs/STEM, runs/STEM-2, … that is not there yet."""
    number = 1
    while (path := runs / (stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    return path


def _tensorboard() -> Any:
    """Return TensorBoard's own event types, without letting it load TensorFlow for a training in PyTorch."""
    if "tensorflow" not in sys.modules:
        import types

        sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf"))
    from tensorboard.compat.proto import event_pb2

    return event_pb2
