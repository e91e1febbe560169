"""What a right answer computes, and what it computes with a mistake in it, written down once for both frameworks.

A `Reference` is a list of layers and a **body**, a function `body(on, x, wiring)` that says what a block does with them:
`on.conv("conv1", x)`, `on.relu(x)`, `on.add(x, y)`. `wiring` is a dataclass whose fields are the places where people go
wrong; its default is right, and a mistake is a changed field. The body is run in two ways:

    Sketch     without numbers: which layer feeds which, to be aligned with a learner's block
    Numbers    in NumPy, with the learner's own tensors: outputs, training mode, gradients by differences

So a mistake is written once, and two mistakes together are two changed fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .uses import INPUT, Layer, Trace, Use

Tensors = Mapping[tuple[str, str], np.ndarray]  # (layer of the reference, kind) → values
Body = Callable[[Any, Any, Any], Any]
# What was computed before: by operation, its settings, and which arrays went in. The arrays are kept, so that no other
# can get their identity.
Memory = dict[tuple[Any, ...], tuple[np.ndarray, tuple[np.ndarray, ...]]]


@dataclass(frozen=True)
class Reference:
    """What is asked for.

    Parameters
    ----------
    layers
        Every layer with weights by its name: kind and shape of its weight (PyTorch's layout).
    body
        What is done with them.
    wiring
        The right one.
    in_shape
        Of one input: (channels, height, width), no two alike, so that a swap of axes shows; or (features,).
    """

    layers: Mapping[str, tuple[str, tuple[int, ...]]]
    body: Body
    wiring: Any
    in_shape: tuple[int, ...]

    def with_(self, edit: Mapping[str, Any]) -> Reference:
        """The same with a mistake."""
        return replace(self, wiring=replace(self.wiring, **edit))

    def images(self, batch: int = 3, seed: int = 0) -> np.ndarray:
        """A batch with negative values, so that a missing ReLU can show."""
        return np.random.default_rng(seed).standard_normal((batch, *self.in_shape))

    def sketch(self) -> Trace:
        """Which layer feeds which."""
        paper = Sketch(self.layers)
        out = self.body(paper, frozenset({INPUT}), self.wiring)
        return Trace(tuple(paper.uses), out)

    def run(
        self, x: np.ndarray, tensors: Tensors, facts: Facts, *, training: bool = False, memory: Memory | None = None
    ) -> Numbers:
        """Compute; the result's `out` is the output. Runs with one `memory` share what they have in common."""
        numbers = Numbers(tensors, facts, training, memory=memory)
        numbers.out = self.body(numbers, x, self.wiring)
        return numbers

    def slope(
        self, x: np.ndarray, tensors: Tensors, facts: Facts, direction: np.ndarray, along: tuple[str, str] | None,
        v: np.ndarray, step: float,
    ) -> float:  # fmt: skip
        """The derivative of sum(output · direction) in training mode when one tensor (None: the input) moves along v.

        A central difference in float64. It is off where a ReLU's input changes its sign within the step.
        """
        base = self.run(x, tensors, facts, training=True)
        values = []
        for move in (step * v, -step * v):
            changed = tensors if along is None else {**tensors, along: tensors[along] + move}
            numbers = Numbers(changed, facts, True, detached=iter(base.detached))
            out = self.body(numbers, x + move if along is None else x, self.wiring)
            values.append(float((out * direction).sum()))
        return (values[0] - values[1]) / (2 * step)


class Sketch:
    """Runs a body without numbers; a value is the set of uses that it comes from."""

    def __init__(self, layers: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
        self.layers = {name: Layer(name, kind, shape) for name, (kind, shape) in layers.items()}
        self.uses: list[Use] = []

    def conv(self, name: str, x: frozenset[int], **_: Any) -> frozenset[int]:
        self.uses.append(Use(self.layers[name], x))
        return frozenset({len(self.uses) - 1})

    bn = dense = conv

    def relu(self, x: frozenset[int], *_: Any, **__: Any) -> frozenset[int]:
        return x

    scale = detach = subsample = pad_channels = relu

    def apply(self, key: Any, function: Any, x: frozenset[int]) -> frozenset[int]:
        return x

    def add(self, *terms: frozenset[int], **_: Any) -> frozenset[int]:
        return frozenset().union(*terms)

    concatenate = multiply = add


@dataclass(frozen=True)
class Facts:
    """What belongs to the framework or to the learner's layers, and is judged apart from the wiring.

    Parameters
    ----------
    eps, momentum
        Of each BN layer, in PyTorch's convention.
    unbiased
        Whether running variances take the variance divided by n − 1, as in PyTorch, or by n, as in Keras.
    """

    unbiased: bool
    eps: Mapping[str, float] = field(default_factory=dict)
    momentum: Mapping[str, float] = field(default_factory=dict)


class Numbers:
    """Runs a body in NumPy; a value is an array (B, C, H, W).

    Attributes
    ----------
    outputs
        What each layer with weights put out, use by use.
    running
        Running statistics after a pass in training mode, by (layer, kind).
    """

    out: np.ndarray

    def __init__(
        self, tensors: Tensors, facts: Facts, training: bool, detached: Any = None, memory: Memory | None = None
    ) -> None:
        self.tensors, self.facts, self.training = tensors, facts, training
        self.outputs: list[tuple[str, np.ndarray]] = []
        self.running: dict[tuple[str, str], np.ndarray] = {}
        self.detached: list[np.ndarray] = []
        self._recorded = detached
        self._memory: Memory = {} if memory is None else memory

    def conv(self, name: str, x: np.ndarray, *, stride: int = 1, padding: tuple[int, int] | None = None) -> np.ndarray:
        """A convolution. `padding` is (before, after) on both axes; by default half the kernel on either side."""
        weight = self.tensors[name, "weight"]

        def compute() -> np.ndarray:
            around = padding or (weight.shape[-1] // 2,) * 2
            padded = np.pad(x, ((0, 0), (0, 0), around, around))
            windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
            out = np.tensordot(windows[:, :, ::stride, ::stride], weight, axes=((1, 4, 5), (1, 2, 3)))
            return self._with_bias(name, out.transpose(0, 3, 1, 2))

        return self._put_out(name, self._once(("conv", name, stride, padding), (x,), compute))

    def bn(self, name: str, x: np.ndarray, *, statistics: str = "") -> np.ndarray:
        """BN. `statistics` is "batch" or "running" where the mode is not to decide."""
        axes = (0, 2, 3) if x.ndim == 4 else (0,)
        if (statistics or ("batch" if self.training else "running")) == "batch":
            mean, variance = x.mean(axes), x.var(axes)
            if self.training:
                self._move_running(name, mean, variance, x.size // x.shape[1])
        else:
            mean, variance = self.tensors[name, "running_mean"], self.tensors[name, "running_var"]

        def compute() -> np.ndarray:
            scaled = (x - _by_channel(mean, x)) / np.sqrt(_by_channel(variance, x) + self.facts.eps.get(name, 1e-5))
            gamma = self.tensors.get((name, "weight"))
            return self._with_bias(name, scaled if gamma is None else scaled * _by_channel(gamma, x))

        return self._put_out(name, self._once(("bn", name, statistics), (x,), compute))

    def dense(self, name: str, x: np.ndarray) -> np.ndarray:
        weight = self.tensors[name, "weight"]
        return self._put_out(name, self._once(("dense", name), (x,), lambda: self._with_bias(name, x @ weight.T)))

    def relu(self, x: np.ndarray) -> np.ndarray:
        return self._once(("relu",), (x,), lambda: np.maximum(x, 0))

    def add(self, *terms: np.ndarray) -> np.ndarray:
        return self._once(("add",), terms, lambda: np.sum(np.broadcast_arrays(*terms), axis=0))

    def multiply(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._once(("multiply",), (x, y), lambda: x * y)

    def concatenate(self, *terms: np.ndarray, axis: int = 1) -> np.ndarray:
        return self._once(("concatenate", axis), terms, lambda: np.concatenate(terms, axis=axis))

    def scale(self, x: np.ndarray, factor: float) -> np.ndarray:
        return self._once(("scale", factor), (x,), lambda: x * factor)

    def subsample(self, x: np.ndarray, stride: int) -> np.ndarray:
        return self._once(("subsample", stride), (x,), lambda: x[:, :, ::stride, ::stride])

    def pad_channels(self, x: np.ndarray, more: int) -> np.ndarray:
        around = ((0, 0), (more // 2, more - more // 2), (0, 0), (0, 0))
        return self._once(("pad_channels", more), (x,), lambda: np.pad(x, around))

    def apply(self, key: tuple[Any, ...], function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
        """Any other function without weights; `key` tells it from all others."""
        return self._once(("apply", *key), (x,), lambda: function(x))

    def detach(self, x: np.ndarray) -> np.ndarray:
        """A value through which no gradient flows: while something else moves, it stays."""
        value = x if self._recorded is None else next(self._recorded)
        self.detached.append(value)
        return value

    def _once(
        self, key: tuple[Any, ...], given: tuple[np.ndarray, ...], compute: Callable[[], np.ndarray]
    ) -> np.ndarray:
        key = (*key, *map(id, given))
        if key not in self._memory:
            self._memory[key] = (compute(), given)
        return self._memory[key][0]

    def _with_bias(self, name: str, x: np.ndarray) -> np.ndarray:
        bias = self.tensors.get((name, "bias"))
        return x if bias is None else x + _by_channel(bias, x)

    def _put_out(self, name: str, x: np.ndarray) -> np.ndarray:
        self.outputs.append((name, x))
        return x

    def _move_running(self, name: str, mean: np.ndarray, variance: np.ndarray, count: int) -> None:
        momentum = self.facts.momentum.get(name, 0.1)
        if self.facts.unbiased:
            variance = variance * count / max(count - 1, 1)
        for kind, value in (("running_mean", mean), ("running_var", variance)):
            before = self.running.get((name, kind), self.tensors.get((name, kind), value))
            self.running[name, kind] = (1 - momentum) * before + momentum * value


def _by_channel(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    return values.reshape(1, -1, *[1] * (like.ndim - 2))


def pooled(how: str, stride: int, x: np.ndarray, padding: tuple[int, int] | None = None) -> np.ndarray:
    """A pool such as "maximum of 3×3". `padding` is as in `Numbers.conv`, with zeros that count as values."""
    size = int(how[-1])
    around = padding or ((size - 1) // 2,) * 2
    padded = np.pad(x, ((0, 0), (0, 0), around, around))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    values: np.ndarray = windows.max((-2, -1)) if how.startswith("maximum") else windows.mean((-2, -1))
    return values
