"""Proof that two networks are the same: copy weights across, then compare what they compute.

    randomize_batch_norm(net)         give every BN tensor values of its own; a fresh network proves little
    copy_weights(net, twin)           in either direction, running statistics included
    state_of(net)                     its tensors as arrays, under PyTorch's names
    compare(net, twin, images)        outputs, gradients, running statistics after one training step
    first_divergence(net, twin, …)    layer by layer: where two networks begin to differ

A network is a `torch.nn.Module`, a Keras model, or a recording of one (`recorded`). Tensors correspond by name: PyTorch's
`layer1.0.conv1.weight` is the kernel of Keras's layer `layer1_0_conv1`. Both frameworks are imported only when a network
of theirs is given.

A difference is max|a − b| / max|b| over one tensor. Absolute differences mislead (the logits of a fresh pre-activation
ResNet-164 reach 6·10⁶), and elementwise relative ones explode near zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from resnet_lessons.architecture import ResNetConfig, trace_names
from resnet_lessons.parity_networks import INPUT, Key, Network, Recording, Tensor, torch_key, wrap

import numpy as np

REFERENCE_FOLDER = Path(__file__).parent / "reference"
# β is not negative, so that most units stay open. With β around 0 a ReLU net without identity paths is chaotic: one
# rounding error in 10¹⁶ grows to 10⁻⁸ in the gradients of a pre-activation ResNet-164 with option C.
BN_RANGES = {"weight": (0.5, 1.5), "bias": (0.0, 1.0), "running_mean": (-0.5, 0.5), "running_var": (0.5, 2.0)}


class Difference(NamedTuple):
    """The largest difference over a group of tensors, and the tensor in which it was found."""

    value: float  # max|a − b| / max|b|; 0 where both are zero, inf where one is not finite or the shapes differ
    tensor: str

    def __str__(self) -> str:
        return f"{self.value:.1e} ({self.tensor})"


@dataclass(frozen=True)
class Report:
    """What `compare` measured."""

    outputs: Difference  # in evaluation mode
    gradients: Difference  # in training mode, for every parameter and for the input
    running_stats: Difference  # running means and variances after one training step
    tensors: dict[str, dict[str, float]]  # the same, for every tensor: {"gradients": {"conv1.weight": 1e-15, …}, …}
    note: str = ""

    def agrees(self, tolerance: float) -> bool:
        """Whether outputs, gradients and running statistics all differ by less than `tolerance`."""
        return all(found.value < tolerance for found in (self.outputs, self.gradients, self.running_stats))

    def verdict(self, tolerance: float) -> str:
        """One line for each of the three: does it agree to within `tolerance`, and if not, where does it differ most?"""
        lines = []
        for label, found in self._rows():
            agreed = f"equal to within {tolerance:.0e}" if found.value < tolerance else f"DIFFERENT at {found.tensor}"
            lines.append(f"{label:<20}{agreed}")
        return "\n".join(lines)

    def _rows(self) -> list[tuple[str, Difference]]:
        labels = ("outputs", "gradients", "running statistics")
        return list(zip(labels, (self.outputs, self.gradients, self.running_stats), strict=True))

    def __str__(self) -> str:
        lines = [f"{label:<20}{found.value:.1e}   largest at {found.tensor}" for label, found in self._rows()]
        return "\n".join([*lines, self.note] if self.note else lines)


@dataclass(frozen=True)
class Divergence:
    """Where two networks begin to differ, in the order of computation."""

    layer: str  # the first layer whose outputs differ
    value: float  # by how much; inf for another shape
    agreed_up_to: str  # the last layer before it that agrees; "the input" if there is none
    layers: tuple[tuple[str, float], ...]  # every layer that both have, and its difference
    detail: str = ""

    def __str__(self) -> str:
        return (
            f"Equal up to {self.agreed_up_to}; first different at {self.layer}: {self.detail or f'{self.value:.1e}'}."
        )


def copy_weights(source: Any, target: Any) -> None:
    """Copy every tensor of one network into another, whichever frameworks they are of.

    Parameters
    ----------
    source
        A PyTorch module, a Keras model, a recording, or a mapping from PyTorch names to arrays (a state dict).
    target
        A PyTorch module or a Keras model.

    Raises
    ------
    ValueError
        If a tensor is missing, left over or of another shape. The message names it, and the target is left as it was.
    """
    given, wanted = wrap(source).tensors(), wrap(target).tensors()
    problems = [f"missing in the source: {wanted[key].name}" for key in wanted if key not in given]
    problems += [f"not in the target: {given[key].name}" for key in given if key not in wanted]
    for key in wanted.keys() & given.keys():
        have, want = given[key].shape, wanted[key].shape
        if have != want:
            problems.append(f"{wanted[key].name} is {_shape(have)} in the source and {_shape(want)} in the target")
    if problems:
        shown = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
        raise ValueError(f"These weights do not fit, and nothing was copied: {shown}.")
    with restored(wrap(target), only_on_error=True):
        for key, tensor in wanted.items():
            tensor.write(given[key].read())


def state_of(net: Any) -> dict[str, np.ndarray]:
    """Return copies of all tensors of a network of either framework, under PyTorch's names and layout.

    With such a dictionary as its source, `copy_weights` fills a network from several others.
    """
    return {name: tensor.read() for name, tensor in named_tensors(net).items()}


def named_tensors(net: Any) -> dict[str, Tensor]:
    """Return all parameters and running statistics by PyTorch's names; a network that is not the kit's has its own names."""
    tensors = wrap(net).tensors()
    config: Any = getattr(net, "config", None)
    if not hasattr(config, "blocks"):
        return {tensor.name: tensor for tensor in tensors.values()}
    names = tensor_names(config)
    return {names[key]: tensor for key, tensor in tensors.items()}


def tensor_names(config: ResNetConfig) -> dict[Key, str]:
    """Return the PyTorch name of every tensor of a network, without PyTorch."""
    kinds = {"conv": ("weight",), "bn": tuple(BN_RANGES), "dense": ("weight", "bias")}
    names = [f"{layer}.{kind}" for layer, layer_kind in trace_names(config) for kind in kinds.get(layer_kind, ())]
    return {torch_key(name): name for name in names}


def randomize_batch_norm(net: Any, seed: int = 0, *, beta: tuple[float, float] = BN_RANGES["bias"]) -> None:
    """Give every BN tensor of a network random values of its own.

    In a fresh network γ = var = 1 and β = mean = 0: a copy that swaps γ with the variance changes nothing, and nobody
    notices. Values: γ in 0.5…1.5, β in `beta`, the mean in −0.5…0.5, the variance in 0.5…2.
    """
    for key, tensor in _norm_tensors(wrap(net)).items():
        tensor.write(_random_norm_values(key, tensor.shape, seed, {**BN_RANGES, "bias": beta}))


def compare(net: Any, twin: Any, images: Any = None, *, seed: int = 0) -> Report:
    """Measure by how much two networks differ: outputs, gradients, and running statistics after one training step.

    Both networks are left as they were. A BN tensor that is constant in both (as in a fresh network, or where a γ starts
    at zero) gets random values for the time of the comparison, the same in both; see `randomize_batch_norm`.

    PyTorch keeps the *unbiased* variance of a batch (divided by n − 1) in its running statistics and Keras the biased one
    (divided by n), n being batch · height · width. The comparison converts Keras's to PyTorch's convention.

    Parameters
    ----------
    net, twin
        Two networks of either framework, or a network and a recording.
    images
        A batch: PyTorch tensor or array as (B, C, H, W), TensorFlow tensor as (B, H, W, C). A recording brings its own.
    seed
        Of the random BN values and of the random direction in which gradients are taken.

    Raises
    ------
    ValueError
        If the networks have no tensors in common, or the images are not a batch of images.
    """
    a, b = wrap(net), wrap(twin)
    batch = _images(a, b, images)
    _same_names(a.tensors().keys(), b.tensors().keys())
    with restored(a), restored(b):
        _vary_constant_norms(a, b, seed)
        ours, theirs = a.outputs(batch), b.outputs(batch)
        if ours.shape != theirs.shape:
            raise ValueError(
                f"The networks' outputs have different shapes, {_shape(ours.shape)} and {_shape(theirs.shape)}, so nothing "
                "else can be compared; parity.first_divergence says at which layer that begins."
            )
        outputs = {"outputs": _difference(ours, theirs)}
        direction = np.random.default_rng(seed).standard_normal(theirs.shape)
        before = [_running_stats(network) for network in (a, b)]
        gradients = _differences(a, a.gradients(batch, direction), b.gradients(batch, direction))
        stats = _differences(a, *_same_convention(a, b, before))
    note = ""
    if {a.framework, b.framework} == {"PyTorch", "Keras"} and stats:
        note = "(running variances compared in PyTorch's convention: Keras's batch variance times n/(n−1))"
    groups = {"outputs": outputs, "gradients": gradients, "running_stats": stats}
    return Report(_largest(outputs), _largest(gradients), _largest(stats), groups, note)


def first_divergence(net: Any, twin: Any, images: Any, *, tolerance: float | None = None) -> Divergence | None:
    """Walk two networks layer by layer, in evaluation mode, and say where they begin to differ.

    Layers correspond by name. A Keras model must be functional (built from `keras.Input`), so that its inside can be
    seen. Constant BN tensors get random values meanwhile, as in `compare`.

    Parameters
    ----------
    net, twin, images
        As for `compare`.
    tolerance
        What still counts as equal, as max|a − b| / max|b|. Default: 1e-9 for float64, 1e-4 for float32.

    Returns
    -------
    Divergence or None
        None if every layer agrees.
    """
    a, b = wrap(net), wrap(twin)
    batch = _images(a, b, images)
    if tolerance is None:
        tolerance = 1e-9 if a.is_float64() and b.is_float64() else 1e-4
    with restored(a), restored(b):
        _vary_constant_norms(a, b, seed=0)
        seen, other = a.layer_outputs(batch), b.layer_outputs(batch)
    rows, first = [], None
    for name, value in seen.items():
        counterpart = _layer_of(other, name)
        if counterpart is None:
            continue
        rows.append((name, _difference(value, counterpart)))
        if first is None and not rows[-1][1] <= tolerance:
            detail = "" if _squeezed(value).shape == _squeezed(counterpart).shape else (
                f"shape {_shape(value.shape)} against {_shape(counterpart.shape)}"
            )  # fmt: skip
            first = (len(rows) - 1, detail)
    if not rows:
        raise ValueError(
            "The two networks have no layer name in common, so there is nothing to walk along. Name the layers alike: "
            f"the first has {', '.join(list(seen)[:4])}, the second {', '.join(list(other)[:4])}."
        )
    if first is None:
        return None
    index, detail = first
    return Divergence(*rows[index], rows[index - 1][0] if index else "the input", tuple(rows), detail)


def recorded(name: str) -> Recording:
    """Return committed reference values: what the other framework computed for a small network, with weights and images.

    On a single route it stands in for the twin: `copy_weights(source=recorded(…), target=net)`, then
    `compare(net, recorded(…))`.

    Raises
    ------
    ValueError
        If there is no such recording; the message lists those there are.
    """
    path = REFERENCE_FOLDER / f"{name}.safetensors"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in REFERENCE_FOLDER.glob("*.safetensors")))
        raise ValueError(f"There is no recording {name!r}; there are: {there}.")
    return Recording.load(path)


def record(net: Any, images: Any, path: Path, *, seed: int = 0) -> None:
    """Write the recording that `recorded` reads: weights, images, outputs, gradients, running statistics."""
    a = wrap(net)
    with restored(a):
        batch = a.as_batch(images)
        tensors = {tensor.name: tensor.read() for tensor in a.tensors().values()}
        outputs = a.outputs(batch)
        gradients = a.gradients(batch, np.random.default_rng(seed).standard_normal(outputs.shape))
        Recording.save(path, a, tensors, batch, outputs, gradients)


def _same_names(ours: Any, theirs: Any) -> None:
    if not set(ours) & set(theirs):
        examples = [", ".join(".".join(key) for key in list(keys)[:3]) for keys in (ours, theirs)]
        raise ValueError(
            f"The two networks have no tensor in common: the first has {examples[0]} …, the second {examples[1]} …. "
            "Give corresponding layers the same names."
        )


def _images(a: Network, b: Network, images: Any) -> np.ndarray:
    if images is None:
        images = next((side.images for side in (b, a) if isinstance(side, Recording)), None)
        if images is None:
            raise ValueError("images is missing: give a batch such as numpy.random.rand(4, 3, 32, 32).")
    return a.as_batch(images)


def _norm_tensors(net: Network) -> dict[Key, Any]:
    tensors = net.tensors()
    norms = {key.layer for key in tensors if key.kind == "running_mean"}
    return {key: tensor for key, tensor in tensors.items() if key.layer in norms}


def _random_norm_values(key: Key, shape: tuple[int, ...], seed: int, ranges: Any = BN_RANGES) -> np.ndarray:
    low, high = ranges[key.kind]
    name_as_numbers = list(".".join(key).encode())  # its own values for every tensor, whatever the order
    return np.random.default_rng([seed, *name_as_numbers]).uniform(low, high, shape)


def _vary_constant_norms(a: Network, b: Network, seed: int) -> None:
    """Give random values to the BN tensors that hold one and the same constant in both networks."""
    ours, theirs = _norm_tensors(a), _norm_tensors(b)
    for key in ours.keys() & theirs.keys():
        mine, other = ours[key].read(), theirs[key].read()
        if mine.shape == other.shape and np.ptp(mine) == 0 and np.array_equal(mine, other):
            values = _random_norm_values(key, mine.shape, seed)
            ours[key].write(values)
            theirs[key].write(values)


@contextmanager
def restored(net: Any, only_on_error: bool = False) -> Iterator[None]:
    """Put every tensor of a network back as it was when the `with` block ends."""
    network = wrap(net)
    before = {key: tensor.read() for key, tensor in network.tensors().items()}
    finished = False
    try:
        yield
        finished = True
    finally:
        if not (finished and only_on_error):
            for key, tensor in network.tensors().items():
                tensor.write(before[key])


def _same_convention(a: Network, b: Network, before: list[dict[Key, np.ndarray]]) -> tuple[dict, dict]:
    """Return the running statistics of both after their training step, variances in PyTorch's convention."""
    stats = [_running_stats(net) for net in (a, b)]
    counts = a.values_per_channel or b.values_per_channel
    for net, values, old in zip((a, b), stats, before, strict=True):
        momenta = net.momenta() if a.framework != b.framework else {}
        for key in [
            key for key in values if key.kind == "running_var" and key.layer in counts and key.layer in momenta
        ]:
            # Keras: new = m·old + (1 − m)·biased. The unbiased variance is n/(n−1) times the biased one.
            from_batch = values[key] - momenta[key.layer] * old[key]
            values[key] = values[key] + from_batch / max(counts[key.layer] - 1, 1)
    return stats[0], stats[1]


