"""A task that asks for a whole network, put together from one's own blocks.

    ex.cifar_family.check(MyResNet)      its layers, parameters, outputs, gradients, beside the course's own network
    ex.cifar_family.load(MyResNet)       trained weights into it, and what it then says about pictures (`published`)

The course's network in the learner's framework is the reference (`network_oracle`); what the blocks themselves get wrong is
the matter of their own tasks.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from resnet_lessons.architecture import ResNetConfig

import numpy as np

from . import published
from .align import mismatch
from .assembly_mistakes import Assembly, counted
from .cases import made_with
from .diagnose import Diagnosis
from .evidence import Evidence, Measured, count_parameters, gather
from .guard import OutOfTimeError
from .mistakes import Mistake
from .network_oracle import agreement, first_difference, sketch
from .observe import what_stopped_it
from .outcome import NOT_ATTEMPTED, NOT_YET, RIGHT, Outcome
from .task import FRAMEWORKS, Task, is_empty, not_attempted
from .uses import framework_of

TOO_LARGE = 2.5  # times the parameters asked for: its layers say what is wrong, and its gradients would take their time
SECONDS = 60.0  # for one network's code: an endless loop is found, and a slow computer is not taken for one


@dataclass(frozen=True)
class NetworkCase:
    """One set of arguments, the network that should come of it, and the side of the images that it is tried on."""

    arguments: tuple[Any, ...]
    config: ResNetConfig
    side: int

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Of one image, (C, H, W)."""
        return (self.config.in_channels, self.side, self.side)

    def images(self) -> np.ndarray:
        """Two images."""
        return np.random.default_rng(0).standard_normal((2, *self.in_shape))

    def __str__(self) -> str:
        """Such as "ResNet-20 on 32 × 32 pixels"."""
        return f"{self.config.name.removesuffix(' v1')} on {self.side} × {self.side} pixels"


@dataclass
class NetworkTask(Task):
    """A task that asks for a class or a function that makes networks.

    Parameters
    ----------
    cases
        Networks to ask for, of several depths where there are several; the first is the plainest. Sizes of images differ.
    assemblies
        The mistakes that can be named.
    """

    cases: Sequence[NetworkCase] = field(kw_only=True)
    assemblies: Sequence[Assembly] = field(kw_only=True)

    @property
    def catalogue(self) -> tuple[Mistake, ...]:
        """The mistakes, as all tasks have them."""
        return tuple(assembly.mistake for assembly in self.assemblies)

    def load(self, answer: Any, weights: str | Path | None = None, *, images: int | None = None) -> published.Loaded:
        """Put trained weights into a learner's network, and see what it can do. Raises nothing, whatever is handed in.

        Parameters
        ----------
        answer
            What `check` takes.
        weights
            None: those that come with the course, and a photograph. ``"published"``: a checkpoint from elsewhere with the
            accuracy that it was published with, if it and CIFAR-10 are here. Or a weights file.
        images
            How many of the test images a checkpoint is scored on; default all.
        """
        return published.load(self.key, answer, self.cases[0].config, weights, images)

    def _judge(self, answer: Any) -> Outcome:
        if is_empty(answer):
            return Outcome(self.key, NOT_ATTEMPTED)
        framework = framework_of(answer)
        if not (isinstance(answer, (type, partial)) or inspect.isroutine(answer)):
            given = f"A {type(answer).__name__} was given"
            asked = "the check makes networks of several kinds, so it takes the class, or the function that makes them"
            return Outcome(self.key, NOT_YET, (f"{given}; {asked}.",), framework=framework)
        seen: list[tuple[NetworkCase, Evidence, Diagnosis]] = []
        for case in self.cases:
            most = TOO_LARGE * case.config.parameters
            made = made_with(answer, case.arguments)
            evidence = gather(made, case, framework, seconds=SECONDS, most=most)  # type: ignore[arg-type]
            evidence.called_with = ", ".join(map(str, case.arguments))
            if not seen and (reason := not_attempted(answer, evidence)) is not None:
                return Outcome(self.key, NOT_ATTEMPTED, reason, framework=evidence.framework)
            seen.append((case, evidence, diagnose(evidence, case.config, self.assemblies)))
            plan = counted([(evidence, case.config)])
            if (seen[-1][2].mistakes and plan is None) or _far_too_large(evidence, case.config):
                break  # the next would take its time, and show the same; only numbers of blocks need several depths
        framework = framework or seen[0][1].framework
        numbers = counted([(evidence, case.config) for case, evidence, _ in seen])
        wrong = [one for one in seen if not one[2].right]
        if not wrong:
            name = FRAMEWORKS.get(framework, "")
            asked = "; ".join(f"{case}, {case.config.parameters:,} parameters" for case, *_ in seen)
            text = f"Outputs and gradients agree with the reference's, in {name}: {asked}."
            return Outcome(self.key, RIGHT, (text,), framework=framework)
        case, _, first = wrong[0]
        observed = [f"{case}: {first.observed[0]}", *first.observed[1:]]
        mistakes = {mistake.key: mistake for *_, found in seen for mistake in found.mistakes}
        if numbers is not None:
            mistakes = {numbers[0].mistake.key: numbers[0].mistake, **mistakes}
            observed = [numbers[1], *observed]
        right = "; ".join(str(case) for case, _, found in seen if found.right)
        observed += [f"Right: {right}."] if right else []
        return Outcome(self.key, NOT_YET, tuple(dict.fromkeys(observed)), tuple(mistakes.values()), framework)


