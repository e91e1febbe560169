"""Published weights into the twins: read, recognise, check, and copy. Nothing in a weights file is ever executed.

Read are safetensors files, PyTorch checkpoints (with `weights_only=True`), state dicts, and models of two other libraries:
`keras.applications` ResNet50/101/152 and Hugging Face `transformers` ResNets. Their names become torchvision's; what a
network is (depth, width, shortcut, classes) is then read off the shapes.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnet_lessons import parity
from resnet_lessons.architecture import IMAGENET_STAGES, ResNetConfig, resnet_config
from resnet_lessons.frameworks import build, check_framework

import numpy as np

TORCH_FILES = (b"PK", b"\x80\x02\x8a\x0a")  # how a checkpoint begins: the present format, and the one before 1.6


@dataclass(frozen=True)
class Weights:
    """Arrays under torchvision's names, in PyTorch's layout, and what else their source says about the network."""

    tensors: dict[str, np.ndarray]
    fields: dict[str, Any] = field(default_factory=dict)  # config fields that the shapes cannot tell


def load(
    source: Any, *, framework: str = "pytorch", image_size: int | tuple[int, int] | None = None, **fields: Any
) -> Any:  # fmt: skip
    """Build the network that some weights belong to, and load them.

    Parameters
    ----------
    source
        A path (safetensors, or a PyTorch checkpoint), a state dict, or a model of `keras.applications` or `transformers`.
    framework
        "pytorch" or "tensorflow": the twin to build.
    image_size
        For TensorFlow: a fixed (height, width); default any.
    **fields
        Fields of `resnet_config` that the weights cannot tell: above all `version`, since v1 and v1.5 have the same
        tensors.

    Returns
    -------
    ResNet
        In evaluation mode.

    Raises
    ------
    ValueError
        If the file is damaged, foreign, or no ResNet of this kit; the message says which.
    """
    check_framework(framework)
    weights = read(source)
    config = find_config(weights, **fields)
    net = build(framework, config, image_size=image_size)
    if framework == "pytorch":  # Keras decides between training and evaluation at each call
        net.eval()
    parity.copy_weights(source=weights.tensors, target=net)
    return net


def save(net: Any, path: str | Path, **notes: str) -> Path:
    """Write a network's weights and config as safetensors, under PyTorch's names: either framework reads either's file.

    The file appears whole or not at all. `notes` are kept beside the config, as text.
    """
    from safetensors.numpy import save_file

    path = Path(path)
    tensors = {name: np.ascontiguousarray(array) for name, array in parity.state_of(net).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.touch()
        usual = unfinished.stat().st_mode  # safetensors would leave a file that its owner alone can read
        save_file(tensors, unfinished, {"resnet_lessons": json.dumps(net.config.to_dict()), **notes})
        unfinished.chmod(usual)
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return path


def read(source: Any) -> Weights:
    """Read weights from a path, a state dict or another library's model, and name them as torchvision does.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, it is damaged, or these are not the weights of a ResNet.
    """
    if isinstance(source, (str, Path)):
        return _read_file(Path(source))
    if isinstance(source, Mapping):
        return Weights(_torchvision_names(source))
    if (keras := sys.modules.get("keras")) and isinstance(source, keras.Model):
        return _read_keras_applications(source)
    if hasattr(source, "state_dict"):
        told: Any = getattr(source, "config", None)
        fields: dict[str, Any] = {}
        if hasattr(told, "downsample_in_bottleneck") and told.layer_type == "bottleneck":  # of transformers
            fields["version"] = "v1" if told.downsample_in_bottleneck else "v1.5"
        return Weights(_torchvision_names(source.state_dict()), fields)
    raise TypeError(f"{type(source).__name__} is neither a path, a state dict nor a model with weights.")


def find_config(weights: Weights, **fields: Any) -> ResNetConfig:
    """Say which network some weights belong to, from their names and shapes.

    Raises
    ------
    ValueError
        If they fit no network of this kit, or if only the user can tell v1 from v1.5.
    """
    shapes = {name: array.shape for name, array in weights.tensors.items()}
    if missing := [name for name in ("conv1.weight", "fc.weight", "layer1.0.conv1.weight") if name not in shapes]:
        raise ValueError(f"These are not the weights of a ResNet: there is no {missing[0]} among {_some(shapes)}.")
    blocks = {match.groups() for name in shapes if (match := re.match(r"layer(\d+)\.(\d+)\.", name))}
    stages = sorted({int(stage) for stage, _ in blocks})
    counts = tuple(sum(int(stage) == number for stage, _ in blocks) for number in stages)
    kind = "bottleneck" if "layer1.0.conv3.weight" in shapes else "basic"
    width, in_channels, kernel, _ = shapes["conv1.weight"]
    found: dict[str, Any] = {
        "depth": _depth(kind, counts, kernel),
        "family": "imagenet" if kernel == 7 else "cifar",
        "num_classes": shapes["fc.weight"][0],
        "in_channels": in_channels,
        "width": width,
        "shortcut": _shortcut(shapes, kind),
    }
    if "bn1.weight" not in shapes:
        found["version"] = "v2"
    elif kind == "basic":
        found["version"] = "v1"
    found = {**found, **weights.fields, **fields}
    if "version" not in found:
        raise ValueError(
            f"These are the weights of a ResNet-{found['depth']}, but v1 and v1.5 have the same tensors, and only the "
            'place of a stride differs. Say which it is: version="v1" (He et al. 2015; keras.applications) or '
            'version="v1.5" (torchvision, timm).'
        )
    return resnet_config(**found)


def _depth(kind: str, counts: tuple[int, ...], kernel: int) -> int:
    if kernel == 7:
        for depth, stages in IMAGENET_STAGES.items():
            if stages == (kind, counts):
                return depth
    elif kernel == 3 and len(counts) == 3 and len(set(counts)) == 1:
        return counts[0] * (9 if kind == "bottleneck" else 6) + 2
    raise ValueError(
        f"These weights have a {kernel}×{kernel} stem and stages of {'-'.join(map(str, counts))} {kind} blocks; no network "
        "of the two papers has. ImageNet family: 7×7, stages such as 3-4-6-3. CIFAR family: 3×3, three equal stages."
    )


def _shortcut(shapes: Mapping[str, Any], kind: str) -> str:
    if "layer2.0.downsample.0.weight" not in shapes:
        return "A"  # a plain network has the same tensors; one saved by this kit says so itself
    keeps_its_shape = (
        "layer1.0" if kind == "basic" else "layer1.1"
    )  # the first block that B leaves without a projection
    return "C" if f"{keeps_its_shape}.downsample.0.weight" in shapes else "B"


def _read_file(path: Path) -> Weights:
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    with path.open("rb") as file:
        start = file.read(16)
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, framework="numpy") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # the file is no mapping
                notes = file.metadata() or {}
            return Weights(_torchvision_names(tensors), json.loads(notes.get("resnet_lessons", "{}")))
        import torch

        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"Reading {path.name} needs PyTorch, which is not installed; a safetensors file does not."
        ) from error
    except Exception as error:  # every reader has its own kinds of error
        known = path.suffix == ".safetensors" or start.startswith(TORCH_FILES)
        if known and isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            what = "it wants to run code while it is read, which is refused"
        elif known:
            what = "it is truncated or damaged"
        else:
            what = "it is not a weights file"
        raise ValueError(
            f"{path} cannot be read: {what}. Give a safetensors file or a PyTorch state dict, as it was published."
        ) from error
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"{path} holds a {type(checkpoint).__name__}, not a state dict.")
    return Weights(_torchvision_names(checkpoint.get("state_dict", checkpoint)))


def _torchvision_names(state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Rename what other publications call differently; leave out counters."""
    renamed = {}
    for name, value in state.items():
        if not hasattr(value, "shape"):
            raise ValueError(f"{name} is a {type(value).__name__}, not a tensor: this is not a state dict.")
        array = value.detach().float().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
        if name := _torchvision_name(name.removeprefix("module.")):
            renamed[name] = array
    return renamed


