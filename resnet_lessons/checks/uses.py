"""What is known of a network from having run it: which layers with weights it used, in which order, fed by which.

    Use          one call of a convolution, a BN or a dense layer
    Trace        all of them, and which of them reach the output
    Network      a learner's block or network of either framework, to be run and looked into (`open_network`)

Nothing here depends on names or on the order in which layers were made. All arrays are NumPy in PyTorch's layout.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

INPUT = -1  # stands for the network's input among the numbers of uses
KIND_NAMES = {"conv": "convolution", "bn": "BN layer", "dense": "dense layer"}


class TensorAt(NamedTuple):
    """One tensor of a layer, to be read and written as an array."""

    name: str  # as its framework calls it
    read: Callable[[], np.ndarray]
    write: Callable[[np.ndarray], None]
    trained: bool  # whether training would find and change it; running statistics are not trained


@dataclass(frozen=True)
class Layer:
    """A layer with weights: the same object however often it is used."""

    name: str
    kind: str  # a key of KIND_NAMES
    shape: tuple[int, ...]  # of its weight; of a BN, its channels
    tensors: Mapping[str, TensorAt] = field(default_factory=dict, compare=False)  # weight bias running_mean running_var
    settings: Mapping[str, Any] = field(default_factory=dict, compare=False)  # stride, eps, momentum, as far as known

    @property
    def kernel(self) -> str:
        """Such as "3×3 "; empty for what has no kernel."""
        return "×".join(map(str, self.shape[2:])) + " " if self.kind == "conv" else ""


@dataclass(frozen=True)
class Use:
    """One call of a layer."""

    layer: Layer
    after: frozenset[
        int
    ]  # uses whose outputs arrive here with no other layer with weights in between; INPUT among them
    in_shape: tuple[int, ...] = ()
    out_shape: tuple[int, ...] = ()
    output: np.ndarray | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Trace:
    """One pass through a network."""

    uses: tuple[Use, ...]
    output_after: frozenset[int]  # the uses that the output is made of, with no other layer with weights in between
    flow_known: bool = True  # False where the framework could not say what follows what

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer once, in the order of first use."""
        return tuple({id(use.layer): use.layer for use in self.uses}.values())

    def reaching(self) -> set[int]:
        """The numbers of the uses that the output depends on."""
        if not self.flow_known:
            return set(range(len(self.uses)))
        found: set[int] = set()
        waiting = set(self.output_after)
        while waiting:
            number = waiting.pop()
            if number != INPUT and number not in found:
                found.add(number)
                waiting |= self.uses[number].after
        return found

    def without_dropped(self) -> Trace:
        """The same without the uses whose output goes nowhere."""
        kept = sorted(self.reaching())
        if len(kept) == len(self.uses):
            return self
        new = {INPUT: INPUT, **{old: number for number, old in enumerate(kept)}}
        uses = [
            Use(u.layer, frozenset(new[n] for n in u.after), u.in_shape, u.out_shape, u.output)
            for u in map(self.uses.__getitem__, kept)
        ]
        return Trace(tuple(uses), frozenset(new[n] for n in self.output_after), self.flow_known)


class Gradients(NamedTuple):
    """What one pass in training mode found."""

    outputs: np.ndarray
    input: np.ndarray  # gradients of sum(outputs · direction)
    tensors: Mapping[tuple[str, str], np.ndarray]  # by (layer's name, kind)


class Network:
    """A block or a network of a learner, in one framework.

    Whatever the learner's code raises comes through; `guard` is for that.
    """

    framework: str
    unused: Sequence[str] = ()  # layers with weights that belong to the network and were not used by the latest trace
    unfollowed: Sequence[str] = ()  # what else has weights: operations of the learner's own, or layers of other kinds
    rounds = False  # whether some layer of the latest trace computes in float32 though float64 is asked for

    def settle(self, images: np.ndarray) -> list[Layer]:
        """Run it for the first time, so that layers that build themselves have weights; return those used."""
        raise NotImplementedError

    def trace(self, images: np.ndarray) -> Trace:
        """Run it once in evaluation mode and see what is used. What raises leaves `partial` behind."""
        raise NotImplementedError

    partial: Sequence[Use] = ()  # the uses before the latest trace ended or raised; one that raised has no out_shape
    edits_input = False  # whether the latest trace changed the batch that it was given
    makes_layers = False  # whether each run uses layers, or some, that the run before did not

    def outputs(self, images: np.ndarray) -> np.ndarray:
        """What it computes in evaluation mode."""
        raise NotImplementedError

    def gradients(self, images: np.ndarray, direction: np.ndarray, trace: Trace) -> Gradients:
        """One pass in training mode; running statistics move with it."""
        raise NotImplementedError


