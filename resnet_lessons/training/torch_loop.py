"""Training in PyTorch: a loop to be read in one go.

What surrounds the loop (progress, history, checkpoints) is in session.py, and what it holds in torch_state.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from resnet_lessons.torch_resnet import ResNet
from resnet_lessons.torch_threads import one_thread
from resnet_lessons.training.data import TEST_BATCH
from resnet_lessons.training.recipe import History, Recipe
from resnet_lessons.training.session import Options, Session
from resnet_lessons.training.torch_state import TorchState, evaluating
from resnet_lessons.training.weights import score, total

import numpy as np
import torch
import torch.nn.functional as F

SMALL = 16  # height and width, in pixels, up to which one thread is as quick as several


def few_threads(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of (net, images or dataset, …) compute small images in one thread."""

    @functools.wraps(function)
    def wrapped(net: torch.nn.Module, given: Any, *arguments: Any, **options: Any) -> Any:
        height, width = given.image_shape[1:] if hasattr(given, "image_shape") else given.shape[-2:]
        with one_thread(max(height, width) <= SMALL):
            return function(net, given, *arguments, **options)

    return wrapped


@few_threads
def fit(net: torch.nn.Module, dataset: Any, recipe: Recipe, options: Options) -> History:
    """Train a network in place; see `training.fit`."""
    held = TorchState(net, recipe)
    with Session(held, dataset, recipe, options) as session:
        for _ in session.epochs():
            net.train()
            for images, labels in session.batches():
                images, labels = held.to_device(images, labels)
                held.set_rate(session.rate, session.rate_change)
                with held.autocast():
                    logits = held.model(images)  # (B, classes)
                    loss = F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
                held.optimizer.zero_grad()
                held.accelerator.backward(loss)
                held.clip()
                held.optimizer.step()
                if held.average is not None:
                    held.average.update_parameters(net)
                correct = int((logits.argmax(dim=1) == labels).sum())
                session.end_step(*held.over_processes(loss.item(), correct, len(labels), session.stopping.asked))
                if not session.batches_left():
                    break
            held.agree()
            session.end_epoch(*measure(held, session.test_batches()))
        held.finish()
    return session.history


def measure(held: TorchState, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Return the mean loss and the accuracy (0…1) of the test images, shared among the processes."""
    with evaluating(held.tested):
        parts = ((held.tested(held.to_device(images, labels)[0]), labels) for images, labels in batches)
        sums = total((*score(logits.cpu().numpy(), labels), len(labels)) for logits, labels in parts)
    loss, hits, images = held.over_processes(sums[0] / max(1, sums[2]), sums[1], sums[2], False)[:3]
    return loss, hits / images


def evaluate(
    net: torch.nn.Module, images: np.ndarray, labels: np.ndarray, *, batch_size: int = TEST_BATCH["NCHW"]
) -> tuple[float, float]:
    """Return the mean loss and the accuracy (0…1) in evaluation mode; images are (N, C, H, W)."""
    loss, hits = score(predict(net, images, batch_size=batch_size), labels)
    return loss / len(labels), hits / len(labels)


@few_threads
def predict(net: torch.nn.Module, images: np.ndarray, *, batch_size: int = TEST_BATCH["NCHW"]) -> np.ndarray:
    """Return the logits (N, classes) of images (N, C, H, W) in evaluation mode."""
    like = next(net.parameters())
    # A CPU computes the same in two thirds of the time when a pixel's channels lie side by side. Networks that are not ours may
    # ask for the usual order: `view` does.
    layout = torch.channels_last if isinstance(net, ResNet) else torch.contiguous_format
    with evaluating(net):
        parts = torch.as_tensor(images, dtype=like.dtype, device=like.device).split(batch_size)
        logits = torch.cat([net(part.contiguous(memory_format=layout)) for part in parts])
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
