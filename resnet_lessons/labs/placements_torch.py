"""The networks of `placements.py` in PyTorch; read it beside `placements_tf.py`."""

from __future__ import annotations

from typing import Any

from resnet_lessons.architecture import Block, ResNetConfig
from resnet_lessons.torch_resnet import conv3x3, shortcut_path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .placements import Order, layer_names, splits_late, stem_words


class OrderedBlock(nn.Module):
    """A residual block that follows an order of operations."""

    def __init__(self, order: Order, block: Block):
        super().__init__()
        self.branch = layer_names(order.branch)
        self.after = layer_names(order.branch + order.after)[len(order.branch) :]
        self.split = len(order.leading) if splits_late(order, block) else 0
        channels, stride = block.in_channels, block.stride
        for name in [*self.branch, *self.after]:
            if name.startswith("conv"):
                self.add_module(name, conv3x3(channels, block.width, stride))
                channels, stride = block.width, 1
            else:
                self.add_module(name, nn.BatchNorm2d(channels, block.bn_eps) if name.startswith("bn") else nn.ReLU())
        # A projection has BN where the block ends in it; a pre-activation block's has none.
        bn_eps = None if order.leading else block.bn_eps
        self.downsample = shortcut_path(block.shortcut, block.in_channels, block.width, block.stride, bn_eps)

    def forward(self, x: Tensor) -> Tensor:  # (B, C_in, H, W) -> (B, width, H/stride, W/stride)
        carried = x
        for number, name in enumerate(self.branch, start=1):
            x = self.get_submodule(name)(x)
            if number == self.split:
                carried = x
        if self.downsample is not None:
            x = x + self.downsample(carried)
        for name in self.after:
            x = self.get_submodule(name)(x)
        return x


class OrderedResNet(nn.Module):
    """Stem, stages of ordered blocks, what the pre-activation asks for at the end, and the head."""

    def __init__(self, order: Order, config: ResNetConfig):
        super().__init__()
        self.conv1 = conv3x3(config.in_channels, config.width)
        self.stem, self.tail = stem_words(order), order.leading
        if "BN" in self.stem:
            self.bn1 = nn.BatchNorm2d(config.width, config.bn_eps)
        self.stages = tuple(config.stages)
        for stage, blocks in config.stages.items():
            self.add_module(stage, nn.Sequential(*(OrderedBlock(order, block) for block in blocks)))
        if "BN" in self.tail:
            self.bn = nn.BatchNorm2d(config.out_channels, config.bn_eps)
        self.fc = nn.Linear(config.out_channels, config.num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv1(images)
        if "BN" in self.stem:
            x = self.bn1(x)
        if "ReLU" in self.stem:
            x = F.relu(x)
        for stage in self.stages:
            x = self.get_submodule(stage)(x)
        if "BN" in self.tail:
            x = self.bn(x)
        if "ReLU" in self.tail:
            x = F.relu(x)
        return self.fc(x.mean((2, 3)))


def network(order: Order, config: ResNetConfig, seed: int, dtype: str) -> Any:
    """Build the network; see `placements.network`."""
    torch.manual_seed(seed)
    return OrderedResNet(order, config).to(getattr(torch, dtype))
