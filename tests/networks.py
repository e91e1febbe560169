"""What several tests build: pairs of twins with random BN tensors and the same weights, and images."""

from resnet_lessons import parity, resnet_config, tf_resnet, torch_resnet

import numpy as np


def images(config, size, batch=3, seed=0):
    """A batch of unit-normal images, (B, C, H, W)."""
    return np.random.default_rng(seed).standard_normal((batch, config.in_channels, *size))


def twins(depth, version="v1", *, dtype="float64", **fields):
    """The same network in both frameworks, holding the same weights."""
    config = resnet_config(depth, version, **fields)
    net = torch_resnet.resnet(config=config, dtype=dtype)
    twin = tf_resnet.resnet(config=config, dtype=dtype)
    parity.randomize_batch_norm(net)
    parity.copy_weights(source=net, target=twin)
    return net, twin
