"""Residual networks in TensorFlow (Keras 3): NHWC images in, logits out.

Read it beside `torch_resnet.py`: the same classes in the same order, so that a diff of the two files is the list of what
the frameworks do differently. Which blocks a network has is said in `architecture.py` alone.

    BasicBlock, Bottleneck                  v1 and v1.5   He et al. 2015, arXiv 1512.03385, figures 2 and 5
    PreActBasicBlock, PreActBottleneck      v2            He et al. 2016, arXiv 1603.05027, figure 4(e)

A block is called on a tensor, symbolic or not; its layers become layers of the model, named as in PyTorch with `_` for
`.`: `layer2_0_downsample_0`. So a network is one flat functional `keras.Model`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from resnet_lessons import architecture
from resnet_lessons.architecture import ResNetConfig, conv_strides, shortcut_kind, split_after_activation
from resnet_lessons.tf_layers import batch_norm, chain, conv, dense, dtype_of_layers, max_pool

import keras
import tensorflow as tf
from keras import layers, ops


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, *, name: str) -> Any:
    """Return a 3×3 convolution; its bias is left out, since the BN next to it has one."""
    return conv(out_channels, kernel=3, stride=stride, name=name)


def conv1x1(in_channels: int, out_channels: int, stride: int = 1, *, name: str) -> Any:
    """Return a 1×1 convolution: at stride 2 it reads one pixel in four."""
    return conv(out_channels, kernel=1, stride=stride, name=name)


def pad_shortcut(in_channels: int, out_channels: int, stride: int) -> Callable[[Any], Any]:
    """Shortcut A: keep every stride-th pixel, then add channels of zeros, half of them on either side."""
    more = out_channels - in_channels
    pad = ((0, 0), (0, 0), (0, 0), (more // 2, more - more // 2))  # batch, height, width, channels
    return lambda x: ops.pad(x[:, ::stride, ::stride, :], pad)


def shortcut_path(
    option: str, in_channels: int, out_channels: int, stride: int, bn_eps: float | None, *, prefix: str
) -> Any:
    """Return the shortcut of a block; None in a plain network. `bn_eps=None`: a projection without BN, as in v2."""
    kind = shortcut_kind(option, in_channels, out_channels, stride)
    if kind == "none":
        return None
    if kind == "identity":
        return lambda x: x
    if kind == "pad":
        return pad_shortcut(in_channels, out_channels, stride)
    projection = conv1x1(in_channels, out_channels, stride, name=f"{prefix}downsample_0")
    if bn_eps is not None:
        projection = chain(projection, batch_norm(bn_eps, name=f"{prefix}downsample_1"))
    return projection


class BasicBlock:
    """Two 3×3 convolutions; the input is added **before** the last ReLU."""

    expansion, last = 1, "bn2"  # last: see ResNet.initialize

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *,
        shortcut: str = "B", bn_eps: float = 1e-5, prefix: str = "",
    ):  # fmt: skip
        self.conv1 = conv3x3(in_channels, width, stride, name=f"{prefix}conv1")
        self.bn1 = batch_norm(bn_eps, name=f"{prefix}bn1")
        self.relu1 = layers.ReLU(name=f"{prefix}relu1")
        self.conv2 = conv3x3(width, width, name=f"{prefix}conv2")
        self.bn2 = batch_norm(bn_eps, name=f"{prefix}bn2")
        self.downsample = shortcut_path(shortcut, in_channels, width, stride, bn_eps, prefix=prefix)
        self.add = layers.Add(name=f"{prefix}add")
        self.relu2 = layers.ReLU(name=f"{prefix}relu2")

    def __call__(self, x: Any) -> Any:  # (B, H, W, C_in) -> (B, H/stride, W/stride, width)
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            out = self.add([out, self.downsample(x)])
        return self.relu2(out)


class Bottleneck:
    """1×1 to `width` channels, 3×3 there, 1×1 to four times as many. v1 strides in the first, v1.5 in the second."""

    expansion, last = 4, "bn3"

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *,
        version: str = "v1", shortcut: str = "B", bn_eps: float = 1e-5, prefix: str = "",
    ):  # fmt: skip
        out_channels = width * self.expansion
        stride1, stride2, _ = conv_strides("bottleneck", version, stride)
        self.conv1 = conv1x1(in_channels, width, stride1, name=f"{prefix}conv1")
        self.bn1 = batch_norm(bn_eps, name=f"{prefix}bn1")
        self.relu1 = layers.ReLU(name=f"{prefix}relu1")
        self.conv2 = conv3x3(width, width, stride2, name=f"{prefix}conv2")
        self.bn2 = batch_norm(bn_eps, name=f"{prefix}bn2")
        self.relu2 = layers.ReLU(name=f"{prefix}relu2")
        self.conv3 = conv1x1(width, out_channels, name=f"{prefix}conv3")
        self.bn3 = batch_norm(bn_eps, name=f"{prefix}bn3")
        self.downsample = shortcut_path(shortcut, in_channels, out_channels, stride, bn_eps, prefix=prefix)
        self.add = layers.Add(name=f"{prefix}add")
        self.relu3 = layers.ReLU(name=f"{prefix}relu3")

    def __call__(self, x: Any) -> Any:  # (B, H, W, C_in) -> (B, H/stride, W/stride, 4·width)
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.relu2(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.downsample is not None:
            out = self.add([out, self.downsample(x)])
        return self.relu3(out)


class PreActBasicBlock:
    """BN-ReLU-conv, twice; nothing follows the addition, so that what comes in travels on unchanged."""

    expansion, last = 1, "conv2"

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *,
        shortcut: str = "B", bn_eps: float = 1e-5, first: bool = False, prefix: str = "",
    ):  # fmt: skip
        self.split_after_activation = split_after_activation(shortcut, in_channels, width, stride, first)
        self.bn1 = batch_norm(bn_eps, name=f"{prefix}bn1")
        self.relu1 = layers.ReLU(name=f"{prefix}relu1")
        self.conv1 = conv3x3(in_channels, width, stride, name=f"{prefix}conv1")
        self.bn2 = batch_norm(bn_eps, name=f"{prefix}bn2")
        self.relu2 = layers.ReLU(name=f"{prefix}relu2")
        self.conv2 = conv3x3(width, width, name=f"{prefix}conv2")
        self.downsample = shortcut_path(shortcut, in_channels, width, stride, None, prefix=prefix)
        self.add = layers.Add(name=f"{prefix}add")

    def __call__(self, x: Any) -> Any:  # (B, H, W, C_in) -> (B, H/stride, W/stride, width)
        activated = self.relu1(self.bn1(x))
        carried = activated if self.split_after_activation else x
        out = self.conv1(activated)
        out = self.conv2(self.relu2(self.bn2(out)))
        if self.downsample is not None:
            out = self.add([out, self.downsample(carried)])
        return out


class PreActBottleneck:
    """BN-ReLU-conv, three times: 1×1, 3×3 (which strides), 1×1."""

    expansion, last = 4, "conv3"

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *,
        shortcut: str = "B", bn_eps: float = 1e-5, first: bool = False, prefix: str = "",
    ):  # fmt: skip
        out_channels = width * self.expansion
        self.split_after_activation = split_after_activation(shortcut, in_channels, out_channels, stride, first)
        self.bn1 = batch_norm(bn_eps, name=f"{prefix}bn1")
        self.relu1 = layers.ReLU(name=f"{prefix}relu1")
        self.conv1 = conv1x1(in_channels, width, name=f"{prefix}conv1")
        self.bn2 = batch_norm(bn_eps, name=f"{prefix}bn2")
        self.relu2 = layers.ReLU(name=f"{prefix}relu2")
        self.conv2 = conv3x3(width, width, stride, name=f"{prefix}conv2")
        self.bn3 = batch_norm(bn_eps, name=f"{prefix}bn3")
        self.relu3 = layers.ReLU(name=f"{prefix}relu3")
        self.conv3 = conv1x1(width, out_channels, name=f"{prefix}conv3")
        self.downsample = shortcut_path(shortcut, in_channels, out_channels, stride, None, prefix=prefix)
        self.add = layers.Add(name=f"{prefix}add")

    def __call__(self, x: Any) -> Any:  # (B, H, W, C_in) -> (B, H/stride, W/stride, 4·width)
        activated = self.relu1(self.bn1(x))
        carried = activated if self.split_after_activation else x
        out = self.conv1(activated)
        out = self.conv2(self.relu2(self.bn2(out)))
        out = self.conv3(self.relu3(self.bn3(out)))
        if self.downsample is not None:
            out = self.add([out, self.downsample(carried)])
        return out


BLOCKS = {block.__name__: block for block in (BasicBlock, Bottleneck, PreActBasicBlock, PreActBottleneck)}


@keras.saving.register_keras_serializable("resnet_lessons")
class ResNet(keras.Model):
    """Stem, three or four stages of blocks, global average pooling, one dense layer.

    Takes images (B, H, W, in_channels), of any size unless `image_size` fixes it, and returns logits (B, num_classes). In
    training, one image whose maps shrink to 1×1 is a ValueError (see `architecture.check_training_batch`). A saved
    network loads where `resnet_lessons.tf_resnet` is imported; `keras.Model(net.input, net.output)` loads anywhere.
    """

    def __init__(self, config: Any, image_size: Any = None, dtype: Any = None, name: str | None = None):
        config = ResNetConfig(**config) if isinstance(config, dict) else config
        size = None if image_size is None else architecture.checked_image_size(config, image_size)
        with dtype_of_layers(dtype) as policy:
            images = keras.Input(
                (*(size or (None, None)), config.in_channels), dtype=policy.compute_dtype, name="images"
            )
            super().__init__(images, self.logits(config, images), name=name or f"resnet_{config.depth}")
        self.config, self.image_size, self.policy = config, size, policy
        self.initialize()

    @staticmethod
    def logits(config: ResNetConfig, images: Any) -> Any:
        imagenet, widths = config.family == "imagenet", config.stage_widths
        if imagenet:
            x = conv(widths[0], kernel=7, stride=2, name="conv1")(images)
        else:
            x = conv3x3(config.in_channels, widths[0], name="conv1")(images)
        if config.version != "v2":  # v2's blocks begin with their own BN-ReLU
            x = batch_norm(config.bn_eps, name="bn1")(x)
            x = layers.ReLU(name="relu")(x)
        if imagenet:
            x = max_pool(x, name="maxpool")
        for block in config.blocks:
            x = BLOCKS[block.class_name](**block.arguments, prefix=block.name.replace(".", "_") + "_")(x)
        if config.version == "v2":  # …and its last addition is followed by one more
            x = batch_norm(config.bn_eps, name="bn")(x)
            x = layers.ReLU(name="relu")(x)
        x = layers.GlobalAveragePooling2D(name="avgpool")(x)
        return dense(config.out_channels, config.num_classes, name="fc")(x)

    def initialize(self) -> None:
        """Zero what `zero_init_residual` asks for; every other weight was drawn when its layer was made."""
        if self.config.zero_init_residual:
            # v1: the last BN's γ. v2: the last convolution, since a zero γ in front of a ReLU would never get a gradient.
            for block in self.config.blocks:
                weight = self.get_layer(f"{block.name.replace('.', '_')}_{BLOCKS[block.class_name].last}").weights[0]
                weight.assign(ops.zeros_like(weight))

    def __call__(self, images: Any, training: bool | None = None, mask: Any = None) -> Any:
        if training:
            batch, height, width, _ = images.shape
            if None not in (batch, height, width):
                architecture.check_training_batch(self.config, batch, height, width)
            else:  # inside `fit`, where the batch is known only when the step runs
                pixels, shrinks = tf.shape(images), architecture.one_pixel_size(self.config)
                enough = (pixels[0] > 1) | (tf.reduce_max(pixels[1:3]) > shrinks)
                tf.debugging.Assert(enough, [architecture.one_value_message(self.config)])
        return super().__call__(images, training=training, mask=mask)

    def get_config(self) -> dict[str, Any]:
        """Return what `load_model` needs to build the network again."""
        fields = {"config": self.config.to_dict(), "image_size": self.image_size}
        return {**fields, "dtype": self.policy.name, "name": self.name}


def resnet(
    depth: int | None = None, version: str = "v1", *, config: ResNetConfig | None = None,
    image_size: int | tuple[int, int] | None = None, dtype: str | None = None, **fields: Any,
) -> ResNet:  # fmt: skip
    """Build a network from what `architecture.resnet_config` takes, or from a finished `config`.

    Without any, it is ResNet-50 v1. `dtype` is "float32" (the default), "float64" or a Keras policy; `image_size` is
    (height, width), or None for any size.

    >>> net = resnet(20, family="cifar")
    >>> net(tf.zeros((2, 32, 32, 3))).shape
    TensorShape([2, 10])
    """
    return ResNet(architecture.chosen_config(depth, version, config, fields), image_size, dtype)


resnet18, resnet34, resnet50, resnet101, resnet152 = (partial(resnet, depth) for depth in (18, 34, 50, 101, 152))