class WrongResultError(Exception):
    """What a network returned is no tensor; the message says what it is."""

    def __init__(self, value: Any, *, is_layer: bool = False) -> None:
        super().__init__("None" if value is None else _an(type(value).__name__))
        self.is_none, self.is_layer = value is None, is_layer


class NoBlockError(TypeError):
    """What a learner's code gave is no block; the message says what it is."""

    def __init__(self, value: Any) -> None:
        called = f"the class {value.__name__}" if isinstance(value, type) else _an(type(value).__name__)
        super().__init__(
            f"{'None' if value is None else called} is no block: a block is a torch.nn.Module, a Keras layer or model, or a "
            "function of a batch that uses Keras layers"
        )
        self.is_none = value is None


def framework_of(answer: Any) -> str:
    """Return "pytorch" or "tensorflow" for what an answer is built with; "" where it cannot be told.

    Only what is already imported is asked. A class or an object tells by its ancestors, a function by the modules that
    its code refers to.
    """
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    kind = answer if isinstance(answer, type) else type(answer)
    if torch is not None and issubclass(kind, torch.nn.Module):
        return "pytorch"
    if keras is not None and issubclass(kind, keras.layers.Layer):
        return "tensorflow"
    names = _named_modules(answer)
    found = [framework for framework, own in _ROOTS.items() if names & own]
    return found[0] if len(found) == 1 else ""


def open_network(net: Any) -> Network:
    """Return what answers for a block or network: a `torch.nn.Module`, a Keras layer or model, or a callable that uses
    Keras layers.

    Raises
    ------
    NoBlockError
        If it is none of these.
    """
    if isinstance(net, Network):
        return net
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if torch is not None and isinstance(net, torch.nn.Module):
        from .torch_network import TorchNetwork

        return TorchNetwork(net)
    if keras is not None and callable(net) and not isinstance(net, type):
        from .keras_network import KerasNetwork

        return KerasNetwork(net)
    raise NoBlockError(net)


_ROOTS = {"pytorch": {"torch"}, "tensorflow": {"keras", "tensorflow"}}


def _named_modules(answer: Any) -> set[str]:
    """The packages that the code of a function, or of a plain class, refers to."""
    functions = [answer] if hasattr(answer, "__code__") else []
    kind = answer if isinstance(answer, type) else type(answer)
    functions += [value for value in vars(kind).values() if hasattr(value, "__code__")]
    found = set()
    for function in functions:
        names = {name for code in _codes(function.__code__) for name in code.co_names}
        cells = [cell.cell_contents for cell in function.__closure__ or () if cell != type(cell)()]  # no empty ones
        for value in (*(function.__globals__.get(name) for name in names), *cells):
            module = getattr(value, "__name__", "") if hasattr(value, "__path__") else getattr(value, "__module__", "")
            found.add(str(module or getattr(value, "__name__", "")).split(".")[0])
    return found


def _codes(code: Any) -> list[Any]:
    return [code, *(inner for c in code.co_consts if hasattr(c, "co_names") for inner in _codes(c))]


def attributes(owner: Any, depth: int = 4) -> Iterator[tuple[str, Any]]:
    """Yield what an object keeps, and where, as one would write it: `conv1`, `blocks[0].conv1`; each before what it keeps.

    Only lists, tuples, dictionaries and objects are looked into, and no attribute whose name begins with "_".
    """
    members = [*getattr(owner, "__dict__", {}).items()]
    if any(kind.__module__.startswith("keras.") and kind.__name__ == "Sequential" for kind in type(owner).__mro__):
        members.append(("layers", owner.layers))
    for name, value in members:
        if not name.startswith("_"):
            yield from _kept_in(name, value, depth)


def _kept_in(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    yield name, value
    if depth == 0 or isinstance(value, type) or callable(getattr(value, "__array__", None)):
        return
    if isinstance(value, (list, tuple)):
        for number, each in enumerate(value):
            yield from _kept_in(f"{name}[{number}]", each, depth - 1)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _kept_in(f"{name}[{key!r}]", each, depth - 1)
    else:
        for inner, each in attributes(value, depth - 1):
            yield f"{name}.{inner}", each


def _an(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiouAEIOU' or noun == 'ndarray' else 'a'} {noun}"
