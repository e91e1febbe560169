"""Answers to chapter 06's exercises: wrong ones for each mistake in training, and right ones in other styles.

`torch_step` and `keras_step` make training steps, `torch_accuracy` and `keras_accuracy` evaluations, from what is done in them;
`split` chooses parameters in either framework. Schedules and verdicts are functions written out, with one thing wrong.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.checks.answers import Case

# Training steps --------------------------------------------------------------------------------------------------------


def torch_step(
    order: str = "zero backward step", *, training: bool | None = True, loss: str = "logits", reduction: str = "mean",
    passes: int = 1, returned: str = "loss", recorded: bool = True,
) -> Callable[..., Any]:  # fmt: skip
    """A step in PyTorch; `training=None` leaves the mode alone."""
    import torch
    import torch.nn.functional as F

    def step(net: Any, optimizer: Any, images: Any, labels: Any) -> Any:
        if training is not None:
            net.train(training)
        with torch.set_grad_enabled(recorded):
            for _ in range(passes):
                logits = net(images)
            given = {"softmax": logits.softmax(dim=1)}.get(loss, logits)
            value = (F.nll_loss if loss == "picked" else F.cross_entropy)(given, labels, reduction=reduction)
        does = {
            "zero": optimizer.zero_grad,
            "zeros": partial(optimizer.zero_grad, set_to_none=False),
            "net": net.zero_grad,
            "backward": value.backward,
            "step": optimizer.step,
        }
        for word in order.split():
            does[word]()
        if returned == "after":
            return F.cross_entropy(net(images), labels)
        return {"loss": value, "item": value.item(), "sum": value.item() * len(labels), "nothing": None}[returned]

    return step


def keras_step(
    *, training: bool | None = True, loss: str = "logits", reduction: str = "mean", passes: int = 1, returned: str = "loss",
    recorded: bool = True, applied: bool = True,
) -> Callable[..., Any]:  # fmt: skip
    """A step with a tape; `training=None` calls the model without saying which mode."""
    import keras
    import tensorflow as tf

    def forward(net: Any, images: Any) -> Any:
        return net(images) if training is None else net(images, training=training)

    def step(net: Any, optimizer: Any, images: Any, labels: Any) -> Any:
        before = forward(net, images) if not recorded else None
        with tf.GradientTape() as tape:
            logits = before
            for _ in range(passes if recorded else 0):
                logits = forward(net, images)
            given = tf.nn.softmax(logits) if loss == "softmax" else logits
            each = keras.losses.sparse_categorical_crossentropy(labels, given, from_logits=loss != "clipped")
            if loss == "picked":
                each = -tf.gather(logits, labels, axis=1, batch_dims=1)
            value = (tf.reduce_mean if reduction == "mean" else tf.reduce_sum)(each)
        variables = net.trainable_variables
        gradients = tape.gradient(value, [variable.value for variable in variables])
        if applied:
            optimizer.apply(gradients, variables)
        if returned == "after":
            after = keras.losses.sparse_categorical_crossentropy(labels, forward(net, images), from_logits=True)
            return tf.reduce_mean(after)
        return {"loss": value, "sum": value * len(labels), "nothing": None}[returned]

    return step


def torch_own_optimizer() -> Callable[..., Any]:
    import torch
    import torch.nn.functional as F

    def step(net: Any, optimizer: Any, images: Any, labels: Any) -> Any:
        net.train()
        mine = torch.optim.SGD(net.parameters(), lr=0.25, momentum=0.5)
        loss = F.cross_entropy(net(images), labels)
        mine.zero_grad()
        loss.backward()
        mine.step()
        return loss

    return step


def keras_by_hand() -> Callable[..., Any]:
    import keras
    import tensorflow as tf

    def step(net: Any, optimizer: Any, images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = net(images, training=True)
            each = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
            loss = tf.reduce_mean(each)
        for variable, gradient in zip(
            net.trainable_variables, tape.gradient(loss, net.trainable_variables), strict=True
        ):
            variable.assign_sub(0.25 * gradient)
        return loss

    return step


def kept_optimizer(make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """A step that goes on with the first optimizer that it was ever given."""
    step, kept = make(), []

    def with_kept(net: Any, optimizer: Any, images: Any, labels: Any) -> Any:
        kept.append(optimizer)
        return step(net, kept[0], images, labels)

    return with_kept


# Mistake → the arguments of `torch_step` and of `keras_step` that make it; None where it cannot be made.
STEPS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "gradients_add_up": ([{"order": "backward step"}], []),
    "zeroed_too_late": ([{"order": "backward zero step"}, {"order": "backward zeros step"}], []),
    "step_before_backward": ([{"order": "zero step backward"}, {"order": "step zero backward"}], []),
    "never_stepped": ([{"order": "zero backward"}], [{"applied": False}]),
    "no_backward": ([{"order": "zero step"}], []),
    "forward_not_recorded": ([{"recorded": False}], [{"recorded": False}]),
    "trains_in_evaluation_mode": ([{"training": None}, {"training": False}], [{"training": None}, {"training": False}]),
    "two_passes": ([{"passes": 2}], [{"passes": 2}]),
    "softmax_before_loss": ([{"loss": "softmax"}], [{"loss": "softmax"}]),
    "logits_taken_for_probabilities": ([], [{"loss": "clipped"}]),
    "logit_for_log_probability": ([{"loss": "picked"}], [{"loss": "picked"}]),
    "loss_summed": ([{"reduction": "sum"}], [{"reduction": "sum"}]),
    "sum_returned": ([{"returned": "sum"}], [{"returned": "sum"}]),
    "loss_after_update": ([{"returned": "after"}], [{"returned": "after"}]),
    "no_return": ([{"returned": "nothing"}], [{"returned": "nothing"}]),
}
TORCH_ONLY = (
    "remembers_calls",  # Keras's optimizer raises if it is given another network
    "gradients_add_up",
    "zeroed_too_late",
    "step_before_backward",
    "no_backward",
)
KERAS_ONLY = ("logits_taken_for_probabilities",)
TORCH_TWO: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("gradients_add_up", "trains_in_evaluation_mode"), {"order": "backward step", "training": None}),
    (("gradients_add_up", "softmax_before_loss"), {"order": "backward step", "loss": "softmax"}),
    (("zeroed_too_late", "loss_summed"), {"order": "backward zero step", "reduction": "sum"}),
    (("loss_summed", "softmax_before_loss"), {"reduction": "sum", "loss": "softmax"}),
    (("trains_in_evaluation_mode", "sum_returned"), {"training": None, "returned": "sum"}),
    (("trains_in_evaluation_mode", "step_before_backward"), {"training": None, "order": "zero step backward"}),
    (("never_stepped", "softmax_before_loss"), {"order": "zero backward", "loss": "softmax"}),
    (("gradients_add_up", "logit_for_log_probability", "trains_in_evaluation_mode"),
     {"order": "backward step", "loss": "picked", "training": None}),
]  # fmt: skip
KERAS_TWO: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("trains_in_evaluation_mode", "logits_taken_for_probabilities"), {"training": None, "loss": "clipped"}),
    (("logits_taken_for_probabilities", "loss_summed"), {"loss": "clipped", "reduction": "sum"}),
    (("never_stepped", "trains_in_evaluation_mode"), {"applied": False, "training": None}),
]


def torch_steps() -> dict[str, Callable[..., Any]]:
    """Right training steps in other styles."""
    import torch
    from torch import nn

    class Step:
        criterion = nn.CrossEntropyLoss()

        def __call__(self, net: Any, optimizer: Any, images: Any, labels: Any) -> Any:
            net.train()
            optimizer.zero_grad(set_to_none=False)
            loss = self.criterion(net(images), labels)
            loss.backward()
            optimizer.step()
            return loss.detach().numpy()

    def by_hand(net: Any, optimizer: Any, images: Any, labels: Any) -> float:
        net.train()
        logits = net(images)
        chosen = torch.log_softmax(logits, 1)[torch.arange(len(labels)), labels]
        loss = -chosen.sum() / len(labels)
        for parameter, gradient in zip(net.parameters(), torch.autograd.grad(loss, [*net.parameters()]), strict=True):
            parameter.grad = gradient
        optimizer.step()
        return float(loss)

    def with_closure(net: Any, optimizer: Any, images: Any, labels: Any) -> Any:
        net.train()

        def closure() -> Any:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(images), labels)
            loss.backward()
            return loss

        return optimizer.step(closure)

    return {
        "as in the chapter": torch_step(),
        "with a closure": with_closure,
        "zeroed at the end": torch_step("backward step zero"),
        "zeroed by the network": torch_step("net backward step", returned="item"),
        "a callable object": Step(),
        "gradients by hand": by_hand,
    }


def keras_steps() -> dict[str, Callable[..., Any]]:
    """Right training steps in other styles."""
    import keras
    import tensorflow as tf

    def compiled(net: Any, optimizer: Any, images: Any, labels: Any) -> Any:
        net.compile(optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return net.train_on_batch(images, labels)

    def fitted(net: Any, optimizer: Any, images: Any, labels: Any) -> Any:
        net.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        history = net.fit(images, labels, batch_size=len(labels), verbose=0)
        return history.history["loss"][0]

    single = keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # computes in float32

    @tf.function
    def traced(net: Any, optimizer: Any, images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = single(labels, net(images, training=True))
        gradients = tape.gradient(loss, net.trainable_weights)
        optimizer.apply_gradients(zip(gradients, net.trainable_weights, strict=True))
        return loss

    return {"as in the chapter": keras_step(), "train_on_batch": compiled, "fit": fitted, "tf.function": traced}


# Evaluations -----------------------------------------------------------------------------------------------------------


def torch_accuracy(
    mode: str = "restored", *, recorded: bool = False, average: str = "images", axis: int | None = 1, last: str = "kept",
    unit: float = 1, returned: bool = True, frozen: bool = False, counted: str = "right",
) -> Callable[..., Any]:  # fmt: skip
    """An evaluation in PyTorch."""
    import torch

    def accuracy(net: Any, images: Any, labels: Any, batch_size: int) -> Any:
        before = net.training
        net.requires_grad_(not frozen)
        if mode != "as it is":
            net.train(mode == "training")
        hits = []
        with torch.set_grad_enabled(recorded):
            for part, answers in zip(images.split(batch_size), labels.split(batch_size), strict=True):
                if last == "kept" or len(part) == batch_size:
                    logits = net(part)
                    same = (logits.amax(dim=axis) if counted == "logits" else logits.argmax(dim=axis)) == answers
                    hits.append((~same if counted == "wrong" else same).double())
        if mode in ("restored", "training"):
            net.train(before)
        if mode == "switched on":
            net.train()
        return _share(hits, average, len(labels), batch_size) * unit if returned else None

    return accuracy


def keras_accuracy(
    training: bool | None = None, *, average: str = "images", axis: int = 1, last: str = "kept", unit: float = 1,
    returned: bool = True, frozen: bool = False, counted: str = "right",
) -> Callable[..., Any]:  # fmt: skip
    """An evaluation in Keras."""
    from keras import ops

    def accuracy(net: Any, images: Any, labels: Any, batch_size: int) -> Any:
        hits = []
        net.trainable = not frozen
        for start in range(0, len(labels), batch_size):
            part, answers = images[start : start + batch_size], labels[start : start + batch_size]
            if last == "kept" or len(part) == batch_size:
                logits = net(part, training=training)
                guesses = ops.max(logits, axis) if counted == "logits" else ops.argmax(logits, axis)
                same = ops.convert_to_numpy(ops.cast(guesses, "float64") == ops.cast(answers, "float64"))
                hits.append(~same if counted == "wrong" else same)
        return _share(hits, average, len(labels), batch_size) * unit if returned else None

    return accuracy


def _share(hits: list[Any], average: str, images: int, batch_size: int) -> float:
    if average == "batches":
        return float(statistics.fmean(float(part.mean()) for part in hits))
    number = float(sum(part.sum() for part in hits))
    return number / {"images": images, "full": len(hits) * batch_size, "none": 1}[average]


EVALUATIONS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "tested_in_training_mode": ([{"mode": "as it is"}, {"mode": "training"}], [{"training": True}]),
    "evaluation_never_undone": ([{"mode": "left"}], []),
    "always_put_into_training": ([{"mode": "switched on"}], []),
    "left_frozen": ([{"frozen": True}], [{"frozen": True}]),
    "error_for_accuracy": ([{"counted": "wrong"}], [{"counted": "wrong"}]),
    "no_answer_counts": ([{"counted": "logits"}], [{"counted": "logits"}]),
    "gradients_recorded": ([{"recorded": True}], []),
    "mean_of_batch_means": ([{"average": "batches"}], [{"average": "batches"}]),
    "small_batch_counted_as_full": ([{"average": "full"}], [{"average": "full"}]),
    "last_batch_dropped": ([{"last": "dropped"}, {"last": "dropped", "average": "full"}], [{"last": "dropped"}]),
    "argmax_over_the_batch": ([{"axis": 0}, {"axis": None}], [{"axis": 0}]),
    "number_for_share": ([{"average": "none"}], [{"average": "none"}]),
    "percent_returned": ([{"unit": 100}], [{"unit": 100}]),
    "no_return": ([{"returned": False}], [{"returned": False}]),
}
TORCH_EVALUATIONS_TWO: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("evaluation_never_undone", "mean_of_batch_means"), {"mode": "left", "average": "batches"}),
    (("gradients_recorded", "evaluation_never_undone"), {"mode": "left", "recorded": True}),
    (("percent_returned", "last_batch_dropped"), {"unit": 100, "last": "dropped"}),
    (("always_put_into_training", "small_batch_counted_as_full"), {"mode": "switched on", "average": "full"}),
]
KERAS_EVALUATIONS_TWO: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("tested_in_training_mode", "mean_of_batch_means"), {"training": True, "average": "batches"}),
]


def torch_accuracies() -> dict[str, Callable[..., Any]]:
    """Right evaluations in other styles."""
    import torch

    @torch.inference_mode()
    def at_once(net: Any, images: Any, labels: Any, batch_size: int) -> Any:
        was = net.training
        try:
            return (net.eval()(images).argmax(-1) == labels).double().mean()
        finally:
            net.train(was)

    return {"as in the chapter": torch_accuracy(), "all at once": at_once}


def keras_accuracies() -> dict[str, Callable[..., Any]]:
    """Right evaluations in other styles; the second names no framework."""
    import numpy as np

    def predicted(net: Any, images: Any, labels: Any, batch_size: int) -> Any:
        return np.mean(net.predict(images, batch_size=batch_size, verbose=0).argmax(axis=1) == labels)

    return {"as in the chapter": keras_accuracy(), "predict": predicted}


# Parameters that decay ------------------------------------------------------------------------------------------------

PLACES: dict[str, Callable[[dict[str, list[Any]]], tuple[Any, Any]]] = {
    "everything_decays": lambda p: (p["kernel"] + p["dense"] + p["gamma"] + p["beta"] + p["bias"], []),
    "bn_decays": lambda p: (p["kernel"] + p["dense"] + p["gamma"] + p["beta"], p["bias"]),
    "gamma_decays": lambda p: (p["kernel"] + p["dense"] + p["gamma"], p["beta"] + p["bias"]),
    "bias_decays": lambda p: (p["kernel"] + p["dense"] + p["bias"], p["gamma"] + p["beta"]),
    "dense_kernel_spared": lambda p: (p["kernel"], p["dense"] + p["gamma"] + p["beta"] + p["bias"]),
    "nothing_decays": lambda p: ([], p["kernel"] + p["dense"] + p["gamma"] + p["beta"] + p["bias"]),
    "lists_swapped": lambda p: (p["gamma"] + p["beta"] + p["bias"], p["kernel"] + p["dense"]),
    "parameter_left_out": lambda p: (p["kernel"] + p["dense"], p["gamma"] + p["beta"]),
    "parameter_twice": lambda p: (p["kernel"] + p["dense"], p["gamma"] + p["beta"] + p["bias"] + p["dense"]),
    "lists_hold_other_things": lambda p: (p["kernel"] + p["dense"], p["gamma"] + p["beta"] + p["bias"] + p["running"]),
    "no_return": lambda p: None,  # type: ignore[return-value,dict-item]
}
PLACES_TWO: list[tuple[tuple[str, ...], Callable[[dict[str, list[Any]]], tuple[Any, Any]]]] = [
    (("gamma_decays", "bias_decays"), lambda p: (p["kernel"] + p["dense"] + p["gamma"] + p["bias"], p["beta"])),
    (("bn_decays", "dense_kernel_spared"), lambda p: (p["kernel"] + p["gamma"] + p["beta"], p["dense"] + p["bias"])),
    (("parameter_left_out", "bn_decays"), lambda p: (p["kernel"] + p["gamma"] + p["beta"], p["bias"])),
]


def split(framework: str, place: Callable[[dict[str, list[Any]]], tuple[Any, Any]]) -> Callable[[Any], Any]:
    """A function that places the parameters of a network by their kind."""
    return _torch_split(place) if framework == "pytorch" else _keras_split(place)


def _torch_split(place: Any) -> Callable[[Any], Any]:
    from torch import nn

    def choose(net: nn.Module) -> Any:
        kinds: dict[str, list[Any]] = {kind: [] for kind in ("kernel", "dense", "gamma", "beta", "bias", "running")}
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                kinds["kernel"].append(module.weight)
            elif isinstance(module, nn.Linear):
                kinds["dense"].append(module.weight)
                kinds["bias"].append(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                kinds["gamma"].append(module.weight)
                kinds["beta"].append(module.bias)
                kinds["running"] += [module.running_mean, module.running_var]
        return place(kinds)

    return choose


def _keras_split(place: Any) -> Callable[[Any], Any]:
    from keras import layers

    def choose(net: Any) -> Any:
        kinds: dict[str, list[Any]] = {kind: [] for kind in ("kernel", "dense", "gamma", "beta", "bias", "running")}
        for layer in net.layers:
            if isinstance(layer, layers.Conv2D):
                kinds["kernel"].append(layer.kernel)
            elif isinstance(layer, layers.Dense):
                kinds["dense"].append(layer.kernel)
                kinds["bias"].append(layer.bias)
            elif isinstance(layer, layers.BatchNormalization):
                kinds["gamma"].append(layer.gamma)
                kinds["beta"].append(layer.beta)
                kinds["running"] += [layer.moving_mean, layer.moving_variance]
        return place(kinds)

    return choose


def splits(framework: str) -> dict[str, Callable[[Any], Any]]:
    """Right choices in other styles; most name no framework."""

    def right(p: dict[str, list[Any]]) -> tuple[Any, Any]:
        return p["kernel"] + p["dense"], p["gamma"] + p["beta"] + p["bias"]

    if framework == "pytorch":

        def by_axes(net: Any) -> Any:
            return [p for p in net.parameters() if p.ndim > 1], [p for p in net.parameters() if p.ndim == 1]

        def lazily(net: Any) -> Any:
            return [(p for p in net.parameters() if p.ndim >= 2), filter(lambda p: p.ndim < 2, net.parameters())]
    else:

        def by_axes(net: Any) -> Any:
            variables = net.trainable_variables
            return [v for v in variables if len(v.shape) > 1], [v for v in variables if len(v.shape) == 1]

        def lazily(net: Any) -> Any:
            kernels = [v for v in net.trainable_weights if v.path.endswith("kernel")]
            return kernels, tuple(v for v in net.trainable_weights if not v.path.endswith("kernel"))

    return {"by layers": split(framework, right), "by axes": by_axes, "in another way": lazily}


# Schedules -------------------------------------------------------------------------------------------------------------


def _schedule(
    *, plus: int = 1, plus_in_fall: int = 1, turn: float = math.pi, half: float = 2, least: float = 1, warm: str = "epochs",
    clock: str = "step", begin: str = "behind", stretch: int = 0, line: bool = False, bare: bool = False,
) -> Callable[..., float]:  # fmt: skip
    """A schedule as a learner might write it."""

    def rate(step: int, steps_per_epoch: int, epochs: int, warm_up: int, peak: float) -> float:
        if clock == "epoch":
            step = (step // steps_per_epoch) * steps_per_epoch
        if clock == "end of epoch":
            step = (step // steps_per_epoch + 1) * steps_per_epoch - 1
        if clock == "mixed":
            steps_per_epoch = 1
        total = epochs * steps_per_epoch
        rising = {"epochs": warm_up * steps_per_epoch, "steps": warm_up, "none": 0}[warm]
        if step < rising:
            return peak * (step + plus) / rising
        start = rising if begin == "behind" else 0
        fallen = (step + plus_in_fall - start) / (total - start - stretch)
        if line:
            return peak - peak * fallen
        return peak * math.cos(turn * fallen) if bare else peak * (least + math.cos(turn * fallen)) / half

    return rate


SCHEDULES: dict[str, dict[str, Any]] = {
    "rate_by_epoch": {"clock": "epoch"},
    "step_taken_for_epoch": {"clock": "mixed"},
    "no_warm_up": {"warm": "none"},
    "peak_never_reached": {"plus": 0},
    "warm_up_in_steps": {"warm": "steps"},
    "fall_counted_from_start": {"begin": "start"},
    "ends_above_zero": {"plus_in_fall": 0},
    "peak_twice": {"plus_in_fall": 0, "stretch": 1},
    "whole_cosine": {"turn": 2 * math.pi},
    "quarter_cosine": {"turn": math.pi / 2, "bare": True},
    "degrees": {"turn": 180},
    "without_pi": {"turn": 1},
    "twice_the_peak": {"half": 1},
    "negative_rates": {"bare": True},
    "straight_line": {"line": True},
}
SCHEDULES_TWO: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("peak_never_reached", "ends_above_zero"), {"plus": 0, "plus_in_fall": 0}),
    (("rate_by_epoch", "straight_line"), {"clock": "epoch", "line": True}),
    (("no_warm_up", "ends_above_zero"), {"warm": "none", "plus_in_fall": 0}),
    (("warm_up_in_steps", "degrees"), {"warm": "steps", "turn": 180}),
]


def schedules() -> dict[str, Callable[..., Any]]:
    """Right schedules in other styles: the second is the package's own, the third in NumPy."""
    from resnet_lessons import training

    import numpy as np

    def package(step: int, steps_per_epoch: int, epochs: int, warm_up: int, peak: float) -> float:
        recipe = training.Recipe(
            epochs=epochs, peak_rate=peak, schedule="cosine", warm_up=warm_up / epochs, warm_up_from=0.0
        )
        return training.learning_rate(recipe, step, epochs * steps_per_epoch)

    def curve(step: int, steps_per_epoch: int, epochs: int, warm_up: int, peak: float) -> Any:
        rising, total = warm_up * steps_per_epoch, epochs * steps_per_epoch
        up = np.linspace(0, peak, rising + 1)[1:]
        down = peak * np.cos(np.linspace(0, np.pi / 2, total - rising + 1)[1:]) ** 2
        return np.concatenate([up, down])[step]

    return {"in plain Python": _schedule(), "the package's": package, "in NumPy": curve}


