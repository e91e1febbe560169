"""Basic blocks with one mistake each, described once for both frameworks, and what each mistake shows.

    FAULTS                          the correct block and nine faulty ones, by key
    faulty_block, stack_of          one such block, or a chain of them, in PyTorch or TensorFlow
    symptoms, layer_differences     what tells it from the correct block: a few numbers, the same in both frameworks
    evidence                        both of them, measured once
    contradiction                   the observation that rules a wrong name out

The correct block is figure 2 of He et al. 2015 (arXiv 1512.03385). The blocks `BasicBlock` of the two twins name their
layers alike, so one body serves both; weights come from NumPy, so blocks differ in the mistake alone.
"""

from __future__ import annotations

import inspect
import math
import random
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from resnet_lessons import parity, parity_networks
from resnet_lessons.frameworks import framework_name
from resnet_lessons.torch_threads import one_thread

import numpy as np

LAYERS = ("conv1", "bn1", "conv2", "bn2", "the output")  # the layers with weights, and the block's output
SYMPTOMS = {
    "smallest": "smallest output",
    "lowered": "outputs below their x",
    "zeros": "outputs that are zero",
    "off": "largest change of x with γ = β = 0 in bn2",
    "mean after 1": "mean after 1 block ÷ mean of x",
    "mean after 5": "mean after 5 blocks ÷ mean of x",
    "mean after 9": "mean after 9 blocks ÷ mean of x",
}
SIGNED, POSITIVE = (2, 8, 8), (8, 8, 8)  # batch, height, width of the inputs with and without negative values


@dataclass(frozen=True)
class Fault:
    """One mistake in a basic block.

    Parameters
    ----------
    key, title
        Its name in code, and the mistake in words.
    body
        What the block computes: ``body(block, x)``, for a block of either framework.
    first
        The first of `LAYERS` that differs from the correct block or never runs; empty for the correct one.
    shows
        How one recognises it.
    why
        Why it matters, with its source; simple HTML.
    reasons
        Why such a block shows what it shows: for ``"layers"`` and for some of `SYMPTOMS`. A clause to go on with
        after "Such a block first differs at …:" or "In such a block".
    """

    key: str
    title: str
    body: Callable[[Any, Any], Any]
    first: str
    shows: str
    why: str
    reasons: Mapping[str, str]

    def code(self, framework: str) -> str:
        """Return the lines of the body as one writes them in a framework."""
        code = textwrap.dedent(inspect.getsource(self.body).split("\n", 1)[1]).rstrip()
        if framework_name(framework) == "pytorch":
            code = code.replace("0.5 * self.add([out, x])", "0.5 * (out + x)").replace("self.add([out, x])", "out + x")
        return code


# The bodies: `add` is a layer in both frameworks, so that a walk along the layers sees the sum -------------------------


def correct(self: Any, x: Any) -> Any:
    out = self.relu1(self.bn1(self.conv1(x)))
    out = self.bn2(self.conv2(out))
    return self.relu2(self.add([out, x]))


def relu_before_addition(self: Any, x: Any) -> Any:
    out = self.relu1(self.bn1(self.conv1(x)))
    out = self.relu2(self.bn2(self.conv2(out)))
    return self.add([out, x])


def no_addition(self: Any, x: Any) -> Any:
    out = self.relu1(self.bn1(self.conv1(x)))
    out = self.bn2(self.conv2(out))
    return self.relu2(out)


def no_last_relu(self: Any, x: Any) -> Any:
    out = self.relu1(self.bn1(self.conv1(x)))
    out = self.bn2(self.conv2(out))
    return self.add([out, x])


def no_middle_relu(self: Any, x: Any) -> Any:
    out = self.bn1(self.conv1(x))
    out = self.bn2(self.conv2(out))
    return self.relu2(self.add([out, x]))


def no_first_bn(self: Any, x: Any) -> Any:
    out = self.relu1(self.conv1(x))
    out = self.bn2(self.conv2(out))
    return self.relu2(self.add([out, x]))


def bn_after_addition(self: Any, x: Any) -> Any:
    out = self.relu1(self.bn1(self.conv1(x)))
    out = self.conv2(out)
    return self.relu2(self.bn2(self.add([out, x])))


def halved_sum(self: Any, x: Any) -> Any:
    out = self.relu1(self.bn1(self.conv1(x)))
    out = self.bn2(self.conv2(out))
    return self.relu2(0.5 * self.add([out, x]))


