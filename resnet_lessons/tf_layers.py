"""Keras layers that follow PyTorch's conventions where the two differ: padding, initial weights, BN momentum.

`tf_resnet.py` builds with these; each function says which difference it settles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Any

import keras
from keras import initializers, layers, ops


def conv(out_channels: int, kernel: int, stride: int, *, name: str) -> Any:
    """Return a convolution with PyTorch's padding and PyTorch's initial weights (kaiming-normal, fan-out).

    Padding "same" is symmetric at stride 1 only: at stride 2 it pads an even image on the right and at the bottom alone.
    There the zeros are added by a layer of their own.
    """
    padding = "same" if stride == 1 or kernel == 1 else "valid"
    fan_out = initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
    layer = layers.Conv2D(out_channels, kernel, stride, padding, use_bias=False, kernel_initializer=fan_out, name=name)
    return layer if padding == "same" else chain(layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad"), layer)


def batch_norm(bn_eps: float, *, name: str) -> Any:
    """Return a BN layer; momentum 0.9 in Keras is 0.1 in PyTorch."""
    return layers.BatchNormalization(momentum=0.9, epsilon=bn_eps, name=name)


def max_pool(x: Any, *, name: str) -> Any:
    """Return the 3×3 maximum at stride 2, padded with -inf as PyTorch does: a padded 0 would win over negative values."""
    x = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=float("-inf"))
    return layers.MaxPooling2D(3, strides=2, name=name)(x)


def dense(in_features: int, out_features: int, *, name: str) -> Any:
    """Return a dense layer whose weights and biases PyTorch's would start with: uniform in ±1/√in_features."""
    kernel, bias = (initializers.RandomUniform(-(in_features**-0.5), in_features**-0.5) for _ in range(2))
    return layers.Dense(out_features, kernel_initializer=kernel, bias_initializer=bias, name=name)


def chain(*steps: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that applies one step after the other."""
    return lambda x: reduce(lambda value, step: step(value), steps, x)


@contextmanager
def dtype_of_layers(dtype: str | None) -> Iterator[Any]:
    """Give the layers made inside this dtype or policy; None: Keras's global one, "float32" unless somebody set it."""
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(dtype or before)
        yield keras.config.dtype_policy()
    finally:
        keras.config.set_dtype_policy(before)