# Verdicts --------------------------------------------------------------------------------------------------------------


def _verdict(
    *, middle: Any = statistics.fmean, spread: Any = statistics.stdev, rule: str = "runs", enough: int = 3,
    below: str = "contradicted", few: Callable[[int, int], float] = min,
) -> Callable[..., Any]:  # fmt: skip
    """A verdict as a learner might write it."""

    def compare(better: list[float], other: list[float]) -> dict[str, Any]:
        difference = middle(better) - middle(other)
        deviations = [spread(better), spread(other)]
        above, under = {
            "runs": (min(better) > max(other), max(better) < min(other)),
            "means": (statistics.fmean(better) > statistics.fmean(other), statistics.fmean(better) < statistics.fmean(other)),
            "best": (max(better) > max(other), max(better) < max(other)),
            "pairs": (all(b > o for b, o in zip(better, other)), all(b < o for b, o in zip(better, other))),  # noqa: B905
            "ties": (min(better) >= max(other), max(better) <= min(other)),
            "deviation": (difference > max(deviations), -difference > max(deviations)),
        }[rule]  # fmt: skip
        verdict = "reproduced" if above else below if under else "cannot tell"
        if few(len(better), len(other)) < enough:
            verdict = "cannot tell"
        return {"difference": difference, "deviations": deviations, "verdict": verdict}

    return compare


