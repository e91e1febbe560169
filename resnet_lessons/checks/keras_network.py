"""A learner's block or network in Keras, run and looked into (`uses.Network`).

It may be a layer, a model (functional or subclassed), or a plain callable that uses layers. Layers are seen when they are
called; what feeds what is read from TensorFlow's graph of a traced function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .uses import INPUT, Gradients, Layer, Network, TensorAt, Trace, Use, WrongResultError, attributes

_KINDS = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "gamma": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class KerasNetwork(Network):
    """A Keras layer or model, or a callable that uses layers."""

    framework = "tensorflow"

    def __init__(self, net: Any) -> None:
        self.net = net
        self.shell = _Shell(net)
        self.layers: dict[int, Layer] = {}
        self.keep: list[Any] = []  # the layers whose ids are keys
        self._settled: list[tuple[Any, Any, Any]] = []
        self._types: set[str] = set()  # that layers computed in
        self._paths: dict[int, str] = {}  # where the answer keeps what it keeps, by id

    def settle(self, images: np.ndarray) -> list[Layer]:
        self._settled, uses = self._eagerly(self._input(images))
        return list({id(use.layer): use.layer for use in uses}.values())

    def trace(self, images: np.ndarray) -> Trace:
        x = self._input(images)
        if not self._settled:
            self.settle(images)
        first, self.partial = self._eagerly(x)
        self.rounds = bool(self._types & {"float16", "bfloat16", "float32"})
        self.edits_input = False  # a tensor of TensorFlow cannot be edited
        now, before = ({id(layer) for layer, *_ in calls} for calls in (first, self._settled))
        self.makes_layers = bool(now - before) and bool(before - now)
        self._look_for_unused({id(layer) for layer, *_ in first})
        outputs = [_array(out) for _, _, out in first]
        try:
            calls, out = self._in_a_graph(x) if not self.makes_layers else ([], None)
        except Exception:  # such code runs eagerly only: then the order of use must do
            calls = []
        if len(calls) != len(first):
            uses = [
                Use(u.layer, u.after, u.in_shape, u.out_shape, o) for u, o in zip(self.partial, outputs, strict=True)
            ]
            return Trace(tuple(uses), frozenset(), flow_known=False)
        produced = {made.name: number for number, (_, _, made) in enumerate(calls)}
        produced[self._symbol.name] = INPUT
        uses = [
            Use(self._layer(layer), _upstream(given, produced), tuple(given.shape), tuple(made.shape), output)
            for (layer, given, made), output in zip(calls, outputs, strict=True)
        ]
        uses = [
            Use(u.layer, u.after, p.in_shape, p.out_shape, u.output) for u, p in zip(uses, self.partial, strict=True)
        ]
        return Trace(tuple(uses), _upstream(out, produced))

    def outputs(self, images: np.ndarray) -> np.ndarray:
        return _array(_tensor(self.shell(self._input(images), training=False)))

    def gradients(self, images: np.ndarray, direction: np.ndarray, trace: Trace) -> Gradients:
        x = self._input(images)
        wanted: dict[Any, Any] = {"input": x}
        for layer in trace.layers:
            for kind, variable in layer.settings["variables"].items():
                if variable.trainable:
                    wanted[layer.name, kind] = variable.value
        with tf.GradientTape() as tape:
            tape.watch(x)
            out = _tensor(self.shell(x, training=True))
            loss = tf.reduce_sum(out * tf.cast(_nhwc(direction), out.dtype))
        found = tape.gradient(loss, list(wanted.values()), unconnected_gradients="zero")
        values = {
            key: _array(g) if key == "input" else _torch_layout(g.numpy()) for key, g in zip(wanted, found, strict=True)
        }
        return Gradients(_array(out), values.pop("input"), values)

    def _eagerly(self, x: Any) -> tuple[list[tuple[Any, Any, Any]], list[Use]]:
        calls: list[tuple[Any, Any, Any]] = []
        try:
            with _seen_calls(calls, eager=True) as self._types:
                _tensor(self.shell(x, training=False))
        finally:
            self._paths.clear()
            self.partial = [
                Use(self._layer(layer), frozenset(), _nchw_shape(given.shape), _nchw_shape(made.shape))
                for layer, given, made in calls
            ]
        return calls, list(self.partial)

    def _in_a_graph(self, x: Any) -> tuple[list[tuple[Any, Any, Any]], Any]:
        calls: list[tuple[Any, Any, Any]] = []
        made: list[Any] = []

        def run(symbol: Any) -> Any:
            self._symbol = symbol
            made.append(self.shell(symbol, training=False))
            return made[0]

        with _seen_calls(calls, eager=False):
            graph = tf.function(run, autograph=False).get_concrete_function(tf.TensorSpec(x.shape, x.dtype))
        self.keep.append(graph)
        return calls, made[0]

    def _layer(self, layer: Any) -> Layer:
        if id(layer) not in self.layers:
            self.keep.append(layer)
            kind = _kind(layer)
            found = {_KINDS[v.path.split("/")[-1]]: v for v in layer.variables if v.path.split("/")[-1] in _KINDS}
            main = found.get("weight", found.get("running_mean"))
            owned = self._owned()
            tensors = {
                k: TensorAt(v.path, *_access(v), trained=bool(v.trainable) and (owned is None or id(v) in owned))
                for k, v in found.items()
            }
            names = [known.name for known in self.layers.values()]
            name = self._called(layer)
            name = name if name not in names else f"{name} ({len(names)})"
            shape = tuple(_torch_layout(np.empty(main.shape)).shape) if main is not None else ()
            self.layers[id(layer)] = Layer(name, kind, shape, tensors, {**_settings(layer), "variables": found})
        return self.layers[id(layer)]

    def _owned(self) -> set[int] | None:
        """The variables that training would find; None where the answer is a plain callable, which owns nothing."""
        return {id(v) for v in self.net.variables} if isinstance(self.net, keras.layers.Layer) else None

    def _look_for_unused(self, used: set[int]) -> None:
        flat = self.net._flatten_layers() if isinstance(self.net, keras.layers.Layer) else vars_of(self.net)
        known = [layer for layer in flat if isinstance(layer, keras.layers.Layer) and _kind(layer)]
        self.unused = sorted(self._called(layer) for layer in known if id(layer) not in used)
        owned = self.net.trainable_variables if isinstance(self.net, keras.layers.Layer) else []
        seen = [layer for layer in self.keep if isinstance(layer, keras.layers.Layer)]
        followed = {id(v) for layer in (*known, *seen) for v in layer.variables}
        self.unfollowed = [self._called(v) for v in owned if id(v) not in followed]

    def _called(self, layer: Any) -> str:
        """What the learner calls a layer or a variable: `conv1`, or `blocks[0].conv1`; Keras's name if it is no attribute."""
        if not self._paths:
            for path, value in attributes(self.net):
                self._paths.setdefault(id(value), path)
        return self._paths.get(id(layer)) or str(layer.name)

    def _input(self, images: np.ndarray) -> Any:
        dtype = next((v.dtype for v in self.shell.variables if "float" in v.dtype), keras.config.floatx())
        return tf.constant(_nhwc(images), dtype=dtype)


