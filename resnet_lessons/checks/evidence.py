"""What running a learner's block showed: everything that a judgement needs, and nothing judged yet."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .align import random_values
from .guard import Guard
from .uses import Layer, Trace, Use, framework_of, open_network
from .wiring import Reference, Tensors

BUILDING, RUNNING, TRAINING = "being built", "being run", "a training step"
EMPTY = (None, ..., NotImplemented)


@dataclass(frozen=True)
class Measured:
    """What a block computed, with random values in every tensor.

    Attributes
    ----------
    tensors
        The values that its layers were given, by (layer's name, kind).
    outputs, outputs_training
        In evaluation and in training mode.
    gradients, input_gradient
        Of sum(outputs · direction) in training mode.
    running
        All tensors after that pass.
    """

    trace: Trace
    tensors: Tensors
    outputs: np.ndarray
    outputs_training: np.ndarray
    direction: np.ndarray
    gradients: Tensors
    input_gradient: np.ndarray
    running: Tensors


@dataclass
class Evidence:
    """What was seen.

    Attributes
    ----------
    precise
        Whether all of it computed in float64.
    stage, error
        What was under way when something was raised, and what; None if nothing was.
    partial
        The layers that ran, in order; all there is when it raised.
    unused, unfollowed, edits_input, makes_layers
        As in `uses.Network`.
    takes_batch
        Whether the answer could not be built with a number of channels, and computes if it is given a batch.
    called_with
        What the answer was called with, in words, where it is more than a number of channels.
    parameters, oversized
        How many it trains, and whether these were more than it was worth to look any further.
    measured
        None if something was raised, or it is oversized.
    """

    framework: str
    images: np.ndarray
    precise: bool = True
    stage: str = BUILDING
    error: BaseException | None = None
    partial: Sequence[Use] = ()
    unused: Sequence[str] = ()
    unfollowed: Sequence[str] = ()
    edits_input: bool = False
    makes_layers: bool = False
    takes_batch: bool = False
    called_with: str = ""
    parameters: int = 0
    oversized: bool = False
    measured: Measured | None = None

    @property
    def tolerance(self) -> float:
        """How far outputs may differ, relative to the largest."""
        return 1e-8 if self.precise else 2e-4

    @property
    def gradient_tolerance(self) -> float:
        """The same for gradients. In float32 a ReLU's kink may let single entries differ."""
        return 1e-5 if self.precise else 3e-2


def gather(
    answer: Any, reference: Reference, framework: str = "", *, seconds: float | None = None, most: float = math.inf
) -> Evidence:
    """Build a learner's block, run it in evaluation and training mode, and note everything.

    Parameters
    ----------
    answer
        A class or function that takes the number of channels and returns a block, or a block.
    reference
        What it should be; its input's shape and the arguments to try come from there.
    framework
        Of the answer, where it cannot be told from the answer itself.
    seconds
        For the learner's code; by default `guard.SECONDS`, which is plenty for a block.
    most
        With more parameters than this an answer is run once to see its layers, and not measured.
    """
    guard = Guard(seconds)
    found = _gather(answer, reference, framework, guard, most, precise=True)
    if found.error is not None and isinstance(found.error, Exception):
        # Code that makes tensors of its own in float32 is right, though it cannot compute in float64.
        again = _gather(answer, reference, framework, guard, most, precise=False)
        if again.error is None or found.stage == again.stage:
            found = again
    if found.stage == BUILDING and isinstance(found.error, Exception) and inspect.isroutine(answer):
        found.framework = found.framework or framework_of(answer)
        found.takes_batch = bool(guard.run(lambda: _computes(answer, found.images, found.framework))[0])
    return found


def _gather(
    answer: Any, reference: Reference, framework: str, guard: Guard, most: float, precise: bool
) -> Evidence:  # fmt: skip
    images = reference.images()
    found = Evidence(framework_of(answer) or framework, images, precise)
    holder: dict[str, Any] = {}

    def look() -> None:
        set_precision(precise)
        net = holder["net"] = open_network(build(answer, reference.in_shape[0]))
        found.framework, found.stage = net.framework, RUNNING
        layers = net.settle(images)
        found.parameters = count_parameters(layers)
        if found.parameters > most:
            found.oversized = True
            return
        holder["layers"], holder["before"] = layers, _read(layers)
        _write(layers, _draw(layers, np.random.default_rng(1)))
        given = _read(layers)
        trace = net.trace(images)
        _write(layers, given)  # here and below: some BN layers move their running statistics in evaluation mode, too
        outputs = net.outputs(images)
        # A block that was made before may be in float32, or a layer without weights that it shares with others.
        found.precise = outputs.dtype == np.float64 and not net.rounds
        found.stage = TRAINING
        direction = np.random.default_rng(2).standard_normal(outputs.shape)
        _write(layers, given)
        trained = net.gradients(images, direction, trace)
        found.measured = Measured(
            trace, {**_read(trace.layers), **given}, outputs, trained.outputs, direction, trained.tensors, trained.input,
            _read(trace.layers),
        )  # fmt: skip

    _, found.error = guard.run(look)
    if "before" in holder:  # a block that was handed in ready-made is the learner's own
        guard.run(lambda: _write(holder["layers"], holder["before"]))
    if (net := holder.get("net")) is not None:
        found.partial, found.unused, found.unfollowed = net.partial, net.unused, net.unfollowed
        found.edits_input, found.makes_layers = net.edits_input, net.makes_layers
    return found


def build(answer: Any, channels: int) -> Any:
    """Make a block of what was handed in, whichever arguments its constructor takes.

    Raises
    ------
    TypeError
        If it takes none of the usual arguments.
    """
    if not (isinstance(answer, type) or inspect.isroutine(answer)):
        return answer
    if isinstance(answer, type) and answer.__init__.__module__.split(".")[0] in ("torch", "keras"):  # type: ignore[misc]
        return answer()  # a class without a constructor of its own
    try:
        signature = inspect.signature(answer)
    except (ValueError, TypeError):
        return answer(channels)
    for arguments in ((channels,), (channels, channels), (channels, channels, 1), ()):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return answer(*arguments)
    return answer(channels)  # Python's own message says what is missing


def _computes(function: Any, images: np.ndarray, framework: str) -> bool:
    """Whether a function makes a tensor of a batch (and perhaps a number of channels), and is no maker of blocks."""
    channels, module = (
        images.shape[1],
        sys.modules.get({"pytorch": "torch", "tensorflow": "tensorflow"}.get(framework, "")),
    )
    if module is None:
        return False
    set_precision(False)
    if framework == "tensorflow" and images.ndim == 4:
        images = images.transpose(0, 2, 3, 1)
    make, is_tensor = (
        (module.tensor, module.is_tensor) if framework == "pytorch" else (module.constant, module.is_tensor)
    )
    batch = make(images, dtype=module.float32)
    for arguments in ((batch,), (batch, channels), (batch, channels, 1), (batch, channels, channels)):
        try:
            inspect.signature(function).bind(*arguments)
        except TypeError:
            continue
        return bool(is_tensor(function(*arguments)))
    return False


def set_precision(precise: bool) -> None:
    """New layers get float64, or float32; `Guard` puts the learner's own setting back."""
    name = "float64" if precise else "float32"
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_default_dtype(getattr(torch, name))
    if (keras := sys.modules.get("keras")) is not None:
        keras.config.set_floatx(name)
        keras.config.set_dtype_policy(name)


def count_parameters(layers: Sequence[Layer]) -> int:
    """How many numbers of these layers are trained."""
    return sum(
        tensor.read().size for layer in layers for kind, tensor in layer.tensors.items() if "running" not in kind
    )


def _draw(layers: Sequence[Layer], dice: np.random.Generator) -> Tensors:
    """Random values for every tensor, in the order of use."""
    return {
        (layer.name, kind): random_values(kind, layer.kind, tensor.read().shape, dice)
        for layer in layers
        for kind, tensor in layer.tensors.items()
    }


def _write(layers: Sequence[Layer], values: Tensors) -> None:
    for layer in layers:
        for kind, tensor in layer.tensors.items():
            tensor.write(values[layer.name, kind])


def _read(layers: Sequence[Layer]) -> Tensors:
    return {
        (layer.name, kind): tensor.read().astype(np.float64)
        for layer in layers
        for kind, tensor in layer.tensors.items()
    }
