"""Training is the same in both frameworks: same weights, same batches, float64, and twenty losses agree to 1e-12."""

from resnet_lessons import parity, training
from resnet_lessons.frameworks import FRAMEWORKS
from tests.training.small import network, small

import numpy as np
import pytest

EXACT = {"batch_size": 32, "epochs": 4, "precision": "float64"}  # 4 epochs of 160 images: 20 steps


def losses_and_weights(recipe):
    """The losses of twenty steps, and the weights behind them, in PyTorch and in Keras."""
    nets = [network(framework, dtype="float64") for framework in FRAMEWORKS]
    parity.copy_weights(source=nets[0], target=nets[1])
    found = []
    for net in nets:
        losses: list[float] = []
        training.fit(net, small(160), recipe, progress=False, on_step=lambda s, seen=losses: seen.append(s.loss))
        found.append((np.array(losses), parity.state_of(net)))
    return found


@pytest.mark.parametrize(
    "fields",
    [
        {"schedule": "constant", "peak_rate": 0.125, "momentum": 0.875},
        {"momentum_form": "pytorch", "weight_decay": 0.05, "label_smoothing": 0.1, "clip": 0.5, "ema": 0.8},
        {"momentum_form": "keras", "weight_decay": 0.05, "decay_all": True, "nesterov": False, "schedule": "steps"},
    ],
    ids=["constant", "one-cycle-and-all", "steps"],
)
def test_twenty_losses_agree_to_1e_12(fields):
    (ours, ended), (theirs, their_end) = losses_and_weights(training.Recipe(**EXACT, **fields))
    assert len(ours) == 20
    assert ours[-1] < ours[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    for name, array in ended.items():
        if "running_var" not in name:  # PyTorch's is the unbiased one
            np.testing.assert_allclose(array, their_end[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_without_the_cure_momentum_differs_where_the_rate_changes():
    (ours, _), (theirs, _) = losses_and_weights(training.Recipe(**EXACT))
    assert ours[0] == pytest.approx(theirs[0], rel=1e-12)
    assert np.abs(ours / theirs - 1).max() > 1e-3


def test_coupled_decay_is_an_l2_penalty_of_half_of_it():
    """PyTorch's weight_decay is Keras's L2 with half of it: one step from the same weights."""
    import keras
    import tensorflow as tf

    decay, rate = 0.5, 0.25
    net = network("tensorflow", dtype="float64")
    twin = network("tensorflow", dtype="float64")
    parity.copy_weights(source=net, target=twin)
    data = small(32)
    recipe = training.Recipe(
        epochs=1, batch_size=32, schedule="constant", peak_rate=rate, momentum=0.0, weight_decay=decay,
        precision="float64",
    )  # fmt: skip
    training.fit(net, data, recipe, progress=False)
    images = tf.constant(data.normalized(data.train).transpose(0, 2, 3, 1).astype("float64"))
    with tf.GradientTape() as tape:
        logits = twin(images, training=True)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(data.train.labels, logits, from_logits=True))
        loss += sum(decay / 2 * tf.reduce_sum(v.value**2) for v in twin.trainable_variables if len(v.shape) > 1)
    for variable, gradient in zip(
        twin.trainable_variables, tape.gradient(loss, [v.value for v in twin.trainable_variables]), strict=True
    ):
        variable.assign_sub(rate * gradient)
    for ours, theirs in zip(net.trainable_variables, twin.trainable_variables, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-12)
