"""The networks of `placements.py` in TensorFlow (Keras 3); read it beside `placements_torch.py`."""

from __future__ import annotations

from typing import Any

from resnet_lessons.architecture import Block, ResNetConfig
from resnet_lessons.tf_layers import batch_norm, dense, dtype_of_layers
from resnet_lessons.tf_resnet import conv3x3, shortcut_path

import keras
from keras import layers, ops

from .placements import Order, layer_names, splits_late, stem_words


class OrderedBlock:
    """A residual block that follows an order of operations."""

    def __init__(self, order: Order, block: Block):
        prefix = block.name.replace(".", "_") + "_"
        names = layer_names(order.branch + order.after)
        self.split = len(order.leading) if splits_late(order, block) else 0
        channels, stride, made = block.in_channels, block.stride, []
        for name in names:
            if name.startswith("conv"):
                made.append(conv3x3(channels, block.width, stride, name=prefix + name))
                channels, stride = block.width, 1
            else:
                is_bn = name.startswith("bn")
                made.append(batch_norm(block.bn_eps, name=prefix + name) if is_bn else layers.ReLU(name=prefix + name))
        self.branch, self.after = made[: len(order.branch)], made[len(order.branch) :]
        self.add = layers.Add(name=f"{prefix}add")
        # A projection has BN where the block ends in it; a pre-activation block's has none.
        bn_eps = None if order.leading else block.bn_eps
        self.downsample = shortcut_path(
            block.shortcut, block.in_channels, block.width, block.stride, bn_eps, prefix=prefix
        )

    def __call__(self, x: Any) -> Any:  # (B, H, W, C_in) -> (B, H/stride, W/stride, width)
        carried = x
        for number, layer in enumerate(self.branch, start=1):
            x = layer(x)
            if number == self.split:
                carried = x
        if self.downsample is not None:
            x = self.add([x, self.downsample(carried)])
        for layer in self.after:
            x = layer(x)
        return x


def network(order: Order, config: ResNetConfig, seed: int, dtype: str) -> Any:
    """Build the network; see `placements.network`."""
    keras.utils.set_random_seed(seed)
    with dtype_of_layers(dtype):
        images = keras.Input((None, None, config.in_channels), dtype=dtype, name="images")
        x = conv3x3(config.in_channels, config.width, name="conv1")(images)
        if "BN" in stem_words(order):
            x = batch_norm(config.bn_eps, name="bn1")(x)
        if "ReLU" in stem_words(order):
            x = ops.relu(x)
        for block in config.blocks:
            x = OrderedBlock(order, block)(x)
        if "BN" in order.leading:
            x = batch_norm(config.bn_eps, name="bn")(x)
        if "ReLU" in order.leading:
            x = ops.relu(x)
        x = layers.GlobalAveragePooling2D(name="avgpool")(x)
        return keras.Model(images, dense(config.out_channels, config.num_classes, name="fc")(x), name="ordered")
