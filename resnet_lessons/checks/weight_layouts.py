"""Weights carried from one framework to the other, and what people get wrong on the way.

PyTorch keeps a convolution's kernel as (out, in, height, width) and a dense one as (out, in), in a state dict; Keras keeps
them as (height, width, in, out) and (in, out), in lists that `set_weights` takes: [kernel], [kernel, bias], and for BN
[gamma, beta, moving_mean, moving_variance]. Every keyword of the two functions here is a place where people go wrong; its
default is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .align import random_values
from .function_task import Call, of_functions
from .mistakes import ATTEMPT, Mistake, Section

PROVE = Section("04_stride_move", 2, "Build it")
FRESH = Section("01_basic_block", 5, "Prove it")
BN_KINDS = ("weight", "bias", "running_mean", "running_var")


def to_keras(
    kind: str, tensors: Mapping[str, Any], *, kernel: str = "transposed", sides: str = "kept", channels: str = "kept",
    flipped: bool = False, dense: str = "transposed", scale: str = "first", mean: str = "first", variance: str = "kept",
    counter: bool = False,
) -> list[Any]:  # fmt: skip
    """Turn one layer's tensors, by their PyTorch names, into the list that Keras's `set_weights` takes."""
    if kind == "conv":
        weight = tensors["weight"]
        out, ins, height, width = weight.shape
        moved = {
            "transposed": lambda: weight.transpose(2, 3, 1, 0),
            "reshaped": lambda: weight.reshape(height, width, ins, out),
            "kept": lambda: weight,
            "as images are": lambda: weight.transpose(0, 2, 3, 1),
        }[kernel]()
        return [_turned(moved, (0, 1), (2, 3), sides, channels, flipped)]
    if kind == "dense":
        return [_dense(tensors["weight"], dense), tensors["bias"]]
    gamma, beta, running_mean, running_var = _norm([tensors[name] for name in BN_KINDS], scale, mean, variance)
    return [gamma, beta, running_mean, running_var, *([tensors["num_batches_tracked"]] if counter else [])]


def to_pytorch(
    kind: str, arrays: Sequence[Any], *, kernel: str = "transposed", sides: str = "kept", channels: str = "kept",
    flipped: bool = False, dense: str = "transposed", scale: str = "first", mean: str = "first", variance: str = "kept",
    counter: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Turn the list that Keras's `get_weights` gives into one layer's tensors by their PyTorch names."""
    if kind == "conv":
        weight = arrays[0]
        height, width, ins, out = weight.shape
        moved = {
            "transposed": lambda: weight.transpose(3, 2, 0, 1),
            "reshaped": lambda: weight.reshape(out, ins, height, width),
            "kept": lambda: weight,
            "as images are": lambda: weight.transpose(0, 3, 1, 2),
            "the way there": lambda: weight.transpose(2, 3, 1, 0),
        }[kernel]()
        return {"weight": _turned(moved, (2, 3), (0, 1), sides, channels, flipped)}
    if kind == "dense":
        return {"weight": _dense(arrays[0], dense), "bias": arrays[1]}
    found = dict(zip(BN_KINDS, _norm(list(arrays), scale, mean, variance), strict=True))
    return {**found, "num_batches_tracked": np.array(0)} if counter else found


def _turned(
    weight: Any, sides_at: tuple[int, int], channels_at: tuple[int, int], sides: str, channels: str, flipped: bool
) -> Any:
    if flipped:
        weight = np.flip(weight, sides_at)
    if sides == "swapped":
        weight = np.swapaxes(weight, *sides_at)
    return np.swapaxes(weight, *channels_at) if channels == "swapped" else weight


def _dense(weight: Any, how: str) -> Any:
    return {"transposed": weight.T, "kept": weight, "reshaped": weight.reshape(weight.shape[::-1])}[how]


def _norm(four: list[Any], scale: str, mean: str, variance: str) -> list[Any]:
    first, second, third, fourth = four
    if scale == "second":
        first, second = second, first
    if mean == "second":
        third, fourth = fourth, third
    if variance in ("root", "square"):
        fourth = fourth ** (0.5 if variance == "root" else 2)
    return [first, second, third, fourth + 1e-5 if variance == "with ε" else fourth]


def _kernel(*shape: int) -> np.ndarray:
    return random_values("weight", "conv", shape, np.random.default_rng(shape))


def _of_dense(out: int, ins: int) -> dict[str, np.ndarray]:
    dice = np.random.default_rng((out, ins))
    return {"weight": random_values("weight", "dense", (out, ins), dice), "bias": dice.standard_normal(out)}


