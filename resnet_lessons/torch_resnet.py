"""Residual networks in PyTorch: NCHW images in, logits out.

Read it beside `tf_resnet.py`: the same classes in the same order, so that a diff of the two files is the list of what
the frameworks do differently. Which blocks a network has is said in `architecture.py` alone.

    BasicBlock, Bottleneck                  v1 and v1.5   He et al. 2015, arXiv 1512.03385, figures 2 and 5
    PreActBasicBlock, PreActBottleneck      v2            He et al. 2016, arXiv 1603.05027, figure 4(e)

Names of parameters are torchvision's (`layer2.0.downsample.0.weight`), so its checkpoints load as they are.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from resnet_lessons import architecture
from resnet_lessons.architecture import ResNetConfig, conv_strides, shortcut_kind, split_after_activation

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3×3 convolution; its bias is left out, since the BN next to it has one."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)


def conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Return a 1×1 convolution: at stride 2 it reads one pixel in four."""
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


class PadShortcut(nn.Module):
    """Shortcut A: keep every stride-th pixel, then add channels of zeros, half of them on either side."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.stride, more = stride, out_channels - in_channels
        self.pad = (0, 0, 0, 0, more // 2, more - more // 2)  # width, height, channels: the last axis comes first

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], self.pad)


def shortcut_path(option: str, in_channels: int, out_channels: int, stride: int, bn_eps: float | None) -> Any:
    """Return the shortcut of a block; None in a plain network. `bn_eps=None`: a projection without BN, as in v2."""
    kind = shortcut_kind(option, in_channels, out_channels, stride)
    if kind == "none":
        return None
    if kind == "identity":
        return nn.Identity()
    if kind == "pad":
        return PadShortcut(in_channels, out_channels, stride)
    projection = nn.Sequential(conv1x1(in_channels, out_channels, stride))
    if bn_eps is not None:
        projection.append(nn.BatchNorm2d(out_channels, bn_eps))
    return projection


class BasicBlock(nn.Module):
    """Two 3×3 convolutions; the input is added **before** the last ReLU."""

    expansion, last = 1, "bn2"  # last: see ResNet.initialize

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, shortcut: str = "B", bn_eps: float = 1e-5):
        super().__init__()
        self.conv1 = conv3x3(in_channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width, bn_eps)
        self.relu1 = nn.ReLU()
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width, bn_eps)
        self.downsample = shortcut_path(shortcut, in_channels, width, stride, bn_eps)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:  # (B, C_in, H, W) -> (B, width, H/stride, W/stride)
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            out = out + self.downsample(x)
        return self.relu2(out)


class Bottleneck(nn.Module):
    """1×1 to `width` channels, 3×3 there, 1×1 to four times as many. v1 strides in the first, v1.5 in the second."""

    expansion, last = 4, "bn3"

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *,
        version: str = "v1", shortcut: str = "B", bn_eps: float = 1e-5,
    ):  # fmt: skip
        super().__init__()
        out_channels = width * self.expansion
        stride1, stride2, _ = conv_strides("bottleneck", version, stride)
        self.conv1 = conv1x1(in_channels, width, stride1)
        self.bn1 = nn.BatchNorm2d(width, bn_eps)
        self.relu1 = nn.ReLU()
        self.conv2 = conv3x3(width, width, stride2)
        self.bn2 = nn.BatchNorm2d(width, bn_eps)
        self.relu2 = nn.ReLU()
        self.conv3 = conv1x1(width, out_channels)
        self.bn3 = nn.BatchNorm2d(out_channels, bn_eps)
        self.downsample = shortcut_path(shortcut, in_channels, out_channels, stride, bn_eps)
        self.relu3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:  # (B, C_in, H, W) -> (B, 4·width, H/stride, W/stride)
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.relu2(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.downsample is not None:
            out = out + self.downsample(x)
        return self.relu3(out)


class PreActBasicBlock(nn.Module):
    """BN-ReLU-conv, twice; nothing follows the addition, so that what comes in travels on unchanged."""

    expansion, last = 1, "conv2"

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *,
        shortcut: str = "B", bn_eps: float = 1e-5, first: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.split_after_activation = split_after_activation(shortcut, in_channels, width, stride, first)
        self.bn1 = nn.BatchNorm2d(in_channels, bn_eps)
        self.relu1 = nn.ReLU()
        self.conv1 = conv3x3(in_channels, width, stride)
        self.bn2 = nn.BatchNorm2d(width, bn_eps)
        self.relu2 = nn.ReLU()
        self.conv2 = conv3x3(width, width)
        self.downsample = shortcut_path(shortcut, in_channels, width, stride, None)

    def forward(self, x: Tensor) -> Tensor:  # (B, C_in, H, W) -> (B, width, H/stride, W/stride)
        activated = self.relu1(self.bn1(x))
        carried = activated if self.split_after_activation else x
        out = self.conv1(activated)
        out = self.conv2(self.relu2(self.bn2(out)))
        if self.downsample is not None:
            out = out + self.downsample(carried)
        return out


class PreActBottleneck(nn.Module):
    """BN-ReLU-conv, three times: 1×1, 3×3 (which strides), 1×1."""

    expansion, last = 4, "conv3"

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *,
        shortcut: str = "B", bn_eps: float = 1e-5, first: bool = False,
    ):  # fmt: skip
        super().__init__()
        out_channels = width * self.expansion
        self.split_after_activation = split_after_activation(shortcut, in_channels, out_channels, stride, first)
        self.bn1 = nn.BatchNorm2d(in_channels, bn_eps)
        self.relu1 = nn.ReLU()
        self.conv1 = conv1x1(in_channels, width)
        self.bn2 = nn.BatchNorm2d(width, bn_eps)
        self.relu2 = nn.ReLU()
        self.conv2 = conv3x3(width, width, stride)
        self.bn3 = nn.BatchNorm2d(width, bn_eps)
        self.relu3 = nn.ReLU()
        self.conv3 = conv1x1(width, out_channels)
        self.downsample = shortcut_path(shortcut, in_channels, out_channels, stride, None)

    def forward(self, x: Tensor) -> Tensor:  # (B, C_in, H, W) -> (B, 4·width, H/stride, W/stride)
        activated = self.relu1(self.bn1(x))
        carried = activated if self.split_after_activation else x
        out = self.conv1(activated)
        out = self.conv2(self.relu2(self.bn2(out)))
        out = self.conv3(self.relu3(self.bn3(out)))
        if self.downsample is not None:
            out = out + self.downsample(carried)
        return out


BLOCKS = {block.__name__: block for block in (BasicBlock, Bottleneck, PreActBasicBlock, PreActBottleneck)}


class ResNet(nn.Module):
    """Stem, three or four stages of blocks, global average pooling, one dense layer.

    Takes images (B, in_channels, H, W) of any size and returns logits (B, num_classes). In training, one image whose maps
    shrink to 1×1 is a ValueError (see `architecture.check_training_batch`).
    """

    def __init__(self, config: ResNetConfig):
        super().__init__()
        self.config = config
        imagenet, widths = config.family == "imagenet", config.stage_widths
        if imagenet:
            self.conv1 = nn.Conv2d(config.in_channels, widths[0], 7, stride=2, padding=3, bias=False)
        else:
            self.conv1 = conv3x3(config.in_channels, widths[0])
        if config.version != "v2":  # v2's blocks begin with their own BN-ReLU
            self.bn1 = nn.BatchNorm2d(widths[0], config.bn_eps)
            self.relu = nn.ReLU()
        if imagenet:
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)  # pads with -inf, not with 0
        self.stages = tuple(config.stages)  # "layer1", "layer2", …
        for stage, blocks in config.stages.items():
            self.add_module(stage, nn.Sequential(*(BLOCKS[block.class_name](**block.arguments) for block in blocks)))
        if config.version == "v2":  # …and its last addition is followed by one more
            self.bn = nn.BatchNorm2d(config.out_channels, config.bn_eps)
            self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(config.out_channels, config.num_classes)
        self.initialize()

    def initialize(self) -> None:
        """Draw new weights: kaiming-normal fan-out for convolutions (He et al. 2015, arXiv 1502.01852), γ = 1, β = 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, (nn.BatchNorm2d, nn.Linear)):
                module.reset_parameters()
        if self.config.zero_init_residual:
            # v1: the last BN's γ. v2: the last convolution, since a zero γ in front of a ReLU would never get a gradient.
            for block in self.config.blocks:
                branch = self.get_submodule(block.name)
                nn.init.zeros_(branch.get_parameter(f"{branch.last}.weight"))

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            architecture.check_training_batch(self.config, images.shape[0], images.shape[2], images.shape[3])
        x = self.conv1(images)
        if self.config.version != "v2":
            x = self.relu(self.bn1(x))
        if self.config.family == "imagenet":
            x = self.maxpool(x)
        for stage in self.stages:
            x = self.get_submodule(stage)(x)
        if self.config.version == "v2":
            x = self.relu(self.bn(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def resnet(
    depth: int | None = None, version: str = "v1", *,
    config: ResNetConfig | None = None, dtype: str | torch.dtype | None = None, **fields: Any,
) -> ResNet:  # fmt: skip
    """Build a network from what `architecture.resnet_config` takes, or from a finished `config`.

    Without any, it is ResNet-50 v1. `dtype` is "float32" (the default) or "float64". `torch.export` takes a free batch
    size; height and width are then those it was exported with.

    >>> net = resnet(20, family="cifar")
    >>> net(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """
    net = ResNet(architecture.chosen_config(depth, version, config, fields))
    return net.to(getattr(torch, dtype) if isinstance(dtype, str) else dtype)


resnet18, resnet34, resnet50, resnet101, resnet152 = (partial(resnet, depth) for depth in (18, 34, 50, 101, 152))
