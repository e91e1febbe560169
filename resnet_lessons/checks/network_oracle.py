"""The course's own network as the judge of a learner's: which layer is which, and whether both compute the same.

    sketch(config)              which layer feeds which, as far as weights go: what a learner's network is aligned with
    channel_orders(config)      the orders of channels in which the same network can be written, with option A
    agreement(…)                whether outputs, gradients and running statistics are those of the twin with equal weights

Everything about the network is read from `architecture`; the twin is of the learner's own framework.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TypeVar, cast

from resnet_lessons.architecture import ResNetConfig, one_pixel_size, trace, trace_names
from resnet_lessons.frameworks import build

import numpy as np

from .align import MOST_ORDERS, Pairs, pairings
from .diagnose import close
from .evidence import Evidence, Measured, set_precision
from .guard import Guard
from .uses import INPUT, Gradients, Layer, Network, Trace, Use, open_network

SECONDS = 60.0  # for the course's own code, which ends
T = TypeVar("T")


def sketch(config: ResNetConfig) -> Trace:
    """Return a network's layers with weights, and which of them feeds which, from its description (v1 and v1.5).

    >>> from resnet_lessons import resnet_config
    >>> [use.layer.name for use in sketch(resnet_config(8, family="cifar")).uses][:4]
    ['conv1', 'bn1', 'layer1.0.conv1', 'layer1.0.bn1']
    """
    uses: list[Use] = []
    block, carried = "", frozenset[int]()
    now = shortcut = frozenset({INPUT})
    for layer in trace(config):
        own = ".downsample" in layer.name
        name = layer.name.partition(".downsample")[0] if own else layer.name.rpartition(".")[0]
        if name != block:
            block, carried, shortcut = name, now, now
        if layer.kind == "add":
            now |= shortcut
        if layer.kind not in ("conv", "bn", "dense"):
            continue
        shape: tuple[int, ...] = (layer.out_shape[0],)
        if layer.kind == "conv":
            shape = (layer.out_shape[0], layer.in_shape[0], *(layer.kernel or ()))
        elif layer.kind == "dense":
            shape = (layer.out_shape[0], layer.in_shape[0])
        after = (carried if layer.kind == "conv" else shortcut) if own else now
        uses.append(Use(Layer(layer.name, layer.kind, shape), after, layer.in_shape, layer.out_shape))
        if own:
            shortcut = frozenset({len(uses) - 1})
        else:
            now = frozenset({len(uses) - 1})
    return Trace(tuple(uses), now)


@dataclass(frozen=True)
class ChannelOrder:
    """Where a network's channels stand in the twin: for each layer, the places of its outputs and of its inputs."""

    zeros: str  # where option A puts its zeros: "on either side", "behind", "before"
    places: Mapping[str, tuple[np.ndarray | None, np.ndarray | None]]

    def to_twin(self, layer: str, values: np.ndarray) -> np.ndarray:
        """Reorder a tensor of the learner's network as the twin has it."""
        for axis, order in enumerate(self.places.get(layer, ())[: values.ndim]):
            values = values if order is None else values.take(order, axis)
        return values

    def from_twin(self, layer: str, values: np.ndarray) -> np.ndarray:
        """The way back."""
        for axis, order in enumerate(self.places.get(layer, ())[: values.ndim]):
            values = values if order is None else values.take(np.argsort(order), axis)
        return values


def channel_orders(config: ResNetConfig) -> list[ChannelOrder]:
    """Return the orders of channels that are the same network.

    The paper does not say on which side option A's zeros go (1512.03385, section 3.3), and it makes no difference to what
    such a network can compute: with the zeros elsewhere, the channels of the following stage stand in another order.
    """
    orders = [ChannelOrder("on either side", {})]
    return orders if config.shortcut != "A" else orders + [_order(config, zeros) for zeros in ("behind", "before")]


def _order(config: ResNetConfig, zeros: str) -> ChannelOrder:
    places: dict[str, tuple[np.ndarray | None, np.ndarray | None]] = {}
    now: np.ndarray | None = None  # of what travels from block to block: channel of the twin → channel of the learner
    for block in config.blocks:
        before = now
        if (more := block.out_channels - block.in_channels) > 0:
            old = np.arange(block.in_channels) if now is None else now
            theirs, ours = more // 2, {"behind": 0, "before": more}[zeros]
            now = np.full(block.out_channels, -1)
            now[theirs : theirs + block.in_channels] = ours + old
            now[now < 0] = np.setdiff1d(np.arange(block.out_channels), now)
        last = 2 if block.kind == "basic" else 3
        for number in range(1, last + 1):
            inner = (now if number == last else None, before if number == 1 else None)
            places[f"{block.name}.conv{number}"], places[f"{block.name}.bn{number}"] = inner, (inner[0], None)
    places["fc"] = (None, now)
    return ChannelOrder(zeros, places)


@dataclass(frozen=True)
class Twin:
    """The course's network, to be filled and run."""

    net: Network
    layers: Mapping[str, Layer]  # by PyTorch's names

    def fill(self, measured: Measured, pairs: Pairs, order: ChannelOrder) -> None:
        """Write the learner's tensors into it; what a learner's layer lacks is neutral (a BN without scale: 1 and 0)."""
        own = {theirs.name: ours for ours, theirs in pairs}
        for name, layer in self.layers.items():
            for kind, tensor in layer.tensors.items():
                values = measured.tensors.get((own[name].name, kind))
                if values is None:
                    values = np.full(tensor.read().shape, 1.0 if kind in ("weight", "running_var") else 0.0)
                tensor.write(order.to_twin(name, values))

    def gradients(self, images: np.ndarray, direction: np.ndarray) -> Gradients:
        """One pass in training mode."""
        uses = tuple(Use(layer, frozenset()) for layer in self.layers.values())
        return self.net.gradients(images, direction, Trace(uses, frozenset()))


