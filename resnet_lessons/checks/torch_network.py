"""A learner's block or network in PyTorch, run and looked into (`uses.Network`).

Convolutions and BN are seen where PyTorch computes them (`torch.overrides`), so that modules and functions with
parameters of one's own are seen alike; what feeds what is read from autograd's graph.
"""

from __future__ import annotations

from typing import Any

from resnet_lessons.parity_networks import in_mode

import numpy as np
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from .uses import INPUT, KIND_NAMES, Gradients, Layer, Network, TensorAt, Trace, Use, WrongResultError, attributes

_ARGUMENTS = {
    "conv": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "bn": ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
    "dense": ("input", "weight", "bias"),
}
_FUNCTIONS: dict[Any, str] = {torch.conv2d: "conv", F.conv2d: "conv", F.batch_norm: "bn", F.linear: "dense"}
_TENSORS = ("weight", "bias", "running_mean", "running_var")


class TorchNetwork(Network):
    """A `torch.nn.Module`."""

    framework = "pytorch"

    def __init__(self, net: torch.nn.Module) -> None:
        self.net = net
        self.layers: dict[int, Layer] = {}
        self.keep: list[Any] = []  # the tensors whose ids are keys
        self._settled: set[int] = set()

    def settle(self, images: np.ndarray) -> list[Layer]:
        layers = self.trace(images).layers
        self._settled = {id(layer) for layer in layers}
        return list(layers)

    def trace(self, images: np.ndarray) -> Trace:
        x = self._input(images).requires_grad_() * 1.0  # not a leaf: it may be edited, and has a place in the graph
        source = x.grad_fn
        recorder = _Recorder(self)
        try:
            with in_mode(self.net, training=False), torch.enable_grad(), recorder:
                out = self.net(x)
        finally:
            self.partial = [Use(u.layer, frozenset(), u.in_shape, u.out_shape) for u in recorder.uses]
            self.partial += [recorder.raised] if recorder.raised else []
            self.edits_input = not np.array_equal(_array(x), images.astype(_array(x).dtype), equal_nan=True)
        out = _tensor(out)
        produced = {node: number for number, node in enumerate(recorder.nodes) if node is not None}
        produced[source] = INPUT
        uses = [
            Use(u.layer, _upstream(node, produced), u.in_shape, u.out_shape, u.output)
            for u, node in zip(recorder.uses, recorder.feeding, strict=True)
        ]
        now = {id(use.layer) for use in uses}
        self.makes_layers = bool(self._settled) and bool(now - self._settled) and bool(self._settled - now)
        trace = Trace(tuple(uses), _upstream(out.grad_fn, produced), flow_known=out.grad_fn is not None)
        used = {id(t) for key in self.layers for t in self.layers[key].settings["tensors"]}
        others = {name: id(p) for name, p in self.net.named_parameters() if id(p) not in used}
        reaching = _leaves(out.grad_fn)
        self.unfollowed = [name for name, number in others.items() if number in reaching]
        known = {layer.name for layer in self.layers.values()} | {_owner(name) for name in self.unfollowed}
        self.unused = sorted({_owner(name) for name in others} - known)
        return trace

    def outputs(self, images: np.ndarray) -> np.ndarray:
        with in_mode(self.net, training=False), torch.no_grad():
            return _array(_tensor(self.net(self._input(images))))

    def gradients(self, images: np.ndarray, direction: np.ndarray, trace: Trace) -> Gradients:
        leaf = self._input(images).requires_grad_()
        with in_mode(self.net, training=True), torch.enable_grad():
            out = _tensor(self.net(leaf * 1.0))
        wanted: dict[Any, torch.Tensor] = {"input": leaf}
        for layer in trace.layers:
            for tensor, kind in zip(layer.settings["tensors"], layer.settings["kinds"], strict=True):
                if tensor.requires_grad:
                    wanted[layer.name, kind] = tensor
        if not out.requires_grad:
            found: list[Any] = [None] * len(wanted)
        else:
            loss = (out * torch.as_tensor(direction, dtype=out.dtype)).sum()
            found = list(torch.autograd.grad(loss, list(wanted.values()), allow_unused=True))
        values = {
            key: np.zeros(tuple(t.shape)) if g is None else _array(g)
            for (key, t), g in zip(wanted.items(), found, strict=True)
        }
        return Gradients(_array(out), values.pop("input"), values)

    def layer_of(self, kind: str, given: dict[str, Any]) -> Layer:
        """The layer that a call belongs to: one and the same for the same weight."""
        tensors = {name: given[name] for name in _TENSORS if isinstance(given.get(name), torch.Tensor)}
        main = tensors.get("weight", tensors.get("running_mean"))
        if main is None:  # a normalisation without any tensor
            return Layer("a BN without weights", kind, (given["input"].shape[1],), {}, {"tensors": (), "kinds": ()})
        if id(main) not in self.layers:
            names = {id(t): n for n, t in (*self.net.named_parameters(), *self.net.named_buffers())}
            self.keep += tensors.values()
            name = names.get(id(main), "").rpartition(".")[0] or names.get(id(main), "")
            name = name or self._hidden(main) or f"{KIND_NAMES[kind]} number {len(self.layers) + 1}"
            own = {
                k: TensorAt(names.get(id(t), ""), *_access(t), trained=t.requires_grad and id(t) in names)
                for k, t in tensors.items()
            }
            kept = ("stride", "padding", "eps", "momentum", "groups", "dilation")
            settings = {key: given[key] for key in kept if key in given}
            settings |= {"tensors": tuple(tensors.values()), "kinds": tuple(tensors)}
            self.layers[id(main)] = Layer(name, kind, tuple(main.shape), own, settings)
        return self.layers[id(main)]

    def _hidden(self, tensor: torch.Tensor) -> str:
        """What the learner calls a layer that PyTorch does not know of: `blocks[0].conv1`."""
        inner = ""

        def holds(value: Any) -> bool:
            nonlocal inner
            if not isinstance(value, torch.nn.Module):
                return value is tensor
            known = {id(t): name for name, t in (*value.named_parameters(), *value.named_buffers())}
            inner = f".{known[id(tensor)]}".rpartition(".")[0] if id(tensor) in known else ""
            return id(tensor) in known

        path = next((path for path, value in attributes(self.net) if holds(value)), "")
        return path and path + inner

    def _input(self, images: np.ndarray) -> torch.Tensor:
        like = next((p for p in self.net.parameters() if p.is_floating_point()), None)
        return torch.tensor(images, dtype=torch.get_default_dtype() if like is None else like.dtype)


