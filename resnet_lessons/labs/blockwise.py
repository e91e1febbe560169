"""Small trained networks run block by block in NumPy, so that blocks can be left out, exchanged or put in between.

    Blockwise(config, weights)      a network of basic blocks; `stem`, `block` and `head` are its parts, `run` is all of it
    load_trained(name)              one of the four trained networks that the course brings along

No framework is needed, and every number comes out the same on every route. Evaluation mode, float64; inside, maps are
(channels, height, width, images): with the images last, every row that a convolution copies lies in one piece.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from resnet_lessons import parity
from resnet_lessons.architecture import Block, ResNetConfig, resnet_config
from resnet_lessons.datasets import Dataset, load_dataset

import numpy as np

Weights = Mapping[str, np.ndarray]  # under PyTorch's names and in its layout

TRAINED = Path(__file__).parents[1] / "records" / "trained_digits.safetensors"
NETWORKS = {  # depth, version, shortcut option
    "plain-20": (20, "v1", "none"),
    "residual-20": (20, "v1", "A"),
    "residual-20 v2": (20, "v2", "A"),
    "residual-56": (56, "v1", "A"),
}


def network_config(name: str) -> ResNetConfig:
    """Return the configuration of one of `NETWORKS`: widths 8-16-32, for the digits."""
    depth, version, shortcut = NETWORKS[name]
    return resnet_config(depth, version, family="cifar", shortcut=shortcut, width=8, in_channels=1)


class Blockwise:
    """A network of basic blocks, v1 or v2, with shortcut A or none, in evaluation mode.

    Parameters
    ----------
    config
        The network.
    weights
        All its tensors, BN's running statistics among them, by PyTorch's names: see `parity.state_of`.

    Raises
    ------
    ValueError
        If the network has other blocks or shortcuts, or a tensor is missing.
    """

    def __init__(self, config: ResNetConfig, weights: Weights) -> None:
        if config.family != "cifar" or config.block != "basic" or config.shortcut not in ("A", "none"):
            raise ValueError(
                f"{config.name} (family {config.family}, shortcut {config.shortcut}) cannot be taken apart here: it takes "
                "networks of the CIFAR family with basic blocks and shortcut A or none."
            )
        missing = [name for name in parity.tensor_names(config).values() if name not in weights]
        if missing:
            raise ValueError(f"These are not all weights of {config.name}: {missing[0]} is missing.")
        self.config = config
        self.weights = {name: np.asarray(array, dtype=np.float64) for name, array in weights.items()}
        self.blocks = {block.name: block for block in config.blocks}

    @classmethod
    def of(cls, net: Any) -> Blockwise:
        """Take a network of the kit, of either framework."""
        if not isinstance(getattr(net, "config", None), ResNetConfig):
            raise ValueError(f"{type(net).__name__} is no network of this course: build it with training.new_network.")
        return cls(net.config, parity.state_of(net))

    def run(self, images: np.ndarray, deleted: Collection[str] = (), swapped: Mapping[str, str] | None = None) -> Any:
        """Return the logits (N, classes) of images (N, C, H, W).

        Parameters
        ----------
        images
            Normalised as the network wants them.
        deleted
            Names of blocks whose branch is left out: the input goes through the shortcut alone, or, in a plain network,
            straight on.
        swapped
            At which block (key) the weights of which other block (value) are used.
        """
        with one_blas_thread():
            x = self.stem(inside(images))
            for name in self.blocks:
                x = self.block(name, x, deleted=name in deleted, weights_of=(swapped or {}).get(name))
            return self.head(x)

    def stem(self, x: np.ndarray) -> np.ndarray:
        """The first convolution, in v1 with its BN and ReLU."""
        if self.config.version == "v2":
            return conv3x3(x, self.weights["conv1.weight"])
        return _relu(self._conv_bn(x, "conv1", "bn1", self.config.bn_eps))

    def block(self, name: str, x: np.ndarray, *, deleted: bool = False, weights_of: str | None = None) -> np.ndarray:
        """One block of this network, at its place; its weights may be those of another block of the same shape."""
        return self.apply(self.blocks[name], weights_of or name, x, deleted=deleted)

    def apply(self, block: Block, prefix: str, x: np.ndarray, *, deleted: bool = False) -> np.ndarray:
        """A block of any description, with the weights whose names begin with `prefix`."""
        if deleted and block.shortcut == "none" and not keeps_shape(block):
            raise ValueError(f"{block.name} of a plain network changes the shape: without it nothing fits together.")
        if block.version == "v2":
            activated = _relu(self._bn(x, f"{prefix}.bn1", block.bn_eps))
            carried = activated if block.split_after_activation else x
            if deleted:
                return _shortcut(block, carried)
            out = _relu(self._conv_bn(activated, f"{prefix}.conv1", f"{prefix}.bn2", block.bn_eps, block.stride))
            out = conv3x3(out, self.weights[f"{prefix}.conv2.weight"])
            return out if block.shortcut == "none" else out + _shortcut(block, carried)
        if deleted:
            return _relu(_shortcut(block, x))
        out = _relu(self._conv_bn(x, f"{prefix}.conv1", f"{prefix}.bn1", block.bn_eps, block.stride))
        out = self._conv_bn(out, f"{prefix}.conv2", f"{prefix}.bn2", block.bn_eps)
        return _relu(out if block.shortcut == "none" else out + _shortcut(block, x))

    def head(self, x: np.ndarray) -> np.ndarray:
        """In v2 BN and ReLU, then the average over the map and the dense layer: the logits (N, classes)."""
        if self.config.version == "v2":
            x = _relu(self._bn(x, "bn", self.config.bn_eps))
        return x.mean(axis=(1, 2)).T @ self.weights["fc.weight"].T + self.weights["fc.bias"]

    def _conv_bn(self, x: np.ndarray, conv: str, bn: str, eps: float, stride: int = 1) -> np.ndarray:
        scale, shift = self._scale_and_shift(bn, eps)
        return conv3x3(x, self.weights[f"{conv}.weight"] * scale[:, None, None, None], stride) + _by_channel(shift)

    def _bn(self, x: np.ndarray, bn: str, eps: float) -> np.ndarray:
        scale, shift = self._scale_and_shift(bn, eps)
        return x * _by_channel(scale) + _by_channel(shift)

    def _scale_and_shift(self, bn: str, eps: float) -> tuple[np.ndarray, np.ndarray]:
        scale = self.weights[f"{bn}.weight"] / np.sqrt(self.weights[f"{bn}.running_var"] + eps)
        return scale, self.weights[f"{bn}.bias"] - self.weights[f"{bn}.running_mean"] * scale


def keeps_shape(block: Block) -> bool:
    """Whether a map leaves the block in the shape in which it came."""
    return block.stride == 1 and block.in_channels == block.out_channels


def deletable(config: ResNetConfig) -> list[str]:
    """Names of the blocks that can be left out: without a shortcut, only those that keep the shape."""
    return [block.name for block in config.blocks if block.shortcut != "none" or keeps_shape(block)]


def swappable(config: ResNetConfig) -> list[list[str]]:
    """Names of the blocks that can stand for each other, stage by stage: their weights have the same shapes."""
    return [[block.name for block in blocks if keeps_shape(block)] for blocks in config.stages.values()]


def conv3x3(x: np.ndarray, kernel: np.ndarray, stride: int = 1) -> np.ndarray:
    """A 3×3 convolution with padding 1: (C, H, W, N) and (O, C, 3, 3) to (O, ⌈H/stride⌉, ⌈W/stride⌉, N)."""
    channels, height, width, images = x.shape
    padded = np.zeros((channels, height + 2, width + 2, images))
    padded[:, 1:-1, 1:-1] = x
    rows, columns = -(-height // stride), -(-width // stride)
    windows = np.empty((channels, 9, rows, columns, images))
    for i in range(3):
        for j in range(3):
            windows[:, 3 * i + j] = padded[:, i : i + height : stride, j : j + width : stride]
    out = kernel.reshape(len(kernel), -1) @ windows.reshape(channels * 9, -1)
    return out.reshape(len(kernel), rows, columns, images)


def inside(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (C, H, W, N), float64."""
    return np.ascontiguousarray(images.transpose(1, 2, 3, 0), dtype=np.float64)


