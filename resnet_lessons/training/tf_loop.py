"""Training in Keras: `model.fit` with a callback, on the batches and at the learning rates of the PyTorch loop.

What surrounds it (progress, history, checkpoints) is in session.py, and what it holds in tf_state.py.
"""

from __future__ import annotations

from typing import Any

from resnet_lessons.training.data import TEST_BATCH
from resnet_lessons.training.recipe import History, Recipe
from resnet_lessons.training.session import Options, Session, say
from resnet_lessons.training.tf_state import (
    CrossEntropy,
    KerasState,
    dtype_of,
    floatx,
    graph_of,
    policy_of_layers,
    repeatable,
)
from resnet_lessons.training.weights import score, total
from resnet_lessons.training.wording import NOT_REPEATABLE

import keras
import numpy as np
import tensorflow as tf


def fit(net: Any, dataset: Any, recipe: Recipe, options: Options) -> History:
    """Train a Keras model in place; see `training.fit`."""
    held = KerasState(net, recipe)
    with Session(held, dataset, recipe, options) as session, policy_of_layers(net, held.policy), floatx(dtype_of(net)):
        if session.folder is not None and not repeatable():
            say(NOT_REPEATABLE)
        net.compile(
            held.optimizer,
            CrossEntropy(recipe.label_smoothing, dtype_of(net)),
            metrics=[held.sums],
            jit_compile=False,  # on a CPU, compiling for XLA costs more than it saves
        )
        for first, end in session.stretches():
            net.fit(
                Batches(session).as_tensors(),
                initial_epoch=first,
                epochs=end,
                callbacks=[Follow(session)],
                shuffle=False,  # the batches come shuffled
                verbose=0,
            )
        held.finish()
    return session.history


class Follow(keras.callbacks.Callback):
    """Sets the learning rate of every step, tells the session of every step, and tests at the end of an epoch."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self.held: Any = session.held

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.held.sums.reset_state()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.held.set_rate(self.session.rate, self.session.rate_change)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.session.end_step(*self.held.sums.take())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.held.agree()
        self.session.end_epoch(*measure(self.held, self.session.test_batches()))


class Batches:
    """The batches of the session's present epoch, as Keras reads them."""

    def __init__(self, session: Session):
        self.session, self.count = session, session.batches_left()

    def as_tensors(self) -> tf.data.Dataset:
        """Return a dataset that begins anew with every epoch."""
        height_width_channels, dtype = self.session.held.net.input_shape[1:], self.session.held.net.input.dtype
        signature = (tf.TensorSpec((None, *height_width_channels), "float32"), tf.TensorSpec((None,), "int64"))
        batches = tf.data.Dataset.from_generator(self.of_one_epoch, output_signature=signature)
        batches = batches.map(lambda images, labels: (tf.cast(images, dtype), labels))
        options = tf.data.Options()
        options.autotune.enabled = False  # nothing here to tune, and its thread may hold up the end by five seconds
        return batches.apply(tf.data.experimental.assert_cardinality(self.count)).prefetch(2).with_options(options)

    def of_one_epoch(self) -> Any:
        """Yield them; a last batch that the devices cannot share equally is filled up with its own first images."""
        devices = self.session.held.devices
        for _, (images, labels) in zip(range(self.count), self.session.batches(), strict=False):
            filled = np.arange(-(-len(labels) // devices) * devices) % len(labels)
            yield (images, labels) if devices == 1 else (images[filled], labels[filled])


def measure(held: KerasState, batches: Any) -> tuple[float, float]:
    """Return the mean loss and the accuracy (0…1) of the test images."""
    with held.testing():
        parts = ((held.forward(images), labels) for images, labels in batches)
        loss, hits, images = total((*score(logits, labels), len(labels)) for logits, labels in parts)
    return loss / images, hits / images


def evaluate(
    net: Any, images: np.ndarray, labels: np.ndarray, *, batch_size: int = TEST_BATCH["NHWC"]
) -> tuple[float, float]:
    """Return the mean loss and the accuracy (0…1) in evaluation mode; images are (N, C, H, W)."""
    loss, hits = score(predict(net, images, batch_size=batch_size), labels)
    return loss / len(labels), hits / len(labels)


def predict(net: Any, images: np.ndarray, *, batch_size: int = TEST_BATCH["NHWC"]) -> np.ndarray:
    """Return the logits (N, classes) of images (N, C, H, W) in evaluation mode."""
    images = nhwc(images)
    if len(images) <= batch_size:  # a graph, and all the more Keras's `predict`, would take longer to set up
        return net(images, training=False).numpy()
    forward, starts = graph_of(net, images), range(0, len(images), batch_size)
    return np.concatenate([forward(tf.constant(images[start : start + batch_size])).numpy() for start in starts])


def gradient_norms(net: Any, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the gradient's norm for every convolution, by its layer's name."""
    convolutions = [layer for layer in net.layers if isinstance(layer, keras.layers.Conv2D)]
    with tf.GradientTape() as tape:
        logits = net(tf.convert_to_tensor(nhwc(images)), training=True)
        loss = CrossEntropy(dtype=dtype_of(net))(labels, logits)
    gradients = tape.gradient(loss, [layer.kernel.value for layer in convolutions])
    return {layer.name: float(tf.norm(gradient)) for layer, gradient in zip(convolutions, gradients, strict=True)}


def nhwc(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (N, H, W, C)."""
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))