def vars_of(value: Any) -> list[Any]:
    """The attributes of an object of a plain class; none for a function."""
    return list(getattr(value, "__dict__", {}).values())


class _Shell(keras.layers.Layer):
    """A layer around the answer, so that `training` reaches the layers in it even if nobody hands it on."""

    def __init__(self, net: Any) -> None:
        super().__init__(name="answer", dtype=keras.config.floatx())
        self.net = net

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.net(x)

    def build(self, shape: Any) -> None:
        self.built = True


@contextmanager
def _seen_calls(calls: list[tuple[Any, Any, Any]], *, eager: bool) -> Iterator[set[str]]:
    """Note (layer, input, output) of every layer with weights that is called meanwhile, eagerly or in a graph.

    Yields the types that layers of all kinds compute in.
    """
    original: Callable[..., Any] = keras.layers.Layer.__call__
    types: set[str] = set()

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if eager and not layer.built and getattr(layer.build, "_is_default", False):
            layer.built = True  # Keras would trace the call to build what it uses; run eagerly, that builds itself
        out = original(layer, *args, **kwargs)
        types.add(str(layer.compute_dtype))
        inferring = tf.executing_eagerly() != eager or keras.utils.is_keras_tensor(out)  # Keras, the shapes
        if args and _kind(layer) and not inferring:
            calls.append((layer, args[0], out))
        return out

    keras.layers.Layer.__call__ = call
    try:
        yield types
    finally:
        keras.layers.Layer.__call__ = original


def _kind(layer: Any) -> str:
    """What a layer with weights of its own is; "" for all others."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return "bn"
    if isinstance(layer, keras.layers.Dense):
        return "dense"
    return "conv" if hasattr(layer, "kernel_size") and hasattr(layer, "strides") and hasattr(layer, "filters") else ""


def _settings(layer: Any) -> dict[str, Any]:
    if _kind(layer) == "bn":
        axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
        return {"eps": layer.epsilon, "momentum": 1 - layer.momentum, "axis": axis}  # in PyTorch's convention
    if _kind(layer) != "conv":
        return {}
    groups = getattr(layer, "groups", 0) if hasattr(layer, "kernel") else 0  # 0: by depth
    return {"stride": layer.strides, "padding": layer.padding, "groups": groups, "axis": _channel_axis(layer)}


def _channel_axis(layer: Any) -> int:
    return 1 if layer.data_format == "channels_first" else -1


def _upstream(start: Any, produced: dict[str, int]) -> frozenset[int]:
    """Which of the produced tensors one meets first on the way up from a tensor."""
    found, seen, waiting = set(), set(), [start]
    while waiting:
        tensor = waiting.pop()
        if tensor.name in seen:
            continue
        seen.add(tensor.name)
        if tensor.name in produced:
            found.add(produced[tensor.name])
        else:
            waiting += list(tensor.op.inputs)
    return frozenset(found)


def _access(variable: Any) -> tuple[Any, Any]:
    def write(array: np.ndarray) -> None:
        variable.assign(array.transpose({4: (2, 3, 1, 0), 2: (1, 0)}.get(array.ndim, tuple(range(array.ndim)))))

    return lambda: _torch_layout(np.array(variable.numpy())), write


def _torch_layout(array: np.ndarray) -> np.ndarray:
    return array.transpose({4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim, tuple(range(array.ndim))))


def _nhwc(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1)) if images.ndim == 4 else images


def _nchw_shape(shape: Any) -> tuple[int, ...]:
    sizes = tuple(shape)
    return (sizes[0], sizes[3], sizes[1], sizes[2]) if len(sizes) == 4 else sizes


def _tensor(value: Any) -> Any:
    if not tf.is_tensor(value):
        raise WrongResultError(value, is_layer=isinstance(value, keras.layers.Layer))
    return value


def _array(tensor: Any) -> np.ndarray:
    array = tensor.numpy()
    return array.transpose(0, 3, 1, 2).copy() if array.ndim == 4 else array.copy()
