"""Trained weights in a learner's own network: `load` puts them there, and sees what the network can do with them.

Weights find their places as in a check: which layer of the learner's is which is told by kinds, shapes and the flow of data,
whatever the names. Which network some weights belong to is read from their file.
"""

from __future__ import annotations

import html
import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from resnet_lessons import datasets, pretrained
from resnet_lessons.architecture import ResNetConfig
from resnet_lessons.training import pictures, saved
from resnet_lessons.training.data import TEST_BATCH

import numpy as np

from .align import MOST_ORDERS, Pairs, mismatch, pairings
from .diagnose import close
from .guard import Guard
from .kept import kept
from .network_oracle import ChannelOrder, channel_orders, sketch
from .task import is_empty
from .uses import Network, Trace, framework_of, open_network

SECONDS = 30.0  # for building a network and running it on a few images
TOLERANCE = 1e-3  # of logits in float32, relative to the largest


@dataclass(frozen=True)
class Checkpoint:
    """Weights that somebody published, and what they are known to score on CIFAR-10's test images."""

    file: str
    source: str
    right: int  # of 10,000
    mean: tuple[float, ...] = datasets.IMAGENET_MEAN
    std: tuple[float, ...] = datasets.IMAGENET_STD


# Measured in both frameworks (records/published_weights.json, and tests/test_pretrained.py).
PUBLISHED: Mapping[int, Checkpoint] = {
    20: Checkpoint("resnet20-12fca82f.th", "akamaster/pytorch_resnet_cifar10", 9_173),
    32: Checkpoint("resnet32-d509ac18.th", "akamaster/pytorch_resnet_cifar10", 9_263),
}
DEPTH = 20


@dataclass(frozen=True)
class Loaded:
    """What came of loading weights.

    Attributes
    ----------
    fits
        Whether every tensor found its place, and the network computes what the weights were trained for.
    lines
        What there is to say, in plain sentences.
    accuracy
        Share of the test images that were named right; None if none were scored.
    named
        Classes with their probabilities, the likeliest first, where a photograph was named.
    """

    task: str
    fits: bool
    lines: tuple[str, ...]
    accuracy: float | None = None
    named: Mapping[str, float] | None = None

    def __repr__(self) -> str:
        return "\n".join([f"{'✓' if self.fits else '○'} {self.task}", *(f"  {line}" for line in self.lines)])

    def _repr_html_(self) -> str:
        title, *lines = map(html.escape, repr(self).split("\n"))
        body = "".join(f"<p>{line.strip()}</p>" for line in lines)
        return f'<div class="rl-outcome" role="status"><p><b>{title}</b></p>{body}</div>'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


class DoesNotFitError(Exception):
    """Why some weights cannot be put into a network."""


def load(
    task: str, answer: Any, asked: ResNetConfig, weights: str | Path | None, images: int | None
) -> Loaded:  # fmt: skip
    """Put weights into a network of the learner's making; see `NetworkTask.load`."""
    label = f"{task}, with trained weights"
    try:
        if is_empty(answer):
            raise DoesNotFitError("There is no network yet: write one, and check it.")
        if weights is None:
            return _named_cat(label, answer, asked)
        known = PUBLISHED[DEPTH] if weights == "published" else None
        file = find_published(known) if known else Path(weights)
        return _scored(label, answer, asked, file, known, images)
    except DoesNotFitError as error:
        return Loaded(label, False, (str(error),))
    except (ValueError, OSError) as error:
        return Loaded(label, False, (f"{error}",))


def find_published(checkpoint: Checkpoint) -> Path:
    """Return a published checkpoint's file.

    Raises
    ------
    DoesNotFitError
        If it is not here; the message says where it is to be had and where it goes.
    """
    folder = os.environ.get(datasets.VARIABLE, "")
    owner = checkpoint.source.partition("/")[0]
    for name in (checkpoint.file, f"{owner}_{checkpoint.file}"):
        if folder and (path := Path(folder, "weights", name)).is_file():
            return path
    raise DoesNotFitError(
        f"This needs {checkpoint.file} of github.com/{checkpoint.source} in the folder weights/ below the one that "
        f"{datasets.VARIABLE} names ({'it is not there' if folder else 'the variable is not set'}), and CIFAR-10, which "
        "`resnet-lessons data get cifar10` fetches. Everything else in this exercise works without."
    )


def _named_cat(label: str, answer: Any, asked: ResNetConfig) -> Loaded:
    """The course's own weights, and its photograph."""
    file = pictures.WEIGHTS
    about = saved.about(file)
    picture = pictures.normalized(pictures.shrunk(pictures.CAT, about), about)[None]
    placed = place(answer, asked, file, picture)
    chances = pictures.softmax(placed.net.outputs(picture))[0]
    named = {about["classes"][index]: float(chances[index]) for index in chances.argsort()[::-1]}
    five, size = list(named)[:5], picture.shape[-1]
    reference = pictures.softmax(placed.expected)[0].argsort()[::-1][:5]
    same = [about["classes"][index] for index in reference] == five
    said = "names the same five, in this order" if same else "says otherwise"
    seen = f"The photograph {pictures.CAT.name}, at {size} × {size} pixels: {', '.join(five)}. The course's network {said}."
    lines = [*placed.lines, seen]
    return Loaded(label, same, tuple(lines), named=named)


