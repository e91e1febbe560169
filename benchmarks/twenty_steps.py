"""Record chapter 06's experiment: twenty steps of one recipe in both frameworks, typed twice, and then cured.

    .venv/bin/python benchmarks/twenty_steps.py

Writes resnet_lessons/records/twenty_steps.json: the losses of every setting and loop, to the last digit. On a single
route they stand in for the other framework. The loops are those that chapter 06 writes out; a test compares them with
the package's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from resnet_lessons import datasets, resnet_config, training
from resnet_lessons.labs import placements
from resnet_lessons.training.records import provenance, write_record

import numpy as np

STEPS = 20
CONFIG = resnet_config(8, "v1", family="cifar", width=8, in_channels=1)


class Setting(NamedTuple):
    """The numbers of a recipe."""

    schedule: str
    rate: float
    momentum: float
    decay: float

    @property
    def recipe(self) -> training.Recipe:
        """The same as a recipe, whose momentum has PyTorch's form."""
        return training.Recipe(
            epochs=None, iterations=STEPS, batch_size=32, schedule=self.schedule, peak_rate=self.rate,
            momentum=self.momentum, weight_decay=self.decay, momentum_form="pytorch", precision="float64",
        )  # fmt: skip


SETTINGS = {
    "1/8 and 7/8": Setting("constant", 1 / 8, 7 / 8, 0.0),
    "0.1 and 0.9": Setting("constant", 0.1, 0.9, 0.0),
    "schedule": Setting("one-cycle", 1 / 8, 7 / 8, 0.0),
    "weight decay": Setting("constant", 1 / 8, 7 / 8, 5e-4),
    "whole recipe": Setting("one-cycle", 0.1, 0.9, 5e-4),
}


def main() -> None:
    """Take twenty steps in every setting, and write the record whole at the end."""
    runs = []
    for name, setting in SETTINGS.items():
        runs.append({"setting": name, "loop": "pytorch", "losses": torch_losses(setting)})
        runs.append({"setting": name, "loop": "keras, typed", "losses": keras_losses(setting)})
    whole = SETTINGS["whole recipe"]
    runs.append({"setting": "whole recipe", "loop": "keras, cured", "losses": keras_losses(whole, cured=True)})
    recipe = SETTINGS["whole recipe"].recipe.to_dict()
    write_record("twenty_steps", provenance("benchmarks/twenty_steps.py", recipe=recipe), runs, digits=17)


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the images (B, C, H, W), float64, and labels of the twenty steps."""
    digits = datasets.load_dataset("digits")
    images, labels = digits.normalized(digits.train).astype("float64"), digits.train.labels
    orders = list(training.batch_order(len(labels), SETTINGS["whole recipe"].recipe, epoch=0))[:STEPS]
    return [(images[order], labels[order]) for order in orders]


def fresh(framework: str) -> Any:
    """Return a ResNet-8 whose weights come from NumPy, the same in both frameworks."""
    return placements.draw_weights(training.new_network(framework, CONFIG, dtype="float64"))


def torch_losses(setting: Setting) -> list[float]:
    """Take the steps with PyTorch's SGD."""
    import torch
    import torch.nn.functional as F

    net, losses = fresh("pytorch").train(), []
    decays = [p for p in net.parameters() if p.ndim > 1]
    spared = [p for p in net.parameters() if p.ndim == 1]
    optimizer = torch.optim.SGD(
        [{"params": decays, "weight_decay": setting.decay}, {"params": spared}],
        lr=setting.rate,
        momentum=setting.momentum,
        nesterov=True,
    )
    for step, (images, labels) in enumerate(batches()):
        for group in optimizer.param_groups:
            group["lr"] = training.learning_rate(setting.recipe, step, STEPS)
        loss = F.cross_entropy(net(torch.tensor(images)), torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def keras_losses(setting: Setting, *, cured: bool = False) -> list[float]:
    """Take the steps with the optimizer of Keras under the same numbers, or with PyTorch's update in TensorFlow."""
    import keras
    import tensorflow as tf

    net, losses = fresh("tensorflow"), []
    variables = net.trainable_variables
    optimizer = keras.optimizers.SGD(
        setting.rate, momentum=setting.momentum, nesterov=True, weight_decay=setting.decay or None
    )
    if setting.decay:
        optimizer.exclude_from_weight_decay([v for v in variables if len(v.shape) == 1])
    buffers = [tf.Variable(tf.zeros_like(v.value)) for v in variables]
    for step, (images, labels) in enumerate(batches()):
        rate = training.learning_rate(setting.recipe, step, STEPS)
        with tf.GradientTape() as tape:
            logits = net(tf.constant(images.transpose(0, 2, 3, 1)), training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        gradients = tape.gradient(loss, [v.value for v in variables])
        if cured:
            _update(variables, gradients, buffers, rate, setting)
        else:
            optimizer.learning_rate = rate
            optimizer.apply(gradients, variables)
        losses.append(float(loss))
    return losses


def _update(
    variables: Sequence[Any], gradients: Sequence[Any], buffers: Sequence[Any], rate: float, s: Setting
) -> None:
    """SGD as PyTorch has it: the decay is part of the gradient, and momentum a sum of gradients."""
    for weight, gradient, buffer in zip(variables, gradients, buffers, strict=True):
        if len(weight.shape) > 1:
            gradient = gradient + s.decay * weight.value
        buffer.assign(s.momentum * buffer + gradient)
        weight.assign_sub(rate * (gradient + s.momentum * buffer))


if __name__ == "__main__":
    main()
