"""Every residual network of the two papers, described once, in plain Python.

`resnet_config` names a network, `ResNetConfig.blocks` lists its residual blocks, and `trace` follows an image through
it layer by layer. Both twins, the diagrams, the tables and the labs read this description and nothing else.

Sources: He et al. 2015, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385): table 1 for the ImageNet
networks, section 4.2 for the CIFAR networks, section 3.3 for the shortcut options. He et al. 2016, "Identity Mappings in
Deep Residual Networks" (arXiv 1603.05027): pre-activation, here version "v2".
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

VERSIONS = ("v1", "v1.5", "v2")
FAMILIES = ("imagenet", "cifar")
SHORTCUTS = ("A", "B", "C", "none")

# 1512.03385, table 1: the kind of block, and how many of them each of the four stages has.
IMAGENET_STAGES = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}
# 1603.05027: the two 9n+2 networks. (164 is 6·27+2 as well; the paper's ResNet-164 has bottlenecks.)
CIFAR_BOTTLENECK_DEPTHS = (164, 1001)
EXPANSION = {"basic": 1, "bottleneck": 4}


def resnet_config(
    depth: int,
    version: str = "v1",
    *,
    family: str = "imagenet",
    shortcut: str | None = None,
    num_classes: int | None = None,
    in_channels: int = 3,
    width: int | None = None,
    zero_init_residual: bool = False,
    bn_eps: float = 1e-5,
) -> ResNetConfig:
    """Describe one network.

    Parameters
    ----------
    depth
        ImageNet family: 18, 34, 50, 101, 152. CIFAR family: 6n+2 with basic blocks (8, 14, 20, … 1202), or 164 and 1001
        with bottlenecks.
    version
        "v1" (1512.03385), "v1.5" (v1 with a bottleneck's stride on its 3×3) or "v2" (pre-activation, 1603.05027).
    family
        "imagenet": 7×7 stem, max-pool, four stages. "cifar": 3×3 stem, three stages.
    shortcut
        "A" (subsample, then pad with zero channels), "B" (project where the shape changes), "C" (project everywhere) or
        "none" (the plain network). Default: B, but A for CIFAR networks of basic blocks, as in the paper.
    num_classes
        Number of logits. Default: 1000 (ImageNet family), 10 (CIFAR family).
    in_channels
        Channels of the input images.
    width
        Channels of the first stage. Default: 64 (ImageNet family), 16 (CIFAR family).
    zero_init_residual
        Start every shape-preserving block as the identity (Goyal et al. 2017, arXiv 1706.02677, section 5.1).
    bn_eps
        What batch normalisation adds to the variance.

    Raises
    ------
    ValueError
        If there is no such network; the message says why, and what there is.

    Examples
    --------
    >>> resnet_config(50, "v1.5").parameters
    25557032
    >>> resnet_config(20, family="cifar").name
    'ResNet-20 v1'
    """
    optional: Any = {"shortcut": shortcut, "num_classes": num_classes, "width": width}
    return ResNetConfig(
        depth,
        version,
        family,
        in_channels=in_channels,
        zero_init_residual=zero_init_residual,
        bn_eps=bn_eps,
        **optional,
    )


@dataclass(frozen=True)
class ResNetConfig:
    """One network: immutable, hashable, and a few plain values when pickled. See `resnet_config` for the fields."""

    depth: int
    version: str = "v1"
    family: str = "imagenet"
    shortcut: str = None  # type: ignore[assignment]  # None asks for the family's default, which __post_init__ fills in
    num_classes: int = None  # type: ignore[assignment]
    in_channels: int = 3
    width: int = None  # type: ignore[assignment]
    zero_init_residual: bool = False
    bn_eps: float = 1e-5

    def __post_init__(self) -> None:
        _one_of("version", self.version, VERSIONS)
        _one_of("family", self.family, FAMILIES)
        _check_depth(self.depth, self.family)
        imagenet = self.family == "imagenet"
        defaults = {
            "shortcut": "A" if not imagenet and self.block == "basic" else "B",
            "num_classes": 1000 if imagenet else 10,
            "width": 64 if imagenet else 16,
        }
        for field, default in defaults.items():
            if getattr(self, field) is None:
                object.__setattr__(self, field, default)  # the dataclass is frozen for everybody else
        _one_of("shortcut", self.shortcut, SHORTCUTS)
        for field in ("num_classes", "in_channels", "width"):
            _positive_int(field, getattr(self, field))
        if not (isinstance(self.bn_eps, (int, float)) and 0 < self.bn_eps < 1):
            raise ValueError(f"bn_eps is {self.bn_eps!r}; it is a small positive number such as 1e-5.")
        if self.version == "v1.5" and self.block == "basic":
            raise ValueError(
                f"There is no ResNet-{self.depth} v1.5: the v1.5 move takes the stride from a bottleneck's first 1×1 "
                f"convolution to its 3×3, and ResNet-{self.depth} has basic blocks, whose first convolution already is a "
                'strided 3×3. Use version "v1", which is the same network.'
            )
        if self.zero_init_residual and self.shortcut == "none":
            raise ValueError(
                'zero_init_residual=True needs a shortcut: a plain network (shortcut "none") whose blocks start at zero '
                "passes nothing on. Leave it False, or choose shortcut A, B or C."
            )

    @property
    def block(self) -> str:
        """Kind of residual block: "basic" or "bottleneck"."""
        if self.family == "imagenet":
            return IMAGENET_STAGES[self.depth][0]
        return "bottleneck" if self.depth in CIFAR_BOTTLENECK_DEPTHS else "basic"

    @property
    def stage_blocks(self) -> tuple[int, ...]:
        """Number of blocks of each stage."""
        if self.family == "imagenet":
            return IMAGENET_STAGES[self.depth][1]
        return ((self.depth - 2) // (9 if self.block == "bottleneck" else 6),) * 3

    @property
    def stage_widths(self) -> tuple[int, ...]:
        """Width of each stage: the channels inside its blocks. They double where the map is halved."""
        return tuple(self.width * 2**stage for stage in range(len(self.stage_blocks)))

    @property
    def out_channels(self) -> int:
        """Channels of the last stage's output, which the dense layer reads."""
        return self.stage_widths[-1] * EXPANSION[self.block]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Every residual block, from the stem to the head."""
        return _blocks(self)

    @property
    def stages(self) -> dict[str, tuple[Block, ...]]:
        """The same blocks, stage by stage: "layer1", "layer2", …"""
        names = [f"layer{stage}" for stage in range(1, len(self.stage_blocks) + 1)]
        return {name: tuple(block for block in self.blocks if block.name.startswith(name + ".")) for name in names}

    @property
    def name(self) -> str:
        """What one calls it: "ResNet-50 v1.5"; for the plain network "plain-20"."""
        if self.shortcut == "none":
            return f"plain-{self.depth}" + ("" if self.version == "v1" else f" {self.version}")
        return f"ResNet-{self.depth} {self.version}"

    @property
    def parameters(self) -> int:
        """Exact count of trainable parameters (running statistics are not trained, and not counted)."""
        return sum(layer.parameters for layer in _walk(self, (1, 1)))

    def to_dict(self) -> dict[str, Any]:
        """The fields as a plain dictionary; `ResNetConfig(**fields)` reads it back."""
        return asdict(self)


@dataclass(frozen=True)
class Block:
    """One residual block as a network's description lists it."""

    name: str  # "layer2.0": first block of the second stage
    kind: str  # "basic" or "bottleneck"
    version: str
    in_channels: int
    width: int
    stride: int
    shortcut: str  # the network's option: "A", "B", "C" or "none"
    first: bool  # the network's first block; v2 treats it in its own way
    bn_eps: float = 1e-5

    @property
    def class_name(self) -> str:
        """The class that builds it, of the same name in both twins."""
        if self.version == "v2":
            return "PreActBasicBlock" if self.kind == "basic" else "PreActBottleneck"
        return "BasicBlock" if self.kind == "basic" else "Bottleneck"

    @property
    def arguments(self) -> dict[str, Any]:
        """What that class is given."""
        names = ["in_channels", "width", "stride", "shortcut", "bn_eps"]
        names += ["first"] if self.version == "v2" else ["version"] if self.kind == "bottleneck" else []
        return {name: getattr(self, name) for name in names}

    @property
    def out_channels(self) -> int:
        """Channels that the block hands on."""
        return self.width * EXPANSION[self.kind]

    @property
    def shortcut_kind(self) -> str:
        """What the shortcut does: "identity", "pad", "projection" or "none"."""
        return shortcut_kind(self.shortcut, self.in_channels, self.out_channels, self.stride)

    @property
    def split_after_activation(self) -> bool:
        """Whether the shortcut of this v2 block carries the activated input; see the function of that name."""
        return split_after_activation(self.shortcut, self.in_channels, self.out_channels, self.stride, self.first)


def shortcut_kind(option: str, in_channels: int, out_channels: int, stride: int) -> str:
    """What a shortcut of option A, B or C does in a block of this shape (1512.03385, section 3.3).

    >>> [shortcut_kind(option, 64, 128, stride=2) for option in "ABC"]
    ['pad', 'projection', 'projection']
    >>> [shortcut_kind(option, 64, 64, stride=1) for option in "ABC"]
    ['identity', 'identity', 'projection']
    """
    _one_of("shortcut", option, SHORTCUTS)
    if option in ("none", "C"):
        return {"none": "none", "C": "projection"}[option]
    if in_channels == out_channels and stride == 1:
        return "identity"
    if option == "A" and in_channels > out_channels:
        raise ValueError(
            f"Shortcut A pads with zero channels, so it cannot go from {in_channels} channels down to {out_channels}. "
            "Use B or C, a projection."
        )
    return "pad" if option == "A" else "projection"


def conv_strides(kind: str, version: str, stride: int) -> tuple[int, ...]:
    """Stride of each convolution of a block: the one place that tells v1 from v1.5.

    >>> conv_strides("bottleneck", "v1", 2), conv_strides("bottleneck", "v1.5", 2)
    ((2, 1, 1), (1, 2, 1))
    """
    _one_of("version", version, VERSIONS)
    if kind == "basic":
        return (stride, 1)
    return (stride, 1, 1) if version == "v1" else (1, stride, 1)


def split_after_activation(option: str, in_channels: int, out_channels: int, stride: int, first: bool) -> bool:
    """Whether a v2 block feeds its shortcut the activated input BN-ReLU(x) rather than x itself.

    A shortcut that changes the shape is fed the pre-activation, and so is the shortcut of the network's first block
    (1603.05027, section 4.1 and appendix). Everywhere else the raw input travels on: the clean identity path.
    """
    return first or shortcut_kind(option, in_channels, out_channels, stride) in ("pad", "projection")


@dataclass(frozen=True)
class Layer:
    """One layer as an image passes it. Shapes are (channels, height, width), without the batch."""

    name: str
    kind: str  # "conv", "bn", "relu", "maxpool", "pad", "add", "avgpool" or "dense"
    kernel: tuple[int, int] | None  # height, width in pixels; None where a layer has no window
    stride: int | None
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    parameters: int  # trainable ones
    macs: int  # multiply-adds for one image; convolutions and the dense layer are counted
    receptive_field: int  # side in input pixels, the largest over all paths; borders are not clipped


def trace(config: ResNetConfig, image_size: int | tuple[int, int] | None = None) -> list[Layer]:
    """Follow one image through a network, layer by layer, without building it.

    Parameters
    ----------
    config
        The network.
    image_size
        Height and width in pixels, any size from 1 on; one number for a square. Default: 224 (ImageNet family) or 32.

    Returns
    -------
    list of Layer
        One record a layer, in the order of computation; a block's shortcut comes after its branch.

    Warns
    -----
    UserWarning
        Where batch normalisation meets maps of 1×1: such a network cannot take a training step on a single image.

    Examples
    --------
    >>> layers = trace(resnet_config(50, "v1.5"), image_size=(224, 224))
    >>> layers[0].name, layers[0].out_shape, sum(layer.macs for layer in layers)
    ('conv1', (64, 112, 112), 4089184256)
    """
    layers = list(_walk(config, checked_image_size(config, image_size)))
    shrunk = next((layer for layer in layers if layer.kind == "bn" and layer.in_shape[1:] == (1, 1)), None)
    if shrunk is not None:
        warnings.warn(
            f"{config.name}: from {shrunk.name} on the maps are 1×1, so batch normalisation sees one value per channel and "
            "image. Training needs batches of 2 or more; use larger images, or a network with fewer stages.",
            stacklevel=2,
        )
    return layers


def trace_names(config: ResNetConfig) -> list[tuple[str, str]]:
    """Return (name, kind) of every layer, in the order of computation, whatever the image size."""
    return [(layer.name, layer.kind) for layer in _walk(config, (1, 1))]


def checked_image_size(config: ResNetConfig, image_size: int | tuple[int, int] | None) -> tuple[int, int]:
    """Return (height, width) of an image size given as a pair, as one number, or not at all (the papers' size)."""
    if image_size is None:
        image_size = 224 if config.family == "imagenet" else 32
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)  # a list comes from JSON
    if len(size) != 2 or not all(isinstance(side, int) and side >= 1 for side in size):
        raise ValueError(
            f"image_size is {image_size!r}; give height and width in pixels, such as (224, 224), or one number."
        )
    return size[0], size[1]


