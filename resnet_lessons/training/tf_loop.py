"""Training in Keras: `model.fit` with callbacks, on the batches and at the learning rates of the PyTorch loop."""

from __future__ import annotations

import time
from typing import Any

from resnet_lessons.datasets import Dataset
from resnet_lessons.training.recipe import History, Recipe, batch_order, check_finite, end_epoch, learning_rate

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm


def fit(net: Any, dataset: Dataset, recipe: Recipe, *, progress: bool = True, label: str = "") -> History:
    """Train a Keras model in place; see `torch_loop.fit`, whose arguments and history these are."""
    batches = Batches(nhwc(dataset.normalized(dataset.train)), dataset.train.labels, recipe)
    net.compile(
        keras.optimizers.SGD(recipe.peak_rate, momentum=recipe.momentum, nesterov=True),
        cross_entropy(net),
        metrics=["accuracy"],
        jit_compile=False,  # on a CPU, compiling for XLA costs more than it saves
    )
    test = nhwc(dataset.normalized(dataset.test)), dataset.test.labels
    follow = Follow(batches, recipe, label or "training", progress)
    net.fit(
        batches,
        epochs=recipe.epochs,
        validation_data=test,
        validation_batch_size=500,
        callbacks=[follow],
        shuffle=False,  # the batches come shuffled
        verbose=0,
    )
    return follow.history


def evaluate(net: Any, images: np.ndarray, labels: np.ndarray, *, batch_size: int = 500) -> tuple[float, float]:
    """Return the mean loss and the accuracy (0…1) in evaluation mode; images are (N, C, H, W)."""
    logits = predict(net, images, batch_size=batch_size)
    return float(cross_entropy(net)(labels, logits)), int((logits.argmax(axis=1) == labels).sum()) / len(labels)


def predict(net: Any, images: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
    """Return the logits (N, classes) of images (N, C, H, W) in evaluation mode."""
    return net.predict(nhwc(images), batch_size=batch_size, verbose=0)


def gradient_norms(net: Any, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the gradient's norm for every convolution, by its layer's name."""
    convolutions = [layer for layer in net.layers if isinstance(layer, keras.layers.Conv2D)]
    with tf.GradientTape() as tape:
        logits = net(tf.convert_to_tensor(nhwc(images)), training=True)
        loss = cross_entropy(net)(labels, logits)
    gradients = tape.gradient(loss, [layer.kernel.value for layer in convolutions])
    return {layer.name: float(tf.norm(gradient)) for layer, gradient in zip(convolutions, gradients, strict=True)}


def cross_entropy(net: Any) -> Any:
    """Return the mean cross-entropy of logits, in float64 for a float64 network (Keras would take float32)."""
    dtype = "float64" if net.output.dtype == "float64" else "float32"
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype)


class Batches(keras.utils.PyDataset):
    """The batches of `recipe.batch_order`."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, recipe: Recipe):
        super().__init__()
        self.images, self.labels, self.recipe = images, labels, recipe
        self.begin(epoch=0)

    def begin(self, epoch: int) -> None:
        """Take the order of an epoch. (`on_epoch_end` is no help: Keras calls it once before the first epoch as well.)"""
        self.order = list(batch_order(len(self.labels), self.recipe, epoch))

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.images[self.order[index]], self.labels[self.order[index]]


class Follow(keras.callbacks.Callback):
    """Sets the order of every epoch and the learning rate of every step, moves the progress bar, and keeps the history."""

    def __init__(self, batches: Batches, recipe: Recipe, label: str, progress: bool):
        super().__init__()
        steps = recipe.steps(len(batches.labels))
        self.batches, self.recipe, self.steps, self.step = batches, recipe, steps, 0
        self.history: History = {}
        self.bar = tqdm(total=steps, desc=label, disable=not progress, unit="step")

    def on_train_begin(self, logs: Any = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.batches.begin(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = learning_rate(self.recipe, self.step, self.steps)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step += 1
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        check_finite(logs["loss"], epoch)
        row = {
            "epoch": epoch + 1,
            "train_loss": logs["loss"],
            "train_accuracy": logs["accuracy"],
            "test_loss": logs["val_loss"],
            "test_accuracy": logs["val_accuracy"],
            "seconds": time.perf_counter() - self.start,
        }
        end_epoch(row, self.history, self.bar)

    def on_train_end(self, logs: Any = None) -> None:
        self.bar.close()


def nhwc(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (N, H, W, C)."""
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))