VERDICTS: dict[str, dict[str, Any]] = {
    "best_run_reported": {"middle": max},
    "one_run_reported": {"middle": lambda runs: runs[0]},
    "median_for_mean": {"middle": statistics.median},
    "population_deviation": {"spread": statistics.pstdev},
    "variance_for_deviation": {"spread": statistics.variance},
    "spread_of_the_mean": {"spread": lambda runs: statistics.stdev(runs) / math.sqrt(len(runs))},
    "range_for_deviation": {"spread": lambda runs: max(runs) - min(runs)},
    "any_difference_counts": {"rule": "means"},
    "best_runs_decide": {"rule": "best"},
    "deviation_decides": {"rule": "deviation"},
    "runs_compared_in_pairs": {"rule": "pairs"},
    "equal_counts_as_better": {"rule": "ties"},
    "few_runs_as_proof": {"enough": 1},
    "never_contradicted": {"below": "cannot tell"},
}
VERDICTS_TWO: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("best_run_reported", "best_runs_decide"), {"middle": max, "rule": "best"}),
    (("population_deviation", "few_runs_as_proof"), {"spread": statistics.pstdev, "enough": 2}),
    (("spread_of_the_mean", "any_difference_counts"), {**VERDICTS["spread_of_the_mean"], "rule": "means"}),
    (("one_run_reported", "never_contradicted"), {**VERDICTS["one_run_reported"], "below": "cannot tell"}),
]


