"""What a training in Keras holds: network, optimizer, and how a checkpoint gets at them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from resnet_lessons.parity import state_of
from resnet_lessons.parity_networks import KERAS_KINDS
from resnet_lessons.training.recipe import Recipe
from resnet_lessons.training.tf_sgd import CoupledSGD
from resnet_lessons.training.weights import write_weights
from resnet_lessons.training.wording import wrong_dtype

import keras
import numpy as np
import tensorflow as tf
from keras import ops


def graph_of(net: Any, images: Any) -> Any:
    """Return what computes the logits of batches of such images (B, H, W, C) in evaluation mode.

    It is a concrete function: TensorFlow would warn of a new graph with every training.
    """
    spec = tf.TensorSpec((None, *images.shape[1:]), images.dtype)
    return tf.function(lambda batch: net(batch, training=False), input_signature=[spec]).get_concrete_function()


class KerasState:
    """Network and compiled optimizer, on one device or under a `tf.distribute.MirroredStrategy`."""

    framework, layout = "tensorflow", "NHWC"
    rank, world = 0, 1  # one process, also where a strategy shares its batches among devices

    def __init__(self, net: Any, recipe: Recipe):
        check_dtype(net, recipe)
        self.net, self.recipe = net, recipe
        self.strategy = net.distribute_strategy
        self.devices = self.strategy.num_replicas_in_sync
        self.policy = "mixed_bfloat16" if recipe.precision == "bfloat16" else None
        with self.strategy.scope(), floatx(dtype_of(net)):
            self.optimizer = CoupledSGD(
                recipe.peak_rate,
                momentum=float(recipe.momentum),
                nesterov=recipe.nesterov,
                use_ema=recipe.ema > 0,
                ema_momentum=recipe.ema,
                decay=recipe.weight_decay,
                decay_all=recipe.decay_all,
                clip=recipe.clip,
            )
            self.optimizer.build(net.trainable_variables)
            self.sums = StepSums(recipe.label_smoothing)
        self._forward: Any = None

    def forward(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of test images (B, H, W, C)."""
        batch = tf.cast(images, self.net.input.dtype)
        if self._forward is None:
            self._forward = graph_of(self.net, batch)
        return self._forward(batch).numpy()

    def set_rate(self, rate: float, change: float) -> None:
        """Set the rate of the next update; the recipe says whether momentum follows."""
        self.optimizer.follow(rate, change if self.recipe.momentum_form == "pytorch" else 1.0)

    @contextmanager
    def testing(self) -> Iterator[None]:
        """Compute as one who loads the weights later would: in the network's own dtype, with averaged weights."""
        with self._averaged(), policy_of_layers(self.net, None):
            yield

    # For the session ------------------------------------------------------------------------------------------------

    def weights(self) -> dict[str, np.ndarray]:
        with self._averaged():
            return state_of(self.net)

    def training(self) -> dict[str, np.ndarray]:
        found = {f"optimizer/{i:04}": np.array(v.numpy()) for i, v in enumerate(self.optimizer.variables)}
        found |= {f"other/{i:04}": np.array(v.numpy()) for i, v in enumerate(self._others())}
        if self.recipe.ema:
            found |= {f"raw/{name}": array for name, array in state_of(self.net).items()}
        return found

    def restore(self, weights: Mapping[str, np.ndarray], training: Mapping[str, np.ndarray]) -> None:
        raw = {name.removeprefix("raw/"): array for name, array in training.items() if name.startswith("raw/")}
        write_weights(self.net, raw or weights)
        for prefix, variables in (("optimizer", self.optimizer.variables), ("other", self._others())):
            for index, variable in enumerate(variables):
                variable.assign(training[f"{prefix}/{index:04}"])

    def agree(self) -> None:
        """Average BN's running statistics over the replicas: each has its own."""
        if self.devices > 1:
            for variable in self.net.non_trainable_variables:
                mean = self.strategy.reduce("MEAN", variable.value, axis=None)
                variable.assign(mean)

    def share(self, found: Any) -> Any:
        return found

    def finish(self) -> None:
        """Leave the network with what was tested in it."""
        if self.recipe.ema:
            for variable, average in self._averages():
                variable.assign(average)

    def _others(self) -> list[Any]:
        """Variables that are no weights: states of random generators."""
        return [v for v in self.net.variables if v.path.split("/")[-1] not in KERAS_KINDS]

    def _averages(self) -> list[tuple[Any, Any]]:
        averages = self.optimizer._model_variables_moving_average  # Keras offers no other way to them
        return list(zip(self.net.trainable_variables, averages, strict=True))

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Put the running averages in the weights' place for a while. (Keras's own callback swaps by sums, which rounds.)"""
        if not self.recipe.ema or not int(self.optimizer.iterations.numpy()):
            yield
            return
        before = [np.array(variable.numpy()) for variable, _ in self._averages()]
        try:
            self.finish()
            yield
        finally:
            for (variable, _), array in zip(self._averages(), before, strict=True):
                variable.assign(array)


class CrossEntropy(keras.losses.Loss):
    """The mean cross-entropy of logits; smoothing as in PyTorch: a share is spread evenly over all classes."""

    def __init__(self, label_smoothing: float = 0.0, dtype: str = "float32"):
        super().__init__(name="cross_entropy", dtype=dtype)
        self.label_smoothing = label_smoothing

    def call(self, labels: Any, logits: Any) -> Any:
        """Return the loss of each image."""
        return cross_entropies(labels, logits, self.label_smoothing)


def cross_entropies(labels: Any, logits: Any, label_smoothing: float) -> Any:
    """Return the cross-entropy of each image of a batch."""
    scores = ops.log_softmax(logits, axis=-1)
    right = ops.one_hot(ops.reshape(ops.cast(labels, "int32"), (-1,)), logits.shape[-1], dtype=scores.dtype)
    loss = -ops.sum(scores * right, axis=-1)
    if label_smoothing:
        loss = (1 - label_smoothing) * loss - label_smoothing * ops.mean(scores, axis=-1)
    return loss


class StepSums(keras.metrics.Metric):
    """Loss, hits and images of one batch. (Keras's own metrics are means in float32 over the epoch so far.)"""

    def __init__(self, label_smoothing: float = 0.0):
        super().__init__(name="sums", dtype="float64")
        self.label_smoothing = label_smoothing
        self.total = self.add_variable((3,), "zeros", dtype="float64", name="total")

    def update_state(self, labels: Any, logits: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        wide = logits if logits.dtype == "float64" else ops.cast(logits, "float32")
        losses = cross_entropies(labels, wide, self.label_smoothing)
        hits = ops.equal(ops.argmax(logits, axis=-1), ops.reshape(ops.cast(labels, "int32"), (-1,)))
        sums = [ops.sum(ops.cast(values, "float64")) for values in (losses, hits, ops.ones_like(hits, dtype="float64"))]
        self.total.assign_add(ops.stack(sums))

    def result(self) -> Any:
        """Return the mean loss."""
        return self.total[0] / ops.maximum(self.total[2], 1.0)

    def take(self) -> tuple[float, int, int]:
        """Return mean loss, hits and images since the last call, and begin anew."""
        loss, hits, images = (float(value) for value in self.total.numpy())
        self.reset_state()
        return loss / images, round(hits), round(images)


@contextmanager
def policy_of_layers(net: Any, policy: str | None) -> Iterator[None]:
    """Let all layers compute in another policy for a while; None: in the dtype of their weights.

    The variables stay as they are: "mixed_bfloat16" computes in bfloat16 on float32 weights, as PyTorch's autocast does.
    """
    wanted = keras.DTypePolicy(policy or dtype_of(net))
    before = [(layer, layer.dtype_policy) for layer in net.layers]
    try:
        for layer, _ in before:
            layer.dtype_policy = wanted
        yield
    finally:
        for layer, own in before:
            layer.dtype_policy = own


@contextmanager
def floatx(dtype: str) -> Iterator[None]:
    """Let Keras take numbers in this dtype: else 0.1, as a rate or a decay, is rounded to float32 in a float64 network."""
    before = keras.config.floatx()
    try:
        keras.config.set_floatx(dtype)
        yield
    finally:
        keras.config.set_floatx(before)


def dtype_of(net: Any) -> str:
    """Return the dtype of a network's weights."""
    return str(keras.backend.standardize_dtype(net.trainable_variables[0].dtype))


def check_dtype(net: Any, recipe: Recipe) -> None:
    """Refuse a recipe in another precision than the network was built in."""
    wanted = "float64" if recipe.precision == "float64" else "float32"
    if dtype_of(net) != wanted:
        raise ValueError(wrong_dtype(recipe.precision, dtype_of(net), wanted))


def repeatable() -> bool:
    """Whether a training repeats bit for bit: TensorFlow's operations must not run side by side."""
    told = tf.config.threading.get_inter_op_parallelism_threads()
    return (told or int(os.environ.get("TF_NUM_INTEROP_THREADS", "0"))) == 1


def make_repeatable() -> None:
    """Let operations run one after the other, where TensorFlow has not begun yet."""
    try:
        if not tf.config.threading.get_inter_op_parallelism_threads():
            tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # it has begun: `fit` says so, where it matters
        pass
