"""Which precision is quickest here: measured on a few batches, and said."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from resnet_lessons.parity import restored
from resnet_lessons.training.data import training_batches
from resnet_lessons.training.recipe import Recipe

import numpy as np

ROUNDS = 7  # the first warms up; of the others the quickest counts, since other programs only ever slow one down
GAIN = 1.05  # bfloat16 costs digits, so it must be at least so many times quicker


def settle(
    net: Any, dataset: Any, recipe: Recipe, run: str | Path | None, resume: bool
) -> tuple[Recipe, dict[str, Any]]:
    """Replace precision "auto" by what is quickest on this machine.

    A run that is resumed keeps what was chosen when it began.

    Returns
    -------
    recipe
        With a precision, and PyTorch's memory format.
    measured
        What was measured and chosen; empty where nothing had to be.
    """
    if recipe.precision != "auto":
        return recipe, {}
    measured: dict[str, Any] = {}
    written = None if run is None else Path(run) / "run.json"
    if resume and written is not None and written.exists():
        measured = json.loads(written.read_text(encoding="utf-8")).get("measured", {})
    if not measured:
        measured = _measure(net, dataset, recipe)
    return replace(recipe, **measured["chosen"]), measured


def wording(measured: dict[str, Any]) -> str:
    """Say what was measured and chosen."""
    times = ", ".join(f"{name} {milliseconds:.0f} ms" for name, milliseconds in measured["milliseconds"].items())
    return f"Measured for one update: {times}. Chosen: {measured['name']}."


def _measure(net: Any, dataset: Any, recipe: Recipe) -> dict[str, Any]:
    from resnet_lessons.training import framework_of

    pytorch = framework_of(net) == "pytorch"
    candidates = {"float32": replace(recipe, precision="float32", channels_last=False)}
    if pytorch:
        candidates["float32, channels last"] = replace(recipe, precision="float32", channels_last=True)
    candidates["bfloat16"] = replace(recipe, precision="bfloat16", channels_last=True)
    steps = {name: (_torch_step if pytorch else _keras_step)(net, dataset, r) for name, r in candidates.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    with restored(net):  # BN's running statistics move with every step
        for _ in range(ROUNDS):
            for name, step in steps.items():
                start = time.perf_counter()
                step()
                seconds[name].append(time.perf_counter() - start)
    best = {name: min(values[1:]) for name, values in seconds.items()}
    best = _agreed(best, pytorch)
    name = min(best, key=lambda one: best[one] * (GAIN if one == "bfloat16" else 1))
    chosen = {"precision": candidates[name].precision, "channels_last": candidates[name].channels_last}
    return {"name": name, "milliseconds": {one: 1000 * value for one, value in best.items()}, "chosen": chosen}


def _torch_step(net: Any, dataset: Any, recipe: Recipe) -> Callable[[], Any]:
    from resnet_lessons.training.torch_state import TorchState

    import torch.nn.functional as F

    held = TorchState(copy.deepcopy(net).train(), recipe)
    images, labels = held.to_device(*_first_batch(dataset, recipe, held))

    def step() -> float:
        held.optimizer.zero_grad()
        with held.autocast():
            loss = F.cross_entropy(held.model(images), labels)
        held.accelerator.backward(loss)
        return loss.item()

    return step


def _keras_step(net: Any, dataset: Any, recipe: Recipe) -> Callable[[], Any]:
    from resnet_lessons.training.tf_state import CrossEntropy, KerasState, dtype_of, policy_of_layers

    import tensorflow as tf

    held = KerasState(net, recipe)
    images, labels = map(tf.constant, _first_batch(dataset, recipe, held))
    loss = CrossEntropy(dtype=dtype_of(net))

    @tf.function
    def gradients() -> Any:
        with tf.GradientTape() as tape:
            value = loss(labels, net(images, training=True))
        return tape.gradient(value, [variable.value for variable in net.trainable_variables])

    with policy_of_layers(net, held.policy):
        compiled = gradients.get_concrete_function()
    return lambda: compiled()[0].numpy()


def _first_batch(dataset: Any, recipe: Recipe, held: Any) -> tuple[np.ndarray, np.ndarray]:
    return next(iter(training_batches(dataset, recipe, 0, rank=held.rank, world=held.world, layout=held.layout)))


def _agreed(best: dict[str, float], pytorch: bool) -> dict[str, float]:
    """Let the first process's times count for all, so that all choose the same."""
    if not pytorch:
        return best
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([best])[0]
