"""What a training step, and an evaluation, should do to a small network: computed in NumPy, right or with one thing changed.

    small       the network's tensors: flatten, dense, BN, ReLU, dense; `training_watch` builds it in either framework
    train       a few steps of SGD with momentum
    evaluate    the share of right answers, batch by batch

Both functions take their mistakes as keyword arguments whose defaults are right. What a learner's function does to the same
network is compared with each, so that a mistake is named only if it reproduces everything that was seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Tensors = dict[str, np.ndarray]
Seen = Mapping[str, Any]  # what can be seen after one step, or one evaluation, by name

SIDE, HIDDEN, CLASSES = 2, 5, 4  # images of one channel and 2×2 pixels: flattened, they are the same in both layouts
EPS, MOMENTUM = 1e-5, 0.1  # BN's; the share of the new value
RATE, KEEP = 0.25, 0.5  # SGD's rate and momentum, exact in any precision
RUNNING = ("bn.running_mean", "bn.running_var")
TRAINED = ("first.weight", "bn.weight", "bn.bias", "last.weight", "last.bias")
WORDS = {
    "first.weight": "the first kernel",
    "bn.weight": "γ",
    "bn.bias": "β",
    "bn.running_mean": "the running mean",
    "bn.running_var": "the running variance",
    "last.weight": "the last kernel",
    "last.bias": "the last bias",
}


class Batch(NamedTuple):
    """Images (B, 1, 2, 2) and their labels (B,)."""

    images: np.ndarray
    labels: np.ndarray


def small(seed: int = 0) -> Tensors:
    """Random values for every tensor of the small network, as PyTorch lays them out.

    The running statistics are far from those of any batch, so that it shows which ones BN takes.
    """
    dice = np.random.default_rng(seed)
    return {
        "first.weight": dice.normal(0, 1, (HIDDEN, SIDE * SIDE)),
        "bn.weight": dice.uniform(0.5, 1.5, HIDDEN),
        "bn.bias": dice.normal(0, 0.5, HIDDEN),
        "bn.running_mean": dice.normal(0, 2, HIDDEN),
        "bn.running_var": dice.uniform(1, 4, HIDDEN),
        "last.weight": dice.normal(0, 1, (CLASSES, HIDDEN)),
        "last.bias": dice.normal(0, 0.5, CLASSES),
    }


def batch(size: int, seed: int) -> Batch:
    """Random images and labels."""
    dice = np.random.default_rng(seed)
    return Batch(dice.normal(0.5, 1.5, (size, 1, SIDE, SIDE)), dice.integers(0, CLASSES, size))


class Pass:
    """One forward pass, and the way back through it.

    Parameters
    ----------
    statistics
        BN takes its mean and variance from the ``"batch"``, or the ``"running"`` ones.
    """

    def __init__(self, tensors: Tensors, images: np.ndarray, statistics: str = "batch") -> None:
        self.tensors, self.statistics = tensors, statistics
        self.flat = images.reshape(len(images), -1)
        self.first = self.flat @ tensors["first.weight"].T
        if statistics == "batch":
            self.mean, self.var = self.first.mean(axis=0), self.first.var(axis=0)
        else:
            self.mean, self.var = (tensors[name] for name in RUNNING)
        self.normal = (self.first - self.mean) / np.sqrt(self.var + EPS)
        self.active = np.maximum(0, tensors["bn.weight"] * self.normal + tensors["bn.bias"])
        self.logits = self.active @ tensors["last.weight"].T + tensors["last.bias"]

    def gradients(self, of_logits: np.ndarray) -> Tensors:
        """The gradient for every weight, given the one for the logits (B, classes)."""
        of_active = of_logits @ self.tensors["last.weight"] * (self.active > 0)
        of_normal = of_active * self.tensors["bn.weight"]
        if self.statistics == "batch":  # the mean and the variance depend on every image
            of_normal = of_normal - of_normal.mean(axis=0) - self.normal * (of_normal * self.normal).mean(axis=0)
        return {
            "first.weight": (of_normal / np.sqrt(self.var + EPS)).T @ self.flat,
            "bn.weight": (of_active * self.normal).sum(axis=0),
            "bn.bias": of_active.sum(axis=0),
            "last.weight": of_logits.T @ self.active,
            "last.bias": of_logits.sum(axis=0),
        }

    def moved(self, framework: str) -> Tensors:
        """The running statistics behind this pass; PyTorch divides their variance by n − 1, Keras by n."""
        if self.statistics != "batch":
            return {}
        count = len(self.flat)
        new = (self.mean, self.var * (count / (count - 1) if framework == "pytorch" else 1))
        return {
            name: (1 - MOMENTUM) * self.tensors[name] + MOMENTUM * value
            for name, value in zip(RUNNING, new, strict=True)
        }


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (B, classes)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def cross_entropy(logits: np.ndarray, labels: np.ndarray, loss: str = "logits") -> tuple[np.ndarray, np.ndarray]:
    """Return the loss of each image (B,), and its gradient for the logits (B, classes).

    Parameters
    ----------
    loss
        ``"logits"`` is right. ``"softmax"``: its softmax is taken for logits. ``"clipped"``: the logits are taken for
        probabilities, as Keras does unless told otherwise. ``"picked"``: minus the logit of the label.
    """
    here = np.arange(len(labels)), labels
    if loss == "picked":
        gradient = np.zeros_like(logits)
        gradient[here] = -1
        return -logits[here], gradient
    given = {"logits": logits, "softmax": softmax(logits), "clipped": np.log(np.clip(logits, 1e-7, 1 - 1e-7))}[loss]
    shares = softmax(given)
    losses, gradient = -np.log(shares[here]), shares.copy()
    gradient[here] -= 1
    if loss == "softmax":
        p = given
        gradient = p * (gradient - (gradient * p).sum(axis=1, keepdims=True))
    if loss == "clipped":
        inside = (logits > 1e-7) & (logits < 1 - 1e-7)
        gradient = np.where(inside, gradient / np.where(inside, logits, 1), 0)
    return losses, gradient


def train(
    batches: Sequence[Batch], *, framework: str = "pytorch", statistics: str = "batch", loss: str = "logits",
    reduction: str = "mean", returned: str = "same", gradients: str = "new", passes: int = 1,
) -> Seen:  # fmt: skip
    """Return what is seen of a few steps: each loss that was returned, and all tensors after each step.

    Parameters
    ----------
    framework
        Whose running variance.
    statistics, loss
        See `Pass` and `cross_entropy`.
    reduction
        The ``"mean"`` over the batch, or the ``"sum"``.
    returned
        The ``"same"`` loss; ``"sum"``: that over the images, beside a mean for the gradients.
    gradients
        ``"new"`` in every step; ``"added"`` to those of the steps before; ``"none"``.
    passes
        How often a batch runs through the network in training mode.
    """
    seen, tensors = dict[str, Any](), small()
    speed = {name: np.zeros_like(value) for name, value in tensors.items()}
    kept: Tensors = {}
    for number, (images, labels) in enumerate(batches, start=1):
        through = Pass(tensors, images, statistics)
        losses, of_logits = cross_entropy(through.logits, labels, loss)
        new = through.gradients(of_logits / (len(labels) if reduction == "mean" else 1))
        kept = {name: value + (kept.get(name, 0) if gradients == "added" else 0) for name, value in new.items()}
        for _ in range(passes):
            tensors |= Pass(tensors, images, statistics).moved(framework)
        for name, gradient in kept.items() if gradients != "none" else ():
            speed[name] = KEEP * speed[name] + gradient
            tensors[name] = tensors[name] - RATE * speed[name]
        if returned == "after":
            through = Pass(tensors, images, statistics)
            losses, _ = cross_entropy(through.logits, labels, loss)
            tensors |= through.moved(framework)
        value = losses.sum() if "sum" in (reduction, returned) else losses.mean()
        seen |= after_step(number, value, tensors)
    return seen


def after_step(number: int, loss: float, tensors: Tensors) -> Seen:
    """Name what is seen of one step, counting from 1."""
    return {f"the loss of step {number}": single(loss)} | {
        f"{WORDS[name]} after step {number}": single(value) for name, value in tensors.items()
    }


def after_evaluation(share: float, mode: str, tensors: Tensors) -> Seen:
    """Name what is seen of one evaluation; `mode` is empty in a framework whose networks have none."""
    return {"the share of right answers": single(share), **({"the mode afterwards": mode} if mode else {})} | {
        f"{WORDS[name]} afterwards": single(value) for name, value in tensors.items()
    }


def single(value: Any) -> np.ndarray:
    """In float32: Keras's losses compute in it, whatever the network does."""
    return np.asarray(value, dtype=np.float32)