def verdicts() -> dict[str, Callable[..., Any]]:
    """Right verdicts in other styles."""
    import numpy as np

    def in_numpy(better: Any, other: Any) -> dict[str, Any]:
        better, other = np.array(better), np.array(other)
        enough = min(better.size, other.size) > 2
        verdict = (
            "reproduced" if enough and (better[:, None] > other).all()
            else "contradicted" if enough and (better[:, None] < other).all()
            else "cannot tell"
        )  # fmt: skip
        deviations = np.array([better.std(ddof=1), other.std(ddof=1)])
        return {"difference": better.mean() - other.mean(), "deviations": deviations, "verdict": verdict}

    return {"in plain Python": _verdict(), "in NumPy": in_numpy}


# Values ----------------------------------------------------------------------------------------------------------------

CHOICES = {
    "mirror, CIFAR-10": "training",
    "mirror, digits": "none",
    "mirror, house numbers": "none",
    "mirror, Fashion-MNIST": "training",
    "pad and crop at random, CIFAR-10": "training",
    "subtract the training images' mean": "all",
    "subtract the test images' mean": "none",
}
WRONG_CHOICES: dict[str, dict[str, str]] = {
    "flips_digits": {"mirror, digits": "training", "mirror, house numbers": "training"},
    "flip_refused": {"mirror, Fashion-MNIST": "none"},
    "test_images_augmented": {"mirror, CIFAR-10": "all", "pad and crop at random, CIFAR-10": "all"},
    "test_images_not_normalised": {"subtract the training images' mean": "training"},
    "normalised_by_test_statistics": {"subtract the test images' mean": "all"},
}
LOSSES = {"guessing": "2.30", "guessing, sum": "147.37", "sure and right": "0", "sure and right, softmax twice": "1.46"}
WRONG_LOSSES: dict[str, dict[str, str]] = {
    "guessing_costs_nothing": {"guessing": "0"},
    "accuracy_for_loss": {"guessing": "0.10"},
    "sum_for_mean": {"guessing": "147.37"},
    "mean_for_sum": {"guessing, sum": "2.30"},
    "softmax_twice_reaches_zero": {"sure and right, softmax twice": "0"},
    "softmax_twice_learns_nothing": {"sure and right, softmax twice": "2.30"},
    "floor_without_cause": {"sure and right": "1.46"},
}


