"""What surrounds the updates of a training, the same in both frameworks.

A loop (torch_loop.py, tf_loop.py) computes; the `Session` counts, keeps the history, moves the progress bar, writes the
run's folder, resumes, and stops where going on makes no sense.
"""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from resnet_lessons.training import checkpoints
from resnet_lessons.training.data import part_to_test_on, statistics, training_batches
from resnet_lessons.training.recipe import History, Recipe
from resnet_lessons.training.run_folder import RunFolder, describe
from resnet_lessons.training.schedule import learning_rate, rate_change
from resnet_lessons.training.speed import wording

import numpy as np
from tqdm.auto import tqdm

DIVERGED = (
    "the training has diverged. Try a tenth of the learning rate, or a longer warm-up; and look at the images: are they "
    "normalised?"
)


class Held(Protocol):
    """What a loop holds in its framework, and how a checkpoint gets at it."""

    framework: str
    layout: str
    rank: int
    world: int  # processes
    devices: int  # among which a batch is shared

    @property
    def net(self) -> Any:
        """The network that is trained."""

    def weights(self) -> dict[str, np.ndarray]:
        """What one evaluates: the weights, or their running average."""

    def training(self) -> dict[str, np.ndarray]:
        """All other arrays that the next update depends on."""

    def restore(self, weights: Mapping[str, np.ndarray], training: Mapping[str, np.ndarray]) -> None:
        """Take both back."""

    def agree(self) -> None:
        """Make what the processes keep apart (BN's running statistics) the same everywhere."""

    def share(self, found: Any) -> Any:
        """Return what the first process found, in every process."""


@dataclass
class Options:
    """What `fit` takes besides network, data and recipe; see there."""

    run: str | Path | None = None
    resume: bool = False
    progress: bool = True
    label: str = ""
    on_step: Callable[[Session], object] | None = None
    save_steps: int | None = None
    save_minutes: float | None = 10.0
    asked: Recipe | None = None  # the recipe before "auto" was settled
    measured: dict[str, Any] = field(default_factory=dict)  # what settled it


@dataclass
class Sums:
    """Of an epoch so far."""

    loss: float = 0.0
    correct: int = 0
    images: int = 0


