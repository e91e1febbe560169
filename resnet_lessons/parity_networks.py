"""What `parity` asks of a network, answered by a PyTorch module, a Keras model, a state dict and a recording.

All arrays here are NumPy in PyTorch's layout: images and maps (B, C, H, W), convolution kernels (out, in, height, width),
dense kernels (out, in). A tensor's key is its layer's name with `_` for `.`, and PyTorch's word for what it is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Key(NamedTuple):
    """Which tensor: the same in both frameworks."""

    layer: str  # "layer1_0_conv1"
    kind: str  # "weight", "bias", "running_mean" or "running_var"


@dataclass(frozen=True)
class Tensor:
    """One tensor of a network, to be read and written in PyTorch's layout."""

    name: str  # as its own framework calls it
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]  # returns a copy
    write: Callable[[np.ndarray], None]


class Network:
    """What the comparison needs to know of a network."""

    framework = ""
    values_per_channel: Mapping[str, int] = {}  # of each BN layer in the last training pass: batch · height · width

    def tensors(self) -> dict[Key, Tensor]:
        """Every parameter and running statistic."""
        raise TypeError(f"{self.framework} has no tensors to compare.")

    def outputs(self, images: np.ndarray) -> np.ndarray:
        """What it computes in evaluation mode."""
        raise TypeError(f"{self.framework} cannot be run.")

    def gradients(self, images: np.ndarray, direction: np.ndarray) -> dict[Key, np.ndarray]:
        """One training pass: gradients of sum(outputs · direction); the running statistics move with it."""
        raise TypeError(f"{self.framework} cannot be run.")

    def layer_outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """What each layer computes in evaluation mode, in the order of computation."""
        raise TypeError(f"{self.framework} cannot be looked into.")

    def is_float64(self) -> bool:
        """Whether it computes in float64."""
        return all(tensor.read().dtype == np.float64 for tensor in self.tensors().values())

    def momenta(self) -> dict[str, float]:
        """What share of its old running statistics each BN layer keeps; only Keras is asked, for the n/(n−1)."""
        return {}

    def as_batch(self, images: Any) -> np.ndarray:
        """Return images of any framework as (B, C, H, W)."""
        nhwc = type(images).__module__.startswith("tensorflow")
        if hasattr(images, "detach"):  # PyTorch's
            images = images.detach().cpu()
        batch = images.numpy() if hasattr(images, "numpy") else np.asarray(images)
        if batch.ndim != 4 or not np.issubdtype(batch.dtype, np.floating):
            raise ValueError(
                f"images has shape {batch.shape} and dtype {batch.dtype}; give a batch of floating-point images: "
                "(B, C, H, W) as a PyTorch tensor or array, (B, H, W, C) as a TensorFlow tensor."
            )
        return batch.transpose(0, 3, 1, 2) if nhwc else batch


INPUT = Key("the input", "gradient")


def wrap(net: Any) -> Network:
    """Return what answers for a network of either framework.

    Raises
    ------
    TypeError
        If it is none; the message says what to do with a Keras block.
    """
    if isinstance(net, Network):
        return net
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if torch is not None and isinstance(net, torch.nn.Module):
        return _Torch(net)
    if keras is not None and isinstance(net, keras.Model):
        return _Keras(net)
    if isinstance(net, Mapping):
        return StateDict(net)
    hint = ""
    if callable(net) and keras is not None:
        hint = " Make a Keras block a model first: x = keras.Input(…); keras.Model(x, block(x))."
    raise TypeError(f"{type(net).__name__} is neither a torch.nn.Module nor a keras.Model.{hint}")


def torch_key(name: str) -> Key:
    """Return the key of a tensor from its name in a PyTorch state dict."""
    layer, _, kind = name.rpartition(".")
    return Key(layer.replace(".", "_"), kind)


class StateDict(Network):
    """Arrays by their PyTorch names: a source of weights, nothing more."""

    framework = "A state dict"

    def __init__(self, arrays: Mapping[str, Any]):
        self.arrays = {name: np.asarray(array) for name, array in arrays.items()}

    def tensors(self) -> dict[Key, Tensor]:
        names = [name for name in self.arrays if not name.endswith("num_batches_tracked")]
        return {torch_key(name): self._tensor(name) for name in names}

    def _tensor(self, name: str) -> Tensor:
        return Tensor(name, self.arrays[name].shape, lambda: self.arrays[name].copy(), self._refuse)

    def _refuse(self, _: np.ndarray) -> None:
        raise TypeError(f"{self.framework} is a source of weights, not a target.")


