"""Pre-activation networks with one of the three slips that people make in them, and what each shows.

    SLIPS            the three, by key: what is done otherwise
    slipped          such a network, in PyTorch or TensorFlow
    slip_symptoms    what tells it from the correct one

Sources: He et al. 2016 (arXiv 1603.05027), section 4.1 and the appendix, for the first and the last activation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from resnet_lessons import parity, parity_networks
from resnet_lessons.architecture import Block, ResNetConfig, trace_names
from resnet_lessons.frameworks import build, framework_name

import numpy as np

from .placements import draw_weights


@dataclass(frozen=True)
class Slip:
    """One slip: a title, the blocks whose shortcut starts in the wrong place, and whether the network's end is bare."""

    key: str
    title: str
    raw: Callable[[Block], bool] = lambda block: False
    bare_end: bool = False


SLIPS: dict[str, Slip] = {
    slip.key: slip
    for slip in (
        Slip("correct", "No slip"),
        Slip("raw_first", "The first block's shortcut carries the raw input", lambda block: block.first),
        Slip("bare_end", "The final BN and ReLU are missing", bare_end=True),
        Slip(
            "raw_projection",
            "The projections are fed the raw input",
            lambda block: not block.first and block.shortcut_kind == "projection",
        ),
    )
}


@dataclass(frozen=True)
class SlipSymptoms:
    """What a network shows beside the correct one."""

    parameters: int
    refused: str  # why the correct network's weights do not fit; empty where they do
    first: str  # the first layer with weights that differs, in PyTorch's spelling; empty if none does
    smallest: float  # the smallest feature that the dense layer gets, on a batch of noise


def slipped(framework: str, key: str, config: ResNetConfig, *, dtype: str = "float64") -> Any:
    """Build a v2 network with a slip; only the framework asked for is imported.

    Raises
    ------
    ValueError
        If there is no such slip, or the network is not a CIFAR network of version v2.
    """
    if key not in SLIPS:
        raise ValueError(f"there is no slip {key!r}; choose one of {', '.join(SLIPS)}")
    if (config.version, config.family) != ("v2", "cifar"):
        raise ValueError(f"{config.name} is no CIFAR network of version v2, which these slips are about.")
    if framework_name(framework) == "pytorch":
        return _torch_network(SLIPS[key], config, dtype)
    return _keras_network(SLIPS[key], config, dtype)


def _torch_network(slip: Slip, config: ResNetConfig, dtype: str) -> Any:
    import torch

    net = build("pytorch", config, dtype=dtype)
    for block in filter(slip.raw, config.blocks):
        net.get_submodule(block.name).split_after_activation = False
    if slip.bare_end:
        net.bn, net.relu = torch.nn.Identity(), torch.nn.Identity()
    return net


def _keras_network(slip: Slip, config: ResNetConfig, dtype: str) -> Any:
    from resnet_lessons import tf_resnet
    from resnet_lessons.tf_layers import batch_norm, dense, dtype_of_layers

    import keras
    from keras import layers

    with dtype_of_layers(dtype):
        images = keras.Input((None, None, config.in_channels), dtype=dtype, name="images")
        x = tf_resnet.conv3x3(config.in_channels, config.width, name="conv1")(images)
        for block in config.blocks:
            made: Any = tf_resnet.BLOCKS[block.class_name](**block.arguments, prefix=block.name.replace(".", "_") + "_")
            if slip.raw(block):
                made.split_after_activation = False
            x = made(x)
        if not slip.bare_end:
            x = batch_norm(config.bn_eps, name="bn")(x)
            x = layers.ReLU(name="relu")(x)
        x = layers.GlobalAveragePooling2D(name="avgpool")(x)
        return keras.Model(images, dense(config.out_channels, config.num_classes, name="fc")(x), name="slipped")


@cache
def slip_symptoms(framework: str, key: str, config: ResNetConfig) -> SlipSymptoms:
    """Measure what a slip shows, in float64 and with weights from NumPy: the same in both frameworks to 1e-9."""
    right, net = (slipped(framework, name, config) for name in ("correct", key))
    for network in (right, net):
        parity.randomize_batch_norm(draw_weights(network))
    refused, first = "", ""
    try:
        parity.copy_weights(source=right, target=net)
    except ValueError as error:
        refused = str(error)
    else:
        first = _first(right, net, config)
    wrapped = parity_networks.wrap(net)
    sizes = {key: math.prod(tensor.shape) for key, tensor in wrapped.tensors().items()}
    count = sum(size for key, size in sizes.items() if not key.kind.startswith("running"))
    smallest = float(wrapped.layer_outputs(_images(config))["avgpool"].min())
    return SlipSymptoms(count, refused, first, smallest)


def _first(right: Any, net: Any, config: ResNetConfig) -> str:
    found = parity.first_divergence(right, net, _images(config))
    if found is None:
        return ""
    differences = {name.replace(".", "_"): value for name, value in found.layers}
    weighted = [name for name, kind in trace_names(config) if kind in ("conv", "bn", "dense")]
    return next((name for name in weighted if differences.get(name.replace(".", "_"), 0) > 1e-9), "")


def _images(config: ResNetConfig) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((4, config.in_channels, 8, 8))