def _scored(
    label: str, answer: Any, asked: ResNetConfig, file: Path, known: Checkpoint | None, images: int | None
) -> Loaded:
    """A checkpoint on CIFAR-10's test images."""
    dataset = datasets.load_dataset("cifar10")
    normalization = {"mean": known.mean, "std": known.std} if known else _normalization(file)
    pixels = dataset.normalized(dataset.test, **normalization)
    labels = dataset.test.labels
    total = len(labels) if images is None else min(images, len(labels))
    placed = place(answer, asked, file, pixels[:8])
    right = _count(placed.net, pixels[:total], labels[:total])
    lines = [*placed.lines, f"CIFAR-10: {right:,} of {total:,} test images named right, {right / total:.2%}."]
    if known and total == len(labels):
        same = "the same" if right == known.right else "not the same"
        lines.append(f"It was published with {known.right / len(labels):.2%}: {same}.")
    elif known:
        share = f"{known.right / len(labels):.2%}"
        lines.append(f"On all {len(labels):,} it was published with {share}: leave `images` out.")
    fits = not known or total < len(labels) or right == known.right
    return Loaded(label, fits, tuple(lines), accuracy=right / total)


def _normalization(file: Path) -> dict[str, Any]:
    about = saved.about(file)
    return {name: about[name] for name in ("mean", "std")} if about else {}


def _count(net: Network, pixels: np.ndarray, labels: np.ndarray) -> int:
    from tqdm.auto import tqdm

    size = TEST_BATCH["NCHW" if net.framework == "pytorch" else "NHWC"]
    right, batches = 0, range(0, len(labels), size)
    for start in tqdm(batches, desc="test images", unit="batch", leave=False, disable=len(batches) < 3):
        logits = net.outputs(pixels[start : start + size])
        right += int((logits.argmax(axis=1) == labels[start : start + size]).sum())
    return right


@dataclass(frozen=True)
class Placed:
    """A learner's network with somebody's weights in it."""

    net: Network
    config: ResNetConfig
    expected: np.ndarray  # the course's network's logits of the same images
    lines: tuple[str, ...]


def place(answer: Any, asked: ResNetConfig, file: Path, images: np.ndarray) -> Placed:
    """Build the learner's network for some weights, write them into it, and compare its logits with the reference's.

    Raises
    ------
    DoesNotFitError
        If a tensor has no place, or the network computes something else; the message says what.
    ValueError, FileNotFoundError
        If the file is no checkpoint of a ResNet.
    """
    weights = pretrained.read(file)
    config = pretrained.find_config(weights)
    framework = framework_of(answer)
    net, trace = _built(answer, config, asked, framework, images)
    proposals = list(islice(pairings(trace, sketch(config)), MOST_ORDERS))
    if not proposals:
        raise DoesNotFitError(_does_not_fit(trace, config, file))
    expected = open_network(pretrained.load(file, framework=net.framework)).outputs(images)
    for pairs in proposals:
        for order in channel_orders(config):
            _write(pairs, order, weights.tensors)
            if close(net.outputs(images), expected, TOLERANCE):
                return Placed(net, config, expected, tuple(_told(config, file, pairs, order, weights.tensors)))
    raise DoesNotFitError(
        f"All tensors of {file.name} have a place in your network, and it computes something else with them than the "
        "course's network does. The check says where the two part."
    )


def _built(
    answer: Any, config: ResNetConfig, asked: ResNetConfig, framework: str, images: np.ndarray
) -> tuple[Network, Trace]:
    """The learner's network of a config's depth; with another block as its second argument for another option."""
    other_block = config.shortcut == "B" != asked.shortcut and _takes_a_block(answer, config.depth)

    def made() -> tuple[Network, Trace]:
        net = open_network(answer(config.depth))
        if other_block:
            net = open_network(answer(config.depth, kept("projection", framework or net.framework)))
        net.settle(images[:1])
        return net, net.trace(images[:1]).without_dropped()

    found, error = Guard(SECONDS).run(made)
    if error is not None:
        raise DoesNotFitError(f"Your network could not be made and run: {type(error).__name__}: {error}")
    net, trace = found
    return net, trace


def _takes_a_block(answer: Any, depth: int) -> bool:
    try:
        inspect.signature(answer).bind(depth, None)
    except (TypeError, ValueError):
        return False
    return True


def _write(pairs: Pairs, order: ChannelOrder, tensors: Mapping[str, np.ndarray]) -> None:
    for ours, theirs in pairs:
        for kind, tensor in ours.tensors.items():
            if (values := tensors.get(f"{theirs.name}.{kind}")) is not None:
                tensor.write(order.from_twin(theirs.name, values))


def _told(
    config: ResNetConfig, file: Path, pairs: Pairs, order: ChannelOrder, tensors: Mapping[str, np.ndarray]
) -> list[str]:
    name = f"{config.name.removesuffix(' v1')}, option {config.shortcut}"
    lines = [f"All {len(tensors)} tensors of {file.name} ({name}) found their places in your network."]
    if order.places:
        lines.append(
            f"Your zeros go {order.zeros} x's channels, those of the weights on either side: the channels were put into your "
            "order. It is the same network."
        )
    return lines


def _does_not_fit(trace: Trace, config: ResNetConfig, file: Path) -> str:
    """Say what does not fit: the shortcut option, if it is that; else the layers."""
    name = f"{config.name.removesuffix(' v1')} with option {config.shortcut}"
    text = f"{file.name} is a {name}"
    for option in "ABC":
        if option != config.shortcut and next(pairings(trace, sketch(replace(config, shortcut=option))), None):
            lacks = {"A": "has no projections", "B": "has a projection in each block that changes the shape"}
            own = lacks.get(option, "has a projection in every block")
            return (
                f"{text}; your network {own} (option {option}), so these tensors do not fit it. Let your "
                "function take the block as its second argument: then your own block of that option is put in."
            )
    counted = mismatch(trace, sketch(config)).replace("your block", "your network")
    counted = counted.replace("the reference has", "the weights have")
    return f"{text}, and your network is another one: {counted or 'its layers feed one another in another order'}."