def late_shortcut(self: Any, x: Any) -> Any:
    x = self.relu1(self.bn1(self.conv1(x)))
    out = self.bn2(self.conv2(x))
    return self.relu2(self.add([out, x]))


def in_place_relu(self: Any, x: Any) -> Any:
    out = self.conv1(x)
    x = self.relu_of_x(x)  # what an in-place ReLU on x leaves behind
    out = self.bn2(self.conv2(self.relu1(self.bn1(out))))
    return self.relu2(self.add([out, x]))


_V2 = '<a href="https://arxiv.org/abs/1603.05027" target="_blank" rel="noopener">He et al. 2016</a>'
_V1 = '<a href="https://arxiv.org/abs/1512.03385" target="_blank" rel="noopener">He et al. 2015</a>'
_WEIGHTS_AGREE = "every layer with weights still gets the right input, and only what follows bn2 is wrong"
_ENDS_IN_RELU = "a ReLU comes last, so no output is negative"

FAULTS: dict[str, Fault] = {
    fault.key: fault
    for fault in (
        Fault(
            "correct",
            "No mistake",
            correct,
            "",
            "Nothing differs.",
            f"The block of {_V1}, figure 2.",
            {},
        ),
        Fault(
            "relu_before_addition",
            "The ReLU comes before the addition",
            relu_before_addition,
            "the output",
            "There are negative outputs, and yet none lies below its input: a rectified branch can only add.",
            "A signal can only grow from block to block. It was measured: ResNet-110 on CIFAR-10 errs in 7.84 % instead of "
            f"6.61 % ({_V2}, table 2).",
            {
                "layers": _WEIGHTS_AGREE,
                "smallest": "nothing rectifies the sum, so negative inputs come through",
                "lowered": "the branch is rectified and can only raise its input",
                "off": "a branch of zeros leaves the input as it is",
            },
        ),
        Fault(
            "no_addition",
            "The shortcut is never added",
            no_addition,
            "the output",
            "With the branch at zero nothing is left of the input, and the mean does not grow along the depth.",
            "It is a plain block. A plain network of 110 layers ends above 60 % error on CIFAR-10, a ResNet-110 near "
            f"6.4 % ({_V1}, section 4.2).",
            {
                "layers": _WEIGHTS_AGREE,
                "smallest": _ENDS_IN_RELU,
                "off": "a branch of zeros leaves nothing at all, so the change is the whole input",
            },
        ),
        Fault(
            "no_last_relu",
            "No ReLU follows the addition",
            no_last_relu,
            "the output",
            "There are negative outputs, many of them below their input: the bare sum comes out. Along the depth the mean "
            "stays where it was, since the fresh BN at the end of each branch has mean 0.",
            "The next block gets other inputs than a v1 network's weights were trained for. The v2 block has no ReLU there "
            f"either, but begins each branch with BN and ReLU and closes the network with both ({_V2}, figure 4).",
            {
                "layers": _WEIGHTS_AGREE,
                "smallest": "nothing rectifies the sum, which falls below the smallest input",
                "lowered": "the branch may lower its input as well as raise it, and no ReLU follows",
                "off": "a branch of zeros leaves the input as it is",
            },
        ),
        Fault(
            "no_middle_relu",
            "No ReLU stands between the convolutions",
            no_middle_relu,
            "conv2",
            "bn1 agrees and conv2 does not: between the two, something is missing that has no weights.",
            "In evaluation mode BN only scales and shifts, so the branch is now linear: away from the border, a single "
            "5×5 convolution could do the same.",
            {
                "layers": "its input has kept the negative values that a ReLU would have cut",
                "smallest": _ENDS_IN_RELU,
                "off": "a branch of zeros leaves the input as it is",
            },
        ),
        Fault(
            "no_first_bn",
            "No BN follows the first convolution",
            no_first_bn,
            "bn1",
            "bn1 never runs, and conv2 is the first computed layer that differs.",
            f"The paper puts BN after every convolution, before the activation ({_V1}, section 3.4). The convolution has "
            "no bias because BN brings one: here both are missing, and the middle of the branch scales with its input.",
            {
                "layers": "it never runs",
                "smallest": _ENDS_IN_RELU,
                "off": "a branch of zeros leaves the input as it is",
            },
        ),
        Fault(
            "bn_after_addition",
            "The last BN comes after the addition",
            bn_after_addition,
            "bn2",
            "conv2 agrees and bn2 does not: it gets the sum. With its γ and β at zero, the input is gone too.",
            "BN rescales what the shortcut carries, so no signal passes unchanged. It was measured: ResNet-110 on CIFAR-10 "
            f"errs in 8.17 % instead of 6.61 % ({_V2}, table 2).",
            {
                "layers": "it gets the sum instead of the branch",
                "smallest": _ENDS_IN_RELU,
                "off": "γ = β = 0 erases the shortcut too, so the change is the whole input",
            },
        ),
        Fault(
            "halved_sum",
            "The sum is multiplied by 0.5",
            halved_sum,
            "the output",
            "With the branch at zero half of the input is missing, and the mean shrinks along the depth. The zeros stay "
            "where they were: halving changes no sign.",
            "After 9 blocks a shortcut has carried 1/512 of its input. It was measured: ResNet-110 on CIFAR-10 errs in "
            f"12.35 % instead of 6.61 % ({_V2}, table 1, constant scaling).",
            {
                "layers": _WEIGHTS_AGREE,
                "smallest": _ENDS_IN_RELU,
                "off": "a branch of zeros leaves half of the input, so the change is the other half",
            },
        ),
        Fault(
            "late_shortcut",
            "The shortcut is taken after the first ReLU",
            late_shortcut,
            "the output",
            "With the branch at zero something else than the input comes out: what conv1, bn1 and relu1 made of it.",
            "The variable <code>x</code> was overwritten before it was added. "
            "The shortcut bridges the second convolution alone: zeros in the branch no longer make the block an identity.",
            {
                "layers": _WEIGHTS_AGREE,
                "smallest": _ENDS_IN_RELU,
                "off": "a branch of zeros leaves what the first ReLU put out, not the input",
            },
        ),
        Fault(
            "in_place_relu",
            "An in-place ReLU also changes the shortcut",
            in_place_relu,
            "the output",
            "It shows only on inputs with negative values: fewer outputs are zero. Along the depth, and with the branch at "
            "zero, the inputs have none, and all is as it should be.",
            "In a v1 network a block's input comes out of a ReLU, so the mistake sleeps. It wakes where inputs are signed, "
            "as between the blocks of v2. In PyTorch, <code>inplace=True</code> on a tensor still needed does it.",
            {
                "layers": _WEIGHTS_AGREE,
                "smallest": _ENDS_IN_RELU,
                "off": "a branch of zeros leaves an input without negative values as it is",
            },
        ),
    )
}