class Recording(StateDict):
    """A committed record of what a small network computed: weights, images, and all that `compare` looks at."""

    def __init__(self, groups: Mapping[str, dict[str, np.ndarray]], facts: Mapping[str, Any]):
        super().__init__(groups["weights"])
        self.groups, self.facts = groups, facts
        self.framework = facts["framework"]  # which one computed it, and so which convention its variances follow
        self.values_per_channel = facts["values_per_channel"]
        self.images = groups["run"]["images"]
        self._stepped = False

    def momenta(self) -> dict[str, float]:
        return self.facts["momenta"]

    def tensors(self) -> dict[Key, Tensor]:
        # After its "training step" a recording shows the running statistics as they were then.
        self.arrays = {**self.groups["weights"], **(self.groups["after"] if self._stepped else {})}
        return {key: self._as_found(tensor) for key, tensor in super().tensors().items()}

    def _as_found(self, tensor: Tensor) -> Tensor:
        return Tensor(tensor.name, tensor.shape, tensor.read, self._put_back)

    def _put_back(self, _: np.ndarray) -> None:
        self._stepped = False

    def outputs(self, images: np.ndarray) -> np.ndarray:
        return self.groups["run"]["outputs"]

    def gradients(self, images: np.ndarray, direction: np.ndarray) -> dict[Key, np.ndarray]:
        self._stepped = True
        found = {torch_key(name): array for name, array in self.groups["gradients"].items()}
        return {**found, INPUT: self.groups["run"]["input_gradient"]}

    @staticmethod
    def save(
        path: Path, net: Network, weights: dict[str, np.ndarray], images: np.ndarray, outputs: np.ndarray,
        gradients: dict[Key, np.ndarray],
    ) -> None:  # fmt: skip
        """Write a recording; `net` has just taken its training step."""
        from safetensors.numpy import save_file

        def arrays() -> Iterator[tuple[str, np.ndarray]]:
            by_key = net.tensors()
            yield from ((f"weights/{name}", array) for name, array in weights.items())
            yield from ((f"run/{name}", array) for name, array in [("images", images), ("outputs", outputs)])
            yield "run/input_gradient", gradients[INPUT]
            yield from ((f"gradients/{by_key[key].name}", g) for key, g in gradients.items() if key != INPUT)
            running = ((key, tensor) for key, tensor in by_key.items() if key.kind.startswith("running"))
            yield from ((f"after/{tensor.name}", tensor.read()) for _, tensor in running)

        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays()}
        facts = {"framework": net.framework, "momenta": net.momenta(), "values_per_channel": net.values_per_channel}
        save_file(contiguous, path, {"facts": json.dumps(facts)})

    @classmethod
    def load(cls, path: Path) -> Recording:
        from safetensors import safe_open

        groups: dict[str, dict[str, np.ndarray]] = {"weights": {}, "run": {}, "gradients": {}, "after": {}}
        with safe_open(path, framework="numpy") as file:
            for full_name in file.keys():  # noqa: SIM118  # the file is no mapping
                group, _, name = full_name.partition("/")
                groups[group][name] = file.get_tensor(full_name)
            return cls(groups, json.loads(file.metadata()["facts"]))


class _Torch(Network):
    framework = "PyTorch"

    def __init__(self, net: Any):
        self.net = net
        self.values_per_channel = {}

    def tensors(self) -> dict[Key, Tensor]:
        state = self.net.state_dict()
        names = [name for name in state if not name.endswith("num_batches_tracked")]
        return {torch_key(name): self._tensor(name, state[name]) for name in names}

    def _tensor(self, name: str, tensor: Any) -> Tensor:
        import torch

        def write(array: np.ndarray) -> None:
            with torch.no_grad():
                tensor.copy_(torch.from_numpy(np.ascontiguousarray(array)))

        return Tensor(name, tuple(tensor.shape), lambda: tensor.detach().cpu().numpy().copy(), write)

    def outputs(self, images: np.ndarray) -> np.ndarray:
        import torch

        with in_mode(self.net, training=False), torch.no_grad():
            return self.net(self._input(images)).cpu().numpy()

    def gradients(self, images: np.ndarray, direction: np.ndarray) -> dict[Key, np.ndarray]:
        import torch

        norms = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)
        inputs, self.values_per_channel = self._input(images).requires_grad_(), {}
        hooks = [
            module.register_forward_pre_hook(self._count_values(name.replace(".", "_")))
            for name, module in self.net.named_modules()
            if isinstance(module, norms)
        ]
        try:
            with in_mode(self.net, training=True), torch.enable_grad():
                outputs = self.net(inputs)
                loss = (outputs * torch.as_tensor(direction, dtype=outputs.dtype, device=outputs.device)).sum()
                parameters = {name: value for name, value in self.net.named_parameters() if value.requires_grad}
                found = torch.autograd.grad(loss, [inputs, *parameters.values()], allow_unused=True)
        finally:
            for hook in hooks:
                hook.remove()
        wanted = [inputs, *parameters.values()]
        # A parameter that the output does not depend on has a gradient of zeros, as in Keras.
        values = [(torch.zeros_like(w) if g is None else g).cpu().numpy() for w, g in zip(wanted, found, strict=True)]
        keys = [INPUT, *map(torch_key, parameters)]
        return dict(zip(keys, values, strict=True))

    def _count_values(self, layer: str) -> Callable[[Any, Any], None]:
        def hook(_: Any, inputs: Any) -> None:
            self.values_per_channel[layer] = inputs[0].numel() // inputs[0].shape[1]  # type: ignore[index]

        return hook

    def layer_outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        import torch

        seen: dict[str, np.ndarray] = {}

        def keep(name: str) -> Callable[[Any, Any, Any], None]:
            def hook(_: Any, __: Any, output: Any) -> None:
                if isinstance(output, torch.Tensor):  # a layer that is used again keeps its first output
                    seen.setdefault(name or "the output", output.detach().cpu().numpy().copy())

            return hook

        hooks = [module.register_forward_hook(keep(name)) for name, module in self.net.named_modules()]
        try:
            self.outputs(images)
        finally:
            for hook in hooks:
                hook.remove()
        return seen

    def _input(self, images: np.ndarray) -> Any:
        import torch

        like = next((p for p in self.net.parameters() if p.is_floating_point()), torch.empty(0))
        return torch.tensor(images, dtype=like.dtype, device=like.device)