def _of_bn(channels: int) -> dict[str, np.ndarray]:
    dice = np.random.default_rng(channels)
    return {kind: random_values(kind, "bn", (channels,), dice) for kind in BN_KINDS}


# What shows most comes first: no two sides alike. On the second kernel and the second matrix every shape fits.
LAYERS: tuple[tuple[str, str, dict[str, np.ndarray]], ...] = (
    ("conv", "a convolution of 3 → 5 channels with a kernel 2 high and 4 wide", {"weight": _kernel(5, 3, 2, 4)}),
    ("conv", "a convolution of 4 → 4 channels with a kernel of 4×4", {"weight": _kernel(4, 4, 4, 4)}),
    ("dense", "a dense layer of 5 → 3 features", _of_dense(3, 5)),
    ("dense", "a dense layer of 4 → 4 features", _of_dense(4, 4)),
    ("bn", "BN of 6 channels", _of_bn(6)),
)
TO_KERAS_CALLS = tuple(
    Call((kind, {**t, "num_batches_tracked": np.array(17)} if kind == "bn" else t), words, kind)
    for kind, words, t in LAYERS
)
TO_PYTORCH_CALLS = tuple(Call((kind, to_keras(kind, tensors)), words, kind) for kind, words, tensors in LAYERS)


def keras_effect(call: Call, result: Any, right: Any) -> str:
    """What a layer puts out with weights that were carried to Keras wrongly, though every shape fits."""
    kind = call.arguments[0]
    return _effect(call, *(_output(kind, to_pytorch(kind, weights)) for weights in (result, right)))


def pytorch_effect(call: Call, result: Any, right: Any) -> str:
    """The same on the way to PyTorch."""
    return _effect(call, *(_output(call.arguments[0], weights) for weights in (result, right)))


def _effect(call: Call, ours: np.ndarray, theirs: np.ndarray) -> str:
    place = tuple(int(n) for n in np.argwhere(~np.isclose(ours, theirs))[0]) if not np.allclose(ours, theirs) else None
    if place is None:
        return ""
    value = "NaN" if np.isnan(ours[place]) else f"{ours[place]:.3f}"
    return (
        f"No framework would refuse these weights for {call}: the shapes fit. But on a random input the layer then puts out "
        f"{value} where it should put out {theirs[place]:.3f}."
    )


def _output(kind: str, tensors: Mapping[str, Any]) -> np.ndarray:
    """What a layer with these tensors, in PyTorch's layout, makes of a random input; a convolution without padding."""
    dice = np.random.default_rng(0)
    weight = np.asarray(tensors["weight"], dtype=np.float64)
    if kind == "dense":
        return dice.standard_normal((2, weight.shape[1])) @ weight.T + tensors["bias"]
    if kind == "bn":
        x = dice.standard_normal((2, len(weight)))
        with np.errstate(invalid="ignore"):
            scaled = (x - tensors["running_mean"]) / np.sqrt(np.asarray(tensors["running_var"]) + 1e-5)
        return scaled * weight + tensors["bias"]
    x = dice.standard_normal((1, weight.shape[1], 6, 6))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    out: np.ndarray = np.einsum("bihwkl,oikl->bohw", windows, weight)
    return out