def one_pixel_size(config: ResNetConfig) -> int:
    """Side of the largest image, in pixels, whose maps shrink to 1×1 on the way: the product of all strides.

    >>> one_pixel_size(resnet_config(50)), one_pixel_size(resnet_config(20, family="cifar"))
    (32, 4)
    """
    stem = 4 if config.family == "imagenet" else 1
    return stem * 2 ** (len(config.stage_blocks) - 1)


def check_training_batch(config: ResNetConfig, batch: int, height: int, width: int) -> None:
    """Refuse a training step in which batch normalisation would see one value per channel.

    Its variance would be 0 and its output β, whatever the image. PyTorch's layer raises there and Keras's does not; the
    twins raise the same error.

    Raises
    ------
    ValueError
        For a batch of one image whose maps shrink to 1×1.
    """
    if batch == 1 and max(height, width) <= one_pixel_size(config):
        raise ValueError(one_value_message(config))


def one_value_message(config: ResNetConfig) -> str:
    """What a learner is told about such a step."""
    side = one_pixel_size(config)
    return (
        f"{config.name} cannot take a training step on one image of {side}×{side} or less: its maps shrink to 1×1, and one "
        "value per channel has no variance for batch normalisation to divide by. Use a batch of 2 or more, larger images, "
        "or evaluation mode."
    )