@contextmanager
def in_mode(net: Any, training: bool) -> Iterator[None]:
    """Put a PyTorch module into training or evaluation mode, and each of its parts back into its own."""
    modes = {module: module.training for module in net.modules()}
    net.train(training)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


KERAS_KINDS = {
    "kernel": "weight",
    "gamma": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class _Keras(Network):
    framework = "Keras"

    def __init__(self, net: Any):
        self.net = net

    def tensors(self) -> dict[Key, Tensor]:
        return {key: self._tensor(key, variable) for key, variable in self._variables()}

    def _variables(self) -> Iterator[tuple[Key, Any]]:
        for variable in self.net.variables:
            path = variable.path.split("/")
            if path[0] == self.net.name:  # a subclassed model puts its own name in front
                path = path[1:]
            if path[-1] in KERAS_KINDS:  # the rest are states of random generators
                yield Key("_".join(path[:-1]).replace(".", "_"), KERAS_KINDS[path[-1]]), variable

    def _tensor(self, key: Key, variable: Any) -> Tensor:
        to_torch = _torch_axes(len(variable.shape))
        to_keras = tuple(np.argsort(to_torch))
        return Tensor(
            ".".join(key),
            tuple(variable.shape[axis] for axis in to_torch),
            lambda: np.array(variable.numpy()).transpose(to_torch),
            lambda array: variable.assign(np.asarray(array).transpose(to_keras)),
        )

    def outputs(self, images: np.ndarray) -> np.ndarray:
        return _nchw(self.net(self._input(images), training=False))

    def gradients(self, images: np.ndarray, direction: np.ndarray) -> dict[Key, np.ndarray]:
        import tensorflow as tf

        inputs = self._input(images)
        keys = {id(variable): key for key, variable in self._variables()}
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = self.net(inputs, training=True)
            aligned = direction.transpose(0, 2, 3, 1) if direction.ndim == 4 else direction
            loss = tf.reduce_sum(outputs * tf.cast(aligned, outputs.dtype))
        trained = [variable for variable in self.net.trainable_variables if id(variable) in keys]
        found = tape.gradient(loss, [inputs, *(v.value for v in trained)], unconnected_gradients="zero")
        gradients = {INPUT: _nchw(found[0])}
        for variable, gradient in zip(trained, found[1:], strict=True):
            gradients[keys[id(variable)]] = gradient.numpy().transpose(_torch_axes(len(variable.shape)))
        return gradients

    def layer_outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        import keras

        if not (hasattr(self.net, "operations") or isinstance(self.net, keras.Sequential)):
            raise TypeError(
                f"{self.net.name} is a subclassed Keras model, whose inside cannot be seen. Build it from keras.Input: "
                "keras.Model(x, block(x))."
            )
        tapped = {layer.name: layer.output for layer in self.net.layers if self._seen_once(layer)}
        values = keras.Model(self.net.inputs[0], tapped)(self._input(images), training=False)
        return {**{name: _nchw(values[name]) for name in tapped}, "the output": self.outputs(images)}

    @staticmethod
    def _seen_once(layer: Any) -> bool:
        """Whether a layer has one output: not an input layer, and not used twice, which Keras calls ambiguous."""
        import keras

        try:
            return not isinstance(layer, keras.layers.InputLayer) and layer.output is not None
        except (AttributeError, ValueError):
            return False

    def momenta(self) -> dict[str, float]:
        keys = {id(variable): key for key, variable in self._variables()}
        norms = [layer for layer in self.net._flatten_layers() if getattr(layer, "moving_variance", None) is not None]
        return {keys[id(layer.moving_variance)].layer: layer.momentum for layer in norms}

    def _input(self, images: np.ndarray) -> Any:
        import tensorflow as tf

        dtype = next((variable.dtype for variable in self.net.variables if "float" in variable.dtype), "float32")
        return tf.constant(np.ascontiguousarray(images.transpose(0, 2, 3, 1)), dtype=dtype)


def _torch_axes(ndim: int) -> tuple[int, ...]:
    """Where PyTorch finds the axes of a Keras weight: HWIO → OIHW, (in, out) → (out, in)."""
    return {4: (3, 2, 0, 1), 2: (1, 0)}.get(ndim, tuple(range(ndim)))


def _nchw(values: Any) -> np.ndarray:
    array = values.numpy()
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array