class _Recorder(TorchFunctionMode):
    """Keeps every call of a function with weights."""

    def __init__(self, network: TorchNetwork) -> None:
        super().__init__()
        self.network = network
        self.uses: list[Use] = []
        self.nodes: list[Any] = []  # what autograd calls each output…
        self.feeding: list[Any] = []  # …and each input
        self.raised: Use | None = None  # the call under way

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kind = _FUNCTIONS.get(function)
        if kind is None:
            return function(*args, **(kwargs or {}))
        given = {**dict(zip(_ARGUMENTS[kind], args, strict=False)), **(kwargs or {})}
        feeding, in_shape = given["input"].grad_fn, tuple(given["input"].shape)
        layer = self.network.layer_of(kind, given)
        self.raised = Use(layer, frozenset(), in_shape)
        out = function(*args, **(kwargs or {}))
        self.raised = None
        self.feeding.append(feeding)
        self.nodes.append(out.grad_fn)
        self.uses.append(Use(layer, frozenset(), in_shape, tuple(out.shape), _array(out)))
        return out


def _upstream(start: Any, produced: dict[Any, int]) -> frozenset[int]:
    """Which of the produced nodes one meets first on the way up from a node."""
    found, seen, waiting = set(), set(), [start]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node in produced:
            found.add(produced[node])
        else:
            waiting += [parent for parent, _ in node.next_functions]
    return frozenset(found)


def _leaves(start: Any) -> set[int]:
    """The ids of all parameters on the way up from a node."""
    found, seen, waiting = set(), set(), [start]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (parameter := getattr(node, "variable", None)) is not None:
            found.add(id(parameter))
        waiting += [parent for parent, _ in node.next_functions]
    return found


def _owner(name: str) -> str:
    """Of a parameter's name, that of the module that holds it."""
    return name.rpartition(".")[0]


def _access(tensor: torch.Tensor) -> tuple[Any, Any]:
    def write(array: np.ndarray) -> None:
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(array)))

    return lambda: _array(tensor), write


def _tensor(value: Any) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise WrongResultError(value, is_layer=isinstance(value, torch.nn.Module))
    return value


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()