def diagnose(evidence: Evidence, config: ResNetConfig, assemblies: Sequence[Assembly]) -> Diagnosis:
    """Judge one network beside the one that was asked for."""
    found = [(a.mistake, text) for a in assemblies if (text := a.detector(evidence, config))]
    implied = {key for mistake, _ in found for key in mistake.implies}
    found = [(mistake, text) for mistake, text in found if mistake.key not in implied]
    mistakes, observed = tuple(mistake for mistake, _ in found), tuple(text for _, text in found)
    measured = evidence.measured
    if evidence.oversized:
        return Diagnosis(tuple(dict.fromkeys((*observed, _size(evidence.parameters, config)))), mistakes)
    if measured is None:
        return Diagnosis(tuple(dict.fromkeys((*observed, _stopped(evidence)))), mistakes)
    if evidence.makes_layers:  # then what it computes is another thing in each run
        return Diagnosis(observed or ("Two runs computed different things.",), mistakes)
    if found:  # then there is enough to say
        return Diagnosis((*observed, *_other_layers(measured, config)), mistakes)
    return Diagnosis(tuple(_difference(evidence, measured, config)))


def _stopped(evidence: Evidence) -> str:
    if isinstance(evidence.error, OutOfTimeError):
        return f"Your code did not come to an end within {SECONDS:g} seconds: look for a loop that never ends."
    return _of_networks(what_stopped_it(evidence))


def _difference(evidence: Evidence, measured: Measured, config: ResNetConfig) -> list[str]:
    """Where a network and the reference part: the shape of the output, the parameters, the layers, the values; or nothing."""
    expected = (len(evidence.images), config.num_classes)
    if measured.outputs.shape != expected:
        given = f"A batch of {expected[0]} images comes out with the shape {measured.outputs.shape}"
        return [f"{given}; it should be {expected}.", *_other_layers(measured, config)]
    if other := _other_layers(measured, config):
        return other
    agreed = agreement(evidence, measured, config)
    if agreed is None:
        return ["Its layers are those of the reference, and feed one another in another order."]
    if not agreed.differs:
        return []
    if agreed.differs != "outputs":
        where = f", first those of your {agreed.layer}" if agreed.layer else ""
        return [f"All outputs agree in evaluation mode; the {agreed.differs} differ{where}."]
    layer, before = first_difference(evidence, measured, config, agreed.pairs)
    text = "Layers and parameters are those of the reference, and the outputs differ"
    if not layer:
        return [f"{text}: every layer, up to your {before}, computes what it should, so it is what comes after."]
    so_far = f"up to your {before} all agrees, and " if before else ""
    names = {ours.name: theirs.name for ours, theirs in agreed.pairs}
    between = _between(names.get(before, ""), names.get(layer, ""), config)
    return [f"{text}: {so_far}your {layer} is the first layer to differ.{between}"]


def _between(before: str, layer: str, config: ResNetConfig) -> str:
    """What has no weights and stands between two layers of the reference, where the network itself puts it there."""
    if before == "bn1":
        stem = "stand the stem's ReLU and its max-pool" if config.family == "imagenet" else "stands the stem's ReLU"
        return f" Between the two {stem}."
    if layer == "fc":
        return " Between the two stand the end of the last block and the mean over height and width."
    return ""


def _other_layers(measured: Measured, config: ResNetConfig) -> list[str]:
    """What is said where the layers are others."""
    trace = measured.trace.without_dropped()
    counted_ = mismatch(trace, sketch(config))
    if not counted_:
        return []
    own = count_parameters(trace.layers)
    parameters = _size(own, config) if own != config.parameters else ""
    text = _of_networks(counted_[:1].upper() + counted_[1:] + ".")
    return [line for line in (parameters, text) if line]


def _size(parameters: int, config: ResNetConfig) -> str:
    return f"It has {parameters:,} parameters; {config.name.removesuffix(' v1')} has {config.parameters:,}."


def _of_networks(text: str) -> str:
    return text.replace("our block", "our network")


def _far_too_large(evidence: Evidence, config: ResNetConfig) -> bool:
    return len(evidence.partial) > 3 * len(sketch(config).uses)