def _running_stats(net: Network) -> dict[Key, np.ndarray]:
    return {key: tensor.read() for key, tensor in net.tensors().items() if key.kind.startswith("running")}


def _differences(names: Network, ours: dict[Key, Any], theirs: dict[Key, Any]) -> dict[str, float]:
    """Return the difference of each tensor, by name; a tensor that only one side has differs by inf."""
    known = {key: tensor.name for key, tensor in names.tensors().items()} | {INPUT: INPUT.layer}
    return {
        known.get(key, ".".join(key)): _difference(ours[key], theirs[key]) if key in ours and key in theirs else np.inf
        for key in [*ours, *(theirs.keys() - ours.keys())]
    }


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    a, b = _squeezed(a), _squeezed(b)
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    largest = np.abs(a - b).max(initial=0.0)
    if largest == 0:
        return 0.0
    scale = np.abs(b).max()
    return float(largest / scale) if scale > 0 else float("inf")


def _squeezed(values: np.ndarray) -> np.ndarray:
    """Pooled maps are (B, C, 1, 1) in PyTorch and (B, C) in Keras."""
    values = np.asarray(values, dtype=np.float64)
    return values.reshape(values.shape[:2]) if values.ndim == 4 and values.shape[2:] == (1, 1) else values


def _largest(group: dict[str, float]) -> Difference:
    tensor = max(group, key=lambda name: group[name], default="no tensor")
    return Difference(group.get(tensor, 0.0), tensor)


def _layer_of(outputs: Mapping[str, np.ndarray], name: str) -> np.ndarray | None:
    """Find a layer's output by its name in the other network; a block's output is that of its last layer."""
    plain = {known.replace(".", "_"): value for known, value in outputs.items()}
    wanted = name.replace(".", "_")
    inside = [value for known, value in plain.items() if known.startswith(wanted + "_")]
    return plain.get(wanted, inside[-1] if inside else None)


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a single number"
