"""What a training does, said once for both frameworks, checked, and written down with every run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

History = dict[str, list[float]]  # what `fit` returns
SCHEDULES = ("one-cycle", "cosine", "steps", "constant")
WARM_UPS = ("linear", "constant")
MOMENTUM_FORMS = ("native", "pytorch", "keras")
PRECISIONS = ("float32", "bfloat16", "float64", "auto")
NORMALIZATIONS = ("channel", "pixel")
AUGMENTATIONS = (None, "pad-crop-flip", "random-resized-crop-flip")


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with momentum, and everything that decides where it ends up.

    The default is a one-cycle rate (Smith and Topin 2017, arXiv 1708.07120): it rises linearly to `peak_rate` over the
    first `warm_up` of all steps, then falls to 0 along half a cosine. See `learning_rate` for the other schedules.
    """

    epochs: int | None = 20  # None where `iterations` says how long
    batch_size: int = 64  # of all processes together
    peak_rate: float = 0.1
    momentum: float = 0.9
    warm_up: float | None = None  # share of all steps; None: a quarter for one-cycle, none for the others
    seed: int = 0  # of the order of the images and of the augmentation
    iterations: int | None = None  # so many updates, instead of epochs
    schedule: str = "one-cycle"
    warm_up_from: float = 0.0  # the rate at which the warm-up begins
    warm_up_shape: str = "linear"  # "constant": the whole warm-up stays at `warm_up_from`
    drops: tuple[float, ...] = (0.5, 0.75)  # "steps": after these shares of all steps the rate is divided by 10
    nesterov: bool = True
    momentum_form: str = "native"  # whose form momentum has where the rate changes; "native": the framework's own
    weight_decay: float = 0.0  # coupled, as in the papers: decay · weight is added to the gradient
    decay_all: bool = False  # BN's γ and β and the biases decay as well, as in the second paper's code
    label_smoothing: float = 0.0
    augment: str | None = None
    normalization: str = "channel"  # "pixel": subtract the mean image, divide by nothing (1512.03385, section 4.2)
    ema: float = 0.0  # decay of a running average of the weights, which is then what is tested and saved; 0: none
    precision: str = "float32"  # "bfloat16": autocast, weights stay float32; "auto": a short measurement chooses
    channels_last: bool = False  # PyTorch's memory format; Keras has no other
    clip: float | None = None  # largest norm of all gradients together

    def __post_init__(self) -> None:
        if self.warm_up is None:
            object.__setattr__(self, "warm_up", 0.25 if self.schedule == "one-cycle" else 0.0)
        object.__setattr__(self, "drops", tuple(self.drops))
        self._check_length()
        for name in ("momentum", "label_smoothing", "ema"):
            _check(0 <= getattr(self, name) < 1, name, getattr(self, name), "lies from 0 to below 1")
        _check(0 < self.peak_rate < math.inf, "peak_rate", self.peak_rate, "is a positive number such as 0.1")
        share = self.warm_up or 0.0
        fits = 0 <= share < 1 and (share > 0 or self.schedule != "one-cycle")
        _check(fits, "warm_up", self.warm_up, "is a share of the steps, between 0 and 1")
        _check(0 <= self.warm_up_from < math.inf, "warm_up_from", self.warm_up_from, "is a rate, 0 or more")
        _check(0 <= self.weight_decay < math.inf, "weight_decay", self.weight_decay, "is 0 or more, such as 1e-4")
        rising = list(self.drops) == sorted(set(self.drops)) and all(0 < drop < 1 for drop in self.drops)
        _check(rising, "drops", self.drops, "lists rising shares of the steps, such as (0.5, 0.75)")
        _check(self.clip is None or 0 < self.clip < math.inf, "clip", self.clip, "is a positive norm, or None")
        for name, allowed in _CHOICES.items():
            _check(getattr(self, name) in allowed, name, repr(getattr(self, name)), f"is one of {_listed(allowed)}")

    def _check_length(self) -> None:
        for name in ("epochs", "batch_size", "iterations"):
            given = getattr(self, name)
            if given is not None or name == "batch_size":
                _check(_whole(given) and given >= 1, name, repr(given), "is a whole number from 1 on")
        _check(_whole(self.seed) and self.seed >= 0, "seed", repr(self.seed), "is a whole number from 0 on")
        if (self.epochs is None) == (self.iterations is None):
            raise ValueError(
                f"epochs is {self.epochs} and iterations is {self.iterations}; one of the two says how long to train, and the "
                "other is None."
            )

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Recipe:
        """Return the recipe that `to_dict` wrote.

        Raises
        ------
        ValueError
            If it names a field that there is not, as a recipe of a newer version does, or a value cannot be.
        """
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in given if name not in known]:
            raise ValueError(f"A recipe has no {', '.join(map(repr, unknown))}; it has {', '.join(known)}.")
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """The fields as a plain dictionary, ready for JSON."""
        return {**asdict(self), "drops": list(self.drops)}

    def steps_per_epoch(self, images: int) -> int:
        """Number of batches in one pass over so many images."""
        return math.ceil(images / self.batch_size)

    def steps(self, images: int) -> int:
        """Number of updates that this recipe takes on so many training images."""
        if self.epochs is None:
            assert self.iterations is not None
            return self.iterations
        return self.epochs * self.steps_per_epoch(images)

    def scaled(self, batch_size: int) -> Recipe:
        """Return the recipe for another batch size, its rate scaled in proportion (Goyal et al. 2017, section 2.1).

        The rate at which the warm-up begins stays.

        >>> RECIPES["imagenet"].scaled(8192).peak_rate
        3.2
        """
        return replace(self, batch_size=batch_size, peak_rate=self.peak_rate * batch_size / self.batch_size)


