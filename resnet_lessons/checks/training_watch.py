"""Runs a learner's training step, evaluation or choice of parameters on a small network, and notes what it does.

A watcher is called with the learner's function and the arguments of a `Call`, and returns what `training_replay` says should
be seen. What cannot be told from numbers (that an optimizer was never called) stands in its `notes`. Each framework is
imported only when a function of it is watched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import training_replay as replay
from .training_replay import Batch, Seen, Tensors
from .uses import WrongResultError

NEVER_STEPPED, NO_BACKWARD, OWN_UPDATE = "no step", "no backward", "own update"
ZEROED, TOO_EARLY, RECORDED, FROZEN = "zeroed", "too early", "recorded", "frozen"
DECAYS, SPARED, BOTH, NEITHER = "decays", "spared", "both", "neither"
ANYTHING_ELSE = "anything else"
KINDS = (
    "the kernel of convolution 1",
    "γ of BN 1",
    "β of BN 1",
    "the kernel of convolution 2",
    "γ of BN 2",
    "β of BN 2",
    "the dense layer's kernel",
    "the dense layer's bias",
)  # the parameters of the network that a choice is made of, in its order


class NotAskedError(Exception):
    """What a function returned is not what was asked for; the message is a whole sentence."""


class Watcher:
    """What is common to both frameworks, and enough for a function that needs none."""

    framework = ""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}  # what was noted, and in which words it is told
        self.calls = 0

    def watching(self) -> contextlib.AbstractContextManager[None]:
        """What has to hold while a learner's function runs."""
        return contextlib.nullcontext()

    def watch_steps(self, step: Callable[..., Any], batches: Sequence[Batch]) -> Seen:
        """Have a training step made of each batch."""
        self.calls += 1
        net = self.new_small()
        optimizer, seen, events = self.optimizer(net), dict[str, Any](), list[str]()
        self.listen(net, optimizer, events)
        started = self.tensors(net)
        for number, batch in enumerate(batches, start=1):
            self.to_evaluation(net)  # as if it had just been tested
            events.clear()
            loss = as_number(step(net, optimizer, *self.given(batch)), "the loss of the batch")
            seen |= replay.after_step(number, loss, self.tensors(net))
            if number == self.calls == 1:  # a second call is made to see whether it does the same
                self.note_order(events, moved=self.trained_differ(started, self.tensors(net)))
        return seen

    def watch_evaluation(self, evaluate: Callable[..., Any], data: Batch, size: int, mode: str) -> Seen:
        """Have an evaluation made."""
        net = self.new_small()
        self.set_mode(net, mode)
        self.listen_to_evaluation(net)
        images, labels = self.given(data)
        share = as_number(evaluate(net, images, labels, size), "the share of right answers")
        if self.trained(net) < len(replay.TRAINED):
            self.notes[FROZEN] = "Afterwards the network has weights that no training changes any more."
        return replay.after_evaluation(share, self.mode(net), self.tensors(net))

    def watch_choice(self, choose: Callable[..., Any], kinds: Sequence[str]) -> Seen:
        """Have the parameters of a network shared out; `kinds` names them."""
        net, parameters = self.network_of_kinds()
        returned = choose(net)
        if returned is None:
            raise WrongResultError(None)
        lists = self._two_lists(returned)
        seen: dict[str, Any] = {}
        for name, parameter in zip(kinds, parameters, strict=True):
            decays, spared = (any(one is parameter for one in listed) for listed in lists)
            seen[name] = (BOTH if spared else DECAYS) if decays else SPARED if spared else NEITHER
        known = {id(parameter) for parameter in parameters}
        return {**seen, ANYTHING_ELSE: sum(id(one) not in known for listed in lists for one in listed)}

    def watch_rates(self, rate: Callable[..., Any], steps_per_epoch: int, epochs: int, *recipe: float) -> Seen:
        """Have the rate of every step of a training computed."""
        seen: dict[str, Any] = {}
        for step in range(steps_per_epoch * epochs):
            given = rate(step, steps_per_epoch, epochs, *recipe)
            number = as_number(given, "the rate")
            seen[f"the rate of step {step}"] = (
                replay.single(number) if "float32" in str(getattr(given, "dtype", "")) else number
            )
        return seen

    def _two_lists(self, returned: Any) -> list[list[Any]]:
        asked = "two lists are asked for, those that decay and those that are spared"
        if not isinstance(returned, (tuple, list)) or len(returned) != 2:
            raise NotAskedError(f"Your function returned {_a(returned)}; {asked}.")
        try:
            return [list(one) for one in returned]
        except TypeError:
            raise NotAskedError(f"Your function returned {' and '.join(map(_a, returned))}; {asked}.") from None

    def trained_differ(self, before: Tensors, after: Tensors) -> bool:
        """Whether a weight has changed."""
        return any(not np.array_equal(before[name], after[name]) for name in before if name not in replay.RUNNING)

    def note_order(self, events: Sequence[str], moved: bool) -> None:
        """Judge the order of what was called in the first step, where the numbers do not say it."""
        if "step" not in events and "empty step" not in events:
            if moved:
                self.notes[OWN_UPDATE] = "The weights have moved, and the optimizer that was given was never called."
            else:
                self.notes[NEVER_STEPPED] = "The optimizer was never called."
        elif "backward" not in events:
            self.notes[NO_BACKWARD] = "No gradients were computed before the optimizer was called, or after."
        elif "empty step" in events:
            early = events.index("empty step") < events.index("backward")
            self.notes[TOO_EARLY if early else ZEROED] = (
                f"In the first step the order was: {', '.join(map(_in_words, events))}."
            )

    def new_small(self) -> Any:
        raise NotImplementedError

    def network_of_kinds(self) -> tuple[Any, list[Any]]:
        """A network whose parameters are `KINDS`, and these parameters."""
        raise NotImplementedError

    def optimizer(self, net: Any) -> Any:
        raise NotImplementedError

    def listen(self, net: Any, optimizer: Any, events: list[str]) -> None:
        """Have `events` filled with "backward", "zero_grad", "step", or "empty step" for one without gradients."""
        raise NotImplementedError

    def listen_to_evaluation(self, net: Any) -> None:
        """Have `notes` filled with what happens in a forward pass."""

    def given(self, batch: Batch) -> tuple[Any, Any]:
        """Images and labels as tensors, as a learner's function gets them."""
        raise NotImplementedError

    def tensors(self, net: Any) -> Tensors:
        raise NotImplementedError

    def to_evaluation(self, net: Any) -> None:
        """Leave a network in evaluation mode, where it has one."""

    def trained(self, net: Any) -> int:
        """How many of its tensors a training would change."""
        raise NotImplementedError

    def set_mode(self, net: Any, mode: str) -> None:
        """Put a network into a mode, where it has one."""

    def mode(self, net: Any) -> str:
        """Its mode; empty where it has none."""
        return ""