class Evidence(NamedTuple):
    """All that a block with a mistake shows."""

    symptoms: Mapping[str, float]
    layers: Mapping[str, float | None]

    @property
    def first(self) -> str:
        """The first of `LAYERS` that differs or never ran; "nowhere" if all agree."""
        return next((layer for layer in self.layers if not self.agrees(layer)), "nowhere")

    def agrees(self, layer: str) -> bool:
        """Whether a layer ran and put out what it does in the correct block."""
        value = self.layers[layer]
        return value is not None and value < 1e-9


class Contradiction(NamedTuple):
    """An observation that rules a name out."""

    observable: str  # "layers", or a key of `SYMPTOMS`
    expected: str | float  # what a block with the named mistake shows: a layer of `LAYERS`, or a number
    found: str | float  # what this block shows
    reason: str


def faulty_block(framework: str, key: str, channels: int = 8, *, dtype: str = "float64", seed: int = 0) -> Any:
    """Build a shape-preserving basic block with one mistake.

    Its weights depend on `seed` alone: they are the same in both frameworks and for every mistake. Layers are named
    ``conv1 bn1 relu1 conv2 bn2 add relu2`` in both.

    Parameters
    ----------
    framework
        ``"pytorch"`` or ``"tensorflow"``; only that one is imported.
    key
        One of `FAULTS`.
    channels
        Of the input and the output.
    dtype
        ``"float64"`` or ``"float32"``.
    seed
        Of the weights and the BN tensors.

    Returns
    -------
    torch.nn.Module or keras.Model
        (B, C, H, W) or (B, H, W, C) to the same shape.

    Raises
    ------
    ValueError
        If there is no such framework or fault, or fewer than one channel.
    """
    return _weighted(_build(framework, key, [""], channels, dtype), seed)


def stack_of(
    framework: str, key: str, blocks: int = 9, channels: int = 8, *,
    dtype: str = "float64", seed: int = 0, fresh_bn: bool = False,
) -> Any:  # fmt: skip
    """Build a chain of such blocks: ``block0.conv1`` … (with ``_`` for ``.`` in TensorFlow).

    A shorter chain is the beginning of a longer one. With `fresh_bn` every γ and variance is 1 and every β and mean 0, as
    at the start of training; without, they are random as in `faulty_block`.
    """
    if blocks < 1:
        raise ValueError(f"a stack has at least one block; got blocks={blocks}")
    return _weighted(_build(framework, key, _names(blocks), channels, dtype), seed, fresh_bn)