@cache
def load_trained(name: str) -> Blockwise:
    """Return one of the trained networks: `NETWORKS` lists them, `benchmarks/lesion.py` trained them.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in NETWORKS:
        raise ValueError(f"there is no trained network {name!r}; choose one of {', '.join(NETWORKS)}")
    from safetensors import safe_open

    with safe_open(TRAINED, framework="numpy") as file:
        names = [key for key in file.keys() if key.startswith(f"{name}/")]  # noqa: SIM118  # the file is no mapping
        return Blockwise(network_config(name), {key.split("/")[1]: file.get_tensor(key) for key in names})


def save_trained(networks: Mapping[str, Weights], made_by: Mapping[str, Any]) -> None:
    """Write what `load_trained` reads, weights as `rounded` leaves them."""
    from safetensors.numpy import save_file

    tensors = {
        f"{name}/{tensor}": np.ascontiguousarray(array)
        for name, weights in networks.items()
        for tensor, array in rounded(weights).items()
    }
    save_file(tensors, TRAINED, {"made_by": json.dumps(made_by)})
    TRAINED.chmod(0o644)  # safetensors writes for the owner alone


def rounded(weights: Weights) -> dict[str, np.ndarray]:
    """Return the weights as they are kept: kernels in float16, which halves the file, everything else in float32."""
    return {
        name: array.astype(np.float16 if array.ndim == 4 else np.float32, order="C") for name, array in weights.items()
    }


@cache
def digits() -> Dataset:
    """The images that the trained networks know."""
    return load_dataset("digits")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Multiply matrices in one thread: where other programs use the cores, several wait for each other ten times longer."""
    with _blas().limit(limits=1, user_api="blas"):
        yield


@cache
def _blas() -> Any:  # the package comes with scikit-learn
    from threadpoolctl import ThreadpoolController  # type: ignore[import-not-found,import-untyped,unused-ignore]

    return ThreadpoolController()


def _shortcut(block: Block, x: np.ndarray) -> np.ndarray:
    if block.shortcut_kind != "pad":
        return x
    more = block.out_channels - block.in_channels
    return np.pad(x[:, :: block.stride, :: block.stride], ((more // 2, more - more // 2), (0, 0), (0, 0), (0, 0)))


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def _by_channel(values: np.ndarray) -> np.ndarray:
    return values[:, None, None, None]