_SAME_NUMBERS = (
    "A network with such weights loads, runs and answers; its accuracy is that of a guess, and no message says so."
)
RESHAPED = Mistake(
    "kernel_reshaped",
    "the kernel is reshaped where it should be transposed",
    "<code>reshape</code> keeps the order in which the numbers lie in memory and only cuts it anew, so weights of one filter "
    "end up in several. A transpose moves each number along with its indices (the primer, section 5, shows both).",
    "The shape is right afterwards, so nothing complains: the comparison of an output is the only test that notices.",
    PROVE,
    edits=[{"kernel": "reshaped"}],
)
KEPT = Mistake(
    "kernel_as_it_is",
    "the kernel is handed over as it is",
    "The two frameworks order the four axes differently; the numbers came over in the old order.",
    "Where the sides happen to agree, the target takes it without a word, and filters are read across.",
    PROVE,
    edits=[{"kernel": "kept"}],
)
CHANNELS = Mistake(
    "in_out_swapped",
    "input and output channels of the kernel are swapped",
    "Each filter is given the weights that lead <em>from</em> its channel in place of those that lead to it.",
    "In a block that keeps its channels the kernel is square in these two axes, and the swap passes every check of shapes.",
    PROVE,
    edits=[{"channels": "swapped"}],
)
SIDES = Mistake(
    "height_width_swapped",
    "height and width of the kernel are swapped",
    "Every kernel is mirrored at its diagonal: what looked for an upright edge now looks for a level one.",
    "All kernels of a ResNet are square, so no shape tells. <code>.T</code> on an array of four axes reverses all of them, and "
    "does just this.",
    PROVE,
    edits=[{"sides": "swapped"}],
)
AS_IMAGES = Mistake(
    "kernel_as_images",
    "the kernel's axes are moved as those of a batch of images",
    "Between NCHW and NHWC only the channels move. A kernel has two axes of channels, and both change their place.",
    "The rule for images is the better known one, and it gives an array of four axes that looks reasonable.",
    PROVE,
    edits=[{"kernel": "as images are"}],
)
WAY_THERE = Mistake(
    "same_permutation",
    "the permutation of the way there is used for the way back",
    "A permutation of four axes is undone by its inverse, which is another one here. Applied twice, the one to Keras does not "
    "come back to where it began.",
    "With two axes the transpose is its own inverse, which makes one expect it of four.",
    PROVE,
    edits=[{"kernel": "the way there"}],
)
FLIPPED = Mistake(
    "kernel_flipped",
    "the kernel is turned by 180°",
    "A mathematical convolution reads its kernel from the other end. Neither framework does: both compute the "
    "cross-correlation, so nothing has to be turned.",
    _SAME_NUMBERS,
    PROVE,
    "conversions for Theano, which did turn kernels",
    edits=[{"flipped": True}],
)
DENSE_KEPT = Mistake(
    "dense_not_transposed",
    "the dense kernel is not transposed",
    "PyTorch keeps a matrix of (out, in), Keras one of (in, out).",
    "On a square matrix nothing complains. A ResNet's head is not square, which is luck: there the shape tells.",
    PROVE,
    edits=[{"dense": "kept"}],
)
DENSE_RESHAPED = Mistake(
    "dense_reshaped",
    "the dense kernel is reshaped where it should be transposed",
    "<code>reshape</code> cuts the same sequence of numbers into rows of another length.",
    "The shape is right, the weights of one class are scattered over all of them.",
    PROVE,
    edits=[{"dense": "reshaped"}],
)
SCALE = Mistake(
    "gamma_beta_swapped",
    "γ and β are swapped",
    "PyTorch calls γ the weight and β the bias of a BN layer; Keras calls them gamma and beta.",
    "Both have one value a channel, so the shapes fit. In a fresh network, with γ = 1 and β = 0, every channel becomes a "
    "constant; in a trained one the values are merely wrong.",
    FRESH,
    edits=[{"scale": "second"}],
)
MEAN = Mistake(
    "mean_variance_swapped",
    "running mean and running variance are swapped",
    "What is subtracted is then the variance, and the root is taken of the mean.",
    "Wherever a mean is negative the output is NaN; wherever none is, it is a plausible number.",
    FRESH,
    edits=[{"mean": "second"}],
)
ROOT = Mistake(
    "variance_for_deviation",
    "the variance is taken for a standard deviation",
    "Both frameworks store the variance, and take the root themselves when the layer runs.",
    "Near 1 root and square hardly differ, so a test on a fresh network, where every variance is 1, finds nothing.",
    FRESH,
    edits=[{"variance": "root"}, {"variance": "square"}],
)
EPSILON = Mistake(
    "epsilon_in_variance",
    "ε is added to the stored variance",
    "ε is a setting of the layer, which adds it when it runs. In the weights it is counted twice.",
    "The difference is small, but every layer adds its own.",
    FRESH,
    edits=[{"variance": "with ε"}],
)
COUNTER = Mistake(
    "counter_handed_over",
    "the number of batches is handed over as a weight",
    "PyTorch's BN counts in <code>num_batches_tracked</code> how many batches it has seen. Keras's BN has four weights and no "
    "such counter.",
    "<code>set_weights</code> refuses five arrays for four; whoever drops <em>some</em> array to make it fit, may drop another.",
    PROVE,
    ATTEMPT,
    edits=[{"counter": True}],
)
_BOTH_WAYS = (
    RESHAPED, KEPT, CHANNELS, SIDES, AS_IMAGES, FLIPPED, DENSE_KEPT, DENSE_RESHAPED, SCALE, MEAN, ROOT, EPSILON,
    *of_functions(PROVE),
)  # fmt: skip
TO_KERAS = (*_BOTH_WAYS, COUNTER)
TO_PYTORCH = (*_BOTH_WAYS, WAY_THERE)