def symptoms(framework: str, key: str, channels: int = 8, *, seed: int = 0) -> dict[str, float]:
    """Measure what a block with this mistake shows from outside, in float64.

    ``smallest``, ``lowered`` (share of outputs below their input) and ``zeros`` (share of outputs that are 0) are of one
    block with random BN tensors, in evaluation mode, on inputs with negative values. ``off`` is too, but with the last γ
    and β at zero and on inputs without negative values, as inside a network: the largest change from input to output,
    divided by the largest input; 0 means identity. ``mean after n`` is the mean after n blocks divided by that of the
    input, with fresh BN in training mode, again on inputs without negative values.

    Returns
    -------
    dict
        One number for each key of `SYMPTOMS`, the same in both frameworks to 1e-9.
    """
    signed, positive = inputs(channels, seed)
    block = faulty_block(framework, key, channels, seed=seed)
    out = _run(block, signed)
    for name, tensor in parity_networks.wrap(block).tensors().items():
        if name.layer == "bn2" and name.kind in ("weight", "bias"):
            tensor.write(np.zeros(tensor.shape))
    changed = _run(block, positive) - positive
    means = [float(after.mean() / positive.mean()) for after in _along(framework, key, positive, seed)]
    return {
        "smallest": float(out.min()),
        "lowered": float((out < signed).mean()),
        "zeros": float((out == 0).mean()),
        "off": float(np.abs(changed).max() / positive.max()),
        **{f"mean after {n}": mean for n, mean in zip((1, 5, 9), means, strict=True)},
    }


def layer_differences(framework: str, key: str, channels: int = 8, *, seed: int = 0) -> dict[str, float | None]:
    """Compare a block with the correct one along the layers that have weights, on inputs with negative values.

    Returns
    -------
    dict
        For each of `LAYERS`: max|a − b| / max|b|, 0.0 where the two agree (`parity.first_divergence`), and None if it
        never ran.
    """
    reference, block = (faulty_block(framework, name, channels, seed=seed) for name in ("correct", key))
    found = parity.first_divergence(reference, block, inputs(channels, seed)[0])
    rows: dict[str, float] = dict.fromkeys(LAYERS, 0.0) if found is None else dict(found.layers)
    return {layer: rows.get(layer) for layer in LAYERS}


def evidence(framework: str, key: str, seed: int = 0) -> Evidence:
    """Return symptoms and layer differences of a block with a mistake; measured once and kept."""
    return _measured(framework_name(framework), key, seed)


@cache
def _measured(framework: str, key: str, seed: int) -> Evidence:
    with one_thread() if framework == "pytorch" else nullcontext():
        return Evidence(symptoms(framework, key, seed=seed), layer_differences(framework, key, seed=seed))


def contradiction(framework: str, key: str, guess: str, *, seed: int = 0) -> Contradiction:
    """Say what rules out that the block `key` has the mistake `guess`.

    The layers are looked at first, then the symptoms, from those that are plain (a negative output) to those that need
    a look at the number.

    Raises
    ------
    ValueError
        If both are the same.
    """
    named = find_fault(guess)
    theirs, ours = (evidence(framework, name, seed) for name in (guess, key))
    if theirs.first != ours.first:
        return Contradiction("layers", theirs.first, ours.first, named.reasons.get("layers", ""))
    for name in _order(theirs.symptoms, ours.symptoms):
        expected, found = theirs.symptoms[name], ours.symptoms[name]
        if abs(expected - found) > 0.05 * max(abs(expected), abs(found)):
            return Contradiction(name, expected, found, named.reasons.get(name, ""))
    raise ValueError(f"{guess!r} and {key!r} show the same")


def _order(theirs: Mapping[str, float], ours: Mapping[str, float]) -> list[str]:
    """Symptoms, the plainest first. That no output falls below its input is telling only where some are negative."""
    signs = (theirs["smallest"] < 0, ours["smallest"] < 0)
    first = ["smallest"] if signs[0] != signs[1] else ["lowered"] if all(signs) else []
    return [*first, "off", *SYMPTOMS]