class TorchWatcher(Watcher):
    """In PyTorch."""

    framework = "pytorch"

    def __init__(self) -> None:
        import torch

        super().__init__()
        torch.optim.SGD([torch.zeros(1)], lr=1.0)  # the first one imports half a compiler: not in a learner's time

    def new_small(self) -> Any:
        import torch
        from torch import nn

        net = nn.Sequential()
        net.add_module("flatten", nn.Flatten())
        net.add_module("first", nn.Linear(replay.SIDE**2, replay.HIDDEN, bias=False))
        net.add_module("bn", nn.BatchNorm1d(replay.HIDDEN, replay.EPS, replay.MOMENTUM))
        net.add_module("relu", nn.ReLU())
        net.add_module("last", nn.Linear(replay.HIDDEN, replay.CLASSES))
        net.double()
        net.load_state_dict({name: torch.tensor(v) for name, v in replay.small().items()}, strict=False)
        return net

    def network_of_kinds(self) -> tuple[Any, list[Any]]:
        from torch import nn

        net = nn.Sequential(
            nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, bias=False), nn.BatchNorm2d(4),
            nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
        )  # fmt: skip
        return net, list(net.parameters())

    def optimizer(self, net: Any) -> Any:
        import torch

        return torch.optim.SGD(net.parameters(), lr=replay.RATE, momentum=replay.KEEP)

    def listen(self, net: Any, optimizer: Any, events: list[str]) -> None:
        weights = list(net.parameters())

        def before_step(*_: Any) -> None:
            some = any(weight.grad is not None and bool(weight.grad.any()) for weight in weights)
            events.append("step" if some else "empty step")

        optimizer.register_step_pre_hook(before_step)
        weights[-1].register_hook(lambda gradient: events.append("backward"))
        for owner in (optimizer, net):
            owner.zero_grad = _noting(owner.zero_grad, events, "zero_grad")

    def listen_to_evaluation(self, net: Any) -> None:
        import torch

        def forward(*_: Any) -> None:
            if torch.is_grad_enabled():
                self.notes[RECORDED] = (
                    "In the forward pass PyTorch recorded everything, for gradients that nobody asks for."
                )

        net.register_forward_hook(forward)

    def given(self, batch: Batch) -> tuple[Any, Any]:
        import torch

        return torch.tensor(batch.images), torch.tensor(batch.labels)

    def tensors(self, net: Any) -> Tensors:
        return {name: value.detach().numpy().copy() for name, value in net.state_dict().items() if value.ndim}

    def to_evaluation(self, net: Any) -> None:
        net.eval()

    def trained(self, net: Any) -> int:
        return sum(parameter.requires_grad for parameter in net.parameters())

    def set_mode(self, net: Any, mode: str) -> None:
        net.train(mode == "training")

    def mode(self, net: Any) -> str:
        modes = {module.training for module in net.modules()}
        return {True: "training", False: "evaluation"}[modes.pop()] if len(modes) == 1 else "mixed"