def parts_of(data: Batch, size: int, last: str = "kept") -> Iterator[Batch]:
    """The batches of an evaluation; `last` may be ``"dropped"`` where it is a smaller one."""
    for start in range(0, len(data.labels), size):
        part = Batch(data.images[start : start + size], data.labels[start : start + size])
        if last == "kept" or len(part.labels) == size:
            yield part


def evaluate(
    data: Batch, size: int, mode: str, *, framework: str = "pytorch", statistics: str = "running", axis: int | None = 1,
    last: str = "kept", counted: str = "right", average: str = "images", unit: float = 1, after: str = "as it was",
) -> Seen:  # fmt: skip
    """Return what is seen of one evaluation: the share that was returned, all tensors, and the mode behind it.

    Parameters
    ----------
    data, size
        Images and labels, and how many make a batch.
    mode
        The network's mode before: ``"training"`` or ``"evaluation"``; Keras's networks have none.
    framework
        Whose running variance, and whether there are modes.
    statistics, axis, last
        Those that BN takes, or ``"as it was"`` for those of the mode before; the axis along which the largest logit is
        looked for, or None for a place among all logits of the batch; whether a smaller last batch counts.
    counted
        The ``"right"`` answers; the ``"wrong"`` ones; or ``"none"``, since labels are compared with something else than classes.
    average
        Over the ``"images"``; over the ``"batches"``, whatever their size; or over the images that as many ``"full"``
        batches would have; or over nothing (``"none"``): their number.
    unit
        What the share is multiplied by.
    after
        The network's mode behind it: ``"as it was"``, ``"evaluation"`` or ``"training"``.

    Raises
    ------
    ValueError
        In PyTorch, with a wrong axis: the guesses are as many as there are classes, and may be another number than the
        images. TensorFlow's ``==`` says False of two such tensors, which counts as no right answer.
    """
    tensors, rights, sizes = small(), [], []
    if statistics == "as it was":
        statistics = "batch" if mode == "training" else "running"
    for images, labels in parts_of(data, size, last):
        through = Pass(tensors, images, statistics)
        tensors |= through.moved(framework)
        guesses = through.logits.argmax(axis=axis)
        fits = axis is None or guesses.shape == labels.shape
        if not fits and framework == "pytorch":
            raise ValueError(f"{guesses.shape} guesses for {labels.shape} labels")
        hits = int((guesses == labels).sum()) if fits else 0
        rights.append({"right": hits, "wrong": len(labels) - hits, "none": 0}[counted])
        sizes.append(len(labels))
    if average == "batches":
        share = float(np.mean([right / count for right, count in zip(rights, sizes, strict=True)]))
    else:
        share = sum(rights) / {"images": len(data.labels), "full": len(sizes) * size, "none": 1}[average]
    behind = mode if after == "as it was" else after
    return after_evaluation(unit * share, behind if framework == "pytorch" else "", tensors)