@lru_cache(maxsize=4)
def twin_of(framework: str, config: ResNetConfig, dtype: str) -> Twin:
    """Return the twin in a framework; built once, since every judgement writes all of its tensors."""

    def made() -> Twin:
        set_precision(dtype == "float64")
        twin = build(framework, config, dtype=dtype)
        if framework == "tensorflow":
            # The twin's own call takes `training` from its caller alone; here it comes from the context.
            twin = sys.modules["keras"].Model(twin.input, twin.output)
        net = open_network(twin)
        layers = net.settle(np.zeros((1, config.in_channels, *2 * (one_pixel_size(config),))))
        names = {name.replace(".", "_"): name for name, _ in trace_names(config)}
        return Twin(net, {names[layer.name.replace(".", "_")]: layer for layer in layers})

    return _guarded(made)


def _guarded(code: Callable[[], T]) -> T:
    """Run the course's own code on one thread, and with the learner's seeds and settings put back."""
    found, error = Guard(SECONDS).run(code)
    if error is not None:
        raise error
    return cast(T, found)


@dataclass(frozen=True)
class Agreement:
    """A learner's network beside the twin with equal weights."""

    pairs: Pairs
    order: ChannelOrder
    differs: str  # "", "outputs", "outputs in training", "running statistics" or "gradients"
    layer: str = ""  # the learner's, where running statistics or gradients are the first to differ


def agreement(evidence: Evidence, measured: Measured, config: ResNetConfig) -> Agreement | None:
    """Compare with the twin, in each order of channels that is right; None if the layers are others.

    The agreement that goes furthest is returned.
    """
    return _guarded(lambda: _agreement(evidence, measured, config))


def _agreement(evidence: Evidence, measured: Measured, config: ResNetConfig) -> Agreement | None:
    proposals = list(islice(pairings(measured.trace.without_dropped(), sketch(config)), MOST_ORDERS))
    found: list[Agreement] = []
    for pairs in proposals:
        for order in channel_orders(config):
            found.append(_compared(evidence, measured, config, pairs, order))
            if not found[-1].differs:
                return found[-1]
    steps = ("outputs", "outputs in training", "running statistics", "gradients")
    return max(found, key=lambda one: steps.index(one.differs), default=None)


def _compared(
    evidence: Evidence, measured: Measured, config: ResNetConfig, pairs: Pairs, order: ChannelOrder
) -> Agreement:
    twin, tolerance = _filled(evidence, measured, config, pairs, order), evidence.tolerance
    if not close(measured.outputs, twin.net.outputs(evidence.images), tolerance):
        return Agreement(pairs, order, "outputs")
    trained = twin.gradients(evidence.images, measured.direction)
    if not close(measured.outputs_training, trained.outputs, tolerance):
        return Agreement(pairs, order, "outputs in training")
    for ours, theirs in pairs:
        right = twin.layers[theirs.name]
        for kind in ("running_mean", "running_var"):
            if kind in ours.tensors:
                values = order.to_twin(theirs.name, measured.running[ours.name, kind])
                if not close(values, right.tensors[kind].read(), tolerance):
                    return Agreement(pairs, order, "running statistics", ours.name)
    if evidence.precise:  # in float32 the kinks of ReLUs make gradients differ that are right
        for ours, theirs in pairs:
            for kind in ours.tensors:
                own = measured.gradients.get((ours.name, kind))
                expected = trained.tensors.get((twin.layers[theirs.name].name, kind))
                if expected is None or own is None:
                    continue
                if not close(order.to_twin(theirs.name, own), expected, evidence.gradient_tolerance):
                    return Agreement(pairs, order, "gradients", ours.name)
    return Agreement(pairs, order, "")


def _filled(
    evidence: Evidence, measured: Measured, config: ResNetConfig, pairs: Pairs, order: ChannelOrder
) -> Twin:  # fmt: skip
    twin = twin_of(evidence.framework, config, "float64" if evidence.precise else "float32")
    twin.fill(measured, pairs, order)
    return twin


def first_difference(evidence: Evidence, measured: Measured, config: ResNetConfig, pairs: Pairs) -> tuple[str, str]:
    """Return the first layer of the learner's whose output is not the twin's, and the last one before it that agrees.

    The first is "" where all layers agree. Channels may stand in any order that is right.
    """
    orders = channel_orders(config)
    found = _guarded(lambda: [_first(evidence, measured, config, pairs, order) for order in orders])
    _, layer, agreed = max(found, key=lambda one: one[0])
    return layer, agreed


def _first(
    evidence: Evidence, measured: Measured, config: ResNetConfig, pairs: Pairs, order: ChannelOrder
) -> tuple[int, str, str]:
    twin = _filled(evidence, measured, config, pairs, order)
    own = {twin.layers[theirs.name].name: ours.name for ours, theirs in pairs}
    right = {
        own[use.layer.name]: np.sort(use.output, axis=1)  # whatever the order of channels
        for use in twin.net.trace(evidence.images).uses
        if use.output is not None
    }
    uses, agreed = measured.trace.uses, ""
    for number, use in enumerate(uses):
        if use.output is None or use.layer.name not in right:
            continue
        if not close(np.sort(use.output, axis=1), right[use.layer.name], evidence.tolerance):
            return number, use.layer.name, agreed
        agreed = use.layer.name
    return len(uses), "", agreed