# All cases -------------------------------------------------------------------------------------------------------------


def cases() -> list[Case]:
    """Every wrong answer with the one mistake that is to be named."""
    of_two = {
        "train_step": (STEPS, torch_step, keras_step),
        "evaluation": (EVALUATIONS, torch_accuracy, keras_accuracy),
    }
    found: list[Case] = [
        (task, mistake, framework, partial(make, **given))
        for task, (wrong, in_torch, in_keras) in of_two.items()
        for mistake, (torch_given, keras_given) in wrong.items()
        for framework, make, some in (("pytorch", in_torch, torch_given), ("tensorflow", in_keras, keras_given))
        for given in some
    ]
    found += [
        ("train_step", "optimizer_ignored", "pytorch", torch_own_optimizer),
        ("train_step", "optimizer_ignored", "tensorflow", keras_by_hand),
        ("train_step", "remembers_calls", "pytorch", partial(kept_optimizer, torch_step)),
    ]
    found += [
        ("decay", mistake, framework, partial(split, framework, place))
        for mistake, place in PLACES.items()
        for framework in ("pytorch", "tensorflow")
    ]
    found += [("schedule", mistake, "", partial(_schedule, **given)) for mistake, given in SCHEDULES.items()]
    found += [("row", mistake, "", partial(_verdict, **given)) for mistake, given in VERDICTS.items()]
    found += [("images", mistake, "", lambda w=wrong: {**CHOICES, **w}) for mistake, wrong in WRONG_CHOICES.items()]  # type: ignore[misc]
    found += [("predict", mistake, "", lambda w=wrong: {**LOSSES, **w}) for mistake, wrong in WRONG_LOSSES.items()]  # type: ignore[misc]
    for task, right in (("schedule", schedules()["in plain Python"]), ("row", verdicts()["in plain Python"])):
        for mistake, spoil in OF_FUNCTIONS.items():
            found.append((task, mistake, "", partial(spoil, right)))
    return found


def _returns_nothing(right: Callable[..., Any]) -> Callable[..., Any]:
    def function(*given: Any) -> None:
        right(*given)

    return function


OF_FUNCTIONS = {"no_return": _returns_nothing}
