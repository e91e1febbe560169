"""Training in PyTorch: a loop to be read in one go."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from resnet_lessons.datasets import Dataset
from resnet_lessons.torch_threads import one_thread
from resnet_lessons.training.recipe import History, Recipe, batch_order, check_finite, end_epoch, learning_rate

import numpy as np
import torch
import torch.nn.functional as F
from tqdm.auto import tqdm

SMALL = 16  # height and width, in pixels, up to which one thread is as quick as several


def few_threads(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of (net, images or dataset, …) compute small images in one thread."""

    @functools.wraps(function)
    def wrapped(net: torch.nn.Module, given: Any, *arguments: Any, **options: Any) -> Any:
        height, width = given.image_shape[1:] if isinstance(given, Dataset) else given.shape[-2:]
        with one_thread(max(height, width) <= SMALL):
            return function(net, given, *arguments, **options)

    return wrapped


@few_threads
def fit(net: torch.nn.Module, dataset: Dataset, recipe: Recipe, *, progress: bool = True, label: str = "") -> History:
    """Train a network in place.

    Parameters
    ----------
    net
        Takes images (B, C, H, W), returns logits (B, classes).
    dataset, recipe
        What to train on, and how.
    progress
        Whether to show a progress bar, one tick an update.
    label
        What the bar is called.

    Returns
    -------
    dict of lists
        "epoch" (from 1), "train_loss" and "train_accuracy" (running means over the epoch, in training mode), "test_loss",
        "test_accuracy", "seconds" (since the start). Accuracies are shares of 1.

    Raises
    ------
    FloatingPointError
        If the loss is no longer a number; the message says what to try.
    """
    like = next(net.parameters())
    images = torch.as_tensor(dataset.normalized(dataset.train), dtype=like.dtype, device=like.device)
    labels = torch.as_tensor(dataset.train.labels, device=like.device)
    test_images = dataset.normalized(dataset.test)
    optimizer = torch.optim.SGD(net.parameters(), lr=recipe.peak_rate, momentum=recipe.momentum, nesterov=True)
    history: History = {}
    step, steps, start = 0, recipe.steps(len(labels)), time.perf_counter()
    with tqdm(total=steps, desc=label or "training", disable=not progress, unit="step") as bar:
        for epoch in range(recipe.epochs):
            net.train()
            total_loss, correct = 0.0, 0
            for indices in batch_order(len(labels), recipe, epoch):
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(recipe, step, steps)
                batch, wanted = images[indices], labels[indices]
                logits = net(batch)
                loss = F.cross_entropy(logits, wanted)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total_loss += loss.item() * len(indices)
                correct += int((logits.argmax(dim=1) == wanted).sum())
                step += 1
                bar.update()
            check_finite(total_loss, epoch)
            test_loss, test_accuracy = evaluate(net, test_images, dataset.test.labels)
            row = {
                "epoch": epoch + 1,
                "train_loss": total_loss / len(labels),
                "train_accuracy": correct / len(labels),
                "test_loss": test_loss,
                "test_accuracy": test_accuracy,
                "seconds": time.perf_counter() - start,
            }
            end_epoch(row, history, bar)
    return history


def evaluate(
    net: torch.nn.Module, images: np.ndarray, labels: np.ndarray, *, batch_size: int = 500
) -> tuple[float, float]:
    """Return the mean loss and the accuracy (0…1) in evaluation mode; images are (N, C, H, W)."""
    logits = torch.as_tensor(predict(net, images, batch_size=batch_size))
    wanted = torch.as_tensor(labels)
    return float(F.cross_entropy(logits, wanted)), int((logits.argmax(dim=1) == wanted).sum()) / len(labels)


@few_threads
def predict(net: torch.nn.Module, images: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
    """Return the logits (N, classes) of images (N, C, H, W) in evaluation mode."""
    like = next(net.parameters())
    was_training = net.training
    net.eval()
    with torch.inference_mode():
        parts = torch.as_tensor(images, dtype=like.dtype, device=like.device).split(batch_size)
        logits = torch.cat([net(part) for part in parts])
    net.train(was_training)
    return logits.cpu().numpy()


@few_threads
def gradient_norms(net: torch.nn.Module, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the gradient's norm for every parameter's layer, by the layer's name with `_` for `.`."""
    like = next(net.parameters())
    net.train()
    logits = net(torch.as_tensor(images, dtype=like.dtype, device=like.device))
    loss = F.cross_entropy(logits, torch.as_tensor(labels, device=like.device))
    names, weights = zip(*((name, p) for name, p in net.named_parameters() if p.ndim == 4), strict=True)
    gradients = torch.autograd.grad(loss, weights)
    layers = [name.removesuffix(".weight").replace(".", "_") for name in names]
    return {layer: float(gradient.norm()) for layer, gradient in zip(layers, gradients, strict=True)}