class KerasWatcher(Watcher):
    """In TensorFlow."""

    framework = "tensorflow"

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Without graphs: to trace one for every small network takes longer than all the rest, and warns of it."""
        import tensorflow as tf

        before = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(before)

    def new_small(self) -> Any:
        import keras
        from keras import layers

        keras.config.set_floatx("float64")  # the guard puts it back
        net = keras.Sequential(
            [
                keras.Input((replay.SIDE, replay.SIDE, 1)),
                layers.Flatten(),
                layers.Dense(replay.HIDDEN, use_bias=False),
                layers.BatchNormalization(epsilon=replay.EPS, momentum=1 - replay.MOMENTUM),
                layers.ReLU(),
                layers.Dense(replay.CLASSES),
            ]
        )
        for variable, (name, value) in zip(self._in_order(net), replay.small().items(), strict=True):
            variable.assign(_transposed(name, value))
        return net

    def network_of_kinds(self) -> tuple[Any, list[Any]]:
        import keras
        from keras import layers

        net = keras.Sequential(
            [
                keras.Input((8, 8, 1)), layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU(),
                layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU(),
                layers.GlobalAveragePooling2D(), layers.Dense(3),
            ]
        )  # fmt: skip
        return net, list(net.trainable_variables)

    def optimizer(self, net: Any) -> Any:
        import keras

        return keras.optimizers.SGD(replay.RATE, momentum=replay.KEEP)

    def listen(self, net: Any, optimizer: Any, events: list[str]) -> None:
        # There is no call for the gradients that could be listened to; without any, the optimizer raises.
        inner = optimizer.apply

        def apply(*arguments: Any, **named: Any) -> Any:
            events.extend(("backward", "step"))
            return inner(*arguments, **named)

        optimizer.apply = apply

    def given(self, batch: Batch) -> tuple[Any, Any]:
        import tensorflow as tf

        return tf.constant(batch.images.transpose(0, 2, 3, 1)), tf.constant(batch.labels)

    def tensors(self, net: Any) -> Tensors:
        names = replay.small()
        return {
            name: _transposed(name, variable.numpy()) for name, variable in zip(names, self._in_order(net), strict=True)
        }

    def trained(self, net: Any) -> int:
        return len(net.trainable_variables)

    def _in_order(self, net: Any) -> Iterator[Any]:
        first, bn, last = (layer for layer in net.layers if layer.weights)
        yield from (first.kernel, bn.gamma, bn.beta, bn.moving_mean, bn.moving_variance, last.kernel, last.bias)


WATCHERS: dict[str, type[Watcher]] = {"": Watcher, "pytorch": TorchWatcher, "tensorflow": KerasWatcher}


def as_number(value: Any, asked: str) -> float:
    """Read one number from what a function returned.

    Raises
    ------
    WrongResultError
        If it is None.
    NotAskedError
        If it is anything else than a number.
    """
    if value is None:
        raise WrongResultError(None)
    shape = tuple(getattr(value, "shape", ()))
    if shape or isinstance(value, (str, bool)):
        given = f"a tensor of shape {shape}" if shape else _a(value)
        raise NotAskedError(f"Your function returned {given}; {asked} is one number.")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise NotAskedError(f"Your function returned {_a(value)}; {asked} is one number.") from None


def _transposed(name: str, value: np.ndarray) -> np.ndarray:
    return value.T if value.ndim == 2 else value


def _noting(method: Callable[..., Any], events: list[str], event: str) -> Callable[..., Any]:
    def noted(*arguments: Any, **named: Any) -> Any:
        events.append(event)
        return method(*arguments, **named)

    return noted


def _in_words(event: str) -> str:
    return {"empty step": "optimizer step (without gradients)", "step": "optimizer step"}.get(event, event)


def _a(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