@dataclass
class Session:
    """Where a training stands."""

    held: Held
    dataset: Any
    recipe: Recipe
    options: Options
    step: int = 0  # updates done
    epoch: int = 0  # epochs done
    batch: int = 0  # batches done of the present epoch
    sums: Sums = field(default_factory=Sums)
    history: History = field(default_factory=dict)
    best: dict[str, Any] = field(default_factory=lambda: {"accuracy": -1.0, "step": None})
    loss: float = math.nan  # of the last update
    seconds_before: float = 0.0  # of the parts before a resume
    whole: bool = False  # whether the last checkpoint could be written

    def __enter__(self) -> Session:
        self.per_epoch = self.recipe.steps_per_epoch(len(self.dataset.train))
        self.steps = self.recipe.steps(len(self.dataset.train))
        self.epochs_in_all = math.ceil(self.steps / self.per_epoch)
        if self.recipe.batch_size % self.held.devices:
            raise ValueError(
                f"batch_size is {self.recipe.batch_size}, for all {self.held.devices} devices together; choose a multiple of "
                f"{self.held.devices}."
            )
        self.folder = None if self.options.run is None else RunFolder(Path(self.options.run))
        self.first = self.held.rank == 0
        if self.options.measured and self.options.progress and self.first:
            say(wording(self.options.measured))
        self._resume()
        self.began = self.step
        self.start = self.saved = time.perf_counter()
        self.stopping = _Interrupt()
        shown = self.options.progress and self.first
        self.bar = tqdm(
            total=self.steps,
            initial=self.step,
            desc=self.options.label or "training",
            disable=not shown,
            unit="step",
            dynamic_ncols=True,  # as wide as its place: in a narrow notebook the bar would stick out
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stopping.close()
        self.bar.close()
        if self.folder is not None and self.first:
            try:
                if kind is None:
                    self._finish()
            except OSError as error:
                raise OSError(
                    f"The training is finished, but its weights could not be written to {self.folder.path} "
                    f"({error.strerror or error}). Make room, then resume the run: only what was not saved is done again."
                ) from error
            finally:
                self.folder.close()

    # What the loops ask ---------------------------------------------------------------------------------------------

    def epochs(self) -> Iterator[int]:
        """Yield the epochs still to be done, from 0."""
        while self.epoch < self.epochs_in_all:
            yield self.epoch

    def stretches(self) -> Iterator[tuple[int, int]]:
        """Yield (first, end) of epochs of equal length: whole ones together, one that begins or ends within alone."""
        while self.epoch < self.epochs_in_all:
            end = self.epoch + 1
            if not self.batch:
                whole = self.epochs_in_all - (self.steps % self.per_epoch > 0)
                end = max(end, whole)
            yield self.epoch, end

    def batches(self) -> Any:
        """Return the batches still to be done of the present epoch."""
        return training_batches(
            self.dataset, self.recipe, self.epoch, start=self.batch, rank=self.held.rank, world=self.held.world,
            layout=self.held.layout,
        )  # fmt: skip

    def batches_left(self) -> int:
        """Number of batches still to be done of the present epoch."""
        return min(self.per_epoch - self.batch, self.steps - self.step)

    def test_batches(self) -> Any:
        """Return the test images: this process's share."""
        return part_to_test_on(
            self.dataset, self.recipe, rank=self.held.rank, world=self.held.world, layout=self.held.layout
        )

    @property
    def rate(self) -> float:
        """The learning rate of the next update."""
        return learning_rate(self.recipe, self.step, self.steps)

    @property
    def rate_change(self) -> float:
        """The next update's rate divided by the last one's."""
        return rate_change(self.recipe, self.step, self.steps)

    # What the loops report ------------------------------------------------------------------------------------------

    def end_step(self, loss: float, correct: int, images: int, stop: bool = False) -> None:
        """Note an update: the mean loss and the hits of its batch, over all processes."""
        self.loss = loss
        if not math.isfinite(loss):
            self._diverged(f"The loss is {loss} in epoch {self.epoch + 1}")
        self.sums.loss += loss * images
        self.sums.correct += correct
        self.sums.images += images
        self.step += 1
        self.batch += 1
        self.bar.update()
        if self.options.on_step is not None:
            self.options.on_step(self)
        if stop or (self.held.world == 1 and self.stopping.asked):
            self._stop()
        elif self.batches_left() and self._due():
            self.save()

    def end_epoch(self, test_loss: float, test_accuracy: float) -> None:
        """Note an epoch's end, and save."""
        self.epoch, self.batch = self.epoch + 1, 0
        row = {
            "epoch": self.epoch,
            "train_loss": self.sums.loss / self.sums.images,
            "train_accuracy": self.sums.correct / self.sums.images,
            "test_loss": test_loss,
            "test_accuracy": test_accuracy,
            "seconds": self.seconds(),
        }
        self.sums = Sums()
        for name, value in row.items():
            self.history.setdefault(name, []).append(float(value))
        self.bar.set_postfix(train=f"{row['train_accuracy']:.1%}", test=f"{row['test_accuracy']:.1%}")
        if test_accuracy > self.best["accuracy"]:
            self.best = {"accuracy": test_accuracy, "step": self.step}
        if self.folder is not None:
            self.save()
            if self.first:
                self._attempt(self._log)

    def save(self) -> None:
        """Write a checkpoint."""
        if self.folder is None:
            return
        self.held.agree()
        if self.first:
            self.whole = self._attempt(self._write)
        self.saved = time.perf_counter()

    def seconds(self) -> float:
        """Time spent on this training, without what was lost by being killed."""
        return self.seconds_before + time.perf_counter() - self.start

    # The run's folder -----------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Find out in the first process where the training stands, and tell the others."""
        if self.folder is None:
            return
        found, error = None, None
        notes: list[str] = []
        if self.first:
            asked = self.options.asked or self.recipe
            facts = describe(self.held.framework, self.held.net, self.dataset, asked, self.held.devices)
            facts["measured"] = self.options.measured
            try:
                found, notes = self.folder.open(facts, self.options.resume)
            except (ValueError, OSError) as problem:
                self.folder.close()
                error = problem
        found, error = self.held.share((found, error))
        if error is not None:
            raise error
        for note in notes:
            say(note)
        if found is None:
            return
        self.held.restore(found.weights, found.training)
        state = found.state
        self.step, self.epoch, self.batch = state["step"], state["epoch"], state["batch"]
        self.sums, self.history, self.best = Sums(**state["sums"]), state["history"], state["best"]
        self.seconds_before = state["seconds"]
        if self.first:
            if self.history:
                self._attempt(self._log)  # the kill may have come before it
            say(f"Going on from step {self.step:,} of {self.steps:,}, saved in {found.folder}.")

    def _write(self) -> None:
        assert self.folder is not None
        arrays, rest = self.held.weights(), self.held.training()
        for group in (arrays, rest):
            for name, array in group.items():
                if array.dtype.kind == "f" and not np.isfinite(array).all():
                    self._diverged(f"{name} is no longer finite after step {self.step:,}")
        state = {
            "step": self.step, "epoch": self.epoch, "batch": self.batch, "sums": vars(self.sums),
            "history": self.history, "best": self.best, "seconds": self.seconds(),
        }  # fmt: skip
        checkpoints.write(self.folder.checkpoints, arrays, rest, state, self._notes())
        checkpoints.clear_up(self.folder.checkpoints, self.best["step"])

    def _log(self) -> None:
        """Write the history, and its last line to TensorBoard."""
        assert self.folder is not None
        self.folder.write_history(self.history)
        row = {name: values[-1] for name, values in self.history.items() if name not in ("epoch", "seconds")}
        step = min(self.epoch * self.per_epoch, self.steps)
        self.folder.log(step, {**row, "learning_rate": learning_rate(self.recipe, step - 1, self.steps)})

    def _finish(self) -> None:
        assert self.folder is not None
        if self.step == self.began and (self.folder.path / checkpoints.WEIGHTS).exists():
            return  # it was finished before
        if self.history:
            self.folder.write_history(self.history)
        weights = checkpoints.as_file(self.held.weights(), self._notes())
        checkpoints.write_file(self.folder.path / checkpoints.WEIGHTS, weights)

    def _notes(self) -> dict[str, str]:
        """What a weights file says about its network and the images it is for."""
        changed = statistics(self.dataset, self.recipe)
        images = {
            "data": self.dataset.name,
            "classes": list(self.dataset.class_names),
            "shape": list(self.dataset.image_shape),
            "brightest": self.dataset.brightest,
            "mean": np.asarray(changed.get("mean", self.dataset.mean)).tolist(),
            "std": list(changed.get("std", self.dataset.std)),
            **({"options": dict(self.dataset.options)} if self.dataset.options else {}),
        }
        config: Any = getattr(self.held.net, "config", None)
        network = {"resnet_lessons": json.dumps(config.to_dict())} if hasattr(config, "to_dict") else {}
        return {**network, "images": json.dumps(images)}

    def _due(self) -> bool:
        by_steps = self.options.save_steps is not None and self.step % self.options.save_steps == 0
        minutes = self.options.save_minutes if self.held.world == 1 else None  # clocks differ between processes
        return by_steps or (minutes is not None and time.perf_counter() - self.saved > 60 * minutes)

    def _attempt(self, write: Callable[..., None], *arguments: Any) -> bool:
        """Write, and go on training where that fails: the disk may have room again at the next attempt."""
        try:
            write(*arguments)
            return True
        except OSError as error:
            assert self.folder is not None
            where = self.folder.path
            say(
                f"Nothing could be saved in {where} at step {self.step:,} ({error.strerror or error}). The training goes on, "
                "and what was saved before is still there; make room, and the next checkpoint is written."
            )
            return False

    # Stopping -------------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Ctrl-C or the stop button: between two updates, so that what is saved and what is in memory is whole."""
        self.save()
        if self.first:
            where = ""
            if self.folder is not None:
                there = checkpoints.listed(self.folder.checkpoints)
                kept = f"It is saved in {self.folder.path}" if self.whole else "What was saved before is still there"
                where = f" {kept}; go on by resume=True (on the command line --resume)." if there else ""
            say(f"Stopped after step {self.step:,} of {self.steps:,}.{where}")
        raise KeyboardInterrupt

    def _diverged(self, what: str) -> None:
        kept = ""
        if self.folder is not None:
            good = checkpoints.listed(self.folder.checkpoints)
            kept = f" The last good state is kept in {good[-1]}." if good else ""
        raise FloatingPointError(f"{what}: {DIVERGED}{kept}")


def say(message: str) -> None:
    """Show a message above the progress bar."""
    tqdm.write(message, file=sys.stderr)


class _Interrupt:
    """Notes Ctrl-C, so that the training ends after the update and not within; a second Ctrl-C ends it at once."""

    def __init__(self) -> None:
        self.asked = False
        self.before: Any = None
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGINT, self._note)

    def _note(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def close(self) -> None:
        """Put the former handler back."""
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
            self.before = None
