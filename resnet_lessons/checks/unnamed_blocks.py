"""Blocks without a name, to be probed: which version is each? In PyTorch and in TensorFlow, with the same weights.

Each is a function of a batch, on purpose: there is no layer to read, and where the versions allow it the tensors are the
same. What tells them is what they compute, and the gradient with respect to their input. A is v1.5, B is v1.5 with "same"
padding at its stride, C is v1, D is v2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from resnet_lessons.frameworks import check_framework

import numpy as np

from .align import random_values

IN_CHANNELS, WIDTH = 4, 8
VERSIONS = {"A": "v1.5", "B": "same padding", "C": "v1", "D": "v2"}
Function = Callable[[Any], Any]


def unnamed_blocks(framework: str) -> dict[str, Function]:
    """Return the blocks by letter: functions from a batch with 4 channels to one with 32, and half of height and width.

    In evaluation mode, in float32. PyTorch takes (B, 4, H, W), TensorFlow (B, H, W, 4). Gradients flow through them.

    Raises
    ------
    ValueError
        If there is no such framework here.
    """
    check_framework(framework)
    make = _torch_block if framework == "pytorch" else _keras_block
    return {letter: make(version) for letter, version in VERSIONS.items()}


def _values(version: str) -> dict[str, np.ndarray]:
    """The tensors by their PyTorch names; v2's BN layers stand in front of the convolutions, and have their widths."""
    out, before = 4 * WIDTH, IN_CHANNELS if version == "v2" else WIDTH
    norms = {"bn1": before, "bn2": WIDTH, "bn3": WIDTH if version == "v2" else out}
    kernels = {
        "conv1": (WIDTH, IN_CHANNELS, 1, 1),
        "conv2": (WIDTH, WIDTH, 3, 3),
        "conv3": (out, WIDTH, 1, 1),
        "downsample.0": (out, IN_CHANNELS, 1, 1),
    }
    norms |= {} if version == "v2" else {"downsample.1": out}
    found = {}
    for number, (name, shape) in enumerate(kernels.items()):
        found[f"{name}.weight"] = random_values("weight", "conv", shape, np.random.default_rng(number))
    for number, (name, channels) in enumerate(norms.items()):
        dice = np.random.default_rng(10 + number)
        for kind in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.{kind}"] = random_values(kind, "bn", (channels,), dice)
    return found


def _torch_block(version: str) -> Function:
    from resnet_lessons import parity, torch_resnet

    import torch
    from torch import nn

    block: Any
    if version == "v2":
        block = torch_resnet.PreActBottleneck(IN_CHANNELS, WIDTH, 2)
    else:
        block = torch_resnet.Bottleneck(IN_CHANNELS, WIDTH, 2, version="v1" if version == "v1" else "v1.5")
    parity.copy_weights(source=_values(version), target=block.float())
    if version == "same padding":
        conv = nn.Conv2d(WIDTH, WIDTH, 3, 2, bias=False, dtype=torch.float32)
        conv.weight = block.conv2.weight
        block.conv2 = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), conv)
    block.eval().requires_grad_(False)
    return lambda maps: block(maps.float())


def _keras_block(version: str) -> Function:
    from resnet_lessons import parity, tf_resnet
    from resnet_lessons.tf_layers import dtype_of_layers

    import keras
    import tensorflow as tf
    from keras import layers

    with dtype_of_layers("float32"):
        maps = keras.Input((None, None, IN_CHANNELS), dtype="float32")
        block: Any
        if version == "v2":
            block = tf_resnet.PreActBottleneck(IN_CHANNELS, WIDTH, 2)
        else:
            block = tf_resnet.Bottleneck(IN_CHANNELS, WIDTH, 2, version="v1" if version == "v1" else "v1.5")
        if version == "same padding":
            block.conv2 = layers.Conv2D(WIDTH, 3, 2, padding="same", use_bias=False, name="conv2")
        model = keras.Model(maps, block(maps))
    parity.copy_weights(source=_values(version), target=model)
    return lambda maps: model(tf.cast(maps, tf.float32), training=False)