def _torchvision_name(name: str) -> str:
    if name.endswith("num_batches_tracked"):
        return ""
    if name.startswith("linear."):  # akamaster/pytorch_resnet_cifar10
        return name.replace("linear.", "fc.")
    name = re.sub(r"^classifier\.\d+\.", "fc.", name)  # from here on: Hugging Face transformers
    name = name.removeprefix("resnet.")
    name = name.replace("embedder.embedder.convolution", "conv1").replace("embedder.embedder.normalization", "bn1")
    place = re.match(r"encoder\.stages\.(\d+)\.layers\.(\d+)\.(.*)", name)
    if not place:
        return name
    stage, block, rest = int(place[1]) + 1, place[2], place[3]
    rest = rest.replace("shortcut.convolution", "downsample.0").replace("shortcut.normalization", "downsample.1")
    rest = re.sub(r"layer\.(\d+)\.convolution", lambda match: f"conv{int(match[1]) + 1}", rest)
    rest = re.sub(r"layer\.(\d+)\.normalization", lambda match: f"bn{int(match[1]) + 1}", rest)
    return f"layer{stage}.{block}.{rest}"


def _read_keras_applications(model: Any) -> Weights:
    names = {layer.name for layer in model.layers}
    if "post_bn" in names and "conv2_block1_preact_bn" in names:
        raise ValueError(
            f"{model.name} is keras.applications' own V2: it takes the stride in the last block of a stage (with a "
            "max-pool as that block's shortcut), where the paper's and this kit's v2 take it in the first block of the "
            "next, and its projections and last convolutions have biases. Its weights do not fit another network."
        )
    if "conv2_block1_1_conv" not in names or "conv1_bn" not in names:
        raise ValueError(
            f"{model.name} is no ResNet of keras.applications: a layer conv2_block1_1_conv or conv1_bn is missing. Read are "
            "ResNet50, ResNet101 and ResNet152."
        )
    if "predictions" not in names:
        raise ValueError(f"{model.name} has no classifier; build it with include_top=True.")
    tensors: dict[str, np.ndarray] = {}
    biases: dict[str, np.ndarray] = {}
    eps = 1e-5
    for layer in model.layers:
        if not layer.weights:
            continue
        name, values = _keras_applications_name(layer.name), layer.get_weights()
        if name == "fc":
            tensors |= {"fc.weight": values[0].T, "fc.bias": values[1]}
        elif len(values) == 4:
            eps = layer.epsilon
            tensors |= dict(zip([f"{name}.{kind}" for kind in parity.BN_RANGES], values, strict=True))
        else:
            tensors[f"{name}.weight"] = values[0].transpose(3, 2, 0, 1)
            norm = name.replace("conv", "bn") if "conv" in name else name.replace("downsample.0", "downsample.1")
            biases[norm] = values[1]
    for norm, bias in biases.items():  # BN subtracts the mean of conv + bias: the same as a mean smaller by the bias
        tensors[f"{norm}.running_mean"] = tensors[f"{norm}.running_mean"] - bias
    return Weights(tensors, {"version": "v1", "bn_eps": eps})


def _keras_applications_name(name: str) -> str:
    """conv3_block1_0_bn is the BN of the shortcut in the first block of the second stage."""
    place = re.match(r"conv(\d)_block(\d+)_(\d)_(conv|bn)", name)
    if not place:
        return {"conv1_conv": "conv1", "conv1_bn": "bn1", "predictions": "fc"}[name]
    stage, block, number, kind = int(place[1]) - 1, int(place[2]) - 1, place[3], place[4]
    inside = f"{kind}{number}" if number != "0" else f"downsample.{0 if kind == 'conv' else 1}"
    return f"layer{stage}.{block}.{inside}"


def _some(names: Any) -> str:
    listed = list(names)
    return ", ".join(listed[:4]) + (" …" if len(listed) > 4 else "") if listed else "nothing"
