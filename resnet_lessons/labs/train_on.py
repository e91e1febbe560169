"""Train a network in the background, so that a lab shows every step, can be stopped, and leaves the kernel free.

    Learner(build, framework, …)      a network and its optimizer; `step` makes one update
    Background                        work in a thread, which can be stopped
    InBackground(learner, report)     the thread that trains epoch after epoch and reports

One constant rate, no schedule: this is for training *on* for an epoch or a few. Trainings from the start follow a recipe,
and are the business of `resnet_lessons.training` (in a lab: `schedule_trials`).
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from resnet_lessons import parity, training
from resnet_lessons.datasets import Dataset
from resnet_lessons.frameworks import build
from resnet_lessons.labs.surgery import Grown
from resnet_lessons.torch_threads import one_thread

import numpy as np

RECIPE = training.Recipe(epochs=1, batch_size=64, peak_rate=0.01)  # its rate is kept constant


@dataclass
class Progress:
    """How far a training is; the numbers of finished epochs are shares of 1."""

    step: int = 0  # updates so far, in this epoch
    steps: int = 0  # updates an epoch
    first_batch: float | None = None  # right answers in the first batch, in training mode, before any update
    training: list[float] = field(default_factory=list)  # accuracy over the epoch, in training mode
    test: list[float] = field(default_factory=list)  # accuracy after the epoch
    error: str = ""


class Learner:
    """A grown network in a framework, with SGD at a constant rate.

    Parameters
    ----------
    framework
        ``"pytorch"`` or ``"tensorflow"``.
    grown
        The network and its weights.
    dataset
        What to train on.
    seed
        Of the order of the images.
    """

    def __init__(self, framework: str, grown: Grown, dataset: Dataset, seed: int = 0) -> None:
        self.framework, self.dataset = framework, dataset
        self.recipe = training.Recipe(batch_size=RECIPE.batch_size, peak_rate=RECIPE.peak_rate, seed=seed)
        self.net = _torch_network(grown) if framework == "pytorch" else _keras_network(grown)
        self._images: Any
        self._labels: Any
        self._optimizer: Any
        images, rate, momentum = dataset.normalized(dataset.train), self.recipe.peak_rate, self.recipe.momentum
        if framework == "pytorch":
            import torch

            self._images, self._labels = torch.as_tensor(images), torch.as_tensor(dataset.train.labels)
            self._optimizer = torch.optim.SGD(self.net.parameters(), lr=rate, momentum=momentum, nesterov=True)
        else:
            from resnet_lessons.training.tf_loop import nhwc

            import keras

            self._images, self._labels = nhwc(images), dataset.train.labels
            self._optimizer = keras.optimizers.SGD(rate, momentum=momentum, nesterov=True)
            self._optimizer.build(self.net.trainable_variables)

    def batches(self, epoch: int) -> list[np.ndarray]:
        """The indices of each batch of an epoch."""
        return list(training.batch_order(len(self.dataset.train), self.recipe, epoch))

    def step(self, indices: np.ndarray) -> int:
        """Make one update, and return how many of the batch were right before it, in training mode."""
        if self.framework == "pytorch":
            import torch

            with one_thread():
                self.net.train()
                logits, wanted = self.net(self._images[indices]), self._labels[indices]
                self._optimizer.zero_grad()
                torch.nn.functional.cross_entropy(logits, wanted).backward()
                self._optimizer.step()
                return int((logits.argmax(dim=1) == wanted).sum())
        # Eager: a graph of 56 layers would take longer to build than one epoch takes, with nothing to see meanwhile.
        import tensorflow as tf

        images, wanted = tf.constant(self._images[indices]), tf.constant(self._labels[indices])
        variables = self.net.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.net(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits))
        self._optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        return int((logits.numpy().argmax(axis=1) == self._labels[indices]).sum())

    def test(self) -> float:
        """Return the accuracy on the test images."""
        images, labels = self.dataset.normalized(self.dataset.test), self.dataset.test.labels
        if self.framework == "pytorch":
            return training.evaluate(self.net, images, labels)[1]
        logits = self.net(images.transpose(0, 2, 3, 1), training=False).numpy()
        return int((logits.argmax(axis=1) == labels).sum()) / len(labels)


class Background:
    """Work in a thread, which can be stopped and does not outlive Python; what it does is in `_run`."""

    EVERY = 0.1  # seconds between two reports

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        _TRAININGS.add(self)

    @property
    def running(self) -> bool:
        """Whether it trains just now."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Stop after the present step."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the work ends, or so many seconds; return whether it has ended."""
        if self._thread is not None:
            self._thread.join(seconds)
        return not self.running

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="training in a lab", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        raise NotImplementedError


class InBackground(Background):
    """Trains in a thread, one epoch at a time.

    Parameters
    ----------
    make
        Makes the `Learner`, in the thread: TensorFlow takes seconds to load.
    report
        Called in the thread with the progress so far, at most ten times a second and at the end of every epoch. It must not
        raise.
    """

    def __init__(self, make: Callable[[], Learner], report: Callable[[Progress], None]) -> None:
        super().__init__()
        self._make, self._report = make, report
        self._learner: Learner | None = None
        self.progress = Progress()

    def epoch(self) -> None:
        """Begin one more epoch, and return at once; while one runs, or after a stop, nothing happens."""
        if not self.running and not self.stopped and not self.progress.error:
            self._begin()

    def _run(self) -> None:
        progress = self.progress
        try:
            if self._learner is None:
                self._learner = self._make()
            batches, correct, seen = self._learner.batches(len(progress.test)), 0, 0
            progress.step, progress.steps, shown = 0, len(batches), time.monotonic()
            for indices in batches:
                if self.stopped:
                    break
                right = self._learner.step(indices)
                if progress.first_batch is None:
                    progress.first_batch = right / len(indices)
                correct, seen = correct + right, seen + len(indices)
                progress.step += 1
                if time.monotonic() - shown > self.EVERY:
                    self._report(progress)
                    shown = time.monotonic()
            else:
                test = self._learner.test()  # before either list grows: who reads them sees both or none
                progress.training.append(correct / seen)
                progress.test.append(test)
        except Exception as error:  # the lab says it; a thread has nobody else to tell
            progress.error = f"{type(error).__name__}: {error}"
        self._report(progress)


_TRAININGS: weakref.WeakSet[Background] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """Stop what trains when Python ends: it must not end while a thread computes inside a framework."""
    for training_now in list(_TRAININGS):
        training_now.stop()
        training_now.wait(10)


def _torch_network(grown: Grown) -> Any:
    from resnet_lessons import torch_resnet

    import torch

    with (
        torch.random.fork_rng()
    ):  # its first weights are replaced: the learner's own draws go on as if nothing had happened
        net = torch_resnet.ResNet(grown.net.config)
        front = [torch_resnet.BLOCKS[block.class_name](**block.arguments) for block in grown.front]
    _fill(grown, net, {block.name: module for block, module in zip(grown.front, front, strict=True)})
    return torch.nn.Sequential(*front, net)


def _keras_network(grown: Grown) -> Any:
    net = build("tensorflow", grown.net.config)
    from resnet_lessons import tf_resnet

    import keras

    _fill(grown, net, {})
    if not grown.front:
        return net
    x = images = keras.Input((None, None, grown.net.config.in_channels), name="photographs")
    models = {}
    for block in grown.front:
        inside = keras.Input((None, None, block.in_channels))
        models[block.name] = keras.Model(inside, tf_resnet.BLOCKS[block.class_name](**block.arguments)(inside))
        x = models[block.name](x)
    _fill(grown, net, models)
    return keras.Model(images, net(x))


def _fill(grown: Grown, net: Any, front: dict[str, Any]) -> None:
    """Copy the weights into a network, and those of the blocks in front of it into these."""
    names = parity.tensor_names(grown.net.config).values()
    parity.copy_weights(source={name: grown.net.weights[name] for name in names}, target=net)
    for prefix, block in front.items():
        own = {
            name.removeprefix(f"{prefix}."): w for name, w in grown.net.weights.items() if name.startswith(f"{prefix}.")
        }
        parity.copy_weights(source=own, target=block)