def chosen_config(
    depth: int | None, version: str, config: ResNetConfig | None, fields: dict[str, Any]
) -> ResNetConfig:  # fmt: skip
    """Return the config that the arguments of a twin's `resnet` mean: a finished one, or one made from its fields."""
    if config is None:
        return resnet_config(50 if depth is None else depth, version, **fields)
    if depth is not None or version != "v1" or fields:
        raise ValueError("config describes the whole network: give config=… alone, or depth, version and fields.")
    return config


@lru_cache(maxsize=64)  # a deep network's blocks are asked for again and again
def _blocks(config: ResNetConfig) -> tuple[Block, ...]:
    blocks = []
    channels = config.stage_widths[0]  # the stem's
    for stage, (count, width) in enumerate(zip(config.stage_blocks, config.stage_widths, strict=True), start=1):
        for index in range(count):
            block = Block(
                name=f"layer{stage}.{index}",
                kind=config.block,
                version=config.version,
                in_channels=channels,
                width=width,
                stride=2 if stage > 1 and index == 0 else 1,
                shortcut=config.shortcut,
                first=stage == 1 and index == 0,
                bn_eps=config.bn_eps,
            )
            blocks.append(block)
            channels = width * EXPANSION[config.block]
    return tuple(blocks)


class _Walker:
    """Carries a shape and a receptive field from layer to layer."""

    def __init__(self, shape: tuple[int, ...], field: int = 1, jump: int = 1) -> None:
        self.shape, self.field, self.jump = shape, field, jump  # jump: input pixels between neighbouring outputs

    def fork(self) -> _Walker:
        return _Walker(self.shape, self.field, self.jump)

    def conv(self, name: str, channels: int, kernel: int, stride: int) -> Layer:
        before = self.shape[0]
        layer = self._window(name, "conv", channels, kernel, stride)
        weights = before * channels * kernel * kernel
        return _counted(layer, weights, weights * layer.out_shape[1] * layer.out_shape[2])

    def maxpool(self, name: str) -> Layer:
        return self._window(name, "maxpool", self.shape[0], 3, 2)

    def pad(self, name: str, channels: int, stride: int) -> Layer:
        return self._window(name, "pad", channels, 1, stride)

    def plain(self, name: str, kind: str, parameters: int = 0) -> Layer:
        return Layer(name, kind, None, None, self.shape, self.shape, parameters, 0, self.field)

    def norm(self, name: str) -> Layer:
        return self.plain(name, "bn", 2 * self.shape[0])  # gamma and beta

    def head(self, classes: int) -> Iterator[Layer]:
        channels, *size = self.shape
        self.field += (max(size) - 1) * self.jump
        yield Layer("avgpool", "avgpool", (size[0], size[1]), None, self.shape, (channels, 1, 1), 0, 0, self.field)
        weights = channels * classes
        yield Layer("fc", "dense", None, None, (channels,), (classes,), weights + classes, weights, self.field)

    def _window(self, name: str, kind: str, channels: int, kernel: int, stride: int) -> Layer:
        """A layer that slides a window, with symmetric padding of kernel // 2."""
        before = self.shape
        height, width = ((side + 2 * (kernel // 2) - kernel) // stride + 1 for side in before[1:])
        self.shape = (channels, height, width)
        self.field += (kernel - 1) * self.jump
        self.jump *= stride
        return Layer(name, kind, (kernel, kernel), stride, before, self.shape, 0, 0, self.field)


def _counted(layer: Layer, parameters: int, macs: int) -> Layer:
    return Layer(**{**vars(layer), "parameters": parameters, "macs": macs})


def _walk(config: ResNetConfig, image_size: tuple[int, int]) -> Iterator[Layer]:
    main = _Walker((config.in_channels, *image_size))
    imagenet = config.family == "imagenet"
    yield main.conv("conv1", config.stage_widths[0], 7 if imagenet else 3, 2 if imagenet else 1)
    if config.version != "v2":
        yield main.norm("bn1")
        yield main.plain("relu", "relu")
    if imagenet:
        yield main.maxpool("maxpool")
    for block in config.blocks:
        yield from (_walk_pre_activation if config.version == "v2" else _walk_block)(main, block)
    if config.version == "v2":
        yield main.norm("bn")
        yield main.plain("relu", "relu")
    yield from main.head(config.num_classes)


def _convolutions(block: Block) -> list[tuple[int, int, int]]:
    """(channels, kernel, stride) of each convolution on a block's branch."""
    strides = conv_strides(block.kind, block.version, block.stride)
    kernels = (3, 3) if block.kind == "basic" else (1, 3, 1)
    channels = [block.width] * (len(kernels) - 1) + [block.out_channels]
    return list(zip(channels, kernels, strides, strict=True))


def _walk_block(main: _Walker, block: Block) -> Iterator[Layer]:
    """v1 and v1.5: conv-BN-ReLU … conv-BN, add, ReLU."""
    side, last = main.fork(), len(_convolutions(block))
    for number, (channels, kernel, stride) in enumerate(_convolutions(block), start=1):
        yield main.conv(f"{block.name}.conv{number}", channels, kernel, stride)
        yield main.norm(f"{block.name}.bn{number}")
        if number < last:
            yield main.plain(f"{block.name}.relu{number}", "relu")
    yield from _walk_shortcut(main, side, block, norm=True)
    yield main.plain(f"{block.name}.relu{last}", "relu")


def _walk_pre_activation(main: _Walker, block: Block) -> Iterator[Layer]:
    """v2: BN-ReLU-conv …, add, and nothing after the addition."""
    side = main.fork()
    for number, (channels, kernel, stride) in enumerate(_convolutions(block), start=1):
        yield main.norm(f"{block.name}.bn{number}")
        yield main.plain(f"{block.name}.relu{number}", "relu")
        yield main.conv(f"{block.name}.conv{number}", channels, kernel, stride)
    yield from _walk_shortcut(main, side, block, norm=False)


def _walk_shortcut(main: _Walker, side: _Walker, block: Block, norm: bool) -> Iterator[Layer]:
    kind = block.shortcut_kind
    if kind == "none":
        return
    if kind == "projection":
        yield side.conv(f"{block.name}.downsample.0", block.out_channels, 1, block.stride)
        if norm:
            yield side.norm(f"{block.name}.downsample.1")
    if kind == "pad":
        yield side.pad(f"{block.name}.downsample", block.out_channels, block.stride)
    main.field = max(main.field, side.field)
    yield main.plain(f"{block.name}.add", "add")


def _check_depth(depth: int, family: str) -> None:
    if not isinstance(depth, int) or isinstance(depth, bool):
        raise ValueError(f"depth is {depth!r}; it is a whole number such as 50.")
    if family == "imagenet" and depth not in IMAGENET_STAGES:
        listed = ", ".join(map(str, IMAGENET_STAGES))
        hint = f' ResNet-{depth} exists with family="cifar".' if _is_cifar_depth(depth) else ""
        raise ValueError(f"There is no ResNet-{depth} in the ImageNet family; its depths are {listed}.{hint}")
    if family == "cifar" and not _is_cifar_depth(depth):
        below = max(8, 6 * ((depth - 2) // 6) + 2)
        hint = f' ResNet-{depth} exists with family="imagenet".' if depth in IMAGENET_STAGES else ""
        raise ValueError(
            f"There is no ResNet-{depth} in the CIFAR family; its depths are 6n+2 (8, 14, 20, 32, 44, 56, 110, … 1202; "
            f"near {depth}: {below}, {below + 6}), and 164 and 1001 with bottlenecks.{hint}"
        )


def _is_cifar_depth(depth: int) -> bool:
    return depth in CIFAR_BOTTLENECK_DEPTHS or (depth >= 8 and depth % 6 == 2)


def _one_of(field: str, given: object, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise ValueError(f"{field} is {given!r}; it is one of {', '.join(allowed)}.")


def _positive_int(field: str, given: object) -> None:
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise ValueError(f"{field} is {given!r}; it is a whole number from 1 on.")
