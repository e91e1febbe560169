"""Training: one recipe, and a loop in each framework that follows it.

    recipe.py       Recipe and the named recipes
    schedule.py     the learning rate at a step
    data.py         the batches of an epoch: a pure function of seed and epoch
    torch_loop.py   fit and evaluate in PyTorch      torch_state.py   what it holds
    tf_loop.py      fit and evaluate in Keras        tf_state.py      what it holds; tf_sgd.py its optimizer
    session.py      what surrounds both loops: progress, history, logs, stopping and resuming
    speed.py        which precision is quickest here
    checkpoints.py, run_folder.py, saved.py          what is on disk, written and read
    records.py      what experiments too long for a page have shown

`fit` and `evaluate` here choose the loop by the network they are given.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from resnet_lessons.architecture import ResNetConfig, trace_names
from resnet_lessons.frameworks import build, check_framework
from resnet_lessons.parity import restored
from resnet_lessons.parity_networks import wrap
from resnet_lessons.training.data import batch_order, part_to_test_on
from resnet_lessons.training.recipe import RECIPES, History, Recipe, differences
from resnet_lessons.training.records import recorded
from resnet_lessons.training.schedule import learning_rate
from resnet_lessons.training.session import Options, Session
from resnet_lessons.training.speed import settle

__all__ = [
    "RECIPES",
    "History",
    "Recipe",
    "Session",
    "batch_order",
    "check_batch_size",
    "differences",
    "evaluate",
    "fit",
    "framework_of",
    "gradient_norms",
    "learning_rate",
    "new_network",
    "part_to_test_on",
    "predict",
    "recorded",
]


def new_network(framework: str, config: ResNetConfig, seed: int = 0, dtype: str = "float32") -> Any:
    """Build a network in "pytorch" or "tensorflow"; the seed decides its initial weights."""
    check_framework(framework)
    if framework == "pytorch":
        import torch

        torch.manual_seed(seed)
    else:
        from resnet_lessons.training.tf_state import make_repeatable

        import keras

        make_repeatable()
        keras.utils.set_random_seed(seed)
    return build(framework, config, dtype=dtype)


def check_batch_size(recipe: Recipe, dataset: Any) -> None:
    """Refuse batches larger than the training part: an epoch would silently be one step of another size.

    Raises
    ------
    ValueError
        The message says what there is to choose from.
    """
    images = len(dataset.train)
    if recipe.batch_size > images:
        raise ValueError(
            f"batch_size is {recipe.batch_size}, and there are only {images:,} training images; choose at most that."
        )


def fit(
    net: Any,
    dataset: Any,
    recipe: Recipe,
    *,
    run: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
    label: str = "",
    on_step: Callable[[Session], object] | None = None,
    save_steps: int | None = None,
    save_minutes: float | None = 10.0,
) -> History:
    """Train a network of either framework in place.

    Parameters
    ----------
    net
        Takes images, (B, C, H, W) in PyTorch or (B, H, W, C) in Keras, and returns logits (B, classes).
    dataset, recipe
        What to train on, and how.
    run
        A folder such as "runs/first" for checkpoints, logs and weights; without one, nothing is written.
    resume
        Go on with the run in that folder, if there is one: the same training as if it had never stopped. The network's
        present weights do not matter then.
    progress, label
        Whether to show a progress bar, one tick an update, and what it is called.
    on_step
        Called after every update with the `Session`: its `step`, `loss`, `history`. May raise KeyboardInterrupt.
    save_steps, save_minutes
        A checkpoint is written at the end of every epoch, and within one after so many updates or minutes.

    Returns
    -------
    dict of lists
        "epoch" (from 1), "train_loss" and "train_accuracy" (running means over the epoch, in training mode), "test_loss",
        "test_accuracy", "seconds" (since the start). Accuracies are shares of 1.

    Raises
    ------
    FloatingPointError
        If the loss is no longer a number; the message says what to try.
    ValueError
        If a batch is to hold more images than there are, or the folder holds another training.
    KeyboardInterrupt
        After Ctrl-C or the notebook's stop button: when the present update is done and saved.
    """
    check_batch_size(recipe, dataset)
    if resume and run is None:
        raise ValueError("resume is True, but run is None: name the folder of the run to go on with.")
    chosen, measured = settle(net, dataset, recipe, run, resume)
    options = Options(run, resume, progress, label, on_step, save_steps, save_minutes, asked=recipe, measured=measured)
    return _loop(net).fit(net, dataset, chosen, options)


def predict(net: Any, images: Any, **options: Any) -> Any:
    """Return the logits (N, classes), a NumPy array, of images (N, C, H, W) in evaluation mode."""
    return _loop(net).predict(net, images, **options)


def evaluate(net: Any, images: Any, labels: Any, **options: Any) -> tuple[float, float]:
    """Return the mean loss and the accuracy (0…1) of a network of either framework on images (N, C, H, W)."""
    return _loop(net).evaluate(net, images, labels, **options)


def gradient_norms(net: Any, images: Any, labels: Any) -> dict[str, float]:
    """Return the norm of the loss's gradient with respect to each convolution's weights, from the input on.

    The loss is the mean cross-entropy of one batch (B, C, H, W) in training mode. The network is left as it was.
    """
    with restored(net):
        norms = _loop(net).gradient_norms(net, images, labels)
    names = [name for name, kind in trace_names(net.config) if kind == "conv"]
    return {name: norms[name.replace(".", "_")] for name in names}


def framework_of(net: Any) -> str:
    """Return "pytorch" or "tensorflow"."""
    return "pytorch" if wrap(net).framework == "PyTorch" else "tensorflow"


def _loop(net: Any) -> Any:
    if framework_of(net) == "pytorch":
        from resnet_lessons.training import torch_loop

        return torch_loop
    from resnet_lessons.training import tf_loop

    return tf_loop