def _check(holds: Any, name: str, given: Any, rule: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {given}; it {rule}.")


def _whole(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)


def _listed(allowed: tuple[Any, ...]) -> str:
    return ", ".join(one if isinstance(one, str) else repr(one) for one in allowed)


_CHOICES: dict[str, tuple[Any, ...]] = {
    "schedule": SCHEDULES,
    "warm_up_shape": WARM_UPS,
    "momentum_form": MOMENTUM_FORMS,
    "precision": PRECISIONS,
    "normalization": NORMALIZATIONS,
    "augment": AUGMENTATIONS,
    "nesterov": (True, False),
    "decay_all": (True, False),
    "channels_last": (True, False),
}

# He et al. 2015, section 4.2: 64k updates, the rate divided by 10 after 32k and 48k. Caffe, in which the paper was
# trained, writes momentum in the form that Keras writes it.
PAPER_CIFAR = Recipe(
    epochs=None, iterations=64_000, batch_size=128, peak_rate=0.1, momentum=0.9, nesterov=False, momentum_form="keras",
    weight_decay=1e-4, decay_all=True, schedule="steps", augment="pad-crop-flip", normalization="pixel",
)  # fmt: skip

RECIPES = {
    "digits": Recipe(batch_size=32),
    # No augmentation: in so few epochs the network is far from knowing its 60,000 images by heart.
    "fashion": Recipe(
        epochs=5, batch_size=128, peak_rate=0.3, momentum_form="pytorch", weight_decay=5e-4, precision="auto",
        channels_last=True,
    ),
    "fast-cifar": Recipe(
        epochs=40, batch_size=256, peak_rate=0.5, momentum_form="pytorch", weight_decay=5e-4, augment="pad-crop-flip",
        precision="auto", channels_last=True,
    ),
    "paper-cifar": PAPER_CIFAR,
    # "0.1 is slightly too large to start converging" for depth 110: 0.01 until the training error is below 80 %, about
    # 400 updates; then back to 0.1.
    "paper-cifar-110": replace(PAPER_CIFAR, warm_up=400 / 64_000, warm_up_from=0.01, warm_up_shape="constant"),
    "finetune": Recipe(
        epochs=10, batch_size=32, peak_rate=0.01, momentum_form="pytorch", weight_decay=1e-4, schedule="cosine",
        warm_up=0.1, label_smoothing=0.1, augment="random-resized-crop-flip", precision="auto", channels_last=True,
    ),
    # Goyal et al. 2017, arXiv 1706.02677, section 5.1, after fb.resnet.torch: rate 0.1 for 256 images, divided by 10 after
    # 30, 60 and 80 of 90 epochs; γ, β and biases are not decayed. `scaled` gives the recipe for larger batches, which
    # warm up from 0.1 over five epochs.
    "imagenet": Recipe(
        epochs=90, batch_size=256, peak_rate=0.1, momentum_form="pytorch", weight_decay=1e-4, schedule="steps",
        drops=(30 / 90, 60 / 90, 80 / 90), warm_up=5 / 90, warm_up_from=0.1, augment="random-resized-crop-flip",
        precision="auto", channels_last=True,
    ),
}  # fmt: skip


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Say where two descriptions of a run differ: "recipe.peak_rate: 0.1 there, 0.2 here"."""
    found = []
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        one, other = ours.get(name), theirs.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += differences(one, other, f"{prefix}{name}.")
        elif one != other:
            found.append(f"{prefix}{name}: {other!r} there, {one!r} here")
    return found
