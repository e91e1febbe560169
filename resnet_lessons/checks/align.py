"""Which layer of an answer stands for which layer of a reference, whatever they are called and in which order they are made.

Two layers correspond if they are of the same kind and shape, and if the layers before and after them correspond. Names
are not looked at. Where the flow of data does not decide (two parallel layers of one shape), or where it cannot be seen,
the order of use proposes and what the two compute decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, permutations, product
from typing import Any

import numpy as np

from .uses import KIND_NAMES, Layer, Network, Trace, open_network

MOST_ORDERS = 24  # how many assignments are tried where the flow of data does not decide


@dataclass(frozen=True)
class Alignment:
    """What `align` found; true if there is a mapping.

    Attributes
    ----------
    layers
        Layer of the answer → layer of the reference.
    tensors
        The same for parameters and running statistics, by the names that the two frameworks give them.
    reason
        Why there is no mapping; empty if there is one.
    """

    layers: Mapping[str, str] = field(default_factory=dict)
    tensors: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def __bool__(self) -> bool:
        return not self.reason

    def __str__(self) -> str:
        return self.reason or "\n".join(f"{ours} → {theirs}" for ours, theirs in self.tensors.items())


def align(answer: Any, reference: Any, images: np.ndarray | None = None) -> Alignment:
    """Map the tensors of a block or network to those of a reference, or say why that cannot be.

    Both are run once on a small batch, in evaluation mode. The two may be of different frameworks.

    Parameters
    ----------
    answer, reference
        `torch.nn.Module`, Keras layer or model, or a callable that uses Keras layers.
    images
        A batch (B, C, H, W), or (B, features), that both take; by default noise of the size that a Keras model asks for, or
        else 16 × 16, with as many channels as the reference's first layer takes.

    Returns
    -------
    Alignment
        The mapping, or the reason there is none: "your block has 3 3×3 convolutions where the reference has 2".

    Raises
    ------
    TypeError
        If one of them is no block or network.

    Examples
    --------
    >>> from torch import nn
    >>> ours = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4))
    >>> theirs = nn.Sequential()
    >>> theirs.add_module("conv1", nn.Conv2d(2, 4, 3)); theirs.add_module("bn1", nn.BatchNorm2d(4))
    >>> align(ours, theirs).layers
    {'0': 'conv1', '1': 'bn1'}
    """
    ours, theirs = open_network(answer), open_network(reference)
    if images is None:
        images = np.random.default_rng(0).standard_normal((2, *_in_shape(answer, reference)))
    left, right = ours.trace(images).without_dropped(), theirs.trace(images).without_dropped()
    found = list(islice(pairings(left, right), MOST_ORDERS))
    if not found:
        return Alignment(reason=mismatch(left, right))
    best = found[0] if len(found) == 1 else _by_behaviour(ours, theirs, images, found)
    tensors = {
        ours_.tensors[kind].name: theirs_.tensors[kind].name
        for ours_, theirs_ in best
        for kind in theirs_.tensors
        if kind in ours_.tensors
    }
    return Alignment({a.name: b.name for a, b in best}, tensors)


Pairs = Sequence[tuple[Layer, Layer]]  # (of the answer, of the reference)


def pairings(answer: Trace, reference: Trace) -> Iterator[Pairs]:
    """Propose which layers correspond, the likeliest pairing first; nothing if kinds, shapes or numbers do not fit."""
    if _census(answer) != _census(reference):
        return
    if answer.flow_known and reference.flow_known:
        ours, theirs = _places(answer), _places(reference)
        if Counter(ours) == Counter(theirs):
            yield from _orders(answer, reference, ours, theirs)
            return
    kinds = [[(use.layer.kind, use.layer.shape) for use in trace.uses] for trace in (answer, reference)]
    yield from _orders(answer, reference, *kinds)


def mismatch(answer: Trace, reference: Trace) -> str:
    """Say in words why two traces cannot be paired; empty if kinds, shapes and numbers agree."""
    for kind, plural in KIND_NAMES.items():
        ours, theirs = ([layer for layer in trace.layers if layer.kind == kind] for trace in (answer, reference))
        if len(ours) != len(theirs):
            return f"your block uses {_count(len(ours), plural)} where the reference has {len(theirs)}"
        uses = [sum(use.layer.kind == kind for use in trace.uses) for trace in (answer, reference)]
        if uses[0] != uses[1]:
            return f"your block runs its {plural}s {uses[0]} times, the reference {uses[1]} times"
    for (kind, shape), missing in (Counter(_census(reference)) - Counter(_census(answer))).items():
        layer = Layer("", kind, shape)
        have = next((Layer("", *one) for one in _census(answer) - _census(reference) if one[0] == kind), None)
        other = f"; yours has one {have.kernel and 'of '}{have.kernel}{_between(have)} instead" if have else ""
        which = f"{'one' if missing == 1 else missing} of the reference's {layer.kernel}{KIND_NAMES[kind]}s"
        return f"{which}, {_between(layer)}, {'has' if missing == 1 else 'have'} no counterpart{other}"
    for trace, whose in ((answer, "your block"), (reference, "the reference")):
        shared = [layer.name for layer in trace.layers if sum(use.layer is layer for use in trace.uses) > 1]
        if shared:
            return f"{whose} uses its layer {shared[0]} more than once"
    return ""


def _between(layer: Layer) -> str:
    """What a layer takes and puts out: frameworks order the axes of its weights differently."""
    if layer.kind == "bn":
        return f"on {layer.shape[0]:,} channels"
    outs, ins = layer.shape[:2]
    return f"from {ins:,} to {outs:,} {'channels' if layer.kind == 'conv' else 'values'}"


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _census(trace: Trace) -> Counter[tuple[str, tuple[int, ...]]]:
    return Counter((use.layer.kind, use.layer.shape) for use in trace.uses)


def _places(trace: Trace) -> list[int]:
    """A number for each use that says what it is, what leads to it and what follows it."""
    before: list[Any] = []
    following: list[list[int]] = [[] for _ in trace.uses]
    for number, use in enumerate(trace.uses):
        sources = sorted(-1 if n < 0 else before[n] for n in use.after)
        before.append(hash((use.layer.kind, use.layer.shape, tuple(sources))))
        for source in use.after:
            if source >= 0:
                following[source].append(number)
    after: dict[int, int] = {}
    for number in reversed(range(len(trace.uses))):
        use = trace.uses[number]
        later = sorted(after[n] for n in following[number])
        after[number] = hash((use.layer.kind, use.layer.shape, number in trace.output_after, tuple(later)))
    return [hash((before[n], after[n])) for n in range(len(trace.uses))]


def _orders(answer: Trace, reference: Trace, ours: Sequence[Any], theirs: Sequence[Any]) -> Iterator[Pairs]:
    """Pair uses of the same place: in the order of use first, then in all others."""
    groups = [
        ([n for n, p in enumerate(ours) if p == place], [n for n, p in enumerate(theirs) if p == place])
        for place in dict.fromkeys(theirs)
    ]
    choices = [permutations(mine) if len(mine) <= 4 else [tuple(mine)] for mine, _ in groups]
    for chosen in product(*choices):
        pairs: dict[int, tuple[Layer, Layer]] = {}
        back: dict[int, Layer] = {}
        for mine, (_, other) in zip(chosen, groups, strict=True):
            for a, b in zip(mine, other, strict=True):
                left, right = answer.uses[a].layer, reference.uses[b].layer
                if (
                    pairs.setdefault(id(right), (left, right))[0] is not left
                    or back.setdefault(id(left), right) is not right
                ):
                    break  # one layer would have to be two
            else:
                continue
            break
        else:
            yield list(pairs.values())


def _by_behaviour(ours: Network, theirs: Network, images: np.ndarray, proposals: Sequence[Pairs]) -> Pairs:
    """The first proposal under which both compute the same; the first of all if none does."""
    before = [
        (t, t.read()) for pairs in proposals[:1] for pair in pairs for layer in pair for t in layer.tensors.values()
    ]
    try:
        for pairs in proposals:
            dice = np.random.default_rng(0)
            for ours_, theirs_ in pairs:
                for kind, tensor in theirs_.tensors.items():
                    values = random_values(kind, theirs_.kind, tensor.read().shape, dice)
                    for layer in (ours_, theirs_):
                        if kind in layer.tensors:
                            layer.tensors[kind].write(values)
            a, b = ours.outputs(images), theirs.outputs(images)
            if a.shape == b.shape and np.allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max()):
                return pairs
    finally:
        for tensor, values in before:
            tensor.write(values)
    return proposals[0]


def random_values(kind: str, layer_kind: str, shape: tuple[int, ...], dice: np.random.Generator) -> np.ndarray:
    """Values that tell every tensor from every other: a fresh γ of 1 or β of 0 would hide many mistakes."""
    if layer_kind != "bn":
        return dice.standard_normal(shape) * np.sqrt(2 / max(1, int(np.prod(shape[1:]))))
    low, high = {"weight": (0.5, 1.5), "bias": (-0.5, 0.5), "running_mean": (-0.5, 0.5), "running_var": (0.5, 2.0)}[
        kind
    ]
    return dice.uniform(low, high, shape)


def _in_shape(answer: Any, reference: Any) -> tuple[int, ...]:
    """The shape of one input that both take, (C, H, W) or (features,)."""
    for net in (answer, reference):
        shape = getattr(net, "input_shape", None)  # a Keras model's
        if isinstance(shape, tuple) and shape and shape[-1]:
            size = shape[1:-1] if None not in shape[1:] else (16,) * (len(shape) - 2)
            return (shape[-1], *size)
    if not hasattr(reference, "parameters"):
        return 3, 16, 16
    first = next((p for p in reference.parameters() if p.ndim in (2, 4)), None)
    return (3, 16, 16) if first is None else (first.shape[1], 16, 16) if first.ndim == 4 else (first.shape[1],)