def inputs(channels: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the two inputs on which blocks are compared, as (B, C, H, W): standard normal, and its absolute value."""
    dice = np.random.default_rng(seed)
    signed, positive = ((batch, channels, *size) for batch, *size in (SIGNED, POSITIVE))
    return dice.standard_normal(signed), np.abs(dice.standard_normal(positive))


def find_fault(key: str) -> Fault:
    """Return a fault by its key.

    Raises
    ------
    ValueError
        If there is none; the message lists those there are.
    """
    if key not in FAULTS:
        raise ValueError(f"there is no fault {key!r}; choose one of {', '.join(FAULTS)}")
    return FAULTS[key]


# Building -------------------------------------------------------------------------------------------------------------


def _names(blocks: int) -> list[str]:
    return [f"block{number}" for number in range(blocks)]


def _build(framework: str, key: str, names: list[str], channels: int, dtype: str, keep: tuple[int, ...] = ()) -> Any:
    """Chain one block for each name; a single "" is the block itself. `keep`: put out what these blocks put out."""
    body = find_fault(key).body
    if channels < 1:
        raise ValueError(f"a block has at least one channel; got channels={channels}")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype is 'float64' or 'float32'; got {dtype!r}")
    build = _torch_chain if framework_name(framework) == "pytorch" else _tf_chain
    with _dice_untouched(framework):
        return build(body, names, channels, dtype, keep)


def _torch_chain(body: Any, names: list[str], channels: int, dtype: str, keep: tuple[int, ...]) -> Any:
    from resnet_lessons import torch_resnet

    import torch

    class Sum(torch.nn.Module):
        def forward(self, terms: list[torch.Tensor]) -> torch.Tensor:
            return terms[0] + terms[1]

    class Block(torch_resnet.BasicBlock):
        def __init__(self) -> None:
            super().__init__(channels, channels)
            self.add, self.relu_of_x = Sum(), torch.nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return body(self, x)

    class Stack(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in names:
                self.add_module(name, Block())

        def forward(self, x: torch.Tensor) -> Any:
            after = []
            for block in self.children():
                x = block(x)
                after.append(x)
            return [after[number - 1] for number in keep] if keep else x

    net = Block() if names == [""] else Stack()
    return net.to(getattr(torch, dtype))


def _tf_chain(body: Any, names: list[str], channels: int, dtype: str, keep: tuple[int, ...]) -> Any:
    from resnet_lessons import tf_resnet
    from resnet_lessons.tf_layers import dtype_of_layers

    import keras

    with dtype_of_layers(dtype):
        x = images = keras.Input((None, None, channels), dtype=dtype, name="images")
        after = []
        for name in names:
            prefix = f"{name}_" if name else ""
            block: Any = tf_resnet.BasicBlock(channels, channels, prefix=prefix)
            block.relu_of_x = keras.layers.ReLU(name=f"{prefix}relu_of_x")
            x = body(block, x)
            after.append(x)
        return keras.Model(images, [after[number - 1] for number in keep] if keep else x, name="faulty")


@contextmanager
def _dice_untouched(framework: str) -> Iterator[None]:
    """New layers draw initial weights that are not used here: a learner's own seeded run must not notice."""
    if framework_name(framework) == "pytorch":
        import torch

        with torch.random.fork_rng(devices=[]):
            yield
        return
    state = random.getstate()  # where Keras takes its seeds from
    try:
        yield
    finally:
        random.setstate(state)


def _weighted(net: Any, seed: int, fresh_bn: bool = False) -> Any:
    """Draw the weights of a network: kaiming-normal fan-out, and BN tensors of their own."""
    for key, tensor in parity_networks.wrap(net).tensors().items():
        if len(tensor.shape) == 4:
            dice = np.random.default_rng([seed, *key.layer.encode()])
            fan_out = tensor.shape[0] * tensor.shape[2] * tensor.shape[3]
            tensor.write(math.sqrt(2 / fan_out) * dice.standard_normal(tensor.shape))
    if not fresh_bn:
        parity.randomize_batch_norm(net, seed)
    return net


def _run(net: Any, images: np.ndarray) -> np.ndarray:
    return parity_networks.wrap(net).outputs(images)


def _along(framework: str, key: str, images: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return what blocks 1, 5 and 9 of a stack with fresh BN put out, in training mode."""
    net = _build(framework, key, _names(9), images.shape[1], "float64", keep=(1, 5, 9))
    _weighted(net, seed, fresh_bn=True)
    if framework_name(framework) == "pytorch":
        import torch

        with torch.no_grad():
            return [after.numpy() for after in net.train()(torch.from_numpy(images))]
    import tensorflow as tf

    return [after.numpy() for after in net(tf.constant(images.transpose(0, 2, 3, 1)), training=True)]
